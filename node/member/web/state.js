// state.js: what the page knows of the network, kept fresh. Others subscribe and draw.
import { plainAlias, same } from './dom.js';
import { through, watchHeads } from './rpc.js';

export const state = {
  governance: null, // /governance
  nodes: null, // /nodes
  head: 0, // highest block seen
  headAt: 0, // when it was seen (performance.now())
  live: false, // the stream of blocks stands
  trouble: '', // why the data cannot be had
  remade: false, // the network is another one than when the page was loaded
  account: null, // of the wallet
  wallet: null, // {name, provider}
  walletChain: null,
  history: { items: [], from: null, done: false, busy: '', error: '' },
};

const listeners = new Set();
let drawing = false;
export const onChange = (f) => listeners.add(f);
// changed: draw soon, once for all that changes together
export function changed() {
  if (drawing) return;
  drawing = true;
  queueMicrotask(() => {
    drawing = false;
    for (const f of listeners) f();
  });
}

async function getJson(path) {
  let r;
  try { r = await fetch(path, { signal: AbortSignal.timeout(10000) }); }
  catch { throw new Error('This member’s node does not answer. Is it running, and is your network connection up?'); }
  const doc = await r.json().catch(() => null);
  if (!r.ok) throw new Error(doc?.errorMessage ? `The node says: ${doc.errorMessage}.` : `The node answers ${path} with HTTP ${r.status}.`);
  return { doc, etag: r.headers.get('etag') };
}

let tagGovernance = '';
async function loadGovernance() {
  const { doc, etag } = await getJson('governance');
  if (etag && etag === tagGovernance) return;
  tagGovernance = etag;
  if (state.governance && state.governance.genesisHash !== doc.genesisHash) state.remade = true;
  state.governance = doc;
}
async function loadNodes() {
  const { doc } = await getJson('nodes');
  state.nodes = doc;
  sawHead(doc.head.number);
}
function sawHead(number) {
  if (number > state.head || number < state.head - 100) {
    state.head = number;
    state.headAt = performance.now();
  }
}

let busy = false, again = false;
// refresh: all of it; calls that come meanwhile become one more
export async function refresh() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  const results = await Promise.allSettled([loadNodes().then(changed), loadGovernance()]);
  const failed = results.find((r) => r.status === 'rejected');
  state.trouble = failed ? failed.reason.message : '';
  busy = false;
  changed();
  if (again) {
    again = false;
    setTimeout(refresh, 200);
  }
}

export async function start() {
  await refresh();
  let started = false;
  const connect = () => {
    if (started || !state.governance) return;
    started = true;
    through(state.governance.rpcPort, null);
    watchHeads(state.governance.wsPort, (head) => {
      sawHead(Number(head.number));
      if (state.nodes && Number(head.number) >= state.nodes.head.number) {
        state.nodes.head.number = Number(head.number);
        state.nodes.head.timestamp = Number(head.timestamp);
        state.nodes.head.author = head.miner;
      }
      changed();
      refresh();
    }, (on) => {
      if (state.live !== on) {
        state.live = on;
        changed();
      }
    });
  };
  connect();
  // without the stream, and for what moves without a block
  let last = 0;
  setInterval(() => {
    connect();
    if (document.hidden && performance.now() - last < 15000) return;
    if (state.live && performance.now() - last < 5000) return;
    last = performance.now();
    refresh();
  }, 2000);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
}

// --- questions that many ask
export const admins = () => state.governance?.admins ?? [];
export const proposals = () => state.governance?.proposals ?? [];
export const adminOf = (address) => admins().find((a) => same(a.address, address)) ?? null;
export const proposalOf = (address) => proposals().find((a) => same(a.address, address)) ?? null;
export const isYou = (address) => same(address, state.account);
export const amAdmin = () => state.account !== null && adminOf(state.account) !== null;
// aliasOf: for reading; '' when nobody gave one
export const aliasOf = (address) => plainAlias((adminOf(address) ?? proposalOf(address))?.alias);
// nameOf: in a sentence
export const nameOf = (address) => aliasOf(address) || `${address.slice(0, 6)}…${address.slice(-4)}`;
export const validatorOf = (address) => state.governance?.validators.find((v) => same(v.address, address)) ?? null;
export const nodeOf = (address) => state.nodes?.nodes.find((n) => same(n.address, address)) ?? null;
export const stepSeconds = () => (state.nodes?.stepDurationMs ?? 2000) / 1000;
export const rightChain = () => state.walletChain === null || !state.governance || state.walletChain === state.governance.chainId;
