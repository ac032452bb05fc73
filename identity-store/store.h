/* store.h: the database of poa-identity-store: one LMDB folder, its keys, its clock.
 *
 *     kek: file (0600), a passphrase by scrypt, another vault --seals--> data key --seals--> secret values, keys, token signing key
 *
 * Tables map to the records of records.h. A write transaction that ended well is on the disk before anyone hears of it.
 *
 * The lease clock counts milliseconds like the wall clock at first sight, but runs by the monotonic one: a step of the wall clock moves no
 * lease. After a restart on the same boot it goes on exactly; after a reboot it is the wall clock, but never less than it was. */
#ifndef IDENTITY_STORE_STORE_H
#define IDENTITY_STORE_STORE_H

#include "identity-store/kek_vault.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/secret.h"
#include "node/store/kv.h"

#include <stdatomic.h>

enum store_table {
    TABLE_META,      /* name -> value */
    TABLE_SECRET,    /* lower-case name -> secret_head */
    TABLE_DELETED,   /* lower-case name -> secret_head with deletion */
    TABLE_VERSION,   /* lower-case name, NUL, version(16) -> secret_version */
    TABLE_CONTAINER, /* name -> blob_record without content */
    TABLE_BLOB,      /* container, NUL, name -> blob_record */
    TABLE_DATA,      /* container, NUL, name -> content */
    TABLE_BLOCK,     /* sha256(container, NUL, name), block id -> uncommitted block */
    TABLE_HOLDER,    /* client, NUL, container, NUL, name -> "": leases by their holder; the blob's record has the truth */
    TABLE_KEY,         /* as the three of secrets */
    TABLE_KEY_DELETED,
    TABLE_KEY_VERSION, /* -> key_version */
    TABLE_KEY_POLICY,  /* lower-case name -> rotation policy, see keys_policy.c */
    TABLE_N,
};

struct store {
    struct kv *kv;
    secret32 data_key;
    int64_t clock_offset_ms;
    uint64_t clock_floor_ms; /* it was there once: never less */
    uint64_t last_etag;      /* writer's only */
    struct buf token_key_pem; /* this and the id stand once has_token_key does */
    char token_kid[33];
    atomic_bool has_token_key;
    char boot_id[40];
    uint8_t request_seed[16]; /* request ids: random at the start, then counted */
    atomic_uint_fast64_t requests;
};

struct store_options {
    const char *data_dir;
    const char *kek_file;        /* made when absent; NULL: keep everything in memory (tests) */
    const struct kek_vault *kek_vault; /* a URI of it not NULL: it stands in another vault, or is wrapped by a key of one; kek_file must not be NULL, but is not used */
    const char *passphrase_file; /* not NULL: the key comes from this passphrase by scrypt, kek_file is not used */
    uint64_t max_bytes;
};

/** store_open: ret OK | E_CRYPTO: the kek file is not that of this database | E_DENIED: kek file readable by others | E_IO | ... */
MUST_CHECK enum status store_open(struct store *out, const struct store_options *o, struct err *err);
void store_close(struct store *s);
/** store_make_token_key: of a database that has none yet, which takes long (up to some tenths of a second): the server does it on a thread of its own.
 *  Any thread but only one.  ret OK: it stands, in the database too | E_CRYPTO, E_NOSPACE, E_IO */
MUST_CHECK enum status store_make_token_key(struct store *s, struct err *err);
/** store_rekey: seal the data key under another kek (file or passphrase of o; a kek file is made when absent). One transaction; a store that runs
 *  on the same database goes on. */
MUST_CHECK enum status store_rekey(struct store *s, const struct store_options *o, struct err *err);
/** store_kek_opens: does the kek of o open this sealed data key? how: the record beside it, of a passphrase's salt or a wrapped key (empty: none).  ret OK: *data_key | E_CRYPTO ... */
MUST_CHECK enum status store_kek_opens(secret32 *data_key, const struct store_options *o, bytes sealed, bytes how, struct err *err);
extern const char *const store_table_names[];
/** store_now_ms: the lease clock. Any thread. */
uint64_t store_now_ms(const struct store *s);
/** store_put_clock: part of every write transaction. */
MUST_CHECK enum status store_put_clock(struct store *s, struct kv_txn *txn);
/** store_next_etag: greater than any before it. Writer's thread only. */
uint64_t store_next_etag(struct store *s);
/** store_request_id: a GUID that no other request of this or another run has. Any thread. */
void store_request_id(char dst[static 37], struct store *s);
/** store_seal, store_unseal: a value under the data key; `about` binds it to its place. */
MUST_CHECK enum status store_seal(struct buf *out, const struct store *s, bytes plain, bytes about);
MUST_CHECK enum status store_unseal(struct buf *out, const struct store *s, bytes sealed, bytes about);

#endif
