// The end-to-end tests, one file after the other, each with networks of its own. Usage: node run.mjs [FILE...]; POA_BIN names the programs.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const files = process.argv.length > 2 ? process.argv.slice(2) : ['readme.mjs', 'commands.mjs', 'story.mjs', 'bad_input.mjs', 'kill.mjs', 'fence.mjs', 'rotate.mjs', 'web.mjs',
  'doctor.mjs', 'backup.mjs'];
const sum = { passed: 0, failed: 0, skipped: 0 };
let child;
for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => { child?.kill(s); setTimeout(() => process.exit(130), 60000).unref(); });

for (const f of files) {
  console.log(`# ${f}`);
  const out = await new Promise((ok) => {
    let text = '';
    child = spawn(process.execPath, [path.join(here, f)], { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.on('data', (d) => { text += d; process.stdout.write(String(d).replace(/^(\d+ passed, .*)$/m, '# $1')); });
    child.on('close', (code) => ok({ code, text }));
  });
  const m = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/m.exec(out.text);
  sum.passed += +(m?.[1] ?? 0);
  sum.failed += m ? +m[2] : 1;
  sum.skipped += +(m?.[3] ?? 0);
  if (m && out.code !== 0 && m[2] === '0') sum.failed++;
  if (!m) console.log(`not ok - ${f} ended with ${out.code}`);
}
console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped ? `, ${sum.skipped} skipped` : ''}`);
process.exit(sum.failed ? 1 : 0);
