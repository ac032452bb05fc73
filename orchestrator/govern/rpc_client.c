#include "orchestrator/govern/rpc_client.h"

#include "lib/codec/abi.h"
#include "lib/codec/hex.h"
#include "lib/codec/json.h"
#include "lib/net/http_client.h"

enum { ANSWER_MAX = 64 << 20, BATCH_MAX = 500 };

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

static json_t *request(struct rpc_client *c, const char *method, json_t *params_take)
{
    return json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", (int)++c->next_id, "method", method, "params",
                     params_take == NULL ? json_array() : params_take);
}

/* one HTTP request; what: for people */
static enum status post(json_t **answer, struct rpc_client *c, json_t *body_take, const char *what, struct err *err)
{
    static const char *const headers[] = {"Content-Type: application/json"};
    char *text = body_take == NULL ? NULL : json_dumps(body_take, JSON_COMPACT);
    json_decref(body_take);
    if (text == NULL) return E_NOMEM;
    struct http_client_request hr = {.method = "POST", .url = c->url, .headers = headers, .n_headers = 1, .body = bytes_str(text), .has_body = true};
    struct http_client_response resp;
    enum status s = http_client_do(&resp, c->http, &hr, err);
    free(text);
    if (s != OK) return s;
    s = json_parse(answer, buf_view(&resp.body), err);
    if (s != OK && resp.status >= 500) s = err_set(err, E_NET, "%s answers with HTTP %d: no node stands behind it at present", c->url, resp.status);
    else if (s != OK) s = err_set(err, E_DECODE, "%s did not answer %s with JSON (HTTP %d): is it an Ethereum RPC endpoint?", c->url, what, resp.status);
    http_client_response_fini(&resp);
    return s;
}

/* some clients put a revert's reason into the data only, behind a word of their own */
static void put_reason(struct buf *out, const json_t *error)
{
    const char *data = json_string_value(json_object_get(error, "data")), *hex = data == NULL ? NULL : strstr(data, "0x");
    struct buf raw;
    buf_init(&raw, 1 << 16);
    if (hex != NULL && hex_get(&raw, bytes_str(hex)) == OK) {
        buf_put_str(out, ": ");
        IGNORE(!abi_put_revert_reason(out, buf_view(&raw)), "then the message says what there is");
    }
    buf_fini(&raw);
}

static enum status take_result(json_t **result, const struct rpc_client *c, const json_t *doc, const char *method, struct err *err)
{
    const json_t *error = json_object_get(doc, "error");
    json_t *value = json_object_get(doc, "result");
    if (json_is_object(error)) {
        const char *message = json_string_value(json_object_get(error, "message"));
        struct buf reason;
        buf_init(&reason, 4096);
        if (message == NULL || strstr(message, "reverted:") == NULL) put_reason(&reason, error);
        enum status s = err_set(err, E_DENIED, "%s: %s%s", method, message == NULL ? "the node answered with an error" : message, buf_cstr(&reason));
        buf_fini(&reason);
        return s;
    }
    if (value == NULL) return err_set(err, E_DECODE, "%s answered %s without a result", c->url, method);
    *result = json_incref(value);
    return OK;
}

enum status rpc_client_call(json_t **result, struct rpc_client *c, const char *method, json_t *params_take, struct err *err)
{
    json_t *doc = NULL;
    enum status s = post(&doc, c, request(c, method, params_take), method, err);
    if (s == OK) s = take_result(result, c, doc, method, err);
    json_decref(doc);
    return s;
}

/* the answer to a call of a batch; they may come in any order */
static const json_t *answer_of(const json_t *answers, size_t at, json_int_t id)
{
    const json_t *one = json_array_get(answers, at);
    size_t i;
    json_t *v;
    if (json_integer_value(json_object_get(one, "id")) == id) return one;
    json_array_foreach(answers, i, v)
    {
        if (json_integer_value(json_object_get(v, "id")) == id) return v;
    }
    return NULL;
}

static enum status some_calls(json_t *results, struct rpc_client *c, const json_t *calls, size_t from, size_t to, struct err *err)
{
    json_t *body = json_array(), *answers = NULL;
    json_int_t first = (json_int_t)c->next_id + 1;
    for (size_t i = from; i < to; i++) {
        const json_t *call = json_array_get(calls, i);
        json_array_append_new(body, request(c, json_string_value(json_array_get(call, 0)), json_incref(json_array_get(call, 1))));
    }
    enum status s = post(&answers, c, body, "a batch of calls", err);
    if (s == OK && !json_is_array(answers)) s = err_set(err, E_DECODE, "%s does not take several calls in one request", c->url);
    for (size_t i = from; s == OK && i < to; i++) {
        json_t *one = NULL;
        const char *method = json_string_value(json_array_get(json_array_get(calls, i), 0));
        s = take_result(&one, c, answer_of(answers, i - from, first + (json_int_t)(i - from)), method, err);
        if (s == OK) json_array_append_new(results, one);
    }
    json_decref(answers);
    return s;
}

enum status rpc_client_batch(json_t **results, struct rpc_client *c, json_t *calls_take, struct err *err)
{
    json_t *out = json_array();
    enum status s = OK;
    size_t n = json_array_size(calls_take);
    for (size_t i = 0; s == OK && i < n; i += BATCH_MAX)
        s = some_calls(out, c, calls_take, i, i + BATCH_MAX < n ? i + BATCH_MAX : n, err);
    json_decref(calls_take);
    if (s == OK) *results = out;
    else json_decref(out);
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
