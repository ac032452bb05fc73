#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "identity-store/secrets.h"
#include "tests/unit/identity-store/rig.h"

#define V "?api-version=7.4"

static json_t *parse(const struct rig_reply *r)
{
    json_error_t e;
    json_t *j = json_loads(r->body, 0, &e);
    if (j == NULL) fail_msg("%s: %s", e.text, r->body);
    return j;
}

static void set(struct rig *r, const char *name, const char *body)
{
    char target[256];
    snprintf(target, sizeof target, "/secrets/%s" V, name);
    struct rig_reply a = rig_do(r, "boss", HTTP_PUT, target, NULL, body);
    if (a.status != 200) fail_msg("%d %s", a.status, a.body);
}

static void a_list_of_any_length_is_paged_without_loss_or_repetition(void **state)
{
    struct rig *r = *state;
    enum { N = 137 };
    char name[32], target[2048];
    bool seen[N] = {false};
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "validator-%d", i);
        set(r, name, "{\"value\":\"v\"}");
    }
    static const int sizes[] = {1, 7, 24, 25};
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        memset(seen, 0, sizeof seen);
        snprintf(target, sizeof target, "/secrets" V "&maxresults=%d", sizes[s]);
        int total = 0, pages = 0;
        for (bool more = true; more; pages++) {
            struct rig_reply a = rig_do(r, "boss", HTTP_GET, target, NULL, NULL);
            assert_int_equal(a.status, 200);
            json_t *j = parse(&a), *item;
            size_t k;
            assert_true(json_array_size(json_object_get(j, "value")) <= (size_t)sizes[s]);
            json_array_foreach(json_object_get(j, "value"), k, item)
            {
                int i = -1;
                assert_int_equal(sscanf(json_string_value(json_object_get(item, "id")), "https://store.example:8443/secrets/validator-%d", &i), 1);
                assert_true(i >= 0 && i < N && !seen[i]);
                assert_null(json_object_get(item, "value"));
                seen[i] = true;
                total++;
            }
            const char *next = json_string_value(json_object_get(j, "nextLink"));
            more = next != NULL;
            if (more) {
                assert_int_equal(strncmp(next, "https://store.example:8443/secrets?api-version=7.4&$skiptoken=", 62), 0);
                snprintf(target, sizeof target, "%s", strchr(next + 8, '/'));
            }
            json_decref(j);
        }
        assert_int_equal(total, N);
        assert_int_equal(pages, (N + sizes[s] - 1) / sizes[s]);
    }
}

static void versions_keep_their_values_tags_and_times(void **state)
{
    struct rig *r = *state;
    set(r, "Key-A", "{\"value\":\"one\",\"tags\":{\"b\":\"2\",\"a\":\"1\"},\"contentType\":\"t/x\",\"attributes\":{\"nbf\":5,\"exp\":9999999999}}");
    struct rig_reply a = rig_do(r, "boss", HTTP_GET, "/secrets/key-a" V, NULL, NULL);
    json_t *j = parse(&a), *at = json_object_get(j, "attributes");
    assert_string_equal(json_string_value(json_object_get(j, "value")), "one");
    assert_string_equal(json_string_value(json_object_get(j, "contentType")), "t/x");
    assert_string_equal(json_string_value(json_object_get(json_object_get(j, "tags"), "a")), "1");
    assert_int_equal(json_integer_value(json_object_get(at, "nbf")), 5);
    assert_int_equal(json_integer_value(json_object_get(at, "exp")), 9999999999);
    assert_string_equal(json_string_value(json_object_get(at, "recoveryLevel")), "Recoverable+Purgeable");
    char id[512];
    snprintf(id, sizeof id, "%s", json_string_value(json_object_get(j, "id")));
    assert_int_equal(strncmp(id, "https://store.example:8443/secrets/Key-A/", 41), 0);
    assert_int_equal(strlen(id + 41), 32);
    json_decref(j);
    set(r, "KEY-A", "{\"value\":\"two\"}");
    a = rig_do(r, "boss", HTTP_GET, "/secrets/Key-A/" V, NULL, NULL); /* the SDK's form of "current" */
    j = parse(&a);
    assert_string_equal(json_string_value(json_object_get(j, "value")), "two");
    json_decref(j);
    char target[600];
    snprintf(target, sizeof target, "%s" V, strchr(id + 8, '/'));
    a = rig_do(r, "boss", HTTP_GET, target, NULL, NULL);
    assert_non_null(strstr(a.body, "\"value\":\"one\""));
    a = rig_do(r, "boss", HTTP_GET, "/secrets/key-a/versions" V, NULL, NULL);
    j = parse(&a);
    assert_int_equal(json_array_size(json_object_get(j, "value")), 2);
    json_decref(j);
    /* an update touches what it names */
    a = rig_do(r, "boss", HTTP_PATCH, target, NULL, "{\"tags\":{},\"attributes\":{\"enabled\":false}}");
    assert_int_equal(a.status, 200);
    assert_null(strstr(a.body, "\"value\""));
    assert_non_null(strstr(a.body, "\"contentType\":\"t/x\""));
    assert_non_null(strstr(a.body, "\"tags\":{}"));
    assert_non_null(strstr(a.body, "\"exp\":9999999999"));
    a = rig_do(r, "boss", HTTP_GET, target, NULL, NULL);
    assert_int_equal(a.status, 403);
    assert_non_null(strstr(a.body, "SecretDisabled"));
}

