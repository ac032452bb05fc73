// The identity store: secrets read and set a second, with and without TLS; leases renewed, and acquired and released, a second, beside azurite with
// the very same requests (an account SAS; azurite keeps all in memory, ours commits each with fsync). The load comes from this process: it takes the
// other core.
import { spawn, execFileSync } from 'node:child_process';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { say } from './report.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const bin = path.resolve(process.env.POA_BIN ?? path.join(here, '../../build/release'));
const CONNECTIONS = 16, ACCOUNT = 'devstoreaccount1', KEY = randomBytes(64).toString('base64'), SECONDS = 3;
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const freePort = () => new Promise((ok, bad) => { const s = net.createServer(); s.once('error', bad); s.listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => ok(port)); }); });

// one keep-alive connection; answers come in order
class Line {
  static open(port, ca) {
    const l = new Line();
    l.waiting = []; l.rest = ''; l.host = `127.0.0.1:${port}`;
    return new Promise((ok, bad) => {
      const ready = () => { l.socket.setNoDelay(true); ok(l); };
      l.socket = ca ? tls.connect({ port, host: '127.0.0.1', ca }, ready) : net.connect(port, '127.0.0.1', ready);
      l.socket.setEncoding('latin1');
      l.socket.on('error', bad);
      l.socket.on('data', (d) => l.take(d));
    });
  }
  take(d) {
    this.rest += d;
    for (;;) {
      const end = this.rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = this.rest.slice(0, end), m = /\r\ncontent-length: *(\d+)/i.exec(head);
      let all = end + 4 + (m ? Number(m[1]) : 0);
      if (!m && /\r\ntransfer-encoding: *chunked/i.test(head)) {
        const last = this.rest.indexOf('0\r\n\r\n', end + 4);
        if (last < 0) return;
        all = last + 5;
      }
      if (this.rest.length < all) return;
      const body = this.rest.slice(end + 4, all);
      this.rest = this.rest.slice(all);
      this.waiting.shift()({ status: Number(head.slice(9, 12)), head, body });
    }
  }
  call(method, target, headers = '', body = '') {
    return new Promise((ok) => {
      this.waiting.push(ok);
      this.socket.write(`${method} ${target} HTTP/1.1\r\nHost: ${this.host}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`);
    });
  }
  close() { this.socket.destroy(); }
}

// processor time of a process so far, in microseconds: on a machine that others use too it tells more than what the clock on the wall does
const cpu_us = (pid) => { const f = fs.readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' '); return (Number(f[11]) + Number(f[12])) * 10000; };
// rate: one(line, worker, n) again and again on every connection; {perSecond, p50, p99} in milliseconds, and the server's processor time for each
async function rate({ port, pid }, ca, depth, one) {
  const cpu = cpu_us(pid);
  const lines = await Promise.all(Array.from({ length: CONNECTIONS }, () => Line.open(port, ca))), times = [];
  const began = process.hrtime.bigint(), end = Date.now() + SECONDS * 1000;
  await Promise.all(lines.flatMap((l, i) => Array.from({ length: depth }, async (_, d) => {
    for (let n = 0; Date.now() < end; n++) {
      const t = performance.now();
      await one(l, i * depth + d, n);
      times.push(performance.now() - t);
    }
  })));
  const s = Number(process.hrtime.bigint() - began) / 1e9;
  for (const l of lines) l.close();
  times.sort((a, b) => a - b);
  const at = (q) => Number(times[Math.floor((times.length - 1) * q)].toFixed(2));
  const each = (cpu_us(pid) - cpu) / times.length;
  return { perSecond: Math.round(times.length / s), p50_ms: at(0.5), p99_ms: at(0.99), cpu_us: Number(each.toFixed(1)), perCoreSecond: Math.round(1e6 / each) };
}
const want = (r, ...status) => { if (!status.includes(r.status)) throw new Error(`HTTP ${r.status}: ${r.body.slice(0, 300)}`); return r; };

