/* enode.h: enode://<128 hex digits of the node's public key>@<host>:<tcp port>[?discport=<udp port>]; host is an IPv4 or
 * bracketed IPv6 address or a DNS name (resolved by the dialler, again and again). */
#ifndef LIB_ETH_ENODE_H
#define LIB_ETH_ENODE_H

#include "lib/base/err.h"
#include "lib/base/bytes.h"

struct enode {
    uint8_t pub[64];
    char host[254]; /* NUL-terminated, no brackets */
    uint16_t tcp_port, udp_port;
};

MUST_CHECK enum status enode_get(struct enode *out, bytes text, struct err *err);
/** enode_put: at most 512 bytes with NUL; ret length */
size_t enode_put(char dst[static 512], const struct enode *e);

#endif
