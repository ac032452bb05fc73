/* poa-evm batch: one transaction a line on standard input, one result a line on standard output, in one process: what differential tests
 * talk to.
 *
 *     {"fork": "Cancun", "env": {...}, "pre": {...}, "txbytes": "0x...", "dump": false}      env and pre as in GeneralStateTests
 *     {"verdict": "valid", "ok": true, "outcome": "success", "gasUsed": 21000, "output": "0x", "logs": "0x<hash>", "root": "0x<hash>"}
 *
 * With dump, "post" holds all accounts afterwards. A transaction that may not stand in a block has its reason as verdict, and the
 * root as it was. A line that is no such object gets {"error": text}. */
#include "node/evm_tool/tool.h"

#include "lib/codec/hex.h"
#include "node/chain/execute.h"
#include "node/store/tables.h"

enum { CODE_MAX = 1 << 24 };

struct batch {
    struct evm *evm;
    struct arena arena;
    struct buf raw;
};

static void set_hex(json_t *o, const char *key, bytes v)
{
    struct buf b;
    buf_init(&b, SIZE_MAX / 2);
    hex_append(&b, v);
    json_object_set_new(o, key, json_string(buf_cstr(&b)));
    buf_fini(&b);
}

static void set_u256(json_t *o, const char *key, const u256 *v)
{
    char text[67];
    u256_put_hex(text, v);
    json_object_set_new(o, key, json_string(text));
}

/* --- the state afterwards */

struct dump {
    struct kv_txn *txn;
    json_t *accounts;
};

static enum status dump_slot(void *into, const u256 *key, const u256 *value)
{
    char name[67];
    u256_put_hex(name, key);
    set_u256(into, name, value);
    return OK;
}

static enum status dump_account(void *ctx, const address *a, const struct state_account *acc)
{
    struct dump *d = ctx;
    char name[43];
    bytes code = BYTES_EMPTY;
    const u256 nonce = u256_from_u64(acc->nonce);
    json_t *o = json_object(), *storage = json_object();
    enum status st = kv_get(&code, d->txn, TABLE_CODE, BYTES_OF(acc->code_hash));
    if (st == E_NOT_FOUND) st = OK; /* no code */
    set_u256(o, "nonce", &nonce);
    set_u256(o, "balance", &acc->balance);
    set_hex(o, "code", code);
    if (st == OK) st = state_dump_storage(d->txn, a, dump_slot, storage);
    json_object_set_new(o, "storage", storage);
    address_put(name, a);
    json_object_set_new(d->accounts, name, o);
    return st;
}

/* --- one line */

static enum status run_tx(json_t *out, struct batch *t, struct exec_env *env, struct tx *tx, struct kv_txn *txn, bool wants_dump)
{
    struct state *s = NULL;
    struct receipt receipt = {0};
    struct evm_result result = {.outcome = EVM_SUCCESS};
    enum tx_verdict verdict = TX_VALID;
    hash32 root, logs;
    enum status st = state_open(&s, txn, STATE_LATEST);
    if (st == OK) st = exec_tx(&verdict, &receipt, &result, env, s, tx, &t->arena);
    if (st == OK) st = state_root(s, &root);
    if (st != OK) goto out;
    json_object_set_new(out, "verdict", json_string(tx_verdict_text(verdict)));
    if (verdict == TX_VALID) {
        json_object_set_new(out, "ok", json_boolean(receipt.ok));
        json_object_set_new(out, "outcome", json_string(evm_outcome_text(result.outcome)));
        json_object_set_new(out, "gasUsed", json_integer((json_int_t)receipt.gas_used));
        set_hex(out, "output", result.output);
        case_logs_hash(&logs, &receipt);
        set_hex(out, "logs", BYTES_OF(logs));
    }
    set_hex(out, "root", BYTES_OF(root));
    if (!wants_dump) goto out;
    struct dump d = {.txn = txn, .accounts = json_object()};
    json_object_set_new(out, "post", d.accounts);
    st = state_commit(s, txn, 1, false);
    if (st == OK) st = state_dump(txn, dump_account, &d);
out:
    state_free(s);
    return st;
}

/* run_line: ret NULL, or what is wrong with it */
static const char *run_line(json_t *out, struct batch *t, json_t *line)
{
    const char *fork = json_string_value(json_object_get(line, "fork"));
    struct exec_env env = {.evm = t->evm, .block_hash = case_block_hash};
    struct kv *kv = NULL;
    struct kv_txn *txn = NULL;
    struct err err = {0};
    struct tx tx;
    enum fork f;
    if (fork == NULL || fork_parse(&f, fork) != OK) return "unknown fork";
    rules_from_fork(&env.rules, f);
    const char *bad = case_read_env(&env, json_object_get(line, "env"));
    if (bad != NULL) return bad;
    if (!case_bytes(&t->raw, json_object_get(line, "txbytes"))) return "txbytes is no hex";
    enum status st = kv_open_memory(&kv, TABLE_N);
    if (st == OK) st = case_load_state(kv, json_object_get(line, "pre"), NULL);
    if (st == OK) st = kv_begin(&txn, kv, true);
    if (st == OK && (tx_get(&tx, buf_view(&t->raw), &err) != OK || tx_recover(&tx, env.rules.homestead) != OK))
        json_object_set_new(out, "verdict", json_string(err.status != OK ? err_text(&err) : "no sender can be recovered"));
    else if (st == OK)
        st = run_tx(out, t, &env, &tx, txn, json_is_true(json_object_get(line, "dump")));
    kv_abort(txn);
    kv_close(kv);
    return st == OK ? NULL : status_text(st);
}

int tool_batch(int argc, char **argv)
{
    struct batch t = {0};
    char *line = NULL;
    size_t cap = 0;
    (void)argv;
    if (argc != 0) {
        (void)fprintf(stderr, "usage: poa-evm batch <LINES\n");
        return 2;
    }
    if (evm_new(&t.evm, 0) != OK) BUG("out of memory");
    arena_init(&t.arena, SIZE_MAX);
    buf_init(&t.raw, CODE_MAX);
    for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) {
        json_error_t error;
        json_t *in = json_loadb(line, (size_t)n, 0, &error), *out = json_object();
        const char *bad = in == NULL ? error.text : run_line(out, &t, in);
        if (bad != NULL) json_object_set_new(out, "error", json_string(bad));
        (void)json_dumpf(out, stdout, JSON_COMPACT);
        (void)printf("\n");
        (void)fflush(stdout);
        json_decref(in);
        json_decref(out);
        buf_clear(&t.raw);
        arena_reset(&t.arena);
    }
    free(line);
    buf_fini(&t.raw);
    arena_fini(&t.arena);
    evm_free(t.evm);
    return 0;
}
