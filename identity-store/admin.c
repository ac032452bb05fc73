#include <openssl/evp.h> /* before ours: it has parameters named like what we poison */

#include "identity-store/admin.h"

#include "identity-store/audit.h"
#include "identity-store/records.h"
#include "identity-store/secrets.h"
#include "identity-store/store.h"
#include "lib/base/file.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/secp256k1.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define MAGIC "poa-identity-store backup 1\n"
enum { END_MARK = 255, RECORD_HEAD = 9, VALUE_MAX = 64 << 20, HOLD_S = 60, MAC_LEN = 32 };

static struct store_options options_of(const struct config *cfg)
{
    return (struct store_options){.data_dir = cfg->data_dir, .kek_file = cfg->kek_file, .passphrase_file = cfg->kek_passphrase_file, .kek_vault = &cfg->kek_vault,
                                  .max_bytes = cfg->max_bytes};
}

static enum status has_database(bool *yes, const struct config *cfg)
{
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/data.mdb", cfg->data_dir);
    *yes = file_exists(path);
    return OK;
}

static enum status open_existing(struct store *st, const struct config *cfg, struct err *err)
{
    struct store_options o = options_of(cfg);
    bool there;
    enum status s = has_database(&there, cfg);
    if (s == OK && !there) s = err_set(err, E_NOT_FOUND, "%s: there is no database", cfg->data_dir);
    return s == OK ? store_open(st, &o, err) : s;
}

/* ------------------------------------------------------------------ backup */

struct file {
    FILE *f;
    EVP_MD_CTX *hash;
    const char *path;
    struct err *err;
};

static enum status hash_start(struct file *w)
{
    w->hash = EVP_MD_CTX_new();
    return w->hash != NULL && EVP_DigestInit_ex(w->hash, EVP_sha256(), NULL) == 1 ? OK : E_NOMEM;
}

static void mac_of(uint8_t mac[static MAC_LEN], struct file *w, const secret32 *data_key)
{
    uint8_t digest[32];
    if (EVP_DigestFinal_ex(w->hash, digest, NULL) != 1) BUG("SHA-256");
    hmac_sha256(mac, bytes_make(data_key->b, 32), bytes_make(digest, 32));
}

static enum status put(struct file *w, const void *ptr, size_t len)
{
    if (len == 0) return OK;
    if (EVP_DigestUpdate(w->hash, ptr, len) != 1) return E_CRYPTO;
    return fwrite(ptr, 1, len, w->f) == len ? OK : err_set(w->err, E_IO, "%s: %s", w->path, strerror(errno));
}

static enum status put_table(struct file *w, struct admin_counts *n, struct kv_txn *txn, unsigned table)
{
    struct kv_cursor *cur;
    bytes key, value;
    enum status s = kv_cursor_open(&cur, txn, table);
    if (s != OK) return s;
    while ((s = kv_cursor_next(&key, &value, cur)) == OK) {
        uint8_t head[RECORD_HEAD] = {(uint8_t)table};
        be32_put(head + 1, (uint32_t)key.len);
        be32_put(head + 5, (uint32_t)value.len);
        s = put(w, head, sizeof head);
        if (s == OK) s = put(w, key.ptr, key.len);
        if (s == OK) s = put(w, value.ptr, value.len);
        if (s != OK) break;
        n->records++;
    }
    kv_cursor_close(cur);
    return s == E_NOT_FOUND ? OK : s;
}

enum status admin_backup(struct admin_counts *out, const struct config *cfg, const char *path, struct err *err)
{
    struct store st;
    struct admin_counts n = {0};
    struct kv_txn *txn = NULL;
    char tmp[4200];
    uint8_t mac[MAC_LEN];
    enum status s = open_existing(&st, cfg, err);
    if (s != OK) return s;
    (void)snprintf(tmp, sizeof tmp, "%s.part", path);
    struct file w = {.path = tmp, .err = err};
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    w.f = fd < 0 ? NULL : fdopen(fd, "wb");
    if (w.f == NULL) s = err_set(err, status_from_errno(errno), "%s: %s", tmp, strerror(errno));
    if (s == OK) s = hash_start(&w);
    if (s == OK) s = kv_begin(&txn, st.kv, false);
    if (s == OK) s = put(&w, MAGIC, sizeof MAGIC - 1);
    for (unsigned t = 0; s == OK && t < TABLE_N; t++) s = put_table(&w, &n, txn, t);
    if (s == OK) s = put(&w, &(uint8_t){END_MARK}, 1);
    if (s == OK) {
        mac_of(mac, &w, &st.data_key);
        if (fwrite(mac, 1, sizeof mac, w.f) != sizeof mac || fflush(w.f) != 0 || fsync(fd) != 0)
            s = err_set(err, E_IO, "%s: %s", tmp, strerror(errno));
    }
    kv_abort(txn);
    if (w.f != NULL && fclose(w.f) != 0 && s == OK) s = err_set(err, E_IO, "%s: %s", tmp, strerror(errno));
    if (s == OK && rename(tmp, path) != 0) s = err_set(err, E_IO, "%s: %s", path, strerror(errno));
    if (s != OK && w.f != NULL) (void)unlink(tmp);
    EVP_MD_CTX_free(w.hash);
    store_close(&st);
    if (s == OK) *out = n;
    return s;
}

