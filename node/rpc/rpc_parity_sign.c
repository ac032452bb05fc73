/* rpc_parity_sign.c: what the original told of signatures and contents; no key of the node has a part in it. */
#include "lib/crypto/aead.h"
#include "lib/crypto/ecies.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"
#include "node/rpc/rpc_priv.h"

enum { MULTIHASH_LEN = 34, BASE58_MAX = 64 };

/* dst NUL-terminated; a zero byte in front is a '1' */
static void base58_put(char dst[static BASE58_MAX], const uint8_t *p, size_t len)
{
    static const char digits[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    uint8_t out[BASE58_MAX] = {0}; /* the least digit first */
    size_t n = 0, zeros = 0;
    while (zeros < len && p[zeros] == 0)
        zeros++;
    for (size_t i = zeros; i < len; i++) {
        unsigned carry = p[i];
        for (size_t k = 0; k < n || carry > 0; k++) {
            carry += k < n ? (unsigned)out[k] << 8 : 0;
            out[k] = (uint8_t)(carry % 58);
            carry /= 58;
            if (k >= n) n = k + 1;
        }
    }
    size_t at = 0;
    while (at < zeros)
        dst[at++] = '1';
    while (n > 0)
        dst[at++] = digits[out[--n]];
    dst[at] = 0;
}

/* the IPFS name of a content: base58 of its multihash (0x12: SHA-256, 0x20: of 32 bytes) */
bool parity_cid_v0(struct rpc_call *c)
{
    bytes content;
    uint8_t hash[MULTIHASH_LEN] = {0x12, 0x20};
    char text[BASE58_MAX];
    if (!param_bytes(&content, c, 0)) return false;
    sha256(hash + 2, content.ptr, content.len);
    base58_put(text, hash, sizeof hash);
    jo_str(c->out, text);
    return true;
}

/* SPEC(EIP-191): what a wallet signs for a person's text */
static void message_hash(uint8_t dst[static 32], bool is_prefixed, bytes message)
{
    struct keccak k;
    char length[24];
    if (!is_prefixed) {
        keccak256(dst, message.ptr, message.len);
        return;
    }
    const int n = snprintf(length, sizeof length, "%zu", message.len);
    keccak_init(&k, 32);
    keccak_update(&k, "\x19" "Ethereum Signed Message:\n", 26);
    keccak_update(&k, length, (size_t)n);
    keccak_update(&k, message.ptr, message.len);
    keccak_final(&k, dst);
}

/* (is prefixed, message, r, s, v): who signed it. v: 0 or 1, 27 or 28, or EIP-155's */
bool parity_verify_signature(struct rpc_call *c)
{
    bool is_prefixed;
    bytes message;
    hash32 r, s;
    uint64_t v;
    uint8_t hash[32], sig[65], pub[64], digest[32];
    address a;
    if (!param_bool(&is_prefixed, c, 0, false) || !param_bytes(&message, c, 1) || !param_hash(&r, c, 2) || !param_hash(&s, c, 3) || !param_u64(&v, c, 4)) return false;
    const bool is_valid = v >= 35 ? (v - 35) / 2 == c->rpc->spec->chain_id : v <= 1;
    const uint64_t y = v >= 35 ? (v - 35) % 2 : v >= 27 ? v - 27 : v;
    if (y > 1) return rpc_fail(c, RPC_BAD_PARAMS, "invalid argument 4: v is 0, 1, 27, 28, or 35 and more");
    memcpy(sig, r.b, 32);
    memcpy(sig + 32, s.b, 32);
    sig[64] = (uint8_t)y;
    message_hash(hash, is_prefixed, message);
    if (ec_recover(pub, sig, hash) != OK) return rpc_fail(c, RPC_BAD_PARAMS, "nobody can have signed so: r or s is out of range, or no point of the curve");
    keccak256(digest, pub, sizeof pub);
    memcpy(a.b, digest + 12, sizeof a.b);
    jo_open(c->out, '{');
    jo_key(c->out, "address");
    jo_address(c->out, &a);
    jo_key(c->out, "publicKey");
    jo_data(c->out, BYTES_OF(pub));
    jo_key(c->out, "isValidForCurrentChain");
    jo_bool(c->out, is_valid);
    jo_close(c->out, '}');
    return true;
}

/* (public key, message): sealed so that only the key's owner reads it; the MAC is over two zero bytes, too, as the original has it */
bool parity_encrypt_message(struct rpc_call *c)
{
    bytes pub, message;
    struct buf sealed;
    if (!param_bytes(&pub, c, 0) || !param_bytes(&message, c, 1)) return false;
    if (pub.len != 64) return rpc_fail(c, RPC_BAD_PARAMS, "invalid argument 0: wants a public key: 0x and 128 hex digits");
    buf_init(&sealed, RPC_BODY_MAX + ECIES_OVERHEAD);
    const enum status s = ecies_seal(&sealed, pub.ptr, message, BYTES_LIT("\0\0"));
    if (s == OK) jo_data(c->out, buf_view(&sealed));
    buf_fini(&sealed);
    if (s == E_CRYPTO) return rpc_fail(c, RPC_BAD_PARAMS, "invalid argument 0: it is no point of the curve");
    return s == OK || rpc_fail_status(c, s, "encryption");
}
