/* Blobs and containers as a client sees them: conditional headers on reads and writes, and every malformed name, header and query by its documented error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/clock.h"
#include "tests/unit/identity-store/rig.h"

static void header_of(char dst[static 100], const struct rig_reply *reply, const char *name)
{
    char start[60];
    (void)snprintf(start, sizeof start, "%s: ", name);
    const char *p = strstr(reply->headers, start);
    if (p == NULL) fail_msg("no %s in %s", name, reply->headers);
    p += strlen(start);
    (void)snprintf(dst, 100, "%.*s", (int)strcspn(p, "\n"), p);
}

static void refused(const struct rig_reply *got, int status, const char *code, const char *what)
{
    char is[100];
    if (got->status != status) fail_msg("%s: HTTP %d, not %d: %s", what, got->status, status, got->body);
    if (code == NULL) return;
    header_of(is, got, "x-ms-error-code");
    if (strcmp(is, code) != 0) fail_msg("%s: %s, not %s", what, is, code);
    if (status != 304 && strstr(got->body, code) == NULL) fail_msg("%s: no %s in the body: %s", what, code, got->body);
}

static const struct rig_header TYPE[] = {{"x-ms-blob-type", "BlockBlob"}, {NULL, NULL}};

static void conditional_headers_on_reads_and_writes(void **state)
{
    struct rig *r = *state;
    char etag[100], before[32], after[32], at[100];
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/box?restype=container", NULL, NULL), 201);
    struct rig_reply put = rig_do(r, "boss", HTTP_PUT, "/box/a", TYPE, "text");
    assert_int_equal(put.status, 201);
    header_of(etag, &put, "ETag");
    header_of(at, &put, "Last-Modified");
    uint64_t now_s = clock_wall_ms() / 1000;
    clock_format_rfc1123(before, now_s - 3600);
    clock_format_rfc1123(after, now_s + 3600);
    const struct {
        const char *name, *value, *name2, *value2;
        int read, write; /* 0: goes through */
    } rows[] = {
        {"If-Match", etag, NULL, NULL, 0, 0}, {"If-Match", "\"0x1\"", NULL, NULL, 412, 412}, {"If-Match", "*", NULL, NULL, 0, 0},
        {"If-None-Match", etag, NULL, NULL, 304, 412}, {"If-None-Match", "\"0x1\"", NULL, NULL, 0, 0},
        {"If-Modified-Since", before, NULL, NULL, 0, 0}, {"If-Modified-Since", after, NULL, NULL, 304, 412}, {"If-Modified-Since", at, NULL, NULL, 304, 412},
        {"If-Unmodified-Since", before, NULL, NULL, 412, 412}, {"If-Unmodified-Since", after, NULL, NULL, 0, 0}, {"If-Unmodified-Since", at, NULL, NULL, 0, 0},
        {"If-Match", etag, "If-Unmodified-Since", after, 0, 0}, {"If-Match", "\"0x1\"", "If-Unmodified-Since", after, 412, 412},
        {"If-Modified-Since", "yesterday", NULL, NULL, 400, 400}, {"If-Unmodified-Since", "2026-01-01", NULL, NULL, 400, 400},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char what[200];
        struct rig_header h[] = {{rows[i].name, rows[i].value}, {rows[i].name2, rows[i].value2}, {NULL, NULL}};
        (void)snprintf(what, sizeof what, "%s: %s", rows[i].name, rows[i].value);
        static const enum http_method reads[] = {HTTP_GET, HTTP_HEAD};
        for (size_t m = 0; m < COUNT_OF(reads); m++) {
            struct rig_reply got = rig_do(r, "boss", reads[m], "/box/a", h, NULL);
            if (rows[i].read == 0) assert_int_equal(got.status, 200);
            else refused(&got, rows[i].read, rows[i].read == 400 ? "InvalidHeaderValue" : "ConditionNotMet", what);
        }
        /* a lease action is a write that moves neither ETag nor Last-Modified */
        struct rig_header l[] = {{rows[i].name, rows[i].value}, {"x-ms-lease-action", "acquire"}, {"x-ms-lease-duration", "15"}, {rows[i].name2, rows[i].value2}, {NULL, NULL}};
        struct rig_reply got = rig_do(r, "boss", HTTP_PUT, "/box/a?comp=lease", l, NULL);
        if (rows[i].write != 0) {
            refused(&got, rows[i].write, rows[i].write == 400 ? "InvalidHeaderValue" : "ConditionNotMet", what);
            got = rig_do(r, "boss", HTTP_DELETE, "/box/a", h, NULL);
            refused(&got, rows[i].write, rows[i].write == 400 ? "InvalidHeaderValue" : "ConditionNotMet", what);
            continue;
        }
        assert_int_equal(got.status, 201);
        const struct rig_header br[] = {{"x-ms-lease-action", "break"}, {"x-ms-lease-break-period", "0"}, {NULL, NULL}};
        assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/box/a?comp=lease", br, NULL), 202);
    }
    const struct rig_header none[] = {TYPE[0], {"If-None-Match", "*"}, {NULL, NULL}}, some[] = {TYPE[0], {"If-Match", "*"}, {NULL, NULL}};
    struct rig_reply got = rig_do(r, "boss", HTTP_PUT, "/box/a", none, "x");
    refused(&got, 409, "BlobAlreadyExists", "if there is none, on one that is there");
    got = rig_do(r, "boss", HTTP_PUT, "/box/new", some, "x");
    refused(&got, 412, "ConditionNotMet", "if there is one, on none");
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/box/new", none, "x"), 201);
    got = rig_do(r, "boss", HTTP_PUT, "/box/new", some, "y");
    assert_int_equal(got.status, 201);
    char next[100];
    header_of(next, &got, "ETag");
    assert_string_not_equal(next, etag);
}

