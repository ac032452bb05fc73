// Developers' tools against a network of ours, each as its own guide says: hardhat (compile, test), @truffle/contract, web3 1.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Member, assert, exec, leaf, rpc, run, test, until, workFolder } from '../../e2e/lib.mjs';
import { compile } from '../../e2e/solidity.mjs';

const here = path.dirname(fileURLToPath(import.meta.url)), require = createRequire(import.meta.url);
const { ethers } = createRequire(new URL('../../e2e/package.json', import.meta.url))('ethers');
const work = workFolder(), M = new Member(53, work, 'm');
const key = ethers.id('poa tools: an account without any ether');
const text = (r) => `${r.out}\n${r.err}`;

test('a network', async () => { await M.new('--nodes', '2', '--step', '1'); });
leaf('hardhat: compiles, deploys, tests', async () => {
  const project = path.join(work, 'project');
  fs.cpSync(path.join(here, 'project'), project, { recursive: true });
  fs.mkdirSync(path.join(project, 'contracts'), { recursive: true });
  fs.copyFileSync(path.join(here, '../../e2e/Board.sol'), path.join(project, 'contracts/Board.sol'));
  fs.symlinkSync(path.join(here, 'node_modules'), path.join(project, 'node_modules'));
  fs.writeFileSync(path.join(project, 'package.json'), '{ "name": "board", "private": true }\n');
  const env = { POA_ETHERS: createRequire(new URL('../../e2e/package.json', import.meta.url)).resolve('ethers'), POA_RPC: M.url, POA_KEY: key, HARDHAT_DISABLE_TELEMETRY_PROMPT: 'true', CI: '1' };
  const r = await exec(process.execPath, [path.join(here, 'node_modules/hardhat/internal/cli/bootstrap.js'), 'test', '--network', 'poa'], { cwd: project, env, limit_s: 150 });
  assert.equal(r.code, 0, text(r));
  assert.match(r.out, /3 passing/);
}, 180);
leaf('@truffle/contract: new, a transaction, a call, events, a revert', async () => {
  const contract = require('@truffle/contract'), { abi, bytecode } = compile('Board.sol', 'Board'), wallet = new ethers.Wallet(key);
  // the provider of an account: what truffle would have a wallet sign is signed here
  const Http = require('web3').providers.HttpProvider, http = new Http(M.url);
  const provider = { send: (q, done) => {
    const answer = (p) => p.then((result) => done(null, { jsonrpc: '2.0', id: q.id, result }), (e) => done(e));
    if (q.method === 'eth_accounts') return answer(Promise.resolve([wallet.address]));
    if (q.method !== 'eth_sendTransaction') return http.send(q, done);
    const t = q.params[0];
    return answer((async () => {
      const nonce = Number(await rpc(M.url, 'eth_getTransactionCount', [wallet.address, 'pending']));
      return rpc(M.url, 'eth_sendRawTransaction', [await wallet.signTransaction({ type: 0, nonce, gasPrice: 0, gasLimit: Number(t.gas), to: t.to, data: t.data, chainId: Number(await rpc(M.url, 'eth_chainId')) })]);
    })());
  } };
  provider.sendAsync = provider.send;
  const Board = contract({ abi, bytecode, contractName: 'Board' });
  Board.setProvider(provider);
  Board.defaults({ from: wallet.address, gasPrice: 0, gas: 3000000 });
  const board = await Board.new(40);
  const sent = await board.post('by truffle');
  assert.equal(sent.receipt.status, true);
  assert.deepEqual(sent.logs.map((l) => [l.event, l.args.text]), [['Posted', 'by truffle']]);
  assert.equal((await board.count()).toString(), '1');
  assert.equal((await board.getPastEvents('Posted', { fromBlock: 0 })).length, 1);
  await assert.rejects(board.post.call(''), /nothing to post/);
  const again = await Board.at(board.address);
  assert.equal((await again.notes(0)).text, 'by truffle');
}, 120);
leaf('web3 1: an account of its own, deploy, send, call, past events, a subscription', async () => {
  const Web3 = require('web3'), { abi, bytecode } = compile('Board.sol', 'Board');
  const web3 = new Web3(M.url), socket = new Web3(new Web3.providers.WebsocketProvider(M.ws));
  try {
    const account = web3.eth.accounts.create();
    web3.eth.accounts.wallet.add(account);
    const from = account.address, heads = [];
    socket.eth.subscribe('newBlockHeaders').on('data', (h) => heads.push(h.number));
    const board = await new web3.eth.Contract(abi).deploy({ data: bytecode, arguments: [40] }).send({ from, gas: 3000000, gasPrice: '0' });
    const gas = await board.methods.post('by web3').estimateGas({ from });
    const sent = await board.methods.post('by web3').send({ from, gas, gasPrice: '0' });
    assert.equal(sent.events.Posted.returnValues.text, 'by web3');
    assert.equal(await board.methods.count().call(), '1');
    assert.equal((await board.getPastEvents('Posted', { fromBlock: 0 })).length, 1);
    await assert.rejects(board.methods.post('').call({ from }), /nothing to post/);
    assert.equal(await web3.eth.getBalance(from), '0');
    assert.ok((await web3.eth.getBlock('latest')).number > 0);
    await until('heads are told', () => heads.length >= 2, 20);
  } finally { socket.currentProvider.disconnect?.(); }
}, 120);

await run({ chained: true });
