/* xml_priv.h: as much XML as storage's lists and errors need: find an element, take its text. No general parser: elements of one name
 * are taken not to nest in themselves, which holds for these documents. */
#ifndef LIB_AZURE_XML_PRIV_H
#define LIB_AZURE_XML_PRIV_H

#include "lib/base/buf.h"

/** xml_next: the content of the next <name ...>...</name> in *in, which moves behind it; false: none. <name/> gives "". */
bool xml_next(bytes *content, bytes *in, const char *name);
/** xml_text: content of the first such element, entities resolved, to dst with NUL; false: absent, malformed or too long. */
bool xml_text(char *dst, size_t cap, bytes in, const char *name);

#endif
