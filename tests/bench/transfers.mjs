// Pre-signed transfers over keep-alive RPC against a network of one validator and against anvil with one-second blocks: the same transactions, in turns.
import { Wallet, id } from 'ethers';
import { Conn } from './conn.mjs';
import { cpuSeconds, rssMiB, sleep, startAnvil, startNode, wallet } from './single.mjs';
import { havePeer, median, percentile, round, say } from './report.mjs';

const CHAIN = 10101, PRICE = 20_000_000_000n, SINK = '0x00000000000000000000000000000000000beef0', STALL_MS = 20000;

// sign: what both sides are sent: a transfer to each account, then `count` transfers from them, an account's nonces in order on one lane
export async function sign({ count, accounts, lanes }) {
  const main = wallet('funded'), from = Array.from({ length: accounts }, (_, i) => new Wallet(id(`poa-bench/from/${i}`)));
  const per = Math.ceil(count / accounts), tx = (o) => ({ type: 0, chainId: CHAIN, gasPrice: PRICE, gasLimit: 21000, ...o });
  const fund = [];
  for (let i = 0; i < accounts; i++) fund.push(await main.signTransaction(tx({ nonce: i, to: from[i].address, value: (PRICE * 21000n + 1n) * BigInt(per + 1) })));
  const list = Array.from({ length: lanes }, () => []);
  for (let n = 0, k = 0; n < per; n++) for (let a = 0; a < accounts && k < count; a++, k++) list[a % lanes].push(await from[a].signTransaction(tx({ nonce: n, to: SINK, value: 1 })));
  return { fund, lanes: list, from: from.map((w) => w.address), main: main.address, count, accounts };
}
const call = (raw) => `{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["${raw}"]}`;

export async function load(side, set) {
  const c = await Conn.open(side.url), n = async (a) => Number(await c.rpc('eth_getTransactionCount', [a, 'latest']));
  for (const raw of set.fund) await c.rpc('eth_sendRawTransaction', [raw]);
  for (let i = 0; (await n(set.main)) < set.accounts; i++) { if (i > 600) throw new Error(`${side.name}: the accounts were not funded`); await sleep(50); }
  const socks = await Promise.all(set.lanes.map(() => Conn.open(side.url)));
  const wires = set.lanes.map((lane, i) => lane.map((raw) => socks[i].request(call(raw))));
  const latency = [];
  let refused = 0, why;
  const b0 = Number(await c.rpc('eth_blockNumber')), cpu0 = cpuSeconds(side.pid), t0 = performance.now();
  await Promise.all(wires.map(async (lane, i) => {
    for (const w of lane) {
      const t = performance.now(), r = await socks[i].send(w);
      latency.push(performance.now() - t);
      if (r.includes('"error"')) { refused++; why ??= r.toString().slice(0, 300); }
    }
  }));
  const t1 = performance.now(), rssFull = rssMiB(side.pid);
  let moved = performance.now();
  for (let a = set.accounts - 1, last = -1; a >= 0;) {
    const want = Math.floor((set.count - a - 1) / set.accounts) + 1, have = await n(set.from[a]);
    if (have >= want) { a--; moved = performance.now(); last = -1; continue; }
    if (have !== last) { last = have; moved = performance.now(); }
    if (performance.now() - moved > STALL_MS) throw new Error(`${side.name} stalled: account ${a} is at ${have} of ${want}; ${refused} refused: ${why}`);
    await sleep(10);
  }
  const t2 = performance.now(), cpu = cpuSeconds(side.pid) - cpu0;
  if (refused) throw new Error(`${side.name}: ${refused} refused: ${why}`);
  const out = { tps: set.count / (t2 - t0) * 1000, submit_tps: set.count / (t1 - t0) * 1000, cpu_ms: cpu * 1000 / set.count, blocks: Number(await c.rpc('eth_blockNumber')) - b0, p50_ms: percentile(latency, 0.5),
    p99_ms: percentile(latency, 0.99), rss_mib: Math.max(rssFull, rssMiB(side.pid)) };
  for (const s of socks) s.close();
  c.close();
  return out;
}
const show = (r) => `${Math.round(r.tps)} tx/s mined (${Math.round(r.submit_tps)}/s taken), ${r.cpu_ms.toFixed(3)} ms CPU each, p50 ${r.p50_ms.toFixed(2)} ms, p99 ${r.p99_ms.toFixed(2)} ms, ${r.blocks} blocks, ${r.rss_mib} MiB`;
const middle = (list) => Object.fromEntries(Object.keys(list[0]).map((k) => [k, round(median(list.map((r) => r[k])), 3)]));

export async function transfers({ runs = 3, count = 20000, accounts = 64, lanes = 16 } = {}) {
  const began = performance.now(), set = await sign({ count, accounts, lanes });
  say(`  ${count} transfers of ${accounts} accounts signed in ${((performance.now() - began) / 1000).toFixed(1)} s; ${lanes} connections, one request in flight on each`);
  const results = { 'poa-node': [], anvil: [] };
  const sides = [() => startNode({ chainId: CHAIN }), ...(havePeer() ? [() => startAnvil({ blockTime: 1, args: ['--chain-id', String(CHAIN)] })] : [])];
  for (let i = 0; i < runs; i++) {
    for (const start of sides) {
      const side = await start();
      try {
        const r = await load(side, set);
        results[side.name].push(r);
        say(`  run ${i + 1}, ${side.name.padEnd(8)} ${show(r)}`);
      } finally {
        await side.stop();
      }
    }
  }
  const out = { runs, count, accounts, connections: lanes, 'poa-node': middle(results['poa-node']) };
  if (results.anvil.length) {
    out.anvil = middle(results.anvil);
    out.ratio = { tps: round(out['poa-node'].tps / out.anvil.tps), cpu: round(out['poa-node'].cpu_ms / out.anvil.cpu_ms, 3) };
    out.aim = { tps: 3, cpu: 0.2 };
    say(`transfers: ${Math.round(out['poa-node'].tps)} tx/s to anvil's ${Math.round(out.anvil.tps)}: ${out.ratio.tps}x (aim 3x); ${out['poa-node'].cpu_ms} ms to ${out.anvil.cpu_ms} ms CPU each: ${out.ratio.cpu} of it (aim 0.2)`);
  } else say('transfers: no peer: @foundry-rs/anvil is not installed in tests/bench');
  return out;
}
