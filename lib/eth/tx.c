#include "lib/eth/tx.h"

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"
#include "lib/eth/gather_priv.h"

/* ------------------------------------------------------------------ lists */

/* The *_next functions walk what check_* has accepted; on anything else they end early. */
bool access_list_next(struct access_entry *out, bytes *list)
{
    bytes rest = *list, entry, keys;
    address addr;
    if (rlp_get_list(&entry, &rest) != OK) return false;
    if (rlp_get_fixed(addr.b, sizeof addr.b, &entry) != OK || rlp_get_list(&keys, &entry) != OK || entry.len != 0) return false;
    *out = (struct access_entry){.addr = addr, .keys = keys};
    *list = rest;
    return true;
}

bool hash_list_next(hash32 *out, bytes *list)
{
    return rlp_get_fixed(out->b, sizeof out->b, list) == OK;
}

static bool get_u256(u256 *v, bytes *in)
{
    uint8_t be[32];
    if (rlp_get_uint(be, sizeof be, in) != OK) return false;
    *v = u256_from_be(be);
    return true;
}

bool auth_list_next(struct auth_tuple *out, bytes *list)
{
    struct auth_tuple t;
    bytes rest = *list, item;
    uint8_t y_parity;
    if (rlp_get_list(&item, &rest) != OK) return false;
    /* SPEC(EIP-7702): bounds of form; chain_id < 2^256, nonce < 2^64, y_parity < 2^8, r and s < 2^256 */
    if (!get_u256(&t.chain_id, &item) || rlp_get_fixed(t.addr.b, sizeof t.addr.b, &item) != OK || rlp_get_u64(&t.nonce, &item) != OK ||
        rlp_get_uint(&y_parity, 1, &item) != OK || !get_u256(&t.r, &item) || !get_u256(&t.s, &item) || item.len != 0)
        return false;
    t.y_parity = u256_from_u64(y_parity);
    *out = t;
    *list = rest;
    return true;
}

static bool check_hash_list(bytes list)
{
    hash32 h;
    while (list.len > 0)
        if (!hash_list_next(&h, &list)) return false;
    return true;
}

static bool check_access_list(bytes list)
{
    struct access_entry e;
    while (list.len > 0)
        if (!access_list_next(&e, &list) || !check_hash_list(e.keys)) return false;
    return true;
}

static bool check_auth_list(bytes list)
{
    struct auth_tuple t;
    while (list.len > 0)
        if (!auth_list_next(&t, &list)) return false;
    return true;
}

void access_list_count(size_t *n_addresses, size_t *n_keys, bytes list)
{
    struct access_entry e;
    size_t addresses = 0, keys = 0;
    for (; access_list_next(&e, &list); addresses++)
        keys += e.keys.len / 33; /* each key is 0xa0 and 32 bytes */
    *n_addresses = addresses;
    *n_keys = keys;
}

/* ----------------------------------------------------------------- decode */

/* a field that does not have its form; the caller gives up */
static enum status bad(struct err *err, const char *field)
{
    return err_set(err, E_DECODE, "transaction: bad %s", field);
}

static enum status get_nonce(struct tx *t, bytes *in, struct err *err)
{
    if (rlp_get_u64(&t->nonce, in) != OK) return bad(err, "nonce");
    /* SPEC(EIP-2681) */
    if (t->nonce == UINT64_MAX) return err_set(err, E_DECODE, "transaction: nonce is 2^64-1 (EIP-2681)");
    return OK;
}

static enum status get_common(struct tx *t, bytes *in, struct err *err)
{
    if (rlp_get_u64(&t->gas_limit, in) != OK) return bad(err, "gas limit");
    if (rlp_get_optional_fixed(&t->has_to, t->to.b, sizeof t->to.b, in) != OK) return bad(err, "recipient");
    if (!get_u256(&t->value, in)) return bad(err, "value");
    if (rlp_get_string(&t->data, in) != OK) return bad(err, "data");
    return OK;
}

static enum status get_r_s(struct tx *t, bytes *in, struct err *err)
{
    if (!get_u256(&t->r, in)) return bad(err, "signature r");
    if (!get_u256(&t->s, in)) return bad(err, "signature s");
    if (in->len != 0) return err_set(err, E_DECODE, "transaction: has too many fields");
    return OK;
}

