#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "node/state/trie_priv.h"

#include <cmocka.h>
#include <jansson.h>
#include <pthread.h>
#include <unistd.h>

static const char *const NAMES[] = {"t"};

/* --- helpers: each part of a root in a thread of its own */

struct part {
    void (*job)(void *arg);
    void *arg;
};

static void *run_part(void *p)
{
    ((struct part *)p)->job(((struct part *)p)->arg);
    return NULL;
}

static void run_in_threads(void *ctx, void (*job)(void *arg), void *const *args, size_t n)
{
    struct part part[16];
    pthread_t thread[16];
    assert_in_range(n, 2, 16);
    for (size_t i = n; i-- > 0;) {
        part[i] = (struct part){job, args[i]};
        assert_int_equal(pthread_create(&thread[i], NULL, run_part, &part[i]), 0);
    }
    for (size_t i = 0; i < n; i++) assert_int_equal(pthread_join(thread[i], NULL), 0);
    ++*(int *)ctx;
}

/* --- random changes against trie_root_pairs */

enum { KEYS = 600 };

struct model {
    hash32 key[KEYS];
    uint8_t value[KEYS][64];
    size_t len[KEYS]; /* 0: absent */
};

/* keys that share long prefixes, so that extensions, deep branches and nodes short enough to stand in their parents all turn up */
static void make_keys(struct model *m, struct rng_seeded *r, int kind)
{
    for (size_t i = 0; i < KEYS; i++) {
        m->len[i] = 0;
        for (size_t b = 0; b < 32; b += 8) be64_put(m->key[i].b + b, rng_next(r));
        if (kind == 1) memset(m->key[i].b, 0xab, 28); /* differ in the last 4 bytes only: tiny leaves */
        if (kind == 2) /* few nibble values: long shared paths of varied length */
            for (size_t b = 0; b < 32; b++) m->key[i].b[b] = rng_below(r, 8) == 0 ? (uint8_t)(rng_below(r, 4) * 0x11) : 0;
        for (size_t j = 0; j < i; j++)
            if (hash_eq(&m->key[i], &m->key[j])) {
                be32_put(m->key[i].b + 28, (uint32_t)i << 8);
                break;
            }
    }
}

static void model_root(hash32 *root, const struct model *m)
{
    static struct trie_pair p[KEYS];
    size_t n = 0;
    for (size_t i = 0; i < KEYS; i++)
        if (m->len[i] != 0) p[n++] = (struct trie_pair){BYTES_OF(m->key[i]), bytes_make(m->value[i], m->len[i])};
    assert_int_equal(trie_root_pairs(root, p, n, false), OK);
}

static size_t random_updates(struct trie_update *up, struct model *m, struct rng_seeded *r)
{
    static bool used[KEYS];
    memset(used, 0, sizeof used);
    size_t n = 0, want = rng_below(r, 4) == 0 ? 1 + (size_t)rng_below(r, KEYS) : 1 + (size_t)rng_below(r, 8);
    const uint64_t deletes = rng_below(r, 4); /* of 4 */
    while (n < want) {
        size_t i = (size_t)rng_below(r, KEYS);
        if (used[i]) {
            want--;
            continue;
        }
        used[i] = true;
        m->len[i] = rng_below(r, 4) < deletes ? 0 : 1 + (size_t)rng_below(r, rng_below(r, 2) ? 64 : 4);
        memset(m->value[i], 1 + (int)rng_below(r, 200), m->len[i]);
        up[n++] = (struct trie_update){m->key[i], bytes_make(m->value[i], m->len[i])};
    }
    return n;
}

/* what stands in the table must be what a rebuild of the model from nothing leaves there */
static void expect_same_table(struct kv_txn *txn, const struct model *m, bytes prefix)
{
    struct kv *kv;
    struct kv_txn *fresh;
    struct trie_dirty *d;
    static struct trie_update up[KEYS];
    hash32 root;
    size_t n = 0;
    for (size_t i = 0; i < KEYS; i++)
        if (m->len[i] != 0) up[n++] = (struct trie_update){m->key[i], bytes_make(m->value[i], m->len[i])};
    assert_int_equal(kv_open_memory(&kv, 1), OK);
    assert_int_equal(kv_begin(&fresh, kv, true), OK);
    assert_int_equal(trie_apply(&root, &d, fresh, 0, prefix, up, n), OK);
    assert_int_equal(trie_write(fresh, 0, prefix, d), OK);
    trie_dirty_free(d);
    struct kv_cursor *a, *b;
    bytes ka, va, kb, vb;
    assert_int_equal(kv_cursor_open(&a, txn, 0), OK);
    assert_int_equal(kv_cursor_open(&b, fresh, 0), OK);
    for (;;) {
        enum status sa = kv_cursor_next(&ka, &va, a), sb = kv_cursor_next(&kb, &vb, b);
        assert_int_equal(sa, sb);
        if (sa != OK) break;
        assert_true(bytes_eq(ka, kb));
        assert_true(bytes_eq(va, vb));
    }
    kv_cursor_close(a);
    kv_cursor_close(b);
    kv_abort(fresh);
    kv_close(kv);
}

