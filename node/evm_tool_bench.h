/* evm_tool_bench.h: `poa-evm bench` and `poa-evm run`: the EVM alone, on a world in memory. */
#ifndef NODE_EVM_TOOL_BENCH_H
#define NODE_EVM_TOOL_BENCH_H

/** evm_tool_bench: arguments after "bench": [--fork NAME] [--time MS] [--json] FILE...; a file is an official state test. Prints one line
 *  per transaction: time of one run, gas, Mgas/s.  ret exit status: 0 done, 1 failed, 2 usage */
int evm_tool_bench(int argc, char **argv);
/** evm_tool_run: arguments after "run": --code HEX [--input HEX] [--gas N] [--value N] [--fork NAME] [--static] [--trace] [--json].
 *  ret exit status: 0 the code succeeded, 1 it did not, 2 usage */
int evm_tool_run(int argc, char **argv);

#endif
