// Governance from the shell, and the member who lets an operator run its nodes: the operator deploys with the member's address alone, the member
// accepts the nodes by its own signature: by the shell, then another member by the operator's page. What a person gets wrong has a sentence each.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Signature, Wallet } from 'ethers';
import { Member, assert, done, httpCall, leaf, poa, root, rpc, run, skip, test, until, workFolder } from './lib.mjs';
import { keyOf, launch, open, program } from './browser.mjs';

const work = workFolder();
const at = (f) => path.join(work, f);
// A is the network; B and C are operators' deployments for the members M and N, who have a key and nothing else
const A = new Member(50, work, 'a'), B = new Member(51, work, 'b'), C = new Member(52, work, 'c');
let tx; // as the shell prints one for a wallet elsewhere
const accounts = new Map(); // name -> {file, password, wallet}
const keyed = (name) => ['--keystore', accounts.get(name).file, '--password-file', accounts.get(name).password];
const current = async (m) => (await rpc(m.url, 'aura_getValidators')).map((a) => a.toLowerCase()).sort();
const command = (words, ...more) => poa([...words, ...more, '--json', '--yes']);
// one error, in plain words on stderr and in the document
function refused(r, pattern, code = 5) {
  assert.equal(r.code, code, `exit ${r.code ?? r.signal}\n${r.err}`);
  const lines = r.err.split('\n').filter((l) => l.startsWith('poa-deploy: error: '));
  assert.equal(lines.length, 1, r.err);
  assert.match(lines[0], pattern);
  assert.doesNotMatch(lines[0], /revert|eth_/i, 'no words of a machine');
  assert.match(r.json.error.message, pattern);
}

test('members make their accounts, and operators deploy with the address alone', async () => {
  for (const name of ['m', 'n', 'x']) {
    const file = at(`${name}.json`), password = at(`${name}.password`);
    fs.writeFileSync(password, `secret of ${name}\n`, { mode: 0o600 });
    await done(['account', 'new', '--out', file, '--password-file', password, '--light', '--json']);
    accounts.set(name, { file, password, wallet: Wallet.fromEncryptedJsonSync(fs.readFileSync(file, 'utf8'), `secret of ${name}`) });
  }
  await A.new('--step', '1');
  await Promise.all([B.join(A.dataUrl, '--admin', accounts.get('m').wallet.address), C.join(A.dataUrl, '--admin', accounts.get('n').wallet.address)]);
  for (const m of [B, C]) assert.ok(!fs.existsSync(path.join(m.dir, 'admin')), 'the operator has no key of the member');
  assert.equal(B.admin, accounts.get('m').wallet.address);
});

test('accepting is refused before the member is an administrator, in plain words', async () => {
  refused(await command(['validator', 'accept'], '--data-url', B.dataUrl, ...keyed('m')), /the account 0x\w{40} is not an administrator of this network.*admin propose/);
  assert.deepEqual(await current(A), [...A.validators].sort());
});

test('A votes the members in: what happened, what is missing, when it takes effect', async () => {
  const first = await A.poa(['admin', 'propose', accounts.get('m').wallet.address], '--alias', 'Member M');
  assert.match(first.json.text, /became an administrator/);
  assert.equal(first.json.final, true);
  const second = await A.poa(['admin', 'propose', accounts.get('n').wallet.address], '--alias', 'Member N');
  assert.match(second.json.text, /needs 1 more vote of 2/);
  assert.deepEqual([second.json.votesMissing, second.json.votesNeeded], [1, 2]);
  const plain = await poa(['admin', 'vote', accounts.get('n').wallet.address, A.dir, '--for', '--yes']);
  assert.equal(plain.code, 5, plain.err);
});

