/* The clients of lib/azure against a server that answers by a script and writes down what it was asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/azure/blob.h"
#include "lib/azure/identity_doc.h"
#include "lib/azure/keyvault.h"
#include "lib/azure/token.h"
#include "lib/azure/xml_priv.h"
#include "lib/base/clock.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"
#include "lib/net/http_server.h"

#include <pthread.h>

#include <cmocka.h>

#pragma GCC diagnostic ignored "-Wmissing-field-initializers" /* scripts are easier to read without the empty columns */

struct answer {
    int status;
    const char *body;
    const char *header, *value; /* one more header; NULL: none */
    unsigned delay_ms;
};

struct fake {
    struct http_server *http;
    pthread_mutex_t lock;
    const struct answer *script; /* the last one repeats */
    size_t n_script, at;
    char log[32768];             /* "METHOD path?query|header values|body\n" of calls that are not for a token */
    unsigned tokens;             /* asked for */
    char last_auth[256], base[64];
};

static const char *or_dash(const char *s)
{
    return s ? s : "-";
}

static void on_request(void *ctx, struct http_request *r)
{
    struct fake *f = ctx;
    if (strcmp(http_request_path(r), "/token") == 0) {
        char body[200];
        f->tokens++;
        int n = snprintf(body, sizeof body, "{\"access_token\":\"token-%u\",\"expires_in\":%s}", f->tokens, f->tokens == 90 ? "0" : "3600");
        http_respond(r, 200, "application/json", bytes_make(body, (size_t)n), NULL, 0);
        return;
    }
    pthread_mutex_lock(&f->lock);
    size_t used = strlen(f->log);
    bytes b = http_request_body(r);
    snprintf(f->log + used, sizeof f->log - used, "%s %s?%s|%s %s %s %s|%.*s\n", http_method_name(http_request_method(r)), http_request_path(r),
             http_request_query(r), or_dash(http_request_header(r, "x-ms-lease-action")), or_dash(http_request_header(r, "x-ms-lease-id")),
             or_dash(http_request_header(r, "x-ms-proposed-lease-id")), or_dash(http_request_header(r, "If-None-Match")), (int)b.len,
             (const char *)b.ptr);
    snprintf(f->last_auth, sizeof f->last_auth, "%s", or_dash(http_request_header(r, "Authorization")));
    const struct answer *a = &f->script[f->at < f->n_script ? f->at : f->n_script - 1];
    f->at++;
    pthread_mutex_unlock(&f->lock);
    if (a->delay_ms) clock_sleep_ms(a->delay_ms);
    struct http_header h = {a->header, a->value};
    http_respond(r, a->status, "application/json", bytes_str(a->body ? a->body : ""), &h, a->header ? 1 : 0);
}

static int setup(void **state)
{
    struct fake *f = calloc(1, sizeof *f);
    struct http_server_config cfg = {.bind_address = "127.0.0.1"};
    struct http_handler h = {.ctx = f, .request = on_request};
    pthread_mutex_init(&f->lock, NULL);
    assert_int_equal(http_server_start(&f->http, &cfg, &h, NULL), OK);
    snprintf(f->base, sizeof f->base, "http://127.0.0.1:%u", http_server_port(f->http));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fake *f = *state;
    http_server_stop(f->http);
    free(f);
    return 0;
}

#define SCRIPT(f, ...)                                                                             \
    static const struct answer script_[] = {__VA_ARGS__};                                          \
    (f)->script = script_;                                                                         \
    (f)->n_script = COUNT_OF(script_);                                                             \
    (f)->at = 0;                                                                                   \
    (f)->log[0] = 0

static struct azure_token_source *tokens_of(struct fake *f)
{
    struct azure_token_source *t;
    char uri[100];
    snprintf(uri, sizeof uri, "%s/token", f->base);
    struct azure_token_config cfg = {.token_uri = uri, .client_id = "node-7", .client_secret = "s"};
    assert_int_equal(azure_token_source_new(&t, &cfg, NULL), OK);
    return t;
}

