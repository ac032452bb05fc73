/* The member's pages over HTTP: files and their policy, ETags, compression, the data of callbacks, the prober of the other nodes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/json.h"
#include "lib/crypto/secp256k1.h"
#include "lib/eth/abi_call.h"
#include "lib/net/http_client.h"
#include "lib/net/http_server.h"
#include "node/member/member.h"

#include <cmocka.h>

struct world {
    struct member *member;
    struct http_client *http;
    struct http_server *other; /* another node's RPC */
    char dir[64];
    atomic_uint n_calls;
    bool has_contract, is_closed, has_no_key;
    uint8_t version;
    uint64_t block;
    const char *coinbase;
};

/* ----------------------------------------------------------------- the node */

static void *open_views(void *ctx, struct member_contract *out)
{
    struct world *w = ctx;
    if (w->is_closed) return NULL;
    *out = (struct member_contract){.has_contract = w->has_contract, .at = {{1}}, .version = {{w->version}}};
    return w;
}

/* an old contract without anybody: enough for a document */
static enum status call_view(void *snapshot, struct buf *out, bytes input)
{
    struct world *w = snapshot;
    uint8_t capacity[4];
    atomic_fetch_add(&w->n_calls, 1);
    abi_selector(capacity, "getValidatorCapacity()");
    struct abi_writer writer = abi_begin(out, 1);
    if (memcmp(input.ptr, capacity, 4) == 0) abi_put_u64(&writer, w->version);
    else abi_put_addresses(&writer, NULL, 0);
    abi_end(&writer);
    return OK;
}

static void close_views(void *snapshot)
{
    (void)snapshot;
}

static json_t *network(void *ctx)
{
    (void)ctx;
    return json_pack("{s:i}", "chainId", 77);
}

static json_t *live(void *ctx)
{
    struct world *w = ctx;
    return json_pack("{s:{s:I}, s:{s:s, s:s, s:s, s:s, s:i, s:b}, s:[]}", "head", "number", (json_int_t)w->block, "self", "hostname", "me", "region", "r",
                     "address", "0x00000000000000000000000000000000000000aA", "enodeUrl", "enode://me", "peers", 4, "syncing", 0, "peers");
}

static const secret32 key = {{1, 2, 3}};

static address own_address(void)
{
    uint8_t pub[64];
    address a;
    assert_int_equal(ec_public(pub, &key), OK);
    ec_address(a.b, pub);
    return a;
}

static enum status prove(void *ctx, uint8_t sig65[static 65], struct possession *p)
{
    struct world *w = ctx;
    if (w->has_no_key) return E_DENIED;
    p->validator = own_address();
    p->chain_id = 77;
    p->time_ms = 5;
    hash32 digest = possession_digest(p);
    return ec_sign(sig65, digest.b, &key);
}

static const char answer[] = "[{\"id\":2,\"result\":\"0x2a\"},{\"id\":1,\"result\":\"0x3\"},{\"id\":3,\"result\":false},{\"id\":4,\"result\":\"%s\"}]";

static void on_rpc(void *ctx, struct http_request *r)
{
    struct world *w = ctx;
    char text[400];
    (void)snprintf(text, sizeof text, answer, w->coinbase);
    http_respond(r, 200, "application/json", bytes_str(text), NULL, 0);
}

/* ----------------------------------------------------------------- the test */

