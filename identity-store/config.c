#include "identity-store/config.h"

#include "lib/codec/yaml.h"

#include <arpa/inet.h>

struct reading {
    const char *path;
    json_t *doc;
    struct err *err;
};

static char *beside(const char *config_path, const char *p)
{
    const char *slash = strrchr(config_path, '/');
    char *out = NULL;
    int n = *p == '/' || slash == NULL ? asprintf(&out, "%s", p) : asprintf(&out, "%.*s/%s", (int)(slash - config_path), config_path, p);
    return n < 0 ? NULL : out;
}

static enum status wrong(struct reading *r, const char *key, const char *what)
{
    return err_set(r->err, E_INVALID, "%s: %s: %s", r->path, key, what);
}

static enum status text_of(const char **out, struct reading *r, json_t *in, const char *key, bool need, size_t max)
{
    json_t *v = json_object_get(in, key);
    if (v == NULL || json_is_null(v)) {
        if (need) return wrong(r, key, "is missing");
        return OK;
    }
    if (!json_is_string(v) || json_string_length(v) == 0 || json_string_length(v) > max) return wrong(r, key, "wants a text");
    *out = json_string_value(v);
    return OK;
}

static enum status path_of(char **out, struct reading *r, json_t *in, const char *key, bool need)
{
    const char *t = NULL;
    enum status s = text_of(&t, r, in, key, need, 4000);
    if (s != OK || t == NULL) return s;
    *out = beside(r->path, t);
    return *out ? OK : wrong(r, key, "out of memory");
}

static enum status number_of(uint64_t *out, struct reading *r, json_t *in, const char *key, uint64_t min, uint64_t max)
{
    json_t *v = json_object_get(in, key);
    if (v == NULL || json_is_null(v)) return OK;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) < min || (uint64_t)json_integer_value(v) > max) {
        char what[80];
        (void)snprintf(what, sizeof what, "wants a number in [%llu, %llu]", (unsigned long long)min, (unsigned long long)max);
        return wrong(r, key, what);
    }
    *out = (uint64_t)json_integer_value(v);
    return OK;
}

static enum status check_keys(struct reading *r, json_t *o, const char *where, const char *const *known, size_t n)
{
    const char *k;
    json_t *v;
    if (!json_is_object(o)) return wrong(r, where, "wants keys and values");
    json_object_foreach(o, k, v)
    {
        bool found = false;
        for (size_t i = 0; i < n; i++) found = found || strcmp(known[i], k) == 0;
        if (!found) return wrong(r, k, "is no key that is known here");
    }
    return OK;
}

static enum status read_listen(struct config *c, struct reading *r)
{
    static const char *const keys[] = {"address", "port"};
    json_t *o = json_object_get(r->doc, "listen");
    const char *address = "127.0.0.1";
    uint64_t port = 8443;
    if (o != NULL) {
        enum status s = check_keys(r, o, "listen", keys, COUNT_OF(keys));
        if (s == OK) s = text_of(&address, r, o, "address", false, sizeof c->address - 1);
        if (s == OK) s = number_of(&port, r, o, "port", 0, 65535);
        if (s != OK) return s;
    }
    struct in6_addr a6;
    struct in_addr a4;
    if (inet_pton(AF_INET, address, &a4) != 1 && inet_pton(AF_INET6, address, &a6) != 1)
        return wrong(r, "listen.address", "wants an IPv4 or IPv6 address");
    (void)snprintf(c->address, sizeof c->address, "%s", address);
    c->port = (uint16_t)port;
    return OK;
}

static enum status read_metrics(struct config *c, struct reading *r)
{
    static const char *const keys[] = {"address", "port"};
    json_t *o = json_object_get(r->doc, "metrics");
    const char *address = c->address;
    uint64_t port = 9545;
    struct in6_addr any;
    if (o == NULL || json_is_null(o)) return OK;
    enum status s = check_keys(r, o, "metrics", keys, COUNT_OF(keys));
    if (s == OK) s = text_of(&address, r, o, "address", false, sizeof c->metrics_address - 1);
    if (s == OK) s = number_of(&port, r, o, "port", 0, 65535);
    if (s != OK) return s;
    if (inet_pton(AF_INET, address, &any) != 1 && inet_pton(AF_INET6, address, &any) != 1) return wrong(r, "metrics.address", "wants an IPv4 or IPv6 address");
    (void)snprintf(c->metrics_address, sizeof c->metrics_address, "%s", address);
    c->metrics_port = (uint16_t)port;
    return OK;
}

