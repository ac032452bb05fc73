// Bad input: each parameter of the guide's tables with a value that is not allowed, alone and all together; then what only the service can know. Each is told
// with its flag, what is allowed and what to do; nothing is made, and the exit code is 2 for settings, 1 for what Azure refuses.
import assert from 'node:assert/strict';
import fs from 'node:fs'; import path from 'node:path';
import { root } from './rig.mjs';

export function badTests({ test, fresh, rig, azure, ok, fails, file }) {
  const weak = () => file('weak', 'alllowercase\n'), short = () => file('short', 'Ab1!\n'), long = () => file('long', `Aa1${'x'.repeat(70)}\n`), strong = () => file('strong', 'Correct-Horse-1\n'), noKey = () => file('nokey', 'hello\n');
  const table = [
    // Basics
    ['email', { '--email': 'nobody' }, /--email \(basics\.email\): 'nobody' is not allowed/], ['VM user name', { '--vm-user': 'root!' }, /--vm-user .*'root!' is not allowed/], ['VM user name of 65 characters', { '--vm-user': 'a'.repeat(65) }, /--vm-user/],
    ['authentication type', { '--auth': 'none' }, /--auth .*password\|sshPublicKey/], ['no password', { '--auth': 'password' }, /--vm-password-file .*missing/], ['a short password', { '--auth': 'password', '--vm-password-file': short }, /12 to 72 characters/],
    ['a password of one kind', { '--auth': 'password', '--vm-password-file': weak }, /three of upper case/], ['a password of 73 characters', { '--auth': 'password', '--vm-password-file': long }, /12 to 72/], ['a file that is not there', { '--auth': 'password', '--vm-password-file': '/none' }, /'\/none' does not exist/],
    ['no SSH key', { '--ssh-key-file': null }, /--ssh-key-file .*missing/], ['an SSH key that is none', { '--ssh-key-file': noKey }, /holds no public SSH key/], ['subscription', { '--subscription': 'mine' }, /--subscription .*'mine' is not allowed/], ['no subscription', { '--subscription': null }, /--subscription .*missing/],
    ['resource group', { '--resource-group': 'a b' }, /--resource-group/], ['resource group that ends in a point', { '--resource-group': 'a.' }, /--resource-group/],
    // Regions
    ['no region', { '--regions': 0 }, /--regions .*1 to 5/], ['six regions', { '--regions': 6 }, /--regions .*1 to 5/], ['fewer names than regions', { '--regions': 2 }, /1 region is named, but --regions is 2/], ['no names', { '--locations': null }, /--locations .*missing/], ['a name that is none', { '--locations': 'west europe' }, /'west europe' is not allowed/],
    // Size
    ['one node', { '--nodes': 1 }, /--nodes .*2 to 15/], ['sixteen nodes', { '--nodes': 16 }, /--nodes .*2 to 15/], ['storage', { '--storage': 'Ultra' }, /--storage .*Standard\|Premium/], ['machine size', { '--vm-size': 'Standard_M128' }, /--vm-size/],
    // Ethereum
    ['member id', { '--member-id': 256 }, /--member-id .*0 to 255/], ['network id below 5', { '--network-id': 4 }, /--network-id .*5 to 999999999/], ['network id above', { '--network-id': 1000000000 }, /--network-id/], ['administrator', { '--admin': '0x12' }, /--admin/], ['administrator zero', { '--admin': `0x${'0'.repeat(40)}` }, /zero address/],
    ['public or private', { '--ip': 'both' }, /--ip .*public\|private/], ['permission contract', { '--tx-permission': '/none' }, /--tx-permission/], ['gateway of a public network', { '--member-gateway': `/subscriptions/${azure.subscription}/resourceGroups/o/providers/Microsoft.Network/virtualNetworkGateways/g` }, /only a member that joins a private network/],
    ['gateway that is none', { '--member-gateway': 'gw' }, /--member-gateway/], ['shared key', { '--connection-key-file': noKey2 }, /1 to 128 letters and digits/],
    // Azure Monitor
    ['monitoring', { '--monitor': 'maybe' }, /--monitor .*enable\|disable/], ['workspace id', { '--monitor': 'enable', '--workspace-id': 'w' }, /--workspace-id/], ['workspace without its key', { '--monitor': 'enable', '--workspace-id': azure.subscription }, /needs both/], ['Prometheus in Azure', { '--monitor': 'prometheus' }, /prometheus .*local network/], ['monitor location', { '--monitor-location': 'a b' }, /--monitor-location/],
    // who signs in
    ['login', { '--azure-login': 'guess' }, /--azure-login/], ['tenant', { '--tenant': '?' }, /--tenant/], ['client', { '--client-id': 'me' }, /--client-id/], ['address of the resource manager', { '--arm-endpoint': 'ftp://x' }, /--arm-endpoint/],
    ['data URL of new', { '--data-url': 'http://127.0.0.1' }, /only `poa-deploy join` takes it/],
  ];
  function noKey2() { return file('nokey2', 'with space\n'); }
  const real = (flags) => Object.fromEntries(Object.entries(flags).map(([k, v]) => [k, typeof v === 'function' ? v() : v]));
  test('bad input: every parameter of every table, alone: exit 2, the flag, what is allowed; nothing is made', async () => {
    const before = azure.log.length;
    for (const [what, flags, pattern] of table) {
      const x = await rig.newNetwork('bad', real(flags));
      assert.equal(x.code, 2, `${what}: ${x.code} ${x.err}`); assert.match(x.err, pattern, what); assert.match(x.err, /settings? cannot be used/, what); assert.ok(x.json.error.problems.length <= 3, what); assert.ok(!fs.existsSync(path.join(rig.dir, 'bad')), what);
    }
    assert.equal(azure.log.length, before, 'Azure was not asked');
  });
  test('bad input: all tables at once: every problem in one go', async () => {
    const all = { '--email': 'nobody', '--vm-user': 'root!', '--auth': 'none', '--ssh-key-file': noKey(), '--subscription': 'mine', '--resource-group': 'a b', '--regions': 6, '--locations': 'west europe', '--nodes': 16, '--storage': 'Ultra', '--vm-size': 'Standard_M128', '--member-id': 256, '--network-id': 4, '--admin': '0x12', '--ip': 'both', '--tx-permission': '/none', '--monitor': 'maybe', '--workspace-id': 'w', '--azure-login': 'guess', '--tenant': '?' };
    const x = await rig.newNetwork('bad', all);
    assert.equal(x.code, 2);
    for (const flag of Object.keys(all)) assert.ok(x.err.includes(flag) || flag === '--ssh-key-file' || x.json.error.problems.some((p) => p.includes(flag)), flag);
    assert.ok(x.json.error.problems.length >= Object.keys(all).length);
  });
  test('bad input: who signs in is told what is missing, and what is wrong with it', async () => {
    fails(await rig.newNetwork('bad', { '--client-secret-file': null }), /--azure-login secret needs --client-secret-file/, 2);
    fails(await rig.newNetwork('bad', { '--client-id': null }), /needs --client-id/, 2);
    fails(await rig.newNetwork('bad', { '--tenant': null }), /needs --tenant/, 2);
    fails(await rig.newNetwork('bad', { '--azure-login': 'certificate' }), /needs --client-certificate-file/, 2);
    fails(await rig.newNetwork('bad', { '--azure-login': 'workload' }), /needs --federated-token-file/, 2);
    fails(await rig.newNetwork('bad', { '--client-secret-file': file('wrong', 'wrong\n') }), /gives no token to client .*AADSTS7000215/);
    fails(await rig.newNetwork('bad', { '--azure-login': 'certificate', '--client-certificate-file': file('pem', 'no pem') }), /holds no RSA private key/);
    fails(await rig.newNetwork('bad', { '--client-id': 'aaaaaaaa-0000-4000-8000-00000000ffff' }), /AADSTS700016/);
    fails(await rig.newNetwork('bad', { '--tenant': '00000000-8888-7777-6666-555555555555' }), /AADSTS90002/);
    fails(await rig.newNetwork('bad', { '--azure-login': 'cli' }, { env: { PATH: '/nowhere' } }), /az cannot be run.*another --azure-login/);
    fails(await rig.newNetwork('bad', { '--subscription': '00000000-2222-3333-4444-555555555555' }), /is not there for client .*check --subscription and --tenant/);
    azure.subscriptionState = 'Disabled';
    fails(await rig.newNetwork('bad'), /is Disabled: nothing can be deployed/);
    azure.subscriptionState = 'Enabled';
  });
  fresh('what the preflight finds: region, size, quota, permission; all in one text, and nothing is made', async () => {
    try {
    const put = () => azure.log.filter((l) => /^PUT/.test(l)).length;
    fails(await rig.newNetwork('bad', { '--regions': 2, '--locations': 'westeurope,atlantis' }), /has no region 'atlantis'/);
    fails(await rig.newNetwork('bad', { '--vm-size': 'Standard_D9_v9' }), /Standard_D9_v9 is not offered in westeurope/);
    azure.restricted = ['Standard_D1_v2'];
    fails(await rig.newNetwork('bad'), /cannot be used in westeurope by this subscription \(NotAvailableForSubscription\)/);
    azure.restricted = [];
    fails(await rig.newNetwork('bad', { '--storage': 'Premium' }), /takes no Premium disks/);
    azure.cores = 3;
    fails(await rig.newNetwork('bad', { '--nodes': 4 }), /quota in westeurope: 4 cores are needed, and 3 of 3 are left/);
    azure.cores = 350; azure.familyCores = { standardDv2Family: 1 };
    fails(await rig.newNetwork('bad'), /cores of the family standardDv2Family/);
    azure.familyCores = undefined; azure.publicAddresses = 2;
    fails(await rig.newNetwork('bad'), /3 public addresses are needed, and 2 of 2 are left/);
    azure.publicAddresses = 100;
    azure.permissions = [{ actions: ['*'], notActions: ['Microsoft.Authorization/*/Write'] }];
    fails(await rig.newNetwork('bad'), /may not do this on subscription .*: Authorization\/roleAssignments\/write \(.*not in the role Contributor/);
    azure.permissions = [{ actions: ['*/read'], notActions: [] }];
    const x = fails(await rig.newNetwork('bad', { '--locations': 'atlantis' }), /deployments\/write/);
    assert.match(x.err, /no region 'atlantis'/);
    azure.permissions = [{ actions: ['*'], notActions: [] }];
    assert.equal(put(), 0, 'nothing was made');
    azure.unregistered = ['Microsoft.KeyVault'];
    azure.takenNames.add('x');
    const names = ok(await rig.newNetwork('net', { '--resource-group': 'poa-names' }));
    assert.match(names.err, /register the resource provider Microsoft\.KeyVault/);
    } finally { Object.assign(azure, { restricted: [], cores: 350, familyCores: undefined, publicAddresses: 100, permissions: [{ actions: ['*'], notActions: [] }], unregistered: [] }); azure.takenNames.clear(); }
  });
  fresh('names that others hold: a vault in soft delete of another group, a storage account', async () => {
    const plan = await rig.newNetwork('first', { '--resource-group': 'poa-first' });
    ok(plan);
    const vault = [...azure.groups.get('poa-first').resources.values()].find((r) => r.type === 'Microsoft.KeyVault/vaults').name, account = [...azure.groups.get('poa-first').resources.values()].find((r) => r.type === 'Microsoft.Storage/storageAccounts').name;
    await rig.forget();
    azure.deletedVaults.set(vault, { properties: { vaultId: '/subscriptions/x/resourceGroups/theirs/providers/Microsoft.KeyVault/vaults/y', scheduledPurgeDate: '2026-12-01T00:00:00Z' } });
    fails(await rig.newNetwork('second', { '--resource-group': 'poa-first' }), /is held by a deleted vault of another resource group .* until 2026-12-01.*az keyvault purge/);
    azure.deletedVaults.clear();
    azure.takenNames.add(account);
    fails(await rig.newNetwork('second', { '--resource-group': 'poa-first' }), /storage account's name .* is taken by someone else/);
    azure.takenNames.clear();
    assert.ok(![...azure.groups.get('poa-first').deployments.keys()].some((k) => k.startsWith('poa-member')), 'no deployment was begun');
  });
  fresh('an answer that points elsewhere gets no token; one that is no JSON is told', async () => {
    azure.fault({ on: /^POST .*\/whatIf/, status: 202, headers: { location: 'https://evil.example/steal' }, body: {} });
    fails(await rig.newNetwork('net'), /which is not at .*: no token is sent there/);
    azure.fault({ on: /^GET .*\/locations$/, status: 200, body: 'oops' });
    fails(await rig.newNetwork('net'), /list the regions: Azure's answer is no JSON/);
  });
  test('a private network: gateways are made, the join connects, gateway connect closes the circle', async () => {
    await rig.forget();
    azure.machines = null;
    const key = file('shared', 'Shared0Key\n'), x = await rig.newNetwork('private', { '--ip': 'private', '--resource-group': 'poa-private', '--connection-key-file': key });
    azure.machines = (g, set) => rig.machines.boot(set);
    ok(x);
    assert.match(x.json.VNET_GATEWAY_RESOURCE_ID, /virtualNetworkGateways\/eth\w+-gateway-reg1$/); assert.match(x.err, /private network that this machine may not reach/);
    const other = `/subscriptions/${azure.subscription}/resourceGroups/theirs/providers/Microsoft.Network/virtualNetworkGateways/their-gateway`;
    ok(await rig.run(['gateway', 'connect', other, 'private', '--shared-key-file', key, '--json']));
    const c = [...azure.groups.get('poa-private').resources.values()].find((r) => r.type === 'Microsoft.Network/connections');
    assert.equal(c.properties.virtualNetworkGateway2.id, other); assert.equal(c.properties.connectionType, 'Vnet2Vnet'); assert.deepEqual(azure.sharedKeys, ['Shared0Key']);
    assert.ok(!fs.readFileSync(path.join(rig.dir, 'private/deployment.json'), 'utf8').includes('Shared0Key'));
    fails(await rig.run(['gateway', 'connect', x.json.VNET_GATEWAY_RESOURCE_ID, 'private', '--shared-key-file', key, '--json']), /is the own gateway/, 2);
    fails(await rig.run(['traffic-manager', 'create', 'private', '--json']), /no public address of a load balancer/);
    assert.deepEqual(azure.strange, []);
  });
  test('templates that cannot be read, wait for each other in a circle, call a function that is not there: told with file and place', async () => {
    const share = path.join(rig.dir, 'share'), main = path.join(share, 'templates/mainTemplate.json'), good = JSON.parse(fs.readFileSync(path.join(root, 'templates/mainTemplate.json')));
    fs.cpSync(path.join(root, 'templates'), path.join(share, 'templates'), { recursive: true });
    fs.mkdirSync(path.join(share, 'orchestrator/contracts'), { recursive: true });
    for (const d of ['artifacts', 'src']) fs.cpSync(path.join(root, 'orchestrator/contracts', d), path.join(share, 'orchestrator/contracts', d), { recursive: true });
    const plan = (text) => { fs.writeFileSync(main, text); return rig.run(['plan', '--json', ...rig.flags()], { env: { POA_SHARE: share } }); };
    ok(await plan(JSON.stringify(good)));
    const broken = await plan('{ "resources": [ }');
    assert.equal(broken.code, 1, broken.err); assert.match(broken.err, /mainTemplate\.json.*line 1/);
    const two = (a, b) => JSON.stringify({ ...good, resources: [...good.resources, { type: 'Microsoft.Network/publicIPAddresses', apiVersion: '2025-07-01', name: 'one', ...a }, { type: 'Microsoft.Network/publicIPAddresses', apiVersion: '2025-07-01', name: 'two', ...b }] });
    const circle = await plan(two({ dependsOn: ['two'] }, { dependsOn: ['one'] }));
    assert.equal(circle.code, 2, circle.err); assert.match(circle.err, /wait for each other in a circle: (one -> two -> one|two -> one -> two)/);
    const strange = await plan(two({ tags: { a: "[frobnicate('x')]" } }, {}));
    assert.notEqual(strange.code, 0); assert.match(strange.err, /frobnicate/); assert.match(strange.err, /resources\[\d+\]\.tags\.a/);
    fs.rmSync(main);
    const gone = await plan.call(null, JSON.stringify(good)).then(() => { fs.rmSync(main); return rig.run(['plan', '--json', ...rig.flags()], { env: { POA_SHARE: share } }); });
    assert.notEqual(gone.code, 0); assert.match(gone.err, /mainTemplate\.json/);
    assert.ok(!fs.existsSync(path.join(rig.dir, 'consortium')));
  });
  test('five regions of fifteen: plan in under a second and 100 MiB, with every resource counted', async () => {
    const regions = ['westeurope', 'northeurope', 'eastus', 'westus2', 'southeastasia'].join(','), n = azure.log.length, time = path.join(rig.dir, 'time');
    const t = Date.now();
    const x = await rig.run(['plan', '--json', ...rig.flags({ '--regions': 5, '--nodes': 15, '--locations': regions })], { measure: time });
    const ms = Date.now() - t, kib = x.maxrss;
    ok(x);
    assert.equal(x.json.resources['Microsoft.Compute/virtualMachineScaleSets'], 5); assert.equal(x.json.validators, 75); assert.equal(azure.log.length, n, 'a plan asks nobody');
    console.log(`# plan of 5 x 15: ${ms} ms, ${kib} KiB`);
    assert.ok(kib < 100 * 1024, `${kib} KiB`);
  });
}
