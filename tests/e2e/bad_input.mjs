// What a person gets wrong, and what the outside does: one clear error, nothing half-made that a second run can't finish, and no node that stops.
import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { WebSocket } from 'ws';
import { Member, assert, bin, done, exec, height, httpCall, isAlive, leaf, poa, processesOf, rpc, run, skip, sleep, test, until, workFolder } from './lib.mjs';

const work = workFolder();
const M = new Member(14, work, 'm');
const at = (f) => path.join(work, f);
const NEW = (m, ...more) => ['new', m.dir, '--yes', '--json', '--member-id', String(m.id), ...more];
// one error: a line on stderr, the same text in the one document on stdout
function oneError(r, pattern, code = 1) {
  assert.equal(r.code, code, `exit ${r.code ?? r.signal}\n${r.err}`);
  const lines = r.err.split('\n').filter((l) => l.startsWith('poa-deploy: error: '));
  assert.equal(lines.length, 1, `one error line:\n${r.err}`);
  assert.match(lines[0], pattern);
  assert.match(r.json.error.message, pattern);
}

// --- settings -----------------------------------------------------------------------------------------------------------------
leaf('wrong settings are all reported at once, each with its flag, its value, and what is allowed', async () => {
  const wrong = { '--nodes': ['1', /2.*15/], '--regions': ['6', /1.*5/], '--member-id': ['256', /0.*255/], '--network-id': ['4', /5.*999999999/], '--admin': ['0x12', /40/], '--email': ['nobody', /./],
    '--vm-user': ['a b', /./], '--storage': ['Gold', /Standard.*Premium/], '--evm': ['paris', /byzantium.*prague/], '--step': ['0', /1.*3600/], '--gas-limit': ['many', /5000000.*1000000000/],
    '--target': ['cloud', /local.*ssh.*azure/], '--ip': ['secret', /public.*private/], '--monitor': ['maybe', /enable.*disable/], '--vm-size': ['Standard_Z9', /./], '--alloc': ['me=lots', /./] };
  const r = await poa(['new', at('w'), '--yes', '--json', ...Object.entries(wrong).flatMap(([k, v]) => [k, v[0]])]);
  assert.equal(r.code, 2, r.err);
  assert.deepEqual([...new Set(r.json.error.problems.map((x) => x.split(' ')[0]))].sort(), Object.keys(wrong).sort(), r.err);
  for (const [flag, [value, allowed]] of Object.entries(wrong)) {
    const line = r.err.split('\n').find((l) => l.includes(flag + ' ') || l.includes(flag + ':'));
    assert.ok(line, `a line names ${flag}\n${r.err}`);
    assert.ok(line.includes(value), `${flag}: its value ${value}: ${line}`);
    assert.match(line, allowed, `${flag}: what is allowed`);
  }
  assert.ok(!fs.existsSync(at('w')), 'no folder was made');
});
leaf('those of a file are named by their path, unknown ones too', async () => {
  fs.writeFileSync(at('bad.yaml'), 'size:\n  nodes: 99\n  nodez: 3\nethereum:\n  memberId: -1\n  evm: [1, 2]\nregions:\n  count: two\nnonsense: true\n');
  const r = await poa(['new', at('w'), '--yes', '--json', '-f', at('bad.yaml')]);
  assert.equal(r.code, 2, r.err);
  for (const p of [/size\.nodes.*99.*2.*15/, /size\.nodez/, /ethereum\.memberId.*-1.*0.*255/, /ethereum\.evm/, /regions\.count.*two/, /nonsense/])
    assert.ok(r.json.error.problems.some((x) => p.test(x)), `${p} in:\n${r.err}`);
  fs.writeFileSync(at('broken.yaml'), 'size: [1, 2\nethereum: {');
  const b = await poa(['new', at('w'), '--yes', '--json', '-f', at('broken.yaml')]);
  assert.ok(b.code === 1 || b.code === 2);
  assert.match(b.err, /broken\.yaml/);
  const n = await poa(['new', at('w'), '--yes', '--json', '-f', at('absent.yaml')]);
  assert.notEqual(n.code, 0);
  assert.match(n.err, /absent\.yaml/);
  assert.ok(!fs.existsSync(at('w')));
});
leaf('join without a data URL, and a data URL that is none, are settings errors', async () => {
  const r = await poa(['join', at('w'), '--yes', '--json', '--member-id', '15']);
  assert.equal(r.code, 2);
  assert.match(r.err, /--data-url/);
  const s = await poa(['join', at('w'), '--yes', '--json', '--member-id', '15', '--data-url', 'ftp://x']);
  assert.equal(s.code, 2);
  assert.match(s.err, /--data-url.*ftp:\/\/x.*http/);
});

