/* Official ABITests: {"types": [type], "args": [value], "result": hex}: the arguments encode to the result, and it decodes to them. */
#include "node/evm_tool/tool.h"

#include "lib/codec/abi.h"

enum { ABI_MAX = 1 << 24, NAME_MAX_LEN = 40 };

/* kinds of an element: how its word is made */
enum kind { KIND_UINT, KIND_INT, KIND_BOOL, KIND_ADDRESS, KIND_FIXED, KIND_BYTES, KIND_BAD };

struct type {
    enum kind kind;
    size_t len;                       /* of bytesN */
    enum { ONE, MANY, EXACTLY } form; /* T, T[], T[n] */
    size_t n;
};

static struct type type_of(const char *text)
{
    struct type t = {.kind = KIND_BAD};
    char base[NAME_MAX_LEN];
    const size_t len = strcspn(text, "[");
    if (len >= sizeof base) return t;
    (void)snprintf(base, sizeof base, "%.*s", (int)len, text);
    if (strncmp(base, "uint", 4) == 0)
        t.kind = KIND_UINT;
    else if (strncmp(base, "int", 3) == 0)
        t.kind = KIND_INT;
    else if (strcmp(base, "bool") == 0)
        t.kind = KIND_BOOL;
    else if (strcmp(base, "address") == 0)
        t.kind = KIND_ADDRESS;
    else if (strcmp(base, "bytes") == 0 || strcmp(base, "string") == 0)
        t.kind = KIND_BYTES;
    else if (strncmp(base, "bytes", 5) == 0 && (t.len = strtoul(base + 5, NULL, 10)) >= 1 && t.len <= ABI_WORD)
        t.kind = KIND_FIXED;
    const char *dim = text + len;
    if (dim[0] == 0) return t;
    char *end;
    t.form = dim[1] == ']' ? MANY : EXACTLY;
    t.n = strtoul(dim + 1, &end, 10);
    if (end[0] != ']' || end[1] != 0) t.kind = KIND_BAD; /* arrays of arrays: none in these tests */
    return t;
}

/* word_of: what a static value becomes */
static bool word_of(uint8_t word[static ABI_WORD], const struct type *t, const json_t *v)
{
    u256 n = U256_ZERO;
    bool minus = false;
    memset(word, 0, ABI_WORD);
    if (t->kind == KIND_FIXED) {
        const size_t len = json_string_length(v);
        if (!json_is_string(v) || len > t->len) return false;
        memcpy(word, json_string_value(v), len);
        return true;
    }
    if (json_is_boolean(v)) {
        n = u256_from_u64(json_is_true(v));
    } else if (json_is_integer(v)) {
        const json_int_t i = json_integer_value(v);
        minus = i < 0;
        n = u256_from_u64(minus ? 0 - (uint64_t)i : (uint64_t)i);
    } else if (json_is_string(v)) {
        const char *s = json_string_value(v);
        minus = s[0] == '-';
        if (strncmp(s, "0x", 2) == 0 ? !u256_of_text(&n, v) : u256_get_dec(&n, bytes_str(s + minus)) != OK) return false;
    } else {
        return false;
    }
    if (minus) n = u256_sub(U256_ZERO, n);
    u256_to_be(word, &n);
    return true;
}

static bytes text_bytes(const json_t *v)
{
    return bytes_make(json_string_value(v), json_string_length(v));
}

static bool put(struct abi_writer *w, const struct type *t, json_t *v)
{
    uint8_t word[ABI_WORD];
    if (t->form != ONE) {
        const struct type element = {.kind = t->kind, .len = t->len};
        const size_t n = json_array_size(v);
        size_t i;
        json_t *e;
        if (!json_is_array(v) || (t->form == EXACTLY && n != t->n)) return false;
        struct abi_writer list = t->form == MANY ? abi_put_array(w, n) : t->kind == KIND_BYTES ? abi_put_tuple(w, n) : *w;
        json_array_foreach(v, i, e)
            if (!put(&list, &element, e)) return false;
        if (t->form == EXACTLY && t->kind != KIND_BYTES)
            *w = list; /* in line */
        else
            abi_end(&list);
        return true;
    }
    if (t->kind == KIND_BYTES) {
        if (!json_is_string(v)) return false;
        abi_put_bytes(w, text_bytes(v));
        return true;
    }
    if (!word_of(word, t, v)) return false;
    abi_put_word(w, word);
    return true;
}

