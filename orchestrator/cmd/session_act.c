/* session_act.c: one governance transaction: the contract's verdict -> signed here, elsewhere, or printed -> mined -> final, in force -> what it changed,
 * what is missing. */
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "orchestrator/cmd/session.h"
#include "orchestrator/govern/events.h"


enum { RAW_MAX = 4 << 20 };

/* ----------------------------------------------------- signed elsewhere */

/* who will sign it: then nonce and gas can be told */
static bool asked_from(address *out, struct cli *c, struct err *err)
{
    const char *from = cli_flag(c, "--from");
    if (from == NULL) return false;
    return govern_address(out, from, err) == OK;
}

static void put_u64(json_t *o, const char *key, uint64_t v)
{
    char hex[19];
    hex_put_quantity(hex, v);
    json_object_set_new(o, key, json_string(hex));
}

/* with --from it is complete, and the contract was asked; without, a wallet adds nonce and gas */
static enum exit_code print_unsigned(struct session *s, bytes data)
{
    struct cli *c = s->cli;
    struct err err = {0};
    struct tx tx;
    address from;
    char to[43], text[43];
    bool has_from = asked_from(&from, c, &err);
    if (!has_from && cli_flag(c, "--from") != NULL) return cli_fail(c, &err);
    enum status st = has_from ? govern_prepare(&tx, &s->g, &from, data, &err) : OK;
    if (st != OK) return session_fail(c, st, &err);
    struct buf hex;
    buf_init(&hex, RAW_MAX);
    hex_append(&hex, data);
    address_put_checksum(to, &s->g.contract);
    json_t *doc = json_pack("{s:s, s:s, s:s, s:s}", "to", to, "data", buf_cstr(&hex), "value", "0x0", "gasPrice", "0x0");
    put_u64(doc, "chainId", s->g.chain_id);
    if (has_from) {
        address_put_checksum(text, &from);
        json_object_set_new(doc, "from", json_string(text));
        put_u64(doc, "nonce", tx.nonce);
        put_u64(doc, "gas", tx.gas_limit);
    }
    report_done(&c->report);
    report_json(doc);
    json_decref(doc);
    buf_fini(&hex);
    return EXIT_DONE;
}

/* --send 0x..., or a file that holds it */
static enum status read_signed(struct buf *raw, const char *given, struct err *err)
{
    struct buf text;
    buf_init(&text, 2 * RAW_MAX + 16);
    enum status s = OK;
    if (strncmp(given, "0x", 2) == 0) buf_put_str(&text, given);
    else s = file_read(&text, given, err);
    while (s == OK && text.len > 0 && text.ptr[text.len - 1] <= ' ')
        text.len--;
    if (s == OK && (text.len < 4 || hex_get(raw, buf_view(&text)) != OK))
        s = err_set(err, E_INVALID, "--send: %s is no signed transaction: 0x and hexadecimal digits, as a wallet gives it", strncmp(given, "0x", 2) == 0 ? "this" : given);
    buf_fini(&text);
    return s;
}

/* is it what this command would have signed? */
static enum status check_signed(struct tx *tx, const struct session *s, const struct buf *raw, bytes data, struct err *err)
{
    struct err why = {0};
    if (tx_get(tx, buf_view(raw), &why) != OK) return err_set(err, E_INVALID, "--send: this is no transaction: %s", err_text(&why));
    if (tx_recover(tx, true) != OK) return err_set(err, E_INVALID, "--send: the signature of this transaction is not valid");
    if (!tx->has_chain_id || tx->chain_id != s->g.chain_id)
        return err_set(err, E_CONFLICT, "--send: this transaction is signed for chain id %llu, but this network has %llu: has the network been made anew? Sign it again for this one",
                       (unsigned long long)(tx->has_chain_id ? tx->chain_id : 0), (unsigned long long)s->g.chain_id);
    if (!tx->has_to || !address_eq(&tx->to, &s->g.contract)) return err_set(err, E_CONFLICT, "--send: this transaction does not go to the governance contract");
    if (tx->data.len != data.len || memcmp(tx->data.ptr, data.ptr, data.len) != 0)
        return err_set(err, E_CONFLICT, "--send: this transaction does something else than this command: sign what the same command prints with --unsigned");
    return OK;
}

