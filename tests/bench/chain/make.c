#include "tests/bench/chain/make.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/crypto/secp256k1.h"
#include "node/aura/aura.h"
#include "node/chain/chain.h"
#include "node/store/tables.h"

enum { SPEC_MAX = 64 << 20, BLOCK_MAX = 32 << 20, TXS_MAX = 4096, TX_GAS = 21000, BUDGET_MS = 60000, STEPS_BEFORE_NOW = 5 };
#define MAP_BYTES ((uint64_t)1 << 40)

struct maker {
    const struct make_config *cfg;
    struct chain_spec spec;
    struct kv *kv;
    struct chain *chain;
    address sealer;
    uint64_t nonce;
    unsigned given;
    struct arena arena; /* of one block's transactions */
};

static bool next(void *ctx, struct tx *out)
{
    struct maker *m = ctx;
    if (m->given == m->cfg->txs) return false;
    struct buf raw;
    struct tx tx = {.type = TX_LEGACY, .has_chain_id = true, .chain_id = m->spec.chain_id, .nonce = m->nonce, .gas_limit = TX_GAS, .value = U256_ONE, .has_to = true};
    be64_put(tx.to.b + 12, 0x1000000 + m->nonce % 5000); /* some accounts are met again */
    buf_init(&raw, 4096);
    const bool ok = tx_sign(&tx, &raw, &m->cfg->funded) == OK && tx_get(out, arena_copy(&m->arena, tx.raw), NULL) == OK && tx_recover(out, true) == OK;
    buf_fini(&raw);
    if (!ok) BUG("a transaction of our own");
    m->given++;
    m->nonce++;
    return true;
}

static void result(void *ctx, const struct tx *tx, enum tx_verdict v)
{
    (void)ctx;
    (void)tx;
    if (v != TX_VALID) BUG("a transfer that is refused");
}

static enum status sign(void *ctx, uint8_t sig65[static 65], const hash32 *hash, uint64_t step)
{
    struct maker *m = ctx;
    (void)step;
    return ec_sign(sig65, hash->b, &m->cfg->seal);
}

static enum status open_all(struct maker *m, struct err *err)
{
    char path[4096];
    struct buf text;
    buf_init(&text, SPEC_MAX);
    const struct chain_config cc = {.archive = false};
    enum status s = file_read(&text, m->cfg->spec_file, err);
    if (s == OK) s = chain_spec_parse(&m->spec, buf_view(&text), err);
    buf_fini(&text);
    (void)snprintf(path, sizeof path, "%s/db", m->cfg->base_path);
    if (s == OK) s = file_mkdirs(path, 0700, err);
    if (s == OK) s = tables_open(&m->kv, path, MAP_BYTES, KV_NOSYNC, err);
    if (s == OK) s = chain_open(&m->chain, m->kv, &m->spec, &cc, err);
    return s;
}

enum status make_chain(const struct make_config *c, struct err *err)
{
    static struct maker m;
    uint8_t pub[64];
    struct buf block;
    m = (struct maker){.cfg = c};
    arena_init(&m.arena, (size_t)256 << 20);
    buf_init(&block, BLOCK_MAX);
    enum status s = c->txs > TXS_MAX ? err_set(err, E_INVALID, "at most %d transfers a block", TXS_MAX) : ec_public(pub, &c->seal);
    if (s == OK) s = open_all(&m, err);
    if (s != OK) goto out;
    ec_address(m.sealer.b, pub);
    const uint64_t now = clock_wall_ms(), last = aura_step_at(&m.spec.aura, now) - STEPS_BEFORE_NOW;
    const struct proposal_source ps = {.ctx = &m, .next = next, .result = result, .sign = sign};
    for (uint64_t i = 0; s == OK && i < c->blocks; i++) {
        const uint64_t step = last - c->blocks + 1 + i;
        struct proposal_source src = ps;
        m.given = 0;
        buf_clear(&block);
        s = chain_propose(&block, m.chain, &m.sealer, step, aura_step_start_ms(&m.spec.aura, step), BUDGET_MS, &src, err);
        if (s != OK) err_prefix(err, "block %llu: %s", (unsigned long long)i + 1, status_name(s));
        arena_fini(&m.arena);
        arena_init(&m.arena, (size_t)256 << 20);
    }
out:
    chain_close(m.chain);
    if (m.kv != NULL) kv_close(m.kv);
    chain_spec_fini(&m.spec);
    arena_fini(&m.arena);
    buf_fini(&block);
    return s;
}
