#include "lib/azure/arm.h"

#include "lib/base/clock.h"
#include "lib/base/secret.h"

#include <ctype.h>

enum { PATH_MAX_LEN = 8192, PAGES_MAX = 1000, HOUR_MS = 3600000, DETAIL_DEPTH = 6, FAULT_MAX = 4 << 20, BODY_MAX = 8 << 20 };

struct azure_arm {
    struct azure_rest *rest;
    const atomic_bool *cancel;
};

enum status azure_arm_new(struct azure_arm **out, const struct azure_service_config *cfg, struct err *err)
{
    struct azure_arm *a = calloc(1, sizeof *a);
    if (a == NULL) return err_set(err, E_NOMEM, "resource manager: out of memory");
    a->cancel = cfg->cancel;
    enum status s = azure_rest_new(&a->rest, cfg, "Azure", AZURE_RESOURCE_MANAGEMENT, err);
    if (s != OK) {
        free(a);
        return s;
    }
    *out = a;
    return OK;
}

void azure_arm_free(struct azure_arm *a)
{
    if (a == NULL) return;
    azure_rest_free(a->rest);
    free(a);
}

/* ----------------------------------------------------------------- errors */

static void put_error(struct buf *b, const json_t *e, int depth)
{
    const json_t *details = json_object_get(e, "details"), *d;
    if (depth < DETAIL_DEPTH && json_array_size(details) > 0) {
        size_t i;
        json_array_foreach(details, i, d) put_error(b, d, depth + 1);
        return;
    }
    const char *code = json_string_value(json_object_get(e, "code")), *text = json_string_value(json_object_get(e, "message"));
    if (code == NULL && text == NULL) return;
    /* some providers put a whole error document, as text, into the message */
    json_t *inner = text != NULL && text[0] == '{' && depth < DETAIL_DEPTH ? json_loads(text, 0, NULL) : NULL;
    const json_t *ie = json_object_get(inner, "error");
    if (ie != NULL) {
        put_error(b, ie, depth + 1);
    } else {
        if (b->len > 0) buf_put_str(b, "; ");
        buf_printf(b, "%s%s%s", code ? code : "", code && text ? ": " : "", text ? text : "");
    }
    json_decref(inner);
}

void azure_arm_error_text(char *dst, size_t cap, const json_t *error)
{
    struct buf b;
    buf_init(&b, FAULT_MAX);
    put_error(&b, error, 0);
    const char *text = buf_cstr(&b);
    size_t n = strlen(text) < cap - 1 ? strlen(text) : cap - 1;
    for (size_t i = 0; i < n; i++) dst[i] = text[i] == '\n' || text[i] == '\r' ? ' ' : text[i];
    dst[n] = 0;
    buf_fini(&b);
}

/* rest.h's text names the outermost reason only */
static enum status with_details(enum status s, struct buf *fault_body, struct err *err)
{
    json_t *doc = fault_body->len > 0 ? json_loadb((const char *)fault_body->ptr, fault_body->len, 0, NULL) : NULL;
    const json_t *e = json_object_get(doc, "error");
    if (json_array_size(json_object_get(e, "details")) > 0 && err != NULL) {
        char text[900];
        azure_arm_error_text(text, sizeof text, e);
        size_t n = strlen(err->text);
        if (text[0] != 0 && n < sizeof err->text) (void)snprintf(err->text + n, sizeof err->text - n, " (%s)", text);
    }
    json_decref(doc);
    return s;
}

/* ------------------------------------------------------------------- call */

static bool is_absolute(const char *path)
{
    return strncmp(path, "https://", 8) == 0 || strncmp(path, "http://", 7) == 0;
}

static enum status check_host(const struct azure_arm *a, const char *url, struct err *err)
{
    const char *base = azure_rest_base(a->rest);
    size_t n = strlen(base);
    if (!is_absolute(url) || (strncasecmp(url, base, n) == 0 && (url[n] == '/' || url[n] == '?'))) return OK;
    return err_set(err, E_DENIED, "Azure points to %.200s, which is not at %s: no token is sent there", url, base);
}

struct reply {
    int status;
    json_t *doc;
    char next[PATH_MAX_LEN]; /* Azure-AsyncOperation, else Location; "" */
    bool is_operation;       /* next is an Azure-AsyncOperation */
    uint64_t pause_ms;
};

