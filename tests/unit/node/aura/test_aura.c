#include "lib/base/rng.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"
#include "node/aura/aura.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct at_u64 two_seconds[] = {{0, 2}};

static struct aura_params params(void)
{
    return (struct aura_params){.step_duration = two_seconds,
                                .n_step_duration = 1,
                                .empty_steps_transition = TRANSITION_NEVER,
                                .two_thirds_majority_transition = TRANSITION_NEVER};
}

static address addr(uint8_t last)
{
    address a = {{0}};
    a.b[19] = last;
    return a;
}

static void step_is_unix_time_over_duration(void **st)
{
    (void)st;
    struct aura_params p = params();
    assert_int_equal(aura_step_at(&p, 0), 0);
    assert_int_equal(aura_step_at(&p, 1999), 0);
    assert_int_equal(aura_step_at(&p, 2000), 1);
    assert_int_equal(aura_step_at(&p, 1568379420ull * 1000), 784189710);
    assert_int_equal(aura_step_start_ms(&p, 784189710), 1568379420ull * 1000);
}

static void step_duration_changes_at_a_step_boundary(void **st)
{
    (void)st;
    struct at_u64 map[] = {{0, 5}, {12, 2}}; /* 12 is inside step 2 (10..15): the change waits until 15 */
    struct aura_params p = params();
    p.step_duration = map;
    p.n_step_duration = 2;
    assert_int_equal(aura_step_at(&p, 14999), 2);
    assert_int_equal(aura_step_at(&p, 15000), 3);
    assert_int_equal(aura_step_at(&p, 17000), 4);
    assert_int_equal(aura_step_start_ms(&p, 3), 15000);
    assert_int_equal(aura_step_start_ms(&p, 4), 17000);
    assert_int_equal(aura_step_duration_ms(&p, 2), 5000);
    assert_int_equal(aura_step_duration_ms(&p, 3), 2000);
}

static void difficulty_of_a_consecutive_step_is_2_128_minus_2(void **st)
{
    (void)st;
    u256 d = aura_difficulty(313675883, 313675884, 0);
    char text[79];
    u256_put_dec(text, &d);
    assert_string_equal(text, "340282366920938463463374607431768211454");
}

static void gas_limit_stays_at_the_floor_of_the_azure_network(void **st)
{
    (void)st;
    assert_int_equal(aura_gas_limit(50000000, 50000000, 1024), 50000000);
    assert_int_equal(aura_gas_limit(4000000, 50000000, 1024), 4000000 + 4000000 / 1024 - 1);
    assert_int_equal(aura_gas_limit(60000000, 50000000, 1024), 60000000 - 60000000 / 1024 + 1);
}

static void validator_multi_begins_at_its_block(void **st)
{
    (void)st;
    address a = addr(1), b = addr(2);
    struct validator_set_at at[] = {{0, {.kind = VALSET_LIST, .list = &a, .n_list = 1}},
                                    {7, {.kind = VALSET_LIST, .list = &b, .n_list = 1}}};
    struct validator_set_spec multi = {.kind = VALSET_MULTI, .multi = at, .n_multi = 2};
    bool first;
    assert_ptr_equal(aura_set_spec_at(&first, &multi, 0), &at[0].set);
    assert_true(first);
    assert_ptr_equal(aura_set_spec_at(&first, &multi, 5), &at[0].set);
    assert_false(first);
    assert_ptr_equal(aura_set_spec_at(&first, &multi, 6), &at[1].set); /* key <= number + 1 */
    assert_false(first);
    assert_ptr_equal(aura_set_spec_at(&first, &multi, 7), &at[1].set);
    assert_true(first);
}

/* --- finality against a naive second version: recount the whole chain at each block */

enum { NAIVE_MAX = 512 };
struct naive {
    uint8_t author[NAIVE_MAX];
    size_t n, final;
};

static size_t naive_distinct(const struct naive *v, size_t from)
{
    bool seen[256] = {false};
    size_t d = 0;
    for (size_t i = from; i < v->n; i++) {
        if (!seen[v->author[i]]) d++;
        seen[v->author[i]] = true;
    }
    return d;
}

static void check_against_naive(uint64_t seed, size_t n_validators, uint64_t two_thirds_from)
{
    struct rng_seeded r;
    rng_seed(&r, seed);
    address list[32];
    for (size_t i = 0; i < n_validators; i++)
        list[i] = addr((uint8_t)i);
    struct validators set = {list, n_validators};
    struct finality f;
    assert_int_equal(finality_init(&f, &set, two_thirds_from), OK);
    struct naive naive = {.n = 0};
    hash32 finals[NAIVE_MAX];
    uint64_t numbers[NAIVE_MAX];
    for (size_t i = 0; i < NAIVE_MAX; i++) {
        uint8_t who = (uint8_t)rng_below(&r, n_validators);
        naive.author[naive.n++] = who;
        hash32 h = {{0}};
        be64_put(h.b, i);
        size_t n_finals = 99;
        assert_int_equal(finality_push(&f, &h, i, &list[who], NULL, 0, finals, numbers, &n_finals), OK);
        size_t before = naive.final;
        for (;;) {
            size_t d = naive_distinct(&naive, naive.final);
            bool more = naive.final >= two_thirds_from ? d * 3 > n_validators * 2 : d * 2 > n_validators;
            if (!more) break;
            naive.final++;
        }
        assert_int_equal(n_finals, naive.final - before);
        for (size_t k = 0; k < n_finals; k++)
            assert_int_equal(numbers[k], before + k);
    }
    finality_fini(&f);
}

