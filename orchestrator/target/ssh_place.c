/* ssh_place.c: what `new` and `join` do on the hosts: look at all of them, then put programs, files and units there, then start. */
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "lib/base/secret.h"
#include "lib/codec/base64.h"
#include "lib/codec/hex.h"
#include "orchestrator/target/balancer.h"
#include "orchestrator/target/cloud_init.h"
#include "orchestrator/target/local.h"
#include "orchestrator/target/ssh_priv.h"

#include <sys/utsname.h>

enum { TEXT_MAX = 4 << 20, CLOUD_FILES_MAX = 16 };

/* -------------------------------------------------------------- preflight */

static int64_t clock_skew(struct ssh_target *s, struct ssh_host *h, enum status *st, struct err *err)
{
    int64_t best = INT64_MAX;
    uint64_t shortest = UINT64_MAX;
    for (int i = 0; i < 3 && *st == OK; i++) {
        struct buf b;
        buf_init(&b, 256);
        uint64_t t0 = clock_wall_ms(), m0 = clock_mono_ms();
        *st = ssh_verb(s, h, &b, BYTES_EMPTY, err, "clock", NULL);
        uint64_t took = clock_mono_ms() - m0;
        if (*st == OK && took < shortest) {
            shortest = took;
            best = (int64_t)strtoll(buf_cstr(&b), NULL, 10) - (int64_t)(t0 + took / 2);
        }
        buf_fini(&b);
    }
    /* as far as it cannot be told from the way there and back, it is none */
    int64_t slack = (int64_t)shortest / 2;
    return best > slack ? best - slack : best < -slack ? best + slack : 0;
}

/* all that is wrong with one host, in one text */
struct faults {
    char text[700];
};

PRINTF_LIKE(2, 3) static void fault(struct faults *f, const char *fmt, ...)
{
    size_t n = strlen(f->text);
    va_list ap;
    if (n > 0) n += (size_t)snprintf(f->text + n, sizeof f->text - n, ", and ");
    if (n >= sizeof f->text) return;
    va_start(ap, fmt);
    (void)vsnprintf(f->text + n, sizeof f->text - n, fmt, ap);
    va_end(ap);
}

static void judge_system(struct faults *f, const struct buf *facts)
{
    struct utsname mine;
    char system[40] = "", arch[40] = "", os[60] = "", like[100] = "", pretty[100] = "", systemd[8] = "";
    IGNORE(!ssh_line(system, sizeof system, facts, "system"), "empty then");
    IGNORE(!ssh_line(arch, sizeof arch, facts, "arch"), "empty then");
    IGNORE(!ssh_line(os, sizeof os, facts, "os"), "empty then");
    IGNORE(!ssh_line(like, sizeof like, facts, "like"), "empty then");
    IGNORE(!ssh_line(pretty, sizeof pretty, facts, "pretty"), "empty then");
    IGNORE(!ssh_line(systemd, sizeof systemd, facts, "systemd"), "empty then");
    if (strcmp(system, "Linux") != 0 || (strcmp(os, "debian") != 0 && strstr(like, "debian") == NULL))
        fault(f, "it runs %s; Debian 12 or newer, or a system made of it, is needed", pretty[0] != '\0' ? pretty : system);
    else if (strcmp(systemd, "yes") != 0) fault(f, "it is not run by systemd");
    if (uname(&mine) == 0 && strcmp(arch, mine.machine) != 0) fault(f, "its processor is %s, the programs are for %s", arch, mine.machine);
}

static void judge_disk(struct faults *f, const struct buf *facts)
{
    char kb[24] = "0", opt[24] = "0";
    IGNORE(!ssh_line(kb, sizeof kb, facts, "disk"), "0 then");
    IGNORE(!ssh_line(opt, sizeof opt, facts, "disk_opt"), "0 then");
    unsigned long long have = strtoull(kb, NULL, 10), have_opt = strtoull(opt, NULL, 10);
    if (have < SSH_DISK_MIN_KB) fault(f, "its disk is full: %llu MiB are free in /var/lib, %d are needed at least", have / 1024, SSH_DISK_MIN_KB / 1024);
    if (have_opt < SSH_DISK_OPT_MIN_KB) fault(f, "its disk is full: %llu MiB are free in /opt, %d are needed at least", have_opt / 1024, SSH_DISK_OPT_MIN_KB / 1024);
}

