/* A network of several struct sync in one process: virtual time, a fake chain and a fake pool each, messages with a delay. */
#ifndef TESTS_NODE_SYNC_SIM_H
#define TESTS_NODE_SYNC_SIM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "node/sync/sync.h"

#include <cmocka.h>

__attribute__((weak)) const char *block_verdict_text(enum block_verdict v)
{
    (void)v;
    return "bad block";
}

enum { SIM_NODES = 24, SIM_BLOCKS = 6000, SIM_TXS = 4000, SIM_DELAY_MS = 4 };

struct sim_block {
    hash32 hash, parent;
    uint64_t number, timestamp;
    u256 td;
    uint8_t *raw, *header, *body;
    size_t raw_len, header_len, body_len;
};

struct sim_tx {
    hash32 hash;
    uint8_t *raw; /* network form */
    size_t len;
};

struct sim;
struct sim_node {
    struct sim *sim;
    size_t index;
    struct sync *sync;
    struct sim_block *blocks;
    size_t n_blocks;
    size_t *canon; /* number -> index */
    size_t head;
    uint64_t finalised;
    struct sim_tx *txs;
    size_t n_txs;
    uint64_t next_tick;
    bool linked[SIM_NODES];
    bool withholds_bodies; /* has none */
    bool silent;         /* takes messages, answers nothing */
    bool swaps_bodies;   /* answers with bodies of other blocks */
    uint64_t extra_ms;   /* what it sends takes that much longer */
    uint64_t bytes_ms, line_free; /* what its line takes in a millisecond; 0: anything. Free again from then on. */
    unsigned fail_imports; /* own trouble, that many times */
    size_t largest_group; /* given to import_chain */
    uint64_t group_from;  /* the head before the last one */
    unsigned n_prepared, n_forgotten;
    unsigned n_imports, n_dropped, n_new_block_sent, n_hash_sent, n_bodies_asked, n_tx_adds;
    char why[80];
};

struct sim_message {
    uint64_t at, order;
    size_t from, to;
    unsigned id;
    uint8_t *payload;
    size_t len;
};

struct sim {
    struct sim_node node[SIM_NODES];
    size_t n;
    uint64_t now, order;
    struct sim_message *queue;
    size_t n_queue, cap_queue;
    hash32 genesis;
    unsigned version;
};

/* ---------------------------------------------------------------- chain */

static struct sim_block *sim_find(struct sim_node *nd, const hash32 *h)
{
    for (size_t i = nd->n_blocks; i-- > 0;)
        if (hash_eq(&nd->blocks[i].hash, h)) return &nd->blocks[i];
    return NULL;
}

static struct sim_block *sim_head(struct sim_node *nd)
{
    return &nd->blocks[nd->head];
}

static uint8_t *sim_copy(bytes b)
{
    uint8_t *p = malloc(b.len + 1);
    if (p == NULL) abort();
    if (b.len > 0) memcpy(p, b.ptr, b.len);
    return p;
}

static void sim_store(struct sim_node *nd, bytes raw, const u256 *td)
{
    bytes in = raw, inner;
    struct rlp_item head;
    struct header h;
    if (nd->n_blocks == SIM_BLOCKS || rlp_get_list(&inner, &in) != OK) abort();
    bytes head_in = inner;
    if (rlp_get_item(&head, &inner) != OK || header_get(&h, &head_in, NULL) != OK) abort();
    struct sim_block b = {.parent = h.parent_hash, .number = h.number, .timestamp = h.timestamp, .td = *td};
    keccak256(b.hash.b, head.raw.ptr, head.raw.len);
    b.raw = sim_copy(raw);
    b.raw_len = raw.len;
    b.header = sim_copy(head.raw);
    b.header_len = head.raw.len;
    struct buf body;
    buf_init(&body, 16 << 20);
    rlp_put_list_header(&body, inner.len);
    rlp_put_raw(&body, inner);
    b.body = buf_take(&body, &b.body_len);
    nd->blocks[nd->n_blocks++] = b;
}

