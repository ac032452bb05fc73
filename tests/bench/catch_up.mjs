// A new node takes a long chain from one peer and from three: blocks, gas and CPU a second, and the most memory; the same from peers that are far
// away, and with a slow one among them. A node with ten peers that do nothing. And validators in one network on this machine: blocks on time,
// messages and bytes for each block, CPU of each node.
//   --count N: blocks of the chain (default 20,000)      POA_BENCH_VALIDATORS: how many validators (default 15)     POA_BENCH_SECONDS: how long (60)
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { Wallet, id } from 'ethers';
import { bin, cpuSeconds, freePort, rpc, root, rssMiB, sleep, spec, wallet } from './single.mjs';
import { round, say } from './report.mjs';

const CHAIN = 10101, TXS = 10;
const anonMiB = (pid) => +(+/RssAnon:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1] / 1024).toFixed(1);
const hwmMiB = (pid) => +(+/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1] / 1024).toFixed(1);

class Node {
  // bootnodes: enode URLs; key: of a validator, else it only follows
  constructor(dir, specFile, { bootnodes = [], key, discovery = false } = {}) { Object.assign(this, { dir, specFile, bootnodes, key, discovery }); }
  async start() {
    const port = await freePort(), p2p = await freePort();
    this.metrics = await freePort();
    this.url = `http://127.0.0.1:${port}`;
    fs.mkdirSync(this.dir, { recursive: true });
    if (this.key) fs.writeFileSync(path.join(this.dir, 'key.hex'), this.key.slice(2), { mode: 0o600 });
    fs.writeFileSync(path.join(this.dir, 'node.yaml'), `chain: ${this.specFile}
base_path: ${this.dir}/data
network: {address: 127.0.0.1, port: ${p2p}, discovery: ${this.discovery}, bootnodes: ${JSON.stringify(this.bootnodes)}}
rpc: {address: 127.0.0.1, port: ${port}, ws_port: ${await freePort()}, apis: all}
member: {address: 127.0.0.1, port: ${await freePort()}}
metrics: {port: ${this.metrics}}
identity: ${this.key ? `{mode: file, key_file: ${this.dir}/key.hex}` : '{mode: none}'}
log: {level: info, file: ${this.dir}/node.log}
`);
    this.child = spawn(path.join(bin, 'poa-node'), ['--config', path.join(this.dir, 'node.yaml')], { stdio: 'ignore' });
    this.pid = this.child.pid;
    this.began = performance.now();
    for (const end = this.began + 20000; ;) {
      try { await rpc(this.url, 'eth_blockNumber'); break; } catch (e) {
        if (performance.now() > end || this.child.exitCode !== null) throw new Error(`a node does not come up: ${fs.readFileSync(path.join(this.dir, 'node.log'), 'utf8').slice(-1500)}`);
      }
      await sleep(20);
    }
    this.enode = await rpc(this.url, 'parity_enode');
    return this;
  }
  async height() { return Number(await rpc(this.url, 'eth_blockNumber')); }
  async stop() {
    if (!this.child || this.child.exitCode !== null) return;
    const gone = new Promise((ok) => this.child.once('exit', ok));
    this.child.kill('SIGTERM');
    await Promise.race([gone, sleep(10000).then(() => this.child.kill('SIGKILL'))]);
  }
}

// what a peer far away, or behind a thin line, is like: every byte takes ms longer, each way, and no more than so many come in a second. ret its
// enode, as seen through that
async function far(enode, { ms = 0, kb_s = Infinity }) {
  const [, id, port] = /^enode:\/\/([0-9a-f]+)@[^:]+:(\d+)/.exec(enode), sockets = new Set();
  const pipe = (from, to, free = 0) => from.on('data', (d) => {
    free = Math.max(free, performance.now()) + d.length / kb_s;
    setTimeout(() => to.destroyed || to.write(d), free - performance.now() + ms);
  }).on('close', () => setTimeout(() => to.destroy(), ms)).on('error', () => {});
  const proxy = net.createServer((c) => {
    const up = net.connect(Number(port), '127.0.0.1');
    for (const s of [c, up]) { s.setNoDelay(true); sockets.add(s); }
    pipe(c, up);
    pipe(up, c);
  });
  await new Promise((ok) => proxy.listen(0, '127.0.0.1', ok));
  return { enode: `enode://${id}@127.0.0.1:${proxy.address().port}`, close: () => { proxy.close(); for (const s of sockets) s.destroy(); } };
}

