/* evm_priv.h: what the parts of the EVM share.
 *
 * How a message walks through it: evm.c (evm_run) -> frame.c opens a frame (snapshot, transfer, precompile or code) -> code.c
 * finds or makes the translation of its code -> dispatch.c runs it; opcodes that need the world or are long go to ops.c, calls and
 * creations back to frame.c, which pushes or pops a frame, until the outermost one ends.
 *
 * Translation: bytecode becomes an array of `struct insn`, one handler address and one operand each, basic block by basic block,
 * when a block is first reached. A block opens with a check of the gas and the stack that its instructions are sure to need; opcodes
 * that look at the gas left (GAS, SSTORE, calls, creations) end their block, so that gas is exact wherever it can be seen. With a
 * tracer each instruction is a block of its own and gas is exact everywhere. */
#ifndef NODE_EVM_EVM_PRIV_H
#define NODE_EVM_EVM_PRIV_H

#include "lib/eth/chain_spec.h"
#include "node/evm/evm.h"
#include "node/evm/gas.h"

enum opcode {
#define X(number, name, gas, pops, pushes, since) OP_##name = number,
#include "node/evm/opcodes.def"
#undef X
};

/* X(name): handlers that are no single opcode; numbered from 256. Operands: u (a number), ptr, block, pair (two small numbers), or a
 * whole word in the two insns that follow ("wide"). */
#define EVM_HANDLERS(X)                                                                            \
    X(BLOCK)       /* block: check gas and stack of the block */                                   \
    X(STEP)        /* u = pc; exact mode: check, trace one opcode */                               \
    X(GOTO)        /* ptr: go on elsewhere */                                                      \
    X(BAD_JUMP)    /* what a static jump to no JUMPDEST leads to */                                \
    X(LINK)        /* pair = handler, pc: a static jump before its first use */                    \
    X(JUMP_EXACT)  /* jumps of exact mode, whose blocks have no check at their head */             \
    X(JUMPI_EXACT)                                                                                 \
    X(PUSH)        /* u = the value, one limb */                                                   \
    X(PUSH_WIDE)   /* wide */                                                                      \
    EVM_FUSED(X)                                                                                   \
    X(JUMP_TO)     /* ptr: static jumps, alone and with what decides them */                       \
    X(JUMPI_TO)                                                                                    \
    EVM_COMPARES(X, JUMPI_)

