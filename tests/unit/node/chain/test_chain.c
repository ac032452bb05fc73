/* Sealing, importing, the faults of blocks, forks and finality (aura.md B1-B5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/node/chain/chain_fixture.h"

#include <cmocka.h>

static const address SOMEONE = {{0xaa, 0xbb}};

/* ---------------------------------------------------------------- opening */

static void the_public_chains_open_with_their_published_genesis_hashes(void **state)
{
    (void)state;
    static const struct {
        const char *file, *hash;
    } chains[] = {
        {"chainspec/poacore.json", "0x39f02c003dde5b073b3f6e1700fc0b84b4877f6839bb23edadd3d2d82a488634"},
        {"chainspec/poasokol.json", "0x5b28c1bfd3a15230c9a46b399cd0f9a6920d432e85381cc6a140b06e8410112f"},
        {"chainspec/xdai.json", "0x4f1dd23188aab3a76b463e4af801b52b1248ef073c648cbdc4c9333d3da79756"},
    };
    for (size_t i = 0; i < COUNT_OF(chains); i++) {
        char path[1024], text[67];
        if (!vectors_find(path, sizeof path, chains[i].file)) skip();
        struct net *w = net_new();
        assert_true(vectors_read(&w->json, path));
        net_open_spec(w, buf_cstr(&w->json), 1);
        hash32 h = chain_genesis_hash(w->node[0].chain);
        hash_put(text, &h);
        assert_string_equal(text, chains[i].hash);
        node_restart(w, 0);
        struct chain_head head = head_of(w, 0);
        assert_hash_equal(head.hash, h);
        net_free(w);
    }
}

static void a_database_of_another_genesis_is_refused(void **state)
{
    (void)state;
    struct net *w = net_of_list(1, 1), *other = net_of_list(1, 2);
    struct chain_config cfg = {0};
    struct chain *c;
    other->spec.genesis.gas_limit++;
    other->spec.digest.b[0]++;
    assert_int_equal(chain_open(&c, w->node[0].kv, &other->spec, &cfg, &w->err), E_CONFLICT);
    assert_non_null(strstr(err_text(&w->err), "genesis"));
    other->spec.genesis.gas_limit--;
    net_free(other);
    net_free(w);
}

static void a_database_of_a_later_form_is_refused_by_name(void **state)
{
    (void)state;
    struct net *w = net_of_list(1, 1);
    struct chain_config cfg = {0};
    struct chain *c;
    for (uint8_t form = 0; form < 4; form++) { /* 0: a database from before there was a number */
        struct kv_txn *txn;
        bytes v;
        assert_int_equal(kv_begin(&txn, w->node[0].kv, true), OK);
        if (form == 0) assert_int_equal(kv_delete(txn, TABLE_META, BYTES_LIT("schema")), OK);
        else assert_int_equal(kv_put(txn, TABLE_META, BYTES_LIT("schema"), bytes_make(&form, 1)), OK);
        assert_int_equal(kv_commit(txn), OK);
        const enum status s = chain_open(&c, w->node[0].kv, &w->spec, &cfg, &w->err);
        assert_int_equal(s, form <= 2 ? OK : E_UNSUPPORTED);
        if (s == OK) chain_close(c);
        else assert_non_null(strstr(err_text(&w->err), "form 3"));
        assert_int_equal(kv_begin(&txn, w->node[0].kv, false), OK);
        assert_int_equal(kv_get(&v, txn, TABLE_META, BYTES_LIT("schema")), OK);
        assert_int_equal(v.ptr[0], form <= 2 ? 2 : 3);
        kv_abort(txn);
    }
    net_free(w);
}

/* open node 0's database with another text of a spec */
static enum status open_with(struct net *w, const char *text)
{
    struct chain_config cfg = {0};
    struct chain_spec spec;
    struct chain *c;
    assert_int_equal(chain_spec_parse(&spec, bytes_str(text), &w->err), OK);
    enum status s = chain_open(&c, w->node[0].kv, &spec, &cfg, &w->err);
    if (s == OK) chain_close(c);
    chain_spec_fini(&spec);
    return s;
}

static void a_changed_spec_is_executed_anew_and_an_unchanged_one_is_not(void **state)
{
    (void)state;
    struct net *w = net_of_list(1, 1);
    struct chain_config cfg = {0};
    struct chain *c;
    /* the text decides: accounts that were changed behind its back are not looked at */
    w->spec.accounts[0].nonce = U256_ONE;
    w->spec.accounts[0].has_nonce = true;
    assert_int_equal(chain_open(&c, w->node[0].kv, &w->spec, &cfg, &w->err), OK);
    chain_close(c);
    w->spec.digest.b[0] ^= 1;
    assert_int_equal(chain_open(&c, w->node[0].kv, &w->spec, &cfg, &w->err), E_CONFLICT);
    /* another text with the same genesis will do, and is remembered */
    buf_put_str(&w->json, "\n");
    const char *same = buf_cstr(&w->json);
    assert_int_equal(open_with(w, same), OK);
    assert_int_equal(open_with(w, same), OK);
    char *other = arena_strdup(&w->arena, same), *balance = strstr(other, "\"balance\":\"1\"");
    assert_non_null(balance);
    balance[strlen("\"balance\":\"")] = '2';
    assert_int_equal(open_with(w, other), E_CONFLICT);
    assert_non_null(strstr(err_text(&w->err), "genesis"));
    net_free(w);
}

/* ---------------------------------------------------------------- sealing */

