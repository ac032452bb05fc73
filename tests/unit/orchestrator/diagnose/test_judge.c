#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "orchestrator/diagnose/diagnose.h"

#include <cmocka.h>

static struct diag_facts f;
static struct diag_finding out[DIAG_CAUSE_N];

#define PUT(dst, text) ((void)snprintf((dst), sizeof(dst), "%s", (text)))

static void put_validator(size_t i, uint64_t last_step)
{
    struct diag_validator *v = &f.validators[i];
    (void)snprintf(v->address, sizeof v->address, "0x%040zx", i + 1);
    v->last_step = last_step;
    v->is_online = last_step + 2 * f.n_validators + 2 >= f.step;
}

/* three nodes, three validators, everything well */
static void well(void)
{
    f = (struct diag_facts){.is_started = true, .is_finished = true, .keeper_pid = 7, .disk_free = 1ULL << 40, .disk_min = 1 << 29, .store_answers = true,
                            .has_chain = true, .now_ms = 2000000000, .step = 1000000, .step_ms = 2000, .head_step = 1000000, .head_timestamp = 2000000,
                            .n_nodes = 3, .n_validators = 3, .n_walked = 19, .n_headers = 19, .signers_needed = 2, .has_identities = true, .n_identities = 3};
    PUT(f.dir, "/w");
    PUT(f.genesis, "0xaa");
    for (size_t i = 0; i < 2; i++) {
        PUT(f.programs[i].name, i == 0 ? "identity-store" : "haproxy");
        f.programs[i].pid = 10 + (long)i;
        f.programs[i].starts = 1;
        f.programs[i].up_ms = 100000;
    }
    for (size_t i = 0; i < 3; i++) {
        struct diag_node *n = &f.nodes[i];
        (void)snprintf(n->program.name, sizeof n->program.name, "vl-00000%zu", i);
        (void)snprintf(n->address, sizeof n->address, "127.1.1.1%zu", i);
        n->program.pid = 20 + (long)i;
        n->program.starts = 1;
        n->program.up_ms = 100000;
        n->answers = n->has_peers = n->has_author = n->is_sealing = n->has_clock = n->has_lease = true;
        n->peers = 2;
        n->block = 500;
        n->finalised = 499;
        n->lease_ms = 40000;
        PUT(n->genesis, "0xAA");
        put_validator(i, 1000000 - i);
        PUT(n->author, f.validators[i].address);
        PUT(f.validators[i].instance, n->program.name);
        (void)snprintf(f.identities[i].blob, sizeof f.identities[i].blob, "identity-%zu.json", i);
        PUT(f.identities[i].address, f.validators[i].address);
        PUT(f.identities[i].hostname, n->program.name);
        f.identities[i].is_leased = true;
    }
}

static enum diag_cause first(void)
{
    size_t n = diagnose_judge(out, DIAG_CAUSE_N, &f);
    if (n == 0) return DIAG_CAUSE_N;
    for (size_t i = 0; i < n; i++) {
        assert_true(out[i].text[0] != '\0' && out[i].evidence[0] != '\0' && out[i].mend[0] != '\0');
        assert_null(strchr(out[i].text, '\n'));
        if (i > 0) assert_true(out[i].cause > out[i - 1].cause);
    }
    return out[0].cause;
}

static void what_is_well_has_no_finding(void **state)
{
    (void)state;
    well();
    assert_int_equal(first(), DIAG_CAUSE_N);
}

/* who has not sealed since a long pause of all may not have had a turn yet */
static void a_network_that_has_just_started_is_not_ill(void **state)
{
    (void)state;
    well();
    put_validator(1, 900000);
    put_validator(2, 900001);
    assert_int_equal(first(), DIAG_VALIDATOR_OFFLINE);
    f.resumed_step = f.step - 5;
    assert_int_equal(first(), DIAG_CAUSE_N);
    assert_false(diagnose_has_settled(&f));
    f.resumed_step = f.step - 8;
    assert_int_equal(first(), DIAG_VALIDATOR_OFFLINE);
    f.resumed_step = 0;
    for (size_t i = 0; i < 3; i++)
        f.nodes[i].program.up_ms = 11000 - i;
    assert_int_equal(first(), DIAG_CAUSE_N);
    f.head_step -= 50000; /* before the first block after it */
    for (size_t i = 0; i < 3; i++)
        put_validator(i, 900000 + i);
    assert_int_equal(first(), DIAG_CAUSE_N);
    f.nodes[1].program.up_ms = 16000;
    assert_int_equal(first(), DIAG_STALLED);
    /* one node alone that was started again */
    well();
    put_validator(1, 999900);
    assert_int_equal(first(), DIAG_VALIDATOR_OFFLINE);
    f.nodes[1].program.up_ms = 15000;
    assert_int_equal(first(), DIAG_CAUSE_N);
}

