// kill -9 at random moments: the chain goes on; the instance comes back, takes an identity within one lease, catches up, and seals; nowhere does one
// validator seal two blocks in one step. POA_KILLS: how many single kills (default 5); POA_SEED repeats the choice of victims and moments.
import { WebSocket } from 'ws';
import { Member, assert, block, blocks, done, height, processesOf, rpc, run, sleep, stepOf, test, until, workFolder } from './lib.mjs';
import { seeded } from '../random.mjs';

const NODES = 4, LEASE_S = 60, STEP_S = 2;
const kills = Number(process.env.POA_KILLS ?? 5);
const random = seeded(Number(process.env.POA_SEED ?? Date.now() % 1e9));
const M = new Member(16, workFolder(), 'm');

// every head that any node ever announces, also those that a re-org drops: "author/step" -> hash
const sealed = new Map(), doubles = [];
const note = (b) => {
  const key = `${b.miner.toLowerCase()}/${stepOf(b, STEP_S)}`, before = sealed.get(key);
  if (before !== undefined && before !== b.hash) doubles.push(`${key}: ${before} and ${b.hash}`);
  sealed.set(key, b.hash);
};
let watching = true;
function watch(i) {
  const w = new WebSocket(M.nodeWs(i));
  w.on('open', () => w.send('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}'));
  w.on('message', async (text) => {
    const hash = JSON.parse(text).params?.result?.hash;
    if (hash === undefined) return;
    try { note(await rpc(M.node(i), 'eth_getBlockByHash', [hash, false])); } catch { /* it has just been killed */ }
  });
  w.on('error', () => {});
  w.on('close', () => { if (watching) setTimeout(() => watch(i), 200); });
}
const nodeAt = (i) => M.instances()[i];
const head = async () => {
  const all = await Promise.all([...Array(NODES).keys()].map((i) => rpc(M.node(i), 'eth_blockNumber', [], 1000).then(Number, () => -1)));
  return Math.max(...all);
};
// back: the instance has a new process, an identity (within one lease), the others' chain, and seals
async function back(i, oldPid, began) {
  const taken = await until(`instance ${i} has an identity`, async () => {
    if (nodeAt(i).pid === oldPid) return false;
    const a = await rpc(M.node(i), 'eth_coinbase', [], 1000);
    return M.validators.includes(a?.toLowerCase()) && (await rpc(M.node(i), 'aura_status')).sealing !== false && a.toLowerCase();
  }, LEASE_S + 10);
  const seconds = (Date.now() - began) / 1000;
  assert.ok(seconds <= LEASE_S + 5, `an identity within one lease, not ${seconds.toFixed(1)} s`);
  const h = await head();
  await until(`instance ${i} is level`, async () => (await height(M.node(i))) >= h, 30);
  await until(`instance ${i} seals`, async () => {
    const n = await height(M.node(i));
    return (await blocks(M.node(i), h + 1, n)).some((b) => b.miner.toLowerCase() === taken);
  }, 4 * NODES * STEP_S + 10, 500);
  return seconds;
}

