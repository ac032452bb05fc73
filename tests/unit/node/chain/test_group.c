/* Many blocks in one commit: the same database as one by one, whatever ends a group; a kill at any moment leaves the end of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "lib/base/clock.h"
#include "lib/base/rng.h"
#include "node/store/kv_priv.h"
#include "tests/unit/node/chain/chain_fixture.h"

#include <cmocka.h>

enum { BLOCKS = 150 };

static const address SOMEONE = {{0xaa, 0xbb}};

/* node 0 seals n blocks, of up to four transfers each */
static void make_blocks(struct net *w, bytes *block, size_t n)
{
    static uint64_t nonce[KEYS];
    memset(nonce, 0, sizeof nonce);
    for (size_t i = 0; i < n; i++) {
        w->step++;
        for (size_t k = 0; k < i % 5; k++) {
            const size_t key = (i + k) % KEYS;
            queue_tx(w, key, nonce[key]++, &SOMEONE, u256_from_u64(i + 1), BYTES_EMPTY, 21000);
        }
        block[i] = seal(w, 0);
    }
}

static struct chain_ahead *ahead(struct net *w, size_t node, bytes block)
{
    struct chain_ahead *a;
    assert_int_equal(chain_ahead_new(&a, w->node[node].chain, block), OK);
    return a;
}

/* one group out of blocks; a slow machine may end it anywhere: the time that one may take is bounded */
static struct chain_imported group(struct net *w, size_t node, const bytes *block, size_t n)
{
    struct chain_ahead *list[CHAIN_GROUP_MAX] = {NULL};
    struct chain_imported r = {0};
    if (n > CHAIN_GROUP_MAX) n = CHAIN_GROUP_MAX;
    for (size_t i = 0; i < n; i++)
        list[i] = ahead(w, node, block[i]);
    enum status s = chain_import_group(&r, w->node[node].chain, list, n, now_ms(w), &w->err);
    if (s != OK) fail_msg("group: %s: %s", status_name(s), err_text(&w->err));
    for (size_t i = 0; i < n; i++)
        chain_ahead_free(w->node[node].chain, list[i]);
    return r;
}

/* all blocks, in groups. ret how many there were */
static size_t groups(struct net *w, size_t node, const bytes *block, size_t n, size_t at_most)
{
    size_t k = 0;
    for (size_t done = 0; done < n; k++) {
        const struct chain_imported r = group(w, node, block + done, n - done < at_most ? n - done : at_most);
        assert_int_equal(r.result, IMPORT_HEAD);
        assert_true(r.n >= 1 && r.n <= at_most);
        assert_int_equal(w->node[node].n_added, r.n);
        done += r.n;
        assert_head(w, node, block[done - 1]);
        assert_state_is_heads(w, node);
    }
    return k;
}

/* those in front that extend the head. ret how many; the last answer tells of the next one */
static size_t heads(struct chain_imported *last, struct net *w, size_t node, const bytes *block, size_t n)
{
    size_t done = 0;
    *last = (struct chain_imported){0};
    while (done < n) {
        *last = group(w, node, block + done, n - done);
        if (last->result != IMPORT_HEAD) break;
        done += last->n;
        assert_head(w, node, block[done - 1]);
    }
    return done;
}

static void groups_of_any_size_make_the_same_database_as_blocks_one_by_one(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 7, CHAIN_GROUP_MAX};
    for (unsigned threads = 0; threads < 3; threads++) {
        struct net *w = net_new();
        bytes block[BLOCKS];
        w->cfg.worker_threads = threads;
        use_lmdb(w, 3);
        net_open(w, 4, validators_list(w, 3), LONDON, "");
        make_blocks(w, block, BLOCKS);
        const hash32 want = digest_of(w, 0, false);
        for (size_t node = 1; node < 4; node++) {
            const size_t size = sizes[(node - 1 + threads) % COUNT_OF(sizes)];
            const size_t k = groups(w, node, block, BLOCKS, size);
            assert_true(k >= BLOCKS / size);
            const hash32 got = digest_of(w, node, false);
            assert_hash_equal(got, want);
            assert_int_equal(head_of(w, node).finalised, head_of(w, 0).finalised);
            assert_int_equal(head_of(w, node).safe, head_of(w, 0).safe);
        }
        net_free(w);
    }
}

