#include "node/state/trie_priv.h"

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"

struct trie_gone {
    struct trie_gone *next;
    uint8_t len;
    uint8_t path[];
};

/* item: an update with its key as nibbles */
struct item {
    const uint8_t *nibbles; /* TRIE_KEY_NIBBLES of them */
    bytes value;            /* empty: delete */
};

bytes trie_table_key(uint8_t dst[static TRIE_KEY_MAX], bytes prefix, const uint8_t *path, size_t n)
{
    if (prefix.len != 0) memcpy(dst, prefix.ptr, prefix.len);
    if (n == 0) {
        dst[prefix.len] = TRIE_ROOT_MARK;
        return bytes_make(dst, prefix.len + 1);
    }
    memcpy(dst + prefix.len, path, n);
    return bytes_make(dst, prefix.len + n);
}

/* --- reading nodes */

size_t hex_prefix(uint8_t *dst, const uint8_t *nibbles, size_t n, bool leaf)
{
    size_t len = 1;
    dst[0] = leaf ? 0x20 : 0;
    if (n % 2 != 0) {
        dst[0] |= (uint8_t)(0x10 | nibbles[0]);
        nibbles++;
    }
    for (size_t i = 0; i < n / 2; i++) dst[len++] = (uint8_t)(nibbles[2 * i] << 4 | nibbles[2 * i + 1]);
    return len;
}

bool hex_prefix_get(uint8_t nibbles[static TRIE_KEY_NIBBLES], uint8_t *n, bool *leaf, bytes in)
{
    if (in.len < 1 || in.len > TRIE_KEY_NIBBLES / 2 + 1 || in.ptr[0] > 0x3f) return false;
    *leaf = (in.ptr[0] & 0x20) != 0;
    size_t at = 0;
    if ((in.ptr[0] & 0x10) != 0)
        nibbles[at++] = in.ptr[0] & 15;
    else if ((in.ptr[0] & 15) != 0)
        return false;
    if (at + 2 * (in.len - 1) > TRIE_KEY_NIBBLES) return false;
    nibbles_of(nibbles + at, bytes_make(in.ptr + 1, in.len - 1));
    *n = (uint8_t)(at + 2 * (in.len - 1));
    return true;
}

static bool child_get(struct trie_child *c, bytes *in)
{
    struct rlp_item it;
    if (rlp_get_item(&it, in) != OK) return false;
    bytes ref = it.is_list ? it.raw : it.payload;
    if (it.is_list ? ref.len >= 32 : ref.len != 0 && ref.len != 32) return false;
    c->node = NULL;
    c->ref_len = (uint8_t)ref.len;
    if (ref.len != 0) memcpy(c->ref, ref.ptr, ref.len);
    return true;
}

struct trie_leaf *trie_leaf_alloc(struct arena *a, const uint8_t *nibbles, size_t n, bytes value)
{
    struct trie_leaf *l = value.len > SIZE_MAX / 2 ? NULL : arena_alloc(a, sizeof *l + value.len);
    if (l == NULL) return NULL;
    uint8_t *own = (uint8_t *)(l + 1);
    memcpy(l->nibbles, nibbles, n);
    if (value.len != 0) memcpy(own, value.ptr, value.len);
    l->value = bytes_make(own, value.len);
    return l;
}

