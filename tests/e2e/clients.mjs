// The ordinary tools against a network: ethers 6, viem 2, web3 4, and web3 0.20. Accounts without any ether work, since gas is free.
import { createRequire } from 'node:module';
import { ethers } from 'ethers';
import * as viem from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { Web3 } from 'web3-4';
import { assert, rpc, until } from './lib.mjs';

const require = createRequire(import.meta.url);
const MOST = 40n;
export const rich = new ethers.Wallet(ethers.id('poa e2e: an account with a balance in the genesis block'));
const text = (n) => `note ${n}`;

// --- web3 0.20 ------------------------------------------------------------------------------------------------------------
export async function deployOld(url, { abi, bytecode }) {
  const Tx = require('ethereumjs-tx'), account = require('ethereumjs-wallet').generate(), Old = require('web3');
  const web3 = new Old(new Old.providers.HttpProvider(url));
  const call = (f, ...a) => new Promise((ok, bad) => f(...a, (e, r) => (e ? bad(e) : ok(r))));
  const tx = new Tx({ nonce: await call(web3.eth.getTransactionCount, account.getAddressString()), gasPrice: '0x00', gasLimit: '0x2DC6C0', value: '0x00', data: bytecode });
  tx.sign(account.getPrivateKey());
  const hash = await call(web3.eth.sendRawTransaction, '0x' + tx.serialize().toString('hex'));
  const receipt = await until('the receipt', () => call(web3.eth.getTransactionReceipt, hash), 30);
  assert.equal(receipt.status, '0x1');
  return { address: receipt.contractAddress, abi };
}
export function readOld(url, { address, abi }) {
  const Old = require('web3'), web3 = new Old(new Old.providers.HttpProvider(url));
  return new Promise((ok, bad) => web3.eth.contract(abi).at(address).getMsg((e, r) => (e ? bad(e) : ok(r))));
}

// --- ethers 6 -------------------------------------------------------------------------------------------------------------
export async function ethersV6(member, { abi, bytecode }) {
  const provider = new ethers.JsonRpcProvider(member.url, undefined, { pollingInterval: 300 });
  const socket = new ethers.WebSocketProvider(member.ws);
  try {
    const wallet = ethers.Wallet.createRandom().connect(provider);
    assert.equal(await provider.getBalance(wallet.address), 0n);
    const board = await new ethers.ContractFactory(abi, bytecode, wallet).deploy(MOST);
    await board.waitForDeployment();
    assert.equal(await board.most(), MOST);

    const seen = [];
    const heads = [];
    await socket.on('block', (n) => heads.push(n));
    await new ethers.Contract(await board.getAddress(), abi, socket).on('Posted', (author, number, t) => seen.push([author, number, t]));
    const gas = await board.post.estimateGas(text(0));
    assert.ok(gas > 40000n && gas < 200000n, `estimate ${gas}`);
    assert.equal(await board.post.staticCall(text(0)), 0n);
    // ethers takes a base fee of zero for none and sends type 0, unless told
    const sent = await board.post(text(0), { type: 2, maxFeePerGas: 0, maxPriorityFeePerGas: 0 });
    assert.equal(sent.type, 2);
    const receipt = await sent.wait();
    assert.equal(receipt.status, 1);
    assert.ok(receipt.gasUsed <= gas);
    assert.equal(receipt.logs.length, 1);
    const legacy = await (await board.post(text(1))).wait();
    const listed = await (await board.post(text(2), { type: 1, gasPrice: 0, accessList: [{ address: await board.getAddress(), storageKeys: [] }] })).wait();
    assert.deepEqual([legacy.status, listed.status], [1, 1]);
    assert.equal((await provider.getTransaction(listed.hash)).type, 1);
    assert.equal(await board.count(), 3n);
    assert.deepEqual([...(await board.notes(1))], [wallet.address, text(1)]);

    const logs = await board.queryFilter(board.filters.Posted(wallet.address), receipt.blockNumber, 'latest');
    assert.deepEqual(logs.map((l) => l.args.text), [text(0), text(1), text(2)]);
    assert.equal((await board.queryFilter(board.filters.Posted(ethers.ZeroAddress), 0, 'latest')).length, 0);
    await until('the subscription tells of all three', () => seen.length === 3, 20);
    assert.deepEqual(seen.map((s) => s[2]), [text(0), text(1), text(2)]);
    await until('heads are told', () => heads.length >= 2, 20);

    await assert.rejects(board.post(''), (e) => e.code === 'CALL_EXCEPTION' && e.reason === 'nothing to post');
    await assert.rejects(board.post.staticCall('x'.repeat(50)), (e) => e.revert?.name === 'TooLong' && e.revert.args[0] === 50n && e.revert.args[1] === MOST);
    await assert.rejects(board.fail.staticCall(), (e) => e.code === 'CALL_EXCEPTION' && /panic/i.test(e.reason ?? e.message));
    const failed = await board.post('', { gasLimit: 100000 });
    await assert.rejects(failed.wait(), (e) => e.code === 'CALL_EXCEPTION' && e.receipt.status === 0);

    const salt = ethers.id('leaf');
    await (await board.grow(salt)).wait();
    assert.notEqual(await provider.getCode(await board.leaf()), '0x');

    // value needs an account that has some
    const payer = rich.connect(provider), to = ethers.Wallet.createRandom().address;
    await (await board.connect(payer).pay({ value: 7n })).wait();
    assert.equal(await provider.getBalance(await board.getAddress()), 7n);
    await (await payer.sendTransaction({ to, value: ethers.parseEther('1.5') })).wait();
    assert.equal(await provider.getBalance(to), ethers.parseEther('1.5'));
    await assert.rejects(wallet.sendTransaction({ to, value: 1n, gasLimit: 21000 }), (e) => e.code === 'INSUFFICIENT_FUNDS');
    await assert.rejects(provider.broadcastTransaction(await wallet.signTransaction({ nonce: 0, type: 0, gasPrice: 0, gasLimit: 21000, to, chainId: (await provider.getNetwork()).chainId })),
      (e) => e.code === 'NONCE_EXPIRED');
    const b = await provider.getBlock('latest', true);
    assert.equal(b.baseFeePerGas, 0n);
    assert.ok((await provider.getFeeData()).gasPrice === 0n);
    const proof = await provider.send('eth_getProof', [await board.getAddress(), ['0x0'], 'latest']);
    assert.equal(BigInt(proof.balance), 7n);
  } finally {
    provider.destroy();
    await socket.destroy();
  }
}

