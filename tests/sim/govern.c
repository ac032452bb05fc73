/* govern.c: the network's spec, and the admins' transactions to the real contract at random moments. */
#include "lib/crypto/secp256k1.h"
#include "node/state/state.h"
#include "tests/sim/sim.h"

enum { SPEC_BYTES = 4 << 20, TX_GAS = 3000000, CAPACITY = 16 /* of small networks: the seeds that are kept stand on it */ };

static void make_key(secret32 *key, address *self, uint8_t tag)
{
    uint8_t pub[64];
    for (size_t i = 0; i < sizeof key->b; i++)
        key->b[i] = (uint8_t)(i * 11 + tag);
    if (ec_public(pub, key) != OK) BUG("key");
    ec_address(self->b, pub);
}

/* sizes by the seed, the spec as `poa-deploy new` writes it */
void govern_init(struct sim *sim)
{
    struct err err = {0};
    struct settings settings;
    struct buf text;
    const size_t f = sim->opt.byzantine;
    sim->n = sim->opt.nodes != 0 ? sim->opt.nodes : 3 * f + 1 + (size_t)sim_pick(sim, f == 0 ? 2 : 0, f == 0 ? 6 : 3);
    if (sim->n > NODES_MAX) sim->n = NODES_MAX;
    sim->n_core = f > 0 ? 3 * f + 1 : (size_t)sim_pick(sim, 1, sim->n);
    if (sim->opt.recover) sim->n_core = sim->n;
    for (size_t i = 0; i < sim->n; i++)
        validator_init(&sim->node[i], sim, i);
    for (size_t i = 0; i < f; i++)
        sim->node[sim->n_core - 1 - i].is_byzantine = true;
    sim->n_admins = ADMINS_MAX;
    for (size_t i = 0; i < ADMINS_MAX; i++)
        make_key(&sim->admin[i].key, &sim->admin[i].self, (uint8_t)(100 + i));
    address first[NODES_MAX];
    const size_t n_first = (size_t)sim_pick(sim, sim->n_core, sim->n);
    for (size_t i = 0; i < n_first; i++)
        first[i] = sim->node[i].self;

    char step[8];
    snprintf(step, sizeof step, "%u", (unsigned)sim_pick(sim, 2, 5));
    settings_init(&settings);
    if (!settings_take_flag(&settings, "--step", step)) BUG("settings");
    const struct spec_plan plan = {.settings = &settings, .artifact = sim->opt.artifact, .admin = sim->admin[0].self, .validators = first,
                                   .n_validators = n_first, .capacity = sim->n > CAPACITY ? sim->n : CAPACITY};
    buf_init(&text, SPEC_BYTES);
    enum status s = spec_json_make(&text, &plan, &err);
    if (s == OK) s = chain_spec_parse(&sim->spec, buf_view(&text), &err);
    if (s != OK) {
        fprintf(stderr, "poa-sim: %s\n", err_text(&err));
        BUG("the network's specification");
    }
    if (f > 0) sim->spec.aura.two_thirds_majority_transition = 0;
    if (sim->opt.empty_steps > 0) {
        sim->spec.aura.empty_steps_transition = 1;
        sim->spec.aura.maximum_empty_steps = sim->opt.empty_steps;
    }
    sim->contract = sim->spec.aura.validators.contract;
    buf_fini(&text);
    settings_fini(&settings);
    sim_log(sim, "%zu nodes, the first %zu stay, %zu validators at first, steps of %s s", sim->n, sim->n_core, n_first, step);
}

static enum status state_nonce(uint64_t *out, struct validator *v, const address *who)
{
    struct kv_txn *txn = NULL;
    struct state *state = NULL;
    enum status s = kv_begin(&txn, v->kv, false);
    if (s == OK) s = state_open(&state, txn, STATE_LATEST);
    if (s == OK) s = state_get_nonce(state, who, out);
    state_free(state);
    kv_abort(txn);
    return s;
}

