// Tests of the governance contracts, on their compiled bytecode (`npm ci` in this folder first):
//   node tests/contracts/run.mjs [--steps N] [--seed S] [--full] [--gas FILE]
// --steps  random operations in all (default 600), in walks of 120    --seed  repeats a run
// --full   compares every view of every account after each operation  --gas   writes the gas table and stops
import { writeFileSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

const WALK = 120;
const { values } = parseArgs({
  options: { steps: { type: 'string', default: '600' }, seed: { type: 'string' }, full: { type: 'boolean', default: false }, gas: { type: 'string' } },
});
try {
  await import('@ethereumjs/evm');
} catch {
  console.error('run.mjs: packages are missing; run `npm ci` in tests/contracts first');
  process.exit(1);
}
if (values.gas) {
  const { gasTable } = await import('./gas.mjs');
  writeFileSync(values.gas, await gasTable());
  process.exit(0);
}

const { tests } = await import('./directed.mjs');
const { walk } = await import('./random.mjs');
const steps = Number(values.steps);
const seed = values.seed === undefined ? randomInt(1, 2 ** 31) : Number(values.seed);
if (!Number.isSafeInteger(steps) || steps < 0 || !Number.isSafeInteger(seed)) {
  console.error('run.mjs: --steps and --seed take whole numbers');
  process.exit(2);
}

let passed = 0;
let failed = 0;
async function run(name, body) {
  try {
    const note = await body();
    console.log(`ok ${++passed + failed} - ${name}`);
    if (note) console.log(`# ${note}`);
  } catch (error) {
    console.log(`not ok ${passed + ++failed} - ${name}`);
    for (const line of String(error.stack ?? error).split('\n')) console.log(`# ${line}`);
  }
}

console.log('TAP version 13');
for (const { name, body } of tests) await run(name, body);

console.log(`# seed ${seed}`);
const coverage = {};
for (let n = 0; n * WALK < steps; n++) {
  const hardfork = n % 2 ? 'prague' : 'byzantium';
  await run(`random walk ${n + 1} agrees with the model (${hardfork})`, async () => {
    const seen = await walk({ seed: seed + n * 7919, steps: Math.min(WALK, steps - n * WALK), hardfork, full: values.full });
    for (const [what, times] of Object.entries(seen)) coverage[what] = (coverage[what] ?? 0) + times;
  });
}
for (const what of Object.keys(coverage).sort()) console.log(`# ${String(coverage[what]).padStart(6)} ${what}`);
console.log(`1..${passed + failed}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
