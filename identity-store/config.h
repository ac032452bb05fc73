/* config.h: settings of poa-identity-store, read from one YAML (or JSON) file:
 *
 *     listen: {address: 127.0.0.2, port: 8443}
 *     tls: {cert: server.pem, key: server.key, client_ca: ca.pem}   # client_ca is optional; no tls: only on a loopback address
 *     data_dir: /var/lib/poa-identity-store
 *     kek_file: /etc/poa-identity-store/kek        # default: <data_dir>/kek; made at the first start
 *     kek_passphrase_file: passphrase              # instead: the key comes from what stands in there, by scrypt
 *     kek_vault:                                   # instead: a secret of another vault; put there at the first start
 *       secret_uri: https://other.vault.azure.net/secrets/poa-kek
 *       key_uri: https://other.vault.azure.net/keys/poa-kek   # or: a key of it, which wraps ours and never leaves that vault
 *       algorithm: RSA-OAEP-256                    # of key_uri: RSA-OAEP-256, RSA-OAEP, A128KW, A192KW, A256KW
 *       token: {kind: msi | client_credentials, token_uri: URL, client_id: ID, client_secret_file: FILE}
 *       ca_file: ca.pem
 *     issuers:                                     # optional: whose tokens count beside our own; see issuers.h and clients.h
 *       - {issuer: "https://sts.windows.net/TENANT/", jwks_uri: "https://login.microsoftonline.com/TENANT/discovery/keys"}   # or jwks_file; ca_file
 *     clients_file: /etc/poa-identity-store/clients.yaml
 *     issuer: https://127.0.0.2:8443               # default: from listen
 *     tenant: poa                                  # first part of the token endpoint's path
 *     account: devstoreaccount1                    # optional first part of blob paths, as tools for IP addresses send it
 *     account_key_file: account.key                # optional: base64; allows Shared Key and SAS on blobs, with every right to who has it
 *     soft_delete_days: 90                         # 7..90
 *     purge_protection: false                      # true: nobody can purge before that
 *     token_seconds: 3600                          # 300..86400
 *     max_bytes: 1073741824                        # of the database
 *     log_level: info
 *     metrics: {address: 127.0.0.2, port: 9545}    # /metrics for Prometheus, without a password; absent: none. address: default as listen
 *
 * Relative paths are relative to the file's folder. Unknown keys are errors. */
#ifndef IDENTITY_STORE_CONFIG_H
#define IDENTITY_STORE_CONFIG_H

#include "lib/base/err.h"
#include "lib/base/log.h"

enum { ISSUERS_MAX = 8 };

struct issuer_config {
    char issuer[256];
    char *jwks_file, *jwks_uri, *ca_file; /* one of the first two */
};

/* kek_vault: secret_uri and key_uri NULL: not used; one of them at most */
struct kek_vault {
    char *secret_uri, *key_uri, *algorithm, *token_uri, *client_id, *client_secret_file, *ca_file;
    bool msi;
};

struct config {
    char address[64];
    uint16_t port;
    char *tls_cert, *tls_key, *tls_client_ca; /* NULL: none */
    char *data_dir, *kek_file, *kek_passphrase_file, *clients_file, *account_key_file;
    struct issuer_config issuers[ISSUERS_MAX];
    size_t n_issuers;
    struct kek_vault kek_vault;
    char issuer[256]; /* no trailing '/' */
    char tenant[64], account[64];
    unsigned soft_delete_days, token_s;
    bool purge_protection; /* what is deleted goes when its time is over, not before */
    uint64_t max_bytes;
    enum log_level log_level;
    char metrics_address[64]; /* "": no metrics */
    uint16_t metrics_port;
};

/** config_read: the whole file, checked.  ret OK | E_NOT_FOUND, E_IO | E_DECODE | E_INVALID (err names file and key) */
MUST_CHECK enum status config_read(struct config *out, const char *path, struct err *err);
void config_fini(struct config *c);

#endif
