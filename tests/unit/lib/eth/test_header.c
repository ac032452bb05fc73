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
#include "lib/eth/header.h"
#include "tests/unit/vectors.h"

#include <jansson.h>

#include <cmocka.h>

static struct buf unhex(const char *hex, size_t len)
{
    struct buf b;
    while (len > 0 && (hex[len - 1] == '\n' || hex[len - 1] == ' '))
        len--;
    buf_init(&b, 1 << 22);
    assert_int_equal(hex_get(&b, bytes_make(hex, len)), OK);
    return b;
}

static hash32 hash_of(const char *text)
{
    hash32 h;
    assert_int_equal(hash_get(&h, bytes_str(text)), OK);
    return h;
}

/* ----------------------------------------------------------- real sealed headers of public chains (reference/aura.md B6) */

static void headers_of_public_aura_chains_hash_and_recover_to_their_author(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        uint64_t number, step, timestamp;
        const char *author, *hash;
        uint8_t recid;
    } t[] = {
        {"chainspec/header.poacore.10940417.hex", 10940417, 313675884, 1568379420, "0xbc70e7a838ef3d468e25efa5ecb8946d3d0f913b",
         "0xd3b8cf894e50d281f093b16c9e8f9a917d1fc925a39e5f6a52057e1cc8fc0acf", 0},
        {"chainspec/header.poasokol.10735617.hex", 10735617, 313675597, 1568377985, "0x7bd556b838a9e330a815a53ef39e04ff2fdf2392",
         "0x852a0e161a88616e8b82a8d85e3e06ec2a64cdb5318c4567cf335c46ca4b4431", 0},
        {"chainspec/header.xdai.5746689.hex", 5746689, 313674878, 1568374390, "0xa84713b6241260b3caa2c4be00ff62b89c4315c2",
         "0xdb479f51e73f6a25953578ffa2422b1ff052f39af396b4e0ba4f19ce9f65647a", 1},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        char path[512], text[67];
        struct buf file, back;
        struct header h;
        if (!vectors_find(path, sizeof path, t[i].file)) skip();
        assert_true(vectors_read(&file, path));
        struct buf raw = unhex((const char *)file.ptr, file.len);
        bytes in = buf_view(&raw);
        assert_int_equal(header_get(&h, &in, NULL), OK);
        assert_int_equal(in.len, 0);
        assert_int_equal(h.seal, SEAL_AURA);
        assert_false(h.has_empty_steps);
        assert_int_equal(h.number, t[i].number);
        assert_int_equal(h.step, t[i].step);
        assert_int_equal(h.timestamp, t[i].timestamp);
        assert_int_equal(h.signature[64], t[i].recid);
        u256 difficulty = u256_sub((u256){{0, 0, 1, 0}}, u256_from_u64(2)); /* 2^128 - 2 */
        assert_true(u256_eq(&h.difficulty, &difficulty));
        hash32 hash = header_hash(&h), seal = header_aura_seal_hash(&h);
        hash_put(text, &hash);
        assert_string_equal(text, t[i].hash);
        address signer;
        assert_int_equal(ec_recover_address(signer.b, h.signature, seal.b), OK);
        assert_true(address_eq(&signer, &h.author));
        address_put(text, &h.author);
        assert_string_equal(text, t[i].author);
        buf_init(&back, 4096);
        header_put(&back, &h);
        assert_true(bytes_eq(buf_view(&back), buf_view(&raw)));
        buf_fini(&back);
        buf_fini(&raw);
        buf_fini(&file);
    }
}

/* ------------------------------------------------------------------------------------ blocks of the official tests, all forks */

static void check_block(json_t *block, size_t *n)
{
    json_t *hex = json_object_get(block, "rlp"), *head = json_object_get(block, "blockHeader");
    if (!json_is_string(hex) || head == NULL || json_object_get(block, "expectException") != NULL) return;
    struct buf raw = unhex(json_string_value(hex), json_string_length(hex)), back;
    struct arena a;
    struct block b, again;
    struct err err = {0};
    bytes in = buf_view(&raw);
    arena_init(&a, (size_t)64 << 20);
    buf_init(&back, (size_t)64 << 20);
    if (block_get(&b, &in, &a, &err) != OK) fail_msg("%s", err_text(&err));
    assert_int_equal(in.len, 0);
    hash32 want = hash_of(json_string_value(json_object_get(head, "hash")));
    assert_true(hash_eq(&b.hash, &want));
    assert_int_equal(b.n_txs, json_array_size(json_object_get(block, "transactions")));
    assert_int_equal(b.n_uncles, json_array_size(json_object_get(block, "uncleHeaders")));
    block_put(&back, &b);
    assert_true(bytes_eq(buf_view(&back), buf_view(&raw)));
    buf_clear(&back);
    block_put_body(&back, &b);
    in = buf_view(&back);
    assert_int_equal(block_get_body(&again, &b.header, &in, &a, NULL), OK);
    assert_true(hash_eq(&b.hash, &again.hash) && again.n_txs == b.n_txs && again.n_withdrawals == b.n_withdrawals);
    ++*n;
    buf_fini(&raw);
    buf_fini(&back);
    arena_fini(&a);
}