enum status trie_decode(struct trie_node **out, struct arena *a, bytes raw, bool keeps_rlp)
{
    bytes rlp = keeps_rlp ? arena_copy(a, raw) : BYTES_EMPTY, in = raw, list, first;
    size_t n;
    if (keeps_rlp && rlp.ptr == NULL) return E_NOMEM;
    if (rlp_get_list(&list, &in) != OK || in.len != 0 || rlp_count_items(&n, list) != OK) return E_CORRUPT;
    if (n == 17) {
        struct trie_branch *b = arena_zalloc(a, 1, sizeof *b);
        if (b == NULL) return E_NOMEM;
        for (int i = 0; i < 16; i++)
            if (!child_get(&b->child[i], &list)) return E_CORRUPT;
        if (rlp_get_string(&first, &list) != OK || first.len != 0) return E_CORRUPT;
        b->head = (struct trie_node){.kind = TRIE_BRANCH, .rlp = rlp};
        *out = &b->head;
        return OK;
    }
    uint8_t nibbles[TRIE_KEY_NIBBLES], n_nibbles;
    bool leaf;
    if (n != 2 || rlp_get_string(&first, &list) != OK || !hex_prefix_get(nibbles, &n_nibbles, &leaf, first)) return E_CORRUPT;
    if (leaf) {
        bytes value;
        if (rlp_get_string(&value, &list) != OK) return E_CORRUPT;
        struct trie_leaf *l = trie_leaf_alloc(a, nibbles, n_nibbles, value);
        if (l == NULL) return E_NOMEM;
        l->head = (struct trie_node){.kind = TRIE_LEAF, .n_nibbles = n_nibbles, .rlp = rlp};
        *out = &l->head;
        return OK;
    }
    struct trie_extension *e = arena_zalloc(a, 1, sizeof *e);
    if (e == NULL) return E_NOMEM;
    if (!child_get(&e->child, &list) || e->child.ref_len == 0 || n_nibbles == 0) return E_CORRUPT;
    e->head = (struct trie_node){.kind = TRIE_EXTENSION, .n_nibbles = n_nibbles, .rlp = rlp};
    memcpy(e->nibbles, nibbles, n_nibbles);
    *out = &e->head;
    return OK;
}

static enum status read_node(struct trie_node **out, bytes *raw, struct trie *t, size_t depth)
{
    uint8_t key[TRIE_KEY_MAX];
    enum status s = kv_get(raw, t->txn, t->table, trie_table_key(key, t->prefix, t->path, depth));
    if (s != OK) return s;
    if ((s = trie_decode(out, t->arena, *raw, t->keeps_rlp)) != OK) return s;
    (*out)->in_table = true;
    return OK;
}

enum status trie_resolve(struct trie *t, struct trie_child *c, size_t depth)
{
    enum status s = OK;
    if (c->node == NULL && c->ref_len == 0) return OK;
    bytes raw = bytes_make(c->ref, c->ref_len);
    if (c->node == NULL) s = c->ref_len < 32 ? trie_decode(&c->node, t->arena, raw, t->keeps_rlp) : read_node(&c->node, &raw, t, depth);
    if (s == OK) c->node->used = t->now;
    return s == E_NOT_FOUND ? E_CORRUPT : s;
}

enum status trie_resolve_root(struct trie *t)
{
    if (t->root.node != NULL) t->root.node->used = t->now;
    if (t->root_read) return OK;
    bytes raw;
    enum status s = t->blank ? E_NOT_FOUND : read_node(&t->root.node, &raw, t, 0);
    if (s == OK) {
        t->root.ref_len = 32;
        keccak256(t->root.ref, raw.ptr, raw.len);
        t->root.node->used = t->now;
    }
    t->root_read = s == OK || s == E_NOT_FOUND;
    return s == E_NOT_FOUND ? OK : s;
}

enum status trie_open(struct trie **out, struct arena *a, struct kv_txn *txn, unsigned table, bytes prefix, bool blank)
{
    if (prefix.len > TRIE_PREFIX_MAX) return E_INVALID;
    struct trie *t = arena_zalloc(a, 1, sizeof *t);
    if (t == NULL) return E_NOMEM;
    t->arena = a;
    t->txn = txn;
    t->table = table;
    t->prefix = prefix;
    t->blank = blank;
    *out = t;
    return OK;
}

/* --- changing */

static struct trie_leaf *leaf_new(struct trie *t, const uint8_t *nibbles, size_t n, bytes value)
{
    struct trie_leaf *l = trie_leaf_alloc(t->arena, nibbles, n, value);
    if (l != NULL) l->head = (struct trie_node){.kind = TRIE_LEAF, .n_nibbles = (uint8_t)n, .used = t->now};
    return l;
}

