#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "node/state/state.h"
#include "node/store/kv_fault.h"
#include "node/state/trie.h"
#include "node/store/tables.h"

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const NAMES[] = {
#define X(id, name) name,
    STORE_TABLES(X)
#undef X
};

/* --- a plain second version: everything is copied at each snapshot */

enum { ACCOUNTS = 10, SLOTS = 6, CODES = 3 };
static const char *const CODE[CODES] = {"", "\x60\x01", "some longer code, some longer code, some longer code"};

struct plain_account {
    bool exists, touched, destroyed, created;
    uint64_t nonce, balance;
    int code;
    uint64_t slot[SLOTS], transient[SLOTS], original[SLOTS];
    bool warm, warm_slot[SLOTS];
};
struct plain {
    struct plain_account a[ACCOUNTS];
    size_t logs;
};

static address addr_of(size_t i)
{
    /* the last is 0x03, whose touch is special on the main network */
    return i == ACCOUNTS - 1 ? (address){{[19] = 3}} : (address){{(uint8_t)(i + 1), [19] = (uint8_t)(i * 7 + 16)}};
}
static u256 key_of(size_t k)
{
    return k % 2 != 0 ? (u256){{k, 0, 0, k << 32}} : u256_from_u64(k);
}

static void plain_root(hash32 *root, const struct plain *m)
{
    struct trie_pair pairs[ACCOUNTS], slots[SLOTS];
    static uint8_t keys[SLOTS][32], values[SLOTS][9];
    address addr[ACCOUNTS];
    struct buf b[ACCOUNTS];
    size_t n = 0;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        const struct plain_account *a = &m->a[i];
        if (!a->exists) continue;
        size_t k = 0;
        for (size_t j = 0; j < SLOTS; j++) {
            if (a->slot[j] == 0) continue;
            u256 key = key_of(j);
            u256_to_be(keys[k], &key);
            slots[k] = (struct trie_pair){BYTES_OF(keys[k]), bytes_make(values[k], rlp_encode_u64(values[k], a->slot[j]))};
            k++;
        }
        hash32 storage, code;
        assert_int_equal(trie_root_pairs(&storage, slots, k, true), OK);
        keccak256(code.b, CODE[a->code], strlen(CODE[a->code]));
        buf_init(&b[n], 200);
        size_t list = rlp_list_open(&b[n]);
        rlp_put_u64(&b[n], a->nonce);
        rlp_put_u64(&b[n], a->balance);
        rlp_put_string(&b[n], BYTES_OF(storage));
        rlp_put_string(&b[n], BYTES_OF(code));
        rlp_list_close(&b[n], list);
        addr[n] = addr_of(i);
        pairs[n] = (struct trie_pair){BYTES_OF(addr[n]), buf_view(&b[n])};
        n++;
    }
    assert_int_equal(trie_root_pairs(root, pairs, n, true), OK);
    for (size_t i = 0; i < n; i++) buf_fini(&b[i]);
}

static bool plain_empty(const struct plain_account *a)
{
    return a->nonce == 0 && a->balance == 0 && a->code == 0;
}

static void plain_receive(struct plain_account *a, uint64_t v, bool eip161)
{
    if (eip161 && v == 0 && !a->exists) return;
    a->exists = a->touched = true;
    a->balance += v;
}

static void plain_clear(struct plain_account *a)
{
    a->exists = false;
    a->nonce = a->balance = 0;
    a->code = 0;
    memset(a->slot, 0, sizeof a->slot);
}

static void plain_begin(struct plain *m)
{
    for (size_t i = 0; i < ACCOUNTS; i++) {
        struct plain_account *a = &m->a[i];
        a->touched = a->destroyed = a->created = a->warm = false;
        memset(a->transient, 0, sizeof a->transient);
        memset(a->warm_slot, 0, sizeof a->warm_slot);
        memcpy(a->original, a->slot, sizeof a->slot);
    }
    m->logs = 0;
}

static void plain_end(struct plain *m, bool eip161, bool ripemd)
{
    for (size_t i = 0; i < ACCOUNTS; i++) {
        struct plain_account *a = &m->a[i];
        if (a->destroyed) plain_clear(a);
        if (i == ACCOUNTS - 1 && ripemd) a->touched = true;
        if (eip161 && a->touched && a->exists && plain_empty(a)) plain_clear(a);
    }
}

