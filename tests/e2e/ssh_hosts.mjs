// Hosts for the tests of the ssh target: network namespaces on one bridge, each with a real sshd and folders of its own (tests/fakes/ssh-host).
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { assert, exec, root, sleep, until } from './lib.mjs';

const fakes = path.join(root, 'tests/fakes/ssh-host');
const must = (file, ...args) => {
  const r = spawnSync(file, args, { encoding: 'utf8' });
  assert.equal(r.status, 0, `${file} ${args.join(' ')}: ${r.stderr}`);
  return r.stdout;
};

// inNamespace: run this file again in a network and mount namespace of its own, so that all of it ends with it; '' or why it can't be done
export function inNamespace(url) {
  if (process.env.POA_SSH_NAMESPACE === '1') return '';
  if (process.getuid() !== 0) return 'only root makes network namespaces';
  for (const p of ['/usr/sbin/sshd', '/usr/bin/sudo', '/usr/bin/setpriv', '/usr/bin/perl', '/usr/bin/ssh-keygen']) if (!fs.existsSync(p)) return `${p} is not installed`;
  const probe = spawnSync('unshare', ['--net', '--mount', '--pid', '--uts', '--fork', '--mount-proc', 'sh', '-c', 'ip link add br0 type bridge && mount -t tmpfs tmpfs /mnt']);
  if (probe.status !== 0) return `namespaces cannot be made here: ${String(probe.stderr).trim()}`;
  const r = spawnSync('unshare', ['--net', '--mount', '--propagation', 'private', process.execPath, url, ...process.argv.slice(2)],
    { stdio: 'inherit', env: { ...process.env, POA_SSH_NAMESPACE: '1' } });
  process.exit(r.status ?? 1);
}

export class Hosts {
  constructor(folder) {
    this.folder = path.join(folder, 'hosts');
    this.list = new Map();
    fs.mkdirSync(this.folder, { recursive: true });
    must('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', path.join(this.folder, 'key'));
    must('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', path.join(this.folder, 'stranger'));
    must('ip', 'link', 'set', 'lo', 'up');
    must('ip', 'link', 'add', 'br0', 'type', 'bridge');
    must('ip', 'address', 'add', '10.77.0.254/24', 'dev', 'br0');
    must('ip', 'link', 'set', 'br0', 'up');
  }
  get key() { return path.join(this.folder, 'key'); }
  get stranger() { return path.join(this.folder, 'stranger'); }
  address(i) { return `10.77.0.${i}`; }
  dir(i) { return path.join(this.folder, `host${i}`); }
  async start(i) {
    const p = spawn('unshare', ['--net', '--mount', '--pid', '--uts', '--fork', '--kill-child', '--mount-proc', path.join(fakes, 'boot'), this.dir(i), this.address(i)],
      { stdio: ['ignore', 'ignore', fs.openSync(path.join(this.folder, `host${i}.log`), 'a')] });
    this.list.set(i, p);
    // the namespace is the one of unshare's child
    const pid = await until(`host ${i} begins`, () => {
      const c = fs.readFileSync(`/proc/${p.pid}/task/${p.pid}/children`, 'utf8').trim();
      return c && fs.readlinkSync(`/proc/${c}/ns/net`) !== fs.readlinkSync('/proc/self/ns/net') && c;
    }, 10, 10);
    p.inner = pid;
    must('ip', 'link', 'add', `v${i}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pid);
    must('ip', 'link', 'set', `v${i}`, 'master', 'br0', 'up');
    await until(`sshd of host ${i} listens`, () => /:0016 .* 0A /.test(fs.readFileSync(`/proc/${pid}/net/tcp`, 'utf8')), 20, 20);
  }
  startAll(...ids) { return Promise.all(ids.map((i) => this.start(i))); }
  // as when the plug is pulled
  async kill(i) {
    const p = this.list.get(i);
    this.list.delete(i);
    const gone = new Promise((ok) => p.on('exit', ok));
    p.kill('SIGKILL');
    await gone;
    await until(`the network of host ${i} is gone`, () => spawnSync('ip', ['link', 'show', `v${i}`]).status !== 0, 10, 20);
  }
  // a command on it, as its root, without SSH
  on(i, ...command) { return exec('nsenter', ['--target', this.list.get(i).inner, '--net', '--mount', '--pid', '--uts', ...command]); }
  async sh(i, text) { const r = await this.on(i, 'sh', '-c', text); return r.out.trim(); }
  fingerprint(i) { return must('ssh-keygen', '-lf', path.join(this.dir(i), 'etc/ssh/ssh_host_ed25519_key.pub')).split(' ')[1]; }
  pins(...ids) { return ids.map((i) => `${this.address(i)}=${this.fingerprint(i)}`).join(','); }
  async stop() {
    for (const p of this.list.values()) p.kill('SIGKILL');
    await sleep(50);
  }
}
