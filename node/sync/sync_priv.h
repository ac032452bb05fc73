/* sync_priv.h: the state of a sync, shared by its sources. All bounds stand here. */
#ifndef NODE_SYNC_SYNC_PRIV_H
#define NODE_SYNC_SYNC_PRIV_H

#include "lib/base/rng.h"
#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "node/sync/sync.h"

enum {
    /* what we ask */
    HEADERS_ASK = 512,          /* per GetBlockHeaders of catching up; what others answer at least, if they have them */
    BODIES_ASK = 128,           /* per GetBlockBodies; fewer, so that all peers have their share, but no less than */
    BODIES_ASK_MIN = 16,
    POOLED_ASK = 256,           /* per GetPooledTransactions */
    ANCESTOR_ASK = 16,          /* headers near the top, before halving */
    SEGMENTS = 5,               /* of HEADERS_ASK headers, that several peers give at once, where an answer of one takes so long: */
    SEGMENTS_FROM_MS = 250,
    SEGMENT_BYTES = 2 << 20,    /* of one */
    SEGMENT_PATIENCE_MS = 5000, /* then another one who is idle is asked for it too */
    WINDOW = 3072,              /* headers held ahead of the next import */
    WINDOW_BODY_BYTES = 32 << 20,
    PREPARED = 192,             /* blocks in front that are prepared: three groups */
    PREPARED_BYTES = 4 << 20,   /* of their RLP; decoded they may be 16 times as large */
    GROUP = 64,                 /* blocks imported before the loop gets its turn; of those that come one by one, fewer: */
    SINGLES = 16,
    SINGLES_GAS = 20000000,
    ALONE = 8,                  /* blocks before the end of the chain that we know of that are imported one by one */
    /* what we answer */
    HEADERS_SERVE = 1024,
    BODIES_SERVE = 1024,
    RECEIPTS_SERVE = 1024,
    POOLED_SERVE = 4096,
    SERVE_BYTES = 2 << 20,      /* soft: an answer is closed once it is past this */
    SERVE_WALK = 8192,          /* steps by parent hash in one request */
    SERVE_RATE = 256,           /* requests per second and peer in the long run */
    SERVE_BURST = 1024,
    QUEUED_MAX = 8 << 20,       /* a peer with more unsent bytes gets no gossip of transactions, no answers */
    /* what we hold */
    MESSAGE_MAX = 16 << 20,
    KNOWN_BLOCKS = 512,         /* per peer, a generation; two generations are kept */
    KNOWN_TXS = 16384,
    BAD_BLOCKS = 512,
    ORPHANS = 64,
    ORPHAN_BYTES = 32 << 20,
    ORPHANS_A_PEER = 24,
    EARLY = 32,
    EARLY_BYTES = 16 << 20,
    EARLY_A_PEER = 8,
    EARLY_MAX_MS = 120000,
    ANNOUNCED = 256,
    ANNOUNCED_A_PEER = 64,
    ANNOUNCE_PEERS = 4,
    HASHES_A_MESSAGE = 512,     /* NewBlockHashes; more is a breach */
    TX_WANTS = 8192,
    TX_WANT_PEERS = 3,
    TX_HASHES_A_MESSAGE = 65536,/* NewPooledTransactionHashes; more is a breach; 4096 is the recommended bound */
    TX_OUT = 32768,             /* queued announcements of our own */
    TX_MESSAGE_BYTES = 256 << 10,
    TX_HASHES_SEND = 4096,
    TX_LIST_NEW_PEER = 4096,
    /* times */
    STATUS_TIMEOUT_MS = 10000,
    HEADERS_TIMEOUT_MS = 10000,
    BODIES_TIMEOUT_MS = 15000,
    POOLED_TIMEOUT_MS = 5000,
    PATIENCE_MIN_MS = 150,      /* what was asked of one peer that long ago is asked of an idle one too: four times as long as */
    PATIENCE_MAX_MS = 2500,     /* the quickest takes, within these */
    PATIENCE_FIRST_MS = 1000,   /* before anything of its chain has come */
    ANNOUNCE_WAIT_MS = 150,
    ANNOUNCE_GIVE_UP_MS = 20000,
    TX_WAIT_MS = 200,
    TX_FLUSH_MS = 10,
    TIMEOUTS_MAX = 4,           /* in a row */
    FAULTS_MAX = 50,
    FRUITLESS_MAX = 4,          /* promises of a chain that nothing came of, in a row */
    PROMISE_MS = 3000,          /* a first promise is believed that long, a chain that grows as long as this between blocks: */
    GROWTH_MS = 10000,
    FULL_GOSSIP_PEERS = 16,     /* consortium networks are small: whole blocks to all */
    FULL_TX_PEERS = 2,
    NEAR_BLOCKS = 256           /* gossip further away than this is left to catching up */
};

