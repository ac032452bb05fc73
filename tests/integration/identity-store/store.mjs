// A poa-identity-store of its own in a temporary folder: certificates, clients, start, kill, tokens.
import { spawn, execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs'; import os from 'node:os'; import path from 'node:path'; import net from 'node:net'; import https from 'node:https';
const sha = (s) => createHash('sha256').update(s).digest('hex');
const freePort = () => new Promise((ok, bad) => { const s = net.createServer(); s.once('error', bad); s.listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => ok(port)); }); });

export class Store {
  static async make(binary, extra = {}) {
    const s = new Store();
    s.binary = binary; s.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-store-')); s.port = await freePort(); s.host = '127.0.0.1';
    s.base = `https://${s.host}:${s.port}`; s.tenant = 'poa-test';
    const ssl = (...a) => execFileSync('openssl', a, { cwd: s.dir, stdio: ['ignore', 'ignore', 'pipe'] });
    ssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=poa test CA', '-days', '2');
    ssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'tls.key', '-out', 'tls.csr', '-subj', '/CN=store');
    fs.writeFileSync(path.join(s.dir, 'ext'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
    ssl('x509', '-req', '-in', 'tls.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'tls.pem', '-days', '2', '-extfile', 'ext');
    s.ca = fs.readFileSync(path.join(s.dir, 'ca.pem'), 'utf8');
    s.agent = new https.Agent({ keepAlive: true, ca: s.ca, maxSockets: 64 });
    s.clients = [{ id: 'orchestrator', secret: 'orc-secret', role: 'orchestrator' },
      { id: 'node-0', secret: 'n0-secret', role: 'node', container: 'poa-config' }, { id: 'node-1', secret: 'n1-secret', role: 'node', container: 'poa-config' },
      { id: 'far', secret: 'far-secret', role: 'node', container: 'poa-config', addresses: ['10.9.0.0/16'] }];
    s.writeClients();
    s.accountKey = randomBytes(64).toString('base64'); fs.writeFileSync(path.join(s.dir, 'account.key'), s.accountKey + '\n', { mode: 0o600 });
    fs.writeFileSync(path.join(s.dir, 'store.yaml'), `listen: {address: ${s.host}, port: ${s.port}}\ntls: {cert: tls.pem, key: tls.key}\n` +
      `data_dir: data\nclients_file: clients.yaml\naccount_key_file: account.key\ntenant: ${s.tenant}\nlog_level: ${extra.log_level ?? 'info'}\n`);
    return s;
  }
  writeClients() {
    fs.writeFileSync(path.join(this.dir, 'clients.yaml'), 'clients:\n' + this.clients.map((c) => `  - {id: ${c.id}, secret_sha256: "${sha(c.secret)}", role: ${c.role}` +
      `${c.container ? `, container: ${c.container}` : ''}${c.addresses ? `, addresses: [${c.addresses}]` : ''}}\n`).join(''));
  }
  async start() {
    this.log = '';
    this.proc = spawn(this.binary, ['--config', path.join(this.dir, 'store.yaml')], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.exited = new Promise((ok) => this.proc.once('exit', (code, sig) => ok({ code, sig })));
    this.proc.stderr.on('data', (d) => { this.log += d; });
    for (let i = 0; i < 400; i++) {
      if (this.log.includes('serving ')) return;
      if (this.proc.exitCode !== null) break;
      await new Promise((r) => setTimeout(r, 10));
    }
    throw new Error('the store did not start: ' + this.log);
  }
  async kill(signal = 'SIGKILL') { this.proc.kill(signal); this.agent.destroy(); this.agent = new https.Agent({ keepAlive: true, ca: this.ca, maxSockets: 64 }); return this.exited; }
  remove() { this.agent.destroy(); fs.rmSync(this.dir, { recursive: true, force: true }); }
  // one raw request: {status, headers, body}
  request(method, url, { headers = {}, body } = {}) {
    return new Promise((ok, bad) => {
      const r = https.request(this.base + url, { method, headers: { ...headers, ...(body !== undefined ? { 'content-length': Buffer.byteLength(body) } : {}) }, agent: this.agent },
        (x) => { const c = []; x.on('data', (d) => c.push(d)); x.on('end', () => ok({ status: x.statusCode, headers: x.headers, body: Buffer.concat(c).toString() })); });
      r.on('error', bad); r.end(body);
    });
  }
  async token(id, audience) {
    const c = this.clients.find((x) => x.id === id);
    const r = await this.request('POST', `/${this.tenant}/oauth2/v2.0/token`, { headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: id, client_secret: c.secret, scope: `https://${audience}.azure.net/.default`.replace('storage.azure.net', 'storage.azure.com') }).toString() });
    if (r.status !== 200) throw new Error(`token for ${id}: ${r.status} ${r.body}`);
    return JSON.parse(r.body).access_token;
  }
  // a raw call with a token of `id`
  async as(id, method, url, { headers = {}, body } = {}) {
    const vault = /^\/(deleted)?(secrets|keys)\b/.test(url);
    this.tokens ??= {};
    const t = this.tokens[`${id} ${vault}`] ??= await this.token(id, vault ? 'vault' : 'storage');
    return this.request(method, url, { headers: { authorization: `Bearer ${t}`, ...(vault ? {} : { 'x-ms-version': '2021-12-02' }), ...headers }, body });
  }
}
