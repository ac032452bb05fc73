// JSON-RPC as a whole: every method of the execution APIs and of the original's public sets is there, answers in its shape, and takes bad input
// without harm: standard errors or a closed connection, memory bounded, the chain undisturbed.
import fs from 'node:fs';
import crypto from 'node:crypto';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import zlib from 'node:zlib';
import { ethers } from 'ethers';
import WebSocket from 'ws';
import * as S from './shapes.mjs';
import { Member, assert, block, blocks, height, httpCall, leaf, rpc, run, sleep, stepOf, test, until, workFolder } from './lib.mjs';
import { compile } from './solidity.mjs';
import { rich } from './clients.mjs';

const work = workFolder();
const M = new Member(74, work, 'm');
const hex = (n) => '0x' + BigInt(n).toString(16);
const fails = async (method, params, code, text) => {
  const e = await rpc(M.url, method, params).then(() => null, (x) => x.rpc ?? x);
  assert.ok(e, `${method} ${JSON.stringify(params).slice(0, 200)}: no error`);
  if (code !== undefined) assert.equal(e.code, code, `${method}: ${JSON.stringify(e)}`);
  if (text !== undefined) assert.match(e.message, text);
};
let board, provider;

// the execution APIs but for what signs with a key of the node's, then what the original exposed (aura.md B13), then ours
const EXECUTION = `eth_accounts eth_baseFee eth_blobBaseFee eth_blockNumber eth_call eth_capabilities eth_chainId eth_coinbase eth_config eth_createAccessList eth_estimateGas eth_feeHistory eth_gasPrice
  eth_getBalance eth_getBlockByHash eth_getBlockByNumber eth_getBlockReceipts eth_getBlockTransactionCountByHash eth_getBlockTransactionCountByNumber eth_getCode
  eth_getFilterChanges eth_getFilterLogs eth_getLogs eth_getProof eth_getStorageAt eth_getTransactionByBlockHashAndIndex eth_getTransactionByBlockNumberAndIndex
  eth_getTransactionByHash eth_getTransactionCount eth_getTransactionReceipt eth_getUncleCountByBlockHash eth_getUncleCountByBlockNumber eth_maxPriorityFeePerGas
  eth_newBlockFilter eth_newFilter eth_newPendingTransactionFilter eth_sendRawTransaction eth_simulateV1 eth_subscribe eth_syncing eth_uninstallFilter eth_unsubscribe
  net_version net_listening net_peerCount web3_clientVersion web3_sha3`.split(/\s+/);
const PARITY = `parity_transactionsLimit parity_extraData parity_gasFloorTarget parity_gasCeilTarget parity_minGasPrice parity_devLogs parity_devLogsLevels parity_netChain
  parity_netPeers parity_netPort parity_rpcSettings parity_nodeName parity_defaultExtraData parity_gasPriceHistogram parity_unsignedTransactionsCount parity_registryAddress
  parity_listAccounts parity_listStorageKeys parity_pendingTransactions parity_futureTransactions parity_pendingTransactionsStats parity_localTransactions parity_wsUrl
  parity_nextNonce parity_mode parity_chainId parity_chain parity_enode parity_consensusCapability parity_versionInfo parity_releasesInfo parity_chainStatus parity_nodeKind
  parity_getBlockHeaderByNumber parity_nodeHealth parity_nodeStatus parity_allTransactions parity_allTransactionHashes parity_getBlockReceipts parity_call
  parity_getLogsNoTransactionHash parity_getRawBlockByNumber parity_verifySignature parity_cidV0 parity_encryptMessage parity_submitWorkDetail parity_subscribe parity_unsubscribe eth_getWork eth_submitWork eth_submitHashrate
  trace_filter trace_get trace_transaction trace_block trace_call trace_callMany trace_rawTransaction trace_replayTransaction trace_replayBlockTransactions rpc_modules modules`.split(/\s+/);
const OURS = 'aura_status aura_getValidators aura_getMissedSteps txpool_status txpool_content txpool_contentFrom txpool_inspect rpc.discover'.split(' ');
// what would use a key of the node, or change it: never there on a public port
const NEVER = `personal_listAccounts personal_newAccount personal_unlockAccount personal_sendTransaction personal_sign eth_sign eth_signTransaction eth_sendTransaction
  eth_signTypedData parity_newAccountFromSecret parity_setEngineSigner parity_generateSecretPhrase parity_phraseToAddress parity_submitRawBlock parity_addReservedPeer admin_addPeer miner_start debug_setHead secretstore_encrypt`.split(/\s+/);

test('a network with a contract and some transactions', async () => {
  await M.new('--nodes', '2', '--step', '1', '--alloc', `${rich.address}=1000ether`);
  provider = new ethers.JsonRpcProvider(M.url, undefined, { pollingInterval: 300, staticNetwork: true, batchMaxCount: 1 });
  const { abi, bytecode } = compile('Board.sol', 'Board');
  const me = rich.connect(provider);
  board = await (await new ethers.ContractFactory(abi, bytecode, me).deploy(40)).waitForDeployment();
  await (await board.post('one')).wait();
  await (await me.sendTransaction({ to: '0x00000000000000000000000000000000000000bb', value: 5n })).wait();
}, 120);

leaf('rpc.discover has every method of the execution APIs, of the original and of ours; nothing that signs or commands', async () => {
  const doc = await rpc(M.url, 'rpc.discover'), have = new Set(doc.methods.map((m) => m.name));
  assert.equal(doc.openrpc, '1.2.6');
  assert.deepEqual([...EXECUTION, ...PARITY, ...OURS].filter((m) => !have.has(m)), []);
  assert.deepEqual(NEVER.filter((m) => have.has(m)), []);
  for (const m of NEVER) await fails(m, [], -32601);
  const modules = await rpc(M.url, 'rpc_modules');
  assert.deepEqual(Object.keys(modules).sort(), ['aura', 'eth', 'net', 'parity', 'rpc', 'trace', 'txpool', 'web3']);
  for (const m of ['debug_getRawHeader', 'debug_traceTransaction', 'admin_peers']) await fails(m, ['0x1'], -32601);
});

