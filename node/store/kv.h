/* kv.h: ordered key-value tables with transactions: LMDB, and an in-memory twin for tests and simulation. Keys 1..511 bytes, ordered as
 * memcmp. One writer at a time, any number of readers, each on a snapshot of the moment it began.
 *
 * A commit is one fsync. After kv_commit gives OK the data outlives the process, however it dies; when the machine itself stops, the newest commit
 * may be taken back as a whole, never an older one or a part, unless kv_sync has followed, or the store was opened with KV_DURABLE. KV_NOSYNC: no fsync, for tests. */
#ifndef NODE_STORE_KV_H
#define NODE_STORE_KV_H

#include "lib/base/bytes.h"
#include "lib/base/err.h"

struct kv;
struct kv_txn;
struct kv_cursor;

enum { KV_NOSYNC = 1, KV_READONLY = 2, KV_DURABLE = 4 };

/** kv_open_lmdb: path is a folder (made if absent); tables are named by the caller, ids are indices into names. map_bytes bounds the file. */
MUST_CHECK enum status kv_open_lmdb(struct kv **out, const char *path, const char *const *names, size_t n_tables, uint64_t map_bytes,
                                    unsigned flags, struct err *err);
MUST_CHECK enum status kv_open_memory(struct kv **out, size_t n_tables);
void kv_close(struct kv *kv);

MUST_CHECK enum status kv_begin(struct kv_txn **out, struct kv *kv, bool write);
/** kv_commit: ends the transaction in any case.  ret OK | E_NOSPACE | E_IO: nothing was written */
MUST_CHECK enum status kv_commit(struct kv_txn *txn);
void kv_abort(struct kv_txn *txn); /* NULL allowed */
/** kv_is_write: views of a read transaction live as long as it does. */
bool kv_is_write(const struct kv_txn *txn);

/** kv_is_newest: a read transaction sees all that was committed so far; false also where that can't be told. */
bool kv_is_newest(const struct kv_txn *txn);

/** kv_get: view valid until the transaction ends or (write transaction) its next write.  ret OK | E_NOT_FOUND | E_IO */
MUST_CHECK enum status kv_get(bytes *value, struct kv_txn *txn, unsigned table, bytes key);
MUST_CHECK enum status kv_put(struct kv_txn *txn, unsigned table, bytes key, bytes value);
/** kv_delete: OK also when it was not there. */
MUST_CHECK enum status kv_delete(struct kv_txn *txn, unsigned table, bytes key);

MUST_CHECK enum status kv_cursor_open(struct kv_cursor **out, struct kv_txn *txn, unsigned table);
void kv_cursor_close(struct kv_cursor *c); /* before its transaction ends */
/** kv_cursor_seek: first key >= key; _next, _prev, _last: move. A seek that finds nothing stands behind the last entry: _prev gives the
 *  last one. A fresh cursor's _next gives the first. Do not write to the table between two moves.  ret OK | E_NOT_FOUND: no such entry */
MUST_CHECK enum status kv_cursor_seek(bytes *key, bytes *value, struct kv_cursor *c, bytes at);
MUST_CHECK enum status kv_cursor_next(bytes *key, bytes *value, struct kv_cursor *c);
MUST_CHECK enum status kv_cursor_prev(bytes *key, bytes *value, struct kv_cursor *c);
MUST_CHECK enum status kv_cursor_last(bytes *key, bytes *value, struct kv_cursor *c);
/** kv_copy_lmdb: what the database in folder `path` is at this moment, without its free pages, written to fd as a data.mdb; another process may
 *  have it open and go on writing. */
MUST_CHECK enum status kv_copy_lmdb(const char *path, int fd, struct err *err);
/** kv_sync: what was committed outlives a power failure, too: for what others are told of, and we could not get back from them.  ret OK | E_IO */
MUST_CHECK enum status kv_sync(struct kv *kv);
/** kv_used_bytes: pages in use, for status. */
uint64_t kv_used_bytes(struct kv *kv);
/** kv_trim: the pages of the file that are mapped count as this process' memory: let go of them; the next reads map theirs again. Any thread. */
void kv_trim(struct kv *kv);

#endif