static void a_bad_block_ends_the_group_before_it_and_is_refused_by_itself(void **state)
{
    (void)state;
    static const enum block_verdict want[] = {BLOCK_STATE_ROOT, BLOCK_SIGNATURE, BLOCK_TX_ROOT, BLOCK_NOT_PROPOSER};
    for (size_t kind = 0; kind < COUNT_OF(want); kind++)
        for (size_t at = 0; at < 5; at += 2) {
            struct net *w = net_of_list(3, 3);
            bytes block[8], bad[8];
            w->node[2].n_events = 0;
            make_blocks(w, block, 8);
            memcpy(bad, block, sizeof bad);
            struct block b = decode(w, block[at]);
            const size_t author = (size_t)(b.header.step % 3);
            if (kind == 0) b.header.state_root.b[7] ^= 1;
            if (kind == 1) b.header.timestamp++;
            if (kind == 2) b.header.tx_root.b[7] ^= 1;
            if (kind == 3) b.header.author = w->addr[(author + 1) % 3];
            bad[at] = kind == 1 ? encode(w, &b) : reseal(w, &b, kind == 3 ? (author + 1) % 3 : author);
            struct chain_imported r;
            assert_int_equal(heads(&r, w, 2, bad, 8), at);
            assert_int_equal(r.result, IMPORT_BAD);
            assert_int_equal(r.n, 1);
            assert_int_equal(r.verdict, want[kind]);
            assert_true(w->node[2].n_events <= at && (w->node[2].n_events > 0) == (at > 0));
            assert_int_equal(heads(&r, w, 2, block + at, 8 - at), 8 - at); /* the good ones fit still */
            hash32 a = digest_of(w, 0, false), c = digest_of(w, 2, false);
            assert_hash_equal(a, c);
            net_free(w);
        }
}

static void what_is_no_next_block_comes_alone_with_its_own_result(void **state)
{
    (void)state;
    struct net *w = net_of_list(3, 5);
    bytes block[6];
    make_blocks(w, block, 5);
    assert_int_equal(import(w, 1, block[0]), IMPORT_HEAD);
    w->step++;
    const bytes side = seal(w, 1); /* a brother of block[1] */
    const struct {
        bytes block;
        enum import_result want;
    } plan[] = {{block[0], IMPORT_HEAD}, {block[1], IMPORT_HEAD}, {block[1], IMPORT_KNOWN}, {side, IMPORT_SIDE}, {block[2], IMPORT_HEAD},
                {BYTES_LIT("\xc0"), IMPORT_BAD}, {block[4], IMPORT_ORPHAN}, {block[3], IMPORT_HEAD}, {block[4], IMPORT_HEAD}};
    bytes list[COUNT_OF(plan)];
    for (size_t i = 0; i < COUNT_OF(plan); i++)
        list[i] = plan[i].block;
    for (size_t at = 0; at < COUNT_OF(plan);) {
        const struct chain_imported r = group(w, 2, list + at, COUNT_OF(plan) - at);
        assert_true(r.n == 1 || r.result == IMPORT_HEAD);
        for (size_t i = 0; i < r.n; i++)
            assert_int_equal(r.result, plan[at++].want);
    }
    assert_head(w, 2, block[4]);
    net_free(w);
}