// walk: every method that the node tells of, under arguments of every kind
leaf('every method takes every kind of argument: a result or a standard error, never an internal one', async () => {
  const junk = [null, true, -1, 1.5, 1e300, '', '0x', '0x0', '0x01', '0xzz', 'latest', '0x' + 'f'.repeat(64), '0x' + '0'.repeat(40), '0x' + 'f'.repeat(1000), [], [[]], {}, { a: [{}] },
    { from: 5 }, { blockStateCalls: [{}] }, { blockHash: '0x1' }, '\u0000', '🙂'];
  const { methods } = await rpc(M.url, 'rpc.discover');
  let calls = 0;
  const standard = new Set([-32700, -32600, -32601, -32602, -32000, -32004, -32005, 3]);
  for (const { name, params } of methods) {
    if (name === 'rpc.discover' || name === 'rpc_discover') continue;
    const batch = [];
    for (let n = 0; n <= params.length + 1; n++) for (const j of junk) batch.push({ jsonrpc: '2.0', id: batch.length, method: name, params: Array(n).fill(j) });
    for (let i = 0; i < junk.length; i++) batch.push({ jsonrpc: '2.0', id: batch.length, method: name, params: junk.slice(i, i + params.length) });
    const r = await httpCall(M.url, { method: 'POST', body: JSON.stringify(batch), headers: { 'content-type': 'application/json' }, limit_ms: 30000 });
    const answers = JSON.parse(r.text);
    assert.equal(answers.length, batch.length, name);
    for (const a of answers) {
      calls++;
      if (a.error) {
        const ok = standard.has(a.error.code) || (a.error.code <= -38010 && a.error.code >= -38026);
        assert.ok(ok, `${name}(${JSON.stringify(batch[a.id].params).slice(0, 200)}): ${JSON.stringify(a.error)}`);
        assert.ok(a.error.message.length > 5);
      } else assert.ok('result' in a);
    }
  }
  return `${calls} calls of ${methods.length} methods`;
}, 120);

leaf('shapes: blocks, receipts, proofs, fee history, access lists, overrides, and null for what is not there', async () => {
  const h = await height(M.url), none = '0x' + '12'.repeat(32);
  for (const [m, p] of [['eth_getBlockByHash', [none, false]], ['eth_getBlockByNumber', [hex(h + 10000), false]], ['eth_getTransactionByHash', [none]], ['eth_getTransactionReceipt', [none]],
    ['eth_getBlockReceipts', [hex(h + 10000)]], ['trace_block', [hex(h + 10000)]], ['eth_getBlockTransactionCountByHash', [none]]]) assert.equal(await rpc(M.url, m, p), null, m);
  const proof = await rpc(M.url, 'eth_getProof', [await board.getAddress(), ['0x0'], 'latest']);
  const b = await block(M.url, 'latest');
  assert.ok(proof.accountProof.length > 0 && proof.storageProof.length === 1 && proof.codeHash.length === 66, JSON.stringify(proof).slice(0, 200));
  assert.equal(ethers.keccak256(proof.accountProof[0]).length, 66);
  const fees = await rpc(M.url, 'eth_feeHistory', ['0x3', 'latest', [25, 75]]);
  assert.equal(fees.baseFeePerGas.length, 4);
  assert.equal(fees.reward.length, 3);
  const data = board.interface.encodeFunctionData('post', ['two']), to = await board.getAddress();
  const list = await rpc(M.url, 'eth_createAccessList', [{ from: rich.address, to, data }, 'latest']);
  assert.ok(list.accessList.some((e) => e.address.toLowerCase() === to.toLowerCase() && e.storageKeys.length > 0));
  // code that gives the balance of 0xdd, the block's number and its time
  const over = { '0x00000000000000000000000000000000000000cc': { code: '0x73' + '00'.repeat(19) + 'dd' + '316000524360205242604052606060' + '00f3' }, '0x00000000000000000000000000000000000000dd': { balance: '0x2a' } };
  const got = await rpc(M.url, 'eth_call', [{ to: '0x00000000000000000000000000000000000000cc' }, 'latest', over, { number: '0x1234', time: '0x5678' }]);
  assert.deepEqual([...ethers.AbiCoder.defaultAbiCoder().decode(['uint256', 'uint256', 'uint256'], got)], [42n, 0x1234n, 0x5678n]);
  for (const tag of ['latest', 'pending', 'safe', 'finalized', 'earliest']) assert.ok(await rpc(M.url, 'eth_getBlockByNumber', [tag, false]), tag);
  assert.ok(b.author && b.sealFields && b.step);
});

