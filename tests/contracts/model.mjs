// What AdminValidatorSet must do, said a second time with plain lists: no change numbers, no records, no gas.
// An operation either throws Refused with the reason, or returns the events that the contract must emit.
import { SYSTEM, ZERO } from './chain.mjs';

export class Refused extends Error {}
const need = (condition, reason) => {
  if (!condition) throw new Refused(reason);
};

/** Members in an order that the contract promises: the last one fills the gap of a removed one. */
const drop = (list, item) => {
  const at = list.indexOf(item);
  if (at < 0) return false;
  list[at] = list[list.length - 1];
  list.pop();
  return true;
};
const without = (list, other) => list.filter((item) => !other.includes(item));

export class Model {
  constructor(admin, validators, capacity, alias) {
    this.s = {
      admins: [admin], proposals: [], proposer: {}, open: {}, alias: { [admin]: alias }, name: 'Proof of Authority Consortium',
      votesFor: {}, votesAgainst: {}, votedOn: {}, unsettled: false,
      capacity, active: [...validators], flight: null, planned: [...validators],
      owner: Object.fromEntries(validators.map((v) => [v, admin])),
      id: 1, signalBlock: 0,
    };
  }

  /** Runs an operation as a transaction of `from` in block `block`: state changes only when it is not refused. */
  run(from, name, args, block) {
    const before = structuredClone(this.s);
    this.events = [];
    this.from = from;
    this.block = block;
    try {
      this[name](...args);
      return this.events;
    } catch (error) {
      this.s = before;
      throw error;
    }
  }

  emit(...event) {
    this.events.push(event);
  }

