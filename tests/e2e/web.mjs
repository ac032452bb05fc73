// The member's page in a headless Chromium, on a real network of three members: propose, vote, delegate, remove, rescind, each signed by a
// wallet in the browser. Screenshots of every section, wide and narrow, light and dark, stay in build/e2e/web/.
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { execFileSync } from 'node:child_process';
import Ajv from 'ajv/dist/2020.js';
import { Interface, Wallet, getAddress, hexlify, keccak256 } from 'ethers';
import { Member, artefacts, assert, height, httpCall, leaf, root, rpc, run, skip, test, until, vectors, workFolder } from './lib.mjs';
import { axe, keyOf, launch, open, overflow, program } from './browser.mjs';
import { decodeLog, encodeCall } from '../../node/member/web/abi.js';
import { CALLS, EVENTS } from '../../node/member/web/contract.js';
import * as ours from '../../node/member/web/keccak.js';
import { explain } from '../../node/member/web/preview.js';

const work = workFolder();
const A = new Member(46, work, 'a'), B = new Member(47, work, 'b'), C = new Member(48, work, 'c');
const SECTIONS = ['overview', 'administrators', 'validators', 'nodes', 'history'];
const EVIL = '<img src=x onerror="window.hacked=1">';
const shots = path.join(artefacts, 'web');
let browser, chainId;
const pages = new Map(); // member -> its administrator's page

const url = (m) => m.outputs.GOVERNANCE_DASHBOARD_URL.replace(/\/$/, '') + '/';
const docOf = async (m, name) => JSON.parse((await httpCall(url(m) + name)).text);
const go = async (page, section) => {
  await page.evaluate((s) => { location.hash = s; }, section);
  await page.waitForFunction((s) => document.querySelector('#view > div')?.dataset.key === s, section);
};
const shoot = (page, name) => page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true });
const rowOf = (page, text) => page.locator('tbody tr', { hasText: text });
const current = async (m) => (await rpc(m.url, 'aura_getValidators')).map((a) => a.toLowerCase()).sort();

async function connected(m, options = {}) {
  const page = await open(browser, url(m), { ...options, wallet: { key: keyOf(m.dir), rpcUrl: m.url, chainId, knows: [chainId], ...options.wallet } });
  await page.getByRole('button', { name: 'Connect wallet' }).click();
  await page.getByRole('button', { name: 'Disconnect' }).waitFor();
  return page;
}
// signed: press the button, read the preview, sign; resolves when the page says how it ended. ret the preview's text
async function signed(page, press, { ends = /^(done|not done)$/, preview } = {}) {
  await press();
  const dialog = page.locator('#confirm[open]');
  await dialog.getByText('The contract will accept it').waitFor({ timeout: 15000 });
  const text = await dialog.innerText();
  if (preview) assert.match(text, preview);
  const newest = () => page.evaluate(() => document.querySelector('#activity-list li')?.dataset.key ?? null), before = await newest();
  await dialog.getByRole('button', { name: 'Sign in the wallet' }).click();
  const badge = page.locator('#activity-list li .badge').first();
  await until('the page tells the end', async () => (await newest()) !== before && ends.test(await badge.innerText()), 60);
  return { preview: text, end: await page.locator('#activity-list li').first().innerText() };
}

test('three members stand', async () => {
  if (program === null) skip('no Chromium: scripts/bootstrap test installs it');
  fs.rmSync(shots, { recursive: true, force: true });
  fs.mkdirSync(shots, { recursive: true });
  browser = await launch();
  await A.new();
  await B.join(A.dataUrl);
  await C.join(A.dataUrl);
  chainId = Number(await rpc(A.url, 'eth_chainId'));
});

