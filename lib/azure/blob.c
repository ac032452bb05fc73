#include "lib/azure/blob.h"

#include "lib/azure/xml_priv.h"
#include "lib/codec/uri.h"

#include <strings.h>

enum { HEADERS_MAX = 32, HEADER_BYTES = 16 << 10, PATH_BYTES = 8 << 10 };

struct blob_store {
    struct azure_rest *rest;
};

/* one call being put together: header lines in one buffer */
struct draft {
    struct buf path, lines;
    size_t at[HEADERS_MAX];
    size_t n;
};

enum status blob_store_new(struct blob_store **out, const struct azure_service_config *cfg, struct err *err)
{
    struct blob_store *b = calloc(1, sizeof *b);
    if (b == NULL) return err_set(err, E_NOMEM, "blob store: out of memory");
    enum status s = azure_rest_new(&b->rest, cfg, "blob store", AZURE_RESOURCE_STORAGE, err);
    if (s != OK) {
        free(b);
        return s;
    }
    *out = b;
    return OK;
}

void blob_store_free(struct blob_store *b)
{
    if (b == NULL) return;
    azure_rest_free(b->rest);
    free(b);
}

static void draft_header(struct draft *d, const char *name, const char *value)
{
    if (value == NULL) return;
    if (d->n == HEADERS_MAX || strpbrk(value, "\r\n") != NULL) {
        d->lines.status = E_INVALID;
        return;
    }
    d->at[d->n++] = d->lines.len;
    buf_put_str(&d->lines, name);
    /* libcurl drops a header without a value; a semicolon keeps it */
    buf_put_str(&d->lines, *value ? ": " : ";");
    buf_put_str(&d->lines, value);
    buf_put_u8(&d->lines, 0);
}

static void draft_init(struct draft *d, const char *container, const char *name, const char *query)
{
    *d = (struct draft){0};
    buf_init(&d->path, PATH_BYTES);
    buf_init(&d->lines, HEADER_BYTES);
    buf_put_u8(&d->path, '/');
    uri_put(&d->path, container, false);
    if (name) {
        buf_put_u8(&d->path, '/');
        uri_put(&d->path, name, true);
    }
    buf_put_str(&d->path, query);
    draft_header(d, "x-ms-version", "2021-12-02");
}

static void draft_fini(struct draft *d)
{
    buf_fini(&d->path);
    buf_fini(&d->lines);
}

static enum status run(struct http_client_response *out, struct blob_store *b, struct draft *d, struct azure_call c,
                       struct azure_fault *fault, struct err *err)
{
    const char *headers[HEADERS_MAX];
    if (buf_status(&d->path) != OK || buf_status(&d->lines) != OK)
        return err_set(err, E_INVALID, "%s: name, condition or metadata too long or malformed", c.op);
    for (size_t i = 0; i < d->n; i++) headers[i] = (const char *)d->lines.ptr + d->at[i];
    c.path = buf_cstr(&d->path);
    c.headers = headers;
    c.n_headers = d->n;
    return azure_rest_do(out, b->rest, &c, fault, err);
}

/* a call whose answer has nothing of interest */
static enum status run_plain(struct blob_store *b, struct draft *d, struct azure_call c, struct azure_fault *fault, struct err *err)
{
    struct http_client_response resp;
    enum status s = run(&resp, b, d, c, fault, err);
    if (s == OK) http_client_response_fini(&resp);
    return s;
}

static void conditions(struct draft *d, const struct blob_conditions *c)
{
    if (c == NULL) return;
    draft_header(d, "If-Match", c->if_match);
    draft_header(d, "If-None-Match", c->if_none_match);
    draft_header(d, "x-ms-lease-id", c->lease_id);
}

/* ------------------------------------------------------------- containers */

enum status blob_container_create(struct blob_store *b, const char *container, struct err *err)
{
    struct draft d;
    struct azure_fault f = {0};
    char op[160];
    (void)snprintf(op, sizeof op, "create container %.100s", container);
    draft_init(&d, container, NULL, "?restype=container");
    struct azure_call c = {.op = op, .permission = "containers/write", .method = "PUT", .has_body = true};
    enum status s = run_plain(b, &d, c, &f, err);
    if (s == E_CONFLICT && strcmp(f.code, "ContainerAlreadyExists") == 0)
        s = err_set(err, E_EXISTS, "blob store %s: the container %s exists", azure_rest_base(b->rest), container);
    draft_fini(&d);
    return s;
}