leaf('every answer has the fields of its schema, and no others', async () => {
  const n = await height(M.url), to = await board.getAddress(), data = board.interface.encodeFunctionData('post', ['two']), A1 = rich.address, call = { from: A1, to, data };
  const txs = [], misfits = [];
  const ask = async (method, params, form) => {
    const v = await rpc(M.url, method, params), w = S.misfit(v, form, method);
    if (w !== null) misfits.push(w);
    return v;
  };
  for (let i = 0; i <= n; i++) {
    const b = await ask('eth_getBlockByNumber', [hex(i), true], S.FULL_BLOCK);
    txs.push(...b.transactions);
    await ask('eth_getBlockByHash', [b.hash, false], S.BLOCK);
    await ask('eth_getBlockReceipts', [hex(i)], [S.RECEIPT]);
    if (i > 0) await ask('trace_block', [hex(i)], [S.PLACED_TRACE]);
    await ask('eth_getHeaderByNumber', [hex(i)], S.HEADER);
  }
  assert.ok(txs.length >= 3);
  for (const t of txs) {
    await ask('eth_getTransactionByHash', [t.hash], S.TX);
    await ask('eth_getTransactionReceipt', [t.hash], S.RECEIPT);
    await ask('eth_getTransactionByBlockHashAndIndex', [t.blockHash, t.transactionIndex], S.TX);
    await ask('trace_transaction', [t.hash], [S.PLACED_TRACE]);
    await ask('trace_replayTransaction', [t.hash, ['trace', 'vmTrace', 'stateDiff']], S.REPLAY);
    await ask('trace_replayBlockTransactions', [t.blockNumber, ['trace', 'vmTrace', 'stateDiff']], [{ ...S.REPLAY, transactionHash: S.H }]);
    await ask('eth_getRawTransactionByHash', [t.hash], S.D);
  }
  const quantities = ['eth_blockNumber', 'eth_gasPrice', 'eth_maxPriorityFeePerGas', 'eth_blobBaseFee', 'eth_chainId', 'net_peerCount', 'parity_minGasPrice', 'parity_gasFloorTarget', 'parity_gasCeilTarget', 'parity_chainId'];
  for (const m of quantities) await ask(m, [], S.Q);
  await ask('eth_getBalance', [A1, 'latest'], S.Q);
  await ask('eth_getTransactionCount', [A1, 'pending'], S.Q);
  await ask('eth_getCode', [to, 'safe'], S.D);
  await ask('eth_getStorageAt', [to, '0x0', 'finalized'], S.H);
  await ask('eth_getProof', [to, ['0x0', `0x${'11'.repeat(32)}`], 'latest'], { ...S.PROOF, storageProof: [{ key: S.any(S.Q, S.H), value: S.Q, proof: [S.D] }] });
  await ask('eth_feeHistory', ['0x3', 'latest', [5, 95]], S.FEES);
  await ask('eth_feeHistory', ['0x3', 'latest', []], S.FEES);
  await ask('eth_createAccessList', [call, 'latest'], S.ACCESS_LIST);
  await ask('eth_estimateGas', [call], S.Q);
  await ask('eth_call', [call, 'latest'], S.D);
  await ask('eth_getLogs', [{ fromBlock: '0x0', address: to }], [S.LOG]);
  await ask('eth_accounts', [], [S.A]);
  await ask('eth_coinbase', [], S.A);
  const kept = (window) => ({ disabled: S.BOOL, oldestBlock: S.Q, ...(window ? { deleteStrategy: { type: /^window$/, retentionBlocks: S.Q } } : {}) });
  await ask('eth_capabilities', [], { head: { number: S.Q, hash: S.H }, state: kept(true), tx: kept(), logs: kept(), receipts: kept(), blocks: kept(), stateproofs: kept(true) });
  await ask('eth_config', [], { current: S.CONFIG, next: S.any(S.CONFIG, S.NULL), last: S.any(S.CONFIG, S.NULL) });
  await ask('eth_syncing', [], (v) => v === false);
  await ask('eth_simulateV1', [{ blockStateCalls: [{ calls: [call, { from: A1, to, data: board.interface.encodeFunctionData('post', ['']) }] }], traceTransfers: true }, 'latest'], S.SIMULATED);
  await ask('eth_simulateV1', [{ blockStateCalls: [{ calls: [call] }], returnFullTransactions: true }, 'latest'], S.SIMULATED);
  await ask('trace_call', [call, ['trace', 'vmTrace', 'stateDiff'], 'latest'], S.REPLAY);
  await ask('trace_filter', [{ fromBlock: '0x0', toBlock: 'latest' }], [S.PLACED_TRACE]);
  await ask('net_version', [], /^\d+$/);
  await ask('net_listening', [], S.BOOL);
  await ask('web3_clientVersion', [], S.TEXT);
  await ask('web3_sha3', ['0x68656c6c6f'], S.H);
  await ask('txpool_status', [], { pending: S.Q, queued: S.Q });
  for (const m of ['txpool_content', 'txpool_inspect']) await ask(m, [], { pending: S.map(/./, S.map(/^\d+$/, () => true)), queued: S.map(/./, S.map(/^\d+$/, () => true)) });
  // the original's (aura.md B13)
  const peer = { id: S.any(S.TEXT, S.NULL), name: () => true, caps: [S.TEXT], network: { remoteAddress: S.TEXT, localAddress: S.TEXT }, protocols: { eth: S.any({ version: S.COUNT, difficulty: S.any(S.Q, S.NULL), head: /^(0x)?[0-9a-f]{64}$/ }, S.NULL), 'pip?': S.NULL } };
  await ask('parity_netPeers', [], { active: S.COUNT, connected: S.COUNT, max: S.COUNT, peers: [peer] });
  await ask('parity_chainStatus', [], { blockGap: S.any(S.NULL, [S.Q]) });
  await ask('parity_mode', [], /^(active|passive|dark|offline)$/);
  await ask('parity_enode', [], /^enode:\/\/[0-9a-f]{128}@[^:]+:\d+/);
  await ask('parity_versionInfo', [], { hash: S.TEXT, track: S.TEXT, version: { major: S.COUNT, minor: S.COUNT, patch: S.COUNT } });
  await ask('parity_nextNonce', [A1], S.Q);
  await ask('parity_rpcSettings', [], { enabled: S.BOOL, interface: S.TEXT, port: S.COUNT });
  await ask('parity_nodeKind', [], { availability: /^(personal|public)$/, capability: /^(full|light)$/ });
  await ask('parity_netPort', [], S.COUNT);
  await ask('parity_transactionsLimit', [], (v) => v === 65536);
  for (const m of ['parity_extraData', 'parity_defaultExtraData']) await ask(m, [], S.D);
  for (const m of ['parity_pendingTransactions', 'parity_futureTransactions', 'parity_allTransactions']) await ask(m, [], [S.TX]);
  await ask('parity_allTransactionHashes', [], [S.H]);
  await ask('parity_listAccounts', [10, null], S.any(S.NULL, [S.A]));
  await ask('parity_listStorageKeys', [to, 10, null], S.any(S.NULL, [S.H]));
  await ask('parity_gasPriceHistogram', [], S.any(S.NULL, { bucketBounds: [S.Q], counts: [S.COUNT] }));
  await ask('parity_devLogs', [], [S.TEXT]);
  await ask('parity_unsignedTransactionsCount', [], S.any(S.NULL, S.COUNT));
  await ask('parity_call', [[call], 'latest'], [S.D]);
  await ask('parity_cidV0', ['0x'], /^QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n$/); // IPFS's name of nothing
  for (const prefixed of [true, false]) {
    const text = ethers.toUtf8Bytes('who signed this'), sig = prefixed ? ethers.Signature.from(await rich.signMessage(text)) : rich.signingKey.sign(ethers.keccak256(text));
    for (const [v, valid] of [[sig.yParity, true], [sig.v, false], [35 + 2 * Number(await rpc(M.url, 'eth_chainId', [])) + sig.yParity, true], [37 + sig.yParity, false]]) {
      const told = await ask('parity_verifySignature', [prefixed, ethers.hexlify(text), sig.r, sig.s, hex(v)], { address: S.A, publicKey: /^0x[0-9a-f]{128}$/, isValidForCurrentChain: S.BOOL });
      assert.deepEqual([told.address, told.isValidForCurrentChain], [rich.address.toLowerCase(), valid]);
      assert.equal(told.publicKey, `0x${rich.signingKey.publicKey.slice(4)}`);
    }
  }
  // ours
  await ask('aura_getValidators', [], [S.A]);
  assert.deepEqual(misfits, []);
  return `${txs.length} transactions`;
});

