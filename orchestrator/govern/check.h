/* check.h: is a validator fit to join the set? A validator that is down, far behind, without its key or with a wrong clock takes part in every
 * majority and seals nothing. So, before it is added:
 *
 *     data URL of who runs it -> /nodes: which node has the address, and where it is
 *       -> that node's own /possession, with a challenge (behind the load balancer when it cannot be reached itself): it answers,
 *          it signs with the key, its head, its clock                                                        (lib/eth/possession.h)
 *
 * Asking is I/O (check_validators); judging is pure (check_judge). */
#ifndef ORCHESTRATOR_GOVERN_CHECK_H
#define ORCHESTRATOR_GOVERN_CHECK_H

#include <jansson.h>

#include "lib/base/err.h"
#include "lib/eth/possession.h"

/* check_net: what the validator has to agree with */
struct check_net {
    const char *data_url;
    uint64_t chain_id, head, step_ms;
    hash32 genesis;
};

/* check_facts: what came out of asking about one address */
struct check_facts {
    address who;
    char host[300];       /* its name, or where it was asked; "" */
    bool is_listed;       /* the data URL names it */
    bool is_held;         /* a node has its identity */
    bool has_answered;    /* a node at its place answered */
    bool has_proved;
    char why[400];        /* why it has not answered, or not proved */
    struct possession p;  /* with has_proved */
    int64_t ahead_ms;     /* its clock minus ours, with has_proved */
};

/** check_judge: append {"validator", "check", "text"} for each check that fails: listed, reachable, key, network, synced, clock. */
void check_judge(json_t *problems, const struct check_facts *f, const struct check_net *net);
/** check_validators: all of list.  ret OK: *problems (new array, empty when all is well) | E_*: the data URL does not answer (err) */
MUST_CHECK enum status check_validators(json_t **problems, const address *list, size_t n, const struct check_net *net, struct err *err);
/** check_deployed: the addresses that a data URL's member has deployed, whether a node holds them or not; malloc'ed */
MUST_CHECK enum status check_deployed(address **out, size_t *n, const char *data_url, struct err *err);

#endif