// lines: to each server, as of far()
async function catchUp(dir, specFile, servers, top, gas, lines = []) {
  const links = await Promise.all(servers.map((s, i) => lines[i] ? far(s.enode, lines[i]) : { enode: s.enode, close() {} }));
  const n = await new Node(dir, specFile, { bootnodes: links.map((l) => l.enode) }).start();
  try {
    const before = servers.map((s) => cpuSeconds(s.pid));
    let height = 0, own = 0;
    for (const end = performance.now() + 300000; height < top;) {
      if (performance.now() > end) throw new Error(`the new node is at ${height} of ${top}`);
      height = await n.height();
      own = Math.max(own, anonMiB(n.pid));
      await sleep(20);
    }
    const took = (performance.now() - n.began) / 1000;
    const mine = await rpc(n.url, 'eth_getBlockByNumber', ['0x' + top.toString(16), false]), theirs = await rpc(servers[0].url, 'eth_getBlockByNumber', ['0x' + top.toString(16), false]);
    if (mine.hash !== theirs.hash) throw new Error('the chains differ');
    return { peers: servers.length, lines, seconds: round(took), blocks_per_s: Math.round(top / took), mgas_per_s: round(gas / 1e6 / took), cpu_s: round(cpuSeconds(n.pid)), own_mib: own, peak_mib: hwmMiB(n.pid),
      server_cpu_s: servers.map((s, i) => round(cpuSeconds(s.pid) - before[i])) };
  } finally {
    await n.stop();
    for (const l of links) l.close();
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

export async function longChain(work, blocks) {
  const made = spawnSync('make', ['-s', '-C', root, `${path.relative(root, bin)}/poa-make-chain`], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);
  const specFile = path.join(work, 'long.json'), seal = wallet('validator'), funded = wallet('funded');
  fs.writeFileSync(specFile, JSON.stringify(spec({ validator: seal.address, funded: funded.address, chainId: CHAIN, gasLimit: 50_000_000n })));
  const data = path.join(work, 's0/data'), began = performance.now();
  const r = spawnSync(path.join(bin, 'poa-make-chain'), [specFile, data, String(blocks), String(TXS)], { input: `${seal.privateKey.slice(2)}\n${funded.privateKey.slice(2)}\n`, encoding: 'utf8' });
  if (r.status !== 0) throw new Error(`poa-make-chain: ${r.stderr}`);
  say(`  ${blocks} blocks of ${TXS} transfers made in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const servers = [await new Node(path.join(work, 's0'), specFile).start()];
  await servers[0].stop();
  for (const k of [1, 2]) fs.cpSync(data, path.join(work, `s${k}/data`), { recursive: true });
  for (const k of [1, 2]) fs.rmSync(path.join(work, `s${k}/data/nodekey`));
  for (const k of [0, 1, 2]) servers[k] = await new Node(path.join(work, `s${k}`), specFile).start();
  const out = [];
  try {
    const near = { ms: 20 }, thin = { ms: 20, kb_s: 100 }, slow = { ms: 2000 };
    for (const [n, how, ...lines] of [[1, ''], [3, ''], [1, ' 20 ms away', near], [3, ' 20 ms away', near, near, near], [3, ' 20 ms away, the first 2 s', slow, near, near], [1, ' behind 100 KB/s', thin], [3, ' behind 100 KB/s each', thin, thin, thin]]) {
      const upTo = lines[0] === thin ? Math.ceil(blocks / 8) : blocks; // which takes long enough
      const r = await catchUp(path.join(work, 'new'), specFile, servers.slice(0, n), upTo, upTo * TXS * 21000, lines);
      say(`  from ${n} peer${n > 1 ? 's' : ''}${how}: ${r.seconds} s, ${r.blocks_per_s} blocks/s, ${r.mgas_per_s} Mgas/s, ${r.cpu_s} s CPU, at most ${r.own_mib} MiB of its own and ${r.peak_mib} MiB with the mapped database; the peers: ${r.server_cpu_s.join(', ')} s CPU`);
      out.push(r);
    }
  } finally {
    for (const s of servers) await s.stop();
  }
  return out;
}

// CPU in nanoseconds as the scheduler counts it, and how often its threads were woken
function scheduled(pid) {
  let ns = 0, wakes = 0;
  for (const t of fs.readdirSync(`/proc/${pid}/task`)) {
    ns += Number(fs.readFileSync(`/proc/${pid}/task/${t}/schedstat`, 'utf8').split(' ')[0]);
    wakes += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/task/${t}/status`, 'utf8'))[1]);
  }
  return { ns, wakes };
}

async function metrics(n) {
  const text = await (await fetch(`http://127.0.0.1:${n.metrics}/metrics`)).text();
  const of = (name) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? NaN);
  return { bytes: of('poa_peer_sent_bytes_total'), messages: of('poa_peer_sent_messages_total') };
}

