/* kek_vault.h: the key-encryption key in another vault (Key Vault REST): as a secret there, 64 hexadecimal digits; or wrapped by a key of that vault, which
 * never leaves it: what stands here is worth nothing without that vault's consent at each start, and a new version of its key needs no change here
 * (the record names the version; rekey moves on to the newest). */
#ifndef IDENTITY_STORE_KEK_VAULT_H
#define IDENTITY_STORE_KEK_VAULT_H

#include "identity-store/config.h"
#include "lib/base/buf.h"
#include "lib/base/secret.h"

enum { KEK_WRAPPED_MAX = 2048 };

/** kek_vault_read: ret OK | E_NOT_FOUND: there is no such secret | E_DECODE: it is no such key | E_DENIED, E_NET ... (err names vault and secret) */
MUST_CHECK enum status kek_vault_read(secret32 *kek, const struct kek_vault *from, struct err *err);
/** kek_vault_make: a fresh key, put there. */
MUST_CHECK enum status kek_vault_make(secret32 *kek, const struct kek_vault *to, struct err *err);
/** kek_vault_wrap: a fresh key, and a record that kek_vault_unwrap makes it from again (of another length than SCRYPT_REC_LEN, KEK_WRAPPED_MAX at most). */
MUST_CHECK enum status kek_vault_wrap(secret32 *kek, struct buf *rec, const struct kek_vault *by, struct err *err);
/** kek_vault_unwrap: ret OK | E_CORRUPT: no such record | E_INVALID: a key of another vault | E_DENIED, E_NOT_FOUND, E_NET ... (err names vault and key) */
MUST_CHECK enum status kek_vault_unwrap(secret32 *kek, const struct kek_vault *by, bytes rec, struct err *err);

#endif