static enum status look_at(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    static const char *const node_ports[] = {"8545", "8546", "3000", "9545", "30300"};
    const char *port[12] = {NULL};
    char rpc[8], ws[8], page[8], owner[80] = "", release[80] = "", data[8] = "", active[40] = "";
    size_t n = 0;
    struct faults f = {""};
    struct buf facts;
    (void)arg;
    buf_init(&facts, SSH_ANSWER_MAX);
    (void)snprintf(rpc, sizeof rpc, "%u", s->t->rpc_port);
    (void)snprintf(ws, sizeof ws, "%u", s->t->ws_port);
    (void)snprintf(page, sizeof page, "%u", s->t->page_port);
    if ((h->roles & SSH_STORE) != 0) port[n++] = "8443";
    if ((h->roles & SSH_BALANCER) != 0) {
        port[n++] = rpc;
        port[n++] = ws;
        port[n++] = page;
    }
    for (size_t i = 0; i < COUNT_OF(node_ports) && (h->roles & SSH_NODE) != 0; i++)
        port[n++] = node_ports[i];
    enum status st = ssh_verb(s, h, &facts, BYTES_EMPTY, err, "facts", port[0], port[1], port[2], port[3], port[4], port[5], port[6], port[7], port[8], NULL);
    int64_t skew = st == OK ? clock_skew(s, h, &st, err) : 0;
    if (st != OK) {
        buf_fini(&facts);
        return st;
    }
    const char *id = json_string_value(json_object_get(s->t->env.record, "id"));
    judge_system(&f, &facts);
    judge_disk(&f, &facts);
    if (skew > SSH_SKEW_MAX_MS || skew < -SSH_SKEW_MAX_MS)
        fault(&f, "its clock is %.1f s %s this machine's: let both keep time (systemd-timesyncd, chrony), since nodes seal by the clock", (double)(skew < 0 ? -skew : skew) / 1000, skew < 0 ? "behind" : "ahead of");
    const bool is_owned = ssh_line(owner, sizeof owner, &facts, "owner"), is_ours = is_owned && id != NULL && strcmp(owner, id) == 0;
    h->has_data = ssh_line(data, sizeof data, &facts, "data");
    h->is_active = ssh_line(active, sizeof active, &facts, "active");
    if (is_owned && !is_ours) fault(&f, "it serves another deployment of poa-deploy already (%.12s...; destroy that one first)", owner);
    for (size_t i = 0; i < n && is_owned == is_ours && !(is_ours && h->is_active); i++) { /* those that run are ours */
        char line[16];
        (void)snprintf(line, sizeof line, "busy=%s\n", port[i]);
        if (memmem(facts.ptr, facts.len, line, strlen(line)) != NULL) fault(&f, "its port %s is in use by another program", port[i]);
    }
    if (ssh_line(release, sizeof release, &facts, "release")) (void)snprintf(h->before, sizeof h->before, "%.64s", release);
    if (!ssh_line(h->haproxy, sizeof h->haproxy, &facts, "haproxy") && (h->roles & SSH_BALANCER) != 0)
        fault(&f, "HAProxy is not installed there, and it balances that region's load: apt-get install haproxy");
    buf_fini(&facts);
    return f.text[0] == '\0' ? OK : err_set(err, E_CONFLICT, "%s: %s", h->address, f.text);
}

enum status ssh_preflight(struct target *t, struct err *err)
{
    struct ssh_target *s = ssh_of(t);
    report_step(t->env.report, "look at %zu hosts", s->n);
    return ssh_each(s, SSH_ALL, look_at, NULL, err);
}

/* ------------------------------------------------------------------ clear */

static enum status reset_host(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    return ssh_verb(s, h, NULL, BYTES_EMPTY, err, "reset", (const char *)arg, NULL);
}

enum status ssh_clear(struct target *t, struct err *err)
{
    char path[4096];
    const char *id = json_string_value(json_object_get(t->env.record, "id"));
    enum status st = OK;
    if (json_is_true(json_object_get(t->env.record, "placed"))) {
        report_step(t->env.report, "clear what the last run left on the hosts");
        st = ssh_each(ssh_of(t), SSH_ALL, reset_host, (void *)(uintptr_t)id, err);
    }
    local_path(path, t, "");
    return st == OK ? file_remove_tree(path, err) : st;
}

/* ------------------------------------------------------------------ place */

struct placing {
    const json_t *resources;
    const char *id;
};

/* a file of local/ of the workspace, or a unit of the templates, to the host */
static enum status put_text(struct ssh_target *s, struct ssh_host *h, const char *path, const char *mode, const char *owner, bytes text, struct err *err)
{
    return ssh_verb(s, h, NULL, text, err, "put", path, mode, owner, NULL);
}

static enum status put_local(struct ssh_target *s, struct ssh_host *h, const char *name, const char *path, const char *mode, const char *owner, struct err *err)
{
    char from[4096];
    struct buf b;
    buf_init(&b, TEXT_MAX);
    local_path(from, s->t, name);
    enum status st = file_read(&b, from, err);
    if (st == OK) st = put_text(s, h, path, mode, owner, buf_view(&b), err);
    if (b.ptr != NULL) secret_wipe(b.ptr, b.cap);
    buf_fini(&b);
    return st;
}

