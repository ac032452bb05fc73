/* spec_diff.h: where two JSON documents part first, as a path: "params.eip1884Transition", "accounts.0x00..05.balance", "nodes[2]". */
#ifndef ORCHESTRATOR_DIAGNOSE_SPEC_DIFF_H
#define ORCHESTRATOR_DIAGNOSE_SPEC_DIFF_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/attr.h"

struct spec_diff {
    char path[200];
    char ours[100], theirs[100]; /* the values as JSON, cut; "nothing" */
};

/** spec_differs: the first in the order of ours, then what only theirs has.  ret false: they are the same, *out is empty */
bool spec_differs(struct spec_diff *out, const json_t *ours, const json_t *theirs);

#endif