/* SPEC(EIP-155): v is 27 or 28, or chain id * 2 + 35 or 36 */
static enum status get_legacy_v(struct tx *t, bytes *in, struct err *err)
{
    u256 v;
    if (!get_u256(&v, in)) return bad(err, "signature v");
    uint64_t low = u256_to_u64_sat(&v);
    if (low == 27 || low == 28) {
        t->y_parity = (uint8_t)(low - 27);
        return OK;
    }
    if (low < 35) return err_set(err, E_DECODE, "transaction: signature v is %u, not 27, 28 or from 35 on", (unsigned)low);
    v = u256_sub(v, u256_from_u64(35));
    t->y_parity = v.w[0] & 1;
    v = u256_shr(v, 1);
    if (!u256_is_u64(&v)) return err_set(err, E_DECODE, "transaction: chain id is over 64 bits");
    t->chain_id = v.w[0];
    t->has_chain_id = true;
    return OK;
}

static enum status get_legacy(struct tx *t, bytes fields, struct err *err)
{
    enum status s = get_nonce(t, &fields, err);
    if (s != OK) return s;
    if (!get_u256(&t->max_fee, &fields)) return bad(err, "gas price");
    t->max_priority = t->max_fee;
    s = get_common(t, &fields, err);
    if (s == OK) s = get_legacy_v(t, &fields, err);
    if (s == OK) s = get_r_s(t, &fields, err);
    return s;
}

static enum status get_lists(struct tx *t, bytes *in, struct err *err)
{
    if (rlp_get_list(&t->access_list, in) != OK || !check_access_list(t->access_list)) return bad(err, "access list");
    if (t->type == TX_BLOB) {
        if (!get_u256(&t->max_blob_fee, in)) return bad(err, "max fee per blob gas");
        if (rlp_get_list(&t->blob_hashes, in) != OK || !check_hash_list(t->blob_hashes)) return bad(err, "list of blob hashes");
    }
    if (t->type == TX_SET_CODE && (rlp_get_list(&t->auth_list, in) != OK || !check_auth_list(t->auth_list)))
        return bad(err, "authorization list");
    return OK;
}

static enum status get_typed(struct tx *t, bytes fields, struct err *err)
{
    uint8_t y_parity;
    t->has_chain_id = true;
    if (rlp_get_u64(&t->chain_id, &fields) != OK) return bad(err, "chain id");
    enum status s = get_nonce(t, &fields, err);
    if (s != OK) return s;
    if (!get_u256(&t->max_priority, &fields)) return bad(err, t->type == TX_ACCESS_LIST ? "gas price" : "max priority fee per gas");
    t->max_fee = t->max_priority;
    if (t->type != TX_ACCESS_LIST && !get_u256(&t->max_fee, &fields)) return bad(err, "max fee per gas");
    s = get_common(t, &fields, err);
    if (s != OK) return s;
    /* SPEC(EIP-4844, EIP-7702): these two can't create */
    if ((t->type == TX_BLOB || t->type == TX_SET_CODE) && !t->has_to) return err_set(err, E_DECODE, "transaction: has no recipient");
    s = get_lists(t, &fields, err);
    if (s != OK) return s;
    if (rlp_get_uint(&y_parity, 1, &fields) != OK || y_parity > 1) return bad(err, "signature y parity");
    t->y_parity = y_parity;
    return get_r_s(t, &fields, err);
}

enum status tx_get(struct tx *out, bytes in, struct err *err)
{
    struct tx t = {.raw = in};
    if (in.len == 0) return err_set(err, E_DECODE, "transaction: empty");
    bool is_typed = in.ptr[0] < 0x80;
    if (is_typed) {
        if (in.ptr[0] < TX_ACCESS_LIST || in.ptr[0] > TX_SET_CODE)
            return err_set(err, E_UNSUPPORTED, "transaction: type %u is not supported", (unsigned)in.ptr[0]);
        t.type = (enum tx_type)in.ptr[0];
    }
    bytes rest = bytes_make(in.ptr + is_typed, in.len - is_typed), fields;
    if (rlp_get_list(&fields, &rest) != OK) return err_set(err, E_DECODE, "transaction: not an RLP list of its length");
    if (rest.len != 0) return err_set(err, E_DECODE, "transaction: %zu bytes too many", rest.len);
    enum status s = is_typed ? get_typed(&t, fields, err) : get_legacy(&t, fields, err);
    if (s != OK) return s;
    keccak256(t.hash.b, in.ptr, in.len);
    *out = t;
    return OK;
}

