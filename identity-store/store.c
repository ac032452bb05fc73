#include "identity-store/store.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/kdf.h"
#include "lib/crypto/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

const char *const store_table_names[TABLE_N] = {"meta", "secret", "deleted", "version", "container", "blob", "data", "block", "holder",
                                                "key", "key_deleted", "key_version", "key_policy"};

#define SCHEMA "poa-identity-store 1"

static bytes meta_key(const char *name)
{
    return bytes_str(name);
}

/* ------------------------------------------------------------------- keys */

static enum status read_kek(secret32 *kek, const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        if (errno != ENOENT) return err_set(err, status_from_errno(errno), "%s: %s", path, strerror(errno));
        return E_NOT_FOUND;
    }
    if ((st.st_mode & 077) != 0)
        return err_set(err, E_DENIED, "%s: others can read this key (mode %03o): chmod 600 it", path, (unsigned)(st.st_mode & 0777));
    struct buf text;
    buf_init(&text, 256);
    enum status s = file_read(&text, path, err);
    if (s == OK) {
        while (text.len > 0 && strchr(" \r\n", text.ptr[text.len - 1]) != NULL) text.len--;
        if (hex_get_fixed(kek->b, 32, buf_view(&text)) != OK)
            s = err_set(err, E_DECODE, "%s: wants 64 hexadecimal digits", path);
    }
    secret_wipe(text.ptr, text.len);
    buf_fini(&text);
    return s;
}

static enum status make_kek(secret32 *kek, const char *path, struct err *err)
{
    char hex[65];
    rng_fill(kek->b, sizeof kek->b);
    hex_put(hex, kek->b, 32);
    hex[64] = '\n';
    enum status s = file_write_atomic(path, bytes_make(hex, sizeof hex), 0600, err);
    secret_wipe(hex, sizeof hex);
    return s;
}

/* scrypt record: salt(16) log2 n(1) r(1) p(1) */
enum { SALT_LEN = 16, SCRYPT_REC_LEN = SALT_LEN + 3, SCRYPT_LOG_N = 16, SCRYPT_R = 8, SCRYPT_P = 1, SCRYPT_LOG_N_MAX = 20, PASSPHRASE_MIN = 8 };

static enum status read_passphrase(struct buf *out, const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st) != 0) return err_set(err, status_from_errno(errno), "%s: %s", path, strerror(errno));
    if ((st.st_mode & 077) != 0)
        return err_set(err, E_DENIED, "%s: others can read this passphrase (mode %03o): chmod 600 it", path, (unsigned)(st.st_mode & 0777));
    enum status s = file_read(out, path, err);
    while (s == OK && out->len > 0 && strchr("\r\n", out->ptr[out->len - 1]) != NULL) out->len--;
    if (s == OK && out->len < PASSPHRASE_MIN) s = err_set(err, E_INVALID, "%s: a passphrase has at least %d characters", path, PASSPHRASE_MIN);
    return s;
}

static enum status derive_kek(secret32 *kek, const char *path, bytes rec, struct err *err)
{
    struct buf text;
    if (rec.len != SCRYPT_REC_LEN || rec.ptr[SALT_LEN] > SCRYPT_LOG_N_MAX) return err_set(err, E_CORRUPT, "the record of the passphrase's salt is damaged");
    buf_init(&text, 4096);
    enum status s = read_passphrase(&text, path, err);
    if (s == OK) s = kdf_scrypt(kek->b, 32, buf_view(&text), bytes_make(rec.ptr, SALT_LEN), (uint64_t)1 << rec.ptr[SALT_LEN], rec.ptr[SALT_LEN + 1], rec.ptr[SALT_LEN + 2]);
    if (text.ptr != NULL) secret_wipe(text.ptr, text.cap);
    buf_fini(&text);
    return s;
}

static void scrypt_rec_new(uint8_t rec[static SCRYPT_REC_LEN])
{
    rng_fill(rec, SALT_LEN);
    rec[SALT_LEN] = SCRYPT_LOG_N;
    rec[SALT_LEN + 1] = SCRYPT_R;
    rec[SALT_LEN + 2] = SCRYPT_P;
}

static bool has_kek_secret(const struct store_options *o)
{
    return o->kek_vault != NULL && o->kek_vault->secret_uri != NULL;
}

static bool has_kek_key(const struct store_options *o)
{
    return o->kek_vault != NULL && o->kek_vault->key_uri != NULL;
}