leaf('the page encodes, decodes and hashes as ethers does', async () => {
  const { abi } = JSON.parse(fs.readFileSync(path.join(root, 'orchestrator/contracts/artifacts/AdminValidatorSet.json'), 'utf8'));
  const theirs = new Interface(abi), seed = Number(process.env.SEED ?? Date.now() % 1e6);
  let state = seed;
  const random = (n) => { state = (state * 1103515245 + 12345) % 2147483648; return Math.floor((state / 2147483648) * n); };
  const someBytes = (n) => Uint8Array.from({ length: n }, () => random(256));
  const make = { address: () => getAddress(hexlify(someBytes(20))), bool: () => random(2) === 1, uint256: () => random(1e9), bytes32: () => hexlify(someBytes(32)),
    string: () => Array.from({ length: random(40) }, () => [...'aé€𝄞<&"\u0000'][random(8)]).join(''), 'address[]': () => Array.from({ length: random(5) }, () => make.address()) };
  const plain = (v) => (typeof v === 'bigint' ? Number(v) : Array.isArray(v) || typeof v?.toArray === 'function' ? [...v].map(plain) : v);
  for (let round = 0; round < 40; round++) {
    const data = someBytes(random(300));
    assert.equal(ours.keccak256(data), keccak256(data), `keccak of ${data.length} bytes, seed ${seed}`);
    const a = make.address();
    assert.equal(ours.checksum(a.toLowerCase()), a);
    for (const [name, [, types]] of Object.entries(CALLS)) {
      const args = types.map((t) => make[t]());
      assert.equal(encodeCall(name, args), theirs.encodeFunctionData(name, args), `${name}, seed ${seed}`);
    }
    for (const [topic, [name, inputs]] of Object.entries(EVENTS)) {
      const values = inputs.map(([, type]) => make[type]()), log = theirs.encodeEventLog(name, values);
      assert.equal(log.topics[0], topic);
      assert.deepEqual(decodeLog(log), { name, args: Object.fromEntries(inputs.map(([n], i) => [n, plain(values[i])])) }, `${name}, seed ${seed}`);
    }
  }
  assert.equal(decodeLog({ topics: ['0x' + '00'.repeat(32)], data: '0x' }), null);
});
leaf('every refusal of the contract has its sentence', async () => {
  const dir = path.join(root, 'orchestrator/contracts/src');
  const source = ['ValidatorSet.sol', 'AdminValidatorSet.sol'].map((f) => fs.readFileSync(path.join(dir, f), 'utf8')).join('');
  const reasons = [...source.matchAll(/require\([^;]*?"([^"]+)"\);/gs)].map((m) => m[1]);
  assert.ok(reasons.length > 20);
  // a constructor and a caller that no wallet can be
  const never = new Set(['only for the system', 'no validators']);
  for (const r of reasons) if (!never.has(r)) assert.doesNotMatch(explain({ message: r }, r), /^The contract refuses/, r);
});

leaf('the table of selectors is what the contract has', async () => {
  execFileSync(process.execPath, [path.join(root, 'node/member/table.mjs'), '--check'], { stdio: 'pipe' });
});

leaf('the data are as the description says, with ETag and CORS', async () => {
  const api = await docOf(A, 'openapi.json');
  const ajv = new Ajv({ strict: false, allErrors: true });
  ajv.addSchema({ $id: 'api', ...api });
  for (const [name, schema] of [['governance', 'Governance'], ['nodes', 'Nodes'], ['networkinfo', 'NetworkInfo'], ['health', 'Health']]) {
    const doc = await docOf(A, name);
    assert.ok(ajv.validate({ $ref: `api#/components/schemas/${schema}` }, doc), `${name}: ${ajv.errorsText()}`);
  }
  const old = path.join(vectors, 'networkinfo.schema.json');
  if (fs.existsSync(old)) {
    const s = JSON.parse(fs.readFileSync(old, 'utf8'), (k, v) => (k === '$id' || k === '$schema' ? undefined : v));
    assert.ok(ajv.validate(s, await docOf(A, 'networkinfo')), ajv.errorsText());
  }
  const first = await httpCall(url(A) + 'governance');
  assert.equal(first.headers['access-control-allow-origin'], '*');
  const again = await httpCall(url(A) + 'governance', { headers: { 'If-None-Match': first.headers.etag } });
  assert.equal(again.status, 304, 'nothing was decided: the answer is the same');
  assert.equal(again.text, '');
  const packed = await httpCall(url(A) + 'governance', { headers: { 'Accept-Encoding': 'gzip' } });
  assert.equal(packed.headers['content-encoding'], 'gzip');
  const g = JSON.parse(first.text);
  assert.deepEqual(g.admins.map((a) => a.address), [A.admin]);
  assert.deepEqual(g.validators.map((v) => v.address.toLowerCase()).sort(), [...A.validators].sort());
  assert.ok(g.validators.every((v) => v.inForce && v.planned && v.admin === A.admin));
  const page = await httpCall(url(A));
  assert.match(page.headers['content-security-policy'], /default-src 'none'; script-src 'self'; style-src 'self'/);
  assert.equal((await httpCall(url(A) + '..%2f..%2fMakefile')).status, 404);
});

leaf('the page weighs under 60 KiB and asks once for each of its parts before it shows live data, without a wallet', async () => {
  const dir = path.join(root, 'node/member/web');
  const weight = fs.readdirSync(dir).reduce((n, f) => n + zlib.gzipSync(fs.readFileSync(path.join(dir, f))).length, 0);
  assert.ok(weight < 60 * 1024, `${weight} bytes`);
  let best = Infinity, page, sent = 0, asked = [];
  for (let i = 0; i < 3; i++) {
    page = await browser.newPage();
    page.complaints = [];
    page.on('pageerror', (e) => page.complaints.push(String(e)));
    await page.addInitScript(() => {
      new MutationObserver(() => { if (!window.shownAt && document.getElementById('height')) window.shownAt = performance.now(); }).observe(document, { childList: true, subtree: true });
    });
    const cdp = await page.context().newCDPSession(page), requests = new Map();
    await cdp.send('Network.enable');
    cdp.on('Network.requestWillBeSent', (e) => requests.set(e.requestId, { url: new URL(e.request.url).pathname.slice(1), at: e.timestamp, bytes: 0 }));
    cdp.on('Network.loadingFinished', (e) => { if (requests.has(e.requestId)) requests.get(e.requestId).bytes = e.encodedDataLength; });
    await page.goto(url(A));
    await page.waitForFunction(() => window.shownAt);
    best = Math.min(best, await page.evaluate(() => window.shownAt));
    await page.waitForTimeout(100);
    if (i === 0) {
      const before = [...requests.values()].filter((r) => !/^(ws|favicon)/.test(r.url));
      asked = before.map((r) => r.url);
      sent = before.reduce((n, r) => n + r.bytes, 0);
    }
    if (i < 2) await page.close();
  }
  // time decides nothing here: what makes it slow would be more to carry, or one answer waiting for another. Two waves: the page, then all it names
  assert.ok(sent < 60 * 1024, `${sent} bytes`);
  assert.ok(asked.length <= 20, asked.join(' '));
  for (const f of ['nodes', 'governance']) assert.equal(asked.filter((x) => x === f).length, 1, `${f} once: ${asked.join(' ')}`);
  const html = fs.readFileSync(path.join(dir, 'index.html'), 'utf8');
  for (const f of asked.filter((x) => x !== '' && x !== 'copy.svg')) assert.ok(html.includes(`href="${f}"`) || html.includes(`src="${f}"`), `${f} is named by the page itself, so that it does not wait for another file (copy.svg comes with what is drawn)`);
  const shown = async () => Number((await page.locator('#height').innerText()).replace(/\D/g, ''));
  const before = await shown();
  await until('the height moves by itself', async () => (await shown()) >= before + 2, 20);
  assert.ok(Math.abs((await shown()) - (await height(A.url))) <= 1);
  await go(page, 'administrators');
  await page.getByText('You are looking without a wallet').waitFor();
  assert.equal(await page.getByRole('button', { name: /Vote/ }).count(), 0, 'nothing to vote with');
  assert.deepEqual(page.complaints, []);
  await page.close();
  return `${(weight / 1024).toFixed(1)} KiB compressed in all; ${(sent / 1024).toFixed(1)} KiB in ${asked.length} requests until live data, ${best.toFixed(0)} ms after navigation began`;
});

leaf('a wallet on another network is warned and learns this one', async () => {
  const page = await open(browser, url(A), { wallet: { key: keyOf(A.dir), rpcUrl: A.url, chainId: 1 } });
  await page.getByRole('button', { name: 'Connect wallet' }).click();
  await page.getByText(`Your wallet is on network 1; this consortium is network ${chainId}.`).waitFor();
  await shoot(page, 'wrong-network');
  await page.getByRole('button', { name: 'Switch network' }).click();
  await until('the warning goes', async () => (await page.locator('#notices').innerText()) === '', 10);
  await page.getByRole('button', { name: 'Disconnect' }).click();
  await page.getByRole('button', { name: 'Connect wallet' }).waitFor();
  await page.context().close();
});

leaf('of several wallets one is chosen; without the stream of blocks the page asks', async () => {
  const page = await open(browser, url(A), { wallet: { key: keyOf(A.dir), rpcUrl: A.url, chainId, knows: [chainId] } });
  await page.routeWebSocket(/:8546/, (ws) => ws.close());
  await page.addInitScript(() => {
    const detail = Object.freeze({ info: { uuid: '0', name: '<b>Other</b>', rdns: 'other.wallet', icon: 'javascript:alert(1)' }, provider: { request: async () => { throw new Error('not this one'); } } });
    window.addEventListener('eip6963:requestProvider', () => window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail })));
  });
  await page.reload();
  await page.getByRole('button', { name: 'Connect wallet' }).click();
  const choose = page.locator('#choose[open]');
  assert.deepEqual(await choose.getByRole('listitem').allInnerTexts(), ['Test wallet', '<b>Other</b>']);
  assert.equal(await choose.locator('img').count(), 1, 'only an icon that is a picture');
  await choose.getByRole('button', { name: 'Test wallet' }).click();
  await page.getByRole('button', { name: 'Disconnect' }).waitFor();
  const before = Number(await page.locator('#height').innerText());
  await until('the height moves', async () => Number(await page.locator('#height').innerText()) >= before + 2, 20);
  await page.context().close();
});

