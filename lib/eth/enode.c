#include "lib/eth/enode.h"

#include "lib/codec/hex.h"

#include <arpa/inet.h>

static bool get_port(uint16_t *out, bytes t, bool zero_is_fine)
{
    uint32_t v = 0;
    if (t.len == 0 || t.len > 5) return false;
    for (size_t i = 0; i < t.len; i++) {
        if (t.ptr[i] < '0' || t.ptr[i] > '9') return false;
        v = v * 10 + (uint32_t)(t.ptr[i] - '0');
    }
    if (v > UINT16_MAX || (v == 0 && !zero_is_fine)) return false;
    *out = (uint16_t)v;
    return true;
}

static bool is_name_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
}

/* RFC 1123 names; an IPv4 address is one in form */
static bool is_host_name(bytes t)
{
    size_t label = 0;
    for (size_t i = 0; i < t.len; i++) {
        if (!is_name_char(t.ptr[i])) return false;
        if (t.ptr[i] == '.') {
            if (label == 0) return false;
            label = 0;
        } else if (++label > 63) {
            return false;
        }
    }
    return t.len > 0;
}

static size_t find(bytes t, char c)
{
    const uint8_t *p = t.len == 0 ? NULL : memchr(t.ptr, c, t.len);
    return p == NULL ? t.len : (size_t)(p - t.ptr);
}

static bytes skip(bytes t, size_t n)
{
    return bytes_make(t.ptr + n, t.len - n);
}

enum status enode_get(struct enode *out, bytes text, struct err *err)
{
    static const char scheme[] = "enode://";
    enum { SCHEME_LEN = sizeof scheme - 1, KEY_LEN = 128 };
    struct enode e = {0};
    bytes t = text;
    if (t.len < SCHEME_LEN || memcmp(t.ptr, scheme, SCHEME_LEN) != 0)
        return err_set(err, E_DECODE, "enode URL: does not begin with enode://");
    t = skip(t, SCHEME_LEN);
    if (t.len <= KEY_LEN || t.ptr[KEY_LEN] != '@' ||
        hex_get_fixed(e.pub, sizeof e.pub, bytes_make(t.ptr, KEY_LEN)) != OK)
        return err_set(err, E_DECODE, "enode URL: wants 128 hex digits of the node's public key, then @");
    t = skip(t, KEY_LEN + 1);

    bytes host;
    bool bracketed = t.len > 0 && t.ptr[0] == '[';
    if (bracketed) {
        size_t end = find(t, ']');
        if (end == t.len) return err_set(err, E_DECODE, "enode URL: no ] after the IPv6 address");
        host = bytes_make(t.ptr + 1, end - 1);
        t = skip(t, end + 1);
    } else {
        size_t end = find(t, ':');
        host = bytes_make(t.ptr, end);
        t = skip(t, end);
    }
    if (host.len == 0 || host.len >= sizeof e.host) return err_set(err, E_DECODE, "enode URL: wants a host of 1 to 253 characters");
    memcpy(e.host, host.ptr, host.len);
    struct in6_addr in6;
    if (bracketed ? strlen(e.host) != host.len || inet_pton(AF_INET6, e.host, &in6) != 1 : !is_host_name(host))
        return err_set(err, E_DECODE, "enode URL: host is no IPv4 address, [IPv6 address] or DNS name");

    if (t.len == 0 || t.ptr[0] != ':') return err_set(err, E_DECODE, "enode URL: no port");
    t = skip(t, 1);
    size_t query = find(t, '?');
    if (!get_port(&e.tcp_port, bytes_make(t.ptr, query), false)) return err_set(err, E_DECODE, "enode URL: port is not in 1..65535");
    e.udp_port = e.tcp_port;
    if (query < t.len) {
        static const char key[] = "?discport=";
        t = skip(t, query);
        if (t.len < sizeof key - 1 || memcmp(t.ptr, key, sizeof key - 1) != 0 || !get_port(&e.udp_port, skip(t, sizeof key - 1), true))
            return err_set(err, E_DECODE, "enode URL: after the port only ?discport=<0..65535> may stand");
    }
    *out = e;
    return OK;
}

size_t enode_put(char dst[static 512], const struct enode *e)
{
    char key[129];
    hex_put(key, e->pub, sizeof e->pub);
    key[128] = '\0';
    bool is_ipv6 = strchr(e->host, ':') != NULL;
    int n = snprintf(dst, 512, "enode://%s@%s%s%s:%u", key, is_ipv6 ? "[" : "", e->host, is_ipv6 ? "]" : "", e->tcp_port);
    if (e->udp_port != e->tcp_port) n += snprintf(dst + n, 512 - (size_t)n, "?discport=%u", e->udp_port);
    return (size_t)n;
}