  // ---- admins ----
  list(kind, key) {
    return (this.s[kind][key] ??= []);
  }
  majority() {
    return Math.floor(this.s.admins.length / 2) + 1;
  }
  onlyAdmin() {
    need(this.s.admins.includes(this.from), 'caller is not an admin');
  }
  setAlias(who, alias) {
    need(Buffer.byteLength(alias) <= 256, 'text too long');
    this.s.alias[who] = alias;
    this.emit('AliasChanged', who, alias);
  }
  proposeAdmin(who, alias) {
    this.onlyAdmin();
    need(who !== ZERO, 'zero address');
    need(!this.s.admins.includes(who), 'already an admin');
    need(!this.s.proposals.includes(who), 'already proposed');
    const open = (this.s.open[this.from] ?? 0) + 1;
    need(open === 1 || (open <= 16 && open * this.s.admins.length <= 512), 'too many open proposals');
    this.s.open[this.from] = open;
    this.s.proposals.push(who);
    this.s.proposer[who] = this.from;
    this.emit('AdminProposed', who);
    this.setAlias(who, alias);
    this.castFor(who);
    this.conclude();
  }
  castFor(who) {
    need(this.s.proposals.includes(who), 'not proposed');
    need(!this.list('votesAgainst', who).includes(this.from), 'rescind the vote against first');
    need(!this.list('votesFor', who).includes(this.from), 'already voted');
    this.list('votesFor', who).push(this.from);
    this.list('votedOn', this.from).push(who);
    this.emit('VoteCast', this.from, who, true, this.list('votesFor', who).length, this.majority());
    if (this.list('votesFor', who).length >= this.majority()) this.judge(who);
  }
  voteFor(who) {
    this.onlyAdmin();
    this.castFor(who);
    this.conclude();
  }
  voteAgainst(who) {
    this.onlyAdmin();
    const member = this.s.admins.includes(who);
    need(member || this.s.proposals.includes(who), 'neither admin nor proposed');
    need(!member || this.s.admins.length > 1, 'the last admin must stay');
    need(!this.list('votesFor', who).includes(this.from), 'rescind your vote for it first');
    need(!this.list('votesAgainst', who).includes(this.from), 'already voted');
    this.list('votesAgainst', who).push(this.from);
    this.list('votedOn', this.from).push(who);
    this.emit('VoteCast', this.from, who, false, this.list('votesAgainst', who).length, this.majority());
    const effort = this.effort(who), needed = this.majority();
    const removed = this.list('votesAgainst', who).length >= needed && this.judge(who) && member;
    this.conclude(this.majority() < needed, removed ? effort : 0);
  }
  /** Carries out what has been decided about one subject. */
  judge(who) {
    const needed = this.majority();
    const lost = this.list('votesAgainst', who).length >= needed;
    if (this.s.admins.includes(who)) {
      if (!lost || this.s.admins.length === 1) return false;
      this.expel(who);
    } else if (lost) {
      this.end(who);
      delete this.s.alias[who];
      this.emit('ProposalRejected', who);
    } else if (this.s.proposals.includes(who) && this.list('votesFor', who).length >= needed) {
      this.end(who);
      this.s.admins.push(who);
      this.emit('AdminAdded', who);
    } else {
      return false;
    }
    return true;
  }
  /** Decided subjects in the order in which the contract looks. */
  decided() {
    const needed = this.majority();
    return [
      ...this.s.admins.filter((who) => this.s.admins.length > 1 && this.list('votesAgainst', who).length >= needed),
      ...this.s.proposals.filter((who) => this.list('votesFor', who).length >= needed || this.list('votesAgainst', who).length >= needed),
    ];
  }
  /** Votes that a decision clears away, at most. */
  effort(who) {
    const votes = this.list('votesFor', who).length + this.list('votesAgainst', who).length;
    return this.s.admins.includes(who) ? votes + this.list('votedOn', who).length + (this.s.open[who] ?? 0) * this.majority() : votes;
  }
  judgeAll(spent) {
    for (let who = this.decided()[0]; who; who = this.decided()[0]) {
      const more = this.effort(who);
      if (spent && spent + more > 256) {
        this.s.unsettled = true;
        return;
      }
      spent += more;
      this.judge(who);
    }
    this.s.unsettled = false;
  }
  conclude(due = false, spent = 0) {
    if (due || this.s.unsettled) this.judgeAll(spent);
    this.advance();
  }
  settleDecisions() {
    need(this.s.unsettled, 'nothing to settle');
    this.conclude();
  }
  end(who) {
    drop(this.s.proposals, who);
    this.s.open[this.s.proposer[who]]--;
    delete this.s.proposer[who];
    this.forgetVotesOn(who);
  }
  forgetVotesOn(who) {
    for (const kind of ['votesFor', 'votesAgainst']) {
      for (const voter of [...this.list(kind, who)].reverse()) drop(this.list('votedOn', voter), who);
      delete this.s[kind][who];
    }
  }
  takeBack(voter, who) {
    drop(this.list('votedOn', voter), who);
    const isFor = drop(this.list('votesFor', who), voter);
    if (!isFor) drop(this.list('votesAgainst', who), voter);
    const votes = this.list(isFor ? 'votesFor' : 'votesAgainst', who).length;
    this.emit('VoteRescinded', voter, who, isFor, votes, this.majority());
    if (!isFor || votes) return;
    this.end(who);
    delete this.s.alias[who];
    this.emit('ProposalWithdrawn', who);
  }
  expel(who) {
    drop(this.s.admins, who);
    this.forgetVotesOn(who);
    while (this.list('votedOn', who).length) this.takeBack(who, this.list('votedOn', who).at(-1));
    delete this.s.alias[who];
    this.emit('AdminRemoved', who);
    const theirs = this.plannedOf(who);
    if (!theirs.length) return;
    if (theirs.length === this.s.planned.length) {
      for (const v of theirs) this.s.owner[v] = ZERO;
      this.emit('ValidatorsOrphaned', who, theirs);
    } else {
      for (const v of theirs) this.unplan(who, v);
      this.emit('ValidatorsRemoved', who, theirs);
      this.noteQueue();
    }
  }
  rescindVoteFor(who) {
    this.onlyAdmin();
    need(this.list('votesFor', who).includes(this.from), 'no such vote');
    this.takeBack(this.from, who);
    this.conclude();
  }
  rescindVoteAgainst(who) {
    this.onlyAdmin();
    need(this.list('votesAgainst', who).includes(this.from), 'no such vote');
    this.takeBack(this.from, who);
    this.conclude();
  }
  updateAdminAlias(alias) {
    this.onlyAdmin();
    this.setAlias(this.from, alias);
    this.conclude();
  }
  setConsortiumName(name) {
    this.onlyAdmin();
    need(Buffer.byteLength(name) <= 256, 'text too long');
    this.s.name = name;
    this.emit('ConsortiumNameChanged', this.from, name);
    this.conclude();
  }

