/* base64.h: RFC 4648, sections 4 (padded with '=') and 5 (for URLs: '-' and '_', no padding). One text for each string of bytes: what is read encodes to
 * itself. */
#ifndef LIB_CODEC_BASE64_H
#define LIB_CODEC_BASE64_H

#include "lib/base/buf.h"

/** base64_append: the text of b, without a NUL. */
void base64_append(struct buf *out, bytes b, bool url);
/** base64_get: append the bytes of a text.  ret OK | E_DECODE: another form | out's own failure; out is untouched unless OK */
MUST_CHECK enum status base64_get(struct buf *out, bytes text, bool url);

#endif
