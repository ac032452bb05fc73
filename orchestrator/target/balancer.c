#include "orchestrator/target/balancer.h"

#include <strings.h>

static unsigned port_of(const struct target *t, unsigned port)
{
    switch (port) {
    case 80: return t->page_port;
    case 8545: return t->rpc_port;
    case 8546: return t->ws_port;
    default: return port;
    }
}

/* one rule of one region's balancer */
static void put_rule(struct buf *b, const struct target *t, unsigned region, unsigned front, unsigned back)
{
    buf_printf(b, "\nlisten reg%u-%u\n  bind %s:%u\n", region, front, t->balancer[region - 1], port_of(t, front));
    for (size_t i = 0; i < t->n_instances; i++) {
        const struct target_instance *in = &t->instances[i];
        if (in->region == region) buf_printf(b, "  server %s %s:%u check\n", in->name, in->address, back);
    }
}

enum status balancer_put(struct buf *b, const struct target *t, const json_t *resources, unsigned only, struct err *err)
{
    buf_put_str(b, "# Written by poa-deploy from the resolved template. balance source: like Azure's SourceIPProtocol, so that a client sees one node.\n"
                   "global\n  maxconn 8192\n  nbthread 1\n\ndefaults\n  mode tcp\n  balance source\n  hash-type consistent\n  option redispatch\n  retries 3\n"
                   "  timeout connect 2s\n  timeout client 1h\n  timeout server 1h\n  timeout tunnel 24h\n"
                   "  default-server inter 1s fastinter 250ms downinter 500ms fall 1 rise 1 on-marked-down shutdown-sessions\n");
    size_t i, k, rules = 0;
    const json_t *res, *rule;
    json_array_foreach(resources, i, res)
    {
        const char *type = json_string_value(json_object_get(res, "type"));
        if (type == NULL || strcasecmp(type, "Microsoft.Network/loadBalancers") != 0) continue;
        unsigned region = target_region_of(json_string_value(json_object_get(res, "name")));
        if (only != 0 && region != only) continue;
        json_t *list = json_object_get(json_object_get(res, "properties"), "loadBalancingRules");
        json_array_foreach(list, k, rule)
        {
            const json_t *p = json_object_get(rule, "properties");
            unsigned front = (unsigned)json_integer_value(json_object_get(p, "frontendPort")), back = (unsigned)json_integer_value(json_object_get(p, "backendPort"));
            if (region == 0 || front == 0 || front > 65535 || back == 0 || back > 65535)
                return err_set(err, E_INVALID, "the template has a load balancer rule without region or ports");
            put_rule(b, t, region, front, back);
            rules++;
        }
    }
    if (rules == 0) return err_set(err, E_INVALID, "the template resolves to no load balancer rule");
    return buf_status(b);
}