// --- viem 2 ---------------------------------------------------------------------------------------------------------------
export async function viem2(member, { abi, bytecode }) {
  const chain = viem.defineChain({ id: Number(await rpc(member.url, 'eth_chainId')), name: 'consortium', nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [member.url], webSocket: [member.ws] } } });
  const account = privateKeyToAccount(viem.keccak256(viem.stringToBytes(`viem ${Date.now()}`)));
  const wallet = viem.createWalletClient({ account, chain, transport: viem.http() });
  const client = viem.createPublicClient({ chain, transport: viem.http(), pollingInterval: 300 });
  const socket = viem.createPublicClient({ chain, transport: viem.webSocket(member.ws, { reconnect: false, keepAlive: false }) });
  const stops = [];
  try {
    const hash = await wallet.deployContract({ abi, bytecode, args: [MOST] });
    const { contractAddress: address, status } = await client.waitForTransactionReceipt({ hash });
    assert.equal(status, 'success');
    const seen = [], heads = [];
    stops.push(socket.watchContractEvent({ address, abi, eventName: 'Posted', onLogs: (l) => seen.push(...l), onError: (e) => seen.push(e) }));
    stops.push(socket.watchBlockNumber({ onBlockNumber: (n) => heads.push(n), onError: (e) => heads.push(e) }));
    await until('subscribed', () => heads.length > 0, 20);
    const { request, result } = await client.simulateContract({ account, address, abi, functionName: 'post', args: [text(0)] });
    assert.equal(result, 0n);
    const r = await client.waitForTransactionReceipt({ hash: await wallet.writeContract(request) });
    assert.equal(r.status, 'success');
    assert.equal(r.type, 'eip1559');
    assert.equal(await client.readContract({ address, abi, functionName: 'count' }), 1n);
    const gas = await client.estimateContractGas({ account, address, abi, functionName: 'post', args: [text(1)] });
    assert.ok(gas > 40000n);
    await assert.rejects(client.simulateContract({ account, address, abi, functionName: 'post', args: ['x'.repeat(41)] }),
      (e) => e.walk((x) => x.data?.errorName === 'TooLong') !== null);
    await assert.rejects(client.simulateContract({ account, address, abi, functionName: 'post', args: [''] }), /nothing to post/);
    const logs = await client.getContractEvents({ address, abi, eventName: 'Posted', args: { author: account.address }, fromBlock: 0n });
    assert.deepEqual(logs.map((l) => l.args.text), [text(0)]);
    await until('the subscription tells of it', () => seen.length > 0, 20);
    assert.equal(seen[0].args?.text, text(0));
    const filter = await client.createContractEventFilter({ address, abi, eventName: 'Posted' });
    await client.waitForTransactionReceipt({ hash: await wallet.writeContract({ address, abi, functionName: 'post', args: [text(2)] }) });
    await until('the filter tells of it', async () => (await client.getFilterChanges({ filter })).some((l) => l.args.text === text(2)), 20);
    const fees = await client.estimateFeesPerGas();
    assert.equal(fees.maxFeePerGas, 0n);
    assert.equal((await client.getBlock()).baseFeePerGas, 0n);
    const history = await client.getFeeHistory({ blockCount: 4, rewardPercentiles: [50] });
    assert.equal(history.baseFeePerGas.length, 5);
    // a transaction of type 4 that hands an account the board's code
    const authorization = await wallet.signAuthorization({ account, contractAddress: address, executor: 'self' });
    const set = await client.waitForTransactionReceipt({ hash: await wallet.sendTransaction({ to: account.address, authorizationList: [authorization], gas: 200000n }) });
    assert.equal(set.type, 'eip7702');
    assert.equal((await client.getCode({ address: account.address })).toLowerCase(), '0xef0100' + address.slice(2).toLowerCase());
  } finally {
    for (const s of stops) s();
    const ws = await socket.transport.getRpcClient();
    ws.close();
  }
}

