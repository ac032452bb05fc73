/* module: node/evm */
/* Any code runs without harm, and alike in both modes: translated block by block with joined opcodes, and (with a tracer) opcode by
 * opcode with gas and stack checked at each: same verdict, gas, refund, output, storage and logs. The gas that the tracer announces is
 * the gas that goes. Input: fork (below 128: code is to be cooked), a byte of call data length, call data, code. */
#include "lib/eth/chain_spec.h"

#define assert_true(x)                                                                             \
    do {                                                                                           \
        if (!(x)) BUG("the host was misused: " #x);                                                \
    } while (0)
#define assert_false(x) assert_true(!(x))
#define assert_non_null(x) assert_true((x) != NULL)
#define MH_ACCOUNTS 1024
#define MH_SLOTS 4096
#define MH_LOGS 512
#define MH_CODES 512
#include "tests/unit/node/evm/mem_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { GAS = 120000 };
static const address SELF = {{0xaa, 1}}, SENDER = {{0x5e, 2}};

struct steps {
    bool has_last;
    int depth;
    uint64_t gas, cost;
    uint8_t op;
};

static bool enters_frames(uint8_t op)
{
    return op == 0xf0 || op == 0xf1 || op == 0xf2 || op == 0xf4 || op == 0xf5 || op == 0xfa;
}

static void on_step(void *ctx, const struct evm_trace_step *s)
{
    struct steps *t = ctx;
    if (t->has_last && t->depth == s->depth && !enters_frames(t->op) && t->gas - t->cost != s->gas && s->pc != 0)
        BUG("the announced cost is not what went");
    *t = (struct steps){true, s->depth, s->gas, s->cost, s->op};
}

static void run(struct evm_result *r, uint8_t output[static 256], struct evm *e, struct mem_host *h, enum fork fork, bytes code,
                bytes input, bool traced)
{
    static const hash32 blob = {{1, 2, 3}};
    struct steps steps = {false};
    const struct evm_tracer tracer = {.ctx = &steps, .step = on_step};
    const struct evm_block block = {.number = 300, .timestamp = 1000, .gas_limit = 1000000, .chain_id = 1};
    const struct evm_tx tx = {.origin = SENDER, .blob_hashes = &blob, .n_blob_hashes = 1};
    mem_host_reset(h);
    rules_from_fork(&h->rules, fork);
    h->block_number = block.number;
    struct mh_account *self = mh_at(h, &SELF), *sender;
    self->exists = true;
    self->balance = u256_from_u64(1000);
    self->code = code.ptr;
    self->code_len = code.len;
    sender = mh_at(h, &SENDER);
    sender->exists = true;
    sender->balance = u256_from_u64(1000000);
    evm_begin(e, &h->rules, &block, &tx, &mem_host_table, h, traced ? &tracer : NULL);
    evm_run(r, e, &(struct evm_message){.sender = SENDER, .recipient = SELF, .code_address = SELF, .gas = GAS, .input = input});
    if (r->output.len != 0) memcpy(output, r->output.ptr, r->output.len < 256 ? r->output.len : 256);
}

static void compare(const struct mem_host *a, const struct mem_host *b)
{
    if (a->n_logs != b->n_logs || memcmp(a->logs, b->logs, a->n_logs * sizeof a->logs[0]) != 0) BUG("other logs");
    for (size_t i = 0; i < a->n_slots; i++) {
        if (u256_is_zero(&a->slots[i].value)) continue;
        bool found = false;
        for (size_t k = 0; k < b->n_slots && !found; k++)
            found = a->slots[i].is_transient == b->slots[k].is_transient && address_eq(&a->slots[i].addr, &b->slots[k].addr) &&
                    u256_eq(&a->slots[i].key, &b->slots[k].key) && u256_eq(&a->slots[i].value, &b->slots[k].value);
        if (!found) BUG("other storage");
    }
}

/* cook: most random bytes are no opcodes and find no operands; so begin with operands, and read what is no opcode as a small PUSH. */
static bytes cook(uint8_t *dst, size_t max, bytes raw)
{
    size_t n = 0;
    for (uint8_t i = 0; i < 12; i++) {
        dst[n++] = 0x60;
        dst[n++] = (uint8_t)(i * 7);
    }
    for (size_t i = 0; i < raw.len && n + 2 < max; i++) {
        const uint8_t op = raw.ptr[i];
        const bool is_none = (op >= 0x0c && op < 0x10) || (op > 0x20 && op < 0x30) || (op > 0xa4 && op < 0xf0) || (op > 0x4a && op < 0x50);
        if (is_none) dst[n++] = 0x60;
        dst[n++] = is_none ? (uint8_t)(op - 0xa5) : op;
    }
    return bytes_make(dst, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct evm *e; /* kept between inputs, so that the cache of translations is met too */
    static struct mem_host *worlds[2];
    if (len < 2 || len > 4096) return 0;
    if (e == NULL) {
        if (evm_new(&e, 1 << 20) != OK) abort();
        for (int i = 0; i < 2; i++)
            if ((worlds[i] = calloc(1, sizeof *worlds[i])) == NULL) abort();
    }
    const enum fork fork = (enum fork)(FORK_ISTANBUL + data[0] % (FORK_N - FORK_ISTANBUL));
    const size_t n_input = data[1] % 64 < len - 2 ? data[1] % 64 : 0;
    const bytes input = bytes_make(data + 2, n_input);
    bytes code = bytes_make(data + 2 + n_input, len - 2 - n_input);
    uint8_t cooked[8300];
    if (data[0] < 128) code = cook(cooked, sizeof cooked, code);
    struct evm_result r[2];
    uint8_t output[2][256];
    memset(output, 0, sizeof output);
    run(&r[0], output[0], e, worlds[0], fork, code, input, false);
    const size_t n_output = r[0].output.len;
    run(&r[1], output[1], e, worlds[1], fork, code, input, true);
    /* A block that can't end well may be told for another of its reasons; what counts is the same. */
    if ((r[0].outcome == EVM_SUCCESS) != (r[1].outcome == EVM_SUCCESS)) BUG("another verdict");
    if ((r[0].outcome == EVM_REVERT) != (r[1].outcome == EVM_REVERT)) BUG("another verdict");
    if (r[0].gas_left != r[1].gas_left) BUG("other gas");
    if (r[0].refund != r[1].refund) BUG("another refund");
    if (n_output != r[1].output.len || memcmp(output[0], output[1], sizeof output[0]) != 0) BUG("other output");
    compare(worlds[0], worlds[1]);
    compare(worlds[1], worlds[0]);
    return 0;
}
