// A new node takes a chain full of transfers from a validator: transactions, gas and blocks a second, and CPU.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Conn } from './conn.mjs';
import { load, sign } from './transfers.mjs';
import { bin, cpuSeconds, makeNode, rpc, rssMiB, sleep, startNode } from './single.mjs';
import { median, round, say } from './report.mjs';

const CHAIN = 10101;
async function once(from, enode, top, count) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-bench-')), n = await makeNode(dir, { validator: false, specText: fs.readFileSync(path.join(from.dir, 'spec.json'), 'utf8') });
  fs.writeFileSync(n.config, fs.readFileSync(n.config, 'utf8').replace('discovery: false', `discovery: false, bootnodes: ["${enode}"]`));
  const child = spawn(path.join(bin, 'poa-node'), ['--config', n.config], { stdio: 'ignore' });
  try {
    let height = 0;
    for (const end = performance.now() + 120000; height < top;) {
      if (performance.now() > end || child.exitCode !== null) throw new Error(`the new node is at ${height} of ${top}:\n${fs.readFileSync(path.join(dir, 'node.log'), 'utf8').slice(-1500)}`);
      try { height = Number(await rpc(n.url, 'eth_blockNumber')); } catch { /* not yet */ }
      await sleep(5);
    }
    // from the start of the process: what a person waits for
    const up = Number(fs.readFileSync(`/proc/${child.pid}/stat`, 'latin1').split(') ')[1].split(' ')[19]) / 100, uptime = Number(fs.readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
    const took = uptime - up, cpu = cpuSeconds(child.pid);
    const c = await Conn.open(n.url), mine = await c.rpc('eth_getBlockByNumber', ['0x' + top.toString(16), false]);
    c.close();
    const theirs = await rpc(from.url, 'eth_getBlockByNumber', ['0x' + top.toString(16), false]);
    if (mine.hash !== theirs.hash) throw new Error('the chains differ');
    return { seconds: took, tx_per_s: count / took, cpu_us_per_tx: cpu * 1e6 / count, rss_mib: rssMiB(child.pid) };
  } finally {
    const gone = new Promise((ok) => child.once('exit', ok));
    child.kill('SIGTERM');
    await Promise.race([gone, sleep(10000).then(() => child.kill('SIGKILL'))]);
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

export async function syncChain({ runs = 3, count = 20000 } = {}) {
  const set = await sign({ count, accounts: 64, lanes: 16 }), from = await startNode({ chainId: CHAIN });
  try {
    await load(from, set);
    const enode = await rpc(from.url, 'parity_enode'), top = Number(await rpc(from.url, 'eth_blockNumber')), list = [];
    for (let i = 0; i < runs; i++) {
      list.push(await once(from, enode, top, count));
      say(`  run ${i + 1}: ${top} blocks with ${count} transfers in ${list.at(-1).seconds.toFixed(2)} s, ${list.at(-1).cpu_us_per_tx.toFixed(0)} us CPU each`);
    }
    const out = { runs, count, blocks: top };
    for (const k of Object.keys(list[0])) out[k] = round(median(list.map((r) => r[k])));
    say(`sync: ${Math.round(out.tx_per_s)} tx/s from the start of the process to the head, ${out.cpu_us_per_tx} us CPU each, ${out.rss_mib} MiB`);
    return out;
  } finally {
    await from.stop();
  }
}
