// A one-node Authority Round chain around the real bytecode: it runs transactions in blocks, follows the InitiateChange
// signals as clients do, decides finality by signers, and makes the system call where a client would.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Common, Mainnet } from '@ethereumjs/common';
import { createEVM } from '@ethereumjs/evm';
import { SimpleStateManager } from '@ethereumjs/statemanager';
import { createAddressFromString, hexToBytes, bytesToHex } from '@ethereumjs/util';
import { Interpreter } from './node_modules/@ethereumjs/evm/dist/esm/interpreter.js';
import { AbiCoder, Interface, keccak256, toBeHex, zeroPadValue } from 'ethers';

const here = dirname(fileURLToPath(import.meta.url));
export const SYSTEM = '0xfffffffffffffffffffffffffffffffffffffffe';
export const ZERO = '0x0000000000000000000000000000000000000000';
const BLOCK_GAS = 50_000_000n;
const UNBOUNDED_GAS = 2n ** 256n - 1n;

export const artefact = (name) =>
  JSON.parse(readFileSync(join(here, '../../orchestrator/contracts/artifacts', `${name}.json`), 'utf8'));

/** Account number `n` as an address; validators and accounts come from different ranges. */
export const account = (n) => zeroPadValue(toBeHex(0xa000 + n), 20).toLowerCase();
export const validator = (n) => zeroPadValue(toBeHex(0xb0000 + n), 20).toLowerCase();

// The interpreter looks for jump destinations in every call anew, which takes most of the time; remember them by code.
const jumps = new WeakMap();
const findJumps = Interpreter.prototype._getValidJumpDestinations;
Interpreter.prototype._getValidJumpDestinations = function (code) {
  if (!jumps.has(code)) jumps.set(code, findJumps.call(this, code));
  return jumps.get(code);
};

const plain = (value) => {
  if (typeof value === 'string') return /^0x[0-9a-fA-F]{40}$/.test(value) ? value.toLowerCase() : value;
  if (value && typeof value === 'object') return Array.from(value, plain);
  return typeof value === 'bigint' ? Number(value) : value;
};

/** Gas that a transaction pays before its first instruction. */
const intrinsicGas = (data) => {
  let gas = 21000;
  for (const byte of hexToBytes(data)) gas += byte === 0 ? 4 : 16;
  return gas;
};

export class Chain {
  /**
   * @param options.contract artefact name; options.args constructor arguments
   * @param options.hardfork rules to run by
   * @param options.firstSignalOnly true for clients that ignore signals while one is pending
   */
  static async create({ contract = 'AdminValidatorSet', args, hardfork = 'byzantium', firstSignalOnly = false }) {
    const chain = new Chain();
    const { abi, bytecode } = artefact(contract);
    chain.abi = new Interface(abi);
    chain.number = 0;
    chain.firstSignalOnly = firstSignalOnly;
    const blockchain = {
      getBlock: async (number) => ({ hash: () => hexToBytes(chain.hash(Number(number))) }),
      putBlock: async () => {},
      shallowCopy: () => blockchain,
    };
    chain.evm = await createEVM({
      common: new Common({ chain: Mainnet, hardfork }),
      stateManager: new SimpleStateManager(),
      blockchain,
    });
    const created = await chain.evm.runCall({
      caller: createAddressFromString(ZERO),
      data: hexToBytes(bytecode + chain.abi.encodeDeploy(args).slice(2)),
      gasLimit: UNBOUNDED_GAS,
      gasPrice: 0n,
      block: chain.block(),
    });
    chain.creation = chain.outcome(created);
    if (chain.creation.error) throw new Error(`constructor: ${chain.creation.error}`);
    chain.address = created.createdAddress;
    chain.epochBegins = true; // a contract's first epoch begins with block 1
    chain.signals = []; // signals that are not final yet
    chain.window = []; // blocks that are not final yet
    chain.clientSet = contract === 'AdminValidatorSet' ? await chain.view('getValidators') : [];
    chain.step = 0;
    return chain;
  }

  hash(number) {
    return keccak256(AbiCoder.defaultAbiCoder().encode(['string', 'uint256'], ['block', number]));
  }

  block() {
    return {
      header: {
        number: BigInt(this.number), timestamp: BigInt(this.number * 2), gasLimit: BLOCK_GAS, difficulty: 2n ** 128n - 2n,
        coinbase: createAddressFromString(ZERO), prevRandao: new Uint8Array(32), baseFeePerGas: 0n, getBlobGasPrice: () => 0n,
      },
    };
  }