static void sim_set_head(struct sim_node *nd, size_t index)
{
    nd->head = index;
    struct sim_block *b = &nd->blocks[index];
    for (;;) {
        const size_t i = (size_t)(b - nd->blocks);
        if (b->number < SIM_BLOCKS && nd->canon[b->number] == i + 1) break;
        nd->canon[b->number] = i + 1;
        if (b->number == 0) break;
        b = sim_find(nd, &b->parent);
        if (b == NULL) abort();
    }
}

static void sim_get_head(void *ctx, struct sync_head *out)
{
    struct sim_node *nd = ctx;
    struct sim_block *b = sim_head(nd);
    *out = (struct sync_head){.number = b->number, .timestamp = b->timestamp, .finalised = nd->finalised, .hash = b->hash, .td = b->td};
}

static bool sim_has_block(void *ctx, const hash32 *h)
{
    return sim_find(ctx, h) != NULL;
}

static enum status sim_get_meta(void *ctx, uint64_t *number, u256 *td, const hash32 *h)
{
    struct sim_block *b = sim_find(ctx, h);
    if (b == NULL) return E_NOT_FOUND;
    *number = b->number;
    *td = b->td;
    return OK;
}

static enum status sim_get_canonical(void *ctx, hash32 *out, uint64_t number)
{
    struct sim_node *nd = ctx;
    if (number > sim_head(nd)->number) return E_NOT_FOUND;
    *out = nd->blocks[nd->canon[number] - 1].hash;
    return OK;
}

static enum status sim_put_header(void *ctx, struct buf *out, const hash32 *h)
{
    struct sim_block *b = sim_find(ctx, h);
    if (b == NULL) return E_NOT_FOUND;
    rlp_put_raw(out, bytes_make(b->header, b->header_len));
    return OK;
}

static enum status sim_put_body(void *ctx, struct buf *out, const hash32 *h)
{
    struct sim_node *nd = ctx;
    struct sim_block *b = sim_find(nd, h);
    nd->n_bodies_asked++;
    if (b == NULL || nd->withholds_bodies) return E_NOT_FOUND;
    if (nd->swaps_bodies && b->number + 1 < nd->n_blocks) b = &nd->blocks[b->number + 1];
    rlp_put_raw(out, bytes_make(b->body, b->body_len));
    return OK;
}

static enum status sim_put_receipts(void *ctx, struct buf *out, const hash32 *h)
{
    if (sim_find(ctx, h) == NULL) return E_NOT_FOUND;
    rlp_put_list_header(out, 0);
    return OK;
}

static enum status sim_tx_root(void *ctx, hash32 *out, bytes txs)
{
    (void)ctx;
    keccak256(out->b, txs.ptr, txs.len);
    return OK;
}

static enum status sim_import(void *ctx, struct sync_import *out, bytes raw)
{
    struct sim_node *nd = ctx;
    bytes in = raw, inner;
    struct rlp_item head;
    struct header h;
    hash32 hash;
    if (nd->fail_imports > 0) {
        nd->fail_imports--;
        return E_IO;
    }
    nd->n_imports++;
    if (rlp_get_list(&inner, &in) != OK) abort();
    bytes head_in = inner;
    if (rlp_get_item(&head, &inner) != OK || header_get(&h, &head_in, NULL) != OK) abort();
    keccak256(hash.b, head.raw.ptr, head.raw.len);
    if (sim_find(nd, &hash) != NULL) {
        out->result = IMPORT_KNOWN;
        return OK;
    }
    struct sim_block *parent = sim_find(nd, &h.parent_hash);
    if (parent == NULL) {
        out->result = IMPORT_ORPHAN;
        return OK;
    }
    if (h.extra.len >= 3 && memcmp(h.extra.ptr, "BAD", 3) == 0) {
        out->result = IMPORT_BAD;
        out->verdict = BLOCK_STATE_ROOT;
        return OK;
    }
    if (h.timestamp > nd->sim->now + 60000) {
        out->result = IMPORT_BAD;
        out->verdict = BLOCK_FUTURE;
        return OK;
    }
    if (h.timestamp > nd->sim->now) {
        out->result = IMPORT_EARLY;
        out->retry_in_ms = h.timestamp - nd->sim->now;
        return OK;
    }
    const u256 td = u256_add(parent->td, h.difficulty);
    sim_store(nd, raw, &td);
    out->result = IMPORT_SIDE;
    if (u256_lt(&sim_head(nd)->td, &td)) {
        sim_set_head(nd, nd->n_blocks - 1);
        out->result = IMPORT_HEAD;
    }
    return OK;
}

