/* rpc_priv.h: what the files of node/rpc share: a call in progress, its parameters and answer, and a server thread's own things. */
#ifndef NODE_RPC_RPC_PRIV_H
#define NODE_RPC_RPC_PRIV_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/clock.h"
#include "lib/base/secret.h"
#include "lib/codec/hex.h"
#include "lib/codec/rlp.h"
#include "lib/net/http_server.h"
#include "node/rpc/json_out.h"
#include "node/rpc/request.h"
#include "node/rpc/rpc.h"
#include "node/rpc/rpc_json.h"

/* limits, and why */
enum {
    RPC_PARAMS_MAX = 8,
    RPC_BODY_MAX = 5 << 20,          /* as geth and Parity have it; a 128 KiB transaction is 256 KiB of hex */
    RPC_RESPONSE_MAX = 160 << 20,    /* one answer; a block of 50M gas in full is far below */
    RPC_BATCH_MAX = 1000,            /* calls in one request */
    RPC_BATCH_RESPONSE_MAX = 25 << 20, /* a batch that has answered that much gets errors for the rest */
    RPC_ARENA_MAX = 512 << 20,       /* decoded blocks and receipts of one call */
    RPC_LOGS_MAX = 20000,            /* logs in one answer */
    RPC_LOGS_BLOCKS_MAX = 1000000,   /* blocks that one eth_getLogs walks: only blooms are read of most */
    RPC_LOG_ADDRESSES_MAX = 1000, RPC_LOG_TOPICS_MAX = 1000,
    RPC_FILTERS_MAX = 1024,
    RPC_THREADS_MAX = 32, RPC_THREADS_DEFAULT_MAX = 4, /* of a port; by default as many as there are cores, up to that */
    RPC_NICE = 10,                   /* reads yield to sealing and import: a ninth of their weight. With 5 blocks are late under full load, 0 gives a fifth more reads */
    RPC_UNSENT_MAX = 256 << 20,      /* answers of one port that wait for their readers; one answer alone may be RPC_RESPONSE_MAX */
    RPC_IPC_CLIENTS_MAX = 64,
    RPC_FILTER_TTL_MS = 300 * 1000,  /* a filter that nobody polls goes */
    RPC_SUBSCRIPTIONS_MAX = 128,     /* of one connection */
    RPC_WATCHES_MAX = 64,            /* methods that a server thread asks again with every block */
    RPC_NEWS_MAX = 4096,             /* chain events kept for filters */
    RPC_PENDING_NEWS_MAX = 65536,    /* pending hashes kept for filters */
    RPC_FEE_HISTORY_MAX = 1024,
    RPC_PROOF_KEYS_MAX = 1024,
    RPC_POOL_ANSWER_MAX = 100000,
    RPC_CACHED_BLOCKS = 16,          /* decoded, of one server thread: explorers and wallets ask for the last blocks again and again */
    RPC_CACHE_MAX = 8 << 20,         /* their bytes, but for the one in use */
    RPC_READS_MAX = 4096,            /* that share a state */
    RPC_TRACE_BLOCKS_MAX = 1000,     /* blocks with transactions that one trace_filter runs again */
    RPC_TRACE_MAX = 10000,           /* entries of its answer, as Parity has it */
    RPC_TURN_MS = 10,                /* a server thread's for one document; then the lane goes on with it (lane.h), and others are served */
    RPC_NEWS_MS_MAX = 1000,          /* for what subscribers watch (rpc_parity_watch.c) after a block: nobody is served meanwhile */
    RPC_REQUEST_S_MAX = 20,          /* the lane's for one document */
    RPC_LANE_NICE = 12,              /* long reads yield to short ones, too */
    RPC_ZIP_HERE_MAX = 1 << 20,      /* a server thread compresses no more */
};

enum {
    RPC_PARSE = -32700, RPC_INVALID_REQUEST = -32600, RPC_NO_METHOD = -32601, RPC_BAD_PARAMS = -32602, RPC_INTERNAL = -32603,
    RPC_MOVE_ITSELF = -38022, RPC_MOVE_TWICE = -38023,
    RPC_SERVER = -32000, RPC_NO_WORK = -32004, RPC_LIMIT = -32005, RPC_REVERTED = 3
};