enum status blob_container_delete(struct blob_store *b, const char *container, struct err *err)
{
    struct draft d;
    char op[160];
    (void)snprintf(op, sizeof op, "delete container %.100s", container);
    draft_init(&d, container, NULL, "?restype=container");
    struct azure_call c = {.op = op, .permission = "containers/delete", .method = "DELETE"};
    enum status s = run_plain(b, &d, c, NULL, err);
    draft_fini(&d);
    return s;
}

/* ------------------------------------------------------------------ blobs */

static bool lease_state_get(enum blob_lease_state *out, const char *text)
{
    static const char *const names[] = {"available", "leased", "expired", "breaking", "broken"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcasecmp(text, names[i]) == 0) {
            *out = (enum blob_lease_state)i;
            return true;
        }
    }
    return false;
}

enum status blob_put(struct blob_store *b, const char *container, const char *name, const char *content_type, bytes body,
                     const struct blob_meta *meta, size_t n_meta, const struct blob_conditions *cond, struct err *err)
{
    char etag[BLOB_ETAG_MAX];
    return blob_put_tagged(etag, b, container, name, content_type, body, meta, n_meta, cond, err);
}

enum status blob_put_tagged(char etag[static BLOB_ETAG_MAX], struct blob_store *b, const char *container, const char *name,
                            const char *content_type, bytes body, const struct blob_meta *meta, size_t n_meta,
                            const struct blob_conditions *cond, struct err *err)
{
    struct draft d;
    struct http_client_response resp;
    struct azure_fault f = {0};
    char op[300], key[160];
    (void)snprintf(op, sizeof op, "put blob %.60s/%.200s", container, name);
    draft_init(&d, container, name, "");
    draft_header(&d, "x-ms-blob-type", "BlockBlob");
    draft_header(&d, "Content-Type", content_type ? content_type : "application/octet-stream");
    for (size_t i = 0; i < n_meta; i++) {
        (void)snprintf(key, sizeof key, "x-ms-meta-%.128s", meta[i].name);
        draft_header(&d, key, meta[i].value);
    }
    conditions(&d, cond);
    struct azure_call c = {.op = op, .permission = "blobs/write", .method = "PUT", .body = body, .has_body = true};
    enum status s = run(&resp, b, &d, c, &f, err);
    if (s == OK) {
        if (!http_client_header(etag, BLOB_ETAG_MAX, &resp, "ETag")) etag[0] = 0;
        http_client_response_fini(&resp);
    }
    if (s == E_CONFLICT && cond && cond->if_none_match && (f.http_status == 409 || strcmp(f.code, "ConditionNotMet") == 0))
        s = err_set(err, E_EXISTS, "blob store %s: the blob %s/%s exists", azure_rest_base(b->rest), container, name);
    draft_fini(&d);
    return s;
}

static void info_of(struct blob_info *info, const char *name, const struct http_client_response *r, uint64_t len)
{
    char text[64];
    *info = (struct blob_info){.len = len};
    (void)snprintf(info->name, sizeof info->name, "%s", name);
    if (!http_client_header(info->etag, sizeof info->etag, r, "ETag")) info->etag[0] = 0;
    if (http_client_header(text, sizeof text, r, "x-ms-lease-state") && !lease_state_get(&info->lease_state, text))
        info->lease_state = BLOB_LEASE_AVAILABLE;
}

enum status blob_get(struct buf *out, struct blob_info *info, struct blob_store *b, const char *container, const char *name,
                     struct err *err)
{
    struct draft d;
    struct http_client_response resp;
    char op[300];
    (void)snprintf(op, sizeof op, "get blob %.60s/%.200s", container, name);
    draft_init(&d, container, name, "");
    struct azure_call c = {.op = op, .permission = "blobs/read", .method = "GET"};
    enum status s = run(&resp, b, &d, c, NULL, err);
    draft_fini(&d);
    if (s != OK) return s;
    size_t before = out->len;
    buf_put_bytes(out, buf_view(&resp.body));
    s = buf_status(out);
    if (s != OK) s = err_set(err, s, "%s: %zu bytes are more than the %zu wanted", op, resp.body.len, out->max - before);
    else if (info) info_of(info, name, &resp, resp.body.len);
    http_client_response_fini(&resp);
    return s;
}

