/* Official BlockchainTests: blocks on a genesis, some of which must be refused; the last head and the state after it are given. */
#include "node/evm_tool/tool.h"

#include "lib/codec/rlp.h"
#include "node/chain/execute.h"
#include "node/evm_tool/ethchain.h"
#include "node/store/tables.h"

struct blocktest {
    struct evm *evm;
    struct buf rlp;
};

/* import_blocks: ret NULL, or what went other than the test says (in text) */
static const char *import_blocks(struct blocktest *t, struct ethchain *c, const json_t *blocks, char *text, size_t len)
{
    size_t i;
    json_t *b;
    json_array_foreach(blocks, i, b) {
        const json_t *due = json_object_get(b, "expectException");
        const bool wants_refusal = due != NULL || json_object_get(b, "blockHeader") == NULL;
        const char *bad = NULL;
        buf_clear(&t->rlp);
        if (!case_bytes(&t->rlp, json_object_get(b, "rlp"))) {
            if (wants_refusal) continue;
            (void)snprintf(text, len, "block %zu: rlp is no hex", i);
            return text;
        }
        enum status st = ethchain_import(&bad, c, buf_view(&t->rlp));
        if (st == OK && (bad != NULL) == wants_refusal) continue;
        if (st != OK)
            (void)snprintf(text, len, "block %zu: our own trouble: %s", i, status_text(st));
        else if (bad != NULL)
            (void)snprintf(text, len, "block %zu was refused: %s", i, bad);
        else
            (void)snprintf(text, len, "block %zu was taken, %s was due", i, due != NULL ? json_string_value(due) : "a refusal");
        return text;
    }
    return NULL;
}

/* check_end: head and state.  ret NULL, or what differs */
static const char *check_end(const struct ethchain *c, json_t *test)
{
    hash32 head, want;
    const struct header *h = ethchain_head(c, &head);
    if (!case_hash(&want, test, "lastblockhash") || !hash_eq(&want, &head)) return "another head than lastblockhash";
    if (json_object_get(test, "postState") != NULL) {
        struct kv *kv;
        enum status st = kv_open_memory(&kv, TABLE_N);
        if (st != OK) return status_text(st);
        st = case_load_state(kv, json_object_get(test, "postState"), &want);
        kv_close(kv);
        if (st != OK) return "postState cannot be read";
    } else if (!case_hash(&want, test, "postStateHash")) {
        return "neither postState nor postStateHash";
    }
    return hash_eq(&want, &h->state_root) ? NULL : "another state than postState";
}

static const char *run(struct blocktest *t, const struct network *network, struct kv *kv, json_t *test, char *text, size_t len)
{
    hash32 root, want;
    struct kv_txn *txn = NULL;
    struct ethchain *c = NULL;
    struct buf genesis;
    const char *bad = NULL;
    buf_init(&genesis, 1 << 20);
    enum status st = case_load_state(kv, json_object_get(test, "pre"), &root);
    if (st == OK) st = kv_begin(&txn, kv, true);
    if (st != OK) {
        bad = status_text(st);
        goto out;
    }
    /* genesisRLP is a block: its first item is the header */
    bad = "genesisRLP cannot be read";
    if (!case_bytes(&genesis, json_object_get(test, "genesisRLP"))) goto out;
    bytes block = buf_view(&genesis), list;
    if (rlp_get_list(&list, &block) != OK || ethchain_open(&c, txn, t->evm, network, list) != OK) goto out;
    bad = "genesis differs";
    if (!hash_eq(&ethchain_head(c, &want)->state_root, &root)) goto out;
    bad = import_blocks(t, c, json_object_get(test, "blocks"), text, len);
    if (bad == NULL) bad = check_end(c, test);
out:
    ethchain_close(c);
    kv_abort(txn);
    buf_fini(&genesis);
    return bad;
}

static void run_test(struct cases *c, const char *name, json_t *test)
{
    const char *net = json_string_value(json_object_get(test, "network")), *bad;
    const json_t *config = json_object_get(test, "config");
    struct network network;
    struct kv *kv;
    char text[300];
    if (net == NULL || json_object_get(test, "blocks") == NULL) {
        cases_fail(c, name, "", "no blockchain test: it has no \"network\" or no \"blocks\"");
        return;
    }
    if (!cases_wants(c, net)) return;
    cases_use_fork(c, net);
    if (network_parse(&network, net) != OK)
        bad = "unknown network";
    else if (json_object_get(config, "chainid") != NULL && !case_u64(&network.chain_id, config, "chainid"))
        bad = "config: bad chainid";
    else if (kv_open_memory(&kv, TABLE_N) != OK)
        bad = "out of memory";
    else {
        bad = run(c->ctx, &network, kv, test, text, sizeof text);
        kv_close(kv);
    }
    if (bad == NULL)
        cases_pass(c, name, "");
    else
        cases_fail(c, name, "", "%s", bad);
}

int tool_blocktest(int argc, char **argv)
{
    struct blocktest t = {0};
    struct cases c = {.command = "blocktest", .run = run_test, .ctx = &t};
    if (evm_new(&t.evm, 0) != OK) BUG("out of memory");
    buf_init(&t.rlp, 1 << 28);
    int rc = cases_main(&c, argc, argv);
    buf_fini(&t.rlp);
    evm_free(t.evm);
    return rc;
}
