/* module: lib/crypto */
/* What base64_get accepts is encoded by base64_append to itself: one text for each string of bytes. */
#include "lib/codec/base64.h"
#include "lib/crypto/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const bytes in = bytes_make(data, len);
    for (int url = 0; url < 2; url++) {
        struct buf plain, again;
        buf_init(&plain, len + 8);
        buf_init(&again, len + 8);
        if (base64_get(&plain, in, url) == OK) {
            base64_append(&again, buf_view(&plain), url);
            if (!bytes_eq(buf_view(&again), in)) BUG("accepted base64 does not encode to itself");
        }
        buf_fini(&plain);
        buf_fini(&again);
    }
    struct buf claims;
    buf_init(&claims, len + 8);
    if (jwt_verify_rs256(&claims, BYTES_LIT("no key"), in, NULL) == OK)
        BUG("a token verified without a key");
    buf_fini(&claims);
    return 0;
}
