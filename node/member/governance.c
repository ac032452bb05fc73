/* governance.c: the governance contract's views as one JSON document (openapi.json "Governance"). */
#include "lib/eth/abi_call.h"
#include "node/member/member_priv.h"

enum { ANSWER_MAX = 8 << 20, LIST_MAX = 100000 };

struct reader {
    const struct member_views *views;
    void *snapshot;
    struct buf in, out;
};

/* one view; the answer stands in r->out */
static enum status ask(struct reader *r, struct abi_reader *answer, const char *signature, const address *arg)
{
    buf_clear(&r->in);
    buf_clear(&r->out);
    struct abi_writer w = abi_call_begin(&r->in, signature);
    if (arg != NULL) abi_put_address(&w, arg->b);
    abi_end(&w);
    enum status s = buf_status(&r->in);
    if (s == OK) s = r->views->call(r->snapshot, &r->out, buf_view(&r->in));
    if (s == OK) s = buf_status(&r->out);
    if (s == OK) *answer = abi_read(buf_view(&r->out));
    return s;
}

static json_t *json_address(const address *a)
{
    char text[43];
    address_put_checksum(text, a);
    return json_string(text);
}

static enum status get_list(json_t **out, struct abi_reader *r)
{
    struct abi_reader list;
    address a;
    size_t n;
    enum status s = abi_get_array(&list, &n, r);
    if (s == OK && n > LIST_MAX) s = E_LIMIT;
    json_t *doc = json_array();
    for (size_t i = 0; s == OK && i < n; i++) {
        s = abi_get_address(a.b, &list);
        if (s == OK) json_array_append_new(doc, json_address(&a));
    }
    if (s == OK) *out = doc;
    else json_decref(doc);
    return s;
}

static enum status ask_list(json_t **out, struct reader *r, const char *signature, const address *arg)
{
    struct abi_reader answer;
    enum status s = ask(r, &answer, signature, arg);
    return s == OK ? get_list(out, &answer) : s;
}

static enum status ask_number(uint64_t *out, struct reader *r, const char *signature)
{
    struct abi_reader answer;
    enum status s = ask(r, &answer, signature, NULL);
    return s == OK ? abi_get_u64(out, &answer) : s;
}

/* text of anybody's: what is no UTF-8 becomes question marks */
static enum status ask_text(json_t **out, struct reader *r, const char *signature, const address *arg)
{
    struct abi_reader answer;
    bytes text = BYTES_EMPTY;
    enum status s = ask(r, &answer, signature, arg);
    if (s == OK) s = abi_get_bytes(&text, &answer);
    if (s != OK) return s;
    json_t *doc = json_stringn((const char *)text.ptr, text.len);
    if (doc == NULL && text.len > 0) {
        uint8_t *plain = malloc(text.len);
        if (plain == NULL) return E_NOMEM;
        for (size_t i = 0; i < text.len; i++)
            plain[i] = text.ptr[i] < 0x80 ? text.ptr[i] : (uint8_t)'?';
        doc = json_stringn((const char *)plain, text.len);
        free(plain);
    }
    *out = doc == NULL ? json_string("") : doc;
    return OK;
}

/* a view that older contracts lack: unanswered is no failure */
static bool absent(enum status s)
{
    return s == E_DENIED || s == E_DECODE;
}

static enum status put_list(json_t *to, const char *key, struct reader *r, const char *signature, const address *arg)
{
    json_t *list = NULL;
    enum status s = ask_list(&list, r, signature, arg);
    if (s == OK) json_object_set_new(to, key, list);
    return s;
}

static void note_owner(json_t *owners, const json_t *validators, const char *admin)
{
    size_t i;
    json_t *v;
    json_array_foreach(validators, i, v) json_object_set_new(owners, json_string_value(v), json_string(admin));
}

static enum status read_admin(json_t *to, json_t *owners, struct reader *r, const char *text)
{
    address a;
    json_t *name = NULL;
    enum status s = address_get(&a, bytes_str(text));
    if (s == OK) s = ask_text(&name, r, "getAliasForAdmin(address)", &a);
    if (s != OK) return s;
    json_object_set_new(to, "address", json_string(text));
    json_object_set_new(to, "alias", name);
    s = put_list(to, "validators", r, "getAdminValidators(address)", &a);
    if (s != OK) return s;
    s = put_list(to, "plannedValidators", r, "getPendingAdminValidators(address)", &a);
    if (absent(s)) {
        json_object_set(to, "plannedValidators", json_object_get(to, "validators"));
        s = OK;
    }
    if (s == OK) s = put_list(to, "votesAgainst", r, "whoHasVotedAgainst(address)", &a);
    note_owner(owners, json_object_get(to, "validators"), text);
    note_owner(owners, json_object_get(to, "plannedValidators"), text);
    return s;
}

static enum status read_proposal(json_t *to, struct reader *r, const char *text)
{
    address a, by;
    json_t *name = NULL;
    struct abi_reader answer;
    enum status s = address_get(&a, bytes_str(text));
    if (s == OK) s = ask_text(&name, r, "getAliasForAdmin(address)", &a);
    if (s != OK) return s;
    json_object_set_new(to, "address", json_string(text));
    json_object_set_new(to, "alias", name);
    s = ask(r, &answer, "getProposer(address)", &a);
    if (s == OK) s = abi_get_address(by.b, &answer);
    if (s != OK && !absent(s)) return s;
    json_object_set_new(to, "proposer", s == OK ? json_address(&by) : json_null());
    s = put_list(to, "votesFor", r, "whoHasVotedFor(address)", &a);
    if (s == OK) s = put_list(to, "votesAgainst", r, "whoHasVotedAgainst(address)", &a);
    return s;
}

