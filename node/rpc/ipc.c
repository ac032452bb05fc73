/* ipc.c: JSON-RPC over a Unix socket of the owner's: documents one after the other, each answered by a line. One thread for all clients; it has no
 * subscriptions (a WebSocket has them), and no token: the file's mode says who may open it. */
#include "lib/base/log.h"
#include "node/rpc/rpc_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENTS_MAX = 64, READ_CHUNK = 64 << 10, WRITE_MS = 5000 };

struct ipc_client {
    int fd;
    struct buf in;
};

struct rpc_ipc {
    struct rpc_worker w;
    char path[108];
    int listener, stop[2];
    pthread_t thread;
    bool has_thread;
    struct ipc_client clients[CLIENTS_MAX];
    size_t n;
};

static void drop(struct rpc_ipc *p, size_t i)
{
    close(p->clients[i].fd);
    buf_fini(&p->clients[i].in);
    p->clients[i] = p->clients[--p->n];
}

/* a client that does not read for WRITE_MS is let go: it holds up the others */
static bool send_all(int fd, bytes b)
{
    while (b.len > 0) {
        ssize_t n = send(fd, b.ptr, b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            b = bytes_make(b.ptr + n, b.len - (size_t)n);
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        struct pollfd out = {.fd = fd, .events = POLLOUT};
        if (n < 0 && errno != EAGAIN) return false;
        if (poll(&out, 1, WRITE_MS) != 1) return false;
    }
    return true;
}

/* whole documents at the front of what came; false: the client is to be dropped */
static bool serve(struct rpc_ipc *p, struct ipc_client *c)
{
    for (;;) {
        size_t used = 0;
        while (used < c->in.len && strchr(" \t\r\n", c->in.ptr[used]) != NULL)
            used++;
        buf_consume(&c->in, used);
        if (c->in.len == 0) return true;
        enum rpc_feed r = rpc_answer_front(&p->w, buf_view(&c->in), &used);
        if (r == RPC_FEED_MORE) return c->in.len < RPC_BODY_MAX;
        if (p->w.out.len > 0) buf_put_u8(&p->w.out, '\n');
        if (!send_all(c->fd, buf_view(&p->w.out))) return false;
        if (r == RPC_FEED_BAD) return false; /* where the next would begin can't be told */
        buf_consume(&c->in, used);
    }
}

static void read_client(struct rpc_ipc *p, size_t i)
{
    struct ipc_client *c = &p->clients[i];
    uint8_t *to = buf_reserve(&c->in, READ_CHUNK);
    ssize_t n = to == NULL ? 0 : read(c->fd, to, READ_CHUNK);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n <= 0) {
        drop(p, i);
        return;
    }
    c->in.len += (size_t)n;
    if (!serve(p, c)) drop(p, i);
}

static void take_client(struct rpc_ipc *p)
{
    int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    if (p->n == CLIENTS_MAX) {
        close(fd);
        return;
    }
    p->clients[p->n].fd = fd;
    buf_init(&p->clients[p->n++].in, RPC_BODY_MAX + READ_CHUNK);
}

static void *loop(void *arg)
{
    struct rpc_ipc *p = arg;
    for (;;) {
        struct pollfd fds[CLIENTS_MAX + 2] = {{.fd = p->stop[0], .events = POLLIN}, {.fd = p->listener, .events = POLLIN}};
        for (size_t i = 0; i < p->n; i++)
            fds[i + 2] = (struct pollfd){.fd = p->clients[i].fd, .events = POLLIN};
        if (poll(fds, (nfds_t)(p->n + 2), -1) < 0) continue;
        if (fds[0].revents != 0) return NULL;
        for (size_t i = p->n; i-- > 0;)
            if (fds[i + 2].revents != 0) read_client(p, i);
        if (fds[1].revents != 0) take_client(p);
    }
}

enum status rpc_ipc_start(struct rpc_ipc **out, struct rpc *r, const char *path, struct err *err)
{
    struct rpc_ipc *p = calloc(1, sizeof *p);
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct stat st;
    if (p == NULL) return err_set(err, E_NOMEM, "no memory");
    p->listener = p->stop[0] = p->stop[1] = -1;
    if (strlen(path) >= sizeof sa.sun_path) {
        free(p);
        return err_set(err, E_INVALID, "rpc.ipc_path: longer than %zu characters: %s", sizeof sa.sun_path - 1, path);
    }
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    (void)snprintf(p->path, sizeof p->path, "%s", path);
    enum status s = rpc_worker_init(&p->w, r, err);
    /* what a node that was killed left behind is taken away; anything that is no socket stays */
    if (s == OK && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) IGNORE(unlink(path), "bind tells");
    if (s == OK) p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t old = umask(0177);
    if (s == OK && (p->listener < 0 || bind(p->listener, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(p->listener, 64) != 0 || pipe2(p->stop, O_CLOEXEC) != 0))
        s = err_set(err, status_from_errno(errno), "rpc.ipc_path: cannot listen on %s: %s", path, strerror(errno));
    umask(old);
    if (s == OK && pthread_create(&p->thread, NULL, loop, p) != 0) s = err_set(err, E_NOMEM, "cannot start a thread");
    p->has_thread = s == OK;
    if (s == OK) *out = p;
    else rpc_ipc_stop(p);
    return s;
}

void rpc_ipc_stop(struct rpc_ipc *p)
{
    if (p == NULL) return;
    if (p->has_thread) {
        close(p->stop[1]); /* the other end hears of it */
        p->stop[1] = -1;
        (void)pthread_join(p->thread, NULL);
        IGNORE(unlink(p->path), "it is of no use any more");
    }
    while (p->n > 0)
        drop(p, p->n - 1);
    for (size_t i = 0; i < 2; i++)
        if (p->stop[i] >= 0) close(p->stop[i]);
    if (p->listener >= 0) close(p->listener);
    rpc_worker_fini(&p->w);
    free(p);
}
