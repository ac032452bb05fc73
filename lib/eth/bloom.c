#include "lib/eth/bloom.h"

#include "lib/crypto/keccak.h"

/* SPEC(Yellow Paper 4.3.1): three bits, each the low 11 bits of one of the first three pairs of bytes of the hash; bit 0 is the
 * lowest of the last byte */
static void bits_of(unsigned at[static 3], bytes item)
{
    uint8_t h[32];
    keccak256(h, item.ptr, item.len);
    for (unsigned i = 0; i < 3; i++)
        at[i] = ((unsigned)h[2 * i] << 8 | h[2 * i + 1]) & 2047u;
}

void bloom_add(bloom *f, bytes item)
{
    unsigned at[3];
    bits_of(at, item);
    for (unsigned i = 0; i < 3; i++)
        f->b[255 - at[i] / 8] |= (uint8_t)(1u << at[i] % 8);
}

bool bloom_may_hold(const bloom *f, bytes item)
{
    unsigned at[3];
    bits_of(at, item);
    for (unsigned i = 0; i < 3; i++)
        if (((unsigned)f->b[255 - at[i] / 8] >> at[i] % 8 & 1u) == 0) return false;
    return true;
}

void bloom_merge(bloom *f, const bloom *other)
{
    for (size_t i = 0; i < sizeof f->b; i++)
        f->b[i] |= other->b[i];
}
