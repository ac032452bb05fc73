#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/clock.h"
#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"
#include "lib/eth/rules.h"
#include "lib/eth/tx.h"
#include "tests/unit/vectors.h"

#include <jansson.h>

#include <cmocka.h>

static struct buf unhex(const char *hex)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(hex_get(&b, bytes_str(hex)), OK);
    return b;
}

/* ------------------------------------------------------ the official TransactionTests: validity by fork, hash, sender, gas */

/* A second version of the rules of a transaction, kept here so that lib/eth is tested without node/chain. */
static bool is_valid_in(struct tx *tx, const struct rules *r, uint64_t *gas)
{
    if (tx->type == TX_ACCESS_LIST && !r->eip2930) return false;
    if (tx->type == TX_DYNAMIC_FEE && !r->eip1559) return false;
    if (tx->type == TX_BLOB && !r->eip4844) return false;
    if (tx->type == TX_SET_CODE && !r->eip7702) return false;
    if (tx->has_chain_id && ((tx->type == TX_LEGACY && !r->eip155) || tx->chain_id != r->chain_id)) return false;
    if (tx_recover(tx, r->homestead) != OK) return false;
    u256 cost, limit = u256_from_u64(tx->gas_limit);
    if (u256_lt(&tx->max_fee, &tx->max_priority) || u256_mul_overflow(&cost, tx->max_fee, limit)) return false;
    size_t n_addresses, n_keys;
    access_list_count(&n_addresses, &n_keys, tx->access_list);
    *gas = 21000 + 2400 * n_addresses + 1900 * n_keys;
    for (size_t i = 0; i < tx->data.len; i++)
        *gas += tx->data.ptr[i] == 0 ? 4 : r->eip2028 ? 16 : 68;
    if (!tx->has_to && r->homestead) *gas += 32000;
    if (!tx->has_to && r->eip3860) {
        if (tx->data.len > r->max_init_code_size) return false;
        *gas += 2 * ((tx->data.len + 31) / 32);
    }
    return *gas <= tx->gas_limit;
}

static void check_fork(const char *path, const char *fork_text, json_t *want, bytes raw)
{
    enum fork f;
    struct rules r;
    struct tx tx;
    uint64_t gas = 0;
    assert_int_equal(fork_parse(&f, fork_text), OK);
    rules_from_fork(&r, f);
    bool ok = tx_get(&tx, raw, NULL) == OK && is_valid_in(&tx, &r, &gas);
    bool want_ok = json_object_get(want, "exception") == NULL;
    if (ok != want_ok) fail_msg("%s: %s: %s", path, fork_text, ok ? "accepted" : "refused");
    if (!ok) return;
    char text[67];
    hash_put(text, &tx.hash);
    assert_string_equal(text, json_string_value(json_object_get(want, "hash")));
    address_put(text, &tx.sender);
    assert_string_equal(text, json_string_value(json_object_get(want, "sender")));
    u256 want_gas;
    assert_int_equal(u256_get_hex(&want_gas, bytes_str(json_string_value(json_object_get(want, "intrinsicGas")))), OK);
    assert_int_equal(gas, want_gas.w[0]);
}

static void check_file(void *ctx, const char *path)
{
    size_t *n = ctx;
    json_t *doc = json_load_file(path, 0, NULL), *test, *want;
    const char *name, *fork;
    assert_non_null(doc);
    json_object_foreach(doc, name, test) {
        struct buf raw = unhex(json_string_value(json_object_get(test, "txbytes")));
        json_object_foreach(json_object_get(test, "result"), fork, want) {
            check_fork(path, fork, want, buf_view(&raw));
            ++*n;
        }
        buf_fini(&raw);
    }
    json_decref(doc);
}

static void tx_get_and_recover_pass_the_official_transaction_tests(void **state)
{
    (void)state;
    char dir[512];
    size_t n = 0;
    if (!vectors_find(dir, sizeof dir, "ethereum-tests/TransactionTests")) skip();
    assert_true(vectors_each(dir, ".json", check_file, &n) > 50);
    assert_true(n > 1000);
}

