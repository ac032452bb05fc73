// 100 administrators and 200 validators on a real network: are shell, page and data API still usable? Prints a table of times and gas; with a file's name
// as argument writes it there (orchestrator/contracts/SCALE.md). For the nightly run: it takes a minute or two, and times decide nothing.
import fs from 'node:fs';
import { cpus } from 'node:os';
import { Interface, Wallet } from 'ethers';
import { Member, assert, done, height, httpCall, root, rpc, run, test, until, workFolder } from './lib.mjs';
import { keyOf, launch, open, program } from './browser.mjs';

const ADMINS = Number(process.env.SCALE_ADMINS ?? 100), file = process.argv[2];
const work = workFolder(), M = new Member(58, work, 'm');
const { abi } = JSON.parse(fs.readFileSync(`${root}/orchestrator/contracts/artifacts/AdminValidatorSet.json`, 'utf8'));
const contract = new Interface(abi), at = '0x0000000000000000000000000000000000001006';
const rows = [];
const note = (what, value) => { rows.push([what, value]); return `${what}: ${value}`; };
const accounts = [], nonces = new Map(); // administrators, in the order of their admission
let chainId, strangers = 0;
const view = async (name, args = []) => contract.decodeFunctionResult(name, await rpc(M.url, 'eth_call', [{ to: at, data: contract.encodeFunctionData(name, args) }, 'latest'], 20000));

// batch: transactions of [wallet, function, arguments], in the order of each account; their hashes
const batch = async (list, gasLimit) => sendAll(await signAll(list, gasLimit));
async function signAll(list, gasLimit = 3000000) {
  const raws = [];
  for (const [w, name, args] of list) {
    const nonce = nonces.get(w.address) ?? Number(await rpc(M.url, 'eth_getTransactionCount', [w.address, 'latest']));
    nonces.set(w.address, nonce + 1);
    raws.push(await w.signTransaction({ type: 0, chainId, nonce, to: at, data: contract.encodeFunctionData(name, args), gasLimit, gasPrice: 0, value: 0 }));
  }
  return raws;
}
async function sendAll(raws) {
  const hashes = [];
  for (let i = 0; i < raws.length; i += 500) {
    const body = JSON.stringify(raws.slice(i, i + 500).map((r, id) => ({ jsonrpc: '2.0', id, method: 'eth_sendRawTransaction', params: [r] })));
    const r = await httpCall(M.node(0), { method: 'POST', body, headers: { 'content-type': 'application/json' }, limit_ms: 30000 });
    for (const x of JSON.parse(r.text).sort((a, b) => a.id - b.id)) { assert.ok(x.result, JSON.stringify(x)); hashes.push(x.result); }
  }
  return hashes;
}
const mined = (hash) => until('mined', () => rpc(M.node(0), 'eth_getTransactionReceipt', [hash], 20000), 120, 100);
async function timed(body, times = 5) {
  const all = [];
  for (let i = 0; i < times; i++) {
    const began = performance.now();
    await body();
    all.push(performance.now() - began);
  }
  return `${all.sort((a, b) => a - b)[times >> 1].toFixed(0)} ms`;
}

