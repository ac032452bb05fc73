/* replay.c: runs a fuzzer's target without libFuzzer: every file of the folder given (if it is there), then mutations of those
 * files and of random bytes, with a fixed seed: the same run on every machine.
 *     fuzz_x [folder [mutations]] */
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/file.h"
#include "lib/base/rng.h"

#include <dirent.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { FILES_MAX = 4096, FILE_MAX = 1 << 22, MUTATIONS = 20000, RANDOM_MAX = 512 };

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* names in order, so that mutations are the same everywhere */
static size_t list_files(char *names[FILES_MAX], const char *folder)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    if (d == NULL) return 0;
    for (struct dirent *e; n < FILES_MAX && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        names[n] = strdup(e->d_name);
        if (names[n] == NULL) abort();
        n++;
    }
    (void)closedir(d);
    qsort(names, n, sizeof *names, by_name);
    return n;
}

/* the target gets memory of exactly the right length, so that a sanitizer sees a read past its end */
static void run(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL) abort();
    if (len > 0) memcpy(copy, data, len);
    (void)LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static size_t mutate(uint8_t *p, size_t len, struct rng_seeded *r)
{
    for (uint64_t n = 1 + rng_below(r, 4); n > 0 && len > 0; n--) {
        size_t at = (size_t)rng_below(r, len);
        switch (rng_below(r, 5)) {
        case 0:
            p[at] = (uint8_t)rng_next(r);
            break;
        case 1:
            p[at] ^= (uint8_t)(1u << rng_below(r, 8));
            break;
        case 2:
            p[at] = (uint8_t)(p[at] + (rng_below(r, 2) == 0 ? 1 : 255));
            break;
        case 3:
            memmove(p + at, p + at + 1, len - at - 1);
            len--;
            break;
        default:
            len = at + 1;
            break;
        }
    }
    return len;
}

int main(int argc, char **argv)
{
    static char *names[FILES_MAX];
    static uint8_t scratch[FILE_MAX];
    struct rng_seeded r;
    size_t n = argc > 1 ? list_files(names, argv[1]) : 0;
    unsigned long mutations = argc > 2 ? strtoul(argv[2], NULL, 10) : MUTATIONS;
    struct buf *files = calloc(n + 1, sizeof *files);
    if (files == NULL) abort();
    for (size_t i = 0; i < n; i++) {
        char path[4096];
        struct err err = {0};
        (void)snprintf(path, sizeof path, "%s/%s", argv[1], names[i]);
        buf_init(&files[i], FILE_MAX);
        if (file_read(&files[i], path, &err) != OK) {
            fprintf(stderr, "%s\n", err_text(&err));
            return 1;
        }
        run(files[i].ptr, files[i].len);
    }
    rng_seed(&r, 0x706f61);
    run(scratch, 0);
    for (unsigned long i = 0; i < mutations; i++) {
        size_t len;
        if (n > 0 && i % 4 != 0) {
            const struct buf *f = &files[rng_below(&r, n)];
            len = f->len;
            if (len > 0) memcpy(scratch, f->ptr, len);
            len = mutate(scratch, len, &r);
        } else {
            len = (size_t)rng_below(&r, RANDOM_MAX);
            for (size_t k = 0; k < len; k++)
                scratch[k] = (uint8_t)rng_next(&r);
        }
        run(scratch, len);
    }
    for (size_t i = 0; i < n; i++) {
        buf_fini(&files[i]);
        free(names[i]);
    }
    free(files);
    printf("%s: %zu files, %lu mutations\n", argv[0], n, mutations);
    return 0;
}
