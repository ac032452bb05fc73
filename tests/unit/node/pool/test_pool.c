#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/clock.h"
#include "lib/base/rng.h"
#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "node/pool/pool.h"

#include <pthread.h>

#include <cmocka.h>

/* ------------------------------------------------------- transactions made up */

static address sender_of(unsigned i)
{
    address a = {{0}};
    uint8_t h[32];
    keccak256(h, &i, sizeof i);
    memcpy(a.b, h, 20);
    return a;
}

/* salt makes transactions alike in all else differ; raw lives in `raw`, 16 bytes */
static struct tx make_tx(uint8_t raw[static 16], unsigned sender, uint64_t nonce, uint64_t fee, uint64_t tip, uint64_t salt)
{
    struct tx tx = {.type = TX_DYNAMIC_FEE, .has_chain_id = true, .has_to = true, .has_sender = true, .nonce = nonce, .gas_limit = 21000};
    tx.sender = sender_of(sender);
    tx.max_fee = u256_from_u64(fee);
    tx.max_priority = u256_from_u64(tip);
    memset(raw, 0, 16);
    raw[0] = TX_DYNAMIC_FEE;
    memcpy(raw + 1, &sender, 4);
    memcpy(raw + 5, &nonce, 4);
    memcpy(raw + 9, &salt, 7);
    tx.raw = bytes_make(raw, 16);
    keccak256(tx.hash.b, raw, 16);
    return tx;
}

static struct pool_account account(unsigned sender, uint64_t nonce)
{
    return (struct pool_account){.addr = sender_of(sender), .nonce = nonce, .balance = U256_MAX};
}

/* add a transaction of `sender` whose account's nonce is `state` */
static enum pool_verdict add(struct pool *p, unsigned sender, uint64_t state, uint64_t nonce, uint64_t fee)
{
    uint8_t raw[16];
    struct tx tx = make_tx(raw, sender, nonce, fee, fee, fee);
    struct pool_account a = account(sender, state);
    return pool_add(p, &tx, &a, pool_version(p), 0);
}

static hash32 hash_at(unsigned sender, uint64_t nonce, uint64_t fee)
{
    uint8_t raw[16];
    return make_tx(raw, sender, nonce, fee, fee, fee).hash;
}

static struct pool *new_pool(const struct pool_limits *limits)
{
    struct pool *p = NULL;
    assert_int_equal(pool_new(&p, limits), OK);
    return p;
}

static void assert_count(struct pool *p, size_t pending, size_t queued)
{
    size_t a, b;
    pool_count(p, &a, &b);
    assert_int_equal(a, pending);
    assert_int_equal(b, queued);
}

static void on_head(struct pool *p, unsigned sender, uint64_t nonce)
{
    struct pool_account a = account(sender, nonce);
    pool_on_head(p, &a, 1, 0);
}

/* ------------------------------------------------------------------- add */

static void a_gap_in_the_nonces_queues_and_closing_it_makes_all_pending(void **state)
{
    (void)state;
    struct pool *p = new_pool(NULL);
    address a = sender_of(1);
    assert_int_equal(pool_next_nonce(p, &a, 5), 5);
    assert_int_equal(add(p, 1, 5, 5, 1), POOL_PENDING);
    assert_int_equal(add(p, 1, 5, 8, 1), POOL_QUEUED);
    assert_int_equal(add(p, 1, 5, 7, 1), POOL_QUEUED);
    assert_count(p, 1, 2);
    assert_int_equal(pool_next_nonce(p, &a, 5), 6);
    assert_int_equal(add(p, 1, 5, 6, 1), POOL_PENDING);
    assert_count(p, 4, 0);
    assert_int_equal(pool_next_nonce(p, &a, 5), 9);
    assert_int_equal(pool_next_nonce(p, &a, 20), 20);
    hash32 h = hash_at(1, 6, 1);
    assert_true(pool_has(p, &h) && pool_remove(p, &h) && !pool_has(p, &h) && !pool_remove(p, &h));
    assert_count(p, 1, 2);
    pool_free(p);
}

