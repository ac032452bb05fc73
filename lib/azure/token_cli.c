#include "lib/azure/token_priv.h"

#include "lib/base/clock.h"
#include "lib/base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { ERRORS_MAX = 64 << 10 };

/* what comes through the two pipes until both are closed; false: the time is over */
static bool collect(struct buf *out, struct buf *errors, int fd_out, int fd_err, uint64_t deadline_ms)
{
    struct pollfd p[2] = {{.fd = fd_out, .events = POLLIN}, {.fd = fd_err, .events = POLLIN}};
    struct buf *to[2] = {out, errors};
    while (p[0].fd >= 0 || p[1].fd >= 0) {
        uint64_t now = clock_mono_ms();
        if (now >= deadline_ms) return false;
        if (poll(p, 2, (int)(deadline_ms - now)) < 0 && errno != EINTR) return false;
        for (int i = 0; i < 2; i++) {
            char chunk[4096];
            if (p[i].fd < 0 || p[i].revents == 0) continue;
            ssize_t n = read(p[i].fd, chunk, sizeof chunk);
            if (n > 0) buf_put(to[i], chunk, (size_t)n);
            else if (n == 0 || errno != EINTR) p[i].fd = -1;
            secret_wipe(chunk, sizeof chunk);
        }
    }
    return true;
}

/* the last line that is not empty */
static const char *last_line(struct buf *b)
{
    while (b->len > 0 && (b->ptr[b->len - 1] == '\n' || b->ptr[b->len - 1] == '\r')) b->len--;
    const char *text = buf_cstr(b), *nl = strrchr(text, '\n');
    return nl == NULL ? text : nl + 1;
}

enum status token_cli_ask(struct buf *out, const char *program, const char *tenant, const char *resource, unsigned timeout_ms, struct err *err)
{
    char *argv[] = {(char *)(uintptr_t)program, (char[]){"account"}, (char[]){"get-access-token"}, (char[]){"--output"}, (char[]){"json"},
                    (char[]){"--resource"}, (char *)(uintptr_t)resource, tenant ? (char[]){"--tenant"} : NULL, (char *)(uintptr_t)tenant, NULL};
    int a[2] = {-1, -1}, b[2] = {-1, -1}, state = 0;
    if (pipe2(a, O_CLOEXEC) != 0 || pipe2(b, O_CLOEXEC) != 0) {
        if (a[0] >= 0) {
            close(a[0]);
            close(a[1]);
        }
        return err_set(err, status_from_errno(errno), "%s: no pipe: %s", program, strerror(errno));
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, a[1], 1);
    posix_spawn_file_actions_adddup2(&actions, b[1], 2);
    pid_t pid = -1;
    int e = posix_spawnp(&pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(a[1]);
    close(b[1]);
    struct buf errors;
    buf_init(&errors, ERRORS_MAX);
    enum status s = OK;
    if (e != 0) {
        s = err_set(err, e == ENOENT ? E_NOT_FOUND : status_from_errno(e), "the command %s cannot be run: %s. Install the Azure CLI, or choose another --azure-login", program, strerror(e));
    } else {
        bool ended = collect(out, &errors, a[0], b[0], clock_mono_ms() + timeout_ms);
        if (!ended) kill(pid, SIGKILL);
        while (waitpid(pid, &state, 0) < 0 && errno == EINTR) continue;
        if (!ended) s = err_set(err, E_TIMEOUT, "%s account get-access-token gave no token within %u s", program, timeout_ms / 1000);
        else if (!WIFEXITED(state) || WEXITSTATUS(state) != 0)
            s = err_set(err, E_DENIED, "%s account get-access-token failed: %.300s. Log in first: az login", program, last_line(&errors));
        else s = buf_status(out);
    }
    close(a[0]);
    close(b[0]);
    buf_fini(&errors);
    return s;
}
