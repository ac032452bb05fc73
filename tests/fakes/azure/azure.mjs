// A stand-in for Azure on loopback: token endpoints (tokens.mjs), the resource manager, and what the providers behind it answer. It is strict: what the
// service refuses, it refuses, with the service's codes; a request that fits nothing is noted in `strange`, so that a run can end with "none". Templates are
// executed by the evaluator (poa-arm-run), resource by resource; vault and blobs are a real poa-identity-store.
//
//   const azure = await Azure.start({ store, tool, ... });    azure.base (token and ARM endpoint, TLS), azure.metadata (http), azure.stop()
//   azure.fault({ on: /regular expression over "METHOD path"/, times: 1, ...})   status/headers/body | drop: 'before' | 'after' | delay: ms
//   azure.breaks({ type, name, code, message })        the resource fails when it is created
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import http from 'node:http'; import https from 'node:https'; import readline from 'node:readline';
import { Tokens } from './tokens.mjs';

const GUID = '[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}';
const RG = '[-A-Za-z0-9_.()]{0,89}[-A-Za-z0-9_()]';
const DEPLOYMENTS = ['2025-04-01', '2025-03-01', '2024-11-01', '2024-03-01', '2022-09-01', '2021-04-01'];
const GROUPS = DEPLOYMENTS;
export const fail = (status, code, message, details) => Object.assign(new Error(message), { status, body: { error: { code, message, ...(details ? { details } : {}) } } });
const lower = (s) => s.toLowerCase();
const iso = (ms) => `PT${(ms / 1000).toFixed(7)}S`;

export class Azure {
  static async start(options) {
    const a = new Azure();
    Object.assign(a, { subscription: '11111111-2222-3333-4444-555555555555', tenant: '99999999-8888-7777-6666-555555555555', tool: null, store: null, createMs: 0, pollMs: 25, verbose: false,
      locations: ['westeurope', 'northeurope', 'eastus', 'westus2', 'southeastasia', 'eastus2'], cores: 350, publicAddresses: 100, sizes: { Standard_D1_v2: ['standardDv2Family', 1], Standard_D2_v2: ['standardDv2Family', 2], Standard_F2s: ['standardFSFamily', 2], Standard_D4s_v3: ['standardDSv3Family', 4] },
      restricted: [], unregistered: [], permissions: [{ actions: ['*'], notActions: [] }], machines: null, machineIdentity: null }, options);
    a.groups = new Map(); a.operations = new Map(); a.deletedVaults = new Map(); a.takenNames = new Set(); a.faults = []; a.broken = []; a.log = []; a.strange = []; a.children = new Set(); a.bodies = [];
    const tls = options.tls;
    a.server = https.createServer(tls, (q, r) => a.take(q, r));
    a.imds = http.createServer((q, r) => a.take(q, r, true));
    const on = (s) => new Promise((ok, bad) => { s.once('error', bad); s.listen(0, '127.0.0.1', () => ok(s.address().port)); });
    a.base = `https://127.0.0.1:${await on(a.server)}`;
    a.metadata = `http://127.0.0.1:${await on(a.imds)}`;
    a.tokens = new Tokens({ tenant: a.tenant, principals: a.principals, base: a.base, store: a.store });
    return a;
  }
  async stop() {
    for (const c of this.children) c.kill('SIGKILL');
    for (const s of [this.server, this.imds]) { s.closeAllConnections?.(); await new Promise((ok) => s.close(ok)); }
  }
  nat(i) { return (i * 7 + 3) % 50; } // Azure gives a rule's ports to machines by no order that it promises
  fault(f) { this.faults.push({ times: 1, ...f }); }
  breaks(f) { this.broken.push({ times: 1, ...f }); }

  // ------------------------------------------------------------------ one request
  async take(q, r, metadata = false) {
    const url = new URL(q.url, this.base), path = decodeURIComponent(url.pathname), line = `${q.method} ${path}`;
    const chunks = [];
    for await (const c of q) { chunks.push(c); if (chunks.length > 1e5) return q.destroy(); }
    const raw = Buffer.concat(chunks);
    this.log.push(`${line}${url.search}`);
    const send = (status, body, headers = {}) => {
      const text = body === undefined ? '' : JSON.stringify(body);
      r.writeHead(status, { ...(text ? { 'content-type': 'application/json; charset=utf-8' } : {}), 'content-length': Buffer.byteLength(text), 'x-ms-request-id': randomUUID(), ...headers });
      r.end(text);
    };
    const f = this.faults.find((x) => x.times > 0 && x.on.test(line));
    if (f) {
      f.times--; f.hit = (f.hit ?? 0) + 1;
      if (f.run) f.run();
      if (f.delay) await new Promise((ok) => setTimeout(ok, f.delay));
      if (f.drop === 'before') return q.socket.destroy();
      if (f.status) return send(f.status, f.body ?? { error: { code: f.code ?? 'ServerError', message: f.message ?? 'The stand-in was told to fail.' } }, f.headers);
    }
    try {
      let out;
      if (metadata) {
        if (!/^\/metadata\/identity\/oauth2\/token\/?$/.test(path) || q.method !== 'GET') throw fail(404, 'NotFound', 'no such metadata');
        out = await this.tokens.metadata(url.searchParams, q.headers, this.machineIdentity);
      } else if (/\/oauth2\/v2\.0\/token$/.test(path) && q.method === 'POST') {
        out = await this.tokens.endpoint(path.split('/')[1], q.headers['content-type'], raw.toString());
      } else if (/openid-configuration$/.test(path)) {
        const at = `${this.base}/${this.tenant}`;
        out = [200, { issuer: `${at}/v2.0`, token_endpoint: `${at}/oauth2/v2.0/token`, authorization_endpoint: `${at}/oauth2/v2.0/authorize`, jwks_uri: `${at}/discovery/v2.0/keys`, subject_types_supported: ['pairwise'], response_types_supported: ['code'], id_token_signing_alg_values_supported: ['RS256'] }];
      } else out = await this.manage(q, url, path, raw);
      if (f?.drop === 'after') return q.socket.destroy();
      send(...out);
    } catch (e) {
      if (!e.status) { this.strange.push(`${line}: ${e.stack}`); console.error(e); }
      if (e.strange) this.strange.push(`${line}${url.search}: ${e.message}`);
      if (f?.drop === 'after') return q.socket.destroy();
      send(e.status ?? 500, e.body ?? { error: { code: 'InternalServerError', message: String(e.message) } }, e.status === 401 ? { 'www-authenticate': `Bearer authorization_uri="${this.base}/${this.tenant}", error="invalid_token", error_description="${e.message}"` } : {});
    }
  }
  // no well-made client sends this
  odd(status, code, message) { return Object.assign(fail(status, code, message), { strange: true }); }

