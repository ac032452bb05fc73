/* balancer.h: HAProxy's configuration from the resolved load balancers: for every target that has no load balancer of its own. */
#ifndef ORCHESTRATOR_TARGET_BALANCER_H
#define ORCHESTRATOR_TARGET_BALANCER_H

#include "lib/base/buf.h"
#include "orchestrator/target/target.h"

/** balancer_put: append it: one `listen` for each rule; region 1..5, or 0 for all of them. Ports are those of t, where it has others than the template.
 *  ret OK | E_INVALID: no rule, or one without region or ports */
MUST_CHECK enum status balancer_put(struct buf *out, const struct target *t, const json_t *resources, unsigned region, struct err *err);

#endif
