// views.js: the five sections, drawn from the state. Buttons carry data-do and data-arg; app.js acts on them.
import { ago, count, h, has, plural, same } from './dom.js';
import { nameIn } from './preview.js';
import { describe } from './history.js';
import { checksum } from './keccak.js';
import { rpcUrl } from './rpc.js';
import { adminOf, admins, aliasOf, amAdmin, isYou, nodeOf, proposals, rightChain, state, stepSeconds, validatorOf } from './state.js';

// --- pieces
// address: cut in its middle where there is no room, whole for copying and for screen readers
const addressOf = (a) => h('span', { class: 'address', title: a }, h('span', { class: 'start' }, a.slice(0, -6)), h('span', { class: 'end' }, a.slice(-6)));
const copy = (a) => h('button', { class: 'copy', 'data-do': 'copy', 'data-arg': a, 'aria-label': `Copy ${a}`, title: 'Copy' });
const mono = (a) => h('span', { class: 'mono' }, addressOf(a), copy(a));
// who: alias and address of an administrator
const who = (a) => h('div', { class: 'who' }, h('span', { class: aliasOf(a) ? 'alias' : 'alias anon' }, aliasOf(a) || 'Anon', isYou(a) ? h('span', { class: 'you' }, ' (You)') : null), mono(a));
const shortWho = (a) => (a === null ? 'nobody' : `${aliasOf(a) || 'Anon'}${isYou(a) ? ' (You)' : ''}`);
const button = (text, todo, arg, extra = {}) => h('button', { 'data-do': todo, 'data-arg': typeof arg === 'string' ? arg : JSON.stringify(arg), 'data-key': `${todo}:${arg}`, ...extra }, text);
// table: rows of [key, cells]; on a phone each row becomes a card whose cells carry the column's name
function table(caption, columns, rows, empty) {
  if (rows.length === 0) return h('p', { class: 'empty' }, empty);
  return h('table', { role: 'table' },
    h('caption', { class: 'hidden' }, caption),
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map((c) => h('th', { scope: 'col', role: 'columnheader' }, c)))),
    h('tbody', { role: 'rowgroup' }, rows.map(([key, cells]) => h('tr', { role: 'row', 'data-key': key }, cells.map((c, i) => h('td', { role: 'cell', 'data-label': columns[i] }, (Array.isArray(c) ? c.every((x) => x === null) : c === null || c === undefined || c === '') ? null : h('div', { class: 'cell' }, c)))))));
}
const badge = (text, kind = '') => h('span', { class: `badge ${kind}` }, text);
const card = (label, value, more) => h('div', { class: 'card' }, h('dt', null, label), h('dd', null, h('span', { class: 'value' }, value), more ? h('span', { class: 'more' }, more) : null));
const fact = (label, value) => h('div', null, h('dt', null, label), h('dd', null, value));
const waiting = () => h('p', { class: 'empty', role: 'status' }, state.trouble || 'Asking the node…');

function voteList(list, label) {
  if (list.length === 0) return null;
  return h('details', null, h('summary', null, label), h('ul', { class: 'votes' }, list.map((a) => h('li', null, shortWho(a), ' ', h('span', { class: 'mono small' }, addressOf(a))))));
}
const canAct = () => amAdmin() && rightChain();