static void one_validator_seals_blocks_with_transactions(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 1);
    queue_tx(w, 1, 0, &SOMEONE, u256_from_u64(5), BYTES_EMPTY, 21000);
    queue_tx(w, 1, 1, NULL, U256_ZERO, BYTES_LIT("\x60\x01\x60\x00\xa0\x00"), 100000); /* LOG0 of one byte */
    queue_tx(w, 2, 7, &SOMEONE, u256_from_u64(1), BYTES_EMPTY, 21000);                  /* nonce too high: left out */
    hash32 first_tx = w->queue[0].hash;
    bytes block = turn(w, 0);
    assert_int_equal(w->result[0], TX_VALID);
    assert_int_equal(w->result[1], TX_VALID);
    assert_int_equal(w->result[2], TX_NONCE_TOO_HIGH);
    for (size_t i = 0; i < 2; i++) {
        struct node *n = &w->node[i];
        struct chain_head h = head_of(w, i);
        assert_int_equal(h.number, 1);
        assert_int_equal(h.finalised, 1); /* a lone validator's block is final at once */
        assert_int_equal(h.step, w->step);
        assert_int_equal(n->n_events, 1);
        assert_int_equal(n->n_receipts, 2);
        assert_int_equal(n->is_own, i == 0);
        assert_true(n->finality_advanced);
        assert_state_is_heads(w, i);
        u256 got = balance_of(w, i, &SOMEONE), want = u256_from_u64(5);
        assert_true(u256_eq(&got, &want));

        struct kv_txn *txn;
        struct arena a;
        struct tx_location loc;
        struct receipt *r;
        size_t n_receipts;
        arena_init(&a, 1 << 20);
        assert_int_equal(kv_begin(&txn, n->kv, false), OK);
        assert_int_equal(blocks_get_tx_location(&loc, txn, &first_tx), OK);
        assert_int_equal(loc.number, 1);
        assert_int_equal(loc.index, 0);
        assert_hash_equal(loc.block_hash, h.hash);
        assert_int_equal(blocks_get_receipts(&r, &n_receipts, txn, &h.hash, &a), OK);
        assert_int_equal(n_receipts, 2);
        assert_int_equal(r[0].gas_used, 21000);
        assert_true(r[1].has_contract);
        kv_abort(txn);
        arena_fini(&a);
    }
    struct block b = decode(w, block);
    assert_int_equal(b.n_txs, 2);
    assert_int_equal(b.header.timestamp, w->step * STEP_S);
    hash32 one = digest_of(w, 0, false), two = digest_of(w, 1, false);
    assert_hash_equal(one, two);
    net_free(w);
}

static void three_validators_take_turns_by_list(void **state)
{
    (void)state;
    struct net *w = net_of_list(3, 3);
    for (size_t i = 0; i < 12; i++) {
        queue_tx(w, 4, i, &SOMEONE, u256_from_u64(1), BYTES_EMPTY, 21000);
        bytes block = turn(w, i % 3);
        struct block b = decode(w, block);
        assert_memory_equal(&b.header.author, &w->addr[w->step % 3], 20);
        u256 want = aura_difficulty(i == 0 ? 0 : w->step - 1, w->step, 0);
        assert_true(u256_eq(&b.header.difficulty, &want));
        for (size_t k = 0; k < 3; k++)
            assert_head(w, k, block);
    }
    w->step++; /* a step goes by without a block */
    struct block b = decode(w, turn(w, 0));
    u256 want = aura_difficulty(w->step - 2, w->step, 0);
    assert_true(u256_eq(&b.header.difficulty, &want));
    assert_int_equal(head_of(w, 2).number, 13);
    net_free(w);
}

static void only_whose_turn_it_is_may_propose(void **state)
{
    (void)state;
    struct net *w = net_of_list(1, 3);
    bytes block;
    w->step++;
    size_t key = key_in_turn(w, 0);
    assert_int_equal(propose_as(&block, w, 0, (key + 1) % 3), E_AGAIN);
    assert_int_equal(propose_as(&block, w, 0, key), OK);
    assert_int_equal(propose_as(&block, w, 0, key), E_AGAIN); /* the head is of this step */
    assert_int_equal(w->n_signed, 1);
    net_free(w);
}

static void a_step_is_signed_once_also_after_a_restart(void **state)
{
    (void)state;
    struct net *w = net_new();
    use_lmdb(w, 0);
    net_open(w, 1, validators_list(w, 2), LONDON, "");
    bytes block;
    w->step++;
    size_t key = key_in_turn(w, 0);
    w->sign_status = E_DENIED; /* the journal is written before the key is asked, so the step is gone */
    assert_int_equal(propose_as(&block, w, 0, key), E_DENIED);
    w->sign_status = OK;
    assert_int_equal(propose_as(&block, w, 0, key), E_CONFLICT);
    node_restart(w, 0);
    assert_int_equal(propose_as(&block, w, 0, key), E_CONFLICT);
    assert_int_equal(w->n_signed, 0);
    assert_int_equal(head_of(w, 0).number, 0);
    w->step += 2;
    assert_int_equal(propose_as(&block, w, 0, key), OK);
    node_restart(w, 0);
    assert_head(w, 0, block);
    net_free(w);
}

/* ----------------------------------------------------------------- faults */

struct fault {
    const char *name;
    enum block_verdict verdict;
    bool keep_seal; /* the header is not signed anew */
    void (*apply)(struct net *w, struct block *b);
};

