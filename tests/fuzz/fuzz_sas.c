/* module: identity-store */
/* Shared Key and SAS: nothing is let in whose signed text differs from what the key's owner has signed. Input: one byte mode, then 0: a request of
 * any shape (lines: target, "name: value"...); 1: edits (two bytes place, one byte what) of a good SAS query; 2: of a good Shared Key request. */
#include "identity-store/routes.h"
#include "identity-store/storage_key.h"
#include "identity-store/text.h"
#include "lib/codec/base64.h"
#include "lib/crypto/aead.h"
#include "tests/fuzz/identity_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { NOW_S = 1800000000, TEXT_MAX = 4096 };
static const char KEY[] = "the key of the account, 64 bytes are usual but not needed here..";

struct world {
    struct store store;
    struct config cfg;
    char sas[1024];  /* query */
    char shared[TEXT_MAX]; /* as mode 0 has it */
};

static void sign(char *out, size_t cap, const char *text)
{
    uint8_t mac[32];
    struct buf b;
    buf_init(&b, 64);
    hmac_sha256(mac, bytes_str(KEY), bytes_str(text));
    base64_append(&b, bytes_make(mac, 32), false);
    (void)snprintf(out, cap, "%s", buf_cstr(&b));
    buf_fini(&b);
}

/* '+', '/' and '=' of base64 within a query */
static void put_escaped(char *out, size_t cap, const char *text)
{
    size_t n = 0;
    for (; *text && n + 4 < cap; text++)
        n += (size_t)(strchr("+/=", *text) ? snprintf(out + n, cap - n, "%%%02X", *text) : snprintf(out + n, cap - n, "%c", *text));
}

static void make_world(struct world *w)
{
    struct store_options o = {.data_dir = "memory"};
    char sig[64], escaped[160];
    w->cfg = (struct config){.soft_delete_days = 7, .tls_cert = (char[]){"x"}};
    (void)snprintf(w->cfg.account, sizeof w->cfg.account, "acct");
    if (store_open(&w->store, &o, NULL) != OK) BUG("store");
    sign(sig, sizeof sig, "r\n\n2027-06-01T00:00:00Z\n/blob/acct/c-1/a.json\n\n\nhttps\n2020-10-02\nb\n\n\n\n\n\n");
    put_escaped(escaped, sizeof escaped, sig);
    (void)snprintf(w->sas, sizeof w->sas, "sp=r&se=2027-06-01T00%%3A00%%3A00Z&spr=https&sv=2020-10-02&sr=b&sig=%s", escaped);
    sign(sig, sizeof sig, "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 15 Jan 2027 08:00:00 GMT\nx-ms-version:2020-10-02\n/acct/c-1/a.json\ncomp:metadata");
    (void)snprintf(w->shared, sizeof w->shared,
                   "/c-1/a.json?comp=metadata\nx-ms-date: Fri, 15 Jan 2027 08:00:00 GMT\nx-ms-version: 2020-10-02\nAuthorization: SharedKey acct:%s\n", sig);
}

/* ret ERR_NONE: let in. text: lines, changed in place */
static enum rest_error ask(struct world *w, char *text, bool *routed)
{
    struct input in = {0};
    struct call c;
    char *p = text, *query = NULL;
    (void)line(&p);
    headers_get(&in, &p);
    query = strchr(text, '?');
    if (query) *query++ = 0;
    call_init(&c, &w->store, &w->cfg);
    c.wall_ms = (uint64_t)NOW_S * 1000;
    c.rq = (struct request){.method = HTTP_GET, .path = text, .query = bytes_str(query ? query : ""), .peer = "127.0.0.1", .ctx = &in, .header = header, .header_at = header_at};
    enum rest_error e = ERR_NO_ROUTE;
    *routed = text[0] == '/' && route_find(&c) == ERR_NONE && c.route->service == SERVICE_BLOB;
    const char *auth = header(&in, "Authorization");
    if (*routed) e = auth ? shared_key_check(&c, bytes_str(KEY), auth) : sas_check(&c, bytes_str(KEY));
    if (e == ERR_NONE && c.client.role != ROLE_ORCHESTRATOR) BUG("let in as nobody");
    call_fini(&c);
    return e;
}

static void edit(char *text, size_t from, const uint8_t *edits, size_t len)
{
    size_t n = strlen(text) - from;
    for (; len >= 3; edits += 3, len -= 3) text[from + ((size_t)edits[0] << 8 | edits[1]) % n] = edits[2] == 0 || edits[2] == '\n' ? 'x' : (char)edits[2];
}

/* the decoded fields of a query, in the order of `names` */
static void fields(char *out, size_t cap, const char *query)
{
    static const char *const names[] = {"sp", "st", "se", "sip", "spr", "sv", "sr", "ss", "srt", "si", "ses", "sig", "rscc", "rscd", "rsce", "rscl", "rsct"};
    size_t n = 0;
    out[0] = 0;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char v[512];
        n += (size_t)snprintf(out + n, cap - n, "%s\n", query_get(v, sizeof v, bytes_str(query), names[i]) ? v : "");
        if (n >= cap) BUG("fields");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct world w;
    bool routed;
    char text[TEXT_MAX + 64], before[TEXT_MAX + 64], was[8192], is[8192];
    if (w.cfg.account[0] == 0) {
        make_world(&w);
        (void)snprintf(text, sizeof text, "/c-1/a.json?%s\n", w.sas);
        if (ask(&w, text, &routed) != ERR_NONE) BUG("a good SAS is refused");
        (void)snprintf(text, sizeof text, "%s", w.shared);
        if (ask(&w, text, &routed) != ERR_NONE) BUG("a good Shared Key is refused");
    }
    if (len < 1 || len > TEXT_MAX / 2) return 0;
    switch (data[0] % 3) {
    case 0:
        memcpy(text, data + 1, len - 1);
        text[len - 1] = 0;
        if (ask(&w, text, &routed) == ERR_NONE) BUG("a made-up request is let in");
        break;
    case 1:
        (void)snprintf(text, sizeof text, "/c-1/a.json?%s\n", w.sas);
        edit(text, 12, data + 1, len - 1);
        (void)snprintf(before, sizeof before, "%s", text);
        if (ask(&w, text, &routed) != ERR_NONE) break;
        before[strcspn(before, "\n")] = 0;
        fields(was, sizeof was, w.sas);
        fields(is, sizeof is, before + 12);
        if (strcmp(was, is) != 0) BUG("a SAS that was changed is taken");
        break;
    default:
        (void)snprintf(text, sizeof text, "%s", w.shared);
        edit(text, 0, data + 1, len - 1);
        (void)snprintf(before, sizeof before, "%s", text);
        if (ask(&w, text, &routed) != ERR_NONE) break;
        /* what is signed is canonical: case of names, order, percent signs and what is not signed may differ */
        if (strstr(before, "08:00:00") == NULL || strncmp(before, "/c-1/a.json?", 12) != 0) BUG("a Shared Key request that was changed is taken");
        break;
    }
    return 0;
}
