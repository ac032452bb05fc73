/* ipc.c: JSON-RPC over a Unix socket of the owner's: documents one after the other, with or without white space between them, each answered by a
 * line; subscriptions and filters as on a WebSocket. There is no token: the file's mode says who may open it. */
#include "node/rpc/rpc_priv.h"

static bool is_space(uint8_t ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

size_t json_split_end(struct json_split *s, bytes data)
{
    for (; s->at < data.len; s->at++) {
        const uint8_t ch = data.ptr[s->at];
        if (s->in_string) {
            if (s->is_escaped) s->is_escaped = false;
            else if (ch == '\\') s->is_escaped = true;
            else if (ch == '"') s->in_string = false;
            if (s->in_string || s->depth > 0) continue;
            return s->at + 1;
        }
        if (ch == '"') {
            s->in_string = true;
        } else if (ch == '{' || ch == '[') {
            s->depth++;
        } else if (ch == '}' || ch == ']') {
            if (s->depth <= 1) return s->at + 1; /* also a bracket that closes nothing: jansson says so */
            s->depth--;
        } else if (s->depth == 0) {
            return s->at + 1; /* a number or a word is no request: jansson says so, too */
        }
    }
    return 0;
}

bool ipc_open(void *ctx, struct ws_conn *c)
{
    return subs_split(ctx, c) != NULL;
}

size_t ipc_stream(void *ctx, struct ws_conn *c, bytes data)
{
    struct rpc_worker *w = ctx;
    struct json_split *split = subs_split(w, c);
    for (size_t used = 0;;) {
        while (split->at == 0 && used < data.len && is_space(data.ptr[used])) used++;
        const bytes rest = bytes_make(data.ptr + used, data.len - used);
        const size_t len = json_split_end(split, rest);
        if (len == 0) return used;
        const enum rpc_done done = rpc_serve(w, NULL, c, bytes_make(rest.ptr, len));
        *split = (struct json_split){0};
        used += len;
        if (done == RPC_DUE) return used;
        if (w->out.len > 0 && ws_send(c, buf_view(&w->out)) != OK) return SIZE_MAX;
        if (w->out.cap > RPC_BODY_MAX) buf_fini(&w->out);
        if (done == RPC_NO_JSON) return SIZE_MAX; /* where the next would begin can't be told */
    }
}