static void expect_same(struct state *s, const struct plain *m, bool with_marks)
{
    const struct evm_host *h = state_host();
    for (size_t i = 0; i < ACCOUNTS; i++) {
        const struct plain_account *a = &m->a[i];
        address addr = addr_of(i);
        struct state_account got;
        bool exists, flag;
        assert_int_equal(state_get_account(s, &addr, &got, &exists), OK);
        assert_int_equal(exists, a->exists);
        assert_int_equal(got.nonce, a->nonce);
        assert_int_equal(got.balance.w[0], a->balance);
        assert_int_equal(h->account_is_empty(s, &addr, &flag), OK);
        assert_int_equal(flag, !a->exists || plain_empty(a));
        bytes code;
        assert_int_equal(state_get_code(s, &addr, &code), OK);
        assert_true(bytes_eq_str(code, CODE[a->code]));
        for (size_t j = 0; j < SLOTS; j++) {
            u256 v, key = key_of(j);
            assert_int_equal(state_get_storage(s, &addr, &key, &v), OK);
            assert_int_equal(v.w[0], a->slot[j]);
            if (!with_marks) continue;
            assert_int_equal(h->get_transient(s, &addr, &key, &v), OK);
            assert_int_equal(v.w[0], a->transient[j]);
            assert_int_equal(h->get_original_storage(s, &addr, &key, &v), OK);
            assert_int_equal(v.w[0], a->original[j]);
        }
    }
    size_t n;
    (void)state_logs(s, &n);
    if (with_marks) assert_int_equal(n, m->logs);
}

/* one random change on both */
static void step(struct state *s, struct plain *m, struct rng_seeded *r, bool eip161, bool eip6780, bool *ripemd)
{
    const struct evm_host *h = state_host();
    size_t i = (size_t)rng_below(r, ACCOUNTS), j = (size_t)rng_below(r, ACCOUNTS), k = (size_t)rng_below(r, SLOTS);
    struct plain_account *a = &m->a[i], *b = &m->a[j];
    address x = addr_of(i), y = addr_of(j);
    u256 key = key_of(k), v = u256_from_u64(rng_below(r, 4) * 77), out;
    bool flag;
    switch (rng_below(r, 12)) {
    case 0:
        assert_int_equal(state_add_balance(s, &x, &v), OK);
        a->exists = a->touched = true;
        a->balance += v.w[0];
        break;
    case 1:
    case 2:
        if (a->balance < v.w[0]) v = U256_ZERO;
        assert_int_equal(h->transfer(s, &x, &y, &v), OK);
        a->balance -= v.w[0];
        if (v.w[0] != 0) a->touched = true;
        if (j == ACCOUNTS - 1 && v.w[0] == 0 && b->exists && plain_empty(b) && eip161) *ripemd = true;
        plain_receive(b, v.w[0], eip161);
        break;
    case 3:
        assert_int_equal(state_set_nonce(s, &x, v.w[0]), OK);
        a->exists = a->touched = true;
        a->nonce = v.w[0];
        break;
    case 4:
    case 5:
    case 6:
        if (!a->exists) break; /* the EVM never stores in an account that is absent */
        assert_int_equal(h->set_storage(s, &x, &key, &v), OK);
        a->slot[k] = v.w[0];
        break;
    case 7: /* as the EVM does: never twice in a transaction, nor where storage has been written */
        if (a->created || memcmp(a->slot, a->original, sizeof a->slot) != 0) break;
        assert_int_equal(h->create_account(s, &x, 1), OK);
        a->exists = a->touched = a->created = true;
        a->nonce = 1;
        a->code = 0;
        memset(a->slot, 0, sizeof a->slot);
        memset(a->original, 0, sizeof a->slot);
        break;
    case 8: {
        assert_int_equal(h->selfdestruct(s, &x, &y, &flag), OK);
        assert_int_equal(flag, !a->destroyed);
        const bool goes = !eip6780 || a->created;
        if (i != j) {
            if (j == ACCOUNTS - 1 && a->balance == 0 && b->exists && plain_empty(b) && eip161) *ripemd = true;
            plain_receive(b, a->balance, eip161);
        }
        if (i != j || goes) {
            a->balance = 0;
            a->touched = true;
        }
        if (goes) a->destroyed = true;
        break;
    }
    case 9:
        a->code = (int)rng_below(r, CODES);
        assert_int_equal(state_set_code(s, &x, bytes_str(CODE[a->code])), OK);
        a->exists = a->touched = true;
        break;
    case 10:
        assert_int_equal(h->set_transient(s, &x, &key, &v), OK);
        a->transient[k] = v.w[0];
        assert_int_equal(h->emit_log(s, &x, NULL, 0, BYTES_LIT("log")), OK);
        m->logs++;
        break;
    default:
        assert_int_equal(h->warm_address(s, &x, &flag), OK);
        assert_int_equal(flag, a->warm);
        a->warm = true;
        assert_int_equal(h->warm_slot(s, &x, &key, &flag), OK);
        assert_int_equal(flag, a->warm_slot[k]);
        a->warm_slot[k] = true;
        assert_int_equal(h->get_storage(s, &x, &key, &out), OK);
        assert_int_equal(out.w[0], a->slot[k]);
    }
}

