/* page.h: http://<address>:<port>/metrics of a program, for Prometheus and its like, on a thread of its own: OpenMetrics 1.0 when the scraper accepts
 * it, else Prometheus' text format. */
#ifndef LIB_METRICS_PAGE_H
#define LIB_METRICS_PAGE_H

#include "lib/base/err.h"
#include "lib/metrics/exposition.h"

struct metrics_page_config {
    const char *program; /* "poa-node": for who asks for / */
    const char *address; /* IP literal */
    uint16_t port;       /* 0: any */
    void *ctx;
    /* put: all families, on the server's thread; the end mark is added */
    void (*put)(void *ctx, struct exposition *e);
};

struct metrics_page;
/** metrics_page_start: cfg is copied, its strings are borrowed.  ret OK | E_BUSY: the port is taken | E_INVALID | E_IO */
MUST_CHECK enum status metrics_page_start(struct metrics_page **out, const struct metrics_page_config *cfg, struct err *err);
void metrics_page_stop(struct metrics_page *m); /* NULL allowed */
uint16_t metrics_page_port(const struct metrics_page *m);

#endif
