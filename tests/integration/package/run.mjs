// scripts/package: the same bytes twice, nothing that lintian calls an error, and a package that installs, runs, is removed and purged: in an overlay of
// this machine's own file system, in a mount namespace, so that nothing of it stays.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-package-'));
const sum = { passed: 0, failed: 0, skipped: 0 };
const sh = (text, args = []) => spawnSync('bash', ['-c', text, 'x', ...args], { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 });
function test(name, body) {
  const n = sum.passed + sum.failed + sum.skipped + 1;
  try {
    const skip = body();
    if (skip) { sum.skipped++; console.log(`ok ${n} - ${name} # SKIP ${skip}`); } else { sum.passed++; console.log(`ok ${n} - ${name}`); }
  } catch (e) {
    sum.failed++;
    console.log(`not ok ${n} - ${name}\n${String(e.stack).replace(/^/gm, '# ')}`);
  }
}
let deb;

test('the same tree gives the same bytes', () => {
  for (const d of ['a', 'b']) {
    const r = sh('scripts/package "$1"', [path.join(work, d)]);
    assert.equal(r.status, 0, r.stderr);
  }
  const [name] = fs.readdirSync(path.join(work, 'a'));
  deb = path.join(work, 'a', name);
  assert.ok(fs.readFileSync(deb).equals(fs.readFileSync(path.join(work, 'b', name))));
});

test('it has the programs, units, man pages of them all, completion, templates, contracts, the member page', () => {
  const list = sh('dpkg-deb --contents "$1"', [deb]).stdout;
  for (const p of ['poa-deploy', 'poa-node', 'poa-identity-store', 'poa-evm', 'poa-agent']) {
    assert.match(list, new RegExp(`\\./usr/bin/${p}\n`));
    assert.match(list, new RegExp(`\\./usr/share/man/man1/${p}\\.1\\.gz\n`));
  }
  for (const f of ['usr/lib/systemd/system/poa-node.service', 'usr/lib/systemd/system/poa-identity-store.service', 'usr/share/bash-completion/completions/poa-deploy',
    'usr/share/poa-deploy/templates/mainTemplate.json', 'usr/share/poa-deploy/templates/ssh/host.sh', 'usr/share/poa-deploy/web/index.html']) assert.ok(list.includes(`./${f}\n`), f);
  assert.ok(/contracts\/artifacts\/\S+/.test(list));
  assert.ok(!/ \S+\/\S+ .*(?:@BIN@)/.test(list));
});

test('lintian finds no error', () => {
  if (sh('command -v lintian').status !== 0) return 'lintian is not installed';
  const r = sh('lintian --tag-display-limit 0 "$1" 2>&1 | grep "^E:"', [deb]);
  assert.equal(r.stdout, '');
});

test('installed, it runs from its own folders; removed, the state stays; purged, nothing does', () => {
  const script = `
    set -e
    mount -t tmpfs tmpfs /mnt && mkdir /mnt/up /mnt/work /mnt/root
    mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/work /mnt/root 2>/dev/null || exit 77
    mount --bind /proc /mnt/root/proc && mount --bind /dev /mnt/root/dev
    mkdir -p /mnt/root/p && cp "$1" /mnt/root/p/x.deb
    inside() { chroot /mnt/root "$@"; }
    inside rm -rf /etc/poa-node.yaml
    inside dpkg --install --force-depends /p/x.deb
    inside getent passwd poa-node poa-store
    inside poa-deploy --version && inside poa-node --version && inside poa-identity-store --help >/dev/null
    inside poa-deploy plan /p/none --json | grep -q '"create"'
    inside poa-deploy template check
    inside bash -c '. /usr/share/bash-completion/completions/poa-deploy; COMP_WORDS=(poa-deploy ssh ""); COMP_CWORD=2; _poa_deploy; echo "completion: \${COMPREPLY[*]}"'
    inside mkdir -p /var/lib/poa && inside touch /var/lib/poa/kept
    inside dpkg --remove poa-deploy && inside test -e /var/lib/poa/kept && inside test ! -e /usr/bin/poa-node
    inside dpkg --purge poa-deploy && inside test ! -e /var/lib/poa && ! inside getent passwd poa-node`;
  const r = spawnSync('unshare', ['--mount', '--propagation', 'private', 'bash', '-c', script, 'x', deb], { encoding: 'utf8' });
  if (r.status === 77 || r.error || /unshare:|permission denied/i.test(r.stderr)) return 'no overlay of the file system can be mounted here';
  assert.equal(r.status, 0, r.stderr + r.stdout);
  assert.match(r.stdout, /completion: .*run/);
});

fs.rmSync(work, { recursive: true, force: true });
console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped ? `, ${sum.skipped} skipped` : ''}`);
process.exit(sum.failed ? 1 : 0);