  outcome({ execResult }) {
    const { exceptionError, returnValue, executionGasUsed, gasRefund, logs } = execResult;
    let error = null;
    if (exceptionError) {
      error = exceptionError.error;
      const text = bytesToHex(returnValue);
      if (text.startsWith('0x08c379a0')) error = AbiCoder.defaultAbiCoder().decode(['string'], `0x${text.slice(10)}`)[0];
    }
    return { error, returnValue: bytesToHex(returnValue), gas: Number(executionGasUsed), refund: Number(gasRefund ?? 0n), logs: logs ?? [] };
  }

  async call(from, data, gasLimit = BLOCK_GAS) {
    const result = await this.evm.runCall({
      caller: createAddressFromString(from), to: this.address, data: hexToBytes(data), gasLimit, gasPrice: 0n, block: this.block(),
    });
    await this.evm.journal.cleanup();
    this.evm.stateManager.originalStorageCache?.clear();
    return this.outcome(result);
  }

  /** Result of a view, from an account if it matters. One result comes bare, several as an array. */
  async view(name, args = [], from = ZERO) {
    const { error, returnValue } = await this.call(from, this.abi.encodeFunctionData(name, args));
    if (error) throw new Error(`${name}: ${error}`);
    const values = plain(this.abi.decodeFunctionResult(name, returnValue));
    return values.length === 1 ? values[0] : values;
  }

  decode(log) {
    const parsed = this.abi.parseLog({ topics: log[1].map(bytesToHex), data: bytesToHex(log[2]) });
    return [parsed.name, ...plain(parsed.args)];
  }

  /** Starts a block: the system call, when an epoch begins with it. */
  async open() {
    this.number++;
    this.receipts = [];
    if (!this.epochBegins) return false;
    this.epochBegins = false;
    const { error } = await this.call(SYSTEM, this.abi.encodeFunctionData('finalizeChange'), UNBOUNDED_GAS);
    if (error) throw new Error(`finalizeChange failed in block ${this.number}: ${error}`);
    return true;
  }

  /** A transaction in the open block. Its logs count for signals unless it failed. */
  async send(from, name, args = []) {
    const data = this.abi.encodeFunctionData(name, args);
    const intrinsic = intrinsicGas(data);
    const result = await this.call(from, data, BLOCK_GAS - BigInt(intrinsic));
    const used = intrinsic + result.gas;
    const gas = used - Math.min(result.refund, Math.floor(used / (this.evm.common.gteHardfork('london') ? 5 : 2)));
    const events = result.error ? [] : result.logs.map((log) => this.decode(log));
    this.receipts.push(events);
    return { error: result.error, events, gas };
  }

  /**
   * Seals the open block: looks for a signal and moves finality on.
   * @param online which validators seal; options.loseSignal drops this block's signal
   */
  async seal({ online = () => true, loseSignal = false } = {}) {
    const receipt = this.receipts.findLast((events) => this.signalIn(events));
    if (receipt && !loseSignal && !(this.firstSignalOnly && this.signals.length)) {
      this.signals.push({ block: this.number, set: this.signalIn(receipt)[2] });
    }
    const count = this.clientSet.length;
    let signer;
    do signer = this.clientSet[this.step++ % count]; while (!online(signer));
    this.window.push({ number: this.number, signer });
    while (new Set(this.window.map((entry) => entry.signer)).size * 2 > count) {
      const { number } = this.window.shift();
      const signal = this.signals.find((entry) => entry.block === number);
      if (!signal) continue;
      this.clientSet = signal.set;
      this.signals = [];
      this.window = [];
      this.epochBegins = true;
      break;
    }
  }

  signalIn(events) {
    return events.find(([name, parent]) => name === 'InitiateChange' && parent === this.hash(this.number - 1));
  }

  /** One block with at most one transaction. */
  async mine(from, name, args, options) {
    await this.open();
    const result = from ? await this.send(from, name, args) : null;
    await this.seal(options);
    return result;
  }

  /** Empty blocks until nothing is in flight for the clients and the system call was made. */
  async settle(options) {
    for (let i = 0; i < 1000; i++) {
      await this.mine(null, null, null, options);
      if (!this.signals.length && !this.epochBegins) return;
    }
    throw new Error('no finality in 1000 blocks');
  }
}