static const char *kek_name(const struct store_options *o)
{
    if (has_kek_secret(o)) return o->kek_vault->secret_uri;
    if (has_kek_key(o)) return o->kek_vault->key_uri;
    return o->passphrase_file ? o->passphrase_file : o->kek_file ? o->kek_file : "(memory)";
}

/* the kek of an existing database. how: what stands in it to make the kek by: a passphrase's salt, or the kek wrapped by another vault's key; empty: the kek
 * stands as it is in a file or in another vault */
static enum status known_kek(secret32 *kek, const struct store_options *o, bytes how, struct err *err)
{
    bool scrypt = how.len == SCRYPT_REC_LEN, wrapped = how.len > 0 && !scrypt;
    if (scrypt && o->passphrase_file == NULL)
        return err_set(err, E_CRYPTO, "%s is sealed by a passphrase: set kek_passphrase_file", o->data_dir);
    if (wrapped && !has_kek_key(o))
        return err_set(err, E_CRYPTO, "%s is sealed by a key that another vault's key wraps: set kek_vault.key_uri", o->data_dir);
    if (!scrypt && o->passphrase_file != NULL)
        return err_set(err, E_CRYPTO, "%s is sealed by a kek file, not by a passphrase: use rekey to change that", o->data_dir);
    if (!wrapped && has_kek_key(o))
        return err_set(err, E_CRYPTO, "%s is not sealed by a key that another vault's key wraps: use rekey to change that", o->data_dir);
    if (scrypt) return derive_kek(kek, o->passphrase_file, how, err);
    if (wrapped) return kek_vault_unwrap(kek, o->kek_vault, how, err);
    if (has_kek_secret(o)) return kek_vault_read(kek, o->kek_vault, err);
    enum status s = read_kek(kek, o->kek_file, err);
    return s == E_NOT_FOUND ? err_set(err, E_NOT_FOUND, "%s: the key of the database in %s is missing", o->kek_file, o->data_dir) : s;
}

/* a kek for a new database, or the next one: the record of how to make it is written, or taken away */
static enum status fresh_kek(secret32 *kek, struct kv_txn *txn, const struct store_options *o, struct err *err)
{
    struct buf how;
    uint8_t rec[SCRYPT_REC_LEN];
    enum status s;
    buf_init(&how, KEK_WRAPPED_MAX);
    if (o->passphrase_file != NULL) {
        scrypt_rec_new(rec);
        buf_put(&how, rec, sizeof rec);
        s = derive_kek(kek, o->passphrase_file, buf_view(&how), err);
    } else if (has_kek_key(o)) {
        s = kek_vault_wrap(kek, &how, o->kek_vault, err);
    } else {
        bool vault = has_kek_secret(o);
        s = vault ? kek_vault_read(kek, o->kek_vault, err) : read_kek(kek, o->kek_file, err);
        if (s == E_NOT_FOUND) s = vault ? kek_vault_make(kek, o->kek_vault, err) : make_kek(kek, o->kek_file, err);
    }
    if (s == OK) s = buf_status(&how);
    if (s == OK) s = how.len > 0 ? kv_put(txn, TABLE_META, meta_key("kek_scrypt"), buf_view(&how)) : kv_delete(txn, TABLE_META, meta_key("kek_scrypt"));
    buf_fini(&how);
    return s;
}

static enum status load_sealed(struct buf *out, struct kv_txn *txn, const char *name, const secret32 *key)
{
    bytes v;
    enum status s = kv_get(&v, txn, TABLE_META, meta_key(name));
    return s == OK ? aead_open(out, key, v, bytes_str(name)) : s;
}

static enum status save_sealed(struct kv_txn *txn, const char *name, const secret32 *key, bytes plain)
{
    struct buf b;
    buf_init(&b, 64 << 10);
    enum status s = aead_seal(&b, key, plain, bytes_str(name));
    if (s == OK) s = kv_put(txn, TABLE_META, meta_key(name), buf_view(&b));
    buf_fini(&b);
    return s;
}

static enum status open_data_key(struct store *st, struct kv_txn *txn, const secret32 *kek, bool is_new, const char *kek_file,
                                 struct err *err)
{
    if (is_new) {
        rng_fill(st->data_key.b, 32);
        return save_sealed(txn, "data_key", kek, bytes_make(st->data_key.b, 32));
    }
    struct buf b;
    buf_init(&b, 64);
    enum status s = load_sealed(&b, txn, "data_key", kek);
    if (s == OK && b.len == 32) memcpy(st->data_key.b, b.ptr, 32);
    else s = err_set(err, E_CRYPTO, "%s: this key does not open the database: give the key that it was made with", kek_file);
    secret_wipe(b.ptr, b.len);
    buf_fini(&b);
    return s;
}