  async manage(q, url, path, raw) {
    const check = this.tokens.check(q.headers.authorization);
    if (check.error) throw fail(401, check.error, check.description);
    const version = url.searchParams.get('api-version');
    if (!version) throw this.odd(400, 'MissingApiVersionParameter', 'The api-version query parameter (?api-version=) is required for all requests.');
    if (!/^\d{4}-\d\d-\d\d(-preview)?$/.test(version)) throw this.odd(400, 'InvalidApiVersionParameter', `The api-version '${version}' is invalid.`);
    let body;
    if (raw.length > 0) {
      if (!/^application\/json/.test(q.headers['content-type'] ?? '')) throw this.odd(415, 'UnsupportedMediaType', 'The content media type is not supported. Only \'application/json\' is supported.');
      if (raw.length > 4 << 20) throw this.odd(413, 'RequestContentTooLarge', 'The request content size exceeds the maximum size of 4 MB.');
      try { body = JSON.parse(raw); } catch { throw this.odd(400, 'InvalidRequestContent', 'The request content was invalid and could not be deserialized.'); }
      if (typeof body !== 'object' || body === null || Array.isArray(body)) throw this.odd(400, 'InvalidRequestContent', 'The request content is no object.');
      this.bodies.push({ line: `${q.method} ${path}`, text: raw.toString() });
    } else if (q.method === 'POST' || q.method === 'PUT') {
      if (q.headers['content-length'] === undefined && !q.headers['transfer-encoding']) throw this.odd(411, 'LengthRequired', 'The request must be chunked or have a content length.');
    }
    const call = { method: q.method, path, version, body, query: url.searchParams, claims: check.claims };
    for (const [method, pattern, versions, run] of ROUTES) {
      const m = pattern.exec(path);
      if (!m || method !== q.method) continue;
      const g = m.groups ?? {};
      if (g.sub && lower(g.sub) !== this.subscription) throw fail(404, 'SubscriptionNotFound', `The subscription '${g.sub}' could not be found.`);
      if (versions && !versions.includes(version)) throw this.odd(400, 'InvalidResourceType', `The api-version '${version}' is not supported for this resource type; the supported ones are '${versions.join(', ')}'.`);
      return run.call(this, { ...call, ...g });
    }
    throw this.odd(404, 'InvalidResourceType', `The stand-in has no ${q.method} ${path}.`);
  }
  // bodies with properties that the service does not know are refused
  shape(body, allowed, required = []) {
    for (const k of Object.keys(body ?? {})) if (!allowed.includes(k)) throw this.odd(400, 'InvalidRequestContent', `The request content was invalid: Could not find member '${k}'.`);
    for (const k of required) if (body?.[k] === undefined) throw this.odd(400, 'InvalidRequestContent', `The request content was invalid: Required property '${k}' not found.`);
  }
  later(work, { location = false, headers = {} } = {}) {
    const id = randomUUID(), op = { status: 'InProgress' };
    this.operations.set(id, op);
    Promise.resolve().then(work).then((v) => { op.value = v; op.status = 'Succeeded'; }, (e) => { op.status = 'Failed'; op.error = e.body?.error ?? { code: 'InternalServerError', message: e.message }; });
    const at = `${this.base}/subscriptions/${this.subscription}/${location ? 'operationresults' : 'providers/Microsoft.Resources/operationStatuses'}/${id}?api-version=2021-04-01`;
    return { [location ? 'location' : 'azure-asyncoperation']: at, 'retry-after-ms': String(this.pollMs), ...headers };
  }
  pause(ms = this.createMs) { return new Promise((ok) => setTimeout(ok, ms)); }
  group(name) {
    const g = this.groups.get(lower(name));
    if (!g) throw fail(404, 'ResourceGroupNotFound', `Resource group '${name}' could not be found.`);
    return g;
  }
  groupView(g) { return { id: `/subscriptions/${this.subscription}/resourceGroups/${g.name}`, type: 'Microsoft.Resources/resourceGroups', name: g.name, location: g.location, tags: g.tags, properties: { provisioningState: g.state } }; }

