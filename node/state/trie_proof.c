/* Proofs (EIP-1186): the nodes from the root to a key, those that stand inside their parents left out. */
#include "node/state/trie_priv.h"

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"

enum { NODE_BYTES_MAX = 1 << 20 };

/* descend: the child of n on the way to key, whose first *depth nibbles are walked; NULL at a leaf or where the way ends. *depth moves
 * on, *value is set at key's leaf */
static struct trie_child *descend(struct trie_node *n, const uint8_t *key, size_t *depth, bytes *value)
{
    if (n->kind == TRIE_BRANCH) {
        if (*depth >= TRIE_KEY_NIBBLES) return NULL;
        return &((struct trie_branch *)n)->child[key[(*depth)++]];
    }
    const uint8_t *nibbles = n->kind == TRIE_LEAF ? ((struct trie_leaf *)n)->nibbles : ((struct trie_extension *)n)->nibbles;
    if (*depth + n->n_nibbles > TRIE_KEY_NIBBLES || memcmp(key + *depth, nibbles, n->n_nibbles) != 0) return NULL;
    *depth += n->n_nibbles;
    if (n->kind == TRIE_EXTENSION) return &((struct trie_extension *)n)->child;
    if (*depth == TRIE_KEY_NIBBLES) *value = ((struct trie_leaf *)n)->value;
    return NULL;
}

enum status trie_prove(struct buf *out, size_t *n_nodes, struct kv_txn *txn, unsigned table, bytes prefix, const hash32 *key)
{
    struct arena a;
    struct trie *t;
    size_t depth = 0, count = 0;
    bytes value;
    arena_init(&a, (size_t)NODE_BYTES_MAX * TRIE_KEY_NIBBLES);
    enum status s = trie_open(&t, &a, txn, table, prefix, false);
    if (s != OK) goto out;
    t->keeps_rlp = true;
    s = trie_resolve_root(t);
    if (s != OK) goto out;
    nibbles_of(t->path, BYTES_OF(*key));
    for (struct trie_child *c = &t->root; c != NULL; c = descend(c->node, t->path, &depth, &value)) {
        s = trie_resolve(t, c, depth);
        if (s != OK || c->node == NULL) break;
        if (c->node->in_table) {
            rlp_put_string(out, c->node->rlp);
            count++;
        }
    }
    if (s == OK) s = buf_status(out);
    if (s == OK) *n_nodes = count;
out:
    arena_fini(&a);
    return s;
}

/* step: one node on the way: *next is the item that the way goes on with (empty: it ends), *value is set at key's leaf */
static bool step(bytes *next, bytes *value, size_t *depth, const uint8_t *key, bytes raw)
{
    bytes list, first;
    size_t n;
    *next = BYTES_EMPTY;
    if (rlp_get_list(&list, &raw) != OK || raw.len != 0 || rlp_count_items(&n, list) != OK) return false;
    struct rlp_item it;
    if (n == 17) {
        if (*depth >= TRIE_KEY_NIBBLES) return false;
        for (uint8_t i = 0; i <= key[*depth]; i++)
            if (rlp_get_item(&it, &list) != OK) return false;
        ++*depth;
        *next = it.raw;
        return true;
    }
    uint8_t nibbles[TRIE_KEY_NIBBLES], n_nibbles;
    bool leaf;
    if (n != 2 || rlp_get_string(&first, &list) != OK || !hex_prefix_get(nibbles, &n_nibbles, &leaf, first)) return false;
    if (*depth + n_nibbles > TRIE_KEY_NIBBLES || (leaf && *depth + n_nibbles != TRIE_KEY_NIBBLES)) return false;
    if (memcmp(key + *depth, nibbles, n_nibbles) != 0) return true;
    *depth += n_nibbles;
    return leaf ? rlp_get_string(value, &list) == OK : rlp_get_item(&it, &list) == OK && (*next = it.raw, true);
}

enum status trie_check_proof(bytes *value, const hash32 *root, const hash32 *key, const bytes *nodes, size_t n)
{
    uint8_t nibbles[TRIE_KEY_NIBBLES], want[32], hash[32];
    size_t depth = 0, used = 0;
    bytes found = BYTES_EMPTY, next = BYTES_EMPTY;
    nibbles_of(nibbles, BYTES_OF(*key));
    memcpy(want, root->b, 32);
    if (n == 0 && !hash_eq(root, &HASH_EMPTY_TRIE)) return E_CRYPTO;
    while (n != 0) {
        if (used == n || nodes[used].len > NODE_BYTES_MAX) return E_CRYPTO;
        keccak256(hash, nodes[used].ptr, nodes[used].len);
        if (memcmp(hash, want, 32) != 0) return E_CRYPTO;
        next = nodes[used++];
        do { /* a node in the table, and those that stand inside it */
            if (!step(&next, &found, &depth, nibbles, next)) return E_CRYPTO;
        } while (rlp_is_list(next));
        bytes ref;
        if (next.len == 0) break;
        if (rlp_get_string(&ref, &next) != OK || (ref.len != 0 && ref.len != 32)) return E_CRYPTO;
        if (ref.len == 0) break;
        memcpy(want, ref.ptr, 32);
    }
    if (used != n) return E_CRYPTO;
    *value = found;
    return OK;
}
