#include "node/rpc/rpc_priv.h"

json_t *param(struct rpc_call *c, size_t i)
{
    if (i >= c->n_params) return NULL;
    json_t *v = c->args == NULL ? json_array_get(c->params, i) : c->loaded[i];
    if (c->args != NULL && v == NULL) {
        v = c->loaded[i] = json_loadb((const char *)c->args[i].ptr, c->args[i].len, JSON_DECODE_ANY, NULL);
        if (v == NULL) c->out->status = E_NOMEM; /* the text was read before: nothing else can be amiss */
    }
    return v == NULL || json_is_null(v) ? NULL : v;
}

json_t *json_field(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return v == NULL || json_is_null(v) ? NULL : v;
}

/* the content of a plain string: no tree of it is needed */
static bool plain_param(bytes *out, const struct rpc_call *c, size_t i)
{
    if (c->args == NULL || i >= c->n_params || c->args[i].ptr[0] != '"') return false;
    *out = bytes_make(c->args[i].ptr + 1, c->args[i].len - 2);
    return true;
}

static const char *arg_name(char dst[static 24], size_t i)
{
    /* by hand: every argument has one made, few are complained about */
    memcpy(dst, "argument ", 9);
    dst[9] = (char)('0' + i % 10);
    dst[10] = 0;
    return dst;
}

static bool bad(struct rpc_call *c, const char *name, const char *wants)
{
    return rpc_fail(c, RPC_BAD_PARAMS, "invalid %s: %s", name, wants);
}

/* empty unless it is a string */
static bytes text_of(const json_t *v)
{
    if (!json_is_string(v)) return BYTES_EMPTY;
    return bytes_make(json_string_value(v), json_string_length(v));
}

static bool has_0x(bytes t)
{
    return t.len >= 2 && t.ptr[0] == '0' && (t.ptr[1] == 'x' || t.ptr[1] == 'X');
}

static bool text_hash(hash32 *out, struct rpc_call *c, bytes t, const char *name)
{
    if (t.len != 66 || !has_0x(t) || hash_get(out, t) != OK) return bad(c, name, "wants 0x and 64 hex digits");
    return true;
}

bool value_hash(hash32 *out, struct rpc_call *c, const json_t *v, const char *name)
{
    return text_hash(out, c, text_of(v), name);
}

static bool text_address(address *out, struct rpc_call *c, bytes t, const char *name)
{
    if (t.len != 42 || !has_0x(t) || address_get(out, t) != OK) return bad(c, name, "wants an address: 0x and 40 hex digits");
    return true;
}

bool value_address(address *out, struct rpc_call *c, const json_t *v, const char *name)
{
    return text_address(out, c, text_of(v), name);
}

static bool text_u256(u256 *out, struct rpc_call *c, bytes t, const char *name)
{
    if (t.len < 3 || t.len > 66 || !has_0x(t) || u256_get_hex(out, t) != OK) return bad(c, name, "wants a quantity: 0x and hex digits, at most 256 bits");
    return true;
}

bool value_u256(u256 *out, struct rpc_call *c, const json_t *v, const char *name)
{
    if (json_is_integer(v) && json_integer_value(v) >= 0) {
        *out = u256_from_u64((uint64_t)json_integer_value(v));
        return true;
    }
    return text_u256(out, c, text_of(v), name);
}

bool value_u64(uint64_t *out, struct rpc_call *c, const json_t *v, const char *name)
{
    u256 n;
    if (!value_u256(&n, c, v, name)) return false;
    if (!u256_is_u64(&n)) return bad(c, name, "does not fit 64 bits");
    *out = n.w[0];
    return true;
}

/* SPEC(execution APIs, bytesMax32): up to 64 digits, an odd number of them too, also none */
bool value_slot(u256 *out, bool *is_word, struct rpc_call *c, const json_t *v, const char *name)
{
    const bytes t = text_of(v);
    *is_word = t.len == 66;
    if (!json_is_string(v)) return value_u256(out, c, v, name);
    *out = U256_ZERO;
    if ((t.len == 2 && has_0x(t)) || (t.len > 2 && t.len <= 66 && has_0x(t) && u256_get_hex(out, t) == OK)) return true;
    return bad(c, name, "unable to decode storage key: wants 0x and at most 64 hex digits");
}

static bool text_bytes(bytes *out, struct rpc_call *c, bytes t, const char *name)
{
    if ((t.len > 0 && !has_0x(t)) || t.len % 2 != 0) return bad(c, name, "wants data: 0x and pairs of hex digits");
    size_t n = t.len < 2 ? 0 : t.len / 2 - 1;
    uint8_t *p = arena_alloc(c->a, n);
    if (p == NULL) return rpc_fail_status(c, E_NOMEM, "parameters");
    if (n > 0 && hex_get_fixed(p, n, t) != OK) return bad(c, name, "wants data: 0x and pairs of hex digits");
    *out = bytes_make(p, n);
    return true;
}

bool value_bytes(bytes *out, struct rpc_call *c, const json_t *v, const char *name)
{
    if (!json_is_string(v)) return bad(c, name, "wants data: 0x and pairs of hex digits");
    return text_bytes(out, c, text_of(v), name);
}

