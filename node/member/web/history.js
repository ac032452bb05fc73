// history.js: the events of the contract, newest first, grouped by transaction.
import { decodeLog } from './abi.js';
import { plainAlias, plural, same, short } from './dom.js';
import { rpc, rpcBatch } from './rpc.js';
import { aliasOf, changed, isYou, state } from './state.js';

const WINDOW = 100000, PAGE = 40; // blocks in a request, transactions until one must ask for older

const name = (a) => `${aliasOf(a) || short(a)}${isYou(a) ? ' (You)' : ''}`;
const list = (v) => v.map(short).join(', ');

// describe: an event as a sentence
export function describe({ name: event, args: a, aliases }) {
  const of = (x) => (aliasOf(x) || !aliases?.get(x.toLowerCase()) ? name(x) : `${aliases.get(x.toLowerCase())} (${short(x)})`);
  switch (event) {
    case 'AdminProposed': return `${of(a.admin)} was proposed as an administrator.`;
    case 'AdminAdded': return `${of(a.admin)} became an administrator.`;
    case 'AdminRemoved': return `${of(a.admin)} was removed as an administrator.`;
    case 'VoteCast': return `${of(a.voter)} voted ${a.isFor ? 'for' : 'against'} ${of(a.subject)}: ${a.votes} of ${plural(a.needed, 'vote')}.`;
    case 'VoteRescinded': return `The vote of ${of(a.voter)} ${a.isFor ? 'for' : 'against'} ${of(a.subject)} was taken back: ${a.votes} of ${plural(a.needed, 'vote')} left.`;
    case 'ProposalRejected': return `The proposal of ${of(a.admin)} was rejected.`;
    case 'ProposalWithdrawn': return `The proposal of ${of(a.admin)} was withdrawn.`;
    case 'AliasChanged': return a.adminAlias ? `${short(a.admin)} is called “${a.adminAlias}”.` : `${short(a.admin)} has no alias.`;
    case 'ConsortiumNameChanged': return `${of(a.admin)} named the consortium “${a.name}”.`;
    case 'ValidatorsAdded': return `${of(a.admin)} added ${plural(a.validators.length, 'validator')}: ${list(a.validators)}.`;
    case 'ValidatorsRemoved': return `${plural(a.validators.length, 'validator')} of ${/^0x0{40}$/.test(a.admin) ? 'nobody' : of(a.admin)} ${a.validators.length === 1 ? 'was' : 'were'} taken out: ${list(a.validators)}.`;
    case 'ValidatorsOrphaned': return `${plural(a.validators.length, 'validator')} of ${of(a.admin)} stay until others join: ${list(a.validators)}.`;
    case 'ChangeQueued': return `The decision waits for the change in flight, as part of change ${a.id}.`;
    case 'ChangeStarted': return `Change ${a.id} of the validator set was announced: ${plural(a.validators, 'validator')}.`;
    case 'ChangeReemitted': return `Change ${a.id} was announced once more.`;
    default: return '';
  }
}
// told by another event of the same transaction, or of no interest to a reader
const SILENT = new Set(['InitiateChange', 'FinalizeCalled', 'AddValidatorCalled']);

// aliases as they stood: an administrator that is gone keeps the name that its events gave it
const aliases = new Map();

async function read(from, to) {
  const hex = (n) => '0x' + n.toString(16);
  const logs = await rpc('eth_getLogs', [{ address: state.governance.contract, fromBlock: hex(from), toBlock: hex(to) }]);
  const byTx = new Map();
  for (const log of logs) {
    const e = decodeLog(log);
    if (e === null) continue;
    if (e.name === 'AliasChanged' && e.args.adminAlias && !aliases.has(e.args.admin.toLowerCase())) aliases.set(e.args.admin.toLowerCase(), plainAlias(e.args.adminAlias));
    if (SILENT.has(e.name)) continue;
    const hash = log.transactionHash;
    if (!byTx.has(hash)) byTx.set(hash, { hash, block: Number(log.blockNumber), time: log.blockTimestamp ? Number(log.blockTimestamp) : null, events: [] });
    byTx.get(hash).events.push({ ...e, aliases });
  }
  // the alias that comes with a proposal is in its own sentence
  for (const t of byTx.values()) t.events = t.events.filter((e) => e.name !== 'AliasChanged' || !t.events.some((x) => x.name === 'AdminProposed' && same(x.args.admin, e.args.admin)));
  const items = [...byTx.values()].reverse(), blocks = [...new Set(items.filter((t) => t.time === null).map((t) => t.block))];
  const answers = await rpcBatch(blocks.map((b) => ['eth_getBlockByNumber', [hex(b), false]]));
  const times = new Map(blocks.map((b, i) => [b, answers[i] ? Number(answers[i].timestamp) : null]));
  for (const t of items) t.time ??= times.get(t.block) ?? null;
  return items;
}

const failed = (e) => `The history cannot be read: ${e.message}.`;

// older: the next page backwards (the first one from the head)
export async function older() {
  const s = state.history;
  if (s.busy || s.done || !state.governance) return;
  s.busy = 'older';
  s.error = '';
  changed();
  try {
    let to = s.from === null ? state.head : s.from - 1;
    if (s.from === null) s.head = to;
    const had = s.items.length;
    for (;;) {
      const from = Math.max(0, to - WINDOW + 1);
      s.items.push(...await read(from, to));
      s.from = from;
      if (from === 0) s.done = true;
      if (s.done || s.items.length - had >= PAGE) break;
      to = from - 1;
    }
  } catch (e) { s.error = failed(e); }
  s.busy = '';
  changed();
}

// newer: what came since
export async function newer() {
  const s = state.history;
  if (s.busy || s.from === null || !(state.head > s.head)) return;
  s.busy = 'newer';
  const to = state.head;
  try {
    const items = await read(s.head + 1, to);
    s.items.unshift(...items.filter((t) => !s.items.some((x) => same(x.hash, t.hash))));
    s.head = to;
    s.error = '';
    s.busy = '';
    if (items.length) changed();
  } catch (e) {
    s.error = failed(e);
    s.busy = '';
  }
}
