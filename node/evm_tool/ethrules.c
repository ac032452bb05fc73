#include "node/evm_tool/ethrules.h"

#include "node/chain/execute.h"

enum { GAS_LIMIT_MIN = 5000, GAS_LIMIT_DIVISOR = 1024, EXTRA_MAX = 32, DIFFICULTY_MIN = 131072, BOMB_PERIOD = 100000, DAO_BLOCKS = 10 };

/* bomb_delay_of: by how many blocks EIPs 649, 1234, 2384, 3554 put the difficulty bomb off */
static uint64_t bomb_delay_of(enum fork f)
{
    if (f >= FORK_LONDON) return 9700000;
    if (f >= FORK_BERLIN) return 9000000;
    if (f >= FORK_CONSTANTINOPLE) return 5000000;
    return f >= FORK_BYZANTIUM ? 3000000 : 0;
}

static bool name_parse(enum fork *out, uint64_t *bomb_delay, const char *name)
{
    static const struct {
        const char *name;
        enum fork fork;
        uint64_t delay;
    } BOMBS[] = {{"MuirGlacier", FORK_ISTANBUL, 9000000}, {"ArrowGlacier", FORK_LONDON, 10700000}, {"GrayGlacier", FORK_LONDON, 11400000}};
    for (size_t i = 0; i < COUNT_OF(BOMBS); i++) {
        if (strcmp(name, BOMBS[i].name) != 0) continue;
        *out = BOMBS[i].fork;
        *bomb_delay = BOMBS[i].delay;
        return true;
    }
    if (fork_parse(out, name) != OK) return false;
    *bomb_delay = bomb_delay_of(*out);
    return true;
}

enum status network_parse(struct network *out, const char *name)
{
    struct network n = {.by = SWITCH_NONE, .chain_id = 1};
    char first[64], second[64];
    const char *to = strstr(name, "To"), *at = to == NULL ? NULL : strstr(to, "At");
    if (to == NULL || at == NULL) {
        if (!name_parse(&n.first, &n.bomb_delay, name)) return E_UNSUPPORTED;
        n.second = n.first;
        n.second_bomb_delay = n.bomb_delay;
        *out = n;
        return OK;
    }
    (void)snprintf(first, sizeof first, "%.*s", (int)(to - name), name);
    (void)snprintf(second, sizeof second, "%.*s", (int)(at - to - 2), to + 2);
    if (!name_parse(&n.first, &n.bomb_delay, first)) return E_UNSUPPORTED;
    n.dao = strcasecmp(second, "Dao") == 0;
    n.second_bomb_delay = n.bomb_delay;
    if (n.dao)
        n.second = n.first;
    else if (!name_parse(&n.second, &n.second_bomb_delay, second))
        return E_UNSUPPORTED;
    at += 2;
    if (strncmp(at, "Time", 4) == 0) {
        char *end;
        uint64_t t = strtoull(at + 4, &end, 10);
        if (*end == 'k') t *= 1000;
        n.at = u256_from_u64(t);
        n.by = SWITCH_TIME;
    } else if (strncmp(at, "Diff", 4) == 0) {
        if (u256_get_hex(&n.at, bytes_str(at + 4)) != OK) return E_UNSUPPORTED;
        n.by = SWITCH_TD;
    } else {
        n.at = u256_from_u64(strtoull(at, NULL, 10));
        n.by = SWITCH_NUMBER;
    }
    *out = n;
    return OK;
}

enum fork network_fork(const struct network *n, uint64_t number, uint64_t timestamp, const u256 *parent_td)
{
    const u256 num = u256_from_u64(number), time = u256_from_u64(timestamp);
    switch (n->by) {
    case SWITCH_NONE: return n->first;
    case SWITCH_NUMBER: return u256_lt(&num, &n->at) ? n->first : n->second;
    case SWITCH_TIME: return u256_lt(&time, &n->at) ? n->first : n->second;
    case SWITCH_TD: return u256_lt(parent_td, &n->at) ? n->first : n->second;
    }
    BUG("unknown switch");
}

uint64_t network_bomb_delay(const struct network *n, uint64_t number)
{
    const u256 num = u256_from_u64(number);
    return n->by == SWITCH_NUMBER && !u256_lt(&num, &n->at) ? n->second_bomb_delay : n->bomb_delay;
}

