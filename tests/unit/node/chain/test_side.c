/* Branches: which is followed, how the chain changes over, and what becomes of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/node/chain/chain_fixture.h"

#include <cmocka.h>

static const address SOMEONE = {{0xaa, 0xbb}};

/* ------------------------------------------------------------------ forks */

static bool has_tx(struct net *w, size_t node, const hash32 *hash, struct tx_location *loc)
{
    struct kv_txn *txn;
    assert_int_equal(kv_begin(&txn, w->node[node].kv, false), OK);
    enum status s = blocks_get_tx_location(loc, txn, hash);
    kv_abort(txn);
    assert_true(s == OK || s == E_NOT_FOUND);
    return s == OK;
}

static void a_heavier_branch_replaces_the_chain_and_rolls_the_state_back(void **state)
{
    (void)state;
    struct net *w = net_of_list(3, 5); /* five validators: three must have signed before anything is final */
    struct tx_location loc;
    (void)turn(w, 0);
    bytes common = turn(w, 0);
    /* node 1 goes on alone with one block, node 0 with two; node 2 watches both */
    w->step++;
    queue_tx(w, 4, 0, &SOMEONE, u256_from_u64(100), BYTES_EMPTY, 21000);
    queue_tx(w, 4, 1, NULL, U256_ZERO, BYTES_LIT("\x60\x07\x60\x00\x55\x60\x01\x60\x00\xf3"), 100000); /* stores, deploys one byte */
    hash32 moved = w->queue[0].hash, lost = w->queue[1].hash;
    bytes light = seal(w, 1);
    assert_int_equal(import(w, 2, light), IMPORT_HEAD);
    bytes heavy1 = seal_next(w, 0); /* same length, a later step: lighter */
    assert_int_equal(import(w, 2, heavy1), IMPORT_SIDE);
    assert_head(w, 2, light);
    assert_true(has_tx(w, 2, &lost, &loc));
    w->step++;
    queue_tx(w, 4, 0, &SOMEONE, u256_from_u64(100), BYTES_EMPTY, 21000);
    hash32 same = w->queue[0].hash;
    assert_hash_equal(same, moved);
    bytes heavy2 = seal(w, 0);
    assert_int_equal(import(w, 2, heavy2), IMPORT_HEAD);

    const struct node *n = &w->node[2];
    hash32 h1 = hash_of(heavy1), h2 = hash_of(heavy2), l = hash_of(light);
    assert_int_equal(n->n_added, 2);
    assert_hash_equal(n->added[0], h1);
    assert_hash_equal(n->added[1], h2);
    assert_int_equal(n->n_removed, 1);
    assert_hash_equal(n->removed[0], l);
    assert_int_equal(n->n_receipts, 1);
    assert_head(w, 2, heavy2);
    assert_state_is_heads(w, 2);
    /* the database is that of the node that never saw the other branch */
    hash32 a = digest_of(w, 0, false), b = digest_of(w, 2, false);
    assert_hash_equal(a, b);
    assert_false(has_tx(w, 2, &lost, &loc));
    assert_true(has_tx(w, 2, &moved, &loc));
    assert_int_equal(loc.number, 4);
    assert_hash_equal(loc.block_hash, h2);
    (void)common;
    /* and back again when the other branch grows by two */
    for (size_t i = 0; i < 2; i++) {
        light = seal_next(w, 1);
        enum import_result r = import(w, 2, light);
        assert_int_equal(r, i == 0 ? IMPORT_SIDE : IMPORT_HEAD);
    }
    a = digest_of(w, 1, false);
    b = digest_of(w, 2, false);
    assert_hash_equal(a, b);
    assert_true(has_tx(w, 2, &lost, &loc));
    assert_int_equal(loc.number, 3);
    assert_int_equal(loc.index, 1);
    net_free(w);
}

static void a_branch_of_equal_weight_does_not_replace(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    bytes common = turn(w, 0);
    bytes one = seal_next(w, 0);
    struct block b = decode(w, one);
    b.header.timestamp++; /* another block of the same step */
    bytes two = reseal(w, &b, key_of(w, &b.header.author));
    assert_int_equal(import(w, 1, one), IMPORT_HEAD);
    assert_int_equal(import(w, 1, two), IMPORT_SIDE);
    assert_head(w, 1, one);
    assert_int_equal(w->node[1].n_reports, 1); /* two blocks in one step */
    assert_true(w->node[1].reports[0].malicious);
    assert_memory_equal(&w->node[1].reports[0].validator, &b.header.author, 20);
    (void)common;
    net_free(w);
}

