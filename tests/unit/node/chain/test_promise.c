/* What a key has promised: on this disk, in the chain, beside its identity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/node/chain/chain_fixture.h"

#include <cmocka.h>

/* A node on an empty disk, or for a key whose seals are elsewhere: what that key promised stands in the chain of the others. */
static void a_key_that_nothing_is_known_of_waits_two_rounds_on_a_chain_that_goes_on(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    bytes block[12], mine = BYTES_EMPTY;
    for (size_t i = 0; i < COUNT_OF(block); i++) { /* all three seal on node 0 */
        block[i] = seal_next(w, 0);
    }
    for (size_t i = 0; i < COUNT_OF(block); i++)
        assert_int_equal(import(w, 1, block[i]), IMPORT_HEAD);
    const uint64_t began = w->step;
    for (size_t i = 0; i < 5; i++) {
        w->step++;
        assert_int_equal(propose_as(&mine, w, 1, key_in_turn(w, 1)), E_AGAIN);
    }
    w->step = began + 6;
    assert_int_equal(propose_as(&mine, w, 1, key_in_turn(w, 1)), OK);
    net_free(w);
}

static void a_step_in_which_a_block_of_the_key_was_seen_is_not_sealed_again(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 2);
    bytes mine = BYTES_EMPTY;
    (void)turn(w, 0);
    w->step += 2;
    const size_t key = key_in_turn(w, 0);
    const bytes other = seal(w, 0); /* on node 0's disk, which is lost; node 1 has another block before it and the same key now */
    w->step--;
    (void)seal(w, 1);
    w->step++;
    assert_int_equal(import(w, 1, other), IMPORT_SIDE);
    assert_int_equal(propose_as(&mine, w, 1, key), E_EXISTS);
    w->step += 2;
    assert_int_equal(propose_as(&mine, w, 1, key), OK);
    net_free(w);
}

static void recall(struct net *w, size_t node, size_t key, bool want)
{
    bool forgot = !want;
    assert_int_equal(chain_recall(&forgot, w->node[node].chain, &w->addr[key], &w->kept[key]), OK);
    assert_int_equal(forgot, want);
}

/* SPEC(lib/eth/promise.h) */
static void a_lone_key_on_an_empty_disk_waits_for_the_block_that_it_has_promised(void **state)
{
    (void)state;
    struct net *w = net_of_list(3, 1);
    bytes block[4], mine = BYTES_EMPTY;
    w->has_store = true;
    recall(w, 0, 0, false); /* as it was made: it has signed nothing */
    for (size_t i = 0; i < COUNT_OF(block); i++) {
        block[i] = seal_next(w, 0);
        assert_int_equal(w->kept[0].lock_number, i + 1);
    }
    assert_int_equal(head_of(w, 0).finalised, 4);
    assert_int_equal(import(w, 1, block[0]), IMPORT_HEAD);
    w->kept[0].until_ms = now_ms(w) + 2 * STEP_S * 1000; /* so far it may have signed without asking */
    recall(w, 1, 0, true);
    w->step += 2;
    assert_int_equal(propose_as(&mine, w, 1, 0), E_AGAIN);
    assert_non_null(strstr(err_text(&w->err), "on another disk"));
    w->step++;
    for (size_t i = 1; i < COUNT_OF(block); i++) {
        assert_int_equal(propose_as(&mine, w, 1, 0), E_AGAIN);
        assert_non_null(strstr(err_text(&w->err), "has promised block 4"));
        assert_int_equal(import(w, 1, block[i]), IMPORT_HEAD);
        node_restart(w, 1); /* nor does a restart free it */
        recall(w, 1, 0, true);
    }
    assert_int_equal(propose_as(&mine, w, 1, 0), OK);
    /* the disk of before comes back: it is the older one now */
    recall(w, 0, 0, true);
    w->step++;
    assert_int_equal(propose_as(&mine, w, 0, 0), E_AGAIN);
    /* while the one that goes on needs no word of the store's for its own restart, nor after a seal that came to nothing */
    node_restart(w, 1);
    recall(w, 1, 0, false);
    w->sign_status = E_IO;
    assert_int_equal(propose_as(&mine, w, 1, 0), E_IO);
    w->sign_status = OK;
    node_restart(w, 1);
    recall(w, 1, 0, false);
    w->step++;
    assert_int_equal(propose_as(&mine, w, 1, 0), OK);
    net_free(w);
}

static void a_key_that_is_known_to_be_new_need_not_watch_before_its_first_seal(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    bytes mine = BYTES_EMPTY;
    for (size_t i = 0; i < 11; i++) {
        const bytes block = seal_next(w, 0);
        assert_int_equal(import(w, 1, block), IMPORT_HEAD);
    }
    w->has_store = true;
    w->step++;
    recall(w, 1, key_in_turn(w, 1), false);
    assert_int_equal(propose_as(&mine, w, 1, key_in_turn(w, 1)), OK);
    net_free(w);
}

static void a_seal_that_cannot_be_kept_is_no_vote_or_is_none(void **state)
{
    (void)state;
    struct net *w = net_of_list(1, 1);
    bytes mine = BYTES_EMPTY;
    w->has_store = true;
    w->step++;
    assert_int_equal(propose_as(&mine, w, 0, 0), E_NOT_FOUND); /* nothing was recalled */
    recall(w, 0, 0, false);
    assert_int_equal(propose_as(&mine, w, 0, 0), OK);
    assert_int_equal(head_of(w, 0).finalised, 1);
    w->keep_status = E_AGAIN;
    for (int i = 0; i < 3; i++) {
        w->step++;
        assert_int_equal(propose_as(&mine, w, 0, 0), OK);
    }
    assert_int_equal(head_of(w, 0).number, 4);
    assert_int_equal(head_of(w, 0).finalised, 1);
    w->keep_status = E_DENIED;
    w->step++;
    assert_int_equal(propose_as(&mine, w, 0, 0), E_DENIED);
    w->keep_status = OK;
    w->step++;
    assert_int_equal(propose_as(&mine, w, 0, 0), OK);
    assert_int_equal(head_of(w, 0).finalised, 5); /* and all before it */
    net_free(w);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_nothing_is_known_of_waits_two_rounds_on_a_chain_that_goes_on),
        cmocka_unit_test(a_step_in_which_a_block_of_the_key_was_seen_is_not_sealed_again),
        cmocka_unit_test(a_lone_key_on_an_empty_disk_waits_for_the_block_that_it_has_promised),
        cmocka_unit_test(a_key_that_is_known_to_be_new_need_not_watch_before_its_first_seal),
        cmocka_unit_test(a_seal_that_cannot_be_kept_is_no_vote_or_is_none),
    };
    return cmocka_run_group_tests_name("chain: promises", tests, NULL, NULL);
}
