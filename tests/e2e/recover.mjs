// A set that can't reach finality any more: a member is lost for good, with half of the validators. Blocks still come, but nothing is final, and the
// change that would take the lost ones out waits for ever. `recover` ends that at one block, and the contract goes on.
import fs from 'node:fs';
import path from 'node:path';
import { Member, assert, blocks, done, height, poa, rpc, run, test, until, workFolder } from './lib.mjs';

const work = workFolder();
const A = new Member(62, work, 'a'), B = new Member(63, work, 'b');
const admin = path.join(work, 'admin-of-b');
const current = async (url) => (await rpc(url, 'aura_getValidators')).map((a) => a.toLowerCase()).sort();
const final = async (url) => Number((await rpc(url, 'aura_status')).finalized);
let lost, at;

test('two members with two validators each; while all seal there is nothing to recover', async () => {
  await A.new('--step', '1');
  await B.join(A.dataUrl);
  await A.poa(['admin', 'propose', B.admin], '--alias', 'Member B');
  await B.poa(['validator', 'add']);
  await until('four validators', async () => (await current(A.url)).length === 4, 40);
  const from = await height(A.url);
  await until('all four seal', async () => (await height(A.url)) >= from + 5, 30);
  const r = await poa(['recover', A.dir, '--json', '--validators', A.validators.join(',')]);
  assert.equal(r.code, 5, r.err);
  assert.match(r.err, /4 of 4 validators seal/);
});

test('B is lost: blocks come, none is final, and its removal waits', async () => {
  fs.cpSync(path.join(B.dir, 'admin'), admin, { recursive: true });
  lost = B.validators;
  await B.destroy();
  const then = await height(A.url);
  await until('two rounds without B', async () => (await height(A.url)) >= then + 6, 60);
  const none = await poa(['recover', A.dir, '--json']);
  assert.equal(none.code, 5, none.err);
  assert.match(none.err, /no change of the set is on its way/);
  for (const v of lost) assert.ok(none.err.toLowerCase().includes(v), `it names ${v}`);
  await done(['validator', 'remove', ...lost, A.dir, '--json', '--no-wait', '--keystore', path.join(admin, 'keystore.json'), '--password-file', path.join(admin, 'password')]);
  const was = await final(A.url), h = await height(A.url);
  await until('more blocks', async () => (await height(A.url)) >= h + 3, 40);
  assert.equal(await final(A.url), was, 'nothing becomes final');
  assert.equal((await current(A.url)).length, 4);
}, 240);

test('recover says from which block on and what the others must run', async () => {
  const near = await poa(['recover', A.dir, '--json', '--at', '1']);
  assert.equal(near.code, 2, near.err);
  assert.match(near.err, /the head is block/);
  at = (await height(A.url)) + 6;
  const r = await A.poa(['recover'], '--at', String(at));
  assert.equal(r.json.block, at);
  assert.equal(r.json.contractGoesOn, true);
  assert.deepEqual(r.json.validators.map((a) => a.toLowerCase()).sort(), [...A.validators].sort());
  const spec = JSON.parse(fs.readFileSync(path.join(A.dir, 'spec.json'), 'utf8'));
  assert.deepEqual(Object.keys(spec.engine.authorityRound.params.validators.multi), ['0', String(at), String(at + 2)]);
  const twice = await poa(['recover', A.dir, '--json', '--at', String(at)]);
  assert.equal(twice.code, 2, 'it stands in the specification already');
  await A.poa(['down']);
  await A.poa(['up']);
});

test('the chain goes on with the two that are left, final, by the contract', async () => {
  await until(`block ${at + 8}`, async () => (await height(A.url)) >= at + 8, 90);
  assert.deepEqual(await current(A.url), [...A.validators].sort());
  await until('it is final', async () => (await final(A.url)) > at + 3, 30);
  const l = (await A.poa(['validator', 'list'])).json;
  assert.deepEqual(l.validators.map((a) => a.toLowerCase()).sort(), [...A.validators].sort());
  assert.equal(l.change.active, false, 'the change that waited is in force');
  const order = (await rpc(A.url, 'aura_getValidators')).map((a) => a.toLowerCase());
  const authors = new Set((await blocks(A.url, at + 3, at + 8)).map((b) => b.miner.toLowerCase()));
  assert.deepEqual([...authors].sort(), [...order].sort());
  const info = await A.poa(['validator', 'remove', A.validators[1]]); // the contract has its say again
  assert.equal(info.json.inForce, true);
  assert.deepEqual(await current(A.url), [A.validators[0]]);
}, 240);

await run({ chained: true });
