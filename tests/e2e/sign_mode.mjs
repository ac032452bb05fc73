// identity.mode sign: the keys stay in the vault, which signs each block; the network goes on as with secrets, through a kill of the store and a
// rotation; what a seal's signature costs is measured, beside a network whose nodes have their keys.
import fs from 'node:fs';
import path from 'node:path';
import { Member, assert, blocks, done, height, httpCall, poa, run, test, until, workFolder } from './lib.mjs';

const work = workFolder();
const M = new Member(53, work, 'sign'), S = new Member(54, work, 'secret');
const listed = async (m) => (await poa(['validator', 'list', m.dir, '--json'])).json.validators.map((a) => a.toLowerCase());
const host = (m, i) => `127.${m.id}.1.${10 + i}`;
async function metric(m, i, name) {
  const { text } = await httpCall(`http://${host(m, i)}:9545/metrics`);
  const line = text.split('\n').find((l) => l.startsWith(`${name} `));
  assert.ok(line, `${name} on the metrics page`);
  return Number(line.split(' ')[1]);
}
// mean milliseconds of a signature over both nodes
async function latency(m) {
  let n = 0, s = 0;
  for (const i of [0, 1]) {
    n += await metric(m, i, 'poa_seal_signatures_total');
    s += await metric(m, i, 'poa_seal_signing_seconds_total');
  }
  assert.ok(n > 0);
  return { n, ms: (s * 1000) / n };
}
// each validator has sealed so many blocks from here on
async function rounds(m, n) {
  const from = await height(m.node(0)), all = await listed(m);
  await until(`${n} blocks of each of ${all.length} validators`, async () => {
    const by = (await blocks(m.node(0), from + 1, await height(m.node(0)))).map((b) => b.miner.toLowerCase());
    return all.every((v) => by.filter((x) => x === v).length >= n);
  }, 60);
}
function* files(dir) {
  for (const e of fs.readdirSync(dir, { withFileTypes: true })) {
    const p = path.join(dir, e.name);
    if (e.isDirectory()) yield* files(p);
    else if (e.isFile()) yield p;
  }
}

test('two validators seal in turn with keys that only the vault has', async () => {
  await Promise.all([M.new('--nodes', '2', '--step', '1', '--identity-mode', 'sign'), S.new('--nodes', '2', '--step', '1')]);
  await rounds(M, 3);
  const configs = [...files(M.dir)].filter((f) => f.endsWith('poa-node.yaml'));
  assert.equal(configs.length, 2);
  for (const f of configs) assert.match(fs.readFileSync(f, 'utf8'), /mode: sign/);
  assert.equal([...files(M.dir)].filter((f) => path.basename(f) === 'nodekey').length, 2);
});

test('the store is killed: no seal without it; it comes back and sealing goes on', async () => {
  const store = M.programs().find((p) => p.name === 'identity-store');
  process.kill(store.pid, 'SIGKILL');
  await until('another store', () => { const p = M.programs().find((x) => x.name === 'identity-store'); return p.pid && p.pid !== store.pid; }, 30);
  await rounds(M, 2);
});

test('rotation: the new key is made in the vault and never leaves it', async () => {
  const was = await listed(M);
  await done(['rotate', M.dir, '--index', '0', '--json'], { limit_s: 150 });
  const is = await listed(M);
  assert.equal(is.filter((a) => was.includes(a)).length, 1);
  await rounds(M, 2);
}, 200);

test('what a signature costs', async () => {
  await rounds(S, 2);
  const sign = await latency(M), secret = await latency(S);
  console.log(`# latency of a seal's signature, lease check and journal included: sign mode ${sign.ms.toFixed(2)} ms (${sign.n} seals), secret mode ${secret.ms.toFixed(2)} ms (${secret.n} seals)`);
  assert.ok(sign.ms < 500, `${sign.ms} ms`);
});

await run({ chained: true });
