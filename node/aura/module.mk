SRCS := aura.c finality.c
USES := lib/base lib/codec lib/crypto lib/eth node/aura
