/* keys_policy.c: when a key gets a new version by itself (GET and PUT /keys/{name}/rotationpolicy; the sweep does it), and how long a version
 * made by rotation is good. Record: created, updated, expiryTime, Rotate's timeAfterCreate, its timeBeforeExpiry, Notify's timeBeforeExpiry; texts as
 * ISO 8601 durations, "" where there is none. Notify is kept and given back: there is no event grid to tell. */
#include "identity-store/secrets.h"

#include "lib/base/clock.h"
#include "lib/codec/rlp.h"

#include <time.h>

enum { DURATION_MAX = 32, EXPIRY_MIN_DAYS = 28, TRIGGER_MIN_DAYS = 7, YEARS_MAX = 1000 };

struct policy {
    bool is_default;
    uint64_t created_s, updated_s;
    char expiry[DURATION_MAX], rotate_after[DURATION_MAX], rotate_before[DURATION_MAX], notify_before[DURATION_MAX];
};

static const struct policy DEFAULT = {.is_default = true, .notify_before = "P30D"};

/* -------------------------------------------------------------- durations */

struct duration {
    unsigned months;
    uint64_t s;
};

/* "P1Y2M10D", "P4W", "PT48H": numbers before their letters, in that order, at least one */
static bool duration_get(struct duration *out, const char *text)
{
    static const char *const letters[2] = {"YMWD", "HMS"};
    static const unsigned months[] = {12, 1, 0, 0};
    static const uint64_t seconds[2][4] = {{0, 0, 7 * 86400, 86400}, {3600, 60, 1, 0}};
    struct duration d = {0};
    unsigned part = 0, n = 0;
    size_t next = 0;
    const char *p = text;
    if (*p++ != 'P' || strlen(text) >= DURATION_MAX) return false;
    while (*p != 0) {
        if (*p == 'T' && part == 0) {
            part = 1;
            next = 0;
            if (*++p == 0) return false;
        }
        uint64_t v = 0;
        size_t digits = strspn(p, "0123456789");
        if (digits == 0 || digits > 9) return false;
        for (size_t i = 0; i < digits; i++) v = v * 10 + (uint64_t)(p[i] - '0');
        p += digits;
        const char *at = *p != 0 ? strchr(letters[part] + next, *p) : NULL;
        if (at == NULL) return false;
        size_t i = (size_t)(at - letters[part]);
        if (part == 0 && months[i] != 0) d.months += months[i] * (unsigned)(v < 100000 ? v : 100000);
        else d.s += seconds[part][i] * v;
        next = i + 1;
        n++;
        p++;
    }
    if (n == 0 || d.months > YEARS_MAX * 12 || d.s > (uint64_t)YEARS_MAX * 366 * 86400) return false;
    *out = d;
    return true;
}

static uint64_t moved(uint64_t at_s, const struct duration *d, int sign)
{
    struct tm t;
    time_t at = (time_t)at_s;
    if (gmtime_r(&at, &t) == NULL) return at_s;
    t.tm_mon += sign * (int)d->months;
    int64_t moved_s = (int64_t)timegm(&t) + sign * (int64_t)d->s;
    return moved_s < 0 ? 0 : (uint64_t)moved_s;
}

static uint64_t days_of(const struct duration *d)
{
    const uint64_t some_s = 981173106; /* the first of February 2001 */
    return (moved(some_s, d, 1) - some_s) / 86400;
}

/* ------------------------------------------------------------------ record */

static enum status get_text(char dst[DURATION_MAX], bytes *in)
{
    bytes v;
    if (rlp_get_string(&v, in) != OK || v.len >= DURATION_MAX) return E_CORRUPT;
    if (v.len > 0) memcpy(dst, v.ptr, v.len);
    dst[v.len] = 0;
    return OK;
}

static enum status policy_get(struct policy *out, bytes in)
{
    struct policy p = {0};
    bytes l;
    if (rlp_get_list(&l, &in) != OK || rlp_get_u64(&p.created_s, &l) != OK || rlp_get_u64(&p.updated_s, &l) != OK || get_text(p.expiry, &l) != OK ||
        get_text(p.rotate_after, &l) != OK || get_text(p.rotate_before, &l) != OK || get_text(p.notify_before, &l) != OK)
        return E_CORRUPT;
    *out = p;
    return OK;
}

enum status key_policy_check(bytes value)
{
    struct policy p;
    return policy_get(&p, value);
}

static enum status policy_put(struct call *c, const struct policy *p)
{
    struct record_key k;
    struct buf b;
    buf_init(&b, 512);
    key_of_secret(&k, c->name);
    size_t l = rlp_list_open(&b);
    rlp_put_u64(&b, p->created_s);
    rlp_put_u64(&b, p->updated_s);
    rlp_put_string(&b, bytes_str(p->expiry));
    rlp_put_string(&b, bytes_str(p->rotate_after));
    rlp_put_string(&b, bytes_str(p->rotate_before));
    rlp_put_string(&b, bytes_str(p->notify_before));
    rlp_list_close(&b, l);
    enum status s = buf_status(&b);
    if (s == OK) s = kv_put(c->txn, TABLE_KEY_POLICY, key_view(&k), buf_view(&b));
    buf_fini(&b);
    return s;
}

