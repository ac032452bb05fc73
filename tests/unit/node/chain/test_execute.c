#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"
#include "node/chain/execute.h"
#include "node/store/tables.h"

#include <cmocka.h>

/* --- a state in memory, an author, two accounts with keys */

struct world {
    struct kv *kv;
    struct kv_txn *txn;
    struct state *s;
    struct arena a;
    struct buf raw;
    struct exec_env env;
};

static const secret32 KEY = {{[31] = 1}}, OTHER_KEY = {{[31] = 2}};
static const address AUTHOR = {{0xaa, [19] = 1}}, CONTRACT = {{0xcc, [19] = 1}}, PLAIN = {{0xdd, [19] = 1}};

static address address_of(const secret32 *key)
{
    uint8_t pub[64];
    address a;
    assert_int_equal(ec_public(pub, key), OK);
    ec_address(a.b, pub);
    return a;
}

static void fund(struct world *w, const address *a, uint64_t wei)
{
    const u256 v = u256_from_u64(wei);
    assert_int_equal(state_add_balance(w->s, a, &v), OK);
}

static uint64_t balance(struct world *w, const address *a)
{
    u256 v;
    assert_int_equal(state_get_balance(w->s, a, &v), OK);
    return u256_to_u64_sat(&v);
}

static bool exists(struct world *w, const address *a)
{
    struct state_account acc;
    bool yes;
    assert_int_equal(state_get_account(w->s, a, &acc, &yes), OK);
    return yes;
}

static void world_init(struct world *w, enum fork f)
{
    *w = (struct world){0};
    assert_int_equal(kv_open_memory(&w->kv, TABLE_N), OK);
    assert_int_equal(kv_begin(&w->txn, w->kv, true), OK);
    assert_int_equal(state_open(&w->s, w->txn, STATE_LATEST), OK);
    assert_int_equal(evm_new(&w->env.evm, 0), OK);
    arena_init(&w->a, SIZE_MAX);
    buf_init(&w->raw, 1 << 20);
    rules_from_fork(&w->env.rules, f);
    w->env.block = (struct evm_block){.number = 7, .timestamp = 1000, .gas_limit = 10000000, .author = AUTHOR, .chain_id = 1};
    const address me = address_of(&KEY);
    fund(w, &me, 1000000000);
}

static void world_fini(struct world *w)
{
    evm_free(w->env.evm);
    state_free(w->s);
    kv_abort(w->txn);
    kv_close(w->kv);
    arena_fini(&w->a);
    buf_fini(&w->raw);
}

static struct tx transfer(uint64_t nonce, uint64_t price, uint64_t value)
{
    return (struct tx){.has_chain_id = true, .chain_id = 1, .nonce = nonce, .gas_limit = 100000, .max_fee = u256_from_u64(price),
                       .max_priority = u256_from_u64(price), .has_to = true, .to = PLAIN, .value = u256_from_u64(value)};
}

static enum tx_verdict run(struct world *w, struct tx *tx, struct receipt *r)
{
    enum tx_verdict v;
    buf_clear(&w->raw);
    assert_int_equal(tx_sign(tx, &w->raw, &KEY), OK);
    tx->has_sender = true;
    assert_int_equal(exec_tx(&v, r, NULL, &w->env, w->s, tx, &w->a), OK);
    return v;
}

static void set_code(struct world *w, const address *a, const char *code, size_t len)
{
    assert_int_equal(state_set_code(w->s, a, bytes_make(code, len)), OK);
}
#define SET_CODE(w, a, code) set_code((w), (a), (code), sizeof(code) - 1)

/* --- */

static void a_gas_price_of_zero_works_and_leaves_no_trace_of_the_author(void **state)
{
    (void)state;
    struct world w;
    struct receipt r;
    world_init(&w, FORK_PRAGUE);
    const address me = address_of(&KEY);
    struct tx tx = transfer(0, 0, 5);
    assert_int_equal(run(&w, &tx, &r), TX_VALID);
    assert_true(r.ok);
    assert_int_equal(r.gas_used, 21000);
    assert_int_equal(r.cumulative_gas, 21000);
    assert_int_equal(r.form, RECEIPT_STATUS);
    assert_int_equal(balance(&w, &me), 1000000000 - 5);
    assert_int_equal(balance(&w, &PLAIN), 5);
    assert_false(exists(&w, &AUTHOR));
    tx = transfer(1, 0, 0);
    tx.type = TX_DYNAMIC_FEE;
    assert_int_equal(run(&w, &tx, &r), TX_VALID);
    assert_int_equal(r.cumulative_gas, 42000);
    assert_int_equal(w.env.gas_used, 42000);
    world_fini(&w);
}