/* ------------------------------------------------------- what became of it */

struct outcome {
    struct govern_receipt r;
    json_t *events;
    bool is_final, is_in_force;
    struct buf said; /* sentences, a line each */
    uint64_t votes_missing, votes_needed, change_id, signers_missing;
    bool has_votes, has_signers;
};

static bool has_event(const json_t *events, const char *name)
{
    size_t i;
    json_t *e;
    json_array_foreach(events, i, e)
    {
        const char *have = json_string_value(json_object_get(e, "event"));
        if (have != NULL && strcmp(have, name) == 0) return true;
    }
    return false;
}

/* what the events say, then what is missing: votes, and signers of a change */
static void tell(struct outcome *o, struct session *s)
{
    static const char *const decided[] = {"AdminAdded", "AdminRemoved", "ProposalRejected", "ProposalWithdrawn"};
    size_t i;
    json_t *e;
    bool is_decided = false;
    for (size_t k = 0; k < COUNT_OF(decided); k++)
        is_decided = is_decided || has_event(o->events, decided[k]);
    json_array_foreach(o->events, i, e)
    {
        const char *name = json_string_value(json_object_get(e, "event"));
        struct buf text;
        buf_init(&text, RAW_MAX);
        govern_event_text(&text, e, NULL);
        if (text.len > 0) buf_printf(&o->said, "%s\n", buf_cstr(&text));
        buf_fini(&text);
        if (strcmp(name, "VoteCast") == 0) {
            o->votes_needed = (uint64_t)json_integer_value(json_object_get(e, "needed"));
            uint64_t votes = (uint64_t)json_integer_value(json_object_get(e, "votes"));
            o->votes_missing = votes < o->votes_needed ? o->votes_needed - votes : 0;
            o->has_votes = true;
        }
        if (strcmp(name, "ChangeStarted") == 0 || strcmp(name, "ChangeQueued") == 0) o->change_id = (uint64_t)json_integer_value(json_object_get(e, "id"));
    }
    if (o->has_votes && !is_decided && o->votes_missing > 0)
        buf_printf(&o->said, "needs %llu more vote%s of %llu\n", (unsigned long long)o->votes_missing, o->votes_missing == 1 ? "" : "s", (unsigned long long)o->votes_needed);
    if (o->is_in_force) {
        buf_printf(&o->said, "the change of validators is in force\n");
    } else if (o->r.signalled || o->r.queued) {
        struct govern_change c = {0};
        o->has_signers = govern_change_info(&c, &s->g, NULL) == OK && c.active && govern_signers_missing(&o->signers_missing, &s->g, c.signal_block);
        if (o->has_signers)
            buf_printf(&o->said, "change takes effect after %llu more signer%s, about %llu s%s\n", (unsigned long long)o->signers_missing, o->signers_missing == 1 ? "" : "s",
                       (unsigned long long)(((o->signers_missing + 1) * s->step_ms + 999) / 1000), o->r.queued && !o->r.signalled ? ", and as long again for what waits behind it" : "");
        else buf_printf(&o->said, "change takes effect once more than half of the validators have sealed on top of it\n");
    }
}

