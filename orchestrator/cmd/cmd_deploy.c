/* cmd_deploy.c: new, join, plan: the walk of DESIGN.md section 3. Nothing is created before everything that can be checked beforehand was. */
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/codec/json.h"
#include "lib/crypto/keystore.h"
#include "lib/crypto/secp256k1.h"
#include "lib/eth/chain_spec.h"
#include "node/chain/genesis.h"
#include "orchestrator/cmd/changes.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/live.h"
#include "orchestrator/cmd/network.h"
#include "orchestrator/cmd/template.h"
#include "orchestrator/genesis/genesis.h"
#include "orchestrator/govern/govern.h"
#include "orchestrator/identity/identities.h"
#include "orchestrator/report/mail.h"
#include "orchestrator/target/target.h"

enum { SPEC_MAX = 64 << 20, SETTINGS_FILE_MAX = 1 << 20, FIRST_BLOCK_S = 60, VAULT_WAIT_MS = 30000 };

struct deployment {
    struct cli *cli;
    bool is_join;
    struct workspace ws;
    bool has_ws;
    struct artifact artifact;
    struct target target;
    struct identities ids;
    address admin;
    bool made_admin;
    char admin_keystore[4200];
    struct network_info info; /* join */
    struct buf spec;
    uint64_t network_id, capacity; /* join: how many validators each member may have; 0: not known */
    char genesis_hash[67];
    json_t *resources, *outputs;
    json_t *tmpl, *parameters; /* for a target that submits the template */
};

static void deployment_fini(struct deployment *d)
{
    identities_fini(&d->ids);
    artifact_fini(&d->artifact);
    network_info_fini(&d->info);
    buf_fini(&d->spec);
    json_decref(d->resources);
    json_decref(d->outputs);
    json_decref(d->tmpl);
    json_decref(d->parameters);
    target_close(&d->target);
    if (d->has_ws) workspace_close(&d->ws);
}

/* --------------------------------------------------------------- settings */

static enum status read_settings_file(struct settings *s, const char *path, struct err *err)
{
    struct buf text;
    buf_init(&text, SETTINGS_FILE_MAX);
    enum status st = file_read(&text, path, err);
    if (st == OK) settings_take_file(s, path, buf_view(&text));
    buf_fini(&text);
    return st;
}

static enum exit_code settings_failed(struct cli *c)
{
    size_t i;
    json_t *p;
    size_t n = json_array_size(c->settings.problems);
    fprintf(stderr, "poa-deploy: error: %zu setting%s cannot be used:\n", n, n == 1 ? "" : "s");
    json_array_foreach(c->settings.problems, i, p) fprintf(stderr, "  %s\n", json_string_value(p));
    if (c->json) {
        json_t *doc = json_pack("{s:{s:s, s:s, s:O}}", "error", "code", "E_INVALID", "message", "settings cannot be used", "problems", c->settings.problems);
        report_json(doc);
        json_decref(doc);
    }
    return EXIT_USAGE;
}

/* flags > the file of -f > what an earlier, unfinished run resolved > defaults */
static enum status gather_settings(struct cli *c, bool resume, const char *dir, struct err *err)
{
    const char *file = cli_flag(c, "-f");
    if (file != NULL) return read_settings_file(&c->settings, file, err);
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/consortium.yaml", dir);
    if (resume && file_exists(path)) return read_settings_file(&c->settings, path, err);
    return OK;
}

/* nodes that follow and serve, and never seal */
static bool is_observer(const struct settings *s)
{
    return strcmp(SETTING(s, identity_mode), "none") == 0;
}

static size_t instance_count(const struct settings *s)
{
    return (size_t)(SETTING_INT_OF(s, nodes) * SETTING_INT_OF(s, regions));
}

static size_t validator_count(const struct settings *s)
{
    return is_observer(s) ? 0 : instance_count(s);
}

/* ------------------------------------------------------------------ plan */

