/* The walk of a block builder over the pool: a heap of the senders' first transactions. */
#include "node/pool/pool_priv.h"

struct candidate {
    u256 tip;
    struct entry *e; /* a reference is held */
};

struct pool_best {
    struct pool *pool;
    u256 base_fee;
    struct candidate *heap;
    size_t n;
    struct entry *last; /* handed out, a reference is held; NULL: none */
};

static bool is_better(const struct candidate *a, const struct candidate *b)
{
    int c = u256_cmp(&a->tip, &b->tip);
    if (c != 0) return c > 0;
    return a->e->arrival < b->e->arrival;
}

static void sift_down(struct pool_best *b, size_t at)
{
    struct candidate c = b->heap[at];
    for (size_t child; (child = 2 * at + 1) < b->n; at = child) {
        if (child + 1 < b->n && is_better(&b->heap[child + 1], &b->heap[child])) child++;
        if (!is_better(&b->heap[child], &c)) break;
        b->heap[at] = b->heap[child];
    }
    b->heap[at] = c;
}

static void push(struct pool_best *b, struct entry *e)
{
    struct candidate c = {.e = e};
    if (!tx_effective_tip(&c.tip, &e->tx, &b->base_fee)) return; /* nor can what follows it */
    e->refs++;
    size_t at = b->n++;
    while (at > 0 && is_better(&c, &b->heap[(at - 1) / 2])) {
        b->heap[at] = b->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    b->heap[at] = c;
}

enum status pool_best_new(struct pool_best **out, struct pool *p, const u256 *base_fee)
{
    struct pool_best *b = calloc(1, sizeof *b);
    if (b == NULL) return E_NOMEM;
    b->pool = p;
    b->base_fee = *base_fee;
    pthread_mutex_lock(&p->lock);
    /* one candidate a sender: pushing one takes the place of one that was popped */
    b->heap = malloc((p->senders.n + 1) * sizeof *b->heap);
    for (size_t i = 0; b->heap != NULL && i < p->senders.n; i++) {
        const struct sender *s = p->heap[i];
        struct entry *e = s->n_pending > 0 ? pool_find_nonce(s, s->nonce) : NULL;
        struct candidate c = {.e = e};
        if (e == NULL || !tx_effective_tip(&c.tip, &e->tx, base_fee)) continue;
        e->refs++;
        b->heap[b->n++] = c;
    }
    pthread_mutex_unlock(&p->lock);
    if (b->heap == NULL) {
        free(b);
        return E_NOMEM;
    }
    for (size_t i = b->n / 2; i-- > 0;)
        sift_down(b, i);
    *out = b;
    return OK;
}

/* under the pool's lock: what stands at that nonce now becomes a candidate, if it is pending */
static void push_at(struct pool_best *b, const address *sender, uint64_t nonce)
{
    const struct sender *s = pool_find_sender(b->pool, sender);
    struct entry *e = s != NULL && nonce - s->nonce < s->n_pending ? pool_find_nonce(s, nonce) : NULL;
    if (e != NULL) push(b, e);
}

bool pool_best_next(struct pool_best *b, struct tx *tx)
{
    bool has = false;
    pthread_mutex_lock(&b->pool->lock);
    if (b->last != NULL) {
        push_at(b, &b->last->tx.sender, b->last->tx.nonce + 1);
        pool_unref(b->last);
        b->last = NULL;
    }
    while (b->n > 0 && !has) {
        struct entry *e = b->heap[0].e;
        b->heap[0] = b->heap[--b->n];
        if (b->n > 0) sift_down(b, 0);
        has = e->sender != NULL;
        if (has) {
            b->last = e;
        } else { /* replaced or removed meanwhile */
            push_at(b, &e->tx.sender, e->tx.nonce);
            pool_unref(e);
        }
    }
    if (has) *tx = b->last->tx;
    pthread_mutex_unlock(&b->pool->lock);
    return has;
}

void pool_best_skip(struct pool_best *b)
{
    if (b->last == NULL) return;
    pthread_mutex_lock(&b->pool->lock);
    pool_unref(b->last);
    b->last = NULL;
    pthread_mutex_unlock(&b->pool->lock);
}

void pool_best_free(struct pool_best *b)
{
    if (b == NULL) return;
    pool_best_skip(b);
    pthread_mutex_lock(&b->pool->lock);
    for (size_t i = 0; i < b->n; i++)
        pool_unref(b->heap[i].e);
    pthread_mutex_unlock(&b->pool->lock);
    free(b->heap);
    free(b);
}