struct sim_prepared {
    bytes raw;
};

static void *sim_prepare(void *ctx, bytes raw)
{
    struct sim_node *nd = ctx;
    struct sim_prepared *p = malloc(sizeof *p);
    if (p == NULL) abort();
    p->raw = bytes_make(sim_copy(raw), raw.len);
    nd->n_prepared++;
    return p;
}

static void sim_forget(void *ctx, void *prepared)
{
    struct sim_node *nd = ctx;
    struct sim_prepared *p = prepared;
    free((void *)(uintptr_t)p->raw.ptr);
    free(p);
    nd->n_forgotten++;
}

/* as a chain does: the first of them that is no new head is imported by a call of its own */
static enum status sim_import_chain(void *ctx, struct sync_import *out, size_t *n_done, void *const *prepared, size_t n)
{
    struct sim_node *nd = ctx;
    *n_done = 0;
    if (n > nd->largest_group) nd->largest_group = n;
    nd->group_from = sim_head(nd)->number;
    for (size_t i = 0; i < n; i++) {
        const struct sim_prepared *p = prepared[i];
        struct sync_import r = {0};
        const struct sim_block *before = sim_head(nd);
        const unsigned failures = nd->fail_imports;
        const enum status s = sim_import(nd, &r, p->raw);
        if (s != OK && i > 0) nd->fail_imports = failures; /* not taken */
        if (s != OK) return i > 0 ? OK : s;
        if (i > 0 && r.result != IMPORT_HEAD) {
            nd->n_imports--;
            if (r.result == IMPORT_SIDE) abort();
            return OK;
        }
        *out = r;
        (*n_done)++;
        if (r.result != IMPORT_HEAD || sim_head(nd) == before) return OK;
    }
    return OK;
}

/* A block on top of parent; n_txs fake transactions; the tag makes it different from its brothers. Not stored. */
static void sim_make_block(struct buf *out, const struct sim_block *parent, uint64_t timestamp, unsigned n_txs, uint64_t difficulty,
                           const char *tag)
{
    struct header h = {.seal = SEAL_AURA, .step = timestamp + 1, .timestamp = timestamp, .gas_limit = 1000000};
    if (parent != NULL) {
        h.parent_hash = parent->hash;
        h.number = parent->number + 1;
    }
    h.extra = bytes_str(tag);
    h.difficulty = u256_from_u64(difficulty);
    h.uncles_hash = HASH_EMPTY_UNCLES;
    h.gas_used = n_txs * 21000;
    memset(h.signature, 7, sizeof h.signature);
    struct buf txs;
    buf_init(&txs, 1 << 20);
    for (unsigned i = 0; i < n_txs; i++) {
        const size_t l = rlp_list_open(&txs);
        rlp_put_u64(&txs, h.number);
        rlp_put_u64(&txs, i);
        rlp_put_string(&txs, bytes_str(tag));
        rlp_list_close(&txs, l);
    }
    if (n_txs == 0) h.tx_root = HASH_EMPTY_TRIE;
    else keccak256(h.tx_root.b, txs.ptr, txs.len);
    const size_t l = rlp_list_open(out);
    header_put(out, &h);
    rlp_put_list_header(out, txs.len);
    rlp_put_raw(out, buf_view(&txs));
    rlp_put_list_header(out, 0);
    rlp_list_close(out, l);
    buf_fini(&txs);
}

/* Own block on top of the head, stored; ret it. */
UNUSED static struct sim_block *sim_mine(struct sim_node *nd, unsigned n_txs, uint64_t difficulty, const char *tag)
{
    struct buf b;
    buf_init(&b, 4 << 20);
    sim_make_block(&b, sim_head(nd), 0, n_txs, difficulty, tag);
    const u256 td = u256_add(sim_head(nd)->td, u256_from_u64(difficulty));
    sim_store(nd, buf_view(&b), &td);
    buf_fini(&b);
    sim_set_head(nd, nd->n_blocks - 1);
    return sim_head(nd);
}