static void wrong_author(struct net *w, struct block *b)
{
    b->header.author = w->addr[(key_of(w, &b->header.author) + 1) % 3];
}
static void step_of_the_parent(struct net *w, struct block *b)
{
    (void)w;
    b->header.step--;
}
static void step_before_the_parent(struct net *w, struct block *b)
{
    (void)w;
    b->header.step -= 2;
}
static void difficulty_off_by_one(struct net *w, struct block *b)
{
    (void)w;
    b->header.difficulty = u256_sub(b->header.difficulty, U256_ONE);
}
static void difficulty_too_great(struct net *w, struct block *b)
{
    (void)w;
    b->header.difficulty = (u256){{UINT64_MAX, UINT64_MAX, 0, 0}};
}
static void flipped_signature(struct net *w, struct block *b)
{
    (void)w;
    b->header.signature[10] ^= 1;
}
static void timestamp_of_the_parent(struct net *w, struct block *b)
{
    (void)w;
    b->header.timestamp -= STEP_S;
}
static void timestamp_far_ahead(struct net *w, struct block *b)
{
    (void)w;
    b->header.timestamp += 1000;
}
static void gas_limit_up_too_far(struct net *w, struct block *b)
{
    (void)w;
    b->header.gas_limit += b->header.gas_limit / 256;
}
static void gas_limit_below_minimum(struct net *w, struct block *b)
{
    b->header.gas_limit = w->spec.min_gas_limit - 1;
    b->header.gas_used = 0;
}
static void gas_used_over_limit(struct net *w, struct block *b)
{
    (void)w;
    b->header.gas_used = b->header.gas_limit + 1;
}
static void extra_too_long(struct net *w, struct block *b)
{
    static const uint8_t extra[33];
    (void)w;
    b->header.extra = BYTES_OF(extra);
}
static void number_skips_one(struct net *w, struct block *b)
{
    (void)w;
    b->header.number++;
}
static void other_state_root(struct net *w, struct block *b)
{
    (void)w;
    b->header.state_root.b[0] ^= 1;
}
static void other_tx_root(struct net *w, struct block *b)
{
    (void)w;
    b->header.tx_root.b[0] ^= 1;
}
static void other_receipts_root(struct net *w, struct block *b)
{
    (void)w;
    b->header.receipts_root.b[0] ^= 1;
}
static void other_bloom(struct net *w, struct block *b)
{
    (void)w;
    ((uint8_t *)&b->header.logs_bloom)[7] ^= 1;
}
static void other_gas_used(struct net *w, struct block *b)
{
    (void)w;
    b->header.gas_used--;
}
static void other_base_fee(struct net *w, struct block *b)
{
    (void)w;
    b->header.base_fee = u256_add(b->header.base_fee, U256_ONE);
}
static void no_base_fee(struct net *w, struct block *b)
{
    (void)w;
    b->header.has_base_fee = false;
}
static void other_uncles_hash(struct net *w, struct block *b)
{
    (void)w;
    b->header.uncles_hash.b[0] ^= 1;
}
static void an_empty_steps_field(struct net *w, struct block *b)
{
    (void)w;
    b->header.has_empty_steps = true;
    b->header.empty_steps = BYTES_LIT("\xc0");
}
static void a_transaction_twice(struct net *w, struct block *b)
{
    struct tx *txs = arena_zalloc(&w->arena, 2, sizeof *txs);
    bytes values[2];
    assert_non_null(txs);
    txs[0] = txs[1] = b->txs[0];
    b->txs = txs;
    b->n_txs = 2;
    values[0] = values[1] = txs[0].raw;
    assert_int_equal(trie_root_ordered(&b->header.tx_root, values, 2), OK);
}
static void a_step_far_ahead(struct net *w, struct block *b)
{
    (void)w;
    b->header.step += 9;
}

static const struct fault FAULTS[] = {
    {"author", BLOCK_NOT_PROPOSER, .apply = wrong_author},
    {"same step", BLOCK_STEP, .apply = step_of_the_parent},
    {"earlier step", BLOCK_STEP, .apply = step_before_the_parent},
    {"far step", BLOCK_FUTURE, .apply = a_step_far_ahead},
    {"difficulty", BLOCK_DIFFICULTY, .apply = difficulty_off_by_one},
    {"difficulty bound", BLOCK_DIFFICULTY, .apply = difficulty_too_great},
    {"signature", BLOCK_SIGNATURE, true, .apply = flipped_signature},
    {"timestamp", BLOCK_TIMESTAMP, .apply = timestamp_of_the_parent},
    {"future", BLOCK_FUTURE, .apply = timestamp_far_ahead},
    {"gas limit", BLOCK_GAS_LIMIT, .apply = gas_limit_up_too_far},
    {"gas limit minimum", BLOCK_GAS_LIMIT, .apply = gas_limit_below_minimum},
    {"gas used over limit", BLOCK_GAS_USED_OVER_LIMIT, .apply = gas_used_over_limit},
    {"extra", BLOCK_EXTRA_TOO_LONG, .apply = extra_too_long},
    {"number", BLOCK_NUMBER, .apply = number_skips_one},
    {"state root", BLOCK_STATE_ROOT, .apply = other_state_root},
    {"tx root", BLOCK_TX_ROOT, .apply = other_tx_root},
    {"receipts root", BLOCK_RECEIPTS_ROOT, .apply = other_receipts_root},
    {"bloom", BLOCK_BLOOM, .apply = other_bloom},
    {"gas used", BLOCK_GAS_USED, .apply = other_gas_used},
    {"base fee", BLOCK_BASE_FEE, .apply = other_base_fee},
    {"no base fee", BLOCK_FIELDS, .apply = no_base_fee},
    {"uncles", BLOCK_UNCLES, .apply = other_uncles_hash},
    {"empty steps", BLOCK_BAD_SEAL_FORM, .apply = an_empty_steps_field},
    {"transaction", BLOCK_TX_INVALID, .apply = a_transaction_twice},
};

static void each_fault_gives_its_verdict_and_changes_nothing(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    (void)turn(w, 0);
    w->step++;
    queue_tx(w, 4, 0, &SOMEONE, u256_from_u64(1), BYTES_EMPTY, 21000);
    bytes good = seal(w, 0);
    hash32 before = digest_of(w, 1, true);
    for (size_t i = 0; i < COUNT_OF(FAULTS); i++) {
        const struct fault *f = &FAULTS[i];
        struct block b = decode(w, good);
        size_t key = key_of(w, &b.header.author);
        f->apply(w, &b);
        bytes bad = f->keep_seal ? encode(w, &b) : reseal(w, &b, key);
        for (int again = 0; again < 2; again++) { /* refused the same way from memory */
            enum import_result r = import(w, 1, bad);
            if (r != IMPORT_BAD || w->verdict != f->verdict)
                fail_msg("%s: result %d verdict \"%s\": %s", f->name, (int)r, block_verdict_text(w->verdict), err_text(&w->err));
        }
        hash32 after = digest_of(w, 1, true);
        assert_hash_equal(before, after);
        assert_int_equal(head_of(w, 1).number, 1);
        assert_int_equal(w->node[1].n_events, 1);
    }
    assert_int_equal(import(w, 1, BYTES_LIT("\xc0")), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_MALFORMED);
    assert_int_equal(import(w, 1, good), IMPORT_HEAD);
    net_free(w);
}

static void the_child_of_a_refused_block_is_refused(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    w->step++;
    struct block b = decode(w, seal(w, 0));
    b.header.state_root.b[0] ^= 1;
    bytes bad = reseal(w, &b, key_of(w, &b.header.author));
    assert_int_equal(import(w, 1, bad), IMPORT_BAD);
    w->step++;
    struct block child = decode(w, seal(w, 0));
    child.header.parent_hash = hash_of(bad);
    assert_int_equal(import(w, 1, reseal(w, &child, key_of(w, &child.header.author))), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_BAD_PARENT);
    net_free(w);
}

