// What the walks share: an identity store, a stand-in of Azure in front of it, machines behind it, poa-deploy on top.
import { execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs'; import os from 'node:os'; import path from 'node:path';
import { fileURLToPath } from 'node:url';
import https from 'node:https';
import { Azure } from '../../fakes/azure/azure.mjs';
import { Machines } from '../../fakes/azure/machines.mjs';
import { Store } from '../identity-store/store.mjs';

export const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const bin = process.env.POA_BIN ?? path.join(root, 'build/release');
export const tool = path.join(bin, 'poa-arm-run');
if (!fs.existsSync(tool)) execFileSync('make', ['-s', '-j2', `B=${path.relative(root, bin) || bin}`, `${path.relative(root, bin) || bin}/poa-arm-run`], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
export const sleep = (ms) => new Promise((ok) => setTimeout(ok, ms));
export const CLIENT = 'aaaaaaaa-0000-4000-8000-000000000001', SECRET = 'a very secret secret ~!*()\'', OBJECT = 'bbbbbbbb-0000-4000-8000-000000000001', MANAGED = 'aaaaaaaa-0000-4000-8000-000000000002';

class RawStore extends Store {
  // binary bodies too
  request(method, url, o = {}) {
    if (!o.raw) return super.request(method, url, o);
    return new Promise((ok, bad) => {
      const r = https.request(this.base + url, { method, headers: o.headers, agent: this.agent }, (x) => { const c = []; x.on('data', (d) => c.push(d)); x.on('end', () => ok({ status: x.statusCode, raw: Buffer.concat(c) })); });
      r.on('error', bad); r.end();
    });
  }
}

// A door before the store that sees each request: what a run is killed at is a request, not a time. look(line, headers, phase) is asked before one goes on and
// before its answer goes back; true: the connection is cut.
async function door(store, tls) {
  const gate = { look: async () => false, agent: new https.Agent({ keepAlive: true, rejectUnauthorized: false }) };
  gate.server = https.createServer(tls, async (q, r) => {
    const line = `${q.method} ${q.url}`, chunks = [];
    for await (const c of q) chunks.push(c);
    if (await gate.look(line, q.headers, 'before')) return q.socket.destroy();
    const on = https.request(store.base + q.url, { method: q.method, headers: q.headers, agent: gate.agent }, async (x) => {
      const body = [];
      for await (const c of x) body.push(c);
      if (await gate.look(line, q.headers, 'after')) return q.socket.destroy();
      r.writeHead(x.statusCode, x.headers); r.end(Buffer.concat(body));
    });
    on.on('error', () => q.socket.destroy());
    on.end(Buffer.concat(chunks));
  });
  await new Promise((ok) => gate.server.listen(0, '127.0.0.1', ok));
  gate.base = `https://127.0.0.1:${gate.server.address().port}`;
  gate.close = () => { gate.agent.destroy(); gate.server.closeAllConnections?.(); return new Promise((ok) => gate.server.close(ok)); };
  return gate;
}

export class Rig {
  static async make({ member = 77, nodes = true, watch = false, ...options } = {}) {
    const r = new Rig();
    r.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-azure-'));
    r.member = member;
    r.store = await Store.make.call(RawStore, path.join(bin, 'poa-identity-store'));
    Object.setPrototypeOf(r.store, RawStore.prototype);
    r.store.clients.push({ id: 'deployer', secret: 'deployer-secret', role: 'node', container: 'nothing' });
    r.store.writeClients();
    await r.store.start();
    r.ca = path.join(r.store.dir, 'ca.pem');
    const ssl = (...a) => execFileSync('openssl', a, { cwd: r.dir, stdio: ['ignore', 'ignore', 'pipe'] });
    ssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'client.key', '-out', 'client.crt', '-subj', '/CN=poa deployer', '-days', '2');
    r.clientPem = path.join(r.dir, 'client.pem');
    fs.writeFileSync(r.clientPem, fs.readFileSync(path.join(r.dir, 'client.key'), 'utf8') + fs.readFileSync(path.join(r.dir, 'client.crt'), 'utf8'), { mode: 0o600 });
    r.cluster = generateKeyPairSync('rsa', { modulusLength: 2048 });
    r.machines = new Machines({ store: r.store, dir: path.join(r.dir, 'machines'), member });
    const principals = { [CLIENT]: { objectId: OBJECT, secret: SECRET, storeClient: 'deployer', certificate: fs.readFileSync(path.join(r.dir, 'client.crt'), 'utf8'), federated: { issuer: 'https://cluster.example', subject: 'system:serviceaccount:poa:deployer', key: r.cluster.publicKey } },
      [MANAGED]: { objectId: 'bbbbbbbb-0000-4000-8000-000000000002' } };
    const tls = { key: fs.readFileSync(path.join(r.store.dir, 'tls.key')), cert: fs.readFileSync(path.join(r.store.dir, 'tls.pem')) };
    if (watch) r.gate = await door(r.store, tls);
    r.azure = await Azure.start({ tool, store: r.store, storeBase: r.gate?.base, principals, machineIdentity: MANAGED, tls,
      machines: nodes ? (g, set) => r.machines.boot(set) : null, address: (g, res, region) => (/lbpip/.test(res.name) ? r.machines.address(region, 0) : '203.0.113.9'), ...options });
    // Run Command: what the machine's own shell answers to the one thing that is asked
    r.azure.shell = async (set, i, script) => { const m = r.machines.all.find((x) => x.name === `${set.name}${String(i).padStart(6, '0')}`); return script === 'cat /etc/ssh/ssh_host_ed25519_key.pub' ? { out: m?.hostKey ?? '', err: '' } : { out: '', err: `what is ${script}?` }; };
    r.azure.container = async (name) => { await r.store.as('orchestrator', 'PUT', `/${name}?restype=container`, { body: '' }); };
    // what the deployer may do at vault and storage, it may by its role assignments, some time after they were made
    r.azure.granted = (who, scope) => { if (who === OBJECT && /storageAccounts/.test(scope)) setTimeout(() => r.grant(true), r.grantMs ?? 0); };
    // with the group go its machines and its storage account; what the vault held stays in it
    r.azure.halt = async () => { await r.machines.stop(); fs.rmSync(r.machines.dir, { recursive: true, force: true }); r.machines.all = []; r.machines.stopped = false; r.grant(false); await r.store.as('orchestrator', 'DELETE', '/poa-config?restype=container'); };
    fs.writeFileSync(path.join(r.dir, 'secret'), SECRET + '\n', { mode: 0o600 });
    try { execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path.join(r.dir, 'id')]); } catch { fs.writeFileSync(path.join(r.dir, 'id.pub'), 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGkv6vPq0dLQJp8N0b2hQw3mT9rTFX1m6XfX9u2s0w3Z poa@test\n'); }
    r.rounds = 0;
    // most runs need not pack the programs anew
    const pack = path.join(r.dir, 'pack');
    fs.mkdirSync(path.join(pack, 'bin'), { recursive: true });
    for (const p of ['poa-node', 'poa-agent']) fs.copyFileSync(path.join(bin, p), path.join(pack, 'bin', p));
    r.package = path.join(r.dir, 'package.tar.gz');
    execFileSync('sh', ['-c', `tar -c -C '${pack}' bin | gzip -1 >'${r.package}'`]);
    return r;
  }
  grant(yes) {
    const c = this.store.clients.find((x) => x.id === 'deployer');
    Object.assign(c, yes ? { role: 'orchestrator', container: undefined } : { role: 'node', container: 'nothing' });
    this.store.writeClients();
    this.store.proc.kill('SIGHUP');
  }
  flags(extra = {}) {
    const f = { '--target': 'azure', '--subscription': this.azure.subscription, '--resource-group': 'poa-test', '--locations': 'westeurope', '--ssh-key-file': path.join(this.dir, 'id.pub'), '--member-id': this.member, '--step': 1,
      '--azure-login': 'secret', '--tenant': this.azure.tenant, '--client-id': CLIENT, '--client-secret-file': path.join(this.dir, 'secret'), '--authority-host': this.azure.base, '--arm-endpoint': this.azure.base, '--azure-ca-file': this.ca, '--node-package': this.package, ...extra };
    return Object.entries(f).filter(([, v]) => v !== null && v !== undefined).flatMap(([k, v]) => [k, String(v)]);
  }
  // poa-deploy -> {code, out, err, json}
  run(args, { env = {}, onLine, onOut, measure } = {}) {
    return new Promise((ok) => {
      const program = path.join(bin, 'poa-deploy'), code = 'import resource,subprocess,sys; c = subprocess.call(sys.argv[2:]); open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)); sys.exit(c)';
      const p = spawn(measure ? 'python3' : program, measure ? ['-c', code, measure, program, ...args] : args, { cwd: this.dir, env: { PATH: process.env.PATH, HOME: this.dir, POA_SHARE: process.env.POA_SHARE ?? root, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
      this.last = p;
      let out = '', err = '';
      p.stdout.on('data', (d) => { out += d; onOut?.(out, p); });
      p.stderr.on('data', (d) => { err += d; onLine?.(err, p); });
      p.once('close', (code, signal) => { let json; try { json = JSON.parse(out); } catch { /* none */ } ok({ code, signal, out, err, json, ...(measure ? { maxrss: Number(fs.readFileSync(measure)) } : {}) }); });
    });
  }
  newNetwork(dir, extra = {}, o = {}) { return this.run(['new', dir, '--yes', '--json', ...this.flags(extra)], o); }
  async forget() { // as if nothing had been deployed
    await this.machines.stop();
    this.machines = new Machines({ store: this.store, dir: path.join(this.dir, `machines${++this.rounds}`), member: this.member });
    this.azure.groups.clear(); this.azure.deletedVaults.clear(); this.azure.takenNames.clear(); this.azure.faults = []; this.azure.broken = []; this.azure.log = []; this.azure.bodies = [];
    Object.assign(this.azure, { slow: undefined, createMs: 0, cores: 350 });
    await this.store.kill();
    fs.rmSync(path.join(this.store.dir, 'data'), { recursive: true, force: true });
    this.store.tokens = {};
    Object.assign(this.store.clients.find((x) => x.id === 'deployer'), { role: 'node', container: 'nothing' });
    this.store.clients = this.store.clients.filter((c) => !c.id.startsWith('vl-'));
    this.store.writeClients();
    await this.store.start();
  }
  async close() { await this.machines.stop(); await this.azure.stop(); await this.gate?.close(); await this.store.kill(); this.store.remove(); fs.rmSync(this.dir, { recursive: true, force: true }); }
}
