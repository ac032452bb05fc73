/* report.h: what a person sees while a command works: a list of steps with the time of each. On a terminal the running step's line is live;
 * a pipe gets one plain line when a step begins and one when it ends. Everything goes to stderr; stdout is for results (--json). */
#ifndef ORCHESTRATOR_REPORT_REPORT_H
#define ORCHESTRATOR_REPORT_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "lib/base/err.h"

struct report {
    bool is_terminal, quiet;
    bool open;             /* a step is running */
    uint64_t start_ms, step_ms;
    char step[160];
    unsigned columns;
};

/** report_init: quiet writes nothing but errors. */
void report_init(struct report *r, bool quiet);
/** report_step: end the step that runs (as done) and begin the next. */
PRINTF_LIKE(2, 3) void report_step(struct report *r, const char *fmt, ...);
/** report_note: detail of the running step ("waiting for the first block, 1.2 s"); shown on a terminal only. */
PRINTF_LIKE(2, 3) void report_note(struct report *r, const char *fmt, ...);
/** report_warn: a line that stays. */
PRINTF_LIKE(2, 3) void report_warn(struct report *r, const char *fmt, ...);
/** report_line: a line that stays, below the running step. */
PRINTF_LIKE(2, 3) void report_line(struct report *r, const char *fmt, ...);
/** report_done: end the running step; report_fail: end it as failed. */
void report_done(struct report *r);
void report_fail(struct report *r);
/** report_error: "poa-deploy: error: text" */
void report_error(const struct err *err);
/** report_words: text in lines of so many columns, from column `at` of the line that is begun; all but the first begin at `indent`, and so does that unless
 *  the cursor is behind it. A word longer than a line stays whole. No newline behind it. */
void report_words(FILE *to, size_t at, size_t indent, const char *text, size_t width);
/** report_columns: of the terminal at fd, at least 24; 0: it is none */
size_t report_columns(int fd);
/** report_has_color: a terminal that shows colours, whose owner has not said NO_COLOR */
bool report_has_color(int fd);
/** report_json: one document on stdout. */
void report_json(const json_t *doc);

#endif
