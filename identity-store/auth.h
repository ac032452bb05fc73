/* auth.h: who is asking: tokens that this store has issued, checked against the registry of clients. Server's thread only. */
#ifndef IDENTITY_STORE_AUTH_H
#define IDENTITY_STORE_AUTH_H

#include "identity-store/call.h"
#include "identity-store/issuers.h"

#define AUDIENCE_VAULT "https://vault.azure.net"
#define AUDIENCE_STORAGE "https://storage.azure.com"

enum { TOKEN_SLOTS = 4096, TOKEN_MAX = 4096 };

/* token_slot: a token whose signature was good; the rest is checked each time. */
struct token_slot {
    char *token; /* NULL: free */
    size_t len;
    uint64_t exp_s;
    char client[CLIENT_ID_MAX + 1];
    uint8_t secret_mark[8]; /* of the secret that it was issued for: a changed secret ends its tokens */
    bool is_vault;          /* audience; else storage */
};

struct auth {
    const struct config *cfg;
    const struct store *store;
    struct clients clients;
    struct issuers *issuers;  /* NULL: only our own tokens count */
    struct buf account_key; /* empty: no Shared Key, no SAS */
    struct token_slot *slots; /* by hash, one each: a collision costs a signature check */
};

MUST_CHECK enum status auth_open(struct auth *out, const struct config *cfg, const struct store *store, struct err *err);
void auth_close(struct auth *a);
/** auth_reload: the clients file anew; the old registry stays if it is wrong. */
MUST_CHECK enum status auth_reload(struct auth *a, struct err *err);
/** auth_identify: c->client by the call's token; ret false: c->reply is the 401 with its challenge */
bool auth_identify(struct auth *a, struct call *c);
/** auth_issue: append a token for a client and audience.  ret OK | E_CRYPTO */
MUST_CHECK enum status auth_issue(struct buf *jwt, const struct auth *a, const struct client *client, bool is_vault, uint64_t now_s);
/** auth_client_by_secret: ret NULL, *known tells whether the id at least is one */
const struct client *auth_client_by_secret(bool *known, const struct auth *a, const char *id, bytes secret, const char *peer);
/** token_endpoint: the OAuth2, discovery and metadata paths. ret true: c->reply stands; *issued: a token went out (event for the audit log) */
bool token_endpoint(struct auth *a, struct call *c, const char **op);

#endif
