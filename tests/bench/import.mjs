// A chain from a file into a new node (poa-node --import): blocks of 500 transfers, of ERC-20 transfers, of storage writes.
import { account, importRun, senders, showRun, specText, withChain } from './chains.mjs';
import { keccak256, AbiCoder } from 'ethers';
import { median, round, say } from './report.mjs';

const hex = (x, bytes) => BigInt(x).toString(16).padStart(bytes * 2, '0'), TOKEN = '0x' + '70'.repeat(20), STORE = '0x' + '57'.repeat(20);

// asm: mnemonics and numbers to code; ":name" is a jump's target, "@name" pushes it
const OPS = { STOP: 0x00, ADD: 0x01, SUB: 0x03, LT: 0x10, EQ: 0x14, ISZERO: 0x15, SHR: 0x1c, KECCAK256: 0x20, CALLER: 0x33, CALLDATALOAD: 0x35, POP: 0x50, MLOAD: 0x51, MSTORE: 0x52,
  SLOAD: 0x54, SSTORE: 0x55, JUMP: 0x56, JUMPI: 0x57, JUMPDEST: 0x5b, DUP1: 0x80, DUP2: 0x81, DUP3: 0x82, SWAP1: 0x90, SWAP2: 0x91, LOG3: 0xa3, RETURN: 0xf3, REVERT: 0xfd };
function asm(text) {
  const at = {}, parts = [];
  let n = 0;
  for (const w of text.trim().split(/\s+/)) {
    if (w[0] === ':') { at[w.slice(1)] = n; parts.push('5b'); n += 1; }
    else if (w[0] === '@') { parts.push(() => '61' + hex(at[w.slice(1)], 2)); n += 3; }
    else if (w in OPS) { parts.push(hex(OPS[w], 1)); n += 1; }
    else { const v = BigInt(w).toString(16), len = Math.max(1, v.length + 1 >> 1); parts.push(hex(0x5f + len, 1) + v.padStart(len * 2, '0')); n += 1 + len; }
  }
  return '0x' + parts.map((p) => typeof p === 'string' ? p : p()).join('');
}
// transfer(to, amount) of a token as a compiler lays it out: selector, balances[address] at keccak(address . 0), both checked, an event, true
const token = asm(`
  0 CALLDATALOAD 0xe0 SHR 0xa9059cbb EQ @transfer JUMPI 0 0 REVERT
  :transfer 0 0x20 MSTORE CALLER 0 MSTORE 0x40 0 KECCAK256 DUP1 SLOAD
  0x24 CALLDATALOAD DUP1 DUP3 LT @poor JUMPI
  SWAP1 SUB SWAP1 SSTORE
  4 CALLDATALOAD 0 MSTORE 0x40 0 KECCAK256 DUP1 SLOAD 0x24 CALLDATALOAD ADD DUP1 0x24 CALLDATALOAD SWAP1 LT @poor JUMPI
  SWAP1 SSTORE
  0x24 CALLDATALOAD 0 MSTORE 4 CALLDATALOAD CALLER 0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef 0x20 0 LOG3
  1 0 MSTORE 0x20 0 RETURN
  :poor 0 0 REVERT`);
// slots first, first + 1, ... first + n - 1 get a value each
const store = asm(`
  0x20 CALLDATALOAD 0 CALLDATALOAD
  :next DUP2 ISZERO @end JUMPI DUP1 DUP1 SSTORE 1 ADD SWAP1 1 SWAP1 SUB SWAP1 @next JUMP
  :end STOP`);
const slotOf = (a) => keccak256(AbiCoder.defaultAbiCoder().encode(['address', 'uint256'], [a, 0]));
const rich = Object.fromEntries(senders.map((w) => [slotOf(w.address), '0x' + hex(10n ** 24n, 32)]));
const CONTRACTS = { [TOKEN]: { balance: '0x1', code: token, storage: rich }, [STORE]: { balance: '0x1', code: store } };

const KINDS = {
  transfers: (k) => ({ gasLimit: 21000, to: account(k * 7919 % 100000), value: 1 }),
  erc20: (k) => ({ gasLimit: 100000, to: TOKEN, data: '0xa9059cbb' + hex(account(k * 7919 % 100000), 32) + hex(1, 32) }),
  storage: (k) => ({ gasLimit: 300000, to: STORE, data: '0x' + hex(k * 8, 32) + hex(8, 32) }), // eight new slots
};

export async function importChain({ runs = 3, count = 10000, per = 500 } = {}) {
  const out = { runs, count, per }, text = specText(0, CONTRACTS);
  for (const [kind, transaction] of Object.entries(KINDS)) {
    const list = await withChain({ text, blocks: Math.ceil(count / per), per, transaction }, async (chain) => {
      const l = [];
      for (let i = 0; i < runs; i++) l.push(await importRun(chain));
      return l;
    });
    list.sort((a, b) => a.seconds - b.seconds);
    const mid = list[list.length >> 1];
    out[kind] = { ...mid, cpu_us_per_tx: round(median(list.map((r) => r.cpu_us_per_tx)), 1) };
    say(`import: ${mid.txs} ${kind} in ${mid.blocks} blocks: ${showRun(out[kind])}`);
    say(`  time: ${Object.entries(mid.share).map(([k, v]) => `${k} ${Math.round(v * 100)}%`).join(', ')}`);
  }
  return out;
}