static void print_outcome(const struct outcome *o, const struct session *s, const char *what)
{
    struct outcome *m = (struct outcome *)(uintptr_t)o;
    if (!s->cli->json) {
        printf("%s: mined in block %llu%s (%s)\n%s", what, (unsigned long long)o->r.block, o->is_final ? ", final" : ", not final yet", o->r.hash, buf_cstr(&m->said));
        return;
    }
    json_t *doc = json_pack("{s:s, s:I, s:I, s:b, s:b, s:b, s:O}", "transactionHash", o->r.hash, "blockNumber", (json_int_t)o->r.block, "gasUsed", (json_int_t)o->r.gas_used,
                            "final", o->is_final, "changesValidators", o->r.signalled || o->r.queued, "inForce", o->is_in_force, "events", o->events);
    if (o->has_votes) {
        json_object_set_new(doc, "votesMissing", json_integer((json_int_t)o->votes_missing));
        json_object_set_new(doc, "votesNeeded", json_integer((json_int_t)o->votes_needed));
    }
    if (o->change_id != 0) json_object_set_new(doc, "change", json_integer((json_int_t)o->change_id));
    if (o->has_signers) json_object_set_new(doc, "signersMissing", json_integer((json_int_t)o->signers_missing));
    json_object_set_new(doc, "text", json_string(buf_cstr(&m->said)));
    report_json(doc);
    json_decref(doc);
}

static enum exit_code follow(struct session *s, struct outcome *o, const struct tx *tx, const char *what)
{
    struct cli *c = s->cli;
    struct err err = {0};
    report_step(&c->report, "%s", what);
    enum status st = govern_send_raw(&o->r, &o->events, &s->g, tx, SESSION_MINED_S, &err);
    if (st != OK) return session_fail(c, st, &err);
    bool wait = cli_flag(c, "--no-wait") == NULL, changes = o->r.signalled || o->r.queued;
    if (wait && changes) {
        report_step(&c->report, "wait until the change of validators is in force");
        st = govern_wait_change(&s->g, s->has_key ? &s->key : NULL, SESSION_FINAL_S, session_note, &c->report, &err);
        o->is_in_force = st == OK;
    } else if (wait) {
        report_step(&c->report, "wait until it is final");
        st = govern_wait_final(&s->g, o->r.block, SESSION_MINED_S, session_note, &c->report, &err);
    }
    o->is_final = wait && st == OK;
    if (st != OK && (st != E_TIMEOUT || changes)) return session_fail(c, st, &err);
    report_done(&c->report);
    if (st != OK) report_warn(&c->report, "%s", err_text(&err)); /* the vote stands; it only takes its time */
    tell(o, s);
    print_outcome(o, s, what);
    return EXIT_DONE;
}

enum exit_code session_act(struct session *s, bytes data, const char *what, session_check_fn check, void *ctx)
{
    struct cli *c = s->cli;
    struct err err = {0};
    struct tx tx = {0};
    const char *given = cli_flag(c, "--send");
    struct outcome o = {0};
    struct buf raw;
    enum exit_code code = EXIT_DONE;
    if (cli_flag(c, "--unsigned") != NULL && given != NULL) return cli_fail_text(c, EXIT_USAGE, "--unsigned prints what --send takes: say one of them");
    if (cli_flag(c, "--unsigned") != NULL) {
        code = check == NULL ? EXIT_DONE : check(s, ctx);
        return code == EXIT_DONE ? print_unsigned(s, data) : code;
    }
    buf_init(&raw, RAW_MAX);
    buf_init(&o.said, RAW_MAX);
    enum status st = OK;
    if (given != NULL) {
        st = read_signed(&raw, given, &err);
        if (st == OK) st = check_signed(&tx, s, &raw, data, &err);
    } else {
        st = session_load_key(s, &err);
        if (st == OK) st = govern_prepare(&tx, &s->g, &s->from, data, &err);
    }
    if (st != OK) code = s->has_key || given != NULL ? session_fail(c, st, &err) : cli_fail(c, &err);
    if (code == EXIT_DONE && check != NULL) code = check(s, ctx);
    if (code == EXIT_DONE && given == NULL && tx_sign(&tx, &raw, &s->key) != OK) code = cli_fail_text(c, EXIT_FAILED, "the key in the keystore is not valid");
    if (code == EXIT_DONE) code = follow(s, &o, &tx, what);
    json_decref(o.events);
    buf_fini(&o.said);
    buf_fini(&raw);
    return code;
}
