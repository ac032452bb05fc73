/* wipe.c: memory that is given back is wiped, all of it and whoever gives it back. Values, tokens and bodies walk through buffers of our own, of the JSON
 * parser and of the TLS library; a free() of ours in front of the C library's reaches every one of them, where a wipe at each place would miss some.
 * A sanitizer has a free() of its own, which stays; valgrind's is not seen from here, so this program does not run under it. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HAS_FREE_OF_ITS_OWN
#endif
#endif
#ifndef HAS_FREE_OF_ITS_OWN

extern void __libc_free(void *p); /* glibc's, under the name that stays when free is another */

void free(void *p)
{
    int was = errno; /* which free leaves alone */
    if (p == NULL) return;
    explicit_bzero(p, malloc_usable_size(p));
    __libc_free(p);
    errno = was;
}

/* glibc's own would leave a copy behind when it moves a block */
void *realloc(void *p, size_t n)
{
    if (p == NULL) return malloc(n);
    size_t has = malloc_usable_size(p);
    if (n == 0) {
        free(p);
        return NULL;
    }
    if (n <= has && n >= has / 2) return p;
    void *other = malloc(n);
    if (other == NULL) return NULL;
    memcpy(other, p, has < n ? has : n);
    free(p);
    return other;
}

#endif
#endif
