// A world of its own for real poa-node processes: each in a network namespace, wired by veth pairs to bridges that can be cut. Node i (1, 2, ...)
// speaks devp2p at 10.77.0.i over the wire that is cut, and RPC at 10.78.0.i over another that is not: this process watches all sides.
//   await enter()    run this script again as root of private network, mount and pid namespaces; returns there, skips where they can't be had
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { WebSocket } from 'ws';
import { AbiCoder, SigningKey, Transaction, computeAddress, id } from 'ethers';
import { assert, bin, root, rpc, sleep, until, watched, workFolder } from './lib.mjs';

const FAKETIME = ['/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1', '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1'].find((f) => fs.existsSync(f));
export const hasFaketime = FAKETIME !== undefined;
export const CONTRACT = '0x0000000000000000000000000000000000001006';
export const BRIDGES = ['left', 'right', 'third'];

export async function enter() {
  if (process.env.POA_WORLD === '1') {
    const up = spawnSync('sh', ['-c', 'mount -t tmpfs tmpfs /run && ip link set lo up'], { encoding: 'utf8' });
    if (up.status !== 0) throw new Error(up.stderr);
    return;
  }
  const flags = [...(process.getuid() === 0 ? [] : ['-r']), '-n', '-m', '-p', '-f', '--mount-proc', '--kill-child'];
  const why = (r) => (r.error?.message ?? r.stderr).trim().split('\n')[0];
  const can = spawnSync('unshare', [...flags, 'sh', '-c', 'mount -t tmpfs tmpfs /run && ip link add name a type veth peer name b && ip netns add c'], { encoding: 'utf8' });
  if (can.status !== 0) {
    console.log(`TAP version 13\nok 1 - network namespaces # SKIP they can't be made here (root, or CAP_SYS_ADMIN and CAP_NET_ADMIN, are needed): ${why(can)}\n1..1`);
    console.log('0 passed, 0 failed, 1 skipped');
    process.exit(0);
  }
  const inner = spawn('unshare', [...flags, process.execPath, ...process.argv.slice(1)], { stdio: 'inherit', env: { ...process.env, POA_WORLD: '1' } });
  for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => inner.kill(s));
  process.exit(await new Promise((ok) => inner.on('close', (code) => ok(code ?? 1))));
}

function ip(...lines) {
  const r = spawnSync('ip', ['-batch', '-'], { input: lines.join('\n') + '\n', encoding: 'utf8' });
  if (r.status !== 0) throw new Error(`ip: ${r.stderr}\n${lines.join('\n')}`);
}

// spec: a network whose validators stand in the governance contract, as `poa-deploy new` makes it, with another step
export function spec({ admin, validators, capacity, step = 1, alloc = {}, params = {} }) {
  const { bytecode } = JSON.parse(fs.readFileSync(path.join(root, 'orchestrator/contracts/artifacts/AdminValidatorSet.json'), 'utf8'));
  const args = AbiCoder.defaultAbiCoder().encode(['address', 'address[]', 'uint256', 'string'], [admin, validators, capacity, 'first']).slice(2);
  const zero = '0x0', on = {};
  for (const n of [150, 155, 160, 140, 211, 214, 658, 145, 1014, 1052, 1283, 1706, 1344, 1884, 2028, 2565, 2929, 2930, 1559, 3198, 3529, 3541, 3607, 3651, 3855, 3860, 1153, 5656, 6780, 2935, 7623, 7702]) on[`eip${n}Transition`] = zero;
  const builtin = (name, base, word) => ({ balance: '0x1', builtin: { name, activate_at: zero, pricing: { linear: { base, word } } } });
  const at = (n) => '0x' + n.toString(16).padStart(40, '0');
  return {
    name: 'world',
    engine: { authorityRound: { params: { stepDuration: step, validators: { safeContract: CONTRACT }, validateScoreTransition: 0, validateStepTransition: 0, maximumUncleCountTransition: 0, maximumUncleCount: 0, blockReward: zero } } },
    params: { networkID: 7777, chainID: 7777, maximumExtraDataSize: '0x20', minGasLimit: '0x2faf080', gasLimitBoundDivisor: '0x400', maxCodeSize: 49152, maxCodeSizeTransition: zero,
      ...on, eip161abcTransition: zero, eip161dTransition: zero, validateChainIdTransition: zero, validateReceiptsTransition: zero, eip1559BaseFeeMaxChangeDenominator: '0x8', eip1559ElasticityMultiplier: '0x2', ...params },
    genesis: { seal: { authorityRound: { step: zero, signature: '0x' + '00'.repeat(65) } }, difficulty: '0x20000', gasLimit: '0x2faf080', baseFeePerGas: zero },
    accounts: { [at(1)]: builtin('ecrecover', 3000, 0), [at(2)]: builtin('sha256', 60, 12), [at(3)]: builtin('ripemd160', 600, 120), [at(4)]: builtin('identity', 15, 3),
      [CONTRACT]: { balance: '0', constructor: bytecode + args }, ...alloc },
  };
}

