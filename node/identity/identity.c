#include "node/identity/identity.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/secp256k1.h"
#include "lib/eth/abi_call.h"
#include "lib/eth/possession.h"
#include "lib/eth/tx.h"
#include "node/identity/identity_priv.h"

#include <jansson.h>

enum {
    SEARCH_PAUSE_MS = 2000,  /* no free identity, or no answer: try again */
    SEARCH_QUICK_MS = 100,   /* the same at first: a young network's identities appear within moments */
    SEARCH_QUICK_TRIES = 50,
    HURRY_MS = 60000,        /* a hand-over follows the change of the set that it belongs to within seconds */
    HURRY_RENEW_MS = 250,
    RENEW_RETRY_MS = 500,    /* between the retries' own deadlines */
    RENEW_DEADLINE_MS = 8000,
    RELEASE_DEADLINE_MS = 3000,
    KEEP_DEADLINE_MS = 300,  /* of a promise: later, the seal goes out without one */
    SIGN_DEADLINE_MS = 1500, /* of the vault: later, the step is as good as over */
    NAMES_MAX = 1 << 20,
};

struct identity {
    struct settings set;
    struct identity_callbacks cb;
    pthread_t thread;
    atomic_bool stop;
    bool release; /* set before stop */
    struct remote remote; /* the thread's */
    char last_trouble[600];

    pthread_mutex_t lock; /* all below */
    pthread_cond_t wake;
    bool held;
    char blob[BLOB_NAME_MAX + 1], lease_id[BLOB_LEASE_ID_LEN + 1];
    struct identity_doc doc;
    secret32 key;
    uint64_t sign_until_ms; /* monotonic; 0: never */
    uint64_t hurry_until_ms;
    bool poked; /* look at the lease now */
    struct journal journal;

    pthread_mutex_t callers_lock; /* callers' own clients: one call at a time */
    struct remote callers;

    atomic_uint_fast64_t signed_n, signed_us;

    pthread_mutex_t keep_lock; /* the blob's content and metadata are written under it; taken before `lock` */
    struct remote keeper;      /* of identity_keep and the renewals */
    char etag[BLOB_ETAG_MAX];  /* "": not known */
    bool has_record, has_reserve; /* has_reserve: this process has written the record */
    struct key_promise record; /* as it surely stands there */
    atomic_uint_fast64_t covered_ms, free_ms; /* the record's until_ms, if it is of this process; the latest step that was signed by it alone */

    pthread_mutex_t signer_lock; /* a client of its own: sealing waits for no other call */
    struct remote signer;
};

/* ------------------------------------------------------------------- memory */

/* <base_path>/identity-lease.json {"blob": ..., "leaseId": ...}: what this node held last. Losing it costs only time. */
static char *memory_path(const struct identity *id)
{
    char *p = NULL;
    return asprintf(&p, "%s/identity-lease.json", id->set.base_path) < 0 ? NULL : p;
}

static bool recall(char blob[static BLOB_NAME_MAX + 1], char lease_id[static BLOB_LEASE_ID_LEN + 1], const struct identity *id)
{
    struct buf text;
    char *path = memory_path(id);
    unsigned i;
    buf_init(&text, 4096);
    bool good = path != NULL && file_read(&text, path, NULL) == OK;
    json_t *doc = good ? json_loadb((const char *)text.ptr, text.len, 0, NULL) : NULL;
    const char *b = json_string_value(json_object_get(doc, "blob")), *l = json_string_value(json_object_get(doc, "leaseId"));
    good = b && l && identity_blob_index(&i, b) && strlen(l) == BLOB_LEASE_ID_LEN;
    if (good) {
        (void)snprintf(blob, BLOB_NAME_MAX + 1, "%s", b);
        (void)snprintf(lease_id, BLOB_LEASE_ID_LEN + 1, "%s", l);
    }
    json_decref(doc);
    buf_fini(&text);
    free(path);
    return good;
}