static void send_tx(struct sim *sim, struct validator *v, const struct admin *from, const address *to, bytes data, const char *what)
{
    uint64_t nonce;
    struct buf raw;
    if (state_nonce(&nonce, v, &from->self) != OK) return;
    struct tx tx = {.type = TX_LEGACY, .has_chain_id = true, .chain_id = sim->spec.chain_id, .has_to = true, .to = *to, .gas_limit = TX_GAS,
                    .nonce = pool_next_nonce(v->pool, &from->self, nonce), .data = data};
    buf_init(&raw, 1 << 16);
    if (tx_sign(&tx, &raw, &from->key) != OK) BUG("tx_sign");
    const bool taken = validator_submit(v, buf_view(&raw));
    sim_log(sim, "%zu gets %s nonce %llu%s", v->index, what, (unsigned long long)tx.nonce, taken ? "" : ": refused");
    buf_fini(&raw);
}

void govern_send_call(struct sim *sim, struct validator *v, const struct admin *from, bytes data, const char *what)
{
    sim->stats->faults[FAULT_GOVERN]++;
    send_tx(sim, v, from, &sim->contract, data, what);
}

static const address *some_spare(struct sim *sim)
{
    return &sim->node[sim_pick(sim, sim->n_core, sim->n - 1)].self;
}

static void put_list(struct abi_writer *w, const address *one)
{
    abi_put_addresses(w, one->b, 1);
}

/* what an admin does; false: nothing to do here. The first admin, who answers for the core, is never voted out. */
static const char *put_call(struct buf *in, struct sim *sim)
{
    static const char *const set_calls[] = {"addValidators(address[])", "removeValidators(address[])", "replaceValidators(address[],address[])"};
    static const char *const votes[] = {"voteFor(address)", "voteAgainst(address)", "rescindVoteFor(address)", "rescindVoteAgainst(address)"};
    static const char *const plain[] = {"reemitChange()", "startNextChange()", "announceValidators()"};
    const uint64_t dice = rng_below(&sim->rng, 100);
    struct abi_writer w;
    const char *call;
    if (dice < 55) {
        if (sim->n_core == sim->n) return NULL;
        const unsigned k = dice < 25 ? 0 : dice < 45 ? 1 : 2;
        call = set_calls[k];
        w = abi_call_begin(in, call);
        put_list(&w, some_spare(sim));
        if (k == 2) put_list(&w, some_spare(sim));
    } else if (dice < 65) {
        call = "proposeAdmin(address,string)";
        w = abi_call_begin(in, call);
        abi_put_address(&w, sim->admin[sim_pick(sim, 1, sim->n_admins - 1)].self.b);
        abi_put_bytes(&w, BYTES_LIT("a member"));
    } else if (dice < 85) {
        call = votes[rng_below(&sim->rng, COUNT_OF(votes))];
        w = abi_call_begin(in, call);
        abi_put_address(&w, sim->admin[sim_pick(sim, 1, sim->n_admins - 1)].self.b);
    } else {
        /* a change that was in flight to a set with the lost ones would take one more recovery */
        if (sim->opt.recover && sim->ruin != MENDED) return NULL;
        call = plain[rng_below(&sim->rng, COUNT_OF(plain))];
        w = abi_call_begin(in, call);
    }
    abi_end(&w);
    return call;
}

void govern_next(struct sim *sim)
{
    struct validator *v = &sim->node[rng_below(&sim->rng, sim->n)];
    const struct admin *from = &sim->admin[sim_chance(sim, 600) ? 0 : rng_below(&sim->rng, sim->n_admins)];
    struct buf in;
    buf_init(&in, 1 << 12);
    if (v->is_up && !kv_fault_is_dead(v->kv)) {
        if (sim_chance(sim, 200)) {
            sim->stats->faults[FAULT_SPEND]++;
            send_tx(sim, v, from, &v->self, BYTES_EMPTY, "a plain transaction");
        } else {
            const char *call = put_call(&in, sim);
            if (call != NULL) {
                sim->stats->faults[FAULT_GOVERN]++;
                send_tx(sim, v, from, &sim->contract, buf_view(&in), call);
            }
        }
    }
    buf_fini(&in);
    const struct event e = {.kind = EV_GOVERN, .at = sim->now + sim_pick(sim, sim->step_ms, 20 * sim->step_ms)};
    sim_push(sim, &e);
}
