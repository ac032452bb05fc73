// The EVM: poa-evm bench over the public benchmark programs, and loops of plain bytecode by eth_call beside anvil.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { Conn } from './conn.mjs';
import { bin, root, rpc, startAnvil, startNode } from './single.mjs';
import { havePeer, median, round, say } from './report.mjs';

const run = promisify(execFile);
const vectors = path.resolve(process.env.POA_VECTORS ?? path.join(root, '../shared/vectors'));

// loop: creation code that runs `body` n times and returns the gas that this took. Stack at body: [.., gas at the start, n]; body leaves it so.
const hex = (n, bytes) => n.toString(16).padStart(bytes * 2, '0');
function loop(body, n) {
  const head = `5a63${hex(n, 4)}`, at = head.length / 2; // GAS PUSH4 n
  return `0x${head}5b${body}600190038061${hex(at, 2)}57505a900360005260206000f3`; // JUMPDEST body n-1 JUMPI; gas used -> memory -> RETURN
}
const CALLEE = '0x' + 'ca11ee'.repeat(6) + 'ca11', CALLEE_CODE = '0x60003560005260206000f3';
// what a turn of each loop does beside counting down; n is on top of the stack and stays there
const LOOPS = {
  empty: [],
  keccak256: ['6020', '6000', '20', '6000', '52'], // the hash of a word, stored over it
  arithmetic: ['80', '80', '02', '6003', '01', '80', '17', '50'], // (n * n + 3) | itself
  division: ['80', '7f' + 'fd'.repeat(32), '04', '80', '6007', '06', '50', '50'], // big / n, 7 mod that
  memory: ['80', '6103e0', '16', '80', '51', '90', '52'], // a word at n & 0x3e0, read and written back
  storage: ['80', '603f', '16', '80', '54', '6001', '01', '90', '55'], // slot n & 63 gains 1
  calls: ['6020', '6000', '6020', '6000', '6000', '73' + CALLEE.slice(2), '5a', 'f1', '50'], // a contract that returns the word it was sent
};

async function loops(runs, gas) {
  const sides = [await startNode({ accounts: { [CALLEE]: { balance: '0x1', code: CALLEE_CODE } } })], out = {};
  try {
    if (havePeer()) {
      sides.push(await startAnvil());
      await rpc(sides[1].url, 'anvil_setCode', [CALLEE, CALLEE_CODE]);
    }
    for (const [name, body] of Object.entries(LOOPS)) {
      const row = {};
      let n = 1000;
      for (const s of sides) row[s.name] = [];
      for (let i = -2; i < runs; i++) {
        for (const s of sides) {
          const c = await Conn.open(s.url), data = loop(body.join(''), n), t = performance.now();
          const used = Number(await c.rpc('eth_call', [{ from: s.address, data, gas: '0x1c9c380' }, 'latest'])), took = performance.now() - t;
          c.close();
          if (i >= 0) row[s.name].push(used / took / 1000);
          else if (s === sides.at(-1)) n = Math.max(1, Math.floor(n * gas / used));
        }
      }
      const mid = Object.fromEntries(Object.entries(row).map(([k, l]) => [k, round(median(l), 1)]));
      if (mid.anvil) mid.ratio = round(mid['poa-node'] / mid.anvil);
      out[name] = mid;
      say(`evm: eth_call, ${name}: ${mid['poa-node']} Mgas/s${mid.anvil ? `; anvil ${mid.anvil}: ${mid.ratio}x` : ''}`);
    }
    const ratios = Object.values(out).map((r) => r.ratio).filter((r) => r > 0);
    if (ratios.length) {
      out.mean = round(Math.exp(ratios.reduce((sum, r) => sum + Math.log(r), 0) / ratios.length));
      say(`evm: eth_call: geometric mean ${out.mean}x anvil, the least ${Math.min(...ratios)}x`);
    }
  } finally {
    for (const s of sides) await s.stop();
  }
  return out;
}

export async function evm({ runs = 5, gas = 24e6, time_ms = 1000 } = {}) {
  const out = { runs, unit: 'Mgas/s' }, dir = path.join(vectors, 'evm-bench');
  if (fs.existsSync(dir)) {
    const files = fs.readdirSync(dir).filter((f) => f.endsWith('.json')).sort().map((f) => path.join(dir, f));
    const { stdout } = await run(path.join(bin, 'poa-evm'), ['bench', '--time', String(time_ms), '--json', ...files], { maxBuffer: 1 << 26 });
    out.programs = JSON.parse(stdout);
    const { stdout: text } = await run(path.join(bin, 'poa-evm'), ['bench', '--time', String(time_ms), ...files], { maxBuffer: 1 << 26 });
    for (const l of text.trimEnd().split('\n')) say(`evm: ${l}`);
  } else say(`evm: programs skipped: no vectors in ${vectors}`);
  out.eth_call = await loops(runs, gas);
  return out;
}
