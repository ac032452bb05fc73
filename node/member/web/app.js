// app.js: the page's start: sections by the address's #fragment, buttons, forms, the wallet, what is going on.
import { act, activity, dismiss, say, startActions } from './actions.js';
import { count, fill, h, short } from './dom.js';
import { newer, older } from './history.js';
import { checksum, whatIsWrong } from './keccak.js';
import { explain } from './preview.js';
import { adminOf, aliasOf, changed, onChange, proposalOf, rightChain, start, state, validatorOf } from './state.js';
import * as views from './views.js';
import * as wallet from './wallet.js';

const $ = (id) => document.getElementById(id);
const SECTIONS = { overview: 'Overview', administrators: 'Administrators', validators: 'Validators', nodes: 'Nodes', history: 'History' };
const section = () => (SECTIONS[location.hash.slice(1)] ? location.hash.slice(1) : 'overview');

// --- drawing
function drawHeader() {
  const g = state.governance;
  $('name').textContent = g?.consortiumName || 'Consortium';
  document.title = `${SECTIONS[section()]} · ${g?.consortiumName || 'Consortium'}`;
  fill($('network'), g ? `network ${g.networkId}` : '', state.head ? h('span', null, ' · ', h('span', { class: state.trouble ? 'dot bad' : 'dot', 'aria-hidden': 'true' }), ` block ${count(state.head)}`) : null);
  const account = $('account');
  if (state.account) {
    fill(account, h('span', { class: 'small' }, aliasOf(state.account) || (adminOf(state.account) ? 'Anon' : 'not an administrator'), h('br'), h('span', { class: 'mono', title: state.account }, short(state.account))), h('button', { class: 'plain', 'data-do': 'disconnect' }, 'Disconnect'));
  } else fill(account, h('button', { class: 'main', 'data-do': 'connect', 'data-key': 'connect' }, 'Connect wallet'));
}

function drawNotices() {
  const g = state.governance, list = [];
  if (state.remade) list.push(h('p', { class: 'note bad', 'data-key': 'remade' }, 'This network was made anew: its first block is another one than when the page was loaded. ', h('button', { 'data-do': 'reload' }, 'Load the page again')));
  if (state.trouble) list.push(h('p', { class: 'note bad', 'data-key': 'trouble' }, state.trouble));
  if (g && state.account && !rightChain()) list.push(h('p', { class: 'note warn', 'data-key': 'chain' }, `Your wallet is on network ${state.walletChain}; this consortium is network ${g.chainId}. `, h('button', { class: 'main', 'data-do': 'switch' }, 'Switch network')));
  fill($('notices'), list);
}

const STAGES = { wallet: 'in the wallet', pending: 'pending', mined: 'mined', final: 'final', done: 'done', failed: 'not done' };
function drawActivity() {
  $('activity').hidden = activity.length === 0;
  fill($('activity-list'), activity.map((a) => h('li', { 'data-key': a.id },
    h('span', { class: `badge ${a.stage === 'done' ? 'good' : a.stage === 'failed' ? 'bad' : 'busy'}` }, STAGES[a.stage]),
    h('div', { class: 'what' }, h('strong', null, a.title), h('div', null, a.text), a.announce ? h('button', { class: 'main', 'data-do': 'startNextChange' }, 'Announce now') : null),
    h('button', { class: 'plain', 'data-do': 'dismiss', 'data-arg': String(a.id), 'aria-label': `Dismiss: ${a.title}` }, '×'))));
}

