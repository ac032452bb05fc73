#include "orchestrator/cmd/session.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/json.h"
#include "lib/crypto/keystore.h"
#include "lib/crypto/secp256k1.h"
#include "lib/eth/chain_spec.h"
#include "node/chain/genesis.h"
#include "orchestrator/cmd/network.h"
#include "orchestrator/genesis/genesis.h"

#include <strings.h>

enum { DATA_URL_PATIENCE_MS = 3000 };

void session_close(struct session *s)
{
    secret_fini(&s->key);
    if (s->has_g) govern_close(&s->g);
    if (s->has_ws) workspace_close(&s->ws);
    s->has_g = s->has_ws = false;
}

/* seconds a step: a number, or the first of a table of them by time */
static uint64_t step_ms_of(const json_t *spec)
{
    const json_t *v = json_object_get(json_object_get(json_object_get(json_object_get(spec, "engine"), "authorityRound"), "params"), "stepDuration");
    const char *text = json_string_value(v);
    json_int_t n = json_is_integer(v) ? json_integer_value(v) : text != NULL ? (json_int_t)strtoull(text, NULL, 0) : 2;
    return n > 0 && n < 100000 ? (uint64_t)n * 1000 : 2000;
}

static enum status take_spec(address *contract, struct session *s, const json_t *spec, const char *where, struct err *err)
{
    s->step_ms = step_ms_of(spec);
    if (spec_json_contract_address(contract, spec) != OK)
        return err_set(err, E_UNSUPPORTED, "%s names no validator contract: this network's validators are a fixed list", where);
    return OK;
}

/* the node must run the network that the workspace was made for */
static enum status same_network(const struct session *s, const char *rpc, struct err *err)
{
    char have[67];
    const char *want = workspace_fact(&s->ws, "genesisHash");
    hash_put(have, &s->g.genesis);
    if (want == NULL || strcasecmp(want, have) == 0) return OK;
    return err_set(err, E_CONFLICT, "the node at %s runs another network (chain id %llu): its first block is %s, that of %s is %s; nothing was sent. Was the network made anew? Then join it again",
                   rpc, (unsigned long long)s->g.chain_id, have, s->ws.dir, want);
}

enum status session_open(struct session *s, struct cli *c, struct err *err)
{
    *s = (struct session){.cli = c};
    json_t *spec = NULL, *outputs = NULL;
    address contract;
    char where[4200];
    enum status st = workspace_open(&s->ws, c->dir, false, err);
    if (st != OK) return st;
    s->has_ws = true;
    (void)snprintf(where, sizeof where, "%s/spec.json", s->ws.dir);
    st = workspace_read_json(&spec, &s->ws, "spec.json", err);
    if (st == OK) st = take_spec(&contract, s, spec, where, err);
    json_decref(spec);
    if (st == OK && workspace_read_json(&outputs, &s->ws, "outputs.json", NULL) == OK) {
        const char *url = json_string_value(json_object_get(outputs, "CONSORTIUM_DATA_URL"));
        (void)snprintf(s->data_url, sizeof s->data_url, "%s", url == NULL ? "" : url);
    }
    json_decref(outputs);
    const char *rpc = cli_flag(c, "--rpc") != NULL ? cli_flag(c, "--rpc") : workspace_fact(&s->ws, "rpc");
    if (st == OK && rpc == NULL) st = err_set(err, E_INVALID, "the workspace names no RPC endpoint: give --rpc URL");
    if (st == OK) st = govern_open(&s->g, rpc, &contract, err);
    s->has_g = st == OK;
    if (st == E_NET) st = err_prefix(err, "no node answers; `poa-deploy doctor %s` tells why", c->dir);
    return st == OK ? same_network(s, rpc, err) : st;
}

static enum status genesis_of(hash32 *out, const char *spec_text, struct err *err)
{
    struct chain_spec spec;
    struct genesis g;
    enum status st = chain_spec_parse(&spec, bytes_str(spec_text), err);
    if (st == OK) {
        st = genesis_compute(&g, &spec, err);
        if (st == OK) *out = g.hash;
        chain_spec_fini(&spec);
    }
    return st == OK ? OK : err_prefix(err, "the chain specification from the data URL");
}

