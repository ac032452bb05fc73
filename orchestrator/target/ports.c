#include "orchestrator/target/ports.h"

#include "lib/base/file.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <unistd.h>

enum { LISTEN_STATE = 0x0A };

/* does the hexadecimal local address of /proc/net/tcp or tcp6 cover the address */
static bool covers(const char *hex, const char *address)
{
    struct in_addr want;
    char v4[9];
    if (inet_pton(AF_INET, address, &want) != 1) return false;
    (void)snprintf(v4, sizeof v4, "%08X", want.s_addr);
    if (strlen(hex) == 8) return strcmp(hex, "00000000") == 0 || strcmp(hex, v4) == 0;
    if (strlen(hex) != 32) return false;
    return strspn(hex, "0") == 32 || (strncmp(hex, "0000000000000000FFFF0000", 24) == 0 && strcmp(hex + 24, v4) == 0);
}

static unsigned long find_inode(const char *table, const char *address, uint16_t port)
{
    char line[512], local[64];
    FILE *f = fopen(table, "re");
    unsigned long inode = 0;
    while (f != NULL && inode == 0 && fgets(line, sizeof line, f) != NULL) {
        unsigned at, state;
        unsigned long node;
        if (sscanf(line, " %*u: %63[0-9A-F]:%X %*[0-9A-F]:%*X %X %*s %*s %*s %*u %*u %lu", local, &at, &state, &node) != 4) continue;
        if (state == LISTEN_STATE && at == port && covers(local, address)) inode = node;
    }
    if (f != NULL) fclose(f);
    return inode;
}

static bool holds(long pid, unsigned long inode)
{
    char path[300], link[64], want[64];
    (void)snprintf(path, sizeof path, "/proc/%ld/fd", pid);
    (void)snprintf(want, sizeof want, "socket:[%lu]", inode);
    DIR *d = opendir(path);
    bool found = false;
    if (d == NULL) return false;
    for (const struct dirent *e; !found && (e = readdir(d)) != NULL;) {
        ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof link - 1);
        link[n > 0 ? n : 0] = '\0';
        found = strcmp(link, want) == 0;
    }
    closedir(d);
    return found;
}

/* a program of ours is called with a path below <workspace>/local */
static void find_workspace(struct port_holder *h)
{
    char path[64], text[4096];
    (void)snprintf(path, sizeof path, "/proc/%ld/cmdline", h->pid);
    FILE *f = fopen(path, "re");
    const size_t n = f == NULL ? 0 : fread(text, 1, sizeof text - 1, f);
    if (f != NULL) fclose(f);
    text[n] = '\0';
    for (const char *word = text; word < text + n && h->workspace[0] == '\0'; word += strlen(word) + 1) {
        const char *from = strchr(word, '/'), *to = from == NULL ? NULL : strstr(from, "/local/");
        char state[1100];
        if (to == NULL || to - from >= (long)sizeof h->workspace) continue;
        (void)snprintf(state, sizeof state, "%.*s/state.json", (int)(to - from), from);
        if (file_exists(state)) (void)snprintf(h->workspace, sizeof h->workspace, "%.*s", (int)(to - from), from);
    }
}

bool port_find_holder(struct port_holder *out, const char *address, uint16_t port)
{
    unsigned long inode = find_inode("/proc/net/tcp", address, port);
    if (inode == 0) inode = find_inode("/proc/net/tcp6", address, port);
    if (inode == 0) return false;
    *out = (struct port_holder){.name = "a process of another user"};
    DIR *d = opendir("/proc");
    if (d == NULL) return true;
    for (const struct dirent *e; out->pid == 0 && (e = readdir(d)) != NULL;) {
        long pid = strtol(e->d_name, NULL, 10);
        if (pid > 0 && holds(pid, inode)) out->pid = pid;
    }
    closedir(d);
    if (out->pid == 0) return true;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%ld/comm", out->pid);
    FILE *f = fopen(path, "re");
    if (f != NULL && fgets(out->name, sizeof out->name, f) != NULL) out->name[strcspn(out->name, "\n")] = '\0';
    if (f != NULL) fclose(f);
    find_workspace(out);
    return true;
}
