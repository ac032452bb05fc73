/* Blocks of others: the faults that they may have, and what is reported (aura.md B4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/node/chain/chain_fixture.h"

#include <cmocka.h>

static const address SOMEONE = {{0xaa, 0xbb}};

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
    assert_refused(w, 1, BYTES_LIT("\xc0"), BLOCK_MALFORMED);
    assert_int_equal(import(w, 1, good), IMPORT_HEAD);
    net_free(w);
}

static void the_child_of_a_refused_block_is_refused(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    struct block b = decode(w, seal_next(w, 0));
    b.header.state_root.b[0] ^= 1;
    bytes bad = reseal(w, &b, key_of(w, &b.header.author));
    assert_int_equal(import(w, 1, bad), IMPORT_BAD);
    struct block child = decode(w, seal_next(w, 0));
    child.header.parent_hash = hash_of(bad);
    assert_refused(w, 1, reseal(w, &child, key_of(w, &child.header.author)), BLOCK_BAD_PARENT);
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
    assert_refused(w, 1, encode(w, &b), BLOCK_TX_ROOT);
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
    assert_refused(w, 1, block, BLOCK_FUTURE);
    w->step += 5;
    assert_int_equal(import(w, 1, block), IMPORT_HEAD);
    net_free(w);
}

static void a_timestamp_a_little_ahead_is_early_too(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    struct block b = decode(w, seal_next(w, 0));
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
    for (size_t i = 0; i < 2; i++)
        block[i] = seal_next(w, 0);
    assert_int_equal(import(w, 1, block[1]), IMPORT_ORPHAN);
    assert_int_equal(import(w, 1, block[0]), IMPORT_HEAD);
    assert_int_equal(import(w, 1, block[0]), IMPORT_KNOWN);
    assert_int_equal(import(w, 1, block[1]), IMPORT_HEAD);
    assert_int_equal(import(w, 1, block[0]), IMPORT_KNOWN);
    assert_int_equal(w->node[1].n_events, 2);
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
    bytes good = seal_next(w, 0);
    struct node *n = &w->node[1];

    struct block b = decode(w, good);
    size_t key = key_of(w, &b.header.author);
    move_step(&b, -1);
    assert_refused(w, 1, reseal(w, &b, key), BLOCK_STEP);
    assert_int_equal(n->n_reports, 1);
    assert_true(n->reports[0].malicious);

    b = decode(w, good);
    b.header.author = w->addr[(key + 1) % 3];
    assert_refused(w, 1, reseal(w, &b, (key + 1) % 3), BLOCK_NOT_PROPOSER);
    assert_int_equal(n->n_reports, 2);
    assert_false(n->reports[1].malicious);

    b = decode(w, good);
    move_step(&b, 10);
    assert_refused(w, 1, reseal(w, &b, key), BLOCK_FUTURE);
    assert_int_equal(n->n_reports, 3);
    assert_false(n->reports[2].malicious);
    net_free(w);
}

static void nobody_is_reported_for_what_others_can_forge(void **state)
{
    (void)state;
    struct net *w = net_of_list(2, 3);
    (void)turn(w, 0);
    bytes good = seal_next(w, 0);
    struct node *n = &w->node[1];
    struct block b = decode(w, good); /* a step that the signature does not cover */
    b.header.step--;
    assert_refused(w, 1, encode(w, &b), BLOCK_STEP);
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

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_gives_its_verdict_and_changes_nothing),
        cmocka_unit_test(the_child_of_a_refused_block_is_refused),
        cmocka_unit_test(a_damaged_body_is_not_held_against_the_block),
        cmocka_unit_test(an_early_block_is_imported_when_its_step_has_come),
        cmocka_unit_test(a_timestamp_a_little_ahead_is_early_too),
        cmocka_unit_test(orphans_and_known_blocks_are_told),
        cmocka_unit_test(skipped_steps_are_reported_once_for_each_validator),
        cmocka_unit_test(what_a_validator_has_signed_against_the_rules_is_reported),
        cmocka_unit_test(nobody_is_reported_for_what_others_can_forge),
    };
    return cmocka_run_group_tests_name("chain: import", tests, NULL, NULL);
}
