#include "orchestrator/backup/archive.h"

#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/codec/json.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/kdf.h"
#include "lib/crypto/secp256k1.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { MAGIC_LEN = 8, AAD_LEN = 32 + 8 + 1, SEAL_EXTRA = 12 + 16, SALT_LEN = 16, CHECK_LEN = 16, SCRYPT_R = 8, SCRYPT_N_MAX = 1 << 18 };
static const char MAGIC[] = "POABAK1\n";
static const uint32_t SCRYPT_N = 1 << 17;

struct archive_writer {
    int fd;
    secret32 key;
    uint8_t header_hash[32];
    uint64_t n_chunks;
    struct buf plain, sealed;
};

struct archive_reader {
    int fd;
    char path[1000];
    json_t *facts;
    secret32 key;
    uint8_t header_hash[32];
    uint64_t n_chunks, at; /* at: in the file */
    bool is_last;
    struct buf plain, sealed;
    size_t pos; /* in plain */
    uint32_t left; /* of the piece that is read */
};

/* -------------------------------------------------------------------- keys */

static void put_check(char dst[2 * CHECK_LEN + 1], const secret32 *key)
{
    uint8_t h[32];
    hmac_sha256(h, bytes_make(key->b, 32), BYTES_LIT("poa-deploy backup"));
    hex_put(dst, h, CHECK_LEN);
    dst[2 * CHECK_LEN] = '\0';
}

static void key_of_shared(secret32 *key, const uint8_t x[32], const uint8_t ephemeral[64], const uint8_t recipient[64])
{
    uint8_t z[32 + 64 + 64];
    memcpy(z, x, 32);
    memcpy(z + 32, ephemeral, 64);
    memcpy(z + 96, recipient, 64);
    kdf_concat_sha256(key->b, 32, bytes_make(z, sizeof z));
    secret_wipe(z, sizeof z);
}

static json_t *hex_json(const uint8_t *b, size_t n)
{
    char text[200];
    hex_put(text, b, n);
    text[2 * n] = '\0';
    return json_string(text);
}

/* a fresh key, and what the header says of it */
static enum status make_key(secret32 *key, json_t **seal, const struct archive_key *k, struct err *err)
{
    char check[2 * CHECK_LEN + 1];
    enum status s;
    if (k->recipient != NULL) {
        secret32 mine;
        uint8_t pub[64], x[32];
        ec_secret_generate(&mine);
        if (ec_public(pub, &mine) != OK) BUG("a fresh key is valid");
        s = ec_dh(x, k->recipient, &mine);
        secret_fini(&mine);
        if (s != OK) return err_set(err, E_INVALID, "the recipient's public key is no point of secp256k1");
        key_of_shared(key, x, pub, k->recipient);
        secret_wipe(x, sizeof x);
        put_check(check, key);
        *seal = json_pack("{s:s, s:o, s:o, s:s}", "kind", "recipient", "recipient", hex_json(k->recipient, 64), "ephemeral", hex_json(pub, 64), "check", check);
    } else {
        uint8_t salt[SALT_LEN];
        if (k->passphrase.len == 0) return err_set(err, E_INVALID, "an empty passphrase seals nothing");
        rng_fill(salt, sizeof salt);
        s = kdf_scrypt(key->b, 32, k->passphrase, bytes_make(salt, sizeof salt), SCRYPT_N, SCRYPT_R, 1);
        if (s != OK) return err_set(err, s, "scrypt: %s", status_text(s));
        put_check(check, key);
        *seal = json_pack("{s:s, s:o, s:i, s:i, s:s}", "kind", "passphrase", "salt", hex_json(salt, sizeof salt), "n", (int)SCRYPT_N, "r", SCRYPT_R, "check", check);
    }
    return *seal == NULL ? err_set(err, E_NOMEM, "no memory") : OK;
}

/* ------------------------------------------------------------------ writing */

static void put_aad(uint8_t dst[AAD_LEN], const uint8_t header_hash[32], uint64_t chunk, uint8_t flags)
{
    memcpy(dst, header_hash, 32);
    be64_put(dst + 32, chunk);
    dst[40] = flags;
}

