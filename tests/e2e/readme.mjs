// The README's own commands, as they stand there, in an empty folder: what a new user types must do what it says.
import fs from 'node:fs';
import path from 'node:path';
import { Member, assert, bin, done, exec, here, root, run, test, workFolder } from './lib.mjs';

const folder = workFolder();
for (const [id, title] of ['demo', 'member-b', 'member-c'].entries()) new Member(id, folder, title); // the runner destroys what a failed test leaves
const sections = new Map();
{
  let title = '';
  for (const line of fs.readFileSync(path.join(root, 'README.md'), 'utf8').split('\n')) {
    if (line.startsWith('## ')) title = line.slice(3);
    else if (/^ {4}\S|^ {5,}/.test(line)) sections.set(title, (sections.get(title) ?? '') + line.slice(4) + '\n');
  }
}
fs.mkdirSync(path.join(folder, 'build'));
fs.symlinkSync(bin, path.join(folder, 'build/release'));
fs.symlinkSync(path.join(here, 'node_modules'), path.join(folder, 'node_modules'));

async function shell(script, limit_s = 120) {
  const r = await exec('bash', ['-euo', 'pipefail', '-c', script], { cwd: folder, limit_s });
  assert.equal(r.code, 0, `${script}\n${r.out}${r.err}`);
  return r;
}
// commands: the lines of a section that call poa-deploy, each whole
const commands = (title) => {
  const lines = (sections.get(title) ?? '').split('\n').filter((l) => l.startsWith('build/release/poa-deploy'));
  assert.ok(lines.length > 0, `README has commands under "${title}"`);
  return lines;
};
const address = async (member) => (await done(['outputs', path.join(folder, member), '--json'])).json.ADMIN_ADDRESS;

test('Quickstart: new, status, outputs, down, up, destroy', async () => {
  for (const c of commands('Quickstart')) await shell(c.replace(/poa-deploy destroy/, '$& --yes')); // it asks, and there is no terminal
  assert.equal(fs.existsSync(path.join(folder, 'demo/consortium.yaml')), false, 'the last command destroys it');
});
test('First transaction: the script of the README prints the number of its block', async () => {
  await shell(commands('Quickstart')[0]);
  const script = sections.get('First transaction').split('\n').filter((l) => !l.startsWith('npm install')).join('\n');
  const r = await shell(script);
  assert.match(r.out.trim(), /^\d+$/);
  assert.ok(Number(r.out) > 0);
});
test('Join and govern: two members join, are voted in, and seal', async () => {
  for (const c of commands('Join and govern')) {
    const known = c.includes('0xADDRESS-OF-B') ? await address('member-b') : c.includes('0xADDRESS-OF-C') ? await address('member-c') : '';
    await shell(c.replace(/0xADDRESS-OF-[BC]/, known));
  }
  const { json } = await done(['validator', 'list', path.join(folder, 'demo'), '--json']);
  assert.ok(JSON.stringify(json).toLowerCase().includes((await done(['outputs', path.join(folder, 'member-b'), '--json'])).json.VALIDATOR_ADDRESSES[0].toLowerCase()));
});
test('all of it is destroyed', async () => {
  for (const m of ['member-c', 'member-b', 'demo']) await done(['destroy', path.join(folder, m), '--yes']);
});
await run({ chained: true });
