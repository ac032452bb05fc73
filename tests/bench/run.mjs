// Measurements. node run.mjs [first-block|transfers|rpc|evm|import|state|sync|identity-store ...] [--runs N] [--count N] [--json] [--out FILE]; see scripts/bench.
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { machine, say } from './report.mjs';

const KINDS = {
  'first-block': async (o) => (await import('./first_block.mjs')).firstBlock(o),
  transfers: async (o) => (await import('./transfers.mjs')).transfers(o),
  rpc: async (o) => (await import('./rpc.mjs')).rpcCalls(o),
  evm: async (o) => (await import('./evm.mjs')).evm(o),
  import: async (o) => (await import('./import.mjs')).importChain(o),
  state: async (o) => (await import('./state.mjs')).state(o),
  sync: async (o) => ({ full: await (await import('./sync.mjs')).syncChain({ runs: o.runs }), ...(await (await import('./catch_up.mjs')).catchUpBench(o)) }),
  'identity-store': async () => (await import('./identity_store.mjs')).identityStore(),
};
let values, positionals;
try {
  ({ values, positionals } = parseArgs({ allowPositionals: true, options: { runs: { type: 'string' }, count: { type: 'string' }, json: { type: 'boolean', default: false }, out: { type: 'string' } } }));
} catch (e) {
  console.error(`bench: ${e.message.split('.')[0]}: [${Object.keys(KINDS).join('|')} ...] [--runs N] [--count N] [--json]`);
  process.exit(2);
}
const kinds = positionals.length ? positionals : Object.keys(KINDS);
const options = {};
for (const k of ['runs', 'count']) {
  if (values[k] === undefined) continue;
  options[k] = Number(values[k]);
  if (!Number.isSafeInteger(options[k]) || options[k] < 1) { console.error(`bench: --${k} is a whole number from 1, not '${values[k]}'`); process.exit(2); }
}
for (const k of kinds) if (!KINDS[k]) { console.error(`bench: no measurement '${k}': ${Object.keys(KINDS).join(' ')}`); process.exit(2); }

const doc = { machine: machine() };
let failed = 0;
say(`${doc.machine.cpu}, ${doc.machine.cores} cores, ${doc.machine.compiler}, commit ${doc.machine.commit}${doc.machine.dirty ? ' and changes' : ''}`);
for (const k of kinds) {
  say(`== ${k}`);
  try { doc[k] = await KINDS[k](options); } catch (e) { failed++; doc[k] = { error: e.message }; say(`bench: ${k} failed: ${e.stack}`); }
}
const text = JSON.stringify(doc, null, 1);
if (values.out) fs.writeFileSync(values.out, text + '\n');
if (values.json) console.log(text);
process.exit(failed ? 1 : 0);
