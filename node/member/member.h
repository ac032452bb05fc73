/* member.h: the member's pages at :3000: /networkinfo (the data API that a joining member reads, shared/vectors/networkinfo.schema.json), the
 * bootnode registrar inside it, /health, and the governance page's files.
 *
 *   GET /networkinfo   JSON, ETag, CORS; made anew when the registrar's list or the recent block changes
 *   GET /health        200 {"status":"ok",...} while the chain moves, 503 otherwise: for probes
 *   GET /...           files of web_dir: a fixed list of types, no listing, no way out of the folder
 *
 * Who the member's nodes are comes by member_set_nodes, from whoever watches the identity store (original-product.md A5); the last good
 * answer stays when the store does not answer. */
#ifndef NODE_MEMBER_MEMBER_H
#define NODE_MEMBER_MEMBER_H

#include <jansson.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct member;

struct member_config {
    const char *address;
    uint16_t port;
    const char *web_dir;   /* NULL: only the data API */
    bytes spec_json;       /* text of the chain spec; borrowed */
    bytes contracts_json;  /* {"valSetContract","adminContract","adminContractABI"(,"addressList")}; borrowed; may be empty */
    void *ctx;
    /* recent_block: append the JSON of a block some way behind the head; on the server's thread */
    void (*recent_block)(void *ctx, struct buf *out);
    /* health: append members of the answer (", \"x\": 1"); false: unwell */
    bool (*health)(void *ctx, struct buf *out);
};

MUST_CHECK enum status member_start(struct member **out, const struct member_config *cfg, struct err *err);
void member_stop(struct member *m);
uint16_t member_port(const struct member *m);
/** member_set_nodes: array of {enodeUrl, hostname, address, region} of the leased identities (copied); NULL: keep the list, error says why it
 *  could not be had. Any thread. */
void member_set_nodes(struct member *m, const json_t *nodes, const char *error);

#endif
