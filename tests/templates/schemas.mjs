// Every resource that templates/ deploys, and of the golden renderings, against the JSON schema that Azure publishes for its type and API version; and each template
// file against the schema of templates. TAP.
//   node schemas.mjs [the unit test's executable, which writes the resources]
// The schemas: azure-schemas.tar.xz in $POA_VECTORS, else ../shared/vectors beside the checkout; without it the run is skipped.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Ajv from 'ajv-draft-04';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const unit = process.argv[2] ?? join(root, 'build/release/unit/orchestrator/arm/test_templates');
const archive = join(process.env.POA_VECTORS ?? join(root, '..', 'shared', 'vectors'), 'azure-schemas.tar.xz');
if (!existsSync(archive)) {
  console.log(`1..0 # SKIP ${archive} is absent`);
  process.exit(0);
}

const host = 'https://schema.management.azure.com/schemas/';
const work = mkdtempSync(join(tmpdir(), 'poa-schemas-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
execFileSync('tar', ['-xJf', archive, '-C', work]);
const dump = join(work, 'resources.json');
execFileSync(unit, { cwd: root, env: { ...process.env, POA_DUMP: dump } });

const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
const wanted = new Set(); // files that a checked resource needs
const catalogue = new Map(); // "type@version" in lower case -> reference to its definition
for (const date of readdirSync(work, { withFileTypes: true }).filter((d) => d.isDirectory())) {
  for (const file of readdirSync(join(work, date.name))) {
    const schema = JSON.parse(readFileSync(join(work, date.name, file)));
    for (const section of ['resourceDefinitions', 'extension_resourceDefinitions']) {
      for (const [name, def] of Object.entries(schema[section] ?? {})) {
        const type = def.properties?.type?.enum?.[0] ?? def.properties?.type?.oneOf?.[0]?.enum?.[0];
        const version = def.properties?.apiVersion?.enum?.[0] ?? date.name;
        if (type) catalogue.set(`${type}@${version}`.toLowerCase(), { file: `${date.name}/${file}`, path: `#/${section}/${name}` });
      }
    }
  }
}
// A file that is not in the archive (the union of all resources, VM extensions): what is asked of it takes anything.
const open = new Map();
for (const path of execFileSync('tar', ['-tJf', archive], { encoding: 'utf8' }).split('\n').filter((f) => f.endsWith('.json'))) {
  const refs = readFileSync(join(work, path), 'utf8').matchAll(/"\$ref": *"https:\/\/schema\.management\.azure\.com\/schemas\/([^"#]+)#?([^"]*)"/g);
  for (const [, file, fragment] of refs) {
    if (existsSync(join(work, file))) continue;
    if (!open.has(file)) open.set(file, { id: `${host}${file}#` });
    let at = open.get(file);
    for (const part of fragment.split('/').filter(Boolean)) at = at[part] ??= {};
  }
}
function need(file) {
  if (wanted.has(file)) return;
  wanted.add(file);
  const at = join(work, file);
  if (!existsSync(at)) {
    ajv.addSchema(open.get(file), `${host}${file}`);
    return;
  }
  const schema = JSON.parse(readFileSync(at));
  schema.id = `${host}${file}#`;
  delete schema.$schema;
  const text = JSON.stringify(schema);
  ajv.addSchema(schema, `${host}${file}`);
  for (const [, other] of text.matchAll(/"\$ref":"https:\/\/schema\.management\.azure\.com\/schemas\/([^"#]+)/g)) need(other);
}

let count = 0;
let failed = 0;
function report(good, title, detail) {
  count++;
  if (!good) failed++;
  console.log(`${good ? 'ok' : 'not ok'} ${count} - ${title}`);
  if (!good) for (const line of detail) console.log(`# ${line}`);
}
// oneOf [value, expression] gives an error for each branch; the deepest ones say what is wrong
const explain = (errors) => [...new Set((errors ?? []).sort((a, b) => b.instancePath.length - a.instancePath.length).map((e) => `${e.instancePath} ${e.message} ${JSON.stringify(e.params)}`))].slice(0, 12);
// null is as good as absent to Azure
const withoutNull = (v) => Array.isArray(v) ? v.map(withoutNull) : v !== null && typeof v === 'object'
  ? Object.fromEntries(Object.entries(v).filter(([, x]) => x !== null).map(([k, x]) => [k, withoutNull(x)])) : v;

// the schema of that version, else that of the newest older one in the archive
function lookup({ type, apiVersion }) {
  const prefix = `${type}@`.toLowerCase();
  const older = [...catalogue.keys()].filter((k) => k.startsWith(prefix) && k.slice(prefix.length) <= apiVersion).sort();
  const key = older.at(-1);
  return key && { ...catalogue.get(key), version: key.slice(prefix.length) };
}
// a check that passes everything would be none
function refuses(plain) {
  const { id, ...body } = plain;
  const def = lookup(plain);
  body.apiVersion = def.version;
  body.properties = { ...body.properties, securityRules: 5, virtualMachineProfile: 5, tenantId: 5, subnets: 5, addressSpace: 5 };
  return !ajv.validate({ $ref: `${host}${def.file}${def.path}` }, body);
}
const seen = new Set();
const tried = new Set();
const unknown = new Set();
const golden = readdirSync(join(root, 'tests/templates/golden')).flatMap((f) => JSON.parse(readFileSync(join(root, 'tests/templates/golden', f)), (k, v) => (k === 'customData' ? v.join('\n') : v)).resources);
for (const resource of [...JSON.parse(readFileSync(dump)), ...golden]) {
  const plain = withoutNull(resource);
  const key = `${plain.type}@${plain.apiVersion}`;
  const text = JSON.stringify(plain);
  if (seen.has(text)) continue;
  seen.add(text);
  const def = lookup(plain);
  if (!def) {
    unknown.add(key);
    continue;
  }
  need(def.file);
  const validate = ajv.getSchema(`${host}${def.file}${def.path}`) ?? ajv.compile({ $ref: `${host}${def.file}${def.path}` });
  const { id, ...body } = { ...plain, apiVersion: def.version };
  let good = validate(body);
  // the pattern of a child's name is that of its last part, though the schema sets it on the whole
  if (!good && body.name.includes('/') && validate.errors.some((e) => e.instancePath === '/name')) good = validate({ ...body, name: body.name.split('/').at(-1) });
  // an enumeration that Azure's own documents extend: streams of custom tables
  if (!good && key.startsWith('Microsoft.Insights/dataCollectionRules@')) {
    const flows = body.properties.dataFlows.map((f) => ({ ...f, streams: f.streams.map((x) => (/^Custom-[A-Za-z0-9_]+_CL$/.test(x) ? 'Microsoft-Syslog' : x)) }));
    good = validate({ ...body, properties: { ...body.properties, dataFlows: flows } });
  }
  report(good, `${key} ${plain.name} fits its schema${def.version === plain.apiVersion ? '' : ` of ${def.version}`}`, explain(validate.errors));
  if (/(vaults|virtualNetworks|networkSecurityGroups|virtualMachineScaleSets)$/.test(plain.type) && !tried.has(key)) {
    tried.add(key);
    report(refuses(plain), `${key} with a wrong property is refused`, []);
  }
}
for (const key of unknown) {
  count++;
  console.log(`ok ${count} - ${key} # SKIP its schema is not in the archive`);
}

need('2019-04-01/deploymentTemplate.json');
const template = ajv.compile({ $ref: `${host}2019-04-01/deploymentTemplate.json#` });
const files = ['mainTemplate.json', 'trafficManager.json', ...readdirSync(join(root, 'templates/nested')).map((f) => `nested/${f}`)];
for (const file of files) {
  const good = template(JSON.parse(readFileSync(join(root, 'templates', file))));
  report(good, `templates/${file} fits the schema of templates`, explain(template.errors));
}
// relative references inside of the schemas of user interfaces
const uiBase = `${host}0.1.2-preview/`;
for (const part of ['CommonControl', 'ProviderControl', 'MultiVm']) {
  const schema = JSON.parse(readFileSync(join(work, '0.1.2-preview', `CreateUIDefinition.${part}.json`)));
  schema.id = `${uiBase}CreateUIDefinition.${part}.json`;
  delete schema.$schema;
  ajv.addSchema(schema);
}
const uiFile = JSON.parse(readFileSync(join(root, 'templates/createUiDefinition.json')));
const ui = ajv.getSchema(`${uiBase}CreateUIDefinition.MultiVm.json`);
const { $schema, ...uiBody } = uiFile;
report(ui(uiBody), 'templates/createUiDefinition.json fits the schema of user interfaces', explain(ui.errors));
const main = JSON.parse(readFileSync(join(root, 'templates/mainTemplate.json')));
const strange = Object.keys(uiFile.parameters.outputs).filter((k) => !(k in main.parameters));
report(strange.length === 0, 'every output of the user interface is a parameter of the template', strange);
const missing = Object.keys(main.parameters).filter((k) => !('defaultValue' in main.parameters[k]) && !(k in uiFile.parameters.outputs));
report(missing.length === 0, 'the user interface gives every parameter without a default', missing);
console.log(`1..${count}`);
process.exit(failed === 0 ? 0 : 1);