/* a body that grows out of all proportion when it is decoded is left to the import, which refuses it as ever */
static void a_block_that_would_take_too_much_ahead_is_judged_all_the_same(void **state)
{
    (void)state;
    enum { TINY = 40000 };
    struct net *w = net_of_list(2, 1);
    bytes block[2];
    struct buf b;
    make_blocks(w, block, 2);
    const struct block good = decode(w, block[1]);
    buf_init(&b, 1 << 20);
    const size_t whole = rlp_list_open(&b);
    header_put(&b, &good.header);
    const size_t txs = rlp_list_open(&b);
    for (size_t i = 0; i < TINY; i++) {
        const size_t tx = rlp_list_open(&b);
        for (size_t k = 0; k < 6; k++)
            rlp_put_u64(&b, 0);
        rlp_put_u64(&b, 27);
        rlp_put_u64(&b, 1);
        rlp_put_u64(&b, 1);
        rlp_list_close(&b, tx);
    }
    rlp_list_close(&b, txs);
    rlp_put_list_header(&b, 0);
    rlp_list_close(&b, whole);
    assert_int_equal(buf_status(&b), OK);
    const bytes list[] = {block[0], buf_view(&b), block[1]};
    struct chain_imported r;
    assert_int_equal(heads(&r, w, 1, list, 3), 1);
    assert_int_equal(r.result, IMPORT_BAD);
    assert_int_equal(r.verdict, BLOCK_TX_ROOT);
    assert_int_equal(group(w, 1, block + 1, 1).result, IMPORT_HEAD);
    buf_fini(&b);
    net_free(w);
}

static void a_group_ends_where_the_set_changes(void **state)
{
    (void)state;
    struct net *w = net_new();
    net_open(w, 2, arena_printf(&w->arena, "\"validators\":{\"multi\":{\"0\":%s,\"5\":%s}}", list_of(w, 0, 2), list_of(w, 2, 3)), LONDON, "");
    bytes block[9];
    make_blocks(w, block, 9);
    for (size_t done = 0; done < 9;) {
        const struct chain_imported r = group(w, 1, block + done, 9 - done);
        assert_int_equal(r.result, IMPORT_HEAD);
        assert_false(done < 5 && done + r.n > 5);
        done += r.n;
        if (done == 5) assert_set(w, 1, (size_t[]){2, 3, 4}, 3);
    }
    hash32 a = digest_of(w, 0, false), b = digest_of(w, 1, false);
    assert_hash_equal(a, b);
    net_free(w);
}

static void skipped_steps_and_two_blocks_in_a_step_are_reported_out_of_groups_too(void **state)
{
    (void)state;
    struct net *w = net_of_list(3, 3);
    bytes block[6];
    for (size_t i = 0; i < 6; i++) {
        w->step += i == 3 ? 2 : 1;
        block[i] = seal(w, 0);
        assert_int_equal(import(w, 1, block[i]), IMPORT_HEAD);
    }
    struct chain_imported r;
    assert_int_equal(heads(&r, w, 2, block, 6), 6);
    assert_int_equal(w->node[2].n_reports, w->node[1].n_reports);
    assert_true(w->node[1].n_reports > 0);
    for (size_t i = 0; i < w->node[1].n_reports; i++) {
        assert_memory_equal(&w->node[1].reports[i].validator, &w->node[2].reports[i].validator, 20);
        assert_int_equal(w->node[1].reports[i].block, w->node[2].reports[i].block);
    }
    net_free(w);
}

/* ------------------------------------------------------------- readers */

struct reader {
    struct net *w;
    pthread_t thread;
    atomic_bool stop;
    unsigned n_looks, n_wrong;
};

