/* module: identity-store */
/* Bodies of the vault: what is taken is within its limits, and any text that is UTF-8 comes back from our JSON as it was. Input: the body. */
#include "identity-store/secrets.h"
#include "identity-store/text.h"
#include "lib/codec/rlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_text(bytes in)
{
    struct buf b;
    buf_init(&b, 8 * in.len + 64);
    json_put_text(&b, in);
    if (buf_status(&b) != OK) BUG("a text that grew more than six times");
    if (text_is_utf8(in)) {
        json_t *v = json_loadb((const char *)b.ptr, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (v == NULL || json_string_length(v) != in.len || memcmp(json_string_value(v), in.ptr, in.len) != 0) BUG("a text came back changed");
        json_decref(v);
    }
    buf_fini(&b);
}

static void check_input(bytes body)
{
    struct vault_input in;
    const char *wrong = vault_input_get(&in, body);
    if (wrong == NULL) {
        size_t n = 0;
        bytes tags = buf_view(&in.tags), t;
        if (in.value_len > SECRET_VALUE_MAX || (in.content_type && strlen(in.content_type) > CONTENT_TYPE_MAX)) BUG("a value past its limit");
        for (; tags.len > 0; n++)
            if (rlp_get_string(&t, &tags) != OK || t.len > 4 * TAG_MAX) BUG("tags");
        if (n > 2 * TAGS_MAX) BUG("too many tags");
    }
    vault_input_fini(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > 65536) return 0;
    bytes in = bytes_make(data, len);
    if (len > 0) check_text(in);
    check_input(in);
    return 0;
}
