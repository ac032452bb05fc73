SRCS := blake2f.c bn254.c modexp.c ripemd160.c
USES := lib/base lib/crypto node/evm/precompile
PKGS := openssl
