#include "node/evm/evm_priv.h"

#define CACHE_DEFAULT ((size_t)16 << 20)

const char *evm_outcome_text(enum evm_outcome o)
{
    switch (o) {
#define X(id, text)                                                                                \
    case id: return text;
        EVM_OUTCOMES(X)
#undef X
    }
    return "unknown outcome";
}

enum status evm_new(struct evm **out, size_t cache_bytes)
{
    struct evm *e = calloc(1, sizeof *e);
    if (e == NULL) return E_NOMEM;
    e->frames = malloc((EVM_DEPTH_MAX + 1) * sizeof *e->frames);
    if (e->frames == NULL || memory_init(e) != OK) {
        evm_free(e);
        return E_NOMEM;
    }
    e->cache_max = cache_bytes == 0 ? CACHE_DEFAULT : cache_bytes;
    e->labels = dispatch_labels();
    e->top = -1;
    *out = e;
    return OK;
}

void evm_free(struct evm *e)
{
    if (e == NULL) return;
    code_cache_fini(e);
    memory_fini(e);
    free(e->frames);
    free(e);
}

void evm_begin(struct evm *e, const struct rules *rules, const struct evm_block *block, const struct evm_tx *tx,
               const struct evm_host *host, void *host_ctx, const struct evm_tracer *tracer)
{
    e->rules = rules;
    e->block = block;
    e->tx = tx;
    e->host = host;
    e->ctx = host_ctx;
    e->tracer = tracer;
    schedule_select(e);
}

void evm_run(struct evm_result *out, struct evm *e, const struct evm_message *msg)
{
    ret_trim(e);
    e->top = -1;
    e->refund = 0;
    e->host_status = OK;
    e->gas_left = 0;
    if (frame_open_message(e, msg)) dispatch_run(e);
    while (e->top >= 0) code_release(e, e->frames[e->top--].tr); /* only after a host failure */
    const bool ok = e->outcome == EVM_SUCCESS;
    *out = (struct evm_result){
        .outcome = e->outcome,
        .host_status = e->outcome == EVM_HOST_FAILURE ? e->host_status : OK,
        .gas_left = e->outcome == EVM_HOST_FAILURE ? 0 : e->gas_left,
        .refund = ok ? e->refund : 0,
        .output = bytes_make(e->ret, e->outcome == EVM_HOST_FAILURE ? 0 : e->ret_len),
    };
    memory_trim(e);
}

void evm_watch(struct evm *e, bool (*is_over)(void *ctx), void *ctx)
{
    e->is_over = is_over;
    e->watch_ctx = ctx;
}

void evm_ask(struct evm *e)
{
    e->ticks = 0;
}

bool evm_look(struct evm *e)
{
    e->ticks = EVM_LOOK_TICKS;
    return e->is_over != NULL && e->is_over(e->watch_ctx);
}