static void before_eip161_a_fee_of_zero_creates_the_author_and_receipts_have_roots(void **state)
{
    (void)state;
    struct world w;
    struct receipt r;
    hash32 root;
    world_init(&w, FORK_HOMESTEAD);
    struct tx tx = transfer(0, 0, 5);
    tx.has_chain_id = false;
    assert_int_equal(run(&w, &tx, &r), TX_VALID);
    assert_true(exists(&w, &AUTHOR));
    assert_int_equal(r.form, RECEIPT_ROOT);
    assert_int_equal(state_root(w.s, &root), OK);
    assert_memory_equal(&root, &r.root, 32);
    world_fini(&w);
}

static void the_base_fee_is_burnt_or_collected_and_the_tip_is_the_authors(void **state)
{
    (void)state;
    for (int collected = 0; collected < 2; collected++) {
        struct world w;
        struct receipt r;
        const address collector = {{0xfe}}, me = address_of(&KEY);
        world_init(&w, FORK_LONDON);
        w.env.block.base_fee = u256_from_u64(10);
        w.env.has_fee_collector = collected != 0;
        w.env.fee_collector = collector;
        struct tx tx = transfer(0, 0, 0);
        tx.type = TX_DYNAMIC_FEE;
        tx.max_fee = u256_from_u64(14);
        tx.max_priority = u256_from_u64(9); /* only 4 are left above the base fee */
        assert_int_equal(run(&w, &tx, &r), TX_VALID);
        assert_int_equal(balance(&w, &AUTHOR), 4 * 21000);
        assert_int_equal(balance(&w, &me), 1000000000 - 14 * 21000);
        assert_int_equal(balance(&w, &collector), collected ? 10 * 21000 : 0);
        world_fini(&w);
    }
}

static void every_verdict_leaves_state_and_block_as_they_were(void **state)
{
    (void)state;
    static const uint8_t BAD_VERSION[] = "\xa0\x02xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", GOOD[] = "\xa0\x01xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    static uint8_t data[60000], blobs[10 * 33];
    for (size_t i = 0; i < 10; i++) memcpy(blobs + 33 * i, GOOD, 33);
    for (int i = 0; i < 21; i++) {
        struct world w;
        struct receipt r;
        hash32 before, after;
        enum tx_verdict want = TX_VALID;
        world_init(&w, FORK_PRAGUE);
        w.env.block.base_fee = u256_from_u64(3);
        w.env.block.blob_base_fee = u256_from_u64(2);
        struct tx tx = transfer(0, 5, 1), blob = tx;
        blob.type = TX_BLOB;
        blob.max_blob_fee = u256_from_u64(2);
        blob.blob_hashes = bytes_make(blobs, 33);
        switch (i) {
        case 0: want = TX_NONCE_TOO_HIGH, tx.nonce = 1; break;
        case 1: want = TX_INSUFFICIENT_FUNDS, tx.value = u256_from_u64(999600000); break;
        case 2: want = TX_INTRINSIC_GAS, tx.gas_limit = 20999; break;
        case 3: want = TX_FLOOR_GAS, tx.gas_limit = 21000 + 4 * 1000, tx.data = bytes_make(data, 1000); break;
        case 4: want = TX_GAS_LIMIT_REACHED, tx.gas_limit = 10000001; break;
        case 5: want = TX_TYPE_NOT_SUPPORTED, tx.type = TX_SET_CODE, w.env.rules.eip7702 = false; break;
        case 6: want = TX_FEE_BELOW_BASE, tx.max_fee = tx.max_priority = u256_from_u64(2); break;
        case 7: want = TX_TIP_ABOVE_FEE, tx.type = TX_DYNAMIC_FEE, tx.max_priority = u256_from_u64(6); break;
        case 8: want = TX_INIT_CODE_TOO_LARGE, tx.has_to = false, tx.data = bytes_make(data, 49153), tx.gas_limit = 900000; break;
        case 9: want = TX_CHAIN_ID, tx.chain_id = 2; break;
        case 10: want = TX_BLOB_COUNT, tx = blob, tx.blob_hashes = BYTES_EMPTY; break;
        case 11: want = TX_BLOB_COUNT, tx = blob, tx.blob_hashes = bytes_make(blobs, 330); break;
        case 12: want = TX_BLOB_VERSION, tx = blob, tx.blob_hashes = bytes_make(BAD_VERSION, 33); break;
        case 13: want = TX_BLOB_FEE, tx = blob, tx.max_blob_fee = U256_ONE; break;
        case 14: want = TX_BLOB_CREATE, tx = blob, tx.has_to = false; break;
        case 15: want = TX_AUTH_EMPTY, tx.type = TX_SET_CODE; break;
        case 16: want = TX_AUTH_CREATE, tx.type = TX_SET_CODE, tx.has_to = false; break;
        case 17: want = TX_VALUE_OVERFLOW, tx.max_fee = U256_MAX; break;
        case 18: want = TX_GAS_LIMIT_REACHED, w.env.gas_used = 9950000; break;
        case 19: want = TX_GAS_LIMIT_REACHED, tx = blob, w.env.blob_gas_used = 9 << 17; break;
        case 20: {
            const address me = address_of(&KEY);
            want = TX_SENDER_HAS_CODE;
            SET_CODE(&w, &me, "\x00");
            break;
        }
        default: break;
        }
        const uint64_t used = w.env.gas_used;
        assert_int_equal(state_root(w.s, &before), OK);
        assert_string_equal(tx_verdict_text(run(&w, &tx, &r)), tx_verdict_text(want));
        assert_int_equal(state_root(w.s, &after), OK);
        assert_memory_equal(&before, &after, 32);
        assert_int_equal(w.env.gas_used, used);
        world_fini(&w);
    }
}

