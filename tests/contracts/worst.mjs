// The dearest removal that a minority can prepare: half of the admins less one propose as much as they may, vote on everything, and the honest ones
// are one vote short of rejecting every proposal; then one of the hostile ones is voted out. It must fit into a block, and what follows into others.
import { Chain, account, validator } from './chain.mjs';

export async function worstRemoval(count) {
  const chain = await Chain.create({ args: [account(0), [validator(0)], 2, 'm'], hardfork: 'prague' });
  const must = async (from, name, args) => {
    const r = await chain.send(from, name, args);
    if (r.error) throw new Error(`${name}: ${r.error}`);
    return r;
  };
  await chain.open();
  for (let n = 1; n < count; n++) {
    await must(account(0), 'proposeAdmin', [account(n), `member ${n}`]);
    for (let i = 1; i <= n / 2; i++) await must(account(i), 'voteFor', [account(n)]);
  }
  const hostile = Array.from({ length: Math.ceil(count / 2) - 1 }, (_, i) => count - 1 - i), victim = hostile[0], needed = await chain.view('getMajority');
  let made = 0;
  for (const h of hostile) {
    for (;;) {
      const what = account(20000 + made);
      if ((await chain.send(account(h), 'proposeAdmin', [what, 'spam'])).error) break;
      made++;
      // one vote short of rejection now, and no longer once the majority is one less; the victim's own vote has to be taken back first
      const voters = [...hostile.filter((o) => o !== h && o !== victim), ...Array.from({ length: count - hostile.length }, (_, i) => i)].slice(0, needed - 1);
      for (const o of voters) await must(account(o), 'voteAgainst', [what]);
      if (h !== victim) await must(account(victim), 'voteFor', [what]);
    }
  }
  for (let i = 0; i < count - hostile.length - 1; i++) await must(account(victim), 'voteAgainst', [account(i)]);
  for (let i = 0; i < needed - 1; i++) await must(account(i), 'voteAgainst', [account(victim)]);
  const deciding = await chain.send(account(needed - 1), 'voteAgainst', [account(victim)]);
  if (deciding.error) throw new Error(`the deciding vote: ${deciding.error}`);
  let dearest = 0, steps = 0;
  while (await chain.view('hasUnsettledDecisions')) {
    const r = await must(account(1000000), 'settleDecisions', []);
    dearest = Math.max(dearest, r.gas);
    steps++;
  }
  return { made, gas: deciding.gas, dearest, steps, left: await chain.view('getProposedCount') };
}
