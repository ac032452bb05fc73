// poa-node against @ethereumjs/devp2p and against hostile clients, over real sockets: interop (interop.mjs), discovery by one boot node, a
// transaction that is announced and mined, who may connect, and what a hostile peer costs in memory.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DPT } from '@ethereumjs/devp2p';
import { RLP } from '@ethereumjs/rlp';
import { keccak256 } from 'ethereum-cryptography/keccak.js';
import * as snappy from 'snappyjs';
import { secp256k1 } from 'ethereum-cryptography/secp256k1.js';
import { CODE, connect, crc32, number } from './client.mjs';
import { Node, enodeOf, hex, keyOf, publicOf, sleep, spec, stopAll, unhex, until } from './node.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const only = process.argv[2];
let passed = 0, failed = 0;
const fail = (why) => { throw new Error(why); };
const check = (ok, why) => ok || fail(why);
async function test(name, body) {
  if (only && !name.includes(only)) return;
  const began = Date.now();
  try {
    const note = await body();
    passed++;
    console.log(`ok ${passed + failed} - ${name}\n# ${((Date.now() - began) / 1000).toFixed(1)} s${note ? `; ${note}` : ''}`);
  } catch (e) {
    failed++;
    console.log(`not ok ${passed + failed} - ${name}\n# ${String(e.stack ?? e).split('\n').join('\n# ')}`);
    if (process.env.POA_KEEP === '1') console.log(`# ${A?.dir}`);
  }
}
console.log('TAP version 13');

// --- a chain, and who follows it ------------------------------------------------------------------------------------------
const A = new Node({ validator: true, network: 'max_peers: 200, max_inbound: 200' });
await A.start();
const genesis = (await A.rpc('eth_getBlockByNumber', ['0x0', false])).hash;
const optsOf = (node) => ({ genesis, networkId: 4242, forkHash: crc32(unhex(genesis)), peer: enodeOf(node.enode) });
const opts = optsOf(A);

await test('five nodes know one boot node, and all find each other', async () => {
  const others = [];
  for (let i = 0; i < 4; i++) others.push(await new Node({ network: `bootnodes: ["${A.enode}"]` }).start());
  const began = Date.now();
  await until('each has four peers', async () => (await Promise.all([A, ...others].map((n) => n.peers()))).every((p) => p === 4));
  const took = Date.now() - began;
  await until('all have the chain', async () => (await Promise.all(others.map((n) => n.height()))).every((h) => h >= 2));

  // another implementation's discovery finds them all, too, knowing the boot node alone
  const dpt = new DPT(randomBytes(32), { endpoint: { address: '127.0.0.1', udpPort: null, tcpPort: null }, refreshInterval: 300 });
  try {
    await new Promise((yes) => { dpt.events.once('listening', yes); dpt.bind(0, '127.0.0.1'); });
    await dpt.bootstrap(enodeOf(A.enode));
    const want = [A, ...others].map((n) => hex(enodeOf(n.enode).id)).sort().join();
    await until('the DPT knows all five', async () => {
      await dpt.refresh();
      return dpt.getPeers().filter((p) => p.id).map((p) => hex(p.id)).sort().join() === want;
    }, 20, 250);
  } finally {
    dpt.destroy();
  }
  await Promise.all(others.map((n) => n.stop()));
  return `${took} ms after the last was up; @ethereumjs/devp2p's DPT found the five`;
});

await test("another implementation's client: handshakes of eth/63 to 68, Status, headers, bodies, receipts", async () => {
  const child = spawn(process.execPath, [path.join(here, 'interop.mjs'), A.enode, '--rpc', A.url], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (d) => { out += d; });
  const code = await new Promise((ok) => child.on('close', ok));
  check(code === 0, out);
  return `${(out.match(/^ok /gm) ?? []).length} checks`;
});