enum status blob_head(struct blob_info *info, struct blob_store *b, const char *container, const char *name, struct err *err)
{
    return blob_head_meta(NULL, 0, info, b, container, name, NULL, err);
}

enum status blob_head_meta(char *value, size_t cap, struct blob_info *info, struct blob_store *b, const char *container, const char *name,
                           const char *meta_name, struct err *err)
{
    struct draft d;
    struct http_client_response resp;
    char op[300], text[32];
    (void)snprintf(op, sizeof op, "get properties of blob %.60s/%.200s", container, name);
    draft_init(&d, container, name, "");
    struct azure_call c = {.op = op, .permission = "blobs/read", .method = "HEAD"};
    enum status s = run(&resp, b, &d, c, NULL, err);
    draft_fini(&d);
    if (s != OK) return s;
    info_of(info, name, &resp, http_client_header(text, sizeof text, &resp, "Content-Length") ? strtoull(text, NULL, 10) : 0);
    if (meta_name != NULL) {
        char key[160], whole[2048];
        (void)snprintf(key, sizeof key, "x-ms-meta-%.128s", meta_name);
        if (!http_client_header(whole, sizeof whole, &resp, key)) whole[0] = 0;
        if (strlen(whole) >= cap) s = err_set(err, E_LIMIT, "%s: the metadata %s is over %zu characters", op, meta_name, cap - 1);
        else memcpy(value, whole, strlen(whole) + 1);
    }
    http_client_response_fini(&resp);
    return s;
}

enum status blob_delete(struct blob_store *b, const char *container, const char *name, const struct blob_conditions *cond, struct err *err)
{
    struct draft d;
    char op[300];
    (void)snprintf(op, sizeof op, "delete blob %.60s/%.200s", container, name);
    draft_init(&d, container, name, "");
    conditions(&d, cond);
    struct azure_call c = {.op = op, .permission = "blobs/delete", .method = "DELETE"};
    enum status s = run_plain(b, &d, c, NULL, err);
    draft_fini(&d);
    return s;
}

/* one page; marker: in: where it begins, out: where the next begins, "" at the end */
static enum status list_page(struct blob_store *b, const char *container, const char *prefix, struct buf *marker, blob_info_fn fn,
                             void *ctx, struct err *err)
{
    struct draft d;
    struct http_client_response resp;
    char op[160];
    (void)snprintf(op, sizeof op, "list blobs of %.60s", container);
    draft_init(&d, container, NULL, "?restype=container&comp=list");
    if (prefix && *prefix) {
        buf_put_str(&d.path, "&prefix=");
        uri_put(&d.path, prefix, false);
    }
    if (marker->len) {
        buf_put_str(&d.path, "&marker=");
        uri_put(&d.path, buf_cstr(marker), false);
    }
    struct azure_call c = {.op = op, .permission = "blobs/read", .method = "GET"};
    enum status s = run(&resp, b, &d, c, NULL, err);
    draft_fini(&d);
    if (s != OK) return s;
    bytes in = buf_view(&resp.body), blobs, one;
    bool well_formed = xml_next(&blobs, &in, "Blobs");
    while (well_formed && s == OK && xml_next(&one, &blobs, "Blob")) {
        struct blob_info info = {0};
        char text[64];
        well_formed = xml_text(info.name, sizeof info.name, one, "Name");
        if (!well_formed) break;
        if (!xml_text(info.etag, sizeof info.etag, one, "Etag")) info.etag[0] = 0;
        if (xml_text(text, sizeof text, one, "Content-Length")) info.len = strtoull(text, NULL, 10);
        if (xml_text(text, sizeof text, one, "LeaseState") && !lease_state_get(&info.lease_state, text)) well_formed = false;
        if (well_formed) s = fn(ctx, &info);
    }
    char next[4096] = "";
    if (!well_formed) s = err_set(err, E_DECODE, "blob store %s: %s: the answer is no list of blobs", azure_rest_base(b->rest), op);
    else if (s != OK) s = err_set(err, s, "blob store %s: %s: %s", azure_rest_base(b->rest), op, status_text(s));
    else if (!xml_text(next, sizeof next, in, "NextMarker")) next[0] = 0;
    buf_clear(marker);
    buf_put_str(marker, next);
    http_client_response_fini(&resp);
    return s;
}