test('a network of four', async () => {
  await M.new('--nodes', String(NODES));
  for (let i = 0; i < NODES; i++) watch(i);
  await until('every validator has sealed', async () => {
    const n = await height(M.url);
    return new Set((await blocks(M.url, 1, n)).map((b) => b.miner)).size === NODES;
  }, 60);
});
test(`${kills} single kills at random moments`, async () => {
  const times = [];
  for (let k = 0; k < kills; k++) {
    await sleep(random(STEP_S * 1000));
    const i = random(NODES), { pid } = nodeAt(i), before = await head(), began = Date.now();
    process.kill(pid, 'SIGKILL');
    await until('the chain goes on', async () => (await head()) >= before + 2, 4 * STEP_S + 6);
    times.push(await back(i, pid, began));
  }
  return `identity after ${times.map((t) => t.toFixed(1)).join(', ')} s`;
}, 700);
test('all but one killed at once come back', async () => {
  const stays = random(NODES), victims = [...Array(NODES).keys()].filter((i) => i !== stays), old = victims.map((i) => nodeAt(i).pid), began = Date.now();
  for (const p of old) process.kill(p, 'SIGKILL');
  const before = await height(M.node(stays));
  await until('the one seals on', async () => (await height(M.node(stays))) > before, 2 * NODES * STEP_S + 6);
  const t = await Promise.all(victims.map((i, k) => back(i, old[k], began)));
  return `identity after ${t.map((x) => x.toFixed(1)).join(', ')} s`;
}, 180);
test('killed again and again while it starts', async () => {
  const i = random(NODES);
  let { pid } = nodeAt(i);
  for (let k = 0; k < 4; k++) {
    process.kill(pid, 'SIGKILL');
    const was = pid;
    pid = await until('it is started again', async () => { const p = nodeAt(i).pid; try { process.kill(p, 0); return p !== was && p; } catch { return false; } }, 40);
    await sleep(random(400));
  }
  const began = Date.now();
  await back(i, -1, began);
}, 180);
test('the identity store and the load balancer killed: both come back, and sealing never stops', async () => {
  for (const name of ['identity-store', 'haproxy']) {
    const before = await head(), old = M.programs().find((p) => p.name === name).pid;
    process.kill(old, 'SIGKILL');
    await until(`${name} is started again`, () => M.programs().find((p) => p.name === name).pid !== old, 20);
    await until('the chain goes on', async () => (await head()) >= before + 3, 5 * STEP_S + 6);
  }
  await until('the balancer answers', async () => (await height(M.url)) > 0, 20);
  await sleep(12000); // one renewal of every lease
  const from = await head();
  await until('all four seal', async () => {
    const n = await height(M.node(0));
    return new Set((await blocks(M.node(0), from + 1, n)).map((b) => b.miner)).size === NODES;
  }, 60);
}, 180);
test('everything killed, the keeper too: up brings it back', async () => {
  const all = processesOf(M.dir), before = await head(), last = (await block(M.node(0), before)).hash;
  assert.ok(all.length >= NODES + 2, `${all.length} processes`);
  for (const p of all) try { process.kill(p.pid, 'SIGKILL'); } catch { /* ended with its keeper */ }
  await until('nothing runs', () => processesOf(M.dir).length === 0, 15);
  const began = Date.now();
  await done(['up', M.dir, '--json', '--timeout', '90'], { limit_s: 120 });
  await until('the chain goes on', async () => (await head()) > before + 1, 30);
  assert.equal((await block(M.url, before)).hash, last, 'nothing sealed is lost');
  const t = await Promise.all([...Array(NODES).keys()].map((i) => back(i, -1, began)));
  return `identity after ${t.map((x) => x.toFixed(1)).join(', ')} s`;
}, 240);
test('the keeper alone killed: its programs end, and up starts all', async () => {
  const keeper = processesOf(M.dir).find((p) => /poa-deploy keeper/.test(p.line));
  assert.ok(keeper, 'the keeper is seen');
  const before = await head();
  process.kill(keeper.pid, 'SIGKILL');
  await until('nothing runs', () => processesOf(M.dir).length === 0, 20);
  await done(['up', M.dir, '--json', '--timeout', '90'], { limit_s: 120 });
  await until('the chain goes on', async () => (await head()) > before + 1, 30);
}, 180);
test('one chain everywhere, each validator at most one block in a step, steps never repeat', async () => {
  await until('all are level', async () => {
    const h = await Promise.all([...Array(NODES).keys()].map((i) => height(M.node(i))));
    return Math.max(...h) - Math.min(...h) <= 1;
  }, 30);
  const top = Math.min(...(await Promise.all([...Array(NODES).keys()].map((i) => height(M.node(i)))))) - 1;
  for (let i = 1; i < NODES; i++) assert.equal((await block(M.node(i), top)).hash, (await block(M.node(0), top)).hash);
  const list = await blocks(M.node(0), 1, top);
  list.forEach(note);
  for (let k = 1; k < list.length; k++) assert.ok(stepOf(list[k]) > stepOf(list[k - 1]), `steps grow at block ${k + 1}`);
  assert.deepEqual(doubles, []);
  watching = false;
  return `${top} blocks, ${sealed.size} seals seen`;
});
await run({ chained: true });
