// Three validators of a chain with empty steps (spec keys emptyStepsTransition, maximumEmptySteps), real processes in a row: A and C know B alone, so that
// what A signs comes to C through B. Without transactions steps are signed instead of blocks, the next block carries them, all of it is final.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const program = path.join(process.env.POA_BIN ?? path.join(root, 'build/release'), 'poa-node');
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-empty-')), MAXIMUM = 1; // so that all take their turns at sealing
let passed = 0, failed = 0;
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const check = (ok, why) => { if (!ok) throw new Error(why); };
async function until(what, body, limit_s = 40) {
  let last = '';
  for (const end = Date.now() + limit_s * 1000; ;) {
    try { const r = await body(); if (r) return r; } catch (e) { last = `: ${e.message}`; }
    if (Date.now() > end) throw new Error(`${what}: not within ${limit_s} s${last}`);
    await sleep(100);
  }
}
async function test(name, body) {
  try {
    const note = await body();
    console.log(`ok ${++passed + failed} - ${name}${note ? `\n# ${note}` : ''}`);
  } catch (e) {
    console.log(`not ok ${passed + ++failed} - ${name}\n# ${String(e.stack ?? e).split('\n').join('\n# ')}`);
  }
}
const freePort = () => new Promise((ok, bad) => {
  const s = net.createServer().once('error', bad).listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => ok(port)); });
});

const nodes = [];
const keys = [1, 2, 3].map((i) => Buffer.alloc(32, i));
const addresses = [ // of the keys 0x0101.., 0x0202.., 0x0303..
  '0x1a642f0e3c3af545e7acbd38b07251b3990914f1', '0x5050a4f4b3f9338c3472dcc01a87c76a144b3c9c', '0x3325a78425f17a7e487eb5666b2bfd93abb06c70'];
