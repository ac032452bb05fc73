/* vectors.h: where unit tests find the public test vectors: unpacked ones in build/vectors (tests/conformance/unpack-vectors),
 * the rest in the folder that POA_VECTORS names, else ../shared/vectors. A test whose vectors are absent skips. */
#ifndef TESTS_UNIT_VECTORS_H
#define TESTS_UNIT_VECTORS_H

#include "lib/base/file.h"

#include <fts.h>
#include <unistd.h>

/** vectors_find: path of a file or folder of the vectors; false if it is nowhere. */
static inline bool vectors_find(char *dst, size_t len, const char *name)
{
    const char *root = getenv("POA_VECTORS");
    const char *roots[] = {"build/vectors", root != NULL ? root : "../shared/vectors"};
    for (size_t i = 0; i < COUNT_OF(roots); i++) {
        int n = snprintf(dst, len, "%s/%s", roots[i], name);
        if (n > 0 && (size_t)n < len && access(dst, R_OK) == 0) return true;
    }
    return false;
}

/** vectors_read: a whole file; false if it can't be read. */
static inline bool vectors_read(struct buf *out, const char *path)
{
    struct err err = {0};
    buf_init(out, (size_t)64 << 20);
    return file_read(out, path, &err) == OK;
}

static inline int vectors_by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/** vectors_each: call fn for every file under dir whose name ends in suffix, in order of names; ret how many. */
static inline size_t vectors_each(const char *dir, const char *suffix, void (*fn)(void *ctx, const char *path), void *ctx)
{
    char top[1024];
    char *paths[] = {top, NULL};
    size_t n = 0;
    (void)snprintf(top, sizeof top, "%s", dir);
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, vectors_by_name);
    if (walk == NULL) return 0;
    for (FTSENT *e; (e = fts_read(walk)) != NULL;) {
        size_t len = strlen(e->fts_name), tail = strlen(suffix);
        if (e->fts_info != FTS_F || len < tail || strcmp(e->fts_name + len - tail, suffix) != 0) continue;
        fn(ctx, e->fts_path);
        n++;
    }
    (void)fts_close(walk);
    return n;
}

#endif