UNUSED static void sim_mine_many(struct sim_node *nd, unsigned n, unsigned n_txs, uint64_t difficulty, const char *tag)
{
    for (unsigned i = 0; i < n; i++)
        sim_mine(nd, n_txs == 0 ? 0 : i % (n_txs + 1), difficulty, tag);
}

UNUSED static void sim_copy_chain(struct sim_node *to, struct sim_node *from)
{
    for (uint64_t i = 1; i <= sim_head(from)->number; i++) {
        const struct sim_block *b = &from->blocks[from->canon[i] - 1];
        sim_store(to, bytes_make(b->raw, b->raw_len), &b->td);
    }
    sim_set_head(to, to->n_blocks - 1);
}

/* ---------------------------------------------------------------- pool */

static struct sim_tx *sim_find_tx(struct sim_node *nd, const hash32 *h)
{
    for (size_t i = 0; i < nd->n_txs; i++)
        if (hash_eq(&nd->txs[i].hash, h)) return &nd->txs[i];
    return NULL;
}

static bool sim_has_tx(void *ctx, const hash32 *h)
{
    return sim_find_tx(ctx, h) != NULL;
}

static enum sync_tx sim_add_tx(void *ctx, bytes canonical, const hash32 *h)
{
    struct sim_node *nd = ctx;
    nd->n_tx_adds++;
    if (sim_find_tx(nd, h) != NULL) return SYNC_TX_KNOWN;
    if (nd->n_txs == SIM_TXS) return SYNC_TX_REFUSED;
    struct buf b;
    buf_init(&b, 1 << 20);
    if (canonical.ptr[0] >= 0xc0) rlp_put_raw(&b, canonical);
    else rlp_put_string(&b, canonical);
    struct sim_tx *t = &nd->txs[nd->n_txs++];
    t->hash = *h;
    t->raw = buf_take(&b, &t->len);
    return SYNC_TX_ADDED;
}

static bool sim_put_tx(void *ctx, struct buf *out, const hash32 *h)
{
    struct sim_tx *t = sim_find_tx(ctx, h);
    if (t == NULL) return false;
    rlp_put_raw(out, bytes_make(t->raw, t->len));
    return true;
}

UNUSED static size_t sim_list_txs(void *ctx, hash32 *out, size_t max)
{
    struct sim_node *nd = ctx;
    size_t n = 0;
    for (; n < nd->n_txs && n < max; n++)
        out[n] = nd->txs[n].hash;
    return n;
}

/* A transaction of the node's own, of about len bytes; odd ones are typed. */
UNUSED static hash32 sim_new_tx(struct sim_node *nd, uint64_t nonce, size_t len)
{
    struct buf b;
    hash32 h;
    uint8_t *fill = calloc(1, len);
    if (fill == NULL) abort();
    buf_init(&b, 1 << 20);
    if (nonce % 2 == 1) buf_put_u8(&b, 2);
    const size_t l = rlp_list_open(&b);
    rlp_put_u64(&b, nonce);
    rlp_put_string(&b, bytes_make(fill, len));
    rlp_list_close(&b, l);
    free(fill);
    keccak256(h.b, b.ptr, b.len);
    if (sim_add_tx(nd, buf_view(&b), &h) != SYNC_TX_ADDED) abort();
    buf_fini(&b);
    sync_announce_tx(nd->sync, &h, nd->sim->now);
    nd->next_tick = 0;
    return h;
}

/* ---------------------------------------------------------------- network: peer id of node i is i + 1 */

static void sim_post(struct sim *sim, size_t from, size_t to, unsigned id, bytes payload)
{
    if (sim->n_queue == sim->cap_queue) {
        sim->cap_queue = sim->cap_queue == 0 ? 64 : sim->cap_queue * 2;
        sim->queue = realloc(sim->queue, sim->cap_queue * sizeof *sim->queue);
        if (sim->queue == NULL) abort();
    }
    struct sim_node *sender = &sim->node[from];
    if (sender->line_free < sim->now) sender->line_free = sim->now;
    if (sender->bytes_ms != 0) sender->line_free += payload.len / sender->bytes_ms;
    const uint64_t at = sender->line_free + SIM_DELAY_MS + sender->extra_ms;
    size_t i = sim->n_queue++;
    for (; i > 0 && sim->queue[i - 1].at > at; i--) /* in order of time */
        sim->queue[i] = sim->queue[i - 1];
    sim->queue[i] = (struct sim_message){.at = at, .order = sim->order++, .from = from, .to = to, .id = id, .payload = sim_copy(payload),
                                         .len = payload.len};
}

