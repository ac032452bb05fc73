#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/crypto/tls.h"
#include "lib/net/http_client.h"
#include "lib/net/http_server.h"

#include <cmocka.h>

#define ADDR "127.0.0.1"
#define MAX_BODY 100000

/* ------------------------------------------------------------------ an echo server */

struct echo {
    struct http_server *server;
    pthread_mutex_t lock;
    struct http_request *kept[8];
    size_t n_kept;
    struct ws_conn *ws;
    struct ws_conn *held; /* since it said "hold" */
    size_t n_ws_open, n_ws_close;
    atomic_size_t n_wakes;
};

static void on_request(void *ctx, struct http_request *r)
{
    struct echo *e = ctx;
    const char *path = http_request_path(r);
    if (strcmp(path, "/keep") == 0) {
        pthread_mutex_lock(&e->lock);
        e->kept[e->n_kept++] = r;
        pthread_mutex_unlock(&e->lock);
        return;
    }
    if (strcmp(path, "/take") == 0) {
        size_t n = 3000000;
        uint8_t *p = malloc(n);
        memset(p, 'x', n);
        http_respond_take(r, 200, "application/octet-stream", p, n, NULL, 0);
        return;
    }
    if (strcmp(path, "/what") == 0) {
        char text[1000], q[100] = "none";
        (void)http_request_query_get(q, sizeof q, r, "q");
        const char *h = http_request_header(r, "x-thing");
        snprintf(text, sizeof text, "%s|%s|%s|%s|%s", http_method_name(http_request_method(r)), http_request_query(r), q, h ? h : "-",
                 http_request_peer(r));
        http_respond(r, 200, "text/plain", bytes_str(text), &(struct http_header){"X-Back", "yes"}, 1);
        return;
    }
    if (strcmp(path, "/empty") == 0) {
        http_respond(r, 204, NULL, BYTES_EMPTY, NULL, 0);
        return;
    }
    if (strcmp(path, "/a b") == 0) {
        http_respond(r, 200, "text/plain", BYTES_LIT("decoded"), NULL, 0);
        return;
    }
    http_respond(r, 200, "application/json", http_request_body(r), NULL, 0);
}

static bool on_open(void *ctx, struct ws_conn *c)
{
    struct echo *e = ctx;
    if (strcmp(ws_path(c), "/refuse") == 0) return false;
    e->ws = c;
    e->n_ws_open++;
    return true;
}
static void on_message(void *ctx, struct ws_conn *c, bytes msg)
{
    struct echo *e = ctx;
    if (bytes_eq_str(msg, "hold")) {
        ws_hold(c);
        pthread_mutex_lock(&e->lock);
        e->held = c;
        pthread_mutex_unlock(&e->lock);
        return;
    }
    IGNORE(ws_send(c, msg), "the client may be gone");
}
static void on_close(void *ctx, struct ws_conn *c)
{
    struct echo *e = ctx;
    pthread_mutex_lock(&e->lock);
    if (e->ws == c) e->ws = NULL;
    e->n_ws_close++;
    pthread_mutex_unlock(&e->lock);
}
static void on_wake(void *ctx)
{
    atomic_fetch_add(&((struct echo *)ctx)->n_wakes, 1);
}

static void start_with(struct echo *e, struct http_server_config cfg)
{
    memset(e, 0, sizeof *e);
    pthread_mutex_init(&e->lock, NULL);
    struct err err = {0};
    struct http_handler h = {.ctx = e, .request = on_request, .ws_open = on_open, .ws_message = on_message, .ws_close = on_close, .wake = on_wake};
    if (cfg.bind_address == NULL) cfg.bind_address = ADDR;
    if (cfg.max_body == 0) cfg.max_body = MAX_BODY;
    enum status s = http_server_start(&e->server, &cfg, &h, &err);
    if (s != OK) print_message("# %s\n", err_text(&err));
    assert_int_equal(s, OK);
}
static void start(struct echo *e)
{
    start_with(e, (struct http_server_config){.idle_timeout_s = 5});
}
static void stop(struct echo *e)
{
    http_server_stop(e->server);
    pthread_mutex_destroy(&e->lock);
}

/* ------------------------------------------------------------------ raw sockets */

