// A node that catches up is killed (-9) again and again: what its RPC has shown is there after the kill, the database is whole, it goes on, and ends
// with the chain of the others. Meanwhile readers see heads that fit their state.
//   node run.mjs [--blocks N] [--kills N] [--seed N]
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const { values } = parseArgs({ options: { blocks: { type: 'string', default: '2000' }, kills: { type: 'string', default: '5' }, seed: { type: 'string' } } });
const BLOCKS = Number(values.blocks), KILLS = Number(values.kills), TXS = 2;
const bin = path.resolve(root, process.env.POA_BIN ?? 'build/release'), program = process.env.POA_NODE ?? path.join(bin, 'poa-node');
// the keys 1 and 2, and their addresses
const KEYS = ['1', '2'].map((k) => k.padStart(64, '0')), SEALER = '0x7e5f4552091a69125d5dfcb7b8c2659029395bdf', FUNDED = '0x2b5ad5c4795c026514f8317c7a215e218dccd6cf';
let seed = Number(values.seed ?? Date.now() % 2 ** 31);
const random = (n) => { seed = (Math.imul(seed, 1103515245) + 12345) >>> 0; return (seed >>> 8) % n; };
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
// below those that the system gives out: a killed node finds its port free
const freePort = () => new Promise((ok) => {
  const p = 12000 + Math.floor(Math.random() * 16000), s = net.createServer().once('error', () => ok(freePort())).listen(p, '127.0.0.1', () => s.close(() => ok(p)));
});
console.log(`TAP version 13\n# --seed ${seed}`);

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-sync-')), specFile = path.join(folder, 'spec.json');
const on = Object.fromEntries([150, 155, 160, 140, 211, 214, 658, 145, 1014, 1052, 1344, 1884, 2028].map((n) => [`eip${n}Transition`, '0x0']));
fs.writeFileSync(specFile, JSON.stringify({
  name: 'sync', engine: { authorityRound: { params: { stepDuration: 1, validators: { list: [SEALER] }, validateScoreTransition: 0, validateStepTransition: 0, maximumUncleCountTransition: 0, maximumUncleCount: 0, blockReward: '0x0' } } },
  params: { networkID: 4343, chainID: 4343, maximumExtraDataSize: '0x20', minGasLimit: '0x1312d00', gasLimitBoundDivisor: '0x400', maxCodeSize: 49152, maxCodeSizeTransition: '0x0', ...on,
    eip161abcTransition: '0x0', eip161dTransition: '0x0', validateChainIdTransition: '0x0', validateReceiptsTransition: '0x0' },
  genesis: { seal: { authorityRound: { step: '0x0', signature: '0x' + '00'.repeat(65) } }, difficulty: '0x20000', gasLimit: '0x1312d00' }, accounts: { [FUNDED]: { balance: '0xffffffffffffffff' } },
}));