static void a_nonce_too_low_or_at_its_end_is_refused(void **state)
{
    (void)state;
    struct world w;
    struct receipt r;
    world_init(&w, FORK_LONDON);
    const address me = address_of(&KEY);
    assert_int_equal(state_set_nonce(w.s, &me, 3), OK);
    struct tx tx = transfer(2, 0, 0);
    assert_int_equal(run(&w, &tx, &r), TX_NONCE_TOO_LOW);
    assert_int_equal(state_set_nonce(w.s, &me, UINT64_MAX), OK);
    tx = transfer(UINT64_MAX, 0, 0);
    assert_int_equal(run(&w, &tx, &r), TX_NONCE_MAX);
    tx = transfer(UINT64_MAX, 0, 0);
    tx.has_sender = false;
    enum tx_verdict v;
    assert_int_equal(exec_tx_check(&v, &w.env, w.s, &tx), OK);
    assert_int_equal(v, TX_BAD_SIGNATURE);
    world_fini(&w);
}

static void gas_before_the_first_opcode_follows_the_forks(void **state)
{
    (void)state;
    static const uint8_t data[] = {0, 0, 0, 1, 2};
    static const struct {
        enum fork fork;
        bool create;
        uint64_t gas, floor;
    } CASES[] = {
        {FORK_FRONTIER, false, 21000 + 3 * 4 + 2 * 68, 0},  {FORK_FRONTIER, true, 21000 + 3 * 4 + 2 * 68, 0},
        {FORK_HOMESTEAD, true, 53000 + 3 * 4 + 2 * 68, 0},  {FORK_ISTANBUL, false, 21000 + 3 * 4 + 2 * 16, 0},
        {FORK_SHANGHAI, true, 53000 + 3 * 4 + 2 * 16 + 2, 0}, {FORK_PRAGUE, false, 21000 + 3 * 4 + 2 * 16, 21000 + 10 * (3 + 8)},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct rules r;
        uint64_t gas, floor;
        rules_from_fork(&r, CASES[i].fork);
        struct tx tx = {.has_to = !CASES[i].create, .data = BYTES_OF(data)};
        assert_true(exec_tx_intrinsic(&gas, &floor, &tx, &r));
        assert_int_equal(gas, CASES[i].gas);
        assert_int_equal(floor, CASES[i].floor);
    }
    struct buf b;
    struct rules r;
    uint64_t gas, floor;
    buf_init(&b, 1000);
    size_t entry = rlp_list_open(&b);
    rlp_put_string(&b, BYTES_OF(PLAIN));
    size_t keys = rlp_list_open(&b);
    rlp_put_string(&b, BYTES_OF(KEY));
    rlp_put_string(&b, BYTES_OF(OTHER_KEY));
    rlp_list_close(&b, keys);
    rlp_list_close(&b, entry);
    rules_from_fork(&r, FORK_BERLIN);
    struct tx tx = {.type = TX_ACCESS_LIST, .has_to = true, .access_list = buf_view(&b)};
    assert_true(exec_tx_intrinsic(&gas, &floor, &tx, &r));
    assert_int_equal(gas, 21000 + 2400 + 2 * 1900);
    buf_fini(&b);
}

