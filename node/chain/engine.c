/* engine.c: AuRa's validator sets over the database: epochs, signals, finality, system calls, rewards (reference/aura.md B5). The rules
 * themselves are node/aura's. */
#include "lib/codec/abi.h"
#include "lib/codec/rlp.h"
#include "node/chain/chain_priv.h"
#include "node/store/tables.h"

/* TABLE_EPOCH: 't' || number(8) || hash(32) -> RLP [address...]   a transition recorded at that block
 *              's' || hash(32)              -> RLP [address...]   a change signalled by that block
 *              'p' || hash(32)              -> step(8) || hash(32)   the ballot at a block that recorded a transition */
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

static void ballot_key(uint8_t key[static 33], const hash32 *hash)
{
    key[0] = 'p';
    memcpy(key + 1, hash->b, 32);
}

static enum status put_ballot(struct kv_txn *txn, const hash32 *at, const struct commit *com)
{
    uint8_t key[33], value[40];
    ballot_key(key, at);
    be64_put(value, com->ballot);
    memcpy(value + 8, com->ballot_hash.b, 32);
    return kv_put(txn, TABLE_EPOCH, bytes_make(key, sizeof key), bytes_make(value, sizeof value));
}

/* commit_init with the ballot that the epoch's first block inherited */
static enum status commit_begin(struct commit *com, struct chain *c, struct kv_txn *txn, const struct validators *set, const hash32 *first,
                                uint64_t floor_step)
{
    uint8_t key[33];
    bytes v;
    uint64_t ballot = 0;
    hash32 hash = {{0}};
    ballot_key(key, first);
    enum status s = kv_get(&v, txn, TABLE_EPOCH, bytes_make(key, sizeof key));
    if (s == OK && v.len != 40) return E_CORRUPT;
    if (s == OK) {
        ballot = be64_get(v.ptr);
        memcpy(hash.b, v.ptr + 8, 32);
    }
    if (s != OK && s != E_NOT_FOUND) return s;
    return commit_init(com, set, c->spec->aura.two_thirds_majority_transition, floor_step, ballot, &hash);
}

static uint64_t step_of(const struct header *h)
{
    return h->seal == SEAL_AURA ? h->step : 0;
}

struct sealed {
    bool is_empty_step; /* of author, on the block that stands behind it in a descending list */
    hash32 hash;
    uint64_t number, step;
    address author;
};

struct sealed_list {
    struct sealed *items; /* malloc */
    size_t n, cap;
};

static enum status add_sealed(struct sealed_list *l, const struct sealed *one)
{
    if (l->n == l->cap) {
        const size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
        struct sealed *more = realloc(l->items, cap * sizeof *more);
        if (more == NULL) return E_NOMEM;
        l->items = more;
        l->cap = cap;
    }
    l->items[l->n++] = *one;
    return OK;
}

/* a header's empty steps behind it, the last one first */
static enum status add_empty_steps(struct sealed_list *l, const struct header *h)
{
    bytes payload;
    const size_t n = aura_empty_steps_count(h), first = l->n;
    enum status s = n == 0 ? OK : aura_empty_steps_payload(&payload, h);
    for (size_t i = 0; s == OK && i < n; i++) {
        struct sealed one = {.is_empty_step = true};
        struct empty_step e;
        bool done;
        s = aura_empty_steps_next(&e, &done, &payload);
        if (s != OK || done) break;
        if (aura_empty_step_signer(&one.author, &e, &h->parent_hash) != OK) continue;
        one.step = e.step;
        s = add_sealed(l, &one);
    }
    for (size_t i = first, k = l->n; s == OK && k > i + 1; i++) {
        const struct sealed t = l->items[i];
        l->items[i] = l->items[--k];
        l->items[k] = t;
    }
    return s;
}

static enum status push_all(struct commit *com, const struct sealed_list *l)
{
    enum status s = OK;
    for (size_t i = l->n; s == OK && i-- > 0;) {
        const struct sealed *one = &l->items[i];
        if (one->is_empty_step) commit_empty_step(com, one->step, &one->author);
        else s = commit_push(com, &one->hash, one->number, one->step, &one->author);
    }
    return s;
}

/* one more block: its empty steps first, which sign its parent */
static enum status push_block(struct commit *com, const struct header *h, const hash32 *hash)
{
    struct sealed_list l = {0};
    const struct sealed one = {.hash = *hash, .number = h->number, .step = step_of(h), .author = h->author};
    enum status s = add_sealed(&l, &one);
    if (s == OK) s = add_empty_steps(&l, h);
    if (s == OK) s = push_all(com, &l);
    free(l.items);
    return s;
}

/* blocks from (number, hash) back: down to number `least` + 1, and on for `depth` steps before that one, but never past `floor`;
 * descending; the caller frees the items in any case */
