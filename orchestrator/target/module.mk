SRCS := azure.c azure_deploy.c azure_login.c azure_network.c azure_package.c azure_preflight.c cloud_init.c keeper.c local.c target.c
USES := lib/azure lib/base lib/codec lib/crypto lib/eth lib/net orchestrator/identity orchestrator/report orchestrator/settings orchestrator/target
PKGS := jansson zlib
