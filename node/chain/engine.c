/* engine.c: AuRa's validator sets over the database: epochs, signals, finality, system calls, rewards (reference/aura.md B5). The rules
 * themselves are node/aura's. */
#include "lib/codec/abi.h"
#include "lib/codec/rlp.h"
#include "node/chain/chain_priv.h"
#include "node/store/tables.h"

/* TABLE_EPOCH: 't' || number(8) || hash(32) -> RLP [address...]   a transition recorded at that block
 *              's' || hash(32)              -> RLP [address...]   a change signalled by that block
 *              'p' and 'q'                  promise.c */
enum { LIST_MAX = 1 << 20 };

void epoch_fini(struct epoch *e)
{
    finality_fini(&e->fin);
    commit_fini(&e->com);
}

static void transition_key(uint8_t key[static 41], uint64_t number, const hash32 *hash)
{
    key[0] = 't';
    be64_put(key + 1, number);
    memcpy(key + 9, hash->b, 32);
}

static void signal_key(uint8_t key[static 33], const hash32 *hash)
{
    key[0] = 's';
    memcpy(key + 1, hash->b, 32);
}

static enum status put_list(struct kv_txn *txn, bytes key, const struct validators *set)
{
    struct buf b;
    buf_init(&b, LIST_MAX);
    size_t mark = rlp_list_open(&b);
    for (size_t i = 0; i < set->n; i++)
        rlp_put_string(&b, bytes_make(set->list[i].b, 20));
    rlp_list_close(&b, mark);
    enum status s = buf_status(&b);
    if (s == OK) s = kv_put(txn, TABLE_EPOCH, key, buf_view(&b));
    buf_fini(&b);
    return s;
}

static enum status get_list(struct validators *out, bytes value)
{
    bytes items;
    size_t n;
    if (rlp_get_list(&items, &value) != OK || rlp_count_items(&n, items) != OK) return E_CORRUPT;
    address *list = malloc(n == 0 ? 1 : n * sizeof *list);
    if (list == NULL) return E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (rlp_get_fixed(list[i].b, 20, &items) != OK) {
            free(list);
            return E_CORRUPT;
        }
    }
    *out = (struct validators){.list = list, .n = n};
    return OK;
}

enum status epoch_put(struct kv_txn *txn, uint64_t number, const hash32 *hash, const struct validators *set)
{
    uint8_t key[41];
    transition_key(key, number, hash);
    return put_list(txn, bytes_make(key, sizeof key), set);
}

/* the last canonical transition at or before `number` */
static enum status find_transition(struct validators *set, uint64_t *at, hash32 *at_hash, struct kv_txn *txn, uint64_t number)
{
    uint8_t key[9] = {'t'};
    be64_put(key + 1, number + 1);
    struct kv_cursor *cur;
    bytes k, v;
    enum status s = kv_cursor_open(&cur, txn, TABLE_EPOCH);
    if (s != OK) return s;
    s = kv_cursor_seek(&k, &v, cur, bytes_make(key, sizeof key));
    if (s == OK) s = kv_cursor_prev(&k, &v, cur);
    else if (s == E_NOT_FOUND) s = kv_cursor_last(&k, &v, cur);
    for (; s == OK; s = kv_cursor_prev(&k, &v, cur)) {
        if (k.len != 41 || k.ptr[0] != 't') {
            if (k.ptr[0] < 't') s = E_NOT_FOUND;
            if (s != OK) break;
            continue;
        }
        uint64_t n = be64_get(k.ptr + 1);
        hash32 canonical;
        enum status t = blocks_get_canonical_hash(&canonical, txn, n);
        if (t != OK && t != E_NOT_FOUND) {
            s = t;
            break;
        }
        if (t == OK && memcmp(canonical.b, k.ptr + 9, 32) == 0) {
            *at = n;
            *at_hash = canonical;
            s = get_list(set, v);
            break;
        }
    }
    kv_cursor_close(cur);
    return s == E_NOT_FOUND ? E_CORRUPT : s; /* block 0 always has one */
}

enum status epoch_set_at(struct validators *out, uint64_t *since, struct chain *c, struct kv_txn *txn, uint64_t number)
{
    (void)c;
    hash32 hash;
    return find_transition(out, since, &hash, txn, number);
}

