/* chain_state_at: what a node without an archive says of older blocks is what an archive says, over re-orgs, restarts, and once its sieve has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/rng.h"
#include "tests/unit/node/chain/chain_fixture.h"

#include <cmocka.h>

enum { SEALERS = 2, ARCHIVE = 2, PRUNED = 3, FIRST_RICH = 5, RICH = 3, TARGETS = 6, WINDOW = 128, BRANCH_MAX = 12 };

static address target(size_t i)
{
    return (address){{0xcc, (uint8_t)i, [19] = (uint8_t)(0x40 + i)}};
}

static uint64_t nonce_of(struct net *w, size_t node, const address *a)
{
    struct kv_txn *txn;
    struct state *s;
    uint64_t nonce;
    assert_int_equal(kv_begin(&txn, w->node[node].kv, false), OK);
    assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
    assert_int_equal(state_get_nonce(s, a, &nonce), OK);
    state_free(s);
    kv_abort(txn);
    return nonce;
}

/* seal_some: a branch of up to n blocks on one node, alone */
static void seal_some(struct net *w, size_t node, uint64_t n, struct rng_seeded *r, bytes *branch, size_t *len)
{
    for (*len = 0; n > 0; n--) {
        w->step++;
        w->n_queue = 0;
        for (size_t k = 0; k < RICH; k++) {
            const address to = target((size_t)rng_below(r, TARGETS));
            if (rng_below(r, 3) == 0) queue_tx(w, FIRST_RICH + k, nonce_of(w, node, &w->addr[FIRST_RICH + k]), &to, u256_from_u64(1 + rng_below(r, 1000)), BYTES_EMPTY, 21000);
        }
        /* a validator that has promised another branch lets its step go by */
        if (propose_as(&branch[*len], w, node, key_in_turn(w, node)) == OK) ++*len;
    }
}

/* ret: re-orgs on the way */
static size_t import_some(struct net *w, size_t node, const bytes *branch, size_t n)
{
    size_t n_reorgs = 0;
    for (size_t i = 0; i < n; i++) { /* behind a block that is past finality there are orphans */
        if (import(w, node, branch[i]) == IMPORT_HEAD) n_reorgs += w->node[node].n_removed > 0;
    }
    return n_reorgs;
}

static void expect_the_same(struct net *w, uint64_t number)
{
    struct kv_txn *txn[2];
    struct state *s[2];
    static const size_t NODE_OF[2] = {ARCHIVE, PRUNED};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(kv_begin(&txn[i], w->node[NODE_OF[i]].kv, false), OK);
        assert_int_equal(chain_state_at(&s[i], txn[i], w->node[NODE_OF[i]].chain, number), OK);
    }
    for (size_t i = 0; i < KEYS + TARGETS; i++) {
        const address a = i < KEYS ? w->addr[i] : target(i - KEYS);
        struct state_account got[2];
        bool exists[2];
        for (size_t k = 0; k < 2; k++) assert_int_equal(state_get_account(s[k], &a, &got[k], &exists[k]), OK);
        assert_int_equal(exists[0], exists[1]);
        assert_int_equal(got[0].nonce, got[1].nonce);
        assert_true(u256_eq(&got[0].balance, &got[1].balance));
        assert_hash_equal(got[0].storage_root, got[1].storage_root);
    }
    for (size_t i = 0; i < 2; i++) {
        state_free(s[i]);
        kv_abort(txn[i]);
    }
}

static void a_node_says_of_recent_blocks_what_an_archive_says(void **state)
{
    (void)state;
    const char *env = getenv("SEED");
    const uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : 7;
    print_message("# seed %llu\n", (unsigned long long)seed);
    struct rng_seeded r;
    rng_seed(&r, seed);
    struct net *w = net_new();
    use_lmdb(w, PRUNED);
    net_open(w, 4, validators_list(w, 5), LONDON, "");
    w->cfg.archive = true;
    node_restart(w, ARCHIVE);
    w->cfg.archive = false;
    uint64_t highest = 0;
    size_t n_reorgs = 0;
    for (unsigned round = 0; head_of(w, PRUNED).number < 200; round++) {
        bytes branch[SEALERS][BRANCH_MAX];
        size_t len[SEALERS];
        if (round > 400) fail_msg("the chain stands at %llu", (unsigned long long)head_of(w, PRUNED).number);
        /* one seals for all, or both seal apart, one after the other in time, and are heard in any order */
        const bool is_apart = rng_below(&r, 2) == 0;
        const size_t first = (size_t)rng_below(&r, SEALERS), order = (size_t)rng_below(&r, SEALERS);
        for (size_t i = 0; i < SEALERS; i++) {
            const size_t node = first ^ i;
            /* apart: too few for a majority, or nothing would bring them together again */
            const uint64_t n = is_apart ? 1 + rng_below(&r, 2) : i == 0 ? 1 + rng_below(&r, BRANCH_MAX) : 0;
            seal_some(w, node, n, &r, branch[node], &len[node]);
        }
        for (size_t i = 0; i < SEALERS; i++) {
            const size_t from = order ^ i;
            (void)import_some(w, from ^ 1, branch[from], len[from]);
            (void)import_some(w, ARCHIVE, branch[from], len[from]);
            if (rng_below(&r, 8) == 0) node_restart(w, PRUNED); /* its sieve is gone */
            n_reorgs += import_some(w, PRUNED, branch[from], len[from]);
            const uint64_t head = head_of(w, PRUNED).number;
            if (head > highest) highest = head; /* a heavier branch may be a shorter one */
            const hash32 a = head_of(w, ARCHIVE).hash, b = head_of(w, PRUNED).hash;
            assert_hash_equal(a, b);
            for (uint64_t n = highest > WINDOW ? highest - WINDOW : 0; n <= head; n += 1 + rng_below(&r, 3)) expect_the_same(w, n);
        }
    }
    print_message("# %zu re-orgs\n", n_reorgs);
    assert_true(n_reorgs > 3);
    net_free(w);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_says_of_recent_blocks_what_an_archive_says),
    };
    return cmocka_run_group_tests_name("chain: state at", tests, NULL, NULL);
}
