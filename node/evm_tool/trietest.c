/* Official TrieTests: {"in": [[key, value or null], ...] or {key: value}, "root": hash}: entries are put and deleted in turn; texts that
 * begin with 0x are hex. In files with "secure" in their name keys are hashed first. An object's entries must give the root in any
 * order. {"in": [key, ...], "tests": [[key, previous, next], ...]} asks for the neighbours of a key, "" for none. */
#include "node/evm_tool/tool.h"

#include "lib/crypto/keccak.h"
#include "node/state/trie.h"
#include "node/store/tables.h"

enum { ENTRIES_MAX = 1 << 20, ORDERS = 4 };

struct entries {
    struct trie_pair *list;
    size_t n;
    struct arena arena;
};

/* text: bytes of a key or value, copied; ret false for other kinds */
static bool text(bytes *out, struct arena *a, const char *t, size_t len)
{
    struct buf b;
    bool ok = true;
    buf_init(&b, (size_t)1 << 26);
    if (len >= 2 && t[0] == '0' && t[1] == 'x') {
        json_t *j = json_stringn(t, len);
        ok = case_bytes(&b, j);
        json_decref(j);
    } else {
        buf_put(&b, t, len);
    }
    *out = arena_copy(a, buf_view(&b));
    ok = ok && buf_status(&b) == OK && (out->ptr != NULL || out->len == 0);
    buf_fini(&b);
    return ok;
}

static bool value_of(bytes *out, struct arena *a, const json_t *v)
{
    *out = BYTES_EMPTY;
    return json_is_null(v) || (json_is_string(v) && text(out, a, json_string_value(v), json_string_length(v)));
}

static bool read_entries(struct entries *e, json_t *in)
{
    const char *key;
    json_t *v;
    size_t i;
    const size_t n = json_is_object(in) ? json_object_size(in) : json_array_size(in);
    if (n > ENTRIES_MAX || (!json_is_object(in) && !json_is_array(in))) return false;
    e->list = arena_zalloc(&e->arena, n, sizeof *e->list);
    e->n = 0;
    if (e->list == NULL) return false;
    json_object_foreach(in, key, v) {
        struct trie_pair *p = &e->list[e->n++];
        if (!text(&p->key, &e->arena, key, strlen(key)) || !value_of(&p->value, &e->arena, v)) return false;
    }
    json_array_foreach(in, i, v) {
        struct trie_pair *p = &e->list[e->n++];
        const json_t *k = json_array_get(v, 0);
        if (!json_is_string(k) || !text(&p->key, &e->arena, json_string_value(k), json_string_length(k)) ||
            !value_of(&p->value, &e->arena, json_array_get(v, 1)))
            return false;
    }
    return true;
}

/* by_pairs: what is left in the end, built in one go */
static enum status by_pairs(hash32 *root, struct entries *e, bool secure)
{
    struct trie_pair *left = arena_zalloc(&e->arena, e->n, sizeof *left);
    size_t n = 0;
    if (left == NULL) return E_NOMEM;
    for (size_t i = 0; i < e->n; i++) {
        bool is_last = e->list[i].value.len != 0;
        for (size_t j = i + 1; j < e->n && is_last; j++) is_last = !bytes_eq(e->list[i].key, e->list[j].key);
        if (is_last) left[n++] = e->list[i];
    }
    return trie_root_pairs(root, left, n, secure);
}

/* by_steps: one change after the other, from entry `first` on round the list, or backwards, the root asked for after each, stored and opened
 * again half-way */
static enum status by_steps(hash32 *root, struct entries *e, size_t first, bool backwards)
{
    struct kv *kv = NULL;
    struct kv_txn *txn = NULL;
    struct trie *t;
    enum status st = kv_open_memory(&kv, TABLE_N);
    if (st == OK) st = kv_begin(&txn, kv, true);
    if (st == OK) st = trie_open(&t, &e->arena, txn, TABLE_TRIE_ACCOUNT, BYTES_EMPTY, true);
    if (st == OK) st = trie_get_root(root, t, NULL);
    for (size_t i = 0; i < e->n && st == OK; i++) {
        const struct trie_pair *p = &e->list[(first + (backwards ? e->n - 1 - i : i)) % e->n];
        struct trie_update u = {.value = p->value};
        keccak256(u.key.b, p->key.ptr, p->key.len);
        st = trie_change(t, &u, 1);
        if (st == OK) st = trie_get_root(root, t, NULL);
        if (st != OK || i != e->n / 2) continue;
        st = trie_store(txn, t);
        if (st == OK) st = trie_open(&t, &e->arena, txn, TABLE_TRIE_ACCOUNT, BYTES_EMPTY, false);
    }
    kv_abort(txn);
    kv_close(kv);
    return st;
}

