PROGRAM := poa-agent
MAIN := main.c
SRCS := collect.c config.c counts.c node_rpc.c records.c send.c spool.c tail.c
USES := lib/azure lib/base lib/codec lib/crypto lib/metrics lib/net node/agent
PKGS := jansson
