// The end-to-end tests, each file with networks of its own (member ids are not shared between files). Three files run at once: most of their time is
// waiting for blocks. Usage: node run.mjs [FILE...]; POA_BIN names the programs, POA_E2E_LANES how many files run at once.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
// the longest first, a file a line; member ids are not shared between files
const all = [
  'doctor.mjs',
  'story.mjs',
  'ssh.mjs',
  'ssh_regions.mjs',
  'kill.mjs',
  'netns.mjs',
  'web.mjs',
  'fence.mjs',
  'bad_input.mjs',
  'rotate.mjs',
  'recover.mjs',
  'reports.mjs',
  'sign_mode.mjs',
  'governance.mjs',
  'observer.mjs',
  'backup.mjs',
  'rpc.mjs',
  'upgrade.mjs',
  'monitor.mjs',
  'readme.mjs',
  'mail.mjs',
  'wizard.mjs',
  'randomness.mjs',
  'workspace.mjs',
  'commands.mjs',
];
const owner = new Map();
for (const f of all) {
  for (const [, id] of fs.readFileSync(path.join(here, f), 'utf8').matchAll(/new (?:Member|Net)\((\d+)/g)) {
    if ((owner.get(id) ?? f) !== f) { console.log(`not ok - ${f} and ${owner.get(id)} share the member id ${id}\n0 passed, 1 failed`); process.exit(1); }
    owner.set(id, f);
  }
}
const files = process.argv.length > 2 ? process.argv.slice(2) : all;
const lanes = Math.max(1, Number(process.env.POA_E2E_LANES ?? 3));
const sum = { passed: 0, failed: 0, skipped: 0 };
const children = new Set(), again = [];
for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => { files.length = again.length = 0; for (const c of children) c.kill(s); setTimeout(() => process.exit(130), 60000).unref(); });

async function one(f) {
  const began = Date.now();
  const out = await new Promise((ok) => {
    let text = '';
    const child = spawn(process.execPath, [path.join(here, f)], { stdio: ['ignore', 'pipe', 'pipe'] });
    children.add(child);
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (d) => { text += d; });
    child.on('close', (code) => { children.delete(child); ok({ code, text }); });
  });
  const m = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/m.exec(out.text);
  const r = { passed: +(m?.[1] ?? 0), failed: m ? +m[2] : 1, skipped: +(m?.[3] ?? 0) };
  if (out.code !== 0 && r.failed === 0) r.failed = 1;
  console.log(`# ${f}: ${((Date.now() - began) / 1000).toFixed(0)} s`);
  process.stdout.write(out.text.replace(/^(\d+ passed, .*)$/m, '# $1'));
  if (!m) console.log(`not ok - ${f} ended with ${out.code}`);
  return r;
}
const add = (r) => { for (const k in sum) sum[k] += r[k]; };
// A file that fails beside others is run once more when nothing else runs, and said to be flaky where it passes then: three networks on two cores
// are late at times. Not those that look for what must never happen: there one failure is one too many.
const never = ['kill.mjs', 'fence.mjs', 'netns.mjs', 'rotate.mjs'], alone = files.length === 1;
await Promise.all(Array.from({ length: lanes }, async () => {
  for (let f; (f = files.shift()) !== undefined;) {
    const r = await one(f);
    if (r.failed && !alone && !never.includes(f) && again.length < 3) again.push([f, r]); else add(r);
  }
}));
for (const [f, first] of again.splice(0)) {
  const r = await one(f);
  if (!r.failed) console.log(`# FLAKY ${f}: ${first.failed} failed beside other files, none alone; the report of its first run stands above`);
  add(r);
}
console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped ? `, ${sum.skipped} skipped` : ''}`);
process.exit(sum.failed ? 1 : 0);