static enum status one(struct reply *out, struct azure_arm *a, const struct azure_arm_call *c, struct err *err)
{
    char *text = NULL;
    struct http_client_response resp;
    struct buf fault_body;
    static const char *const headers[] = {"Content-Type: application/json", "Accept: application/json"};
    *out = (struct reply){0};
    enum status s = check_host(a, c->path, err);
    if (s != OK) return s;
    if (c->body != NULL && (text = json_dumps(c->body, JSON_COMPACT)) == NULL) return err_set(err, E_NOMEM, "%s: out of memory", c->op);
    if (text != NULL && strlen(text) > BODY_MAX) {
        free(text);
        return err_set(err, E_LIMIT, "%s: the request is over %d MB", c->op, BODY_MAX >> 20);
    }
    buf_init(&fault_body, FAULT_MAX);
    bool sends = text != NULL || strcmp(c->method, "POST") == 0 || strcmp(c->method, "PUT") == 0;
    struct azure_call call = {.op = c->op, .permission = c->permission, .method = c->method, .path = c->path, .headers = headers, .n_headers = 2,
                              .body = text ? bytes_str(text) : bytes_make(NULL, 0), .has_body = sends, .deadline_ms = c->deadline_ms, .fault_body = &fault_body};
    s = azure_rest_do(&resp, a->rest, &call, c->fault, err);
    if (text != NULL) secret_wipe(text, strlen(text));
    free(text);
    if (s != OK) {
        s = with_details(s, &fault_body, err);
    } else {
        out->status = resp.status;
        out->pause_ms = azure_retry_after_ms(&resp);
        if (c->pause_ms != NULL && out->pause_ms > 0) *c->pause_ms = out->pause_ms;
        out->is_operation = http_client_header(out->next, sizeof out->next, &resp, "Azure-AsyncOperation");
        if (!out->is_operation && !http_client_header(out->next, sizeof out->next, &resp, "Location")) out->next[0] = 0;
        if (resp.body.len > 0) {
            json_error_t je;
            out->doc = json_loadb((const char *)resp.body.ptr, resp.body.len, 0, &je);
            if (out->doc == NULL) s = err_set(err, E_DECODE, "%s: Azure's answer is no JSON: %.200s", c->op, je.text);
        }
        http_client_response_fini(&resp);
    }
    buf_fini(&fault_body);
    return s;
}

enum status azure_arm_do(json_t **out, struct azure_arm *a, const struct azure_arm_call *c, struct err *err)
{
    struct reply r;
    enum status s = one(&r, a, c, err);
    if (s == OK && out != NULL) *out = r.doc;
    else json_decref(r.doc);
    return s;
}

enum status azure_arm_list(json_t **out, struct azure_arm *a, const struct azure_arm_call *c, struct err *err)
{
    json_t *all = json_array(), *doc = NULL;
    char path[PATH_MAX_LEN];
    (void)snprintf(path, sizeof path, "%s", c->path);
    enum status s = OK;
    for (int page = 0; s == OK && path[0] != 0; page++) {
        struct azure_arm_call call = *c;
        call.path = path;
        if (page == PAGES_MAX) s = err_set(err, E_LIMIT, "%s: the list does not end", c->op);
        else s = azure_arm_do(&doc, a, &call, err);
        if (s != OK) break;
        const json_t *value = json_object_get(doc, "value");
        if (json_array_extend(all, (json_t *)(uintptr_t)value) != 0) s = err_set(err, E_DECODE, "%s: Azure's answer has no list `value`", c->op);
        const char *next = json_string_value(json_object_get(doc, "nextLink"));
        (void)snprintf(path, sizeof path, "%s", next ? next : "");
        json_decref(doc);
        doc = NULL;
    }
    if (s == OK) *out = all;
    else json_decref(all);
    return s;
}

/* -------------------------------------------------------------- operation */

enum state { STATE_RUNNING, STATE_DONE, STATE_FAILED };

static enum state state_of(const char *text)
{
    if (text == NULL || strcasecmp(text, "Succeeded") == 0) return STATE_DONE;
    if (strcasecmp(text, "Failed") == 0 || strcasecmp(text, "Canceled") == 0 || strcasecmp(text, "Cancelled") == 0) return STATE_FAILED;
    return STATE_RUNNING;
}

