#include "lib/codec/base64.h"
#include "orchestrator/target/local_move.h"
#include "orchestrator/target/local_priv.h"
#include "orchestrator/target/ports.h"

#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "lib/base/secret.h"
#include "lib/codec/hex.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/tls.h"
#include "orchestrator/target/balancer.h"
#include "orchestrator/target/cloud_init.h"
#include "orchestrator/target/keeper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CERT_DAYS = 3650, TEXT_MAX = 4 << 20, METRICS_PORT = 9545, P2P_PORT = 30300 };

void local_path(char dst[static 4096], const struct target *t, const char *name)
{
    (void)snprintf(dst, 4096, "%s/local/%s", t->dir, name);
}

void local_lb_address(char dst[static 16], const struct target *t, unsigned region)
{
    (void)snprintf(dst, 16, "127.%u.%u.1", t->member & 255, region & 255);
}

static enum status local_open(struct target *t, struct err *err);

enum status local_init(struct target *t, const char *workspace_dir, const char *bin_dir, unsigned member, struct err *err)
{
    *t = (struct target){.ops = &TARGET_LOCAL, .member = member, .rpc_port = 8545, .ws_port = 8546, .page_port = 80, .low_ports = true};
    (void)snprintf(t->dir, sizeof t->dir, "%s", workspace_dir);
    (void)snprintf(t->bin_dir, sizeof t->bin_dir, "%s", bin_dir);
    return local_open(t, err);
}

static enum status local_open(struct target *t, struct err *err)
{
    const char *bin_dir = t->bin_dir;
    unsigned member = t->member;
    for (unsigned r = 1; r <= TARGET_REGIONS_MAX; r++) {
        char lb[16];
        local_lb_address(lb, t, r);
        (void)snprintf(t->balancer[r - 1], sizeof t->balancer[0], "%s", lb);
    }
    (void)snprintf(t->store_address, sizeof t->store_address, "127.%u.0.2", member & 255);
    (void)snprintf(t->store_url, sizeof t->store_url, "https://%s:%d", t->store_address, LOCAL_STORE_PORT);
    static const char *const places[] = {"/usr/sbin/haproxy", "/usr/local/sbin/haproxy", "/usr/bin/haproxy", "/usr/local/bin/haproxy"};
    for (size_t i = 0; i < COUNT_OF(places) && t->haproxy[0] == '\0'; i++)
        if (access(places[i], X_OK) == 0) (void)snprintf(t->haproxy, sizeof t->haproxy, "%s", places[i]);
    if (t->haproxy[0] == '\0')
        return err_set(err, E_NOT_FOUND, "HAProxy is not installed, and the local target balances its load with it: apt-get install haproxy (scripts/bootstrap does)");
    static const char *const sisters[] = {"poa-node", "poa-identity-store"};
    for (size_t i = 0; i < COUNT_OF(sisters); i++) {
        char path[5000];
        (void)snprintf(path, sizeof path, "%s/%s", bin_dir, sisters[i]);
        if (access(path, X_OK) != 0) return err_set(err, E_NOT_FOUND, "%s is missing: it belongs beside poa-deploy; build all programs with `make`", path);
    }
    return OK;
}

/* ----------------------------------------------------------------- ports */

/* 0: free; else errno of the bind */
static int probe(const char *ip, uint16_t port, int type)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    int one = 1, e = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, ip, &sa.sin_addr) != 1) e = EINVAL;
    /* with SO_REUSEADDR a bind beside a listener succeeds until listen: so listen too */
    if (e == 0 && (bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 || (type == SOCK_STREAM && listen(fd, 1) != 0))) e = errno;
    close(fd);
    return e;
}

enum status local_check_other(const struct target *t, struct err *err)
{
    char lb[16];
    local_lb_address(lb, t, 1);
    const struct {
        const char *ip;
        uint16_t port;
    } places[] = {{t->store_address, LOCAL_STORE_PORT}, {lb, 8545}};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct port_holder h;
        if (probe(places[i].ip, places[i].port, SOCK_STREAM) == 0 || !port_find_holder(&h, places[i].ip, places[i].port) || h.workspace[0] == '\0' || local_is_same(h.workspace, t->dir)) continue;
        return err_set(err, E_BUSY, "the network in %s runs and has the addresses of this one (%s:%u is held by its %s, process %ld): two with the same keys must never run at once; stop it first "
                       "with `poa-deploy down %s`", h.workspace, places[i].ip, places[i].port, h.name, h.pid, h.workspace);
    }
    return OK;
}