static bool get(struct abi_reader *r, const struct type *t, json_t *v)
{
    uint8_t word[ABI_WORD], want[ABI_WORD], addr[20];
    struct abi_reader list;
    bytes text;
    uint64_t small;
    bool flag;
    if (t->form != ONE) {
        const struct type element = {.kind = t->kind, .len = t->len};
        const bool in_line = t->form == EXACTLY && t->kind != KIND_BYTES;
        size_t i, n = json_array_size(v);
        json_t *e;
        list = *r;
        if (t->form == MANY ? abi_get_array(&list, &n, r) != OK || n != json_array_size(v) : !in_line && abi_get_tuple(&list, r) != OK) return false;
        json_array_foreach(v, i, e)
            if (!get(&list, &element, e)) return false;
        if (in_line) *r = list;
        return true;
    }
    if (t->kind == KIND_BYTES) return abi_get_bytes(&text, r) == OK && bytes_eq(text, text_bytes(v));
    struct abi_reader again = *r;
    if (!word_of(want, t, v) || abi_get_word(word, r) != OK || memcmp(word, want, sizeof word) != 0) return false;
    const u256 n = u256_from_be(want);
    if (t->kind == KIND_ADDRESS) return abi_get_address(addr, &again) == OK && memcmp(addr, want + 12, sizeof addr) == 0;
    if (t->kind == KIND_BOOL) return abi_get_bool(&flag, &again) == OK && flag == (n.w[0] != 0);
    if (t->kind == KIND_UINT && u256_is_u64(&n)) return abi_get_u64(&small, &again) == OK && small == n.w[0];
    return true;
}

static const char *check(json_t *test, struct buf *out, struct buf *want)
{
    json_t *types = json_object_get(test, "types"), *args = json_object_get(test, "args"), *v;
    const size_t n = json_array_size(types);
    struct type t[64];
    size_t i, heads = 0;
    if (!json_is_array(types) || n != json_array_size(args) || n > COUNT_OF(t) || !case_bytes(want, json_object_get(test, "result")))
        return "no ABI test: it needs \"types\", as many \"args\" and a \"result\"";
    json_array_foreach(types, i, v) {
        if (!json_is_string(v) || (t[i] = type_of(json_string_value(v))).kind == KIND_BAD || t[i].n > ABI_MAX) return "a type that is not known";
        heads += t[i].form == EXACTLY && t[i].kind != KIND_BYTES ? t[i].n : 1;
    }
    struct abi_writer w = abi_begin(out, heads);
    json_array_foreach(args, i, v)
        if (!put(&w, &t[i], v)) return "an argument that does not fit its type";
    abi_end(&w);
    if (buf_status(out) != OK || !bytes_eq(buf_view(out), buf_view(want))) return "encodes to something else";
    struct abi_reader r = abi_read(buf_view(want));
    json_array_foreach(args, i, v)
        if (!get(&r, &t[i], v)) return "decodes to something else";
    return NULL;
}

static void run_test(struct cases *c, const char *name, json_t *test)
{
    struct buf out, want;
    buf_init(&out, ABI_MAX);
    buf_init(&want, ABI_MAX);
    const char *bad = check(test, &out, &want);
    if (bad == NULL)
        cases_pass(c, name, "");
    else
        cases_fail(c, name, "", "%s", bad);
    buf_fini(&out);
    buf_fini(&want);
}

int tool_abitest(int argc, char **argv)
{
    struct cases c = {.command = "abitest", .run = run_test};
    return cases_main(&c, argc, argv);
}