/* ----------------------------------------------------------------- restore */

struct record {
    unsigned table; /* END_MARK: the last */
    struct buf key, value;
};

static enum status get(struct file *r, void *ptr, size_t len)
{
    if (len > 0 && fread(ptr, 1, len, r->f) != len) return err_set(r->err, E_CORRUPT, "%s: the file is cut short", r->path);
    return len == 0 || EVP_DigestUpdate(r->hash, ptr, len) == 1 ? OK : E_CRYPTO;
}

static enum status get_bytes(struct file *r, struct buf *b, uint32_t len, size_t max)
{
    buf_clear(b);
    uint8_t *p = len > max ? NULL : buf_reserve(b, len + 1);
    if (p == NULL) return err_set(r->err, E_CORRUPT, "%s: a record of %u bytes", r->path, len);
    enum status s = get(r, p, len);
    if (s == OK) b->len += len;
    return s;
}

static enum status get_record(struct record *out, struct file *r)
{
    uint8_t head[RECORD_HEAD];
    enum status s = get(r, head, 1);
    if (s != OK) return s;
    out->table = head[0];
    if (out->table == END_MARK) return OK;
    if (out->table >= TABLE_N) return err_set(r->err, E_CORRUPT, "%s: a record of an unknown table", r->path);
    s = get(r, head + 1, RECORD_HEAD - 1);
    if (s == OK) s = get_bytes(r, &out->key, be32_get(head + 1), KEY_MAX);
    if (s == OK) s = get_bytes(r, &out->value, be32_get(head + 5), VALUE_MAX);
    return s;
}

static enum status get_magic(struct file *r)
{
    char text[sizeof MAGIC];
    enum status s = get(r, text, sizeof MAGIC - 1);
    if (s == OK && memcmp(text, MAGIC, sizeof MAGIC - 1) != 0) s = err_set(r->err, E_DECODE, "%s: no backup of this program", r->path);
    return s;
}

static enum status rewind_file(struct file *r)
{
    if (fseek(r->f, 0, SEEK_SET) != 0) return err_set(r->err, E_IO, "%s: %s", r->path, strerror(errno));
    return EVP_DigestInit_ex(r->hash, EVP_sha256(), NULL) == 1 ? OK : E_CRYPTO;
}

/* the first walk: nothing is written before the whole is known to be what this key's owner wrote */
static enum status check_file(struct file *r, struct record *rec, const struct store_options *o)
{
    struct buf sealed, how;
    secret32 data_key;
    uint8_t mac[MAC_LEN], want[MAC_LEN];
    buf_init(&sealed, 256);
    buf_init(&how, KEK_WRAPPED_MAX);
    enum status s = get_magic(r);
    for (rec->table = 0; s == OK && rec->table != END_MARK;) {
        s = get_record(rec, r);
        if (s != OK || rec->table != TABLE_META) continue;
        if (bytes_eq_str(buf_view(&rec->key), "data_key")) buf_put_bytes(&sealed, buf_view(&rec->value));
        if (bytes_eq_str(buf_view(&rec->key), "kek_scrypt")) buf_put_bytes(&how, buf_view(&rec->value));
    }
    if (s == OK) s = store_kek_opens(&data_key, o, buf_view(&sealed), buf_view(&how), r->err);
    if (s == OK) {
        mac_of(want, r, &data_key);
        bool whole = fread(mac, 1, sizeof mac, r->f) == sizeof mac && fgetc(r->f) == EOF;
        if (!whole || !ct_eq(mac, want, sizeof mac)) s = err_set(r->err, E_CORRUPT, "%s: the file is damaged: its check value is wrong", r->path);
        secret_fini(&data_key);
    }
    buf_fini(&sealed);
    buf_fini(&how);
    return s;
}

