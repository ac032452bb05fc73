// Our node and orchestrator with azurite as the blob store: identities are put there, leased, renewed, handed over and given back by the documented
// protocol, not by an agreement between our own programs. Secrets and tokens come from our store: azurite has none, and looks at who issued a
// token only. Usage: node run.mjs; POA_BIN names the folder of the programs, which is below this tree.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs'; import https from 'node:https'; import os from 'node:os'; import path from 'node:path';
import { fileURLToPath } from 'node:url'; import { promisify } from 'node:util';

const here = path.dirname(fileURLToPath(import.meta.url)), root = path.join(here, '../../..');
const bin = path.resolve(process.env.POA_BIN ?? path.join(root, 'build/release')), work = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-azurite-'));
const M = 50, dir = path.join(work, 'net'), local = path.join(dir, 'local'), host = `127.${M}.0.2`, vault = `https://${host}:8443`, blobs = `https://${host}:10000/devstoreaccount1`;
execFileSync('make', ['-s', `B=${path.relative(root, bin)}`, path.relative(root, path.join(bin, 'poa-identities'))], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
const sleep = (ms) => new Promise((r) => setTimeout(r, ms)), procs = new Set();
process.on('exit', () => { for (const p of procs) p.kill('SIGKILL'); });
for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => process.exit(130));
const run = (file, args, env = {}) => { const p = spawn(file, args, { cwd: work, env: { ...process.env, ...env }, stdio: 'ignore' }); procs.add(p); p.once('exit', () => procs.delete(p)); return p; };
async function until(what, fn, s = 30) {
  let last = '';
  for (const end = Date.now() + s * 1000; ;) {
    try { const r = await fn(); if (r) return r; } catch (e) { last = `: ${e.message}`; }
    if (Date.now() > end) throw new Error(`${what}: not within ${s} s${last}`);
    await sleep(100);
  }
}
const poa = (...args) => execFileSync(path.join(bin, 'poa-deploy'), args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const CREDENTIALS = [`${vault}/poa/oauth2/v2.0/token`, 'orchestrator', path.join(local, 'store/orchestrator-secret'), path.join(local, 'store/ca.pem')];
const identities = async (...words) => (await promisify(execFile)(path.join(bin, 'poa-identities'), [vault, blobs, ...CREDENTIALS, ...words.map(String)])).stdout.trim().split(' ');
function ask(base, method, target, headers = {}, body = '') {
  return new Promise((ok, bad) => {
    const r = https.request(base + target, { method, ca: fs.readFileSync(path.join(local, 'store/ca.pem')), headers: { ...headers, 'content-length': Buffer.byteLength(body) }, agent: false }, (x) => {
      const c = []; x.on('data', (d) => c.push(d)); x.on('end', () => ok({ status: x.statusCode, headers: x.headers, text: Buffer.concat(c).toString() }));
    });
    r.on('error', bad); r.end(body);
  });
}
async function token(audience) {
  const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'orchestrator', client_secret: fs.readFileSync(CREDENTIALS[2], 'utf8').trim(), scope: `https://${audience}/.default` }).toString();
  return { authorization: `Bearer ${JSON.parse((await ask(vault, 'POST', '/poa/oauth2/v2.0/token', { 'content-type': 'application/x-www-form-urlencoded' }, form)).text).access_token}` };
}
class Node {
  constructor(yaml) { this.yaml = yaml; this.log = /^  file: "(.*)"/m.exec(fs.readFileSync(yaml, 'utf8'))[1]; this.from = fs.existsSync(this.log) ? fs.statSync(this.log).size : 0; this.go(); }
  go() { this.proc = run(path.join(bin, 'poa-node'), ['--config', this.yaml]); this.proc.once('exit', (code) => { if (code === 75) this.go(); }); }
  text() { return fs.readFileSync(this.log).subarray(this.from).toString(); }
  all(re) { return [...this.text().matchAll(re)]; }
  get who() { return this.all(/acquired address=(\S+)/g).at(-1)?.[1]; }
  get sealed() { return this.all(/ Sealed #/g).length; }
}
const promiseOf = async (i) => (await ask(blobs, 'HEAD', `/poa-config/identity-${i}.json`, { ...store, 'x-ms-version': '2021-12-02' })).headers['x-ms-meta-promise'];
const leaseOf = async (i) => (await ask(blobs, 'HEAD', `/poa-config/identity-${i}.json`, { ...store, 'x-ms-version': '2021-12-02' })).headers['x-ms-lease-state'];

let passed = 0, failed = 0, store, nodes, azurite, genesis = [];
const tests = [];
const test = (name, fn) => tests.push([name, fn]);
test('a network whose store issues tokens that azurite takes', async () => {
  poa('new', dir, '--yes', '--json', '--member-id', String(M), '--nodes', '3', '--step', '1');
  const at = (f) => path.join(local, 'store', f);
  const auth = await token('storage.azure.com');
  for (const i of [0, 1]) genesis.push(JSON.parse((await ask(vault, 'GET', `/poa-config/identity-${i}.json`, { ...auth, 'x-ms-version': '2021-12-02' })).text));
  poa('down', dir, '--yes', '--json');
  const yaml = fs.readdirSync(at('')).filter((f) => f.endsWith('.yaml') && f !== 'clients.yaml')[0];
  fs.appendFileSync(at(yaml), 'issuer: https://sts.windows.net\n');
  // the leases are azurite's: our store cannot know who may read what
  fs.writeFileSync(at('clients.yaml'), fs.readFileSync(at('clients.yaml'), 'utf8').replace(/role: node\n    container: poa-config/g, 'role: orchestrator'));
  run(path.join(bin, 'poa-identity-store'), ['--config', at(yaml)]);
  azurite = run(process.execPath, [path.join(here, 'node_modules/azurite/dist/src/blob/main.js'), '--blobHost', host, '--blobPort', '10000', '--oauth', 'basic', '--cert', at('server.pem'), '--key', at('server.key'),
    '--inMemoryPersistence', '--silent', '--disableTelemetry']);
  store = await until('a token', () => token('storage.azure.com'));
  await until('azurite', async () => (await ask(blobs, 'GET', '/?comp=list', { ...store, 'x-ms-version': '2021-12-02' })).status === 200);
});
test('the orchestrator puts identities into azurite, and what the genesis block names by handing over', async () => {
  await identities('push', path.join(dir, 'spec.json'), path.join(dir, 'contracts.json'), 2);
  await identities('push', path.join(dir, 'spec.json'), path.join(dir, 'contracts.json'), 2); // again: at no harm
  for (const [i, g] of genesis.entries()) {
    await identities('hand-over', i, g.address, g.secretUri);
    assert.deepEqual((await identities('read', i)).map((x) => x.toLowerCase()), [g.address.toLowerCase(), g.secretUri.toLowerCase()]);
    assert.equal(await leaseOf(i), 'available');
  }
});
test('two nodes lease them from azurite and seal; a third waits', async () => {
  nodes = fs.readdirSync(path.join(local, 'instances')).sort().map((d) => {
    const yaml = path.join(local, 'instances', d, 'etc/poa-node.yaml');
    fs.writeFileSync(yaml, fs.readFileSync(yaml, 'utf8').replace(/blob_uri: .*/, `blob_uri: "${blobs}"\n  lease_seconds: 15`));
    fs.rmSync(path.join(local, 'instances', d, 'var/lib/poa/identity-lease.json'), { force: true });
    return yaml;
  });
  nodes = nodes.slice(0, 2).map((y) => new Node(y)).concat(nodes.slice(2));
  await until('both have one', () => nodes[0].who && nodes[1].who);
  assert.deepEqual([nodes[0].who, nodes[1].who].map((x) => x.toLowerCase()).sort(), genesis.map((g) => g.address.toLowerCase()).sort());
  nodes[2] = new Node(nodes[2]);
  await until('both seal', () => nodes[0].sealed > 1 && nodes[1].sealed > 1);
  assert.equal(await leaseOf(0), 'leased');
  await until('the third says that there is none', () => /no free identity/.test(nodes[2].text()));
  const published = JSON.parse((await ask(blobs, 'GET', '/poa-config/identity-0.json', { ...store, 'x-ms-version': '2021-12-02' })).text);
  assert.match(published.enodeUrl, /^enode:\/\//);
  assert.match(await promiseOf(0), /^1\.[1-9]\d*\./); // what its key has promised, of a step that it sealed
});
test('azurite hangs for some seconds: no identity is lost, sealing goes on through it', async () => {
  azurite.kill('SIGSTOP');
  const n = nodes[0].sealed;
  await sleep(5000);
  azurite.kill('SIGCONT');
  assert.ok(nodes[0].sealed > n);
  assert.match(nodes[0].text() + nodes[1].text(), /is sealed without a promise/);
  await sleep(3500); // a renewal later
  for (const x of nodes) assert.equal(x.all(/ lost: /g).length, 0);
});
test('the orchestrator hands an identity over: its node loses the lease by azurite\'s 409 and comes back with the next key', async () => {
  const i = genesis.findIndex((g) => g.address.toLowerCase() === nodes[0].who.toLowerCase());
  const [address, uri] = await identities('add-key', i);
  await identities('hand-over', i, address, uri);
  await until('lost', () => nodes[0].all(/ lost: the lease is someone else's now/g).length > 0);
  await until('a node has the next identity', () => nodes.some((x) => x.who === address));
  await identities('retire', genesis[i].secretUri);
});
test('a node that stops gives its identity back, and the third has it', async () => {
  const i = genesis.findIndex((g) => g.address.toLowerCase() === nodes[1].who.toLowerCase()), who = nodes[1].who;
  nodes[1].proc.kill('SIGTERM');
  await until('another node has it', () => [nodes[0], nodes[2]].some((x) => x.who === who));
  await until('it is leased', async () => (await leaseOf(i)) === 'leased'); // who takes another identity starts again with it
});
for (const [name, fn] of tests) {
  const began = Date.now();
  try { await fn(); passed++; console.log(`ok ${passed + failed} - ${name}\n# ${((Date.now() - began) / 1000).toFixed(1)} s`); } catch (e) {
    failed++;
    console.log(`not ok ${passed + failed} - ${name}\n# ${String(e.stack).replaceAll('\n', '\n# ')}`);
    for (const n of nodes ?? []) if (n.log) console.log(n.text().split('\n').slice(-15).map((l) => `# ${l}`).join('\n'));
    break; // the rest stands on it
  }
}
for (const p of procs) p.kill('SIGKILL');
try { poa('destroy', dir, '--yes', '--json'); } catch { /* it may not be there */ }
fs.rmSync(work, { recursive: true, force: true });
failed += tests.length - passed - failed;
console.log(`1..${tests.length}\n${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
