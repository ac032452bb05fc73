#include "identity-store/conditions.h"

#include "identity-store/text.h"
#include "lib/base/clock.h"
#include "lib/codec/rlp.h"

#include <strings.h>

enum { META_MAX = 8 << 10, META_N_MAX = 40 };

/* one of a comma-separated list of ETags, quoted, weak or bare; or "*" */
static bool etag_listed(const char *list, const struct blob_record *b)
{
    char own[24];
    int own_len = snprintf(own, sizeof own, "0x%llX", (unsigned long long)b->etag);
    while (*list) {
        list += strspn(list, " ,\t");
        if (strncmp(list, "W/", 2) == 0) list += 2;
        size_t n = strcspn(list, ",");
        while (n > 0 && list[n - 1] == ' ') n--;
        const char *p = list;
        list += strcspn(list, ",");
        if (n == 1 && *p == '*') return true;
        if (n >= 2 && p[0] == '"' && p[n - 1] == '"') {
            p++;
            n -= 2;
        }
        if (n == (size_t)own_len && strncmp(p, own, n) == 0) return true;
    }
    return false;
}

enum rest_error conditions_check(const struct call *c, const struct blob_record *b, enum condition_use use)
{
    const char *match = call_request_header(c, "If-Match"), *none = call_request_header(c, "If-None-Match");
    const char *since = call_request_header(c, "If-Modified-Since"), *unmodified = call_request_header(c, "If-Unmodified-Since");
    uint64_t since_s = 0, unmodified_s = 0;
    if (since && *since && !http_date_get(&since_s, since)) return ERR_INVALID_HEADER;
    if (unmodified && *unmodified && !http_date_get(&unmodified_s, unmodified)) return ERR_INVALID_HEADER;
    if (match && *match && (b == NULL || !etag_listed(match, b))) return ERR_CONDITION;
    if (b == NULL) return ERR_NONE;
    enum rest_error same = use == CONDITION_READ ? ERR_NOT_MODIFIED : ERR_CONDITION;
    if (none && *none && etag_listed(none, b)) return use == CONDITION_WRITE && strcmp(none, "*") == 0 ? ERR_BLOB_EXISTS : same;
    if (since_s && b->modified_ms / 1000 <= since_s) return same;
    if (unmodified_s && b->modified_ms / 1000 > unmodified_s) return ERR_CONDITION;
    return ERR_NONE;
}

/* ------------------------------------------------------------------ leases */

static enum rest_error id_header(char dst[static LEASE_ID_LEN + 1], const struct call *c, const char *name)
{
    const char *v = call_request_header(c, name);
    dst[0] = 0;
    if (v == NULL || *v == 0) return ERR_NONE;
    return lease_id_get(dst, v) ? ERR_NONE : ERR_INVALID_HEADER;
}

enum rest_error lease_header(char dst[static LEASE_ID_LEN + 1], const struct call *c)
{
    return id_header(dst, c, "x-ms-lease-id");
}

/* *out stays if the header is absent */
static bool number_header(int32_t *out, const struct call *c, const char *name)
{
    const char *v = call_request_header(c, name);
    uint64_t n;
    if (v == NULL || *v == 0) return true;
    bool minus = *v == '-';
    if (!u64_get(&n, v + minus) || n > 1000000) return false;
    *out = minus ? -(int32_t)n : (int32_t)n;
    return true;
}

enum rest_error lease_request_get(struct lease_request *out, struct call *c)
{
    static const char *const actions[] = {"acquire", "renew", "change", "release", "break"};
    const char *action = call_request_header(c, "x-ms-lease-action");
    struct lease_request q = {.duration_s = 0, .period_s = -1, .holder = c->client.id};
    char id[LEASE_ID_LEN + 1], proposed[LEASE_ID_LEN + 1];
    if (action == NULL || *action == 0) return ERR_MISSING_HEADER;
    size_t a = 0;
    while (a < COUNT_OF(actions) && strcasecmp(action, actions[a]) != 0) a++;
    if (a == COUNT_OF(actions)) return ERR_INVALID_HEADER;
    q.action = (enum lease_action)a;
    enum rest_error e = id_header(id, c, "x-ms-lease-id");
    if (e == ERR_NONE) e = id_header(proposed, c, "x-ms-proposed-lease-id");
    if (e != ERR_NONE) return e;
    if (!number_header(&q.duration_s, c, "x-ms-lease-duration") || !number_header(&q.period_s, c, "x-ms-lease-break-period"))
        return ERR_INVALID_HEADER;
    switch (q.action) {
    case LEASE_ACQUIRE:
        if (q.duration_s == 0 && call_request_header(c, "x-ms-lease-duration") == NULL) return ERR_MISSING_HEADER;
        if (q.duration_s != LEASE_INFINITE && (q.duration_s < LEASE_MIN_S || q.duration_s > LEASE_MAX_S)) return ERR_INVALID_HEADER;
        /* an acquire may repeat the id as x-ms-lease-id */
        if (proposed[0] == 0 && id[0] != 0) memcpy(proposed, id, sizeof proposed);
        if (proposed[0] == 0) lease_id_new(proposed);
        break;
    case LEASE_CHANGE:
        if (id[0] == 0 || proposed[0] == 0) return ERR_MISSING_HEADER;
        break;
    case LEASE_RENEW:
    case LEASE_RELEASE:
        if (id[0] == 0) return ERR_MISSING_HEADER;
        break;
    case LEASE_BREAK:
        if (call_request_header(c, "x-ms-lease-break-period") != NULL && (q.period_s < 0 || q.period_s > LEASE_BREAK_MAX_S))
            return ERR_INVALID_HEADER;
        break;
    }
    q.id = arena_strdup(&c->arena, id);
    q.proposed = arena_strdup(&c->arena, proposed);
    if (q.id == NULL || q.proposed == NULL) return ERR_INTERNAL;
    *out = q;
    return ERR_NONE;
}

