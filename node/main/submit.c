/* submit.c: transactions on their way into the pool: decoded, their sender recovered, checked against the rules and the state of the head.
 *
 * One snapshot of the database, one state and one set of rules serve all transactions that come in under one head, whatever thread brings
 * them. It is let go as soon as the head moves: a snapshot that is held keeps the database from using its free pages again. */
#include "node/main/submit.h"

#include "lib/base/clock.h"
#include "node/chain/chain.h"
#include "node/main/node.h"

enum {
    STALE_TRIES = 8,
    CHECKS_MAX = 1 << 16, /* of one state: it remembers each account that it was asked for */
};

struct submit {
    pthread_mutex_t lock;
    struct kv_txn *txn; /* NULL: to be made; with it, what follows */
    struct state *state;
    struct exec_env env;
    struct arena arena; /* of the header */
    uint64_t version;   /* of the pool, read before the snapshot was made */
    size_t n_checks;
};

enum status submit_new(struct submit **out)
{
    struct submit *v = calloc(1, sizeof *v);
    if (v == NULL) return E_NOMEM;
    arena_init(&v->arena, 1 << 20);
    pthread_mutex_init(&v->lock, NULL);
    *out = v;
    return OK;
}

static void drop(struct submit *v)
{
    state_free(v->state);
    kv_abort(v->txn);
    arena_reset(&v->arena);
    v->state = NULL;
    v->txn = NULL;
}

void submit_on_head(struct submit *v)
{
    if (v == NULL) return;
    pthread_mutex_lock(&v->lock);
    drop(v);
    pthread_mutex_unlock(&v->lock);
}

void submit_free(struct submit *v)
{
    if (v == NULL) return;
    drop(v);
    arena_fini(&v->arena);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

/* under the lock: the view of the head as it stands */
static enum status refresh(struct submit *v, struct node *n)
{
    uint64_t version = pool_version(n->pool);
    if (v->txn != NULL && v->version == version && v->n_checks < CHECKS_MAX) return OK;
    drop(v);
    struct header h;
    uint64_t number, finalised;
    hash32 hash;
    enum status s = kv_begin(&v->txn, n->kv, false);
    if (s != OK) {
        v->txn = NULL;
        return s;
    }
    s = blocks_get_head(&number, &hash, &finalised, v->txn);
    if (s == OK) s = blocks_get_header(&h, v->txn, &hash, &v->arena);
    if (s == OK) s = state_open(&v->state, v->txn, STATE_LATEST);
    if (s != OK) {
        drop(v);
        return s;
    }
    chain_call_env(&v->env, n->chain, NULL, v->txn, &h, true); /* a check runs no code */
    v->version = version;
    v->n_checks = 0;
    return OK;
}

/* rules and state against a transaction, and what the pool wants to know of its sender */
static enum status check_tx(enum tx_verdict *v, struct pool_account *account, uint64_t *version, struct node *n, const struct tx *tx)
{
    struct submit *view = n->submit;
    pthread_mutex_lock(&view->lock);
    enum status s = refresh(view, n);
    if (s == OK) s = exec_tx_check(v, &view->env, view->state, tx);
    if (s == OK && (*v == TX_VALID || *v == TX_NONCE_TOO_HIGH)) s = chain_tx_permitted(v, n->chain, view->txn, view->state, tx);
    if (s == OK) {
        account->addr = tx->sender;
        s = state_get_nonce(view->state, &tx->sender, &account->nonce);
        if (s == OK) s = state_get_balance(view->state, &tx->sender, &account->balance);
    }
    *version = view->version;
    view->n_checks++;
    if (s != OK) drop(view);
    pthread_mutex_unlock(&view->lock);
    return s;
}

enum status node_submit(hash32 *hash, struct node *n, bytes raw, struct err *err)
{
    struct tx tx;
    enum status s = tx_get(&tx, raw, err);
    if (s != OK) return s;
    if (tx.type == TX_BLOB) return err_set(err, E_UNSUPPORTED, "%s", tx_verdict_text(TX_TYPE_NOT_SUPPORTED));
    if (pool_has(n->pool, &tx.hash)) {
        *hash = tx.hash;
        return err_set(err, E_EXISTS, "%s", pool_verdict_text(POOL_KNOWN));
    }
    if (tx_recover(&tx, true) != OK) return err_set(err, E_CRYPTO, "%s", tx_verdict_text(TX_BAD_SIGNATURE));
    for (int i = 0; i < STALE_TRIES; i++) {
        struct pool_account account;
        enum tx_verdict v;
        uint64_t version;
        s = check_tx(&v, &account, &version, n, &tx);
        if (s != OK) return err_set(err, s, "%s", status_text(s));
        /* a gap in nonces is the pool's affair: it waits there for what is missing */
        if (v == TX_GAS_LIMIT_REACHED) return err_set(err, E_INVALID, "%s", pool_verdict_text(POOL_GAS_LIMIT)); /* of a block with nothing in it yet */
        if (v != TX_VALID && v != TX_NONCE_TOO_HIGH) return err_set(err, E_INVALID, "%s", tx_verdict_text(v));
        enum pool_verdict p = pool_add(n->pool, &tx, &account, version, clock_mono_ms());
        if (p == POOL_STALE) continue;
        s = pool_verdict_status(p);
        *hash = tx.hash;
        return s == OK ? OK : err_set(err, s, "%s", pool_verdict_text(p));
    }
    return err_set(err, E_AGAIN, "%s", pool_verdict_text(POOL_STALE));
}