static void finality_agrees_with_a_naive_recount(void **st)
{
    (void)st;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        print_message("# seed %llu\n", (unsigned long long)seed);
        check_against_naive(seed, 1 + seed % 9, seed % 3 == 0 ? 0 : seed % 3 == 1 ? TRANSITION_NEVER : 100);
    }
}

static void finality_is_instant_with_one_validator(void **st)
{
    (void)st;
    address a = addr(1);
    struct validators set = {&a, 1};
    struct finality f;
    assert_int_equal(finality_init(&f, &set, TRANSITION_NEVER), OK);
    hash32 h = {{7}}, finals[2];
    uint64_t numbers[2];
    size_t n;
    assert_int_equal(finality_push(&f, &h, 5, &a, NULL, 0, finals, numbers, &n), OK);
    assert_int_equal(n, 1);
    assert_int_equal(numbers[0], 5);
    finality_fini(&f);
}

static void finality_refuses_a_block_of_an_unknown_signer(void **st)
{
    (void)st;
    address a = addr(1), stranger = addr(9);
    struct validators set = {&a, 1};
    struct finality f;
    assert_int_equal(finality_init(&f, &set, TRANSITION_NEVER), OK);
    hash32 h = {{7}}, finals[2];
    uint64_t numbers[2];
    size_t n = 42;
    assert_int_equal(finality_push(&f, &h, 5, &stranger, NULL, 0, finals, numbers, &n), E_INVALID);
    assert_int_equal(n, 42);
    finality_fini(&f);
}

static void finality_rebuilt_backwards_equals_the_rolling_one(void **st)
{
    (void)st;
    struct rng_seeded r;
    rng_seed(&r, 77);
    address list[5];
    for (uint8_t i = 0; i < 5; i++)
        list[i] = addr(i);
    struct validators set = {list, 5};
    struct finality f, g;
    assert_int_equal(finality_init(&f, &set, TRANSITION_NEVER), OK);
    uint8_t authors[200];
    for (size_t i = 0; i < 200; i++) {
        authors[i] = (uint8_t)rng_below(&r, 5);
        hash32 h = {{0}}, finals[210];
        uint64_t numbers[210];
        size_t n;
        assert_int_equal(finality_push(&f, &h, i, &list[authors[i]], NULL, 0, finals, numbers, &n), OK);
        assert_int_equal(finality_init(&g, &set, TRANSITION_NEVER), OK);
        bool full = false;
        for (size_t k = i + 1; k-- > 0 && !full;)
            assert_int_equal(finality_push_front(&g, &h, k, &list[authors[k]], NULL, 0, &full), OK);
        assert_int_equal(g.len, f.len);
        assert_int_equal(g.n_distinct, f.n_distinct);
        finality_fini(&g);
    }
    finality_fini(&f);
}

/* --- seals */

static void sign_header(struct header *h, const secret32 *key)
{
    hash32 m = header_aura_seal_hash(h);
    assert_int_equal(ec_sign(h->signature, m.b, key), OK);
}

static struct header sealed(const secret32 *key, uint64_t number, uint64_t step, uint64_t parent_step)
{
    struct header h = {.number = number, .seal = SEAL_AURA, .step = step, .difficulty = aura_difficulty(parent_step, step, 0)};
    uint8_t pub[64];
    assert_int_equal(ec_public(pub, key), OK);
    ec_address(h.author.b, pub);
    sign_header(&h, key);
    return h;
}

static void seal_is_checked_against_the_proposer_and_the_signature(void **st)
{
    (void)st;
    secret32 a = {{[31] = 1}}, b = {{[31] = 2}};
    struct header ha = sealed(&a, 1, 10, 0), hb = sealed(&b, 1, 11, 0);
    address list[2] = {ha.author, hb.author};
    struct validators set = {list, 2};
    assert_int_equal(aura_check_proposer(&ha, &set), AURA_VALID);
    assert_int_equal(aura_check_proposer(&hb, &set), AURA_VALID);
    struct header wrong_step = sealed(&a, 1, 11, 0);
    assert_int_equal(aura_check_proposer(&wrong_step, &set), AURA_NOT_PROPOSER);
    struct header tampered = ha;
    tampered.gas_used = 1;
    assert_int_equal(aura_check_proposer(&tampered, &set), AURA_SIGNATURE);
    struct header forged = ha;
    sign_header(&forged, &b);
    assert_int_equal(aura_check_proposer(&forged, &set), AURA_SIGNATURE);
}

