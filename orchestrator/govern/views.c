/* views.c: what the contract says: one view, or many in one request. */
#include "lib/codec/abi.h"
#include "lib/codec/hex.h"
#include "lib/eth/abi_call.h"
#include "orchestrator/govern/govern.h"

enum { CALL_MAX = 4 << 20 };

static enum status odd(struct err *err, const char *signature)
{
    return err_set(err, E_DECODE, "the contract's answer to %s has another form: is it another contract?", signature);
}

/* eth_call of a view that takes nothing or one address */
static json_t *call_of(const struct govern *g, const char *signature, const address *arg)
{
    char to[43], from[43];
    struct buf data, hex;
    buf_init(&data, 256);
    buf_init(&hex, 1024);
    struct abi_writer w = abi_call_begin(&data, signature);
    if (arg != NULL) abi_put_address(&w, arg->b);
    abi_end(&w);
    hex_append(&hex, buf_view(&data));
    address_put(to, &g->contract);
    json_t *o = json_pack("{s:s, s:s}", "to", to, "data", buf_cstr(&hex));
    if (arg != NULL) {
        address_put(from, arg);
        json_object_set_new(o, "from", json_string(from));
    }
    buf_fini(&data);
    buf_fini(&hex);
    return json_pack("[s, [o, s]]", "eth_call", o, "latest");
}

static enum status take(struct govern_answer *out, const json_t *result, struct err *err)
{
    const char *text = json_string_value(result);
    buf_init(&out->data, CALL_MAX);
    if (text == NULL || hex_get(&out->data, bytes_str(text)) != OK) return err_set(err, E_DECODE, "the node answered eth_call with something that is no data");
    if (out->data.len == 0) return err_set(err, E_NOT_FOUND, "there is no governance contract at the address that the chain specification names");
    return OK;
}

void govern_answers_fini(struct govern_answer *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_fini(&a[i].data);
}

enum status govern_ask(struct govern_answer *a, size_t n, struct govern *g, struct err *err)
{
    json_t *calls = json_array(), *results = NULL;
    for (size_t i = 0; i < n; i++) {
        buf_init(&a[i].data, CALL_MAX);
        json_array_append_new(calls, call_of(g, a[i].signature, a[i].arg));
    }
    enum status s = rpc_client_batch(&results, g->rpc, calls, err);
    for (size_t i = 0; s == OK && i < n; i++)
        s = take(&a[i], json_array_get(results, i), err);
    json_decref(results);
    return s;
}

/* --------------------------------------------------------------- decoders */

enum status govern_get_list(address **out, size_t *n_out, const struct govern_answer *a, struct err *err)
{
    struct abi_reader r = abi_read(buf_view(&a->data)), items;
    size_t n = 0;
    if (abi_get_array(&items, &n, &r) != OK) return odd(err, a->signature);
    address *list = calloc(n + 1, sizeof *list);
    if (list == NULL) return E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (abi_get_address(list[i].b, &items) == OK) continue;
        free(list);
        return odd(err, a->signature);
    }
    *out = list;
    *n_out = n;
    return OK;
}

enum status govern_get_number(uint64_t *out, const struct govern_answer *a, struct err *err)
{
    struct abi_reader r = abi_read(buf_view(&a->data));
    return abi_get_u64(out, &r) == OK ? OK : odd(err, a->signature);
}

enum status govern_get_text(struct buf *out, const struct govern_answer *a, struct err *err)
{
    struct abi_reader r = abi_read(buf_view(&a->data));
    bytes text;
    if (abi_get_bytes(&text, &r) != OK) return odd(err, a->signature);
    /* an alias is another member's text: control characters would reach this terminal */
    for (size_t i = 0; i < text.len; i++)
        buf_put_u8(out, text.ptr[i] < 0x20 || text.ptr[i] == 0x7f ? '?' : text.ptr[i]);
    return buf_status(out);
}

/* ------------------------------------------------------------ one at a time */

enum status govern_list(address **out, size_t *n_out, struct govern *g, const char *signature, const address *arg, struct err *err)
{
    struct govern_answer a = {.signature = signature, .arg = arg};
    enum status s = govern_ask(&a, 1, g, err);
    if (s == OK) s = govern_get_list(out, n_out, &a, err);
    govern_answers_fini(&a, 1);
    return s;
}

enum status govern_number(uint64_t *out, struct govern *g, const char *signature, const address *arg, struct err *err)
{
    struct govern_answer a = {.signature = signature, .arg = arg};
    enum status s = govern_ask(&a, 1, g, err);
    if (s == OK) s = govern_get_number(out, &a, err);
    govern_answers_fini(&a, 1);
    return s;
}

enum status govern_change_info(struct govern_change *out, struct govern *g, struct err *err)
{
    struct govern_answer a = {.signature = "getChangeInfo()"};
    enum status s = govern_ask(&a, 1, g, err);
    struct abi_reader r = abi_read(buf_view(&a.data)), set;
    struct govern_change c;
    size_t n;
    if (s == OK && (abi_get_bool(&c.active, &r) != OK || abi_get_u64(&c.id, &r) != OK || abi_get_u64(&c.signal_block, &r) != OK ||
                    abi_get_array(&set, &n, &r) != OK || abi_get_u64(&c.queued, &r) != OK || abi_get_u64(&c.reemit_block, &r) != OK))
        s = odd(err, a.signature);
    if (s == OK) *out = c;
    govern_answers_fini(&a, 1);
    return s;
}

enum status govern_change_set(address **out, size_t *n, struct govern *g, struct err *err)
{
    struct govern_answer a = {.signature = "getChangeInfo()"};
    enum status s = govern_ask(&a, 1, g, err);
    struct abi_reader r = abi_read(buf_view(&a.data)), set;
    bool active;
    uint64_t id, block;
    size_t count = 0;
    if (s == OK && (abi_get_bool(&active, &r) != OK || abi_get_u64(&id, &r) != OK || abi_get_u64(&block, &r) != OK || abi_get_array(&set, &count, &r) != OK))
        s = odd(err, a.signature);
    address *list = s == OK ? malloc((count + 1) * sizeof *list) : NULL;
    if (s == OK && list == NULL) s = E_NOMEM;
    for (size_t i = 0; s == OK && i < count; i++)
        if (abi_get_address(list[i].b, &set) != OK) s = odd(err, a.signature);
    if (s == OK) {
        *out = list;
        *n = count;
        list = NULL;
    }
    free(list);
    govern_answers_fini(&a, 1);
    return s;
}
