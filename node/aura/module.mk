SRCS := aura.c commit.c finality.c
USES := lib/base lib/codec lib/crypto lib/eth node/aura
