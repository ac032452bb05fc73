/* records.h: what stands in the tables, as RLP lists. Decoded strings are views into the table: they live as long as the transaction. */
#ifndef IDENTITY_STORE_RECORDS_H
#define IDENTITY_STORE_RECORDS_H

#include "identity-store/leases.h"
#include "lib/base/buf.h"

enum {
    SECRET_NAME_MAX = 127,
    VERSION_LEN = 16,
    CONTAINER_NAME_MAX = 63,
    BLOB_NAME_BYTES_MAX = 380, /* a table's key has 511 bytes: client, container and name fit in one */
    KEY_MAX = 511,
};

struct secret_head {
    bytes name; /* as it was first written: names are looked up in lower case */
    uint8_t version[VERSION_LEN];
    uint64_t deleted_s, purge_s; /* TABLE_DELETED only */
};

struct secret_version {
    bool enabled;
    uint64_t nbf_s, exp_s; /* 0: not set */
    uint64_t created_s, updated_s;
    bytes content_type;
    bytes tags;   /* payload of a list: name, value, name, value, ... */
    bytes sealed; /* value under the data key, about its key in the table */
};

/* key_version: a P-256K key; v.sealed is the private key, v.content_type is empty */
enum { KEY_OP_SIGN = 1, KEY_OP_VERIFY = 2 };
struct key_version {
    struct secret_version v;
    uint64_t ops;
    bytes pub; /* x||y, 64 bytes */
};

/* blob_record: also of a container (then only etag, times, meta and lease count). */
struct blob_record {
    uint64_t etag, created_ms, modified_ms, len;
    bytes content_type, content_encoding, content_language, content_disposition, cache_control;
    bytes md5;  /* 16 bytes, or none */
    bytes meta; /* payload of a list: name, value, ... */
    struct lease lease;
};

struct record_key {
    uint8_t ptr[KEY_MAX];
    size_t len;
};
static inline bytes key_view(const struct record_key *k)
{
    return bytes_make(k->ptr, k->len);
}

void secret_head_put(struct buf *out, const struct secret_head *h);
MUST_CHECK enum status secret_head_get(struct secret_head *h, bytes in); /* OK | E_CORRUPT */
void secret_version_put(struct buf *out, const struct secret_version *v);
MUST_CHECK enum status secret_version_get(struct secret_version *v, bytes in);
void key_version_put(struct buf *out, const struct key_version *k);
MUST_CHECK enum status key_version_get(struct key_version *k, bytes in);
void blob_record_put(struct buf *out, const struct blob_record *b);
MUST_CHECK enum status blob_record_get(struct blob_record *b, bytes in);

/* Keys. Names are checked beforehand: they fit. */
void key_of_secret(struct record_key *k, const char *name);
void key_of_version(struct record_key *k, const char *name, const uint8_t version[VERSION_LEN]);
void key_of_container(struct record_key *k, const char *container);
void key_of_blob(struct record_key *k, const char *container, const char *blob);
void key_of_holder(struct record_key *k, const char *client, const char *container, const char *blob);

#endif
