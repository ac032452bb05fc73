/* promise.c: node/aura/commit.h over the database: what stands committed behind a block, what our own seals have promised, and which of two
 * branches comes first. */
#include "lib/base/rng.h"
#include "lib/codec/rlp.h"
#include "node/chain/chain_priv.h"
#include "node/store/tables.h"

/* TABLE_EPOCH: 'p' || hash(32) -> step(8) || hash(32) || RLP [[address...]...]   the ballot at a block that recorded a transition, and the sets
 *                                                                                since the last commit before it
 *              'q' || hash(32) -> (number(8) || hash(32))...                     the blocks by which an epoch, named by its first block, had its
 *                                                                                first commit: one for each branch */
enum { KEY_LEN = 33, BALLOT_LEN = 40, FIRST_LEN = 40, SETS_MAX = 1 << 20 };

static bytes epoch_key(uint8_t key[static KEY_LEN], char kind, const hash32 *hash)
{
    key[0] = (uint8_t)kind;
    memcpy(key + 1, hash->b, 32);
    return bytes_make(key, KEY_LEN);
}

enum status promise_put_epoch(struct kv_txn *txn, const hash32 *at, const struct commit *com)
{
    uint8_t key[KEY_LEN], step[8];
    struct buf b;
    buf_init(&b, SETS_MAX);
    be64_put(step, com->ballot);
    buf_put(&b, step, sizeof step);
    buf_put(&b, com->ballot_hash.b, 32);
    const size_t all = rlp_list_open(&b);
    for (size_t i = 0; i < com->n_before; i++) {
        const struct validators *set = &com->before[i].set;
        const size_t one = rlp_list_open(&b);
        for (size_t k = 0; k < set->n; k++)
            rlp_put_string(&b, bytes_make(set->list[k].b, 20));
        rlp_list_close(&b, one);
    }
    rlp_list_close(&b, all);
    enum status s = buf_status(&b);
    if (s == OK) s = kv_put(txn, TABLE_EPOCH, epoch_key(key, 'p', at), buf_view(&b));
    buf_fini(&b);
    return s;
}

static enum status get_sets(struct commit *com, bytes value)
{
    bytes sets, items;
    size_t n;
    if (value.len == 0) return OK; /* of an earlier version */
    if (rlp_get_list(&sets, &value) != OK) return E_CORRUPT;
    while (sets.len > 0) {
        if (rlp_get_list(&items, &sets) != OK || rlp_count_items(&n, items) != OK) return E_CORRUPT;
        struct validators set = {.list = malloc((n + 1) * sizeof *set.list), .n = n};
        if (set.list == NULL) return E_NOMEM;
        enum status s = OK;
        for (size_t i = 0; s == OK && i < n; i++)
            if (rlp_get_fixed(set.list[i].b, 20, &items) != OK) s = E_CORRUPT;
        if (s == OK) s = commit_add_before(com, &set);
        validators_fini(&set);
        if (s != OK) return s;
    }
    return OK;
}

/* the number of the block by which the epoch had its first commit, on the chain that ends in `number`, all of which is canonical */
static enum status get_first_commit(uint64_t *out, struct kv_txn *txn, const hash32 *epoch, uint64_t number)
{
    uint8_t key[KEY_LEN];
    bytes v;
    enum status s = kv_get(&v, txn, TABLE_EPOCH, epoch_key(key, 'q', epoch));
    *out = UINT64_MAX;
    if (s != OK) return s == E_NOT_FOUND ? OK : s;
    for (size_t i = 0; i + FIRST_LEN <= v.len; i += FIRST_LEN) {
        const uint64_t n = be64_get(v.ptr + i);
        hash32 hash;
        if (n > number) continue;
        s = blocks_get_canonical_hash(&hash, txn, n);
        if (s != OK && s != E_NOT_FOUND) return s;
        if (s == OK && n < *out && memcmp(hash.b, v.ptr + i + 8, 32) == 0) *out = n;
    }
    return OK;
}

