/* cmd_govern.c: admin list|propose|vote|rescind, validator list|add|remove. */
#include "lib/base/file.h"
#include "lib/codec/abi.h"
#include "lib/codec/hex.h"
#include "lib/codec/json.h"
#include "lib/crypto/keystore.h"
#include "lib/crypto/secp256k1.h"
#include "lib/eth/abi_call.h"
#include "orchestrator/genesis/genesis.h"
#include "orchestrator/cmd/session.h"

void session_close(struct session *s)
{
    secret_fini(&s->key);
    if (s->has_g) govern_close(&s->g);
    if (s->has_ws) workspace_close(&s->ws);
}

/* the workspace names the contract; --rpc may name another node of the same network */
enum status session_open(struct session *s, struct cli *c, struct err *err)
{
    *s = (struct session){.cli = c};
    json_t *spec = NULL;
    address contract;
    enum status st = workspace_open(&s->ws, c->dir, false, err);
    if (st != OK) return st;
    s->has_ws = true;
    st = workspace_read_json(&spec, &s->ws, "spec.json", err);
    if (st == OK && spec_json_contract_address(&contract, spec) != OK)
        st = err_set(err, E_UNSUPPORTED, "%s/spec.json names no validator contract: this network's validators are a fixed list", s->ws.dir);
    json_decref(spec);
    const char *rpc = cli_flag(c, "--rpc") != NULL ? cli_flag(c, "--rpc") : workspace_fact(&s->ws, "rpc");
    if (st == OK && rpc == NULL) st = err_set(err, E_INVALID, "the workspace names no RPC endpoint: give --rpc URL");
    if (st == OK) st = govern_open(&s->g, rpc, &contract, err);
    s->has_g = st == OK;
    return st;
}