static void each_refusal_has_the_words_of_other_clients(void **state)
{
    (void)state;
    struct pool_limits l = {.min_tip = u256_from_u64(5), .max_tx_bytes = 16};
    struct pool *p = new_pool(&l);
    assert_int_equal(add(p, 1, 5, 5, 100), POOL_PENDING);
    assert_int_equal(add(p, 1, 5, 5, 100), POOL_KNOWN);
    assert_string_equal(pool_verdict_text(POOL_KNOWN), "already known");
    assert_int_equal(add(p, 1, 5, 4, 100), POOL_NONCE_TOO_LOW);
    assert_string_equal(pool_verdict_text(POOL_NONCE_TOO_LOW), "nonce too low");
    assert_int_equal(add(p, 1, 5, 6, 4), POOL_UNDERPRICED);
    assert_string_equal(pool_verdict_text(POOL_UNDERPRICED), "transaction underpriced");
    assert_int_equal(add(p, 1, 5, 5, 109), POOL_REPLACE_UNDERPRICED);
    assert_string_equal(pool_verdict_text(POOL_REPLACE_UNDERPRICED), "replacement transaction underpriced");
    assert_int_equal(add(p, 1, 5, 5 + 1000000, 100), POOL_NONCE_TOO_HIGH);
    uint8_t raw[16], large[17] = {0};
    struct tx tx = make_tx(raw, 2, 0, 100, 100, 0);
    struct pool_account a = account(2, 0);
    tx.raw = bytes_make(large, sizeof large);
    assert_int_equal(pool_add(p, &tx, &a, pool_version(p), 0), POOL_TOO_LARGE);
    tx = make_tx(raw, 2, 0, 100, 100, 0);
    a.balance = u256_from_u64(21000 * 100 - 1);
    assert_int_equal(pool_add(p, &tx, &a, pool_version(p), 0), POOL_NO_FUNDS);
    tx.value = u256_from_u64(1);
    a.balance = u256_from_u64(21000 * 100);
    assert_int_equal(pool_add(p, &tx, &a, pool_version(p), 0), POOL_NO_FUNDS);
    tx.max_fee = U256_MAX; /* price * gas is over 256 bits */
    assert_int_equal(pool_add(p, &tx, &a, pool_version(p), 0), POOL_NO_FUNDS);
    pool_on_head(p, NULL, 0, 20999);
    tx = make_tx(raw, 2, 0, 100, 100, 0);
    assert_int_equal(pool_add(p, &tx, &a, pool_version(p), 0), POOL_GAS_LIMIT);
    assert_int_equal(pool_add(p, &tx, &a, pool_version(p) - 1, 0), POOL_STALE);
    assert_count(p, 1, 0);
    for (int v = POOL_PENDING; v <= POOL_FULL; v++)
        assert_int_equal(pool_verdict_status((enum pool_verdict)v) == OK, v == POOL_PENDING || v == POOL_QUEUED);
    pool_free(p);
}

static void a_replacement_pays_a_tenth_more_in_both_prices(void **state)
{
    (void)state;
    static const struct {
        uint64_t old_fee, old_tip, fee, tip;
        bool ok;
    } t[] = {
        {100, 100, 110, 110, true}, {100, 100, 109, 110, false}, {100, 100, 110, 109, false}, {100, 10, 110, 11, true},
        {100, 0, 110, 0, false},    {100, 0, 110, 1, true},      {0, 0, 0, 0, false},         {0, 0, 1, 1, true},
        {5, 5, 6, 6, true},         {5, 5, 5, 5, false},         {UINT64_MAX, 1, UINT64_MAX, 2, false},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct pool *p = new_pool(NULL);
        uint8_t raw[16];
        struct pool_account a = account(1, 0);
        struct tx first = make_tx(raw, 1, 0, t[i].old_fee, t[i].old_tip, 1);
        assert_int_equal(pool_add(p, &first, &a, 0, 0), POOL_PENDING);
        assert_int_equal(add(p, 1, 0, 1, 7), POOL_PENDING);
        struct tx second = make_tx(raw, 1, 0, t[i].fee, t[i].tip, 2);
        if (pool_add(p, &second, &a, 0, 0) != (t[i].ok ? POOL_PENDING : POOL_REPLACE_UNDERPRICED)) fail_msg("row %zu", i);
        assert_int_equal(pool_has(p, &first.hash), !t[i].ok);
        assert_int_equal(pool_has(p, &second.hash), t[i].ok);
        assert_count(p, 2, 0);
        pool_free(p);
    }
}

/* ------------------------------------------------------------------ bounds */

