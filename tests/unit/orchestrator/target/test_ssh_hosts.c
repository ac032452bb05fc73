/* The hosts of the ssh target: who is what, which settings cannot be, how a command reaches the shell there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/base64.h"
#include "orchestrator/target/balancer.h"
#include "orchestrator/target/cloud_init.h"
#include "orchestrator/target/ssh_priv.h"

#include <cmocka.h>

struct rig {
    struct settings settings;
    struct target target;
    struct ssh_target ssh;
};

static enum status parse(struct rig *r, const char *regions, const char *nodes, const char *hosts, const char *store, const char *balancers, struct err *err)
{
    *r = (struct rig){.target = {.rpc_port = 8545, .ws_port = 8546, .page_port = 80}};
    settings_init(&r->settings);
    assert_true(settings_take_flag(&r->settings, "--regions", regions));
    assert_true(settings_take_flag(&r->settings, "--nodes", nodes));
    assert_true(settings_take_flag(&r->settings, "--hosts", hosts));
    if (store != NULL) assert_true(settings_take_flag(&r->settings, "--store-host", store));
    if (balancers != NULL) assert_true(settings_take_flag(&r->settings, "--balancers", balancers));
    r->ssh.t = &r->target;
    return ssh_hosts_parse(&r->ssh, &r->settings, err);
}

static void the_first_host_is_store_and_balancer_unless_others_are_named(void **state)
{
    (void)state;
    static struct rig r;
    struct err err = {0};
    assert_int_equal(parse(&r, "2", "2", "10.0.0.1,root@10.0.0.2:2222,10.0.0.3,10.0.0.4", NULL, NULL, &err), OK);
    assert_int_equal(r.ssh.n, 4);
    assert_int_equal(r.ssh.hosts[0].roles, SSH_NODE | SSH_STORE | SSH_BALANCER);
    assert_int_equal(r.ssh.hosts[1].roles, SSH_NODE);
    assert_string_equal(r.ssh.hosts[1].user, "root");
    assert_int_equal(r.ssh.hosts[1].port, 2222);
    assert_string_equal(r.ssh.hosts[2].user, "poaadmin");
    assert_int_equal(r.ssh.hosts[2].roles, SSH_NODE | SSH_BALANCER);
    assert_int_equal(r.ssh.hosts[2].balances, 2);
    assert_int_equal(r.target.rpc_port, 18545);
    assert_string_equal(r.target.store_url, "https://10.0.0.1:8443");
    assert_string_equal(r.target.balancer[1], "10.0.0.3");
    settings_fini(&r.settings);

    assert_int_equal(parse(&r, "1", "2", "10.0.0.1,10.0.0.2", "10.0.0.9", "ops@10.0.0.8", &err), OK);
    assert_int_equal(r.ssh.n, 4);
    assert_int_equal(r.ssh.hosts[0].roles, SSH_NODE);
    assert_int_equal(r.ssh.hosts[2].roles, SSH_STORE);
    assert_int_equal(r.ssh.hosts[3].roles, SSH_BALANCER);
    assert_string_equal(r.ssh.hosts[3].user, "ops");
    assert_int_equal(r.target.rpc_port, 8545);
    settings_fini(&r.settings);
}

static void lists_that_cannot_be_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *regions, *nodes, *hosts, *balancers, *says;
    } cases[] = {
        {"1", "3", "10.0.0.1,10.0.0.2", NULL, "each need 3"},
        {"1", "2", "10.0.0.1,10.0.0.2,10.0.0.3", NULL, "each need 2"},
        {"1", "2", "10.0.0.1,x@10.0.0.1:23", NULL, "10.0.0.1 stands there twice"},
        {"1", "2", "10.0.0.1,10.0.0.256", NULL, "'10.0.0.256' is no IPv4 address"},
        {"1", "2", "10.0.0.1,10.0.0.2:0", NULL, "port from 1 to 65535"},
        {"1", "2", "10.0.0.1,10.0.0.2:65536", NULL, "port from 1 to 65535"},
        {"1", "2", "10.0.0.1,10.0.0.2", "10.0.0.3,10.0.0.4", "more than one for each of the 1 regions"},
        {"2", "2", "10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4", "10.0.0.5", "one for each of the 2 regions"},
        {"2", "2", "10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4", "10.0.0.5,10.0.0.5", "would balance two regions"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        static struct rig r;
        struct err err = {0};
        assert_int_equal(parse(&r, cases[i].regions, cases[i].nodes, cases[i].hosts, NULL, cases[i].balancers, &err), E_INVALID);
        if (strstr(err.text, cases[i].says) == NULL) fail_msg("'%s' does not say '%s'", err.text, cases[i].says);
        settings_fini(&r.settings);
    }
}

static void arguments_reach_the_shell_as_they_are(void **state)
{
    (void)state;
    char script[] = "printf '%s|' \"$0\" \"$@\"";
    struct ssh_target s = {.script = script};
    struct ssh_host h = {.user = "root"};
    const char *args[] = {"it's", "$(id) `id` \\", "two words", "", NULL};
    char *command = ssh_command(&s, &h, "verb", args), text[200] = "";
    assert_non_null(command);
    FILE *p = popen(command, "r"); /* what sshd does: the user's shell -c */
    assert_non_null(p);
    assert_true(fread(text, 1, sizeof text - 1, p) > 0);
    pclose(p);
    assert_string_equal(text, "poa-host|verb|it's|$(id) `id` \\|two words||");
    free(command);
    (void)snprintf(h.user, sizeof h.user, "admin");
    command = ssh_command(&s, &h, "verb", args);
    assert_true(strncmp(command, "exec sudo -n sh -c '", 20) == 0);
    free(command);
}

