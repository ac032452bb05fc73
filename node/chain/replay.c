#include "node/chain/replay.h"

#include "node/chain/chain_priv.h"

enum status chain_replay_open(struct chain_replay *out, struct chain *c, struct evm *evm, struct kv_txn *txn, const struct block *b)
{
    struct validators set = {0};
    struct epoch e = {0};
    enum block_verdict v = BLOCK_VALID;
    *out = (struct chain_replay){.block = b};
    if (b->header.number == 0) return E_INVALID;
    enum status s = chain_state_at(&out->state, txn, c, b->header.number - 1);
    if (s != OK) {
        out->state = NULL;
        return s;
    }
    block_env_init(&out->env, c, evm, txn, &b->header);
    if (c->spec->engine == ENGINE_AURA) s = epoch_set_at(&set, &e.number, c, txn, b->header.number - 1);
    if (s == OK) s = engine_open_block(&v, c, &out->env, out->state, &b->header, &e);
    if (s == OK && v != BLOCK_VALID) s = E_CORRUPT;
    validators_fini(&set);
    return s;
}

enum status chain_replay_next(struct receipt *receipt, struct evm_result *result, struct chain_replay *r, const struct evm_tracer *tracer,
                              struct arena *a)
{
    enum tx_verdict v;
    if (r->next >= r->block->n_txs) return E_INVALID;
    r->env.tracer = tracer;
    enum status s = exec_tx(&v, receipt, result, &r->env, r->state, &r->block->txs[r->next], a);
    r->env.tracer = NULL;
    if (s != OK) return s;
    if (v != TX_VALID) return E_CORRUPT;
    r->next++;
    return OK;
}

void chain_replay_close(struct chain_replay *r)
{
    state_free(r->state);
    r->state = NULL;
}

u256 chain_block_reward(const struct chain_spec *spec, uint64_t number)
{
    const struct aura_params *p = &spec->aura;
    if (spec->engine != ENGINE_AURA || (p->n_block_reward_contract > 0 && p->block_reward_contract[0].at <= number)) return U256_ZERO;
    u256 reward = U256_ZERO;
    for (size_t i = 0; i < p->n_block_reward && p->block_reward[i].at <= number; i++)
        reward = p->block_reward[i].value;
    return reward;
}
