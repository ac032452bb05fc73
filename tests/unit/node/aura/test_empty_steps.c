#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/hex.h"
#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"
#include "node/aura/empty_steps.h"

#include <cmocka.h>

enum { KEYS = 3 };

static struct heard_step make(uint64_t step, uint8_t parent, uint8_t who)
{
    secret32 key = {{0}};
    uint8_t pub[64];
    hash32 hash;
    struct heard_step h = {.e = {.step = step}, .parent = {{parent}}};
    key.b[31] = who;
    assert_int_equal(ec_public(pub, &key), OK);
    ec_address(h.signer.b, pub);
    empty_step_hash(&hash, step, &h.parent);
    assert_int_equal(ec_sign(h.e.signature, hash.b, &key), OK);
    return h;
}

/* SPEC(aura.md B1): written out by hand: the lists of RLP of one signature, one step of four bytes and one hash */
static void a_message_and_what_is_signed_have_the_documented_form(void **state)
{
    (void)state;
    struct heard_step h = make(0x12b24a6c, 0xaa, 1), back;
    struct buf b;
    buf_init(&b, 200);
    empty_step_put_message(&b, &h.e, &h.parent);
    uint8_t want[108] = {0xf8, 0x6a, 0xb8, 0x41};
    memcpy(want + 4, h.e.signature, 65);
    want[69] = 0xe6;
    want[70] = 0x84;
    want[71] = 0x12;
    want[72] = 0xb2;
    want[73] = 0x4a;
    want[74] = 0x6c;
    want[75] = 0xa0;
    want[76] = 0xaa;
    assert_int_equal(b.len, sizeof want);
    hash32 hash, of_bytes;
    empty_step_hash(&hash, h.e.step, &h.parent);
    keccak256(of_bytes.b, want + 69, 39);
    assert_memory_equal(&hash, &of_bytes, 32);
    assert_memory_equal(b.ptr, want, 108);
    assert_int_equal(empty_step_get_message(&back, buf_view(&b)), OK);
    assert_memory_equal(&back.signer, &h.signer, 20);
    assert_int_equal(back.e.step, h.e.step);
    /* one byte changed, at any place: refused, or somebody else's */
    for (size_t i = 0; i < b.len; i++) {
        b.ptr[i] ^= 1;
        if (empty_step_get_message(&back, buf_view(&b)) == OK) assert_memory_not_equal(&back.signer, &h.signer, 20);
        b.ptr[i] ^= 1;
        const struct heard_step mark = back;
        assert_int_equal(empty_step_get_message(&back, bytes_make(b.ptr, i)), E_DECODE);
        assert_memory_equal(&back, &mark, sizeof mark);
    }
    buf_put_u8(&b, 0);
    assert_int_equal(empty_step_get_message(&back, buf_view(&b)), E_DECODE);
    buf_fini(&b);
}

static void a_seal_takes_each_step_between_once_by_its_proposer(void **state)
{
    (void)state;
    static struct empty_steps p;
    address list[KEYS];
    struct buf b;
    const hash32 parent = {{7}};
    for (uint8_t i = 0; i < KEYS; i++)
        list[i] = make(1, 1, (uint8_t)(i + 1)).signer;
    const struct validators set = {.list = list, .n = KEYS};
    static const struct {
        uint64_t step;
        uint8_t parent, who;
        enum status want;
    } table[] = {{103, 7, 2, OK}, {102, 7, 1, OK}, {102, 7, 1, E_EXISTS}, {104, 8, 3, OK}, {104, 7, 2, OK}, {105, 7, 1, OK}, {101, 7, 3, OK}, {106, 7, 2, OK}};
    p.n = 0;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct heard_step h = make(table[i].step, table[i].parent, table[i].who);
        assert_int_equal(empty_steps_add(&p, &h), table[i].want);
    }
    buf_init(&b, 1000);
    /* 101 is the parent's, 104 is of another block and of who is not its proposer, 106 is the block's own */
    assert_int_equal(empty_steps_put(&b, &p, &parent, 101, 106, &set), 3);
    const struct header h = {.has_empty_steps = true, .empty_steps = buf_view(&b)};
    bytes payload;
    uint64_t steps[3];
    assert_int_equal(aura_empty_steps_payload(&payload, &h), OK);
    for (size_t i = 0; i < 3; i++) {
        struct empty_step e;
        bool done;
        address signer;
        assert_int_equal(aura_empty_steps_next(&e, &done, &payload), OK);
        steps[i] = e.step;
        assert_int_equal(aura_empty_step_signer(&signer, &e, &parent), OK);
        assert_memory_equal(&signer, aura_proposer(&set, e.step), 20);
    }
    assert_int_equal(steps[0], 102);
    assert_int_equal(steps[1], 103);
    assert_int_equal(steps[2], 105);
    buf_clear(&b);
    empty_steps_drop(&p, 105);
    assert_int_equal(p.n, 1);
    assert_int_equal(empty_steps_put(&b, &p, &parent, 101, 106, &set), 0);
    assert_int_equal(b.len, 1);
    assert_int_equal(b.ptr[0], 0xc0);
    buf_fini(&b);
}

static void what_is_kept_is_bounded_and_the_lowest_steps_go_first(void **state)
{
    (void)state;
    static struct empty_steps p;
    p.n = 0;
    struct heard_step h = make(1000, 1, 1);
    for (uint8_t i = 0; i < EMPTY_STEPS_A_STEP; i++) {
        h.parent.b[0] = i;
        assert_int_equal(empty_steps_add(&p, &h), OK);
    }
    h.parent.b[0] = 99;
    assert_int_equal(empty_steps_add(&p, &h), E_LIMIT);
    for (uint64_t k = 0; k < 3 * EMPTY_STEPS_MAX; k++) {
        h.e.step = 2000 + k;
        assert_int_equal(empty_steps_add(&p, &h), OK);
    }
    assert_int_equal(p.n, EMPTY_STEPS_MAX);
    h.e.step = 2000;
    assert_int_equal(empty_steps_add(&p, &h), E_LIMIT);
    for (size_t i = 0; i < p.n; i++)
        assert_true(p.list[i].e.step >= 2000 + 2 * EMPTY_STEPS_MAX);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_and_what_is_signed_have_the_documented_form),
        cmocka_unit_test(a_seal_takes_each_step_between_once_by_its_proposer),
        cmocka_unit_test(what_is_kept_is_bounded_and_the_lowest_steps_go_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
