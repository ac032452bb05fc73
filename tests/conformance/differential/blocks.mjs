// blocks.mjs: blocks of Prague, built by @ethereumjs/vm, as official block tests in ../blocks: requests of all three kinds (EIP-7685, 6110,
// 7002, 7251), the history contract (EIP-2935), the blob schedule of EIP-7691, set-code transactions, the passage from Cancun.
//   node blocks.mjs        writes the files anew; what they hold is fixed, so that nothing changes when nothing changed
import { createBlock } from '@ethereumjs/block'
import { createCustomCommon, Mainnet } from '@ethereumjs/common'
import { RLP } from '@ethereumjs/rlp'
import { MerkleStateManager } from '@ethereumjs/statemanager'
import { createTxFromRLP } from '@ethereumjs/tx'
import { bytesToHex, createAccount, createAddressFromString, createWithdrawal } from '@ethereumjs/util'
import { buildBlock, createVM } from '@ethereumjs/vm'
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { assemble, hex, OP, quantity, toBytes, unhex } from './asm.mjs'
import { AUTHORITIES, encode, SENDER } from './keys.mjs'
import { kzg } from './peer.mjs'

const SYSTEM = 0xfffffffffffffffffffffffffffffffffffffffen
const DEPOSIT = '0x00000000219ab540356cbb839cbe05303d7705fa'
const WITHDRAWAL = '0x00000961ef480eb55e80d19ad83579a64c007002'
const CONSOLIDATION = '0x0000bbddc7ce488642fb579f8b00f3a590007251'
const HISTORY = '0x0000f90827f1c53a10cb7a02335b175320002935'
const BEACON = '0x000f3df6d732807ef1319fb7b8bb8522d0beac02'
const TARGET = '0x00000000000000000000000000000000000c0de1'
const COINBASE = '0x00000000000000000000000000000000c01bba5e'
const TOPIC = 0x649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5n

// Contracts of our own in the places of the official ones: what is tried is the client around them.
const onlySystem = (yes, no) => assemble([[OP.CALLER, SYSTEM, OP.EQ, { to: 'system' }, OP.JUMPI], no, [{ label: 'system' }], yes])
// log: the call's data under the topic that the first word of the value picks
const logs = assemble([[OP.CALLDATASIZE, 0n, 0n, OP.CALLDATACOPY, TOPIC, OP.CALLVALUE, OP.ADD, OP.CALLDATASIZE, 0n, OP.LOG0 + 1]])
// queue: each call counts one; the system takes `size` bytes for each, beginning with its address
const queue = (size) => onlySystem(
  [0n, OP.SLOAD, BigInt(size), OP.MUL, OP.CALLER, 0n, OP.MSTORE, 0n, 0n, OP.SSTORE, 0n, OP.RETURN],
  [1n, 0n, OP.SLOAD, OP.ADD, 0n, OP.SSTORE, OP.STOP],
)
const history = onlySystem([0n, OP.CALLDATALOAD, 8191n, 1n, OP.NUMBER, OP.SUB, OP.MOD, OP.SSTORE, OP.STOP], [OP.INVALID])
const beacon = onlySystem(
  [OP.TIMESTAMP, 8191n, OP.TIMESTAMP, OP.MOD, OP.SSTORE, 0n, OP.CALLDATALOAD, 8191n, 8191n, OP.TIMESTAMP, OP.MOD, OP.ADD, OP.SSTORE, OP.STOP],
  [OP.INVALID],
)
// target: writes down the parent's hash, the blob base fee and the first blob's hash, by the number of the block
const target = assemble([[1n, OP.NUMBER, OP.SUB, OP.BLOCKHASH, OP.NUMBER, OP.SSTORE, OP.BLOBBASEFEE, 100n, OP.NUMBER, OP.ADD, OP.SSTORE, 0n, OP.BLOBHASH, 200n, OP.NUMBER, OP.ADD, OP.SSTORE]])

const ALLOC = {
  [SENDER.address]: { balance: 10n ** 24n, nonce: 0n, code: '0x' },
  [DEPOSIT]: { balance: 0n, nonce: 1n, code: hex(logs) },
  [WITHDRAWAL]: { balance: 0n, nonce: 1n, code: hex(queue(76)) },
  [CONSOLIDATION]: { balance: 0n, nonce: 1n, code: hex(queue(116)) },
  [HISTORY]: { balance: 0n, nonce: 1n, code: hex(history) },
  [BEACON]: { balance: 0n, nonce: 1n, code: hex(beacon) },
  [TARGET]: { balance: 0n, nonce: 1n, code: hex(target) },
}