static void a_damaged_body_is_not_held_against_the_block(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    w->step++;
    queue_tx(w, 4, 0, &SOMEONE, u256_from_u64(1), BYTES_EMPTY, 21000);
    bytes good = seal(w, 0);
    struct block b = decode(w, good);
    b.n_txs = 0;
    assert_int_equal(import(w, 1, encode(w, &b)), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_TX_ROOT);
    assert_int_equal(import(w, 1, good), IMPORT_HEAD);
    net_free(w);
}

static void an_early_block_is_imported_when_its_step_has_come(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    w->step += 4;
    bytes block = seal(w, 0);
    w->step -= 4; /* the other node's clock is behind */
    hash32 before = digest_of(w, 1, true);
    assert_int_equal(import(w, 1, block), IMPORT_EARLY);
    assert_int_equal(w->retry_ms, (w->step + 4) * STEP_S * 1000);
    hash32 after = digest_of(w, 1, true);
    assert_hash_equal(before, after);
    w->step -= 1;
    assert_int_equal(import(w, 1, block), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_FUTURE);
    w->step += 5;
    assert_int_equal(import(w, 1, block), IMPORT_HEAD);
    net_free(w);
}

static void a_timestamp_a_little_ahead_is_early_too(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    w->step++;
    struct block b = decode(w, seal(w, 0));
    b.header.timestamp += 16;
    bytes block = reseal(w, &b, key_of(w, &b.header.author));
    assert_int_equal(import(w, 1, block), IMPORT_EARLY);
    assert_int_equal(w->retry_ms, (b.header.timestamp - 15) * 1000);
    w->step++;
    assert_int_equal(import(w, 1, block), IMPORT_HEAD);
    net_free(w);
}

static void orphans_and_known_blocks_are_told(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    bytes block[2];
    for (size_t i = 0; i < 2; i++) {
        w->step++;
        block[i] = seal(w, 0);
    }
    assert_int_equal(import(w, 1, block[1]), IMPORT_ORPHAN);
    assert_int_equal(import(w, 1, block[0]), IMPORT_HEAD);
    assert_int_equal(import(w, 1, block[0]), IMPORT_KNOWN);
    assert_int_equal(import(w, 1, block[1]), IMPORT_HEAD);
    assert_int_equal(import(w, 1, block[0]), IMPORT_KNOWN);
    assert_int_equal(w->node[1].n_events, 2);
    net_free(w);
}

/* ------------------------------------------------------------------ forks */

static bool has_tx(struct net *w, size_t node, const hash32 *hash, struct tx_location *loc)
{
    struct kv_txn *txn;
    assert_int_equal(kv_begin(&txn, w->node[node].kv, false), OK);
    enum status s = blocks_get_tx_location(loc, txn, hash);
    kv_abort(txn);
    assert_true(s == OK || s == E_NOT_FOUND);
    return s == OK;
}

static void a_heavier_branch_replaces_the_chain_and_rolls_the_state_back(void **state)
{
    (void)state;
    struct net *w = net_of_list(3, 5); /* five validators: three must have signed before anything is final */
    struct tx_location loc;
    (void)turn(w, 0);
    bytes common = turn(w, 0);
    /* node 1 goes on alone with one block, node 0 with two; node 2 watches both */
    w->step++;
    queue_tx(w, 4, 0, &SOMEONE, u256_from_u64(100), BYTES_EMPTY, 21000);
    queue_tx(w, 4, 1, NULL, U256_ZERO, BYTES_LIT("\x60\x07\x60\x00\x55\x60\x01\x60\x00\xf3"), 100000); /* stores, deploys one byte */
    hash32 moved = w->queue[0].hash, lost = w->queue[1].hash;
    bytes light = seal(w, 1);
    assert_int_equal(import(w, 2, light), IMPORT_HEAD);
    w->step++;
    bytes heavy1 = seal(w, 0); /* same length, a later step: lighter */
    assert_int_equal(import(w, 2, heavy1), IMPORT_SIDE);
    assert_head(w, 2, light);
    assert_true(has_tx(w, 2, &lost, &loc));
    w->step++;
    queue_tx(w, 4, 0, &SOMEONE, u256_from_u64(100), BYTES_EMPTY, 21000);
    hash32 same = w->queue[0].hash;
    assert_hash_equal(same, moved);
    bytes heavy2 = seal(w, 0);
    assert_int_equal(import(w, 2, heavy2), IMPORT_HEAD);

    const struct node *n = &w->node[2];
    hash32 h1 = hash_of(heavy1), h2 = hash_of(heavy2), l = hash_of(light);
    assert_int_equal(n->n_added, 2);
    assert_hash_equal(n->added[0], h1);
    assert_hash_equal(n->added[1], h2);
    assert_int_equal(n->n_removed, 1);
    assert_hash_equal(n->removed[0], l);
    assert_int_equal(n->n_receipts, 1);
    assert_head(w, 2, heavy2);
    assert_state_is_heads(w, 2);
    /* the database is that of the node that never saw the other branch */
    hash32 a = digest_of(w, 0, false), b = digest_of(w, 2, false);
    assert_hash_equal(a, b);
    assert_false(has_tx(w, 2, &lost, &loc));
    assert_true(has_tx(w, 2, &moved, &loc));
    assert_int_equal(loc.number, 4);
    assert_hash_equal(loc.block_hash, h2);
    (void)common;
    /* and back again when the other branch grows by two */
    for (size_t i = 0; i < 2; i++) {
        w->step++;
        light = seal(w, 1);
        enum import_result r = import(w, 2, light);
        assert_int_equal(r, i == 0 ? IMPORT_SIDE : IMPORT_HEAD);
    }
    a = digest_of(w, 1, false);
    b = digest_of(w, 2, false);
    assert_hash_equal(a, b);
    assert_true(has_tx(w, 2, &lost, &loc));
    assert_int_equal(loc.number, 3);
    assert_int_equal(loc.index, 1);
    net_free(w);
}

