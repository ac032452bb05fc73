// Whom the store trusts: tokens of other issuers, certificates of clients, a key-encryption key in another vault. Each with stores of its own.
import assert from 'node:assert/strict'; import fs from 'node:fs'; import http from 'node:http'; import https from 'node:https'; import path from 'node:path';
import { execFile, execFileSync } from 'node:child_process'; import { promisify } from 'node:util'; import { constants, createHmac, generateKeyPairSync, privateDecrypt, publicEncrypt, randomBytes, sign } from 'node:crypto';
import { Store } from './store.mjs';

const V = 'api-version=7.4', sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const b64 = (x) => Buffer.from(typeof x === 'string' || Buffer.isBuffer(x) ? x : JSON.stringify(x)).toString('base64url');
class Issuer {
  constructor(name, kid) { this.name = name; this.next(kid); }
  next(kid) { Object.assign(this, { kid, ...generateKeyPairSync('rsa', { modulusLength: 2048 }) }); this.jwk = { ...this.publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }; }
  token(claims = {}, { header = {}, key = this.privateKey } = {}) {
    const now = Math.floor(Date.now() / 1000);
    const text = `${b64({ alg: 'RS256', typ: 'JWT', kid: this.kid, ...header })}.${b64({ iss: this.name, aud: 'https://vault.azure.net', oid: 'subject-1', nbf: now, exp: now + 600, ...claims })}`;
    return `${text}.${b64(sign('sha256', Buffer.from(text), key))}`;
  }
}
async function adding(binary, more, clients = []) {
  const s = await Store.make(binary);
  s.clients.push(...clients);
  fs.appendFileSync(path.join(s.dir, 'store.yaml'), more(s));
  return s;
}
const get = (s, token) => s.request('GET', `/secrets?${V}`, { headers: { authorization: `Bearer ${token}` } });

