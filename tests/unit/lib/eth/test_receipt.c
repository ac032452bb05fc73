#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/clock.h"
#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/codec/rlp.h"
#include "lib/eth/receipt.h"

#include <cmocka.h>

static void fill_random(struct rng_seeded *r, void *dst, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)dst)[i] = (uint8_t)rng_next(r);
}

static struct receipt random_receipt(struct rng_seeded *r, struct arena *a)
{
    struct receipt p = {.type = (enum tx_type)rng_below(r, 5), .form = (enum receipt_form)rng_below(r, 3)};
    p.cumulative_gas = rng_next(r) >> rng_below(r, 64);
    if (p.form == RECEIPT_STATUS) p.ok = rng_below(r, 2) == 0;
    if (p.form == RECEIPT_ROOT) fill_random(r, &p.root, 32);
    p.n_logs = (size_t)rng_below(r, 4);
    p.logs = arena_zalloc(a, p.n_logs, sizeof *p.logs);
    assert_non_null(p.logs);
    for (size_t i = 0; i < p.n_logs; i++) {
        struct log_entry *l = &p.logs[i];
        fill_random(r, &l->addr, 20);
        l->n_topics = (uint8_t)rng_below(r, 5);
        fill_random(r, l->topics, 32u * l->n_topics);
        size_t len = (size_t)rng_below(r, 100);
        uint8_t *data = arena_alloc(a, len);
        assert_non_null(data);
        fill_random(r, data, len);
        l->data = bytes_make(data, len);
    }
    receipt_fill_bloom(&p);
    return p;
}

static void assert_same(const struct receipt *a, const struct receipt *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->form, b->form);
    assert_int_equal(a->ok, b->ok);
    assert_int_equal(a->cumulative_gas, b->cumulative_gas);
    assert_true(hash_eq(&a->root, &b->root));
    assert_memory_equal(&a->filter, &b->filter, sizeof a->filter);
    assert_int_equal(a->n_logs, b->n_logs);
    for (size_t i = 0; i < a->n_logs; i++) {
        assert_memory_equal(&a->logs[i].addr, &b->logs[i].addr, 20);
        assert_int_equal(a->logs[i].n_topics, b->logs[i].n_topics);
        assert_memory_equal(a->logs[i].topics, b->logs[i].topics, 32u * a->logs[i].n_topics);
        assert_true(bytes_eq(a->logs[i].data, b->logs[i].data));
    }
}

static void a_receipt_of_any_form_decodes_to_itself(void **state)
{
    (void)state;
    const char *text = getenv("POA_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : clock_wall_ms();
    print_message("# seed %llu (POA_TEST_SEED)\n", (unsigned long long)seed);
    struct rng_seeded r;
    struct arena a;
    struct buf out;
    rng_seed(&r, seed);
    arena_init(&a, 1 << 20);
    buf_init(&out, 1 << 20);
    for (int round = 0; round < 1000; round++) {
        struct receipt p = random_receipt(&r, &a), back;
        buf_clear(&out);
        receipt_put(&out, &p);
        assert_int_equal(receipt_get(&back, buf_view(&out), &a), OK);
        assert_same(&p, &back);
        struct receipt keep = back;
        assert_int_equal(receipt_get(&back, bytes_make(out.ptr, (size_t)rng_below(&r, out.len)), &a), E_DECODE);
        assert_memory_equal(&back, &keep, sizeof keep);

        struct buf net;
        buf_init(&net, 1 << 20);
        receipt_put_network(&net, &p);
        bytes in = buf_view(&net), inner;
        if (p.type != TX_LEGACY) {
            assert_int_equal(rlp_get_string(&inner, &in), OK);
            assert_int_equal(in.len, 0);
            assert_true(bytes_eq(inner, buf_view(&out)));
        } else {
            assert_true(bytes_eq(in, buf_view(&out)));
        }
        buf_fini(&net);
        arena_reset(&a);
    }
    buf_fini(&out);
    arena_fini(&a);
}

static void receipt_get_refuses_every_other_form(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "0x", "0x80", "0x02", "0xc0", "0x05c0", "0x00c0", "0xc101", "0xc401808080", "0xc480808080c0", "0xc1c0",
    };
    struct arena a;
    struct receipt r, before;
    arena_init(&a, 1 << 16);
    memset(&r, 0x33, sizeof r);
    before = r;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        struct buf b;
        buf_init(&b, 1024);
        assert_int_equal(hex_get(&b, bytes_str(forms[i])), OK);
        if (receipt_get(&r, buf_view(&b), &a) != E_DECODE) fail_msg("%s", forms[i]);
        buf_fini(&b);
    }
    /* status 2, a fifth topic, bytes behind the data of a log */
    static const char *const tails[][2] = {
        {"02", "c0"},
        {"01", "f8bff8bd940000000000000000000000000000000000000000f8a5"
               "a00000000000000000000000000000000000000000000000000000000000000000a00000000000000000000000000000000000000000000000000000000000000000"
               "a00000000000000000000000000000000000000000000000000000000000000000a00000000000000000000000000000000000000000000000000000000000000000"
               "a0000000000000000000000000000000000000000000000000000000000000000080"},
        {"01", "d9d8940000000000000000000000000000000000000000c08080"},
        {"01", "80"},
    };
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        struct buf b, tmp;
        uint8_t zeros[256] = {0};
        buf_init(&b, 4096);
        buf_init(&tmp, 4096);
        size_t list = rlp_list_open(&b);
        assert_int_equal(hex_get(&b, bytes_str(tails[i][0])), OK);
        rlp_put_u64(&b, 21000);
        rlp_put_string(&b, bytes_make(zeros, sizeof zeros));
        assert_int_equal(hex_get(&tmp, bytes_str(tails[i][1])), OK);
        assert_int_equal(rlp_check(buf_view(&tmp), 8), OK); /* so that only the form of a receipt is at fault */
        rlp_put_raw(&b, buf_view(&tmp));
        rlp_list_close(&b, list);
        if (receipt_get(&r, buf_view(&b), &a) != E_DECODE) fail_msg("tail %zu", i);
        buf_fini(&b);
        buf_fini(&tmp);
    }
    assert_memory_equal(&r, &before, sizeof r);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_receipt_of_any_form_decodes_to_itself),
        cmocka_unit_test(receipt_get_refuses_every_other_form),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