static int dial(const struct echo *e)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(http_server_port(e->server))};
    inet_pton(AF_INET, ADDR, &sa.sin_addr);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    struct timeval tv = {3, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    return fd;
}
static void put(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}
static void put_str(int fd, const char *s)
{
    put(fd, s, strlen(s));
}
/* reads until the peer closes, a time-out, or cap */
static size_t get_all(int fd, char *dst, size_t cap)
{
    size_t n = 0;
    while (n + 1 < cap) {
        ssize_t r = recv(fd, dst + n, cap - 1 - n, 0);
        if (r <= 0) break;
        n += (size_t)r;
    }
    dst[n] = 0;
    return n;
}
static void get_exact(int fd, void *dst, size_t len)
{
    for (size_t n = 0; n < len;) {
        ssize_t r = recv(fd, (char *)dst + n, len - n, 0);
        assert_true(r > 0);
        n += (size_t)r;
    }
}
/* one answer with Content-Length: head to dst, body after it */
static void get_answer(int fd, char *dst, size_t cap)
{
    size_t n = 0;
    char *end;
    do {
        assert_true(n + 1 < cap);
        get_exact(fd, dst + n, 1);
        dst[++n] = 0;
    } while ((end = strstr(dst, "\r\n\r\n")) == NULL);
    const char *cl = strstr(dst, "Content-Length: ");
    size_t len = cl ? strtoul(cl + 16, NULL, 10) : 0;
    assert_true(n + len < cap);
    get_exact(fd, dst + n, len);
    dst[n + len] = 0;
}

/* ------------------------------------------------------------------ HTTP */

static void url_of(char dst[200], const struct echo *e, const char *path)
{
    snprintf(dst, 200, "http://" ADDR ":%u%s", http_server_port(e->server), path);
}

static void client_and_server_exchange_a_body(void **state)
{
    (void)state;
    struct echo e;
    start(&e);
    struct http_client *c;
    struct err err = {0};
    assert_int_equal(http_client_new(&c, NULL, &err), OK);
    char url[200], value[100];
    url_of(url, &e, "/echo");
    for (int i = 0; i < 3; i++) {
        struct http_client_response r;
        assert_int_equal(http_client_do(&r, c, &(struct http_client_request){.method = "POST", .url = url, .body = BYTES_LIT("hello"), .has_body = true}, &err), OK);
        assert_int_equal(r.status, 200);
        assert_true(bytes_eq_str(buf_view(&r.body), "hello"));
        assert_true(http_client_header(value, sizeof value, &r, "content-type"));
        assert_string_equal(value, "application/json");
        assert_true(http_client_header(value, sizeof value, &r, "date"));
        http_client_response_fini(&r);
    }
    assert_int_equal(http_server_connections(e.server), 1); /* one connection was kept alive */
    url_of(url, &e, "/what?a=1&q=x%20y+z&b");
    struct http_client_response r;
    assert_int_equal(http_client_do(&r, c, &(struct http_client_request){.method = "PATCH", .url = url, .headers = (const char *const[]){"X-Thing: 7"}, .n_headers = 1}, &err), OK);
    assert_true(bytes_eq_str(buf_view(&r.body), "PATCH|a=1&q=x%20y+z&b|x y z|7|127.0.0.1"));
    assert_true(http_client_header(value, sizeof value, &r, "X-Back"));
    http_client_response_fini(&r);
    url_of(url, &e, "/a%20b");
    assert_int_equal(http_client_do(&r, c, &(struct http_client_request){.method = "GET", .url = url}, &err), OK);
    assert_true(bytes_eq_str(buf_view(&r.body), "decoded"));
    http_client_response_fini(&r);
    url_of(url, &e, "/empty");
    assert_int_equal(http_client_do(&r, c, &(struct http_client_request){.method = "DELETE", .url = url}, &err), OK);
    assert_int_equal(r.status, 204);
    http_client_response_fini(&r);
    url_of(url, &e, "/what");
    assert_int_equal(http_client_do(&r, c, &(struct http_client_request){.method = "HEAD", .url = url}, &err), OK);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.len, 0);
    http_client_response_fini(&r);
    url_of(url, &e, "/take");
    assert_int_equal(http_client_do(&r, c, &(struct http_client_request){.method = "GET", .url = url}, &err), OK);
    assert_int_equal(r.body.len, 3000000);
    http_client_response_fini(&r);
    assert_int_equal(http_server_connections(e.server), 1);
    http_client_free(c);
    stop(&e);
}

