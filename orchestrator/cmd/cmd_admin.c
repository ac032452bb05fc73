/* cmd_admin.c: admin list|propose|vote|rescind|history. */
#include "lib/eth/abi_call.h"
#include "orchestrator/cmd/members.h"
#include "orchestrator/cmd/session.h"
#include "orchestrator/govern/events.h"

json_t *members_addresses(const address *list, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++) {
        char text[43];
        address_put_checksum(text, &list[i]);
        json_array_append_new(a, json_string(text));
    }
    return a;
}

/* a: alias, votes against, then validators or votes for */
static enum status describe(json_t **out, const address *who, const struct govern_answer *a, bool proposed, struct err *err)
{
    struct buf alias;
    char text[43];
    uint64_t against = 0, in_favour = 0;
    address *validators = NULL;
    size_t n = 0;
    buf_init(&alias, 4096);
    enum status s = govern_get_text(&alias, &a[0], err);
    if (s == OK) s = govern_get_number(&against, &a[1], err);
    if (s == OK && proposed) s = govern_get_number(&in_favour, &a[2], err);
    if (s == OK && !proposed) s = govern_get_list(&validators, &n, &a[2], err);
    address_put_checksum(text, who);
    if (s == OK) {
        json_t *name = json_stringn((const char *)alias.ptr, alias.len);
        if (name == NULL) name = json_string(alias.len == 0 ? "" : "?"); /* no UTF-8 */
        json_t *row = json_pack("{s:s, s:o, s:I}", "address", text, "alias", name, "votesAgainst", (json_int_t)against);
        if (proposed) json_object_set_new(row, "votesFor", json_integer((json_int_t)in_favour));
        else json_object_set_new(row, "validators", members_addresses(validators, n));
        *out = row;
    }
    free(validators);
    buf_fini(&alias);
    return s;
}

enum status members_read(json_t **out, struct govern *g, bool proposed, struct err *err)
{
    address *list = NULL;
    size_t n = 0;
    json_t *rows = json_array();
    enum status s = govern_list(&list, &n, g, proposed ? "getProposedAdmins()" : "getAdmins()", NULL, err);
    struct govern_answer *a = calloc(3 * n + 1, sizeof *a);
    if (s == OK && a == NULL) s = E_NOMEM;
    for (size_t i = 0; s == OK && i < n; i++) {
        a[3 * i] = (struct govern_answer){.signature = "getAliasForAdmin(address)", .arg = &list[i]};
        a[3 * i + 1] = (struct govern_answer){.signature = "countOfVotesAgainst(address)", .arg = &list[i]};
        a[3 * i + 2] = (struct govern_answer){.signature = proposed ? "countOfVotesFor(address)" : "getAdminValidators(address)", .arg = &list[i]};
    }
    bool asked = s == OK;
    if (s == OK) s = govern_ask(a, 3 * n, g, err);
    for (size_t i = 0; s == OK && i < n; i++) {
        json_t *row = NULL;
        s = describe(&row, &list[i], &a[3 * i], proposed, err);
        if (s == OK) json_array_append_new(rows, row);
    }
    if (asked) govern_answers_fini(a, 3 * n);
    free(a);
    free(list);
    if (s == OK) *out = rows;
    else json_decref(rows);
    return s;
}

/* ------------------------------------------------------------------- list */

static const char *text_of(const json_t *row, const char *key)
{
    return json_string_value(json_object_get(row, key));
}

static void print_list(const json_t *admins, const json_t *proposed, uint64_t majority, uint64_t capacity)
{
    size_t i;
    json_t *row;
    printf("%-43s %-24s %s\n", "ADMINISTRATOR", "ALIAS", "VALIDATORS");
    json_array_foreach(admins, i, row)
        printf("%-43s %-24s %zu of %llu\n", text_of(row, "address"), text_of(row, "alias"), json_array_size(json_object_get(row, "validators")), (unsigned long long)capacity);
    json_array_foreach(admins, i, row)
    {
        if (json_integer_value(json_object_get(row, "votesAgainst")) > 0)
            printf("against %s: %lld of %llu votes that remove it\n", text_of(row, "address"), (long long)json_integer_value(json_object_get(row, "votesAgainst")),
                   (unsigned long long)majority);
    }
    if (json_array_size(proposed) > 0) printf("\n%-43s %-24s %s\n", "PROPOSED", "ALIAS", "VOTES");
    json_array_foreach(proposed, i, row)
    {
        json_int_t votes = json_integer_value(json_object_get(row, "votesFor")), left = (json_int_t)majority - votes;
        printf("%-43s %-24s %lld of %llu: needs %lld more\n", text_of(row, "address"), text_of(row, "alias"), (long long)votes, (unsigned long long)majority, (long long)left);
    }
}

