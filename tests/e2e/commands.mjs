// Every command of poa-deploy that needs no second member: what it prints, what it changes, how it ends.
import fs from 'node:fs';
import path from 'node:path';
import Ajv from 'ajv';
import { ethers } from 'ethers';
import { Member, assert, bin, block, done, exec, height, httpCall, isAlive, leaf, poa, processesOf, rpc, run, skip, test, until, vectors, workFolder } from './lib.mjs';

const work = workFolder();
const M = new Member(13, work, 'm');
const at = (f) => path.join(work, f);
const MODE = 0o777;

leaf('help names every command, and each has help of its own with examples', async () => {
  const top = await done(['--help']);
  const commands = [...top.out.matchAll(/^ {2}([a-z][a-z -]*[a-z]) {2}/gm)].map((m) => m[1]);
  assert.ok(commands.length > 35 && ['new', 'join', 'status', 'admin vote', 'validator add', 'ssh run'].every((c) => commands.includes(c)), top.out);
  for (const c of commands) {
    const h = await done([...c.split(' '), '--help']);
    assert.match(h.out, new RegExp(`usage: poa-deploy ${c}`));
    assert.match(h.out, new RegExp(`\nexamples:\n[^]*poa-deploy ${c}`));
    assert.equal((await done(['help', ...c.split(' ')])).out, h.out);
    for (const line of h.out.split('\nexamples:')[0].split('\n')) assert.ok(line.length <= 100, `${c}: ${line}`);
  }
  assert.match((await done(['admin', '--help'])).out, /^ {2}admin list .*\n(.*\n)* {2}admin vote /);
  const { out } = await done(['--version']);
  for (const p of ['poa-node', 'poa-evm', 'poa-agent', 'poa-identity-store']) {
    assert.match((await exec(path.join(bin, p), ['--help'])).out, new RegExp(`^${p}: `), p);
    assert.equal((await exec(path.join(bin, p), ['--version'])).out, out.replace('poa-deploy', p));
    const r = await exec(path.join(bin, p), ['--no-such']);
    assert.equal(r.code, 2, p);
    assert.match(r.err, new RegExp(`--no-such'[^]*${p} --help`), p);
  }
});
leaf('what is mistyped is named, with the nearest that there is', async () => {
  const wrong = { frobnicate: /unknown command 'frobnicate'$/, statsu: /'statsu'; did you mean 'status'\?/, 'admin prpose': /did you mean 'admin propose'\?/, admin: /'admin' alone is no command/,
    'new --no-such-flag': /unknown option '--no-such-flag'/, 'new --node 3': /did you mean '--nodes'\?/, 'logs --folow': /did you mean '--follow'\?/, 'new --json=1': /'--json' takes no value/,
    'plan a b': /'b' is one argument too many/, 'admin propose': /ADDR is missing/, 'validator remove me': /'me' is no address/, 'up --timeout soon': /--timeout: 'soon' .* 1 to 86400/,
    'doctor --min-free lots': /--min-free: 'lots'/, 'spec hash': /FILE is missing/ };
  for (const [words, pattern] of Object.entries(wrong)) {
    const r = await poa(words.split(' '));
    assert.equal(r.code, 2, words);
    assert.match(r.err.split('\n')[0], pattern, words);
  }
});

leaf('account new writes a keystore that other tools open', async () => {
  fs.writeFileSync(at('password'), 'correct horse\n', { mode: 0o600 });
  const r = await done(['account', 'new', '--out', at('k.json'), '--password-file', at('password'), '--light', '--json']);
  assert.ok(ethers.isAddress(r.json.address));
  assert.equal(fs.statSync(at('k.json')).mode & MODE, 0o600);
  const w = ethers.Wallet.fromEncryptedJsonSync(fs.readFileSync(at('k.json'), 'utf8'), 'correct horse');
  assert.equal(w.address, r.json.address);
  assert.equal((await done(['account', 'show', at('k.json'), '--json'])).json.address, r.json.address);
  assert.equal((await done(['account', 'show', at('k.json')])).out.trim(), r.json.address);
  const again = await poa(['account', 'new', '--out', at('k.json'), '--password-file', at('password'), '--light', '--json']);
  assert.notEqual(again.code, 0);
  assert.match(again.err, /k\.json exists already/);
});
leaf('account import takes a private key; the file opens with the password of the environment', async () => {
  const w = ethers.Wallet.createRandom();
  fs.writeFileSync(at('key'), w.privateKey.slice(2), { mode: 0o600 });
  const r = await done(['account', 'import', '--key-file', at('key'), '--out', at('i.json'), '--light', '--json'], { env: { POA_PASSWORD: 'pw of the environment' } });
  assert.equal(r.json.address, w.address);
  assert.equal((await ethers.Wallet.fromEncryptedJson(fs.readFileSync(at('i.json'), 'utf8'), 'pw of the environment')).privateKey, w.privateKey);
  fs.writeFileSync(at('bad'), 'zz'.repeat(32));
  const bad = await poa(['account', 'import', '--key-file', at('bad'), '--out', at('x.json'), '--light'], { env: { POA_PASSWORD: 'x' } });
  assert.notEqual(bad.code, 0);
  assert.ok(!fs.existsSync(at('x.json')));
  const missing = await poa(['account', 'show', at('nothing.json')]);
  assert.equal(missing.code, 1);
  assert.match(missing.err, /nothing\.json/);
});

