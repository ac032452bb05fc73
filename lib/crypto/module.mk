SRCS := aead.c keccak.c secp256k1.c
USES := lib/base lib/codec lib/crypto
PKGS := openssl libsecp256k1 jansson
