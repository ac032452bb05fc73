/* journal.h: the fence against two seals in one step, and the only one: who signs a seal notes it here first.
 *
 * It holds the last signed step of each address that this node ever had, in <base_path>/last-signed: a fixed slot per address,
 * 96 bytes: address(20) pad(4) step(8) hash(32) sha256(the bytes before)(32). A slot is written by one pwrite and fdatasync; the two
 * copies of it are written in turn, so that a torn write leaves the one before. Not thread-safe. */
#ifndef NODE_IDENTITY_JOURNAL_H
#define NODE_IDENTITY_JOURNAL_H

#include "lib/base/err.h"

struct journal_entry {
    uint8_t address[20];
    bool has_step;
    uint64_t step;
    uint8_t hash[32];
    bool second; /* copy that holds the newest state */
};

struct journal {
    int fd;
    struct journal_entry *list; /* i-th: copies at 192*i and 192*i+96 */
    size_t n;
};

/** journal_open: ret OK | E_IO ... | E_CORRUPT: a slot has no good copy: nothing is signed until a person has looked */
MUST_CHECK enum status journal_open(struct journal *out, const char *base_path, struct err *err);
void journal_close(struct journal *j);
/** journal_note: may (address, step, hash) be signed? If so it is on the disk after OK.  ret OK | E_CONFLICT | E_IO */
MUST_CHECK enum status journal_note(struct journal *j, const uint8_t address[20], uint64_t step, const uint8_t hash[32]);

#endif
