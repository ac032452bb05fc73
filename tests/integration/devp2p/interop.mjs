// The eth protocol of a running poa-node, spoken by another implementation (@ethereumjs/devp2p): handshake, Status, headers, bodies,
// receipts, and discovery's ping.
//
//     node interop.mjs ENODE --rpc http://127.0.1.10:8545 [--fork-hash HEX] [--no-discovery]
//     node interop.mjs ENODE --genesis 0x... --network-id N
//
// Output is TAP. The fork hash is the CRC-32 of the genesis hash, as on any chain whose transitions are all at block 0, unless given.
import { randomBytes } from 'node:crypto'
import { RLP } from '@ethereumjs/rlp'
import { DPT } from '@ethereumjs/devp2p'
import { keccak256 } from 'ethereum-cryptography/keccak.js'
import { CODE, STEP_MS, connect, crc32, hex, number, unhex, within } from './client.mjs'

function arguments_() {
  const out = { discovery: true }
  const args = process.argv.slice(2)
  while (args.length > 0) {
    const a = args.shift()
    if (a === '--rpc') out.rpc = args.shift()
    else if (a === '--genesis') out.genesis = args.shift()
    else if (a === '--network-id') out.networkId = Number(args.shift())
    else if (a === '--fork-hash') out.forkHash = args.shift()
    else if (a === '--no-discovery') out.discovery = false
    else out.enode = a
  }
  const m = /^enode:\/\/([0-9a-f]{128})@\[?([^\]?]+?)\]?:(\d+)(?:\?discport=(\d+))?$/i.exec(out.enode ?? '')
  if (!m || (!out.rpc && (!out.genesis || !out.networkId))) {
    console.error('usage: node interop.mjs ENODE (--rpc URL | --genesis HASH --network-id N)')
    process.exit(2)
  }
  out.peer = { id: unhex(m[1]), address: m[2], tcpPort: Number(m[3]), udpPort: Number(m[4] ?? m[3]) }
  return out
}

async function rpc(url, method, params = []) {
  const r = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const answer = await r.json()
  if (answer.error) throw new Error(`${method}: ${answer.error.message}`)
  return answer.result
}

let count = 0
let bad = 0
async function test(name, run) {
  count++
  try {
    const skip = await run()
    console.log(`ok ${count} - ${name}${typeof skip === 'string' ? ` # SKIP ${skip}` : ''}`)
  } catch (e) {
    bad++
    console.log(`not ok ${count} - ${name}\n# ${e.stack ?? e}`)
  }
}
function equal(got, want, what) {
  if (String(got) !== String(want)) throw new Error(`${what}: ${got}, not ${want}`)
}

const opts = arguments_()
let head = null
if (opts.rpc) {
  const genesis = await rpc(opts.rpc, 'eth_getBlockByNumber', ['0x0', false])
  opts.genesis = genesis.hash
  opts.networkId = Number(await rpc(opts.rpc, 'net_version'))
  head = await rpc(opts.rpc, 'eth_getBlockByNumber', ['latest', false])
}
opts.forkHash ??= crc32(unhex(opts.genesis))

for (const version of [63, 66, 67, 68]) {
  await test(`eth/${version}: handshake, Status, headers, bodies, receipts`, async () => {
    const c = await connect(opts, version)
    try {
      equal(c.hello.protocolVersion, 5, 'devp2p version')
      equal(hex(c.theirs.genesisHash), opts.genesis, 'genesis hash')
      equal(number(c.theirs.networkId), opts.networkId, 'network id')
      const best = hex(c.theirs.bestHash)
      const byHash = await c.ask('GET_BLOCK_HEADERS', 'BLOCK_HEADERS', [unhex(best), 1, 0, 0])
      equal(byHash.length, 1, 'headers by hash')
      equal(hex(keccak256(RLP.encode(byHash[0]))), best, 'hash of the best header')
      const bestNumber = number(byHash[0][8])
      const n = Math.min(bestNumber + 1, 100)
      const up = await c.ask('GET_BLOCK_HEADERS', 'BLOCK_HEADERS', [0, n, 0, 0])
      equal(up.length, n, 'headers from 0')
      equal(hex(keccak256(RLP.encode(up[0]))), opts.genesis, 'hash of block 0')
      for (let i = 1; i < n; i++) equal(hex(up[i][0]), hex(keccak256(RLP.encode(up[i - 1]))), `parent of ${i}`)
      const down = await c.ask('GET_BLOCK_HEADERS', 'BLOCK_HEADERS', [unhex(best), 5, 1, 1])
      equal(down.length, Math.min(5, Math.floor(bestNumber / 2) + 1), 'headers downwards, every other')
      equal((await c.ask('GET_BLOCK_HEADERS', 'BLOCK_HEADERS', [0xffffffffff, 5, 0, 0])).length, 0, 'headers of the future')
      const hashes = up.slice(0, 10).map((h) => keccak256(RLP.encode(h)))
      const bodies = await c.ask('GET_BLOCK_BODIES', 'BLOCK_BODIES', [...hashes, new Uint8Array(32)])
      equal(bodies.length, hashes.length, 'bodies')
      bodies.forEach((b, i) => equal(hex(keccak256(RLP.encode(b[1]))), hex(up[i][1]), `uncles of ${i}`))
      const receipts = await c.ask('GET_RECEIPTS', 'RECEIPTS', hashes)
      equal(receipts.length, hashes.length, 'lists of receipts')
      receipts.forEach((r, i) => equal(r.length, bodies[i][0].length, `receipts of ${i}`))
      if (version === 66) {
        equal((await c.ask('GET_NODE_DATA', 'NODE_DATA', [unhex(opts.genesis)])).length, 0, 'node data')
      }
      if (version >= 66) {
        equal((await c.ask('GET_POOLED_TRANSACTIONS', 'POOLED_TRANSACTIONS', [new Uint8Array(32)])).length, 0, 'pooled')
      }
      if (head) equal(bestNumber >= Number(head.number), true, 'best block is not older than the one of RPC')
      equal(c.isOpen(), true, 'still connected')
    } finally {
      c.close()
    }
  })
}

await test('a Status of another network is answered with a disconnect', async () => {
  const c = connect({ ...opts, networkId: opts.networkId + 1 }, 68)
  const e = await c.then(
    (ok) => (ok.close(), null),
    (err) => err,
  )
  if (e === null) throw new Error('the node kept the connection')
})

await test('malformed data ends the connection, and the node goes on', async () => {
  const c = await connect(opts, 68)
  c.send('NEW_BLOCK', [new Uint8Array(5), 7])
  await new Promise((yes) => setTimeout(yes, 1000))
  equal(c.isOpen(), false, 'open')
  c.close()
  const again = await connect(opts, 68)
  again.close()
})

await test('discovery answers a ping', async () => {
  if (!opts.discovery) return 'told to'
  const dpt = new DPT(randomBytes(32), {
    endpoint: { address: '127.0.0.1', udpPort: null, tcpPort: null },
    shouldFindNeighbours: false,
    timeout: STEP_MS,
  })
  try {
    await new Promise((yes) => dpt.bind(0, '127.0.0.1', yes) ?? dpt.events.once('listening', yes))
    const got = await within(dpt.addPeer(opts.peer), 'pong')
    equal(hex(got.id), hex(opts.peer.id), 'node id')
  } finally {
    dpt.destroy()
  }
})

console.log(`1..${count}`)
process.exit(bad === 0 ? 0 : 1)
