// The guide's own story on one machine: A makes a network, B and C join it by A's data URL, are voted in, and delegate their validators; then all
// six seal in turn, and the ordinary tools of Ethereum send transactions. The tests stand on one another.
import fs from 'node:fs';
import path from 'node:path';
import Ajv from 'ajv';
import { Member, assert, block, blocks, done, exec, height, here, httpCall, leaf, poa, processesOf, rpc, run, skip, stepOf, test, until, vectors, workFolder } from './lib.mjs';
import { compile } from './solidity.mjs';
import * as clients from './clients.mjs';

const work = workFolder();
const A = new Member(10, work, 'a'), B = new Member(11, work, 'b'), C = new Member(12, work, 'c');
const all = () => [...A.validators, ...B.validators, ...C.validators].sort();
const current = async (m) => (await rpc(m.url, 'aura_getValidators')).map((a) => a.toLowerCase()).sort();

test('A makes a network with one command', async () => {
  const began = Date.now();
  await A.new('--alloc', `${clients.rich.address}=1000000ether`);
  const took = ((Date.now() - began) / 1000).toFixed(1);
  for (const k of ['ETHEREUM_RPC_ENDPOINT', 'ETHEREUM_WS_ENDPOINT', 'GOVERNANCE_DASHBOARD_URL', 'CONSORTIUM_DATA_URL', 'OMS_PORTAL_URL',
    'VNET_GATEWAY_RESOURCE_ID', 'GENESIS_HASH', 'NETWORK_ID', 'ADMIN_ADDRESS', 'VALIDATOR_ADDRESSES'])
    assert.ok(k in A.outputs, `outputs name ${k}`);
  assert.ok(!('SSH_TO_FIRST_VL_NODE_REGION1' in A.outputs), 'there is no machine to log in to');
  assert.equal(A.validators.length, 2);
  assert.ok((await height(A.url)) >= 1, 'the first block is sealed when the command ends');
  assert.equal((await block(A.url, 0)).hash, A.outputs.GENESIS_HASH);
  assert.equal(Number(await rpc(A.url, 'net_version')), Number(A.outputs.NETWORK_ID));
  return `${took} s to the first block`;
});
test('the data URL tells what a joining member needs', async () => {
  const info = JSON.parse((await httpCall(`${A.dataUrl}/networkinfo`)).text);
  const schema = path.join(vectors, 'networkinfo.schema.json');
  if (fs.existsSync(schema)) {
    const ajv = new Ajv({ strict: false, allErrors: true }), s = JSON.parse(fs.readFileSync(schema, 'utf8'), (k, v) => (k === '$id' ? undefined : v));
    assert.ok(ajv.validate(s, info), ajv.errorsText());
  }
  const spec = JSON.parse(info.paritySpec);
  assert.ok(spec.engine.authorityRound);
  const abi = JSON.parse(info.adminContractABI);
  for (const f of ['getAdmins', 'proposeAdmin', 'voteFor', 'addValidators', 'getValidators']) assert.ok(abi.some((x) => x.name === f), `the ABI has ${f}`);
  await until('both nodes are boot nodes', async () => {
    const { bootnodes } = JSON.parse((await httpCall(`${A.dataUrl}/networkinfo`)).text);
    return bootnodes.length === 2 && bootnodes.every((b) => /^enode:\/\/[0-9a-f]{128}@127\.10\.1\.1[01]:30300$/.test(b));
  }, 30);
});
test('B and C join by the data URL and follow the chain without sealing', async () => {
  await B.join(A.dataUrl);
  await C.join(A.dataUrl);
  for (const m of [B, C]) {
    assert.equal(m.outputs.GENESIS_HASH, A.outputs.GENESIS_HASH);
    assert.notEqual(m.admin, A.admin);
    await until(`member ${m.id} follows`, async () => (await height(m.url)) >= (await height(A.url)) - 1 && (await height(m.url)) > 0, 30);
  }
  const h = Math.min(await height(B.url), await height(A.url));
  assert.equal((await block(B.url, h)).hash, (await block(A.url, h)).hash);
  assert.deepEqual(await current(B), [...A.validators].sort());
});
leaf('who is no administrator is refused by the network', async () => {
  const r = await poa(['admin', 'propose', C.admin, B.dir, '--alias', 'not yet', '--json', '--yes']);
  const v = await poa(['validator', 'add', B.dir, '--json', '--yes']);
  assert.equal(v.code, 5, `validator add by nobody: exit ${v.code}\n${v.err}`);
  assert.match(v.err, /poa-deploy: error: .+/);
  // the contract lets anyone propose (generation 2 of the original); a proposal by nobody carries no vote
  if (r.code === 0) {
    const l = (await A.poa(['admin', 'list'])).json;
    assert.equal(l.proposed.find((p) => p.address === C.admin)?.votesFor, 0);
    assert.deepEqual(l.admins.map((a) => a.address), [A.admin]);
  } else assert.equal(r.code, 5, r.err);
  return `propose by a stranger: exit ${r.code}`;
});
test('A votes B in', async () => {
  await A.poa(['admin', 'propose', B.admin], '--alias', 'Member B');
  const l = (await A.poa(['admin', 'list'])).json;
  assert.deepEqual(l.admins.map((a) => a.address).sort(), [A.admin, B.admin].sort());
  assert.equal(l.admins.find((a) => a.address === B.admin).alias, 'Member B');
  assert.equal(l.validatorCapacity, 2);
});
test('A alone cannot vote C in; with B it is done', async () => {
  const before = (await A.poa(['admin', 'list'])).json;
  if (before.proposed.some((p) => p.address === C.admin)) await A.poa(['admin', 'vote', C.admin], '--for');
  else await A.poa(['admin', 'propose', C.admin], '--alias', 'Member C');
  const l = (await A.poa(['admin', 'list'])).json;
  assert.equal(l.votesNeeded, 2);
  assert.equal(l.proposed.find((p) => p.address === C.admin).votesFor, 1);
  const twice = await poa(['admin', 'vote', C.admin, A.dir, '--for', '--json', '--yes']);
  assert.equal(twice.code, 5, `a second vote by A: exit ${twice.code}\n${twice.err}`);
  await B.poa(['admin', 'vote', C.admin], '--for');
  const after = (await C.poa(['admin', 'list'], '--rpc', A.url)).json;
  assert.deepEqual(after.admins.map((a) => a.address).sort(), [A.admin, B.admin, C.admin].sort());
  assert.deepEqual(after.proposed, []);
});
test('B and C delegate their validators', async () => {
  const b = (await B.poa(['validator', 'add'])).json;
  assert.equal(b.inForce, true);
  await until('four validators everywhere', async () => {
    for (const m of [A, B, C]) if (`${await current(m)}` !== `${[...A.validators, ...B.validators].sort()}`) return false;
    return true;
  }, 30);
  const c = (await C.poa(['validator', 'add'])).json;
  assert.equal(c.inForce, true);
  await until('six validators everywhere', async () => {
    for (const m of [A, B, C]) if (`${await current(m)}` !== `${all()}`) return false;
    return true;
  }, 30);
  const l = (await A.poa(['validator', 'list'])).json;
  assert.deepEqual(l.validators.map((v) => v.toLowerCase()).sort(), all());
}, 300);
leaf('more validators than the first member has are refused', async () => {
  const r = await poa(['validator', 'add', '0x00000000000000000000000000000000000000A1', B.dir, '--json', '--yes']);
  assert.equal(r.code, 5, `exit ${r.code}\n${r.err}`);
});
test('all six seal in turn', async () => {
  const from = await height(A.url);
  await until('two rounds of blocks', async () => (await height(A.url)) >= from + 14, 90);
  const list = await blocks(A.url, from + 1, from + 14);
  const order = await rpc(A.url, 'aura_getValidators');
  let missed = 0;
  list.forEach((b, i) => {
    const step = stepOf(b);
    assert.equal(b.miner.toLowerCase(), order[step % 6].toLowerCase(), `block ${Number(b.number)} of step ${step} is sealed by the validator whose turn it is`);
    if (i > 0) missed += step - stepOf(list[i - 1]) - 1;
  });
  assert.equal(new Set(list.map((b) => b.miner.toLowerCase())).size, 6, `six authors: ${list.map((b) => b.miner.slice(0, 6))}`);
  assert.ok(missed <= 2, `${missed} steps without a block`);
  for (const m of [B, C]) {
    await until('the others have it', async () => (await height(m.url)) >= from + 14, 20);
    assert.equal((await block(m.url, from + 14)).hash, list.at(-1).hash, `member ${m.id} has the same chain`);
  }
  return `${missed} steps missed of 14 blocks`;
});

