#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/identity-store/rig.h"

#define V "?api-version=7.4"
#define BLOB0 "/poa-config/identity-0.json"
#define LEASE0 BLOB0 "?comp=lease"

static const char ID[] = "11111111-1111-4111-8111-111111111111", OTHER[] = "22222222-2222-4222-8222-222222222222";
static const char DOC0[] = "{\"secretUri\":\"https://v/secrets/validator-0/0123\",\"address\":\"0x11\",\"enodeUrl\":\"\",\"hostname\":\"\",\"region\":\"\"}";

static const struct rig_header BLOCK[] = {{"x-ms-blob-type", "BlockBlob"}, {NULL, NULL}};

static int put(struct rig *r, const char *who, const char *target, const char *lease_id, const char *body)
{
    struct rig_header h[] = {{"x-ms-blob-type", "BlockBlob"}, {lease_id ? "x-ms-lease-id" : NULL, lease_id}, {NULL, NULL}};
    return rig_status(r, who, HTTP_PUT, target, h, body);
}

static int lease(struct rig *r, const char *who, const char *target, const char *action, const char *id)
{
    bool acquire = strcmp(action, "acquire") == 0;
    struct rig_header h[] = {{"x-ms-lease-action", action}, {acquire ? "x-ms-proposed-lease-id" : "x-ms-lease-id", id},
                             {acquire ? "x-ms-lease-duration" : NULL, "60"}, {NULL, NULL}};
    return rig_status(r, who, HTTP_PUT, target, h, "");
}

static int setup(void **state)
{
    rig_setup(state);
    struct rig *r = *state;
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/poa-config?restype=container", NULL, ""), 201);
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/other?restype=container", NULL, ""), 201);
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, BLOB0, BLOCK, DOC0), 201);
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/other/identity-0.json", BLOCK, DOC0), 201);
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/poa-config/spec.json", BLOCK, "{}"), 201);
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/secrets/validator-0" V, NULL, "{\"value\":\"k0\"}"), 200);
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, "/secrets/validator-1" V, NULL, "{\"value\":\"k1\"}"), 200);
    return 0;
}

static int secret(struct rig *r, const char *who, const char *name)
{
    char t[128];
    snprintf(t, sizeof t, "/secrets/%s" V, name);
    return rig_status(r, who, HTTP_GET, t, NULL, NULL);
}

static void a_node_reads_the_secret_of_its_leased_blob_only_while_the_lease_lives(void **state)
{
    struct rig *r = *state;
    assert_int_equal(secret(r, "node-a", "validator-0"), 403);
    assert_int_equal(lease(r, "node-a", LEASE0, "acquire", ID), 201);
    assert_int_equal(secret(r, "node-a", "validator-0"), 200);
    assert_int_equal(secret(r, "node-a", "VALIDATOR-0"), 200);
    assert_int_equal(secret(r, "node-a", "validator-1"), 403);
    assert_int_equal(secret(r, "node-a", "validator"), 403);
    assert_int_equal(secret(r, "node-a", "nothing"), 403); /* learns not even that it is not there */
    assert_int_equal(secret(r, "node-b", "validator-0"), 403);
    r->skew_ms += 59000;
    assert_int_equal(secret(r, "node-a", "validator-0"), 200);
    r->skew_ms += 2000;
    assert_int_equal(secret(r, "node-a", "validator-0"), 403);
    assert_int_equal(lease(r, "node-a", LEASE0, "renew", ID), 200);
    assert_int_equal(secret(r, "node-a", "validator-0"), 200);
    assert_int_equal(lease(r, "boss", LEASE0, "break", ""), 202);
    assert_int_equal(secret(r, "node-a", "validator-0"), 403); /* breaking: on its way out */
    assert_int_equal(lease(r, "node-a", LEASE0, "release", ID), 200);
    assert_int_equal(lease(r, "node-b", LEASE0, "acquire", OTHER), 201);
    assert_int_equal(secret(r, "node-a", "validator-0"), 403);
    assert_int_equal(secret(r, "node-b", "validator-0"), 200);
}

static void a_lease_in_another_container_opens_nothing(void **state)
{
    struct rig *r = *state;
    assert_int_equal(lease(r, "node-a", "/other/identity-0.json?comp=lease", "acquire", ID), 403);
    assert_int_equal(secret(r, "node-a", "validator-0"), 403);
}

