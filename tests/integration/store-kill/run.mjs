// kill -9 of the store under load, again and again: every acknowledged write is there, no lease is held twice, `verify` is clean.
//   node run.mjs [--kills N] [--seconds N] [path of poa-identity-store]     default: as many kills as fit 12 s; --kills 1000 is the long run
// What was acknowledged is kept here, beside the one request of each worker that was under way when the store died: that one may have happened or not.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomUUID, verify as verifySignature, createPublicKey } from 'node:crypto';
import fs from 'node:fs'; import net from 'node:net'; import os from 'node:os'; import path from 'node:path';
import { fileURLToPath } from 'node:url'; import { parseArgs } from 'node:util';
import { Wire } from '../identity-store/wire.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const { values, positionals } = parseArgs({ allowPositionals: true, options: { kills: { type: 'string' }, seconds: { type: 'string', default: '12' }, seed: { type: 'string' } } });
const binary = positionals[0] ?? process.env.POA_IDENTITY_STORE ?? path.join(root, 'build/release/poa-identity-store');
const KILLS = values.kills ? Number(values.kills) : Infinity, SECONDS = values.kills ? Infinity : Number(values.seconds);
const SECRET_WORKERS = 6, BLOB_WORKERS = 3, KEY_WORKERS = 1, LEASE_WORKERS = 6, LEASE_BLOBS = 3, LEASE_S = 15, A = 'api-version=7.4', C = '/poa-config', SV = 'x-ms-version: 2021-12-02\r\n';
let seed = Number(values.seed ?? Date.now() % 2 ** 31);
console.log(`# seed ${seed}`);
const random = (n) => { seed = (Math.imul(seed, 1103515245) + 12345) >>> 0; return (seed >>> 8) % n; };
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
// below the ports that the system gives out: who connects again and again to one of those while nobody listens ends up connected to himself
const freePort = () => new Promise((ok) => {
  const p = 12000 + Math.floor(Math.random() * 16000), s = net.createServer();
  s.once('error', () => ok(freePort()));
  s.listen(p, '127.0.0.1', () => s.close(() => ok(p)));
});

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-store-kill-')), port = await freePort(), config = path.join(dir, 'store.yaml');
fs.writeFileSync(path.join(dir, 'clients.yaml'), `clients: [{id: load, secret_sha256: "${createHash('sha256').update('load-secret').digest('hex')}", role: orchestrator}]\n`);
fs.writeFileSync(config, `listen: {address: 127.0.0.1, port: ${port}}\ndata_dir: data\nclients_file: clients.yaml\nlog_level: warn\n`);