// --- the tools ------------------------------------------------------------------------------------------------------------
leaf("the guide's script posts with web3 0.20.2, ethereumjs-tx 1.3.6 and ethereumjs-wallet 0.6.1", async () => {
  const postBox = await clients.deployOld(A.url, compile('guide/postBox.sol', 'postBox', { old: true }));
  const r = await exec(process.execPath, [path.join(here, 'guide/post.cjs'), postBox.address, B.url], { limit_s: 60 });
  assert.match(r.out, /^TX Hash: 0x[0-9a-f]{64}$/m, r.out + r.err);
  assert.match(r.out, /^Error: null$/m);
  const hash = /0x[0-9a-f]{64}/.exec(r.out)[0];
  const receipt = await until('the receipt', () => rpc(C.url, 'eth_getTransactionReceipt', [hash]), 30);
  assert.equal(receipt.status, '0x1');
  assert.equal(await clients.readOld(C.url, postBox), 'Hello World');
});
leaf('ethers v6 deploys, sends, waits, reads logs and errors, and subscribes', () => clients.ethersV6(A, compile('Board.sol', 'Board')));
leaf('viem 2 deploys, sends, waits, reads logs and errors, and subscribes', () => clients.viem2(B, compile('Board.sol', 'Board')));
leaf('web3 4 deploys, sends, waits, reads logs and errors, and subscribes', () => clients.web3V4(C, compile('Board.sol', 'Board')));
leaf('a transaction sent to one member is mined by the others and seen by all', async () => {
  const hashes = await clients.sendMany(C.url, 60);
  const found = await until('all are mined', async () => {
    const r = await Promise.all(hashes.map((h) => rpc(A.url, 'eth_getTransactionReceipt', [h])));
    return r.every(Boolean) && r;
  }, 60);
  assert.ok(found.every((r) => r.status === '0x1'));
  for (const m of [B, C]) {
    await until('seen', async () => (await rpc(m.url, 'eth_getTransactionReceipt', [hashes.at(-1)]))?.blockHash === found.at(-1).blockHash, 20);
  }
});