static enum status need_port(const char *ip, uint16_t port, int type, const char *what, struct err *err)
{
    int e = probe(ip, port, type);
    if (e == 0) return OK;
    return err_set(err, status_from_errno(e),
                   "%s cannot listen on %s:%u: %s. Another network with the same member id may be running here (`poa-deploy down` it, or choose another --member-id)",
                   what, ip, port, strerror(e));
}

enum status local_check_ports(struct target *t, unsigned regions, unsigned nodes, struct err *err)
{
    enum status s = need_port(t->store_address, LOCAL_STORE_PORT, SOCK_STREAM, "the identity store", err);
    if (s == OK) s = need_port(t->store_address, METRICS_PORT, SOCK_STREAM, "the identity store (metrics)", err);
    for (unsigned r = 1; s == OK && r <= regions; r++) {
        char lb[16];
        local_lb_address(lb, t, r);
        if (probe(lb, 80, SOCK_STREAM) == EACCES) {
            t->page_port = 8080;
            t->low_ports = false;
        }
        s = need_port(lb, 8545, SOCK_STREAM, "the load balancer (RPC)", err);
        if (s == OK) s = need_port(lb, 8546, SOCK_STREAM, "the load balancer (WebSocket)", err);
        if (s == OK) s = need_port(lb, t->page_port, SOCK_STREAM, "the load balancer (member pages)", err);
        for (unsigned i = 0; s == OK && i < nodes; i++) {
            char a[16];
            static const uint16_t ports[] = {8545, 8546, 3000, METRICS_PORT, P2P_PORT};
            (void)snprintf(a, sizeof a, "127.%u.%u.%u", t->member & 255, r & 255, (10 + i) & 255);
            for (size_t k = 0; s == OK && k < COUNT_OF(ports); k++)
                s = need_port(a, ports[k], SOCK_STREAM, "a validator node", err);
            if (s == OK) s = need_port(a, P2P_PORT, SOCK_DGRAM, "a validator node (discovery)", err);
        }
    }
    return s;
}

/* ------------------------------------------------------------- resources */

enum status local_add_resources(struct target *t, const json_t *resources, struct err *err)
{
    enum status s = target_add_scale_sets(t, resources, err);
    for (size_t i = 0; s == OK && i < t->n_instances; i++) {
        struct target_instance *in = &t->instances[i];
        (void)snprintf(in->address, sizeof in->address, "127.%u.%u.%u", t->member & 255, in->region & 255, (10 + in->index) & 255);
    }
    return s;
}

/* ----------------------------------------------------------------- store */

enum status local_write(const struct target *t, const char *name, bytes data, unsigned mode, struct err *err)
{
    char path[4096];
    local_path(path, t, name);
    return file_write_atomic(path, data, mode, err);
}

static bool have(const struct target *t, const char *name)
{
    char path[4096];
    local_path(path, t, name);
    return file_exists(path);
}