enum status blob_list(struct blob_store *b, const char *container, const char *prefix, blob_info_fn fn, void *ctx, struct err *err)
{
    struct buf marker;
    buf_init(&marker, 4096);
    enum status s;
    do s = list_page(b, container, prefix, &marker, fn, ctx, err);
    while (s == OK && marker.len > 0);
    buf_fini(&marker);
    return s;
}

/* ----------------------------------------------------------------- leases */

struct lease_args {
    const char *action, *lease_id, *proposed_id, *duration, *period;
};

static enum status lease(unsigned *remaining_s, struct blob_store *b, const char *container, const char *name, const struct lease_args *a,
                         unsigned deadline_ms, struct err *err)
{
    struct draft d;
    struct http_client_response resp;
    char op[300], text[32];
    (void)snprintf(op, sizeof op, "%s lease on %.60s/%.200s", a->action, container, name);
    draft_init(&d, container, name, "?comp=lease");
    draft_header(&d, "x-ms-lease-action", a->action);
    draft_header(&d, "x-ms-lease-id", a->lease_id);
    draft_header(&d, "x-ms-proposed-lease-id", a->proposed_id);
    draft_header(&d, "x-ms-lease-duration", a->duration);
    draft_header(&d, "x-ms-lease-break-period", a->period);
    struct azure_call c = {.op = op, .permission = "blobs/write", .method = "PUT", .has_body = true, .deadline_ms = deadline_ms};
    enum status s = run(&resp, b, &d, c, NULL, err);
    draft_fini(&d);
    if (s != OK) return s;
    if (remaining_s) *remaining_s = http_client_header(text, sizeof text, &resp, "x-ms-lease-time") ? (unsigned)strtoul(text, NULL, 10) : 0;
    http_client_response_fini(&resp);
    return OK;
}

enum status blob_lease_acquire(struct blob_store *b, const char *container, const char *name, int duration_s, const char *proposed_id,
                               unsigned deadline_ms, struct err *err)
{
    char duration[16];
    (void)snprintf(duration, sizeof duration, "%d", duration_s);
    struct lease_args a = {.action = "acquire", .proposed_id = proposed_id, .duration = duration};
    return lease(NULL, b, container, name, &a, deadline_ms, err);
}

enum status blob_lease_renew(struct blob_store *b, const char *container, const char *name, const char *lease_id, unsigned deadline_ms,
                             struct err *err)
{
    struct lease_args a = {.action = "renew", .lease_id = lease_id};
    return lease(NULL, b, container, name, &a, deadline_ms, err);
}

enum status blob_lease_release(struct blob_store *b, const char *container, const char *name, const char *lease_id, unsigned deadline_ms,
                               struct err *err)
{
    struct lease_args a = {.action = "release", .lease_id = lease_id};
    return lease(NULL, b, container, name, &a, deadline_ms, err);
}

enum status blob_lease_change(struct blob_store *b, const char *container, const char *name, const char *lease_id, const char *proposed_id,
                              unsigned deadline_ms, struct err *err)
{
    struct lease_args a = {.action = "change", .lease_id = lease_id, .proposed_id = proposed_id};
    return lease(NULL, b, container, name, &a, deadline_ms, err);
}

enum status blob_lease_break(unsigned *remaining_s, struct blob_store *b, const char *container, const char *name, int period_s,
                             unsigned deadline_ms, struct err *err)
{
    char period[16];
    (void)snprintf(period, sizeof period, "%d", period_s);
    struct lease_args a = {.action = "break", .period = period_s >= 0 ? period : NULL};
    return lease(remaining_s, b, container, name, &a, deadline_ms, err);
}

void blob_lease_id_new(char id[static BLOB_LEASE_ID_LEN + 1])
{
    uint8_t r[16];
    rng_fill(r, sizeof r);
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    (void)snprintf(id, BLOB_LEASE_ID_LEN + 1, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2],
                   r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
}