static struct trie_extension *extension_new(struct trie *t, const uint8_t *nibbles, size_t n, struct trie_child child)
{
    struct trie_extension *e = arena_alloc(t->arena, sizeof *e);
    if (e == NULL) return NULL;
    e->head = (struct trie_node){.kind = TRIE_EXTENSION, .n_nibbles = (uint8_t)n, .used = t->now};
    memcpy(e->nibbles, nibbles, n);
    e->child = child;
    return e;
}

static struct trie_branch *branch_new(struct trie *t)
{
    struct trie_branch *b = arena_zalloc(t->arena, 1, sizeof *b);
    if (b != NULL) b->head = (struct trie_node){.kind = TRIE_BRANCH, .used = t->now};
    return b;
}

/* drop_entry: the table's entry at t->path[0..depth) has lost its node */
static enum status drop_entry(struct trie *t, size_t depth)
{
    struct trie_gone *g = arena_alloc(t->arena, sizeof *g + depth);
    if (g == NULL) return E_NOMEM;
    g->next = t->gone;
    g->len = (uint8_t)depth;
    memcpy(g->path, t->path, depth);
    t->gone = g;
    return OK;
}

/* touch: what c refers to has changed */
static void touch(struct trie_child *c)
{
    c->ref_len = 0;
    c->dirty = true;
}

/* replace: put node (or none) where old stood; an entry of the table goes over to the new node, which overwrites it */
static enum status replace(struct trie *t, struct trie_child *c, struct trie_node *node, size_t depth)
{
    const bool had_entry = c->node != NULL && c->node->in_table;
    c->node = node;
    touch(c);
    if (node == NULL) return had_entry ? drop_entry(t, depth) : OK;
    node->in_table = had_entry;
    return OK;
}

/* group_len: how many of the first items share their nibble at depth */
static size_t group_len(const struct item *it, size_t n, size_t depth)
{
    size_t k = 1;
    while (k < n && it[k].nibbles[depth] == it[0].nibbles[depth]) k++;
    return k;
}

/* build: a subtree of items, n >= 1, sorted, none of them a delete */
static enum status build(struct trie_node **out, struct trie *t, size_t depth, const struct item *it, size_t n)
{
    if (n == 1) {
        struct trie_leaf *l = leaf_new(t, it->nibbles + depth, TRIE_KEY_NIBBLES - depth, it->value);
        if (l == NULL) return E_NOMEM;
        *out = &l->head;
        return OK;
    }
    size_t shared = common_prefix(it[0].nibbles + depth, it[n - 1].nibbles + depth, TRIE_KEY_NIBBLES - depth);
    if (depth + shared >= TRIE_KEY_NIBBLES) return E_INVALID; /* two equal keys */
    struct trie_branch *b = branch_new(t);
    if (b == NULL) return E_NOMEM;
    const size_t at = depth + shared;
    for (size_t i = 0, k; i < n; i += k) {
        k = group_len(it + i, n - i, at);
        struct trie_child *c = &b->child[it[i].nibbles[at]];
        enum status s = build(&c->node, t, at + 1, it + i, k);
        if (s != OK) return s;
        touch(c);
    }
    *out = &b->head;
    if (shared == 0) return OK;
    struct trie_extension *e = extension_new(t, it->nibbles + depth, shared, (struct trie_child){.node = &b->head, .dirty = true});
    if (e == NULL) return E_NOMEM;
    *out = &e->head;
    return OK;
}

