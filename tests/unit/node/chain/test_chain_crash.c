/* Each commit in turn fails, or the node is killed at it: the database stays valid, and the chain goes on to the same end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "node/store/kv_priv.h"
#include "tests/unit/node/chain/chain_fixture.h"

#include <cmocka.h>

/* a store whose n-th commit from now on writes nothing and says E_IO; 0: never */
static struct {
    const struct kv_ops *real;
    struct kv_ops hooked_kv, hooked_txn;
    unsigned countdown, n_commits, n_failed;
} hook;

static enum status hooked_commit(struct kv_txn *txn)
{
    txn->ops = hook.real;
    hook.n_commits++;
    if (hook.countdown != 0 && --hook.countdown == 0) {
        hook.n_failed++;
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

static void hook_kv(struct kv *kv)
{
    if (kv->ops != &hook.hooked_kv) hook.real = kv->ops;
    hook.hooked_kv = hook.hooked_txn = *hook.real;
    hook.hooked_kv.begin = hooked_begin;
    hook.hooked_txn.commit = hooked_commit;
    kv->ops = &hook.hooked_kv;
}

/* open a node's chain; a failed commit may hit here, too */
static void reopen(struct net *w, size_t i)
{
    struct node *n = &w->node[i];
    chain_close(n->chain);
    n->chain = NULL;
    if (n->dir[0] != '\0') {
        kv_close(n->kv);
        node_open_kv(w, i);
        hook_kv(n->kv);
    }
    struct chain_config cfg = w->cfg;
    cfg.listener_ctx = n;
    cfg.on_event = on_event;
    enum status s = chain_open(&n->chain, n->kv, &w->spec, &cfg, &w->err);
    if (s == E_IO) s = chain_open(&n->chain, n->kv, &w->spec, &cfg, &w->err);
    if (s != OK) fail_msg("chain_open: %s", err_text(&w->err));
}

enum { TARGET = 6 };

static const address SOMEONE = {{0xaa, 0xbb}};

/* a lone validator seals TARGET blocks while commit `fail_at` fails; a second node must take every block that was given out */
static bool seal_with_a_failure(unsigned fail_at, bool restart, bool lmdb)
{
    struct net *w = net_new();
    if (lmdb) use_lmdb(w, 0);
    net_open(w, 2, validators_list(w, 1), LONDON, "");
    hook_kv(w->node[0].kv);
    hook.countdown = fail_at;
    hook.n_failed = 0;
    uint64_t nonce = 0;
    unsigned lost = 0;
    while (head_of(w, 0).number < TARGET) {
        struct chain_head before = head_of(w, 0);
        bytes block;
        w->step++;
        w->n_queue = 0;
        queue_tx(w, 4, nonce, &SOMEONE, U256_ONE, BYTES_EMPTY, 21000);
        size_t events = w->node[0].n_events;
        enum status s = propose_as(&block, w, 0, 0);
        if (s == OK) {
            import_all(w, 0, block);
            nonce++;
            continue;
        }
        assert_int_equal(s, E_IO);
        lost++;
        assert_int_equal(w->node[0].n_events, events); /* nobody was told of it */
        struct chain_head after = head_of(w, 0);
        assert_hash_equal(before.hash, after.hash);
        if (restart) reopen(w, 0);
        after = head_of(w, 0);
        assert_hash_equal(before.hash, after.hash);
        assert_state_is_heads(w, 0);
        bytes again;
        assert_int_equal(propose_as(&again, w, 0, 0), E_CONFLICT); /* the step is signed: gone for good */
    }
    assert_true(lost <= 1);
    hash32 a = digest_of(w, 0, false), b = digest_of(w, 1, false);
    assert_hash_equal(a, b);
    w->node[0].kv->ops = hook.real;
    net_free(w);
    return hook.n_failed > 0;
}

static void a_sealer_survives_the_failure_of_any_commit(void **state)
{
    (void)state;
    for (int restart = 0; restart < 2; restart++) {
        unsigned n = 1;
        while (seal_with_a_failure(n, restart == 1, false))
            n++;
        assert_int_equal(n, TARGET + 1); /* one commit for a block */
    }
}

static void a_sealer_over_lmdb_survives_a_kill_at_any_commit(void **state)
{
    (void)state;
    unsigned n = 1;
    while (seal_with_a_failure(n, true, true))
        n++;
    assert_int_equal(n, TARGET + 1);
}

/* a node that imports a chain with a side branch, a re-organisation and a bad branch, while a commit fails */
struct script {
    bytes block[16];
    size_t n;
};

static void make_script(struct script *s, struct net *w)
{
    s->n = 0;
    for (size_t i = 0; i < 2; i++)
        s->block[s->n++] = (w->step++, seal(w, 0));
    assert_int_equal(import(w, 1, s->block[0]), IMPORT_HEAD);
    assert_int_equal(import(w, 1, s->block[1]), IMPORT_HEAD);
    w->step++;
    queue_tx(w, 4, 0, &SOMEONE, u256_from_u64(3), BYTES_EMPTY, 21000);
    s->block[s->n++] = seal(w, 1); /* the lighter branch comes first */
    for (size_t i = 0; i < 3; i++) {
        w->step++;
        queue_tx(w, 4, i, &SOMEONE, u256_from_u64(1), BYTES_EMPTY, 21000);
        s->block[s->n++] = seal(w, 0);
    }
    struct block bad = decode(w, s->block[s->n - 1]); /* a sibling of the last but with a wrong root, and no child */
    bad.header.state_root.b[3] ^= 1;
    s->block[s->n++] = reseal(w, &bad, key_of(w, &bad.header.author));
    for (size_t i = 0; i < 3; i++) {
        w->step++;
        s->block[s->n++] = seal(w, 0);
    }
}

static void an_importer_survives_the_failure_of_any_commit(void **state)
{
    (void)state;
    for (int restart = 0; restart < 2; restart++) {
        unsigned fail_at = 0;
        bool failed = true;
        while (failed) {
            struct net *w = net_new();
            struct script script;
            net_open(w, 3, validators_list(w, 5), LONDON, "");
            make_script(&script, w);
            hook_kv(w->node[2].kv);
            hook.countdown = ++fail_at;
            hook.n_failed = 0;
            for (size_t i = 0; i < script.n; i++) {
                enum import_result r = IMPORT_BAD;
                enum block_verdict v = BLOCK_VALID;
                struct chain_head before = head_of(w, 2);
                enum status s = chain_import(&r, &v, &w->retry_ms, w->node[2].chain, script.block[i], now_ms(w), &w->err);
                if (s != OK) {
                    assert_int_equal(s, E_IO);
                    struct chain_head after = head_of(w, 2);
                    assert_hash_equal(before.hash, after.hash);
                    if (restart == 1) reopen(w, 2);
                    after = head_of(w, 2);
                    assert_hash_equal(before.hash, after.hash);
                    assert_state_is_heads(w, 2);
                    assert_int_equal(chain_import(&r, &v, &w->retry_ms, w->node[2].chain, script.block[i], now_ms(w), &w->err), OK);
                }
                assert_true(r != IMPORT_ORPHAN && r != IMPORT_KNOWN);
            }
            failed = hook.n_failed > 0;
            assert_head(w, 2, script.block[script.n - 1]);
            hash32 a = digest_of(w, 0, false), b = digest_of(w, 2, false);
            assert_hash_equal(a, b);
            assert_int_equal(head_of(w, 0).finalised, head_of(w, 2).finalised);
            /* and it goes on */
            hook.countdown = 0;
            w->step++;
            bytes block = seal(w, 0);
            assert_int_equal(import(w, 2, block), IMPORT_HEAD);
            w->node[2].kv->ops = hook.real;
            net_free(w);
        }
        assert_true(fail_at > 8);
    }
}

static void opening_survives_the_failure_of_its_commit(void **state)
{
    (void)state;
    struct net *w = net_of_list(1, 1);
    struct kv *kv;
    struct chain *c;
    struct chain_config cfg = {0};
    assert_int_equal(kv_open_memory(&kv, TABLE_N), OK);
    hook_kv(kv);
    hook.countdown = 1;
    assert_int_equal(chain_open(&c, kv, &w->spec, &cfg, &w->err), E_IO);
    assert_int_equal(chain_open(&c, kv, &w->spec, &cfg, &w->err), OK);
    struct chain_head h;
    chain_get_head(&h, c);
    hash32 want = chain_genesis_hash(w->node[0].chain);
    assert_hash_equal(h.hash, want);
    chain_close(c);
    kv->ops = hook.real;
    kv_close(kv);
    net_free(w);
}

/* the database's file may not grow: blocks are refused as our own trouble, and when there is room again the chain goes on */
static void a_full_database_stops_the_chain_without_harm(void **state)
{
    (void)state;
    struct net *w = net_new();
    use_lmdb(w, 1);
    net_open(w, 2, validators_list(w, 1), LONDON, "");
    chain_close(w->node[1].chain);
    kv_close(w->node[1].kv);
    if (tables_open(&w->node[1].kv, w->node[1].dir, 1 << 20, KV_NOSYNC, &w->err) != OK) fail_msg("%s", err_text(&w->err));
    node_open_chain(w, 1);
    enum status s = OK;
    uint64_t nonce = 0;
    bytes block = BYTES_EMPTY;
    struct chain_head before = head_of(w, 1);
    while (s == OK) {
        enum import_result r;
        w->step++;
        uint8_t data[4096];
        memset(data, 0x5b, sizeof data);
        for (int i = 0; i < 4; i++)
            queue_tx(w, 4, nonce++, &SOMEONE, U256_ONE, arena_copy(&w->arena, BYTES_OF(data)), 200000);
        block = seal(w, 0);
        before = head_of(w, 1);
        s = chain_import(&r, &w->verdict, &w->retry_ms, w->node[1].chain, block, now_ms(w), &w->err);
        if (s == OK) assert_int_equal(r, IMPORT_HEAD);
        assert_true(before.number < 200);
    }
    assert_int_equal(s, E_NOSPACE);
    struct chain_head after = head_of(w, 1);
    assert_hash_equal(before.hash, after.hash);
    assert_true(after.number > 2);
    node_restart(w, 1); /* with the usual size */
    after = head_of(w, 1);
    assert_hash_equal(before.hash, after.hash);
    assert_state_is_heads(w, 1);
    assert_int_equal(import(w, 1, block), IMPORT_HEAD);
    hash32 a = digest_of(w, 0, false), b = digest_of(w, 1, false);
    assert_hash_equal(a, b);
    net_free(w);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sealer_survives_the_failure_of_any_commit),
        cmocka_unit_test(a_sealer_over_lmdb_survives_a_kill_at_any_commit),
        cmocka_unit_test(an_importer_survives_the_failure_of_any_commit),
        cmocka_unit_test(a_full_database_stops_the_chain_without_harm),
        cmocka_unit_test(opening_survives_the_failure_of_its_commit),
    };
    return cmocka_run_group_tests_name("chain: crash", tests, NULL, NULL);
}
