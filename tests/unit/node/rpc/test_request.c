/* The short way to read a call, beside jansson's tree of the same text: what the one takes, the other understands alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <jansson.h>

#include "lib/base/clock.h"
#include "lib/base/rng.h"
#include "node/rpc/request.h"

#include <cmocka.h>

enum { MAX = 4 };

static bool get(struct request *q, size_t *n, bool *is_batch, const char *text)
{
    return requests_get(q, n, is_batch, MAX, bytes_str(text));
}

static void a_plain_call_is_cut_into_pieces(void **state)
{
    (void)state;
    struct request q[MAX];
    size_t n = 99;
    bool is_batch = true;
    assert_true(get(q, &n, &is_batch, " {\"jsonrpc\" : \"2.0\",\"id\":7,\"method\":\"eth_call\", \"params\":[ {\"to\":\"0x1\", \"a\":[1,{}]} ,\"latest\",null,true ,5],\"extra\":[]}\n"));
    assert_int_equal(n, 1);
    assert_false(is_batch);
    assert_true(bytes_eq_str(q[0].id, "7"));
    assert_true(bytes_eq_str(q[0].method, "eth_call"));
    assert_int_equal(q[0].n_args, 5);
    assert_true(bytes_eq_str(q[0].args[0], "{\"to\":\"0x1\", \"a\":[1,{}]}"));
    assert_true(bytes_eq_str(q[0].args[1], "\"latest\""));
    assert_true(bytes_eq_str(q[0].args[4], "5"));
}

static void a_batch_gives_its_calls_in_order(void **state)
{
    (void)state;
    struct request q[MAX];
    size_t n;
    bool is_batch;
    assert_true(get(q, &n, &is_batch, "[{\"id\":\"x y\",\"method\":\"a\"},{\"method\":\"b\",\"params\":null},{\"id\":null,\"method\":\"c\",\"params\":[]}]"));
    assert_int_equal(n, 3);
    assert_true(is_batch);
    assert_true(bytes_eq_str(q[0].id, "\"x y\""));
    assert_int_equal(q[1].id.len, 0);
    assert_true(bytes_eq_str(q[1].method, "b"));
    assert_true(bytes_eq_str(q[2].id, "null"));
    assert_int_equal(q[2].n_args, 0);
}

static void whatever_is_not_plain_is_left_to_jansson(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", " ", "[]", "{}", "[{}]", "5", "\"x\"", "null",
        "{\"id\":1}", /* no method */
        "{\"method\":5}", "{\"method\":\"a\\u0062\"}", "{\"method\":\"\xc3\xa9\"}", "{\"method\":\"a\"", "{\"method\":\"a\"}}", "{\"method\":\"a\"} x",
        "{\"method\":\"a\",}", "{\"method\":\"a\",\"method\":\"b\"}", "{\"method\":\"a\" \"id\":1}", "{method:\"a\"}",
        "{\"method\":\"a\",\"jsonrpc\":\"1.0\"}", "{\"method\":\"a\",\"jsonrpc\":2.0}",
        "{\"method\":\"a\",\"id\":1.5}", "{\"method\":\"a\",\"id\":-1}", "{\"method\":\"a\",\"id\":01}", "{\"method\":\"a\",\"id\":1e3}", "{\"method\":\"a\",\"id\":[]}",
        "{\"method\":\"a\",\"id\":{}}", "{\"method\":\"a\",\"id\":true}", "{\"method\":\"a\",\"id\":1234567890123456789}", "{\"method\":\"a\",\"id\":\"\\n\"}",
        "{\"method\":\"a\",\"params\":{}}", "{\"method\":\"a\",\"params\":\"x\"}", "{\"method\":\"a\",\"params\":[1,]}", "{\"method\":\"a\",\"params\":[,1]}",
        "{\"method\":\"a\",\"params\":[\"\t\"]}", "{\"method\":\"a\",\"params\":[nul]}", "{\"method\":\"a\",\"params\":[1 2]}", "{\"method\":\"a\",\"params\":[{\"x\":}]}",
        "{\"method\":\"a\",\"params\":[1,2,3,4,5,6,7,8,9]}", /* more than any method takes */
        "[{\"method\":\"a\"},{\"method\":\"a\"},{\"method\":\"a\"},{\"method\":\"a\"},{\"method\":\"a\"}]", /* more than there is room for */
        "[{\"method\":\"a\"},5]", "[{\"method\":\"a\"},]", "[{\"method\":\"a\"}", "[[{\"method\":\"a\"}]]",
        "{\"method\":\"a\",\"params\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
    };
    assert_false(requests_get(&(struct request){0}, &(size_t){0}, &(bool){false}, 1, BYTES_EMPTY));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct request q[MAX];
        size_t n = 77;
        bool is_batch = true;
        if (get(q, &n, &is_batch, texts[i])) fail_msg("taken: %s", texts[i]);
        assert_int_equal(n, 77);
        assert_true(is_batch);
    }
}

