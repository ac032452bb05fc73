// Fencing with real processes: two nodes never seal with one key. Four nodes, two identities: the holders are paused (SIGSTOP) or cut off from the store
// past their lease, the store is killed under them, the spares take over, the holders come back. Once with keys that the nodes read, once with keys
// that the vault keeps, both networks at the same time. poa-deploy makes the networks; then their programs run by hand, with leases of 15 s and
// a proxy before the store that can cut single processes off.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { Member, assert, bin, block, done, height, httpCall, run, sleep, stepOf, test, until, workFolder } from './lib.mjs';

const work = workFolder(), LEASE_S = 15, MARGIN_S = LEASE_S / 12;
const ms = (line) => Date.parse(line.slice(0, 23).replace(' ', 'T') + 'Z');

// cut: connections of processes in `gone` are swallowed in both directions, as by a network that is down
class Proxy {
  constructor(host) { Object.assign(this, { host, gone: new Set(), links: new Set() }); }
  listen() {
    this.server = net.createServer((a) => {
      const link = { a, b: net.connect(8444, this.host), pid: ownerOf(a.remotePort) };
      // the system's table is no snapshot: who was not found in it is looked for again
      const isGone = () => this.gone.size > 0 && this.gone.has(link.pid ||= ownerOf(a.remotePort)), end = () => { a.destroy(); link.b.destroy(); this.links.delete(link); };
      this.links.add(link);
      for (const [from, to] of [[a, link.b], [link.b, a]]) {
        from.on('data', (d) => { if (!isGone()) to.write(d); });
        from.on('error', () => {});
        from.on('close', () => { if (!isGone()) end(); });
      }
    });
    return new Promise((ok, bad) => this.server.once('error', bad).listen(8443, this.host, ok));
  }
  heal() {
    this.gone.clear();
    for (const l of this.links) { l.a.destroy(); l.b.destroy(); }
    this.links.clear();
  }
}
// the process at the other end of a connection, by the system's table of sockets
function ownerOf(port) {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const line = fs.readFileSync('/proc/net/tcp', 'latin1').split('\n').map((l) => l.trim().split(/\s+/)).find((f) => f[1]?.endsWith(hex) && f[2]?.endsWith(':20FB'));
  for (const n of line ? running : []) {
    const dir = `/proc/${n.proc.pid}/fd`;
    try { if (fs.readdirSync(dir).some((fd) => { try { return fs.readlinkSync(`${dir}/${fd}`) === `socket:[${line[9]}]`; } catch { return false; } })) return n.proc.pid; } catch { /* it has gone */ }
  }
  return 0;
}
const running = new Set();