static void client_names_the_host_that_refuses(void **state)
{
    (void)state;
    struct http_client *c;
    struct err err = {0};
    assert_int_equal(http_client_new(&c, &(struct http_client_config){.max_body = 1000}, &err), OK);
    struct http_client_response r;
    assert_int_equal(http_client_do(&r, c, &(struct http_client_request){.method = "GET", .url = "http://user:secret@127.0.0.1:1/x"}, &err), E_NET);
    assert_non_null(strstr(err.text, "127.0.0.1:1"));
    assert_null(strstr(err.text, "secret"));
    struct echo e;
    start(&e);
    char url[200];
    url_of(url, &e, "/take");
    assert_int_equal(http_client_do(&r, c, &(struct http_client_request){.method = "GET", .url = url}, &err), E_LIMIT);
    http_client_free(c);
    assert_int_equal(http_client_new(&c, &(struct http_client_config){.timeout_ms = 100}, &err), OK);
    url_of(url, &e, "/keep");
    assert_int_equal(http_client_do(&r, c, &(struct http_client_request){.method = "GET", .url = url}, &err), E_TIMEOUT);
    http_client_free(c);
    /* the client is gone; its request is answered all the same */
    pthread_mutex_lock(&e.lock);
    struct http_request *kept = e.kept[0];
    pthread_mutex_unlock(&e.lock);
    http_respond(kept, 200, NULL, BYTES_EMPTY, NULL, 0);
    stop(&e);
}

static void hundred_pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct echo e;
    start(&e);
    int fd = dial(&e);
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 100; i++) {
        char body[40];
        int n = snprintf(body, sizeof body, "{\"id\":%d}", i);
        buf_printf(&b, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", n, body);
    }
    put(fd, b.ptr, b.len);
    for (int i = 0; i < 100; i++) {
        char got[1000], want[40];
        get_answer(fd, got, sizeof got);
        snprintf(want, sizeof want, "\r\n\r\n{\"id\":%d}", i);
        assert_non_null(strstr(got, want));
    }
    /* and again byte by byte at the seams */
    for (size_t i = 0; i < b.len && i < 1500; i++) put(fd, b.ptr + i, 1);
    put(fd, b.ptr + 1500, b.len - 1500);
    for (int i = 0; i < 100; i++) {
        char got[1000];
        get_answer(fd, got, sizeof got);
    }
    buf_fini(&b);
    close(fd);
    stop(&e);
}

static void *answer_kept(void *arg)
{
    struct echo *e = arg;
    for (int done = 0; done < 3;) {
        pthread_mutex_lock(&e->lock);
        struct http_request *r = e->n_kept ? e->kept[--e->n_kept] : NULL;
        pthread_mutex_unlock(&e->lock);
        if (r == NULL) {
            clock_sleep_ms(2);
            continue;
        }
        char text[20];
        snprintf(text, sizeof text, "kept%d", done++);
        http_respond(r, 200, "text/plain", bytes_str(text), NULL, 0);
    }
    return NULL;
}

static void requests_kept_for_another_thread_hold_their_place_in_the_pipeline(void **state)
{
    (void)state;
    struct echo e;
    start(&e);
    pthread_t t;
    pthread_create(&t, NULL, answer_kept, &e);
    int fd = dial(&e);
    put_str(fd, "GET /keep HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nabGET /keep HTTP/1.1\r\nHost: x\r\n\r\n"
                "GET /keep HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\ncd");
    char got[4000];
    get_all(fd, got, sizeof got);
    char *a = strstr(got, "kept0"), *b = strstr(got, "\r\n\r\nab"), *c = strstr(got, "kept1"), *d = strstr(got, "kept2"), *f = strstr(got, "\r\n\r\ncd");
    assert_true(a && b && c && d && f && a < b && b < c && c < d && d < f);
    assert_non_null(strstr(got, "Connection: close"));
    pthread_join(t, NULL);
    close(fd);
    stop(&e);
}

static size_t n_kept(struct echo *e)
{
    pthread_mutex_lock(&e->lock);
    size_t n = e->n_kept;
    pthread_mutex_unlock(&e->lock);
    return n;
}

static void answers_of_another_thread_that_are_held_leave_together(void **state)
{
    (void)state;
    struct echo e;
    char got[1000];
    int fd[3];
    start(&e);
    for (size_t i = 0; i < 3; i++) {
        fd[i] = dial(&e);
        put_str(fd[i], "GET /keep HTTP/1.1\r\nHost: x\r\n\r\n");
        while (n_kept(&e) < i + 1) clock_sleep_ms(1);
    }
    put_str(fd[1], "GET /what HTTP/1.1\r\nHost: x\r\n\r\n"); /* says more before it is answered */
    close(fd[2]);                                            /* is gone before it is answered */
    http_server_hold(e.server);
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(http_request_server(e.kept[i]), e.server);
        http_respond(e.kept[i], 200, "text/plain", BYTES_LIT("held"), NULL, 0);
    }
    struct pollfd p = {.fd = fd[0], .events = POLLIN};
    assert_int_equal(poll(&p, 1, 60), 0);
    http_server_release(e.server);
    for (size_t i = 0; i < 2; i++) {
        get_answer(fd[i], got, sizeof got);
        assert_non_null(strstr(got, "held"));
    }
    get_answer(fd[1], got, sizeof got);
    assert_non_null(strstr(got, "GET|"));
    for (size_t i = 0; i < 2; i++) {
        put_str(fd[i], "GET /what HTTP/1.1\r\nHost: x\r\n\r\n");
        get_answer(fd[i], got, sizeof got);
        assert_non_null(strstr(got, "GET|"));
        close(fd[i]);
    }
    stop(&e);
}

