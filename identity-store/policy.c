#include "identity-store/policy.h"

#include "identity-store/blobs.h"
#include "identity-store/routes.h"

#include <jansson.h>
#include <strings.h>

static bool is_identity_blob(const char *name)
{
    if (strncmp(name, "identity-", 9) != 0) return false;
    size_t n = strspn(name + 9, "0123456789");
    return n > 0 && strcmp(name + 9 + n, ".json") == 0;
}

/* ".../secrets/<name>[/version]" of a document's secretUri, ".../keys/<name>..." of its keyUri; "" if it has none */
static void secret_name_of(char dst[static SECRET_NAME_MAX + 1], const char *uri, const char *folder)
{
    dst[0] = 0;
    const char *p = uri ? strstr(uri, folder) : NULL;
    if (p == NULL) return;
    p += strlen(folder);
    size_t n = strcspn(p, "/?#");
    if (n > SECRET_NAME_MAX) return;
    memcpy(dst, p, n);
    dst[n] = 0;
}

/* does this blob, leased by the client now, name the secret or key? */
static enum status names_secret(bool *yes, struct call *c, bytes blob_key)
{
    bytes v;
    struct blob_record r;
    *yes = false;
    enum status s = kv_get(&v, c->txn, TABLE_BLOB, blob_key);
    if (s != OK) return s == E_NOT_FOUND ? OK : s;
    s = blob_record_get(&r, v);
    if (s != OK) return s;
    if (lease_state_at(&r.lease, c->now_ms) != LEASE_LEASED || strcmp(r.lease.holder, c->client.id) != 0) return OK;
    s = kv_get(&v, c->txn, TABLE_DATA, blob_key);
    if (s != OK) return s == E_NOT_FOUND ? OK : s;
    char name[SECRET_NAME_MAX + 1];
    json_t *doc = json_loadb(v.len ? (const char *)v.ptr : "", v.len, 0, NULL);
    bool key = c->route->node == NODE_KEY;
    secret_name_of(name, json_string_value(json_object_get(doc, key ? "keyUri" : "secretUri")), key ? "/keys/" : "/secrets/");
    *yes = name[0] != 0 && strcasecmp(name, c->name) == 0;
    json_decref(doc);
    return OK;
}

static enum status holds_secret(bool *yes, struct call *c)
{
    struct record_key prefix;
    struct kv_cursor *cur;
    bytes key, value;
    size_t client_len = strlen(c->client.id) + 1;
    key_of_holder(&prefix, c->client.id, c->client.container, "");
    *yes = false;
    enum status s = kv_cursor_open(&cur, c->txn, TABLE_HOLDER);
    if (s != OK) return s;
    s = kv_cursor_seek(&key, &value, cur, key_view(&prefix));
    while (s == OK && !*yes && key.len > prefix.len && memcmp(key.ptr, prefix.ptr, prefix.len) == 0) {
        /* what follows the client is the blob's key */
        s = names_secret(yes, c, bytes_make(key.ptr + client_len, key.len - client_len));
        if (s == OK && !*yes) s = kv_cursor_next(&key, &value, cur);
    }
    kv_cursor_close(cur);
    return s == E_NOT_FOUND ? OK : s;
}

/* How the client stands to the blob's lease. knows_id: it names the lease's own id, which gives no rights to who did not acquire it.
 * wrong_id: it names only others: let the state machine answer with its 409 or 412, which tell a node that it has lost the lease. */
struct standing {
    bool own, locked, knows_id, wrong_id;
};

static enum status lease_standing(struct standing *out, struct call *c)
{
    struct found f;
    enum rest_error why;
    char id[LEASE_ID_LEN + 1], proposed[LEASE_ID_LEN + 1] = "";
    const char *p = call_request_header(c, "x-ms-proposed-lease-id");
    enum status s = blob_find(&f, &why, c, false);
    if (s != OK) return s;
    const char *current = f.exists ? f.rec.lease.id : "";
    bool well_formed = lease_header(id, c) == ERR_NONE && (p == NULL || *p == 0 || lease_id_get(proposed, p));
    out->own = f.exists && strcmp(f.rec.lease.holder, c->client.id) == 0;
    out->locked = f.exists && lease_is_locked(&f.rec.lease, c->now_ms);
    out->knows_id = current[0] != 0 && (strcmp(id, current) == 0 || strcmp(proposed, current) == 0);
    out->wrong_id = well_formed && id[0] != 0 && !out->knows_id;
    return OK;
}