enum rpc_namespace { NS_WEB3, NS_NET, NS_ETH, NS_PARITY, NS_TXPOOL, NS_DEBUG, NS_TRACE, NS_ADMIN, NS_AURA, NS_RPC, NS_PARITY_SET, NS_N };

struct rpc_call;
/* a method: true: it wrote one JSON value to c->out; false: it called rpc_fail */
typedef bool (*rpc_fn)(struct rpc_call *c);

/* what a parameter may be: kinds.def */
enum rpc_kind {
#define X(kind, ...) KIND_##kind,
#include "node/rpc/kinds.def"
#undef X
};

struct rpc_method {
    const char *name;
    enum rpc_namespace ns;
    rpc_fn fn;
    const char *params; /* "name:kind name?:kind" */
};

struct rpc_refusal {
    const char *name, *reason;
};

/* rpc_entry: a method with what its parameters' text says */
struct rpc_entry {
    const struct rpc_method *m;
    uint8_t min, max, kinds[RPC_PARAMS_MAX];
};

struct rpc_table {
    struct rpc_entry *entries;
    size_t n;
    struct rpc_entry **slots; /* open addressing by the name's hash */
};

/* news: a block that joined or left the canonical chain */
struct rpc_news {
    hash32 hash;
    uint64_t number;
    bool removed;
};

struct rpc_filters;
struct rpc_subs;
struct watch;

/* cached_block: a decoded block, senders recovered; block_cache.c */
struct cached_block {
    struct block block;
    struct receipt *receipts; /* NULL: not loaded yet */
    size_t *first_log;        /* with receipts: logs before transaction i, n_txs + 1 of them */
    uint8_t *logs;            /* NULL: not made yet; each log as JSON and a comma */
    size_t *log_at;           /* with logs: where they begin, first_log[n_txs] + 1 of them */
    struct arena arena;       /* all of the above */
    uint64_t last_use;
    bool is_used, is_valid;
};

/* worker: one server thread and what is its own */
struct rpc_worker {
    struct rpc *rpc;
    struct http_server *server;
    atomic_uint_least64_t n_calls, n_errors;
    struct evm *evm;
    struct arena arena;
    struct buf out;
    struct request *requests; /* RPC_BATCH_MAX of them: those that are answered now */
    /* the snapshot of the request in progress, NULL: none was needed yet. The next requests that are at hand already have it too, unless something
     * was committed since: it never outlives a turn of the loop, so it holds back no pages. */
    struct kv_txn *txn;
    struct state *read_state; /* in that snapshot: what reads of read_number look into; NULL: none yet */
    uint64_t read_number;
    size_t n_reads; /* of read_state, which remembers every account that was read */
    bool stop_run; /* the EVM's watcher looks at it: tracers stop a run that answers more than it may */
    uint64_t due_ms, late_ms; /* of the monotonic clock: when the document in progress is to go to the lane, 0: never, and when it is given up */
    unsigned max_ms;
    bool is_due, is_late;     /* that was found out: the call in progress fails */

    pthread_mutex_t lock; /* guards the inbox, which other threads write */
    struct rpc_news *inbox;
    size_t n_inbox, cap_inbox;
    hash32 *pending_inbox;
    size_t n_pending_inbox;
    bool sync_news;
    atomic_size_t n_pending_listeners; /* subscriptions to pending transactions */

    struct rpc_subs *subs; /* list of connections with subscriptions */
    bool was_syncing, has_new_watch;
    size_t n_watches;
    uint64_t looked_ms; /* at what they watch */
    struct cached_block cache[RPC_CACHED_BLOCKS];
    uint64_t cache_clock;
};