const nodes = [];
class Node {
  constructor(name) { this.dir = path.join(folder, name); fs.mkdirSync(this.dir, { recursive: true }); nodes.push(this); }
  async start({ bootnodes = [], sealing = false } = {}) {
    this.port ??= await freePort();
    this.p2p ??= await freePort();
    fs.writeFileSync(path.join(this.dir, 'key.hex'), KEYS[0], { mode: 0o600 });
    fs.writeFileSync(path.join(this.dir, 'node.yaml'), `chain: ${specFile}
base_path: ${this.dir}/data
network: {address: 127.0.0.1, port: ${this.p2p}, discovery: false, bootnodes: ${JSON.stringify(bootnodes)}}
rpc: {address: 127.0.0.1, port: ${this.port}, ws_port: ${await freePort()}, apis: all}
identity: ${sealing ? `{mode: file, key_file: ${this.dir}/key.hex}` : '{mode: none}'}
log: {level: info, file: ${this.dir}/node.log}
`);
    this.child = spawn(program, ['--config', path.join(this.dir, 'node.yaml')], { stdio: 'ignore' });
    this.gone = new Promise((ok) => this.child.once('exit', ok));
    return this;
  }
  async rpc(method, ...params) {
    const r = await fetch(`http://127.0.0.1:${this.port}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) });
    const j = await r.json();
    if (j.error) throw Object.assign(new Error(`${method}: ${j.error.message}`), { isAnswer: true });
    return j.result;
  }
  // the node's first answer
  async up() {
    for (const end = Date.now() + 30000; ;) {
      try { return Number(await this.rpc('eth_blockNumber')); } catch (e) {
        if (Date.now() > end || this.child.exitCode !== null) throw new Error(`${this.dir} does not come up: ${e.message}\n${fs.readFileSync(path.join(this.dir, 'node.log'), 'utf8').slice(-1500)}`);
      }
      await sleep(5);
    }
  }
  async stop(signal = 'SIGTERM') {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill(signal);
    await this.gone;
  }
}

let failed = 0;
try {
  const made = spawnSync('make', ['-s', '-C', root, `${path.relative(root, bin)}/poa-make-chain`], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  const server = new Node('server'), fresh = new Node('fresh');
  const chain = spawnSync(path.join(bin, 'poa-make-chain'), [specFile, path.join(server.dir, 'data'), String(BLOCKS), String(TXS)], { input: KEYS.join('\n') + '\n', encoding: 'utf8' });
  assert.equal(chain.status, 0, chain.stderr);
  assert.equal(await (await server.start()).up(), BLOCKS);
  const enode = await server.rpc('parity_enode');
  const hashOf = async (n, number) => (await n.rpc('eth_getBlockByNumber', '0x' + number.toString(16), false))?.hash;

  // one look: a head that fits its state and stands in the chain of the server; ret its number
  let looks = 0, kills = 0, between = 0, shown = 0;
  async function look() {
    const head = await fresh.rpc('eth_getBlockByNumber', 'latest', false), number = Number(head.number);
    shown = Math.max(shown, number);
    if (number <= BLOCKS) assert.equal(head.hash, await hashOf(server, number), `block ${number} is the server's`);
    if (head.transactions.length > 0) assert.equal((await fresh.rpc('eth_getTransactionReceipt', head.transactions[0])).blockHash, head.hash);
    try { // the history of recent blocks is kept, and a group may be as long as half of it
      assert.equal(Number(await fresh.rpc('eth_getTransactionCount', FUNDED, { blockHash: head.hash })), Math.min(number, BLOCKS) * TXS, `the state after block ${number}`);
    } catch (e) { if (!e.isAnswer) throw e; }
    looks++;
    return number;
  }

  for (let from = 0; from < BLOCKS;) {
    await fresh.start({ bootnodes: [enode] });
    const began = await fresh.up();
    assert.ok(began >= shown, `block ${shown} was shown before the kill, but the head is ${began} now`);
    between += began > 0 && began < BLOCKS;
    const kill = kills < KILLS, until = from + 1 + random(Math.max(1, Math.floor(BLOCKS / KILLS / 2)));
    for (const end = Date.now() + 60000; ;) {
      from = await look();
      if (from >= BLOCKS || (kill && from >= until)) break;
      assert.ok(Date.now() < end, `no progress since block ${from}`);
    }
    if (!kill) continue;
    await sleep(random(20));
    await fresh.stop('SIGKILL');
    kills++;
    if (from >= BLOCKS) { await fresh.start({ bootnodes: [enode] }); await fresh.up(); }
  }
  console.log(`ok 1 - killed ${kills} times, ${between} of them within the chain, a catching-up node keeps what it has shown and gets all of it; ${looks} looks fit`);

  assert.equal(await hashOf(fresh, BLOCKS), await hashOf(server, BLOCKS));
  await server.stop();
  await (await server.start({ sealing: true })).up();
  for (const end = Date.now() + 60000; await look() < BLOCKS + 2;) {
    assert.ok(Date.now() < end, 'the chain does not go on');
    await sleep(50);
  }
  await fresh.stop('SIGKILL'); // at the head each block is kept by itself
  const last = shown;
  await fresh.start({ bootnodes: [enode] });
  assert.ok(await fresh.up() >= last);
  console.log('ok 2 - and goes on with blocks that are new');
} catch (e) {
  failed++;
  console.log(`not ok - ${String(e.stack ?? e).split('\n').join('\n# ')}`);
  for (const n of nodes) console.log(`# ${n.dir}:\n# ${fs.existsSync(path.join(n.dir, 'node.log')) ? fs.readFileSync(path.join(n.dir, 'node.log'), 'utf8').slice(-2000).split('\n').join('\n# ') : 'no log'}`);
} finally {
  await Promise.all(nodes.map((n) => n.stop()));
  fs.rmSync(folder, { recursive: true, force: true });
}
console.log(`${failed ? 0 : 2} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
