#include "node/p2p/hello.h"

#include "lib/codec/rlp.h"
#include "node/sync/wire.h"

#include <snappy-c.h>

void hello_put(struct buf *out, const struct p2p_hello *h)
{
    const size_t l = rlp_list_open(out);
    rlp_put_u64(out, h->version);
    rlp_put_string(out, bytes_str(h->client));
    const size_t caps = rlp_list_open(out);
    for (size_t i = 0; i < h->n_caps; i++) {
        const size_t c = rlp_list_open(out);
        rlp_put_string(out, bytes_str(h->caps[i].name));
        rlp_put_u64(out, h->caps[i].version);
        rlp_list_close(out, c);
    }
    rlp_list_close(out, caps);
    rlp_put_u64(out, h->port);
    rlp_put_string(out, bytes_make(h->pub, sizeof h->pub));
    rlp_list_close(out, l);
}

static void copy_printable(char *dst, size_t max, bytes text)
{
    size_t n = 0;
    for (; n < text.len && n + 1 < max; n++)
        dst[n] = text.ptr[n] >= 0x20 && text.ptr[n] < 0x7f ? (char)text.ptr[n] : '?';
    dst[n] = '\0';
}

enum status hello_get(struct p2p_hello *out, bytes in)
{
    struct p2p_hello h = {0};
    bytes l, caps, text;
    uint64_t port;
    enum status s;
    if ((s = rlp_get_list(&l, &in)) != OK) return s;
    if ((s = rlp_get_u64(&h.version, &l)) != OK) return s;
    if ((s = rlp_get_string(&text, &l)) != OK) return s;
    copy_printable(h.client, sizeof h.client, text);
    if ((s = rlp_get_list(&caps, &l)) != OK) return s;
    while (caps.len > 0) {
        bytes c, name;
        uint64_t version;
        if ((s = rlp_get_list(&c, &caps)) != OK) return s;
        if ((s = rlp_get_string(&name, &c)) != OK) return s;
        if ((s = rlp_get_u64(&version, &c)) != OK) return s;
        if (name.len > 8 || version > 0xffff || h.n_caps == P2P_CAPS_MAX) continue;
        copy_printable(h.caps[h.n_caps].name, sizeof h.caps[0].name, name);
        h.caps[h.n_caps++].version = (unsigned)version;
    }
    if ((s = rlp_get_u64(&port, &l)) != OK) return s;
    h.port = port > 0xffff ? 0 : (uint16_t)port;
    if ((s = rlp_get_fixed(h.pub, sizeof h.pub, &l)) != OK) return s;
    *out = h;
    return OK;
}

static const unsigned eth_versions[] = {63, 66, 67, 68}; /* ascending */

void hello_add_eth(struct p2p_hello *h)
{
    for (size_t i = 0; i < COUNT_OF(eth_versions) && h->n_caps < P2P_CAPS_MAX; i++)
        h->caps[h->n_caps++] = (struct p2p_cap){.name = "eth", .version = eth_versions[i]};
}

unsigned hello_eth_version(const struct p2p_hello *h)
{
    unsigned best = 0;
    for (size_t i = 0; i < h->n_caps; i++)
        for (size_t k = 0; k < COUNT_OF(eth_versions); k++)
            if (h->caps[i].version == eth_versions[k] && strcmp(h->caps[i].name, "eth") == 0 && eth_versions[k] > best)
                best = eth_versions[k];
    return best;
}

void disconnect_put(struct buf *out, unsigned reason)
{
    const size_t l = rlp_list_open(out);
    rlp_put_u64(out, reason);
    rlp_list_close(out, l);
}

unsigned disconnect_get(bytes in)
{
    bytes l;
    uint64_t v;
    if (rlp_is_list(in)) {
        if (rlp_get_list(&l, &in) != OK) return 0;
        in = l;
    }
    return rlp_get_u64(&v, &in) == OK && v <= 0xff ? (unsigned)v : 0;
}

enum status message_put(struct buf *out, unsigned id, bytes data, bool snappy)
{
    if (data.len > P2P_MESSAGE_MAX) return E_LIMIT;
    rlp_put_u64(out, id);
    if (!snappy) {
        buf_put_bytes(out, data);
        return buf_status(out);
    }
    size_t len = snappy_max_compressed_length(data.len);
    uint8_t *p = buf_reserve(out, len);
    if (p == NULL) return buf_status(out);
    if (snappy_compress((const char *)data.ptr, data.len, (char *)p, &len) != SNAPPY_OK) return E_NOMEM;
    out->len += len;
    return OK;
}

enum status message_get(unsigned *id, bytes *data, struct buf *tmp, bytes payload, bool snappy)
{
    uint64_t v;
    size_t len = 0;
    const enum status s = rlp_get_u64(&v, &payload);
    if (s != OK) return s;
    if (v > 0xffff) return E_DECODE;
    if (!snappy) {
        *id = (unsigned)v;
        *data = payload;
        return OK;
    }
    if (payload.len == 0) return E_DECODE;
    if (snappy_uncompressed_length((const char *)payload.ptr, payload.len, &len) != SNAPPY_OK) return E_DECODE;
    if (len > P2P_MESSAGE_MAX) return E_LIMIT;
    buf_clear(tmp);
    uint8_t *p = buf_reserve(tmp, len == 0 ? 1 : len);
    if (p == NULL) return buf_status(tmp);
    if (snappy_uncompress((const char *)payload.ptr, payload.len, (char *)p, &len) != SNAPPY_OK) return E_DECODE;
    tmp->len = len;
    *id = (unsigned)v;
    *data = buf_view(tmp);
    return OK;
}
