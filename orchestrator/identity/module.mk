SRCS := identities.c
USES := lib/base lib/codec lib/crypto lib/eth lib/azure orchestrator/identity
PKGS := jansson
