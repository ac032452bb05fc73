SRCS := cloud_init.c keeper.c local.c
USES := lib/base lib/codec lib/crypto lib/net orchestrator/target
PKGS := jansson
