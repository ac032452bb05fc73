// The identity store: secrets read and set a second, with and without TLS; leases acquired, renewed and released a second, beside azurite with the
// very same requests (an account SAS; azurite keeps all in memory, ours has each on the disk before it answers). The servers are held on one core, the
// client is a program of its own on the other (poa-http-load): a client in Node.js would measure itself. On a machine that others use too the rates of
// the clock on the wall say less than the processor time for each request, which stands beside them.
import { spawn, spawnSync, execFileSync } from 'node:child_process';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { say } from './report.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../..'), bin = path.resolve(process.env.POA_BIN ?? path.join(root, 'build/release'));
const loader = path.join(bin, 'poa-http-load'), CONNECTIONS = 16, MANY_CONNECTIONS = 128, ACCOUNT = 'devstoreaccount1', KEY = randomBytes(64).toString('base64'), SECONDS = 3;
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
      l.socket.on('close', () => { if (l.waiting.length) throw new Error('the server closed a connection without an answer'); });
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

// processor time of a process so far, in microseconds
const cpu_us = (pid) => fs.readdirSync(`/proc/${pid}/task`).reduce((n, t) => n + Number(fs.readFileSync(`/proc/${pid}/task/${t}/schedstat`, 'latin1').split(' ')[0]) / 1000, 0);
const pinned = os.cpus().length > 1;
// rate: the steps again and again on every connection: requests a second, p50 and p99 of each step, the server's processor time for a request, and the
// batches of its commits
async function rate({ port, pid, log }, steps, { ca, connections = CONNECTIONS, depth = 1 } = {}) {
  const cpu = cpu_us(pid), from = log.length, lines = steps.map(([head, headers, status, body]) => ({ head: `${head} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${headers}`, status, body }));
  const load = spawn('taskset', pinned ? ['-c', '1', loader] : ['-c', '0', loader], { stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '', said = '';
  load.stdout.on('data', (d) => { out += d; });
  load.stderr.on('data', (d) => { said += d; });
  load.stdin.end(JSON.stringify({ port, ca, connections, depth, keys: 100, seconds: SECONDS, steps: lines }));
  const code = await new Promise((ok) => load.on('close', ok));
  if (code !== 0) throw new Error(said);
  const each = cpu_us(pid) - cpu, r = JSON.parse(out);
  await sleep(1200); // the store says once a second what it committed
  const batches = [...log.slice(from).join('').matchAll(/ writes=(\d+) commits=(\d+) largest_batch=(\d+) mean_commit_us=(\d+)/g)].map((m) => m.slice(1).map(Number));
  const sum = (i) => batches.reduce((n, b) => n + b[i], 0), commits = steps[0][0].startsWith('GET') ? 0 : sum(1); // a line in the time of a reading is of writes before it
  return { perSecond: Math.round(r.requests / r.seconds), steps: r.steps, connections, depth, cpu_us: Number((each / r.requests).toFixed(1)), perCoreSecond: Math.round((1e6 * r.requests) / each),
    ...(commits && { mean_batch: Number((sum(0) / commits).toFixed(1)), largest_batch: Math.max(...batches.map((b) => b[2])), mean_commit_ms: Number((batches.reduce((n, b) => n + b[1] * b[3], 0) / commits / 1000).toFixed(2)) }) };
}
const want = (r, ...status) => { if (!status.includes(r.status)) throw new Error(`HTTP ${r.status}: ${r.body.slice(0, 300)}`); return r; };

function sas() {
  const q = { sv: '2020-10-02', ss: 'b', srt: 'sco', sp: 'rwdlac', se: new Date(Date.now() + 864e5).toISOString().slice(0, 19) + 'Z' };
  const text = [ACCOUNT, q.sp, q.ss, q.srt, '', q.se, '', '', q.sv, ''].join('\n');
  return new URLSearchParams({ ...q, sig: createHmac('sha256', Buffer.from(KEY, 'base64')).update(text).digest('base64') }).toString().replaceAll('+', '%20');
}
const V = 'x-ms-version: 2020-10-02\r\n';
const ID = '00000000-0000-4000-8000-00000000000a';
async function leases(server, connections) {
  let l = await Line.open(server.port);
  const q = sas(), box = `bench${connections}`;
  const lease = (i) => `PUT /${ACCOUNT}/${box}/identity-${i}.json?comp=lease&${q}`, act = (action, more) => `${V}x-ms-lease-action: ${action}\r\n${more}`;
  const renewal = [lease('{c}'), act('renew', `x-ms-lease-id: ${ID}\r\n`), 200], acquire = act('acquire', 'x-ms-lease-duration: 60\r\n');
  const ask = (line, headers) => l.call('PUT', line.slice(4), headers);
  want(await l.call('PUT', `/${ACCOUNT}/${box}?restype=container&${q}`, V), 201);
  for (let i = 0; i < connections; i++) {
    want(await l.call('PUT', `/${ACCOUNT}/${box}/identity-${i}.json?${q}`, `${V}x-ms-blob-type: BlockBlob\r\nContent-Type: application/json\r\n`, '{}'), 201);
    want(await ask(lease(i), `${acquire}x-ms-proposed-lease-id: ${ID}\r\n`), 201);
  }
  const renew = await rate(server, [renewal], { connections });
  l.close();
  l = await Line.open(server.port); // azurite closes one that is idle for five seconds
  for (let i = 0; i < connections; i++) want(await ask(lease(i), act('release', `x-ms-lease-id: ${ID}\r\n`)), 200);
  const pair = await rate(server, [[lease('{c}'), acquire, 201], [lease('{c}'), act('release', 'x-ms-lease-id: {lease}\r\n'), 200]], { connections });
  l.close();
  return { renew, acquireAndRelease: pair };
}

const VALUE = '{"value":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}';
async function secrets(server, ca) {
  const l = await Line.open(server.port, ca && fs.readFileSync(ca));
  const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'bench', client_secret: 'bench-secret', scope: 'https://vault.azure.net/.default' }).toString();
  const token = JSON.parse(want(await l.call('POST', '/poa/oauth2/v2.0/token', 'Content-Type: application/x-www-form-urlencoded\r\n', form), 200).body).access_token;
  const h = `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\n`, a = 'api-version=7.4';
  for (let i = 0; i < 100; i++) want(await l.call('PUT', `/secrets/s-${i}?${a}`, h, VALUE), 200);
  const get = (connections) => rate(server, [[`GET /secrets/s-{k}?${a}`, h, 200]], { ca, connections, depth: connections === CONNECTIONS ? 8 : 1 });
  const set = (connections) => rate(server, [[`PUT /secrets/w${connections}-{c}-{n}?${a}`, h, 200, VALUE]], { ca, connections });
  const out = { header: h };
  for (const n of [CONNECTIONS, MANY_CONNECTIONS]) out[n] = { get: await get(n), durableSet: await set(n) };
  l.close();
  return out;
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
  const run = (file, args, env = {}) => {
    const p = spawn('taskset', ['-c', '0', file, ...args], { cwd: dir, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] }), log = [];
    p.stderr.setEncoding('utf8').on('data', (d) => { log.push(d); });
    procs.push(p);
    return { pid: p.pid, log };
  };
  try {
    const made = spawnSync('make', ['-s', '-C', root, `${path.relative(root, bin)}/poa-http-load`], { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(made.stderr);
    fs.writeFileSync(path.join(dir, 'account.key'), KEY, { mode: 0o600 });
    fs.writeFileSync(path.join(dir, 'clients.yaml'), `clients: [{id: bench, secret_sha256: "${createHash('sha256').update('bench-secret').digest('hex')}", role: orchestrator}]\n`);
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'tls.key', '-out', 'tls.pem', '-subj', '/CN=bench', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'], { cwd: dir, stdio: 'ignore' });
    const store = async (name, tlsLine) => {
      const port = await freePort();
      fs.writeFileSync(path.join(dir, `${name}.yaml`), `listen: {address: 127.0.0.1, port: ${port}}\n${tlsLine}data_dir: ${name}\nclients_file: clients.yaml\naccount_key_file: account.key\nlog_level: debug\n`);
      const p = run(path.join(bin, 'poa-identity-store'), ['--config', path.join(dir, `${name}.yaml`)]);
      await up(port);
      return { port, ...p };
    };
    const show = (what, r, names = ['']) => {
      say(`  ${`${what}, ${r.connections} connections${r.depth > 1 ? ` with ${r.depth} under way` : ''}`.padEnd(52)} ${String(r.perSecond).padStart(7)} requests/s   ${r.cpu_us} us of a core each: ${r.perCoreSecond} a core-second`);
      say(`    ${r.steps.map((x, i) => `${names[i] && `${names[i]} `}p50 ${x.p50_ms} p99 ${x.p99_ms} ms`).join('; ')}${r.mean_batch ? `; ${r.mean_batch} to a commit (up to ${r.largest_batch}), which takes ${r.mean_commit_ms} ms` : ''}`);
    };
    const PAIR = ['acquire', 'release'], ca = path.join(dir, 'tls.pem');
    const plain = await store('plain', ''), safe = await store('safe', 'tls: {cert: tls.pem, key: tls.key}\n');
    out.load = os.loadavg()[0];
    say(`  the machine's load before: ${out.load.toFixed(1)} on ${os.cpus().length} cores`);
    out.plain = await secrets(plain);
    const all = (title, of) => { for (const [what, name] of [['get', 'get'], ['durableSet', 'set, durable']]) for (const n of [CONNECTIONS, MANY_CONNECTIONS]) show(`${title}secret ${name}`, of[n][what]); };
    all('', out.plain);
    out.tls = await secrets(safe, ca);
    delete out.tls.header;
    all('TLS: ', out.tls);
    const port = await freePort();
    const azurite = { port, ...run(process.execPath, [azuriteMain(), '--blobHost', '127.0.0.1', '--blobPort', String(port), '--inMemoryPersistence', '--silent', '--disableTelemetry', '--skipApiVersionCheck'], { AZURITE_ACCOUNTS: `${ACCOUNT}:${KEY}` }) };
    await up(port);
    out.leases = {}; out.azurite = {}; out.times_azurite = {};
    for (const n of [CONNECTIONS, MANY_CONNECTIONS]) {
      const a = await leases(plain, n), b = await leases(azurite, n), times = (k, of) => Number((a[k][of] / b[k][of]).toFixed(1));
      out.leases[n] = a; out.azurite[n] = b;
      show('lease renew', a.renew); show('azurite: lease renew', b.renew);
      show('lease acquire and release', a.acquireAndRelease, PAIR); show('azurite: lease acquire and release', b.acquireAndRelease, PAIR);
      const t = { renew: times('renew', 'perSecond'), acquireAndRelease: times('acquireAndRelease', 'perSecond'), renewPerCoreSecond: times('renew', 'perCoreSecond'), acquireAndReleasePerCoreSecond: times('acquireAndRelease', 'perCoreSecond') };
      out.times_azurite[n] = t;
      say(`  times azurite, ${n} connections: renew ${t.renew}, acquire and release ${t.acquireAndRelease}; by processor time ${t.renewPerCoreSecond} and ${t.acquireAndReleasePerCoreSecond}`);
    }
    out.memory = await memory(plain, out.plain.header);
    delete out.plain.header;
    out.azurite.rss_mib = rss(azurite.pid);
    say(`  memory with ${out.memory.secrets} secrets: ${out.memory.then_mib} MiB, while they were written up to ${out.memory.most_mib} MiB; azurite with its ${CONNECTIONS + MANY_CONNECTIONS} blobs: ${out.azurite.rss_mib} MiB`);
    return out;
  } finally {
    for (const p of procs) p.kill('SIGKILL');
    fs.rmSync(dir, { recursive: true, force: true });
  }
}
