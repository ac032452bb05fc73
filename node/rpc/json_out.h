/* json_out.h: JSON written straight into a buf. Commas set themselves: a value or key that follows another gets one, told from the last
 * byte that stands. Nothing is checked beyond that; the writer opens and closes in order.
 *
 *     jo_open(b, '{');  jo_key(b, "number");  jo_u64(b, 26);  jo_close(b, '}');       {"number":"0x1a"} */
#ifndef NODE_RPC_JSON_OUT_H
#define NODE_RPC_JSON_OUT_H

#include "lib/base/buf.h"
#include "lib/eth/types.h"

void jo_open(struct buf *b, char bracket);
void jo_close(struct buf *b, char bracket);
void jo_key(struct buf *b, const char *key);
/** jo_str: escapes what JSON wants escaped; bytes that are no UTF-8 become '?'. */
void jo_str(struct buf *b, const char *s);
void jo_text(struct buf *b, bytes s);
void jo_bool(struct buf *b, bool v);
void jo_null(struct buf *b);
void jo_dec(struct buf *b, uint64_t v);
/** jo_u64, jo_u256: QUANTITY; jo_data: DATA */
void jo_u64(struct buf *b, uint64_t v);
void jo_u256(struct buf *b, const u256 *v);
void jo_data(struct buf *b, bytes v);
void jo_hash(struct buf *b, const hash32 *h);
void jo_address(struct buf *b, const address *a);
/** jo_raw: a value that is JSON already. */
void jo_raw(struct buf *b, bytes json);

#endif
