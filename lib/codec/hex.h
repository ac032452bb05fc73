/* hex.h: hexadecimal text, as JSON-RPC has it ("Hex encoding" in the execution API specification):
 *   DATA      "0x" + two digits a byte           0x00ff
 *   QUANTITY  "0x" + the shortest form, 0 is 0x0  0xff
 * Decoders take digits in both cases; encoders write lower case. Text is `bytes`, never NUL-terminated. */
#ifndef LIB_CODEC_HEX_H
#define LIB_CODEC_HEX_H

#include "lib/base/buf.h"
#include "lib/base/bytes.h"
#include "lib/base/status.h"

/** hex_digit: the value of one digit, -1: it is none. No branch and no table: a compiler makes many at a time of it, and keys in hex tell nothing by the
 *  time that they take. */
static inline int hex_digit(uint8_t c)
{
    const uint8_t digit = (uint8_t)(c - '0'), letter = (uint8_t)((c | 0x20) - 'a');
    return digit < 10 ? digit : letter < 6 ? letter + 10 : -1;
}
/** hex_put: 2*len digits to dst, no prefix, no NUL. */
void hex_put(char *dst, const uint8_t *src, size_t len);
/** hex_append: "0x" and the digits of b. */
void hex_append(struct buf *out, bytes b);
/** hex_get_fixed: exactly len bytes from text with or without "0x"; ret OK | E_DECODE */
MUST_CHECK enum status hex_get_fixed(uint8_t *dst, size_t len, bytes text);
/** hex_get: append the bytes of DATA text ("0x" required unless bare) to out; ret OK | E_DECODE (odd, no digit) | out's limit */
MUST_CHECK enum status hex_get(struct buf *out, bytes text);
/** hex_get_quantity: QUANTITY to a word; strict: prefix required, no leading zero, fits; ret OK | E_DECODE | E_LIMIT */
MUST_CHECK enum status hex_get_quantity(uint64_t *v, bytes text);
/** hex_put_quantity: "0x1a" with a NUL; ret length without NUL (at most 18) */
size_t hex_put_quantity(char dst[static 19], uint64_t v);

#endif