function sas() {
  const q = { sv: '2020-10-02', ss: 'b', srt: 'sco', sp: 'rwdlac', se: new Date(Date.now() + 864e5).toISOString().slice(0, 19) + 'Z' };
  const text = [ACCOUNT, q.sp, q.ss, q.srt, '', q.se, '', '', q.sv, ''].join('\n');
  return new URLSearchParams({ ...q, sig: createHmac('sha256', Buffer.from(KEY, 'base64')).update(text).digest('base64') }).toString().replaceAll('+', '%20');
}
const V = 'x-ms-version: 2020-10-02\r\n';
async function leases(server) {
  const { port } = server, q = sas(), l = await Line.open(port), ids = [];
  const blob = (i) => `/${ACCOUNT}/bench/identity-${i}.json`, lease = (line, i, action, more = '') => line.call('PUT', `${blob(i)}?comp=lease&${q}`, `${V}x-ms-lease-action: ${action}\r\n${more}`);
  const acquire = async (line, i) => /\r\nx-ms-lease-id: *(\S+)/i.exec(want(await lease(line, i, 'acquire', 'x-ms-lease-duration: 60\r\n'), 201).head)[1];
  want(await l.call('PUT', `/${ACCOUNT}/bench?restype=container&${q}`, V), 201);
  for (let i = 0; i < CONNECTIONS; i++) {
    want(await l.call('PUT', `${blob(i)}?${q}`, `${V}x-ms-blob-type: BlockBlob\r\nContent-Type: application/json\r\n`, '{}'), 201);
    ids.push(await acquire(l, i));
  }
  const renew = await rate(server, null, 1, async (line, i) => want(await lease(line, i, 'renew', `x-ms-lease-id: ${ids[i]}\r\n`), 200));
  for (let i = 0; i < CONNECTIONS; i++) want(await lease(l, i, 'release', `x-ms-lease-id: ${ids[i]}\r\n`), 200);
  const pair = await rate(server, null, 1, async (line, i) => want(await lease(line, i, 'release', `x-ms-lease-id: ${await acquire(line, i)}\r\n`), 200));
  l.close();
  return { renew, acquireAndRelease: pair };
}

async function secrets(server, ca) {
  const { port } = server, l = await Line.open(port, ca);
  const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'bench', client_secret: 'bench-secret', scope: 'https://vault.azure.net/.default' }).toString();
  const token = JSON.parse(want(await l.call('POST', '/poa/oauth2/v2.0/token', 'Content-Type: application/x-www-form-urlencoded\r\n', form), 200).body).access_token;
  const h = `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\n`, a = 'api-version=7.4';
  for (let i = 0; i < 100; i++) want(await l.call('PUT', `/secrets/s-${i}?${a}`, h, '{"value":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}'), 200);
  const get = await rate(server, ca, 8, async (line, w, n) => want(await line.call('GET', `/secrets/s-${(w + n) % 100}?${a}`, h), 200));
  const set = await rate(server, ca, 8, async (line, w, n) => want(await line.call('PUT', `/secrets/w-${w}-${n}?${a}`, h, '{"value":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}'), 200));
  l.close();
  return { get, durableSet: set, header: h };
}
// memory with so many secrets, all of them just written and some read
const MANY = 100000;
async function memory({ port, pid }, h) {
  const lines = await Promise.all(Array.from({ length: CONNECTIONS }, () => Line.open(port))), a = 'api-version=7.4';
  let next = 0, most = 0;
  await Promise.all(lines.flatMap((l) => Array.from({ length: 16 }, async () => {
    for (let n; (n = next++) < MANY;) {
      want(await l.call('PUT', `/secrets/many-${n}?${a}`, h, '{"value":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}'), 200);
      if (n % 5 === 0) want(await l.call('GET', `/secrets/many-${(n * 7919) % (n + 1)}?${a}`, h), 200, 404);
      if (n % 1000 === 0) most = Math.max(most, rss(pid));
    }
  })));
  await sleep(2500);
  for (const l of lines) l.close();
  return { secrets: MANY, most_mib: most, then_mib: rss(pid) };
}

async function up(port) {
  for (let i = 0; i < 300; i++) {
    try { (await Line.open(port)).close(); return; } catch { await sleep(50); }
  }
  throw new Error('it does not listen');
}
// azurite is large: it is fetched when this is first run
function azuriteMain() {
  const cwd = path.join(here, '../integration/azurite'), main = path.join(cwd, 'node_modules/azurite/dist/src/blob/main.js');
  if (!fs.existsSync(main)) execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
  return main;
}
const rss = (pid) => Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024);