/* a snapshot's head: the state in it is that of its header, and what chain_get_head told before is in it */
static bool look(struct kv *kv, struct chain *c)
{
    struct chain_head told = {0};
    struct kv_txn *txn = NULL;
    struct state *s = NULL;
    struct arena a;
    struct header h;
    struct block_meta meta;
    hash32 hash, canonical, root;
    uint64_t number, finalised;
    arena_init(&a, 1 << 20);
    if (c != NULL) chain_get_head(&told, c);
    bool good = kv_begin(&txn, kv, false) == OK && blocks_get_head(&number, &hash, &finalised, txn) == OK;
    good = good && number >= told.number && blocks_get_meta(&meta, txn, &hash) == OK && meta.number == number && meta.executed;
    good = good && blocks_get_canonical_hash(&canonical, txn, number) == OK && hash_eq(&canonical, &hash);
    good = good && blocks_get_canonical_hash(&canonical, txn, told.number) == OK && (c == NULL || hash_eq(&canonical, &told.hash));
    good = good && blocks_get_canonical_hash(&canonical, txn, number + 1) == E_NOT_FOUND && blocks_get_header(&h, txn, &hash, &a) == OK;
    good = good && state_open(&s, txn, STATE_LATEST) == OK && state_root(s, &root) == OK && hash_eq(&root, &h.state_root);
    state_free(s);
    kv_abort(txn);
    arena_fini(&a);
    return good;
}

static void *read_on(void *ctx)
{
    struct reader *r = ctx;
    while (!atomic_load(&r->stop) && r->n_wrong == 0) {
        r->n_wrong += !look(r->w->node[1].kv, r->w->node[1].chain);
        r->n_looks++;
    }
    return NULL;
}

static void readers_see_the_end_of_a_group_or_nothing_of_it(void **state)
{
    (void)state;
    struct net *w = net_new();
    bytes block[BLOCKS];
    w->cfg.worker_threads = 1;
    use_lmdb(w, 1);
    net_open(w, 2, validators_list(w, 3), LONDON, "");
    make_blocks(w, block, BLOCKS);
    struct reader r = {.w = w};
    assert_int_equal(pthread_create(&r.thread, NULL, read_on, &r), 0);
    groups(w, 1, block, BLOCKS, 16);
    atomic_store(&r.stop, true);
    assert_int_equal(pthread_join(r.thread, NULL), 0);
    assert_int_equal(r.n_wrong, 0);
    net_free(w);
}

/* ------------------------------------------------------- failures and kills */

static struct {
    const struct kv_ops *real;
    struct kv_ops hooked_kv, hooked_txn;
    unsigned countdown, n_commits; /* the n-th commit from now on fails; 0: none */
} hook;

static enum status hooked_commit(struct kv_txn *txn)
{
    txn->ops = hook.real;
    hook.n_commits++;
    if (hook.countdown != 0 && --hook.countdown == 0) {
        hook.real->abort(txn);
        return E_IO;
    }
    return hook.real->commit(txn);
}

static enum status hooked_begin(struct kv_txn **out, struct kv *kv, bool write)
{
    enum status s = hook.real->begin(out, kv, write);
    if (s == OK && write) (*out)->ops = &hook.hooked_txn;
    return s;
}

static void hook_commits(struct kv *kv)
{
    hook.real = kv->ops;
    hook.hooked_kv = hook.hooked_txn = *hook.real;
    hook.hooked_kv.begin = hooked_begin;
    hook.hooked_txn.commit = hooked_commit;
    hook.n_commits = hook.countdown = 0;
    kv->ops = &hook.hooked_kv;
}