static void a_full_pool_makes_room_only_for_what_is_better(void **state)
{
    (void)state;
    struct pool_limits l = {.max_txs = 4};
    struct pool *p = new_pool(&l);
    assert_int_equal(add(p, 1, 0, 0, 10), POOL_PENDING);
    assert_int_equal(add(p, 1, 0, 1, 10), POOL_PENDING);
    assert_int_equal(add(p, 2, 0, 0, 20), POOL_PENDING);
    assert_int_equal(add(p, 3, 0, 5, 99), POOL_QUEUED);
    assert_int_equal(add(p, 4, 0, 5, 99), POOL_FULL); /* queued: no better than the queued one */
    assert_string_equal(pool_verdict_text(POOL_FULL), "txpool is full");
    assert_int_equal(add(p, 4, 0, 0, 1), POOL_PENDING); /* pending pushes out queued, whatever it pays */
    assert_count(p, 4, 0);
    assert_int_equal(add(p, 5, 0, 0, 1), POOL_FULL);
    assert_int_equal(add(p, 5, 0, 0, 2), POOL_PENDING); /* pushes out sender 4 */
    hash32 gone = hash_at(4, 0, 1), low = hash_at(1, 1, 10), first = hash_at(1, 0, 10);
    assert_false(pool_has(p, &gone));
    assert_int_equal(add(p, 5, 0, 1, 15), POOL_FULL); /* its own first is the cheapest: it must not go for its second */
    assert_int_equal(add(p, 6, 0, 0, 3), POOL_PENDING);
    assert_int_equal(add(p, 7, 0, 0, 11), POOL_PENDING);
    assert_int_equal(add(p, 8, 0, 0, 11), POOL_PENDING); /* sender 1's last goes, not its first */
    assert_true(!pool_has(p, &low) && pool_has(p, &first));
    assert_count(p, 4, 0);
    pool_free(p);
}

static void bytes_and_senders_are_bounded(void **state)
{
    (void)state;
    struct pool_limits l = {.max_per_sender = 3, .max_queued_per_sender = 1, .max_queued = 2};
    struct pool *p = new_pool(&l);
    assert_int_equal(add(p, 1, 0, 2, 1), POOL_QUEUED);
    assert_int_equal(add(p, 1, 0, 3, 1), POOL_SENDER_FULL);
    assert_int_equal(add(p, 1, 0, 0, 1), POOL_PENDING);
    assert_int_equal(add(p, 1, 0, 1, 1), POOL_PENDING);
    assert_int_equal(add(p, 1, 0, 3, 1), POOL_SENDER_FULL);
    assert_int_equal(add(p, 2, 0, 3, 1), POOL_QUEUED);
    assert_int_equal(add(p, 3, 0, 3, 1), POOL_QUEUED);
    assert_int_equal(add(p, 4, 0, 3, 1), POOL_FULL);
    assert_int_equal(add(p, 4, 0, 3, 2), POOL_QUEUED);
    assert_count(p, 3, 2);
    pool_free(p);

    l = (struct pool_limits){.max_bytes = 10000};
    p = new_pool(&l);
    unsigned n = 0;
    while (add(p, n, 0, 0, 1) == POOL_PENDING)
        n++;
    assert_true(n > 5 && n < 40);
    assert_int_equal(add(p, 999, 0, 0, 2), POOL_PENDING);
    assert_count(p, n, 0);
    pool_free(p);
}

static void queued_transactions_expire_and_pending_ones_do_not(void **state)
{
    (void)state;
    struct pool_limits l = {.queued_lifetime_ms = 100};
    struct pool *p = new_pool(&l);
    assert_int_equal(add(p, 1, 0, 0, 1), POOL_PENDING);
    assert_int_equal(add(p, 1, 0, 2, 1), POOL_QUEUED);
    assert_int_equal(add(p, 2, 0, 2, 1), POOL_QUEUED);
    assert_int_equal(pool_expire(p, 100), 0);
    assert_int_equal(pool_expire(p, 101), 2);
    assert_count(p, 1, 0);
    pool_free(p);
}

/* -------------------------------------------------------------------- head */

static void a_block_takes_out_what_it_holds_and_a_reorg_brings_it_back(void **state)
{
    (void)state;
    struct pool *p = new_pool(NULL);
    address a = sender_of(1);
    for (uint64_t n = 0; n < 5; n++)
        assert_int_equal(add(p, 1, 0, n, 1), POOL_PENDING);
    uint64_t before = pool_version(p);
    on_head(p, 1, 3);
    assert_true(pool_version(p) > before);
    assert_count(p, 2, 0);
    assert_int_equal(pool_next_nonce(p, &a, 3), 5);
    /* the block leaves the chain: its transactions are missing until they are added again */
    on_head(p, 1, 0);
    assert_count(p, 0, 2);
    assert_int_equal(add(p, 1, 0, 1, 1), POOL_QUEUED);
    assert_int_equal(add(p, 1, 0, 0, 1), POOL_PENDING);
    assert_count(p, 2, 2);
    assert_int_equal(add(p, 1, 0, 2, 1), POOL_PENDING);
    assert_count(p, 5, 0);
    /* beyond all that are known */
    on_head(p, 1, 9);
    assert_count(p, 0, 0);
    /* past a gap: what was queued becomes pending */
    assert_int_equal(add(p, 1, 9, 11, 1), POOL_QUEUED);
    assert_int_equal(add(p, 1, 9, 12, 1), POOL_QUEUED);
    on_head(p, 1, 11);
    assert_count(p, 2, 0);
    pool_free(p);
}