leaf('eth_simulateV1: blocks on blocks, overrides, transfers as logs, errors by their numbers', async () => {
  const A = '0x00000000000000000000000000000000000000a1', B = '0x00000000000000000000000000000000000000b2', C = '0x00000000000000000000000000000000000000c3';
  const head = await block(M.url, 'latest'), at = [hex(Number(head.number))];
  const r = await rpc(M.url, 'eth_simulateV1', [{ blockStateCalls: [
    { stateOverrides: { [A]: { balance: '0x64' } }, calls: [{ from: A, to: B, value: '0x28' }, { from: B, to: C, value: '0xa' }] },
    { blockOverrides: { number: hex(Number(head.number) + 4) }, calls: [{ from: C, to: A, value: '0x1' }, { from: C, to: A, value: '0x64' }].slice(0, 1) },
  ], traceTransfers: true, returnFullTransactions: true }, ...at]);
  assert.equal(r.length, 4, 'the numbers between are empty blocks');
  assert.deepEqual(r.map((b) => Number(b.number) - Number(head.number)), [1, 2, 3, 4]);
  assert.deepEqual(r.map((b) => b.calls.length), [2, 0, 0, 1]);
  assert.equal(r[0].parentHash, head.hash);
  for (let i = 1; i < r.length; i++) assert.equal(r[i].parentHash, r[i - 1].hash);
  assert.ok(r[0].calls.every((c) => c.status === '0x1' && c.gasUsed === '0x5208' && c.returnData === '0x'));
  assert.deepEqual(r[0].calls[0].logs.map((l) => [l.address, l.topics.length, BigInt(l.data)]), [['0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', 3, 40n]]);
  assert.equal(r[0].transactions.length, 2);
  assert.equal(r[0].transactions[0].from, A);
  assert.equal(BigInt(r[0].gasUsed), 42000n);
  assert.notEqual(r[0].stateRoot, head.stateRoot);
  // a contract: made in one call, used in the next, reverts with its reason in the third
  const { abi, bytecode } = compile('Board.sol', 'Board'), f = board.interface;
  const made = ethers.getCreateAddress({ from: A, nonce: 0 });
  const ctor = bytecode + ethers.AbiCoder.defaultAbiCoder().encode(['uint256'], [40]).slice(2);
  const s = (await rpc(M.url, 'eth_simulateV1', [{ blockStateCalls: [{ calls: [{ from: A, data: ctor }, { from: A, to: made, data: f.encodeFunctionData('post', ['hello']) }, { from: A, to: made, data: f.encodeFunctionData('post', ['']) },
    { from: A, to: made, data: f.encodeFunctionData('count') }] }] }, 'latest']))[0].calls;
  assert.deepEqual(s.map((c) => c.status), ['0x1', '0x1', '0x0', '0x1']);
  assert.equal(s[1].logs.length, 1);
  assert.equal(s[1].logs[0].address.toLowerCase(), made.toLowerCase());
  assert.match(s[2].error.message, /execution reverted: nothing to post/);
  assert.equal(s[2].error.code, 3);
  assert.equal(BigInt(s[3].returnData), 1n);
  assert.ok(abi);
  const one = (call, more = {}, top = {}) => [{ blockStateCalls: [{ ...more, calls: [call] }], ...top }, 'latest'];
  await fails('eth_simulateV1', one({ from: A, to: B, value: '0x1' }), -38014);
  await fails('eth_simulateV1', one({ from: rich.address, to: B, nonce: '0x0', maxFeePerGas: '0x0' }, {}, { validation: true }), -38010);
  await fails('eth_simulateV1', one({ from: rich.address, to: B, nonce: '0xffff', maxFeePerGas: '0x0' }, {}, { validation: true }), -38011);
  await fails('eth_simulateV1', one({ from: A, to: B, gas: '0x10' }), -38013);
  await fails('eth_simulateV1', one({ from: A, to: B, gas: '0xffffffffff' }), -38015);
  await fails('eth_simulateV1', [{ blockStateCalls: [{ blockOverrides: { number: '0x1' }, calls: [] }] }, 'latest'], -38020);
  await fails('eth_simulateV1', [{ blockStateCalls: [{ blockOverrides: { time: '0x1' }, calls: [] }] }, 'latest'], -38021);
  await fails('eth_simulateV1', [{ blockStateCalls: [{ blockOverrides: { number: hex(Number(head.number) + 400) }, calls: [] }] }, ...at], -38026);
  assert.equal(await rpc(M.url, 'eth_getCode', [made, 'latest']), '0x', 'nothing of it is on the chain');
});