struct rpc {
    struct rpc_config cfg;
    char *client_version, *node_name, *cors;
    char bound_to[64]; /* the address of both ports */
    struct chain *chain;
    const struct chain_spec *spec;
    struct rpc_pool pool;
    struct rpc_node node;
    uint32_t namespaces; /* bit mask */
    bool wants_token;
    secret32 token_key;
    struct rpc_worker *workers; /* n_threads of the HTTP port, n_threads of the WebSocket port, the Unix socket's; those without a server aren't used */
    size_t n_threads, n_workers;
    struct rpc_lane *lane;
    unsigned max_request_ms;
    atomic_bool is_stopping; /* long requests end */
    struct rpc_filters *filters;
    struct rpc_table table;
};

struct rpc_call {
    struct rpc *rpc;
    struct rpc_worker *w;
    struct ws_conn *ws; /* NULL over HTTP */
    const struct rpc_entry *method;
    struct buf *out;
    struct arena *a;
    json_t *params; /* array, or NULL */
    const bytes *args; /* or pieces of text; a tree of one is made when it is asked for (param), the call owns it */
    json_t *loaded[REQUEST_ARGS_MAX];
    size_t n_params;
    int error;
    char error_text[600];
    const bytes *error_data; /* hex in "data", or NULL */
};

/* ------------------------------------------------------------------ rpc.c */
PRINTF_LIKE(3, 4) bool rpc_fail(struct rpc_call *c, int code, const char *fmt, ...);
/** rpc_fail_status: -32603 with the status's text for our own trouble; E_CANCELLED, the EVM's watcher ended a run: as rpc_has_time */
bool rpc_fail_status(struct rpc_call *c, enum status s, const char *what);
/** rpc_txn: the request's snapshot; NULL after rpc_fail */
struct kv_txn *rpc_txn(struct rpc_call *c);
void rpc_txn_end(struct rpc_worker *w);
/** rpc_txn_refresh: before a request: a snapshot of something older than the newest commit goes */
void rpc_txn_refresh(struct rpc_worker *w);

/** rpc_begin: a piece of work: it leaves the server thread after turn_ms, 0: never, and is given up after max_ms */
void rpc_begin(struct rpc_worker *w, unsigned turn_ms, unsigned max_ms);
/** rpc_has_time: to be asked now and then by what may take long and only reads; false after rpc_fail: the time of a server thread or of all is over */
bool rpc_has_time(struct rpc_call *c);
bool rpc_is_out_of_time(struct rpc_worker *w);

/* rpc_progress: how far the answer to a document in w->out is */
struct rpc_progress {
    bool is_begun, is_whole; /* next has a meaning; only compression is left */
    size_t next;             /* call of a batch */
};
enum rpc_done { RPC_ANSWERED, RPC_NO_JSON, RPC_DUE };
/** rpc_answer: the answer to one document goes to w->out; empty: none is due. p is {0} at first.
 *  ret RPC_ANSWERED | RPC_NO_JSON: w->out says so | RPC_DUE: w->due_ms is over, *p says how far it is */
enum rpc_done rpc_answer(struct rpc_worker *w, struct ws_conn *ws, bytes document, struct rpc_progress *p);
/** rpc_serve: a server thread's way: RPC_DUE: the lane has it, and answers r or resumes ws */
enum rpc_done rpc_serve(struct rpc_worker *w, struct http_request *r, struct ws_conn *ws, bytes document);
/** rpc_respond: w->out to r. Any thread. */
void rpc_respond(struct rpc_worker *w, struct http_request *r);
MUST_CHECK enum status rpc_worker_init(struct rpc_worker *w, struct rpc *r, struct err *err);
void rpc_worker_fini(struct rpc_worker *w);

/** rpc_run: parameters of the call against its method, then the method.  ret false after rpc_fail */
bool rpc_run(struct rpc_call *c);

/* ------------------------------------------------------------------ table.c */
MUST_CHECK enum status rpc_table_new(struct rpc_table *t); /* rpc_table_fini also after a failure */
void rpc_table_fini(struct rpc_table *t);
/** rpc_table_find: NULL: there is none of that name. Whether its namespace is served is another question. */
const struct rpc_entry *rpc_table_find(const struct rpc_table *t, bytes name);
/** rpc_refusal_of: why there will never be a method of that name, and what instead; NULL: nobody knows it */
const char *rpc_refusal_of(bytes name);
const struct rpc_refusal *rpc_refusals(size_t *n);
const char *rpc_kind_name(enum rpc_kind kind);
const char *rpc_namespace_name(enum rpc_namespace ns);
struct rpc_param {
    bytes name;
    enum rpc_kind kind;
    bool is_optional;
};
/** rpc_next_param: the next of a method's params, which moves on */
bool rpc_next_param(struct rpc_param *out, const char **params);

