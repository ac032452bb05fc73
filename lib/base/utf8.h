/* utf8.h: text of anybody's, as a terminal, a log and JSON may have it: well-formed UTF-8 (RFC 3629) without control characters. */
#ifndef LIB_BASE_UTF8_H
#define LIB_BASE_UTF8_H

#include "lib/base/buf.h"

/** utf8_len: length of the well-formed, printable sequence at the front of len >= 1 bytes; 0: none: no UTF-8, or a control character (C0, DEL, C1,
 *  or one that turns the direction of the text around it) */
size_t utf8_len(const uint8_t *p, size_t len);
/** utf8_put_visible: append text; each byte that utf8_len refuses becomes \xNN, but a tab stays.  example: ESC "[2J" is written \x1b[2J */
void utf8_put_visible(struct buf *out, bytes text);

#endif
