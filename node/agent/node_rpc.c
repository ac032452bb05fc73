#include "node/agent/node_rpc.h"

#include "lib/codec/hex.h"
#include "lib/codec/json.h"
#include "lib/net/http_client.h"

enum { TIMEOUT_MS = 10000, CONNECT_MS = 3000, ANSWER_MAX = 256 << 20 };

struct node_rpc {
    struct http_client *http;
    char *url;
    unsigned next_id;
};

enum status node_rpc_new(struct node_rpc **out, const char *url, struct err *err)
{
    struct node_rpc *c = calloc(1, sizeof *c);
    if (c == NULL) return err_set(err, E_NOMEM, "out of memory");
    const struct http_client_config cfg = {.timeout_ms = TIMEOUT_MS, .connect_timeout_ms = CONNECT_MS, .max_body = ANSWER_MAX, .user_agent = "poa-agent"};
    c->url = strdup(url);
    enum status s = c->url == NULL ? E_NOMEM : http_client_new(&c->http, &cfg, err);
    if (s != OK) {
        node_rpc_free(c);
        return s;
    }
    *out = c;
    return OK;
}

void node_rpc_free(struct node_rpc *c)
{
    if (c == NULL) return;
    http_client_free(c->http);
    free(c->url);
    free(c);
}

enum status node_rpc_call(json_t **result, struct node_rpc *c, const char *method, json_t *params_take, struct err *err)
{
    static const char *const headers[] = {"Content-Type: application/json"};
    json_t *q = json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", (int)(++c->next_id & 0x7fffffff), "method", method, "params",
                          params_take == NULL ? json_array() : params_take);
    char *text = q == NULL ? NULL : json_dumps(q, JSON_COMPACT);
    json_decref(q);
    if (text == NULL) return err_set(err, E_NOMEM, "out of memory");
    const struct http_client_request hq = {.method = "POST", .url = c->url, .headers = headers, .n_headers = 1, .body = bytes_str(text), .has_body = true};
    struct http_client_response r;
    enum status s = http_client_do(&r, c->http, &hq, err);
    free(text);
    if (s != OK) return s;
    json_t *doc = NULL;
    if (json_parse(&doc, buf_view(&r.body), NULL) != OK) s = err_set(err, E_DECODE, "%s did not answer %s with JSON (HTTP %d)", c->url, method, r.status);
    http_client_response_fini(&r);
    const json_t *error = json_object_get(doc, "error");
    json_t *value = json_object_get(doc, "result");
    if (s == OK && json_is_object(error)) {
        const char *message = json_string_value(json_object_get(error, "message"));
        s = err_set(err, E_DENIED, "%s: %s", method, message == NULL ? "the node answered with an error" : message);
    } else if (s == OK && value == NULL) {
        s = err_set(err, E_DECODE, "%s answered %s without a result", c->url, method);
    }
    if (s == OK) *result = json_incref(value);
    json_decref(doc);
    return s;
}

enum status node_rpc_u64(uint64_t *out, struct node_rpc *c, const char *method, struct err *err)
{
    json_t *v = NULL;
    enum status s = node_rpc_call(&v, c, method, NULL, err);
    if (s != OK) return s;
    const char *t = json_string_value(v);
    if (t == NULL || hex_get_quantity(out, bytes_str(t)) != OK) s = err_set(err, E_DECODE, "%s answered with something that is no number", method);
    json_decref(v);
    return s;
}
