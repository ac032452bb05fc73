#include "identity-store/kek_vault.h"

#include "lib/azure/keyvault.h"
#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/codec/rlp.h"

enum { DEADLINE_MS = 60000, CREDENTIAL_MAX = 4096 };

struct session {
    struct azure_token_source *tokens;
    struct keyvault *vault;
};

static void session_close(struct session *s)
{
    keyvault_free(s->vault);
    azure_token_source_free(s->tokens);
}

static enum status session_open(struct session *out, const struct kek_vault *k, struct err *err)
{
    struct session x = {NULL, NULL};
    struct buf secret;
    char base[KEYVAULT_URI_MAX];
    const char *uri = k->secret_uri ? k->secret_uri : k->key_uri, *path = strstr(uri, k->secret_uri ? "/secrets/" : "/keys/");
    (void)snprintf(base, sizeof base, "%.*s", (int)(path - uri), uri);
    buf_init(&secret, CREDENTIAL_MAX);
    enum status s = k->client_secret_file ? file_read(&secret, k->client_secret_file, err) : OK;
    while (s == OK && secret.len > 0 && secret.ptr[secret.len - 1] <= ' ') secret.len--;
    struct azure_token_config tc = {.kind = k->msi ? AZURE_TOKEN_MSI : AZURE_TOKEN_CLIENT, .token_uri = k->token_uri, .client_id = k->client_id,
                                    .client_secret = secret.len > 0 ? buf_cstr(&secret) : NULL, .ca_file = k->ca_file};
    if (s == OK) s = azure_token_source_new(&x.tokens, &tc, err);
    struct azure_service_config sc = {.base_uri = base, .ca_file = k->ca_file, .tokens = x.tokens, .deadline_ms = DEADLINE_MS};
    if (s == OK) s = keyvault_new(&x.vault, &sc, err);
    if (secret.ptr != NULL) secret_wipe(secret.ptr, secret.cap);
    buf_fini(&secret);
    if (s == OK) *out = x;
    else session_close(&x);
    return s;
}

enum status kek_vault_read(secret32 *kek, const struct kek_vault *from, struct err *err)
{
    struct session x;
    struct buf value;
    enum status s = session_open(&x, from, err);
    if (s != OK) return s;
    buf_init(&value, KEYVAULT_SECRET_MAX);
    s = keyvault_secret_get_uri(&value, x.vault, from->secret_uri, err);
    if (s == OK && hex_get_fixed(kek->b, 32, buf_view(&value)) != OK)
        s = err_set(err, E_DECODE, "%s: is no key-encryption key: 64 hexadecimal digits", from->secret_uri);
    if (value.ptr != NULL) secret_wipe(value.ptr, value.cap);
    buf_fini(&value);
    session_close(&x);
    return s;
}

enum status kek_vault_make(secret32 *kek, const struct kek_vault *to, struct err *err)
{
    struct session x;
    char name[128], hex[64];
    if (!keyvault_secret_name(name, to->secret_uri)) return err_set(err, E_INVALID, "%s: names no secret", to->secret_uri);
    enum status s = session_open(&x, to, err);
    if (s != OK) return s;
    rng_fill(kek->b, sizeof kek->b);
    hex_put(hex, kek->b, 32);
    s = keyvault_secret_set(NULL, x.vault, name, bytes_make(hex, sizeof hex), "application/x-poa-kek", NULL, 0, err);
    secret_wipe(hex, sizeof hex);
    session_close(&x);
    return s;
}

/* record: [kid, algorithm, wrapped] */
enum status kek_vault_wrap(secret32 *kek, struct buf *rec, const struct kek_vault *by, struct err *err)
{
    struct session x;
    struct buf wrapped;
    char kid[KEYVAULT_URI_MAX];
    enum status s = session_open(&x, by, err);
    if (s != OK) return s;
    buf_init(&wrapped, 1024);
    rng_fill(kek->b, sizeof kek->b);
    s = keyvault_key_wrap_uri(kid, &wrapped, x.vault, by->key_uri, by->algorithm, kek, err);
    if (s == OK) {
        size_t l = rlp_list_open(rec);
        rlp_put_string(rec, bytes_str(kid));
        rlp_put_string(rec, bytes_str(by->algorithm));
        rlp_put_string(rec, buf_view(&wrapped));
        rlp_list_close(rec, l);
        s = buf_status(rec);
    }
    buf_fini(&wrapped);
    session_close(&x);
    return s;
}

static bool get_text(char *dst, size_t cap, bytes *in)
{
    bytes v;
    if (rlp_get_string(&v, in) != OK || v.len == 0 || v.len >= cap || memchr(v.ptr, 0, v.len) != NULL) return false;
    memcpy(dst, v.ptr, v.len);
    dst[v.len] = 0;
    return true;
}

enum status kek_vault_unwrap(secret32 *kek, const struct kek_vault *by, bytes rec, struct err *err)
{
    struct session x;
    bytes list, wrapped;
    char kid[KEYVAULT_URI_MAX], algorithm[32];
    if (rlp_get_list(&list, &rec) != OK || rec.len != 0 || !get_text(kid, sizeof kid, &list) || !get_text(algorithm, sizeof algorithm, &list) ||
        rlp_get_string(&wrapped, &list) != OK || list.len != 0)
        return err_set(err, E_CORRUPT, "the record of the wrapped key-encryption key is damaged");
    enum status s = session_open(&x, by, err);
    if (s != OK) return s;
    s = keyvault_key_unwrap_uri(kek, x.vault, kid, algorithm, wrapped, err);
    session_close(&x);
    return s;
}
