/* One value out of a trie's table, without a walk from the root: the latest state is read this way. */
#include "node/state/trie_priv.h"

#include "lib/codec/rlp.h"

/* follow: from a node at key[0..depth) on through those that stand inside it */
static enum status follow(bytes *value, bytes raw, const uint8_t key[static TRIE_KEY_NIBBLES], size_t depth)
{
    for (;;) {
        bytes list, first;
        struct rlp_item it;
        size_t n;
        if (rlp_get_list(&list, &raw) != OK || raw.len != 0 || rlp_count_items(&n, list) != OK) return E_CORRUPT;
        if (n == 17) {
            if (depth >= TRIE_KEY_NIBBLES) return E_CORRUPT;
            for (uint8_t i = 0; i <= key[depth]; i++)
                if (rlp_get_item(&it, &list) != OK) return E_CORRUPT;
            if (!it.is_list && it.payload.len == 0) return E_NOT_FOUND;
            depth++;
        } else {
            uint8_t nibbles[TRIE_KEY_NIBBLES], len;
            bool leaf;
            if (n != 2 || rlp_get_string(&first, &list) != OK || !hex_prefix_get(nibbles, &len, &leaf, first)) return E_CORRUPT;
            if (leaf ? depth + len != TRIE_KEY_NIBBLES : depth + len > TRIE_KEY_NIBBLES) return E_CORRUPT;
            if (memcmp(key + depth, nibbles, len) != 0) return E_NOT_FOUND;
            if (leaf) return rlp_get_string(value, &list) == OK ? OK : E_CORRUPT;
            if (rlp_get_item(&it, &list) != OK) return E_CORRUPT;
            depth += len;
        }
        if (!it.is_list) return E_CORRUPT; /* by hash: it has an entry, which would have been the one to begin with */
        raw = it.raw;
    }
}

/* SPEC of the order: every entry on the way to key is a prefix of it, and so not greater. Take the greatest entry that is not greater than key.
 * If it is a prefix of key, it is the last on the way. If not, it parts from key somewhere, and whatever entry is on the way stands at or before
 * that point: at the point itself is a branch, or else an edge runs through it and key is absent. */
enum status trie_get(bytes *value, struct kv_txn *txn, unsigned table, bytes prefix, const hash32 *key)
{
    uint8_t at[TRIE_KEY_MAX], path[TRIE_KEY_NIBBLES];
    struct kv_cursor *c;
    bytes k, v;
    nibbles_of(path, BYTES_OF(*key));
    const bytes end = trie_table_key(at, prefix, path, TRIE_KEY_NIBBLES);
    enum status s = kv_cursor_open(&c, txn, table);
    if (s != OK) return s;
    s = kv_cursor_seek(&k, &v, c, end);
    if (s == E_NOT_FOUND || (s == OK && !bytes_eq(k, end))) s = kv_cursor_prev(&k, &v, c);
    size_t depth = 0, len = 0;
    const bool mine = s == OK && k.len > prefix.len && k.len <= end.len && (prefix.len == 0 || memcmp(k.ptr, prefix.ptr, prefix.len) == 0);
    if (mine) {
        len = k.len - prefix.len;
        depth = common_prefix(k.ptr + prefix.len, path, len);
    }
    kv_cursor_close(c);
    if (s != OK && s != E_NOT_FOUND) return s;
    if (!mine || depth != len) {
        s = kv_get(&v, txn, table, trie_table_key(at, prefix, path, depth));
        if (s != OK) return s;
    }
    return follow(value, v, path, depth);
}