test('A proposes B, alone, and B is an administrator at once', async () => {
  const page = await connected(A);
  pages.set(A, page);
  await go(page, 'administrators');
  await rowOf(page, A.admin).getByText('(You)').waitFor();
  await page.getByLabel('Address').fill(B.admin);
  await page.getByLabel('Alias', { exact: true }).fill('Fabrikam');
  const r = await signed(page, () => page.getByRole('button', { name: 'Propose', exact: true }).click(), { preview: /your vote decides/ });
  assert.match(r.end, /final \(block \d+\)\. Fabrikam is an administrator now\./);
  await rowOf(page, B.admin).getByText('Fabrikam').waitFor();
});

test('A proposes C; it needs one more vote, which B gives on its own page', async () => {
  const page = pages.get(A);
  await page.getByLabel('Address').fill(C.admin);
  await page.getByLabel('Alias', { exact: true }).fill('Northwind');
  await signed(page, () => page.getByRole('button', { name: 'Propose', exact: true }).click(), { preview: /1 of 2 votes after yours; 1 more is needed to admit it/ });
  await rowOf(page, 'Northwind').getByText('needs 1 more').waitFor();
  await shoot(page, 'proposed');
  const other = await connected(B);
  pages.set(B, other);
  await go(other, 'administrators');
  const r = await signed(other, () => rowOf(other, 'Northwind').getByRole('button', { name: /Vote for/ }).click(), { preview: /Your vote decides: the account becomes an administrator at once/ });
  assert.match(r.end, /Northwind.* is an administrator now/);
  const g = await docOf(C, 'governance');
  assert.deepEqual(g.admins.map((a) => a.address).sort(), [A.admin, B.admin, C.admin].sort());
});