static void malformed_requests_get_an_error_and_the_connection_closes(void **state)
{
    (void)state;
    static const struct {
        const char *request, *answer;
    } cases[] = {
        {"nonsense\r\n\r\n", "HTTP/1.1 501 "},
        {"GET\r\n\r\n", "HTTP/1.1 501 "},
        {"GET / HTTP/9.9\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
        {"GET / HTTP/1.1\r\nHost x\r\n\r\n", "HTTP/1.1 400 "},
        {"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
        {"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
        {"GET /%4 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", "HTTP/1.1 400 "},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\nabc", "HTTP/1.1 413 "},
        {"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 501 "},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 501 "},
    };
    struct echo e;
    start(&e);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int fd = dial(&e);
        put_str(fd, cases[i].request);
        shutdown(fd, SHUT_WR);
        char got[1000];
        get_all(fd, got, sizeof got);
        if (strncmp(got, cases[i].answer, strlen(cases[i].answer)) != 0) fail_msg("%s gave %s", cases[i].request, got);
        close(fd);
    }
    stop(&e);
}

static void bodies_and_heads_over_the_limit_are_refused_while_they_arrive(void **state)
{
    (void)state;
    struct echo e;
    start(&e);
    char *big = malloc(300000), got[1000];
    memset(big, 'a', 300000);
    /* a chunked body that grows past the limit; all of it is sent before the answer is read */
    int fd = dial(&e);
    put_str(fd, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n30000\r\n");
    put(fd, big, 0x30000);
    get_all(fd, got, sizeof got);
    assert_int_equal(strncmp(got, "HTTP/1.1 413 ", 13), 0);
    close(fd);
    fd = dial(&e);
    put_str(fd, "GET / HTTP/1.1\r\nHost: x\r\nX-Big: ");
    put(fd, big, 20000);
    put_str(fd, "\r\n\r\n");
    get_all(fd, got, sizeof got);
    assert_int_equal(strncmp(got, "HTTP/1.1 431 ", 13), 0);
    close(fd);
    fd = dial(&e);
    put_str(fd, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 110; i++) put_str(fd, "A: b\r\n");
    put_str(fd, "\r\n");
    get_all(fd, got, sizeof got);
    assert_int_equal(strncmp(got, "HTTP/1.1 431 ", 13), 0);
    close(fd);
    /* exactly at the limit it passes, by length and by chunks */
    struct http_client *c;
    char url[200];
    url_of(url, &e, "/");
    assert_int_equal(http_client_new(&c, NULL, NULL), OK);
    struct http_client_response r;
    assert_int_equal(http_client_do(&r, c, &(struct http_client_request){.method = "PUT", .url = url, .body = bytes_make(big, MAX_BODY), .has_body = true}, NULL), OK);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.len, MAX_BODY);
    http_client_response_fini(&r);
    http_client_free(c);
    fd = dial(&e);
    put_str(fd, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
    char cont[26] = "";
    get_exact(fd, cont, 25);
    assert_string_equal(cont, "HTTP/1.1 100 Continue\r\n\r\n");
    put_str(fd, "3\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n");
    get_answer(fd, got, sizeof got);
    assert_non_null(strstr(got, "\r\n\r\nabcde"));
    close(fd);
    free(big);
    stop(&e);
}

static void an_unknown_upgrade_is_an_ordinary_request(void **state)
{
    (void)state;
    struct echo e;
    start(&e);
    int fd = dial(&e);
    put_str(fd, "GET /a%20b HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n");
    char got[1000];
    get_answer(fd, got, sizeof got);
    assert_non_null(strstr(got, "decoded"));
    close(fd);
    fd = dial(&e);
    put_str(fd, "GET /a%20b HTTP/1.0\r\n\r\n");
    get_all(fd, got, sizeof got);
    assert_non_null(strstr(got, "Connection: close\r\n"));
    close(fd);
    fd = dial(&e);
    put_str(fd, "GET /a%20b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    get_answer(fd, got, sizeof got);
    assert_non_null(strstr(got, "Connection: keep-alive\r\n"));
    close(fd);
    stop(&e);
}

static void a_slow_or_silent_client_is_dropped(void **state)
{
    (void)state;
    struct echo e;
    start_with(&e, (struct http_server_config){.idle_timeout_s = 1});
    int silent = dial(&e), slow = dial(&e), deaf = dial(&e);
    put_str(slow, "GET / HTTP/1.1\r\nX-Slow: ");
    for (int i = 0; i < 100; i++) put_str(deaf, "GET /take HTTP/1.1\r\nHost: x\r\n\r\n");
    uint64_t begin = clock_mono_ms();
    while (http_server_connections(e.server) < 3) clock_sleep_ms(1);
    while (http_server_connections(e.server) > 0 && clock_mono_ms() - begin < 4000) {
        IGNORE(send(slow, "a", 1, MSG_NOSIGNAL) < 0, "it is dropped at some time");
        clock_sleep_ms(50);
    }
    assert_int_equal(http_server_connections(e.server), 0);
    assert_true(clock_mono_ms() - begin >= 900);
    close(silent), close(slow), close(deaf);
    stop(&e);
}

static void the_server_stays_within_its_number_of_connections(void **state)
{
    (void)state;
    struct echo e;
    start_with(&e, (struct http_server_config){.max_connections = 3, .idle_timeout_s = 5});
    int fd[4];
    char got[1000];
    for (int i = 0; i < 3; i++) {
        fd[i] = dial(&e);
        put_str(fd[i], "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n");
    }
    while (http_server_connections(e.server) < 3) clock_sleep_ms(1);
    clock_sleep_ms(20);
    fd[3] = dial(&e);
    get_all(fd[3], got, sizeof got);
    assert_int_equal(strncmp(got, "HTTP/1.1 503 ", 13), 0);
    put_str(fd[1], "123456789");
    get_answer(fd[1], got, sizeof got);
    for (int i = 0; i < 4; i++) close(fd[i]);
    stop(&e);
}

static void a_taken_port_is_told_and_loopback_addresses_do_not_collide(void **state)
{
    (void)state;
    struct echo e;
    start(&e);
    struct http_server *second;
    struct err err = {0};
    struct http_handler h = {0};
    uint16_t port = http_server_port(e.server);
    assert_int_equal(http_server_start(&second, &(struct http_server_config){.bind_address = ADDR, .port = port}, &h, &err), E_BUSY);
    char want[60];
    snprintf(want, sizeof want, ADDR " port %u is taken", port);
    assert_non_null(strstr(err.text, want));
    assert_int_equal(http_server_start(&second, &(struct http_server_config){.bind_address = "127.3.2.10", .port = port}, &h, &err), OK);
    assert_int_equal(http_server_port(second), port);
    http_server_stop(second);
    assert_int_equal(http_server_start(&second, &(struct http_server_config){.bind_address = "localhost"}, &h, &err), E_INVALID);
    assert_int_equal(http_server_start(&second, &(struct http_server_config){.bind_address = "203.0.113.1"}, &h, &err), E_INVALID);
    stop(&e);
    /* at once again on the same port */
    assert_int_equal(http_server_start(&second, &(struct http_server_config){.bind_address = ADDR, .port = port}, &h, &err), OK);
    http_server_stop(second);
}

static void wake_calls_back_on_the_servers_thread(void **state)
{
    (void)state;
    struct echo e;
    start(&e);
    http_server_wake(e.server);
    for (int i = 0; i < 1000 && e.n_wakes == 0; i++) clock_sleep_ms(1);
    stop(&e);
    assert_int_equal(e.n_wakes, 1);
}

/* ------------------------------------------------------------------ TLS */

static void put_file(char path[100], const char *dir, const char *name, const struct buf *b)
{
    snprintf(path, 100, "%s/%s", dir, name);
    assert_int_equal(file_write_atomic(path, buf_view(b), 0600, NULL), OK);
}

static void tls_serves_those_who_trust_its_authority(void **state)
{
    (void)state;
    char dir[] = "/tmp/poa-net-XXXXXX", ca[100], crt[100], key[100];
    assert_non_null(mkdtemp(dir));
    struct buf ca_key, ca_crt, s_key, s_crt;
    buf_init(&ca_key, 9999), buf_init(&ca_crt, 9999), buf_init(&s_key, 9999), buf_init(&s_crt, 9999);
    assert_int_equal(tls_make_ca(&ca_key, &ca_crt, "test", 1, NULL), OK);
    assert_int_equal(tls_make_server(&s_key, &s_crt, buf_view(&ca_key), buf_view(&ca_crt), "127.0.0.1", 1, NULL), OK);
    put_file(ca, dir, "ca.pem", &ca_crt), put_file(crt, dir, "crt.pem", &s_crt), put_file(key, dir, "key.pem", &s_key);
    struct echo e;
    start_with(&e, (struct http_server_config){.tls_cert_file = crt, .tls_key_file = key, .idle_timeout_s = 5});
    struct http_client *c;
    struct err err = {0};
    char url[200];
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", http_server_port(e.server));
    char *big = malloc(MAX_BODY);
    memset(big, 'z', MAX_BODY);
    struct http_client_response r;
    assert_int_equal(http_client_new(&c, &(struct http_client_config){.ca_file = ca}, &err), OK);
    for (int i = 0; i < 3; i++) {
        enum status s = http_client_do(&r, c, &(struct http_client_request){.method = "POST", .url = url, .body = bytes_make(big, MAX_BODY), .has_body = true}, &err);
        if (s != OK) print_message("# %s\n", err_text(&err));
        assert_int_equal(s, OK);
        assert_int_equal(r.body.len, MAX_BODY);
        assert_memory_equal(r.body.ptr, big, MAX_BODY);
        http_client_response_fini(&r);
    }
    assert_int_equal(http_server_connections(e.server), 1);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/take", http_server_port(e.server));
    assert_int_equal(http_client_do(&r, c, &(struct http_client_request){.method = "GET", .url = url}, &err), OK);
    assert_int_equal(r.body.len, 3000000);
    http_client_response_fini(&r);
    http_client_free(c);
    assert_int_equal(http_client_new(&c, NULL, &err), OK);
    assert_int_equal(http_client_do(&r, c, &(struct http_client_request){.method = "GET", .url = url}, &err), E_CRYPTO);
    http_client_free(c);
    /* plain bytes on the TLS port do no harm */
    int fd = dial(&e);
    put_str(fd, "GET / HTTP/1.1\r\n\r\n");
    char got[100];
    get_all(fd, got, sizeof got);
    close(fd);
    struct http_server *bad;
    struct http_handler h = {0};
    assert_int_equal(http_server_start(&bad, &(struct http_server_config){.tls_cert_file = crt, .tls_key_file = "/nonexistent"}, &h, &err), E_INVALID);
    assert_non_null(strstr(err.text, "/nonexistent"));
    free(big);
    stop(&e);
    buf_fini(&ca_key), buf_fini(&ca_crt), buf_fini(&s_key), buf_fini(&s_crt);
    IGNORE(file_remove_tree(dir, NULL), "a temporary folder");
}

/* ------------------------------------------------------------------ WebSocket */

static int ws_dial(const struct echo *e, const char *path)
{
    int fd = dial(e);
    char text[400], got[1000];
    snprintf(text, sizeof text,
             "GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
             path);
    put_str(fd, text);
    get_answer(fd, got, sizeof got);
    assert_int_equal(strncmp(got, "HTTP/1.1 101 ", 13), 0);
    assert_non_null(strstr(got, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")); /* RFC 6455, section 1.3 */
    return fd;
}
static void ws_put(int fd, uint8_t first, const uint8_t *data, size_t len)
{
    uint8_t *f = malloc(len + 14), *p = f;
    *p++ = first;
    if (len < 126) {
        *p++ = (uint8_t)(0x80 | len);
    } else if (len < 65536) {
        *p++ = 0x80 | 126;
        *p++ = (uint8_t)(len >> 8);
        *p++ = (uint8_t)len;
    } else {
        *p++ = 0x80 | 127;
        be64_put(p, len);
        p += 8;
    }
    static const uint8_t mask[4] = {1, 2, 3, 4};
    memcpy(p, mask, 4);
    p += 4;
    for (size_t i = 0; i < len; i++) p[i] = data[i] ^ mask[i % 4];
    put(fd, f, (size_t)(p - f) + len);
    free(f);
}
static size_t ws_get(int fd, uint8_t *first, uint8_t *dst, size_t cap)
{
    uint8_t h[10];
    get_exact(fd, h, 2);
    *first = h[0];
    uint64_t len = h[1] & 0x7f;
    assert_int_equal(h[1] & 0x80, 0);
    if (len == 126) {
        get_exact(fd, h, 2);
        len = (uint64_t)h[0] << 8 | h[1];
    } else if (len == 127) {
        get_exact(fd, h, 8);
        len = be64_get(h);
    }
    assert_true(len <= cap);
    get_exact(fd, dst, len);
    return len;
}

static void websocket_echoes_messages_of_all_lengths(void **state)
{
    (void)state;
    struct echo e;
    start(&e);
    int fd = ws_dial(&e, "/some/path");
    static const size_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, MAX_BODY};
    uint8_t *data = malloc(MAX_BODY + 1), *back = malloc(MAX_BODY + 1), first;
    for (size_t i = 0; i < MAX_BODY + 1; i++) data[i] = (uint8_t)('a' + i % 26);
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        ws_put(fd, 0x81, data, lengths[i]);
        assert_int_equal(ws_get(fd, &first, back, MAX_BODY), lengths[i]);
        assert_int_equal(first, 0x81);
        assert_memory_equal(back, data, lengths[i]);
    }
    /* fragments, with a ping between them */
    ws_put(fd, 0x01, data, 3);
    ws_put(fd, 0x89, (const uint8_t *)"hi", 2);
    assert_int_equal(ws_get(fd, &first, back, MAX_BODY), 2);
    assert_int_equal(first, 0x8a);
    ws_put(fd, 0x80, data + 3, 3);
    assert_int_equal(ws_get(fd, &first, back, MAX_BODY), 6);
    assert_memory_equal(back, data, 6);
    /* many at once */
    for (int i = 0; i < 100; i++) ws_put(fd, 0x81, data, 10);
    for (int i = 0; i < 100; i++) assert_int_equal(ws_get(fd, &first, back, MAX_BODY), 10);
    assert_string_equal(ws_path(e.ws), "/some/path");
    /* from another thread */
    assert_int_equal(ws_send(e.ws, BYTES_LIT("news")), OK);
    assert_int_equal(ws_get(fd, &first, back, MAX_BODY), 4);
    /* closing handshake */
    ws_put(fd, 0x88, (const uint8_t *)"\x03\xe8", 2);
    assert_int_equal(ws_get(fd, &first, back, MAX_BODY), 2);
    assert_int_equal(first, 0x88);
    assert_int_equal(recv(fd, back, 1, 0), 0);
    close(fd);
    /* too long a message closes with 1009 */
    fd = ws_dial(&e, "/");
    ws_put(fd, 0x81, data, MAX_BODY + 1);
    assert_int_equal(ws_get(fd, &first, back, MAX_BODY) >= 2, 1);
    assert_int_equal(first, 0x88);
    assert_int_equal(back[0] << 8 | back[1], 1009);
    close(fd);
    free(data), free(back);
    stop(&e);
    assert_int_equal(e.n_ws_open, 2);
    assert_int_equal(e.n_ws_close, 2);
}

/* until a handler has held a connection */
static struct ws_conn *take_held(struct echo *e)
{
    for (int i = 0; i < 3000; i++) {
        pthread_mutex_lock(&e->lock);
        struct ws_conn *c = e->held;
        e->held = NULL;
        pthread_mutex_unlock(&e->lock);
        if (c != NULL) return c;
        poll(NULL, 0, 1);
    }
    fail_msg("nothing was held");
    return NULL;
}

static void a_websocket_that_is_held_keeps_the_order_of_its_messages(void **state)
{
    (void)state;
    struct echo e;
    start(&e);
    uint8_t first, back[300], *long_one = malloc(MAX_BODY);
    memset(long_one, 'x', MAX_BODY);
    int fd = ws_dial(&e, "/"), other = ws_dial(&e, "/");
    for (int round = 0; round < 2; round++) {
        /* some of what follows is in wslay's hands already, some in the connection's input, some in the socket */
        ws_put(fd, 0x81, (const uint8_t *)"hold", 4);
        ws_put(fd, 0x81, (const uint8_t *)"a", 1);
        ws_put(fd, 0x81, (const uint8_t *)"hold", 4);
        for (int i = 0; i < 10; i++) ws_put(fd, 0x81, long_one, 70000);
        ws_put(fd, 0x81, (const uint8_t *)"b", 1);
        struct ws_conn *held = take_held(&e);
        ws_put(other, 0x81, (const uint8_t *)"o", 1); /* nobody else waits */
        assert_int_equal(ws_get(other, &first, back, sizeof back), 1);
        assert_int_equal(ws_send(held, BYTES_LIT("news")), OK);
        assert_int_equal(ws_get(fd, &first, back, sizeof back), 4);
        assert_memory_equal(back, "news", 4);
        ws_resume(held, BYTES_LIT("held"));
        assert_int_equal(ws_get(fd, &first, back, sizeof back), 4);
        assert_memory_equal(back, "held", 4);
        assert_int_equal(ws_get(fd, &first, back, sizeof back), 1);
        assert_int_equal(back[0], 'a');
        ws_resume(take_held(&e), BYTES_EMPTY);
        for (int i = 0; i < 10; i++) assert_int_equal(ws_get(fd, &first, long_one, MAX_BODY), 70000);
        assert_int_equal(ws_get(fd, &first, back, sizeof back), 1);
        assert_int_equal(back[0], 'b');
    }
    /* a client that goes while it is held: the connection stays until it is told of the end */
    struct linger hard = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    ws_put(fd, 0x81, (const uint8_t *)"hold", 4);
    struct ws_conn *held = take_held(&e);
    close(fd);
    for (size_t i = 0, n = 0; i < 3000 && n == 0; i++) {
        poll(NULL, 0, 1);
        pthread_mutex_lock(&e.lock);
        n = e.n_ws_close;
        pthread_mutex_unlock(&e.lock);
    }
    assert_int_equal(http_server_connections(e.server), 2); /* it counts as long as it takes room */
    ws_resume(held, BYTES_LIT("nobody hears it"));
    for (int i = 0; i < 3000 && http_server_connections(e.server) > 1; i++) poll(NULL, 0, 1);
    assert_int_equal(http_server_connections(e.server), 1);
    ws_put(other, 0x81, (const uint8_t *)"hold", 4);
    held = take_held(&e);
    ws_resume(held, BYTES_LIT("last")); /* perhaps only when the server has stopped */
    stop(&e);
    close(other);
    free(long_one);
    assert_int_equal(e.n_ws_close, 2);
}

static void websocket_handshakes_that_are_wrong_or_unwanted_are_refused(void **state)
{
    (void)state;
    struct echo e;
    start(&e);
    char got[1000];
    int fd = dial(&e);
    put_str(fd, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    get_answer(fd, got, sizeof got);
    assert_int_equal(strncmp(got, "HTTP/1.1 426 ", 13), 0);
    close(fd);
    fd = dial(&e);
    put_str(fd, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n");
    get_answer(fd, got, sizeof got);
    assert_int_equal(strncmp(got, "HTTP/1.1 400 ", 13), 0);
    close(fd);
    fd = dial(&e);
    put_str(fd, "GET /refuse HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    assert_int_equal(get_all(fd, got, sizeof got), 0);
    close(fd);
    /* unmasked frames break the rules */
    fd = ws_dial(&e, "/");
    put(fd, "\x81\x01x", 3);
    uint8_t first, back[200];
    (void)ws_get(fd, &first, back, sizeof back);
    assert_int_equal(first, 0x88);
    assert_int_equal(back[0] << 8 | back[1], 1002);
    close(fd);
    stop(&e);
}

static void a_subscriber_that_does_not_read_is_dropped(void **state)
{
    (void)state;
    struct echo e;
    start_with(&e, (struct http_server_config){.idle_timeout_s = 30, .max_body = 1 << 20});
    int fd = ws_dial(&e, "/");
    uint8_t *data = calloc(1, 1 << 20);
    memset(data, 'x', 1 << 20);
    for (int i = 0; i < 200; i++) {
        pthread_mutex_lock(&e.lock);
        enum status s = e.ws ? ws_send(e.ws, bytes_make(data, 1 << 20)) : E_CLOSED;
        pthread_mutex_unlock(&e.lock);
        if (s != OK) break;
        clock_sleep_ms(1);
    }
    uint64_t begin = clock_mono_ms();
    while (http_server_connections(e.server) > 0 && clock_mono_ms() - begin < 3000) clock_sleep_ms(5);
    assert_int_equal(http_server_connections(e.server), 0);
    assert_int_equal(e.n_ws_close, 1);
    close(fd);
    free(data);
    stop(&e);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_and_server_exchange_a_body),
        cmocka_unit_test(client_names_the_host_that_refuses),
        cmocka_unit_test(hundred_pipelined_requests_are_answered_in_order),
        cmocka_unit_test(requests_kept_for_another_thread_hold_their_place_in_the_pipeline),
        cmocka_unit_test(answers_of_another_thread_that_are_held_leave_together),
        cmocka_unit_test(malformed_requests_get_an_error_and_the_connection_closes),
        cmocka_unit_test(bodies_and_heads_over_the_limit_are_refused_while_they_arrive),
        cmocka_unit_test(an_unknown_upgrade_is_an_ordinary_request),
        cmocka_unit_test(a_slow_or_silent_client_is_dropped),
        cmocka_unit_test(the_server_stays_within_its_number_of_connections),
        cmocka_unit_test(a_taken_port_is_told_and_loopback_addresses_do_not_collide),
        cmocka_unit_test(wake_calls_back_on_the_servers_thread),
        cmocka_unit_test(tls_serves_those_who_trust_its_authority),
        cmocka_unit_test(websocket_echoes_messages_of_all_lengths),
        cmocka_unit_test(a_websocket_that_is_held_keeps_the_order_of_its_messages),
        cmocka_unit_test(websocket_handshakes_that_are_wrong_or_unwanted_are_refused),
        cmocka_unit_test(a_subscriber_that_does_not_read_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
