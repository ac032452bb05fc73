// Randomness by commit and reveal (spec key randomnessContractAddress): two validators with real processes and a contract in the genesis block. Both
// commit in the first phase of a round and reveal in the second, by transactions of their own; one is killed in between and reveals all the same.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { Interface, Wallet, keccak256, toBeHex } from 'ethers';
import { assert, bin, rpc, run, test, until, workFolder } from './lib.mjs';
import { compile } from './solidity.mjs';

const dir = workFolder(), CONTRACT = '0x0000000000000000000000000000000000002001', HALF = 5;
const keys = ['0x' + '41'.repeat(32), '0x' + '42'.repeat(32)], who = keys.map((k) => new Wallet(k).address);
const { abi, bytecode } = compile('Random.sol', 'Random'), face = new Interface(abi);
const on = {};
for (const n of [150, 155, 160, 140, 211, 214, 658, 145, 1014, 1052, 1344, 1884, 2028]) on[`eip${n}Transition`] = '0x0';
const spec = {
  name: 'random', engine: { authorityRound: { params: { stepDuration: 1, validators: { list: who }, randomnessContractAddress: { 1: CONTRACT } } } },
  params: { networkID: 4244, maximumExtraDataSize: '0x20', minGasLimit: '0x1312d00', gasLimitBoundDivisor: '0x400', maxCodeSize: 49152, maxCodeSizeTransition: '0x0', ...on, eip161abcTransition: '0x0', eip161dTransition: '0x0' },
  genesis: { seal: { authorityRound: { step: '0x0', signature: '0x' + '00'.repeat(65) } }, difficulty: '0x20000', gasLimit: '0x1312d00' },
  accounts: { '0x0000000000000000000000000000000000000001': { balance: '0x1', builtin: { name: 'ecrecover', activate_at: '0x0', pricing: { linear: { base: 3000, word: 0 } } } },
    [CONTRACT]: { balance: '0x0', constructor: bytecode } },
};
const freePort = () => new Promise((ok, bad) => {
  const s = net.createServer().once('error', bad).listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => ok(port)); });
});
const nodes = [];
async function configure(i, reserved) {
  const at = path.join(dir, `n${i}`), n = { at, yaml: path.join(at, 'poa-node.yaml'), port: await freePort() };
  fs.mkdirSync(at);
  fs.writeFileSync(path.join(at, 'spec.json'), JSON.stringify(spec));
  fs.writeFileSync(path.join(at, 'key.hex'), keys[i].slice(2), { mode: 0o600 });
  fs.writeFileSync(n.yaml, `chain: ${at}/spec.json
base_path: ${at}/data
network: {address: 127.0.0.1, port: ${await freePort()}, discovery: false${reserved ? `, reserved: ["${reserved}"]` : ''}}
rpc: {address: 127.0.0.1, port: ${n.port}, ws_port: ${await freePort()}, apis: "all"}
identity: {mode: file, key_file: ${at}/key.hex}
metrics: {port: 0}
log: {level: debug, file: ${at}/node.log}
`);
  n.url = `http://127.0.0.1:${n.port}`;
  n.log = () => fs.readFileSync(path.join(at, 'node.log'), 'utf8');
  nodes.push(n);
  return n;
}
async function start(n) {
  n.child = spawn(path.join(bin, 'poa-node'), ['--config', n.yaml], { stdio: ['ignore', 'ignore', 'inherit'] });
  await until('the node answers', () => n.child.exitCode !== null || rpc(n.url, 'eth_blockNumber').catch(() => false), 20, 100);
  assert.equal(n.child.exitCode, null, n.log());
}
const gone = (n, signal) => { const end = new Promise((ok) => n.child.once('exit', ok)); n.child.kill(signal); return end; };
process.on('exit', () => { for (const n of nodes) n.child?.kill('SIGKILL'); });
async function events(name) {
  const logs = await rpc(nodes[0].url, 'eth_getLogs', [{ fromBlock: '0x0', toBlock: 'latest', address: CONTRACT, topics: [face.getEvent(name).topicHash] }]);
  return logs.map((l) => { const { args } = face.parseLog(l); return { round: Number(args.round), who: args.who, number: args.number, block: Number(l.blockNumber) }; });
}
async function call(name, ...args) {
  return face.decodeFunctionResult(name, await rpc(nodes[0].url, 'eth_call', [{ to: CONTRACT, data: face.encodeFunctionData(name, args) }, 'latest']))[0];
}
const both = (list, round) => who.every((a) => list.some((e) => e.round === round && e.who === a));
let round;

test('two validators', async () => {
  await start(await configure(0));
  await start(await configure(1, await rpc(nodes[0].url, 'parity_enode')));
  await until('blocks of both', async () => Number(await rpc(nodes[0].url, 'eth_blockNumber')) >= 3);
});
test('both commit, once, in the first phase; one is killed and reveals all the same, by its key alone', async () => {
  round = await until('both have committed in one round', async () => {
    const list = await events('Committed');
    return list.map((e) => e.round).find((r) => both(list, r));
  });
  await gone(nodes[1], 'SIGKILL');
  await start(nodes[1]);
  await until('both have revealed in one round', async () => {
    const list = await events('Revealed');
    const rounds = [...new Set(list.map((e) => e.round))].filter((r) => both(list, r));
    return rounds.length >= 1;
  });
  const commits = await events('Committed'), reveals = await events('Revealed');
  for (const list of [commits, reveals]) assert.equal(new Set(list.map((e) => `${e.round} ${e.who}`)).size, list.length);
  for (const e of commits) assert.ok(e.block % (2 * HALF) < HALF);
  for (const e of reveals) assert.ok(e.block % (2 * HALF) >= HALF);
  assert.equal(new Set(reveals.map((e) => e.number)).size, reveals.length); // no number twice
  return `${commits.length} commitments, ${reveals.length} numbers, from round ${round} on`;
});
test('the seed is all numbers together, and each is the one that was committed to', async () => {
  const { list, seed } = await until('the list and the seed of one moment', async () => {
    const a = await events('Revealed'), s = await call('seed'), b = await events('Revealed');
    return a.length === b.length && { list: a, seed: s };
  });
  assert.equal(list.reduce((x, e) => x ^ e.number, 0n), seed);
  for (const e of list) {
    const [hash] = face.decodeFunctionResult('getCommitAndCipher', await rpc(nodes[0].url, 'eth_call', [{ to: CONTRACT, data: face.encodeFunctionData('getCommitAndCipher', [e.round, e.who]) }, 'latest']));
    assert.equal(keccak256(toBeHex(e.number, 32)), hash);
  }
  for (const n of nodes) assert.doesNotMatch(n.log(), /no part in the randomness/);
});
test('all end', async () => { await Promise.all(nodes.map((n) => gone(n, 'SIGTERM'))); });
await run({ chained: true });