static void any_text_comes_back_as_it_was(void **state)
{
    struct rig *r = *state;
    struct rng_seeded rng;
    rng_seed(&rng, 7);
    for (int round = 0; round < 300; round++) {
        char text[600];
        size_t n = 0, len = rng_below(&rng, 200);
        for (size_t i = 0; i < len; i++) {
            uint64_t k = rng_below(&rng, 10);
            if (k < 6) text[n++] = (char)(1 + rng_below(&rng, 127));
            else if (k < 8) n += (size_t)snprintf(text + n, 4, "\xc3%c", (char)(0x80 + rng_below(&rng, 64)));
            else n += (size_t)snprintf(text + n, 4, "\xe2%c%c", (char)(0x80 + rng_below(&rng, 64)), (char)(0x80 + rng_below(&rng, 64)));
        }
        json_t *o = json_pack("{s:s%}", "value", text, n);
        assert_non_null(o);
        char *body = json_dumps(o, JSON_COMPACT);
        set(r, "any", body);
        struct rig_reply a = rig_do(r, "boss", HTTP_GET, "/secrets/any" V, NULL, NULL);
        json_t *j = parse(&a);
        assert_true(json_equal(json_object_get(j, "value"), json_object_get(o, "value")));
        json_decref(j);
        json_decref(o);
        free(body);
    }
}

static void a_deleted_secret_blocks_its_name_until_its_time_is_over(void **state)
{
    struct rig *r = *state;
    set(r, "gone", "{\"value\":\"x\"}");
    struct rig_reply a = rig_do(r, "boss", HTTP_DELETE, "/secrets/gone" V, NULL, NULL);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.body, "\"recoveryId\":\"https://store.example:8443/deletedsecrets/gone\""));
    assert_int_equal(rig_status(r, "boss", HTTP_GET, "/secrets/gone" V, NULL, NULL), 404);
    assert_int_equal(rig_status(r, "boss", HTTP_DELETE, "/secrets/gone" V, NULL, NULL), 404);
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/secrets/gone" V, NULL, "{\"value\":\"y\"}"), 409);
    assert_int_equal(rig_status(r, "boss", HTTP_GET, "/deletedsecrets/gone" V, NULL, NULL), 200);
    uint64_t skew = r->skew_ms;
    r->skew_ms += 90ull * 86400000 - 5000;
    assert_int_equal(rig_status(r, "boss", HTTP_GET, "/deletedsecrets/gone" V, NULL, NULL), 200);
    r->skew_ms += 10000;
    assert_int_equal(rig_status(r, "boss", HTTP_GET, "/deletedsecrets/gone" V, NULL, NULL), 404);
    assert_int_equal(rig_status(r, "boss", HTTP_POST, "/deletedsecrets/gone/recover" V, NULL, NULL), 404);
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/secrets/gone" V, NULL, "{\"value\":\"y\"}"), 200);
    a = rig_do(r, "boss", HTTP_GET, "/secrets/gone/versions" V, NULL, NULL);
    json_t *j = parse(&a);
    assert_int_equal(json_array_size(json_object_get(j, "value")), 1); /* nothing of the old one */
    json_decref(j);
    r->skew_ms = skew;
}

