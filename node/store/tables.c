#include "node/store/tables.h"

enum status tables_open(struct kv **out, const char *path, uint64_t map_bytes, unsigned flags, struct err *err)
{
    static const char *const names[] = {
#define X(id, name) name,
        STORE_TABLES(X)
#undef X
    };
    return kv_open_lmdb(out, path, names, COUNT_OF(names), map_bytes, flags, err);
}