/* one search finds what is there, and nothing else: not the keys that are absent, nor those that part from a present one at some nibble */
static void expect_gets(struct kv_txn *txn, const struct model *m, bytes prefix, struct rng_seeded *r)
{
    for (size_t i = 0; i < KEYS; i++) {
        bytes v = BYTES_LIT("untouched");
        enum status s = trie_get(&v, txn, 0, prefix, &m->key[i]);
        assert_int_equal(s, m->len[i] != 0 ? OK : E_NOT_FOUND);
        assert_true(bytes_eq(v, m->len[i] != 0 ? bytes_make(m->value[i], m->len[i]) : BYTES_LIT("untouched")));
        hash32 near = m->key[i];
        near.b[rng_below(r, 32)] ^= (uint8_t)(1u << rng_below(r, 8));
        bool present = false;
        for (size_t j = 0; j < KEYS && !present; j++) present = m->len[j] != 0 && hash_eq(&m->key[j], &near);
        assert_int_equal(trie_get(&v, txn, 0, prefix, &near), present ? OK : E_NOT_FOUND);
    }
}

/* a trie that stays in memory over many transactions, some of which come to nothing, and loses its old nodes now and then */
static void run_kept(struct kv *kv, int kind, uint64_t seed, int rounds)
{
    static struct model m, saved;
    static struct trie_update up[KEYS];
    struct rng_seeded r;
    struct arena arenas[2], *a = &arenas[0], *other = &arenas[1];
    struct trie *t = NULL;
    const bytes prefix = kind == 0 ? BYTES_EMPTY : BYTES_LIT("prefix");
    rng_seed(&r, seed);
    make_keys(&m, &r, kind);
    arena_init(a, SIZE_MAX);
    arena_init(other, SIZE_MAX);
    uint32_t now = 0;
    int n_kept = 0, n_helped = 0;
    const struct trie_helpers helpers = {.ctx = &n_helped, .run = run_in_threads};
    for (int round = 0; round < rounds; round++) {
        struct kv_txn *txn;
        hash32 want, got;
        bool is_latest = false;
        assert_int_equal(kv_begin(&txn, kv, true), OK);
        now++;
        if (t != NULL) {
            trie_rebind(t, txn, now);
            assert_int_equal(trie_is_latest(&is_latest, t), OK);
        }
        model_root(&want, &m);
        if (is_latest) {
            n_kept++;
            assert_int_equal(trie_get_root(&got, t, NULL), OK);
            assert_memory_equal(&got, &want, 32);
        } else {
            arena_fini(a);
            assert_int_equal(trie_open(&t, a, txn, 0, prefix, false), OK);
            trie_rebind(t, txn, now);
        }
        saved = m;
        for (uint64_t steps = rng_below(&r, 4); steps > 0; steps--) {
            const size_t i = (size_t)rng_below(&r, KEYS);
            bytes v = BYTES_LIT("untouched");
            assert_int_equal(trie_find(&v, t, &m.key[i]), m.len[i] != 0 ? OK : E_NOT_FOUND);
            assert_true(bytes_eq(v, m.len[i] != 0 ? bytes_make(m.value[i], m.len[i]) : BYTES_LIT("untouched")));
            const size_t n = random_updates(up, &m, &r);
            assert_int_equal(trie_change(t, up, n), OK);
            if (rng_below(&r, 2) == 0) assert_int_equal(trie_get_root(&got, t, &helpers), OK);
        }
        model_root(&want, &m);
        assert_int_equal(trie_get_root(&got, t, round % 2 == 0 ? &helpers : NULL), OK);
        assert_memory_equal(&got, &want, 32);
        assert_int_equal(trie_store(txn, t), OK);
        assert_false(trie_is_changed(t));
        expect_same_table(txn, &m, prefix);
        if (rng_below(&r, 5) == 0) {
            kv_abort(txn);
            m = saved;
        } else {
            assert_int_equal(kv_commit(txn), OK);
        }
        if (rng_below(&r, 3) == 0) {
            struct arena *old = a;
            assert_int_equal(trie_copy_young(&t, other, t, now, (size_t)rng_below(&r, 4)), OK);
            arena_fini(old);
            a = other;
            other = old;
        }
    }
    assert_true(n_kept > rounds / 2);
    if (kind == 1) assert_int_equal(n_helped, 0); /* no branch at its root */
    else assert_in_range(n_helped, rounds / 10, rounds); /* nobody is woken for small changes */
    arena_fini(a);
}