/* ------------------------------------------------------------------ ipc.c */
/** ipc_stream: the handler of the Unix socket's bytes */
size_t ipc_stream(void *ctx, struct ws_conn *c, bytes data);
bool ipc_open(void *ctx, struct ws_conn *c);
/* json_split: how far the search for the end of a document is */
struct json_split {
    size_t at, depth; /* looked at so far; open brackets */
    bool in_string, is_escaped;
};
/** json_split_end: data begins with a document, of which more may have come since the last call.  ret its length, or 0: it goes on */
size_t json_split_end(struct json_split *s, bytes data);

/* ------------------------------------------------------------------ token.c */
/** token_key_read: 64 hex digits, 0x optional.  ret OK | E_INVALID, E_NOT_FOUND... */
MUST_CHECK enum status token_key_read(secret32 *key, const char *path, struct err *err);
/** token_is_good: "Bearer <JWT>" (RFC 7519, HS256) by that key, issued within a minute of now_s. header may be NULL. */
bool token_is_good(const char *header, const secret32 *key, uint64_t now_s);

/* ------------------------------------------------------------------ params.c: false after rpc_fail (-32602) */
/** param: NULL when absent or null */
json_t *param(struct rpc_call *c, size_t i);
bool param_hash(hash32 *out, struct rpc_call *c, size_t i);
bool param_address(address *out, struct rpc_call *c, size_t i);
bool param_u64(uint64_t *out, struct rpc_call *c, size_t i);
bool param_bool(bool *out, struct rpc_call *c, size_t i, bool def);
bool param_bytes(bytes *out, struct rpc_call *c, size_t i);
/** json_field: NULL when absent or null */
json_t *json_field(const json_t *o, const char *key);
/* of any value; name is for the error */
bool value_hash(hash32 *out, struct rpc_call *c, const json_t *v, const char *name);
bool value_address(address *out, struct rpc_call *c, const json_t *v, const char *name);
bool value_u64(uint64_t *out, struct rpc_call *c, const json_t *v, const char *name);
bool value_u256(u256 *out, struct rpc_call *c, const json_t *v, const char *name);
bool value_bytes(bytes *out, struct rpc_call *c, const json_t *v, const char *name);

struct block_ref {
    bool found, is_pending, is_canonical;
    uint64_t number;
    hash32 hash;
};
/** value_slot: a storage key; is_word: all 64 digits are given */
bool value_slot(u256 *out, bool *is_word, struct rpc_call *c, const json_t *v, const char *name);
/** value_block: tag, number, hash, or EIP-1898 object; NULL: latest. found is false when there is no such block. */
bool value_block(struct block_ref *out, struct rpc_call *c, const json_t *v, const char *name);
/** value_block_number: the same without hashes */
bool value_block_number(struct block_ref *out, struct rpc_call *c, const json_t *v, const char *name);
/** param_block: what methods.def says: a number, a hash, or either */
bool param_block(struct block_ref *out, struct rpc_call *c, size_t i);
/** param_state: state and header of a block parameter; fails when absent or pruned. *pending: on top of it. Free the state. */
bool param_state(struct state **state, struct header *h, bool *pending, struct rpc_call *c, size_t i);
/** param_read_state: the same to read from only; it is the request's and stays for the next call of its batch: don't free it. */
bool param_read_state(struct state **state, bool *pending, struct rpc_call *c, size_t i);

/* ------------------------------------------------------------------ block_cache.c */
void block_cache_fini(struct rpc_worker *w);
/** cached_block_get: valid until RPC_CACHED_BLOCKS others were asked for; NULL after rpc_fail */
struct cached_block *cached_block_get(struct rpc_call *c, const hash32 *hash);
bool cached_block_receipts(struct cached_block *e, struct rpc_call *c);
/** cached_block_logs: also as text; receipts first */
bool cached_block_logs(struct cached_block *e, struct rpc_call *c);
/** load_block: the block alone, valid as long */
bool load_block(struct block *out, struct rpc_call *c, const hash32 *hash);

