#include "lib/eth/header.h"

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "lib/eth/gather_priv.h"

/* ------------------------------------------------------------ put and hash */

static void gather_base(struct gather *g, const struct header *h)
{
    gather_string(g, bytes_make(h->parent_hash.b, 32));
    gather_string(g, bytes_make(h->uncles_hash.b, 32));
    gather_string(g, bytes_make(h->author.b, 20));
    gather_string(g, bytes_make(h->state_root.b, 32));
    gather_string(g, bytes_make(h->tx_root.b, 32));
    gather_string(g, bytes_make(h->receipts_root.b, 32));
    gather_string(g, bytes_make(h->logs_bloom.b, sizeof h->logs_bloom.b));
    gather_u256(g, &h->difficulty);
    gather_u64(g, h->number);
    gather_u64(g, h->gas_limit);
    gather_u64(g, h->gas_used);
    gather_u64(g, h->timestamp);
    gather_string(g, h->extra);
}

static void gather_seal(struct gather *g, const struct header *h)
{
    switch (h->seal) {
    case SEAL_ETHASH:
        gather_string(g, bytes_make(h->mix_hash.b, 32));
        gather_string(g, bytes_make(h->nonce, sizeof h->nonce));
        break;
    case SEAL_AURA:
        gather_u64(g, h->step);
        gather_string(g, bytes_make(h->signature, sizeof h->signature));
        if (h->has_empty_steps) gather_view(g, h->empty_steps);
        break;
    case SEAL_GENERIC:
        gather_view(g, h->seal_raw);
        break;
    }
}

/* fields that later EIPs appended: 1559, 4895, 4844, 4788, 7685 */
static void gather_later(struct gather *g, const struct header *h)
{
    if (h->has_base_fee) gather_u256(g, &h->base_fee);
    if (h->has_withdrawals) gather_string(g, bytes_make(h->withdrawals_root.b, 32));
    if (h->has_blob_gas) {
        gather_u64(g, h->blob_gas_used);
        gather_u64(g, h->excess_blob_gas);
    }
    if (h->has_beacon_root) gather_string(g, bytes_make(h->beacon_root.b, 32));
    if (h->has_requests) gather_string(g, bytes_make(h->requests_hash.b, 32));
}

static void gather_header(struct gather *g, const struct header *h, bool with_seal)
{
    gather_init(g);
    gather_base(g, h);
    if (with_seal) gather_seal(g, h);
    gather_later(g, h);
}

void header_put(struct buf *out, const struct header *h)
{
    struct gather g;
    gather_header(&g, h, true);
    gather_put(out, &g);
}

void header_put_bare(struct buf *out, const struct header *h)
{
    struct gather g;
    gather_header(&g, h, false);
    gather_put(out, &g);
}

hash32 header_hash(const struct header *h)
{
    struct gather g;
    gather_header(&g, h, true);
    return gather_hash(&g, BYTES_EMPTY);
}

hash32 header_aura_seal_hash(const struct header *h)
{
    struct gather g;
    gather_header(&g, h, false);
    hash32 bare = gather_hash(&g, BYTES_EMPTY);
    if (!h->has_empty_steps) return bare;
    struct keccak k;
    keccak_init(&k, 32);
    keccak_update(&k, bare.b, sizeof bare.b);
    keccak_update(&k, h->empty_steps.ptr, h->empty_steps.len);
    keccak_final(&k, bare.b);
    return bare;
}

/* -------------------------------------------------------------------- get */

static enum status bad(struct err *err, const char *field)
{
    return err_set(err, E_DECODE, "header: bad %s", field);
}

static bool get_hash(hash32 *h, bytes *in)
{
    return rlp_get_fixed(h->b, sizeof h->b, in) == OK;
}

static bool get_u256(u256 *v, bytes *in)
{
    uint8_t be[32];
    if (rlp_get_uint(be, sizeof be, in) != OK) return false;
    *v = u256_from_be(be);
    return true;
}

static enum status get_base(struct header *h, bytes *in, struct err *err)
{
    if (!get_hash(&h->parent_hash, in)) return bad(err, "parentHash");
    if (!get_hash(&h->uncles_hash, in)) return bad(err, "sha3Uncles");
    if (rlp_get_fixed(h->author.b, sizeof h->author.b, in) != OK) return bad(err, "author");
    if (!get_hash(&h->state_root, in)) return bad(err, "stateRoot");
    if (!get_hash(&h->tx_root, in)) return bad(err, "transactionsRoot");
    if (!get_hash(&h->receipts_root, in)) return bad(err, "receiptsRoot");
    if (rlp_get_fixed(h->logs_bloom.b, sizeof h->logs_bloom.b, in) != OK) return bad(err, "logsBloom");
    if (!get_u256(&h->difficulty, in)) return bad(err, "difficulty");
    if (rlp_get_u64(&h->number, in) != OK) return bad(err, "number");
    if (rlp_get_u64(&h->gas_limit, in) != OK) return bad(err, "gasLimit");
    if (rlp_get_u64(&h->gas_used, in) != OK) return bad(err, "gasUsed");
    if (rlp_get_u64(&h->timestamp, in) != OK) return bad(err, "timestamp");
    if (rlp_get_string(&h->extra, in) != OK) return bad(err, "extraData");
    return OK;
}