static void a_branch_of_equal_weight_does_not_replace(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    bytes common = turn(w, 0);
    w->step++;
    bytes one = seal(w, 0);
    struct block b = decode(w, one);
    b.header.timestamp++; /* another block of the same step */
    bytes two = reseal(w, &b, key_of(w, &b.header.author));
    assert_int_equal(import(w, 1, one), IMPORT_HEAD);
    assert_int_equal(import(w, 1, two), IMPORT_SIDE);
    assert_head(w, 1, one);
    assert_int_equal(w->node[1].n_reports, 1); /* two blocks in one step */
    assert_true(w->node[1].reports[0].malicious);
    assert_memory_equal(&w->node[1].reports[0].validator, &b.header.author, 20);
    (void)common;
    net_free(w);
}

static void a_long_split_without_finality_heals(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 4); /* two and two: neither half makes anything final */
    enum { STEPS = 400, BLOCKS = STEPS / 2 };
    bytes *side = arena_zalloc(&w->arena, BLOCKS, sizeof *side);
    assert_non_null(side);
    size_t n[2] = {0, 0};
    bytes last = BYTES_EMPTY;
    for (size_t i = 0; i < STEPS; i++) {
        w->step++;
        size_t half = w->step % 2;
        bytes block = seal(w, half);
        if (half == 0) last = block;
        else side[n[1]] = block;
        n[half]++;
    }
    assert_int_equal(n[0], n[1]);
    assert_int_equal(head_of(w, 0).finalised, 0);
    /* the half of the odd steps seals one more and gives all its blocks to the other */
    w->step++;
    if (w->step % 2 == 0) w->step++;
    bytes tip = seal(w, 1);
    for (size_t i = 0; i < n[1]; i++) {
        enum import_result r = import(w, 0, side[i]);
        assert_true(r == IMPORT_SIDE || r == IMPORT_HEAD);
    }
    enum import_result r = import(w, 0, tip);
    assert_int_equal(r, IMPORT_HEAD);
    assert_head(w, 0, tip);
    assert_state_is_heads(w, 0);
    (void)last;
    /* whole again, all four seal and things become final */
    for (size_t i = 0; i < 4; i++)
        (void)turn(w, i % 2);
    assert_true(head_of(w, 0).finalised >= BLOCKS);
    assert_int_equal(head_of(w, 0).finalised, head_of(w, 1).finalised);
    net_free(w);
}

static void no_reorganisation_goes_past_a_finalised_block(void **state)
{
    (void)state;
    struct net *w = net_of_list(3, 3);
    (void)turn(w, 0);
    /* nodes 0 and 1 go on and finalise; node 2 seals a branch of its own that gets heavier */
    bytes main_chain = BYTES_EMPTY;
    for (size_t i = 0; i < 3; i++) {
        w->step++;
        main_chain = seal(w, 0);
        assert_int_equal(import(w, 1, main_chain), IMPORT_HEAD);
    }
    assert_true(head_of(w, 1).finalised >= 2);
    bytes other[6];
    for (size_t i = 0; i < COUNT_OF(other); i++) {
        w->step++;
        other[i] = seal(w, 2);
    }
    assert_int_equal(import(w, 1, other[0]), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_PAST_FINALITY);
    for (size_t i = 1; i < COUNT_OF(other); i++)
        assert_int_equal(import(w, 1, other[i]), IMPORT_ORPHAN);
    assert_head(w, 1, main_chain);
    net_free(w);
}

static void side_blocks_are_dropped_when_finality_passes_them(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    (void)turn(w, 0);
    w->step++;
    bytes one = seal(w, 0);
    struct block b = decode(w, one);
    b.header.timestamp++;
    bytes two = reseal(w, &b, key_of(w, &b.header.author));
    hash32 hash = hash_of(two);
    assert_int_equal(import(w, 1, one), IMPORT_HEAD);
    assert_int_equal(import(w, 1, two), IMPORT_SIDE);
    struct kv_txn *txn;
    struct block_meta meta;
    size_t sides = 0;
    assert_int_equal(kv_begin(&txn, w->node[1].kv, false), OK);
    assert_int_equal(blocks_get_meta(&meta, txn, &hash), OK);
    assert_false(meta.executed);
    assert_int_equal(blocks_count_sides(&sides, txn), OK);
    assert_int_equal(sides, 1);
    kv_abort(txn);
    for (size_t i = 0; i < 3; i++)
        (void)turn(w, 0);
    assert_true(head_of(w, 1).finalised >= 2);
    assert_int_equal(kv_begin(&txn, w->node[1].kv, false), OK);
    assert_int_equal(blocks_get_meta(&meta, txn, &hash), E_NOT_FOUND);
    assert_int_equal(blocks_count_sides(&sides, txn), OK);
    assert_int_equal(sides, 0);
    kv_abort(txn);
    assert_int_equal(import(w, 1, two), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_PAST_FINALITY);
    net_free(w);
}

static void what_stands_on_a_dropped_side_block_is_past_finality(void **state)
{
    (void)state;
    struct net *w = net_of_list(3, 5);
    (void)turn(w, 0);
    const struct {
        size_t node;
        enum import_result want;
    } plan[] = {{0, IMPORT_HEAD}, {0, IMPORT_HEAD}, {1, IMPORT_SIDE}, {1, IMPORT_SIDE}, {0, IMPORT_HEAD}};
    for (size_t i = 0; i < COUNT_OF(plan); i++) {
        w->step++;
        assert_int_equal(import(w, 2, seal(w, plan[i].node)), plan[i].want);
    }
    while (head_of(w, 2).finalised < 2) {
        w->step++;
        assert_int_equal(import(w, 2, seal(w, 0)), IMPORT_HEAD);
    }
    assert_int_equal(head_of(w, 2).finalised, 2); /* the first side block is gone, its child is not */
    w->step++;
    bytes block = seal(w, 1);
    node_restart(w, 2);
    assert_int_equal(import(w, 2, block), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_PAST_FINALITY);
    net_free(w);
}

