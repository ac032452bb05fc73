/* identity_request.h: a request's headers out of a fuzzer's text. */
#ifndef TESTS_FUZZ_IDENTITY_REQUEST_H
#define TESTS_FUZZ_IDENTITY_REQUEST_H

#include "identity-store/routes.h"

#include <strings.h>

enum { HEADERS_MAX = 16 };

struct input {
    char *names[HEADERS_MAX], *values[HEADERS_MAX];
    size_t n;
};

static inline const char *header(const void *ctx, const char *name)
{
    const struct input *in = ctx;
    for (size_t i = 0; i < in->n; i++)
        if (strcasecmp(in->names[i], name) == 0) return in->values[i];
    return NULL;
}

static inline bool header_at(const char **name, const char **value, const void *ctx, size_t i)
{
    const struct input *in = ctx;
    if (i >= in->n) return false;
    *name = in->names[i];
    *value = in->values[i];
    return true;
}

/* the next line of *p, NUL-terminated in place */
static inline char *line(char **p)
{
    char *s = *p, *nl = strchr(s, '\n');
    if (nl) *nl = 0;
    *p = nl ? nl + 1 : s + strlen(s);
    return s;
}

/* lines "name: value" up to an empty one, or the end; what is no header is passed over. They stay in the text. */
static inline void headers_get(struct input *in, char **p)
{
    while (**p && **p != '\n' && in->n < HEADERS_MAX) {
        char *name = line(p), *colon = strstr(name, ": ");
        if (colon == NULL) continue;
        *colon = 0;
        in->names[in->n] = name;
        in->values[in->n++] = colon + 2;
    }
}

#endif