static enum status write_certificates(const struct target *t, struct err *err)
{
    if (have(t, "store/server.key") && have(t, LOCAL_CA)) return OK;
    struct buf ca_key, ca_cert, key, cert;
    buf_init(&ca_key, 1 << 16);
    buf_init(&ca_cert, 1 << 16);
    buf_init(&key, 1 << 16);
    buf_init(&cert, 1 << 16);
    char name[64], hosts[64];
    (void)snprintf(name, sizeof name, "poa-deploy member %u", t->member);
    (void)snprintf(hosts, sizeof hosts, "%s,localhost", t->store_address);
    enum status s = tls_make_ca(&ca_key, &ca_cert, name, CERT_DAYS, err);
    if (s == OK) s = tls_make_server(&key, &cert, buf_view(&ca_key), buf_view(&ca_cert), hosts, CERT_DAYS, err);
    if (s == OK) s = local_write(t, "store/ca.key", buf_view(&ca_key), 0600, err);
    if (s == OK) s = local_write(t, "store/server.pem", buf_view(&cert), 0644, err);
    if (s == OK) s = local_write(t, LOCAL_CA, buf_view(&ca_cert), 0644, err);
    if (s == OK) s = local_write(t, "store/server.key", buf_view(&key), 0600, err);
    if (ca_key.ptr != NULL) secret_wipe(ca_key.ptr, ca_key.cap);
    if (key.ptr != NULL) secret_wipe(key.ptr, key.cap);
    buf_fini(&ca_key);
    buf_fini(&ca_cert);
    buf_fini(&key);
    buf_fini(&cert);
    return s;
}

/* a client of the store: its secret in a file of its own, the secret's hash in the list. An existing secret stays. */
static enum status add_client(struct buf *yaml, const struct target *t, const char *id, const char *role, const char *file, const char *net, struct err *err)
{
    char secret[65] = "", hash[65] = "", path[4096];
    bool is_node = strcmp(role, "node") == 0;
    struct buf text;
    buf_init(&text, 128);
    local_path(path, t, file);
    enum status s = OK;
    if (file_exists(path)) {
        s = file_read(&text, path, err);
        if (s == OK && text.len >= 64) memcpy(secret, text.ptr, 64);
    }
    if (s == OK && secret[0] == '\0') {
        uint8_t raw[32];
        rng_fill(raw, sizeof raw);
        hex_put(secret, raw, sizeof raw);
        secret_wipe(raw, sizeof raw);
        char dir[4096];
        (void)snprintf(dir, sizeof dir, "%s", path);
        *strrchr(dir, '/') = '\0';
        s = file_mkdirs(dir, 0700, err);
        if (s == OK) s = file_write_atomic(path, bytes_make(secret, 64), 0600, err);
    }
    uint8_t digest[32];
    sha256(digest, secret, 64);
    hex_put(hash, digest, 32);
    hash[64] = '\0';
    buf_printf(yaml, "  - id: %s\n    secret_sha256: %s\n    role: %s\n", id, hash, role);
    if (is_node) buf_printf(yaml, "    container: poa-config\n    addresses: [%s]\n", net);
    secret_wipe(secret, sizeof secret);
    if (text.ptr != NULL) secret_wipe(text.ptr, text.cap);
    buf_fini(&text);
    return s == OK ? buf_status(yaml) : s;
}

static void instance_file(char dst[static 256], const struct target_instance *in, const char *name)
{
    (void)snprintf(dst, 256, "instances/%s/%s", in->name, name);
}

enum status local_write_clients(struct target *t, bool loopback, struct err *err)
{
    char path[4096], net[32];
    local_path(path, t, "store");
    enum status s = file_mkdirs(path, 0700, err);
    if (s == OK) s = write_certificates(t, err);
    struct buf clients;
    buf_init(&clients, TEXT_MAX);
    buf_put_str(&clients, "clients:\n");
    if (s == OK) s = add_client(&clients, t, LOCAL_ORCHESTRATOR_CLIENT, "orchestrator", LOCAL_ORCHESTRATOR_SECRET, "", err);
    for (size_t i = 0; s == OK && i < t->n_instances; i++) {
        char file[256];
        instance_file(file, &t->instances[i], "run/identity-secret");
        /* a connection to any 127.x address comes from 127.0.0.1, so the narrowest net is the loopback's */
        if (loopback) (void)snprintf(net, sizeof net, "127.0.0.0/8");
        else (void)snprintf(net, sizeof net, "%s/32", t->instances[i].address);
        s = add_client(&clients, t, t->instances[i].name, "node", file, net, err);
    }
    if (s == OK) s = local_write(t, "store/clients.yaml", buf_view(&clients), 0600, err);
    buf_fini(&clients);
    return s;
}

