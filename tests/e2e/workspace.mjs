// The workspace as a record: what every command did stands in its git history, goes to a remote by --push, and `plan` tells what differs from it.
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { assert, bin, block, done, exec, height, leaf, Member, poa, processesOf, run, test, until, workFolder } from './lib.mjs';

const work = workFolder();
const M = new Member(71, work, 'a');
const remote = path.join(work, 'record.git');
const git = (...args) => { const r = spawnSync('git', args, { encoding: 'utf8' }); assert.equal(r.status, 0, r.stderr); return r.stdout; };
const subjects = (dir) => git('-C', dir, 'log', '--format=%s', 'main').trim().split('\n');
const file = path.join(work, 'consortium.yaml');
const plan = (...flags) => poa(['plan', M.dir, '--json', '--member-id', '71', ...flags]);

test('plan of what is not there yet: it would be created, exit 0', async () => {
  fs.writeFileSync(file, 'size: {nodes: 2}\nethereum: {memberId: 71, stepSeconds: 1}\n');
  const r = await done(['plan', M.dir, '-f', file, '--json', '--detailed-exitcode']);
  assert.deepEqual(r.json.changes.map((c) => c.action), ['create']);
  assert.ok(!fs.existsSync(M.dir));
});

test('apply without a terminal: new -f, the record pushed to a bare repository', async () => {
  git('init', '--quiet', '--bare', '--initial-branch=main', remote);
  const r = await done(['new', M.dir, '-f', file, '--yes', '--json', '--push', remote]);
  M.outputs = r.json;
  assert.match(r.err, /^warning: fewer than 3 validators: .* takes effect$/m);
  assert.deepEqual(subjects(remote), subjects(M.dir));
  assert.equal(subjects(remote)[0], 'new');
  const body = git('-C', remote, 'log', '-1', '--format=%b', 'main');
  assert.match(body, /^poa-deploy new \S+ -f \S+consortium\.yaml --yes --json --push /);
  const tracked = git('-C', remote, 'ls-tree', '-r', '--name-only', 'main').trim().split('\n');
  assert.deepEqual(tracked, ['.gitignore', 'consortium.yaml', 'contracts.json', 'deployment.json', 'outputs.json', 'spec.json', 'state.json']);
});

test('plan of what stands: nothing would change, exit 3; applied again it is left alone, exit 3', async () => {
  const r = await plan('-f', file, '--detailed-exitcode');
  assert.equal(r.code, 3, r.out);
  assert.deepEqual(r.json.changes, []);
  assert.equal((await plan()).code, 0);
  assert.equal((await poa(['new', M.dir, '-f', file, '--yes', '--json'])).code, 3);
});

leaf('plan names each setting that differs; applying them to a finished deployment is refused by name', async () => {
  const other = path.join(work, 'other.yaml');
  fs.writeFileSync(other, 'size: {nodes: 3}\nethereum: {memberId: 71, stepSeconds: 4}\n');
  const r = await plan('-f', other, '--detailed-exitcode');
  assert.equal(r.code, 0);
  assert.deepEqual(r.json.changes.map((c) => [c.action, c.path, c.recorded, c.wanted]), [['change', 'size.nodes', '2', '3'], ['change', 'ethereum.stepSeconds', '1', '4']]);
  const n = await poa(['new', M.dir, '-f', other, '--yes', '--json']);
  assert.equal(n.code, 1);
  assert.match(n.json.error.message, /finished deployment with other settings: size\.nodes is '2', not '3'/);
});

leaf('plan sees what does not run', async () => {
  await done(['down', M.dir, '--json', '--push', remote]);
  const r = await plan('--detailed-exitcode');
  assert.equal(r.code, 0);
  assert.deepEqual(r.json.changes.map((c) => [c.action, c.what]), [['start', 'keeper']]);
  assert.equal(subjects(remote)[0], 'down');
  await done(['up', M.dir, '--json', '--push', remote]);
  assert.deepEqual(subjects(remote).slice(0, 2), ['up', 'down']);
  assert.equal((await plan('--detailed-exitcode')).code, 3);
});

leaf('a remote that has other commits, or is not there, is a failure with its reason; what was done stands', async () => {
  const clone = path.join(work, 'clone');
  git('clone', '--quiet', remote, clone);
  git('-C', clone, '-c', 'user.name=x', '-c', 'user.email=x@localhost', 'commit', '--quiet', '--allow-empty', '-m', 'other');
  git('-C', clone, 'push', '--quiet', 'origin', 'main');
  let r = await poa(['down', M.dir, '--push', remote]);
  assert.equal(r.code, 1);
  assert.match(r.err, /has commits that this workspace has not/);
  r = await poa(['up', M.dir, '--push', path.join(work, 'nowhere.git')]);
  assert.equal(r.code, 1);
  assert.match(r.err, /--push: .*nowhere\.git/);
  assert.equal((await M.status()).healthy, true);
});

