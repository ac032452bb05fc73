#include "node/rpc/rpc_json.h"

#include "lib/codec/hex.h"
#include "lib/codec/rlp.h"

static void put_hash(struct buf *b, const char *key, const hash32 *h)
{
    jo_key(b, key);
    jo_hash(b, h);
}

static void put_u64(struct buf *b, const char *key, uint64_t v)
{
    jo_key(b, key);
    jo_u64(b, v);
}

static void put_u256(struct buf *b, const char *key, const u256 *v)
{
    jo_key(b, key);
    jo_u256(b, v);
}

static void put_data(struct buf *b, const char *key, const void *ptr, size_t len)
{
    jo_key(b, key);
    jo_data(b, bytes_make(ptr, len));
}

static void put_address(struct buf *b, const char *key, const address *a)
{
    jo_key(b, key);
    jo_address(b, a);
}

/* ------------------------------------------------------------------ headers */

static void put_rlp_string(struct buf *b, const void *ptr, size_t len)
{
    struct buf t;
    buf_init(&t, len + 9);
    rlp_put_string(&t, bytes_make(ptr, len));
    jo_data(b, buf_view(&t));
    buf_fini(&t);
}

/* aura.md B1: emptySteps is a string, each step as (signature, step) */
static void put_empty_steps(struct buf *b, bytes list)
{
    bytes steps, step, sig;
    uint64_t n;
    jo_key(b, "emptySteps");
    buf_put(b, "\"[", 2);
    bool first = true;
    if (rlp_get_list(&steps, &list) != OK) steps = BYTES_EMPTY;
    while (steps.len > 0 && rlp_get_list(&step, &steps) == OK && rlp_get_string(&sig, &step) == OK && rlp_get_u64(&n, &step) == OK) {
        buf_put_str(b, first ? "(" : ",(");
        uint8_t *p = buf_reserve(b, 2 * sig.len);
        if (p == NULL) return;
        hex_put((char *)p, sig.ptr, sig.len);
        b->len += 2 * sig.len;
        buf_printf(b, ", %llu)", (unsigned long long)n);
        first = false;
    }
    buf_put(b, "]\"", 2);
}

static void put_seal(struct buf *b, const struct header *h)
{
    jo_key(b, "sealFields");
    jo_open(b, '[');
    switch (h->seal) {
    case SEAL_ETHASH:
        put_rlp_string(b, h->mix_hash.b, 32);
        put_rlp_string(b, h->nonce, 8);
        break;
    case SEAL_AURA: {
        uint8_t step[9];
        jo_data(b, bytes_make(step, rlp_encode_u64(step, h->step)));
        put_rlp_string(b, h->signature, 65);
        if (h->has_empty_steps) jo_data(b, h->empty_steps);
        break;
    }
    case SEAL_GENERIC: {
        bytes rest = h->seal_raw;
        struct rlp_item item;
        while (rest.len > 0 && rlp_get_item(&item, &rest) == OK) jo_data(b, item.raw);
        break;
    }
    }
    jo_close(b, ']');
    if (h->seal == SEAL_ETHASH) {
        put_data(b, "nonce", h->nonce, 8);
        put_hash(b, "mixHash", &h->mix_hash);
    } else if (h->seal == SEAL_AURA) {
        char sig[133];
        jo_key(b, "step");
        buf_printf(b, "\"%llu\"", (unsigned long long)h->step);
        sig[0] = '"';
        hex_put(sig + 1, h->signature, 65);
        sig[131] = '"';
        jo_key(b, "signature");
        buf_put(b, sig, 132);
        if (h->has_empty_steps) put_empty_steps(b, h->empty_steps);
    }
}

