/* module: node/state */
/* Input as a program: puts and deletes on a trie through a table, roots in between, against a rebuild; and bytes taken for a proof. */
#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "node/state/trie.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { KEYS = 64 };

static void check(bool ok)
{
    if (!ok) abort();
}

/* key: few bits decide, so that paths are shared */
static hash32 key_of(uint8_t i)
{
    hash32 k = {{0}};
    k.b[0] = (uint8_t)(i & 3);
    k.b[15] = (uint8_t)(i >> 2 & 3);
    k.b[31] = (uint8_t)(i >> 4 & 3);
    return k;
}

static void run_changes(const uint8_t *data, size_t len)
{
    bytes model[KEYS] = {{0}};
    struct kv *kv;
    struct kv_txn *txn;
    check(kv_open_memory(&kv, 1) == OK && kv_begin(&txn, kv, true) == OK);
    while (len >= 2) {
        struct trie_update up[8];
        size_t n = 0, want = 1 + data[0] % COUNT_OF(up);
        data++, len--;
        for (; want > 0 && len >= 2; want--) {
            const uint8_t key = data[0] % KEYS;
            size_t value_len = data[1] % 40, at = 0;
            if (value_len > len - 2) value_len = len - 2;
            model[key] = bytes_make(data + 2, value_len);
            const hash32 k = key_of(key);
            while (at < n && !hash_eq(&up[at].key, &k)) at++;
            if (at == n) n++;
            up[at] = (struct trie_update){k, model[key]};
            data += 2 + value_len;
            len -= 2 + value_len;
        }
        struct trie_dirty *d;
        struct trie_pair pairs[KEYS];
        hash32 keys[KEYS], got, wanted;
        size_t n_pairs = 0;
        check(trie_apply(&got, &d, txn, 0, BYTES_EMPTY, up, n) == OK);
        check(trie_write(txn, 0, BYTES_EMPTY, d) == OK);
        trie_dirty_free(d);
        for (uint8_t i = 0; i < KEYS; i++) {
            const hash32 k = key_of(i);
            bytes value;
            check(trie_get(&value, txn, 0, BYTES_EMPTY, &k) == (model[i].len != 0 ? OK : E_NOT_FOUND));
            if (model[i].len == 0) continue;
            check(bytes_eq(value, model[i]));
            keys[n_pairs] = key_of(i);
            pairs[n_pairs] = (struct trie_pair){BYTES_OF(keys[n_pairs]), model[i]};
            n_pairs++;
        }
        check(trie_root_pairs(&wanted, pairs, n_pairs, false) == OK);
        check(hash_eq(&got, &wanted));
    }
    kv_abort(txn);
    kv_close(kv);
}

/* a node that is anything stands where one of the trie should: it is refused, or has a value in it */
static void run_damaged(bytes node)
{
    struct kv *kv;
    struct kv_txn *txn = NULL;
    check(kv_open_memory(&kv, 1) == OK && kv_begin(&txn, kv, true) == OK);
    check(kv_put(txn, 0, BYTES_LIT("\x10"), node) == OK);
    for (uint8_t i = 0; i < KEYS; i++) {
        const hash32 k = key_of(i);
        bytes value;
        const enum status s = trie_get(&value, txn, 0, BYTES_EMPTY, &k);
        check(s == OK || s == E_NOT_FOUND || s == E_CORRUPT);
    }
    kv_abort(txn);
    kv_close(kv);
}

static void run_proof(const uint8_t *data, size_t len)
{
    bytes nodes[65], in = bytes_make(data, len), value;
    size_t n = 0;
    hash32 root = HASH_EMPTY_TRIE;
    const hash32 key = key_of(27);
    while (n < COUNT_OF(nodes) && rlp_get_string(&nodes[n], &in) == OK) n++;
    /* the first node's own hash as the root, so that the walk goes beyond the first comparison */
    if (n != 0) keccak256(root.b, nodes[0].ptr, nodes[0].len);
    if (n != 0) run_damaged(nodes[0]);
    if (trie_check_proof(&value, &root, &key, nodes, n) == OK && value.len != 0)
        check(value.ptr >= data && value.ptr + value.len <= data + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0) return 0;
    if (data[0] % 8 == 7)
        run_proof(data + 1, len - 1);
    else
        run_changes(data + 1, len - 1);
    return 0;
}
