#include "node/evm_tool/tool.h"

#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "node/state/state.h"
#include "node/store/kv.h"

#include <dirent.h>

bool cases_wants(const struct cases *c, const char *fork)
{
    return c->fork == NULL || strcasecmp(c->fork, fork) == 0;
}

/* group_of: the count of c->group, made at its first case; NULL without a group */
static struct cases_group *group_of(struct cases *c)
{
    if (c->group == NULL) return NULL;
    for (size_t i = 0; i < c->n_groups; i++)
        if (strcmp(c->groups[i].name, c->group) == 0) return &c->groups[i];
    if (c->n_groups == COUNT_OF(c->groups)) return NULL;
    struct cases_group *g = &c->groups[c->n_groups++];
    (void)snprintf(g->name, sizeof g->name, "%s", c->group);
    return g;
}

void cases_pass(struct cases *c, const char *name, const char *label)
{
    struct cases_group *g = group_of(c);
    c->passed++;
    if (g != NULL) g->passed++;
    if (c->verbose && !c->json) (void)printf("ok      %s%s%s\n", name, label[0] != 0 ? " " : "", label);
}

void cases_fail(struct cases *c, const char *name, const char *label, const char *fmt, ...)
{
    char why[400];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    struct cases_group *g = group_of(c);
    c->failed++;
    if (g != NULL) g->failed++;
    if (c->json)
        json_array_append_new(c->failures,
                              json_pack("{s:s,s:s,s:s,s:s}", "file", c->file, "test", name, "case", label, "reason", why));
    else
        (void)printf("FAILED  %s: %s%s%s: %s\n", c->file, name, label[0] != 0 ? " " : "", label, why);
}

static bool run_file(struct cases *c, const char *path)
{
    json_error_t error;
    json_t *doc = json_load_file(path, JSON_ALLOW_NUL, &error), *test;
    const char *name;
    c->file = path;
    c->group = NULL;
    if (!json_is_object(doc)) {
        cases_fail(c, "(file)", "", "no JSON object: %s", doc == NULL ? error.text : "another kind of value");
        json_decref(doc);
        return false;
    }
    json_object_foreach(doc, name, test)
        if (name[0] != '_') c->run(c, name, test); /* _info says how the file was made */
    json_decref(doc);
    return true;
}

static bool is_json(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".json") == 0;
}

static bool run_path(struct cases *c, const char *path, unsigned depth)
{
    struct dirent **entries = NULL;
    if (!file_is_dir(path)) return run_file(c, path);
    int n = depth > 32 ? -1 : scandir(path, &entries, NULL, alphasort);
    bool ok = n >= 0;
    for (int i = 0; i < n; i++) {
        char sub[4096];
        const char *name = entries[i]->d_name;
        int len = snprintf(sub, sizeof sub, "%s/%s", path, name);
        if (name[0] != '.' && len > 0 && (size_t)len < sizeof sub && (file_is_dir(sub) || is_json(name)))
            ok = run_path(c, sub, depth + 1) && ok;
        free(entries[i]);
    }
    free(entries);
    return ok;
}

/* by_history: forks in their order, networks that change fork behind them by name */
static int by_history(const void *a, const void *b)
{
    const struct cases_group *x = a, *y = b;
    enum fork f = FORK_N, g = FORK_N;
    if (fork_parse(&f, x->name) != OK) f = FORK_N;
    if (fork_parse(&g, y->name) != OK) g = FORK_N;
    return f != g ? (f < g ? -1 : 1) : strcmp(x->name, y->name);
}

static void report(struct cases *c)
{
    qsort(c->groups, c->n_groups, sizeof c->groups[0], by_history);
    if (c->json) {
        json_t *groups = json_object();
        for (size_t i = 0; i < c->n_groups; i++)
            json_object_set_new(groups, c->groups[i].name, json_pack("{s:I,s:I}", "passed", (json_int_t)c->groups[i].passed, "failed", (json_int_t)c->groups[i].failed));
        json_t *doc = json_pack("{s:I,s:I,s:o,s:O}", "passed", (json_int_t)c->passed, "failed", (json_int_t)c->failed, "groups", groups,
                                "failures", c->failures);
        (void)json_dumpf(doc, stdout, JSON_INDENT(1));
        (void)printf("\n");
        json_decref(doc);
        return;
    }
    for (size_t i = 0; i < c->n_groups; i++)
        (void)printf("  %-34s %7zu passed, %zu failed\n", c->groups[i].name, c->groups[i].passed, c->groups[i].failed);
    (void)printf("%zu passed, %zu failed\n", c->passed, c->failed);
}

static int usage(const struct cases *c)
{
    (void)fprintf(stderr, "usage: poa-evm %s PATH... [--fork NAME] [--json] [-v]\n", c->command);
    return 2;
}

