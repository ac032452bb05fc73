/* audit.h: who did what: one JSON line an event in <data_dir>/audit.log, each with the hash of the one before it:
 *
 *     hash = sha256(hash of the line before (32 bytes, zeros at first) || the line up to its ,"hash")
 *
 * Lines are written before the request is answered; those of changes before their transaction is committed, all of them by one write(2): every
 * change in the database has its line. (A line whose transaction then failed is taken back by a later one with its request_id; when the process
 * was killed between the two, nobody was told that it happened.) fdatasync follows within a second. The last (seq, hash) also goes into each
 * transaction, so that a file cut short is noticed at the next start and written down as audit.gap. At 64 MiB the file is
 * renamed to audit-<seq>.log and the chain goes on in a new one. Thread-safe. */
#ifndef IDENTITY_STORE_AUDIT_H
#define IDENTITY_STORE_AUDIT_H

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#include <pthread.h>

struct audit {
    int fd; /* -1: nothing is written */
    char *path;
    pthread_mutex_t lock;
    uint64_t seq;
    uint8_t hash[32];
    uint64_t len, max_len;
    bool dirty; /* since the last fdatasync */
};

struct audit_event {
    const char *client, *role, *peer, *op, *object, *error, *request_id;
    int status;
};

/* audit_head: what goes into the database */
struct audit_head {
    uint64_t seq;
    uint8_t hash[32];
};

/** audit_open: known: from the database, NULL if it has none.  ret OK | E_IO ... */
MUST_CHECK enum status audit_open(struct audit *out, const char *data_dir, const struct audit_head *known, struct err *err);
void audit_close(struct audit *a);
/** audit_write: n events, all of their lines or none.  ret OK | E_IO, E_NOSPACE: they could not be written: then they must not happen */
MUST_CHECK enum status audit_write(struct audit *a, const struct audit_event *e, size_t n);
struct audit_head audit_head_now(struct audit *a);
void audit_sync(struct audit *a);
/** audit_verify: check the chain of one file; n lines are good.  ret OK | E_CORRUPT: err has the line | E_IO */
MUST_CHECK enum status audit_verify(uint64_t *n, const char *path, struct err *err);

#endif
