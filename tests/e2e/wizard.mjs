// `poa-deploy new` on a terminal: the guide's five steps asked on a pseudo-terminal (util-linux script), answered as a person would: defaults, wrong values,
// Ctrl-C, a narrow window; and the same network again from the file that it wrote, without a question.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Member, assert, bin, done, height, leaf, poa, run, skip, test, until, workFolder } from './lib.mjs';

const work = workFolder();
const M = new Member(59, work, 'w');
const clean = (text) => text.replace(/\x1b\[[?0-9;]*[A-Za-z]/g, '').replace(/\r/g, '');

// a terminal with poa-deploy in it
class Terminal {
  constructor(words, { columns = 300 } = {}) {
    if (spawnSync('sh', ['-c', 'command -v script']).status !== 0) skip('no script(1) to make a terminal');
    const quoted = [path.join(bin, 'poa-deploy'), ...words].map((w) => `'${w}'`).join(' ');
    this.text = ''; this.at = 0;
    this.p = spawn('script', ['-qec', `stty cols ${columns} rows 30; exec ${quoted}`, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, TERM: 'xterm', POA_PASSWORD: undefined } });
    this.p.stdout.on('data', (d) => { this.text += d; });
    this.p.stdin.on('error', () => {});
    this.ended = new Promise((ok) => this.p.once('close', (code) => ok(code)));
  }
  // wait until it has said so, behind what was read before
  async says(pattern, limit_s = 20) {
    const m = await until(`it says ${pattern}`, () => pattern.exec(clean(this.text).slice(this.at)), limit_s, 20).catch((e) => { throw new Error(`${e.message}\n${clean(this.text).slice(this.at)}`); });
    this.at += m.index + m[0].length;
    return m[0];
  }
  type(text) { this.p.stdin.write(text); }
  // a question by its name, answered
  async answer(question, text) { await this.says(question); this.type(`${text}\n`); }
  async enter(n) { for (let i = 0; i < n; i++) await this.answer(/\]: $/, ''); }
}

test('five steps with their defaults: a wrong value is refused at once, ? explains, a summary, then the network', async () => {
  const t = new Terminal(['new', M.dir]);
  await t.says(/A new network in .*nothing is made before the end\./);
  await t.says(/\nBasics\n/);
  await t.answer(/Email Address \[none\]: $/, 'nobody');
  await t.says(/'nobody' is not allowed/);
  await t.answer(/Email Address \[none\]: $/, '');
  await t.says(/\nDeployment regions\n/);
  await t.answer(/Number of region\(s\) \(1-5\) \[1\]: $/, '6');
  await t.says(/'6' is not allowed|1 to 5/);
  await t.answer(/Number of region\(s\) \(1-5\) \[1\]: $/, '');
  await t.says(/\nNetwork size and performance\n/);
  await t.answer(/validator nodes \(2-15\) \[2\]: $/, '?');
  await t.says(/validators in each region/);
  await t.answer(/validator nodes \(2-15\) \[2\]: $/, '2');
  await t.says(/\nEthereum settings\n/);
  await t.answer(/Consortium Member ID \(0-255\) \[0\]: $/, String(M.id));
  await t.answer(/Network ID \(5-999999999\) \[10101010\]: $/, '4');
  await t.says(/'4' is not allowed|5 to 999999999/);
  await t.answer(/Network ID \(5-999999999\) \[10101010\]: $/, '4711');
  await t.answer(/Admin Ethereum Address \[none\]: $/, '0x12');
  await t.says(/not allowed|40 hexadecimal/);
  await t.enter(3); // the address, its alias, the permission contract
  await t.says(/\nAzure Monitor\n/);
  await t.answer(/Monitoring \(enable\|disable\|prometheus\) \[disable\]: $/, '');
  const summary = await t.says(/\nSummary\n[^]*Go on\? \[Y\/n\] /);
  assert.match(summary, /Consortium Member ID +59\n/);
  assert.match(summary, /Network ID +4711\n/);
  assert.ok(!fs.existsSync(M.dir), 'nothing is made before the end');
  t.type('\n');
  assert.equal(await t.ended, 0, clean(t.text));
  await t.says(/ETHEREUM_RPC_ENDPOINT +http:\/\/127\.59\.1\.1:8545/);
  assert.ok((await height(M.url)) > 0);
});

leaf('the file that it wrote makes the same network again, without a question', async () => {
  const file = path.join(work, 'kept.yaml'), text = fs.readFileSync(path.join(M.dir, 'consortium.yaml'), 'utf8');
  assert.match(text, /memberId: 59/);
  assert.match(text, /networkId: 4711/);
  fs.writeFileSync(file, text);
  await M.destroy();
  const t = new Terminal(['new', M.dir, '-f', file]);
  assert.equal(await t.ended, 0, clean(t.text));
  assert.doesNotMatch(clean(t.text), /Go on\?|\]: /);
  assert.equal(fs.readFileSync(path.join(M.dir, 'consortium.yaml'), 'utf8'), text);
  assert.ok((await height(M.url)) > 0);
  await M.destroy();
});