static json_t *make_plan(struct deployment *d)
{
    const struct settings *s = &d->cli->settings;
    json_t *regions = json_array(), *warnings = json_array();
    for (unsigned r = 1; r <= SETTING_INT_OF(s, regions); r++) {
        char location[64];
        json_array_append_new(regions, json_pack("{s:i, s:s, s:I, s:s}", "region", (int)r, "location", settings_location(s, r, location), is_observer(s) ? "observers" : "validators",
                                                 (json_int_t)SETTING_INT_OF(s, nodes), "loadBalancer", d->target.balancer[r - 1]));
    }
    size_t n = validator_count(s);
    if (!d->is_join && n < 3)
        json_array_append_new(warnings, json_string("fewer than 3 validators: while one is down, no block becomes final and no change of validators takes effect"));
    if (!d->is_join && n % 2 == 0)
        json_array_append_new(warnings, json_string("an even number of validators tolerates no more failures than one less would"));
    if (!d->is_join && n == 1) json_array_append_new(warnings, json_string("one validator is no consortium"));
    if (*SETTING(s, email) != '\0' && *SETTING(s, smtp_url) == '\0')
        json_array_append_new(warnings, json_string("no mail will be sent: --email needs a server that sends it, --smtp-url"));
    if (d->capacity > 0 && n > d->capacity)
        json_array_append_new(warnings, json_sprintf("the network lets each member have %llu validators, as many as its first member: of these %zu only %llu can be added, the others will follow",
                                                     (unsigned long long)d->capacity, n, (unsigned long long)d->capacity));
    json_t *plan = json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:I, s:s, s:s, s:o}", "command", d->is_join ? "join" : "new", "workspace", d->cli->dir, "target",
                     SETTING(s, target), "memberId", (json_int_t)SETTING_INT_OF(s, member_id), "networkId",
                     (json_int_t)(d->is_join ? d->network_id : SETTING_INT_OF(s, network_id)), "regions", regions, "validators", (json_int_t)n, "identityStore",
                     d->target.store_url, "admin", *SETTING(s, admin) != '\0' ? SETTING(s, admin) : is_observer(s) ? "(none)" : "(a new account)", "warnings", warnings);
    if (d->target.ops->plan != NULL) IGNORE(d->target.ops->plan(&d->target, plan, NULL) != OK, "what the target adds is for reading");
    return plan;
}

/* what kinds of resources the template makes, and how many of each */
static json_t *count_resources(const json_t *resources)
{
    json_t *counts = json_object();
    size_t i;
    const json_t *v;
    json_array_foreach(resources, i, v)
    {
        const char *type = json_string_value(json_object_get(v, "type"));
        if (type != NULL) json_object_set_new(counts, type, json_integer(json_integer_value(json_object_get(counts, type)) + 1));
    }
    return counts;
}

static void print_plan(const struct deployment *d, const json_t *plan)
{
    const char *type;
    json_t *count;
    const struct settings *s = &d->cli->settings;
    size_t i;
    json_t *w;
    printf("%s in %s, target %s, member %llu, network id %llu\n", d->is_join ? "Join a network" : "A new network", d->cli->dir, SETTING(s, target),
           (unsigned long long)SETTING_INT_OF(s, member_id), (unsigned long long)json_integer_value(json_object_get(plan, "networkId")));
    json_array_foreach(json_object_get(plan, "regions"), i, w)
        printf("  region %zu (%s): %llu %s behind %s:%u\n", i + 1, json_string_value(json_object_get(w, "location")),
               (unsigned long long)SETTING_INT_OF(s, nodes), is_observer(s) ? "observers" : "validators", json_string_value(json_object_get(w, "loadBalancer")), d->target.rpc_port);
    if (is_observer(s)) printf("  observers: no validator keys, nothing is sealed here\n");
    printf("  identity store: %s, %zu validator keys\n  administrator: %s\n", d->target.store_url, validator_count(s),
           json_string_value(json_object_get(plan, "admin")));
    json_array_foreach(json_object_get(plan, "hosts"), i, w)
    {
        char *runs = json_dumps(json_object_get(w, "runs"), JSON_COMPACT);
        printf("  host %s: %s\n", json_string_value(json_object_get(w, "address")), runs == NULL ? "" : runs);
        free(runs);
    }
    if (!d->is_join) printf("  EVM %s, %s s a step, %s gas a block\n", SETTING(s, evm), SETTING(s, step), SETTING(s, gas_limit));
    json_object_foreach(json_object_get(plan, "resources"), type, count) printf("  %4lld %s\n", (long long)json_integer_value(count), type);
    json_array_foreach(json_object_get(plan, "warnings"), i, w) printf("  warning: %s\n", json_string_value(w));
    json_array_foreach(json_object_get(plan, "changes"), i, w)
    {
        const char *recorded = json_string_value(json_object_get(w, "recorded"));
        printf("  to %s: %s", json_string_value(json_object_get(w, "action")), json_string_value(json_object_get(w, "what")));
        if (recorded != NULL) printf(", '%s' is recorded, '%s' is wanted", recorded, json_string_value(json_object_get(w, "wanted")));
        printf(" (%s)\n", json_string_value(json_object_get(w, "why")));
    }
    if (json_array_size(json_object_get(plan, "changes")) == 0) puts("  nothing would change");
}