static int set_up(void **state)
{
    static struct world w;
    w = (struct world){.has_contract = true, .version = 1, .block = 50, .coinbase = "0x00000000000000000000000000000000000000BB"};
    (void)snprintf(w.dir, sizeof w.dir, "/tmp/poa-member-XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    char path[128];
    static char page[5000];
    memset(page, 'x', sizeof page - 1);
    (void)snprintf(path, sizeof path, "%s/index.html", w.dir);
    assert_int_equal(file_write_atomic(path, bytes_str(page), 0644, NULL), OK);
    (void)snprintf(path, sizeof path, "%s/secret.txt", w.dir);
    assert_int_equal(file_write_atomic(path, bytes_str("no"), 0644, NULL), OK);
    struct http_server_config sc = {.bind_address = "127.0.0.1", .max_body = 4096, .max_connections = 8, .idle_timeout_s = 5};
    struct http_handler h = {.ctx = &w, .request = on_rpc};
    assert_int_equal(http_server_start(&w.other, &sc, &h, NULL), OK);
    struct member_config mc = {.address = "127.0.0.1",
                               .web_dir = w.dir,
                               .spec_json = BYTES_LIT("{}"),
                               .ctx = &w,
                               .views = {open_views, call_view, close_views},
                               .network = network,
                               .live = live,
                               .prove = prove,
                               .rpc_port = http_server_port(w.other),
                               .ws_port = 8546};
    assert_int_equal(member_start(&w.member, &mc, NULL), OK);
    struct http_client_config cc = {.timeout_ms = 3000};
    assert_int_equal(http_client_new(&w.http, &cc, NULL), OK);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    http_client_free(w->http);
    member_stop(w->member);
    http_server_stop(w->other);
    return file_remove_tree(w->dir, NULL) == OK ? 0 : -1;
}

static struct http_client_response get(struct world *w, const char *path, const char *header)
{
    char url[200];
    struct http_client_response r;
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", member_port(w->member), path);
    const char *const headers[] = {header};
    struct http_client_request req = {.method = "GET", .url = url, .headers = headers, .n_headers = header != NULL};
    assert_int_equal(http_client_do(&r, w->http, &req, NULL), OK);
    return r;
}

static json_t *get_json(struct world *w, const char *path, int status)
{
    json_t *doc = NULL;
    struct http_client_response r = get(w, path, NULL);
    assert_int_equal(r.status, status);
    assert_int_equal(json_parse(&doc, buf_view(&r.body), NULL), OK);
    http_client_response_fini(&r);
    return doc;
}

static void a_file_comes_with_a_policy_that_names_only_the_hosts_own_ports(void **state)
{
    struct world *w = *state;
    char value[1500], want[200];
    struct http_client_response r = get(w, "/", NULL);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.len, 4999);
    assert_true(http_client_header(value, sizeof value, &r, "Content-Security-Policy"));
    assert_non_null(strstr(value, "default-src 'none'; script-src 'self'; style-src 'self';"));
    (void)snprintf(want, sizeof want, "connect-src 'self' http://127.0.0.1:%u https://127.0.0.1:%u ws://127.0.0.1:8546 wss://127.0.0.1:8546;", http_server_port(w->other),
                   http_server_port(w->other));
    assert_non_null(strstr(value, want));
    http_client_response_fini(&r);
    /* a host name that is none gets no say in the policy */
    r = get(w, "/", "Host: x'; script-src *");
    if (r.status == 200) {
        assert_true(http_client_header(value, sizeof value, &r, "Content-Security-Policy"));
        assert_non_null(strstr(value, "connect-src 'self'; base-uri"));
    }
    http_client_response_fini(&r);
    r = get(w, "/", "Host: [::1]:3000");
    assert_true(http_client_header(value, sizeof value, &r, "Content-Security-Policy"));
    assert_non_null(strstr(value, "ws://[::1]:8546"));
    http_client_response_fini(&r);
}

static void only_files_of_the_page_are_served(void **state)
{
    static const char *const paths[] = {"/secret.txt", "/../etc/passwd", "/%2e%2e/x.html", "/nothing.html", "/a%00.html", "/x/%2e%2e/index.html", "//", "/index.html/"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct http_client_response r = get(*state, paths[i], NULL);
        assert_true(r.status == 404 || r.status == 400);
        http_client_response_fini(&r);
    }
}

static void an_answer_that_stays_the_same_is_not_sent_again(void **state)
{
    char tag[100], header[200];
    static const char *const paths[] = {"/", "/governance", "/nodes", "/networkinfo"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct http_client_response r = get(*state, paths[i], NULL);
        assert_int_equal(r.status, 200);
        assert_true(http_client_header(tag, sizeof tag, &r, "ETag"));
        assert_true(http_client_header(header, sizeof header, &r, "Access-Control-Allow-Origin"));
        assert_string_equal(header, "*");
        http_client_response_fini(&r);
        (void)snprintf(header, sizeof header, "If-None-Match: %s", tag);
        r = get(*state, paths[i], header);
        assert_int_equal(r.status, 304);
        assert_int_equal(r.body.len, 0);
        http_client_response_fini(&r);
    }
}

static void a_long_answer_is_compressed_for_who_takes_it(void **state)
{
    char value[100];
    struct http_client_response r = get(*state, "/", "Accept-Encoding: gzip");
    assert_int_equal(r.status, 200);
    assert_true(http_client_header(value, sizeof value, &r, "Content-Encoding"));
    assert_string_equal(value, "gzip");
    assert_true(r.body.len < 100);
    assert_memory_equal(r.body.ptr, "\x1f\x8b", 2);
    http_client_response_fini(&r);
}

static void the_contract_is_read_anew_only_when_its_storage_changed(void **state)
{
    struct world *w = *state;
    json_t *doc = get_json(w, "/governance", 200);
    unsigned first = atomic_load(&w->n_calls);
    assert_int_equal(json_integer_value(json_object_get(doc, "validatorCapacity")), 1);
    assert_int_equal(json_integer_value(json_object_get(doc, "chainId")), 77);
    assert_int_equal(json_integer_value(json_object_get(doc, "wsPort")), 8546);
    json_decref(doc);
    assert_true(first > 0);
    json_decref(get_json(w, "/governance", 200));
    assert_int_equal(atomic_load(&w->n_calls), first);
    w->version = 2;
    doc = get_json(w, "/governance", 200);
    assert_int_equal(json_integer_value(json_object_get(doc, "validatorCapacity")), 2);
    json_decref(doc);
}

