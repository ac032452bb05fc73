/* Rules made into tables: which opcodes are on, and what they cost. */
#include "node/evm/evm_priv.h"

#define ALWAYS (-1)
#define SINCE(flag) ((int)offsetof(struct rules, flag))
static const struct {
    uint16_t gas;
    uint8_t pops, pushes;
    int since;
} base[256] = {
#define X(number, name, gas, pops, pushes, since) [number] = {gas, pops, pushes, since},
#include "node/evm/opcodes.def"
#undef X
};
/* base has zeros where there is no opcode */
static const bool is_defined[256] = {
#define X(number, name, gas, pops, pushes, since) [number] = true,
#include "node/evm/opcodes.def"
#undef X
};
#undef ALWAYS
#undef SINCE

static bool is_on(const struct rules *r, int since)
{
    return since < 0 || *(const bool *)((const char *)r + since);
}

static void set_gas(struct schedule *s, const uint8_t *ops, size_t n, uint16_t gas)
{
    for (size_t i = 0; i < n; i++) s->op[ops[i]].gas = gas;
}

static void make_prices(struct schedule *s, const struct rules *r)
{
    static const uint8_t calls[] = {OP_CALL, OP_CALLCODE, OP_DELEGATECALL, OP_STATICCALL};
    static const uint8_t codes[] = {OP_EXTCODESIZE, OP_EXTCODECOPY};
    static const uint8_t accounts[] = {OP_BALANCE, OP_EXTCODESIZE, OP_EXTCODECOPY, OP_EXTCODEHASH, OP_CALL,
                                       OP_CALLCODE, OP_DELEGATECALL, OP_STATICCALL, OP_SLOAD};
    if (r->eip150) {
        set_gas(s, calls, COUNT_OF(calls), 700);
        set_gas(s, codes, COUNT_OF(codes), 700);
        s->op[OP_BALANCE].gas = 400;
        s->op[OP_SLOAD].gas = 200;
        s->op[OP_SELFDESTRUCT].gas = 5000;
    }
    if (r->eip1884) {
        s->op[OP_SLOAD].gas = 800;
        s->op[OP_BALANCE].gas = 700;
        s->op[OP_EXTCODEHASH].gas = 700;
    }
    if (r->eip2929) { /* the cold part is charged on access */
        set_gas(s, accounts, COUNT_OF(accounts), GAS_WARM);
        s->cold_account = GAS_COLD_ACCOUNT - GAS_WARM;
        s->cold_slot = GAS_COLD_SLOT - GAS_WARM;
    }
    s->exp_byte = r->eip160 ? 50 : 10;

    /* SPEC(EIP-1283, 2200, 2929, 3529): one scheme, with different numbers */
    s->net_metering = r->eip1283 || r->eip2200;
    s->stipend_rule = r->eip1706 || r->eip2200;
    s->sstore_set = GAS_SSTORE_SET;
    s->sstore_reset = GAS_SSTORE_RESET - (r->eip2929 ? GAS_COLD_SLOT : 0);
    s->sstore_dirty = r->eip2929 ? GAS_WARM : r->eip2200 || r->eip1884 ? 800 : 200;
    s->refund_clear = r->eip3529 ? GAS_REFUND_CLEAR_3529 : GAS_REFUND_CLEAR;
}

void schedule_select(struct evm *e)
{
    const struct rules *r = e->rules;
    const bool sig[] = {
#define X(field, what) r->field,
        RULES_FLAGS(X)
#undef X
    };
    _Static_assert(sizeof sig <= sizeof e->schedules[0].sig, "room for all flags");
    for (unsigned i = 0; i < e->n_schedules; i++)
        if (memcmp(e->schedules[i].sig, sig, sizeof sig) == 0) {
            e->sched = &e->schedules[i];
            e->sched_index = (uint8_t)i;
            return;
        }
    if (e->n_schedules == EVM_SCHEDULES) { /* more rules than any chain has at a time: begin anew */
        code_cache_fini(e);
        e->n_schedules = 0;
    }
    e->sched_index = (uint8_t)e->n_schedules;
    struct schedule *s = &e->schedules[e->n_schedules++];
    memset(s, 0, sizeof *s);
    memcpy(s->sig, sig, sizeof sig);
    for (unsigned op = 0; op < 256; op++)
        if (is_defined[op])
            s->op[op] = (struct op_info){base[op].gas, base[op].pops, base[op].pushes,
                                         op != OP_INVALID && is_on(r, base[op].since)};
    make_prices(s, r);
    e->sched = s;
}
