/* leases.h: the lease state machine of Azure Storage, as a pure function of (lease, request, time). Blobs and containers use it alike.
 *
 *     available --acquire--> leased --time--> expired
 *                              |  \--break--> breaking --time--> broken
 *                              \---release--> available
 *
 * Expired and broken are seen, not stored: a record says leased or breaking with an end, and the time decides. `now_ms` is the store's lease
 * clock, which runs on over restarts and does not follow steps of the wall clock. */
#ifndef IDENTITY_STORE_LEASES_H
#define IDENTITY_STORE_LEASES_H

#include "identity-store/errors.h"
#include "lib/base/bytes.h"

enum { LEASE_ID_LEN = 36, LEASE_HOLDER_MAX = 64, LEASE_INFINITE = -1, LEASE_MIN_S = 15, LEASE_MAX_S = 60, LEASE_BREAK_MAX_S = 60 };

enum lease_state { LEASE_AVAILABLE, LEASE_LEASED, LEASE_BREAKING, LEASE_BROKEN, LEASE_EXPIRED };
enum lease_action { LEASE_ACQUIRE, LEASE_RENEW, LEASE_CHANGE, LEASE_RELEASE, LEASE_BREAK };
enum lease_target { LEASE_OF_BLOB, LEASE_OF_CONTAINER };

struct lease {
    enum lease_state state;           /* as stored: never LEASE_EXPIRED */
    char id[LEASE_ID_LEN + 1];        /* "" when available */
    int32_t duration_s;               /* 15..60 or LEASE_INFINITE */
    uint64_t end_ms;                  /* LEASED: expiry, UINT64_MAX infinite; BREAKING: when it is broken */
    char holder[LEASE_HOLDER_MAX + 1]; /* client that acquired it */
};

struct lease_request {
    enum lease_action action;
    const char *id;       /* x-ms-lease-id, canonical; "" if none */
    const char *proposed; /* x-ms-proposed-lease-id; acquire: the new id, never "" */
    int32_t duration_s;   /* acquire */
    int32_t period_s;     /* break: -1 none */
    const char *holder;   /* acquire */
};

/** lease_state_at: the state as the world sees it. */
enum lease_state lease_state_at(const struct lease *l, uint64_t now_ms);
/** lease_is_locked: leased or breaking: writes want the id. */
bool lease_is_locked(const struct lease *l, uint64_t now_ms);
/** lease_act: apply one action.  ret ERR_NONE: *l is the new lease; else *l is untouched */
enum rest_error lease_act(struct lease *l, const struct lease_request *q, uint64_t now_ms);
/** lease_check_write: may a write with this id ("" none) go through? */
enum rest_error lease_check_write(const struct lease *l, const char *id, enum lease_target target, uint64_t now_ms);
/** lease_check_read: a read needs no id, but one that is given must be that of the active lease. */
enum rest_error lease_check_read(const struct lease *l, const char *id, enum lease_target target, uint64_t now_ms);
/** lease_on_write: what a write that went through does to the lease: an expired or broken one is gone for good. */
void lease_on_write(struct lease *l, uint64_t now_ms);
/** lease_remaining_s: seconds until it is broken or expires, rounded up; 0 if neither. */
unsigned lease_remaining_s(const struct lease *l, uint64_t now_ms);
/** lease_id_get: a GUID in one of its written forms to 36 lower-case characters; false: none */
bool lease_id_get(char dst[static LEASE_ID_LEN + 1], const char *text);
void lease_id_new(char dst[static LEASE_ID_LEN + 1]);
const char *lease_state_name(enum lease_state s);

#endif
