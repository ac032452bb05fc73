// A strict stand-in for Azure Monitor: token issuer, Logs Ingestion API, HTTP Data Collector API. It refuses what the real services refuse, keeps
// what it takes as tables, and notes every breach of the rules in `faults`.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const RESERVED = ['tenant', 'TimeGenerated', 'RawData'];
const MIB = 1024 * 1024;
export class Endpoint {
  constructor(template, columns = 'plain') {
    // the streams are those of the product's own template, whose columns are suffixed; plain: of a user's own rule with the names alone
    this.streams = {};
    const named = (c) => (columns === 'plain' ? c.name.replace(/_[sdbt]$/, '') : c.name);
    for (const t of template.variables.tables) this.streams[`Custom-${t.name}`] = Object.fromEntries(t.columns.map((c) => [named(c), c.type]));
    this.rule = 'dcr-00112233445566778899aabbccddeeff';
    this.workspace = '11111111-2222-3333-4444-555555555555';
    this.key = crypto.randomBytes(64).toString('base64');
    this.secret = 'the agent\'s secret';
    this.tables = {}; // name -> rows, in the order of arrival
    this.requests = new Map(); // id -> hash of the body
    this.faults = [];
    this.counts = { taken: 0, repeated: 0, refused: 0, tokens: 0 };
    this.tokens = new Map();
    this.quietUntil = 0;
    this.weather = () => 'fine'; // fine | skewed (403, and the time of another day) | 429 | 500 | 503 | lost (taken, but the answer never arrives) | cut (not taken, no answer)
  }
  fault(text) { this.faults.push(text); }
  async listen(port = 0) {
    this.server = http.createServer((q, r) => {
      const parts = [];
      q.on('data', (d) => parts.push(d));
      q.on('end', () => { try { this.serve(q, r, Buffer.concat(parts)); } catch (e) { this.fault(String(e.stack)); r.destroy(); } });
    });
    await new Promise((ok, bad) => this.server.once('error', bad).listen(port, '127.0.0.1', ok));
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }
  async offline() {
    const s = this.server;
    this.server = null;
    if (s) await new Promise((ok) => { s.close(ok); s.closeAllConnections(); });
  }
  async online() { if (!this.server) await this.listen(this.port); }
  answer(r, status, body = '', headers = {}) {
    if (status >= 400) this.counts.refused++;
    r.writeHead(status, headers);
    r.end(body);
  }
  serve(q, r, body) {
    const u = new URL(q.url, 'http://x');
    if (u.pathname === '/token') return this.token(q, r, body);
    if (Date.now() < this.quietUntil) this.fault(`a request ${this.quietUntil - Date.now()} ms before Retry-After's end`);
    const w = this.weather();
    if (w === '429') {
      this.quietUntil = Date.now() + 950;
      return this.answer(r, 429, '', { 'retry-after': '1' });
    }
    if (w === '500' || w === '503') return this.answer(r, Number(w), '{"Error":"UnspecifiedError"}');
    if (w === 'skewed') return this.answer(r, 403, '{"Error":"InvalidAuthorization"}', { date: new Date(Date.now() - 7200000).toUTCString() });
    if (w === 'cut') return r.destroy();
    const m = /^\/dataCollectionRules\/([^/]+)\/streams\/([^/]+)$/.exec(u.pathname);
    if (m) return this.ingest(q, r, u, m[1], m[2], body, w);
    if (u.pathname === '/api/logs') return this.collect(q, r, u, body, w);
    this.fault(`unknown path ${q.url}`);
    this.answer(r, 404);
  }
  token(q, r, body) {
    const f = new URLSearchParams(body.toString());
    if (q.method !== 'POST' || f.get('grant_type') !== 'client_credentials' || f.get('client_id') !== 'agent' || f.get('client_secret') !== this.secret)
      return this.answer(r, 401, '{"error":"invalid_client"}');
    if (f.get('scope') !== 'https://monitor.azure.com/.default') this.fault(`scope ${f.get('scope')}`);
    const t = crypto.randomUUID();
    this.counts.tokens++;
    this.tokens.set(t, Date.now() + 600000);
    this.answer(r, 200, JSON.stringify({ token_type: 'Bearer', expires_in: 600, access_token: t }), { 'content-type': 'application/json' });
  }
  // what both have in common; returns the rows, or null when it has answered
  rows(q, r, body, limit) {
    if (q.method !== 'POST') { this.fault(`method ${q.method}`); this.answer(r, 405); return null; }
    if (!/^application\/json\b/.test(q.headers['content-type'] ?? '')) { this.fault('content type'); this.answer(r, 400); return null; }
    if (body.length > limit) { this.fault(`${body.length} bytes in one call`); this.answer(r, 413); return null; }
    const id = q.headers['x-ms-client-request-id'];
    if (!GUID.test(id ?? '')) { this.fault(`request id ${id}`); this.answer(r, 400); return null; }
    let list;
    try { list = JSON.parse(body.toString()); } catch { this.fault('no JSON'); this.answer(r, 400); return null; }
    if (!Array.isArray(list) || list.length === 0) { this.fault('no array, or an empty one'); this.answer(r, 400); return null; }
    return list;
  }
  // once and only once by the request's id: the same id must have the same bytes
  take(q, r, table, list, body, w, status) {
    const id = q.headers['x-ms-client-request-id'], hash = crypto.createHash('sha256').update(body).digest('hex');
    const before = this.requests.get(id);
    if (before !== undefined) {
      this.counts.repeated++;
      if (before !== hash) this.fault(`request ${id} came again with another body`);
    } else {
      this.requests.set(id, hash);
      this.counts.taken++;
      (this.tables[table] ??= []).push(...list);
    }
    if (w === 'lost') return r.destroy();
    this.answer(r, status);
  }
  ingest(q, r, u, rule, stream, body, w) {
    if (u.searchParams.get('api-version') !== '2023-01-01') { this.fault(`api-version ${u.search}`); return this.answer(r, 400); }
    const t = /^Bearer (.+)$/.exec(q.headers.authorization ?? '')?.[1];
    if (!(this.tokens.get(t) > Date.now())) return this.answer(r, 401);
    if (rule !== this.rule) { this.fault(`rule ${rule}`); return this.answer(r, 404); }
    const columns = this.streams[stream];
    if (!columns) { this.fault(`stream ${stream}`); return this.answer(r, 400); }
    const list = this.rows(q, r, body, MIB);
    if (list === null) return undefined;
    for (const row of list) {
      for (const [k, v] of Object.entries(row)) {
        const type = columns[k];
        const fits = { string: typeof v === 'string' && Buffer.byteLength(v) <= 65536, real: Number.isFinite(v), boolean: typeof v === 'boolean',
          dateTime: typeof v === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$/.test(v) && !Number.isNaN(Date.parse(v)) }[type];
        if (!fits) this.fault(`${stream}.${k} (${type ?? 'no such column'}): ${JSON.stringify(v)}`);
      }
      for (const k of Object.keys(columns)) if (!(k in row)) this.fault(`${stream}: ${k} is missing`);
    }
    return this.take(q, r, stream.replace('Custom-', ''), list, body, w, 204);
  }
  collect(q, r, u, body, w) {
    const refuse = (why, status = 400) => { this.fault(why); this.answer(r, status, JSON.stringify({ Error: why })); };
    if (u.searchParams.get('api-version') !== '2016-04-01') return refuse('InvalidApiVersion');
    const type = q.headers['log-type'], date = q.headers['x-ms-date'];
    if (!/^[A-Za-z0-9_]{1,100}$/.test(type ?? '')) return refuse('InvalidLogType');
    if (q.headers['content-type'] !== 'application/json') return refuse('UnsupportedContentType');
    if (!(Math.abs(Date.parse(date) - Date.now()) < 15 * 60000) || !/^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(date)) return refuse('date', 403);
    const text = `POST\n${body.length}\napplication/json\nx-ms-date:${date}\n/api/logs`;
    const mac = crypto.createHmac('sha256', Buffer.from(this.key, 'base64')).update(text, 'utf8').digest('base64');
    if (q.headers.authorization !== `SharedKey ${this.workspace}:${mac}`) return refuse('InvalidAuthorization', 403);
    const list = this.rows(q, r, body, 30 * MIB);
    if (list === null) return undefined;
    const when = q.headers['time-generated-field'];
    const out = list.map((row) => {
      const o = { TimeGenerated: row[when] ?? new Date().toISOString() };
      if (when && Number.isNaN(Date.parse(row[when]))) this.fault(`time-generated-field ${when}: ${row[when]}`);
      for (const [k, v] of Object.entries(row)) {
        if (RESERVED.includes(k)) this.fault(`${type}: the name ${k} is reserved`);
        if (!/^[A-Za-z][A-Za-z0-9_]{0,44}$/.test(k)) this.fault(`name ${k}`);
        if (typeof v === 'string' && Buffer.byteLength(v) > 32768) this.fault(`${k}: over 32 KB`);
        const isDate = typeof v === 'string' && /^\d{4}-\d\d-\d\dT/.test(v), isGuid = typeof v === 'string' && GUID.test(v);
        o[k + (isDate ? '_t' : isGuid ? '_g' : typeof v === 'string' ? '_s' : typeof v === 'boolean' ? '_b' : '_d')] = v;
      }
      return o;
    });
    return this.take(q, r, `${type}_CL`, out, body, w, 200);
  }
}

export const readTemplate = (file) => JSON.parse(fs.readFileSync(file, 'utf8'));
export { assert };