/* ---------------------------------------------------------------------------------------------------- published examples */

/* the example of EIP-155 */
static void tx_sign_gives_the_example_of_eip155(void **state)
{
    (void)state;
    secret32 key;
    memset(key.b, 0x46, sizeof key.b);
    struct tx tx = {.nonce = 9, .gas_limit = 21000, .has_to = true, .has_chain_id = true, .chain_id = 1};
    memset(tx.to.b, 0x35, sizeof tx.to.b);
    tx.max_fee = u256_from_u64(20000000000);
    tx.value = u256_from_u64(1000000000000000000);
    char text[67];
    hash32 h;
    struct buf out, want = unhex("0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc"
                                 "2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83");
    buf_init(&out, 4096);
    tx.max_priority = tx.max_fee;
    h = tx_signing_hash(&tx);
    hash_put(text, &h);
    assert_string_equal(text, "0xdaf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53");
    assert_int_equal(tx_sign(&tx, &out, &key), OK);
    assert_true(bytes_eq(buf_view(&out), buf_view(&want)));
    assert_true(bytes_eq(tx.raw, buf_view(&want)));
    /* the same with a signature that was made elsewhere; one that recovers nobody is none */
    struct tx again = tx;
    uint8_t sig[65];
    u256_to_be(sig, &tx.r);
    u256_to_be(sig + 32, &tx.s);
    sig[64] = tx.y_parity;
    memset(again.sender.b, 0, sizeof again.sender.b);
    buf_clear(&out);
    assert_int_equal(tx_sign_with(&again, &out, sig), OK);
    assert_true(bytes_eq(buf_view(&out), buf_view(&want)));
    assert_memory_equal(&again.sender, &tx.sender, sizeof tx.sender);
    memset(sig, 0xff, 32);
    buf_clear(&out);
    assert_int_equal(tx_sign_with(&again, &out, sig), E_CRYPTO);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
    buf_fini(&want);
}

/* ------------------------------------------------------------------------------------------------------ round trip of all */

static void fill_random(struct rng_seeded *r, uint8_t *dst, size_t len)
{
    for (size_t i = 0; i < len; i++)
        dst[i] = (uint8_t)rng_next(r);
}

static u256 random_u256(struct rng_seeded *r)
{
    u256 v = {{rng_next(r), rng_next(r), rng_next(r), rng_next(r)}};
    return u256_shr(v, rng_below(r, 257));
}

static void put_random_access_list(struct buf *out, struct rng_seeded *r)
{
    uint8_t tmp[32];
    for (uint64_t n = rng_below(r, 4); n > 0; n--) {
        size_t entry = rlp_list_open(out), keys;
        fill_random(r, tmp, 20);
        rlp_put_string(out, bytes_make(tmp, 20));
        keys = rlp_list_open(out);
        for (uint64_t k = rng_below(r, 4); k > 0; k--) {
            fill_random(r, tmp, 32);
            rlp_put_string(out, bytes_make(tmp, 32));
        }
        rlp_list_close(out, keys);
        rlp_list_close(out, entry);
    }
}

static void put_random_auth_list(struct buf *out, struct rng_seeded *r)
{
    uint8_t tmp[32];
    for (uint64_t n = 1 + rng_below(r, 3); n > 0; n--) {
        size_t entry = rlp_list_open(out);
        rlp_put_u64(out, rng_below(r, 3));
        fill_random(r, tmp, 20);
        rlp_put_string(out, bytes_make(tmp, 20));
        rlp_put_u64(out, rng_next(r));
        rlp_put_u64(out, rng_below(r, 256));
        for (int i = 0; i < 2; i++) {
            fill_random(r, tmp, 32);
            rlp_put_uint(out, bytes_make(tmp, 32));
        }
        rlp_list_close(out, entry);
    }
}

