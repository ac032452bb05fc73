#include "identity-store/storage_key.h"

#include "identity-store/routes.h"
#include "identity-store/text.h"
#include "lib/base/file.h"
#include "lib/codec/base64.h"
#include "lib/crypto/aead.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

enum { KEY_BYTES_MAX = 256, PARAMS_MAX = 64, TO_SIGN_MAX = 64 << 10, FIELD_MAX = 2048, CLOCK_SLACK_S = 900 };

enum status storage_key_read(struct buf *key, const char *path, struct err *err)
{
    struct stat st;
    struct buf text;
    if (stat(path, &st) == 0 && (st.st_mode & 077) != 0) return err_set(err, E_DENIED, "%s: others can read this key: chmod 600 it", path);
    buf_init(&text, 1024);
    enum status s = file_read(&text, path, err);
    while (s == OK && text.len > 0 && text.ptr[text.len - 1] <= ' ') text.len--;
    if (s == OK && (base64_get(key, buf_view(&text), false) != OK || key->len < 16))
        s = err_set(err, E_DECODE, "%s: wants an account key: base64 of at least 16 bytes", path);
    if (text.ptr != NULL) secret_wipe(text.ptr, text.cap);
    buf_fini(&text);
    return s;
}

/* does base64(HMAC(key, text)) stand in `signature`? What was sent is decoded, not ours encoded: that would look up a table by secret bytes. */
static bool is_signed(bytes key, bytes text, const char *signature)
{
    uint8_t mac[32];
    struct buf b;
    buf_init(&b, 64);
    hmac_sha256(mac, key, text);
    bool good = base64_get(&b, bytes_str(signature), false) == OK && b.len == sizeof mac && ct_eq(b.ptr, mac, sizeof mac);
    secret_wipe(mac, sizeof mac);
    buf_fini(&b);
    return good;
}

static void become(struct call *c, const char *who)
{
    c->client = (struct client){.role = ROLE_ORCHESTRATOR};
    (void)snprintf(c->client.id, sizeof c->client.id, "%s", who);
}

/* -------------------------------------------------------------- Shared Key */

struct param {
    const char *name, *value;
};

static char *decode(struct call *c, const char *from, size_t len, bool lower)
{
    char *out = arena_alloc(&c->arena, len + 1), *p = out;
    for (size_t i = 0; out != NULL && i < len; i++) {
        char ch = from[i];
        if (ch == '%' && i + 2 < len && isxdigit((unsigned char)from[i + 1]) && isxdigit((unsigned char)from[i + 2])) {
            char hex[3] = {from[i + 1], from[i + 2], 0};
            ch = (char)strtoul(hex, NULL, 16);
            i += 2;
        }
        *p++ = lower && ch >= 'A' && ch <= 'Z' ? (char)(ch - 'A' + 'a') : ch;
    }
    if (out != NULL) *p = 0;
    return out;
}

static int by_name(const void *a, const void *b)
{
    const struct param *x = a, *y = b;
    int d = strcmp(x->name, y->name);
    return d != 0 ? d : strcmp(x->value, y->value);
}

/* "\nname:value,value" for each parameter, ordered */
static bool put_query(struct buf *out, struct call *c)
{
    struct param list[PARAMS_MAX];
    size_t n = 0;
    const char *p = (const char *)c->rq.query.ptr, *end = p + c->rq.query.len;
    while (p < end) {
        const char *amp = memchr(p, '&', (size_t)(end - p));
        size_t len = (size_t)((amp ? amp : end) - p);
        const char *eq = memchr(p, '=', len);
        size_t name_len = eq ? (size_t)(eq - p) : len;
        if (len > 0) {
            if (n == PARAMS_MAX) return false;
            list[n].name = decode(c, p, name_len, true);
            list[n].value = eq ? decode(c, eq + 1, len - name_len - 1, false) : "";
            if (list[n].name == NULL || list[n].value == NULL) return false;
            n++;
        }
        p += len + 1;
    }
    if (n > 1) qsort(list, n, sizeof *list, by_name);
    for (size_t i = 0; i < n; i++) {
        bool same = i > 0 && strcmp(list[i].name, list[i - 1].name) == 0;
        if (same) buf_printf(out, ",%s", list[i].value);
        else buf_printf(out, "\n%s:%s", list[i].name, list[i].value);
    }
    return true;
}

static bool put_ms_headers(struct buf *out, struct call *c)
{
    struct param list[PARAMS_MAX];
    const char *name, *value;
    size_t n = 0;
    for (size_t i = 0; c->rq.header_at != NULL && c->rq.header_at(&name, &value, c->rq.ctx, i); i++) {
        if (strncasecmp(name, "x-ms-", 5) != 0) continue;
        if (n == PARAMS_MAX) return false;
        list[n].name = decode(c, name, strlen(name), true);
        list[n].value = value;
        if (list[n++].name == NULL) return false;
    }
    if (n > 1) qsort(list, n, sizeof *list, by_name);
    for (size_t i = 0; i < n; i++) buf_printf(out, "%s:%s\n", list[i].name, list[i].value);
    return true;
}

