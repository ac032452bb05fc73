#include "orchestrator/report/report.h"

#include "lib/base/clock.h"

#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMNS_MIN = 24, COLUMNS_DEFAULT = 80 };

void report_init(struct report *r, bool quiet)
{
    *r = (struct report){.quiet = quiet, .columns = COLUMNS_DEFAULT, .start_ms = clock_mono_ms()};
    const char *term = getenv("TERM");
    r->is_terminal = isatty(2) == 1 && term != NULL && strcmp(term, "dumb") != 0;
    if (r->is_terminal) r->columns = (unsigned)report_columns(2);
}

static const char *seconds(char dst[static 32], uint64_t ms)
{
    (void)snprintf(dst, 32, "%llu.%llu s", (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000 / 100));
    return dst;
}

static void end_step(struct report *r, const char *mark)
{
    if (!r->open) return;
    r->open = false;
    if (r->quiet) return;
    char t[32];
    uint64_t ms = clock_mono_ms() - r->step_ms;
    /* it stays: whole, also where it does not fit into a line */
    if (r->is_terminal) fprintf(stderr, "\r\x1b[K  %s  %s  %s\n", mark, r->step, seconds(t, ms));
    else fprintf(stderr, "%s: %s (%s)\n", mark, r->step, seconds(t, ms));
}

void report_step(struct report *r, const char *fmt, ...)
{
    end_step(r, "done");
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(r->step, sizeof r->step, fmt, ap);
    va_end(ap);
    r->step_ms = clock_mono_ms();
    r->open = true;
    if (!r->quiet && r->is_terminal) {
        fprintf(stderr, "  ...   %.*s", (int)(r->columns - 9), r->step);
        fflush(stderr);
    }
}

void report_note(struct report *r, const char *fmt, ...)
{
    if (r->quiet || !r->is_terminal || !r->open) return;
    char text[160], t[32];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    char line[400];
    (void)snprintf(line, sizeof line, "  ...   %s: %s (%s)", r->step, text, seconds(t, clock_mono_ms() - r->step_ms));
    fprintf(stderr, "\r\x1b[K%.*s", (int)r->columns - 1, line);
    fflush(stderr);
}

void report_line(struct report *r, const char *fmt, ...)
{
    if (r->quiet) return;
    if (r->is_terminal && r->open) fputs("\r\x1b[K", stderr);
    char text[1000];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "      %s\n", text);
}

void report_warn(struct report *r, const char *fmt, ...)
{
    if (r->is_terminal && r->open && !r->quiet) fputs("\r\x1b[K", stderr);
    char text[1000];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fputs("warning: ", stderr);
    if (r->is_terminal) report_words(stderr, 9, 9, text, r->columns);
    else fputs(text, stderr);
    fputc('\n', stderr);
}

void report_done(struct report *r)
{
    end_step(r, "done");
}

void report_fail(struct report *r)
{
    end_step(r, "FAILED");
}

void report_error(const struct err *err)
{
    fprintf(stderr, "poa-deploy: error: %s\n", err_text(err));
}

bool report_has_color(int fd)
{
    const char *term = getenv("TERM"), *none = getenv("NO_COLOR");
    return isatty(fd) == 1 && term != NULL && strcmp(term, "dumb") != 0 && (none == NULL || *none == '\0');
}

size_t report_columns(int fd)
{
    struct winsize w = {.ws_col = 0};
    if (isatty(fd) != 1) return 0;
    if (ioctl(fd, TIOCGWINSZ, &w) != 0 || w.ws_col == 0) return COLUMNS_DEFAULT;
    return w.ws_col < COLUMNS_MIN ? COLUMNS_MIN : w.ws_col;
}

void report_words(FILE *to, size_t at, size_t indent, const char *text, size_t width)
{
    bool first = true;
    for (const char *p = text + strspn(text, " "); *p != '\0'; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        if (first ? at > indent : at + 1 + n > width) {
            fputc('\n', to);
            at = 0;
            first = true;
        }
        if (first && at < indent) {
            fprintf(to, "%*s", (int)(indent - at), "");
            at = indent;
        } else if (!first) {
            fputc(' ', to);
            at++;
        }
        fprintf(to, "%.*s", (int)n, p);
        at += n;
        p += n;
        first = false;
    }
}

void report_json(const json_t *doc)
{
    if (json_dumpf(doc, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) != 0) fputs("{}", stdout);
    fputc('\n', stdout);
    fflush(stdout);
}
