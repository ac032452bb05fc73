// Golden renderings: what templates/ come to, resource by resource, in the shapes that the guide has. TAP.
//   node golden.mjs            compare with golden/*.json
//   node golden.mjs --update   write them anew (read the difference before it is committed)
// The evaluator is poa-deploy's own (tests/fakes/azure/arm_run.c); what Azure would say of a resource that stands is fixed here.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import readline from 'node:readline';

const here = dirname(fileURLToPath(import.meta.url)), root = join(here, '..', '..'), update = process.argv.includes('--update');
const bin = process.env.POA_BIN ?? join(root, 'build/release'), tool = join(bin, 'poa-arm-run');
if (!existsSync(tool)) execFileSync('make', ['-s', '-j2', `B=${relative(root, bin)}`, `${relative(root, bin)}/poa-arm-run`], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
const main = JSON.parse(execFileSync(join(bin, 'poa-deploy'), ['template', 'render'], { env: { ...process.env, POA_SHARE: root }, maxBuffer: 1 << 24 }));
const traffic = JSON.parse(readFileSync(join(root, 'templates/trafficManager.json')));
const secrets = { adminPassword: 'SECRET-of-the-machines-1', connectionSharedKey: 'SECRETofTheConnection', omsPrimaryKey: 'U0VDUkVUIG9mIHRoZSB3b3Jrc3BhY2U=', _artifactsLocationSasToken: '' };
const where = { adminPassword: /^resources\.\d+\.properties\.virtualMachineProfile\.osProfile\.adminPassword$/, connectionSharedKey: /^resources\.\d+\.properties\.sharedKey$/, omsPrimaryKey: /^resources\.\d+\.properties\.value$/ };
const base = { location: 'westeurope', location_1: 'westeurope', consortiumMemberId: 3, adminUsername: 'poaadmin', ethereumAdminPublicKey: '0x00000000000000000000000000000000000000AA', genesisHash: `0x${'12'.repeat(32)}`, validatorAddresses: ['0x00000000000000000000000000000000000000b0'],
  deployerPrincipalId: 'bbbbbbbb-0000-4000-8000-000000000001', nodePackageSha256: 'ab'.repeat(32), omsDeploy: false };
const key = { adminSSHKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGkv6vPq0dLQJp8N0b2hQw3mT9rTFX1m6XfX9u2s0w3Z poa@example' };
const password = { authType: 'password', adminPassword: secrets.adminPassword };
const cases = {
  'one-region-public': [main, { ...base, ...password, omsDeploy: true, emailAddress: 'operator@example.org' }],
  'five-regions': [main, { ...base, ...password, regionCount: 5, numVLNodesRegion: 15, location_2: 'northeurope', location_3: 'eastus', location_4: 'westus2', location_5: 'southeastasia', vlStorageAccountType: 'Premium_LRS', vlNodeVMSize: 'Standard_DS2_v2', omsDeploy: true }],
  'private-vnet-join': [main, { ...base, ...key, deployUsingPublicIP: false, isJoiningExistingNetwork: true, consortiumDataURL: 'http://10.0.17.8', regionCount: 2, location_2: 'eastus', bootnodes: [`enode://${'ab'.repeat(64)}@10.0.17.4:30300`],
    consortiumMemberGatewayId: '/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/leader/providers/Microsoft.Network/virtualNetworkGateways/leader-gateway-reg1', connectionSharedKey: secrets.connectionSharedKey }],
  'existing-workspace': [main, { ...base, ...key, omsDeploy: true, omsWorkspaceId: '22222222-2222-3333-4444-555555555555', omsPrimaryKey: secrets.omsPrimaryKey, identityMode: 'sign' }],
  'ssh-key': [main, { ...base, ...key, transactionPermissioningContract: '6001600101', enableSshAccess: true }],
  'traffic-manager': [traffic, { profileName: 'poa', dnsName: 'my-consortium', publicAddressIds: [1, 2].map((r) => `/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/poa/providers/Microsoft.Network/publicIPAddresses/eth-lbpip-reg${r}`) }],
};

const guid = (text) => createHash('sha256').update(text).digest('hex').replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/, '$1-$2-4$3-8$4-$5');
function stands(r) {
  const p = { ...r.properties }, last = r.name.split('/').pop();
  if (/publicIPAddresses$/.test(r.type)) Object.assign(p, { ipAddress: '203.0.113.1', dnsSettings: { ...p.dnsSettings, fqdn: `${p.dnsSettings?.domainNameLabel ?? last}.${r.location}.cloudapp.azure.com` } });
  if (/KeyVault\/vaults$/.test(r.type)) p.vaultUri = `https://${last}.vault.azure.net/`;
  if (/storageAccounts$/.test(r.type)) p.primaryEndpoints = { blob: `https://${last}.blob.core.windows.net/` };
  if (/workspaces$/.test(r.type)) p.customerId = guid(r.id);
  if (/dataCollectionEndpoints$/.test(r.type)) p.logsIngestion = { endpoint: `https://${last}.ingest.monitor.azure.com` };
  if (/dataCollectionRules$/.test(r.type)) p.immutableId = 'dcr-0123456789abcdef0123456789abcdef';
  if (/trafficManagerProfiles$/i.test(r.type)) p.dnsConfig = { ...p.dnsConfig, fqdn: `${p.dnsConfig.relativeName}.trafficmanager.net` };
  return { ...r, properties: p, ...(r.identity ? { identity: { ...r.identity, principalId: guid(r.id), tenantId: guid('tenant') } } : {}) };
}
async function render(template, values) {
  const p = spawn(tool, [], { stdio: ['pipe', 'pipe', 'inherit'] }), out = { resources: [], outputs: {} };
  const say = (v) => p.stdin.write(`${JSON.stringify(v)}\n`);
  say({ template, parameters: Object.fromEntries(Object.entries(values).map(([k, value]) => [k, { value }])), context: { subscriptionId: '11111111-2222-3333-4444-555555555555', tenantId: guid('tenant'), resourceGroup: 'poa-consortium', location: 'westeurope', deploymentName: 'mainTemplate' } });
  for await (const line of readline.createInterface({ input: p.stdout })) {
    const m = JSON.parse(line);
    if (m.error) throw new Error(`${m.phase}: ${m.error}`);
    if (m.resource) { out.resources.push(m.resource); say({ state: stands(m.resource) }); }
    if (m.done === 0) { out.outputs = m.outputs; p.stdin.end(); }
  }
  return out;
}
// cloud-init is read as lines
const readable = (out) => JSON.parse(JSON.stringify(out), (k, v) => (k === 'customData' ? Buffer.from(v, 'base64').toString().split('\n') : v));
const leaves = (v, path = []) => (v !== null && typeof v === 'object' ? Object.entries(v).flatMap(([k, x]) => leaves(x, [...path, k])) : [[path.join('.'), String(v)]]);

let count = 0, failed = 0;
function report(good, title, detail = []) {
  count++;
  if (!good) failed++;
  console.log(`${good ? 'ok' : 'not ok'} ${count} - ${title}`);
  if (!good) for (const d of detail) console.log(`# ${d}`);
}
mkdirSync(join(here, 'golden'), { recursive: true });
for (const [name, [template, values]] of Object.entries(cases)) {
  const file = join(here, 'golden', `${name}.json`);
  let out;
  try { out = readable(await render(template, values)); } catch (e) { report(false, `${name} is evaluated`, [e.message]); continue; }
  const loose = leaves(out).filter(([path, text]) => Object.entries(secrets).some(([k, s]) => s !== '' && (text.includes(s) || text.includes(Buffer.from(s).toString('base64'))) && !where[k].test(path)));
  report(loose.length === 0, `${name}: a secret is only where the service keeps it from sight`, loose.map(([path]) => path));
  for (const [path, text] of leaves(out)) if (Object.values(secrets).includes(text) && text !== '') { let at = out; const parts = path.split('.'); for (const p of parts.slice(0, -1)) at = at[p]; at[parts.at(-1)] = '(secret)'; }
  const text = `${JSON.stringify(out, null, 1)}\n`;
  if (update) { writeFileSync(file, text); console.log(`# ${file} written`); continue; }
  const kept = existsSync(file) ? readFileSync(file, 'utf8') : '', a = kept.split('\n'), b = text.split('\n'), i = b.findIndex((l, k) => l !== a[k]);
  report(kept === text, `${name} is as golden/${name}.json has it`, [`line ${i + 1}: golden has ${a[i]?.trim()}`, `it came to ${b[i]?.trim()}`, 'if that is meant: node tests/templates/golden.mjs --update, and read the difference']);
}
console.log(`1..${count}\n${count - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
