// generate.mjs: one random case: a fork, a few accounts with code, a transaction. See DESCRIPTION in README.md.
import { assemble, OP, push, toBytes } from './asm.mjs'
import { AUTHORITIES, SENDER } from './keys.mjs'
import { inputFor, WEIGHTS } from './precompiles.mjs'
import { Rng } from './rng.mjs'

export const FORKS = ['Byzantium', 'Constantinople', 'ConstantinopleFix', 'Istanbul', 'Berlin', 'London', 'Paris', 'Shanghai', 'Cancun', 'Prague']
const F = Object.fromEntries(FORKS.map((name, i) => [name, i]))
const MAX = (1n << 256n) - 1n

const address = (n) => '0x' + n.toString(16).padStart(40, '0')
export const CONTRACTS = [0xc0de01, 0xc0de02, 0xc0de03, 0xc0de04].map(address)
const PLAIN = address(0xeea0) // has money, no code
const ABSENT = address(0xabcdef0123)
const COINBASE = address(0xc01bba5e)
const asWord = (a) => BigInt(a)

// opcodes that push one value and take n, by the fork that brought them
const PLAIN_OPS = [
  ['ADD', 2], ['MUL', 2], ['SUB', 2], ['DIV', 2], ['SDIV', 2], ['MOD', 2], ['SMOD', 2], ['ADDMOD', 3], ['MULMOD', 3], ['EXP', 2],
  ['SIGNEXTEND', 2], ['LT', 2], ['GT', 2], ['SLT', 2], ['SGT', 2], ['EQ', 2], ['ISZERO', 1], ['AND', 2], ['OR', 2], ['XOR', 2], ['NOT', 1],
  ['BYTE', 2], ['SHL', 2, F.Constantinople], ['SHR', 2, F.Constantinople], ['SAR', 2, F.Constantinople], ['ADDRESS', 0], ['ORIGIN', 0],
  ['CALLER', 0], ['CALLVALUE', 0], ['CALLDATASIZE', 0], ['CODESIZE', 0], ['GASPRICE', 0], ['RETURNDATASIZE', 0], ['COINBASE', 0],
  ['TIMESTAMP', 0], ['NUMBER', 0], ['PREVRANDAO', 0], ['GASLIMIT', 0], ['CHAINID', 0, F.Istanbul], ['SELFBALANCE', 0, F.Istanbul],
  ['BASEFEE', 0, F.London], ['BLOBBASEFEE', 0, F.Cancun], ['PC', 0], ['MSIZE', 0], ['GAS', 0], ['PUSH0', 0, F.Shanghai],
]

class Maker {
  constructor(r, fork) {
    this.r = r
    this.fork = fork
    this.labels = 0
    this.depth = 0 // of code within code
  }
  has(since) {
    return since === undefined || this.fork >= since || this.r.chance(0.01)
  }

  // --- constants
  word() {
    const r = this.r
    return r.weighted([
      [6, BigInt(r.below(6))],
      [2, BigInt(r.pick([31, 32, 33, 63, 64, 127, 128, 255, 256, 257, 1024, 65535, 65536]))],
      [2, 1n << BigInt(r.below(256))],
      [1, (1n << BigInt(r.below(257))) - 1n],
      [1, MAX - BigInt(r.below(4))],
      [1, (1n << 255n) + BigInt(r.below(3)) - 1n],
      [2, BigInt('0x' + Buffer.from(r.bytes(r.between(1, 32))).toString('hex'))],
      [1, asWord(this.address())],
    ])
  }
  offset() {
    const r = this.r
    return r.weighted([
      [8, BigInt(32 * r.below(8))],
      [4, BigInt(r.below(300))],
      [1, BigInt(r.pick([1023, 1024, 4096, 8191]))],
      [0.05, r.pick([1n << 16n, 1n << 20n, (1n << 32n) - 1n, 1n << 32n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n, 1n << 64n, MAX - 31n, MAX])],
    ])
  }
  len() {
    const r = this.r
    return r.weighted([[2, 0n], [5, BigInt(r.pick([1, 31, 32, 33, 64, 96]))], [3, BigInt(r.below(200))], [0.3, BigInt(r.below(5000))],
      [0.03, r.pick([1n << 24n, 1n << 32n, (1n << 64n) - 1n, MAX])]])
  }
  slot() {
    return this.r.weighted([[8, BigInt(this.r.below(4))], [1, this.word()]])
  }
  address() {
    const r = this.r
    return r.weighted([
      [8, r.pick(CONTRACTS)], [1, PLAIN], [1, ABSENT], [0.7, COINBASE], [0.7, SENDER.address], [1.5, r.pick(AUTHORITIES).address],
      [1, address(r.between(1, 18))], [0.1, address(0x100)], [0.2, address(0)],
    ])
  }

