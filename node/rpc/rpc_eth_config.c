/* rpc_eth_config.c: eth_config (EIP-7910): the rules in force and the next that are known by their time. A fork by block number has no time before its
 * block is sealed, and is not told of until then. And eth_capabilities: how far back which questions can be asked. */
#include "lib/codec/hex.h"
#include "node/rpc/rpc_priv.h"
#include "node/sync/forkid.h"

struct fork_view {
    struct rpc_call *c;
    struct forkid_table table;
    struct rules rules;
    uint64_t number, time; /* that the rules are of */
};

static size_t forks_past(const struct fork_view *v)
{
    size_t i = 0;
    while (i < v->table.n && (i < v->table.n_blocks ? v->number : v->time) >= v->table.at[i])
        i++;
    return i;
}

/* when the first `past` forks were in force, all of them */
static bool activation_time(uint64_t *out, const struct fork_view *v, size_t past)
{
    struct rpc_call *c = v->c;
    struct header h;
    hash32 hash;
    *out = 0;
    if (past == 0) return true;
    *out = v->table.at[past - 1];
    if (past > v->table.n_blocks) return true;
    enum status s = blocks_get_canonical_hash(&hash, c->w->txn, *out);
    if (s == OK) s = blocks_get_header(&h, c->w->txn, &hash, c->a);
    if (s != OK) return rpc_fail_status(c, s, "header");
    *out = h.timestamp;
    return true;
}

static bool find_precompile(address *out, const struct fork_view *v, enum builtin_id id)
{
    const struct chain_spec *spec = v->c->rpc->spec;
    const struct builtin_price *price;
    if (!v->rules.precompiles_by_spec) {
        int found, pricing;
        uint64_t pa, pb;
        *out = (address){.b = {[19] = (uint8_t)id}};
        evm_precompile_by_rules(&found, &pricing, &pa, &pb, &v->rules, out);
        return found == (int)id;
    }
    for (size_t i = 0; i < spec->n_accounts; i++) {
        if (spec->accounts[i].builtin != id || chain_spec_builtin(&price, spec, &spec->accounts[i].addr, v->number) == NULL) continue;
        *out = spec->accounts[i].addr;
        return true;
    }
    return false;
}

static void put_precompiles(struct buf *b, const struct fork_view *v)
{
    static const struct {
        const char *name; /* EIP-7910's, ascending */
        enum builtin_id id;
    } all[] = {{"BLAKE2F", BUILTIN_BLAKE2F}, {"BLS12_G1ADD", BUILTIN_BLS_G1ADD}, {"BLS12_G1MSM", BUILTIN_BLS_G1MSM}, {"BLS12_G2ADD", BUILTIN_BLS_G2ADD}, {"BLS12_G2MSM", BUILTIN_BLS_G2MSM},
               {"BLS12_MAP_FP2_TO_G2", BUILTIN_BLS_MAP_FP2}, {"BLS12_MAP_FP_TO_G1", BUILTIN_BLS_MAP_FP}, {"BLS12_PAIRING_CHECK", BUILTIN_BLS_PAIRING}, {"BN254_ADD", BUILTIN_BN_ADD},
               {"BN254_MUL", BUILTIN_BN_MUL}, {"BN254_PAIRING", BUILTIN_BN_PAIRING}, {"ECREC", BUILTIN_ECRECOVER}, {"ID", BUILTIN_IDENTITY}, {"KZG_POINT_EVALUATION", BUILTIN_POINT_EVALUATION},
               {"MODEXP", BUILTIN_MODEXP}, {"RIPEMD160", BUILTIN_RIPEMD160}, {"SHA256", BUILTIN_SHA256}};
    jo_key(b, "precompiles");
    jo_open(b, '{');
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        address a;
        if (!find_precompile(&a, v, all[i].id)) continue;
        jo_key(b, all[i].name);
        jo_address(b, &a);
    }
    jo_close(b, '}');
}

static void put_system_contracts(struct buf *b, const struct rules *r)
{
    const struct {
        const char *name, *address;
        bool is_on;
    } all[] = {{"BEACON_ROOTS_ADDRESS", "0x000f3df6d732807ef1319fb7b8bb8522d0beac02", r->eip4788}, {"CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS", "0x0000bbddc7ce488642fb579f8b00f3a590007251", r->eip7251},
               {"HISTORY_STORAGE_ADDRESS", "0x0000f90827f1c53a10cb7a02335b175320002935", r->eip2935}, {"WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS", "0x00000961ef480eb55e80d19ad83579a64c007002", r->eip7002}};
    jo_key(b, "systemContracts");
    jo_open(b, '{');
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (!all[i].is_on) continue;
        jo_key(b, all[i].name);
        jo_str(b, all[i].address);
    }
    jo_close(b, '}');
}