static void a_long_split_without_finality_heals(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 4); /* two and two: neither half makes anything final */
    enum { STEPS = 400, BLOCKS = STEPS / 2 };
    bytes *side = arena_zalloc(&w->arena, BLOCKS, sizeof *side);
    assert_non_null(side);
    size_t n[2] = {0, 0};
    bytes last = BYTES_EMPTY;
    for (size_t i = 0; i < STEPS; i++) {
        w->step++;
        size_t half = w->step % 2;
        bytes block = seal(w, half);
        if (half == 0) last = block;
        else side[n[1]] = block;
        n[half]++;
    }
    assert_int_equal(n[0], n[1]);
    assert_int_equal(head_of(w, 0).finalised, 0);
    /* the half of the odd steps seals one more and gives all its blocks to the other */
    w->step++;
    if (w->step % 2 == 0) w->step++;
    bytes tip = seal(w, 1);
    for (size_t i = 0; i < n[1]; i++) {
        enum import_result r = import(w, 0, side[i]);
        assert_true(r == IMPORT_SIDE || r == IMPORT_HEAD);
    }
    enum import_result r = import(w, 0, tip);
    assert_int_equal(r, IMPORT_HEAD);
    assert_head(w, 0, tip);
    assert_state_is_heads(w, 0);
    (void)last;
    /* whole again, all four seal and things become final */
    for (size_t i = 0; i < 4; i++)
        (void)turn(w, i % 2);
    assert_true(head_of(w, 0).finalised >= BLOCKS);
    assert_int_equal(head_of(w, 0).finalised, head_of(w, 1).finalised);
    net_free(w);
}

static void no_reorganisation_goes_past_a_finalised_block(void **state)
{
    (void)state;
    struct net *w = net_of_list(3, 3);
    (void)turn(w, 0);
    /* nodes 0 and 1 go on and finalise; node 2 seals a branch of its own that gets heavier */
    bytes main_chain = BYTES_EMPTY;
    for (size_t i = 0; i < 3; i++) {
        main_chain = seal_next(w, 0);
        assert_int_equal(import(w, 1, main_chain), IMPORT_HEAD);
    }
    assert_true(head_of(w, 1).finalised >= 2);
    bytes other[6];
    for (size_t i = 0; i < COUNT_OF(other); i++)
        other[i] = seal_next(w, 2);
    assert_refused(w, 1, other[0], BLOCK_PAST_FINALITY);
    for (size_t i = 1; i < COUNT_OF(other); i++)
        assert_int_equal(import(w, 1, other[i]), IMPORT_ORPHAN);
    assert_head(w, 1, main_chain);
    net_free(w);
}

static void side_blocks_are_dropped_when_finality_passes_them(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    (void)turn(w, 0);
    bytes one = seal_next(w, 0);
    struct block b = decode(w, one);
    b.header.timestamp++;
    bytes two = reseal(w, &b, key_of(w, &b.header.author));
    hash32 hash = hash_of(two);
    assert_int_equal(import(w, 1, one), IMPORT_HEAD);
    assert_int_equal(import(w, 1, two), IMPORT_SIDE);
    struct kv_txn *txn;
    struct block_meta meta;
    size_t sides = 0;
    assert_int_equal(kv_begin(&txn, w->node[1].kv, false), OK);
    assert_int_equal(blocks_get_meta(&meta, txn, &hash), OK);
    assert_false(meta.executed);
    assert_int_equal(blocks_count_sides(&sides, txn), OK);
    assert_int_equal(sides, 1);
    kv_abort(txn);
    for (size_t i = 0; i < 3; i++)
        (void)turn(w, 0);
    assert_true(head_of(w, 1).finalised >= 2);
    assert_int_equal(kv_begin(&txn, w->node[1].kv, false), OK);
    assert_int_equal(blocks_get_meta(&meta, txn, &hash), E_NOT_FOUND);
    assert_int_equal(blocks_count_sides(&sides, txn), OK);
    assert_int_equal(sides, 0);
    kv_abort(txn);
    assert_refused(w, 1, two, BLOCK_PAST_FINALITY);
    net_free(w);
}

static void what_stands_on_a_dropped_side_block_is_past_finality(void **state)
{
    (void)state;
    struct net *w = net_of_list(3, 5);
    (void)turn(w, 0);
    const struct {
        size_t node;
        enum import_result want;
    } plan[] = {{0, IMPORT_HEAD}, {0, IMPORT_HEAD}, {1, IMPORT_SIDE}, {1, IMPORT_SIDE}, {0, IMPORT_HEAD}};
    for (size_t i = 0; i < COUNT_OF(plan); i++) {
        w->step++;
        assert_int_equal(import(w, 2, seal(w, plan[i].node)), plan[i].want);
    }
    while (head_of(w, 2).finalised < 2)
        assert_int_equal(import(w, 2, seal_next(w, 0)), IMPORT_HEAD);
    assert_int_equal(head_of(w, 2).finalised, 2); /* the first side block is gone, its child is not */
    bytes block = seal_next(w, 1);
    node_restart(w, 2);
    assert_refused(w, 2, block, BLOCK_PAST_FINALITY);
    net_free(w);
}