static enum status put_unit(struct ssh_target *s, struct ssh_host *h, const char *unit, struct err *err)
{
    char from[5000], path[200];
    struct buf b, out;
    buf_init(&b, 64 << 10);
    buf_init(&out, 64 << 10);
    (void)snprintf(from, sizeof from, "%s/templates/ssh/%s.service", s->t->env.share_dir, unit);
    (void)snprintf(path, sizeof path, "/etc/systemd/system/%s.service", unit);
    enum status st = file_read(&b, from, err);
    for (const char *p = buf_cstr(&b); st == OK && *p != '\0';) {
        if (strncmp(p, "@BIN@", 5) == 0) {
            buf_put_str(&out, "/opt/poa/current/bin");
            p += 5;
        } else if (strncmp(p, "@HAPROXY@", 9) == 0) {
            buf_put_str(&out, h->haproxy);
            p += 9;
        } else {
            buf_put_u8(&out, (uint8_t)*p++);
        }
    }
    if (st == OK) st = buf_status(&out);
    if (st == OK) st = put_text(s, h, path, "644", "root:root", buf_view(&out), err);
    buf_fini(&b);
    buf_fini(&out);
    return st;
}

static enum status check_argv(const json_t *argv, struct err *err)
{
    static const char *const want[] = {"poa-node", "--config", "/etc/poa-node.yaml"};
    bool same = json_array_size(argv) == COUNT_OF(want);
    for (size_t i = 0; same && i < COUNT_OF(want); i++) {
        const char *word = json_string_value(json_array_get(argv, i)), *slash = strrchr(word, '/');
        same = strcmp(i == 0 && slash != NULL ? slash + 1 : word, want[i]) == 0;
    }
    return same ? OK : err_set(err, E_UNSUPPORTED, "the template's cloud-init document starts something else than `poa-node --config ${POA_ROOT}/etc/poa-node.yaml`: templates/ssh/poa-node.service runs that");
}

static enum status place_node(struct ssh_target *s, struct ssh_host *h, const struct placing *p, struct err *err)
{
    const struct target_instance *in = &s->t->instances[h->instance];
    const char *data = target_custom_data(p->resources, in);
    if (data == NULL) return err_set(err, E_INVALID, "the scale set of %s has no customData", in->name);
    struct cloud_file *files = calloc(CLOUD_FILES_MAX, sizeof *files);
    if (files == NULL) return err_set(err, E_NOMEM, "no memory");
    struct buf doc, expanded;
    buf_init(&doc, TEXT_MAX);
    buf_init(&expanded, TEXT_MAX);
    char index[16], secret[256];
    json_t *argv = NULL;
    size_t n = 0;
    (void)snprintf(index, sizeof index, "%u", in->index);
    const struct instance_token tokens[] = {{"instance.index", index}, {"instance.address", in->address}, {"instance.public_address", in->address}, {"instance.name", in->name}};
    enum status st = base64_get(&doc, bytes_str(data), false);
    if (st != OK) st = err_set(err, st, "customData of %s is no base64", in->name);
    if (st == OK) st = cloud_init_expand(&expanded, buf_view(&doc), "", tokens, COUNT_OF(tokens), err);
    if (st == OK) st = cloud_init_files(files, &n, CLOUD_FILES_MAX, &argv, buf_view(&expanded), err);
    if (st == OK) st = check_argv(argv, err);
    if (st == OK) st = ssh_verb(s, h, NULL, BYTES_EMPTY, err, "user", "poa-node", "/var/lib/poa", NULL);
    for (size_t i = 0; st == OK && i < n; i++) {
        char mode[8];
        (void)snprintf(mode, sizeof mode, "%o", files[i].mode);
        st = put_text(s, h, files[i].path, mode, "root:root", buf_view(&files[i].data), err);
    }
    (void)snprintf(secret, sizeof secret, "instances/%s/run/identity-secret", in->name);
    if (st == OK) st = put_local(s, h, secret, "/etc/poa/identity-secret", "400", "poa-node:poa-node", err);
    if (st == OK) st = put_local(s, h, LOCAL_CA, "/etc/poa/ca.pem", "644", "root:root", err);
    cloud_files_fini(files, n);
    free(files);
    json_decref(argv);
    buf_fini(&doc);
    buf_fini(&expanded);
    return st;
}