static void remember(const struct identity *id, const char *blob, const char *lease_id)
{
    char text[2048];
    char *path = memory_path(id);
    (void)snprintf(text, sizeof text, "{\"blob\":\"%.64s\",\"leaseId\":\"%s\"}\n", blob, lease_id);
    if (path) IGNORE(file_write_atomic(path, bytes_str(text), 0600, NULL), "it costs a restart some seconds, no more");
    free(path);
}

static void forget(const struct identity *id)
{
    char *path = memory_path(id);
    if (path) (void)remove(path);
    free(path);
}

/* -------------------------------------------------------------------- state */

static void trouble(struct identity *id, const char *text)
{
    if (strncmp(id->last_trouble, text, sizeof id->last_trouble - 1) == 0) return;
    (void)snprintf(id->last_trouble, sizeof id->last_trouble, "%s", text);
    if (id->cb.on_trouble) id->cb.on_trouble(id->cb.ctx, text);
}

static uint64_t end_of_signing(const struct identity *id, uint64_t sent_ms)
{
    return sent_ms + (uint64_t)id->set.lease_s * 1000 - id->set.margin_ms;
}

/* wait, or until identity_stop or identity_hurry */
static void rest(struct identity *id, uint64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    (void)pthread_mutex_lock(&id->lock);
    while (!atomic_load(&id->stop) && !id->poked)
        if (pthread_cond_timedwait(&id->wake, &id->lock, &until) != 0) break;
    id->poked = false;
    (void)pthread_mutex_unlock(&id->lock);
}

/* so that the first seal waits neither for a token nor for a handshake */
static void warm_up(struct identity *id, const char *key_uri)
{
    uint8_t pub[64];
    (void)pthread_mutex_lock(&id->signer_lock);
    IGNORE(keyvault_key_get_uri(pub, id->signer.vault, key_uri, NULL), "the first seal will be slower");
    (void)pthread_mutex_unlock(&id->signer_lock);
}

/* The blob anew, with what it holds now: the document (enode_url: NULL: as it is) and the record (p: NULL: as it is). until_ms: of the record.
 * keep_lock is held. What this process asked for and was not told about may still arrive: by the ETag it then changes nothing. */
static enum status write_blob(struct identity *id, struct remote *r, const char *enode_url, const struct key_promise *p, uint64_t until_ms, struct err *err)
{
    char blob[BLOB_NAME_MAX + 1], lease_id[BLOB_LEASE_ID_LEN + 1], text[PROMISE_TEXT_MAX], was[PROMISE_TEXT_MAX];
    struct identity_doc doc;
    struct blob_info info;
    struct key_promise next = p != NULL ? *p : id->record;
    const bool has = p != NULL || id->has_record;
    (void)pthread_mutex_lock(&id->lock);
    enum status s = id->held ? OK : err_set(err, E_DENIED, "identity: none is held now");
    doc = id->doc;
    memcpy(blob, id->blob, sizeof blob);
    memcpy(lease_id, id->lease_id, sizeof lease_id);
    (void)pthread_mutex_unlock(&id->lock);
    if (enode_url != NULL) {
        (void)snprintf(doc.enode_url, sizeof doc.enode_url, "%s", enode_url);
        (void)snprintf(doc.hostname, sizeof doc.hostname, "%s", id->set.hostname);
        (void)snprintf(doc.region, sizeof doc.region, "%s", id->set.region);
    }
    if (s == OK && id->etag[0] == 0) {
        s = blob_head_meta(was, sizeof was, &info, r->blobs, id->set.container, blob, PROMISE_META, err);
        if (s == OK) memcpy(id->etag, info.etag, sizeof id->etag);
    }
    if (s != OK) return s;
    struct buf json;
    buf_init(&json, IDENTITY_DOC_MAX);
    identity_doc_put(&json, &doc);
    s = buf_status(&json);
    if (until_ms > next.until_ms || p == NULL) next.until_ms = until_ms;
    promise_put_text(text, &next);
    const struct blob_meta meta = {PROMISE_META, text};
    const struct blob_conditions cond = {.lease_id = lease_id, .if_match = id->etag};
    char etag[BLOB_ETAG_MAX];
    if (s == OK)
        s = blob_put_tagged(etag, r->blobs, id->set.container, blob, "application/json", buf_view(&json), &meta, has ? 1 : 0, &cond, err);
    buf_fini(&json);
    if (s != OK) {
        id->etag[0] = 0;
        return s;
    }
    memcpy(id->etag, etag, sizeof id->etag);
    id->record = next;
    id->has_record = has;
    id->has_reserve |= p != NULL;
    if (id->has_reserve) atomic_store(&id->covered_ms, next.until_ms);
    (void)pthread_mutex_lock(&id->lock);
    if (id->held && strcmp(id->lease_id, lease_id) == 0) id->doc = doc;
    (void)pthread_mutex_unlock(&id->lock);
    return OK;
}