// --- Overview
export function overview() {
  const g = state.governance, n = state.nodes;
  if (!n) return waiting();
  const inTurn = n.inTurn, host = inTurn && nodeOf(inTurn)?.hostname;
  const behind = Math.max(0, state.head - n.finalised);
  const since = Date.now() / 1000 - n.head.timestamp;
  const stale = since > Math.max(20, stepSeconds() * 6);
  const sealer = (a) => (a ? shortWho(validatorOf(a)?.admin ?? null) : '');
  return [
    h('dl', { class: 'cards' },
      card('Block', h('span', { id: 'height' }, count(state.head)), stale ? `no new block for ${ago(since).replace(' ago', '')}` : ago(since)),
      card('Sealing now', inTurn ? h('span', { class: 'mono' }, addressOf(inTurn)) : 'nobody', inTurn ? [`for ${sealer(inTurn)}`, host ? `, ${host}` : ''] : null),
      card('Final', count(n.finalised), behind === 0 ? 'the newest block is final' : `${plural(behind, 'block')} behind; a majority seals twice on top`),
      g ? card('Administrators', count(g.admins.length), `${plural(g.majority, 'vote')} decide${g.majority === 1 ? 's' : ''}`) : null,
      card('Validators', count(n.validators?.length ?? 0), g ? `${g.validatorCapacity} allowed to each administrator` : null),
      g ? card('Open proposals', count(g.proposals.length), g.proposals.length ? h('a', { href: '#administrators' }, 'Look at them') : 'none') : null),
    pendingChange(g, n),
    h('h2', null, 'Validators in turn'),
    h('p', { class: 'hint' }, `One step takes ${stepSeconds()} s. Each validator seals in its turn.`),
    table('Validators in the order of their turns', ['Turn', 'Validator', 'Administrator', 'Now'],
      (n.validators ?? []).map((v, i) => {
        const node = nodeOf(v);
        const admin = validatorOf(v)?.admin ?? null;
        return [v, [String(i + 1), h('div', null, mono(v), node?.hostname ? h('div', { class: 'small' }, node.hostname) : null), shortWho(admin), [same(v, inTurn) ? badge('sealing', 'good') : null, same(v, n.head.author) ? badge('newest block') : null]]];
      }), 'The set is empty.'),
    g ? [h('h2', null, 'Network'),
      h('dl', { class: 'facts' }, fact('Name', g.networkName), fact('Number', String(g.networkId)), fact('First block', mono(g.genesisHash)), fact('Governance contract', mono(g.contract)),
        g.rpcPort ? fact('RPC endpoint', rpcUrl(g.rpcPort)) : null)] : null,
  ];
}

function pendingChange(g, n) {
  const c = g?.change;
  if (!c) return null;
  const now = g.validators.filter((v) => v.inForce).map((v) => v.address);
  const listOf = (list) => h('ul', { class: 'votes' }, list.map((a) => h('li', { class: 'mono small' }, addressOf(a))));
  const out = [h('h2', null, 'Change of the validator set')];
  if (c.active) {
    const joining = c.newSet.filter((a) => !has(now, a)), leaving = now.filter((a) => !has(c.newSet, a));
    const needed = n.signersNeeded ?? 0, sealed = Math.max(0, state.head - c.signalBlock), left = Math.max(0, needed - Math.min(sealed, needed));
    out.push(h('div', { class: 'note' },
      h('p', null, badge('in flight', 'busy'), ` Change ${c.id} was announced in block ${count(c.signalBlock)}. `,
        n.finalised >= c.signalBlock ? 'That block is final: the next one puts it in force.' : `It takes effect after ${plural(Math.max(1, left), 'more signer')}, about ${Math.ceil((Math.max(1, left) + 1) * stepSeconds())} s.`),
      joining.length ? [h('p', null, 'Joining:'), listOf(joining)] : null,
      leaving.length ? [h('p', null, 'Leaving:'), listOf(leaving)] : null,
      c.reemitBlock > 0 && state.head >= c.reemitBlock ? h('p', null, 'It takes longer than it should. ', state.account ? button('Announce it again', 'reemitChange', [], { disabled: !rightChain() }) : 'With a wallet you can announce it again.') : null));
  }
  if (c.queued > 0) {
    out.push(h('div', { class: 'note' },
      h('p', null, badge('waiting', 'busy'), c.active ? ' These wait for the change in flight:' : ' These are announced by the next governance transaction, or now:'),
      c.joining.length ? [h('p', null, 'Will join:'), listOf(c.joining)] : null,
      c.leaving.length ? [h('p', null, 'Will leave:'), listOf(c.leaving)] : null,
      !c.active && state.account ? button('Announce now', 'startNextChange', [], { disabled: !rightChain() }) : null));
  }
  if (!c.active && c.queued === 0) out.push(h('p', { class: 'empty' }, 'None. The set in force is the one that was decided.'));
  return out;
}

