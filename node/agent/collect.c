#include "node/agent/collect.h"

#include "lib/base/clock.h"
#include "lib/codec/hex.h"
#include "lib/codec/json.h"
#include "node/agent/node_rpc.h"
#include "node/agent/tail.h"

enum {
    FRAME_BYTES = 256 << 10, /* rows of one frame, about */
    BLOCKS_A_TURN = 64,
    RECENT = 64,             /* hashes kept to see a re-organisation, and where it began */
    HASH_DIGITS = 18,        /* of each so many characters, "0x" included */
    SEEN_MAX = 4096,         /* pending transactions that were taken in and are not mined yet */
    SEEN_DIGITS = 16,
    LOG_A_TURN = 1 << 20,
};

struct collector {
    const struct agent_config *cfg;
    struct spool *spool;
    struct node_rpc *rpc;
    struct tail *tail;
    struct record_source source;
    json_t *cursors; /* {"blocks": {"next", "tx", "part": hash, "recent": [hash, ...]}, "genesis": hash, "log": {...}, "seen": [...]} */
    json_t *rows;
    size_t rows_bytes;
    char filter[80];
    json_t *fresh; /* hashes that the filter gave, from the end; those before are to be asked for */
    bool knows_pending; /* what was pending at the start has been taken in */
    bool knows_chain;   /* the node's genesis is that of the cursors */
    uint64_t stats_ms, trouble_ms;
    bool had_trouble, is_paused, is_behind;
    struct agent_counts *counts;
};

/* ------------------------------------------------------------------- rows */

static enum status flush(struct collector *c, struct err *err)
{
    if (json_array_size(c->rows) == 0) return OK;
    if (c->tail != NULL) json_object_set_new(c->cursors, "log", tail_cursor(c->tail));
    enum status s = spool_append(c->spool, c->cursors, c->rows, err);
    if (s != OK) return s; /* rows and cursors stay as they are, for the next try */
    json_array_clear(c->rows);
    c->rows_bytes = 0;
    return OK;
}

static void add_row(struct collector *c, enum agent_table table, json_t *record_take)
{
    if (record_take == NULL) return;
    if (!c->cfg->tables[table]) {
        json_decref(record_take);
        return;
    }
    size_t n = json_dumpb(record_take, NULL, 0, JSON_COMPACT);
    json_array_append_new(c->rows, json_pack("[i, o]", (int)table, record_take));
    c->rows_bytes += n + 8;
}

static void trouble(struct collector *c, const char *what, const struct err *err)
{
    uint64_t now = clock_mono_ms();
    if (c->had_trouble && now - c->trouble_ms < 60000) return;
    log_warn("node", "%s: %s", what, err_text(err));
    c->had_trouble = true;
    c->trouble_ms = now;
}

/* a full spool pauses the reading, and says so */
static bool is_full(struct collector *c)
{
    const bool full = spool_is_full(c->spool);
    if (full && !c->is_paused) {
        log_warn("spool", "%llu KiB wait to be sent, or its disk is nearly full: reading pauses; blocks stay with the node, lines in its log files as long as those are kept, but transactions "
                 "that are mined meanwhile are not seen pending", (unsigned long long)(spool_waiting_bytes(c->spool) / 1024));
        atomic_fetch_add(&c->counts->pauses, 1);
    }
    if (!full && c->is_paused) log_info("spool", "there is room again: reading goes on");
    c->is_paused = full;
    atomic_store(&c->counts->is_paused, full);
    return full;
}

/* ------------------------------------------------------------------ blocks */

static json_t *blocks_cursor(struct collector *c)
{
    json_t *b = json_object_get(c->cursors, "blocks");
    if (b == NULL) {
        b = json_pack("{s:n, s:i, s:[]}", "next", "tx", 0, "recent");
        json_object_set_new(c->cursors, "blocks", b);
    }
    return b;
}

static json_t *quantity(uint64_t v)
{
    char t[19];
    hex_put_quantity(t, v);
    return json_string(t);
}

/* a is b, or what is kept of it */
static bool is_hash(const char *kept, const char *hash)
{
    return kept[0] != '\0' && strncmp(kept, hash, strlen(kept)) == 0;
}

/* mined: no longer pending */
static void forget_seen(struct collector *c, const char *hash)
{
    json_t *seen = json_object_get(c->cursors, "seen");
    size_t i;
    const json_t *v;
    json_array_foreach(seen, i, v)
    {
        if (strlen(hash) > 2 + SEEN_DIGITS && strncmp(json_string_value(v), hash + 2, SEEN_DIGITS) == 0) {
            json_array_remove(seen, i);
            return;
        }
    }
}