static void random_tx(struct state *s, struct plain *m, struct rng_seeded *r)
{
    enum { DEPTH = 6 };
    static struct plain saved[DEPTH];
    int snap[DEPTH], depth = 0;
    const bool eip161 = rng_below(r, 4) != 0, eip6780 = rng_below(r, 2) != 0;
    bool ripemd = false;
    struct rules rules = {.eip161 = eip161, .eip6780 = eip6780};
    plain_begin(m);
    state_begin_tx(s, &rules);
    for (size_t n = 1 + (size_t)rng_below(r, 30); n > 0; n--) {
        if (depth < DEPTH && rng_below(r, 4) == 0) {
            saved[depth] = *m;
            snap[depth++] = state_snapshot(s);
        } else if (depth > 0 && rng_below(r, 5) == 0) {
            depth -= 1 + (int)rng_below(r, (uint64_t)depth);
            *m = saved[depth];
            state_revert(s, snap[depth]);
            expect_same(s, m, false);
        } else {
            step(s, m, r, eip161, eip6780, &ripemd);
        }
    }
    expect_same(s, m, true);
    assert_int_equal(state_end_tx(s, NULL), OK);
    plain_end(m, eip161, ripemd);
    expect_same(s, m, false);
}

enum { BLOCKS = 40 };

static void check_root(struct state *s, const struct plain *m)
{
    hash32 want, got;
    plain_root(&want, m);
    assert_int_equal(state_root(s, &got), OK);
    assert_memory_equal(&got, &want, 32);
}

static void expect_block(struct kv_txn *txn, const struct plain *m, uint64_t number, struct state_sieve *sieve)
{
    struct state *s;
    assert_int_equal(state_open_sieved(&s, txn, number, sieve), OK);
    expect_same(s, m, false);
    if (number == STATE_LATEST) check_root(s, m);
    state_free(s);
}

/* commit, or let the disk be full, or the process die before or after the commit is on the disk; ret: was it written? */
static bool commit_with_faults(struct kv *fault, struct kv_txn *txn, struct rng_seeded *r)
{
    const uint64_t kind = fault == NULL ? 3 : rng_below(r, 8);
    if (kind == 0) kv_fault_fail(fault, 1, E_NOSPACE);
    if (kind == 1 || kind == 2) kv_fault_crash(fault, 0, kind == 2, NULL, NULL);
    assert_int_equal(kv_commit(txn), kind == 0 ? E_NOSPACE : kind == 1 || kind == 2 ? E_IO : OK);
    if (kind == 1 || kind == 2) kv_fault_revive(fault);
    return kind >= 2;
}

/* a block that comes to nothing, as one with a bad root does */
static void throw_away(struct kv_txn *txn, struct state_cache *cache, const struct plain *m, struct rng_seeded *r)
{
    struct plain next = *m;
    struct state *s, *beside;
    assert_int_equal(state_open_cached(&s, txn, cache), OK);
    assert_int_equal(state_open_cached(&beside, txn, cache), OK);
    for (uint64_t n = rng_below(r, 3); n > 0; n--) random_tx(s, &next, r);
    if (rng_below(r, 2) == 0) check_root(s, &next);
    expect_same(beside, m, false);
    check_root(beside, m);
    if (rng_below(r, 2) == 0) {
        state_free(s);
        s = NULL;
    }
    state_free(beside);
    state_free(s);
}

/* keccak of all that the store holds */
static hash32 digest_of(struct kv *kv)
{
    struct kv_txn *txn;
    struct buf b;
    hash32 h;
    buf_init(&b, (size_t)64 << 20);
    assert_int_equal(kv_begin(&txn, kv, false), OK);
    for (unsigned i = 0; i < TABLE_N; i++) {
        struct kv_cursor *c;
        bytes k, v;
        assert_int_equal(kv_cursor_open(&c, txn, i), OK);
        for (enum status st = kv_cursor_seek(&k, &v, c, BYTES_EMPTY); st == OK; st = kv_cursor_next(&k, &v, c)) {
            buf_printf(&b, "%u:%zu:%zu:", i, k.len, v.len);
            buf_put_bytes(&b, k);
            buf_put_bytes(&b, v);
        }
        kv_cursor_close(c);
    }
    kv_abort(txn);
    assert_int_equal(buf_status(&b), OK);
    keccak256(h.b, b.ptr, b.len);
    buf_fini(&b);
    return h;
}

