#include "identity-store/auth.h"

#include "identity-store/routes.h"
#include "identity-store/storage_key.h"
#include "identity-store/text.h"
#include "lib/base/clock.h"
#include "lib/codec/hex.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/tls.h"

#include <jansson.h>
#include <strings.h>

enum { CLOCK_SLACK_S = 5 };

enum status auth_open(struct auth *out, const struct config *cfg, const struct store *store, struct err *err)
{
    struct auth a = {.cfg = cfg, .store = store};
    a.slots = calloc(TOKEN_SLOTS, sizeof *a.slots);
    if (a.slots == NULL) return err_set(err, E_NOMEM, "token cache: out of memory");
    buf_init(&a.account_key, 1024);
    enum status s = cfg->account_key_file ? storage_key_read(&a.account_key, cfg->account_key_file, err) : OK;
    if (s == OK) s = clients_read(&a.clients, cfg->clients_file, err);
    if (s == OK) s = issuers_open(&a.issuers, cfg, err);
    if (s != OK) {
        clients_fini(&a.clients);
        if (a.account_key.ptr != NULL) secret_wipe(a.account_key.ptr, a.account_key.cap);
        buf_fini(&a.account_key);
        free(a.slots);
        return s;
    }
    *out = a;
    return OK;
}

static void slot_drop(struct token_slot *t)
{
    if (t->token) secret_wipe(t->token, t->len);
    free(t->token);
    *t = (struct token_slot){0};
}

void auth_close(struct auth *a)
{
    for (size_t i = 0; a->slots && i < TOKEN_SLOTS; i++) slot_drop(&a->slots[i]);
    free(a->slots);
    clients_fini(&a->clients);
    issuers_close(a->issuers);
    if (a->account_key.ptr != NULL) secret_wipe(a->account_key.ptr, a->account_key.cap);
    buf_fini(&a->account_key);
    *a = (struct auth){0};
}

enum status auth_reload(struct auth *a, struct err *err)
{
    struct clients fresh;
    enum status s = clients_read(&fresh, a->cfg->clients_file, err);
    if (s != OK) return s;
    s = issuers_reload(a->issuers, err);
    if (s != OK) {
        clients_fini(&fresh);
        return s;
    }
    clients_fini(&a->clients);
    a->clients = fresh;
    for (size_t i = 0; i < TOKEN_SLOTS; i++) slot_drop(&a->slots[i]); /* an issuer's key may be gone */
    return OK;
}

const struct client *auth_client_by_secret(bool *known, const struct auth *a, const char *id, bytes secret, const char *peer)
{
    uint8_t h[32];
    const struct client *cl = clients_find(&a->clients, id);
    *known = cl != NULL;
    sha256(h, secret.ptr, secret.len);
    bool good = cl != NULL && !cl->external && ct_eq(h, cl->secret_sha256, 32) && client_is_from(cl, peer);
    secret_wipe(h, sizeof h);
    return good ? cl : NULL;
}

enum status auth_issue(struct buf *jwt, const struct auth *a, const struct client *client, bool is_vault, uint64_t now_s)
{
    char issuer[400], mark[17];
    (void)snprintf(issuer, sizeof issuer, "%s/%s/v2.0", a->cfg->issuer, a->cfg->tenant);
    hex_put(mark, client->secret_sha256, 8);
    mark[16] = 0;
    json_t *claims = json_pack("{s:s,s:s,s:I,s:I,s:I,s:s,s:s,s:s,s:s,s:[s],s:s,s:s}", "aud", is_vault ? AUDIENCE_VAULT : AUDIENCE_STORAGE, "iss",
                               issuer, "iat", (json_int_t)now_s, "nbf", (json_int_t)now_s, "exp", (json_int_t)(now_s + a->cfg->token_s), "appid",
                               client->id, "oid", client->id, "sub", client->id, "tid", a->cfg->tenant, "roles", role_name(client->role), "ver",
                               "2.0", "mark", mark);
    char *text = claims ? json_dumps(claims, JSON_COMPACT) : NULL;
    enum status s = text ? jwt_sign_rs256(jwt, buf_view(&a->store->token_key_pem), a->store->token_kid, bytes_str(text), NULL) : E_NOMEM;
    free(text);
    json_decref(claims);
    return s;
}