static enum status read_tls(struct config *c, struct reading *r)
{
    static const char *const keys[] = {"cert", "key", "client_ca"};
    json_t *o = json_object_get(r->doc, "tls");
    if (o == NULL || json_is_null(o)) {
        if (strncmp(c->address, "127.", 4) == 0 || strcmp(c->address, "::1") == 0) return OK;
        return wrong(r, "tls", "is missing: secrets go over the network only by TLS");
    }
    enum status s = check_keys(r, o, "tls", keys, COUNT_OF(keys));
    if (s == OK) s = path_of(&c->tls_cert, r, o, "cert", true);
    if (s == OK) s = path_of(&c->tls_key, r, o, "key", true);
    if (s == OK) s = path_of(&c->tls_client_ca, r, o, "client_ca", false);
    return s;
}

static char *copy(const char *t)
{
    char *out = t ? strdup(t) : NULL;
    if (t != NULL && out == NULL) BUG("out of memory for a setting");
    return out;
}

static bool is_uri(const char *t)
{
    return strncmp(t, "https://", 8) == 0 || strncmp(t, "http://", 7) == 0;
}

static enum status read_kek_vault(struct config *c, struct reading *r)
{
    static const char *const keys[] = {"secret_uri", "key_uri", "algorithm", "token", "ca_file"}, *const token_keys[] = {"kind", "token_uri", "client_id", "client_secret_file"};
    json_t *o = json_object_get(r->doc, "kek_vault"), *t;
    struct kek_vault *k = &c->kek_vault;
    static const char *const algorithms[] = {"RSA-OAEP-256", "RSA-OAEP", "A128KW", "A192KW", "A256KW"};
    const char *uri = NULL, *key_uri = NULL, *algorithm = algorithms[0], *kind = "msi", *token_uri = NULL, *id = NULL;
    if (o == NULL || json_is_null(o)) return OK;
    enum status s = check_keys(r, o, "kek_vault", keys, COUNT_OF(keys));
    if (s == OK) s = text_of(&uri, r, o, "secret_uri", false, 400);
    if (s == OK) s = text_of(&key_uri, r, o, "key_uri", false, 400);
    if (s == OK) s = text_of(&algorithm, r, o, "algorithm", false, 32);
    if (s == OK && (uri == NULL) == (key_uri == NULL)) s = wrong(r, "kek_vault", "wants secret_uri or key_uri, one of them");
    if (s == OK && key_uri != NULL && (!is_uri(key_uri) || strstr(key_uri, "/keys/") == NULL)) s = wrong(r, "kek_vault.key_uri", "wants the URI of a key: https://VAULT/keys/NAME");
    bool known = false;
    for (size_t i = 0; i < COUNT_OF(algorithms); i++) known = known || strcmp(algorithm, algorithms[i]) == 0;
    if (s == OK && !known) s = wrong(r, "kek_vault.algorithm", "wants RSA-OAEP-256, RSA-OAEP, A128KW, A192KW or A256KW");
    if (s == OK && uri != NULL && (!is_uri(uri) || strstr(uri, "/secrets/") == NULL)) s = wrong(r, "kek_vault.secret_uri", "wants the URI of a secret: https://VAULT/secrets/NAME");
    if (s == OK) s = path_of(&k->ca_file, r, o, "ca_file", false);
    t = json_object_get(o, "token");
    if (s == OK && t == NULL) s = wrong(r, "kek_vault.token", "is missing");
    if (s == OK) s = check_keys(r, t, "kek_vault.token", token_keys, COUNT_OF(token_keys));
    if (s == OK) s = text_of(&kind, r, t, "kind", false, 32);
    if (s == OK && strcmp(kind, "msi") != 0 && strcmp(kind, "client_credentials") != 0) s = wrong(r, "kek_vault.token.kind", "wants msi or client_credentials");
    k->msi = strcmp(kind, "msi") == 0;
    if (s == OK) s = text_of(&token_uri, r, t, "token_uri", !k->msi, 1000);
    if (s == OK) s = text_of(&id, r, t, "client_id", !k->msi, 200);
    if (s == OK) s = path_of(&k->client_secret_file, r, t, "client_secret_file", !k->msi);
    k->secret_uri = copy(uri);
    k->key_uri = copy(key_uri);
    k->algorithm = copy(algorithm);
    k->token_uri = copy(token_uri);
    k->client_id = copy(id);
    return s;
}