enum status tx_get_network(struct tx *out, bytes *in, struct err *err)
{
    struct rlp_item item;
    bytes rest = *in;
    if (rlp_get_item(&item, &rest) != OK) return err_set(err, E_DECODE, "transaction: no RLP item");
    /* a legacy transaction never stands in a string */
    if (!item.is_list && (item.payload.len == 0 || item.payload.ptr[0] >= 0x80))
        return err_set(err, E_DECODE, "transaction: neither a list nor a type with its list");
    enum status s = tx_get(out, item.is_list ? item.raw : item.payload, err);
    if (s == OK) *in = rest;
    return s;
}

/* ----------------------------------------------------------------- encode */

void tx_put_network(struct buf *out, const struct tx *tx)
{
    if (tx->type == TX_LEGACY)
        rlp_put_raw(out, tx->raw);
    else
        rlp_put_string(out, tx->raw);
}

/* the fields before the signature (legacy: without EIP-155's three) */
static void gather_fields(struct gather *g, const struct tx *t)
{
    gather_init(g);
    if (t->type != TX_LEGACY) gather_u64(g, t->chain_id);
    gather_u64(g, t->nonce);
    gather_u256(g, &t->max_priority);
    if (t->type != TX_LEGACY && t->type != TX_ACCESS_LIST) gather_u256(g, &t->max_fee);
    gather_u64(g, t->gas_limit);
    gather_string(g, bytes_make(t->to.b, t->has_to ? sizeof t->to.b : 0));
    gather_u256(g, &t->value);
    gather_string(g, t->data);
    if (t->type == TX_LEGACY) return;
    gather_list(g, t->access_list);
    if (t->type == TX_BLOB) {
        gather_u256(g, &t->max_blob_fee);
        gather_list(g, t->blob_hashes);
    }
    if (t->type == TX_SET_CODE) gather_list(g, t->auth_list);
}

static bytes type_prefix(const uint8_t type[static 1])
{
    return bytes_make(type, *type == TX_LEGACY ? 0 : 1);
}

hash32 tx_signing_hash(const struct tx *tx)
{
    struct gather g;
    uint8_t type = (uint8_t)tx->type;
    gather_fields(&g, tx);
    if (tx->type == TX_LEGACY && tx->has_chain_id) {
        gather_u64(&g, tx->chain_id);
        gather_u64(&g, 0);
        gather_u64(&g, 0);
    }
    return gather_hash(&g, type_prefix(&type));
}

static void sig_of(uint8_t sig[static 65], const u256 *r, const u256 *s, uint8_t y_parity)
{
    u256_to_be(sig, r);
    u256_to_be(sig + 32, s);
    sig[64] = y_parity;
}

enum status tx_recover(struct tx *tx, bool low_s)
{
    uint8_t sig[65];
    address sender;
    sig_of(sig, &tx->r, &tx->s, tx->y_parity);
    if (low_s && !ec_sig_is_valid_low_s(sig)) return E_CRYPTO;
    hash32 h = tx_signing_hash(tx);
    if (ec_recover_address(sender.b, sig, h.b) != OK) return E_CRYPTO;
    tx->sender = sender;
    tx->has_sender = true;
    return OK;
}

void tx_recover_many(struct tx *const *txs, size_t n, bool low_s)
{
    enum { CHUNK = 64 };
    uint8_t sig[CHUNK][65], hash[CHUNK][32], addr[CHUNK][20];
    bool ok[CHUNK];
    struct tx *which[CHUNK];
    for (size_t at = 0; at < n;) {
        size_t k = 0;
        for (; at < n && k < CHUNK; at++) {
            struct tx *t = txs[at];
            sig_of(sig[k], &t->r, &t->s, t->y_parity);
            t->has_sender = false;
            if (low_s && !ec_sig_is_valid_low_s(sig[k])) continue;
            const hash32 h = tx_signing_hash(t);
            memcpy(hash[k], h.b, sizeof h.b);
            which[k++] = t;
        }
        ec_recover_addresses(addr, ok, (const uint8_t (*)[65])sig, (const uint8_t (*)[32])hash, k);
        for (size_t i = 0; i < k; i++) {
            which[i]->has_sender = ok[i];
            if (ok[i]) memcpy(which[i]->sender.b, addr[i], sizeof addr[i]);
        }
    }
}