  // ------------------------------------------------------------------ deployments
  request({ body, name }) {
    this.shape(body, ['properties', 'tags', 'location'], ['properties']);
    if (body.location !== undefined) throw this.odd(400, 'InvalidDeployment', `The 'location' property is not allowed for '${name}' at resource group scope.`);
    const p = body.properties;
    this.shape(p, ['mode', 'template', 'templateLink', 'parameters', 'parametersLink', 'debugSetting', 'onErrorDeployment', 'expressionEvaluationOptions', 'whatIfSettings', 'validationLevel'], ['mode']);
    if (!['Incremental', 'Complete'].includes(p.mode)) throw this.odd(400, 'InvalidRequestContent', `The deployment mode '${p.mode}' is not valid.`);
    if (typeof p.template !== 'object' || p.template === null) throw this.odd(400, 'InvalidRequestContent', 'The deployment has no template.');
    if (/"templateLink"/.test(JSON.stringify(p.template.resources))) throw this.odd(400, 'InvalidContentLink', 'The stand-in cannot fetch linked templates.');
    for (const [k, v] of Object.entries(p.parameters ?? {})) {
      if (typeof v !== 'object' || v === null || !('value' in v || 'reference' in v)) throw this.odd(400, 'InvalidTemplate', `The template parameter '${k}' is not valid: it needs a value or a reference.`);
      if (!(k in p.template.parameters)) throw fail(400, 'InvalidTemplate', `Deployment template validation failed: 'The following parameters were supplied, but do not correspond to any parameters defined in the template: '${k}'.'`);
    }
    for (const [k, d] of Object.entries(p.template.parameters ?? {}))
      if (!('defaultValue' in d) && !(k in (p.parameters ?? {}))) throw fail(400, 'InvalidTemplate', `Deployment template validation failed: 'The value for the template parameter '${k}' is not provided.'`);
    return p;
  }
  // a run of the evaluator: first its plan, then resource by resource
  execute(g, name, p) {
    const child = spawn(this.tool, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.children.add(child);
    child.once('exit', () => this.children.delete(child));
    child.stdin.on('error', () => {});
    const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const hear = async () => { const l = await lines.next(); return l.done ? undefined : JSON.parse(l.value); };
    const say = (v) => child.stdin.write(JSON.stringify(v) + '\n');
    say({ template: p.template, parameters: p.parameters ?? {}, context: { subscriptionId: this.subscription, tenantId: this.tenant, resourceGroup: g.name, location: g.location, deploymentName: name } });
    return { hear, say, end: () => child.kill() };
  }
  async planned(g, name, p) {
    const run = this.execute(g, name, p), first = await run.hear();
    if (first?.error) { run.end(); throw fail(400, 'InvalidTemplate', `Deployment template validation failed: '${first.error}'`); }
    const problems = [];
    for (const r of first.plan) { const e = this.preflight(g, r, p); if (e) problems.push(e); }
    if (problems.length) { run.end(); throw fail(400, 'InvalidTemplateDeployment', `The template deployment '${name}' is not valid according to the validation procedure. See inner errors for details.`, problems); }
    return { run, first };
  }
  // what providers look at before anything is created
  preflight(g, { id, type }, p) {
    const name = id.split('/').pop();
    if (type === 'Microsoft.KeyVault/vaults') {
      const gone = this.deletedVaults.get(lower(name)), mode = p.parameters?.keyVaultCreateMode?.value ?? 'default';
      if (gone && mode !== 'recover') return { code: 'ConflictError', target: id, message: `A vault with the same name '${name}' already exists in deleted state. You need to either recover or purge existing key vault.` };
      if (!gone && mode === 'recover' && !g.resources.has(lower(id))) return { code: 'VaultNotFound', target: id, message: `There is no deleted vault '${name}' to recover.` };
    }
    if (type === 'Microsoft.Storage/storageAccounts' && this.takenNames.has(name) && !g.resources.has(lower(id))) return { code: 'StorageAccountAlreadyTaken', target: name, message: `The storage account named ${name} is already taken.` };
    return null;
  }
  async create({ rg, name, body, claims }) {
    const g = this.group(rg), p = this.request({ body, name });
    if (g.state === 'Deleting') throw fail(409, 'ResourceGroupBeingDeleted', `The resource group '${g.name}' is in deprovisioning state and cannot perform this operation.`);
    const old = g.deployments.get(lower(name));
    if (old && ['Accepted', 'Running'].includes(old.state)) throw fail(409, 'DeploymentActive', `Unable to edit or replace deployment '${name}': previous deployment from '${old.began}' is still active (expiration time is '${old.began}'). Please see https://aka.ms/arm-deploy for usage details.`);
    const { run, first } = await this.planned(g, name, p);
    const d = { name, group: g, tags: body.tags, state: 'Accepted', began: new Date().toISOString(), startMs: Date.now(), parameters: this.shownParameters(p), correlation: randomUUID(), operations: [], outputs: undefined, who: claims.oid, children: first.deployments.slice(1) };
    g.deployments.set(lower(name), d);
    this.work(d, run, first, p).catch((e) => { d.state = 'Failed'; d.error = { code: 'DeploymentFailed', message: String(e.message) }; });
    return [old ? 200 : 201, this.deploymentView(d), { 'azure-asyncoperation': `${this.base}/subscriptions/${this.subscription}/resourcegroups/${g.name}/providers/Microsoft.Resources/deployments/${name}/operationStatuses/${d.correlation}?api-version=2025-04-01`, 'retry-after-ms': String(this.pollMs) }];
  }
  // secure parameters never come back
  shownParameters(p) {
    const out = {};
    for (const [k, d] of Object.entries(p.template.parameters ?? {})) {
      const secure = /^secure/i.test(d.type), value = p.parameters?.[k]?.value ?? d.defaultValue;
      out[k] = secure ? { type: d.type === 'securestring' ? 'SecureString' : 'SecureObject' } : { type: d.type[0].toUpperCase() + d.type.slice(1), value };
    }
    return out;
  }
  operation(d, target, state, error, began) {
    const op = { id: `${this.deploymentId(d)}/operations/${randomUUID().replaceAll('-', '').slice(0, 16).toUpperCase()}`, properties: { provisioningOperation: 'Create', provisioningState: state, timestamp: new Date().toISOString(), duration: iso(Date.now() - began), trackingId: randomUUID(), serviceRequestId: randomUUID(),
      statusCode: state === 'Succeeded' ? 'Created' : state === 'Running' ? 'Accepted' : 'Conflict', ...(error ? { statusMessage: { status: 'Failed', error } } : {}),
      targetResource: { id: target, resourceType: typeOf(target), resourceName: nameOf(target) } } };
    op.operationId = op.id.split('/').pop();
    return op;
  }
  deploymentId(d) { return `/subscriptions/${this.subscription}/resourceGroups/${d.group.name}/providers/Microsoft.Resources/deployments/${d.name}`; }
  async work(d, run, first, p) {
    const g = d.group, began = Date.now(), subs = new Map();
    d.state = 'Running';
    const end = (state, error) => { d.state = state; d.error = error; d.endMs = Date.now(); run.end(); };
    const child = (n) => {
      if (n === 0) return d;
      if (!subs.has(n)) {
        const sub = { name: first.deployments[n], group: g, state: 'Running', began: new Date().toISOString(), startMs: Date.now(), parameters: {}, correlation: d.correlation, operations: [] };
        subs.set(n, sub);
        g.deployments.set(lower(sub.name), sub);
        sub.op = this.operation(d, this.deploymentId(sub), 'Running', undefined, Date.now());
        d.operations.push(sub.op);
      }
      return subs.get(n);
    };
    const finish = (sub, state, error) => { sub.state = state; sub.error = error; if (sub.op) { sub.op.properties.provisioningState = state; sub.op.properties.duration = iso(Date.now() - sub.startMs); if (error) sub.op.properties.statusMessage = { status: 'Failed', error }; } };
    for (;;) {
      const m = await run.hear();
      if (d.cancelled) { for (const s of subs.values()) if (s.state === 'Running') finish(s, 'Canceled'); return end('Canceled', { code: 'DeploymentCanceled', message: 'The deployment was canceled.' }); }
      if (!m) return end('Failed', { code: 'InternalServerError', message: 'the evaluator ended' });
      if (m.error) return end('Failed', { code: 'DeploymentFailed', message: m.error });
      if ('done' in m) {
        if (m.done === 0) { d.outputs = m.outputs; return end('Succeeded'); }
        const sub = child(m.done);
        sub.outputs = m.outputs;
        finish(sub, 'Succeeded');
        continue;
      }
      const r = m.resource, sub = child(m.deployment), t = Date.now(), op = this.operation(sub, r.id, 'Running', undefined, t);
      sub.operations.push(op);
      try {
        const state = await this.provide(g, r, p);
        op.properties.provisioningState = 'Succeeded'; op.properties.statusCode = 'Created'; op.properties.duration = iso(Date.now() - t);
        run.say({ state });
      } catch (e) {
        const error = e.body?.error ?? { code: 'InternalServerError', message: e.message };
        op.properties.provisioningState = 'Failed'; op.properties.statusCode = e.status ? String(e.status) : 'Conflict'; op.properties.statusMessage = { status: 'Failed', error };
        const outer = { code: 'DeploymentFailed', message: 'At least one resource deployment operation failed. Please list deployment operations for details. Please see https://aka.ms/arm-deployment-operations for usage details.', details: [{ code: 'Conflict', message: JSON.stringify({ status: 'Failed', error }) }] };
        if (sub !== d) finish(sub, 'Failed', outer);
        return end('Failed', sub === d ? outer : { ...outer, details: [outer] });
      }
    }
  }
  deploymentView(d) {
    return { id: this.deploymentId(d), name: d.name, type: 'Microsoft.Resources/deployments', ...(d.tags ? { tags: d.tags } : {}), properties: { mode: 'Incremental', provisioningState: d.state, timestamp: d.began, duration: iso((d.endMs ?? Date.now()) - d.startMs), correlationId: d.correlation,
      parameters: d.parameters, ...(d.outputs ? { outputs: d.outputs } : {}), ...(d.error ? { error: d.error } : {}) } };
  }
  deployment({ rg, name }) {
    const d = this.group(rg).deployments.get(lower(name));
    if (!d) throw fail(404, 'DeploymentNotFound', `Deployment '${name}' could not be found.`);
    return d;
  }

  // ------------------------------------------------------------------ resource providers
  async provide(g, r, p) {
    const key = lower(r.id), old = g.resources.get(key), { dependsOn, ...plain } = r;
    await this.pause(this.slow?.(r) ?? this.createMs);
    const b = this.broken.find((x) => x.times > 0 && lower(x.type) === lower(r.type) && (!x.name || x.name.test(r.name)));
    if (b) { b.times--; throw fail(409, b.code, b.message); }
    if (!this.locations.includes(r.location) && r.location !== undefined && lower(r.location) !== 'global') throw fail(400, 'LocationNotAvailableForResourceType', `The provided location '${r.location}' is not available for resource type '${r.type}'. List of available regions for the resource type is '${this.locations}'.`);
    const now = { ...plain, properties: { ...plain.properties, provisioningState: 'Succeeded' } }, props = now.properties, region = Number(/reg(\d)/.exec(r.name)?.[1] ?? 1);
    switch (lower(r.type)) {
      case 'microsoft.network/publicipaddresses':
        props.ipAddress = this.address?.(g, now, region) ?? '127.0.0.1';
        if (props.dnsSettings) props.dnsSettings = { ...props.dnsSettings, fqdn: props.ipAddress };
        break;
      case 'microsoft.keyvault/vaults': {
        const gone = this.deletedVaults.get(lower(r.name));
        if (gone && props.createMode !== 'recover') throw fail(409, 'ConflictError', `A vault with the same name '${r.name}' already exists in deleted state.`);
        if (gone) this.deletedVaults.delete(lower(r.name));
        if (props.tenantId !== this.tenant) throw fail(400, 'BadRequest', `An invalid value was provided for 'tenantId'.`);
        delete props.createMode;
        props.vaultUri = `${this.storeBase ?? this.store?.base ?? this.base}/`;
        break;
      }
      case 'microsoft.storage/storageaccounts': props.primaryEndpoints = { blob: `${this.storeBase ?? this.store?.base ?? this.base}/` }; break;
      case 'microsoft.storage/storageaccounts/blobservices/containers': await this.container?.(r.name.split('/').pop()); break;
      case 'microsoft.keyvault/vaults/secrets': props.secretUri = `${this.store?.base ?? this.base}/secrets/${r.name.split('/').pop()}`; delete props.value; break;
      case 'microsoft.network/trafficmanagerprofiles': props.dnsConfig = { ...props.dnsConfig, fqdn: `${props.dnsConfig.relativeName}.trafficmanager.net` }; break;
      case 'microsoft.operationalinsights/workspaces': props.customerId = old?.properties.customerId ?? randomUUID(); break;
      case 'microsoft.insights/datacollectionendpoints': props.logsIngestion = { endpoint: `${this.base}/ingest` }; break;
      case 'microsoft.insights/datacollectionrules': props.immutableId = old?.properties.immutableId ?? `dcr-${randomUUID().replaceAll('-', '')}`; break;
      case 'microsoft.authorization/roleassignments':
        if (!new RegExp(`^${GUID}$`).test(r.name)) throw fail(400, 'InvalidRoleAssignmentId', `The role assignment ID '${r.name}' is not valid. The role assignment ID must be a GUID.`);
        if (!new RegExp(`^${GUID}$`).test(props.principalId ?? '')) throw fail(400, 'PrincipalNotFound', `Principal '${props.principalId}' does not exist in the directory.`);
        if (old && (old.properties.principalId !== props.principalId)) throw fail(400, 'RoleAssignmentUpdateNotPermitted', 'Tenant ID, application ID, principal ID, and scope are not allowed to be updated.');
        this.granted?.(props.principalId, r.scope);
        break;
      case 'microsoft.compute/virtualmachinescalesets': this.scaleSet(g, now, old); break;
      default: break;
    }
    g.resources.set(key, now);
    if (lower(r.type) === 'microsoft.network/networksecuritygroups') for (const rule of props.securityRules ?? []) rule.id = `${r.id}/securityRules/${rule.name}`;
    if (lower(r.type) === 'microsoft.compute/virtualmachinescalesets' && !old) this.machines?.(g, now, p);
    return now;
  }
  scaleSet(g, r, old) {
    const size = r.sku?.name, known = this.sizes[size], os = r.properties.virtualMachineProfile.osProfile;
    if (!known) throw fail(400, 'InvalidParameter', `The value ${size} provided for the VM size is not valid.`);
    const used = [...this.groups.values()].flatMap((x) => [...x.resources.values()]).filter((x) => x.type === 'Microsoft.Compute/virtualMachineScaleSets' && x.location === r.location && x.id !== r.id).reduce((n, x) => n + x.sku.capacity * this.sizes[x.sku.name][1], 0);
    if (used + r.sku.capacity * known[1] > this.cores) throw fail(409, 'QuotaExceeded', `Operation could not be completed as it results in exceeding approved Total Regional Cores quota. Current Limit: ${this.cores}, Current Usage: ${used}, Additional Required: ${r.sku.capacity * known[1]}.`);
    if (os.linuxConfiguration?.disablePasswordAuthentication) {
      const k = os.linuxConfiguration.ssh?.publicKeys?.[0];
      if (!/^(ssh-rsa|ssh-ed25519|ecdsa-sha2-\S+) [A-Za-z0-9+/=]+( .*)?\s*$/.test(k?.keyData ?? '')) throw fail(400, 'InvalidParameter', 'The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.');
    } else if (!os.adminPassword || os.adminPassword.length < 12 || os.adminPassword.length > 72) throw fail(400, 'InvalidParameter', 'The supplied password must be between 12-72 characters long and must satisfy at least 3 of password complexity requirements.');
    if (os.customData.length > 87380) throw fail(400, 'InvalidParameter', 'Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters.');
    r.identity = { type: 'SystemAssigned', principalId: old?.identity?.principalId ?? randomUUID(), tenantId: this.tenant };
    delete os.adminPassword;
  }
  resourceOf(rg, path) {
    const g = this.group(rg), r = g.resources.get(lower(path));
    if (!r) throw fail(404, 'ResourceNotFound', `The Resource '${typeOf(path)}/${nameOf(path)}' under resource group '${g.name}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`);
    return r;
  }
}

const typeOf = (id) => { const p = id.split('/providers/').pop().split('/'); return [p[0], ...p.slice(1).filter((_, i) => i % 2 === 0)].join('/'); };
const nameOf = (id) => id.split('/providers/').pop().split('/').slice(1).filter((_, i) => i % 2 === 1).join('/');
const at = (text) => new RegExp(`^${text.replace('{sub}', `/subscriptions/(?<sub>${GUID})`).replace('{rg}', `/resource[gG]roups/(?<rg>${RG})`).replace('{deployment}', '/providers/Microsoft\\.Resources/deployments/(?<name>[-\\w._()]{1,64})')}$`);

const ROUTES = [
  ['GET', at('{sub}'), ['2022-12-01', '2021-01-01', '2016-06-01'], function () { return [200, { id: `/subscriptions/${this.subscription}`, subscriptionId: this.subscription, tenantId: this.tenant, displayName: 'stand-in', state: this.subscriptionState ?? 'Enabled' }]; }],
  ['GET', at('{sub}/locations'), ['2022-12-01', '2021-01-01', '2016-06-01'], function () { return [200, { value: this.locations.map((n) => ({ id: `/subscriptions/${this.subscription}/locations/${n}`, name: n, displayName: n, type: 'Region', metadata: { regionType: 'Physical' } })) }]; }],
  ['GET', at('{sub}/providers/(?<ns>Microsoft\\.[A-Za-z]+)'), GROUPS, function ({ ns }) { return [200, { id: `/subscriptions/${this.subscription}/providers/${ns}`, namespace: ns, registrationState: this.unregistered.includes(ns) ? 'NotRegistered' : 'Registered', resourceTypes: [] }]; }],
  ['POST', at('{sub}/providers/(?<ns>Microsoft\\.[A-Za-z]+)/register'), GROUPS, function ({ ns }) { this.unregistered = this.unregistered.filter((x) => x !== ns); return [200, { namespace: ns, registrationState: 'Registering' }]; }],
  ['GET', at('{sub}/providers/Microsoft\\.Compute/skus'), ['2021-07-01', '2019-04-01'], function ({ query }) {
    const m = /^location eq '([a-z0-9]+)'$/.exec(query.get('$filter') ?? '');
    if (!m) throw this.odd(400, 'InvalidFilter', 'only location eq \'x\' is known');
    const all = Object.entries(this.sizes).map(([name, [family, cores]]) => ({ resourceType: 'virtualMachines', name, family, tier: 'Standard', size: name.slice(9), locations: [m[1]], capabilities: [{ name: 'vCPUs', value: String(cores) }, { name: 'PremiumIO', value: String(/s(_v\d)?$/.test(name) || /^Standard_DS/.test(name) ? 'True' : 'False') }],
      restrictions: this.restricted.includes(name) ? [{ type: 'Location', values: [m[1]], reasonCode: 'NotAvailableForSubscription', restrictionInfo: { locations: [m[1]] } }] : [] }));
    const from = Number(query.get('$skiptoken') ?? 0), page = all.slice(from, from + 3);
    return [200, { value: page, ...(from + 3 < all.length ? { nextLink: `${this.base}/subscriptions/${this.subscription}/providers/Microsoft.Compute/skus?api-version=2021-07-01&$filter=location%20eq%20%27${m[1]}%27&$skiptoken=${from + 3}` } : {}) }];
  }],
  ['GET', at('{sub}/providers/Microsoft\\.Compute/locations/(?<location>[a-z0-9]+)/usages'), ['2024-07-01', '2024-11-01', '2025-04-01'], function ({ location }) {
    const used = (f) => [...this.groups.values()].flatMap((x) => [...x.resources.values()]).filter((x) => x.type === 'Microsoft.Compute/virtualMachineScaleSets' && x.location === location && (!f || this.sizes[x.sku.name][0] === f)).reduce((n, x) => n + x.sku.capacity * this.sizes[x.sku.name][1], 0);
    const row = (value, localizedValue, currentValue, limit) => ({ name: { value, localizedValue }, unit: 'Count', currentValue, limit });
    return [200, { value: [row('cores', 'Total Regional vCPUs', used(), this.cores), ...[...new Set(Object.values(this.sizes).map((s) => s[0]))].map((f) => row(f, f, used(f), this.familyCores?.[f] ?? this.cores)), row('virtualMachineScaleSets', 'Virtual Machine Scale Sets', 0, 2500)] }];
  }],
  ['GET', at('{sub}/providers/Microsoft\\.Network/locations/(?<location>[a-z0-9]+)/usages'), null, function () { return [200, { value: [{ name: { value: 'PublicIPAddresses', localizedValue: 'Public IP Addresses' }, unit: 'Count', currentValue: 0, limit: this.publicAddresses }] }]; }],
  ['GET', at('{sub}/providers/Microsoft\\.KeyVault/locations/(?<location>[a-z0-9]+)/deletedVaults/(?<vault>[-A-Za-z0-9]+)'), null, function ({ vault }) {
    const v = this.deletedVaults.get(lower(vault));
    if (!v) throw fail(404, 'DeletedVaultNotFound', `The specified deleted vault '${vault}' does not exist.`);
    return [200, v];
  }],
  ['POST', at('{sub}/providers/Microsoft\\.KeyVault/checkNameAvailability'), null, function ({ body }) {
    this.shape(body, ['name', 'type'], ['name', 'type']);
    const taken = this.takenNames.has(body.name) || this.deletedVaults.has(lower(body.name)) || [...this.groups.values()].some((g) => [...g.resources.values()].some((r) => r.type === 'Microsoft.KeyVault/vaults' && lower(r.name) === lower(body.name)));
    return [200, taken ? { nameAvailable: false, reason: 'AlreadyExists', message: `The vault name '${body.name}' is already in use.` } : { nameAvailable: true }];
  }],
  ['POST', at('{sub}/providers/Microsoft\\.Storage/checkNameAvailability'), null, function ({ body }) {
    this.shape(body, ['name', 'type'], ['name', 'type']);
    return [200, this.takenNames.has(body.name) ? { nameAvailable: false, reason: 'AlreadyExists', message: `The storage account named ${body.name} is already taken.` } : { nameAvailable: true }];
  }],
  ['GET', at('{sub}(/resource[gG]roups/(?<rg>[^/]+))?/providers/Microsoft\\.Authorization/permissions'), ['2022-04-01', '2015-07-01'], function ({ rg }) { if (rg) this.group(rg); return [200, { value: this.permissions }]; }],
  ['GET', at('{sub}/(operationresults)/(?<op>[-a-f0-9]+)'), null, function ({ op }) {
    const o = this.operations.get(op);
    if (!o) throw fail(404, 'NotFound', 'no such operation');
    if (o.status === 'InProgress') return [202, undefined, { location: `${this.base}/subscriptions/${this.subscription}/operationresults/${op}?api-version=2021-04-01`, 'retry-after-ms': String(this.pollMs) }];
    if (o.status === 'Failed') return [o.error.status ?? 409, { error: o.error }];
    return [200, o.value ?? {}];
  }],
  ['GET', at('{sub}/providers/Microsoft\\.Resources/operationStatuses/(?<op>[-a-f0-9]+)'), null, function ({ op }) {
    const o = this.operations.get(op);
    if (!o) throw fail(404, 'NotFound', 'no such operation');
    return [200, { id: op, status: o.status, ...(o.error ? { error: o.error } : {}) }, { 'retry-after-ms': String(this.pollMs) }];
  }],
  // --- resource groups
  ['PUT', at('{sub}{rg}'), GROUPS, function ({ rg, body }) {
    this.shape(body, ['location', 'tags', 'managedBy', 'properties'], ['location']);
    const old = this.groups.get(lower(rg));
    if (old?.state === 'Deleting') throw fail(409, 'ResourceGroupBeingDeleted', `The resource group '${rg}' is in deprovisioning state and cannot perform this operation.`);
    if (!this.locations.includes(body.location)) throw fail(400, 'LocationNotAvailableForResourceGroup', `The provided location '${body.location}' is not available for resource group. List of available regions is '${this.locations}'.`);
    if (old && old.location !== body.location) throw fail(409, 'InvalidResourceGroupLocation', `Invalid resource group location '${body.location}'. The Resource group already exists in location '${old.location}'.`);
    const g = old ?? { name: rg, location: body.location, state: 'Succeeded', resources: new Map(), deployments: new Map() };
    g.tags = body.tags ?? {};
    this.groups.set(lower(rg), g);
    return [old ? 200 : 201, this.groupView(g)];
  }],
  ['GET', at('{sub}{rg}'), GROUPS, function ({ rg }) { return [200, this.groupView(this.group(rg))]; }],
  ['HEAD', at('{sub}{rg}'), GROUPS, function ({ rg }) { this.group(rg); return [204]; }],
  ['DELETE', at('{sub}{rg}'), GROUPS, function ({ rg }) {
    const g = this.group(rg);
    if ([...g.deployments.values()].some((d) => d.state === 'Running')) throw fail(409, 'DeploymentActive', 'a deployment of the group is active');
    g.state = 'Deleting';
    return [202, undefined, this.later(async () => {
      await this.pause();
      for (const r of g.resources.values()) if (r.type === 'Microsoft.KeyVault/vaults') this.deletedVaults.set(lower(r.name), { id: `/subscriptions/${this.subscription}/providers/Microsoft.KeyVault/locations/${r.location}/deletedVaults/${r.name}`, name: r.name, type: 'Microsoft.KeyVault/deletedVaults', properties: { vaultId: r.id, location: r.location, deletionDate: new Date().toISOString(), scheduledPurgeDate: new Date(Date.now() + 7 * 864e5).toISOString(), tags: r.tags } });
      await this.halt?.(g);
      this.groups.delete(lower(rg));
    }, { location: true })];
  }],
  ['GET', at('{sub}{rg}/resources'), GROUPS, function ({ rg, query }) {
    const m = /^resourceType eq '([^']+)'$/.exec(query.get('$filter') ?? '');
    return [200, { value: [...this.group(rg).resources.values()].filter((r) => !m || lower(r.type) === lower(m[1])).filter((r) => r.type.split('/').length === 2 && r.type !== 'Microsoft.Authorization/roleAssignments').map(({ id, name, type, location, tags }) => ({ id, name, type, location, tags })) }];
  }],
  // --- deployments
  ['POST', at('{sub}{rg}{deployment}/validate'), DEPLOYMENTS, async function (c) {
    const g = this.group(c.rg), p = this.request(c), { run } = await this.planned(g, c.name, p);
    run.end();
    return [200, { id: `/subscriptions/${this.subscription}/resourceGroups/${g.name}/providers/Microsoft.Resources/deployments/${c.name}`, name: c.name, type: 'Microsoft.Resources/deployments', properties: { mode: p.mode, provisioningState: 'Succeeded', parameters: this.shownParameters(p), correlationId: randomUUID() } }];
  }],
  ['POST', at('{sub}{rg}{deployment}/whatIf'), DEPLOYMENTS, function (c) {
    const g = this.group(c.rg), p = this.request(c);
    return [202, undefined, this.later(async () => {
      const run = this.execute(g, c.name, p), first = await run.hear();
      run.end();
      if (first?.error) return { status: 'Failed', error: { code: 'InvalidTemplate', message: first.error } };
      const changes = first.plan.map(({ id, type }) => { const old = g.resources.get(lower(id)), after = { id, type, name: nameOf(id) };
        return old ? { resourceId: id, changeType: 'NoChange', before: after, after } : { resourceId: id, changeType: 'Create', after }; });
      const planned = new Set(first.plan.map((r) => lower(r.id)));
      for (const [k, r] of g.resources) if (!planned.has(k)) changes.push({ resourceId: r.id, changeType: 'Ignore', before: { id: r.id, type: r.type, name: r.name } });
      return { status: 'Succeeded', properties: { changes } };
    }, { location: true })];
  }],
  ['PUT', at('{sub}{rg}{deployment}'), DEPLOYMENTS, function (c) { return this.create(c); }],
  ['GET', at('{sub}{rg}{deployment}'), DEPLOYMENTS, function (c) { return [200, this.deploymentView(this.deployment(c)), { 'retry-after-ms': String(this.pollMs) }]; }],
  ['GET', at('{sub}{rg}{deployment}/operationStatuses/(?<op>[-a-f0-9]+)'), DEPLOYMENTS, function (c) { const d = this.deployment(c); return [200, { status: d.state, ...(d.error ? { error: d.error } : {}) }, { 'retry-after-ms': String(this.pollMs) }]; }],
  ['GET', at('{sub}{rg}/deployments/(?<name>[-\\w._()]{1,64})/operations'), DEPLOYMENTS, function (c) {
    const all = this.deployment(c).operations, from = Number(c.query.get('$skiptoken') ?? 0), page = all.slice(from, from + 10);
    return [200, { value: page, ...(from + 10 < all.length ? { nextLink: `${this.base}${c.path}?api-version=${c.version}&$skiptoken=${from + 10}` } : {}) }, { 'retry-after-ms': String(this.pollMs) }];
  }],
  ['POST', at('{sub}{rg}{deployment}/cancel'), DEPLOYMENTS, function (c) {
    const d = this.deployment(c);
    if (!['Accepted', 'Running'].includes(d.state)) throw fail(409, 'DeploymentCannotBeCancelled', `The deployment '${d.name}' cannot be cancelled because it is in '${d.state}' state.`);
    d.cancelled = true;
    return [204];
  }],
  ['DELETE', at('{sub}{rg}{deployment}'), DEPLOYMENTS, function (c) { const d = this.deployment(c); d.group.deployments.delete(lower(d.name)); return [204]; }],
  // --- resources
  ['GET', at('{sub}{rg}/providers/Microsoft\\.Compute/virtualMachineScaleSets/(?<set>[-\\w]+)/virtualMachines'), null, function ({ rg, set, path, query }) {
    const r = this.resourceOf(rg, path.replace(/\/virtualMachines$/, ''));
    return [200, { value: Array.from({ length: r.sku.capacity }, (_, i) => ({ id: `${r.id}/virtualMachines/${i}`, instanceId: String(i), name: `${set}_${i}`, location: r.location, properties: { provisioningState: 'Succeeded', latestModelApplied: true, osProfile: { computerName: `${set}${String(i).padStart(6, '0')}` },
      ...(query.get('$expand') === 'instanceView' ? { instanceView: { statuses: [{ code: 'ProvisioningState/succeeded', level: 'Info', displayStatus: 'Provisioning succeeded' }, { code: `PowerState/${this.power?.(r, i) ?? 'running'}`, level: 'Info', displayStatus: 'VM running' }] } } : {}) } })) }];
  }],
  ['POST', at('{sub}{rg}/providers/Microsoft\\.Compute/virtualMachineScaleSets/(?<set>[-\\w]+)/virtualMachines/(?<vm>\\d+)/runCommand'), null, function ({ rg, set, vm, path, body }) {
    this.shape(body, ['commandId', 'script', 'parameters'], ['commandId']);
    const r = this.resourceOf(rg, path.replace(/\/virtualMachines.*$/, ''));
    if (Number(vm) >= r.sku.capacity) throw fail(404, 'NotFound', `The entity ${vm} was not found in ${set}.`);
    if (body.commandId !== 'RunShellScript' || !Array.isArray(body.script)) throw this.odd(400, 'InvalidParameter', 'RunShellScript takes an array of lines');
    return [202, undefined, this.later(async () => {
      await this.pause();
      const { out, err } = await this.shell(r, Number(vm), body.script.join('\n'));
      return { value: [{ code: 'ProvisioningState/succeeded', level: 'Info', displayStatus: 'Provisioning succeeded', message: `Enable succeeded: \n[stdout]\n${out}\n[stderr]\n${err}` }] };
    }, { location: true })];
  }],
  ['POST', at('{sub}{rg}/providers/Microsoft\\.Network/loadBalancers/(?<lb>[-\\w]+)/backendAddressPools/(?<pool>[-\\w]+)/queryInboundNatRulePortMapping'), null, function ({ rg, path, pool, body }) {
    this.shape(body, ['ipConfiguration', 'ipAddress'], []);
    const p = this.resourceOf(rg, path.split('/backendAddressPools/')[0]).properties;
    if (!p.backendAddressPools.some((x) => x.name === pool)) throw fail(404, 'NotFound', `Resource ${path} not found.`);
    const m = /^(.*\/virtualMachineScaleSets\/[-\w]+)\/virtualMachines\/(\d+)\/networkInterfaces\/([-\w]+)\/ipConfigurations\/([-\w]+)$/i.exec(body.ipConfiguration?.id ?? '');
    const set = m && this.group(rg).resources.get(lower(m[1])), nic = set?.properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations.find((x) => x.name === m[3]);
    if (!nic?.properties.ipConfigurations.some((x) => x.name === m[4]) || Number(m[2]) >= set.sku.capacity) throw this.odd(400, 'InvalidResourceReference', `${body.ipConfiguration?.id} is no configuration of a backend of ${pool}`);
    const rule = p.inboundNatRules.find((x) => x.properties.backendAddressPool), port = rule.properties.frontendPortRangeStart + this.nat(Number(m[2]));
    if (port > rule.properties.frontendPortRangeEnd) throw fail(409, 'NoPort', 'the range of the rule is used up');
    const value = { inboundNatRulePortMappings: [{ inboundNatRuleName: rule.name, protocol: 'Tcp', frontendPort: port, backendPort: rule.properties.backendPort }] };
    return [202, undefined, this.later(async () => value, { location: true })];
  }],
  ['POST', at('{sub}{rg}/providers/Microsoft\\.Compute/virtualMachineScaleSets/(?<set>[-\\w]+)/(?<verb>start|deallocate)'), null, function ({ rg, path, verb }) {
    const r = this.resourceOf(rg, path.replace(/\/\w+$/, ''));
    return [202, undefined, this.later(async () => { await this.pause(); this.power_?.(this.group(rg), r, verb); }, { location: false })];
  }],
  ['GET', at('{sub}{rg}/providers/Microsoft\\.Network/networkSecurityGroups'), null, function ({ rg }) { return [200, { value: [...this.group(rg).resources.values()].filter((r) => r.type === 'Microsoft.Network/networkSecurityGroups') }]; }],
  ['GET', at('{sub}{rg}/providers/Microsoft\\.Network/networkSecurityGroups/(?<nsg>[-\\w]+)/securityRules/(?<rule>[-\\w]+)'), null, function ({ rg, path, rule }) {
    const r = this.resourceOf(rg, path.split('/securityRules/')[0]).properties.securityRules?.find((x) => x.name === rule);
    if (!r) throw fail(404, 'NotFound', `Resource ${path} not found.`);
    return [200, r];
  }],
  ['PUT', at('{sub}{rg}/providers/Microsoft\\.Network/networkSecurityGroups/(?<nsg>[-\\w]+)/securityRules/(?<rule>[-\\w]+)'), null, function ({ rg, path, rule, body }) {
    this.shape(body, ['id', 'name', 'etag', 'type', 'properties'], ['properties']);
    for (const k of ['protocol', 'access', 'priority', 'direction']) if (body.properties[k] === undefined) throw this.odd(400, 'InvalidRequestFormat', `Required property '${k}' of the security rule is missing.`);
    if (!['Allow', 'Deny'].includes(body.properties.access)) throw this.odd(400, 'InvalidRequestFormat', `access '${body.properties.access}'`);
    const nsg = this.resourceOf(rg, path.split('/securityRules/')[0]), list = nsg.properties.securityRules;
    const now = { id: path, name: rule, properties: { ...body.properties, provisioningState: 'Updating' } }, i = list.findIndex((x) => x.name === rule);
    if (i >= 0) list[i] = now; else list.push(now);
    return [i >= 0 ? 200 : 201, now, this.later(async () => { await this.pause(); now.properties.provisioningState = 'Succeeded'; })];
  }],
  ['PUT', at('{sub}{rg}/providers/Microsoft\\.Network/connections/(?<connection>[-\\w.]+)'), null, function ({ rg, path, body }) {
    this.shape(body, ['id', 'location', 'tags', 'properties'], ['location', 'properties']);
    const p = body.properties, g = this.group(rg);
    if (p.connectionType !== 'Vnet2Vnet' || !p.virtualNetworkGateway1?.id || !p.virtualNetworkGateway2?.id || typeof p.sharedKey !== 'string' || p.sharedKey.length < 1 || p.sharedKey.length > 128) throw this.odd(400, 'InvalidRequestFormat', 'a Vnet2Vnet connection has two gateways and a shared key of 1 to 128 characters');
    this.resourceOf(rg, p.virtualNetworkGateway1.id);
    const { sharedKey, ...rest } = p, now = { id: path, name: path.split('/').pop(), type: 'Microsoft.Network/connections', location: body.location, properties: { ...rest, provisioningState: 'Updating' } };
    this.sharedKeys = [...(this.sharedKeys ?? []), sharedKey];
    g.resources.set(lower(path), now);
    return [201, now, this.later(async () => { await this.pause(); now.properties.provisioningState = 'Succeeded'; })];
  }],
  ['GET', at('{sub}{rg}/providers/Microsoft\\.[A-Za-z]+(/[A-Za-z]+/[-\\w.]+)+'), null, function ({ rg, path }) { return [200, this.resourceOf(rg, path)]; }],
];