test('B delegates all its nodes with one button, C one by one', async () => {
  const b = pages.get(B);
  await go(b, 'validators');
  await b.getByText('Each administrator is allowed 2 nodes').waitFor();
  const c = await connected(C, { width: 360, height: 740, dark: true });
  pages.set(C, c);
  await go(c, 'validators');
  const add = (n) => signed(c, () => c.getByRole('button', { name: /^Add vl/ }).first().click(), { ends: n === 0 ? /^(final|done|not done)$/ : undefined });
  // both at once: one of them is announced, the other waits for it and is then announced by its member
  const first = signed(b, () => b.getByRole('button', { name: 'Add all 2' }).click(), { preview: /You will have 2 of the 2 that you are allowed; the set will have 4/ });
  await b.getByText(/pending: sent|mined in block/).first().waitFor();
  await add(0);
  assert.match((await first).end, /The new validator set is in force/);
  const mine = c.locator('#activity-list li').last();
  await until('what waited is in force', async () => {
    const button = mine.getByRole('button', { name: 'Announce now' });
    if (await button.isVisible()) await signed(c, () => button.click(), { preview: /1 validator will join or leave/ });
    return /The new validator set is in force/.test(await mine.innerText());
  }, 60);
  assert.match((await add(1)).end, /The new validator set is in force/);
  await until('six validators', async () => (await current(C)).length === 6, 30);
  assert.deepEqual(await current(A), [...A.validators, ...B.validators, ...C.validators].sort());
}, 240);

