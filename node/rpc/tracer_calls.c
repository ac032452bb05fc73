/* tracer_calls.c: the tree of calls, and geth's callTracer and 4byteTracer. */
#include "node/rpc/rpc_call.h"
#include "node/rpc/tracers_priv.h"

bool traced_is_create(const struct traced_call *call)
{
    return call->op == OP_CREATE || call->op == OP_CREATE2;
}

void calls_enter(struct tracer *t, const struct evm_trace_call *e)
{
    if (t->log_marks != NULL && t->n_marks < LOG_MARKS_MAX) t->log_marks[t->n_marks] = t->n_logs;
    t->n_marks++;
    if (t->failed || t->skip_depth > 0 || (t->only_top && t->root != NULL)) {
        t->skip_depth++;
        return;
    }
    struct traced_call *n = tracer_take(t, sizeof *n);
    if (n == NULL) {
        t->skip_depth++;
        return;
    }
    *n = (struct traced_call){.parent = t->at, .op = e->op, .from = e->from, .to = e->to, .code_address = e->code_address, .value = e->value,
                              .gas = e->gas, .input = tracer_keep(t, e->input)};
    if (e->op == OP_DELEGATECALL) n->from = e->to; /* shown: who delegates, and to what code */
    if (e->op == OP_DELEGATECALL || e->op == OP_CALLCODE) n->to = e->code_address;
    if (t->at == NULL) {
        t->root = n;
    } else {
        if (t->at->last != NULL) t->at->last->next = n;
        else t->at->first = n;
        t->at->last = n;
        t->at->n_children++;
    }
    t->at = n;
}

void calls_leave(struct tracer *t, enum evm_outcome outcome, uint64_t gas_used, bytes output)
{
    t->n_marks--;
    if (t->log_marks != NULL && t->n_marks < LOG_MARKS_MAX && outcome != EVM_SUCCESS) t->n_logs = t->log_marks[t->n_marks];
    if (t->skip_depth > 0) {
        t->skip_depth--;
        return;
    }
    struct traced_call *n = t->at;
    n->outcome = outcome;
    n->gas_used = gas_used;
    n->output = tracer_keep(t, output);
    t->at = n->parent;
}

void calls_step(struct tracer *t, const struct evm_trace_step *s)
{
    if (s->op < OP_LOG0 || s->op > OP_LOG4) return;
    const uint64_t index = t->n_logs++; /* one that fails ends its call */
    if (t->at == NULL || t->skip_depth > 0) return;
    const size_t n = s->op - OP_LOG0;
    if (s->n_stack < n + 2) return;
    const u256 *top = &s->stack[s->n_stack - 1];
    if (s->cost > s->gas || !u256_is_u64(&top[0]) || !u256_is_u64(&top[-1])) return; /* it will fail */
    struct traced_log *l = tracer_take(t, sizeof *l);
    if (l == NULL) return;
    l->addr = s->self;
    l->index = index;
    l->n_topics = n;
    for (size_t i = 0; i < n; i++)
        u256_to_be(l->topics[i].b, &top[-2 - (ptrdiff_t)i]);
    const uint64_t from = top[0].w[0], len = top[-1].w[0];
    uint8_t *data = len == 0 ? NULL : tracer_take(t, (size_t)len); /* memory that it grows into is zero */
    if (data != NULL && from < s->memory.len) memcpy(data, s->memory.ptr + from, s->memory.len - from < len ? s->memory.len - from : (size_t)len);
    if (data != NULL) l->data = bytes_make(data, (size_t)len);
    l->position = t->at->n_children;
    if (t->at->last_log != NULL) t->at->last_log->next = l;
    else t->at->logs = l;
    t->at->last_log = l;
}

static void put_call_logs(struct tracer *t, const struct traced_call *n)
{
    struct buf *b = t->c->out;
    jo_key(b, "logs");
    jo_open(b, '[');
    for (const struct traced_log *l = n->logs; l != NULL; l = l->next) {
        jo_open(b, '{');
        jo_key(b, "address");
        jo_address(b, &l->addr);
        jo_key(b, "topics");
        jo_open(b, '[');
        for (size_t i = 0; i < l->n_topics; i++)
            jo_hash(b, &l->topics[i]);
        jo_close(b, ']');
        jo_key(b, "data");
        jo_data(b, l->data);
        jo_key(b, "index");
        jo_u64(b, l->index);
        jo_key(b, "position");
        jo_u64(b, l->position);
        jo_close(b, '}');
    }
    jo_close(b, ']');
}

