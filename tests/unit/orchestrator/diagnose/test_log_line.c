#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "orchestrator/diagnose/log_line.h"

#include <cmocka.h>

static struct log_line get(const char *text)
{
    struct log_line l;
    log_line_get(&l, bytes_str(text));
    return l;
}

static void a_line_of_ours_has_time_level_target_and_text(void **state)
{
    (void)state;
    struct log_line l = get("2026-11-23 09:32:52.123 WARN  identity lost: the lease is someone else's now");
    assert_int_equal(l.ms, 1795426372123);
    assert_int_equal(l.level, LOG_LEVEL_WARN);
    assert_true(bytes_eq_str(l.target, "identity"));
    assert_true(bytes_eq_str(l.text, "lost: the lease is someone else's now"));
    assert_int_equal(get("1970-01-01 00:00:00.000 INFO  a        b").ms, 0);
}

static void lines_of_others_are_text_with_the_level_that_they_hint_at(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum log_level level;
    } rows[] = {
        {"[WARNING] (849) : Server reg1-8545/vl is DOWN", LOG_LEVEL_WARN},
        {"[ALERT] (849) : Starting frontend: cannot bind socket", LOG_LEVEL_ERROR},
        {"[NOTICE] (849) : New worker", LOG_LEVEL_INFO},
        {"poa-node: error: x.yaml: colour: no such setting", LOG_LEVEL_ERROR},
        {"", LOG_LEVEL_INFO},
        {"2026-11-23 09:32:52 INFO no milliseconds", LOG_LEVEL_INFO},
        {"2026-13-23 09:32:52.123 INFO  x  no such month", LOG_LEVEL_INFO},
        {"2026-11-23X09:32:52.123 INFO  x  no such form", LOG_LEVEL_INFO},
        {"  at frame 3 of a trace that goes on", LOG_LEVEL_INFO},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct log_line l = get(rows[i].line);
        assert_int_equal(l.ms, 0);
        assert_int_equal(l.level, rows[i].level);
        assert_int_equal(l.target.len, 0);
        assert_true(bytes_eq_str(l.text, rows[i].line));
    }
}

static void a_timed_line_of_another_program_keeps_its_words(void **state)
{
    (void)state;
    struct log_line l = get("2026-11-23 09:32:52.123 something happened");
    assert_int_equal(l.ms, 1795426372123);
    assert_int_equal(l.level, LOG_LEVEL_INFO);
    assert_true(bytes_eq_str(l.text, "something happened"));
    l = get("2026-11-23 09:32:52.123 ");
    assert_int_equal(l.text.len, 0);
    l = get("2026-11-23 09:32:52.123 ERROR");
    assert_int_equal(l.level, LOG_LEVEL_ERROR);
}

static void since_is_a_span_or_a_time(void **state)
{
    (void)state;
    uint64_t ms = 1, now = 1795426372123;
    static const struct {
        const char *text;
        uint64_t back_ms;
    } spans[] = {{"90", 90000}, {"90s", 90000}, {"10m", 600000}, {"2h", 7200000}, {"3d", 259200000}, {"0", 0}};
    for (size_t i = 0; i < COUNT_OF(spans); i++) {
        assert_true(log_since_parse(&ms, spans[i].text, now));
        assert_int_equal(ms, now - spans[i].back_ms);
    }
    assert_true(log_since_parse(&ms, "2026-11-23T09:32:52Z", now));
    assert_int_equal(ms, 1795426372000);
    assert_true(log_since_parse(&ms, "2026-11-23 09:32:52", now));
    assert_true(log_since_parse(&ms, "36000d", now));
    assert_int_equal(ms, 0);
    ms = 77;
    static const char *const bad[] = {"", "m", "10x", "-5m", "soon", "10 m", "1.5h", "2026-11-23", "2026-11-23T09:32:52+01", "99999999999999999999d"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(log_since_parse(&ms, bad[i], now));
    assert_int_equal(ms, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_ours_has_time_level_target_and_text),
        cmocka_unit_test(lines_of_others_are_text_with_the_level_that_they_hint_at),
        cmocka_unit_test(a_timed_line_of_another_program_keeps_its_words),
        cmocka_unit_test(since_is_a_span_or_a_time),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