test('votes against and their rescinding; the last rescinded proposal is withdrawn', async () => {
  const a = pages.get(A), b = pages.get(B), stranger = Wallet.createRandom().address;
  await go(a, 'administrators');
  await a.getByLabel('Address').fill(stranger);
  await a.getByLabel('Alias', { exact: true }).fill(EVIL);
  await signed(a, () => a.getByRole('button', { name: 'Propose', exact: true }).click());
  await go(b, 'administrators');
  await rowOf(b, stranger).waitFor();
  assert.equal(await rowOf(b, stranger).locator('.alias').innerText(), EVIL, 'shown as it was written');
  assert.equal(await b.evaluate(() => window.hacked), undefined);
  assert.equal(await b.locator('main img').count(), 0);
  await signed(b, () => rowOf(b, stranger).getByRole('button', { name: /Vote against/ }).click(), { preview: /1 of 2 votes after yours/ });
  await signed(b, () => rowOf(b, stranger).getByRole('button', { name: /Rescind your vote against/ }).click(), { preview: /0 of 2 votes against it remain/ });
  const r = await signed(a, () => rowOf(a, stranger).getByRole('button', { name: /Rescind your vote for/ }).click(), { preview: /Nobody else is for it: the proposal is withdrawn/ });
  assert.match(r.end, /The proposal is withdrawn/);
  assert.deepEqual((await docOf(A, 'governance')).proposals, []);
}, 240);

leaf('a member changes its alias; nobody else loses the focus or what it types', async () => {
  const a = pages.get(A), b = pages.get(B);
  await b.getByLabel('New alias').fill('half typed');
  await go(a, 'administrators');
  await a.getByLabel('New alias').fill('Contoso');
  await signed(a, () => a.getByRole('button', { name: 'Change', exact: true }).click(), { preview: /You will be shown as “Contoso”/ });
  await rowOf(b, 'Contoso').first().waitFor();
  assert.equal(await b.getByLabel('New alias').inputValue(), 'half typed');
  assert.equal(await b.evaluate(() => document.activeElement.id), 'own-alias');
});

leaf('bad input and refusals each have their own plain sentence', async () => {
  const b = pages.get(B);
  await go(b, 'administrators');
  const wallet = b.getByLabel('Address');
  const bad = async (value, text) => {
    await wallet.fill(value);
    await b.getByRole('button', { name: 'Propose', exact: true }).click();
    await b.locator('#propose-address-error', { hasText: text }).waitFor();
    assert.equal(await wallet.getAttribute('aria-invalid'), 'true');
  };
  await bad('', 'Enter an address.');
  await bad('0x1234', 'An address has 40 digits after 0x; here are 4.');
  await bad('fabrikam', 'An address begins with 0x.');
  const mixed = A.admin.replace(/[a-f]/, (c) => c.toUpperCase());
  if (mixed !== A.admin) await bad(mixed, 'The checksum is wrong');
  await bad(A.admin, 'This account is an administrator already.');
  await shoot(b, 'bad-address');
  // over the capacity: refused by the contract's own check, before anything is signed
  await go(b, 'validators');
  await b.getByLabel('Add another validator by its address').fill(Wallet.createRandom().address);
  await b.getByRole('button', { name: 'Add', exact: true }).click();
  await b.locator('#confirm[open]').getByText('You would have more validators than each administrator is allowed').waitFor();
  assert.ok(await b.locator('#confirm').getByRole('button', { name: 'Sign in the wallet' }).isDisabled());
  await shoot(b, 'over-capacity');
  await b.keyboard.press('Escape');
  await b.getByLabel('Add another validator by its address').fill(A.validators[0]);
  await b.getByRole('button', { name: 'Add', exact: true }).click();
  await b.getByText('This address is a validator already.').waitFor();
}, 60);