// --- this machine ---------------------------------------------------------------------------------------------------------------
leaf('a busy port is named before anything is made; a second run finishes once it is free', async () => {
  for (const [host, port] of [['127.14.1.11', 8545], ['127.14.1.1', 8546], ['127.14.0.2', 8443]]) {
    const s = net.createServer().listen(port, host);
    await new Promise((ok) => s.once('listening', ok));
    oneError(await poa(NEW(M)), new RegExp(`${host.replaceAll('.', '\\.')}:${port}`));
    assert.deepEqual(processesOf(M.dir), []);
    await new Promise((ok) => s.close(ok));
  }
  const u = dgram.createSocket('udp4');
  await new Promise((ok) => u.bind(30300, '127.14.1.10', ok));
  oneError(await poa(NEW(M)), /127\.14\.1\.10:30300/);
  await new Promise((ok) => u.close(ok));
  await done(NEW(M));
  await M.destroy();
});
leaf('a missing package or program is named with what to do about it', async () => {
  const alone = at('alone');
  fs.mkdirSync(alone);
  fs.copyFileSync(path.join(bin, 'poa-deploy'), path.join(alone, 'poa-deploy'));
  fs.chmodSync(path.join(alone, 'poa-deploy'), 0o755);
  const r = await exec(path.join(alone, 'poa-deploy'), NEW(M), { env: { POA_SHARE: path.resolve(new URL('../..', import.meta.url).pathname) } });
  oneError(r, /poa-node is missing.*make/);
  if (process.getuid() !== 0) return 'haproxy: not tried, needs root';
  const u = await exec('unshare', ['-m', 'sh', '-c', 'mount --bind /dev/null "$(command -v haproxy || echo /usr/sbin/haproxy)" && exec "$@"', 'sh', path.join(bin, 'poa-deploy'), ...NEW(M)]);
  if (/unshare|mount:/.test(u.err)) return 'haproxy: not tried, no mount namespaces here';
  oneError(u, /HAProxy is not installed.*apt-get install haproxy/);
  return undefined;
});
leaf('a full disk is one clear error; with room, a second run finishes, and a node that ran out of it goes on', async () => {
  if (process.getuid() !== 0) skip('mounting a small file system needs root');
  const disk = at('disk');
  fs.mkdirSync(disk);
  const m = await exec('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]);
  if (m.code !== 0) skip(`no tmpfs here: ${m.err.trim()}`);
  const D = new Member(15, disk, 'd');
  try {
    const r = await poa(NEW(D), { limit_s: 100 });
    assert.equal(r.code, 1, `exit ${r.code ?? r.signal}\n${r.err}`);
    assert.match(r.err, /No space left|full|space/i);
    await until('nothing runs', () => processesOf(D.dir).length === 0 || r.err.includes('local/log'), 5);
    assert.equal((await exec('mount', ['-o', 'remount,size=200m', disk])).code, 0);
    const s = await poa(NEW(D), { limit_s: 100 });
    assert.equal(s.code, 0, `with room: exit ${s.code}\n${s.err}`);
    // fill it under the running nodes
    const pids = D.instances().map((p) => p.pid);
    const fill = path.join(disk, 'fill'), chunk = Buffer.alloc(1 << 16);
    const fd = fs.openSync(fill, 'w');
    const fillUp = () => { for (;;) { try { if (fs.writeSync(fd, chunk) < chunk.length) return; } catch (e) { if (e.code === 'ENOSPC') return; throw e; } } };
    for (let i = 0; i < 8; i++) { fillUp(); await sleep(1000); }
    fs.closeSync(fd);
    const h = await height(D.url).catch(() => 0);
    fs.rmSync(fill);
    await until('the chain goes on', async () => (await height(D.url)) > h + 1, 90);
    await until('healthy', async () => (await D.status()).code === 0, 90);
    return D.instances().every((p, i) => p.pid === pids[i]) ? 'no node stopped' : 'nodes were started again';
  } finally {
    await D.destroy().catch((e) => console.log(`# ${e.message}`));
    await exec('umount', ['-l', disk]);
  }
}, 400);
leaf('Ctrl-C or a kill at any step of new: a second new finishes', async () => {
  // [signal, after this step is done, and then so many milliseconds]
  const cuts = [['SIGINT', /make \d+ validator keys/, 0], ['SIGKILL', /build the genesis/, 0], ['SIGINT', /resolve the template/, 20], ['SIGINT', /start the identity store/, 0], ['SIGKILL', /start the identity store/, 40],
    ['SIGTERM', /put the identities/, 0], ['SIGINT', /put the identities/, 500]];
  for (const [signal, when, ms] of cuts) {
    let cut = false;
    const r = await poa(NEW(M), { onErr: (text, p) => { if (!cut && when.test(text)) { cut = true; setTimeout(() => p.kill(signal), ms); } } });
    assert.ok(cut, `the step ${when} was seen`);
    assert.ok(r.code !== 0, `${signal} at ${when}: it ended before`);
    const again = await poa(NEW(M));
    assert.equal(again.code, 0, `after ${signal} at ${when}: exit ${again.code}\n${again.err}`);
    assert.ok((await height(again.json.ETHEREUM_RPC_ENDPOINT)) >= 1);
    assert.equal((await rpc(again.json.ETHEREUM_RPC_ENDPOINT, 'eth_getBlockByNumber', ['0x0', false])).hash, again.json.GENESIS_HASH);
    await done(['destroy', M.dir, '--yes']);
    assert.deepEqual(processesOf(M.dir), []);
  }
  // in milliseconds, wherever that is
  for (const ms of [30, 150, 400, 900]) {
    const r = await poa(NEW(M), { onSpawn: (p) => setTimeout(() => p.kill('SIGINT'), ms) });
    const again = await poa(NEW(M));
    assert.ok(again.code === 0 || (r.code === 0 && again.code === 3), `after ${ms} ms: exit ${again.code}\n${again.err}`);
    await done(['destroy', M.dir, '--yes']);
    assert.deepEqual(processesOf(M.dir), []);
  }
}, 300);

// --- the network, from here on one -------------------------------------------------------------------------------------------
const serve = (answer) => new Promise((ok) => {
  const s = http.createServer((q, r) => answer(q, r)).listen(0, '127.0.0.1', () => ok({ url: `http://127.0.0.1:${s.address().port}`, close: () => { s.closeAllConnections?.(); s.close(); } }));
});
test('a network to be wrong about', async () => { await M.new(); });
test('a data URL that is unreachable, slow, or serves something else is one clear error that names it', async () => {
  const cases = [
    ['nobody listens', null, /127\.0\.0\.1:1\b/],
    ['an error page', (q, r) => { r.writeHead(404, { 'content-type': 'text/html' }); r.end('<html>not here</html>'); }, /404/],
    ['a page', (q, r) => r.end('<html>hello</html>'), /networkinfo/],
    ['cut JSON', (q, r) => r.end('{"paritySpec": "'), /networkinfo/],
    ['no spec', (q, r) => r.end('{"majorVersion": 0, "minorVersion": 0, "bootnodes": []}'), /paritySpec/],
    ['a spec that is none', (q, r) => r.end(JSON.stringify({ majorVersion: 0, minorVersion: 0, bootnodes: ['enode://' + 'a'.repeat(128) + '@127.0.0.9:30300'], paritySpec: '{"name": 5}' })), /spec/],
    ['a list', (q, r) => r.end('[1, 2, 3]'), /networkinfo/],
    ['a later version', (q, r) => r.end('{"majorVersion": 7, "minorVersion": 0, "bootnodes": [], "paritySpec": "{}"}'), /./],
    ['an endless body', (q, r) => { const t = setInterval(() => r.write(Buffer.alloc(1 << 20, 32)), 1); r.on('close', () => clearInterval(t)); }, /./],
    ['a redirect to itself', (q, r) => { r.writeHead(302, { location: q.url }); r.end(); }, /./],
    ['silence', () => {}, /./],
  ];
  const J = new Member(15, work, 'j');
  for (const [what, answer, pattern] of cases) {
    const s = answer === null ? { url: 'http://127.0.0.1:1', close() {} } : await serve(answer);
    const r = await poa(['join', J.dir, '--yes', '--json', '--member-id', '15', '--data-url', s.url], { limit_s: 100 });
    s.close();
    try { oneError(r, pattern, r.code === 2 ? 2 : 1); } catch (e) { e.message = `${what}: ${e.message}`; throw e; }
    assert.ok(r.err.includes(s.url.replace('http://', '')) || /data URL|networkinfo/.test(r.err), `${what}: the URL is named: ${r.err}`);
    assert.deepEqual(processesOf(J.dir), [], what);
  }
}, 300);
test('a wrong genesis at join is refused with both hashes; the same folder then joins by the true URL', async () => {
  const info = JSON.parse((await httpCall(`${M.dataUrl}/networkinfo`)).text), spec = JSON.parse(info.paritySpec);
  spec.genesis.gasLimit = '0x2faf081';
  const fake = await serve((q, r) => { r.setHeader('content-type', 'application/json'); r.end(JSON.stringify({ ...info, paritySpec: JSON.stringify(spec) })); });
  const J = new Member(15, work, 'j');
  const r = await poa(['join', J.dir, '--yes', '--json', '--member-id', '15', '--data-url', fake.url, '--rpc', M.url]);
  fake.close();
  oneError(r, /genesis/i, r.code);
  assert.ok(r.code === 1 || r.code === 5);
  assert.ok(r.err.includes(M.outputs.GENESIS_HASH), 'the live hash is shown');
  assert.ok((r.err.match(/0x[0-9a-f]{64}/g) ?? []).length >= 2, 'and the computed one');
  assert.deepEqual(processesOf(J.dir), []);
  const taken = await poa(['join', J.dir, '--yes', '--json', '--member-id', '14', '--data-url', M.dataUrl]);
  assert.notEqual(taken.code, 0);
  assert.match(taken.err, /--member-id.*14/);
  // killed after its settings are written down, the same command, or the folder alone, goes on
  const join = ['join', J.dir, '--yes', '--json', '--member-id', '15', '--data-url', M.dataUrl];
  for (const when of [/resolve the template/, /start the identity store/]) {
    const cut = await poa(join, { onErr: (text, p) => { if (when.test(text)) p.kill('SIGKILL'); } });
    assert.ok(cut.code !== 0, `${when}: it ended before`);
  }
  J.outputs = (await done(['join', J.dir, '--yes', '--json'])).json;
  await until('it follows', async () => (await height(J.url)) >= 1, 30);
  await J.destroy();
});

// --- bytes ----------------------------------------------------------------------------------------------------------------------
// pour: some bytes into a TCP port, then wait for an answer, an end, or a while; what came back
const pour = (host, port, pieces, ms = 300) => new Promise((ok) => {
  const s = net.connect(port, host), c = [];
  const end = () => { s.destroy(); ok(Buffer.concat(c)); };
  const t = setTimeout(end, ms);
  s.on('data', (d) => c.push(d)).on('error', () => {}).on('close', () => { clearTimeout(t); ok(Buffer.concat(c)); });
  s.on('connect', () => { for (const p of [pieces].flat()) s.write(p); });
});
const sound = async (pids, since) => {
  assert.deepEqual(M.instances().map((p) => p.pid), pids, 'the same processes');
  for (const i of [0, 1]) await until(`node ${i} answers and the chain goes on`, async () => (await height(M.node(i))) > since, 30);
};
const post = (body, head = '') => `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${head}\r\n${body}`;
test('malformed HTTP and JSON-RPC never stop a node', async () => {
  const pids = M.instances().map((p) => p.pid), since = await height(M.node(0));
  const bad = ['\r\n\r\n', 'GET', 'GET / HTTP/9.9\r\n\r\n', 'POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n', 'POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n',
    'POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n',
    'GET /' + 'a'.repeat(100000) + ' HTTP/1.1\r\n\r\n', 'GET / HTTP/1.1\r\n' + 'X: y\r\n'.repeat(20000) + '\r\n', 'GET /../../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n', 'GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n' + '\xff'.repeat(64),
    post(''), post('{'), post('nonsense'), post('[]'), post('[[[]]]'), post('{}'), post('null'), post('"x"'), post('1e999'), post('{"jsonrpc":"2.0","id":{},"method":5,"params":"x"}'),
    post('['.repeat(200000)), post('{"a":'.repeat(100000)), post(`[${'{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"},'.repeat(20000).slice(0, -1)}]`), post('{"jsonrpc":"2.0","id":1,"method":"' + 'x'.repeat(1 << 20) + '"}'),
    post(Buffer.from([0xff, 0xfe, 0, 1, 2]).toString('latin1'))];
  for (let i = 0; i < 40; i++) bad.push(randomBytes(1 + Math.floor(Math.random() * 4000)));
  for (const port of [8545, 8546, 3000]) await Promise.all(bad.map((b) => pour('127.14.1.10', port, b)));
  const methods = ['eth_call', 'eth_estimateGas', 'eth_getLogs', 'eth_getBlockByNumber', 'eth_sendRawTransaction', 'eth_getProof', 'eth_newFilter', 'eth_getFilterChanges', 'eth_feeHistory', 'eth_getStorageAt', 'eth_getBalance',
    'eth_getTransactionReceipt', 'eth_subscribe', 'debug_traceTransaction', 'web3_sha3', 'eth_createAccessList'];
  const odd = [[], [null], [1], ['0x'], ['latest'], ['0x' + 'f'.repeat(65)], [{}], [{ to: 5 }], [{ fromBlock: '0x0', toBlock: '0x' + 'f'.repeat(16), topics: [[[['x']]]] }], [{ data: '0x' + '60'.repeat(100001) }, 'latest'],
    [{ gas: '0xffffffffffffffff', data: '0x5b600056' }], [-1, -1, -1], ['0xf8' + 'ff'.repeat(50)], ['0x02' + 'c0'.repeat(5)], [[[[[]]]]], ['0x1', 'latest', Array(2000).fill(101)], ['x'.repeat(100000)]];
  for (const m of methods) await Promise.all(odd.map((p) => rpc(M.node(0), m, p, 20000).catch((e) => { if (!e.rpc) throw new Error(`${m} ${JSON.stringify(p).slice(0, 80)}: ${e.message}`); })));
  const traversal = await pour('127.14.1.10', 3000, 'GET /../../../../../../etc/passwd HTTP/1.0\r\n\r\n');
  assert.ok(!traversal.includes('root:'));
  await sound(pids, since);
}, 120);
test('malformed WebSocket frames never stop a node', async () => {
  const pids = M.instances().map((p) => p.pid), since = await height(M.node(0));
  const frames = [[0x81, 0xfe, 0xff, 0xff], [0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [0x80, 0x80, 0, 0, 0, 0], [0x81, 0x05, 1, 2, 3, 4, 5], [0xf1, 0x80, 0, 0, 0, 0], [0x88, 0x81, 0, 0, 0, 0, 1], [0x89, 0xff, 0, 0, 0, 0, 0, 0, 0, 200],
    [0x01, 0x81, 0, 0, 0, 0, 0x7b], [...randomBytes(500)]];
  const hello = 'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
  for (const f of frames) await pour('127.14.1.10', 8546, [hello, Buffer.from(f)], 200);
  // subscribers that never read, and ones that leave at once
  const sockets = [];
  for (let i = 0; i < 50; i++) {
    const w = new WebSocket(M.nodeWs(0));
    w.on('error', () => {});
    w.on('open', () => { w.send('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}'); if (i % 2) w.terminate(); else w._socket.pause(); });
    sockets.push(w);
  }
  await sleep(3000);
  for (const w of sockets) w.terminate();
  await sound(pids, since);
});
test('malformed handshakes and packets of devp2p never stop a node, and its peers stay', async () => {
  const pids = M.instances().map((p) => p.pid), since = await height(M.node(0));
  const many = [];
  for (let i = 0; i < 80; i++) many.push(randomBytes(1 + Math.floor(Math.random() * 700)));
  for (const n of [0, 1, 2, 307, 65535]) many.push(Buffer.concat([Buffer.from([n >> 8, n & 255]), randomBytes(Math.min(n, 2000))]));
  many.push(Buffer.concat([Buffer.from([1, 0x33, 4]), randomBytes(500)]), Buffer.alloc(70000, 0), Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  for (let i = 0; i < many.length; i += 20) await Promise.all(many.slice(i, i + 20).map((b) => pour('127.14.1.10', 30300, b)));
  const idle = Array.from({ length: 150 }, () => net.connect(30300, '127.14.1.10').on('error', () => {}));
  const u = dgram.createSocket('udp4');
  for (let i = 0; i < 400; i++) {
    const b = randomBytes(Math.floor(Math.random() * 1400));
    if (i % 3 === 0 && b.length > 100) b[97] = 1 + (i % 6);
    await new Promise((ok) => u.send(b, 30300, '127.14.1.10', ok));
  }
  u.close();
  await sound(pids, since);
  for (const s of idle) s.destroy();
  assert.equal(Number(await rpc(M.node(0), 'net_peerCount')), 1);
});
test('malformed bytes never stop the identity store', async () => {
  const before = M.programs().find((p) => p.name === 'identity-store').pid;
  for (let i = 0; i < 30; i++) await pour('127.14.0.2', 8443, randomBytes(300), 100);
  const ca = fs.readFileSync(path.join(M.dir, 'local/store/ca.pem'));
  const https = (text) => new Promise((ok) => {
    const s = tls.connect({ host: '127.14.0.2', port: 8443, ca }, () => s.write(text));
    let out = '';
    s.on('data', (d) => { out += d; }).on('error', () => ok(out)).on('close', () => ok(out));
    setTimeout(() => { s.destroy(); ok(out); }, 300);
  });
  for (const t of ['\0\0\0', 'GET /secrets HTTP/1.1\r\nAuthorization: Bearer x.y.z\r\n\r\n', 'PUT /poa-config/x?comp=lease HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n', 'GET /' + '%00'.repeat(3000) + ' HTTP/1.1\r\n\r\n',
    'POST /poa/oauth2/v2.0/token HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n%%%%%']) await https(t);
  assert.match(await https('GET /secrets?api-version=7.4 HTTP/1.1\r\nHost: x\r\n\r\n'), /^HTTP\/1.1 401/);
  assert.ok(isAlive(before));
  assert.equal(M.programs().find((p) => p.name === 'identity-store').pid, before);
});
test('the end', async () => {
  assert.equal((await M.status()).code, 0);
  await done(['destroy', M.dir, '--yes']);
  assert.deepEqual(processesOf(M.dir), []);
});
await run({ chained: true });