static void an_invalid_block_in_a_heavier_branch_leaves_the_head_and_is_remembered(void **state)
{
    (void)state;
    struct net *w = net_of_list(3, 5);
    (void)turn(w, 0);
    w->step++;
    bytes light = seal(w, 1);
    assert_int_equal(import(w, 2, light), IMPORT_HEAD);
    /* the branch: good, bad (its state root is seen by execution only), then two on top of it */
    w->step++;
    bytes good = seal(w, 0);
    assert_int_equal(import(w, 2, good), IMPORT_SIDE);
    hash32 parent = hash_of(good);
    bytes branch[3];
    for (size_t i = 0; i < 3; i++) {
        w->step++;
        struct block b = decode(w, seal(w, 0));
        b.header.parent_hash = parent;
        if (i == 0) b.header.state_root.b[0] ^= 1;
        branch[i] = reseal(w, &b, key_of(w, &b.header.author));
        parent = hash_of(branch[i]);
    }
    hash32 before = digest_of(w, 2, false);
    size_t events = w->node[2].n_events;
    assert_int_equal(import(w, 2, branch[0]), IMPORT_BAD); /* it makes the branch the heavier one and so is executed */
    assert_int_equal(w->verdict, BLOCK_STATE_ROOT);
    hash32 after = digest_of(w, 2, false);
    assert_hash_equal(before, after);
    assert_head(w, 2, light);
    assert_int_equal(w->node[2].n_events, events);
    assert_int_equal(import(w, 2, branch[0]), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_STATE_ROOT);
    assert_int_equal(import(w, 2, branch[1]), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_BAD_PARENT);
    node_restart(w, 2); /* judged anew, with the same result */
    assert_int_equal(import(w, 2, branch[1]), IMPORT_ORPHAN);
    assert_int_equal(import(w, 2, branch[0]), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_STATE_ROOT);
    assert_int_equal(import(w, 2, branch[1]), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_BAD_PARENT);
    assert_head(w, 2, light);
    net_free(w);
}

static void a_bad_block_deep_in_a_branch_condemns_all_that_stands_on_it(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 5);
    (void)turn(w, 0);
    /* node 1's own chain of two blocks; the branch begins later, so it needs three, and the first is bad */
    bytes own = BYTES_EMPTY;
    for (size_t i = 0; i < 2; i++) {
        w->step++;
        own = seal(w, 1);
    }
    bytes branch[4];
    hash32 parent = {{0}};
    for (size_t i = 0; i < 4; i++) {
        w->step++;
        struct block b = decode(w, seal(w, 0));
        if (i == 0) b.header.state_root.b[0] ^= 1;
        else b.header.parent_hash = parent;
        branch[i] = reseal(w, &b, key_of(w, &b.header.author));
        parent = hash_of(branch[i]);
    }
    assert_int_equal(import(w, 1, branch[0]), IMPORT_SIDE);
    assert_int_equal(import(w, 1, branch[1]), IMPORT_SIDE);
    assert_int_equal(import(w, 1, branch[2]), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_BAD_PARENT);
    assert_head(w, 1, own);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(import(w, 1, branch[i]), IMPORT_BAD);
    net_free(w);
}

static void a_branch_refused_by_a_wrong_spec_is_taken_once_the_spec_is_right(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 5);
    (void)turn(w, 0);
    /* node 1 was started with a spec that lacks a transition, and so refuses what the others build */
    chain_close(w->node[1].chain);
    struct chain_spec old = w->spec;
    struct chain_config cfg = {0};
    old.eip1344 = TRANSITION_NEVER; /* CHAINID */
    assert_int_equal(chain_open(&w->node[1].chain, w->node[1].kv, &old, &cfg, &w->err), OK);
    bytes own = (w->step++, seal(w, 1)), branch[3];
    for (size_t i = 0; i < COUNT_OF(branch); i++) {
        w->step++;
        if (i == 0) queue_tx(w, 4, 0, NULL, U256_ZERO, BYTES_LIT("\x46\x60\x00\x55\x00"), 100000); /* stores the chain's id */
        branch[i] = seal(w, 0);
    }
    assert_int_equal(import(w, 1, branch[0]), IMPORT_SIDE);
    assert_int_equal(import(w, 1, branch[1]), IMPORT_BAD);
    assert_int_equal(import(w, 1, branch[2]), IMPORT_BAD);
    assert_head(w, 1, own);
    node_restart(w, 1);
    for (size_t i = 0; i < COUNT_OF(branch); i++)
        assert_int_equal(import(w, 1, branch[i]), i == 0 ? IMPORT_SIDE : IMPORT_HEAD);
    assert_head(w, 1, branch[2]);
    net_free(w);
}

/* --------------------------------------------------------------- finality */

/* finalised number after each block when all of n validators seal in turn */
static void check_finality(struct net *w, const uint64_t *want, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)turn(w, 0);
        for (size_t k = 0; k < w->n_nodes; k++)
            assert_int_equal(head_of(w, k).finalised, want[i]);
        if (i % 3 == 1) node_restart(w, 1); /* the window is read back from the database */
        assert_int_equal(head_of(w, 1).finalised, want[i]);
    }
    net_free(w);
}

static void a_block_is_final_when_more_than_half_have_built_on_it_twice(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    check_finality(w, (const uint64_t[]){0, 0, 1, 2, 3}, 5);
    w = net_of_list(2, 4);
    check_finality(w, (const uint64_t[]){0, 0, 0, 0, 1, 2, 3}, 7);
    w = net_of_list(2, 2);
    check_finality(w, (const uint64_t[]){0, 0, 1, 2, 3}, 5);
}

static void two_thirds_count_from_their_transition_on(void **state)
{
    (void)state;
    struct net *w = net_new();
    net_open(w, 2, arena_printf(&w->arena, "\"twoThirdsMajorityTransition\":4,%s", validators_list(w, 5)), LONDON, "");
    /* up to block 3 three of five are enough; from block 4 on it takes four */
    check_finality(w, (const uint64_t[]){0, 0, 0, 0, 1, 2, 3, 3, 3, 4, 5}, 11);
}

static void one_of_two_alone_never_makes_anything_final(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 2);
    struct chain_epoch e;
    for (size_t i = 0; i < 10; i++) {
        w->step++;
        (void)turn(w, 0);
        assert_int_equal(head_of(w, 1).finalised, 0);
        chain_get_epoch(&e, w->node[1].chain);
        assert_int_equal(e.signers_seen, 1);
        assert_int_equal(e.signers_needed, 2);
    }
    net_free(w);
}

/* ---------------------------------------------------------------- reports */

