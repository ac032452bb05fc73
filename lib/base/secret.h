/* secret.h: a 32-byte secret (a private key). No printer exists for it; wiped in _fini; compared in constant time. */
#ifndef LIB_BASE_SECRET_H
#define LIB_BASE_SECRET_H

#include "lib/base/bytes.h"
#include "lib/base/status.h"

typedef struct {
    uint8_t b[32];
} secret32;

void secret_fini(secret32 *s);
/** secret_wipe: zero any memory that held a secret; not optimised away. */
void secret_wipe(void *ptr, size_t len);
/** ct_eq: equal bytes, in time that depends on len only. */
bool ct_eq(const void *a, const void *b, size_t len);
/** secret_harden_process: no core dumps, not traceable by other processes of the user, memory locked as far as limits allow.
 *  Call it first thing in a program that holds keys. */
void secret_harden_process(void);

#endif