enum status promise_put_first_commit(struct kv_txn *txn, const hash32 *epoch, uint64_t number, const hash32 *hash)
{
    uint8_t key[KEY_LEN], at[8];
    struct buf b;
    bytes v = BYTES_EMPTY;
    enum status s = kv_get(&v, txn, TABLE_EPOCH, epoch_key(key, 'q', epoch));
    if (s != OK && s != E_NOT_FOUND) return s;
    buf_init(&b, SETS_MAX);
    buf_put_bytes(&b, v);
    be64_put(at, number);
    buf_put(&b, at, sizeof at);
    buf_put(&b, hash->b, 32);
    s = buf_status(&b);
    if (s == OK) s = kv_put(txn, TABLE_EPOCH, bytes_make(key, KEY_LEN), buf_view(&b));
    buf_fini(&b);
    return s;
}

/* commit_init with what the epoch's first block inherited */
static enum status commit_begin(struct commit *out, struct chain *c, struct kv_txn *txn, const struct validators *set, const hash32 *first,
                                uint64_t floor_step)
{
    uint8_t key[KEY_LEN];
    bytes v;
    uint64_t ballot = 0;
    hash32 hash = {{0}};
    struct commit com;
    enum status s = kv_get(&v, txn, TABLE_EPOCH, epoch_key(key, 'p', first));
    const bool has = s == OK;
    if (has && v.len < BALLOT_LEN) return E_CORRUPT;
    if (has) {
        ballot = be64_get(v.ptr);
        memcpy(hash.b, v.ptr + 8, 32);
    }
    if (s != OK && s != E_NOT_FOUND) return s;
    s = commit_init(&com, set, c->spec->aura.two_thirds_majority_transition, floor_step, ballot, &hash);
    if (s != OK) return s;
    if (has) s = get_sets(&com, bytes_make(v.ptr + BALLOT_LEN, v.len - BALLOT_LEN));
    if (s == OK) *out = com;
    else commit_fini(&com);
    return s;
}

static uint64_t step_of(const struct header *h)
{
    return h->seal == SEAL_AURA ? h->step : 0;
}

struct sealed {
    bool is_empty_step; /* of author, on the block that stands behind it in a descending list */
    bool is_vote;
    hash32 hash;
    uint64_t number, step;
    address author;
};

struct sealed_list {
    struct sealed *items; /* malloc */
    size_t n, cap;
};

static enum status add_sealed(struct sealed_list *l, const struct sealed *one)
{
    if (l->n == l->cap) {
        const size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
        struct sealed *more = realloc(l->items, cap * sizeof *more);
        if (more == NULL) return E_NOMEM;
        l->items = more;
        l->cap = cap;
    }
    l->items[l->n++] = *one;
    return OK;
}

/* a header's empty steps behind it, the last one first */
static enum status add_empty_steps(struct sealed_list *l, const struct header *h)
{
    bytes payload;
    const size_t n = aura_empty_steps_count(h), first = l->n;
    enum status s = n == 0 ? OK : aura_empty_steps_payload(&payload, h);
    for (size_t i = 0; s == OK && i < n; i++) {
        struct sealed one = {.is_empty_step = true};
        struct empty_step e;
        bool done;
        s = aura_empty_steps_next(&e, &done, &payload);
        if (s != OK || done) break;
        if (aura_empty_step_signer(&one.author, &e, &h->parent_hash) != OK) continue;
        one.step = e.step;
        s = add_sealed(l, &one);
    }
    for (size_t i = first, k = l->n; s == OK && k > i + 1; i++) {
        const struct sealed t = l->items[i];
        l->items[i] = l->items[--k];
        l->items[k] = t;
    }
    return s;
}

static enum status push_all(struct commit *com, const struct sealed_list *l)
{
    enum status s = OK;
    for (size_t i = l->n; s == OK && i-- > 0;) {
        const struct sealed *one = &l->items[i];
        if (one->is_empty_step) commit_empty_step(com, one->step, &one->author);
        else s = commit_push(com, &one->hash, one->number, one->step, one->is_vote ? &one->author : NULL);
    }
    return s;
}

