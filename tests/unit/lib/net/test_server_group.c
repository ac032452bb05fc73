/* Several threads on one port, the budget of answers that wait, and Unix sockets, by raw sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/net/http_server.h"

#include <cmocka.h>

enum { THREADS = 3, BIG = 12 << 20 };

struct one {
    struct http_server *server;
    int index;
    atomic_size_t n_dropped, n_turns;
    char reason[200];
};

static void on_request(void *ctx, struct http_request *r)
{
    struct one *o = ctx;
    if (strcmp(http_request_path(r), "/big") == 0) {
        uint8_t *p = malloc(BIG);
        assert_non_null(p);
        memset(p, 'x', BIG);
        http_respond_take(r, 200, NULL, p, BIG, NULL, 0);
    } else if (strcmp(http_request_path(r), "/middle") == 0) { /* sent from where it stands */
        static uint8_t text[200000];
        memset(text, 'm', sizeof text);
        http_respond(r, 200, NULL, bytes_make(text, sizeof text), NULL, 0);
    } else {
        char text[100];
        snprintf(text, sizeof text, "%d%s", o->index, http_request_query(r));
        http_respond(r, 200, NULL, bytes_str(text), NULL, 0);
    }
}
static void on_dropped(void *ctx, const char *peer, const char *reason, size_t unsent)
{
    struct one *o = ctx;
    (void)peer;
    assert_true((unsent > 0) == (strstr(reason, "reader") != NULL));
    if (atomic_fetch_add(&o->n_dropped, 1) == 0) snprintf(o->reason, sizeof o->reason, "%s", reason);
}
static void on_turn_end(void *ctx)
{
    atomic_fetch_add(&((struct one *)ctx)->n_turns, 1);
}

static bool on_any_open(void *ctx, struct ws_conn *c)
{
    (void)ctx, (void)c;
    return true;
}

static void start(struct one *of, size_t n, struct http_server_config cfg)
{
    struct err err = {0};
    for (size_t i = 0; i < n; i++) {
        of[i] = (struct one){.index = (int)i};
        struct http_handler h = {.ctx = &of[i], .request = on_request, .ws_open = on_any_open, .dropped = on_dropped, .turn_end = on_turn_end};
        cfg.bind_address = "127.0.0.1";
        cfg.first = i > 0 ? of[0].server : NULL;
        cfg.nice = 1;
        if (http_server_start(&of[i].server, &cfg, &h, &err) != OK) fail_msg("%s", err_text(&err));
    }
}
static void stop(struct one *of, size_t n)
{
    for (size_t i = 0; i < n; i++) http_server_stop(of[i].server);
}

