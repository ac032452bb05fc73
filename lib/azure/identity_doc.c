#include "lib/azure/identity_doc.h"

#include "lib/codec/hex.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"

#include <jansson.h>

static enum status take_text(char *dst, size_t cap, json_t *doc, const char *key, struct err *err)
{
    json_t *v = json_object_get(doc, key);
    if (!json_is_string(v)) return err_set(err, E_INVALID, "identity document: \"%s\" is missing or no string", key);
    if (json_string_length(v) >= cap || strlen(json_string_value(v)) != json_string_length(v))
        return err_set(err, E_INVALID, "identity document: \"%s\" is longer than %zu characters", key, cap - 1);
    memcpy(dst, json_string_value(v), json_string_length(v) + 1);
    return OK;
}

static enum status read_doc(struct identity_doc *d, json_t *j, struct err *err)
{
    char address[43];
    enum status s;
    if (!json_is_object(j)) return err_set(err, E_DECODE, "identity document: no JSON object");
    bool has_key = json_object_get(j, "keyUri") != NULL;
    if (has_key) s = take_text(d->key_uri, sizeof d->key_uri, j, "keyUri", err);
    else s = take_text(d->secret_uri, sizeof d->secret_uri, j, "secretUri", err);
    if (s != OK) return s;
    if ((s = take_text(address, sizeof address, j, "address", err)) != OK) return s;
    if ((s = take_text(d->enode_url, sizeof d->enode_url, j, "enodeUrl", err)) != OK) return s;
    if ((s = take_text(d->hostname, sizeof d->hostname, j, "hostname", err)) != OK) return s;
    if ((s = take_text(d->region, sizeof d->region, j, "region", err)) != OK) return s;
    if (json_object_size(j) != 5) return err_set(err, E_INVALID, "identity document: has other members than the five known ones");
    if (strlen(address) != 42 || address[0] != '0' || address[1] != 'x' || hex_get_fixed(d->address, 20, bytes_str(address)) != OK)
        return err_set(err, E_INVALID, "identity document: \"address\" is no address: %s", address);
    const char *uri = has_key ? d->key_uri : d->secret_uri;
    if ((strncmp(uri, "https://", 8) != 0 && strncmp(uri, "http://", 7) != 0) || strstr(uri, has_key ? "/keys/" : "/secrets/") == NULL)
        return err_set(err, E_INVALID, "identity document: \"%s\" is no URI of a %s: %s", has_key ? "keyUri" : "secretUri", has_key ? "key" : "secret", uri);
    return OK;
}

enum status identity_doc_get(struct identity_doc *out, bytes json, struct err *err)
{
    json_error_t e;
    if (json.len > IDENTITY_DOC_MAX) return err_set(err, E_INVALID, "identity document: over %d bytes", IDENTITY_DOC_MAX);
    json_t *j = json_loadb(json.len ? (const char *)json.ptr : "", json.len, JSON_REJECT_DUPLICATES, &e);
    if (j == NULL) return err_set(err, E_DECODE, "identity document: %s (line %d)", e.text, e.line);
    struct identity_doc d = {0};
    enum status s = read_doc(&d, j, err);
    if (s == OK) *out = d;
    json_decref(j);
    return s;
}

void identity_doc_put(struct buf *json, const struct identity_doc *d)
{
    char address[43] = "0x";
    hex_put(address + 2, d->address, 20);
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s}", d->key_uri[0] ? "keyUri" : "secretUri",
                          d->key_uri[0] ? d->key_uri : d->secret_uri, "address", address, "enodeUrl", d->enode_url, "hostname",
                          d->hostname, "region", d->region);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    if (text != NULL) buf_put_str(json, text);
    else json->status = E_INVALID; /* not UTF-8: the buffer's sticky failure tells */
    free(text);
    json_decref(j);
}

bool identity_blob_index(unsigned *i, const char *name)
{
    size_t n = strlen(IDENTITY_BLOB_PREFIX);
    if (strncmp(name, IDENTITY_BLOB_PREFIX, n) != 0) return false;
    const char *p = name + n;
    unsigned v = 0;
    size_t digits = strspn(p, "0123456789");
    if (digits == 0 || digits > 6 || (digits > 1 && *p == '0') || strcmp(p + digits, ".json") != 0) return false;
    for (size_t k = 0; k < digits; k++) v = v * 10 + (unsigned)(p[k] - '0');
    *i = v;
    return true;
}

void identity_blob_name(char dst[static 32], unsigned i)
{
    (void)snprintf(dst, 32, IDENTITY_BLOB_PREFIX "%u.json", i);
}

void identity_node_key(secret32 *out, const secret32 *validator_key)
{
    static const char tag[] = "devp2p";
    uint8_t in[32 + sizeof tag - 1];
    secret32 k;
    memcpy(in, validator_key->b, 32);
    memcpy(in + 32, tag, sizeof tag - 1);
    keccak256(k.b, in, sizeof in);
    while (ec_secret_check(&k) != OK) keccak256(k.b, k.b, 32);
    *out = k;
    secret_fini(&k);
    secret_wipe(in, sizeof in);
}
