#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/net/http_client.h"
#include "node/metrics/metrics.h"

#include <ctype.h>

#include <cmocka.h>

/* ------------------------------------------- a strict reader of the format, after the specification: one pass, every line must fit */

struct reader {
    char family[128], kind[16];
    size_t families, samples;
    bool open, has_type, done;
    char seen[256][128];
};

static size_t name_len(const char *p)
{
    size_t n = 0;
    while (isalpha((unsigned char)p[n]) || p[n] == '_' || p[n] == ':' || (n > 0 && isdigit((unsigned char)p[n])))
        n++;
    return n;
}

static void read_meta(struct reader *r, const char *line)
{
    char word[8] = "", name[128] = "", rest[400] = "";
    assert_int_equal(sscanf(line, "# %7s %127s %399[^\n]", word, name, rest), 3);
    assert_int_equal(name_len(name), strlen(name));
    if (strcmp(word, "HELP") == 0) {
        for (size_t i = 0; i < r->families; i++)
            assert_string_not_equal(r->seen[i], name); /* a family is never taken up again */
        (void)snprintf(r->seen[r->families++], sizeof r->seen[0], "%s", name);
        (void)snprintf(r->family, sizeof r->family, "%s", name);
        r->has_type = false;
    } else if (strcmp(word, "TYPE") == 0) {
        assert_string_equal(name, r->family);
        assert_true(strcmp(rest, "gauge") == 0 || strcmp(rest, "counter") == 0 || (r->open && strcmp(rest, "info") == 0));
        (void)snprintf(r->kind, sizeof r->kind, "%.15s", rest);
        r->has_type = true;
        bool total = strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0;
        if (strcmp(rest, "counter") == 0) assert_int_equal(total, !r->open);
        else assert_false(total);
    } else {
        assert_true(r->open);
        assert_string_equal(word, "UNIT");
        assert_string_equal(name, r->family);
        size_t n = strlen(name), k = strlen(rest);
        assert_true(n > k + 1 && name[n - k - 1] == '_' && strcmp(name + n - k, rest) == 0);
    }
}

static void read_sample(struct reader *r, const char *line)
{
    char want[160];
    const char *tail = !r->open ? "" : strcmp(r->kind, "counter") == 0 ? "_total" : strcmp(r->kind, "info") == 0 ? "_info" : "";
    size_t n = name_len(line);
    assert_true(r->has_type);
    (void)snprintf(want, sizeof want, "%s%s", r->family, tail);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(line, want, n);
    const char *p = line + n;
    if (*p == '{') {
        do {
            p++;
            n = name_len(p);
            assert_true(n > 0 && memchr(p, ':', n) == NULL);
            p += n;
            assert_memory_equal(p, "=\"", 2);
            for (p += 2; *p != '"'; p++) {
                assert_true(*p != '\n' && *p != '\0');
                if (*p != '\\') continue;
                p++;
                assert_true(*p == '\\' || *p == '"' || *p == 'n');
            }
            p++;
        } while (*p == ',');
        assert_int_equal(*p++, '}');
    }
    assert_int_equal(*p++, ' ');
    char *end;
    assert_true(isdigit((unsigned char)*p));
    double v = strtod(p, &end);
    assert_true(v >= 0 && *end == '\n');
    r->samples++;
}

static void read_page(struct reader *r, const char *text, bool open)
{
    *r = (struct reader){.open = open};
    for (const char *line = text; *line != '\0';) {
        const char *nl = strchr(line, '\n');
        assert_non_null(nl);
        assert_false(r->done);
        if (strncmp(line, "# EOF\n", 6) == 0) r->done = true;
        else if (*line == '#') read_meta(r, line);
        else read_sample(r, line);
        line = nl + 1;
    }
    assert_int_equal(r->done, open);
}

/* ------------------------------------------------------------------ tests */

static struct tally_validator validators[2] = {{.last_step = 99, .sealed = 7, .missed = 2, .in_set = true}, {.last_step = 90}};

static void collect(void *ctx, struct metrics_facts *f, struct arena *a)
{
    (void)ctx;
    (void)a;
    *f = (struct metrics_facts){.version = "0.1.0",
                                .name = "a \"name\" with \\ and\nline",
                                .genesis = "0xab",
                                .network_id = 10101010,
                                .now_ms = 1700000012345,
                                .head = {.number = 17, .timestamp = 1700000010, .step = 850000005, .finalised = 15, .gas_limit = 50000000},
                                .has_aura = true,
                                .step = 850000006,
                                .step_ms = 2000,
                                .is_validator = true,
                                .lease_ms = 43210,
                                .validators = validators,
                                .n_validators = 2};
    validators[1].who.b[0] = 0xff;
    metrics_read_process(&f->process);
}