static void a_commit_that_fails_takes_the_whole_group_back(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    bytes block[BLOCKS];
    make_blocks(w, block, BLOCKS);
    struct kv *kv = w->node[1].kv;
    hook_commits(kv);
    size_t done = 0;
    unsigned n_failed = 0, n_good = 0;
    while (done < BLOCKS) {
        struct chain_ahead *list[10];
        struct chain_imported r;
        const struct chain_head before = head_of(w, 1);
        const size_t n = BLOCKS - done < 10 ? BLOCKS - done : 10, events = w->node[1].n_events;
        for (size_t i = 0; i < n; i++)
            list[i] = ahead(w, 1, block[done + i]);
        if (n_failed * 10 <= done) hook.countdown = 1;
        const enum status s = chain_import_group(&r, w->node[1].chain, list, n, now_ms(w), &w->err);
        const struct chain_head after = head_of(w, 1);
        if (s == OK) {
            assert_int_equal(w->node[1].n_events, events + 1);
            assert_int_equal(w->node[1].n_added, r.n);
            n_good++;
            done += r.n;
        } else {
            n_failed++;
            assert_int_equal(s, E_IO);
            assert_hash_equal(before.hash, after.hash);
            assert_int_equal(w->node[1].n_events, events);
        }
        assert_state_is_heads(w, 1);
        for (size_t i = 0; i < n; i++)
            chain_ahead_free(w->node[1].chain, list[i]);
    }
    assert_int_equal(n_failed, BLOCKS / 10);
    assert_int_equal(hook.n_commits, n_good + n_failed); /* one a group */
    assert_true(n_good < BLOCKS / 2);
    kv->ops = hook.real;
    hash32 a = digest_of(w, 0, false), b = digest_of(w, 1, false);
    assert_hash_equal(a, b);
    net_free(w);
}

/* --- branches: half of the validators on each, so that nothing is final, and the one that comes second becomes the better one at last */

enum { FIRST = 50, SECOND = 70, BEHIND = 2 };

/* node `from` seals n blocks with two of the five keys */
static void seal_branch(struct net *w, size_t from, size_t first_key, bytes *block, size_t n)
{
    for (size_t i = 0; i < n;) {
        w->step++;
        const size_t key = key_in_turn(w, from);
        if (key != first_key && key != first_key + 1) continue;
        w->n_queue = 0;
        queue_tx(w, 5 + first_key, i, &SOMEONE, u256_from_u64(i + 1), BYTES_EMPTY, 21000);
        if (propose_as(&block[i], w, from, key) != OK) fail_msg("propose: %s", err_text(&w->err));
        i++;
    }
}

struct branches {
    bytes first[FIRST], second[SECOND];
    size_t n_side; /* blocks of the second before it is the better one */
};

static struct net *make_branches(struct branches *b)
{
    struct net *w = net_of_list(4, 5);
    seal_branch(w, 0, 0, b->first, FIRST);
    seal_branch(w, 1, 2, b->second, SECOND);
    for (size_t node = BEHIND; node < 4; node++)
        (void)groups(w, node, b->first, FIRST, CHAIN_GROUP_MAX);
    b->n_side = 0;
    while (import(w, BEHIND, b->second[b->n_side]) == IMPORT_SIDE)
        b->n_side++;
    assert_in_range(b->n_side, CHAIN_GROUP_MAX / 2, SECOND - 1);
    return w;
}

static void a_branch_that_is_not_the_better_one_yet_is_stored_in_groups(void **state)
{
    (void)state;
    static const size_t sizes[] = {2, 7, CHAIN_GROUP_MAX};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct branches b;
        struct net *w = make_branches(&b);
        hook_commits(w->node[3].kv);
        size_t done = 0, n_groups = 0;
        struct chain_imported r = {0};
        while (done < SECOND) {
            const bool is_side = done < b.n_side;
            r = group(w, 3, b.second + done, SECOND - done < sizes[i] ? SECOND - done : sizes[i]);
            assert_int_equal(r.result, is_side ? IMPORT_SIDE : IMPORT_HEAD);
            assert_int_equal(hook.n_commits, ++n_groups);
            if (is_side) assert_head(w, 3, b.first[FIRST - 1]);
            done += r.n;
            assert_true(!is_side || done <= b.n_side); /* what makes it the better one comes by itself */
        }
        assert_true(n_groups <= b.n_side / sizes[i] + 2 + (SECOND - b.n_side));
        for (size_t k = b.n_side + 1; k < SECOND; k++)
            assert_int_equal(import(w, BEHIND, b.second[k]), IMPORT_HEAD);
        assert_head(w, 3, b.second[SECOND - 1]);
        w->node[3].kv->ops = hook.real;
        const hash32 one_by_one = digest_of(w, BEHIND, true), in_groups = digest_of(w, 3, true);
        assert_hash_equal(one_by_one, in_groups);
        net_free(w);
    }
}

