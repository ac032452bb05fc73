PROGRAM := poa-node
MAIN := main.c
SRCS := chain_file.c config.c finder.c gate.c gauges.c glue.c node.c node_key.c randomness.c reports.c sealer.c submit.c views.c
USES := lib/base lib/codec lib/crypto lib/eth lib/net node/aura node/chain node/identity node/main node/member node/metrics node/p2p node/pool node/rpc node/state node/store
PKGS := jansson libuv
