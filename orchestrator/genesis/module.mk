SRCS := artifact.c spec_json.c
USES := lib/base lib/codec lib/eth orchestrator/genesis orchestrator/settings
PKGS := jansson