/* ----------------------------------------------------------------- steps */

/* an administrator's account if none was named: keystore in admin/, its password beside it when none was given */
static enum status make_admin(struct deployment *d, struct err *err)
{
    struct cli *c = d->cli;
    const char *given = SETTING(&c->settings, admin);
    if (*given != '\0') return address_get(&d->admin, bytes_str(given));
    if (is_observer(&c->settings)) return OK; /* who only looks votes for nobody */
    char dir[4096], password_path[4200];
    workspace_path(dir, &d->ws, "admin");
    (void)snprintf(d->admin_keystore, sizeof d->admin_keystore, "%s/keystore.json", dir);
    (void)snprintf(password_path, sizeof password_path, "%s/password", dir);
    d->made_admin = true;
    struct buf password, json;
    buf_init(&password, 4096);
    buf_init(&json, 1 << 16);
    secret32 key = {{0}};
    uint8_t pub[64];
    enum status s = file_mkdirs(dir, 0700, err);
    const char *kept = workspace_fact(&d->ws, "adminAddress");
    if (s == OK && kept != NULL && file_exists(d->admin_keystore)) {
        s = address_get(&d->admin, bytes_str(kept));
        goto out;
    }
    if (s == OK && (cli_flag(c, "--password-file") != NULL || getenv("POA_PASSWORD") != NULL)) {
        s = cli_password(&password, c, false, "the administrator's account", err);
    } else if (s == OK) {
        uint8_t raw[16];
        rng_fill(raw, sizeof raw);
        uint8_t *p = buf_reserve(&password, 32);
        if (p == NULL) BUG("a small buffer");
        hex_put((char *)p, raw, sizeof raw);
        password.len = 32;
        secret_wipe(raw, sizeof raw);
        s = file_write_atomic(password_path, buf_view(&password), 0600, err);
    }
    ec_secret_generate(&key);
    /* the light cost: this account is made for a network on this machine; `account new` makes a strong one */
    if (s == OK) s = keystore_put(&json, &key, buf_view(&password), KEYSTORE_COST_LIGHT);
    if (s == OK) s = file_write_atomic(d->admin_keystore, buf_view(&json), 0600, err);
    if (s == OK) s = ec_public(pub, &key);
    if (s == OK) ec_address(d->admin.b, pub);
out:
    if (password.ptr != NULL) secret_wipe(password.ptr, password.cap);
    buf_fini(&password);
    buf_fini(&json);
    secret_fini(&key);
    char text[43];
    address_put_checksum(text, &d->admin);
    if (s == OK) s = workspace_set_fact(&d->ws, "adminAddress", text, err);
    return s;
}

/* hash of the specification in d->spec, by the code that the node checks it with */
static enum status compute_genesis(struct deployment *d, const char *what, struct err *err)
{
    struct chain_spec spec;
    struct genesis g;
    enum status s = chain_spec_parse(&spec, buf_view(&d->spec), err);
    if (s != OK) return err_prefix(err, "%s", what);
    for (size_t i = 0; d->is_join && i < spec.n_warnings; i++)
        report_warn(&d->cli->report, "%s: %s", what, spec.warnings[i]);
    d->network_id = spec.network_id;
    s = genesis_compute(&g, &spec, err);
    if (s == OK) hash_put(d->genesis_hash, &g.hash);
    else s = err_prefix(err, "%s", what);
    chain_spec_fini(&spec);
    return s;
}

static enum status make_genesis(struct deployment *d, struct err *err)
{
    struct spec_plan p = {.settings = &d->cli->settings,
                          .artifact = &d->artifact,
                          .admin = d->admin,
                          .validators = d->ids.addresses,
                          .n_validators = d->ids.n,
                          .capacity = d->ids.n};
    buf_clear(&d->spec);
    enum status s = spec_json_make(&d->spec, &p, err);
    if (s == OK) s = compute_genesis(d, "the new chain specification", err);
    return s;
}