static struct azure_service_config service(struct fake *f, struct azure_token_source *t, unsigned deadline_ms)
{
    return (struct azure_service_config){.base_uri = f->base, .tokens = t, .deadline_ms = deadline_ms, .attempt_ms = 300};
}

static struct keyvault *vault(struct fake *f, struct azure_token_source *t, unsigned deadline_ms)
{
    struct keyvault *v;
    struct azure_service_config sc = service(f, t, deadline_ms);
    assert_int_equal(keyvault_new(&v, &sc, NULL), OK);
    return v;
}

static struct blob_store *store(struct fake *f, struct azure_token_source *t, unsigned deadline_ms)
{
    struct blob_store *b;
    struct azure_service_config sc = service(f, t, deadline_ms);
    assert_int_equal(blob_store_new(&b, &sc, NULL), OK);
    return b;
}

/* ------------------------------------------------------------------ retries */

static void transient_answers_are_retried_and_the_token_is_asked_for_once(void **state)
{
    struct fake *f = *state;
    SCRIPT(f, {503, "busy"}, {429, "{\"error\":{\"code\":\"Throttled\",\"message\":\"slow\"}}", "Retry-After", "1"}, {500, ""}, {200, "{\"value\":\"v\"}"});
    struct azure_token_source *t = tokens_of(f);
    struct keyvault *v = vault(f, t, 10000);
    struct buf b;
    buf_init(&b, 100);
    uint64_t t0 = clock_mono_ms();
    assert_int_equal(keyvault_secret_get(&b, v, "a", NULL, NULL), OK);
    assert_true(clock_mono_ms() - t0 >= 1000); /* as it was asked to */
    assert_string_equal(buf_cstr(&b), "v");
    assert_int_equal(f->at, 4);
    assert_int_equal(f->tokens, 1);
    assert_string_equal(f->last_auth, "Bearer token-1");
    buf_fini(&b);
    keyvault_free(v);
    azure_token_source_free(t);
}

static void the_deadline_ends_retries_with_a_transient_status(void **state)
{
    struct fake *f = *state;
    SCRIPT(f, {503, "{\"error\":{\"code\":\"Busy\",\"message\":\"not now\"}}"});
    struct azure_token_source *t = tokens_of(f);
    struct keyvault *v = vault(f, t, 700);
    struct err err = {0};
    struct buf b;
    buf_init(&b, 100);
    uint64_t t0 = clock_mono_ms();
    assert_int_equal(keyvault_secret_get(&b, v, "a", NULL, &err), E_AGAIN);
    assert_in_range(clock_mono_ms() - t0, 100, 1100);
    assert_true(f->at >= 2);
    assert_non_null(strstr(err.text, "not now"));
    assert_int_equal(b.len, 0);
    static const struct answer slow[] = {{200, "{}", NULL, NULL, 600}};
    f->script = slow;
    f->n_script = 1;
    f->at = 0;
    assert_int_equal(keyvault_secret_get(&b, v, "a", NULL, &err), E_TIMEOUT);
    clock_sleep_ms(600);
    buf_fini(&b);
    keyvault_free(v);
    azure_token_source_free(t);
}

static void definitive_answers_come_back_at_once_and_name_everything(void **state)
{
    struct fake *f = *state;
    static const struct {
        int status;
        const char *body;
        enum status want;
    } rows[] = {{403, "{\"error\":{\"code\":\"Forbidden\",\"message\":\"no\",\"innererror\":{\"code\":\"ForbiddenByPolicy\"}}}", E_DENIED}, {404, "", E_NOT_FOUND},
                {409, "<?xml version=\"1.0\"?><Error><Code>LeaseAlreadyPresent</Code><Message>There</Message></Error>", E_CONFLICT}, {412, "", E_CONFLICT},
                {400, "", E_INVALID}, {410, "", E_NOT_FOUND}};
    struct azure_token_source *t = tokens_of(f);
    struct keyvault *v = vault(f, t, 5000);
    struct buf b;
    buf_init(&b, 100);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct err err = {0};
        struct answer a = {.status = rows[i].status, .body = rows[i].body};
        f->script = &a;
        f->n_script = 1;
        f->at = 0;
        assert_int_equal(keyvault_secret_get(&b, v, "validator-3", NULL, &err), rows[i].want);
        assert_int_equal(f->at, 1);
        if (rows[i].status == 403) {
            /* which vault, which operation, who, which permission */
            assert_non_null(strstr(err.text, f->base));
            assert_non_null(strstr(err.text, "get secret validator-3"));
            assert_non_null(strstr(err.text, "client node-7"));
            assert_non_null(strstr(err.text, "secrets/get"));
            assert_non_null(strstr(err.text, "ForbiddenByPolicy"));
        }
        if (rows[i].status == 409) assert_non_null(strstr(err.text, "LeaseAlreadyPresent"));
    }
    buf_fini(&b);
    keyvault_free(v);
    azure_token_source_free(t);
}

