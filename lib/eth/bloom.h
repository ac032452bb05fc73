/* bloom.h: the 2048-bit filter of addresses and topics in receipts and headers (Yellow Paper, 4.3.1). */
#ifndef LIB_ETH_BLOOM_H
#define LIB_ETH_BLOOM_H

#include "lib/eth/types.h"

typedef struct {
    uint8_t b[256];
} bloom;

void bloom_add(bloom *f, bytes item);
/** bloom_may_hold: false means surely not. */
bool bloom_may_hold(const bloom *f, bytes item);
void bloom_merge(bloom *f, const bloom *other);

#endif