static void a_node_cannot_point_its_blob_at_another_secret(void **state)
{
    struct rig *r = *state;
    static const char *const bad[] = {
        "{\"secretUri\":\"https://v/secrets/validator-1\",\"address\":\"0x11\"}", "{\"secretUri\":\"https://v/secrets/validator-0/0123\",\"address\":\"0x22\"}",
        "{\"secretUri\":\"https://v/secrets/validator-0/0123\"}", "{}", "", "null", "[]",
        "{\"secretUri\":\"https://v/secrets/validator-0/0123\",\"address\":\"0x11\",\"secretUri\":\"https://v/secrets/validator-1\"}",
        "{\"secretUri\":\"https://v/secrets/validator-1\",\"address\":\"0x11\",\"secretUri\":\"https://v/secrets/validator-0/0123\"}",
    };
    assert_int_equal(lease(r, "node-a", LEASE0, "acquire", ID), 201);
    for (size_t i = 0; i < COUNT_OF(bad); i++) assert_int_equal(put(r, "node-a", BLOB0, ID, bad[i]), 403);
    assert_int_equal(put(r, "node-a", BLOB0, ID, "{\"secretUri\":\"https://v/secrets/validator-0/0123\",\"address\":\"0x11\",\"enodeUrl\":\"e\"}"), 201);
    assert_int_equal(put(r, "node-a", BLOB0, NULL, DOC0), 412);
    assert_int_equal(put(r, "node-a", BLOB0, OTHER, DOC0), 412);
    assert_int_equal(put(r, "node-a", "/poa-config/spec.json", NULL, DOC0), 403);
    assert_int_equal(put(r, "node-a", "/poa-config/identity-7.json", NULL, DOC0), 403); /* new ones are the orchestrator's */
    assert_int_equal(put(r, "node-a", "/poa-config/identity-7.json", OTHER, DOC0), 412);
    r->skew_ms += 61000; /* the lease is over: it may not write without it either */
    assert_int_equal(put(r, "node-a", BLOB0, NULL, DOC0), 403);
}

static void the_id_of_anothers_lease_gives_no_rights_and_a_wrong_one_is_a_conflict(void **state)
{
    struct rig *r = *state;
    assert_int_equal(lease(r, "node-a", LEASE0, "acquire", ID), 201);
    assert_int_equal(lease(r, "node-b", LEASE0, "acquire", OTHER), 409);
    assert_int_equal(lease(r, "node-b", LEASE0, "renew", ID), 403);
    assert_int_equal(lease(r, "node-b", LEASE0, "release", ID), 403);
    assert_int_equal(lease(r, "node-b", LEASE0, "break", ""), 403);
    assert_int_equal(lease(r, "node-b", LEASE0, "renew", OTHER), 409);
    assert_int_equal(lease(r, "node-b", LEASE0, "release", OTHER), 409);
    struct rig_header to[] = {{"x-ms-lease-action", "change"}, {"x-ms-lease-id", OTHER}, {"x-ms-proposed-lease-id", ID}, {NULL, NULL}};
    assert_int_equal(rig_status(r, "node-b", HTTP_PUT, LEASE0, to, ""), 403);
    assert_int_equal(put(r, "node-b", BLOB0, ID, DOC0), 403);
    assert_int_equal(put(r, "node-b", BLOB0, OTHER, DOC0), 412);
    assert_int_equal(put(r, "node-b", BLOB0, NULL, DOC0), 403);
    assert_int_equal(lease(r, "node-a", LEASE0, "renew", ID), 200);
    /* the orchestrator takes the blob over: the node hears of it as a conflict */
    assert_int_equal(lease(r, "boss", LEASE0, "break", ""), 202);
    r->skew_ms += 61000;
    assert_int_equal(lease(r, "boss", LEASE0, "acquire", OTHER), 201);
    assert_int_equal(lease(r, "node-a", LEASE0, "renew", ID), 409);
    assert_int_equal(put(r, "node-a", BLOB0, ID, DOC0), 412);
}