// how many operations a vmTrace has, each of which leaves what the one before it left, less its cost
function gasAddsUp(vm) {
  let n = 0;
  for (const [i, op] of (vm?.ops ?? []).entries()) {
    n += 1 + gasAddsUp(op.sub);
    if (i > 0 && op.ex && !op.sub) assert.equal(op.ex.used, vm.ops[i - 1].ex.used - op.cost, `pc ${op.pc}`);
    if (op.ex && op.sub) assert.ok(op.ex.used <= vm.ops[i - 1].ex.used);
  }
  return n;
}
leaf('traces: trace_call, its like, and the explorer\'s walk over every block', async () => {
  const to = await board.getAddress(), data = board.interface.encodeFunctionData('post', ['traced']);
  const t = await rpc(M.url, 'trace_call', [{ from: rich.address, to, data }, ['trace'], 'latest']);
  assert.equal(t.trace[0].action.to.toLowerCase(), to.toLowerCase());
  assert.equal(t.trace[0].blockHash, undefined);
  assert.equal(t.vmTrace, null);
  assert.equal(t.output, await rpc(M.url, 'eth_call', [{ from: rich.address, to, data }, 'latest']));
  const count = board.interface.encodeFunctionData('count');
  const many = await rpc(M.url, 'trace_callMany', [[[{ from: rich.address, to, data: count }, ['trace']], [{ from: rich.address, to, data }, ['trace']], [{ from: rich.address, to, data: count }, ['trace']]], 'latest']);
  assert.equal(BigInt(many[2].output), BigInt(many[0].output) + 1n, 'each stands on the one before');
  const raw = await rich.connect(provider).signTransaction(await rich.connect(provider).populateTransaction({ to, data, gasPrice: 0, type: 0 }));
  assert.equal((await rpc(M.url, 'trace_rawTransaction', [raw, ['trace']])).trace.length, 1);
  await fails('trace_call', [{ to }, ['steps'], 'latest'], -32602, /allowed are "trace", "vmTrace", "stateDiff"/);
  // an explorer: every block with its transactions, receipts and traces, which must agree
  const n = await height(M.url);
  let txs = 0, traces = 0, steps = 0;
  for (let i = 0; i <= n; i++) {
    const at = hex(i), b = await rpc(M.url, 'eth_getBlockByNumber', [at, true]), receipts = await rpc(M.url, 'eth_getBlockReceipts', [at]);
    const list = i === 0 ? [] : await rpc(M.url, 'trace_block', [at]);
    assert.equal(receipts.length, b.transactions.length);
    for (const [k, tx] of b.transactions.entries()) {
      const mine = list.filter((x) => x.transactionHash === tx.hash);
      assert.equal(receipts[k].transactionHash, tx.hash);
      assert.ok(mine.length >= 1);
      assert.equal(mine[0].action.from, tx.from);
      const replayed = await rpc(M.url, 'trace_replayTransaction', [tx.hash, ['trace', 'vmTrace', 'stateDiff']]);
      assert.equal(replayed.trace.length, mine.length);
      steps += gasAddsUp(replayed.vmTrace);
      if (b.transactions.length > 1) continue;
      // what it says of before and after is what the chain says of the blocks before and after
      for (const [who, d] of Object.entries(replayed.stateDiff)) {
        const was = hex(i - 1), both = async (method, ...more) => [await rpc(M.url, method, [who, ...more, was]), await rpc(M.url, method, [who, ...more, at])];
        const told = (x, none) => x === '=' ? null : x['*'] ? [x['*'].from, x['*'].to] : x['+'] !== undefined ? [none, x['+']] : [x['-'], none];
        for (const [x, none, real] of [[d.balance, '0x0', await both('eth_getBalance')], [d.nonce, '0x0', await both('eth_getTransactionCount')], [d.code, '0x', await both('eth_getCode')]])
          assert.deepEqual(told(x, none) ?? [real[1], real[1]], real, `${who} in ${tx.hash}`);
        for (const [slot, x] of Object.entries(d.storage)) assert.deepEqual(told(x, `0x${'0'.repeat(64)}`), await both('eth_getStorageAt', slot), `${who} ${slot}`);
      }
      txs++;
      traces += mine.length;
    }
    const again = i === 0 ? [] : await rpc(M.url, 'trace_replayBlockTransactions', [at, ['trace']]);
    assert.deepEqual(again.map((x) => x.transactionHash), b.transactions.map((x) => x.hash));
  }
  assert.ok(txs >= 3);
  assert.ok(steps > 100);
  return `${n + 1} blocks, ${txs} transactions, ${traces} traces, ${steps} operations`;
});

