/* Requests that take long leave the server thread: others are served meanwhile, and the answer is the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <poll.h>
#include <signal.h>
#include <zlib.h>

#include "tests/unit/node/rpc/rpc_fixture.h"

/* counts down from 0x1c0000 and ends: 48M gas, well over what a server thread gives a document; and from 0x100 */
#define COUNTS "{\"to\":\"0x00000000000000000000000000000000000b0001\"},\"latest\",{\"0x00000000000000000000000000000000000b0001\":{\"code\":\"0x63%s5b600190038060055760425f5260205ff3\"}}"
#define LONG "001c0000"
#define SHORT "00000100"
#define FORTY_TWO "0x0000000000000000000000000000000000000000000000000000000000000042"

/* one server thread, so that everybody would wait for everybody */
static struct rpc *start(struct fixture *f, unsigned max_request_s)
{
    struct rpc *r;
    struct err err = {0};
    char ipc[64];
    snprintf(ipc, sizeof ipc, "/tmp/poa-test-lane-%ld.ipc", (long)getpid());
    struct rpc_config rc = {.address = "127.0.0.1", .has_http = true, .namespaces = "all", .threads = 1, .max_request_s = max_request_s, .ipc_path = ipc};
    if (rpc_server_start(&r, &rc, f->chain, NULL, NULL, &err) != OK) fail_msg("rpc: %s", err_text(&err));
    return r;
}

static void patient(int fd)
{
    struct timeval tv = {60, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
}
static int dial(const struct rpc *r)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(rpc_http_port(r))};
    inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    patient(fd);
    return fd;
}
static int dial_ipc(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof sa.sun_path, "/tmp/poa-test-lane-%ld.ipc", (long)getpid());
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    patient(fd);
    return fd;
}
static void put_request(int fd, const char *body, const char *more)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_printf(&b, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n%s", more, strlen(body), body);
    assert_int_equal(send(fd, b.ptr, b.len, MSG_NOSIGNAL), (ssize_t)b.len);
    buf_fini(&b);
}
/* the body of the next answer; whole == NULL: is there one at all */
static void get_answer(struct buf *body, int fd)
{
    char head[2000] = "";
    for (size_t n = 0; strstr(head, "\r\n\r\n") == NULL; n++) {
        assert_true(n < sizeof head - 1);
        if (recv(fd, head + n, 1, 0) != 1) fail_msg("no answer");
    }
    const char *length = strstr(head, "Content-Length: ");
    assert_non_null(length);
    size_t len = strtoul(length + 16, NULL, 10);
    buf_init(body, 64 << 20);
    uint8_t *p = buf_reserve(body, len + 1);
    ws_exact(fd, p, len);
    body->len = len;
}
static json_t *get_json(int fd)
{
    struct buf b;
    get_answer(&b, fd);
    json_t *doc = json_loadb((const char *)b.ptr, b.len, 0, NULL);
    if (doc == NULL) fail_msg("no JSON: %.*s", (int)b.len, (const char *)b.ptr);
    buf_fini(&b);
    return doc;
}

/* n long calls with ids from 0, and what else there is */
static char *batch_of(size_t n, const char *count, const char *more)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_put_str(&b, "[");
    for (size_t i = 0; i < n; i++) {
        buf_printf(&b, "%s{\"jsonrpc\":\"2.0\",\"id\":%zu,\"method\":\"eth_call\",\"params\":[", i ? "," : "", i);
        buf_printf(&b, COUNTS, count);
        buf_put_str(&b, "]}");
    }
    buf_printf(&b, "%s%s]", more, "");
    char *text = strdup(buf_cstr(&b));
    buf_fini(&b);
    return text;
}
static void check_long_calls(const json_t *answer, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(answer, i);
        assert_int_equal(json_integer_value(json_object_get(one, "id")), i);
        assert_string_equal(json_string_value(json_object_get(one, "result")), FORTY_TWO);
    }
}

