// New programs under a network that runs: one node at a time, each must seal again; it stops at the first that does not, and goes on later.
import fs from 'node:fs';
import path from 'node:path';
import { Member, assert, bin, done, exec, height, isAlive, leaf, poa, rpc, run, test, until, workFolder } from './lib.mjs';

const work = workFolder();
const M = new Member(44, work, 'm');
const programs = ['poa-node', 'poa-identity-store', 'poa-deploy'];
// a folder of programs that do the same and are other files
function release(name) {
  const dir = path.join(work, name);
  fs.mkdirSync(dir);
  for (const p of programs) {
    fs.copyFileSync(path.join(bin, p), path.join(dir, p));
    fs.appendFileSync(path.join(dir, p), name);
  }
  return dir;
}
const pids = () => Object.fromEntries(M.programs().map((p) => [p.name, p.pid]));
const exe = (pid) => fs.readlinkSync(`/proc/${pid}/exe`);

test('three nodes seal', async () => {
  await M.new('--nodes', '3', '--step', '1');
  await until('block 4', async () => (await height(M.url)) >= 4, 60);
});
leaf('a package that does not run, or whose hash is another one, changes nothing', async () => {
  const before = pids();
  fs.mkdirSync(path.join(work, 'broken'));
  fs.writeFileSync(path.join(work, 'broken/poa-node'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  for (const [args, want] of [[['--to', path.join(work, 'broken')], /does not run on this machine: nothing was changed/], [['--to', path.join(work, 'none')], /cannot read/],
    [['--to', path.join(M.dir, 'spec.json'), '--sha256', '00'.repeat(32)], /is not the file whose sha256/], [['--to', path.join(M.dir, 'spec.json')], /cannot be unpacked/],
    [['--node', 'nobody'], /there is no node 'nobody'/]]) {
    const r = await poa(['upgrade', M.dir, ...args]);
    assert.ok(r.code === 1 || r.code === 2, r.out);
    assert.match(r.err, want);
  }
  assert.deepEqual(pids(), before);
});
test('a program that does not come back, or comes back and would never seal, stops it at the first node, which is taken back; the others go on', async () => {
  const before = pids(), [first, ...rest] = M.instances().map((i) => i.name), real = path.join(bin, 'poa-node');
  const check = `case "$*" in *--version*|*--check-config*) exec ${real} "$@";; esac`;
  const follows = path.join(work, 'follows.yaml');
  for (const [name, body, want] of [['dead', 'exit 1', /does not answer at/], ['mute', `sed 's/mode: secret/mode: none/' "$2" >${follows}; exec ${real} --config ${follows}`, /has taken no identity within 4 s/]]) {
    const bad = path.join(work, name);
    fs.mkdirSync(bad);
    fs.writeFileSync(path.join(bad, 'poa-node'), `#!/bin/sh\n${check}\n${body}\n`, { mode: 0o755 });
    const r = await poa(['upgrade', M.dir, '--to', bad, '--timeout', '4', '--json'], { limit_s: 150 });
    assert.equal(r.code, 1);
    assert.match(r.err, new RegExp(`stopped at ${first}`));
    assert.match(r.err, want);
    assert.match(r.err, /It runs its programs from before again \(.*\), and is well/);
    const now = pids();
    assert.equal(exe(now[first]), fs.realpathSync(real));
    for (const n of [...rest, 'identity-store', 'haproxy']) assert.equal(now[n], before[n], n);
    assert.ok(!fs.readFileSync(path.join(M.dir, 'local/launch.json'), 'utf8').includes(bad));
  }
  assert.equal((await poa(['upgrade', M.dir, '--to', bin, '--node', '000000'])).code, 3);
}, 240);
test('upgrade: every node in turn, the identity store, the keeper; no two nodes are away at once', async () => {
  const before = pids(), keeper = fs.readFileSync(path.join(M.dir, 'local/keeper.lock'), 'utf8').trim(), dir = release('v2');
  const names = M.instances().map((i) => i.name);
  let worst = 0, on = true;
  const watcher = (async () => {
    while (on) {
      const away = (await Promise.all(names.map((_, i) => height(M.node(i)).then(() => 0, () => 1)))).reduce((a, b) => a + b);
      worst = Math.max(worst, away);
      await new Promise((ok) => setTimeout(ok, 50));
    }
  })();
  const r = await done(['upgrade', M.dir, '--to', dir, '--json'], { limit_s: 150 });
  on = false;
  await watcher;
  assert.equal(r.json.changed, 5);
  assert.deepEqual(r.json.nodes.map((n) => n.name), names);
  assert.ok(r.json.nodes.every((n) => n.sealed));
  assert.ok(worst <= 1, `${worst} nodes were away at once`);
  const now = pids();
  for (const n of [...names, 'identity-store']) {
    assert.notEqual(now[n], before[n], n);
    assert.ok(exe(now[n]).startsWith(dir), `${n}: ${exe(now[n])}`);
  }
  assert.equal(now.haproxy, before.haproxy);
  assert.equal(fs.readFileSync(path.join(M.dir, 'local/keeper.lock'), 'utf8').trim(), keeper, 'the keeper is the same process');
  assert.equal(exe(keeper), path.join(dir, 'poa-deploy'));
  assert.equal((await M.status()).code, 0);
}, 240);
test('the keeper that took over restarts what dies, and stops all', async () => {
  const lost = M.instances()[2];
  process.kill(lost.pid, 'SIGKILL');
  await until('it is back', async () => M.instances()[2].pid !== lost.pid && isAlive(M.instances()[2].pid) && (await height(M.node(2))) > 0, 30);
  assert.equal((await poa(['upgrade', M.dir, '--to', path.join(work, 'v2')])).code, 3);
});
test('a package (.tar.gz), and a file replaced in its place, are seen as other programs', async () => {
  const dir = release('v3'), tar = path.join(work, 'v3.tar.gz');
  assert.equal((await exec('tar', ['-czf', tar, '-C', dir, ...programs])).code, 0);
  const sum = (await exec('sha256sum', [tar])).out.slice(0, 64);
  const r = await done(['upgrade', M.dir, '--to', tar, '--sha256', sum, '--node', '000001', '--json']);
  assert.equal(r.json.changed, 1);
  assert.match(exe(M.instances()[1].pid), /\/m\/local\/programs\/[0-9a-f]{16}\/poa-node$/);
  const file = path.join(work, 'v2/poa-node');
  fs.copyFileSync(path.join(dir, 'poa-node'), `${file}.new`);
  fs.renameSync(`${file}.new`, file);
  assert.equal((await done(['upgrade', M.dir, '--to', path.join(work, 'v2'), '--node', '000002', '--json'])).json.changed, 1);
  await done(['down', M.dir]);
  assert.deepEqual(Object.values(pids()), [0, 0, 0, 0, 0]);
  assert.match((await poa(['upgrade', M.dir])).err, /does not run/);
}, 240);

await run({ chained: true });
