PROGRAM := poa-make-chain
MAIN := main.c
SRCS := make.c
USES := lib/base lib/codec lib/crypto node/aura node/chain node/store tests/bench/chain
