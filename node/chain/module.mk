SRCS := ahead.c blocks.c chain.c empty_steps.c engine.c execute.c genesis.c group.c import.c import_run.c node_filter.c promise.c replay.c requests.c serve.c side.c tx_filter.c workers.c
USES := lib/base lib/codec lib/crypto lib/eth node/aura node/evm node/state node/store node/chain