// --- the store -------------------------------------------------------------------------------------------------------------
let proc, exited, said = '', slowest_ms = 0;
function start() {
  proc = spawn(binary, ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  proc.stderr.on('data', (d) => { said += d; });
  exited = new Promise((ok) => proc.once('exit', (code, signal) => ok({ code, signal })));
}
async function connected() { // null: it was killed before it listened
  for (const began = Date.now(); ;) {
    try { const w = await Wire.open(port); slowest_ms = Math.max(slowest_ms, Date.now() - began); return w; } catch { /* not yet */ }
    if (proc.exitCode !== null || proc.signalCode !== null) return null;
    assert.ok(Date.now() - began < 20000, `the store does not listen: ${said}`);
    await sleep(1);
  }
}
const tokens = {};
async function token(w, audience) {
  const form = `grant_type=client_credentials&client_id=load&client_secret=load-secret&scope=${encodeURIComponent(`https://${audience}/.default`)}`;
  const r = await w.call('POST', '/poa/oauth2/v2.0/token', 'Content-Type: application/x-www-form-urlencoded\r\n', form);
  assert.equal(r.status, 200, r.body);
  tokens[audience] = `Authorization: Bearer ${JSON.parse(r.body).access_token}\r\n`;
}
const vault = (w, method, target, body) => w.call(method, `${target}?${A}`, tokens['vault.azure.net'] + 'Content-Type: application/json\r\n', body === undefined ? '' : JSON.stringify(body));
const storage = (w, method, target, headers = '', body = '') => w.call(method, target, tokens['storage.azure.com'] + SV + headers, body);

// --- what must be there -----------------------------------------------------------------------------------------------------
let writes = 0, unsure = 0;
const problems = [];
const bad = (text) => { if (problems.length < 20) problems.push(text); };
// guarded: one write. before(): what is noted as under way; after the answer it is certain, if the store died it stays unsure
const versions = new Map(); // "name version" -> value, every secret version that was acknowledged

// a worker of secrets: sets, deletes, recovers, purges one name of its own; state: live | deleted | none, value; under: what may have happened too
class Secret {
  constructor(i) { this.name = `w-${i}`; this.now = { state: 'none' }; this.maybe = null; this.n = 0; }
  async settle(w) { // what the store has after a kill must be `now`, or `maybe`
    const live = await vault(w, 'GET', `/secrets/${this.name}`), gone = await vault(w, 'GET', `/deletedsecrets/${this.name}`);
    const is = live.status === 200 ? { state: 'live', value: JSON.parse(live.body).value } : gone.status === 200 ? { state: 'deleted', value: this.now.value } : { state: 'none' };
    if (live.status === 200 && gone.status === 200) bad(`${this.name}: both live and deleted`);
    const same = (x) => x && x.state === is.state && (x.state !== 'live' || x.value === is.value);
    if (!same(this.now) && !same(this.maybe)) bad(`${this.name}: is ${JSON.stringify(is)}, acknowledged ${JSON.stringify(this.now)}, under way ${JSON.stringify(this.maybe)}`);
    if (!same(this.now) && same(this.maybe)) this.forgetIfPurged(this.maybe);
    if (same(this.maybe)) this.now = this.maybe;
    this.maybe = null;
  }
  forgetIfPurged(next) { if (next.state === 'none') for (const k of versions.keys()) if (k.startsWith(`${this.name} `)) versions.delete(k); }
  async step(w) {
    const value = `${this.name} ${++this.n}`, dice = random(20);
    let next, ask;
    if (this.now.state === 'deleted') {
      next = dice < 14 ? { ...this.now, state: 'live' } : { state: 'none' };
      ask = () => dice < 14 ? vault(w, 'POST', `/deletedsecrets/${this.name}/recover`) : vault(w, 'DELETE', `/deletedsecrets/${this.name}`);
    } else if (dice === 0 && this.now.state === 'live') {
      next = { ...this.now, state: 'deleted' };
      ask = () => vault(w, 'DELETE', `/secrets/${this.name}`);
    } else {
      next = { state: 'live', value };
      ask = () => vault(w, 'PUT', `/secrets/${this.name}`, { value, tags: { n: String(this.n) } });
    }
    this.maybe = next;
    const r = await ask();
    if (r.status === 503) { this.maybe = null; return; }
    if (r.status !== 200 && r.status !== 204) { bad(`${this.name} to ${next.state}: HTTP ${r.status} ${r.body}`); return; }
    if (next.value === value) versions.set(`${this.name} ${JSON.parse(r.body).id.split('/').pop()}`, value);
    this.forgetIfPurged(next);
    this.now = next; this.maybe = null; writes++;
  }
}
// blobs: each put names the ETag that it replaces, so that none can be lost between two that are acknowledged
class Blob {
  constructor(i) { this.path = `${C}/blob-${i}`; this.now = null; this.maybe = null; this.n = 0; }
  async settle(w) {
    const r = await storage(w, 'GET', this.path), is = r.status === 200 ? r.body : null;
    if (is !== this.now && is !== this.maybe) bad(`${this.path}: is ${is}, acknowledged ${this.now}, under way ${this.maybe}`);
    this.now = is; this.etag = r.header('etag'); this.maybe = null;
  }
  async step(w) {
    const text = `${this.path} ${++this.n} ${'x'.repeat(random(3000))}`;
    this.maybe = text;
    const r = await storage(w, 'PUT', this.path, `x-ms-blob-type: BlockBlob\r\n${this.etag ? `If-Match: ${this.etag}\r\n` : 'If-None-Match: *\r\n'}`, text);
    if (r.status === 503) { this.maybe = null; return; }
    if (r.status !== 201) { bad(`${this.path}: HTTP ${r.status} ${r.body}`); return; }
    this.now = text; this.etag = r.header('etag'); this.maybe = null; writes++;
  }
}
// keys: a new version, and a signature by it that verifies; the acknowledged versions stay
class Key {
  constructor(i) { this.name = `k-${i}`; this.kids = []; }
  async settle(w) {
    if (this.kids.length === 0) return;
    const { kid, jwk } = this.kids[random(this.kids.length)], digest = createHash('sha256').update(kid).digest();
    const r = await vault(w, 'POST', `${new URL(kid).pathname}/sign`, { alg: 'ES256K', value: digest.toString('base64url') });
    if (r.status !== 200) return bad(`${kid}: HTTP ${r.status} ${r.body}`);
    if (!verifySignature('sha256', Buffer.from(kid), { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' }, Buffer.from(JSON.parse(r.body).value, 'base64url'))) bad(`${kid}: another key signs`);
  }
  async step(w) {
    await sleep(10);
    if (this.kids.length >= 300) { await this.settle(w); return; }
    const r = await vault(w, 'POST', `/keys/${this.name}/create`, { kty: 'EC', crv: 'P-256K' });
    if (r.status === 503) return;
    if (r.status !== 200) { bad(`${this.name}: HTTP ${r.status} ${r.body}`); return; }
    const { key } = JSON.parse(r.body);
    this.kids.push({ kid: key.kid, jwk: { kty: 'EC', crv: 'secp256k1', x: key.x, y: key.y } }); writes++;
  }
}
// leases: all want the same blobs. holders: who surely holds one, from the answer until the release is sent, or until the time runs out that counts
// from when the last good request was sent
const holders = Array.from({ length: LEASE_BLOBS }, () => null);
let grants = 0;
class Lessee {
  constructor(i) { this.i = i; this.blob = i % LEASE_BLOBS; this.id = randomUUID(); this.held = false; }
  lease(w, action, more = '') { return storage(w, 'PUT', `${C}/identity-${this.blob}.json?comp=lease`, `x-ms-lease-action: ${action}\r\n${more}`); }
  async settle() { /* what is acknowledged shows in what the others are given */ }
  hold(sent) {
    const h = holders[this.blob];
    if (h && h.who !== this && Date.now() < h.until) bad(`identity-${this.blob}: given to worker ${this.i} while worker ${h.who.i} holds it for ${h.until - Date.now()} ms more`);
    holders[this.blob] = { who: this, until: sent + LEASE_S * 1000 };
    this.held = true;
  }
  async step(w) {
    const sent = Date.now(), id = `x-ms-lease-id: ${this.id}\r\n`;
    if (!this.held) {
      const r = await this.lease(w, 'acquire', `x-ms-lease-duration: ${LEASE_S}\r\nx-ms-proposed-lease-id: ${this.id}\r\n`);
      if (r.status === 201) { this.hold(sent); grants++; } else if (r.status !== 409 && r.status !== 503) bad(`acquire: HTTP ${r.status} ${r.body}`);
      if (r.status === 409) await sleep(1 + random(4));
      return;
    }
    if (random(3) > 0) {
      const r = await this.lease(w, 'renew', id);
      if (r.status === 200) { this.hold(sent); writes++; return; }
      if (r.status !== 503) { if (holders[this.blob]?.who === this && Date.now() < holders[this.blob].until) bad(`a held lease is not renewed: HTTP ${r.status} ${r.body}`); this.held = false; }
      return;
    }
    if (holders[this.blob]?.who === this) holders[this.blob] = null;
    this.held = false; // from here on it may be someone else's
    const r = await this.lease(w, 'release', id);
    if (r.status === 200) { writes++; this.id = randomUUID(); this.blob = random(LEASE_BLOBS); } else if (r.status !== 503 && r.status !== 409) bad(`release: HTTP ${r.status} ${r.body}`);
  }
}

// --- the loop -----------------------------------------------------------------------------------------------------------------
const workers = [...Array.from({ length: SECRET_WORKERS }, (_, i) => new Secret(i)), ...Array.from({ length: BLOB_WORKERS }, (_, i) => new Blob(i)),
  ...Array.from({ length: KEY_WORKERS }, (_, i) => new Key(i)), ...Array.from({ length: LEASE_WORKERS }, (_, i) => new Lessee(i))];
async function work(x) {
  let w;
  try {
    w = await Wire.open(port);
    await x.settle(w);
    for (;;) await x.step(w);
  } catch (e) {
    if (e instanceof assert.AssertionError || e instanceof TypeError || e instanceof SyntaxError) bad(e.stack);
    if (x.maybe) unsure++;
  } finally { w?.close(); }
}
const verify = () => execFileSync(binary, ['verify', '--config', config], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();

let kills = 0, early = 0, passed = 0, failed = 0;
const check = (name, fn) => { try { fn(); passed++; console.log(`ok ${passed + failed} - ${name}`); } catch (e) { failed++; console.log(`not ok ${passed + failed} - ${name}\n# ${String(e.stack).replaceAll('\n', '\n# ')}`); } };
const began = Date.now();
try {
  start();
  let w = await connected();
  await token(w, 'vault.azure.net'); await token(w, 'storage.azure.com');
  assert.equal((await storage(w, 'PUT', `${C}?restype=container`)).status, 201);
  for (let i = 0; i < LEASE_BLOBS; i++) assert.equal((await storage(w, 'PUT', `${C}/identity-${i}.json`, 'x-ms-blob-type: BlockBlob\r\n', '{}')).status, 201);
  w.close();
  // on a slow machine for longer: so many kills and writes are wanted in any case
  while (kills < KILLS && (Date.now() - began < SECONDS * 1000 || kills < 25 || writes < 100 || grants < 15) && problems.length === 0) {
    const running = [];
    if (random(12) === 0) { // before it serves, or just then
      early++;
      setTimeout(() => proc.kill('SIGKILL'), random(12));
    } else {
      const up = await connected();
      up?.close();
      if (up) for (const x of workers) running.push(work(x));
      await sleep(15 + random(50));
      proc.kill('SIGKILL');
    }
    const { code, signal } = await exited;
    if (signal !== 'SIGKILL') bad(`the store ended by itself: ${code ?? signal} ${said}`);
    kills++;
    await Promise.all(running);
    if (kills % 100 === 0) { verify(); console.log(`# ${kills} kills, ${writes} writes acknowledged, ${unsure} under way at a kill, ${((Date.now() - began) / 1000).toFixed(0)} s`); }
    start();
  }
  check(`${kills} kills, ${early} of them in its start: what was acknowledged was there after each, no lease was held twice`, () => {
    assert.deepEqual(problems, []);
    assert.ok(kills >= 20 && writes > kills && grants > 10, `only ${kills} kills, ${writes} writes, ${grants} leases`);
  });
  w = await connected();
  for (const x of workers) await x.settle(w); // what was under way at the last kill: it happened, or it did not
  let seen = 0;
  for (const [k, value] of versions) { // every version of every secret, not only the last
    const r = await vault(w, 'GET', `/secrets/${k.replace(' ', '/')}`);
    if (r.status !== 200 || JSON.parse(r.body).value !== value) { if (r.status !== 404 || !workers.some((x) => x.name === k.split(' ')[0] && x.now.state === 'deleted')) bad(`${k}: HTTP ${r.status} ${r.body}`); } else seen++;
  }
  w.close();
  check(`every acknowledged version of the secrets is there with its value (${seen} of ${versions.size}; the rest are deleted names)`, () => assert.deepEqual(problems, []));
  proc.kill('SIGTERM');
  check('it ends cleanly when asked', () => {}); assert.equal((await exited).code, 0);
  check('verify finds every record, value and audit line whole', () => { const t = verify(); assert.match(t, /^whole: /); console.log(`# ${t}`); });
  console.log(`# ${kills} kills in ${((Date.now() - began) / 1000).toFixed(1)} s; ${writes} acknowledged writes, ${unsure} under way at a kill; ${grants} leases given; slowest start until it listens ${slowest_ms} ms`);
} catch (e) {
  failed++;
  console.log(`not ok ${passed + failed} - the run\n# ${e.stack}\n# ${said}`);
} finally {
  proc?.kill('SIGKILL');
  if (failed) console.log(`# kept: ${dir}`); else fs.rmSync(dir, { recursive: true, force: true });
}
console.log(`1..${passed + failed}\n${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