  // --- a value on the stack
  value(deep = 0) {
    const r = this.r
    const kind = r.weighted([[5, 'const'], [deep > 2 ? 0 : 5, 'op'], [1.2, 'sload'], [1.2, 'mload'], [1, 'data'], [1, 'account'], [0.4, 'tload'],
      [0.4, 'hash'], [0.4, 'blockhash'], [0.4, 'blobhash'], [0.7, 'dup'], [0.6, 'gas']])
    switch (kind) {
      case 'const': return [r.chance(0.1) ? { push: this.word(), n: 32 } : this.word()]
      case 'gas': return [OP.GAS]
      case 'op': {
        const [name, n, since] = r.pick(PLAIN_OPS)
        if (!this.has(since)) return this.value(deep + 1)
        if (name === 'EXP' && r.chance(0.7)) return [...this.value(3), this.word() & 0xffffn, OP.EXP]
        return [...Array.from({ length: n }, () => this.value(deep + 1)).flat(), OP[name]]
      }
      case 'sload': return [this.slot(), OP.SLOAD]
      case 'mload': return [this.offset(), OP.MLOAD]
      case 'data': return [r.chance(0.8) ? BigInt(r.below(80)) : this.word(), OP.CALLDATALOAD]
      case 'account': {
        const op = r.pick([['BALANCE'], ['EXTCODESIZE'], ['EXTCODEHASH', F.Constantinople]])
        return this.has(op[1]) ? [asWord(this.address()), OP[op[0]]] : this.value(deep + 1)
      }
      case 'tload': return this.has(F.Cancun) ? [this.slot(), OP.TLOAD] : this.value(deep + 1)
      case 'hash': return [this.len() & 0xfffn, this.offset() & 0xfffn, OP.KECCAK256]
      case 'blockhash': return [r.pick([[OP.NUMBER], [1n, OP.NUMBER, OP.SUB], [BigInt(r.between(250, 260)), OP.NUMBER, OP.SUB], [this.word()]]), OP.BLOCKHASH].flat()
      case 'blobhash': return this.has(F.Cancun) ? [BigInt(r.below(4)), OP.BLOBHASH] : this.value(deep + 1)
      case 'dup': return [BigInt(r.below(9)), OP.DUP1]
    }
    throw new Error(kind)
  }
  // what becomes of the value on top
  consume() {
    const r = this.r
    return r.weighted([
      [4, [this.slot(), OP.SSTORE]],
      [4, [this.offset() & 0xfffn, OP.MSTORE]],
      [1, [OP.POP]],
      [1.5, []],
      [1, this.has(F.Cancun) ? [this.slot(), OP.TSTORE] : [OP.POP]],
      [0.5, [this.offset() & 0xfffn, OP.MSTORE8]],
    ])
  }
  // bytes to memory at 0
  store(b, at = 0) {
    const items = []
    for (let i = 0; i < b.length; i += 32) {
      const word = new Uint8Array(32)
      word.set(b.subarray(i, i + 32))
      const v = BigInt('0x' + Buffer.from(word).toString('hex'))
      items.push(v, BigInt(at + i), OP.MSTORE)
    }
    return items
  }
  gasItem() {
    const r = this.r
    return r.weighted([[8, OP.GAS], [1, 0n], [1, BigInt(r.pick([100, 700, 2299, 2300, 2301, 2600, 5000, 9000]))], [2, BigInt(r.between(3000, 60000))], [1, MAX]])
  }
  call(to) {
    const r = this.r
    const op = r.weighted([[5, OP.CALL], [2, OP.CALLCODE], [3, OP.DELEGATECALL], [3, OP.STATICCALL]])
    const value = op === OP.CALL || op === OP.CALLCODE ? [r.weighted([[5, 0n], [2, 1n], [1, BigInt(r.below(1000))], [0.5, 1n << 100n], [0.3, MAX]])] : []
    return [this.len() & 0x1fffn, this.offset(), this.len() & 0x1fffn, this.offset() & 0xfffn, ...value, asWord(to ?? this.address()), this.gasItem(), op]
  }
  afterCall() {
    const r = this.r
    return [...this.consume(), ...(r.chance(0.4) ? [OP.RETURNDATASIZE, ...this.consume()] : []),
      ...(r.chance(0.3) ? [r.chance(0.9) ? OP.RETURNDATASIZE : this.len(), r.chance(0.95) ? 0n : this.len(), this.offset() & 0xfffn, OP.RETURNDATACOPY] : [])]
  }
  // init code: bytes
  init() {
    const r = this.r
    this.depth++
    const steps = this.depth > 2 ? [] : this.steps(r.below(3))
    steps.push(r.weighted([
      [4, () => {
        const runtime = this.depth > 2 ? new Uint8Array([0x60, 1, 0x60, 0, 0x55]) : assemble(this.program(r.between(1, 4)))
        return [...this.store(runtime), BigInt(runtime.length), 0n, OP.RETURN]
      }],
      [1, () => [this.len() & 0x3ffn, 0n, OP.RETURN]],
      [0.4, () => [BigInt(r.pick([24575, 24576, 24577, 49152, 49153])), 0n, OP.RETURN]],
      [0.4, () => [0xefn, 0n, OP.MSTORE8, 2n, 0n, OP.RETURN]],
      [1, () => [this.len() & 0xffn, 0n, OP.REVERT]],
      [0.6, () => [OP.STOP]],
      [0.6, () => [asWord(this.address()), OP.SELFDESTRUCT]],
      [0.3, () => [OP.INVALID]],
    ])())
    this.depth--
    return assemble(steps)
  }

