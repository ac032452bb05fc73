/* node_key.c: the devp2p key of an observer, or of a node whose validator key stays in the vault: made once, kept in base_path; as a keystore
 * file where network.node_key_password_file names a password, else as it is. A key that stood there as it is, is encrypted then. */
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/crypto/keystore.h"
#include "lib/crypto/secp256k1.h"
#include "node/main/node.h"

#include <unistd.h>

enum { KEY_FILE_MAX = 1 << 16, PASSWORD_MAX = 4096 };

static void wipe(struct buf *b)
{
    if (b->ptr != NULL) secret_wipe(b->ptr, b->cap);
    buf_fini(b);
}

static enum status read_plain(secret32 *key, const char *path, struct err *err)
{
    struct buf text;
    buf_init(&text, KEY_FILE_MAX);
    enum status s = file_read(&text, path, err);
    if (s == OK && (hex_get_fixed(key->b, 32, buf_view(&text)) != OK || ec_secret_check(key) != OK))
        s = err_set(err, E_CORRUPT, "%s holds no key; remove it to get a new one", path);
    wipe(&text);
    return s;
}

static enum status write_plain(const secret32 *key, const char *path, struct err *err)
{
    char hex[64];
    hex_put(hex, key->b, 32);
    const enum status s = file_write_atomic(path, bytes_make(hex, 64), 0600, err);
    secret_wipe(hex, sizeof hex);
    return s;
}

static enum status read_encrypted(secret32 *key, const char *path, bytes password, struct err *err)
{
    struct buf json;
    buf_init(&json, KEY_FILE_MAX);
    enum status s = file_read(&json, path, err);
    if (s == OK) s = keystore_get(key, buf_view(&json), password, err);
    if (s == E_DENIED) s = err_set(err, s, "network.node_key_password_file: not the password of %s", path);
    else if (s != OK) err_prefix(err, "%s", path);
    buf_fini(&json);
    return s;
}

static enum status write_encrypted(const secret32 *key, const char *path, bytes password, struct err *err)
{
    struct buf json;
    buf_init(&json, KEY_FILE_MAX);
    enum status s = keystore_put(&json, key, password, KEYSTORE_COST_LIGHT); /* the strong one takes 256 MiB at each start */
    if (s == OK) s = file_write_atomic(path, buf_view(&json), 0600, err);
    buf_fini(&json);
    return s;
}

enum status node_load_key(struct node *n, struct err *err)
{
    char plain[4200], encrypted[4200];
    const char *password_file = n->cfg.node_key_password_file;
    struct buf password;
    (void)snprintf(plain, sizeof plain, "%.4000s/nodekey", n->cfg.base_path);
    (void)snprintf(encrypted, sizeof encrypted, "%.4000s/nodekey.json", n->cfg.base_path);
    if (password_file == NULL) {
        if (file_exists(encrypted)) return err_set(err, E_INVALID, "%s is encrypted: network.node_key_password_file is missing", encrypted);
        if (file_exists(plain)) return read_plain(&n->node_key, plain, err);
        ec_secret_generate(&n->node_key);
        return write_plain(&n->node_key, plain, err);
    }
    buf_init(&password, PASSWORD_MAX);
    enum status s = file_read(&password, password_file, err);
    while (s == OK && password.len > 0 && (password.ptr[password.len - 1] == '\n' || password.ptr[password.len - 1] == '\r'))
        password.len--;
    if (s == OK && password.len == 0) s = err_set(err, E_INVALID, "%s is empty", password_file);
    if (s != OK) {
        err_prefix(err, "network.node_key_password_file");
    } else if (file_exists(encrypted)) {
        s = read_encrypted(&n->node_key, encrypted, buf_view(&password), err);
    } else {
        if (file_exists(plain)) s = read_plain(&n->node_key, plain, err);
        else ec_secret_generate(&n->node_key);
        if (s == OK) s = write_encrypted(&n->node_key, encrypted, buf_view(&password), err);
    }
    if (s == OK && file_exists(plain) && unlink(plain) != 0) s = err_set(err, E_IO, "%s cannot be removed, and holds the key as it is", plain);
    wipe(&password);
    return s;
}