// --- interop and the end --------------------------------------------------------------------------------------------------
leaf("another implementation's devp2p client reads the chain", async () => {
  const folder = path.join(here, '../integration/devp2p');
  if (!fs.existsSync(path.join(folder, 'node_modules'))) skip('tests/integration/devp2p has no packages');
  const { bootnodes } = JSON.parse((await httpCall(`${A.dataUrl}/networkinfo`)).text);
  const r = await exec(process.execPath, [path.join(folder, 'interop.mjs'), bootnodes[0], '--rpc', A.node(Number(/\.(\d+):30300$/.exec(bootnodes[0])[1]) - 10)], { limit_s: 100 });
  assert.equal(r.code, 0, r.out.slice(-3000) + r.err.slice(-1000));
});
test('B goes down and comes back; the others go on', async () => {
  await done(['down', B.dir, '--json']);
  const h = await height(A.url);
  await until('the chain goes on', async () => (await height(A.url)) >= h + 4, 40);
  assert.equal((await poa(['status', B.dir, '--json'])).code, 4);
  await done(['up', B.dir, '--json'], { limit_s: 120 });
  await until('B is level', async () => (await height(B.url)) >= (await height(A.url)) - 1, 60);
  await until('B seals', async () => {
    const n = await height(A.url);
    return (await blocks(A.url, Math.max(h, n - 12), n)).some((b) => B.validators.includes(b.miner.toLowerCase()) && Number(b.number) > h + 4);
  }, 90);
}, 300);
test('status of each is healthy, then destroy leaves nothing', async () => {
  for (const m of [A, B, C]) await until(`member ${m.id} is healthy`, async () => (await m.status()).code === 0, 30);
  for (const m of [C, B, A]) {
    await done(['destroy', m.dir, '--yes', '--json']);
    assert.deepEqual(processesOf(m.dir), []);
    assert.ok(!fs.existsSync(m.dir));
  }
});
await run({ chained: true });
