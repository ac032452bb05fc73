/* cmd_rotate.c: rotate: a validator gets a new key on a live network (DESIGN.md section 3): new key in the vault -> ONE on-chain change (old out, new
 * in) -> in force -> the leased blob is handed over -> the old secret is disabled. What was reached stands in state.json ("rotation"), so
 * that a run that was killed at any point goes on where it stopped:
 *
 *     {"index": 0, "old": "0x...", "oldSecret": "https://...", "new": "0x...", "newSecret": "https://...", "phase": "key" | "voted" | "handed"} */
#include "lib/base/clock.h"
#include "lib/codec/abi.h"
#include "lib/codec/json.h"
#include "lib/eth/abi_call.h"
#include "orchestrator/cmd/live.h"
#include "orchestrator/cmd/session.h"
#include "orchestrator/identity/identities.h"

enum { SEAL_WAIT_S = 120, PAUSE_MS = 200 };

struct rotation {
    struct session s;
    struct target target;
    struct vault_access access;
    unsigned index;
    struct identity_state old, next;
};

/* ----------------------------------------------------------------- record */

static enum status save(struct rotation *r, const char *phase, struct err *err)
{
    char old_text[43], next_text[43];
    address_put_checksum(old_text, &r->old.who);
    address_put_checksum(next_text, &r->next.who);
    json_t *doc = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s}", "index", (int)r->index, "old", old_text, "oldSecret", r->old.secret_uri, "new", next_text,
                            "newSecret", r->next.secret_uri, "phase", phase);
    return workspace_set_record(&r->s.ws, "rotation", doc, err);
}

static enum status text_of(char *dst, size_t cap, const json_t *doc, const char *key, struct err *err)
{
    const char *v = json_string_value(json_object_get(doc, key));
    if (v == NULL || strlen(v) >= cap) return err_set(err, E_CORRUPT, "state.json: rotation.%s is no text of ours", key);
    (void)snprintf(dst, cap, "%s", v);
    return OK;
}

/* what an earlier run left; *phase is NULL when there is none */
static enum status load(const char **phase, struct rotation *r, struct err *err)
{
    const json_t *doc = workspace_record(&r->s.ws, "rotation");
    char old_text[64], next_text[64];
    *phase = NULL;
    if (!json_is_object(doc)) return OK;
    r->index = (unsigned)json_integer_value(json_object_get(doc, "index"));
    enum status s = text_of(old_text, sizeof old_text, doc, "old", err);
    if (s == OK) s = text_of(next_text, sizeof next_text, doc, "new", err);
    if (s == OK) s = text_of(r->old.secret_uri, sizeof r->old.secret_uri, doc, "oldSecret", err);
    if (s == OK) s = text_of(r->next.secret_uri, sizeof r->next.secret_uri, doc, "newSecret", err);
    if (s == OK && (address_get(&r->old.who, bytes_str(old_text)) != OK || address_get(&r->next.who, bytes_str(next_text)) != OK))
        s = err_set(err, E_CORRUPT, "state.json: rotation names no addresses");
    if (s == OK) *phase = json_string_value(json_object_get(doc, "phase"));
    return s;
}

/* ------------------------------------------------------------------ steps */

/* (admin, current, pending) of a validator */
static enum status validator_info(bool *current, bool *pending, struct govern *g, const address *who, struct err *err)
{
    bool in_force = false, planned = false;
    address *list = NULL;
    size_t n = 0;
    enum status s = govern_list(&list, &n, g, "getValidators()", NULL, err);
    for (size_t i = 0; s == OK && i < n; i++)
        in_force = in_force || address_eq(&list[i], who);
    free(list);
    list = NULL;
    if (s == OK) s = govern_list(&list, &n, g, "getPendingValidators()", NULL, err);
    for (size_t i = 0; s == OK && i < n; i++)
        planned = planned || address_eq(&list[i], who);
    free(list);
    if (s == OK) {
        *current = in_force;
        *pending = planned;
    }
    return s;
}

