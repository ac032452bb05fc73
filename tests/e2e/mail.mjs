// The confirmation e-mail: a real SMTP server on loopback, with STARTTLS under an authority of its own and a login; what goes wrong has a sentence, and
// never undoes a deployment.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { SMTPServer } from 'smtp-server';
import { Member, assert, bin, done, exec, leaf, poa, run, test, workFolder } from './lib.mjs';

const work = workFolder();
const at = (f) => path.join(work, f);
const M = new Member(56, work, 'm');
const mails = [], logins = [];
const servers = [];

// smtp: a server; resolves to its URL
const smtp = (options) => new Promise((ok) => {
  const s = new SMTPServer({
    key: fs.readFileSync(at('tls.key')),
    cert: fs.readFileSync(at('tls.pem')),
    onAuth(a, session, done) {
      logins.push({ user: a.username, secure: session.secure });
      if (a.username === 'member' && a.password === 'letters & digits 7') done(null, { user: a.username });
      else done(new Error('Invalid username or password'));
    },
    onRcptTo: (to, session, done) => done(to.address.startsWith('full@') ? Object.assign(new Error('mailbox is full'), { responseCode: 552 }) : null),
    onData(stream, session, done) {
      let text = '';
      stream.on('data', (d) => { text += d; });
      stream.on('end', () => { mails.push({ text, secure: session.secure, user: session.user, from: session.envelope.mailFrom.address, to: session.envelope.rcptTo.map((x) => x.address) }); done(); });
    },
    ...options,
  });
  servers.push(s);
  s.on('error', () => {}); // a client that breaks off its handshake
  s.listen(0, '127.0.0.1', () => ok(`${options?.secure ? 'smtps' : 'smtp'}://127.0.0.1:${s.server.address().port}`));
});
const mailed = (...more) => poa(['outputs', M.dir, '--json', ...more]);
const secret = ['--smtp-user', 'member', '--smtp-password-file', at('password')], trust = ['--smtp-ca-file', at('ca.pem')];
function refused(r, pattern, code = 1) {
  assert.equal(r.code, code, r.err);
  assert.match(r.json.error.message, pattern);
}
let url;

test('new mails its outputs, without a terminal: STARTTLS, then the login', async () => {
  const ssl = (...a) => execFileSync('openssl', a, { cwd: work, stdio: ['ignore', 'ignore', 'pipe'] });
  ssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '3', '-subj', '/CN=mail test authority');
  ssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'tls.key', '-out', 'tls.csr', '-subj', '/CN=mail');
  fs.writeFileSync(at('ext'), 'subjectAltName=IP:127.0.0.1\n');
  ssl('x509', '-req', '-in', 'tls.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'tls.pem', '-days', '3', '-extfile', 'ext');
  fs.writeFileSync(at('password'), 'letters & digits 7\n', { mode: 0o600 });
  url = await smtp();
  await M.new('--email', 'member@example.org', '--smtp-url', url, ...secret, ...trust, '--smtp-from', 'consortium@example.org');
  assert.equal(mails.length, 1);
  const [m] = mails;
  assert.deepEqual([m.secure, m.user, m.from, m.to], [true, 'member', 'consortium@example.org', ['member@example.org']]);
  assert.ok(logins.every((l) => l.secure), 'no password before TLS');
  assert.match(m.text, /^Subject: Your consortium network is deployed\r$/m);
  assert.match(m.text, /^Date: \w{3}, \d\d \w{3} \d{4} [\d:]{8} (GMT|\+0000)\r$/m);
  for (const k of ['ETHEREUM_RPC_ENDPOINT', 'GOVERNANCE_DASHBOARD_URL', 'CONSORTIUM_DATA_URL', 'GENESIS_HASH', 'ADMIN_ADDRESS']) assert.ok(m.text.includes(`${k}: ${M.outputs[k]}\r\n`), k);
  assert.match(m.text, /share the CONSORTIUM_DATA_URL/);
  assert.doesNotMatch(m.text + fs.readFileSync(path.join(M.dir, 'consortium.yaml'), 'utf8'), /letters & digits/);
});
leaf('outputs --email sends them again, by what the deployment was made with', async () => {
  const r = await mailed('--email', 'other@example.org');
  assert.equal(r.code, 0, r.err);
  assert.equal(r.json.GENESIS_HASH, M.outputs.GENESIS_HASH);
  assert.deepEqual(mails.at(-1).to, ['other@example.org']);
  const direct = await mailed('--email', 'other@example.org', '--smtp-url', await smtp({ secure: true }), ...secret, ...trust);
  assert.equal(direct.code, 0, `TLS from the first byte: ${direct.err}`);
  const open = await mailed('--email', 'other@example.org', '--smtp-url', await smtp({ authOptional: true, hideSTARTTLS: true, disabledCommands: ['AUTH', 'STARTTLS'] }), '--smtp-user', '');
  assert.equal(open.code, 0, `a server of the house, without login: ${open.err}`);
});
leaf('a refusal, a false authority, no TLS and no server are said, each in its own words', async () => {
  const to = ['--email', 'member@example.org'];
  fs.writeFileSync(at('wrong'), 'guess\n', { mode: 0o600 });
  refused(await mailed(...to, '--smtp-password-file', at('wrong')), /was not sent by smtp:\/\/127\.0\.0\.1:\d+: .*(denied|535|[Aa]uthentication|login)/);
  refused(await mailed('--email', 'full@example.org'), /full@example\.org was not sent .*(552|RCPT)/);
  fs.copyFileSync(at('ext'), at('other.pem'));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'x.key', '-out', 'other.pem', '-days', '3', '-subj', '/CN=another authority'], { cwd: work, stdio: 'ignore' });
  const before = logins.length;
  refused(await mailed(...to, '--smtp-ca-file', at('other.pem')), /certificate/);
  refused(await mailed(...to, '--smtp-url', await smtp({ hideSTARTTLS: true, disabledCommands: ['STARTTLS'], allowInsecureAuth: true })), /was not sent/);
  assert.equal(logins.length, before, 'no password went to a server that is not proven');
  refused(await mailed(...to, '--smtp-url', 'smtp://127.0.0.1:1'), /was not sent by smtp:\/\/127\.0\.0\.1:1: .*connect/);
  refused(await mailed('--email', 'nobody'), /--email.*nobody/, 2);
});
leaf('a mail that cannot be sent does not undo a deployment', async () => {
  const J = new Member(57, work, 'j');
  const r = await J.join(M.dataUrl, '--email', 'member@example.org', '--smtp-url', 'smtp://127.0.0.1:1');
  assert.match(r.err, /warning: the e-mail to member@example\.org was not sent .*send them later by `poa-deploy outputs .* --email member@example\.org`/);
  await J.destroy();
});
leaf('the wizard asks for the e-mail address on every target, and for a server when there is one', async () => {
  const w = at('wizard'), answers = ['nobody', 'me@example.org', 'smtp://127.0.0.1:25', ...Array(8).fill('')];
  const r = await exec('script', ['-qec', `${path.join(bin, 'poa-deploy')} new ${w}`, '/dev/null'], { input: answers.join('\n') + '\nn\n', limit_s: 20 });
  assert.match(r.out, /Basics\s+Email Address \[none\]: /);
  assert.match(r.out, /SMTP server \[none\]: /);
  assert.match(r.out, /Summary[^]*Email Address +me@example\.org[^]*SMTP server +smtp:\/\/127\.0\.0\.1:25/);
});
test('all of it is destroyed', async () => {
  for (const s of servers) await new Promise((ok) => s.close(ok));
  await done(['destroy', M.dir, '--yes']);
});
await run({ chained: true });