static void the_sweep_purges_what_is_due_and_only_that(void **state)
{
    struct rig *r = *state;
    size_t n = 99;
    set(r, "old", "{\"value\":\"x\"}");
    set(r, "alive", "{\"value\":\"x\"}");
    assert_int_equal(rig_status(r, "boss", HTTP_DELETE, "/secrets/old" V, NULL, NULL), 200);
    uint64_t now_s = (uint64_t)time(NULL);
    assert_int_equal(secrets_sweep(&n, &r->store, now_s), OK);
    assert_int_equal(n, 0);
    assert_int_equal(secrets_sweep(&n, &r->store, now_s + 91 * 86400), OK);
    assert_true(n >= 1);
    assert_int_equal(rig_status(r, "boss", HTTP_GET, "/deletedsecrets/old" V, NULL, NULL), 404);
    assert_int_equal(rig_status(r, "boss", HTTP_GET, "/secrets/alive" V, NULL, NULL), 200);
}

static void a_value_moved_to_another_place_does_not_open(void **state)
{
    struct rig *r = *state;
    set(r, "place-a", "{\"value\":\"secret of a\"}");
    set(r, "place-b", "{\"value\":\"secret of b\"}");
    /* someone who can write the database, but has no key, swaps the two */
    struct call c;
    struct secret_head a, b;
    struct secret_version va, vb;
    struct buf sealed;
    buf_init(&sealed, 4096);
    rig_call_init(&c, r, HTTP_GET, "/secrets/place-a", NULL, NULL, "127.0.0.1");
    assert_int_equal(kv_begin(&c.txn, r->store.kv, true), OK);
    assert_int_equal(secret_find(&a, &c, TABLE_SECRET, "place-a"), OK);
    assert_int_equal(secret_find(&b, &c, TABLE_SECRET, "place-b"), OK);
    assert_int_equal(secret_version_find(&va, &c, "place-a", a.version), OK);
    assert_int_equal(secret_version_find(&vb, &c, "place-b", b.version), OK);
    buf_put_bytes(&sealed, vb.sealed);
    assert_null(memmem(sealed.ptr, sealed.len, "secret of b", 11));
    va.sealed = buf_view(&sealed);
    va.tags = va.content_type = BYTES_EMPTY;
    assert_int_equal(secret_put_version(&c, "place-a", a.version, &va), OK);
    assert_int_equal(kv_commit(c.txn), OK);
    call_fini(&c);
    buf_fini(&sealed);
    rig_call_init(&c, r, HTTP_GET, "/secrets/place-a" V, NULL, NULL, "127.0.0.1");
    assert_int_equal(route_find(&c), ERR_NONE);
    assert_int_equal(kv_begin(&c.txn, r->store.kv, false), OK);
    assert_int_equal(secret_get(&c), E_CORRUPT);
    kv_abort(c.txn);
    call_fini(&c);
}

