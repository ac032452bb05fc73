// asm.mjs: programs as lists of steps, steps as lists of items, so that a program can be cut down and still be put together.
//   number        an opcode
//   Uint8Array    bytes as they are
//   bigint        the shortest PUSH of that value
//   {push, n}     PUSHn of a value
//   {label}       JUMPDEST
//   {to}          PUSH2 of the label's place; 0 when the label was cut away
// Labels are known by objects' names, unique in a program.

export const OP = {
  STOP: 0x00, ADD: 0x01, MUL: 0x02, SUB: 0x03, DIV: 0x04, SDIV: 0x05, MOD: 0x06, SMOD: 0x07, ADDMOD: 0x08, MULMOD: 0x09, EXP: 0x0a,
  SIGNEXTEND: 0x0b, LT: 0x10, GT: 0x11, SLT: 0x12, SGT: 0x13, EQ: 0x14, ISZERO: 0x15, AND: 0x16, OR: 0x17, XOR: 0x18, NOT: 0x19,
  BYTE: 0x1a, SHL: 0x1b, SHR: 0x1c, SAR: 0x1d, KECCAK256: 0x20, ADDRESS: 0x30, BALANCE: 0x31, ORIGIN: 0x32, CALLER: 0x33,
  CALLVALUE: 0x34, CALLDATALOAD: 0x35, CALLDATASIZE: 0x36, CALLDATACOPY: 0x37, CODESIZE: 0x38, CODECOPY: 0x39, GASPRICE: 0x3a,
  EXTCODESIZE: 0x3b, EXTCODECOPY: 0x3c, RETURNDATASIZE: 0x3d, RETURNDATACOPY: 0x3e, EXTCODEHASH: 0x3f, BLOCKHASH: 0x40,
  COINBASE: 0x41, TIMESTAMP: 0x42, NUMBER: 0x43, PREVRANDAO: 0x44, GASLIMIT: 0x45, CHAINID: 0x46, SELFBALANCE: 0x47, BASEFEE: 0x48,
  BLOBHASH: 0x49, BLOBBASEFEE: 0x4a, POP: 0x50, MLOAD: 0x51, MSTORE: 0x52, MSTORE8: 0x53, SLOAD: 0x54, SSTORE: 0x55, JUMP: 0x56,
  JUMPI: 0x57, PC: 0x58, MSIZE: 0x59, GAS: 0x5a, JUMPDEST: 0x5b, TLOAD: 0x5c, TSTORE: 0x5d, MCOPY: 0x5e, PUSH0: 0x5f, PUSH1: 0x60,
  DUP1: 0x80, SWAP1: 0x90, LOG0: 0xa0, CREATE: 0xf0, CALL: 0xf1, CALLCODE: 0xf2, RETURN: 0xf3, DELEGATECALL: 0xf4, CREATE2: 0xf5,
  STATICCALL: 0xfa, REVERT: 0xfd, INVALID: 0xfe, SELFDESTRUCT: 0xff,
}

export function toBytes(v, n) {
  const out = new Uint8Array(n)
  for (let i = n - 1; i >= 0; i--) {
    out[i] = Number(v & 0xffn)
    v >>= 8n
  }
  return out
}

export function push(v, n) {
  if (n === undefined) {
    n = 1
    while (v >> BigInt(8 * n) !== 0n) n++
  }
  const out = new Uint8Array(n + 1)
  out[0] = OP.PUSH1 - 1 + n
  out.set(toBytes(v, n), 1)
  return out
}

function sizeOf(item) {
  if (typeof item === 'number') return 1
  if (item instanceof Uint8Array) return item.length
  if (typeof item === 'bigint') return push(item).length
  if (item.push !== undefined) return item.n + 1
  return item.label !== undefined ? 1 : 3
}

// assemble: steps to bytes
export function assemble(steps) {
  const places = new Map()
  let at = 0
  for (const step of steps)
    for (const item of step) {
      if (item.label !== undefined) places.set(item.label, at)
      at += sizeOf(item)
    }
  const out = new Uint8Array(at)
  at = 0
  for (const step of steps)
    for (const item of step) {
      if (typeof item === 'number') out[at] = item
      else if (item instanceof Uint8Array) out.set(item, at)
      else if (typeof item === 'bigint') out.set(push(item), at)
      else if (item.push !== undefined) out.set(push(item.push, item.n), at)
      else if (item.label !== undefined) out[at] = OP.JUMPDEST
      else out.set(push(BigInt(places.get(item.to) ?? 0), 2), at)
      at += sizeOf(item)
    }
  return out
}

export const hex = (b) => '0x' + Buffer.from(b.buffer, b.byteOffset, b.length).toString('hex')
export const unhex = (s) => Uint8Array.from(Buffer.from(s.replace(/^0x/, ''), 'hex'))
export const quantity = (v) => '0x' + BigInt(v).toString(16)