/* the fields of a header, inside an object; hash NULL: of a block that is not sealed yet */
static void put_header_fields(struct buf *b, const struct header *h, const hash32 *hash)
{
    put_u64(b, "number", h->number);
    jo_key(b, "hash");
    if (hash) jo_hash(b, hash);
    else jo_null(b);
    put_hash(b, "parentHash", &h->parent_hash);
    put_hash(b, "sha3Uncles", &h->uncles_hash);
    put_data(b, "logsBloom", h->logs_bloom.b, sizeof h->logs_bloom.b);
    put_hash(b, "transactionsRoot", &h->tx_root);
    put_hash(b, "stateRoot", &h->state_root);
    put_hash(b, "receiptsRoot", &h->receipts_root);
    if (hash) {
        put_address(b, "author", &h->author);
        put_address(b, "miner", &h->author);
    } else {
        jo_key(b, "author");
        jo_null(b);
        jo_key(b, "miner");
        jo_null(b);
    }
    put_u256(b, "difficulty", &h->difficulty);
    put_data(b, "extraData", h->extra.ptr, h->extra.len);
    put_u64(b, "gasLimit", h->gas_limit);
    put_u64(b, "gasUsed", h->gas_used);
    put_u64(b, "timestamp", h->timestamp);
    if (h->has_base_fee) put_u256(b, "baseFeePerGas", &h->base_fee);
    if (h->has_withdrawals) put_hash(b, "withdrawalsRoot", &h->withdrawals_root);
    if (h->has_blob_gas) {
        put_u64(b, "blobGasUsed", h->blob_gas_used);
        put_u64(b, "excessBlobGas", h->excess_blob_gas);
    }
    if (h->has_beacon_root) put_hash(b, "parentBeaconBlockRoot", &h->beacon_root);
    if (h->has_requests) put_hash(b, "requestsHash", &h->requests_hash);
    if (hash) {
        put_seal(b, h);
    } else {
        jo_key(b, "nonce");
        jo_null(b);
        jo_key(b, "sealFields");
        jo_open(b, '[');
        jo_close(b, ']');
    }
}

void json_put_header(struct buf *b, const struct header *h, const hash32 *hash)
{
    jo_open(b, '{');
    put_header_fields(b, h, hash);
    jo_close(b, '}');
}

static void put_withdrawals(struct buf *b, const struct block *blk)
{
    jo_key(b, "withdrawals");
    jo_open(b, '[');
    for (size_t i = 0; i < blk->n_withdrawals; i++) {
        const struct withdrawal *w = &blk->withdrawals[i];
        jo_open(b, '{');
        put_u64(b, "index", w->index);
        put_u64(b, "validatorIndex", w->validator);
        put_address(b, "address", &w->addr);
        put_u64(b, "amount", w->amount_gwei);
        jo_close(b, '}');
    }
    jo_close(b, ']');
}

void json_put_block(struct buf *b, const struct block *blk, const struct block_shape *shape)
{
    const struct header *h = &blk->header;
    jo_open(b, '{');
    put_header_fields(b, h, shape->is_pending ? NULL : &blk->hash);
    if (shape->td) put_u256(b, "totalDifficulty", shape->td);
    put_u64(b, "size", shape->size);
    jo_key(b, "transactions");
    jo_open(b, '[');
    for (size_t i = 0; i < blk->n_txs; i++) {
        if (!shape->full_txs) {
            jo_hash(b, &blk->txs[i].hash);
            continue;
        }
        struct tx_place place = {&blk->hash, h->number, i, h->has_base_fee ? &h->base_fee : NULL, h->timestamp};
        json_put_tx(b, &blk->txs[i], shape->is_pending ? NULL : &place);
    }
    jo_close(b, ']');
    jo_key(b, "uncles");
    jo_open(b, '[');
    for (size_t i = 0; i < blk->n_uncles; i++) {
        hash32 hash = header_hash(&blk->uncles[i]);
        jo_hash(b, &hash);
    }
    jo_close(b, ']');
    if (h->has_withdrawals) put_withdrawals(b, blk);
    jo_close(b, '}');
}

void json_put_uncle(struct buf *b, const struct header *h)
{
    hash32 hash = header_hash(h);
    struct buf raw;
    buf_init(&raw, 1 << 20);
    header_put(&raw, h);
    jo_open(b, '{');
    put_header_fields(b, h, &hash);
    put_u64(b, "size", raw.len);
    jo_key(b, "transactions");
    jo_open(b, '[');
    jo_close(b, ']');
    jo_key(b, "uncles");
    jo_open(b, '[');
    jo_close(b, ']');
    jo_close(b, '}');
    buf_fini(&raw);
}