static void skipped_steps_are_reported_once_for_each_validator(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    (void)turn(w, 0);
    assert_int_equal(w->node[1].n_reports, 0); /* not at block 1 */
    w->step += 2;
    (void)turn(w, 0);
    assert_int_equal(w->node[1].n_reports, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct chain_report *r = &w->node[1].reports[i];
        assert_false(r->malicious);
        assert_int_equal(r->block, 2);
        assert_memory_equal(&r->validator, &w->addr[(w->step - 2 + i) % 3], 20);
    }
    w->step += 20;
    (void)turn(w, 0);
    assert_int_equal(w->node[1].n_reports, 5); /* all three, once */
    net_free(w);
}

/* another step, with the difficulty that belongs to it */
static void move_step(struct block *b, int by)
{
    for (; by > 0; by--) {
        b->header.step++;
        b->header.difficulty = u256_sub(b->header.difficulty, U256_ONE);
    }
    for (; by < 0; by++) {
        b->header.step--;
        b->header.difficulty = u256_add(b->header.difficulty, U256_ONE);
    }
}

static void what_a_validator_has_signed_against_the_rules_is_reported(void **state)
{
    (void)state;
    struct net *w = net_new();
    net_open(w, 2, arena_printf(&w->arena, "\"validateScoreTransition\":1000,%s", validators_list(w, 3)), LONDON, "");
    (void)turn(w, 0);
    w->step++;
    bytes good = seal(w, 0);
    struct node *n = &w->node[1];

    struct block b = decode(w, good);
    size_t key = key_of(w, &b.header.author);
    move_step(&b, -1);
    assert_int_equal(import(w, 1, reseal(w, &b, key)), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_STEP);
    assert_int_equal(n->n_reports, 1);
    assert_true(n->reports[0].malicious);

    b = decode(w, good);
    b.header.author = w->addr[(key + 1) % 3];
    assert_int_equal(import(w, 1, reseal(w, &b, (key + 1) % 3)), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_NOT_PROPOSER);
    assert_int_equal(n->n_reports, 2);
    assert_false(n->reports[1].malicious);

    b = decode(w, good);
    move_step(&b, 10);
    assert_int_equal(import(w, 1, reseal(w, &b, key)), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_FUTURE);
    assert_int_equal(n->n_reports, 3);
    assert_false(n->reports[2].malicious);
    net_free(w);
}

static void nobody_is_reported_for_what_others_can_forge(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    (void)turn(w, 0);
    w->step++;
    bytes good = seal(w, 0);
    struct node *n = &w->node[1];
    struct block b = decode(w, good); /* a step that the signature does not cover */
    b.header.step--;
    assert_int_equal(import(w, 1, encode(w, &b)), IMPORT_BAD);
    assert_int_equal(w->verdict, BLOCK_STEP);
    b = decode(w, good); /* a seal of somebody else's */
    move_step(&b, 10);
    assert_int_equal(import(w, 1, reseal(w, &b, 4)), IMPORT_BAD);
    b.header.author = w->addr[5]; /* a stranger's */
    assert_int_equal(import(w, 1, reseal(w, &b, 5)), IMPORT_BAD);
    /* the same seal in its other form, s' = n - s: another block hash, but no second block of the validator's */
    b = decode(w, good);
    static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
                                      0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};
    u256 s = u256_sub(u256_from_be(order), u256_from_be(b.header.signature + 32));
    u256_to_be(b.header.signature + 32, &s);
    b.header.signature[64] ^= 1;
    assert_int_equal(import(w, 1, good), IMPORT_HEAD);
    assert_int_equal(import(w, 1, encode(w, &b)), IMPORT_SIDE);
    assert_int_equal(n->n_reports, 0);
    net_free(w);
}

/* A node on an empty disk, or for a key whose seals are elsewhere: what that key promised stands in the chain of the others. */
static void a_key_that_nothing_is_known_of_waits_two_rounds_on_a_chain_that_goes_on(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    bytes block[12], mine = BYTES_EMPTY;
    for (size_t i = 0; i < COUNT_OF(block); i++) { /* all three seal on node 0 */
        w->step++;
        block[i] = seal(w, 0);
    }
    for (size_t i = 0; i < COUNT_OF(block); i++)
        assert_int_equal(import(w, 1, block[i]), IMPORT_HEAD);
    const uint64_t began = w->step;
    for (size_t i = 0; i < 5; i++) {
        w->step++;
        assert_int_equal(propose_as(&mine, w, 1, key_in_turn(w, 1)), E_AGAIN);
    }
    w->step = began + 6;
    assert_int_equal(propose_as(&mine, w, 1, key_in_turn(w, 1)), OK);
    net_free(w);
}

static void a_step_in_which_a_block_of_the_key_was_seen_is_not_sealed_again(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 2);
    bytes mine = BYTES_EMPTY;
    (void)turn(w, 0);
    w->step += 2;
    const size_t key = key_in_turn(w, 0);
    const bytes other = seal(w, 0); /* on node 0's disk, which is lost; node 1 has another block before it and the same key now */
    w->step--;
    (void)seal(w, 1);
    w->step++;
    assert_int_equal(import(w, 1, other), IMPORT_SIDE);
    assert_int_equal(propose_as(&mine, w, 1, key), E_EXISTS);
    w->step += 2;
    assert_int_equal(propose_as(&mine, w, 1, key), OK);
    net_free(w);
}

static void recall(struct net *w, size_t node, size_t key, bool want)
{
    bool forgot = !want;
    assert_int_equal(chain_recall(&forgot, w->node[node].chain, &w->addr[key], &w->kept[key]), OK);
    assert_int_equal(forgot, want);
}