/* DEFAULT where none was set */
static enum status policy_of(struct policy *out, struct call *c)
{
    struct record_key k;
    bytes v;
    key_of_secret(&k, c->name);
    enum status s = kv_get(&v, c->txn, TABLE_KEY_POLICY, key_view(&k));
    if (s == OK) return policy_get(out, v);
    if (s == E_NOT_FOUND) *out = DEFAULT;
    return s == E_NOT_FOUND ? OK : s;
}

enum status key_policy_expiry(uint64_t *exp_s, struct call *c)
{
    struct policy p;
    struct duration d;
    enum status s = policy_of(&p, c);
    if (s == OK) *exp_s = p.expiry[0] && duration_get(&d, p.expiry) ? moved(c->wall_ms / 1000, &d, 1) : 0;
    return s;
}

/* ------------------------------------------------------------------- input */

static const char *read_duration(char dst[DURATION_MAX], json_t *v, uint64_t min_days, const char *wrong)
{
    struct duration d;
    const char *t = json_string_value(v);
    if (v == NULL || json_is_null(v)) return NULL;
    if (t == NULL || !duration_get(&d, t) || days_of(&d) < min_days) return wrong;
    (void)snprintf(dst, DURATION_MAX, "%s", t);
    return NULL;
}

static const char *read_action(struct policy *p, json_t *action)
{
    static const char short_trigger[] = "lifetimeActions.trigger: a time is an ISO 8601 duration of at least 7 days (P7D)";
    json_t *trigger = json_object_get(action, "trigger");
    const char *type = json_string_value(json_object_get(json_object_get(action, "action"), "type"));
    json_t *after = json_object_get(trigger, "timeAfterCreate"), *before = json_object_get(trigger, "timeBeforeExpiry");
    bool has_after = after != NULL && !json_is_null(after), has_before = before != NULL && !json_is_null(before);
    if (type == NULL || (strcasecmp(type, "Rotate") != 0 && strcasecmp(type, "Notify") != 0)) return "lifetimeActions.action.type: is Rotate or Notify";
    if (has_after == has_before) return "lifetimeActions.trigger: has timeAfterCreate or timeBeforeExpiry, one of them";
    if (strcasecmp(type, "Notify") == 0) {
        if (has_after) return "lifetimeActions.trigger: Notify takes timeBeforeExpiry only";
        if (p->notify_before[0]) return "lifetimeActions: one action of a type";
        return read_duration(p->notify_before, before, TRIGGER_MIN_DAYS, short_trigger);
    }
    if (p->rotate_after[0] || p->rotate_before[0]) return "lifetimeActions: one action of a type";
    const char *wrong = read_duration(p->rotate_after, after, TRIGGER_MIN_DAYS, short_trigger);
    return wrong ? wrong : read_duration(p->rotate_before, before, TRIGGER_MIN_DAYS, short_trigger);
}

static const char *read_policy(struct policy *p, json_t *doc)
{
    json_t *actions = json_object_get(doc, "lifetimeActions"), *attributes = json_object_get(doc, "attributes"), *a;
    size_t i;
    if (!json_is_object(doc)) return "The request body is no JSON object";
    if (actions != NULL && !json_is_null(actions) && !json_is_array(actions)) return "lifetimeActions wants a list";
    if (attributes != NULL && !json_is_null(attributes) && !json_is_object(attributes)) return "attributes wants an object";
    const char *wrong = read_duration(p->expiry, json_object_get(attributes, "expiryTime"), EXPIRY_MIN_DAYS,
                                      "attributes.expiryTime: is an ISO 8601 duration of at least 28 days (P28D)");
    json_array_foreach(actions, i, a) if (wrong == NULL) wrong = read_action(p, a);
    if (wrong == NULL && p->rotate_before[0] && !p->expiry[0]) wrong = "lifetimeActions.trigger: Rotate with timeBeforeExpiry wants attributes.expiryTime";
    if (wrong == NULL && !p->rotate_after[0] && !p->rotate_before[0] && !p->notify_before[0]) memcpy(p->notify_before, DEFAULT.notify_before, DURATION_MAX);
    return wrong;
}

/* ---------------------------------------------------------------- handlers */

static enum status reply_policy(struct call *c, const struct secret_head *h, const struct policy *p)
{
    struct buf *b = &c->reply.body;
    bool rotate = p->rotate_after[0] || p->rotate_before[0];
    buf_printf(b, "{\"id\":\"%s/keys/%.*s/rotationpolicy\",\"lifetimeActions\":[", call_base(c), (int)h->name.len, (const char *)h->name.ptr);
    if (rotate)
        buf_printf(b, "{\"trigger\":{\"%s\":\"%s\"},\"action\":{\"type\":\"Rotate\"}}", p->rotate_after[0] ? "timeAfterCreate" : "timeBeforeExpiry",
                   p->rotate_after[0] ? p->rotate_after : p->rotate_before);
    if (p->notify_before[0])
        buf_printf(b, "%s{\"trigger\":{\"timeBeforeExpiry\":\"%s\"},\"action\":{\"type\":\"Notify\"}}", rotate ? "," : "", p->notify_before);
    buf_put_str(b, "],\"attributes\":{");
    if (p->expiry[0]) buf_printf(b, "\"expiryTime\":\"%s\"%s", p->expiry, p->is_default ? "" : ",");
    if (!p->is_default) buf_printf(b, "\"created\":%llu,\"updated\":%llu", (unsigned long long)p->created_s, (unsigned long long)p->updated_s);
    buf_put_str(b, "}}");
    c->reply.status = 200;
    c->reply.content_type = "application/json; charset=utf-8";
    return buf_status(b);
}