/* authors of a header's empty steps; malloc */
static enum status empty_step_signers(address **out, size_t *n_out, const struct header *h)
{
    size_t n = aura_empty_steps_count(h), k = 0;
    *out = NULL;
    *n_out = 0;
    if (n == 0) return OK;
    address *list = malloc(n * sizeof *list);
    if (list == NULL) return E_NOMEM;
    bytes payload;
    struct empty_step e;
    bool done = false;
    enum status s = aura_empty_steps_payload(&payload, h);
    while (s == OK && k < n) {
        s = aura_empty_steps_next(&e, &done, &payload);
        if (s != OK || done) break;
        s = aura_empty_step_signer(&list[k++], &e, &h->parent_hash);
    }
    if (s != OK) {
        free(list);
        return s;
    }
    *out = list;
    *n_out = k;
    return OK;
}

enum status epoch_load(struct epoch *out, struct chain *c, struct kv_txn *txn, uint64_t number, const hash32 *hash)
{
    struct epoch e = {0};
    struct validators set = {0};
    struct arena a;
    arena_init(&a, 64 << 20);
    address *signers = NULL;
    size_t n_signers = 0;
    enum status s = find_transition(&set, &e.number, &e.hash, txn, number);
    if (s == OK) s = finality_init(&e.fin, &set, c->spec->aura.two_thirds_majority_transition);
    if (s == OK && c->spec->engine == ENGINE_AURA) s = promise_load(&e, c, txn, &set, number, hash);
    if (s != OK) goto out;
    e.decided = e.number;

    hash32 at = *hash;
    bool full = false;
    uint8_t key[33];
    for (uint64_t n = number; n > e.number; n--) {
        struct header h;
        arena_reset(&a);
        s = blocks_get_header(&h, txn, &at, &a);
        if (s != OK) goto out;
        s = finality_push_front(&e.fin, &at, n, &h.author, signers, n_signers, &full);
        if (s == E_INVALID) break; /* SPEC(aura.md B5): a block by an unknown signer ends the window */
        if (s != OK) goto out;
        if (full) {
            e.majority = e.decided = n;
            break;
        }
        bytes signal;
        signal_key(key, &at);
        s = kv_get(&signal, txn, TABLE_EPOCH, bytes_make(key, sizeof key));
        if (s != OK && s != E_NOT_FOUND) goto out;
        if (s == OK) {
            e.has_pending = true;
            e.pending_signal_block = n;
        }
        free(signers);
        signers = NULL;
        s = empty_step_signers(&signers, &n_signers, &h);
        if (s != OK) goto out;
        at = h.parent_hash;
    }
    s = OK;
    *out = e;
    e = (struct epoch){0};
out:
    epoch_fini(&e);
    free(signers);
    validators_fini(&set);
    arena_fini(&a);
    return s;
}

/* --------------------------------------------------------------- contracts */

enum status engine_call_validators(struct validators *out, struct exec_env *env, struct state *s, const address *contract)
{
    struct evm_result r;
    int mark = state_snapshot(s);
    struct evm_message msg = {.kind = EVM_CALL,
                              .recipient = *contract,
                              .code_address = *contract,
                              .gas = CALL_GAS,
                              .input = bytes_make(AURA_GET_VALIDATORS, 4)};
    enum status st = exec_call(&r, env, s, &msg, &U256_ZERO);
    if (st == OK && r.outcome == EVM_HOST_FAILURE) st = r.host_status;
    if (st == OK) st = r.outcome == EVM_SUCCESS ? aura_decode_address_list(out, r.output) : E_INVALID;
    if (st == E_DECODE) st = E_INVALID;
    state_revert(s, mark);
    return st;
}

static const struct at_address *gas_limit_contract(const struct chain *c, uint64_t number)
{
    const struct aura_params *p = &c->spec->aura;
    const struct at_address *found = NULL;
    for (size_t i = 0; c->spec->engine == ENGINE_AURA && i < p->n_block_gas_limit_contract && p->block_gas_limit_contract[i].at <= number; i++)
        found = &p->block_gas_limit_contract[i];
    return found;
}

