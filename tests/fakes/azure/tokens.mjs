// The token endpoints of the stand-in: Microsoft Entra ID's v2.0 endpoint (client secret, certificate, federated token of a workload identity) and the
// instance metadata service. Tokens for the resource manager are signed here; those for vault and storage are the identity store's own, asked for in
// the principal's name, so that the store checks them as it always does.
import { createHash, createPublicKey, generateKeyPairSync, randomUUID, sign, verify, constants, X509Certificate } from 'node:crypto';

const b64 = (v) => Buffer.from(v).toString('base64url');
const json = (part) => { try { return JSON.parse(Buffer.from(part ?? '', 'base64url')); } catch { return undefined; } };
export const MANAGEMENT = 'https://management.azure.com', VAULT = 'https://vault.azure.net', STORAGE = 'https://storage.azure.com';
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export class Tokens {
  // principals: {clientId: {objectId, secret, certificate (PEM), federated: {issuer, subject, key (public)}}}
  constructor({ tenant, principals, base, store }) {
    Object.assign(this, { tenant, principals, base, store, lifeS: 3600, skewS: 0, seen: new Set(), issued: 0 });
    this.key = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.kid = createHash('sha256').update(this.key.publicKey.export({ type: 'spki', format: 'der' })).digest('hex').slice(0, 16);
  }
  jwt(claims, key = this.key.privateKey, header = {}) {
    const text = `${b64(JSON.stringify({ alg: 'RS256', typ: 'JWT', kid: this.kid, ...header }))}.${b64(JSON.stringify(claims))}`;
    return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
  }
  now() { return Math.floor(Date.now() / 1000) + this.skewS; }
  issue(principal, clientId, resource) {
    const now = this.now();
    this.issued++;
    return this.jwt({ aud: resource, iss: `https://sts.windows.net/${this.tenant}/`, iat: now, nbf: now, exp: now + this.lifeS, appid: clientId, oid: principal.objectId, tid: this.tenant, ver: '1.0' });
  }
  // {claims} or {error, description}
  check(header, audiences = [MANAGEMENT, `${MANAGEMENT}/`]) {
    const m = /^Bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(header ?? '');
    if (!m) return { error: 'AuthenticationFailed', description: 'Authentication failed. The \'Authorization\' header is missing.' };
    const head = json(m[1]), claims = json(m[2]);
    if (head?.alg !== 'RS256' || head.kid !== this.kid || !verify('sha256', Buffer.from(`${m[1]}.${m[2]}`), this.key.publicKey, Buffer.from(m[3], 'base64url')))
      return { error: 'InvalidAuthenticationToken', description: 'The access token is invalid.' };
    if (!audiences.includes(claims.aud)) return { error: 'InvalidAuthenticationTokenAudience', description: `The access token has been obtained for wrong audience or resource '${claims.aud}'.` };
    if (claims.tid !== this.tenant) return { error: 'InvalidAuthenticationTokenTenant', description: 'The access token is from the wrong issuer.' };
    if (claims.exp <= this.now()) return { error: 'ExpiredAuthenticationToken', description: 'The access token expiry UTC time is earlier than current UTC time.' };
    return { claims };
  }
  assertion(text, clientId, p) {
    const [h, c, s, more] = (text ?? '').split('.');
    const head = json(h), claims = json(c), now = this.now();
    if (!head || !claims || !s || more !== undefined) return 'AADSTS50027: JWT token is invalid or malformed.';
    const data = Buffer.from(`${h}.${c}`), sig = Buffer.from(s, 'base64url');
    if (!(claims.exp > now) || claims.nbf > now + 300) return 'AADSTS700024: Client assertion is not within its valid time range.';
    if (p.federated && claims.iss === p.federated.issuer) {
      if (claims.sub !== p.federated.subject) return 'AADSTS700213: No matching federated identity record found for presented assertion subject.';
      if (![claims.aud].flat().includes('api://AzureADTokenExchange')) return 'AADSTS700212: No matching federated identity record found for presented assertion audience.';
      return head.alg === 'RS256' && verify('sha256', data, p.federated.key, sig) ? '' : 'AADSTS50012: Assertion failed signature validation.';
    }
    if (!p.certificate) return 'AADSTS700027: Client assertion contains an invalid signature: no certificate is registered.';
    const cert = new X509Certificate(p.certificate), der = cert.raw;
    const thumb = head['x5t#S256'] ? createHash('sha256').update(der).digest('base64url') : createHash('sha1').update(der).digest('base64url');
    if ((head['x5t#S256'] ?? head.x5t) !== thumb) return 'AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application.';
    const pss = head.alg === 'PS256';
    if (!pss && head.alg !== 'RS256') return 'AADSTS5002730: Invalid JWT token. Unsupported key for the signing algorithm.';
    const key = pss ? { key: createPublicKey(p.certificate), padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } : createPublicKey(p.certificate);
    if (!verify('sha256', data, key, sig)) return 'AADSTS700027: Client assertion failed signature validation.';
    if (claims.iss !== clientId || claims.sub !== clientId) return 'AADSTS700023: Client assertion issuer does not match client identifier.';
    if (![claims.aud].flat().some((a) => a === `${this.base}/${this.tenant}/oauth2/v2.0/token`)) return 'AADSTS700023: Client assertion audience claim does not match Realm issuer.';
    if (!claims.jti || this.seen.has(claims.jti)) return 'AADSTS50013: the assertion has been used before.';
    this.seen.add(claims.jti);
    return '';
  }
  // POST /{tenant}/oauth2/v2.0/token -> [status, body]
  async endpoint(tenant, contentType, body) {
    const no = (status, error, text) => [status, { error, error_description: `${text} Trace ID: ${randomUUID()}`, error_codes: [Number(/\d+/.exec(text)?.[0] ?? 0)], timestamp: new Date().toISOString() }];
    const f = new URLSearchParams(body), id = f.get('client_id');
    if (!/^application\/x-www-form-urlencoded/.test(contentType ?? '')) return no(400, 'invalid_request', 'AADSTS900144: The request body must be form-urlencoded.');
    if (tenant !== this.tenant) return no(400, 'invalid_tenant', `AADSTS90002: Tenant '${tenant}' not found.`);
    if (f.get('grant_type') !== 'client_credentials') return no(400, 'unsupported_grant_type', `AADSTS70003: The app requested an unsupported grant type '${f.get('grant_type')}'.`);
    const p = this.principals[id];
    if (!p) return no(400, 'unauthorized_client', `AADSTS700016: Application with identifier '${id}' was not found in the directory.`);
    const scopes = (f.get('scope') ?? '').split(' ').filter((x) => !['openid', 'profile', 'offline_access'].includes(x));
    if (scopes.length !== 1 || !scopes[0].endsWith('/.default')) return no(400, 'invalid_scope', 'AADSTS1002012: The provided value for scope is not valid. Client credential flows must have a scope value with /.default.');
    if (f.has('client_assertion')) {
      if (f.get('client_assertion_type') !== ASSERTION) return no(400, 'invalid_request', 'AADSTS50027: client_assertion_type is wrong.');
      const why = this.assertion(f.get('client_assertion'), id, p);
      if (why) return no(401, 'invalid_client', why);
    } else if (!p.secret || f.get('client_secret') !== p.secret) return no(401, 'invalid_client', 'AADSTS7000215: Invalid client secret provided.');
    return this.grant(p, id, scopes[0].slice(0, -'/.default'.length), (t, expires) => [200, { token_type: 'Bearer', expires_in: expires, ext_expires_in: expires, access_token: t }],
      (r) => no(400, 'invalid_resource', `AADSTS500011: The resource principal named ${r} was not found in the tenant.`));
  }
  async grant(p, id, resource, yes, no) {
    const r = resource.replace(/\/$/, '');
    if (r === MANAGEMENT) return yes(this.issue(p, id, resource), this.lifeS);
    if ((r === VAULT || r === STORAGE) && this.store) return yes(await this.store.token(p.storeClient ?? 'orchestrator', r === VAULT ? 'vault' : 'storage'), 3600);
    return no(resource);
  }
  // GET /metadata/identity/oauth2/token -> [status, body]
  async metadata(query, headers, identity) {
    const no = (text) => [400, { error: 'invalid_request', error_description: text }];
    if (headers.metadata?.toLowerCase() !== 'true') return no('Required metadata header not specified');
    if (headers['x-forwarded-for']) return no('X-Forwarded-For is not allowed');
    if (query.get('api-version') !== '2018-02-01') return no('Required query variable \'api-version\' is missing or not supported');
    if (!query.get('resource')) return no('Required audience parameter not specified');
    if (!identity || (query.has('client_id') && query.get('client_id') !== identity)) return no('Identity not found');
    const p = this.principals[identity], resource = query.get('resource');
    return this.grant(p, identity, resource, (t, expires) => [200, { access_token: t, client_id: identity, expires_in: String(expires), expires_on: String(this.now() + expires), ext_expires_in: String(expires),
      not_before: String(this.now()), resource, token_type: 'Bearer' }], () => no(`AADSTS500011: ${resource} was not found`));
  }
}
