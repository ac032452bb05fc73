#include "lib/base/utf8.h"

/* U+202A..202E and U+2066..2069: what follows would be shown in another order than it stands */
static bool turns_direction(const uint8_t *p)
{
    return p[0] == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) || (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
}

size_t utf8_len(const uint8_t *p, size_t len)
{
    if (p[0] < 0x80) return p[0] >= 0x20 && p[0] != 0x7f;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > len) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    bool is_overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool is_surrogate = p[0] == 0xed && p[1] >= 0xa0, is_beyond = p[0] == 0xf4 && p[1] >= 0x90;
    bool is_c1 = p[0] == 0xc2 && p[1] < 0xa0;
    return is_overlong || is_surrogate || is_beyond || is_c1 || turns_direction(p) ? 0 : n;
}

void utf8_put_visible(struct buf *out, bytes text)
{
    for (size_t i = 0; i < text.len;) {
        size_t n = 0, more;
        while (i + n < text.len && (more = text.ptr[i + n] == '\t' ? 1 : utf8_len(text.ptr + i + n, text.len - i - n)) > 0)
            n += more;
        if (n > 0) buf_put(out, text.ptr + i, n);
        else buf_printf(out, "\\x%02x", text.ptr[i]);
        i += n > 0 ? n : 1;
    }
}