// --- web3 4 ---------------------------------------------------------------------------------------------------------------
export async function web3V4(member, { abi, bytecode }) {
  const http = new Web3(member.url), socket = new Web3(new Web3.providers.WebsocketProvider(member.ws, {}, { autoReconnect: false }));
  http.setConfig({ transactionPollingInterval: 300, transactionReceiptPollingInterval: 300 });
  try {
    const account = http.eth.accounts.create();
    http.eth.accounts.wallet.add(account);
    const from = account.address, free = { from, gasPrice: '0' };
    const board = await new http.eth.Contract(abi).deploy({ data: bytecode, arguments: [MOST] }).send({ ...free, gas: '2000000' });
    const address = board.options.address;
    assert.equal(await board.methods.most().call(), MOST);
    const heads = [], seen = [];
    const headSub = await socket.eth.subscribe('newBlockHeaders');
    headSub.on('data', (h) => heads.push(h));
    const sub = new socket.eth.Contract(abi, address).events.Posted({ fromBlock: 'latest' });
    sub.on('data', (l) => seen.push(l));
    await until('heads are told', () => heads.length > 0, 20);
    const gas = await board.methods.post(text(0)).estimateGas({ from });
    assert.ok(gas > 40000n);
    const receipt = await board.methods.post(text(0)).send({ ...free, gas: String(gas) });
    assert.equal(receipt.status, 1n);
    assert.equal(receipt.events.Posted.returnValues.text, text(0));
    assert.equal(await board.methods.count().call(), 1n);
    const past = await board.getPastEvents('Posted', { fromBlock: 0, toBlock: 'latest', filter: { author: from } });
    assert.equal(past.length, 1);
    await until('the subscription tells of it', () => seen.length > 0, 20);
    assert.equal(seen[0].returnValues.text, text(0));
    await assert.rejects(board.methods.post('').call({ from }), (e) => /nothing to post/.test(`${e.message} ${e.cause?.message ?? ''} ${JSON.stringify(e.cause?.errorArgs ?? {})} ${e.reason ?? ''} ${e.innerError?.message ?? ''}`));
    // an account with ether sends as web3 does on its own: type 2, with its own idea of a priority fee
    http.eth.accounts.wallet.add(rich.privateKey);
    const to = http.eth.accounts.create().address;
    const paid = await http.eth.sendTransaction({ from: rich.address, to, value: '5', gas: '21000' });
    assert.equal(paid.status, 1n);
    assert.equal(await http.eth.getBalance(to), 5n);
  } finally {
    socket.provider.disconnect();
  }
}

// --- plain ----------------------------------------------------------------------------------------------------------------
// n transfers of nothing from one fresh account, without waiting; their hashes
export async function sendMany(url, n) {
  const wallet = ethers.Wallet.createRandom(), chainId = Number(await rpc(url, 'eth_chainId')), out = [];
  for (let nonce = 0; nonce < n; nonce++)
    out.push(await rpc(url, 'eth_sendRawTransaction', [await wallet.signTransaction({ type: 2, chainId, nonce, maxFeePerGas: 0, maxPriorityFeePerGas: 0, gasLimit: 21000, to: wallet.address, value: 0 })]));
  return out;
}
