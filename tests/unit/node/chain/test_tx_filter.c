/* The permission contract: its versions by Parity's own test specs, and where the chain asks it (aura.md B9). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "node/chain/genesis.h"
#include "node/chain/tx_filter.h"
#include "tests/unit/node/chain/chain_fixture.h"

#include <cmocka.h>

enum { NOBODY = -1, CREATE = -2, CONTRACT = -3 }; /* recipients that are no key: an account without code, none, the contract itself */
enum { BASIC = 1, CALL = 2, CREATION = 4, ALL = 7 };

/* --- a spec's contract on its genesis state */

struct world {
    struct net *w;
    struct kv *kv;
    struct kv_txn *txn;
    struct state *s;
    struct tx_filter *f;
    struct exec_env env;
    uint64_t n_asked;
};

static void world_open_text(struct world *x)
{
    struct genesis g;
    if (chain_spec_parse(&x->w->spec, buf_view(&x->w->json), &x->w->err) != OK) fail_msg("%s", err_text(&x->w->err));
    assert_int_equal(kv_open_memory(&x->kv, TABLE_N), OK);
    assert_int_equal(kv_begin(&x->txn, x->kv, true), OK);
    assert_int_equal(genesis_build(&g, &x->w->spec, x->txn, &x->w->err), OK);
    assert_int_equal(state_open(&x->s, x->txn, STATE_LATEST), OK);
    assert_int_equal(tx_filter_new(&x->f), OK);
    x->env = (struct exec_env){.spec = &x->w->spec, .block = {.gas_limit = 100000000}};
    chain_spec_rules(&x->env.rules, &x->w->spec, 0, 0);
}

static bool world_open(struct world *x, int version)
{
    char path[1024], name[64];
    (void)snprintf(name, sizeof name, "chainspec/test.tx_permission_v%d.json", version);
    *x = (struct world){0};
    if (!vectors_find(path, sizeof path, name)) return false;
    x->w = net_new();
    assert_true(vectors_read(&x->w->json, path));
    world_open_text(x);
    return true;
}

static void world_close(struct world *x)
{
    tx_filter_free(x->f);
    state_free(x->s);
    kv_abort(x->txn);
    kv_close(x->kv);
    net_free(x->w);
}

static bool asked(struct world *x, const hash32 *parent, const struct tx *tx)
{
    bool yes = false;
    hash32 before, after;
    assert_int_equal(state_root(x->s, &before), OK);
    assert_int_equal(tx_filter_check(&yes, x->f, &x->env, x->s, parent, tx), OK);
    assert_int_equal(state_root(x->s, &after), OK);
    assert_hash_equal(before, after);
    return yes;
}

static struct tx question(struct world *x, size_t key, int to, uint64_t value, uint64_t price, bytes data)
{
    struct tx tx = {.has_sender = true, .sender = x->w->addr[key], .value = u256_from_u64(value), .max_fee = u256_from_u64(price), .data = data,
                    .has_to = to != CREATE};
    if (to >= 0) tx.to = x->w->addr[to];
    if (to == CONTRACT) tx.to.b[19] = 5;
    if (to == NOBODY) tx.to.b[19] = 0x99;
    return tx;
}

/* always of another parent, so that no answer comes from the cache */
static bool may(struct world *x, size_t key, int to, uint64_t value, uint64_t price, bytes data)
{
    hash32 parent = {{0}};
    struct tx tx = question(x, key, to, value, price, data);
    be64_put(parent.b + 8, ++x->n_asked);
    return asked(x, &parent, &tx);
}

static void assert_mask(struct world *x, size_t key, unsigned mask)
{
    assert_int_equal(may(x, key, NOBODY, 0, 0, BYTES_EMPTY), (mask & BASIC) != 0);
    assert_int_equal(may(x, key, CONTRACT, 0, 0, BYTES_EMPTY), (mask & CALL) != 0);
    assert_int_equal(may(x, key, CREATE, 0, 0, BYTES_EMPTY), (mask & CREATION) != 0);
}

