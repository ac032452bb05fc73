// keys.mjs: accounts with keys, signing and encoding of transactions of all types, also of such as must be refused.
import { RLP } from '@ethereumjs/rlp'
import { bigIntToUnpaddedBytes, concatBytes } from '@ethereumjs/util'
import { secp256k1 } from '@noble/curves/secp256k1'
import { keccak_256 } from '@noble/hashes/sha3'
import { hex, toBytes, unhex } from './asm.mjs'

const ORDER = secp256k1.CURVE.n

function account(n) {
  const key = toBytes(0x1000000000000000000000000000000000000000000000000000000000000000n + BigInt(n), 32)
  const pub = secp256k1.getPublicKey(key, false)
  return { key, address: hex(keccak_256(pub.subarray(1)).subarray(12)) }
}
export const SENDER = account(1)
export const AUTHORITIES = [account(2), account(3), account(4)]
export const keccak = keccak_256

const int = (v) => bigIntToUnpaddedBytes(BigInt(v))

export function sign(hash, key) {
  const sig = secp256k1.sign(hash, key)
  return { r: sig.r, s: sig.s, parity: BigInt(sig.recovery) }
}

// authorization: {chainId, address, nonce, signer, broken}
function authorization(a) {
  const hash = keccak_256(concatBytes(new Uint8Array([5]), RLP.encode([int(a.chainId), unhex(a.address), int(a.nonce)])))
  let { r, s, parity } = sign(hash, a.signer.key)
  if (a.broken === 'high s') {
    s = ORDER - s
    parity ^= 1n
  }
  if (a.broken === 'r') r += 1n
  if (a.broken === 'zero') r = 0n
  if (a.broken === 'parity') parity = 2n + parity
  return [int(a.chainId), unhex(a.address), int(a.nonce), int(parity), int(r), int(s)]
}

// encode: signed bytes of a transaction as generate.mjs describes it
export function encode(tx) {
  const to = tx.to === null ? new Uint8Array(0) : unhex(tx.to)
  const list = (tx.accessList ?? []).map((e) => [unhex(e.address), e.keys.map((k) => toBytes(BigInt(k), 32))])
  let fields
  switch (tx.type) {
    case 0: fields = [int(tx.nonce), int(tx.gasPrice), int(tx.gas), to, int(tx.value), tx.data]; break
    case 1: fields = [int(tx.chainId), int(tx.nonce), int(tx.gasPrice), int(tx.gas), to, int(tx.value), tx.data, list]; break
    default: fields = [int(tx.chainId), int(tx.nonce), int(tx.tip), int(tx.gasPrice), int(tx.gas), to, int(tx.value), tx.data, list]
  }
  if (tx.type === 3) fields.push(int(tx.blobFee), tx.blobs.map(unhex))
  if (tx.type === 4) fields.push(tx.auths.map(authorization))
  const prefix = new Uint8Array(tx.type === 0 ? [] : [tx.type])
  const unsigned = tx.type === 0 && tx.chainId !== 0 ? [...fields, int(tx.chainId), int(0), int(0)] : fields
  const { r, s, parity } = sign(keccak_256(concatBytes(prefix, RLP.encode(unsigned))), SENDER.key)
  const v = tx.type !== 0 ? parity : tx.chainId === 0 ? 27n + parity : 35n + 2n * BigInt(tx.chainId) + parity
  return concatBytes(prefix, RLP.encode([...fields, int(v), int(r), int(s)]))
}