static void a_stolen_id_does_not_take_a_living_lease_over(void **state)
{
    struct rig *r = *state;
    assert_int_equal(lease(r, "node-a", LEASE0, "acquire", ID), 201);
    assert_int_equal(lease(r, "node-b", LEASE0, "acquire", ID), 403);
    assert_int_equal(lease(r, "node-a", LEASE0, "acquire", ID), 201); /* its own: once more, as after a lost answer */
    r->skew_ms += 61000;
    assert_int_equal(lease(r, "node-b", LEASE0, "acquire", ID), 201); /* a dead lease is anyone's */
    assert_int_equal(secret(r, "node-a", "validator-0"), 403);
    assert_int_equal(secret(r, "node-b", "validator-0"), 200);
    assert_int_equal(lease(r, "node-a", LEASE0, "renew", ID), 403);
}

static void everything_else_is_the_orchestrators(void **state)
{
    struct rig *r = *state;
    static const struct {
        enum http_method m;
        const char *target, *body;
    } no[] = {
        {HTTP_GET, "/secrets" V, NULL}, {HTTP_PUT, "/secrets/x" V, "{\"value\":\"y\"}"}, {HTTP_DELETE, "/secrets/validator-0" V, NULL},
        {HTTP_GET, "/secrets/validator-0/versions" V, NULL}, {HTTP_PATCH, "/secrets/validator-0" V, "{}"}, {HTTP_POST, "/secrets/validator-0/backup" V, ""},
        {HTTP_POST, "/secrets/restore" V, "{}"}, {HTTP_GET, "/deletedsecrets" V, NULL}, {HTTP_GET, "/deletedsecrets/x" V, NULL},
        {HTTP_DELETE, "/deletedsecrets/x" V, NULL}, {HTTP_POST, "/deletedsecrets/x/recover" V, ""}, {HTTP_GET, "/?comp=list", NULL},
        {HTTP_PUT, "/new-one?restype=container", ""}, {HTTP_DELETE, "/poa-config?restype=container", NULL}, {HTTP_PUT, "/poa-config?restype=container&comp=lease", ""},
        {HTTP_PUT, "/poa-config?restype=container&comp=metadata", ""}, {HTTP_DELETE, BLOB0, NULL}, {HTTP_PUT, BLOB0 "?comp=metadata", ""},
        {HTTP_PUT, BLOB0 "?comp=properties", ""}, {HTTP_PUT, BLOB0 "?comp=block&blockid=AAAA", "x"}, {HTTP_PUT, BLOB0 "?comp=blocklist", "<BlockList/>"},
        {HTTP_GET, "/other?restype=container&comp=list", NULL}, {HTTP_GET, "/other/identity-0.json", NULL}, {HTTP_HEAD, "/other/identity-0.json", NULL},
    };
    assert_int_equal(lease(r, "node-a", LEASE0, "acquire", ID), 201); /* holding one changes nothing of that */
    for (size_t i = 0; i < COUNT_OF(no); i++) {
        struct rig_reply a = rig_do(r, "node-a", no[i].m, no[i].target, NULL, no[i].body);
        if (a.status != 403) fail_msg("%s %s: %d", http_method_name(no[i].m), no[i].target, a.status);
    }
    assert_int_equal(rig_status(r, "node-a", HTTP_GET, "/poa-config?restype=container&comp=list", NULL, NULL), 200);
    assert_int_equal(rig_status(r, "node-a", HTTP_GET, "/devstoreaccount1/poa-config/spec.json", NULL, NULL), 200);
    assert_int_equal(rig_status(r, "node-a", HTTP_HEAD, BLOB0, NULL, NULL), 200);
    assert_int_equal(rig_status(r, "node-a", HTTP_GET, "/poa-config?restype=container", NULL, NULL), 200);
}

/* ------------------------------------------------------------------- tokens */

static bool identify(struct rig *r, const char *target, const char *token, const char *peer, struct rig_reply *reply)
{
    struct call c;
    char bearer[4096];
    snprintf(bearer, sizeof bearer, "Bearer %s", token);
    struct rig_header h[] = {{token ? "Authorization" : NULL, bearer}, {NULL, NULL}};
    rig_call_init(&c, r, HTTP_GET, target, h, NULL, peer);
    IGNORE(route_find(&c), "the service is enough");
    bool good = auth_identify(&r->auth, &c);
    rig_reply_take(reply, &c);
    return good;
}

