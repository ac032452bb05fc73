// What a block costs as the state grows: the same blocks of transfers to random accounts, on states of 10^4, 10^5 and 10^6 accounts, exported by the
// validator that sealed them and imported by a new node, stage by stage.
import { account, importRun, showRun, specText, withChain } from './chains.mjs';
import { median, round, say } from './report.mjs';

export async function state({ runs = 3, count = 5000, sizes = [1e4, 1e5, 1e6], blocks = 10 } = {}) {
  const out = { runs, blocks, count, sizes: {} };
  for (const n of sizes) {
    const transaction = (k) => ({ gasLimit: 21000, to: account(Number(BigInt(k) * 2654435761n % BigInt(n))), value: 1 });
    const list = await withChain({ text: specText(n), blocks, per: Math.ceil(count / blocks), transaction }, async (chain) => {
      const l = [];
      for (let i = 0; i < runs; i++) l.push(await importRun(chain));
      return l;
    });
    list.sort((a, b) => a.seconds - b.seconds);
    out.sizes[n] = { ...list[list.length >> 1], cpu_us_per_tx: round(median(list.map((r) => r.cpu_us_per_tx)), 1) };
    say(`state: ${n} accounts: ${showRun(out.sizes[n])}`);
  }
  return out;
}