static void the_calldata_floor_is_charged_when_execution_was_cheaper(void **state)
{
    (void)state;
    static const uint8_t data[1000];
    struct world w;
    struct receipt r;
    world_init(&w, FORK_PRAGUE);
    struct tx tx = transfer(0, 0, 0);
    tx.data = BYTES_OF(data);
    assert_int_equal(run(&w, &tx, &r), TX_VALID);
    assert_int_equal(r.gas_used, 21000 + 10 * 1000);
    world_fini(&w);
}

static void a_creation_gives_its_address_and_a_failed_one_keeps_the_nonce(void **state)
{
    (void)state;
    struct world w;
    struct receipt r;
    u256 v;
    uint64_t nonce;
    world_init(&w, FORK_PRAGUE);
    const address me = address_of(&KEY);
    /* returns one byte of code: 0x00 */
    static const uint8_t init[] = {0x60, 1, 0x60, 0, 0xf3}, bad[] = {0xfe};
    struct tx tx = transfer(0, 1, 9);
    tx.has_to = false;
    tx.data = BYTES_OF(init);
    assert_int_equal(run(&w, &tx, &r), TX_VALID);
    assert_true(r.ok && r.has_contract);
    const address made = address_create(&me, 0);
    assert_memory_equal(&made, &r.contract_address, 20);
    assert_int_equal(balance(&w, &made), 9);
    bytes code;
    assert_int_equal(state_get_code(w.s, &made, &code), OK);
    assert_int_equal(code.len, 1);
    tx = transfer(1, 1, 9);
    tx.has_to = false;
    tx.data = BYTES_OF(bad);
    assert_int_equal(run(&w, &tx, &r), TX_VALID);
    assert_false(r.ok);
    assert_int_equal(r.gas_used, tx.gas_limit);
    assert_int_equal(state_get_nonce(w.s, &me, &nonce), OK);
    assert_int_equal(nonce, 2);
    const address not_made = address_create(&me, 1);
    assert_false(exists(&w, &not_made));
    assert_int_equal(state_get_balance(w.s, &me, &v), OK);
    assert_int_equal(v.w[0], 1000000000 - 9 - w.env.gas_used);
    world_fini(&w);
}

static void refunds_are_bounded_by_a_share_of_the_gas(void **state)
{
    (void)state;
    static const struct {
        enum fork fork;
        uint64_t used;
    } CASES[] = {
        /* SSTORE(0, 0) of a slot that held 1: 2 pushes, 5000; refund 15000, at most a half */
        {FORK_BYZANTIUM, (21000 + 6 + 5000) - (21000 + 6 + 5000) / 2},
        /* cold slot 2100 + 2900; refund 4800, at most a fifth: 26006 / 5 = 5201 */
        {FORK_LONDON, 21000 + 6 + 5000 - 4800},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct world w;
        struct receipt r;
        world_init(&w, CASES[i].fork);
        SET_CODE(&w, &CONTRACT, "\x60\x00\x60\x00\x55");
        assert_int_equal(state_set_storage(w.s, &CONTRACT, &U256_ZERO, &U256_ONE), OK);
        struct tx tx = transfer(0, 0, 0);
        tx.to = CONTRACT;
        assert_int_equal(run(&w, &tx, &r), TX_VALID);
        assert_int_equal(r.gas_used, CASES[i].used);
        world_fini(&w);
    }
}