// --- Administrators
function voteCell(list, needed, what) {
  return h('div', null, h('span', { class: list.length ? 'strong' : '' }, `${list.length} of ${needed}`), voteList(list, what));
}
export function administrators() {
  const g = state.governance;
  if (!g) return waiting();
  const acts = canAct();
  const current = admins().map((a) => {
    const mine = has(a.votesAgainst, state.account);
    return [a.address, [who(a.address), count(a.validators.length), voteCell(a.votesAgainst, g.majority, 'Who is against'),
      !acts ? null : mine ? button('Rescind', 'rescindVoteAgainst', a.address, { 'aria-label': `Rescind your vote against ${nameIn(g, a.address)}` })
        : admins().length > 1 ? button('Vote Against', 'voteAgainst', a.address, { class: 'danger', 'aria-label': `Vote against ${nameIn(g, a.address)}` }) : null]];
  });
  const open = proposals().map((p) => {
    const isFor = has(p.votesFor, state.account), isAgainst = has(p.votesAgainst, state.account), needFor = g.majority - p.votesFor.length;
    return [p.address, [who(p.address), p.proposer ? shortWho(p.proposer) : '', voteCell(p.votesFor, g.majority, 'Who is for'), voteCell(p.votesAgainst, g.majority, 'Who is against'),
      `needs ${needFor} more`,
      !acts ? null : h('div', { class: 'buttons' },
        isFor ? button('Rescind', 'rescindVoteFor', p.address, { 'aria-label': `Rescind your vote for ${nameIn(g, p.address)}` }) : null,
        isAgainst ? button('Rescind', 'rescindVoteAgainst', p.address, { 'aria-label': `Rescind your vote against ${nameIn(g, p.address)}` }) : null,
        !isFor && !isAgainst ? [button('Vote For', 'voteFor', p.address, { class: 'main', 'aria-label': `Vote for ${nameIn(g, p.address)}` }), button('Vote Against', 'voteAgainst', p.address, { class: 'danger', 'aria-label': `Vote against ${nameIn(g, p.address)}` })] : null)]];
  });
  return [
    h('p', { class: 'hint' }, `A decision takes ${plural(g.majority, 'vote')} of ${plural(g.admins.length, 'administrator')}.`),
    h('h2', null, 'Current administrators'),
    table('Current administrators', ['Administrator', 'Validators', 'Votes to remove', 'Action'], current, 'None.'),
    h('h2', null, 'Proposed administrators'),
    table('Proposed administrators', ['Administrator', 'Proposed by', 'For', 'Against', 'Missing', 'Action'], open, 'Nobody is proposed at present.'),
    acts ? [
      h('h2', null, 'Propose an administrator'),
      h('form', { 'data-form': 'propose', class: 'fields', novalidate: true },
        field('propose-address', 'Address', 'The public address of the member’s account (0x and 40 digits)', { autocomplete: 'off', spellcheck: 'false', class: 'mono', required: true }),
        field('propose-alias', 'Alias', 'A name that the other members know', { maxlength: 64, autocomplete: 'off' }),
        h('button', { class: 'main' }, 'Propose')),
      h('h2', null, 'Your alias'),
      h('form', { 'data-form': 'alias', class: 'fields', novalidate: true },
        field('own-alias', 'New alias', `At present: ${aliasOf(state.account) || 'Anon'}`, { maxlength: 64, autocomplete: 'off' }),
        h('button', null, 'Change')),
      h('h2', null, 'Name of the consortium'),
      h('form', { 'data-form': 'name', class: 'fields', novalidate: true },
        field('consortium-name', 'New name', `At present: ${g.consortiumName}`, { maxlength: 64, autocomplete: 'off' }),
        h('button', null, 'Rename')),
    ] : onlyLooking(),
  ];
}
function field(id, label, hint, props) {
  return h('div', { class: 'field' }, h('label', { for: id }, label), h('input', { id, name: id, type: 'text', 'aria-describedby': `${id}-hint ${id}-error`, 'aria-invalid': errors.get(id) ? 'true' : null, ...props }), h('p', { id: `${id}-hint`, class: 'hint' }, hint), h('p', { id: `${id}-error`, class: 'error', role: 'alert' }, errors.get(id) ?? ''));
}
export const errors = new Map(); // of fields, by id
const onlyLooking = () => h('p', { class: 'note' }, !state.account ? 'You are looking without a wallet. Connect the wallet of an administrator to propose and to vote.' : !rightChain() ? 'Your wallet is on another network: switch it to vote.' : 'Your account is not an administrator of this network: you can look, but not vote.');