function depositData(n) {
  const sizes = [48, 32, 8, 96, 8]
  const heads = [], tails = []
  let at = 160
  for (const size of sizes) {
    const padded = Math.ceil(size / 32) * 32
    heads.push(toBytes(BigInt(at), 32))
    const body = new Uint8Array(padded)
    body.fill(n, 0, size)
    tails.push(toBytes(BigInt(size), 32), body)
    at += 32 + padded
  }
  return Uint8Array.from(Buffer.concat([...heads, ...tails]))
}
const blob = (n) => '0x01' + n.toString(16).padStart(62, '0')
const tx = (more) => ({ type: 2, chainId: 1, value: 0n, tip: 1n, gasPrice: 1000n, gas: 200000, data: new Uint8Array(0), accessList: [], ...more })
const deposit = (n, value = 0n) => tx({ to: DEPOSIT, data: depositData(n), value })
const blobs = (n) => tx({ type: 3, to: TARGET, blobFee: 1000000n, blobs: Array.from({ length: n }, (_, i) => blob(i + 1)) })

function commonOf(network) {
  const at = { Prague: 0, CancunToPragueAtTime15k: 15000 }[network]
  const last = Mainnet.hardforks.findIndex((h) => h.name === 'prague')
  const hardforks = Mainnet.hardforks.slice(0, last + 1).map((h) =>
    h.timestamp === undefined ? { ...h, block: 0 } : { ...h, block: null, timestamp: h.name === 'prague' ? at : 0 })
  return createCustomCommon({ hardforks, chainId: 1 }, Mainnet, { hardfork: at === 0 ? 'prague' : 'cancun', customCrypto: { kzg } })
}

async function load(common, alloc) {
  const state = new MerkleStateManager({ common })
  for (const [text, a] of Object.entries(alloc)) {
    const address = createAddressFromString(text)
    await state.putAccount(address, createAccount({ nonce: a.nonce, balance: a.balance }))
    if (a.code !== '0x') await state.putCode(address, unhex(a.code))
  }
  return state
}

async function make(name, network, blocks, { alloc = ALLOC, excess = 0, first = 1000, change, refused } = {}) {
  const common = commonOf(network)
  const state = await load(common, alloc)
  const opts = { common, setHardfork: true, skipConsensusFormatValidation: true }
  let parent = createBlock({
    header: {
      number: 0, timestamp: first, gasLimit: 30000000, baseFeePerGas: 7, difficulty: 0, stateRoot: await state.getStateRoot(), excessBlobGas: excess, blobGasUsed: 0, coinbase: COINBASE,
      ...(common.hardfork() === 'prague' ? { requestsHash: unhex('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855') } : {}),
    },
    withdrawals: [],
  }, opts)
  const genesis = parent
  const made = new Map([[0, genesis]])
  const blockchain = {
    async getBlock(n) {
      return made.get(Number(n))
    },
    async putBlock() {},
    shallowCopy() {
      return this
    },
  }
  const out = []
  let nonce = 0
  for (const b of blocks) {
    const timestamp = b.timestamp ?? Number(parent.header.timestamp) + 12
    const forked = common.copy()
    forked.setHardforkBy({ blockNumber: parent.header.number + 1n, timestamp })
    const vm = await createVM({ common: forked, stateManager: state, blockchain })
    const builder = await buildBlock(vm, {
      parentBlock: parent,
      headerData: { timestamp, coinbase: COINBASE, parentBeaconBlockRoot: toBytes(BigInt(timestamp) << 8n, 32), gasLimit: 30000000, mixHash: toBytes(BigInt(timestamp), 32), extraData: new Uint8Array(0) },
      withdrawals: (b.withdrawals ?? []).map((w) => createWithdrawal(w)),
      blockOpts: { common: forked, setHardfork: true, skipConsensusFormatValidation: true, putBlockIntoBlockchain: false, freeze: false },
    })
    for (const t of b.txs ?? []) await builder.addTransaction(createTxFromRLP(encode({ ...t, nonce: nonce++ }), { common: forked }), { skipHardForkValidation: true, allowNoBlobs: true })
    const { block } = await builder.build()
    made.set(Number(block.header.number), block)
    parent = block
    out.push({ block, raw: block.raw() })
  }
  if (change !== undefined) change(out)
  const last = refused ? out.length - 2 : out.length - 1
  const head = last < 0 ? genesis : out[last].block
  const pre = Object.fromEntries(Object.entries(alloc).map(([a, v]) => [a, { balance: quantity(v.balance), nonce: quantity(v.nonce), code: v.code, storage: {} }]))
  return {
    [name]: {
      network, sealEngine: 'NoProof', genesisRLP: hex(RLP.encode(genesis.raw())),
      blocks: out.map(({ raw }, i) => ({ rlp: hex(RLP.encode(raw)), ...(refused && i === out.length - 1 ? { expectException: refused } : { blockHeader: { hash: bytesToHex(out[i].block.hash()) } }) })),
      lastblockhash: bytesToHex(head.hash()), postStateHash: bytesToHex(head.header.stateRoot), pre,
    },
  }
}

