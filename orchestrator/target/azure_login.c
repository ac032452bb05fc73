#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/codec/base64.h"
#include "lib/codec/json.h"
#include "orchestrator/target/azure_priv.h"

#include <unistd.h>

enum { SECRET_MAX = 4096, SIGN_IN_MS = 30000 };

static const char *or_env(const char *value, const char *variable)
{
    if (*value != '\0') return value;
    const char *e = getenv(variable);
    return e == NULL ? "" : e;
}

static bool in_path(const char *program)
{
    const char *path = getenv("PATH");
    for (const char *p = path == NULL ? "" : path; *p != '\0';) {
        size_t n = strcspn(p, ":");
        char probe[4200];
        (void)snprintf(probe, sizeof probe, "%.*s/%s", (int)(n < 4000 ? n : 4000), p, program);
        if (n > 0 && access(probe, X_OK) == 0) return true;
        p += n + (p[n] == ':');
    }
    return false;
}

struct login {
    enum azure_token_kind kind;
    const char *name, *client, *certificate, *federated, *secret_file, *secret_env;
};

static enum status choose(struct login *l, const struct settings *s, struct err *err)
{
    const char *how = SETTING(s, az_login);
    *l = (struct login){.client = or_env(SETTING(s, az_client), "AZURE_CLIENT_ID"),
                        .certificate = or_env(SETTING(s, az_certificate_file), "AZURE_CLIENT_CERTIFICATE_PATH"),
                        .federated = or_env(SETTING(s, az_token_file), "AZURE_FEDERATED_TOKEN_FILE"),
                        .secret_file = SETTING(s, az_secret_file),
                        .secret_env = or_env("", "AZURE_CLIENT_SECRET")};
    bool secret = *l->secret_file != '\0' || *l->secret_env != '\0', automatic = strcmp(how, "auto") == 0;
    if (automatic) {
        if (secret) how = "secret";
        else if (*l->certificate != '\0') how = "certificate";
        else if (*l->federated != '\0') how = "workload";
        else if (getenv("IDENTITY_ENDPOINT") != NULL) how = "managed";
        else how = in_path("az") ? "cli" : "managed";
    }
    l->name = how;
    if (strcmp(how, "secret") == 0) {
        l->kind = AZURE_TOKEN_CLIENT;
        if (!secret) return err_set(err, E_INVALID, "--azure-login secret needs --client-secret-file, or AZURE_CLIENT_SECRET");
    } else if (strcmp(how, "certificate") == 0) {
        l->kind = AZURE_TOKEN_CERTIFICATE;
        if (*l->certificate == '\0') return err_set(err, E_INVALID, "--azure-login certificate needs --client-certificate-file, or AZURE_CLIENT_CERTIFICATE_PATH");
    } else if (strcmp(how, "workload") == 0) {
        l->kind = AZURE_TOKEN_FEDERATED;
        if (*l->federated == '\0') return err_set(err, E_INVALID, "--azure-login workload needs --federated-token-file, or AZURE_FEDERATED_TOKEN_FILE");
    } else if (strcmp(how, "managed") == 0) {
        l->kind = AZURE_TOKEN_MSI;
    } else {
        l->kind = AZURE_TOKEN_CLI;
    }
    bool is_client = l->kind == AZURE_TOKEN_CLIENT || l->kind == AZURE_TOKEN_CERTIFICATE || l->kind == AZURE_TOKEN_FEDERATED;
    if (is_client && *l->client == '\0') return err_set(err, E_INVALID, "--azure-login %s needs --client-id, or AZURE_CLIENT_ID", how);
    return OK;
}

static const char *given(const char *text)
{
    return *text == '\0' ? NULL : text;
}

