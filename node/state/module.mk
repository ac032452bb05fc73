SRCS := state.c state_cache.c state_commit.c history_old.c state_history.c state_load.c state_sieve.c trie.c trie_build.c trie_get.c trie_keep.c trie_proof.c
USES := lib/base lib/codec lib/crypto lib/eth node/evm node/store node/state