static enum status write_records(struct file *r, struct record *rec, struct admin_counts *n, const struct config *cfg)
{
    struct kv *kv;
    struct kv_txn *txn = NULL;
    enum status s = rewind_file(r);
    if (s == OK) s = get_magic(r);
    if (s != OK) return s;
    s = kv_open_lmdb(&kv, cfg->data_dir, store_table_names, TABLE_N, cfg->max_bytes, KV_DURABLE, r->err);
    if (s != OK) return s;
    s = kv_begin(&txn, kv, true);
    while (s == OK && (s = get_record(rec, r)) == OK && rec->table != END_MARK) {
        s = kv_put(txn, rec->table, buf_view(&rec->key), buf_view(&rec->value));
        n->records++;
    }
    if (s == OK) s = kv_commit(txn);
    else kv_abort(txn);
    kv_close(kv);
    return s;
}

static bool is_identity_key(bytes key)
{
    const uint8_t *nul = memchr(key.ptr, 0, key.len);
    size_t at = nul ? (size_t)(nul - key.ptr) + 1 : key.len;
    return key.len - at > 9 && memcmp(key.ptr + at, "identity-", 9) == 0;
}

static enum status hold_one(struct kv_txn *txn, const struct store *st, bytes key, bytes value)
{
    struct blob_record r;
    struct record_key k = {.len = key.len};
    struct buf b;
    if (key.len > sizeof k.ptr) return E_CORRUPT;
    memcpy(k.ptr, key.ptr, key.len);
    enum status s = blob_record_get(&r, value);
    if (s != OK) return s;
    r.lease = (struct lease){.state = LEASE_LEASED, .duration_s = HOLD_S, .end_ms = store_now_ms(st) + HOLD_S * 1000};
    lease_id_new(r.lease.id);
    buf_init(&b, 64 << 10);
    blob_record_put(&b, &r);
    s = buf_status(&b);
    if (s == OK) s = kv_put(txn, TABLE_BLOB, key_view(&k), buf_view(&b));
    buf_fini(&b);
    return s;
}

/* every identity is leased by nobody; the index of holders is empty */
static enum status hold_identities(struct store *st)
{
    struct kv_txn *txn = NULL, *old = NULL;
    struct kv_cursor *cur;
    bytes key, value;
    enum status s = kv_begin(&old, st->kv, false);
    if (s == OK) s = kv_begin(&txn, st->kv, true);
    for (unsigned t = 0; s == OK && t < 2; t++) {
        s = kv_cursor_open(&cur, old, t == 0 ? TABLE_BLOB : TABLE_HOLDER);
        if (s != OK) break;
        while ((s = kv_cursor_next(&key, &value, cur)) == OK) {
            if (t == 1) s = kv_delete(txn, TABLE_HOLDER, key);
            else if (is_identity_key(key)) s = hold_one(txn, st, key, value);
            if (s != OK) break;
        }
        kv_cursor_close(cur);
        if (s == E_NOT_FOUND) s = OK;
    }
    kv_abort(old);
    if (s == OK) return kv_commit(txn);
    kv_abort(txn);
    return s;
}

enum status admin_restore(struct admin_counts *out, const struct config *cfg, const char *path, struct err *err)
{
    struct admin_counts n = {0};
    struct store_options o = options_of(cfg);
    struct store st;
    struct record rec = {0};
    bool there;
    enum status s = has_database(&there, cfg);
    if (s == OK && there) return err_set(err, E_EXISTS, "%s: there is a database already: give an empty data_dir", cfg->data_dir);
    struct file r = {.f = fopen(path, "rbe"), .path = path, .err = err};
    if (r.f == NULL) return err_set(err, status_from_errno(errno), "%s: %s", path, strerror(errno));
    buf_init(&rec.key, KEY_MAX + 1);
    buf_init(&rec.value, VALUE_MAX + 1);
    s = hash_start(&r);
    if (s == OK) s = check_file(&r, &rec, &o);
    if (s == OK) s = file_mkdirs(cfg->data_dir, 0700, err);
    if (s == OK) s = write_records(&r, &rec, &n, cfg);
    if (s == OK) s = store_open(&st, &o, err);
    if (s == OK) {
        s = hold_identities(&st);
        store_close(&st);
    }
    (void)fclose(r.f);
    EVP_MD_CTX_free(r.hash);
    buf_fini(&rec.key);
    buf_fini(&rec.value);
    if (s == OK) *out = n;
    return s;
}

/* ------------------------------------------------------------------ verify */

struct check {
    struct store *st;
    struct kv_txn *txn;
    struct admin_counts *n;
};

static enum status unseals(struct check *c, bytes sealed, bytes about, bool key, bytes pub)
{
    struct buf plain;
    secret32 k;
    uint8_t got[64];
    buf_init(&plain, SECRET_VALUE_MAX);
    enum status s = store_unseal(&plain, c->st, sealed, about) == OK ? OK : E_CORRUPT;
    if (s == OK && key) {
        if (plain.len != 32) s = E_CORRUPT;
        else memcpy(k.b, plain.ptr, 32);
        if (s == OK && (ec_public(got, &k) != OK || memcmp(got, pub.ptr, 64) != 0)) s = E_CORRUPT;
        secret_fini(&k);
    }
    if (plain.ptr != NULL) secret_wipe(plain.ptr, plain.cap);
    buf_fini(&plain);
    return s;
}

