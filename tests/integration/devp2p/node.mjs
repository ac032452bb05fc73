// Real nodes on this machine for the tests beside: one validator of a chain of one-second steps, and observers. The programs: POA_NODE, POA_BIN.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { keccak256 } from 'ethereum-cryptography/keccak.js';
import { secp256k1 } from 'ethereum-cryptography/secp256k1.js';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const program = process.env.POA_NODE ?? path.join(process.env.POA_BIN ?? path.join(root, 'build/release'), 'poa-node');
export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
export const hex = (bytes) => '0x' + Buffer.from(bytes).toString('hex');
export const unhex = (text) => new Uint8Array(Buffer.from(text.replace(/^0x/, ''), 'hex'));
export const keyOf = (name) => keccak256(Buffer.from(`devp2p/${name}`));
export const publicOf = (key) => secp256k1.getPublicKey(key, false).slice(1);
export const addressOf = (key) => hex(keccak256(publicOf(key)).slice(12));
export const enodeOf = (url) => {
  const m = /^enode:\/\/([0-9a-f]{128})@\[?([^\]?]+?)\]?:(\d+)/i.exec(url);
  return { id: unhex(m[1]), address: m[2], tcpPort: Number(m[3]), udpPort: Number(m[3]) };
};

const sealer = keyOf('sealer');
// spec: absent: validators that never seal: without them each block is final at once
export function spec(extra = {}, accounts = {}, absent = []) {
  const on = {};
  for (const n of [150, 155, 160, 140, 211, 214, 658, 145, 1014, 1052, 1344, 1884, 2028]) on[`eip${n}Transition`] = '0x0';
  return {
    name: 'devp2p', engine: { authorityRound: { params: { stepDuration: 1, validators: { list: [addressOf(sealer), ...absent.map((name) => addressOf(keyOf(name)))] }, validateScoreTransition: 0, validateStepTransition: 0, maximumUncleCountTransition: 0, maximumUncleCount: 0, blockReward: '0x0' } } },
    params: { networkID: 4242, chainID: 4242, maximumExtraDataSize: '0x20', minGasLimit: '0x1312d00', gasLimitBoundDivisor: '0x400', maxCodeSize: 49152, maxCodeSizeTransition: '0x0',
      ...on, eip161abcTransition: '0x0', eip161dTransition: '0x0', validateChainIdTransition: '0x0', validateReceiptsTransition: '0x0', ...extra },
    genesis: { seal: { authorityRound: { step: '0x0', signature: '0x' + '00'.repeat(65) } }, difficulty: '0x20000', gasLimit: '0x1312d00' },
    accounts: { '0x0000000000000000000000000000000000000001': { balance: '0x1', builtin: { name: 'ecrecover', activate_at: '0x0', pricing: { linear: { base: 3000, word: 0 } } } }, ...accounts },
  };
}

export async function rpc(url, method, params = []) {
  const r = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) });
  const j = await r.json();
  if (j.error) throw Object.assign(new Error(`${method}: ${j.error.message}`), { rpc: j.error });
  return j.result;
}
export const freePort = () => new Promise((ok, bad) => {
  const s = net.createServer().once('error', bad).listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => ok(port)); });
});
export async function until(what, body, limit_s = 20, every_ms = 50) {
  let last = '';
  for (const end = Date.now() + limit_s * 1000; ;) {
    try { const r = await body(); if (r) return r; last = ''; } catch (e) { last = `: ${e.message}`; }
    if (Date.now() > end) throw new Error(`${what}: not within ${limit_s} s${last}`);
    await sleep(every_ms);
  }
}

const nodes = new Set();
export const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-devp2p-'));
let count = 0;
export class Node {
  // network: text of further settings; validator: it seals
  constructor({ validator = false, network = '', apis = 'all', specText = JSON.stringify(spec()) } = {}) {
    Object.assign(this, { validator, network, apis, dir: path.join(folder, `n${++count}`) });
    fs.mkdirSync(this.dir);
    fs.writeFileSync(path.join(this.dir, 'spec.json'), specText);
    fs.writeFileSync(path.join(this.dir, 'key.hex'), hex(sealer).slice(2), { mode: 0o600 });
    nodes.add(this);
  }
  async start() {
    this.port ??= await freePort();
    this.p2p ??= await freePort();
    this.url = `http://127.0.0.1:${this.port}`;
    const yaml = path.join(this.dir, 'poa-node.yaml');
    fs.writeFileSync(yaml, `chain: ${this.dir}/spec.json
base_path: ${this.dir}/data
network: {address: 127.0.0.1, port: ${this.p2p}${this.network ? ', ' + this.network : ''}}
rpc: {address: 127.0.0.1, port: ${this.port}, ws_port: ${await freePort()}, apis: "${this.apis}"}
identity: ${this.validator ? `{mode: file, key_file: ${this.dir}/key.hex}` : '{mode: none}'}
log: {level: debug, file: ${this.dir}/node.log}
`);
    this.child = spawn(program, ['--config', yaml], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.err = '';
    this.child.stderr.on('data', (d) => { this.err += d; });
    await until('the node answers', async () => this.child.exitCode !== null || (await this.rpc('eth_blockNumber')) !== undefined);
    if (this.child.exitCode !== null) throw new Error(`it ended: ${this.err}`);
    this.enode = await this.rpc('parity_enode');
    return this;
  }
  rpc(method, params) { return rpc(this.url, method, params); }
  async peers() { return Number(await this.rpc('net_peerCount')); }
  async height() { return Number(await this.rpc('eth_blockNumber')); }
  log() { return fs.readFileSync(path.join(this.dir, 'node.log'), 'utf8'); }
  status(key) { return Number(new RegExp(`${key}:\\s+(\\d+)`).exec(fs.readFileSync(`/proc/${this.child.pid}/status`, 'utf8'))[1]) / 1024; }
  // mark: RSS now in MiB; peak() afterwards is the most since
  mark() { fs.writeFileSync(`/proc/${this.child.pid}/clear_refs`, '5'); return this.status('VmRSS'); }
  peak() { return this.status('VmHWM'); }
  stop(signal = 'SIGTERM') {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) return Promise.resolve();
    const gone = new Promise((ok) => this.child.once('exit', ok)), hard = setTimeout(() => this.child.kill('SIGKILL'), 8000);
    this.child.kill(signal);
    return gone.finally(() => clearTimeout(hard));
  }
}
export async function stopAll() {
  await Promise.all([...nodes].map((n) => n.stop()));
  if (process.env.POA_KEEP !== '1') fs.rmSync(folder, { recursive: true, force: true });
}
