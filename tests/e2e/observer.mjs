// Who only looks, and who may send: a network with a transaction permission contract, joined by an observer: its nodes have no identity, follow,
// serve RPC and never seal; what the contract forbids is refused there, by the validators, and is in no block.
import fs from 'node:fs';
import path from 'node:path';
import { AbiCoder, Interface, Wallet } from 'ethers';
import { Member, assert, block, blocks, done, height, poa, processesOf, root, rpc, run, test, until, workFolder } from './lib.mjs';

const work = workFolder();
const A = new Member(66, work, 'a'), O = new Member(64, work, 'observer');
const PERMISSION = '0x0000000000000000000000000000000000001005', CREATE = 4, BASIC = 1;
const { abi, bytecode } = JSON.parse(fs.readFileSync(path.join(root, 'orchestrator/contracts/artifacts/TransactionPermission.json'), 'utf8'));
const contract = new Interface(abi);
const manager = Wallet.createRandom(), someone = Wallet.createRandom();
const raw = async (wallet, url, tx) => wallet.signTransaction({ type: 0, chainId: BigInt(await rpc(url, 'eth_chainId')), gasPrice: 0, gasLimit: 200000,
  nonce: Number(await rpc(url, 'eth_getTransactionCount', [wallet.address, 'pending'])), ...tx });
const send = async (wallet, url, tx) => rpc(url, 'eth_sendRawTransaction', [await raw(wallet, url, tx)]);
const receipt = (url, hash) => until(`${hash} is mined`, () => rpc(url, 'eth_getTransactionReceipt', [hash]), 20);
const refused = (p) => p.then((h) => assert.fail(`it was taken: ${h}`), (e) => { assert.match(e.message, /ermi/); return e.message; });

test('a network in which accounts may call by default, but not create', async () => {
  const file = path.join(work, 'permission.hex');
  fs.writeFileSync(file, bytecode + AbiCoder.defaultAbiCoder().encode(['address', 'uint32'], [manager.address, BASIC | 2]).slice(2));
  await A.new('--tx-permission', file);
  assert.equal(JSON.parse(fs.readFileSync(path.join(A.dir, 'spec.json'), 'utf8')).params.transactionPermissionContract.toLowerCase(), PERMISSION);
});
test('join --observer: the nodes follow the chain, and have no key, no lease and no identity', async () => {
  await O.join(A.dataUrl, '--observer');
  assert.deepEqual(O.validators, []);
  assert.equal(O.outputs.GENESIS_HASH, A.outputs.GENESIS_HASH);
  await until('they follow', async () => (await height(O.node(0))) >= 2 && (await height(O.node(1))) >= (await height(A.url)) - 1, 30);
  for (const i of [0, 1]) {
    const s = await rpc(O.node(i), 'aura_status');
    assert.equal(s.author, null);
    assert.equal(s.sealing, false);
    assert.equal(await rpc(O.node(i), 'eth_mining'), false);
  }
  const h = Math.min(await height(A.url), await height(O.node(0)));
  assert.equal((await block(O.node(0), h)).hash, (await block(A.url, h)).hash);
  assert.equal((await O.status()).code, 0);
}, 60);
test('what a sender may not do is refused with a reason at every node; granted by the manager, it is mined', async () => {
  const create = { data: '0x6000' };
  const why = await refused(send(someone, O.node(0), create));
  await refused(send(someone, A.url, create));
  const plain = await receipt(O.url, await send(someone, O.url, { to: someone.address }));
  assert.equal(plain.status, '0x1', 'what is permitted goes from an observer to the validators');
  const grant = { to: PERMISSION, data: contract.encodeFunctionData('setPermission', [someone.address, BASIC | CREATE]) };
  assert.equal((await receipt(O.url, await send(manager, O.url, grant))).status, '0x1');
  const made = await receipt(O.url, await until('the next block permits it', () => send(someone, O.node(0), create), 10));
  assert.equal(made.status, '0x1');
  return why;
}, 60);
test('an observer never seals, and stands when its store is gone', async () => {
  const store = O.programs().find((p) => p.name === 'identity-store');
  process.kill(store.pid, 'SIGKILL');
  const h = await height(O.node(0));
  await until('it follows on', async () => (await height(O.node(0))) >= h + 4, 30);
  const n = await height(A.url), authors = new Set((await blocks(A.url, 1, n)).map((b) => b.miner.toLowerCase()));
  assert.deepEqual([...authors].sort(), [...A.validators].sort());
  await until('the store is back', () => O.programs().find((p) => p.name === 'identity-store').pid !== store.pid, 20);
});
test('it comes back as the same node after down and up; new --identity-mode none is refused', async () => {
  const was = await rpc(O.node(0), 'parity_enode');
  await done(['down', O.dir, '--json']);
  assert.deepEqual(processesOf(path.join(O.dir, 'local/instances')), []);
  await done(['up', O.dir, '--json'], { limit_s: 60 });
  await until('it is level', async () => (await height(O.node(0))) >= (await height(A.url)) - 1, 30);
  assert.equal(await rpc(O.node(0), 'parity_enode'), was);
  const bad = await poa(['new', path.join(work, 'bad'), '--yes', '--json', '--identity-mode', 'none']);
  assert.equal(bad.code, 2, bad.err);
  assert.match(bad.err, /join --observer/);
}, 90);
await run({ chained: true });
