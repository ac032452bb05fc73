/* keeper.c: what the identity store keeps beside each identity (lib/eth/promise.h), as node/identity does it: no lost disk takes it. Now and then
 * the store does not answer: for a while, or once though it has done what it was asked. */
#include "node/store/tables.h"
#include "tests/sim/sim.h"

enum { LEASE_MS = 15000, MARGIN_MS = 1250, AWAY_MAX_STEPS = 30 };

static bool has_faults(const struct sim *sim)
{
    return !sim->is_calm && (sim->mix >> FAULT_STORE & 1) != 0;
}

void keeper_begin_faults(struct sim *sim)
{
    for (size_t i = 0; has_faults(sim) && i < sim->n; i++) {
        struct validator *v = &sim->node[i];
        if (rng_below(&sim->store_rng, 3) == 0) continue;
        const struct event e = {.kind = EV_STORE, .at = sim->now + rng_below(&sim->store_rng, AWAY_MAX_STEPS * sim->step_ms), .node = (uint8_t)i,
                                .gen = (uint32_t)++v->keeper.gen, .message = 1};
        sim_push(sim, &e);
    }
}

/* the lease was renewed until now, and the record with it */
static void renewed(struct validator *v)
{
    struct keeper *k = &v->keeper;
    k->lease_ms = v->sim->now + LEASE_MS;
    const uint64_t until = validator_wall(v) + LEASE_MS;
    if (k->is_recalled && k->has_reserve && until > k->record.until_ms) k->record.until_ms = until;
}

void keeper_toggle(struct validator *v, bool away)
{
    struct sim *sim = v->sim;
    struct keeper *k = &v->keeper;
    if (away && !k->is_away) {
        if (v->is_up) renewed(v);
        sim->stats->faults[FAULT_STORE]++;
    }
    if (!away && k->is_away && sim->now >= k->lease_ms) k->is_recalled = false; /* the identity was lost, and is taken anew */
    k->is_away = away;
    sim_log(sim, "%zu: its store %s", v->index, away ? "does not answer" : "answers");
    if (!has_faults(sim)) return;
    const struct event e = {.kind = EV_STORE, .at = sim->now + 1 + rng_below(&sim->store_rng, AWAY_MAX_STEPS * sim->step_ms), .node = (uint8_t)v->index,
                            .gen = (uint32_t)++k->gen, .message = !away};
    sim_push(sim, &e);
}

void keeper_heal(struct sim *sim)
{
    for (size_t i = 0; i < sim->n; i++) {
        sim->node[i].keeper.gen++;
        if (sim->node[i].keeper.is_away) keeper_toggle(&sim->node[i], false);
    }
}

void keeper_died(struct validator *v)
{
    if (!v->keeper.is_away) renewed(v);
    v->keeper.is_recalled = false;
}

bool keeper_may_seal(struct validator *v)
{
    struct keeper *k = &v->keeper;
    bool forgot = false;
    if (k->is_away && v->sim->now + MARGIN_MS >= k->lease_ms) k->is_recalled = false;
    if (k->is_recalled) return true;
    if (k->is_away || kv_fault_is_dead(v->kv)) return false;
    if (chain_recall(&forgot, v->chain, &v->self, k->has_record ? &k->record : NULL) != OK) return false;
    if (forgot) sim_log(v->sim, "%zu has forgotten: sealed in step %llu, until %llu, lock %llu", v->index, (unsigned long long)k->record.step,
                        (unsigned long long)aura_step_at(&v->sim->spec.aura, k->record.until_ms), (unsigned long long)k->record.lock_number);
    struct key_promise p;
    const enum status s = chain_promise(&p, v->chain, &v->self);
    if (s != OK && s != E_NOT_FOUND) return false;
    k->is_recalled = true;
    k->has_reserve = s == OK;
    if (s != OK) return true;
    k->record = p;
    k->has_record = true;
    renewed(v);
    return true;
}

enum status keeper_keep(struct validator *v, const struct key_promise *p, uint64_t step)
{
    struct keeper *k = &v->keeper;
    struct sim *sim = v->sim;
    const bool lost = has_faults(sim) && rng_below(&sim->store_rng, 50) == 0;
    if (kv_fault_is_dead(v->kv)) return E_DENIED;
    if (!k->is_away) renewed(v);
    const uint64_t until_ms = k->has_reserve ? k->record.until_ms : 0;
    if (!k->is_away) {
        k->record = *p;
        k->record.until_ms = validator_wall(v) + LEASE_MS;
        k->has_record = k->has_reserve = true;
        v->forgot = false;
        if (!lost) return OK;
    }
    if (sim->now + MARGIN_MS >= k->lease_ms || step > aura_step_at(&sim->spec.aura, until_ms)) return E_DENIED;
    sim->stats->faults[FAULT_FREE]++;
    return E_AGAIN;
}

/* ------------------------------------------------------------------ a person */

static bool has_block(struct validator *v, const hash32 *hash, uint64_t number, uint64_t step, const address *by)
{
    struct kv_txn *txn;
    struct block_meta meta;
    struct header h;
    hash32 at;
    struct arena a;
    bool yes = false;
    if (kv_begin(&txn, v->disk, false) != OK) return false;
    arena_init(&a, 1 << 20);
    if (!hash_is_zero(hash)) yes = blocks_get_meta(&meta, txn, hash) == OK;
    else if (blocks_get_canonical_hash(&at, txn, number) == OK && blocks_get_header(&h, txn, &at, &a) == OK)
        yes = h.step == step && address_eq(&h.author, by);
    arena_fini(&a);
    kv_abort(txn);
    return yes;
}

/* What a key has promised and no disk has any more never comes back: its node waits, and says so, until a person decides: as the node's own line
 * says, beside the identity. What was final there alone is lost with the disks that had it. */
void keeper_give_up(struct sim *sim, uint64_t n)
{
    for (size_t i = 0; i < sim->n; i++) {
        struct validator *v = &sim->node[i];
        const struct key_promise *p = &v->keeper.record;
        bool somewhere = !v->keeper.has_record || p->lock_step == 0 || v->is_gone || !v->forgot;
        for (size_t k = 0; !somewhere && k < sim->n; k++)
            somewhere = !sim->node[k].is_gone && has_block(&sim->node[k], &p->lock_hash, p->lock_number, p->lock_step, &v->self);
        if (somewhere) continue;
        sim_log(sim, "%zu: block %llu is on no disk: given up", i, (unsigned long long)p->lock_number);
        sim->stats->faults[FAULT_GIVEN_UP]++;
        validator_die(v);
        v->keeper.has_record = v->forgot = false;
        uint64_t most = 0;
        for (size_t k = 0; k < sim->n; k++)
            if (!sim->node[k].is_gone && sim->node[k].seen_final > most) most = sim->node[k].seen_final;
        for (uint64_t k = most + 1; k < sim->cap_final; k++)
            sim->final[k] = (hash32){{0}};
        validator_boot(v);
        /* of its past nothing is known then: it watches for two rounds, and recovery is counted from there on */
        sim->healed_at = sim->now + (2 * n + 1) * sim->step_ms;
    }
}