const REQUESTS = 20 // place of requestsHash in a header
const call = (to, more = {}) => tx({ to, ...more })
const auth = (nonce, address, signer = AUTHORITIES[0]) => ({ chainId: 1, nonce: BigInt(nonce), address, signer, broken: null })
const without = (address) => Object.fromEntries(Object.entries(ALLOC).filter(([a]) => a !== address))
const busy = [{ txs: [call(WITHDRAWAL), deposit(1), call(CONSOLIDATION), call(WITHDRAWAL), deposit(2)] }]

const tests = {
  requests: await make('requests', 'Prague', [{}, ...busy, { txs: [call(TARGET)] }, { txs: [deposit(7), deposit(8, 1n)] }, { txs: [call(CONSOLIDATION), call(CONSOLIDATION)] }]),
  requestsOfNothing: await make('requestsOfNothing', 'Prague', [{}, {}], {}),
  requestsHashWrong: await make('requestsHashWrong', 'Prague', busy, { refused: 'BlockException.INVALID_REQUESTS', change: (b) => (b[0].raw[0][REQUESTS] = unhex('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')) }),
  requestsHashMissing: await make('requestsHashMissing', 'Prague', [{}, {}], { refused: 'BlockException.INCORRECT_BLOCK_FORMAT', change: (b) => b[1].raw[0].pop() }),
  withdrawalContractMissing: await make('withdrawalContractMissing', 'Prague', [{}], { alloc: without(WITHDRAWAL), refused: 'BlockException.SYSTEM_CONTRACT_EMPTY' }),
  consolidationContractMissing: await make('consolidationContractMissing', 'Prague', [{}], { alloc: without(CONSOLIDATION), refused: 'BlockException.SYSTEM_CONTRACT_EMPTY' }),
  history: await make('history', 'Prague', [{ txs: [call(TARGET)] }, { txs: [call(TARGET)] }, { txs: [call(TARGET)] }]),
  blobs: await make('blobs', 'Prague', [{ txs: [blobs(6), blobs(3)] }, { txs: [blobs(9)] }, { txs: [call(TARGET), blobs(1)] }, {}, { txs: [blobs(7)] }], { excess: 40000000 }),
  setCode: await make('setCode', 'Prague', [
    { txs: [tx({ type: 4, to: AUTHORITIES[0].address, auths: [auth(0, TARGET)] })] },
    { txs: [call(AUTHORITIES[0].address), tx({ type: 4, to: TARGET, auths: [auth(1, DEPOSIT), auth(2, TARGET)] })] },
    { txs: [tx({ type: 4, to: AUTHORITIES[0].address, auths: [auth(3, '0x' + '0'.repeat(40))] })], withdrawals: [{ index: 0n, validatorIndex: 3n, address: createAddressFromString(TARGET), amount: 5n }] },
  ]),
  passage: await make('passage', 'CancunToPragueAtTime15k', [
    { timestamp: 14000, txs: [call(WITHDRAWAL), call(TARGET), blobs(6)] }, { timestamp: 14999, txs: [deposit(1), blobs(6)] }, { timestamp: 15000, txs: [call(TARGET), deposit(3), blobs(6), blobs(3)] },
    { timestamp: 15012, txs: [call(CONSOLIDATION), blobs(6)] }, { timestamp: 15024, txs: [blobs(3)] },
  ], { excess: 20000000 }),
}
const folder = fileURLToPath(new URL('../blocks', import.meta.url))
mkdirSync(folder, { recursive: true })
for (const [name, test] of Object.entries(tests)) writeFileSync(`${folder}/${name}.json`, JSON.stringify(test, null, 1) + '\n')
console.log(`${Object.keys(tests).length} tests in ${folder}`)
