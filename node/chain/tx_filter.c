#include "node/chain/tx_filter.h"

#include <pthread.h>

#include "lib/eth/abi_call.h"

enum {
    CACHE_LEN = 4096,    /* SPEC(aura.md B9) */
    CALL_GAS = 50000000, /* SPEC(aura.md B9) */
    INPUT_MAX = 64 << 20,
    KIND_BASIC = 1,
    KIND_CALL = 2,
    KIND_CREATE = 4
};

struct answer {
    hash32 parent;
    address sender;
    uint32_t mask;
    bool is_set;
};

struct tx_filter {
    pthread_mutex_t lock; /* guards all below */
    struct evm *evm;
    bool has_version, is_versioned; /* of version_parent; is_versioned: contractVersion() gave one */
    hash32 version_parent;
    u256 version;
    struct answer cache[CACHE_LEN];
};

enum status tx_filter_new(struct tx_filter **out)
{
    struct tx_filter *f = calloc(1, sizeof *f);
    if (f == NULL) return E_NOMEM;
    enum status s = evm_new(&f->evm, 0);
    if (s != OK) {
        free(f);
        return s;
    }
    pthread_mutex_init(&f->lock, NULL);
    *out = f;
    return OK;
}

void tx_filter_free(struct tx_filter *f)
{
    if (f == NULL) return;
    evm_free(f->evm);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

bool tx_filter_is_active(const struct chain_spec *spec, uint64_t number)
{
    return spec->has_tx_permission_contract && number >= spec->tx_permission;
}

/* call the contract; output is valid until the next call. *ok: it did not fail */
static enum status call(bytes *output, bool *ok, struct exec_env *env, struct state *s, bytes input)
{
    const address *to = &env->spec->tx_permission_contract;
    const struct evm_message msg = {.kind = EVM_CALL, .recipient = *to, .code_address = *to, .gas = CALL_GAS, .input = input};
    struct evm_result r;
    int mark = state_snapshot(s);
    enum status st = exec_call(&r, env, s, &msg, &U256_ZERO);
    state_revert(s, mark);
    if (st != OK) return st;
    *ok = r.outcome == EVM_SUCCESS;
    *output = r.output;
    return OK;
}

static enum status read_version(struct tx_filter *f, struct exec_env *env, struct state *s, const hash32 *parent_hash)
{
    if (f->has_version && hash_eq(&f->version_parent, parent_hash)) return OK;
    uint8_t selector[4], word[ABI_WORD];
    bytes output;
    bool ok;
    abi_selector(selector, "contractVersion()");
    enum status st = call(&output, &ok, env, s, BYTES_OF(selector));
    if (st != OK) return st;
    struct abi_reader r = abi_read(output);
    f->is_versioned = ok && abi_get_word(word, &r) == OK;
    if (f->is_versioned) f->version = u256_from_be(word);
    f->version_parent = *parent_hash;
    f->has_version = true;
    return OK;
}

static void put_u256(struct abi_writer *w, const u256 *v)
{
    uint8_t word[ABI_WORD];
    u256_to_be(word, v);
    abi_put_word(w, word);
}

/* the call of a version's allowedTxTypes; false: no such version */
static bool put_question(struct buf *in, uint64_t version, const struct tx *tx)
{
    static const char *const signatures[] = {NULL, "allowedTxTypes(address)", "allowedTxTypes(address,address,uint256)",
                                             "allowedTxTypes(address,address,uint256,uint256,bytes)",
                                             "allowedTxTypes(address,address,uint256,uint256,uint256,uint256,bytes)"};
    if (version == 0 || version >= COUNT_OF(signatures)) return false;
    const address to = tx->has_to ? tx->to : (address){{0}};
    struct abi_writer w = abi_call_begin(in, signatures[version]);
    abi_put_address(&w, tx->sender.b);
    if (version >= 2) {
        abi_put_address(&w, to.b);
        put_u256(&w, &tx->value);
    }
    if (version >= 3) put_u256(&w, &tx->max_fee);
    if (version >= 4) {
        put_u256(&w, &tx->max_priority);
        abi_put_u64(&w, tx->gas_limit);
    }
    if (version >= 3) abi_put_bytes(&w, tx->data);
    abi_end(&w);
    return true;
}

/* *by_sender: the answer holds for all transactions of the sender */
static enum status ask(uint32_t *mask, bool *by_sender, struct tx_filter *f, struct exec_env *env, struct state *s, const hash32 *parent_hash,
                       const struct tx *tx)
{
    *mask = 0;
    *by_sender = true;
    enum status st = read_version(f, env, s, parent_hash);
    if (st != OK) return st;
    uint64_t version = f->is_versioned ? f->version.w[0] : 1; /* SPEC(aura.md B9): its low 64 bits */
    if (f->is_versioned && version == 1) return OK;           /* the first interface has no version: this one is unknown */
    struct buf in;
    bytes output;
    bool ok = false, flag = true;
    uint8_t word[ABI_WORD];
    buf_init(&in, INPUT_MAX);
    if (put_question(&in, version, tx)) {
        st = buf_status(&in);
        if (st == OK) st = call(&output, &ok, env, s, buf_view(&in));
    }
    if (st == OK && ok) {
        struct abi_reader r = abi_read(output);
        ok = abi_get_word(word, &r) == OK && (version == 1 || abi_get_bool(&flag, &r) == OK);
        if (ok) {
            *mask = be32_get(word + 28);
            *by_sender = flag;
        }
    }
    buf_fini(&in);
    return st;
}

static enum status kind_of(uint32_t *kind, struct state *s, const struct tx *tx)
{
    bytes code = BYTES_EMPTY;
    enum status st = tx->has_to ? state_get_code(s, &tx->to, &code) : OK;
    if (st == OK) *kind = !tx->has_to ? KIND_CREATE : code.len == 0 ? KIND_BASIC : KIND_CALL;
    return st;
}

enum status tx_filter_check(bool *permitted, struct tx_filter *f, const struct exec_env *env, struct state *s, const hash32 *parent_hash,
                            const struct tx *tx)
{
    uint32_t kind, mask;
    enum status st = kind_of(&kind, s, tx);
    if (st != OK) return st;
    struct answer *a = &f->cache[(le64_get(tx->sender.b + 8) ^ le64_get(parent_hash->b)) % CACHE_LEN];
    pthread_mutex_lock(&f->lock);
    if (a->is_set && address_eq(&a->sender, &tx->sender) && hash_eq(&a->parent, parent_hash)) {
        mask = a->mask;
    } else {
        struct exec_env own = *env;
        bool by_sender;
        own.evm = f->evm;
        own.tracer = NULL;
        st = ask(&mask, &by_sender, f, &own, s, parent_hash, tx);
        if (st == OK && by_sender) *a = (struct answer){.parent = *parent_hash, .sender = tx->sender, .mask = mask, .is_set = true};
    }
    pthread_mutex_unlock(&f->lock);
    if (st == OK) *permitted = (mask & kind) != 0;
    return st;
}