static bool same_text(json_t *a, json_t *b, const char *key)
{
    json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
    return json_is_string(x) && json_is_string(y) && json_equal(x, y);
}

static enum status may_replace(bool *yes, struct call *c)
{
    struct standing st;
    struct record_key k;
    bytes old;
    enum status s = lease_standing(&st, c);
    *yes = s == OK && st.wrong_id; /* ends in 412 */
    if (s != OK || *yes || !st.own || !st.locked) return s;
    key_of_blob(&k, c->container, c->blob);
    s = kv_get(&old, c->txn, TABLE_DATA, key_view(&k));
    if (s != OK) return s == E_NOT_FOUND ? OK : s;
    bytes new = c->rq.body;
    json_t *a = json_loadb(old.len ? (const char *)old.ptr : "", old.len, 0, NULL);
    json_t *b = json_loadb(new.len ? (const char *)new.ptr : "", new.len, JSON_REJECT_DUPLICATES, NULL);
    bool has_key = json_object_get(a, "keyUri") != NULL;
    *yes = same_text(a, b, has_key ? "keyUri" : "secretUri") && json_object_get(b, has_key ? "secretUri" : "keyUri") == NULL &&
           (json_object_get(a, "secretUri") == NULL) == has_key && same_text(a, b, "address");
    json_decref(a);
    json_decref(b);
    return OK;
}

static enum status may_lease(bool *yes, struct call *c)
{
    const char *action = call_request_header(c, "x-ms-lease-action");
    struct standing st;
    *yes = false;
    if (action == NULL) return OK;
    if (strcasecmp(action, "break") == 0) return OK;
    enum status s = lease_standing(&st, c);
    if (s != OK) return s;
    if (strcasecmp(action, "acquire") == 0) *yes = st.own || !st.locked || !st.knows_id;
    else *yes = st.own || st.wrong_id;
    return OK;
}

enum status policy_check(bool *allowed, struct call *c)
{
    *allowed = c->client.role == ROLE_ORCHESTRATOR;
    if (c->create_only) {
        struct found f;
        enum rest_error why;
        enum status s = blob_find(&f, &why, c, false);
        *allowed = s == OK && !f.exists;
        return s;
    }
    if (c->client.role != ROLE_NODE) return OK;
    bool own_container = strcmp(c->container, c->client.container) == 0;
    switch (c->route->node) {
    case NODE_NO: return OK;
    case NODE_SECRET:
    case NODE_KEY: return holds_secret(allowed, c);
    case NODE_CONTAINER: *allowed = own_container || c->container[0] == 0; return OK;
    case NODE_PUT: return own_container && is_identity_blob(c->blob) ? may_replace(allowed, c) : OK;
    case NODE_LEASE: return own_container && is_identity_blob(c->blob) ? may_lease(allowed, c) : OK;
    }
    BUG("node policy");
}

enum status policy_deny(struct call *c)
{
    if (c->route->service == SERVICE_BLOB)
        return call_fail_text(c, ERR_FORBIDDEN, "This request is not authorized: client %s (role %s) may not do %s on %.63s%s%.200s.", c->client.id,
                              role_name(c->client.role), c->route->audit ? c->route->audit : "this", c->container, *c->blob ? "/" : "", c->blob);
    return call_fail_text(c, ERR_VAULT_FORBIDDEN, "Client %s (role %s) does not have the permission %s on %.127s.%s", c->client.id,
                          role_name(c->client.role), c->route->audit ? c->route->audit : "secret", *c->name ? c->name : "the vault",
                          c->client.role == ROLE_NODE ? " A node may read the secret of an identity blob while it holds the blob's lease." : "");
}
