/* poa-http-floor PORT: a server on 127.0.0.1 that does nothing: whatever a client sends, one fixed answer of a node's length goes back. What it costs is the
 * system's price of a request, below which no server that receives and sends one at a time can get: `scripts/bench rpc` measures by it. */
#include "lib/base/attr.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256 };

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 40\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"
                             "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x2a\"}";

static int listen_on(uint16_t port)
{
    const int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0 && listen(fd, 512) == 0 ? fd : -1;
}

static void add(int epoll_fd, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0) (void)close(fd);
}

int main(int argc, char **argv)
{
    static uint8_t in[64 << 10];
    const unsigned long port = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    const int listener = port > 0 && port <= UINT16_MAX ? listen_on((uint16_t)port) : -1, epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (listener < 0 || epoll_fd < 0) {
        fprintf(stderr, "usage: poa-http-floor PORT, a free one\n");
        return 2;
    }
    add(epoll_fd, listener);
    for (;;) {
        struct epoll_event events[EVENTS];
        int asked[EVENTS], n_asked = 0;
        const int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                const int one = 1;
                fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd < 0) continue;
                (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                add(epoll_fd, fd);
            } else if (recv(fd, in, sizeof in, 0) > 0) {
                asked[n_asked++] = fd;
            } else {
                (void)close(fd);
            }
        }
        for (int i = 0; i < n_asked; i++) IGNORE(send(asked[i], answer, sizeof answer - 1, MSG_NOSIGNAL), "the next recv tells");
    }
}