u256 ethrules_difficulty(enum fork f, uint64_t bomb_delay, uint64_t number, uint64_t timestamp, const struct header *parent)
{
    if (f >= FORK_PARIS) return U256_ZERO;
    const uint64_t age = timestamp - parent->timestamp;
    int64_t steps; /* of a 2048th */
    if (f < FORK_HOMESTEAD) {
        steps = age < 13 ? 1 : -1;
    } else {
        const bool uncles = f >= FORK_BYZANTIUM && !hash_eq(&parent->uncles_hash, &HASH_EMPTY_UNCLES);
        const uint64_t n = age / (f >= FORK_BYZANTIUM ? 9 : 10);
        steps = n > 200 ? -99 : (uncles ? 2 : 1) - (int64_t)n;
        if (steps < -99) steps = -99;
    }
    const u256 unit = u256_shr(parent->difficulty, 11), least = u256_from_u64(DIFFICULTY_MIN);
    const u256 change = u256_mul(unit, u256_from_u64((uint64_t)(steps < 0 ? -steps : steps)));
    u256 d = steps >= 0                             ? u256_add(parent->difficulty, change)
             : u256_lt(&parent->difficulty, &change) ? U256_ZERO
                                                     : u256_sub(parent->difficulty, change);
    if (u256_lt(&d, &least)) d = least;
    const uint64_t period = (number < bomb_delay ? 0 : number - bomb_delay) / BOMB_PERIOD;
    if (period > 1) d = u256_add(d, u256_shl(U256_ONE, period - 2));
    return u256_lt(&d, &least) ? least : d;
}

u256 ethrules_block_reward(enum fork f)
{
    const uint64_t ether = 1000000000000000000u;
    if (f >= FORK_PARIS) return U256_ZERO;
    return u256_from_u64(f >= FORK_CONSTANTINOPLE ? 2 * ether : f >= FORK_BYZANTIUM ? 3 * ether : 5 * ether);
}

static const char *check_gas_limit(const struct header *h, const struct header *parent, bool london_begins)
{
    const uint64_t base = london_begins ? parent->gas_limit * 2 : parent->gas_limit, bound = base / GAS_LIMIT_DIVISOR;
    const uint64_t diff = h->gas_limit > base ? h->gas_limit - base : base - h->gas_limit;
    return diff >= bound || h->gas_limit < GAS_LIMIT_MIN || h->gas_limit > INT64_MAX ? "gas limit out of bounds" : NULL;
}

/* check_fields: the fields that later EIPs appended stand exactly when their fork has them */
static const char *check_fields(const struct header *h, const struct header *parent, const struct rules *r)
{
    if (h->has_base_fee != r->eip1559 || h->has_withdrawals != r->eip4895 || h->has_blob_gas != r->eip4844 ||
        h->has_beacon_root != r->eip4788 || h->has_requests != r->eip7685)
        return "fields that the fork does not have, or lacks some";
    if (r->eip1559) {
        const u256 fee = exec_base_fee(NULL, parent);
        if (!u256_eq(&h->base_fee, &fee)) return "wrong base fee";
    }
    if (r->eip4844 && h->excess_blob_gas != exec_excess_blob_gas(parent, r->eip7691)) return "wrong excess blob gas";
    return NULL;
}

const char *ethrules_check_header(const struct header *h, const struct header *parent, const struct network *n, enum fork f,
                                  enum fork parent_fork)
{
    static const uint8_t NONCE[8];
    struct rules r;
    rules_from_fork(&r, f);
    if (h->seal != SEAL_ETHASH) return "wrong seal fields";
    if (h->number != parent->number + 1) return "number is not parent + 1";
    if (h->timestamp <= parent->timestamp) return "timestamp not after the parent's";
    if (h->extra.len > EXTRA_MAX) return "extra data too long";
    if (h->gas_used > h->gas_limit) return "gas used exceeds gas limit";
    const char *bad = check_gas_limit(h, parent, f >= FORK_LONDON && parent_fork < FORK_LONDON);
    if (bad == NULL) bad = check_fields(h, parent, &r);
    if (bad != NULL) return bad;
    const u256 difficulty = ethrules_difficulty(f, network_bomb_delay(n, h->number), h->number, h->timestamp, parent);
    if (!u256_eq(&difficulty, &h->difficulty)) return "wrong difficulty";
    if (f >= FORK_PARIS && memcmp(h->nonce, NONCE, sizeof NONCE) != 0) return "a nonce after the merge";
    const u256 number = u256_from_u64(h->number);
    if (n->dao && !u256_lt(&number, &n->at) && h->number - n->at.w[0] < DAO_BLOCKS &&
        !bytes_eq(h->extra, BYTES_LIT("dao-hard-fork")))
        return "extra data is not that of the DAO fork";
    return NULL;
}
