#include "node/p2p/rlpx.h"

#include "lib/base/rng.h"
#include "lib/codec/rlp.h"
#include "lib/crypto/secp256k1.h"

enum {
    SIG_LEN = 65,
    PUB_LEN = 64,
    NONCE_LEN = 32,
    OLD_AUTH_PLAIN = SIG_LEN + 32 + PUB_LEN + NONCE_LEN + 1,
    OLD_AUTH_LEN = OLD_AUTH_PLAIN + ECIES_OVERHEAD,
    OLD_ACK_PLAIN = PUB_LEN + NONCE_LEN + 1,
    OLD_ACK_LEN = OLD_ACK_PLAIN + ECIES_OVERHEAD,
    PAD_MIN = 100,
    PAD_RANGE = 150
};

/* ---------------------------------------------------------------- handshake */

void rlpx_init(struct rlpx *r, const secret32 *key, const uint8_t *remote_pub64)
{
    *r = (struct rlpx){.is_initiator = remote_pub64 != NULL, .has_remote = remote_pub64 != NULL, .key = *key};
    if (remote_pub64 != NULL) memcpy(r->remote_pub, remote_pub64, PUB_LEN);
    ec_secret_generate(&r->ephemeral);
    rng_fill(r->nonce, sizeof r->nonce);
    buf_init(&r->auth, RLPX_HANDSHAKE_MAX + 2);
    buf_init(&r->ack, RLPX_HANDSHAKE_MAX + 2);
}

void rlpx_fini(struct rlpx *r)
{
    buf_fini(&r->auth);
    buf_fini(&r->ack);
    stream_cipher_free(r->in);
    stream_cipher_free(r->out);
    secret_wipe(r, sizeof *r);
}

static void xor32(uint8_t dst[static 32], const uint8_t *a, const uint8_t *b)
{
    for (int i = 0; i < 32; i++)
        dst[i] = a[i] ^ b[i];
}

/* The sizes, with room for padding whose length tells nothing. */
static enum status seal_eip8(struct buf *packet, const uint8_t *pub, struct buf *body)
{
    uint8_t pad[PAD_MIN + PAD_RANGE], prefix[2];
    rng_fill(pad, sizeof pad);
    buf_put(body, pad, PAD_MIN + pad[0] % PAD_RANGE);
    if (buf_status(body) != OK) return buf_status(body);
    const size_t sealed = body->len + ECIES_OVERHEAD;
    prefix[0] = (uint8_t)(sealed >> 8);
    prefix[1] = (uint8_t)sealed;
    buf_put(packet, prefix, 2);
    return ecies_seal(packet, pub, buf_view(body), bytes_make(prefix, 2));
}

enum status rlpx_put_auth(struct rlpx *r, struct buf *out)
{
    uint8_t shared[32], signed_hash[32], sig[SIG_LEN], pub[PUB_LEN];
    struct buf body;
    buf_init(&body, RLPX_HANDSHAKE_MAX);
    enum status s = ec_dh(shared, r->remote_pub, &r->key);
    if (s != OK) goto done;
    xor32(signed_hash, shared, r->nonce);
    if ((s = ec_sign(sig, signed_hash, &r->ephemeral)) != OK) goto done;
    if ((s = ec_public(pub, &r->key)) != OK) goto done;
    const size_t l = rlp_list_open(&body);
    rlp_put_string(&body, bytes_make(sig, sizeof sig));
    rlp_put_string(&body, bytes_make(pub, sizeof pub));
    rlp_put_string(&body, bytes_make(r->nonce, sizeof r->nonce));
    rlp_put_u64(&body, 4);
    rlp_list_close(&body, l);
    if ((s = seal_eip8(&r->auth, r->remote_pub, &body)) != OK) goto done;
    buf_put_bytes(out, buf_view(&r->auth));
    s = buf_status(out);
done:
    secret_wipe(shared, sizeof shared);
    buf_fini(&body);
    return s;
}

/* One packet in either form: its plaintext. */
static enum status open_packet(struct buf *plain, struct buf *packet, bool *is_old, size_t *used, bytes in, size_t old_len,
                               const secret32 *key)
{
    if (in.len < 2) return E_AGAIN;
    if (in.ptr[0] == 0x04) { /* the old form's first byte; or the size of a long new one */
        if (in.len < old_len) return E_AGAIN;
        if (ecies_open(plain, key, bytes_make(in.ptr, old_len), BYTES_EMPTY) == OK) {
            *is_old = true;
            *used = old_len;
            buf_put(packet, in.ptr, old_len);
            return buf_status(packet);
        }
    }
    const size_t sealed = (size_t)in.ptr[0] << 8 | in.ptr[1];
    if (sealed > RLPX_HANDSHAKE_MAX) return E_LIMIT;
    if (sealed < ECIES_OVERHEAD) return E_DECODE;
    if (in.len < 2 + sealed) return E_AGAIN;
    const enum status s = ecies_open(plain, key, bytes_make(in.ptr + 2, sealed), bytes_make(in.ptr, 2));
    if (s != OK) return s;
    *is_old = false;
    *used = 2 + sealed;
    buf_put(packet, in.ptr, 2 + sealed);
    return buf_status(packet);
}