/* build_into: the items that are no deletes, and the leaf that stood there (its key as nibbles; NULL: none) unless an item has its key */
static enum status build_into(bool *changed, struct trie *t, struct trie_child *c, size_t depth, const struct item *it, size_t n,
                              const struct item *old)
{
    struct item *all = malloc((n + 1) * sizeof *all);
    if (all == NULL) return E_NOMEM;
    size_t k = 0;
    bool old_done = old == NULL;
    for (size_t i = 0; i < n; i++) {
        int cmp = old_done ? -1 : memcmp(it[i].nibbles, old->nibbles, TRIE_KEY_NIBBLES);
        if (cmp > 0) all[k++] = *old;
        if (cmp >= 0) old_done = true;
        if (it[i].value.len != 0) all[k++] = it[i];
    }
    if (!old_done) all[k++] = *old;
    enum status s = OK;
    const bool same = old == NULL ? k == 0
                                  : k == 1 && memcmp(all[0].nibbles, old->nibbles, TRIE_KEY_NIBBLES) == 0 &&
                                        bytes_eq(all[0].value, old->value);
    if (!same) {
        struct trie_node *node = NULL;
        if (k != 0) s = build(&node, t, depth, all, k);
        if (s == OK) s = replace(t, c, node, depth);
        *changed = true;
    }
    free(all);
    return s;
}

/* hang: c gets the nibbles in front of child: an extension, or a longer leaf or extension in place of the child */
static enum status hang(struct trie *t, struct trie_child *c, size_t depth, const uint8_t *nibbles, size_t n, struct trie_child child)
{
    struct trie_node *under = child.node;
    if (under->kind == TRIE_BRANCH) {
        struct trie_extension *e = extension_new(t, nibbles, n, child);
        return e == NULL ? E_NOMEM : replace(t, c, &e->head, depth);
    }
    /* the child moves up to its parent's path, so its own entry goes */
    if (under->in_table) {
        enum status s = drop_entry(t, depth + n);
        if (s != OK) return s;
    }
    uint8_t all[TRIE_KEY_NIBBLES];
    memcpy(all, nibbles, n);
    if (under->kind == TRIE_LEAF) {
        const struct trie_leaf *l = (const struct trie_leaf *)under;
        memcpy(all + n, l->nibbles, under->n_nibbles);
        struct trie_leaf *longer = leaf_new(t, all, n + under->n_nibbles, l->value);
        return longer == NULL ? E_NOMEM : replace(t, c, &longer->head, depth);
    }
    const struct trie_extension *e = (const struct trie_extension *)under;
    memcpy(all + n, e->nibbles, under->n_nibbles);
    struct trie_extension *longer = extension_new(t, all, n + under->n_nibbles, e->child);
    return longer == NULL ? E_NOMEM : replace(t, c, &longer->head, depth);
}

static bool child_is_none(const struct trie_child *c)
{
    return c->node == NULL && c->ref_len == 0;
}

static enum status change(bool *changed, struct trie *t, struct trie_child *c, size_t depth, const struct item *it, size_t n);

static enum status change_leaf(bool *changed, struct trie *t, struct trie_child *c, size_t depth, const struct item *it, size_t n)
{
    struct trie_leaf *l = (struct trie_leaf *)c->node;
    if (l->head.n_nibbles != TRIE_KEY_NIBBLES - depth) return E_CORRUPT;
    if (n == 1 && it->value.len == l->value.len && memcmp(it->nibbles + depth, l->nibbles, l->head.n_nibbles) == 0) { /* as most often */
        if (bytes_eq(it->value, l->value)) return OK;
        memcpy((uint8_t *)(l + 1), it->value.ptr, it->value.len);
        touch(c);
        *changed = true;
        return OK;
    }
    uint8_t key[TRIE_KEY_NIBBLES];
    memcpy(key, t->path, depth);
    memcpy(key + depth, l->nibbles, l->head.n_nibbles);
    return build_into(changed, t, c, depth, it, n, &(struct item){key, l->value});
}

