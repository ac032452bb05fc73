#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/utf8.h"

#include <cmocka.h>

static const struct {
    const char *text;
    size_t len;
    const char *want;
} cases[] = {
    {"plain text", 10, "plain text"},
    {"caf\xc3\xa9 \xe2\x80\xa6 \xf0\x9f\x98\x80", 14, "caf\xc3\xa9 \xe2\x80\xa6 \xf0\x9f\x98\x80"},
    {"\x1b[2J\x1b]0;x\x07", 10, "\\x1b[2J\\x1b]0;x\\x07"},
    {"a\0b\tc\rd\ne\x7f", 10, "a\\x00b\tc\\x0dd\\x0ae\\x7f"},
    {"\xc2\x9b" "31m", 5, "\\xc2\\x9b31m"},                    /* C1's CSI */
    {"\xe2\x80\xae" "exe", 6, "\\xe2\\x80\\xae" "exe"},         /* right to left from here */
    {"\xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80", 11, "\\xc0\\xaf \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80"},
    {"cut \xe2\x80", 6, "cut \\xe2\\x80"},
    {"", 0, ""},
};

static void what_a_terminal_would_obey_is_made_visible(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out;
        buf_init(&out, 1000);
        utf8_put_visible(&out, bytes_make((const uint8_t *)cases[i].text, cases[i].len));
        assert_string_equal(buf_cstr(&out), cases[i].want);
        buf_fini(&out);
    }
}

/* whatever comes, what leaves is well-formed and holds no control character but tabs; what was so already stays as it is */
static void any_bytes_become_printable_text(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t in[12];
        struct buf out, again;
        for (size_t i = 0; i < sizeof in; i++) {
            seed = seed * 1664525 + 1013904223;
            in[i] = (uint8_t)(seed >> 24);
            if (round % 2 == 0) in[i] |= 0x80;
        }
        buf_init(&out, 1000);
        buf_init(&again, 1000);
        utf8_put_visible(&out, bytes_make(in, sizeof in));
        for (size_t i = 0, n; i < out.len; i += n) {
            n = out.ptr[i] == '\t' ? 1 : utf8_len(out.ptr + i, out.len - i);
            assert_true(n > 0);
        }
        utf8_put_visible(&again, buf_view(&out));
        assert_true(bytes_eq(buf_view(&out), buf_view(&again)));
        buf_fini(&out);
        buf_fini(&again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_terminal_would_obey_is_made_visible),
        cmocka_unit_test(any_bytes_become_printable_text),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
