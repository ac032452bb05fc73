/* module: lib/eth */
/* A transaction that tx_get accepts has fields that encode to the same bytes; lists walk to their end; recovery never crashes. */
#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "lib/eth/tx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void put_u256(struct buf *out, const u256 *v)
{
    uint8_t be[32];
    u256_to_be(be, v);
    rlp_put_uint(out, bytes_make(be, sizeof be));
}

static void put_list(struct buf *out, bytes payload)
{
    rlp_put_list_header(out, payload.len);
    buf_put_bytes(out, payload);
}

/* a second encoder, field by field */
static void put_tx(struct buf *out, const struct tx *t)
{
    if (t->type != TX_LEGACY) buf_put_u8(out, (uint8_t)t->type);
    size_t list = rlp_list_open(out);
    if (t->type != TX_LEGACY) rlp_put_u64(out, t->chain_id);
    rlp_put_u64(out, t->nonce);
    put_u256(out, &t->max_priority);
    if (t->type >= TX_DYNAMIC_FEE) put_u256(out, &t->max_fee);
    rlp_put_u64(out, t->gas_limit);
    rlp_put_string(out, bytes_make(t->to.b, t->has_to ? 20 : 0));
    put_u256(out, &t->value);
    rlp_put_string(out, t->data);
    if (t->type != TX_LEGACY) put_list(out, t->access_list);
    if (t->type == TX_BLOB) put_u256(out, &t->max_blob_fee);
    if (t->type == TX_BLOB) put_list(out, t->blob_hashes);
    if (t->type == TX_SET_CODE) put_list(out, t->auth_list);
    if (t->type != TX_LEGACY) {
        rlp_put_u64(out, t->y_parity);
    } else if (t->has_chain_id) {
        u256 v = u256_add(u256_shl(u256_from_u64(t->chain_id), 1), u256_from_u64(35u + t->y_parity));
        put_u256(out, &v);
    } else {
        rlp_put_u64(out, 27u + t->y_parity);
    }
    put_u256(out, &t->r);
    put_u256(out, &t->s);
    rlp_list_close(out, list);
}

static void walk_lists(const struct tx *t)
{
    size_t n_addresses, n_keys, n = 0, k = 0;
    struct access_entry e;
    struct auth_tuple a;
    hash32 h;
    address who;
    bytes list = t->access_list, keys;
    access_list_count(&n_addresses, &n_keys, list);
    for (; access_list_next(&e, &list); n++)
        for (keys = e.keys; hash_list_next(&h, &keys); k++)
            ;
    if (list.len != 0 || n != n_addresses || k != n_keys) BUG("the access list is not what was counted");
    for (list = t->blob_hashes; hash_list_next(&h, &list);)
        ;
    if (list.len != 0) BUG("the list of blob hashes does not walk to its end");
    for (list = t->auth_list; auth_list_next(&a, &list);)
        IGNORE(auth_recover(&who, &a), "any verdict will do");
    if (list.len != 0) BUG("the authorization list does not walk to its end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tx t, again;
    struct err err = {0};
    bytes in = bytes_make(data, len);
    if (tx_get(&t, in, &err) != OK) return 0;
    struct buf out;
    buf_init(&out, len);
    put_tx(&out, &t);
    if (buf_status(&out) != OK || !bytes_eq(buf_view(&out), in)) BUG("an accepted transaction does not encode to itself");
    buf_fini(&out);
    walk_lists(&t);
    buf_init(&out, len + 9);
    tx_put_network(&out, &t);
    bytes net = buf_view(&out);
    if (tx_get_network(&again, &net, NULL) != OK || net.len != 0 || !hash_eq(&t.hash, &again.hash)) BUG("its network form is another transaction");
    if (tx_recover(&t, true) == OK && (tx_recover(&again, false) != OK || !address_eq(&t.sender, &again.sender)))
        BUG("the sender depends on the check of s");
    buf_fini(&out); /* again borrowed from it */
    return 0;
}
