#include "identity-store/clients.h"

#include "lib/codec/hex.h"
#include "lib/codec/yaml.h"
#include "lib/crypto/aead.h"

#include <arpa/inet.h>

enum { CLIENTS_MAX = 100000, SUBJECT_MAX = 600 };

static const char ID_CHARS[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

static bool parse_ip(uint8_t out[static 16], unsigned *bits, const char *text)
{
    struct in_addr a4;
    if (inet_pton(AF_INET, text, &a4) == 1) {
        memset(out, 0, 10);
        out[10] = out[11] = 0xff;
        memcpy(out + 12, &a4, 4);
        *bits = 32;
        return true;
    }
    *bits = 128;
    return inet_pton(AF_INET6, text, out) == 1;
}

static bool parse_net(struct client_net *out, const char *text)
{
    char ip[64];
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    if (n >= sizeof ip) return false;
    memcpy(ip, text, n);
    ip[n] = 0;
    unsigned bits;
    if (!parse_ip(out->addr, &bits, ip)) return false;
    unsigned prefix = bits;
    if (slash) {
        size_t digits = strspn(slash + 1, "0123456789");
        if (digits == 0 || digits > 3 || slash[1 + digits] != 0) return false;
        prefix = (unsigned)strtoul(slash + 1, NULL, 10);
        if (prefix > bits) return false;
    }
    out->prefix_bits = prefix + (bits == 32 ? 96 : 0);
    return true;
}

static bool net_has(const struct client_net *n, const uint8_t ip[16])
{
    unsigned whole = n->prefix_bits / 8, rest = n->prefix_bits % 8;
    if (memcmp(n->addr, ip, whole) != 0) return false;
    return rest == 0 || ((n->addr[whole] ^ ip[whole]) >> (8 - rest)) == 0;
}

bool client_is_from(const struct client *c, const char *peer)
{
    uint8_t ip[16];
    unsigned bits;
    if (c->n_nets == 0) return true;
    if (!parse_ip(ip, &bits, peer)) return false;
    for (size_t i = 0; i < c->n_nets; i++)
        if (net_has(&c->nets[i], ip)) return true;
    return false;
}

static enum status read_addresses(struct client *c, json_t *list)
{
    size_t i;
    json_t *v;
    if (list == NULL || json_is_null(list)) return OK;
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > CLIENT_NETS_MAX) return E_INVALID;
    json_array_foreach(list, i, v)
    {
        if (!json_is_string(v) || !parse_net(&c->nets[c->n_nets++], json_string_value(v))) return E_INVALID;
    }
    return OK;
}

