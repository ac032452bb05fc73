#include "orchestrator/govern/events.h"

#include "lib/base/clock.h"
#include "lib/codec/hex.h"
#include "lib/eth/abi_call.h"

enum { DATA_MAX = 4 << 20, ITEMS_MAX = 100000, WINDOW_BLOCKS = 200000 };

/* orchestrator/contracts/src; names as /networkinfo's ABI has them. An event that another one of its transaction tells has no sentence. */
static const char *const declared[] = {
    "AdminProposed(address admin)",
    "AdminAdded(address admin)",
    "AdminRemoved(address admin)",
    "VoteCast(address indexed voter, address indexed subject, bool isFor, uint256 votes, uint256 needed)",
    "VoteRescinded(address indexed voter, address indexed subject, bool isFor, uint256 votes, uint256 needed)",
    "ProposalRejected(address indexed admin)",
    "ProposalWithdrawn(address indexed admin)",
    "AliasChanged(address indexed admin, string adminAlias)",
    "ConsortiumNameChanged(address indexed admin, string name)",
    "InitiateChange(bytes32 indexed parentHash, address[] newSet)",
    "FinalizeCalled(address caller)",
    "AddValidatorCalled(address caller)",
    "ValidatorsAdded(address indexed admin, address[] validators)",
    "ValidatorsRemoved(address indexed admin, address[] validators)",
    "ValidatorsOrphaned(address indexed admin, address[] validators)",
    "ChangeQueued(uint256 indexed id, uint256 waiting)",
    "ChangeStarted(uint256 indexed id, uint256 validators)",
    "ChangeReemitted(uint256 indexed id)",
};

/* ----------------------------------------------------------------- decode */

struct field {
    char type[16], name[32];
    bool indexed;
};

/* the next field of a declaration's list; false at its end */
static bool next_field(struct field *f, const char **at)
{
    const char *p = *at;
    while (*p == ' ' || *p == ',')
        p++;
    if (*p == ')') return false;
    size_t n = strcspn(p, " ");
    (void)snprintf(f->type, sizeof f->type, "%.*s", (int)n, p);
    p += n + 1;
    f->indexed = strncmp(p, "indexed ", 8) == 0;
    if (f->indexed) p += 8;
    n = strcspn(p, ",)");
    (void)snprintf(f->name, sizeof f->name, "%.*s", (int)n, p);
    *at = p + n;
    return true;
}

static hash32 topic_of(const char *declaration)
{
    char signature[128];
    size_t n = strcspn(declaration, "(") + 1;
    (void)snprintf(signature, sizeof signature, "%.*s", (int)n, declaration);
    const char *at = declaration + n;
    struct field f;
    for (bool first = true; next_field(&f, &at); first = false) {
        size_t len = strlen(signature);
        (void)snprintf(signature + len, sizeof signature - len, "%s%s", first ? "" : ",", f.type);
    }
    size_t len = strlen(signature);
    (void)snprintf(signature + len, sizeof signature - len, ")");
    return abi_event_topic(signature);
}

static json_t *address_json(const uint8_t b[static 20])
{
    char text[43];
    address a;
    memcpy(a.b, b, 20);
    address_put_checksum(text, &a);
    return json_string(text);
}

/* another member's text: control characters would reach this terminal */
static json_t *text_json(bytes v)
{
    struct buf b;
    buf_init(&b, DATA_MAX);
    for (size_t i = 0; i < v.len; i++)
        buf_put_u8(&b, v.ptr[i] < 0x20 || v.ptr[i] == 0x7f ? '?' : v.ptr[i]);
    json_t *t = json_stringn((const char *)b.ptr, b.len);
    if (t == NULL) t = json_string(v.len == 0 ? "" : "?");
    buf_fini(&b);
    return t;
}

