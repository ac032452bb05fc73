// Seven validators of three members, each a process in a network namespace of its own, known to one another by one boot node and discovery. The
// wire is cut and healed, one is isolated, three are killed at once, a clock jumps, a member is removed while the network is cut. At every head of
// every node: no two final blocks of one number, one state, no validator signs two blocks in a step, a set of validators begins at one block for all.
// After each fault: a common block within 2n steps, and its finality within 2n more. POA_CUT: steps that a cut lasts (default 6);
// POA_LONG=1: the clock also jumps back.
import { Interface, id, computeAddress } from 'ethers';
import fs from 'node:fs';
import path from 'node:path';
import { assert, root, rpc, run, skip, sleep, test, until } from './lib.mjs';
import { CONTRACT, World, enter, hasFaketime, spec } from './world.mjs';

await enter();
const N = 7, CUT = Number(process.env.POA_CUT ?? 6), SKEWED = 5;
const [a, b, c] = ['a', 'b', 'c'].map((m) => id(`world/admin-${m}`));
const abi = new Interface(JSON.parse(fs.readFileSync(path.join(root, 'orchestrator/contracts/artifacts/AdminValidatorSet.json'), 'utf8')).abi);
const W = new World(N, (v) => spec({ admin: computeAddress(a), validators: v.slice(0, 3), capacity: 3 }));
const of = { a: W.addresses.slice(0, 3), b: W.addresses.slice(3, 5), c: W.addresses.slice(5, 7) };
const call = (i, key, name, args, nonce) => W.send(i, key, CONTRACT, abi.encodeFunctionData(name, args), nonce);
const steps = (n) => sleep(n * W.stepMs);
const heads = async (nodes) => Promise.all(nodes.map(async (i) => (await W.status(i)).head.number));
const peers = (nodes) => Promise.all(nodes.map(async (i) => Number(await rpc(W.url(i), 'net_peerCount'))));
const isSet = async (nodes, want) => {
  for (const i of nodes) if (`${(await rpc(W.url(i), 'aura_getValidators')).map((x) => x.toLowerCase()).sort()}` !== `${[...want].sort()}`) return false;
  return true;
};