export class World {
  constructor(n, specOf) {
    this.n = n;
    this.dir = workFolder();
    watched.add(this.dir);
    this.keys = [...Array(n).keys()].map((i) => id(`world/${i + 1}`));
    this.addresses = this.keys.map((k) => computeAddress(k).toLowerCase());
    this.spec = specOf(this.addresses);
    fs.writeFileSync(path.join(this.dir, 'spec.json'), JSON.stringify(this.spec));
    this.stepMs = 1000 * this.spec.engine.authorityRound.params.stepDuration;
    this.children = Array(n + 1).fill(null);
    this.sides = Array(n + 1).fill('left');
    this.seals = new Map();     // "author/step" -> hash, of every block that was ever a head anywhere
    this.doubles = [];
    this.final = new Map();     // number -> hash, of what anyone ever called final
    this.conflicts = [];
    this.epochs = new Map();    // "validators" -> Set of blocks at which it began
    this.blocks = new Map();    // hash -> block
  }
  all() { return [...Array(this.n).keys()].map((i) => i + 1); }
  url(i) { return `http://10.78.0.${i}:8545`; }
  stepNow() { return Math.floor(Date.now() / this.stepMs); }

  wire() {
    ip(...BRIDGES.map((b) => `link add name ${b} up type bridge forward_delay 0 mcast_snooping 0`), 'link add name manage up type bridge forward_delay 0 mcast_snooping 0', 'addr add 10.78.0.254/24 dev manage');
    for (const i of this.all()) {
      const ns = spawnSync('ip', ['netns', 'add', `v${i}`], { encoding: 'utf8' });
      if (ns.status !== 0) throw new Error(ns.stderr);
      ip(`link add name d${i} type veth peer name data netns v${i}`, `link add name m${i} type veth peer name manage netns v${i}`, `link set d${i} master left up`, `link set m${i} master manage up`);
      const inside = spawnSync('ip', ['-n', `v${i}`, '-batch', '-'], { input: `link set lo up\naddr add 10.77.0.${i}/24 dev data\naddr add 10.78.0.${i}/24 dev manage\nlink set data up\nlink set manage up\n`, encoding: 'utf8' });
      if (inside.status !== 0) throw new Error(inside.stderr);
    }
  }
  // cut: these nodes' wires go to another bridge: what they sent and what was sent to them is lost without a word
  cut(nodes, side = 'right') {
    ip(...nodes.map((i) => `link set d${i} master ${side}`));
    for (const i of nodes) this.sides[i] = side;
  }
  heal() { this.cut(this.all().filter((i) => this.sides[i] !== 'left'), 'left'); return Date.now(); }

