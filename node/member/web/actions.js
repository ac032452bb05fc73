// actions.js: from a button to a final block: preview, the wallet's signature, pending, mined, final, in force.
import { decodeLog, encodeCall, revertReason } from './abi.js';
import { fill, h } from './dom.js';
import { explain, preview } from './preview.js';
import { rpc } from './rpc.js';
import { changed, nameOf, onChange, refresh, rightChain, state, stepSeconds } from './state.js';
import { switchChain } from './wallet.js';

const LOST_AFTER_BLOCKS = 30;
export const activity = []; // newest first: {id, title, stage, text, hash, block, changeId}
let nextId = 1;

const keep = () => {
  try { sessionStorage.setItem('activity', JSON.stringify(activity.slice(0, 20))); } catch { /* it is a convenience */ }
};
function set(item, fields) {
  Object.assign(item, fields);
  keep();
  document.getElementById('announce').textContent = `${item.title}: ${item.text}`;
  changed();
}

// --- the dialog
const dialog = () => document.getElementById('confirm');

// ask: shows what the action will do; resolves true when it shall be sent
function ask(view, check) {
  return new Promise((answer) => {
    const d = dialog();
    let problem = null;
    const draw = () => {
      fill(d,
        h('form', { method: 'dialog' },
          h('h2', { id: 'confirm-title' }, view.title),
          h('ul', { class: 'lines' }, view.lines.map((l) => h('li', null, l))),
          view.warnings.map((w) => h('p', { class: 'note warn' }, w)),
          h('p', { class: problem ? 'note bad' : 'note', role: 'status' }, problem === null ? 'Checking against the contract…' : problem || 'The contract will accept it.'),
          h('div', { class: 'buttons' },
            h('button', { value: 'no', class: 'plain' }, 'Cancel'),
            h('button', { value: 'yes', class: 'main', disabled: problem !== '' }, 'Sign in the wallet'))));
    };
    draw();
    check().then((p) => { problem = p; draw(); });
    d.returnValue = 'no';
    d.onclose = () => answer(d.returnValue === 'yes');
    d.showModal();
  });
}

// propose: a button was pressed: {name, args} of the contract
export async function act(action) {
  const g = state.governance;
  if (!state.wallet) return say('Connect a wallet first.');
  if (!rightChain()) {
    try { await switchChain(); } catch (e) { return say(explain(e, '')); }
    if (!rightChain()) return say('Your wallet is on another network.');
  }
  const view = preview(g, action, state.account, { seconds: stepSeconds(), nodes: state.nodes });
  const data = encodeCall(action.name, action.args), from = state.account, to = g.contract;
  let gas = null;
  const check = async () => {
    try {
      gas = Number(await rpc('eth_estimateGas', [{ from, to, data }]));
      return '';
    } catch (e) { return explain(e, revertReason(e)); }
  };
  if (!(await ask(view, check))) return false;
  const item = { id: nextId++, title: view.title, stage: 'wallet', text: 'waiting for your wallet…', hash: null, block: null };
  activity.unshift(item);
  set(item, {});
  try {
    const gasPrice = await rpc('eth_gasPrice').catch(() => '0x0');
    const hash = await state.wallet.provider.request({ method: 'eth_sendTransaction', params: [{ from, to, data, gas: '0x' + Math.ceil(gas * 1.25).toString(16), gasPrice, value: '0x0' }] });
    set(item, { hash, stage: 'pending', text: 'pending: sent, waits for a block.', sentAt: state.head });
    follow(item);
    return true;
  } catch (e) {
    set(item, { stage: 'failed', text: explain(e, revertReason(e)) });
    return false;
  }
}

// say: a short message where nothing was begun
export function say(text) {
  const item = { id: nextId++, title: 'Not sent', stage: 'failed', text };
  activity.unshift(item);
  set(item, {});
  return false;
}