leaf('a transaction that is not taken: the words that wallets and libraries match', async () => {
  const chainId = Number(await rpc(M.url, 'eth_chainId')), nonce = await provider.getTransactionCount(rich.address), poor = ethers.Wallet.createRandom();
  const tx = (w, more) => w.signTransaction({ type: 0, chainId, gasPrice: 0, gasLimit: 21000, nonce, to: rich.address, ...more });
  for (const [raw, text] of [[await tx(poor, { nonce: 0, value: 1n }), /^insufficient funds for gas \* price \+ value/], [await tx(rich, { nonce: 0 }), /^nonce too low/], [await tx(rich, { gasLimit: 20000 }), /^intrinsic gas too low/],
    [await tx(rich, { gasLimit: 10n ** 12n }), /^exceeds block gas limit/], [await tx(rich, { chainId: 1 }), /^invalid chain id/], ['0x', /empty/], ['0x05c0', /not supported/]]) await fails('eth_sendRawTransaction', [raw], -32000, text);
  // behind a gap nothing is mined meanwhile
  const far = await tx(rich, { nonce: nonce + 50 }), url = M.node(0);
  const sent = (raw) => rpc(url, 'eth_sendRawTransaction', [raw]).then(() => 'taken', (e) => e.rpc.message);
  assert.equal(await sent(far), 'taken');
  assert.equal(await sent(far), 'already known');
  assert.equal(await sent(await tx(rich, { nonce: nonce + 50, value: 1n })), 'replacement transaction underpriced');
});

leaf('parity_subscribe: a method is asked again with every block, and tells what changed', async () => {
  const w = new WebSocket(M.ws), seen = [], answers = new Map();
  let wake = () => {};
  w.on('message', (d) => {
    const m = JSON.parse(d);
    if (m.method === 'parity_subscription') seen.push(m.params);
    else answers.set(m.id, m);
    wake();
  });
  const wait = async (body) => { while (!body()) await new Promise((ok) => { wake = ok; }); return body(); };
  const ask = (id, method, params) => { w.send(JSON.stringify({ jsonrpc: '2.0', id, method, params })); return wait(() => answers.get(id)); };
  try {
    await new Promise((ok, bad) => { w.on('open', ok); w.on('error', bad); });
    const number = (await ask(1, 'parity_subscribe', ['eth_blockNumber', []])).result, chain = (await ask(2, 'parity_subscribe', ['eth_chainId', []])).result;
    const of = (id) => seen.filter((x) => x.subscription === id).map((x) => x.result);
    await wait(() => of(number).length >= 3);
    assert.deepEqual(of(number).map(Number), [...of(number)].map(Number).sort((a, b) => a - b));
    assert.deepEqual(of(chain), [await rpc(M.url, 'eth_chainId')]); // it never changes
    assert.equal((await ask(3, 'parity_unsubscribe', [number])).result, true);
    assert.equal((await ask(4, 'parity_subscribe', ['eth_sendRawTransaction', ['0x']])).error.code, -32602);
  } finally { w.close(); }
}, 30);

leaf('aura_getMissedSteps: who sealed, and whose steps went by', async () => {
  const m = await rpc(M.url, 'aura_getMissedSteps', ['0x64']);
  const n = await height(M.url);
  assert.equal(m.validators.length, 2);
  assert.ok(m.validators.every((v) => Number(v.sealed) > 0 && Number(v.lastSealedStep) > 0));
  const sealed = m.validators.reduce((a, v) => a + Number(v.sealed), 0);
  assert.ok(sealed >= n - 2 && sealed <= n + 1);
  await fails('aura_getMissedSteps', [100000], -32005);
});