/* move: one entry of TABLE_CHANGES as the older form has it: its value into the index */
static void move(struct kv_txn *txn, bytes row, bytes value)
{
    uint8_t key[60], copy[128], from[60];
    const size_t len = row.len - 8;
    memcpy(from, row.ptr, row.len);
    memcpy(key, row.ptr + 8, len);
    memcpy(key + len, row.ptr, 8);
    if (value.len != 0) memcpy(copy, value.ptr, value.len);
    assert_int_equal(kv_put(txn, len == 20 ? TABLE_HIST_ACCOUNT : TABLE_HIST_STORAGE, bytes_make(key, row.len), bytes_make(copy, value.len)), OK);
    assert_int_equal(kv_delete(txn, TABLE_CHANGES, bytes_make(from, row.len)), OK);
}

/* the history as it was written up to November 2026: a list for each block, even an empty one, and all values in the index */
static void make_older(struct kv_txn *txn, uint64_t head)
{
    for (uint64_t n = 1; n <= head; n++) {
        struct buf list;
        uint8_t number[8];
        size_t all, entry = 0, slots = 0;
        bool is_open = false;
        be64_put(number, n);
        buf_init(&list, (size_t)1 << 20);
        all = rlp_list_open(&list);
        for (;;) {
            struct kv_cursor *c;
            bytes k, v;
            assert_int_equal(kv_cursor_open(&c, txn, TABLE_CHANGES), OK);
            enum status st = kv_cursor_seek(&k, &v, c, BYTES_OF(number));
            const bool mine = st == OK && k.len > 8 && memcmp(k.ptr, number, 8) == 0;
            const bool is_older = st == OK && k.len == 8 && memcmp(k.ptr, number, 8) == 0;
            if (mine && k.len == 28) {
                if (is_open) {
                    rlp_list_close(&list, slots);
                    rlp_list_close(&list, entry);
                }
                is_open = true;
                entry = rlp_list_open(&list);
                rlp_put_string(&list, bytes_make(k.ptr + 8, 20));
                slots = rlp_list_open(&list);
            } else if (mine) {
                rlp_put_string(&list, bytes_make(k.ptr + 28, 32));
            }
            kv_cursor_close(c);
            assert_false(is_older);
            if (!mine) break;
            move(txn, k, v);
        }
        if (is_open) {
            rlp_list_close(&list, slots);
            rlp_list_close(&list, entry);
        }
        rlp_list_close(&list, all);
        assert_int_equal(buf_status(&list), OK);
        assert_int_equal(kv_put(txn, TABLE_CHANGES, BYTES_OF(number), buf_view(&list)), OK);
        buf_fini(&list);
    }
    assert_int_equal(kv_delete(txn, TABLE_META, BYTES_LIT("state.index")), OK);
}

/* name_block: no two blocks have one name */
static void name_block(struct kv_txn *txn, uint64_t number, struct rng_seeded *r)
{
    uint8_t key[8], hash[32] = {0};
    be64_put(key, number);
    be64_put(hash, rng_below(r, UINT64_MAX));
    assert_int_equal(kv_put(txn, TABLE_CANON, BYTES_OF(key), BYTES_OF(hash)), OK);
}

static void unname_block(struct kv_txn *txn, uint64_t number)
{
    uint8_t key[8];
    be64_put(key, number);
    assert_int_equal(kv_delete(txn, TABLE_CANON, BYTES_OF(key)), OK);
}