static enum status flush(struct archive_writer *w, bool is_last, struct err *err)
{
    uint8_t aad[AAD_LEN], head[5] = {is_last};
    put_aad(aad, w->header_hash, w->n_chunks++, head[0]);
    buf_clear(&w->sealed);
    enum status s = aead_seal(&w->sealed, &w->key, buf_view(&w->plain), bytes_make(aad, sizeof aad));
    if (s != OK) return err_set(err, s, "cannot seal the backup: %s", status_text(s));
    be32_put(head + 1, (uint32_t)w->sealed.len);
    s = file_write_all(w->fd, bytes_make(head, sizeof head), "the backup", err);
    if (s == OK) s = file_write_all(w->fd, buf_view(&w->sealed), "the backup", err);
    secret_wipe(w->plain.ptr, w->plain.len);
    buf_clear(&w->plain);
    return s;
}

static enum status put_raw(struct archive_writer *w, bytes b, struct err *err)
{
    enum status s = OK;
    while (b.len > 0 && s == OK) {
        size_t room = ARCHIVE_CHUNK - w->plain.len, n = b.len < room ? b.len : room;
        buf_put(&w->plain, b.ptr, n);
        s = buf_status(&w->plain);
        b = bytes_make(b.ptr + n, b.len - n);
        if (s == OK && w->plain.len == ARCHIVE_CHUNK) s = flush(w, false, err);
    }
    return s;
}

enum status archive_create(struct archive_writer **out, int fd, const json_t *facts, const struct archive_key *key, struct err *err)
{
    json_t *seal = NULL, *head = json_copy((json_t *)(uintptr_t)facts);
    struct archive_writer *w = calloc(1, sizeof *w);
    uint8_t len[4];
    char *text = NULL;
    struct buf b;
    buf_init(&b, ARCHIVE_HEADER_MAX + 100);
    if (w == NULL || head == NULL) {
        free(w);
        json_decref(head);
        return err_set(err, E_NOMEM, "no memory");
    }
    w->fd = fd;
    buf_init(&w->plain, ARCHIVE_CHUNK);
    buf_init(&w->sealed, ARCHIVE_CHUNK + SEAL_EXTRA);
    enum status s = make_key(&w->key, &seal, key, err);
    if (s == OK) {
        json_object_set_new(head, "version", json_integer(1));
        json_object_set(head, "seal", seal);
        text = json_dumps(head, JSON_COMPACT);
        s = text == NULL ? err_set(err, E_NOMEM, "no memory") : OK;
    }
    if (s == OK) {
        be32_put(len, (uint32_t)strlen(text));
        buf_put(&b, MAGIC, MAGIC_LEN);
        buf_put(&b, len, 4);
        buf_put_str(&b, text);
        s = buf_status(&b);
    }
    if (s == OK) {
        sha256(w->header_hash, b.ptr, b.len);
        buf_put(&b, w->header_hash, 32);
        s = file_write_all(fd, buf_view(&b), "the backup", err);
    }
    json_decref(seal);
    json_decref(head);
    free(text);
    buf_fini(&b);
    if (s == OK) *out = w;
    else archive_writer_free(w);
    return s;
}

void archive_writer_free(struct archive_writer *w)
{
    if (w == NULL) return;
    secret_fini(&w->key);
    if (w->plain.ptr != NULL) secret_wipe(w->plain.ptr, w->plain.cap);
    buf_fini(&w->plain);
    buf_fini(&w->sealed);
    free(w);
}