leaf('a large answer is compressed for whoever takes it', async () => {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'rpc.discover', params: [] });
  const get = (headers) => new Promise((ok, bad) => {
    const r = http.request(M.url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers } }, (x) => {
      const c = [];
      x.on('data', (d) => c.push(d));
      x.on('end', () => ok({ encoding: x.headers['content-encoding'], data: Buffer.concat(c) }));
    });
    r.on('error', bad);
    r.end(body);
  });
  const plain = await get({}), zipped = await get({ 'accept-encoding': 'gzip, deflate' });
  assert.equal(plain.encoding, undefined);
  assert.equal(zipped.encoding, 'gzip');
  assert.ok(zipped.data.length < plain.data.length / 4);
  assert.equal(zlib.gunzipSync(zipped.data).toString(), plain.data.toString());
});
leaf('with jwt_secret_file a port answers only to tokens of that key, fresh ones, over HTTP and WebSocket', async () => {
  const name = M.instances()[1].name, file = path.join(M.dir, 'local/instances', name, 'etc/poa-node.yaml'), good = fs.readFileSync(file, 'utf8');
  const ipc = path.join(work, 'node.ipc'), key = crypto.randomBytes(32), at = path.join(work, 'jwt.hex'), url = M.node(1);
  fs.writeFileSync(at, `0x${key.toString('hex')}\n`, { mode: 0o600 });
  fs.writeFileSync(file, good.replace(/^rpc:\n/m, `rpc:\n  ipc_path: "${ipc}"\n  max_unsent_mib: 16\n  jwt_secret_file: "${at}"\n`));
  process.kill(M.instances()[1].pid, 'SIGKILL');
  let note;
  const b64 = (o) => Buffer.from(typeof o === 'string' ? o : JSON.stringify(o)).toString('base64url');
  const token = ({ k = key, alg = 'HS256', iat = Math.floor(Date.now() / 1000) } = {}) => {
    const head = `${b64({ alg, typ: 'JWT' })}.${b64({ iat })}`;
    return `Bearer ${head}.${crypto.createHmac('sha256', k).update(head).digest('base64url')}`;
  };
  const ask = (authorization) => httpCall(url, { method: 'POST', body: '{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}', headers: { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) } });
  try {
    await until('the node is back', async () => (await ask()).status === 401, 40);
    assert.match((await ask(token())).text, /"result":"0x/);
    const none = `${b64({ alg: 'none' })}.${b64({ iat: Math.floor(Date.now() / 1000) })}.`;
    for (const bad of [token({ k: crypto.randomBytes(32) }), token({ iat: Math.floor(Date.now() / 1000) - 90 }), token({ iat: Math.floor(Date.now() / 1000) + 90 }), token({ alg: 'none' }), `Bearer ${none}`,
      'Bearer x', 'Bearer a.b.c', `Basic ${b64('a:b')}`, `Bearer ${'x'.repeat(8000)}`]) assert.equal((await ask(bad)).status, 401, bad.slice(0, 60));
    const socket = (headers) => new Promise((ok) => { const w = new WebSocket(M.nodeWs(1), { headers }); w.on('open', () => { w.close(); ok('open'); }); w.on('error', () => ok('refused')); });
    assert.equal(await socket({}), 'refused');
    assert.equal(await socket({ authorization: token() }), 'open');
    // the socket of the owner's: ethers speaks it; documents in pieces, several at once, and no JSON
    const local = new ethers.IpcSocketProvider(ipc);
    assert.equal(Number((await local.getNetwork()).chainId), Number(await rpc(M.node(0), 'eth_chainId')));
    assert.ok((await local.getBlock(0)).hash);
    // its subscriptions: ethers asks for newHeads when it is to tell of blocks
    assert.ok(await new Promise((ok) => { local.once('block', ok); }) > 0);
    local.destroy();
    assert.equal(fs.statSync(ipc).mode & 0o777, 0o600);
    const talk = (parts) => new Promise((ok) => {
      const s = net.connect(ipc);
      let got = '';
      s.on('data', (d) => { got += d; });
      s.on('close', () => ok(got));
      (async () => { for (const x of parts) { s.write(x); await sleep(60); } setTimeout(() => s.end(), 300); })();
    });
    const q = '{"jsonrpc":"2.0","id":7,"method":"eth_blockNumber","params":[]}';
    assert.equal((await talk([q.slice(0, 20), q.slice(20), q + q + `[${q}]`])).trim().split('\n').length, 4);
    assert.match(await talk([q, ' nonsense']), /"result".*\n.*-32700/);
    // 24 clients want 12 MiB each and read nothing: the node holds on to 16 MiB for all of them, and serves whoever reads
    const { hostname, port } = new URL(url), pid = M.instances()[1].pid, mem = () => +/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1] / 1024;
    const big = JSON.stringify(Array(800).fill({ jsonrpc: '2.0', id: 1, method: 'rpc.discover' })), before = mem(), deaf = [];
    let most = 0;
    try {
      for (let i = 0; i < 24; i++) {
        const s = net.connect(+port, hostname);
        s.on('error', () => {});
        s.pause();
        s.write(`POST / HTTP/1.1\r\nHost: x\r\nAuthorization: ${token()}\r\nContent-Type: application/json\r\nContent-Length: ${big.length}\r\n\r\n${big}`);
        deaf.push(s);
        assert.match((await ask(token())).text, /"result":"0x/);
        most = Math.max(most, mem());
      }
      const log = path.join(M.dir, 'local/instances', name, 'var/log/poa/poa-node.log');
      await until('some are let go', async () => /Closed a connection .*unsent=\d+ reason="slow reader/.test(fs.readFileSync(log, 'utf8')), 30);
      most = Math.max(most, mem());
      assert.ok(most < before + 150, `${before.toFixed(0)} -> ${most.toFixed(0)} MiB`);
    } finally { for (const s of deaf) s.destroy(); }
    note = `memory ${before.toFixed(0)} -> ${most.toFixed(0)} MiB`;
  } finally {
    fs.writeFileSync(file, good);
    process.kill(M.instances()[1].pid, 'SIGKILL');
  }
  await until('it is open again', async () => (await ask()).status === 200, 60);
  return note;
}, 150);

// ------------------------------------------------------------------------------------------------------------------- hostile input
const rss = () => M.instances().map((i) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${i.pid}/status`, 'utf8'))[1]) / 1024);
const port = 8545, host = '127.74.1.10'; // a node itself: what the balancer would hide
// raw: bytes over a socket of their own; what came back until it was closed, or limit_ms went by
function raw(bytes, { limit_ms = 1500, half = false } = {}) {
  return new Promise((ok) => {
    const s = net.connect(port, host);
    let text = '', closed = false;
    s.on('data', (d) => { text += d.toString('latin1'); });
    s.on('error', () => {});
    s.on('close', () => { closed = true; });
    s.on('connect', () => { s.write(bytes); if (half) s.end(); });
    const end = Date.now() + limit_ms;
    const timer = setInterval(() => { if (closed || Date.now() > end || /\r\n\r\n[^]*[}\]\n]$/.test(text)) { clearInterval(timer); s.destroy(); ok({ text, closed }); } }, 20);
  });
}
const post = (body, more = '') => `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
leaf('malformed requests: each gets its standard error', async () => {
  const body = (o) => JSON.stringify(o), call = (o) => body({ jsonrpc: '2.0', id: 1, method: 'eth_blockNumber', params: [], ...o });
  const cases = [
    ['', -32700], ['{', -32700], ['{"a":}', -32700], ['nonsense', -32700], ['\u0000', -32700], ['[' + '['.repeat(100000), -32700], ['{"a":'.repeat(50000), -32700], ['[1,', -32700],
    ['{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"', -32700], ['"x"', -32600], ['1', -32600], ['null', -32600], ['[]', -32600], ['{}', -32600], [call({ method: 5 }), -32600],
    [call({ method: null }), -32600], [call({ jsonrpc: '1.0' }), -32600], [call({ method: 'no_such' }), -32601], [call({ method: '' }), -32601], [call({ method: 'x'.repeat(100000) }), -32601],
    [call({ params: 'x' }), -32602], [call({ params: { a: 1 } }), -32602], [call({ method: 'eth_getBalance', params: [1e400] }), -32602], [call({ method: 'eth_getBalance', params: ['0x' + '9'.repeat(1e6)] }), -32602],
    [call({ method: 'eth_getBlockByNumber', params: ['0x' + 'f'.repeat(64), false] }), [-32602, null]], [call({ method: 'eth_call', params: [{ data: '0x0' }] }), -32602],
    [`{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":[${'9'.repeat(100000)}]}`, [-32700, -32602]],
    [body(Array(5000).fill({ jsonrpc: '2.0', id: 1, method: 'eth_blockNumber' })), -32600],
    [call({ method: 'eth_getLogs', params: [{ address: Array(20000).fill('0x' + '11'.repeat(20)) }] }), [-32005, -32602]],
    [call({ method: 'eth_getLogs', params: [{ topics: Array(50).fill(null) }] }), -32602],
    [call({ method: 'eth_feeHistory', params: ['0xffffffffffffffff', 'latest', [50]] }), [-32602, -32005, -32000, null]],
    [call({ method: 'eth_getProof', params: ['0x' + '11'.repeat(20), Array(5000).fill('0x0'), 'latest'] }), [-32602, -32005]],
    [call({ method: 'eth_sendRawTransaction', params: ['0x' + 'f8'.repeat(50000)] }), [-32602, -32000]],
    [call({ method: 'eth_call', params: [{ to: '0x' + '01'.repeat(20), data: '0x' }, 'latest', { ['0x' + '01'.repeat(20)]: { code: '0x5b600056' } }] }), [-32000, 3]],
    [call({ method: 'eth_call', params: [{ to: '0x' + '01'.repeat(20), gas: '0xffffffffffffffff' }, 'latest', { ['0x' + '01'.repeat(20)]: { code: '0x5b6000600060006000600060025af1600056' } }] }), [-32000, 3]],
  ];
  for (const [text, want] of cases) {
    const r = await httpCall(M.url, { method: 'POST', body: text, headers: { 'content-type': 'application/json' }, limit_ms: 20000 });
    const code = JSON.parse(r.text).error?.code ?? null;
    assert.ok([want].flat().includes(code), `${text.slice(0, 80)}: ${r.text.slice(0, 200)}, wanted ${want}`);
  }
  return `${cases.length} requests`;
}, 120);
leaf('bodies and headers over their limits, broken HTTP: an error status or a closed connection', async () => {
  const cases = {
    'a body over 5 MiB': post('x'.repeat(6 << 20)), 'a length that is a lie': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{}', 'a negative length': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n{}',
    'two lengths': 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 30\r\n\r\n{}', 'no HTTP': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'garbage': 'A'.repeat(100000),
    'a header without end': `POST / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(200000)}`, 'thousands of headers': `POST / HTTP/1.1\r\nHost: x\r\n${'X: y\r\n'.repeat(20000)}\r\n`,
    'chunks that lie': 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}', 'HTTP/9.9': 'POST / HTTP/9.9\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}',
    'a broken WebSocket': 'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 99\r\nSec-WebSocket-Key: x\r\n\r\n',
  };
  for (const [what, bytes] of Object.entries(cases)) {
    const r = await raw(bytes);
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(r.text)?.[1];
    assert.ok(r.closed || (status && (+status >= 400 || /"error"/.test(r.text))), `${what}: ${r.text.slice(0, 120)} closed=${r.closed}`);
  }
  // the other half of a connection may close early; the answer still comes
  const half = await raw(post('{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}', 'Connection: close\r\n'), { half: true });
  assert.ok(half.closed);
  assert.ok(await height(M.url) > 0);
}, 120);
leaf('slow clients and clients that never read: others are served, memory stays', async () => {
  const before = rss();
  const sockets = [];
  const open = () => new Promise((ok) => { const s = net.connect(port, host, () => ok(s)); s.on('error', () => {}); sockets.push(s); });
  try {
    for (let i = 0; i < 300; i++) (await open()).write('POST / HTTP/1.1\r\nHost: x\r\nContent-Le'); // never finishes its header
    for (let i = 0; i < 100; i++) { // asks for much and reads nothing
      const s = await open();
      s.pause();
      const one = post(JSON.stringify(Array(50).fill({ jsonrpc: '2.0', id: 1, method: 'rpc.discover', params: [] })));
      for (let k = 0; k < 5; k++) s.write(one);
    }
    const drip = sockets.slice(0, 50), t0 = Date.now();
    let worst = 0;
    while (Date.now() - t0 < 6000) {
      for (const s of drip) if (!s.destroyed) s.write('n');
      const at = Date.now();
      await rpc(`http://${host}:${port}`, 'eth_blockNumber', [], 20000);
      worst = Math.max(worst, Date.now() - at);
      await sleep(100);
    }
    const now = rss();
    assert.ok(now[0] < before[0] + 400, `${before[0].toFixed(0)} -> ${now[0].toFixed(0)} MiB`);
    const h = await height(M.url);
    await until('the chain goes on', async () => (await height(M.url)) >= h + 2, 30);
    return `memory ${before[0].toFixed(0)} -> ${now[0].toFixed(0)} MiB, the slowest answer to others ${worst} ms`;
  } finally { for (const s of sockets) s.destroy(); }
}, 120);
leaf('no step was missed through all of it', async () => {
  const n = await height(M.url), list = await blocks(M.url, 2, n);
  let missed = 0;
  for (let i = 1; i < list.length; i++) missed += stepOf(list[i], 1) - stepOf(list[i - 1], 1) - 1;
  return `${missed} steps missed of ${n} blocks`;
});

await run({ chained: true });