static json_t *value_json(const char *type, struct abi_reader *r)
{
    uint8_t a[20], word[32];
    uint64_t n;
    bool yes;
    bytes text;
    if (strcmp(type, "address") == 0) return abi_get_address(a, r) == OK ? address_json(a) : NULL;
    if (strcmp(type, "bool") == 0) return abi_get_bool(&yes, r) == OK ? json_boolean(yes) : NULL;
    if (strcmp(type, "uint256") == 0) return abi_get_u64(&n, r) == OK ? json_integer((json_int_t)n) : NULL;
    if (strcmp(type, "string") == 0) return abi_get_bytes(&text, r) == OK ? text_json(text) : NULL;
    if (strcmp(type, "bytes32") == 0) {
        char hex[67];
        hash32 h;
        if (abi_get_word(word, r) != OK) return NULL;
        memcpy(h.b, word, 32);
        hash_put(hex, &h);
        return json_string(hex);
    }
    struct abi_reader items;
    size_t count;
    if (abi_get_array(&items, &count, r) != OK || count > ITEMS_MAX) return NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (abi_get_address(a, &items) != OK) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, address_json(a));
    }
    return list;
}

static json_t *decode(const char *declaration, const json_t *topics, bytes data)
{
    json_t *out = json_object();
    struct abi_reader r = abi_read(data);
    struct field f;
    size_t n = strcspn(declaration, "("), topic = 1;
    const char *at = declaration + n + 1;
    json_object_set_new(out, "event", json_stringn(declaration, n));
    while (next_field(&f, &at)) {
        uint8_t word[32];
        const char *t = json_string_value(json_array_get(topics, topic));
        struct abi_reader in_topic = abi_read(bytes_make(word, sizeof word));
        if (f.indexed) topic++;
        if (f.indexed && (t == NULL || hex_get_fixed(word, sizeof word, bytes_str(t)) != OK)) goto bad;
        json_t *v = value_json(f.type, f.indexed ? &in_topic : &r);
        if (v == NULL) goto bad;
        json_object_set_new(out, f.name, v);
    }
    return out;
bad:
    json_decref(out);
    return NULL;
}

json_t *govern_event_json(const json_t *log)
{
    const json_t *topics = json_object_get(log, "topics");
    const char *t = json_string_value(json_array_get(topics, 0)), *hex = json_string_value(json_object_get(log, "data"));
    hash32 topic;
    struct buf data;
    json_t *out = NULL;
    if (t == NULL || hash_get(&topic, bytes_str(t)) != OK) return NULL;
    buf_init(&data, DATA_MAX);
    if (hex == NULL || strcmp(hex, "0x") == 0 || hex_get(&data, bytes_str(hex)) == OK) {
        for (size_t i = 0; out == NULL && i < COUNT_OF(declared); i++) {
            hash32 have = topic_of(declared[i]);
            if (hash_eq(&have, &topic)) out = decode(declared[i], topics, buf_view(&data));
        }
    }
    buf_fini(&data);
    return out;
}

/* -------------------------------------------------------------- sentences */

static void put_who(struct buf *out, const json_t *event, const char *key, const json_t *aliases)
{
    const char *a = json_string_value(json_object_get(event, key));
    const char *alias = a == NULL ? NULL : json_string_value(json_object_get(aliases, a));
    buf_put_str(out, a == NULL ? "?" : a);
    if (alias != NULL && *alias != '\0') buf_printf(out, " (%s)", alias);
}

static void put_list(struct buf *out, const json_t *event)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(event, "validators"), i, v) buf_printf(out, "%s%s", i == 0 ? "" : ", ", json_string_value(v));
}

static void put_vote(struct buf *out, const json_t *event, const json_t *aliases, bool rescinded)
{
    const bool is_for = json_is_true(json_object_get(event, "isFor"));
    const long long votes = json_integer_value(json_object_get(event, "votes")), needed = json_integer_value(json_object_get(event, "needed"));
    if (rescinded) buf_put_str(out, "the vote of ");
    put_who(out, event, "voter", aliases);
    buf_printf(out, rescinded ? " %s " : " voted %s ", is_for ? "for" : "against");
    put_who(out, event, "subject", aliases);
    buf_printf(out, rescinded ? " was taken back: %lld of %lld vote%s left" : ": %lld of %lld vote%s", votes, needed, needed == 1 ? "" : "s");
}

