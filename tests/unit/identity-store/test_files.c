/* the files that the store reads and writes: settings, clients, audit log, database keys and clock */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "identity-store/audit.h"
#include "identity-store/clients.h"
#include "identity-store/config.h"
#include "identity-store/store.h"
#include "identity-store/text.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char dir[64], file[128];
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    snprintf(p->dir, sizeof p->dir, "/tmp/poa-files-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    IGNORE(file_remove_tree(p->dir, NULL), "a folder of a test");
    free(p);
    return 0;
}

static const char *put(struct place *p, const char *name, const char *text)
{
    snprintf(p->file, sizeof p->file, "%s/%s", p->dir, name);
    assert_int_equal(file_write_atomic(p->file, bytes_str(text), 0600, NULL), OK);
    return p->file;
}

#define HASH "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

static void settings_have_defaults_and_paths_beside_the_file(void **state)
{
    struct place *p = *state;
    struct config c;
    struct err err = {0};
    char want[128];
    if (config_read(&c, put(p, "s.yaml", "data_dir: data # here\nclients_file: /abs/c.yaml\n"), &err) != OK) fail_msg("%s", err_text(&err));
    snprintf(want, sizeof want, "%s/data", p->dir);
    assert_string_equal(c.data_dir, want);
    assert_string_equal(c.clients_file, "/abs/c.yaml");
    snprintf(want, sizeof want, "%s/data/kek", p->dir);
    assert_string_equal(c.kek_file, want);
    assert_string_equal(c.issuer, "http://127.0.0.1:8443");
    assert_int_equal(c.soft_delete_days, 90);
    assert_int_equal(c.token_s, 3600);
    config_fini(&c);
    assert_int_equal(config_read(&c, put(p, "s.json", "{\"listen\":{\"address\":\"10.0.0.1\",\"port\":9},\"tls\":{\"cert\":\"c\",\"key\":\"k\"},\"data_dir\":\"d\","
                                                      "\"clients_file\":\"c\",\"issuer\":\"https://x/\"}"), &err), OK);
    assert_string_equal(c.issuer, "https://x");
    assert_int_equal(c.port, 9);
    config_fini(&c);
}

