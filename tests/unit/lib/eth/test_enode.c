#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/eth/enode.h"

#include <cmocka.h>

#define KEY "6f8a80d14311c39f35f516fa664deaaaa13e85b2f7493f37f6144d86991ec012937307647bd3b9a82abe2974e1407241d54947bbb39763a4cac9f77166ad92a0"

static void enode_get_reads_every_form_and_enode_put_writes_it_back(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t tcp, udp;
    } t[] = {
        {"enode://" KEY "@10.3.58.6:30303?discport=30301", "10.3.58.6", 30303, 30301},
        {"enode://" KEY "@127.0.1.1:30300", "127.0.1.1", 30300, 30300},
        {"enode://" KEY "@[2001:db8::1]:1", "2001:db8::1", 1, 1},
        {"enode://" KEY "@vl-0.member-1.example.net:65535?discport=0", "vl-0.member-1.example.net", 65535, 0},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct enode e;
        struct err err = {0};
        char back[512];
        if (enode_get(&e, bytes_str(t[i].text), &err) != OK) fail_msg("%s", err.text);
        assert_string_equal(e.host, t[i].host);
        assert_int_equal(e.tcp_port, t[i].tcp);
        assert_int_equal(e.udp_port, t[i].udp);
        assert_int_equal(e.pub[0], 0x6f);
        assert_int_equal(e.pub[63], 0xa0);
        assert_int_equal(enode_put(back, &e), strlen(t[i].text));
        assert_string_equal(back, t[i].text);
    }
}

static void enode_get_refuses_every_other_form(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "",
        "enode://",
        "enode:/" KEY "@1.2.3.4:1",
        "ENODE://" KEY "@1.2.3.4:1",
        "enode://" KEY,
        "enode://" KEY "@",
        "enode://" KEY "@1.2.3.4",
        "enode://" KEY "@1.2.3.4:",
        "enode://" KEY "@1.2.3.4:0",
        "enode://" KEY "@1.2.3.4:65536",
        "enode://" KEY "@1.2.3.4:+1",
        "enode://" KEY "@1.2.3.4:123456",
        "enode://" KEY "@1.2.3.4:1?",
        "enode://" KEY "@1.2.3.4:1?discport=",
        "enode://" KEY "@1.2.3.4:1?discport=65536",
        "enode://" KEY "@1.2.3.4:1?discport=1&x=2",
        "enode://" KEY "@:1",
        "enode://" KEY "@[]:1",
        "enode://" KEY "@[::1:1",
        "enode://" KEY "@[1.2.3.4]:1",
        "enode://" KEY "@::1:1",
        "enode://" KEY "@a..b:1",
        "enode://" KEY "@a b:1",
        "enode://" KEY "@host/path:1",
        "enode://" KEY "0@1.2.3.4:1",
        "enode://0x8a80d14311c39f35f516fa664deaaaa13e85b2f7493f37f6144d86991ec012937307647bd3b9a82abe2974e1407241d54947bbb39763a4cac9f77166ad92a0@1.2.3.4:1",
    };
    struct enode e, before;
    memset(&e, 0x5a, sizeof e);
    before = e;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        struct err err = {0};
        if (enode_get(&e, bytes_str(forms[i]), &err) != E_DECODE) fail_msg("%s", forms[i]);
        assert_true(strlen(err.text) > 10);
        assert_memory_equal(&e, &before, sizeof e);
    }
    char nul[] = "enode://" KEY "@[::1?]:1";
    *strchr(nul, '?') = '\0';
    assert_int_equal(enode_get(&e, bytes_make(nul, sizeof nul - 1), NULL), E_DECODE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enode_get_reads_every_form_and_enode_put_writes_it_back),
        cmocka_unit_test(enode_get_refuses_every_other_form),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
