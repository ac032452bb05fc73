/* Validator sets by contract and by block number, finality of their changes, rewards (aura.md B5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "node/aura/commit.h"
#include "tests/unit/node/chain/chain_fixture.h"

#include <cmocka.h>

#define ADMIN_CONTRACT "0x0000000000000000000000000000000000001006"
#define SMALL_CONTRACT "0x0000000000000000000000000000000000002002"

static address address_of(const char *text)
{
    address a;
    assert_int_equal(address_get(&a, bytes_str(text)), OK);
    return a;
}

static bool account_exists(struct net *w, size_t node, const address *a)
{
    struct kv_txn *txn;
    struct state *s;
    struct state_account acc;
    bool exists;
    assert_int_equal(kv_begin(&txn, w->node[node].kv, false), OK);
    assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
    assert_int_equal(state_get_account(s, a, &acc, &exists), OK);
    if (exists && address_eq(a, &ADDRESS_SYSTEM)) {
        assert_int_equal(acc.nonce, 0);
        assert_true(u256_is_zero(&acc.balance));
    }
    state_free(s);
    kv_abort(txn);
    return exists;
}

/* getValidators() of a contract on a node's head */
static void assert_contract_set(struct net *w, size_t node, const char *contract, const size_t *keys, size_t n)
{
    struct kv_txn *txn;
    struct state *s;
    struct evm *evm;
    struct exec_env env;
    struct evm_result r;
    struct header h;
    struct validators set;
    struct arena a;
    struct chain_head head = head_of(w, node);
    arena_init(&a, 1 << 20);
    assert_int_equal(evm_new(&evm, 0), OK);
    assert_int_equal(kv_begin(&txn, w->node[node].kv, false), OK);
    assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
    assert_int_equal(blocks_get_header(&h, txn, &head.hash, &a), OK);
    chain_call_env(&env, w->node[node].chain, evm, txn, &h, false);
    const address to = address_of(contract);
    struct evm_message msg = {.kind = EVM_CALL, .recipient = to, .code_address = to, .gas = 50000000, .input = bytes_make(AURA_GET_VALIDATORS, 4)};
    assert_int_equal(exec_call(&r, &env, s, &msg, &U256_ZERO), OK);
    assert_int_equal(r.outcome, EVM_SUCCESS);
    assert_int_equal(aura_decode_address_list(&set, r.output), OK);
    assert_int_equal(set.n, n);
    for (size_t i = 0; i < n; i++)
        assert_memory_equal(&set.list[i], &w->addr[keys[i]], 20);
    validators_fini(&set);
    state_free(s);
    kv_abort(txn);
    evm_free(evm);
    arena_fini(&a);
}

#define KEYS_OF(...) ((const size_t[]){__VA_ARGS__}), (sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t))

static void assert_set_everywhere(struct net *w, const size_t *keys, size_t n)
{
    for (size_t i = 0; i < w->n_nodes; i++)
        assert_set(w, i, keys, n);
}

/* --- the contract of orchestrator/contracts */

/* accounts.<ADMIN_CONTRACT> with its constructor: admin key 5, validators keys 0..n-1 */
static const char *admin_contract(struct net *w, size_t n)
{
    struct buf text, code;
    json_t *doc;
    buf_init(&text, 1 << 20);
    buf_init(&code, 1 << 20);
    if (file_read(&text, "orchestrator/contracts/artifacts/AdminValidatorSet.json", &w->err) != OK) fail_msg("%s", err_text(&w->err));
    assert_int_equal(json_parse(&doc, buf_view(&text), &w->err), OK);
    assert_int_equal(hex_get(&code, bytes_str(json_string_value(json_object_get(doc, "bytecode")))), OK);
    json_decref(doc);
    struct abi_writer a = abi_begin(&code, 4);
    abi_put_address(&a, w->addr[5].b);
    abi_put_addresses(&a, w->addr[0].b, n);
    abi_put_u64(&a, 10);
    abi_put_bytes(&a, BYTES_LIT("first"));
    abi_end(&a);
    buf_clear(&text);
    buf_put_str(&text, "\"" ADMIN_CONTRACT "\":{\"balance\":\"0\",\"constructor\":\"");
    hex_append(&text, buf_view(&code));
    buf_put_str(&text, "\"},");
    const char *json = arena_strdup(&w->arena, buf_cstr(&text));
    assert_non_null(json);
    buf_fini(&text);
    buf_fini(&code);
    return json;
}

static void queue_list_call(struct net *w, uint64_t nonce, const char *signature, size_t first, size_t n)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    struct abi_writer a = abi_call_begin(&b, signature);
    abi_put_addresses(&a, w->addr[first].b, n);
    abi_end(&a);
    address to = address_of(ADMIN_CONTRACT);
    queue_tx(w, 5, nonce, &to, U256_ZERO, arena_copy(&w->arena, buf_view(&b)), 2000000);
    buf_fini(&b);
}

static void queue_start_next(struct net *w, uint64_t nonce)
{
    struct buf b;
    buf_init(&b, 64);
    struct abi_writer a = abi_call_begin(&b, "startNextChange()");
    abi_end(&a);
    address to = address_of(ADMIN_CONTRACT);
    queue_tx(w, 5, nonce, &to, U256_ZERO, arena_copy(&w->arena, buf_view(&b)), 2000000);
    buf_fini(&b);
}