static void a_short_request_does_not_wait_for_a_long_one(void **state)
{
    struct fixture *f = *state;
    struct rpc *r = start(f, 0);
    int slow = dial(r), quick = dial(r);
    char *batch = batch_of(400, LONG, "");
    put_request(slow, batch, "");
    for (int i = 0; i < 20; i++) {
        put_request(quick, "{\"id\":1,\"method\":\"eth_chainId\"}", "");
        json_t *doc = get_json(quick);
        assert_string_equal(json_string_value(json_object_get(doc, "result")), "0x2b");
        json_decref(doc);
        struct pollfd p = {.fd = slow, .events = POLLIN};
        assert_int_equal(poll(&p, 1, 0), 0); /* four hundred of them are not done by then */
    }
    uint64_t calls, errors, connections;
    rpc_get_counts(&calls, &errors, &connections, r);
    assert_int_equal(connections, 2);
    /* a server that stops does not wait for it, and nobody is left without an answer or an end */
    rpc_server_stop(r);
    close(slow), close(quick);
    free(batch);
}

static void a_long_batch_has_every_answer_in_its_place(void **state)
{
    struct fixture *f = *state;
    struct rpc *r = start(f, 0);
    int fd = dial(r);
    static const char more[] = ",{\"id\":\"last\",\"method\":\"eth_chainId\"},{\"method\":\"eth_chainId\"},{\"id\":\"bad\",\"method\":\"eth_nothing\"}";
    for (int as_tree = 0; as_tree < 2; as_tree++) { /* an escape makes it a document that jansson reads */
        char *batch = batch_of(8, LONG, as_tree ? ",{\"id\":\"l\\u0061st\",\"method\":\"eth_chainId\"},{\"method\":\"eth_chainId\"},{\"id\":\"bad\",\"method\":\"eth_nothing\"}" : more);
        put_request(fd, batch, "");
        put_request(fd, "{\"id\":5,\"method\":\"eth_blockNumber\"}", ""); /* comes after it, as HTTP wants it */
        json_t *a = get_json(fd);
        assert_int_equal(json_array_size(a), 10);
        check_long_calls(a, 8);
        assert_string_equal(json_string_value(json_object_get(json_array_get(a, 8), "id")), "last");
        assert_string_equal(json_string_value(json_object_get(json_array_get(a, 8), "result")), "0x2b");
        assert_int_equal(json_integer_value(json_object_get(json_object_get(json_array_get(a, 9), "error"), "code")), -32601);
        json_decref(a);
        a = get_json(fd);
        assert_int_equal(json_integer_value(json_object_get(a, "id")), 5);
        json_decref(a);
        free(batch);
    }
    /* one call alone, and one that is no batch but long: a trace */
    char text[1000];
    snprintf(text, sizeof text, "{\"id\":6,\"method\":\"eth_call\",\"params\":[" COUNTS "]}", LONG);
    put_request(fd, text, "");
    json_t *a = get_json(fd);
    assert_string_equal(json_string_value(json_object_get(a, "result")), FORTY_TWO);
    json_decref(a);
    snprintf(text, sizeof text, "{\"id\":7,\"method\":\"eth_estimateGas\",\"params\":[" COUNTS "]}", LONG);
    put_request(fd, text, "");
    a = get_json(fd);
    assert_true(num_of(json_object_get(a, "result")) > 40000000);
    json_decref(a);
    uint64_t calls, errors, connections;
    rpc_get_counts(&calls, &errors, &connections, r);
    assert_int_equal(calls, 2 * (8 + 3 + 1) + 2); /* each once, wherever it was answered */
    assert_int_equal(errors, 2);
    close(fd);
    rpc_server_stop(r);
}

