/* trie_priv.h: what the files of the trie share: nibbles, nodes and their RLP. */
#ifndef NODE_STATE_TRIE_PRIV_H
#define NODE_STATE_TRIE_PRIV_H

#include <pthread.h>

#include "node/state/trie.h"

enum { TRIE_KEY_NIBBLES = 64, TRIE_ROOT_MARK = 0x10, TRIE_PREFIX_MAX = 32, TRIE_KEY_MAX = TRIE_PREFIX_MAX + TRIE_KEY_NIBBLES };

enum trie_kind { TRIE_LEAF, TRIE_EXTENSION, TRIE_BRANCH };

/* a reference to a node: none (node NULL, ref_len 0); by hash (ref_len 32); by its RLP in place (ref_len < 32); not made yet (ref_len 0) since
 * something at or below the node has changed. What changed shows in the parent, so that nobody looks at the nodes that did not. */
struct trie_child {
    struct trie_node *node; /* NULL until it is needed */
    bool dirty;             /* something at or below the node differs from what the table holds */
    uint8_t ref_len;
    uint8_t ref[32];
};

struct trie_node {
    uint8_t kind;
    bool in_table; /* the table has an entry at its path */
    uint8_t n_nibbles;
    uint32_t used;    /* trie->now when it was last looked at */
    uint32_t rlp_cap; /* bytes at rlp.ptr that may be written over */
    bytes rlp;        /* valid once its parent's ref was made here, and in a trie that keeps_rlp; else empty */
};
struct trie_leaf {
    struct trie_node head;
    uint8_t nibbles[TRIE_KEY_NIBBLES];
    bytes value; /* nobody else's */
};
struct trie_extension {
    struct trie_node head;
    uint8_t nibbles[TRIE_KEY_NIBBLES];
    struct trie_child child;
};
struct trie_branch {
    struct trie_node head;
    struct trie_child child[16];
};

struct trie {
    struct arena *arena;
    struct kv_txn *txn;
    unsigned table;
    bytes prefix;
    bool blank, root_read;
    bool keeps_rlp; /* of the nodes that it reads */
    bool changed; /* since it was opened or stored */
    size_t n_unhashed; /* keys changed since the last root */
    pthread_mutex_t *arena_lock; /* while several threads hash; else NULL */
    uint32_t now;
    struct trie_child root;
    struct trie_gone *gone; /* paths whose entries are to go */
    uint8_t path[TRIE_KEY_NIBBLES]; /* of the node that is being looked at */
};

static inline void nibbles_of(uint8_t *dst, bytes key)
{
    for (size_t i = 0; i < key.len; i++) {
        dst[2 * i] = key.ptr[i] >> 4;
        dst[2 * i + 1] = key.ptr[i] & 15;
    }
}

static inline size_t common_prefix(const uint8_t *a, const uint8_t *b, size_t max)
{
    size_t n = 0;
    while (n < max && a[n] == b[n]) n++;
    return n;
}

/** trie_table_key: of the entry at path[0..n); ret the bytes in dst */
bytes trie_table_key(uint8_t dst[static TRIE_KEY_MAX], bytes prefix, const uint8_t *path, size_t n);
/** hex_prefix: Yellow Paper, appendix C; dst has room for n / 2 + 1 bytes; ret the length */
size_t hex_prefix(uint8_t *dst, const uint8_t *nibbles, size_t n, bool leaf);
/** hex_prefix_get: ret false when it is no such thing or too long */
bool hex_prefix_get(uint8_t nibbles[static TRIE_KEY_NIBBLES], uint8_t *n, bool *leaf, bytes in);
/** trie_decode: a node from its RLP; keeps_rlp: with the arena's copy of that in node->rlp.  ret OK | E_CORRUPT | E_NOMEM */
MUST_CHECK enum status trie_decode(struct trie_node **out, struct arena *a, bytes raw, bool keeps_rlp);
/** trie_leaf_alloc: with its own copy of the value behind it; head is the caller's to fill */
struct trie_leaf *trie_leaf_alloc(struct arena *a, const uint8_t *nibbles, size_t n, bytes value);
/** trie_resolve: read the child's node, whose path is t->path[0..depth), if that has not been done. */
MUST_CHECK enum status trie_resolve(struct trie *t, struct trie_child *c, size_t depth);
/** trie_find: trie_get along the nodes that are in memory; others on the way are read, and stay. value: valid until the trie changes. */
MUST_CHECK enum status trie_find(bytes *value, struct trie *t, const hash32 *key);
/** trie_rebind: go on in another transaction, in which the table holds the same trie. now: the time for trie_copy_young, in states */
void trie_rebind(struct trie *t, struct kv_txn *txn, uint32_t now);
/** trie_is_latest: has the table's trie the same root? Then it is the same, node by node. */
MUST_CHECK enum status trie_is_latest(bool *yes, struct trie *t);
bool trie_is_changed(const struct trie *t);
enum { TRIE_AGES = 256 };
/** trie_weigh: add the bytes of the nodes that are in memory to those of their age. */
void trie_weigh(size_t bytes_by_age[static TRIE_AGES], const struct trie *t, uint32_t now);
/** trie_copy_young: *out: a copy in a of what is younger than `ages`; NULL: nothing is. t is unchanged (trie_is_changed). */
MUST_CHECK enum status trie_copy_young(struct trie **out, struct arena *a, const struct trie *t, uint32_t now, size_t ages);
/** trie_resolve_root: t->root.node stays NULL when the trie is empty. */
MUST_CHECK enum status trie_resolve_root(struct trie *t);

#endif