static enum status walk_back(struct sealed_list *l, struct kv_txn *txn, uint64_t number, const hash32 *hash, uint64_t least, uint64_t depth,
                             uint64_t floor)
{
    struct arena a;
    hash32 at = *hash;
    uint64_t reach = 0; /* step down to which is read behind `least` */
    enum status s = OK;
    arena_init(&a, 1 << 20);
    for (uint64_t k = number; s == OK && k > floor; k--) {
        struct header h;
        arena_reset(&a);
        s = blocks_get_header(&h, txn, &at, &a);
        if (s != OK || (k <= least && step_of(&h) < reach)) break;
        if (k > least) reach = step_of(&h) > depth ? step_of(&h) - depth : 0;
        const struct sealed one = {.hash = at, .number = k, .step = step_of(&h), .author = h.author};
        s = add_sealed(l, &one);
        if (s == OK) s = add_empty_steps(l, &h);
        at = h.parent_hash;
    }
    arena_fini(&a);
    return s;
}

static enum status commit_load(struct epoch *e, struct chain *c, struct kv_txn *txn, const struct validators *set, uint64_t number, const hash32 *hash)
{
    struct sealed_list list = {0};
    uint64_t head, finalised;
    hash32 head_hash;
    struct header first;
    struct arena a;
    arena_init(&a, 1 << 20);
    enum status s = blocks_get_head(&head, &head_hash, &finalised, txn);
    if (s == E_NOT_FOUND) { /* genesis is being written */
        finalised = 0;
        s = OK;
    }
    if (s == OK) s = blocks_get_header(&first, txn, &e->hash, &a);
    if (s == OK) s = commit_begin(&e->com, c, txn, set, &e->hash, step_of(&first));
    /* if a block of this epoch is committed, it and what prepared it are read, too: the ballot stands at it at least */
    if (s == OK)
        s = walk_back(&list, txn, number, hash, finalised > e->number ? finalised - 1 : 0, commit_depth(set->n), e->number);
    if (s == OK) s = push_all(&e->com, &list);
    free(list.items);
    arena_fini(&a);
    return s;
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
    if (s == OK && c->spec->engine == ENGINE_AURA) s = commit_load(&e, c, txn, &set, number, hash);
    if (s != OK) goto out;

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
        if (full) break;
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

static enum status begin_epoch(struct chain *c, struct kv_txn *txn, struct epoch *e, const struct block *b, const struct validators *set)
{
    struct finality f;
    enum status st = epoch_put(txn, b->header.number, &b->hash, set);
    if (st == OK) st = put_ballot(txn, &b->hash, &e->com);
    if (st == OK) st = finality_init(&f, set, c->spec->aura.two_thirds_majority_transition);
    if (st != OK) return st;
    struct commit com;
    st = commit_init(&com, set, c->spec->aura.two_thirds_majority_transition, b->header.step, e->com.ballot, &e->com.ballot_hash);
    if (st != OK) {
        finality_fini(&f);
        return st;
    }
    finality_fini(&e->fin);
    commit_fini(&e->com);
    e->fin = f;
    e->com = com;
    e->number = b->header.number;
    e->hash = b->hash;
    e->has_pending = false;
    return OK;
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
    address *empty = NULL;
    size_t n_empty = 0, n_finals = 0;
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
    if (st == OK) st = empty_step_signers(&empty, &n_empty, &b->header);
    if (st != OK) goto out;
    st = finality_push(&e->fin, &b->hash, b->header.number, &b->header.author, empty, n_empty, finals, numbers, &n_finals);
    if (st == E_INVALID) {
        st = OK; /* SPEC(aura.md B5): a block by an unknown signer finalises nothing */
        n_finals = 0;
    }
    if (st != OK) goto out;
    /* what becomes final by the chain's own rule decides about sets alone; what is never undone takes more (node/aura/commit.h) */
    uint64_t before = e->com.committed;
    st = push_block(&e->com, &b->header, &b->hash);
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
    free(empty);
    free(finals);
    free(numbers);
    return st;
}

/* ------------------------------------------------------------ promises of our seals */

/* META "signed" || address -> step(8) || hash of its parent(32) || lock: step(8) || number(8) || hash(32). Written and fsynced before a seal is signed, so that no crash between signing and broadcasting lets this key break its word
 * (user-pains.md 9). */
enum { SEAL_NOTE_LEN = 88 };

struct seal_note {
    bool has_seal;
    uint64_t step, lock_step, lock_number;
    hash32 parent, lock_hash;
};

static void note_key(uint8_t key[static 26], const address *me)
{
    memcpy(key, "signed", 6);
    memcpy(key + 6, me->b, 20);
}

static enum status get_note(struct seal_note *out, struct kv_txn *txn, const address *me)
{
    uint8_t key[26];
    bytes v;
    note_key(key, me);
    enum status s = kv_get(&v, txn, TABLE_META, bytes_make(key, sizeof key));
    *out = (struct seal_note){0};
    if (s == E_NOT_FOUND) return OK;
    if (s != OK) return s;
    if (v.len != 8 && v.len != SEAL_NOTE_LEN) return E_CORRUPT;
    out->has_seal = true;
    out->step = be64_get(v.ptr);
    if (v.len == 8) return OK; /* of an earlier version: the step alone */
    memcpy(out->parent.b, v.ptr + 8, 32);
    out->lock_step = be64_get(v.ptr + 40);
    out->lock_number = be64_get(v.ptr + 48);
    memcpy(out->lock_hash.b, v.ptr + 56, 32);
    return OK;
}

/* the canonical block of that number: its hash and header; E_NOT_FOUND: there is none */
static enum status get_canonical(hash32 *hash, struct header *h, struct kv_txn *txn, uint64_t number, struct arena *a)
{
    enum status s = blocks_get_canonical_hash(hash, txn, number);
    return s == OK ? blocks_get_header(h, txn, hash, a) : s;
}

/* was the last seal for a block of this chain */
static enum status is_sealed_here(bool *yes, struct kv_txn *txn, const struct seal_note *note, const address *me, struct arena *a)
{
    struct block_meta meta;
    struct header h;
    hash32 hash;
    *yes = false;
    enum status s = blocks_get_meta(&meta, txn, &note->parent);
    if (s == OK) s = get_canonical(&hash, &h, txn, meta.number + 1, a);
    if (s == OK) *yes = hash_eq(&h.parent_hash, &note->parent) && step_of(&h) == note->step && address_eq(&h.author, me);
    return s == E_NOT_FOUND ? OK : s;
}

static enum status is_lock_here(bool *yes, struct kv_txn *txn, const struct seal_note *note)
{
    hash32 hash;
    *yes = false;
    enum status s = blocks_get_canonical_hash(&hash, txn, note->lock_number);
    if (s == OK) *yes = hash_eq(&hash, &note->lock_hash);
    return s == E_NOT_FOUND ? OK : s;
}

enum status engine_may_seal(struct chain *c, struct kv_txn *txn, const address *me, uint64_t step, struct err *err)
{
    struct seal_note note;
    struct arena a;
    bool here = true;
    enum status s = get_note(&note, txn, me);
    if (s != OK || !note.has_seal) return s;
    if (note.step >= step) return err_set(err, E_EXISTS, "step %llu was signed before", (unsigned long long)step);
    if (c->spec->aura.immediate_transitions) return OK;
    arena_init(&a, 1 << 20);
    s = is_sealed_here(&here, txn, &note, me, &a);
    if (s == OK && !here && note.step >= commit_confirms(&c->epoch.com, me, step))
        s = err_set(err, E_AGAIN, "a seal now would vouch for step %llu, in which this key sealed on another branch", (unsigned long long)note.step);
    if (s == OK && note.lock_step >= c->epoch.com.ballot && note.lock_step > 0) {
        s = is_lock_here(&here, txn, &note);
        if (s == OK && !here)
            s = err_set(err, E_AGAIN, "block %llu may be final on another branch: no seal before this one has the others' seals",
                        (unsigned long long)note.lock_number);
    }
    arena_fini(&a);
    return s;
}

enum status engine_note_seal(struct chain *c, struct kv_txn *txn, const address *me, uint64_t step)
{
    uint8_t key[26], value[SEAL_NOTE_LEN];
    struct seal_note note;
    enum status s = get_note(&note, txn, me);
    if (s != OK) return s;
    if (note.has_seal && note.step >= step) return E_EXISTS;
    const uint64_t number = c->head.number + 1;
    bool own;
    hash32 hash;
    const uint64_t ballot = commit_ballot_with(&hash, &own, &c->epoch.com, number, step, me);
    /* a block that is final by its own seal is final once it is in the database: one that is lost before that was seen by nobody */
    if (ballot > note.lock_step && !own) {
        struct block_meta meta;
        s = blocks_get_meta(&meta, txn, &hash);
        if (s != OK) return s;
        note.lock_step = ballot;
        note.lock_number = meta.number;
        note.lock_hash = hash;
    }
    note_key(key, me);
    be64_put(value, step);
    memcpy(value + 8, c->head.hash.b, 32);
    be64_put(value + 40, note.lock_step);
    be64_put(value + 48, note.lock_number);
    memcpy(value + 56, note.lock_hash.b, 32);
    return kv_put(txn, TABLE_META, bytes_make(key, sizeof key), bytes_make(value, sizeof value));
}

enum status engine_branch_ballot(uint64_t *ballot, struct chain *c, struct kv_txn *txn, const struct header *h, const hash32 *hash, uint64_t fork)
{
    enum status s = OK;
    if (!c->has_side || !hash_eq(&c->side_tip, &h->parent_hash)) {
        struct epoch e;
        struct sealed_list list = {0};
        hash32 at;
        commit_fini(&c->side);
        c->has_side = false;
        s = blocks_get_canonical_hash(&at, txn, fork);
        if (s == OK) s = epoch_load(&e, c, txn, fork, &at);
        if (s != OK) return s;
        if (h->number > fork + 1) s = walk_back(&list, txn, h->number - 1, &h->parent_hash, fork, 0, fork);
        if (s == OK) s = push_all(&e.com, &list);
        free(list.items);
        if (s == OK) {
            c->side = e.com;
            c->has_side = true;
            e.com = (struct commit){0};
        }
        epoch_fini(&e);
        if (s != OK) return s;
    }
    s = push_block(&c->side, h, hash);
    c->has_side = s == OK;
    c->side_tip = *hash;
    *ballot = c->side.ballot;
    return s;
}