static enum status read_issuers(struct config *c, struct reading *r)
{
    static const char *const keys[] = {"issuer", "jwks_file", "jwks_uri", "ca_file"};
    json_t *list = json_object_get(r->doc, "issuers"), *o;
    size_t i;
    if (list == NULL || json_is_null(list)) return OK;
    if (!json_is_array(list) || json_array_size(list) > ISSUERS_MAX) return wrong(r, "issuers", "wants a list of up to 8");
    json_array_foreach(list, i, o)
    {
        struct issuer_config *out = &c->issuers[c->n_issuers++];
        const char *issuer = NULL, *uri = NULL;
        enum status s = check_keys(r, o, "issuers", keys, COUNT_OF(keys));
        if (s == OK) s = text_of(&issuer, r, o, "issuer", true, sizeof out->issuer - 1);
        if (s == OK) s = text_of(&uri, r, o, "jwks_uri", false, 1000);
        if (s == OK) s = path_of(&out->jwks_file, r, o, "jwks_file", false);
        if (s == OK) s = path_of(&out->ca_file, r, o, "ca_file", false);
        out->jwks_uri = copy(uri);
        if (s == OK && (out->jwks_file != NULL) == (uri != NULL)) s = wrong(r, "issuers", "an issuer has jwks_file or jwks_uri, one of them");
        if (s == OK && uri != NULL && !is_uri(uri)) s = wrong(r, "issuers.jwks_uri", "wants an http(s) URI");
        if (s != OK) return s;
        (void)snprintf(out->issuer, sizeof out->issuer, "%s", issuer);
    }
    return OK;
}