static void a_trie_that_is_kept_between_transactions_is_the_one_in_the_table(void **state)
{
    (void)state;
    const char *env = getenv("SEED");
    const uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : 31;
    print_message("# seed %llu\n", (unsigned long long)seed);
    for (int kind = 0; kind < 3; kind++) {
        struct kv *kv;
        assert_int_equal(kv_open_memory(&kv, 1), OK);
        run_kept(kv, kind, seed + (uint64_t)kind, 150);
        kv_close(kv);
    }
}

static void run_random(struct kv *kv, int kind, uint64_t seed, int rounds)
{
    static struct model m, saved;
    static struct trie_update up[KEYS];
    struct rng_seeded r;
    rng_seed(&r, seed);
    make_keys(&m, &r, kind);
    const bytes prefix = kind == 0 ? BYTES_EMPTY : BYTES_LIT("prefix");
    for (int round = 0; round < rounds; round++) {
        struct kv_txn *txn;
        struct trie_dirty *d = NULL;
        hash32 want, got;
        saved = m;
        size_t n = random_updates(up, &m, &r);
        model_root(&want, &m);
        assert_int_equal(kv_begin(&txn, kv, true), OK);
        if (rng_below(&r, 2) == 0) {
            assert_int_equal(trie_apply(&got, &d, txn, 0, prefix, up, n), OK);
            assert_memory_equal(&got, &want, 32);
            assert_int_equal(trie_write(txn, 0, prefix, d), OK);
            trie_dirty_free(d);
        } else { /* step by step, roots in between, then some more changes */
            struct arena a;
            struct trie *t;
            arena_init(&a, SIZE_MAX);
            assert_int_equal(trie_open(&t, &a, txn, 0, prefix, false), OK);
            for (size_t i = 0; i < n; i += 3) {
                assert_int_equal(trie_change(t, up + i, n - i < 3 ? n - i : 3), OK);
                if (rng_below(&r, 3) == 0) assert_int_equal(trie_get_root(&got, t, NULL), OK);
            }
            n = random_updates(up, &m, &r);
            model_root(&want, &m);
            assert_int_equal(trie_change(t, up, n), OK);
            assert_int_equal(trie_get_root(&got, t, NULL), OK);
            assert_memory_equal(&got, &want, 32);
            assert_int_equal(trie_store(txn, t), OK);
            arena_fini(&a);
        }
        if (rng_below(&r, 4) == 0) expect_gets(txn, &m, prefix, &r);
        if (rng_below(&r, 5) == 0) {
            kv_abort(txn);
            m = saved;
        } else {
            assert_int_equal(kv_commit(txn), OK);
        }
    }
    struct kv_txn *txn;
    assert_int_equal(kv_begin(&txn, kv, true), OK);
    expect_same_table(txn, &m, prefix);
    expect_gets(txn, &m, prefix, &r);

    /* every key proves its value, or its absence */
    hash32 root;
    model_root(&root, &m);
    for (size_t i = 0; i < KEYS; i += 5) {
        struct buf b;
        size_t n_nodes, k = 0;
        bytes nodes[65], value, in;
        buf_init(&b, 1 << 20);
        assert_int_equal(trie_prove(&b, &n_nodes, txn, 0, prefix, &m.key[i]), OK);
        for (in = buf_view(&b); in.len != 0; k++) assert_int_equal(rlp_get_string(&nodes[k], &in), OK);
        assert_int_equal(k, n_nodes);
        assert_int_equal(trie_check_proof(&value, &root, &m.key[i], nodes, k), OK);
        assert_true(bytes_eq(value, bytes_make(m.value[i], m.len[i])));
        if (k > 0) {
            bytes cut = BYTES_LIT("untouched");
            assert_int_equal(trie_check_proof(&cut, &root, &m.key[i], nodes, k - 1), E_CRYPTO);
            b.ptr[(size_t)(nodes[k / 2].ptr - b.ptr) + nodes[k / 2].len / 2] ^= 1;
            assert_int_not_equal(trie_check_proof(&cut, &root, &m.key[i], nodes, k), OK);
            assert_true(bytes_eq_str(cut, "untouched"));
        }
        buf_fini(&b);
    }

    /* deleting all leaves no entry behind */
    struct trie_dirty *d;
    for (size_t i = 0; i < KEYS; i++) up[i] = (struct trie_update){m.key[i], BYTES_EMPTY};
    assert_int_equal(trie_apply(&root, &d, txn, 0, prefix, up, KEYS), OK);
    assert_memory_equal(&root, &HASH_EMPTY_TRIE, 32);
    assert_int_equal(trie_write(txn, 0, prefix, d), OK);
    trie_dirty_free(d);
    struct kv_cursor *c;
    bytes k, v;
    assert_int_equal(kv_cursor_open(&c, txn, 0), OK);
    assert_int_equal(kv_cursor_next(&k, &v, c), E_NOT_FOUND);
    kv_cursor_close(c);
    assert_int_equal(kv_commit(txn), OK);
}