// --- a transaction from another client -----------------------------------------------------------------------------------------
const big = (n) => { let t = BigInt(n).toString(16); if (n === 0 || n === 0n) return new Uint8Array(0); if (t.length % 2) t = '0' + t; return unhex(t); };
function transaction(key, nonce, data = '0x', gas = 100000) {
  const fields = [big(nonce), big(0), big(gas), randomBytes(20), big(0), unhex(data)];
  const sig = secp256k1.sign(keccak256(RLP.encode([...fields, big(4242), big(0), big(0)])), key);
  return [...fields, big(4242 * 2 + 35 + sig.recovery), big(sig.r), big(sig.s)];
}
const mined = (hash) => until(`${hash} is mined`, () => A.rpc('eth_getTransactionReceipt', [hash]), 10);
for (const version of [63, 66, 68])
  await test(`a transaction that comes over eth/${version}${version >= 66 ? ', announced by its hash,' : ''} is mined`, async () => {
    const tx = transaction(keyOf(`sender ${version}`), 0), hash = keccak256(RLP.encode(tx));
    let asked = 0;
    const c = await connect(opts, version, {
      onMessage: (code, payload, eth) => {
        if (code !== CODE.GET_POOLED_TRANSACTIONS || !payload[1].some((h) => hex(h) === hex(hash))) return false;
        asked++;
        eth.sendMessage(CODE.POOLED_TRANSACTIONS, [payload[0], [tx]]);
        return true;
      },
    });
    try {
      if (version === 63) c.send('TX', [tx]);
      else if (version === 66) c.send('NEW_POOLED_TRANSACTION_HASHES', [hash]);
      else c.send('NEW_POOLED_TRANSACTION_HASHES', [Uint8Array.of(0), [RLP.encode(tx).length], [hash]]);
      const receipt = await mined(hex(hash));
      check(receipt.status === '0x1', 'it went well');
      check(asked === (version >= 66 ? 1 : 0), `asked for ${asked} times`);
      return `block ${Number(receipt.blockNumber)}`;
    } finally {
      c.close();
    }
  });

