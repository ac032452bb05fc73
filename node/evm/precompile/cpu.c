#include "node/evm/precompile/cpu_priv.h"

bool pc_cpu_has_adx;

#if defined(__x86_64__)
#include <cpuid.h>

/* Before main and its threads; a constant of the machine from then on. */
__attribute__((constructor)) static void detect(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
        pc_cpu_has_adx = (b >> 8 & 1) != 0 && (b >> 19 & 1) != 0; /* BMI2, ADX */
}
#endif