const on = {};
for (const n of [150, 155, 160, 140, 211, 214, 658, 145, 1014, 1052, 1344, 1884, 2028]) on[`eip${n}Transition`] = '0x0';
const spec = {
  name: 'empty', engine: { authorityRound: { params: { stepDuration: 1, validators: { list: addresses }, emptyStepsTransition: 1, maximumEmptySteps: MAXIMUM, blockReward: '0x5' } } },
  params: { networkID: 4243, maximumExtraDataSize: '0x20', minGasLimit: '0x1312d00', gasLimitBoundDivisor: '0x400', maxCodeSize: 49152, maxCodeSizeTransition: '0x0', ...on, eip161abcTransition: '0x0', eip161dTransition: '0x0' },
  genesis: { seal: { authorityRound: { step: '0x0', signature: '0x' + '00'.repeat(65) } }, difficulty: '0x20000', gasLimit: '0x1312d00' },
  accounts: { '0x0000000000000000000000000000000000000001': { balance: '0x1', builtin: { name: 'ecrecover', activate_at: '0x0', pricing: { linear: { base: 3000, word: 0 } } } } },
};
async function start(i, reserved) {
  const at = path.join(dir, `n${i}`), n = { at, port: await freePort(), p2p: await freePort() };
  fs.mkdirSync(at);
  fs.writeFileSync(path.join(at, 'spec.json'), JSON.stringify(spec));
  fs.writeFileSync(path.join(at, 'key.hex'), keys[i].toString('hex'), { mode: 0o600 });
  fs.writeFileSync(path.join(at, 'poa-node.yaml'), `chain: ${at}/spec.json
base_path: ${at}/data
network: {address: 127.0.0.1, port: ${n.p2p}, discovery: false${reserved ? `, reserved: ["${reserved}"], reserved_only: true` : ''}}
rpc: {address: 127.0.0.1, port: ${n.port}, ws_port: ${await freePort()}, apis: "all"}
identity: {mode: file, key_file: ${at}/key.hex}
metrics: {port: 0}
log: {level: debug, file: ${at}/node.log}
`);
  n.rpc = async (method, ...params) => {
    const r = await fetch(`http://127.0.0.1:${n.port}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) });
    const j = await r.json();
    if (j.error) throw new Error(`${method}: ${j.error.message}`);
    return j.result;
  };
  n.log = () => fs.readFileSync(path.join(at, 'node.log'), 'utf8');
  n.child = spawn(program, ['--config', path.join(at, 'poa-node.yaml')], { stdio: ['ignore', 'ignore', 'inherit'] });
  nodes.push(n);
  await until('the node answers', () => n.child.exitCode !== null || n.rpc('eth_blockNumber'));
  check(n.child.exitCode === null, 'the node ended');
  n.enode = await n.rpc('parity_enode');
  return n;
}
async function chain(n) {
  const out = [];
  for (let i = 1, top = Number(await n.rpc('eth_blockNumber')); i <= top; i++) out.push(await n.rpc('eth_getBlockByNumber', '0x' + i.toString(16), false));
  return out;
}
// how many signatures the third field of a seal holds: each is a list of 65 bytes and a step of four: 0xf8 0x48 ...
const carried = (b) => (b.sealFields[2].match(/f848b841/g) ?? []).length;

console.log('TAP version 13');
let B;
try {
  await test('three validators in a row', async () => {
    B = await start(1);
    await start(0, B.enode);
    await start(2, B.enode);
    await until('B has two peers', async () => Number(await B.rpc('net_peerCount')) === 2);
  });
  await test('steps without transactions are signed, and blocks carry those of validators that are no peers of their sealer', async () => {
    const list = await until('six blocks that carry the most there may be', async () => {
      const all = await chain(B), full = all.filter((b) => carried(b) === MAXIMUM);
      return full.length >= 6 && addresses.every((a) => full.some((b) => b.author === a)) && all;
    }, 60);
    for (let i = 1; i < list.length; i++) {
      const gap = Number(list[i].step) - Number(list[i - 1].step), n = carried(list[i]);
      check(n < gap, `block ${i + 1} carries ${n} empty steps, ${gap} after its parent`);
      const want = (1n << 128n) - 1n - BigInt(gap) + BigInt(n);
      check(BigInt(list[i].difficulty) === want, `block ${i + 1}: difficulty ${list[i].difficulty}`);
    }
    const signed = nodes.map((n) => (n.log().match(/Signed an empty step/g) ?? []).length);
    check(signed.every((n) => n > 0), `empty steps signed: ${signed}`);
    return `${list.length} blocks carry ${list.reduce((s, b) => s + carried(b), 0)} of ${signed.reduce((a, b) => a + b)} empty steps`;
  });
  await test('they count for finality', async () => {
    const heads = await until('all agree on a head that carries one', async () => {
      const all = await Promise.all(nodes.map((n) => n.rpc('eth_getBlockByNumber', 'latest', false)));
      return all.every((b) => b.hash === all[0].hash) && carried(all[0]) === MAXIMUM && all;
    });
    for (const n of nodes) {
      const f = await n.rpc('eth_getBlockByNumber', 'finalized', false);
      check(Number(f.number) >= Number(heads[0].number) - 2, `head ${Number(heads[0].number)}, final ${Number(f.number)}`);
    }
  });
  await test('nobody is blamed for it', async () => {
    for (const n of nodes) check(!/misbehaviour|signatures of the engine|too much of poa/.test(n.log()), n.log().split('\n').filter((l) => /misbehav|engine that/.test(l)).join('\n'));
  });
} finally {
  for (const n of nodes) n.child.kill('SIGTERM');
  await Promise.all(nodes.map((n) => n.child.exitCode !== null || n.child.signalCode !== null || new Promise((ok) => n.child.once('exit', ok))));
  if (process.env.POA_KEEP !== '1') fs.rmSync(dir, { recursive: true, force: true });
  else console.log(`# ${dir}`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
