/* Official TransactionTests: {"txbytes": bytes, "result": {fork: {"hash", "sender", "intrinsicGas"} or {"exception"}}}. Older files say
 * "rlp", have the forks beside it, and {} or null for a refusal; hashes and addresses may lack the 0x. */
#include "node/evm_tool/tool.h"

#include "node/chain/execute.h"
#include "node/store/tables.h"

struct txtest {
    struct buf raw;
};

/* verdict: all rules of the fork on a sender who has the right nonce and enough money.  ret NULL, or why it is refused */
static const char *verdict(struct tx *tx, const struct rules *rules, struct err *err, bytes raw)
{
    struct exec_env env = {.rules = *rules, .block = {.gas_limit = UINT64_MAX, .chain_id = rules->chain_id, .blob_base_fee = U256_ONE}};
    enum tx_verdict v = TX_VALID;
    struct kv *kv = NULL;
    struct kv_txn *txn = NULL;
    struct state *s = NULL;
    u256 cost;
    if (tx_get(tx, raw, err) != OK) return err_text(err);
    if (tx_recover(tx, rules->homestead) != OK) return "no sender can be recovered";
    if (u256_mul_overflow(&cost, tx->max_fee, u256_from_u64(tx->gas_limit))) return tx_verdict_text(TX_VALUE_OVERFLOW);
    struct tx without = *tx;
    without.value = U256_ZERO; /* with the price of the gas it may be over any balance: the tests do not look at that */
    enum status st = kv_open_memory(&kv, TABLE_N);
    if (st == OK) st = kv_begin(&txn, kv, true);
    if (st == OK) st = state_open(&s, txn, STATE_LATEST);
    if (st == OK) st = state_add_balance(s, &tx->sender, &U256_MAX);
    if (st == OK) st = state_set_nonce(s, &tx->sender, tx->nonce);
    if (st == OK) st = exec_tx_check(&v, &env, s, &without);
    state_free(s);
    kv_abort(txn);
    kv_close(kv);
    if (st != OK) return status_text(st);
    return v == TX_VALID ? NULL : tx_verdict_text(v);
}

static const json_t *member(const json_t *o, const char *key)
{
    return json_object_get(o, key);
}

static void run_fork(struct cases *c, const char *name, const char *fork, const json_t *want, bool has_form)
{
    struct txtest *t = c->ctx;
    enum fork f;
    struct rules rules;
    struct tx tx;
    struct err err = {0};
    struct buf b;
    uint64_t gas, floor, due;
    if (fork_parse(&f, fork) != OK) {
        if (cases_wants(c, fork)) cases_fail(c, name, fork, "unknown fork");
        return;
    }
    if (!cases_wants(c, fork_name(f))) return;
    cases_use_fork(c, fork);
    rules_from_fork(&rules, f);
    const bool refusal = member(want, "exception") != NULL || member(want, "hash") == NULL;
    const char *bad = has_form ? verdict(&tx, &rules, &err, buf_view(&t->raw)) : "its bytes are no hex";
    if (refusal || bad != NULL) {
        const char *reason = json_string_value(member(want, "exception"));
        if (refusal && bad != NULL)
            cases_pass(c, name, fork);
        else if (refusal)
            cases_fail(c, name, fork, "was taken, %s was due", reason != NULL ? reason : "a refusal");
        else
            cases_fail(c, name, fork, "was refused: %s", bad);
        return;
    }
    buf_init(&b, 64);
    if (!case_bytes(&b, member(want, "hash")) || !bytes_eq(buf_view(&b), BYTES_OF(tx.hash))) bad = "another hash";
    buf_clear(&b);
    if (bad == NULL && (!case_bytes(&b, member(want, "sender")) || !bytes_eq(buf_view(&b), BYTES_OF(tx.sender)))) bad = "another sender";
    buf_fini(&b);
    if (!exec_tx_intrinsic(&gas, &floor, &tx, &rules)) bad = "intrinsic gas out of range";
    if (bad == NULL && member(want, "intrinsicGas") != NULL && (!case_u64(&due, want, "intrinsicGas") || due != gas)) bad = "another intrinsic gas";
    if (bad == NULL)
        cases_pass(c, name, fork);
    else
        cases_fail(c, name, fork, "%s", bad);
}

static void run_test(struct cases *c, const char *name, json_t *test)
{
    struct txtest *t = c->ctx;
    json_t *raw = json_object_get(test, "txbytes"), *results = json_object_get(test, "result"), *want;
    const char *fork;
    enum fork f;
    if (raw == NULL) raw = json_object_get(test, "rlp");
    if (raw == NULL) {
        cases_fail(c, name, "", "no transaction test: it has neither \"txbytes\" nor \"rlp\"");
        return;
    }
    buf_clear(&t->raw);
    const bool has_form = case_bytes(&t->raw, raw);
    json_object_foreach(json_is_object(results) ? results : test, fork, want)
        if (json_is_object(results) || fork_parse(&f, fork) == OK) run_fork(c, name, fork, want, has_form);
}

int tool_transactiontest(int argc, char **argv)
{
    struct txtest t;
    struct cases c = {.command = "transactiontest", .run = run_test, .ctx = &t};
    buf_init(&t.raw, 1 << 26);
    int rc = cases_main(&c, argc, argv);
    buf_fini(&t.raw);
    return rc;
}