static void subscriptions_of_a_long_batch_stay_with_their_connection(void **state)
{
    struct fixture *f = *state;
    struct rpc *r = start(f, 0);
    int fd = ws_dial(rpc_http_port(r));
    patient(fd);
    char *batch = batch_of(8, LONG, ",{\"id\":100,\"method\":\"eth_subscribe\",\"params\":[\"newHeads\"]},{\"id\":101,\"method\":\"eth_chainId\"}");
    ws_put(fd, batch);
    ws_put(fd, "{\"id\":5,\"method\":\"eth_blockNumber\"}");
    json_t *a = ws_get(fd);
    assert_int_equal(json_array_size(a), 10);
    bool has_id = false, has_chain = false;
    for (size_t i = 0; i < 10; i++) {
        const json_t *one = json_array_get(a, i);
        const json_int_t id = json_integer_value(json_object_get(one, "id"));
        if (id == 100) has_id = json_is_string(json_object_get(one, "result"));
        if (id == 101) has_chain = json_is_string(json_object_get(one, "result"));
    }
    assert_true(has_id && has_chain);
    json_decref(a);
    a = ws_get(fd);
    assert_int_equal(json_integer_value(json_object_get(a, "id")), 5);
    json_decref(a);
    struct rpc *other = f->rpc;
    f->rpc = r; /* events go there */
    fixture_seal(f);
    f->rpc = other;
    a = ws_get(fd);
    assert_string_equal(json_string_value(json_object_get(a, "method")), "eth_subscription");
    json_decref(a);
    close(fd);
    /* the same over the Unix socket: a line each, in order */
    fd = dial_ipc();
    assert_int_equal(send(fd, batch, strlen(batch), 0), (ssize_t)strlen(batch));
    static const char next[] = "{\"id\":6,\"method\":\"eth_chainId\"}\n";
    assert_int_equal(send(fd, next, sizeof next - 1, 0), sizeof next - 1);
    struct buf lines;
    buf_init(&lines, 1 << 20);
    for (size_t n_lines = 0; n_lines < 2;) {
        uint8_t *p = buf_reserve(&lines, 1);
        ws_exact(fd, p, 1);
        n_lines += *p == '\n';
        lines.len++;
    }
    const char *second = strchr(buf_cstr(&lines), '\n') + 1;
    assert_string_equal(second, "{\"jsonrpc\":\"2.0\",\"id\":6,\"result\":\"0x2b\"}\n");
    buf_fini(&lines);
    close(fd);
    free(batch);
    rpc_server_stop(r);
}

static void what_takes_too_long_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct rpc *r = start(f, 1);
    int fd = dial(r);
    char *batch = batch_of(900, LONG, "");
    put_request(fd, batch, "");
    json_t *a = get_json(fd);
    assert_int_equal(json_array_size(a), 900);
    assert_string_equal(json_string_value(json_object_get(json_array_get(a, 0), "result")), FORTY_TWO);
    const json_t *e = json_object_get(json_array_get(a, 899), "error");
    assert_int_equal(json_integer_value(json_object_get(e, "code")), -32005);
    assert_string_equal(json_string_value(json_object_get(e, "message")), "the batch took too long");
    json_decref(a);
    close(fd);
    free(batch);
    rpc_server_stop(r);
}

static void a_large_answer_is_compressed_off_the_server_thread(void **state)
{
    struct fixture *f = *state;
    struct rpc *r = start(f, 0);
    int fd = dial(r);
    struct buf b, zipped, plain;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 200; i++) buf_printf(&b, "%c{\"id\":%d,\"method\":\"rpc.discover\"}", i ? ',' : '[', i);
    buf_put_str(&b, "]");
    put_request(fd, buf_cstr(&b), "Accept-Encoding: gzip\r\n");
    get_answer(&zipped, fd);
    buf_init(&plain, 64 << 20);
    uint8_t *p = buf_reserve(&plain, 60 << 20);
    z_stream z = {.next_in = zipped.ptr, .avail_in = (uInt)zipped.len, .next_out = p, .avail_out = 60 << 20};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_true(z.total_out > 1 << 20);
    json_t *a = json_loadb((const char *)p, z.total_out, 0, NULL);
    assert_int_equal(json_array_size(a), 200);
    json_decref(a);
    inflateEnd(&z);
    buf_fini(&b), buf_fini(&zipped), buf_fini(&plain);
    close(fd);
    rpc_server_stop(r);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_new, fixture_free)
    const struct CMUnitTest tests[] = {
        TEST(a_short_request_does_not_wait_for_a_long_one),
        TEST(a_long_batch_has_every_answer_in_its_place),
        TEST(subscriptions_of_a_long_batch_stay_with_their_connection),
        TEST(what_takes_too_long_is_given_up),
        TEST(a_large_answer_is_compressed_off_the_server_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