/* split: the extension parts from some item after its first d nibbles: put a branch there */
static enum status split(struct trie *t, struct trie_child *c, size_t depth, size_t d)
{
    const struct trie_extension *e = (const struct trie_extension *)c->node;
    struct trie_branch *b = branch_new(t);
    if (b == NULL) return E_NOMEM;
    struct trie_child *old = &b->child[e->nibbles[d]];
    size_t rest = e->head.n_nibbles - d - 1u;
    if (rest == 0) {
        *old = e->child;
    } else {
        struct trie_extension *tail = extension_new(t, e->nibbles + d + 1, rest, e->child);
        if (tail == NULL) return E_NOMEM;
        *old = (struct trie_child){.node = &tail->head, .dirty = true};
    }
    if (d == 0) return replace(t, c, &b->head, depth);
    struct trie_extension *front = extension_new(t, e->nibbles, d, (struct trie_child){.node = &b->head, .dirty = true});
    return front == NULL ? E_NOMEM : replace(t, c, &front->head, depth);
}

static enum status change_extension(bool *changed, struct trie *t, struct trie_child *c, size_t depth, const struct item *it, size_t n)
{
    struct trie_extension *e = (struct trie_extension *)c->node;
    const size_t len = e->head.n_nibbles;
    if (depth + len >= TRIE_KEY_NIBBLES) return E_CORRUPT;
    /* a delete that leaves the extension's path deletes nothing: drop those first, so that they do not split it */
    size_t keep = 0, d = len;
    for (size_t i = 0; i < n; i++) {
        size_t same = common_prefix(it[i].nibbles + depth, e->nibbles, len);
        if (same < len && it[i].value.len == 0) continue;
        keep++;
        if (same < d) d = same;
    }
    if (keep == 0) return OK;
    struct item *kept = NULL;
    enum status s = OK;
    if (keep < n) {
        kept = malloc(keep * sizeof *kept);
        if (kept == NULL) return E_NOMEM;
        size_t k = 0;
        for (size_t i = 0; i < n; i++)
            if (it[i].value.len != 0 || common_prefix(it[i].nibbles + depth, e->nibbles, len) == len) kept[k++] = it[i];
        it = kept;
        n = keep;
    }
    if (d < len) {
        s = split(t, c, depth, d);
        if (s == OK) s = change(changed, t, c, depth, it, n);
        *changed = true;
        free(kept);
        return s;
    }
    bool below = false;
    memcpy(t->path + depth, e->nibbles, len);
    s = change(&below, t, &e->child, depth + len, it, n);
    free(kept);
    if (s != OK || !below) return s;
    *changed = true;
    if (child_is_none(&e->child)) return replace(t, c, NULL, depth);
    touch(c);
    if (e->child.node->kind == TRIE_BRANCH) return OK;
    return hang(t, c, depth, e->nibbles, len, e->child);
}

static enum status change_branch(bool *changed, struct trie *t, struct trie_child *c, size_t depth, const struct item *it, size_t n)
{
    struct trie_branch *b = (struct trie_branch *)c->node;
    bool below = false;
    if (depth >= TRIE_KEY_NIBBLES) return E_CORRUPT;
    for (size_t i = 0, k; i < n; i += k) {
        k = group_len(it + i, n - i, depth);
        uint8_t nibble = it[i].nibbles[depth];
        t->path[depth] = nibble;
        enum status s = change(&below, t, &b->child[nibble], depth + 1, it + i, k);
        if (s != OK) return s;
    }
    if (!below) return OK;
    *changed = true;
    touch(c);
    int left = 0;
    uint8_t only = 0;
    for (uint8_t i = 0; i < 16; i++) {
        if (child_is_none(&b->child[i])) continue;
        left++;
        only = i;
    }
    if (left == 0) return replace(t, c, NULL, depth);
    if (left > 1) return OK;
    t->path[depth] = only;
    enum status s = trie_resolve(t, &b->child[only], depth + 1);
    if (s != OK) return s;
    return hang(t, c, depth, &only, 1, b->child[only]);
}