/* fault: kv, if it is a store with faults, else NULL; sieve: of the readers; digest (both may be NULL): of the store, before it is pruned */
static void run_chain(struct kv *kv, struct kv *fault, struct state_cache *cache, struct state_sieve *sieve, uint64_t seed, hash32 *digest)
{
    static struct plain m[BLOCKS];
    struct rng_seeded r;
    struct kv_txn *txn, *reader = NULL;
    struct state *s;
    rng_seed(&r, seed);
    memset(&m[0], 0, sizeof m[0]);
    uint64_t head = 0;
    for (int round = 0; round < 120; round++) {
        assert_int_equal(kv_begin(&txn, kv, true), OK);
        if (round == 50 && seed % 2 == 0) make_older(txn, head);
        if (rng_below(&r, 8) == 0) assert_int_equal(state_set_archive(txn, rng_below(&r, 2) == 0, head), OK);
        if (head > 2 && (head + 1 == BLOCKS || rng_below(&r, 5) == 0)) { /* take some back */
            uint64_t back = head;
            for (uint64_t n = 1 + rng_below(&r, head - 1); n > 0; n--) {
                unname_block(txn, back);
                assert_int_equal(state_unwind(txn, back--), OK);
            }
            expect_block(txn, &m[back], STATE_LATEST, NULL);
            if (commit_with_faults(fault, txn, &r)) head = back;
            continue;
        }
        struct plain next = m[head];
        const bool apart = rng_below(&r, 2) == 0; /* executed on a snapshot of its own */
        if (apart) assert_int_equal(kv_begin(&reader, kv, false), OK);
        if (rng_below(&r, 6) == 0) throw_away(apart ? reader : txn, cache, &next, &r);
        assert_int_equal(state_open_cached(&s, apart ? reader : txn, cache), OK);
        for (uint64_t n = rng_below(&r, 4); n > 0; n--) {
            struct plain before = next;
            int snap = state_snapshot(s);
            random_tx(s, &next, &r);
            if (rng_below(&r, 3) == 0) check_root(s, &next);
            if (rng_below(&r, 4) == 0) { /* the whole transaction back out */
                state_revert(s, snap);
                next = before;
                expect_same(s, &next, false);
                if (rng_below(&r, 2) == 0) check_root(s, &next);
            }
        }
        if (rng_below(&r, 2) == 0) check_root(s, &next);
        assert_int_equal(state_commit(s, txn, head + 1, true), OK);
        state_free(s);
        if (apart) kv_abort(reader);
        name_block(txn, head + 1, &r);
        expect_block(txn, &next, STATE_LATEST, sieve);
        expect_block(txn, &next, head + 1, sieve);
        if (commit_with_faults(fault, txn, &r)) m[++head] = next;
        if (fault != NULL) {
            assert_int_equal(kv_begin(&reader, kv, false), OK);
            expect_block(reader, &m[head], STATE_LATEST, sieve);
            kv_abort(reader);
        }
        if (round % 8 == 0) {
            assert_int_equal(kv_begin(&reader, kv, false), OK);
            for (uint64_t n = 0; n <= head; n++) expect_block(reader, &m[n], n, sieve);
            kv_abort(reader);
        }
    }
    if (digest != NULL) *digest = digest_of(kv);
    /* pruning keeps what is newer, and only that */
    assert_int_equal(kv_begin(&txn, kv, true), OK);
    const uint64_t cut = head / 2;
    assert_int_equal(state_prune(txn, cut), OK);
    for (uint64_t n = cut; n <= head; n++) expect_block(txn, &m[n], n, sieve);
    if (cut > 0) assert_int_equal(state_open(&s, txn, cut - 1), E_NOT_FOUND);
    while (head > cut) assert_int_equal(state_unwind(txn, head--), OK);
    expect_block(txn, &m[head], STATE_LATEST, sieve);
    if (cut > 0) assert_int_equal(state_unwind(txn, head), E_NOT_FOUND);
    struct kv_cursor *c;
    bytes k, v;
    static const unsigned EMPTY_NOW[] = {TABLE_HIST_ACCOUNT, TABLE_HIST_STORAGE, TABLE_CHANGES};
    for (size_t i = 0; i < COUNT_OF(EMPTY_NOW); i++) {
        assert_int_equal(kv_cursor_open(&c, txn, EMPTY_NOW[i]), OK);
        assert_int_equal(kv_cursor_seek(&k, &v, c, BYTES_EMPTY), E_NOT_FOUND);
        kv_cursor_close(c);
    }
    assert_int_equal(kv_commit(txn), OK);
}

static void random_chains_agree_with_a_plain_model(void **state)
{
    (void)state;
    const char *env = getenv("SEED");
    const uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : 11;
    print_message("# seed %llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < 6; i++) {
        struct kv *kv;
        assert_int_equal(kv_open_memory(&kv, TABLE_N), OK);
        run_chain(kv, NULL, NULL, NULL, seed + i, NULL);
        kv_close(kv);
    }
    for (uint64_t i = 0; i < 6; i++) {
        struct kv *disk, *kv;
        assert_int_equal(kv_open_memory(&disk, TABLE_N), OK);
        assert_int_equal(kv_open_fault(&kv, disk), OK);
        run_chain(kv, kv, NULL, NULL, seed + 50 + i, NULL);
        kv_close(kv);
        kv_close(disk);
    }
    char dir[] = "/tmp/test-state-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct kv *kv;
    assert_int_equal(kv_open_lmdb(&kv, dir, NAMES, TABLE_N, 64 << 20, KV_NOSYNC, NULL), OK);
    run_chain(kv, NULL, NULL, NULL, seed + 100, NULL);
    kv_close(kv);
    assert_int_equal(file_remove_tree(dir, NULL), OK);
}