test('a transaction is printed for a wallet elsewhere, signed there, and sent by the same command', async () => {
  const { wallet } = accounts.get('m'), who = accounts.get('n').wallet.address, words = ['admin', 'vote', who, A.dir, '--for'];
  tx = (await done([...words, '--unsigned', '--from', wallet.address, '--json'])).json;
  assert.deepEqual(Object.keys(tx).sort(), ['chainId', 'data', 'from', 'gas', 'gasPrice', 'nonce', 'to', 'value']);
  const sign = (more) => wallet.signTransaction({ type: 0, to: tx.to, data: tx.data, value: 0, gasPrice: 0, gasLimit: tx.gas, nonce: Number(tx.nonce), chainId: Number(tx.chainId), ...more });
  refused(await command(words, '--send', await sign({ chainId: 5 })), /signed for chain id 5, but this network has \d+/);
  refused(await command(words, '--send', await sign({ to: wallet.address })), /does not go to the governance contract/);
  refused(await command(words, '--send', await sign({ data: tx.data.replace(/.{4}$/, '0000') })), /does something else than this command/);
  refused(await command(words, '--send', '0x1234'), /no transaction/, 2);
  refused(await command(words, '--send', 'absent.txt'), /absent\.txt/, 1);
  refused(await command(words, '--send', '0xzz'), /no signed transaction/, 2);
  const file = at('signed.txt');
  fs.writeFileSync(file, `${await sign({})}\n`);
  const r = (await done([...words, '--send', file, '--json'])).json;
  assert.match(r.text, /voted for .*2 of 2 votes\n.*became an administrator/);
  const again = await command(words, '--send', file);
  assert.equal(again.code, 0, `the same transaction once more changes nothing: ${again.err}`);
  assert.equal(again.json.transactionHash, r.transactionHash);
});

