// preview.js: what an action will do, before it is sent, and what refusals mean. Pure: the governance document in, sentences out.
import { has, plainAlias, plural, same, short } from './dom.js';

const find = (list, a) => list.find((x) => same(x.address, a)) ?? null;
const majorityOf = (n) => Math.floor(n / 2) + 1;

// name: alias (or Anon) and the address, as in a sentence
export function nameIn(g, a) {
  const who = find(g.admins, a) ?? find(g.proposals, a);
  const alias = plainAlias(who?.alias);
  return alias ? `${alias} (${short(a)})` : short(a);
}

// when: how long until a change that is announced now is in force, in the words of a person
export function whenInForce(g, seconds) {
  const now = g.validators.filter((v) => v.inForce).length;
  const rounds = majorityOf(now) + 1;
  const waits = g.change?.active ? 'It waits until the change in flight is final, then takes' : 'It takes';
  return `${waits} effect when ${plural(majorityOf(now), 'validator')} of ${now} ${majorityOf(now) === 1 ? 'has' : 'have'} sealed on top of it, about ${Math.ceil(rounds * seconds)} s.`;
}

function sizeWarnings(g, size) {
  const out = [];
  if (size < 3) out.push(`With ${plural(size, 'validator')} the network tolerates no failure: while one is down, nothing becomes final.`);
  else if (size % 2 === 0) out.push(`${size} validators tolerate no more failures than ${size - 1} do.`);
  return out;
}

// cascade: what else gets decided when an admin leaves, since fewer votes are needed then
function cascade(g, gone) {
  const left = g.admins.filter((a) => !same(a.address, gone)), needed = majorityOf(left.length), out = [];
  const without = (votes) => votes.filter((v) => !same(v, gone)).length;
  for (const a of left) if (left.length > 1 && without(a.votesAgainst) >= needed) out.push(`${nameIn(g, a.address)} is removed too, since ${plural(needed, 'vote')} will be enough.`);
  for (const p of g.proposals) {
    if (without(p.votesFor) >= needed) out.push(`${nameIn(g, p.address)} becomes an administrator, since ${plural(needed, 'vote')} will be enough.`);
    else if (without(p.votesAgainst) >= needed) out.push(`The proposal of ${nameIn(g, p.address)} is rejected, since ${plural(needed, 'vote')} will be enough.`);
  }
  return out;
}

function removal(g, admin, seconds) {
  const lines = [`${nameIn(g, admin.address)} is removed at once, with every vote that it has cast.`];
  const own = admin.plannedValidators.length, rest = g.validators.filter((v) => v.planned).length - own;
  const warnings = [];
  if (own > 0 && rest < 1) lines.push(`Its ${plural(own, 'validator')} cannot leave, as no other would be left: ${own === 1 ? 'it stays' : 'they stay'} until another administrator adds one.`);
  else if (own > 0) {
    lines.push(`Its ${plural(own, 'validator')} ${own === 1 ? 'leaves' : 'leave'} the set; ${rest} will remain. ${whenInForce(g, seconds)}`);
    warnings.push(...sizeWarnings(g, rest));
  }
  lines.push(`Decisions then need ${plural(majorityOf(g.admins.length - 1), 'vote')} of ${g.admins.length - 1}.`, ...cascade(g, admin.address));
  return { lines, warnings };
}

