// The Azure target end to end: `poa-deploy new --target azure` against a stand-in of Azure on loopback (tests/fakes/azure) whose machines are real nodes; the
// faults of the service one by one; runs that are killed and run again; and the Azure SDKs against the same stand-in, to show that it is honest.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs'; import path from 'node:path';
import { CLIENT, MANAGED, OBJECT, Rig, SECRET, bin, root, sleep } from './rig.mjs';
import { Machines, asOnAzure, filesOf } from '../../fakes/azure/machines.mjs';
import { sdkTests } from './sdk.mjs';
import { badTests } from './bad.mjs';

const only = process.argv[2] && new RegExp(process.argv[2]), PARTS = { walk: 77, kill: 79, bad: 81 }, part = process.env.POA_PART;
// three parts at once, each a process with an Azure of its own and addresses of its own
if (!part) {
  const began = Date.now();
  const one = (name) => new Promise((ok) => {
    const p = spawn(process.execPath, process.argv.slice(1), { env: { ...process.env, POA_PART: name }, stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    p.stdout.on('data', (d) => { out += d; });
    p.once('close', (code) => ok({ name, code, out, counts: /^(\d+) passed, (\d+) failed$/m.exec(out) }));
  });
  const all = await Promise.all(Object.keys(PARTS).map(one));
  for (const x of all) console.log(`# ${x.name}\n${x.out.replace(/^\d+ passed.*\n?/gm, '').replace(/^1\.\..*\n/gm, '')}`);
  const sum = (i) => all.reduce((n, x) => n + (x.counts ? Number(x.counts[i]) : i === 2 ? 1 : 0), 0);
  console.log(`# ${((Date.now() - began) / 1000).toFixed(1)} s\n${sum(1)} passed, ${sum(2)} failed`);
  process.exit(all.some((x) => x.code !== 0) || sum(1) === 0 ? 1 : 0);
}
const rig = await Rig.make({ member: PARTS[part], watch: part === 'kill' });
const { azure } = rig;
let group = 'walk';
const tests = []; const test = (name, fn) => { if (group === part) tests.push({ name, fn }); };
const rpc = async (url, method, params = []) => (await (await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) })).json()).result;
const ok = (x) => { assert.equal(x.code, 0, x.err); return x; };
const fails = (x, pattern, code = 1) => { assert.equal(x.code, code, x.err); assert.match(x.err, pattern); assert.ok(x.json?.error?.message, 'one JSON document says it too'); return x; };
const file = (name, text) => { const f = path.join(rig.dir, name); fs.writeFileSync(f, text, { mode: 0o600 }); return f; };
// for the az command's stand-in
const writeTokens = async () => { for (const audience of ['vault', 'storage']) fs.writeFileSync(path.join(rig.dir, `${audience}-token`), await rig.store.token('orchestrator', audience), { mode: 0o600 }); };
const resources = (type) => [...azure.groups.values()].flatMap((g) => [...g.resources.values()]).filter((r) => !type || r.type.toLowerCase() === type.toLowerCase());