  // --- steps
  step() {
    const r = this.r
    return r.weighted([
      [6, () => [...this.value(), ...this.consume()]],
      [2, () => [...this.value(), this.slot(), OP.SSTORE]],
      [2, () => this.memory()],
      [5, () => [...this.call(), ...this.afterCall()]],
      [2.5, () => this.precompile()],
      [1.8, () => this.create()],
      [0.8, () => this.log()],
      [1, () => this.branch()],
      [0.8, () => this.loop()],
      [0.5, () => this.shuffle()],
      [0.12, () => [asWord(this.address()), OP.SELFDESTRUCT]],
      [0.12, () => this.end()],
      [0.15, () => [r.bytes(r.between(1, 6))]],
      [0.08, () => [...this.value(), r.pick([OP.JUMP, OP.JUMPI])]],
      [0.08, () => this.deepStack()],
      [0.1, () => this.hiddenJump()],
      [0.5, () => this.destroyed()],
      [0.4, () => this.refunds()],
    ])()
  }
  memory() {
    const r = this.r
    const copy = r.pick(['CALLDATACOPY', 'CODECOPY', 'EXTCODECOPY', 'RETURNDATACOPY', 'MCOPY'])
    if (copy === 'MCOPY' && !this.has(F.Cancun)) return this.memory()
    const args = [this.len(), this.offset(), this.offset()]
    if (copy === 'RETURNDATACOPY' && r.chance(0.93)) args.splice(0, 2, r.chance(0.5) ? OP.RETURNDATASIZE : 0n, 0n)
    if (copy === 'EXTCODECOPY') args.push(asWord(this.address()))
    return [...args, OP[copy]]
  }
  precompile() {
    const r = this.r
    const number = r.weighted(WEIGHTS.filter(([, n]) => n <= (this.fork >= F.Prague ? 17 : this.fork >= F.Cancun ? 10 : this.fork >= F.Istanbul ? 9 : 8)))
    const input = inputFor(number, r)
    const op = r.weighted([[3, OP.STATICCALL], [2, OP.CALL], [1, OP.DELEGATECALL], [1, OP.CALLCODE]])
    const value = op === OP.CALL || op === OP.CALLCODE ? [r.chance(0.8) ? 0n : 1n] : []
    const gas = r.weighted([[6, OP.GAS], [1, BigInt(r.between(0, 5000))], [1, BigInt(r.between(5000, 120000))]])
    return [...this.store(input), r.chance(0.8) ? BigInt(r.between(0, 256)) : this.len(), 0x400n, BigInt(input.length), 0n, ...value, BigInt(number), gas, op,
      ...this.consume(), OP.RETURNDATASIZE, 0n, 0x600n, OP.RETURNDATACOPY, OP.RETURNDATASIZE, 0x600n, OP.KECCAK256, BigInt(r.between(4, 7)), OP.SSTORE]
  }
  create() {
    const r = this.r
    const init = this.init()
    const two = this.has(F.Constantinople) && r.chance(0.5)
    const len = r.weighted([[12, BigInt(init.length)], [1, this.len() & 0x3ffn], [0.3, BigInt(r.pick([49151, 49152, 49153]))]])
    const value = r.weighted([[5, 0n], [2, 1n], [0.4, 1n << 100n]])
    const items = [...this.store(init), ...(two ? [BigInt(r.below(2))] : []), len, 0n, value, two ? OP.CREATE2 : OP.CREATE]
    if (r.chance(0.5)) {
      // call what was made
      items.push(OP.DUP1, this.slot(), OP.SSTORE, 0n, 0n, 0n, 0n, r.chance(0.8) ? 0n : 1n, OP.DUP1 + 5, OP.GAS, OP.CALL, ...this.consume())
      if (r.chance(0.5)) items.push(OP.POP)
    } else {
      items.push(...this.consume())
    }
    if (r.chance(0.3)) items.push(OP.RETURNDATASIZE, ...this.consume())
    return items
  }
  log() {
    const n = this.r.below(5)
    return [...Array.from({ length: n }, () => this.word()), this.len(), this.offset() & 0xfffn, OP.LOG0 + n]
  }
  branch() {
    const r = this.r
    const end = `b${this.labels++}`
    const inside = r.chance(0.2) ? [r.bytes(3)] : [...this.value(1), ...this.consume()]
    return [...this.value(1), { to: end }, OP.JUMPI, ...inside, { label: end }]
  }
  loop() {
    // counts down on the stack; the body leaves the stack as it was
    const r = this.r
    const top = `l${this.labels++}`
    const body = r.weighted([
      [2, [...this.value(2), this.slot(), OP.SSTORE]],
      [2, [OP.DUP1, OP.DUP1, OP.MSTORE]],
      [1, [OP.DUP1, OP.DUP1, OP.MUL, 0n, OP.MLOAD, OP.ADD, 0n, OP.MSTORE]],
      [1, [OP.GAS, this.slot(), OP.SLOAD, OP.ADD, OP.POP]],
      [1, [32n, 0n, OP.KECCAK256, 0n, OP.MSTORE]],
    ])
    return [BigInt(r.between(1, 20)), { label: top }, ...body, 1n, OP.SWAP1, OP.SUB, OP.DUP1, { to: top }, OP.JUMPI, OP.POP]
  }
  shuffle() {
    const r = this.r
    const n = r.between(1, 16)
    return [...Array.from({ length: n + 1 }, () => BigInt(r.below(300))), OP.SWAP1 + n - 1, OP.DUP1 + n - 1, ...this.consume()]
  }
  deepStack() {
    // up to the limit of 1024, or over it
    const top = `d${this.labels++}`
    return [BigInt(this.r.pick([1000, 1020, 1021, 1022, 1023, 1024])), { label: top }, OP.DUP1, 1n, OP.SWAP1, OP.SUB, OP.DUP1, { to: top }, OP.JUMPI]
  }
  hiddenJump() {
    // to a 0x5b inside of push data, which is no place to jump to, or right behind it, which is
    const at = `h${this.labels++}`
    return this.r.chance(0.3) ? [{ to: at }, 1n, OP.ADD, OP.JUMP, { label: at }, new Uint8Array([0x61, 0x5b, 0x5b, 0x50])]
      : [{ to: at }, 4n, OP.ADD, OP.JUMP, { label: at }, new Uint8Array([0x61, 0x5b, 0x5b, 0x5b, 0x00])]
  }
  destroyed() {
    // made, perhaps paid, destroyed, paid again, all in one transaction (EIP-6780)
    const r = this.r
    const heir = r.weighted([[3, [OP.CALLER]], [2, [OP.ADDRESS]], [3, [asWord(this.address())]]])
    const runtime = assemble([[...heir, OP.SELFDESTRUCT]])
    const init = r.chance(0.3) ? runtime : assemble([[...this.store(runtime), BigInt(runtime.length), 0n, OP.RETURN]])
    const items = [...this.store(init), BigInt(init.length), 0n, r.pick([0n, 0n, 1n]), OP.CREATE]
    for (let n = r.below(3); n > 0; n--) items.push(0n, 0n, 0n, 0n, r.pick([0n, 1n]), OP.DUP1 + 5, OP.GAS, r.pick([OP.CALL, OP.CALL, OP.CALLCODE]), OP.POP)
    items.push(...r.pick([[OP.BALANCE], [OP.EXTCODESIZE], [OP.POP, OP.GAS]]), ...this.consume())
    return items
  }
  refunds() {
    // a slot goes through values, so that every row of EIP-2200's table is met
    const r = this.r
    const slot = BigInt(r.below(4))
    return Array.from({ length: r.between(2, 5) }, () => [r.pick([0n, 0n, 1n, 2n, MAX]), slot, OP.SSTORE]).flat()
  }
  end() {
    const r = this.r
    return r.weighted([
      [4, [this.len() & 0xfffn, this.offset() & 0xfffn, OP.RETURN]],
      [2, [this.len() & 0xfffn, this.offset() & 0xfffn, OP.REVERT]],
      [2, [OP.STOP]],
      [0.3, [OP.INVALID]],
      [0.5, [asWord(this.address()), OP.SELFDESTRUCT]],
      [0.3, [OP.MSIZE, 0n, OP.RETURN]],
    ])
  }
  steps(n) {
    return Array.from({ length: n }, () => this.step())
  }
  program(n) {
    return [...this.steps(n), this.end()]
  }
}