/* blocks, reverts, blocks thrown away and taken back, commits that fail, a process that dies: with a cache all of it leaves the same store, byte by byte */
static void a_cache_changes_nothing_but_the_time_it_takes(void **state)
{
    (void)state;
    const char *env = getenv("SEED");
    const uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : 21;
    print_message("# seed %llu\n", (unsigned long long)seed);
    static const size_t ROOM[] = {(size_t)1 << 20, 12000, 4000, 0}; /* enough, hardly enough, hardly any, none */
    for (uint64_t i = 0; i < 6; i++) {
        hash32 without;
        for (size_t k = 0; k <= COUNT_OF(ROOM); k++) {
            struct kv *disk, *kv;
            struct state_cache *cache = NULL;
            assert_int_equal(kv_open_memory(&disk, TABLE_N), OK);
            assert_int_equal(kv_open_fault(&kv, disk), OK);
            if (k != 0) assert_int_equal(state_cache_new(&cache, ROOM[k - 1]), OK);
            hash32 digest;
            run_chain(kv, kv, cache, NULL, seed + i, &digest);
            if (k == 0)
                without = digest;
            else
                assert_memory_equal(&digest, &without, sizeof digest);
            if (k != 0) assert_true(state_cache_bytes(cache) <= ROOM[k - 1]);
            state_cache_free(cache);
            kv_close(kv);
            kv_close(disk);
        }
    }
    char dir[] = "/tmp/test-state-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct kv *kv;
    struct state_cache *cache;
    assert_int_equal(kv_open_lmdb(&kv, dir, NAMES, TABLE_N, 64 << 20, KV_NOSYNC, NULL), OK);
    assert_int_equal(state_cache_new(&cache, 20000), OK);
    run_chain(kv, NULL, cache, NULL, seed + 100, NULL);
    state_cache_free(cache);
    kv_close(kv);
    assert_int_equal(file_remove_tree(dir, NULL), OK);
}

/* the same, read through a sieve that takes blocks in at once, or seldom; and one that is carried from a chain to another, as if all had been re-organised */
static void a_sieve_changes_nothing_but_the_time_it_takes(void **state)
{
    (void)state;
    const char *env = getenv("SEED");
    const uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : 31;
    print_message("# seed %llu\n", (unsigned long long)seed);
    static const uint64_t PATIENCE[] = {0, 20, 1000};
    struct state_sieve *carried;
    assert_int_equal(state_sieve_new(&carried, 5), OK);
    for (uint64_t i = 0; i < 6; i++) {
        hash32 without;
        for (size_t k = 0; k <= COUNT_OF(PATIENCE) + 1; k++) {
            struct kv *disk, *kv;
            struct state_sieve *sieve = NULL;
            hash32 digest;
            assert_int_equal(kv_open_memory(&disk, TABLE_N), OK);
            assert_int_equal(kv_open_fault(&kv, disk), OK);
            if (k > 0 && k <= COUNT_OF(PATIENCE)) assert_int_equal(state_sieve_new(&sieve, PATIENCE[k - 1]), OK);
            run_chain(kv, kv, NULL, k > COUNT_OF(PATIENCE) ? carried : sieve, seed + i, &digest);
            if (k == 0) without = digest;
            assert_memory_equal(&digest, &without, sizeof digest);
            state_sieve_free(sieve);
            kv_close(kv);
            kv_close(disk);
        }
    }
    state_sieve_free(carried);
}