static enum status place_store(struct ssh_target *s, struct ssh_host *h, struct err *err)
{
    static const struct {
        const char *name, *path, *mode;
    } files[] = {{"store/server.key", "/etc/poa-store/server.key", "400"},
                 {"store/server.pem", "/etc/poa-store/server.pem", "444"},
                 {"store/clients.yaml", "/etc/poa-store/clients.yaml", "400"}};
    char config[600];
    enum status st = ssh_verb(s, h, NULL, BYTES_EMPTY, err, "user", "poa-store", "/var/lib/poa-store", NULL);
    for (size_t i = 0; st == OK && i < COUNT_OF(files); i++)
        st = put_local(s, h, files[i].name, files[i].path, files[i].mode, "poa-store:poa-store", err);
    (void)snprintf(config, sizeof config,
                   "listen: {address: %s, port: %d}\ntls: {cert: server.pem, key: server.key}\ndata_dir: /var/lib/poa-store/data\nkek_file: /var/lib/poa-store/kek\nclients_file: clients.yaml\n",
                   h->address, TARGET_STORE_PORT);
    return st == OK ? put_text(s, h, "/etc/poa-store/store.yaml", "444", "root:root", bytes_str(config), err) : st;
}

static enum status place_balancer(struct ssh_target *s, struct ssh_host *h, const struct placing *p, struct err *err)
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    enum status st = balancer_put(&b, s->t, p->resources, (unsigned)__builtin_ctz(h->balances) + 1, err);
    if (st == OK) st = ssh_verb(s, h, NULL, BYTES_EMPTY, err, "user", "haproxy", "/var/lib/haproxy", NULL);
    if (st == OK) st = put_text(s, h, "/etc/poa-haproxy/haproxy.cfg", "644", "root:root", buf_view(&b), err);
    buf_fini(&b);
    return st;
}

static enum status place_host(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    const struct placing *p = arg;
    const char *units[4];
    enum status st = OK;
    if ((h->roles & SSH_STORE) != 0) st = place_store(s, h, err);
    if (st == OK && (h->roles & SSH_BALANCER) != 0) st = place_balancer(s, h, p, err);
    if (st == OK && (h->roles & SSH_NODE) != 0) st = place_node(s, h, p, err);
    ssh_units(units, h);
    for (size_t i = 0; st == OK && units[i] != NULL; i++)
        st = put_unit(s, h, units[i], err);
    if (st == OK) st = ssh_verb(s, h, NULL, BYTES_EMPTY, err, "activate", s->package_sha256, NULL);
    return st;
}

static enum status claim(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    return ssh_verb(s, h, NULL, BYTES_EMPTY, err, "claim", (const char *)arg, NULL);
}

static enum status start_units(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    const char *units[4];
    (void)arg;
    ssh_units(units, h);
    return ssh_verb(s, h, NULL, BYTES_EMPTY, err, "start", units[0], units[1], units[2], NULL);
}

/* the deployment's name on the hosts: kept before a host hears of it, so that a run that was killed knows its own */
static enum status make_id(struct target *t, struct err *err)
{
    char id[33];
    uint8_t raw[16];
    if (json_object_get(t->env.record, "id") == NULL) {
        rng_fill(raw, sizeof raw);
        hex_put(id, raw, sizeof raw);
        id[32] = '\0';
        json_object_set_new(t->env.record, "id", json_string(id));
    }
    json_object_set_new(t->env.record, "placed", json_true());
    return t->env.note(t->env.arg, err);
}

enum status ssh_place(struct target *t, const struct target_job *job, struct err *err)
{
    struct ssh_target *s = ssh_of(t);
    const struct settings *set = t->env.settings;
    struct report *r = t->env.report;
    enum status st = make_id(t, err);
    struct placing p = {job->resources, json_string_value(json_object_get(t->env.record, "id"))};
    if (st == OK) st = ssh_package_prepare(s, SETTING(set, package), SETTING(set, package_sha256), err);
    if (st == OK) st = local_write_clients(t, false, err);
    if (st == OK) st = ssh_each(s, SSH_ALL, claim, (void *)(uintptr_t)p.id, err);
    if (st != OK) return st;
    report_step(r, "bring the programs to %zu hosts", s->n);
    st = ssh_each(s, SSH_ALL, ssh_package_upload, NULL, err);
    if (st != OK) return st;
    report_step(r, "put settings, secrets and units there");
    st = ssh_each(s, SSH_ALL, place_host, &p, err);
    if (st != OK) return st;
    if (job->restore_dir != NULL) st = ssh_load(t, job->restore_dir, err);
    if (st != OK) return st;
    report_step(r, "start the identity store, %zu load balancer%s and %zu nodes", (size_t)SETTING_INT_OF(set, regions), SETTING_INT_OF(set, regions) == 1 ? "" : "s", t->n_instances);
    st = ssh_each(s, SSH_STORE, start_units, NULL, err);
    if (st == OK) st = ssh_each(s, SSH_NODE | SSH_BALANCER, start_units, NULL, err);
    return st;
}