// --- who may connect -------------------------------------------------------------------------------------------------------------
const mayConnect = async (o, key) => { try { (await connect({ ...o, key }, 68, { wait_ms: 1200 })).close(); return true; } catch { return false; } };
await test('an allow-list of node ids: who is not on it is turned away; a new line is heeded at once, a lost one lets a peer go', async () => {
  const list = path.join(A.dir, 'allowed.txt'), one = randomBytes(32), two = randomBytes(32), line = (key) => `${hex(publicOf(key)).slice(2)}  # a member\n`;
  fs.writeFileSync(list, `# members\n${A.enode}\n${line(one)}`);
  const n = await new Node({ network: `allowed_nodes: ${list}, bootnodes: ["${A.enode}"]` }).start(), o = optsOf(n);
  await until('its own boot node is a peer', async () => (await n.peers()) === 1);
  check(await mayConnect(o, one), 'the first may');
  check(!(await mayConnect(o, two)), 'the second may not');
  fs.appendFileSync(list, line(two));
  await until('the second may now', () => mayConnect(o, two), 5, 300);
  const c = await connect({ ...o, key: one }, 68);
  fs.writeFileSync(list, `${A.enode}\n${line(two)}`);
  await until('the first is let go', () => !c.isOpen(), 5);
  fs.writeFileSync(list, 'nonsense\n');
  await until('it says what is wrong', () => /allowed_nodes: .*line 1: neither an enode URL nor a node id/.test(n.log()), 5);
  check(await mayConnect(o, two), 'a broken file changes nothing');
  c.close();
  await n.stop();
});
await test("the chain's node permission contract is asked for each connection, and again when the chain goes on", async () => {
  // calldata of 64 bytes: storage[a] = b. Else connectionAllowed(ownLow, ownHigh, peerLow, peerHigh): storage[peerLow]
  const at = '0x0000000000000000000000000000000000001007', code = '0x3660401460275760003560e01c63994d790a14601a57600080fd5b6044355460005260206000f35b6020356000355500';
  const S = await new Node({ validator: true, specText: JSON.stringify(spec({ nodePermissionContract: at }, { [at]: { balance: '0', code } })) }).start();
  const g = (await S.rpc('eth_getBlockByNumber', ['0x0', false])).hash, o = { ...optsOf(S), genesis: g, forkHash: crc32(unhex(g)) }, me = randomBytes(32), admin = keyOf('admin');
  check(!(await mayConnect(o, me)), 'nobody may at first');
  let nonce = 0;
  const set = async (value) => {
    const tx = transaction(admin, nonce++, hex(publicOf(me).slice(0, 32)) + value.toString(16).padStart(64, '0'));
    tx[3] = unhex(at);
    const f = tx.slice(0, 6), sig = secp256k1.sign(keccak256(RLP.encode([...f, big(4242), big(0), big(0)])), admin);
    const h = await S.rpc('eth_sendRawTransaction', [hex(RLP.encode([...f, big(4242 * 2 + 35 + sig.recovery), big(sig.r), big(sig.s)]))]);
    const r = await until('mined', () => S.rpc('eth_getTransactionReceipt', [h]), 10);
    check(r.status === '0x1', 'the call went well');
  };
  await set(1);
  const c = await until('it may now', () => connect({ ...o, key: me }, 68, { wait_ms: 1200 }), 10, 200);
  check(!(await mayConnect(o, randomBytes(32))), 'another may not');
  await set(0);
  await until('it is let go', () => !c.isOpen(), 5);
  c.close();
  await S.stop();
});
await test('reserved peers: reserved_only turns others away; parity_set adds, removes, opens and closes', async () => {
  const n = await new Node({ network: `reserved: ["${A.enode}"], reserved_only: true`, apis: 'web3,net,eth,parity,parity_set' }).start(), o = optsOf(n), me = randomBytes(32);
  await until('the reserved node is a peer', async () => (await n.peers()) === 1);
  check(!(await mayConnect(o, me)), 'others may not');
  check(await n.rpc('parity_acceptNonReservedPeers'), 'true');
  await until('others may', () => mayConnect(o, me), 5, 200);
  check(await n.rpc('parity_dropNonReservedPeers'), 'true');
  await until('others may not', async () => !(await mayConnect(o, me)), 5, 200);
  check(await n.rpc('parity_addReservedPeer', [`enode://${hex(publicOf(me)).slice(2)}@127.0.0.1:9`]), 'true');
  await until('it is reserved', () => mayConnect(o, me), 5, 200);
  check(await n.rpc('parity_removeReservedPeer', [`enode://${hex(publicOf(me)).slice(2)}@127.0.0.1:9`]), 'true');
  await until('it is no more', async () => !(await mayConnect(o, me)), 5, 200);
  const bad = await n.rpc('parity_addReservedPeer', ['enode://12@x']).catch((e) => e.message);
  check(/invalid argument 0: /.test(bad), bad);
  const closed = await A.rpc('parity_dropNonReservedPeers').catch((e) => e.message);
  check(/parity_dropNonReservedPeers/.test(closed), `"all" does not open it: ${closed}`);
  await n.stop();
});
await test('the node key stays over a restart, and encrypted where a password is named; nat: extip names the address; nat: any is refused with a reason', async () => {
  const n = await new Node({ network: 'nat: "extip:203.0.113.7"' }).start(), was = n.enode;
  check(was.includes('@203.0.113.7:'), was);
  await n.stop();
  await n.start();
  check(n.enode === was, `${n.enode} is not ${was}`);
  await n.stop();
  const password = path.join(n.dir, 'password'), data = path.join(n.dir, 'data');
  fs.writeFileSync(password, 'of the node key\n');
  n.network += `, node_key_password_file: ${password}`;
  await n.start();
  check(n.enode === was, 'the same key, now encrypted');
  check(!fs.existsSync(`${data}/nodekey`) && JSON.parse(fs.readFileSync(`${data}/nodekey.json`)).version === 3, 'only the keystore is left');
  await n.stop();
  await n.start();
  check(n.enode === was, 'the same key, read from the keystore');
  await n.stop();
  fs.writeFileSync(password, 'another');
  const denied = await n.start().then(() => 'it started', (e) => e.message);
  check(/node_key_password_file: not the password of/.test(denied), denied);
  const bad = new Node({ network: 'nat: any' });
  const why = await bad.start().then(() => 'it started', (e) => e.message);
  check(/network\.nat: 'any': only none, or extip:/.test(why), why);
});

// --- hostile peers -----------------------------------------------------------------------------------------------------------------
const MIB = 1 << 20;
// hostile: body(close_all) against a fresh mark of the node's memory; what it may cost at most, and that the node seals on
async function hostile(name, most_mib, body, node = A, o = opts) {
  await test(name, async () => {
    const h = await node.height(), before = node.mark(), closers = [];
    let note;
    try { note = await body(closers); } finally { for (const c of closers) c(); }
    const peak = node.peak();
    await until('it seals on', async () => (await node.height()) > h, 10);
    check(peak - before <= most_mib, `${before.toFixed(1)} MiB before, ${peak.toFixed(1)} at most: more than ${most_mib} MiB`);
    (await connect(o, 68)).close();
    return `${before.toFixed(1)} MiB before, ${peak.toFixed(1)} at most${note ? `; ${note}` : ''}`;
  });
}
const tcp = () => new Promise((ok, bad) => { const s = net.connect(enodeOf(A.enode).tcpPort, '127.0.0.1', () => ok(s)); s.on('error', () => {}); s.once('error', bad); });
const letGo = (c, limit_s = 15) => until('it is let go', () => !c.isOpen(), limit_s).then(() => c.why());

