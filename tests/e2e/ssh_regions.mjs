// The ssh target in two regions, with the identity store and the load balancers on hosts of their own: the template's own ports, a key rotated, and
// `plan` as it sees a host that is gone.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Hosts, inNamespace } from './ssh_hosts.mjs';
import { assert, done, height, list, poa, run, test, workFolder } from './lib.mjs';

const why = inNamespace(fileURLToPath(import.meta.url));
if (why) {
  console.log(`TAP version 13\nok 1 - two regions of hosts # SKIP ${why}\n1..1\n0 passed, 0 failed, 1 skipped`);
  process.exit(0);
}
const work = workFolder(), dir = path.join(work, 'a');
const hosts = new Hosts(work);
let outputs;

test('two regions of two hosts, the store and two balancers apart', async () => {
  await hosts.startAll(1, 2, 3, 4, 5, 6);
  const r = await done(['new', dir, '--target', 'ssh', '--yes', '--json', '--step', '1', '--regions', '2', '--nodes', '2', '--hosts', [1, 2, 3, 4].map((i) => hosts.address(i)).join(','),
    '--store-host', hosts.address(5), '--balancers', `${hosts.address(5)},${hosts.address(6)}`, '--identity-file', hosts.key, '--trust-on-first-use', 'true']);
  outputs = r.json;
  assert.equal(outputs.ETHEREUM_RPC_ENDPOINT, 'http://10.77.0.5:8545');
  for (const i of [5, 6]) assert.ok(await height(`http://${hosts.address(i)}:8545`) > 0);
  assert.equal(await hosts.sh(5, 'ls /etc/poa-node.yaml 2>/dev/null'), '');
});

test('a validator key is rotated on the live network', async () => {
  const r = await done(['rotate', dir, '--index', '0', '--json'], { limit_s: 100 });
  assert.deepEqual(r.json.rotated, [0]);
  const now = (await done(['validator', 'list', dir, '--json'])).out.toLowerCase();
  const before = list(outputs.VALIDATOR_ADDRESSES).map((v) => v.toLowerCase());
  assert.ok(!now.includes(before[0]) && before.slice(1).every((v) => now.includes(v)));
});

test('plan has nothing to do; with a host gone it names its node', async () => {
  assert.equal((await poa(['plan', dir, '--json', '--detailed-exitcode'])).code, 3);
  await hosts.kill(3);
  const r = await done(['plan', dir, '--json', '--detailed-exitcode']);
  assert.equal(r.json.changes.length, 1);
  assert.match(r.json.changes[0].what, /^vl-.*-reg2000000$/);
  assert.match(r.json.changes[0].why, /10\.77\.0\.3:22 (does not answer|cannot be reached)/);
  await done(['destroy', dir, '--yes', '--force']);
});

process.on('exit', () => { for (const p of hosts.list.values()) p.kill('SIGKILL'); });
await run({ chained: true });