static void settings_that_are_wrong_are_refused_by_key(void **state)
{
    struct place *p = *state;
    static const struct {
        const char *text, *word;
    } rows[] = {
        {"clients_file: c\n", "data_dir"}, {"data_dir: d\n", "clients_file"}, {"data_dir: d\nclients_file: c\nsurprise: 1\n", "surprise"},
        {"data_dir: d\nclients_file: c\nlisten: {address: host}\n", "listen.address"}, {"data_dir: d\nclients_file: c\nlisten: {port: 70000}\n", "port"},
        {"data_dir: d\nclients_file: c\nlisten: {address: 0.0.0.0}\n", "TLS"},
        {"data_dir: d\nclients_file: c\nmetrics: {address: host}\n", "metrics.address"}, {"data_dir: d\nclients_file: c\nmetrics: {port: 70000}\n", "port"},
        {"data_dir: d\nclients_file: c\nmetrics: {path: /x}\n", "path"}, {"data_dir: d\nclients_file: c\ntls: {cert: x}\n", "key"},
        {"data_dir: d\nclients_file: c\nsoft_delete_days: 6\n", "soft_delete_days"}, {"data_dir: d\nclients_file: c\ntoken_seconds: many\n", "token_seconds"},
        {"data_dir: d\nclients_file: c\ntenant: a/b\n", "tenant"}, {"data_dir: d\nclients_file: c\nissuer: x\n", "issuer"},
        {"data_dir: d\nclients_file: c\nlog_level: loud\n", "log_level"}, {"data_dir: d\ndata_dir: e\nclients_file: c\n", "line 2"},
        {"data_dir: [d\n", "line"}, {"- a\n", "keys"}, {"data_dir: &a d\nclients_file: *a\n", "line"}, {"data_dir: d\n---\nclients_file: c\n", "line 2"},
        {"data_dir: d\nclients_file: c\nkek_vault: {token: {kind: msi}}\n", "secret_uri or key_uri"},
        {"data_dir: d\nclients_file: c\nkek_vault: {token: {kind: msi}, secret_uri: \"https://v/secrets/k\", key_uri: \"https://v/keys/k\"}\n", "one of them"},
        {"data_dir: d\nclients_file: c\nkek_vault: {token: {kind: msi}, key_uri: \"https://v/secrets/k\"}\n", "kek_vault.key_uri"},
        {"data_dir: d\nclients_file: c\nkek_vault: {token: {kind: msi}, key_uri: \"https://v/keys/k\", algorithm: RSA1_5}\n", "kek_vault.algorithm"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct config c = {.port = 77};
        struct err err = {0};
        if (config_read(&c, put(p, "s.yaml", rows[i].text), &err) == OK) fail_msg("taken: %s", rows[i].text);
        if (strstr(err.text, rows[i].word) == NULL) fail_msg("%s: %s", rows[i].text, err.text);
        assert_int_equal(c.port, 77);
    }
    struct config c;
    assert_int_equal(config_read(&c, "/nonexistent/x", NULL), E_NOT_FOUND);
}

static void clients_are_found_and_their_networks_hold(void **state)
{
    struct place *p = *state;
    struct clients c;
    struct err err = {0};
    const char *text = "clients:\n  - {id: zed, secret_sha256: \"" HASH "\", role: node, container: c-1, addresses: [10.1.0.0/20, \"fd00::/8\", 9.9.9.9]}\n"
                       "  - {id: 42, secret_sha256: " HASH ", role: orchestrator}\n";
    if (clients_read(&c, put(p, "c.yaml", text), &err) != OK) fail_msg("%s", err_text(&err));
    const struct client *z = clients_find(&c, "zed"), *n = clients_find(&c, "42");
    assert_non_null(z);
    assert_non_null(n);
    assert_null(clients_find(&c, "ze"));
    assert_string_equal(z->container, "c-1");
    assert_true(client_is_from(z, "10.1.15.255"));
    assert_false(client_is_from(z, "10.1.16.0"));
    assert_true(client_is_from(z, "fd12::1"));
    assert_false(client_is_from(z, "fe80::1"));
    assert_true(client_is_from(z, "9.9.9.9"));
    assert_true(client_is_from(z, "::ffff:9.9.9.9"));
    assert_false(client_is_from(z, "9.9.9.8"));
    assert_false(client_is_from(z, "rubbish"));
    assert_true(client_is_from(n, "1.2.3.4"));
    clients_fini(&c);
}

static void client_files_that_are_wrong_are_refused(void **state)
{
    struct place *p = *state;
    static const char *const bad[] = {
        "", "clients: []", "clients: {}", "clients: [1]", "clients: [{id: a}]", "clients: [{id: a, secret_sha256: \"" HASH "\"}]",
        "clients: [{id: a, secret_sha256: \"" HASH "\", role: king}]", "clients: [{id: a, secret_sha256: \"" HASH "\", role: node}]",
        "clients: [{id: \"a b\", secret_sha256: \"" HASH "\", role: orchestrator}]", "clients: [{id: a, secret_sha256: \"ab\", role: orchestrator}]",
        "clients: [{id: a, secret_sha256: \"" HASH "\", role: orchestrator, secret: x}]",
        "clients: [{id: a, secret_sha256: \"" HASH "\", role: orchestrator, addresses: [10.0.0.0/33]}]",
        "clients: [{id: a, secret_sha256: \"" HASH "\", role: orchestrator, addresses: []}]",
        "clients: [{id: a, secret_sha256: \"" HASH "\", role: orchestrator}, {id: a, secret_sha256: \"" HASH "\", role: orchestrator}]",
        "clients: [{id: a, secret_sha256: \"" HASH "\", role: orchestrator}]\nmore: 1",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct clients c = {.n = 7};
        struct err err = {0};
        if (clients_read(&c, put(p, "c.yaml", bad[i]), &err) == OK) fail_msg("taken: %s", bad[i]);
        assert_int_equal(c.n, 7);
        assert_true(err.text[0] != 0);
    }
}

/* -------------------------------------------------------------------- audit */

static struct audit_event event(const char *object)
{
    return (struct audit_event){"node-0", "node", "127.0.0.1", "secret.get", object, "", "id", 200};
}

static void the_audit_chain_holds_over_restarts_and_shows_every_change(void **state)
{
    struct place *p = *state;
    struct audit a;
    struct err err = {0};
    uint64_t n = 0;
    char path[128];
    snprintf(path, sizeof path, "%s/audit.log", p->dir);
    for (int run = 0; run < 3; run++) {
        assert_int_equal(audit_open(&a, p->dir, NULL, &err), OK);
        struct audit_event e[5];
        for (int i = 0; i < 5; i++) e[i] = event(i == 2 ? "quote\" and \xff rubbish" : "validator-0");
        for (int i = 0; i < 5 && run != 1; i++) assert_int_equal(audit_write(&a, &e[i], 1), OK);
        if (run == 1) assert_int_equal(audit_write(&a, e, 5), OK);
        audit_close(&a);
    }
    assert_int_equal(audit_verify(&n, path, &err), OK);
    assert_int_equal(n, 15);
    struct buf text, changed;
    buf_init(&text, 1 << 20);
    buf_init(&changed, 1 << 20);
    assert_int_equal(file_read(&text, path, NULL), OK);
    for (size_t i = 0; i < text.len; i += 7) {
        buf_clear(&changed);
        buf_put_bytes(&changed, buf_view(&text));
        changed.ptr[i] = changed.ptr[i] == '1' ? '2' : '1';
        assert_int_equal(file_write_atomic(path, buf_view(&changed), 0600, NULL), OK);
        assert_int_equal(audit_verify(&n, path, &err), E_CORRUPT);
    }
    buf_fini(&text);
    buf_fini(&changed);
    unlink(path);
}

static void a_cut_audit_log_is_noticed_and_a_torn_line_repaired(void **state)
{
    struct place *p = *state;
    struct audit a;
    struct err err = {0};
    uint64_t n;
    char path[128];
    snprintf(path, sizeof path, "%s/audit.log", p->dir);
    unlink(path);
    assert_int_equal(audit_open(&a, p->dir, NULL, &err), OK);
    struct audit_event e = event("x");
    for (int i = 0; i < 4; i++) assert_int_equal(audit_write(&a, &e, 1), OK);
    struct audit_head head = audit_head_now(&a);
    assert_int_equal(head.seq, 4);
    audit_close(&a);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    /* a line that was not written to its end, as after a power cut */
    assert_int_equal(truncate(path, st.st_size - 20), 0);
    assert_int_equal(audit_open(&a, p->dir, NULL, &err), OK);
    audit_close(&a);
    assert_int_equal(audit_verify(&n, path, &err), OK);
    assert_int_equal(n, 4); /* three, and the note of the repair */
    /* whole lines taken away: the database knows better */
    assert_int_equal(truncate(path, st.st_size / 4), 0);
    assert_int_equal(audit_open(&a, p->dir, &head, &err), OK);
    assert_int_equal(audit_write(&a, &e, 1), OK);
    audit_close(&a);
    assert_int_equal(audit_verify(&n, path, &err), E_CORRUPT);
    unlink(path);
}

static void audit_lines_that_do_not_fit_on_the_disk_are_not_written_by_halves(void **state)
{
    struct place *p = *state;
    struct audit a;
    struct err err = {0};
    struct stat st;
    struct rlimit was, less;
    uint64_t n = 0;
    char path[160];
    snprintf(path, sizeof path, "%s/audit.log", p->dir);
    assert_int_equal(audit_open(&a, p->dir, NULL, &err), OK);
    struct audit_event e[3] = {event("a"), event("b"), event("c")};
    assert_int_equal(audit_write(&a, e, 3), OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    less = (struct rlimit){.rlim_cur = (rlim_t)st.st_size + 500, .rlim_max = was.rlim_max}; /* room for the first line of three */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &less), 0);
    assert_int_not_equal(audit_write(&a, e, 3), OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    off_t len = st.st_size;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, len);
    assert_int_equal(audit_head_now(&a).seq, 3);
    assert_int_equal(audit_write(&a, e, 2), OK);
    audit_close(&a);
    assert_int_equal(audit_verify(&n, path, &err), OK);
    assert_int_equal(n, 5);
    unlink(path);
}