// preview: {title, lines, warnings}. action: {name, args} as for encodeCall; nodes: /nodes or null
export function preview(g, action, you, { seconds = 2, nodes = null } = {}) {
  const { name, args } = action, [subject] = args, n = g.admins.length;
  const warnings = [], lines = [];
  const still = (votes, what) => `${votes} of ${plural(g.majority, 'vote')} after yours; ${g.majority - votes} more ${g.majority - votes === 1 ? 'is' : 'are'} needed ${what}.`;
  switch (name) {
    case 'proposeAdmin':
      lines.push('You propose this account as an administrator, and vote for it.');
      if (g.majority <= 1) lines.push('You are the only administrator: your vote decides, and it becomes an administrator at once.', `Decisions then need ${plural(majorityOf(n + 1), 'vote')} of ${n + 1}.`);
      else lines.push(still(1, 'to admit it'));
      return { title: `Propose ${args[1] ? `${args[1]} (${short(subject)})` : short(subject)}`, lines, warnings };
    case 'voteFor': {
      const p = find(g.proposals, subject), votes = (p?.votesFor.length ?? 0) + 1;
      if (votes >= g.majority) lines.push('Your vote decides: the account becomes an administrator at once.', `Decisions then need ${plural(majorityOf(n + 1), 'vote')} of ${n + 1}.`);
      else lines.push(still(votes, 'to admit it'));
      return { title: `Vote for ${nameIn(g, subject)}`, lines, warnings };
    }
    case 'voteAgainst': {
      const p = find(g.proposals, subject), a = find(g.admins, subject);
      const votes = ((p ?? a)?.votesAgainst.length ?? 0) + 1;
      if (p) lines.push(votes >= g.majority ? 'Your vote decides: the proposal is rejected.' : still(votes, 'to reject it'));
      else if (a && votes >= g.majority) {
        lines.push('Your vote decides.');
        const r = removal(g, a, seconds);
        lines.push(...r.lines);
        warnings.push(...r.warnings);
      } else lines.push(still(votes, 'to remove it'));
      if (same(subject, you)) warnings.push('This is your own account.');
      return { title: `Vote against ${nameIn(g, subject)}`, lines, warnings };
    }
    case 'rescindVoteFor': {
      const p = find(g.proposals, subject), votes = (p?.votesFor.length ?? 1) - 1;
      lines.push('Your vote for it is taken back.');
      if (votes === 0) lines.push('Nobody else is for it: the proposal is withdrawn.');
      else lines.push(`${votes} of ${plural(g.majority, 'vote')} for it ${votes === 1 ? 'remains' : 'remain'}.`);
      return { title: `Rescind your vote for ${nameIn(g, subject)}`, lines, warnings };
    }
    case 'rescindVoteAgainst': {
      const votes = ((find(g.proposals, subject) ?? find(g.admins, subject))?.votesAgainst.length ?? 1) - 1;
      lines.push('Your vote against it is taken back.', `${votes} of ${plural(g.majority, 'vote')} against it ${votes === 1 ? 'remains' : 'remain'}.`);
      return { title: `Rescind your vote against ${nameIn(g, subject)}`, lines, warnings };
    }
    case 'addValidators': {
      const own = find(g.admins, you)?.plannedValidators.length ?? 0, after = own + subject.length;
      const size = g.validators.filter((v) => v.planned).length + subject.length;
      lines.push(`${plural(subject.length, 'validator')} will seal for you: ${subject.map(short).join(', ')}.`, `You will have ${after} of the ${g.validatorCapacity} that you are allowed; the set will have ${size}.`, whenInForce(g, seconds));
      warnings.push(...sizeWarnings(g, size));
      for (const v of subject) {
        const node = nodes?.nodes.find((x) => same(x.address, v));
        if (!node) warnings.push(`${short(v)} is no node of this deployment: make sure that it runs and holds its key.`);
        else if (node.state === 'unreachable') warnings.push(`${node.hostname || short(v)} does not answer at present.`);
        else if (node.holdsKey === false) warnings.push(`${node.hostname || short(v)} does not prove that it holds the key of ${short(v)}.`);
        else if (Math.abs(node.clockOffsetMs ?? 0) > seconds * 500) warnings.push(`The clock of ${node.hostname || short(v)} is ${(Math.abs(node.clockOffsetMs) / 1000).toFixed(1)} s ${node.clockOffsetMs < 0 ? 'behind' : 'ahead'}: half a step is the most.`);
        else if (node.state === 'syncing') warnings.push(`${node.hostname || short(v)} is still catching up with the chain.`);
      }
      return { title: subject.length === 1 ? `Add validator ${short(subject[0])}` : `Add ${subject.length} validators`, lines, warnings };
    }
    case 'removeValidators': {
      const size = g.validators.filter((v) => v.planned && !has(subject, v.address)).length;
      lines.push(`${subject.map(short).join(', ')} will no longer seal; ${size} will remain in the set.`, whenInForce(g, seconds));
      warnings.push(...sizeWarnings(g, size));
      return { title: subject.length === 1 ? `Remove validator ${short(subject[0])}` : `Remove ${subject.length} validators`, lines, warnings };
    }
    case 'updateAdminAlias':
      return { title: 'Change your alias', lines: [subject ? `You will be shown as “${subject}”.` : 'You will be shown without an alias.'], warnings };
    case 'setConsortiumName':
      return { title: 'Rename the consortium', lines: [`All members will see “${subject}”.`], warnings };
    case 'startNextChange':
      return { title: 'Announce what waits', lines: [`${plural(g.change?.queued ?? 0, 'validator')} will join or leave. ${whenInForce(g, seconds)}`], warnings };
    case 'reemitChange':
      return { title: 'Announce the change again', lines: ['The same set is announced once more, in case that clients lost the first signal. It does no harm.'], warnings };
    default:
      return { title: name, lines: [], warnings };
  }
}