leaf('the wizard: five steps with defaults, each answer checked at once, a summary; its consortium.yaml repeats the run without it', async () => {
  const dir = path.join(work, 'w');
  const r = await exec('script', ['-qec', `${path.join(bin, 'poa-deploy')} new ${dir} --target ssh --smtp-url smtp://127.0.0.1:1 --step 1`, '/dev/null'],
    { input: ['', 'me', '', '9', '1', '1', '2', 'host-a', '10.0.0.1,10.0.0.2', '', '', '300', '72', '', '', '', '', '', 'n'].join('\n') + '\n', limit_s: 20 });
  r.out = r.out.replace(/\s+/g, ' '); // lines are broken at the terminal's width
  for (const step of ['Basics', 'Deployment regions', 'Network size and performance', 'Ethereum settings', 'Azure Monitor', 'Summary']) assert.ok(r.out.includes(step), `${step}\n${r.out}`);
  assert.match(r.out, /'9' is not allowed: Number of region\(s\) is a whole number from 1 to 5/);
  assert.match(r.out, /'host-a' is not allowed/);
  assert.match(r.out, /'300' is not allowed: Consortium Member ID/);
  assert.match(r.out, /Hosts +10\.0\.0\.1,10\.0\.0\.2/);
  assert.match(r.out, /nothing was made/);
  assert.ok(!fs.existsSync(path.join(dir, 'state.json')));
});

test('5 regions of 15 nodes: plan fits into 100 MiB', async () => {
  const hosts = Array.from({ length: 75 }, (_, i) => `10.1.${i / 15 | 0}.${i % 15 + 1}`).join(',');
  const notes = [];
  for (const flags of [[], ['--target', 'ssh', '--hosts', hosts]]) {
    const began = process.hrtime.bigint();
    // all of its address space: more than what it ever has in memory
    const r = await exec('bash', ['-c', 'ulimit -v 102400; exec "$@"', 'x', path.join(bin, 'poa-deploy'), 'plan', path.join(work, 'big'), '--regions', '5', '--nodes', '15', '--json', ...flags]);
    const ms = Number((process.hrtime.bigint() - began) / 1000000n);
    assert.equal(r.code, 0, r.err);
    assert.equal(r.json.validators, 75);
    notes.push(`${flags[1] ?? 'local'} ${ms} ms`);
  }
  return notes.join(', ');
});

leaf('who would join with more validators than a member may have is told so; lists say whose they are', async () => {
  const more = ['plan', path.join(work, 'more'), '--data-url', M.dataUrl, '--member-id', '72', '--json', '--nodes'];
  assert.match((await done([...more, '3'])).json.warnings.join(), /each member have 2 validators.* of these 3 only 2 can be added/);
  assert.deepEqual((await done([...more, '2'])).json.warnings, []);
  const list = (await done(['validator', 'list', M.dir])).out.trim().split('\n');
  assert.equal(list.length, 3);
  for (const l of list.slice(1)) assert.ok(l.toLowerCase().includes(M.admin.toLowerCase()), l);
  assert.match((await done(['admin', 'history', M.dir])).out, /^nothing was decided yet$/m);
  const no = await poa(['destroy', M.dir, '--json']);
  assert.equal(no.code, 1);
  assert.match(no.json.error.message, /--yes/);
});
test('a folder that was moved, running or not, is brought up where it is now', async () => {
  const to = path.join(work, 'möved here');
  const before = await height(M.url), hash = (await block(M.url, before)).hash;
  fs.renameSync(M.dir, to); // while it runs
  M.dir = to;
  await done(['up', M.dir, '--json']);
  assert.equal((await block(M.url, before)).hash, hash);
  await done(['down', M.dir, '--json']);
  fs.renameSync(M.dir, path.join(work, 'a'));
  M.dir = path.join(work, 'a');
  await done(['up', M.dir, '--json']);
  await until('it seals', async () => (await height(M.url)) > before, 30);
  for (const p of processesOf(M.dir)) assert.ok(!p.line.includes('möved'), p.line);
  fs.symlinkSync(M.dir, path.join(work, 'another name'));
  await done(['up', path.join(work, 'another name'), '--json'], { code: 3 });
  await until('healthy', async () => (await M.status()).code === 0, 60);
});

test('destroy leaves what it did not make: files of the owner, and a repository that was there before', async () => {
  fs.writeFileSync(path.join(M.dir, 'notes.txt'), 'mine');
  await done(['destroy', M.dir, '--yes']);
  assert.deepEqual(fs.readdirSync(M.dir), ['notes.txt']);
  const r = await poa(['destroy', M.dir, '--yes']);
  assert.equal(r.code, 3, r.err);
  fs.rmSync(M.dir, { recursive: true });
  git('init', '--quiet', '--initial-branch=main', M.dir);
  fs.writeFileSync(path.join(M.dir, '.gitignore'), '*.o');
  await done(['new', M.dir, '-f', file, '--yes', '--json']);
  assert.equal(git('-C', M.dir, 'status', '--short', '--ignored').replace(/^!! /gm, '').trim(), '.lock\nadmin/\nlocal/', 'no key is in the reach of git add');
  await done(['destroy', M.dir, '--yes']);
  assert.deepEqual(fs.readdirSync(M.dir).sort(), ['.git', '.gitignore']);
});
await run({ chained: true });
