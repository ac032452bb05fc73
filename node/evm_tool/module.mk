SRCS := cases.c statetest.c
USES := lib/base lib/codec lib/crypto lib/eth node/evm node/state node/store node/chain node/evm_tool
PKGS := jansson
PROGRAM := poa-evm
MAIN := main.c