static bool get_ethash_seal(struct header *h, bytes *in)
{
    bytes rest = *in;
    if (!get_hash(&h->mix_hash, &rest) || rlp_get_fixed(h->nonce, sizeof h->nonce, &rest) != OK) return false;
    h->seal = SEAL_ETHASH;
    *in = rest;
    return true;
}

static bool get_aura_seal(struct header *h, bytes *in)
{
    struct rlp_item steps;
    bytes rest = *in;
    if (rlp_get_u64(&h->step, &rest) != OK || rlp_get_fixed(h->signature, sizeof h->signature, &rest) != OK) return false;
    if (rlp_is_list(rest)) {
        if (rlp_get_item(&steps, &rest) != OK) return false;
        h->has_empty_steps = true;
        h->empty_steps = steps.raw;
    }
    h->seal = SEAL_AURA;
    *in = rest;
    return true;
}

static enum status get_later(struct header *h, bytes *in, struct err *err)
{
    if (in->len == 0) return OK;
    h->has_base_fee = true;
    if (!get_u256(&h->base_fee, in)) return bad(err, "baseFeePerGas");
    if (in->len == 0) return OK;
    h->has_withdrawals = true;
    if (!get_hash(&h->withdrawals_root, in)) return bad(err, "withdrawalsRoot");
    if (in->len == 0) return OK;
    h->has_blob_gas = true;
    if (rlp_get_u64(&h->blob_gas_used, in) != OK) return bad(err, "blobGasUsed");
    if (rlp_get_u64(&h->excess_blob_gas, in) != OK) return bad(err, "excessBlobGas");
    if (in->len == 0) return OK;
    h->has_beacon_root = true;
    if (!get_hash(&h->beacon_root, in)) return bad(err, "parentBeaconBlockRoot");
    if (in->len == 0) return OK;
    h->has_requests = true;
    if (!get_hash(&h->requests_hash, in)) return bad(err, "requestsHash");
    return in->len == 0 ? OK : err_set(err, E_DECODE, "header: has too many fields");
}

enum status header_get(struct header *out, bytes *in, struct err *err)
{
    bytes rest = *in, fields;
    size_t n;
    if (rlp_get_list(&fields, &rest) != OK) return err_set(err, E_DECODE, "header: not an RLP list");
    struct header h = {0};
    enum status s = get_base(&h, &fields, err);
    if (s != OK) return s;
    if (get_ethash_seal(&h, &fields) || get_aura_seal(&h, &fields)) {
        s = get_later(&h, &fields, err);
        if (s != OK) return s;
    } else {
        if (rlp_count_items(&n, fields) != OK) return bad(err, "seal");
        h.has_empty_steps = false;
        h.step = 0;
        h.seal = SEAL_GENERIC;
        h.seal_raw = fields;
    }
    *out = h;
    *in = rest;
    return OK;
}

/* ------------------------------------------------------------------ blocks */

/* bytes of the shortest item of each list: what a count in the input can make us allocate stays within a factor of the input */
enum { TX_MIN = 10, HEADER_MIN = 500, WITHDRAWAL_MIN = 25 };

static enum status get_txs(struct block *b, bytes list, struct arena *a, struct err *err)
{
    if (rlp_count_items(&b->n_txs, list) != OK || b->n_txs > list.len / TX_MIN)
        return err_set(err, E_DECODE, "block: malformed list of transactions");
    b->txs = arena_zalloc(a, b->n_txs, sizeof *b->txs);
    if (b->txs == NULL) return err_set(err, E_NOMEM, "block: no memory for %zu transactions", b->n_txs);
    for (size_t i = 0; i < b->n_txs; i++) {
        enum status s = tx_get_network(&b->txs[i], &list, err);
        if (s == E_UNSUPPORTED) s = E_DECODE;
        if (s != OK) {
            if (err != NULL) err->status = s;
            IGNORE(err_prefix(err, "block: transaction %zu", i), "s is returned");
            return s;
        }
    }
    return OK;
}

static enum status get_uncles(struct block *b, bytes *in, struct arena *a, struct err *err)
{
    bytes from = *in, list;
    if (rlp_get_list(&list, in) != OK || rlp_count_items(&b->n_uncles, list) != OK || b->n_uncles > list.len / HEADER_MIN)
        return err_set(err, E_DECODE, "block: malformed list of uncles");
    b->uncles_raw = bytes_make(from.ptr, (size_t)(in->ptr - from.ptr));
    b->uncles = arena_zalloc(a, b->n_uncles, sizeof *b->uncles);
    if (b->uncles == NULL) return err_set(err, E_NOMEM, "block: no memory for %zu uncles", b->n_uncles);
    for (size_t i = 0; i < b->n_uncles; i++) {
        enum status s = header_get(&b->uncles[i], &list, err);
        if (s != OK) return s;
    }
    return OK;
}

