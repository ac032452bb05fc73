#include "orchestrator/settings/settings.h"

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/guess.h"
#include "lib/base/secret.h"
#include "lib/codec/yaml.h"
#include "lib/eth/units.h"

#include <regex.h>

#define INT SETTING_INT
#define ENUM SETTING_ENUM
#define BOOL SETTING_BOOL
#define STR SETTING_STR
#define LIST SETTING_LIST
#define ADDR SETTING_ADDR
#define URL SETTING_URL
#define FILE_ SETTING_FILE
const struct setting_info SETTING_TABLE[SETTING_N] = {
#define FILE FILE_
#define S(field, kind, path, flag, def, allowed, name, help) {#field, kind, path, flag, def, allowed, name, help},
#include "orchestrator/settings/settings.def"
#undef S
#undef FILE
};
#undef INT
#undef ENUM
#undef BOOL
#undef STR
#undef LIST
#undef ADDR
#undef URL
#undef FILE_

enum { VALUE_MAX = 64 << 10, HEX_FILE_MAX = 4 << 20 };

static char *copy_text(const char *s)
{
    char *p = strdup(s);
    if (p == NULL) BUG("out of memory for a setting");
    return p;
}

void settings_init(struct settings *s)
{
    *s = (struct settings){.problems = json_array(), .wrong = json_object()};
    if (s->problems == NULL || s->wrong == NULL) BUG("out of memory");
    for (size_t i = 0; i < SETTING_N; i++) {
        s->value[i] = copy_text(SETTING_TABLE[i].def);
        memcpy(s->origin[i], "default", 8);
    }
}

void settings_fini(struct settings *s)
{
    for (size_t i = 0; i < SETTING_N; i++)
        free(s->value[i]);
    json_decref(s->problems);
    json_decref(s->wrong);
    *s = (struct settings){0};
}

void settings_problem(struct settings *s, const char *fmt, ...)
{
    char text[1200];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_array_append_new(s->problems, json_string(text));
}

static void set(struct settings *s, size_t i, const char *value, const char *origin)
{
    free(s->value[i]);
    s->value[i] = copy_text(value);
    (void)snprintf(s->origin[i], sizeof s->origin[i], "%s", origin);
}

bool settings_take_flag(struct settings *s, const char *flag, const char *value)
{
    for (size_t i = 0; i < SETTING_N; i++) {
        if (strcmp(SETTING_TABLE[i].flag, flag) != 0) continue;
        if (SETTING_TABLE[i].kind == SETTING_LIST && s->origin[i][0] == '-' && s->value[i][0] != '\0') {
            /* a list flag may be given again and again */
            size_t n = strlen(s->value[i]) + strlen(value) + 2;
            char *both = malloc(n);
            if (both == NULL) BUG("out of memory for a setting");
            (void)snprintf(both, n, "%s,%s", s->value[i], value);
            free(s->value[i]);
            s->value[i] = both;
        } else {
            set(s, i, value, flag);
        }
        return true;
    }
    return false;
}

/* ------------------------------------------------------------------ file */

static size_t find_path(const char *path)
{
    size_t i = 0;
    while (i < SETTING_N && strcmp(SETTING_TABLE[i].path, path) != 0)
        i++;
    return i;
}

/* scalar or list of scalars as text; false: neither */
static bool node_text(struct buf *out, const json_t *v)
{
    if (json_is_string(v)) {
        buf_put_str(out, json_string_value(v));
    } else if (json_is_integer(v)) {
        buf_printf(out, "%lld", (long long)json_integer_value(v));
    } else if (json_is_boolean(v)) {
        buf_put_str(out, json_is_true(v) ? "true" : "false");
    } else if (json_is_real(v)) {
        buf_printf(out, "%.17g", json_real_value(v));
    } else if (json_is_array(v)) {
        size_t i;
        const json_t *e;
        json_array_foreach(v, i, e)
        {
            if (i > 0) buf_put_u8(out, ',');
            if (json_is_array(e) || !node_text(out, e)) return false;
        }
    } else if (!json_is_null(v)) {
        return false;
    }
    return true;
}