static void a_deleted_name_in_the_way_is_offered_recovery_or_purge(void **state)
{
    struct fake *f = *state;
    SCRIPT(f, {409, "{\"error\":{\"code\":\"Conflict\",\"message\":\"Secret validator-0 is currently in a deleted but recoverable state\",\"innererror\":{\"code\":"
                    "\"ObjectIsDeletedButRecoverable\"}}}"});
    struct azure_token_source *t = tokens_of(f);
    struct keyvault *v = vault(f, t, 5000);
    struct err err = {0};
    char recover[300], purge[300];
    assert_int_equal(keyvault_secret_set(NULL, v, "validator-0", BYTES_LIT("x"), NULL, NULL, 0, &err), E_CONFLICT);
    (void)snprintf(recover, sizeof recover, "az keyvault secret recover --id %s/deletedsecrets/validator-0", f->base);
    (void)snprintf(purge, sizeof purge, "az keyvault secret purge --id %s/deletedsecrets/validator-0", f->base);
    assert_non_null(strstr(err.text, recover));
    assert_non_null(strstr(err.text, purge));
    assert_int_equal(f->at, 1); /* waiting does not help: it is not tried again */
    keyvault_free(v);
    azure_token_source_free(t);
}

static void a_refused_token_is_renewed_once(void **state)
{
    struct fake *f = *state;
    SCRIPT(f, {401, ""}, {200, "{\"value\":\"v\"}"}, {401, ""}, {401, ""}, {200, "{}"});
    unsigned before = f->tokens;
    struct azure_token_source *t = tokens_of(f);
    struct keyvault *v = vault(f, t, 5000);
    struct err err = {0};
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(keyvault_secret_get(&b, v, "a", NULL, &err), OK);
    assert_int_equal(f->tokens - before, 2);
    assert_int_equal(keyvault_secret_get(&b, v, "a", NULL, &err), E_DENIED);
    assert_int_equal(f->at, 4);
    buf_fini(&b);
    keyvault_free(v);
    azure_token_source_free(t);
}

static void a_denial_may_be_given_time_to_become_a_grant(void **state)
{
    struct fake *f = *state;
    SCRIPT(f, {403, ""}, {403, ""}, {200, "{\"value\":\"v\"}"});
    struct azure_token_source *t = tokens_of(f);
    struct azure_service_config sc = service(f, t, 10000);
    struct keyvault *v;
    struct buf b;
    buf_init(&b, 100);
    sc.denied_retry_ms = 8000;
    assert_int_equal(keyvault_new(&v, &sc, NULL), OK);
    assert_int_equal(keyvault_secret_get(&b, v, "a", NULL, NULL), OK);
    assert_int_equal(f->at, 3);
    buf_fini(&b);
    keyvault_free(v);
    azure_token_source_free(t);
}

static void *cancel_soon(void *flag)
{
    clock_sleep_ms(200);
    atomic_store((atomic_bool *)flag, true);
    return NULL;
}

