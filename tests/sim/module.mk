PROGRAM := poa-sim
MAIN := main.c
SRCS := check.c faults.c govern.c keeper.c network.c recover.c validator.c world.c wrap.c
USES := lib/base lib/codec lib/crypto lib/eth node/aura node/chain node/pool node/state node/store node/sync orchestrator/genesis tests/sim
PKGS := jansson
LIBS := -Wl,--wrap=rng_fill -Wl,--wrap=ec_sign -Wl,--wrap=ec_recover_address -Wl,--wrap=ec_recover_addresses -Wl,--wrap=genesis_compute -Wl,--wrap=keccak256