bool engine_has_gas_limit(const struct chain *c, uint64_t number)
{
    return gas_limit_contract(c, number) != NULL;
}

enum status engine_gas_limit(uint64_t *limit, bool *has, struct chain *c, struct exec_env *env, struct state *s, uint64_t number)
{
    static const uint8_t selector[4] = {0x78, 0x77, 0xa7, 0x97}; /* blockGasLimit() */
    const struct at_address *at = gas_limit_contract(c, number);
    struct evm_result r;
    *has = false;
    if (at == NULL) return OK;
    int mark = state_snapshot(s);
    struct evm_message msg = {
        .kind = EVM_CALL, .recipient = at->value, .code_address = at->value, .gas = CALL_GAS, .input = BYTES_OF(selector)};
    enum status st = exec_call(&r, env, s, &msg, &U256_ZERO);
    state_revert(s, mark);
    if (st != OK || r.outcome != EVM_SUCCESS) return st;
    struct abi_reader reader = abi_read(r.output);
    *has = abi_get_u64(limit, &reader) == OK;
    return OK;
}

static bool is_contract_set(const struct validator_set_spec *set)
{
    return set->kind == VALSET_CONTRACT || set->kind == VALSET_SAFE_CONTRACT;
}

enum status engine_genesis_set(struct validators *out, struct chain *c, struct state *s, const struct header *genesis,
                               struct err *err)
{
    if (c->spec->engine != ENGINE_AURA) {
        *out = (struct validators){0};
        return OK;
    }
    bool first;
    const struct validator_set_spec *set = aura_set_spec_at(&first, &c->spec->aura.validators, 0);
    if (!is_contract_set(set)) return validators_copy(out, set->list, set->n_list);
    struct exec_env env;
    block_env_init(&env, c, c->evm, NULL, genesis);
    struct validators v;
    enum status st = engine_call_validators(&v, &env, s, &set->contract);
    char text[43];
    address_put(text, &set->contract);
    if (st == E_INVALID)
        return err_set(err, E_INVALID, "the validator contract %s gives no validators at genesis: its getValidators() call fails", text);
    if (st != OK) return err_set(err, st, "reading the validators at genesis: %s", status_text(st));
    if (v.n == 0) {
        validators_fini(&v);
        return err_set(err, E_INVALID, "the validator contract %s has an empty set at genesis: nobody could seal", text);
    }
    *out = v;
    return OK;
}

static enum status system_call(enum block_verdict *v, struct evm_result *r, struct exec_env *env, struct state *s, const address *to,
                               bytes input)
{
    enum status st = exec_system_call(r, env, s, to, input);
    if (st != OK) return st;
    if (r->outcome == EVM_HOST_FAILURE) return r->host_status;
    /* SPEC(aura.md B5): a revert is ignored, any other failure makes the block invalid */
    if (r->outcome != EVM_SUCCESS && r->outcome != EVM_REVERT) *v = BLOCK_SYSTEM_CALL;
    return OK;
}

enum status engine_open_block(enum block_verdict *v, struct chain *c, struct exec_env *env, struct state *s, const struct header *h,
                              const struct epoch *e)
{
    *v = BLOCK_VALID;
    struct evm_result r;
    enum status st = OK;
    if (env->rules.eip2935) {
        /* SPEC(EIP-2935): the history contract keeps the parent's hash at the start of the block, if it is deployed */
        static const address history = {{0x00, 0x00, 0xf9, 0x08, 0x27, 0xf1, 0xc5, 0x3a, 0x10, 0xcb,
                                         0x7a, 0x02, 0x33, 0x5b, 0x17, 0x53, 0x20, 0x00, 0x29, 0x35}};
        st = exec_protocol_call(&r, env, s, &history, bytes_make(h->parent_hash.b, 32));
        if (st != OK) return st;
    }
    const struct aura_params *p = &c->spec->aura;
    for (size_t i = 0; c->spec->engine == ENGINE_AURA && i < p->n_rewrites && p->rewrites[i].at <= h->number; i++) {
        if (p->rewrites[i].at != h->number) continue;
        st = state_set_code(s, &p->rewrites[i].addr, p->rewrites[i].code);
        if (st != OK) return st;
    }
    if (c->spec->engine != ENGINE_AURA || c->spec->aura.immediate_transitions) return OK;
    if (h->number != e->number + 1) return OK; /* no new epoch begins here */
    bool first;
    const struct validator_set_spec *set = aura_set_spec_at(&first, &c->spec->aura.validators, h->number);
    if (!is_contract_set(set)) return OK;
    return system_call(v, &r, env, s, &set->contract, bytes_make(AURA_FINALIZE_CHANGE, 4));
}

