// peer.mjs: a line (line.mjs) run by @ethereumjs/vm, with a result of the same form as that of `poa-evm batch`.
import { createBlock } from '@ethereumjs/block'
import { Common, Mainnet } from '@ethereumjs/common'
import { RLP } from '@ethereumjs/rlp'
import { MerkleStateManager, SimpleStateManager } from '@ethereumjs/statemanager'
import { createTxFromRLP } from '@ethereumjs/tx'
import { createAccount, createAddressFromString } from '@ethereumjs/util'
import { createVM, runTx } from '@ethereumjs/vm'
import { bls12_381 as bls } from '@noble/curves/bls12-381'
import { keccak_256 } from '@noble/hashes/sha3'
import { hex, toBytes, unhex } from './asm.mjs'

// --- point evaluation (EIP-4844) on @noble/curves
const TAU_G2 = bls.G2.ProjectivePoint.fromHex(
  'b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2',
)
const { ORDER } = bls.fields.Fr
export const kzg = {
  verifyProof(commitment, z, y, proof) {
    const bad = (why) => {
      throw new Error('C_KZG_BADARGS ' + why)
    }
    const [zn, yn] = [BigInt(z), BigInt(y)]
    if (zn >= ORDER || yn >= ORDER) bad('scalar')
    let C, W
    try {
      C = bls.G1.ProjectivePoint.fromHex(commitment.slice(2))
      W = bls.G1.ProjectivePoint.fromHex(proof.slice(2))
      C.assertValidity === undefined || C.is0() || C.assertValidity()
      W.is0() || W.assertValidity()
    } catch (e) {
      bad(e.message)
    }
    const { G1, G2 } = { G1: bls.G1.ProjectivePoint.BASE, G2: bls.G2.ProjectivePoint.BASE }
    const left = yn === 0n ? C : C.subtract(G1.multiply(yn))
    const right = zn === 0n ? TAU_G2 : TAU_G2.subtract(G2.multiply(zn))
    const pairs = []
    if (!left.is0()) pairs.push({ g1: left, g2: G2.negate() })
    if (!W.is0() && !right.is0()) pairs.push({ g1: W, g2: right })
    if (pairs.length === 0) return true
    return bls.fields.Fp12.eql(bls.pairingBatch(pairs), bls.fields.Fp12.ONE)
  },
}

const HARDFORKS = { ConstantinopleFix: 'petersburg' }
const commons = new Map()
function commonOf(fork) {
  if (!commons.has(fork)) {
    const common = new Common({ chain: Mainnet, hardfork: HARDFORKS[fork] ?? fork.toLowerCase(), customCrypto: { kzg } })
    common.copy = () => common // it never changes here, and each transaction and block would copy it
    const merge = common.updateParams.bind(common), merged = new Set()
    common.updateParams = (params) => {
      if (!merged.has(params)) merge(params)
      merged.add(params)
    }
    commons.set(fork, common)
  }
  return commons.get(fork)
}
// block hashes as the official state tests have them
const blockchain = {
  async getBlock(n) {
    return { hash: () => keccak_256(new TextEncoder().encode(String(n))) }
  },
  async putBlock() {},
  shallowCopy() {
    return this
  },
}

// withRoots: on a Merkle tree, which is slow, for the root; else on flat maps, for all accounts
async function load(common, pre, withRoots) {
  const state = withRoots ? new MerkleStateManager({ common }) : new SimpleStateManager({ common })
  for (const [text, a] of Object.entries(pre)) {
    const address = createAddressFromString(text)
    await state.putAccount(address, createAccount({ nonce: BigInt(a.nonce), balance: BigInt(a.balance) }))
    if (a.code !== '0x') await state.putCode(address, unhex(a.code))
    for (const [k, v] of Object.entries(a.storage)) {
      const value = toBytes(BigInt(v), 32)
      await state.putStorage(address, toBytes(BigInt(k), 32), value.subarray(value.findIndex((x) => x !== 0)))
    }
  }
  await state.flush()
  return state
}