static void a_token_is_good_for_its_audience_client_secret_address_and_time(void **state)
{
    struct rig *r = *state;
    struct rig_reply a;
    struct buf jwt, jwt_b;
    buf_init(&jwt, 4096);
    buf_init(&jwt_b, 4096);
    uint64_t now_s = (uint64_t)time(NULL) + r->skew_ms / 1000;
    assert_int_equal(auth_issue(&jwt, &r->auth, clients_find(&r->auth.clients, "boss"), true, now_s), OK);
    assert_int_equal(auth_issue(&jwt_b, &r->auth, clients_find(&r->auth.clients, "node-b"), false, now_s), OK);
    for (int twice = 0; twice < 2; twice++) { /* the second time from the cache */
        assert_true(identify(r, "/secrets" V, buf_cstr(&jwt), "127.0.0.1", &a));
        assert_false(identify(r, "/poa-config", buf_cstr(&jwt), "127.0.0.1", &a));
        assert_int_equal(a.status, 401);
        assert_non_null(strstr(a.headers, "resource_id=https://storage.azure.com"));
        assert_true(identify(r, "/poa-config", buf_cstr(&jwt_b), "10.1.2.3", &a));
        assert_true(identify(r, "/poa-config", buf_cstr(&jwt_b), "::1", &a));
        assert_false(identify(r, "/poa-config", buf_cstr(&jwt_b), "11.1.2.3", &a));
        assert_false(identify(r, "/secrets" V, NULL, "127.0.0.1", &a));
        assert_non_null(strstr(a.headers, "Bearer authorization=\"https://127.0.0.1:8443/poa\", resource=\"https://vault.azure.net\""));
    }
    /* each bit of it counts */
    for (size_t i = 0; i < jwt.len; i += 13) {
        char t[4096];
        snprintf(t, sizeof t, "%s", buf_cstr(&jwt));
        t[i] = t[i] == 'A' ? 'B' : 'A';
        if (strcmp(t, buf_cstr(&jwt)) != 0) assert_false(identify(r, "/secrets" V, t, "127.0.0.1", &a));
    }
    uint64_t skew = r->skew_ms;
    r->skew_ms += 3700 * 1000;
    assert_false(identify(r, "/secrets" V, buf_cstr(&jwt), "127.0.0.1", &a));
    assert_non_null(strstr(a.headers, "expired"));
    r->skew_ms = skew;
    assert_true(identify(r, "/secrets" V, buf_cstr(&jwt), "127.0.0.1", &a));
    /* a changed secret ends the tokens that were given for the old one */
    rig_write_clients(r, "another");
    assert_int_equal(auth_reload(&r->auth, NULL), OK);
    assert_false(identify(r, "/secrets" V, buf_cstr(&jwt), "127.0.0.1", &a));
    rig_write_clients(r, "s3cret");
    assert_int_equal(auth_reload(&r->auth, NULL), OK);
    assert_true(identify(r, "/secrets" V, buf_cstr(&jwt), "127.0.0.1", &a));
    buf_fini(&jwt);
    buf_fini(&jwt_b);
}

static struct rig_reply ask(struct rig *r, const char *target, const struct rig_header *h, const char *form, enum http_method m)
{
    struct rig_reply a;
    struct call c;
    const char *op = NULL;
    rig_call_init(&c, r, m, target, h, form, "127.0.0.1");
    bool mine = token_endpoint(&r->auth, &c, &op);
    rig_reply_take(&a, &c);
    if (!mine) a.status = -1;
    return a;
}