/* ---------------------------------------------------------------- bounded set of hashes: two generations of fingerprints */
struct seen {
    uint64_t *slot[2];
    uint32_t cap[2], n[2], max;
};
void seen_init(struct seen *s, uint32_t max);
void seen_fini(struct seen *s);
void seen_add(struct seen *s, uint64_t key, const hash32 *h);
bool seen_has(const struct seen *s, uint64_t key, const hash32 *h);

/* ---------------------------------------------------------------- requests: one of each kind may be under way with a peer */
enum request_kind { REQ_HEADERS, REQ_BODIES, REQ_POOLED, REQ_N };
enum purpose { FOR_NOTHING, FOR_HEAD, FOR_ANCESTOR, FOR_CHAIN, FOR_SKELETON, FOR_SEGMENT, FOR_ANNOUNCED };
struct request {
    bool active;
    enum purpose purpose;
    uint64_t id, asked_at, deadline;
    uint64_t from, amount; /* headers by number */
    hash32 hash;           /* headers by hash; an announced block */
    hash32 *hashes;        /* bodies, pooled: owned */
    uint64_t *numbers;     /* bodies of the chain: owned */
    size_t n;
};

struct peer {
    uint64_t id;
    unsigned version;
    bool ready, dead, fork_mismatch, unsynced; /* unsynced: announced something that we can't connect */
    bool lacks_bodies; /* of the chain that we fetch: it may be on another one */
    uint64_t added_ms, network_id;
    hash32 head;
    u256 td;
    bool has_number;
    uint64_t number;
    hash32 last; /* block that it sent last, and its number: its head may be of a branch that it has left since */
    uint64_t last_number;
    struct request req[REQ_N];
    uint64_t next_id;
    struct seen blocks, txs;
    unsigned timeouts, faults, fruitless, n_announced, n_orphans, n_early;
    uint64_t cooldown, bodies_cooldown, segments_cooldown; /* not asked for the chain before that time */
    uint64_t answer_ms; /* what an answer takes, of late; 0: not known */
    uint64_t tokens_milli, tokens_at;
    uint64_t faults_at;
};

/* ---------------------------------------------------------------- catching up */
enum slot_state { SLOT_NEED, SLOT_ASKED, SLOT_READY };
struct slot {
    hash32 hash;
    uint8_t *header, *body; /* owned RLP; NULL when it is prepared */
    size_t header_len, body_len;
    void *prepared;         /* by ops.prepare */
    uint64_t gas_used;
    uint64_t header_peer, body_peer, asked_at;
    enum slot_state state;
};
/* segment: HEADERS_ASK headers of the chain, from `from` on */
struct segment {
    uint64_t from;
    hash32 end;            /* of the last one */
    uint64_t peer, asked_at; /* who was asked last */
    uint8_t *raw;          /* owned; NULL until they have come */
    size_t len;
};
enum fetch_state { FETCH_IDLE, FETCH_HEAD, FETCH_ANCESTOR, FETCH_CHAIN };
struct fetch {
    enum fetch_state state;
    uint64_t peer; /* who gives the headers */
    hash32 target;
    uint64_t target_number;
    bool first_probe;
    uint64_t lo, hi;     /* ancestor: lo is common, hi is not */
    hash32 link;         /* parent hash that the next header must have */
    struct slot *slots;  /* ring of WINDOW */
    size_t first, n;     /* ring position and count */
    uint64_t base;       /* number of the first slot */
    bool headers_done;
    struct segment segments[SEGMENTS]; /* what follows the slots, if n_segments > 0: fetch_segments.c */
    size_t n_segments;
    bool no_segments;    /* not in this fetch */
    size_t body_bytes, prepared_bytes;
    uint64_t paused_until, progress_at, began;
    bool is_doubtful;    /* the peer promised before, and nothing came of it */
    uint64_t starting;
    uint64_t imported; /* blocks since it began with this peer */
};

struct held { /* a whole block that waits */
    uint8_t *raw;
    size_t len;
    hash32 hash, parent;
    uint64_t number, peer, due, since;
};