// post: {address: [nonce, balance, code hash, [[slot, value], ...]]}, all in one text, of flat maps or of what poa-evm dumps
const hashes = new Map()
function codeHash(code) {
  if (!hashes.has(code)) {
    if (hashes.size > 10000) hashes.clear()
    hashes.set(code, hex(keccak_256(unhex(code))))
  }
  return hashes.get(code)
}
const sorted = (o) => Object.entries(o).sort(([a], [b]) => (a < b ? -1 : 1))
export function postOf(dump) {
  const out = {}
  for (const [address, a] of sorted(dump))
    out[address] = [BigInt(a.nonce).toString(16), BigInt(a.balance).toString(16), codeHash(a.code), sorted(a.storage).map(([k, v]) => [BigInt(k).toString(16), BigInt(v).toString(16)]).sort()]
  return JSON.stringify(out)
}
function postOfMaps(state) {
  const out = {}
  const storage = {}
  for (const [key, value] of state.topStorageStack()) {
    const [address, slot] = key.split('_')
    const v = value.length === 0 ? 0n : BigInt(hex(value))
    if (v !== 0n) (storage[address] ??= []).push([BigInt(slot).toString(16), v.toString(16)])
  }
  for (const [address, a] of sorted(Object.fromEntries(state.topAccountStack())))
    if (a !== undefined) out[address] = [a.nonce.toString(16), a.balance.toString(16), hex(a.codeHash), (storage[address] ?? []).sort()]
  return JSON.stringify(out)
}

// noteRevertedEf: says in out whether init code reverted with data that begins with 0xEF: what the filter of that name goes by
function noteRevertedEf(evm, out) {
  const run = evm.runInterpreter
  evm.runInterpreter = async function (message, ...rest) {
    const r = await run.call(this, message, ...rest)
    if (message.isCreate && r.exceptionError !== undefined && r.returnValue[0] === 0xef) out.revertedEf = true
    return r
  }
}

export async function runPeer(line, withRoots = false) {
  const common = commonOf(line.fork)
  const e = line.env
  const state = await load(common, line.pre, withRoots)
  const header = {
    coinbase: e.currentCoinbase, number: BigInt(e.currentNumber), timestamp: BigInt(e.currentTimestamp), gasLimit: BigInt(e.currentGasLimit),
  }
  if (common.isActivatedEIP(1559)) header.baseFeePerGas = BigInt(e.currentBaseFee)
  if (common.isActivatedEIP(4399)) header.mixHash = toBytes(BigInt(e.currentRandom), 32)
  else header.difficulty = BigInt(e.currentDifficulty)
  if (common.isActivatedEIP(4844)) header.excessBlobGas = BigInt(e.currentExcessBlobGas)
  const out = {}
  const block = createBlock({ header }, { common, skipConsensusFormatValidation: true })
  const vm = await createVM({ common, stateManager: state, blockchain })
  if (common.isActivatedEIP(3541)) noteRevertedEf(vm.evm, out)
  try {
    const tx = createTxFromRLP(unhex(line.txbytes), { common })
    const r = await runTx(vm, { tx, block, skipHardForkValidation: true })
    out.verdict = 'valid'
    out.ok = r.execResult.exceptionError === undefined
    out.outcome = r.execResult.exceptionError?.error ?? 'success'
    out.gasUsed = Number(r.totalGasSpent)
    out.output = hex(r.execResult.returnValue)
    out.logs = hex(keccak_256(RLP.encode(r.execResult.logs ?? [])))
  } catch (err) {
    out.verdict = err.message
    out.stack = err.stack
  }
  common.events.removeAllListeners() // each machine leaves one, and with it itself
  if (withRoots) out.root = hex(await state.getStateRoot())
  else out.post = postOfMaps(state)
  return out
}