int cases_main(struct cases *c, int argc, char **argv)
{
    int n_paths = 0;
    enum fork fork;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            c->json = true;
        else if (strcmp(argv[i], "-v") == 0)
            c->verbose = true;
        else if (strcmp(argv[i], "--fork") == 0 && i + 1 < argc)
            c->fork = argv[++i];
        else if (argv[i][0] == '-')
            return usage(c);
        else
            argv[n_paths++] = argv[i];
    }
    if (n_paths == 0) return usage(c);
    if (c->fork != NULL && fork_parse(&fork, c->fork) == OK) c->fork = fork_name(fork);
    c->failures = json_array();
    for (int i = 0; i < n_paths; i++) {
        if (file_exists(argv[i])) {
            (void)run_path(c, argv[i], 0);
        } else {
            c->file = argv[i];
            cases_fail(c, "(file)", "", "no such file or folder");
        }
    }
    report(c);
    json_decref(c->failures);
    if (c->passed + c->failed == 0) { /* nothing asked for was there: not a success */
        (void)fprintf(stderr, "poa-evm: no case%s%s in those files\n", c->fork != NULL ? " of fork " : "", c->fork != NULL ? c->fork : "");
        return 1;
    }
    return c->failed != 0;
}

/* --- JSON */

static bool text_of(bytes *out, const json_t *v)
{
    if (!json_is_string(v)) return false;
    *out = bytes_make(json_string_value(v), json_string_length(v));
    return true;
}

bool u256_of_text(u256 *out, const json_t *v)
{
    bytes t;
    return text_of(&t, v) && (bytes_eq_str(t, "0x") ? (*out = U256_ZERO, true) : u256_get_hex(out, t) == OK);
}

bool case_u256(u256 *out, const json_t *object, const char *key)
{
    return u256_of_text(out, json_object_get(object, key));
}

bool case_u64(uint64_t *out, const json_t *object, const char *key)
{
    u256 v;
    if (!case_u256(&v, object, key) || !u256_is_u64(&v)) return false;
    *out = v.w[0];
    return true;
}

bool case_address(address *out, const json_t *object, const char *key)
{
    bytes t;
    return text_of(&t, json_object_get(object, key)) && address_get(out, t) == OK;
}

bool case_hash(hash32 *out, const json_t *object, const char *key)
{
    u256 v; /* some tests leave leading zeros out */
    if (!case_u256(&v, object, key)) return false;
    u256_to_be(out->b, &v);
    return true;
}

bool case_bytes(struct buf *out, const json_t *text)
{
    bytes t;
    if (!text_of(&t, text)) return false;
    if (t.len == 0 || (t.len >= 2 && t.ptr[0] == '0' && (t.ptr[1] | 0x20) == 'x')) return t.len == 0 || hex_get(out, t) == OK;
    uint8_t *room = t.len % 2 != 0 ? NULL : buf_reserve(out, t.len / 2); /* older files leave the prefix out */
    if (room == NULL || hex_get_fixed(room, t.len / 2, t) != OK) return false;
    out->len += t.len / 2;
    return true;
}

void cases_use_fork(struct cases *c, const char *fork)
{
    enum fork f;
    c->group = fork_parse(&f, fork) != OK ? fork : f == FORK_PARIS ? "Paris" : fork_name(f);
}

static enum status load_account(struct state *s, const char *name, const json_t *acc)
{
    address a;
    u256 balance, nonce = U256_ZERO, key, value;
    struct buf code;
    const char *k;
    json_t *v;
    if (address_get(&a, bytes_str(name)) != OK || !case_u256(&balance, acc, "balance")) return E_DECODE;
    if (!case_u256(&nonce, acc, "nonce") || !u256_is_u64(&nonce)) return E_DECODE;
    buf_init(&code, 1 << 24);
    enum status st = case_bytes(&code, json_object_get(acc, "code")) ? OK : E_DECODE;
    if (st == OK) st = state_add_balance(s, &a, &balance);
    if (st == OK) st = state_set_nonce(s, &a, nonce.w[0]);
    if (st == OK) st = state_set_code(s, &a, buf_view(&code));
    buf_fini(&code);
    json_object_foreach(json_object_get(acc, "storage"), k, v) {
        if (st != OK) break;
        if (u256_get_hex(&key, bytes_str(k)) != OK || !u256_of_text(&value, v)) return E_DECODE;
        st = state_set_storage(s, &a, &key, &value);
    }
    return st;
}

enum status case_load_state(struct kv *kv, const json_t *accounts, hash32 *root)
{
    struct kv_txn *txn;
    struct state *s = NULL;
    const char *name;
    json_t *acc;
    enum status st = kv_begin(&txn, kv, true);
    if (st != OK) return st;
    st = state_open(&s, txn, STATE_LATEST);
    if (st == OK && !json_is_object(accounts)) st = E_DECODE;
    if (st == OK) {
        json_object_foreach((json_t *)(uintptr_t)accounts, name, acc) {
            st = load_account(s, name, acc);
            if (st != OK) break;
        }
    }
    if (st == OK && root != NULL) st = state_root(s, root);
    if (st == OK) st = state_commit(s, txn, 0, false);
    state_free(s);
    if (st == OK) return kv_commit(txn);
    kv_abort(txn);
    return st;
}