leaf('plan changes nothing and says what would be made', async () => {
  const before = fs.readdirSync(work).sort();
  const r = await done(['plan', at('p'), '--json', '--nodes', '4', '--regions', '2', '--member-id', '18']);
  assert.equal(r.json.regions.length, 2);
  assert.deepEqual(r.json.regions.map((x) => [x.validators, x.loadBalancer]), [[4, '127.18.1.1'], [4, '127.18.2.1']]);
  assert.ok(Array.isArray(r.json.warnings));
  const small = await done(['plan', at('p'), '--json']);
  assert.ok(small.json.warnings.length > 0, 'two validators: a warning');
  const dry = await done(['new', at('p'), '--dry-run', '--yes', '--json', '--member-id', '18']);
  assert.ok(dry.json.regions);
  assert.deepEqual(fs.readdirSync(work).sort(), before);
  assert.match((await done(['plan', at('p')])).out, /validators/);
});

const published = { poacore: '0x39f02c003dde5b073b3f6e1700fc0b84b4877f6839bb23edadd3d2d82a488634', poasokol: '0x5b28c1bfd3a15230c9a46b399cd0f9a6920d432e85381cc6a140b06e8410112f',
  xdai: '0x4f1dd23188aab3a76b463e4af801b52b1248ef073c648cbdc4c9333d3da79756' };
leaf('spec hash gives the hashes that the networks publish', async () => {
  if (!fs.existsSync(path.join(vectors, 'chainspec'))) skip(`no vectors in ${vectors}`);
  for (const [name, hash] of Object.entries(published)) {
    const r = await done(['spec', 'hash', path.join(vectors, `chainspec/${name}.json`), '--json']);
    assert.equal(r.json.genesisHash, hash, name);
    assert.match(r.json.stateRoot, /^0x[0-9a-f]{64}$/);
    assert.deepEqual(Object.keys(r.json).sort(), ['genesisHash', 'stateRoot']);
  }
});
leaf('spec check verifies sealed headers and names what is unknown', async () => {
  const dir = path.join(vectors, 'chainspec');
  if (!fs.existsSync(dir)) skip(`no vectors in ${vectors}`);
  for (const f of fs.readdirSync(dir).filter((x) => /^header\..*\.hex$/.test(x))) {
    const [, name, number] = f.split('.');
    const r = await done(['spec', 'check', path.join(dir, `${name}.json`), '--header', path.join(dir, f), '--json']);
    assert.equal(r.json.number, Number(number));
    assert.equal(r.json.signer, r.json.author);
    assert.ok(r.json.step > 0);
  }
  for (const f of fs.readdirSync(dir).filter((x) => /^test\..*\.json$/.test(x))) await done(['spec', 'check', path.join(dir, f), '--json']);
  fs.writeFileSync(at('odd.json'), JSON.stringify({ name: 'x', engine: { authorityRound: { params: { stepDuration: 'soon', validators: { list: [] } } } }, params: {}, genesis: {}, accounts: {} }));
  const r = await poa(['spec', 'check', at('odd.json'), '--json']);
  assert.equal(r.code, 2);
  assert.match(r.err, /engine\.authorityRound\.params\.stepDuration/);
  fs.writeFileSync(at('broken.json'), '{"name": ');
  assert.equal((await poa(['spec', 'hash', at('broken.json'), '--json'])).code, 1);
});

