#include "node/chain/genesis.h"

#include "lib/codec/rlp.h"
#include "node/chain/execute.h"
#include "node/store/tables.h"

#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum status try_ = (call);                                                                 \
        if (try_ != OK) return try_;                                                               \
    } while (0)

static enum status insert_account(struct state *s, const struct spec_account *a)
{
    if (!a->has_balance && !a->has_nonce && !a->has_code && !a->has_storage) return OK; /* a builtin, or a constructor alone */
    TRY(state_require(s, &a->addr));
    TRY(state_set_nonce(s, &a->addr, a->nonce.w[0]));
    TRY(state_add_balance(s, &a->addr, &a->balance));
    if (a->has_code) TRY(state_set_code(s, &a->addr, a->code));
    for (size_t i = 0; i < a->n_storage; i++) {
        const u256 key = u256_from_be(a->storage[i].key.b), value = u256_from_be(a->storage[i].value.b);
        TRY(state_set_storage(s, &a->addr, &key, &value));
    }
    return OK;
}

/* run_constructor: aura.md B6: create at that very address, from the zero address, with all gas there is */
static enum status run_constructor(struct exec_env *env, struct state *s, const struct spec_account *a, struct err *err)
{
    const struct evm_message msg = {.kind = EVM_CREATE, .recipient = a->addr, .code_address = a->addr, .is_boundless = true,
                                    .input = a->constructor};
    const address zero = {{0}};
    struct evm_result result;
    /* the zero value that it sends creates the sender, as in any message of Parity's */
    TRY(state_require(s, &zero));
    TRY(exec_call(&result, env, s, &msg, &U256_ZERO));
    if (result.outcome == EVM_SUCCESS) return OK;
    char text[43];
    address_put(text, &a->addr);
    return err_set(err, E_INVALID, "accounts.%s.constructor: %s", text, evm_outcome_text(result.outcome));
}

static enum status run_constructors(const struct chain_spec *spec, struct state *s, struct err *err)
{
    struct evm *evm = NULL;
    const struct spec_genesis *g = &spec->genesis;
    struct exec_env env = {
        .spec = spec,
        .block = {.timestamp = g->timestamp, .gas_limit = UINT64_MAX, .author = g->author, .difficulty = g->difficulty,
                  .base_fee = g->has_base_fee ? g->base_fee : spec->base_fee_initial, .chain_id = spec->chain_id},
    };
    enum status st = OK;
    chain_spec_rules(&env.rules, spec, 0, g->timestamp);
    env.rules.eip3860 = false; /* a limit for transactions and contracts, not for who writes the genesis */
    for (size_t i = 0; i < spec->n_accounts && st == OK; i++) { /* ascending by address */
        if (!spec->accounts[i].has_constructor) continue;
        if (evm == NULL) {
            st = evm_new(&evm, 0);
            env.evm = evm;
        }
        if (st == OK) st = run_constructor(&env, s, &spec->accounts[i], err);
    }
    evm_free(evm);
    return st;
}

static void make_header(struct header *h, const struct chain_spec *spec, const hash32 *state_root)
{
    static const hash32 NO_REQUESTS = {{0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
                                        0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55}};
    const struct spec_genesis *g = &spec->genesis;
    struct rules rules;
    chain_spec_rules(&rules, spec, 0, g->timestamp);
    *h = (struct header){
        .parent_hash = g->parent_hash, .uncles_hash = HASH_EMPTY_UNCLES, .author = g->author, .state_root = *state_root,
        .tx_root = HASH_EMPTY_TRIE, .receipts_root = HASH_EMPTY_TRIE, .difficulty = g->difficulty, .gas_limit = g->gas_limit,
        .gas_used = g->gas_used, .timestamp = g->timestamp, .extra = g->extra,
    };
    if (g->seal_is_aura) {
        h->seal = SEAL_AURA;
        h->step = g->step;
        memcpy(h->signature, g->signature, sizeof h->signature);
    } else if (g->seal_is_ethereum) {
        h->seal = SEAL_ETHASH;
        h->mix_hash = g->mix_hash;
        memcpy(h->nonce, g->nonce, sizeof h->nonce);
    } else {
        bytes in = g->seal_generic;
        h->seal = SEAL_GENERIC;
        IGNORE(rlp_get_list(&h->seal_raw, &in), "the parser of the spec has checked it");
    }
    h->has_base_fee = g->has_base_fee || rules.eip1559;
    h->base_fee = g->has_base_fee ? g->base_fee : spec->base_fee_initial;
    h->has_withdrawals = rules.eip4895;
    h->withdrawals_root = HASH_EMPTY_TRIE;
    h->has_blob_gas = rules.eip4844;
    h->has_beacon_root = rules.eip4788;
    h->has_requests = rules.eip7685;
    h->requests_hash = NO_REQUESTS;
}

enum status genesis_build(struct genesis *out, const struct chain_spec *spec, struct kv_txn *txn, struct err *err)
{
    struct state *s = NULL;
    struct rules rules;
    hash32 root;
    enum status st = state_open(&s, txn, STATE_LATEST);
    if (st != OK) return err_set(err, st, "genesis: cannot open the state: %s", status_text(st));
    chain_spec_rules(&rules, spec, 0, spec->genesis.timestamp);
    state_begin_tx(s, &rules);
    for (size_t i = 0; i < spec->n_accounts && st == OK; i++) st = insert_account(s, &spec->accounts[i]);
    if (st == OK) st = run_constructors(spec, s, err);
    if (st == OK) st = state_root(s, &root);
    if (st == OK) st = state_commit(s, txn, 0, false);
    if (st == OK) {
        make_header(&out->header, spec, &root);
        out->hash = header_hash(&out->header);
    } else if (st != E_INVALID) {
        st = err_set(err, st, "genesis: %s", status_text(st));
    }
    state_free(s);
    return st;
}

enum status genesis_compute(struct genesis *out, const struct chain_spec *spec, struct err *err)
{
    struct kv *kv;
    struct kv_txn *txn;
    enum status st = kv_open_memory(&kv, TABLE_N);
    if (st != OK) return err_set(err, st, "genesis: %s", status_text(st));
    st = kv_begin(&txn, kv, true);
    if (st == OK) {
        st = genesis_build(out, spec, txn, err);
        kv_abort(txn);
    }
    kv_close(kv);
    return st;
}
