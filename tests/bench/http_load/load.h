/* load.h: an HTTP/1.1 client that asks a server the same few things over and over on many connections and takes the time of each answer. Where the
 * server does 50,000 a second, a client in Node.js measures itself.
 *
 * Each connection walks through the steps in their order, again and again, with `depth` of them under way. In a step's head and body {c} is the
 * connection's number, {n} how often it has been round, {k} a number below `keys` that differs from round to round, and {lease} the last
 * x-ms-lease-id that it was told. Content-Length is added. An answer of another status than the step's own ends the run. */
#ifndef TESTS_BENCH_HTTP_LOAD_H
#define TESTS_BENCH_HTTP_LOAD_H

#include "lib/base/bytes.h"
#include "lib/base/err.h"

enum { LOAD_STEPS_MAX = 4, LOAD_CONNECTIONS_MAX = 1024, LOAD_DEPTH_MAX = 64 };

struct load_step {
    const char *head, *body; /* head: request line and headers, each with its line end */
    unsigned status;
};

struct load_config {
    uint16_t port;       /* of 127.0.0.1 */
    const char *ca_file; /* NULL: plain */
    unsigned connections, depth, keys;
    double seconds;
    struct load_step steps[LOAD_STEPS_MAX];
    size_t n_steps;
};

struct load_result {
    uint64_t requests;
    double seconds;
    struct {
        double p50_ms, p99_ms, max_ms;
    } steps[LOAD_STEPS_MAX];
};

/** load_run: ret OK | E_IO: no connection, or it ended | E_INVALID: an answer of another status: err has it */
MUST_CHECK enum status load_run(struct load_result *out, const struct load_config *cfg, struct err *err);

#endif