static void what_an_account_cannot_pay_any_more_goes(void **state)
{
    (void)state;
    struct pool *p = new_pool(NULL);
    assert_int_equal(add(p, 1, 0, 0, 1), POOL_PENDING);
    assert_int_equal(add(p, 1, 0, 1, 5), POOL_PENDING);
    assert_int_equal(add(p, 1, 0, 2, 1), POOL_PENDING);
    struct pool_account poor = {.addr = sender_of(1), .nonce = 0, .balance = u256_from_u64(21000 * 4)};
    pool_on_head(p, &poor, 1, 0);
    assert_count(p, 1, 1);
    hash32 dear = hash_at(1, 1, 5);
    assert_false(pool_has(p, &dear));
    poor.balance = U256_ZERO;
    pool_on_head(p, &poor, 1, 0);
    assert_count(p, 0, 0);
    pool_free(p);
}

/* ------------------------------------------------------------------- build */

static void a_block_is_built_by_tip_then_age_and_by_nonce_within_a_sender(void **state)
{
    (void)state;
    struct pool *p = new_pool(NULL);
    struct pool_best *b;
    struct tx tx;
    u256 base = u256_from_u64(0);
    static const struct {
        unsigned sender;
        uint64_t nonce, fee;
    } in[] = {{1, 0, 5}, {2, 0, 9}, {1, 1, 50}, {3, 0, 9}, {2, 1, 1}, {4, 7, 99}}, want[] = {{2, 0, 9}, {3, 0, 9}, {1, 0, 5}, {1, 1, 50}, {2, 1, 1}};
    for (size_t i = 0; i < COUNT_OF(in); i++)
        assert_true(add(p, in[i].sender, 0, in[i].nonce, in[i].fee) <= POOL_QUEUED);
    assert_int_equal(pool_best_new(&b, p, &base), OK);
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        assert_true(pool_best_next(b, &tx));
        hash32 h = hash_at(want[i].sender, want[i].nonce, want[i].fee);
        if (!hash_eq(&tx.hash, &h)) fail_msg("place %zu", i);
    }
    assert_false(pool_best_next(b, &tx));
    assert_false(pool_best_next(b, &tx));
    pool_best_free(b);

    /* a base fee leaves out those below it, and what follows them; a skipped sender is left alone */
    base = u256_from_u64(6);
    assert_int_equal(pool_best_new(&b, p, &base), OK);
    assert_true(pool_best_next(b, &tx));
    hash32 h = hash_at(2, 0, 9);
    assert_true(hash_eq(&tx.hash, &h));
    pool_best_skip(b);
    pool_best_skip(b);
    assert_true(pool_best_next(b, &tx));
    h = hash_at(3, 0, 9);
    assert_true(hash_eq(&tx.hash, &h));
    assert_false(pool_best_next(b, &tx));
    pool_best_free(b);
    pool_best_free(NULL);
    pool_free(p);
}

static void building_goes_on_while_the_pool_changes(void **state)
{
    (void)state;
    struct pool *p = new_pool(NULL);
    struct pool_best *b;
    struct tx tx;
    for (unsigned s = 1; s <= 3; s++)
        for (uint64_t n = 0; n < 3; n++)
            assert_int_equal(add(p, s, 0, n, 10 - s), POOL_PENDING);
    assert_int_equal(pool_best_new(&b, p, &U256_ZERO), OK);
    assert_true(pool_best_next(b, &tx)); /* sender 1, nonce 0 */
    hash32 gone = tx.hash, head2 = hash_at(2, 0, 8);
    assert_true(pool_remove(p, &gone)); /* while it is handed out: still valid memory */
    assert_int_equal(tx.raw.ptr[0], TX_DYNAMIC_FEE);
    assert_true(pool_remove(p, &head2));
    assert_int_equal(add(p, 3, 0, 0, 20), POOL_PENDING); /* replaces its first */
    assert_true(pool_best_next(b, &tx)); /* 1's second is queued now, 2's first has gone */
    hash32 h = hash_at(3, 0, 20);
    assert_true(hash_eq(&tx.hash, &h));
    on_head(p, 3, 2); /* mined meanwhile */
    assert_true(!pool_best_next(b, &tx));
    pool_best_free(b);
    pool_free(p);
}

