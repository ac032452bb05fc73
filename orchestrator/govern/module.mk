SRCS := govern.c rpc_client.c
USES := lib/base lib/codec lib/net lib/eth lib/crypto orchestrator/govern
PKGS := jansson
