/* module: node/p2p */
/* Datagrams: as they are, and with hash and signature made right, so that the decoder behind them is reached. */
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"
#include "node/p2p/discv4.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void nothing_sent(void *ctx, const struct disc_endpoint *to, bytes packet)
{
    size_t *n = ctx;
    (void)to;
    if (packet.len > DISC_PACKET_MAX) abort();
    (*n)++;
}

static void nothing_found(void *ctx, const uint8_t pub[static 64], const struct disc_endpoint *at)
{
    (void)ctx;
    (void)pub;
    (void)at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const secret32 ours = {.b = {[31] = 5}}, theirs = {.b = {[31] = 6}};
    const struct disc_endpoint self = {.ip = {10, 0, 0, 1}, .ip_len = 4, .udp = 1, .tcp = 1};
    const struct disc_endpoint from = {.ip = {10, 0, 0, 2}, .ip_len = 4, .udp = 2, .tcp = 2};
    struct disc_packet p, q;
    size_t n_sent = 0;
    const struct discv4_ops ops = {.ctx = &n_sent, .send = nothing_sent, .found = nothing_found};
    struct discv4 *d;
    IGNORE(disc_packet_get(&p, bytes_make(data, len)), "must only not crash");
    if (len == 0 || len > DISC_PACKET_MAX - 97) return 0;
    uint8_t packet[DISC_PACKET_MAX], hash[32];
    memcpy(packet + 97, data, len);
    packet[97] = (uint8_t)(data[0] % 8);
    keccak256(hash, packet + 97, len);
    if (ec_sign(packet + 32, hash, &theirs) != OK) abort();
    keccak256(packet, packet + 32, 65 + len);
    const bytes in = bytes_make(packet, 97 + len);
    if (disc_packet_get(&p, in) == OK) { /* what is accepted encodes to what is accepted as the same */
        struct buf b;
        struct disc_packet copy = p;
        buf_init(&b, 1 << 16);
        if (disc_packet_put(&b, &copy, &theirs) != OK) abort();
        if (b.len <= DISC_PACKET_MAX) {
            if (disc_packet_get(&q, buf_view(&b)) != OK) abort();
            if (q.type != p.type || q.expiration != p.expiration || q.n_nodes != p.n_nodes) abort();
        }
        buf_fini(&b);
    }
    if (discv4_new(&d, &ours, &self, &ops, 1) != OK) abort();
    for (int i = 0; i < 3; i++) {
        discv4_receive(d, &from, in, 1000, 5);
        discv4_tick(d, 1000 + 3000 * (uint64_t)i, 5);
    }
    if (n_sent > 200) abort();
    discv4_free(d);
    return 0;
}
