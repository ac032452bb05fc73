// The machines of the stand-in's scale sets: for each instance a real poa-node, booted from the scale set's customData as cloud-init and poa-install would:
// the package is fetched from the address that the document names, with the machine's own token, checked against the pinned hash, unpacked; the node runs
// from it. What a machine's network adds is done here: its address on loopback, and the metadata service (the identity store's own endpoint of it).
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs'; import path from 'node:path';

// what Jinja and the filter at its head make of the document on Azure
export function asOnAzure(document, instance) {
  let text = document.split('\n').filter((l) => !/^# \{%/.test(l) && !/^## template/.test(l)).join('\n').replaceAll('#az ', '').replaceAll('${POA_ROOT}', '').replaceAll('- [poa-node,', '# [poa-node,');
  text = text.replace(/\{\{instance\.(\w+)\}\}/g, (_, k) => instance[k]);
  return text;
}
// write_files of the document: {path: content}; enough of YAML for block scalars
export function filesOf(text) {
  const files = {}, lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const m = /^- path: (\S+)$/.exec(lines[i]);
    if (!m) continue;
    while (!/^  content: \|$/.test(lines[i])) i++;
    const body = [];
    while (i + 1 < lines.length && (/^    /.test(lines[i + 1]) || lines[i + 1] === '')) body.push(lines[++i].slice(4));
    files[m[1]] = body.join('\n') + '\n';
  }
  return files;
}

export class Machines {
  constructor({ store, dir, member }) { Object.assign(this, { store, dir, member, all: [], log: [], documents: [] }); }
  address(region, i) { return `127.${this.member}.${region}.${10 + i}`; }
  boot(set) {
    const region = Number(/reg(\d)$/.exec(set.name)[1]), document = Buffer.from(set.properties.virtualMachineProfile.osProfile.customData, 'base64').toString();
    this.documents.push(document);
    for (let i = 0; i < set.sku.capacity; i++) {
      const name = `${set.name}${String(i).padStart(6, '0')}`, secret = randomBytes(16).toString('hex');
      this.store.clients = this.store.clients.filter((c) => c.id !== name);
      this.store.clients.push({ id: name, secret, role: 'node', container: 'poa-config' });
      this.store.writeClients();
      this.store.proc.kill('SIGHUP');
      const m = { name, region, i, address: this.address(region, i), secret, dir: path.join(this.dir, name), document };
      this.all.push(m);
      m.done = this.run(m).catch((e) => { m.failed = e; this.log.push(`${name}: ${e.stack}`); });
    }
  }
  // SSH to a machine: a real sshd, in a mount namespace where the paths of a machine are this machine's own files; systemctl and journalctl are the ones of
  // tests/fakes/ssh-host. It listens where the balancer's NAT rule leads from. '' or why it can't be done
  static sshMissing() {
    if (process.getuid() !== 0) return 'only root makes mount namespaces';
    for (const p of ['/usr/sbin/sshd', '/usr/bin/sudo', '/usr/bin/unshare', '/usr/bin/perl', '/usr/bin/ssh-keygen']) if (!fs.existsSync(p)) return `${p} is not installed`;
    return '';
  }
  async ssh(m, { address, port, publicKey }) {
    const at = path.join(m.dir, 'ssh'), unit = path.join(at, 'run/poa-node.service'), put = (name, text, mode) => { fs.mkdirSync(path.dirname(path.join(at, name)), { recursive: true }); fs.writeFileSync(path.join(at, name), text, { mode }); };
    const files = filesOf(asOnAzure(m.document, { index: m.i, address: m.address, public_address: m.address, name: m.name })), fake = new URL('../ssh-host/systemctl', import.meta.url).pathname;
    fs.rmSync(at, { recursive: true, force: true });
    execFileSync('sh', ['-c', 'mkdir -p "$1" && cp -a /etc "$1/etc" && rm -rf "$1"/etc/systemd/system/*', 'x', at]);
    put('etc/systemd/system/poa-node.service', files['/etc/systemd/system/poa-node.service']);
    for (const p of ['systemctl', 'journalctl']) put(`local/bin/${p}`, fs.readFileSync(fake), 0o755);
    for (const [name, text] of Object.entries({ state: m.unit ?? 'active', pid: m.unit ? 0 : m.proc.pid, restarts: m.restarts ?? (m.starts ?? 1) - 1, began: 1 })) put(`run/poa-node.service/${name}`, String(text));
    fs.symlinkSync(path.join(m.dir, 'out.log'), path.join(unit, 'log'));
    fs.symlinkSync(path.join(m.dir, 'local/bin/poa-node'), path.join(at, 'local/bin/poa-node'));
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path.join(at, 'key')]);
    m.hostKey = fs.readFileSync(path.join(at, 'key.pub'), 'utf8');
    put('authorized', publicKey);
    // the administrator, and the node's user: here both are the one that the node runs as
    const add = (name, text) => fs.appendFileSync(path.join(at, 'etc', name), text);
    add('passwd', 'poaadmin:x:0:0::/root:/bin/sh\npoa:x:0:0::/root:/bin/sh\n'); add('group', 'poa:x:0:\n');
    fs.writeFileSync(path.join(at, 'etc/shadow'), `${fs.readFileSync('/etc/shadow', 'utf8').replace(/^root:[^:]*:/m, 'root:*:')}poaadmin:*:19000:0:99999:7:::\n`);
    fs.copyFileSync(m.conf, path.join(at, 'etc/poa-node.yaml'));
    put('sshd_config', `HostKey ${at}/key\nAuthorizedKeysFile ${at}/authorized\nListenAddress ${address}:${port}\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin prohibit-password\nMaxStartups 100\n`);
    m.sshd = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', `mount -t tmpfs tmpfs /run; mkdir /run/sshd /run/fake-systemd; mount --bind ${at}/run /run/fake-systemd; mount -t tmpfs tmpfs /var/log; mkdir /var/log/poa