/* X(prefix##name): conditions: of the opcodes, and negated by an ISZERO behind them */
#define EVM_COMPARES(X, prefix)                                                                    \
    X(prefix##LT) X(prefix##GT) X(prefix##SLT) X(prefix##SGT) X(prefix##EQ) X(prefix##ISZERO)      \
    X(prefix##NOT_LT) X(prefix##NOT_GT) X(prefix##NOT_SLT) X(prefix##NOT_SGT) X(prefix##NOT_EQ) X(prefix##NOT_ISZERO)

/* X(name): two or three opcodes in one */
#define EVM_FUSED(X)                                                                               \
    X(NOT_LT) X(NOT_GT) X(NOT_SLT) X(NOT_SGT) X(NOT_EQ) X(NOT_ISZERO)                              \
    X(PUSH_ADD) X(PUSH_AND) X(PUSH_EQ) X(PUSH_SHL) X(PUSH_SHR) X(PUSH_MLOAD) X(PUSH_MSTORE) /* u */ \
    X(AND_WIDE)                                                                                    \
    X(POPS)       /* u = how many */                                                               \
    X(POP_UNDER)  /* u = n: SWAPn POP */                                                           \
    X(PUSH_DUP) X(DUP_PUSH)         /* pair = n of DUPn, value */                                  \
    X(PUSH_PUSH)                    /* pair = two values */                                        \
    X(POP_PUSH)                     /* u */                                                        \
    X(DUP_ADD) X(DUP_SUB) X(DUP_MUL) X(DUP_DIV) X(DUP_AND) X(DUP_MLOAD) X(DUP_MSTORE) /* u = n of DUPn */

enum handler {
    H_FIRST = 255,
#define X(name) H_##name,
    EVM_HANDLERS(X)
#undef X
        H_N
};

struct insn {
    const void *handler;
    union {
        uint64_t u;
        const struct insn *ptr;
        struct {
            uint32_t a, b;
        } pair;
        struct {
            uint32_t gas;
            uint16_t need, grow; /* bytes of stack that must be there, and by which it rises at most */
        } block;
    };
};

struct op_info {
    uint16_t gas;
    uint8_t pops, pushes;
    bool is_on;
};

/* schedule: one set of rules made into tables */
struct schedule {
    bool sig[64]; /* the rules' flags, to find the schedule again */
    struct op_info op[256];
    int64_t exp_byte;
    int64_t cold_account, cold_slot; /* surcharge over the warm price; 0 before EIP-2929 */
    bool net_metering, stipend_rule; /* of SSTORE */
    int64_t sstore_set, sstore_reset, sstore_dirty, refund_clear;
};

/** evm_code: bytecode with its translation. Cached by (hash, schedule), counted by the frames that run it. */
struct evm_code {
    struct evm_code *chain;        /* of the hash bucket */
    struct evm_code *newer, *older; /* of the LRU list */
    hash32 hash;
    bool is_cached;
    uint8_t schedule;
    bool is_exact;
    uint32_t refs;
    bytes text;         /* view, valid in a run in which it was acquired */
    size_t cost;        /* bytes it holds in the cache */
    uint32_t *entry;    /* [text.len]: 0: no jump destination; 1: one, not translated yet; else index into insns */
    struct insn *insns; /* room for EVM_INSNS_MAX(text.len); filled by and by */
    uint32_t n_insns;
    uint32_t start;     /* index of the translation of pc 0 */
};

struct frame {
    const struct insn *ip;
    u256 *sp;     /* top word */
    u256 *bottom; /* one below the first word */
    int64_t gas;
    uint8_t *mem;
    uint64_t mem_len; /* multiple of 32 */
    bytes code;
    bytes input;
    struct evm_code *tr;
    address self, sender;
    u256 value;
    bool is_static, is_create;
    int snapshot;
    int64_t refund; /* counter when it began */
    int64_t gas_at_start;
    uint64_t out_off, out_len; /* where in the caller's memory the output goes */
    u256 above; /* with is_boundless: gas that it has beside `gas`, which is refilled from there at each call and return */
};

#define EVM_SCHEDULES 8
#define EVM_CODE_BUCKETS 1024

struct evm {
    const struct rules *rules;
    const struct evm_block *block;
    const struct evm_tx *tx;
    const struct evm_host *host;
    void *ctx; /* the host's */
    const struct evm_tracer *tracer;
    const struct schedule *sched;
    bool (*is_over)(void *ctx); /* NULL: nobody watches */
    void *watch_ctx;
    int32_t ticks; /* until is_over is asked: jumps and calls count down */
    const void *const *labels; /* dispatch.c's handlers */

    struct frame *frames; /* [EVM_DEPTH_MAX + 1] */
    int top;              /* index of the running frame, -1: none */
    int top_high;         /* most frames at a time in this run */
    int64_t refund;
    bool is_boundless;
    enum status host_status;

    /* return data of the last call of the running frame; at the end the output */
    uint8_t *ret;
    size_t ret_len, ret_cap;

    u256 *stack;
    size_t stack_map; /* bytes mapped */
    uint8_t *mem;
    size_t mem_map, mem_high; /* bytes mapped; most that was used in this run */

    struct schedule schedules[EVM_SCHEDULES];
    unsigned n_schedules;
    uint8_t sched_index;

    struct evm_code *bucket[EVM_CODE_BUCKETS];
    struct evm_code *newest, *oldest;
    size_t cache_used, cache_max;

    enum evm_outcome outcome; /* of the outermost frame */
    uint64_t gas_left;
};

#define HOST(e, call, ...) ((e)->host->call((e)->ctx, __VA_ARGS__))
/* HOST_TRY: a failed host call ends the run */
#define HOST_TRY(e, call, ...)                                                                     \
    do {                                                                                           \
        const enum status host_s_ = HOST(e, call, __VA_ARGS__);                                    \
        if (unlikely(host_s_ != OK)) return evm_host_failed((e), host_s_);                         \
    } while (0)

/** evm_look: asks is_over, for evm_must_end */
bool evm_look(struct evm *e);
/* evm_must_end: a step that took about as long as that many jumps is done: does the watcher end the run? */
static inline bool evm_must_end(struct evm *e, int32_t ticks)
{
    e->ticks -= ticks;
    return unlikely(e->ticks < 0) && evm_look(e);
}
enum { EVM_LOOK_TICKS = 1024, EVM_CALL_TICKS = 64 }; /* a call may be that of a precompile */

static inline enum evm_outcome evm_host_failed(struct evm *e, enum status s)
{
    e->host_status = s;
    return EVM_HOST_FAILURE;
}

static inline u256 word_from_address(const address *a)
{
    return (u256){{be64_get(a->b + 12), be64_get(a->b + 4), be32_get(a->b), 0}};
}
static inline address word_to_address(const u256 *w)
{
    address a;
    be64_put(a.b + 12, w->w[0]);
    be64_put(a.b + 4, w->w[1]);
    be32_put(a.b, (uint32_t)w->w[2]);
    return a;
}
static inline u256 word_from_hash(const hash32 *h)
{
    return u256_from_be(h->b);
}
static inline uint64_t words_of(uint64_t len)
{
    return len / 32 + (len % 32 != 0);
}

/* --- schedule.c */
/** schedule_select: the schedule of e->rules, made if it is new. */
void schedule_select(struct evm *e);

/* --- code.c */
/** code_acquire: the translation of text. hash NULL: not cached (init code). NULL: out of memory. Release each. */
struct evm_code *code_acquire(struct evm *e, bytes text, const hash32 *hash);
void code_release(struct evm *e, struct evm_code *c);
/** code_entry: the instruction at a jump destination, translated now if need be; NULL if pc is none. */
const struct insn *code_entry(const struct evm *e, struct evm_code *c, uint64_t pc);
void code_cache_fini(struct evm *e);
/** code_is_delegation: an EIP-7702 designator; *to is the delegate. */
bool code_is_delegation(address *to, bytes code);

/* --- memory.c */
/** memory_init, _fini: map the pools of stacks and memories. */
MUST_CHECK enum status memory_init(struct evm *e);
void memory_fini(struct evm *e);
/** memory_trim: after a run: give back what a big one took. ret_trim: the same for the return data, which outlive the run: before. */
void memory_trim(struct evm *e);
void ret_trim(struct evm *e);
/** memory_grow: make the running frame's memory reach `end` bytes, and charge f->gas. */
MUST_CHECK enum evm_outcome memory_grow(struct evm *e, struct frame *f, uint64_t end);
/** memory_cost: gas of expanding from len bytes (a multiple of 32) to end; INT64_MAX when it is more than that. */
int64_t memory_cost(uint64_t len, uint64_t end);
/** memory_need: as memory_grow for a range given by two words; len 0 needs nothing. */
MUST_CHECK enum evm_outcome memory_need(struct evm *e, struct frame *f, const u256 *off, const u256 *len);
/** ret_set: replace the return data.  ret OK | E_NOMEM */
MUST_CHECK enum status ret_set(struct evm *e, const void *data, size_t len);
/** ret_room: the return buffer with room for len bytes (len not set), or NULL. */
uint8_t *ret_room(struct evm *e, size_t len);

/* --- ops.c: opcodes outside of the loop. sp is the top; results are written where they belong; the caller moves sp. Gas is f->gas. */
enum evm_outcome op_exp(struct evm *e, struct frame *f, u256 *sp);
enum evm_outcome op_keccak256(struct evm *e, struct frame *f, u256 *sp);
enum evm_outcome op_balance(struct evm *e, struct frame *f, u256 *sp);
enum evm_outcome op_selfbalance(struct evm *e, struct frame *f, u256 *sp);
enum evm_outcome op_extcodesize(struct evm *e, struct frame *f, u256 *sp);
enum evm_outcome op_extcodehash(struct evm *e, struct frame *f, u256 *sp);
enum evm_outcome op_extcodecopy(struct evm *e, struct frame *f, u256 *sp);
enum evm_outcome op_copy(struct evm *e, struct frame *f, u256 *sp, bytes from);
enum evm_outcome op_returndatacopy(struct evm *e, struct frame *f, u256 *sp);
enum evm_outcome op_mcopy(struct evm *e, struct frame *f, u256 *sp);
enum evm_outcome op_blockhash(struct evm *e, struct frame *f, u256 *sp);
enum evm_outcome op_sload(struct evm *e, struct frame *f, u256 *sp);
enum evm_outcome op_sstore(struct evm *e, struct frame *f, u256 *sp);
enum evm_outcome op_tload(struct evm *e, struct frame *f, u256 *sp);
enum evm_outcome op_tstore(struct evm *e, struct frame *f, u256 *sp);
enum evm_outcome op_log(struct evm *e, struct frame *f, u256 *sp, unsigned n_topics);
enum evm_outcome op_selfdestruct(struct evm *e, struct frame *f, u256 *sp);
/** op_return: expand memory and make the range the return data (RETURN, REVERT). */
enum evm_outcome op_return(struct evm *e, struct frame *f, u256 *sp);

/* --- frame.c */
/** frame_call, frame_create: CALL, CALLCODE, DELEGATECALL, STATICCALL; CREATE, CREATE2 of the running frame, whose ip, sp and gas are
 *  stored (ip at the next instruction). On EVM_SUCCESS e->frames[e->top] is what runs next: the callee, or the caller again. */
enum evm_outcome frame_call(struct evm *e, enum opcode op);
enum evm_outcome frame_create(struct evm *e, enum opcode op);
/** frame_end: the running frame ends; its output is the return data. ret false when it was the outermost. */
bool frame_end(struct evm *e, enum evm_outcome outcome);
/** frame_open_message: the outermost frame; false: it ended at once. */
bool frame_open_message(struct evm *e, const struct evm_message *msg);

/* --- dispatch.c */
/** dispatch_run: run from e->frames[e->top] until the outermost frame ends.  dispatch_labels: addresses of the handlers. */
void dispatch_run(struct evm *e);
const void *const *dispatch_labels(void);

/* --- precompiles.c */
/** precompile_find: what stands at a. ret false: nothing */
struct precompile {
    int id, pricing;
    uint64_t a, b;
};
bool precompile_find(struct precompile *out, const struct evm *e, const address *a);
/** precompile_run: takes gas from *gas, leaves the output as the return data. ret EVM_SUCCESS | EVM_OUT_OF_GAS | EVM_PRECOMPILE_FAILURE
 *  | EVM_HOST_FAILURE */
enum evm_outcome precompile_run(struct evm *e, const struct precompile *p, bytes input, int64_t *gas);

/* --- trace.c */
/** trace_step: tell the tracer of the opcode that comes. */
void trace_step(struct evm *e, const struct frame *f, uint64_t pc, uint8_t op, const u256 *sp, int64_t gas);
void trace_enter(struct evm *e, uint8_t op, const address *from, const address *to, const address *code, const u256 *value,
                 int64_t gas, bytes input, int depth);
void trace_leave(struct evm *e, enum evm_outcome outcome, int64_t gas_used);

#endif
