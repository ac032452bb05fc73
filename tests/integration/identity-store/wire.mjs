// One keep-alive connection without TLS, for load: requests as text, answers in their order. A connection that ends rejects what waits.
import net from 'node:net';

export class Wire {
  static open(port, host = '127.0.0.1') {
    const w = new Wire();
    Object.assign(w, { waiting: [], rest: '', host: `${host}:${port}`, dead: false });
    return new Promise((ok, bad) => {
      w.socket = net.connect(port, host, () => { w.socket.setNoDelay(true); ok(w); });
      w.socket.setEncoding('latin1');
      w.socket.on('data', (d) => w.take(d));
      w.socket.on('error', (e) => { bad(e); w.end(e); });
      w.socket.on('close', () => w.end(new Error('closed')));
    });
  }
  end(e) {
    this.dead = true;
    for (const x of this.waiting.splice(0)) x.bad(e);
  }
  take(d) {
    this.rest += d;
    for (;;) {
      const end = this.rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = this.rest.slice(0, end), m = /\r\ncontent-length: *(\d+)/i.exec(head), all = end + 4 + (m ? Number(m[1]) : 0);
      if (this.rest.length < all) return;
      const body = this.rest.slice(end + 4, all);
      this.rest = this.rest.slice(all);
      this.waiting.shift()?.ok({ status: Number(head.slice(9, 12)), head, body, header: (n) => new RegExp(`\\r\\n${n}: *([^\\r]*)`, 'i').exec(head)?.[1] });
    }
  }
  call(method, target, headers = '', body = '') {
    if (this.dead) return Promise.reject(new Error('closed'));
    return new Promise((ok, bad) => {
      this.waiting.push({ ok, bad });
      this.socket.write(`${method} ${target} HTTP/1.1\r\nHost: ${this.host}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`);
    });
  }
  close() { this.socket.destroy(); }
}