void lease_reply(struct call *c, const struct lease_request *q, const struct blob_record *b)
{
    record_headers(c, b);
    switch (q->action) {
    case LEASE_ACQUIRE:
        c->reply.status = 201;
        call_headerf(c, "x-ms-lease-id", "%s", b->lease.id);
        break;
    case LEASE_RENEW:
    case LEASE_CHANGE:
        c->reply.status = 200;
        call_headerf(c, "x-ms-lease-id", "%s", b->lease.id);
        break;
    case LEASE_RELEASE: c->reply.status = 200; break;
    case LEASE_BREAK:
        c->reply.status = 202;
        call_headerf(c, "x-ms-lease-time", "%u", lease_remaining_s(&b->lease, c->now_ms));
        break;
    }
}

void lease_headers(struct call *c, const struct lease *l)
{
    enum lease_state s = lease_state_at(l, c->now_ms);
    call_header(c, "x-ms-lease-status", lease_is_locked(l, c->now_ms) ? "locked" : "unlocked");
    call_header(c, "x-ms-lease-state", lease_state_name(s));
    if (s == LEASE_LEASED) call_header(c, "x-ms-lease-duration", l->duration_s == LEASE_INFINITE ? "infinite" : "fixed");
}

void record_headers(struct call *c, const struct blob_record *b)
{
    char date[32];
    clock_format_rfc1123(date, b->modified_ms / 1000);
    call_headerf(c, "ETag", "\"0x%llX\"", (unsigned long long)b->etag);
    call_headerf(c, "Last-Modified", "%s", date);
}

/* ---------------------------------------------------------------- metadata */

struct pair {
    char name[128];
    const char *value;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct pair *)a)->name, ((const struct pair *)b)->name);
}

/* a C# identifier: that is Azure's rule */
static bool is_meta_name(const char *s)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return *s && strlen(s) < 128 && strspn(s, chars) == strlen(s) && !(*s >= '0' && *s <= '9');
}

enum rest_error meta_from_headers(struct buf *out, const struct call *c)
{
    struct pair pairs[META_N_MAX];
    size_t n = 0, total = 0;
    const char *name, *value;
    for (size_t i = 0; c->rq.header_at && c->rq.header_at(&name, &value, c->rq.ctx, i); i++) {
        if (strncasecmp(name, "x-ms-meta-", 10) != 0) continue;
        if (!is_meta_name(name + 10)) return ERR_INVALID_METADATA;
        if (n == META_N_MAX) return ERR_METADATA_SIZE;
        size_t k = 0;
        for (const char *p = name + 10; *p; p++) pairs[n].name[k++] = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
        pairs[n].name[k] = 0;
        for (const char *p = value; *p; p++)
            if (*p < 0x20 || *p > 0x7e) return ERR_INVALID_METADATA;
        pairs[n].value = value;
        total += k + strlen(value);
        n++;
    }
    if (total > META_MAX) return ERR_METADATA_SIZE;
    qsort(pairs, n, sizeof pairs[0], by_name);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && strcmp(pairs[i].name, pairs[i - 1].name) == 0) return ERR_INVALID_METADATA;
        rlp_put_string(out, bytes_str(pairs[i].name));
        rlp_put_string(out, bytes_str(pairs[i].value));
    }
    return ERR_NONE;
}

enum status meta_to_headers(struct call *c, bytes meta)
{
    while (meta.len > 0) {
        bytes k, v;
        if (rlp_get_string(&k, &meta) != OK || rlp_get_string(&v, &meta) != OK) return E_CORRUPT;
        const char *name = arena_printf(&c->arena, "x-ms-meta-%.*s", (int)k.len, (const char *)k.ptr);
        const char *value = arena_printf(&c->arena, "%.*s", (int)v.len, (const char *)v.ptr);
        if (name == NULL || value == NULL) return E_NOMEM;
        call_header(c, name, value);
    }
    return OK;
}
