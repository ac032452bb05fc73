// table.mjs: writes web/contract.js, the contract's functions and events with their selectors and topics, out of the compiled artefact, so
// that the page needs no ABI at run time. `--check`: only tell whether it is fresh.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { keccak256 } from './web/keccak.js';

const here = path.dirname(fileURLToPath(import.meta.url));
const artefact = path.join(here, '../../orchestrator/contracts/artifacts/AdminValidatorSet.json');
const file = path.join(here, 'web/contract.js');

export function table(abi) {
  const hash = (e) => keccak256(new TextEncoder().encode(`${e.name}(${e.inputs.map((i) => i.type).join(',')})`));
  const calls = abi.filter((e) => e.type === 'function' && e.stateMutability === 'nonpayable').map((e) => [e.name, hash(e).slice(0, 10), e.inputs.map((i) => i.type)]);
  const events = abi.filter((e) => e.type === 'event').map((e) => [hash(e), e.name, e.inputs.map((i) => [i.name.replace(/^_/, ''), i.type, i.indexed])]);
  const line = (key, value) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},\n`;
  return `// Made by node/member/table.mjs from the compiled contract; not edited by hand.
// name: [selector, types of the arguments]
export const CALLS = {
${calls.map(([n, s, t]) => line(n, [s, t])).join('')}};
// topic: [name, [name, type, indexed] of each value]
export const EVENTS = {
${events.map(([t, n, v]) => line(t, [n, v])).join('')}};
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const fresh = table(JSON.parse(fs.readFileSync(artefact, 'utf8')).abi);
  const stands = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  if (process.argv[2] === '--check') {
    if (fresh !== stands) {
      console.error('node/member/web/contract.js is not what the artefact says: run node node/member/table.mjs');
      process.exit(1);
    }
  } else fs.writeFileSync(file, fresh);
}