  // ---- validators ----
  /** The set that clients know to be next, or have. */
  signalled() {
    return this.s.flight ?? this.s.active;
  }
  plannedOf(admin) {
    return this.s.planned.filter((v) => this.s.owner[v] === admin);
  }
  activeOf(admin) {
    return this.s.active.filter((v) => this.s.owner[v] === admin);
  }
  joining() {
    return without(this.s.planned, this.signalled());
  }
  leaving() {
    return without(this.signalled(), this.s.planned);
  }
  waiting() {
    return this.joining().length + this.leaving().length;
  }
  unplan(admin, v) {
    need(this.s.owner[v] === admin, 'not your validator');
    need(this.s.planned.includes(v), 'already leaving');
    this.s.planned = without(this.s.planned, [v]);
    this.forgetUnused();
  }
  plan(admin, v) {
    need(v !== ZERO && v !== SYSTEM, 'not a validator address');
    need(!this.s.planned.includes(v), 'already a validator');
    if (this.s.owner[v] !== undefined) {
      need(this.signalled().includes(v) && this.s.owner[v] === admin, 'its removal is not final yet');
    }
    this.s.owner[v] = admin;
    this.s.planned.push(v);
  }
  forgetUnused() {
    const used = [...this.s.active, ...this.signalled(), ...this.s.planned];
    for (const v of Object.keys(this.s.owner)) if (!used.includes(v)) delete this.s.owner[v];
  }
  replaceValidators(leaving, joining) {
    this.onlyAdmin();
    need(leaving.length + joining.length, 'nothing to change');
    for (const v of leaving) this.unplan(this.from, v);
    for (const v of joining) this.plan(this.from, v);
    need(!joining.length || this.plannedOf(this.from).length <= this.s.capacity, 'over the validator capacity');
    need(this.s.planned.length, 'the last validator must stay');
    if (leaving.length) this.emit('ValidatorsRemoved', this.from, leaving);
    if (joining.length) this.emit('ValidatorsAdded', this.from, joining);
    const orphans = this.plannedOf(ZERO);
    if (joining.length && orphans.length && orphans.length < this.s.planned.length) {
      for (const v of orphans) this.unplan(ZERO, v);
      this.emit('ValidatorsRemoved', ZERO, orphans);
    }
    this.noteQueue();
    this.advance();
  }
  addValidators(joining) {
    if (this.s.admins.includes(this.from)) this.emit('AddValidatorCalled', this.from);
    this.replaceValidators([], joining);
  }
  removeValidators(leaving) {
    this.replaceValidators(leaving, []);
  }
  noteQueue() {
    if (this.s.flight) this.emit('ChangeQueued', this.s.id + 1, this.waiting());
  }
  advance() {
    if (!this.s.flight && this.waiting()) this.announce();
  }
  announce() {
    this.s.flight = [...this.s.planned];
    this.s.id++;
    this.s.signalBlock = this.block;
    this.emit('ChangeStarted', this.s.id, this.s.flight.length);
    this.emit('InitiateChange', this.s.flight);
  }
  startNextChange() {
    need(!this.s.flight, 'a change is in flight');
    need(this.waiting(), 'no change is queued');
    this.announce();
  }
  announceValidators() {
    this.onlyAdmin();
    need(!this.s.flight, 'a change is in flight');
    this.announce();
  }
  reemitFrom() {
    return this.s.signalBlock + 2 * this.s.active.length + 11;
  }
  reemitChange() {
    need(this.s.flight, 'no change is in flight');
    need(this.block >= this.reemitFrom(), 'too early to announce again');
    this.s.signalBlock = this.block;
    this.emit('ChangeReemitted', this.s.id);
    this.emit('InitiateChange', this.s.flight);
  }
  finalizeChange() {
    if (!this.s.flight) return;
    this.s.active = this.s.flight;
    this.s.flight = null;
    this.forgetUnused();
  }
}
