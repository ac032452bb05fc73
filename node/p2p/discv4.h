/* discv4.h: node discovery, version 4 (devp2p discv4.md, EIP-8), pure: datagrams and time come in by calls, datagrams and found nodes go
 * out through ops. A table of buckets by distance; only nodes that answered a ping from the address that they claim (endpoint proof)
 * are told to others or given to the dialler. Everything is bounded: table, rate of packets, answers.
 *
 * Packets: hash(32) || signature(65) || type(1) || RLP list; at most 1280 bytes. */
#ifndef NODE_P2P_DISCV4_H
#define NODE_P2P_DISCV4_H

#include "lib/base/bytes.h"
#include "lib/base/buf.h"
#include "lib/base/secret.h"
#include "lib/base/status.h"

enum { DISC_PACKET_MAX = 1280 };
enum disc_type { DISC_PING = 1, DISC_PONG = 2, DISC_FINDNODE = 3, DISC_NEIGHBOURS = 4, DISC_ENR_REQUEST = 5, DISC_ENR_RESPONSE = 6 };

struct disc_endpoint {
    uint8_t ip[16];
    uint8_t ip_len; /* 4 or 16; 0: none given */
    uint16_t udp, tcp;
};

enum { DISC_NEIGHBOURS_MAX = 16 };
struct disc_node_record {
    struct disc_endpoint at;
    uint8_t pub[64];
};
struct disc_packet {
    enum disc_type type;
    uint8_t hash[32], pub[64]; /* pub: the signer */
    uint64_t expiration;       /* Unix seconds */
    struct disc_endpoint from, to; /* ping: both; pong: to */
    uint8_t ping_hash[32];     /* pong */
    uint8_t target[64];        /* findnode */
    struct disc_node_record nodes[DISC_NEIGHBOURS_MAX]; /* neighbours; more are left out */
    size_t n_nodes;
};
/** disc_packet_get: check hash and signature, decode. Additional items and bytes are ignored.
 *  ret OK | E_DECODE | E_CRYPTO | E_UNSUPPORTED (a type that is not used) */
MUST_CHECK enum status disc_packet_get(struct disc_packet *out, bytes in);
/** disc_packet_put: encode and sign; p->hash is set. */
MUST_CHECK enum status disc_packet_put(struct buf *out, struct disc_packet *p, const secret32 *key);

struct discv4_ops {
    void *ctx;
    void (*send)(void *ctx, const struct disc_endpoint *to, bytes packet);
    void (*found)(void *ctx, const uint8_t pub[static 64], const struct disc_endpoint *at);
    bool (*allow)(void *ctx, const uint8_t pub[static 64]); /* NULL: all */
};

struct discv4;
MUST_CHECK enum status discv4_new(struct discv4 **out, const secret32 *key, const struct disc_endpoint *self, const struct discv4_ops *ops,
                                  uint64_t seed);
void discv4_free(struct discv4 *d);
/** discv4_add_boot: pinged until it answers, for ever; its address may change by calling again. */
void discv4_add_boot(struct discv4 *d, const uint8_t pub[static 64], const struct disc_endpoint *at);
/** discv4_receive: now_ms monotonic, wall_s Unix seconds. */
void discv4_receive(struct discv4 *d, const struct disc_endpoint *from, bytes packet, uint64_t now_ms, uint64_t wall_s);
/** discv4_tick: call about four times a second. */
void discv4_tick(struct discv4 *d, uint64_t now_ms, uint64_t wall_s);
/** discv4_count: nodes with an endpoint proof. */
size_t discv4_count(const struct discv4 *d, uint64_t now_ms);

#endif
