// What the store has in its memory while it runs: of values, private keys, client secrets and the key-encryption key nothing stays behind once they are answered.
import assert from 'node:assert/strict'; import fs from 'node:fs'; import path from 'node:path'; import { createECDH } from 'node:crypto';
import { Store } from './store.mjs';
const A = 'api-version=7.4';

// how often each needle stands in the memory that a process can write to
function scan(pid, needles) {
  const fd = fs.openSync(`/proc/${pid}/mem`, 'r'), found = Object.fromEntries(Object.keys(needles).map((k) => [k, 0]));
  for (const line of fs.readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
    const m = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
    if (!m) continue;
    const from = parseInt(m[1], 16), part = Buffer.alloc(parseInt(m[2], 16) - from);
    try { fs.readSync(fd, part, 0, part.length, from); } catch { continue; } // went away meanwhile
    for (const [k, n] of Object.entries(needles)) for (let i = part.indexOf(n); i >= 0; i = part.indexOf(n, i + 1)) found[k]++;
  }
  fs.closeSync(fd);
  return found;
}

export function memoryTests(test, binary) {
  test('memory: values, private keys, client secrets and the key-encryption key are gone once they are answered', async () => {
    const store = await Store.make(binary);
    try {
      await store.start();
      const token = await store.token('orchestrator', 'vault'), headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const ask = async (method, url, body) => { const r = await store.request(method, `${url}?${A}`, { headers, body: body && JSON.stringify(body) }); assert.equal(r.status, 200, r.body); return JSON.parse(r.body); };
      const value = 'a value to be looked for, 0123456789', long = 'ä long one '.repeat(2000), ec = createECDH('secp256k1'); ec.generateKeys();
      const b64 = (x) => x.toString('base64url'), d = ec.getPrivateKey(null), pub = ec.getPublicKey(), d32 = Buffer.concat([Buffer.alloc(32 - d.length), d]);
      for (let i = 0; i < 4; i++) await ask('PUT', `/secrets/s-${i}`, { value: i % 2 ? long : value, tags: { n: String(i) } });
      for (let i = 0; i < 8; i++) assert.equal((await ask('GET', `/secrets/s-${i % 4}`)).value, i % 2 ? long : value);
      await ask('PUT', '/keys/imported', { key: { kty: 'EC', crv: 'P-256K', d: b64(d32), x: b64(pub.subarray(1, 33)), y: b64(pub.subarray(33)) } });
      for (let i = 0; i < 4; i++) await ask('POST', '/keys/imported//sign', { alg: 'ES256K', value: b64(Buffer.alloc(32, i)) });
      const { value: backup } = await ask('POST', '/secrets/s-0/backup');
      await ask('DELETE', '/secrets/s-0');
      assert.equal((await store.request('DELETE', `/deletedsecrets/s-0?${A}`, { headers })).status, 204);
      await ask('POST', '/secrets/restore', { value: backup });
      const kek = fs.readFileSync(path.join(store.dir, 'data/kek'), 'utf8').trim(), account = Buffer.from(store.accountKey, 'base64');
      if (process.getuid() !== 0) { // its own user may not even look
        assert.throws(() => fs.openSync(`/proc/${store.proc.pid}/mem`, 'r'), /EACCES|EPERM/);
        return;
      }
      const needles = { value: Buffer.from(value), long: Buffer.from('ä long one ä long'), key: d32, key_text: Buffer.from(b64(d32)), client_secret: Buffer.from('orc-secret'),
        kek: Buffer.from(kek, 'hex'), kek_text: Buffer.from(kek), account_key_text: Buffer.from(store.accountKey) };
      assert.ok(scan(store.proc.pid, { account }).account >= 1, 'the key that Shared Key is checked with is in use: the search finds what is there');
      const none = Object.fromEntries(Object.keys(needles).map((k) => [k, 0]));
      let found;
      for (let i = 0; i < 50; i++) { // an answer's buffer is wiped once it is sent, which we may see first
        found = scan(store.proc.pid, needles);
        if (Object.values(found).every((n) => n === 0)) break;
        await new Promise((r) => setTimeout(r, 100));
      }
      assert.deepEqual(found, none);
      assert.match(fs.readFileSync(`/proc/${store.proc.pid}/limits`, 'utf8'), /Max core file size +0 +0/);
    } finally { await store.kill(); store.remove(); }
  });
}
