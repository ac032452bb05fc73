/* chain_spec_priv.h: what the parts of the spec's parser share: a reader, tables of fields, maps by block number. */
#ifndef LIB_ETH_CHAIN_SPEC_PRIV_H
#define LIB_ETH_CHAIN_SPEC_PRIV_H

#include "lib/codec/json.h"
#include "lib/eth/chain_spec.h"

struct spec_reader {
    struct chain_spec *spec;
    struct arena *a; /* the spec's own */
    struct err *err;
    size_t cap_warnings;
};

enum field_kind {
    FIELD_U64,
    FIELD_U256,
    FIELD_BOOL,
    FIELD_ADDRESS,
    FIELD_HASH,
    FIELD_BYTES,
    FIELD_CALL,    /* call reads it */
    FIELD_IGNORED, /* known, means nothing to us */
};

/** spec_field: one key of an object: where it goes in the struct at base, and a flag there that tells that it stood. */
struct spec_field {
    const char *key;
    enum field_kind kind;
    bool required;
    size_t off, has_off; /* offsets in base; has_off NO_FLAG: none */
    enum status (*call)(struct spec_reader *r, void *base, const struct json_at *at);
};
#define NO_FLAG SIZE_MAX

/** spec_fields: read all members of `at` by the table. Unknown keys are warnings; null is as good as absent. */
MUST_CHECK enum status spec_fields(struct spec_reader *r, void *base, const struct json_at *at, const struct spec_field *fields, size_t n);
/** spec_warn: add "path: text" to the warnings. */
PRINTF_LIKE(3, 4) void spec_warn(struct spec_reader *r, const struct json_at *at, const char *fmt, ...);
MUST_CHECK enum status spec_nomem(struct spec_reader *r);

MUST_CHECK enum status spec_u256(u256 *out, struct spec_reader *r, const struct json_at *at);
MUST_CHECK enum status spec_address(address *out, struct spec_reader *r, const struct json_at *at);
MUST_CHECK enum status spec_bytes(bytes *out, struct spec_reader *r, const struct json_at *at);

struct spec_entry {
    uint64_t at; /* the key */
    struct json_at value;
};
/** spec_map: an object whose keys are block numbers, ascending; two keys of one number are an error. n may be 0. */
MUST_CHECK enum status spec_map(struct spec_entry **out, size_t *n, struct spec_reader *r, const struct json_at *at);

/* the parts; each reads one member of the top level into r->spec */
MUST_CHECK enum status spec_engine(struct spec_reader *r, void *base, const struct json_at *at);
MUST_CHECK enum status spec_accounts(struct spec_reader *r, void *base, const struct json_at *at);

#endif
