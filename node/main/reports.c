/* reports.c: misbehaviour that was seen while blocks were verified (chain_report), told to the validator contract as Parity's "contract" kind of set
 * has it: transactions of this validator without a price, reportBenign(address, block) and reportMalicious(address, block, proof). A "safeContract"
 * takes none. */
#include "lib/codec/abi.h"
#include "lib/eth/abi_call.h"
#include "node/aura/aura.h"
#include "node/main/node.h"
#include "node/state/state.h"

enum { REPORT_GAS = 500000, OLD_BLOCKS = 100 }; /* what is older than that is nobody's business any more: reports go with the blocks that were just sealed */

void node_on_report(void *ctx, const struct chain_report *r)
{
    struct node *n = ctx;
    char who[43];
    address_put(who, &r->validator);
    if (r->malicious) log_warn("engine", "misbehaviour validator=%s block=%llu: %s", who, (unsigned long long)r->block, r->what);
    else log_debug("engine", "benign validator=%s block=%llu: %s", who, (unsigned long long)r->block, r->what);
    if (n->n_reports < REPORTS_MAX) n->reports[n->n_reports++] = *r;
}

/* the contract that takes reports for the block after the head, or NULL */
static const address *report_contract(struct node *n, uint64_t head)
{
    bool first;
    if (n->spec.engine != ENGINE_AURA) return NULL;
    const struct validator_set_spec *set = aura_set_spec_at(&first, &n->spec.aura.validators, head);
    return set->kind == VALSET_CONTRACT ? &set->contract : NULL;
}

bool node_is_validator(struct node *n)
{
    struct arena a;
    address *list;
    size_t count = 0;
    bool yes = false;
    arena_init(&a, 1 << 20);
    if (chain_validators(&list, &count, n->chain, &a) == OK)
        for (size_t i = 0; i < count; i++)
            yes = yes || address_eq(&list[i], &n->self);
    arena_fini(&a);
    return yes;
}

static enum status next_nonce(uint64_t *out, struct node *n)
{
    struct kv_txn *txn = NULL;
    struct state *state = NULL;
    uint64_t nonce = 0;
    enum status s = kv_begin(&txn, n->kv, false);
    if (s == OK) s = state_open(&state, txn, STATE_LATEST);
    if (s == OK) s = state_get_nonce(state, &n->self, &nonce);
    state_free(state);
    kv_abort(txn);
    if (s == OK) *out = pool_next_nonce(n->pool, &n->self, nonce);
    return s;
}

static void put_call(struct buf *out, const struct chain_report *r)
{
    struct abi_writer w = abi_call_begin(out, r->malicious ? "reportMalicious(address,uint256,bytes)" : "reportBenign(address,uint256)");
    abi_put_address(&w, r->validator.b);
    abi_put_u64(&w, r->block);
    if (r->malicious) abi_put_bytes(&w, BYTES_EMPTY); /* SPEC(aura.md B4): Parity gives no proof either */
    abi_end(&w);
}

enum status node_send_service_tx(struct node *n, const address *to, bytes data, uint64_t gas_limit, struct err *err)
{
    struct buf raw;
    uint8_t sig[65];
    hash32 hash;
    buf_init(&raw, 4096);
    struct tx tx = {.type = TX_LEGACY, .has_chain_id = true, .chain_id = n->spec.chain_id, .has_to = true, .to = *to, .sender = n->self,
                    .gas_limit = gas_limit, .data = data};
    enum status s = next_nonce(&tx.nonce, n);
    if (s == OK && n->cfg.mode == IDENTITY_FILE) {
        s = tx_sign(&tx, &raw, &n->file_key);
    } else if (s == OK) {
        s = identity_sign_service(n->identity, sig, &tx);
        if (s == OK) s = tx_sign_with(&tx, &raw, sig);
    }
    if (s == OK) s = node_add_tx(&hash, n, buf_view(&raw), err);
    buf_fini(&raw);
    return s;
}

static enum status send_one(struct node *n, const address *contract, const struct chain_report *r, uint64_t gas_limit, struct err *err)
{
    struct buf data;
    buf_init(&data, 1024);
    put_call(&data, r);
    enum status s = buf_status(&data);
    if (s == OK) s = node_send_service_tx(n, contract, buf_view(&data), gas_limit < REPORT_GAS ? gas_limit : REPORT_GAS, err);
    buf_fini(&data);
    return s;
}

void node_send_reports(struct node *n, bool is_behind)
{
    struct chain_head head;
    chain_get_head(&head, n->chain);
    const address *contract = report_contract(n, head.number);
    const bool may = contract != NULL && n->has_self && !is_behind && n->pool != NULL && n->n_reports > 0 && node_is_validator(n);
    for (size_t i = 0; may && i < n->n_reports; i++) {
        const struct chain_report *r = &n->reports[i];
        struct err err = {0};
        if (address_eq(&r->validator, &n->self) || r->block + OLD_BLOCKS < head.number) continue;
        const enum status s = send_one(n, contract, r, head.gas_limit, &err);
        if (s != OK && s != E_EXISTS)
            log_debug("engine", "report not sent block=%llu reason=%s: %s", (unsigned long long)r->block, status_name(s), err_text(&err));
    }
    n->n_reports = 0;
}