static bool is(const json_t *event, const char *name)
{
    const char *have = json_string_value(json_object_get(event, "event"));
    return have != NULL && strcmp(have, name) == 0;
}

void govern_event_text(struct buf *out, const json_t *event, const json_t *aliases)
{
    static const struct {
        const char *name, *text; /* text follows the administrator */
    } plain[] = {{"AdminProposed", " was proposed as an administrator"},    {"AdminAdded", " became an administrator"},
                 {"AdminRemoved", " is no longer an administrator"},        {"ProposalRejected", " was rejected: a majority is against it"},
                 {"ProposalWithdrawn", " is no longer proposed: nobody is for it"}};
    const long long id = json_integer_value(json_object_get(event, "id"));
    const size_t n = json_array_size(json_object_get(event, "validators"));
    for (size_t i = 0; i < COUNT_OF(plain); i++) {
        if (!is(event, plain[i].name)) continue;
        put_who(out, event, "admin", aliases);
        buf_put_str(out, plain[i].text);
    }
    if (is(event, "VoteCast") || is(event, "VoteRescinded")) put_vote(out, event, aliases, is(event, "VoteRescinded"));
    const char *alias = json_string_value(json_object_get(event, "adminAlias"));
    if (is(event, "AliasChanged") && (alias == NULL || *alias == '\0')) buf_printf(out, "%s has no alias", json_string_value(json_object_get(event, "admin")));
    else if (is(event, "AliasChanged"))
        buf_printf(out, "%s is called \"%s\"", json_string_value(json_object_get(event, "admin")), alias);
    if (is(event, "ConsortiumNameChanged")) {
        put_who(out, event, "admin", aliases);
        buf_printf(out, " named the consortium \"%s\"", json_string_value(json_object_get(event, "name")));
    }
    if (is(event, "ValidatorsAdded")) {
        put_who(out, event, "admin", aliases);
        buf_printf(out, " added %zu validator%s: ", n, n == 1 ? "" : "s");
        put_list(out, event);
    }
    if (is(event, "ValidatorsRemoved")) {
        const char *a = json_string_value(json_object_get(event, "admin"));
        buf_printf(out, "%zu validator%s of ", n, n == 1 ? "" : "s");
        if (strspn(a, "0x") == strlen(a)) buf_put_str(out, "nobody");
        else put_who(out, event, "admin", aliases);
        buf_printf(out, " %s taken out: ", n == 1 ? "was" : "were");
        put_list(out, event);
    }
    if (is(event, "ValidatorsOrphaned")) {
        buf_printf(out, "%zu validator%s of ", n, n == 1 ? "" : "s");
        put_who(out, event, "admin", aliases);
        buf_put_str(out, " stay until another administrator's validator joins: ");
        put_list(out, event);
    }
    if (is(event, "ChangeQueued"))
        buf_printf(out, "the decision waits for the change in flight, as part of change %lld (%lld waiting)", id, (long long)json_integer_value(json_object_get(event, "waiting")));
    if (is(event, "ChangeStarted"))
        buf_printf(out, "change %lld of the validator set was announced: %lld validators", id, (long long)json_integer_value(json_object_get(event, "validators")));
    if (is(event, "ChangeReemitted")) buf_printf(out, "change %lld was announced once more", id);
}

/* ---------------------------------------------------------------- history */

static uint64_t quantity(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));
    uint64_t v = 0;
    return t != NULL && hex_get_quantity(&v, bytes_str(t)) == OK ? v : 0;
}

