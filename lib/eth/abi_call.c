#include "lib/eth/abi_call.h"

#include "lib/crypto/keccak.h"

hash32 abi_event_topic(const char *signature)
{
    hash32 h;
    keccak256(h.b, signature, strlen(signature));
    return h;
}

void abi_selector(uint8_t dst[static 4], const char *signature)
{
    hash32 h = abi_event_topic(signature);
    memcpy(dst, h.b, 4);
}

struct abi_writer abi_call_begin(struct buf *out, const char *signature)
{
    uint8_t selector[4];
    const char *p = strchr(signature, '(');
    if (p == NULL || strchr(signature, ' ') != NULL) BUG("abi_call_begin: no signature");
    size_t n = p[1] != ')', depth = 0;
    for (p++; *p != '\0'; p++) {
        depth += *p == '(';
        depth -= *p == ')' && depth > 0;
        n += *p == ',' && depth == 0;
    }
    abi_selector(selector, signature);
    buf_put(out, selector, sizeof selector);
    return abi_begin(out, n);
}