/* read without the table's nodes, but for the root, which says that all the rest is still the same */
static void what_a_block_has_used_is_read_from_memory_by_the_next(void **state)
{
    (void)state;
    enum { N = 100 };
    struct kv *kv;
    struct kv_txn *txn;
    struct state *s;
    struct state_cache *cache;
    const address rich = addr_of(0);
    u256 v;
    assert_int_equal(kv_open_memory(&kv, TABLE_N), OK);
    assert_int_equal(state_cache_new(&cache, (size_t)1 << 20), OK);
    for (uint64_t block = 0; block < 2; block++) {
        assert_int_equal(kv_begin(&txn, kv, true), OK);
        assert_int_equal(state_open_cached(&s, txn, cache), OK);
        for (uint64_t i = 0; i < N; i++) {
            address a = {{0xcc}};
            be64_put(a.b + 12, i);
            v = u256_from_u64(i + 1);
            const u256 key = u256_from_u64(i);
            assert_int_equal(state_add_balance(s, &a, &v), OK);
            assert_int_equal(state_set_storage(s, &rich, &key, &v), OK);
        }
        assert_int_equal(state_add_balance(s, &rich, &v), OK);
        assert_int_equal(state_commit(s, txn, block, block != 0), OK);
        state_free(s);
        assert_int_equal(kv_commit(txn), OK);
    }
    assert_int_equal(kv_begin(&txn, kv, true), OK);
    static const unsigned TRIES[] = {TABLE_TRIE_ACCOUNT, TABLE_TRIE_STORAGE};
    for (size_t i = 0; i < COUNT_OF(TRIES); i++) {
        struct kv_cursor *c;
        bytes k, value;
        uint8_t nibble;
        do { /* the roots stay */
            assert_int_equal(kv_cursor_open(&c, txn, TRIES[i]), OK);
            uint8_t key[100];
            enum status st = kv_cursor_seek(&k, &value, c, BYTES_EMPTY);
            nibble = st == OK ? k.ptr[k.len - 1] : 0x10;
            if (nibble != 0x10) memcpy(key, k.ptr, k.len);
            kv_cursor_close(c);
            if (nibble != 0x10) assert_int_equal(kv_delete(txn, TRIES[i], bytes_make(key, k.len)), OK);
        } while (nibble != 0x10);
    }
    const u256 key = u256_from_u64(7);
    address a = {{0xcc}};
    be64_put(a.b + 12, 7);
    for (int with = 0; with < 2; with++) {
        assert_int_equal(state_open_cached(&s, txn, with ? cache : NULL), OK);
        assert_int_equal(state_get_balance(s, &a, &v), with ? OK : E_CORRUPT);
        if (with) assert_int_equal(v.w[0], 16);
        assert_int_equal(state_get_storage(s, &rich, &key, &v), with ? OK : E_CORRUPT);
        if (with) assert_int_equal(v.w[0], 8);
        state_free(s);
    }
    /* another root: nothing of it counts */
    static const uint8_t ROOT_KEY[] = {0x10};
    assert_int_equal(kv_delete(txn, TABLE_TRIE_ACCOUNT, BYTES_OF(ROOT_KEY)), OK);
    assert_int_equal(state_open_cached(&s, txn, cache), OK);
    assert_int_equal(state_get_balance(s, &a, &v), OK);
    assert_true(u256_is_zero(&v));
    state_free(s);
    kv_abort(txn);
    state_cache_free(cache);
    kv_close(kv);
}

static void an_empty_account_stays_until_a_transaction_touches_it(void **state)
{
    (void)state;
    struct kv *kv;
    struct kv_txn *txn;
    struct state *s;
    struct rules rules = {.eip161 = true};
    const address sys = ADDRESS_SYSTEM, other = addr_of(1);
    u256 one = U256_ONE;
    bool exists;
    struct state_account acc;
    assert_int_equal(kv_open_memory(&kv, TABLE_N), OK);
    assert_int_equal(kv_begin(&txn, kv, true), OK);
    assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
    state_begin_tx(s, &rules);
    assert_int_equal(state_require(s, &sys), OK); /* outside any transaction's end */
    state_begin_tx(s, &rules);
    assert_int_equal(state_add_balance(s, &other, &one), OK);
    assert_int_equal(state_end_tx(s, NULL), OK);
    assert_int_equal(state_get_account(s, &sys, &acc, &exists), OK);
    assert_true(exists);
    state_begin_tx(s, &rules);
    assert_int_equal(state_add_balance(s, &sys, &U256_ZERO), OK);
    assert_int_equal(state_end_tx(s, &sys), OK); /* kept by name */
    assert_int_equal(state_get_account(s, &sys, &acc, &exists), OK);
    assert_true(exists);
    state_begin_tx(s, &rules);
    assert_int_equal(state_add_balance(s, &sys, &U256_ZERO), OK);
    assert_int_equal(state_end_tx(s, NULL), OK);
    assert_int_equal(state_get_account(s, &sys, &acc, &exists), OK);
    assert_false(exists);
    assert_int_equal(state_sub_balance(s, &other, &(u256){{2, 0, 0, 0}}), E_INVALID);
    state_free(s);
    kv_abort(txn);
    kv_close(kv);
}

