#include "node/chain/node_filter.h"

#include "lib/eth/abi_call.h"
#include "node/chain/execute.h"

enum { PLACES = 256, CALL_GAS = 50000000 /* SPEC(aura.md B9) */, HEADER_ARENA = 1 << 20 };

struct answer {
    uint8_t peer[64];
    bool is_set, permitted;
};

struct node_filter {
    struct evm *evm;
    hash32 head; /* of the answers */
    struct answer cache[PLACES];
};

enum status node_filter_new(struct node_filter **out)
{
    struct node_filter *f = calloc(1, sizeof *f);
    if (f == NULL) return E_NOMEM;
    const enum status s = evm_new(&f->evm, 0);
    if (s != OK) {
        free(f);
        return s;
    }
    *out = f;
    return OK;
}

void node_filter_free(struct node_filter *f)
{
    if (f == NULL) return;
    evm_free(f->evm);
    free(f);
}

static void put_question(struct buf *in, const uint8_t own[static 64], const uint8_t peer[static 64])
{
    struct abi_writer w = abi_call_begin(in, "connectionAllowed(bytes32,bytes32,bytes32,bytes32)");
    abi_put_word(&w, own);
    abi_put_word(&w, own + 32);
    abi_put_word(&w, peer);
    abi_put_word(&w, peer + 32);
    abi_end(&w);
}

static enum status ask(bool *permitted, struct node_filter *f, struct chain *c, bytes question)
{
    struct kv_txn *txn = NULL;
    struct state *state = NULL;
    struct arena a;
    struct header h;
    struct exec_env env;
    struct evm_result r;
    uint64_t number, finalised;
    hash32 hash;
    bool yes = false;
    const address *to = &chain_spec_of(c)->node_permission_contract;
    arena_init(&a, HEADER_ARENA);
    enum status s = kv_begin(&txn, chain_kv(c), false);
    if (s == OK) s = blocks_get_head(&number, &hash, &finalised, txn);
    if (s == OK) s = blocks_get_header(&h, txn, &hash, &a);
    if (s == OK) s = state_open(&state, txn, STATE_LATEST);
    if (s == OK) {
        const struct evm_message msg = {.kind = EVM_CALL, .recipient = *to, .code_address = *to, .gas = CALL_GAS, .input = question};
        chain_call_env(&env, c, f->evm, txn, &h, false);
        s = exec_call(&r, &env, state, &msg, &U256_ZERO);
    }
    if (s == OK && r.outcome == EVM_HOST_FAILURE) s = r.host_status;
    if (s == OK && r.outcome == EVM_SUCCESS) {
        struct abi_reader rd = abi_read(r.output);
        if (abi_get_bool(&yes, &rd) != OK) yes = false;
    }
    state_free(state);
    kv_abort(txn);
    arena_fini(&a);
    if (s == OK) *permitted = yes;
    return s;
}

enum status node_filter_check(bool *permitted, struct node_filter *f, struct chain *c, const uint8_t own[static 64],
                              const uint8_t peer[static 64])
{
    struct chain_head head;
    struct buf question;
    if (!chain_spec_of(c)->has_node_permission_contract) {
        *permitted = true;
        return OK;
    }
    chain_get_head(&head, c);
    if (!hash_eq(&f->head, &head.hash)) {
        memset(f->cache, 0, sizeof f->cache);
        f->head = head.hash;
    }
    struct answer *a = &f->cache[le64_get(peer) % PLACES];
    if (a->is_set && memcmp(a->peer, peer, 64) == 0) {
        *permitted = a->permitted;
        return OK;
    }
    buf_init(&question, 4 + 4 * ABI_WORD);
    put_question(&question, own, peer);
    bool yes = false;
    enum status s = buf_status(&question);
    if (s == OK) s = ask(&yes, f, c, buf_view(&question));
    buf_fini(&question);
    if (s != OK) return s;
    *a = (struct answer){.is_set = true, .permitted = yes};
    memcpy(a->peer, peer, 64);
    *permitted = yes;
    return OK;
}
