#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "identity-store/secrets.h"
#include "lib/base/clock.h"
#include "tests/unit/identity-store/rig.h"

#define V "?api-version=7.4"
#define CREATE "{\"kty\":\"EC\",\"crv\":\"P-256K\"}"
enum { DAY_S = 86400 };

static void create(struct rig *r, const char *name)
{
    char target[256];
    snprintf(target, sizeof target, "/keys/%s/create" V, name);
    assert_int_equal(rig_status(r, "boss", HTTP_POST, target, NULL, CREATE), 200);
}

static size_t versions(struct rig *r, const char *name)
{
    char target[256];
    snprintf(target, sizeof target, "/keys/%s/versions" V, name);
    struct rig_reply a = rig_do(r, "boss", HTTP_GET, target, NULL, NULL);
    json_t *j = json_loads(a.body, 0, NULL);
    size_t n = json_array_size(json_object_get(j, "value"));
    json_decref(j);
    return n;
}

static void a_backup_restores_every_version_under_its_own_kind_only(void **state)
{
    struct rig *r = *state;
    static struct rig_reply b;
    create(r, "bak");
    create(r, "bak");
    struct rig_reply before = rig_do(r, "boss", HTTP_GET, "/keys/bak" V, NULL, NULL);
    char *was = strdup(before.body);
    b = rig_do(r, "boss", HTTP_POST, "/keys/bak/backup" V, NULL, "");
    assert_int_equal(b.status, 200);
    assert_int_equal(rig_status(r, "boss", HTTP_POST, "/keys/restore" V, NULL, b.body), 409);
    assert_int_equal(rig_status(r, "boss", HTTP_DELETE, "/keys/bak" V, NULL, NULL), 200);
    assert_int_equal(rig_status(r, "boss", HTTP_POST, "/keys/restore" V, NULL, b.body), 409);
    assert_int_equal(rig_status(r, "boss", HTTP_DELETE, "/deletedkeys/bak" V, NULL, NULL), 204);
    assert_int_equal(rig_status(r, "boss", HTTP_POST, "/secrets/restore" V, NULL, b.body), 400);
    assert_int_equal(rig_status(r, "boss", HTTP_POST, "/keys/restore" V, NULL, "{\"value\":\"AAAA\"}"), 400);
    assert_int_equal(rig_status(r, "boss", HTTP_POST, "/keys/restore" V, NULL, b.body), 200);
    struct rig_reply a = rig_do(r, "boss", HTTP_GET, "/keys/bak" V, NULL, NULL);
    assert_string_equal(a.body, was);
    free(was);
    assert_int_equal(versions(r, "bak"), 2);
    assert_int_equal(rig_status(r, "boss", HTTP_POST, "/keys/bak//sign" V, NULL,
                                "{\"alg\":\"ES256K\",\"value\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}"), 200);
    assert_int_equal(rig_status(r, "boss", HTTP_POST, "/keys/none/backup" V, NULL, ""), 404);
    assert_int_equal(rig_status(r, "node-a", HTTP_POST, "/keys/bak/backup" V, NULL, ""), 403);
}