/* the command that mends is one that can be run as it stands */
static void a_node_that_ends_again_and_again(void **state)
{
    (void)state;
    well();
    struct diag_node *n = &f.nodes[1];
    n->answers = false;
    n->program.pid = 0;
    n->program.starts = 5;
    PUT(n->config, "/w/etc/poa-node.yaml");
    PUT(n->database, "/w/db");
    PUT(n->program.end, "exit=1");
    PUT(n->program.error, "/w/db: cannot open the database: MDB_INVALID: File is not an LMDB file");
    assert_int_equal(first(), DIAG_NODE_DOWN);
    assert_non_null(strstr(out[0].text, "database of the node vl-000001 is damaged"));
    assert_ptr_equal(strstr(out[0].mend, "mv /w/db /w/db.damaged "), out[0].mend);
    PUT(f.store_error, "list blobs: SSL certificate problem: unable to get local issuer certificate");
    f.store_answers = false;
    assert_int_equal(first(), DIAG_STORE_DOWN);
    assert_non_null(strstr(out[0].text, "certificate of the identity store"));
    assert_ptr_equal(strstr(out[0].mend, "openssl verify -CAfile /w/local/store/ca.pem "), out[0].mend);
    f.store_answers = true;
    PUT(n->program.error, "/w/etc/poa-node.yaml: colour: no such setting");
    assert_int_equal(first(), DIAG_NODE_DOWN);
    assert_ptr_equal(strstr(out[0].mend, "poa-node --config /w/etc/poa-node.yaml --check-config "), out[0].mend);
}

/* what has the addresses is a network of ours: it is not to be killed */
static void another_network_with_the_same_addresses(void **state)
{
    (void)state;
    well();
    PUT(f.programs[0].busy, "127.1.0.2:8443 is held by poa-identity-st (process 4242)");
    f.programs[0].busy_pid = 4242;
    f.programs[0].pid = 0;
    assert_int_equal(first(), DIAG_PORT_BUSY);
    assert_string_equal(out[0].mend, "kill 4242");
    PUT(f.programs[0].busy_workspace, "/other");
    assert_int_equal(first(), DIAG_PORT_BUSY);
    assert_non_null(strstr(out[0].text, "the one in /other"));
    assert_ptr_equal(strstr(out[0].mend, "poa-deploy down /w "), out[0].mend);
    assert_null(strstr(out[0].mend, "kill"));
    PUT(f.programs[0].busy_workspace, "/w"); /* left over from an earlier keeper of this one */
    assert_int_equal(first(), DIAG_PORT_BUSY);
    assert_string_equal(out[0].mend, "kill 4242");
}

static void processes(void **state)
{
    (void)state;
    well();
    f.is_started = false;
    assert_int_equal(first(), DIAG_UNFINISHED);
    well();
    f.keeper_pid = 0;
    assert_int_equal(first(), DIAG_KEEPER_DOWN);
    assert_string_equal(out[0].mend, "poa-deploy up /w");
    well();
    f.disk_free = 1 << 20;
    assert_int_equal(first(), DIAG_DISK);
    well();
    PUT(f.nodes[2].program.busy, "127.1.1.12:8545 is held by nc (process 4242)");
    f.nodes[2].program.busy_pid = 4242;
    f.nodes[2].program.pid = 0;
    assert_int_equal(first(), DIAG_PORT_BUSY);
    assert_string_equal(out[0].mend, "kill 4242");
    well();
    f.programs[0].pid = 0;
    f.store_answers = false;
    assert_int_equal(first(), DIAG_STORE_DOWN);
    well();
    f.programs[1].stopped = true;
    assert_int_equal(first(), DIAG_BALANCER_DOWN);
    assert_string_equal(out[0].mend, "kill -CONT 11");
}

