/* rlpx.h: the RLPx transport, version 4 (devp2p rlpx.md, EIP-8): key agreement by ECIES, then frames under AES-256-CTR with a running
 * Keccak MAC. No sockets here: bytes in, bytes out.
 *
 *     initiator                       responder
 *     rlpx_init(&r, key, &remote)     rlpx_init(&r, key, NULL)
 *     rlpx_put_auth  ------------->   rlpx_get_auth     (remote_pub is known from here on)
 *     rlpx_get_ack   <-------------   rlpx_put_ack
 *     rlpx_put_frame <------------->  rlpx_get_frame
 *
 * Auth and ack packets are written in EIP-8's form; the form before it is read too, and answered in kind. */
#ifndef NODE_P2P_RLPX_H
#define NODE_P2P_RLPX_H

#include "lib/base/buf.h"
#include "lib/base/secret.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/ecies.h"
#include "lib/crypto/keccak.h"

enum {
    RLPX_HANDSHAKE_MAX = 2048,      /* bytes of an auth or ack packet */
    RLPX_FRAME_MAX = (16 << 20) - 1,/* what three bytes can say */
    RLPX_OVERHEAD = 32 + 15 + 16
};

struct rlpx {
    bool is_initiator, has_remote, is_old_form, has_secrets;
    secret32 key, ephemeral;
    uint8_t nonce[32], remote_nonce[32];
    uint8_t remote_pub[64], remote_ephemeral[64];
    struct buf auth, ack; /* the packets themselves begin the MACs */
    struct stream_cipher *out, *in;
    struct keccak egress, ingress;
    secret32 aes_secret, mac_secret;
    bool has_header;
    size_t frame_len;
};

/** rlpx_init: remote NULL: responder. Fresh ephemeral key and nonce. */
void rlpx_init(struct rlpx *r, const secret32 *key, const uint8_t *remote_pub64);
void rlpx_fini(struct rlpx *r);

MUST_CHECK enum status rlpx_put_auth(struct rlpx *r, struct buf *out);
/** rlpx_get_auth, rlpx_get_ack: from the front of what has been received.
 *  out used: bytes taken, on OK.  ret OK | E_AGAIN: more bytes are needed | E_CRYPTO | E_DECODE | E_LIMIT */
MUST_CHECK enum status rlpx_get_auth(struct rlpx *r, size_t *used, bytes in);
MUST_CHECK enum status rlpx_put_ack(struct rlpx *r, struct buf *out);
MUST_CHECK enum status rlpx_get_ack(struct rlpx *r, size_t *used, bytes in);

/** rlpx_put_frame: append one frame.  ret OK | E_LIMIT (payload over RLPX_FRAME_MAX, or out's maximum) | E_NOMEM */
MUST_CHECK enum status rlpx_put_frame(struct rlpx *r, struct buf *out, bytes payload);
/** rlpx_get_frame: one frame from data, deciphered in place; used bytes are to be dropped by the caller after looking at payload, also
 *  with E_AGAIN (a header may have been taken). max bounds the payload.
 *  ret OK | E_AGAIN: *need bytes in all are wanted from data + *used on | E_CRYPTO: MAC | E_LIMIT: over max */
MUST_CHECK enum status rlpx_get_frame(struct rlpx *r, bytes *payload, size_t *used, size_t *need, uint8_t *data, size_t len, size_t max);

#endif
