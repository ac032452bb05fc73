/* The form of the history up to November 2026: under its number alone, a block had a list of what it changed, and all values stood in the tables of
 * the archive's index. Such blocks are read, taken back and pruned as they are; new ones are not written. */
#include "node/state/state_priv.h"

#include "lib/codec/rlp.h"

/* take: an entry of the index goes into out */
static enum status take(struct buf *out, size_t *n, struct kv_txn *txn, unsigned table, bytes item, uint64_t number)
{
    uint8_t key[HIST_SLOT_LEN];
    bytes v;
    memcpy(key, item.ptr, item.len);
    be64_put(key + item.len, number);
    enum status st = kv_get(&v, txn, table, bytes_make(key, item.len + 8));
    if (st != OK || v.len > ACCOUNT_RLP_MAX) return st == OK || st == E_NOT_FOUND ? E_CORRUPT : st;
    history_put_row(out, item, v);
    ++*n;
    return kv_delete(txn, table, bytes_make(key, item.len + 8));
}

enum status history_take_old(struct buf *out, size_t *n, struct kv_txn *txn, uint64_t number)
{
    struct buf copy; /* the table is written to while the list is walked */
    uint8_t key[ROW_MAX];
    bytes v, list;
    enum status st = kv_get(&v, txn, TABLE_CHANGES, row_key(key, number, BYTES_EMPTY));
    if (st != OK) return st;
    buf_init(&copy, SIZE_MAX / 2);
    buf_put_bytes(&copy, v);
    st = buf_status(&copy);
    v = buf_view(&copy);
    if (st == OK && rlp_get_list(&list, &v) != OK) st = E_CORRUPT;
    while (st == OK && list.len != 0) {
        uint8_t item[SLOT_KEY_LEN];
        bytes entry, slots;
        if (rlp_get_list(&entry, &list) != OK || rlp_get_fixed(item, sizeof(address), &entry) != OK || rlp_get_list(&slots, &entry) != OK) st = E_CORRUPT;
        if (st == OK) st = take(out, n, txn, TABLE_HIST_ACCOUNT, bytes_make(item, sizeof(address)), number);
        while (st == OK && slots.len != 0) {
            st = rlp_get_fixed(item + sizeof(address), 32, &slots) == OK ? OK : E_CORRUPT;
            if (st == OK) st = take(out, n, txn, TABLE_HIST_STORAGE, BYTES_OF(item), number);
        }
    }
    buf_fini(&copy);
    if (st == OK) st = kv_delete(txn, TABLE_CHANGES, row_key(key, number, BYTES_EMPTY));
    return st == OK ? buf_status(out) : st;
}
