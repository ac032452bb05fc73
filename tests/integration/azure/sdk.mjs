// The stand-in is honest: Azure's own libraries for Node take it for Azure, in every way of signing in, and meet its refusals as they meet Azure's.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs'; import path from 'node:path';
import { bin, root, CLIENT, MANAGED, SECRET } from './rig.mjs';

export async function sdkTests({ test, rig, azure }) {
  const { ClientCertificateCredential, ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential } = await import('@azure/identity');
  const { ResourceManagementClient } = await import('@azure/arm-resources');
  const tlsOptions = { ca: rig.store.ca }, at = { authorityHost: azure.base, disableInstanceDiscovery: true, tlsOptions, retryOptions: { maxRetries: 0 } };
  const scope = 'https://management.azure.com/.default';
  const secret = () => new ClientSecretCredential(azure.tenant, CLIENT, SECRET, at);
  const client = (credential = secret(), retries = 3) => new ResourceManagementClient(credential, azure.subscription, { endpoint: azure.base, credentialScopes: scope, tlsOptions, retryOptions: { maxRetries: retries, retryDelayInMs: 20 } });
  const rejects = async (p, code) => { const e = await p.then(() => assert.fail(`no ${code}`), (x) => x); assert.equal(e.code ?? e.details?.error?.code, code, e.message); return e; };
  const main = JSON.parse(execFileSync(path.join(bin, 'poa-deploy'), ['template', 'render'], { env: { ...process.env, POA_SHARE: process.env.POA_SHARE ?? root }, maxBuffer: 1 << 24 }));
  const parameters = (more = {}) => Object.fromEntries(Object.entries({ regionCount: 1, numVLNodesRegion: 2, consortiumMemberId: 5, location_1: 'westeurope', location: 'westeurope', adminUsername: 'poaadmin', adminSSHKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGkv6vPq0dLQJp8N0b2hQw3mT9rTFX1m6XfX9u2s0w3Z', ethereumAdminPublicKey: '0x00000000000000000000000000000000000000aa', omsDeploy: true, ...more }).map(([k, value]) => [k, { value }]));
  const properties = (more) => ({ mode: 'Incremental', template: main, parameters: parameters(more) });
  const lro = { updateIntervalInMs: 20 };
  const fastAzure = () => { azure.machines = null; };

  test('SDK: tokens by secret, certificate, workload identity, managed identity', async () => {
    await rig.forget(); fastAzure();
    const federated = path.join(rig.dir, 'sdk-federated');
    fs.writeFileSync(federated, azure.tokens.jwt({ iss: 'https://cluster.example', sub: 'system:serviceaccount:poa:deployer', aud: ['api://AzureADTokenExchange'], exp: Math.floor(Date.now() / 1000) + 600 }, rig.cluster.privateKey));
    process.env.AZURE_POD_IDENTITY_AUTHORITY_HOST = azure.metadata;
    const ways = [secret(), new ClientCertificateCredential(azure.tenant, CLIENT, { certificatePath: rig.clientPem }, at), new WorkloadIdentityCredential({ tenantId: azure.tenant, clientId: CLIENT, tokenFilePath: federated, ...at }), new ManagedIdentityCredential({ clientId: MANAGED })];
    for (const way of ways) {
      const t = await way.getToken(scope).catch((e) => { console.log(azure.log.slice(-3)); throw e; });
      assert.equal(azure.tokens.check(`Bearer ${t.token}`).error, undefined);
      const claims = JSON.parse(Buffer.from(t.token.split('.')[1], 'base64url'));
      assert.ok(claims.exp * 1000 > Date.now());
    }
    for (const audience of ['https://vault.azure.net/.default', 'https://storage.azure.com/.default']) assert.ok((await secret().getToken(audience)).token);
  });
  test('SDK: a wrong secret, tenant, certificate, subject is refused by Entra\'s codes', async () => {
    const refused = async (c, code) => { const e = await c.getToken(scope).then(() => assert.fail(code), (x) => x); assert.match(e.message, new RegExp(code)); };
    await refused(new ClientSecretCredential(azure.tenant, CLIENT, 'wrong', at), 'AADSTS7000215');
    await refused(new ClientSecretCredential(azure.tenant, 'aaaaaaaa-0000-4000-8000-00000000ffff', SECRET, at), 'AADSTS700016');
    const other = path.join(rig.dir, 'other.pem');
    execFileSync('sh', ['-c', `openssl req -x509 -newkey rsa:2048 -nodes -keyout '${other}.key' -out '${other}.crt' -subj /CN=other -days 1 2>/dev/null && cat '${other}.key' '${other}.crt' >'${other}'`]);
    await refused(new ClientCertificateCredential(azure.tenant, CLIENT, { certificatePath: other }, at), 'AADSTS700027');
    const file = path.join(rig.dir, 'wrong-subject');
    fs.writeFileSync(file, azure.tokens.jwt({ iss: 'https://cluster.example', sub: 'someone', aud: ['api://AzureADTokenExchange'], exp: Math.floor(Date.now() / 1000) + 600 }, rig.cluster.privateKey));
    await refused(new WorkloadIdentityCredential({ tenantId: azure.tenant, clientId: CLIENT, tokenFilePath: file, ...at }), 'AADSTS700213');
  });
  test('SDK: group, validate, what-if, create, operations, outputs, delete', async () => {
    const c = client();
    assert.equal((await c.resourceGroups.createOrUpdate('sdk', { location: 'westeurope', tags: { a: 'b' } })).properties.provisioningState, 'Succeeded');
    assert.equal((await c.resourceGroups.checkExistence('sdk')).body, true);
    const v = await c.deployments.beginValidateAndWait('sdk', 'one', { properties: properties() }, lro);
    assert.equal(v.error, undefined);
    const w = await c.deployments.beginWhatIfAndWait('sdk', 'one', { properties: properties() }, lro);
    assert.equal(w.status, 'Succeeded'); assert.ok(w.changes.length > 20); assert.ok(w.changes.every((x) => x.changeType === 'Create'));
    const d = await c.deployments.beginCreateOrUpdateAndWait('sdk', 'one', { properties: properties({ adminPassword: 'not to be kept 1A' }) }, lro);
    assert.equal(d.properties.provisioningState, 'Succeeded'); assert.match(d.properties.outputs.OMS_PORTAL_URL.value, /portal\.azure\.com/);
    assert.equal(d.properties.parameters.adminPassword.value, undefined); assert.equal(d.properties.parameters.adminPassword.type, 'SecureString');
    const ops = [];
    for await (const o of c.deploymentOperations.list('sdk', 'one')) ops.push(o);
    assert.ok(ops.length >= 5 && ops.every((o) => o.properties.provisioningState === 'Succeeded'));
    const list = [];
    for await (const r of c.resources.listByResourceGroup('sdk', { filter: "resourceType eq 'Microsoft.Compute/virtualMachineScaleSets'" })) list.push(r);
    assert.equal(list.length, 1); assert.equal(list[0].tags['poa-member'], '5');
    const again = await c.deployments.beginWhatIfAndWait('sdk', 'one', { properties: properties() }, lro);
    assert.ok(again.changes.every((x) => x.changeType === 'NoChange'));
    await c.resourceGroups.beginDeleteAndWait('sdk', lro);
    assert.equal((await c.resourceGroups.checkExistence('sdk')).body, false);
    azure.deletedVaults.clear();
  });
  test('SDK: errors have the service\'s codes: template, parameters, soft delete, unknown group, active deployment, wrong audience', async () => {
    const c = client();
    await c.resourceGroups.createOrUpdate('sdk', { location: 'westeurope' });
    await rejects(c.deployments.beginCreateOrUpdateAndWait('none', 'one', { properties: properties() }, lro), 'ResourceGroupNotFound');
    await rejects(c.deployments.beginCreateOrUpdateAndWait('sdk', 'one', { properties: { ...properties(), parameters: { ...parameters(), surprise: { value: 1 } } } }, lro), 'InvalidTemplate');
    await rejects(c.deployments.beginCreateOrUpdateAndWait('sdk', 'one', { properties: properties({ numVLNodesRegion: 16 }) }, lro), 'InvalidTemplate');
    await rejects(c.deployments.get('sdk', 'none'), 'DeploymentNotFound');
    await rejects(c.resourceGroups.createOrUpdate('elsewhere', { location: 'atlantis' }), 'LocationNotAvailableForResourceGroup');
    azure.createMs = 40;
    const p = await c.deployments.beginCreateOrUpdate('sdk', 'slow', { properties: properties() }, lro);
    await rejects(c.deployments.beginCreateOrUpdate('sdk', 'slow', { properties: properties() }, lro), 'DeploymentActive');
    await c.deployments.cancel('sdk', 'slow');
    await p.pollUntilDone().then(() => assert.fail('it was cancelled'), (e) => assert.match(e.message, /cancel/i));
    azure.createMs = 0;
    const stranger = client({ getToken: async () => ({ token: azure.tokens.issue({ objectId: 'x' }, CLIENT, 'https://graph.microsoft.com'), expiresOnTimestamp: Date.now() + 1e6 }) }, 0);
    await rejects(stranger.resourceGroups.get('sdk'), 'InvalidAuthenticationTokenAudience');
    azure.tokens.lifeS = -10;
    await rejects(client(secret(), 0).resourceGroups.get('sdk'), 'ExpiredAuthenticationToken');
    azure.tokens.lifeS = 3600;
  });
  test('SDK: throttling, 5xx and a dropped connection are survived by its own retries', async () => {
    const c = client();
    azure.fault({ on: /^GET .*resource[gG]roups\/sdk$/, status: 429, headers: { 'retry-after': '1' } });
    azure.fault({ on: /^GET .*resource[gG]roups\/sdk$/, status: 503 });
    azure.fault({ on: /^GET .*resource[gG]roups\/sdk$/, drop: 'before' });
    assert.equal((await c.resourceGroups.get('sdk')).name, 'sdk'); assert.ok(azure.faults.every((f) => f.times === 0));
    assert.deepEqual(azure.strange.filter((x) => !/surprise/.test(x)), []);
    azure.groups.clear();
    azure.machines = (g, set) => rig.machines.boot(set);
  });
}
