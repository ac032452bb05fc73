SRCS := aura.c commit.c empty_steps.c finality.c
USES := lib/codec lib/crypto lib/eth node/aura