static int dial(const struct http_server *s, int buffer)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(http_server_port(s)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval tv = {10, 0};
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    if (buffer > 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}
static void put(int fd, const char *s)
{
    assert_int_equal(send(fd, s, strlen(s), MSG_NOSIGNAL), (ssize_t)strlen(s));
}
/* one answer; its body's first bytes to dst, NUL behind them.  ret the body's length */
static size_t get(char *dst, size_t cap, int fd)
{
    char head[500], drop[65536];
    size_t n = 0, done = 0;
    do {
        assert_true(n + 1 < sizeof head);
        assert_int_equal(recv(fd, head + n, 1, 0), 1);
        head[++n] = 0;
    } while (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0);
    const char *cl = strstr(head, "Content-Length: ");
    assert_non_null(cl);
    size_t len = strtoul(cl + 16, NULL, 10);
    while (done < len) {
        ssize_t r = recv(fd, drop, len - done < sizeof drop ? len - done : sizeof drop, 0);
        assert_true(r > 0);
        for (ssize_t i = 0; i < r; i++)
            if (done + (size_t)i < cap - 1) dst[done + (size_t)i] = drop[i];
        done += (size_t)r;
    }
    dst[len < cap - 1 ? len : cap - 1] = 0;
    return len;
}

static void connections_are_shared_evenly_and_each_keeps_its_thread_and_order(void **state)
{
    (void)state;
    struct one of[THREADS];
    int fd[THREADS * 4];
    start(of, THREADS, (struct http_server_config){.idle_timeout_s = 20, .max_connections = COUNT_OF(fd)});
    char got[100], want[100];
    int per[THREADS] = {0};
    for (size_t i = 0; i < COUNT_OF(fd); i++) {
        fd[i] = dial(of[0].server, 0);
        put(fd[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); /* answered: it has its thread */
        get(got, sizeof got, fd[i]);
        per[got[0] - '0']++;
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(per[i], COUNT_OF(fd) / THREADS);
        assert_int_equal(http_server_connections(of[i].server), COUNT_OF(fd) / THREADS);
        assert_int_equal(http_server_port(of[i].server), http_server_port(of[0].server));
    }
    for (size_t i = 0; i < COUNT_OF(fd); i++)
        for (int k = 0; k < 20; k++) {
            char text[100];
            snprintf(text, sizeof text, "GET /?%d HTTP/1.1\r\nHost: x\r\n\r\n", k);
            put(fd[i], text);
        }
    for (size_t i = 0; i < COUNT_OF(fd); i++) {
        char first = 0;
        for (int k = 0; k < 20; k++) {
            get(got, sizeof got, fd[i]);
            if (k == 0) first = got[0];
            snprintf(want, sizeof want, "%c%d", first, k);
            assert_string_equal(got, want);
        }
    }
    /* the limit is that of all together */
    int more = dial(of[0].server, 0);
    assert_int_equal(recv(more, got, 12, MSG_WAITALL), 12);
    assert_memory_equal(got, "HTTP/1.1 503", 12);
    close(more);
    for (size_t i = 0; i < COUNT_OF(fd); i++) close(fd[i]);
    assert_true(atomic_load(&of[1].n_turns) > 0);
    stop(of, THREADS);
}

static void a_long_answer_arrives_whole_through_a_small_window(void **state)
{
    (void)state;
    struct one of[1];
    start(of, 1, (struct http_server_config){.idle_timeout_s = 20});
    int fd = dial(of[0].server, 4096);
    char got[100];
    put(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /middle HTTP/1.1\r\nHost: x\r\n\r\nGET /middle HTTP/1.1\r\nHost: x\r\n\r\nGET /?z HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(get(got, sizeof got, fd), 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(get(got, sizeof got, fd), 200000);
        assert_int_equal(strspn(got, "m"), sizeof got - 1);
    }
    assert_int_equal(get(got, sizeof got, fd), 2);
    assert_string_equal(got, "0z");
    close(fd);
    stop(of, 1);
}

static bool is_closed(int fd)
{
    char drop[65536];
    ssize_t r;
    while ((r = recv(fd, drop, sizeof drop, MSG_DONTWAIT)) > 0) {}
    return r == 0 || (errno != EAGAIN && errno != EINTR);
}

static void the_slowest_readers_go_when_all_answers_together_are_too_many(void **state)
{
    (void)state;
    enum { CLIENTS = 16, BUDGET = 32 << 20, LEAST = 4 << 20 /* of an answer, that the kernel does not take */ };
    struct one of[2];
    start(of, 2, (struct http_server_config){.idle_timeout_s = 30, .max_unsent = BUDGET});
    int fd[CLIENTS], reader = dial(of[0].server, 0);
    char got[100];
    for (size_t i = 0; i < CLIENTS; i++) {
        fd[i] = dial(of[0].server, 4096);
        put(fd[i], "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
        put(reader, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"); /* who reads is served all along */
        assert_int_equal(get(got, sizeof got, reader), BIG);
    }
    const uint64_t begin = clock_mono_ms();
    while (http_server_unsent(of[0].server) > BUDGET && clock_mono_ms() - begin < 10000) clock_sleep_ms(2);
    assert_true(http_server_unsent(of[0].server) <= BUDGET);
    size_t dropped = atomic_load(&of[0].n_dropped) + atomic_load(&of[1].n_dropped), closed = 0;
    print_message("# %zu of %d dropped, %zu bytes wait\n", dropped, CLIENTS, http_server_unsent(of[0].server));
    assert_true(dropped >= CLIENTS - BUDGET / LEAST);
    assert_non_null(strstr(of[atomic_load(&of[0].n_dropped) > 0 ? 0 : 1].reason, "slow reader"));
    for (size_t i = 0; i < CLIENTS; i++) closed += is_closed(fd[i]);
    assert_true(closed >= 1);
    put(reader, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(get(got, sizeof got, reader), BIG);
    for (size_t i = 0; i < CLIENTS; i++) close(fd[i]);
    close(reader);
    while (http_server_unsent(of[0].server) > 0 && clock_mono_ms() - begin < 20000) clock_sleep_ms(2);
    assert_int_equal(http_server_unsent(of[0].server), 0);
    stop(of, 2);
}

static void the_largest_writers_go_when_all_requests_together_are_too_many(void **state)
{
    (void)state;
    enum { CLIENTS = 24, BUDGET = 16 << 20, BODY = 4 << 20, SENT = 3 << 20 };
    struct one of[2];
    start(of, 2, (struct http_server_config){.idle_timeout_s = 30, .max_unsent = BUDGET, .max_body = BODY});
    int fd[CLIENTS], other = dial(of[0].server, 0);
    char got[100], *data = calloc(1, SENT);
    assert_non_null(data);
    for (size_t i = 0; i < CLIENTS; i++) { /* half of them over WebSocket; none sends the last quarter */
        fd[i] = dial(of[0].server, 0);
        if (i % 2) {
            static const char frame[] = {(char)0x81, (char)0xff, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0}; /* 4 MiB, mask 0 */
            put(fd[i], "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
            do assert_int_equal(recv(fd[i], got, 1, 0), 1);
            while (got[0] != '=' || recv(fd[i], got, 4, MSG_WAITALL) != 4);
            assert_int_equal(send(fd[i], frame, sizeof frame, MSG_NOSIGNAL), sizeof frame);
        } else {
            put(fd[i], "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4194304\r\n\r\n");
        }
        for (ssize_t n = 0, r; n < SENT && (r = send(fd[i], data + n, (size_t)(SENT - n), MSG_NOSIGNAL)) > 0;) n += r; /* it may be let go on the way */
        put(other, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); /* who asks for little is served all along */
        (void)get(got, sizeof got, other);
    }
    size_t dropped = 0;
    for (int i = 0; i < 10000 && dropped < CLIENTS - BUDGET / SENT; i++) {
        dropped = atomic_load(&of[0].n_dropped) + atomic_load(&of[1].n_dropped);
        clock_sleep_ms(1);
    }
    print_message("# %zu of %d dropped\n", dropped, CLIENTS);
    assert_true(dropped >= CLIENTS - BUDGET / SENT);
    assert_non_null(strstr(of[atomic_load(&of[0].n_dropped) > 0 ? 0 : 1].reason, "large request"));
    for (size_t i = 0; i < CLIENTS; i++) close(fd[i]);
    /* when they are gone there is room again */
    while (http_server_connections(of[0].server) + http_server_connections(of[1].server) > 1) clock_sleep_ms(1);
    dropped = atomic_load(&of[0].n_dropped) + atomic_load(&of[1].n_dropped);
    for (int i = 0; i < 3; i++) {
        put(other, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3145728\r\n\r\n");
        for (ssize_t n = 0, r; n < SENT; n += r) assert_true((r = send(other, data + n, (size_t)(SENT - n), MSG_NOSIGNAL)) > 0);
        assert_int_equal(get(got, sizeof got, other), 1);
    }
    assert_int_equal(atomic_load(&of[0].n_dropped) + atomic_load(&of[1].n_dropped), dropped);
    close(other);
    free(data);
    stop(of, 2);
}

/* ------------------------------------------------------------------ Unix sockets */

/* takes lines; echoes each; "bye" closes, "hold" holds for a moment */
static void *go_on(void *c)
{
    poll(NULL, 0, 20);
    ws_resume(c, BYTES_LIT("held"));
    return NULL;
}
static size_t on_stream(void *ctx, struct ws_conn *c, bytes data)
{
    (void)ctx;
    size_t used = 0;
    for (size_t i = 0; i < data.len; i++) {
        if (data.ptr[i] != '\n') continue;
        const bytes line = bytes_make(data.ptr + used, i - used);
        if (bytes_eq_str(line, "hold")) {
            pthread_t t;
            ws_hold(c);
            assert_int_equal(pthread_create(&t, NULL, go_on, c), 0);
            pthread_detach(t);
            return i + 1;
        }
        IGNORE(ws_send(c, line), "the client may be gone");
        if (bytes_eq_str(line, "bye")) return SIZE_MAX;
        used = i + 1;
    }
    return used;
}
static bool on_open(void *ctx, struct ws_conn *c)
{
    (void)c;
    atomic_fetch_add(&((struct one *)ctx)->n_turns, 1);
    return true;
}

static int dial_unix(const char *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct timeval tv = {10, 0};
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0) return fd;
    close(fd);
    return -1;
}

static void a_unix_socket_has_streams_instead_of_requests(void **state)
{
    (void)state;
    char dir[] = "/tmp/poa-net-XXXXXX", path[100], got[200];
    struct one o = {0};
    struct err err = {0};
    struct stat st;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/socket", dir);
    struct http_server_config cfg = {.unix_path = path, .max_connections = 2};
    struct http_handler h = {.ctx = &o, .ws_open = on_open, .stream = on_stream};
    for (int round = 0; round < 2; round++) {
        assert_int_equal(http_server_start(&o.server, &cfg, &h, &err), OK);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        int a = dial_unix(path), b = dial_unix(path);
        put(a, "one\ntw");
        assert_int_equal(recv(a, got, 4, MSG_WAITALL), 4);
        assert_memory_equal(got, "one\n", 4);
        put(b, "x\n");
        assert_int_equal(recv(b, got, 2, MSG_WAITALL), 2);
        int c = dial_unix(path); /* one too many */
        assert_int_equal(recv(c, got, 1, 0), 0);
        put(a, "o\nhold\nlast\nbye\nlost\n");
        assert_int_equal(recv(a, got, 18, MSG_WAITALL), 18);
        assert_memory_equal(got, "two\nheld\nlast\nbye\n", 18);
        assert_true(recv(a, got, 1, 0) <= 0);
        close(a), close(b), close(c);
        http_server_stop(o.server);
        assert_int_equal(stat(path, &st), -1);
        /* what a killed process left behind is in nobody's way */
        int left = socket(AF_UNIX, SOCK_STREAM, 0);
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
        assert_int_equal(bind(left, (struct sockaddr *)&sa, sizeof sa), 0);
        close(left);
    }
    assert_int_equal(unlink(path), 0);
    int file = creat(path, 0600);
    assert_true(file >= 0);
    close(file);
    assert_int_not_equal(http_server_start(&o.server, &cfg, &h, &err), OK);
    assert_int_equal(stat(path, &st), 0); /* a file of someone's stays */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_shared_evenly_and_each_keeps_its_thread_and_order),
        cmocka_unit_test(a_long_answer_arrives_whole_through_a_small_window),
        cmocka_unit_test(the_slowest_readers_go_when_all_answers_together_are_too_many),
        cmocka_unit_test(the_largest_writers_go_when_all_requests_together_are_too_many),
        cmocka_unit_test(a_unix_socket_has_streams_instead_of_requests),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