static void sim_send(void *ctx, uint64_t peer, unsigned message, bytes payload)
{
    struct sim_node *nd = ctx;
    if (message == ETH_NEW_BLOCK) nd->n_new_block_sent++;
    if (message == ETH_NEW_BLOCK_HASHES) nd->n_hash_sent++;
    if (nd->silent && message != ETH_STATUS) return;
    sim_post(nd->sim, nd->index, (size_t)peer - 1, message, payload);
}

static void sim_disconnect(void *ctx, uint64_t peer, enum disconnect_reason reason, const char *why)
{
    struct sim_node *nd = ctx;
    (void)reason;
    nd->n_dropped++;
    snprintf(nd->why, sizeof nd->why, "%s", why);
    nd->linked[peer - 1] = false;
}

static void sim_init(struct sim *sim, size_t n)
{
    memset(sim, 0, sizeof *sim);
    sim->n = n;
    sim->now = 1000;
    sim->version = 68;
    struct buf g;
    buf_init(&g, 4096);
    sim_make_block(&g, NULL, 0, 0, 1, "genesis");
    for (size_t i = 0; i < n; i++) {
        struct sim_node *nd = &sim->node[i];
        nd->sim = sim;
        nd->index = i;
        nd->blocks = calloc(SIM_BLOCKS, sizeof *nd->blocks);
        nd->canon = calloc(SIM_BLOCKS, sizeof *nd->canon);
        nd->txs = calloc(SIM_TXS, sizeof *nd->txs);
        if (nd->blocks == NULL || nd->canon == NULL || nd->txs == NULL) abort();
        const u256 one = u256_from_u64(1);
        sim_store(nd, buf_view(&g), &one);
        sim_set_head(nd, 0);
        sim->genesis = nd->blocks[0].hash;
        struct sync_config cfg = {.network_id = 7, .genesis = sim->genesis, .seed = 1000 + i};
        forkid_init(&cfg.forks, NULL, &sim->genesis, 0);
        const struct sync_ops ops = {.net = nd, .send = sim_send, .disconnect = sim_disconnect, .chain = nd, .get_head = sim_get_head,
            .has_block = sim_has_block, .get_meta = sim_get_meta, .get_canonical = sim_get_canonical, .put_header = sim_put_header,
            .put_body = sim_put_body, .put_receipts = sim_put_receipts, .tx_root = sim_tx_root, .import = sim_import,
            .prepare = sim_prepare, .forget = sim_forget, .import_chain = sim_import_chain, .pool = nd,
            .has_tx = sim_has_tx, .add_tx = sim_add_tx, .put_tx = sim_put_tx, .list_txs = sim_list_txs};
        if (sync_new(&nd->sync, &cfg, &ops) != OK) abort();
    }
    buf_fini(&g);
}

static void sim_fini(struct sim *sim)
{
    for (size_t i = 0; i < sim->n; i++) {
        struct sim_node *nd = &sim->node[i];
        sync_free(nd->sync);
        if (nd->n_prepared != nd->n_forgotten) abort();
        for (size_t k = 0; k < nd->n_blocks; k++) {
            free(nd->blocks[k].raw);
            free(nd->blocks[k].header);
            free(nd->blocks[k].body);
        }
        for (size_t k = 0; k < nd->n_txs; k++)
            free(nd->txs[k].raw);
        free(nd->blocks);
        free(nd->canon);
        free(nd->txs);
    }
    for (size_t i = 0; i < sim->n_queue; i++)
        free(sim->queue[i].payload);
    free(sim->queue);
}

