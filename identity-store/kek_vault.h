/* kek_vault.h: the key-encryption key as a secret of another vault (Key Vault REST): 64 hexadecimal digits. */
#ifndef IDENTITY_STORE_KEK_VAULT_H
#define IDENTITY_STORE_KEK_VAULT_H

#include "identity-store/config.h"
#include "lib/base/secret.h"

/** kek_vault_read: ret OK | E_NOT_FOUND: there is no such secret | E_DECODE: it is no such key | E_DENIED, E_NET ... (err names vault and secret) */
MUST_CHECK enum status kek_vault_read(secret32 *kek, const struct kek_vault *from, struct err *err);
/** kek_vault_make: a fresh key, put there. */
MUST_CHECK enum status kek_vault_make(secret32 *kek, const struct kek_vault *to, struct err *err);

#endif
