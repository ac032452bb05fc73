#include "lib/eth/units.h"

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool get_unit(unsigned *decimals, bytes t)
{
    static const struct {
        const char *name;
        unsigned decimals;
    } units[] = {{"", 0}, {"wei", 0}, {"gwei", 9}, {"ether", 18}};
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (!bytes_eq_str(t, units[i].name)) continue;
        *decimals = units[i].decimals;
        return true;
    }
    return false;
}

static bool push_digit(u256 *v, unsigned d)
{
    u256 add = u256_from_u64(d);
    return !u256_mul_overflow(v, *v, u256_from_u64(10)) && !u256_add_carry(v, v, &add);
}

enum status units_get_wei(u256 *out, bytes text)
{
    size_t whole = 0, at;
    while (whole < text.len && is_digit(text.ptr[whole]))
        whole++;
    bytes fraction = BYTES_EMPTY;
    at = whole;
    if (at < text.len && text.ptr[at] == '.') {
        size_t from = ++at;
        while (at < text.len && is_digit(text.ptr[at]))
            at++;
        fraction = bytes_make(text.ptr + from, at - from);
        if (fraction.len == 0) return E_DECODE;
    }
    if (whole == 0) return E_DECODE;
    while (at < text.len && text.ptr[at] == ' ')
        at++;
    unsigned decimals;
    if (!get_unit(&decimals, bytes_make(text.ptr + at, text.len - at))) return E_DECODE;

    u256 v = U256_ZERO;
    for (size_t i = 0; i < whole; i++)
        if (!push_digit(&v, (unsigned)text.ptr[i] - '0')) return E_LIMIT;
    for (size_t i = 0; i < fraction.len || i < decimals; i++) {
        unsigned d = i < fraction.len ? (unsigned)fraction.ptr[i] - '0' : 0;
        if (i >= decimals) {
            if (d != 0) return E_LIMIT; /* less than one wei */
        } else if (!push_digit(&v, d)) {
            return E_LIMIT;
        }
    }
    *out = v;
    return OK;
}

size_t units_put_ether(char dst[static 100], const u256 *wei)
{
    char digits[79], padded[100];
    size_t n = u256_put_dec(digits, wei), zeros = n < 19 ? 19 - n : 0;
    memset(padded, '0', zeros);
    memcpy(padded + zeros, digits, n);
    n += zeros;
    size_t whole = n - 18, end = n;
    while (end > whole && padded[end - 1] == '0')
        end--;
    memcpy(dst, padded, whole);
    size_t len = whole;
    if (end > whole) {
        dst[len++] = '.';
        memcpy(dst + len, padded + whole, end - whole);
        len += end - whole;
    }
    dst[len] = '\0';
    return len;
}
