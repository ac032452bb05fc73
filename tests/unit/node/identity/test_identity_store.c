/* node/identity against the real poa-identity-store: named by POA_IDENTITY_STORE, or the one of the same build; skipped without it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/azure/blob.h"
#include "lib/azure/identity_doc.h"
#include "lib/azure/keyvault.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/secp256k1.h"
#include "lib/crypto/tls.h"
#include "lib/eth/abi_call.h"
#include "lib/eth/promise.h"
#include "lib/eth/tx.h"
#include "node/identity/identity.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { KEYS = 3, LEASE_S = 15 };

struct world {
    char program[4096], dir[64], base[64], ca[96], token_uri[128];
    pid_t pid;
    unsigned port;
    secret32 key[KEYS];
    uint8_t address[KEYS][20];
};

struct seen {
    pthread_mutex_t lock;
    unsigned acquired, lost;
    enum identity_loss why;
    uint8_t address[20];
    secret32 node_key;
    char trouble[600];
};

static unsigned free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void write_file(const struct world *w, const char *name, bytes data)
{
    char path[256];
    struct err err = {0};
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    if (file_write_atomic(path, data, 0600, &err) != OK) fail_msg("%s", err_text(&err));
}

/* <build>/unit/node/identity/test_x -> <build>/poa-identity-store */
static bool find_program(char *dst, size_t cap)
{
    char self[3800];
    const char *named = getenv("POA_IDENTITY_STORE");
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (named == NULL && n <= 0) return false;
    self[n > 0 ? n : 0] = 0;
    for (int up = 0; up < 4 && strrchr(self, '/') != NULL; up++) *strrchr(self, '/') = 0;
    if (named) snprintf(dst, cap, "%s", named);
    else snprintf(dst, cap, "%s/poa-identity-store", self);
    return access(dst, X_OK) == 0;
}

static void start_store(struct world *w)
{
    char config[256];
    snprintf(config, sizeof config, "%s/store.yaml", w->dir);
    w->pid = fork();
    assert_true(w->pid >= 0);
    if (w->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed setup leaves nothing behind */
        execl(w->program, "poa-identity-store", "--config", config, (char *)NULL);
        _exit(127);
    }
    struct azure_service_config sc = {.base_uri = w->base, .ca_file = w->ca, .attempt_ms = 500, .deadline_ms = 4000};
    struct keyvault *v;
    struct err err = {0};
    assert_int_equal(keyvault_new(&v, &sc, &err), OK);
    enum status s = E_NET;
    for (int i = 0; i < 1000 && s != OK; i++) { /* a first start makes an RSA key */
        s = keyvault_probe(v, 50, &err);
        if (s != OK) clock_sleep_ms(10);
    }
    if (s != OK) fail_msg("%s", err_text(&err));
    keyvault_free(v);
}

static void stop_store(struct world *w, int sig)
{
    int status;
    if (w->pid <= 0) return;
    kill(w->pid, sig);
    waitpid(w->pid, &status, 0);
    w->pid = 0;
}

static void make_tls(struct world *w)
{
    struct buf ca_key, ca_cert, key, cert;
    buf_init(&ca_key, 8192);
    buf_init(&ca_cert, 8192);
    buf_init(&key, 8192);
    buf_init(&cert, 8192);
    assert_int_equal(tls_make_ca(&ca_key, &ca_cert, "test", 2, NULL), OK);
    assert_int_equal(tls_make_server(&key, &cert, buf_view(&ca_key), buf_view(&ca_cert), "127.0.0.1", 2, NULL), OK);
    write_file(w, "ca.pem", buf_view(&ca_cert));
    write_file(w, "tls.pem", buf_view(&cert));
    write_file(w, "tls.key", buf_view(&key));
    buf_fini(&ca_key);
    buf_fini(&ca_cert);
    buf_fini(&key);
    buf_fini(&cert);
}

static void put_client(struct buf *b, const char *id, const char *role)
{
    uint8_t h[32];
    char hex[65];
    sha256(h, id, strlen(id)); /* the secret is the id: it is a test */
    hex_put(hex, h, 32);
    hex[64] = 0;
    buf_printf(b, "  - {id: %s, secret_sha256: \"%s\", role: %s, container: poa-config}\n", id, hex, role);
}