static void logs_and_bloom_come_with_the_receipt_and_not_from_what_failed(void **state)
{
    (void)state;
    struct world w;
    struct receipt r;
    world_init(&w, FORK_LONDON);
    SET_CODE(&w, &CONTRACT, "\x60\x07\x60\x00\x60\x00\xa1");               /* LOG1, topic 7 */
    SET_CODE(&w, &PLAIN, "\x60\x07\x60\x00\x60\x00\xa1\x60\x00\x60\x00\xfd"); /* the same, then REVERT */
    struct tx tx = transfer(0, 0, 0);
    tx.to = CONTRACT;
    assert_int_equal(run(&w, &tx, &r), TX_VALID);
    assert_int_equal(r.n_logs, 1);
    assert_int_equal(r.logs[0].topics[0].b[31], 7);
    assert_true(bloom_may_hold(&r.filter, BYTES_OF(CONTRACT)));
    tx = transfer(1, 0, 0);
    assert_int_equal(run(&w, &tx, &r), TX_VALID);
    assert_false(r.ok);
    assert_int_equal(r.n_logs, 0);
    assert_false(bloom_may_hold(&r.filter, BYTES_OF(PLAIN)));
    world_fini(&w);
}

/* --- EIP-7702 */

static void put_auth(struct buf *out, const secret32 *key, uint64_t chain_id, const address *to, uint64_t nonce)
{
    struct buf b;
    uint8_t hash[32], sig[65];
    buf_init(&b, 200);
    buf_put_u8(&b, 0x05);
    struct buf list;
    buf_init(&list, 200);
    size_t l = rlp_list_open(&list);
    rlp_put_u64(&list, chain_id);
    rlp_put_string(&list, BYTES_OF(*to));
    rlp_put_u64(&list, nonce);
    rlp_list_close(&list, l);
    buf_put_bytes(&b, buf_view(&list));
    keccak256(hash, b.ptr, b.len);
    assert_int_equal(ec_sign(sig, hash, key), OK);
    l = rlp_list_open(out);
    rlp_put_u64(out, chain_id);
    rlp_put_string(out, BYTES_OF(*to));
    rlp_put_u64(out, nonce);
    rlp_put_u64(out, sig[64]);
    rlp_put_uint(out, bytes_make(sig, 32));
    rlp_put_uint(out, bytes_make(sig + 32, 32));
    rlp_list_close(out, l);
    buf_fini(&b);
    buf_fini(&list);
}

static void authorizations_set_code_and_bad_ones_are_passed_over(void **state)
{
    (void)state;
    struct world w;
    struct receipt r;
    struct buf auths;
    bytes code;
    u256 v;
    world_init(&w, FORK_PRAGUE);
    const address other = address_of(&OTHER_KEY), me = address_of(&KEY), zero = {{0}};
    SET_CODE(&w, &CONTRACT, "\x60\x2a\x60\x01\x55"); /* slot 1 = 42 */
    buf_init(&auths, 10000);
    put_auth(&auths, &OTHER_KEY, 9, &CONTRACT, 0); /* another chain */
    put_auth(&auths, &OTHER_KEY, 1, &CONTRACT, 5); /* wrong nonce */
    put_auth(&auths, &OTHER_KEY, 0, &CONTRACT, 0); /* any chain: holds */
    put_auth(&auths, &KEY, 1, &CONTRACT, 1);       /* the sender's own, after its nonce went up */
    struct tx tx = transfer(0, 0, 0);
    tx.type = TX_SET_CODE;
    tx.to = other;
    tx.gas_limit = 500000;
    tx.auth_list = buf_view(&auths);
    assert_int_equal(run(&w, &tx, &r), TX_VALID);
    assert_true(r.ok);
    assert_int_equal(state_get_code(w.s, &other, &code), OK);
    assert_int_equal(code.len, 23);
    assert_memory_equal(code.ptr, "\xef\x01\x00", 3);
    assert_memory_equal(code.ptr + 3, &CONTRACT, 20);
    uint64_t nonce;
    assert_int_equal(state_get_nonce(w.s, &other, &nonce), OK);
    assert_int_equal(nonce, 1);
    assert_int_equal(state_get_nonce(w.s, &me, &nonce), OK);
    assert_int_equal(nonce, 2);
    /* the call ran the contract's code on the other account's storage */
    assert_int_equal(state_get_storage(w.s, &other, &U256_ONE, &v), OK);
    assert_int_equal(v.w[0], 42);
    /* intrinsic 21000 + 4 * 25000; run: 2 pushes and a cold SSTORE to a fresh slot; delegate: warm, as it was never a cold access of
     * the outermost call; refund 12500 for the sender, who existed; the other account did not */
    assert_int_equal(r.gas_used, 21000 + 100000 + 6 + 22100 - 12500);

    /* an account that delegates may still send, and may clear its code */
    buf_clear(&auths);
    put_auth(&auths, &OTHER_KEY, 1, &zero, 1);
    tx = transfer(2, 0, 0);
    tx.type = TX_SET_CODE;
    tx.gas_limit = 500000;
    tx.auth_list = buf_view(&auths);
    assert_int_equal(run(&w, &tx, &r), TX_VALID);
    assert_int_equal(state_get_code(w.s, &other, &code), OK);
    assert_int_equal(code.len, 0);
    buf_fini(&auths);
    world_fini(&w);
}