static void an_admin_changes_the_set_and_all_nodes_apply_it_at_the_same_block(void **state)
{
    (void)state;
    struct net *w = net_new();
    struct chain_epoch e;
    use_lmdb(w, 3);
    net_open(w, 4, "\"validators\":{\"safeContract\":\"" ADMIN_CONTRACT "\"}", LONDON, admin_contract(w, 2));
    assert_set_everywhere(w, KEYS_OF(0, 1));
    assert_false(account_exists(w, 0, &ADDRESS_SYSTEM));

    (void)turn(w, 0); /* block 1 calls finalizeChange, and that leaves the system account, empty, behind */
    assert_true(account_exists(w, 0, &ADDRESS_SYSTEM));
    assert_true(account_exists(w, 3, &ADDRESS_SYSTEM));

    w->step++;
    queue_list_call(w, 0, "addValidators(address[])", 2, 2);
    bytes block = seal(w, 0);
    assert_int_equal(w->result[0], TX_VALID);
    import_all(w, 0, block);
    chain_get_epoch(&e, w->node[2].chain);
    assert_true(e.has_pending);
    assert_int_equal(e.pending_signal_block, 2);
    node_restart(w, 3); /* in the middle of the change */
    chain_get_epoch(&e, w->node[3].chain);
    assert_true(e.has_pending);
    assert_int_equal(e.pending_signal_block, 2);
    assert_set_everywhere(w, KEYS_OF(0, 1));

    (void)turn(w, 1); /* the other validator's block makes block 2 final: the set changes behind this block */
    for (size_t i = 0; i < 4; i++) {
        chain_get_epoch(&e, w->node[i].chain);
        assert_false(e.has_pending);
        assert_int_equal(e.start_block, 3);
        assert_int_equal(head_of(w, i).finalised, 1); /* block 2 is by the chain's own rule, which decides about sets; see aura/commit.h */
        assert_int_equal(head_of(w, i).safe, 2);
    }
    assert_set_everywhere(w, KEYS_OF(0, 1, 2, 3));
    node_restart(w, 3);
    assert_set(w, 3, KEYS_OF(0, 1, 2, 3));
    assert_contract_set(w, 0, ADMIN_CONTRACT, KEYS_OF(0, 1)); /* the contract learns of it in the next block */
    for (size_t i = 0; i < 4; i++) /* a step in which the set changed is nobody's */
        assert_false(chain_is_proposer(w->node[0].chain, &w->addr[i], w->step));

    (void)turn(w, 2);
    for (size_t i = 0; i < 4; i++)
        assert_contract_set(w, i, ADMIN_CONTRACT, KEYS_OF(0, 1, 2, 3));
    for (size_t i = 0; i < 8; i++)
        (void)turn(w, i % 3); /* node 3 was just opened again: it waits before it seals for keys that it knows nothing of */

    /* two leave; three of the four must have signed on top */
    w->step++;
    queue_list_call(w, 1, "removeValidators(address[])", 0, 2);
    import_all(w, 0, (block = seal(w, 0)));
    uint64_t signal = head_of(w, 0).number;
    chain_get_epoch(&e, w->node[0].chain);
    while (e.start_block < signal) {
        assert_set_everywhere(w, KEYS_OF(0, 1, 2, 3));
        (void)turn(w, 0);
        node_restart(w, 3);
        chain_get_epoch(&e, w->node[0].chain);
    }
    assert_int_equal(head_of(w, 0).number, signal + 2);
    assert_int_equal(e.start_block, signal + 2);
    struct arena a;
    address *list;
    size_t n;
    arena_init(&a, 1 << 16);
    assert_int_equal(chain_validators(&list, &n, w->node[3].chain, &a), OK);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(key_of(w, &list[i]) == 2 || key_of(w, &list[i]) == 3);
    arena_fini(&a);
    for (size_t i = 0; i < 4; i++)
        (void)turn(w, i % 3); /* node 3 was just opened again: it waits before it seals for keys that it knows nothing of */
    hash32 d = digest_of(w, 0, false), other = digest_of(w, 3, false);
    assert_hash_equal(d, other);
    net_free(w);
}

static void a_set_change_on_a_branch_goes_with_the_branch(void **state)
{
    (void)state;
    struct net *w = net_new();
    net_open(w, 3, "\"validators\":{\"safeContract\":\"" ADMIN_CONTRACT "\"}", LONDON, admin_contract(w, 2));
    struct chain_epoch e;
    (void)turn(w, 0);
    /* node 1: a block with a signal; node 0: two blocks without one */
    w->step++;
    queue_list_call(w, 0, "addValidators(address[])", 2, 1);
    bytes light = seal(w, 1);
    assert_int_equal(import(w, 2, light), IMPORT_HEAD);
    chain_get_epoch(&e, w->node[2].chain);
    assert_true(e.has_pending);
    w->step += 2; /* the same validator again, so that nothing is final */
    bytes a = seal(w, 0);
    assert_int_equal(import(w, 2, a), IMPORT_SIDE);
    w->step += 2;
    bytes b = seal(w, 0);
    assert_int_equal(import(w, 2, b), IMPORT_SIDE); /* heavier, but both have sealed on block 1 in the other branch (node/aura/commit.h) */
    for (size_t i = 0; i < 4; i++) {
        w->step++;
        b = seal(w, 0);
        assert_int_equal(import(w, 2, b), IMPORT_HEAD);
        chain_get_epoch(&e, w->node[2].chain);
        assert_false(e.has_pending);
        node_restart(w, 2);
    }
    assert_set(w, 2, KEYS_OF(0, 1));
    assert_true(head_of(w, 2).finalised > 2);
    net_free(w);
}

