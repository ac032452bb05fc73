SRCS := hex.c rlp.c
USES := lib/base lib/codec