export function trustTests(test, binary) {
  test('tokens of other issuers: the keys of a file and of a URI, each for its own subjects only', async () => {
    const a = new Issuer('https://sts.example/a/', 'a1'), b = new Issuer('https://login.example/b/v2.0', 'b1'), stranger = new Issuer('https://nobody.example/', 'a1');
    let keys = [b.jwk, { kty: 'EC', kid: 'ec' }, { ...b.jwk, kid: 'enc', use: 'enc' }], asked = 0;
    const server = http.createServer((_, r) => { asked++; r.end(JSON.stringify({ keys })); });
    await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
    const s = await adding(binary, () => `issuers:\n  - {issuer: "${a.name}", jwks_file: a.json}\n  - {issuer: "${b.name}", jwks_uri: "http://127.0.0.1:${server.address().port}/keys"}\n`);
    fs.appendFileSync(path.join(s.dir, 'clients.yaml'), `  - {id: ext-a, issuer: "${a.name}", subject: subject-1, role: orchestrator}\n  - {id: ext-b, issuer: "${b.name}", subject: subject-2, role: node, container: poa-config}\n`);
    fs.writeFileSync(path.join(s.dir, 'a.json'), JSON.stringify({ keys: [a.jwk] }));
    try {
      await s.start();
      const is = async (token, status, why) => { const r = await get(s, token); assert.equal(r.status, status, `${why}: ${r.body}`); };
      const past = Math.floor(Date.now() / 1000) - 60, future = past + 3600;
      await is(a.token(), 200, 'a good one'); await is(a.token(), 200, 'again'); await is(a.token({ oid: undefined, sub: 'subject-1' }), 200, 'by sub'); await is(a.token({ aud: 'https://vault.azure.net/' }), 200, 'audience with a slash');
      for (let i = 0; asked === 0 && i < 50; i++) await sleep(50);
      await is(b.token({ oid: 'subject-2' }), 403, 'b is a node: it may not list');
      await is(a.token({ oid: 'subject-2' }), 401, 'a subject of another issuer'); await is(a.token({ oid: 'x' }), 401, 'no such subject'); await is(a.token({ aud: 'https://graph.microsoft.com' }), 401, 'audience');
      await is(a.token({ aud: 'https://storage.azure.com' }), 401, 'for the other service'); await is(a.token({ aud: 'https://vault.azure.net.evil.example' }), 401, 'audience that begins so');
      await is(a.token({ exp: past }), 401, 'expired'); await is(a.token({ exp: undefined }), 401, 'without an end'); await is(a.token({ nbf: future }), 401, 'not yet'); await is(a.token({ iss: b.name }), 401, 'issuer and key do not belong together');
      await is(a.token({}, { header: { kid: 'a2' } }), 401, 'no such key'); await is(a.token({}, { key: stranger.privateKey }), 401, 'another key'); await is(stranger.token(), 401, 'an issuer that is not ours');
      await is(b.token({ oid: 'subject-2' }, { header: { kid: 'enc' } }), 401, 'a key that is not for signatures');
      const text = `${b64({ alg: 'none', kid: 'a1' })}.${a.token().split('.')[1]}`; await is(`${text}.`, 401, 'alg none');
      const hs = `${b64({ alg: 'HS256', kid: 'a1' })}.${a.token().split('.')[1]}`; await is(`${hs}.${createHmac('sha256', a.publicKey.export({ type: 'spki', format: 'pem' })).update(hs).digest('base64url')}`, 401, 'HS256 by the public key');
      const form = (secret) => s.request('POST', `/${s.tenant}/oauth2/v2.0/token`, { body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'ext-a', client_secret: secret, scope: 'https://vault.azure.net/.default' }).toString() });
      assert.equal((await form(`${a.name}\nsubject-1`)).status, 401); assert.equal((await form('')).status, 401);
      // another key at the URI is found when a token names it
      b.next('b2'); keys = [b.jwk]; await is(b.token({ oid: 'subject-2' }), 401, 'not known yet');
      for (let i = 0; ; i++) { if ((await get(s, b.token({ oid: 'subject-2' }))).status === 403) break; assert.ok(i < 100, 'the new key was not fetched'); await sleep(100); }
      // another key in the file on SIGHUP; what the old one signed counts no more
      const old = a.token(); await is(old, 200, 'before'); a.next('a9'); fs.writeFileSync(path.join(s.dir, 'a.json'), JSON.stringify({ keys: [a.jwk] })); s.proc.kill('SIGHUP');
      for (let i = 0; (await get(s, a.token())).status !== 200; i++) { assert.ok(i < 50); await sleep(50); }
      await is(old, 401, 'by the old key');
      const audit = fs.readFileSync(path.join(s.dir, 'data/audit.log'), 'utf8'); assert.match(audit, /"client":"ext-a","role":"orchestrator"/); assert.match(audit, /"client":"ext-b","role":"node"/);
      await s.kill('SIGTERM');
    } finally { s.proc?.kill('SIGKILL'); server.close(); s.remove(); }
  });
  test('mutual TLS: only who shows a certificate of the authority gets in', async () => {
    const s = await Store.make(binary), file = (f) => fs.readFileSync(path.join(s.dir, f)), ssl = (...a) => execFileSync('openssl', a, { cwd: s.dir, stdio: ['ignore', 'ignore', 'pipe'] });
    const make = (name, ca) => { ssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`); ssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-out', `${name}.pem`, '-days', '2'); };
    ssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'other.key', '-out', 'other.pem', '-subj', '/CN=other CA', '-days', '2');
    make('good', 'ca'); make('bad', 'other');
    fs.writeFileSync(path.join(s.dir, 'store.yaml'), fs.readFileSync(path.join(s.dir, 'store.yaml'), 'utf8').replace('key: tls.key', 'key: tls.key, client_ca: ca.pem'));
    const ask = (o) => new Promise((ok) => { const r = https.get({ host: s.host, port: s.port, path: '/healthz', ca: s.ca, agent: false, ...o }, (x) => { x.resume(); ok(x.statusCode); }); r.on('error', (e) => ok(e.code)); });
    try {
      await s.start();
      assert.equal(await ask({ cert: file('good.pem'), key: file('good.key') }), 200);
      assert.equal(typeof await ask({}), 'string', 'without a certificate');
      const old = { cert: file('good.pem'), key: file('good.key'), ciphers: 'DEFAULT@SECLEVEL=0' };
      for (const v of ['TLSv1', 'TLSv1.1']) assert.match(String(await ask({ ...old, minVersion: v, maxVersion: v })), /PROTOCOL|EPROTO/, v);
      assert.equal(await ask({ ...old, maxVersion: 'TLSv1.2' }), 200);
      assert.equal(typeof await ask({ cert: file('bad.pem'), key: file('bad.key') }), 'string', 'by another authority');
    } finally { s.proc?.kill('SIGKILL'); s.remove(); }
  });
  test('the key-encryption key in another vault: made there, read there, moved from and to a file', async () => {
    const other = await Store.make(binary), URI = `${other.base}/secrets/poa-kek`, secret = path.join(other.dir, 'orc');
    fs.writeFileSync(secret, 'orc-secret\n', { mode: 0o600 });
    const s = await adding(binary, () => `kek_vault:\n  secret_uri: ${URI}\n  token: {kind: client_credentials, token_uri: "${other.base}/${other.tenant}/oauth2/v2.0/token", client_id: orchestrator, client_secret_file: ${secret}}\n  ca_file: ${other.dir}/ca.pem\n`);
    const yaml = path.join(s.dir, 'store.yaml'), file = path.join(s.dir, 'file.yaml'), cli = (...a) => execFileSync(binary, a, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    fs.writeFileSync(file, fs.readFileSync(yaml, 'utf8').replace(/kek_vault:[^]*/, 'kek_file: kek-of-file\n'));
    try {
      await other.start(); await s.start();
      const kek = JSON.parse((await other.as('orchestrator', 'GET', `/secrets/poa-kek?${V}`)).body).value; assert.match(kek, /^[0-9a-f]{64}$/);
      assert.equal((await s.as('orchestrator', 'PUT', `/secrets/x?${V}`, { body: '{"value":"sealed"}' })).status, 200);
      await s.kill(); assert.ok(!fs.existsSync(path.join(s.dir, 'data/kek')));
      await s.start(); assert.equal(JSON.parse((await s.as('orchestrator', 'GET', `/secrets/x?${V}`)).body).value, 'sealed');
      await s.kill('SIGTERM'); assert.match(cli('verify', '--config', yaml), /^whole/);
      cli('rekey', '--config', yaml, '--new-config', file); assert.match(cli('verify', '--config', file), /^whole/); assert.throws(() => cli('verify', '--config', yaml), /does not open the database/);
      cli('rekey', '--config', file, '--new-config', yaml); assert.match(cli('verify', '--config', yaml), /^whole/);
      assert.equal((await other.as('orchestrator', 'PUT', `/secrets/poa-kek?${V}`, { body: '{"value":"not a key"}' })).status, 200);
      assert.throws(() => cli('verify', '--config', yaml), /64 hexadecimal digits/);
      assert.equal((await other.as('orchestrator', 'DELETE', `/secrets/poa-kek?${V}`)).status, 200);
      assert.throws(() => cli('verify', '--config', yaml), (e) => /poa-kek/.test(e.stderr) && /orchestrator/.test(e.stderr));
    } finally { s.proc?.kill('SIGKILL'); other.proc?.kill('SIGKILL'); s.remove(); other.remove(); }
  });

  // a vault that has an RSA key and wraps by it, as Azure's does (our own store has keys of P-256K only); who may, it asks the store that issued the token
  test('the key-encryption key wrapped by another vault\'s RSA key: a new version of it changes nothing, without it nothing opens', async () => {
    const other = await Store.make(binary), secret = path.join(other.dir, 'orc'), versions = [], asked = [];
    const next = () => versions.push({ id: randomBytes(16).toString('hex'), ...generateKeyPairSync('rsa', { modulusLength: 2048 }) });
    const oaep = (key) => ({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' });
    next();
    fs.writeFileSync(secret, 'orc-secret\n', { mode: 0o600 });
    const server = https.createServer({ cert: fs.readFileSync(path.join(other.dir, 'tls.pem')), key: fs.readFileSync(path.join(other.dir, 'tls.key')) }, async (q, r) => {
      const parts = []; for await (const x of q) parts.push(x);
      const m = /^\/keys\/poa-kek\/([0-9a-f]*)\/(un)?wrapkey\?api-version=7\.\d$/.exec(q.url), say = (status, o) => { r.writeHead(status, { 'content-type': 'application/json' }); r.end(JSON.stringify(o)); };
      if (!q.headers.authorization || (await other.request('GET', `/secrets?${V}`, { headers: { authorization: q.headers.authorization } })).status !== 200) return say(401, { error: { code: 'Unauthorized', message: 'no' } });
      const v = m && (m[1] ? versions.find((x) => x.id === m[1]) : versions.at(-1)), { alg, value } = JSON.parse(Buffer.concat(parts));
      if (q.method !== 'POST' || !v || v.gone) return say(404, { error: { code: 'KeyNotFound', message: 'A key with (name/id) poa-kek was not found in this key vault.' } });
      asked.push(q.url);
      if (alg !== 'RSA-OAEP-256') return say(400, { error: { code: 'BadParameter', message: alg } });
      const b = Buffer.from(value, 'base64url');
      return say(200, { kid: `https://127.0.0.1:${server.address().port}/keys/poa-kek/${v.id}`, value: (m[2] ? privateDecrypt(oaep(v.privateKey), b) : publicEncrypt(oaep(v.publicKey), b)).toString('base64url') });
    });
    await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
    const s = await adding(binary, () => `kek_vault:\n  key_uri: https://127.0.0.1:${server.address().port}/keys/poa-kek\n  token: {kind: client_credentials, token_uri: "${other.base}/${other.tenant}/oauth2/v2.0/token", client_id: orchestrator, client_secret_file: ${secret}}\n  ca_file: ${other.dir}/ca.pem\n`);
    const yaml = path.join(s.dir, 'store.yaml'), file = path.join(s.dir, 'file.yaml'), backup = path.join(s.dir, 'backup');
    const cli = (...a) => promisify(execFile)(binary, a); // not the Sync: the vault is here
    fs.writeFileSync(file, fs.readFileSync(yaml, 'utf8').replace(/kek_vault:[^]*/, 'kek_file: kek-of-file\n'));
    const value = async () => JSON.parse((await s.as('orchestrator', 'GET', `/secrets/x?${V}`)).body).value;
    try {
      await other.start(); await s.start();
      assert.equal((await s.as('orchestrator', 'PUT', `/secrets/x?${V}`, { body: '{"value":"sealed"}' })).status, 200);
      await s.kill(); assert.ok(!fs.existsSync(path.join(s.dir, 'data/kek')));
      next(); await s.start(); assert.equal(await value(), 'sealed');
      assert.match(asked.at(-1), new RegExp(`/keys/poa-kek/${versions[0].id}/unwrapkey`)); // by the version that wrapped it
      await cli('backup', '--config', yaml, '--file', backup);
      await s.kill('SIGTERM'); assert.match((await cli('verify', '--config', yaml)).stdout, /^whole/);
      await assert.rejects(cli('verify', '--config', file), /set kek_vault.key_uri/);
      await cli('rekey', '--config', yaml, '--new-config', yaml); // to the newest version
      versions[0].gone = true;
      assert.match((await cli('verify', '--config', yaml)).stdout, /^whole/); assert.match(asked.at(-1), new RegExp(versions[1].id));
      versions[0].gone = false;
      for (const f of ['data.mdb', 'lock.mdb']) fs.rmSync(path.join(s.dir, 'data', f)); // the audit log stays
      await cli('restore', '--config', yaml, '--file', backup); await s.start(); assert.equal(await value(), 'sealed'); await s.kill('SIGTERM');
      await cli('rekey', '--config', yaml, '--new-config', file); assert.match((await cli('verify', '--config', file)).stdout, /^whole/); await assert.rejects(cli('verify', '--config', yaml), /use rekey/);
      await cli('rekey', '--config', file, '--new-config', yaml); assert.match((await cli('verify', '--config', yaml)).stdout, /^whole/);
      versions[1].gone = true;
      await assert.rejects(cli('verify', '--config', yaml), (e) => /unwrap with key poa-kek/.test(e.stderr) && /KeyNotFound/.test(e.stderr));
    } finally { server.close(); server.closeAllConnections?.(); s.proc?.kill('SIGKILL'); other.proc?.kill('SIGKILL'); s.remove(); other.remove(); }
  });
}