static void take_node(struct settings *s, const char *file, const char *path, const json_t *v)
{
    char origin[64];
    size_t i = find_path(path);
    (void)snprintf(origin, sizeof origin, "%s in %s", path, file);
    if (i == SETTING_N) {
        struct guess g = guess_start(path);
        for (size_t k = 0; k < SETTING_N; k++)
            guess_offer(&g, SETTING_TABLE[k].path);
        if (g.best != NULL) settings_problem(s, "%s: no such setting; did you mean %s?", origin, g.best);
        else settings_problem(s, "%s: no such setting; `poa-deploy new --help` lists them all", origin);
        return;
    }
    struct buf text;
    buf_init(&text, VALUE_MAX);
    if (!node_text(&text, v) || (json_is_array(v) && SETTING_TABLE[i].kind != SETTING_LIST))
        settings_problem(s, "%s: must be a %s", origin, SETTING_TABLE[i].kind == SETTING_LIST ? "list" : "single value");
    else if (s->origin[i][0] != '-')
        set(s, i, buf_cstr(&text), origin);
    buf_fini(&text);
}

void settings_take_file(struct settings *s, const char *file_name, bytes yaml)
{
    struct err err = {0};
    json_t *doc = NULL;
    const char *base = strrchr(file_name, '/');
    base = base == NULL ? file_name : base + 1;
    if (yaml_get(&doc, yaml, &err) != OK) {
        settings_problem(s, "%s: %s", file_name, err_text(&err));
        return;
    }
    if (!json_is_object(doc) && !json_is_null(doc)) settings_problem(s, "%s: must be a mapping of settings", file_name);
    const char *key, *sub;
    json_t *v, *w;
    json_object_foreach(doc, key, v)
    {
        if (!json_is_object(v)) {
            take_node(s, base, key, v);
            continue;
        }
        json_object_foreach(v, sub, w)
        {
            char path[128];
            (void)snprintf(path, sizeof path, "%.60s.%.60s", key, sub);
            take_node(s, base, path, w);
        }
    }
    json_decref(doc);
}

/* ----------------------------------------------------------------- check */

const char *settings_get(const struct settings *s, enum setting_id id)
{
    return s->value[id];
}

bool settings_is_default(const struct settings *s, enum setting_id id)
{
    return strcmp(s->origin[id], "default") == 0;
}

static bool get_int(uint64_t *out, const char *text)
{
    if (*text == '\0' || strlen(text) > 18) return false;
    uint64_t v = 0;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') return false;
        v = v * 10 + (uint64_t)(*text - '0');
    }
    *out = v;
    return true;
}

uint64_t settings_get_int(const struct settings *s, enum setting_id id)
{
    uint64_t v;
    if (!get_int(&v, s->value[id])) BUG("settings_get_int of an unchecked setting");
    return v;
}

static bool matches(const char *pattern, const char *text)
{
    regex_t re;
    pattern += strcspn(pattern, "^"); /* the words before it are for people */
    if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0) BUG("bad expression in settings.def");
    bool ok = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return ok;
}

/* how much of an allowed form is words */
static int words(const char *allowed)
{
    int n = (int)strcspn(allowed, "^");
    return n >= 2 ? n - 2 : n;
}

/* the flag a person would use, with where the value came from if that was a file */
static const char *where(const struct settings *s, size_t i, char dst[static 160])
{
    if (s->origin[i][0] == '-' || strcmp(s->origin[i], "default") == 0 || strcmp(s->origin[i], "answered") == 0)
        (void)snprintf(dst, 160, "%s (%s)", SETTING_TABLE[i].flag, SETTING_TABLE[i].path);
    else (void)snprintf(dst, 160, "%s", s->origin[i]);
    return dst;
}

static void check_int(struct settings *s, size_t i)
{
    char w[160];
    uint64_t v, min = 0, max = 0;
    if (sscanf(SETTING_TABLE[i].allowed, "%lu-%lu", &min, &max) != 2) BUG("bad range in settings.def");
    if (!get_int(&v, s->value[i]) || v < min || v > max)
        settings_problem(s, "%s: '%s' is not allowed: %s is a whole number from %llu to %llu", where(s, i, w), s->value[i],
                         SETTING_TABLE[i].name, (unsigned long long)min, (unsigned long long)max);
}

static bool in_enum(const char *allowed, const char *value)
{
    size_t n = strchr(value, '|') != NULL ? 0 : strlen(value);
    for (const char *p = allowed; n > 0 && p != NULL; p = strchr(p, '|'), p = p == NULL ? NULL : p + 1)
        if (strncmp(p, value, n) == 0 && (p[n] == '|' || p[n] == '\0')) return true;
    return false;
}

