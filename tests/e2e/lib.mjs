// What the end-to-end tests share: a runner that prints TAP, poa-deploy as a process, members on this machine, plain JSON-RPC.
//   POA_BIN        folder of the programs (default build/release)
//   POA_E2E_KEEP   1: leave a failed test's networks running
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.join(here, '../..');
export const bin = path.resolve(process.env.POA_BIN ?? path.join(root, 'build/release'));
export const vectors = path.resolve(process.env.POA_VECTORS ?? path.join(root, '../shared/vectors'));
export const artefacts = path.join(root, 'build/e2e');
export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
export { assert };

// --- runner ---------------------------------------------------------------------------------------------------------------
const tests = [];
const members = new Set();
const works = [];
export const watched = new Set(); // further folders whose logs a failed test keeps
const name = path.basename(process.argv[1] ?? 'e2e', '.mjs');
const children = new Set();

export const test = (title, body, limit_s = 180) => tests.push({ title, body, limit_s });
// leaf: a test that others of a chained file do not stand on
export const leaf = (title, body, limit_s = 180) => tests.push({ title, body, limit_s, isLeaf: true });
export class Skip extends Error {}
export const skip = (why) => { throw new Skip(why); };

// run: the tests in order; the first failure of a chained file ends the chain (later tests stand on earlier ones)
export async function run({ chained = false } = {}) {
  let passed = 0, failed = 0, skipped = 0, broken = null;
  const only = process.argv[2];
  console.log('TAP version 13');
  for (const t of tests) {
    if (only !== undefined && !chained && !t.title.includes(only)) continue;
    const n = passed + failed + skipped + 1, began = Date.now();
    if (broken !== null && chained) {
      failed++;
      console.log(`not ok ${n} - ${t.title}\n# not run: it stands on "${broken}"`);
      continue;
    }
    let timer;
    try {
      const late = new Promise((_, bad) => { timer = setTimeout(() => bad(new Error(`not done after ${t.limit_s} s`)), t.limit_s * 1000); });
      const note = await Promise.race([t.body(), late]);
      passed++;
      console.log(`ok ${n} - ${t.title}\n# ${((Date.now() - began) / 1000).toFixed(1)} s${note ? `; ${note}` : ''}`);
    } catch (e) {
      if (e instanceof Skip) {
        skipped++;
        console.log(`ok ${n} - ${t.title} # SKIP ${e.message}`);
      } else {
        failed++;
        if (!t.isLeaf) broken ??= t.title;
        console.log(`not ok ${n} - ${t.title}`);
        for (const line of String(e.stack ?? e).slice(0, 6000).split('\n')) console.log(`# ${line}`);
        keepLogs(t.title);
      }
    } finally {
      clearTimeout(timer);
    }
  }
  await clean(failed > 0);
  console.log(`1..${passed + failed + skipped}`);
  console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`);
  process.exit(failed ? 1 : 0);
}

async function clean(failure) {
  if (failure && process.env.POA_E2E_KEEP === '1') {
    for (const m of members) console.log(`# left as it is: ${m.dir}`);
    return;
  }
  for (const m of members) await m.destroy().catch((e) => console.log(`# ${m.dir}: ${e.message}`));
  for (const c of children) c.kill('SIGKILL');
  for (const w of works) fs.rmSync(w, { recursive: true, force: true });
}
for (const s of ['SIGINT', 'SIGTERM']) process.on(s, () => clean(false).finally(() => process.exit(130)));

// everything that tells why: logs, settings, the keeper's list; never keys
function keepLogs(title) {
  const to = path.join(artefacts, `${name}-${title.replace(/[^A-Za-z0-9]+/g, '-').slice(0, 60)}`);
  const wanted = /\.log$|programs\.json$|launch\.json$|state\.json$|spec\.json$|outputs\.json$|haproxy\.cfg$|poa-node\.yaml$/;
  for (const m of [...members, ...[...watched].map((dir) => ({ dir }))]) {
    if (!fs.existsSync(m.dir)) continue;
    for (const f of walk(m.dir)) {
      if (!wanted.test(f)) continue;
      const dst = path.join(to, path.basename(m.dir), path.relative(m.dir, f));
      try {
        fs.mkdirSync(path.dirname(dst), { recursive: true });
        fs.copyFileSync(f, dst);
      } catch { /* it goes on being written, or is gone */ }
    }
  }
  if (members.size + watched.size) console.log(`# logs: ${path.relative(root, to)}`);
}
function* walk(dir) {
  let list = [];
  try { list = fs.readdirSync(dir, { withFileTypes: true }); } catch { return; }
  for (const e of list) {
    const p = path.join(dir, e.name);
    if (e.isDirectory()) yield* walk(p);
    else if (e.isFile()) yield p;
  }
}