static void proofs_show_accounts_and_slots(void **state)
{
    (void)state;
    struct kv *kv;
    struct kv_txn *txn;
    struct state *s;
    const address a = addr_of(2);
    const u256 key = u256_from_u64(5), v = u256_from_u64(0x1234);
    hash32 root, hashed;
    struct buf b;
    size_t n;
    bytes nodes[65], in, value;
    assert_int_equal(kv_open_memory(&kv, TABLE_N), OK);
    assert_int_equal(kv_begin(&txn, kv, true), OK);
    assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
    for (size_t i = 0; i < 9; i++) {
        address other = addr_of(i);
        assert_int_equal(state_add_balance(s, &other, &v), OK);
    }
    assert_int_equal(state_set_storage(s, &a, &key, &v), OK);
    assert_int_equal(state_root(s, &root), OK);
    assert_int_equal(state_commit(s, txn, 0, false), OK);
    struct state_account acc;
    bool exists;
    state_free(s);
    assert_int_equal(state_open(&s, txn, 0), OK);
    assert_int_equal(state_get_account(s, &a, &acc, &exists), OK);
    assert_int_equal(state_root(s, &hashed), E_UNSUPPORTED);
    buf_init(&b, 1 << 16);
    assert_int_equal(state_prove_account(&b, &n, txn, &a), OK);
    in = buf_view(&b);
    for (size_t i = 0; i < n; i++) assert_int_equal(rlp_get_string(&nodes[i], &in), OK);
    keccak256(hashed.b, a.b, 20);
    assert_int_equal(trie_check_proof(&value, &root, &hashed, nodes, n), OK);
    assert_true(value.len > 64);
    buf_clear(&b);
    assert_int_equal(state_prove_slot(&b, &n, txn, &a, &key), OK);
    in = buf_view(&b);
    for (size_t i = 0; i < n; i++) assert_int_equal(rlp_get_string(&nodes[i], &in), OK);
    u256_to_be(hashed.b, &key);
    keccak256(hashed.b, hashed.b, 32);
    assert_int_equal(trie_check_proof(&value, &acc.storage_root, &hashed, nodes, n), OK);
    assert_true(bytes_eq(value, BYTES_LIT("\x82\x12\x34")));
    buf_fini(&b);
    state_free(s);
    kv_abort(txn);
    kv_close(kv);
}

static void a_full_disk_fails_the_commit_and_leaves_the_state_before(void **state)
{
    (void)state;
    char dir[] = "/tmp/test-state-XXXXXX";
    struct kv *kv;
    struct kv_txn *txn;
    struct state *s;
    hash32 before, after;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(kv_open_lmdb(&kv, dir, NAMES, TABLE_N, 1 << 20, KV_NOSYNC, NULL), OK);
    for (uint64_t round = 0; round < 2; round++) {
        assert_int_equal(kv_begin(&txn, kv, true), OK);
        assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
        for (uint64_t i = 0; i < (round == 0 ? 20 : 5000); i++) {
            address a = {{0}};
            be64_put(a.b, i * 0x9e3779b97f4a7c15u);
            assert_int_equal(state_add_balance(s, &a, &U256_ONE), OK);
        }
        if (round == 0) assert_int_equal(state_root(s, &before), OK);
        enum status st = state_commit(s, txn, round, round != 0);
        state_free(s);
        if (round == 0) {
            assert_int_equal(st, OK);
            assert_int_equal(kv_commit(txn), OK);
        } else {
            assert_int_equal(st, E_NOSPACE);
            kv_abort(txn);
        }
    }
    assert_int_equal(kv_begin(&txn, kv, false), OK);
    assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
    assert_int_equal(state_root(s, &after), OK);
    assert_memory_equal(&before, &after, 32);
    state_free(s);
    kv_abort(txn);
    kv_close(kv);
    assert_int_equal(file_remove_tree(dir, NULL), OK);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_chains_agree_with_a_plain_model),
        cmocka_unit_test(a_cache_changes_nothing_but_the_time_it_takes),
        cmocka_unit_test(a_sieve_changes_nothing_but_the_time_it_takes),
        cmocka_unit_test(what_a_block_has_used_is_read_from_memory_by_the_next),
        cmocka_unit_test(an_empty_account_stays_until_a_transaction_touches_it),
        cmocka_unit_test(proofs_show_accounts_and_slots),
        cmocka_unit_test(a_full_disk_fails_the_commit_and_leaves_the_state_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
