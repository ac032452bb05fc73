/* file.h: whole files, written atomically: temporary file, fsync, rename, fsync of the folder. */
#ifndef LIB_BASE_FILE_H
#define LIB_BASE_FILE_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

/** file_read: append the whole file to out (its maximum bounds it: E_LIMIT). err names the path. */
MUST_CHECK enum status file_read(struct buf *out, const char *path, struct err *err);
/** file_write_atomic: after OK the file holds all of data, durable; after a failure or a crash it holds the old content or
 *  does not exist. mode as in open(2), e.g. 0600 for keys; an existing file's mode is replaced too. */
MUST_CHECK enum status file_write_atomic(const char *path, bytes data, unsigned mode, struct err *err);
/** file_write_all: all of data to an open descriptor, in as many pieces as write(2) takes; err names the path.
 *  ret OK | E_NOSPACE, E_IO ...: a part may stand there, errno is that of write(2) */
MUST_CHECK enum status file_write_all(int fd, bytes data, const char *path, struct err *err);
bool file_exists(const char *path);
bool file_is_dir(const char *path);
/** file_mkdirs: like mkdir -p; OK if it stands already. */
MUST_CHECK enum status file_mkdirs(const char *path, unsigned mode, struct err *err);
/** file_remove_tree: like rm -rf for a folder of ours; follows no symbolic link; OK if it is not there. */
MUST_CHECK enum status file_remove_tree(const char *path, struct err *err);

#endif
