SRCS := blocks.c chain.c engine.c execute.c genesis.c import.c
USES := lib/base lib/codec lib/crypto lib/eth node/aura node/evm node/state node/store node/chain
