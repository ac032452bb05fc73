/* Pools: the stacks of all frames lie behind one another in one mapping, their memories in another. Pages that no run has touched
 * take no room; nothing ever moves, so that a callee's input is a view of its caller's memory. */
#include "node/evm/evm_priv.h"

#include <sys/mman.h>

#define STACK_BYTES (sizeof(u256) * (EVM_STACK_MAX + 1) * (EVM_DEPTH_MAX + 1))
#define POOL_KEEP ((size_t)4 << 20) /* what a run may leave mapped in, of each pool */

static void *map_pool(size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

enum status memory_init(struct evm *e)
{
    e->stack_map = STACK_BYTES;
    e->stack = map_pool(e->stack_map);
    if (e->stack == NULL) return E_NOMEM;
    /* where address space is rationed a smaller pool does for all but absurd calls */
    for (e->mem_map = EVM_MEMORY_MAX; e->mem_map >= (size_t)64 << 20; e->mem_map /= 2) {
        e->mem = map_pool(e->mem_map);
        if (e->mem != NULL) return OK;
    }
    return E_NOMEM;
}

void memory_fini(struct evm *e)
{
    if (e->stack != NULL) munmap(e->stack, e->stack_map);
    if (e->mem != NULL) munmap(e->mem, e->mem_map);
    free(e->ret);
}

static void give_back(void *pool, size_t used)
{
    if (used > POOL_KEEP) IGNORE(madvise((char *)pool + POOL_KEEP, used - POOL_KEEP, MADV_DONTNEED), "advice only");
}

void memory_trim(struct evm *e)
{
    give_back(e->mem, e->mem_high);
    give_back(e->stack, (size_t)e->top_high * EVM_STACK_MAX * sizeof *e->stack);
    e->mem_high = 0;
    e->top_high = 0;
}

void ret_trim(struct evm *e)
{
    if (e->ret_cap <= POOL_KEEP) return;
    free(e->ret);
    e->ret = NULL;
    e->ret_len = e->ret_cap = 0;
}

int64_t memory_cost(uint64_t len, uint64_t end)
{
    if (end > (uint64_t)1 << 42) return INT64_MAX; /* the square alone is over 2^63 */
    const u128 w0 = len / 32, w1 = words_of(end);
    if (w1 <= w0) return 0;
    const u128 cost = GAS_WORD_MEMORY * (w1 - w0) + w1 * w1 / GAS_QUAD_DIVISOR - w0 * w0 / GAS_QUAD_DIVISOR;
    return cost > INT64_MAX ? INT64_MAX : (int64_t)cost;
}

enum evm_outcome memory_grow(struct evm *e, struct frame *f, uint64_t end)
{
    const int64_t cost = memory_cost(f->mem_len, end);
    if (cost > f->gas) return EVM_OUT_OF_GAS;
    const uint64_t len = words_of(end) * 32;
    const size_t at = (size_t)(f->mem - e->mem);
    if (len > e->mem_map - at) return evm_host_failed(e, E_NOMEM);
    f->gas -= cost;
    memset(f->mem + f->mem_len, 0, len - f->mem_len);
    f->mem_len = len;
    if (at + len > e->mem_high) e->mem_high = at + len;
    return EVM_SUCCESS;
}

enum evm_outcome memory_need(struct evm *e, struct frame *f, const u256 *off, const u256 *len)
{
    if (u256_is_zero(len)) return EVM_SUCCESS;
    const uint64_t o = u256_to_u64_sat(off), n = u256_to_u64_sat(len);
    if (((o | n) >> 42) != 0) return EVM_OUT_OF_GAS;
    return o + n <= f->mem_len ? EVM_SUCCESS : memory_grow(e, f, o + n);
}

uint8_t *ret_room(struct evm *e, size_t len)
{
    if (len <= e->ret_cap) return e->ret;
    size_t cap = e->ret_cap == 0 ? 4096 : e->ret_cap;
    while (cap < len) cap *= 2;
    uint8_t *p = realloc(e->ret, cap);
    if (p == NULL) return NULL;
    e->ret = p;
    e->ret_cap = cap;
    return p;
}

enum status ret_set(struct evm *e, const void *data, size_t len)
{
    if (len != 0) {
        uint8_t *dst = ret_room(e, len);
        if (dst == NULL) return E_NOMEM;
        memcpy(dst, data, len);
    }
    e->ret_len = len;
    return OK;
}