static void version_1_knows_the_sender_only(void **state)
{
    (void)state;
    struct world x;
    if (!world_open(&x, 1)) skip();
    assert_mask(&x, 0, ALL);
    assert_mask(&x, 1, BASIC | CALL);
    assert_mask(&x, 2, BASIC);
    assert_mask(&x, 3, 0);
    world_close(&x);
}

static void version_2_looks_at_recipient_and_value(void **state)
{
    (void)state;
    struct world x;
    if (!world_open(&x, 2)) skip();
    assert_mask(&x, 0, ALL);
    assert_mask(&x, 1, BASIC | CALL);
    assert_mask(&x, 2, BASIC);
    assert_mask(&x, 3, 0);
    assert_true(may(&x, 4, 0, 0, 0, BYTES_EMPTY)); /* without value only */
    assert_false(may(&x, 4, 0, 1, 0, BYTES_EMPTY));
    assert_true(may(&x, 5, 6, 1, 0, BYTES_EMPTY)); /* to one account only */
    assert_false(may(&x, 5, 0, 1, 0, BYTES_EMPTY));
    assert_true(may(&x, 6, 5, 0, 0, BYTES_EMPTY)); /* both */
    assert_false(may(&x, 6, 5, 1, 0, BYTES_EMPTY));
    assert_false(may(&x, 6, 0, 0, 0, BYTES_EMPTY));
    world_close(&x);
}

static void version_3_looks_at_price_and_data(void **state)
{
    (void)state;
    struct world x;
    if (!world_open(&x, 3)) skip();
    bytes four = BYTES_LIT("\1\2\3\4"), three = BYTES_LIT("\1\2\3");
    for (size_t key = 0; key < 3; key++) {
        assert_true(may(&x, key, 0, 0, 0, BYTES_EMPTY));
        assert_true(may(&x, key, 0, 0, 0, three));
        assert_false(may(&x, key, 0, 0, 0, four));
        assert_true(may(&x, key, 0, 0, 1, four));
    }
    world_close(&x);
}

static void answers_are_kept_only_when_they_hold_for_all_of_the_sender(void **state)
{
    (void)state;
    struct world x;
    if (!world_open(&x, 2)) skip();
    const hash32 parent = {{1}};
    struct tx free_of_value = question(&x, 4, 0, 0, 0, BYTES_EMPTY), with_value = question(&x, 4, 0, 1, 0, BYTES_EMPTY);
    assert_true(asked(&x, &parent, &free_of_value));
    assert_false(asked(&x, &parent, &with_value));  /* its contract says that this refusal holds for the sender */
    assert_false(asked(&x, &parent, &free_of_value));
    struct tx plain = question(&x, 1, NOBODY, 0, 0, BYTES_EMPTY), create = question(&x, 1, CREATE, 0, 0, BYTES_EMPTY);
    for (int i = 0; i < 3; i++) {
        assert_true(asked(&x, &parent, &plain));
        assert_false(asked(&x, &parent, &create));
    }
    world_close(&x);
}

/* contractVersion() gives `version`; any other call (gas limit of version 4 as the mask, false) */
static void world_of_version(struct world *x, unsigned version)
{
    *x = (struct world){.w = net_new()};
    buf_init(&x->w->json, 1 << 16);
    buf_printf(&x->w->json,
               "{\"name\":\"t\",\"engine\":{\"null\":{\"params\":{}}},\"params\":{\"maximumExtraDataSize\":32,\"minGasLimit\":1,\"networkID\":1,"
               "\"gasLimitBoundDivisor\":1024,\"transactionPermissionContract\":\"0x0000000000000000000000000000000000000005\"},"
               "\"genesis\":{\"seal\":{\"generic\":\"0xc180\"},\"difficulty\":1,\"gasLimit\":1000},\"accounts\":{"
               "\"0x0000000000000000000000000000000000000005\":{\"balance\":\"1\","
               "\"code\":\"0x36600414601757" "60a435600052600060205260406000f3" "5b60%02x60005260206000f3\"}}}",
               version);
    world_open_text(x);
}

