// poa-agent against stand-ins of a node and of Azure Monitor: what it sends, and that nothing is lost or doubled by kills, offline times, throttling and
// re-organisations. Last, a real network, and the guide's queries on what came of it.
//   POA_BIN   folder of the programs (default build/release)      POA_SEED   repeats the choice of moments      POA_KILLS   how many kills (20)
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { seeded } from '../../random.mjs';
import { Chain } from './chain.mjs';
import { Endpoint, assert, readTemplate } from './endpoint.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const bin = path.resolve(process.env.POA_BIN ?? path.join(root, 'build/release'));
const template = readTemplate(path.join(root, 'templates/nested/monitor.json'));
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const random = seeded(Number(process.env.POA_SEED ?? Date.now() % 1e9));
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-agent-'));
const running = new Set();
process.on('exit', () => {
  for (const p of running) p.kill('SIGKILL');
  if (fs.existsSync(path.join(work, 'net'))) spawnSync(path.join(bin, 'poa-deploy'), ['destroy', path.join(work, 'net'), '--yes'], { stdio: 'ignore' });
  fs.rmSync(work, { recursive: true, force: true });
});
for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => process.exit(130));
async function until(what, body, limit_s = 30, every_ms = 50) {
  const end = Date.now() + limit_s * 1000;
  for (;;) {
    const v = await body();
    if (v) return v;
    if (Date.now() > end) throw new Error(`${what}: not within ${limit_s} s`);
    await sleep(every_ms);
  }
}

