// poa-identity-store under the Azure SDKs and raw requests. Usage: node run.mjs [path of poa-identity-store]; POA_IDENTITY_STORE also names it.
import assert from 'node:assert/strict'; import fs from 'node:fs'; import path from 'node:path'; import tls from 'node:tls'; import { fileURLToPath } from 'node:url'; import { execFileSync } from 'node:child_process'; import { createHash, createPublicKey, generateKeyPairSync, verify as verifySignature } from 'node:crypto';
import { ClientSecretCredential } from '@azure/identity'; import { SecretClient } from '@azure/keyvault-secrets'; import { CryptographyClient, KeyClient } from '@azure/keyvault-keys'; import { AccountSASPermissions, AccountSASResourceTypes, AccountSASServices, AnonymousCredential, BlobSASPermissions, BlobServiceClient, BlobLeaseClient, ContainerSASPermissions, SASProtocol, StorageSharedKeyCredential, generateAccountSASQueryParameters, generateBlobSASQueryParameters } from '@azure/storage-blob';
import { Store } from './store.mjs'; import { trustTests } from './trust.mjs'; import { memoryTests } from './memory.mjs';
const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const binary = process.argv[2] ?? process.env.POA_IDENTITY_STORE ?? path.join(root, 'build/release/poa-identity-store');
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const store = await Store.make(binary);
const tests = []; const test = (name, fn) => tests.push({ name, fn });
const V = 'api-version=7.4', C = '/poa-config';
const all = async (it) => { const out = []; for await (const x of it) out.push(x); return out; };
let credential, secrets, keys, blobs, container;
function connect() {
  const tlsOptions = { ca: store.ca };
  credential = new ClientSecretCredential(store.tenant, 'orchestrator', 'orc-secret', { authorityHost: store.base, disableInstanceDiscovery: true, tlsOptions });
  secrets = new SecretClient(store.base, credential, { disableChallengeResourceVerification: true, tlsOptions, retryOptions: { maxRetries: 1 } });
  keys = new KeyClient(store.base, credential, { disableChallengeResourceVerification: true, tlsOptions, retryOptions: { maxRetries: 1 } });
  blobs = new BlobServiceClient(`${store.base}/devstoreaccount1`, credential, { tlsOptions, retryOptions: { maxTries: 1 } });
  container = blobs.getContainerClient('poa-config');
}
const lease = (blob, action, h = {}, who = 'orchestrator') => store.as(who, 'PUT', `${C}/${blob}?comp=lease`, { headers: { 'x-ms-lease-action': action, ...h }, body: '' });
const doc = (i) => JSON.stringify({ secretUri: `${store.base}/secrets/validator-${i}`, address: '0x' + String(i + 1).repeat(40).slice(0, 40), enodeUrl: '', hostname: '', region: '' });
const rejects = async (p, code, status) => { const e = await p.then(() => assert.fail(`no ${code}`), (x) => x); assert.equal(e.statusCode, status, e.message); assert.equal(e.code, code); };

