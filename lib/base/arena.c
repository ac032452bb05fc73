#include "lib/base/arena.h"

struct arena_chunk {
    struct arena_chunk *next;
    size_t len, cap;
    _Alignas(16) uint8_t data[];
};

enum { CHUNK_MIN = 4096 - 64 };

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max};
}

static void free_chain(struct arena_chunk *c)
{
    while (c != NULL) {
        struct arena_chunk *next = c->next;
        free(c);
        c = next;
    }
}

void arena_fini(struct arena *a)
{
    free_chain(a->head);
    *a = (struct arena){.max = a->max};
}

void arena_reset(struct arena *a)
{
    if (a->head != NULL) {
        free_chain(a->head->next);
        a->head->next = NULL;
        a->head->len = 0;
    }
    a->used = 0;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > a->max - a->used || n > SIZE_MAX / 2) return NULL;
    size_t want = (n + 15) & ~(size_t)15;
    struct arena_chunk *c = a->head;
    if (c == NULL || c->cap - c->len < want) {
        size_t cap = c == NULL ? CHUNK_MIN : c->cap * 2;
        if (cap > ((size_t)1 << 20)) cap = (size_t)1 << 20;
        if (cap < want) cap = want;
        c = malloc(sizeof *c + cap);
        if (c == NULL) return NULL;
        *c = (struct arena_chunk){.next = a->head, .len = 0, .cap = cap};
        a->head = c;
    }
    void *p = c->data + c->len;
    c->len += want;
    a->used += n;
    return p;
}

void *arena_zalloc(struct arena *a, size_t n, size_t len)
{
    size_t total;
    if (__builtin_mul_overflow(n, len, &total)) return NULL;
    void *p = arena_alloc(a, total);
    if (p != NULL) memset(p, 0, total);
    return p;
}

bytes arena_copy(struct arena *a, bytes b)
{
    uint8_t *p = arena_alloc(a, b.len + 1);
    if (p == NULL) return BYTES_EMPTY;
    if (b.len != 0) memcpy(p, b.ptr, b.len);
    p[b.len] = 0;
    return bytes_make(p, b.len);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (p != NULL) (void)vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return (char *)(uintptr_t)arena_copy(a, bytes_str(s)).ptr;
}
