/* Official RLPTests: {"in": value, "out": bytes}. A value is a text, an integer, "#" and decimal digits for a greater one, or a list of
 * values; it must encode to `out`, and `out` decode to it. "VALID" and "INVALID" in its place say whether `out` can be decoded. */
#include "node/evm_tool/tool.h"

#include "lib/codec/rlp.h"

enum { DEPTH_MAX = 1024, RLP_MAX = 1 << 26 };

struct rlptest {
    struct buf out, again;
};

/* put_decimal: an integer of any length. false: no digits, or far too many */
static bool put_decimal(struct buf *b, bytes digits)
{
    uint8_t be[512] = {0};
    if (digits.len == 0 || digits.len > 2 * sizeof be) return false; /* a digit is less than half a byte */
    for (size_t i = 0; i < digits.len; i++) {
        unsigned carry = (unsigned)digits.ptr[i] - '0';
        if (carry > 9) return false;
        for (size_t k = sizeof be; k-- > 0;) {
            carry += be[k] * 10u;
            be[k] = (uint8_t)carry;
            carry >>= 8;
        }
    }
    rlp_put_uint(b, BYTES_OF(be));
    return true;
}

/* put: ret false when the value has no form that we know */
static bool put(struct buf *b, json_t *v, unsigned depth)
{
    if (depth > DEPTH_MAX) return false;
    if (json_is_integer(v)) {
        if (json_integer_value(v) < 0) return false;
        rlp_put_u64(b, (uint64_t)json_integer_value(v));
    } else if (json_is_string(v)) {
        const bytes t = bytes_make(json_string_value(v), json_string_length(v));
        if (t.len == 0 || t.ptr[0] != '#' || !put_decimal(b, bytes_make(t.ptr + 1, t.len - 1))) rlp_put_string(b, t);
    } else if (json_is_array(v)) {
        size_t i, list = rlp_list_open(b);
        json_t *e;
        json_array_foreach(v, i, e)
            if (!put(b, e, depth + 1)) return false;
        rlp_list_close(b, list);
    } else {
        return false;
    }
    return true;
}

/* copy: decode all items of `in` and write them again */
static bool copy(struct buf *b, bytes in)
{
    struct rlp_item item;
    while (in.len > 0) {
        if (rlp_get_item(&item, &in) != OK) return false;
        if (!item.is_list) {
            rlp_put_string(b, item.payload);
            continue;
        }
        size_t list = rlp_list_open(b);
        if (!copy(b, item.payload)) return false;
        rlp_list_close(b, list);
    }
    return true;
}

static const char *check(struct rlptest *t, json_t *test)
{
    json_t *in = json_object_get(test, "in"), *out = json_object_get(test, "out");
    buf_clear(&t->out);
    buf_clear(&t->again);
    if (in == NULL || out == NULL) return "no RLP test: it has no \"in\" or no \"out\"";
    const char *word = json_is_string(in) ? json_string_value(in) : "";
    const bool refusal = strcmp(word, "INVALID") == 0;
    if (!case_bytes(&t->out, out)) return refusal ? NULL : "out is no hex";
    const bytes rlp = buf_view(&t->out);
    const bool is_valid = rlp_check(rlp, DEPTH_MAX) == OK;
    if (refusal) return is_valid ? "was taken" : NULL;
    if (!is_valid) return "was refused";
    if (!copy(&t->again, rlp) || buf_status(&t->again) != OK) return "cannot be read item by item";
    if (!bytes_eq(buf_view(&t->again), rlp)) return "what was decoded encodes to something else";
    if (strcmp(word, "VALID") == 0) return NULL;
    buf_clear(&t->again);
    if (!put(&t->again, in, 0) || buf_status(&t->again) != OK) return "in has a form that is not known";
    return bytes_eq(buf_view(&t->again), rlp) ? NULL : "in encodes to something else";
}

static void run_test(struct cases *c, const char *name, json_t *test)
{
    const char *bad = check(c->ctx, test);
    if (bad == NULL)
        cases_pass(c, name, "");
    else
        cases_fail(c, name, "", "%s", bad);
}

int tool_rlptest(int argc, char **argv)
{
    struct rlptest t;
    struct cases c = {.command = "rlptest", .run = run_test, .ctx = &t};
    buf_init(&t.out, RLP_MAX);
    buf_init(&t.again, RLP_MAX);
    int rc = cases_main(&c, argc, argv);
    buf_fini(&t.out);
    buf_fini(&t.again);
    return rc;
}
