// The ssh target: a network on four hosts, a member that joins on two others, faults, kills, upgrade, logs, destroy. The hosts are network namespaces
// with a real sshd each; systemd alone is a stand-in (tests/fakes/ssh-host), since it cannot run in one.
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Hosts, inNamespace } from './ssh_hosts.mjs';
import { assert, bin, block, done, exec, height, leaf, list, poa, root, run, skip, sleep, test, until, workFolder } from './lib.mjs';

const why = inNamespace(fileURLToPath(import.meta.url));
if (why) {
  console.log(`TAP version 13\nok 1 - networks on hosts # SKIP ${why}\n1..1\n0 passed, 0 failed, 1 skipped`);
  process.exit(0);
}
const work = workFolder();
const hosts = new Hosts(work);
const a = path.join(work, 'a'), b = path.join(work, 'b');
const at = (...ids) => ids.map((i) => hosts.address(i)).join(',');
const ssh = ['--target', 'ssh', '--yes', '--json', '--identity-file', hosts.key, '--step', '1'];
const rpcOf = (i) => `http://${hosts.address(i)}:8545`;
const onHosts = (...ids) => ['--hosts', `${hosts.address(ids[0])},root@${hosts.address(ids[1])}${ids.length > 2 ? ',' + at(...ids.slice(2)) : ''}`, '--nodes', String(ids.length)];
let newA; // the flags of A
let outputs;
const errorOf = (r) => r.json?.error?.message ?? '';

test('six hosts come up, each with a network, folders and an sshd of its own', async () => {
  await hosts.startAll(1, 2, 3, 4, 5, 6);
  newA = ['new', a, ...ssh, ...onHosts(1, 2, 3, 4), '--host-keys', hosts.pins(1, 2, 3, 4)];
});

test('the units are such as systemd reads, and hardened', async () => {
  if (!fs.existsSync('/usr/bin/systemd-analyze')) skip('no systemd-analyze');
  const to = path.join(work, 'units');
  fs.mkdirSync(to);
  const notes = [];
  for (const u of ['poa-node', 'poa-identity-store', 'poa-haproxy']) {
    const f = path.join(to, `${u}.service`);
    fs.writeFileSync(f, fs.readFileSync(path.join(root, `templates/ssh/${u}.service`), 'utf8').replace('@BIN@', bin).replace('@HAPROXY@', '/usr/sbin/haproxy'));
    const v = spawnSync('systemd-analyze', ['verify', '--man=no', f], { encoding: 'utf8' });
    assert.equal(v.status, 0, v.stderr);
    assert.equal(v.stderr.trim(), '');
    const s = spawnSync('systemd-analyze', ['security', '--offline=true', f], { encoding: 'utf8' });
    const score = /exposure level for \S+ ([0-9.]+)/.exec(s.stdout)?.[1];
    if (score) assert.ok(+score < 3, `${u}: ${score}`);
    notes.push(`${u} ${score ?? 'not scored'}`);
  }
  return `exposure: ${notes.join(', ')}`;
});

test('settings that do not fit together are refused before a host hears of them', async () => {
  const no = async (text, ...flags) => {
    const r = await poa(['new', path.join(work, 'none'), '--target', 'ssh', '--yes', '--json', ...flags]);
    assert.equal(r.code, 2, r.err);
    assert.match(r.err, text);
  };
  await no(/--hosts \(hosts\.nodes\): missing/);
  await no(/2 hosts are named, but --regions 1 with --nodes 3 each need 3/, '--hosts', at(1, 2), '--nodes', '3');
  await no(/10\.77\.0\.1 stands there twice/, '--hosts', at(1, 1));
  await no(/each entry is .USER@.ADDRESS/, '--hosts', 'somewhere,10.77.0.2');
  await no(/each entry is ADDRESS=SHA256/, '--hosts', at(1, 2), '--host-keys', '10.77.0.1=MD5:11:22');
  await no(/more than one for each of the 1 regions/, '--hosts', at(1, 2), '--balancers', at(5, 6));
  const r = await poa(['new', path.join(work, 'none'), '--yes', '--hosts', at(1, 2)]);
  assert.equal(r.code, 2);
  assert.match(r.err, /only the ssh target has hosts/);
});

