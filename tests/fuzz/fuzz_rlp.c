/* module: lib/codec */
/* Whatever rlp_check accepts, read item by item and written again, is the same bytes; readers never leave the input. */
#include "lib/codec/rlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { DEPTH_MAX = 32 };

static void copy_items(struct buf *out, bytes in, unsigned depth)
{
    while (in.len > 0) {
        struct rlp_item item;
        if (rlp_get_item(&item, &in) != OK) BUG("rlp_check accepted what rlp_get_item refuses");
        if (!item.is_list) {
            rlp_put_string(out, item.payload);
            continue;
        }
        if (depth == DEPTH_MAX) BUG("rlp_check accepted what is nested too deep");
        size_t list = rlp_list_open(out);
        copy_items(out, item.payload, depth + 1);
        rlp_list_close(out, list);
    }
}

/* every reader on every prefix of the input that the one before left */
static void read_all_kinds(bytes in)
{
    uint8_t fixed[32];
    uint64_t v;
    size_t n;
    bool has;
    bytes view;
    while (in.len > 0) {
        bytes rest = in;
        IGNORE(rlp_get_u64(&v, &rest), "any verdict will do");
        rest = in;
        IGNORE(rlp_get_uint(fixed, sizeof fixed, &rest), "any verdict will do");
        rest = in;
        IGNORE(rlp_get_fixed(fixed, 20, &rest), "any verdict will do");
        rest = in;
        IGNORE(rlp_get_optional_fixed(&has, fixed, 20, &rest), "any verdict will do");
        rest = in;
        if (rlp_get_list(&view, &rest) == OK) IGNORE(rlp_count_items(&n, view), "any verdict will do");
        rest = in;
        if (rlp_get_string(&view, &rest) != OK && rlp_get_list(&view, &rest) != OK) return;
        if (rest.len >= in.len || rest.ptr + rest.len != in.ptr + in.len) BUG("a reader did not move forward");
        in = rest;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    bytes in = bytes_make(data, len);
    read_all_kinds(in);
    if (rlp_check(in, DEPTH_MAX) != OK) return 0;
    struct buf out;
    buf_init(&out, len);
    copy_items(&out, in, 0);
    if (buf_status(&out) != OK || !bytes_eq(buf_view(&out), in)) BUG("accepted RLP does not encode to itself");
    buf_fini(&out);
    return 0;
}
