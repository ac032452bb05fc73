#include "orchestrator/backup/backup.h"

#include <sys/stat.h>

void backup_get_info(struct backup_info *out, const struct archive_reader *r, const char *path)
{
    const json_t *f = archive_facts(r);
    const char *target = json_string_value(json_object_get(f, "target")), *genesis = json_string_value(json_object_get(f, "genesisHash")), *created = json_string_value(json_object_get(f, "created"));
    struct stat st;
    *out = (struct backup_info){.height = (uint64_t)json_integer_value(json_object_get(f, "height")), .member = json_integer_value(json_object_get(f, "memberId"))};
    (void)snprintf(out->target, sizeof out->target, "%s", target == NULL ? "local" : target);
    (void)snprintf(out->path, sizeof out->path, "%s", path);
    (void)snprintf(out->genesis, sizeof out->genesis, "%s", genesis == NULL ? "" : genesis);
    (void)snprintf(out->created, sizeof out->created, "%s", created == NULL ? "" : created);
    if (stat(path, &st) == 0) out->bytes = (uint64_t)st.st_size;
}

enum status backup_check(struct backup_info *out, struct archive_reader *r, struct err *err)
{
    char path[ARCHIVE_PATH_MAX + 1];
    unsigned mode;
    enum status s;
    out->files = 0;
    while ((s = archive_next(r, path, &mode, err)) == OK) {
        bytes piece = {NULL, 1};
        out->files++;
        while (piece.len > 0) {
            s = archive_read(r, &piece, err);
            if (s != OK) return s;
        }
    }
    return s == E_NOT_FOUND ? OK : s;
}