class Node {
  constructor(yaml, address) { Object.assign(this, { yaml, url: `http://${address}:8545`, metrics: `http://${address}:9545/metrics`, log: /^  file: "(.*)"/m.exec(fs.readFileSync(yaml, 'utf8'))[1] }); }
  start() {
    this.from = fs.existsSync(this.log) ? fs.statSync(this.log).size : 0;
    const go = () => {
      running.delete(this);
      this.proc = spawn(path.join(bin, 'poa-node'), ['--config', this.yaml], { stdio: 'ignore' });
      running.add(this);
      this.proc.once('exit', (code, signal) => { this.ended = signal ?? code; if (code === 75 && !this.stopped) go(); }); // 75: another identity, start again
    };
    this.starts = 0;
    go();
  }
  lines() { return fs.readFileSync(this.log).subarray(this.from).toString().split('\n'); }
  // {at, number, hash} of each block that it sealed; its identity; when it got it
  sealed() { return this.lines().map((l) => [l, / Sealed #(\d+) (\S+?)…(\S+)/.exec(l)]).filter(([, m]) => m).map(([l, m]) => ({ at: ms(l), number: Number(m[1]), hash: m[2] + m[3], by: this })); }
  acquired() { return this.lines().filter((l) => l.includes('acquired address=')).map((l) => ({ at: ms(l), who: /address=(\S+)/.exec(l)[1].toLowerCase() })); }
  lost() { return this.lines().filter((l) => / lost: /.test(l)); }
  get who() { return this.acquired().at(-1)?.who; }
  async metric(name) { return Number(new RegExp(`^${name} (.*)$`, 'm').exec((await httpCall(this.metrics, { limit_ms: 2000 })).text)[1]); }
}

class Net {
  constructor(id, mode) { Object.assign(this, { M: new Member(id, work, mode), id, mode, host: `127.${id}.0.2` }); this.proxy = new Proxy(this.host); }
  get storeYaml() { return path.join(this.M.dir, 'local/store/fence.yaml'); }
  startStore() {
    this.store = spawn(path.join(bin, 'poa-identity-store'), ['--config', this.storeYaml], { stdio: 'ignore' });
    this.storeEnd = new Promise((ok) => this.store.once('exit', ok));
  }
  async killStore(pause_ms) { this.store.kill('SIGKILL'); await this.storeEnd; await sleep(pause_ms); this.startStore(); }
  ask(method, target, headers, body = '') {
    return new Promise((ok, bad) => {
      const r = https.request({ host: this.host, port: 8444, method, path: target, ca: fs.readFileSync(path.join(this.M.dir, 'local/store/ca.pem')), headers: { ...headers, 'content-length': Buffer.byteLength(body) }, agent: false }, (x) => {
        const c = []; x.on('data', (d) => c.push(d)); x.on('end', () => ok({ status: x.statusCode, text: Buffer.concat(c).toString() }));
      });
      r.on('error', bad); r.end(body);
    });
  }
  async make() {
    const local = path.join(this.M.dir, 'local');
    await this.M.new('--nodes', '4', '--step', '1', ...(this.mode === 'sign' ? ['--identity-mode', 'sign'] : []));
    await done(['down', this.M.dir, '--yes', '--json']);
    const yaml = fs.readFileSync(fs.readdirSync(path.join(local, 'store')).filter((f) => f.endsWith('.yaml') && f !== 'clients.yaml').map((f) => path.join(local, 'store', f))[0], 'utf8');
    fs.writeFileSync(this.storeYaml, yaml.replace('port: 8443', 'port: 8444') + `issuer: https://${this.host}:8443\n`);
    this.startStore();
    await this.proxy.listen();
    // identities 2 and 3 are kept by the test, so that two of the nodes are spare
    const secret = fs.readFileSync(path.join(local, 'store/orchestrator-secret'), 'utf8').trim();
    const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: 'orchestrator', client_secret: secret, scope: 'https://storage.azure.com/.default' }).toString();
    const token = await until('a token', async () => JSON.parse((await this.ask('POST', '/poa/oauth2/v2.0/token', { 'content-type': 'application/x-www-form-urlencoded' }, form)).text).access_token, 20);
    const auth = { authorization: `Bearer ${token}`, 'x-ms-version': '2021-12-02' };
    for (const i of [2, 3]) {
      const r = await this.ask('PUT', `/poa-config/identity-${i}.json?comp=lease`, { ...auth, 'x-ms-lease-action': 'acquire', 'x-ms-lease-duration': '-1' });
      assert.equal(r.status, 201, r.text);
    }
    this.blobs = new Map(); // address -> blob
    for (const i of [0, 1]) this.blobs.set(JSON.parse((await this.ask('GET', `/poa-config/identity-${i}.json`, auth)).text).address.toLowerCase(), `poa-config/identity-${i}.json`);
    const dirs = fs.readdirSync(path.join(local, 'instances')).sort();
    this.nodes = dirs.map((d, i) => {
      const file = path.join(local, 'instances', d, 'etc/poa-node.yaml');
      fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('  mode:', `  lease_seconds: ${LEASE_S}\n  mode:`));
      fs.rmSync(path.join(local, 'instances', d, 'var/lib/poa/identity-lease.json'), { force: true });
      return new Node(file, `127.${this.id}.1.${10 + i}`);
    });
    for (const n of this.nodes.slice(0, 2)) n.start();
    await until(`${this.mode}: both have an identity`, () => this.nodes[0].who && this.nodes[1].who, 30);
    for (const n of this.nodes.slice(2)) n.start(); // spare
    const from = Date.now();
    await until(`${this.mode}: both seal`, () => this.nodes.slice(0, 2).every((n) => n.sealed().some((s) => s.at > from)), 40);
  }
  // what the store gave to whom, by its audit log: {at, client, blob}
  grants() {
    return fs.readFileSync(path.join(this.M.dir, 'local/store/data/audit.log'), 'utf8').trim().split('\n').map((l) => JSON.parse(l))
      .filter((e) => e.op === 'blob.lease.acquire' && e.status === 201).map((e) => ({ at: Date.parse(e.time), client: e.client, blob: e.object }));
  }
  clientOf(n) { return /client_id: "(.*)"/.exec(fs.readFileSync(n.yaml, 'utf8'))[1]; }
  async stop() {
    for (const n of this.nodes ?? []) { n.stopped = true; n.proc?.kill('SIGCONT'); n.proc?.kill('SIGKILL'); }
    this.store?.kill('SIGKILL');
    this.proxy.server?.close();
    this.proxy.heal();
  }
}
const nets = [new Net(72, 'secret'), new Net(73, 'sign')];
const both = async (fn) => { await Promise.all(nets.map(fn)); };
process.on('exit', () => { for (const n of running) n.proc.kill('SIGKILL'); for (const x of nets) x.store?.kill('SIGKILL'); });