static const char *check_roots(struct entries *e, json_t *test, bool secure)
{
    hash32 want, got;
    const bool any_order = json_is_object(json_object_get(test, "in"));
    if (!case_hash(&want, test, "root")) return "root is no hash";
    if (!read_entries(e, json_object_get(test, "in"))) return "in has a form that is not known";
    if (by_pairs(&got, e, secure) != OK || !hash_eq(&got, &want)) return "another root when built in one go";
    if (!secure) return NULL; /* tries of plain keys are built in one go only: ours are all keyed by hashes */
    for (size_t i = 0; i < (any_order ? ORDERS : 1); i++)
        if (by_steps(&got, e, i * e->n / ORDERS, i % 2 != 0) != OK || !hash_eq(&got, &want)) return "another root when changed step by step";
    return NULL;
}

/* neighbour: of key in the table, before or behind it; empty for none */
static enum status neighbour(bytes *out, struct kv_txn *txn, bytes key, bool next)
{
    struct kv_cursor *cur;
    bytes at = BYTES_EMPTY, value;
    enum status st = kv_cursor_open(&cur, txn, TABLE_META);
    if (st != OK) return st;
    st = key.len == 0 ? kv_cursor_next(&at, &value, cur) : kv_cursor_seek(&at, &value, cur, key);
    if (!next)
        st = key.len == 0 ? E_NOT_FOUND : kv_cursor_prev(&at, &value, cur);
    else if (st == OK && bytes_eq(at, key))
        st = kv_cursor_next(&at, &value, cur);
    kv_cursor_close(cur);
    if (st != OK && st != E_NOT_FOUND) return st;
    *out = st == OK ? at : BYTES_EMPTY;
    return OK;
}

static const char *check_neighbours(struct entries *e, struct kv_txn *txn, json_t *test)
{
    size_t i;
    json_t *v, *in = json_object_get(test, "in");
    bytes key[3], got;
    json_array_foreach(in, i, v)
        if (!json_is_string(v) || !text(&key[0], &e->arena, json_string_value(v), json_string_length(v)) ||
            kv_put(txn, TABLE_META, key[0], BYTES_LIT("1")) != OK)
            return "in has a form that is not known";
    json_array_foreach(json_object_get(test, "tests"), i, v) {
        for (size_t k = 0; k < 3; k++)
            if (!value_of(&key[k], &e->arena, json_array_get(v, k))) return "tests have a form that is not known";
        if (neighbour(&got, txn, key[0], false) != OK || !bytes_eq(got, key[1])) return "another key before";
        if (neighbour(&got, txn, key[0], true) != OK || !bytes_eq(got, key[2])) return "another key behind";
    }
    return NULL;
}

static void run_test(struct cases *c, const char *name, json_t *test)
{
    struct entries e = {0};
    const char *bad = "out of memory", *base = strrchr(c->file, '/');
    arena_init(&e.arena, SIZE_MAX);
    if (json_object_get(test, "tests") != NULL) {
        struct kv *kv = NULL;
        struct kv_txn *txn = NULL;
        if (kv_open_memory(&kv, TABLE_N) == OK && kv_begin(&txn, kv, true) == OK) bad = check_neighbours(&e, txn, test);
        kv_abort(txn);
        kv_close(kv);
    } else {
        bad = check_roots(&e, test, strcasestr(base == NULL ? c->file : base, "secure") != NULL);
    }
    if (bad == NULL)
        cases_pass(c, name, "");
    else
        cases_fail(c, name, "", "%s", bad);
    arena_fini(&e.arena);
}

int tool_trietest(int argc, char **argv)
{
    struct cases c = {.command = "trietest", .run = run_test};
    return cases_main(&c, argc, argv);
}