// ------------------------------------------------------------------------------------------------ the walk
test('new: a network in Azure, from the first request to the first block', async () => {
  const x = ok(await rig.newNetwork('net', { '--node-package': null }));
  assert.match(x.err, /done: validate the template/); assert.match(x.err, /create 13 resources/); assert.match(x.err, /done: part keyVaultDeploy/);
  for (const k of ['ETHEREUM_RPC_ENDPOINT', 'ETHEREUM_WS_ENDPOINT', 'GOVERNANCE_DASHBOARD_URL', 'CONSORTIUM_DATA_URL', 'OMS_PORTAL_URL', 'VNET_GATEWAY_RESOURCE_ID', 'SSH_TO_FIRST_VL_NODE_REGION1', 'GENESIS_HASH', 'NETWORK_ID', 'ADMIN_ADDRESS', 'VALIDATOR_ADDRESSES']) assert.ok(k in x.json, k);
  assert.equal((await rpc(x.json.ETHEREUM_RPC_ENDPOINT, 'eth_getBlockByNumber', ['0x0', false])).hash, x.json.GENESIS_HASH);
  assert.equal(x.json.VALIDATOR_ADDRESSES.length, 2);
  assert.deepEqual(azure.strange, []); assert.deepEqual(rig.machines.log, []);
});
test('the deployment that Azure keeps says the same, and holds no secret', async () => {
  const o = JSON.parse(fs.readFileSync(path.join(rig.dir, 'net/outputs.json'))), d = [...azure.groups.get('poa-test').deployments.values()].find((x) => /^poa-member/.test(x.name));
  assert.equal(d.outputs.GENESIS_HASH.value, o.GENESIS_HASH); assert.deepEqual(d.outputs.VALIDATOR_ADDRESSES.value, o.VALIDATOR_ADDRESSES);
  assert.equal(JSON.parse(fs.readFileSync(path.join(rig.dir, 'net/state.json'))).target.deployment, d.name);
  const keys = [];
  for (let i = 0; i < 2; i++) keys.push(JSON.parse((await rig.store.as('orchestrator', 'GET', `/secrets/validator-${i}?api-version=7.4`)).body).value);
  const said = [...azure.bodies.map((b) => b.text), ...resources().map((r) => JSON.stringify(r)), ...rig.machines.documents, rig.machines.all.map((m) => m.err).join('')];
  const kept = execFileSync('sh', ['-c', 'find . -type f -not -path "./admin/*" -exec cat {} +'], { cwd: path.join(rig.dir, 'net'), encoding: 'latin1', maxBuffer: 1 << 28 });
  for (const secret of [...keys, SECRET]) { assert.ok(secret.length > 20); for (const text of [...said, kept]) assert.ok(!text.includes(secret)); }
});
test('the machines wait for the programs, take them as themselves, and check the pinned hash', async () => {
  for (const m of rig.machines.all) assert.ok(m.waits >= 0 && m.uri.startsWith(`${rig.store.base}/poa-config/poa-node-`), m.uri);
  const files = filesOf(asOnAzure(rig.machines.documents[0], { index: 0, address: '10.0.0.4', public_address: '10.0.0.4', name: 'vl0' }));
  const install = files['/usr/local/sbin/poa-install'];
  execFileSync('sh', ['-n'], { input: install });
  assert.match(install, /"\$waited" -ge 3600/); assert.match(install, /after an hour there are no programs/); assert.match(install, /sha256sum --check --strict/);
  assert.match(files['/etc/systemd/system/poa-node.service'], /^ProtectSystem=strict$/m); assert.match(files['/etc/systemd/system/poa-node.service'], /^NoNewPrivileges=yes$/m); assert.match(files['/etc/systemd/system/poa-node.service'], /^User=poa$/m);
  assert.ok(fs.existsSync(path.join(rig.machines.all[0].dir, 'local/share/poa-deploy/web/index.html')), 'the member pages are in the package');
});
test('the units of a machine are as hardened as those of a host: systemd-analyze reads and scores them', async () => {
  const files = filesOf(asOnAzure(rig.machines.documents[0], { index: 0, address: '10.0.0.4', public_address: '10.0.0.4', name: 'vl0' })), notes = [];
  const guards = (text) => text.split('\n').filter((l) => /^(Protect|Private|Restrict|NoNew|Capability|Ambient|Lock|MemoryDeny|SystemCall|RemoveIPC|MemoryMax|TasksMax)/.test(l)).sort(), host = fs.readFileSync(path.join(root, 'templates/ssh/poa-node.service'), 'utf8');
  assert.deepEqual(guards(files['/etc/systemd/system/poa-node.service']), guards(host));
  if (!fs.existsSync('/usr/bin/systemd-analyze')) { console.log('# no systemd-analyze: not scored'); return; }
  for (const u of ['poa-node', 'poa-agent']) {
    const f = file(`${u}.service`, files[`/etc/systemd/system/${u}.service`].replace(/^ExecStart=\S+/m, 'ExecStart=/usr/bin/true')), run = (...a) => execFileSync('systemd-analyze', a, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    run('verify', '--man=no', f);
    const score = /exposure level for \S+ ([0-9.]+)/.exec(run('security', '--offline=true', f))?.[1];
    if (score) assert.ok(Number(score) < 3, `${u}: ${score}`);
    notes.push(`${u} ${score ?? 'not scored'}`);
  }
  console.log(`# exposure: ${notes.join(', ')}`);
});
test('what the machines boot from is what Jinja, as cloud-init runs it, and a YAML reader make of the document', async () => {
  const script = `import sys, json, jinja2, yaml
doc = sys.stdin.read()
assert doc.startswith('## template: jinja\\n')
meta = {'ds': {'meta_data': {'imds': {'network': {'interface': [{'ipv4': {'ipAddress': [{'privateIpAddress': '10.0.0.4', 'publicIpAddress': ''}]}}]}, 'compute': {'name': 'vl-ethx-reg1_0'}}}}, 'v1': {'local_hostname': 'vl-ethx-reg1000000'}}
text = jinja2.Template(doc.split('\\n', 1)[1], trim_blocks=True).render(**meta)
out = yaml.safe_load(text)
json.dump({'files': {f['path']: f['content'] for f in out['write_files']}, 'run': out['runcmd']}, sys.stdout)`;
  try { execFileSync('python3', ['-c', 'import jinja2, yaml'], { stdio: 'pipe' }); } catch { console.log('# python3-jinja2 or python3-yaml is absent: not compared'); return; }
  const real = JSON.parse(execFileSync('python3', ['-c', script], { input: rig.machines.documents[0], encoding: 'utf8' }));
  const mine = filesOf(asOnAzure(rig.machines.documents[0], { index: 0, address: '10.0.0.4', public_address: '10.0.0.4', name: 'vl-ethx-reg1000000' }));
  assert.deepEqual(Object.keys(real.files), Object.keys(mine));
  for (const k of Object.keys(mine)) assert.equal(real.files[k].trimEnd(), mine[k].trimEnd(), k);
  assert.deepEqual(real.run, [['/usr/local/sbin/poa-install'], ['systemctl', 'enable', '--now', 'poa-node.service']]);
  // both programs take what they are given
  for (const [program, name] of [['poa-node', '/etc/poa-node.yaml']]) execFileSync(path.join(bin, program), ['--config', file('check.yaml', real.files[name]), '--check-config'], { stdio: 'pipe' });
});
test('poa-install: waits for the programs, then unpacks what has the pinned hash, and nothing else', async () => {
  const files = filesOf(asOnAzure(rig.machines.documents[0], { index: 0, address: '10.0.0.4', public_address: '10.0.0.4', name: 'vl0' })), at = path.join(rig.dir, 'vm'), m = rig.machines.all[0];
  fs.mkdirSync(path.join(at, 'bin'), { recursive: true }); fs.mkdirSync(path.join(at, 'usr/local'), { recursive: true }); fs.mkdirSync(path.join(at, 'etc'), { recursive: true }); fs.mkdirSync(path.join(at, 'run'), { recursive: true });
  fs.writeFileSync(path.join(at, 'etc/poa-node.yaml'), files['/etc/poa-node.yaml']);
  const token = await rig.store.token(m.name, 'storage');
  const script = files['/usr/local/sbin/poa-install'].replaceAll('/usr/local ', `${at}/usr/local `).replaceAll('/run/', `${at}/run/`).replaceAll('/etc/', `${at}/etc/`).replace('sleep 10', 'sleep 0.1');
  // the metadata service of the machine; storage is the real store; the first two calls find no programs
  const shim = (name, text) => fs.writeFileSync(path.join(at, 'bin', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  shim('curl', `case "$*" in *169.254.169.254/metadata/identity*) echo '{"access_token":"${token}"}';; *169.254.169.254/metadata/loadbalancer*) echo '{"loadbalancer":{"publicIpAddresses":[{"frontendIpAddress":"203.0.113.7"}]}}';;
    *) n=$(cat ${at}/n 2>/dev/null || echo 0); echo $((n + 1)) >${at}/n; [ $n -lt 2 ] && { cat >/dev/null; echo 'curl: (22) 404' >&2; exit 22; }; exec /usr/bin/curl --cacert ${rig.ca} "$@";; esac`);
  shim('useradd', `echo "$*" >${at}/useradd`); shim('systemctl', `echo "$*" >>${at}/systemctl`); shim('id', 'exit 1');
  const run = () => { try { return { code: 0, out: execFileSync('sh', ['-c', script], { env: { PATH: `${at}/bin:${process.env.PATH}` }, encoding: 'utf8', stdio: 'pipe' }) }; } catch (e) { return { code: e.status, out: e.stdout + e.stderr }; } };
  const x = run();
  assert.equal(x.code, 0, x.out); assert.match(x.out, /waiting for the programs at https:/);
  assert.match(execFileSync(path.join(at, 'usr/local/bin/poa-node'), ['--version'], { encoding: 'utf8' }), /poa-node/); assert.ok(fs.existsSync(path.join(at, 'usr/local/bin/poa-agent')));
  assert.match(fs.readFileSync(path.join(at, 'etc/poa-node.yaml'), 'utf8'), /public_address: "203\.0\.113\.7"/); assert.match(fs.readFileSync(path.join(at, 'useradd'), 'utf8'), /--system/);
  fs.rmSync(path.join(at, 'usr/local/bin'), { recursive: true });
  const sha = /[0-9a-f]{64}(?= {2})/.exec(script)[0], bad = script.replace(`'${sha} `, `'${'0'.repeat(64)} `);
  assert.throws(() => execFileSync('sh', ['-c', bad], { env: { PATH: `${at}/bin:${process.env.PATH}` }, stdio: 'pipe' })); assert.ok(!fs.existsSync(path.join(at, 'usr/local/bin/poa-node')));
});
test('a second new changes nothing: exit 3; outputs prints what stands', async () => {
  const n = azure.log.length, x = await rig.newNetwork('net', { '--node-package': null });
  assert.equal(x.code, 3, x.err); assert.equal(azure.log.length, n);
  assert.equal(ok(await rig.run(['outputs', 'net', '--json'])).json.NETWORK_ID, 10101010);
});
test('status: machines and chain; exit 4 when a machine is down; down and up', async () => {
  const x = await rig.run(['status', 'net', '--json']);
  assert.equal(x.code, 0, x.err + x.out);
  assert.equal(x.json.healthy, true); assert.equal(x.json.instances.length, 2); assert.ok(x.json.height > 0); assert.match(x.json.instances[0].name, /^vl-eth\w+-reg1000000$/);
  azure.power = (r, i) => (i === 1 ? 'stopped' : 'running');
  const y = await rig.run(['status', 'net']);
  assert.equal(y.code, 4, y.err); assert.match(y.out, /reg1000001 +stopped/);
  const plan = () => rig.run(['plan', 'net', '-f', path.join(rig.dir, 'net/consortium.yaml'), '--json', '--detailed-exitcode']), p = ok(await plan());
  assert.deepEqual(p.json.changes.map((c) => [c.action, c.what.slice(-10)]), [['start', 'reg1000001']]); assert.match(p.json.changes[0].why, /the machine is stopped/);
  azure.power = undefined;
  const q = await plan();
  assert.equal(q.code, 3, q.err); assert.deepEqual(q.json.changes, []);
  let state = 'running';
  azure.power = () => state; azure.power_ = (g, r, verb) => { state = verb === 'start' ? 'running' : 'deallocated'; };
  ok(await rig.run(['down', 'net', '--json'])); assert.equal(state, 'deallocated'); assert.equal((await rig.run(['down', 'net', '--json'])).code, 3);
  ok(await rig.run(['up', 'net', '--json'])); assert.equal(state, 'running');
  azure.power = azure.power_ = undefined;
});
test('ssh allow and deny: the rule of every region, exit 3 when it is so already', async () => {
  const rule = () => resources('Microsoft.Network/networkSecurityGroups').map((g) => g.properties.securityRules.find((r) => r.name === 'allow-ssh').properties.access);
  assert.deepEqual(rule(), ['Deny']);
  assert.deepEqual(ok(await rig.run(['ssh', 'allow', 'net', '--json'])).json, { ssh: 'allow', groups: 1, changed: 1 }); assert.deepEqual(rule(), ['Allow']);
  assert.equal((await rig.run(['ssh', 'allow', 'net', '--json'])).code, 3);
  ok(await rig.run(['ssh', 'deny', 'net'])); assert.deepEqual(rule(), ['Deny']);
  const g = resources('Microsoft.Network/networkSecurityGroups')[0], kept = g.properties.securityRules;
  assert.equal(kept.length, 5); g.properties.securityRules = [];
  fails(await rig.run(['ssh', 'allow', 'net', '--json']), /has no rule allow-ssh/);
  g.properties.securityRules = kept;
});
test('logs, doctor and ssh run reach the machines, once SSH is allowed: by the ports that Azure gave out, and host keys that it vouches for', async () => {
  const net = path.join(rig.dir, 'net'), known = path.join(net, 'known_hosts'), asked = () => azure.log.filter((l) => /runCommand/.test(l)).length, count = (list) => new Set(list.map((x) => x.instance)).size;
  fails(await rig.run(['logs', 'net', '--json']), /SSH to the machines is closed.*`poa-deploy ssh allow \S+` opens it/);
  fails(await rig.run(['ssh', 'run', 'true', 'net', '--json']), /SSH to the machines is closed/);
  // a machine that is late with its first blocks is a finding for that long
  const well = async (...more) => { for (let k = 0; ; k++) { const x = await rig.run(['doctor', 'net', ...more]); if (x.code === 0 || k === 60) return ok(x); await sleep(500); } };
  // closed: what Azure, the vault and the chain tell
  assert.match((await well()).out, /^healthy: 2 machines, block \d+, 2 of 2 identities held; the machines themselves were not looked at: SSH is closed/);
  const why = Machines.sshMissing();
  if (why) { console.log(`# logs over SSH not tried: ${why}`); return; }
  ok(await rig.run(['ssh', 'allow', 'net']));
  fails(await rig.run(['logs', 'net', '--json']), /Azure's answer has no public key in it|cannot be reached/);
  const open = (m) => rig.machines.ssh(m, { address: rig.machines.address(1, 0), port: 4000 + azure.nat(m.i), publicKey: fs.readFileSync(path.join(rig.dir, 'id.pub'), 'utf8') });
  for (const m of rig.machines.all) await open(m);
  const x = ok(await rig.run(['logs', 'net', '--json']));
  assert.equal(count(x.json), 2); assert.ok(x.json.some((l) => /Sealed/.test(l.text))); assert.deepEqual(x.json.map((l) => l.time), x.json.map((l) => l.time).sort());
  assert.equal(fs.readFileSync(known, 'utf8').trim().split('\n').length, 2);
  const n = asked(), one = ok(await rig.run(['logs', 'net', '--json', '--instance', '000001']));
  assert.equal(count(one.json), 1); assert.match(one.json[0].instance, /reg1000001$/); assert.equal(asked(), n, 'a key that is known is not asked for again');
  const f = await rig.run(['logs', 'net', '--follow', '--since', '1s'], { onOut: (out, p) => { if (new Set([...out.matchAll(/(reg1\d+) INFO +chain +(?:Imported|Sealed)/g)].map((m) => m[1])).size === 2) p.kill('SIGTERM'); } });
  assert.equal(f.signal, 'SIGTERM', f.err);
  assert.deepEqual(ok(await rig.run(['ssh', 'run', 'echo $((6 * 7))', 'net', '--json'])).json.map((r) => [r.exit, r.output.trim()]), [[0, '42'], [0, '42']]);
  assert.match(ok(await rig.run(['ssh', 'run', 'id -u', 'net', '--instance', '000001'])).out, /^vl-\w+-reg1000001: 0\n$/);
  fails(await rig.run(['ssh', 'run', 'true', 'net', '--instance', 'nobody', '--json']), /there is no 'nobody'/, 2);
  assert.equal((await well('--json')).json.healthy, true);
  assert.ok(ok(await rig.run(['chain', 'export', 'az.rlp', 'net', '--json'])).json.bytes > 1000);
  fails(await rig.run(['chain', 'import', 'az.rlp', 'net', '--json']), /does not reach into machines in Azure: a node there fetches the chain from its peers/);
  fails(await rig.run(['backup', 'az.backup', 'net', '--json'], { env: { POA_PASSWORD: 'x' } }), /`backup` does not take a network out of Azure: its keys stay in the vault/);
  // a machine that does not run is left out, with a word, and is the doctor's first finding
  azure.power = (r, i) => (i === 1 ? 'stopped' : 'running');
  const left = ok(await rig.run(['logs', 'net', '--json']));
  assert.equal(count(left.json), 1); assert.match(left.err, /reg1000001 is stopped: it is left out/);
  const d = await rig.run(['doctor', 'net', '--json']);
  assert.equal(d.code, 4, d.err); assert.equal(d.json.cause, 'node-down'); assert.match(d.json.text, /1 of 2 machines do not run: vl-\w+-reg1000001/); assert.match(d.json.command, /poa-deploy up net/);
  azure.power = undefined;
  // a node that ends again and again on a machine that runs: its own last error is told
  const m = rig.machines.all[1], clock = new Date().toISOString().replace('T', ' ').slice(0, 23);
  await rig.machines.closeSsh();
  Object.assign(m, { unit: 'activating', restarts: 7 });
  fs.appendFileSync(path.join(m.dir, 'poa-node.log'), `${clock} ERROR store   the disk of this machine is full\n`);
  for (const each of rig.machines.all) await open(each);
  fails(await rig.run(['logs', 'net', '--json']), /WRONG HOST KEY/); // made anew: these are others
  fs.unlinkSync(known);
  const e = await rig.run(['doctor', 'net', '--json']);
  assert.equal(e.code, 4, e.err); assert.equal(e.json.cause, 'node-down'); assert.match(e.json.evidence, /systemd calls it activating, and has started it 8 times; its last error: the disk of this machine is full/); assert.match(e.json.command, /poa-deploy logs net --instance reg1000001/);
  Object.assign(m, { unit: undefined, restarts: undefined });
  // Run Command refused: what to do instead
  fs.unlinkSync(known);
  azure.fault({ on: /runCommand/, status: 403, code: 'AuthorizationFailed', message: 'The client does not have authorization.' });
  fails(await rig.run(['logs', 'net', '--json']), /could not be asked for through Azure .*ssh-keyscan -p \d+ .*AuthorizationFailed/);
  ok(await rig.run(['ssh', 'deny', 'net']));
  await rig.machines.closeSsh();
  assert.deepEqual(azure.strange, []);
});
test('doctor: what does not answer is told by its name, with what mends it', async () => {
  const at = path.join(rig.dir, 'net/state.json'), state = fs.readFileSync(at, 'utf8'), doc = JSON.parse(state), write = (f) => { const d = structuredClone(doc); f(d); fs.writeFileSync(at, JSON.stringify(d)); };
  write((d) => { d.rpc = 'http://127.0.0.1:9'; });
  const x = await rig.run(['doctor', 'net', '--json']);
  assert.equal(x.code, 4, x.err); assert.equal(x.json.cause, 'balancer-down'); assert.match(x.json.evidence, /2 machines run/);
  write((d) => { d.target.blobs = 'https://127.0.0.1:9'; });
  const y = await rig.run(['doctor', 'net', '--json']);
  assert.equal(y.code, 4, y.err); assert.equal(y.json.cause, 'store-down');
  fs.writeFileSync(at, state);
  fails(await rig.run(['doctor', 'net', '--renew-access', '--json']), /role assignments/);
  fails(await rig.run(['doctor', 'net', '--break-lease', 'x', '--yes', '--json']), /'x' is no identity/, 2);
});
test('traffic-manager create: a profile over the regions', async () => {
  const x = ok(await rig.run(['traffic-manager', 'create', 'net', '--dns', 'my-poa', '--json']));
  assert.equal(x.json.TRAFFIC_MANAGER_URL, 'http://my-poa.trafficmanager.net');
  const p = resources('Microsoft.Network/trafficManagerProfiles')[0].properties;
  assert.equal(p.endpoints.length, 1); assert.match(p.endpoints[0].properties.targetResourceId, /-lbpip-reg1$/);
  fails(await rig.run(['traffic-manager', 'create', 'net', '--routing', 'Best', '--json']), /Performance, Priority or Weighted/, 2);
});
test('gateway connect: a public network has no gateway, and says so', async () => {
  const other = `/subscriptions/${azure.subscription}/resourceGroups/other/providers/Microsoft.Network/virtualNetworkGateways/eth-gateway-reg1`;
  fails(await rig.run(['gateway', 'connect', other, 'net', '--json', '--shared-key-file', file('k', 'abc\n')]), /has no VPN gateway/);
  fails(await rig.run(['gateway', 'connect', 'x', 'net', '--json', '--shared-key-file', file('k', 'abc\n')]), /is no resource id of a VPN gateway/, 2);
  fails(await rig.run(['gateway', 'connect', other, 'net', '--json']), /--shared-key-file: missing/, 2);
  fails(await rig.run(['gateway', 'connect', other, 'net', '--json', '--shared-key-file', file('k', 'a b')]), /1 to 128 letters and digits/, 2);
});
test('join: another member, of the same network, in a group of its own', async () => {
  const o = JSON.parse(fs.readFileSync(path.join(rig.dir, 'net/outputs.json'))), b = await Rig.make({ member: 78 });
  try {
    const x = await b.run(['join', 'b', '--yes', '--json', ...b.flags({ '--step': null, '--data-url': `${o.CONSORTIUM_DATA_URL}:3000`, '--resource-group': 'poa-b', '--admin': '0xAb5801a7D398351b8bE11C439e05C5B3259aeC9B' }), '--rpc', o.ETHEREUM_RPC_ENDPOINT]);
    assert.equal(x.code, 0, x.err); assert.equal(x.json.GENESIS_HASH, o.GENESIS_HASH); assert.deepEqual(b.azure.strange, []);
    assert.equal((await rpc(x.json.ETHEREUM_RPC_ENDPOINT, 'eth_getBlockByNumber', ['0x0', false])).hash, o.GENESIS_HASH);
  } finally { await b.close(); }
});
test('new into a group that another deployment holds is refused', async () => {
  const n = rig.azure.groups.get('poa-test').deployments.size;
  fails(await rig.newNetwork('other'), /holds machines of another deployment already/); assert.equal(rig.azure.groups.get('poa-test').deployments.size, n);
});
test('destroy: refuses a group with someone else\'s resources; then deletes it and says what stays', async () => {
  const g = azure.groups.get('poa-test'), id = `/subscriptions/${azure.subscription}/resourcegroups/poa-test/providers/microsoft.web/sites/shop`;
  g.resources.set(id, { id, name: 'shop', type: 'Microsoft.Web/sites', location: 'westeurope', tags: {} });
  fails(await rig.run(['destroy', 'net', '--yes', '--json']), /1 resources that this deployment did not make \(shop\)/);
  assert.ok(fs.existsSync(path.join(rig.dir, 'net/state.json')));
  g.resources.delete(id);
  const x = ok(await rig.run(['destroy', 'net', '--yes', '--json']));
  assert.match(x.err, /stays in soft delete for 7 days/); assert.equal(azure.groups.size, 0); assert.equal(azure.deletedVaults.size, 1); assert.ok(!fs.existsSync(path.join(rig.dir, 'net')));
  assert.equal((await rig.run(['destroy', 'net', '--yes', '--json'])).code, 3);
});
test('new again: the vault of the same name is brought back from soft delete', async () => {
  const x = ok(await rig.newNetwork('again'));
  assert.match(x.err, /in soft delete: it is brought back/); assert.equal(azure.deletedVaults.size, 0); assert.deepEqual(azure.strange, []);
});

// ------------------------------------------------------------------------------------------------ faults of the service
group = 'bad';
const fresh = (name, fn) => test(name, async () => { await rig.forget(); await writeTokens(); fs.rmSync(path.join(rig.dir, 'net'), { recursive: true, force: true }); await fn(); });
fresh('two regions, the vault signs, Azure Monitor, a permission contract: the documents that machines boot from are taken by the real programs', async () => {
  const code = file('code', '6080604052348015600f57600080fd5b50603f80601d6000396000f3fe6080604052600080fdfe\n');
  const x = ok(await rig.newNetwork('net', { '--regions': 2, '--locations': 'westeurope,eastus', '--identity-mode': 'sign', '--monitor': 'enable', '--tx-permission': code }));
  assert.match(x.json.OMS_PORTAL_URL, /^https:\/\/portal\.azure\.com\/#resource\//); assert.equal(x.json.REGION_HOSTS.length, 2); assert.equal(x.json.VALIDATOR_ADDRESSES.length, 4);
  assert.ok(await rpc(x.json.ETHEREUM_RPC_ENDPOINT, 'eth_getCode', ['0x0000000000000000000000000000000000001005', 'latest']));
  const roles = resources('Microsoft.Authorization/roleAssignments').map((r) => r.properties.roleDefinitionId.split('/').pop());
  assert.equal(roles.filter((r) => r === '12338af0-0e69-4776-bea7-57ae8d297424').length, 2, 'Key Vault Crypto User, for each scale set'); assert.ok(!roles.includes('4633458b-17de-408a-874b-0445c86b69e6'));
  assert.equal(roles.filter((r) => r === '3913510d-42f4-4e42-8a64-420c390055eb').length, 2, 'Monitoring Metrics Publisher, for each scale set');
  const rule = resources('Microsoft.Insights/dataCollectionRules')[0].properties, agent = filesOf(asOnAzure(rig.machines.documents[0], { index: 0, address: '10.0.0.4', public_address: '10.0.0.4', name: 'vl0' }))['/etc/poa-agent.yaml'];
  assert.ok(agent.includes(`rule: "${rule.immutableId}"`)); assert.ok(agent.includes('columns: suffixed')); assert.ok('Custom-NodeStats_CL' in rule.streamDeclarations);
  const names = (t) => rule.streamDeclarations[`Custom-${t}_CL`].columns.map((c) => c.name);
  assert.ok(names('MinedBlock').includes('BlockMiner_s') && names('MinedBlock').includes('BlockNumber_d') && names('NodeStats').includes('IsSealing_b'));
  // poa-agent takes its document, but for the folders and addresses of the machine
  const conf = file('agent.yaml', agent.replace('http://10.0.0.4:8545', x.json.ETHEREUM_RPC_ENDPOINT).replace('/var/lib/poa-agent', path.join(rig.dir, 'spool')).replace('/var/log/poa/poa-node.log', path.join(rig.dir, 'none.log')).replace(/endpoint: .*/, 'endpoint: "http://127.0.0.1:9"'));
  const p = spawn(path.join(bin, 'poa-agent'), ['--config', conf], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  p.stderr.on('data', (d) => { said += d; });
  await sleep(700);
  assert.equal(p.exitCode, null, said);
  await new Promise((done) => { p.once('exit', done); p.kill('SIGTERM'); });
  assert.deepEqual(azure.strange, []);
});
fresh('destroy of a run that was stopped before its deployment was put: the group that it made is gone', async () => {
  const x = await rig.newNetwork('net', {}, { onLine: (err, p) => { if (/create the resource group \S+ in \S+ \(/.test(err) && !p.killed) p.kill('SIGKILL'); } });
  assert.equal(x.signal, 'SIGKILL'); assert.equal(azure.groups.size, 1);
  ok(await rig.run(['destroy', 'net', '--yes', '--json'])); assert.equal(azure.groups.size, 0);
});
fresh('429 with Retry-After is obeyed, 5xx is tried again, a dropped connection too', async () => {
  let at = 0;
  azure.fault({ on: /^PUT .*\/deployments\//, status: 429, headers: { 'retry-after': '1' }, code: 'TooManyRequests', message: 'slow down', run: () => { at = Date.now(); } });
  azure.fault({ on: /^POST .*\/validate/, status: 503, code: 'ServiceUnavailable', message: 'later' });
  azure.fault({ on: /^GET .*\/skus/, drop: 'before' });
  azure.fault({ on: /^GET .*\/operations/, status: 500, times: 2 });
  azure.fault({ on: /\/oauth2\/v2\.0\/token$/, status: 503, body: { error: 'temporarily_unavailable' } });
  ok(await rig.newNetwork('net'));
  assert.ok(azure.faults.every((f) => f.times === 0), 'each was met'); assert.ok(Date.now() - at >= 1000); assert.deepEqual(azure.strange, []);
});
fresh('a PUT whose answer is lost is the same deployment when it is put again (409 DeploymentActive)', async () => {
  azure.createMs = 30;
  azure.fault({ on: /^PUT .*\/deployments\/poa-/, drop: 'after' });
  ok(await rig.newNetwork('net'));
  assert.equal([...azure.groups.get('poa-test').deployments.keys()].filter((k) => k.startsWith('poa-')).length, 1);
});
fresh('a token that expires in the middle is renewed', async () => {
  azure.createMs = 20;
  azure.fault({ on: /^GET .*\/operations/, status: 401, code: 'ExpiredAuthenticationToken', message: 'The access token expiry UTC time is earlier than current UTC time.' });
  const n = azure.tokens.issued;
  ok(await rig.newNetwork('net')); assert.ok(azure.tokens.issued >= n + 2);
});
fresh('a token that is refused again and again is told, with what to check', async () => {
  azure.tokens.skewS = 0; azure.tokens.lifeS = -10;
  fails(await rig.newNetwork('net'), /401 ExpiredAuthenticationToken.*check tenant, client id and secret/);
  azure.tokens.lifeS = 3600;
});
fresh('an extension or machine that fails: what failed, why; run again, it goes on with what stands', async () => {
  azure.breaks({ type: 'Microsoft.Compute/virtualMachineScaleSets', code: 'VMExtensionProvisioningError', message: 'VM has reported a failure when processing extension. Enable failed.' });
  const x = fails(await rig.newNetwork('net'), /virtualMachineScaleSets vl-eth\w+-reg1: VMExtensionProvisioningError: VM has reported a failure.*run the same command again/);
  assert.match(x.err, /Failed/);
  const name = JSON.parse(fs.readFileSync(path.join(rig.dir, 'net/state.json'))).target.deployment;
  ok(await rig.newNetwork('net')); assert.equal(JSON.parse(fs.readFileSync(path.join(rig.dir, 'net/state.json'))).target.deployment, name);
});
fresh('a quota that is exceeded only when machines are made', async () => {
  azure.breaks({ type: 'Microsoft.Compute/virtualMachineScaleSets', code: 'QuotaExceeded', message: 'Operation could not be completed as it results in exceeding approved standardDv2Family Cores quota.' });
  fails(await rig.newNetwork('net'), /QuotaExceeded: Operation could not be completed/);
  const d = await rig.run(['doctor', 'net', '--json']);
  assert.equal(d.code, 4); assert.equal(d.json.cause, 'quota'); assert.match(d.json.evidence, /standardDv2Family/);
});
fresh('a deployment that someone cancels', async () => {
  azure.createMs = 60;
  azure.fault({ on: /^GET .*\/operations/, delay: 1, run: () => { for (const d of azure.groups.get('poa-test').deployments.values()) d.cancelled = true; } });
  fails(await rig.newNetwork('net'), /ended as Canceled/);
});
fresh('a grant that takes its time: 403 of the vault is tried again', async () => {
  rig.grantMs = 1500;
  const x = await rig.newNetwork('net');
  rig.grantMs = 0;
  ok(x); assert.match(x.err, /upload the node package \(([2-9]|1\.[0-9])/);
});

// ------------------------------------------------------------------------------------------------ killed and run again
group = 'kill';
const moments = [
  ['before the deployment is put', /validate the template/],
  ['when the deployment has been put', /begin the deployment \S+ \(/],
  ['while vault and storage are made', /part keyVaultDeploy/],
  ['while the package goes up', /wait for the vault and the storage account \(/],
  ['while identities go to the vault', /upload the node package \(/],
  ['when the identities are in the vault', /put the identities into the vault \(/],
];
// run again, it ends well: one deployment, its record and the vault say the same, and blocks come
async function goesOn(flags, codes = [0]) {
  const y = await rig.newNetwork('net', flags), all = [...azure.groups.get('poa-test').deployments.values()].filter((d) => d.name.startsWith('poa-member'));
  assert.ok(codes.includes(y.code), `${y.code} ${y.err}`); assert.equal(all.length, 1);
  assert.equal((await rpc(y.json.ETHEREUM_RPC_ENDPOINT, 'eth_getBlockByNumber', ['0x0', false])).hash, y.json.GENESIS_HASH);
  assert.equal(all[0].outputs.GENESIS_HASH.value, y.json.GENESIS_HASH, 'what Azure keeps says the same');
  for (let i = 0; i < 2; i++) assert.equal(JSON.parse((await rig.store.as('orchestrator', 'GET', `/poa-config/identity-${i}.json`)).body).address.toLowerCase(), y.json.VALIDATOR_ADDRESSES[i].toLowerCase());
  assert.deepEqual(azure.strange, []);
  return { json: y.json, err: y.err, name: all[0].name };
}
for (const [when, line] of moments)
  fresh(`killed ${when}: run again, the same deployment goes on to its first block`, async () => {
    azure.slow = (r) => (/virtualMachineScaleSets|networkInterfaces|loadBalancers/.test(r.type) ? 120 : 10);
    const x = await rig.newNetwork('net', {}, { onLine: (err, p) => { if (line.test(err) && !p.killed) p.kill('SIGKILL'); } });
    assert.equal(x.signal, 'SIGKILL', x.err);
    const noted = JSON.parse(fs.readFileSync(path.join(rig.dir, 'net/state.json'))).target?.deployment;
    const y = await goesOn();
    if (noted) assert.equal(y.name, noted);
  });
// what poa-deploy writes into vault and blobs, in its order; a node's own writes carry its lease
const isWrite = (line, headers) => /^PUT \/(keys|secrets)\/|^PUT \/poa-config(\?restype|\/(spec|contracts|identity-\d+)\.json)/.test(line) && !/comp=lease/.test(line) && !headers['x-ms-lease-id'];
const identity = () => rig.store.as('orchestrator', 'HEAD', '/poa-config/identity-0.json');
const held = async () => { for (let k = 0; (await identity()).headers['x-ms-lease-status'] !== 'locked'; k++) { assert.ok(k < 1200, 'no node takes the identity'); await sleep(50); } return true; };
// a run that is killed at the write that when(line, phase, number) names, before or after the vault has taken it; its writes so far: it may end before that
async function killedAt(flags, when) {
  const writes = [];
  let over = false;
  rig.gate.look = async (line, headers, phase) => {
    if (!isWrite(line, headers)) return false;
    if (phase === 'before') writes.push(line.split('?')[0]);
    if (over || !(await when(line, phase, writes.length))) return over;
    over = true;
    rig.last.kill('SIGKILL');
    return true;
  };
  const x = await rig.newNetwork('net', flags);
  rig.gate.look = async () => false;
  return { ...x, writes };
}
const seed = Number(process.env.POA_SEED ?? Date.now() % 1e6);
let state = seed;
const rand = (n) => { state = (state * 1103515245 + 12345) % 2147483648; return Math.floor((state / 2147483648) * n); };
for (const mode of ['sign', 'secret'])
  fresh(`identity mode ${mode}: killed at the first key, then when a node holds the first identity: the keys of the vault are taken, and it goes on`, async () => {
    const flags = { '--identity-mode': mode }, x = await killedAt(flags, (line, phase) => phase === 'after');
    assert.equal(x.signal, 'SIGKILL', x.err); assert.equal(x.writes.length, 1);
    const y = await killedAt(flags, async (line, phase) => phase === 'after' && /identity-0/.test(line) && held());
    assert.equal(y.signal, 'SIGKILL', y.err);
    const first = JSON.parse((await rig.store.as('orchestrator', 'GET', '/poa-config/identity-0.json')).body).address, z = await goesOn(flags);
    assert.match(z.err, /go on with the 2 validator keys that the vault holds/); assert.equal(z.json.VALIDATOR_ADDRESSES[0].toLowerCase(), first.toLowerCase());
  });
for (const mode of ['sign', 'secret'])
  fresh(`identity mode ${mode}: killed twice, at random writes (POA_SEED=${seed})`, async () => {
    const flags = { '--identity-mode': mode }, told = [];
    for (let k = 0; k < 2; k++) {
      const n = 1 + rand(7), at = rand(2) ? 'after' : 'before', x = await killedAt(flags, (line, phase, count) => phase === at && count === n);
      told.push(`${at} ${x.writes.at(-1) ?? 'nothing'} (${n})`);
      assert.ok(x.signal === 'SIGKILL' || x.code === 0 || x.code === 3, `${told} ${x.err}`);
      if (rand(2) && (await identity()).status === 200) await held();
    }
    console.log(`# ${told.join(', then ')}`);
    await goesOn(flags, [0, 3]);
  });
fresh('someone deletes the resource group after a run was killed: the next one begins anew', async () => {
  const x = await killedAt({}, (line, phase) => phase === 'after' && /identity-1/.test(line));
  assert.equal(x.signal, 'SIGKILL', x.err);
  await rig.forget(); await writeTokens();
  await goesOn();
});

fresh('rotate: a new key in the vault, the change on the chain, the identity handed over to the machine that had the old one', async () => {
  const o = ok(await rig.newNetwork('net')).json;
  const x = ok(await rig.run(['rotate', 'net', '--index', '0', '--json']));
  const now = JSON.parse((await rig.store.as('orchestrator', 'GET', '/poa-config/identity-0.json')).body);
  assert.notEqual(now.address.toLowerCase(), o.VALIDATOR_ADDRESSES[0].toLowerCase()); assert.ok(now.enodeUrl); assert.ok(rig.machines.all.some((m) => m.starts === 2), x.err);
});

// ------------------------------------------------------------------------------------------------ who signs in
group = 'bad'; // three parts of about the same length
const login = (name, flags, env = {}) => fresh(`signed in by ${name}`, async () => {
  rig.azure.machines = null;
  const x = await rig.run(['new', 'net', '--yes', '--json', ...rig.flags({ '--azure-login': null, '--client-secret-file': null, '--client-id': null, '--tenant': null, '--timeout': 1, ...flags() })], { env: typeof env === 'function' ? env() : env });
  rig.azure.machines = (g, set) => rig.machines.boot(set);
  assert.match(x.err, /done: wait for the deployment/, x.err); assert.match(x.err, /first block/); assert.deepEqual(azure.strange, []);
});
const client = { '--client-id': CLIENT, '--tenant': azure.tenant };
login('a certificate', () => ({ '--azure-login': 'certificate', '--client-certificate-file': rig.clientPem, ...client }));
login('a workload identity', () => ({ '--azure-login': 'workload', '--federated-token-file': file('federated', azure.tokens.jwt({ iss: 'https://cluster.example', sub: 'system:serviceaccount:poa:deployer', aud: ['api://AzureADTokenExchange'], iat: 1, exp: Math.floor(Date.now() / 1000) + 600 }, rig.cluster.privateKey) + '\n'), ...client }));
login('the managed identity of this machine', () => ({ '--azure-login': 'managed', '--metadata-endpoint': azure.metadata, '--client-id': MANAGED, '--resource-group': 'poa-managed' }));
login('the az command', () => {
  fs.mkdirSync(path.join(rig.dir, 'path'), { recursive: true });
  const t = azure.tokens.issue({ objectId: OBJECT }, CLIENT, 'https://management.azure.com');
  fs.writeFileSync(path.join(rig.dir, 'path/az'), `#!/bin/sh\ncase "$*" in "account get-access-token --output json --resource https://management.azure.com"*) echo '{"accessToken":"${t}","expires_on":${Math.floor(Date.now() / 1000) + 600}}';;
    *vault.azure.net*) echo '{"accessToken":"'$(cat ${rig.dir}/vault-token)'","expires_on":${Math.floor(Date.now() / 1000) + 600}}';; *storage.azure.com*) echo '{"accessToken":"'$(cat ${rig.dir}/storage-token)'","expires_on":${Math.floor(Date.now() / 1000) + 600}}';; *) echo "ERROR: what is $*?" >&2; exit 1;; esac\n`, { mode: 0o755 });
  return { '--azure-login': 'cli' };
}, () => ({ PATH: `${path.join(rig.dir, 'path')}:${process.env.PATH}` }));
login('the environment alone (AZURE_CLIENT_SECRET and its sisters)', () => ({ '--subscription': null }), () => ({ AZURE_CLIENT_ID: CLIENT, AZURE_CLIENT_SECRET: SECRET, AZURE_TENANT_ID: azure.tenant, AZURE_SUBSCRIPTION_ID: azure.subscription }));
badTests({ test, fresh, rig, azure, ok, fails, file, resources });
await sdkTests({ test, fresh, rig, azure });

// ------------------------------------------------------------------------------------------------ run
let passed = 0, failed = 0;
const began = Date.now();
for (const { name, fn } of tests.filter((t) => !only || only.test(t.name))) {
  const t = Date.now();
  try {
    await fn(); passed++; console.log(`ok ${passed + failed} - ${name} (${Date.now() - t} ms)`);
  } catch (e) { failed++; console.log(`not ok ${passed + failed} - ${name}\n${String(e.stack).replace(/^/gm, '# ')}`); }
}
await rig.close();
console.log(`1..${passed + failed}\n# ${((Date.now() - began) / 1000).toFixed(1)} s\n${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