/* one path segment that needs no encoding */
static enum status segment_of(char *dst, size_t cap, struct reading *r, const char *key, const char *fallback)
{
    const char *t = fallback;
    enum status s = text_of(&t, r, r->doc, key, false, cap - 1);
    if (s != OK) return s;
    if (strspn(t, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != strlen(t) || strcmp(t, ".") == 0 ||
        strcmp(t, "..") == 0)
        return wrong(r, key, "wants letters, digits, '.' and '-'");
    (void)snprintf(dst, cap, "%s", t);
    return OK;
}

static enum status read_rest(struct config *c, struct reading *r)
{
    uint64_t days = 90, token_s = 3600;
    const char *issuer = NULL, *level = "info";
    c->max_bytes = (uint64_t)1 << 30;
    enum status s = path_of(&c->data_dir, r, r->doc, "data_dir", true);
    if (s == OK) s = path_of(&c->kek_file, r, r->doc, "kek_file", false);
    if (s == OK) s = path_of(&c->kek_passphrase_file, r, r->doc, "kek_passphrase_file", false);
    if (s == OK && c->kek_file != NULL && c->kek_passphrase_file != NULL) s = wrong(r, "kek_passphrase_file", "stands beside kek_file: one of them");
    if (s == OK) s = read_kek_vault(c, r);
    if (s == OK && (c->kek_vault.secret_uri != NULL || c->kek_vault.key_uri != NULL) && (c->kek_file != NULL || c->kek_passphrase_file != NULL))
        s = wrong(r, "kek_vault", "stands beside kek_file or kek_passphrase_file: one of them");
    if (s == OK) s = read_issuers(c, r);
    if (s == OK) s = path_of(&c->clients_file, r, r->doc, "clients_file", true);
    if (s == OK) s = path_of(&c->account_key_file, r, r->doc, "account_key_file", false);
    if (s == OK) s = text_of(&issuer, r, r->doc, "issuer", false, sizeof c->issuer - 1);
    if (s == OK) s = segment_of(c->tenant, sizeof c->tenant, r, "tenant", "poa");
    if (s == OK) s = segment_of(c->account, sizeof c->account, r, "account", "devstoreaccount1");
    if (s == OK) s = number_of(&days, r, r->doc, "soft_delete_days", 7, 90);
    if (s == OK) s = number_of(&token_s, r, r->doc, "token_seconds", 300, 86400);
    if (s == OK) s = number_of(&c->max_bytes, r, r->doc, "max_bytes", 1 << 20, (uint64_t)1 << 40);
    if (s == OK) s = text_of(&level, r, r->doc, "log_level", false, 16);
    if (s != OK) return s;
    json_t *protect = json_object_get(r->doc, "purge_protection");
    if (protect != NULL && !json_is_boolean(protect)) return wrong(r, "purge_protection", "wants true or false");
    c->purge_protection = json_is_true(protect);
    if (!log_level_parse(&c->log_level, level)) return wrong(r, "log_level", "wants error, warn, info, debug or trace");
    c->soft_delete_days = (unsigned)days;
    c->token_s = (unsigned)token_s;
    if (c->kek_file == NULL && asprintf(&c->kek_file, "%s/kek", c->data_dir) < 0) return wrong(r, "kek_file", "out of memory");
    if (issuer != NULL && strncmp(issuer, "https://", 8) != 0 && strncmp(issuer, "http://", 7) != 0)
        return wrong(r, "issuer", "wants an http(s) URI");
    bool v6 = strchr(c->address, ':') != NULL;
    if (issuer != NULL) (void)snprintf(c->issuer, sizeof c->issuer, "%s", issuer);
    else (void)snprintf(c->issuer, sizeof c->issuer, "%s://%s%s%s:%u", c->tls_cert ? "https" : "http", v6 ? "[" : "", c->address,
                        v6 ? "]" : "", c->port);
    size_t n = strlen(c->issuer);
    while (n > 0 && c->issuer[n - 1] == '/') c->issuer[--n] = 0;
    return OK;
}

enum status config_read(struct config *out, const char *path, struct err *err)
{
    static const char *const keys[] = {"listen",           "tls",           "data_dir",  "kek_file", "clients_file", "issuer", "tenant", "account",
                                       "account_key_file", "kek_passphrase_file", "kek_vault", "issuers",
                                       "soft_delete_days", "purge_protection", "token_seconds", "max_bytes", "log_level", "metrics"};
    struct reading r = {.path = path, .err = err};
    struct config c = {0};
    enum status s = yaml_get_file(&r.doc, path, err);
    if (s != OK) return s;
    s = check_keys(&r, r.doc, "the file", keys, COUNT_OF(keys));
    if (s == OK) s = read_listen(&c, &r);
    if (s == OK) s = read_metrics(&c, &r);
    if (s == OK) s = read_tls(&c, &r);
    if (s == OK) s = read_rest(&c, &r);
    json_decref(r.doc);
    if (s == OK) *out = c;
    else config_fini(&c);
    return s;
}

void config_fini(struct config *c)
{
    free(c->tls_cert);
    free(c->tls_key);
    free(c->tls_client_ca);
    free(c->data_dir);
    free(c->kek_file);
    free(c->kek_passphrase_file);
    free(c->clients_file);
    free(c->account_key_file);
    for (size_t i = 0; i < c->n_issuers; i++) {
        free(c->issuers[i].jwks_file);
        free(c->issuers[i].jwks_uri);
        free(c->issuers[i].ca_file);
    }
    free(c->kek_vault.secret_uri);
    free(c->kek_vault.key_uri);
    free(c->kek_vault.algorithm);
    free(c->kek_vault.token_uri);
    free(c->kek_vault.client_id);
    free(c->kek_vault.client_secret_file);
    free(c->kek_vault.ca_file);
    *c = (struct config){0};
}
