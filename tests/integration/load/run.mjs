// Four validators under load at 80 % of what the gas limit lets through: no step is missed because of it, memory stays flat, the disk grows as stated.
//   node run.mjs [--seconds N]     CI: 45; nightly: 300; 7200 for the whole figure
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Member, assert, block, blocks, height, rpc, run, sleep, stepOf, test, until, workFolder } from '../../e2e/lib.mjs';
import { createRequire } from 'node:module';

const { ethers } = createRequire(new URL('../../e2e/package.json', import.meta.url))('ethers');
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '45' } } });
const SECONDS = Number(values.seconds), STEP = 2, SLOTS = 150, SHARE = 0.8, TRANSFERS_S = 20;
// what a node's database may grow by: a slot that is written again (its old value is kept for 128 blocks), a transaction with its receipt and index
const BYTES_PER_WRITE = 400, BYTES_PER_TX = 2500, BYTES_FREE = 24 << 20;
process.argv.length = 2; // the runner takes an argument for a test's name

const work = workFolder(), M = new Member(49, work, 'm');
const me = Array.from({ length: 8 }, (_, i) => new ethers.Wallet(ethers.id(`load ${i}`)));
const nodes = [0, 1, 2, 3];
const send = (i, raw) => rpc(M.node(i % 4), 'eth_sendRawTransaction', [raw], 20000);
// own: memory that is the process's alone; the rest of what is resident are pages of the database's file, which the kernel takes back as it likes
const memory = (p, key) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(fs.readFileSync(`/proc/${p.pid}/status`, 'utf8'))[1]) / 1024;
const facts = () => {
  const list = M.instances();
  return {
    own: list.map((p) => memory(p, 'RssAnon')),
    all: list.map((p) => memory(p, 'VmRSS')),
    disk: list.map((p) => fs.statSync(path.join(M.dir, 'local/instances', p.name, 'var/lib/poa/db/data.mdb')).blocks * 512),
  };
};
const missedIn = (list) => list.slice(1).reduce((n, b, i) => n + stepOf(b, STEP) - stepOf(list[i], STEP) - 1, 0);
let to, gasPerCall, idleMissed, chainId;

test('four validators seal; the contract that writes 150 slots a call stands', async () => {
  await M.new('--nodes', '4', '--step', String(STEP), '--alloc', me.map((w) => `${w.address}=1000ether`).join(','));
  chainId = Number(await rpc(M.url, 'eth_chainId'));
  // for (i = 150; i != 0; i--) sstore(i, number + calldata[0])
  const code = `6096 5b 5f35 4301 81 55 6001 90 03 80 6002 57 00`.replace(/ /g, '');
  const init = `60${(code.length / 2).toString(16).padStart(2, '0')}600a5f3960${(code.length / 2).toString(16).padStart(2, '0')}5ff3`;
  const pad = init.length / 2 === 10 ? init : init.replace('600a', `60${(init.length / 2).toString(16).padStart(2, '0')}`);
  const raw = await me[0].signTransaction({ type: 0, chainId, nonce: 0, gasPrice: 0, gasLimit: 1000000, data: `0x${pad}${code}` });
  const hash = await send(0, raw);
  const r = await until('the receipt', () => rpc(M.url, 'eth_getTransactionReceipt', [hash]), 30);
  assert.equal(r.status, '0x1');
  to = r.contractAddress;
  const first = await send(0, await me[0].signTransaction({ type: 0, chainId, nonce: 1, gasPrice: 0, gasLimit: 8000000, to, data: ethers.toBeHex(1, 32) }));
  await until('the slots are filled', () => rpc(M.url, 'eth_getTransactionReceipt', [first]), 30);
  const again = await send(0, await me[0].signTransaction({ type: 0, chainId, nonce: 2, gasPrice: 0, gasLimit: 8000000, to, data: ethers.toBeHex(2, 32) }));
  const s = await until('and written again', () => rpc(M.url, 'eth_getTransactionReceipt', [again]), 30);
  assert.equal(s.status, '0x1');
  gasPerCall = Number(s.gasUsed);
  assert.ok(gasPerCall > SLOTS * 2900, `${gasPerCall} gas a call`);
  const from = await height(M.url);
  await sleep(10000);
  idleMissed = missedIn(await blocks(M.url, from, await height(M.url)));
  return `${gasPerCall} gas a call; ${idleMissed} steps missed in 10 s without load`;
}, 120);