/* ----------------------------------------------------------------- rewards */

/* reward(address[] benefactors, uint16[] kind) -> (address[], uint256[]) */
static enum status contract_reward(enum block_verdict *v, struct exec_env *env, struct state *s, const address *contract,
                                   const address *who, const uint64_t *kind, size_t n)
{
    static const uint8_t selector[4] = {0xf9, 0x1c, 0x28, 0x98};
    struct buf in;
    buf_init(&in, 1 << 20);
    buf_put(&in, selector, 4);
    struct abi_writer w = abi_begin(&in, 2);
    abi_put_addresses(&w, (const uint8_t *)who, n);
    abi_put_u64s(&w, kind, n);
    abi_end(&w);
    struct evm_result r;
    enum status st = buf_status(&in);
    if (st == OK) st = system_call(v, &r, env, s, contract, buf_view(&in));
    buf_fini(&in);
    if (st != OK || *v != BLOCK_VALID) return st;
    if (r.outcome != EVM_SUCCESS) {
        *v = BLOCK_SYSTEM_CALL;
        return OK;
    }
    /* two arrays of one length, each amount added to its address. The output lives in the EVM: adding balances does not run it, so it stays */
    struct abi_reader out = abi_read(r.output), list, amounts;
    size_t n_list, n_amounts;
    bool good = abi_get_array(&list, &n_list, &out) == OK && abi_get_array(&amounts, &n_amounts, &out) == OK && n_list == n_amounts;
    for (size_t i = 0; good && st == OK && i < n_list; i++) {
        address to;
        uint8_t word[ABI_WORD];
        good = abi_get_address(to.b, &list) == OK && abi_get_word(word, &amounts) == OK;
        u256 amount = good ? u256_from_be(word) : U256_ZERO;
        if (!u256_is_zero(&amount)) st = state_add_balance(s, &to, &amount);
    }
    if (!good) *v = BLOCK_SYSTEM_CALL;
    return st;
}

enum status engine_close_block(enum block_verdict *v, struct chain *c, struct exec_env *env, struct state *s, const struct header *h)
{
    *v = BLOCK_VALID;
    if (c->spec->engine != ENGINE_AURA) return OK;
    const struct aura_params *p = &c->spec->aura;
    const struct at_address *contract = NULL;
    for (size_t i = 0; i < p->n_block_reward_contract && p->block_reward_contract[i].at <= h->number; i++)
        contract = &p->block_reward_contract[i];
    const struct at_u256 *reward = NULL;
    for (size_t i = 0; i < p->n_block_reward && p->block_reward[i].at <= h->number; i++)
        reward = &p->block_reward[i];
    if (contract == NULL && (reward == NULL || u256_is_zero(&reward->value))) return OK;

    /* SPEC(aura.md B5 "Block reward"): authors of empty steps first, the block's author last */
    address *who;
    size_t n;
    enum status st = empty_step_signers(&who, &n, h);
    if (st != OK) return st;
    address *all = realloc(who, (n + 1) * sizeof *all);
    uint64_t *kind = calloc(n + 1, sizeof *kind);
    if (all == NULL || kind == NULL) {
        free(all == NULL ? who : all);
        free(kind);
        return E_NOMEM;
    }
    for (size_t i = 0; i < n; i++)
        kind[i] = 2;
    all[n++] = h->author;
    if (contract != NULL) {
        st = contract_reward(v, env, s, &contract->value, all, kind, n);
    } else {
        for (size_t i = 0; st == OK && i < n; i++)
            st = state_add_balance(s, &all[i], &reward->value);
    }
    free(all);
    free(kind);
    return st;
}

/* ---------------------------------------------------------------- epochs */