static void lines_of_an_answer_are_found_by_their_key(void **state)
{
    (void)state;
    char dst[8];
    struct buf b;
    buf_init(&b, 1000);
    buf_put_str(&b, "a=1\nkey=\nkeys=2\nkey=3\nlong=0123456789\nlast=x");
    assert_true(ssh_line(dst, sizeof dst, &b, "a"));
    assert_string_equal(dst, "1");
    assert_true(ssh_line(dst, sizeof dst, &b, "key"));
    assert_string_equal(dst, "");
    assert_true(ssh_line(dst, sizeof dst, &b, "long"));
    assert_string_equal(dst, "0123456");
    assert_true(ssh_line(dst, sizeof dst, &b, "last"));
    assert_string_equal(dst, "x");
    assert_false(ssh_line(dst, sizeof dst, &b, "lon"));
    buf_fini(&b);
}

static void a_document_is_read_without_writing(void **state)
{
    (void)state;
    struct cloud_file files[4];
    json_t *argv = NULL;
    size_t n = 0;
    struct err err = {0};
    assert_int_equal(cloud_init_files(files, &n, 4, &argv, BYTES_LIT("write_files:\n- {path: /etc/a, permissions: '0600', content: A}\n- {path: /b, content: Qg==, encoding: b64}\nruncmd:\n- [poa-node, -x]\n"), &err), OK);
    assert_int_equal(n, 2);
    assert_string_equal(files[0].path, "/etc/a");
    assert_int_equal(files[0].mode, 0600);
    assert_true(bytes_eq_str(buf_view(&files[1].data), "B"));
    assert_int_equal(json_array_size(argv), 2);
    cloud_files_fini(files, n);
    json_decref(argv);
    argv = NULL;
    assert_int_equal(cloud_init_files(files, &n, 4, &argv, BYTES_LIT("runcmd:\n- [a]\n- [b]\n"), &err), E_UNSUPPORTED);
    assert_int_equal(cloud_init_files(files, &n, 0, &argv, BYTES_LIT("write_files:\n- {path: /a, content: A}\nruncmd:\n- [a]\n"), &err), E_LIMIT);
    assert_int_equal(cloud_init_files(files, &n, 4, &argv, BYTES_LIT("write_files:\n- {path: /a/../b, content: A}\nruncmd:\n- [a]\n"), &err), E_DENIED);
    assert_null(argv);
}

