#include "orchestrator/diagnose/spec_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

static void put_value(char dst[static 100], const json_t *v)
{
    char *text = v == NULL ? NULL : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
    const size_t n = text == NULL ? 0 : strlen(text);
    if (v == NULL) (void)snprintf(dst, 100, "nothing");
    else if (n > 99) (void)snprintf(dst, 100, "%.96s...", text);
    else (void)snprintf(dst, 100, "%s", text == NULL ? "?" : text);
    free(text);
}

/* out->path holds the way so far, `at` long */
static bool differ(struct spec_diff *out, size_t at, const json_t *a, const json_t *b, unsigned depth)
{
    const char *key;
    json_t *v;
    size_t i;
    const size_t room = sizeof out->path - at;
    if (a != NULL && b != NULL && json_equal(a, b)) return false;
    if (json_is_object(a) && json_is_object(b) && depth < DEPTH_MAX && room > 4) {
        json_object_foreach((json_t *)(uintptr_t)a, key, v)
        {
            const int n = snprintf(out->path + at, room, "%s%s", at == 0 ? "" : ".", key);
            if (differ(out, at + ((size_t)n < room ? (size_t)n : room - 1), v, json_object_get(b, key), depth + 1)) return true;
        }
        json_object_foreach((json_t *)(uintptr_t)b, key, v)
        {
            if (json_object_get(a, key) != NULL) continue;
            (void)snprintf(out->path + at, room, "%s%s", at == 0 ? "" : ".", key);
            put_value(out->ours, NULL);
            put_value(out->theirs, v);
            return true;
        }
    }
    if (json_is_array(a) && json_is_array(b) && depth < DEPTH_MAX && room > 8) {
        const size_t n_a = json_array_size(a), n_b = json_array_size(b);
        for (i = 0; i < n_a || i < n_b; i++) {
            const int n = snprintf(out->path + at, room, "[%zu]", i);
            if (differ(out, at + ((size_t)n < room ? (size_t)n : room - 1), json_array_get(a, i), json_array_get(b, i), depth + 1)) return true;
        }
    }
    out->path[at] = '\0';
    put_value(out->ours, a);
    put_value(out->theirs, b);
    return true;
}

bool spec_differs(struct spec_diff *out, const json_t *ours, const json_t *theirs)
{
    struct spec_diff d = {.path = ""};
    const bool yes = differ(&d, 0, ours, theirs, 0);
    *out = yes ? d : (struct spec_diff){.path = ""};
    return yes;
}