test('two networks, each with two identities and four nodes', () => both((x) => x.make()), 120);

test('the store is killed and comes back: nobody loses an identity, sealing goes on', () => both(async (x) => {
  const [a, b] = x.nodes, was = [a.who, b.who];
  await x.killStore(1500);
  const from = Date.now();
  await until(`${x.mode}: both seal`, () => [a, b].every((n) => n.sealed().some((s) => s.at > from)), 30);
  assert.deepEqual([a.who, b.who], was);
  assert.deepEqual([...a.lost(), ...b.lost()], []);
}), 60);

const facts = [];
test('one holder is paused, the other cut off, the store killed meanwhile: both stop in time, the spares take over', () => both(async (x) => {
  const [a, b, c, d] = x.nodes, heads = [a.who, b.who];
  // just after a block of its own, so that a seal is not under way in it
  const n = a.sealed().length;
  await until(`${x.mode}: a seal`, () => a.sealed().length > n, 20, 20);
  await sleep(150);
  a.proc.kill('SIGSTOP');
  x.cut = Date.now();
  x.proxy.gone.add(b.proc.pid);
  await sleep(2500);
  await x.killStore(500);
  let stops = Infinity;
  const watch = (async () => { // when the one that was cut off stops by itself: it says for how long it still may
    for (let left = 1; left > 0; await sleep(50)) {
      left = await b.metric('poa_lease_remaining_seconds').catch(() => NaN);
      if (!Number.isNaN(left)) stops = Math.min(stops, Date.now() + left * 1000); else left = 1;
    }
  })();
  await until(`${x.mode}: the spares have the identities`, () => c.who && d.who, LEASE_S + 15);
  await watch;
  assert.deepEqual([c.who, d.who].sort(), [...heads].sort());
  const taken = x.grants().filter((g) => g.at > x.cut && x.clientOf(b) !== g.client), ofB = [c, d].find((s) => s.who === b.who), at = taken.find((g) => g.client === x.clientOf(ofB)).at;
  assert.ok(stops < at, `${x.mode}: cut off, it stopped ${((stops - at) / 1000).toFixed(2)} s after another got its identity`);
  facts.push(`${x.mode}: stopped by itself ${((at - stops) / 1000).toFixed(2)} s before another got its identity`);
  const from = Date.now();
  await until(`${x.mode}: the spares seal`, () => [c, d].every((s) => s.sealed().some((e) => e.at > from)), 40);
}), 120);

test('paused and cut off come back: they learn that they have lost, and seal nothing', () => both(async (x) => {
  const [a, b, c, d] = x.nodes, counts = [a, b].map((n) => n.sealed().length);
  a.proc.kill('SIGCONT');
  x.proxy.heal();
  await until(`${x.mode}: both know`, () => a.lost().length > 0 && b.lost().length > 0, 20);
  const from = Date.now();
  await until(`${x.mode}: the new holders seal on`, () => [c, d].every((s) => s.sealed().filter((e) => e.at > from).length >= 2), 60);
  assert.deepEqual([a, b].map((n) => n.sealed().length), counts);
  for (const n of [a, b]) assert.equal(await n.metric('poa_sealing'), 0);
}), 120);

test('each seal was by who had the identity by the store\'s own record; no validator has two blocks in a step', () => both(async (x) => {
  const grants = x.grants();
  let checked = 0;
  const seen = new Map();
  for (const n of x.nodes) {
    for (const s of n.sealed()) {
      const who = n.acquired().filter((a) => a.at <= s.at).at(-1).who, holder = grants.filter((g) => g.blob === x.blobs.get(who) && g.at <= s.at).at(-1);
      assert.equal(holder.client, x.clientOf(n), `${x.mode}: #${s.number} ${s.hash}`);
      checked++;
    }
  }
  const url = x.nodes[2].url, top = await height(url);
  for (let i = 1; i <= top; i++) {
    const b = await block(url, i), key = `${b.miner}/${stepOf(b, 1)}`;
    assert.ok(!seen.has(key), `${x.mode}: two blocks of ${key}`);
    seen.set(key, b.hash);
  }
  let n = 0, s = 0;
  for (const i of x.nodes) { n += await i.metric('poa_seal_signatures_total'); s += await i.metric('poa_seal_signing_seconds_total'); }
  facts.push(`${x.mode}: ${checked} seals checked, ${((s * 1000) / n).toFixed(2)} ms a signature with its record on the disk`);
}).then(() => facts.join('; ')), 60);

test('all end', async () => { await both((x) => x.stop()); });

await run({ chained: true });