enum status azure_login_open(struct azure *a, const struct settings *s, struct err *err)
{
    struct login l;
    struct buf secret;
    enum status st = choose(&l, s, err);
    if (st != OK) return st;
    const char *tenant = or_env(SETTING(s, az_tenant), "AZURE_TENANT_ID"), *authority = SETTING(s, az_authority), *env_authority = getenv("AZURE_AUTHORITY_HOST");
    if (settings_is_default(s, SETTING_ID_az_authority) && env_authority != NULL && strncmp(env_authority, "https://", 8) == 0) authority = env_authority;
    (void)snprintf(a->tenant, sizeof a->tenant, "%s", tenant);
    (void)snprintf(a->authority, sizeof a->authority, "%.*s", (int)(strlen(authority) - (authority[strlen(authority) - 1] == '/')), authority);
    (void)snprintf(a->endpoint, sizeof a->endpoint, "%s", SETTING(s, az_endpoint));
    (void)snprintf(a->ca_file, sizeof a->ca_file, "%s", SETTING(s, az_ca_file));
    (void)snprintf(a->subscription, sizeof a->subscription, "%s", or_env(SETTING(s, subscription), "AZURE_SUBSCRIPTION_ID"));
    (void)snprintf(a->group, sizeof a->group, "%s", SETTING(s, resource_group));
    settings_location(s, 1, a->location);
    a->guessed = l.kind == AZURE_TOKEN_MSI && strcmp(SETTING(s, az_login), "auto") == 0 && getenv("IDENTITY_ENDPOINT") == NULL;
    bool is_client = l.kind == AZURE_TOKEN_CLIENT || l.kind == AZURE_TOKEN_CERTIFICATE || l.kind == AZURE_TOKEN_FEDERATED;
    if (is_client && *tenant == '\0') return err_set(err, E_INVALID, "--azure-login %s needs --tenant, or AZURE_TENANT_ID", l.name);
    const char *endpoint = getenv("IDENTITY_ENDPOINT");
    if (is_client) (void)snprintf(a->token_uri, sizeof a->token_uri, "%s/%s/oauth2/v2.0/token", a->authority, a->tenant);
    else if (endpoint != NULL && settings_is_default(s, SETTING_ID_az_metadata)) (void)snprintf(a->token_uri, sizeof a->token_uri, "%s", endpoint);
    else (void)snprintf(a->token_uri, sizeof a->token_uri, "%s/metadata/identity/oauth2/token", SETTING(s, az_metadata));
    buf_init(&secret, SECRET_MAX);
    if (l.kind == AZURE_TOKEN_CLIENT) {
        if (*l.secret_file != '\0') st = file_read(&secret, l.secret_file, err);
        else buf_put_str(&secret, l.secret_env);
        while (secret.len > 0 && (secret.ptr[secret.len - 1] == '\n' || secret.ptr[secret.len - 1] == '\r')) secret.len--;
        if (st == OK && secret.len == 0) st = err_set(err, E_INVALID, "%s holds no client secret: it is empty", *l.secret_file ? l.secret_file : "AZURE_CLIENT_SECRET");
    } else if (l.kind == AZURE_TOKEN_MSI && getenv("IDENTITY_HEADER") != NULL) {
        buf_put_str(&secret, getenv("IDENTITY_HEADER"));
    }
    struct azure_token_config tc = {.kind = l.kind,
                                    .token_uri = a->token_uri,
                                    .client_id = l.kind == AZURE_TOKEN_CLI ? NULL : given(l.client),
                                    .client_secret = secret.len > 0 ? buf_cstr(&secret) : NULL,
                                    .ca_file = is_client ? given(a->ca_file) : NULL,
                                    .credential_file = l.kind == AZURE_TOKEN_CERTIFICATE ? l.certificate : l.federated,
                                    .tenant_id = given(a->tenant)};
    if (st == OK) st = azure_token_source_new(&a->tokens, &tc, err);
    if (secret.ptr != NULL) secret_wipe(secret.ptr, secret.cap);
    buf_fini(&secret);
    struct azure_service_config sc = {.base_uri = a->endpoint, .ca_file = given(a->ca_file), .tokens = a->tokens, .deadline_ms = 120000};
    if (st == OK) st = azure_arm_new(&a->arm, &sc, err);
    return st;
}

/* who the token is for: its claim oid; the template grants this principal the right to write keys. A token that is no JWT names nobody. */
static void read_principal(struct azure *a)
{
    const char *token = NULL, *dot;
    if (azure_token_get(&token, a->tokens, AZURE_RESOURCE_MANAGEMENT, NULL) != OK) return;
    dot = strchr(token, '.');
    if (dot == NULL) return;
    struct buf claims;
    buf_init(&claims, 64 << 10);
    json_t *doc = base64_get(&claims, bytes_make(dot + 1, strcspn(dot + 1, ".")), true) == OK ? json_loadb((const char *)claims.ptr, claims.len, 0, NULL) : NULL;
    const char *oid = json_string_value(json_object_get(doc, "oid"));
    if (oid != NULL && strlen(oid) == 36) memcpy(a->principal, oid, 37);
    json_decref(doc);
    buf_fini(&claims);
}

enum status azure_sign_in(struct target *t, struct err *err)
{
    struct azure *a = azure_of(t);
    json_t *doc = NULL;
    char path[128];
    if (a->signed_in) return OK;
    (void)snprintf(path, sizeof path, "/subscriptions/%s?api-version=2022-12-01", a->subscription);
    struct azure_fault fault = {0};
    struct azure_arm_call c = {.op = "look at the subscription", .permission = "Microsoft.Resources/subscriptions/read", .method = "GET", .path = path, .deadline_ms = SIGN_IN_MS, .fault = &fault};
    enum status s = azure_arm_do(&doc, a->arm, &c, err);
    if (s == E_NET && a->guessed)
        return err_prefix(err, "nothing says how to sign in (--client-id with --client-secret-file, AZURE_CLIENT_ID and its sisters, or `az login`), and this machine has no managed identity that answers");
    if (fault.http_status == 404) return err_set(err, E_NOT_FOUND, "subscription %s is not there for %s: check --subscription and --tenant", a->subscription, azure_token_identity(a->tokens));
    if (s != OK) return s;
    const char *state = json_string_value(json_object_get(doc, "state")), *tenant = json_string_value(json_object_get(doc, "tenantId"));
    if (state != NULL && strcmp(state, "Enabled") != 0 && strcmp(state, "Warned") != 0)
        s = err_set(err, E_DENIED, "subscription %s is %s: nothing can be deployed to it; enable it in the portal", a->subscription, state);
    if (tenant != NULL) (void)snprintf(a->tenant, sizeof a->tenant, "%s", tenant);
    json_decref(doc);
    if (s != OK) return s;
    read_principal(a);
    a->signed_in = true;
    return OK;
}