/* secrets, container and blobs as the orchestrator makes them */
static void provision(struct world *w)
{
    struct err err = {0};
    struct azure_token_source *tokens;
    struct keyvault *v;
    struct blob_store *b;
    struct azure_token_config tc = {.token_uri = w->token_uri, .client_id = "orchestrator", .client_secret = "orchestrator", .ca_file = w->ca};
    assert_int_equal(azure_token_source_new(&tokens, &tc, &err), OK);
    struct azure_service_config sc = {.base_uri = w->base, .ca_file = w->ca, .tokens = tokens, .deadline_ms = 3000};
    assert_int_equal(keyvault_new(&v, &sc, &err), OK);
    assert_int_equal(blob_store_new(&b, &sc, &err), OK);
    enum status s = blob_container_create(b, "poa-config", &err);
    if (s != OK) fail_msg("%s", err_text(&err));
    assert_int_equal(blob_container_create(b, "poa-config", &err), E_EXISTS);
    assert_int_equal(blob_put(b, "poa-config", "spec.json", "application/json", BYTES_LIT("{\"a\":1}"), NULL, 0, NULL, &err), OK);
    for (unsigned i = 0; i < KEYS; i++) {
        char hex[65], name[32];
        uint8_t pub[64];
        struct identity_doc doc = {0};
        struct buf json;
        ec_secret_generate(&w->key[i]);
        assert_int_equal(ec_public(pub, &w->key[i]), OK);
        ec_address(w->address[i], pub);
        hex_put(hex, w->key[i].b, 32);
        hex[64] = 0;
        snprintf(name, sizeof name, "validator-%u", i);
        struct keyvault_tag tag = {"address", "0x00"};
        assert_int_equal(keyvault_secret_set(doc.secret_uri, v, name, bytes_str(hex), NULL, &tag, 1, &err), OK);
        memcpy(doc.address, w->address[i], 20);
        buf_init(&json, IDENTITY_DOC_MAX);
        identity_doc_put(&json, &doc);
        identity_blob_name(name, i);
        assert_int_equal(blob_put(b, "poa-config", name, "application/json", buf_view(&json), NULL, 0, NULL, &err), OK);
        buf_fini(&json);
    }
    keyvault_free(v);
    blob_store_free(b);
    azure_token_source_free(tokens);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct buf text;
    assert_true(find_program(w->program, sizeof w->program));
    strncpy(w->dir, "/tmp/poa-identity-XXXXXX", sizeof w->dir - 1);
    assert_non_null(mkdtemp(w->dir));
    w->port = free_port();
    snprintf(w->base, sizeof w->base, "https://127.0.0.1:%u", w->port);
    snprintf(w->ca, sizeof w->ca, "%s/ca.pem", w->dir);
    snprintf(w->token_uri, sizeof w->token_uri, "%s/poa/oauth2/v2.0/token", w->base);
    make_tls(w);
    buf_init(&text, 8192);
    buf_printf(&text, "listen: {address: 127.0.0.1, port: %u}\ntls: {cert: tls.pem, key: tls.key}\ndata_dir: data\nclients_file: clients.yaml\nlog_level: error\n",
               w->port);
    write_file(w, "store.yaml", buf_view(&text));
    buf_clear(&text);
    buf_put_str(&text, "clients:\n");
    put_client(&text, "orchestrator", "orchestrator");
    put_client(&text, "node-a", "node");
    put_client(&text, "node-b", "node");
    write_file(w, "clients.yaml", buf_view(&text));
    buf_fini(&text);
    start_store(w);
    provision(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    if (w == NULL) return 0;
    stop_store(w, SIGTERM);
    if (file_remove_tree(w->dir, &err) != OK) print_message("%s\n", err_text(&err));
    free(w);
    return 0;
}

static void on_acquired(void *ctx, const uint8_t addr[20], const secret32 *node_key)
{
    struct seen *s = ctx;
    pthread_mutex_lock(&s->lock);
    s->acquired++;
    memcpy(s->address, addr, 20);
    s->node_key = *node_key;
    pthread_mutex_unlock(&s->lock);
}

static void on_lost(void *ctx, enum identity_loss why)
{
    struct seen *s = ctx;
    pthread_mutex_lock(&s->lock);
    s->lost++;
    s->why = why;
    pthread_mutex_unlock(&s->lock);
}

static void on_trouble(void *ctx, const char *text)
{
    struct seen *s = ctx;
    pthread_mutex_lock(&s->lock);
    snprintf(s->trouble, sizeof s->trouble, "%s", text);
    pthread_mutex_unlock(&s->lock);
}

static bool wait_count(struct seen *s, const unsigned *count, unsigned want, unsigned timeout_ms)
{
    for (uint64_t end = clock_mono_ms() + timeout_ms; clock_mono_ms() < end; clock_sleep_ms(5)) {
        pthread_mutex_lock(&s->lock);
        bool good = *count >= want;
        pthread_mutex_unlock(&s->lock);
        if (good) return true;
    }
    return false;
}

static struct identity *start_node(const struct world *w, const char *client, struct seen *seen, unsigned renew_ms, unsigned margin_ms)
{
    char base_path[128];
    struct identity *id;
    struct err err = {0};
    *seen = (struct seen){.lock = PTHREAD_MUTEX_INITIALIZER};
    snprintf(base_path, sizeof base_path, "%s/%s", w->dir, client);
    struct identity_config cfg = {.vault_uri = w->base, .blob_uri = w->base, .ca_file = w->ca, .hostname = client, .region = "here",
                                  .base_path = base_path, .lease_s = LEASE_S, .renew_ms = renew_ms, .margin_ms = margin_ms,
                                  .token = {.token_uri = w->token_uri, .client_id = client, .client_secret = client, .ca_file = w->ca}};
    struct identity_callbacks cb = {seen, on_acquired, on_lost, on_trouble};
    if (identity_start(&id, &cfg, &cb, &err) != OK) fail_msg("%s", err_text(&err));
    return id;
}

static unsigned which(const struct world *w, const uint8_t addr[20])
{
    for (unsigned i = 0; i < KEYS; i++)
        if (memcmp(w->address[i], addr, 20) == 0) return i;
    fail_msg("an address of nobody");
    return 0;
}

static void two_nodes_get_two_identities_sign_publish_and_find_each_other(void **state)
{
    struct world *w = *state;
    struct seen a, b;
    struct identity *na = start_node(w, "node-a", &a, 1000, 2000), *nb = start_node(w, "node-b", &b, 1000, 2000);
    assert_true(wait_count(&a, &a.acquired, 1, 3000));
    assert_true(wait_count(&b, &b.acquired, 1, 3000));
    assert_memory_not_equal(a.address, b.address, 20);
    uint8_t hash[32] = {1}, hash2[32] = {2}, sig[65], who[20];
    assert_int_equal(identity_sign(na, sig, hash, 100), OK);
    assert_int_equal(ec_recover_address(who, sig, hash), OK);
    assert_memory_equal(who, a.address, 20);
    assert_int_equal(identity_sign(na, sig, hash, 100), OK); /* the same again */
    assert_int_equal(identity_sign(na, sig, hash2, 100), E_CONFLICT);
    assert_int_equal(identity_sign(na, sig, hash2, 99), E_CONFLICT);
    assert_int_equal(identity_sign(na, sig, hash2, 101), OK);
    /* of transactions it signs reports of misbehaviour, its own, and nothing else */
    uint8_t call[4 + 64] = {0xd6, 0x9f, 0x13, 0xbb};
    struct tx tx = {.type = TX_LEGACY, .has_chain_id = true, .chain_id = 7, .has_to = true, .gas_limit = 500000, .data = BYTES_OF(call)};
    memcpy(tx.sender.b, a.address, 20);
    hash32 digest = tx_signing_hash(&tx);
    assert_int_equal(identity_sign_service(na, sig, &tx), OK);
    assert_int_equal(ec_recover_address(who, sig, digest.b), OK);
    assert_memory_equal(who, a.address, 20);
    assert_int_equal(identity_sign_service(nb, sig, &tx), E_DENIED);
    tx.value = u256_from_u64(1);
    assert_int_equal(identity_sign_service(na, sig, &tx), E_INVALID);
    tx.value = U256_ZERO;
    call[0] = 0xa9; /* transfer(address,uint256) */
    assert_int_equal(identity_sign_service(na, sig, &tx), E_INVALID);
    /* and its part in the randomness, whose numbers its key alone makes */
    uint8_t reveal[4 + 32], number[32], again[32];
    abi_selector(reveal, "revealNumber(uint256)");
    tx.data = BYTES_OF(reveal);
    assert_int_equal(identity_sign_service(na, sig, &tx), OK);
    tx.data.len--;
    assert_int_equal(identity_sign_service(na, sig, &tx), E_INVALID);
    assert_int_equal(identity_derive(na, number, BYTES_LIT("round 1")), OK);
    assert_int_equal(identity_derive(na, again, BYTES_LIT("round 1")), OK);
    assert_memory_equal(number, again, 32);
    assert_int_equal(identity_derive(nb, again, BYTES_LIT("round 1")), OK);
    assert_memory_not_equal(number, again, 32);
    secret32 want;
    identity_node_key(&want, &w->key[which(w, a.address)]);
    assert_memory_equal(want.b, a.node_key.b, 32);
    struct err err = {0};
    struct buf urls, spec;
    size_t n = 0;
    buf_init(&urls, 4096);
    buf_init(&spec, 4096);
    if (identity_publish(na, "enode://aa@127.0.0.1:30300", &err) != OK) fail_msg("%s", err_text(&err));
    assert_int_equal(identity_list_bootnodes(nb, &urls, &n, &err), OK);
    assert_int_equal(n, 1);
    assert_string_equal((const char *)urls.ptr, "enode://aa@127.0.0.1:30300");
    assert_int_equal(identity_get_blob(nb, &spec, "spec.json", &err), OK);
    assert_true(bytes_eq_str(buf_view(&spec), "{\"a\":1}"));
    buf_fini(&urls);
    buf_fini(&spec);
    identity_stop(na, true);
    assert_int_equal(a.lost, 1);
    assert_int_equal(a.why, IDENTITY_LOST_STOPPED);
    identity_stop(nb, true);
}

static void a_restarted_node_has_its_identity_back_at_once_and_its_journal(void **state)
{
    struct world *w = *state;
    struct seen a;
    uint8_t before[20], hash[32] = {7}, other[32] = {8}, sig[65];
    struct identity *n = start_node(w, "node-a", &a, 1000, 2000);
    assert_true(wait_count(&a, &a.acquired, 1, 3000));
    memcpy(before, a.address, 20);
    assert_int_equal(identity_sign(n, sig, hash, 5000), OK);
    identity_stop(n, false); /* as if it were killed: the lease stays */
    uint64_t t0 = clock_mono_ms();
    n = start_node(w, "node-a", &a, 1000, 2000);
    assert_true(wait_count(&a, &a.acquired, 1, 3000));
    assert_true(clock_mono_ms() - t0 < 1500);
    assert_memory_equal(before, a.address, 20);
    assert_int_equal(identity_sign(n, sig, other, 5000), E_CONFLICT);
    assert_int_equal(identity_sign(n, sig, other, 4999), E_CONFLICT);
    assert_int_equal(identity_sign(n, sig, hash, 5000), OK);
    identity_stop(n, true);
}

static void the_store_may_be_killed_and_come_back_within_the_lease(void **state)
{
    struct world *w = *state;
    struct seen a;
    uint8_t hash[32] = {3}, sig[65];
    struct identity *n = start_node(w, "node-b", &a, 300, 2000);
    assert_true(wait_count(&a, &a.acquired, 1, 3000));
    stop_store(w, SIGKILL);
    clock_sleep_ms(800);
    assert_int_equal(identity_sign(n, sig, hash, 9000), OK); /* surely held still */
    start_store(w);
    uint64_t before = identity_can_sign_ms(n);
    for (int i = 0; i < 300 && identity_can_sign_ms(n) <= before; i++) clock_sleep_ms(10);
    assert_true(identity_can_sign_ms(n) > before);
    assert_int_equal(a.lost, 0);
    identity_stop(n, true);
}

/* SPEC(lib/eth/promise.h) */
static void what_a_key_promises_stands_beside_it_whoever_has_it_next(void **state)
{
    struct world *w = *state;
    struct seen a, b;
    struct err err = {0};
    struct key_promise p = {.step = 9050, .before = 9040, .lock_step = 9049, .lock_number = 33, .parent = {{5}}, .lock_hash = {{6}}}, got = {0};
    uint8_t first[20];
    unsigned i = 99, j = 98;
    struct identity *n = start_node(w, "node-a", &a, 300, 2000);
    assert_true(wait_count(&a, &a.acquired, 1, 3000));
    assert_true(identity_index(n, &i));
    memcpy(first, a.address, 20);
    assert_int_equal(identity_recall(n, &got), E_NOT_FOUND);
    assert_int_equal(identity_keep(n, &p, clock_wall_ms()), OK);
    assert_int_equal(identity_recall(n, &got), OK);
    if (identity_publish(n, "enode://aa@127.0.0.1:30300", &err) != OK) fail_msg("%s", err_text(&err)); /* the same blob */
    const uint64_t until = got.until_ms;
    assert_true(until > clock_wall_ms() + 10000 && until <= clock_wall_ms() + LEASE_S * 1000);
    for (int k = 0; k < 400 && got.until_ms < until + 500; k++) { /* the renewals move it on */
        clock_sleep_ms(10);
        assert_int_equal(identity_recall(n, &got), OK);
    }
    assert_true(got.until_ms >= until + 500);
    stop_store(w, SIGKILL);
    p.step++;
    const uint64_t t0 = clock_mono_ms();
    assert_int_equal(identity_keep(n, &p, clock_wall_ms()), E_AGAIN); /* it is covered */
    assert_true(clock_mono_ms() - t0 < 1000);
    assert_int_equal(identity_keep(n, &p, clock_wall_ms() + LEASE_S * 1000 + 1000), E_DENIED);
    start_store(w);
    enum status s = E_AGAIN;
    for (int k = 0; k < 300 && s != OK; k++) s = identity_keep(n, &p, clock_wall_ms());
    assert_int_equal(s, OK);
    identity_stop(n, true);
    /* the next one, on a disk that knows of nothing */
    n = start_node(w, "node-b", &b, 1000, 2000);
    assert_true(wait_count(&b, &b.acquired, 1, 3000));
    assert_true(identity_index(n, &j));
    assert_int_equal(i, j);
    assert_memory_equal(first, b.address, 20);
    assert_int_equal(identity_recall(n, &got), OK);
    assert_int_equal(got.step, 9051);
    assert_int_equal(got.lock_number, 33);
    assert_memory_equal(&got.parent, &p.parent, 32);
    assert_true(got.until_ms <= clock_wall_ms()); /* it was given back: nothing was signed after that */
    identity_stop(n, true);
}

static void signing_ends_before_the_lease_does_when_nobody_answers(void **state)
{
    struct world *w = *state;
    struct seen a;
    uint8_t hash[32] = {4}, sig[65], addr[20];
    struct identity *n = start_node(w, "node-a", &a, 300, 14000); /* surely held for one second after a renewal */
    assert_true(wait_count(&a, &a.acquired, 1, 3000));
    assert_int_equal(identity_sign(n, sig, hash, 9100), OK);
    stop_store(w, SIGKILL);
    clock_sleep_ms(1100);
    assert_int_equal(identity_can_sign_ms(n), 0);
    assert_int_equal(identity_sign(n, sig, hash, 9101), E_DENIED);
    assert_int_equal(identity_address(n, addr), OK); /* it may come back */
    start_store(w);
    for (int i = 0; i < 300 && identity_can_sign_ms(n) == 0; i++) clock_sleep_ms(10);
    assert_int_equal(identity_sign(n, sig, hash, 9101), OK);
    identity_stop(n, true);
}

static void a_broken_lease_ends_signing_and_another_identity_is_taken(void **state)
{
    struct world *w = *state;
    struct seen a;
    struct err err = {0};
    unsigned i = 99;
    char name[32];
    struct identity *n = start_node(w, "node-a", &a, 300, 2000);
    assert_true(wait_count(&a, &a.acquired, 1, 3000));
    assert_true(identity_index(n, &i));
    identity_blob_name(name, i);
    struct azure_token_source *tokens;
    struct blob_store *b;
    struct azure_token_config tc = {.token_uri = w->token_uri, .client_id = "orchestrator", .client_secret = "orchestrator", .ca_file = w->ca};
    assert_int_equal(azure_token_source_new(&tokens, &tc, &err), OK);
    struct azure_service_config sc = {.base_uri = w->base, .ca_file = w->ca, .tokens = tokens, .deadline_ms = 3000};
    assert_int_equal(blob_store_new(&b, &sc, &err), OK);
    unsigned left = 99;
    assert_int_equal(blob_lease_break(&left, b, "poa-config", name, 0, 0, &err), OK);
    assert_int_equal(left, 0);
    char mine[BLOB_LEASE_ID_LEN + 1];
    blob_lease_id_new(mine);
    assert_int_equal(blob_lease_acquire(b, "poa-config", name, -1, mine, 0, &err), OK);
    assert_true(wait_count(&a, &a.lost, 1, 3000));
    assert_int_equal(a.why, IDENTITY_LOST_TAKEN);
    assert_true(wait_count(&a, &a.acquired, 2, 4000));
    unsigned j = i;
    assert_true(identity_index(n, &j));
    assert_int_not_equal(i, j);
    assert_int_equal(blob_lease_release(b, "poa-config", name, mine, 0, &err), OK);
    identity_stop(n, true);
    blob_store_free(b);
    azure_token_source_free(tokens);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    char program[4096];
    if (!find_program(program, sizeof program)) {
        puts("1..0 # SKIP poa-identity-store is not built (or name it by POA_IDENTITY_STORE)");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_nodes_get_two_identities_sign_publish_and_find_each_other),
        cmocka_unit_test(a_restarted_node_has_its_identity_back_at_once_and_its_journal),
        cmocka_unit_test(the_store_may_be_killed_and_come_back_within_the_lease),
        cmocka_unit_test(what_a_key_promises_stands_beside_it_whoever_has_it_next),
        cmocka_unit_test(signing_ends_before_the_lease_does_when_nobody_answers),
        cmocka_unit_test(a_broken_lease_ends_signing_and_another_identity_is_taken),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