/* -------------------------------------------------------------------- look */

static void copies_outlive_the_pool_and_views_stay_within_them(void **state)
{
    (void)state;
    struct pool *p = new_pool(NULL);
    struct arena a;
    struct buf raw, lists, net;
    secret32 key;
    memset(key.b, 3, sizeof key.b);
    arena_init(&a, 1 << 20);
    buf_init(&raw, 4096);
    buf_init(&lists, 4096);
    buf_init(&net, 4096);
    uint8_t hash[32] = {1}, addr[20] = {2};
    size_t e = rlp_list_open(&lists), k;
    rlp_put_string(&lists, bytes_make(addr, 20));
    k = rlp_list_open(&lists);
    rlp_put_string(&lists, bytes_make(hash, 32));
    rlp_list_close(&lists, k);
    rlp_list_close(&lists, e);
    struct tx tx = {.type = TX_DYNAMIC_FEE, .chain_id = 9, .gas_limit = 60000, .has_to = true, .data = BYTES_LIT("some data"), .access_list = buf_view(&lists)};
    assert_int_equal(tx_sign(&tx, &raw, &key), OK);
    struct pool_account acc = {.addr = tx.sender};
    assert_int_equal(pool_add(p, &tx, &acc, 0, 0), POOL_PENDING); /* lists stand outside of raw */
    struct tx got, decoded;
    hash32 h = tx.hash;
    address sender, signer = tx.sender;
    assert_int_equal(tx_get(&decoded, buf_view(&raw), NULL), OK);
    decoded.sender = signer;
    decoded.has_sender = true;
    assert_int_equal(pool_add(p, &decoded, &acc, 0, 0), POOL_KNOWN);
    assert_true(pool_remove(p, &h));
    assert_int_equal(pool_add(p, &decoded, &acc, 0, 0), POOL_PENDING); /* lists are views of raw */
    memset(raw.ptr, 0, raw.len);
    memset(lists.ptr, 0, lists.len);
    assert_true(pool_known_sender(p, &h, &sender) && address_eq(&sender, &signer));
    assert_true(pool_put(p, &net, &h));
    assert_int_equal(pool_get(&got, p, &h, &a), OK);
    hash32 listed[2];
    assert_int_equal(pool_list(p, listed, 2), 1);
    assert_true(hash_eq(&listed[0], &h));
    struct pool_item *items;
    size_t n;
    assert_int_equal(pool_content(&items, &n, p, NULL, 10, &a), OK);
    assert_int_equal(n, 1);
    pool_free(p);
    bytes in = buf_view(&net);
    assert_int_equal(tx_get_network(&decoded, &in, NULL), OK);
    assert_true(hash_eq(&decoded.hash, &h));
    assert_true(bytes_eq(got.data, BYTES_LIT("some data")) && got.data.ptr > got.raw.ptr && got.data.ptr < got.raw.ptr + got.raw.len);
    assert_true(bytes_eq(got.access_list, decoded.access_list) && bytes_eq(items[0].tx.access_list, decoded.access_list));
    assert_int_equal(tx_recover(&got, true), OK);
    assert_true(address_eq(&got.sender, &signer));
    buf_fini(&raw);
    buf_fini(&lists);
    buf_fini(&net);
    arena_fini(&a);
}

static void what_is_not_there_is_not_found(void **state)
{
    (void)state;
    struct pool *p = new_pool(NULL);
    struct arena a;
    struct tx tx;
    struct buf out;
    hash32 h = {{0}};
    address who;
    struct pool_item *items;
    size_t n;
    arena_init(&a, 1024);
    buf_init(&out, 16);
    assert_int_equal(pool_get(&tx, p, &h, &a), E_NOT_FOUND);
    assert_false(pool_known_sender(p, &h, &who) || pool_put(p, &out, &h) || pool_has(p, &h));
    who = sender_of(1);
    assert_int_equal(pool_content(&items, &n, p, &who, 10, &a), OK);
    assert_int_equal(n, 0);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(add(p, i, 0, 0, 1), POOL_PENDING);
    assert_int_equal(pool_content(&items, &n, p, NULL, 10, &a), E_NOMEM); /* the arena is too small */
    pool_on_head(p, NULL, 0, 0);
    assert_count(p, 10, 0);
    arena_fini(&a);
    pool_free(p);
}