static bool is_path(const char *p)
{
    size_t n = strlen(p);
    if (n == 0 || n > ARCHIVE_PATH_MAX || p[0] == '/' || p[n - 1] == '/') return false;
    for (const char *c = p; *c != '\0'; c++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-/", *c) == NULL) return false;
    for (const char *c = p; c != NULL; c = strchr(c, '/')) {
        c += *c == '/';
        size_t k = strcspn(c, "/");
        if (k == 0 || (k == 1 && c[0] == '.') || (k == 2 && c[0] == '.' && c[1] == '.')) return false;
    }
    return true;
}

enum status archive_begin_file(struct archive_writer *w, const char *path, unsigned mode, struct err *err)
{
    uint8_t head[3] = {'F'}, m[4];
    size_t n = strlen(path);
    if (!is_path(path)) return err_set(err, E_INVALID, "a file of this name does not fit into a backup: '%s'", path);
    head[1] = (uint8_t)(n >> 8);
    head[2] = (uint8_t)n;
    be32_put(m, mode & 0777);
    enum status s = put_raw(w, bytes_make(head, 3), err);
    if (s == OK) s = put_raw(w, bytes_make(path, n), err);
    if (s == OK) s = put_raw(w, bytes_make(m, 4), err);
    return s;
}

enum status archive_put(struct archive_writer *w, bytes data, struct err *err)
{
    enum status s = OK;
    while (data.len > 0 && s == OK) {
        uint8_t len[4];
        size_t n = data.len < ARCHIVE_CHUNK ? data.len : ARCHIVE_CHUNK;
        be32_put(len, (uint32_t)n);
        s = put_raw(w, bytes_make(len, 4), err);
        if (s == OK) s = put_raw(w, bytes_make(data.ptr, n), err);
        data = bytes_make(data.ptr + n, data.len - n);
    }
    return s;
}

enum status archive_end_file(struct archive_writer *w, struct err *err)
{
    return put_raw(w, BYTES_LIT("\0\0\0\0"), err);
}

enum status archive_finish(struct archive_writer *w, struct err *err)
{
    enum status s = put_raw(w, BYTES_LIT("E"), err);
    if (s == OK) s = flush(w, true, err);
    if (s == OK && fsync(w->fd) != 0) s = err_set(err, status_from_errno(errno), "cannot fsync the backup: %s", strerror(errno));
    return s;
}

/* ------------------------------------------------------------------ reading */

/* ret how many bytes came, less than n only at the end of the file */
static size_t read_some(struct archive_reader *r, void *dst, size_t n)
{
    size_t got = 0;
    while (got < n) {
        ssize_t k = read(r->fd, (uint8_t *)dst + got, n - got);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) break;
        got += (size_t)k;
    }
    r->at += got;
    return got;
}

static enum status read_header(struct archive_reader *r, struct err *err)
{
    uint8_t head[MAGIC_LEN + 4], want[32];
    struct buf b;
    if (read_some(r, head, sizeof head) != sizeof head || memcmp(head, MAGIC, 6) != 0)
        return err_set(err, E_DECODE, "%s is no backup of poa-deploy", r->path);
    if (memcmp(head, MAGIC, MAGIC_LEN) != 0) return err_set(err, E_UNSUPPORTED, "%s is a backup of a later form ('%.7s'); this program reads POABAK1", r->path, (char *)head);
    uint32_t len = be32_get(head + MAGIC_LEN);
    if (len > ARCHIVE_HEADER_MAX) return err_set(err, E_CORRUPT, "%s is damaged: its header claims %u bytes", r->path, len);
    buf_init(&b, ARCHIVE_HEADER_MAX + 100);
    buf_put(&b, head, sizeof head);
    uint8_t *p = buf_reserve(&b, len);
    enum status s = OK;
    if (p == NULL) s = E_NOMEM;
    else if (read_some(r, p, len) != len || read_some(r, want, 32) != 32) s = err_set(err, E_CORRUPT, "%s is damaged: it ends within its header", r->path);
    if (s == OK) {
        b.len += len;
        sha256(r->header_hash, b.ptr, b.len);
        if (memcmp(want, r->header_hash, 32) != 0) s = err_set(err, E_CORRUPT, "%s is damaged: the checksum of its header does not fit", r->path);
    }
    if (s == OK) s = json_parse(&r->facts, bytes_make(b.ptr + sizeof head, len), err);
    if (s == OK && json_integer_value(json_object_get(r->facts, "version")) != 1)
        s = err_set(err, E_UNSUPPORTED, "%s is a backup of version %lld; this program reads version 1", r->path,
                    (long long)json_integer_value(json_object_get(r->facts, "version")));
    buf_fini(&b);
    return s;
}

