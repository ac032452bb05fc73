// A raw keep-alive HTTP/1.1 connection for JSON-RPC: requests may be in flight together, answers come in order. Cheap, so that the measured
// side is the bottleneck: headers are only looked at for the body's length.
import net from 'node:net';

export class Conn {
  static open(url) {
    const u = new URL(url), c = new Conn();
    c.head = `POST / HTTP/1.1\r\nHost: ${u.host}\r\nContent-Type: application/json\r\nContent-Length: `;
    c.waiting = [];
    c.rest = Buffer.alloc(0);
    return new Promise((ok, bad) => {
      c.socket = net.connect(Number(u.port || 80), u.hostname, () => { c.socket.setNoDelay(true); ok(c); });
      c.socket.on('error', (e) => { bad(e); c.fail(e); });
      c.socket.on('close', () => c.fail(new Error('the connection was closed')));
      c.socket.on('data', (d) => c.take(d));
    });
  }
  fail(e) { for (const w of this.waiting.splice(0)) w.bad(e); }
  take(data) {
    let b = this.rest.length ? Buffer.concat([this.rest, data]) : data;
    for (;;) {
      const end = b.indexOf('\r\n\r\n');
      if (end < 0) break;
      const m = /\r\ncontent-length: *(\d+)/i.exec(b.toString('latin1', 0, end));
      if (!m) return this.socket.destroy(new Error('an answer without content-length'));
      const all = end + 4 + Number(m[1]);
      if (b.length < all) break;
      this.waiting.shift()?.ok(b.subarray(end + 4, all));
      b = b.subarray(all);
    }
    this.rest = b;
  }
  // request: the whole request as it goes over the wire; made once, sent often
  request(body) { return `${this.head}${Buffer.byteLength(body)}\r\n\r\n${body}`; }
  send(request) {
    return new Promise((ok, bad) => {
      this.waiting.push({ ok, bad });
      this.socket.write(request);
    });
  }
  async rpc(method, params = []) {
    const r = JSON.parse(await this.send(this.request(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))));
    if (r.error) throw new Error(`${method}: ${r.error.message}`);
    return r.result;
  }
  close() { this.waiting = []; this.socket.destroy(); }
}