leaf('commands on a folder without a deployment say so', async () => {
  for (const c of ['status', 'outputs', 'up', 'down']) {
    const r = await poa([c, at('nowhere'), '--json']);
    assert.equal(r.code, 1, `${c}: exit ${r.code}`);
    assert.match(r.err, /poa-deploy: error: .*nowhere/);
    assert.ok(r.json.error.message);
  }
  const r = await poa(['destroy', at('nowhere'), '--yes']);
  assert.equal(r.code, 3);
});

// --- one network, from here on each test stands on the one before -------------------------------------------------------------
test('new makes a network of three from a settings file; --json is one document', async () => {
  fs.writeFileSync(at('consortium.yaml'), 'size:\n  nodes: 3\nethereum:\n  memberId: 99\n  networkId: 424242\n  adminAlias: Member M\n  stepSeconds: 1\n');
  const r = await M.new('-f', at('consortium.yaml'), '--step', '2'); // the flags win
  assert.equal(M.outputs.NETWORK_ID, 424242);
  assert.equal(M.validators.length, 3);
  assert.match(r.err, /wait for the first block/);
  assert.ok(!/\u001b\[/.test(r.err), 'no escape sequences in a pipe');
  assert.equal(fs.statSync(path.join(M.dir, 'local')).mode & MODE, 0o700);
  assert.equal(fs.statSync(path.join(M.dir, 'admin')).mode & MODE, 0o700);
});
leaf('no key ever stands in a file of the workspace, its git repository, a log, or a command line', async () => {
  const secret = fs.readFileSync(path.join(M.dir, 'admin/password'), 'utf8').trim();
  const key = ethers.Wallet.fromEncryptedJsonSync(fs.readFileSync(path.join(M.dir, 'admin/keystore.json'), 'utf8'), secret).privateKey.slice(2);
  const r = await exec('grep', ['-rlF', '-e', key, '-e', secret, M.dir]);
  assert.deepEqual(r.out.trim().split('\n'), [path.join(M.dir, 'admin/password')]);
  const tracked = await exec('git', ['-C', M.dir, 'log', '--name-only', '--format=%s']);
  if (tracked.code === 0) {
    assert.ok(tracked.out.includes('spec.json'));
    assert.ok(!/admin\/|local\//.test(tracked.out), tracked.out);
  }
  for (const p of processesOf(M.dir)) assert.ok(!p.line.includes(secret));
});
test('outputs prints what new printed', async () => {
  const r = await done(['outputs', M.dir, '--json']);
  for (const k of ['ETHEREUM_RPC_ENDPOINT', 'CONSORTIUM_DATA_URL', 'GENESIS_HASH', 'ADMIN_ADDRESS']) assert.equal(r.json[k], M.outputs[k]);
  assert.match((await done(['outputs', M.dir])).out, /^ETHEREUM_RPC_ENDPOINT +http/m);
});
test('status is 0 and healthy; it tells of each instance', async () => {
  const s = await until('healthy', async () => { const r = await M.status(); return r.code === 0 && r; }, 30);
  assert.equal(s.healthy, true);
  assert.equal(s.instances.length, 3);
  assert.deepEqual(s.instances.map((i) => i.validator).sort(), [...M.validators].sort());
  assert.ok(s.instances.every((i) => i.running && i.peers === 2), JSON.stringify(s.instances));
  assert.equal(s.genesisHash, (await block(M.url, 0)).hash);
  assert.match((await done(['status', M.dir])).out, /INSTANCE/);
});
test('/networkinfo of every node is valid by its schema and names the three boot nodes', async () => {
  for (let i = 0; i < 3; i++) {
    const info = await until('three boot nodes', async () => {
      const r = await httpCall(`http://127.13.1.${10 + i}:3000/networkinfo`);
      assert.equal(r.status, 200);
      assert.match(r.headers['content-type'], /application\/json/);
      const j = JSON.parse(r.text);
      return j.bootnodes.length === 3 && j;
    }, 30);
    assert.deepEqual([info.majorVersion, typeof info.minorVersion, info.errorMessage ?? ''], [0, 'number', '']);
    const file = path.join(vectors, 'networkinfo.schema.json');
    if (fs.existsSync(file)) {
      const schema = JSON.parse(fs.readFileSync(file, 'utf8'), (k, v) => (k === '$id' ? undefined : v)), ajv = new Ajv({ strict: false, allErrors: true });
      assert.ok(ajv.validate(schema, info), ajv.errorsText());
    }
    fs.writeFileSync(at('info-spec.json'), info.paritySpec);
    assert.equal((await done(['spec', 'hash', at('info-spec.json'), '--json'])).json.genesisHash, M.outputs.GENESIS_HASH);
  }
});
test('admin list, vote, and validator list read the contract; --unsigned prints what a wallet would sign', async () => {
  const l = (await M.poa(['admin', 'list'])).json;
  assert.deepEqual(l.admins.map((a) => a.address), [M.admin]);
  assert.deepEqual((await M.poa(['validator', 'list'])).json.validators.map((v) => v.toLowerCase()).sort(), [...M.validators].sort());
  const who = ethers.Wallet.createRandom().address;
  const u = (await M.poa(['admin', 'propose', who], '--alias', 'N', '--unsigned')).json;
  const call = new ethers.Interface(['function proposeAdmin(address,string)']).decodeFunctionData('proposeAdmin', u.data);
  assert.deepEqual([...call], [who, 'N']);
  assert.equal(BigInt(u.chainId), 424242n);
  assert.equal((await poa(['admin', 'vote', who, M.dir])).code, 2);
  assert.equal((await poa(['admin', 'propose', '0x123', M.dir, '--yes'])).code, 2);
  await M.poa(['admin', 'propose', who], '--alias', 'N');
  // two administrators: both must agree to remove one, and a vote can be taken back
  await M.poa(['admin', 'vote', who], '--against');
  assert.equal((await M.poa(['admin', 'list'])).json.admins.find((a) => a.address === who).votesAgainst, 1);
  await M.poa(['admin', 'rescind', who]);
  assert.equal((await M.poa(['admin', 'list'])).json.admins.find((a) => a.address === who).votesAgainst, 0);
});
test('a second new changes nothing and exits 3', async () => {
  const before = fs.readFileSync(path.join(M.dir, 'state.json'), 'utf8'), pids = processesOf(M.dir).map((p) => p.pid).sort();
  const r = await done(['new', M.dir, '--yes', '--json', '--member-id', '13'], { code: 3 });
  assert.equal(r.json.GENESIS_HASH, M.outputs.GENESIS_HASH);
  assert.equal(fs.readFileSync(path.join(M.dir, 'state.json'), 'utf8'), before);
  assert.deepEqual(processesOf(M.dir).map((p) => p.pid).sort(), pids);
});
test('up while it runs exits 3, down stops all and exits 0, then 3; status is 4; up brings the chain back', async () => {
  await done(['up', M.dir, '--json'], { code: 3 });
  const pids = M.programs().map((p) => p.pid), before = await height(M.url), at5 = (await block(M.url, before)).hash;
  await done(['down', M.dir, '--json']);
  for (const p of pids) assert.ok(!isAlive(p), `process ${p} has ended`);
  assert.deepEqual(processesOf(M.dir), []);
  await done(['down', M.dir, '--json'], { code: 3 });
  const s = await M.status();
  assert.equal(s.code, 4);
  assert.equal(s.healthy, false);
  const r = await done(['up', M.dir, '--json']);
  assert.equal(r.json.state, 'running');
  await until('new blocks', async () => (await height(M.url)) > before + 2, 60);
  assert.equal((await block(M.url, before)).hash, at5);
  await until('healthy again', async () => (await M.status()).code === 0, 90);
}, 240);
test('two commands at once on one workspace do not mix', async () => {
  const r = await Promise.all([1, 2, 3, 4].map(() => poa(['status', M.dir, '--json'])));
  for (const x of r) assert.ok(x.code === 0 || /works on|another poa-deploy/.test(x.err), `exit ${x.code}: ${x.err}`);
  assert.ok(r.some((x) => x.code === 0));
});
test('destroy --yes leaves no process and no folder', async () => {
  await done(['destroy', M.dir, '--yes', '--json']);
  assert.ok(!fs.existsSync(M.dir));
  assert.deepEqual(processesOf(M.dir), []);
  await assert.rejects(rpc(M.url, 'eth_blockNumber', [], 1000));
  await done(['destroy', M.dir, '--yes', '--json'], { code: 3 });
});
await run({ chained: true });