/* one more block: its empty steps first, which sign its parent */
enum status promise_push(struct commit *com, const struct header *h, const hash32 *hash)
{
    struct sealed_list l = {0};
    const struct sealed one = {.hash = *hash, .number = h->number, .step = step_of(h), .author = h->author, .is_vote = commit_is_vote(h)};
    enum status s = add_sealed(&l, &one);
    if (s == OK) s = add_empty_steps(&l, h);
    if (s == OK) s = push_all(com, &l);
    free(l.items);
    return s;
}

/* blocks from (number, hash) back: down to number `least` + 1, and on for `depth` steps before that one, but never past `floor`;
 * descending; the caller frees the items in any case */
static enum status walk_back(struct sealed_list *l, struct kv_txn *txn, uint64_t number, const hash32 *hash, uint64_t least, uint64_t depth,
                             uint64_t floor)
{
    struct arena a;
    hash32 at = *hash;
    uint64_t reach = 0; /* step down to which is read behind `least` */
    enum status s = OK;
    arena_init(&a, 1 << 20);
    for (uint64_t k = number; s == OK && k > floor; k--) {
        struct header h;
        arena_reset(&a);
        s = blocks_get_header(&h, txn, &at, &a);
        if (s != OK || (k <= least && step_of(&h) < reach)) break;
        if (k > least) reach = step_of(&h) > depth ? step_of(&h) - depth : 0;
        const struct sealed one = {.hash = at, .number = k, .step = step_of(&h), .author = h.author, .is_vote = commit_is_vote(&h)};
        s = add_sealed(l, &one);
        if (s == OK) s = add_empty_steps(l, &h);
        at = h.parent_hash;
    }
    arena_fini(&a);
    return s;
}

enum status promise_load(struct epoch *e, struct chain *c, struct kv_txn *txn, const struct validators *set, uint64_t number, const hash32 *hash)
{
    struct sealed_list list = {0};
    uint64_t head, finalised;
    hash32 head_hash;
    struct header first;
    struct arena a;
    arena_init(&a, 1 << 20);
    enum status s = blocks_get_head(&head, &head_hash, &finalised, txn);
    if (s == E_NOT_FOUND) { /* genesis is being written */
        finalised = 0;
        s = OK;
    }
    if (s == OK) s = blocks_get_header(&first, txn, &e->hash, &a);
    if (s == OK) s = commit_begin(&e->com, c, txn, set, &e->hash, step_of(&first));
    if (s == OK && e->com.n_before > 0) s = get_first_commit(&e->com.joint_until, txn, &e->hash, number);
    /* if a block of this epoch is committed, it and what prepared it are read, too: the ballot stands at it at least */
    const bool has_commit = finalised > e->number && (e->com.n_before == 0 || e->com.joint_until != UINT64_MAX);
    if (s == OK) s = walk_back(&list, txn, number, hash, has_commit ? finalised - 1 : 0, commit_depth(set->n), e->number);
    if (s == OK) s = push_all(&e->com, &list);
    free(list.items);
    arena_fini(&a);
    return s;
}

/* ------------------------------------------------------------ promises of our seals */

/* META "signed" || address -> step(8) || hash of its parent(32) || lock: step(8) || number(8) || hash(32) || until: step(8) || empty step(1). Written along
 * with the block, and on the disk before anyone is told of the seal, so that no crash lets this key break its word (user-pains.md 9). That it signs
 * once in a step is the journal's affair (node/identity/journal.h), and that a lost disk forgets nothing the identity store's (lib/eth/promise.h).
 * until: another disk may have signed in steps up to it; 0: none.
 * META "writer" -> 16 random bytes: which database this is. */
enum { SEAL_NOTE_LEN = 88, SEAL_NOTE_UNTIL_LEN = 97 };

static void note_key(uint8_t key[static 26], const address *me)
{
    memcpy(key, "signed", 6);
    memcpy(key + 6, me->b, 20);
}