static void random_changes_give_the_root_and_the_nodes_of_a_rebuild(void **state)
{
    (void)state;
    const char *env = getenv("SEED");
    const uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : 7;
    print_message("# seed %llu\n", (unsigned long long)seed);
    for (int kind = 0; kind < 3; kind++) {
        struct kv *kv;
        assert_int_equal(kv_open_memory(&kv, 1), OK);
        run_random(kv, kind, seed + (uint64_t)kind, 80);
        kv_close(kv);
        char dir[] = "/tmp/test-trie-XXXXXX";
        assert_non_null(mkdtemp(dir));
        assert_int_equal(kv_open_lmdb(&kv, dir, NAMES, 1, 64 << 20, KV_NOSYNC, NULL), OK);
        run_random(kv, kind, seed + 10 + (uint64_t)kind, 80);
        kv_close(kv);
        assert_int_equal(file_remove_tree(dir, NULL), OK);
    }
}

static void a_missing_node_is_corruption_and_changes_nothing(void **state)
{
    (void)state;
    struct kv *kv;
    struct kv_txn *txn;
    struct trie_dirty *d;
    hash32 root, before = {{9}};
    struct trie_update up[32];
    for (uint8_t i = 0; i < 32; i++) {
        up[i].key = (hash32){{i, i}};
        up[i].value = BYTES_LIT("a value that is long enough for an entry of its own");
    }
    assert_int_equal(kv_open_memory(&kv, 1), OK);
    assert_int_equal(kv_begin(&txn, kv, true), OK);
    assert_int_equal(trie_apply(&root, &d, txn, 0, BYTES_EMPTY, up, 32), OK);
    assert_int_equal(trie_write(txn, 0, BYTES_EMPTY, d), OK);
    trie_dirty_free(d);
    assert_int_equal(kv_delete(txn, 0, BYTES_LIT("\x01")), OK);
    up[0].key = (hash32){{0x11, 0x22}};
    assert_int_equal(trie_apply(&before, &d, txn, 0, BYTES_EMPTY, up, 1), E_CORRUPT);
    assert_int_equal(before.b[0], 9);
    kv_abort(txn);
    kv_close(kv);
}

static void ordered_roots_equal_those_of_pairs(void **state)
{
    (void)state;
    static const size_t SIZES[] = {0, 1, 2, 3, 16, 127, 128, 129, 130, 255, 256, 257, 700};
    static bytes values[700];
    static uint8_t keys[700][9];
    static struct trie_pair pairs[700];
    for (size_t i = 0; i < 700; i++) {
        values[i] = bytes_make("some bytes that are the value, of differing length, up to ninety of them, as receipts are..",
                               1 + i * 7 % 90);
        pairs[i] = (struct trie_pair){bytes_make(keys[i], rlp_encode_u64(keys[i], i)), values[i]};
    }
    for (size_t k = 0; k < COUNT_OF(SIZES); k++) {
        hash32 a, b;
        assert_int_equal(trie_root_ordered(&a, values, SIZES[k]), OK);
        assert_int_equal(trie_root_pairs(&b, pairs, SIZES[k], false), OK);
        assert_memory_equal(&a, &b, 32);
    }
}

/* --- official TrieTests */

