/* module: node/p2p */
/* What a stranger may send to the TCP port: auth packets, frames, Hello, Disconnect, compressed messages. First byte: which. */
#include "lib/crypto/secp256k1.h"
#include "node/p2p/hello.h"
#include "node/p2p/rlpx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void with_key(struct rlpx *r)
{
    static const secret32 key = {.b = {[31] = 7}};
    rlpx_init(r, &key, NULL);
}

static void fuzz_auth(bytes in)
{
    struct rlpx r;
    size_t used = 0;
    with_key(&r);
    if (rlpx_get_auth(&r, &used, in) == OK && (used > in.len || !r.has_remote)) abort();
    rlpx_fini(&r);
}

/* The body of an EIP-8 packet that was sealed rightly: what is inside comes from the stranger all the same. */
static void fuzz_auth_body(bytes in)
{
    struct rlpx r;
    struct buf packet;
    uint8_t pub[64];
    size_t used = 0;
    if (in.len > 1500) return;
    with_key(&r);
    if (ec_public(pub, &r.key) != OK) abort();
    const size_t sealed = in.len + ECIES_OVERHEAD;
    const uint8_t prefix[2] = {(uint8_t)(sealed >> 8), (uint8_t)sealed};
    buf_init(&packet, 4096);
    buf_put(&packet, prefix, 2);
    if (ecies_seal(&packet, pub, in, bytes_make(prefix, 2)) != OK) abort();
    IGNORE(rlpx_get_auth(&r, &used, buf_view(&packet)), "must only not crash");
    buf_fini(&packet);
    rlpx_fini(&r);
}

static void fuzz_frame(bytes in)
{
    struct rlpx a, b;
    struct buf wire;
    uint8_t pub[64];
    size_t used, need;
    bytes payload;
    static const secret32 key_a = {.b = {[31] = 9}};
    with_key(&b);
    if (ec_public(pub, &b.key) != OK) abort();
    rlpx_init(&a, &key_a, pub);
    buf_init(&wire, 1 << 20);
    if (rlpx_put_auth(&a, &wire) != OK || rlpx_get_auth(&b, &used, buf_view(&wire)) != OK) abort();
    buf_clear(&wire);
    if (rlpx_put_ack(&b, &wire) != OK || rlpx_get_ack(&a, &used, buf_view(&wire)) != OK) abort();
    buf_clear(&wire);
    if (in.len > 0 && in.ptr[0] % 2 == 0) {
        if (rlpx_put_frame(&a, &wire, in) != OK) abort();
        if (in.len > 3) wire.ptr[((unsigned)in.ptr[1] << 8 | in.ptr[2]) % wire.len] ^= in.ptr[3];
    } else {
        buf_put_bytes(&wire, in);
    }
    for (size_t at = 0; at < wire.len; at += used) {
        const enum status s = rlpx_get_frame(&b, &payload, &used, &need, wire.ptr + at, wire.len - at, 1 << 20);
        if (used > wire.len - at) abort();
        if (s != OK && !(s == E_AGAIN && used > 0)) break;
    }
    buf_fini(&wire);
    rlpx_fini(&a);
    rlpx_fini(&b);
}

static void fuzz_hello(bytes in)
{
    struct p2p_hello h, again;
    struct buf b;
    if (hello_get(&h, in) != OK) return;
    buf_init(&b, 65536);
    hello_put(&b, &h);
    if (hello_get(&again, buf_view(&b)) != OK) abort();
    if (strcmp(h.client, again.client) != 0 || h.n_caps != again.n_caps || h.port != again.port) abort();
    IGNORE(hello_eth_version(&h) == 0, "any");
    buf_fini(&b);
}

static void fuzz_message(bytes in, bool snappy)
{
    struct buf tmp;
    unsigned id;
    bytes data;
    buf_init(&tmp, P2P_MESSAGE_MAX);
    if (message_get(&id, &data, &tmp, in, snappy) == OK && data.len > P2P_MESSAGE_MAX) abort();
    buf_fini(&tmp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0) return 0;
    const bytes in = bytes_make(data + 1, len - 1);
    switch (data[0] % 7) {
    case 0: fuzz_auth(in); break;
    case 1: fuzz_auth_body(in); break;
    case 2: fuzz_frame(in); break;
    case 3: fuzz_hello(in); break;
    case 4: IGNORE(disconnect_get(in) == 0, "any"); break;
    case 5: fuzz_message(in, false); break;
    default: fuzz_message(in, true); break;
    }
    return 0;
}