/* --- a small contract: any call with more than a selector emits its data as InitiateChange; others give a fixed list */

static const char *emitter(struct net *w, const char *addr, const size_t *keys, size_t n)
{
    struct buf code, list, text;
    buf_init(&code, 4096);
    buf_init(&list, 4096);
    buf_init(&text, 1 << 16);
    uint8_t addrs[KEYS][20];
    for (size_t i = 0; i < n; i++)
        memcpy(addrs[i], w->addr[keys[i]].b, 20);
    struct abi_writer a = abi_begin(&list, 1);
    abi_put_addresses(&a, addrs[0], n);
    abi_end(&a);
    buf_put_bytes(&code, BYTES_LIT("\x36\x60\x04\x14\x60\x37\x57"));         /* calldatasize == 4 -> 0x37 */
    buf_put_bytes(&code, BYTES_LIT("\x36\x60\x00\x60\x00\x37"));             /* calldatacopy(0, 0, size) */
    buf_put_bytes(&code, BYTES_LIT("\x60\x01\x43\x03\x40\x7f"));             /* blockhash(number - 1), push32 */
    buf_put(&code, AURA_INITIATE_CHANGE_TOPIC.b, 32);
    buf_put_bytes(&code, BYTES_LIT("\x36\x60\x00\xa2"));                     /* log2(0, size) */
    assert_int_equal(code.len, 0x37);
    uint8_t tail[] = {0x5b, 0x61, (uint8_t)(list.len >> 8), (uint8_t)list.len, 0x60, 0x37 + 15, 0x60, 0, 0x39, 0x61, (uint8_t)(list.len >> 8),
                      (uint8_t)list.len, 0x60, 0, 0xf3};
    assert_int_equal(sizeof tail, 15);
    buf_put(&code, tail, sizeof tail);
    buf_put_bytes(&code, buf_view(&list));
    buf_printf(&text, "\"%s\":{\"balance\":\"0\",\"code\":\"", addr);
    hex_append(&text, buf_view(&code));
    buf_put_str(&text, "\"},");
    const char *json = arena_strdup(&w->arena, buf_cstr(&text));
    buf_fini(&code);
    buf_fini(&list);
    buf_fini(&text);
    return json;
}

static void queue_signal(struct net *w, uint64_t nonce, size_t first, size_t n)
{
    struct buf b;
    buf_init(&b, 4096);
    struct abi_writer a = abi_begin(&b, 1);
    abi_put_addresses(&a, w->addr[first].b, n);
    abi_end(&a);
    address to = address_of(SMALL_CONTRACT);
    queue_tx(w, 5, nonce, &to, U256_ZERO, arena_copy(&w->arena, buf_view(&b)), 200000);
    buf_fini(&b);
}

/* the next step of one of these keys on a node */
static bytes seal_in_turn_of(struct net *w, size_t node, size_t first, size_t n)
{
    size_t key;
    do {
        w->step++;
        key = key_in_turn(w, node);
    } while (key < first || key >= first + n);
    return seal(w, node);
}

/* Two of three are on a branch of their own, and on the other the set was replaced before. Under the set of the fork that one has one of three;
 * what its ballot is shows only when the change on it is executed. */
static void the_ballot_of_a_branch_counts_by_the_sets_that_rule_on_it(void **state)
{
    (void)state;
    struct net *w = net_new();
    bytes ours[2], other[14];
    size_t n = 0;
    net_open(w, 3, "\"validators\":{\"safeContract\":\"" SMALL_CONTRACT "\"}", LONDON, emitter(w, SMALL_CONTRACT, KEYS_OF(0, 1, 2)));
    (void)turn(w, 0);
    queue_signal(w, 0, 2, 3);
    other[n++] = seal_in_turn_of(w, 1, 2, 1);
    w->step += 4; /* so long that the next seal makes that block final on chain, and yet does not confirm it: no ballot before the new set */
    other[n++] = seal_in_turn_of(w, 1, 1, 1);
    assert_set(w, 1, KEYS_OF(2, 3, 4));
    ours[0] = seal_in_turn_of(w, 0, 0, 1);
    ours[1] = seal_in_turn_of(w, 0, 1, 1);
    assert_int_equal(head_of(w, 0).finalised, 0); /* prepared, not committed */
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        assert_int_equal(import(w, 2, ours[i]), IMPORT_HEAD);
    while (n < COUNT_OF(other))
        other[n++] = seal_in_turn_of(w, 1, 2, 3);
    for (size_t i = 0; i < n; i++)
        (void)import(w, 2, other[i]);
    assert_head(w, 2, other[n - 1]);
    assert_set(w, 2, KEYS_OF(2, 3, 4));
    assert_int_equal(head_of(w, 2).finalised, head_of(w, 1).finalised);
    assert_true(head_of(w, 2).finalised > 3);
    node_restart(w, 2);
    assert_int_equal(head_of(w, 2).finalised, head_of(w, 1).finalised);
    assert_int_equal(import(w, 1, ours[0]), IMPORT_BAD); /* and those never go back */
    assert_int_equal(w->verdict, BLOCK_PAST_FINALITY);
    net_free(w);
}