/* until when the key may sign without asking: as long as the lease that was just renewed lasts */
static uint64_t reserve_until(const struct identity *id)
{
    const uint64_t until = clock_wall_ms() + (uint64_t)id->set.lease_s * 1000;
    return until > id->record.until_ms ? until : id->record.until_ms;
}

/* along with a renewal; a failure costs nothing: the next one does it */
static void extend_reserve(struct identity *id)
{
    if (pthread_mutex_trylock(&id->keep_lock) != 0) return;
    if (id->has_reserve && id->record.until_ms + id->set.renew_ms / 2 < reserve_until(id))
        IGNORE(write_blob(id, &id->keeper, NULL, NULL, reserve_until(id), NULL), "the next renewal does it");
    (void)pthread_mutex_unlock(&id->keep_lock);
}

static void enter(struct identity *id, const struct held *h)
{
    (void)pthread_mutex_lock(&id->keep_lock);
    id->etag[0] = 0;
    id->has_record = h->has_promise;
    id->record = h->promise;
    id->has_reserve = false;
    atomic_store(&id->covered_ms, 0);
    atomic_store(&id->free_ms, 0);
    (void)pthread_mutex_unlock(&id->keep_lock);
    (void)pthread_mutex_lock(&id->lock);
    memcpy(id->blob, h->blob, sizeof id->blob);
    memcpy(id->lease_id, h->lease_id, sizeof id->lease_id);
    id->doc = h->doc;
    id->key = h->key;
    id->sign_until_ms = end_of_signing(id, h->sent_ms);
    id->held = true;
    (void)pthread_mutex_unlock(&id->lock);
    remember(id, h->blob, h->lease_id);
    if (id->set.sign) warm_up(id, h->doc.key_uri);
    id->last_trouble[0] = 0;
    if (id->cb.on_acquired) {
        secret32 node_key;
        if (!id->set.sign) identity_node_key(&node_key, &h->key);
        id->cb.on_acquired(id->cb.ctx, h->doc.address, id->set.sign ? NULL : &node_key);
        secret_fini(&node_key);
    }
}

static void stop_signing(struct identity *id)
{
    (void)pthread_mutex_lock(&id->lock);
    id->sign_until_ms = 0;
    (void)pthread_mutex_unlock(&id->lock);
}

static void leave(struct identity *id, enum identity_loss why)
{
    (void)pthread_mutex_lock(&id->lock);
    id->held = false;
    id->sign_until_ms = 0;
    secret_fini(&id->key);
    (void)pthread_mutex_unlock(&id->lock);
    if (id->cb.on_lost) id->cb.on_lost(id->cb.ctx, why);
}

/* ------------------------------------------------------------------- search */

/* ret OK: h is held */
static enum status try_blob(struct held *h, struct identity *id, const char *blob, const char *lease_id, bool renew_first)
{
    struct err err = {0};
    enum status s = remote_take(h, &id->remote, &id->set, blob, lease_id, renew_first, &err);
    if (s != OK && s != E_CONFLICT && s != E_CANCELLED) trouble(id, err_text(&err));
    return s;
}