/* receipts of a block: in one answer, or one by one from nodes that don't have that method */
static enum status get_receipts(json_t **out, struct collector *c, const json_t *block, struct err *err)
{
    enum status s = node_rpc_call(out, c->rpc, "eth_getBlockReceipts", json_pack("[O]", json_object_get(block, "number")), err);
    if (s == OK && json_is_array(*out)) return OK;
    if (s == OK) json_decref(*out);
    if (s != OK && s != E_DENIED) return s;
    json_t *list = json_array();
    size_t i;
    const json_t *hash;
    s = OK;
    json_array_foreach(json_object_get(block, "transactions"), i, hash)
    {
        json_t *r = NULL;
        if (s == OK) s = node_rpc_call(&r, c->rpc, "eth_getTransactionReceipt", json_pack("[O]", hash), err);
        if (s == OK && !json_is_object(r)) s = err_set(err, E_AGAIN, "no receipt yet");
        if (s == OK) json_array_append_new(list, r);
        else json_decref(r);
        if (s != OK) break;
    }
    if (s == OK) *out = list;
    else json_decref(list);
    return s;
}

/* the node has another block there than was taken in: forget ours, so that the loop goes back to where they meet */
static void step_back(struct collector *c, json_t *cursor, uint64_t next)
{
    json_t *recent = json_object_get(cursor, "recent");
    size_t n = json_array_size(recent);
    log_info("blocks", "block %llu is of another branch", (unsigned long long)(next - 1));
    if (n > 0) json_array_remove(recent, n - 1);
    json_object_set_new(cursor, "next", json_integer((json_int_t)(next - 1)));
    json_object_set_new(cursor, "tx", json_integer(0));
    c->knows_chain = false;
}

static enum status take_block(struct collector *c, json_t *cursor, uint64_t next, struct err *err)
{
    json_t *block = NULL, *receipts = NULL, *recent = json_object_get(cursor, "recent");
    enum status s = node_rpc_call(&block, c->rpc, "eth_getBlockByNumber", json_pack("[o, b]", quantity(next), 0), err);
    if (s != OK) return s;
    size_t n = json_array_size(recent), n_txs = json_array_size(json_object_get(block, "transactions"));
    uint64_t tx = (uint64_t)json_integer_value(json_object_get(cursor, "tx"));
    const char *last = n > 0 ? json_string_value(json_array_get(recent, n - 1)) : NULL;
    if (!json_is_object(block)) {
        s = err_set(err, E_AGAIN, "block %llu is not there", (unsigned long long)next);
    } else if (next > 0 && last != NULL && !is_hash(last, json_text(block, "parentHash"))) {
        step_back(c, cursor, next);
        json_decref(block);
        return OK;
    }
    /* a part of another block of this height had been taken in: that one left the chain */
    if (s == OK && tx > 0 && !is_hash(json_text(cursor, "part"), json_text(block, "hash"))) tx = 0;
    if (s == OK && n_txs > 0) s = get_receipts(&receipts, c, block, err);
    /* between the two answers the block may have left the chain */
    if (s == OK && n_txs > 0 && strcmp(json_text(json_array_get(receipts, 0), "blockHash"), json_text(block, "hash")) != 0)
        s = err_set(err, E_AGAIN, "block %llu has just changed", (unsigned long long)next);
    if (s == OK && json_array_size(receipts) != (n_txs > 0 ? n_txs : 0)) s = err_set(err, E_AGAIN, "not all receipts of block %llu", (unsigned long long)next);
    c->source.now_ms = clock_wall_ms();
    if (s == OK && tx == 0) add_row(c, TABLE_MINED_BLOCK, record_block(&c->source, block));
    /* a large block goes in pieces: the cursor says how many of its transactions have been taken in */
    for (; s == OK && tx < n_txs; tx++) {
        const json_t *r = json_array_get(receipts, (size_t)tx);
        add_row(c, TABLE_MINED_TRANSACTION, record_mined(&c->source, r));
        forget_seen(c, json_text(r, "transactionHash"));
        if (c->rows_bytes < FRAME_BYTES || tx + 1 == n_txs) continue;
        json_object_set_new(cursor, "tx", json_integer((json_int_t)tx + 1));
        json_object_set(cursor, "part", json_object_get(block, "hash"));
        s = flush(c, err);
    }
    if (s == OK) {
        json_array_append_new(recent, json_sprintf("%.*s", HASH_DIGITS, json_text(block, "hash")));
        json_object_del(cursor, "part");
        atomic_fetch_add(&c->counts->blocks, 1);
        if (json_array_size(recent) > RECENT) json_array_remove(recent, 0);
        json_object_set_new(cursor, "next", json_integer((json_int_t)next + 1));
        json_object_set_new(cursor, "tx", json_integer(0));
        if (c->rows_bytes >= FRAME_BYTES) s = flush(c, err);
    }
    json_decref(block);
    json_decref(receipts);
    return s;
}