static void gather_signature(struct gather *g, const struct tx *t)
{
    u256 v = u256_from_u64(t->y_parity);
    if (t->type == TX_LEGACY) {
        v = u256_add(v, u256_from_u64(t->has_chain_id ? 35 : 27));
        if (t->has_chain_id) v = u256_add(v, u256_shl(u256_from_u64(t->chain_id), 1));
    }
    gather_u256(g, &v);
    gather_u256(g, &t->r);
    gather_u256(g, &t->s);
}

/* what a signature covers beside the fields that the caller gave */
static void complete(struct tx *t)
{
    if (t->type == TX_LEGACY || t->type == TX_ACCESS_LIST) t->max_priority = t->max_fee;
    if (t->type != TX_LEGACY) t->has_chain_id = true;
}

static enum status put_signed(struct tx *tx, struct tx *t, struct buf *out, const uint8_t sig[static 65])
{
    struct gather g;
    uint8_t type = (uint8_t)t->type;
    size_t from = out->len;
    t->r = u256_from_be(sig);
    t->s = u256_from_be(sig + 32);
    t->y_parity = sig[64];
    gather_fields(&g, t);
    gather_signature(&g, t);
    buf_put_bytes(out, type_prefix(&type));
    gather_put(out, &g);
    enum status s = buf_status(out);
    if (s != OK) return s;
    t->hash = gather_hash(&g, type_prefix(&type));
    t->has_sender = true;
    t->raw = bytes_make(out->ptr + from, out->len - from);
    *tx = *t;
    return OK;
}

enum status tx_sign(struct tx *tx, struct buf *out, const secret32 *key)
{
    uint8_t sig[65], pub[64];
    struct tx t = *tx;
    complete(&t);
    hash32 h = tx_signing_hash(&t);
    enum status s = ec_sign(sig, h.b, key);
    if (s == OK) s = ec_public(pub, key);
    if (s != OK) return s;
    ec_address(t.sender.b, pub);
    return put_signed(tx, &t, out, sig);
}

enum status tx_sign_with(struct tx *tx, struct buf *out, const uint8_t sig65[static 65])
{
    struct tx t = *tx;
    complete(&t);
    hash32 h = tx_signing_hash(&t);
    enum status s = ec_recover_address(t.sender.b, sig65, h.b);
    return s == OK ? put_signed(tx, &t, out, sig65) : s;
}

enum status tx_seal_unsigned(struct tx *tx, struct buf *out)
{
    static const uint8_t none[65];
    struct tx t = *tx;
    complete(&t);
    return put_signed(tx, &t, out, none);
}

/* ------------------------------------------------------------------- fees */

bool tx_effective_tip(u256 *tip, const struct tx *tx, const u256 *base_fee)
{
    u256 room;
    if (u256_sub_borrow(&room, &tx->max_fee, base_fee)) return false;
    *tip = u256_lt(&tx->max_priority, &room) ? tx->max_priority : room;
    return true;
}

u256 tx_gas_price(const struct tx *tx, const u256 *base_fee)
{
    u256 tip = U256_ZERO;
    if (!tx_effective_tip(&tip, tx, base_fee)) return tx->max_fee;
    return u256_add(*base_fee, tip);
}

/* --------------------------------------------------------- authorizations */

enum status auth_recover(address *out, const struct auth_tuple *t)
{
    static const uint8_t magic[1] = {0x05}; /* SPEC(EIP-7702) */
    uint8_t sig[65];
    if (!u256_is_u64(&t->y_parity) || t->y_parity.w[0] > 1) return E_CRYPTO;
    sig_of(sig, &t->r, &t->s, (uint8_t)t->y_parity.w[0]);
    if (!ec_sig_is_valid_low_s(sig)) return E_CRYPTO;
    struct gather g;
    gather_init(&g);
    gather_u256(&g, &t->chain_id);
    gather_string(&g, bytes_make(t->addr.b, sizeof t->addr.b));
    gather_u64(&g, t->nonce);
    hash32 h = gather_hash(&g, bytes_make(magic, sizeof magic));
    return ec_recover_address(out->b, sig, h.b);
}