static void a_rotation_policy_is_kept_checked_and_reset(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *body;
        int status;
        const char *has;
    } cases[] = {
        {"{\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"P90D\"},\"action\":{\"type\":\"rotate\"}},{\"trigger\":{\"timeBeforeExpiry\":\"P30D\"},"
         "\"action\":{\"type\":\"Notify\"}}],\"attributes\":{\"expiryTime\":\"P2Y\"}}", 200,
         "\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"P90D\"},\"action\":{\"type\":\"Rotate\"}},{\"trigger\":{\"timeBeforeExpiry\":\"P30D\"},"
         "\"action\":{\"type\":\"Notify\"}}],\"attributes\":{\"expiryTime\":\"P2Y\",\"created\":"},
        {"{\"lifetimeActions\":[]}", 200, "[{\"trigger\":{\"timeBeforeExpiry\":\"P30D\"},\"action\":{\"type\":\"Notify\"}}]"},
        {"{\"attributes\":{\"expiryTime\":\"PT672H\"}}", 200, "\"expiryTime\":\"PT672H\""},
        {"{\"attributes\":{\"expiryTime\":\"P1Y2M3W4DT5H6M7S\"}}", 200, "\"expiryTime\":\"P1Y2M3W4DT5H6M7S\""},
        {"{\"attributes\":{\"expiryTime\":\"P27D\"}}", 400, "28 days"},
        {"{\"attributes\":{\"expiryTime\":\"28\"}}", 400, "28 days"},
        {"{\"attributes\":{\"expiryTime\":\"P\"}}", 400, "28 days"},
        {"{\"attributes\":{\"expiryTime\":\"P28DT\"}}", 400, "28 days"},
        {"{\"attributes\":{\"expiryTime\":\"P28D1Y\"}}", 400, "28 days"},
        {"{\"attributes\":{\"expiryTime\":\"P99999999Y\"}}", 400, "28 days"},
        {"{\"attributes\":{\"expiryTime\":28}}", 400, "28 days"},
        {"{\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"P6D\"},\"action\":{\"type\":\"Rotate\"}}]}", 400, "7 days"},
        {"{\"lifetimeActions\":[{\"trigger\":{\"timeBeforeExpiry\":\"P8D\"},\"action\":{\"type\":\"Rotate\"}}]}", 400, "wants attributes.expiryTime"},
        {"{\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"P8D\"},\"action\":{\"type\":\"Notify\"}}]}", 400, "Notify takes"},
        {"{\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"P8D\",\"timeBeforeExpiry\":\"P8D\"},\"action\":{\"type\":\"Rotate\"}}]}", 400, "one of them"},
        {"{\"lifetimeActions\":[{\"trigger\":{},\"action\":{\"type\":\"Rotate\"}}]}", 400, "one of them"},
        {"{\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"P8D\"},\"action\":{\"type\":\"Explode\"}}]}", 400, "Rotate or Notify"},
        {"{\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"P8D\"},\"action\":{\"type\":\"Rotate\"}},{\"trigger\":{\"timeAfterCreate\":\"P9D\"},"
         "\"action\":{\"type\":\"Rotate\"}}]}", 400, "one action of a type"},
        {"{\"lifetimeActions\":{}}", 400, "wants a list"},
        {"[]", 400, "no JSON object"},
        {"", 400, "no JSON object"},
    };
    create(r, "pol");
    struct rig_reply a = rig_do(r, "boss", HTTP_GET, "/keys/pol/rotationpolicy" V, NULL, NULL);
    assert_string_equal(a.body, "{\"id\":\"https://store.example:8443/keys/pol/rotationpolicy\",\"lifetimeActions\":[{\"trigger\":{\"timeBeforeExpiry\":\"P30D\"},"
                                "\"action\":{\"type\":\"Notify\"}}],\"attributes\":{}}");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        a = rig_do(r, "boss", HTTP_PUT, "/keys/pol/rotationpolicy" V, NULL, cases[i].body);
        if (a.status != cases[i].status || strstr(a.body, cases[i].has) == NULL) fail_msg("%s: %d %s", cases[i].body, a.status, a.body);
        if (a.status != 200) continue;
        char *put = strdup(a.body);
        a = rig_do(r, "boss", HTTP_GET, "/keys/pol/rotationpolicy" V, NULL, NULL);
        assert_string_equal(a.body, put);
        free(put);
    }
    assert_int_equal(rig_status(r, "boss", HTTP_GET, "/keys/none/rotationpolicy" V, NULL, NULL), 404);
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/keys/none/rotationpolicy" V, NULL, "{}"), 404);
    assert_int_equal(rig_status(r, "node-a", HTTP_PUT, "/keys/pol/rotationpolicy" V, NULL, "{}"), 403);
}