static void check_list(struct settings *s, size_t i)
{
    char w[160], *copy = copy_text(s->value[i]), *save = NULL;
    for (char *item = strtok_r(copy, ",", &save); item != NULL; item = strtok_r(NULL, ",", &save))
        if (!matches(SETTING_TABLE[i].allowed, item))
            settings_problem(s, "%s: '%s' is not allowed: each entry is %.*s", where(s, i, w), item, words(SETTING_TABLE[i].allowed), SETTING_TABLE[i].allowed);
    free(copy);
}

static void check_one(struct settings *s, size_t i)
{
    const struct setting_info *t = &SETTING_TABLE[i];
    const char *v = s->value[i];
    char w[160];
    address a;
    enum status st;
    if (*v == '\0' && *t->def == '\0') return; /* optional and not given */
    switch (t->kind) {
    case SETTING_INT: check_int(s, i); break;
    case SETTING_ENUM:
        if (!in_enum(t->allowed, v)) settings_problem(s, "%s: '%s' is not allowed: %s is one of %s", where(s, i, w), v, t->name, t->allowed);
        break;
    case SETTING_BOOL:
        if (!in_enum("true|false", v)) settings_problem(s, "%s: '%s' is not allowed: true or false", where(s, i, w), v);
        break;
    case SETTING_STR:
        if (*t->allowed != '\0' && !matches(t->allowed, v))
            settings_problem(s, "%s: '%s' is not allowed: %s is %.*s", where(s, i, w), v, t->name, words(t->allowed), t->allowed);
        break;
    case SETTING_LIST: check_list(s, i); break;
    case SETTING_ADDR:
        st = address_get_typed(&a, bytes_str(v));
        if (st == E_CRYPTO) settings_problem(s, "%s: '%s' is mistyped: the capitals of an address are its checksum, and they do not fit these digits", where(s, i, w), v);
        else if (st != OK) settings_problem(s, "%s: '%s' is not allowed: %s is 0x and 40 hexadecimal digits", where(s, i, w), v, t->name);
        else if (address_is_zero(&a)) settings_problem(s, "%s: the zero address cannot be an admin", where(s, i, w));
        break;
    case SETTING_URL:
        if (!matches("^https?://[^ /]+(/.*)?$", v))
            settings_problem(s, "%s: '%s' is not allowed: %s is an http:// or https:// URL", where(s, i, w), v, t->name);
        break;
    case SETTING_FILE:
        if (!file_exists(v)) settings_problem(s, "%s: the file '%s' does not exist", where(s, i, w), v);
        break;
    }
}

static size_t count_list(const char *v)
{
    if (*v == '\0') return 0;
    size_t n = 1;
    for (; *v != '\0'; v++)
        n += *v == ',';
    return n;
}

/* the first line of a file, without its end; false: it cannot be read, or is longer */
static bool first_line(char *dst, size_t cap, const char *path)
{
    struct buf b;
    buf_init(&b, 64 << 10);
    bool ok = file_read(&b, path, NULL) == OK;
    size_t n = ok ? strcspn(buf_cstr(&b), "\r\n") : 0;
    ok = ok && n < cap;
    if (ok) {
        memcpy(dst, buf_cstr(&b), n);
        dst[n] = '\0';
    }
    if (b.ptr != NULL) secret_wipe(b.ptr, b.cap);
    buf_fini(&b);
    return ok;
}

/* does a file hold hexadecimal digits, with 0x or without, and nothing else? */
static bool holds_hex(const char *path)
{
    struct buf b;
    buf_init(&b, HEX_FILE_MAX);
    bool ok = file_read(&b, path, NULL) == OK;
    const char *text = ok ? buf_cstr(&b) : "";
    text += strncmp(text, "0x", 2) == 0 ? 2 : 0;
    size_t n = strspn(text, "0123456789abcdefABCDEF");
    ok = ok && n > 0 && n % 2 == 0 && text[n + strspn(text + n, " \r\n")] == '\0';
    buf_fini(&b);
    return ok;
}

/* the guide's rule: 12 to 72 characters, three of four kinds */
static bool is_vm_password(const char *p)
{
    size_t n = strlen(p);
    int kinds[4] = {0};
    for (const char *c = p; *c != '\0'; c++)
        kinds[*c >= 'A' && *c <= 'Z' ? 0 : *c >= 'a' && *c <= 'z' ? 1 : *c >= '0' && *c <= '9' ? 2 : 3] = 1;
    return n >= 12 && n <= 72 && kinds[0] + kinds[1] + kinds[2] + kinds[3] >= 3;
}

