// Compiles the contracts in src/ into artefacts: node compile.mjs OUTPUT_FOLDER
// The output depends on nothing but the sources and the compiler that package-lock.json pins.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import solc from 'solc';

const CONTRACTS = ['AdminValidatorSet', 'TransactionPermission'];
const CODE_LIMIT = 24576;

const here = dirname(fileURLToPath(import.meta.url));
const output = process.argv[2];
if (!output) {
  console.error('usage: node compile.mjs OUTPUT_FOLDER');
  process.exit(2);
}

const names = readdirSync(join(here, 'src')).filter((name) => name.endsWith('.sol')).sort();
const sources = {};
for (const name of names) sources[name] = { content: readFileSync(join(here, 'src', name), 'utf8') };

const result = JSON.parse(solc.compile(JSON.stringify({
  language: 'Solidity',
  sources,
  settings: {
    evmVersion: 'byzantium', // every Authority Round client runs it
    optimizer: { enabled: true, runs: 200 },
    metadata: { bytecodeHash: 'none', appendCBOR: false },
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object', 'metadata'] } },
  },
})));

// Old targets are announced to go away one day; the pinned compiler has this one, and old clients need it.
const problems = (result.errors ?? []).filter((problem) => !/EVM versions older than/.test(problem.message));
for (const problem of problems) console.error(problem.formattedMessage);
if (problems.length) process.exit(1); // warnings are errors

mkdirSync(output, { recursive: true });
for (const contractName of CONTRACTS) {
  const { abi, evm, metadata } = result.contracts[`${contractName}.sol`][contractName];
  const digest = createHash('sha256');
  for (const name of Object.keys(JSON.parse(metadata).sources).sort()) digest.update(`${name}\0${sources[name].content}\0`);
  const artefact = {
    contractName,
    abi,
    bytecode: `0x${evm.bytecode.object}`,
    deployedBytecode: `0x${evm.deployedBytecode.object}`,
    compiler: `solc ${solc.version()}, byzantium, optimizer 200 runs`,
    sourceSha256: digest.digest('hex'),
  };
  writeFileSync(join(output, `${contractName}.json`), `${JSON.stringify(artefact, null, 1)}\n`);
  const size = evm.deployedBytecode.object.length / 2;
  console.log(`${contractName}: ${evm.bytecode.object.length / 2} bytes to create, ${size} bytes of code`);
  if (size > CODE_LIMIT) {
    console.error(`${contractName}: more than ${CODE_LIMIT} bytes of code`);
    process.exit(1);
  }
}