static void keys_rotate_when_their_policy_wants_it_and_the_new_version_expires(void **state)
{
    struct rig *r = *state;
    char name[SECRET_NAME_MAX + 1];
    uint64_t now = clock_wall_ms() / 1000;
    create(r, "auto");
    create(r, "stays");
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/keys/auto/rotationpolicy" V, NULL,
                                "{\"lifetimeActions\":[{\"trigger\":{\"timeBeforeExpiry\":\"P10D\"},\"action\":{\"type\":\"Rotate\"}}],\"attributes\":{\"expiryTime\":\"P30D\"}}"), 200);
    assert_int_equal(key_rotate_due(name, &r->store, &r->cfg, now + 1000 * DAY_S), E_NOT_FOUND); /* the first version never expires */
    struct rig_reply a = rig_do(r, "boss", HTTP_POST, "/keys/auto/rotate" V, NULL, "");
    assert_int_equal(a.status, 200);
    json_t *j = json_loads(a.body, 0, NULL);
    uint64_t exp = (uint64_t)json_integer_value(json_object_get(json_object_get(j, "attributes"), "exp"));
    json_decref(j);
    assert_true(exp >= now + 30 * DAY_S && exp <= now + 30 * DAY_S + 60);
    assert_int_equal(key_rotate_due(name, &r->store, &r->cfg, exp - 10 * DAY_S - 1), E_NOT_FOUND);
    assert_int_equal(versions(r, "auto"), 2);
    assert_int_equal(key_rotate_due(name, &r->store, &r->cfg, exp - 10 * DAY_S), OK);
    assert_string_equal(name, "auto");
    assert_int_equal(key_rotate_due(name, &r->store, &r->cfg, exp - 10 * DAY_S), E_NOT_FOUND); /* once */
    assert_int_equal(versions(r, "auto"), 3);
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/keys/auto/rotationpolicy" V, NULL,
                                "{\"lifetimeActions\":[{\"trigger\":{\"timeAfterCreate\":\"P1M\"},\"action\":{\"type\":\"Rotate\"}}]}"), 200);
    assert_int_equal(key_rotate_due(name, &r->store, &r->cfg, exp - 10 * DAY_S + 32 * DAY_S), OK);
    assert_int_equal(versions(r, "auto"), 4);
    /* a deleted key is left alone; a purged one takes its policy along */
    assert_int_equal(rig_status(r, "boss", HTTP_DELETE, "/keys/auto" V, NULL, NULL), 200);
    assert_int_equal(key_rotate_due(name, &r->store, &r->cfg, now + 1000 * DAY_S), E_NOT_FOUND);
    assert_int_equal(rig_status(r, "boss", HTTP_DELETE, "/deletedkeys/auto" V, NULL, NULL), 204);
    create(r, "auto");
    a = rig_do(r, "boss", HTTP_GET, "/keys/auto/rotationpolicy" V, NULL, NULL);
    assert_non_null(strstr(a.body, "\"attributes\":{}"));
    assert_int_equal(versions(r, "stays"), 1);
}

static void what_keys_of_this_type_cannot_do_is_refused_by_name(void **state)
{
    struct rig *r = *state;
    static const char *const uses[] = {"encrypt", "decrypt", "wrapkey", "unwrapkey", "release"};
    create(r, "use");
    for (size_t i = 0; i < COUNT_OF(uses); i++) {
        char target[128];
        snprintf(target, sizeof target, "/keys/use//%s" V, uses[i]);
        struct rig_reply a = rig_do(r, "boss", HTTP_POST, target, NULL, "{\"alg\":\"RSA-OAEP\",\"value\":\"AA\"}");
        assert_int_equal(a.status, 403);
        assert_non_null(strstr(a.body, "KeyOperationForbidden"));
        snprintf(target, sizeof target, "/keys/none//%s" V, uses[i]);
        assert_int_equal(rig_status(r, "boss", HTTP_POST, target, NULL, "{}"), 404);
    }
}

