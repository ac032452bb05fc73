// rng.mjs: a small generator that gives the same numbers everywhere (splitmix64): a seed and the number of a case make the case.
const MASK = (1n << 64n) - 1n

export class Rng {
  constructor(seed, stream = 0) {
    this.s = (BigInt(seed) * 0x9e3779b97f4a7c15n + BigInt(stream) * 0xd1342543de82ef95n + 0x2545f4914f6cdd1dn) & MASK
    this.u64()
  }
  u64() {
    this.s = (this.s + 0x9e3779b97f4a7c15n) & MASK
    let z = this.s
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK
    return z ^ (z >> 31n)
  }
  u32() {
    return Number(this.u64() >> 32n)
  }
  below(n) {
    return this.u32() % n
  }
  between(a, b) {
    return a + this.below(b - a + 1)
  }
  chance(p) {
    return this.u32() < p * 4294967296
  }
  pick(list) {
    return list[this.below(list.length)]
  }
  // weighted: [[weight, value], ...]
  weighted(list) {
    let sum = 0
    for (const [w] of list) sum += w
    let at = (this.u32() / 4294967296) * sum
    for (const [w, v] of list) {
      at -= w
      if (at < 0) return v
    }
    return list[list.length - 1][1]
  }
  bytes(n) {
    const out = new Uint8Array(n)
    for (let i = 0; i < n; i++) out[i] = this.below(256)
    return out
  }
}