static enum status get_own_note(struct seal_note *out, struct kv_txn *txn, const address *me)
{
    uint8_t key[26];
    bytes v;
    note_key(key, me);
    enum status s = kv_get(&v, txn, TABLE_META, bytes_make(key, sizeof key));
    *out = (struct seal_note){0};
    if (s == E_NOT_FOUND) return OK;
    if (s != OK) return s;
    if (v.len != 8 && v.len != SEAL_NOTE_LEN && v.len != SEAL_NOTE_UNTIL_LEN) return E_CORRUPT;
    out->has_seal = true;
    out->step = be64_get(v.ptr);
    if (v.len == 8) return OK; /* of an earlier version: the step alone */
    memcpy(out->parent.b, v.ptr + 8, 32);
    out->lock_step = be64_get(v.ptr + 40);
    out->lock_number = be64_get(v.ptr + 48);
    memcpy(out->lock_hash.b, v.ptr + 56, 32);
    if (v.len == SEAL_NOTE_UNTIL_LEN) {
        out->until = be64_get(v.ptr + 88);
        out->is_empty_step = v.ptr[96] != 0;
    }
    return OK;
}

/* what was recalled holds until the first seal here writes it down along with its own */
static enum status get_note(struct seal_note *out, const struct chain *c, struct kv_txn *txn, const address *me)
{
    enum status s = get_own_note(out, txn, me);
    if (s == OK && c->recalled.has_seal && address_eq(&c->recalled_by, me) && c->recalled.step >= out->step) *out = c->recalled;
    return s;
}

static enum status put_note(struct kv_txn *txn, const address *me, const struct seal_note *note)
{
    uint8_t key[26], value[SEAL_NOTE_UNTIL_LEN];
    note_key(key, me);
    be64_put(value, note->step);
    memcpy(value + 8, note->parent.b, 32);
    be64_put(value + 40, note->lock_step);
    be64_put(value + 48, note->lock_number);
    memcpy(value + 56, note->lock_hash.b, 32);
    be64_put(value + 88, note->until);
    value[96] = note->is_empty_step;
    return kv_put(txn, TABLE_META, bytes_make(key, sizeof key), bytes_make(value, sizeof value));
}

/* the canonical block of that number: its hash and header; E_NOT_FOUND: there is none */
static enum status get_canonical(hash32 *hash, struct header *h, struct kv_txn *txn, uint64_t number, struct arena *a)
{
    enum status s = blocks_get_canonical_hash(hash, txn, number);
    return s == OK ? blocks_get_header(h, txn, hash, a) : s;
}

/* was the last seal for a block of this chain */
static enum status is_sealed_here(bool *yes, struct kv_txn *txn, const struct seal_note *note, const address *me, struct arena *a)
{
    struct block_meta meta;
    struct header h;
    hash32 hash;
    *yes = false;
    enum status s = blocks_get_meta(&meta, txn, &note->parent);
    if (s == OK && note->is_empty_step) { /* it vouches for that block and what stands before it */
        s = blocks_get_canonical_hash(&hash, txn, meta.number);
        *yes = s == OK && hash_eq(&hash, &note->parent);
        return s == E_NOT_FOUND ? OK : s;
    }
    if (s == OK) s = get_canonical(&hash, &h, txn, meta.number + 1, a);
    if (s == OK) *yes = hash_eq(&h.parent_hash, &note->parent) && step_of(&h) == note->step && address_eq(&h.author, me);
    return s == E_NOT_FOUND ? OK : s;
}

static enum status is_lock_here(bool *yes, struct kv_txn *txn, const struct seal_note *note, const address *me, struct arena *a)
{
    struct header h;
    hash32 hash;
    *yes = false;
    enum status s = get_canonical(&hash, &h, txn, note->lock_number, a);
    if (s == OK && hash_is_zero(&note->lock_hash)) *yes = step_of(&h) == note->lock_step && address_eq(&h.author, me);
    else if (s == OK) *yes = hash_eq(&hash, &note->lock_hash);
    return s == E_NOT_FOUND ? OK : s;
}

static void show_lock(struct chain *c, const struct seal_note *note)
{
    c->lock_step = hash_is_zero(&note->lock_hash) ? 0 : note->lock_step;
    c->lock_number = note->lock_number;
    c->lock_hash = note->lock_hash;
}

