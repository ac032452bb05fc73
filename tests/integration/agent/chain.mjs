// A node for the agent to read: a chain that grows, forks at its head, holds pending transactions, and forgets its filters when it is started anew.
import crypto from 'node:crypto';
import http from 'node:http';

const hex = (n) => '0x' + n.toString(16);
const hash = () => '0x' + crypto.randomBytes(32).toString('hex');
const address = () => '0x' + crypto.randomBytes(20).toString('hex');

export class Chain {
  constructor() {
    this.blocks = [];
    this.everything = new Map(); // hash -> block, left branches too
    this.pending = new Map();
    this.filters = new Map();
    this.calls = 0;
    this.add(0);
  }
  tx() {
    return { hash: hash(), nonce: hex(this.calls % 7), from: address(), to: address(), value: hex(1500000000000000000n), gasPrice: hex(2500000000n), gas: hex(21000), input: '0x' + 'ab'.repeat(crypto.randomInt(40)), blockHash: null };
  }
  announce(n) {
    for (let i = 0; i < n; i++) {
      const t = this.tx();
      this.pending.set(t.hash, t);
      for (const f of this.filters.values()) f.push(t.hash);
    }
  }
  add(nTxs, fresh = 0) {
    const n = this.blocks.length, from = [...this.pending.values()].slice(0, nTxs), txs = [...from, ...Array.from({ length: fresh }, () => this.tx())];
    for (const t of from) this.pending.delete(t.hash);
    const b = { number: hex(n), hash: hash(), parentHash: n ? this.blocks[n - 1].hash : '0x' + '0'.repeat(64), nonce: '0x0000000000000000', miner: address(), author: address(), timestamp: hex(1700000000 + 2 * n),
      transactions: txs.map((t) => t.hash), uncles: [], extraData: '0x' + Buffer.from('poa "é"').toString('hex'), gasLimit: hex(50000000), gasUsed: hex(21000 * txs.length),
      difficulty: '0xffffffffffffffffffffffffffffffff', totalDifficulty: hex(2n ** 128n * BigInt(n)) };
    b.receipts = txs.map((t, i) => ({ transactionHash: t.hash, blockHash: b.hash, blockNumber: b.number, transactionIndex: hex(i), from: t.from, to: t.to, cumulativeGasUsed: hex(21000 * (i + 1)), gasUsed: hex(21000), contractAddress: null }));
    this.blocks.push(b);
    this.everything.set(b.hash, b);
  }
  // the last n blocks leave the chain, n + 1 others come
  fork(n) {
    n = Math.min(n, this.blocks.length - 1);
    this.blocks.length -= n;
    for (let i = 0; i <= n; i++) this.add(0, 1);
  }
  restart() { this.filters.clear(); }
  call(method, p) {
    this.calls++;
    const at = (x) => (x === 'latest' ? this.blocks.at(-1) : this.blocks[Number(x)]);
    const bare = (b) => { if (!b) return null; const { receipts, ...rest } = b; return rest; };
    switch (method) {
    case 'eth_blockNumber': return this.blocks.at(-1).number;
    case 'eth_getBlockByNumber': return bare(at(p[0]));
    case 'eth_getBlockReceipts': return at(p[0])?.receipts ?? null;
    case 'eth_newPendingTransactionFilter': { const id = hex(this.calls); this.filters.set(id, []); return id; }
    case 'eth_getFilterChanges': { const f = this.filters.get(p[0]); if (!f) throw new Error('filter not found'); this.filters.set(p[0], []); return f; }
    case 'eth_getTransactionByHash': return this.pending.get(p[0]) ?? null;
    case 'parity_pendingTransactions': return [...this.pending.values()];
    case 'net_peerCount': return '0x3';
    case 'txpool_status': return { pending: hex(this.pending.size), queued: '0x0' };
    case 'eth_syncing': return false;
    case 'eth_mining': return true;
    case 'web3_clientVersion': return 'stand-in/v1';
    default: throw new Error(`the method ${method} does not exist`);
    }
  }
  async listen(port = 0) {
    this.server = http.createServer((q, r) => {
      let t = '';
      q.on('data', (d) => { t += d; });
      q.on('end', () => {
        const m = JSON.parse(t), a = { jsonrpc: '2.0', id: m.id };
        try { a.result = this.call(m.method, m.params); } catch (e) { a.error = { code: -32000, message: e.message }; }
        r.writeHead(200, { 'content-type': 'application/json' });
        r.end(JSON.stringify(a));
      });
    });
    await new Promise((ok, bad) => this.server.once('error', bad).listen(port, '127.0.0.1', ok));
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }
  async close() { const s = this.server; this.server = null; if (s) await new Promise((ok) => { s.close(ok); s.closeAllConnections(); }); }
}