static json_t *need(struct rpc_call *c, size_t i)
{
    json_t *v = param(c, i);
    if (v == NULL) IGNORE(!rpc_fail(c, RPC_BAD_PARAMS, "missing value for required argument %zu", i), "it is always false");
    return v;
}

bool param_hash(hash32 *out, struct rpc_call *c, size_t i)
{
    char name[24];
    bytes t;
    if (plain_param(&t, c, i)) return text_hash(out, c, t, arg_name(name, i));
    json_t *v = need(c, i);
    return v != NULL && value_hash(out, c, v, arg_name(name, i));
}

bool param_address(address *out, struct rpc_call *c, size_t i)
{
    char name[24];
    bytes t;
    if (plain_param(&t, c, i)) return text_address(out, c, t, arg_name(name, i));
    json_t *v = need(c, i);
    return v != NULL && value_address(out, c, v, arg_name(name, i));
}

bool param_u64(uint64_t *out, struct rpc_call *c, size_t i)
{
    char name[24];
    json_t *v = need(c, i);
    return v != NULL && value_u64(out, c, v, arg_name(name, i));
}

bool param_bytes(bytes *out, struct rpc_call *c, size_t i)
{
    char name[24];
    bytes t;
    if (plain_param(&t, c, i)) return text_bytes(out, c, t, arg_name(name, i));
    json_t *v = need(c, i);
    return v != NULL && value_bytes(out, c, v, arg_name(name, i));
}

bool param_bool(bool *out, struct rpc_call *c, size_t i, bool def)
{
    char name[24];
    json_t *v = param(c, i);
    if (v != NULL && !json_is_boolean(v)) return bad(c, arg_name(name, i), "wants true or false");
    *out = v ? json_is_true(v) : def;
    return true;
}

/* ------------------------------------------------------------------ blocks */

static bool by_number(struct block_ref *out, struct rpc_call *c, struct kv_txn *txn, uint64_t number)
{
    enum status s = blocks_get_canonical_hash(&out->hash, txn, number);
    if (s != OK && s != E_NOT_FOUND) return rpc_fail_status(c, s, "block index");
    out->found = out->is_canonical = s == OK;
    out->number = number;
    return true;
}

static bool by_hash(struct block_ref *out, struct rpc_call *c, struct kv_txn *txn, const hash32 *hash, bool require_canonical)
{
    struct block_meta meta;
    hash32 canonical;
    out->hash = *hash;
    enum status s = blocks_get_meta(&meta, txn, hash);
    if (s == E_NOT_FOUND) return true;
    if (s == OK) {
        out->number = meta.number;
        out->found = meta.executed; /* a block that was never verified is nobody's business */
        s = blocks_get_canonical_hash(&canonical, txn, meta.number);
        out->is_canonical = s == OK && hash_eq(&canonical, hash);
        if (s == E_NOT_FOUND) s = OK;
    }
    if (s != OK) return rpc_fail_status(c, s, "block index");
    if (require_canonical && !out->is_canonical) return rpc_fail(c, RPC_SERVER, "hash is not currently canonical");
    return true;
}

static bool by_tag(struct block_ref *out, struct rpc_call *c, struct kv_txn *txn, const char *tag)
{
    uint64_t head, finalised;
    hash32 hash;
    enum status s = blocks_get_head(&head, &hash, &finalised, txn);
    if (s != OK) return rpc_fail_status(c, s, "head");
    if (strcmp(tag, "earliest") == 0) return by_number(out, c, txn, 0);
    if (strcmp(tag, "finalized") == 0) return by_number(out, c, txn, finalised);
    if (strcmp(tag, "safe") == 0) { /* of the head as it is now; the transaction may be a block older */
        struct chain_head now;
        chain_get_head(&now, c->rpc->chain);
        return by_number(out, c, txn, now.safe < head ? now.safe : head);
    }
    out->found = out->is_canonical = true;
    out->number = head;
    out->hash = hash;
    out->is_pending = strcmp(tag, "pending") == 0;
    return true;
}

/* the tag's name, or NULL */
static const char *find_tag(bytes t)
{
    static const char *const tags[] = {"latest", "pending", "earliest", "safe", "finalized"};
    for (size_t i = 0; i < COUNT_OF(tags); i++)
        if (bytes_eq_str(t, tags[i])) return tags[i];
    return NULL;
}

static bool text_block(struct block_ref *out, struct rpc_call *c, bytes t, const char *name)
{
    hash32 h;
    u256 n;
    const char *tag = find_tag(t);
    *out = (struct block_ref){0};
    struct kv_txn *txn = rpc_txn(c);
    if (txn == NULL) return false;
    if (tag != NULL) return by_tag(out, c, txn, tag);
    if (t.len == 66) return text_hash(&h, c, t, name) && by_hash(out, c, txn, &h, false);
    if (!text_u256(&n, c, t, name))
        return bad(c, name, "wants a block: latest, pending, earliest, safe, finalized, a number as 0x..., or a hash");
    if (!u256_is_u64(&n)) return bad(c, name, "block number does not fit 64 bits");
    return by_number(out, c, txn, n.w[0]);
}