/* ------------------------------------------------- property: against a naive model */

enum { SENDERS = 6, NONCES = 40 };

struct model {
    uint64_t state[SENDERS];
    struct {
        bool here;
        uint64_t fee, tip, arrival;
        hash32 hash;
    } tx[SENDERS][NONCES];
    uint64_t arrivals;
};

static bool model_is_pending(const struct model *m, unsigned s, uint64_t nonce)
{
    for (uint64_t n = m->state[s]; n <= nonce; n++)
        if (!m->tx[s][n].here) return false;
    return nonce >= m->state[s];
}

static enum pool_verdict model_add(struct model *m, unsigned s, const struct tx *tx)
{
    uint64_t n = tx->nonce, fee = tx->max_fee.w[0], tip = tx->max_priority.w[0];
    if (m->tx[s][n].here && hash_eq(&m->tx[s][n].hash, &tx->hash)) return POOL_KNOWN;
    if (n < m->state[s]) return POOL_NONCE_TOO_LOW;
    if (m->tx[s][n].here) {
        uint64_t of = m->tx[s][n].fee, ot = m->tx[s][n].tip;
        if (fee <= of || tip <= ot || fee * 100 < of * 110 || tip * 100 < ot * 110) return POOL_REPLACE_UNDERPRICED;
    }
    m->tx[s][n].here = true;
    m->tx[s][n].fee = fee;
    m->tx[s][n].tip = tip;
    m->tx[s][n].hash = tx->hash;
    m->tx[s][n].arrival = m->arrivals++;
    return model_is_pending(m, s, n) ? POOL_PENDING : POOL_QUEUED;
}

static void check_counts(const struct model *m, struct pool *p)
{
    size_t pending = 0, queued = 0;
    for (unsigned s = 0; s < SENDERS; s++) {
        uint64_t next = m->state[s];
        for (uint64_t n = 0; n < NONCES; n++) {
            if (!m->tx[s][n].here) continue;
            assert_true(pool_has(p, &m->tx[s][n].hash));
            if (model_is_pending(m, s, n)) {
                pending++;
                next = n + 1;
            } else {
                queued++;
            }
        }
        address a = sender_of(s);
        assert_int_equal(pool_next_nonce(p, &a, m->state[s]), next);
    }
    assert_count(p, pending, queued);
}

static void check_content(const struct model *m, struct pool *p)
{
    struct arena a;
    struct pool_item *items;
    size_t n, seen = 0;
    arena_init(&a, 1 << 22);
    assert_int_equal(pool_content(&items, &n, p, NULL, SIZE_MAX, &a), OK);
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            int c = memcmp(&items[i - 1].tx.sender, &items[i].tx.sender, 20);
            assert_true(c < 0 || (c == 0 && items[i - 1].tx.nonce < items[i].tx.nonce));
        }
        for (unsigned s = 0; s < SENDERS; s++) {
            address who = sender_of(s);
            if (!address_eq(&who, &items[i].tx.sender)) continue;
            assert_true(m->tx[s][items[i].tx.nonce].here);
            assert_int_equal(items[i].is_queued, !model_is_pending(m, s, items[i].tx.nonce));
            seen++;
        }
    }
    assert_int_equal(seen, n);
    arena_fini(&a);
}

/* each time the best of all firsts, by looking at every sender */
static void check_best(const struct model *m, struct pool *p, uint64_t base)
{
    uint64_t next[SENDERS];
    bool out[SENDERS] = {false};
    struct pool_best *b;
    struct tx tx;
    u256 base_fee = u256_from_u64(base);
    memcpy(next, m->state, sizeof next);
    assert_int_equal(pool_best_new(&b, p, &base_fee), OK);
    for (;;) {
        int best = -1;
        uint64_t best_tip = 0;
        for (unsigned s = 0; s < SENDERS; s++) {
            if (out[s] || next[s] >= NONCES || !m->tx[s][next[s]].here) continue;
            uint64_t fee = m->tx[s][next[s]].fee, tip = m->tx[s][next[s]].tip;
            if (fee < base) {
                out[s] = true;
                continue;
            }
            if (fee - base < tip) tip = fee - base;
            if (best >= 0 && (tip < best_tip || (tip == best_tip && m->tx[s][next[s]].arrival > m->tx[best][next[best]].arrival))) continue;
            best = (int)s;
            best_tip = tip;
        }
        bool has = pool_best_next(b, &tx);
        assert_int_equal(has, best >= 0);
        if (!has) break;
        assert_true(hash_eq(&tx.hash, &m->tx[best][next[best]].hash));
        next[best]++;
        if (best_tip % 7 == 3) { /* some are skipped */
            pool_best_skip(b);
            out[best] = true;
        }
    }
    pool_best_free(b);
}