static enum status search(struct held *h, struct identity *id)
{
    char blob[BLOB_NAME_MAX + 1], lease_id[BLOB_LEASE_ID_LEN + 1];
    struct err err = {0};
    if (recall(blob, lease_id, id)) {
        enum status s = try_blob(h, id, blob, lease_id, true);
        if (s == OK || azure_is_transient(s) || s == E_CANCELLED) return s;
        forget(id);
    }
    struct buf names;
    size_t n = 0;
    buf_init(&names, NAMES_MAX);
    enum status s = remote_names(&names, &n, &id->remote, &id->set, true, &err);
    if (s != OK && s != E_CANCELLED) trouble(id, err_text(&err));
    if (s == OK && n == 0) {
        trouble(id, "no free identity: every identity blob of the container is leased (or there is none); waiting for one");
        s = E_NOT_FOUND;
    }
    bool taken = false;
    const char *p = (const char *)names.ptr;
    for (size_t i = 0; s == OK && i < n && !taken && !atomic_load(&id->stop); i++, p += strlen(p) + 1) {
        blob_lease_id_new(lease_id);
        enum status one = try_blob(h, id, p, lease_id, false);
        taken = one == OK;
        if (azure_is_transient(one) || one == E_CANCELLED) s = one;
    }
    buf_fini(&names);
    return s == OK && !taken ? E_NOT_FOUND : s;
}

/* -------------------------------------------------------------------- renew */

/* keep the lease until it is lost or the thread is to end */
static enum identity_loss keep(struct identity *id, uint64_t sent_ms)
{
    char blob[BLOB_NAME_MAX + 1], lease_id[BLOB_LEASE_ID_LEN + 1];
    memcpy(blob, id->blob, sizeof blob); /* written by this thread only */
    memcpy(lease_id, id->lease_id, sizeof lease_id);
    (void)pthread_mutex_lock(&id->lock);
    bool hurried = sent_ms < id->hurry_until_ms; /* who hands over may have been in the middle of it */
    (void)pthread_mutex_unlock(&id->lock);
    uint64_t next_ms = sent_ms + (hurried ? HURRY_RENEW_MS : id->set.renew_ms);
    bool expired = false;
    for (;;) {
        uint64_t now = clock_mono_ms();
        if (now < next_ms) rest(id, next_ms - now);
        if (atomic_load(&id->stop)) return IDENTITY_LOST_STOPPED;
        struct err err = {0};
        uint64_t asked_ms = clock_mono_ms();
        enum status s = blob_lease_renew(id->remote.blobs, id->set.container, blob, lease_id, RENEW_DEADLINE_MS, &err);
        if (s == OK) {
            /* retries within the call: the last of them is what counted, but the first is the safe one to count from */
            (void)pthread_mutex_lock(&id->lock);
            id->sign_until_ms = end_of_signing(id, asked_ms);
            bool hurry = asked_ms < id->hurry_until_ms;
            (void)pthread_mutex_unlock(&id->lock);
            if (expired || id->last_trouble[0]) trouble(id, "the lease is renewed again");
            id->last_trouble[0] = 0;
            extend_reserve(id);
            expired = false;
            next_ms = asked_ms + (hurry ? HURRY_RENEW_MS : id->set.renew_ms);
            continue;
        }
        if (s == E_CANCELLED) return IDENTITY_LOST_STOPPED;
        trouble(id, err_text(&err));
        /* 409, 412: someone else's; 404: gone. All else (also a 403 or 500) says nothing of the lease, which lasts until its end. */
        if (s == E_CONFLICT || s == E_NOT_FOUND) return IDENTITY_LOST_TAKEN;
        now = clock_mono_ms();
        if (now >= id->sign_until_ms + id->set.margin_ms) return IDENTITY_LOST_EXPIRED;
        next_ms = now + RENEW_RETRY_MS;
    }
}

static void give_back(struct identity *id)
{
    /* a client of its own: the thread's is cancelled */
    struct remote r;
    if (remote_open(&r, &id->set, NULL, RELEASE_DEADLINE_MS, NULL) != OK) return;
    /* nothing is signed any more: who takes it next need not wait for the end of a lease */
    (void)pthread_mutex_lock(&id->keep_lock);
    const uint64_t now = clock_wall_ms();
    if (id->has_reserve) IGNORE(write_blob(id, &r, NULL, NULL, now > atomic_load(&id->free_ms) ? now : atomic_load(&id->free_ms), NULL), "it costs the next one a minute");
    (void)pthread_mutex_unlock(&id->keep_lock);
    if (blob_lease_release(r.blobs, id->set.container, id->blob, id->lease_id, RELEASE_DEADLINE_MS, NULL) == OK) forget(id);
    remote_close(&r);
}