static bytes text_bytes(struct buf *b, const char *s)
{
    buf_init(b, 4096);
    if (strncmp(s, "0x", 2) == 0)
        assert_int_equal(hex_get(b, bytes_str(s)), OK);
    else
        buf_put_str(b, s);
    return buf_view(b);
}

static void run_vector(json_t *test, bool secure)
{
    enum { MAX = 64 };
    json_t *in = json_object_get(test, "in");
    struct buf kb[2 * MAX], vb[2 * MAX];
    struct trie_pair p[MAX];
    struct trie_update up[MAX];
    size_t n = 0, used = 0;
    const bool ordered = json_is_array(in);
    const size_t steps = ordered ? json_array_size(in) : json_object_size(in);
    void *it = ordered ? NULL : json_object_iter(in);
    struct kv *kv;
    struct kv_txn *txn;
    assert_int_equal(kv_open_memory(&kv, 1), OK);
    assert_int_equal(kv_begin(&txn, kv, true), OK);
    hash32 got, want;
    for (size_t i = 0; i < steps; i++) {
        const char *key = ordered ? json_string_value(json_array_get(json_array_get(in, i), 0)) : json_object_iter_key(it);
        const json_t *val = ordered ? json_array_get(json_array_get(in, i), 1) : json_object_iter_value(it);
        if (!ordered) it = json_object_iter_next(in, it);
        assert_true(used < 2 * MAX);
        bytes k = text_bytes(&kb[used], key);
        bytes v = text_bytes(&vb[used++], json_is_null(val) ? "" : json_string_value(val));
        size_t at = 0;
        while (at < n && !bytes_eq(p[at].key, k)) at++;
        if (v.len != 0) {
            p[at] = (struct trie_pair){k, v};
            if (at == n) n++;
        } else if (at < n) {
            p[at] = p[--n];
        }
        if (secure) { /* step by step through the table, too */
            struct trie_dirty *d;
            keccak256(up[0].key.b, k.ptr, k.len);
            up[0].value = v;
            assert_int_equal(trie_apply(&got, &d, txn, 0, BYTES_EMPTY, up, 1), OK);
            assert_int_equal(trie_write(txn, 0, BYTES_EMPTY, d), OK);
            trie_dirty_free(d);
        }
    }
    assert_int_equal(hash_get(&want, bytes_str(json_string_value(json_object_get(test, "root")))), OK);
    if (secure) assert_memory_equal(&got, &want, 32);
    assert_int_equal(trie_root_pairs(&got, p, n, secure), OK);
    assert_memory_equal(&got, &want, 32);
    for (size_t i = 0; i < used; i++) {
        buf_fini(&kb[i]);
        buf_fini(&vb[i]);
    }
    kv_abort(txn);
    kv_close(kv);
}

static void official_trie_tests_pass(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        bool secure;
    } FILES[] = {{"hex_encoded_securetrie_test", true}, {"trieanyorder", false}, {"trieanyorder_secureTrie", true},
                 {"trietest", false}, {"trietest_secureTrie", true}};
    const char *root = getenv("POA_VECTORS");
    char path[512], command[1200], dir[] = "/tmp/test-trie-XXXXXX";
    (void)snprintf(path, sizeof path, "%s/ethereum-tests.tar.xz", root != NULL ? root : "../shared/vectors");
    if (!file_exists(path)) {
        print_message("# SKIP no vectors\n");
        skip();
    }
    assert_non_null(mkdtemp(dir));
    (void)snprintf(command, sizeof command, "tar -xJf '%s' -C %s ethereum-tests/TrieTests", path, dir);
    assert_int_equal(system(command), 0);
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(FILES); i++) {
        (void)snprintf(path, sizeof path, "%s/ethereum-tests/TrieTests/%s.json", dir, FILES[i].file);
        json_t *doc = json_load_file(path, 0, NULL), *test;
        assert_non_null(doc);
        const char *name;
        json_object_foreach(doc, name, test) {
            run_vector(test, FILES[i].secure);
            n++;
        }
        json_decref(doc);
    }
    assert_true(n >= 20);
    assert_int_equal(file_remove_tree(dir, NULL), OK);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trie_that_is_kept_between_transactions_is_the_one_in_the_table),
        cmocka_unit_test(random_changes_give_the_root_and_the_nodes_of_a_rebuild),
        cmocka_unit_test(a_missing_node_is_corruption_and_changes_nothing),
        cmocka_unit_test(ordered_roots_equal_those_of_pairs),
        cmocka_unit_test(official_trie_tests_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