function authorizations(m) {
  const r = m.r
  const used = new Map([[SENDER.address, 1]]) // the transaction itself counts first
  return Array.from({ length: r.weighted([[4, 1], [3, 2], [2, 3], [0.3, 0]]) }, () => {
    const signer = r.weighted([[6, r.pick(AUTHORITIES)], [1, SENDER]])
    const right = used.get(signer.address) ?? 0
    const nonce = r.weighted([[8, BigInt(right)], [1, BigInt(right + 1)], [0.4, (1n << 64n) - 1n], [0.3, (1n << 64n) - 2n]])
    const a = {
      chainId: r.weighted([[4, 1], [3, 0], [1, 2]]), nonce, signer,
      address: r.weighted([[6, r.pick(CONTRACTS)], [1, address(0)], [1.5, address(r.between(1, 18))], [1, r.pick(AUTHORITIES).address], [0.5, ABSENT], [0.5, SENDER.address]]),
      broken: r.weighted([[12, null], [0.5, 'high s'], [0.5, 'r'], [0.3, 'zero'], [0.3, 'parity']]),
    }
    if (nonce === BigInt(right) && a.broken === null && a.chainId !== 2) used.set(signer.address, right + 1)
    return a
  })
}

function transaction(m, env) {
  const r = m.r
  const f = m.fork
  const types = [[3, 0]]
  if (f >= F.Berlin) types.push([2, 1])
  if (f >= F.London) types.push([3, 2])
  if (f >= F.Cancun) types.push([1.5, 3])
  if (f >= F.Prague) types.push([4, 4])
  const type = r.chance(0.003) ? r.below(5) : r.weighted(types)
  const tx = { type, chainId: type === 0 && r.chance(0.3) ? 0 : 1, nonce: 0, value: r.weighted([[5, 0n], [2, 1n], [1, BigInt(r.below(100000))]]) }
  const creates = type < 3 && r.chance(0.12)
  tx.to = creates ? null : r.weighted([[14, CONTRACTS[0]], [2, m.address()]])
  tx.data = creates ? m.init() : r.weighted([[5, r.bytes(r.below(100))], [1, new Uint8Array(0)], [1, new Uint8Array(r.below(1500))], [0.5, r.bytes(r.below(1500))],
    [0.7, inputFor(r.weighted(WEIGHTS), r)]])
  const tokens = tx.data.reduce((n, b) => n + (b === 0 ? 1 : 4), 0)
  if (type >= 1) {
    tx.accessList = Array.from({ length: r.weighted([[3, 0], [2, 1], [1, 2]]) }, () => ({
      address: m.address(), keys: Array.from({ length: r.below(4) }, () => m.slot().toString()),
    }))
  }
  if (type === 4) tx.auths = authorizations(m)
  // what is due beforehand, about: then a little, or enough
  const due = 21000 + (creates ? 32000 + 2 * Math.ceil(tx.data.length / 32) : 0) + tokens * (f >= F.Istanbul ? 4 : 17) +
    (tx.accessList ?? []).reduce((n, e) => n + 2400 + 1900 * e.keys.length, 0) + 25000 * (tx.auths?.length ?? 0)
  const least = f >= F.Prague ? Math.max(due, 21000 + 10 * tokens) : due
  tx.gas = r.weighted([[7, least + r.between(300000, 2500000)], [3, least + r.between(50000, 300000)], [1.5, least + r.between(0, 50000)], [0.3, least], [0.15, due - 1], [0.1, 21000]])
  tx.gasPrice = BigInt(env.baseFee + r.below(50))
  tx.tip = BigInt(r.pick([0, 1, 10, 1000]))
  if (tx.tip > tx.gasPrice) tx.tip = tx.gasPrice
  if (type === 3) {
    tx.blobFee = BigInt(r.pick([1, 1000, 1000000, 1000000]))
    tx.blobs = Array.from({ length: r.weighted([[6, 1], [3, 2], [0.2, 0], [0.5, 6], [0.3, 7]]) }, () => '0x' + r.weighted([[30, '01'], [1, '02']]) + Buffer.from(r.bytes(31)).toString('hex'))
  }
  if (r.chance(0.01)) tx.nonce = 1
  if (r.chance(0.006)) tx.gasPrice = BigInt(Math.max(0, env.baseFee - 1))
  if (r.chance(0.006)) tx.tip = tx.gasPrice + 1n
  if (r.chance(0.006)) tx.value = 1n << 200n
  if (r.chance(0.005)) tx.chainId = 3
  return tx
}

