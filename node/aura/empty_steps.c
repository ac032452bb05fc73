#include "node/aura/empty_steps.h"

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"

static void put_signed(struct buf *out, uint64_t step, const hash32 *parent)
{
    const size_t l = rlp_list_open(out);
    rlp_put_u64(out, step);
    rlp_put_string(out, BYTES_OF(parent->b));
    rlp_list_close(out, l);
}

void empty_step_hash(hash32 *out, uint64_t step, const hash32 *parent)
{
    struct buf b;
    buf_init(&b, EMPTY_STEP_MESSAGE_MAX);
    put_signed(&b, step, parent);
    if (buf_status(&b) != OK) BUG("out of memory");
    keccak256(out->b, b.ptr, b.len);
    buf_fini(&b);
}

void empty_step_put_message(struct buf *out, const struct empty_step *e, const hash32 *parent)
{
    const size_t l = rlp_list_open(out);
    rlp_put_string(out, BYTES_OF(e->signature));
    put_signed(out, e->step, parent);
    rlp_list_close(out, l);
}

enum status empty_step_get_message(struct heard_step *out, bytes message)
{
    struct heard_step one;
    bytes l, inner;
    if (message.len > EMPTY_STEP_MESSAGE_MAX || rlp_get_list(&l, &message) != OK || message.len != 0) return E_DECODE;
    if (rlp_get_fixed(one.e.signature, sizeof one.e.signature, &l) != OK || rlp_get_list(&inner, &l) != OK || l.len != 0) return E_DECODE;
    if (rlp_get_u64(&one.e.step, &inner) != OK || rlp_get_fixed(one.parent.b, 32, &inner) != OK || inner.len != 0) return E_DECODE;
    if (aura_empty_step_signer(&one.signer, &one.e, &one.parent) != OK) return E_CRYPTO;
    *out = one;
    return OK;
}

enum status empty_steps_add(struct empty_steps *p, const struct heard_step *one)
{
    size_t same = 0, lowest = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct heard_step *h = &p->list[i];
        if (h->e.step < p->list[lowest].e.step) lowest = i;
        if (h->e.step != one->e.step) continue;
        if (hash_eq(&h->parent, &one->parent) && address_eq(&h->signer, &one->signer)) return E_EXISTS; /* whatever form its signature has */
        same++;
    }
    if (same >= EMPTY_STEPS_A_STEP) return E_LIMIT;
    if (p->n < EMPTY_STEPS_MAX) lowest = p->n++;
    else if (one->e.step <= p->list[lowest].e.step) return E_LIMIT;
    p->list[lowest] = *one;
    return OK;
}

/* the usable one of the lowest step above `after` */
static const struct heard_step *next_of(const struct empty_steps *p, const hash32 *parent, uint64_t after, uint64_t before, const struct validators *set)
{
    const struct heard_step *best = NULL;
    for (size_t i = 0; i < p->n; i++) {
        const struct heard_step *h = &p->list[i];
        if (h->e.step <= after || h->e.step >= before || !hash_eq(&h->parent, parent)) continue;
        if (best != NULL && h->e.step >= best->e.step) continue;
        if (address_eq(aura_proposer(set, h->e.step), &h->signer)) best = h;
    }
    return best;
}

size_t empty_steps_put(struct buf *out, const struct empty_steps *p, const hash32 *parent, uint64_t parent_step, uint64_t step,
                       const struct validators *set)
{
    size_t n = 0;
    const size_t all = rlp_list_open(out);
    for (const struct heard_step *h; (h = next_of(p, parent, parent_step, step, set)) != NULL; n++, parent_step = h->e.step) {
        const size_t one = rlp_list_open(out);
        rlp_put_string(out, BYTES_OF(h->e.signature));
        rlp_put_u64(out, h->e.step);
        rlp_list_close(out, one);
    }
    rlp_list_close(out, all);
    return n;
}

void empty_steps_drop(struct empty_steps *p, uint64_t step)
{
    for (size_t i = p->n; i-- > 0;)
        if (p->list[i].e.step <= step) p->list[i] = p->list[--p->n];
}