test('seven nodes that know one boot node find one another', async () => {
  W.wire();
  W.start(1);
  W.boot = await until('the first node answers', () => rpc(W.url(1), 'parity_enode'), 20, 50);
  const began = Date.now();
  for (const i of W.all().slice(1)) W.start(i, { clock: i === SKEWED && hasFaketime });
  for (const i of W.all()) W.watch(i);
  await until('each has six peers', async () => (await peers(W.all())).every((n) => n === N - 1), 40, 50);
  return `${((Date.now() - began) / 1000).toFixed(1)} s after their start`;
});
test('three members: B and C are voted in, seven validators seal', async () => {
  await W.mined(1, await call(1, a, 'proposeAdmin', [computeAddress(b), 'B']));
  await W.mined(1, await call(1, a, 'proposeAdmin', [computeAddress(c), 'C']));
  await W.mined(1, await call(4, b, 'voteFor', [computeAddress(c)]));
  const [x, y] = [await call(4, b, 'addValidators', [of.b]), await call(6, c, 'addValidators', [of.c])]; // the contract has one wait for the other
  await Promise.all([W.mined(1, x), W.mined(1, y)]);
  await until('five validators', async () => (await rpc(W.url(1), 'aura_getValidators')).length === 5, 20);
  await W.mined(1, await call(1, a, 'startNextChange', []));
  await until('seven validators for all', () => isSet(W.all(), W.addresses), 40);
  const from = W.stepNow();
  await until('all seven have sealed', () => new Set([...W.blocks.values()].filter((k) => k.step > from).map((k) => k.author)).size === N, 30);
  await W.checkAll();
}, 120);
test('cut into four and three, and healed', async () => {
  const few = [2, 5, 7], most = [1, 3, 4, 6], before = await W.status(2);
  W.cut(few);
  await steps(CUT);
  const [left, right] = [await W.status(1), await W.status(2)];
  assert.ok(left.head.number > before.head.number && right.head.number > before.head.number, 'both sides go on');
  const r = await W.recovery(W.heal());
  await W.checkAll();
  return `the side of four was final to ${left.finalized} of ${left.head.number}, the side of three to ${right.finalized} of ${right.head.number}; ${W.text(r)}; ${most.length}|${few.length}`;
}, 120);
test('the boot node alone is cut off, and comes back', async () => {
  W.cut([1]);
  await steps(process.env.POA_CUT ? CUT : 4);
  const r = await W.recovery(W.heal());
  await W.checkAll();
  await until('it has all its peers again', async () => (await peers([1]))[0] === N - 1, 30);
  return W.text(r);
}, 120);
test('three are killed at once; the four go on; the three come back', async () => {
  const dead = [1, 4, 6], alive = [2, 3, 5, 7], h = Math.max(...await heads(alive));
  for (const i of dead) W.kill(i);
  await until('the four go on', async () => Math.min(...await heads(alive)) >= h + 2, 2 * N);
  for (const i of dead) W.start(i);
  const r = await W.recovery(Date.now());
  await W.checkAll();
  return W.text(r);
}, 120);
for (const seconds of process.env.POA_LONG === '1' ? [30, -30] : [30])
  test(`a clock that jumps by ${seconds} s: its node stops sealing, keeps its peers, and seals again when it is set right`, async () => {
    if (!hasFaketime) skip('libfaketime is not installed (scripts/bootstrap test does)');
    const others = W.all().filter((i) => i !== SKEWED), before = W.log(SKEWED).length, h = Math.max(...await heads(others));
    const away = W.stepNow() + 1;
    W.setClock(SKEWED, seconds);
    await until('it says why it does not seal', () => /Not sealing: this machine's clock is/.test(W.log(SKEWED).slice(before)), 15);
    await steps(3);
    assert.ok(Math.min(...await heads(others)) > h, 'the others go on');
    assert.deepEqual((await peers([SKEWED])), [N - 1], 'nobody leaves it');
    const mine = [...W.blocks.values()].filter((k) => k.author === W.addresses[SKEWED - 1] && k.step > away);
    assert.deepEqual(mine, [], 'it sealed nothing by a wrong clock');
    W.setClock(SKEWED, 0);
    const set = Date.now(), r = await W.recovery(set);
    await until('it seals again', () => [...W.blocks.values()].some((k) => k.author === W.addresses[SKEWED - 1] && k.step >= set / W.stepMs), 2 * N, 50);
    const seals = (Date.now() - set) / W.stepMs;
    await W.checkAll();
    return `${W.text(r)}; it sealed ${seals.toFixed(1)} steps after`;
  }, 120);
test('a member is removed while the network is cut: all go over to the set of five at the same block', async () => {
  const few = [2, 5], rest = W.all().filter((i) => !few.includes(i)), five = [...of.a, ...of.b];
  W.cut(few);
  await steps(2);
  const x = await call(6, c, 'removeValidators', [of.c]);
  await W.mined(6, x, 2 * N);
  await until('five validators for the side of five', () => isSet(rest, five), 4 * N);
  assert.ok(await isSet(few, W.addresses), 'the other side can not know');
  const healed = W.heal(), r = await W.recovery(healed, W.all(), N);
  await until('five validators for all', () => isSet(W.all(), five), N);
  const low = await W.checkAll();
  const began = [...W.epochs.entries()].find(([s]) => `${s.split(' ').sort()}` === `${[...five].sort()}`)[1];
  assert.equal(began.size, N, 'every node has gone over');
  return `${W.text(r)}; the set of five began at block ${[...began.values()][0]} for all ${N}, checked up to ${low}`;
}, 180);
test('of all that was seen, nothing contradicts', async () => {
  const low = await W.checkAll();
  await W.stop();
  return `${W.seals.size} seals, ${W.final.size} final blocks, ${W.epochs.size} sets, up to block ${low}`;
});
await run({ chained: true });