static enum status change_on_chain(struct rotation *r, struct err *err)
{
    bool current, pending;
    enum status s = validator_info(&current, &pending, &r->s.g, &r->next.who, err);
    if (s != OK || current) return s;
    if (!pending) {
        struct buf data;
        struct govern_receipt receipt;
        buf_init(&data, 4096);
        struct abi_writer w = abi_call_begin(&data, "replaceValidators(address[],address[])");
        abi_put_addresses(&w, r->old.who.b, 1);
        abi_put_addresses(&w, r->next.who.b, 1);
        abi_end(&w);
        s = govern_send(&receipt, &r->s.g, &r->s.key, buf_view(&data), SESSION_MINED_S, err);
        buf_fini(&data);
        if (s == E_DENIED) {
            /* a run that was killed may have sent the same change just before: then it is on its way, and ours came second */
            struct err again = {0};
            if (validator_info(&current, &pending, &r->s.g, &r->next.who, &again) == OK && (current || pending)) s = OK;
        }
    }
    if (s == OK) s = govern_wait_change(&r->s.g, &r->s.key, SESSION_FINAL_S, session_note, &r->s.cli->report, err);
    return s;
}

/* a block by the new validator shows that the hand-over is complete */
static enum status wait_sealing(struct rotation *r, struct err *err)
{
    uint64_t end = clock_mono_ms() + SEAL_WAIT_S * 1000;
    char want[43];
    address_put(want, &r->next.who);
    for (;;) {
        json_t *block = NULL;
        enum status s = rpc_client_call(&block, r->s.g.rpc, "eth_getBlockByNumber", json_pack("[s, b]", "latest", 0), err);
        const char *author = json_string_value(json_object_get(block, "author"));
        bool ours = s == OK && author != NULL && strcmp(author, want) == 0;
        json_decref(block);
        if (ours) return OK;
        if (clock_mono_ms() > end)
            return err_set(err, E_TIMEOUT, "the change is in force and the identity handed over, but %s has sealed nothing in %d s; see `poa-deploy status` and run rotate again",
                           want, SEAL_WAIT_S);
        clock_sleep_ms(PAUSE_MS);
    }
}

/* outputs.json names the validators: the new one takes the old one's place */
static enum status update_outputs(struct rotation *r, struct err *err)
{
    json_t *outputs = NULL;
    char old_text[43], next_text[43];
    enum status s = workspace_read_json(&outputs, &r->s.ws, "outputs.json", err);
    json_t *list = json_object_get(outputs, "VALIDATOR_ADDRESSES"), *v;
    size_t i;
    address_put_checksum(old_text, &r->old.who);
    address_put_checksum(next_text, &r->next.who);
    json_array_foreach(list, i, v) if (json_is_string(v) && strcasecmp(json_string_value(v), old_text) == 0) json_array_set_new(list, i, json_string(next_text));
    if (s == OK) s = workspace_write_json(&r->s.ws, "outputs.json", outputs, err);
    json_decref(outputs);
    return s;
}

static enum status rotate_one(struct rotation *r, const char *phase, struct err *err)
{
    struct report *report = &r->s.cli->report;
    enum status s = OK;
    bool keyed = phase != NULL, voted = keyed && strcmp(phase, "key") != 0, handed = keyed && strcmp(phase, "handed") == 0;
    if (!keyed) {
        report_step(report, "identity %u: a new key into the vault", r->index);
        s = identities_read(&r->old, &r->access, r->index, err);
        if (s == OK) s = identities_add_key(&r->next, &r->access, r->index, err);
        if (s == OK) s = save(r, "key", err);
    }
    if (s == OK && !voted) {
        report_step(report, "identity %u: replace the validator on the chain, wait until it is in force", r->index);
        s = change_on_chain(r, err);
        if (s == OK) s = save(r, "voted", err);
    }
    if (s == OK && !handed) {
        report_step(report, "identity %u: hand the identity over", r->index);
        s = identities_hand_over(&r->next, &r->access, r->index, err);
        if (s == OK) s = update_outputs(r, err);
        if (s == OK) s = save(r, "handed", err);
    }
    if (s == OK) {
        report_step(report, "identity %u: wait for a block by the new validator", r->index);
        s = wait_sealing(r, err);
    }
    if (s == OK) {
        report_step(report, "identity %u: retire the old key", r->index);
        s = identities_retire(r->old.secret_uri, &r->access, err);
    }
    if (s == OK) s = workspace_set_record(&r->s.ws, "rotation", NULL, err);
    if (s == OK) s = workspace_mark(&r->s.ws, "rotated", err);
    return s;
}

