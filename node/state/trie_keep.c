/* A trie that stays in memory from block to block: reads along its nodes, and what of it is worth keeping. */
#include "node/state/trie_priv.h"

#include "lib/crypto/keccak.h"

enum status trie_find(bytes *value, struct trie *t, const hash32 *key)
{
    enum status s = trie_resolve_root(t);
    struct trie_child *c = &t->root;
    size_t depth = 0;
    nibbles_of(t->path, BYTES_OF(*key));
    while (s == OK) {
        if (c->node == NULL && c->ref_len == 0) return E_NOT_FOUND;
        s = trie_resolve(t, c, depth);
        if (s != OK) return s;
        const size_t len = c->node->n_nibbles;
        switch ((enum trie_kind)c->node->kind) {
        case TRIE_LEAF: {
            const struct trie_leaf *l = (const struct trie_leaf *)c->node;
            if (depth + len != TRIE_KEY_NIBBLES) return E_CORRUPT;
            if (memcmp(t->path + depth, l->nibbles, len) != 0) return E_NOT_FOUND;
            *value = l->value;
            return OK;
        }
        case TRIE_EXTENSION: {
            struct trie_extension *e = (struct trie_extension *)c->node;
            if (depth + len >= TRIE_KEY_NIBBLES) return E_CORRUPT;
            if (memcmp(t->path + depth, e->nibbles, len) != 0) return E_NOT_FOUND;
            depth += len;
            c = &e->child;
            break;
        }
        case TRIE_BRANCH:
            if (depth >= TRIE_KEY_NIBBLES) return E_CORRUPT;
            c = &((struct trie_branch *)c->node)->child[t->path[depth++]];
            break;
        }
    }
    return s;
}

void trie_rebind(struct trie *t, struct kv_txn *txn, uint32_t now)
{
    t->txn = txn;
    t->now = now;
}

enum status trie_is_latest(bool *yes, struct trie *t)
{
    uint8_t key[TRIE_KEY_MAX];
    hash32 ours, theirs = HASH_EMPTY_TRIE;
    bytes raw;
    enum status s = trie_get_root(&ours, t, NULL);
    if (s == OK) s = kv_get(&raw, t->txn, t->table, trie_table_key(key, t->prefix, t->path, 0));
    if (s == OK) keccak256(theirs.b, raw.ptr, raw.len);
    if (s != OK && s != E_NOT_FOUND) return s;
    *yes = hash_eq(&ours, &theirs);
    return OK;
}

bool trie_is_changed(const struct trie *t)
{
    return t->changed;
}

/* --- what is kept. A node was used whenever one below it was: what is old has nothing young below it. */

static size_t age_of(const struct trie_node *n, uint32_t now)
{
    return now - n->used < TRIE_AGES ? now - n->used : TRIE_AGES - 1;
}

static void weigh(size_t bytes_by_age[static TRIE_AGES], const struct trie_node *n, uint32_t now)
{
    if (n == NULL) return;
    size_t *at = &bytes_by_age[age_of(n, now)];
    switch ((enum trie_kind)n->kind) {
    case TRIE_LEAF: *at += sizeof(struct trie_leaf) + ((const struct trie_leaf *)n)->value.len; return;
    case TRIE_EXTENSION:
        *at += sizeof(struct trie_extension);
        weigh(bytes_by_age, ((const struct trie_extension *)n)->child.node, now);
        return;
    case TRIE_BRANCH:
        *at += sizeof(struct trie_branch);
        for (int i = 0; i < 16; i++) weigh(bytes_by_age, ((const struct trie_branch *)n)->child[i].node, now);
        return;
    }
}

void trie_weigh(size_t bytes_by_age[static TRIE_AGES], const struct trie *t, uint32_t now)
{
    weigh(bytes_by_age, t->root.node, now);
}

static enum status copy(struct trie_node **out, struct arena *a, const struct trie_node *n, uint32_t now, size_t ages);

static enum status copy_child(struct trie_child *c, struct arena *a, uint32_t now, size_t ages)
{
    if (c->node == NULL) return OK;
    if (age_of(c->node, now) < ages) return copy(&c->node, a, c->node, now, ages);
    c->node = NULL;
    return OK;
}

/* it is made anew when the node changes */
static void forget_rlp(struct trie_node *n)
{
    n->rlp = BYTES_EMPTY;
    n->rlp_cap = 0;
}

static enum status copy(struct trie_node **out, struct arena *a, const struct trie_node *n, uint32_t now, size_t ages)
{
    enum status s = OK;
    switch ((enum trie_kind)n->kind) {
    case TRIE_LEAF: {
        const struct trie_leaf *old = (const struct trie_leaf *)n;
        struct trie_leaf *l = trie_leaf_alloc(a, old->nibbles, n->n_nibbles, old->value);
        if (l == NULL) return E_NOMEM;
        l->head = *n;
        forget_rlp(&l->head);
        *out = &l->head;
        return OK;
    }
    case TRIE_EXTENSION: {
        struct trie_extension *e = arena_alloc(a, sizeof *e);
        if (e == NULL) return E_NOMEM;
        *e = *(const struct trie_extension *)n;
        forget_rlp(&e->head);
        s = copy_child(&e->child, a, now, ages);
        *out = &e->head;
        return s;
    }
    case TRIE_BRANCH: {
        struct trie_branch *b = arena_alloc(a, sizeof *b);
        if (b == NULL) return E_NOMEM;
        *b = *(const struct trie_branch *)n;
        forget_rlp(&b->head);
        for (int i = 0; i < 16 && s == OK; i++) s = copy_child(&b->child[i], a, now, ages);
        *out = &b->head;
        return s;
    }
    }
    BUG("unknown kind of node");
}

enum status trie_copy_young(struct trie **out, struct arena *a, const struct trie *t, uint32_t now, size_t ages)
{
    *out = NULL;
    if (t->root.node == NULL || age_of(t->root.node, now) >= ages) return OK;
    struct trie *young = arena_alloc(a, sizeof *young);
    if (young == NULL) return E_NOMEM;
    *young = *t;
    young->arena = a;
    young->gone = NULL;
    young->prefix = arena_copy(a, t->prefix);
    if (young->prefix.ptr == NULL) return E_NOMEM;
    enum status s = copy_child(&young->root, a, now, ages);
    if (s == OK) *out = young;
    return s;
}