static void cancellation_ends_a_pause(void **state)
{
    struct fake *f = *state;
    SCRIPT(f, {503, "", "Retry-After", "30"});
    struct azure_token_source *t = tokens_of(f);
    struct azure_service_config sc = service(f, t, 60000);
    struct keyvault *v;
    struct buf b;
    atomic_bool cancel = false;
    pthread_t th;
    buf_init(&b, 100);
    sc.cancel = &cancel;
    assert_int_equal(keyvault_new(&v, &sc, NULL), OK);
    pthread_create(&th, NULL, cancel_soon, &cancel);
    uint64_t t0 = clock_mono_ms();
    assert_int_equal(keyvault_secret_get(&b, v, "a", NULL, NULL), E_CANCELLED);
    assert_true(clock_mono_ms() - t0 < 1500);
    pthread_join(th, NULL);
    buf_fini(&b);
    keyvault_free(v);
    azure_token_source_free(t);
}

/* a pause that goes past the call's deadline is for the caller; an hour at the most; also as a date, which counts from the service's own clock */
static void a_long_pause_is_given_to_the_caller(void **state)
{
    static const struct {
        const char *retry_after;
        uint64_t from_ms, to_ms;
    } cases[] = {{"1800", 1800000, 1800000}, {"90000", 3600000, 3600000}, {"soon", 0, 0}, {"Thu, 01 Jan 1970 00:00:10 GMT", 0, 0}, {"Wed, 01 Jan 2270 00:00:00 GMT", 3600000, 3600000}};
    struct fake *f = *state;
    struct azure_token_source *t = tokens_of(f);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct answer busy = {429, "", "Retry-After", cases[i].retry_after}, script[] = {busy, busy, busy, busy, busy, busy, busy, busy};
        f->script = script;
        f->n_script = COUNT_OF(script);
        f->at = 0;
        struct azure_service_config sc = service(f, t, 300);
        struct azure_rest *r;
        struct azure_fault fault;
        struct http_client_response resp;
        const struct azure_call c = {.op = "call", .method = "GET", .path = "/secrets/a"};
        assert_int_equal(azure_rest_new(&r, &sc, "key vault", AZURE_RESOURCE_VAULT, NULL), OK);
        assert_int_equal(azure_rest_do(&resp, r, &c, &fault, NULL), E_AGAIN);
        assert_true(fault.retry_after_ms >= cases[i].from_ms && fault.retry_after_ms <= cases[i].to_ms);
        azure_rest_free(r);
    }
    azure_token_source_free(t);
}

static void nobody_there_is_a_network_error(void **state)
{
    (void)state;
    struct keyvault *v;
    struct err err = {0};
    struct azure_service_config sc = {.base_uri = "http://127.0.0.1:1", .deadline_ms = 300};
    assert_int_equal(keyvault_new(&v, &sc, NULL), OK);
    assert_int_equal(keyvault_secret_delete(v, "a", &err), E_NET);
    assert_non_null(strstr(err.text, "delete secret a"));
    keyvault_free(v);
    sc.base_uri = "ftp://x";
    assert_int_equal(keyvault_new(&v, &sc, &err), E_INVALID);
}

/* ------------------------------------------------------------------- vault */

static enum status count_items(void *ctx, const struct keyvault_item *it)
{
    char *names = ctx;
    size_t n = strlen(names);
    snprintf(names + n, 256 - n, "%s/%s/%d/%llu/%zu ", it->name, it->version, it->enabled, (unsigned long long)it->created_s, it->n_tags);
    return OK;
}