/* how many validators a member may have, as the contract says; 0: this contract does not */
static uint64_t ask_capacity(const char *rpc, const char *spec_text)
{
    struct govern g;
    json_t *spec = NULL;
    address contract;
    uint64_t n = 0;
    if (json_parse(&spec, bytes_str(spec_text), NULL) != OK) return 0;
    if (spec_json_contract_address(&contract, spec) == OK && govern_open(&g, rpc, &contract, NULL) == OK) {
        if (govern_number(&n, &g, "getValidatorCapacity()", NULL, NULL) != OK) n = 0;
        govern_close(&g);
    }
    json_decref(spec);
    return n;
}

/* join: everything about the network is looked at before anything is created */
static enum status study_network(struct deployment *d, struct err *err)
{
    struct cli *c = d->cli;
    char rpc[512];
    const char *url = SETTING(&c->settings, data_url), *rpc_flag = cli_flag(c, "--rpc");
    enum status s = network_info_get(&d->info, url, err);
    if (s != OK) return s;
    if (d->info.n_bootnodes == 0)
        return err_set(err, E_NOT_FOUND, "the network at %s names no bootnodes: none of that member's nodes runs just now; try again later or use another member's data URL", url);
    buf_put_str(&d->spec, d->info.spec_text);
    s = compute_genesis(d, "the chain specification from the data URL", err);
    if (s != OK) return s;
    if (rpc_flag != NULL) (void)snprintf(rpc, sizeof rpc, "%s", rpc_flag);
    else if (!network_rpc_of_data_url(rpc, url)) return err_set(err, E_INVALID, "--data-url: '%s' has no host", url);
    s = network_check_genesis(rpc, d->genesis_hash, err);
    if (s == E_NET || s == E_TIMEOUT)
        return err_prefix(err, "the genesis could not be compared with a live node (give its RPC address with --rpc URL)");
    if (s == OK) d->capacity = ask_capacity(rpc, d->info.spec_text);
    return s;
}

/* a member id that a node of the network already uses would collide in addresses */
static enum status check_member_id(const struct deployment *d, struct err *err)
{
    char mine[32];
    size_t i;
    json_t *v;
    /* elsewhere the addresses are not made of the member id */
    if (strcmp(d->target.ops->name, "local") != 0) return OK;
    (void)snprintf(mine, sizeof mine, "@127.%u.", d->target.member & 255);
    json_array_foreach(json_object_get(d->info.doc, "bootnodes"), i, v)
    {
        if (json_is_string(v) && strstr(json_string_value(v), mine) != NULL)
            return err_set(err, E_INVALID, "--member-id (ethereum.memberId): %u is taken by the member whose data URL this is; each member of a network needs its own", d->target.member);
    }
    return OK;
}

static enum status resolve_template(struct deployment *d, bool count, struct err *err)
{
    struct template_input in = {.settings = &d->cli->settings,
                                .share_dir = d->cli->share_dir,
                                .target = &d->target,
                                .is_join = d->is_join,
                                .admin = d->admin,
                                .network_id = d->network_id,
                                .genesis_hash = d->genesis_hash,
                                .validators = d->ids.addresses,
                                .n_validators = d->ids.n};
    enum status s = template_resolve(&d->resources, &d->outputs, &in, err);
    if (s == OK) s = d->target.ops->take_resources(&d->target, d->resources, err);
    if (s == OK && count && d->target.n_instances != instance_count(&d->cli->settings))
        s = err_set(err, E_INVALID, "the template makes %zu instances, but %zu were planned", d->target.n_instances, instance_count(&d->cli->settings));
    if (s == OK && count && d->target.ops->submits_template) s = template_submission(&d->tmpl, &d->parameters, &in, err);
    return s;
}