/* does this block signal a change; the list goes to *out */
static enum status find_signal(struct validators *out, bool *found, struct chain *c, struct state *s, struct exec_env *env,
                               const struct block *b, const struct receipt *receipts, size_t n)
{
    *found = false;
    bool first;
    const struct validator_set_spec *set = aura_set_spec_at(&first, &c->spec->aura.validators, b->header.number);
    if (!is_contract_set(set)) return OK;
    enum status st;
    if (first) {
        /* the block where a multi's contract begins is itself the signal */
        st = engine_call_validators(out, env, s, &set->contract);
        if (st == E_INVALID) return OK;
    } else {
        st = aura_find_signal(out, &set->contract, &b->header, receipts, n);
        if (st == E_NOT_FOUND) return OK;
    }
    if (st != OK) return st;
    if (out->n == 0) {
        validators_fini(out); /* nobody could ever seal again: such a signal is none */
        return OK;
    }
    *found = true;
    return OK;
}

enum status epoch_begin(struct epoch *e, const struct chain *c, const struct header *h, const hash32 *hash, const struct validators *set)
{
    struct finality f;
    struct commit com;
    enum status st = finality_init(&f, set, c->spec->aura.two_thirds_majority_transition);
    if (st != OK) return st;
    st = commit_next(&com, &e->com, set, h->step);
    if (st != OK) {
        finality_fini(&f);
        return st;
    }
    const uint64_t majority = e->majority;
    epoch_fini(e);
    *e = (struct epoch){.number = h->number, .hash = *hash, .fin = f, .com = com, .majority = majority, .decided = h->number};
    return OK;
}

static enum status begin_epoch(struct chain *c, struct kv_txn *txn, struct epoch *e, const struct block *b, const struct validators *set)
{
    enum status st = epoch_put(txn, b->header.number, &b->hash, set);
    if (st == OK) st = epoch_begin(e, c, &b->header, &b->hash, set);
    if (st == OK) st = promise_put_epoch(txn, &b->hash, &e->com);
    return st;
}

/* one more signature round: which blocks of the window are final by the chain's own rule; arrays of fin.len + 1 */
static enum status push_finality(hash32 *finals, uint64_t *numbers, size_t *n_finals, struct epoch *e, const struct header *h, const hash32 *hash)
{
    address *empty = NULL;
    size_t n_empty = 0;
    *n_finals = 0;
    enum status st = empty_step_signers(&empty, &n_empty, h);
    if (st != OK) return st;
    st = finality_push(&e->fin, hash, h->number, &h->author, empty, n_empty, finals, numbers, n_finals);
    free(empty);
    if (st == E_INVALID) { /* SPEC(aura.md B5): a block by an unknown signer finalises nothing */
        *n_finals = 0;
        return OK;
    }
    if (st == OK && *n_finals > 0) e->majority = e->decided = numbers[*n_finals - 1];
    return st;
}

/* could this block signal a change? Its bloom may say so when it does not, never the other way round */
static bool may_signal(const struct header *h, const struct validator_set_spec *set, bool first)
{
    return is_contract_set(set) && (first || (bloom_may_hold(&h->logs_bloom, bytes_make(set->contract.b, 20)) &&
                                              bloom_may_hold(&h->logs_bloom, bytes_make(AURA_INITIATE_CHANGE_TOPIC.b, 32))));
}

enum status engine_after_side_block(bool *unsure, const struct chain *c, struct epoch *e, const struct header *h, const hash32 *hash)
{
    bool first;
    size_t n_finals = 0;
    const struct validator_set_spec *rule = aura_set_spec_at(&first, &c->spec->aura.validators, h->number);
    if (may_signal(h, rule, first) && !e->has_pending) {
        e->has_pending = true;
        e->pending_signal_block = h->number;
    }
    hash32 *finals = malloc((e->fin.len + 1) * sizeof *finals);
    uint64_t *numbers = malloc((e->fin.len + 1) * sizeof *numbers);
    enum status st = finals == NULL || numbers == NULL ? E_NOMEM : OK;
    if (st == OK) st = push_finality(finals, numbers, &n_finals, e, h, hash);
    if (st == OK) st = promise_push(&e->com, h, hash);
    if (st == OK && rule->kind == VALSET_LIST && first) {
        struct validators next;
        st = validators_copy(&next, rule->list, rule->n_list);
        if (st == OK) {
            st = epoch_begin(e, c, h, hash, &next);
            validators_fini(&next);
        }
    } else if (st == OK && e->has_pending && n_finals > 0 && numbers[n_finals - 1] >= e->pending_signal_block) {
        *unsure = true;
        e->has_pending = false;
    }
    free(finals);
    free(numbers);
    return st;
}

