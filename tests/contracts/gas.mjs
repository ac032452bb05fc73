// The gas table of orchestrator/contracts/GAS.md: what each operation costs in networks of several sizes.
import assert from 'node:assert/strict';
import { Chain, account, artefact, validator } from './chain.mjs';
import { worstRemoval } from './worst.mjs';

/** `admins` admins with `each` validators apiece, everything final. */
async function network(admins, each) {
  const own = (n) => Array.from({ length: each }, (_, i) => validator(n * 100 + i));
  const chain = await Chain.create({ args: [account(0), own(0), each + 5, 'member 0'], hardfork: 'prague' });
  for (let n = 1; n < admins; n++) {
    await chain.open();
    await chain.send(account(0), 'proposeAdmin', [account(n), `member ${n}`]);
    for (let i = 1; i <= n / 2; i++) await chain.send(account(i), 'voteFor', [account(n)]);
    await chain.send(account(n), 'addValidators', [own(n)]);
    await chain.seal();
  }
  do await chain.settle(); while ((await chain.mine(account(0), 'startNextChange')).error === null);
  assert.equal((await chain.view('getValidators')).length, admins * each);
  return chain;
}

async function measure(admins, each) {
  const chain = await network(admins, each);
  const rows = {};
  const A = account(0);
  const B = account(1);
  const cost = async (label, from, name, ...args) => {
    const { error, gas } = await chain.mine(from, name, args);
    assert.equal(error, null, label);
    if (label) rows[label] = gas;
  };
  const fresh = account(9000);
  const needed = await chain.view('getMajority');
  rows['deployment (runs in genesis, costs nothing)'] = chain.creation.gas;
  await cost('proposeAdmin', A, 'proposeAdmin', fresh, 'a new member');
  await cost('voteFor', B, 'voteFor', fresh);
  await cost('rescindVoteFor', B, 'rescindVoteFor', fresh);
  for (let i = 1; i < needed - 1; i++) await cost(null, account(i), 'voteFor', fresh);
  await cost('voteFor that admits', account(needed - 1), 'voteFor', fresh);
  await cost('voteAgainst', A, 'voteAgainst', B);
  await cost('rescindVoteAgainst', A, 'rescindVoteAgainst', B);
  await cost('updateAdminAlias', A, 'updateAdminAlias', 'another name');
  await cost('setConsortiumName', A, 'setConsortiumName', 'Our Consortium');
  await cost('addValidators, one, starts a change', A, 'addValidators', [validator(80000)]);
  await cost('addValidators, one, queued', B, 'addValidators', [validator(80001)]);
  await chain.settle();
  await cost('startNextChange, one queued', B, 'startNextChange');
  await chain.settle();
  await cost('replaceValidators, one for one', A, 'replaceValidators', [validator(80000)], [validator(80002)]);
  await chain.settle();
  await cost('removeValidators, one', A, 'removeValidators', [validator(80002)]);
  for (let i = 0; i < 2; i++) await chain.mine();
  await chain.settle();
  await cost('addValidators, four', A, 'addValidators', [0, 1, 2, 3].map((i) => validator(80100 + i)));
  await chain.settle();
  const votes = await chain.view('getMajority');
  for (let i = 0; i < votes - 1; i++) await cost(null, account(i), 'voteAgainst', account(admins - 1));
  await cost('voteAgainst that removes an admin and its validators', account(votes - 1), 'voteAgainst', account(admins - 1));
  await chain.settle();
  await cost('announceValidators', A, 'announceValidators');
  const from = (await chain.view('getChangeInfo'))[5];
  chain.signals = [];
  while (chain.number < from - 1) {
    await chain.open();
    chain.number = Math.max(chain.number, from - 2);
    chain.window = [];
  }
  await cost('reemitChange', B, 'reemitChange');
  return rows;
}

export async function gasTable() {
  const sizes = [[4, 2], [10, 4], [25, 4], [100, 2]];
  const results = [];
  for (const [admins, each] of sizes) results.push(await measure(admins, each));
  const worst = [];
  for (const admins of [10, 30, 100]) worst.push({ admins, ...(await worstRemoval(admins)) });
  const { bytecode, deployedBytecode, compiler } = artefact('AdminValidatorSet');
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [
    '# Gas of the governance contract',
    '',
    `Written by \`node tests/contracts/run.mjs --gas orchestrator/contracts/GAS.md\`; ${compiler}, run by the rules of Prague.`,
    `Creation code ${bytecode.length / 2 - 1} bytes, code ${deployedBytecode.length / 2 - 1} bytes. Each number is the gas that a transaction uses, all in.`,
    '',
    line(['Operation', ...sizes.map(([admins, each]) => `${admins} admins, ${admins * each} validators`)]),
    line(['---', ...sizes.map(() => '---:')]),
    ...Object.keys(results[0]).map((label) => line([label, ...results.map((rows) => rows[label].toLocaleString('en'))])),
    '',
    'What starts a change grows with the number of validators, since the signal carries the whole set. Nothing grows with history. Times at the',
    'largest of these sizes are in SCALE.md.',
    '',
    'The dearest removal that a minority can prepare (tests/contracts/worst.mjs): half of the admins less one have made as many proposals as they may, and',
    'each is one vote short of being rejected. A block has 50,000,000 gas.',
    '',
    line(['Admins', 'Open proposals', 'Deciding vote', 'Dearest transaction that goes on', 'Transactions until all is settled']),
    line(['---:', '---:', '---:', '---:', '---:']),
    ...worst.map((w) => line([w.admins, w.made, w.gas, w.dearest, w.steps].map((n) => n.toLocaleString('en')))),
    '',
  ].join('\n');
}