export async function identityStore() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-bench-store-')), procs = [], out = {};
  const run = (file, args, env = {}) => { const p = spawn(file, args, { cwd: dir, env: { ...process.env, ...env }, stdio: 'ignore' }); procs.push(p); return p; };
  try {
    fs.writeFileSync(path.join(dir, 'account.key'), KEY, { mode: 0o600 });
    fs.writeFileSync(path.join(dir, 'clients.yaml'), `clients: [{id: bench, secret_sha256: "${createHash('sha256').update('bench-secret').digest('hex')}", role: orchestrator}]\n`);
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'tls.key', '-out', 'tls.pem', '-subj', '/CN=bench', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'], { cwd: dir, stdio: 'ignore' });
    const store = async (name, tlsLine) => {
      const port = await freePort();
      fs.writeFileSync(path.join(dir, `${name}.yaml`), `listen: {address: 127.0.0.1, port: ${port}}\n${tlsLine}data_dir: ${name}\nclients_file: clients.yaml\naccount_key_file: account.key\nlog_level: error\n`);
      const p = run(path.join(bin, 'poa-identity-store'), ['--config', path.join(dir, `${name}.yaml`)]);
      await up(port);
      return { port, pid: p.pid };
    };
    const show = (what, r) => say(`  ${what.padEnd(34)} ${String(r.perSecond).padStart(7)} /s   p50 ${r.p50_ms} ms  p99 ${r.p99_ms} ms   ${r.cpu_us} us of a core each: ${r.perCoreSecond} a core-second`);
    const plain = await store('plain', ''), safe = await store('safe', 'tls: {cert: tls.pem, key: tls.key}\n'), ca = fs.readFileSync(path.join(dir, 'tls.pem'));
    out.plain = await secrets(plain);
    show('secret get', out.plain.get); show('secret set, durable', out.plain.durableSet);
    out.memory = await memory(plain, out.plain.header);
    delete out.plain.header;
    say(`  memory with ${out.memory.secrets} secrets: ${out.memory.then_mib} MiB, while they were written up to ${out.memory.most_mib} MiB`);
    out.tls = await secrets(safe, ca);
    delete out.tls.header;
    show('secret get, TLS', out.tls.get); show('secret set, durable, TLS', out.tls.durableSet);
    out.leases = await leases(plain);
    show('lease renew', out.leases.renew); show('lease acquire and release', out.leases.acquireAndRelease);
    out.rss_mib = rss(plain.pid);
    const port = await freePort();
    const azurite = run(process.execPath, [azuriteMain(), '--blobHost', '127.0.0.1', '--blobPort', String(port), '--inMemoryPersistence', '--silent', '--disableTelemetry', '--skipApiVersionCheck'], { AZURITE_ACCOUNTS: `${ACCOUNT}:${KEY}` });
    await up(port);
    out.azurite = await leases({ port, pid: azurite.pid });
    out.azurite.rss_mib = rss(azurite.pid);
    show('azurite: lease renew', out.azurite.renew); show('azurite: acquire and release', out.azurite.acquireAndRelease);
    const times = (k, of = 'perSecond') => Number((out.leases[k][of] / out.azurite[k][of]).toFixed(1));
    out.times_azurite = { renew: times('renew'), acquireAndRelease: times('acquireAndRelease'), renewPerCoreSecond: times('renew', 'perCoreSecond'), acquireAndReleasePerCoreSecond: times('acquireAndRelease', 'perCoreSecond') };
    say(`  leases, times azurite: renew ${out.times_azurite.renew}, acquire and release ${out.times_azurite.acquireAndRelease}; by processor time ${out.times_azurite.renewPerCoreSecond} and ${out.times_azurite.acquireAndReleasePerCoreSecond}; memory ${out.rss_mib} MiB, azurite ${out.azurite.rss_mib} MiB`);
    return out;
  } finally {
    for (const p of procs) p.kill('SIGKILL');
    fs.rmSync(dir, { recursive: true, force: true });
  }
}