enum status promise_may_seal(struct chain *c, struct kv_txn *txn, const address *me, uint64_t step, struct err *err)
{
    struct seal_note note;
    struct arena a;
    bool here = true;
    enum status s = get_note(&note, c, txn, me);
    if (s != OK) return s;
    show_lock(c, &note);
    if ((note.has_seal && note.step >= step) || chain_has_seal_from(c, me, step))
        return err_set(err, E_EXISTS, "step %llu was signed before", (unsigned long long)step);
    if (note.until >= step)
        return err_set(err, E_AGAIN, "this key may have signed on another disk: none before step %llu", (unsigned long long)note.until + 1);
    /* A chain that has gone on for long, and no word of this key's seals: its disk was lost, or it is new. What it may have promised stands in
     * the chain of the others: it looks at that for two rounds before it speaks again. */
    const uint64_t rounds = 2 * c->epoch.fin.set.n;
    if (!note.has_seal && c->head.number > rounds && step < c->first_step + rounds)
        return err_set(err, E_AGAIN, "nothing is known of this key's seals: none before step %llu", (unsigned long long)(c->first_step + rounds));
    c->sealed_here = !note.has_seal || note.step == 0 || c->spec->aura.immediate_transitions;
    if (!note.has_seal) return OK;
    if (c->spec->aura.immediate_transitions) return OK;
    arena_init(&a, 1 << 20);
    s = is_sealed_here(&here, txn, &note, me, &a);
    c->sealed_here |= s == OK && here;
    if (s == OK && !here && note.step >= commit_confirms(&c->epoch.com, me, step))
        s = err_set(err, E_AGAIN, "a seal now would vouch for step %llu, in which this key sealed on another branch", (unsigned long long)note.step);
    if (s == OK && note.lock_step >= c->epoch.com.ballot && note.lock_step > 0) {
        s = is_lock_here(&here, txn, &note, me, &a);
        if (s == OK && !here && c->head.number < note.lock_number)
            s = err_set(err, E_AGAIN, "this key has promised block %llu, which this chain does not have yet (its head is %llu)",
                        (unsigned long long)note.lock_number, (unsigned long long)c->head.number);
        else if (s == OK && !here)
            s = err_set(err, E_AGAIN, "block %llu may be final on another branch: no seal before this one has the others' seals",
                        (unsigned long long)note.lock_number);
    }
    arena_fini(&a);
    return s;
}

/* the note as it stands after a seal on the head, or an empty step on it */
static enum status note_after(struct seal_note *note, struct chain *c, struct kv_txn *txn, const address *me, uint64_t step, enum vote_kind kind)
{
    const bool is_empty = kind == VOTE_EMPTY_STEP;
    const uint64_t number = c->head.number + !is_empty;
    bool own;
    hash32 hash;
    note->step = step;
    note->parent = c->head.hash;
    note->is_empty_step = is_empty;
    note->has_seal = true;
    if (kind == VOTE_NONE) return OK;
    const uint64_t ballot = commit_ballot_with(&hash, &own, &c->epoch.com, number, step, me);
    if (own && is_empty) { /* a vote that decides alone, about the head */
        if (number == 0 || c->head.step <= note->lock_step) return OK;
        note->lock_step = c->head.step;
        note->lock_number = number;
        note->lock_hash = c->head.hash;
        return OK;
    }
    if (ballot <= note->lock_step) return OK;
    struct block_meta meta = {.number = number};
    if (!own) {
        enum status s = blocks_get_meta(&meta, txn, &hash);
        if (s != OK) return s;
    }
    note->lock_step = ballot;
    note->lock_number = meta.number;
    note->lock_hash = own ? (hash32){{0}} : hash;
    return OK;
}

enum status promise_note_seal(struct chain *c, struct kv_txn *txn, const address *me, uint64_t step, enum vote_kind kind)
{
    struct seal_note note;
    enum status s = get_note(&note, c, txn, me);
    if (s != OK) return s;
    if (note.has_seal && note.step >= step) return E_EXISTS;
    s = note_after(&note, c, txn, me, step, kind);
    if (s == OK) show_lock(c, &note);
    return s == OK ? put_note(txn, me, &note) : s;
}