static void *loop(void *arg)
{
    struct identity *id = arg;
    unsigned tries = 0;
    while (!atomic_load(&id->stop)) {
        struct held h;
        if (search(&h, id) != OK) {
            rest(id, tries++ < SEARCH_QUICK_TRIES ? SEARCH_QUICK_MS : SEARCH_PAUSE_MS);
            continue;
        }
        tries = 0;
        enter(id, &h);
        secret_fini(&h.key);
        enum identity_loss why = keep(id, h.sent_ms);
        if (why == IDENTITY_LOST_STOPPED && id->release) {
            stop_signing(id);
            give_back(id);
        }
        leave(id, why);
        if (why == IDENTITY_LOST_TAKEN) forget(id);
    }
    return NULL;
}

/* --------------------------------------------------------------------- life */

static void identity_free(struct identity *id)
{
    remote_close(&id->remote);
    remote_close(&id->callers);
    remote_close(&id->signer);
    remote_close(&id->keeper);
    journal_close(&id->journal);
    settings_fini(&id->set);
    (void)pthread_cond_destroy(&id->wake);
    (void)pthread_mutex_destroy(&id->lock);
    (void)pthread_mutex_destroy(&id->callers_lock);
    (void)pthread_mutex_destroy(&id->signer_lock);
    (void)pthread_mutex_destroy(&id->keep_lock);
    secret_fini(&id->key);
    free(id);
}