/* each commit of the branch in turn: nothing of its group is there, and the same blocks are taken when they come again; a restart in between, or not */
static void a_commit_of_a_branch_that_fails_takes_its_group_back(void **state)
{
    (void)state;
    for (unsigned fail_at = 1; fail_at < 12; fail_at++) {
        struct branches b;
        struct net *w = make_branches(&b);
        struct kv *kv = w->node[3].kv;
        bool has_failed = false;
        hook_commits(kv);
        hook.countdown = fail_at;
        for (size_t done = 0; done < SECOND;) {
            struct chain_ahead *list[8] = {NULL};
            struct chain_imported r = {0};
            const size_t n = SECOND - done < COUNT_OF(list) ? SECOND - done : COUNT_OF(list);
            const hash32 before = digest_of(w, 3, true);
            for (size_t i = 0; i < n; i++)
                list[i] = ahead(w, 3, b.second[done + i]);
            const enum status s = chain_import_group(&r, w->node[3].chain, list, n, now_ms(w), &w->err);
            for (size_t i = 0; i < n; i++)
                chain_ahead_free(w->node[3].chain, list[i]);
            done += s == OK ? r.n : 0;
            if (s == OK) continue;
            assert_int_equal(s, E_IO);
            const hash32 after = digest_of(w, 3, true);
            assert_hash_equal(before, after);
            has_failed = true;
            if (fail_at % 2 == 0) node_restart(w, 3);
        }
        assert_true(has_failed);
        kv->ops = hook.real;
        for (size_t k = b.n_side + 1; k < SECOND; k++)
            assert_int_equal(import(w, BEHIND, b.second[k]), IMPORT_HEAD);
        const hash32 one_by_one = digest_of(w, BEHIND, true), in_groups = digest_of(w, 3, true);
        assert_hash_equal(one_by_one, in_groups);
        net_free(w);
    }
}

/* a bad block in the middle of it ends the group before it, and is refused by itself */
static void a_bad_block_in_a_branch_ends_its_group(void **state)
{
    (void)state;
    struct branches b;
    struct net *w = make_branches(&b);
    struct block bad = decode(w, b.second[5]);
    bad.header.gas_used = bad.header.gas_limit + 1;
    b.second[5] = reseal(w, &bad, key_of(w, &bad.header.author));
    struct chain_imported r = group(w, 3, b.second, 20);
    assert_int_equal(r.result, IMPORT_SIDE);
    assert_int_equal(r.n, 5);
    r = group(w, 3, b.second + 5, 20);
    assert_int_equal(r.result, IMPORT_BAD);
    assert_int_equal(r.verdict, BLOCK_GAS_USED_OVER_LIMIT);
    assert_int_equal(r.n, 1);
    r = group(w, 3, b.second + 6, 20);
    assert_int_equal(r.n, 1);
    assert_true(r.result == IMPORT_ORPHAN || r.result == IMPORT_BAD);
    assert_head(w, 3, b.first[FIRST - 1]);
    net_free(w);
}

/* in a process of its own: import from where the database stands, to the end of the list or until killed */
static int import_to_the_end(struct net *w, const bytes *block)
{
    struct err err;
    struct chain_ahead *list[16];
    const struct chain_config cfg = {.worker_threads = 1};
    node_open_kv(w, 1);
    if (chain_open(&w->node[1].chain, w->node[1].kv, &w->spec, &cfg, &err) != OK) return 1;
    struct chain_head h = head_of(w, 1);
    size_t at = (size_t)h.number, n_ahead = 0;
    while (at < BLOCKS) {
        struct chain_imported r;
        for (; n_ahead < COUNT_OF(list) && at + n_ahead < BLOCKS; n_ahead++)
            if (chain_ahead_new(&list[n_ahead], w->node[1].chain, block[at + n_ahead]) != OK) return 2;
        const size_t n = n_ahead < 8 ? n_ahead : 8;
        if (chain_import_group(&r, w->node[1].chain, list, n, now_ms(w), &err) != OK || r.result != IMPORT_HEAD) return 3;
        for (size_t i = 0; i < r.n; i++)
            chain_ahead_free(w->node[1].chain, list[i]);
        memmove(list, list + r.n, (n_ahead - r.n) * sizeof list[0]);
        n_ahead -= r.n;
        at += r.n;
    }
    chain_close(w->node[1].chain);
    kv_close(w->node[1].kv);
    return 0;
}