/* is the last block that was taken in still the chain's? Only asked when no newer one tells. */
static enum status check_last(struct collector *c, json_t *cursor, uint64_t next, struct err *err)
{
    json_t *block = NULL, *recent = json_object_get(cursor, "recent");
    size_t n = json_array_size(recent);
    if (n == 0 || next == 0) return OK;
    enum status s = node_rpc_call(&block, c->rpc, "eth_getBlockByNumber", json_pack("[o, b]", quantity(next - 1), 0), err);
    if (s == OK && json_is_object(block) && !is_hash(json_string_value(json_array_get(recent, n - 1)), json_text(block, "hash"))) step_back(c, cursor, next);
    json_decref(block);
    return s;
}

/* a network that was made anew begins at its own block 0; asked whenever the node comes again,
 * or does not go on from where it was */
static enum status check_chain(struct collector *c, struct err *err)
{
    json_t *block = NULL;
    if (c->knows_chain) return OK;
    enum status s = node_rpc_call(&block, c->rpc, "eth_getBlockByNumber", json_pack("[o, b]", quantity(0), 0), err);
    const char *is = json_text(block, "hash"), *was = json_text(c->cursors, "genesis");
    if (s == OK && is[0] == '\0') s = err_set(err, E_AGAIN, "the node has no block 0 yet");
    if (s == OK && was[0] != '\0' && strcmp(was, is) != 0) {
        log_warn("blocks", "the node's network is another one now (genesis %s, was %s): its blocks are sent from 0 on", is, was);
        json_object_set_new(c->cursors, "blocks", json_pack("{s:i, s:i, s:[]}", "next", 0, "tx", 0, "recent"));
        json_object_del(c->cursors, "seen");
    }
    if (s == OK) json_object_set(c->cursors, "genesis", json_object_get(block, "hash"));
    c->knows_chain = s == OK;
    json_decref(block);
    return s;
}

static enum status read_blocks(struct collector *c, bool *more, struct err *err)
{
    uint64_t head;
    enum status s = check_chain(c, err);
    if (s == OK) s = node_rpc_u64(&head, c->rpc, "eth_blockNumber", err);
    if (s != OK) return s;
    json_t *cursor = blocks_cursor(c);
    if (!json_is_integer(json_object_get(cursor, "next")))
        json_object_set_new(cursor, "next", json_integer((json_int_t)(c->cfg->from_latest ? head : c->cfg->from_block)));
    uint64_t next = (uint64_t)json_integer_value(json_object_get(cursor, "next"));
    /* a head that went back by one is a re-organisation too; one that is far behind is a node that fetches its chain anew */
    if (next > head && next - head <= RECENT) s = check_last(c, cursor, next, err);
    if (next > head + RECENT && !c->is_behind) log_info("blocks", "the node is at block %llu, and all before %llu have been read: until it has fetched them anew, there are none to send", (unsigned long long)head, (unsigned long long)next);
    c->is_behind = next > head + RECENT;
    if (next > head + 1) c->knows_chain = false;
    for (unsigned i = 0; s == OK && i < BLOCKS_A_TURN; i++) {
        next = (uint64_t)json_integer_value(json_object_get(cursor, "next"));
        if (next > head) return OK;
        if (is_full(c)) return OK;
        s = take_block(c, cursor, next, err);
    }
    *more = s == OK;
    return s;
}

/* ----------------------------------------------------------------- pending */

static bool is_seen(struct collector *c, const char *hash)
{
    size_t i;
    const json_t *v;
    json_array_foreach(json_object_get(c->cursors, "seen"), i, v)
    {
        if (strncmp(json_string_value(v), hash + 2, SEEN_DIGITS) == 0) return true;
    }
    return false;
}

