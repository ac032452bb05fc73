/* log_line.h: lines of logs: those of our own programs ("2026-11-23 09:32:52.123 INFO  sync  text"), and what others write without a time
 * ("[WARNING] (849) : ..." of HAProxy, "poa-node: error: ..." on stderr, continuations). */
#ifndef ORCHESTRATOR_DIAGNOSE_LOG_LINE_H
#define ORCHESTRATOR_DIAGNOSE_LOG_LINE_H

#include "lib/base/bytes.h"
#include "lib/base/log.h"

struct log_line {
    uint64_t ms; /* since the epoch, UTC; 0: the line has no time */
    enum log_level level;
    bytes target; /* "sync"; empty: none */
    bytes text;   /* without time, level and target */
};

/** log_line_get: in line: without its end. Never fails: what is not understood is text of level info. */
void log_line_get(struct log_line *out, bytes line);
/** log_since_parse: "90s", "10m", "2h", "3d" (a bare number: seconds) or "2026-11-23T09:32:52Z" to a time; false: neither */
bool log_since_parse(uint64_t *ms, const char *text, uint64_t now_ms);

#endif