/* change: apply sorted items, all of which begin with t->path[0..depth), to the subtree at c; *changed is set if it did something */
static enum status change(bool *changed, struct trie *t, struct trie_child *c, size_t depth, const struct item *it, size_t n)
{
    if (child_is_none(c)) return build_into(changed, t, c, depth, it, n, NULL);
    enum status s = trie_resolve(t, c, depth);
    if (s != OK) return s;
    switch ((enum trie_kind)c->node->kind) {
    case TRIE_LEAF: return change_leaf(changed, t, c, depth, it, n);
    case TRIE_EXTENSION: return change_extension(changed, t, c, depth, it, n);
    case TRIE_BRANCH: return change_branch(changed, t, c, depth, it, n);
    }
    BUG("unknown kind of node");
}

static int item_cmp(const void *a, const void *b)
{
    return memcmp(((const struct item *)a)->nibbles, ((const struct item *)b)->nibbles, TRIE_KEY_NIBBLES);
}

enum status trie_change(struct trie *t, const struct trie_update *updates, size_t n)
{
    if (n == 0) return OK;
    enum status s = trie_resolve_root(t);
    if (s != OK) return s;
    s = E_NOMEM;
    uint8_t *nibbles = NULL;
    struct item *it = NULL;
    if (n > SIZE_MAX / 2 / TRIE_KEY_NIBBLES) goto out;
    nibbles = malloc(n * TRIE_KEY_NIBBLES);
    it = malloc(n * sizeof *it);
    if (nibbles == NULL || it == NULL) goto out;
    bool sorted = true;
    for (size_t i = 0; i < n; i++) {
        nibbles_of(nibbles + i * TRIE_KEY_NIBBLES, BYTES_OF(updates[i].key));
        it[i] = (struct item){nibbles + i * TRIE_KEY_NIBBLES, updates[i].value};
        if (i != 0 && item_cmp(&it[i - 1], &it[i]) > 0) sorted = false;
    }
    if (!sorted) qsort(it, n, sizeof *it, item_cmp);
    t->changed = true;
    t->n_unhashed += n;
    bool changed = false;
    s = change(&changed, t, &t->root, 0, it, n);
out:
    free(nibbles);
    free(it);
    return s;
}

/* --- hashing */

static size_t ref_rlp_len(const struct trie_child *c)
{
    return c->ref_len == 32 ? 33 : c->ref_len == 0 ? 1 : c->ref_len;
}

static uint8_t *put_ref(uint8_t *p, const struct trie_child *c)
{
    if (c->ref_len == 32)
        *p++ = 0xa0;
    else if (c->ref_len == 0)
        *p++ = 0x80;
    memcpy(p, c->ref, c->ref_len);
    return p + c->ref_len;
}

static size_t string_rlp_len(bytes v)
{
    return v.len == 1 && v.ptr[0] < 0x80 ? 1 : rlp_header_len(v.len) + v.len;
}

static uint8_t *put_string(uint8_t *p, bytes v)
{
    if (!(v.len == 1 && v.ptr[0] < 0x80)) p += rlp_encode_header(p, false, v.len);
    if (v.len != 0) memcpy(p, v.ptr, v.len);
    return p + v.len;
}

static uint8_t *alloc_rlp(struct trie *t, size_t len)
{
    if (len > UINT32_MAX) return NULL;
    if (t->arena_lock != NULL) pthread_mutex_lock(t->arena_lock);
    uint8_t *p = arena_alloc(t->arena, len);
    if (t->arena_lock != NULL) pthread_mutex_unlock(t->arena_lock);
    return p;
}

