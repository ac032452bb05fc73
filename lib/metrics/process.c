/* process.c: this process as /proc/self has it. */
#include "lib/metrics/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static bool read_text(char *dst, size_t cap, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, dst, cap - 1);
    close(fd);
    dst[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static uint64_t boot_ms(void)
{
    struct timespec wall, since;
    if (clock_gettime(CLOCK_REALTIME, &wall) != 0 || clock_gettime(CLOCK_BOOTTIME, &since) != 0) return 0;
    return (uint64_t)(wall.tv_sec - since.tv_sec) * 1000;
}

static uint64_t count_fds(void)
{
    uint64_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    if (d == NULL) return 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.') n++;
    closedir(d);
    return n > 0 ? n - 1 : 0; /* but for the folder's own */
}

void metrics_read_process(struct metrics_process *out)
{
    char text[2048];
    *out = (struct metrics_process){0};
    uint64_t tick_ms = 1000 / (uint64_t)sysconf(_SC_CLK_TCK), page = (uint64_t)sysconf(_SC_PAGESIZE);
    /* the name in parentheses may hold anything: fields are counted behind its end */
    char *p = read_text(text, sizeof text, "/proc/self/stat") ? strrchr(text, ')') : NULL;
    unsigned long long v[25] = {0}; /* from field 3, which is a letter */
    for (size_t i = 0; p != NULL && i < COUNT_OF(v); i++) {
        p = strchr(p + 1, ' ');
        if (p != NULL) v[i] = strtoull(p + 1, NULL, 10);
    }
    out->cpu_ms = (v[11] + v[12]) * tick_ms;
    out->threads = v[17];
    out->start_ms = boot_ms() + v[19] * tick_ms;
    out->virtual_bytes = v[20];
    out->resident_bytes = v[21] * page;
    out->open_fds = count_fds();
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) out->max_fds = (uint64_t)r.rlim_cur;
}

void metrics_put_process(struct exposition *e, const struct metrics_process *p)
{
    exposition_one_ms(e, "process_cpu_seconds", METRIC_COUNTER, p->cpu_ms, "Total user and system CPU time spent in seconds.");
    exposition_one(e, "process_resident_memory_bytes", METRIC_GAUGE, "bytes", p->resident_bytes, "Resident memory size in bytes.");
    exposition_one(e, "process_virtual_memory_bytes", METRIC_GAUGE, "bytes", p->virtual_bytes, "Virtual memory size in bytes.");
    exposition_one_ms(e, "process_start_time_seconds", METRIC_GAUGE, p->start_ms, "Start time of the process since unix epoch in seconds.");
    exposition_one(e, "process_open_fds", METRIC_GAUGE, NULL, p->open_fds, "Number of open file descriptors.");
    exposition_one(e, "process_max_fds", METRIC_GAUGE, NULL, p->max_fds, "Maximum number of open file descriptors.");
    exposition_one(e, "process_threads", METRIC_GAUGE, NULL, p->threads, "Number of threads of the process.");
}