static void family_wants_a_later_step_and_the_exact_difficulty(void **st)
{
    (void)st;
    struct aura_params p = params();
    secret32 a = {{[31] = 1}};
    struct header parent = sealed(&a, 1, 10, 0), child = sealed(&a, 2, 12, 10);
    assert_int_equal(aura_check_family(&child, &parent, &p), AURA_VALID);
    struct header same = sealed(&a, 2, 10, 10), back = sealed(&a, 2, 9, 10), heavy = sealed(&a, 2, 12, 11);
    assert_int_equal(aura_check_family(&same, &parent, &p), AURA_DOUBLE_VOTE);
    assert_int_equal(aura_check_family(&back, &parent, &p), AURA_DOUBLE_VOTE);
    assert_int_equal(aura_check_family(&heavy, &parent, &p), AURA_DIFFICULTY);
}

static void form_knows_early_from_future(void **st)
{
    (void)st;
    struct aura_params p = params();
    secret32 a = {{[31] = 1}};
    struct header h = sealed(&a, 1, 10, 0);
    assert_int_equal(aura_check_form(&h, &p, 10), AURA_VALID);
    assert_int_equal(aura_check_form(&h, &p, 6), AURA_EARLY);
    assert_int_equal(aura_check_form(&h, &p, 5), AURA_FUTURE);
    h.seal = SEAL_ETHASH;
    assert_int_equal(aura_check_form(&h, &p, 10), AURA_BAD_FORM);
}

/* --- signals */

static void signal_is_found_only_with_the_parent_hash_and_two_topics(void **st)
{
    (void)st;
    address contract = addr(0x42);
    uint8_t data[32 * 4] = {[31] = 0x20, [63] = 2, [95] = 7, [127] = 8};
    struct header h = {.parent_hash = {{9}}};
    struct log_entry log = {.addr = contract, .n_topics = 2, .topics = {AURA_INITIATE_CHANGE_TOPIC, {{9}}}, .data = {data, sizeof data}};
    struct receipt r = {.logs = &log, .n_logs = 1};
    receipt_fill_bloom(&r);
    h.logs_bloom = r.filter;
    struct validators v = {0};
    assert_int_equal(aura_find_signal(&v, &contract, &h, &r, 1), OK);
    assert_int_equal(v.n, 2);
    assert_int_equal(v.list[1].b[19], 8);
    validators_fini(&v);
    log.topics[1].b[0] = 1;
    assert_int_equal(aura_find_signal(&v, &contract, &h, &r, 1), E_NOT_FOUND);
    log.topics[1].b[0] = 9;
    log.n_topics = 3;
    assert_int_equal(aura_find_signal(&v, &contract, &h, &r, 1), E_NOT_FOUND);
    log.n_topics = 2;
    log.data.len = 96; /* says two, holds one */
    assert_int_equal(aura_find_signal(&v, &contract, &h, &r, 1), E_NOT_FOUND);
    address other = addr(0x43);
    assert_int_equal(aura_find_signal(&v, &other, &h, &r, 1), E_NOT_FOUND);
}

static void address_list_is_read_strictly(void **st)
{
    (void)st;
    uint8_t good[96] = {[31] = 0x20, [63] = 1, [95] = 5};
    struct validators v = {0};
    assert_int_equal(aura_decode_address_list(&v, bytes_make(good, 96)), OK);
    validators_fini(&v);
    uint8_t bad[96];
    static const struct {
        size_t at;
        uint8_t value;
        size_t len;
    } cases[] = {{31, 0x21, 96}, {31, 0x60, 96}, {0, 1, 96}, {63, 2, 96}, {32, 0xff, 96}, {64, 1, 96}, {0, 0, 95}, {0, 0, 63}, {0, 0, 0}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        memcpy(bad, good, 96);
        bad[cases[i].at] = cases[i].value;
        struct validators untouched = {.list = NULL, .n = 77};
        assert_int_equal(aura_decode_address_list(&untouched, bytes_make(bad, cases[i].len)), E_DECODE);
        assert_int_equal(untouched.n, 77);
    }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(step_is_unix_time_over_duration),
        cmocka_unit_test(step_duration_changes_at_a_step_boundary),
        cmocka_unit_test(difficulty_of_a_consecutive_step_is_2_128_minus_2),
        cmocka_unit_test(gas_limit_stays_at_the_floor_of_the_azure_network),
        cmocka_unit_test(validator_multi_begins_at_its_block),
        cmocka_unit_test(finality_agrees_with_a_naive_recount),
        cmocka_unit_test(finality_is_instant_with_one_validator),
        cmocka_unit_test(finality_refuses_a_block_of_an_unknown_signer),
        cmocka_unit_test(finality_rebuilt_backwards_equals_the_rolling_one),
        cmocka_unit_test(seal_is_checked_against_the_proposer_and_the_signature),
        cmocka_unit_test(family_wants_a_later_step_and_the_exact_difficulty),
        cmocka_unit_test(form_knows_early_from_future),
        cmocka_unit_test(signal_is_found_only_with_the_parent_hash_and_two_topics),
        cmocka_unit_test(address_list_is_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