/* --------------------------------------------------------------- command */

static enum status open_vault(struct rotation *r, struct err *err)
{
    struct cli *c = r->s.cli;
    struct buf yaml;
    buf_init(&yaml, 1 << 20);
    enum status s = workspace_read(&yaml, &r->s.ws, "consortium.yaml", err);
    if (s == OK) settings_take_file(&c->settings, "consortium.yaml", buf_view(&yaml));
    buf_fini(&yaml);
    if (s == OK) s = live_open_target(&r->target, c, &r->s.ws, err);
    if (s == OK) s = r->target.ops->vault(&r->target, &r->access, err);
    return s;
}

/* which identities: --index N, --validator ADDR, --all */
static enum status choose(unsigned *out, size_t *n_out, struct rotation *r, struct err *err)
{
    struct cli *c = r->s.cli;
    const char *index = cli_flag(c, "--index"), *validator = cli_flag(c, "--validator");
    bool all = cli_flag(c, "--all") != NULL;
    json_t *outputs = NULL;
    if ((index != NULL) + (validator != NULL) + all != 1) return err_set(err, E_INVALID, "say which: --index N, --validator ADDR or --all");
    enum status s = workspace_read_json(&outputs, &r->s.ws, "outputs.json", err);
    size_t total = json_array_size(json_object_get(outputs, "VALIDATOR_ADDRESSES")), n = 0;
    json_decref(outputs);
    address want = {{0}};
    if (s == OK && validator != NULL) s = govern_address(&want, validator, err);
    for (unsigned i = 0; s == OK && i < total && i < IDENTITIES_MAX; i++) {
        struct identity_state now;
        bool take = all || (index != NULL && strtoul(index, NULL, 10) == i);
        if (validator != NULL) {
            s = identities_read(&now, &r->access, i, err);
            take = s == OK && address_eq(&now.who, &want);
        }
        if (take) out[n++] = i;
    }
    if (s == OK && n == 0) s = err_set(err, E_NOT_FOUND, "this workspace has no such identity: it has %zu, with the indices 0 to %zu", total, total == 0 ? 0 : total - 1);
    *n_out = n;
    return s;
}

enum exit_code cmd_rotate(struct cli *c)
{
    static struct rotation r; /* large */
    struct err err = {0};
    const char *phase = NULL;
    unsigned indices[IDENTITIES_MAX];
    size_t n = 0;
    json_t *done = json_array();
    enum status s = session_open(&r.s, c, &err);
    if (s == OK) s = open_vault(&r, &err);
    if (s == OK) s = session_load_key(&r.s, &err);
    if (s == OK) s = load(&phase, &r, &err);
    if (s == OK && phase != NULL) {
        /* an earlier run comes to its end first */
        s = rotate_one(&r, phase, &err);
        if (s == OK) json_array_append_new(done, json_integer((json_int_t)r.index));
    }
    unsigned finished = phase != NULL ? r.index : UINT32_MAX;
    if (s == OK) s = choose(indices, &n, &r, &err);
    for (size_t i = 0; s == OK && i < n; i++) {
        if (indices[i] == finished) continue;
        r.index = indices[i];
        s = rotate_one(&r, NULL, &err);
        if (s == OK) json_array_append_new(done, json_integer((json_int_t)r.index));
    }
    target_close(&r.target);
    session_close(&r.s);
    enum exit_code code = EXIT_DONE;
    if (s != OK) {
        code = session_fail(c, s, &err);
    } else {
        report_done(&c->report);
        json_t *doc = json_pack("{s:O}", "rotated", done);
        if (c->json) report_json(doc);
        else printf("%zu identit%s rotated; the old secrets are disabled and stay in the vault\n", json_array_size(done), json_array_size(done) == 1 ? "y" : "ies");
        json_decref(doc);
    }
    json_decref(done);
    return code;
}