/* --- messages without a transaction */

/* CALL to a with no value, data or output, and all gas; 34 bytes on the stack machine: the result is on top */
static void put_call(struct buf *code, const address *a)
{
    buf_put(code, "\x60\x00\x60\x00\x60\x00\x60\x00\x60\x00\x73", 11);
    buf_put(code, a->b, 20);
    buf_put(code, "\x5a\xf1", 2);
}

static u256 slot_of(struct world *w, const address *a, uint64_t key)
{
    const u256 k = u256_from_u64(key);
    u256 v;
    assert_int_equal(state_get_storage(w->s, a, &k, &v), OK);
    return v;
}

static void a_system_call_sees_the_gas_that_parity_gives_it(void **state)
{
    (void)state;
    struct world w;
    struct evm_result out;
    struct buf code;
    const address burner = {{0xbb, [19] = 1}};
    world_init(&w, FORK_LONDON);
    buf_init(&code, 4096);
    /* calls PLAIN, then stores GASLIMIT in slot 1 and GAS in slot 0 */
    put_call(&code, &PLAIN);
    buf_put(&code, "\x45\x60\x01\x55\x5a\x60\x00\x55", 8);
    assert_int_equal(state_set_code(w.s, &CONTRACT, buf_view(&code)), OK);
    SET_CODE(&w, &PLAIN, "\x5a\x60\x00\x55");
    SET_CODE(&w, &burner, "\xfe");
    assert_int_equal(exec_system_call(&out, &w.env, w.s, &CONTRACT, BYTES_EMPTY), OK);
    assert_int_equal(out.outcome, EVM_SUCCESS);
    u256 v = slot_of(&w, &CONTRACT, 1);
    assert_true(u256_eq(&v, &U256_MAX));
    /* 20 of pushes and GAS, 2600 for a cold account: 2^256 - 2621 less its 64th is given, 2 of which GAS costs */
    const u256 inner = u256_sub(u256_sub(U256_ZERO, u256_shl(U256_ONE, 250)), u256_from_u64(2582));
    v = slot_of(&w, &PLAIN, 0);
    assert_true(u256_eq(&v, &inner));
    /* PLAIN used 2 + 3 + 22100, the rest came back; GASLIMIT, PUSH1, SSTORE, GAS here */
    const u256 after = u256_sub(U256_MAX, u256_from_u64(2620 + 22105 + 2 + 3 + 22100 + 2));
    v = slot_of(&w, &CONTRACT, 0);
    assert_true(u256_eq(&v, &after));
    /* each of these takes 63 of 64 parts of what is left: 62 bits would be dry after nine */
    buf_clear(&code);
    for (int i = 0; i < 20; i++) put_call(&code, &burner);
    buf_put(&code, "\x60\x07\x60\x00\x55", 5);
    assert_int_equal(state_set_code(w.s, &CONTRACT, buf_view(&code)), OK);
    assert_int_equal(exec_system_call(&out, &w.env, w.s, &CONTRACT, BYTES_EMPTY), OK);
    assert_int_equal(out.outcome, EVM_SUCCESS);
    assert_int_equal(slot_of(&w, &CONTRACT, 0).w[0], 7);
    buf_fini(&code);
    world_fini(&w);
}