static void an_invalid_block_in_a_heavier_branch_leaves_the_head_and_is_remembered(void **state)
{
    (void)state;
    struct net *w = net_of_list(3, 5);
    (void)turn(w, 0);
    bytes light = seal_next(w, 1);
    assert_int_equal(import(w, 2, light), IMPORT_HEAD);
    /* the branch: good, bad (its state root is seen by execution only), then two on top of it */
    bytes good = seal_next(w, 0);
    assert_int_equal(import(w, 2, good), IMPORT_SIDE);
    hash32 parent = hash_of(good);
    bytes branch[3];
    for (size_t i = 0; i < 3; i++) {
        struct block b = decode(w, seal_next(w, 0));
        b.header.parent_hash = parent;
        if (i == 0) b.header.state_root.b[0] ^= 1;
        branch[i] = reseal(w, &b, key_of(w, &b.header.author));
        parent = hash_of(branch[i]);
    }
    hash32 before = digest_of(w, 2, false);
    size_t events = w->node[2].n_events;
    assert_refused(w, 2, branch[0], BLOCK_STATE_ROOT); /* it makes the branch the heavier one and so is executed */
    hash32 after = digest_of(w, 2, false);
    assert_hash_equal(before, after);
    assert_head(w, 2, light);
    assert_int_equal(w->node[2].n_events, events);
    assert_refused(w, 2, branch[0], BLOCK_STATE_ROOT);
    assert_refused(w, 2, branch[1], BLOCK_BAD_PARENT);
    node_restart(w, 2); /* judged anew, with the same result */
    assert_int_equal(import(w, 2, branch[1]), IMPORT_ORPHAN);
    assert_refused(w, 2, branch[0], BLOCK_STATE_ROOT);
    assert_refused(w, 2, branch[1], BLOCK_BAD_PARENT);
    assert_head(w, 2, light);
    net_free(w);
}

static void a_bad_block_deep_in_a_branch_condemns_all_that_stands_on_it(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 5);
    (void)turn(w, 0);
    /* node 1's own chain of two blocks; the branch begins later, so it needs three, and the first is bad */
    bytes own = BYTES_EMPTY;
    for (size_t i = 0; i < 2; i++)
        own = seal_next(w, 1);
    bytes branch[4];
    hash32 parent = {{0}};
    for (size_t i = 0; i < 4; i++) {
        struct block b = decode(w, seal_next(w, 0));
        if (i == 0) b.header.state_root.b[0] ^= 1;
        else b.header.parent_hash = parent;
        branch[i] = reseal(w, &b, key_of(w, &b.header.author));
        parent = hash_of(branch[i]);
    }
    assert_int_equal(import(w, 1, branch[0]), IMPORT_SIDE);
    assert_int_equal(import(w, 1, branch[1]), IMPORT_SIDE);
    assert_refused(w, 1, branch[2], BLOCK_BAD_PARENT);
    assert_head(w, 1, own);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(import(w, 1, branch[i]), IMPORT_BAD);
    net_free(w);
}

static void a_branch_refused_by_a_wrong_spec_is_taken_once_the_spec_is_right(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 5);
    (void)turn(w, 0);
    /* node 1 was started with a spec that lacks a transition, and so refuses what the others build */
    chain_close(w->node[1].chain);
    struct chain_spec old = w->spec;
    struct chain_config cfg = {0};
    old.eip1344 = TRANSITION_NEVER; /* CHAINID */
    assert_int_equal(chain_open(&w->node[1].chain, w->node[1].kv, &old, &cfg, &w->err), OK);
    bytes own = (w->step++, seal(w, 1)), branch[3];
    for (size_t i = 0; i < COUNT_OF(branch); i++) {
        w->step++;
        if (i == 0) queue_tx(w, 4, 0, NULL, U256_ZERO, BYTES_LIT("\x46\x60\x00\x55\x00"), 100000); /* stores the chain's id */
        branch[i] = seal(w, 0);
    }
    assert_int_equal(import(w, 1, branch[0]), IMPORT_SIDE);
    assert_int_equal(import(w, 1, branch[1]), IMPORT_BAD);
    assert_int_equal(import(w, 1, branch[2]), IMPORT_BAD);
    assert_head(w, 1, own);
    node_restart(w, 1);
    for (size_t i = 0; i < COUNT_OF(branch); i++)
        assert_int_equal(import(w, 1, branch[i]), i == 0 ? IMPORT_SIDE : IMPORT_HEAD);
    assert_head(w, 1, branch[2]);
    net_free(w);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heavier_branch_replaces_the_chain_and_rolls_the_state_back),
        cmocka_unit_test(a_branch_of_equal_weight_does_not_replace),
        cmocka_unit_test(a_long_split_without_finality_heals),
        cmocka_unit_test(no_reorganisation_goes_past_a_finalised_block),
        cmocka_unit_test(side_blocks_are_dropped_when_finality_passes_them),
        cmocka_unit_test(what_stands_on_a_dropped_side_block_is_past_finality),
        cmocka_unit_test(an_invalid_block_in_a_heavier_branch_leaves_the_head_and_is_remembered),
        cmocka_unit_test(a_bad_block_deep_in_a_branch_condemns_all_that_stands_on_it),
        cmocka_unit_test(a_branch_refused_by_a_wrong_spec_is_taken_once_the_spec_is_right),
    };
    return cmocka_run_group_tests_name("chain: branches", tests, NULL, NULL);
}
