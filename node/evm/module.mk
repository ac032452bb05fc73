SRCS := code.c dispatch.c evm.c frame.c memory.c ops.c precompiles.c schedule.c trace.c
USES := lib/base lib/crypto lib/eth node/evm node/evm/precompile
DATA := opcodes.def
CFLAGS_EXTRA := -fno-tree-slp-vectorize