static enum status contracts_text(char **out, struct deployment *d, struct err *err)
{
    json_t *doc;
    if (!d->is_join) {
        doc = artifact_contracts_json(&d->artifact, NULL, 0);
    } else {
        /* SPEC(original-product.md A3): a member hosts the leader's contracts again, and the list of its own validators */
        static const char *const keys[] = {"valSetContract", "adminContract", "adminContractABI"};
        doc = artifact_contracts_json(&d->artifact, d->ids.addresses, d->ids.n);
        for (size_t i = 0; i < COUNT_OF(keys); i++) {
            json_t *v = json_object_get(d->info.doc, keys[i]);
            if (json_is_string(v)) json_object_set(doc, keys[i], v);
        }
    }
    *out = json_dumps(doc, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    json_decref(doc);
    return *out == NULL ? err_set(err, E_NOMEM, "no memory") : OK;
}

/* later commands ask the network here */
static enum status note_rpc(struct deployment *d, struct err *err)
{
    char url[200];
    (void)snprintf(url, sizeof url, "http://%s:%u", d->target.balancer[0], d->target.rpc_port);
    return workspace_set_fact(&d->ws, "rpc", url, err);
}

static enum status write_documents(struct deployment *d, const char *contracts, struct err *err)
{
    struct buf yaml;
    buf_init(&yaml, SETTINGS_FILE_MAX);
    settings_put_yaml(&d->cli->settings, &yaml);
    enum status s = workspace_write(&d->ws, "consortium.yaml", buf_view(&yaml), 0644, err);
    buf_fini(&yaml);
    if (s == OK) s = workspace_write(&d->ws, "spec.json", buf_view(&d->spec), 0644, err);
    if (s == OK) s = workspace_write(&d->ws, "contracts.json", bytes_str(contracts), 0644, err);
    if (s == OK) s = workspace_write_json(&d->ws, "deployment.json", d->resources, err);
    if (s == OK) s = workspace_set_fact(&d->ws, "kind", d->is_join ? "join" : "new", err);
    if (s == OK) s = workspace_set_fact(&d->ws, "genesisHash", d->genesis_hash, err);
    if (s == OK) s = note_rpc(d, err);
    if (s == OK) s = workspace_mark(&d->ws, "genesis", err);
    return s;
}

static enum status push_identities(struct deployment *d, const char *contracts, struct err *err)
{
    struct vault_access access;
    enum status s = d->target.ops->vault(&d->target, &access, err);
    if (s != OK) return s;
    return identities_push(&d->ids, &access, buf_view(&d->spec), bytes_str(contracts),
                           strcmp(SETTING(&d->cli->settings, identity_mode), "sign") == 0, VAULT_WAIT_MS, err);
}

static enum status wait_and_finish(struct deployment *d, unsigned timeout_s, struct err *err)
{
    uint64_t number = 0;
    if (d->target.ops->submits_template && strcmp(SETTING(&d->cli->settings, public_ip), "private") == 0) {
        report_warn(&d->cli->report, "the nodes are in a private network that this machine may not reach, so the first block was not waited for: look from inside with `poa-deploy status`");
        return workspace_finish(&d->ws, err);
    }
    report_step(&d->cli->report, d->is_join ? "wait for the nodes to follow the network" : "wait for the first block");
    enum status s = network_wait_block(&number, workspace_fact(&d->ws, "rpc"), 0, timeout_s, &d->cli->report, err);
    if (s == OK) s = workspace_finish(&d->ws, err);
    return s;
}

/* addresses of the validators of a run before this one; false: it has noted none */
static bool recall_validators(address *out, const struct deployment *d, size_t n)
{
    const char *listed = workspace_fact(&d->ws, "validators");
    if (listed == NULL || strlen(listed) < n * 43) return false;
    for (size_t i = 0; i < n; i++)
        if (address_get(&out[i], bytes_make(listed + i * 43, 42)) != OK) return false;
    return true;
}

/* What an earlier run, stopped at a bad moment, has left in the vault is gone on with: nodes may hold some of it already. Their blobs are written when
 * all keys are there, so that keys of which some are missing are nobody's. Only a vault that has said so counts as one without them: else a vault
 * that is silent for a moment would end in other keys than the nodes have. */
static enum status adopt_identities(bool *adopted, struct deployment *d, struct err *err)
{
    struct vault_access access;
    address wanted[IDENTITIES_MAX];
    size_t n = validator_count(&d->cli->settings);
    *adopted = false;
    if (!d->target.ops->submits_template || n == 0 || !workspace_is_done(&d->ws, "genesis") || !recall_validators(wanted, d, n)) return OK;
    if (d->target.ops->vault(&d->target, &access, NULL) != OK) return OK; /* there is none yet */
    enum status s = identities_adopt(&d->ids, &access, wanted, n, strcmp(SETTING(&d->cli->settings, identity_mode), "sign") == 0, err);
    *adopted = s == OK;
    return s == E_NOT_FOUND ? OK : s;
}

static enum status note_validators(struct deployment *d, struct err *err)
{
    char text[IDENTITIES_MAX * 43 + 1] = "";
    for (size_t i = 0; i < d->ids.n; i++) {
        char one[43];
        address_put(one, &d->ids.addresses[i]);
        (void)snprintf(text + i * 43, 44, "%s ", one);
    }
    return workspace_set_fact(&d->ws, "validators", text, err);
}

static enum status finish_target(struct deployment *d, const struct target_job *job, struct err *err)
{
    if (d->target.ops->finish == NULL) return OK;
    enum status s = d->target.ops->finish(&d->target, job, d->outputs, err);
    if (s == OK) s = note_rpc(d, err);
    return s;
}

static enum status build(struct deployment *d, unsigned timeout_s, struct err *err)
{
    struct cli *c = d->cli;
    char *contracts = NULL;
    enum status s = d->target.ops->clear(&d->target, err);
    if (s == OK) s = d->target.ops->preflight(&d->target, err);
    bool adopted = false;
    if (s == OK) s = adopt_identities(&adopted, d, err);
    if (s != OK) return s;
    if (adopted) {
        report_step(&c->report, "go on with the %zu validator keys that the vault holds", d->ids.n);
    } else {
        if (!is_observer(&c->settings)) report_step(&c->report, "make %zu validator keys", validator_count(&c->settings));
        identities_generate(&d->ids, validator_count(&c->settings));
    }
    s = make_admin(d, err);
    if (s == OK && !d->is_join) {
        report_step(&c->report, "build the genesis block with the governance contract");
        s = make_genesis(d, err);
    }
    if (s == OK) {
        report_step(&c->report, "resolve the template");
        s = resolve_template(d, true, err);
    }
    if (s == OK) s = contracts_text(&contracts, d, err);
    if (s == OK) s = note_validators(d, err);
    if (s == OK) s = write_documents(d, contracts, err);
    const struct target_job job = {.resources = d->resources, .tmpl = d->tmpl, .parameters = d->parameters, .n_validators = d->ids.n};
    if (s == OK) s = d->target.ops->place(&d->target, &job, err);
    if (s == OK) {
        report_step(&c->report, is_observer(&c->settings) ? "put the chain's specification into the store" : "put the identities into the vault");
        s = push_identities(d, contracts, err);
    }
    if (s == OK) s = workspace_write_json(&d->ws, "outputs.json", d->outputs, err);
    if (s == OK) s = workspace_mark(&d->ws, "identities", err);
    if (s == OK) s = finish_target(d, &job, err);
    if (s == OK && d->target.ops->finish != NULL) s = workspace_write_json(&d->ws, "outputs.json", d->outputs, err);
    if (s == OK) s = wait_and_finish(d, timeout_s, err);
    free(contracts);
    return s;
}

/* the job of a run before this one, from what it has written */
static enum status recall_job(struct deployment *d, struct target_job *job, struct err *err)
{
    const char *hash = workspace_fact(&d->ws, "genesisHash");
    size_t n = validator_count(&d->cli->settings);
    if (hash == NULL || !recall_validators(d->ids.addresses, d, n)) return err_set(err, E_CORRUPT, "state.json names no validators, or no genesis hash: it was changed by hand?");
    d->ids.n = n;
    (void)snprintf(d->genesis_hash, sizeof d->genesis_hash, "%s", hash);
    if (!d->is_join) d->network_id = SETTING_INT_OF(&d->cli->settings, network_id);
    enum status s = make_admin(d, err);
    json_t *outputs = d->outputs;
    d->outputs = NULL;
    json_decref(d->resources);
    d->resources = NULL;
    if (s == OK) s = resolve_template(d, true, err);
    json_decref(d->outputs);
    d->outputs = outputs;
    *job = (struct target_job){.resources = d->resources, .tmpl = d->tmpl, .parameters = d->parameters, .n_validators = n};
    return s;
}

/* identities are in the vault already: start what does not run, and wait */
static enum status resume(struct deployment *d, unsigned timeout_s, struct err *err)
{
    enum status r = workspace_read_json(&d->resources, &d->ws, "deployment.json", err);
    if (r == OK) r = workspace_read_json(&d->outputs, &d->ws, "outputs.json", err);
    if (r != OK) return r;
    report_step(&d->cli->report, "go on where the last run stopped");
    bool already;
    enum status s = d->target.ops->take_resources(&d->target, d->resources, err);
    struct target_job job = {.n_validators = 0};
    if (s == OK && d->target.ops->submits_template) s = recall_job(d, &job, err);
    if (s == OK) s = finish_target(d, &job, err);
    if (s == OK && d->target.ops->finish != NULL) s = workspace_write_json(&d->ws, "outputs.json", d->outputs, err);
    if (s == OK && d->target.ops->finish == NULL) s = d->target.ops->up(&d->target, &already, err);
    if (s == OK) s = wait_and_finish(d, timeout_s, err);
    return s;
}

/* ------------------------------------------------------------- the commands */

static void print_outputs(const struct deployment *d, json_t *outputs)
{
    outputs_print(outputs);
    if (d->made_admin) printf("%-30s %s (password in admin/password, unless you gave one)\n", "ADMIN_KEYSTORE", d->admin_keystore);
}

/* what the doctor goes by, for as long as the deployment is not brought to its end */
static void note_failure(struct workspace *ws, const struct err *err)
{
    IGNORE(workspace_set_record(ws, "failure", json_pack("{s:s, s:s}", "status", status_text(err->status), "text", err_text(err)), NULL), "the run has failed anyway");
}

static unsigned timeout_of(struct cli *c)
{
    const char *t = cli_flag(c, "--timeout");
    /* the first block comes at the begin of a step, the next one when that one's validator is late */
    return t == NULL ? FIRST_BLOCK_S + 2 * (unsigned)SETTING_INT_OF(&c->settings, step) : (unsigned)strtoul(t, NULL, 10);
}

/* the deployment stands whether or not the mail goes out */
static void send_mail(struct deployment *d, json_t *outputs)
{
    struct err err = {0};
    if (*SETTING(&d->cli->settings, email) == '\0') return;
    if (outputs_mail(d->cli, outputs, d->is_join ? "Your nodes have joined the consortium" : "Your consortium network is deployed", &err) == OK) return;
    report_fail(&d->cli->report);
    report_warn(&d->cli->report, "%s; send them later by `poa-deploy outputs %s --email %s`", err_text(&err), d->cli->dir, SETTING(&d->cli->settings, email));
}

static enum exit_code finish_output(struct deployment *d)
{
    json_t *outputs = NULL;
    struct err err = {0};
    enum status s = workspace_read_json(&outputs, &d->ws, "outputs.json", &err);
    if (s != OK) return cli_fail(d->cli, &err);
    report_done(&d->cli->report);
    send_mail(d, outputs);
    report_done(&d->cli->report);
    if (d->cli->json) {
        if (d->made_admin) json_object_set_new(outputs, "ADMIN_KEYSTORE", json_string(d->admin_keystore));
        report_json(outputs);
    } else {
        print_outputs(d, outputs);
    }
    json_decref(outputs);
    return EXIT_DONE;
}

static enum status open_target(struct deployment *d, struct err *err)
{
    return live_open_target(&d->target, d->cli, d->has_ws ? &d->ws : NULL, err);
}

static enum exit_code deploy(struct cli *c, bool is_join, bool plan_only)
{
    struct err err = {0};
    static struct deployment d; /* large */
    d = (struct deployment){.cli = c, .is_join = is_join, .ws = {.lock_fd = -1}};
    buf_init(&d.spec, SPEC_MAX);
    enum exit_code code = EXIT_DONE;