static void version_4_looks_at_the_gas_limit_and_others_permit_nothing(void **state)
{
    (void)state;
    for (unsigned version = 0; version < 7; version++) {
        struct world x;
        world_of_version(&x, version);
        struct tx tx = question(&x, 0, NOBODY, 0, 0, BYTES_EMPTY);
        const hash32 parent = {{1}};
        tx.gas_limit = 0x5201; /* the mask: basic */
        assert_int_equal(asked(&x, &parent, &tx), version == 4);
        tx.gas_limit = 0x5202;
        assert_false(asked(&x, &parent, &tx));
        world_close(&x);
    }
}

static void a_contract_that_is_not_there_permits_nothing(void **state)
{
    (void)state;
    struct world x;
    world_of_version(&x, 4);
    x.w->spec.tx_permission_contract.b[0] = 1;
    assert_mask(&x, 0, 0);
    world_close(&x);
}

/* --- the chain with the contract of orchestrator/contracts: key 5 is its manager, others may do `types` */

#define PERMISSION_CONTRACT "0x0000000000000000000000000000000000001005"

static struct net *net_with_permissions(unsigned types)
{
    struct net *w = net_new();
    struct buf text, code;
    json_t *doc;
    buf_init(&text, 1 << 20);
    buf_init(&code, 1 << 20);
    if (file_read(&text, "orchestrator/contracts/artifacts/TransactionPermission.json", &w->err) != OK) fail_msg("%s", err_text(&w->err));
    assert_int_equal(json_parse(&doc, buf_view(&text), &w->err), OK);
    assert_int_equal(hex_get(&code, bytes_str(json_string_value(json_object_get(doc, "bytecode")))), OK);
    json_decref(doc);
    struct abi_writer a = abi_begin(&code, 2);
    abi_put_address(&a, w->addr[5].b);
    abi_put_u64(&a, types);
    abi_end(&a);
    buf_clear(&text);
    buf_put_str(&text, "\"" PERMISSION_CONTRACT "\":{\"balance\":\"0\",\"constructor\":\"");
    hex_append(&text, buf_view(&code));
    buf_put_str(&text, "\"},");
    net_open(w, 2, validators_list(w, 3), LONDON ",\"transactionPermissionContract\":\"" PERMISSION_CONTRACT "\",\"transactionPermissionContractTransition\":2",
             buf_cstr(&text));
    buf_fini(&text);
    buf_fini(&code);
    return w;
}

static void queue_grant(struct net *w, uint64_t nonce, size_t key, unsigned types)
{
    struct buf b;
    address to;
    buf_init(&b, 1 << 10);
    assert_int_equal(address_get(&to, BYTES_LIT(PERMISSION_CONTRACT)), OK);
    struct abi_writer a = abi_call_begin(&b, "setPermission(address,uint32)");
    abi_put_address(&a, w->addr[key].b);
    abi_put_u64(&a, types);
    abi_end(&a);
    queue_tx(w, 5, nonce, &to, U256_ZERO, arena_copy(&w->arena, buf_view(&b)), 200000);
    buf_fini(&b);
}

static const address SOMEONE = {{0xaa, 0xbb}};

static void queue_create(struct net *w, size_t key, uint64_t nonce)
{
    queue_tx(w, key, nonce, NULL, U256_ZERO, BYTES_EMPTY, 100000);
}

static void a_proposal_leaves_out_what_is_not_permitted(void **state)
{
    (void)state;
    struct net *w = net_with_permissions(BASIC);
    queue_create(w, 3, 0); /* block 1: before the transition */
    (void)turn(w, 0);
    assert_int_equal(w->result[0], TX_VALID);
    queue_tx(w, 3, 1, &SOMEONE, U256_ONE, BYTES_EMPTY, 21000);
    queue_create(w, 3, 2);
    queue_create(w, 5, 0);
    struct block b = decode(w, turn(w, 0));
    assert_int_equal(w->result[0], TX_VALID);
    assert_int_equal(w->result[1], TX_NOT_PERMITTED);
    assert_int_equal(w->result[2], TX_VALID);
    assert_int_equal(b.n_txs, 2);
    net_free(w);
}