/* the version that a head names must be there */
static enum status check_head(struct check *c, enum store_table versions, bytes value)
{
    struct secret_head h;
    struct record_key k;
    char name[SECRET_NAME_MAX + 1];
    bytes v;
    enum status s = secret_head_get(&h, value);
    if (s != OK || h.name.len >= sizeof name) return E_CORRUPT;
    memcpy(name, h.name.ptr, h.name.len);
    name[h.name.len] = 0;
    key_of_version(&k, name, h.version);
    return kv_get(&v, c->txn, versions, key_view(&k)) == OK ? OK : E_CORRUPT;
}

static enum status check_blob(struct check *c, bytes key, bytes value)
{
    struct blob_record r;
    bytes data;
    uint8_t md5[16];
    enum status s = blob_record_get(&r, value);
    if (s != OK || kv_get(&data, c->txn, TABLE_DATA, key) != OK || data.len != r.len) return E_CORRUPT;
    if (r.md5.len == 16 && (EVP_Digest(data.ptr ? data.ptr : (const uint8_t *)"", data.len, md5, NULL, EVP_md5(), NULL) != 1 || memcmp(md5, r.md5.ptr, 16) != 0))
        return E_CORRUPT;
    c->n->blobs++;
    return OK;
}

static enum status check_record(struct check *c, unsigned table, bytes key, bytes value)
{
    struct secret_version v;
    struct key_version k;
    struct blob_record r;
    uint8_t about[KEY_MAX + 8] = "key";
    switch ((enum store_table)table) {
    case TABLE_SECRET:
    case TABLE_DELETED: return check_head(c, TABLE_VERSION, value);
    case TABLE_KEY:
    case TABLE_KEY_DELETED: return check_head(c, TABLE_KEY_VERSION, value);
    case TABLE_VERSION:
        if (secret_version_get(&v, value) != OK) return E_CORRUPT;
        c->n->secrets++;
        return unseals(c, v.sealed, key, false, BYTES_EMPTY);
    case TABLE_KEY_VERSION:
        if (key_version_get(&k, value) != OK || key.len > KEY_MAX) return E_CORRUPT;
        memcpy(about + 4, key.ptr, key.len);
        c->n->keys++;
        return unseals(c, k.v.sealed, bytes_make(about, key.len + 4), true, k.pub);
    case TABLE_CONTAINER: return blob_record_get(&r, value);
    case TABLE_BLOB: return check_blob(c, key, value);
    case TABLE_KEY_POLICY: return key_policy_check(value);
    case TABLE_META:
    case TABLE_DATA:
    case TABLE_BLOCK:
    case TABLE_HOLDER:
    case TABLE_N: return OK;
    }
    BUG("table");
}

enum status admin_verify(struct admin_counts *out, const struct config *cfg, struct err *err)
{
    struct store st;
    struct admin_counts n = {0};
    struct kv_txn *txn = NULL;
    char path[4200];
    enum status s = open_existing(&st, cfg, err);
    if (s != OK) return s;
    s = kv_begin(&txn, st.kv, false);
    struct check c = {.st = &st, .txn = txn, .n = &n};
    for (unsigned t = 0; s == OK && t < TABLE_N; t++) {
        struct kv_cursor *cur;
        bytes key, value;
        s = kv_cursor_open(&cur, txn, t);
        if (s != OK) break;
        while ((s = kv_cursor_next(&key, &value, cur)) == OK) {
            n.records++;
            s = check_record(&c, t, key, value);
            if (s == OK) continue;
            s = err_set(err, E_CORRUPT, "%s: table %s: the record of %.*s is damaged", cfg->data_dir, store_table_names[t], (int)strnlen((const char *)key.ptr, key.len),
                        (const char *)key.ptr);
            break;
        }
        kv_cursor_close(cur);
        if (s == E_NOT_FOUND) s = OK;
    }
    kv_abort(txn);
    store_close(&st);
    (void)snprintf(path, sizeof path, "%s/audit.log", cfg->data_dir);
    if (s == OK && file_exists(path)) s = audit_verify(&n.audit_lines, path, err);
    if (s == OK) *out = n;
    return s;
}

/* ------------------------------------------------------------------- rekey */

enum status admin_rekey(const struct config *cfg, const struct config *to, struct err *err)
{
    struct store st;
    struct store_options next = options_of(to);
    enum status s = open_existing(&st, cfg, err);
    if (s != OK) return s;
    s = store_rekey(&st, &next, err);
    store_close(&st);
    return s;
}