static enum status encode(struct trie *t, struct trie_node *n)
{
    uint8_t hp[UINT8_MAX / 2 + 1], head[9], *p; /* n_nibbles is a byte: gcc sees that nothing runs over */
    bytes key = BYTES_EMPTY;
    size_t payload = 0;
    if (n->kind == TRIE_BRANCH) {
        const struct trie_branch *b = (const struct trie_branch *)n;
        payload = 1;
        for (int i = 0; i < 16; i++) payload += ref_rlp_len(&b->child[i]);
    } else if (n->kind == TRIE_LEAF) {
        const struct trie_leaf *l = (const struct trie_leaf *)n;
        key = bytes_make(hp, hex_prefix(hp, l->nibbles, n->n_nibbles, true));
        payload = string_rlp_len(key) + string_rlp_len(l->value);
    } else {
        const struct trie_extension *e = (const struct trie_extension *)n;
        key = bytes_make(hp, hex_prefix(hp, e->nibbles, n->n_nibbles, false));
        payload = string_rlp_len(key) + ref_rlp_len(&e->child);
    }
    size_t head_len = rlp_encode_header(head, true, payload);
    if (n->rlp_cap < head_len + payload) {
        n->rlp.ptr = alloc_rlp(t, head_len + payload);
        if (n->rlp.ptr == NULL) return E_NOMEM;
        n->rlp_cap = (uint32_t)(head_len + payload);
    }
    uint8_t *dst = p = (uint8_t *)(uintptr_t)n->rlp.ptr;
    memcpy(p, head, head_len);
    p += head_len;
    if (n->kind == TRIE_BRANCH) {
        for (int i = 0; i < 16; i++) p = put_ref(p, &((const struct trie_branch *)n)->child[i]);
        *p++ = 0x80;
    } else {
        p = put_string(p, key);
        p = n->kind == TRIE_LEAF ? put_string(p, ((const struct trie_leaf *)n)->value)
                                 : put_ref(p, &((const struct trie_extension *)n)->child);
    }
    n->rlp = bytes_make(dst, head_len + payload);
    return OK;
}

static enum status make_ref(struct trie *t, struct trie_child *c)
{
    struct trie_node *n = c->node;
    if (n == NULL || c->ref_len != 0) return OK;
    enum status s = OK;
    if (n->kind == TRIE_BRANCH) {
        struct trie_branch *b = (struct trie_branch *)n;
        for (int i = 0; i < 16 && s == OK; i++) s = make_ref(t, &b->child[i]);
    } else if (n->kind == TRIE_EXTENSION) {
        s = make_ref(t, &((struct trie_extension *)n)->child);
    }
    if (s == OK) s = encode(t, n);
    if (s != OK) return s;
    if (n->rlp.len < 32) {
        c->ref_len = (uint8_t)n->rlp.len;
        memcpy(c->ref, n->rlp.ptr, n->rlp.len);
    } else {
        c->ref_len = 32;
        keccak256(c->ref, n->rlp.ptr, n->rlp.len);
    }
    return OK;
}

/* what hangs on one child of the root; no two of these share a node */
struct subtrie {
    struct trie *t;
    struct trie_child *child;
    enum status s;
};

static void hash_subtrie(void *arg)
{
    struct subtrie *u = arg;
    u->s = make_ref(u->t, u->child);
}

/* all that hangs on the root's branch, by whoever has time; the root itself is left */
static enum status hash_together(struct trie *t, struct trie_branch *b, const struct trie_helpers *helpers)
{
    struct subtrie job[16];
    void *args[16];
    size_t n = 0;
    for (int i = 0; i < 16; i++) {
        if (b->child[i].node == NULL || b->child[i].ref_len != 0) continue;
        job[n] = (struct subtrie){.t = t, .child = &b->child[i]};
        args[n] = &job[n];
        n++;
    }
    if (n < 2) return OK;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    t->arena_lock = &lock;
    helpers->run(helpers->ctx, hash_subtrie, args, n);
    t->arena_lock = NULL;
    pthread_mutex_destroy(&lock);
    for (size_t i = 0; i < n; i++)
        if (job[i].s != OK) return job[i].s;
    return OK;
}

