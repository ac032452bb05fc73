#include "orchestrator/diagnose/log_line.h"

#include <strings.h>

static bool digits(unsigned *v, const uint8_t *p, size_t n)
{
    *v = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') return false;
        *v = *v * 10 + (unsigned)(p[i] - '0');
    }
    return true;
}

/* "2026-11-23 09:32:52" with ' ' or 'T' between */
static bool read_seconds(uint64_t *s, const uint8_t *p)
{
    unsigned y, mo, d, h, mi, sec;
    if (!digits(&y, p, 4) || p[4] != '-' || !digits(&mo, p + 5, 2) || p[7] != '-' || !digits(&d, p + 8, 2) || (p[10] != ' ' && p[10] != 'T') ||
        !digits(&h, p + 11, 2) || p[13] != ':' || !digits(&mi, p + 14, 2) || p[16] != ':' || !digits(&sec, p + 17, 2))
        return false;
    struct tm tm = {.tm_year = (int)y - 1900, .tm_mon = (int)mo - 1, .tm_mday = (int)d, .tm_hour = (int)h, .tm_min = (int)mi, .tm_sec = (int)sec};
    time_t t = timegm(&tm);
    if (y < 1970 || mo < 1 || mo > 12 || t < 0) return false;
    *s = (uint64_t)t;
    return true;
}

static bytes skip_spaces(bytes b)
{
    while (b.len > 0 && b.ptr[0] == ' ')
        b = bytes_make(b.ptr + 1, b.len - 1);
    return b;
}

static bytes take_word(bytes *b)
{
    bytes w = skip_spaces(*b);
    size_t n = 0;
    while (n < w.len && w.ptr[n] != ' ')
        n++;
    *b = skip_spaces(bytes_make(w.ptr + n, w.len - n));
    return bytes_make(w.ptr, n);
}

static bool has(bytes line, const char *word)
{
    return line.len > 0 && memmem(line.ptr, line.len, word, strlen(word)) != NULL;
}

static void foreign(struct log_line *out, bytes line)
{
    *out = (struct log_line){.level = LOG_LEVEL_INFO, .text = line};
    if (has(line, "[ALERT]") || has(line, ": error: ")) out->level = LOG_LEVEL_ERROR;
    else if (has(line, "[WARNING]")) out->level = LOG_LEVEL_WARN;
}

void log_line_get(struct log_line *out, bytes line)
{
    uint64_t s;
    unsigned ms;
    char name[8] = "";
    if (line.len < 24 || !read_seconds(&s, line.ptr) || line.ptr[19] != '.' || !digits(&ms, line.ptr + 20, 3) || line.ptr[23] != ' ') {
        foreign(out, line);
        return;
    }
    bytes rest = bytes_make(line.ptr + 24, line.len - 24), level = take_word(&rest);
    *out = (struct log_line){.ms = s * 1000 + ms, .level = LOG_LEVEL_INFO};
    if (level.len < sizeof name) memcpy(name, level.ptr, level.len);
    if (log_level_parse(&out->level, name)) out->target = take_word(&rest);
    else rest = skip_spaces(bytes_make(line.ptr + 24, line.len - 24));
    out->text = rest;
}

bool log_since_parse(uint64_t *ms, const char *text, uint64_t now_ms)
{
    uint64_t s;
    size_t n = strlen(text);
    if (n >= 19 && read_seconds(&s, (const uint8_t *)text) && (text[19] == '\0' || strcmp(text + 19, "Z") == 0)) {
        *ms = s * 1000;
        return true;
    }
    char *end;
    if (n == 0 || text[0] < '0' || text[0] > '9') return false;
    unsigned long long v = strtoull(text, &end, 10);
    uint64_t unit;
    if (*end == '\0' || strcmp(end, "s") == 0) unit = 1000;
    else if (strcmp(end, "m") == 0) unit = 60000;
    else if (strcmp(end, "h") == 0) unit = 3600000;
    else if (strcmp(end, "d") == 0) unit = 86400000;
    else return false;
    if (v > 36500ULL * 86400) return false;
    *ms = v * unit < now_ms ? now_ms - v * unit : 0;
    return true;
}