static void note_seen(struct collector *c, const char *hash)
{
    json_t *seen = json_object_get(c->cursors, "seen");
    if (seen == NULL) {
        seen = json_array();
        json_object_set_new(c->cursors, "seen", seen);
    }
    json_array_append_new(seen, json_stringn(hash + 2, SEEN_DIGITS));
    if (json_array_size(seen) > SEEN_MAX) json_array_remove(seen, 0);
}

static enum status take_pending(struct collector *c, const json_t *tx, struct err *err)
{
    const char *hash = json_text(tx, "hash");
    if (strlen(hash) != 66 || is_seen(c, hash)) return OK;
    c->source.now_ms = clock_wall_ms();
    add_row(c, TABLE_PENDING_TRANSACTION, record_pending(&c->source, tx));
    note_seen(c, hash);
    return c->rows_bytes >= FRAME_BYTES ? flush(c, err) : OK;
}

/* what is pending when the agent comes: new since its last run, but for what that one saw */
static enum status take_all_pending(struct collector *c, struct err *err)
{
    json_t *list = NULL;
    size_t i;
    const json_t *tx;
    enum status s = node_rpc_call(&list, c->rpc, "parity_pendingTransactions", NULL, err);
    if (s == E_DENIED) return OK; /* another kind of node: its filter alone tells */
    if (s != OK) return s;
    json_array_foreach(list, i, tx)
    {
        if (s == OK) s = take_pending(c, tx, err);
    }
    json_decref(list);
    return s;
}

static enum status read_pending(struct collector *c, bool *more, struct err *err)
{
    json_t *v = NULL;
    if (!c->cfg->tables[TABLE_PENDING_TRANSACTION] || is_full(c)) return OK;
    if (c->filter[0] == '\0') {
        enum status s = node_rpc_call(&v, c->rpc, "eth_newPendingTransactionFilter", NULL, err);
        if (s == OK && json_is_string(v)) (void)snprintf(c->filter, sizeof c->filter, "%s", json_string_value(v));
        json_decref(v);
        c->knows_pending = false;
        if (s != OK) return s;
    }
    if (!c->knows_pending) {
        enum status s = take_all_pending(c, err);
        if (s != OK) return s;
        c->knows_pending = true;
    }
    if (json_array_size(c->fresh) == 0) {
        json_decref(c->fresh);
        c->fresh = NULL;
        enum status s = node_rpc_call(&c->fresh, c->rpc, "eth_getFilterChanges", json_pack("[s]", c->filter), err);
        if (s == E_DENIED) { /* the node was started again, or forgot it */
            c->filter[0] = '\0';
            *more = true;
            return OK;
        }
        if (s != OK) return s;
    }
    /* the filter gives each but once: one that can't be asked for now is asked for later */
    enum status s = OK;
    for (size_t n; s == OK && (n = json_array_size(c->fresh)) > 0;) {
        json_t *tx = NULL;
        s = node_rpc_call(&tx, c->rpc, "eth_getTransactionByHash", json_pack("[O]", json_array_get(c->fresh, n - 1)), err);
        if (s == OK && json_is_object(tx)) s = take_pending(c, tx, err);
        if (s == OK) json_array_remove(c->fresh, n - 1);
        json_decref(tx);
    }
    return s;
}

/* ------------------------------------------------------------ log and stats */

static void take_line(void *ctx, bytes line)
{
    struct collector *c = ctx;
    add_row(c, TABLE_PARITY_LOG, record_log(&c->source, line));
}

static enum status read_log(struct collector *c, bool *more, struct err *err)
{
    if (c->tail == NULL) return OK;
    for (size_t total = 0; total < LOG_A_TURN; total += FRAME_BYTES) {
        if (is_full(c)) return OK;
        c->source.now_ms = clock_wall_ms();
        const bool any = tail_read(c->tail, FRAME_BYTES, take_line, c);
        if (tail_take_lost(c->tail)) {
            log_warn("log", "%s was moved away more often than files are kept while nothing was read: lines between are lost", c->cfg->log_file);
            atomic_fetch_add(&c->counts->lost_logs, 1);
        }
        if (!any) return OK;
        if (c->rows_bytes < FRAME_BYTES) continue;
        enum status s = flush(c, err);
        if (s != OK) return s;
    }
    *more = true;
    return OK;
}