static void nodes_that_do_not_run(void **state)
{
    (void)state;
    well();
    f.nodes[1].program.pid = 0;
    f.nodes[1].program.starts = 4;
    f.nodes[1].answers = false;
    PUT(f.nodes[1].program.error, "no space left on device");
    PUT(f.nodes[1].program.end, "exit=1");
    assert_int_equal(first(), DIAG_NODE_DOWN);
    assert_non_null(strstr(out[0].text, "vl-000001 ends again and again"));
    assert_non_null(strstr(out[0].evidence, "no space left"));
    f.nodes[2].program.pid = 0;
    assert_int_equal(first(), DIAG_NODE_DOWN);
    assert_non_null(strstr(out[0].text, "2 of 3 nodes do not run: vl-000001, vl-000002"));
    well();
    f.nodes[0].answers = false;
    assert_int_equal(first(), DIAG_NODE_HUNG);
    f.nodes[0].program.up_ms = 100;
    assert_int_equal(first(), DIAG_NODE_HUNG);
    assert_non_null(strstr(out[0].text, "just started"));
}

static void identities(void **state)
{
    (void)state;
    well();
    PUT(f.nodes[1].genesis, "0xbb");
    assert_int_equal(first(), DIAG_GENESIS);
    well();
    PUT(f.peer_genesis, "0xcc");
    assert_int_equal(first(), DIAG_GENESIS);
    well();
    f.nodes[1].lost_identity = true;
    f.nodes[1].lease_ms = 0;
    assert_int_equal(first(), DIAG_LEASE_TAKEN);
    assert_non_null(strstr(out[0].mend, "--break-lease identity-1.json"));
    well();
    f.nodes[1].answers = f.nodes[1].has_author = false;
    f.nodes[1].waits_identity = true;
    assert_int_equal(first(), DIAG_IDENTITY_EXHAUSTED);
    assert_non_null(strstr(out[0].text, "all 3"));
    assert_non_null(strstr(out[0].mend, "--break-lease identity-1.json")); /* the one that no running node uses */
    f.identities[1].is_leased = false;
    assert_int_equal(first(), DIAG_IDENTITY_EXHAUSTED);
    assert_non_null(strstr(out[0].text, "1 of 3 are free"));
}

static void clocks(void **state)
{
    (void)state;
    well();
    f.nodes[2].skew_ms = -1000;
    assert_int_equal(first(), DIAG_CAUSE_N); /* half a step is still good */
    f.nodes[2].skew_ms = -1001;
    assert_int_equal(first(), DIAG_CLOCK);
    assert_non_null(strstr(out[0].text, "vl-000002 is 1.0 s behind"));
    well();
    f.head_timestamp += 10;
    assert_int_equal(first(), DIAG_CLOCK);
    assert_non_null(strstr(out[0].text, "10 s in the future"));
}

static void a_promised_block_that_is_not_there(void **state)
{
    (void)state;
    well();
    f.nodes[1].waits_promise = true;
    assert_int_equal(first(), DIAG_PROMISE);
    assert_non_null(strstr(out[0].mend, "--instance vl-000001"));
    f.nodes[1].is_syncing = true; /* it may yet come */
    assert_int_not_equal(first(), DIAG_PROMISE);
}

static void peers(void **state)
{
    (void)state;
    well();
    f.nodes[1].peers = 0;
    f.nodes[1].advertised_open = true;
    assert_int_equal(first(), DIAG_NO_PEERS);
    f.nodes[1].program.up_ms = 3000; /* it has hardly begun */
    assert_int_equal(first(), DIAG_CAUSE_N);
    well();
    f.nodes[1].block = 494;
    assert_int_equal(first(), DIAG_SYNCING);
    assert_non_null(strstr(out[0].text, "block 494 of 500"));
    well();
    f.nodes[0].is_syncing = true;
    f.nodes[0].highest = 9000;
    assert_int_equal(first(), DIAG_SYNCING);
    assert_non_null(strstr(out[0].text, "block 500 of 9000"));
}