static void a_permission_counts_from_the_block_after_it_was_given(void **state)
{
    (void)state;
    struct net *w = net_with_permissions(BASIC);
    (void)turn(w, 0);
    queue_grant(w, 0, 3, BASIC | CREATION);
    queue_create(w, 3, 0);
    (void)turn(w, 0);
    assert_int_equal(w->result[0], TX_VALID);
    assert_int_equal(w->result[1], TX_NOT_PERMITTED); /* asked on the parent's state, where it was not given yet */
    queue_create(w, 3, 0);
    queue_grant(w, 1, 3, 0);
    queue_tx(w, 3, 1, &SOMEONE, U256_ONE, BYTES_EMPTY, 21000);
    (void)turn(w, 1);
    assert_int_equal(w->result[0], TX_VALID);
    assert_int_equal(w->result[2], TX_VALID); /* nor is it taken back within the block */
    queue_tx(w, 3, 2, &SOMEONE, U256_ONE, BYTES_EMPTY, 21000);
    (void)turn(w, 0);
    assert_int_equal(w->result[0], TX_NOT_PERMITTED);
    net_free(w);
}

static void a_block_with_what_is_not_permitted_is_refused(void **state)
{
    (void)state;
    struct net *w = net_with_permissions(BASIC);
    (void)turn(w, 0);
    /* a sealer that does not ask */
    chain_close(w->node[0].chain);
    struct chain_spec lax = w->spec;
    struct chain_config cfg = {0};
    lax.has_tx_permission_contract = false;
    assert_int_equal(chain_open(&w->node[0].chain, w->node[0].kv, &lax, &cfg, &w->err), OK);
    w->step++;
    queue_tx(w, 3, 0, &SOMEONE, U256_ONE, BYTES_EMPTY, 21000);
    queue_create(w, 3, 1);
    bytes block = seal(w, 0);
    hash32 before = digest_of(w, 1, true);
    assert_int_equal(import(w, 1, block), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_TX_INVALID);
    assert_non_null(strstr(err_text(&w->err), "not permitted"));
    hash32 after = digest_of(w, 1, true);
    assert_hash_equal(before, after);
    chain_close(w->node[0].chain);
    w->node[0].chain = NULL;
    net_free(w);
}

static void the_pool_is_told_what_the_next_block_may_not_have(void **state)
{
    (void)state;
    struct net *w = net_with_permissions(BASIC);
    struct chain *c = w->node[0].chain;
    for (int height = 0; height < 3; height++) {
        struct kv_txn *txn;
        struct state *s;
        enum tx_verdict v = TX_NONCE_TOO_HIGH;
        w->n_queue = 0;
        queue_create(w, 3, 0);
        queue_tx(w, 3, 0, &SOMEONE, U256_ONE, BYTES_EMPTY, 21000);
        assert_int_equal(kv_begin(&txn, w->node[0].kv, false), OK);
        assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
        assert_int_equal(chain_tx_permitted(&v, c, txn, s, &w->queue[1]), OK);
        assert_int_equal(v, TX_NONCE_TOO_HIGH);
        assert_int_equal(chain_tx_permitted(&v, c, txn, s, &w->queue[0]), OK);
        assert_int_equal(v, height == 0 ? TX_NONCE_TOO_HIGH : TX_NOT_PERMITTED); /* from block 2 on */
        state_free(s);
        kv_abort(txn);
        w->n_queue = 0;
        (void)turn(w, 0);
    }
    net_free(w);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1_knows_the_sender_only),
        cmocka_unit_test(version_2_looks_at_recipient_and_value),
        cmocka_unit_test(version_3_looks_at_price_and_data),
        cmocka_unit_test(answers_are_kept_only_when_they_hold_for_all_of_the_sender),
        cmocka_unit_test(version_4_looks_at_the_gas_limit_and_others_permit_nothing),
        cmocka_unit_test(a_contract_that_is_not_there_permits_nothing),
        cmocka_unit_test(a_proposal_leaves_out_what_is_not_permitted),
        cmocka_unit_test(a_permission_counts_from_the_block_after_it_was_given),
        cmocka_unit_test(a_block_with_what_is_not_permitted_is_refused),
        cmocka_unit_test(the_pool_is_told_what_the_next_block_may_not_have),
    };
    return cmocka_run_group_tests_name("tx filter", tests, NULL, NULL);
}