static void lists_follow_their_links_but_only_within_the_vault(void **state)
{
    struct fake *f = *state;
    char link[200], page[1200], names[256] = "";
    struct azure_token_source *t = tokens_of(f);
    struct keyvault *v = vault(f, t, 3000);
    snprintf(page, sizeof page, "{\"value\":[{\"id\":\"https://other.name/secrets/one\",\"attributes\":{\"enabled\":true,\"created\":5},\"tags\":{\"a\":\"b\"}}],"
             "\"nextLink\":\"%s/secrets?api-version=7.4&$skiptoken=x%%2By\"}", f->base);
    struct answer script[] = {{.status = 200, .body = page}, {.status = 200, .body = "{\"value\":[{\"id\":\"https://v/secrets/two/0123\",\"attributes\":{\"enabled\":false}}]}"}};
    f->script = script;
    f->n_script = 2;
    f->at = 0;
    f->log[0] = 0;
    assert_int_equal(keyvault_secret_list(v, count_items, names, NULL), OK);
    assert_string_equal(names, "one//1/5/1 two/0123/0/0/0 ");
    assert_non_null(strstr(f->log, "GET /secrets?api-version=7.4&$skiptoken=x%2By|"));
    static const char *const foreign[] = {"https://evil.example/secrets?x", "http://127.0.0.1:9/secrets", "/secrets", "http://127.0.0.1.evil.example/s"};
    for (size_t i = 0; i < COUNT_OF(foreign); i++) {
        struct err err = {0};
        snprintf(link, sizeof link, "{\"value\":[],\"nextLink\":\"%s\"}", foreign[i]);
        struct answer one = {.status = 200, .body = link};
        f->script = &one;
        f->n_script = 1;
        assert_int_equal(keyvault_secret_list(v, count_items, names, &err), E_DECODE);
    }
    keyvault_free(v);
    azure_token_source_free(t);
}

static void versions_of_a_key_are_listed_by_their_kid(void **state)
{
    struct fake *f = *state;
    SCRIPT(f, {200, "{\"value\":[{\"kid\":\"https://v/keys/k/01\",\"attributes\":{\"enabled\":true,\"created\":7},\"tags\":{\"address\":\"0x1\"}}]}"},
           {200, "{\"value\":[{\"id\":\"https://v/secrets/k/01\"}]}"});
    struct azure_token_source *t = tokens_of(f);
    struct keyvault *v = vault(f, t, 3000);
    char names[256] = "";
    struct err err = {0};
    assert_int_equal(keyvault_key_versions(v, "k", count_items, names, NULL), OK);
    assert_string_equal(names, "k/01/1/7/1 ");
    assert_non_null(strstr(f->log, "GET /keys/k/versions?api-version=7.4"));
    assert_int_equal(keyvault_key_versions(v, "k", count_items, names, &err), E_DECODE); /* a secret is no key */
    assert_int_equal(keyvault_key_versions(v, "../x", count_items, names, &err), E_INVALID);
    assert_string_equal(names, "k/01/1/7/1 ");
    keyvault_free(v);
    azure_token_source_free(t);
}

static void secrets_are_set_with_their_tags_and_read_by_uri_from_the_own_vault_only(void **state)
{
    struct fake *f = *state;
    SCRIPT(f, {200, "{\"id\":\"https://v/secrets/k/9\",\"value\":\"x\"}"}, {200, "{\"value\":\"by uri\"}"});
    struct azure_token_source *t = tokens_of(f);
    struct keyvault *v = vault(f, t, 3000);
    struct keyvault_tag tag = {"address", "0x\"1"};
    struct err err = {0};
    struct buf b;
    char id[KEYVAULT_URI_MAX], uri[200];
    buf_init(&b, 100);
    assert_int_equal(keyvault_secret_set(id, v, "k", BYTES_LIT("va\"l"), "t", &tag, 1, NULL), OK);
    assert_string_equal(id, "https://v/secrets/k/9");
    assert_non_null(strstr(f->log, "PUT /secrets/k?api-version=7.4|"));
    assert_non_null(strstr(f->log, "{\"value\":\"va\\\"l\",\"contentType\":\"t\",\"tags\":{\"address\":\"0x\\\"1\"}}"));
    snprintf(uri, sizeof uri, "%s/secrets/k/abc", f->base);
    assert_int_equal(keyvault_secret_get_uri(&b, v, uri, NULL), OK);
    assert_non_null(strstr(f->log, "GET /secrets/k/abc?api-version=7.4|"));
    static const char *const bad[] = {"https://evil.example/secrets/k", "k", "/secrets/k", "http://127.0.0.1:1/secrets/k"};
    size_t asked = f->at;
    for (size_t i = 0; i < COUNT_OF(bad); i++) assert_int_equal(keyvault_secret_get_uri(&b, v, bad[i], &err), E_INVALID);
    assert_int_equal(keyvault_secret_get(&b, v, "a/../b", NULL, &err), E_INVALID);
    assert_int_equal(keyvault_secret_get(&b, v, "", NULL, &err), E_INVALID);
    assert_int_equal(keyvault_secret_set(NULL, v, "k", BYTES_LIT("\xff"), NULL, NULL, 0, &err), E_INVALID);
    assert_int_equal(f->at, asked);
    char name[128] = "untouched";
    assert_false(keyvault_secret_name(name, "https://v/keys/k"));
    assert_string_equal(name, "untouched");
    assert_true(keyvault_secret_name(name, "https://v.example:8443/secrets/validator-1/00"));
    assert_string_equal(name, "validator-1");
    buf_fini(&b);
    keyvault_free(v);
    azure_token_source_free(t);
}

