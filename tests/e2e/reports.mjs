// A validator contract that takes reports (the "contract" kind of set): what nodes see of each other's misbehaviour comes to it as transactions of
// theirs, without a price: a step that was let go by, and two blocks in one step. The contract keeps each call as a log: topic: the call's first word.
import { AbiCoder, id } from 'ethers';
import { assert, rpc, run, sleep, test, until } from './lib.mjs';
import { World, enter, spec } from './world.mjs';

await enter();
const REPORTS = '0x0000000000000000000000000000000000002007';
const [BENIGN, MALICIOUS] = ['0xd69f13bb', '0xc476dd40'];
// 4 bytes of call data: getValidators() gives the list (finalizeChange() does nothing); more: log1(all of it, the first word)
function code(validators) {
  const list = AbiCoder.defaultAbiCoder().encode(['address[]'], [validators]).slice(2), size = (list.length / 2).toString(16).padStart(4, '0');
  return `0x36600414601557366000600037600035366000a1005b61${size}602460003961${size}6000f3${list}`;
}
const W = new World(4, (v) => {
  const s = spec({ admin: v[0], validators: v.slice(0, 3), capacity: 3, alloc: { [REPORTS]: { balance: '0', code: code(v.slice(0, 3)) } } });
  s.engine.authorityRound.params.validators = { contract: REPORTS };
  return s;
});
W.keys[3] = W.keys[2]; // the third validator runs twice
const logs = async (kind) => (await rpc(W.url(1), 'eth_getLogs', [{ fromBlock: '0x1', toBlock: 'latest', address: REPORTS }])).filter((l) => l.topics[0].startsWith(kind));
const of = (log) => '0x' + log.data.slice(2 + 8 + 24, 2 + 8 + 64);

test('two of three validators seal; the third, which is down, is reported by who takes the block after it', async () => {
  W.wire();
  W.start(1);
  W.boot = await until('the first node answers', () => rpc(W.url(1), 'parity_enode'), 20, 50);
  W.start(2);
  const seen = await until('reports', async () => {
    const l = await logs(BENIGN), from = new Set();
    for (const x of l) from.add((await rpc(W.url(1), 'eth_getTransactionByHash', [x.transactionHash])).from.toLowerCase());
    return l.length >= 3 && { l, from };
  }, 40);
  assert.deepEqual([...seen.from], [W.addresses[1]]); // the first seals behind the gap, the second sees it
  assert.deepEqual([...new Set(seen.l.map(of))], [W.addresses[2]], 'the one that is down, and no other');
  const block = BigInt('0x' + seen.l[0].data.slice(2 + 8 + 64));
  assert.ok(block > 1n && block <= BigInt(seen.l[0].blockNumber), 'for a block that was sealed before');
  assert.equal((await rpc(W.url(1), 'eth_getTransactionByHash', [seen.l[0].transactionHash])).gasPrice, '0x0');
  assert.deepEqual(await logs(MALICIOUS), []);
});

test('once it seals, nobody is reported', async () => {
  W.start(3);
  await until('all three seal', async () => {
    const h = Number(await rpc(W.url(1), 'eth_blockNumber')), authors = new Set();
    for (let n = h; n > h - 3; n--) authors.add((await rpc(W.url(1), 'eth_getBlockByNumber', ['0x' + n.toString(16), false])).miner.toLowerCase());
    return authors.size === 3;
  }, 60);
  await sleep(3 * W.stepMs); // reports that were on their way
  const before = (await logs(BENIGN)).length;
  await sleep(6 * W.stepMs);
  assert.equal((await logs(BENIGN)).length, before);
});

test('one that seals two blocks in a step is reported as malicious', async () => {
  W.start(4);
  await until('it follows', async () => (await W.status(4)).head.number >= (await W.status(1)).head.number - 1, 30);
  let nonce = 0;
  const l = await until('a report', async () => {
    // a transaction that only one of the two has when their step begins makes their blocks differ
    const step = [1, 2, 3].map((k) => W.stepNow() + k).find((k) => k % 3 === 2);
    await sleep(step * W.stepMs - Date.now() - 25);
    await W.send(4, id('reports/sender'), W.addresses[0], '0x', nonce++);
    await sleep(W.stepMs / 2);
    const x = await logs(MALICIOUS);
    return x.length > 0 && x;
  }, 60);
  assert.deepEqual([...new Set(l.map(of))], [W.addresses[2]]);
});
test('the end', async () => { await W.stop(); });

await run({ chained: true });
