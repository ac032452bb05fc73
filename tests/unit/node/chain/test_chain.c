/* Opening a chain, sealing, finality (aura.md B1-B3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/node/chain/chain_fixture.h"

#include <cmocka.h>

static const address SOMEONE = {{0xaa, 0xbb}};

/* ---------------------------------------------------------------- opening */

static void the_public_chains_open_with_their_published_genesis_hashes(void **state)
{
    (void)state;
    static const struct {
        const char *file, *hash;
    } chains[] = {
        {"chainspec/poacore.json", "0x39f02c003dde5b073b3f6e1700fc0b84b4877f6839bb23edadd3d2d82a488634"},
        {"chainspec/poasokol.json", "0x5b28c1bfd3a15230c9a46b399cd0f9a6920d432e85381cc6a140b06e8410112f"},
        {"chainspec/xdai.json", "0x4f1dd23188aab3a76b463e4af801b52b1248ef073c648cbdc4c9333d3da79756"},
    };
    for (size_t i = 0; i < COUNT_OF(chains); i++) {
        char path[1024], text[67];
        if (!vectors_find(path, sizeof path, chains[i].file)) skip();
        struct net *w = net_new();
        assert_true(vectors_read(&w->json, path));
        net_open_spec(w, buf_cstr(&w->json), 1);
        hash32 h = chain_genesis_hash(w->node[0].chain);
        hash_put(text, &h);
        assert_string_equal(text, chains[i].hash);
        node_restart(w, 0);
        struct chain_head head = head_of(w, 0);
        assert_hash_equal(head.hash, h);
        net_free(w);
    }
}

static void a_database_of_another_genesis_is_refused(void **state)
{
    (void)state;
    struct net *w = net_of_list(1, 1), *other = net_of_list(1, 2);
    struct chain_config cfg = {0};
    struct chain *c;
    other->spec.genesis.gas_limit++;
    other->spec.digest.b[0]++;
    assert_int_equal(chain_open(&c, w->node[0].kv, &other->spec, &cfg, &w->err), E_CONFLICT);
    assert_non_null(strstr(err_text(&w->err), "genesis"));
    other->spec.genesis.gas_limit--;
    net_free(other);
    net_free(w);
}

static void a_database_of_a_later_form_is_refused_by_name(void **state)
{
    (void)state;
    struct net *w = net_of_list(1, 1);
    struct chain_config cfg = {0};
    struct chain *c;
    for (uint8_t form = 0; form < 4; form++) { /* 0: a database from before there was a number */
        struct kv_txn *txn;
        bytes v;
        assert_int_equal(kv_begin(&txn, w->node[0].kv, true), OK);
        if (form == 0) assert_int_equal(kv_delete(txn, TABLE_META, BYTES_LIT("schema")), OK);
        else assert_int_equal(kv_put(txn, TABLE_META, BYTES_LIT("schema"), bytes_make(&form, 1)), OK);
        assert_int_equal(kv_commit(txn), OK);
        const enum status s = chain_open(&c, w->node[0].kv, &w->spec, &cfg, &w->err);
        assert_int_equal(s, form <= 2 ? OK : E_UNSUPPORTED);
        if (s == OK) chain_close(c);
        else assert_non_null(strstr(err_text(&w->err), "form 3"));
        assert_int_equal(kv_begin(&txn, w->node[0].kv, false), OK);
        assert_int_equal(kv_get(&v, txn, TABLE_META, BYTES_LIT("schema")), OK);
        assert_int_equal(v.ptr[0], form <= 2 ? 2 : 3);
        kv_abort(txn);
    }
    net_free(w);
}

/* open node 0's database with another text of a spec */
static enum status open_with(struct net *w, const char *text)
{
    struct chain_config cfg = {0};
    struct chain_spec spec;
    struct chain *c;
    assert_int_equal(chain_spec_parse(&spec, bytes_str(text), &w->err), OK);
    enum status s = chain_open(&c, w->node[0].kv, &spec, &cfg, &w->err);
    if (s == OK) chain_close(c);
    chain_spec_fini(&spec);
    return s;
}

