/* abi_call.h: the part of the contract ABI that needs keccak: selectors of functions and topics of events, by signature.
 *
 *     struct abi_writer w = abi_call_begin(&out, "vote(address,bool)");
 *     abi_put_address(&w, who.b);
 *     abi_put_bool(&w, true);
 *     abi_end(&w);                       out: 4 bytes and two words */
#ifndef LIB_ETH_ABI_CALL_H
#define LIB_ETH_ABI_CALL_H

#include "lib/codec/abi.h"
#include "lib/eth/types.h"

/** abi_selector: first 4 bytes of keccak256(signature); signature as "f(uint256,address[])", no blanks, no names. */
void abi_selector(uint8_t dst[static 4], const char *signature);
/** abi_event_topic: keccak256(signature), topic 0 of the event. */
hash32 abi_event_topic(const char *signature);
/** abi_call_begin: append the selector and open the tuple of the arguments, as many as the signature has. */
struct abi_writer abi_call_begin(struct buf *out, const char *signature);

#endif
