// The two compilers, pinned by the lock file: the guide's 0.4 and a current one.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { here } from './lib.mjs';

const require = createRequire(import.meta.url);

// a compiler leaves handlers behind that turn any later failure into its own; they are taken off again
function load(name) {
  const events = ['uncaughtException', 'unhandledRejection'], before = events.map((e) => process.listeners(e));
  const solc = require(name);
  events.forEach((e, i) => process.listeners(e).filter((l) => !before[i].includes(l)).forEach((l) => process.removeListener(e, l)));
  return solc;
}
export function compile(file, contract, { old = false, evmVersion = 'london' } = {}) {
  const solc = load(old ? 'solc-old' : 'solc');
  const input = {
    language: 'Solidity',
    sources: { [file]: { content: fs.readFileSync(path.join(here, file), 'utf8') } },
    settings: { optimizer: { enabled: true, runs: 200 }, outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } }, ...(old ? {} : { evmVersion }) },
  };
  const out = JSON.parse((old ? solc.compileStandardWrapper : solc.compile)(JSON.stringify(input)));
  const bad = (out.errors ?? []).filter((e) => e.severity === 'error');
  if (bad.length) throw new Error(bad.map((e) => e.formattedMessage).join('\n'));
  const c = out.contracts[file][contract];
  return { abi: c.abi, bytecode: '0x' + c.evm.bytecode.object };
}