static void a_second_signal_while_one_is_pending_is_lost(void **state)
{
    (void)state;
    struct net *w = net_new();
    struct chain_epoch e;
    net_open(w, 2, "\"validators\":{\"safeContract\":\"" SMALL_CONTRACT "\"}", LONDON, emitter(w, SMALL_CONTRACT, KEYS_OF(0, 1, 2)));
    (void)turn(w, 0);
    queue_signal(w, 0, 0, 2);
    (void)turn(w, 0); /* block 2 */
    chain_get_epoch(&e, w->node[1].chain);
    assert_int_equal(e.pending_signal_block, 2);
    queue_signal(w, 1, 2, 3);
    (void)turn(w, 0); /* block 3: with it, block 2 is final and the first list rules; its own signal is gone */
    chain_get_epoch(&e, w->node[1].chain);
    assert_false(e.has_pending);
    assert_int_equal(e.start_block, 3);
    for (size_t i = 0; i < 6; i++) {
        assert_set_everywhere(w, KEYS_OF(0, 1));
        (void)turn(w, 0);
        node_restart(w, 1);
    }
    net_free(w);
}

static void of_signals_that_become_final_together_the_first_counts(void **state)
{
    (void)state;
    struct net *w = net_new();
    net_open(w, 2, "\"validators\":{\"safeContract\":\"" SMALL_CONTRACT "\"}", LONDON, emitter(w, SMALL_CONTRACT, KEYS_OF(0, 1, 2)));
    /* one validator alone seals two blocks with signals; the next one's block makes both final */
    for (uint64_t i = 0; i < 2; i++) {
        w->step += i == 0 ? 1 : 3;
        queue_signal(w, i, i == 0 ? 1 : 3, 1);
        import_all(w, 0, seal(w, 0));
    }
    assert_int_equal(head_of(w, 1).finalised, 0);
    (void)turn(w, 0);
    assert_set_everywhere(w, KEYS_OF(1));
    for (size_t i = 0; i < 3; i++)
        (void)turn(w, 0);
    assert_set_everywhere(w, KEYS_OF(1));
    net_free(w);
}

static void a_signal_that_names_nobody_or_another_parent_is_none(void **state)
{
    (void)state;
    struct net *w = net_new();
    struct chain_epoch e;
    net_open(w, 2, "\"validators\":{\"safeContract\":\"" SMALL_CONTRACT "\"}", LONDON, emitter(w, SMALL_CONTRACT, KEYS_OF(0, 1)));
    queue_signal(w, 0, 0, 0);
    (void)turn(w, 0);
    chain_get_epoch(&e, w->node[1].chain);
    assert_false(e.has_pending);
    address to = address_of(SMALL_CONTRACT);
    queue_tx(w, 5, 1, &to, U256_ZERO, BYTES_LIT("\x01\x02\x03\x04\x05"), 200000); /* no list */
    (void)turn(w, 0);
    chain_get_epoch(&e, w->node[1].chain);
    assert_false(e.has_pending);
    net_free(w);
}

/* --- multi */

static void a_list_in_a_multi_rules_from_the_block_after_its_number(void **state)
{
    (void)state;
    struct net *w = net_new();
    net_open(w, 2, arena_printf(&w->arena, "\"validators\":{\"multi\":{\"0\":%s,\"4\":%s,\"6\":%s}}", list_of(w, 0, 2), list_of(w, 2, 3), list_of(w, 1, 1)),
             LONDON, "");
    for (uint64_t n = 1; n <= 9; n++) {
        struct block b = decode(w, turn(w, 0));
        size_t key = key_of(w, &b.header.author);
        assert_int_equal(b.header.number, n);
        assert_true(n <= 4 ? key < 2 : n <= 6 ? key >= 2 && key <= 4 : key == 1);
        node_restart(w, 1);
        if (n < 4) assert_set_everywhere(w, KEYS_OF(0, 1));
        else if (n < 6) assert_set_everywhere(w, KEYS_OF(2, 3, 4));
        else assert_set_everywhere(w, KEYS_OF(1));
    }
    net_free(w);
}

static void a_contract_in_a_multi_rules_once_its_block_is_final(void **state)
{
    (void)state;
    struct net *w = net_new();
    struct chain_epoch e;
    net_open(w, 2, arena_printf(&w->arena, "\"validators\":{\"multi\":{\"0\":%s,\"3\":{\"safeContract\":\"" SMALL_CONTRACT "\"}}}", list_of(w, 0, 2)),
             LONDON, emitter(w, SMALL_CONTRACT, KEYS_OF(2, 3, 4)));
    for (uint64_t n = 1; n <= 3; n++) {
        (void)turn(w, 0);
        assert_set_everywhere(w, KEYS_OF(0, 1));
    }
    chain_get_epoch(&e, w->node[1].chain);
    assert_true(e.has_pending); /* the block itself is the signal */
    assert_int_equal(e.pending_signal_block, 3);
    (void)turn(w, 0);
    assert_set_everywhere(w, KEYS_OF(2, 3, 4));
    assert_false(account_exists(w, 1, &ADDRESS_SYSTEM));
    struct block b = decode(w, turn(w, 0)); /* and the contract is told in block 5 */
    assert_true(key_of(w, &b.header.author) >= 2);
    assert_true(account_exists(w, 1, &ADDRESS_SYSTEM));
    net_free(w);
}

/* user-pains.md 1: of two validators one is gone for good, so that nothing becomes final and no vote can help: the way out is a list in the
 * specification from some block on, and then the contract again */