test('a validator is looked at before it is added: each thing that is wrong has its sentence, --force goes on', async () => {
  const strange = Wallet.createRandom().address;
  const problems = async (args, code = 4) => {
    const r = await command(['validator', 'add'], ...args);
    assert.equal(r.code, code, r.err);
    return code === 4 ? r.json.error.problems : r;
  };
  const [p] = await problems([strange, A.dir, '--data-url', B.dataUrl, ...keyed('m')]);
  assert.equal(p.check, 'listed');
  assert.match(p.text, /no node at http:\/\/127\.51\.1\.1 has this address; if an operator runs it, give that one's data URL/);
  // the node is stopped: it is not reachable
  const [pid] = B.instances().map((i) => i.pid);
  process.kill(pid, 'SIGSTOP');
  const [q] = await problems([...B.validators, A.dir, '--data-url', B.dataUrl, ...keyed('m')]);
  process.kill(pid, 'SIGCONT');
  assert.equal(q.check, 'reachable');
  assert.match(q.text, /cannot be reached/);
  // an operator that claims another's node, and a node that proves its key but is far behind with a wrong clock: it signs as ethers does
  const own = Wallet.createRandom(), { enodeUrl } = JSON.parse((await httpCall(`${B.dataUrl}/nodes`)).text).nodes[0];
  const liar = http.createServer((r, w) => {
    const u = new URL(r.url, 'http://x'), entry = (address, url) => ({ address, enodeUrl: url, hostname: 'there', region: '' });
    if (u.pathname === '/nodes') return w.end(JSON.stringify({ nodes: [entry(strange, enodeUrl), entry(own.address, enodeUrl.replace(/@[^:]+/, '@127.0.0.9'))] }));
    const challenge = u.searchParams.get('challenge'), p = { chainId: Number(tx.chainId), genesisHash: A.outputs.GENESIS_HASH, challenge, timeMs: Date.now() + 5000, block: 0, syncing: false };
    const text = `proof of possession of the validator key ${own.address.toLowerCase()}\nchain ${p.chainId}\ngenesis ${p.genesisHash}\nchallenge ${challenge}\ntime ${p.timeMs}\nblock 0\nsyncing no\n`;
    const s = Signature.from(own.signMessageSync(text));
    return w.end(JSON.stringify({ address: own.address, ...p, signature: `${s.r}${s.s.slice(2)}0${s.yParity}` }));
  });
  await new Promise((ok) => liar.listen(3000, '127.0.0.9', ok));
  try {
    const [k] = await problems([strange, A.dir, '--data-url', 'http://127.0.0.9:3000', ...keyed('m')]);
    assert.equal(k.check, 'key');
    assert.match(k.text, /\(there\): its node does not prove that it holds the key: the node that answers holds the key of 0x/);
    await until('some blocks', async () => Number(await rpc(A.url, 'eth_blockNumber')) > 5, 30);
    const late = await problems([own.address, A.dir, '--data-url', 'http://127.0.0.9:3000', ...keyed('m'), '--force', '--unsigned', '--from', accounts.get('m').wallet.address], 0);
    assert.match(late.err, /warning: .*its node is at block 0, the network at \d+: wait until it has caught up/);
    assert.match(late.err, /warning: .*its clock is [45]\.\d s ahead of this machine's, and half a step \(0\.5 s\) is the most/);
  } finally { liar.close(); liar.closeAllConnections?.(); }
  // what --force says: the same, as a warning; the contract would take it
  const forced = await command(['validator', 'add'], strange, A.dir, '--data-url', B.dataUrl, ...keyed('m'), '--force', '--unsigned', '--from', accounts.get('m').wallet.address);
  assert.equal(forced.code, 0, forced.err);
  assert.match(forced.err, /warning: .*no node at/);
}, 120);

test('M accepts its operator’s nodes by the shell', async () => {
  const other = await command(['validator', 'accept', Wallet.createRandom().address], '--data-url', B.dataUrl, ...keyed('m'));
  refused(other, /is not deployed at http:\/\/127\.51\.1\.1: 2 other addresses are/, 1);
  const quick = (await done(['validator', 'accept', B.validators[0], '--data-url', B.dataUrl, ...keyed('m'), '--no-wait', '--json'])).json;
  assert.match(quick.text, /change takes effect after \d+ more signers?, about \d+ s/);
  assert.equal(quick.inForce, false);
  const r = (await done(['validator', 'accept', '--data-url', B.dataUrl, ...keyed('m'), '--json'])).json;
  assert.equal(r.inForce, true, 'the second one waited behind the first, and is in force too');
  assert.deepEqual(await current(A), [...A.validators, ...B.validators].sort());
  const l = (await A.poa(['admin', 'list'])).json;
  assert.deepEqual(l.admins.find((a) => a.alias === 'Member M').validators.map((v) => v.toLowerCase()).sort(), [...B.validators].sort());
  assert.equal((await command(['validator', 'accept'], '--data-url', B.dataUrl, ...keyed('m'))).code, 3, 'nothing is left to do');
  await until('a block of the operator’s nodes', async () => {
    const b = await rpc(A.url, 'eth_getBlockByNumber', ['latest', false]);
    return B.validators.includes(b.miner.toLowerCase());
  }, 30);
}, 120);

test('N accepts its operator’s nodes on the operator’s page, with its own wallet', async () => {
  if (program === null) skip('no Chromium: scripts/bootstrap test installs it');
  const browser = await launch(), chainId = Number(await rpc(A.url, 'eth_chainId'));
  const page = await open(browser, C.outputs.GOVERNANCE_DASHBOARD_URL, { wallet: { key: accounts.get('n').wallet, rpcUrl: C.url, chainId, knows: [chainId] } });
  await page.getByRole('button', { name: 'Connect wallet' }).click();
  await page.getByRole('button', { name: 'Disconnect' }).waitFor();
  await page.evaluate(() => { location.hash = 'validators'; });
  await page.getByText('proves its key').nth(1).waitFor({ timeout: 20000 });
  await page.getByRole('button', { name: 'Add all 2' }).click();
  const dialog = page.locator('#confirm[open]');
  await dialog.getByText('The contract will accept it').waitFor();
  assert.match(await dialog.innerText(), /2 validators will seal for you.*You will have 2 of the 2/s);
  await dialog.getByRole('button', { name: 'Sign in the wallet' }).click();
  await page.locator('#activity').getByText('The new validator set is in force').waitFor({ timeout: 40000 });
  await browser.close();
  assert.deepEqual(await current(A), [...A.validators, ...B.validators, ...C.validators].sort());
}, 120);

leaf('what a person gets wrong has a sentence of its own', async () => {
  const a = A.admin, m = accounts.get('m').wallet.address, fresh = Wallet.createRandom().address;
  const bad = fresh.replace(/[a-f]/i, (c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()));
  refused(await command(['admin', 'propose', '0x123', A.dir]), /'0x123' is no address: 0x and 40 hexadecimal digits/, 2);
  refused(await command(['admin', 'propose', bad, A.dir]), /mistyped: the capitals of an address are its checksum/, 2);
  refused(await command(['admin', 'propose', '0x' + '0'.repeat(40), A.dir]), /zero address belongs to nobody/);
  refused(await command(['admin', 'propose', m, A.dir]), /is an administrator already/);
  refused(await command(['admin', 'vote', fresh, A.dir, '--for']), /is not proposed/);
  refused(await command(['admin', 'vote', fresh, A.dir, '--against']), /neither an administrator nor proposed/);
  refused(await command(['admin', 'propose', fresh, A.dir], ...keyed('x')), new RegExp(`the account ${accounts.get('x').wallet.address} is not an administrator`));
  await A.poa(['admin', 'propose', fresh], '--alias', 'Nobody', '--no-wait');
  refused(await command(['admin', 'propose', fresh, A.dir]), /proposed already: vote for it/);
  refused(await command(['admin', 'vote', fresh, A.dir, '--for']), new RegExp(`${a} has voted so already`));
  refused(await command(['admin', 'vote', fresh, A.dir, '--against']), /has voted for it: take that vote back/);
  refused(await command(['admin', 'rescind', m, A.dir]), /no such vote to take back/);
  await A.poa(['admin', 'rescind', fresh], '--no-wait');
  refused(await command(['validator', 'add', fresh, A.dir]), /more validators than each administrator is allowed/);
  refused(await command(['validator', 'add', B.validators[0], A.dir]), /is a validator already/);
  refused(await command(['validator', 'remove', B.validators[0], A.dir]), /has no such validator: it belongs to another administrator/);
  refused(await command(['admin', 'vote', m, A.dir, '--against'], '--keystore', accounts.get('m').file, '--password-file', accounts.get('n').password), /the password does not open .*m\.json; nothing was sent/, 1);
  refused(await command(['admin', 'propose', fresh, B.dir]), /which account signs\? Give --keystore FILE/, 2);
  refused(await command(['validator', 'accept'], '--data-url', 'http://127.0.0.1:1', ...keyed('m')), /data URL does not serve a network/, 1);
}, 60);
leaf('every refusal of the contract has its sentence in the shell', async () => {
  const dir = path.join(root, 'orchestrator/contracts/src'), table = fs.readFileSync(path.join(root, 'orchestrator/govern/refusals.def'), 'utf8');
  const reasons = ['ValidatorSet.sol', 'AdminValidatorSet.sol'].flatMap((f) => [...fs.readFileSync(path.join(dir, f), 'utf8').matchAll(/require\([^;]*?"([^"]+)"\);/gs)].map((m) => m[1]));
  assert.ok(reasons.length > 20);
  for (const r of reasons) assert.ok(table.includes(`R("${r}", `), r);
});
leaf('the nodes are killed as they get a transaction: the command goes on when they are back, and it is mined', async () => {
  let sent = 0;
  const proxy = http.createServer((q, r) => {
    const chunks = [];
    q.on('data', (d) => chunks.push(d));
    q.on('end', async () => {
      const body = Buffer.concat(chunks).toString();
      if (body.includes('eth_sendRawTransaction') && sent++ === 0) {
        for (const { pid } of A.instances()) process.kill(pid, 'SIGKILL');
        q.socket.destroy(); // they died with it
        return;
      }
      try {
        const x = await httpCall(A.url, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
        r.writeHead(x.status, { 'content-type': 'application/json' }).end(x.text);
      } catch { q.socket.destroy(); }
    });
  });
  await new Promise((ok) => proxy.listen(0, '127.0.0.1', ok));
  const r = await command(['admin', 'propose', accounts.get('x').wallet.address, A.dir], '--alias', 'X', '--rpc', `http://127.0.0.1:${proxy.address().port}`, '--no-wait');
  proxy.closeAllConnections?.();
  proxy.close();
  assert.equal(r.code, 0, r.err);
  assert.match(r.json.text, /needs 1 more vote of 2/);
  assert.ok(sent >= 2, 'it was sent again');
}, 90);
leaf('a network that was made anew is noticed before anything is signed', async () => {
  const state = path.join(A.dir, 'state.json'), text = fs.readFileSync(state, 'utf8');
  fs.writeFileSync(state, text.replace(A.outputs.GENESIS_HASH, '0x' + '11'.repeat(32)));
  try { refused(await command(['admin', 'propose', Wallet.createRandom().address, A.dir]), /runs another network \(chain id \d+\): its first block is 0x\w{64}, that of .* nothing was sent/); }
  finally { fs.writeFileSync(state, text); }
});
leaf('the history tells it all, from the events alone, as a table and as JSON', async () => {
  const rows = (await A.poa(['admin', 'history'])).json, all = rows.flatMap((r) => r.events.map((e) => e.event));
  for (const e of ['AdminAdded', 'AdminProposed', 'VoteCast', 'VoteRescinded', 'ProposalWithdrawn', 'ValidatorsAdded', 'ChangeStarted', 'AliasChanged']) assert.ok(all.includes(e), `${e} in ${all}`);
  assert.ok(rows.every((r, i) => i === 0 || r.block >= rows[i - 1].block));
  assert.match(rows[0].time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const table = await done(['admin', 'history', A.dir]);
  assert.match(table.out, /^BLOCK +TIME \(UTC\) +WHAT$/m);
  assert.match(table.out, /0x\w{40} \(Member M\) added 1 validator: 0x\w{40}/);
  assert.match(table.out, /voted for 0x\w{40} \(Member N\): 2 of 2 votes/);
});
await run({ chained: true });