static void a_full_audit_log_goes_on_in_a_new_file(void **state)
{
    struct place *p = *state;
    struct audit a;
    struct err err = {0};
    uint64_t n;
    char path[160];
    assert_int_equal(audit_open(&a, p->dir, NULL, &err), OK);
    a.max_len = 1500;
    struct audit_event e = event("x");
    for (int i = 0; i < 7; i++) assert_int_equal(audit_write(&a, &e, 1), OK);
    struct audit_head head = audit_head_now(&a);
    audit_close(&a);
    snprintf(path, sizeof path, "%s/audit.log", p->dir);
    assert_int_equal(audit_verify(&n, path, &err), OK);
    assert_true(n < 7);
    assert_int_equal(audit_open(&a, p->dir, &head, &err), OK);
    assert_int_equal(audit_head_now(&a).seq, head.seq);
    audit_close(&a);
}

/* -------------------------------------------------------------------- store */

static enum status open_store(struct store *s, const struct place *p, const char *kek, struct err *err)
{
    char data[96];
    snprintf(data, sizeof data, "%s/data", p->dir);
    struct store_options o = {.data_dir = data, .kek_file = kek, .max_bytes = 4 << 20};
    return store_open(s, &o, err);
}

static void the_database_opens_with_its_own_private_key_only(void **state)
{
    struct place *p = *state;
    struct store s;
    struct err err = {0};
    struct stat st;
    struct buf sealed, plain;
    char kek[128], other[128];
    snprintf(kek, sizeof kek, "%s/kek", p->dir);
    snprintf(other, sizeof other, "%s/other", p->dir);
    buf_init(&sealed, 1000);
    buf_init(&plain, 1000);
    if (open_store(&s, p, kek, &err) != OK) fail_msg("%s", err_text(&err));
    assert_int_equal(stat(kek, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    char kid[33];
    memcpy(kid, s.token_kid, sizeof kid);
    assert_int_equal(store_seal(&sealed, &s, BYTES_LIT("secret"), BYTES_LIT("here")), OK);
    store_close(&s);
    assert_int_equal(open_store(&s, p, other, &err), E_NOT_FOUND);
    put(p, "other", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
    assert_int_equal(open_store(&s, p, other, &err), E_CRYPTO);
    put(p, "other", "0011\n");
    assert_int_equal(open_store(&s, p, other, &err), E_DECODE);
    assert_int_equal(chmod(kek, 0640), 0);
    assert_int_equal(open_store(&s, p, kek, &err), E_DENIED);
    assert_non_null(strstr(err.text, "chmod"));
    assert_int_equal(chmod(kek, 0600), 0);
    assert_int_equal(open_store(&s, p, kek, &err), OK);
    assert_string_equal(kid, s.token_kid);
    assert_int_equal(store_unseal(&plain, &s, buf_view(&sealed), BYTES_LIT("there")), E_CRYPTO);
    assert_int_equal(store_unseal(&plain, &s, buf_view(&sealed), BYTES_LIT("here")), OK);
    assert_true(bytes_eq_str(buf_view(&plain), "secret"));
    store_close(&s);
    buf_fini(&sealed);
    buf_fini(&plain);
}

static void the_lease_clock_goes_on_over_restarts_and_never_back(void **state)
{
    struct place *p = *state;
    struct store s;
    struct kv_txn *txn;
    char kek[128];
    snprintf(kek, sizeof kek, "%s/kek", p->dir);
    assert_int_equal(open_store(&s, p, kek, NULL), OK);
    uint64_t a = store_now_ms(&s);
    /* as if the wall clock had stood an hour ahead when the leases were given, on this boot */
    s.clock_offset_ms += 3600000;
    assert_int_equal(kv_begin(&txn, s.kv, true), OK);
    assert_int_equal(store_put_clock(&s, txn), OK);
    assert_int_equal(kv_commit(txn), OK);
    store_close(&s);
    clock_sleep_ms(20);
    assert_int_equal(open_store(&s, p, kek, NULL), OK);
    uint64_t b = store_now_ms(&s);
    assert_in_range(b - a, 3600000 + 20, 3600000 + 2000);
    /* after a reboot the wall clock counts, but not below what was */
    snprintf(s.boot_id, sizeof s.boot_id, "another-boot");
    assert_int_equal(kv_begin(&txn, s.kv, true), OK);
    assert_int_equal(store_put_clock(&s, txn), OK);
    assert_int_equal(kv_commit(txn), OK);
    store_close(&s);
    assert_int_equal(open_store(&s, p, kek, NULL), OK);
    assert_true(store_now_ms(&s) >= b);
    assert_true(store_now_ms(&s) - b < 5000);
    uint64_t e1 = store_next_etag(&s), e2 = store_next_etag(&s);
    assert_true(e2 > e1);
    store_close(&s);
}

static void queries_and_dates_are_read_strictly(void **state)
{
    (void)state;
    char t[8] = "as was";
    uint64_t v = 7;
    assert_true(query_get(t, sizeof t, BYTES_LIT("a=1&%62c=x%20+y&d"), "bc"));
    assert_string_equal(t, "x  y");
    assert_true(query_get(t, sizeof t, BYTES_LIT("a=1&d"), "d"));
    assert_string_equal(t, "");
    snprintf(t, sizeof t, "as was");
    assert_false(query_get(t, sizeof t, BYTES_LIT("a=%zz"), "a"));
    assert_false(query_get(t, sizeof t, BYTES_LIT("a=%0"), "a"));
    assert_false(query_get(t, sizeof t, BYTES_LIT("a=%00"), "a"));
    assert_false(query_get(t, sizeof t, BYTES_LIT("a=12345678"), "a"));
    assert_false(query_get(t, sizeof t, BYTES_LIT("ab=1"), "a"));
    assert_string_equal(t, "as was");
    static const char *const bad[] = {"", "-1", "+1", "1x", " 1", "18446744073709551616", "99999999999999999999"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) assert_false(u64_get(&v, bad[i]));
    assert_int_equal(v, 7);
    assert_true(u64_get(&v, "18446744073709551615"));
    assert_true(v == UINT64_MAX);
    assert_true(http_date_get(&v, "Mon, 23 Nov 2026 09:32:52 GMT"));
    assert_int_equal(v, 1795426372);
    assert_false(http_date_get(&v, "2026-11-23"));
    static const char *const not_utf8[] = {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"};
    for (size_t i = 0; i < COUNT_OF(not_utf8); i++) assert_false(text_is_utf8(bytes_str(not_utf8[i])));
    assert_true(text_is_utf8(bytes_str("a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80")));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        TEST(settings_have_defaults_and_paths_beside_the_file), TEST(settings_that_are_wrong_are_refused_by_key),
        TEST(clients_are_found_and_their_networks_hold), TEST(client_files_that_are_wrong_are_refused),
        TEST(the_audit_chain_holds_over_restarts_and_shows_every_change), TEST(a_cut_audit_log_is_noticed_and_a_torn_line_repaired),
        TEST(audit_lines_that_do_not_fit_on_the_disk_are_not_written_by_halves), TEST(a_full_audit_log_goes_on_in_a_new_file), TEST(the_database_opens_with_its_own_private_key_only),
        TEST(the_lease_clock_goes_on_over_restarts_and_never_back), TEST(queries_and_dates_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
