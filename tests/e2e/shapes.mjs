// What an answer looks like, as the execution APIs' schemas and the original's pages have it: a pattern for a string, an object for exactly those keys
// ("key?" may be missing), [form] for a list of it, a function, or any(...) of several.
export const Q = /^0x(0|[1-9a-f][0-9a-f]{0,63})$/, D = /^0x([0-9a-f]{2})*$/, A = /^0x[0-9a-f]{40}$/, H = /^0x[0-9a-f]{64}$/, BLOOM = /^0x[0-9a-f]{512}$/, TEXT = /./;
export const NULL = (v) => v === null, BOOL = (v) => typeof v === 'boolean', COUNT = (v) => Number.isSafeInteger(v) && v >= 0, RATIO = (v) => typeof v === 'number' && v >= 0 && v <= 1;
export const any = (...forms) => Object.assign((v) => forms.some((f) => fits(v, f)), { forms });
export const map = (key, form) => (v) => v !== null && typeof v === 'object' && Object.entries(v).every(([k, x]) => key.test(k) && fits(x, form));

function wrong(v, form, at) {
  if (form instanceof RegExp) return typeof v === 'string' && form.test(v) ? null : `${at}: ${JSON.stringify(v)?.slice(0, 100)} is not ${form}`;
  if (typeof form === 'function') return form(v) ? null : `${at}: ${JSON.stringify(v)?.slice(0, 200)} is not ${form.forms ? form.forms.map((f) => f.name ?? JSON.stringify(f)).join(' or ') : form.name || form}`;
  if (Array.isArray(form)) return !Array.isArray(v) ? `${at}: no list` : v.map((x, i) => wrong(x, form[0], `${at}[${i}]`)).find((x) => x) ?? null;
  if (v === null || typeof v !== 'object' || Array.isArray(v)) return `${at}: no object, but ${JSON.stringify(v)?.slice(0, 100)}`;
  const names = Object.keys(form).map((k) => k.replace('?', ''));
  for (const k of Object.keys(v)) if (!names.includes(k)) return `${at}.${k}: nobody knows it`;
  for (const [k, f] of Object.entries(form)) {
    const name = k.replace('?', '');
    if (!(name in v)) {
      if (!k.endsWith('?')) return `${at}.${k}: missing`;
    } else {
      const w = wrong(v[name], f, `${at}.${name}`);
      if (w) return w;
    }
  }
  return null;
}
const fits = (v, form) => wrong(v, form, '') === null;
// what is wrong with a value, or null
export const misfit = wrong;

// --- the execution APIs
const opt = (f) => any(f, NULL);
const access = [{ address: A, storageKeys: [H] }];
const where = { blockHash: opt(H), blockNumber: opt(Q), transactionIndex: opt(Q), from: A, hash: H, blockTimestamp: opt(Q) };
// the original's own fields beside them
const parityTx = { 'creates?': opt(A), 'raw?': D, 'publicKey?': opt(D), 'condition?': opt(() => true), 'standardV?': Q };
const signed = { nonce: Q, gas: Q, value: Q, input: D, to: opt(A), r: Q, s: Q, v: Q, type: Q };
export const TX = any(
  { ...where, ...signed, type: /^0x0$/, gasPrice: Q, chainId: opt(Q), ...parityTx },
  { ...where, ...signed, type: /^0x1$/, gasPrice: Q, chainId: Q, accessList: access, yParity: /^0x[01]$/, ...parityTx },
  { ...where, ...signed, type: /^0x2$/, gasPrice: Q, maxFeePerGas: Q, maxPriorityFeePerGas: Q, chainId: Q, accessList: access, yParity: /^0x[01]$/, ...parityTx },
  { ...where, ...signed, type: /^0x4$/, to: A, gasPrice: Q, maxFeePerGas: Q, maxPriorityFeePerGas: Q, chainId: Q, accessList: access, yParity: /^0x[01]$/, authorizationList: [{ chainId: Q, address: A, nonce: Q, yParity: Q, r: Q, s: Q }], ...parityTx });
export const LOG = { address: A, topics: [H], data: D, blockNumber: opt(Q), transactionHash: opt(H), transactionIndex: opt(Q), blockHash: opt(H), logIndex: opt(Q), removed: BOOL, blockTimestamp: Q,
  'transactionLogIndex?': opt(Q), 'type?': /^(mined|pending|removed)$/ };
