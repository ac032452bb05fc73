/* ports.h: who listens on a port of this machine, from /proc/net. */
#ifndef ORCHESTRATOR_TARGET_PORTS_H
#define ORCHESTRATOR_TARGET_PORTS_H

#include "lib/base/attr.h"

struct port_holder {
    long pid; /* 0: somebody's whose processes we may not look into */
    char name[64];
    char workspace[1000]; /* whose program it is, when it is one of a network on this machine; "" */
};

/** port_find_holder: who would keep a program from listening on address:port by TCP, wildcards included; false: nobody. cost: all processes */
bool port_find_holder(struct port_holder *out, const char *address, uint16_t port);

#endif
