// JSON-RPC beside anvil in the same run: calls a second, their latency and the CPU of each, over 32 keep-alive connections; first what a server that does
// nothing gets (poa-http-floor): the client, the system and it share the cores, so no server can be faster; what sealing takes under full read load; the memory of 10,000 idle WebSocket subscribers. The client is wrk where it is installed (Debian's package), else
// Node.js, which is slower than what it measures.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import crypto from 'node:crypto';
import { Wallet } from 'ethers';
import { Conn } from './conn.mjs';
import { bin, cpuSeconds, freePort, root, rpc, rssMiB, sleep, startAnvil, startNode } from './single.mjs';
import { havePeer, median, percentile, round, say } from './report.mjs';

const CHAIN = 10101, PRICE = 20_000_000_000n, AIM = 3;
const one = (method, params = []) => ({ jsonrpc: '2.0', id: 1, method, params });
const wrk = (() => { try { execFileSync('wrk', ['-v'], { stdio: 'ignore' }); return true; } catch (e) { return e.status !== undefined && e.status !== null; } })();

async function byNode(side, body, { conns, seconds }) {
  const socks = await Promise.all(Array.from({ length: conns }, () => Conn.open(side.url)));
  const wire = socks[0].request(body), latency = [];
  let calls = 0;
  const t0 = performance.now(), end = t0 + seconds * 1000;
  await Promise.all(socks.map(async (s) => {
    for (let now = performance.now(); now < end;) {
      await s.send(wire);
      const t = performance.now();
      calls++;
      if ((calls & 15) === 0) latency.push(t - now);
      now = t;
    }
  }));
  const took = (performance.now() - t0) / 1000;
  for (const s of socks) s.close();
  return { calls, took, p50_ms: percentile(latency, 0.5), p99_ms: percentile(latency, 0.99) };
}
// wrk's own script prints what we need in one line
function byWrk(side, body, { conns, seconds, weak = false }) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-wrk-')), file = path.join(dir, 'post.lua');
  fs.writeFileSync(path.join(dir, 'body'), body);
  fs.writeFileSync(file, `wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = io.open("${dir}/body"):read("*a")
done = function(s, l, r) io.write(string.format("RESULT %d %d %d %d %d\\n", s.requests, s.duration, l:percentile(50), l:percentile(99), s.errors.status + s.errors.read + s.errors.write + s.errors.timeout + s.errors.connect)) end
`);
  return new Promise((ok, bad) => {
    const p = spawn('nice', ['-n', weak ? '19' : '0', 'wrk', '-t1', `-c${conns}`, `-d${seconds}s`, '-s', file, side.url], { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    p.stdout.on('data', (d) => { text += d; });
    p.stderr.on('data', (d) => { text += d; });
    p.on('close', () => {
      fs.rmSync(dir, { recursive: true, force: true });
      const m = /^RESULT (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(text);
      if (!m || +m[5] > 0) return bad(new Error(`wrk: ${text.slice(0, 400)}`));
      ok({ calls: +m[1], took: +m[2] / 1e6, p50_ms: +m[3] / 1000, p99_ms: +m[4] / 1000 });
    });
  });
}
async function measure(side, body, o) {
  const check = await (await fetch(side.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).text();
  if (check.includes('"error"') || check.length < 20) throw new Error(`${side.name}: ${body.slice(0, 80)}: ${check.slice(0, 200)}`);
  const cpu0 = cpuSeconds(side.pid), r = await (wrk ? byWrk : byNode)(side, body, o);
  return { per_s: r.calls / r.took, cpu_us: (cpuSeconds(side.pid) - cpu0) * 1e6 / r.calls, p50_ms: r.p50_ms, p99_ms: r.p99_ms };
}

// the same contract and logs on both sides: a counter that logs each call, and gives its slot to whoever asks without data
async function prepare(side) {
  const me = new Wallet(side.key), c = await Conn.open(side.url);
  const tx = (o) => me.signTransaction({ type: 0, chainId: CHAIN, gasPrice: PRICE, gasLimit: 200000, ...o });
  const mined = async (n) => { for (let i = 0; Number(await c.rpc('eth_getTransactionCount', [me.address, 'latest'])) < n; i++) { if (i > 2000) throw new Error(`${side.name}: not mined`); await sleep(20); } };
  // runtime: calldatasize ? sstore(0, sload(0) + 1), log1(0, 32, 7) : return sload(0)
  const code = '3615601a57600160005401806000556000526007602060' + '00a1005b60005460005260206000f3';
  const init = `60${(code.length / 2).toString(16).padStart(2, '0')}600c60003960${(code.length / 2).toString(16).padStart(2, '0')}6000f3${code}`;
  await c.rpc('eth_sendRawTransaction', [await tx({ nonce: 0, data: '0x' + init, gasLimit: 500000 })]);
  await mined(1);
  const receipt = await (async () => { for (;;) { const b = await c.rpc('eth_getBlockByNumber', ['latest', false]); const n = Number(b.number); for (let k = n; k > 0; k--) { const x = await c.rpc('eth_getBlockByNumber', ['0x' + k.toString(16), false]); if (x.transactions.length) return c.rpc('eth_getTransactionReceipt', [x.transactions[0]]); } } })();
  const to = receipt.contractAddress;
  for (let i = 1; i <= 200; i++) await c.rpc('eth_sendRawTransaction', [await tx({ nonce: i, to, data: '0x01' })]);
  await mined(201);
  let logs = [];
  for (let i = 0; i < 100 && logs.length !== 200; i++, await sleep(50)) logs = await c.rpc('eth_getLogs', [{ fromBlock: '0x0', toBlock: 'latest', address: to }]); // anvil tells of the account before the logs
  if (logs.length !== 200) throw new Error(`${side.name}: ${logs.length} logs of 200`);
  if (BigInt(await c.rpc('eth_call', [{ to }, 'latest'])) !== 200n) throw new Error(`${side.name}: the counter is wrong`);
  c.close();
  return { to, from: Number(logs[0].blockNumber), until: Number(logs[199].blockNumber) };
}

// floor: a server that does nothing
async function startFloor() {
  const program = path.join(bin, 'poa-http-floor'), made = spawnSync('make', ['-s', '-C', root, path.relative(root, program)], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);
  const port = await freePort(), url = `http://127.0.0.1:${port}/`, child = spawn(program, [String(port)], { stdio: 'inherit' });
  for (let i = 0; ; i++) {
    try { await fetch(url, { method: 'POST', body: '{}' }); break; } catch (e) { if (i === 100) throw e; await sleep(20); }
  }
  return { name: 'floor', url, pid: child.pid, stop: async () => { child.kill(); } };
}

export async function rpcCalls({ runs = 3, seconds = 2, conns = 32 } = {}) {
  const sides = [await startNode({ chainId: CHAIN, connections: 12000 })], out = { runs, seconds, connections: conns, client: wrk ? 'wrk' : 'node', aim: AIM, calls: {} };
  try {
    if (havePeer()) sides.push(await startAnvil({ blockTime: 1, args: ['--chain-id', String(CHAIN)] }));
    const floor = await startFloor(), list = [];
    for (let i = 0; i < runs; i++) list.push(await measure(floor, JSON.stringify(one('eth_blockNumber')), { conns, seconds }));
    await floor.stop();
    out.floor = { per_s: Math.round(median(list.map((r) => r.per_s))), cpu_us: round(median(list.map((r) => r.cpu_us))), p99_ms: round(median(list.map((r) => r.p99_ms)), 3) };
    say(`rpc: a server that does nothing: ${out.floor.per_s}/s, p99 ${out.floor.p99_ms} ms, ${out.floor.cpu_us} us CPU: what the client and the system leave on ${os.cpus().length} cores`);
    const made = [];
    for (const s of sides) made.push(await prepare(s));
    const address = sides[0].address, hex = (n) => '0x' + n.toString(16);
    const balance = one('eth_getBalance', [address, 'latest']);
    const bodies = {
      eth_blockNumber: () => one('eth_blockNumber'), eth_getBalance: () => balance, eth_call: (m) => one('eth_call', [{ to: m.to }, 'latest']),
      'eth_getLogs, 200 logs': (m) => one('eth_getLogs', [{ fromBlock: hex(m.from), toBlock: hex(m.until), address: m.to }]),
      'eth_getBlockByNumber': () => one('eth_getBlockByNumber', ['latest', false]), '100 eth_getBalance in a batch': () => Array.from({ length: 100 }, (_, i) => ({ ...balance, id: i })),
    };
    for (const [name, make] of Object.entries(bodies)) {
      const row = {}, n = name.startsWith('100') ? 100 : 1;
      for (const s of sides) row[s.name] = [];
      for (let i = 0; i < runs; i++) for (const [k, s] of sides.entries()) row[s.name].push(await measure(s, JSON.stringify(make(made[k])), { conns, seconds }));
      const mid = Object.fromEntries(Object.entries(row).map(([k, l]) => [k, { per_s: Math.round(median(l.map((r) => r.per_s)) * n), cpu_us: round(median(l.map((r) => r.cpu_us)) / n), p50_ms: round(median(l.map((r) => r.p50_ms)), 3),
        p99_ms: round(median(l.map((r) => r.p99_ms)), 3) }]));
      if (mid.anvil) mid.ratio = { per_s: round(mid['poa-node'].per_s / mid.anvil.per_s), cpu: round(mid['poa-node'].cpu_us / mid.anvil.cpu_us, 3) };
      out.calls[name] = mid;
      say(`rpc: ${name}: ${mid['poa-node'].per_s}/s, p99 ${mid['poa-node'].p99_ms} ms, ${mid['poa-node'].cpu_us} us CPU${mid.anvil ? `; anvil ${mid.anvil.per_s}/s, p99 ${mid.anvil.p99_ms} ms, ${mid.anvil.cpu_us} us: ${mid.ratio.per_s}x (aim ${AIM}x), ${mid.ratio.cpu} of the CPU` : ''}`);
    }
    out.sealing = await sealing(sides[0], made[0], { conns });
    out.subscribers = await subscribers(sides[0], 10000);
  } finally {
    for (const s of sides) await s.stop();
  }
  return out;
}

// What reads cost the sealing thread: blocks of 200 calls alone and under full read load, turn by turn, so that the machine's own ups and downs
// meet both. By the node's log: execution, roots and commit, and how late after its step a block was sealed; by the kernel: the thread's processor
// time for each block, and how long it waited for a core (on a machine that others use it also waits for them, alone too). The client runs at
// the least weight: in life it is on another machine.
async function sealing(side, made, { conns, turns = 3 }) {
  const me = new Wallet(side.key), c = await Conn.open(side.url), blocks = 4, per = 200, log = path.join(side.dir, 'node.log');
  const thread = () => fs.readFileSync(`/proc/${side.pid}/task/${side.pid}/schedstat`, 'utf8').split(' ').map((x) => +x / 1e6);
  const sealed = () => [...fs.readFileSync(log, 'utf8').matchAll(/:\d\d\.(\d{3}) .*Sealed #(\d+) \S+ \((\d+) txs, [^,]*, (\d+) ms/g)].map((m) => m.slice(1).map(Number));
  const turn = async () => {
    const b0 = Number(await c.rpc('eth_blockNumber')), n0 = Number(await c.rpc('eth_getTransactionCount', [me.address, 'latest'])), t0 = thread();
    for (let i = 0; i < blocks * per; i++) {
      await c.rpc('eth_sendRawTransaction', [await me.signTransaction({ type: 0, chainId: CHAIN, gasPrice: PRICE, gasLimit: 100000, nonce: n0 + i, to: made.to, data: '0x01' })]);
      if (i % per === per - 1) await sleep(500);
    }
    for (let i = 0; Number(await c.rpc('eth_getTransactionCount', [me.address, 'latest'])) < n0 + blocks * per; i++) { if (i > 3000) throw new Error('not mined'); await sleep(20); }
    await sleep(300);
    const t1 = thread(), list = sealed().filter(([, n]) => n > b0), full = list.filter(([, , txs]) => txs > 50);
    return { ms: full.map(([, , txs, ms]) => ms / txs * per), late: list.map(([at]) => at), cpu: (t1[0] - t0[0]) / list.length, waits: (t1[1] - t0[1]) / list.length };
  };
  const alone = [], under = [], reads = [];
  const load = () => measure(side, JSON.stringify(one('eth_getBalance', [side.address, 'latest'])), { conns, seconds: 9, weak: true }).catch((e) => ({ per_s: NaN, error: e.message }));
  for (let i = 0; i < turns; i++) {
    alone.push(await turn());
    const l = load();
    under.push(await turn());
    reads.push((await l).per_s);
  }
  c.close();
  const sum = (l) => ({ made_ms: round(median(l.flatMap((x) => x.ms)), 1), sealed_after_ms: round(median(l.flatMap((x) => x.late)), 1), sealed_after_p90_ms: percentile(l.flatMap((x) => x.late), 0.9),
    cpu_ms: round(median(l.map((x) => x.cpu))), waits_for_a_core_ms: round(median(l.map((x) => x.waits))) });
  const r = { transactions: per, alone: sum(alone), under_load: sum(under), reads_per_s: Math.round(median(reads)), cores: os.cpus().length };
  const text = (x) => `made in ${x.made_ms} ms (median; ${x.cpu_ms} ms CPU, ${x.waits_for_a_core_ms} ms waiting for a core each), sealed ${x.sealed_after_ms} ms after its step began (p90 ${x.sealed_after_p90_ms})`;
  say(`rpc: a block of ${per} transactions alone: ${text(r.alone)}; while ${r.reads_per_s} reads a second are served: ${text(r.under_load)} (${r.cores} cores, one of them the client's)`);
  return r;
}

// subscribers: sockets that subscribed to newHeads and then are quiet; opened in one process, cheap ones: only the handshake and the first answer are read
async function subscribers(side, want) {
  const port = side.wsPort, before = rssMiB(side.pid), list = [];
  let heads = 0;
  const open = () => new Promise((ok, bad) => {
    const s = net.connect(port, '127.0.0.1', () => s.write(`GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${crypto.randomBytes(16).toString('base64')}\r\n\r\n`));
    let up = false;
    s.on('data', (d) => {
      if (!up) {
        up = true;
        if (!d.toString('latin1').startsWith('HTTP/1.1 101')) return bad(new Error(d.toString('latin1').slice(0, 100)));
        const text = Buffer.from('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}'), mask = Buffer.from([1, 2, 3, 4]);
        for (let i = 0; i < text.length; i++) text[i] ^= mask[i & 3];
        s.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length]), mask, text]));
        ok(s);
      } else heads++;
    });
    s.on('error', bad);
  });
  try {
    for (let i = 0; i < want; i += 200) list.push(...await Promise.all(Array.from({ length: Math.min(200, want - i) }, open)));
    heads = 0;
    await sleep(3000);
    const r = { subscribers: list.length, rss_before_mib: before, rss_mib: rssMiB(side.pid), aim_mib: 300, heads_in_3_s: heads };
    say(`rpc: ${r.subscribers} subscribers of newHeads: ${r.rss_mib} MiB (before ${before}; aim under 300), ${heads} heads told in 3 s`);
    return r;
  } catch (e) {
    say(`rpc: subscribers: ${list.length} of ${want}, then ${e.message}`);
    return { subscribers: list.length, error: e.message };
  } finally { for (const s of list) s.destroy(); }
}