static bool rest_for(const struct azure_arm *a, uint64_t ms)
{
    for (uint64_t left = ms; left > 0;) {
        uint64_t part = left < 50 ? left : 50;
        if (a->cancel != NULL && atomic_load(a->cancel)) return false;
        clock_sleep_ms(part);
        left -= part;
    }
    return a->cancel == NULL || !atomic_load(a->cancel);
}

static enum status operation_failed(const struct azure_arm_call *c, const json_t *doc, const char *state, struct err *err)
{
    char text[1500];
    const json_t *e = json_object_get(doc, "error");
    if (e == NULL) e = json_object_get(json_object_get(doc, "properties"), "error");
    azure_arm_error_text(text, sizeof text, e);
    return err_set(err, E_INVALID, "%s: Azure ended it as %s%s%.1000s", c->op, state, text[0] ? ": " : "", text);
}

/* where the resource itself tells how far it is */
static const char *provisioning_state(const json_t *doc)
{
    return json_string_value(json_object_get(json_object_get(doc, "properties"), "provisioningState"));
}

enum status azure_arm_run(json_t **out, struct azure_arm *a, const struct azure_arm_call *c, unsigned timeout_ms, azure_arm_wait_fn wait, void *ctx,
                          struct err *err)
{
    struct reply r;
    uint64_t start = clock_mono_ms(), limit = timeout_ms ? timeout_ms : HOUR_MS;
    enum status s = one(&r, a, c, err);
    if (s != OK) return s;
    bool own_state = strcmp(c->method, "PUT") == 0 || strcmp(c->method, "PATCH") == 0;
    char path[PATH_MAX_LEN];
    bool by_operation = r.is_operation, by_location = !by_operation && r.next[0] != 0 && r.status != 200;
    (void)snprintf(path, sizeof path, "%s", by_operation || by_location ? r.next : c->path);
    /* a PUT or PATCH that answers with the resource: its own state counts where no operation was named */
    bool done = by_operation ? false : by_location ? false : !(own_state && state_of(provisioning_state(r.doc)) == STATE_RUNNING);
    if (done && own_state && state_of(provisioning_state(r.doc)) == STATE_FAILED) s = operation_failed(c, r.doc, provisioning_state(r.doc), err);
    while (s == OK && !done) {
        uint64_t waited = clock_mono_ms() - start, pause = r.pause_ms ? r.pause_ms : AZURE_ARM_POLL_MS;
        if (wait != NULL && !wait(ctx, waited)) s = err_set(err, E_CANCELLED, "%s: no longer waited for", c->op);
        else if (waited + pause > limit) s = err_set(err, E_TIMEOUT, "%s: not done after %llu s", c->op, (unsigned long long)(waited / 1000));
        else if (!rest_for(a, pause)) s = err_set(err, E_CANCELLED, "%s: cancelled", c->op);
        if (s != OK) break;
        json_decref(r.doc);
        struct azure_arm_call look = {.op = c->op, .permission = c->permission, .method = "GET", .path = path, .deadline_ms = c->deadline_ms, .fault = c->fault};
        s = one(&r, a, &look, err);
        if (s != OK) break;
        if (by_operation) {
            const char *text = json_string_value(json_object_get(r.doc, "status"));
            enum state st = state_of(text);
            if (st == STATE_FAILED) s = operation_failed(c, r.doc, text, err);
            done = st == STATE_DONE;
        } else if (by_location) {
            done = r.status != 202;
            if (r.next[0] != 0 && !done && !r.is_operation) (void)snprintf(path, sizeof path, "%s", r.next);
        } else {
            const char *text = provisioning_state(r.doc);
            enum state st = state_of(text);
            if (st == STATE_FAILED) s = operation_failed(c, r.doc, text, err);
            done = st == STATE_DONE;
        }
    }
    /* an operation's own answer is not the resource */
    if (s == OK && by_operation && own_state) {
        json_decref(r.doc);
        struct azure_arm_call look = {.op = c->op, .permission = c->permission, .method = "GET", .path = c->path, .deadline_ms = c->deadline_ms, .fault = c->fault};
        s = one(&r, a, &look, err);
    }
    if (s == OK && out != NULL) *out = r.doc;
    else json_decref(r.doc);
    return s;
}
