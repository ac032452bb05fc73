// wallet.js: browser wallets by EIP-6963, else window.ethereum (EIP-1193).
import { state, changed } from './state.js';
import { rpcUrl, through } from './rpc.js';
import { checksum } from './keccak.js';

export const wallets = new Map(); // uuid -> {info, provider}

export function discover() {
  window.addEventListener('eip6963:announceProvider', (e) => {
    const { info, provider } = e.detail ?? {};
    if (!info?.uuid || typeof provider?.request !== 'function') return;
    wallets.set(info.uuid, { info, provider });
    if (info.rdns === remembered() && !state.wallet) resume({ info, provider });
    changed();
  });
  window.dispatchEvent(new Event('eip6963:requestProvider'));
}

// list: wallets to choose from; an old wallet that announces nothing is found by window.ethereum
export function list() {
  if (wallets.size > 0) return [...wallets.values()];
  const old = window.ethereum;
  return typeof old?.request === 'function' ? [{ info: { uuid: 'injected', name: old.isMetaMask ? 'MetaMask' : 'Browser wallet', rdns: 'injected' }, provider: old }] : [];
}

const remembered = () => { try { return localStorage.getItem('wallet'); } catch { return null; } };
const remember = (v) => { try { if (v) localStorage.setItem('wallet', v); else localStorage.removeItem('wallet'); } catch { /* private window */ } };

function setAccount(accounts) {
  const a = accounts?.[0];
  state.account = typeof a === 'string' && /^0x[0-9a-f]{40}$/i.test(a) ? checksum(a) : null;
  if (state.account === null) state.wallet = null;
  changed();
}
function setChain(id) {
  state.walletChain = id === null || id === undefined ? null : Number(id);
  useSpare();
  changed();
}
function useSpare() {
  const g = state.governance;
  if (g) through(g.rpcPort, state.wallet && state.walletChain === g.chainId ? state.wallet.provider : null);
}

const watched = new WeakSet();
function watch(provider) {
  if (watched.has(provider) || typeof provider.on !== 'function') return;
  watched.add(provider);
  const mine = (f) => (v) => { if (state.wallet?.provider === provider) f(v); };
  provider.on('accountsChanged', mine(setAccount));
  provider.on('chainChanged', mine(setChain));
  provider.on('disconnect', mine(() => setChain(null)));
}

async function use(entry, method) {
  const accounts = await entry.provider.request({ method });
  if (!accounts?.length) return false;
  state.wallet = { name: entry.info.name, provider: entry.provider };
  watch(entry.provider);
  remember(entry.info.rdns);
  setAccount(accounts);
  setChain(await entry.provider.request({ method: 'eth_chainId' }).catch(() => null));
  return true;
}
export const connect = (entry) => use(entry, 'eth_requestAccounts');
const resume = (entry) => use(entry, 'eth_accounts').catch(() => {});
// resumeOld: after the page is loaded, a wallet without EIP-6963 that was used before
export function resumeOld() {
  const entry = list()[0];
  if (!state.wallet && wallets.size === 0 && entry && remembered() === 'injected') resume(entry);
}
export function disconnect() {
  remember(null);
  state.wallet = null;
  state.account = null;
  state.walletChain = null;
  useSpare();
  changed();
}

// switchChain: ask the wallet to use this network, and to learn it first when it must
export async function switchChain() {
  const g = state.governance, provider = state.wallet.provider, chainId = '0x' + g.chainId.toString(16);
  try {
    await provider.request({ method: 'wallet_switchEthereumChain', params: [{ chainId }] });
  } catch (e) {
    const code = e.data?.originalError?.code ?? e.code;
    if (code !== 4902 && code !== -32603 && code !== -32601) throw e;
    await provider.request({
      method: 'wallet_addEthereumChain',
      params: [{ chainId, chainName: `${g.consortiumName || g.networkName} (${g.networkId})`.slice(0, 60), rpcUrls: [rpcUrl(g.rpcPort)], nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 } }],
    });
  }
  setChain(await provider.request({ method: 'eth_chainId' }));
}
