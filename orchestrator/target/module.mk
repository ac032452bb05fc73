SRCS := cloud_init.c keeper.c local.c local_monitor.c local_upgrade.c target.c
USES := lib/base lib/codec lib/crypto lib/eth lib/net orchestrator/identity orchestrator/report orchestrator/settings orchestrator/target
PKGS := jansson
