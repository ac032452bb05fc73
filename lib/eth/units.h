/* units.h: wei, gwei, ether in text. "1.5 ether", "20 gwei", "1000" (wei). */
#ifndef LIB_ETH_UNITS_H
#define LIB_ETH_UNITS_H

#include "lib/eth/u256.h"

/** units_get_wei: decimal number, optional fraction, optional unit wei|gwei|ether.  ret OK | E_DECODE | E_LIMIT (fraction below 1 wei, over 256 bits) */
MUST_CHECK enum status units_get_wei(u256 *out, bytes text);
/** units_put_ether: exact decimal, no trailing zeros: "1.5"; ret length */
size_t units_put_ether(char dst[static 100], const u256 *wei);

#endif