/* ---------------------------------------------------------------- checking */

static struct token_slot *slot_of(const struct auth *a, bytes token)
{
    /* the signature's last characters are as good as random */
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = token.len > 24 ? token.len - 24 : 0; i < token.len; i++) h = (h ^ token.ptr[i]) * 0x100000001b3u;
    return &a->slots[(h ^ h >> 32) % TOKEN_SLOTS];
}

/* claims of a token with a good signature to a slot; false: not one of ours */
static bool read_claims(struct token_slot *t, const struct auth *a, json_t *claims)
{
    char issuer[400];
    (void)snprintf(issuer, sizeof issuer, "%s/%s/v2.0", a->cfg->issuer, a->cfg->tenant);
    const char *iss = json_string_value(json_object_get(claims, "iss")), *aud = json_string_value(json_object_get(claims, "aud"));
    const char *id = json_string_value(json_object_get(claims, "appid")), *mark = json_string_value(json_object_get(claims, "mark"));
    json_t *exp = json_object_get(claims, "exp");
    if (!iss || !aud || !id || !mark || strcmp(iss, issuer) != 0 || strlen(id) > CLIENT_ID_MAX || !json_is_integer(exp)) return false;
    t->is_vault = strcmp(aud, AUDIENCE_VAULT) == 0;
    if (!t->is_vault && strcmp(aud, AUDIENCE_STORAGE) != 0) return false;
    if (hex_get_fixed(t->secret_mark, sizeof t->secret_mark, bytes_str(mark)) != OK) return false;
    memcpy(t->client, id, strlen(id) + 1);
    t->exp_s = (uint64_t)json_integer_value(exp);
    return true;
}

static const char *text_at(json_t *claims, const char *name)
{
    const char *t = json_string_value(json_object_get(claims, name));
    return t ? t : "";
}

/* "https://vault.azure.net" with or without '/' */
static bool is_audience(const char *aud, const char *want)
{
    size_t n = strlen(want);
    return strncmp(aud, want, n) == 0 && (aud[n] == 0 || (aud[n] == '/' && aud[n + 1] == 0));
}

/* the claims of a token that another issuer has signed */
static bool read_foreign(struct token_slot *t, const struct auth *a, json_t *claims, uint64_t now_s)
{
    const char *iss = text_at(claims, "iss"), *aud = text_at(claims, "aud"), *oid = text_at(claims, "oid"), *sub = text_at(claims, "sub");
    json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf");
    const struct client *cl = *oid ? clients_find_external(&a->clients, iss, oid) : NULL;
    if (cl == NULL && *sub) cl = clients_find_external(&a->clients, iss, sub);
    t->is_vault = is_audience(aud, AUDIENCE_VAULT);
    if (cl == NULL || (!t->is_vault && !is_audience(aud, AUDIENCE_STORAGE)) || !json_is_integer(exp) || json_integer_value(exp) < 0) return false;
    if (nbf != NULL && (!json_is_integer(nbf) || json_integer_value(nbf) > (json_int_t)(now_s + CLOCK_SLACK_S))) return false;
    memcpy(t->secret_mark, cl->secret_sha256, sizeof t->secret_mark);
    memcpy(t->client, cl->id, sizeof t->client);
    t->exp_s = (uint64_t)json_integer_value(exp);
    return true;
}

