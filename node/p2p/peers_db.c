#include "lib/codec/rlp.h"
#include "node/p2p/p2p_priv.h"
#include "node/store/tables.h"

enum { PEERS_KEPT = 256, PEERS_MAX_AGE_S = 30 * 86400 };

static enum status record_get(struct enode *e, uint64_t *seen_s, bytes value)
{
    bytes l, url;
    enum status s = rlp_get_list(&l, &value);
    if (s == OK) s = rlp_get_string(&url, &l);
    if (s == OK) s = rlp_get_u64(seen_s, &l);
    if (s == OK) s = enode_get(e, url, NULL);
    return s;
}

void peers_db_load(struct p2p *p)
{
    struct kv_txn *txn = NULL;
    struct kv_cursor *cur = NULL;
    bytes key, value;
    const uint64_t now_s = clock_wall_ms() / 1000;
    size_t n = 0;
    if (p->cfg.kv == NULL || kv_begin(&txn, p->cfg.kv, false) != OK) return;
    if (kv_cursor_open(&cur, txn, TABLE_PEERS) == OK) {
        for (enum status s = kv_cursor_seek(&key, &value, cur, BYTES_LIT("\0")); s == OK && n < PEERS_KEPT;
             s = kv_cursor_next(&key, &value, cur)) {
            struct enode e;
            uint64_t seen_s;
            if (record_get(&e, &seen_s, value) != OK || seen_s + PEERS_MAX_AGE_S < now_s) continue;
            n += target_add(p, &e, TARGET_FOUND) == OK;
        }
        kv_cursor_close(cur);
    }
    kv_abort(txn);
}

/* What stands is replaced by who is connected now, up to the limit; older ones stay while there is room. */
static enum status save(struct p2p *p, struct kv_txn *txn)
{
    uint8_t old[PEERS_KEPT * 2][64];
    size_t n_old = 0, n = 0;
    struct kv_cursor *cur = NULL;
    bytes key, value;
    const uint64_t now_s = clock_wall_ms() / 1000;
    enum status s = kv_cursor_open(&cur, txn, TABLE_PEERS);
    if (s != OK) return s;
    for (s = kv_cursor_seek(&key, &value, cur, BYTES_LIT("\0")); s == OK; s = kv_cursor_next(&key, &value, cur)) {
        struct enode e;
        uint64_t seen_s;
        n++;
        if (n_old == COUNT_OF(old) || key.len != 64) continue;
        if (n > PEERS_KEPT || record_get(&e, &seen_s, value) != OK || seen_s + PEERS_MAX_AGE_S < now_s)
            memcpy(old[n_old++], key.ptr, 64);
    }
    kv_cursor_close(cur);
    for (size_t i = 0; i < n_old; i++)
        if ((s = kv_delete(txn, TABLE_PEERS, bytes_make(old[i], 64))) != OK) return s;
    for (size_t i = 0; i < p->n_conns; i++) {
        const struct conn *c = p->conns[i];
        struct enode e = {0};
        char url[512];
        struct buf b;
        if (c->state != CONN_READY) continue;
        const struct target *t = target_find(p, c->pub);
        if (t != NULL) {
            e = t->enode;
        } else if (c->hello.port != 0) { /* it called us: its host, and the port that it says it listens on */
            memcpy(e.pub, c->pub, 64);
            snprintf(e.host, sizeof e.host, "%s", c->host);
            e.tcp_port = e.udp_port = c->hello.port;
        } else {
            continue;
        }
        buf_init(&b, 1024);
        const size_t url_len = enode_put(url, &e);
        const size_t l = rlp_list_open(&b);
        rlp_put_string(&b, bytes_make(url, url_len));
        rlp_put_u64(&b, now_s);
        rlp_put_u64(&b, t == NULL ? 0 : t->fails);
        rlp_list_close(&b, l);
        s = buf_status(&b) == OK ? kv_put(txn, TABLE_PEERS, bytes_make(c->pub, 64), buf_view(&b)) : OK;
        buf_fini(&b);
        if (s != OK) return s;
    }
    return OK;
}

void peers_db_save(struct p2p *p)
{
    struct kv_txn *txn = NULL;
    if (p->cfg.kv == NULL || !p->has_news || kv_begin(&txn, p->cfg.kv, true) != OK) return;
    p->has_news = false;
    if (save(p, txn) != OK) {
        kv_abort(txn);
        return;
    }
    IGNORE(kv_commit(txn), "found again by discovery if it is lost");
}
