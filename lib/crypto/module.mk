SRCS := aead.c ecies.c jwt_certificate.c kdf.c keccak.c keystore.c secp256k1.c tls.c
USES := lib/base lib/codec lib/crypto
PKGS := openssl libsecp256k1 jansson