await hostile('garbage on 200 connections', 16, async () => {
  let closed = 0;
  for (let i = 0; i < 200; i++) {
    const s = await tcp().catch(() => null);
    if (s === null) { closed++; continue; }
    s.on('close', () => closed++);
    s.resume();
    s.write(randomBytes(4096));
  }
  await until('all are closed', () => closed === 200, 15);
});
await hostile('400 connections that say nothing', 24, async (closers) => {
  const open = new Set();
  for (let i = 0; i < 400; i++) {
    const s = await tcp().catch(() => null);
    if (s === null) continue;
    open.add(s);
    s.on('close', () => open.delete(s));
    closers.push(() => s.destroy());
  }
  const held = open.size;
  await until('all are closed', () => open.size === 0, 15, 200);
  return `${held} were held for a while, all closed after 8 s`;
});
await hostile('requests without end, and answers that are not read', 48, async (closers) => {
  const c = await connect(opts, 68);
  closers.push(() => c.close());
  c.socket.pause();
  let sent = 0;
  for (const end = Date.now() + 15000; c.isOpen() && !c.socket.destroyed && Date.now() < end;) {
    for (let i = 0; i < 200; i++) c.send('GET_BLOCK_HEADERS', [sent++, [0, 1024, 0, 0]]);
    await sleep(10);
    if (A.log().includes('asks too much')) break;
  }
  check(/peer gone .*asks too much/.test(A.log()), 'it was let go');
  return `let go after ${sent} requests`;
});
for (const [name, send] of [
  ['70,000 hashes of transactions in one message', (c) => c.send('NEW_POOLED_TRANSACTION_HASHES', [new Uint8Array(70000), Array(70000).fill(1), Array.from({ length: 70000 }, () => randomBytes(32))])],
  ['10,000 hashes of blocks in one message', (c) => c.send('NEW_BLOCK_HASHES', Array.from({ length: 10000 }, (_, i) => [randomBytes(32), i]))],
  ['a message that says it is a gigabyte before compression', (c) => c.eth._send(CODE.NEW_BLOCK, Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x04, 0, 0, 0))],
  ['four million empty lists in one message', (c) => c.eth._send(CODE.BLOCK_BODIES, snappy.compress(Buffer.concat([unhex('fa40000501fa400000'), Buffer.alloc(4 * MIB, 0xc0)])))],
])
  await hostile(name, 80, async (closers) => {
    const c = await connect(opts, 68);
    closers.push(() => c.close());
    await send(c);
    if (name.includes('empty lists')) return sleep(500).then(() => 'an answer that nobody asked for');
    return letGo(c);
  });