function draw() {
  const at = section();
  drawHeader();
  drawNotices();
  drawActivity();
  for (const a of $('sections').querySelectorAll('a')) {
    if (a.hash.slice(1) === at) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
  $('title').textContent = SECTIONS[at];
  fill($('view'), h('div', { 'data-key': at }, views[at]()));
  if (at === 'history') {
    if (state.history.from === null) older(); // also after a failure: a balancer may have asked a node that is a block behind
    else newer();
  }
}

// --- acting
function wrong(id, text) {
  views.errors.set(id, text);
  changed();
  if (text) $(id).focus();
  return text !== '';
}

const FORMS = {
  async propose() {
    const to = $('propose-address').value.trim(), alias = $('propose-alias').value.trim();
    let bad = whatIsWrong(to);
    if (!bad && adminOf(to)) bad = 'This account is an administrator already.';
    if (!bad && proposalOf(to)) bad = 'This account is proposed already: vote for it in the table above.';
    if (wrong('propose-address', bad)) return;
    if (wrong('propose-alias', new TextEncoder().encode(alias).length > 256 ? 'The alias is too long: 256 bytes are allowed.' : '')) return;
    if (await act({ name: 'proposeAdmin', args: [checksum(to), alias] })) $('propose-address').value = $('propose-alias').value = '';
  },
  async alias() {
    const alias = $('own-alias').value.trim();
    if (wrong('own-alias', new TextEncoder().encode(alias).length > 256 ? 'The alias is too long: 256 bytes are allowed.' : '')) return;
    if (await act({ name: 'updateAdminAlias', args: [alias] })) $('own-alias').value = '';
  },
  async name() {
    const name = $('consortium-name').value.trim();
    if (wrong('consortium-name', name === '' ? 'Enter a name.' : new TextEncoder().encode(name).length > 256 ? 'The name is too long: 256 bytes are allowed.' : '')) return;
    if (await act({ name: 'setConsortiumName', args: [name] })) $('consortium-name').value = '';
  },
  async add() {
    const who = $('add-address').value.trim();
    let bad = whatIsWrong(who);
    if (!bad && validatorOf(who)) bad = validatorOf(who).planned ? 'This address is a validator already.' : 'This validator is just leaving. Add it again when that is final.';
    if (wrong('add-address', bad)) return;
    if (await act({ name: 'addValidators', args: [[checksum(who)]] })) $('add-address').value = '';
  },
};

async function connect() {
  const found = wallet.list();
  if (found.length === 0) return say('No wallet was found in this browser. Install one that speaks EIP-1193 (MetaMask, Rabby, Frame, …) and load the page again, or use poa-deploy in a shell.');
  let entry = found[0];
  if (found.length > 1) {
    const d = $('choose');
    fill($('choose-list'), found.map((w, i) => h('li', null, h('button', { value: String(i) }, w.info.icon?.startsWith('data:image/') ? h('img', { src: w.info.icon, alt: '', width: 24, height: 24 }) : null, w.info.name))));
    const i = await new Promise((done) => {
      d.returnValue = '';
      d.onclose = () => done(d.returnValue);
      d.showModal();
    });
    if (i === '') return;
    entry = found[Number(i)];
  }
  try { await wallet.connect(entry); } catch (e) { say(explain(e, '')); }
}

const DO = {
  connect,
  disconnect: wallet.disconnect,
  reload: () => location.reload(),
  async switch() {
    try { await wallet.switchChain(); } catch (e) { say(explain(e, '')); }
  },
  dismiss: (id) => dismiss(Number(id)),
  older,
  async copy(text, button) {
    try { await navigator.clipboard.writeText(text); } catch { // plain http has no clipboard
      const box = h('textarea', { class: 'hidden' });
      box.value = text;
      document.body.append(box);
      box.select();
      document.execCommand('copy');
      box.remove();
      button.focus();
    }
    $('announce').textContent = 'Copied.';
    button.classList.add('done');
    setTimeout(() => button.classList.remove('done'), 1200);
  },
  voteFor: (a) => act({ name: 'voteFor', args: [a] }),
  voteAgainst: (a) => act({ name: 'voteAgainst', args: [a] }),
  rescindVoteFor: (a) => act({ name: 'rescindVoteFor', args: [a] }),
  rescindVoteAgainst: (a) => act({ name: 'rescindVoteAgainst', args: [a] }),
  addValidators: (list) => act({ name: 'addValidators', args: [JSON.parse(list)] }),
  removeValidators: (list) => act({ name: 'removeValidators', args: [JSON.parse(list)] }),
  startNextChange: () => act({ name: 'startNextChange', args: [] }),
  reemitChange: () => act({ name: 'reemitChange', args: [] }),
};

document.addEventListener('click', (e) => {
  const b = e.target.closest('[data-do]');
  if (b && !b.disabled) DO[b.dataset.do]?.(b.dataset.arg, b);
});
document.addEventListener('submit', (e) => {
  const form = e.target.dataset.form;
  if (!form) return;
  e.preventDefault();
  FORMS[form]();
});
document.addEventListener('input', (e) => {
  if (views.errors.get(e.target.id)) {
    views.errors.delete(e.target.id);
    changed();
  }
});
window.addEventListener('hashchange', () => {
  draw();
  $('title').focus();
});

onChange(draw);
startActions();
wallet.discover();
draw();
start().then(wallet.resumeOld);
// ages in seconds move on
setInterval(() => { if (!document.hidden && section() === 'overview') changed(); }, 1000);