leaf('Ctrl-C in the middle, the end of the input and a no at the end leave nothing', async () => {
  const dir = path.join(work, 'none');
  const c = new Terminal(['new', dir]);
  await c.answer(/Email Address \[none\]: $/, '');
  await c.says(/\[1\]: $/);
  c.type('\x03');
  assert.notEqual(await c.ended, 0);
  const d = new Terminal(['new', dir]);
  await d.says(/Email Address \[none\]: $/);
  d.type('\x04');
  assert.equal(await d.ended, 1);
  await d.says(/nothing was made/);
  const n = new Terminal(['new', dir]);
  await n.enter(9);
  await n.answer(/Go on\? \[Y\/n\] $/, 'n');
  assert.equal(await n.ended, 1);
  assert.ok(!fs.existsSync(dir));
});

leaf('a terminal of 40 columns: no line is longer, and the questions are the same', async () => {
  const t = new Terminal(['new', path.join(work, 'narrow'), '--target', 'azure', '--subscription', '11111111-2222-3333-4444-555555555555'], { columns: 40 });
  await t.says(/Email Address \[none\]: $/);
  t.type('?\n');
  await t.answer(/Email Address \[none\]: $/, '');
  await t.answer(/VM user name \[poaadmin\]: $/, '');
  await t.answer(/Authentication type\s+\(password\|sshPublicKey\)\s+\[password\]:\n {2}> $/, 'sshPublicKey');
  await t.answer(/SSH Key \[needed\]: $/, '');
  await t.says(/has\s+no\s+default/);
  await t.answer(/SSH Key \[needed\]: $/, '/nowhere');
  await t.says(/does\s+not\s+exist/);
  t.type('\x03');
  assert.notEqual(await t.ended, 0);
  // what a person typed stands in the same line as its question
  const long = clean(t.text).split('\n').filter((l) => l.length > 40 && !/^ *\S+$/.test(l));
  assert.deepEqual(long, []);
});

leaf('answers that do not go together are told at the end, and asked for again with what was said', async () => {
  const key = path.join(work, 'id.pub');
  fs.writeFileSync(key, 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGkv6vPq0dLQJp8N0b2hQw3mT9rTFX1m6XfX9u2s0w3Z me\n');
  let t = new Terminal(['new', path.join(work, 'az'), '--target', 'azure', '--subscription', '11111111-2222-3333-4444-555555555555'], { columns: 300 });
  await t.enter(2);
  await t.answer(/Authentication type \(password\|sshPublicKey\) \[password\]: $/, ''); // the guide's default, which asks for another file
  await t.answer(/Password \[needed\]: $/, '/nowhere');
  await t.says(/does not exist/);
  t.type('\x03');
  assert.notEqual(await t.ended, 0);
  t = new Terminal(['new', path.join(work, 'az'), '--target', 'azure', '--subscription', '11111111-2222-3333-4444-555555555555'], { columns: 300 });
  await t.enter(2);
  await t.answer(/Authentication type \(password\|sshPublicKey\) \[password\]: $/, 'sshPublicKey');
  await t.answer(/SSH Key \[needed\]: $/, key);
  await t.answer(/Resource Group \[poa-consortium\]: $/, '');
  await t.answer(/Number of region\(s\) \(1-5\) \[1\]: $/, '2');
  await t.answer(/First region \[needed\]: $/, 'westeurope');
  await t.enter(12);
  await t.says(/These do not go together yet:[^]*1 region is named, but --regions is 2/);
  await t.answer(/Go through the steps again\? \[Y\/n\] $/, '');
  await t.enter(4);
  await t.answer(/Subscription \[11111111-2222-3333-4444-555555555555\]: $/, '');
  await t.enter(2);
  await t.answer(/First region \[westeurope\]: $/, 'westeurope,eastus');
  await t.enter(9);
  await t.answer(/Monitoring \(enable\|disable\|prometheus\) \[enable\]: $/, '');
  await t.answer(/Existing Log Analytics Workspace Id \[none\]: $/, '');
  await t.answer(/Azure Monitor Location \[none\]: $/, '');
  await t.says(/Summary[^]*First region +westeurope,eastus/);
  await t.answer(/Go on\? \[Y\/n\] $/, 'n');
  assert.equal(await t.ended, 1);
  assert.ok(!fs.existsSync(path.join(work, 'az')));
});
await run({ chained: true });