static void every_documented_api_version_is_served_as_it_was_and_no_other(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *v;
        bool days, rotates;
    } good[] = {{"2015-06-01", false, false}, {"2016-10-01", false, false}, {"7.0", false, false}, {"7.0-preview", false, false}, {"7.1", true, false},
                {"7.1-preview", true, false}, {"7.2", true, false},        {"7.3", true, true},   {"7.3-preview", true, true},  {"7.4", true, true},
                {"7.4-preview.1", true, true}, {"7.5", true, true},        {"7.6", true, true},   {"7.6-preview.2", true, true}, {"2025-06-01-preview", true, true},
                {"2025-06-01", true, true},   {"2025-07-01", true, true}};
    static const char *const bad[] = {"", "7", "7.", "7.7", "7.10", "7.4-", "7.4-beta", "7.4-preview.", "7.4-preview.10", "8.0", "1.0", "2025-07-02", "2099-01-01",
                                      "2025-07-01-preview", "2016-10-01-preview", "07.4", "7.4%20", "7.4%00"};
    char target[128];
    create(r, "api");
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/secrets/api" V, NULL, "{\"value\":\"x\"}"), 200);
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        snprintf(target, sizeof target, "/secrets/api?api-version=%s", good[i].v);
        struct rig_reply a = rig_do(r, "boss", HTTP_GET, target, NULL, NULL);
        if (a.status != 200 || (strstr(a.body, "recoverableDays") != NULL) != good[i].days) fail_msg("%s: %d %s", good[i].v, a.status, a.body);
        snprintf(target, sizeof target, "/keys/api?api-version=%s", good[i].v);
        a = rig_do(r, "boss", HTTP_GET, target, NULL, NULL);
        if (a.status != 200 || (strstr(a.body, "exportable") != NULL) != good[i].rotates) fail_msg("%s: %d %s", good[i].v, a.status, a.body);
        snprintf(target, sizeof target, "/keys/api/rotate?api-version=%s", good[i].v);
        assert_int_equal(rig_status(r, "boss", HTTP_POST, target, NULL, ""), good[i].rotates ? 200 : 404);
        snprintf(target, sizeof target, "/keys/api/rotationpolicy?api-version=%s", good[i].v);
        assert_int_equal(rig_status(r, "boss", HTTP_GET, target, NULL, NULL), good[i].rotates ? 200 : 404);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        snprintf(target, sizeof target, "/secrets/api?api-version=%s", bad[i]);
        struct rig_reply a = rig_do(r, "boss", HTTP_GET, target, NULL, NULL);
        if (a.status != 400 || strstr(a.body, "BadParameter") == NULL) fail_msg("%s: %d %s", bad[i], a.status, a.body);
    }
    assert_int_equal(rig_status(r, "boss", HTTP_GET, "/secrets/api", NULL, NULL), 400);
}

static void under_purge_protection_nothing_goes_before_its_time(void **state)
{
    struct rig *r = *state;
    r->cfg.purge_protection = true;
    create(r, "kept");
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/secrets/kept" V, NULL, "{\"value\":\"x\"}"), 200);
    for (int i = 0; i < 2; i++) {
        char live[64], gone[64];
        snprintf(live, sizeof live, "/%s/kept" V, i ? "keys" : "secrets");
        snprintf(gone, sizeof gone, "/deleted%s/kept" V, i ? "keys" : "secrets");
        struct rig_reply a = rig_do(r, "boss", HTTP_DELETE, live, NULL, NULL);
        assert_non_null(strstr(a.body, "\"recoveryLevel\":\"Recoverable\""));
        a = rig_do(r, "boss", HTTP_DELETE, gone, NULL, NULL);
        assert_int_equal(a.status, 403);
        assert_non_null(strstr(a.body, "purge protection"));
        assert_int_equal(rig_status(r, "boss", HTTP_GET, gone, NULL, NULL), 200);
    }
    size_t n = 0;
    assert_int_equal(secrets_sweep(&n, &r->store, clock_wall_ms() / 1000 + 91 * DAY_S), OK);
    assert_int_equal(n, 2);
    r->cfg.purge_protection = false;
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backup_restores_every_version_under_its_own_kind_only),
        cmocka_unit_test(a_rotation_policy_is_kept_checked_and_reset),
        cmocka_unit_test(keys_rotate_when_their_policy_wants_it_and_the_new_version_expires),
        cmocka_unit_test(what_keys_of_this_type_cannot_do_is_refused_by_name),
        cmocka_unit_test(every_documented_api_version_is_served_as_it_was_and_no_other),
        cmocka_unit_test(under_purge_protection_nothing_goes_before_its_time),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
