SRCS := abitest.c batch.c bench.c blocktest.c cases.c ethchain.c ethrules.c keystoretest.c rlptest.c statetest.c trietest.c txtest.c world.c
USES := lib/base lib/codec lib/crypto lib/eth node/evm node/state node/store node/chain node/evm_tool
PKGS := jansson
DATA := dao.def
PROGRAM := poa-evm
MAIN := main.c