static void step(struct model *m, struct pool *p, struct rng_seeded *r)
{
    unsigned s = (unsigned)rng_below(r, SENDERS);
    uint64_t n = rng_below(r, NONCES), op = rng_below(r, 20);
    uint8_t raw[16];
    if (op < 15) {
        if (rng_below(r, 2) == 0) n = m->state[s] + rng_below(r, 4); /* mostly near the front */
        if (n >= NONCES) n = NONCES - 1;
        uint64_t fee = rng_below(r, 30), tip = rng_below(r, fee + 1);
        struct tx tx = make_tx(raw, s, n, fee, tip, rng_below(r, 3));
        struct pool_account a = account(s, m->state[s]);
        enum pool_verdict want = model_add(m, s, &tx), got = pool_add(p, &tx, &a, pool_version(p), 0);
        if (got != want) fail_msg("%s, not %s", pool_verdict_text(got), pool_verdict_text(want));
    } else if (op < 17) {
        if (m->tx[s][n].here) {
            hash32 h = m->tx[s][n].hash;
            assert_true(pool_remove(p, &h));
            m->tx[s][n].here = false;
        }
    } else { /* the head moves: forward, or in a re-org back */
        uint64_t to = op == 17 ? rng_below(r, NONCES) : m->state[s] + rng_below(r, 3);
        if (to >= NONCES) to = 0;
        for (uint64_t k = 0; k < to; k++)
            m->tx[s][k].here = false;
        m->state[s] = to;
        on_head(p, s, to);
    }
}

