// A network of one validator for measurements, and its peer: Foundry's anvil. Each gives {url, pid, key, address, stop()}.
//   import { startNode, startAnvil } from './single.mjs'
//   node single.mjs DIR [PORT]     makes DIR, runs the node until Ctrl-C, prints its URL and the funded key
//   POA_BIN                        folder of the programs (default build/release)
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Wallet, id } from 'ethers';

const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.join(here, '../..');
export const bin = path.resolve(process.env.POA_BIN ?? path.join(root, 'build/release'));
export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
export const wallet = (name) => new Wallet(id(`poa-bench/${name}`));

const BYZANTIUM = [140, 211, 214, 658];
const ISTANBUL = [...BYZANTIUM, 145, 1014, 1052, 1283, 1706, 1344, 1884, 2028];
const LONDON = [...ISTANBUL, 2565, 2929, 2930, 1559, 3198, 3529, 3541, 3607];
const CANCUN = [...LONDON, 3651, 3855, 3860, 1153, 5656, 6780];
const PRAGUE = [...CANCUN, 2935, 7623, 7702];
const forks = { byzantium: BYZANTIUM, istanbul: ISTANBUL, london: LONDON, cancun: CANCUN, prague: PRAGUE };

// spec: a chain of one validator; accounts: more of them, {address: {balance, code, storage}}
export function spec({ validator, funded, gasLimit = 1_000_000_000n, stepDuration = 1, fork = 'prague', accounts = {}, chainId = 10101 } = {}) {
  const params = {
    networkID: chainId, chainID: chainId, maximumExtraDataSize: '0x20', minGasLimit: '0x1388', gasLimitBoundDivisor: '0x400', maxCodeSize: 24576,
    maxCodeSizeTransition: '0x0', eip150Transition: '0x0', eip155Transition: '0x0', eip160Transition: '0x0', eip161abcTransition: '0x0',
    eip161dTransition: '0x0', validateChainIdTransition: '0x0', validateReceiptsTransition: '0x0',
  };
  params.minGasLimit = '0x' + gasLimit.toString(16);
  for (const n of forks[fork]) params[`eip${n}Transition`] = '0x0';
  const genesis = {
    seal: { authorityRound: { step: '0x0', signature: '0x' + '00'.repeat(65) } }, difficulty: '0x20000', author: '0x' + '00'.repeat(20), timestamp: '0x0',
    parentHash: '0x' + '00'.repeat(32), extraData: '0x', gasLimit: '0x' + gasLimit.toString(16),
  };
  if (forks[fork].includes(1559)) {
    Object.assign(params, { eip1559BaseFeeMaxChangeDenominator: '0x8', eip1559ElasticityMultiplier: '0x2' });
    genesis.baseFeePerGas = '0x0';
  }
  const linear = (base, word) => ({ linear: { base, word } });
  const builtin = (name, pricing) => ({ balance: '0x1', builtin: { name, activate_at: '0x0', pricing } });
  return {
    name: 'bench',
    engine: { authorityRound: { params: { stepDuration, blockReward: '0x0', validators: { list: [validator] }, validateScoreTransition: 0,
      validateStepTransition: 0, maximumUncleCountTransition: 0, maximumUncleCount: 0 } } },
    params, genesis,
    accounts: {
      '0x0000000000000000000000000000000000000001': builtin('ecrecover', linear(3000, 0)),
      '0x0000000000000000000000000000000000000002': builtin('sha256', linear(60, 12)),
      '0x0000000000000000000000000000000000000003': builtin('ripemd160', linear(600, 120)),
      '0x0000000000000000000000000000000000000004': builtin('identity', linear(15, 3)),
      [funded]: { balance: '0x' + (10n ** 30n).toString(16) },
      ...accounts,
    },
  };
}

export async function rpc(url, method, params = []) {
  const r = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) });
  const j = await r.json();
  if (j.error) throw new Error(`${method}: ${j.error.message}`);
  return j.result;
}

// freePort: one that nobody listens at now
export const freePort = () => new Promise((ok, bad) => {
  const s = net.createServer().once('error', bad).listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => ok(port)); });
});