static void use_token_key(struct store *st)
{
    uint8_t h[32];
    sha256(h, st->token_key_pem.ptr, st->token_key_pem.len);
    hex_put(st->token_kid, h, 16);
    st->token_kid[32] = 0;
    atomic_store(&st->has_token_key, true);
}

static enum status open_token_key(struct store *st, struct kv_txn *txn)
{
    enum status s = load_sealed(&st->token_key_pem, txn, "token_key", &st->data_key);
    if (s == OK) use_token_key(st);
    return s == E_NOT_FOUND ? OK : s;
}

enum status store_make_token_key(struct store *st, struct err *err)
{
    struct kv_txn *txn = NULL;
    if (atomic_load(&st->has_token_key)) return OK;
    enum status s = tls_make_rsa(&st->token_key_pem, err);
    if (s != OK) return s;
    s = kv_begin(&txn, st->kv, true);
    if (s == OK) s = save_sealed(txn, "token_key", &st->data_key, buf_view(&st->token_key_pem));
    if (s == OK) s = kv_commit(txn);
    else kv_abort(txn);
    if (s == OK) use_token_key(st);
    return s == OK ? OK : err_set(err, s, "the key that tokens are signed with: %s", status_text(s));
}

/* ------------------------------------------------------------------ clock */

static void read_boot_id(char dst[static 40])
{
    struct buf b;
    buf_init(&b, 39);
    dst[0] = 0;
    if (file_read(&b, "/proc/sys/kernel/random/boot_id", NULL) == OK) {
        size_t n = strcspn(buf_cstr(&b), "\n");
        memcpy(dst, buf_cstr(&b), n);
        dst[n] = 0;
    }
    buf_fini(&b);
}

/* clock record: offset(8) last(8) boot id */
static enum status open_clock(struct store *st, struct kv_txn *txn)
{
    bytes v;
    read_boot_id(st->boot_id);
    uint64_t mono = clock_mono_ms(), wall = clock_wall_ms();
    st->clock_offset_ms = (int64_t)(wall - mono);
    enum status s = kv_get(&v, txn, TABLE_META, meta_key("clock"));
    if (s == E_NOT_FOUND) return OK;
    if (s != OK) return s;
    if (v.len < 16) return E_CORRUPT;
    uint64_t last = be64_get(v.ptr + 8);
    st->clock_floor_ms = last;
    if (st->boot_id[0] != 0 && bytes_eq_str(bytes_make(v.ptr + 16, v.len - 16), st->boot_id))
        st->clock_offset_ms = (int64_t)be64_get(v.ptr);
    else if (wall < last) st->clock_offset_ms = (int64_t)(last - mono);
    return OK;
}

uint64_t store_now_ms(const struct store *s)
{
    uint64_t now = (uint64_t)((int64_t)clock_mono_ms() + s->clock_offset_ms);
    return now < s->clock_floor_ms ? s->clock_floor_ms : now;
}

enum status store_put_clock(struct store *s, struct kv_txn *txn)
{
    uint8_t rec[16 + sizeof s->boot_id];
    size_t n = strlen(s->boot_id);
    be64_put(rec, (uint64_t)s->clock_offset_ms);
    be64_put(rec + 8, store_now_ms(s));
    memcpy(rec + 16, s->boot_id, n);
    return kv_put(txn, TABLE_META, meta_key("clock"), bytes_make(rec, 16 + n));
}

uint64_t store_next_etag(struct store *s)
{
    uint64_t e = store_now_ms(s) << 10;
    s->last_etag = e > s->last_etag ? e : s->last_etag + 1;
    return s->last_etag;
}

void store_request_id(char dst[static 37], struct store *s)
{
    uint8_t id[16];
    char hex[32];
    memcpy(id, s->request_seed, 16);
    be64_put(id + 8, be64_get(id + 8) + atomic_fetch_add(&s->requests, 1));
    hex_put(hex, id, 16);
    for (size_t from = 0, to = 0; from < 32; from++) {
        if (from == 8 || from == 12 || from == 16 || from == 20) dst[to++] = '-';
        dst[to++] = hex[from];
    }
    dst[36] = 0;
}