static void put_random_hashes(struct buf *out, struct rng_seeded *r)
{
    uint8_t tmp[32];
    for (uint64_t n = 1 + rng_below(r, 3); n > 0; n--) {
        fill_random(r, tmp, 32);
        rlp_put_string(out, bytes_make(tmp, 32));
    }
}

static struct tx random_tx(struct rng_seeded *r, struct buf lists[static 4])
{
    struct tx tx = {.type = (enum tx_type)rng_below(r, 5), .nonce = rng_next(r) >> rng_below(r, 64), .gas_limit = rng_next(r) >> rng_below(r, 64)};
    tx.has_chain_id = tx.type != TX_LEGACY || rng_below(r, 2) == 0;
    if (tx.has_chain_id) tx.chain_id = rng_next(r) >> rng_below(r, 64);
    if (tx.nonce == UINT64_MAX) tx.nonce--;
    tx.has_to = tx.type >= TX_BLOB || rng_below(r, 4) != 0;
    if (tx.has_to) fill_random(r, tx.to.b, sizeof tx.to.b);
    tx.max_fee = random_u256(r);
    tx.max_priority = tx.type == TX_LEGACY || tx.type == TX_ACCESS_LIST ? tx.max_fee : random_u256(r);
    tx.value = random_u256(r);
    for (int i = 0; i < 4; i++)
        buf_clear(&lists[i]);
    size_t len = (size_t)rng_below(r, 200);
    uint8_t *p = buf_reserve(&lists[0], len);
    assert_non_null(p);
    fill_random(r, p, len);
    tx.data = bytes_make(p, len);
    if (tx.type == TX_LEGACY) return tx;
    put_random_access_list(&lists[1], r);
    tx.access_list = buf_view(&lists[1]);
    if (tx.type == TX_BLOB) {
        tx.max_blob_fee = random_u256(r);
        put_random_hashes(&lists[2], r);
        tx.blob_hashes = buf_view(&lists[2]);
    }
    if (tx.type == TX_SET_CODE) {
        put_random_auth_list(&lists[3], r);
        tx.auth_list = buf_view(&lists[3]);
    }
    return tx;
}

static uint64_t test_seed(void)
{
    const char *text = getenv("POA_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : clock_wall_ms();
    print_message("# seed %llu (POA_TEST_SEED)\n", (unsigned long long)seed);
    return seed;
}

static void assert_same_fields(const struct tx *a, const struct tx *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->has_chain_id, b->has_chain_id);
    assert_int_equal(a->chain_id, b->chain_id);
    assert_int_equal(a->nonce, b->nonce);
    assert_int_equal(a->gas_limit, b->gas_limit);
    assert_int_equal(a->has_to, b->has_to);
    assert_memory_equal(&a->to, &b->to, sizeof a->to);
    assert_int_equal(a->y_parity, b->y_parity);
    assert_true(u256_eq(&a->max_fee, &b->max_fee) && u256_eq(&a->max_priority, &b->max_priority));
    assert_true(u256_eq(&a->value, &b->value) && u256_eq(&a->max_blob_fee, &b->max_blob_fee));
    assert_true(u256_eq(&a->r, &b->r) && u256_eq(&a->s, &b->s));
    assert_true(bytes_eq(a->data, b->data) && bytes_eq(a->access_list, b->access_list));
    assert_true(bytes_eq(a->auth_list, b->auth_list) && bytes_eq(a->blob_hashes, b->blob_hashes));
    assert_true(bytes_eq(a->raw, b->raw) && hash_eq(&a->hash, &b->hash));
}

