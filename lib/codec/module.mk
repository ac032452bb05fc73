SRCS := hex.c json.c rlp.c
USES := lib/base lib/codec
PKGS := jansson