static void a_list_in_a_later_spec_ends_a_deadlock(void **state)
{
    (void)state;
    struct net *w = net_new();
    net_open(w, 2, "\"validators\":{\"safeContract\":\"" ADMIN_CONTRACT "\"}", LONDON, admin_contract(w, 2));
    (void)turn(w, 0);
    size_t alive = w->step % 2;
    for (size_t i = 0; i < 4; i++) { /* every other step goes by */
        w->step++;
        (void)turn(w, 0);
        assert_int_equal(w->step % 2, alive);
    }
    assert_int_equal(head_of(w, 0).number, 5);
    assert_int_equal(head_of(w, 0).finalised, 0);
    /* all operators agree on block 8 and put it into the spec */
    struct validator_set_at at[2] = {{.block = 0, .set = w->spec.aura.validators},
                                     {.block = 8, .set = {.kind = VALSET_LIST, .list = &w->addr[alive], .n_list = 1}}};
    w->spec.aura.validators = (struct validator_set_spec){.kind = VALSET_MULTI, .multi = at, .n_multi = 2};
    for (size_t i = 0; i < 2; i++)
        node_restart(w, i);
    for (size_t n = 6; n <= 8; n++) {
        assert_set_everywhere(w, KEYS_OF(0, 1));
        w->step++;
        (void)turn(w, 0);
    }
    assert_set_everywhere(w, KEYS_OF(alive));
    for (size_t n = 9; n <= 11; n++) {
        (void)turn(w, 0); /* each step now */
        assert_int_equal(head_of(w, 1).finalised, n);
        node_restart(w, 1);
    }
    net_free(w);
}

/* --- immediate transitions: sstore(0, calldataload(0)), or the list of that one address */

/* `poa-deploy recover`: the list from block N on, the contract from N + 2 on. Block N + 1 begins an epoch by the contract's rule already (Parity's
 * multi looks one block ahead), so finalizeChange puts the change in force that had waited for a finality that never came. */
static void a_list_with_the_contract_behind_it_ends_a_deadlock_and_the_contract_goes_on(void **state)
{
    (void)state;
    struct net *w = net_new();
    struct chain_epoch e;
    net_open(w, 2, "\"validators\":{\"safeContract\":\"" ADMIN_CONTRACT "\"}", LONDON, admin_contract(w, 4));
    for (size_t i = 0; i < 6; i++)
        (void)turn(w, 0);
    /* keys 1 and 3 are lost; their administrator takes them out, and the change waits */
    for (size_t i = 0; i < 2; i++) {
        bytes block = BYTES_EMPTY;
        do
            w->step++;
        while (key_in_turn(w, 0) == 1 || key_in_turn(w, 0) == 3);
        queue_list_call(w, i, "removeValidators(address[])", 1 + 2 * i, 1);
        block = seal(w, 0);
        assert_int_equal(w->result[0], TX_VALID);
        import_all(w, 0, block);
    }
    for (size_t i = 0; i < 12; i++) {
        do
            w->step++;
        while (key_in_turn(w, 0) == 1 || key_in_turn(w, 0) == 3);
        const bytes block = seal(w, 0);
        import_all(w, 0, block);
    }
    const uint64_t stuck = head_of(w, 0).finalised, n = head_of(w, 0).number + 3;
    assert_set_everywhere(w, KEYS_OF(0, 1, 2, 3));
    /* the first removal is announced, the second waits behind it */
    const address list[3] = {w->addr[0], w->addr[3], w->addr[2]};
    struct validator_set_at at[3] = {{.block = 0, .set = w->spec.aura.validators},
                                     {.block = n, .set = {.kind = VALSET_LIST, .list = (address *)list, .n_list = 3}},
                                     {.block = n + 2, .set = w->spec.aura.validators}};
    w->spec.aura.validators = (struct validator_set_spec){.kind = VALSET_MULTI, .multi = at, .n_multi = 3};
    for (size_t i = 0; i < 2; i++)
        node_restart(w, i);
    while (head_of(w, 0).number < n + 1) {
        do
            w->step++;
        while (key_in_turn(w, 0) == 1 || key_in_turn(w, 0) == 3 || key_in_turn(w, 0) == KEYS);
        const bytes block = seal(w, 0);
        import_all(w, 0, block);
        assert_true(head_of(w, 1).finalised >= stuck);
    }
    assert_set_everywhere(w, KEYS_OF(0, 3, 2));
    assert_contract_set(w, 0, ADMIN_CONTRACT, KEYS_OF(0, 3, 2)); /* block N + 1 called finalizeChange */
    for (size_t i = 0; i < 20; i++) {
        do
            w->step++;
        while (key_in_turn(w, 0) == 1 || key_in_turn(w, 0) == 3 || key_in_turn(w, 0) == KEYS);
        if (i == 8) queue_start_next(w, 2);
        const bytes block = seal(w, 0);
        import_all(w, 0, block);
        if (i % 5 == 0) node_restart(w, 1);
    }
    /* what had waited in the contract's queue went its usual way */
    assert_set_everywhere(w, KEYS_OF(0, 2));
    assert_contract_set(w, 1, ADMIN_CONTRACT, KEYS_OF(0, 2));
    chain_get_epoch(&e, w->node[1].chain);
    assert_true(e.start_block > n + 2);
    assert_true(head_of(w, 1).finalised > e.start_block);
    net_free(w);
}