// where a second validator is away, nothing is final, and half of the steps are free for a liar
const B = new Node({ validator: true, specText: JSON.stringify(spec({}, {}, ['away'])) });
await B.start();
const genesisB = (await B.rpc('eth_getBlockByNumber', ['0x0', false])).hash, optsB = { ...optsOf(B), genesis: genesisB, forkHash: crc32(unhex(genesisB)) };
await until('it has some blocks', async () => (await B.height()) >= 3, 20);
await hostile('a block with random roots on the head', 24, async (closers) => {
  const c = await connect(optsB, 68), before = await B.height();
  closers.push(() => c.close());
  await until('a block is sealed', async () => (await B.height()) > before, 5, 20);
  const [head] = await c.ask('GET_BLOCK_HEADERS', 'BLOCK_HEADERS', [unhex((await B.rpc('eth_getBlockByNumber', ['latest', false])).hash), 1, 0, 0]), h = [...head];
  h[0] = keccak256(RLP.encode(head));
  h[3] = randomBytes(32);
  for (const k of [8, 11, 13]) h[k] = big(number(head[k]) + 1);
  c.send('NEW_BLOCK', [[h, [], []], big(2n ** 140n)]);
  return letGo(c, 4);
}, B, optsB);
await hostile('headers without end, 60 KB each, of a chain that nobody else has; the validator seals on', 130, async (closers) => {
  const real = await connect(optsB, 68), list = await real.ask('GET_BLOCK_HEADERS', 'BLOCK_HEADERS', [0, 1000, 0, 0]);
  real.close();
  const fake = new Map(), top = 1_000_000, extra = new Uint8Array(60000), last = list.at(-1);
  let hash = keccak256(RLP.encode(last)), at = number(last[8]), served = 0;
  const headerAt = (n) => {
    if (n < list.length) return list[n];
    for (; at < n; ) {
      at++;
      const h = [...last];
      h[0] = hash; h[3] = randomBytes(32); h[4] = randomBytes(32); h[8] = big(at); h[11] = big(number(last[11]) + at); h[12] = extra;
      hash = keccak256(RLP.encode(h));
      fake.set(at, h);
    }
    return fake.get(n);
  };
  const head = [...last]; head[8] = big(top);
  const best = keccak256(RLP.encode(head));
  const c = await connect(optsB, 66, {
    td: big(2n ** 200n), best,
    onMessage: (code, [id, q], eth) => {
      if (code === CODE.GET_BLOCK_HEADERS) {
        const [from, amount] = q, n = from.length === 32 ? -1 : number(from), out = [];
        if (n < 0) out.push(head);
        else for (let i = 0; i < number(amount); i++) out.push(headerAt(n + i));
        served += out.length;
        eth.sendMessage(CODE.BLOCK_HEADERS, [id, out]);
      } else if (code === CODE.GET_BLOCK_BODIES) {
        eth.sendMessage(CODE.BLOCK_BODIES, [id, []]);
      } else return false;
      return true;
    },
  });
  closers.push(() => c.close());
  await until('it takes headers', () => served > 200, 10);
  await sleep(3000); // a first promise is believed
  const h = await B.height();
  await sleep(6000);
  check((await B.height()) >= h + 2, `it sealed ${(await B.height()) - h} blocks in 6 s`);
  const why = process.env.POA_LONG === '1' ? await letGo(c, 120) : '';
  return `${served} headers served; ${(await B.height()) - h} blocks sealed in 6 s; ${why}`;
}, B, optsB);
await hostile('transactions: 20,000 with broken signatures, 20,000 for a later nonce', 96, async (closers) => {
  const bad = await connect(opts, 68);
  closers.push(() => bad.close());
  const broken = Array.from({ length: 500 }, (_, i) => { const t = transaction(keyOf('x'), i); t[7] = new Uint8Array(32).fill(0xff); return t; });
  for (let k = 0; k < 40 && bad.isOpen(); k++) { bad.send('TX', broken); await sleep(2); }
  const why = await letGo(bad);
  const late = await connect(opts, 68), sample = transaction(keyOf('late'), 1000);
  closers.push(() => late.close());
  for (let k = 0; k < 40 && late.isOpen(); k++) { // a signature of another payload recovers to some sender: each a new one
    late.send('TX', Array.from({ length: 500 }, (_, i) => { const t = [...sample]; t[0] = big(1000 + k * 500 + i); return t; }));
    await sleep(5);
  }
  return `broken: ${why}; later nonces: ${(await A.rpc('txpool_status')).queued} are kept`;
});
await hostile('discovery: 20,000 datagrams of garbage and 5,000 pings of as many keys', 16, async (closers) => {
  const s = dgram.createSocket('udp4'), { udpPort } = enodeOf(A.enode);
  closers.push(() => s.close());
  const ping = (key) => {
    const body = Buffer.concat([Uint8Array.of(1), RLP.encode([4, [unhex('7f000001'), 9, 9], [unhex('7f000001'), udpPort, udpPort], Math.floor(Date.now() / 1000) + 20])]);
    const sig = secp256k1.sign(keccak256(body), key), signed = Buffer.concat([sig.toCompactRawBytes(), Uint8Array.of(sig.recovery), body]);
    return Buffer.concat([keccak256(signed), signed]);
  };
  const some = Array.from({ length: 100 }, () => ping(randomBytes(32)));
  for (let i = 0; i < 20000; i++) { s.send(randomBytes(200 + (i % 1000)), udpPort, '127.0.0.1'); if (i % 4 === 0) s.send(some[i % 100], udpPort, '127.0.0.1'); if (i % 200 === 0) await sleep(2); }
});

await stopAll();
console.log(`1..${passed + failed}\n${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