enum status local_write_store(struct target *t, struct err *err)
{
    char path[4096];
    local_path(path, t, "log");
    enum status s = file_mkdirs(path, 0700, err);
    if (s == OK) s = local_write_clients(t, true, err);
    struct buf config;
    buf_init(&config, TEXT_MAX);
    buf_printf(&config,
               "listen: {address: %s, port: %d}\ntls: {cert: server.pem, key: server.key}\ndata_dir: data\nkek_file: kek\nclients_file: clients.yaml\nmetrics: {port: %d}\n",
               t->store_address, LOCAL_STORE_PORT, METRICS_PORT);
    if (s == OK) s = local_write(t, "store/store.yaml", buf_view(&config), 0600, err);
    buf_fini(&config);
    return s;
}

static enum status write_balancer(const struct target *t, const json_t *resources, struct err *err)
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    enum status s = balancer_put(&b, t, resources, 0, err);
    if (s == OK) s = local_write(t, "haproxy.cfg", buf_view(&b), 0644, err);
    buf_fini(&b);
    return s;
}

/* --------------------------------------------------------------- instances */

/* the node's program: found beside ours whatever folder the document names */
static void use_own_program(json_t *argv, const struct target *t)
{
    const char *word = json_string_value(json_array_get(argv, 0)), *slash = word == NULL ? NULL : strrchr(word, '/');
    const char *base = slash == NULL ? word : slash + 1;
    char path[5000];
    if (base == NULL || strcmp(base, "poa-node") != 0) return;
    (void)snprintf(path, sizeof path, "%s/poa-node", t->bin_dir);
    json_array_set_new(argv, 0, json_string(path));
}

static enum status write_instance(json_t *programs, const struct target *t, const json_t *resources, const struct target_instance *in,
                                  struct err *err)
{
    const char *data = target_custom_data(resources, in);
    if (data == NULL) return err_set(err, E_INVALID, "the scale set of %s has no customData", in->name);
    struct buf doc, expanded;
    buf_init(&doc, TEXT_MAX);
    buf_init(&expanded, TEXT_MAX);
    char root[4096], index[16], file[256];
    instance_file(file, in, "");
    file[strlen(file) - 1] = '\0';
    local_path(root, t, file);
    (void)snprintf(index, sizeof index, "%u", in->index);
    const struct instance_token tokens[] = {{"instance.index", index},
                                            {"instance.address", in->address},
                                            {"instance.public_address", in->address},
                                            {"instance.name", in->name}};
    json_t *argv = NULL;
    enum status s = base64_get(&doc, bytes_str(data), false);
    if (s != OK) s = err_set(err, s, "customData of %s is no base64", in->name);
    if (s == OK) s = cloud_init_expand(&expanded, buf_view(&doc), root, tokens, COUNT_OF(tokens), err);
    if (s == OK) s = file_mkdirs(root, 0700, err);
    if (s == OK) s = cloud_init_apply(&argv, buf_view(&expanded), root, err);
    if (s == OK) {
        use_own_program(argv, t);
        json_array_append_new(programs, json_pack("{s:s, s:O, s:s, s:i}", "name", in->name, "argv", argv, "cwd", root, "stopOrder", 0));
    }
    json_decref(argv);
    buf_fini(&doc);
    buf_fini(&expanded);
    return s;
}

enum status local_write_launch(struct target *t, const json_t *resources, struct err *err)
{
    char path[4096], store[5000];
    json_t *programs = json_array();
    (void)snprintf(store, sizeof store, "%s/poa-identity-store", t->bin_dir);
    local_path(path, t, "store/store.yaml");
    json_array_append_new(programs, json_pack("{s:s, s:[s, s, s], s:i}", "name", "identity-store", "argv", store, "--config", path, "stopOrder", 2));
    enum status s = write_balancer(t, resources, err);
    local_path(path, t, "haproxy.cfg");
    json_array_append_new(programs, json_pack("{s:s, s:[s, s, s, s], s:i}", "name", "haproxy", "argv", t->haproxy, "-db", "-f", path, "stopOrder", 1));
    for (size_t i = 0; s == OK && i < t->n_instances; i++)
        s = write_instance(programs, t, resources, &t->instances[i], err);
    if (s == OK) s = local_add_monitor(programs, t, err);
    json_t *doc = json_pack("{s:o}", "programs", programs);
    char *text = json_dumps(doc, JSON_INDENT(1));
    if (s == OK && text == NULL) s = E_NOMEM;
    if (s == OK) s = local_write(t, "launch.json", bytes_str(text), 0600, err);
    free(text);
    json_decref(doc);
    return s;
}

