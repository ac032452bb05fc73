SRCS := artifact.c recover.c spec_json.c
USES := lib/base lib/codec lib/eth node/chain orchestrator/genesis orchestrator/settings
PKGS := jansson