leaf('a wallet that refuses, a double vote, an account that is no administrator', async () => {
  const refusing = await connected(A);
  await go(refusing, 'administrators');
  await refusing.getByLabel('New alias').fill('x');
  await refusing.getByRole('button', { name: 'Change', exact: true }).click();
  await refusing.locator('#confirm[open]').getByText('The contract will accept it').waitFor();
  await refusing.evaluate(() => { window.walletRequest = async () => ({ error: { code: 4001, message: 'User rejected the request.' } }); });
  await refusing.getByRole('button', { name: 'Sign in the wallet' }).click();
  await refusing.locator('#activity').getByText('You refused in the wallet. Nothing was sent.').waitFor();
  await refusing.context().close();
  // a page that has not heard of its own vote yet
  const a = pages.get(A), before = (await httpCall(url(A) + 'governance')).text;
  await go(a, 'administrators');
  await signed(a, () => rowOf(a, 'Northwind').getByRole('button', { name: /Vote against/ }).click(), { preview: /1 of 2 votes after yours; 1 more is needed to remove it/ });
  const stale = await connected(A, {});
  await stale.route('**/governance', (r) => r.fulfill({ body: before, contentType: 'application/json' }));
  await stale.reload();
  await go(stale, 'administrators');
  await rowOf(stale, 'Northwind').getByRole('button', { name: /Vote against/ }).click();
  await stale.getByText('You have voted so already.').waitFor();
  await stale.context().close();
  const nobody = await open(browser, url(A), { wallet: { key: Wallet.createRandom(), rpcUrl: A.url, chainId, knows: [chainId] }, announce: false });
  await until('window.ethereum is found', async () => {
    await nobody.getByRole('button', { name: 'Connect wallet' }).click({ timeout: 2000 }).catch(() => {});
    return nobody.getByRole('button', { name: 'Disconnect' }).isVisible();
  }, 10);
  await go(nobody, 'administrators');
  await nobody.getByText('Your account is not an administrator of this network').waitFor();
  assert.equal(await nobody.getByRole('button', { name: /Vote/ }).count(), 0);
  await nobody.context().close();
  await signed(a, () => rowOf(a, 'Northwind').getByRole('button', { name: /Rescind/ }).click());
}, 120);

leaf('a node that does not answer while a transaction is on its way, and a network made anew', async () => {
  const a = pages.get(A);
  await go(a, 'administrators');
  let cut = false;
  await a.route(`${A.url}/**`, (r) => (cut ? r.abort() : r.continue()));
  await a.getByLabel('New alias').fill('Contoso Ltd');
  await a.getByRole('button', { name: 'Change', exact: true }).click();
  await a.locator('#confirm[open]').getByText('The contract will accept it').waitFor();
  await a.evaluate(() => {
    const ask = window.walletRequest;
    window.walletRequest = async (m, p) => (m.startsWith('eth_getTransaction') ? { error: { code: -32603, message: 'Failed to fetch' } } : ask(m, p));
    window.walletBack = () => { window.walletRequest = ask; };
  });
  cut = true;
  await a.getByRole('button', { name: 'Sign in the wallet' }).click();
  await a.locator('#activity').getByText('the node does not answer at present; it is asked again').waitFor({ timeout: 15000 });
  cut = false;
  await a.evaluate(() => window.walletBack());
  await until('it goes on', async () => (await a.locator('#activity-list li .badge').first().innerText()) === 'done', 30);
  await a.unroute(`${A.url}/**`);
  const page = await open(browser, url(A), {});
  await page.locator('#height').waitFor();
  const g = await docOf(A, 'governance');
  await page.route('**/governance', (r) => r.fulfill({ json: { ...g, genesisHash: '0x' + '11'.repeat(32) } }));
  await page.getByText('This network was made anew').waitFor({ timeout: 15000 });
  await page.context().close();
}, 90);

leaf('the history tells what was decided, from the events alone', async () => {
  const a = pages.get(A);
  await go(a, 'history');
  for (const text of ['Fabrikam became an administrator.', 'Fabrikam voted for Northwind: 2 of 2 votes.', 'The proposal of', 'Fabrikam added 2 validators', 'Block 0: the network began.'])
    await a.getByText(text).first().waitFor({ timeout: 15000 });
});

leaf('every section is good to look at and to use: wide and narrow, light and dark', async () => {
  const found = [];
  for (const [width, dark] of [[1280, false], [1280, true], [375, false], [375, true], [360, false]]) {
    const page = await connected(B, { width, height: width < 500 ? 740 : 900, dark });
    for (const s of SECTIONS) {
      await go(page, s);
      await page.waitForTimeout(700);
      await shoot(page, `${s}-${width}-${dark ? 'dark' : 'light'}`);
      for (const v of await axe(page)) found.push(`${s} at ${width} ${dark ? 'dark' : 'light'}: ${v}`);
      if (width < 500) assert.ok((await page.locator('nav a').evaluateAll((list) => new Set(list.map((a) => a.offsetTop)).size)) === 1, `${width}: the sections stand in one line`);
      for (const v of await overflow(page)) found.push(`${s} at ${width}: ${v}`);
    }
    found.push(...page.complaints);
    await page.context().close();
  }
  assert.deepEqual(found, []);
}, 120);