static void a_system_call_creates_its_sender_unless_it_fails(void **state)
{
    (void)state;
    struct world w;
    struct evm_result out;
    u256 v;
    world_init(&w, FORK_LONDON);
    SET_CODE(&w, &CONTRACT, "\x33\x60\x00\x55"); /* slot 0 = caller */
    SET_CODE(&w, &PLAIN, "\x60\x01\x60\x00\x55\x60\x00\x60\x00\xfd");
    assert_int_equal(exec_system_call(&out, &w.env, w.s, &PLAIN, BYTES_EMPTY), OK);
    assert_int_equal(out.outcome, EVM_REVERT);
    assert_false(exists(&w, &ADDRESS_SYSTEM));
    assert_int_equal(state_get_storage(w.s, &PLAIN, &U256_ZERO, &v), OK);
    assert_true(u256_is_zero(&v));
    assert_int_equal(exec_system_call(&out, &w.env, w.s, &CONTRACT, BYTES_EMPTY), OK);
    assert_int_equal(out.outcome, EVM_SUCCESS);
    assert_true(exists(&w, &ADDRESS_SYSTEM));
    assert_int_equal(state_get_storage(w.s, &CONTRACT, &U256_ZERO, &v), OK);
    uint8_t be[32];
    u256_to_be(be, &v);
    assert_memory_equal(be + 12, &ADDRESS_SYSTEM, 20);
    assert_int_equal(w.env.gas_used, 0);
    assert_int_equal(w.env.block.gas_limit, 10000000);
    /* it outlives the transactions that follow */
    struct receipt r;
    struct tx tx = transfer(0, 0, 1);
    assert_int_equal(run(&w, &tx, &r), TX_VALID);
    assert_true(exists(&w, &ADDRESS_SYSTEM));
    world_fini(&w);
}

static void a_protocol_call_creates_no_sender_and_needs_code(void **state)
{
    (void)state;
    struct world w;
    struct evm_result out;
    u256 v;
    world_init(&w, FORK_CANCUN);
    assert_int_equal(exec_protocol_call(&out, &w.env, w.s, &PLAIN, BYTES_EMPTY), OK);
    assert_int_equal(out.outcome, EVM_SUCCESS);
    assert_false(exists(&w, &PLAIN));
    SET_CODE(&w, &CONTRACT, "\x60\x00\x35\x60\x00\x55"); /* slot 0 = first word of the input */
    assert_int_equal(exec_protocol_call(&out, &w.env, w.s, &CONTRACT, BYTES_OF(KEY)), OK);
    assert_int_equal(state_get_storage(w.s, &CONTRACT, &U256_ZERO, &v), OK);
    assert_int_equal(v.w[0], 1);
    assert_false(exists(&w, &ADDRESS_SYSTEM));
    world_fini(&w);
}

static void a_call_needs_no_money_for_gas_but_for_its_value(void **state)
{
    (void)state;
    struct world w;
    struct evm_result out;
    const address poor = {{0x99}};
    const u256 price = u256_from_u64(1000);
    world_init(&w, FORK_PRAGUE);
    SET_CODE(&w, &CONTRACT, "\x3a\x60\x00\x52\x60\x20\x60\x00\xf3"); /* returns the gas price */
    struct evm_message msg = {.kind = EVM_CALL, .sender = poor, .recipient = CONTRACT, .code_address = CONTRACT, .gas = 50000};
    assert_int_equal(exec_call(&out, &w.env, w.s, &msg, &price), OK);
    assert_int_equal(out.outcome, EVM_SUCCESS);
    assert_int_equal(out.output.len, 32);
    assert_int_equal(out.output.ptr[30] << 8 | out.output.ptr[31], 1000);
    msg.value = U256_ONE;
    assert_int_equal(exec_call(&out, &w.env, w.s, &msg, &price), OK);
    assert_int_equal(out.outcome, EVM_BALANCE);
    world_fini(&w);
}

/* --- fees from block to block */