/* SPEC(lib/eth/promise.h) */
static void a_lone_key_on_an_empty_disk_waits_for_the_block_that_it_has_promised(void **state)
{
    (void)state;
    struct net *w = net_of_list(3, 1);
    bytes block[4], mine = BYTES_EMPTY;
    w->has_store = true;
    recall(w, 0, 0, false); /* as it was made: it has signed nothing */
    for (size_t i = 0; i < COUNT_OF(block); i++) {
        w->step++;
        block[i] = seal(w, 0);
        assert_int_equal(w->kept[0].lock_number, i + 1);
    }
    assert_int_equal(head_of(w, 0).finalised, 4);
    assert_int_equal(import(w, 1, block[0]), IMPORT_HEAD);
    w->kept[0].until_ms = now_ms(w) + 2 * STEP_S * 1000; /* so far it may have signed without asking */
    recall(w, 1, 0, true);
    w->step += 2;
    assert_int_equal(propose_as(&mine, w, 1, 0), E_AGAIN);
    assert_non_null(strstr(err_text(&w->err), "on another disk"));
    w->step++;
    for (size_t i = 1; i < COUNT_OF(block); i++) {
        assert_int_equal(propose_as(&mine, w, 1, 0), E_AGAIN);
        assert_non_null(strstr(err_text(&w->err), "has promised block 4"));
        assert_int_equal(import(w, 1, block[i]), IMPORT_HEAD);
        node_restart(w, 1); /* nor does a restart free it */
        recall(w, 1, 0, true);
    }
    assert_int_equal(propose_as(&mine, w, 1, 0), OK);
    /* the disk of before comes back: it is the older one now */
    recall(w, 0, 0, true);
    w->step++;
    assert_int_equal(propose_as(&mine, w, 0, 0), E_AGAIN);
    /* while the one that goes on needs no word of the store's for its own restart, nor after a seal that came to nothing */
    node_restart(w, 1);
    recall(w, 1, 0, false);
    w->sign_status = E_IO;
    assert_int_equal(propose_as(&mine, w, 1, 0), E_IO);
    w->sign_status = OK;
    node_restart(w, 1);
    recall(w, 1, 0, false);
    w->step++;
    assert_int_equal(propose_as(&mine, w, 1, 0), OK);
    net_free(w);
}

static void a_key_that_is_known_to_be_new_need_not_watch_before_its_first_seal(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    bytes mine = BYTES_EMPTY;
    for (size_t i = 0; i < 11; i++) {
        w->step++;
        const bytes block = seal(w, 0);
        assert_int_equal(import(w, 1, block), IMPORT_HEAD);
    }
    w->has_store = true;
    w->step++;
    recall(w, 1, key_in_turn(w, 1), false);
    assert_int_equal(propose_as(&mine, w, 1, key_in_turn(w, 1)), OK);
    net_free(w);
}

static void a_seal_that_cannot_be_kept_is_no_vote_or_is_none(void **state)
{
    (void)state;
    struct net *w = net_of_list(1, 1);
    bytes mine = BYTES_EMPTY;
    w->has_store = true;
    w->step++;
    assert_int_equal(propose_as(&mine, w, 0, 0), E_NOT_FOUND); /* nothing was recalled */
    recall(w, 0, 0, false);
    assert_int_equal(propose_as(&mine, w, 0, 0), OK);
    assert_int_equal(head_of(w, 0).finalised, 1);
    w->keep_status = E_AGAIN;
    for (int i = 0; i < 3; i++) {
        w->step++;
        assert_int_equal(propose_as(&mine, w, 0, 0), OK);
    }
    assert_int_equal(head_of(w, 0).number, 4);
    assert_int_equal(head_of(w, 0).finalised, 1);
    w->keep_status = E_DENIED;
    w->step++;
    assert_int_equal(propose_as(&mine, w, 0, 0), E_DENIED);
    w->keep_status = OK;
    w->step++;
    assert_int_equal(propose_as(&mine, w, 0, 0), OK);
    assert_int_equal(head_of(w, 0).finalised, 5); /* and all before it */
    net_free(w);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_public_chains_open_with_their_published_genesis_hashes),
        cmocka_unit_test(a_database_of_another_genesis_is_refused),
        cmocka_unit_test(a_database_of_a_later_form_is_refused_by_name),
        cmocka_unit_test(a_changed_spec_is_executed_anew_and_an_unchanged_one_is_not),
        cmocka_unit_test(one_validator_seals_blocks_with_transactions),
        cmocka_unit_test(three_validators_take_turns_by_list),
        cmocka_unit_test(only_whose_turn_it_is_may_propose),
        cmocka_unit_test(a_step_is_signed_once_also_after_a_restart),
        cmocka_unit_test(each_fault_gives_its_verdict_and_changes_nothing),
        cmocka_unit_test(the_child_of_a_refused_block_is_refused),
        cmocka_unit_test(a_damaged_body_is_not_held_against_the_block),
        cmocka_unit_test(an_early_block_is_imported_when_its_step_has_come),
        cmocka_unit_test(a_timestamp_a_little_ahead_is_early_too),
        cmocka_unit_test(orphans_and_known_blocks_are_told),
        cmocka_unit_test(a_heavier_branch_replaces_the_chain_and_rolls_the_state_back),
        cmocka_unit_test(a_branch_of_equal_weight_does_not_replace),
        cmocka_unit_test(a_long_split_without_finality_heals),
        cmocka_unit_test(no_reorganisation_goes_past_a_finalised_block),
        cmocka_unit_test(side_blocks_are_dropped_when_finality_passes_them),
        cmocka_unit_test(what_stands_on_a_dropped_side_block_is_past_finality),
        cmocka_unit_test(an_invalid_block_in_a_heavier_branch_leaves_the_head_and_is_remembered),
        cmocka_unit_test(a_bad_block_deep_in_a_branch_condemns_all_that_stands_on_it),
        cmocka_unit_test(a_branch_refused_by_a_wrong_spec_is_taken_once_the_spec_is_right),
        cmocka_unit_test(a_block_is_final_when_more_than_half_have_built_on_it_twice),
        cmocka_unit_test(two_thirds_count_from_their_transition_on),
        cmocka_unit_test(one_of_two_alone_never_makes_anything_final),
        cmocka_unit_test(skipped_steps_are_reported_once_for_each_validator),
        cmocka_unit_test(a_lone_key_on_an_empty_disk_waits_for_the_block_that_it_has_promised),
        cmocka_unit_test(a_key_that_is_known_to_be_new_need_not_watch_before_its_first_seal),
        cmocka_unit_test(a_seal_that_cannot_be_kept_is_no_vote_or_is_none),
        cmocka_unit_test(what_a_validator_has_signed_against_the_rules_is_reported),
        cmocka_unit_test(nobody_is_reported_for_what_others_can_forge),
        cmocka_unit_test(a_key_that_nothing_is_known_of_waits_two_rounds_on_a_chain_that_goes_on),
        cmocka_unit_test(a_step_in_which_a_block_of_the_key_was_seen_is_not_sealed_again),
    };
    return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