static void external_mark(uint8_t out[static 32], const char *issuer, const char *subject)
{
    char text[SUBJECT_MAX + 2];
    int n = snprintf(text, sizeof text, "%s\n%s", issuer, subject);
    sha256(out, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

const struct client *clients_find_external(const struct clients *c, const char *issuer, const char *subject)
{
    uint8_t mark[32];
    if (strlen(issuer) + strlen(subject) > SUBJECT_MAX) return NULL;
    external_mark(mark, issuer, subject);
    for (size_t i = 0; i < c->n; i++)
        if (c->list[i].external && memcmp(c->list[i].secret_sha256, mark, sizeof mark) == 0) return &c->list[i];
    return NULL;
}

static enum status read_client(struct client *c, json_t *o, const char *path, size_t i, struct err *err)
{
    static const char *const known[] = {"id", "secret_sha256", "role", "container", "addresses", "issuer", "subject"};
    const char *k;
    json_t *v;
    if (!json_is_object(o)) return err_set(err, E_INVALID, "%s: clients[%zu]: wants keys and values", path, i);
    json_object_foreach(o, k, v)
    {
        bool found = false;
        for (size_t j = 0; j < COUNT_OF(known); j++) found = found || strcmp(k, known[j]) == 0;
        if (!found) return err_set(err, E_INVALID, "%s: clients[%zu]: \"%.80s\" is no key that is known here", path, i, k);
    }
    json_t *idv = json_object_get(o, "id");
    char number[24] = "";
    if (json_is_integer(idv)) (void)snprintf(number, sizeof number, "%lld", (long long)json_integer_value(idv));
    const char *id = json_is_integer(idv) ? number : json_string_value(idv), *role = json_string_value(json_object_get(o, "role"));
    const char *hash = json_string_value(json_object_get(o, "secret_sha256"));
    const char *container = json_string_value(json_object_get(o, "container"));
    if (id == NULL || *id == 0 || strlen(id) > CLIENT_ID_MAX || strspn(id, ID_CHARS) != strlen(id))
        return err_set(err, E_INVALID, "%s: clients[%zu].id: wants 1 to %d letters, digits, '.', '_' and '-'", path, i, CLIENT_ID_MAX);
    memcpy(c->id, id, strlen(id) + 1);
    const char *issuer = json_string_value(json_object_get(o, "issuer")), *subject = json_string_value(json_object_get(o, "subject"));
    c->external = issuer != NULL;
    if ((issuer != NULL) != (subject != NULL) || (issuer != NULL && (hash != NULL || !*issuer || !*subject || strlen(issuer) + strlen(subject) > SUBJECT_MAX)))
        return err_set(err, E_INVALID, "%s: client %s: has secret_sha256, or issuer and subject", path, c->id);
    if (c->external) external_mark(c->secret_sha256, issuer, subject);
    else if (hash == NULL || hex_get_fixed(c->secret_sha256, 32, bytes_str(hash)) != OK)
        return err_set(err, E_INVALID, "%s: client %s: secret_sha256 wants 64 hexadecimal digits (in quotes)", path, c->id);
    if (role != NULL && strcmp(role, "orchestrator") == 0) c->role = ROLE_ORCHESTRATOR;
    else if (role != NULL && strcmp(role, "node") == 0) c->role = ROLE_NODE;
    else return err_set(err, E_INVALID, "%s: client %s: role wants orchestrator or node", path, c->id);
    if (c->role == ROLE_NODE && (container == NULL || *container == 0 || strlen(container) > CONTAINER_MAX))
        return err_set(err, E_INVALID, "%s: client %s: container is missing: a node sees one container", path, c->id);
    if (container != NULL && strlen(container) <= CONTAINER_MAX) memcpy(c->container, container, strlen(container) + 1);
    if (read_addresses(c, json_object_get(o, "addresses")) != OK)
        return err_set(err, E_INVALID, "%s: client %s: addresses wants 1 to %d addresses or networks (10.0.0.0/8)", path, c->id,
                       CLIENT_NETS_MAX);
    return OK;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct client *)a)->id, ((const struct client *)b)->id);
}

enum status clients_read(struct clients *out, const char *path, struct err *err)
{
    json_t *doc, *o;
    enum status s = yaml_get_file(&doc, path, err);
    if (s != OK) return s;
    json_t *list = json_object_get(doc, "clients");
    size_t n = json_array_size(list), i;
    struct clients c = {0};
    if (n == 0 || n > CLIENTS_MAX || json_object_size(doc) != 1)
        s = err_set(err, E_INVALID, "%s: wants one key, clients, with a list of 1 to %d clients", path, CLIENTS_MAX);
    else if ((c.list = calloc(n, sizeof *c.list)) == NULL) s = err_set(err, E_NOMEM, "%s: out of memory", path);
    if (s == OK) {
        json_array_foreach(list, i, o)
        {
            if ((s = read_client(&c.list[i], o, path, i, err)) != OK) break;
            c.n++;
        }
    }
    if (s == OK) {
        qsort(c.list, c.n, sizeof *c.list, by_id);
        for (i = 1; i < c.n && s == OK; i++)
            if (by_id(&c.list[i - 1], &c.list[i]) == 0) s = err_set(err, E_INVALID, "%s: client %s stands twice", path, c.list[i].id);
    }
    json_decref(doc);
    if (s == OK) *out = c;
    else clients_fini(&c);
    return s;
}

void clients_fini(struct clients *c)
{
    free(c->list);
    *c = (struct clients){0};
}

const struct client *clients_find(const struct clients *c, const char *id)
{
    size_t lo = 0, hi = c->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int d = strcmp(c->list[mid].id, id);
        if (d == 0) return &c->list[mid];
        if (d < 0) lo = mid + 1;
        else hi = mid;
    }
    return NULL;
}

const char *role_name(enum role r)
{
    switch (r) {
    case ROLE_NONE: return "none";
    case ROLE_ORCHESTRATOR: return "orchestrator";
    case ROLE_NODE: return "node";
    }
    return "?";
}
