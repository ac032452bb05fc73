/* cmd_recover.c: recover: a network whose set can't reach finality any more, since half of its validators or more are lost for good. AuRa goes on
 * sealing then, but nothing is final, and so no change of the set ever takes effect: the contract's change waits for ever (user-pains.md 1).
 * What helps is a change by the chain specification, at one block for all (genesis.h, spec_json_recover): this command works it out, writes it into
 * this member's workspace and vault, and says what every other member must run. Nodes read it when they start. */
#include "lib/base/clock.h"
#include "lib/codec/json.h"
#include "lib/crypto/keccak.h"
#include "orchestrator/cmd/live.h"
#include "orchestrator/cmd/session.h"
#include "orchestrator/genesis/genesis.h"
#include "orchestrator/identity/identities.h"

enum { LOOK_BACK = 256, DEFAULT_AHEAD_S = 900, AHEAD_MIN = 3, PUT_SPEC_MS = 15000, SET_MAX = 1024 };

struct recovery {
    struct session s;
    struct target target;
    address *set; /* in force */
    bool *alive;  /* sealed lately */
    size_t n_set, n_alive;
    uint64_t head, final, step_s, block;
    uint64_t queued; /* decisions that wait behind the announced change */
    address *list; /* to be */
    size_t n_list;
    bool keeps_contract;
};

static void close_all(struct recovery *r)
{
    free(r->set);
    free(r->alive);
    free(r->list);
    target_close(&r->target);
    session_close(&r->s);
}

static size_t place_of(const address *list, size_t n, const address *a)
{
    size_t i = 0;
    while (i < n && !address_eq(&list[i], a))
        i++;
    return i;
}

/* ------------------------------------------------------------ how it stands */

static enum status read_set(struct recovery *r, struct err *err)
{
    json_t *list = NULL, *v;
    size_t i;
    enum status s = rpc_client_call(&list, r->s.g.rpc, "aura_getValidators", NULL, err);
    if (s != OK) return s;
    const size_t n = json_array_size(list);
    r->set = calloc(n + 1, sizeof *r->set);
    r->alive = calloc(n + 1, sizeof *r->alive);
    if (r->set == NULL || r->alive == NULL) s = err_set(err, E_NOMEM, "no memory");
    json_array_foreach(list, i, v)
    {
        const char *text = json_string_value(v);
        if (s == OK && (text == NULL || address_get(&r->set[i], bytes_str(text)) != OK)) s = err_set(err, E_DECODE, "aura_getValidators: an entry is no address");
    }
    json_decref(list);
    r->n_set = n;
    return s;
}

/* whoever sealed one of the last blocks: three rounds of the set, since the last final block at the earliest */
static enum status read_alive(struct recovery *r, struct err *err)
{
    uint64_t back = 3 * (uint64_t)r->n_set, first = 0, last = 0;
    if (back > LOOK_BACK) back = LOOK_BACK;
    for (uint64_t k = r->head; k > 0 && r->head - k < back; k--) {
        char at[19];
        json_t *b = NULL;
        address who;
        (void)snprintf(at, sizeof at, "0x%llx", (unsigned long long)k);
        enum status s = rpc_client_call(&b, r->s.g.rpc, "eth_getBlockByNumber", json_pack("[s, b]", at, 0), err);
        const char *author = json_string_value(json_object_get(b, "author")), *time = json_string_value(json_object_get(b, "timestamp"));
        if (s == OK && (author == NULL || time == NULL || address_get(&who, bytes_str(author)) != OK)) s = err_set(err, E_DECODE, "block %s has no author", at);
        if (s != OK) {
            json_decref(b);
            return s;
        }
        first = strtoull(time, NULL, 16);
        if (last == 0) last = first;
        /* a set of n has had two rounds by then: who sealed before that is not counted as alive */
        const bool recent = last - first <= 2 * r->n_set * r->step_s;
        const size_t i = place_of(r->set, r->n_set, &who);
        if (recent && i < r->n_set && !r->alive[i]) {
            r->alive[i] = true;
            r->n_alive++;
        }
        json_decref(b);
    }
    return OK;
}

static enum status read_network(struct recovery *r, const json_t *spec, struct err *err)
{
    json_t *params = json_object_get(json_object_get(json_object_get(spec, "engine"), "authorityRound"), "params");
    json_t *d = json_object_get(params, "stepDuration"), *st = NULL;
    r->step_s = json_is_integer(d) ? (uint64_t)json_integer_value(d) : json_is_string(d) ? strtoull(json_string_value(d), NULL, 0) : 0;
    if (r->step_s == 0) return err_set(err, E_UNSUPPORTED, "spec.json has no single step duration");
    enum status s = rpc_client_call(&st, r->s.g.rpc, "aura_status", NULL, err);
    if (s != OK) return s;
    const char *head = json_string_value(json_object_get(json_object_get(st, "head"), "number")), *final = json_string_value(json_object_get(st, "finalized"));
    if (head == NULL || final == NULL) s = err_set(err, E_DECODE, "aura_status: no head");
    if (s == OK) {
        r->head = strtoull(head, NULL, 0);
        r->final = strtoull(final, NULL, 0);
        s = read_set(r, err);
    }
    if (s == OK) s = read_alive(r, err);
    json_decref(st);
    return s;
}

