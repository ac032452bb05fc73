// rotate on a live network: every validator gets a new key; the run is killed (-9) at several moments and run again; nothing is left half done, the
// chain goes on, the old keys seal no more.
import { Member, assert, blocks, done, height, poa, run, test, until, workFolder } from './lib.mjs';

const NODES = 3;
const M = new Member(17, workFolder(), 'm');
const listed = async () => (await poa(['validator', 'list', M.dir, '--json'])).json.validators.map((a) => a.toLowerCase());
let before;

test('a network of three', async () => {
  await M.new('--nodes', String(NODES));
  before = await listed();
  assert.equal(before.length, NODES);
});

test('rotate --all, killed again and again, comes to its end', async () => {
  for (const ms of [300, 1500, 3500, 7000]) {
    const r = await poa(['rotate', M.dir, '--all'], { onSpawn: (p) => setTimeout(() => p.kill('SIGKILL'), ms) });
    assert.equal(r.signal, 'SIGKILL', `killed after ${ms} ms`);
  }
  await done(['rotate', M.dir, '--all', '--json'], { limit_s: 300 });
  const after = await listed();
  assert.equal(after.length, NODES);
  for (const a of before) assert.ok(!after.includes(a), `${a} is out`);
}, 420);

test('the new keys seal in turn, the old ones no more', async () => {
  const from = await height(M.node(0));
  await until('two rounds', async () => (await height(M.node(0))) >= from + 2 * NODES, 60);
  const authors = new Set((await blocks(M.node(0), from + 1, from + 2 * NODES)).map((b) => b.miner.toLowerCase()));
  assert.deepEqual([...authors].sort(), (await listed()).sort());
});

test('one identity by its address: the others stay', async () => {
  const was = await listed();
  await done(['rotate', M.dir, '--validator', was[0], '--json'], { limit_s: 180 });
  const is = await listed();
  assert.ok(!is.includes(was[0]));
  assert.equal(is.filter((a) => was.includes(a)).length, NODES - 1);
}, 240);

test('rotate without saying which is a usage error; an index that is not there says what there is', async () => {
  assert.equal((await poa(['rotate', M.dir])).code, 2);
  const r = await poa(['rotate', M.dir, '--index', '9']);
  assert.equal(r.code, 1);
  assert.match(r.err, /indices 0 to 2/);
});

await run({ chained: true });