test('an unknown host key, a wrong one, a refused log-in and a host that is not there: each by its name, and nothing is changed', async () => {
  const dir = path.join(work, 'bad');
  const attempt = async (flags) => poa(['new', dir, '--target', 'ssh', '--yes', '--json', ...flags]);
  let r = await attempt([...onHosts(1, 2), '--identity-file', hosts.key]);
  assert.equal(r.code, 1);
  assert.match(errorOf(r), /2 of 2 hosts: 10\.77\.0\.1: its host key is not known: it shows SHA256:/);
  assert.ok(errorOf(r).includes(hosts.fingerprint(1)));
  r = await attempt([...onHosts(1, 2), '--identity-file', hosts.key, '--host-keys', `${hosts.address(1)}=${hosts.fingerprint(2)},${hosts.address(2)}=${hosts.fingerprint(2)}`]);
  assert.equal(r.code, 1);
  assert.match(errorOf(r), /^10\.77\.0\.1: WRONG HOST KEY: .*nothing was sent/);
  r = await attempt([...onHosts(1, 2), '--identity-file', hosts.stranger, '--host-keys', hosts.pins(1, 2)]);
  assert.equal(r.code, 1);
  assert.match(errorOf(r), /10\.77\.0\.1 refuses the log-in of poaadmin with the key/);
  // an RSA key that the host would take: libssh2 before 1.11 can't use it, and it is said so
  const rsa = path.join(work, 'rsa');
  assert.equal(spawnSync('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', rsa]).status, 0);
  fs.appendFileSync(path.join(hosts.dir(1), 'etc/ssh/authorized_keys/poaadmin'), fs.readFileSync(`${rsa}.pub`));
  r = await attempt([...onHosts(1, 2), '--identity-file', rsa, '--host-keys', hosts.pins(1, 2)]);
  assert.equal(r.code, 1);
  assert.ok(/10\.77\.0\.1 refuses the log-in of poaadmin with \S+: that is an RSA key, which the libssh2 1\.\d+\.\d+ .*ssh-keygen -t ed25519/.test(errorOf(r)) || !/10\.77\.0\.1 refuses/.test(errorOf(r)), errorOf(r));
  r = await attempt([...onHosts(1, 99), '--identity-file', hosts.key, '--host-keys', hosts.pins(1)]);
  assert.equal(r.code, 1);
  assert.match(errorOf(r), /^10\.77\.0\.99:22 (cannot be reached|does not answer)/);
  for (const i of [1, 2]) assert.equal(await hosts.sh(i, 'ls -d /etc/poa* /opt/poa /var/lib/poa* 2>/dev/null'), '');
});

