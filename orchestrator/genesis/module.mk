SRCS := artifact.c recover.c spec_json.c
USES := lib/base lib/codec lib/eth orchestrator/genesis orchestrator/settings
TEST_USES := node/chain
PKGS := jansson
