// Chains made for import: a validator seals prepared blocks, its chain is exported (poa-node --export) and taken by new nodes (--import), stage by stage.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Wallet, id } from 'ethers';
import { bin, makeNode, rpc, sleep, spec, startNode, wallet } from './single.mjs';

export const CHAIN = 10101, SENDERS = 50;
export const senders = Array.from({ length: SENDERS }, (_, i) => new Wallet(id(`poa-bench/state/${i}`)));
// account: the i-th of a large state, scattered
export const account = (i) => '0x' + (BigInt(i) * 0x9e3779b97f4a7c15f39cc0605cedc8341082276bn & ((1n << 160n) - 1n) | 1n << 159n).toString(16).padStart(40, '0');

// specText: a genesis with n such accounts, the senders and `accounts`; as text, since a million of them are no object to build
export function specText(n = 0, accounts = {}) {
  const base = spec({ validator: wallet('validator').address, funded: wallet('funded').address, chainId: CHAIN,
    accounts: { ...Object.fromEntries(senders.map((w) => [w.address, { balance: '0x' + (10n ** 24n).toString(16) }])), ...accounts } });
  const parts = [JSON.stringify(base).slice(0, -2)];
  for (let i = 0; i < n; i++) parts.push(`,"${account(i)}":{"balance":"1"}`);
  return parts.join('') + '}}';
}

function tool(config, ...args) {
  const r = spawnSync(path.join(bin, 'poa-node'), ['--config', config, ...args], { encoding: 'utf8' });
  if (r.status !== 0) throw new Error(`poa-node ${args[0]}: ${r.stderr}`);
  return r.stdout;
}

// withChain: blocks of `per` transactions; transaction(k): what the k-th sends. work({ file, text, dir }) while the files are there.
export async function withChain({ text, blocks, per, transaction }, work) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'poa-bench-'));
  try {
    const node = await startNode({ dir: path.join(dir, 'a'), specText: text, chainId: CHAIN, ready_s: 300 });
    try {
      const nonces = new Array(SENDERS).fill(0);
      for (let b = 0, k = 0; b < blocks; b++) {
        const raws = [];
        for (let i = 0; i < per; i++, k++) raws.push(await senders[k % SENDERS].signTransaction({ type: 0, chainId: CHAIN, nonce: nonces[k % SENDERS]++, gasPrice: 1, value: 0, ...transaction(k) }));
        const body = JSON.stringify(raws.map((raw, i) => ({ jsonrpc: '2.0', id: i, method: 'eth_sendRawTransaction', params: [raw] })));
        const r = await (await fetch(node.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).json();
        const bad = r.find((x) => x.error);
        if (bad) throw new Error(bad.error.message);
        for (let s = 0; s < SENDERS; s++) while (Number(await rpc(node.url, 'eth_getTransactionCount', [senders[s].address, 'latest'])) < nonces[s]) await sleep(20);
      }
      const last = await rpc(node.url, 'eth_getBlockReceipts', ['latest']);
      const failed = last.filter((x) => x.status !== '0x1').length;
      if (last.length === 0 || failed > 0) throw new Error(`${failed} of ${last.length} transactions of the last block failed`);
    } finally {
      await node.stop();
    }
    const file = path.join(dir, 'chain.rlp');
    tool(node.config, '--export', file);
    return await work({ file, text, dir });
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

// importRun: the chain into a new node whose genesis is made beforehand. us_per_tx: wall time of a stage; cpu: of the executing thread
export async function importRun({ file, text, dir }, name = 'b') {
  const at = path.join(dir, name), fresh = await makeNode(at, { specText: text, validator: false }), none = path.join(dir, 'none.rlp');
  fs.writeFileSync(none, '');
  tool(fresh.config, '--import', none);
  const t = JSON.parse(tool(fresh.config, '--import', file)), r = (x, n = 1) => +x.toFixed(n);
  fs.rmSync(at, { recursive: true, force: true });
  const stages = ['execute', 'root', 'commit'], own = stages.reduce((sum, s) => sum + t[`${s}_s`], 0);
  return { ...t, tx_per_s: Math.round(t.txs / t.seconds), mgas_per_s: r(t.gas / t.seconds / 1e6), cpu_us_per_tx: r(t.cpu_s * 1e6 / t.txs),
    us_per_tx: Object.fromEntries(['recover', ...stages].map((s) => [s, r(t[`${s}_s`] * 1e6 / t.txs)])),
    share: Object.fromEntries([...stages.map((s) => [s, r(t[`${s}_s`] / t.seconds, 3)]), ['wait for senders', r(t.wait_s / t.seconds, 3)], ['read and check', r((t.seconds - own - t.wait_s) / t.seconds, 3)]]) };
}
export const showRun = (r) => `${r.tx_per_s} tx/s, ${r.mgas_per_s} Mgas/s, ${r.cpu_us_per_tx} us CPU each; us each: recover ${r.us_per_tx.recover} (on threads), execute ${r.us_per_tx.execute}, root ${r.us_per_tx.root}, commit ${r.us_per_tx.commit}; ${r.rss_mib} MiB`;