static void the_pool_does_what_a_naive_model_does(void **state)
{
    (void)state;
    const char *text = getenv("POA_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : clock_wall_ms();
    print_message("# seed %llu (POA_TEST_SEED)\n", (unsigned long long)seed);
    struct rng_seeded r;
    rng_seed(&r, seed);
    for (int round = 0; round < 20; round++) {
        struct pool *p = new_pool(NULL);
        struct model *m = calloc(1, sizeof *m);
        assert_non_null(m);
        for (int i = 0; i < 1500; i++) {
            step(m, p, &r);
            if (i % 5 == 0) check_counts(m, p);
            if (i % 25 == 0) check_content(m, p);
            if (i % 25 == 0) check_best(m, p, rng_below(&r, 12));
        }
        free(m);
        pool_free(p);
    }
}

/* what must hold in a small pool that pushes out all the time */
static void a_crowded_pool_keeps_its_bounds_and_its_order(void **state)
{
    (void)state;
    struct rng_seeded r;
    rng_seed(&r, 99);
    struct pool_limits l = {.max_txs = 50, .max_queued = 10, .max_per_sender = 20, .max_queued_per_sender = 5};
    struct pool *p = new_pool(&l);
    struct arena a;
    arena_init(&a, 1 << 20);
    for (int i = 0; i < 20000; i++) {
        unsigned s = (unsigned)rng_below(&r, 15);
        uint64_t n = rng_below(&r, 25), fee = rng_below(&r, 1000);
        uint8_t raw[16];
        struct tx tx = make_tx(raw, s, n, fee, fee, 0);
        struct pool_account acc = account(s, 0);
        size_t pending, queued, before_p, before_q;
        pool_count(p, &before_p, &before_q);
        enum pool_verdict v = pool_add(p, &tx, &acc, pool_version(p), 0);
        pool_count(p, &pending, &queued);
        assert_true(pending + queued <= 50);
        if (v == POOL_QUEUED) assert_true(queued <= 10 || queued <= before_q + 1);
        if (v <= POOL_QUEUED) assert_true(pool_has(p, &tx.hash));
        if (i % 100 != 0) continue;
        struct pool_item *items;
        size_t count;
        assert_int_equal(pool_content(&items, &count, p, NULL, 1000, &a), OK);
        assert_int_equal(count, pending + queued);
        for (size_t k = 0; k < count; k++) { /* pending ones begin at the account's nonce and have no gap */
            bool is_first = k == 0 || !address_eq(&items[k].tx.sender, &items[k - 1].tx.sender);
            bool follows = is_first ? items[k].tx.nonce == 0 : !items[k - 1].is_queued && items[k].tx.nonce == items[k - 1].tx.nonce + 1;
            assert_int_equal(items[k].is_queued, !follows);
        }
        arena_reset(&a);
        if (i % 1000 == 0) on_head(p, s, 0);
    }
    arena_fini(&a);
    pool_free(p);
}

/* ----------------------------------------------------------- speed and threads */

static void a_hundred_thousand_are_added_and_walked(void **state)
{
    (void)state;
    enum { N = 100000 };
    static const unsigned n_senders[] = {1, 100, N};
    for (size_t i = 0; i < COUNT_OF(n_senders); i++) {
        struct pool_limits l = {.max_txs = N, .max_bytes = (size_t)1 << 30, .max_per_sender = N, .max_queued = N, .max_queued_per_sender = N};
        struct pool *p = new_pool(&l);
        struct pool_best *b;
        struct tx tx;
        uint64_t ns = 0;
        for (unsigned k = 0; k < N; k++) {
            /* one sender: in the worst order, backwards */
            uint64_t nonce = n_senders[i] == 1 ? N - 1 - k : k / n_senders[i];
            uint8_t raw[16];
            tx = make_tx(raw, k % n_senders[i], nonce, 1 + k % 7, 1, 0);
            struct pool_account a = account(k % n_senders[i], 0);
            uint64_t from = clock_mono_ns();
            assert_true(pool_add(p, &tx, &a, 0, 0) <= POOL_QUEUED);
            ns += clock_mono_ns() - from;
        }
        assert_count(p, N, 0);
        uint64_t from = clock_mono_ns();
        size_t n = 0;
        assert_int_equal(pool_best_new(&b, p, &U256_ZERO), OK);
        while (pool_best_next(b, &tx))
            n++;
        pool_best_free(b);
        assert_int_equal(n, N);
        uint64_t walk_ns = clock_mono_ns() - from;
        print_message("# %u senders: %u added in %llu ms, walked in %llu ms\n", n_senders[i], (unsigned)N, (unsigned long long)(ns / 1000000),
                      (unsigned long long)(walk_ns / 1000000));
        pool_free(p);
    }
}

static void *add_many(void *arg)
{
    struct pool *p = arg;
    unsigned me = (unsigned)(uintptr_t)pthread_self() % 1000 + 1000;
    for (uint64_t n = 0; n < 3000; n++) {
        enum pool_verdict v = POOL_STALE;
        while (v == POOL_STALE)
            v = add(p, me, 0, n, 1);
        if (v > POOL_QUEUED && v != POOL_KNOWN) return arg;
    }
    return NULL;
}

static void threads_add_while_another_builds(void **state)
{
    (void)state;
    struct pool *p = new_pool(NULL);
    pthread_t t[2];
    void *failed;
    for (size_t i = 0; i < COUNT_OF(t); i++)
        assert_int_equal(pthread_create(&t[i], NULL, add_many, p), 0);
    for (int i = 0; i < 50; i++) {
        struct pool_best *b;
        struct tx tx;
        uint64_t expect = 0;
        assert_int_equal(pool_best_new(&b, p, &U256_ZERO), OK);
        while (pool_best_next(b, &tx) && expect < 500)
            expect++;
        pool_best_free(b);
        pool_on_head(p, NULL, 0, 0);
    }
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        assert_int_equal(pthread_join(t[i], &failed), 0);
        assert_null(failed);
    }
    pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_in_the_nonces_queues_and_closing_it_makes_all_pending),
        cmocka_unit_test(each_refusal_has_the_words_of_other_clients),
        cmocka_unit_test(a_replacement_pays_a_tenth_more_in_both_prices),
        cmocka_unit_test(a_full_pool_makes_room_only_for_what_is_better),
        cmocka_unit_test(bytes_and_senders_are_bounded),
        cmocka_unit_test(queued_transactions_expire_and_pending_ones_do_not),
        cmocka_unit_test(a_block_takes_out_what_it_holds_and_a_reorg_brings_it_back),
        cmocka_unit_test(what_an_account_cannot_pay_any_more_goes),
        cmocka_unit_test(a_block_is_built_by_tip_then_age_and_by_nonce_within_a_sender),
        cmocka_unit_test(building_goes_on_while_the_pool_changes),
        cmocka_unit_test(copies_outlive_the_pool_and_views_stay_within_them),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(the_pool_does_what_a_naive_model_does),
        cmocka_unit_test(a_crowded_pool_keeps_its_bounds_and_its_order),
        cmocka_unit_test(a_hundred_thousand_are_added_and_walked),
        cmocka_unit_test(threads_add_while_another_builds),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
