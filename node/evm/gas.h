/* gas.h: prices that are no opcode's static gas (Yellow Paper, appendix G, and the EIPs that changed it). Static gas stands in
 * opcodes.def, and what a fork makes of both in schedule.c. */
#ifndef NODE_EVM_GAS_H
#define NODE_EVM_GAS_H

#define GAS_WORD_MEMORY 3
#define GAS_QUAD_DIVISOR 512
#define GAS_WORD_COPY 3
#define GAS_WORD_KECCAK 6
#define GAS_WORD_INIT_CODE 2 /* EIP-3860 */
#define GAS_LOG_BYTE 8
#define GAS_CODE_BYTE 200
#define GAS_CALL_VALUE 9000
#define GAS_CALL_STIPEND 2300
#define GAS_NEW_ACCOUNT 25000
#define GAS_WARM 100             /* EIP-2929 */
#define GAS_COLD_ACCOUNT 2600    /* EIP-2929 */
#define GAS_COLD_SLOT 2100       /* EIP-2929 */
#define GAS_SSTORE_SET 20000
#define GAS_SSTORE_RESET 5000
#define GAS_REFUND_CLEAR 15000
#define GAS_REFUND_CLEAR_3529 4800
#define GAS_REFUND_SELFDESTRUCT 24000

#define EVM_STACK_MAX 1024
#define EVM_DEPTH_MAX 1024
/* EIP-7702: 0xef0100 || address */
#define EVM_DELEGATION_LEN 23
/* Memory of all frames together. 2^30 bytes cost over 2 * 10^12 gas: only a call with unlimited gas meets this. */
#define EVM_MEMORY_MAX ((size_t)1 << 30)

#endif