UNUSED static void sim_link(struct sim *sim, size_t a, size_t b)
{
    sim->node[a].linked[b] = sim->node[b].linked[a] = true;
    if (sync_add_peer(sim->node[a].sync, b + 1, sim->version, sim->now) != OK) abort();
    if (sync_add_peer(sim->node[b].sync, a + 1, sim->version, sim->now) != OK) abort();
}

UNUSED static void sim_link_all(struct sim *sim)
{
    for (size_t a = 0; a < sim->n; a++)
        for (size_t b = a + 1; b < sim->n; b++)
            sim_link(sim, a, b);
}

UNUSED static void sim_deliver(struct sim *sim, struct sim_message *m)
{
    struct sim_node *to = &sim->node[m->to], *from = &sim->node[m->from];
    if (to->linked[m->from] && from->linked[m->to]) {
        sync_receive(to->sync, m->from + 1, m->id, bytes_make(m->payload, m->len), sim->now);
        if (!to->linked[m->from]) {
            sync_remove_peer(from->sync, m->to + 1, sim->now);
            from->linked[m->to] = false;
        }
        const uint64_t next = sim->now + sync_next_ms(to->sync, sim->now);
        if (next < to->next_tick) to->next_tick = next;
    }
    free(m->payload);
}

UNUSED static void sim_run(struct sim *sim, uint64_t ms)
{
    const uint64_t end = sim->now + ms;
    while (sim->now < end) {
        for (size_t i = 0; i < sim->n_queue;) {
            if (sim->queue[i].at > sim->now) { /* sent in order of time */
                break;
            }
            i++;
            if (i == sim->n_queue || sim->queue[i].at > sim->now) {
                struct sim_message *due = malloc(i * sizeof *due);
                if (due == NULL) abort();
                memcpy(due, sim->queue, i * sizeof *due);
                memmove(sim->queue, sim->queue + i, (sim->n_queue - i) * sizeof *due);
                sim->n_queue -= i;
                for (size_t k = 0; k < i; k++)
                    sim_deliver(sim, &due[k]);
                free(due);
                break;
            }
        }
        for (size_t i = 0; i < sim->n; i++) {
            struct sim_node *nd = &sim->node[i];
            if (sim->now < nd->next_tick) continue;
            nd->next_tick = sim->now + sync_tick(nd->sync, sim->now);
            for (size_t k = 0; k < sim->n; k++) /* a disconnect is seen by both */
                if (!nd->linked[k] && sim->node[k].linked[i]) {
                    sync_remove_peer(sim->node[k].sync, i + 1, sim->now);
                    sim->node[k].linked[i] = false;
                }
        }
        sim->now++;
    }
}

/* Put a message into a node as if peer `from` had sent it. */
UNUSED static void sim_inject(struct sim *sim, size_t from, size_t to, unsigned id, bytes payload)
{
    sync_receive(sim->node[to].sync, from + 1, id, payload, sim->now);
    sim->node[to].next_tick = 0;
}

/* --- what tests look for */

UNUSED static void assert_same_head(struct sim *sim, size_t a, size_t b)
{
    assert_int_equal(sim_head(&sim->node[a])->number, sim_head(&sim->node[b])->number);
    assert_true(hash_eq(&sim_head(&sim->node[a])->hash, &sim_head(&sim->node[b])->hash));
}

UNUSED static void sim_run_to_same_head(struct sim *sim, uint64_t ms, size_t a, size_t b)
{
    sim_run(sim, ms);
    assert_same_head(sim, a, b);
}

/* assert_let_go: node i has ended the connection to one, and kept the other */
UNUSED static void assert_let_go(const struct sim *sim, size_t i, size_t gone, size_t kept)
{
    assert_false(sim->node[i].linked[gone]);
    assert_true(sim->node[i].linked[kept]);
}

UNUSED static size_t n_linked(const struct sim *sim, size_t i)
{
    size_t n = 0;
    for (size_t k = 0; k < sim->n; k++)
        n += sim->node[i].linked[k];
    return n;
}

UNUSED static void sim_announce(struct sim *sim, size_t i, const struct sim_block *b)
{
    sync_announce_block(sim->node[i].sync, &b->hash, bytes_make(b->raw, b->raw_len), sim->now);
}

#endif