enum status identity_start(struct identity **out, const struct identity_config *cfg, const struct identity_callbacks *cb, struct err *err)
{
    struct identity *id = calloc(1, sizeof *id);
    if (id == NULL) return err_set(err, E_NOMEM, "identity: out of memory");
    pthread_condattr_t attr;
    (void)pthread_mutex_init(&id->lock, NULL);
    (void)pthread_mutex_init(&id->callers_lock, NULL);
    (void)pthread_mutex_init(&id->signer_lock, NULL);
    (void)pthread_mutex_init(&id->keep_lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&id->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    id->journal.fd = -1;
    if (cb) id->cb = *cb;
    enum status s = settings_copy(&id->set, cfg, err);
    if (s == OK) s = file_mkdirs(id->set.base_path, 0700, err);
    if (s == OK) s = journal_open(&id->journal, id->set.base_path, err);
    if (s == OK) s = remote_open(&id->remote, &id->set, &id->stop, 0, err);
    if (s == OK) s = remote_open(&id->callers, &id->set, &id->stop, 0, err);
    if (s == OK) s = remote_open(&id->keeper, &id->set, &id->stop, KEEP_DEADLINE_MS, err);
    if (s == OK && id->set.sign) s = remote_open(&id->signer, &id->set, &id->stop, SIGN_DEADLINE_MS, err);
    if (s == OK && pthread_create(&id->thread, NULL, loop, id) != 0) s = err_set(err, E_NOMEM, "identity: no thread");
    if (s != OK) {
        identity_free(id);
        return s;
    }
    *out = id;
    return OK;
}

void identity_stop(struct identity *id, bool release)
{
    if (id == NULL) return;
    (void)pthread_mutex_lock(&id->lock);
    id->release = release;
    atomic_store(&id->stop, true);
    (void)pthread_cond_broadcast(&id->wake);
    (void)pthread_mutex_unlock(&id->lock);
    (void)pthread_join(id->thread, NULL);
    identity_free(id);
}

/* --------------------------------------------------------------- questions */

static pthread_mutex_t *lock_of(const struct identity *id)
{
    return (pthread_mutex_t *)(uintptr_t)&id->lock; /* a reader locks too */
}

/* The vault signs. The journal has the step by then: an answer that is lost leaves the step lost, never a second block. */
static enum status sign_by_vault(struct identity *id, uint8_t sig65[static 65], const struct identity_doc *doc, const uint8_t hash[static 32],
                                 uint64_t left_ms)
{
    uint8_t rs[64];
    (void)pthread_mutex_lock(&id->signer_lock);
    enum status s = keyvault_key_sign_uri(rs, id->signer.vault, doc->key_uri, hash, left_ms < SIGN_DEADLINE_MS ? (unsigned)left_ms : SIGN_DEADLINE_MS, NULL);
    (void)pthread_mutex_unlock(&id->signer_lock);
    return s == OK ? ec_sig_complete(sig65, rs, hash, doc->address) : s;
}

static enum status sign_remote(struct identity *id, uint8_t sig65[static 65], const uint8_t hash[static 32], uint64_t step)
{
    uint8_t sig[65];
    struct identity_doc doc;
    (void)pthread_mutex_lock(&id->lock);
    uint64_t now = clock_mono_ms(), until = id->sign_until_ms;
    enum status s = id->held && now < until ? OK : E_DENIED;
    if (s == OK) s = journal_note(&id->journal, id->doc.address, step, hash);
    doc = id->doc;
    (void)pthread_mutex_unlock(&id->lock);
    if (s == OK) s = sign_by_vault(id, sig, &doc, hash, until - now);
    if (s != OK) return s;
    /* is it still the same identity, and its lease ours? */
    (void)pthread_mutex_lock(&id->lock);
    if (!id->held || clock_mono_ms() >= id->sign_until_ms || memcmp(id->doc.address, doc.address, 20) != 0) s = E_DENIED;
    (void)pthread_mutex_unlock(&id->lock);
    if (s == OK) memcpy(sig65, sig, sizeof sig);
    return s;
}

static enum status sign_local(struct identity *id, uint8_t sig65[static 65], const uint8_t hash[static 32], uint64_t step)
{
    uint8_t sig[65];
    (void)pthread_mutex_lock(&id->lock);
    enum status s = id->held && clock_mono_ms() < id->sign_until_ms ? OK : E_DENIED;
    if (s == OK) s = journal_note(&id->journal, id->doc.address, step, hash);
    if (s == OK) s = ec_sign(sig, hash, &id->key);
    /* the disk may have taken long: is the lease still ours? */
    if (s == OK && clock_mono_ms() >= id->sign_until_ms) s = E_DENIED;
    (void)pthread_mutex_unlock(&id->lock);
    if (s == OK) memcpy(sig65, sig, sizeof sig);
    return s;
}

enum status identity_sign(struct identity *id, uint8_t sig65[static 65], const uint8_t hash[static 32], uint64_t step)
{
    uint64_t began_ns = clock_mono_ns();
    enum status s = id->set.sign ? sign_remote(id, sig65, hash, step) : sign_local(id, sig65, hash, step);
    if (s == OK) {
        atomic_fetch_add(&id->signed_n, 1);
        atomic_fetch_add(&id->signed_us, (clock_mono_ns() - began_ns) / 1000);
    }
    return s;
}

enum status identity_prove(struct identity *id, uint8_t sig65[static 65], const struct possession *p)
{
    hash32 digest = possession_digest(p);
    struct identity_doc doc;
    (void)pthread_mutex_lock(&id->lock);
    uint64_t now = clock_mono_ms(), until = id->sign_until_ms;
    enum status s = id->held && now < until ? OK : E_DENIED;
    if (s == OK && memcmp(id->doc.address, p->validator.b, 20) != 0) s = E_CONFLICT;
    if (s == OK && !id->set.sign) s = ec_sign(sig65, digest.b, &id->key);
    doc = id->doc;
    (void)pthread_mutex_unlock(&id->lock);
    return s == OK && id->set.sign ? sign_by_vault(id, sig65, &doc, digest.b, until - now) : s;
}

/* SPEC(aura.md B5): the first two are 0xd69f13bb and 0xc476dd40 */
static bool is_service(const struct tx *tx)
{
    static const char *const calls[] = {"reportBenign(address,uint256)", "reportMalicious(address,uint256,bytes)", "commitHash(bytes32,bytes)", "revealNumber(uint256)"};
    bool known = false;
    for (size_t i = 0; tx->data.len >= 4 + 32 && i < COUNT_OF(calls); i++) {
        uint8_t selector[4];
        abi_selector(selector, calls[i]);
        known |= memcmp(tx->data.ptr, selector, 4) == 0;
    }
    return known && tx->type == TX_LEGACY && tx->has_chain_id && tx->has_to && u256_is_zero(&tx->value) && u256_is_zero(&tx->max_fee);
}

enum status identity_derive(struct identity *id, uint8_t out[static 32], bytes msg)
{
    if (id->set.sign) return E_UNSUPPORTED;
    (void)pthread_mutex_lock(&id->lock);
    const enum status s = id->held ? OK : E_DENIED;
    if (s == OK) hmac_sha256(out, BYTES_OF(id->key.b), msg);
    (void)pthread_mutex_unlock(&id->lock);
    return s;
}

enum status identity_sign_service(struct identity *id, uint8_t sig65[static 65], const struct tx *tx)
{
    struct identity_doc doc;
    if (!is_service(tx)) return E_INVALID;
    const hash32 digest = tx_signing_hash(tx);
    (void)pthread_mutex_lock(&id->lock);
    uint64_t now = clock_mono_ms(), until = id->sign_until_ms;
    enum status s = id->held && now < until ? OK : E_DENIED;
    if (s == OK && memcmp(id->doc.address, tx->sender.b, 20) != 0) s = E_DENIED;
    if (s == OK && !id->set.sign) s = ec_sign(sig65, digest.b, &id->key);
    doc = id->doc;
    (void)pthread_mutex_unlock(&id->lock);
    return s == OK && id->set.sign ? sign_by_vault(id, sig65, &doc, digest.b, until - now) : s;
}

/* pthread_mutex_lock within KEEP_DEADLINE_MS */
static bool lock_soon(pthread_mutex_t *lock)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += KEEP_DEADLINE_MS * 1000000L;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &until) == 0;
}