static void chains(void **state)
{
    (void)state;
    well();
    f.step += 9;
    for (size_t i = 0; i < 3; i++)
        put_validator(i, 1000000 - i);
    assert_int_equal(first(), DIAG_STALLED);
    assert_non_null(strstr(out[0].evidence, "step 1000006: 0x0000000000000000000000000000000000000002")); /* 1000006 mod 3 is 1 */
    well();
    put_validator(1, 999000);
    put_validator(2, 0);
    for (size_t i = 0; i < 3; i++)
        f.nodes[i].finalised = 400;
    assert_int_equal(first(), DIAG_NO_FINALITY);
    assert_non_null(strstr(out[0].text, "1 of 3 seal, 2 are needed"));
    assert_non_null(strstr(out[0].evidence, "last sealed step 999000, 1000 ago"));
    assert_non_null(strstr(out[0].evidence, "no block in the last 19"));
    f.has_pending = true;
    f.pending_block = 450;
    assert_int_equal(first(), DIAG_CHANGE_WAITS);
    well();
    f.has_pending = true;
    f.pending_block = 498;
    assert_int_equal(first(), DIAG_CAUSE_N); /* it is on its way */
    well();
    f.has_queue = true;
    f.queued = 2;
    assert_int_equal(first(), DIAG_CHANGE_WAITS);
    well();
    put_validator(1, 999000);
    f.validators[1].instance[0] = '\0';
    /* an identity of our own store that no node has is not another member's */
    assert_int_equal(first(), DIAG_VALIDATOR_OFFLINE);
    assert_non_null(strstr(out[0].evidence, "identity-1.json of this member, last with vl-000001"));
    assert_non_null(strstr(out[0].mend, "poa-deploy logs /w"));
    f.identities[1].hostname[0] = '\0';
    assert_int_equal(first(), DIAG_VALIDATOR_OFFLINE);
    assert_non_null(strstr(out[0].evidence, "identity-1.json of this member, which no node has"));
    PUT(f.identities[1].address, "");
    assert_int_equal(first(), DIAG_VALIDATOR_OFFLINE);
    assert_non_null(strstr(out[0].mend, "poa-deploy up DIR"));
    /* where nobody seals, there are no others that carry on */
    f.step += 50;
    assert_int_equal(first(), DIAG_STALLED);
    for (size_t i = 0; i < 3; i++)
        put_validator(i, 1000000 - i);
    const size_t n = diagnose_judge(out, DIAG_CAUSE_N, &f);
    for (size_t i = 0; i < n; i++)
        assert_int_not_equal(out[i].cause, DIAG_VALIDATOR_OFFLINE);
}

/* 200 validators, all missing: nothing is written past its end */
static void what_the_store_refuses(void **state)
{
    (void)state;
    well();
    f.nodes[1].answers = f.nodes[1].has_lease = false;
    f.nodes[1].waits_identity = true;
    PUT(f.nodes[1].identity_line, "list blobs: gives no token to client vl-000001: HTTP 401 invalid_client: ...");
    assert_int_equal(first(), DIAG_ACCESS);
    assert_non_null(strstr(out[0].text, "vl-000001: it does not take its secret"));
    assert_non_null(strstr(out[0].mend, "--renew-access"));
    PUT(f.nodes[1].identity_line, "read secret: HTTP 403 Forbidden");
    assert_int_equal(first(), DIAG_ACCESS);
    assert_non_null(strstr(out[0].text, "may not do what it asks for"));
    PUT(f.nodes[1].identity_line, "identity-2.json: the key in https://v/secrets/x is not that of the address in the document");
    assert_int_equal(first(), DIAG_KEY);
    assert_non_null(strstr(out[0].mend, "rotate /w --index 2"));
    /* an old line of a node that has its lease again says nothing */
    f.nodes[1].answers = f.nodes[1].has_lease = true;
    f.nodes[1].waits_identity = false;
    assert_int_equal(diagnose_judge(out, DIAG_CAUSE_N, &f), 0);
}

static void forks(void **state)
{
    (void)state;
    well();
    f.fork_block = 480;
    f.fork_common = 412;
    PUT(f.fork_best, "0xaaaaaaaaaaaaaaaa");
    PUT(f.nodes[2].fork_hash, "0xbbbbbbbbbbbbbbbb");
    assert_int_equal(first(), DIAG_FORK);
    assert_non_null(strstr(out[0].text, "vl-000002 is on another chain than vl-000000: they parted after block 412"));
    assert_non_null(strstr(out[0].mend, "rm -r"));
    f.nodes[2].peers = 0; /* data is not deleted where a connection would do */
    (void)first();
    assert_null(strstr(out[0].mend, "rm -r"));
}

static void long_lists_are_cut(void **state)
{
    (void)state;
    well();
    f.n_validators = 200;
    f.signers_needed = 101;
    for (size_t i = 0; i < 200; i++)
        put_validator(i, 5);
    for (size_t i = 0; i < 3; i++)
        f.nodes[i].finalised = 10;
    f.nodes[0].program.up_ms = 1000000; /* everybody has had two turns */
    f.nodes[0].block = f.nodes[1].block = f.nodes[2].block = 5000;
    f.n_headers = 256;
    assert_int_equal(first(), DIAG_NO_FINALITY);
    assert_non_null(strstr(out[0].evidence, ", ..."));
}