/* ------------------------------------------------------------------- open */

static enum status check_schema(bool *is_new, struct kv_txn *txn, const char *dir, struct err *err)
{
    bytes v;
    enum status s = kv_get(&v, txn, TABLE_META, meta_key("schema"));
    *is_new = s == E_NOT_FOUND;
    if (*is_new) return kv_put(txn, TABLE_META, meta_key("schema"), bytes_str(SCHEMA));
    if (s == OK && !bytes_eq_str(v, SCHEMA)) return err_set(err, E_UNSUPPORTED, "%s: a database of another kind or version", dir);
    return s;
}

static enum status open_contents(struct store *st, const struct store_options *o, struct err *err)
{
    secret32 kek = {0};
    struct kv_txn *txn = NULL;
    bool is_new = false;
    enum status s = kv_begin(&txn, st->kv, true);
    if (s == OK) s = check_schema(&is_new, txn, o->data_dir, err);
    if (s == OK && o->kek_file != NULL) {
        bytes rec = BYTES_EMPTY;
        s = kv_get(&rec, txn, TABLE_META, meta_key("kek_scrypt"));
        if (s == OK || s == E_NOT_FOUND) s = is_new ? fresh_kek(&kek, txn, o, err) : known_kek(&kek, o, rec, err);
    }
    if (s == OK) s = open_data_key(st, txn, &kek, is_new, kek_name(o), err);
    if (s == OK) s = open_token_key(st, txn);
    if (s == OK) s = open_clock(st, txn);
    if (s == OK) s = store_put_clock(st, txn);
    if (s == OK) s = kv_commit(txn);
    else kv_abort(txn);
    secret_fini(&kek);
    if (s != OK && err != NULL && err->text[0] == 0) err_set(err, s, "%s: %s", o->data_dir, status_text(s));
    return s;
}

enum status store_open(struct store *out, const struct store_options *o, struct err *err)
{
    struct store st = {0};
    buf_init(&st.token_key_pem, 16 << 10);
    rng_fill(st.request_seed, sizeof st.request_seed);
    enum status s = o->kek_file == NULL ? kv_open_memory(&st.kv, TABLE_N)
                                        : kv_open_lmdb(&st.kv, o->data_dir, store_table_names, TABLE_N, o->max_bytes, KV_DURABLE, err);
    if (s == OK) s = open_contents(&st, o, err);
    if (s != OK) {
        store_close(&st);
        return s;
    }
    *out = st; /* no thread has seen it yet */
    return OK;
}

void store_close(struct store *s)
{
    if (s->kv != NULL) kv_close(s->kv);
    secret_wipe(s->token_key_pem.ptr, s->token_key_pem.len);
    buf_fini(&s->token_key_pem);
    secret_fini(&s->data_key);
    *s = (struct store){0};
}

enum status store_rekey(struct store *st, const struct store_options *o, struct err *err)
{
    secret32 kek = {0};
    struct kv_txn *txn = NULL;
    enum status s = kv_begin(&txn, st->kv, true);
    if (s == OK) s = fresh_kek(&kek, txn, o, err);
    if (s == OK) s = save_sealed(txn, "data_key", &kek, bytes_make(st->data_key.b, 32));
    if (s == OK) s = kv_commit(txn);
    else kv_abort(txn);
    secret_fini(&kek);
    return s;
}

enum status store_kek_opens(secret32 *data_key, const struct store_options *o, bytes sealed, bytes how, struct err *err)
{
    secret32 kek = {0};
    struct buf b;
    buf_init(&b, 64);
    enum status s = known_kek(&kek, o, how, err);
    if (s == OK && (aead_open(&b, &kek, sealed, bytes_str("data_key")) != OK || b.len != 32))
        s = err_set(err, E_CRYPTO, "%s: this key does not open it", kek_name(o));
    if (s == OK) memcpy(data_key->b, b.ptr, 32);
    if (b.ptr != NULL) secret_wipe(b.ptr, b.cap);
    buf_fini(&b);
    secret_fini(&kek);
    return s;
}

enum status store_seal(struct buf *out, const struct store *s, bytes plain, bytes about)
{
    return aead_seal(out, &s->data_key, plain, about);
}

enum status store_unseal(struct buf *out, const struct store *s, bytes sealed, bytes about)
{
    return aead_open(out, &s->data_key, sealed, about);
}