static void both_formats_are_read_by_a_strict_reader(void **state)
{
    (void)state;
    for (int open = 0; open < 2; open++) {
        struct metrics_facts f;
        struct reader r;
        struct buf page;
        buf_init(&page, 1 << 20);
        collect(NULL, &f, NULL);
        metrics_put(&page, &f, open);
        read_page(&r, buf_cstr(&page), open);
        assert_true(r.samples > 40 && r.samples >= r.families);
        const char *text = buf_cstr(&page);
        assert_non_null(strstr(text, "\nethereum_blockchain_height 17\n"));
        assert_non_null(strstr(text, "\npoa_head_age_seconds 2.345\n"));
        assert_non_null(strstr(text, "\npoa_lease_remaining_seconds 43.210\n"));
        assert_non_null(strstr(text, "poa_validator_missed_steps_total{validator=\"0x0000000000000000000000000000000000000000\"} 2\n"));
        assert_non_null(strstr(text, "name=\"a \\\"name\\\" with \\\\ and\\nline\""));
        assert_non_null(strstr(text, "poa_node_info{"));
        buf_fini(&page);
    }
}

static void a_node_without_lease_or_engine_leaves_their_families_out(void **state)
{
    (void)state;
    struct metrics_facts f;
    struct reader r;
    struct buf page;
    buf_init(&page, 1 << 20);
    collect(NULL, &f, NULL);
    f.lease_ms = UINT64_MAX;
    metrics_put(&page, &f, true);
    assert_null(strstr(buf_cstr(&page), "poa_lease"));
    assert_non_null(strstr(buf_cstr(&page), "\npoa_sealing 1\n"));
    buf_clear(&page);
    f.has_aura = false;
    metrics_put(&page, &f, true);
    assert_null(strstr(buf_cstr(&page), "poa_step"));
    read_page(&r, buf_cstr(&page), true);
    buf_fini(&page);
}

static void the_process_is_described(void **state)
{
    (void)state;
    struct metrics_process p;
    metrics_read_process(&p);
    assert_true(p.resident_bytes > 100000 && p.resident_bytes < p.virtual_bytes);
    assert_true(p.open_fds >= 3 && p.open_fds < p.max_fds);
    assert_true(p.threads >= 1);
    uint64_t now = (uint64_t)time(NULL) * 1000;
    assert_true(p.start_ms > now - 60000 && p.start_ms < now + 2000);
}

static void the_accept_header_chooses_the_format(void **state)
{
    (void)state;
    assert_false(exposition_wants_openmetrics(NULL));
    assert_false(exposition_wants_openmetrics("text/plain"));
    assert_false(exposition_wants_openmetrics("x-application/openmetrics-text"));
    assert_true(exposition_wants_openmetrics("application/openmetrics-text"));
    assert_true(exposition_wants_openmetrics("text/html;q=0.1, Application/OpenMetrics-Text;version=1.0.0;q=0.5, */*"));
}

static void the_page_is_served(void **state)
{
    (void)state;
    struct metrics *m;
    struct err err;
    const struct metrics_config cfg = {.address = "127.0.0.1", .collect = collect};
    assert_int_equal(metrics_start(&m, &cfg, &err), OK);
    struct http_client *c;
    const struct http_client_config cc = {0};
    assert_int_equal(http_client_new(&c, &cc, &err), OK);
    static const struct {
        const char *method, *path, *accept, *type;
        int status;
    } rows[] = {
        {"GET", "/metrics", "Accept: application/openmetrics-text; version=1.0.0", EXPOSITION_OPENMETRICS_TYPE, 200},
        {"GET", "/metrics", "Accept: */*", EXPOSITION_TEXT_TYPE, 200},
        {"GET", "/", "Accept: */*", "text/plain; charset=utf-8", 200},
        {"GET", "/other", "Accept: */*", "text/plain; charset=utf-8", 404},
        {"POST", "/metrics", "Accept: */*", NULL, 405},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char url[100], type[100] = "";
        (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", metrics_port(m), rows[i].path);
        const struct http_client_request q = {.method = rows[i].method, .url = url, .headers = &rows[i].accept, .n_headers = 1};
        struct http_client_response a;
        assert_int_equal(http_client_do(&a, c, &q, &err), OK);
        assert_int_equal(a.status, rows[i].status);
        if (rows[i].type != NULL) {
            assert_true(http_client_header(type, sizeof type, &a, "Content-Type"));
            assert_string_equal(type, rows[i].type);
        }
        struct reader r;
        if (i < 2) read_page(&r, buf_cstr(&a.body), i == 0);
        http_client_response_fini(&a);
    }
    struct metrics *second = NULL;
    const struct metrics_config taken = {.address = "127.0.0.1", .port = metrics_port(m), .collect = collect};
    assert_int_equal(metrics_start(&second, &taken, &err), E_BUSY);
    assert_null(second);
    http_client_free(c);
    metrics_stop(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_formats_are_read_by_a_strict_reader),
        cmocka_unit_test(a_node_without_lease_or_engine_leaves_their_families_out),
        cmocka_unit_test(the_process_is_described),
        cmocka_unit_test(the_accept_header_chooses_the_format),
        cmocka_unit_test(the_page_is_served),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