export function workFolder() {
  const w = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-e2e-'));
  works.push(w);
  return w;
}
// until: the first true answer of `body`; fails with the last reason after limit_s
export async function until(what, body, limit_s = 60, every_ms = 200) {
  const end = Date.now() + limit_s * 1000;
  let last = '';
  for (;;) {
    try {
      const r = await body();
      if (r) return r;
      last = '';
    } catch (e) { last = `: ${e.message}`; }
    if (Date.now() > end) throw new Error(`${what}: not within ${limit_s} s${last}`);
    await sleep(every_ms);
  }
}

// --- processes --------------------------------------------------------------------------------------------------------------
// exec: a program to its end; {code, signal, out, err, json}
export function exec(file, args, { env = {}, cwd, input = '', limit_s = 120, onSpawn, onErr } = {}) {
  return new Promise((ok, bad) => {
    const p = spawn(file, args, { cwd, env: { ...process.env, POA_PASSWORD: undefined, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    const r = { code: null, signal: null, out: '', err: '' };
    children.add(p);
    const timer = setTimeout(() => { p.kill('SIGKILL'); bad(new Error(`${path.basename(file)} ${args.join(' ')}: not done after ${limit_s} s\n${r.err}`)); }, limit_s * 1000);
    p.stdout.on('data', (d) => { r.out += d; });
    p.stderr.on('data', (d) => { r.err += d; onErr?.(r.err, p); });
    p.on('error', bad);
    p.stdin.on('error', () => {});
    p.stdin.end(input);
    p.on('close', (code, signal) => {
      clearTimeout(timer);
      children.delete(p);
      Object.assign(r, { code, signal });
      try { r.json = JSON.parse(r.out); } catch { r.json = undefined; }
      ok(r);
    });
    onSpawn?.(p);
  });
}
export const poa = (args, options) => exec(path.join(bin, 'poa-deploy'), args, options);
// done: poa-deploy must end with `code` (0)
export async function done(args, options = {}) {
  const r = await poa(args, options), want = options.code ?? 0;
  assert.equal(r.code, want, `poa-deploy ${args.join(' ')}: exit ${r.code ?? r.signal}, wanted ${want}\n${r.err}\n${r.out}`.trim());
  return r;
}

// processesOf: pids whose command line names a folder
export function processesOf(folder) {
  const found = [];
  for (const d of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(d) || +d === process.pid) continue;
    try {
      const line = fs.readFileSync(`/proc/${d}/cmdline`, 'latin1').replace(/\0/g, ' ');
      const state = /^State:\s+(\S)/m.exec(fs.readFileSync(`/proc/${d}/status`, 'latin1'))[1];
      if (line.includes(folder) && state !== 'Z') found.push({ pid: +d, line });
    } catch { /* it has gone */ }
  }
  return found;
}
export const isAlive = (pid) => { try { process.kill(pid, 0); return true; } catch { return false; } };

// --- JSON-RPC ---------------------------------------------------------------------------------------------------------------
export function httpCall(url, { method = 'GET', body, headers = {}, limit_ms = 5000 } = {}) {
  return new Promise((ok, bad) => {
    const r = http.request(url, { method, headers, timeout: limit_ms, agent: false }, (x) => {
      const c = [];
      x.on('data', (d) => c.push(d));
      x.on('end', () => ok({ status: x.statusCode, headers: x.headers, text: Buffer.concat(c).toString() }));
      x.on('error', bad);
    });
    r.on('timeout', () => r.destroy(new Error(`${url}: no answer within ${limit_ms} ms`)));
    r.on('error', bad);
    r.end(body);
  });
}
export async function rpc(url, method, params = [], limit_ms = 5000) {
  const r = await httpCall(url, { method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }), headers: { 'content-type': 'application/json' }, limit_ms });
  let j;
  try { j = JSON.parse(r.text); } catch { throw new Error(`${method}: HTTP ${r.status} ${r.text.slice(0, 200)}`); }
  if (j.error) throw Object.assign(new Error(`${method}: ${j.error.code} ${j.error.message}`), { rpc: j.error });
  return j.result;
}
export const height = async (url) => Number(await rpc(url, 'eth_blockNumber'));
export const block = (url, n) => rpc(url, 'eth_getBlockByNumber', [typeof n === 'number' ? '0x' + n.toString(16) : n, false]);