static void a_changed_spec_is_executed_anew_and_an_unchanged_one_is_not(void **state)
{
    (void)state;
    struct net *w = net_of_list(1, 1);
    struct chain_config cfg = {0};
    struct chain *c;
    /* the text decides: accounts that were changed behind its back are not looked at */
    w->spec.accounts[0].nonce = U256_ONE;
    w->spec.accounts[0].has_nonce = true;
    assert_int_equal(chain_open(&c, w->node[0].kv, &w->spec, &cfg, &w->err), OK);
    chain_close(c);
    w->spec.digest.b[0] ^= 1;
    assert_int_equal(chain_open(&c, w->node[0].kv, &w->spec, &cfg, &w->err), E_CONFLICT);
    /* another text with the same genesis will do, and is remembered */
    buf_put_str(&w->json, "\n");
    const char *same = buf_cstr(&w->json);
    assert_int_equal(open_with(w, same), OK);
    assert_int_equal(open_with(w, same), OK);
    char *other = arena_strdup(&w->arena, same), *balance = strstr(other, "\"balance\":\"1\"");
    assert_non_null(balance);
    balance[strlen("\"balance\":\"")] = '2';
    assert_int_equal(open_with(w, other), E_CONFLICT);
    assert_non_null(strstr(err_text(&w->err), "genesis"));
    net_free(w);
}

/* ---------------------------------------------------------------- sealing */

static void one_validator_seals_blocks_with_transactions(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 1);
    queue_tx(w, 1, 0, &SOMEONE, u256_from_u64(5), BYTES_EMPTY, 21000);
    queue_tx(w, 1, 1, NULL, U256_ZERO, BYTES_LIT("\x60\x01\x60\x00\xa0\x00"), 100000); /* LOG0 of one byte */
    queue_tx(w, 2, 7, &SOMEONE, u256_from_u64(1), BYTES_EMPTY, 21000);                  /* nonce too high: left out */
    hash32 first_tx = w->queue[0].hash;
    bytes block = turn(w, 0);
    assert_int_equal(w->result[0], TX_VALID);
    assert_int_equal(w->result[1], TX_VALID);
    assert_int_equal(w->result[2], TX_NONCE_TOO_HIGH);
    for (size_t i = 0; i < 2; i++) {
        struct node *n = &w->node[i];
        struct chain_head h = head_of(w, i);
        assert_int_equal(h.number, 1);
        assert_int_equal(h.finalised, 1); /* a lone validator's block is final at once */
        assert_int_equal(h.step, w->step);
        assert_int_equal(n->n_events, 1);
        assert_int_equal(n->n_receipts, 2);
        assert_int_equal(n->is_own, i == 0);
        assert_true(n->finality_advanced);
        assert_state_is_heads(w, i);
        u256 got = balance_of(w, i, &SOMEONE), want = u256_from_u64(5);
        assert_true(u256_eq(&got, &want));

        struct kv_txn *txn;
        struct arena a;
        struct tx_location loc;
        struct receipt *r;
        size_t n_receipts;
        arena_init(&a, 1 << 20);
        assert_int_equal(kv_begin(&txn, n->kv, false), OK);
        assert_int_equal(blocks_get_tx_location(&loc, txn, &first_tx), OK);
        assert_int_equal(loc.number, 1);
        assert_int_equal(loc.index, 0);
        assert_hash_equal(loc.block_hash, h.hash);
        assert_int_equal(blocks_get_receipts(&r, &n_receipts, txn, &h.hash, &a), OK);
        assert_int_equal(n_receipts, 2);
        assert_int_equal(r[0].gas_used, 21000);
        assert_true(r[1].has_contract);
        kv_abort(txn);
        arena_fini(&a);
    }
    struct block b = decode(w, block);
    assert_int_equal(b.n_txs, 2);
    assert_int_equal(b.header.timestamp, w->step * STEP_S);
    hash32 one = digest_of(w, 0, false), two = digest_of(w, 1, false);
    assert_hash_equal(one, two);
    net_free(w);
}

static void three_validators_take_turns_by_list(void **state)
{
    (void)state;
    struct net *w = net_of_list(3, 3);
    for (size_t i = 0; i < 12; i++) {
        queue_tx(w, 4, i, &SOMEONE, u256_from_u64(1), BYTES_EMPTY, 21000);
        bytes block = turn(w, i % 3);
        struct block b = decode(w, block);
        assert_memory_equal(&b.header.author, &w->addr[w->step % 3], 20);
        u256 want = aura_difficulty(i == 0 ? 0 : w->step - 1, w->step, 0);
        assert_true(u256_eq(&b.header.difficulty, &want));
        for (size_t k = 0; k < 3; k++)
            assert_head(w, k, block);
    }
    w->step++; /* a step goes by without a block */
    struct block b = decode(w, turn(w, 0));
    u256 want = aura_difficulty(w->step - 2, w->step, 0);
    assert_true(u256_eq(&b.header.difficulty, &want));
    assert_int_equal(head_of(w, 2).number, 13);
    net_free(w);
}

