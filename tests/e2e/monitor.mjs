// Debian's Prometheus beside a local network: it scrapes every node, takes our rules, and its alarms know what is wrong. And poa-agents to a
// stand-in of Azure Monitor.
import fs from 'node:fs';
import path from 'node:path';
import { Member, assert, done, exec, height, here, httpCall, leaf, poa, root, run, skip, test, until, workFolder } from './lib.mjs';
import { Endpoint } from '../integration/agent/endpoint.mjs';

const work = workFolder();
const M = new Member(45, work, 'm'), A = new Member(75, work, 'a');
const has = fs.existsSync('/usr/bin/prometheus');
const api = async (p) => {
  const j = JSON.parse((await httpCall(`http://127.45.0.3:9090/api/v1/${p}`)).text);
  assert.equal(j.status, 'success');
  return j.data;
};

leaf('without Prometheus, the error names the package; nothing is made', async () => {
  if (has) skip('Prometheus is installed');
  const r = await poa(['new', M.dir, '--yes', '--json', '--member-id', '45', '--monitor', 'prometheus']);
  assert.equal(r.code, 1);
  assert.match(r.err, /apt-get install prometheus/);
});
test('new --monitor prometheus: the outputs and status name its address', async () => {
  if (!has) skip('no Prometheus (scripts/bootstrap test installs it)');
  await M.new('--nodes', '3', '--step', '1', '--monitor', 'prometheus');
  assert.equal(M.outputs.PROMETHEUS_URL, 'http://127.45.0.3:9090');
  const s = await M.status();
  assert.equal(s.prometheus, M.outputs.PROMETHEUS_URL);
  for (const i of s.instances) assert.match(i.version, /^poa-node\//);
  assert.match((await poa(['status', M.dir])).out, /^metrics +http:\/\/127\.45\.0\.3:9090\n/m);
});
test('all nodes are scraped, under their names', async () => {
  if (!has) skip('no Prometheus');
  const t = await until('four targets are up', async () => {
    const all = (await api('targets')).activeTargets;
    return all.length === 4 && all.every((x) => x.health === 'up') && all;
  }, 60);
  assert.deepEqual(t.map((x) => x.labels.node).sort(), ['identity-store', ...M.instances().map((i) => i.name)]);
  const store = await httpCall('http://127.45.0.2:9545/metrics');
  assert.ok(Number(/^poa_store_answers_total\{class="2xx"\} (\d+)$/m.exec(store.text)[1]) > 3);
  assert.deepEqual((await exec('/bin/sh', ['-c', 'curl -sf http://127.45.0.2:9545/metrics | promtool check metrics'])).out, '');
  const heights = await until('a height from each', async () => {
    const r = (await api('query?query=ethereum_blockchain_height')).result;
    return r.length === 3 && r.every((x) => +x.value[1] >= 1) && r;
  }, 60);
  const h = await height(M.url);
  for (const x of heights) assert.ok(+x.value[1] <= h + 1);
});
test('promtool takes the rules and the configuration; Prometheus has them all, and evaluates them without an error', async () => {
  if (!has) skip('no Prometheus');
  const file = path.join(root, 'templates/monitor/rules.yml');
  const check = await exec('promtool', ['check', 'rules', file]);
  assert.equal(check.code, 0, check.err);
  for (const f of [path.join(M.dir, 'local/monitor/prometheus.yml'), path.join(root, 'templates/monitor/prometheus.yml')]) {
    const r = await exec('promtool', ['check', 'config', f]);
    assert.equal(r.code, 0, `${f}: ${r.err}${r.out}`);
  }
  // each alarm goes off on what it is for, none on a healthy network
  const tested = await exec('promtool', ['test', 'rules', path.join(here, 'rules_test.yml')]);
  assert.equal(tested.code, 0, tested.out + tested.err);
  const cases = fs.readFileSync(path.join(here, 'rules_test.yml'), 'utf8');
  for (const [, alarm] of fs.readFileSync(file, 'utf8').matchAll(/- alert: (\S+)/g)) assert.match(cases, new RegExp(`alertname: ${alarm}\\n +exp_alerts: \\[\\{`), `${alarm} is not tested`);
  // what Prometheus asks for is OpenMetrics, which it reads strictly (a target that errs is down); the plain text is held to promtool's rules, too
  const url = `http://${M.node(0).replace(/^http:\/\/|:\d+$/g, '')}:9545/metrics`;
  assert.match((await httpCall(url, { headers: { accept: 'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1' } })).headers['content-type'], /^application\/openmetrics-text/);
  const lint = await exec('/bin/sh', ['-c', `curl -sf ${url} | promtool check metrics`]);
  // two gauges have the names that other clients gave them, which promtool would leave to histograms
  const others = (lint.out + lint.err).trim().split('\n').filter((l) => l && !/^ethereum_(peer_count|blockchain_chain_head_transaction_count) non-histogram and non-summary metrics should not have "_count" suffix$/.test(l));
  assert.deepEqual(others, []);
  assert.ok(lint.code === 0 || lint.code === 3, `promtool check metrics: ${lint.code}`);
  const n = (fs.readFileSync(file, 'utf8').match(/^ +- (alert|record):/gm) ?? []).length;
  const rules = await until('each rule was evaluated', async () => {
    const all = (await api('rules')).groups.flatMap((g) => g.rules);
    return all.length === n && all.every((r) => r.health === 'ok') && all;
  }, 60);
  assert.ok(n >= 15);
  for (const r of rules) assert.equal(r.lastError ?? '', '', r.name);
  await until('three validators are counted', async () => (await api('query?query=poa:validators_online:count')).result[0]?.value[1] === '3', 60);
});
test('every panel of the dashboard has data', async () => {
  if (!has) skip('no Prometheus');
  const d = JSON.parse(fs.readFileSync(path.join(M.dir, 'local/monitor/dashboard.json'), 'utf8')), exprs = [];
  (function walk(o) { for (const [k, v] of Object.entries(o ?? {})) { if (k === 'expr' && typeof v === 'string') exprs.push(v); else if (typeof v === 'object') walk(v); } })(d.panels);
  assert.ok(exprs.length > 15);
  for (const e of exprs)
    await until(e, async () => (await api(`query?query=${encodeURIComponent(e.replace(/\$__rate_interval|\$__interval/g, '1m').replace(/\$\w+/g, '.*'))}`)).result.length > 0, 90);
});
test('a node that is down is a target that is down, and the alarm waits', async () => {
  if (!has) skip('no Prometheus');
  const p = M.instances()[2];
  process.kill(p.pid, 'SIGSTOP');
  try {
    await until('PoaNodeDown is pending', async () => (await api('alerts')).alerts.some((a) => a.labels.alertname === 'PoaNodeDown' && a.labels.node === p.name), 60);
  } finally { process.kill(p.pid, 'SIGCONT'); }
  await M.destroy();
}, 120);
leaf('new --monitor enable: an agent beside each node sends what it seals', async () => {
  const without = await poa(['new', A.dir, '--yes', '--json', '--member-id', '75', '--monitor', 'enable']);
  assert.equal(without.code, 2);
  assert.match(without.err, /--workspace-id GUID and --workspace-key-file FILE/);
  const e = new Endpoint(JSON.parse(fs.readFileSync(path.join(root, 'templates/nested/monitor.json'), 'utf8')));
  await e.listen();
  const key = path.join(work, 'key');
  fs.writeFileSync(key, e.key, { mode: 0o600 });
  await A.new('--nodes', '2', '--step', '1', '--monitor', 'enable', '--workspace-id', e.workspace, '--workspace-key-file', key, '--monitor-endpoint', e.url);
  await until('all tables', () => ['MinedBlock_CL', 'ParityLog_CL', 'NodeStats_CL'].every((t) => e.tables[t]?.length), 40);
  await until('blocks of both', () => new Set(e.tables.MinedBlock_CL.map((b) => b.Computer_s ?? b.ListenerHostName_s)).size === 2, 40);
  assert.deepEqual(e.faults, []);
  assert.deepEqual(A.programs().filter((p) => p.name.startsWith('agent-')).map((p) => p.name), A.instances().map((i) => `agent-${i.name}`));
  if (has) assert.deepEqual((await exec('/bin/sh', ['-c', 'curl -sf http://127.75.1.10:9546/metrics | promtool check metrics'])).out, '');
  await until('its metrics count what was sent', async () => Number(/^poa_agent_sent_records_total\{table="MinedBlock"\} (\d+)$/m.exec((await httpCall('http://127.75.1.10:9546/metrics')).text)?.[1]) > 0, 30);
  const launch = fs.readFileSync(path.join(A.dir, 'local/launch.json'), 'utf8');
  assert.ok(!launch.includes(e.key));
  await A.destroy();
  await e.offline();
});

await run({ chained: true });