enum announced_state { ANN_WAIT, ANN_HEADER, ANN_GOT_HEADER, ANN_BODY };
struct announced {
    hash32 hash;
    uint64_t number, due, since;
    uint64_t peers[ANNOUNCE_PEERS];
    unsigned n_peers, next_peer;
    enum announced_state state;
    uint8_t *header;
    size_t header_len;
};

struct tx_want {
    bool used, asked;
    uint8_t n_peers;
    hash32 hash;
    uint64_t peers[TX_WANT_PEERS];
    uint64_t due;
};

struct sync {
    struct sync_config cfg;
    struct sync_ops ops;
    struct rng_seeded rng;
    uint64_t key;
    struct peer *peers[SYNC_PEERS_MAX];
    size_t n_peers;
    unsigned depth; /* inside a public call: dead peers are freed at its end */
    struct fetch fetch;
    struct seen bad;
    struct held orphans[ORPHANS], early[EARLY];
    size_t n_orphans, n_early, orphan_bytes, early_bytes;
    struct announced announced[ANNOUNCED];
    size_t n_announced;
    struct tx_want *wants; /* open addressing, 2 * TX_WANTS places; allocated on first use */
    size_t n_wants;
    uint64_t wants_due;
    hash32 *tx_out;
    size_t n_tx_out, cap_tx_out;
    uint64_t tx_out_due;
    uint64_t import_blocked_until; /* own trouble */
    uint64_t look_again; /* earliest time of the next look for a peer to catch up with */
    uint64_t now;        /* of the public call that runs */
    struct seen tx_seen; /* announced by us */
    struct sync_state count;
    struct skew skew;
};

/* ---------------------------------------------------------------- peer.c */
struct peer *peer_find(const struct sync *s, uint64_t id);
/** peer_drop: disconnect; the struct stays valid (dead) until the public call ends. */
void peer_drop(struct sync *s, struct peer *p, enum disconnect_reason reason, const char *why);
/** peer_fault: something wrong that may happen to honest peers; many of them end the connection. */
void peer_fault(struct sync *s, struct peer *p, const char *why, uint64_t now);
void peer_reap(struct sync *s);
void peer_free(struct peer *p);
bool peer_is_choked(const struct sync *s, const struct peer *p);
/** peer_take_token: may the peer have another answer now? */
bool peer_take_token(struct peer *p, uint64_t now);
void request_clear(struct request *r);
void peer_send(struct sync *s, struct peer *p, unsigned message, struct buf *b);
void peer_ask_headers(struct sync *s, struct peer *p, enum purpose why, const struct eth_get_headers *g, uint64_t now);
/** peer_ask_hashes: GetBlockBodies or GetPooledTransactions; takes hashes and numbers (malloc, may be NULL). */
void peer_ask_hashes(struct sync *s, struct peer *p, enum request_kind kind, enum purpose why, hash32 *hashes_take, uint64_t *numbers_take,
                     size_t n, uint64_t now);
/** peer_note_answer: what an answer takes. */
void peer_note_answer(struct peer *p, const struct request *r, uint64_t now);
/** peer_patience: that long, and another one may be asked for the same. */
uint64_t peer_patience(const struct sync *s);
/** peer_is_slow: next to the quickest. */
bool peer_is_slow(const struct sync *s, const struct peer *p);
void peer_check_timeouts(struct sync *s, struct peer *p, uint64_t now);

/* ---------------------------------------------------------------- fetch.c, fetch_import.c */
static inline struct slot *fetch_slot(struct fetch *f, size_t i)
{
    return &f->slots[(f->first + i) % WINDOW];
}
void fetch_pop(struct sync *s);
/** fetch_give_up: the one who gives the headers (or NULL) can't, or not now. */
void fetch_give_up(struct sync *s, struct peer *p, uint64_t cooldown_ms, uint64_t now);
/** fetch_prepare: what stands in front. */
void fetch_prepare(struct sync *s);
/** fetch_import: as many of them as a turn of the loop takes. */
void fetch_import(struct sync *s, uint64_t now);
void fetch_maybe_start(struct sync *s, uint64_t now);
void fetch_start_with(struct sync *s, struct peer *p, const hash32 *target, uint64_t number, uint64_t now);
void fetch_on_headers(struct sync *s, struct peer *p, const struct request *r, bytes list, uint64_t now);
void fetch_on_bodies(struct sync *s, struct peer *p, const struct request *r, bytes list, uint64_t now);
void fetch_on_timeout(struct sync *s, struct peer *p, const struct request *r, uint64_t now);
void fetch_on_peer_gone(struct sync *s, struct peer *p);
/** fetch_wants_turn: a block stands ready to be imported. */
bool fetch_wants_turn(const struct sync *s, uint64_t now);
/** fetch_run: ask for what is missing, import what is ready.  ret true: more could be imported at once */
bool fetch_run(struct sync *s, uint64_t now);
/** fetch_ask: the next questions for headers and bodies, while in FETCH_CHAIN. */
void fetch_ask(struct sync *s, uint64_t now);
void fetch_reset(struct sync *s);
/** fetch_take_headers: the next ones of the chain, for which p, whose chain it is, vouches. */
void fetch_take_headers(struct sync *s, struct peer *p, uint64_t from, uint64_t amount, bytes list, uint64_t now);

