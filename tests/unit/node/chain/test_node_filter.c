/* The node permission contract: asked at the latest block, with both ids in halves, and what fails permits nothing (aura.md B9). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "node/chain/node_filter.h"
#include "tests/unit/node/chain/chain_fixture.h"

#include <cmocka.h>

#define AT "0x0000000000000000000000000000000000001007"
/* with 64 bytes of input: storage[first word] = second word. Else by selector 0x994d790a, or it reverts: storage[third argument], if the
 * second argument is 0x22 in all bytes, which is our own id's second half; else 0. */
static const char code_hex[] = "36604014604d5760003560e01c63994d790a14601a57600080fd5b7f22222222222222222222222222222222222222222222"
                               "2222222222222222222260243514604435540260005260206000f35b6020356000355500";

static struct net *net_with_contract(const char *code)
{
    struct net *w = net_new();
    net_open(w, 1, validators_list(w, 1), LONDON ",\"nodePermissionContract\":\"" AT "\"",
             code == NULL ? "" : arena_printf(&w->arena, "\"" AT "\":{\"balance\":\"0\",\"code\":\"0x%s\"},", code));
    return w;
}

static const uint8_t own_halves[2] = {0x11, 0x22}, other_halves[2] = {0x33, 0x44};

static void make_id(uint8_t id[static 64], const uint8_t halves[static 2])
{
    memset(id, halves[0], 32);
    memset(id + 32, halves[1], 32);
}

static void set_storage(struct net *w, uint64_t nonce, uint8_t key, uint8_t value)
{
    uint8_t *in = arena_zalloc(&w->arena, 64, 1);
    address to;
    memset(in, key, 32);
    in[63] = value;
    assert_int_equal(address_get(&to, BYTES_LIT(AT)), OK);
    queue_tx(w, 0, nonce, &to, U256_ZERO, bytes_make(in, 64), 200000);
    (void)turn(w, 0);
}

static bool asked(struct net *w, struct node_filter *f, const uint8_t own_is[static 2], const uint8_t peer_is[static 2])
{
    uint8_t own[64], peer[64];
    bool yes = true;
    make_id(own, own_is);
    make_id(peer, peer_is);
    assert_int_equal(node_filter_check(&yes, f, w->node[0].chain, own, peer), OK);
    return yes;
}

static void a_connection_is_permitted_by_what_the_latest_block_says(void **state)
{
    (void)state;
    struct node_filter *f;
    struct net *w = net_with_contract(code_hex);
    assert_int_equal(node_filter_new(&f), OK);
    assert_false(asked(w, f, own_halves, other_halves));
    set_storage(w, 0, 0x33, 1);
    assert_true(asked(w, f, own_halves, other_halves));
    assert_true(asked(w, f, own_halves, other_halves)); /* now from the cache */
    assert_false(asked(w, f, own_halves, own_halves));
    set_storage(w, 1, 0x33, 0);
    assert_false(asked(w, f, own_halves, other_halves));
    node_filter_free(f);
    net_free(w);
}

static void the_halves_of_both_ids_come_in_their_order(void **state)
{
    (void)state;
    struct node_filter *f;
    struct net *w = net_with_contract(code_hex);
    assert_int_equal(node_filter_new(&f), OK);
    set_storage(w, 0, 0x33, 1);
    const uint8_t turned[2] = {0x22, 0x11};
    assert_false(asked(w, f, turned, other_halves));
    node_filter_free(f);
    assert_int_equal(node_filter_new(&f), OK);
    assert_true(asked(w, f, own_halves, other_halves));
    node_filter_free(f);
    net_free(w);
}

static void an_answer_that_is_no_bool_or_fails_or_is_missing_permits_nothing(void **state)
{
    (void)state;
    static const char *const codes[] = {NULL, "00" /* stops: no output */, "60006000fd" /* reverts */, "fe",
                                        "600260005260206000f3" /* 2 */, "600160005260106000f3" /* half a word */};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        struct node_filter *f;
        struct net *w = net_with_contract(codes[i]);
        assert_int_equal(node_filter_new(&f), OK);
        assert_false(asked(w, f, own_halves, other_halves));
        node_filter_free(f);
        net_free(w);
    }
}

static void a_chain_without_the_contract_permits_all(void **state)
{
    (void)state;
    struct node_filter *f;
    struct net *w = net_of_list(1, 1);
    assert_int_equal(node_filter_new(&f), OK);
    assert_true(asked(w, f, own_halves, other_halves));
    node_filter_free(f);
    net_free(w);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_permitted_by_what_the_latest_block_says),
        cmocka_unit_test(the_halves_of_both_ids_come_in_their_order),
        cmocka_unit_test(an_answer_that_is_no_bool_or_fails_or_is_missing_permits_nothing),
        cmocka_unit_test(a_chain_without_the_contract_permits_all),
    };
    return cmocka_run_group_tests_name("node filter", tests, NULL, NULL);
}