static void immediate_transitions_read_the_set_after_each_block(void **state)
{
    (void)state;
    struct net *w = net_new();
    char slot[43], who[67];
    address_put(slot, &w->addr[0]);
    (void)snprintf(who, sizeof who, "0x%064d", 0);
    memcpy(who + 26, slot + 2, 40);
    const char *contract = arena_printf(&w->arena,
                                        "\"" SMALL_CONTRACT "\":{\"balance\":\"0\",\"code\":\"0x3660041460"
                                        "0e57600035600055005b602060005260016020526000546040526060" "6000f3\",\"storage\":{\"0x00\":\"%s\"}},",
                                        who);
    net_open(w, 2, "\"immediateTransitions\":true,\"validators\":{\"safeContract\":\"" SMALL_CONTRACT "\"}", LONDON, contract);
    assert_set_everywhere(w, KEYS_OF(0));
    address to = address_of(SMALL_CONTRACT);
    for (size_t i = 1; i < 5; i++) {
        uint8_t word[32] = {0};
        memcpy(word + 12, w->addr[i].b, 20);
        queue_tx(w, 5, i - 1, &to, U256_ZERO, arena_copy(&w->arena, BYTES_OF(word)), 100000);
        (void)turn(w, 0);
        assert_set_everywhere(w, KEYS_OF(i));
        node_restart(w, 1);
        assert_set(w, 1, KEYS_OF(i));
    }
    assert_false(account_exists(w, 1, &ADDRESS_SYSTEM)); /* no finalizeChange, ever */
    net_free(w);
}

/* --- rewards */

static void the_author_is_rewarded_by_the_amount_in_force(void **state)
{
    (void)state;
    struct net *w = net_new();
    net_open(w, 2, arena_printf(&w->arena, "\"blockReward\":{\"0\":\"0x5\",\"2\":\"0x7\"},%s", validators_list(w, 1)), LONDON, "");
    u256 before = balance_of(w, 1, &w->addr[0]);
    (void)turn(w, 0);
    u256 after = balance_of(w, 1, &w->addr[0]), gain = u256_sub(after, before);
    assert_int_equal(gain.w[0], 5);
    (void)turn(w, 0);
    after = balance_of(w, 1, &w->addr[0]);
    gain = u256_sub(after, before);
    assert_int_equal(gain.w[0], 12);
    net_free(w);
}

/* without transactions: signed steps, and the block that ends them carries those that its sealer has heard */
static void who_has_no_transactions_signs_its_step_and_the_next_block_carries_it(void **state)
{
    (void)state;
    struct net *w = net_new();
    net_open(w, 3, arena_printf(&w->arena, "\"emptyStepsTransition\":1,\"maximumEmptySteps\":2,\"blockReward\":\"0x5\",%s", validators_list(w, 3)), LONDON, "");
    const address to = {{0xee}};
    bytes made[3], damaged[3];
    queue_tx(w, 7, 0, &to, U256_ONE, BYTES_EMPTY, 21000);
    struct block first = decode(w, turn(w, 0)); /* turn: a step on, sealed on node 0, imported by all */
    assert_false(w->is_empty_step);
    for (size_t i = 1; i <= 2; i++) {
        w->step++;
        const size_t key = key_in_turn(w, i);
        assert_int_equal(propose_as(&made[i], w, i, key), OK);
        assert_true(w->is_empty_step);
        assert_int_equal(propose_as(&damaged[i], w, i, key), E_EXISTS); /* one signature a step */
        for (size_t k = 0; k < 3; k++) {
            if (k == i) continue;
            uint8_t *copy = arena_alloc(&w->arena, made[i].len);
            memcpy(copy, made[i].ptr, made[i].len);
            copy[10] ^= 1;
            assert_int_equal(chain_add_empty_step(w->node[k].chain, bytes_make(copy, made[i].len), now_ms(w)), E_INVALID);
            assert_int_equal(chain_add_empty_step(w->node[k].chain, bytes_make(made[i].ptr, made[i].len - 1), now_ms(w)), E_INVALID);
            assert_int_equal(chain_add_empty_step(w->node[k].chain, made[i], now_ms(w) - 10000), E_AGAIN); /* far ahead of the clock */
            assert_int_equal(chain_add_empty_step(w->node[k].chain, made[i], now_ms(w)), OK);
            assert_int_equal(chain_add_empty_step(w->node[k].chain, made[i], now_ms(w)), E_EXISTS);
        }
    }
    assert_int_equal(head_of(w, 0).number, 1);
    assert_int_equal(head_of(w, 0).finalised, 0);
    w->step++; /* the first sealer again: two are heard, which is the most: it seals */
    bytes block = BYTES_EMPTY;
    assert_int_equal(propose_as(&block, w, 0, key_in_turn(w, 0)), OK);
    assert_false(w->is_empty_step);
    struct block b = decode(w, block);
    assert_int_equal(b.n_txs, 0);
    assert_int_equal(aura_empty_steps_count(&b.header), 2);
    const u256 want = aura_difficulty(first.header.step, b.header.step, 2);
    assert_true(u256_eq(&b.header.difficulty, &want));
    for (size_t i = 1; i < 3; i++)
        assert_int_equal(import(w, i, block), IMPORT_HEAD);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(head_of(w, i).finalised, 1); /* all have signed block 1, after a majority had */
        node_restart(w, i);
        assert_int_equal(head_of(w, i).finalised, 1);
    }
    /* a transaction ends it at once; what was signed on the block before is of no use any more */
    w->step++;
    assert_int_equal(chain_add_empty_step(w->node[1].chain, made[2], now_ms(w)), OK);
    queue_tx(w, 7, 1, &to, U256_ONE, BYTES_EMPTY, 21000);
    assert_int_equal(propose_as(&block, w, 1, key_in_turn(w, 1)), OK);
    assert_false(w->is_empty_step);
    b = decode(w, block);
    assert_int_equal(aura_empty_steps_count(&b.header), 0);
    assert_int_equal(import(w, 2, block), IMPORT_HEAD);
    net_free(w);
}