static bool get_withdrawal(struct withdrawal *w, bytes *in)
{
    bytes fields;
    return rlp_get_list(&fields, in) == OK && rlp_get_u64(&w->index, &fields) == OK && rlp_get_u64(&w->validator, &fields) == OK &&
           rlp_get_fixed(w->addr.b, sizeof w->addr.b, &fields) == OK && rlp_get_u64(&w->amount_gwei, &fields) == OK && fields.len == 0;
}

static enum status get_withdrawals(struct block *b, bytes *in, struct arena *a, struct err *err)
{
    bytes list;
    if (!b->header.has_withdrawals) return OK;
    if (rlp_get_list(&list, in) != OK || rlp_count_items(&b->n_withdrawals, list) != OK || b->n_withdrawals > list.len / WITHDRAWAL_MIN)
        return err_set(err, E_DECODE, "block: malformed list of withdrawals");
    b->withdrawals = arena_zalloc(a, b->n_withdrawals, sizeof *b->withdrawals);
    if (b->withdrawals == NULL) return err_set(err, E_NOMEM, "block: no memory for %zu withdrawals", b->n_withdrawals);
    for (size_t i = 0; i < b->n_withdrawals; i++)
        if (!get_withdrawal(&b->withdrawals[i], &list)) return err_set(err, E_DECODE, "block: withdrawal %zu is malformed", i);
    return OK;
}

/* the lists beside b->header, up to the end of fields */
static enum status get_lists(struct block *b, bytes fields, struct arena *a, struct err *err)
{
    bytes txs;
    if (rlp_get_list(&txs, &fields) != OK) return err_set(err, E_DECODE, "block: no list of transactions");
    enum status s = get_txs(b, txs, a, err);
    if (s == OK) s = get_uncles(b, &fields, a, err);
    if (s == OK) s = get_withdrawals(b, &fields, a, err);
    if (s == OK && fields.len != 0) s = err_set(err, E_DECODE, "block: has too many fields");
    return s;
}

enum status block_get(struct block *out, bytes *in, struct arena *a, struct err *err)
{
    bytes rest = *in, fields;
    struct block b = {0};
    if (rlp_get_list(&fields, &rest) != OK) return err_set(err, E_DECODE, "block: not an RLP list");
    b.raw = bytes_make(in->ptr, (size_t)(rest.ptr - in->ptr));
    enum status s = header_get(&b.header, &fields, err);
    if (s == OK) s = get_lists(&b, fields, a, err);
    if (s != OK) return s;
    b.hash = header_hash(&b.header);
    *out = b;
    *in = rest;
    return OK;
}

enum status block_get_body(struct block *out, const struct header *h, bytes *in, struct arena *a, struct err *err)
{
    bytes rest = *in, fields;
    struct block b = {.header = *h};
    if (rlp_get_list(&fields, &rest) != OK) return err_set(err, E_DECODE, "block body: not an RLP list");
    enum status s = get_lists(&b, fields, a, err);
    if (s != OK) return s;
    b.hash = header_hash(h);
    *out = b;
    *in = rest;
    return OK;
}

static void put_lists(struct buf *out, const struct block *b)
{
    size_t list = rlp_list_open(out);
    for (size_t i = 0; i < b->n_txs; i++)
        tx_put_network(out, &b->txs[i]);
    rlp_list_close(out, list);
    if (b->uncles_raw.len > 0) {
        rlp_put_raw(out, b->uncles_raw);
    } else {
        list = rlp_list_open(out);
        for (size_t i = 0; i < b->n_uncles; i++)
            header_put(out, &b->uncles[i]);
        rlp_list_close(out, list);
    }
    if (!b->header.has_withdrawals) return;
    list = rlp_list_open(out);
    for (size_t i = 0; i < b->n_withdrawals; i++) {
        const struct withdrawal *w = &b->withdrawals[i];
        size_t item = rlp_list_open(out);
        rlp_put_u64(out, w->index);
        rlp_put_u64(out, w->validator);
        rlp_put_string(out, bytes_make(w->addr.b, sizeof w->addr.b));
        rlp_put_u64(out, w->amount_gwei);
        rlp_list_close(out, item);
    }
    rlp_list_close(out, list);
}

void block_put(struct buf *out, const struct block *b)
{
    size_t list = rlp_list_open(out);
    header_put(out, &b->header);
    put_lists(out, b);
    rlp_list_close(out, list);
}

void block_put_body(struct buf *out, const struct block *b)
{
    size_t list = rlp_list_open(out);
    put_lists(out, b);
    rlp_list_close(out, list);
}
