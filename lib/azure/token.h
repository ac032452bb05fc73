/* token.h: OAuth2 access tokens for Azure services: client credentials against a token URI (by secret, certificate, or the federated token of a
 * workload identity), the instance metadata service (managed identity), or the az command of who is logged in. Tokens are kept until shortly before their end. One thread a source.
 *
 * Walk: the source names an identity; rest.c asks it for a token of the service's resource with each call, and throws the token away
 * when the service answers 401. */
#ifndef LIB_AZURE_TOKEN_H
#define LIB_AZURE_TOKEN_H

#include "lib/base/err.h"

#define AZURE_RESOURCE_VAULT "https://vault.azure.net"
#define AZURE_RESOURCE_STORAGE "https://storage.azure.com"
#define AZURE_RESOURCE_MANAGEMENT "https://management.azure.com"
#define AZURE_RESOURCE_MONITOR "https://monitor.azure.com"

enum azure_token_kind {
    AZURE_TOKEN_CLIENT, /* POST token_uri grant_type=client_credentials */
    AZURE_TOKEN_MSI,    /* GET token_uri?api-version=2018-02-01&resource=..., header Metadata: true */
    AZURE_TOKEN_CERTIFICATE, /* as CLIENT, with an assertion signed by credential_file: PEM, private key and certificate */
    AZURE_TOKEN_FEDERATED,   /* as CLIENT, with the content of credential_file, read anew each time, as the assertion */
    AZURE_TOKEN_CLI,         /* az account get-access-token, of the login in the user's home; program az_program, NULL: "az" */
};

struct azure_token_config {
    enum azure_token_kind kind;
    const char *token_uri;     /* NULL with MSI: that of Azure's instance metadata service */
    const char *client_id;     /* MSI: NULL for the system's own identity */
    const char *client_secret; /* MSI: NULL, or the header X-IDENTITY-HEADER's value, as App Service has it */
    const char *ca_file;       /* NULL: the system's authorities */
    unsigned timeout_ms;       /* of one request; 0: 10000 */
    const char *credential_file; /* CERTIFICATE, FEDERATED */
    const char *az_program;
    const char *tenant_id;     /* CLI: NULL for that of the login */
};

struct azure_token_source;

/** azure_token_source_new: copies cfg.  ret OK | E_INVALID: token URI or credentials missing | E_NOMEM */
MUST_CHECK enum status azure_token_source_new(struct azure_token_source **out, const struct azure_token_config *cfg, struct err *err);
void azure_token_source_free(struct azure_token_source *s);
/** azure_token_get: *token (valid until the next call on s) for a resource as above; asks the issuer if none is kept.
 *  ret OK | E_DENIED: the issuer refuses the identity | E_NET, E_TIMEOUT, E_AGAIN: try again | E_CRYPTO: TLS | E_DECODE: no token in it */
MUST_CHECK enum status azure_token_get(const char **token, struct azure_token_source *s, const char *resource, struct err *err);
/** azure_token_forget: the service refused it; the next get asks anew. */
void azure_token_forget(struct azure_token_source *s, const char *resource);
/** azure_token_identity: who it is, for messages: "client 7b1c..." or "the managed identity". */
const char *azure_token_identity(const struct azure_token_source *s);

#endif