static enum status read_stats(struct collector *c, struct err *err)
{
    struct node_stats n = {.version = ""};
    json_t *block = NULL, *v = NULL, *pool = NULL;
    enum status s = node_rpc_call(&block, c->rpc, "eth_getBlockByNumber", json_pack("[s, b]", "latest", 0), err);
    if (s != OK) return s;
    uint64_t at = 0, now = clock_wall_ms();
    IGNORE(hex_get_quantity(&n.block, bytes_str(json_text(block, "number"))), "0 when it is none");
    IGNORE(hex_get_quantity(&at, bytes_str(json_text(block, "timestamp"))), "0 when it is none");
    n.head_age_s = now / 1000 > at ? now / 1000 - at : 0;
    IGNORE(node_rpc_u64(&n.peers, c->rpc, "net_peerCount", NULL), "not every node tells");
    if (node_rpc_call(&pool, c->rpc, "txpool_status", NULL, NULL) == OK) {
        IGNORE(hex_get_quantity(&n.pending, bytes_str(json_text(pool, "pending"))), "0 when it is none");
        IGNORE(hex_get_quantity(&n.queued, bytes_str(json_text(pool, "queued"))), "0 when it is none");
    }
    if (node_rpc_call(&v, c->rpc, "eth_syncing", NULL, NULL) == OK) n.syncing = json_is_object(v);
    json_decref(v);
    v = NULL;
    if (node_rpc_call(&v, c->rpc, "eth_mining", NULL, NULL) == OK) n.sealing = json_is_true(v);
    json_decref(v);
    v = NULL;
    if (node_rpc_call(&v, c->rpc, "web3_clientVersion", NULL, NULL) == OK && json_is_string(v)) n.version = json_string_value(v);
    c->source.now_ms = now;
    add_row(c, TABLE_NODE_STATS, record_stats(&c->source, &n));
    json_decref(v);
    json_decref(pool);
    json_decref(block);
    return OK;
}

/* -------------------------------------------------------------------- turn */

enum status collector_new(struct collector **out, const struct agent_config *cfg, struct spool *spool, struct agent_counts *counts, json_t *cursors_take, struct err *err)
{
    struct collector *c = calloc(1, sizeof *c);
    if (c == NULL) {
        json_decref(cursors_take);
        return err_set(err, E_NOMEM, "out of memory");
    }
    c->cfg = cfg;
    c->spool = spool;
    c->counts = counts;
    c->cursors = cursors_take;
    c->rows = json_array();
    c->source = (struct record_source){.provider = cfg->rpc, .host = cfg->name};
    enum status s = node_rpc_new(&c->rpc, cfg->rpc, err);
    if (s == OK && cfg->log_file != NULL && cfg->tables[TABLE_PARITY_LOG]) s = tail_new(&c->tail, cfg->log_file, json_object_get(c->cursors, "log"));
    if (s != OK) {
        collector_free(c);
        return s;
    }
    *out = c;
    return OK;
}

void collector_free(struct collector *c)
{
    if (c == NULL) return;
    node_rpc_free(c->rpc);
    tail_free(c->tail);
    json_decref(c->cursors);
    json_decref(c->rows);
    json_decref(c->fresh);
    free(c);
}

/* trouble of the spool's own ends the turn; the node's is told, and the rest goes on */
static bool is_ours(enum status s)
{
    return s == E_IO || s == E_NOSPACE || s == E_NOMEM || s == E_LIMIT;
}

enum status collector_turn(struct collector *c, uint64_t now_ms, struct err *err)
{
    bool more = false, answered = true;
    struct err why = {0};
    enum status s = flush(c, err); /* what the spool did not take last time */
    if (s == OK) s = read_log(c, &more, err);
    if (s != OK) return s;
    s = read_pending(c, &more, &why);
    if (s == OK) s = read_blocks(c, &more, &why);
    if (s == OK && c->cfg->stats_s > 0 && (c->stats_ms == 0 || now_ms - c->stats_ms >= c->cfg->stats_s * 1000) && !is_full(c)) {
        s = read_stats(c, &why);
        c->stats_ms = now_ms;
    }
    if (is_ours(s)) return err_set(err, s, "%s", err_text(&why));
    if (s != OK) {
        answered = c->knows_chain = false;
        if (s != E_AGAIN) trouble(c, "the node does not answer as it should", &why);
    } else if (c->had_trouble) {
        log_info("node", "it answers again");
        c->had_trouble = false;
    }
    atomic_store(&c->counts->node_up, answered);
    s = flush(c, err);
    if (s != OK) return s;
    return more && answered && !is_full(c) ? E_AGAIN : OK;
}
