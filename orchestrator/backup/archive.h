/* archive.h: a sealed stream of files: what a backup is on disk.
 *
 *     "POABAK1\n"  length(4)  header: JSON in clear  sha256(32) of all before
 *     then chunks: flags(1: 1 is the last)  length(4)  nonce(12) ciphertext tag(16)
 *
 * Each chunk is sealed by AES-256-GCM with (sha256 of the header, number of the chunk, flags) as its additional data: a chunk that was changed,
 * moved, left out or cut off is found, and so is a changed header. The key comes from a passphrase by scrypt, or from a secp256k1 key of the
 * receiver (an ephemeral key, ECDH, concat KDF), so that the machine that makes backups need not be able to read them. "check" in the header
 * tells a wrong key from a damaged file. The plain stream is files: kind 'F', path length(2), path, mode(4), pieces: length(4) and bytes, the
 * last of length 0; 'E' ends it. Numbers are big-endian. Paths are relative, of [A-Za-z0-9._@+/-], without "." and ".." as components. */
#ifndef ORCHESTRATOR_BACKUP_ARCHIVE_H
#define ORCHESTRATOR_BACKUP_ARCHIVE_H

#include <jansson.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/secret.h"

enum { ARCHIVE_PATH_MAX = 500, ARCHIVE_CHUNK = 1 << 20, ARCHIVE_HEADER_MAX = 64 << 10 };

/** archive_key: who can open it: exactly one is given */
struct archive_key {
    bytes passphrase;
    const uint8_t *recipient; /* public key, 64 bytes; to write */
    const secret32 *secret;   /* its secret key; to read */
};

struct archive_writer;
/** archive_create: facts (borrowed object) become the header, with what opens it again. fd is borrowed, at its beginning. */
MUST_CHECK enum status archive_create(struct archive_writer **out, int fd, const json_t *facts, const struct archive_key *key, struct err *err);
MUST_CHECK enum status archive_begin_file(struct archive_writer *w, const char *path, unsigned mode, struct err *err);
MUST_CHECK enum status archive_put(struct archive_writer *w, bytes data, struct err *err);
MUST_CHECK enum status archive_end_file(struct archive_writer *w, struct err *err);
/** archive_finish: after OK all is on the disk (fsync). archive_writer_free wipes and frees; without finish the file can't be read. */
MUST_CHECK enum status archive_finish(struct archive_writer *w, struct err *err);
void archive_writer_free(struct archive_writer *w);

struct archive_reader;
/** archive_open: read the header.  ret OK | E_DECODE: no backup of ours | E_UNSUPPORTED: of a later version | E_CORRUPT: the header is damaged */
MUST_CHECK enum status archive_open(struct archive_reader **out, const char *path, struct err *err);
void archive_reader_free(struct archive_reader *r);
/** archive_facts: the header; borrowed */
const json_t *archive_facts(const struct archive_reader *r);
/** archive_wants_secret: it is sealed for a key, not by a passphrase */
bool archive_wants_secret(const struct archive_reader *r);
/** archive_unlock: ret OK | E_DENIED: wrong passphrase or key */
MUST_CHECK enum status archive_unlock(struct archive_reader *r, const struct archive_key *key, struct err *err);
/** archive_next: the next file.  ret OK | E_NOT_FOUND: the stream ended as it should | E_CORRUPT (err says where) */
MUST_CHECK enum status archive_next(struct archive_reader *r, char path[static ARCHIVE_PATH_MAX + 1], unsigned *mode, struct err *err);
/** archive_read: the next piece of the file, valid until the next call; empty at its end. */
MUST_CHECK enum status archive_read(struct archive_reader *r, bytes *piece, struct err *err);

#endif
