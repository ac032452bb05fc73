// precompiles.mjs: inputs for the precompiles: mostly right ones, so that the deep paths run, and broken ones of every kind.
import { bls12_381 as bls } from '@noble/curves/bls12-381'
import { bn254 } from '@noble/curves/bn254'
import { sha256 } from '@noble/hashes/sha2'
import { concatBytes } from '@ethereumjs/util'
import { keccak, sign, SENDER } from './keys.mjs'
import { toBytes } from './asm.mjs'

const MAX = (1n << 256n) - 1n
const lazy = (make) => {
  let v
  return () => (v ??= make())
}

// --- points, as [x, y] or [x0, x1, y0, y1]; null is infinity
function outside(curve, b, Fp2, limit) {
  // points on the twist that are (nearly surely) outside the subgroup
  const out = []
  for (let i = 1n; out.length < 3 && i < limit; i++) {
    const x = Fp2.fromBigTuple([i, 1n])
    try {
      const y = Fp2.sqrt(Fp2.add(Fp2.mul(Fp2.sqr(x), x), b))
      out.push([x.c0, x.c1, y.c0, y.c1])
    } catch {
      // no point has this x
    }
  }
  return out
}
const SCALARS = [1n, 2n, 3n, 7n, 0xffffn, 0x123456789abcdef0123456789abcdef0n]
const g1 = (curve) => SCALARS.map((k) => curve.G1.ProjectivePoint.BASE.multiply(k).toAffine()).map((p) => [p.x, p.y])
const g2 = (curve) => SCALARS.map((k) => curve.G2.ProjectivePoint.BASE.multiply(k).toAffine()).map((p) => [p.x.c0, p.x.c1, p.y.c0, p.y.c1])
const pools = {
  bn1: lazy(() => g1(bn254)),
  bn2: lazy(() => g2(bn254)),
  bn2out: lazy(() => outside(bn254, bn254.G2.CURVE.b, bn254.fields.Fp2, 200n)),
  bls1: lazy(() => g1(bls)),
  bls2: lazy(() => g2(bls)),
  bls1out: lazy(() => {
    const { Fp } = bls.fields
    const out = []
    for (let x = 1n; out.length < 3; x++) {
      try {
        const y = Fp.sqrt(x ** 3n + 4n)
        if (Fp.eql(Fp.sqr(y), Fp.create(x ** 3n + 4n))) out.push([x, y])
      } catch {
        // no point has this x
      }
    }
    return out
  }),
  bls2out: lazy(() => outside(bls, bls.G2.CURVE.b, bls.fields.Fp2, 200n)),
}
const P_BN = bn254.fields.Fp.ORDER
const P_BLS = bls.fields.Fp.ORDER
const R_BN = bn254.fields.Fr.ORDER
const R_BLS = bls.fields.Fr.ORDER

const scalar = (r, order) => r.pick([0n, 1n, 2n, order - 1n, order, order + 1n, MAX, BigInt(r.u32()), (r.u64() << 190n) ^ (r.u64() << 100n) ^ r.u64()])

function bnG1(r) {
  const p = r.weighted([[6, r.pick(pools.bn1())], [1.5, null], [0.3, [1n, 3n]], [0.3, [P_BN, 0n]], [0.3, [1n + P_BN, 2n]], [0.2, [MAX, MAX]]])
  if (p === null) return new Uint8Array(64)
  const y = r.chance(0.3) ? (P_BN - p[1] + P_BN) % P_BN : p[1]
  return concatBytes(toBytes(p[0], 32), toBytes(y, 32))
}
function bnG2(r) {
  const p = r.weighted([[6, r.pick(pools.bn2())], [1, null], [0.6, r.pick(pools.bn2out())], [0.3, [1n, 2n, 3n, 4n]], [0.2, [P_BN, 0n, 0n, 0n]]])
  if (p === null) return new Uint8Array(128)
  const words = [p[1], p[0], p[3], p[2]].map((w) => toBytes(w, 32)) // imaginary part first
  return concatBytes(...words)
}
const fp = (v) => concatBytes(new Uint8Array(16), toBytes(v, 48))
function spoilFp(r, b) {
  if (r.chance(0.04)) b[r.pick([0, 15])] = 1 // the upper 16 bytes must be zero
  return b
}
function blsG1(r) {
  const p = r.weighted([[6, r.pick(pools.bls1())], [1, null], [0.7, r.pick(pools.bls1out())], [0.3, [1n, 2n]], [0.2, [P_BLS, 0n]]])
  if (p === null) return new Uint8Array(128)
  return spoilFp(r, concatBytes(fp(p[0]), fp(r.chance(0.3) ? (P_BLS - p[1]) % P_BLS : p[1])))
}
function blsG2(r) {
  const p = r.weighted([[6, r.pick(pools.bls2())], [1, null], [0.7, r.pick(pools.bls2out())], [0.3, [1n, 2n, 3n, 4n]], [0.2, [P_BLS, 0n, 0n, 0n]]])
  if (p === null) return new Uint8Array(256)
  return spoilFp(r, concatBytes(...p.map(fp)))
}
const field = (r, p) => r.pick([0n, 1n, p - 1n, p, p + 1n, (r.u64() << 300n) ^ (r.u64() << 100n) ^ r.u64(), BigInt(r.u32())])
const times = (n, f) => concatBytes(...Array.from({ length: n }, f))