enum status identity_recall(const struct identity *id, struct key_promise *out)
{
    pthread_mutex_t *keep_lock = (pthread_mutex_t *)(uintptr_t)&id->keep_lock;
    uint8_t who[20];
    enum status s = identity_address(id, who);
    if (s != OK) return s;
    (void)pthread_mutex_lock(keep_lock);
    s = id->has_record ? OK : E_NOT_FOUND;
    if (s == OK) *out = id->record;
    (void)pthread_mutex_unlock(keep_lock);
    return s;
}

enum status identity_keep(struct identity *id, const struct key_promise *p, uint64_t step_ms)
{
    if (identity_can_sign_ms(id) == 0) return E_DENIED;
    enum status s = E_TIMEOUT;
    if (lock_soon(&id->keep_lock)) {
        s = write_blob(id, &id->keeper, NULL, p, reserve_until(id), NULL);
        (void)pthread_mutex_unlock(&id->keep_lock);
    }
    if (s == OK) return OK;
    if (step_ms > atomic_load(&id->covered_ms)) return E_DENIED;
    if (step_ms > atomic_load(&id->free_ms)) atomic_store(&id->free_ms, step_ms);
    return E_AGAIN;
}

void identity_sign_counts(const struct identity *id, uint64_t *n, uint64_t *total_us)
{
    *n = atomic_load(&id->signed_n);
    *total_us = atomic_load(&id->signed_us);
}

enum status identity_address(const struct identity *id, uint8_t out[static 20])
{
    (void)pthread_mutex_lock(lock_of(id));
    enum status s = id->held ? OK : E_DENIED;
    if (s == OK) memcpy(out, id->doc.address, 20);
    (void)pthread_mutex_unlock(lock_of(id));
    return s;
}

uint64_t identity_can_sign_ms(const struct identity *id)
{
    (void)pthread_mutex_lock(lock_of(id));
    uint64_t now = clock_mono_ms(), left = id->held && now < id->sign_until_ms ? id->sign_until_ms - now : 0;
    (void)pthread_mutex_unlock(lock_of(id));
    return left;
}

void identity_hurry(struct identity *id)
{
    (void)pthread_mutex_lock(&id->lock);
    id->hurry_until_ms = clock_mono_ms() + HURRY_MS;
    id->poked = true;
    (void)pthread_cond_broadcast(&id->wake);
    (void)pthread_mutex_unlock(&id->lock);
}

