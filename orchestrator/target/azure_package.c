/* azure_package.c: the package of the node's programs: its hash goes into the template's parameters, itself into the deployment's storage. */
#include "lib/azure/blob.h"
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/crypto/aead.h"
#include "orchestrator/target/azure_priv.h"
#include "orchestrator/target/program_archive.h"

enum { UPLOAD_MS = 1800000, GRANT_MS = 600000 };
#define CONTAINER "poa-config"

static enum status read_package(struct buf *out, struct target *t, struct err *err)
{
    static const char *const programs[] = {"poa-agent", "poa-node"};
    const char *given = SETTING(t->env.settings, az_package);
    const struct program_archive what = {.bin_dir = t->bin_dir, .programs = programs, .n_programs = COUNT_OF(programs), .share_dir = t->env.share_dir, .option = "--node-package", .level = 6};
    return *given != '\0' ? file_read(out, given, err) : program_archive_make(out, &what, err);
}

enum status azure_package_make(struct target *t, struct err *err)
{
    struct azure *a = azure_of(t);
    struct buf b;
    uint8_t digest[32];
    if (a->package_sha256[0] != '\0') return OK;
    buf_init(&b, PROGRAM_ARCHIVE_MAX);
    enum status s = read_package(&b, t, err);
    if (s == OK) {
        sha256(digest, b.ptr, b.len);
        hex_put(a->package_sha256, digest, sizeof digest);
        a->package_sha256[64] = '\0';
        (void)snprintf(a->package, sizeof a->package, "poa-node-%s.tar.gz", a->package_sha256);
    }
    buf_fini(&b);
    return s;
}

/* what the deployment has pinned: the archive of this run, or the one that an earlier run has made and noted */
enum status azure_package_upload(struct target *t, struct err *err)
{
    struct azure *a = azure_of(t);
    struct buf b;
    struct blob_store *store = NULL;
    struct blob_info info;
    enum status s = azure_package_make(t, err);
    if (s != OK) return s;
    struct azure_service_config sc = {.base_uri = a->blob_url, .ca_file = a->ca_file[0] ? a->ca_file : NULL, .tokens = a->tokens, .deadline_ms = UPLOAD_MS, .attempt_ms = UPLOAD_MS / 3, .denied_retry_ms = GRANT_MS};
    report_step(t->env.report, "upload the node package");
    s = blob_store_new(&store, &sc, err);
    if (s != OK) return s;
    buf_init(&b, PROGRAM_ARCHIVE_MAX);
    s = blob_head(&info, store, CONTAINER, a->package, err);
    if (s == E_NOT_FOUND) {
        s = read_package(&b, t, err);
        struct blob_conditions once = {.if_none_match = "*"};
        if (s == OK) s = blob_put(store, CONTAINER, a->package, "application/gzip", buf_view(&b), NULL, 0, &once, err);
        if (s == E_EXISTS) s = OK;
    }
    buf_fini(&b);
    blob_store_free(store);
    return s;
}
