// rotate on a live network, with keys that the nodes read and, at the same time on another, with keys that only the vault has: no step is missed but by
// the validator that changes hands; a run of --all that is killed (-9) after each step of its work is run again and comes to its end; the
// chain goes on, the old keys seal no more.
import { Member, assert, block, done, height, poa, rpc, run, sleep, test, until, workFolder } from './lib.mjs';

const NODES = 3, STEP_S = 1, work = workFolder();
const nets = [{ mode: 'secret', M: new Member(17, work, 'secret') }, { mode: 'sign', M: new Member(60, work, 'sign') }];
const both = async (fn) => (await Promise.all(nets.map(fn))).filter(Boolean).join('; ');
const listed = async ({ M }) => (await poa(['validator', 'list', M.dir, '--json'])).json.validators.map((a) => a.toLowerCase());
const inOrder = async ({ M }) => (await rpc(M.node(0), 'aura_status')).validators.map((a) => a.toLowerCase());
const top = async ({ M }) => Math.max(...(await Promise.all([...Array(NODES).keys()].map((i) => height(M.node(i)).catch(() => -1)))));
const anyNode = async ({ M }, n) => { for (let i = 0; ; i = (i + 1) % NODES) { const b = await block(M.node(i), n).catch(() => null); if (b) return b; await sleep(200); } };
const rounds = async (x, n) => { const from = await top(x); await until(`${n} rounds`, async () => (await top(x)) >= from + n * NODES, 60); };

test('two networks of three', () => both(async (x) => {
  await x.M.new('--nodes', String(NODES), '--step', String(STEP_S), ...(x.mode === 'sign' ? ['--identity-mode', 'sign'] : []));
  x.first = await listed(x);
  assert.equal(x.first.length, NODES);
  await rounds(x, 2);
}));

// missedBy: [validators that own it by the set before and after] of each step without a block since block `from`
async function missedBy(x, from, before, after) {
  const steps = new Map();
  for (let n = from, to = await top(x); n <= to; n++) { const b = await anyNode(x, n); steps.set(b.step !== undefined ? Number(b.step) : Number(b.timestamp) / STEP_S, b.miner); }
  const all = [...steps.keys()], missed = [];
  for (let s = Math.min(...all); s < Math.max(...all); s++) if (!steps.has(s)) missed.push([before[s % NODES], after[s % NODES]]);
  return { missed, steps: Math.max(...all) - Math.min(...all) + 1 };
}

// Tried again where a machine that is busy with other things made anyone late.
test('one identity by its address: the others stay, and none of them misses a step', () => both(async (x) => {
  for (let tries = 1; ; tries++) {
    const was = await listed(x), before = await inOrder(x), from = await top(x), old = was[1];
    await done(['rotate', x.M.dir, '--validator', old, '--json'], { limit_s: 180 });
    await rounds(x, 2);
    const is = await listed(x), after = await inOrder(x), next = is.find((a) => !was.includes(a));
    assert.ok(!is.includes(old) && next);
    assert.equal(is.filter((a) => was.includes(a)).length, NODES - 1);
    const { missed, steps } = await missedBy(x, from, before, after);
    // one while it changes hands; then a key of whose seals nothing is known yet watches for two rounds (node/chain/promise.c)
    const good = missed.length <= 3 && missed.every((m) => m.includes(old) || m.includes(next));
    if (good) return `${x.mode}: ${missed.length} of ${steps} steps missed${tries > 1 ? `, at try ${tries}` : ''}`;
    assert.ok(tries < 4, `${x.mode}: missed in place of ${old} and ${next}: ${JSON.stringify(missed)}`);
  }
}), 400);

test('rotate --all, killed after each step of its work, comes to its end', () => both(async (x) => {
  const was = await listed(x);
  let kills = 0, seen = 0;
  for (let ended = false; !ended; kills++) {
    assert.ok(kills < 60, 'it does not come on');
    const delay = [0, 30, 120][kills % 3];
    let lines = 0, timer;
    const r = await poa(['rotate', x.M.dir, '--all'], { limit_s: 120, onErr: (text, p) => {
      lines = text.split('\n').filter((l) => /identity \d+:/.test(l)).length;
      if (lines > 0 && timer === undefined && kills < 12) timer = setTimeout(() => p.kill('SIGKILL'), delay);
    } });
    clearTimeout(timer);
    seen = Math.max(seen, lines);
    ended = r.code === 0;
    assert.ok(ended || r.signal === 'SIGKILL', `exit ${r.code}: ${r.err}`);
  }
  const is = await listed(x);
  assert.equal(is.length, NODES);
  for (const a of was) assert.ok(!is.includes(a), `${a} is out`);
  return `${x.mode}: ${kills - 1} kills`;
}), 420);

test('the new keys seal in turn, the old ones no more', () => both(async (x) => {
  const from = await top(x);
  await rounds(x, 2);
  const authors = new Set();
  for (let n = from + 1; n <= from + 2 * NODES; n++) authors.add((await anyNode(x, n)).miner.toLowerCase());
  assert.deepEqual([...authors].sort(), (await listed(x)).sort());
}));

test('rotate without saying which is a usage error; an index that is not there says what there is', async () => {
  const { M } = nets[0];
  assert.equal((await poa(['rotate', M.dir])).code, 2);
  const r = await poa(['rotate', M.dir, '--index', '9']);
  assert.equal(r.code, 1);
  assert.match(r.err, /indices 0 to 2/);
});

await run({ chained: true });