/* names that Azure takes for no administrator */
static bool is_reserved_user(const char *name)
{
    static const char *const reserved[] = {"admin",  "administrator", "root",  "user",  "test", "guest", "adm",   "sys",   "sql",   "console", "server", "support",
                                           "backup", "owner",         "david", "john",  "a",    "1",     "123",   "user1", "user2", "user3",   "user4",  "user5",
                                           "test1",  "test2",         "test3", "admin1", "admin2", "actuser", "aspnet"};
    for (size_t i = 0; i < COUNT_OF(reserved); i++)
        if (strcasecmp(name, reserved[i]) == 0) return true;
    return false;
}

static void check_azure(struct settings *s, bool join)
{
    char text[8192] = "", w[160];
    bool private = strcmp(SETTING(s, public_ip), "private") == 0, by_password = strcmp(SETTING(s, auth_type), "password") == 0;
    const char *password = SETTING(s, vm_password_file), *key = SETTING(s, ssh_key_file), *shared = SETTING(s, connection_key_file);
    if (*SETTING(s, subscription) == '\0' && getenv("AZURE_SUBSCRIPTION_ID") == NULL)
        settings_problem(s, "--subscription (basics.subscription): missing: Azure needs the id of the subscription to deploy to (or AZURE_SUBSCRIPTION_ID)");
    if (is_reserved_user(SETTING(s, vm_user))) settings_problem(s, "%s: '%s' is a name that Azure does not allow for an administrator: choose another", where(s, SETTING_ID_vm_user, w), SETTING(s, vm_user));
    if (by_password && *password == '\0')
        settings_problem(s, "--vm-password-file (basics.passwordFile): missing: --auth password needs the file that holds the password of the machines");
    if (by_password && *password != '\0' && file_exists(password) && (!first_line(text, sizeof text, password) || !is_vm_password(text)))
        settings_problem(s, "%s: the password in '%s' is not allowed: it has 12 to 72 characters, three of upper case, lower case, digit, special", where(s, SETTING_ID_vm_password_file, w), password);
    if (!by_password && *key == '\0')
        settings_problem(s, "--ssh-key-file (basics.sshKeyFile): missing: --auth sshPublicKey needs the file with the public key for the machines, e.g. ~/.ssh/id_ed25519.pub");
    if (!by_password && *key != '\0' && file_exists(key) && (!first_line(text, sizeof text, key) || !matches("^(ssh-rsa|ssh-ed25519|ecdsa-sha2-nistp[0-9]+) [A-Za-z0-9+/]+=*( .*)?$", text)))
        settings_problem(s, "%s: '%s' holds no public SSH key: a line such as ssh-ed25519 AAAA... name", where(s, SETTING_ID_ssh_key_file, w), key);
    if (*SETTING(s, gateway_id) != '\0' && (!private || !join))
        settings_problem(s, "%s: only a member that joins a private network (--ip private) connects to a gateway", where(s, SETTING_ID_gateway_id, w));
    if (*SETTING(s, gateway_id) != '\0' && *shared == '\0')
        settings_problem(s, "--connection-key-file (ethereum.connectionKeyFile): missing: a connection to --member-gateway needs the key that both ends share");
    if (*shared != '\0' && file_exists(shared) && (!first_line(text, sizeof text, shared) || !matches("^[A-Za-z0-9]{1,128}$", text)))
        settings_problem(s, "%s: the key in '%s' is not allowed: 1 to 128 letters and digits", where(s, SETTING_ID_connection_key_file, w), shared);
    if (strcmp(SETTING(s, monitor), "prometheus") == 0)
        settings_problem(s, "%s: prometheus runs beside a local network only; in Azure it is enable or disable", where(s, SETTING_ID_monitor, w));
    if (strcmp(SETTING(s, monitor), "enable") == 0 && (*SETTING(s, workspace_id) == '\0') != (*SETTING(s, workspace_key_file) == '\0'))
        settings_problem(s, "--workspace-id and --workspace-key-file (monitor.workspaceId, monitor.workspaceKeyFile): an existing workspace needs both, a new one neither");
    secret_wipe(text, sizeof text);
}

/* decided by who makes the network, not by those that join it */
static bool is_of_network(size_t i)
{
    static const enum setting_id all[] = {SETTING_ID_network_id, SETTING_ID_evm,    SETTING_ID_step,         SETTING_ID_gas_limit,
                                          SETTING_ID_alloc,      SETTING_ID_compat, SETTING_ID_tx_permission};
    for (size_t k = 0; k < COUNT_OF(all); k++)
        if (all[k] == i) return true;
    return false;
}

