/* cidr.c: parseCidr, cidrSubnet, cidrHost for both address families. */
#include <arpa/inet.h>

#include "orchestrator/arm/arm_priv.h"

__extension__ typedef unsigned __int128 u128;

struct net {
    u128 addr;      /* in the low `width` bits */
    unsigned width; /* 32 or 128 */
    unsigned bits;  /* of the prefix */
};

static u128 mask_of(const struct net *n)
{
    const u128 all = n->width == 128 ? ~(u128)0 : (((u128)1) << n->width) - 1;
    return n->bits == 0 ? 0 : (all << (n->width - n->bits)) & all;
}

static enum status get_net(struct net *out, struct ev *e, const struct fn_call *c)
{
    const char *t = NULL;
    const enum status s = arg_string(&t, e, c, 0);
    if (s != OK) return s;
    char host[64];
    const char *slash = strchr(t, '/');
    const size_t len = slash != NULL ? (size_t)(slash - t) : 0;
    char *end = NULL;
    const unsigned long bits = slash != NULL ? strtoul(slash + 1, &end, 10) : 0;
    uint8_t raw[16];
    if (slash != NULL && end != slash + 1 && *end == 0 && slash[1] >= '0' && slash[1] <= '9' &&
        len < sizeof host) {
        memcpy(host, t, len);
        host[len] = 0;
        const unsigned width = inet_pton(AF_INET, host, raw) == 1    ? 32
                               : inet_pton(AF_INET6, host, raw) == 1 ? 128
                                                                     : 0;
        if (width != 0 && bits <= width) {
            struct net n = {0, width, (unsigned)bits};
            for (unsigned i = 0; i < width / 8; i++)
                n.addr = n.addr << 8 | raw[i];
            *out = n;
            return OK;
        }
    }
    return ev_fail(e, E_INVALID, "%s(): '%.60s' is not an address range like 10.0.0.0/24", c->name,
                   t);
}

static void put_addr(char dst[64], const struct net *n, u128 addr)
{
    uint8_t raw[16];
    for (unsigned i = n->width / 8; i-- > 0; addr >>= 8)
        raw[i] = (uint8_t)addr;
    if (inet_ntop(n->width == 32 ? AF_INET : AF_INET6, raw, dst, 64) == NULL) BUG("inet_ntop");
}

enum status fn_parse_cidr(json_t **out, struct ev *e, const struct fn_call *c)
{
    struct net n;
    const enum status s = get_net(&n, e, c);
    if (s != OK) return s;
    const u128 mask = mask_of(&n), first = n.addr & mask;
    const u128 all = n.width == 128 ? ~(u128)0 : (((u128)1) << n.width) - 1;
    const u128 last = first | (all & ~mask);
    const bool has_ends =
        n.width == 32 && n.bits < 31; /* network and broadcast address are not for hosts */
    char network[64], netmask[64], broadcast[64], lo[64], hi[64];
    put_addr(network, &n, first);
    put_addr(netmask, &n, mask);
    put_addr(broadcast, &n, last);
    put_addr(lo, &n, has_ends ? first + 1 : first);
    put_addr(hi, &n, has_ends ? last - 1 : last);
    json_t *v = json_pack("{s:s, s:s, s:s, s:s, s:i}", "network", network, "netmask", netmask,
                          "firstUsable", lo, "lastUsable", hi, "cidr", (int)n.bits);
    if (v != NULL && n.width == 32 &&
        json_object_set_new(v, "broadcast", json_string(broadcast)) != 0) {
        json_decref(v);
        v = NULL;
    }
    return put_json(out, v);
}

enum status fn_cidr_subnet(json_t **out, struct ev *e, const struct fn_call *c)
{
    struct net n;
    int64_t bits = 0, index = 0;
    enum status s = get_net(&n, e, c);
    if (s == OK) s = arg_int(&bits, e, c, 1);
    if (s == OK) s = arg_int(&index, e, c, 2);
    if (s != OK) return s;
    if (bits < n.bits || bits > n.width)
        return ev_fail(e, E_INVALID, "cidrSubnet(): /%lld does not fit into /%u", (long long)bits,
                       n.bits);
    const unsigned more = (unsigned)bits - n.bits;
    if (index < 0 || (more < 63 && index >= (int64_t)1 << more))
        return ev_fail(e, E_INVALID, "cidrSubnet(): there is no range %lld of /%lld in /%u",
                       (long long)index, (long long)bits, n.bits);
    const u128 first = n.addr & mask_of(&n);
    const u128 at = bits == 0 ? 0 : (u128)(uint64_t)index << (n.width - (unsigned)bits);
    char text[64], full[80];
    put_addr(text, &n, first + at);
    snprintf(full, sizeof full, "%s/%lld", text, (long long)bits);
    return put_json(out, json_string(full));
}

enum status fn_cidr_host(json_t **out, struct ev *e, const struct fn_call *c)
{
    struct net n;
    int64_t index = 0;
    enum status s = get_net(&n, e, c);
    if (s == OK) s = arg_int(&index, e, c, 1);
    if (s != OK) return s;
    const unsigned host_bits = n.width - n.bits;
    const bool has_ends = n.width == 32 && n.bits < 31;
    const uint64_t hosts =
        host_bits >= 63 ? INT64_MAX : ((uint64_t)1 << host_bits) - (has_ends ? 2 : 0);
    if (index < 0 || (uint64_t)index >= hosts)
        return ev_fail(e, E_INVALID, "cidrHost(): there is no host %lld in a /%u", (long long)index,
                       n.bits);
    char text[64];
    put_addr(text, &n, (n.addr & mask_of(&n)) + (u128)(uint64_t)index + (has_ends ? 1 : 0));
    return put_json(out, json_string(text));
}
