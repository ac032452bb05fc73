/* hello.h: the base protocol of devp2p, version 5: Hello, Disconnect, Ping, Pong; message ids; Snappy after the Hello. */
#ifndef NODE_P2P_HELLO_H
#define NODE_P2P_HELLO_H

#include "lib/base/buf.h"
#include "lib/base/status.h"

enum { P2P_HELLO = 0x00, P2P_DISCONNECT = 0x01, P2P_PING = 0x02, P2P_PONG = 0x03, P2P_CAP_OFFSET = 0x10 };
enum {
    P2P_VERSION = 5, /* Snappy from this on */
    P2P_MESSAGE_MAX = 16 << 20,
    P2P_HELLO_MAX = 8192,
    P2P_CAPS_MAX = 64
};

struct p2p_cap {
    char name[9]; /* at most 8 letters */
    unsigned version;
};
struct p2p_hello {
    uint64_t version;
    char client[128]; /* printable ASCII, cut */
    struct p2p_cap caps[P2P_CAPS_MAX];
    size_t n_caps;
    uint16_t port; /* 0: not known */
    uint8_t pub[64];
};
/** hello_put: append the RLP list (without message id). */
void hello_put(struct buf *out, const struct p2p_hello *h);
/** hello_get: EIP-8: more items are allowed, the version is not judged. Capabilities over P2P_CAPS_MAX are left out.  ret OK | E_DECODE */
MUST_CHECK enum status hello_get(struct p2p_hello *out, bytes in);
/** hello_eth_version: the highest eth version that both speak, 0: none. */
unsigned hello_eth_version(const struct p2p_hello *h);
/** hello_add_eth: the capabilities that we have. */
void hello_add_eth(struct p2p_hello *h);

void disconnect_put(struct buf *out, unsigned reason);
/** disconnect_get: a list of one number, or the number alone; anything else counts as 0 (requested). */
unsigned disconnect_get(bytes in);

/** message_put: id and data, compressed if snappy; append.  ret OK | E_LIMIT | E_NOMEM */
MUST_CHECK enum status message_put(struct buf *out, unsigned id, bytes data, bool snappy);
/** message_get: id and data of a frame's payload; with snappy the data is decompressed into tmp (cleared), after a look at the length it says.
 *  ret OK | E_DECODE | E_LIMIT | E_NOMEM */
MUST_CHECK enum status message_get(unsigned *id, bytes *data, struct buf *tmp, bytes payload, bool snappy);

#endif