// generate: case number `index` of a seed
export function generate(seed, index) {
  const r = new Rng(seed, index)
  const fork = r.weighted([[1, 0], [1, 1], [1, 2], [1.5, 3], [1.5, 4], [1.5, 5], [1, 6], [1.5, 7], [3, 8], [6, 9]])
  const m = new Maker(r, fork)
  const env = {
    coinbase: r.weighted([[6, COINBASE], [0.5, CONTRACTS[1]], [0.5, SENDER.address], [0.3, ABSENT], [0.2, address(3)]]), number: r.pick([1, 5, 300, 1000000]),
    timestamp: r.pick([1000, 0x54c98c81]), gasLimit: 30000000, difficulty: 0x20000, random: BigInt(r.u32()) << 200n,
    baseFee: fork >= F.London ? r.pick([7, 10, 1000]) : 0, excessBlobGas: r.pick([0, 0, 0x60000, 10000000]),
  }
  const accounts = CONTRACTS.map((a, i) => ({
    address: a, nonce: r.pick([0, 1, 1, 5]), balance: r.pick([0n, 1n, 1000000n, 1n << 90n]), steps: m.program(i === 0 ? r.between(2, 10) : r.between(0, 5)),
    storage: Object.fromEntries(Array.from({ length: r.below(4) }, (_, k) => [k, r.pick([1n, 2n, MAX, BigInt(r.u32()) + 1n])])),
  }))
  accounts.push({ address: SENDER.address, nonce: 0, balance: 1n << 120n, storage: {} })
  accounts.push({ address: PLAIN, nonce: 0, balance: 12345n, storage: {} })
  if (r.chance(0.04)) accounts[r.between(1, 3)].steps = [[r.bytes(r.below(200))]]
  if (r.chance(0.04)) accounts[r.between(1, 3)].steps.push([OP.PUSH1 + r.below(32), r.bytes(r.below(3))]) // a PUSH that the end cuts off
  if (r.chance(0.7)) accounts.push({ address: COINBASE, nonce: 0, balance: 1n, storage: {} })
  if (fork >= F.Prague) {
    for (const a of AUTHORITIES)
      if (r.chance(0.4)) {
        const to = r.weighted([[5, r.pick(CONTRACTS)], [1, address(r.between(1, 18))], [1, r.pick(AUTHORITIES).address], [0.5, ABSENT]])
        accounts.push({ address: a.address, nonce: 0, balance: 1n, storage: {}, delegate: to })
      }
    if (r.chance(0.1)) accounts.find((a) => a.address === SENDER.address).delegate = r.pick(CONTRACTS)
  }
  const tx = transaction(m, env)
  if (accounts.some((a) => a.address === SENDER.address && a.delegate) && tx.auths === undefined && r.chance(0.3)) tx.to = SENDER.address
  return { seed, index, fork: FORKS[fork], env, accounts, tx }
}

export { push, toBytes }
