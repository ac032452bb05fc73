#include "lib/eth/types.h"

#include "lib/codec/hex.h"
#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"

const hash32 HASH_EMPTY_CODE = {{0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c, 0x92, 0x7e, 0x7d, 0xb2, 0xdc, 0xc7, 0x03, 0xc0,
                                 0xe5, 0x00, 0xb6, 0x53, 0xca, 0x82, 0x27, 0x3b, 0x7b, 0xfa, 0xd8, 0x04, 0x5d, 0x85, 0xa4, 0x70}};
const hash32 HASH_EMPTY_TRIE = {{0x56, 0xe8, 0x1f, 0x17, 0x1b, 0xcc, 0x55, 0xa6, 0xff, 0x83, 0x45, 0xe6, 0x92, 0xc0, 0xf8, 0x6e,
                                 0x5b, 0x48, 0xe0, 0x1b, 0x99, 0x6c, 0xad, 0xc0, 0x01, 0x62, 0x2f, 0xb5, 0xe3, 0x63, 0xb4, 0x21}};
const hash32 HASH_EMPTY_UNCLES = {{0x1d, 0xcc, 0x4d, 0xe8, 0xde, 0xc7, 0x5d, 0x7a, 0xab, 0x85, 0xb5, 0x67, 0xb6, 0xcc, 0xd4, 0x1a,
                                   0xd3, 0x12, 0x45, 0x1b, 0x94, 0x8a, 0x74, 0x13, 0xf0, 0xa1, 0x42, 0xfd, 0x40, 0xd4, 0x93, 0x47}};
const address ADDRESS_SYSTEM = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}};

enum status address_get(address *out, bytes text)
{
    return hex_get_fixed(out->b, sizeof out->b, text);
}

void address_put(char dst[static 43], const address *a)
{
    dst[0] = '0';
    dst[1] = 'x';
    hex_put(dst + 2, a->b, sizeof a->b);
    dst[42] = '\0';
}

/* SPEC(EIP-55): a letter is upper case when the digit of keccak256(lower-case text) at its place is 8 or more */
void address_put_checksum(char dst[static 43], const address *a)
{
    uint8_t h[32];
    address_put(dst, a);
    keccak256(h, dst + 2, 40);
    for (size_t i = 0; i < 40; i++) {
        unsigned digit = i % 2 == 0 ? h[i / 2] >> 4 : h[i / 2] & 15u;
        char *c = &dst[2 + i];
        if (digit >= 8 && *c >= 'a') *c = (char)(*c - 'a' + 'A');
    }
}

enum status address_get_typed(address *out, bytes text)
{
    address a;
    char right[43];
    bool lower = false, upper = false;
    if (text.len != 42 || memcmp(text.ptr, "0x", 2) != 0 || address_get(&a, text) != OK) return E_DECODE;
    for (size_t i = 2; i < text.len; i++) {
        lower = lower || (text.ptr[i] >= 'a' && text.ptr[i] <= 'f');
        upper = upper || (text.ptr[i] >= 'A' && text.ptr[i] <= 'F');
    }
    address_put_checksum(right, &a);
    if (lower && upper && memcmp(right, text.ptr, text.len) != 0) return E_CRYPTO;
    *out = a;
    return OK;
}

enum status hash_get(hash32 *out, bytes text)
{
    return hex_get_fixed(out->b, sizeof out->b, text);
}

void hash_put(char dst[static 67], const hash32 *h)
{
    dst[0] = '0';
    dst[1] = 'x';
    hex_put(dst + 2, h->b, sizeof h->b);
    dst[66] = '\0';
}

static address address_of_hash(const uint8_t h[static 32])
{
    address a;
    memcpy(a.b, h + 12, sizeof a.b);
    return a;
}

address address_create(const address *sender, uint64_t nonce)
{
    /* list header, string header and 20 bytes, integer: at most 1 + 21 + 9, so the list is a short one */
    uint8_t rlp[1 + 21 + 9], h[32];
    rlp[1] = 0x80 + 20;
    memcpy(rlp + 2, sender->b, 20);
    size_t len = 21 + rlp_encode_u64(rlp + 22, nonce);
    rlp[0] = (uint8_t)(0xc0 + len);
    keccak256(h, rlp, 1 + len);
    return address_of_hash(h);
}

address address_create2(const address *sender, const hash32 *salt, const hash32 *init_code_hash)
{
    uint8_t in[1 + 20 + 32 + 32], h[32];
    in[0] = 0xff;
    memcpy(in + 1, sender->b, 20);
    memcpy(in + 21, salt->b, 32);
    memcpy(in + 53, init_code_hash->b, 32);
    keccak256(h, in, sizeof in);
    return address_of_hash(h);
}
