/* process.h: what every program tells of itself, by the names that dashboards of the field know (process_*). */
#ifndef LIB_METRICS_PROCESS_H
#define LIB_METRICS_PROCESS_H

#include "lib/metrics/exposition.h"

struct metrics_process {
    uint64_t resident_bytes, virtual_bytes, cpu_ms, open_fds, max_fds, start_ms, threads;
};

/** metrics_read_process: from /proc/self; what can't be read is 0 */
void metrics_read_process(struct metrics_process *out);
void metrics_put_process(struct exposition *e, const struct metrics_process *p);

#endif
