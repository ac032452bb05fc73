/* Catching up, its last part: what has come is prepared and imported. */
#include "node/sync/sync_priv.h"

static void put_block(struct buf *b, const struct slot *sl)
{
    bytes body = {sl->body, sl->body_len}, payload = BYTES_LIT("\xc0\xc0");
    if (body.len > 0 && rlp_get_list(&payload, &body) != OK) BUG("a body that was checked");
    rlp_put_list_header(b, sl->header_len + payload.len);
    rlp_put_raw(b, bytes_make(sl->header, sl->header_len));
    rlp_put_raw(b, payload);
}

static void prepare(struct sync *s, struct slot *sl)
{
    struct buf b;
    buf_init(&b, sl->header_len + sl->body_len + 32);
    put_block(&b, sl);
    if (buf_status(&b) == OK) sl->prepared = s->ops.prepare(s->ops.chain, buf_view(&b));
    buf_fini(&b);
    if (sl->prepared == NULL) return;
    s->fetch.prepared_bytes += sl->header_len + sl->body_len;
    free(sl->header);
    free(sl->body);
    sl->header = sl->body = NULL;
}

void fetch_prepare(struct sync *s)
{
    struct fetch *f = &s->fetch;
    for (size_t i = 0; i < f->n && i < PREPARED && (i == 0 || f->prepared_bytes < PREPARED_BYTES); i++) {
        struct slot *sl = fetch_slot(f, i);
        if (sl->state == SLOT_READY && sl->prepared == NULL) prepare(s, sl);
    }
}

static void on_bad(struct sync *s, const struct slot *sl, enum block_verdict v, uint64_t now)
{
    struct peer *p = peer_find(s, sl->header_peer);
    if (verdict_is_nobodys(v)) {
        s->count.n_blocks_future += v == BLOCK_FUTURE;
        fetch_give_up(s, p, v == BLOCK_FUTURE ? 5000 : 60000, now);
        return;
    }
    s->count.n_blocks_bad++;
    if (verdict_is_of_body(v) && sl->body_len > 0) p = peer_find(s, sl->body_peer);
    else seen_add(&s->bad, s->key, &sl->hash);
    if (p != NULL) peer_drop(s, p, DISCONNECT_BREACH, block_verdict_text(v));
    fetch_give_up(s, NULL, 0, now);
}

/* the block in front is in the chain */
static void on_imported(struct sync *s, bool is_new, uint64_t now)
{
    struct fetch *f = &s->fetch;
    const struct slot *sl = fetch_slot(f, 0);
    const hash32 hash = sl->hash;
    struct peer *giver = peer_find(s, sl->header_peer);
    s->count.n_blocks_imported += is_new;
    f->imported += is_new;
    if (is_new && giver != NULL) giver->fruitless = 0;
    f->progress_at = now;
    fetch_pop(s);
    announce_forget(s, &hash);
    if (s->n_orphans > 0) gossip_connect_orphans(s, &hash, now);
}

/* blocks in front that are ready; a group of them only where there are many more to come, which can all be had again */
static size_t ready(void **list, struct fetch *f)
{
    size_t n = 0;
    for (; n < GROUP && n < f->n; n++) {
        const struct slot *sl = fetch_slot(f, n);
        if (sl->prepared == NULL || (n > 0 && f->base + n + ALONE > f->target_number)) break;
        list[n] = sl->prepared;
    }
    return n;
}

/* ret how many blocks are in the chain now; 0: nothing more to import for now */
static size_t import_some(struct sync *s, uint64_t now)
{
    struct fetch *f = &s->fetch;
    struct sync_import r = {.result = IMPORT_KNOWN};
    void *list[GROUP];
    const size_t n = ready(list, f);
    size_t n_done = 0;
    const enum status st = n == 0 ? E_NOMEM : s->ops.import_chain(s->ops.chain, &r, &n_done, list, n);
    if (st != OK) {
        s->import_blocked_until = now + 1000;
        return 0;
    }
    switch (r.result) {
    case IMPORT_HEAD:
    case IMPORT_SIDE:
    case IMPORT_KNOWN:
        /* what waited for one of them may be imported, and the whole fetch ended by it, in between */
        for (size_t i = 0; i < n_done && f->state == FETCH_CHAIN && f->n > 0; i++)
            on_imported(s, r.result != IMPORT_KNOWN, now);
        return n_done;
    case IMPORT_ORPHAN: fetch_give_up(s, peer_find(s, f->peer), 1000, now); return 0;
    case IMPORT_EARLY:
        s->count.n_blocks_early++;
        f->paused_until = now + (r.retry_in_ms < 60000 ? r.retry_in_ms : 60000) + 1;
        f->progress_at = f->paused_until;
        return 0;
    case IMPORT_BAD: {
        struct slot bad = *fetch_slot(f, 0); /* the reset frees its memory, the values are enough */
        on_bad(s, &bad, r.verdict, now);
        return 0;
    }
    }
    return 0;
}

void fetch_import(struct sync *s, uint64_t now)
{
    uint64_t gas = 0;
    for (unsigned i = 0; i < SINGLES && gas < SINGLES_GAS && fetch_wants_turn(s, now); i++) {
        gas += fetch_slot(&s->fetch, 0)->gas_used;
        if (import_some(s, now) != 1) return; /* a group has taken its time */
    }
}
