/* The resource manager's errors as text, and client assertions by certificate. What goes over the wire: tests/integration/azure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/azure/arm.h"
#include "lib/azure/token_priv.h"
#include "lib/crypto/tls.h"

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

static void an_error_is_told_by_its_innermost_reasons(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"{\"code\":\"A\",\"message\":\"m\"}", "A: m"},
        {"{\"code\":\"A\",\"message\":\"see details\",\"details\":[{\"code\":\"B\",\"message\":\"b\"},{\"code\":\"C\",\"message\":\"c\"}]}", "B: b; C: c"},
        {"{\"code\":\"DeploymentFailed\",\"message\":\"x\",\"details\":[{\"code\":\"Conflict\",\"message\":\"{\\\"status\\\":\\\"Failed\\\",\\\"error\\\":{\\\"code\\\":\\\"QuotaExceeded\\\",\\\"message\\\":\\\"cores\\\"}}\"}]}",
         "QuotaExceeded: cores"},
        {"{\"code\":\"A\",\"message\":\"two\\nlines\"}", "A: two lines"},
        {"{\"message\":\"no code\"}", "no code"},
        {"{\"code\":\"A\"}", "A"},
        {"{\"code\":7,\"details\":\"none\"}", ""},
        {"{}", ""},
        {"[]", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200] = "?";
        json_t *e = json_loads(cases[i].json, 0, NULL);
        assert_non_null(e);
        azure_arm_error_text(text, sizeof text, e);
        assert_string_equal(text, cases[i].text);
        json_decref(e);
    }
    char text[200] = "?";
    azure_arm_error_text(text, sizeof text, NULL);
    assert_string_equal(text, "");
}

static void a_long_or_deep_error_is_cut(void **state)
{
    (void)state;
    json_t *e = json_pack("{s:s, s:s}", "code", "deep", "message", "down here");
    for (int i = 0; i < 500; i++) e = json_pack("{s:s, s:s, s:[o]}", "code", "outer", "message", "up here", "details", e);
    char text[16] = "?";
    azure_arm_error_text(text, sizeof text, e);
    assert_int_equal(strlen(text), 14);
    assert_memory_equal(text, "outer: up here", 14);
    json_decref(e);
    char big[4000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    e = json_pack("{s:s}", "message", big);
    azure_arm_error_text(text, sizeof text, e);
    assert_string_equal(text, "xxxxxxxxxxxxxxx");
    json_decref(e);
}

static void an_assertion_wants_a_key_its_certificate_and_no_other(void **state)
{
    (void)state;
    struct buf ca_key, ca_cert, rsa, jwt, pem;
    struct err err = {0};
    buf_init(&ca_key, 1 << 16);
    buf_init(&ca_cert, 1 << 16);
    buf_init(&rsa, 1 << 16);
    buf_init(&jwt, 1 << 16);
    buf_init(&pem, 1 << 16);
    assert_int_equal(tls_make_ca(&ca_key, &ca_cert, "test", 1, &err), OK); /* P-256: not what Entra takes */
    assert_int_equal(tls_make_rsa(&rsa, &err), OK);
    bytes claims = bytes_str("{\"iss\":\"x\"}");
    assert_int_equal(jwt_sign_certificate(&jwt, bytes_str("nothing"), claims, &err), E_DECODE);
    assert_non_null(strstr(err.text, "no RSA private key of 2048 bits"));
    buf_put_bytes(&pem, buf_view(&ca_key));
    buf_put_bytes(&pem, buf_view(&ca_cert));
    assert_int_equal(jwt_sign_certificate(&jwt, buf_view(&pem), claims, &err), E_DECODE);
    assert_non_null(strstr(err.text, "RSA"));
    buf_clear(&pem);
    buf_put_bytes(&pem, buf_view(&rsa));
    assert_int_equal(jwt_sign_certificate(&jwt, buf_view(&pem), claims, &err), E_DECODE);
    assert_non_null(strstr(err.text, "no certificate"));
    buf_put_bytes(&pem, buf_view(&ca_cert));
    assert_int_equal(jwt_sign_certificate(&jwt, buf_view(&pem), claims, &err), E_DECODE);
    assert_non_null(strstr(err.text, "not that of its private key"));
    assert_int_equal(jwt.len, 0);
    buf_fini(&ca_key);
    buf_fini(&ca_cert);
    buf_fini(&rsa);
    buf_fini(&jwt);
    buf_fini(&pem);
}

static void the_az_command_that_fails_hangs_or_is_absent_is_told(void **state)
{
    (void)state;
    struct buf out;
    struct err err = {0};
    buf_init(&out, 1 << 12);
    assert_int_equal(token_cli_ask(&out, "/nowhere/az", NULL, "https://x", 1000, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, "another --azure-login"));
    assert_int_equal(token_cli_ask(&out, "false", NULL, "https://x", 1000, &err), E_DENIED);
    assert_non_null(strstr(err.text, "az login"));
    char path[] = "/tmp/poa-test-az-XXXXXX"; /* talks without end */
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char script[] = "#!/bin/sh\nwhile :; do echo more and more and more; done\n";
    assert_int_equal(write(fd, script, sizeof script - 1), sizeof script - 1);
    assert_int_equal(fchmod(fd, 0700), 0);
    close(fd);
    assert_int_equal(token_cli_ask(&out, path, NULL, "https://x", 200, &err), E_TIMEOUT);
    unlink(path);
    buf_fini(&out);
    buf_init(&out, 1 << 12);
    assert_int_equal(token_cli_ask(&out, "echo", "t", "https://x", 5000, &err), OK);
    assert_string_equal(buf_cstr(&out), "account get-access-token --output json --resource https://x --tenant t\n");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_is_told_by_its_innermost_reasons),
        cmocka_unit_test(a_long_or_deep_error_is_cut),
        cmocka_unit_test(an_assertion_wants_a_key_its_certificate_and_no_other),
        cmocka_unit_test(the_az_command_that_fails_hangs_or_is_absent_is_told),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
