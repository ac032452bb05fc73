// From `poa-deploy new --yes` to the first sealed block, and what each node holds in memory.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { bin, rpc, rssMiB, sleep } from './single.mjs';
import { median, round, say, spread } from './report.mjs';

const MEMBER = 18, STEP_S = 2;
const poa = (args) => new Promise((ok, bad) => {
  const p = spawn(path.join(bin, 'poa-deploy'), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '', err = '';
  p.stdout.on('data', (d) => { out += d; });
  p.stderr.on('data', (d) => { err += d; });
  p.on('error', bad);
  p.on('close', (code) => (code === 0 ? ok(out) : bad(new Error(`poa-deploy ${args[0]}: exit ${code}\n${err}`))));
});

async function once(dir, nodes) {
  const began = performance.now();
  let sealed = null;
  const ended = poa(['new', dir, '--yes', '--json', '--member-id', String(MEMBER), '--nodes', String(nodes), '--step', String(STEP_S)]).then(() => performance.now());
  ended.catch(() => { sealed = NaN; });
  while (sealed === null) {
    try { if (Number(await rpc(`http://127.${MEMBER}.1.10:8545`, 'eth_blockNumber')) >= 1) { sealed = performance.now(); break; } } catch { /* not yet */ }
    await sleep(10);
  }
  const command_s = (await ended - began) / 1000, sealed_s = (sealed - began) / 1000;
  const programs = JSON.parse(fs.readFileSync(path.join(dir, 'local/programs.json'), 'utf8'));
  const isNode = (p) => p.name.startsWith('vl-');
  const rss = programs.filter(isNode).map((p) => rssMiB(p.pid));
  await sleep(6000);
  const later = programs.filter(isNode).map((p) => rssMiB(p.pid)), others = Object.fromEntries(programs.filter((p) => !isNode(p)).map((p) => [p.name, rssMiB(p.pid)]));
  return { sealed_s, command_s, rss, later, others };
}

export async function firstBlock({ runs = 5, nodes = 2 } = {}) {
  const list = [], work = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-bench-'));
  try {
    for (let i = 0; i < runs; i++) {
      const dir = path.join(work, `n${i}`);
      try {
        list.push(await once(dir, nodes));
        const r = list.at(-1);
        say(`  run ${i + 1}: first block after ${r.sealed_s.toFixed(2)} s, command done after ${r.command_s.toFixed(2)} s, nodes ${r.rss.join(' and ')} MiB, 6 s later ${r.later.join(' and ')} MiB`);
      } finally {
        await poa(['destroy', dir, '--yes', '--json']).catch((e) => say(`  ${e.message}`));
      }
    }
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
  const times = list.map((r) => r.sealed_s), rss = list.flatMap((r) => r.later);
  const out = { runs, nodes, step_s: STEP_S, sealed_s: round(median(times)), sealed_s_all: times.map((t) => round(t)), command_s: round(median(list.map((r) => r.command_s))), node_rss_mib: round(median(rss), 1),
    node_rss_mib_max: Math.max(...rss), others_rss_mib: list.at(-1).others, budget: { sealed_s: STEP_S + 1, node_rss_mib: 40 } };
  out.kept = out.sealed_s <= out.budget.sealed_s && out.node_rss_mib_max < out.budget.node_rss_mib;
  say(`first block: ${out.sealed_s} s (${spread(times)}; budget ${STEP_S + 1} s), node ${out.node_rss_mib} MiB, at most ${out.node_rss_mib_max} (budget 40)`);
  return out;
}