test('a call without a token is answered with the challenge', async () => {
  const r = await store.request('GET', `/secrets?${V}`);
  assert.equal(r.status, 401); assert.match(r.headers['www-authenticate'], /^Bearer authorization="https:.*\/poa-test", resource="https:\/\/vault.azure.net"$/);
  assert.equal(JSON.parse(r.body).error.code, 'Unauthorized');
  const b = await store.request('GET', `${C}?restype=container&comp=list`);
  assert.equal(b.status, 401); assert.match(b.headers['www-authenticate'], /resource_id=https:\/\/storage.azure.com/); assert.match(b.body, /<Code>NoAuthenticationInformation</);
});
test('tokens are refused for a wrong secret, client, address, audience', async () => {
  const ask = (o) => store.request('POST', `/${store.tenant}/oauth2/v2.0/token`, { body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'orchestrator', client_secret: 'orc-secret', scope: 'https://vault.azure.net/.default', ...o }).toString() });
  assert.equal((await ask({})).status, 200);
  const bad = await ask({ client_secret: 'x' }); assert.equal(bad.status, 401); assert.equal(JSON.parse(bad.body).error, 'invalid_client');
  assert.equal((await ask({ client_id: 'nobody' })).status, 400);
  assert.equal((await ask({ client_id: 'far', client_secret: 'far-secret' })).status, 401);
  assert.equal((await ask({ scope: 'https://graph.microsoft.com/.default' })).status, 400);
  assert.equal((await ask({ grant_type: 'password' })).status, 400);
  const storageToken = await store.token('orchestrator', 'storage');
  const r = await store.request('GET', `/secrets?${V}`, { headers: { authorization: `Bearer ${storageToken}` } });
  assert.equal(r.status, 401);
  const t = await store.token('orchestrator', 'vault'), parts = t.split('.');
  const forged = [parts[0], Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(parts[1], 'base64url')), appid: 'node-0' })).toString('base64url'), parts[2]].join('.');
  assert.equal((await store.request('GET', `/secrets?${V}`, { headers: { authorization: `Bearer ${forged}` } })).status, 401);
});
test('the metadata service\'s form gives tokens too', async () => {
  const url = '/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net&client_id=node-0';
  assert.equal((await store.request('GET', url, { headers: { 'x-identity-header': 'n0-secret' } })).status, 400);
  assert.equal((await store.request('GET', url, { headers: { Metadata: 'true', 'x-identity-header': 'wrong' } })).status, 401);
  const r = await store.request('GET', url, { headers: { Metadata: 'true', 'x-identity-header': 'n0-secret' } });
  assert.equal(r.status, 200); const j = JSON.parse(r.body); assert.equal(j.token_type, 'Bearer'); assert.equal(j.resource, 'https://vault.azure.net'); assert.equal(typeof j.expires_in, 'string');
});
test('the issuer publishes its keys, and they verify its tokens', async () => {
  const c = JSON.parse((await store.request('GET', `/${store.tenant}/v2.0/.well-known/openid-configuration`)).body);
  const { keys } = JSON.parse((await store.request('GET', new URL(c.jwks_uri).pathname)).body);
  const t = (await store.token('node-0', 'vault')).split('.');
  const { createPublicKey, verify } = await import('node:crypto');
  assert.equal(JSON.parse(Buffer.from(t[0], 'base64url')).kid, keys[0].kid);
  assert.ok(verify('sha256', Buffer.from(`${t[0]}.${t[1]}`), createPublicKey({ key: keys[0], format: 'jwk' }), Buffer.from(t[2], 'base64url')));
  assert.equal(JSON.parse(Buffer.from(t[1], 'base64url')).iss, c.issuer);
});
test('SDK: set, get, versions, update', async () => {
  const a = await secrets.setSecret('validator-0', 'key zero "quoted" \\ \u00fc\n', { tags: { address: '0x11', enode: 'ab' }, contentType: 'text/plain' });
  assert.equal(a.properties.vaultUrl, store.base); assert.equal(a.properties.tags.address, '0x11');
  const b = await secrets.setSecret('validator-0', 'second');
  const now = await secrets.getSecret('validator-0'); assert.equal(now.value, 'second'); assert.equal(now.properties.version, b.properties.version);
  const first = await secrets.getSecret('validator-0', { version: a.properties.version }); assert.equal(first.value, 'key zero "quoted" \\ \u00fc\n'); assert.equal(first.properties.contentType, 'text/plain');
  assert.equal((await all(secrets.listPropertiesOfSecretVersions('validator-0'))).length, 2);
  await secrets.updateSecretProperties('validator-0', a.properties.version, { enabled: false });
  await rejects(secrets.getSecret('validator-0', { version: a.properties.version }), 'Forbidden', 403);
  await rejects(secrets.getSecret('nothing-here'), 'SecretNotFound', 404);
  assert.equal((await secrets.getSecret('VALIDATOR-0')).name, 'validator-0');
});
test('SDK: lists go page by page', async () => {
  await Promise.all(Array.from({ length: 60 }, (_, i) => secrets.setSecret(`page-${String(i).padStart(3, '0')}`, 'v')));
  const names = (await all(secrets.listPropertiesOfSecrets())).map((p) => p.name).filter((n) => n.startsWith('page-'));
  assert.equal(names.length, 60); assert.equal(new Set(names).size, 60);
  const r = await store.as('orchestrator', 'GET', `/secrets?maxresults=1&${V}`); const j = JSON.parse(r.body);
  assert.equal(j.value.length, 1); assert.match(j.nextLink, /\$skiptoken=/); assert.ok(!('value' in j.value[0])); assert.doesNotMatch(j.value[0].id, /secrets\/.*\//);
  assert.equal((await store.as('orchestrator', 'GET', `/secrets?maxresults=26&${V}`)).status, 400);
});
test('SDK: delete, recover, purge', async () => {
  const d = await (await secrets.beginDeleteSecret('page-001', { intervalInMs: 20 })).pollUntilDone();
  assert.ok(d.recoveryId); assert.ok(d.scheduledPurgeDate - d.deletedOn > 89 * 864e5);
  await rejects(secrets.getSecret('page-001'), 'SecretNotFound', 404);
  await rejects(secrets.setSecret('page-001', 'x'), 'Conflict', 409);
  assert.deepEqual((await all(secrets.listDeletedSecrets())).map((x) => x.name), ['page-001']);
  await (await secrets.beginRecoverDeletedSecret('page-001', { intervalInMs: 20 })).pollUntilDone();
  assert.equal((await secrets.getSecret('page-001')).value, 'v');
  await (await secrets.beginDeleteSecret('page-002', { intervalInMs: 20 })).pollUntilDone(); await secrets.purgeDeletedSecret('page-002');
  await rejects(secrets.getDeletedSecret('page-002'), 'SecretNotFound', 404);
  assert.equal((await secrets.setSecret('page-002', 'new life')).value, 'new life');
});
test('SDK: backup and restore', async () => {
  await secrets.setSecret('backed', 'one'); await secrets.setSecret('backed', 'two');
  const b = await secrets.backupSecret('backed');
  await rejects(secrets.restoreSecretBackup(b), 'Conflict', 409);
  await (await secrets.beginDeleteSecret('backed', { intervalInMs: 20 })).pollUntilDone(); await secrets.purgeDeletedSecret('backed');
  await secrets.restoreSecretBackup(b);
  assert.equal((await secrets.getSecret('backed')).value, 'two'); assert.equal((await all(secrets.listPropertiesOfSecretVersions('backed'))).length, 2);
});
const crypto = (id) => new CryptographyClient(id, credential, { disableChallengeResourceVerification: true, tlsOptions: { ca: store.ca }, retryOptions: { maxRetries: 1 } });
const publicKey = (k) => createPublicKey({ key: { kty: 'EC', crv: 'secp256k1', x: Buffer.from(k.key.x).toString('base64url'), y: Buffer.from(k.key.y).toString('base64url') }, format: 'jwk' });
const isSigned = (k, message, sig) => verifySignature('sha256', message, { key: publicKey(k), dsaEncoding: 'ieee-p1363' }, sig);
const HALF_N = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;
test('SDK keys: create, get, versions, update, rotate, list', async () => {
  const a = await keys.createEcKey('seal-0', { curve: 'P-256K', tags: { address: '0x11' } });
  assert.equal(a.keyType, 'EC'); assert.equal(a.key.crv, 'P-256K'); assert.deepEqual(a.keyOperations, ['sign', 'verify']); assert.equal(a.key.d, undefined); assert.equal(a.key.x.length, 32);
  assert.equal(a.properties.tags.address, '0x11'); assert.equal(a.properties.exportable, false); assert.equal(a.properties.recoverableDays, 90); assert.equal(a.id, `${store.base}/keys/seal-0/${a.properties.version}`);
  const b = await keys.createKey('seal-0', 'EC', { curve: 'P-256K', keyOps: ['sign'], expiresOn: new Date(Date.now() + 1e6) });
  assert.notEqual(b.properties.version, a.properties.version); assert.deepEqual(b.keyOperations, ['sign']);
  assert.equal((await keys.getKey('SEAL-0')).id, b.id); assert.deepEqual((await keys.getKey('seal-0', { version: a.properties.version })).key.x, a.key.x);
  const u = await keys.updateKeyProperties('seal-0', a.properties.version, { enabled: false, tags: { n: 'v' } }); assert.equal(u.properties.enabled, false); assert.deepEqual(u.properties.tags, { n: 'v' });
  const r = await keys.rotateKey('seal-0'); assert.notDeepEqual(r.key.x, b.key.x); assert.deepEqual(r.keyOperations, ['sign']);
  assert.equal((await all(keys.listPropertiesOfKeyVersions('seal-0'))).length, 3);
  for (let i = 0; i < 30; i++) await keys.createEcKey(`many-${i}`, { curve: 'P-256K' });
  assert.equal(new Set((await all(keys.listPropertiesOfKeys())).map((k) => k.name)).size, 31);
  assert.ok(!(await all(secrets.listPropertiesOfSecrets())).some((s) => s.name === 'seal-0'));
  await rejects(keys.getKey('nothing-here'), 'KeyNotFound', 404); await rejects(keys.createRsaKey('rsa'), 'BadParameter', 400); await rejects(keys.createEcKey('p256', { curve: 'P-256' }), 'BadParameter', 400);
  await rejects(keys.createEcKey('hsm', { curve: 'P-256K', hsm: true }), 'BadParameter', 400);
});
test('SDK keys: import, sign and verify ES256K', async () => {
  const jwk = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey.export({ format: 'jwk' }), raw = (t) => Buffer.from(t, 'base64url');
  const k = await keys.importKey('imported', { kty: 'EC', crv: 'P-256K', d: raw(jwk.d), x: raw(jwk.x), y: raw(jwk.y) });
  assert.deepEqual(Buffer.from(k.key.x), raw(jwk.x));
  const c = crypto(k.id);
  for (let i = 0; i < 20; i++) {
    const message = Buffer.from(`block ${i}`), digest = createHash('sha256').update(message).digest();
    const { result, keyID } = await c.sign('ES256K', digest); assert.equal(result.length, 64); assert.equal(keyID, k.id); assert.ok(isSigned(k, message, result));
    assert.ok(BigInt('0x' + Buffer.from(result.subarray(32)).toString('hex')) <= HALF_N, 'low s');
    assert.equal((await c.verify('ES256K', digest, result)).result, true);
    const other = Buffer.from(result); other[5] ^= 1; assert.equal((await c.verify('ES256K', digest, other)).result, false);
    assert.equal((await c.verify('ES256K', createHash('sha256').update('x').digest(), result)).result, false);
  }
  const d = createHash('sha256').update('x').digest();
  assert.equal((await crypto(`${store.base}/keys/imported`).sign('ES256K', d)).keyID, k.id);
  await rejects(keys.importKey('bad', { kty: 'EC', crv: 'P-256K', d: raw(jwk.d), x: raw(jwk.y), y: raw(jwk.x) }), 'BadParameter', 400);
  const sign = (name, body) => store.as('orchestrator', 'POST', `/keys/${name}/sign?${V}`, { body: JSON.stringify(body) });
  assert.equal((await sign(`imported/${k.properties.version}`, { alg: 'ES256', value: d.toString('base64url') })).status, 400);
  assert.equal((await sign('imported/', { alg: 'ES256K', value: d.subarray(1).toString('base64url') })).status, 400); assert.equal((await sign('imported/', { alg: 'ES256K', value: d.toString('base64url') })).status, 200);
  assert.equal((await sign('none/', { alg: 'ES256K', value: d.toString('base64url') })).status, 404);
  await keys.createKey('verify-only', 'EC', { curve: 'P-256K', keyOps: ['verify'] }); assert.equal((await sign('verify-only/', { alg: 'ES256K', value: d.toString('base64url') })).status, 403);
  const old = await keys.createEcKey('old', { curve: 'P-256K', expiresOn: new Date(Date.now() - 1e6) }); assert.equal((await sign('old/', { alg: 'ES256K', value: d.toString('base64url') })).status, 403);
  await keys.updateKeyProperties('imported', k.properties.version, { enabled: false });
  const r = await sign('imported/', { alg: 'ES256K', value: d.toString('base64url') }); assert.equal(r.status, 403); assert.equal(JSON.parse(r.body).error.innererror.code, 'KeyDisabled');
  assert.ok(old.properties.expiresOn < new Date());
  const dump = fs.readFileSync(path.join(store.dir, 'data/data.mdb')); assert.ok(!dump.includes(raw(jwk.d)) && !dump.includes(jwk.d)); assert.ok(!store.log.includes(jwk.d));
});
test('SDK keys: delete, recover, purge', async () => {
  const d = await (await keys.beginDeleteKey('many-1', { intervalInMs: 20 })).pollUntilDone();
  assert.ok(d.properties.recoveryId); assert.ok(d.properties.scheduledPurgeDate - d.properties.deletedOn > 89 * 864e5);
  await rejects(keys.getKey('many-1'), 'KeyNotFound', 404); await rejects(keys.createEcKey('many-1', { curve: 'P-256K' }), 'Conflict', 409);
  assert.deepEqual((await all(keys.listDeletedKeys())).map((x) => x.name), ['many-1']);
  assert.equal((await store.as('orchestrator', 'POST', `/keys/many-1//sign?${V}`, { body: JSON.stringify({ alg: 'ES256K', value: Buffer.alloc(32).toString('base64url') }) })).status, 404);
  const k = await (await keys.beginRecoverDeletedKey('many-1', { intervalInMs: 20 })).pollUntilDone(); assert.deepEqual(k.key.x, d.key.x);
  await (await keys.beginDeleteKey('many-2', { intervalInMs: 20 })).pollUntilDone(); await keys.purgeDeletedKey('many-2'); await rejects(keys.getDeletedKey('many-2'), 'KeyNotFound', 404);
  assert.equal((await all(keys.listDeletedKeys())).length, 0); assert.ok((await keys.createEcKey('many-2', { curve: 'P-256K' })).id);
});
test('SDK keys: backup and restore, rotation policy', async () => {
  const a = await keys.createEcKey('kept', { curve: 'P-256K' }), b = await keys.createEcKey('kept', { curve: 'P-256K' }), backup = await keys.backupKey('kept');
  await rejects(keys.restoreKeyBackup(backup), 'Conflict', 409); await (await keys.beginDeleteKey('kept', { intervalInMs: 20 })).pollUntilDone(); await keys.purgeDeletedKey('kept');
  const back = await keys.restoreKeyBackup(backup); assert.equal(back.id, b.id); assert.deepEqual((await keys.getKey('kept', { version: a.properties.version })).key.x, a.key.x);
  const message = Buffer.from('m'), { result } = await crypto(b.id).sign('ES256K', createHash('sha256').update(message).digest()); assert.ok(isSigned(b, message, result));
  const d = await keys.getKeyRotationPolicy('kept'); assert.deepEqual(d.lifetimeActions.map((x) => [x.action, x.timeBeforeExpiry]), [['Notify', 'P30D']]); assert.equal(d.createdOn, undefined);
  const p = await keys.updateKeyRotationPolicy('kept', { lifetimeActions: [{ action: 'Rotate', timeAfterCreate: 'P2M' }], expiresIn: 'P90D' });
  assert.equal(p.expiresIn, 'P90D'); assert.equal(p.lifetimeActions[0].timeAfterCreate, 'P2M'); assert.ok(p.createdOn);
  const r = await keys.rotateKey('kept'); assert.ok(Math.abs(r.properties.expiresOn - Date.now() - 90 * 864e5) < 6e4);
  await rejects(keys.updateKeyRotationPolicy('kept', { expiresIn: 'P1D' }), 'BadParameter', 400);
});
test('SDK: every api-version', async () => {
  for (const serviceVersion of ['7.0', '7.1', '7.2', '7.3', '7.4', '7.5', '7.6', '2025-07-01']) {
    const o = { disableChallengeResourceVerification: true, tlsOptions: { ca: store.ca }, serviceVersion, retryOptions: { maxRetries: 0 } }, s = new SecretClient(store.base, credential, o), k = new KeyClient(store.base, credential, o), n = `v-${serviceVersion.replaceAll('.', '-')}`;
    await s.setSecret(n, 'x'); assert.equal((await s.getSecret(n)).properties.recoverableDays, serviceVersion === '7.0' ? undefined : 90);
    await k.createEcKey(n, { curve: 'P-256K' }); const rotates = !['7.0', '7.1', '7.2'].includes(serviceVersion);
    assert.equal((await k.getKey(n)).properties.exportable, rotates ? false : undefined);
    if (rotates) await k.rotateKey(n); else await rejects(k.rotateKey(n), 'ResourceNotFound', 404);
    await (await s.beginDeleteSecret(n, { intervalInMs: 20 })).pollUntilDone(); await s.purgeDeletedSecret(n);
  }
  await rejects(new SecretClient(store.base, credential, { disableChallengeResourceVerification: true, tlsOptions: { ca: store.ca }, serviceVersion: '7.7' }).getSecret('x'), 'BadParameter', 400);
});
test('requests that are not well formed are refused by name', async () => {
  const o = 'orchestrator';
  for (const [method, url, body, status, code] of [
    ['GET', '/secrets', undefined, 400, 'BadParameter'], ['GET', '/secrets?api-version=1.0', undefined, 400, 'BadParameter'], ['PUT', `/secrets/bad_name?${V}`, '{"value":"x"}', 400, 'BadParameter'],
    ['PUT', `/secrets/x?${V}`, '{"value":1}', 400, 'BadParameter'], ['PUT', `/secrets/x?${V}`, '{', 400, 'BadParameter'], ['PUT', `/secrets/x?${V}`, '{}', 400, 'BadParameter'],
    ['PUT', `/secrets/x?${V}`, JSON.stringify({ value: 'x'.repeat(25601) }), 400, 'BadParameter'], ['PATCH', `/secrets/validator-0?${V}`, '{"value":"x"}', 400, 'BadParameter'],
    ['DELETE', `/secrets/none?${V}`, undefined, 404, 'SecretNotFound'], ['POST', `/deletedsecrets/none/recover?${V}`, '', 404, 'SecretNotFound'],
    ['POST', `/secrets/restore?${V}`, '{"value":"AAAA"}', 400, 'BadParameter'], ['PUT', `/deletedsecrets?${V}`, '', 405, 'UnsupportedHttpVerb']]) {
    const r = await store.as(o, method, url, { body }); assert.equal(r.status, status, `${method} ${url}: ${r.body}`); assert.equal(JSON.parse(r.body).error.code, code);
  }
  assert.equal((await store.as(o, 'PUT', `/secrets/largest?${V}`, { body: JSON.stringify({ value: 'x'.repeat(25600) }) })).status, 200);
  assert.equal((await store.as(o, 'POST', `/secrets/largest?${V}`, { headers: { 'X-HTTP-METHOD': 'DELETE' }, body: '' })).status, 200);
});
test('SDK: containers and blobs', async () => {
  await container.create(); await assert.rejects(container.create(), (e) => e.code === 'ContainerAlreadyExists' && e.statusCode === 409);
  assert.ok((await all(blobs.listContainers())).some((x) => x.name === 'poa-config'));
  for (let i = 0; i < 3; i++) await container.getBlockBlobClient(`identity-${i}.json`).upload(doc(i), Buffer.byteLength(doc(i)), { blobHTTPHeaders: { blobContentType: 'application/json' }, metadata: { index: String(i) } });
  const b = container.getBlockBlobClient('identity-1.json');
  assert.equal((await b.downloadToBuffer()).toString(), doc(1));
  const p = await b.getProperties(); assert.equal(p.contentType, 'application/json'); assert.equal(p.metadata.index, '1'); assert.equal(p.leaseState, 'available'); assert.equal(p.contentLength, doc(1).length);
  assert.equal((await b.download(2, 5)).contentLength, 5);
  await assert.rejects(b.upload('x', 1, { conditions: { ifNoneMatch: '*' } }), (e) => e.statusCode === 409 && e.code === 'BlobAlreadyExists');
  await assert.rejects(b.upload('x', 1, { conditions: { ifMatch: '"0x1"' } }), (e) => e.statusCode === 412 && e.code === 'ConditionNotMet');
  await b.upload(doc(1), doc(1).length, { conditions: { ifMatch: p.etag } });
  await b.setMetadata({ a: 'b' }); assert.deepEqual((await b.getProperties()).metadata, { a: 'b' });
  await b.setHTTPHeaders({ blobContentType: 'text/x' }); assert.equal((await b.getProperties()).contentType, 'text/x');
  await container.getBlockBlobClient('spec.json').upload('{}', 2); await container.getBlockBlobClient('deep/a b&c.txt').upload('x', 1); await container.getBlockBlobClient('deep/er/d.txt').upload('y', 1);
  assert.deepEqual((await all(container.listBlobsFlat())).map((x) => x.name), ['deep/a b&c.txt', 'deep/er/d.txt', 'identity-0.json', 'identity-1.json', 'identity-2.json', 'spec.json']);
  assert.deepEqual((await all(container.listBlobsFlat({ prefix: 'identity-', includeMetadata: true }))).map((x) => x.metadata), [{ index: '0' }, { a: 'b' }, { index: '2' }]);
  assert.deepEqual((await all(container.listBlobsByHierarchy('/', { prefix: 'deep/' }))).map((x) => `${x.kind} ${x.name}`).sort(), ['blob deep/a b&c.txt', 'prefix deep/er/']);
  const pages = []; for await (const q of container.listBlobsFlat().byPage({ maxPageSize: 2 })) pages.push(q.segment.blobItems.length); assert.deepEqual(pages, [2, 2, 2]);
  const blocks = container.getBlockBlobClient('blocks.bin'), id = (n) => Buffer.from(`block-${n}`).toString('base64');
  await blocks.stageBlock(id(1), 'one,', 4); await blocks.stageBlock(id(2), 'two', 3); await blocks.commitBlockList([id(1), id(2)]); assert.equal((await blocks.downloadToBuffer()).toString(), 'one,two');
  await assert.rejects(blocks.commitBlockList([id(9)]), (e) => e.code === 'InvalidBlockList');
  await blocks.delete(); await assert.rejects(blocks.getProperties(), (e) => e.statusCode === 404);
  assert.equal((await store.as('orchestrator', 'PUT', `${C}/md5`, { headers: { 'x-ms-blob-type': 'BlockBlob', 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' }, body: 'x' })).status, 400);
});
test('SDK: lease acquire, renew, change, break, release', async () => {
  const b = container.getBlockBlobClient('spec.json'), l = new BlobLeaseClient(b);
  await l.acquireLease(15); await l.renewLease();
  await assert.rejects(b.upload('{}', 2), (e) => e.statusCode === 412 && e.code === 'LeaseIdMissing');
  await assert.rejects(b.delete({ conditions: { leaseId: '00000000-0000-0000-0000-000000000000' } }), (e) => e.code === 'LeaseIdMismatchWithBlobOperation');
  await b.upload('{}', 2, { conditions: { leaseId: l.leaseId } });
  await assert.rejects(new BlobLeaseClient(b).acquireLease(60), (e) => e.statusCode === 409 && e.code === 'LeaseAlreadyPresent');
  await l.changeLease('11111111-1111-1111-1111-111111111111');
  const p = await b.getProperties(); assert.equal(p.leaseState, 'leased'); assert.equal(p.leaseStatus, 'locked'); assert.equal(p.leaseDuration, 'fixed');
  await l.breakLease(0); assert.equal((await b.getProperties()).leaseState, 'broken');
  await assert.rejects(l.renewLease(), (e) => e.code === 'LeaseIsBrokenAndCannotBeRenewed');
  await l.acquireLease(-1); assert.equal((await b.getProperties()).leaseDuration, 'infinite'); await l.releaseLease();
  await assert.rejects(l.releaseLease(), (e) => e.code === 'LeaseIdMismatchWithLeaseOperation');
  const cl = new BlobLeaseClient(container); await cl.acquireLease(15); await assert.rejects(container.delete(), (e) => e.code === 'LeaseIdMissing'); await cl.releaseLease();
  for (const h of [{ 'x-ms-lease-duration': '14' }, { 'x-ms-lease-duration': '61' }, {}]) assert.equal((await lease('spec.json', 'acquire', h)).status, 400);
  assert.equal((await lease('spec.json', 'break', { 'x-ms-lease-break-period': '61' })).status, 400); assert.equal((await lease('spec.json', 'steal')).status, 400);
});
const later = () => new Date(Date.now() + 3600e3), options = () => ({ tlsOptions: { ca: store.ca }, retryOptions: { maxTries: 1 } });
test('SDK: Shared Key does everything in storage, a wrong one nothing', async () => {
  const make = (k) => new BlobServiceClient(`${store.base}/devstoreaccount1`, new StorageSharedKeyCredential('devstoreaccount1', k), options());
  const c = make(store.accountKey).getContainerClient('shared-key'); await c.create();
  for (const name of ['a b&c (1).txt', '\u00fc/x+y.json', "it's!*~.txt"]) {
    const b = c.getBlockBlobClient(name); await b.upload('hello', 5, { blobHTTPHeaders: { blobContentType: 'text/plain' }, metadata: { k: 'v' } });
    assert.equal((await b.downloadToBuffer()).toString(), 'hello'); assert.equal((await b.download(1, 3)).contentLength, 3);
    const l = new BlobLeaseClient(b); await l.acquireLease(15); await l.releaseLease();
  }
  assert.equal((await all(c.listBlobsFlat({ prefix: 'a ', includeMetadata: true }))).length, 1); assert.ok((await all(make(store.accountKey).listContainers())).some((x) => x.name === 'shared-key'));
  const wrong = make(Buffer.alloc(64).toString('base64'));
  await assert.rejects(wrong.getContainerClient('shared-key').getProperties(), (e) => e.statusCode === 403); await assert.rejects(all(wrong.listContainers()), (e) => e.code === 'AuthenticationFailed');
  await assert.rejects(all(new BlobServiceClient(`${store.base}/devstoreaccount1`, new StorageSharedKeyCredential('other', store.accountKey), options()).listContainers()), (e) => e.statusCode === 403);
  const old = new Date(Date.now() - 3600e3).toUTCString();
  assert.equal((await store.request('GET', '/devstoreaccount1/?comp=list', { headers: { 'x-ms-date': old, authorization: 'SharedKey devstoreaccount1:AAAA' } })).status, 403);
  assert.equal((await store.request('GET', `/secrets?${V}`, { headers: { authorization: 'SharedKey devstoreaccount1:AAAA' } })).status, 401);
});
test('SDK: SAS of a blob, a container, the account: what they name and no more', async () => {
  const key = new StorageSharedKeyCredential('devstoreaccount1', store.accountKey), url = `${store.base}/devstoreaccount1`;
  const sas = (o) => generateBlobSASQueryParameters({ containerName: 'shared-key', expiresOn: later(), ...o }, key).toString();
  const at = (q) => new BlobServiceClient(`${url}?${q}`, new AnonymousCredential(), options()).getContainerClient('shared-key');
  const denied = (p, code) => assert.rejects(p, (e) => e.statusCode === 403 && (!code || e.code === code || e.code === undefined), code);
  const name = 'a b&c (1).txt', r = at(sas({ blobName: name, permissions: BlobSASPermissions.parse('r'), protocol: SASProtocol.Https, contentType: 'x/y' })).getBlockBlobClient(name);
  assert.equal((await r.downloadToBuffer()).toString(), 'hello'); await denied(r.upload('x', 1), 'AuthorizationPermissionMismatch'); await denied(r.delete(), 'AuthorizationPermissionMismatch');
  await denied(at(sas({ blobName: name, permissions: BlobSASPermissions.parse('r') })).getBlockBlobClient('other').getProperties());
  const c = at(sas({ permissions: ContainerSASPermissions.parse('rcl') }));
  assert.equal((await all(c.listBlobsFlat())).length, 3); await c.getBlockBlobClient('new').upload('1', 1); await denied(c.getBlockBlobClient('new').upload('2', 1), 'AuthorizationPermissionMismatch');
  assert.equal((await c.getBlockBlobClient('new').downloadToBuffer()).toString(), '1'); await denied(c.delete()); await denied(c.getProperties());
  await denied(all(at(sas({ permissions: ContainerSASPermissions.parse('l'), expiresOn: new Date(Date.now() - 1000) })).listBlobsFlat()), 'AuthenticationFailed');
  await denied(all(at(sas({ permissions: ContainerSASPermissions.parse('l'), startsOn: later() })).listBlobsFlat()), 'AuthenticationFailed');
  await denied(all(at(sas({ permissions: ContainerSASPermissions.parse('l'), ipRange: { start: '10.0.0.1', end: '10.0.0.9' } })).listBlobsFlat()), 'AuthorizationSourceIPMismatch');
  assert.equal((await all(at(sas({ permissions: ContainerSASPermissions.parse('l'), ipRange: { start: '127.0.0.1' } })).listBlobsFlat())).length, 4);
  assert.equal((await all(at(sas({ permissions: ContainerSASPermissions.parse('l'), version: '2019-12-12' })).listBlobsFlat())).length, 4);
  await denied(all(at(sas({ permissions: ContainerSASPermissions.parse('r') }).replace('sp=r', 'sp=rl')).listBlobsFlat()), 'AuthenticationFailed');
  const account = (p, t) => new BlobServiceClient(`${url}?${generateAccountSASQueryParameters({ expiresOn: later(), permissions: AccountSASPermissions.parse(p), services: AccountSASServices.parse('b').toString(), resourceTypes: AccountSASResourceTypes.parse(t).toString() }, key)}`, new AnonymousCredential(), options());
  assert.ok((await all(account('rl', 'sco').listContainers())).length >= 2); await denied(all(account('rl', 'o').listContainers()), 'AuthorizationResourceTypeMismatch');
  const d = account('rwdlc', 'sco').getContainerClient('by-sas'); await d.create(); await d.getBlockBlobClient('x').upload('1', 1); await d.delete(); await at(sas({ permissions: ContainerSASPermissions.parse('d') })).getBlockBlobClient('new').delete();
  const audit = fs.readFileSync(path.join(store.dir, 'data/audit.log'), 'utf8'); assert.ok(audit.includes('"client":"sas"')); assert.ok(!audit.includes('sig='));
});
test('of many who acquire at once, one wins', async () => {
  const r = await Promise.all(Array.from({ length: 40 }, () => lease('identity-2.json', 'acquire', { 'x-ms-lease-duration': '15' })));
  assert.equal(r.filter((x) => x.status === 201).length, 1); assert.equal(r.filter((x) => x.status === 409).length, 39);
  assert.equal((await lease('identity-2.json', 'release', { 'x-ms-lease-id': r.find((x) => x.status === 201).headers['x-ms-lease-id'] })).status, 200);
});
test('a node reads the secret of the blob that it leases, and no other', async () => {
  const get = (who, i) => store.as(who, 'GET', `/secrets/validator-${i}?${V}`);
  await secrets.setSecret('validator-1', 'key one');
  assert.equal((await get('node-0', 0)).status, 403);
  const a = await lease('identity-0.json', 'acquire', { 'x-ms-lease-duration': '60' }, 'node-0'); assert.equal(a.status, 201); const id = a.headers['x-ms-lease-id'];
  assert.equal((await get('node-0', 0)).status, 200); assert.equal((await get('node-0', 1)).status, 403); assert.equal((await get('node-1', 0)).status, 403);
  assert.equal((await store.as('node-0', 'GET', `/secrets/validator-0/versions?${V}`)).status, 403);
  const put = (who, body, h = { 'x-ms-lease-id': id }) => store.as(who, 'PUT', `${C}/identity-0.json`, { headers: { 'x-ms-blob-type': 'BlockBlob', ...h }, body });
  const mine = { ...JSON.parse(doc(0)), enodeUrl: 'enode://00@127.0.0.1:30300', hostname: 'h', region: 'r' };
  assert.equal((await put('node-0', JSON.stringify(mine))).status, 201);
  assert.equal((await put('node-0', JSON.stringify({ ...mine, secretUri: `${store.base}/secrets/validator-1` }))).status, 403);
  assert.equal((await put('node-0', JSON.stringify({ ...mine, address: '0x' + '9'.repeat(40) }))).status, 403);
  assert.equal((await put('node-0', JSON.stringify(mine), {})).status, 412); assert.equal((await put('node-1', JSON.stringify(mine))).status, 403);
  assert.equal((await lease('identity-0.json', 'renew', { 'x-ms-lease-id': id }, 'node-1')).status, 403); assert.equal((await lease('identity-0.json', 'break', {}, 'node-1')).status, 403);
  assert.equal((await lease('identity-0.json', 'renew', { 'x-ms-lease-id': id }, 'node-0')).status, 200);
  assert.equal((await lease('spec.json', 'acquire', { 'x-ms-lease-duration': '60' }, 'node-1')).status, 403);
  assert.equal((await store.as('node-0', 'GET', `${C}?restype=container&comp=list`)).status, 200); assert.equal((await store.as('node-0', 'GET', `${C}/spec.json`)).status, 200);
  assert.equal((await store.as('node-0', 'PUT', '/other?restype=container', { body: '' })).status, 403); assert.equal((await store.as('node-0', 'GET', '/?comp=list')).status, 403);
  assert.equal((await store.as('node-0', 'PUT', `/secrets/validator-0?${V}`, { body: '{"value":"x"}' })).status, 403); assert.equal((await store.as('node-0', 'DELETE', `${C}/identity-0.json`, { headers: { 'x-ms-lease-id': id } })).status, 403);
  assert.equal((await lease('identity-0.json', 'release', { 'x-ms-lease-id': id }, 'node-0')).status, 200);
  assert.equal((await get('node-0', 0)).status, 403);
});
test('a node signs with the key of the blob that it leases, and no other', async () => {
  const digest = Buffer.alloc(32, 7).toString('base64url'), sign = (who, name) => store.as(who, 'POST', `/keys/${name}//sign?${V}`, { body: JSON.stringify({ alg: 'ES256K', value: digest }) });
  const k = await keys.createEcKey('validator-7', { curve: 'P-256K' }); await keys.createEcKey('validator-8', { curve: 'P-256K' });
  const b = JSON.stringify({ keyUri: k.id, address: '0x' + '7'.repeat(40), enodeUrl: '', hostname: '', region: '' });
  await container.getBlockBlobClient('identity-7.json').upload(b, b.length);
  assert.equal((await sign('node-0', 'validator-7')).status, 403);
  const id = (await lease('identity-7.json', 'acquire', { 'x-ms-lease-duration': '15' }, 'node-0')).headers['x-ms-lease-id'];
  assert.equal((await sign('node-0', 'validator-7')).status, 200); assert.equal((await sign('node-0', 'validator-8')).status, 403); assert.equal((await sign('node-1', 'validator-7')).status, 403);
  assert.equal((await store.as('node-0', 'GET', `/keys/validator-7?${V}`)).status, 200); assert.equal((await store.as('node-0', 'GET', `/secrets/validator-7?${V}`)).status, 403);
  assert.equal((await store.as('node-0', 'POST', `/keys/validator-7/rotate?${V}`, { body: '' })).status, 403); assert.equal((await store.as('node-0', 'GET', `/keys?${V}`)).status, 403);
  const put = (o) => store.as('node-0', 'PUT', `${C}/identity-7.json`, { headers: { 'x-ms-blob-type': 'BlockBlob', 'x-ms-lease-id': id }, body: JSON.stringify({ ...JSON.parse(b), ...o }) });
  assert.equal((await put({ hostname: 'h' })).status, 201); assert.equal((await put({ keyUri: `${store.base}/keys/validator-8` })).status, 403); assert.equal((await put({ secretUri: `${store.base}/secrets/validator-1` })).status, 403);
  assert.equal((await lease('identity-7.json', 'release', { 'x-ms-lease-id': id }, 'node-0')).status, 200); assert.equal((await sign('node-0', 'validator-7')).status, 403);
  await container.getBlockBlobClient('identity-7.json').delete();
});
test('kill -9: what was acknowledged stays, leases keep their remaining time', async () => {
  const a = await lease('identity-0.json', 'acquire', { 'x-ms-lease-duration': '15' }, 'node-0'), began = Date.now(), id = a.headers['x-ms-lease-id'];
  const acknowledged = []; let stop = false;
  const writers = Array.from({ length: 8 }, async (_, w) => { for (let n = 0; !stop; n++) { try { const r = await store.as('orchestrator', 'PUT', `/secrets/crash-${w}-${n}?${V}`, { body: `{"value":"${w}.${n}"}` }); if (r.status === 200) acknowledged.push([w, n]); } catch { break; } } });
  await sleep(400); await store.kill('SIGKILL'); stop = true; await Promise.all(writers);
  await store.start(); connect();
  assert.ok(acknowledged.length > 20, `${acknowledged.length} writes before the kill`);
  for (const [w, n] of acknowledged) { const r = await store.as('orchestrator', 'GET', `/secrets/crash-${w}-${n}?${V}`); assert.equal(r.status, 200); assert.equal(JSON.parse(r.body).value, `${w}.${n}`); }
  assert.equal((await lease('identity-0.json', 'acquire', { 'x-ms-lease-duration': '15' }, 'node-1')).status, 409);
  const br = await lease('identity-0.json', 'break'); const left = Number(br.headers['x-ms-lease-time']), gone = (Date.now() - began) / 1000;
  assert.ok(Math.abs(left - (15 - gone)) <= 1.5, `${left} s left after ${gone} s of 15`);
  assert.equal((await lease('identity-0.json', 'break', { 'x-ms-lease-break-period': '0' })).headers['x-ms-lease-time'], '0');
  assert.equal((await lease('identity-0.json', 'release', { 'x-ms-lease-id': id }, 'node-0')).status, 200);
  console.log(`# ${acknowledged.length} acknowledged writes, none lost`);
});
test('SIGHUP: a client that is taken out can do nothing more; a broken file changes nothing', async () => {
  const t = await store.token('node-1', 'storage'); const list = () => store.request('GET', `${C}?restype=container&comp=list`, { headers: { authorization: `Bearer ${t}` } });
  assert.equal((await list()).status, 200);
  store.clients = store.clients.filter((c) => c.id !== 'node-1'); store.writeClients(); store.proc.kill('SIGHUP');
  for (let i = 0; i < 100 && (await list()).status === 200; i++) await sleep(20);
  assert.equal((await list()).status, 401);
  fs.writeFileSync(path.join(store.dir, 'clients.yaml'), 'clients: [{id: x}]\n'); store.proc.kill('SIGHUP'); await sleep(100);
  assert.equal((await store.as('orchestrator', 'GET', `/secrets?${V}`)).status, 200); assert.match(store.log, /clients not changed/); store.writeClients();
});
test('SIGHUP: new certificates serve new connections; a wrong file changes nothing', async () => {
  const old = fs.readFileSync(path.join(store.dir, 'tls.pem')), peer = () => new Promise((ok, bad) => { const t = tls.connect({ host: store.host, port: store.port, ca: store.ca }, () => { ok(t.getPeerX509Certificate().raw); t.end(); }); t.on('error', bad); });
  const before = await peer();
  execFileSync('openssl', ['x509', '-req', '-in', 'tls.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'tls.pem', '-days', '3', '-extfile', 'ext'], { cwd: store.dir, stdio: 'ignore' });
  store.proc.kill('SIGHUP'); let now = before; for (let i = 0; i < 100 && now.equals(before); i++) { await sleep(20); now = await peer(); }
  assert.ok(!now.equals(before)); assert.equal((await store.as('orchestrator', 'GET', `/secrets?${V}`)).status, 200);
  fs.writeFileSync(path.join(store.dir, 'tls.pem'), 'nonsense'); store.proc.kill('SIGHUP'); await sleep(150);
  assert.ok((await peer()).equals(now)); assert.match(store.log, /certificates not changed/); fs.writeFileSync(path.join(store.dir, 'tls.pem'), old);
});
test('backup while it runs, verify, restore elsewhere: everything is there, identities are held for a lease', async () => {
  const cli = (...a) => execFileSync(binary, a, { stdio: 'pipe' }).toString(), fails = (re, ...a) => assert.throws(() => cli(...a), (e) => re.test(e.stderr.toString()) || assert.fail(e.stderr.toString()));
  const config = path.join(store.dir, 'store.yaml'), file = path.join(store.dir, 'b.bak'), other = path.join(store.dir, 'other'), yaml = fs.readFileSync(config, 'utf8');
  const secret = (await secrets.setSecret('kept', 'the kept value')).value, key = await keys.createEcKey('kept-key', { curve: 'P-256K' });
  const held = await lease('identity-0.json', 'acquire', { 'x-ms-lease-duration': '60' }, 'node-0'); assert.equal(held.status, 201);
  assert.match(cli('backup', '--config', config, '--file', file), /\d+ records/); assert.equal(fs.statSync(file).mode & 0o777, 0o600); assert.ok(!fs.readFileSync(file).includes('the kept value'));
  assert.match(cli('verify', '--config', config), /^whole: \d+ records/); fails(/is a database already/, 'restore', '--config', config, '--file', file);
  fs.mkdirSync(other); const there = path.join(other, 'store.yaml');
  fs.writeFileSync(there, yaml.replace('data_dir: data', `data_dir: data\nkek_file: ${store.dir}/data/kek`).replace('cert: tls.pem, key: tls.key', `cert: ${store.dir}/tls.pem, key: ${store.dir}/tls.key`).replace('clients.yaml', `${store.dir}/clients.yaml`).replace('account.key', `${store.dir}/account.key`));
  const good = fs.readFileSync(file), bad = Buffer.from(good); bad[bad.length >> 1] ^= 1; fs.writeFileSync(file, bad); fails(/damaged|cut short|unknown table|bytes/, 'restore', '--config', there, '--file', file);
  fs.writeFileSync(file, good.subarray(0, good.length - 40)); fails(/damaged|cut short|record/, 'restore', '--config', there, '--file', file); assert.ok(!fs.existsSync(path.join(other, 'data/data.mdb')));
  fs.writeFileSync(file, good); assert.match(cli('restore', '--config', there, '--file', file), /\d+ records/); assert.match(cli('verify', '--config', there), /^whole/);
  await store.kill('SIGTERM'); const dir = store.dir; store.dir = other;
  try {
    await store.start(); connect();
    assert.equal((await secrets.getSecret('kept')).value, secret); assert.deepEqual((await keys.getKey('kept-key')).key.x, key.key.x);
    assert.equal((await lease('identity-0.json', 'renew', { 'x-ms-lease-id': held.headers['x-ms-lease-id'] }, 'node-0')).status, 409); assert.equal((await lease('identity-0.json', 'acquire', { 'x-ms-lease-duration': '15' })).status, 409);
    await store.kill('SIGTERM');
  } finally { store.dir = dir; }
  await store.start(); connect(); assert.equal((await lease('identity-0.json', 'release', { 'x-ms-lease-id': held.headers['x-ms-lease-id'] }, 'node-0')).status, 200);
});
test('rekey: to another kek file, to a passphrase, and back; the old one opens nothing', async () => {
  const config = path.join(store.dir, 'store.yaml'), yaml = fs.readFileSync(config, 'utf8'), at = (n) => path.join(store.dir, n);
  const rekey = (...a) => execFileSync(binary, ['rekey', '--config', config, ...a], { stdio: 'pipe' }), settings = (line) => fs.writeFileSync(config, yaml + line);
  const value = async () => { await store.start(); connect(); assert.equal((await secrets.getSecret('kept')).value, 'the kept value'); await store.kill('SIGTERM'); };
  rekey('--new-kek-file', at('kek2')); assert.equal((await secrets.getSecret('kept')).value, 'the kept value'); await store.kill('SIGTERM');
  await assert.rejects(store.start(), /does not open the database/); settings('kek_file: kek2\n'); await value();
  fs.writeFileSync(at('pass'), 'short\n', { mode: 0o600 }); assert.throws(() => rekey('--new-passphrase-file', at('pass')), /at least 8/); fs.writeFileSync(at('pass'), 'correct horse battery\n');
  fs.chmodSync(at('pass'), 0o644); assert.throws(() => rekey('--new-passphrase-file', at('pass')), /chmod 600/); fs.chmodSync(at('pass'), 0o600); rekey('--new-passphrase-file', at('pass'));
  await assert.rejects(store.start(), /sealed by a passphrase/); settings('kek_passphrase_file: pass\n'); await value();
  fs.writeFileSync(at('pass'), 'wrong horse battery\n'); await assert.rejects(store.start(), /does not open the database/); fs.writeFileSync(at('pass'), 'correct horse battery\n');
  assert.throws(() => execFileSync(binary, ['rekey', '--config', config], { stdio: 'pipe' })); rekey('--new-kek-file', at('data/kek')); fs.writeFileSync(config, yaml); await value(); await store.start(); connect();
});
test('SIGTERM ends it cleanly, and the audit log is whole', async () => {
  const { code } = await store.kill('SIGTERM'); assert.equal(code, 0);
  assert.match(execFileSync(binary, ['--verify-audit', path.join(store.dir, 'data/audit.log')]).toString(), /the chain is whole/);
  const lines = fs.readFileSync(path.join(store.dir, 'data/audit.log'), 'utf8').trim().split('\n').map(JSON.parse);
  assert.ok(lines.some((l) => l.op === 'secret.get' && l.client === 'node-0' && l.status === 403)); assert.ok(!JSON.stringify(lines).includes('key one'));
  assert.ok(!fs.readFileSync(path.join(store.dir, 'data/data.mdb')).includes('key one')); assert.equal(fs.statSync(path.join(store.dir, 'data/kek')).mode & 0o777, 0o600);
  const changed = path.join(store.dir, 'changed.log'); fs.writeFileSync(changed, fs.readFileSync(path.join(store.dir, 'data/audit.log'), 'utf8').replace('"status":403', '"status":200'));
  assert.throws(() => execFileSync(binary, ['--verify-audit', changed], { stdio: 'pipe' }));
});
test('a wrong key encryption key does not open the database', async () => {
  fs.writeFileSync(path.join(store.dir, 'data/kek'), 'ab'.repeat(32) + '\n', { mode: 0o600 });
  await assert.rejects(store.start(), /does not open the database/);
});

trustTests(test, binary);
memoryTests(test, binary);

let failed = 0; console.log(`1..${tests.length}`);
try {
  await store.start(); connect();
  for (const [i, t] of tests.entries()) {
    try { await t.fn(); console.log(`ok ${i + 1} - ${t.name}`); } catch (e) { failed++; console.log(`not ok ${i + 1} - ${t.name}\n# ${String(e.stack ?? e).split('\n').join('\n# ')}`); }
  }
  if (failed) console.log('# log of the store:\n# ' + store.log.trim().split('\n').slice(-15).join('\n# '));
} finally { store.proc?.kill('SIGKILL'); store.remove(); }
process.exit(failed ? 1 : 0);
