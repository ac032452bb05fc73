#include "node/sync/skew.h"

#include "lib/codec/rlp.h"

void skew_clock(struct skew *s, uint64_t wall_ms, uint64_t now_ms)
{
    if (s->has_clock) {
        const int64_t jump = (int64_t)(wall_ms - s->wall_ms) - (int64_t)(now_ms - s->now_ms);
        if (jump > SKEW_JUMP_MS || jump < -SKEW_JUMP_MS)
            for (size_t i = 0; i < s->n; i++)
                s->samples[i].ahead_ms += jump;
        else if (now_ms - s->now_ms < 1000) return; /* not told anew at every call, or a slow drift would pass between the calls unseen */
    }
    s->has_clock = true;
    s->wall_ms = wall_ms;
    s->now_ms = now_ms;
}

void skew_put_ping(struct buf *out, uint64_t wall_ms)
{
    const size_t l = rlp_list_open(out);
    rlp_put_u64(out, wall_ms);
    rlp_list_close(out, l);
}

void skew_put_pong(struct buf *out, bytes ping, uint64_t wall_ms)
{
    bytes list;
    uint64_t sent;
    const size_t l = rlp_list_open(out);
    if (rlp_get_list(&list, &ping) == OK && rlp_get_u64(&sent, &list) == OK) {
        rlp_put_u64(out, sent);
        rlp_put_u64(out, wall_ms);
    }
    rlp_list_close(out, l);
}

void skew_peer_gone(struct skew *s, uint64_t peer)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->samples[i].peer == peer) s->samples[i].is_gone = true;
}

/* room for one more: the oldest of those that are gone goes */
static bool make_room(struct skew *s)
{
    size_t oldest = SKEW_PEERS;
    if (s->n < SKEW_PEERS) return true;
    for (size_t i = 0; i < s->n; i++)
        if (s->samples[i].is_gone && (oldest == SKEW_PEERS || s->samples[i].at_ms < s->samples[oldest].at_ms)) oldest = i;
    if (oldest == SKEW_PEERS) return false;
    s->samples[oldest] = s->samples[--s->n];
    return true;
}

void skew_on_pong(struct skew *s, uint64_t peer, bytes pong, uint64_t wall_ms, uint64_t now_ms)
{
    bytes list;
    uint64_t sent, theirs;
    if (rlp_get_list(&list, &pong) != OK || rlp_get_u64(&sent, &list) != OK || rlp_get_u64(&theirs, &list) != OK) return;
    /* our own time comes back as we sent it; a jump of our clock in between makes nonsense of it */
    if (sent > wall_ms || wall_ms - sent > SKEW_FRESH_MS || theirs > INT64_MAX / 2 || wall_ms > INT64_MAX / 2) return;
    const struct skew_sample one = {.peer = peer, .at_ms = now_ms, .ahead_ms = (int64_t)(sent + (wall_ms - sent) / 2) - (int64_t)theirs,
                                    .error_ms = (wall_ms - sent) / 2 + 1};
    for (size_t i = 0; i < s->n; i++) {
        struct skew_sample *was = &s->samples[i];
        if (was->peer != peer || was->is_gone) continue;
        /* a fresh measurement over a slow path says less than an earlier one over a quick path: keep that a while */
        if (one.error_ms > 4 * was->error_ms && now_ms - was->at_ms < SKEW_FRESH_MS / 4) return;
        *was = one;
        return;
    }
    if (make_room(s)) s->samples[s->n++] = one;
}

static int by_ahead(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void skew_get(struct skew_state *out, struct skew *s, uint64_t limit_ms, uint64_t now_ms)
{
    int64_t all[SKEW_PEERS + 1] = {0}; /* ours stands first, with 0 */
    size_t n = 1, ahead = 0, behind = 0;
    bool has_live = false;
    for (size_t i = 0; i < s->n;) {
        const struct skew_sample *one = &s->samples[i];
        if (now_ms - one->at_ms > (one->is_gone ? SKEW_GONE_MS : SKEW_FRESH_MS)) {
            s->samples[i] = s->samples[--s->n];
            continue;
        }
        has_live |= !one->is_gone;
        i++;
    }
    for (size_t i = 0; i < s->n; i++) {
        const struct skew_sample *one = &s->samples[i];
        if (has_live && one->is_gone) continue;
        const int64_t doubt = (int64_t)(one->error_ms + limit_ms);
        ahead += one->ahead_ms > doubt;
        behind += one->ahead_ms < -doubt;
        all[n++] = one->ahead_ms;
    }
    qsort(all, n, sizeof *all, by_ahead);
    *out = (struct skew_state){.n_measured = n - 1, .n_apart = ahead > behind ? ahead : behind};
    /* the median; of an even number the one that is further from 0 */
    const int64_t low = all[(n - 1) / 2], high = all[n / 2];
    out->ahead_ms = high > -low ? high : low;
    out->is_off = out->n_apart > 0 && 2 * out->n_apart >= n;
}