/* ------------------------------------------------------------------ beside jansson, over damaged texts */

static void same_string(bytes got, const json_t *v)
{
    assert_true(json_is_string(v));
    assert_int_equal(got.len, json_string_length(v));
    assert_memory_equal(got.ptr, json_string_value(v), got.len);
}

static void same_value(bytes text, const json_t *v)
{
    json_t *mine = json_loadb((const char *)text.ptr, text.len, JSON_DECODE_ANY, NULL);
    if (mine == NULL) fail_msg("no JSON: %.*s", (int)text.len, (const char *)text.ptr);
    assert_true(json_equal(mine, v));
    json_decref(mine);
}

static void same_request(const struct request *q, const json_t *o)
{
    const json_t *params = json_object_get(o, "params"), *version = json_object_get(o, "jsonrpc"), *id = json_object_get(o, "id");
    same_string(q->method, json_object_get(o, "method"));
    if (version != NULL) same_string(BYTES_LIT("2.0"), version);
    assert_int_equal(q->id.len == 0, id == NULL);
    if (id != NULL) same_value(q->id, id);
    assert_int_equal(q->n_args, json_array_size(params));
    for (size_t i = 0; i < q->n_args; i++) same_value(q->args[i], json_array_get(params, i));
}

static void what_is_taken_means_the_same_to_jansson(void **state)
{
    (void)state;
    static const char *const seeds[] = {
        "{\"jsonrpc\":\"2.0\",\"id\":12,\"method\":\"eth_getBalance\",\"params\":[\"0x00ff\",\"latest\"]}",
        "[{\"id\":\"a\",\"method\":\"m\",\"params\":[{\"a\":[1,2,null],\"b\":{\"c\":true}},0]},{\"method\":\"n\",\"x\":[{}],\"params\":null}]",
    };
    static const char bytes_of_note[] = "{}[]\",:\\ 0129truefalsn.eE+-\x01\x7f\x80\xc3\n";
    const char *env = getenv("POA_TEST_SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : clock_wall_ms();
    print_message("# seed %llu (POA_TEST_SEED)\n", (unsigned long long)seed);
    struct rng_seeded rng;
    rng_seed(&rng, seed);
    size_t taken = 0;
    for (int round = 0; round < 40000; round++) {
        char text[256];
        const char *from = seeds[rng_below(&rng, COUNT_OF(seeds))];
        size_t len = strlen(from);
        memcpy(text, from, len);
        for (uint64_t k = rng_below(&rng, 4); k > 0; k--) {
            size_t at = rng_below(&rng, len);
            if (rng_below(&rng, 3) == 0) {
                memmove(text + at, text + at + 1, len - at - 1);
                len--;
            } else {
                text[at] = rng_below(&rng, 2) ? bytes_of_note[rng_below(&rng, sizeof bytes_of_note - 1)] : text[rng_below(&rng, len)];
            }
        }
        struct request q[MAX];
        size_t n;
        bool is_batch;
        if (!requests_get(q, &n, &is_batch, MAX, bytes_make(text, len))) continue;
        taken++;
        json_t *doc = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (doc == NULL) fail_msg("jansson refuses: %.*s", (int)len, text);
        assert_int_equal(json_is_array(doc), is_batch);
        if (is_batch) assert_int_equal(json_array_size(doc), n);
        for (size_t i = 0; i < n; i++) same_request(&q[i], is_batch ? json_array_get(doc, i) : doc);
        json_decref(doc);
    }
    assert_true(taken > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_call_is_cut_into_pieces),
        cmocka_unit_test(a_batch_gives_its_calls_in_order),
        cmocka_unit_test(whatever_is_not_plain_is_left_to_jansson),
        cmocka_unit_test(what_is_taken_means_the_same_to_jansson),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
