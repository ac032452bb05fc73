SRCS := execute.c genesis.c
USES := lib/base lib/codec lib/crypto lib/eth node/evm node/state node/store node/chain