enum status session_open_url(struct session *s, struct cli *c, const char *data_url, struct err *err)
{
    *s = (struct session){.cli = c};
    struct network_info info = {0};
    json_t *spec = NULL;
    address contract;
    hash32 genesis;
    char rpc[512] = "", want[67], have[67];
    const char *flag = cli_flag(c, "--rpc");
    (void)snprintf(s->data_url, sizeof s->data_url, "%s", data_url);
    /* just deployed, its load balancer may not have seen a node well yet */
    uint64_t end = clock_mono_ms() + DATA_URL_PATIENCE_MS;
    enum status st = network_info_get(&info, data_url, err);
    while (st == E_NET && clock_mono_ms() < end) {
        clock_sleep_ms(200);
        st = network_info_get(&info, data_url, err);
    }
    if (st == OK) st = json_parse(&spec, bytes_str(info.spec_text), err);
    if (st == OK) st = take_spec(&contract, s, spec, "the chain specification from the data URL", err);
    if (st == OK) st = genesis_of(&genesis, info.spec_text, err);
    if (st == OK && flag != NULL) (void)snprintf(rpc, sizeof rpc, "%s", flag);
    else if (st == OK && !network_rpc_of_data_url(rpc, data_url)) st = err_set(err, E_INVALID, "--data-url: '%s' has no host", data_url);
    if (st == OK) st = govern_open(&s->g, rpc, &contract, err);
    s->has_g = st == OK;
    if (st == OK && !hash_eq(&genesis, &s->g.genesis)) {
        hash_put(want, &genesis);
        hash_put(have, &s->g.genesis);
        st = err_set(err, E_CONFLICT, "the specification from %s gives the first block %s, but the node at %s has %s: that is another network; nothing was sent", data_url, want, rpc, have);
    }
    json_decref(spec);
    network_info_fini(&info);
    return st;
}

enum status session_load_key(struct session *s, struct err *err)
{
    struct cli *c = s->cli;
    char path[4096] = "", password_path[4096] = "";
    const char *file = cli_flag(c, "--keystore");
    bool own = file == NULL;
    if (s->has_ws) workspace_path(password_path, &s->ws, "admin/password");
    if (s->has_ws) workspace_path(path, &s->ws, "admin/keystore.json");
    if (own && !file_exists(path))
        return err_set(err, E_INVALID, "which account signs? Give --keystore FILE%s%s", strstr(c->command->flags, "--unsigned") == NULL ? "" : ", or --unsigned to print the transaction for a wallet",
                       s->has_ws ? " (this workspace has no account of its own)" : "");
    if (own) file = path;
    struct buf text, password;
    buf_init(&text, 1 << 16);
    buf_init(&password, 4096);
    enum status st = file_read(&text, file, err);
    if (st == OK && own && cli_flag(c, "--password-file") == NULL && file_exists(password_path)) st = file_read(&password, password_path, err);
    else if (st == OK) st = cli_password(&password, c, false, file, err);
    if (st == OK) {
        st = keystore_get(&s->key, buf_view(&text), buf_view(&password), err);
        if (st == E_DENIED) st = err_set(err, E_DENIED, "the password does not open %s; nothing was sent", file);
        else if (st != OK) st = err_prefix(err, "%s", file);
    }
    uint8_t pub[64];
    if (st == OK) st = ec_public(pub, &s->key);
    if (st == OK) {
        ec_address(s->from.b, pub);
        s->has_key = true;
    }
    if (password.ptr != NULL) secret_wipe(password.ptr, password.cap);
    buf_fini(&password);
    buf_fini(&text);
    return st;
}

void session_note(void *ctx, const char *text)
{
    report_note(ctx, "%s", text);
}

enum exit_code session_fail(struct cli *c, enum status s, struct err *err)
{
    err->status = s;
    enum exit_code code = cli_fail(c, err);
    return s == E_DENIED || s == E_CONFLICT ? EXIT_REFUSED : code;
}