/* -------------------------------------------------------------------- blobs */

static enum status add_name(void *ctx, const struct blob_info *i)
{
    char *s = ctx;
    size_t n = strlen(s);
    snprintf(s + n, 512 - n, "%s:%d:%llu:%s ", i->name, (int)i->lease_state, (unsigned long long)i->len, i->etag);
    return OK;
}

static void blob_lists_are_read_page_by_page(void **state)
{
    struct fake *f = *state;
    SCRIPT(f,
           {200, "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"x\" ContainerName=\"c\"><Blobs><Blob><Name>a &amp; "
                 "b&#252;.json</Name><Properties><Etag>0x1</Etag><Content-Length>12</Content-Length><LeaseState>leased</LeaseState></Properties></Blob><BlobPrefix>"
                 "<Name>p/</Name></BlobPrefix></Blobs><NextMarker>m+/=</NextMarker></EnumerationResults>"},
           {200, "<EnumerationResults><Blobs><Blob><Name Encoded=\"false\">z</Name><Properties><LeaseState>broken</LeaseState></Properties></Blob></Blobs><NextMarker "
                 "/></EnumerationResults>"},
           {200, "<EnumerationResults><Blobs /><NextMarker/></EnumerationResults>"}, {200, "{}"}, {200, "<EnumerationResults><Blobs><Blob></Blob></Blobs></EnumerationResults>"});
    struct azure_token_source *t = tokens_of(f);
    struct blob_store *b = store(f, t, 3000);
    char names[512] = "";
    struct err err = {0};
    assert_int_equal(blob_list(b, "c", "identity-", add_name, names, NULL), OK);
    assert_string_equal(names, "a & b\xc3\xbc.json:1:12:0x1 z:4:0: ");
    assert_non_null(strstr(f->log, "GET /c?restype=container&comp=list&prefix=identity-|"));
    assert_non_null(strstr(f->log, "prefix=identity-&marker=m%2B%2F%3D|"));
    assert_int_equal(blob_list(b, "c", NULL, add_name, names, NULL), OK);
    assert_int_equal(blob_list(b, "c", NULL, add_name, names, &err), E_DECODE);
    assert_int_equal(blob_list(b, "c", NULL, add_name, names, &err), E_DECODE);
    blob_store_free(b);
    azure_token_source_free(t);
}