static void a_balancer_listens_on_its_own_ports_for_its_own_region(void **state)
{
    (void)state;
    struct target t = {.rpc_port = 18545, .ws_port = 18546, .page_port = 80, .n_instances = 2};
    struct err err = {0};
    struct buf b;
    (void)snprintf(t.balancer[1], sizeof t.balancer[1], "10.0.0.9");
    t.instances[0] = (struct target_instance){.name = "one", .address = "10.0.0.1", .region = 1};
    t.instances[1] = (struct target_instance){.name = "two", .address = "10.0.0.2", .region = 2};
    json_t *resources = json_loads("[{\"type\":\"Microsoft.Network/loadBalancers\",\"name\":\"lb-reg2\",\"properties\":{\"loadBalancingRules\":[{\"properties\":{\"frontendPort\":8545,\"backendPort\":8545}}]}}]", 0, NULL);
    buf_init(&b, 1 << 16);
    assert_int_equal(balancer_put(&b, &t, resources, 2, &err), OK);
    assert_non_null(strstr(buf_cstr(&b), "bind 10.0.0.9:18545\n  server two 10.0.0.2:8545 check\n"));
    assert_null(strstr(buf_cstr(&b), "10.0.0.1"));
    buf_clear(&b);
    assert_int_equal(balancer_put(&b, &t, resources, 1, &err), E_INVALID);
    buf_fini(&b);
    json_decref(resources);
}

static bool is_rsa(const char *title, const void *body, size_t n)
{
    struct buf b, text;
    buf_init(&b, 4096);
    buf_init(&text, 4096);
    base64_append(&b, bytes_make(body, n), false);
    buf_printf(&text, "-----BEGIN %s-----\n", title);
    for (size_t at = 0; at < b.len; at += 70) /* in lines, as they are written */
        buf_printf(&text, "%.*s\n", (int)(b.len - at < 70 ? b.len - at : 70), (const char *)b.ptr + at);
    buf_printf(&text, "-----END %s-----\n", title);
    bool yes = ssh_key_is_rsa(buf_view(&text));
    buf_fini(&b);
    buf_fini(&text);
    return yes;
}

static void an_rsa_key_is_known_in_each_of_its_forms(void **state)
{
    (void)state;
    static const char rsa[] = "openssh-key-v1\0\0\0\0\4none\0\0\0\4none\0\0\0\0\0\0\0\1\0\0\1\x17\0\0\0\7ssh-rsa\0\0\0\3\1\0\1 and then a modulus, longer than a line is";
    static const char ed25519[] = "openssh-key-v1\0\0\0\0\4none\0\0\0\4none\0\0\0\0\0\0\0\1\0\0\0\x33\0\0\0\013ssh-ed25519\0\0\0\x20 and a comment: ssh-rsa";
    static const uint8_t pkcs8[] = {0x30, 0x82, 0x04, 0xbd, 2, 1, 0, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0};
    static const uint8_t pkcs8_ec[] = {0x30, 0x82, 0x04, 0xbd, 2, 1, 0, 0x30, 0x0d, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1};
    assert_true(is_rsa("OPENSSH PRIVATE KEY", rsa, sizeof rsa));
    assert_false(is_rsa("OPENSSH PRIVATE KEY", ed25519, sizeof ed25519));
    assert_true(is_rsa("PRIVATE KEY", pkcs8, sizeof pkcs8));
    assert_false(is_rsa("PRIVATE KEY", pkcs8_ec, sizeof pkcs8_ec));
    assert_true(is_rsa("RSA PRIVATE KEY", "x", 1));
    assert_false(is_rsa("EC PRIVATE KEY", "x", 1));
    static const char *const none[] = {"", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n", "-----BEGIN PRIVATE KEY-----\n!!!!\n-", "-----BEGIN RSA PRIVATE KEY--", "ssh-rsa AAAA me"};
    for (size_t i = 0; i < COUNT_OF(none); i++)
        assert_false(ssh_key_is_rsa(bytes_str(none[i])));
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_host_is_store_and_balancer_unless_others_are_named),
        cmocka_unit_test(lists_that_cannot_be_are_refused_by_name),
        cmocka_unit_test(arguments_reach_the_shell_as_they_are),
        cmocka_unit_test(lines_of_an_answer_are_found_by_their_key),
        cmocka_unit_test(a_document_is_read_without_writing),
        cmocka_unit_test(an_rsa_key_is_known_in_each_of_its_forms),
        cmocka_unit_test(a_balancer_listens_on_its_own_ports_for_its_own_region),
    };
    return cmocka_run_group_tests_name("ssh_hosts", tests, NULL, NULL);
}