export const RECEIPT = { transactionHash: H, transactionIndex: Q, blockHash: H, blockNumber: Q, from: A, to: opt(A), cumulativeGasUsed: Q, gasUsed: Q, contractAddress: opt(A), logs: [LOG], logsBloom: BLOOM,
  'status?': /^0x[01]$/, 'root?': opt(H), effectiveGasPrice: Q, type: Q };
export const HEADER = { hash: opt(H), parentHash: H, sha3Uncles: H, miner: A, stateRoot: H, transactionsRoot: H, receiptsRoot: H, logsBloom: BLOOM, difficulty: Q, number: Q, gasLimit: Q, gasUsed: Q, timestamp: Q, extraData: D,
  'baseFeePerGas?': Q, 'totalDifficulty?': opt(Q), 'withdrawalsRoot?': H, 'blobGasUsed?': Q, 'excessBlobGas?': Q, 'parentBeaconBlockRoot?': H, 'requestsHash?': H,
  // AuRa: what stands for mixHash and nonce
  author: A, sealFields: [D], 'step?': TEXT, 'signature?': /^[0-9a-f]{130}$/ };
const body = { size: Q, uncles: [H], 'withdrawals?': [() => true] };
export const BLOCK = { ...HEADER, ...body, transactions: [H] }, FULL_BLOCK = { ...HEADER, ...body, transactions: [TX] };
export const FEES = { oldestBlock: Q, baseFeePerGas: [Q], gasUsedRatio: [RATIO], 'reward?': [[Q]], baseFeePerBlobGas: [Q], blobGasUsedRatio: [RATIO] };
export const PROOF = { address: A, accountProof: [D], balance: Q, codeHash: H, nonce: Q, storageHash: H, storageProof: [{ key: Q, value: Q, proof: [D] }] };
export const ACCESS_LIST = { accessList: access, gasUsed: Q, 'error?': TEXT };
export const SIMULATED = [{ ...BLOCK, transactions: [any(H, TX)], calls: [any({ status: /^0x1$/, returnData: D, gasUsed: Q, logs: [LOG], maxUsedGas: Q }, { status: /^0x0$/, returnData: D, gasUsed: Q, logs: [LOG], error: { code: Number.isInteger, message: TEXT, 'data?': D }, maxUsedGas: Q })] }];
export const CONFIG = { activationTime: COUNT, blobSchedule: opt({ baseFeeUpdateFraction: COUNT, max: COUNT, target: COUNT }), chainId: Q, forkId: /^0x[0-9a-f]{8}$/, precompiles: map(/^[A-Z0-9_]+$/, A), systemContracts: map(/^[A-Z_]+$/, A) };

// --- Parity's traces
const call = { callType: /^(call|callcode|delegatecall|staticcall)$/, from: A, gas: Q, input: D, to: A, value: Q }, create = { from: A, gas: Q, init: D, value: Q, creationMethod: /^create2?$/ };
const kinds = [{ type: /^call$/, action: call, result: { gasUsed: Q, output: D } }, { type: /^call$/, action: call, error: TEXT }, { type: /^create$/, action: create, result: { address: A, code: D, gasUsed: Q } },
  { type: /^create$/, action: create, error: TEXT }, { type: /^suicide$/, action: { address: A, balance: Q, refundAddress: A }, result: NULL }];
const tree = { subtraces: COUNT, traceAddress: [COUNT] }, place = { blockHash: H, blockNumber: COUNT, transactionHash: H, transactionPosition: COUNT };
const reward = { type: /^reward$/, action: { author: A, rewardType: TEXT, value: Q }, result: NULL, blockHash: H, blockNumber: COUNT, 'transactionHash?': NULL, 'transactionPosition?': NULL, ...tree };
export const TRACE = any(...kinds.map((k) => ({ ...k, ...tree }))), PLACED_TRACE = any(...kinds.map((k) => ({ ...k, ...tree, ...place })), reward);
const diff = (f) => any(/^=$/, { '+': f }, { '-': f }, { '*': { from: f, to: f } });
export const STATE_DIFF = map(A, { balance: diff(Q), code: diff(D), nonce: diff(Q), storage: map(H, any({ '+': H }, { '-': H }, { '*': { from: H, to: H } })) });
export const VM_TRACE = { code: D, ops: [{ pc: COUNT, cost: COUNT, sub: (v) => v === null || fits(v, VM_TRACE), ex: opt({ mem: opt({ off: COUNT, data: D }), push: [Q], store: opt({ key: Q, val: Q }), used: COUNT }) }] };
export const REPLAY = { output: D, trace: [TRACE], stateDiff: opt(STATE_DIFF), vmTrace: opt(VM_TRACE) };
