PROGRAM := poa-identities
MAIN := identities.c
USES := lib/base lib/codec lib/crypto lib/eth orchestrator/identity
PKGS := jansson