static void a_kill_at_any_moment_leaves_the_end_of_a_group(void **state)
{
    (void)state;
    struct rng_seeded rng;
    uint64_t seed;
    bytes block[BLOCKS];
    struct net *w = net_new();
    const char *given = getenv("POA_TEST_SEED");
    rng_fill(&seed, sizeof seed);
    if (given != NULL) seed = strtoull(given, NULL, 10);
    rng_seed(&rng, seed);
    print_message("# POA_TEST_SEED=%llu\n", (unsigned long long)seed);
    use_lmdb(w, 1);
    net_open(w, 2, validators_list(w, 3), LONDON, "");
    make_blocks(w, block, BLOCKS);
    uint64_t number = 0;
    unsigned n_kills = 0, n_moved = 0;
    for (bool is_done = false; !is_done;) {
        chain_close(w->node[1].chain);
        kv_close(w->node[1].kv);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) exit(import_to_the_end(w, block));
        (void)usleep((useconds_t)(rng_next(&rng) % (n_kills < 40 ? 8000 : 2000000)));
        (void)kill(child, SIGKILL);
        int how = 0;
        assert_int_equal(waitpid(child, &how, 0), child);
        if (WIFEXITED(how)) assert_int_equal(WEXITSTATUS(how), 0);
        is_done = WIFEXITED(how);
        n_kills += !is_done;
        node_open_kv(w, 1);
        node_open_chain(w, 1);
        const struct chain_head h = head_of(w, 1);
        assert_true(h.number >= number); /* what was committed stays */
        n_moved += h.number > number;
        number = h.number;
        if (number > 0) assert_head(w, 1, block[number - 1]);
        assert_true(look(w->node[1].kv, NULL));
    }
    print_message("# %u kills, the head moved between %u of them\n", n_kills, n_moved);
    assert_int_equal(number, BLOCKS);
    hash32 a = digest_of(w, 0, false), b = digest_of(w, 1, false);
    assert_hash_equal(a, b);
    net_free(w);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_of_any_size_make_the_same_database_as_blocks_one_by_one),
        cmocka_unit_test(a_bad_block_ends_the_group_before_it_and_is_refused_by_itself),
        cmocka_unit_test(what_is_no_next_block_comes_alone_with_its_own_result),
        cmocka_unit_test(a_block_that_would_take_too_much_ahead_is_judged_all_the_same),
        cmocka_unit_test(a_group_ends_where_the_set_changes),
        cmocka_unit_test(skipped_steps_and_two_blocks_in_a_step_are_reported_out_of_groups_too),
        cmocka_unit_test(readers_see_the_end_of_a_group_or_nothing_of_it),
        cmocka_unit_test(a_commit_that_fails_takes_the_whole_group_back),
        cmocka_unit_test(a_branch_that_is_not_the_better_one_yet_is_stored_in_groups),
        cmocka_unit_test(a_commit_of_a_branch_that_fails_takes_its_group_back),
        cmocka_unit_test(a_bad_block_in_a_branch_ends_its_group),
        cmocka_unit_test(a_kill_at_any_moment_leaves_the_end_of_a_group),
    };
    return cmocka_run_group_tests_name("chain: groups", tests, NULL, NULL);
}