async function answers(url, child, what, log, limit_s = 20) {
  for (const end = Date.now() + limit_s * 1000; ;) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${what} ended: ${log()}`);
    try { return await rpc(url, 'eth_blockNumber'); } catch { /* not yet */ }
    if (Date.now() > end) throw new Error(`${what}: no answer after ${limit_s} s: ${log()}`);
    await sleep(20);
  }
}

const stopper = (child, dir) => () => new Promise((ok) => {
  const done = () => { if (dir) fs.rmSync(dir, { recursive: true, force: true }); ok(); };
  if (child.exitCode !== null || child.signalCode !== null) return done();
  const hard = setTimeout(() => child.kill('SIGKILL'), 10000);
  child.once('exit', () => { clearTimeout(hard); done(); });
  child.kill('SIGTERM');
});

// makeNode: spec.json, key.hex and poa-node.yaml in dir; validator: false for an observer
export async function makeNode(dir, o = {}) {
  const seal = wallet('validator'), funded = wallet('funded');
  const port = o.port ?? await freePort(), wsPort = await freePort();
  fs.mkdirSync(dir, { recursive: true });
  const file = (name, text, mode = 0o644) => fs.writeFileSync(path.join(dir, name), text, { mode });
  file('spec.json', o.specText ?? JSON.stringify(spec({ validator: seal.address, funded: funded.address, ...o })));
  file('key.hex', seal.privateKey.slice(2) + '\n', 0o600);
  const identity = o.validator === false ? '{mode: none}' : `{mode: file, key_file: ${path.join(dir, 'key.hex')}}`;
  file('poa-node.yaml', `chain: ${path.join(dir, 'spec.json')}
base_path: ${path.join(dir, 'data')}
network: {address: 127.0.0.1, port: ${o.p2pPort ?? await freePort()}, discovery: false}
rpc: {address: 127.0.0.1, port: ${port}, ws_port: ${wsPort}, apis: "${o.apis ?? 'all'}"${o.connections ? `, max_connections: ${o.connections}` : ''}}
identity: ${identity}
log: {level: ${o.logLevel ?? 'info'}, file: ${path.join(dir, 'node.log')}}
`);
  return { dir, port, wsPort, url: `http://127.0.0.1:${port}`, key: funded.privateKey, address: funded.address, config: path.join(dir, 'poa-node.yaml') };
}

// startNode: o.dir is kept; without it a temporary folder is used and removed by stop()
export async function startNode(o = {}) {
  const temporary = o.dir === undefined;
  const dir = o.dir ?? fs.mkdtempSync(path.join(os.tmpdir(), 'poa-bench-'));
  const n = await makeNode(dir, o);
  const began = performance.now();
  const child = spawn(o.program ?? path.join(bin, 'poa-node'), ['--config', n.config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let err = '';
  child.stderr.on('data', (d) => { err += d; });
  const log = () => err + (fs.existsSync(path.join(dir, 'node.log')) ? fs.readFileSync(path.join(dir, 'node.log'), 'utf8').slice(-2000) : '');
  await answers(n.url, child, 'poa-node', log, o.ready_s);
  return { ...n, pid: child.pid, name: 'poa-node', ready_ms: performance.now() - began, log, stop: stopper(child, temporary ? dir : undefined) };
}

// startAnvil: blockTime in seconds, 0: a block for each transaction; the same funded key
export async function startAnvil(o = {}) {
  const funded = wallet('funded');
  const port = o.port ?? await freePort(), url = `http://127.0.0.1:${port}`;
  const program = o.program ?? path.join(here, 'node_modules/.bin/anvil');
  const args = ['--port', String(port), '--silent', '--gas-limit', String(o.gasLimit ?? 1_000_000_000n), '--hardfork', o.fork ?? 'prague',
    ...(o.blockTime === 0 ? [] : ['--block-time', String(o.blockTime ?? 1)]), ...(o.args ?? [])];
  const began = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let err = '';
  child.stderr.on('data', (d) => { err += d; });
  await answers(url, child, 'anvil', () => err);
  await rpc(url, 'anvil_setBalance', [funded.address, '0x' + (10n ** 30n).toString(16)]);
  return { url, pid: leaf(child.pid), key: funded.privateKey, address: funded.address, name: 'anvil', ready_ms: performance.now() - began, log: () => err, stop: stopper(child) };
}

// leaf: npm's launcher is a script that runs the program: the measurements want the program
function leaf(pid) {
  for (;;) {
    let kids = '';
    for (const t of fs.readdirSync(`/proc/${pid}/task`)) kids += fs.readFileSync(`/proc/${pid}/task/${t}/children`, 'utf8') + ' ';
    const first = kids.trim().split(/\s+/)[0];
    if (!first) return pid;
    pid = +first;
  }
}

// cpuSeconds, rssMiB of a process
export function cpuSeconds(pid) {
  const st = fs.readFileSync(`/proc/${pid}/stat`, 'latin1'), f = st.slice(st.lastIndexOf(')') + 2).split(' ');
  return (+f[11] + +f[12]) / 100;
}
export const rssMiB = (pid) => +(+/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1] / 1024).toFixed(1);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const n = await startNode({ dir: path.resolve(process.argv[2] ?? 'single'), port: process.argv[3] ? +process.argv[3] : undefined });
  console.log(JSON.stringify({ url: n.url, pid: n.pid, key: n.key, address: n.address }));
  for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => n.stop().then(() => process.exit(0)));
}