ln -s ${m.dir}/poa-node.log /var/log/poa/poa-node.log; mount --bind ${at}/local /usr/local; mount --bind ${at}/etc /etc; exec /usr/sbin/sshd -D -e -f ${at}/sshd_config`], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    await new Promise((ok, bad) => { m.sshd.stderr.on('data', (d) => { said = (said + d).slice(-4000); if (/Server listening/.test(said)) ok(); }); m.sshd.once('exit', () => bad(new Error(`sshd of ${m.name}: ${said}`))); });
  }
  async closeSsh() { await Promise.all(this.all.filter((m) => m.sshd?.exitCode === null && !m.sshd.signalCode).map((m) => new Promise((ok) => { m.sshd.removeAllListeners('exit'); m.sshd.once('exit', ok); m.sshd.kill('SIGKILL'); }))); }
  async run(m) {
    fs.mkdirSync(path.join(m.dir, 'local'), { recursive: true });
    const files = filesOf(asOnAzure(m.document, { index: m.i, address: m.address, public_address: m.address, name: m.name }));
    const install = files['/usr/local/sbin/poa-install'], uri = /--output \/run\/poa\.tar\.gz '([^']+)'/.exec(install)[1], sha = /^echo '([0-9a-f]{64}) {2}/m.exec(install)[1];
    m.uri = uri;
    let got;
    for (let k = 0; !this.stopped; k++) {
      const token = await this.store.token(m.name, 'storage').catch(() => null);
      got = token && await this.store.request('GET', new URL(uri).pathname, { headers: { authorization: `Bearer ${token}`, 'x-ms-version': '2021-12-02' }, raw: true });
      if (got?.status === 200) break;
      m.waits = k + 1;
      await new Promise((ok) => setTimeout(ok, 100));
    }
    if (this.stopped) return;
    const tar = path.join(m.dir, 'poa.tar.gz');
    fs.writeFileSync(tar, got.raw);
    if (createHash('sha256').update(got.raw).digest('hex') !== sha) throw new Error('the package is not the one that is pinned');
    execFileSync('tar', ['--extract', '--gzip', '--file', tar, '--directory', path.join(m.dir, 'local'), '--no-same-owner']);
    fs.rmSync(tar);
    fs.writeFileSync(path.join(m.dir, 'secret'), m.secret, { mode: 0o600 });
    fs.writeFileSync(path.join(m.dir, 'ca.pem'), this.store.ca);
    let conf = files['/etc/poa-node.yaml'].replace('base_path: "/var/lib/poa"', `base_path: "${m.dir}/data"`).replace('file: "/var/log/poa/poa-node.log"', `file: "${m.dir}/poa-node.log"`)
      .replace(/token_uri: "http:\/\/169\.254\.169\.254\/metadata\/identity\/oauth2\/token"/, `token_uri: "${this.store.base}/metadata/identity/oauth2/token"\n    client_id: "${m.name}"\n    client_secret_file: "${m.dir}/secret"`)
      .replace(/^ {2}token:/m, `  ca_file: "${m.dir}/ca.pem"\n  token:`);
    m.conf = path.join(m.dir, 'poa-node.yaml');
    fs.writeFileSync(m.conf, conf);
    this.start(m);
  }
  start(m) {
    m.proc = spawn(path.join(m.dir, 'local/bin/poa-node'), ['--config', m.conf], { stdio: ['ignore', 'ignore', 'pipe'] });
    m.err = '';
    m.proc.stderr.on('data', (d) => { m.err = (m.err + d).slice(-4000); fs.appendFileSync(path.join(m.dir, 'out.log'), d); });
    // Restart=always of its unit: a node that has lost its identity ends, and comes back for another
    m.proc.once('exit', () => setTimeout(() => { if (!m.stopped) { m.starts = (m.starts ?? 1) + 1; this.start(m); } }, 200));
  }
  async stop() {
    this.stopped = true;
    await this.closeSsh();
    await Promise.all(this.all.map((m) => m.done));
    for (const m of this.all) m.stopped = true;
    await Promise.all(this.all.map((m) => !m.proc || m.proc.exitCode !== null ? 0 : new Promise((ok) => { m.proc.once('exit', ok); m.proc.kill('SIGKILL'); })));
  }
}