static void check_file(void *ctx, const char *path)
{
    json_t *doc = json_load_file(path, 0, NULL), *test, *block;
    const char *name;
    size_t i;
    assert_non_null(doc);
    json_object_foreach(doc, name, test)
        json_array_foreach(json_object_get(test, "blocks"), i, block)
            check_block(block, ctx);
    json_decref(doc);
}

static void blocks_of_the_official_tests_decode_to_their_hash_and_encode_to_themselves(void **state)
{
    (void)state;
    char dir[512];
    size_t n = 0;
    if (!vectors_find(dir, sizeof dir, "ethereum-tests/BlockchainTests/ValidBlocks")) skip();
    assert_true(vectors_each(dir, ".json", check_file, &n) > 0);
    print_message("# %zu blocks\n", n);
    assert_true(n > 100);
}

/* --------------------------------------------------------------------------------------------------- round trip of all seals */

static uint64_t test_seed(void)
{
    const char *text = getenv("POA_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : clock_wall_ms();
    print_message("# seed %llu (POA_TEST_SEED)\n", (unsigned long long)seed);
    return seed;
}

static void fill_random(struct rng_seeded *r, void *dst, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)dst)[i] = (uint8_t)rng_next(r);
}

static struct header random_header(struct rng_seeded *r, uint8_t extra[static 100])
{
    static const uint8_t empty_steps[] = {0xc0}, generic[] = {0x80}, generic_list[] = {0xc1, 0x80, 0x05};
    struct header h = {.number = rng_next(r) >> rng_below(r, 64), .gas_limit = rng_next(r), .gas_used = rng_below(r, 3),
                       .timestamp = rng_next(r) >> rng_below(r, 64)};
    fill_random(r, &h.parent_hash, 32);
    fill_random(r, &h.author, 20);
    fill_random(r, &h.state_root, 32);
    fill_random(r, &h.logs_bloom, sizeof h.logs_bloom);
    h.difficulty = u256_shr((u256){{rng_next(r), rng_next(r), rng_next(r), rng_next(r)}}, rng_below(r, 257));
    fill_random(r, extra, 100);
    h.extra = bytes_make(extra, (size_t)rng_below(r, 101));
    h.seal = (enum seal_kind)rng_below(r, 3);
    switch (h.seal) {
    case SEAL_ETHASH:
        fill_random(r, &h.mix_hash, 32);
        fill_random(r, h.nonce, 8);
        break;
    case SEAL_AURA:
        h.step = rng_next(r) >> rng_below(r, 64);
        fill_random(r, h.signature, sizeof h.signature);
        h.has_empty_steps = rng_below(r, 2) == 0;
        if (h.has_empty_steps) h.empty_steps = bytes_make(empty_steps, sizeof empty_steps);
        break;
    case SEAL_GENERIC:
        h.seal_raw = rng_below(r, 2) == 0 ? bytes_make(generic, sizeof generic) : bytes_make(generic_list, sizeof generic_list);
        return h;
    }
    uint64_t later = rng_below(r, 6);
    h.has_base_fee = later > 0;
    h.has_withdrawals = later > 1;
    h.has_blob_gas = later > 2;
    h.has_beacon_root = later > 3;
    h.has_requests = later > 4;
    if (h.has_base_fee) h.base_fee = u256_from_u64(rng_below(r, 2) * rng_next(r));
    if (h.has_withdrawals) fill_random(r, &h.withdrawals_root, 32);
    if (h.has_blob_gas) h.blob_gas_used = rng_below(r, 1000000), h.excess_blob_gas = rng_below(r, 2);
    if (h.has_beacon_root) fill_random(r, &h.beacon_root, 32);
    if (h.has_requests) fill_random(r, &h.requests_hash, 32);
    return h;
}