static void malformed_names_headers_and_queries_get_their_documented_errors(void **state)
{
    struct rig *r = *state;
    static char long_name[1100], long_meta[9000];
    memset(long_name, 'n', sizeof long_name - 1);
    memcpy(long_name, "/box/", 5);
    memset(long_meta, 'm', sizeof long_meta - 1);
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/box?restype=container", NULL, NULL), 201);
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/box/a", TYPE, "text"), 201);
    const struct {
        enum http_method method;
        const char *target, *name, *value, *body;
        int status;
        const char *code;
    } rows[] = {
        {HTTP_PUT, "/bo?restype=container", NULL, NULL, NULL, 400, "OutOfRangeInput"},
        {HTTP_PUT, "/Box?restype=container", NULL, NULL, NULL, 400, "InvalidResourceName"},
        {HTTP_PUT, "/a--b?restype=container", NULL, NULL, NULL, 400, "InvalidResourceName"},
        {HTTP_PUT, "/-ab?restype=container", NULL, NULL, NULL, 400, "InvalidResourceName"},
        {HTTP_PUT, "/box?restype=container", NULL, NULL, NULL, 409, "ContainerAlreadyExists"},
        {HTTP_GET, "/none?restype=container", NULL, NULL, NULL, 404, "ContainerNotFound"},
        {HTTP_GET, "/none/a", NULL, NULL, NULL, 404, "ContainerNotFound"},
        {HTTP_GET, "/box/none", NULL, NULL, NULL, 404, "BlobNotFound"},
        {HTTP_DELETE, "/box/none", NULL, NULL, NULL, 404, "BlobNotFound"},
        {HTTP_PUT, long_name, "x-ms-blob-type", "BlockBlob", "x", 400, "OutOfRangeInput"},
        {HTTP_PUT, "/box/\xff\xfe", "x-ms-blob-type", "BlockBlob", "x", 400, "InvalidResourceName"},
        {HTTP_PUT, "/box/b", NULL, NULL, "x", 400, "MissingRequiredHeader"},
        {HTTP_PUT, "/box/b", "x-ms-blob-type", "PageBlob", "x", 400, "InvalidBlobType"},
        {HTTP_PUT, "/box/a?comp=metadata", "x-ms-meta-1st", "x", NULL, 400, "InvalidMetadata"},
        {HTTP_PUT, "/box/a?comp=metadata", "x-ms-meta-a b", "x", NULL, 400, "InvalidMetadata"},
        {HTTP_PUT, "/box/a?comp=metadata", "x-ms-meta-a", "\xc3\xa4", NULL, 400, "InvalidMetadata"},
        {HTTP_PUT, "/box/a?comp=metadata", "x-ms-meta-a", long_meta, NULL, 400, "MetadataTooLarge"},
        {HTTP_GET, "/box/a", "x-ms-range", "bytes=9-", NULL, 416, "InvalidRange"},
        {HTTP_GET, "/box/a", "x-ms-range", "bytes=3-1", NULL, 400, "InvalidHeaderValue"},
        {HTTP_GET, "/box/a", "x-ms-range", "lines=0-1", NULL, 400, "InvalidHeaderValue"},
        {HTTP_GET, "/box/a", "x-ms-lease-id", "no guid", NULL, 400, "InvalidHeaderValue"},
        {HTTP_GET, "/box/a", "x-ms-lease-id", "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", NULL, 412, "LeaseNotPresentWithBlobOperation"},
        {HTTP_GET, "/box/a?comp=tags", NULL, NULL, NULL, 400, "InvalidQueryParameterValue"},
        {HTTP_GET, "/box/a?snapshot=2026-01-01T00:00:00.0000000Z", NULL, NULL, NULL, 400, "UnsupportedQueryParameter"},
        {HTTP_POST, "/box/a", NULL, NULL, NULL, 405, "UnsupportedHttpVerb"},
        {HTTP_GET, "/box?restype=container&comp=list&maxresults=0", NULL, NULL, NULL, 400, "OutOfRangeQueryParameterValue"},
        {HTTP_GET, "/box?restype=container&comp=list&maxresults=many", NULL, NULL, NULL, 400, "InvalidQueryParameterValue"},
        {HTTP_PUT, "/box/a?comp=block&blockid=%%%", NULL, NULL, "x", 400, "InvalidQueryParameterValue"},
        {HTTP_PUT, "/box/a?comp=block", NULL, NULL, "x", 400, "InvalidQueryParameterValue"},
        {HTTP_PUT, "/box/a?comp=blocklist", NULL, NULL, "<BlockList><Latest>", 400, "InvalidXmlDocument"},
        {HTTP_PUT, "/box/a?comp=blocklist", NULL, NULL, "<BlockList><Latest>bm9uZQ==</Latest></BlockList>", 400, "InvalidBlockList"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct rig_header h[] = {{rows[i].name, rows[i].value}, {NULL, NULL}};
        char what[100];
        (void)snprintf(what, sizeof what, "%s %.60s", http_method_name(rows[i].method), rows[i].target);
        struct rig_reply got = rig_do(r, "boss", rows[i].method, rows[i].target, rows[i].name ? h : NULL, rows[i].body);
        refused(&got, rows[i].status, rows[i].code, what);
    }
    /* nothing of it changed the blob; a digest that is wrong, or none, neither */
    static const struct rig_header wrong[] = {{"x-ms-blob-type", "BlockBlob"}, {"Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA=="}, {NULL, NULL}};
    static const struct rig_header bad[] = {{"x-ms-blob-type", "BlockBlob"}, {"Content-MD5", "AAAA"}, {NULL, NULL}};
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/box/long?comp=block&blockid=aWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaQ%3D%3D", NULL, "x"), 201);
    struct rig_reply got = rig_do(r, "boss", HTTP_PUT, "/box/long?comp=block&blockid=aWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWk%3D", NULL, "x");
    refused(&got, 400, "InvalidQueryParameterValue", "a block id of 65 bytes");
    got = rig_do(r, "boss", HTTP_PUT, "/box/a", wrong, "other");
    refused(&got, 400, "Md5Mismatch", "a digest of something else");
    got = rig_do(r, "boss", HTTP_PUT, "/box/a", bad, "other");
    refused(&got, 400, "InvalidMd5", "no digest");
    got = rig_do(r, "boss", HTTP_GET, "/box/a", NULL, NULL);
    assert_string_equal(got.body, "text");
    static const struct rig_header right[] = {{"x-ms-blob-type", "BlockBlob"}, {"Content-MD5", "kAFQmDzST7DWlj99KOF/cg=="}, {NULL, NULL}}; /* of "abc" */
    got = rig_do(r, "boss", HTTP_PUT, "/box/a", right, "abc");
    if (got.status != 201) fail_msg("the right digest: HTTP %d %s", got.status, got.body);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(conditional_headers_on_reads_and_writes),
        TEST(malformed_names_headers_and_queries_get_their_documented_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