static void only_whose_turn_it_is_may_propose(void **state)
{
    (void)state;
    struct net *w = net_of_list(1, 3);
    bytes block;
    w->step++;
    size_t key = key_in_turn(w, 0);
    assert_int_equal(propose_as(&block, w, 0, (key + 1) % 3), E_AGAIN);
    assert_int_equal(propose_as(&block, w, 0, key), OK);
    assert_int_equal(propose_as(&block, w, 0, key), E_AGAIN); /* the head is of this step */
    assert_int_equal(w->n_signed, 1);
    net_free(w);
}

static void a_step_is_signed_once_also_after_a_restart(void **state)
{
    (void)state;
    struct net *w = net_new();
    use_lmdb(w, 0);
    net_open(w, 1, validators_list(w, 2), LONDON, "");
    bytes block;
    w->step++;
    size_t key = key_in_turn(w, 0);
    w->sign_status = E_DENIED; /* the journal is written before the key is asked, so the step is gone */
    assert_int_equal(propose_as(&block, w, 0, key), E_DENIED);
    w->sign_status = OK;
    assert_int_equal(propose_as(&block, w, 0, key), E_CONFLICT);
    node_restart(w, 0);
    assert_int_equal(propose_as(&block, w, 0, key), E_CONFLICT);
    assert_int_equal(w->n_signed, 0);
    assert_int_equal(head_of(w, 0).number, 0);
    w->step += 2;
    assert_int_equal(propose_as(&block, w, 0, key), OK);
    node_restart(w, 0);
    assert_head(w, 0, block);
    net_free(w);
}

/* --------------------------------------------------------------- finality */

/* finalised number after each block when all of n validators seal in turn */
static void check_finality(struct net *w, const uint64_t *want, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)turn(w, 0);
        for (size_t k = 0; k < w->n_nodes; k++)
            assert_int_equal(head_of(w, k).finalised, want[i]);
        if (i % 3 == 1) node_restart(w, 1); /* the window is read back from the database */
        assert_int_equal(head_of(w, 1).finalised, want[i]);
    }
    net_free(w);
}

static void a_block_is_final_when_more_than_half_have_built_on_it_twice(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    check_finality(w, (const uint64_t[]){0, 0, 1, 2, 3}, 5);
    w = net_of_list(2, 4);
    check_finality(w, (const uint64_t[]){0, 0, 0, 0, 1, 2, 3}, 7);
    w = net_of_list(2, 2);
    check_finality(w, (const uint64_t[]){0, 0, 1, 2, 3}, 5);
}

static void two_thirds_count_from_their_transition_on(void **state)
{
    (void)state;
    struct net *w = net_new();
    net_open(w, 2, arena_printf(&w->arena, "\"twoThirdsMajorityTransition\":4,%s", validators_list(w, 5)), LONDON, "");
    /* up to block 3 three of five are enough; from block 4 on it takes four */
    check_finality(w, (const uint64_t[]){0, 0, 0, 0, 1, 2, 3, 3, 3, 4, 5}, 11);
}

static void one_of_two_alone_never_makes_anything_final(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 2);
    struct chain_epoch e;
    for (size_t i = 0; i < 10; i++) {
        w->step++;
        (void)turn(w, 0);
        assert_int_equal(head_of(w, 1).finalised, 0);
        chain_get_epoch(&e, w->node[1].chain);
        assert_int_equal(e.signers_seen, 1);
        assert_int_equal(e.signers_needed, 2);
    }
    net_free(w);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_public_chains_open_with_their_published_genesis_hashes),
        cmocka_unit_test(a_database_of_another_genesis_is_refused),
        cmocka_unit_test(a_database_of_a_later_form_is_refused_by_name),
        cmocka_unit_test(a_changed_spec_is_executed_anew_and_an_unchanged_one_is_not),
        cmocka_unit_test(one_validator_seals_blocks_with_transactions),
        cmocka_unit_test(three_validators_take_turns_by_list),
        cmocka_unit_test(only_whose_turn_it_is_may_propose),
        cmocka_unit_test(a_step_is_signed_once_also_after_a_restart),
        cmocka_unit_test(a_block_is_final_when_more_than_half_have_built_on_it_twice),
        cmocka_unit_test(two_thirds_count_from_their_transition_on),
        cmocka_unit_test(one_of_two_alone_never_makes_anything_final),
    };
    return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
