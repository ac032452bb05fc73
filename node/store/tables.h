/* tables.h: the tables of a node's database. Numbers in keys are big-endian, so that they are in order. */
#ifndef NODE_STORE_TABLES_H
#define NODE_STORE_TABLES_H

/* X(ID, "name"): key -> value */
#define STORE_TABLES(X)                                                                            \
    X(TABLE_META, "meta")               /* text -> value: schema, spec digest, head, finalised, floor of the history */ \
    X(TABLE_ACCOUNT, "account")         /* address -> anything: it exists in the latest state; what it is stands in the leaf of its trie */ \
    X(TABLE_STORAGE, "storage")         /* address || slot(32) -> anything: it is not zero; its value stands in the leaf of its trie */ \
    X(TABLE_CODE, "code")               /* code hash -> code */ \
    X(TABLE_TRIE_ACCOUNT, "trie.acc")   /* nibble path -> node of the account trie */ \
    X(TABLE_TRIE_STORAGE, "trie.sto")   /* keccak(address) || nibble path -> node of a storage trie */ \
    X(TABLE_HIST_ACCOUNT, "hist.acc")   /* address || number(8) -> account before that block */ \
    X(TABLE_HIST_STORAGE, "hist.sto")   /* address || slot || number(8) -> value before that block */ \
    X(TABLE_CHANGES, "changes")         /* number(8) -> list of accounts and slots that the block changed */ \
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

#endif