static struct token_slot *verify(struct auth *a, bytes token, uint64_t now_s)
{
    struct token_slot *t = slot_of(a, token);
    if (t->token && t->len == token.len && ct_eq(t->token, token.ptr, token.len)) return t;
    struct buf claims;
    buf_init(&claims, TOKEN_MAX);
    struct token_slot fresh = {0};
    bool good = false;
    if (token.len <= TOKEN_MAX && jwt_verify_rs256(&claims, buf_view(&a->store->token_key_pem), token, NULL) == OK) {
        json_t *doc = json_loadb((const char *)claims.ptr, claims.len, JSON_REJECT_DUPLICATES, NULL);
        good = doc != NULL && read_claims(&fresh, a, doc);
        json_decref(doc);
    }
    buf_fini(&claims);
    json_t *foreign = NULL;
    if (!good && token.len <= TOKEN_MAX && issuers_verify(&foreign, a->issuers, token) == OK) {
        good = read_foreign(&fresh, a, foreign, now_s);
        json_decref(foreign);
    }
    if (!good) return NULL;
    fresh.token = malloc(token.len);
    if (fresh.token == NULL) return NULL;
    memcpy(fresh.token, token.ptr, token.len);
    fresh.len = token.len;
    slot_drop(t);
    *t = fresh;
    return t;
}

static bool challenge(struct auth *a, struct call *c, bool vault, enum rest_error e, const char *why)
{
    enum status s = call_fail(c, e);
    if (s != OK) c->reply.status = 401;
    if (vault)
        call_headerf(c, "WWW-Authenticate", "Bearer authorization=\"%s/%s\", resource=\"" AUDIENCE_VAULT "\"%s%s%s", a->cfg->issuer,
                     a->cfg->tenant, *why ? ", error=\"invalid_token\", error_description=\"" : "", why, *why ? "\"" : "");
    else
        call_headerf(c, "WWW-Authenticate", "Bearer authorization_uri=%s/%s/oauth2/authorize resource_id=" AUDIENCE_STORAGE, a->cfg->issuer,
                     a->cfg->tenant);
    return false;
}

bool auth_identify(struct auth *a, struct call *c)
{
    bool vault = c->route->service == SERVICE_VAULT;
    const char *h = call_request_header(c, "Authorization");
    bool shared = !vault && h != NULL && strncasecmp(h, "SharedKey ", 10) == 0, sas = !vault && h == NULL && query_has(c->rq.query, "sig");
    if ((shared || sas) && a->account_key.len > 0) {
        enum rest_error e = shared ? shared_key_check(c, buf_view(&a->account_key), h) : sas_check(c, buf_view(&a->account_key));
        if (e != ERR_NONE && call_fail(c, e) != OK) c->reply.status = 403;
        return e == ERR_NONE;
    }
    if (h == NULL || strncasecmp(h, "Bearer ", 7) != 0)
        return challenge(a, c, vault, vault ? ERR_VAULT_UNAUTHORIZED : ERR_NO_AUTHENTICATION, "");
    enum rest_error bad = vault ? ERR_VAULT_BAD_TOKEN : ERR_BAD_TOKEN;
    h += 7;
    h += strspn(h, " ");
    const struct token_slot *t = verify(a, bytes_str(h), c->wall_ms / 1000);
    if (t == NULL) return challenge(a, c, vault, bad, "The token is not one of this issuer");
    if (t->is_vault != vault) return challenge(a, c, vault, bad, "The audience is wrong");
    if (t->exp_s + CLOCK_SLACK_S <= c->wall_ms / 1000) return challenge(a, c, vault, bad, "The token is expired");
    const struct client *cl = clients_find(&a->clients, t->client);
    if (cl == NULL || !ct_eq(cl->secret_sha256, t->secret_mark, sizeof t->secret_mark))
        return challenge(a, c, vault, bad, "The client is not registered any more, or its secret has changed");
    if (!client_is_from(cl, c->rq.peer)) return challenge(a, c, vault, bad, "The client may not come from this address");
    c->client = *cl;
    secret_wipe(c->client.secret_sha256, sizeof c->client.secret_sha256);
    return true;
}
