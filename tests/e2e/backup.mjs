// A backup of a network that runs, and the way back: it is sealed, whole or not there at all, and the network that comes back goes on sealing.
import fs from 'node:fs';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { Member, assert, bin, block, done, exec, height, isAlive, leaf, poa, rpc, run, sleep, test, until, workFolder } from './lib.mjs';

const work = workFolder();
const M = new Member(43, work, 'm');
const at = (f) => path.join(work, f);
const env = { POA_PASSWORD: 'a passphrase of the backup' };
const wrong = { POA_PASSWORD: 'another one' };
let before, info;
const walk = (dir) => fs.readdirSync(dir, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? walk(path.join(dir, e.name)) : [path.join(dir, e.name)]));

test('a network with an account and some blocks', async () => {
  await M.new('--nodes', '2', '--step', '1', '--alloc', '0x00000000000000000000000000000000000000aa=7ether');
  await until('block 5', async () => (await height(M.url)) >= 5, 60);
});
test('backup while it runs: one file, sealed; the network goes on', async () => {
  fs.mkdirSync(at('kept'));
  const r = await done(['backup', at('kept'), M.dir, '--json'], { env });
  info = r.json;
  assert.match(path.basename(info.file), /^poa-member43-\d{8}T\d{6}Z\.backup$/);
  assert.deepEqual(fs.readdirSync(at('kept')), [path.basename(info.file)]);
  assert.equal(fs.statSync(info.file).mode & 0o777, 0o600);
  assert.equal(info.bytes, fs.statSync(info.file).size);
  assert.equal(info.genesisHash, M.outputs.GENESIS_HASH);
  assert.ok(info.height >= 5 && info.files > 20);
  // no key, no secret and nothing of the specification stands in it in clear
  const bytes = fs.readFileSync(info.file);
  const secrets = [...walk(path.join(M.dir, 'admin')), ...walk(path.join(M.dir, 'local')).filter((f) => /secret|kek|nodekey|\.key$/.test(f))].map((f) => fs.readFileSync(f));
  assert.ok(secrets.length >= 6);
  for (const s of [...secrets, Buffer.from('"params"'), Buffer.from('AuthorityRound')]) assert.equal(bytes.indexOf(s), -1);
  before = await block(M.url, 5);
  const h = await height(M.url);
  await until('two more blocks', async () => (await height(M.url)) >= h + 2, 30);
});
leaf('a backup never replaces a file, and --check reads one to its end', async () => {
  const again = await poa(['backup', info.file, M.dir], { env });
  assert.equal(again.code, 1);
  assert.match(again.err, /exists already/);
  const r = await done(['restore', info.file, '--check', '--json'], { env });
  assert.equal(r.json.state, 'whole');
  assert.equal(r.json.files, info.files);
});
leaf('a damaged, foreign or cut backup, and a wrong passphrase, are each refused by name; nothing is made', async () => {
  const good = fs.readFileSync(info.file), bad = at('bad.backup'), out = at('not-made');
  const refuse = async (bytes, want, e = env) => {
    fs.writeFileSync(bad, bytes);
    const r = await poa(['restore', bad, out, '--json'], { env: e });
    assert.equal(r.code, 1, r.err);
    assert.match(r.err, want);
    assert.ok(!fs.existsSync(out) && !fs.existsSync(`${out}.restoring`), 'nothing is left');
  };
  const flip = (n) => { const b = Buffer.from(good); b[n] ^= 1; return b; };
  await refuse(good, /does not open/, wrong);
  await refuse(flip(40), /damaged: the checksum of its header/);
  await refuse(flip(good.length - 40), /damaged: the bytes from \d+ on are not what was written/);
  await refuse(flip(good.length >> 1), /damaged/);
  await refuse(good.subarray(0, good.length - 1), /cut off at byte/);
  await refuse(good.subarray(0, 50), /ends within its header/);
  await refuse(Buffer.concat([good, Buffer.from('x')]), /something stands behind its end/);
  await refuse(Buffer.from('PK\x03\x04 some other archive'), /is no backup of poa-deploy/);
  await refuse(Buffer.concat([Buffer.from('POABAK9\n'), good.subarray(8)]), /later form/);
  assert.match((await poa(['restore', info.file, M.dir], { env })).err, /is not empty/);
  assert.equal((await poa(['restore', at('none.backup'), out], { env })).code, 1);
});
leaf('killed in the middle, a backup leaves nothing, or a whole one', async () => {
  for (const ms of [5, 60, 350]) {
    const p = spawn(path.join(bin, 'poa-deploy'), ['backup', at('killed.backup'), M.dir], { env: { ...process.env, ...env }, stdio: 'ignore' });
    const ended = new Promise((ok) => p.on('exit', ok)); // from here on: it may be quicker than the kill
    await sleep(ms);
    p.kill('SIGKILL');
    await ended;
    const left = fs.readdirSync(work).filter((f) => f.startsWith('killed'));
    if (left.length === 0) continue;
    assert.deepEqual(left, ['killed.backup']); // it has its name only when all of it is on the disk, so the kill came after that
    assert.equal((await done(['restore', at('killed.backup'), '--check', '--json'], { env })).json.state, 'whole');
    fs.rmSync(at('killed.backup'));
  }
});
leaf('sealed for a key: only its keystore opens it', async () => {
  await done(['account', 'new', '--out', at('to.json'), '--light'], { env });
  const pub = (await done(['account', 'show', at('to.json'), '--public-key', '--json'], { env })).json.publicKey;
  assert.match(pub, /^0x[0-9a-f]{128}$/);
  await done(['backup', at('to.backup'), M.dir, '--recipient', pub]);
  assert.equal((await poa(['restore', at('to.backup'), '--check'], { env })).code, 2);
  assert.equal((await done(['restore', at('to.backup'), '--check', '--keystore', at('to.json'), '--json'], { env })).json.state, 'whole');
  await done(['account', 'new', '--out', at('other.json'), '--light'], { env });
  assert.match((await poa(['restore', at('to.backup'), '--check', '--keystore', at('other.json')], { env })).err, /sealed for another key/);
  assert.equal((await poa(['backup', at('x.backup'), M.dir, '--recipient', '0x1234'])).code, 2);
});
leaf('while the network of the backup runs here, its copy does not: two would seal by the same keys', async () => {
  const copy = at('copy');
  const r = await poa(['restore', info.file, copy], { env });
  assert.equal(r.code, 1);
  assert.match(r.err, new RegExp(`all is restored in ${copy}, but: the network in ${M.dir} runs and has the addresses of this one .*stop it first with .poa-deploy down ${M.dir}`));
  try {
    assert.match((await poa(['up', copy])).err, /two with the same keys must never run at once/);
    assert.equal(M.instances().every((i) => isAlive(i.pid)), true);
  } finally { await done(['destroy', copy, '--yes']); }
});
test('restore to an empty folder: the same network, the same validators, it seals on', async () => {
  const had = { validators: M.validators, genesis: M.outputs.GENESIS_HASH, keystore: fs.readFileSync(path.join(M.dir, 'admin/keystore.json'), 'utf8') };
  const log = (await exec('git', ['-C', M.dir, 'log', '--format=%s'])).out;
  await M.destroy();
  M.dir = at('elsewhere');
  fs.mkdirSync(M.dir);
  fs.mkdirSync(at('elsewhere.restoring'));
  fs.writeFileSync(at('elsewhere.restoring/left-over'), 'of one that was killed');
  const r = await done(['restore', info.file, M.dir, '--json'], { env });
  assert.equal(r.json.workspace, M.dir);
  assert.ok(!fs.existsSync(at('elsewhere.restoring')));
  const h = await height(M.url);
  assert.ok(h > info.height, `${h} > ${info.height}`);
  assert.equal((await block(M.url, 5)).hash, before.hash);
  assert.equal((await block(M.url, 0)).hash, had.genesis);
  assert.equal(BigInt(await rpc(M.url, 'eth_getBalance', ['0x00000000000000000000000000000000000000aa', 'latest'])), 7n * 10n ** 18n);
  assert.equal(fs.readFileSync(path.join(M.dir, 'admin/keystore.json'), 'utf8'), had.keystore);
  assert.ok((await exec('git', ['-C', M.dir, 'log', '--format=%s'])).out.endsWith(log), 'the record goes on from what it was');
  for (const f of ['admin', 'local']) assert.equal(fs.statSync(path.join(M.dir, f)).mode & 0o777, 0o700);
  for (const f of walk(path.join(M.dir, 'local')).filter((x) => /\/etc\/|launch\.json/.test(x))) assert.ok(!fs.readFileSync(f, 'utf8').includes(`${work}/m/`), f);
  await until('both validators seal', async () => {
    const n = await height(M.url), seen = new Set();
    for (let i = info.height + 1; i <= n; i++) seen.add((await block(M.url, i)).author.toLowerCase());
    return had.validators.every((v) => seen.has(v));
  }, 60);
  assert.equal((await M.status()).code, 0);
});
test('what came back can be stopped, started and governed like any other', async () => {
  await done(['down', M.dir]);
  await done(['up', M.dir]);
  const s = await M.poa(['validator', 'list']);
  assert.equal(s.json.validators?.length ?? s.json.length, 2);
}, 120);
test('chain export while it runs; chain import executes the blocks again on emptied databases', async () => {
  await until('block 8', async () => (await height(M.url)) >= 8, 60);
  await done(['chain', 'export', at('chain.rlp'), M.dir]);
  const head = await block(M.url, 8);
  assert.match((await poa(['chain', 'export', at('chain.rlp'), M.dir])).err, /exists already/);
  assert.match((await poa(['chain', 'import', at('chain.rlp'), M.dir])).err, /the nodes run/);
  await done(['down', M.dir]);
  for (const i of M.instances()) fs.rmSync(path.join(M.dir, 'local/instances', i.name, 'var/lib/poa/db'), { recursive: true });
  await done(['chain', 'import', at('chain.rlp'), M.dir]);
  await done(['up', M.dir]);
  for (const i of [0, 1]) await until(`node ${i} has block 8 again`, async () => (await block(M.node(i), 8))?.hash === head.hash, 60); // `up` waits for one
  fs.writeFileSync(at('bad.rlp'), Buffer.concat([Buffer.from('f9'), fs.readFileSync(at('chain.rlp')).subarray(5)]));
  await done(['down', M.dir]);
  assert.equal((await poa(['chain', 'import', at('bad.rlp'), M.dir])).code, 1);
}, 120);

await run({ chained: true });