static void puts_and_leases_send_what_they_should_and_tell_existing_from_conflict(void **state)
{
    struct fake *f = *state;
    SCRIPT(f, {201, ""}, {409, "<Error><Code>BlobAlreadyExists</Code></Error>"}, {412, "<Error><Code>LeaseIdMissing</Code></Error>"},
           {409, "<Error><Code>ContainerAlreadyExists</Code></Error>"}, {409, "<Error><Code>ContainerBeingDeleted</Code></Error>"}, {201, ""},
           {202, "", "x-ms-lease-time", "17"});
    struct azure_token_source *t = tokens_of(f);
    struct blob_store *b = store(f, t, 3000);
    struct blob_conditions fresh = {.if_none_match = "*"}, leased = {.lease_id = "11111111-1111-4111-8111-111111111111"};
    struct blob_meta bad = {"a", "x\r\ny: z"};
    char id[BLOB_LEASE_ID_LEN + 1];
    unsigned left = 0;
    assert_int_equal(blob_put(b, "c", "a b/\xc3\xbc.json", "t", BYTES_LIT("body"), NULL, 0, &leased, NULL), OK);
    assert_non_null(strstr(f->log, "PUT /c/a b/\xc3\xbc.json?|- 11111111-1111-4111-8111-111111111111 - -|body"));
    assert_int_equal(blob_put(b, "c", "n", NULL, BYTES_EMPTY, NULL, 0, &fresh, NULL), E_EXISTS);
    assert_int_equal(blob_put(b, "c", "n", NULL, BYTES_EMPTY, NULL, 0, NULL, NULL), E_CONFLICT);
    assert_int_equal(blob_container_create(b, "c", NULL), E_EXISTS);
    assert_int_equal(blob_container_create(b, "c", NULL), E_CONFLICT);
    blob_lease_id_new(id);
    assert_int_equal(strlen(id), 36);
    assert_int_equal(id[14], '4');
    assert_int_equal(blob_lease_acquire(b, "c", "n", 60, id, 0, NULL), OK);
    assert_non_null(strstr(f->log, "PUT /c/n?comp=lease|acquire - "));
    assert_int_equal(blob_lease_break(&left, b, "c", "n", -1, 0, NULL), OK);
    assert_int_equal(left, 17);
    size_t asked = f->at;
    assert_int_equal(blob_put(b, "c", "n", NULL, BYTES_EMPTY, &bad, 1, NULL, NULL), E_INVALID); /* no header is smuggled in */
    assert_int_equal(f->at, asked);
    blob_store_free(b);
    azure_token_source_free(t);
}

/* ---------------------------------------------------------------- documents */

static void xml_text_resolves_entities_and_refuses_bad_ones(void **state)
{
    (void)state;
    char t[16] = "untouched";
    assert_true(xml_text(t, sizeof t, BYTES_LIT("<NameX>no</NameX><Name a=\"1\">&lt;&#x41;&#66;&amp;</Name>"), "Name"));
    assert_string_equal(t, "<AB&");
    assert_true(xml_text(t, sizeof t, BYTES_LIT("<Name/>"), "Name"));
    assert_string_equal(t, "");
    snprintf(t, sizeof t, "untouched");
    static const char *const bad[] = {"<Name>&nope;</Name>", "<Name>&#0;</Name>", "<Name>&#xd800;</Name>", "<Name>&amp</Name>", "<Name>open", "<Name", "", "<Name>0123456789abcdef</Name>"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(xml_text(t, sizeof t, bytes_str(bad[i]), "Name"));
        assert_string_equal(t, "untouched");
    }
}

