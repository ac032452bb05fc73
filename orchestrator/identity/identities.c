#include "orchestrator/identity/identities.h"

#include "lib/azure/blob.h"
#include "lib/azure/identity_doc.h"
#include "lib/azure/keyvault.h"
#include "lib/azure/token.h"
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/crypto/secp256k1.h"

#define CONTAINER "poa-config"

void identities_generate(struct identities *out, size_t n)
{
    if (n > IDENTITIES_MAX) BUG("more identities than a deployment may have");
    out->n = n;
    for (size_t i = 0; i < n; i++) {
        uint8_t pub[64];
        ec_secret_generate(&out->keys[i]);
        if (ec_public(pub, &out->keys[i]) != OK) BUG("a fresh key is valid");
        ec_address(out->addresses[i].b, pub);
    }
}

void identities_fini(struct identities *id)
{
    secret_wipe(id, sizeof *id);
}

static enum status put_secret(char uri[KEYVAULT_URI_MAX], struct keyvault *vault, const struct identities *id, size_t i, struct err *err)
{
    char name[32], address_text[43], pub_hex[129], value[64];
    uint8_t pub[64];
    secret32 node_key;
    (void)snprintf(name, sizeof name, "validator-%zu", i);
    address_put(address_text, &id->addresses[i]);
    identity_node_key(&node_key, &id->keys[i]);
    if (ec_public(pub, &node_key) != OK) BUG("a node key is valid");
    secret_fini(&node_key);
    hex_put(pub_hex, pub, 64);
    pub_hex[128] = '\0';
    const struct keyvault_tag tags[] = {{"address", address_text}, {"enodePublicKey", pub_hex}};
    hex_put(value, id->keys[i].b, 32);
    enum status s = keyvault_secret_set(uri, vault, name, bytes_make(value, sizeof value), "application/x-ethereum-private-key", tags, COUNT_OF(tags), err);
    secret_wipe(value, sizeof value);
    return s;
}

static enum status put_blob(struct blob_store *blobs, const char *name, bytes body, struct err *err)
{
    return blob_put(blobs, CONTAINER, name, "application/json", body, NULL, 0, NULL, err);
}

static enum status push_all(struct keyvault *vault, struct blob_store *blobs, const struct identities *id, bytes spec_json, bytes contracts_json,
                            struct err *err)
{
    enum status s = blob_container_create(blobs, CONTAINER, err);
    if (s == E_EXISTS) s = OK;
    if (s == OK) s = put_blob(blobs, "spec.json", spec_json, err);
    if (s == OK) s = put_blob(blobs, "contracts.json", contracts_json, err);
    for (size_t i = 0; s == OK && i < id->n; i++) {
        struct identity_doc doc = {0};
        struct buf json;
        char name[32];
        buf_init(&json, IDENTITY_DOC_MAX);
        s = put_secret(doc.secret_uri, vault, id, i, err);
        memcpy(doc.address, id->addresses[i].b, 20);
        identity_doc_put(&json, &doc);
        identity_blob_name(name, (unsigned)i);
        if (s == OK) s = buf_status(&json);
        if (s == OK) s = put_blob(blobs, name, buf_view(&json), err);
        buf_fini(&json);
    }
    return s;
}

enum status identities_push(const struct identities *id, const struct vault_access *access, bytes spec_json, bytes contracts_json,
                            unsigned deadline_ms, struct err *err)
{
    struct buf secret;
    buf_init(&secret, 4096);
    struct azure_token_source *tokens = NULL;
    struct keyvault *vault = NULL;
    struct blob_store *blobs = NULL;
    enum status s = file_read(&secret, access->client_secret_file, err);
    struct azure_token_config tc = {.kind = AZURE_TOKEN_CLIENT,
                                    .token_uri = access->token_uri,
                                    .client_id = access->client_id,
                                    .client_secret = buf_cstr(&secret),
                                    .ca_file = access->ca_file};
    if (s == OK) s = azure_token_source_new(&tokens, &tc, err);
    struct azure_service_config sc = {.base_uri = access->url, .ca_file = access->ca_file, .tokens = tokens, .deadline_ms = deadline_ms};
    if (s == OK) s = keyvault_new(&vault, &sc, err);
    if (s == OK) s = blob_store_new(&blobs, &sc, err);
    if (s == OK) s = keyvault_probe(vault, deadline_ms, err);
    if (s == OK) s = push_all(vault, blobs, id, spec_json, contracts_json, err);
    blob_store_free(blobs);
    keyvault_free(vault);
    azure_token_source_free(tokens);
    if (secret.ptr != NULL) secret_wipe(secret.ptr, secret.cap);
    buf_fini(&secret);
    return s;
}
