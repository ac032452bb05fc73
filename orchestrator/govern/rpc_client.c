#include "orchestrator/govern/rpc_client.h"

#include "lib/codec/hex.h"
#include "lib/codec/json.h"
#include "lib/net/http_client.h"

enum { ANSWER_MAX = 64 << 20 };

struct rpc_client {
    struct http_client *http;
    char url[512];
    unsigned next_id;
};

enum status rpc_client_new(struct rpc_client **out, const char *url, unsigned timeout_ms, struct err *err)
{
    struct rpc_client *c = calloc(1, sizeof *c);
    if (c == NULL) return E_NOMEM;
    (void)snprintf(c->url, sizeof c->url, "%s", url);
    struct http_client_config cfg = {.timeout_ms = timeout_ms, .max_body = ANSWER_MAX, .connect_timeout_ms = timeout_ms < 5000 ? timeout_ms : 5000};
    enum status s = http_client_new(&c->http, &cfg, err);
    if (s != OK) {
        free(c);
        return s;
    }
    *out = c;
    return OK;
}

void rpc_client_free(struct rpc_client *c)
{
    if (c == NULL) return;
    http_client_free(c->http);
    free(c);
}

enum status rpc_client_call(json_t **result, struct rpc_client *c, const char *method, json_t *params_take, struct err *err)
{
    static const char *const headers[] = {"Content-Type: application/json"};
    json_t *req = json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", (int)++c->next_id, "method", method, "params",
                            params_take == NULL ? json_array() : params_take);
    char *text = req == NULL ? NULL : json_dumps(req, JSON_COMPACT);
    json_decref(req);
    if (text == NULL) return E_NOMEM;
    struct http_client_request hr = {.method = "POST", .url = c->url, .headers = headers, .n_headers = 1, .body = bytes_str(text), .has_body = true};
    struct http_client_response resp;
    enum status s = http_client_do(&resp, c->http, &hr, err);
    free(text);
    if (s != OK) return s;
    json_t *doc = NULL;
    s = json_parse(&doc, buf_view(&resp.body), err);
    if (s != OK) s = err_set(err, E_DECODE, "%s did not answer %s with JSON (HTTP %d): is it an Ethereum RPC endpoint?", c->url, method, resp.status);
    json_t *error = json_object_get(doc, "error");
    if (s == OK && json_is_object(error)) {
        const char *message = json_string_value(json_object_get(error, "message"));
        s = err_set(err, E_DENIED, "%s: %s", method, message == NULL ? "the node answered with an error" : message);
    }
    json_t *value = json_object_get(doc, "result");
    if (s == OK && value == NULL) s = err_set(err, E_DECODE, "%s answered %s without a result", c->url, method);
    if (s == OK) *result = json_incref(value);
    json_decref(doc);
    http_client_response_fini(&resp);
    return s;
}

enum status rpc_client_u64(uint64_t *out, struct rpc_client *c, const char *method, json_t *params_take, struct err *err)
{
    json_t *v = NULL;
    enum status s = rpc_client_call(&v, c, method, params_take, err);
    if (s != OK) return s;
    const char *text = json_string_value(v);
    if (text == NULL || hex_get_quantity(out, bytes_str(text)) != OK) s = err_set(err, E_DECODE, "%s answered %s with something that is no number", c->url, method);
    json_decref(v);
    return s;
}

enum status rpc_client_eth_call(struct buf *out, struct rpc_client *c, const address *from, const address *to, bytes data, struct err *err)
{
    char to_text[43], from_text[43];
    struct buf hex;
    buf_init(&hex, 4 << 20);
    hex_append(&hex, data);
    address_put(to_text, to);
    json_t *call = json_pack("{s:s, s:s}", "to", to_text, "data", buf_cstr(&hex)), *v = NULL;
    if (from != NULL) {
        address_put(from_text, from);
        json_object_set_new(call, "from", json_string(from_text));
    }
    buf_fini(&hex);
    enum status s = rpc_client_call(&v, c, "eth_call", json_pack("[o, s]", call, "latest"), err);
    if (s != OK) return s;
    const char *text = json_string_value(v);
    s = text == NULL ? E_DECODE : hex_get(out, bytes_str(text));
    if (s != OK) s = err_set(err, E_DECODE, "%s answered eth_call with something that is no data", c->url);
    json_decref(v);
    return s;
}

enum status rpc_client_get_json(json_t **out, const char *url, unsigned timeout_ms, struct err *err)
{
    struct http_client *http = NULL;
    struct http_client_config cfg = {.timeout_ms = timeout_ms, .max_body = ANSWER_MAX};
    struct http_client_response resp;
    enum status s = http_client_new(&http, &cfg, err);
    if (s != OK) return s;
    struct http_client_request hr = {.method = "GET", .url = url};
    s = http_client_do(&resp, http, &hr, err);
    if (s == OK) {
        if (resp.status != 200) s = err_set(err, E_NET, "%s answered with HTTP status %d", url, resp.status);
        else if (json_parse(out, buf_view(&resp.body), err) != OK) s = err_set(err, E_DECODE, "%s does not answer with JSON", url);
        http_client_response_fini(&resp);
    }
    http_client_free(http);
    return s;
}
