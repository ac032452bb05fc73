PROGRAM := poa-make-chain
MAIN := main.c
SRCS := make.c
USES := lib/base lib/codec lib/crypto lib/eth node/aura node/chain node/evm node/state node/store tests/bench/chain
