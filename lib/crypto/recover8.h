/* recover8.h: public keys out of eight signatures at once, where the processor has AVX-512 IFMA. For ec_recover_addresses; nobody else calls it. */
#ifndef LIB_CRYPTO_RECOVER8_H
#define LIB_CRYPTO_RECOVER8_H

#include "lib/base/attr.h"

enum { RECOVER8_N = 8 };

/** recover8_is_on: does this processor have what it takes. The first call makes tables (a few ms). */
bool recover8_is_on(void);
/** recover8: as ec_recover for each lane; !ok: not recovered here, which says nothing about the signature. Call only when recover8_is_on. */
void recover8(uint8_t (*pub)[64], bool ok[static RECOVER8_N], const uint8_t *const sig65[static RECOVER8_N], const uint8_t *const hash32[static RECOVER8_N]);

#endif