test('a wrong system, a port in use, a full disk and a wrong clock are found on all hosts in one go', async () => {
  await hosts.sh(3, 'sed -i "s/^ID=.*/ID=plan9/; s/^PRETTY_NAME=.*/PRETTY_NAME=\\"Plan 9\\"/; /^ID_LIKE/d" /etc/os-release');
  const busy = await hosts.on(4, 'sh', '-c', 'perl -MIO::Socket::INET -e \'$s = IO::Socket::INET->new(LocalPort => 30300, Listen => 1) or die; close STDOUT; close STDERR; sleep 60\' & echo $!');
  await hosts.sh(5, 'mkdir -p /var/lib/poa && mount -t tmpfs -o size=20M tmpfs /var/lib/poa');
  await hosts.sh(6, 'printf "#!/bin/sh\\nexec /usr/bin/faketime -f +90s /usr/bin/date \\"\\$@\\"\\n" > /usr/local/bin/date; chmod +x /usr/local/bin/date');
  await until('the port is taken', async () => (await hosts.sh(4, 'grep -c :765C /proc/net/tcp')) === '1', 5, 50);
  const r = await poa(['new', path.join(work, 'bad'), ...ssh, ...onHosts(3, 4, 5, 6), '--host-keys', hosts.pins(3, 4, 5, 6)]);
  assert.equal(r.code, 1, r.err);
  assert.match(errorOf(r), /4 of 4 hosts: 10\.77\.0\.3: it runs Plan 9; Debian 12/);
  assert.match(errorOf(r), /10\.77\.0\.4: its port 30300 is in use by another program/);
  assert.match(errorOf(r), /10\.77\.0\.5: its disk is full: \d+ MiB are free in \/var\/lib/);
  if (fs.existsSync('/usr/bin/faketime')) assert.match(errorOf(r), /10\.77\.0\.6: its clock is (89|90)\.\d s ahead of this machine's/);
  await hosts.sh(4, `kill ${+busy.out}`);
  await hosts.sh(3, 'cp -L /usr/lib/os-release /etc/os-release');
  await hosts.sh(5, 'umount /var/lib/poa; rmdir /var/lib/poa');
  await hosts.sh(6, 'rm /usr/local/bin/date');
});

test('a package with another digest than the pinned one goes nowhere; one that does not fit says so', async () => {
  const pack = path.join(work, 'other.tar.gz');
  assert.equal(spawnSync('tar', ['-czf', pack, '-C', bin, 'poa-node']).status, 0);
  let r = await poa(['new', path.join(work, 'bad'), ...ssh, ...onHosts(1, 2), '--host-keys', hosts.pins(1, 2), '--package', pack, '--package-sha256', '0'.repeat(64)]);
  assert.equal(r.code, 1);
  assert.match(errorOf(r), /has the sha256 [0-9a-f]{64}, but --package-sha256 .* it is not the package that was meant/);
  await done(['destroy', path.join(work, 'bad'), '--yes']);
  await hosts.sh(2, 'mkdir -p /var/cache/poa-deploy && mount -t tmpfs -o size=64k tmpfs /var/cache/poa-deploy');
  r = await poa(['new', path.join(work, 'bad'), ...ssh, ...onHosts(1, 2), '--host-keys', hosts.pins(1, 2)]);
  assert.equal(r.code, 1);
  assert.match(errorOf(r), /10\.77\.0\.2: the disk is full: the package does not fit/);
  await hosts.sh(2, 'umount /var/cache/poa-deploy');
  await done(['destroy', path.join(work, 'bad'), '--yes']);
});

test('new is killed at three points; the same command goes on, an upload from where it was cut', async () => {
  for (const point of [/done: look at/, /done: bring the programs/, /done: put the identities/]) {
    const r = await poa(newA, { onErr: (text, p) => { if (point.test(text)) p.kill('SIGKILL'); } });
    assert.equal(r.signal, 'SIGKILL', r.err);
    if (String(point).includes('bring')) {
      // as if the upload had been cut: half of it on host 1, something else on host 2
      const file = path.join(a, 'local/package.tar.gz'), sha = spawnSync('sha256sum', [file], { encoding: 'utf8' }).stdout.slice(0, 64);
      const half = fs.readFileSync(file).subarray(0, fs.statSync(file).size / 2 | 0);
      for (const i of [1, 2]) {
        fs.rmSync(path.join(hosts.dir(i), `opt/poa/releases/${sha}`), { recursive: true });
        const part = path.join(hosts.dir(i), `var/cache/poa-deploy/${sha}.part`);
        fs.mkdirSync(path.dirname(part), { recursive: true });
        fs.writeFileSync(part, i === 1 ? half : Buffer.alloc(half.length, 'x'));
        fs.writeFileSync(path.join(hosts.folder, `host${i}.log`), '');
      }
    }
  }
  const received = (i) => Math.max(...[...fs.readFileSync(path.join(hosts.folder, `host${i}.log`), 'utf8').matchAll(/received (\d+) bytes/g)].map((m) => +m[1]), 0);
  const began = Date.now(), r = await done(newA);
  outputs = r.json;
  assert.ok(r.json, r.out);
  await until('all four seal', async () => {
    const n = await height(rpcOf(1)), seen = new Set();
    for (let k = Math.max(1, n - 8); k <= n; k++) seen.add((await block(rpcOf(1), k)).author ?? (await block(rpcOf(1), k)).miner);
    return seen.size === 4;
  }, 30);
  assert.equal((await poa(newA)).code, 3, 'a finished one is left alone');
  return `${((Date.now() - began) / 1000).toFixed(1)} s from the last start to four sealers; most in one session: host 1 ${received(1)} bytes, host 2 ${received(2)}`;
});

leaf('nothing runs as root, no secret is readable by others, and none is in the git record', async () => {
  for (const [unit, user] of [['poa-node', 'poa-node'], ['poa-identity-store', 'poa-store'], ['poa-haproxy', 'haproxy']]) {
    const line = await hosts.sh(1, `pid=$(systemctl show --property=MainPID --value ${unit}.service); stat -c %U /proc/$pid; grep -E '^(NoNewPrivs|CapEff)' /proc/$pid/status | tr '\\n' ' '; grep 'core file' /proc/$pid/limits; nsenter -t $pid -m sh -c 'touch /etc/x 2>&1 || true'`);
    assert.match(line, new RegExp(`^${user}\n`));
    assert.match(line, /NoNewPrivs:\s1/);
    assert.match(line, unit === 'poa-haproxy' ? /CapEff:\s0{13}400/ : /CapEff:\s0{16}/);
    assert.match(line, /core file size\s+0\s+0/);
    assert.match(line, /Read-only file system/);
  }
  assert.equal(await hosts.sh(1, 'stat -c "%a %U" /etc/poa/identity-secret /etc/poa-store/server.key /etc/poa-store/clients.yaml'), '400 poa-node\n400 poa-store\n400 poa-store');
  const secret = fs.readFileSync(path.join(hosts.dir(1), 'etc/poa/identity-secret'), 'utf8');
  const log = spawnSync('git', ['-C', a, 'log', '-p', '--all'], { encoding: 'utf8' }).stdout;
  assert.ok(log.length > 100 && !log.includes(secret));
  assert.ok(!log.includes(fs.readFileSync(path.join(a, 'admin/password'), 'utf8')));
});

leaf('status, outputs and ssh run speak of the hosts', async () => {
  const s = await done(['status', a, '--json']);
  assert.equal(s.json.healthy, true);
  assert.deepEqual(s.json.instances.map((x) => x.address), [1, 2, 3, 4].map((i) => hosts.address(i)));
  assert.equal(outputs.SSH_TO_FIRST_VL_NODE_REGION1, 'ssh poaadmin@10.77.0.1');
  assert.equal(outputs.ETHEREUM_RPC_ENDPOINT, 'http://10.77.0.1:18545');
  assert.ok(await height(outputs.ETHEREUM_RPC_ENDPOINT) > 0);
  const r = await poa(['ssh', 'run', 'hostname; test $(hostname) != host3', a, '--json']);
  assert.equal(r.code, 1);
  assert.deepEqual(r.json.map((x) => [x.output.trim(), x.exit]), [['host1', 0], ['host2', 0], ['host3', 1], ['host4', 0]]);
  const one = await done(['ssh', 'run', 'id -un', a, '--instance', '000001']);
  assert.equal(one.out, '10.77.0.2: root\n');
  assert.equal((await poa(['ssh', 'run', 'true', a, '--instance', 'nobody'])).code, 2);
});

leaf('logs of all hosts come as one stream, and go on', async () => {
  const r = await done(['logs', a, '--json', '--since', '5m']);
  const names = new Set(r.json.map((x) => x.instance));
  assert.ok(names.has('identity-store') && [...names].filter((n) => n.startsWith('vl-')).length === 4, [...names].join(' '));
  assert.deepEqual(r.json.map((x) => x.time), r.json.map((x) => x.time).sort());
  let seen = new Set();
  const f = await poa(['logs', a, '--follow', '--since', '1s'], { limit_s: 30, onSpawn: (p) => {
    p.stdout.on('data', (d) => { for (const m of String(d).matchAll(/(vl-\S+) INFO  chain    (?:Imported|Sealed)/g)) seen.add(m[1]); if (seen.size === 4) p.kill('SIGTERM'); });
  } });
  assert.equal(f.signal, 'SIGTERM');
  assert.equal(seen.size, 4);
  await done(['logs', a, '--instance', 'haproxy']);
});

test('another member joins on two hosts of its own', async () => {
  const flags = ['join', b, ...ssh.filter((x) => x !== '--step' && x !== '1'), ...onHosts(5, 6), '--trust-on-first-use', 'true', '--member-id', '1', '--data-url', outputs.CONSORTIUM_DATA_URL];
  const r = await done(flags);
  assert.equal(r.json.GENESIS_HASH, outputs.GENESIS_HASH);
  await until('B follows A', async () => await height(rpcOf(5)) >= await height(rpcOf(1)) - 1 && await height(rpcOf(6)) > 0, 20);
  assert.equal(fs.readFileSync(path.join(b, 'known_hosts'), 'utf8').trim().split('\n').length, 2);
});

const rlp = path.join(work, 'chain.rlp');
let exported;
leaf('the chain of hosts is exported while all goes on; it is not taken in by nodes that run', async () => {
  const before = await height(rpcOf(1));
  exported = { height: before, ...(await done(['chain', 'export', rlp, a, '--json'])).json };
  assert.equal(exported.state, 'exported');
  assert.ok(before > 2 && exported.bytes > before * 500, `${exported.bytes} bytes of ${before} blocks`);
  assert.match((await poa(['chain', 'export', rlp, a])).err, /exists already/);
  const busy = await poa(['chain', 'import', rlp, b, '--json']);
  assert.equal(busy.code, 1);
  assert.match(errorOf(busy), /its node runs: stop it first \(poa-deploy down\)/);
});

leaf('a host whose key has changed is refused by name from then on', async () => {
  const f = path.join(b, 'known_hosts'), kept = fs.readFileSync(f, 'utf8'), other = fs.readFileSync(path.join(hosts.dir(1), 'etc/ssh/ssh_host_ed25519_key.pub'), 'utf8').split(' ')[1];
  fs.writeFileSync(f, kept.replace(/^(10\.77\.0\.5 ssh-ed25519) \S+/m, `$1 ${other}`));
  const r = await poa(['down', b, '--json']);
  assert.equal(r.code, 1);
  assert.match(errorOf(r), /^10\.77\.0\.5: WRONG HOST KEY: the host shows SHA256:.*another one stands in .*known_hosts/);
  fs.writeFileSync(f, kept);
  // the other host was left alone, too
  assert.ok(await height(rpcOf(6)) > 0);
});

leaf('the git record is pushed over SSH, and not to a host whose key is another', async () => {
  const home = path.join(work, 'home'), key = fs.readFileSync(path.join(hosts.dir(6), 'etc/ssh/ssh_host_ed25519_key.pub'), 'utf8').split(' ')[1];
  const other = fs.readFileSync(path.join(hosts.dir(1), 'etc/ssh/ssh_host_ed25519_key.pub'), 'utf8').split(' ')[1];
  fs.mkdirSync(path.join(home, '.ssh'), { recursive: true });
  fs.copyFileSync(hosts.key, path.join(home, '.ssh/id_ed25519'));
  await hosts.sh(6, 'su poaadmin -c "git init --quiet --bare --initial-branch=main /home/poaadmin/record.git"');
  const push = (known) => {
    fs.writeFileSync(path.join(home, '.ssh/known_hosts'), `10.77.0.6 ssh-ed25519 ${known}\n`);
    return poa(['ssh', 'run', 'true', a, '--push', 'ssh://poaadmin@10.77.0.6/home/poaadmin/record.git'], { env: { HOME: home, SSH_AUTH_SOCK: undefined } });
  };
  const bad = await push(other);
  assert.equal(bad.code, 1);
  assert.match(bad.err, /--push: /);
  assert.equal(await hosts.sh(6, 'su poaadmin -c "git -C /home/poaadmin/record.git log --oneline main 2>/dev/null"'), '');
  const good = await push(key);
  assert.equal(good.code, 0, good.err);
  assert.equal((await hosts.sh(6, 'su poaadmin -c "git -C /home/poaadmin/record.git log -1 --format=%s main"')), 'ssh run true');
});

leaf('a host of one deployment is not taken by another', async () => {
  const r = await poa(['new', path.join(work, 'bad'), ...ssh, ...onHosts(1, 5), '--host-keys', hosts.pins(1, 5)]);
  assert.equal(r.code, 1);
  assert.match(errorOf(r), /10\.77\.0\.1: it serves another deployment of poa-deploy already/);
});

test('a host is killed: the others go on, status names it; it comes back and seals again', async () => {
  await hosts.kill(4);
  const n = await height(rpcOf(1));
  await until('the others seal', async () => await height(rpcOf(1)) >= n + 3, 30);
  const s = await poa(['status', a, '--json']);
  assert.equal(s.code, 4);
  assert.deepEqual(s.json.instances.map((x) => x.running), [true, true, true, false]);
  const d = await poa(['doctor', a, '--json']);
  assert.equal(d.code, 4);
  assert.match(d.out, /10\.77\.0\.4:22 (cannot be reached|does not answer)/);
  const down = await poa(['ssh', 'run', 'true', a, '--json']);
  assert.deepEqual(down.json.map((x) => x.exit), [0, 0, 0, -1]);
  await hosts.start(4);
  const validators = list(outputs.VALIDATOR_ADDRESSES).map((v) => v.toLowerCase());
  await until('its node seals again', async () => {
    const head = await height(rpcOf(4)), seen = new Set();
    for (let k = Math.max(1, head - 4); k <= head; k++) seen.add((await block(rpcOf(1), k)).miner.toLowerCase());
    return validators.every((v) => seen.has(v));
  }, 90);
});

// a package as the programs are, with one file more
function packageOf(name, change) {
  const dir = path.join(work, name);
  fs.mkdirSync(path.join(dir, 'bin'), { recursive: true });
  for (const p of ['poa-node', 'poa-identity-store']) fs.copyFileSync(path.join(bin, p), path.join(dir, 'bin', p));
  fs.mkdirSync(path.join(dir, 'share'));
  fs.writeFileSync(path.join(dir, 'share', name), name);
  change?.(dir);
  assert.equal(spawnSync('tar', ['-czf', `${dir}.tar.gz`, '-C', dir, 'bin', 'share']).status, 0);
  return `${dir}.tar.gz`;
}

test('upgrade: one host after the other, the chain goes on; again: nothing to do', async () => {
  const pack = packageOf('next');
  const before = await height(rpcOf(3)), began = Date.now();
  const r = await done(['upgrade', a, '--to', pack, '--json'], { limit_s: 120 });
  assert.equal(r.json.changed, 4);
  assert.equal(r.json.nodes.length, 4);
  const s = (Date.now() - began) / 1000, grown = await height(rpcOf(3)) - before;
  assert.ok(grown >= s / 3, `${grown} blocks in ${s} s`);
  const sha = spawnSync('sha256sum', [pack], { encoding: 'utf8' }).stdout.slice(0, 64);
  for (const i of [1, 2, 3, 4]) assert.equal(await hosts.sh(i, 'readlink /proc/$(systemctl show --property=MainPID --value poa-node.service)/exe'), `/opt/poa/releases/${sha}/bin/poa-node`);
  assert.equal((await poa(['upgrade', a, '--to', pack, '--json'])).code, 3);
  return `${s.toFixed(1)} s, ${grown} blocks meanwhile`;
});

const again = path.join(work, 'again'), backup = path.join(work, 'a.backup'), sealed = { POA_PASSWORD: 'correct horse' };
const journal = (i) => hosts.sh(i, 'od -An -tx1 /var/lib/poa/last-signed | tr -d " \\n"');
let kept, steps, restoring;
test('a backup of hosts; it is not restored beside what still runs; all is lost, the restoration is cut short, and goes on', async () => {
  kept = (await done(['backup', backup, a, '--json'], { env: sealed })).json;
  assert.equal(kept.genesisHash, outputs.GENESIS_HASH);
  assert.ok(kept.height > 0);
  assert.deepEqual(fs.readdirSync(path.join(a, 'local')).filter((f) => /backup/.test(f)), []);
  assert.equal((await done(['restore', backup, '--check', '--json'], { env: sealed })).json.state, 'whole');
  const text = fs.readFileSync(backup);
  for (const f of ['etc/poa/identity-secret', 'var/lib/poa-store/kek']) assert.ok(!text.includes(fs.readFileSync(path.join(hosts.dir(1), f))), f);
  const beside = await poa(['restore', backup, again, '--json'], { env: sealed });
  assert.equal(beside.code, 1);
  assert.match(errorOf(beside), /10\.77\.0\.1, .*run programs of this deployment \(4 hosts\).*the hosts were left as they are/);
  steps = await Promise.all([1, 2, 3, 4].map(journal));
  await done(['destroy', a, '--yes']);
  const r = await poa(['restore', backup, again, '--json'], { env: sealed, onErr: (t, p) => { if (/done: bring the chain, the store/.test(t) && !p.killed) p.kill('SIGKILL'); } });
  assert.equal(r.signal, 'SIGKILL', r.err);
  // it waits for a minute, as leases do: what follows goes on meanwhile
  restoring = poa(['restore', backup, again, '--json'], { env: sealed, limit_s: 300 });
});

leaf('hosts that are stopped take a chain in from its file; without a peer to fetch it from, they have it', async () => {
  await done(['down', b, '--yes']);
  for (const i of [5, 6]) await hosts.sh(i, 'rm -r /var/lib/poa/db');
  await done(['chain', 'import', rlp, b]);
  for (const i of [5, 6]) assert.equal(await hosts.sh(i, 'stat -c %U /var/lib/poa/db/data.mdb'), 'poa-node');
  await done(['up', b]);
  await until('B has the blocks', async () => (await height(rpcOf(5))) >= exported.height && (await height(rpcOf(6))) >= exported.height, 60);
  const held = path.join(work, 'held.rlp');
  await done(['chain', 'export', held, b]);
  assert.ok(fs.readFileSync(held).subarray(0, exported.bytes).equals(fs.readFileSync(rlp)));
});

test('an upgrade (a .deb) that does not come up is taken back on its host, and goes no further', async () => {
  packageOf('broken', (dir) => fs.writeFileSync(path.join(dir, 'bin/poa-node'), '#!/bin/sh\n[ "$1" = --version ] || { sleep 1; exit 7; }\n', { mode: 0o755 }));
  const tree = path.join(work, 'deb'), pack = `${tree}.deb`;
  fs.mkdirSync(path.join(tree, 'DEBIAN'), { recursive: true });
  fs.renameSync(path.join(work, 'broken'), path.join(tree, 'usr'));
  fs.writeFileSync(path.join(tree, 'DEBIAN/control'), 'Package: broken\nVersion: 1\nArchitecture: all\nMaintainer: x <x@localhost>\nDescription: x\n');
  assert.equal(spawnSync('dpkg-deb', ['--build', '-Zgzip', tree, pack]).status, 0);
  const r = await poa(['upgrade', b, '--to', pack, '--json', '--timeout', '3']);
  assert.equal(r.code, 1);
  assert.match(errorOf(r), /^10\.77\.0\.5 is not well with the new programs.*It has those from before again; the other hosts were not touched/);
  await until('both of B follow again', async () => await height(rpcOf(5)) > 0 && await height(rpcOf(6)) > 0, 20);
});

test('down and up of one member, with a host that is gone', async () => {
  await done(['down', b, '--yes']);
  assert.equal((await poa(['down', b])).code, 3);
  await done(['up', b]);
  await hosts.kill(6);
  const r = await poa(['destroy', b, '--yes', '--json']);
  assert.equal(r.code, 1);
  assert.match(errorOf(r), /--force goes on without hosts that do not answer.*10\.77\.0\.6/);
  const forced = await done(['destroy', b, '--yes', '--force']);
  assert.match(forced.err, /10\.77\.0\.6 did not answer: .*stay there/);
});

test('what was restored seals on, by the same keys, and has its journals', async () => {
  const r = await restoring;
  assert.equal(r.code, 0, r.err);
  assert.equal(r.json.state, 'restored');
  assert.ok(!fs.existsSync(path.join(again, 'local/restore')));
  const validators = list(outputs.VALIDATOR_ADDRESSES).map((v) => v.toLowerCase());
  await until('all four seal again', async () => {
    const head = await height(rpcOf(1)), seen = new Set();
    for (let k = Math.max(1, head - 5); k <= head; k++) seen.add((await block(rpcOf(1), k)).miner.toLowerCase());
    return head > kept.height + 4 && validators.every((v) => seen.has(v));
  }, 90);
  for (const i of [1, 2, 3, 4]) assert.ok((await journal(i)).length >= steps[i - 1].length);
  assert.equal((await poa(['status', again, '--json'])).code, 0);
  assert.equal((await poa(['restore', backup, again], { env: sealed })).code, 1, 'it is not done twice');
});

test('destroy takes everything off the hosts', async () => {
  await done(['destroy', again, '--yes']);
  assert.ok(!fs.existsSync(again) && !fs.existsSync(a) && !fs.existsSync(b));
  for (const i of [1, 2, 3, 4, 5]) {
    assert.equal(await hosts.sh(i, 'ls -d /etc/poa* /opt/poa /var/lib/poa* /var/log/poa /var/cache/poa-deploy /etc/systemd/system/poa* 2>/dev/null; getent passwd poa-node poa-store; pgrep -a poa-'), '');
  }
  assert.equal((await poa(['destroy', again, '--yes'])).code, 3);
});

process.on('exit', () => { for (const p of hosts.list.values()) p.kill('SIGKILL'); });
await run({ chained: true });
