/* member.h: the member's pages at :3000: /networkinfo (the data API that a joining member reads, shared/vectors/networkinfo.schema.json), the
 * bootnode registrar inside it, /health, and the governance page with its data.
 *
 *   GET /networkinfo   JSON, ETag, CORS; made anew when the registrar's list or the recent block changes
 *   GET /governance    JSON: admins, proposals, validators, changes, as the contract has them at the head; made anew only when the contract's
 *                      storage has changed (governance.c)
 *   GET /nodes         JSON: head, finality, who seals in turn, this member's nodes with their peers and heads (nodes.c)
 *   GET /possession  JSON: this node's proof that it holds its validator's key, for ?challenge=0x and 64 hexadecimal digits (lib/eth/possession.h)
 *   GET /health        200 {"status":"ok",...} while the chain moves, 503 otherwise: for probes
 *   GET /...           files of web_dir: a fixed list of types, no listing, no way out of the folder; openapi.json describes the above
 *
 * Who the member's nodes are comes by member_set_nodes, from whoever watches the identity store (original-product.md A5); the last good
 * answer stays when the store does not answer. All else is asked of the node by callbacks, on the server's thread. */
#ifndef NODE_MEMBER_MEMBER_H
#define NODE_MEMBER_MEMBER_H

#include <jansson.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/eth/possession.h"

struct member;

/** member_contract: the governance contract as it stands at the head. */
struct member_contract {
    bool has_contract; /* false: the set of this network is a fixed list */
    address at;
    hash32 version; /* changes whenever what the contract's views answer may have changed */
};

/** member_views: reading the contract, all of it at one block. */
struct member_views {
    /* open: the head's state.  ret NULL: it cannot be had */
    void *(*open)(void *ctx, struct member_contract *out);
    /* call: append what the contract returns.  ret OK | E_DENIED: it reverts | our own trouble */
    enum status (*call)(void *snapshot, struct buf *out, bytes input);
    void (*close)(void *snapshot);
};

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
    struct member_views views; /* open NULL: no /governance */
    /* network: what stays the same (chainId, networkName, genesisHash, ...), as an object; NULL: nothing. live: what moves (head,
     * finalised, step, validators, self, peers: see openapi.json); NULL: no /nodes */
    json_t *(*network)(void *ctx);
    json_t *(*live)(void *ctx);
    /* prove: fill all of p but the challenge, which is given, and sign it.  ret OK | E_DENIED: this node holds no identity | our own trouble; NULL: no
     * /possession */
    enum status (*prove)(void *ctx, uint8_t sig65[static 65], struct possession *p);
    uint16_t rpc_port, ws_port; /* where the page and the prober of the other nodes ask; 0: none */
};

MUST_CHECK enum status member_start(struct member **out, const struct member_config *cfg, struct err *err);
void member_stop(struct member *m);
uint16_t member_port(const struct member *m);
/** member_set_nodes: array of {enodeUrl, hostname, address, region} of the leased identities (copied); NULL: keep the list, error says why it
 *  could not be had. Any thread. */
void member_set_nodes(struct member *m, const json_t *nodes, const char *error);

#endif