/* its promise is kept like a block's; if that cannot be, a block takes its place, which can say so */
static void an_empty_step_promises_as_a_block_does(void **state)
{
    (void)state;
    struct net *w = net_new();
    bytes made = BYTES_EMPTY;
    bool forgot = true;
    net_open(w, 2, arena_printf(&w->arena, "\"emptyStepsTransition\":1,\"maximumEmptySteps\":9,%s", validators_list(w, 2)), LONDON, "");
    w->has_store = true;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(chain_recall(&forgot, w->node[0].chain, &w->addr[i], &w->kept[i]), OK);
    w->step++;
    const size_t key = key_in_turn(w, 0);
    assert_int_equal(propose_as(&made, w, 0, key), OK);
    assert_true(w->is_empty_step);
    assert_int_equal(w->kept[key].step, w->step);
    assert_true(w->kept[key].is_empty_step);
    w->step++;
    w->keep_status = E_AGAIN;
    assert_int_equal(propose_as(&made, w, 0, 1 - key), OK);
    assert_false(w->is_empty_step);
    struct block b = decode(w, made);
    assert_false(commit_is_vote(&b.header));
    assert_int_equal(aura_empty_steps_count(&b.header), 1);
    assert_int_equal(import(w, 1, made), IMPORT_HEAD);
    net_free(w);
}

/* a block with the next validator's empty step in it: its author signed the parent and is rewarded */
static void empty_steps_are_rewarded_and_sign_the_parent(void **state)
{
    (void)state;
    struct net *w = net_new();
    net_open(w, 2, arena_printf(&w->arena, "\"emptyStepsTransition\":1,\"blockReward\":\"0x5\",%s", validators_list(w, 2)), LONDON, "");
    struct block first = decode(w, turn(w, 0));
    uint64_t empty_step = w->step + 1;
    size_t sealer = key_of(w, &first.header.author), other = 1 - sealer;
    w->step += 2;
    struct block b = decode(w, seal(w, 0));
    assert_int_equal(key_of(w, &b.header.author), sealer);
    assert_int_equal(head_of(w, 0).finalised, 0);

    struct buf msg, list;
    buf_init(&msg, 100);
    buf_init(&list, 200);
    size_t mark = rlp_list_open(&msg);
    rlp_put_u64(&msg, empty_step);
    rlp_put_string(&msg, bytes_make(first.hash.b, 32));
    rlp_list_close(&msg, mark);
    uint8_t hash[32], sig[65];
    keccak256(hash, msg.ptr, msg.len);
    assert_int_equal(ec_sign(sig, hash, &w->key[other]), OK);
    mark = rlp_list_open(&list);
    size_t inner = rlp_list_open(&list);
    rlp_put_string(&list, BYTES_OF(sig));
    rlp_put_u64(&list, empty_step);
    rlp_list_close(&list, inner);
    rlp_list_close(&list, mark);
    b.header.empty_steps = buf_view(&list);
    b.header.difficulty = u256_add(b.header.difficulty, U256_ONE);

    struct kv_txn *txn;
    struct state *s;
    const u256 five = u256_from_u64(5);
    assert_int_equal(kv_begin(&txn, w->node[1].kv, false), OK);
    assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
    assert_int_equal(state_add_balance(s, &w->addr[0], &five), OK);
    assert_int_equal(state_add_balance(s, &w->addr[1], &five), OK);
    assert_int_equal(state_root(s, &b.header.state_root), OK);
    state_free(s);
    kv_abort(txn);
    bytes block = reseal(w, &b, sealer);
    if (import(w, 1, block) != IMPORT_HEAD) fail_msg("%s: %s", block_verdict_text(w->verdict), err_text(&w->err));
    assert_int_equal(head_of(w, 1).finalised, 1); /* both have signed block 1 */
    node_restart(w, 1);
    w->step++;
    assert_int_equal(head_of(w, 1).finalised, 1);

    /* the same with the step of somebody else's signature is refused */
    list.ptr[20] ^= 1;
    assert_int_equal(import(w, 0, reseal(w, &b, sealer)), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_EMPTY_STEPS);
    buf_fini(&msg);
    buf_fini(&list);
    net_free(w);
}

static void a_reward_contract_says_who_gets_what(void **state)
{
    (void)state;
    char path[1024];
    if (!vectors_find(path, sizeof path, "chainspec/test.authority_round_block_reward_contract.json")) skip();
    struct net *w = net_new();
    assert_true(vectors_read(&w->json, path));
    for (size_t i = 0; i < 2; i++) { /* the spec's validators have the keys keccak("1") and keccak("0") */
        uint8_t pub[64];
        keccak256(w->key[i].b, i == 0 ? "1" : "0", 1);
        assert_int_equal(ec_public(pub, &w->key[i]), OK);
        ec_address(w->addr[i].b, pub);
    }
    char *step = strstr(buf_cstr(&w->json), "\"stepDuration\": 1");
    assert_non_null(step);
    step[16] = '0' + STEP_S;
    net_open_spec(w, buf_cstr(&w->json), 2);
    assert_set_everywhere(w, KEYS_OF(0, 1));
    const uint64_t maximum = w->spec.aura.maximum_empty_steps;
    assert_true(maximum > 0);
    w->spec.aura.maximum_empty_steps = 0; /* at first every step is a block */
    struct block b = decode(w, turn(w, 0));
    assert_true(account_exists(w, 1, &ADDRESS_SYSTEM)); /* a system call */
    u256 got = balance_of(w, 1, &b.header.author);
    assert_int_equal(got.w[0], 1000); /* it gives 1000 plus the kind, and the author's is 0 */
    assert_true(b.header.has_empty_steps);
    (void)turn(w, 0);
    (void)turn(w, 0);
    got = balance_of(w, 1, &b.header.author);
    assert_int_equal(got.w[0], 2000);
    w->spec.aura.maximum_empty_steps = 1;
    w->step++;
    const size_t other = key_in_turn(w, 0);
    bytes made = BYTES_EMPTY;
    got = balance_of(w, 1, &w->addr[other]);
    assert_int_equal(propose_as(&made, w, 0, other), OK);
    assert_true(w->is_empty_step);
    b = decode(w, turn(w, 0));
    assert_int_equal(aura_empty_steps_count(&b.header), 1);
    const u256 now = balance_of(w, 1, &w->addr[other]);
    assert_int_equal(now.w[0] - got.w[0], 1002); /* an empty step's kind is 2 */
    net_free(w);
}