enum status archive_open(struct archive_reader **out, const char *path, struct err *err)
{
    struct archive_reader *r = calloc(1, sizeof *r);
    if (r == NULL) return err_set(err, E_NOMEM, "no memory");
    (void)snprintf(r->path, sizeof r->path, "%s", path);
    buf_init(&r->plain, ARCHIVE_CHUNK);
    buf_init(&r->sealed, ARCHIVE_CHUNK + SEAL_EXTRA);
    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    enum status s = r->fd < 0 ? err_set(err, status_from_errno(errno), "cannot open %s: %s", path, strerror(errno)) : read_header(r, err);
    if (s == OK) *out = r;
    else archive_reader_free(r);
    return s;
}

void archive_reader_free(struct archive_reader *r)
{
    if (r == NULL) return;
    if (r->fd >= 0) close(r->fd);
    secret_fini(&r->key);
    json_decref(r->facts);
    if (r->plain.ptr != NULL) secret_wipe(r->plain.ptr, r->plain.cap);
    buf_fini(&r->plain);
    buf_fini(&r->sealed);
    free(r);
}

const json_t *archive_facts(const struct archive_reader *r)
{
    return r->facts;
}

static const char *seal_text(const struct archive_reader *r, const char *key)
{
    const char *t = json_string_value(json_object_get(json_object_get(r->facts, "seal"), key));
    return t == NULL ? "" : t;
}

bool archive_wants_secret(const struct archive_reader *r)
{
    return strcmp(seal_text(r, "kind"), "recipient") == 0;
}

static enum status open_for_secret(struct archive_reader *r, const secret32 *secret, struct err *err)
{
    uint8_t recipient[64], ephemeral[64], mine[64], x[32];
    if (hex_get_fixed(recipient, 64, bytes_str(seal_text(r, "recipient"))) != OK || hex_get_fixed(ephemeral, 64, bytes_str(seal_text(r, "ephemeral"))) != OK)
        return err_set(err, E_CORRUPT, "%s is damaged: its header names no recipient", r->path);
    if (ec_public(mine, secret) != OK || memcmp(mine, recipient, 64) != 0)
        return err_set(err, E_DENIED, "%s is sealed for another key: for the one with public key 0x%s", r->path, seal_text(r, "recipient"));
    if (ec_dh(x, ephemeral, secret) != OK) return err_set(err, E_CORRUPT, "%s is damaged: its header has a bad key", r->path);
    key_of_shared(&r->key, x, ephemeral, recipient);
    secret_wipe(x, sizeof x);
    return OK;
}

enum status archive_unlock(struct archive_reader *r, const struct archive_key *key, struct err *err)
{
    char check[2 * CHECK_LEN + 1];
    enum status s;
    if (archive_wants_secret(r)) {
        if (key->secret == NULL) return err_set(err, E_DENIED, "%s is sealed for a key, not by a passphrase: give its keystore", r->path);
        s = open_for_secret(r, key->secret, err);
    } else {
        uint8_t salt[SALT_LEN];
        const json_t *seal = json_object_get(r->facts, "seal");
        json_int_t n = json_integer_value(json_object_get(seal, "n")), cost = json_integer_value(json_object_get(seal, "r"));
        if (hex_get_fixed(salt, SALT_LEN, bytes_str(seal_text(r, "salt"))) != OK || n < 2 || n > SCRYPT_N_MAX || cost < 1 || cost > SCRYPT_R)
            return err_set(err, E_CORRUPT, "%s is damaged: its header has no cost of scrypt that we take", r->path);
        s = kdf_scrypt(r->key.b, 32, key->passphrase, bytes_make(salt, SALT_LEN), (uint64_t)n, (uint32_t)cost, 1);
        if (s != OK) return err_set(err, s, "scrypt: %s", status_text(s));
    }
    if (s != OK) return s;
    put_check(check, &r->key);
    if (strlen(seal_text(r, "check")) != 2 * CHECK_LEN || !ct_eq(check, seal_text(r, "check"), 2 * CHECK_LEN))
        return err_set(err, E_DENIED, "the passphrase or key does not open %s", r->path);
    return OK;
}

