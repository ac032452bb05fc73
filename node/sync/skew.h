/* skew.h: how far our wall clock is from those of our peers. AuRa's steps are wall time: a validator whose clock is wrong seals in steps of
 * others, and one that runs ahead signs steps that it must never sign again.
 *
 * The base protocol's Ping and Pong carry the clocks: Ping [t0], Pong [t0, t1], in milliseconds since the epoch. Lists there are empty by the
 * devp2p specification, which has receivers ignore more elements: clients without this answer [] and are simply not measured. From t0, the
 * peer's t1 and our t2 at the Pong's arrival, peer's clock - ours = t1 - (t0 + t2) / 2, wrong by at most (t2 - t0) / 2.
 *
 * Whose clock is wrong? That of the minority: ours counts as one that agrees with itself. With as many against us as for us the answer is
 * "ours may be": of two nodes apart, neither can tell.
 *
 * A jump of our own clock (seen against the monotonic one) shifts all measurements at once: it is noticed before the next Pong, and so is its
 * repair. A measurement counts for a minute. Those of peers that are gone count as long as there are no others, for ten minutes: a clock that
 * was wrong when the last peer left is wrong still. Pure: clocks are arguments; wall_ms and now_ms (monotonic). */
#ifndef NODE_SYNC_SKEW_H
#define NODE_SYNC_SKEW_H

#include "lib/base/buf.h"

enum { SKEW_PEERS = 256, SKEW_FRESH_MS = 60000, SKEW_GONE_MS = 600000, SKEW_JUMP_MS = 50 };

struct skew_sample {
    uint64_t peer, at_ms;
    int64_t ahead_ms; /* our clock minus the peer's */
    uint64_t error_ms;
    bool is_gone; /* its peer */
};

struct skew {
    struct skew_sample samples[SKEW_PEERS];
    size_t n;
    bool has_clock;
    uint64_t wall_ms, now_ms; /* both clocks when last told */
};

struct skew_state {
    size_t n_measured; /* peers */
    size_t n_apart;    /* on the side that more are on: by more than the limit, beyond doubt */
    int64_t ahead_ms;  /* the median of our clock minus theirs; 0 without peers */
    bool is_off;       /* at least half of all clocks, ours among them, are apart from ours by more than the limit */
};

/** skew_clock: tell both clocks, before any of the below and now and then: finds jumps. */
void skew_clock(struct skew *s, uint64_t wall_ms, uint64_t now_ms);
void skew_put_ping(struct buf *out, uint64_t wall_ms);
/** skew_put_pong: the answer to a Ping's payload; to one without a time: an empty list. */
void skew_put_pong(struct buf *out, bytes ping, uint64_t wall_ms);
/** skew_on_pong: ignored when it carries no times, or not such as we sent within the last minute. */
void skew_on_pong(struct skew *s, uint64_t peer, bytes pong, uint64_t wall_ms, uint64_t now_ms);
/** skew_peer_gone: ids are not used again. */
void skew_peer_gone(struct skew *s, uint64_t peer);
/** skew_get: limit_ms: for sealing, half a step */
void skew_get(struct skew_state *out, struct skew *s, uint64_t limit_ms, uint64_t now_ms);

#endif
