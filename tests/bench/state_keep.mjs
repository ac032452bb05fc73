// What a block costs as the state grows: the same blocks of transfers between random accounts, on states of 10^4, 10^5 and 10^6 accounts, exported
// by the validator that sealed them and imported by a new node (poa-node --export, --import), stage by stage.
//   node state.mjs [sizes=10000,100000,1000000] [transfers=5000] [blocks=10]
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Wallet, id } from 'ethers';
import { bin, makeNode, rpc, sleep, spec, startNode, wallet } from './single.mjs';

const CHAIN = 10101, SENDERS = 50;
const account = (i) => '0x' + (BigInt(i) * 0x9e3779b97f4a7c15f39cc0605cedc8341082276bn & ((1n << 160n) - 1n) | 1n << 159n).toString(16).padStart(40, '0');
const senders = Array.from({ length: SENDERS }, (_, i) => new Wallet(id(`poa-bench/state/${i}`)));

// specText: a genesis of n accounts; as text, since a million of them are no object to build
function specText(n) {
  const base = spec({ validator: wallet('validator').address, funded: wallet('funded').address, chainId: CHAIN,
    accounts: Object.fromEntries(senders.map((w) => [w.address, { balance: '0x' + (10n ** 24n).toString(16) }])) });
  const parts = [JSON.stringify(base).slice(0, -2)];
  for (let i = 0; i < n; i++) parts.push(`,"${account(i)}":{"balance":"1"}`);
  return parts.join('') + '}}';
}

function tool(config, ...args) {
  const r = spawnSync(path.join(bin, 'poa-node'), ['--config', config, ...args], { encoding: 'utf8' });
  if (r.status !== 0) throw new Error(`poa-node ${args[0]}: ${r.stderr}`);
  return r.stdout;
}

// transfers on a state of n accounts; every recipient is one of them
export async function onState(n, transfers, blocks) {
  const dir = process.env.KEEP ? path.join(process.env.KEEP, 'n'+n) : fs.mkdtempSync(path.join(os.tmpdir(), 'poa-bench-')), text = specText(n), per = Math.ceil(transfers / blocks);
  try {
    const node = await startNode({ dir: path.join(dir, 'a'), specText: text, chainId: CHAIN, ready_s: 300 });
    let k = 0;
    const nonces = new Array(SENDERS).fill(0);
    for (let b = 0; b < blocks; b++) {
      const raws = [];
      for (let i = 0; i < per; i++, k++) {
        const s = k % SENDERS, to = account(Number(BigInt(k) * 2654435761n % BigInt(n)));
        raws.push(await senders[s].signTransaction({ type: 0, chainId: CHAIN, nonce: nonces[s]++, gasPrice: 1, gasLimit: 21000, to, value: 1 }));
      }
      const body = JSON.stringify(raws.map((raw, i) => ({ jsonrpc: '2.0', id: i, method: 'eth_sendRawTransaction', params: [raw] })));
      const r = await (await fetch(node.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).json();
      const bad = r.find((x) => x.error);
      if (bad) throw new Error(bad.error.message);
      while (Number(await rpc(node.url, 'eth_getTransactionCount', [senders[SENDERS - 1].address, 'latest'])) < nonces[SENDERS - 1]) await sleep(50);
    }
    await node.stop();
    const file = path.join(dir, 'chain.rlp'), fresh = await makeNode(path.join(dir, 'b'), { specText: text, validator: false });
    tool(node.config, '--export', file);
    fs.writeFileSync(path.join(dir, 'none.rlp'), '');
    tool(fresh.config, '--import', path.join(dir, 'none.rlp')); // genesis
 if (process.env.KEEP) fs.cpSync(path.join(dir,'b/data'), path.join(dir,'b/data0'), {recursive:true});
    const t = JSON.parse(tool(fresh.config, '--import', file));
    return { accounts: n, ...t, us_per_tx: Object.fromEntries(['recover', 'execute', 'root', 'commit'].map((s) => [s, +(t[`${s}_s`] * 1e6 / t.txs).toFixed(1)])),
      tx_per_s: Math.round(t.txs / t.seconds), mgas_per_s: Math.round(t.gas / t.seconds / 1e6) };
  } finally {
    if (!process.env.KEEP) fs.rmSync(dir, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [sizes = '10000,100000,1000000', transfers = '5000', blocks = '10'] = process.argv.slice(2);
  for (const n of sizes.split(',')) {
    const r = await onState(Number(n), Number(transfers), Number(blocks));
    console.log(`${n} accounts: ${r.txs} transfers in ${r.blocks} blocks, ${r.tx_per_s} tx/s, ${r.mgas_per_s} Mgas/s; us per transfer: recover ${r.us_per_tx.recover} (threads), execute ${r.us_per_tx.execute}, root ${r.us_per_tx.root}, commit ${r.us_per_tx.commit}; ${r.rss_mib} MiB`);
  }
}