/* ------------------------------------------------------------ the interface */

static enum status local_preflight(struct target *t, struct err *err)
{
    const struct settings *set = t->env.settings;
    char url[64], *port;
    enum status s = local_check_monitor(t, err);
    if (s == OK) s = local_check_ports(t, (unsigned)SETTING_INT_OF(set, regions), (unsigned)SETTING_INT_OF(set, nodes), err);
    if (s != OK || !local_has_prometheus(t)) return s;
    local_monitor_url(url, t);
    port = strrchr(url, ':');
    *port++ = '\0';
    return need_port(url + strlen("http://"), (uint16_t)strtoul(port, NULL, 10), SOCK_STREAM, "Prometheus", err);
}

/* each instance is its own client of the store: its managed identity on this machine */
static enum status local_parameters(struct target *t, json_t *params, struct err *err)
{
    char token_uri[400], ca[4096];
    (void)err;
    (void)snprintf(token_uri, sizeof token_uri, "%s/metadata/identity/oauth2/token", t->store_url);
    local_path(ca, t, LOCAL_CA);
    json_t *token = json_pack("{s:{s:s, s:s, s:s, s:s, s:s}}", "value", "kind", "msi", "uri", token_uri, "clientId", "{{instance.name}}", "secretFile",
                              "${POA_ROOT}/run/identity-secret", "caFile", ca);
    return json_object_set_new(params, "token", token) == 0 ? OK : E_NOMEM;
}

static enum status local_place(struct target *t, const struct target_job *job, struct err *err)
{
    report_step(t->env.report, "start the identity store, the load balancer and %zu nodes", t->n_instances);
    enum status s = local_write_store(t, err);
    if (s == OK) s = local_write_launch(t, job->resources, err);
    if (s == OK) s = keeper_start(t->env.exe, t->dir, err);
    return s;
}

static enum status local_outputs(struct target *t, json_t *outputs, struct err *err)
{
    char url[64];
    local_monitor_url(url, t);
    if (local_has_prometheus(t)) json_object_set_new(outputs, "PROMETHEUS_URL", json_string(url));
    json_object_del(outputs, "SSH_TO_FIRST_VL_NODE_REGION1"); /* nobody logs in: it is this machine */
    return target_fix_ports(t, outputs, err);
}

static enum status local_up(struct target *t, bool *already, struct err *err)
{
    enum status s = local_follow(t, err);
    if (s == OK) s = local_check_other(t, err);
    if (s == OK) s = keeper_start(t->env.exe, t->dir, err);
    *already = s == E_EXISTS;
    return s == E_EXISTS ? OK : s;
}

static enum status local_down(struct target *t, bool *already, struct err *err)
{
    bool was_running = false;
    enum status s = keeper_stop(t->dir, &was_running, err);
    *already = !was_running;
    return s;
}

static enum status local_clear(struct target *t, struct err *err)
{
    char path[4096];
    bool was_running;
    local_path(path, t, "");
    enum status s = keeper_stop(t->dir, &was_running, err);
    return s == OK ? file_remove_tree(path, err) : s;
}

static enum status local_destroy(struct target *t, json_t *stays, struct err *err)
{
    bool was_running;
    (void)stays;
    return keeper_stop(t->dir, &was_running, err);
}

const struct target_ops TARGET_LOCAL = {
    .name = "local",
    .open = local_open,
    .preflight = local_preflight,
    .reference = target_reference,
    .parameters = local_parameters,
    .take_resources = local_add_resources,
    .place = local_place,
    .vault = target_store_access,
    .outputs = local_outputs,
    .up = local_up,
    .down = local_down,
    .clear = local_clear,
    .destroy = local_destroy,
    .upgrade = local_upgrade,
};