static void check_together(struct settings *s, bool join)
{
    char w[160];
    uint64_t regions;
    size_t named = count_list(SETTING(s, locations));
    if (get_int(&regions, SETTING(s, regions)) && named > 0 && named != regions)
        settings_problem(s, "%s: %zu region%s named, but %s is %llu: name each region, or none", where(s, SETTING_ID_locations, w),
                         named, named == 1 ? " is" : "s are", SETTING_TABLE[SETTING_ID_regions].flag, (unsigned long long)regions);
    if (strcmp(SETTING(s, target), "azure") == 0 && named == 0)
        settings_problem(s, "--locations (regions.locations): missing: Azure needs the name of each region, e.g. --locations westeurope");
    bool is_ssh = strcmp(SETTING(s, target), "ssh") == 0;
    if (is_ssh && *SETTING(s, hosts) == '\0')
        settings_problem(s, "--hosts (hosts.nodes): missing: the ssh target needs a host for each node, e.g. --hosts 10.0.0.1,10.0.0.2");
    static const enum setting_id of_hosts[] = {SETTING_ID_hosts, SETTING_ID_store_host, SETTING_ID_balancers, SETTING_ID_identity_file, SETTING_ID_host_keys};
    const bool is_azure = strcmp(SETTING(s, target), "azure") == 0; /* its machines are logged in to, by `logs` and its like */
    for (size_t k = 0; k < COUNT_OF(of_hosts) && !is_ssh; k++)
        if (!(is_azure && of_hosts[k] == SETTING_ID_identity_file) && *s->value[of_hosts[k]] != '\0')
            settings_problem(s, "%s: only the ssh target has hosts: say --target ssh, or leave it out", where(s, of_hosts[k], w));
    if (strcmp(SETTING(s, target), "local") == 0 && strcmp(SETTING(s, monitor), "enable") == 0 && (*SETTING(s, workspace_id) == '\0' || *SETTING(s, workspace_key_file) == '\0'))
        settings_problem(s, "%s: the agents of a local network need an existing workspace: --workspace-id GUID and --workspace-key-file FILE; --monitor prometheus needs neither", where(s, SETTING_ID_monitor, w));
    if (is_ssh && strcmp(SETTING(s, auth_type), "password") == 0 && *SETTING(s, vm_password_file) == '\0')
        settings_problem(s, "--vm-password-file (basics.passwordFile): missing: --auth password needs the file that holds it");
    if (strcmp(SETTING(s, target), "azure") == 0) check_azure(s, join);
    if (join && *SETTING(s, data_url) == '\0')
        settings_problem(s, "--data-url (join.dataUrl): missing: the data URL that a member of the network gave you, e.g. --data-url http://127.0.1.1");
    if (!join && *SETTING(s, data_url) != '\0')
        settings_problem(s, "--data-url (join.dataUrl): only `poa-deploy join` takes it; `new` makes a network of its own");
    if (strcmp(SETTING(s, identity_mode), "none") == 0) {
        if (!join) settings_problem(s, "%s: a new network needs validators; nodes without an identity join one: `poa-deploy join --observer`", where(s, SETTING_ID_identity_mode, w));
        if (strcmp(SETTING(s, target), "local") != 0)
            settings_problem(s, "%s: observers are made on this machine only (--target local); elsewhere run poa-node with identity.mode none", where(s, SETTING_ID_identity_mode, w));
    }
    for (size_t i = 0; join && i < SETTING_N; i++)
        /* a file may hold the default, as those that earlier versions wrote do */
        if (is_of_network(i) && (s->origin[i][0] == '-' || strcmp(s->value[i], SETTING_TABLE[i].def) != 0))
            settings_problem(s, "%s: the network that you join has decided this; leave it out", where(s, i, w));
    const char *contract = SETTING(s, tx_permission);
    if (*contract != '\0' && file_exists(contract) && !holds_hex(contract))
        settings_problem(s, "%s: '%s' does not hold a contract's bytecode: hexadecimal digits and nothing else", where(s, SETTING_ID_tx_permission, w), contract);
    char *copy = copy_text(SETTING(s, alloc)), *save = NULL;
    for (char *item = strtok_r(copy, ",", &save); item != NULL; item = strtok_r(NULL, ",", &save)) {
        const char *eq = strchr(item, '=');
        address who;
        u256 wei;
        if (eq != NULL && address_get_typed(&who, bytes_make(item, (size_t)(eq - item))) == E_CRYPTO)
            settings_problem(s, "%s: '%.*s' is mistyped: the capitals of an address are its checksum, and they do not fit these digits", where(s, SETTING_ID_alloc, w), (int)(eq - item), item);
        if (eq != NULL && units_get_wei(&wei, bytes_str(eq + 1)) != OK)
            settings_problem(s, "%s: '%s' is no amount: use wei, or a unit as in 1.5ether", where(s, SETTING_ID_alloc, w), eq + 1);
    }
    free(copy);
}