static void identity_documents_round_trip_and_every_other_form_is_refused(void **state)
{
    (void)state;
    struct identity_doc d = {.secret_uri = "https://v/secrets/validator-0/1", .enode_url = "enode://x", .hostname = "h\"", .region = "r"}, e;
    memset(d.address, 0xab, 20);
    struct buf b;
    buf_init(&b, IDENTITY_DOC_MAX);
    identity_doc_put(&b, &d);
    assert_int_equal(identity_doc_get(&e, buf_view(&b), NULL), OK);
    assert_memory_equal(&d, &e, sizeof d);
    struct identity_doc by_key = d;
    (void)snprintf(by_key.key_uri, sizeof by_key.key_uri, "https://v/keys/validator-0/1");
    memset(by_key.secret_uri, 0, sizeof by_key.secret_uri);
    buf_clear(&b);
    identity_doc_put(&b, &by_key);
    assert_non_null(strstr(buf_cstr(&b), "\"keyUri\""));
    assert_null(strstr(buf_cstr(&b), "secretUri"));
    assert_int_equal(identity_doc_get(&e, buf_view(&b), NULL), OK);
    assert_memory_equal(&by_key, &e, sizeof by_key);
    static const char *const bad[] = {
        "{\"keyUri\":\"https://v/secrets/a\",\"address\":\"0xabababababababababababababababababababab\",\"enodeUrl\":\"\",\"hostname\":\"\",\"region\":\"\"}",
        "{\"keyUri\":\"https://v/keys/a\",\"secretUri\":\"https://v/secrets/a\",\"address\":\"0xabababababababababababababababababababab\",\"enodeUrl\":\"\",\"hostname\":\"\",\"region\":\"\"}",
        "", "[]", "{}", "{\"secretUri\":\"https://v/secrets/a\"}",
        "{\"secretUri\":\"https://v/secrets/a\",\"address\":\"0x00\",\"enodeUrl\":\"\",\"hostname\":\"\",\"region\":\"\"}",
        "{\"secretUri\":\"v\",\"address\":\"0xabababababababababababababababababababab\",\"enodeUrl\":\"\",\"hostname\":\"\",\"region\":\"\"}",
        "{\"secretUri\":\"https://v/secrets/a\",\"address\":\"0xabababababababababababababababababababab\",\"enodeUrl\":\"\",\"hostname\":\"\",\"region\":\"\",\"x\":1}",
        "{\"secretUri\":\"https://v/secrets/a\",\"address\":\"0xabababababababababababababababababababab\",\"enodeUrl\":null,\"hostname\":\"\",\"region\":\"\"}",
        "{\"secretUri\":\"https://v/secrets/a\",\"address\":\"abababababababababababababababababababab\",\"enodeUrl\":\"\",\"hostname\":\"\",\"region\":\"\"}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        memset(&e, 7, sizeof e);
        struct identity_doc before = e;
        assert_int_not_equal(identity_doc_get(&e, bytes_str(bad[i]), NULL), OK);
        assert_memory_equal(&e, &before, sizeof e);
    }
    buf_fini(&b);
    unsigned i = 99;
    static const char *const names[] = {"identity-.json", "identity-01.json", "identity-1.jso", "identity-1.json2", "Identity-1.json", "identity--1.json", "identity-1234567.json", "spec.json"};
    for (size_t k = 0; k < COUNT_OF(names); k++) assert_false(identity_blob_index(&i, names[k]));
    assert_int_equal(i, 99);
    assert_true(identity_blob_index(&i, "identity-0.json"));
    assert_int_equal(i, 0);
    assert_true(identity_blob_index(&i, "identity-120.json"));
    assert_int_equal(i, 120);
}

static void the_node_key_is_the_hash_of_validator_key_and_tag(void **state)
{
    (void)state;
    secret32 k = {{1}}, n, again;
    uint8_t in[38], want[32];
    memcpy(in, k.b, 32);
    memcpy(in + 32, "devp2p", 6);
    keccak256(want, in, sizeof in);
    identity_node_key(&n, &k);
    identity_node_key(&again, &k);
    assert_memory_equal(n.b, want, 32);
    assert_memory_equal(n.b, again.b, 32);
    assert_int_equal(ec_secret_check(&n), OK);
    assert_memory_not_equal(n.b, k.b, 32);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transient_answers_are_retried_and_the_token_is_asked_for_once),
        cmocka_unit_test(the_deadline_ends_retries_with_a_transient_status),
        cmocka_unit_test(definitive_answers_come_back_at_once_and_name_everything),
        cmocka_unit_test(a_deleted_name_in_the_way_is_offered_recovery_or_purge),
        cmocka_unit_test(a_refused_token_is_renewed_once),
        cmocka_unit_test(a_denial_may_be_given_time_to_become_a_grant),
        cmocka_unit_test(cancellation_ends_a_pause),
        cmocka_unit_test(a_long_pause_is_given_to_the_caller),
        cmocka_unit_test(nobody_there_is_a_network_error),
        cmocka_unit_test(lists_follow_their_links_but_only_within_the_vault),
        cmocka_unit_test(versions_of_a_key_are_listed_by_their_kid),
        cmocka_unit_test(secrets_are_set_with_their_tags_and_read_by_uri_from_the_own_vault_only),
        cmocka_unit_test(blob_lists_are_read_page_by_page),
        cmocka_unit_test(puts_and_leases_send_what_they_should_and_tell_existing_from_conflict),
        cmocka_unit_test(xml_text_resolves_entities_and_refuses_bad_ones),
        cmocka_unit_test(identity_documents_round_trip_and_every_other_form_is_refused),
        cmocka_unit_test(the_node_key_is_the_hash_of_validator_key_and_tag),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