enum exit_code cmd_admin_list(struct cli *c)
{
    struct err err = {0};
    struct session s;
    uint64_t majority = 0, capacity = 0;
    json_t *admins = NULL, *proposed = NULL;
    struct govern_answer a[] = {{.signature = "getMajority()"}, {.signature = "getValidatorCapacity()"}};
    enum status st = session_open(&s, c, &err);
    if (st == OK) st = members_read(&admins, &s.g, false, &err);
    if (st == OK) st = members_read(&proposed, &s.g, true, &err);
    if (st == OK) {
        st = govern_ask(a, COUNT_OF(a), &s.g, &err);
        if (st == OK) st = govern_get_number(&majority, &a[0], &err);
        if (st == OK) st = govern_get_number(&capacity, &a[1], &err);
        govern_answers_fini(a, COUNT_OF(a));
    }
    session_close(&s);
    if (st == OK && c->json) {
        json_t *doc = json_pack("{s:O, s:O, s:I, s:I}", "admins", admins, "proposed", proposed, "votesNeeded", (json_int_t)majority, "validatorCapacity", (json_int_t)capacity);
        report_json(doc);
        json_decref(doc);
    } else if (st == OK) {
        print_list(admins, proposed, majority, capacity);
    }
    json_decref(admins);
    json_decref(proposed);
    return st == OK ? EXIT_DONE : session_fail(c, st, &err);
}

/* -------------------------------------------------------------- decisions */

static enum exit_code act_on_subject(struct cli *c, const char *signature, const char *what)
{
    struct err err = {0};
    struct session s = {.cli = c};
    struct buf data;
    char text[100];
    address who;
    buf_init(&data, 8192);
    enum status st = govern_address(&who, c->args[0], &err);
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
        code = session_act(&s, buf_view(&data), text, NULL, NULL);
    } else {
        code = session_fail(c, st, &err);
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

/* which side has the account voted for? --for and --against say it without a look */
static enum status voted_side(bool *is_for, struct cli *c, struct err *err)
{
    struct session s = {.cli = c};
    address who, from, *list = NULL;
    size_t n = 0;
    enum status st = govern_address(&who, c->args[0], err);
    if (st == OK) st = session_open(&s, c, err);
    if (st == OK && cli_flag(c, "--from") != NULL) st = govern_address(&from, cli_flag(c, "--from"), err);
    else if (st == OK && (cli_flag(c, "--unsigned") != NULL || cli_flag(c, "--send") != NULL))
        st = err_set(err, E_INVALID, "which vote is taken back? Say --for or --against, or --from ADDR");
    else if (st == OK) {
        st = session_load_key(&s, err);
        from = s.from;
    }
    if (st == OK) st = govern_list(&list, &n, &s.g, "whoHasVotedFor(address)", &who, err);
    *is_for = false;
    for (size_t i = 0; st == OK && i < n; i++)
        *is_for = *is_for || address_eq(&list[i], &from);
    free(list);
    session_close(&s);
    return st;
}

/* the contract has one function for each side: the one that was voted is taken back */
enum exit_code cmd_admin_rescind(struct cli *c)
{
    struct err err = {0};
    bool is_for = cli_flag(c, "--for") != NULL, against = cli_flag(c, "--against") != NULL;
    if (is_for && against) return cli_fail_text(c, EXIT_USAGE, "say --for or --against, or neither");
    enum status st = is_for || against ? OK : voted_side(&is_for, c, &err);
    if (st != OK) return session_fail(c, st, &err);
    return is_for ? act_on_subject(c, "rescindVoteFor(address)", "take back the vote for") : act_on_subject(c, "rescindVoteAgainst(address)", "take back the vote against");
}

/* ---------------------------------------------------------------- history */

static void print_history(const json_t *rows)
{
    size_t i, k;
    json_t *row, *event;
    if (json_array_size(rows) == 0) {
        puts("nothing was decided yet");
        return;
    }
    printf("%-9s %-20s %s\n", "BLOCK", "TIME (UTC)", "WHAT");
    json_array_foreach(rows, i, row)
    {
        bool first = true;
        json_array_foreach(json_object_get(row, "events"), k, event)
        {
            const char *text = text_of(event, "text");
            if (text == NULL || *text == '\0') continue;
            if (first) printf("%-9lld %-20s %s\n", (long long)json_integer_value(json_object_get(row, "block")), text_of(row, "time"), text);
            else printf("%-9s %-20s %s\n", "", "", text);
            first = false;
        }
    }
}

enum exit_code cmd_admin_history(struct cli *c)
{
    struct err err = {0};
    struct session s;
    json_t *rows = NULL;
    enum status st = session_open(&s, c, &err);
    if (st == OK) st = govern_history(&rows, &s.g, &err);
    session_close(&s);
    if (st == OK && c->json) report_json(rows);
    else if (st == OK) print_history(rows);
    json_decref(rows);
    return st == OK ? EXIT_DONE : session_fail(c, st, &err);
}