static enum status derive(struct rlpx *r);

static enum status read_auth(struct rlpx *r, bytes plain)
{
    uint8_t sig[SIG_LEN], pub[PUB_LEN], nonce[NONCE_LEN], shared[32], signed_hash[32], claimed[32], have[32];
    if (r->is_old_form) {
        if (plain.len != OLD_AUTH_PLAIN) return E_DECODE;
        const uint8_t *p = plain.ptr;
        memcpy(sig, p, SIG_LEN);
        memcpy(claimed, p + SIG_LEN, 32);
        memcpy(pub, p + SIG_LEN + 32, PUB_LEN);
        memcpy(nonce, p + SIG_LEN + 32 + PUB_LEN, NONCE_LEN);
    } else { /* EIP-8: more items and bytes behind are allowed, the version is not looked at */
        bytes l;
        if (rlp_get_list(&l, &plain) != OK || rlp_get_fixed(sig, SIG_LEN, &l) != OK || rlp_get_fixed(pub, PUB_LEN, &l) != OK ||
            rlp_get_fixed(nonce, NONCE_LEN, &l) != OK)
            return E_DECODE;
    }
    enum status s = ec_dh(shared, pub, &r->key);
    if (s != OK) return s;
    xor32(signed_hash, shared, nonce);
    secret_wipe(shared, sizeof shared);
    if ((s = ec_recover(r->remote_ephemeral, sig, signed_hash)) != OK) return s;
    keccak256(have, r->remote_ephemeral, PUB_LEN);
    if (r->is_old_form && memcmp(have, claimed, 32) != 0) return E_CRYPTO;
    memcpy(r->remote_pub, pub, PUB_LEN);
    memcpy(r->remote_nonce, nonce, NONCE_LEN);
    r->has_remote = true;
    return OK;
}

enum status rlpx_get_auth(struct rlpx *r, size_t *used, bytes in)
{
    struct buf plain;
    size_t n = 0;
    buf_init(&plain, RLPX_HANDSHAKE_MAX);
    enum status s = open_packet(&plain, &r->auth, &r->is_old_form, &n, in, OLD_AUTH_LEN, &r->key);
    if (s == OK) s = read_auth(r, buf_view(&plain));
    if (s == OK) *used = n;
    buf_fini(&plain);
    return s;
}

enum status rlpx_put_ack(struct rlpx *r, struct buf *out)
{
    uint8_t pub[PUB_LEN];
    struct buf body;
    buf_init(&body, RLPX_HANDSHAKE_MAX);
    enum status s = ec_public(pub, &r->ephemeral);
    if (s != OK) goto done;
    if (r->is_old_form) {
        buf_put(&body, pub, PUB_LEN);
        buf_put(&body, r->nonce, NONCE_LEN);
        buf_put_u8(&body, 0);
        s = buf_status(&body);
        if (s == OK) s = ecies_seal(&r->ack, r->remote_pub, buf_view(&body), BYTES_EMPTY);
    } else {
        const size_t l = rlp_list_open(&body);
        rlp_put_string(&body, bytes_make(pub, PUB_LEN));
        rlp_put_string(&body, bytes_make(r->nonce, NONCE_LEN));
        rlp_put_u64(&body, 4);
        rlp_list_close(&body, l);
        s = seal_eip8(&r->ack, r->remote_pub, &body);
    }
    if (s != OK) goto done;
    buf_put_bytes(out, buf_view(&r->ack));
    s = buf_status(out);
    if (s == OK) s = derive(r);
done:
    buf_fini(&body);
    return s;
}

enum status rlpx_get_ack(struct rlpx *r, size_t *used, bytes in)
{
    struct buf plain;
    size_t n = 0;
    bool is_old = false;
    buf_init(&plain, RLPX_HANDSHAKE_MAX);
    enum status s = open_packet(&plain, &r->ack, &is_old, &n, in, OLD_ACK_LEN, &r->key);
    if (s != OK) goto done;
    bytes p = buf_view(&plain), l;
    if (is_old && p.len == OLD_ACK_PLAIN) {
        memcpy(r->remote_ephemeral, p.ptr, PUB_LEN);
        memcpy(r->remote_nonce, p.ptr + PUB_LEN, NONCE_LEN);
    } else if (is_old || rlp_get_list(&l, &p) != OK || rlp_get_fixed(r->remote_ephemeral, PUB_LEN, &l) != OK ||
               rlp_get_fixed(r->remote_nonce, NONCE_LEN, &l) != OK) {
        s = E_DECODE;
        goto done;
    }
    s = derive(r);
    if (s == OK) *used = n;
done:
    buf_fini(&plain);
    return s;
}

static void hash_pair(uint8_t dst[static 32], const uint8_t *a, const uint8_t *b)
{
    struct keccak k;
    keccak_init(&k, 32);
    keccak_update(&k, a, 32);
    keccak_update(&k, b, 32);
    keccak_final(&k, dst);
}