// claim: files run beside each other, and a member's addresses follow from its id: an id that another process of this network namespace has is refused
const claimed = new Set();
function claim(id) {
  if (claimed.has(id)) return;
  claimed.add(id);
  const s = net.createServer().unref();
  s.on('error', (e) => { console.log(`not ok - member id ${id} is used by another file that runs now (${e.code}): each file has ids of its own`); process.exit(1); });
  s.listen(47000, `127.${id}.254.254`); // no part of a member listens there
}

// --- a member: a workspace and what it runs -----------------------------------------------------------------------------------
export class Member {
  constructor(id, folder, title = `member${id}`) {
    this.id = id;
    this.dir = path.join(folder, title);
    this.url = `http://127.${id}.1.1:8545`;
    this.ws = `ws://127.${id}.1.1:8546`;
    members.add(this);
    claim(id);
  }
  node(i) { return `http://127.${this.id}.1.${10 + i}:8545`; }
  nodeWs(i) { return `ws://127.${this.id}.1.${10 + i}:8546`; }
  async start(command, flags, options = {}) {
    const r = await done([command, this.dir, '--yes', '--json', '--member-id', String(this.id), ...flags], options);
    assert.ok(r.json, `one JSON document on stdout, not: ${r.out.slice(0, 300)}`);
    this.outputs = r.json;
    this.url = r.json.ETHEREUM_RPC_ENDPOINT;
    return r;
  }
  new(...flags) { return this.start('new', flags); }
  join(dataUrl, ...flags) { return this.start('join', ['--data-url', dataUrl, ...flags]); }
  get dataUrl() { return this.outputs.CONSORTIUM_DATA_URL; }
  get admin() { return this.outputs.ADMIN_ADDRESS; }
  get validators() { return list(this.outputs.VALIDATOR_ADDRESSES).map((a) => a.toLowerCase()); }
  poa(words, ...more) { return done([...words, this.dir, '--json', '--yes', ...more]); }
  async status() { const r = await poa(['status', this.dir, '--json']); return { code: r.code, ...r.json }; }
  programs() { return JSON.parse(fs.readFileSync(path.join(this.dir, 'local/programs.json'), 'utf8')); }
  // pids of the nodes in the order of their addresses
  instances() { return this.programs().filter((p) => !/^(haproxy|identity-store|prometheus|agent-.*)$/.test(p.name)).sort((a, b) => (a.name < b.name ? -1 : 1)); }
  async destroy() {
    if (!fs.existsSync(this.dir)) return;
    const r = await poa(['destroy', this.dir, '--yes', '--json'], { limit_s: 60 });
    if (r.code !== 0 && r.code !== 3) throw new Error(`destroy: exit ${r.code}: ${r.err}`);
  }
}
export const list = (v) => (Array.isArray(v) ? v : String(v ?? '').split(/[\s,]+/).filter(Boolean));

// --- sealed blocks --------------------------------------------------------------------------------------------------------------
// stepOf: the AuRa step, from the block's own seal where it is shown, else from its time
export function stepOf(b, seconds = 2) {
  if (b.step !== undefined) return Number(b.step);
  return Math.floor(Number(b.timestamp) / seconds);
}
export async function blocks(url, from, to) {
  const out = [];
  for (let n = from; n <= to; n++) out.push(await block(url, n));
  return out;
}