enum status trie_get_root(hash32 *root, struct trie *t, const struct trie_helpers *helpers)
{
    enum status s = trie_resolve_root(t);
    if (s == OK && helpers != NULL && t->n_unhashed >= TRIE_HELP_MIN && t->root.node != NULL && t->root.node->kind == TRIE_BRANCH)
        s = hash_together(t, (struct trie_branch *)t->root.node, helpers);
    if (s == OK) s = make_ref(t, &t->root);
    if (s != OK) return s;
    t->n_unhashed = 0;
    if (t->root.node == NULL)
        *root = HASH_EMPTY_TRIE;
    else if (t->root.ref_len == 32)
        memcpy(root->b, t->root.ref, 32);
    else
        keccak256(root->b, t->root.ref, t->root.ref_len);
    return OK;
}

/* --- writing */

struct writer {
    struct kv_txn *txn;
    const struct trie *t;
    uint8_t path[TRIE_KEY_NIBBLES];
};

static enum status store_node(struct writer *w, struct trie_child *c, size_t depth)
{
    struct trie_node *n = c->node;
    if (n == NULL || !c->dirty) return OK;
    uint8_t key[TRIE_KEY_MAX];
    enum status s = OK;
    if (n->rlp.len >= 32 || depth == 0)
        s = kv_put(w->txn, w->t->table, trie_table_key(key, w->t->prefix, w->path, depth), n->rlp);
    else if (n->in_table)
        s = kv_delete(w->txn, w->t->table, trie_table_key(key, w->t->prefix, w->path, depth));
    if (s != OK) return s;
    c->dirty = false;
    n->in_table = n->rlp.len >= 32 || depth == 0;
    if (n->kind == TRIE_BRANCH) {
        struct trie_branch *b = (struct trie_branch *)n;
        for (uint8_t i = 0; i < 16 && s == OK; i++) {
            w->path[depth] = i;
            s = store_node(w, &b->child[i], depth + 1);
        }
    } else if (n->kind == TRIE_EXTENSION) {
        struct trie_extension *e = (struct trie_extension *)n;
        memcpy(w->path + depth, e->nibbles, n->n_nibbles);
        s = store_node(w, &e->child, depth + n->n_nibbles);
    }
    return s;
}

enum status trie_store(struct kv_txn *txn, struct trie *t)
{
    uint8_t key[TRIE_KEY_MAX];
    for (const struct trie_gone *g = t->gone; g != NULL; g = g->next) {
        enum status s = kv_delete(txn, t->table, trie_table_key(key, t->prefix, g->path, g->len));
        if (s != OK) return s;
    }
    struct writer w = {.txn = txn, .t = t};
    enum status s = store_node(&w, &t->root, 0);
    if (s != OK) return s;
    t->gone = NULL;
    t->changed = false;
    return OK;
}

/* --- in one go */

struct trie_dirty {
    struct arena arena;
    struct trie *t;
};

void trie_dirty_free(struct trie_dirty *d)
{
    if (d == NULL) return;
    arena_fini(&d->arena);
    free(d);
}

enum status trie_apply(hash32 *root, struct trie_dirty **dirty, struct kv_txn *txn, unsigned table, bytes prefix,
                       const struct trie_update *updates, size_t n)
{
    struct trie_dirty *d = malloc(sizeof *d);
    if (d == NULL) return E_NOMEM;
    arena_init(&d->arena, SIZE_MAX);
    enum status s = trie_open(&d->t, &d->arena, txn, table, prefix, false);
    if (s == OK) s = trie_change(d->t, updates, n);
    if (s == OK) s = trie_get_root(root, d->t, NULL);
    if (s != OK || dirty == NULL)
        trie_dirty_free(d);
    else
        *dirty = d;
    return s;
}

enum status trie_write(struct kv_txn *txn, unsigned table, bytes prefix, const struct trie_dirty *dirty)
{
    /* the prefix of trie_apply may be gone by now: take the one given here */
    struct trie t = *dirty->t;
    t.table = table;
    t.prefix = prefix;
    return trie_store(txn, &t);
}
