/* ethrules.h: Ethereum's own header rules, from proof of work to proof of stake, for the official blockchain tests: which fork a block is
 * in, difficulty, gas limit, uncles, rewards. The seal itself (ethash) is not checked. Pure functions. */
#ifndef NODE_EVM_TOOL_ETHRULES_H
#define NODE_EVM_TOOL_ETHRULES_H

#include "lib/eth/header.h"
#include "lib/eth/rules.h"

/* network: a fork for the whole chain, or two with the point where the second begins */
struct network {
    enum fork first, second;
    uint64_t bomb_delay, second_bomb_delay;               /* of the forks' difficulty bombs, in blocks */
    enum { SWITCH_NONE, SWITCH_NUMBER, SWITCH_TIME, SWITCH_TD } by;
    u256 at;
    uint64_t chain_id;
    bool dao; /* the second is the first with the DAO fork at `at` */
};

/** network_parse: "Cancun", "ArrowGlacier", "HomesteadToDaoAt5", "ParisToShanghaiAtTime15k", "ArrowGlacierToParisAtDiffC0000".
 *  ret OK | E_UNSUPPORTED */
MUST_CHECK enum status network_parse(struct network *out, const char *name);
/** network_bomb_delay: of a block before the merge. */
uint64_t network_bomb_delay(const struct network *n, uint64_t number);
/** network_fork: of a block; parent_td: total difficulty up to and with its parent. */
enum fork network_fork(const struct network *n, uint64_t number, uint64_t timestamp, const u256 *parent_td);

/** ethrules_difficulty: that a block with this number and time must have. */
u256 ethrules_difficulty(enum fork f, uint64_t bomb_delay, uint64_t number, uint64_t timestamp, const struct header *parent);
/** ethrules_check_header: against its parent.  ret NULL, or what is wrong */
const char *ethrules_check_header(const struct header *h, const struct header *parent, const struct network *n, enum fork f,
                                  enum fork parent_fork);
/** ethrules_block_reward: wei for the author; 0 from the merge on */
u256 ethrules_block_reward(enum fork f);

#endif