// --- Validators
function validatorState(v) {
  const c = state.governance.change;
  if (v.inForce && v.planned) return badge('in force', 'good');
  if (v.planned) return badge(c?.active && has(c.newSet, v.address) ? 'joining' : 'waits to join', 'busy');
  return badge(c?.active && !has(c.newSet, v.address) ? 'leaving' : 'waits to leave', 'busy');
}
const sorted = (list) => [...list].sort((a, b) => (`${a.region} ${a.hostname}` < `${b.region} ${b.hostname}` ? -1 : 1));
function hostLine(address) {
  const n = nodeOf(address);
  return n ? h('div', { class: 'small' }, n.hostname || 'node', n.region ? `, ${n.region}` : '') : null;
}
function ownNodes(g) {
  const list = sorted((state.nodes?.nodes ?? []).filter((n) => n.address));
  const extra = (state.nodes?.deployed ?? []).filter((a) => !list.some((n) => same(n.address, a))).map((address) => ({ address, hostname: '', region: '', state: 'unreachable', block: null }));
  const all = [...list, ...extra], free = all.filter((n) => !validatorOf(n.address)), acts = canAct();
  const left = acts ? g.validatorCapacity - (adminOf(state.account)?.plannedValidators.length ?? 0) : 0;
  const fits = free.slice(0, Math.max(0, left)).map((n) => checksum(n.address));
  return [
    h('h2', null, 'Nodes of this deployment'),
    h('p', { class: 'hint' }, 'The nodes that stand behind this page. An administrator lets them seal on its behalf by adding them.'),
    table('Nodes of this deployment', ['Node', 'Address', 'State', 'Validator', 'Action'], all.map((n) => {
      const v = validatorOf(n.address);
      const node = h('div', null, n.hostname || 'no node holds it', n.region ? h('div', { class: 'small' }, n.region) : null);
      return [n.address, [node, mono(checksum(n.address)), [nodeBadge(n), proofBadges(n)], v ? [validatorState(v), h('div', { class: 'small' }, `for ${shortWho(v.admin)}`)] : 'not yet',
        acts && !v ? button('Add', 'addValidators', [checksum(n.address)], { class: 'main', disabled: left < 1, 'aria-label': `Add ${n.hostname || n.address}` }) : null]];
    }), 'This deployment has no nodes.'),
    acts && fits.length > 1 ? h('p', null, button(`Add all ${fits.length}`, 'addValidators', fits, { class: 'main' })) : null,
    acts && free.length > 0 && left < 1 ? h('p', { class: 'note' }, `You have all ${g.validatorCapacity} validators that you are allowed.`) : null,
  ];
}
export function validators() {
  const g = state.governance;
  if (!g) return waiting();
  const acts = canAct();
  const groups = admins().map((a) => ({ admin: a.address, list: g.validators.filter((v) => same(v.admin, a.address)), planned: a.plannedValidators.length }));
  groups.sort((a, b) => Number(isYou(b.admin)) - Number(isYou(a.admin)));
  const orphans = g.validators.filter((v) => !v.admin || !adminOf(v.admin));
  const columns = (own) => (own ? ['Account', 'State', 'Action'] : ['Account', 'State']);
  const rowsOf = (list, own) => list.map((v) => [v.address, [h('div', null, mono(v.address), hostLine(v.address)), validatorState(v), ...(own ? [v.planned ? button('Remove', 'removeValidators', [v.address], { class: 'danger', 'aria-label': `Remove ${v.address}` }) : null] : [])]]);
  return [
    h('p', { class: 'hint' }, `Each administrator is allowed ${plural(g.validatorCapacity, 'node')}.`),
    ownNodes(g),
    acts ? h('form', { 'data-form': 'add', class: 'fields', novalidate: true },
      field('add-address', 'Add another validator by its address', 'For nodes that an operator runs for you', { autocomplete: 'off', spellcheck: 'false', class: 'mono' }),
      h('button', null, 'Add')) : null,
    h('h2', null, 'Validators by administrator'),
    groups.map((x) => h('section', { class: 'group', 'data-key': x.admin, 'aria-label': `Validators of ${nameIn(g, x.admin)}` },
      h('h3', null, aliasOf(x.admin) || 'Anon', isYou(x.admin) ? h('span', { class: 'you' }, ' (You)') : null, h('span', { class: 'small' }, ` ${x.planned} of ${g.validatorCapacity}`)),
      table(`Validators of ${nameIn(g, x.admin)}`, columns(acts && isYou(x.admin)), rowsOf(x.list, acts && isYou(x.admin)), 'No validators.'))),
    orphans.length ? h('section', { class: 'group' }, h('h3', null, 'Of nobody'), h('p', { class: 'hint' }, 'Their administrator was removed; they stay until another administrator’s validator joins.'), table('Validators of nobody', columns(false), rowsOf(orphans, false), '')) : null,
    acts ? null : onlyLooking(),
  ];
}