/* ------------------------------------------------------------------ transactions */

static void put_access_list(struct buf *b, bytes list)
{
    struct access_entry e;
    hash32 key;
    jo_key(b, "accessList");
    jo_open(b, '[');
    while (access_list_next(&e, &list)) {
        jo_open(b, '{');
        put_address(b, "address", &e.addr);
        jo_key(b, "storageKeys");
        jo_open(b, '[');
        while (hash_list_next(&key, &e.keys)) jo_hash(b, &key);
        jo_close(b, ']');
        jo_close(b, '}');
    }
    jo_close(b, ']');
}

static void put_auth_list(struct buf *b, bytes list)
{
    struct auth_tuple t;
    jo_key(b, "authorizationList");
    jo_open(b, '[');
    while (auth_list_next(&t, &list)) {
        jo_open(b, '{');
        put_u256(b, "chainId", &t.chain_id);
        put_address(b, "address", &t.addr);
        put_u64(b, "nonce", t.nonce);
        put_u256(b, "yParity", &t.y_parity);
        put_u256(b, "r", &t.r);
        put_u256(b, "s", &t.s);
        jo_close(b, '}');
    }
    jo_close(b, ']');
}

static void put_fees(struct buf *b, const struct tx *tx, const struct tx_place *place)
{
    bool dynamic = tx->type >= TX_DYNAMIC_FEE;
    u256 price = tx->max_fee;
    if (dynamic && place && place->base_fee && !u256_lt(&tx->max_fee, place->base_fee)) price = tx_gas_price(tx, place->base_fee);
    put_u256(b, "gasPrice", &price);
    if (!dynamic) return;
    put_u256(b, "maxFeePerGas", &tx->max_fee);
    put_u256(b, "maxPriorityFeePerGas", &tx->max_priority);
}

static void put_signature(struct buf *b, const struct tx *tx)
{
    if (tx->type == TX_LEGACY) {
        /* SPEC(EIP-155): v = 35 + 2 * chain id + parity; 27 + parity without */
        u256 v = u256_from_u64(27U + tx->y_parity);
        if (tx->has_chain_id) {
            v = u256_from_u64(tx->chain_id);
            v = u256_add(u256_add(v, v), u256_from_u64(35U + tx->y_parity));
        }
        put_u256(b, "v", &v);
    } else {
        put_u64(b, "v", tx->y_parity);
        put_u64(b, "yParity", tx->y_parity);
    }
    put_u256(b, "r", &tx->r);
    put_u256(b, "s", &tx->s);
}

void json_put_tx(struct buf *b, const struct tx *tx, const struct tx_place *place)
{
    jo_open(b, '{');
    jo_key(b, "blockHash");
    if (place) jo_hash(b, place->block_hash);
    else jo_null(b);
    jo_key(b, "blockNumber");
    if (place) jo_u64(b, place->number);
    else jo_null(b);
    jo_key(b, "blockTimestamp");
    if (place) jo_u64(b, place->timestamp);
    else jo_null(b);
    jo_key(b, "transactionIndex");
    if (place) jo_u64(b, place->index);
    else jo_null(b);
    put_hash(b, "hash", &tx->hash);
    put_u64(b, "type", (uint64_t)tx->type);
    jo_key(b, "chainId");
    if (tx->has_chain_id) jo_u64(b, tx->chain_id);
    else jo_null(b);
    put_u64(b, "nonce", tx->nonce);
    put_address(b, "from", &tx->sender);
    jo_key(b, "to");
    if (tx->has_to) jo_address(b, &tx->to);
    else jo_null(b);
    put_u256(b, "value", &tx->value);
    put_u64(b, "gas", tx->gas_limit);
    put_fees(b, tx, place);
    put_data(b, "input", tx->data.ptr, tx->data.len);
    jo_key(b, "creates");
    if (tx->has_to) {
        jo_null(b);
    } else {
        address created = address_create(&tx->sender, tx->nonce);
        jo_address(b, &created);
    }
    if (tx->type >= TX_ACCESS_LIST) put_access_list(b, tx->access_list);
    if (tx->type == TX_BLOB) {
        bytes list = tx->blob_hashes;
        hash32 h;
        put_u256(b, "maxFeePerBlobGas", &tx->max_blob_fee);
        jo_key(b, "blobVersionedHashes");
        jo_open(b, '[');
        while (hash_list_next(&h, &list)) jo_hash(b, &h);
        jo_close(b, ']');
    }
    if (tx->type == TX_SET_CODE) put_auth_list(b, tx->auth_list);
    put_signature(b, tx);
    jo_close(b, '}');
}

