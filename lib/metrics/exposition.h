/* exposition.h: metrics as text, in OpenMetrics 1.0 or in Prometheus' older text format 0.0.4, which differ in the names of counters, in
 * units and in the end mark:
 *
 *     # HELP poa_imported_blocks Blocks that joined the canonical chain.        poa_imported_blocks_total in the older format
 *     # TYPE poa_imported_blocks counter                                        the same
 *     poa_imported_blocks_total 17
 *     # EOF                                                                     absent
 *
 * A family is begun once, and its samples follow it. Names are the program's own ([a-z_:][a-z0-9_:]*, checked by BUG), a counter's without
 * "_total"; label values are escaped. */
#ifndef LIB_METRICS_EXPOSITION_H
#define LIB_METRICS_EXPOSITION_H

#include "lib/base/buf.h"

#define EXPOSITION_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define EXPOSITION_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_kind { METRIC_GAUGE, METRIC_COUNTER, METRIC_INFO };

struct exposition {
    struct buf *out;
    bool is_openmetrics;
    const char *family;
    enum metric_kind kind;
};

struct metric_label {
    const char *name, *value;
};

void exposition_init(struct exposition *e, struct buf *out, bool is_openmetrics);
/** exposition_family: unit: NULL, or the last word of the name ("seconds", "bytes"). */
void exposition_family(struct exposition *e, const char *name, enum metric_kind kind, const char *unit, const char *help);
void exposition_sample(struct exposition *e, const struct metric_label *labels, size_t n, uint64_t value);
/** exposition_sample_ms: a value in thousandths: 12345 is written 12.345 */
void exposition_sample_ms(struct exposition *e, const struct metric_label *labels, size_t n, uint64_t thousandths);
/** exposition_one, exposition_one_ms: a family of one sample without labels; ms: in thousandths of seconds */
void exposition_one(struct exposition *e, const char *name, enum metric_kind kind, const char *unit, uint64_t v, const char *help);
void exposition_one_ms(struct exposition *e, const char *name, enum metric_kind kind, uint64_t ms, const char *help);
void exposition_end(struct exposition *e);
/** exposition_wants_openmetrics: does an Accept header ask for it? NULL: it does not */
bool exposition_wants_openmetrics(const char *accept);

#endif
