// A headless Chromium (Debian's) with a wallet in it, for the tests of the member's page. The wallet announces itself by EIP-6963, speaks
// EIP-1193, and signs with a key of the test (ethers), as a person would with an extension.
import { createRequire } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { Wallet } from 'ethers';
import { rpc } from './lib.mjs';

const axeSource = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PROGRAMS = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
export const program = PROGRAMS.find((p) => p && fs.existsSync(p)) ?? null;

export const launch = () => chromium.launch({
  executablePath: program,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
});

// keyOf: the administrator's key of a member's workspace
export function keyOf(dir) {
  const read = (f) => fs.readFileSync(path.join(dir, 'admin', f), 'utf8');
  return Wallet.fromEncryptedJsonSync(read('keystore.json'), read('password').trim());
}

// the provider, in the page. What needs a key or the network goes out by window.walletRequest.
function install({ name, rdns, announce }) {
  const listeners = new Map();
  const emit = (event, value) => (listeners.get(event) ?? []).forEach((f) => f(value));
  const provider = {
    async request({ method, params }) {
      const r = await window.walletRequest(method, params ?? []);
      for (const [event, value] of r.events ?? []) emit(event, value);
      if (r.error) throw Object.assign(new Error(r.error.message), { code: r.error.code, data: r.error.data });
      return r.result;
    },
    on: (event, f) => listeners.set(event, [...(listeners.get(event) ?? []), f]),
    removeListener: () => {},
  };
  if (!announce) {
    window.ethereum = provider;
    return;
  }
  const detail = Object.freeze({ info: { uuid: '350670db-19fa-4704-a166-e52e178b59d2', name, rdns, icon: 'data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4=' }, provider });
  const tell = () => window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }));
  window.addEventListener('eip6963:requestProvider', tell);
  tell();
}

// open: a page of its own (context, storage) at url. wallet: {key, rpcUrl, chainId (where it stands at first), knows: [ids], refuse: true}
export async function open(browser, url, { wallet = null, width = 1280, height = 900, dark = false, announce = true } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', deviceScaleFactor: 1, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.complaints = [];
  page.on('pageerror', (e) => page.complaints.push(String(e.stack ?? e)));
  page.on('console', (m) => { if (m.type() === 'error') page.complaints.push(m.text()); });
  if (wallet) {
    wallet.log = [];
    await page.exposeFunction('walletRequest', async (method, params) => {
      wallet.log.push([method, params]);
      try { return await answer(wallet, method, params); }
      catch (e) { return { error: { code: e.rpc?.code ?? e.code ?? -32603, message: e.rpc?.message ?? e.message, data: e.rpc?.data } }; }
    });
    await page.addInitScript(install, { name: 'Test wallet', rdns: 'test.wallet', announce });
  }
  await page.goto(url);
  return page;
}

const refusal = () => ({ error: { code: 4001, message: 'User rejected the request.' } });
async function answer(w, method, params) {
  switch (method) {
    case 'eth_requestAccounts':
      if (w.refuse) return refusal();
      w.open = true;
      return { result: [w.key.address.toLowerCase()] };
    case 'eth_accounts': return { result: w.open ? [w.key.address.toLowerCase()] : [] };
    case 'eth_chainId': return { result: '0x' + w.chainId.toString(16) };
    case 'wallet_switchEthereumChain': {
      const id = Number(params[0].chainId);
      if (!(w.knows ?? []).includes(id)) return { error: { code: 4902, message: 'Unrecognized chain ID.' } };
      w.chainId = id;
      return { result: null, events: [['chainChanged', params[0].chainId]] };
    }
    case 'wallet_addEthereumChain': {
      // as a wallet does: what the endpoint says must be what the page says
      const id = Number(params[0].chainId), said = Number(await rpc(params[0].rpcUrls[0], 'eth_chainId'));
      if (id !== said) return { error: { code: -32602, message: 'The chain ID of the endpoint is another one.' } };
      w.knows = [...(w.knows ?? []), id];
      w.chainId = id;
      return { result: null, events: [['chainChanged', params[0].chainId]] };
    }
    case 'eth_sendTransaction': {
      if (w.refuse) return refusal();
      const t = params[0];
      const raw = await w.key.signTransaction({ type: 0, chainId: w.chainId, nonce: Number(await rpc(w.rpcUrl, 'eth_getTransactionCount', [w.key.address, 'pending'])), to: t.to, data: t.data, value: t.value ?? 0, gasLimit: t.gas, gasPrice: t.gasPrice ?? 0 });
      return { result: await rpc(w.rpcUrl, 'eth_sendRawTransaction', [raw]) };
    }
    default: return { result: await rpc(w.rpcUrl, method, params) };
  }
}

// axe: what the accessibility checker calls serious or critical
export async function axe(page) {
  // evaluated, not added as a script: the page's policy lets in nothing but its own
  await page.evaluate(axeSource);
  const r = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return r.violations.filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => `${v.id} (${v.impact}): ${v.nodes.map((n) => `${n.html} ${n.any.map((a) => a.message).join(' ')}`).slice(0, 3).join(' | ')}`);
}

// overflow: elements that stick out of the page at its width
export const overflow = (page) => page.evaluate(() => {
  const wide = document.documentElement.clientWidth, out = [];
  if (document.documentElement.scrollWidth > wide) out.push(`the page is ${document.documentElement.scrollWidth} wide, the window ${wide}`);
  return out;
});