/* --- gas limit by contract: it gives slot 0, or reverts when that is 0; any call with data sets it */

static void a_contract_says_the_gas_limit(void **state)
{
    (void)state;
    struct net *w = net_new();
    const char *contract = "\"" SMALL_CONTRACT "\":{\"balance\":\"0\",\"code\":\"0x3660041460"
                           "0e57600035600055005b60005480601a"
                           "57600080fd5b60005260206000f3\"},";
    net_open(w, 2, arena_printf(&w->arena, "\"blockGasLimitContractTransitions\":{\"2\":\"" SMALL_CONTRACT "\"},%s", validators_list(w, 3)), LONDON, contract);
    address to = address_of(SMALL_CONTRACT);
    uint8_t word[32] = {0};
    be64_put(word + 24, 12345678);
    queue_tx(w, 5, 0, &to, U256_ZERO, arena_copy(&w->arena, BYTES_OF(word)), 100000);
    struct block b = decode(w, turn(w, 0));
    uint64_t usual = b.header.gas_limit;
    be64_put(word + 24, 4000); /* below the spec's minimum */
    queue_tx(w, 5, 1, &to, U256_ZERO, arena_copy(&w->arena, BYTES_OF(word)), 100000);
    b = decode(w, turn(w, 0));
    assert_int_equal(b.header.gas_limit, 12345678); /* as it stood in the parent's state, far from the parent's limit */
    assert_true(usual > 40000000);
    w->step++;
    bytes good = seal(w, 0);
    b = decode(w, good);
    assert_int_equal(b.header.gas_limit, 4000);
    b.header.gas_limit++;
    assert_int_equal(import(w, 1, reseal(w, &b, key_of(w, &b.header.author))), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_GAS_LIMIT);
    assert_int_equal(import(w, 1, good), IMPORT_HEAD);
    net_free(w);
}

static void a_gas_limit_contract_that_fails_leaves_the_usual_bounds(void **state)
{
    (void)state;
    struct net *w = net_new();
    const char *contract = "\"" SMALL_CONTRACT "\":{\"balance\":\"0\",\"code\":\"0x60006000fd\"},";
    net_open(w, 2, arena_printf(&w->arena, "\"blockGasLimitContractTransitions\":{\"0\":\"" SMALL_CONTRACT "\"},%s", validators_list(w, 3)), LONDON, contract);
    (void)turn(w, 0);
    w->step++;
    bytes good = seal(w, 0);
    struct block b = decode(w, good);
    b.header.gas_limit += b.header.gas_limit / 256;
    assert_int_equal(import(w, 1, reseal(w, &b, key_of(w, &b.header.author))), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_GAS_LIMIT);
    assert_int_equal(import(w, 1, good), IMPORT_HEAD);
    net_free(w);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_admin_changes_the_set_and_all_nodes_apply_it_at_the_same_block),
        cmocka_unit_test(a_set_change_on_a_branch_goes_with_the_branch),
        cmocka_unit_test(the_ballot_of_a_branch_counts_by_the_sets_that_rule_on_it),
        cmocka_unit_test(a_second_signal_while_one_is_pending_is_lost),
        cmocka_unit_test(of_signals_that_become_final_together_the_first_counts),
        cmocka_unit_test(a_signal_that_names_nobody_or_another_parent_is_none),
        cmocka_unit_test(a_list_in_a_multi_rules_from_the_block_after_its_number),
        cmocka_unit_test(a_contract_in_a_multi_rules_once_its_block_is_final),
        cmocka_unit_test(a_list_in_a_later_spec_ends_a_deadlock),
        cmocka_unit_test(a_list_with_the_contract_behind_it_ends_a_deadlock_and_the_contract_goes_on),
        cmocka_unit_test(immediate_transitions_read_the_set_after_each_block),
        cmocka_unit_test(the_author_is_rewarded_by_the_amount_in_force),
        cmocka_unit_test(who_has_no_transactions_signs_its_step_and_the_next_block_carries_it),
        cmocka_unit_test(an_empty_step_promises_as_a_block_does),
        cmocka_unit_test(empty_steps_are_rewarded_and_sign_the_parent),
        cmocka_unit_test(a_reward_contract_says_who_gets_what),
        cmocka_unit_test(a_contract_says_the_gas_limit),
        cmocka_unit_test(a_gas_limit_contract_that_fails_leaves_the_usual_bounds),
    };
    return cmocka_run_group_tests_name("chain: sets", tests, NULL, NULL);
}