leaf('the keyboard is enough', async () => {
  const page = await connected(B);
  await page.reload();
  await page.getByRole('button', { name: 'Disconnect' }).waitFor(); // the wallet is remembered
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to content');
  await page.getByRole('link', { name: 'Administrators' }).focus();
  await page.keyboard.press('Enter');
  await until('the new section has the focus', () => page.evaluate(() => document.activeElement.id === 'title' && document.activeElement.textContent === 'Administrators'), 5);
  const button = page.getByRole('button', { name: /Vote against Northwind/ });
  await button.focus();
  await page.keyboard.press('Enter');
  await page.locator('#confirm[open]').waitFor();
  assert.ok(await page.evaluate(() => document.getElementById('confirm').contains(document.activeElement)), 'the dialog has the focus');
  await page.keyboard.press('Escape');
  await until('the focus comes back', () => button.evaluate((e) => e === document.activeElement), 5);
  await page.context().close();
});

test('C takes a validator out; A and B vote C out, and its validators leave', async () => {
  const a = pages.get(A), b = pages.get(B), c = pages.get(C);
  await go(c, 'validators');
  const r = await signed(c, () => c.getByRole('button', { name: /^Remove 0x/ }).first().click(), { preview: /will no longer seal; 5 will remain/ });
  assert.match(r.end, /The new validator set is in force/);
  await until('five validators', async () => (await current(A)).length === 5, 30);
  await go(a, 'administrators');
  await go(b, 'administrators');
  await signed(a, () => rowOf(a, 'Northwind').getByRole('button', { name: /Vote against/ }).click());
  await rowOf(b, 'Northwind').getByText('1 of 2').waitFor();
  const end = await signed(b, () => rowOf(b, 'Northwind').getByRole('button', { name: /Vote against/ }).click(), { preview: /Its 1 validator leaves the set; 4 will remain/ });
  assert.match(end.end, /is no longer an administrator/);
  await until('four validators', async () => (await current(A)).length === 4, 30);
  assert.deepEqual(await current(B), [...A.validators, ...B.validators].sort());
  for (const [m, page] of pages) assert.deepEqual(page.complaints.filter((x) => !/ERR_FAILED|Failed to load resource/.test(x)), [], `member ${m.id}`);
}, 240);

leaf('with 100 administrators and 200 validators it stays quick', async () => {
  const g = await docOf(A, 'governance'), n = await docOf(A, 'nodes');
  const address = (i) => '0x' + (0x1000 + i).toString(16).padStart(40, '0');
  g.admins = Array.from({ length: 100 }, (_, i) => ({ address: address(i), alias: `Member ${i}`, validators: [address(1000 + i), address(2000 + i)], plannedValidators: [address(1000 + i), address(2000 + i)], votesAgainst: [address((i + 1) % 100)] }));
  g.validators = g.admins.flatMap((a) => a.validators.map((v) => ({ address: v, admin: a.address, inForce: true, planned: true })));
  g.proposals = Array.from({ length: 16 }, (_, i) => ({ address: address(5000 + i), alias: `Candidate ${i}`, proposer: address(0), votesFor: [address(0), address(1)], votesAgainst: [] }));
  g.majority = 51;
  n.validators = g.validators.map((v) => v.address);
  const page = await browser.newPage();
  await page.route('**/governance', (r) => r.fulfill({ json: g }));
  await page.route('**/nodes', (r) => r.fulfill({ json: n }));
  await page.goto(url(A));
  await page.locator('#height').waitFor();
  const times = [];
  for (const s of SECTIONS) {
    const ms = await page.evaluate(async (to) => {
      const t = performance.now();
      location.hash = to;
      await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
      return performance.now() - t;
    }, s);
    times.push(`${s} ${ms.toFixed(0)} ms`);
    assert.ok(ms < 1000, `${s}: ${ms} ms`);
  }
  await go(page, 'validators');
  assert.ok((await page.locator('tbody tr').count()) >= 200);
  await page.close();
  await browser.close();
  return times.join(', ');
});

await run({ chained: true });