static void rejected_forms_change_nothing(void **state)
{
    struct rig *r = *state;
    set(r, "firm", "{\"value\":\"x\"}");
    char big[300], tags[4096] = "{\"value\":\"y\",\"tags\":{", long_type[400];
    memset(big, 'a', sizeof big);
    big[257] = 0;
    size_t n = strlen(tags);
    for (int i = 0; i < 16; i++) n += (size_t)snprintf(tags + n, sizeof tags - n, "%s\"t%d\":\"v\"", i ? "," : "", i);
    snprintf(tags + n, sizeof tags - n, "}}");
    snprintf(long_type, sizeof long_type, "{\"value\":\"y\",\"contentType\":\"%.256s\"}", big);
    const char *const bodies[] = {"", "[]", "null", "{\"value\":null}", "{\"value\":7}", "{\"value\":\"a\",\"value\":\"b\"}", "{\"value\":\"y\",\"tags\":[]}",
                                  "{\"value\":\"y\",\"tags\":{\"a\":1}}", "{\"value\":\"y\",\"attributes\":[]}", "{\"value\":\"y\",\"attributes\":{\"enabled\":1}}",
                                  "{\"value\":\"y\",\"attributes\":{\"exp\":-1}}", "{\"value\":\"y\",\"attributes\":{\"nbf\":\"1\"}}", "{\"value\":\"y\"} x", tags,
                                  long_type, "{\"value\":\"\xff\"}"};
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct rig_reply a = rig_do(r, "boss", HTTP_PUT, "/secrets/firm" V, NULL, bodies[i]);
        if (a.status != 400) fail_msg("%s: %d", bodies[i], a.status);
    }
    struct rig_reply a = rig_do(r, "boss", HTTP_GET, "/secrets/firm" V, NULL, NULL);
    assert_non_null(strstr(a.body, "\"value\":\"x\""));
    static const char *const targets[] = {"/secrets/firm", "/secrets/firm?api-version=", "/secrets/firm?api-version=6.0", "/secrets/firm?api-version=7.9",
                                          ("/secrets/fi_rm" V), "/secrets?maxresults=0&api-version=7.4", "/secrets?maxresults=x&api-version=7.4",
                                          "/secrets?$skiptoken=!!&api-version=7.4", "/secrets?$skiptoken=&api-version=7.4"};
    for (size_t i = 0; i < COUNT_OF(targets); i++) assert_int_equal(rig_status(r, "boss", HTTP_GET, targets[i], NULL, NULL), 400);
    static const char *const versions[] = {"7.0", "7.6", "2016-10-01", "2025-07-01", "7.6-preview.2"};
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        char t[64];
        snprintf(t, sizeof t, "/secrets/firm?api-version=%s", versions[i]);
        assert_int_equal(rig_status(r, "boss", HTTP_GET, t, NULL, NULL), 200);
    }
    assert_int_equal(rig_status(r, "boss", HTTP_GET, "/secrets/firm/00000000000000000000000000000000" V, NULL, NULL), 404);
    assert_int_equal(rig_status(r, "boss", HTTP_GET, "/secrets/firm/zz" V, NULL, NULL), 404);
    assert_int_equal(rig_status(r, "boss", HTTP_GET, "/secrets/firm/x/y" V, NULL, NULL), 404);
    assert_int_equal(rig_status(r, "boss", HTTP_GET, "/secrets//firm" V, NULL, NULL), 404);
    assert_int_equal(rig_status(r, "boss", HTTP_POST, "/secrets/firm" V, NULL, ""), 405);
}

static void a_backup_restores_every_version_and_no_forged_one_does(void **state)
{
    struct rig *r = *state;
    set(r, "bak", "{\"value\":\"one\"}");
    set(r, "bak", "{\"value\":\"two\"}");
    static struct rig_reply b;
    b = rig_do(r, "boss", HTTP_POST, "/secrets/bak/backup" V, NULL, "");
    assert_int_equal(b.status, 200);
    assert_null(strstr(b.body, "one"));
    assert_int_equal(rig_status(r, "boss", HTTP_POST, "/secrets/restore" V, NULL, b.body), 409);
    assert_int_equal(rig_status(r, "boss", HTTP_DELETE, "/secrets/bak" V, NULL, NULL), 200);
    assert_int_equal(rig_status(r, "boss", HTTP_POST, "/secrets/restore" V, NULL, b.body), 409);
    assert_int_equal(rig_status(r, "boss", HTTP_DELETE, "/deletedsecrets/bak" V, NULL, NULL), 204);
    static char forged[65536];
    memcpy(forged, b.body, sizeof forged);
    forged[40] = forged[40] == 'A' ? 'B' : 'A';
    assert_int_equal(rig_status(r, "boss", HTTP_POST, "/secrets/restore" V, NULL, forged), 400);
    assert_int_equal(rig_status(r, "boss", HTTP_POST, "/secrets/restore" V, NULL, b.body), 200);
    struct rig_reply a = rig_do(r, "boss", HTTP_GET, "/secrets/bak" V, NULL, NULL);
    assert_non_null(strstr(a.body, "\"value\":\"two\""));
    a = rig_do(r, "boss", HTTP_GET, "/secrets/bak/versions" V, NULL, NULL);
    json_t *j = parse(&a);
    assert_int_equal(json_array_size(json_object_get(j, "value")), 2);
    json_decref(j);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_list_of_any_length_is_paged_without_loss_or_repetition, rig_setup, rig_teardown),
        cmocka_unit_test(versions_keep_their_values_tags_and_times),
        cmocka_unit_test(any_text_comes_back_as_it_was),
        cmocka_unit_test(a_deleted_secret_blocks_its_name_until_its_time_is_over),
        cmocka_unit_test(the_sweep_purges_what_is_due_and_only_that),
        cmocka_unit_test(a_value_moved_to_another_place_does_not_open),
        cmocka_unit_test(rejected_forms_change_nothing),
        cmocka_unit_test(a_backup_restores_every_version_and_no_forged_one_does),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
