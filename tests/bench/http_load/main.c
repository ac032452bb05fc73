/* poa-http-load: one JSON document on standard input (see load.h), one with the result on standard output. */
#include "tests/bench/http_load/load.h"

#include <jansson.h>
#include <stdlib.h>

static unsigned number(json_t *doc, const char *key, unsigned otherwise, unsigned max)
{
    json_t *v = json_object_get(doc, key);
    if (v == NULL) return otherwise;
    json_int_t n = json_integer_value(v);
    return n >= 1 && n <= (json_int_t)max ? (unsigned)n : 0;
}

static bool read_config(struct load_config *c, json_t *doc)
{
    size_t i;
    json_t *s;
    c->port = (uint16_t)number(doc, "port", 0, 65535);
    c->ca_file = json_string_value(json_object_get(doc, "ca"));
    c->connections = number(doc, "connections", 16, LOAD_CONNECTIONS_MAX);
    c->depth = number(doc, "depth", 1, LOAD_DEPTH_MAX);
    c->keys = number(doc, "keys", 1, 1000000000);
    c->seconds = json_number_value(json_object_get(doc, "seconds"));
    json_array_foreach(json_object_get(doc, "steps"), i, s)
    {
        if (i == LOAD_STEPS_MAX) return false;
        struct load_step *to = &c->steps[c->n_steps++];
        const char *body = json_string_value(json_object_get(s, "body"));
        *to = (struct load_step){.head = json_string_value(json_object_get(s, "head")), .body = body ? body : "", .status = number(s, "status", 200, 599)};
        if (to->head == NULL) return false;
    }
    return c->port != 0 && c->connections != 0 && c->depth != 0 && c->keys != 0 && c->seconds > 0 && c->n_steps > 0;
}

int main(void)
{
    struct load_config cfg = {0};
    struct load_result r;
    struct err err = {0};
    json_error_t where;
    json_t *doc = json_loadf(stdin, 0, &where);
    if (doc == NULL || !read_config(&cfg, doc)) {
        fprintf(stderr, "poa-http-load: standard input: {port, seconds, steps: [{head, body, status}], ca, connections, depth, keys}; %s\n", doc ? "a value is no good" : where.text);
        return 2;
    }
    enum status s = load_run(&r, &cfg, &err);
    if (s == OK) {
        printf("{\"requests\":%llu,\"seconds\":%.3f,\"steps\":[", (unsigned long long)r.requests, r.seconds);
        for (size_t i = 0; i < cfg.n_steps; i++)
            printf("%s{\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f}", i ? "," : "", r.steps[i].p50_ms, r.steps[i].p99_ms, r.steps[i].max_ms);
        printf("]}\n");
    } else {
        fprintf(stderr, "poa-http-load: %s\n", err_text(&err));
    }
    json_decref(doc);
    return s == OK ? 0 : 1;
}
