// Random walks of the contract beside the model: after each transaction its outcome, its events and the views must agree.
import assert from 'node:assert/strict';
import { Chain, SYSTEM, ZERO, account, validator } from './chain.mjs';
import { Model, Refused } from './model.mjs';

/** Small repeatable generator (xorshift, 32 bits). */
export const generator = (seed) => {
  let x = seed >>> 0 || 1;
  const next = () => {
    x ^= x << 13;
    x >>>= 0;
    x ^= x >>> 17;
    x ^= x << 5;
    x >>>= 0;
    return x;
  };
  for (let i = 0; i < 8; i++) next();
  const below = (n) => next() % n;
  return { below, chance: (percent) => below(100) < percent, pick: (list) => list[below(list.length)] };
};

const sorted = (list) => [...list].sort();
const without = (list, other) => list.filter((item) => !other.includes(item));
/** Lists of addresses compare as sets, and the parent hash of a signal is the chain's matter. */
const comparable = (events) =>
  events.map(([name, ...args]) => [name, ...(name === 'InitiateChange' ? args.slice(-1) : args).map((x) => (Array.isArray(x) ? sorted(x) : x))]);

async function compareGlobal(chain, model) {
  const { s } = model;
  assert.deepEqual(await chain.view('getAdmins'), s.admins, 'getAdmins');
  assert.deepEqual(await chain.view('getProposedAdmins'), s.proposals, 'getProposedAdmins');
  assert.deepEqual(sorted(await chain.view('getValidators')), sorted(s.active), 'getValidators');
  assert.deepEqual(sorted(await chain.view('getPendingValidators')), sorted(s.planned), 'getPendingValidators');
  const [active, id, signalBlock, newSet, queued, reemitBlock] = await chain.view('getChangeInfo');
  assert.deepEqual([active, id, signalBlock, sorted(newSet), queued, reemitBlock],
    [s.flight !== null, s.id, s.signalBlock, sorted(model.signalled()), model.waiting(), s.flight ? model.reemitFrom() : 0], 'getChangeInfo');
  const [joining, leaving] = await chain.view('getQueuedChange');
  assert.deepEqual([sorted(joining), sorted(leaving)], [sorted(model.joining()), sorted(model.leaving())], 'getQueuedChange');
}

async function compareCounts(chain, model) {
  const { s } = model;
  assert.equal(await chain.view('getAdminCount'), s.admins.length);
  assert.equal(await chain.view('getProposedCount'), s.proposals.length);
  assert.equal(await chain.view('getMajority'), model.majority());
  assert.equal(await chain.view('isChangeInFlight'), s.flight !== null);
  assert.equal(await chain.view('hasUnsettledDecisions'), s.unsettled);
  assert.equal(await chain.view('getValidatorCapacity'), s.capacity);
  assert.equal(await chain.view('getConsortiumName'), s.name);
  assert.deepEqual(sorted(await chain.view('getOrphanedValidators')), sorted(model.plannedOf(ZERO)));
}

async function compareAccount(chain, model, who, other) {
  const { s } = model;
  const votesFor = s.votesFor[who] ?? [];
  const votesAgainst = s.votesAgainst[who] ?? [];
  assert.equal(await chain.view('isAdmin', [who]), s.admins.includes(who), 'isAdmin');
  assert.equal(await chain.view('isProposed', [who]), s.proposals.includes(who), 'isProposed');
  assert.equal(await chain.view('getProposer', [who]), s.proposer[who] ?? ZERO, 'getProposer');
  assert.equal(await chain.view('getAliasForAdmin', [who]), s.alias[who] ?? '', 'getAliasForAdmin');
  assert.equal(await chain.view('countOfVotesFor', [who]), votesFor.length, 'countOfVotesFor');
  assert.equal(await chain.view('countOfVotesAgainst', [who]), votesAgainst.length, 'countOfVotesAgainst');
  assert.deepEqual(await chain.view('whoHasVotedFor', [who]), votesFor, 'whoHasVotedFor');
  assert.deepEqual(await chain.view('whoHasVotedAgainst', [who]), votesAgainst, 'whoHasVotedAgainst');
  assert.equal(await chain.view('hasAlreadyVotedFor', [who], other), votesFor.includes(other), 'hasAlreadyVotedFor');
  assert.equal(await chain.view('hasAlreadyVotedAgainst', [who], other), votesAgainst.includes(other), 'hasAlreadyVotedAgainst');
  assert.deepEqual(sorted(await chain.view('getAdminValidators', [who])), sorted(model.activeOf(who)), 'getAdminValidators');
  assert.deepEqual(sorted(await chain.view('getPendingAdminValidators', [who])), sorted(model.plannedOf(who)), 'getPendingAdminValidators');
}