  files(i) {
    const dir = path.join(this.dir, `v${i}`);
    fs.mkdirSync(dir, { recursive: true });
    fs.writeFileSync(path.join(dir, 'key.hex'), this.keys[i - 1].slice(2), { mode: 0o600 });
    fs.writeFileSync(path.join(dir, 'clock'), '+0s\n');
    fs.writeFileSync(path.join(dir, 'poa-node.yaml'), `chain: ${path.join(this.dir, 'spec.json')}
base_path: ${path.join(dir, 'data')}
network: {address: 10.77.0.${i}, port: 30300, bootnodes: [${this.boot === undefined ? '' : `"${this.boot}"`}]}
rpc: {address: 10.78.0.${i}, port: 8545, ws_port: 8546, apis: all}
identity: {mode: file, key_file: ${path.join(dir, 'key.hex')}}
log: {level: debug, file: ${path.join(dir, 'node.log')}}
`);
    return dir;
  }
  log(i) { try { return fs.readFileSync(path.join(this.dir, `v${i}/node.log`), 'utf8'); } catch { return ''; } }

  start(i, { clock = false } = {}) {
    const dir = path.join(this.dir, `v${i}`);
    if (!fs.existsSync(path.join(dir, 'poa-node.yaml'))) this.files(i);
    const env = { ...process.env };
    if (clock) Object.assign(env, { LD_PRELOAD: FAKETIME, FAKETIME_TIMESTAMP_FILE: path.join(dir, 'clock'), FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1' });
    const child = spawn('ip', ['netns', 'exec', `v${i}`, path.join(bin, 'poa-node'), '--config', path.join(dir, 'poa-node.yaml')], { stdio: ['ignore', 'ignore', 'pipe'], env });
    let err = '';
    child.stderr.on('data', (d) => { err += d; });
    child.on('exit', (code, signal) => { if (this.children[i] === child) { this.children[i] = null; console.log(`# node ${i} ended by itself: ${code ?? signal} ${err.slice(-500)}`); this.conflicts.push(`node ${i} ended`); } });
    this.children[i] = child;
  }
  kill(i, signal = 'SIGKILL') {
    const c = this.children[i];
    this.children[i] = null;
    c?.kill(signal);
  }
  setClock(i, seconds) { fs.writeFileSync(path.join(this.dir, `v${i}/clock`), `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}s\n`); }

  // --- what is seen ---------------------------------------------------------------------------------------------------------
  note(b) {
    const step = Number(b.step ?? Math.floor(Number(b.timestamp) * 1000 / this.stepMs)), key = `${b.miner.toLowerCase()}/${step}`, before = this.seals.get(key);
    if (before !== undefined && before !== b.hash) this.doubles.push(`${key}: ${before} and ${b.hash}`);
    this.seals.set(key, b.hash);
    this.blocks.set(b.hash, { number: Number(b.number), parent: b.parentHash, step, author: b.miner.toLowerCase(), root: b.stateRoot });
  }
  watch(i) {
    const again = () => { if (!this.ended) setTimeout(() => this.watch(i), 100); };
    const w = new WebSocket(`ws://10.78.0.${i}:8546`);
    w.on('open', () => w.send('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}'));
    w.on('message', async (text) => {
      const hash = JSON.parse(text).params?.result?.hash;
      if (hash === undefined) return;
      try {
        this.note(await rpc(this.url(i), 'eth_getBlockByHash', [hash, false]));
        await this.look(i);
      } catch { /* it has just been killed */ }
    });
    w.on('error', () => {});
    w.on('close', again);
  }
  async status(i, limit_ms = 2000) {
    const s = await rpc(this.url(i), 'aura_status', [], limit_ms);
    return { step: Number(s.step), head: { number: Number(s.head.number), hash: s.head.hash, step: Number(s.head.step) }, finalized: Number(s.finalized), validators: s.validators.map((a) => a.toLowerCase()),
      began: Number(s.epoch.startBlock) };
  }
  // look: what a node calls final, and the set that it goes by, against what any other ever said
  async look(i) {
    const s = await this.status(i), set = s.validators.join(' ');
    if (!this.epochs.has(set)) this.epochs.set(set, new Map());
    this.epochs.get(set).set(i, s.began);
    const b = await rpc(this.url(i), 'eth_getBlockByNumber', ['0x' + s.finalized.toString(16), false], 2000);
    const known = this.final.get(s.finalized);
    if (known !== undefined && known.hash !== b.hash) this.conflicts.push(`block ${s.finalized} is final as ${known.hash} for node ${known.by} and as ${b.hash} for node ${i}`);
    if (known === undefined) this.final.set(s.finalized, { hash: b.hash, by: i });
    return s;
  }
  // checkAll: the invariants over all that was seen until now; nodes: those that should have one chain
  async checkAll(nodes = this.all()) {
    const all = await Promise.all(nodes.map((i) => this.look(i)));
    const low = Math.min(...all.map((s) => s.finalized));
    const at = async (i, n) => rpc(this.url(i), 'eth_getBlockByNumber', ['0x' + n.toString(16), false]);
    const own = await at(nodes[0], low);
    for (const i of nodes.slice(1)) {
      const b = await at(i, low);
      assert.equal(b.hash, own.hash, `block ${low} of node ${i}`);
      assert.equal(b.stateRoot, own.stateRoot, `state root at ${low} of node ${i}`);
    }
    // every block that was ever final is the one of the chain below
    for (const [n, f] of this.final) if (n <= low && n > 0) assert.equal((await at(nodes[0], n)).hash, f.hash, `block ${n}, once final for node ${f.by}`);
    assert.deepEqual(this.conflicts, []);
    assert.deepEqual(this.doubles, [], 'two blocks of one validator in one step');
    for (const [set, began] of this.epochs) assert.equal(new Set(began.values()).size, 1, `the set ${set} began at ${[...began].map(([i, n]) => `${n} for node ${i}`).join(', ')}`);
    return low;
  }
  // recovery: steps from `since` until all have a block of after it in common, and until it is final for all
  async recovery(since, nodes = this.all(), n = this.n) {
    const limit = (2 * n * this.stepMs) / 1000, step = since / this.stepMs;
    let common;
    await until('one chain with a new block', async () => {
      const heads = await Promise.all(nodes.map((i) => this.status(i, 1000)));
      const low = Math.min(...heads.map((s) => s.head.number));
      const at = await Promise.all(nodes.map((i) => rpc(this.url(i), 'eth_getBlockByNumber', ['0x' + low.toString(16), false], 1000)));
      common = at[0];
      return new Set(at.map((b) => b.hash)).size === 1 && Number(common.step) > Math.floor(step) && low;
    }, limit, 50);
    const block = (Date.now() - since) / this.stepMs;
    await until('it is final', async () => {
      const s = await Promise.all(nodes.map((i) => this.status(i, 1000)));
      return s.every((x) => x.finalized >= Number(common.number));
    }, limit, 50);
    return { block, final: (Date.now() - since) / this.stepMs - block };
  }
  text(r) { return `a common block ${r.block.toFixed(1)} steps after, final ${r.final.toFixed(1)} steps later`; }

  // --- transactions ---------------------------------------------------------------------------------------------------------
  async send(i, key, to, data, nonce) {
    const from = computeAddress(key);
    nonce ??= Number(await rpc(this.url(i), 'eth_getTransactionCount', [from, 'pending']));
    const tx = Transaction.from({ type: 0, chainId: 7777, nonce, gasPrice: 0, gasLimit: 3000000, to, data });
    tx.signature = new SigningKey(key).sign(tx.unsignedHash);
    return rpc(this.url(i), 'eth_sendRawTransaction', [tx.serialized]);
  }
  mined(i, hash, limit_s = 20) {
    return until('it is mined', async () => {
      const r = await rpc(this.url(i), 'eth_getTransactionReceipt', [hash]);
      if (r) assert.equal(r.status, '0x1', 'the transaction went well');
      return r;
    }, limit_s, 100);
  }
  async stop() {
    this.ended = true;
    for (const i of this.all()) this.kill(i, 'SIGTERM');
    await sleep(300);
  }
}
