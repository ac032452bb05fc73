// Small JSON-RPC calls a second over keep-alive connections, and the CPU of each, beside anvil.
import { Conn } from './conn.mjs';
import { cpuSeconds, startAnvil, startNode } from './single.mjs';
import { havePeer, median, percentile, round, say } from './report.mjs';

const one = (method, params = []) => ({ jsonrpc: '2.0', id: 1, method, params });

async function measure(side, body, { conns, depth, seconds }) {
  const socks = await Promise.all(Array.from({ length: conns }, () => Conn.open(side.url)));
  const wire = socks[0].request(body), latency = [];
  let calls = 0, bad = 0;
  const check = await socks[0].send(wire);
  if (check.includes('"error"')) throw new Error(`${side.name}: ${body.slice(0, 80)}: ${check.toString().slice(0, 200)}`);
  const cpu0 = cpuSeconds(side.pid), t0 = performance.now(), end = t0 + seconds * 1000;
  await Promise.all(socks.flatMap((s) => Array.from({ length: depth }, async () => {
    for (let now = performance.now(); now < end;) {
      const r = await s.send(wire), t = performance.now();
      if (r.length < 20) bad++;
      calls++;
      if ((calls & 15) === 0) latency.push(t - now);
      now = t;
    }
  })));
  const took = (performance.now() - t0) / 1000, cpu = cpuSeconds(side.pid) - cpu0;
  for (const s of socks) s.close();
  if (bad) throw new Error(`${bad} empty answers`);
  return { per_s: calls / took, cpu_us: cpu * 1e6 / calls, p50_ms: percentile(latency, 0.5), p99_ms: percentile(latency, 0.99) };
}

export async function rpcCalls({ runs = 3, seconds = 2, conns = 16, depth = 4 } = {}) {
  const sides = [await startNode()], out = { runs, seconds, connections: conns, in_flight: depth, calls: {} };
  try {
    if (havePeer()) sides.push(await startAnvil());
    const address = sides[0].address;
    // code that returns a word of its input: the smallest call that runs the EVM
    const bodies = {
      eth_blockNumber: one('eth_blockNumber'), eth_getBalance: one('eth_getBalance', [address, 'latest']), eth_getBlockByNumber: one('eth_getBlockByNumber', ['latest', false]),
      eth_call: one('eth_call', [{ from: address, data: '0x602a60005260206000f3' }, 'latest']),
    };
    bodies['100 eth_getBalance in a batch'] = Array.from({ length: 100 }, (_, i) => ({ ...bodies.eth_getBalance, id: i }));
    for (const [name, body] of Object.entries(bodies)) {
      const row = {}, n = Array.isArray(body) ? body.length : 1;
      for (const s of sides) row[s.name] = [];
      for (let i = 0; i < runs; i++) for (const s of sides) row[s.name].push(await measure(s, JSON.stringify(body), { conns, depth, seconds }));
      const mid = Object.fromEntries(Object.entries(row).map(([k, l]) => [k, { per_s: Math.round(median(l.map((r) => r.per_s)) * n), cpu_us: round(median(l.map((r) => r.cpu_us)) / n), p50_ms: round(median(l.map((r) => r.p50_ms)), 3),
        p99_ms: round(median(l.map((r) => r.p99_ms)), 3) }]));
      if (mid.anvil) mid.ratio = { per_s: round(mid['poa-node'].per_s / mid.anvil.per_s), cpu: round(mid['poa-node'].cpu_us / mid.anvil.cpu_us, 3) };
      out.calls[name] = mid;
      say(`rpc: ${name}: ${mid['poa-node'].per_s}/s at ${mid['poa-node'].cpu_us} us CPU${mid.anvil ? `; anvil ${mid.anvil.per_s}/s at ${mid.anvil.cpu_us} us: ${mid.ratio.per_s}x, ${mid.ratio.cpu} of the CPU` : ''}`);
    }
  } finally {
    for (const s of sides) await s.stop();
  }
  out.note = 'the client is one process of Node.js: where the CPU per call is small, calls a second are its limit, not the server\'s';
  return out;
}