static void mac_begin(struct keccak *k, const secret32 *mac, const uint8_t *nonce, const struct buf *packet)
{
    uint8_t mixed[32];
    xor32(mixed, mac->b, nonce);
    keccak_init(k, 32);
    keccak_update(k, mixed, 32);
    keccak_update(k, packet->ptr, packet->len);
    secret_wipe(mixed, sizeof mixed);
}

static enum status derive(struct rlpx *r)
{
    static const uint8_t zero_iv[16];
    uint8_t agreed[32], nonces[32], shared[32];
    enum status s = ec_dh(agreed, r->remote_ephemeral, &r->ephemeral);
    if (s != OK) return s;
    const uint8_t *initiator_nonce = r->is_initiator ? r->nonce : r->remote_nonce;
    const uint8_t *responder_nonce = r->is_initiator ? r->remote_nonce : r->nonce;
    hash_pair(nonces, responder_nonce, initiator_nonce);
    hash_pair(shared, agreed, nonces);
    hash_pair(r->aes_secret.b, agreed, shared);
    hash_pair(r->mac_secret.b, agreed, r->aes_secret.b);
    secret_wipe(agreed, sizeof agreed);
    secret_wipe(shared, sizeof shared);
    mac_begin(&r->egress, &r->mac_secret, r->remote_nonce, r->is_initiator ? &r->auth : &r->ack);
    mac_begin(&r->ingress, &r->mac_secret, r->nonce, r->is_initiator ? &r->ack : &r->auth);
    buf_fini(&r->auth);
    buf_fini(&r->ack);
    if ((s = stream_cipher_new(&r->out, r->aes_secret.b, zero_iv)) != OK) return s;
    if ((s = stream_cipher_new(&r->in, r->aes_secret.b, zero_iv)) != OK) return s;
    secret_fini(&r->ephemeral);
    r->has_secrets = true;
    return OK;
}

/* ---------------------------------------------------------------- frames */

/* mac <- keccak(mac || aes(mac_secret, digest) ^ seed); ret its first 16 bytes */
static void mac_mix(uint8_t out[static 16], struct keccak *mac, const secret32 *secret, const uint8_t seed[static 16])
{
    uint8_t digest[32], mixed[16];
    keccak_peek(mac, digest);
    aes256_ecb_block(mixed, digest, secret->b);
    for (int i = 0; i < 16; i++)
        mixed[i] ^= seed[i];
    keccak_update(mac, mixed, 16);
    keccak_peek(mac, digest);
    memcpy(out, digest, 16);
}

static void mac_body(uint8_t out[static 16], struct keccak *mac, const secret32 *secret, const uint8_t *body, size_t len)
{
    uint8_t digest[32];
    keccak_update(mac, body, len);
    keccak_peek(mac, digest);
    mac_mix(out, mac, secret, digest);
}

static size_t padded(size_t n)
{
    return (n + 15) & ~(size_t)15;
}

enum status rlpx_put_frame(struct rlpx *r, struct buf *out, bytes payload)
{
    if (payload.len > RLPX_FRAME_MAX) return E_LIMIT;
    const size_t body = padded(payload.len), total = 32 + body + 16;
    uint8_t *p = buf_reserve(out, total);
    if (p == NULL) return buf_status(out);
    memset(p, 0, 16);
    p[0] = (uint8_t)(payload.len >> 16);
    p[1] = (uint8_t)(payload.len >> 8);
    p[2] = (uint8_t)payload.len;
    memcpy(p + 3, "\xc2\x80\x80", 3); /* [capability id 0, context id 0] */
    stream_cipher_xor(r->out, p, p, 16);
    mac_mix(p + 16, &r->egress, &r->mac_secret, p);
    uint8_t *b = p + 32;
    if (payload.len > 0) memcpy(b, payload.ptr, payload.len);
    memset(b + payload.len, 0, body - payload.len);
    stream_cipher_xor(r->out, b, b, body);
    mac_body(b + body, &r->egress, &r->mac_secret, b, body);
    out->len += total;
    return OK;
}

enum status rlpx_get_frame(struct rlpx *r, bytes *payload, size_t *used, size_t *need, uint8_t *data, size_t len, size_t max)
{
    uint8_t mac[16];
    *used = 0;
    if (!r->has_header) {
        *need = 32;
        if (len < 32) return E_AGAIN;
        mac_mix(mac, &r->ingress, &r->mac_secret, data);
        if (!ct_eq(mac, data + 16, 16)) return E_CRYPTO;
        stream_cipher_xor(r->in, data, data, 16);
        r->frame_len = (size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2];
        if (r->frame_len > max) return E_LIMIT;
        r->has_header = true;
        *used = 32;
        data += 32;
        len -= 32;
    }
    const size_t body = padded(r->frame_len);
    *need = body + 16;
    if (len < *need) return E_AGAIN;
    mac_body(mac, &r->ingress, &r->mac_secret, data, body);
    if (!ct_eq(mac, data + body, 16)) return E_CRYPTO;
    stream_cipher_xor(r->in, data, data, body);
    *payload = bytes_make(data, r->frame_len);
    *used += body + 16;
    r->has_header = false;
    return OK;
}
