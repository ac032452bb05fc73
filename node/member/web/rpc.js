// rpc.js: the node's JSON-RPC and its stream of new blocks, at the host that the page came from.
export class RpcError extends Error {
  constructor(e) {
    super(e.message);
    this.code = e.code;
    this.data = e.data;
  }
}

const secure = () => location.protocol === 'https:';
export const rpcUrl = (port) => `${secure() ? 'https' : 'http'}://${location.hostname}:${port}`;
const wsUrl = (port) => `${secure() ? 'wss' : 'ws'}://${location.hostname}:${port}`;

let port = 0, next = 1, spare = null;
// through: where to ask; `provider` (a wallet on the right chain, or null) is asked when the endpoint cannot be reached
export function through(rpcPort, provider) {
  port = rpcPort;
  spare = provider;
}

async function post(body) {
  let r;
  try {
    r = await fetch(rpcUrl(port), { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal: AbortSignal.timeout(15000) });
  } catch (e) {
    throw Object.assign(new Error('the RPC endpoint cannot be reached', { cause: e }), { unreachable: true });
  }
  if (!r.ok && r.status !== 200) throw Object.assign(new Error(`the RPC endpoint answers with HTTP ${r.status}`), { unreachable: true });
  return r.json();
}

export async function rpc(method, params = []) {
  try {
    if (port === 0) throw Object.assign(new Error('this member serves no RPC endpoint'), { unreachable: true });
    const r = await post({ jsonrpc: '2.0', id: next++, method, params });
    if (r.error) throw new RpcError(r.error);
    return r.result;
  } catch (e) {
    if (!e.unreachable || spare === null) throw e;
    return spare.request({ method, params });
  }
}

// rpcBatch: many calls in one request; an answer that is an error becomes null
export async function rpcBatch(calls) {
  if (calls.length === 0) return [];
  const first = next;
  next += calls.length;
  try {
    if (port === 0) throw Object.assign(new Error('this member serves no RPC endpoint'), { unreachable: true });
    const list = await post(calls.map(([method, params], i) => ({ jsonrpc: '2.0', id: first + i, method, params })));
    const byId = new Map(list.map((x) => [x.id, x.result ?? null]));
    return calls.map((_, i) => byId.get(first + i) ?? null);
  } catch (e) {
    if (!e.unreachable || spare === null) throw e;
    return Promise.all(calls.map(([method, params]) => spare.request({ method, params }).catch(() => null)));
  }
}

// watchHeads: calls onHead for each new block, onState(true|false) when the stream begins and ends; comes back by itself
export function watchHeads(wsPort, onHead, onState) {
  let wait = 500;
  const connect = () => {
    let socket;
    try { socket = new WebSocket(wsUrl(wsPort)); } catch { onState(false); return; }
    socket.onopen = () => socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params: ['newHeads'] }));
    socket.onmessage = (m) => {
      let doc;
      try { doc = JSON.parse(m.data); } catch { return; }
      if (doc.id === 1) {
        if (doc.error) socket.close();
        else {
          wait = 500;
          onState(true);
        }
      } else if (doc.params?.result?.number) onHead(doc.params.result);
    };
    socket.onclose = () => {
      onState(false);
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, 15000);
    };
  };
  if (wsPort) connect();
}
