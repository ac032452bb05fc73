/* uri.h: percent-encoding (RFC 3986, section 2): "a b/c" is "a%20b%2Fc". */
#ifndef LIB_CODEC_URI_H
#define LIB_CODEC_URI_H

#include "lib/base/buf.h"

/** uri_put: append text; unreserved characters stay as they are (letters, digits, '-', '.', '_', '~'), and '/' if keep_slash. */
void uri_put(struct buf *out, const char *text, bool keep_slash);

#endif
