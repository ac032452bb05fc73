#include "lib/codec/uri.h"

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

void uri_put(struct buf *out, const char *text, bool keep_slash)
{
    for (; *text != '\0'; text++) {
        if (is_unreserved(*text) || (*text == '/' && keep_slash)) buf_put_u8(out, (uint8_t)*text);
        else buf_printf(out, "%%%02X", (unsigned)(uint8_t)*text);
    }
}