static void put_blobs(struct buf *b, const struct rules *r)
{
    jo_key(b, "blobSchedule");
    if (!r->eip4844) {
        jo_null(b);
        return;
    }
    jo_open(b, '{');
    jo_key(b, "baseFeeUpdateFraction");
    jo_dec(b, r->eip7691 ? 5007716 : 3338477);
    jo_key(b, "max");
    jo_dec(b, r->eip7691 ? 9 : 6);
    jo_key(b, "target");
    jo_dec(b, r->eip7691 ? 6 : 3);
    jo_close(b, '}');
}

/* what is in force in a block of that number and time */
static bool put_config(struct fork_view *v, const char *key, uint64_t number, uint64_t time)
{
    struct rpc_call *c = v->c;
    struct buf *b = c->out;
    uint64_t since;
    uint8_t id[4];
    v->number = number;
    v->time = time;
    chain_spec_rules(&v->rules, c->rpc->spec, number, time);
    const size_t past = forks_past(v);
    if (!activation_time(&since, v, past)) return false;
    be32_put(id, v->table.sum[past]);
    jo_key(b, key);
    jo_open(b, '{');
    jo_key(b, "activationTime");
    jo_dec(b, since);
    put_blobs(b, &v->rules);
    jo_key(b, "chainId");
    jo_u64(b, c->rpc->spec->chain_id);
    jo_key(b, "forkId");
    jo_data(b, BYTES_OF(id));
    put_precompiles(b, v);
    put_system_contracts(b, &v->rules);
    jo_close(b, '}');
    return true;
}

bool eth_config(struct rpc_call *c)
{
    struct buf *b = c->out;
    struct fork_view v = {.c = c};
    struct header h;
    struct block_ref head;
    const hash32 genesis = chain_genesis_hash(c->rpc->chain);
    if (!value_block(&head, c, NULL, "latest")) return false;
    enum status s = blocks_get_header(&h, c->w->txn, &head.hash, c->a);
    if (s != OK) return rpc_fail_status(c, s, "header");
    forkid_init(&v.table, c->rpc->spec, &genesis, c->rpc->spec->genesis.timestamp);
    jo_open(b, '{');
    if (!put_config(&v, "current", h.number, h.timestamp)) return false;
    const size_t past = forks_past(&v), n = v.table.n;
    static const char *const keys[] = {"next", "last"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const size_t fork = i == 0 ? past : n - 1;
        if (past < n && past >= v.table.n_blocks) {
            if (!put_config(&v, keys[i], h.number + 1, v.table.at[fork])) return false;
        } else {
            jo_key(b, keys[i]);
            jo_null(b);
        }
    }
    jo_close(b, '}');
    return true;
}

/* ------------------------------------------------------------------ eth_capabilities */

/* window 0: nothing is ever deleted */
static void put_resource(struct buf *b, const char *key, uint64_t oldest, uint64_t window)
{
    jo_key(b, key);
    jo_open(b, '{');
    jo_key(b, "disabled");
    jo_bool(b, false);
    jo_key(b, "oldestBlock");
    jo_u64(b, oldest);
    if (window > 0) {
        jo_key(b, "deleteStrategy");
        jo_open(b, '{');
        jo_key(b, "type");
        jo_str(b, "window");
        jo_key(b, "retentionBlocks");
        jo_u64(b, window);
        jo_close(b, '}');
    }
    jo_close(b, '}');
}

/* the first block whose state can be read: all behind it can, too (an archive may have become one on the way) */
static bool oldest_state(uint64_t *out, struct rpc_call *c, uint64_t head)
{
    uint64_t lo = 0, hi = head;
    while (lo < hi) {
        const uint64_t mid = lo + (hi - lo) / 2;
        struct state *st = NULL;
        const enum status s = chain_state_at(&st, c->w->txn, c->rpc->chain, mid);
        if (s != OK && s != E_NOT_FOUND) return rpc_fail_status(c, s, "state");
        if (s == OK) state_free(st);
        if (s == OK) hi = mid;
        else lo = mid + 1;
    }
    *out = lo;
    return true;
}

bool eth_capabilities(struct rpc_call *c)
{
    struct buf *b = c->out;
    struct block_ref head;
    uint64_t oldest = 0;
    if (!value_block(&head, c, NULL, "latest") || !oldest_state(&oldest, c, head.number)) return false;
    jo_open(b, '{');
    jo_key(b, "head");
    jo_open(b, '{');
    jo_key(b, "number");
    jo_u64(b, head.number);
    jo_key(b, "hash");
    jo_hash(b, &head.hash);
    jo_close(b, '}');
    static const char *const kept[] = {"tx", "logs", "receipts", "blocks"};
    put_resource(b, "state", oldest, chain_history_blocks(c->rpc->chain));
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        put_resource(b, kept[i], 0, 0);
    put_resource(b, "stateproofs", head.number, 1); /* as eth_getProof has it */
    jo_close(b, '}');
    return true;
}