// count nodes that all know each other; the first `sealers` of them seal, the others follow
export async function network(work, count, seconds, sealers = count) {
  const keys = Array.from({ length: count }, (_, i) => new Wallet(id(`poa-bench/validator ${i}`))), step = 2;
  const doc = spec({ validator: keys[0].address, funded: wallet('funded').address, chainId: CHAIN, gasLimit: 50_000_000n, stepDuration: step });
  doc.engine.authorityRound.params.validators.list = keys.slice(0, sealers).map((k) => k.address);
  const specFile = path.join(work, 'network.json'), nodes = [];
  fs.mkdirSync(work, { recursive: true });
  fs.writeFileSync(specFile, JSON.stringify(doc));
  try {
    for (let i = 0; i < count; i++) nodes.push(await new Node(path.join(work, `v${i}`), specFile, { key: i < sealers ? keys[i].privateKey : undefined, discovery: true, bootnodes: i === 0 ? [] : [nodes[0].enode] }).start());
    for (const end = Date.now() + 60000; ;) {
      const peers = await Promise.all(nodes.map((n) => rpc(n.url, 'net_peerCount')));
      if (peers.every((p) => Number(p) === count - 1)) break;
      if (Date.now() > end) throw new Error(`peers: ${peers.map(Number)}`);
      await sleep(200);
    }
    await sleep(3 * step * 1000);
    const from = await nodes[0].height(), before = await Promise.all(nodes.map(async (n) => ({ ...(await metrics(n)), ...scheduled(n.pid) }))), began = performance.now();
    await sleep(seconds * 1000);
    const took = (performance.now() - began) / 1000, mid = nodes.map((n) => scheduled(n.pid)), to = await nodes[0].height();
    const after = await Promise.all(nodes.map(async (n, i) => ({ rss: rssMiB(n.pid), ...(await metrics(n)), ...mid[i] })));
    let steps = 0, last;
    for (let h = from; h <= to; h++) {
      const b = await rpc(nodes[0].url, 'eth_getBlockByNumber', ['0x' + h.toString(16), false]), s = Number(b.timestamp) / step;
      if (last !== undefined) steps += s - last;
      last = s;
    }
    const sum = (k) => after.reduce((a, x, i) => a + x[k] - before[i][k], 0), blocks = to - from, cpu = after.map((x, i) => ((x.ns - before[i].ns) / 1e7 / took));
    const r = { nodes: count, validators: sealers, seconds: round(took), blocks, steps, on_time: round((blocks / steps) * 100), messages_per_block: Math.round(sum('messages') / blocks), messages_per_block_and_node: round(sum('messages') / blocks / count),
      bytes_per_block_and_node: Math.round(sum('bytes') / blocks / count), cpu_percent: { mean: round(cpu.reduce((a, b) => a + b) / count), most: round(Math.max(...cpu)) }, wakes_per_s_and_node: round(sum('wakes') / took / count), rss_mib: round(Math.max(...after.map((x) => x.rss))) };
    say(`  ${sealers} validators${sealers < count ? ` and ${count - sealers} that follow` : ''} with ${count - 1} peers each, ${step} s a step: ${blocks} blocks in ${steps} steps (${r.on_time} % on time); for each block ${r.messages_per_block} messages in all, ${r.messages_per_block_and_node} and ${r.bytes_per_block_and_node} bytes a node; CPU ${r.cpu_percent.mean} % of a core a node, at most ${r.cpu_percent.most} %, ${r.wakes_per_s_and_node} wakes a second; ${r.rss_mib} MiB`);
    return r;
  } finally {
    await Promise.all(nodes.map((n) => n.stop()));
  }
}

// more validators than this machine could run: the same code on virtual time, without faults
export function simulated(count) {
  const made = spawnSync('make', ['-s', '-C', root, `${path.relative(root, bin)}/poa-sim`], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);
  const r = spawnSync(path.join(bin, 'poa-sim'), ['--seeds', '1', '--steps', '400', '--nodes', String(count), '--faults', '0'], { encoding: 'utf8', cwd: root });
  const m = /^steps (\d+), blocks (\d+),.*\(([\d.]+) a block, (\d+) bytes a block\)/m.exec(r.stdout);
  if (r.status !== 0 || !m) throw new Error(`poa-sim: ${r.stdout.slice(-1500)}${r.stderr}`);
  const out = { validators: count, steps: +m[1], blocks: +m[2], messages_per_block: +m[3], messages_per_block_and_node: round(+m[3] / count), bytes_per_block_and_node: Math.round(+m[4] / count) };
  say(`  ${count} simulated validators: ${out.blocks} blocks in ${out.steps} steps; for each block ${out.messages_per_block} messages in all, ${out.messages_per_block_and_node} and ${out.bytes_per_block_and_node} bytes a node`);
  return out;
}

export async function catchUpBench({ count = 20000 } = {}) {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-bench-')), seconds = Number(process.env.POA_BENCH_SECONDS ?? 60), validators = Number(process.env.POA_BENCH_VALIDATORS ?? 15);
  try {
    return { chain: { blocks: count, txs_per_block: TXS, runs: await longChain(work, count) },
      networks: [await network(path.join(work, 'few'), 5, Math.min(seconds, 30)), await network(path.join(work, 'idle'), 11, seconds, 1), await network(path.join(work, 'many'), validators, seconds)], simulated: [12, 25, 50].map(simulated) };
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}
