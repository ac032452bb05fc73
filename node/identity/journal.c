#include "node/identity/journal.h"

#include "lib/crypto/aead.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLOT_LEN = 96, BODY_LEN = 64, ENTRIES_MAX = 100000 };

static void slot_put(uint8_t dst[SLOT_LEN], const struct journal_entry *e)
{
    memset(dst, 0, SLOT_LEN);
    memcpy(dst, e->address, 20);
    be64_put(dst + 24, e->step);
    memcpy(dst + 32, e->hash, 32);
    sha256(dst + BODY_LEN, dst, BODY_LEN);
}

static bool slot_get(struct journal_entry *e, const uint8_t src[SLOT_LEN])
{
    uint8_t h[32];
    sha256(h, src, BODY_LEN);
    if (memcmp(h, src + BODY_LEN, 32) != 0) return false;
    *e = (struct journal_entry){.has_step = true, .step = be64_get(src + 24)};
    memcpy(e->address, src, 20);
    memcpy(e->hash, src + 32, 32);
    return true;
}

/* the newer of two copies; one that was being written when the machine stopped is not good and does not count */
static bool newest(struct journal_entry *e, const uint8_t two[2 * SLOT_LEN])
{
    struct journal_entry a, b;
    bool has_a = slot_get(&a, two), has_b = slot_get(&b, two + SLOT_LEN);
    if (!has_a && !has_b) return false;
    bool second = has_b && (!has_a || b.step > a.step);
    *e = second ? b : a;
    e->second = second;
    return true;
}

static enum status load(struct journal *j, const char *path, struct err *err)
{
    struct stat st;
    if (fstat(j->fd, &st) != 0) return err_set(err, E_IO, "%s: %s", path, strerror(errno));
    size_t n = ((size_t)st.st_size + 2 * SLOT_LEN - 1) / (2 * SLOT_LEN);
    if (n > ENTRIES_MAX) return err_set(err, E_CORRUPT, "%s: too large", path);
    j->list = calloc(n + 1, sizeof *j->list);
    if (j->list == NULL) return err_set(err, E_NOMEM, "%s: out of memory", path);
    for (size_t i = 0; i < n; i++) {
        uint8_t two[2 * SLOT_LEN] = {0};
        ssize_t got = pread(j->fd, two, sizeof two, (off_t)(i * sizeof two));
        if (got < 0) return err_set(err, E_IO, "%s: %s", path, strerror(errno));
        if (!newest(&j->list[i], two)) {
            /* the first write of a new address was torn: nothing had been signed with it */
            if (i == n - 1 && (size_t)got <= SLOT_LEN) break;
            return err_set(err, E_CORRUPT, "%s: entry %zu is damaged: the last signed step is not known; check the chain's last block of this "
                           "validator, then remove the file", path, i);
        }
        j->n = i + 1;
    }
    return OK;
}

enum status journal_open(struct journal *out, const char *base_path, struct err *err)
{
    struct journal j = {.fd = -1};
    char *path = NULL;
    if (asprintf(&path, "%s/last-signed", base_path) < 0) return err_set(err, E_NOMEM, "journal: out of memory");
    enum status s = OK;
    j.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (j.fd < 0) s = err_set(err, status_from_errno(errno), "%s: %s", path, strerror(errno));
    else if (flock(j.fd, LOCK_EX | LOCK_NB) != 0) s = err_set(err, E_BUSY, "%s: another node uses this folder", path);
    if (s == OK) s = load(&j, path, err);
    free(path);
    if (s == OK) *out = j;
    else journal_close(&j);
    return s;
}

void journal_close(struct journal *j)
{
    if (j->fd >= 0) (void)close(j->fd);
    free(j->list);
    *j = (struct journal){.fd = -1};
}

static enum status write_entry(struct journal *j, size_t i, struct journal_entry *e)
{
    uint8_t slot[SLOT_LEN];
    bool first_ever = i == j->n;
    bool second = first_ever ? false : !e->second;
    slot_put(slot, e);
    off_t at = (off_t)(i * 2 * SLOT_LEN + (second ? SLOT_LEN : 0));
    if (pwrite(j->fd, slot, sizeof slot, at) != (ssize_t)sizeof slot) return errno == ENOSPC ? E_NOSPACE : E_IO;
    if ((first_ever ? fsync(j->fd) : fdatasync(j->fd)) != 0) return E_IO;
    e->second = second;
    return OK;
}

enum status journal_note(struct journal *j, const uint8_t address[20], uint64_t step, const uint8_t hash[32])
{
    size_t i = 0;
    while (i < j->n && memcmp(j->list[i].address, address, 20) != 0) i++;
    if (i < j->n) {
        const struct journal_entry *e = &j->list[i];
        if (step < e->step) return E_CONFLICT;
        if (step == e->step) return memcmp(hash, e->hash, 32) == 0 ? OK : E_CONFLICT;
    } else {
        struct journal_entry *l = realloc(j->list, (j->n + 2) * sizeof *l);
        if (l == NULL) return E_NOMEM;
        j->list = l;
    }
    struct journal_entry e = {.has_step = true, .step = step, .second = i < j->n && j->list[i].second};
    memcpy(e.address, address, 20);
    memcpy(e.hash, hash, 32);
    enum status s = write_entry(j, i, &e);
    if (s != OK) return s;
    j->list[i] = e;
    if (i == j->n) j->n++;
    return OK;
}