/* ------------------------------------------------------------- the new set */

static enum status parse_list(struct recovery *r, const char *text, struct err *err)
{
    r->list = calloc(SET_MAX, sizeof *r->list);
    if (r->list == NULL) return err_set(err, E_NOMEM, "no memory");
    while (*text != '\0') {
        const size_t len = strcspn(text, ", ");
        address a;
        if (len > 0 && (r->n_list == SET_MAX || address_get_typed(&a, bytes_make(text, len)) != OK || place_of(r->list, r->n_list, &a) < r->n_list))
            return err_set(err, E_INVALID, "--validators: '%.*s' is no address, has a mistyped digit, or stands there twice: addresses with commas between them are wanted", (int)len, text);
        if (len > 0) r->list[r->n_list++] = a;
        text += len + (text[len] != '\0');
    }
    return OK;
}

static void name_lost(struct buf *out, const struct recovery *r)
{
    for (size_t i = 0; i < r->n_set; i++) {
        char text[43];
        if (r->alive[i]) continue;
        address_put_checksum(text, &r->set[i]);
        buf_printf(out, " %s", text);
    }
}

/* --validators, else what the contract has announced. That list also is what the contract itself goes on with. */
static enum status choose_set(struct recovery *r, struct err *err)
{
    const char *given = cli_flag(r->s.cli, "--validators");
    struct govern_change change;
    address *announced = NULL;
    size_t n = 0;
    enum status s = govern_change_info(&change, &r->s.g, err);
    if (s == OK) r->queued = change.queued;
    if (s == OK) s = govern_change_set(&announced, &n, &r->s.g, err);
    if (s == OK && given != NULL) s = parse_list(r, given, err);
    if (s == OK && given == NULL && !change.active) {
        struct buf lost;
        buf_init(&lost, 1 << 16);
        name_lost(&lost, r);
        s = err_set(err, E_CONFLICT, "no change of the set is on its way. Take the lost validators out first: `poa-deploy validator remove%s` by their administrators (or `admin vote ... --against` for a lost member), then run recover again. If too few administrators are left for that: --validators ADDR,ADDR",
                    buf_cstr(&lost));
        buf_fini(&lost);
    } else if (s == OK && given == NULL) {
        r->list = announced;
        r->n_list = n;
        announced = NULL;
        r->keeps_contract = true;
    } else if (s == OK) {
        bool same = n == r->n_list;
        for (size_t i = 0; same && i < n; i++)
            same = place_of(r->list, r->n_list, &announced[i]) < r->n_list;
        if (same) memcpy(r->list, announced, n * sizeof *announced); /* in the contract's order, so that all members write the same */
        r->keeps_contract = same;
    }
    free(announced);
    if (s == OK && r->n_list == 0) s = err_set(err, E_INVALID, "--validators names nobody");
    return s;
}

static enum status check_set(const struct recovery *r, struct err *err)
{
    size_t n = 0;
    if (cli_flag(r->s.cli, "--force") != NULL) return OK;
    if (2 * r->n_alive > r->n_set)
        return err_set(err, E_CONFLICT, "%zu of %zu validators seal: that is enough for finality, so `poa-deploy validator remove` does it; --force if you know better", r->n_alive,
                       r->n_set);
    for (size_t i = 0; i < r->n_list; i++) {
        const size_t k = place_of(r->set, r->n_set, &r->list[i]);
        n += k < r->n_set && r->alive[k];
    }
    if (2 * n > r->n_list) return OK;
    return err_set(err, E_CONFLICT, "of the new set's %zu validators only %zu seal now: it could not reach finality either; --force if the others will be up by then", r->n_list, n);
}

static enum status choose_block(struct recovery *r, struct err *err)
{
    const char *at = cli_flag(r->s.cli, "--at");
    char *end = NULL;
    r->block = r->head + DEFAULT_AHEAD_S / r->step_s + AHEAD_MIN;
    if (at == NULL) return OK;
    r->block = strtoull(at, &end, 10);
    if (*at < '0' || *at > '9' || *end != '\0') return err_set(err, E_INVALID, "--at: '%s' is no block number", at);
    if (r->block < r->head + AHEAD_MIN)
        return err_set(err, E_INVALID, "--at %llu: the head is block %llu; all members must run the new specification before that block, so name one further ahead",
                       (unsigned long long)r->block, (unsigned long long)r->head);
    return OK;
}