/* ---------------------------------------------------------------- fetch_segments.c */
/** segments_begin: ask for a skeleton.  ret false: headers are better asked for one answer after the other */
bool segments_begin(struct sync *s, struct peer *lead, uint64_t now);
/** segments_ask: whoever has time, for what is missing. */
void segments_ask(struct sync *s, uint64_t now);
void segments_on_skeleton(struct sync *s, struct peer *p, const struct request *r, bytes list, uint64_t now);
void segments_on_headers(struct sync *s, struct peer *p, const struct request *r, bytes list, uint64_t now);
void segments_reset(struct fetch *f);

/** body_identify: roots of a body (payload: txs, uncles(, withdrawals) one behind the other).  ret false: malformed */
struct body_id {
    hash32 tx_root, uncles_hash;
    bool has_tx_root, has_withdrawals;
};
bool body_identify(struct body_id *out, const struct sync *s, bytes payload);
bool body_is_of(const struct body_id *id, const struct header *h);
bool header_has_empty_body(const struct header *h);

/* ---------------------------------------------------------------- gossip.c: blocks */
void gossip_on_new_block(struct sync *s, struct peer *p, bytes payload, uint64_t now);
void gossip_propagate(struct sync *s, const hash32 *hash, uint64_t number, const u256 *td, bytes block, uint64_t now);
void gossip_hash_to_all(struct sync *s, const hash32 *hash, uint64_t number);
/** gossip_import: import a whole block that a peer (0: none) gave, and all that waited for it. */
void gossip_import(struct sync *s, uint64_t peer, bytes block, const hash32 *hash, const hash32 *parent, uint64_t number, uint64_t now);
void gossip_connect_orphans(struct sync *s, const hash32 *parent, uint64_t now);
void gossip_on_peer_gone(struct sync *s, struct peer *p);
void gossip_tick(struct sync *s, uint64_t now);
/** verdict_is_nobodys: a refusal that may come of our own clock or history. */
bool verdict_is_nobodys(enum block_verdict v);
/** verdict_is_of_body: the header may be good, with another body: its hash is not to be shunned. */
bool verdict_is_of_body(enum block_verdict v);

/* ---------------------------------------------------------------- announce.c: hashes of blocks; transactions */
void announce_on_hashes(struct sync *s, struct peer *p, bytes payload, uint64_t now);
void announce_on_header(struct sync *s, struct peer *p, const struct request *r, bytes list, uint64_t now);
void announce_on_body(struct sync *s, struct peer *p, const struct request *r, bytes list, uint64_t now);
void announce_on_timeout(struct sync *s, struct peer *p, const struct request *r, uint64_t now);
void announce_forget(struct sync *s, const hash32 *hash);
void announce_tick(struct sync *s, uint64_t now);
void announce_fini(struct sync *s);
void txs_on_list(struct sync *s, struct peer *p, bytes payload, uint64_t now);
void txs_on_hashes(struct sync *s, struct peer *p, bytes payload, uint64_t now);
void txs_on_pooled(struct sync *s, struct peer *p, bytes list, uint64_t now);
void txs_on_timeout(struct sync *s, struct peer *p, const struct request *r, uint64_t now);
void txs_to_new_peer(struct sync *s, struct peer *p);
void txs_tick(struct sync *s, uint64_t now);

/* ---------------------------------------------------------------- serve.c */
void serve(struct sync *s, struct peer *p, unsigned message, bytes payload, uint64_t now);

#endif
