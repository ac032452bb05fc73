#include "lib/base/secret.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

void secret_wipe(void *ptr, size_t len)
{
    if (len != 0) explicit_bzero(ptr, len); /* an empty buffer has no memory */
}

void secret_fini(secret32 *s)
{
    explicit_bzero(s->b, sizeof s->b);
}

bool ct_eq(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t d = 0;
    for (size_t i = 0; i < len; i++)
        d = (uint8_t)(d | (x[i] ^ y[i]));
    return d == 0;
}

void secret_harden_process(void)
{
    struct rlimit none = {0, 0};
    /* best effort: a sandbox may forbid either, and neither is a reason not to run */
    IGNORE(setrlimit(RLIMIT_CORE, &none), "best effort");
    IGNORE(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "best effort");
}
