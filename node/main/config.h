/* config.h: poa-node's configuration: a YAML file, the same on every target (templates/cloud-init/validator.yaml writes it).
 *
 *     chain: spec.json                    # absent: the blob spec.json of the identity's container
 *     base_path: /var/lib/poa
 *     network: {address: 127.0.1.10, port: 30300, public_address: 127.0.1.10, bootnodes: [enode://...], discovery: true, max_peers: 50}
 *       nat: extip:203.0.113.7            # our address as others see it, as public_address; none: the address that we listen at
 *       max_inbound: 34                   # of max_peers; strangers that call can't take all places
 *       reserved: [enode://...]           # dialled for ever, beyond max_peers; reserved_only: true: nobody else
 *       node_key_password_file: FILE      # an observer's devp2p key is kept encrypted in base_path
 *       allowed_nodes: nodes.txt          # who may connect: enode URLs or node ids, one a line; read again when it changes
 *     rpc: {address: 127.0.1.10, port: 8545, ws_port: 8546, apis: "web3,net,eth,...", cors: "*"}
 *     member: {address: 127.0.1.10, port: 3000, web_dir: /usr/share/poa-deploy/web}
 *     metrics: {port: 9545}
 *     identity:
 *       mode: secret                      # secret: leased from the store; sign: leased, and the vault signs with a key that no node sees;
 *                                         # file: a key file, for development; none: an observer: it follows and serves and never
 *                                         # seals; without chain the store at blob_uri has the specification
 *       key_file: key.hex                 # mode file
 *       vault_uri: https://127.0.0.2:8443
 *       blob_uri: https://127.0.0.2:8443
 *       container: poa-config
 *       token: {kind: msi, token_uri: URL, client_id: ID, client_secret_file: FILE}
 *       ca_file: ca.pem
 *       hostname: vl-1
 *       region: local1
 *       lease_seconds: 60                 # 15 to 60: how long an identity stays with a node that nobody hears of any more
 *     data_url: http://127.0.1.1          # joining: another member's data API, for boot nodes
 *     archive: false
 *     cache_mb: 32                        # of the state that blocks touched lately, in memory; 0: none
 *     gas_floor_target: 100000000         # blocks sealed here move their gas limit towards it, by a 1024th each; 0, or below the spec's minGasLimit: to that
 *     log: {level: info, file: poa-node.log, max_mib: 32}   # past that size it is moved to poa-node.log.1, .2 ... (4 are kept)
 *
 * Unknown keys are errors that name the key. Every field has the JSON path of its key in errors. */
#ifndef NODE_MAIN_CONFIG_H
#define NODE_MAIN_CONFIG_H

#include <jansson.h>

#include "lib/base/err.h"
#include "lib/base/log.h"

enum identity_mode { IDENTITY_NONE, IDENTITY_FILE, IDENTITY_SECRET, IDENTITY_SIGN };

struct node_config {
    json_t *doc; /* the strings below live here */
    const char *chain, *base_path;
    const char *network_address, *public_address;
    uint16_t network_port;
    const char **bootnodes;
    size_t n_bootnodes;
    const char **reserved;
    size_t n_reserved;
    const char *allowed_nodes, *node_key_password_file;
    bool discovery, archive, reserved_only;
    size_t cache_bytes; /* as chain_config has it */
    uint64_t gas_floor_target;
    size_t max_peers, max_inbound;
    bool has_rpc, has_member;
    const char *rpc_address, *rpc_apis, *rpc_cors;
    const char *rpc_jwt_file, *rpc_ipc_path;
    size_t rpc_connections; /* 0: as the server has it */
    size_t rpc_max_unsent;  /* likewise */
    unsigned rpc_threads;   /* likewise */
    unsigned rpc_max_request_s; /* likewise */
    uint16_t rpc_port, ws_port;
    const char *member_address, *web_dir;
    uint16_t member_port;
    uint16_t metrics_port;
    enum identity_mode mode;
    const char *key_file;
    const char *vault_uri, *blob_uri, *container;
    const char *token_kind, *token_uri, *client_id, *client_secret_file;
    const char *ca_file, *hostname, *region;
    unsigned lease_s; /* 0: 60 */
    const char *data_url;
    enum log_level log_level;
    const char *log_file;
    uint64_t log_max_bytes;
};

/** node_config_read: ret OK | E_NOT_FOUND, E_IO | E_DECODE: no YAML | E_INVALID: err has the path of the key */
MUST_CHECK enum status node_config_read(struct node_config *out, const char *path, struct err *err);
void node_config_fini(struct node_config *c);
/** node_config_leases: an identity is leased: secret or sign */
bool node_config_leases(const struct node_config *c);

#endif
