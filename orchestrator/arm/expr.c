/* expr.c: the grammar of template expressions.
 *     expr    := primary { "." name | ".?" name | "[" expr "]" | "[?" expr "]" }
 *     primary := 'text with '' for a quote' | integer | name [ "." name ] "(" [ expr { "," expr } ] ")"  */
#include "orchestrator/arm/arm_priv.h"

struct parser {
    struct arena *a;
    const char *s;
    size_t len, at;
    unsigned depth;
    const char *why;
};

bool expr_is(const char *s)
{
    const size_t n = strlen(s);
    return n >= 2 && s[0] == '[' && s[1] != '[' && s[n - 1] == ']';
}

static void skip_blanks(struct parser *p)
{
    while (p->at < p->len && strchr(" \t\r\n", p->s[p->at]) != NULL && p->s[p->at] != 0)
        p->at++;
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_name(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9');
}

static bool fail(struct parser *p, const char *why)
{
    if (p->why == NULL) p->why = why;
    return false;
}

static bool peek(struct parser *p, char c)
{
    skip_blanks(p);
    return p->at < p->len && p->s[p->at] == c;
}

static bool take_name(const char **out, struct parser *p)
{
    skip_blanks(p);
    const size_t from = p->at;
    if (p->at >= p->len || !is_name_start(p->s[p->at])) return fail(p, "a name is expected");
    while (p->at < p->len && is_name(p->s[p->at]))
        p->at++;
    const bytes b = arena_copy(p->a, bytes_make(p->s + from, p->at - from));
    if (b.ptr == NULL) return fail(p, "too large");
    *out = (const char *)b.ptr;
    return true;
}

static bool take_string(const char **out, struct parser *p)
{
    char *dst = arena_alloc(p->a, p->len - p->at + 1);
    if (dst == NULL) return fail(p, "too large");
    size_t n = 0;
    p->at++;
    while (p->at < p->len) {
        const char c = p->s[p->at++];
        if (c == '\'') {
            if (p->at < p->len && p->s[p->at] == '\'') {
                p->at++;
            } else {
                dst[n] = 0;
                *out = dst;
                return true;
            }
        }
        dst[n++] = c;
    }
    return fail(p, "a string is not closed by '");
}

static bool take_int(int64_t *out, struct parser *p)
{
    const bool neg = p->s[p->at] == '-';
    if (neg) p->at++;
    if (p->at >= p->len || p->s[p->at] < '0' || p->s[p->at] > '9')
        return fail(p, "a digit is expected");
    int64_t v = 0;
    while (p->at < p->len && p->s[p->at] >= '0' && p->s[p->at] <= '9') {
        const int d = p->s[p->at++] - '0';
        if (__builtin_mul_overflow(v, 10, &v) ||
            (neg ? __builtin_sub_overflow(v, d, &v) : __builtin_add_overflow(v, d, &v)))
            return fail(p, "the number does not fit 64 bits");
    }
    if (p->at < p->len && (is_name(p->s[p->at]) || p->s[p->at] == '.'))
        return fail(p, "only integers are allowed; write float('1.5') for others");
    *out = v;
    return true;
}

static struct expr *take_expr(struct parser *p);

static bool take_args(struct expr *x, struct parser *p)
{
    size_t cap = 0;
    p->at++;
    if (peek(p, ')')) {
        p->at++;
        return true;
    }
    for (;;) {
        struct expr *arg = take_expr(p);
        if (arg == NULL) return false;
        if (x->n == cap) {
            cap = cap == 0 ? 4 : cap * 2;
            struct expr **more = arena_alloc(p->a, cap * sizeof *more);
            if (more == NULL) return fail(p, "too large");
            if (x->n > 0) memcpy(more, x->args, x->n * sizeof *more);
            x->args = more;
        }
        x->args[x->n++] = arg;
        if (peek(p, ',')) {
            p->at++;
            continue;
        }
        if (!peek(p, ')')) return fail(p, "',' or ')' is expected");
        p->at++;
        return true;
    }
}

static bool take_primary(struct expr *x, struct parser *p)
{
    skip_blanks(p);
    x->pos = (uint32_t)p->at;
    if (p->at >= p->len) return fail(p, "the expression ends too early");
    const char c = p->s[p->at];
    if (c == '\'') {
        x->kind = EXPR_STRING;
        return take_string(&x->text, p);
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        x->kind = EXPR_INT;
        return take_int(&x->num, p);
    }
    if (!is_name_start(c)) return fail(p, "a function, a 'string' or a number is expected");
    x->kind = EXPR_CALL;
    if (!take_name(&x->text, p)) return false;
    if (peek(p, '.')) {
        p->at++;
        x->ns = x->text;
        if (!take_name(&x->text, p)) return false;
    }
    if (!peek(p, '(')) return fail(p, "'(' is expected after a function's name");
    return take_args(x, p);
}

static struct expr *take_expr(struct parser *p)
{
    struct expr *x = arena_zalloc(p->a, 1, sizeof *x);
    if (x == NULL) {
        fail(p, "too large");
        return NULL;
    }
    if (++p->depth > ARM_EXPR_DEPTH_MAX) {
        fail(p, "nested too deeply");
        return NULL;
    }
    if (!take_primary(x, p)) return NULL;
    /* a chain of accesses is evaluated by recursion, so it counts towards the depth */
    unsigned chain = 0;
    for (;;) {
        const bool dot = peek(p, '.'), bracket = !dot && peek(p, '[');
        if (!dot && !bracket) break;
        struct expr *outer = arena_zalloc(p->a, 1, sizeof *outer);
        if (outer == NULL || ++chain > ARM_EXPR_DEPTH_MAX) {
            fail(p, "nested too deeply");
            return NULL;
        }
        outer->pos = (uint32_t)p->at++;
        outer->base = x;
        if (p->at < p->len && p->s[p->at] == '?') {
            outer->safe = true;
            p->at++;
        }
        if (dot) {
            outer->kind = EXPR_PROPERTY;
            if (!take_name(&outer->text, p)) return NULL;
        } else {
            outer->kind = EXPR_INDEX;
            outer->sub = take_expr(p);
            if (outer->sub == NULL) return NULL;
            if (!peek(p, ']')) {
                fail(p, "']' is expected");
                return NULL;
            }
            p->at++;
        }
        x = outer;
    }
    p->depth--;
    return x;
}

enum status expr_parse(struct expr **out, struct arena *a, const char *text, size_t len,
                       uint32_t *pos, const char **why)
{
    struct parser p = {.a = a, .s = text, .len = len};
    if (len > ARM_EXPR_MAX) {
        *pos = 0;
        *why = "the expression is longer than 24,576 characters";
        return E_LIMIT;
    }
    struct expr *x = take_expr(&p);
    if (x != NULL) {
        skip_blanks(&p);
        if (p.at < p.len) {
            fail(&p, "the expression should end here");
            x = NULL;
        }
    }
    if (x == NULL) {
        *pos = (uint32_t)p.at;
        *why = p.why;
        return E_DECODE;
    }
    *out = x;
    return OK;
}