/* what a run that failed has written down explains why there is nothing yet */
static void what_stopped_a_deployment(void **state)
{
    (void)state;
    well();
    f.is_started = false;
    PUT(f.failure, "the vault's name kv-poa-77 is held by a deleted vault of another resource group (/subscriptions/x) until 2026-12-01: purge it");
    assert_int_equal(first(), DIAG_VAULT_HELD);
    assert_non_null(strstr(out[0].text, "kv-poa-77"));
    assert_non_null(strstr(out[0].mend, "az keyvault purge --name kv-poa-77 "));
    assert_int_equal(diagnose_judge(out, DIAG_CAUSE_N, &f), 1);
    PUT(f.failure, "the deployment failed: ConflictError: A vault with the same name already exists in deleted state.");
    assert_int_equal(first(), DIAG_VAULT_HELD);
    PUT(f.failure, "Azure cannot take this deployment: quota in westeurope: 4 cores are needed, and 3 of 3 are left");
    assert_int_equal(first(), DIAG_QUOTA);
    assert_non_null(strstr(out[0].mend, "--location westeurope "));
    PUT(f.failure, "the deployment failed: OperationNotAllowed: Operation could not be completed as it results in exceeding approved Total Regional Cores quota");
    assert_int_equal(first(), DIAG_QUOTA);
    PUT(f.failure, "the host 192.0.2.7 does not answer");
    assert_int_equal(first(), DIAG_UNFINISHED);
    assert_non_null(strstr(out[0].evidence, "192.0.2.7"));
}

static void rules(void **state)
{
    (void)state;
    well();
    PUT(f.nodes[1].spec.path, "params.eip1884Transition");
    PUT(f.nodes[1].spec.ours, "\"0x0\"");
    PUT(f.nodes[1].spec.theirs, "nothing");
    assert_int_equal(first(), DIAG_RULES);
    assert_non_null(strstr(out[0].text, "vl-000001 reads the chain by other rules: params.eip1884Transition is nothing there"));
    assert_string_equal(out[0].mend, "kill 21    (the keeper starts it again, it takes the store's specification anew)");
    PUT(f.nodes[1].spec_file, "/etc/old.json");
    assert_int_equal(first(), DIAG_RULES);
    assert_string_equal(out[0].mend, "cp /w/spec.json /etc/old.json && kill 21    (the keeper starts it again)");
    /* which of the two chains is longer says nothing of which is right */
    f.fork_block = 400;
    PUT(f.nodes[0].fork_hash, "0x1234567890");
    PUT(f.nodes[1].database, "/w/db");
    assert_int_equal(first(), DIAG_RULES);
    assert_non_null(strstr(out[0].mend, "kill 21 && rm -r /w/db    ("));
    well();
    PUT(f.peer_spec.path, "engine");
    PUT(f.peer_spec.theirs, "1");
    PUT(f.peer_data, "http://127.9.1.1");
    assert_int_equal(first(), DIAG_RULES);
    assert_non_null(strstr(out[0].evidence, "http://127.9.1.1"));
}

static void load(void **state)
{
    (void)state;
    well();
    f.memory_min = 96 << 20;
    f.memory_free = 95 << 20;
    f.nodes[2].memory_bytes = 700 << 20;
    assert_int_equal(first(), DIAG_MEMORY);
    assert_non_null(strstr(out[0].evidence, "vl-000002 has 700 MiB"));
    well();
    f.n_full = 5;
    assert_int_equal(first(), DIAG_CAUSE_N); /* full, and nobody waits */
    f.pool_pending = 12;
    f.gas_limit = 50000000;
    f.gas_used = 49999000;
    assert_int_equal(first(), DIAG_OVERLOADED);
    assert_non_null(strstr(out[0].text, "the last 5 used all their gas, and 12 transactions wait"));
    assert_non_null(strstr(out[0].mend, "gas_floor_target: 100000000"));
    f.n_full = 4; /* a burst */
    assert_int_equal(first(), DIAG_CAUSE_N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_well_has_no_finding), cmocka_unit_test(processes), cmocka_unit_test(a_node_that_ends_again_and_again), cmocka_unit_test(a_network_that_has_just_started_is_not_ill), cmocka_unit_test(another_network_with_the_same_addresses), cmocka_unit_test(nodes_that_do_not_run),
        cmocka_unit_test(identities),                  cmocka_unit_test(clocks), cmocka_unit_test(a_promised_block_that_is_not_there),    cmocka_unit_test(peers),
        cmocka_unit_test(chains),                      cmocka_unit_test(long_lists_are_cut), cmocka_unit_test(what_stopped_a_deployment), cmocka_unit_test(rules), cmocka_unit_test(load), cmocka_unit_test(what_the_store_refuses), cmocka_unit_test(forks),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