static void a_signed_transaction_of_any_type_decodes_to_itself_and_its_sender(void **state)
{
    (void)state;
    struct rng_seeded r;
    struct buf lists[4], out, net;
    rng_seed(&r, test_seed());
    for (int i = 0; i < 4; i++)
        buf_init(&lists[i], 1 << 16);
    buf_init(&out, 1 << 16);
    buf_init(&net, 1 << 16);
    for (int round = 0; round < 1000; round++) {
        secret32 key;
        fill_random(&r, key.b, sizeof key.b);
        key.b[0] = 0x7f;
        struct tx tx = random_tx(&r, lists), back, again;
        buf_clear(&out);
        assert_int_equal(tx_sign(&tx, &out, &key), OK);
        assert_int_equal(tx_get(&back, buf_view(&out), NULL), OK);
        assert_same_fields(&tx, &back);
        assert_false(back.has_sender);
        assert_int_equal(tx_recover(&back, true), OK);
        assert_true(back.has_sender && address_eq(&back.sender, &tx.sender));

        buf_clear(&net);
        tx_put_network(&net, &tx);
        bytes in = buf_view(&net);
        assert_int_equal(tx_get_network(&again, &in, NULL), OK);
        assert_int_equal(in.len, 0);
        assert_same_fields(&tx, &again);

        /* every cut and one byte too many are refused */
        size_t cut = (size_t)rng_below(&r, out.len);
        struct tx keep = again;
        assert_int_equal(tx_get(&again, bytes_make(out.ptr, cut), NULL), E_DECODE);
        buf_put_u8(&out, 0);
        assert_int_equal(tx_get(&again, buf_view(&out), NULL), E_DECODE);
        assert_memory_equal(&keep, &again, sizeof keep);
    }
    for (int i = 0; i < 4; i++)
        buf_fini(&lists[i]);
    buf_fini(&out);
    buf_fini(&net);
}

/* -------------------------------------------------------------------------------------------------------- what is refused */

static void tx_get_names_the_field_that_is_bad_and_leaves_its_output(void **state)
{
    (void)state;
#define TO "940000000000000000000000000000000000000001"
    static const struct {
        const char *prefix, *fields; /* fields are wrapped in a list; NULL: the prefix is all */
        const char *want;
        enum status s;
    } t[] = {
        {"0x", NULL, "empty", E_DECODE},
        {"0x00", "0x", "type 0", E_UNSUPPORTED},
        {"0x05", "0x", "type 5", E_UNSUPPORTED},
        {"0x7f", "0x", "type 127", E_UNSUPPORTED},
        {"0x80", NULL, "list", E_DECODE},
        {"0xb8", NULL, "list", E_DECODE},
        {"0x01", NULL, "list", E_DECODE},
        {"0x", "0x", "nonce", E_DECODE},
        {"0x", "0x80", "gas price", E_DECODE},
        {"0x", "0x8080", "gas limit", E_DECODE},
        {"0x", "0x808080", "recipient", E_DECODE},
        {"0x", "0x8080809300000000000000000000000000000000000000", "recipient", E_DECODE},
        {"0x", "0x808080" TO, "value", E_DECODE},
        {"0x", "0x808080" TO "80", "data", E_DECODE},
        {"0x", "0x808080" TO "80c0", "data", E_DECODE},
        {"0x", "0x808080" TO "8080", "signature v", E_DECODE},
        {"0x", "0x808080" TO "80801b", "signature r", E_DECODE},
        {"0x", "0x808080" TO "80801b00", "signature r", E_DECODE},
        {"0x", "0x808080" TO "80801b01", "signature s", E_DECODE},
        {"0x", "0x808080" TO "80801b0101" "01", "too many", E_DECODE},
        {"0x", "0x808080" TO "80801d0101", "v is 29", E_DECODE},
        {"0x", "0x808080" TO "8080220101", "v is 34", E_DECODE},
        {"0x", "0x808080" TO "8080800101", "v is 0", E_DECODE},
        {"0x", "0x808080" TO "80808a020000000000000000000101", "64 bits", E_DECODE},
        {"0x", "0x88ffffffffffffffff8080" TO "80801b0101", "2681", E_DECODE},
        {"0x", "0x8901000000000000000080" TO "80801b0101", "nonce", E_DECODE},
        {"0x01", "0x", "chain id", E_DECODE},
        {"0x01", "0x890100000000000000008080", "chain id", E_DECODE},
        {"0x01", "0x01808080808080" "80", "access list", E_DECODE},
        {"0x01", "0x01808080808080" "c1c0", "access list", E_DECODE},
        {"0x01", "0x01808080808080" "d6d5" TO, "access list", E_DECODE},
        {"0x01", "0x01808080808080" "d8d7" TO "c180", "access list", E_DECODE},
        {"0x01", "0x01808080808080" "d7d6" TO "c0" "020101", "parity", E_DECODE},
        {"0x02", "0x0180", "max priority fee", E_DECODE},
        {"0x02", "0x018080", "max fee per gas", E_DECODE},
        {"0x02", "0x0180808080808080c0020101", "parity", E_DECODE},
        {"0x02", "0x0180808080808080c0010101" "80", "too many", E_DECODE},
        {"0x03", "0x018080808080" "8080c080c0800101", "recipient", E_DECODE},
        {"0x03", "0x0180808080" TO "8080c0c0", "blob gas", E_DECODE},
        {"0x03", "0x0180808080" TO "8080c080c180", "blob hashes", E_DECODE},
        {"0x04", "0x018080808080" "8080c0c0800101", "recipient", E_DECODE},
        {"0x04", "0x0180808080" TO "8080c0c1c0", "authorization", E_DECODE},
        {"0x04", "0x0180808080" TO "8080c0" "dcdb01" TO "80" "820100" "0101", "authorization", E_DECODE},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct buf raw = unhex(t[i].prefix);
        if (t[i].fields != NULL) {
            struct buf fields = unhex(t[i].fields);
            rlp_put_list_header(&raw, fields.len);
            buf_put_bytes(&raw, buf_view(&fields));
            buf_fini(&fields);
        }
        struct tx tx, before;
        struct err err = {0};
        memset(&tx, 0xa5, sizeof tx);
        before = tx;
        enum status s = tx_get(&tx, buf_view(&raw), &err);
        if (s != t[i].s || strstr(err.text, t[i].want) == NULL) fail_msg("%zu %s: %s %s", i, t[i].fields, status_name(s), err.text);
        assert_memory_equal(&tx, &before, sizeof tx);
        buf_fini(&raw);
    }
}