/* -------------------------------------------------------------- what is made */

static enum status write_spec(struct recovery *r, json_t *spec, char digest[static 67], struct err *err)
{
    struct cli *c = r->s.cli;
    struct vault_access access;
    struct buf yaml;
    hash32 h;
    char *text = json_dumps(spec, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    char *canonical = json_dumps(json_object_get(spec, "engine"), JSON_COMPACT | JSON_SORT_KEYS);
    if (text == NULL || canonical == NULL) {
        free(text);
        free(canonical);
        return err_set(err, E_NOMEM, "no memory for the chain specification");
    }
    keccak256(h.b, canonical, strlen(canonical));
    hash_put(digest, &h);
    buf_init(&yaml, 1 << 20);
    enum status s = workspace_read(&yaml, &r->s.ws, "consortium.yaml", err);
    if (s == OK) settings_take_file(&c->settings, "consortium.yaml", buf_view(&yaml));
    buf_fini(&yaml);
    if (s == OK) s = live_open_target(&r->target, c, &r->s.ws, err);
    if (s == OK) s = r->target.ops->vault(&r->target, &access, err);
    /* the vault first: a workspace that says more than its nodes would be told is no use */
    if (s == OK) s = identities_put_spec(&access, bytes_str(text), PUT_SPEC_MS, err);
    if (s == OK) s = workspace_write(&r->s.ws, "spec.json", bytes_str(text), 0644, err);
    if (s == OK) s = workspace_mark(&r->s.ws, "recovery", err);
    free(text);
    free(canonical);
    return s;
}

static void print(const struct recovery *r, const char *digest)
{
    struct cli *c = r->s.cli;
    struct buf list;
    json_t *names = json_array();
    buf_init(&list, 1 << 17);
    for (size_t i = 0; i < r->n_list; i++) {
        char text[43];
        address_put_checksum(text, &r->list[i]);
        buf_printf(&list, "%s%s", i == 0 ? "" : ",", text);
        json_array_append_new(names, json_string(text));
    }
    if (c->json) {
        json_t *doc = json_pack("{s:I, s:O, s:b, s:s, s:I, s:I, s:I, s:I}", "block", (json_int_t)r->block, "validators", names, "contractGoesOn", r->keeps_contract, "engine",
                                digest, "head", (json_int_t)r->head, "finalised", (json_int_t)r->final, "sealing", (json_int_t)r->n_alive, "of", (json_int_t)r->n_set);
        report_json(doc);
        json_decref(doc);
    } else {
        printf("%zu of %zu validators seal; block %llu is the last final one, the head is %llu\n", r->n_alive, r->n_set, (unsigned long long)r->final,
               (unsigned long long)r->head);
        printf("from block %llu on %zu validator%s will seal%s. Written into this workspace and its vault; engine %s\n", (unsigned long long)r->block + 1, r->n_list,
               r->n_list == 1 ? "" : "s", r->keeps_contract ? ", and the contract goes on with them" : "; the contract will have no say about the set any more", digest);
        if (r->queued > 0)
            printf("%llu more wait in the contract's queue: they are announced by the next governance transaction after that; where they can't become final either, run recover again\n",
                   (unsigned long long)r->queued);
        printf("every other member runs, and gets the same engine:\n  poa-deploy recover DIR --at %llu --validators %s\n", (unsigned long long)r->block, buf_cstr(&list));
        printf("then every member, this one too, before block %llu (about %llu minutes):\n  poa-deploy down %s && poa-deploy up %s\n", (unsigned long long)r->block,
               (unsigned long long)((r->block - r->head) * r->step_s / 60), c->dir, c->dir);
    }
    json_decref(names);
    buf_fini(&list);
}

enum exit_code cmd_recover(struct cli *c)
{
    static struct recovery r; /* large */
    struct err err = {0};
    json_t *spec = NULL;
    char digest[67];
    enum status s = session_open(&r.s, c, &err);
    if (s == OK) s = workspace_read_json(&spec, &r.s.ws, "spec.json", &err);
    if (s == OK) s = read_network(&r, spec, &err);
    if (s == OK) s = choose_set(&r, &err);
    if (s == OK) s = check_set(&r, &err);
    if (s == OK) s = choose_block(&r, &err);
    if (s == OK) s = spec_json_recover(spec, r.block, r.list, r.n_list, r.keeps_contract, &err);
    if (s == OK) s = write_spec(&r, spec, digest, &err);
    if (s == OK) print(&r, digest);
    json_decref(spec);
    close_all(&r);
    return s == OK ? EXIT_DONE : session_fail(c, s, &err);
}