async function compareValidator(chain, model, v) {
  const { s } = model;
  assert.deepEqual(await chain.view('getValidatorInfo', [v]), [s.owner[v] ?? ZERO, s.active.includes(v), s.planned.includes(v)]);
  assert.equal(await chain.view('isValidator', [v]), s.active.includes(v));
}

/** What must hold whatever happened. */
function checkInvariants(model) {
  const { s } = model;
  assert.ok(s.admins.length >= 1 && s.active.length >= 1 && s.planned.length >= 1);
  for (const admin of s.admins) {
    assert.ok(model.plannedOf(admin).length <= s.capacity && model.activeOf(admin).length <= s.capacity, 'capacity');
  }
  const orphans = model.plannedOf(ZERO).length;
  assert.ok(orphans === 0 || orphans === s.planned.length, 'orphans stay only where they are alone');
  if (s.unsettled) return;
  for (const who of s.proposals) assert.ok(s.votesFor[who].length > 0 && s.votesFor[who].length < model.majority());
  if (s.admins.length > 1) for (const who of s.admins) assert.ok((s.votesAgainst[who] ?? []).length < model.majority());
}

export async function walk({ seed, steps, hardfork, full }) {
  const { below, chance, pick } = generator(seed);
  const accounts = Array.from({ length: 4 + below(6) }, (_, i) => account(i + 1));
  const validators = Array.from({ length: 4 + below(12) }, (_, i) => validator(i + 1));
  const capacity = 1 + below(4);
  const first = validators.slice(0, 1 + below(Math.min(capacity, 3)));
  const chain = await Chain.create({ args: [accounts[0], first, capacity, 'first'], hardfork, firstSignalOnly: chance(50) });
  const model = new Model(accounts[0], first, capacity, 'first');
  const lossy = chance(30); // clients that lose signals now and then
  const friendly = 20 + below(60); // percent of votes that are for
  const coverage = {};

  const few = (list) => Array.from({ length: 1 + below(3) }, () => pick(list));
  const some = (list) => (list.length && chance(85) ? [...new Set(few(list))] : chance(10) ? [] : few(validators));
  const operation = () => {
    const { s } = model;
    const from = chance(95) ? pick(s.admins) : pick(accounts);
    const kind = below(100);
    const fresh = without(validators, s.planned);
    const own = model.plannedOf(from);
    const target = () => (chance(90) ? pick(accounts) : pick([ZERO, SYSTEM, from]));
    if (kind < 12) return [from, 'proposeAdmin', [target(), `alias ${below(100)}`]];
    if (kind < 50) {
      if (chance(friendly)) return [from, 'voteFor', [s.proposals.length && chance(90) ? pick(s.proposals) : target()]];
      return [from, 'voteAgainst', [chance(80) ? pick([...s.admins, ...s.proposals]) : target()]];
    }
    if (kind < 58) {
      const name = pick(['votesFor', 'votesAgainst']);
      const cast = Object.entries(s[name]).flatMap(([who, voters]) => voters.map((voter) => [voter, who]));
      const [voter, who] = cast.length && chance(85) ? pick(cast) : [from, target()];
      return [voter, name === 'votesFor' ? 'rescindVoteFor' : 'rescindVoteAgainst', [who]];
    }
    if (kind < 70) return [from, 'addValidators', [some(fresh)]];
    if (kind < 78) return [from, 'removeValidators', [some(own)]];
    if (kind < 88) return [from, 'replaceValidators', [some(own), some(fresh)]];
    if (kind < 90) return [from, 'updateAdminAlias', ['x'.repeat(pick([0, 5, 31, 32, 256, 257]))]];
    if (kind < 92) return [from, 'setConsortiumName', ['y'.repeat(pick([1, 40, 256, 300]))]];
    if (kind < 95) return [pick(accounts), 'startNextChange', []];
    if (kind < 97) return [from, 'announceValidators', []];
    return [pick(accounts), chance(80) ? 'reemitChange' : 'settleDecisions', []];
  };
  const act = async (from, name, args) => {
    trace.push(`block ${chain.number} ${from.slice(-4)} ${name} ${JSON.stringify(args)}`);
    let expected = null;
    let reason = null;
    try {
      expected = model.run(from, name, args, chain.number);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      reason = error.message;
    }
    const { error, events } = await chain.send(from, name, args);
    assert.equal(error, reason, 'outcome');
    if (!error) assert.deepEqual(comparable(events), comparable(expected), 'events');
    const key = error ?? `${name} done`;
    for (const what of [key, ...(expected ?? []).map(([event]) => event)]) coverage[what] = (coverage[what] ?? 0) + 1;
    checkInvariants(model);
  };

  let done = 0;
  const trace = [];
  try {
    // Some walks begin with several admins, some of which have validators.
    await chain.open();
    model.finalizeChange();
    for (const who of accounts.slice(1, 1 + below(accounts.length))) {
      await act(accounts[0], 'proposeAdmin', [who, 'early']);
      for (const voter of model.s.admins.slice(1)) if (model.s.proposals.includes(who)) await act(voter, 'voteFor', [who]);
      const fresh = without(validators, model.s.planned);
      if (fresh.length && chance(60)) await act(who, 'addValidators', [[pick(fresh)]]);
    }
    await chain.seal();
    while (done < steps) {
      if (await chain.open()) model.finalizeChange();
      for (let n = below(4); n > 0 && done < steps; n--, done++) {
        const [from, name, args] = operation();
        await act(from, name, args);
        await compareGlobal(chain, model);
        if (full || done % 40 === 0) {
          await compareCounts(chain, model);
          for (const who of accounts) await compareAccount(chain, model, who, pick(accounts));
          for (const v of validators) await compareValidator(chain, model, v);
        } else {
          const touched = [from, pick(accounts), ...(/Vote|vote|proposeAdmin/.test(name) ? args.slice(0, 1) : [])];
          for (const who of new Set(touched)) await compareAccount(chain, model, who, from);
          await compareValidator(chain, model, pick([...args.flat(), ...validators].filter((v) => validators.includes(v))));
        }
      }
      const sleeping = chance(20) ? pick(chain.clientSet) : null;
      const online = (v) => v !== sleeping || chain.clientSet.length < 3;
      const loseSignal = lossy && chance(30);
      await chain.seal({ online, loseSignal });
      if (!model.s.flight && !chain.epochBegins) assert.deepEqual(await chain.view('getValidators'), chain.clientSet, 'clients and contract agree, in order');
    }
    // Whatever happened, the network gets to rest: every queued change becomes final, re-announced if its signal was lost.
    for (let blocks = 0; model.s.flight || model.waiting(); blocks++) {
      assert.ok(blocks < 2000, 'the queue drains');
      if (await chain.open()) model.finalizeChange();
      const name = model.s.flight ? 'reemitChange' : 'startNextChange';
      if (model.s.flight ? chain.number >= model.reemitFrom() : model.waiting()) {
        model.run(accounts[0], name, [], chain.number);
        assert.equal((await chain.send(accounts[0], name)).error, null);
      }
      await chain.seal();
    }
    await compareGlobal(chain, model);
    assert.deepEqual(await chain.view('getValidators'), chain.clientSet, 'clients and contract agree at rest');
  } catch (error) {
    error.message += `\nseed ${seed}, step ${done}, ${hardfork}; last operations:\n${trace.slice(-12).join('\n')}`;
    throw error;
  }
  return coverage;
}