test(`${SECONDS} s at ${SHARE * 100} % of the gas limit`, async () => {
  const limit = Number((await block(M.url, 'latest')).gasLimit), perSecond = limit * SHARE / STEP, calls = Math.floor((perSecond - TRANSFERS_S * 21000) / gasPerCall);
  const nonces = await Promise.all(me.map((w) => rpc(M.url, 'eth_getTransactionCount', [w.address, 'latest']).then(Number)));
  const before = facts(), from = await height(M.url), samples = [], began = Date.now();
  let sent = 0;
  for (let second = 0; second < SECONDS; second++) {
    const jobs = [];
    for (let i = 0; i < calls + TRANSFERS_S; i++) {
      const a = sent % me.length, heavy = i < calls;
      jobs.push(me[a].signTransaction({ type: 0, chainId, nonce: nonces[a]++, gasPrice: 0, gasLimit: heavy ? Math.ceil(gasPerCall * 1.2) : 21000, to: heavy ? to : me[0].address, value: heavy ? 0 : 1, data: heavy ? ethers.toBeHex(sent + 7, 32) : '0x' })
        .then((raw) => send(a, raw)));
      sent++;
    }
    await Promise.all(jobs);
    if (second % 5 === 4) samples.push(facts().own);
    await sleep(Math.max(0, began + (second + 1) * 1000 - Date.now()));
  }
  const spent = (Date.now() - began) / 1000;
  await until('all are mined', async () => (await Promise.all(me.map((w) => rpc(M.url, 'eth_getTransactionCount', [w.address, 'latest'])))).every((n, i) => Number(n) >= nonces[i]), 60);
  const list = await blocks(M.url, from, await height(M.url)), after = facts(), txs = list.slice(1).reduce((n, b) => n + b.transactions.length, 0), gas = list.slice(1).reduce((n, b) => n + Number(b.gasUsed), 0);
  const missed = missedIn(list), allowed = Math.max(idleMissed * Math.ceil(SECONDS / 10), Math.ceil(list.length * 0.02));
  const writes = Math.round(txs * calls / (calls + TRANSFERS_S)) * SLOTS, growth = after.disk.map((d, i) => d - before.disk[i]), bound = BYTES_FREE + writes * BYTES_PER_WRITE + txs * BYTES_PER_TX;
  assert.equal(txs, sent);
  // flat: between the middle and the end of the load, not from the idle node to the loaded one
  const third = samples[Math.floor(samples.length / 2)], end = samples.at(-1);
  const said = `${sent} transactions in ${spent.toFixed(0)} s (${(gas / spent / 1e6).toFixed(1)} Mgas/s, ${(gas / (list.length - 1) / limit * 100).toFixed(0)} % full), ${missed} of ${list.length - 1 + missed} steps missed, own memory ${before.own.map((x) => x.toFixed(0))} -> ${third.map((x) => x.toFixed(0))} -> ${end.map((x) => x.toFixed(0))} MiB (with the database's pages ${after.all.map((x) => x.toFixed(0))}), `
    + `disk +${growth.map((d) => (d / 1048576).toFixed(1))} MiB (${(Math.max(...growth) / txs).toFixed(0)} bytes a transaction, bound ${(bound / 1048576).toFixed(0)} MiB)`;
  assert.ok(missed <= allowed, said);
  for (const i of nodes) assert.ok(end[i] < third[i] * 1.1 + 8, said);
  for (const g of growth) assert.ok(g < bound, said);
  const hashes = new Set(await Promise.all(nodes.map((i) => rpc(M.node(i), 'eth_getBlockByNumber', ['0x' + (from + 5).toString(16), false]).then((b) => b.hash))));
  assert.equal(hashes.size, 1, 'one chain');
  return said;
}, SECONDS + 240);

await run({ chained: true });