static void tx_recover_refuses_high_s_when_asked(void **state)
{
    (void)state;
    /* n - s and the other parity are a signature of the same key */
    static const u256 n = {{0xbfd25e8cd0364141, 0xbaaedce6af48a03b, 0xfffffffffffffffe, 0xffffffffffffffff}};
    secret32 key;
    struct buf out;
    memset(key.b, 7, sizeof key.b);
    buf_init(&out, 1024);
    struct tx tx = {.gas_limit = 21000, .has_to = true};
    assert_int_equal(tx_sign(&tx, &out, &key), OK);
    address sender = tx.sender;
    tx.s = u256_sub(n, tx.s);
    tx.y_parity ^= 1;
    tx.has_sender = false;
    assert_int_equal(tx_recover(&tx, true), E_CRYPTO);
    assert_false(tx.has_sender);
    assert_int_equal(tx_recover(&tx, false), OK);
    assert_true(address_eq(&tx.sender, &sender));
    tx.r = U256_ZERO;
    tx.has_sender = false;
    assert_int_equal(tx_recover(&tx, false), E_CRYPTO);
    assert_false(tx.has_sender);
    buf_fini(&out);
}

/* ------------------------------------------------------------------------------------------------------------------- fees */

static void tips_and_gas_prices_follow_eip1559(void **state)
{
    (void)state;
    static const struct {
        uint64_t max_fee, max_priority, base, tip, price;
        bool ok;
    } t[] = {
        {10, 10, 0, 10, 10, true}, {10, 10, 7, 3, 10, true}, {10, 2, 7, 2, 9, true},
        {10, 2, 10, 0, 10, true},  {10, 2, 11, 0, 0, false}, {0, 0, 0, 0, 0, true},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct tx tx = {.type = TX_DYNAMIC_FEE, .max_fee = u256_from_u64(t[i].max_fee), .max_priority = u256_from_u64(t[i].max_priority)};
        u256 base = u256_from_u64(t[i].base), tip = u256_from_u64(99), price;
        assert_int_equal(tx_effective_tip(&tip, &tx, &base), t[i].ok);
        assert_int_equal(tip.w[0], t[i].ok ? t[i].tip : 99);
        if (!t[i].ok) continue;
        price = tx_gas_price(&tx, &base);
        assert_int_equal(price.w[0], t[i].price);
    }
}