enum status engine_after_block(struct epoch_step *out, struct chain *c, struct kv_txn *txn, struct epoch *e, struct state *s,
                               struct exec_env *env, const struct block *b, const struct receipt *receipts, size_t n)
{
    *out = (struct epoch_step){0};
    if (c->spec->engine != ENGINE_AURA) {
        out->has_finals = true;
        out->finalised = b->header.number;
        return OK;
    }
    struct validators signal = {0}, next = {0};
    size_t n_finals = 0;
    hash32 *finals = malloc((e->fin.len + 1) * sizeof *finals);
    uint64_t *numbers = malloc((e->fin.len + 1) * sizeof *numbers);
    enum status st = finals == NULL || numbers == NULL ? E_NOMEM : OK;
    uint8_t key[33];

    if (st == OK && c->spec->aura.immediate_transitions) {
        /* no epochs and no finality: the set is read anew after each block. A contract that gives none leaves things as they are. */
        bool first;
        const struct validator_set_spec *set = aura_set_spec_at(&first, &c->spec->aura.validators, b->header.number);
        st = is_contract_set(set) ? engine_call_validators(&next, env, s, &set->contract)
                                  : validators_copy(&next, set->list, set->n_list);
        if (st == E_INVALID) st = OK;
        if (st == OK && next.n > 0 && !validators_eq(&next, &e->fin.set)) {
            st = begin_epoch(c, txn, e, b, &next);
            out->changed_set = true;
        }
        goto out;
    }
    bool signalled = false;
    if (st == OK) st = find_signal(&signal, &signalled, c, s, env, b, receipts, n);
    if (st == OK && signalled) {
        signal_key(key, &b->hash);
        st = put_list(txn, bytes_make(key, sizeof key), &signal);
        out->signalled = true;
        if (!e->has_pending) {
            e->has_pending = true;
            e->pending_signal_block = b->header.number;
        }
    }
    if (st == OK) st = push_finality(finals, numbers, &n_finals, e, &b->header, &b->hash);
    if (st != OK) goto out;
    /* what becomes final by the chain's own rule decides about sets alone; what is never undone takes more (node/aura/commit.h) */
    const uint64_t before = e->com.committed;
    const bool is_joint = e->com.joint_until == UINT64_MAX; /* not `before`: what was loaded knows its own window alone */
    st = promise_push(&e->com, &b->header, &b->hash);
    if (st == OK && is_joint && e->com.joint_until != UINT64_MAX && e->com.n_before > 0)
        st = promise_put_first_commit(txn, &e->hash, b->header.number, &b->hash);
    if (st != OK) goto out;
    if (e->com.committed > before) {
        out->has_finals = true;
        out->finalised = e->com.committed;
    }

    bool first;
    const struct validator_set_spec *rule = aura_set_spec_at(&first, &c->spec->aura.validators, b->header.number);
    if (rule->kind == VALSET_LIST && first) {
        st = validators_copy(&next, rule->list, rule->n_list);
        if (st == OK) st = begin_epoch(c, txn, e, b, &next);
        out->changed_set = true;
        goto out;
    }
    for (size_t i = 0; st == OK && i < n_finals; i++) {
        bytes v;
        signal_key(key, &finals[i]);
        st = kv_get(&v, txn, TABLE_EPOCH, bytes_make(key, sizeof key));
        if (st == E_NOT_FOUND) {
            st = OK;
            continue;
        }
        if (st == OK) st = get_list(&next, v);
        if (st == OK) st = begin_epoch(c, txn, e, b, &next);
        out->changed_set = true;
        break; /* SPEC(aura.md B5): the first of the list counts, the others are lost */
    }
out:
    validators_fini(&signal);
    validators_fini(&next);
    free(finals);
    free(numbers);
    return st;
}