class Agent {
  constructor(name, chain, endpoint, { node = {}, send = {}, spool = {}, ...more } = {}) {
    this.dir = path.join(work, name);
    fs.mkdirSync(this.dir);
    this.log = path.join(this.dir, 'node.log');
    fs.writeFileSync(this.log, '');
    fs.writeFileSync(path.join(this.dir, 'secret'), `${endpoint.secret}\n`);
    fs.writeFileSync(path.join(this.dir, 'key'), `${endpoint.key}\n`);
    const ingestion = send.api !== 'collector';
    this.config = path.join(this.dir, 'agent.yaml');
    fs.writeFileSync(this.config, JSON.stringify({
      node: { rpc: chain.url, name: 'vl-test-reg1000000', log_file: this.log, poll_ms: 50, from_block: 0, stats_s: 1, ...node },
      spool: { dir: path.join(this.dir, 'spool'), ...spool },
      send: { endpoint: endpoint.url, interval_s: 1, ...(ingestion ? { rule: endpoint.rule, token: { kind: 'client_credentials', token_uri: `${endpoint.url}/token`, client_id: 'agent', client_secret_file: path.join(this.dir, 'secret') } }
        : { workspace_id: endpoint.workspace, shared_key_file: path.join(this.dir, 'key') }), ...send },
      log: { file: path.join(this.dir, 'agent.log') }, ...more,
    }));
  }
  change(sections) { fs.writeFileSync(this.config, JSON.stringify({ ...JSON.parse(fs.readFileSync(this.config, 'utf8')), ...sections })); }
  start() {
    const p = spawn(path.join(bin, 'poa-agent'), ['--config', this.config], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.p = p;
    p.err = '';
    p.stderr.on('data', (d) => { p.err += d; });
    running.add(p);
    p.gone = new Promise((ok) => p.on('close', (code, signal) => { running.delete(p); ok({ code, signal }); }));
  }
  async kill(signal = 'SIGKILL') { this.p.kill(signal); return this.p.gone; }
  said() { return fs.readFileSync(path.join(this.dir, 'agent.log'), 'utf8'); }
}
const values = (e, table, key) => (e.tables[table] ?? []).map((r) => r[key]);
function same(got, want, what) {
  const seen = new Map(), wanted = new Set(want);
  for (const g of got) seen.set(g, (seen.get(g) ?? 0) + 1);
  const twice = [...seen].filter(([, n]) => n > 1), lost = want.filter((w) => !seen.has(w)), strange = [...seen.keys()].filter((g) => !wanted.has(g));
  assert.deepEqual({ twice, lost, strange }, { twice: [], lost: [], strange: [] }, what);
}

const tests = [];
const test = (title, body) => tests.push({ title, body });

for (const api of ['ingestion', 'collector']) {
  test(`${api}: rows as the tables want them`, async () => {
    const chain = new Chain(), e = new Endpoint(template);
    await chain.listen();
    await e.listen();
    const a = new Agent(`plain-${api}`, chain, e, { send: { api } });
    chain.announce(3);
    chain.add(2, 1);
    a.start();
    fs.appendFileSync(a.log, '2026-11-23 09:32:52.123 INFO  sync     Syncing with peers: 3 active, 3 confirmed, 4 total\nno time here: \xe9 \0 "quoted"\n');
    const s = api === 'collector';
    await until('all tables', () => ['MinedBlock_CL', 'MinedTransaction_CL', 'PendingTransaction_CL', 'ParityLog_CL', 'NodeStats_CL'].every((t) => e.tables[t]?.length), 20);
    await until('two blocks, two lines', () => e.tables.MinedBlock_CL.length === 2 && e.tables.ParityLog_CL.length === 2, 20);
    assert.deepEqual(e.faults, []);
    const k = (name, suffix) => (s ? name + suffix : name), b = e.tables.MinedBlock_CL[1], c = chain.blocks[1];
    assert.equal(b[k('BlockHash', '_s')], c.hash);
    assert.equal(b[k('BlockNumber', '_d')], 1);
    assert.equal(b[k('BlockMiner', '_s')], c.miner);
    assert.equal(b[k('BlockTransactionCount', '_d')], 3);
    assert.equal(b[k('BlockTimestamp', '_t')], '2023-11-14T22:13:22.000Z');
    assert.equal(b[k('BlockDifficulty', '_s')], (2n ** 128n - 1n).toString());
    assert.equal(b[k('ChainTotalDifficulty', '_s')], (2n ** 128n).toString());
    assert.equal(b[k('ExtraData', '_s')], 'poa ""');
    const t = e.tables.MinedTransaction_CL;
    same(t.map((x) => x[k('TransactionHash', '_s')]), c.transactions, 'transactions');
    assert.deepEqual(t.map((x) => x[k('TransactionIndex', '_d')]), [0, 1, 2]);
    assert.equal(t[2][k('CumulativeGasUsed', '_d')], 63000);
    const p = e.tables.PendingTransaction_CL;
    assert.equal(p.length, 1);
    assert.equal(p[0][k('Value', '_s')], '1.5');
    assert.equal(p[0][k('GasPrice', '_s')], '2.5');
    const l = e.tables.ParityLog_CL;
    assert.equal(l[0][s ? 'Message_s' : 'RawData'], '2026-11-23 09:32:52.123 INFO  sync     Syncing with peers: 3 active, 3 confirmed, 4 total');
    assert.equal(l[0].TimeGenerated, '2026-11-23T09:32:52.123Z');
    assert.equal(l[0][s ? 'Computer' + '_s' : 'Computer'], 'vl-test-reg1000000');
    assert.equal(e.tables.NodeStats_CL[0][k('PeerCount', '_d')], 3);
    assert.deepEqual(await a.kill('SIGTERM'), { code: 0, signal: null });
    await chain.close();
    await e.offline();
  });
}
test('columns: suffixed gives the names that the collector API would make', async () => {
  const chain = new Chain(), e = new Endpoint(template, 'suffixed');
  await chain.listen();
  await e.listen();
  const a = new Agent('suffixed', chain, e, { send: { columns: 'suffixed' } });
  a.start();
  await until('a block', () => e.tables.MinedBlock_CL?.length);
  assert.equal(e.tables.MinedBlock_CL[0].BlockMiner_s, chain.blocks[0].miner);
  assert.equal(e.tables.MinedBlock_CL[0].BlockNumber_d, 0);
  assert.deepEqual(e.faults, []);
  await a.kill();
  await chain.close();
  await e.offline();
});
test('kill -9, offline, throttled, cut off, re-organised: nothing lost, nothing doubled', async () => {
  const chain = new Chain(), e = new Endpoint(template), kills = Number(process.env.POA_KILLS ?? 20);
  await chain.listen();
  await e.listen();
  const a = new Agent('storm', chain, e), lines = [];
  const write = (n) => { for (let i = 0; i < n; i++) { const l = `2026-11-23 09:00:00.000 INFO  test     line ${lines.length}`; lines.push(l); fs.appendFileSync(a.log, `${l}\n`); } };
  const pendings = new Set();
  e.weather = () => ['fine', 'fine', 'fine', 'lost', 'cut', '429', '500', '503'][random(8)];
  // forks only below what the agent has surely taken in: a block that came and went between two looks can't be known
  const busy = setInterval(() => {
    write(random(20));
    chain.announce(random(3));
    for (const h of chain.pending.keys()) pendings.add(h);
    if (random(3) === 0) chain.add(0, random(6));
  }, 20);
  for (let i = 0; i < kills; i++) {
    a.start();
    await sleep(100 + random(900));
    if (random(4) === 0) await e.offline();
    if (random(5) === 0) chain.restart();
    await sleep(random(300));
    await a.kill();
    e.quietUntil = 0; // the next process can't know what the last one was asked
    await e.online();
  }
  clearInterval(busy);
  e.weather = () => 'fine';
  a.start();
  const enough = () => values(e, 'MinedBlock_CL', 'BlockHash').length >= chain.blocks.length && values(e, 'ParityLog_CL', 'RawData').length >= lines.length &&
    values(e, 'PendingTransaction_CL', 'TransactionHash').length >= pendings.size;
  await until('everything has arrived', enough, 60).catch((x) => { console.log(`# ${a.said().split('\n').slice(-5).join('\n# ')}`); throw x; });
  // a re-organisation while it watches: the new branch is sent too
  const left = chain.blocks.slice(-3).map((b) => b.hash);
  chain.fork(3);
  await until('the new branch', () => chain.blocks.slice(-4).every((b) => values(e, 'MinedBlock_CL', 'BlockHash').includes(b.hash)), 20);
  await sleep(2500);
  await a.kill('SIGTERM');
  same(values(e, 'MinedBlock_CL', 'BlockHash'), [...chain.everything.keys()], 'blocks');
  assert.ok(left.every((h) => chain.everything.has(h)));
  same(values(e, 'MinedTransaction_CL', 'TransactionHash'), [...chain.everything.values()].flatMap((b) => b.transactions), 'transactions');
  same(values(e, 'PendingTransaction_CL', 'TransactionHash'), [...pendings], 'pending');
  assert.deepEqual(values(e, 'ParityLog_CL', 'RawData'), lines, 'lines, in their order');
  assert.deepEqual(e.faults, []);
  const numbers = values(e, 'MinedBlock_CL', 'BlockNumber').slice(0, chain.blocks.length - 4);
  assert.deepEqual(numbers, [...numbers].sort((x, y) => x - y), 'blocks in their order');
  await chain.close();
  await e.offline();
  return `${chain.everything.size} blocks, ${lines.length} lines, ${e.counts.taken} requests taken, ${e.counts.repeated} repeated, ${e.counts.refused} refused`;
});
test('the spool is bounded: offline for long, it pauses, and goes on where it was', async () => {
  const chain = new Chain(), e = new Endpoint(template);
  await chain.listen();
  await e.listen();
  await e.offline();
  for (let i = 0; i < 300; i++) chain.add(0, 200);
  const a = new Agent('bounded', chain, e, { spool: { max_mib: 8 } });
  a.start();
  const size = () => fs.readdirSync(path.join(a.dir, 'spool')).reduce((n, f) => n + (fs.statSync(path.join(a.dir, 'spool', f), { throwIfNoEntry: false })?.size ?? 0), 0);
  await until('the spool is full', () => fs.existsSync(path.join(a.dir, 'spool')) && size() > 8 * 1048576, 60);
  const calls = chain.calls;
  await sleep(1500);
  assert.ok(size() < 9.5 * 1048576, `${size()} bytes`);
  assert.ok(chain.calls - calls < 200, 'it does not go on reading');
  await e.online();
  await until('all blocks', () => values(e, 'MinedBlock_CL', 'BlockHash').length >= 301, 120);
  await until('all transactions', () => values(e, 'MinedTransaction_CL', 'TransactionHash').length >= 60000, 120);
  await until('sent segments go', () => size() < 5 * 1048576, 20);
  await a.kill();
  same(values(e, 'MinedBlock_CL', 'BlockHash'), chain.blocks.map((b) => b.hash), 'blocks');
  same(values(e, 'MinedTransaction_CL', 'TransactionHash'), chain.blocks.flatMap((b) => b.transactions), 'transactions');
  assert.deepEqual(e.faults, []);
  await chain.close();
  await e.offline();
});
test('one block of 5000 transactions goes in calls below the limit; the log may be rotated and cut', async () => {
  const chain = new Chain(), e = new Endpoint(template);
  await chain.listen();
  await e.listen();
  chain.add(0, 5000);
  const a = new Agent('large', chain, e), want = [];
  const line = (t) => { want.push(t); fs.appendFileSync(a.log, `${t}\n`); };
  line('one');
  a.start();
  await until('one', () => e.tables.ParityLog_CL?.length === 1);
  line('two');
  fs.renameSync(a.log, `${a.log}.1`);
  fs.writeFileSync(a.log, '');
  line('three');
  await until('three', () => e.tables.ParityLog_CL.length === 3);
  await a.kill();
  line('four');
  // moved away twice while it was not there, the second file smaller than where it stood in the first
  fs.renameSync(`${a.log}.1`, `${a.log}.3`);
  fs.renameSync(a.log, `${a.log}.2`);
  fs.writeFileSync(`${a.log}.1`, '');
  fs.writeFileSync(a.log, '');
  want.push('4.5');
  fs.appendFileSync(`${a.log}.1`, '4.5\n');
  line('five, after two rotations while it was away');
  a.start();
  await until('five', () => e.tables.ParityLog_CL.length === 6, 20);
  await sleep(300);
  fs.truncateSync(a.log);
  await sleep(300);
  line('six');
  await until('six', () => e.tables.ParityLog_CL.length === 7, 20);
  await until('5000 transactions', () => e.tables.MinedTransaction_CL?.length >= 5000, 30);
  same(values(e, 'MinedTransaction_CL', 'TransactionHash'), chain.blocks[1].transactions, 'transactions');
  assert.deepEqual(values(e, 'ParityLog_CL', 'RawData'), want);
  assert.deepEqual(e.faults, []);
  await a.kill();
  await chain.close();
  await e.offline();
});
test('what the operator must mend is told and tried again; what can never be taken is laid aside', async () => {
  const chain = new Chain(), e = new Endpoint(template);
  await chain.listen();
  await e.listen();
  delete e.streams['Custom-NodeStats_CL'];
  const a = new Agent('refused', chain, e);
  a.start();
  await until('a file with what was refused', () => fs.existsSync(path.join(a.dir, 'spool')) && fs.readdirSync(path.join(a.dir, 'spool')).some((f) => f.startsWith('refused-NodeStats')), 20);
  chain.add(0, 1);
  await until('the rest goes on', () => e.tables.MinedBlock_CL?.length === 2, 20);
  assert.match(a.said(), /ERROR send +refused for good, laid down as .*refused-NodeStats/);
  await a.kill();
  const second = new Agent('denied', chain, e, { send: { token: { kind: 'client_credentials', token_uri: `${e.url}/token`, client_id: 'agent', client_secret_file: path.join(a.dir, 'key') } } });
  second.start();
  await until('it says so', () => fs.existsSync(path.join(second.dir, 'agent.log')) && /WARN +send .*client agent/.test(second.said()), 20);
  second.start();
  await second.p.gone;
  assert.match(second.p.err + second.said(), /another poa-agent uses the spool/);
  await chain.close();
  await e.offline();
});
test('its metrics, in both formats; a disk that is nearly full pauses the reading; a network made anew; a clock that is wrong', async () => {
  const e = new Endpoint(template);
  let chain = new Chain();
  await chain.listen();
  await e.listen();
  const a = new Agent('watched', chain, e, { spool: { min_free_mib: 1 << 30 }, metrics: { port: 9546 } });
  a.start();
  const page = async (accept) => (await fetch('http://127.0.0.1:9546/metrics', { headers: { accept } })).text();
  const value = async (name) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(await page('text/plain'))?.[1]);
  await until('reading pauses', async () => fs.existsSync(path.join(a.dir, 'agent.log')) && /WARN +spool .*its disk is nearly full: reading pauses/.test(a.said()) && (await value('poa_agent_reading_paused')) === 1, 20);
  assert.equal(e.counts.taken, 0);
  await a.kill();
  a.change({ spool: { dir: path.join(a.dir, 'spool'), min_free_mib: 1 } });
  for (let i = 0; i < 5; i++) chain.add(0, 1);
  a.start();
  await until('six blocks', async () => e.tables.MinedBlock_CL?.length === 6 && (await value('poa_agent_sent_records_total{table="MinedBlock"}')) === 6, 20);
  assert.equal(await value('poa_agent_node_up'), 1);
  assert.ok(Math.abs((await value('poa_agent_last_sent_timestamp_seconds')) - Date.now() / 1000) < 20);
  assert.match(await page('application/openmetrics-text; version=1.0.0'), /^poa_agent_calls_total \d+\n[^]*# EOF\n$/m);
  // the same address, another network: shorter, with its own block 0
  const { port } = chain.server.address();
  await chain.close();
  chain = new Chain();
  chain.add(0, 1);
  await chain.listen(port);
  await until('its blocks', () => chain.blocks.every((b) => values(e, 'MinedBlock_CL', 'BlockHash').includes(b.hash)), 20);
  assert.match(a.said(), /WARN +blocks +the node's network is another one now/);
  assert.equal(e.tables.MinedBlock_CL.length, 8);
  e.weather = () => 'skewed';
  chain.add(0, 1);
  await until('it names the clock', () => /this machine's clock is 7\d\d\d s ahead of the service's/.test(a.said()), 20);
  assert.deepEqual(e.faults, []);
  await a.kill();
  await chain.close();
  await e.offline();
});
test('a configuration is checked, with the path of what is wrong', async () => {
  for (const [yaml, want] of [['node: {colour: red}', /node\.colour: no such setting/], ['send: {api: pigeon}\nspool: {dir: x}', /send\.api: .*"pigeon"/], ['spool: {dir: x}', /send: is missing/],
    ['send: {endpoint: "http://x", rule: r}', /spool\.dir: is missing/], ['send: {api: collector}\nspool: {dir: x}', /send\.workspace_id: is missing/]]) {
    fs.writeFileSync(path.join(work, 'bad.yaml'), yaml);
    const p = spawn(path.join(bin, 'poa-agent'), ['--config', path.join(work, 'bad.yaml'), '--check-config']);
    let err = '';
    p.stderr.on('data', (d) => { err += d; });
    const code = await new Promise((ok) => p.on('close', ok));
    assert.equal(code, 2, yaml);
    assert.match(err, want);
  }
});
test('a real network: its blocks, transactions and log; the guide\'s queries have answers', async () => {
  const dir = path.join(work, 'net');
  const poa = (...args) => new Promise((ok, bad) => {
    const p = spawn(path.join(bin, 'poa-deploy'), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '', err = '';
    p.stdout.on('data', (d) => { out += d; });
    p.stderr.on('data', (d) => { err += d; });
    p.on('close', (code) => (code === 0 ? ok(out) : bad(new Error(`poa-deploy ${args[0]}: ${code}: ${err}`))));
  });
  const outputs = JSON.parse(await poa('new', dir, '--yes', '--json', '--member-id', '43', '--nodes', '2'));
  const e = new Endpoint(template);
  await e.listen();
  try {
    const instances = path.join(dir, 'local/instances'), agents = fs.readdirSync(instances).sort().map((name, i) => {
      const a = new Agent(`real-${i}`, { url: `http://127.43.1.${10 + i}:8545` }, e, { node: { name, log_file: path.join(instances, name, 'var/log/poa/poa-node.log') } });
      a.name = name;
      a.start();
      return a;
    });
    const { ethers } = createRequire(path.join(root, 'tests/e2e/package.json'))('ethers');
    const provider = new ethers.JsonRpcProvider(outputs.ETHEREUM_RPC_ENDPOINT, undefined, { staticNetwork: true, pollingInterval: 200 });
    const admin = ethers.Wallet.fromEncryptedJsonSync(fs.readFileSync(path.join(dir, 'admin/keystore.json'), 'utf8'), fs.readFileSync(path.join(dir, 'admin/password'), 'utf8').trim()).connect(provider);
    const sent = await admin.sendTransaction({ to: ethers.Wallet.createRandom().address, value: 0, gasPrice: 0 });
    const receipt = await sent.wait();
    provider.destroy();
    await until('the transaction, mined and pending, from both', () => values(e, 'MinedTransaction_CL', 'TransactionHash').filter((h) => h === sent.hash).length === 2 &&
      values(e, 'PendingTransaction_CL', 'TransactionHash').filter((h) => h === sent.hash).length >= 1, 30);
    await until('lines of both logs', () => new Set(values(e, 'ParityLog_CL', 'Computer')).size === 2, 30);
    for (const t of e.tables.MinedTransaction_CL.filter((x) => x.TransactionHash === sent.hash)) assert.equal(t.BlockNumber, receipt.blockNumber);
    // query 1: blocks that were reported with more than one miner: none without a fork
    await until('a few blocks of each', () => values(e, 'MinedBlock_CL', 'BlockNumber').filter((n) => n === 3).length === 2, 30);
    const miners = new Map();
    for (const b of e.tables.MinedBlock_CL) miners.set(b.BlockNumber, (miners.get(b.BlockNumber) ?? new Set()).add(b.BlockMiner));
    assert.ok(miners.size >= 3 && [...miners].filter(([n]) => n > 0).every(([, m]) => m.size === 1));
    // query 2: peers of one validator, from the line of its log
    await until('the line with the peers', () => e.tables.ParityLog_CL.some((l) => l.Computer === agents[0].name && /Syncing with peers: (\d+) active, (\d+) confirmed, (\d+)/.test(l.RawData)), 45);
    assert.deepEqual(e.faults, []);
  } finally {
    for (const p of running) p.kill('SIGKILL');
    await poa('destroy', dir, '--yes');
    await e.offline();
  }
});

let passed = 0, failed = 0;
const only = process.argv[2];
console.log('TAP version 13');
for (const t of tests) {
  if (only !== undefined && !t.title.includes(only)) continue;
  const began = Date.now();
  try {
    const note = await t.body();
    passed++;
    console.log(`ok ${passed + failed} - ${t.title}\n# ${((Date.now() - began) / 1000).toFixed(1)} s${note ? `; ${note}` : ''}`);
  } catch (x) {
    failed++;
    console.log(`not ok ${passed + failed} - ${t.title}`);
    for (const l of String(x.stack ?? x).slice(0, 4000).split('\n')) console.log(`# ${l}`);
  }
}
console.log(`1..${passed + failed}\n${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