static void the_token_endpoint_takes_form_and_basic_and_refuses_the_rest(void **state)
{
    struct rig *r = *state;
    const char *t = "/poa/oauth2/v2.0/token", *vault = "&scope=https%3A%2F%2Fvault.azure.net%2F.default";
    char form[512];
    struct rig_header basic[] = {{"Authorization", "Basic Ym9zczpzM2NyZXQ="}, {NULL, NULL}}; /* boss:s3cret */
    snprintf(form, sizeof form, "grant_type=client_credentials&client_id=boss&client_secret=s3cret%s", vault);
    assert_int_equal(ask(r, t, NULL, form, HTTP_POST).status, 200);
    snprintf(form, sizeof form, "grant_type=client_credentials%s", vault);
    assert_int_equal(ask(r, t, basic, form, HTTP_POST).status, 200);
    assert_int_equal(ask(r, t, NULL, form, HTTP_POST).status, 401);
    assert_int_equal(ask(r, "/poa/oauth2/token", basic, "grant_type=client_credentials&resource=https://storage.azure.com/", HTTP_POST).status, 200);
    assert_int_equal(ask(r, t, basic, "grant_type=client_credentials&scope=https://acc.blob.core.windows.net/.default", HTTP_POST).status, 200);
    assert_int_equal(ask(r, t, basic, "grant_type=client_credentials&scope=https://graph.microsoft.com/.default", HTTP_POST).status, 400);
    assert_int_equal(ask(r, t, basic, "grant_type=client_credentials", HTTP_POST).status, 400);
    assert_int_equal(ask(r, t, basic, "grant_type=refresh_token", HTTP_POST).status, 400);
    assert_int_equal(ask(r, t, basic, "", HTTP_POST).status, 400);
    snprintf(form, sizeof form, "grant_type=client_credentials&client_id=boss&client_secret=S3cret%s", vault);
    struct rig_reply a = ask(r, t, NULL, form, HTTP_POST);
    assert_int_equal(a.status, 401);
    assert_non_null(strstr(a.body, "AADSTS7000215"));
    assert_null(strstr(a.body, "S3cret"));
    snprintf(form, sizeof form, "grant_type=client_credentials&client_id=boss&client_secret=%s", vault);
    assert_int_equal(ask(r, t, NULL, form, HTTP_POST).status, 401);
    snprintf(form, sizeof form, "grant_type=client_credentials&client_id=node-b&client_secret=s3cret%s", vault);
    assert_int_equal(ask(r, t, NULL, form, HTTP_POST).status, 401); /* not from 10.0.0.0/8 */
    assert_int_equal(ask(r, "/common/oauth2/v2.0/token", NULL, form, HTTP_POST).status, -1);
    assert_int_equal(ask(r, t, NULL, NULL, HTTP_GET).status, -1);
    assert_int_equal(ask(r, "/healthz", NULL, NULL, HTTP_GET).status, 200);
}

static void the_metadata_form_wants_its_header_and_secret_and_no_proxy(void **state)
{
    struct rig *r = *state;
    const char *t = "/metadata/identity/oauth2/token?resource=https://vault.azure.net&client_id=node-a";
    struct rig_header good[] = {{"Metadata", "true"}, {"X-IDENTITY-HEADER", "s3cret"}, {NULL, NULL}};
    struct rig_header bare[] = {{"X-IDENTITY-HEADER", "s3cret"}, {NULL, NULL}}, wrong[] = {{"Metadata", "true"}, {"X-IDENTITY-HEADER", "x"}, {NULL, NULL}};
    struct rig_header proxy[] = {{"Metadata", "true"}, {"X-IDENTITY-HEADER", "s3cret"}, {"X-Forwarded-For", "1.2.3.4"}, {NULL, NULL}};
    struct rig_reply a = ask(r, t, good, NULL, HTTP_GET), b;
    assert_int_equal(a.status, 200);
    json_t *j = json_loads(a.body, 0, NULL);
    const char *token = json_string_value(json_object_get(j, "access_token"));
    assert_non_null(token);
    assert_true(identify(r, "/secrets" V, token, "127.0.0.1", &b));
    json_decref(j);
    assert_int_equal(ask(r, t, bare, NULL, HTTP_GET).status, 400);
    assert_int_equal(ask(r, t, wrong, NULL, HTTP_GET).status, 401);
    assert_int_equal(ask(r, t, proxy, NULL, HTTP_GET).status, 400);
    assert_int_equal(ask(r, "/metadata/identity/oauth2/token?resource=x", good, NULL, HTTP_GET).status, 400);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        TEST(a_node_reads_the_secret_of_its_leased_blob_only_while_the_lease_lives),
        TEST(a_lease_in_another_container_opens_nothing),
        TEST(a_node_cannot_point_its_blob_at_another_secret),
        TEST(the_id_of_anothers_lease_gives_no_rights_and_a_wrong_one_is_a_conflict),
        TEST(a_stolen_id_does_not_take_a_living_lease_over),
        TEST(everything_else_is_the_orchestrators),
        TEST(a_token_is_good_for_its_audience_client_secret_address_and_time),
        TEST(the_token_endpoint_takes_form_and_basic_and_refuses_the_rest),
        TEST(the_metadata_form_wants_its_header_and_secret_and_no_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
