/* module: lib/net */
/* Bytes on a server's socket, over loopback: whatever comes, the server answers with HTTP, a WebSocket frame, or by closing, and goes on
 * serving. What follows the first byte decides how the rest is cut into segments. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/net/http_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_request(void *ctx, struct http_request *r)
{
    char value[64];
    (void)ctx;
    if (strlen(http_request_path(r)) > 16384 || strlen(http_request_query(r)) > 16384) BUG("a target longer than a head");
    if (http_request_query_get(value, sizeof value, r, "a") && strlen(value) >= sizeof value) BUG("a value over its capacity");
    if (http_request_body(r).len > 1000) BUG("a body over its limit");
    http_respond(r, 200, "text/plain", http_request_body(r), NULL, 0);
}

static bool on_open(void *ctx, struct ws_conn *c)
{
    (void)ctx, (void)c;
    return true;
}

static void on_message(void *ctx, struct ws_conn *c, bytes msg)
{
    (void)ctx;
    if (msg.len > 1000) BUG("a message over its limit");
    IGNORE(ws_send(c, msg), "the client may be gone");
}

static struct http_server *server(void)
{
    static struct http_server *s;
    if (s != NULL) return s;
    (void)signal(SIGPIPE, SIG_IGN);
    struct err err = {0};
    struct http_handler h = {.request = on_request, .ws_open = on_open, .ws_message = on_message};
    if (http_server_start(&s, &(struct http_server_config){.bind_address = "127.0.0.1", .max_body = 1000, .idle_timeout_s = 5}, &h, &err) != OK)
        BUG("no server");
    return s;
}

static int dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    /* where the server closed first its ends wait for a minute, and thousands of them use up the ports; libFuzzer's own timer interrupts a connect that
     * has to wait on a busy machine, and that socket is of no use any more */
    for (int tries = 0; fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0; tries++) {
        if ((errno != EADDRNOTAVAIL && errno != EINTR) || tries == 900) BUG(strerror(errno));
        if (errno == EINTR) {
            (void)close(fd);
            fd = socket(AF_INET, SOCK_STREAM, 0);
            continue;
        }
        clock_sleep_ms(100);
    }
    if (fd < 0) BUG("no socket");
    struct linger no = {1, 0}; /* no TIME_WAIT: there are many of us */
    struct timeval tv = {10, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &no, sizeof no);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0 || len > 65536) return 0;
    int fd = dial(http_server_port(server()));
    size_t piece = data[0] % 8 == 0 ? 1 + data[0] / 8U : len;
    if (piece < len / 64) piece = len / 64;
    for (size_t at = 1; at < len; at += piece) {
        size_t n = len - at < piece ? len - at : piece;
        if (send(fd, data + at, n, MSG_NOSIGNAL) < 0) break;
    }
    (void)shutdown(fd, SHUT_WR);
    char got[4096];
    ssize_t n = recv(fd, got, sizeof got, 0);
    if (n >= 5 && memcmp(got, "HTTP/", 5) != 0) BUG("an answer that is no HTTP");
    while (n > 0) n = recv(fd, got, sizeof got, 0);
    if (n < 0 && errno == EAGAIN) BUG("the server left a closed client waiting");
    (void)close(fd);
    return 0;
}