function modexp(r) {
  const len = () => r.pick([0, 1, 2, 8, 31, 32, 33, 40, 64, r.below(70)])
  const lens = [len(), len(), len()]
  const said = lens.map((n) => (r.chance(0.02) ? r.pick([MAX, 1n << 64n, 1n << 32n, 0xffffffffn, 4096n]) : BigInt(n)))
  const part = (n) => {
    const b = r.weighted([[3, r.bytes(n)], [1, new Uint8Array(n)], [1, toBytes(BigInt(r.below(5)), n)], [1, new Uint8Array(n).fill(255)]])
    if (n > 0 && r.chance(0.3)) b[n - 1] |= 1
    return b
  }
  return concatBytes(...said.map((n) => toBytes(n, 32)), ...lens.map(part))
}

function ecrecover(r) {
  const hash = r.bytes(32)
  const sig = sign(hash, SENDER.key)
  const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const v = r.weighted([[6, 27n + sig.parity], [1, 28n - sig.parity], [1, r.pick([0n, 1n, 26n, 29n, 1n << 8n, (1n << 255n) + 27n])]])
  const rr = r.weighted([[6, sig.r], [1, r.pick([0n, 1n, N, N - 1n, MAX])]])
  const s = r.weighted([[6, sig.s], [1, N - sig.s], [1, r.pick([0n, N, MAX])]])
  return concatBytes(hash, toBytes(v, 32), toBytes(rr, 32), toBytes(s, 32))
}

function blake2f(r) {
  const rounds = r.weighted([[8, r.below(20)], [1, 5000], [0.2, 0xffffffff]])
  const b = r.bytes(213)
  new DataView(b.buffer).setUint32(0, rounds)
  b[212] = r.weighted([[5, 1], [4, 0], [1, 2]])
  return b
}

// A constant polynomial: commitment [y]G, proof infinity, right at every z. A linear one would want [tau]G.
function kzg(r) {
  const y = r.pick([1n, 2n, 5n, R_BLS - 1n, BigInt(r.u32()) + 1n])
  const commitment = bls.G1.ProjectivePoint.BASE.multiply(y).toRawBytes(true)
  const proof = r.weighted([[5, concatBytes(new Uint8Array([0xc0]), new Uint8Array(47))], [1, commitment], [0.5, new Uint8Array(48)]])
  const hash = sha256(commitment)
  hash[0] = 1
  const z = r.pick([0n, 1n, BigInt(r.u32()), R_BLS - 1n, R_BLS, MAX])
  return concatBytes(hash, toBytes(z, 32), toBytes(r.weighted([[6, y], [1, y + 1n], [0.5, R_BLS + y]]), 32), commitment, proof)
}

const INPUTS = {
  1: ecrecover,
  2: (r) => r.bytes(r.below(100)),
  3: (r) => r.bytes(r.below(100)),
  4: (r) => r.bytes(r.below(100)),
  5: modexp,
  6: (r) => concatBytes(bnG1(r), bnG1(r)),
  7: (r) => concatBytes(bnG1(r), toBytes(scalar(r, R_BN), 32)),
  8: (r) => times(r.weighted([[1, 0], [2, 1], [1, 2]]), () => concatBytes(bnG1(r), bnG2(r))),
  9: blake2f,
  10: kzg,
  11: (r) => concatBytes(blsG1(r), blsG1(r)),
  12: (r) => times(r.between(0, 3), () => concatBytes(blsG1(r), toBytes(scalar(r, R_BLS), 32))),
  13: (r) => concatBytes(blsG2(r), blsG2(r)),
  14: (r) => times(r.between(0, 2), () => concatBytes(blsG2(r), toBytes(scalar(r, R_BLS), 32))),
  15: (r) => times(r.weighted([[1, 0], [2, 1], [1, 2]]), () => concatBytes(blsG1(r), blsG2(r))),
  16: (r) => spoilFp(r, fp(field(r, P_BLS))),
  17: (r) => spoilFp(r, concatBytes(fp(field(r, P_BLS)), fp(field(r, P_BLS)))),
}

// how often each is called; the pairings are slow on the other side
export const WEIGHTS = [
  [3, 1], [2, 2], [2, 3], [3, 4], [5, 5], [3, 6], [3, 7], [0.7, 8], [3, 9], [0.7, 10], [2, 11], [1, 12], [2, 13], [0.8, 14], [0.6, 15],
  [1.2, 16], [0.8, 17],
]

export function inputFor(number, r) {
  let b = INPUTS[number](r)
  if (r.chance(0.12)) {
    const kind = r.below(4)
    if (kind === 0) b = b.slice(0, r.below(b.length + 1))
    else if (kind === 1) b = concatBytes(b, r.bytes(r.between(1, 40)))
    else if (kind === 2 && b.length > 0) b[r.below(b.length)] ^= 1 << r.below(8)
    else b = b.slice(0, Math.max(0, b.length - 1))
  }
  return b
}
export { keccak }
