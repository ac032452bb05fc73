/* tables.h: the tables of a node's database. Numbers in keys are big-endian, so that they are in order. */
#ifndef NODE_STORE_TABLES_H
#define NODE_STORE_TABLES_H

#include "node/store/kv.h"

/* X(ID, "name"): key -> value */
#define STORE_TABLES(X)                                                                            \
    X(TABLE_META, "meta")               /* text -> value: schema, spec digest, head, finalised, floor of the history */ \
    X(TABLE_ACCOUNT, "account")         /* address -> anything: it exists in the latest state; what it is stands in the leaf of its trie */ \
    X(TABLE_STORAGE, "storage")         /* address || slot(32) -> anything: it is not zero; its value stands in the leaf of its trie */ \
    X(TABLE_CODE, "code")               /* code hash -> code */ \
    X(TABLE_TRIE_ACCOUNT, "trie.acc")   /* nibble path -> node of the account trie */ \
    X(TABLE_TRIE_STORAGE, "trie.sto")   /* keccak(address) || nibble path -> node of a storage trie */ \
    X(TABLE_HIST_ACCOUNT, "hist.acc")   /* archive: address || number(8) -> nothing: see changes */ \
    X(TABLE_HIST_STORAGE, "hist.sto")   /* archive: address || slot || number(8) -> nothing: see changes */ \
    X(TABLE_CHANGES, "changes")         /* number(8) || address (|| slot) -> account, value before that block; history_old.c has the older form */ \
    X(TABLE_HEADER, "header")           /* block hash -> header RLP */ \
    X(TABLE_BODY, "body")               /* block hash -> [txs, uncles(, withdrawals)] RLP */ \
    X(TABLE_RECEIPTS, "receipts")       /* block hash -> list of receipts */ \
    X(TABLE_CANON, "canon")             /* number(8) -> canonical block hash */ \
    X(TABLE_TD, "td")                   /* block hash -> total difficulty(32) || number(8) || flags */ \
    X(TABLE_TX, "tx")                   /* tx hash -> number(8) || index(4), canonical chain only */ \
    X(TABLE_EPOCH, "epoch")             /* aura: epoch transitions, pending signals */ \
    X(TABLE_PEERS, "peers")             /* node id -> last known enode, score */

enum store_table {
#define X(id, name) id,
    STORE_TABLES(X)
#undef X
        TABLE_N
};

/** tables_open: the database of a node in a folder (kv.h, kv_open_lmdb), with these tables. */
MUST_CHECK enum status tables_open(struct kv **out, const char *path, uint64_t map_bytes, unsigned flags, struct err *err);

#endif
