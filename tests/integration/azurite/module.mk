PROGRAM := poa-identities
MAIN := identities.c
USES := lib/base orchestrator/identity
PKGS := jansson