const REASONS = {
  'caller is not an admin': 'Your account is not an administrator of this network, so it cannot decide anything here.',
  'zero address': 'The zero address belongs to nobody and cannot be an administrator.',
  'already an admin': 'This account is an administrator already.',
  'already proposed': 'This account is proposed already: vote for it instead.',
  'too many open proposals': 'You have as many open proposals as one administrator may have (16, fewer among more than 32 administrators). Rescind one first.',
  'neither admin nor proposed': 'This account is neither an administrator nor proposed any more. The question may have been decided meanwhile.',
  'the last admin must stay': 'The last administrator cannot be removed.',
  'rescind your vote for it first': 'You have voted for it: rescind that vote before you vote against it.',
  'rescind the vote against first': 'You have voted against it: rescind that vote before you vote for it.',
  'already voted': 'You have voted so already.',
  'not proposed': 'This account is not proposed any more. The question may have been decided meanwhile.',
  'no such vote': 'You have no such vote to take back. The question may have been decided meanwhile.',
  'text too long': 'The text is too long: 256 bytes are allowed.',
  'nothing to change': 'There is nothing to change.',
  'over the validator capacity': 'You would have more validators than each administrator is allowed. Remove one first.',
  'the last validator must stay': 'The last validator must stay, or the network would halt.',
  'not a validator address': 'This is not an address that a validator can have.',
  'already a validator': 'This address is a validator already.',
  'its removal is not final yet': 'This validator is just leaving. Add it again when that is final.',
  'not your validator': 'This validator belongs to another administrator.',
  'already leaving': 'This validator is leaving already.',
  'nothing to settle': 'Nothing waits any more: someone was faster.',
  'a change is in flight': 'A change is in flight. Try again when it is final.',
  'no change is queued': 'Nothing waits any more: someone was faster.',
  'no change is in flight': 'No change is in flight any more.',
  'too early to announce again': 'It is too early to announce the change again: the first signal may still be followed.',
};

// explain: a plain sentence for what went wrong with a transaction or a call
export function explain(error, reason) {
  if (reason && REASONS[reason]) return REASONS[reason];
  if (reason) return `The contract refuses: ${reason}.`;
  const code = error?.code, text = error?.message ?? String(error);
  if (code === 4001 || code === 'ACTION_REJECTED' || /user (rejected|denied)/i.test(text)) return 'You refused in the wallet. Nothing was sent.';
  if (code === -32002) return 'Your wallet has a question open already. Answer it there first.';
  if (code === 4100) return 'Your wallet does not let this page use the account. Connect it again.';
  if (code === 4900 || code === 4901) return 'Your wallet is not connected with the network.';
  if (/nonce too (low|high)/i.test(text)) return 'Your wallet counts transactions wrongly for this network, which happens when a network is made anew: reset the account in the wallet (Settings, Advanced, Clear activity data).';
  if (/insufficient funds/i.test(text)) return 'Your account cannot pay the fee that the wallet chose. On this network a gas price of 0 is accepted: set it in the wallet.';
  if (/already known|already imported/i.test(text)) return 'This transaction was sent already. Wait for it.';
  if (/chain ?id/i.test(text)) return 'Your wallet signs for another network. Switch it to this one.';
  if (error?.unreachable) return 'The RPC endpoint of this member cannot be reached from your browser. Nothing was sent.';
  return text.length > 300 ? text.slice(0, 300) + '…' : text;
}