static const char *header_or_empty(const struct call *c, const char *name)
{
    const char *v = call_request_header(c, name);
    return v ? v : "";
}

/* The path as the client may have written it: the server has decoded it. All forms name the same resource. */
enum path_form { PATH_DECODED, PATH_COMPONENT, PATH_STRICT, PATH_FORMS };

static void put_path(struct buf *out, const char *path, enum path_form form)
{
    const char *keep = form == PATH_COMPONENT ? "-_.~/!()*" : "-_.~/";
    for (const char *p = path; *p; p++) {
        unsigned char ch = (unsigned char)*p;
        if (form == PATH_DECODED || (ch < 128 && isalnum(ch)) || strchr(keep, ch) != NULL) buf_put_u8(out, ch);
        else buf_printf(out, "%%%02X", ch);
    }
}

static bool put_to_sign(struct buf *out, struct call *c, enum path_form form)
{
    static const char *const fields[] = {"Content-MD5", "Content-Type", "Date", "If-Modified-Since", "If-Match", "If-None-Match",
                                         "If-Unmodified-Since", "Range"};
    const char *len = header_or_empty(c, "Content-Length");
    bool has_date = call_request_header(c, "x-ms-date") != NULL;
    buf_printf(out, "%s\n%s\n%s\n%s\n", http_method_name(c->rq.method), header_or_empty(c, "Content-Encoding"),
               header_or_empty(c, "Content-Language"), strcmp(len, "0") == 0 ? "" : len);
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        buf_printf(out, "%s\n", has_date && strcmp(fields[i], "Date") == 0 ? "" : header_or_empty(c, fields[i]));
    if (!put_ms_headers(out, c)) return false;
    buf_printf(out, "/%s", c->cfg->account);
    put_path(out, c->rq.path, form);
    return put_query(out, c) && buf_status(out) == OK;
}

enum rest_error shared_key_check(struct call *c, bytes key, const char *authorization)
{
    const char *p = authorization + strcspn(authorization, " ");
    p += strspn(p, " ");
    size_t account = strlen(c->cfg->account);
    if (strncmp(p, c->cfg->account, account) != 0 || p[account] != ':') return ERR_AUTHENTICATION;
    const char *signature = p + account + 1, *date = call_request_header(c, "x-ms-date");
    uint64_t then_s = 0, now_s = c->wall_ms / 1000;
    if (date == NULL) date = header_or_empty(c, "Date");
    if (!http_date_get(&then_s, date) || then_s + CLOCK_SLACK_S < now_s || then_s > now_s + CLOCK_SLACK_S) return ERR_AUTHENTICATION;
    bool good = false;
    for (int form = 0; form < PATH_FORMS && !good; form++) {
        struct buf b;
        buf_init(&b, TO_SIGN_MAX);
        good = put_to_sign(&b, c, (enum path_form)form) && is_signed(key, buf_view(&b), signature);
        buf_fini(&b);
    }
    if (!good) return ERR_AUTHENTICATION;
    become(c, "shared-key");
    return ERR_NONE;
}

/* --------------------------------------------------------------------- SAS */

static const char *field(struct call *c, const char *name)
{
    char text[FIELD_MAX];
    if (!query_get(text, sizeof text, c->rq.query, name)) return "";
    const char *copy = arena_strdup(&c->arena, text);
    return copy ? copy : "";
}

/* "2026-11-23", "2026-11-23T09:30Z" or "2026-11-23T09:30:15Z" */
static bool iso_time(uint64_t *out, const char *text)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        struct tm t = {0};
        const char *end = strptime(text, forms[i], &t);
        time_t at = end != NULL && *end == 0 ? timegm(&t) : -1;
        if (at < 0) continue;
        *out = (uint64_t)at;
        return true;
    }
    return false;
}

static bool ip_is_in(const char *range, const char *peer)
{
    char from[64];
    struct in_addr a, b, p;
    size_t n = strcspn(range, "-");
    if (n >= sizeof from) return false;
    memcpy(from, range, n);
    from[n] = 0;
    if (inet_pton(AF_INET, from, &a) != 1 || inet_pton(AF_INET, peer, &p) != 1) return false;
    b = a;
    if (range[n] == '-' && inet_pton(AF_INET, range + n + 1, &b) != 1) return false;
    return ntohl(p.s_addr) >= ntohl(a.s_addr) && ntohl(p.s_addr) <= ntohl(b.s_addr);
}