/* ------------------------------------------------------------------ others */
size_t block_rlp_size(struct rpc_call *c, const hash32 *hash);
/** rpc_pool_content: everything in the pool; n 0 without a pool */
bool rpc_pool_content(struct rpc_pool_tx **out, size_t *n, struct rpc_call *c, const address *of);
bool next_block_base_fee(u256 *out, struct rpc_call *c);
bool rpc_is_precompile(struct rpc_call *c, const address *a, uint64_t number);

/* log filters: rpc_logs.c */
struct log_filter {
    address *addresses;
    size_t n_addresses;
    hash32 *topics[4];
    size_t n_topics[4]; /* 0: any */
    size_t n_positions;
};
/** log_filter_parse: the arrays are malloc'ed: log_filter_fini */
bool log_filter_parse(struct log_filter *out, struct rpc_call *c, const json_t *o);
void log_filter_fini(struct log_filter *f);
bool log_filter_matches(const struct log_filter *f, const struct log_entry *log);
bool log_filter_may_match(const struct log_filter *f, const bloom *b);
/** block_bloom: bloom and number out of a stored header, without decoding the rest */
MUST_CHECK enum status block_bloom(bloom *out, uint64_t *number, struct kv_txn *txn, const hash32 *hash);
struct block_logs {
    struct block block;
    struct receipt *receipts;
    size_t n;
};
MUST_CHECK enum status block_logs_load(struct block_logs *out, struct kv_txn *txn, const hash32 *hash, struct arena *a);
typedef void (*log_sink)(void *ctx, const struct log_entry *log, const struct log_place *place);
void block_logs_match(const struct block_logs *b, const struct log_filter *f, bool removed, log_sink sink, void *ctx);
struct log_writer {
    struct buf *out;
    size_t n;
    uint64_t from, to; /* blocks outside are passed over */
    bool is_cached;    /* by way of the block cache */
};
/** logs_of_block: append matching logs of one block to an open array; tmp is reset. */
bool logs_of_block(struct log_writer *w, struct rpc_call *c, const hash32 *hash, const struct log_filter *f, bool removed, struct arena *tmp);
/** logs_query: the whole answer of eth_getLogs for the filter object o; is_open: it may end behind the head */
bool logs_query(struct rpc_call *c, const struct log_filter *f, const json_t *o, bool is_open);

/* rpc_eth_filter.c: filters of all threads; events come from any thread */
MUST_CHECK enum status filters_new(struct rpc_filters **out);
void filters_free(struct rpc_filters *f); /* NULL allowed */
void filters_on_chain_event(struct rpc_filters *f, const struct chain_event *e);
void filters_on_pending(struct rpc_filters *f, const hash32 *hashes, size_t n);

/* rpc_eth_subscribe.c */
/** subs_split: where the connection of a Unix socket has it; NULL: no memory */
struct json_split *subs_split(struct rpc_worker *w, struct ws_conn *ws);
void subs_close(struct rpc_worker *w, struct ws_conn *ws);
void subs_on_block(struct rpc_worker *w, const struct rpc_news *n);
void subs_on_pending(struct rpc_worker *w, const hash32 *h, size_t n);
void subs_on_sync(struct rpc_worker *w);
/** subs_look: ask what is watched again; has_block: the chain went on */
void subs_look(struct rpc_worker *w, bool has_block);

/* rpc_parity_watch.c */
/** watch_new: of parameters 0 and 1.  ret false after rpc_fail */
bool watch_new(struct watch **out, struct rpc_call *c);
void watch_free(struct watch *w); /* NULL allowed */
/** watch_look: true: the answer is another than the last time; out has "result":... or "error":... */
bool watch_look(struct buf *out, struct rpc_worker *worker, struct watch *w);

#define X(name, ns, fn, params) bool fn(struct rpc_call *c);
#include "node/rpc/methods.def"
#undef X

#endif