// --- Nodes
function nodeBadge(n) {
  if (n.state === 'running') {
    const lag = n.block === null ? 0 : state.head - n.block;
    return lag > 10 ? badge(`${plural(lag, 'block')} behind`, 'busy') : badge('running', 'good');
  }
  return badge(n.state === 'syncing' ? 'catching up' : 'does not answer', n.state === 'syncing' ? 'busy' : 'bad');
}
// proofBadges: what the node was asked for: does it hold its key, is its clock right?
export const clockIsOff = (n) => n.clockOffsetMs !== null && n.clockOffsetMs !== undefined && Math.abs(n.clockOffsetMs) > stepSeconds() * 500;
function proofBadges(n) {
  return [n.holdsKey === true ? h('div', { class: 'small' }, 'proves its key') : n.holdsKey === false ? badge('does not hold its key', 'bad') : null,
    clockIsOff(n) ? badge(`clock ${(Math.abs(n.clockOffsetMs) / 1000).toFixed(1)} s ${n.clockOffsetMs < 0 ? 'behind' : 'ahead'}`, 'bad') : null];
}
export function nodes() {
  const n = state.nodes;
  if (!n) return waiting();
  return [
    n.errorMessage?.trim() ? h('p', { class: 'note warn' }, n.errorMessage.trim()) : null,
    h('h2', null, 'Nodes of this member'),
    table('Nodes of this member', ['Node hostname', 'Region', 'Address', 'Peer count', 'Latest block', 'State'],
      sorted(n.nodes).map((x) => [x.enodeUrl ?? x.hostname, [x.hostname || 'unnamed', x.region || '', x.address ? mono(checksum(x.address)) : 'none', x.peers === null ? '–' : count(x.peers), x.block === null ? '–' : count(Math.max(x.block, x.self ? state.head : 0)), nodeBadge(x)]]), 'None.'),
    h('h2', null, 'Peers of the node that answered'),
    h('p', { class: 'hint' }, `${n.self.hostname || 'This node'} runs ${n.self.client}.`),
    table('Peers', ['Peer', 'Client', 'Direction', 'Latest block'],
      [...n.peers].sort((a, b) => (a.remote < b.remote ? -1 : 1)).map((p) => [p.id, [p.remote, p.client, p.inbound ? 'it connected' : 'we connected', p.block === null ? '–' : count(p.block)]]), 'No peers: the node stands alone.'),
  ];
}

// --- History
export function history() {
  const s = state.history, g = state.governance;
  if (!g) return waiting();
  return [
    h('p', { class: 'hint' }, 'Everything that was decided, newest first, read from the events of the governance contract.'),
    s.error ? h('p', { class: 'note bad' }, s.error) : null,
    s.items.length ? h('ol', { class: 'history' }, s.items.map((t) => h('li', { 'data-key': t.hash },
      h('div', { class: 'when' }, h('span', null, t.time === null ? '' : new Date(t.time * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })), h('span', { class: 'small' }, ` block ${count(t.block)}`)),
      h('div', null, t.events.map((e) => h('p', null, describe(e))), h('p', { class: 'mono small' }, h('span', { class: 'end' }, 'transaction'), addressOf(t.hash), copy(t.hash)))))) : null,
    s.busy === 'older' ? h('p', { class: 'empty', role: 'status' }, 'Reading…') : null,
    !s.busy && !s.done && s.from !== null ? h('p', null, button('Older', 'older', [])) : null,
    s.done ? h('p', { class: 'hint' }, s.items.length ? 'Block 0: the network began.' : 'Nothing was decided since the network began (block 0).') : null,
  ];
}