static enum status read_members(json_t *doc, json_t *owners, struct reader *r)
{
    json_t *who = NULL, *v, *list = json_array();
    size_t i;
    json_object_set_new(doc, "admins", list);
    enum status s = ask_list(&who, r, "getAdmins()", NULL);
    json_array_foreach(who, i, v)
    {
        json_t *one = json_object();
        json_array_append_new(list, one);
        if (s == OK) s = read_admin(one, owners, r, json_string_value(v));
    }
    uint64_t majority = json_array_size(who) / 2 + 1;
    json_decref(who);
    who = NULL;
    list = json_array();
    json_object_set_new(doc, "proposals", list);
    if (s == OK) s = ask_list(&who, r, "getProposedAdmins()", NULL);
    json_array_foreach(who, i, v)
    {
        json_t *one = json_object();
        json_array_append_new(list, one);
        if (s == OK) s = read_proposal(one, r, json_string_value(v));
    }
    json_decref(who);
    if (s == OK) {
        enum status t = ask_number(&majority, r, "getMajority()");
        if (!absent(t)) s = t;
    }
    json_object_set_new(doc, "majority", json_integer((json_int_t)majority));
    return s;
}

/* [{address, admin, inForce, planned}]: those in force in the order of their steps, then those that are to join */
static enum status read_validators(json_t *doc, const json_t *owners, struct reader *r)
{
    json_t *now = NULL, *planned = NULL, *seen = json_object(), *list = json_array(), *v;
    size_t i;
    enum status s = ask_list(&now, r, "getValidators()", NULL);
    if (s == OK) s = ask_list(&planned, r, "getPendingValidators()", NULL);
    if (absent(s) && now != NULL) {
        planned = json_incref(now);
        s = OK;
    }
    for (int pass = 0; s == OK && pass < 2; pass++) {
        json_array_foreach(pass == 0 ? now : planned, i, v)
        {
            const char *text = json_string_value(v);
            json_t *one = json_object_get(seen, text);
            if (one == NULL) {
                json_t *admin = json_object_get(owners, text);
                one = json_pack("{s:s, s:O?, s:b, s:b}", "address", text, "admin", admin, "inForce", pass == 0, "planned", 0);
                if (admin == NULL) json_object_set_new(one, "admin", json_null());
                json_object_set(seen, text, one);
                json_array_append_new(list, one);
            }
            if (pass == 1) json_object_set_new(one, "planned", json_true());
        }
    }
    json_decref(seen);
    json_decref(now);
    json_decref(planned);
    json_object_set_new(doc, "validators", list);
    return s;
}

/* the queue of changes; null for a contract that has none */
static enum status read_change(json_t *doc, struct reader *r)
{
    struct abi_reader answer;
    bool active = false;
    uint64_t id = 0, signal = 0, queued = 0, reemit = 0;
    json_t *set = NULL, *joining = NULL, *leaving = NULL;
    enum status s = ask(r, &answer, "getChangeInfo()", NULL);
    if (s == OK) s = abi_get_bool(&active, &answer);
    if (s == OK) s = abi_get_u64(&id, &answer);
    if (s == OK) s = abi_get_u64(&signal, &answer);
    if (s == OK) s = get_list(&set, &answer);
    if (s == OK) s = abi_get_u64(&queued, &answer);
    if (s == OK) s = abi_get_u64(&reemit, &answer);
    if (s == OK) s = ask(r, &answer, "getQueuedChange()", NULL);
    if (s == OK) s = get_list(&joining, &answer);
    if (s == OK) s = get_list(&leaving, &answer);
    if (s == OK)
        json_object_set_new(doc, "change",
                            json_pack("{s:b, s:I, s:I, s:O, s:I, s:I, s:O, s:O}", "active", active, "id", (json_int_t)id, "signalBlock",
                                      (json_int_t)signal, "newSet", set, "queued", (json_int_t)queued, "reemitBlock", (json_int_t)reemit, "joining", joining,
                                      "leaving", leaving));
    json_decref(set);
    json_decref(joining);
    json_decref(leaving);
    if (!absent(s)) return s;
    json_object_set_new(doc, "change", json_null());
    return OK;
}

enum status governance_read(json_t **out, const struct member_views *views, void *snapshot, const address *contract, const json_t *fixed, struct err *err)
{
    struct reader r = {.views = views, .snapshot = snapshot};
    json_t *doc = json_object(), *owners = json_object(), *name = NULL;
    uint64_t capacity = 0;
    buf_init(&r.in, 4096);
    buf_init(&r.out, ANSWER_MAX);
    if (fixed != NULL) json_object_update(doc, (json_t *)fixed);
    json_object_set_new(doc, "contract", json_address(contract));
    enum status s = ask_text(&name, &r, "getConsortiumName()", NULL);
    if (absent(s)) {
        name = json_string("");
        s = OK;
    }
    json_object_set_new(doc, "consortiumName", name == NULL ? json_string("") : name);
    if (s == OK) s = ask_number(&capacity, &r, "getValidatorCapacity()");
    json_object_set_new(doc, "validatorCapacity", json_integer((json_int_t)capacity));
    if (s == OK) s = read_members(doc, owners, &r);
    if (s == OK) s = read_validators(doc, owners, &r);
    if (s == OK) s = read_change(doc, &r);
    buf_fini(&r.in);
    buf_fini(&r.out);
    json_decref(owners);
    if (s != OK) {
        json_decref(doc);
        char text[43];
        address_put_checksum(text, contract);
        if (absent(s)) return err_set(err, E_DENIED, "the contract at %s does not answer as a governance contract does", text);
        return err_set(err, s, "reading the contract at %s: %s", text, status_text(s));
    }
    *out = doc;
    return OK;
}
