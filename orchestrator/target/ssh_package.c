/* ssh_package.c: the programs as one file, known by its sha256; its way to a host goes on where it broke off. */
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/crypto/aead.h"
#include "orchestrator/target/program_archive.h"
#include "orchestrator/target/ssh_priv.h"

static enum status make_package(struct ssh_target *s, struct err *err)
{
    static const char *const programs[] = {"poa-agent", "poa-identity-store", "poa-node"};
    char path[5000];
    struct buf packed;
    buf_init(&packed, PROGRAM_ARCHIVE_MAX);
    (void)snprintf(path, sizeof path, "%s/%s", s->t->bin_dir, programs[0]);
    const size_t skip = file_exists(path) ? 0 : 1; /* hosts run without the agent, too */
    const struct program_archive what = {.bin_dir = s->t->bin_dir, .programs = programs + skip, .n_programs = COUNT_OF(programs) - skip, .share_dir = s->t->env.share_dir, .option = "--package", .level = 1};
    enum status st = program_archive_make(&packed, &what, err);
    (void)snprintf(path, sizeof path, "%.3400s/local", s->t->dir);
    (void)snprintf(s->package, sizeof s->package, "%.3400s/local/package.tar.gz", s->t->dir);
    if (st == OK) st = file_mkdirs(path, 0700, err);
    if (st == OK) st = file_write_atomic(s->package, buf_view(&packed), 0644, err);
    buf_fini(&packed);
    return st;
}

enum status ssh_package_prepare(struct ssh_target *s, const char *file, const char *sha256_hex, struct err *err)
{
    enum status st = OK;
    if (file == NULL || *file == '\0') {
        st = make_package(s, err);
        s->package_is_deb = false;
    } else {
        size_t n = strlen(file);
        s->package_is_deb = n > 4 && strcmp(file + n - 4, ".deb") == 0;
        if (!s->package_is_deb && (n < 7 || strcmp(file + n - 7, ".tar.gz") != 0))
            return err_set(err, E_INVALID, "--package (hosts.package): '%s' ends neither in .deb nor in .tar.gz", file);
        (void)snprintf(s->package, sizeof s->package, "%s", file);
    }
    struct buf data;
    buf_init(&data, PROGRAM_ARCHIVE_MAX);
    if (st == OK) st = file_read(&data, s->package, err);
    if (st == OK) {
        uint8_t digest[32];
        sha256(digest, data.ptr, data.len);
        hex_put(s->package_sha256, digest, sizeof digest);
        s->package_sha256[64] = '\0';
        if (sha256_hex != NULL && *sha256_hex != '\0' && strcasecmp(sha256_hex, s->package_sha256) != 0)
            st = err_set(err, E_CRYPTO, "%s has the sha256 %s, but --package-sha256 (hosts.packageSha256) wants %s: it is not the package that was meant", s->package,
                         s->package_sha256, sha256_hex);
    }
    buf_fini(&data);
    return st;
}

/* ------------------------------------------------------------------ upload */

static enum status append(struct ssh_target *s, struct ssh_host *h, off_t from, struct err *err)
{
    char offset[24];
    (void)snprintf(offset, sizeof offset, "%lld", (long long)from);
    const char *const args[] = {s->package_sha256, offset, NULL};
    enum status st = ssh_verb_put(s, h, s->package, from, err, "append", args);
    return st == E_NOSPACE ? err_set(err, st, "%s: the disk is full: the package does not fit into /var/cache", h->address) : st;
}

enum status ssh_package_upload(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    (void)arg;
    enum status st = OK;
    for (int tries = 0; tries < 2; tries++) {
        struct buf answer;
        char state[16] = "", size[24] = "0";
        buf_init(&answer, 4096);
        st = ssh_verb(s, h, &answer, BYTES_EMPTY, err, "have", s->package_sha256, NULL);
        bool known = ssh_line(state, sizeof state, &answer, "state");
        IGNORE(!ssh_line(size, sizeof size, &answer, "size"), "there is no part");
        buf_fini(&answer);
        if (st != OK || !known) return st != OK ? st : err_set(err, E_DECODE, "%s: host.sh answers without a state", h->address);
        if (strcmp(state, "installed") == 0) break;
        st = append(s, h, (off_t)strtoll(size, NULL, 10), err);
        if (st == OK) st = ssh_verb(s, h, NULL, BYTES_EMPTY, err, "install", s->package_sha256, s->package_is_deb ? "deb" : "tar", NULL);
        /* a part that was not of this file: from the beginning, once */
        if (st != E_CONFLICT) break;
    }
    if (st == OK) (void)snprintf(h->release, sizeof h->release, "%s", s->package_sha256);
    return st;
}
