/* cpu_priv.h: what the machine can. Asked by CPUID once, since clang's __builtin_cpu_supports does not know of ADX. */
#ifndef NODE_EVM_PRECOMPILE_CPU_PRIV_H
#define NODE_EVM_PRECOMPILE_CPU_PRIV_H

#include "lib/base/attr.h"

/** pc_cpu_has_adx: MULX, ADCX and ADOX; set before main runs, never written again. */
extern __attribute__((visibility("hidden"))) bool pc_cpu_has_adx;

#endif