test(`${ADMINS} administrators are voted in`, async () => {
  await M.new('--step', '1', '--gas-limit', '1000000000');
  chainId = Number(await rpc(M.url, 'eth_chainId'));
  accounts.push(keyOf(M.dir));
  let votes = 0;
  while (accounts.length < ADMINS) {
    const k = accounts.length, open = Math.min(16, Math.floor(512 / k)), n = Math.min(Math.max(1, k - 2), ADMINS - k, open * Math.min(k, 3));
    const fresh = Array.from({ length: n }, () => new Wallet(Wallet.createRandom().privateKey));
    for (const hash of await batch(fresh.map((w, i) => [accounts[i % Math.min(k, 3)], 'proposeAdmin', [w.address, `Member ${k + i}`]]))) await mined(hash);
    const voters = accounts.slice(0, Math.min(k, Math.floor((k + n) / 2) + 1));
    const hashes = await batch(voters.flatMap((v) => fresh.map((w) => [v, 'voteFor', [w.address]])));
    votes += hashes.length;
    await until(`${k + n} administrators`, async () => Number((await view('getAdminCount'))[0]) >= k + n, 120);
    await mined(hashes.at(-1));
    accounts.push(...fresh);
  }
  return `${votes} votes, head ${await height(M.url)}`;
}, 600);
test('one of them proposes and another votes, by the shell', async () => {
  const who = Wallet.createRandom().address;
  const began = performance.now();
  const r = (await M.poa(['admin', 'propose', who], '--alias', 'Another', '--no-wait')).json;
  note('shell: `admin propose`, until mined (1 s a block)', `${(performance.now() - began).toFixed(0)} ms, ${r.gasUsed.toLocaleString('en')} gas`);
  assert.equal(r.votesNeeded, Math.floor(ADMINS / 2) + 1);
  await M.poa(['admin', 'rescind', who], '--no-wait');
  nonces.clear(); // the shell has used some
});
test(`${2 * ADMINS} validators wait, are announced by one signal, and are in force`, async () => {
  const stranger = () => `0x${(0xabc0000 + strangers++).toString(16).padStart(40, '0')}`;
  // a change of the same set is in flight while they are decided, so that they wait: a set of which few seal could not be left again
  const raws = await signAll(accounts.slice(1).map((w) => [w, 'addValidators', [[stranger(), stranger()]]]));
  await mined((await batch([[accounts[0], 'announceValidators', []]])).at(-1));
  for (const hash of await sendAll(raws)) await mined(hash);
  assert.equal((await view('getValidators'))[0].length, 2);
  await until('the change before is in force', async () => !(await view('isChangeInFlight'))[0], 60);
  const [start] = await batch([[accounts[0], 'startNextChange', []]], 60000000), receipt = await mined(start);
  if (Number(receipt.status) === 1) note(`contract: \`startNextChange\` with ${2 * ADMINS - 2} validators`, `${Number(receipt.gasUsed).toLocaleString('en')} gas`);
  await until('all are in force', async () => (await view('getValidators'))[0].length === 2 * ADMINS, 60);
}, 180);
test('the shell and the data API', async () => {
  const l = (await M.poa(['admin', 'list'])).json;
  assert.equal(l.admins.length, ADMINS);
  note('shell: `admin list`', await timed(() => M.poa(['admin', 'list'])));
  note('shell: `validator list --json`', await timed(() => M.poa(['validator', 'list'])));
  const history = (await M.poa(['admin', 'history'])).json;
  note(`shell: \`admin history\`, ${history.reduce((n, r) => n + r.events.length, 0).toLocaleString('en')} events`, await timed(() => M.poa(['admin', 'history']), 3));
  const url = M.outputs.GOVERNANCE_DASHBOARD_URL.replace(/\/$/, '');
  let answer;
  note('`/governance`, read anew from the contract', await timed(() => httpCall('http://127.58.1.11:3000/governance'), 1));
  note('`/governance`, as it was', await timed(async () => { answer = await httpCall(`${url}/governance`, { headers: { 'accept-encoding': 'gzip' } }); }));
  const plain = await httpCall(`${url}/governance`), doc = JSON.parse(plain.text);
  assert.deepEqual([doc.admins.length, doc.validators.length], [ADMINS, 2 * ADMINS]);
  note('`/governance`, bytes as they are', plain.text.length.toLocaleString('en'));
  note('`/governance`, nothing has changed (304)', await timed(() => httpCall(`${url}/governance`, { headers: { 'if-none-match': plain.headers.etag } })));
});
test('the page', async () => {
  if (program === null) return 'no Chromium';
  const browser = await launch();
  let best = Infinity, page;
  for (let i = 0; i < 3; i++) {
    page = await open(browser, 'about:blank', {});
    await page.addInitScript(() => { new MutationObserver(() => { if (!window.shownAt && document.getElementById('height')) window.shownAt = performance.now(); }).observe(document, { childList: true, subtree: true }); });
    await page.goto(M.outputs.GOVERNANCE_DASHBOARD_URL);
    await page.waitForFunction(() => window.shownAt);
    best = Math.min(best, await page.evaluate(() => window.shownAt));
    if (i < 2) await page.context().close();
  }
  note('page: live data, from navigation', `${best.toFixed(0)} ms`);
  for (const s of ['administrators', 'validators', 'nodes', 'history', 'overview']) {
    const ms = await page.evaluate(async (to) => {
      const t = performance.now();
      location.hash = to;
      await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
      return performance.now() - t;
    }, s);
    note(`page: to ${s}`, `${ms.toFixed(0)} ms`);
  }
  await page.evaluate(() => { location.hash = 'validators'; });
  await until('the whole list', async () => (await page.locator('tbody tr').count()) >= 2 * ADMINS, 10);
  await browser.close();
  return undefined;
});
test('the table', async () => {
  const text = [`# ${ADMINS} administrators, ${2 * ADMINS} validators`, '', `Written by \`node tests/e2e/scale.mjs orchestrator/contracts/SCALE.md\`: a real network of two nodes on one machine`,
    `(${cpus().length} x ${cpus()[0].model.trim()}), ${ADMINS} administrators with two validators each. Medians of five. The gas of each operation is in GAS.md.`, '', '| What | |', '| --- | ---: |',
    ...rows.map((r) => `| ${r[0]} | ${r[1]} |`), ''].join('\n');
  if (file) fs.writeFileSync(file, text);
  console.log(text.replace(/^/gm, '# '));
  await done(['destroy', M.dir, '--yes']);
});
process.argv.length = 2;
await run({ chained: true });
