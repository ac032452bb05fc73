/* clients.h: who may ask for tokens, and what each may do. A YAML or JSON file, read at the start and on SIGHUP:
 *
 *     clients:
 *       - id: 6f1c...                     # any text of up to 64 letters, digits, '.', '_', '-'
 *         secret_sha256: 9f86d0...        # of the client secret; never the secret itself
 *         role: orchestrator              # may do everything
 *       - id: node-0
 *         secret_sha256: 60303a...
 *         role: node                      # see policy.h
 *         container: poa-config           # the one container that it sees
 *         addresses: [127.0.1.0/24]       # optional: where it may come from
 *       - id: vm-1
 *         issuer: https://sts.windows.net/TENANT/   # instead of a secret: of the settings' issuers; its tokens whose oid or sub is
 *         subject: 11059fcc-...                     # this are this client's
 *         role: node
 */
#ifndef IDENTITY_STORE_CLIENTS_H
#define IDENTITY_STORE_CLIENTS_H

#include "lib/base/err.h"

enum { CLIENT_ID_MAX = 64, CLIENT_NETS_MAX = 8, CONTAINER_MAX = 63 };

enum role { ROLE_NONE, ROLE_ORCHESTRATOR, ROLE_NODE };

struct client_net {
    uint8_t addr[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned prefix_bits;
};

struct client {
    char id[CLIENT_ID_MAX + 1];
    uint8_t secret_sha256[32]; /* external: of issuer, a newline and subject */
    bool external;             /* has no secret: another issuer's tokens name it */
    enum role role;
    char container[CONTAINER_MAX + 1]; /* ROLE_NODE */
    struct client_net nets[CLIENT_NETS_MAX];
    size_t n_nets; /* 0: anywhere */
};

struct clients {
    struct client *list; /* ordered by id */
    size_t n;
};

/** clients_read: ret OK | as config_read; a file without clients is an error, since nobody could do anything */
MUST_CHECK enum status clients_read(struct clients *out, const char *path, struct err *err);
void clients_fini(struct clients *c);
/** clients_find: NULL if unknown;  cost O(log n) */
const struct client *clients_find(const struct clients *c, const char *id);
/** clients_find_external: whom an issuer's subject is; NULL: nobody;  cost O(n) */
const struct client *clients_find_external(const struct clients *c, const char *issuer, const char *subject);
/** client_is_from: may it come from this address (IP literal)? */
bool client_is_from(const struct client *c, const char *peer);
const char *role_name(enum role r);

#endif
