// One connection with a node, by @ethereumjs/devp2p: with one version of the eth protocol only.
import { randomBytes } from 'node:crypto'
import { Common } from '@ethereumjs/common'
import { ETH, RLPx } from '@ethereumjs/devp2p'

export const CODE = ETH.MESSAGE_CODES
export const STEP_MS = 8000

export const hex = (bytes) => '0x' + Buffer.from(bytes).toString('hex')
export const unhex = (text) => new Uint8Array(Buffer.from(text.replace(/^0x/, ''), 'hex'))
export const number = (bytes) => (bytes.length === 0 ? 0 : parseInt(Buffer.from(bytes).toString('hex'), 16))

export function crc32(bytes) {
  let crc = ~0
  for (const b of bytes) {
    crc ^= b
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1))
  }
  return '0x' + (~crc >>> 0).toString(16).padStart(8, '0')
}

export function within(promise, what, ms = STEP_MS) {
  let timer
  const late = new Promise((_, no) => (timer = setTimeout(() => no(new Error(`${what}: no answer in ${ms} ms`)), ms)))
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

function commonOf(opts) {
  return Common.custom(
    {
      name: 'poa',
      chainId: opts.networkId,
      networkId: opts.networkId,
      defaultHardfork: 'chainstart',
      genesis: { gasLimit: 1, difficulty: 1, nonce: '0x0000000000000000', extraData: '0x' },
      hardforks: [{ name: 'chainstart', block: 0, forkHash: opts.forkHash }],
      bootstrapNodes: [],
    },
    { hardfork: 'chainstart' },
  )
}

// One connection with one version of the protocol only.
// opts: {peer, genesis, networkId, forkHash}; said: {td, best} of our Status; onMessage(code, payload): true when it has taken it
export async function connect(opts, version, { td = Uint8Array.of(1), best, onMessage, wait_ms = STEP_MS } = {}) {
  const rlpx = new RLPx(opts.key ?? randomBytes(32), {
    capabilities: [ETH[`eth${version}`]],
    common: commonOf(opts),
    maxPeers: 2,
    timeout: wait_ms,
    listenPort: null,
  })
  const failed = new Promise((_, no) => {
    rlpx.events.on('peer:error', (_p, e) => no(e))
    rlpx.events.on('error', no)
  })
  failed.catch(() => {})
  const added = new Promise((yes) => rlpx.events.once('peer:added', yes))
  await within(rlpx.connect(opts.peer), 'connect', wait_ms)
  let peer
  try {
    peer = await within(Promise.race([added, failed]), 'RLPx handshake and Hello', wait_ms)
  } catch (e) {
    rlpx.destroy()
    throw e
  }
  const eth = peer.getProtocols()[0]
  const inbox = []
  const waiting = []
  let removed = null
  rlpx.events.on('peer:removed', (_p, reason, byUs) => {
    removed = new Error(`disconnected, reason ${reason}, by ${byUs ? 'us' : 'the node'}`)
    waiting.splice(0).forEach((w) => w.no(removed))
  })
  eth.events.on('message', (code, payload) => {
    if (onMessage?.(code, payload, eth)) return
    const i = waiting.findIndex((w) => w.code === code)
    if (i >= 0) waiting.splice(i, 1)[0].yes(payload)
    else inbox.push({ code, payload })
  })
  const status = new Promise((yes) => eth.events.once('status', yes))
  eth.sendStatus({ td, bestHash: best ?? unhex(opts.genesis), genesisHash: unhex(opts.genesis) })
  const theirs = await within(Promise.race([status, failed]), 'Status', wait_ms)
  let id = 100
  return {
    peer,
    eth,
    socket: peer._socket,
    theirs,
    hello: peer.getHelloMessage(),
    isOpen: () => removed === null,
    why: () => removed?.message,
    async ask(question, answer, list) {
      id++
      const got = new Promise((yes, no) => (removed ? no(removed) : waiting.push({ code: CODE[answer], yes, no })))
      eth.sendMessage(CODE[question], version >= 66 ? [id, list] : list)
      const payload = await within(got, answer)
      if (version < 66) return payload
      if (number(payload[0]) !== id) throw new Error(`request id ${number(payload[0])}, not ${id}`)
      return payload[1]
    },
    send: (code, list) => eth.sendMessage(CODE[code], list),
    close: () => rlpx.destroy(),
  }
}