static void open_call(struct tracer *t, const struct traced_call *n, const struct tracer_facts *f, bool is_reverted)
{
    struct buf *b = t->c->out;
    const bool is_root = n == t->root, ok = n->outcome == EVM_SUCCESS;
    jo_open(b, '{');
    jo_key(b, "from");
    jo_address(b, &n->from);
    jo_key(b, "gas");
    jo_u64(b, is_root ? f->tx->gas_limit : n->gas);
    jo_key(b, "gasUsed");
    jo_u64(b, is_root ? f->receipt->gas_used : n->gas_used);
    if (ok || !traced_is_create(n)) {
        jo_key(b, "to");
        jo_address(b, &n->to);
    }
    jo_key(b, "input");
    jo_data(b, n->input);
    if (n->output.len > 0 && (ok || n->outcome == EVM_REVERT)) {
        jo_key(b, "output");
        jo_data(b, n->output);
    }
    if (!ok) {
        char reason[400];
        jo_key(b, "error");
        jo_str(b, evm_outcome_text(n->outcome));
        if (n->outcome == EVM_REVERT && rpc_revert_reason(reason, sizeof reason, n->output)) {
            jo_key(b, "revertReason");
            jo_str(b, reason);
        }
    }
    if (t->with_logs && n->logs != NULL && !is_reverted) put_call_logs(t, n);
    if (n->op != OP_STATICCALL) {
        jo_key(b, "value");
        jo_u256(b, &n->value);
    }
    jo_key(b, "type");
    jo_str(b, tracer_op_name(n->op));
    if (n->first != NULL) {
        jo_key(b, "calls");
        jo_open(b, '[');
    }
}

/* iterative: calls nest a thousand deep */
void calls_put(struct tracer *t, const struct tracer_facts *f)
{
    struct buf *b = t->c->out;
    size_t reverted = 0; /* how many of the calls that are open did not succeed */
    for (const struct traced_call *n = t->root; n != NULL;) {
        reverted += n->outcome != EVM_SUCCESS;
        open_call(t, n, f, reverted > 0);
        if (n->first != NULL) {
            n = n->first;
            continue;
        }
        for (;;) {
            jo_close(b, '}');
            reverted -= n->outcome != EVM_SUCCESS;
            if (n == t->root) return;
            if (n->next != NULL) {
                n = n->next;
                break;
            }
            n = n->parent;
            jo_close(b, ']');
        }
    }
}

/* ------------------------------------------------------------------ 4byteTracer */

struct selector {
    uint8_t id[4];
    size_t len; /* of what comes behind it */
};

static int by_selector(const void *x, const void *y)
{
    const struct selector *a = x, *b = y;
    const int c = memcmp(a->id, b->id, sizeof a->id);
    return c != 0 ? c : a->len < b->len ? -1 : a->len > b->len;
}

/* ret the next call of the tree in the order in which they began, NULL at the end */
static const struct traced_call *next_call(const struct traced_call *root, const struct traced_call *n)
{
    if (n->first != NULL) return n->first;
    while (n != root && n->next == NULL)
        n = n->parent;
    return n == root ? NULL : n->next;
}

static bool has_selector(const struct tracer *t, const struct traced_call *n)
{
    return n->op != OP_SELFDESTRUCT && !traced_is_create(n) && n->input.len >= 4 && !rpc_is_precompile(t->c, &n->code_address, t->number);
}

void selectors_put(struct tracer *t)
{
    struct buf *b = t->c->out;
    size_t n = 0, count = 0;
    for (const struct traced_call *p = t->root; p != NULL; p = next_call(t->root, p))
        count += has_selector(t, p);
    struct selector *all = tracer_take(t, (count + 1) * sizeof *all);
    if (all == NULL) return;
    for (const struct traced_call *p = t->root; p != NULL; p = next_call(t->root, p)) {
        if (!has_selector(t, p)) continue;
        memcpy(all[n].id, p->input.ptr, 4);
        all[n++].len = p->input.len - 4;
    }
    qsort(all, n, sizeof *all, by_selector);
    jo_open(b, '{');
    for (size_t i = 0, end; i < n; i = end) {
        char key[40];
        for (end = i; end < n && by_selector(&all[i], &all[end]) == 0;)
            end++;
        snprintf(key, sizeof key, "0x%02x%02x%02x%02x-%zu", all[i].id[0], all[i].id[1], all[i].id[2], all[i].id[3], all[i].len);
        jo_key(b, key);
        jo_dec(b, end - i);
    }
    jo_close(b, '}');
}