bool identity_index(const struct identity *id, unsigned *i)
{
    (void)pthread_mutex_lock(lock_of(id));
    bool held = id->held && identity_blob_index(i, id->blob);
    (void)pthread_mutex_unlock(lock_of(id));
    return held;
}

/* ------------------------------------------------------- calls of other threads */

enum status identity_publish(struct identity *id, const char *enode_url, struct err *err)
{
    const struct identity_doc *doc = NULL;
    if (strlen(enode_url) >= sizeof doc->enode_url || strlen(id->set.hostname) >= sizeof doc->hostname || strlen(id->set.region) >= sizeof doc->region)
        return err_set(err, E_INVALID, "identity: enode URL, host name or region too long");
    (void)pthread_mutex_lock(&id->callers_lock);
    (void)pthread_mutex_lock(&id->keep_lock);
    enum status s = write_blob(id, &id->callers, enode_url, NULL, id->record.until_ms, err);
    (void)pthread_mutex_unlock(&id->keep_lock);
    (void)pthread_mutex_unlock(&id->callers_lock);
    return s;
}

enum status identity_get_blob(struct identity *id, struct buf *out, const char *name, struct err *err)
{
    (void)pthread_mutex_lock(&id->callers_lock);
    enum status s = blob_get(out, NULL, id->callers.blobs, id->set.container, name, err);
    (void)pthread_mutex_unlock(&id->callers_lock);
    return s;
}

static enum status visit_node(struct remote *r, const struct settings *set, const char *blob, identity_node_fn fn, void *ctx)
{
    struct buf text;
    struct identity_doc doc;
    buf_init(&text, IDENTITY_DOC_MAX);
    enum status s = blob_get(&text, NULL, r->blobs, set->container, blob, NULL);
    /* one bad document does not hide the others */
    if (s == OK && identity_doc_get(&doc, buf_view(&text), NULL) == OK && doc.enode_url[0]) fn(ctx, &doc);
    buf_fini(&text);
    return azure_is_transient(s) || s == E_CANCELLED ? s : OK;
}

enum status identity_list_nodes(struct identity *id, identity_node_fn fn, void *ctx, struct err *err)
{
    struct buf names;
    size_t found = 0;
    buf_init(&names, NAMES_MAX);
    (void)pthread_mutex_lock(&id->callers_lock);
    enum status s = remote_names(&names, &found, &id->callers, &id->set, false, err);
    const char *p = (const char *)names.ptr;
    for (size_t i = 0; s == OK && i < found; i++, p += strlen(p) + 1) {
        s = visit_node(&id->callers, &id->set, p, fn, ctx);
        if (s != OK) s = err_set(err, s, "blob %s: %s", p, status_text(s));
    }
    (void)pthread_mutex_unlock(&id->callers_lock);
    buf_fini(&names);
    return s;
}

struct urls {
    struct buf *out;
    size_t n;
};

static void append_enode(void *ctx, const struct identity_doc *doc)
{
    struct urls *u = ctx;
    buf_put(u->out, doc->enode_url, strlen(doc->enode_url) + 1);
    u->n++;
}

enum status identity_list_bootnodes(struct identity *id, struct buf *urls, size_t *n, struct err *err)
{
    struct urls u = {.out = urls};
    enum status s = identity_list_nodes(id, append_enode, &u, err);
    if (s == OK) s = buf_status(urls);
    if (s == OK) *n = u.n;
    return s;
}

enum status identity_fetch_blob(struct buf *out, const struct identity_config *cfg, const char *name, unsigned deadline_ms, struct err *err)
{
    struct settings set;
    struct remote r;
    enum status s = settings_copy(&set, cfg, err);
    if (s != OK) return s;
    s = remote_open(&r, &set, NULL, deadline_ms ? deadline_ms : 60000, err);
    if (s == OK) {
        s = blob_get(out, NULL, r.blobs, set.container, name, err);
        remote_close(&r);
    }
    settings_fini(&set);
    return s;
}
