/* Roots of whole tries from their pairs, without storage: also the plain second version that tests hold trie.c against. Here keys may
 * have any length and one may begin another, so that branches may have values. */
#include "node/state/trie_priv.h"

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"

struct pair {
    const uint8_t *nibbles;
    size_t n;
    bytes value;
};

struct ref {
    uint8_t len;
    uint8_t b[32];
};

static void put_ref(struct buf *b, const struct ref *r)
{
    if (r->len == 32)
        rlp_put_string(b, bytes_make(r->b, 32));
    else if (r->len == 0)
        rlp_put_string(b, BYTES_EMPTY);
    else
        rlp_put_raw(b, bytes_make(r->b, r->len));
}

static void finish(struct ref *out, hash32 *hash, struct buf *b, size_t list)
{
    rlp_list_close(b, list);
    if (hash != NULL) keccak256(hash->b, b->ptr, b->len);
    if (b->len < 32) {
        out->len = (uint8_t)b->len;
        memcpy(out->b, b->ptr, b->len);
    } else {
        out->len = 32;
        keccak256(out->b, b->ptr, b->len);
    }
}

static void put_path(struct buf *b, const uint8_t *nibbles, size_t n, bool leaf)
{
    uint8_t small[80], *hp = n / 2 + 1 <= sizeof small ? small : malloc(n / 2 + 1);
    if (hp == NULL) BUG("out of memory");
    rlp_put_string(b, bytes_make(hp, hex_prefix(hp, nibbles, n, leaf)));
    if (hp != small) free(hp);
}

/* build: node of n >= 1 sorted pairs that share their first `depth` nibbles. b is scratch. hash: of the node whatever its length, if wanted */
static void build(struct ref *out, hash32 *hash, struct buf *b, size_t depth, const struct pair *p, size_t n)
{
    if (n == 1) {
        buf_clear(b);
        size_t list = rlp_list_open(b);
        put_path(b, p->nibbles + depth, p->n - depth, true);
        rlp_put_string(b, p->value);
        finish(out, hash, b, list);
        return;
    }
    size_t max = p[0].n < p[n - 1].n ? p[0].n : p[n - 1].n;
    size_t shared = common_prefix(p[0].nibbles + depth, p[n - 1].nibbles + depth, max - depth);
    if (shared != 0) {
        struct ref below;
        build(&below, NULL, b, depth + shared, p, n);
        buf_clear(b);
        size_t list = rlp_list_open(b);
        put_path(b, p->nibbles + depth, shared, false);
        put_ref(b, &below);
        finish(out, hash, b, list);
        return;
    }
    struct ref child[16] = {0};
    bytes value = BYTES_EMPTY;
    size_t i = 0;
    if (p[0].n == depth) value = p[i++].value; /* sorted: the key that ends here comes first */
    while (i < n) {
        size_t k = i + 1;
        const uint8_t nibble = p[i].nibbles[depth];
        while (k < n && p[k].nibbles[depth] == nibble) k++;
        build(&child[nibble], NULL, b, depth + 1, p + i, k - i);
        i = k;
    }
    buf_clear(b);
    size_t list = rlp_list_open(b);
    for (i = 0; i < 16; i++) put_ref(b, &child[i]);
    rlp_put_string(b, value);
    finish(out, hash, b, list);
}

static enum status root_of(hash32 *root, const struct pair *p, size_t n)
{
    if (n == 0) {
        *root = HASH_EMPTY_TRIE;
        return OK;
    }
    struct buf b;
    struct ref ref;
    hash32 hash;
    buf_init(&b, SIZE_MAX / 2);
    build(&ref, &hash, &b, 0, p, n);
    enum status s = buf_status(&b);
    if (s == OK) *root = hash;
    buf_fini(&b);
    return s;
}

static int pair_cmp(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    return bytes_cmp(bytes_make(x->nibbles, x->n), bytes_make(y->nibbles, y->n));
}

enum status trie_root_pairs(hash32 *root, const struct trie_pair *pairs, size_t n, bool secure)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) total += secure ? TRIE_KEY_NIBBLES : 2 * pairs[i].key.len;
    uint8_t *nibbles = malloc(total + 1);
    struct pair *p = calloc(n + 1, sizeof *p);
    enum status s = E_NOMEM;
    if (nibbles == NULL || p == NULL) goto out;
    uint8_t *at = nibbles;
    for (size_t i = 0; i < n; i++) {
        uint8_t hash[32];
        bytes key = pairs[i].key;
        if (secure) {
            keccak256(hash, key.ptr, key.len);
            key = BYTES_OF(hash);
        }
        nibbles_of(at, key);
        p[i] = (struct pair){at, 2 * key.len, pairs[i].value};
        at += 2 * key.len;
    }
    qsort(p, n, sizeof *p, pair_cmp);
    s = root_of(root, p, n);
out:
    free(nibbles);
    free(p);
    return s;
}

enum status trie_root_ordered(hash32 *root, const bytes *values, size_t n)
{
    enum { KEY_MAX = 18 };
    struct pair *p = calloc(n + 1, sizeof *p);
    uint8_t *nibbles = calloc(n + 1, KEY_MAX);
    enum status s = E_NOMEM;
    if (p == NULL || nibbles == NULL) goto out;
    for (size_t i = 0; i < n; i++) {
        /* rlp(i) in order: 1..127 stand for themselves, then 0 (0x80), then 128 (0x81 0x80) and up */
        size_t rank = i == 0 ? (n < 128 ? n - 1 : 127) : i < 128 ? i - 1 : i;
        uint8_t key[9];
        size_t len = rlp_encode_u64(key, i);
        nibbles_of(nibbles + rank * KEY_MAX, bytes_make(key, len));
        p[rank] = (struct pair){nibbles + rank * KEY_MAX, 2 * len, values[i]};
    }
    s = root_of(root, p, n);
out:
    free(p);
    free(nibbles);
    return s;
}