/* --keystore, else the account that was made with the workspace (its password lies beside it) */
enum status session_load_key(struct session *s, struct err *err)
{
    struct cli *c = s->cli;
    char path[4096], password_path[4096];
    const char *file = cli_flag(c, "--keystore");
    workspace_path(password_path, &s->ws, "admin/password");
    workspace_path(path, &s->ws, "admin/keystore.json");
    bool own = file == NULL;
    if (own && !file_exists(path))
        return err_set(err, E_INVALID, "which account signs? Give --keystore FILE, or --unsigned to print the transaction for a wallet (this workspace has no account of its own)");
    if (own) file = path;
    struct buf text, password;
    buf_init(&text, 1 << 16);
    buf_init(&password, 4096);
    enum status st = file_read(&text, file, err);
    if (st == OK && own && cli_flag(c, "--password-file") == NULL && file_exists(password_path)) st = file_read(&password, password_path, err);
    else if (st == OK) st = cli_password(&password, c, false, file, err);
    if (st == OK) {
        st = keystore_get(&s->key, buf_view(&text), buf_view(&password), err);
        if (st == E_DENIED) st = err_set(err, E_DENIED, "the password does not open %s", file);
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

static enum exit_code print_unsigned(struct session *s, bytes data)
{
    char to[43], chain[19];
    struct buf hex;
    buf_init(&hex, 4 << 20);
    hex_append(&hex, data);
    address_put_checksum(to, &s->g.contract);
    hex_put_quantity(chain, s->g.chain_id);
    json_t *doc = json_pack("{s:s, s:s, s:s, s:s, s:s}", "to", to, "data", buf_cstr(&hex), "value", "0x0", "gasPrice", "0x0", "chainId", chain);
    report_json(doc);
    json_decref(doc);
    buf_fini(&hex);
    return EXIT_DONE;
}

/* send one governance transaction and follow it; what: for people */
static enum exit_code act(struct session *s, bytes data, const char *what)
{
    struct cli *c = s->cli;
    struct err err = {0};
    struct govern_receipt r = {0};
    if (cli_flag(c, "--unsigned") != NULL) return print_unsigned(s, data);
    enum status st = session_load_key(s, &err);
    if (st != OK) return cli_fail(c, &err);
    report_step(&c->report, "%s", what);
    st = govern_send(&r, &s->g, &s->key, data, SESSION_MINED_S, &err);
    if (st != OK) return session_fail(c, st, &err);
    bool waited = (r.signalled || r.queued) && cli_flag(c, "--no-wait") == NULL;
    if (waited) {
        report_step(&c->report, "wait until the change of validators is in force");
        st = govern_wait_change(&s->g, &s->key, SESSION_FINAL_S, session_note, &c->report, &err);
        if (st != OK) return session_fail(c, st, &err);
    }
    report_done(&c->report);
    if (c->json) {
        json_t *doc = json_pack("{s:s, s:I, s:I, s:b, s:b}", "transactionHash", r.hash, "blockNumber", (json_int_t)r.block, "gasUsed", (json_int_t)r.gas_used,
                                "changesValidators", r.signalled || r.queued, "inForce", waited);
        report_json(doc);
        json_decref(doc);
    } else {
        printf("%s: mined in block %llu (%s)\n", what, (unsigned long long)r.block, r.hash);
        if (waited) printf("the change of validators is in force\n");
        else if (r.signalled || r.queued) printf("it changes the set of validators; it is in force once more than half of them have sealed\n");
    }
    return EXIT_DONE;
}

/* ------------------------------------------------------------------ admin */

static json_t *address_list(const address *list, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++) {
        char text[43];
        address_put_checksum(text, &list[i]);
        json_array_append_new(a, json_string(text));
    }
    return a;
}

static enum status describe_admin(json_t **out, struct govern *g, const address *a, bool proposed, struct err *err)
{
    struct buf alias;
    buf_init(&alias, 4096);
    uint64_t votes_for = 0, votes_against = 0;
    address *validators = NULL;
    size_t n = 0;
    enum status s = govern_text(&alias, g, "getAliasForAdmin(address)", a, err);
    if (s == OK && proposed) s = govern_number(&votes_for, g, "countOfVotesFor(address)", a, err);
    if (s == OK) s = govern_number(&votes_against, g, "countOfVotesAgainst(address)", a, err);
    if (s == OK && !proposed) s = govern_list(&validators, &n, g, "getAdminValidators(address)", a, err);
    if (s == OK) {
        char text[43];
        address_put_checksum(text, a);
        *out = json_pack("{s:s, s:s%, s:I}", "address", text, "alias", alias.len > 0 ? (const char *)alias.ptr : "", alias.len, "votesAgainst",
                         (json_int_t)votes_against);
        if (*out == NULL) {
            /* the alias is no UTF-8 */
            *out = json_pack("{s:s, s:s, s:I}", "address", text, "alias", "?", "votesAgainst", (json_int_t)votes_against);
        }
        if (proposed) json_object_set_new(*out, "votesFor", json_integer((json_int_t)votes_for));
        else json_object_set_new(*out, "validators", address_list(validators, n));
    }
    free(validators);
    buf_fini(&alias);
    return s;
}

static enum status describe_all(json_t *rows, struct govern *g, const char *signature, bool proposed, struct err *err)
{
    address *list = NULL;
    size_t n = 0;
    enum status s = govern_list(&list, &n, g, signature, NULL, err);
    for (size_t i = 0; s == OK && i < n; i++) {
        json_t *row = NULL;
        s = describe_admin(&row, g, &list[i], proposed, err);
        if (s == OK) json_array_append_new(rows, row);
    }
    free(list);
    return s;
}

enum exit_code cmd_admin_list(struct cli *c)
{
    struct err err = {0};
    struct session s;
    uint64_t majority = 0, capacity = 0;
    json_t *admins = json_array(), *proposed = json_array();
    enum status st = session_open(&s, c, &err);
    if (st == OK) st = describe_all(admins, &s.g, "getAdmins()", false, &err);
    if (st == OK) st = describe_all(proposed, &s.g, "getProposedAdmins()", true, &err);
    if (st == OK) st = govern_number(&majority, &s.g, "getMajority()", NULL, &err);
    if (st == OK) st = govern_number(&capacity, &s.g, "getValidatorCapacity()", NULL, &err);
    session_close(&s);
    json_t *doc = json_pack("{s:o, s:o, s:I, s:I}", "admins", admins, "proposed", proposed, "votesNeeded", (json_int_t)majority, "validatorCapacity", (json_int_t)capacity);
    if (st == OK && c->json) {
        report_json(doc);
    } else if (st == OK) {
        size_t i;
        json_t *row;
        printf("%-43s %-24s %s\n", "ADMINISTRATOR", "ALIAS", "VALIDATORS");
        json_array_foreach(admins, i, row)
            printf("%-43s %-24s %zu of %llu\n", json_string_value(json_object_get(row, "address")), json_string_value(json_object_get(row, "alias")),
                   json_array_size(json_object_get(row, "validators")), (unsigned long long)capacity);
        json_array_foreach(admins, i, row)
            if (json_integer_value(json_object_get(row, "votesAgainst")) > 0)
                printf("against %s: %lld of %llu votes that remove it\n", json_string_value(json_object_get(row, "address")),
                       (long long)json_integer_value(json_object_get(row, "votesAgainst")), (unsigned long long)majority);
        if (json_array_size(proposed) > 0) printf("\n%-43s %-24s %s\n", "PROPOSED", "ALIAS", "VOTES");
        json_array_foreach(proposed, i, row)
        {
            json_int_t votes = json_integer_value(json_object_get(row, "votesFor")), left = (json_int_t)majority - votes;
            printf("%-43s %-24s %lld of %llu: needs %lld more\n", json_string_value(json_object_get(row, "address")), json_string_value(json_object_get(row, "alias")),
                   (long long)votes, (unsigned long long)majority, (long long)left);
        }
    }
    json_decref(doc);
    return st == OK ? EXIT_DONE : cli_fail(c, &err);
}

static enum status subject(address *out, struct cli *c, struct err *err)
{
    if (strncmp(c->args[0], "0x", 2) != 0 || address_get(out, bytes_str(c->args[0])) != OK)
        return err_set(err, E_INVALID, "'%s' is no address: 0x and 40 hexadecimal digits", c->args[0]);
    return OK;
}

static enum exit_code act_on_subject(struct cli *c, const char *signature, const char *what)
{
    struct err err = {0};
    struct session s = {.cli = c};
    struct buf data;
    char text[100];
    address who;
    buf_init(&data, 8192);
    enum status st = subject(&who, c, &err);
    if (st == OK) st = session_open(&s, c, &err);
    enum exit_code code = EXIT_DONE;
    if (st == OK) {
        const char *alias = cli_flag(c, "--alias");
        bool two = strstr(signature, ",string") != NULL;
        struct abi_writer w = abi_call_begin(&data, signature);
        abi_put_address(&w, who.b);
        if (two) abi_put_bytes(&w, bytes_str(alias == NULL ? "" : alias));
        abi_end(&w);
        (void)snprintf(text, sizeof text, "%s %s", what, c->args[0]);
        code = act(&s, buf_view(&data), text);
    } else {
        code = cli_fail(c, &err);
    }
    buf_fini(&data);
    session_close(&s);
    return code;
}

enum exit_code cmd_admin_propose(struct cli *c)
{
    return act_on_subject(c, "proposeAdmin(address,string)", "propose");
}

enum exit_code cmd_admin_vote(struct cli *c)
{
    bool is_for = cli_flag(c, "--for") != NULL, against = cli_flag(c, "--against") != NULL;
    if (is_for == against) return cli_fail_text(c, EXIT_USAGE, "say --for or --against");
    return is_for ? act_on_subject(c, "voteFor(address)", "vote for") : act_on_subject(c, "voteAgainst(address)", "vote against");
}

/* the contract has one function for each side: the one that was voted is taken back */
enum exit_code cmd_admin_rescind(struct cli *c)
{
    struct err err = {0};
    struct session s = {.cli = c};
    address who;
    bool voted_for = false;
    enum status st = subject(&who, c, &err);
    if (st == OK) st = session_open(&s, c, &err);
    if (st == OK) st = session_load_key(&s, &err);
    address *list = NULL;
    size_t n = 0;
    if (st == OK) st = govern_list(&list, &n, &s.g, "whoHasVotedFor(address)", &who, &err);
    for (size_t i = 0; i < n; i++)
        voted_for = voted_for || address_eq(&list[i], &s.from);
    free(list);
    session_close(&s);
    if (st != OK) return cli_fail(c, &err);
    return voted_for ? act_on_subject(c, "rescindVoteFor(address)", "take back the vote for")
                     : act_on_subject(c, "rescindVoteAgainst(address)", "take back the vote against");
}

/* --------------------------------------------------------------- validator */

enum exit_code cmd_validator_list(struct cli *c)
{
    struct err err = {0};
    struct session s;
    address *current = NULL, *pending = NULL;
    size_t n = 0, k = 0;
    struct govern_change change = {0};
    json_t *admins = json_array();
    enum status st = session_open(&s, c, &err);
    if (st == OK) st = govern_list(&current, &n, &s.g, "getValidators()", NULL, &err);
    if (st == OK) st = govern_list(&pending, &k, &s.g, "getPendingValidators()", NULL, &err);
    if (st == OK) st = govern_change_info(&change, &s.g, &err);
    if (st == OK) st = describe_all(admins, &s.g, "getAdmins()", false, &err);
    session_close(&s);
    if (st == OK) {
        json_t *doc = json_pack("{s:o, s:o, s:o, s:{s:b, s:I, s:I, s:I}}", "validators", address_list(current, n), "planned", address_list(pending, k), "admins",
                                admins, "change", "active", change.active, "id", (json_int_t)change.id, "signalBlock", (json_int_t)change.signal_block, "queued",
                                (json_int_t)change.queued);
        if (c->json) {
            report_json(doc);
        } else {
            size_t i;
            json_t *v;
            json_array_foreach(json_object_get(doc, "validators"), i, v) printf("%s\n", json_string_value(v));
            if (change.active) printf("a change to %zu validators was signalled in block %llu and waits for finality\n", k, (unsigned long long)change.signal_block);
        }
        json_decref(doc);
    } else {
        json_decref(admins);
    }
    free(current);
    free(pending);
    return st == OK ? EXIT_DONE : cli_fail(c, &err);
}

/* validators of this workspace: those whose keys it made */
static enum status own_validators(address *out, size_t *n, struct session *s, struct err *err)
{
    json_t *outputs = NULL;
    enum status st = workspace_read_json(&outputs, &s->ws, "outputs.json", err);
    if (st != OK) return st;
    json_t *list = json_object_get(outputs, "VALIDATOR_ADDRESSES"), *v;
    size_t i, k = 0;
    json_array_foreach(list, i, v)
    {
        if (k < CLI_ARGS_MAX && json_is_string(v) && address_get(&out[k], bytes_str(json_string_value(v))) == OK) k++;
    }
    json_decref(outputs);
    *n = k;
    return k > 0 ? OK : err_set(err, E_NOT_FOUND, "this workspace names no validators: give their addresses");
}

static enum exit_code change_validators(struct cli *c, const char *signature, const char *verb)
{
    struct err err = {0};
    struct session s = {.cli = c};
    static address list[CLI_ARGS_MAX];
    size_t n = 0;
    struct buf data;
    buf_init(&data, 1 << 20);
    enum status st = session_open(&s, c, &err);
    for (size_t i = 0; st == OK && i < c->n_args; i++)
        if (address_get(&list[n++], bytes_str(c->args[i])) != OK) st = err_set(&err, E_INVALID, "'%s' is no address: 0x and 40 hexadecimal digits", c->args[i]);
    if (st == OK && n == 0) st = own_validators(list, &n, &s, &err);
    enum exit_code code;
    if (st == OK) {
        char text[100];
        struct abi_writer w = abi_call_begin(&data, signature);
        abi_put_addresses(&w, (const uint8_t *)list, n);
        abi_end(&w);
        (void)snprintf(text, sizeof text, "%s %zu validator%s", verb, n, n == 1 ? "" : "s");
        code = act(&s, buf_view(&data), text);
    } else {
        code = cli_fail(c, &err);
    }
    buf_fini(&data);
    session_close(&s);
    return code;
}

enum exit_code cmd_validator_add(struct cli *c)
{
    return change_validators(c, "addValidators(address[])", "add");
}

enum exit_code cmd_validator_remove(struct cli *c)
{
    return change_validators(c, "removeValidators(address[])", "remove");
}