static enum status next_chunk(struct archive_reader *r, struct err *err)
{
    uint8_t head[5], aad[AAD_LEN];
    unsigned long long at = r->at;
    if (r->is_last) return err_set(err, E_CORRUPT, "%s is damaged: it ends within a file", r->path);
    if (read_some(r, head, 5) != 5) return err_set(err, E_CORRUPT, "%s is damaged: it was cut off at byte %llu", r->path, at);
    uint32_t len = be32_get(head + 1);
    if (head[0] > 1 || len < SEAL_EXTRA || len > ARCHIVE_CHUNK + SEAL_EXTRA) return err_set(err, E_CORRUPT, "%s is damaged at byte %llu", r->path, at);
    buf_clear(&r->sealed);
    uint8_t *p = buf_reserve(&r->sealed, len);
    if (p == NULL) return err_set(err, E_NOMEM, "no memory");
    if (read_some(r, p, len) != len) return err_set(err, E_CORRUPT, "%s is damaged: it was cut off at byte %llu", r->path, (unsigned long long)r->at);
    r->sealed.len = len;
    put_aad(aad, r->header_hash, r->n_chunks++, head[0]);
    buf_clear(&r->plain);
    r->pos = 0;
    if (aead_open(&r->plain, &r->key, buf_view(&r->sealed), bytes_make(aad, sizeof aad)) != OK)
        return err_set(err, E_CORRUPT, "%s is damaged: the bytes from %llu on are not what was written", r->path, at);
    r->is_last = head[0] == 1;
    return OK;
}

static enum status take(struct archive_reader *r, void *dst, size_t n, struct err *err)
{
    uint8_t *to = dst;
    while (n > 0) {
        if (r->pos == r->plain.len) {
            enum status s = next_chunk(r, err);
            if (s != OK) return s;
            continue;
        }
        size_t k = r->plain.len - r->pos < n ? r->plain.len - r->pos : n;
        memcpy(to, r->plain.ptr + r->pos, k);
        r->pos += k;
        to += k;
        n -= k;
    }
    return OK;
}

enum status archive_next(struct archive_reader *r, char path[static ARCHIVE_PATH_MAX + 1], unsigned *mode, struct err *err)
{
    uint8_t head[3], m[4], more;
    enum status s = take(r, head, 1, err);
    if (s != OK) return s;
    if (head[0] == 'E') {
        if (r->is_last && r->pos == r->plain.len && read_some(r, &more, 1) == 0) return E_NOT_FOUND;
        return err_set(err, E_CORRUPT, "%s is damaged: something stands behind its end", r->path);
    }
    s = take(r, head + 1, 2, err);
    size_t n = (size_t)head[1] << 8 | head[2];
    if (s == OK && (head[0] != 'F' || n > ARCHIVE_PATH_MAX)) s = err_set(err, E_CORRUPT, "%s is damaged: no file begins where one should", r->path);
    if (s == OK) s = take(r, path, n, err);
    if (s != OK) return s;
    path[n] = '\0';
    if (strlen(path) != n || !is_path(path)) return err_set(err, E_CORRUPT, "%s is damaged: it has a file with a forbidden name", r->path);
    s = take(r, m, 4, err);
    if (s == OK) *mode = be32_get(m) & 0777;
    return s;
}

enum status archive_read(struct archive_reader *r, bytes *piece, struct err *err)
{
    if (r->left == 0) {
        uint8_t len[4];
        enum status s = take(r, len, 4, err);
        if (s != OK) return s;
        r->left = be32_get(len);
        if (r->left > ARCHIVE_CHUNK) return err_set(err, E_CORRUPT, "%s is damaged: a piece of %u bytes", r->path, r->left);
        if (r->left == 0) {
            *piece = bytes_make(NULL, 0);
            return OK;
        }
    }
    if (r->pos == r->plain.len) {
        enum status s = next_chunk(r, err);
        if (s != OK) return s;
        if (r->plain.len == 0) return err_set(err, E_CORRUPT, "%s is damaged: an empty chunk", r->path);
    }
    size_t n = r->plain.len - r->pos < r->left ? r->plain.len - r->pos : r->left;
    *piece = bytes_make(r->plain.ptr + r->pos, n);
    r->pos += n;
    r->left -= (uint32_t)n;
    return OK;
}
