SRCS := abi_call.c bloom.c chain_spec.c chain_spec_accounts.c chain_spec_engine.c enode.c header.c possession.c promise.c receipt.c rules.c tx.c types.c u256.c units.c
USES := lib/base lib/codec lib/crypto lib/eth
PKGS := jansson