/* ------------------------------------------------------------------ receipts */

void json_put_log(struct buf *b, const struct log_entry *log, const struct log_place *p)
{
    jo_open(b, '{');
    put_address(b, "address", &log->addr);
    jo_key(b, "topics");
    jo_open(b, '[');
    for (size_t i = 0; i < log->n_topics; i++) jo_hash(b, &log->topics[i]);
    jo_close(b, ']');
    put_data(b, "data", log->data.ptr, log->data.len);
    put_hash(b, "blockHash", p->block_hash);
    put_u64(b, "blockNumber", p->number);
    put_u64(b, "blockTimestamp", p->timestamp);
    put_hash(b, "transactionHash", p->tx_hash);
    put_u64(b, "transactionIndex", p->tx_index);
    put_u64(b, "logIndex", p->log_index);
    put_u64(b, "transactionLogIndex", p->tx_log_index);
    jo_key(b, "removed");
    jo_bool(b, p->removed);
    jo_close(b, '}');
}

void json_put_receipt(struct buf *b, const struct block *blk, size_t i, const struct receipt *r, size_t first_log,
                      const u256 *blob_base_fee)
{
    const struct tx *tx = &blk->txs[i];
    const struct header *h = &blk->header;
    jo_open(b, '{');
    put_hash(b, "transactionHash", &tx->hash);
    put_u64(b, "transactionIndex", i);
    put_hash(b, "blockHash", &blk->hash);
    put_u64(b, "blockNumber", h->number);
    put_address(b, "from", &tx->sender);
    jo_key(b, "to");
    if (tx->has_to) jo_address(b, &tx->to);
    else jo_null(b);
    put_u64(b, "cumulativeGasUsed", r->cumulative_gas);
    put_u64(b, "gasUsed", r->gas_used);
    u256 price = tx->max_fee;
    if (h->has_base_fee && !u256_lt(&tx->max_fee, &h->base_fee)) price = tx_gas_price(tx, &h->base_fee);
    put_u256(b, "effectiveGasPrice", &price);
    jo_key(b, "contractAddress");
    if (r->has_contract) jo_address(b, &r->contract_address);
    else jo_null(b);
    jo_key(b, "logs");
    jo_open(b, '[');
    for (size_t k = 0; k < r->n_logs; k++) {
        struct log_place p = {&blk->hash, &tx->hash, h->number, i, first_log + k, k, h->timestamp, false};
        json_put_log(b, &r->logs[k], &p);
    }
    jo_close(b, ']');
    put_data(b, "logsBloom", r->filter.b, sizeof r->filter.b);
    put_u64(b, "type", (uint64_t)tx->type);
    switch (r->form) {
    case RECEIPT_STATUS: put_u64(b, "status", r->ok); break;
    case RECEIPT_ROOT: put_hash(b, "root", &r->root); break;
    case RECEIPT_BARE: break;
    }
    if (tx->type == TX_BLOB && blob_base_fee) {
        bytes list = tx->blob_hashes;
        hash32 hash;
        uint64_t n = 0;
        while (hash_list_next(&hash, &list)) n++;
        put_u64(b, "blobGasUsed", n * 131072); /* SPEC(EIP-4844): GAS_PER_BLOB */
        put_u256(b, "blobGasPrice", blob_base_fee);
    }
    jo_close(b, '}');
}