// --- what became of it
function outcome(item, receipt) {
  const out = [];
  for (const log of receipt.logs) {
    if (log.address.toLowerCase() !== state.governance.contract.toLowerCase()) continue;
    const e = decodeLog(log);
    if (e?.name === 'AdminAdded') out.push(`${nameOf(e.args.admin)} is an administrator now.`);
    if (e?.name === 'AdminRemoved') out.push(`${nameOf(e.args.admin)} is no longer an administrator.`);
    if (e?.name === 'ProposalRejected') out.push('The proposal is rejected.');
    if (e?.name === 'ProposalWithdrawn') out.push('The proposal is withdrawn.');
    if (e?.name === 'ChangeStarted') item.changeId = e.args.id;
    if (e?.name === 'ChangeQueued') {
      item.changeId = e.args.id;
      out.push('The change of validators waits for the one in flight.');
    }
  }
  return out.join(' ');
}

async function follow(item) {
  for (;;) {
    await new Promise((r) => setTimeout(r, 700));
    if (state.remade) return set(item, { stage: 'failed', text: 'the network was made anew meanwhile; this transaction is lost.' });
    let receipt = null;
    try {
      receipt = await rpc('eth_getTransactionReceipt', [item.hash]);
      if (!receipt && state.head > item.sentAt + LOST_AFTER_BLOCKS && !(await rpc('eth_getTransactionByHash', [item.hash]))) {
        return set(item, { stage: 'failed', text: 'the network does not know this transaction any more (a node may have restarted). Send it again.' });
      }
    } catch {
      if (!item.waiting) set(item, { waiting: true, text: 'the node does not answer at present; it is asked again…' });
      continue;
    }
    if (!receipt) {
      if (item.waiting) set(item, { waiting: false, text: 'pending: sent, waits for a block.' });
      continue;
    }
    const block = Number(receipt.blockNumber);
    if (Number(receipt.status) === 0) return set(item, { stage: 'failed', block, text: `refused in block ${block}: someone else’s transaction came first. Look at the present state and decide again.` });
    const text = outcome(item, receipt);
    set(item, { stage: 'mined', block, outcome: text, text: `mined in block ${block}, not final yet. ${text}` });
    return refresh();
  }
}

// settle: mined ones become final, and changes of the set come into force, as blocks go by
function settle() {
  const g = state.governance, finalised = state.nodes?.finalised ?? 0;
  for (const item of activity) {
    const said = item.outcome ? ' ' + item.outcome : '';
    if (item.stage === 'mined' && finalised >= item.block) {
      if (item.changeId) set(item, { stage: 'final', text: `final (block ${item.block}).${said} The validator set follows…` });
      else set(item, { stage: 'done', text: `final (block ${item.block}).${said}` });
    }
    if (item.stage === 'final' && g?.change && (g.change.id > item.changeId || (g.change.id === item.changeId && !g.change.active)))
      set(item, { stage: 'done', announce: false, text: `final (block ${item.block}).${said} The new validator set is in force.` });
    else if (item.stage === 'final' && g?.change && !item.announce && !g.change.active && g.change.queued > 0 && g.change.id < item.changeId)
      set(item, { announce: true, text: `final (block ${item.block}).${said} The change before it is in force: yours can be announced now.` });
    else if (item.announce && g?.change?.active)
      set(item, { announce: false, text: `final (block ${item.block}).${said} It is announced; the validator set follows…` });
  }
}

export function startActions() {
  try { activity.push(...JSON.parse(sessionStorage.getItem('activity') ?? '[]')); } catch { /* none kept */ }
  for (const item of activity) {
    nextId = Math.max(nextId, item.id + 1);
    if (item.stage === 'wallet') Object.assign(item, { stage: 'failed', text: 'the page was loaded again before the wallet answered.' });
    if (item.stage === 'pending') follow(item);
  }
  onChange(settle);
}
export function dismiss(id) {
  const at = activity.findIndex((a) => a.id === id);
  if (at >= 0) activity.splice(at, 1);
  keep();
  changed();
}