/* ------------------------------------------------------------ beside the identity */

static bytes writer_key(void)
{
    return BYTES_LIT("writer");
}

static enum status get_writer(uint8_t out[static PROMISE_WRITER_LEN], struct kv_txn *txn)
{
    bytes v;
    enum status s = kv_get(&v, txn, TABLE_META, writer_key());
    if (s == OK && v.len != PROMISE_WRITER_LEN) s = E_CORRUPT;
    if (s == OK) memcpy(out, v.ptr, PROMISE_WRITER_LEN);
    return s;
}

static enum status fill_promise(struct key_promise *out, struct kv_txn *txn, const struct seal_note *note)
{
    *out = (struct key_promise){.step = note->step, .before = note->step, .parent = note->parent, .is_empty_step = note->is_empty_step, .lock_step = note->lock_step,
                                .lock_number = note->lock_number, .lock_hash = note->lock_hash};
    return get_writer(out->writer, txn);
}

enum status promise_next(struct key_promise *out, struct chain *c, struct kv_txn *txn, const address *me, uint64_t step, enum vote_kind kind)
{
    struct seal_note note;
    enum status s = get_note(&note, c, txn, me);
    const uint64_t before = note.step;
    if (s == OK) s = note_after(&note, c, txn, me, step, kind);
    if (s == OK) s = fill_promise(out, txn, &note);
    if (s == OK) out->before = before;
    return s;
}

/* is what this database knows of the key at least what the record says? */
static bool is_ours(const struct key_promise *p, const struct seal_note *note, const uint8_t writer[static PROMISE_WRITER_LEN])
{
    if (memcmp(p->writer, writer, PROMISE_WRITER_LEN) != 0) return false;
    return note->step >= p->step || note->step >= p->before;
}

static enum status recall(struct seal_note *note, bool *forgot, struct chain *c, struct kv_txn *txn, const address *me, const struct key_promise *p)
{
    uint8_t writer[PROMISE_WRITER_LEN];
    enum status s = get_writer(writer, txn);
    if (s == E_NOT_FOUND) {
        rng_fill(writer, sizeof writer);
        s = kv_put(txn, TABLE_META, writer_key(), bytes_make(writer, sizeof writer));
    }
    if (s == OK) s = get_own_note(note, txn, me);
    if (s != OK || p == NULL || is_ours(p, note, writer)) return s;
    /* another disk had the key, or this one is older than it was */
    *forgot = note->step < p->step;
    if (note->step <= p->step)
        *note = (struct seal_note){.has_seal = true, .step = p->step, .parent = p->parent, .is_empty_step = p->is_empty_step, .lock_step = p->lock_step, .lock_number = p->lock_number,
                                   .lock_hash = p->lock_hash, .until = note->until};
    const uint64_t until = p->until_ms == 0 ? 0 : aura_step_at(&c->spec->aura, p->until_ms);
    if (until > note->until) note->until = until;
    return OK;
}

enum status chain_recall(bool *forgot, struct chain *c, const address *me, const struct key_promise *p)
{
    struct kv_txn *txn;
    struct seal_note note = {0};
    bool yes = false;
    enum status s = c->spec->engine != ENGINE_AURA ? E_UNSUPPORTED : kv_begin(&txn, c->kv, true);
    if (s != OK) return s;
    s = recall(&note, &yes, c, txn, me, p);
    if (s == OK) s = kv_commit(txn);
    else kv_abort(txn);
    if (s == OK) s = kv_sync(c->kv);
    if (s != OK) return s;
    c->recalled = note;
    c->recalled_by = *me;
    *forgot = yes;
    return OK;
}

enum status chain_promise(struct key_promise *out, struct chain *c, const address *me)
{
    struct kv_txn *txn;
    struct seal_note note;
    enum status s = kv_begin(&txn, c->kv, false);
    if (s != OK) return s;
    s = get_own_note(&note, txn, me);
    if (s == OK && (!note.has_seal || note.step < c->recalled.step)) s = E_NOT_FOUND;
    if (s == OK) s = fill_promise(out, txn, &note);
    kv_abort(txn);
    return s;
}
