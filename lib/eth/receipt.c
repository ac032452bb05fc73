#include "lib/eth/receipt.h"

#include "lib/codec/rlp.h"

static void put_logs(struct buf *out, const struct receipt *r)
{
    size_t logs = rlp_list_open(out);
    for (size_t i = 0; i < r->n_logs; i++) {
        const struct log_entry *l = &r->logs[i];
        /* 33 bytes a topic; lengths are known, so that long logs aren't moved again and again */
        size_t topics = (size_t)l->n_topics * 33, data = l->data.len;
        if (data != 1 || l->data.ptr[0] >= 0x80) data += rlp_header_len(data);
        rlp_put_list_header(out, 21 + rlp_header_len(topics) + topics + data);
        rlp_put_string(out, bytes_make(l->addr.b, sizeof l->addr.b));
        rlp_put_list_header(out, topics);
        for (size_t t = 0; t < l->n_topics; t++)
            rlp_put_string(out, bytes_make(l->topics[t].b, sizeof l->topics[t].b));
        rlp_put_string(out, l->data);
    }
    rlp_list_close(out, logs);
}

void receipt_put(struct buf *out, const struct receipt *r)
{
    if (r->type != TX_LEGACY) buf_put_u8(out, (uint8_t)r->type);
    size_t list = rlp_list_open(out);
    switch (r->form) {
    case RECEIPT_ROOT:
        rlp_put_string(out, bytes_make(r->root.b, sizeof r->root.b));
        break;
    case RECEIPT_STATUS:
        rlp_put_u64(out, r->ok ? 1 : 0);
        break;
    case RECEIPT_BARE:
        break;
    }
    rlp_put_u64(out, r->cumulative_gas);
    rlp_put_string(out, bytes_make(r->filter.b, sizeof r->filter.b));
    put_logs(out, r);
    rlp_list_close(out, list);
}

void receipt_put_network(struct buf *out, const struct receipt *r)
{
    size_t from = out->len;
    receipt_put(out, r);
    if (r->type == TX_LEGACY || buf_status(out) != OK) return;
    uint8_t head[9];
    size_t n = rlp_encode_header(head, false, out->len - from);
    uint8_t *gap = buf_insert(out, from, n);
    if (gap != NULL) memcpy(gap, head, n);
}

static enum status get_log(struct log_entry *l, bytes *in)
{
    bytes fields, topics;
    if (rlp_get_list(&fields, in) != OK || rlp_get_fixed(l->addr.b, sizeof l->addr.b, &fields) != OK ||
        rlp_get_list(&topics, &fields) != OK || rlp_get_string(&l->data, &fields) != OK || fields.len != 0)
        return E_DECODE;
    for (l->n_topics = 0; topics.len > 0; l->n_topics++)
        if (l->n_topics == 4 || rlp_get_fixed(l->topics[l->n_topics].b, 32, &topics) != OK) return E_DECODE;
    return OK;
}

/* the first field: state root, status, or (three fields in all) none */
static enum status get_form(struct receipt *r, bytes *fields)
{
    size_t n;
    bytes first;
    if (rlp_count_items(&n, *fields) != OK || (n != 3 && n != 4)) return E_DECODE;
    r->form = RECEIPT_BARE;
    if (n == 3) return OK;
    if (rlp_get_string(&first, fields) != OK) return E_DECODE;
    if (first.len == sizeof r->root.b) {
        r->form = RECEIPT_ROOT;
        memcpy(r->root.b, first.ptr, first.len);
        return OK;
    }
    r->form = RECEIPT_STATUS;
    r->ok = first.len == 1;
    return first.len == 0 || (first.len == 1 && first.ptr[0] == 1) ? OK : E_DECODE;
}

enum status receipt_get(struct receipt *out, bytes in, struct arena *a)
{
    enum { LOG_MIN = 24 }; /* bytes of the shortest log: bounds what a count can ask for */
    struct receipt r = {0};
    bytes fields, logs, rest = in;
    if (rest.len > 0 && rest.ptr[0] >= TX_ACCESS_LIST && rest.ptr[0] <= TX_SET_CODE) {
        r.type = (enum tx_type)rest.ptr[0];
        rest = bytes_make(rest.ptr + 1, rest.len - 1);
    }
    if (rlp_get_list(&fields, &rest) != OK || rest.len != 0 || get_form(&r, &fields) != OK) return E_DECODE;
    if (rlp_get_u64(&r.cumulative_gas, &fields) != OK || rlp_get_fixed(r.filter.b, sizeof r.filter.b, &fields) != OK ||
        rlp_get_list(&logs, &fields) != OK || fields.len != 0)
        return E_DECODE;
    if (rlp_count_items(&r.n_logs, logs) != OK || r.n_logs > logs.len / LOG_MIN) return E_DECODE;
    r.logs = arena_zalloc(a, r.n_logs, sizeof *r.logs);
    if (r.logs == NULL) return E_NOMEM;
    for (size_t i = 0; i < r.n_logs; i++)
        if (get_log(&r.logs[i], &logs) != OK) return E_DECODE;
    *out = r;
    return OK;
}

void receipt_fill_bloom(struct receipt *r)
{
    memset(&r->filter, 0, sizeof r->filter);
    for (size_t i = 0; i < r->n_logs; i++) {
        const struct log_entry *l = &r->logs[i];
        bloom_add(&r->filter, bytes_make(l->addr.b, sizeof l->addr.b));
        for (size_t t = 0; t < l->n_topics; t++)
            bloom_add(&r->filter, bytes_make(l->topics[t].b, sizeof l->topics[t].b));
    }
}
