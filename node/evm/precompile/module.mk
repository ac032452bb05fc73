SRCS := blake2f.c bls12_381.c bls12_381_map.c bn254.c cpu.c kzg.c modexp.c ripemd160.c
USES := lib/base lib/crypto node/evm/precompile
PKGS := openssl