static void a_header_of_any_seal_decodes_to_itself(void **state)
{
    (void)state;
    struct rng_seeded r;
    struct buf out;
    uint8_t extra[100];
    rng_seed(&r, test_seed());
    buf_init(&out, 4096);
    for (int round = 0; round < 2000; round++) {
        struct header h = random_header(&r, extra), back;
        buf_clear(&out);
        header_put(&out, &h);
        bytes in = buf_view(&out);
        assert_int_equal(header_get(&back, &in, NULL), OK);
        assert_int_equal(back.seal, h.seal);
        assert_int_equal(back.number, h.number);
        assert_int_equal(back.step, h.step);
        assert_int_equal(back.has_empty_steps, h.has_empty_steps);
        assert_memory_equal(back.signature, h.signature, sizeof h.signature);
        assert_memory_equal(&back.mix_hash, &h.mix_hash, sizeof h.mix_hash);
        assert_true(u256_eq(&back.difficulty, &h.difficulty) && u256_eq(&back.base_fee, &h.base_fee));
        assert_true(back.has_requests == h.has_requests && hash_eq(&back.requests_hash, &h.requests_hash));
        assert_true(bytes_eq(back.extra, h.extra) && bytes_eq(back.seal_raw, h.seal_raw));
        hash32 a = header_hash(&h), b = header_hash(&back);
        assert_true(hash_eq(&a, &b));
        struct header keep = back;
        in = bytes_make(out.ptr, (size_t)rng_below(&r, out.len));
        bytes before = in;
        assert_int_equal(header_get(&back, &in, NULL), E_DECODE);
        assert_memory_equal(&in, &before, sizeof in);
        assert_memory_equal(&back, &keep, sizeof keep);
    }
    buf_fini(&out);
}

/* SPEC(aura.md B1): with empty steps the signer signs keccak(bare hash || raw list) */
static void the_seal_hash_covers_empty_steps_and_no_seal(void **state)
{
    (void)state;
    static const uint8_t steps[] = {0xc0};
    struct header h = {.seal = SEAL_AURA, .step = 7};
    struct buf bare;
    hash32 plain, want;
    buf_init(&bare, 4096);
    header_put_bare(&bare, &h);
    keccak256(want.b, bare.ptr, bare.len);
    plain = header_aura_seal_hash(&h);
    assert_true(hash_eq(&plain, &want));
    h.step = 8;
    plain = header_aura_seal_hash(&h);
    assert_true(hash_eq(&plain, &want));
    uint8_t both[33];
    memcpy(both, want.b, 32);
    both[32] = 0xc0;
    keccak256(want.b, both, sizeof both);
    h.has_empty_steps = true;
    h.empty_steps = bytes_make(steps, sizeof steps);
    plain = header_aura_seal_hash(&h);
    assert_true(hash_eq(&plain, &want));
    buf_fini(&bare);
}

static void header_get_names_the_field_that_is_bad(void **state)
{
    (void)state;
    static const char *const fields[] = {"parentHash", "sha3Uncles", "author", "stateRoot", "transactionsRoot", "receiptsRoot",
                                         "logsBloom", "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData"};
    struct header h = {.seal = SEAL_AURA};
    struct buf good, cut;
    buf_init(&good, 4096);
    buf_init(&cut, 4096);
    header_put(&good, &h);
    for (size_t drop = 0; drop < COUNT_OF(fields); drop++) {
        bytes in = buf_view(&good), payload;
        struct rlp_item item;
        struct err err = {0};
        assert_int_equal(rlp_get_list(&payload, &in), OK);
        buf_clear(&cut);
        size_t list = rlp_list_open(&cut);
        for (size_t i = 0; payload.len > 0; i++) {
            assert_int_equal(rlp_get_item(&item, &payload), OK);
            if (i == drop)
                rlp_put_raw(&cut, BYTES_LIT("\xc1\x05")); /* a list where none stands */
            else
                rlp_put_raw(&cut, item.raw);
        }
        rlp_list_close(&cut, list);
        in = buf_view(&cut);
        assert_int_equal(header_get(&h, &in, &err), E_DECODE);
        assert_non_null(strstr(err.text, fields[drop]));
    }
    buf_fini(&good);
    buf_fini(&cut);
}

static void a_block_that_promises_more_items_than_it_has_bytes_for_is_refused(void **state)
{
    (void)state;
    struct header h = {.seal = SEAL_AURA};
    struct buf raw;
    struct arena a;
    struct block b;
    struct err err = {0};
    buf_init(&raw, 1 << 20);
    arena_init(&a, 1 << 20);
    size_t list = rlp_list_open(&raw);
    header_put(&raw, &h);
    size_t txs = rlp_list_open(&raw);
    for (int i = 0; i < 100000; i++)
        buf_put_u8(&raw, 0xc0);
    rlp_list_close(&raw, txs);
    buf_put_u8(&raw, 0xc0);
    rlp_list_close(&raw, list);
    bytes in = buf_view(&raw);
    assert_int_equal(block_get(&b, &in, &a, &err), E_DECODE);
    assert_int_equal(a.used, 0);
    buf_fini(&raw);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_of_public_aura_chains_hash_and_recover_to_their_author),
        cmocka_unit_test(blocks_of_the_official_tests_decode_to_their_hash_and_encode_to_themselves),
        cmocka_unit_test(a_header_of_any_seal_decodes_to_itself),
        cmocka_unit_test(the_seal_hash_covers_empty_steps_and_no_seal),
        cmocka_unit_test(header_get_names_the_field_that_is_bad),
        cmocka_unit_test(a_block_that_promises_more_items_than_it_has_bytes_for_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