static void a_network_without_a_contract_and_a_state_that_cannot_be_read_say_so(void **state)
{
    struct world *w = *state;
    w->has_contract = false;
    json_t *doc = get_json(w, "/governance", 404);
    assert_non_null(strstr(json_string_value(json_object_get(doc, "errorMessage")), "fixed list"));
    json_decref(doc);
    w->is_closed = true;
    json_decref(get_json(w, "/governance", 503));
}

static void who_asks_with_a_challenge_gets_a_proof_of_the_key(void **state)
{
    struct world *w = *state;
    static const char path[] = "/possession?challenge=0x00000000000000000000000000000000000000000000000000000000000000ff";
    struct possession got;
    address who = own_address();
    hash32 challenge = {{0}};
    challenge.b[31] = 0xff;
    json_t *doc = get_json(w, path, 200);
    assert_int_equal(possession_check_json(&got, doc, &who, &challenge, NULL), OK);
    json_decref(doc);
    json_decref(get_json(w, "/possession", 400));
    json_decref(get_json(w, "/possession?challenge=0xff", 400));
    json_decref(get_json(w, "/possession?challenge=0x00000000000000000000000000000000000000000000000000000000000000fg", 400));
    w->has_no_key = true;
    json_decref(get_json(w, path, 503));
    bool is_refused = false;
    for (int i = 0; i < 100 && !is_refused; i++) {
        struct http_client_response r = get(w, path, NULL);
        is_refused = r.status == 429;
        http_client_response_fini(&r);
    }
    assert_true(is_refused);
}

static const json_t *node_at(const json_t *doc, size_t i)
{
    return json_array_get(json_object_get(doc, "nodes"), i);
}

static void a_node_without_a_store_lists_itself(void **state)
{
    json_t *doc = get_json(*state, "/nodes", 200);
    assert_int_equal(json_array_size(json_object_get(doc, "nodes")), 1);
    assert_true(json_is_true(json_object_get(node_at(doc, 0), "self")));
    assert_int_equal(json_integer_value(json_object_get(node_at(doc, 0), "peers")), 4);
    assert_int_equal(json_integer_value(json_object_get(node_at(doc, 0), "block")), 50);
    json_decref(doc);
}

/* until the second node's state is the one wanted; ret its document */
static json_t *wait_for_state(struct world *w, const char *want)
{
    for (int i = 0; i < 40; i++) {
        json_t *doc = get_json(w, "/nodes", 200);
        const char *is = json_string_value(json_object_get(node_at(doc, 0), "state"));
        if (is != NULL && strcmp(is, want) == 0) return doc;
        json_decref(doc);
        clock_sleep_ms(50);
    }
    fail_msg("the node never was %s", want);
    return NULL;
}

static void set_other(struct world *w)
{
    char enode[300];
    (void)snprintf(enode, sizeof enode, "enode://%0128d@127.0.0.1:30300", 7);
    json_t *nodes = json_pack("[{s:s, s:s, s:s, s:s}]", "enodeUrl", enode, "hostname", "other", "address", "0x00000000000000000000000000000000000000bb", "region", "r");
    member_set_nodes(w->member, nodes, NULL);
    json_decref(nodes);
}

static void another_node_is_asked_for_its_peers_and_head(void **state)
{
    struct world *w = *state;
    set_other(w);
    json_t *doc = wait_for_state(w, "running");
    assert_int_equal(json_array_size(json_object_get(doc, "nodes")), 2);
    assert_int_equal(json_integer_value(json_object_get(node_at(doc, 0), "peers")), 3);
    assert_int_equal(json_integer_value(json_object_get(node_at(doc, 0), "block")), 42);
    json_decref(doc);
}

static void an_answer_of_another_node_at_the_same_address_does_not_count(void **state)
{
    struct world *w = *state;
    w->coinbase = "0x00000000000000000000000000000000000000cc";
    set_other(w);
    for (int i = 0; i < 8; i++) {
        json_t *doc = wait_for_state(w, "unreachable");
        assert_true(json_is_null(json_object_get(node_at(doc, 0), "peers")));
        json_decref(doc);
        clock_sleep_ms(20);
    }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_file_comes_with_a_policy_that_names_only_the_hosts_own_ports),
        CASE(only_files_of_the_page_are_served),
        CASE(an_answer_that_stays_the_same_is_not_sent_again),
        CASE(a_long_answer_is_compressed_for_who_takes_it),
        CASE(the_contract_is_read_anew_only_when_its_storage_changed),
        CASE(a_network_without_a_contract_and_a_state_that_cannot_be_read_say_so),
        CASE(who_asks_with_a_challenge_gets_a_proof_of_the_key),
        CASE(a_node_without_a_store_lists_itself),
        CASE(another_node_is_asked_for_its_peers_and_head),
        CASE(an_answer_of_another_node_at_the_same_address_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
