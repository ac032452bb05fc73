// keccak.js: Keccak-256 (the padding of Ethereum, not of SHA-3) and the checksum of addresses (EIP-55).
const MASK = (1n << 64n) - 1n;
const rotate = (v, n) => (n === 0n ? v : ((v << n) | (v >> (64n - n))) & MASK);

// round constants by the linear feedback shift register of FIPS 202, 3.2.5
const ROUND = (() => {
  const out = [];
  let r = 1;
  for (let i = 0; i < 24; i++) {
    let c = 0n;
    for (let j = 0; j < 7; j++) {
      if (r & 1) c |= 1n << BigInt((1 << j) - 1);
      r <<= 1;
      if (r & 0x100) r ^= 0x171;
    }
    out.push(c);
  }
  return out;
})();

function permute(s) {
  for (const round of ROUND) {
    const c = [], d = [];
    for (let x = 0; x < 5; x++) c[x] = s[x] ^ s[x + 5] ^ s[x + 10] ^ s[x + 15] ^ s[x + 20];
    for (let x = 0; x < 5; x++) d[x] = c[(x + 4) % 5] ^ rotate(c[(x + 1) % 5], 1n);
    for (let i = 0; i < 25; i++) s[i] ^= d[i % 5];
    let x = 1, y = 0, lane = s[1];
    for (let t = 0; t < 24; t++) {
      [x, y] = [y, (2 * x + 3 * y) % 5];
      const next = s[x + 5 * y];
      s[x + 5 * y] = rotate(lane, BigInt((((t + 1) * (t + 2)) / 2) % 64));
      lane = next;
    }
    for (let row = 0; row < 25; row += 5) {
      const a = s.slice(row, row + 5);
      for (let i = 0; i < 5; i++) s[row + i] = a[i] ^ (~a[(i + 1) % 5] & MASK & a[(i + 2) % 5]);
    }
    s[0] ^= round;
  }
}

// keccak256: of a Uint8Array, as "0x..."
export function keccak256(data) {
  const rate = 136, padded = new Uint8Array(Math.floor(data.length / rate + 1) * rate), s = new Array(25).fill(0n);
  padded.set(data);
  padded[data.length] ^= 0x01;
  padded[padded.length - 1] ^= 0x80;
  const view = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += rate) {
    for (let i = 0; i < rate / 8; i++) s[i] ^= view.getBigUint64(at + 8 * i, true);
    permute(s);
  }
  const out = new DataView(new ArrayBuffer(32));
  for (let i = 0; i < 4; i++) out.setBigUint64(8 * i, s[i], true);
  return '0x' + Array.from(new Uint8Array(out.buffer), (b) => b.toString(16).padStart(2, '0')).join('');
}

const known = new Map();
// checksum: an address in mixed case
export function checksum(address) {
  const lower = address.toLowerCase();
  let out = known.get(lower);
  if (out === undefined) {
    const hash = keccak256(new TextEncoder().encode(lower.slice(2)));
    out = '0x' + Array.from(lower.slice(2), (c, i) => (parseInt(hash[i + 2], 16) >= 8 ? c.toUpperCase() : c)).join('');
    known.set(lower, out);
  }
  return out;
}

// whatIsWrong: with a typed address; '' when nothing is
export function whatIsWrong(text) {
  if (text === '') return 'Enter an address.';
  if (!/^0x/i.test(text)) return 'An address begins with 0x.';
  if (!/^0x[0-9a-f]*$/i.test(text)) return 'After 0x an address has only the digits 0-9 and a-f.';
  if (text.length !== 42) return `An address has 40 digits after 0x; here are ${text.length - 2}.`;
  if (/^0x0{40}$/.test(text)) return 'This is the zero address, which nobody owns.';
  const digits = text.slice(2);
  if (digits !== digits.toLowerCase() && digits !== digits.toUpperCase() && checksum(text) !== '0x' + digits)
    return 'The checksum is wrong: a digit was mistyped, or capitals were changed. Copy the address again.';
  return '';
}