/* --------------------------------------------------------------------------------------------------------- authorizations */

static void tx_recover_many_finds_what_tx_recover_finds(void **state)
{
    (void)state;
    enum { MANY = 150 };
    static struct tx txs[MANY];
    struct tx *list[MANY];
    struct buf out;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < MANY; i++) {
        secret32 key;
        memset(key.b, (int)(i + 1), sizeof key.b);
        txs[i] = (struct tx){.type = i % 3 == 0 ? TX_DYNAMIC_FEE : TX_LEGACY, .has_chain_id = i % 2 == 0, .chain_id = 5, .nonce = i, .gas_limit = 21000, .has_to = true};
        assert_int_equal(tx_sign(&txs[i], &out, &key), OK);
        if (i % 10 == 3) txs[i].r = U256_ZERO;
        if (i % 10 == 7) txs[i].s = U256_MAX;
        list[i] = &txs[i];
    }
    for (size_t n = 0; n <= MANY; n += 50) {
        tx_recover_many(list, n, true);
        for (size_t i = 0; i < n; i++) {
            struct tx one = txs[i];
            const bool good = tx_recover(&one, true) == OK;
            assert_int_equal(txs[i].has_sender, good);
            if (good) assert_true(address_eq(&txs[i].sender, &one.sender));
        }
    }
    buf_fini(&out);
}

static void auth_recover_finds_the_signer_of_an_authorization(void **state)
{
    (void)state;
    secret32 key;
    uint8_t pub[64], sig[65], hash[32];
    memset(key.b, 9, sizeof key.b);
    assert_int_equal(ec_public(pub, &key), OK);
    struct auth_tuple t = {.chain_id = u256_from_u64(1), .nonce = 300};
    memset(t.addr.b, 0x22, sizeof t.addr.b);
    struct buf msg = unhex("0x05d90194222222222222222222222222222222222222222282012c");
    keccak256(hash, msg.ptr, msg.len);
    buf_fini(&msg);
    assert_int_equal(ec_sign(sig, hash, &key), OK);
    t.r = u256_from_be(sig);
    t.s = u256_from_be(sig + 32);
    t.y_parity = u256_from_u64(sig[64]);
    address got, want;
    ec_address(want.b, pub);
    assert_int_equal(auth_recover(&got, &t), OK);
    assert_true(address_eq(&got, &want));
    t.y_parity = u256_from_u64(2);
    assert_int_equal(auth_recover(&got, &t), E_CRYPTO);
    assert_true(address_eq(&got, &want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tx_get_and_recover_pass_the_official_transaction_tests),
        cmocka_unit_test(tx_sign_gives_the_example_of_eip155),
        cmocka_unit_test(a_signed_transaction_of_any_type_decodes_to_itself_and_its_sender),
        cmocka_unit_test(tx_get_names_the_field_that_is_bad_and_leaves_its_output),
        cmocka_unit_test(tx_recover_refuses_high_s_when_asked),
        cmocka_unit_test(tips_and_gas_prices_follow_eip1559),
        cmocka_unit_test(tx_recover_many_finds_what_tx_recover_finds),
        cmocka_unit_test(auth_recover_finds_the_signer_of_an_authorization),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