static enum status named(struct secret_head *h, bool *found, struct call *c)
{
    *found = false;
    if (!secret_name_is_valid(c->name)) return call_fail_text(c, ERR_VAULT_BAD_PARAMETER, "The request URI contains an invalid name: %.200s", c->name);
    enum status s = secret_find(h, c, TABLE_KEY, c->name);
    *found = s == OK;
    if (s == E_NOT_FOUND) return call_fail_text(c, ERR_KEY_NOT_FOUND, "A key with (name/id) %.127s was not found in this key vault.", c->name);
    if (s == OK) h->name = arena_copy(&c->arena, h->name);
    return s;
}

enum status key_policy_get(struct call *c)
{
    struct secret_head h;
    struct policy p;
    bool found;
    enum status s = named(&h, &found, c);
    if (!found || s != OK) return s;
    s = policy_of(&p, c);
    return s == OK ? reply_policy(c, &h, &p) : s;
}

enum status key_policy_set(struct call *c)
{
    struct secret_head h;
    struct policy p = {0}, before;
    bool found;
    enum status s = named(&h, &found, c);
    if (!found || s != OK) return s;
    bytes body = c->rq.body;
    json_t *doc = json_loadb(body.len ? (const char *)body.ptr : "", body.len, JSON_REJECT_DUPLICATES, NULL);
    const char *wrong = read_policy(&p, doc);
    json_decref(doc);
    if (wrong != NULL) return call_fail_text(c, ERR_VAULT_BAD_PARAMETER, "%s", wrong);
    s = policy_of(&before, c);
    if (s != OK) return s;
    p.updated_s = c->wall_ms / 1000;
    p.created_s = before.is_default ? p.updated_s : before.created_s;
    s = policy_put(c, &p);
    return s == OK ? reply_policy(c, &h, &p) : s;
}

/* -------------------------------------------------------------------- sweep */

/* does the current version of the key c->name want another by now? */
static enum status is_due(bool *due, struct call *c, const struct policy *p)
{
    struct secret_head h;
    struct key_version v;
    struct record_key k;
    struct duration d;
    bytes value;
    *due = false;
    if (!p->rotate_after[0] && !p->rotate_before[0]) return OK;
    enum status s = secret_find(&h, c, TABLE_KEY, c->name);
    if (s != OK) return s == E_NOT_FOUND ? OK : s; /* deleted: its policy waits for its recovery */
    key_of_version(&k, c->name, h.version);
    s = kv_get(&value, c->txn, TABLE_KEY_VERSION, key_view(&k));
    if (s == OK) s = key_version_get(&v, value);
    if (s != OK) return s;
    uint64_t at_s = UINT64_MAX;
    if (p->rotate_after[0] && duration_get(&d, p->rotate_after)) at_s = moved(v.v.created_s, &d, 1);
    else if (v.v.exp_s != 0 && p->rotate_before[0] && duration_get(&d, p->rotate_before)) at_s = moved(v.v.exp_s, &d, -1);
    *due = at_s <= c->wall_ms / 1000;
    return OK;
}

/* ret E_NOT_FOUND: none */
static enum status find_due(char name[SECRET_NAME_MAX + 1], struct call *c)
{
    struct kv_cursor *cur;
    bytes key, value;
    bool due = false;
    enum status s = kv_cursor_open(&cur, c->txn, TABLE_KEY_POLICY);
    if (s != OK) return s;
    while (!due && (s = kv_cursor_next(&key, &value, cur)) == OK) {
        struct policy p;
        if (key.len > SECRET_NAME_MAX) continue;
        memcpy(name, key.ptr, key.len);
        name[key.len] = 0;
        c->name = name;
        s = policy_get(&p, value);
        if (s == OK) s = is_due(&due, c, &p);
        if (s != OK) break;
    }
    kv_cursor_close(cur);
    return s;
}

enum status key_rotate_due(char name[SECRET_NAME_MAX + 1], struct store *st, const struct config *cfg, uint64_t now_s)
{
    struct call c;
    call_init(&c, st, cfg);
    c.wall_ms = now_s * 1000;
    enum status s = kv_begin(&c.txn, st->kv, true);
    if (s == OK) {
        s = find_due(name, &c);
        if (s == OK) s = key_rotate(&c);
        if (s == OK && c.reply.status != 200) s = E_CORRUPT;
        if (s == OK) s = kv_commit(c.txn);
        else kv_abort(c.txn);
    }
    call_fini(&c);
    return s;
}
