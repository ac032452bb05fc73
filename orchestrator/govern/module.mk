SRCS := check.c events.c govern.c rpc_client.c views.c
USES := lib/base lib/codec lib/net lib/eth lib/crypto orchestrator/govern
PKGS := jansson