    if (cli_flag(c, "--observer") != NULL && !settings_take_flag(&c->settings, "--identity-mode", "none")) BUG("a setting");
    enum status s = gather_settings(c, true, c->dir, &err);
    char unfinished[4096];
    (void)snprintf(unfinished, sizeof unfinished, "%s/state.json", c->dir);
    if (s == OK && !plan_only && wizard_wanted(c) && !file_exists(unfinished) && !wizard_run(c, is_join)) {
        deployment_fini(&d);
        fputs("poa-deploy: nothing was made\n", stderr);
        return EXIT_FAILED;
    }
    if (s == OK && settings_check(&c->settings, is_join) != OK) {
        deployment_fini(&d);
        return settings_failed(c);
    }
    if (s == OK && c->share_dir[0] == '\0')
        s = err_set(&err, E_NOT_FOUND, "templates/mainTemplate.json was found neither beside the program nor in /usr/share/poa-deploy: set POA_SHARE to the folder that holds templates/");
    if (s == OK) s = artifact_load(&d.artifact, c->share_dir, &err);
    if (s == OK && !plan_only) {
        s = workspace_open(&d.ws, c->dir, true, &err);
        d.has_ws = s == OK;
    }
    if (s == OK && d.has_ws && workspace_is_finished(&d.ws)) {
        json_t *changes = json_array();
        size_t i;
        json_t *w;
        if (changes_find(changes, c, cli_flag(c, "-f") != NULL, false, &err) == OK && json_array_size(changes) > 0) {
            char list[600] = "";
            json_array_foreach(changes, i, w)
            {
                size_t n = strlen(list);
                (void)snprintf(list + n, sizeof list - n, "%s%s is '%.60s', not '%.60s' (%s)", n == 0 ? "" : "; ", json_string_value(json_object_get(w, "what")),
                               json_string_value(json_object_get(w, "recorded")), json_string_value(json_object_get(w, "wanted")), json_string_value(json_object_get(w, "why")));
            }
            json_decref(changes);
            s = err_set(&err, E_CONFLICT, "%s holds a finished deployment with other settings: %s", d.ws.dir, list);
            deployment_fini(&d);
            return cli_fail(c, &err);
        }
        json_decref(changes);
        if (c->json) {
            json_t *outputs = NULL;
            if (workspace_read_json(&outputs, &d.ws, "outputs.json", NULL) == OK) report_json(outputs);
            json_decref(outputs);
        }
        fprintf(stderr, "poa-deploy: %s holds a finished deployment: nothing to do (`poa-deploy status %s`, `poa-deploy up %s`)\n", d.ws.dir, c->dir, c->dir);
        deployment_fini(&d);
        return EXIT_ALREADY;
    }
    if (s == OK) s = open_target(&d, &err);
    if (s == OK && is_join) {
        report_step(&c->report, "study the network at %.100s", SETTING(&c->settings, data_url));
        s = study_network(&d, &err);
        if (s == OK) s = check_member_id(&d, &err);
    }
    if (s == OK && plan_only && d.target.ops->submits_template) {
        const char *admin = SETTING(&c->settings, admin);
        if (!is_join) d.network_id = SETTING_INT_OF(&c->settings, network_id);
        if (*admin != '\0') s = address_get(&d.admin, bytes_str(admin));
        if (s == OK) s = resolve_template(&d, false, &err);
    }
    if (s == OK && plan_only) {
        json_t *plan = make_plan(&d), *changes = json_array();
        if (d.resources != NULL) json_object_set_new(plan, "resources", count_resources(d.resources));
        s = changes_find(changes, c, cli_flag(c, "-f") != NULL, true, &err);
        json_object_set(plan, "changes", changes);
        if (json_array_size(changes) == 0 && cli_flag(c, "--detailed-exitcode") != NULL) code = EXIT_ALREADY;
        json_decref(changes);
        if (s != OK) {
            json_decref(plan);
            deployment_fini(&d);
            return cli_fail(c, &err);
        }
        report_done(&c->report);
        if (c->json) report_json(plan);
        else print_plan(&d, plan);
        json_decref(plan);
        deployment_fini(&d);
        return code;
    }
    if (s == OK) {
        json_t *plan = make_plan(&d);
        size_t i;
        json_t *w;
        json_array_foreach(json_object_get(plan, "warnings"), i, w) report_warn(&c->report, "%s", json_string_value(w));
        json_decref(plan);
        s = workspace_is_done(&d.ws, "identities") ? resume(&d, timeout_of(c), &err) : build(&d, timeout_of(c), &err);
    }
    if (s != OK) {
        err.status = s;
        if (err.text[0] == '\0') IGNORE(err_set(&err, s, "%s", status_text(s)), "only text");
        if (d.has_ws) note_failure(&d.ws, &err);
        code = cli_fail(c, &err);
    } else {
        if (workspace_record(&d.ws, "failure") != NULL) IGNORE(workspace_set_record(&d.ws, "failure", NULL, NULL), "nobody reads it of a finished one");
        code = finish_output(&d);
    }
    deployment_fini(&d);
    return code;
}

enum exit_code cmd_new(struct cli *c)
{
    return deploy(c, false, cli_flag(c, "--dry-run") != NULL);
}

enum exit_code cmd_join(struct cli *c)
{
    return deploy(c, true, cli_flag(c, "--dry-run") != NULL);
}

enum exit_code cmd_plan(struct cli *c)
{
    struct settings file;
    struct err err = {0};
    char path[4200];
    const char *given = cli_flag(c, "-f");
    (void)snprintf(path, sizeof path, "%.4000s/consortium.yaml", c->dir);
    /* it is a `join` by its flags, or by what is written down */
    settings_init(&file);
    bool is_join = *SETTING(&c->settings, data_url) != '\0';
    if (!is_join && (given != NULL || file_exists(path)) && read_settings_file(&file, given != NULL ? given : path, &err) == OK)
        is_join = *SETTING(&file, data_url) != '\0';
    settings_fini(&file);
    return deploy(c, is_join, true);
}