/* what a route wants: one of these permissions, on this kind of resource (s, c or o) */
static const struct {
    enum status (*run)(struct call *c);
    const char *any_of;
    char type;
} needs[] = {
    {container_list, "l", 's'},       {service_properties, "r", 's'},     {container_create, "cw", 'c'},
    {container_properties, "r", 'c'}, {container_set_metadata, "w", 'c'}, {container_lease, "wd", 'c'},
    {container_delete, "d", 'c'},     {blob_list, "l", 'c'},              {blob_put, "wc", 'o'},
    {blob_get, "r", 'o'},             {blob_delete, "d", 'o'},            {blob_properties, "r", 'o'},
    {blob_set_metadata, "w", 'o'},    {blob_set_properties, "w", 'o'},    {blob_lease, "w", 'o'},
    {block_put, "wc", 'o'},           {block_commit, "wc", 'o'},
};

static bool is_allowed(struct call *c, const char *permissions, char *type)
{
    for (size_t i = 0; i < COUNT_OF(needs); i++) {
        if (needs[i].run != c->route->run) continue;
        *type = needs[i].type;
        if (strpbrk(permissions, needs[i].any_of) == NULL) return false;
        c->create_only = *type == 'o' && strchr(needs[i].any_of, 'c') != NULL && strchr(permissions, 'w') == NULL;
        return true;
    }
    return false;
}

struct sas {
    const char *sp, *st, *se, *sip, *spr, *sv, *sr, *ss, *srt, *sig, *ses;
};

static void put_sas(struct buf *out, struct call *c, const struct sas *q)
{
    bool scoped = strcmp(q->sv, "2020-12-06") >= 0;
    if (*q->ss != 0) {
        buf_printf(out, "%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n", c->cfg->account, q->sp, q->ss, q->srt, q->st, q->se, q->sip, q->spr, q->sv);
        if (scoped) buf_printf(out, "%s\n", q->ses);
        return;
    }
    bool blob = *q->sr == 'b';
    buf_printf(out, "%s\n%s\n%s\n/blob/%s/%s%s%s\n%s\n%s\n%s\n%s\n%s\n%s\n", q->sp, q->st, q->se, c->cfg->account, c->container, blob ? "/" : "",
               blob ? c->blob : "", field(c, "si"), q->sip, q->spr, q->sv, q->sr, "");
    if (scoped) buf_printf(out, "%s\n", q->ses);
    buf_printf(out, "%s\n%s\n%s\n%s\n%s", field(c, "rscc"), field(c, "rscd"), field(c, "rsce"), field(c, "rscl"), field(c, "rsct"));
}

enum rest_error sas_check(struct call *c, bytes key)
{
    struct sas q = {field(c, "sp"), field(c, "st"), field(c, "se"), field(c, "sip"), field(c, "spr"), field(c, "sv"),
                    field(c, "sr"), field(c, "ss"), field(c, "srt"), field(c, "sig"), field(c, "ses")};
    uint64_t from_s = 0, to_s = 0, now_s = c->wall_ms / 1000;
    char type = 0;
    struct buf b;
    /* 2018-11-09: the first whose text to sign names the kind of resource */
    if (strcmp(q.sv, "2018-11-09") < 0 || *q.se == 0) return ERR_AUTHENTICATION;
    if (*q.ss == 0 && strcmp(q.sr, "b") != 0 && strcmp(q.sr, "c") != 0) return ERR_AUTHENTICATION;
    buf_init(&b, TO_SIGN_MAX);
    put_sas(&b, c, &q);
    bool good = buf_status(&b) == OK && is_signed(key, buf_view(&b), q.sig);
    buf_fini(&b);
    if (!good || !iso_time(&to_s, q.se) || (*q.st != 0 && !iso_time(&from_s, q.st))) return ERR_AUTHENTICATION;
    if (to_s <= now_s || from_s > now_s) return ERR_AUTHENTICATION;
    if (strcmp(q.spr, "https") == 0 && c->cfg->tls_cert == NULL) return ERR_SAS_PROTOCOL;
    if (*q.sip != 0 && !ip_is_in(q.sip, c->rq.peer)) return ERR_SAS_ADDRESS;
    if (c->route->run == NULL) return ERR_NONE; /* the error of the path is the answer */
    bool allowed = is_allowed(c, q.sp, &type);
    if (*q.ss != 0) {
        if (strchr(q.ss, 'b') == NULL) return ERR_SAS_SERVICE;
        if (type != 0 && strchr(q.srt, type) == NULL) return ERR_SAS_RESOURCE;
    } else if (type == 's' || (type == 'c' && (*q.sr != 'c' || c->route->run != blob_list))) {
        return ERR_SAS_RESOURCE; /* a container's SAS lists it and reaches its blobs, no more */
    }
    if (!allowed) return ERR_FORBIDDEN;
    become(c, "sas");
    return ERR_NONE;
}