/* an event stands behind the others of its transaction; a proposal's sentence is better with the alias that comes with it */
static void add_event(json_t *rows, json_t *aliases, const json_t *log)
{
    json_t *event = govern_event_json(log), *row = json_array_get(rows, json_array_size(rows) - 1);
    const char *tx = json_string_value(json_object_get(log, "transactionHash")), *have = json_string_value(json_object_get(row, "transactionHash"));
    if (event == NULL || tx == NULL) {
        json_decref(event);
        return;
    }
    if (is(event, "AliasChanged")) json_object_set(aliases, json_string_value(json_object_get(event, "admin")), json_object_get(event, "adminAlias"));
    if (have == NULL || strcmp(have, tx) != 0) {
        row = json_pack("{s:I, s:O?, s:s, s:[]}", "block", (json_int_t)quantity(log, "blockNumber"), "time", json_object_get(log, "blockTimestamp"), "transactionHash", tx,
                        "events");
        json_array_append_new(rows, row);
    }
    json_array_append_new(json_object_get(row, "events"), event);
}

static void put_texts(json_t *row, const json_t *aliases)
{
    size_t i;
    json_t *event;
    struct buf b;
    buf_init(&b, DATA_MAX);
    json_array_foreach(json_object_get(row, "events"), i, event)
    {
        buf_clear(&b);
        govern_event_text(&b, event, aliases);
        json_object_set_new(event, "text", json_string(buf_cstr(&b)));
    }
    buf_fini(&b);
}

static void put_time(json_t *row, uint64_t seconds)
{
    char iso[24];
    clock_format_iso(iso, seconds);
    json_object_set_new(row, "time", json_string(iso));
}

/* the times of blocks: by the logs themselves where the node tells them there, else each block is asked for once */
static enum status fill_in(json_t *rows, struct govern *g, struct err *err)
{
    json_t *calls = json_array(), *row, *answers = NULL;
    size_t i, at = 0;
    json_int_t last = -1;
    json_array_foreach(rows, i, row)
    {
        char number[19];
        json_int_t block = json_integer_value(json_object_get(row, "block"));
        if (json_is_string(json_object_get(row, "time"))) put_time(row, quantity(row, "time"));
        else if (block != last) {
            hex_put_quantity(number, (uint64_t)block);
            json_array_append_new(calls, json_pack("[s, [s, b]]", "eth_getBlockByNumber", number, 0));
            last = block;
        }
    }
    enum status s = rpc_client_batch(&answers, g->rpc, calls, err);
    last = -1;
    json_array_foreach(rows, i, row)
    {
        json_int_t block = json_integer_value(json_object_get(row, "block"));
        if (s != OK) break;
        if (json_is_string(json_object_get(row, "time"))) continue;
        if (block != last && last != -1) at++;
        last = block;
        put_time(row, quantity(json_array_get(answers, at), "timestamp"));
    }
    json_decref(answers);
    return s;
}

enum status govern_history(json_t **out, struct govern *g, struct err *err)
{
    json_t *rows = json_array(), *aliases = json_object(), *row;
    char to_text[43], a[19], b[19];
    uint64_t head = 0;
    size_t i;
    address_put(to_text, &g->contract);
    enum status s = rpc_client_u64(&head, g->rpc, "eth_blockNumber", NULL, err);
    for (uint64_t from = 0; s == OK && from <= head; from += WINDOW_BLOCKS) {
        json_t *logs = NULL, *log;
        hex_put_quantity(a, from);
        if (from + WINDOW_BLOCKS - 1 < head) hex_put_quantity(b, from + WINDOW_BLOCKS - 1);
        else snprintf(b, sizeof b, "latest"); /* a balancer may ask another node, which is a block behind */
        s = rpc_client_call(&logs, g->rpc, "eth_getLogs", json_pack("[{s:s, s:s, s:s}]", "address", to_text, "fromBlock", a, "toBlock", b), err);
        json_array_foreach(logs, i, log) add_event(rows, aliases, log);
        json_decref(logs);
    }
    if (s == OK) s = fill_in(rows, g, err);
    json_array_foreach(rows, i, row) put_texts(row, aliases);
    json_decref(aliases);
    if (s == OK) *out = rows;
    else json_decref(rows);
    return s;
}