static void base_fees_follow_eip1559(void **state)
{
    (void)state;
    static const struct {
        uint64_t fee, limit, used, want;
    } CASES[] = {
        {1000000000, 20000000, 10000000, 1000000000}, {1000000000, 20000000, 9000000, 987500000},
        {1000000000, 20000000, 11000000, 1012500000}, {1000000000, 20000000, 20000000, 1125000000},
        {1000000000, 20000000, 0, 875000000},         {1, 20000000, 10000001, 2}, /* at least 1 up */
        {7, 20000000, 0, 7},                          {0, 20000000, 20000000, 1},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct header h = {.has_base_fee = true, .base_fee = u256_from_u64(CASES[i].fee), .gas_limit = CASES[i].limit,
                           .gas_used = CASES[i].used};
        u256 got = exec_base_fee(NULL, &h);
        assert_int_equal(got.w[0], CASES[i].want);
    }
    struct header first = {.gas_limit = 1};
    assert_int_equal(exec_base_fee(NULL, &first).w[0], 1000000000);
    /* a base fee of zero stays when no block can use more gas than its target, as the specs of ours have it */
    static struct chain_spec spec;
    spec.base_fee_denominator = 8;
    spec.elasticity_multiplier = 1;
    struct header full = {.has_base_fee = true, .gas_limit = 100, .gas_used = 100};
    assert_int_equal(exec_base_fee(&spec, &full).w[0], 0);
    spec.base_fee_initial = u256_from_u64(5);
    spec.has_base_fee_min = true;
    spec.base_fee_min = u256_from_u64(4);
    full.base_fee = u256_from_u64(4);
    full.gas_used = 0;
    assert_int_equal(exec_base_fee(&spec, &full).w[0], 4);
}

static void blob_fees_follow_eip4844(void **state)
{
    (void)state;
    static const struct {
        uint64_t excess, fee;
    } FEES[] = {{0, 1}, {2314057, 1}, {2314058, 2}, {10 * 1024 * 1024, 23}};
    for (size_t i = 0; i < COUNT_OF(FEES); i++) {
        u256 got = exec_blob_base_fee(FEES[i].excess, false);
        assert_int_equal(got.w[0], FEES[i].fee);
    }
    assert_int_equal(exec_blob_base_fee(0, true).w[0], 1);
    const u256 huge = exec_blob_base_fee(UINT64_MAX, false);
    assert_true(u256_eq(&huge, &U256_MAX));
    struct header h = {.has_blob_gas = true, .excess_blob_gas = 100, .blob_gas_used = 3 << 17};
    assert_int_equal(exec_excess_blob_gas(&h, false), 100);
    assert_int_equal(exec_excess_blob_gas(&h, true), 0);
    h.has_blob_gas = false;
    assert_int_equal(exec_excess_blob_gas(&h, false), 0);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gas_price_of_zero_works_and_leaves_no_trace_of_the_author),
        cmocka_unit_test(before_eip161_a_fee_of_zero_creates_the_author_and_receipts_have_roots),
        cmocka_unit_test(the_base_fee_is_burnt_or_collected_and_the_tip_is_the_authors),
        cmocka_unit_test(every_verdict_leaves_state_and_block_as_they_were),
        cmocka_unit_test(a_nonce_too_low_or_at_its_end_is_refused),
        cmocka_unit_test(gas_before_the_first_opcode_follows_the_forks),
        cmocka_unit_test(the_calldata_floor_is_charged_when_execution_was_cheaper),
        cmocka_unit_test(a_creation_gives_its_address_and_a_failed_one_keeps_the_nonce),
        cmocka_unit_test(refunds_are_bounded_by_a_share_of_the_gas),
        cmocka_unit_test(logs_and_bloom_come_with_the_receipt_and_not_from_what_failed),
        cmocka_unit_test(authorizations_set_code_and_bad_ones_are_passed_over),
        cmocka_unit_test(a_system_call_sees_the_gas_that_parity_gives_it),
        cmocka_unit_test(a_system_call_creates_its_sender_unless_it_fails),
        cmocka_unit_test(a_protocol_call_creates_no_sender_and_needs_code),
        cmocka_unit_test(a_call_needs_no_money_for_gas_but_for_its_value),
        cmocka_unit_test(base_fees_follow_eip1559),
        cmocka_unit_test(blob_fees_follow_eip4844),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