bool settings_answer(struct settings *s, enum setting_id id, const char *value, const char **why)
{
    char *before = copy_text(s->value[id]), origin[sizeof s->origin[id]];
    memcpy(origin, s->origin[id], sizeof origin);
    size_t n = json_array_size(s->problems);
    set(s, id, value, "answered");
    check_one(s, id);
    bool ok = json_array_size(s->problems) == n;
    if (!ok) {
        json_object_set(s->wrong, "why", json_array_get(s->problems, n));
        *why = json_string_value(json_object_get(s->wrong, "why"));
        while (json_array_size(s->problems) > n)
            json_array_remove(s->problems, json_array_size(s->problems) - 1);
        set(s, id, before, origin);
    }
    free(before);
    return ok;
}

enum status settings_check(struct settings *s, bool join)
{
    for (size_t i = 0; i < SETTING_N; i++)
        check_one(s, i);
    check_together(s, join);
    return json_array_size(s->problems) == 0 ? OK : E_INVALID;
}

const char *settings_location(const struct settings *s, unsigned r, char dst[static 64])
{
    const char *v = SETTING(s, locations);
    for (unsigned i = 1; i < r && *v != '\0'; i++) {
        const char *comma = strchr(v, ',');
        v = comma == NULL ? "" : comma + 1;
    }
    if (*v == '\0') (void)snprintf(dst, 64, "local%u", r);
    else (void)snprintf(dst, 64, "%.*s", (int)strcspn(v, ","), v);
    return dst;
}

void settings_put_yaml(const struct settings *s, struct buf *out)
{
    char section[64] = "";
    const bool joins = *SETTING(s, data_url) != '\0';
    buf_put_str(out, "# The settings of this deployment, resolved. Change nothing here while it runs.\n");
    for (size_t i = 0; i < SETTING_N; i++) {
        const char *path = SETTING_TABLE[i].path, *dot = strchr(path, '.');
        if (s->value[i][0] == '\0' || (joins && is_of_network(i))) continue;
        size_t n = dot == NULL ? 0 : (size_t)(dot - path);
        if (n > 0 && (strncmp(section, path, n) != 0 || section[n] != '\0')) {
            (void)snprintf(section, sizeof section, "%.*s", (int)n, path);
            buf_printf(out, "%s:\n", section);
        }
        const char *key = dot == NULL ? path : dot + 1;
        if (SETTING_TABLE[i].kind == SETTING_INT) {
            buf_printf(out, "%s%s: %s\n", n > 0 ? "  " : "", key, s->value[i]);
            continue;
        }
        /* a later command may be called from another folder */
        char *real = SETTING_TABLE[i].kind == SETTING_FILE ? realpath(s->value[i], NULL) : NULL;
        /* single quotes: YAML takes all else as it stands */
        buf_printf(out, "%s%s: '", n > 0 ? "  " : "", key);
        for (const char *p = real != NULL ? real : s->value[i]; *p != '\0'; p++) {
            if (*p == '\'') buf_put_u8(out, '\'');
            buf_put_u8(out, (uint8_t)*p);
        }
        buf_put_str(out, "'\n");
        free(real);
    }
}

void settings_diff(json_t *out, const struct settings *wanted, const struct settings *recorded, bool all)
{
    for (size_t i = 0; i < SETTING_N; i++) {
        if (!all && settings_is_default(wanted, (enum setting_id)i)) continue;
        /* files are recorded by their whole path */
        char *real = SETTING_TABLE[i].kind == SETTING_FILE ? realpath(wanted->value[i], NULL) : NULL;
        const char *want = real != NULL ? real : wanted->value[i];
        if (strcmp(want, recorded->value[i]) != 0)
            json_array_append_new(out, json_pack("{s:s, s:s, s:s}", "path", SETTING_TABLE[i].path, "recorded", recorded->value[i], "wanted", want));
        free(real);
    }
}