bool value_block(struct block_ref *out, struct rpc_call *c, const json_t *v, const char *name)
{
    *out = (struct block_ref){0};
    struct kv_txn *txn = rpc_txn(c);
    if (txn == NULL) return false;
    if (v == NULL) return by_tag(out, c, txn, "latest");
    if (json_is_object(v)) { /* SPEC(EIP-1898) */
        const json_t *hash = json_object_get(v, "blockHash"), *number = json_object_get(v, "blockNumber");
        hash32 h;
        if ((hash == NULL) == (number == NULL)) return bad(c, name, "wants either blockHash or blockNumber");
        if (number) return value_block(out, c, number, name);
        return value_hash(&h, c, hash, name) && by_hash(out, c, txn, &h, json_is_true(json_object_get(v, "requireCanonical")));
    }
    if (json_is_integer(v) && json_integer_value(v) >= 0) return by_number(out, c, txn, (uint64_t)json_integer_value(v));
    return text_block(out, c, text_of(v), name);
}

static bool is_no_number(bytes t, const json_t *v)
{
    return t.len == 66 || json_is_object(v);
}

static bool bad_number(struct rpc_call *c, const char *name)
{
    return bad(c, name, "wants latest, pending, earliest, safe, finalized or a number as 0x..., no hash");
}

bool value_block_number(struct block_ref *out, struct rpc_call *c, const json_t *v, const char *name)
{
    return is_no_number(text_of(v), v) ? bad_number(c, name) : value_block(out, c, v, name);
}

/* by its hash and nothing else */
static bool param_block_hash(struct block_ref *out, struct rpc_call *c, size_t i)
{
    hash32 h;
    *out = (struct block_ref){0};
    struct kv_txn *txn = rpc_txn(c);
    return txn != NULL && param_hash(&h, c, i) && by_hash(out, c, txn, &h, false);
}

bool param_block(struct block_ref *out, struct rpc_call *c, size_t i)
{
    char name[24];
    bytes t;
    const enum rpc_kind kind = i < c->method->max ? (enum rpc_kind)c->method->kinds[i] : KIND_block;
    if (kind == KIND_hash) return param_block_hash(out, c, i);
    const bool is_plain = plain_param(&t, c, i);
    if (!is_plain) t = text_of(param(c, i));
    if (kind == KIND_number && is_no_number(t, is_plain ? NULL : param(c, i))) return bad_number(c, arg_name(name, i));
    return is_plain ? text_block(out, c, t, arg_name(name, i)) : value_block(out, c, param(c, i), arg_name(name, i));
}

static bool open_state(struct state **state, uint64_t number, struct rpc_call *c)
{
    enum status s = chain_state_at(state, c->w->txn, c->rpc->chain, number);
    if (s == E_NOT_FOUND)
        return rpc_fail(c, RPC_SERVER, "missing trie node: the state of block %llu is pruned, only recent blocks have theirs (see --archive)",
                        (unsigned long long)number);
    return s == OK || rpc_fail_status(c, s, "state");
}

static bool state_ref(struct block_ref *ref, struct rpc_call *c, size_t i)
{
    if (!param_block(ref, c, i)) return false;
    if (!ref->found) return rpc_fail(c, RPC_SERVER, "header not found");
    if (!ref->is_canonical) return rpc_fail(c, RPC_SERVER, "block %llu by that hash is not on the canonical chain: its state is not kept", (unsigned long long)ref->number);
    return rpc_txn(c) != NULL;
}

bool param_state(struct state **state, struct header *h, bool *pending, struct rpc_call *c, size_t i)
{
    struct block_ref ref;
    if (!state_ref(&ref, c, i)) return false;
    enum status s = h == NULL ? OK : blocks_get_header(h, c->w->txn, &ref.hash, c->a);
    if (s != OK) return rpc_fail_status(c, s, "header");
    *pending = ref.is_pending;
    return open_state(state, ref.number, c);
}

bool param_read_state(struct state **state, bool *pending, struct rpc_call *c, size_t i)
{
    struct block_ref ref;
    struct rpc_worker *w = c->w;
    if (!state_ref(&ref, c, i)) return false;
    if (w->read_state == NULL || w->read_number != ref.number) {
        struct state *st = NULL;
        if (!open_state(&st, ref.number, c)) return false;
        state_free(w->read_state);
        w->read_state = st;
        w->read_number = ref.number;
    }
    w->n_reads++;
    *pending = ref.is_pending;
    *state = w->read_state;
    return true;
}

size_t block_rlp_size(struct rpc_call *c, const hash32 *hash)
{
    struct kv_txn *txn = rpc_txn(c);
    bytes header, body, items;
    if (txn == NULL || blocks_get_header_raw(&header, txn, hash) != OK || blocks_get_body_raw(&body, txn, hash) != OK) return 0;
    if (rlp_get_list(&items, &body) != OK) return 0;
    return rlp_header_len(header.len + items.len) + header.len + items.len;
}
