#include "node/rpc/lane.h"

#include <sys/resource.h>

struct job {
    struct job *next;
    struct http_request *r; /* its body is the text; NULL: of ws */
    struct ws_conn *ws;
    struct buf text, out;
    struct rpc_progress progress;
};

struct runner {
    struct rpc_lane *lane;
    pthread_t thread;
    struct rpc_worker worker;
};

struct rpc_lane {
    pthread_mutex_t lock; /* all below but the runners */
    pthread_cond_t more;
    struct job *head, *tail;
    bool is_stopping;
    size_t n_started, n_inits, n;
    struct runner runners[];
};

static void job_free(struct job *j)
{
    buf_fini(&j->text);
    buf_fini(&j->out);
    free(j);
}

/* ret NULL: the lane ends, and nothing is left */
static struct job *wait_for_job(struct rpc_lane *l)
{
    (void)pthread_mutex_lock(&l->lock);
    while (l->head == NULL && !l->is_stopping) (void)pthread_cond_wait(&l->more, &l->lock);
    struct job *j = l->head;
    if (j != NULL) {
        l->head = j->next;
        if (l->head == NULL) l->tail = NULL;
    }
    (void)pthread_mutex_unlock(&l->lock);
    return j;
}

static void run_job(struct rpc_worker *w, struct job *j)
{
    buf_fini(&w->out);
    w->out = j->out;
    buf_init(&j->out, 0);
    rpc_begin(w, 0, w->rpc->max_request_ms);
    (void)rpc_answer(w, NULL, j->r ? http_request_body(j->r) : buf_view(&j->text), &j->progress);
    if (j->r != NULL) rpc_respond(w, j->r);
    else ws_resume(j->ws, buf_view(&w->out));
    if (w->out.cap > RPC_BODY_MAX) buf_fini(&w->out);
    rpc_txn_end(w);
}

static void *run(void *arg)
{
    struct runner *me = arg;
    struct job *j;
    (void)setpriority(PRIO_PROCESS, 0, RPC_LANE_NICE); /* of this thread: Linux keeps one for each */
    while ((j = wait_for_job(me->lane)) != NULL) {
        run_job(&me->worker, j);
        job_free(j);
    }
    return NULL;
}

bool lane_take(struct rpc_lane *l, struct rpc_worker *w, struct http_request *r, struct ws_conn *ws, bytes text, const struct rpc_progress *p)
{
    struct job *j = calloc(1, sizeof *j);
    if (j == NULL) return false;
    buf_init(&j->text, text.len);
    if (r == NULL) buf_put_bytes(&j->text, text);
    (void)pthread_mutex_lock(&l->lock);
    const bool taken = !l->is_stopping && buf_status(&j->text) == OK;
    if (taken) {
        j->r = r;
        j->ws = ws;
        j->progress = *p;
        j->out = w->out;
        buf_init(&w->out, RPC_RESPONSE_MAX);
        if (ws != NULL) ws_hold(ws); /* before anyone can end that */
        if (l->tail != NULL) l->tail->next = j;
        else l->head = j;
        l->tail = j;
        (void)pthread_cond_signal(&l->more);
    }
    (void)pthread_mutex_unlock(&l->lock);
    if (!taken) job_free(j);
    return taken;
}

enum status lane_new(struct rpc_lane **out, struct rpc *r, size_t n, struct err *err)
{
    struct rpc_lane *l = calloc(1, sizeof *l + n * sizeof l->runners[0]);
    if (l == NULL) return err_set(err, E_NOMEM, "RPC: out of memory");
    enum status s = OK;
    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_cond_init(&l->more, NULL);
    l->n = n;
    for (; l->n_started < n && s == OK; l->n_started++) {
        struct runner *me = &l->runners[l->n_started];
        me->lane = l;
        s = rpc_worker_init(&me->worker, r, err);
        l->n_inits++;
        if (s == OK && pthread_create(&me->thread, NULL, run, me) != 0) s = err_set(err, E_NOMEM, "RPC: no thread");
        if (s != OK) break;
    }
    if (s != OK) {
        lane_stop(l);
        lane_free(l);
        return s;
    }
    *out = l;
    return OK;
}

void lane_stop(struct rpc_lane *l)
{
    if (l == NULL) return;
    (void)pthread_mutex_lock(&l->lock);
    l->is_stopping = true;
    (void)pthread_cond_broadcast(&l->more);
    (void)pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < l->n_started; i++) (void)pthread_join(l->runners[i].thread, NULL);
    l->n_started = 0;
}

void lane_free(struct rpc_lane *l)
{
    if (l == NULL) return;
    for (size_t i = 0; i < l->n_inits; i++) rpc_worker_fini(&l->runners[i].worker);
    (void)pthread_cond_destroy(&l->more);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

void lane_add_counts(uint64_t *calls, uint64_t *errors, const struct rpc_lane *l)
{
    for (size_t i = 0; i < l->n; i++) {
        *calls += atomic_load_explicit(&l->runners[i].worker.n_calls, memory_order_relaxed);
        *errors += atomic_load_explicit(&l->runners[i].worker.n_errors, memory_order_relaxed);
    }
}
