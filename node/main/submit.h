/* submit.h: what node_submit keeps from one transaction to the next. Thread-safe. */
#ifndef NODE_MAIN_SUBMIT_H
#define NODE_MAIN_SUBMIT_H

#include "lib/base/status.h"

struct submit;

MUST_CHECK enum status submit_new(struct submit **out);
void submit_free(struct submit *v); /* NULL allowed */
/** submit_on_head: the head moved (after pool_on_head): let the old snapshot go. */
void submit_on_head(struct submit *v);

#endif
