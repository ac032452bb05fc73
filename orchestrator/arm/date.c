/* date.c: dates in UTC. Patterns are .NET's custom ones, as far as they have a place in a template. */
#include "lib/base/buf.h"
#include "orchestrator/arm/arm_priv.h"

static const char *const DAYS[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
static const char *const MONTHS[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

static bool put_field(struct buf *out, const struct tm *t, char what, size_t n)
{
    switch (what) {
    case 'y':
        if (n == 2)
            buf_printf(out, "%02d", (t->tm_year + 1900) % 100);
        else if (n == 4)
            buf_printf(out, "%04d", t->tm_year + 1900);
        else
            return false;
        return true;
    case 'M':
        if (n >= 3)
            buf_printf(out, n == 3 ? "%.3s" : "%s", MONTHS[t->tm_mon]);
        else
            buf_printf(out, "%0*d", (int)n, t->tm_mon + 1);
        return n <= 4;
    case 'd':
        if (n >= 3)
            buf_printf(out, n == 3 ? "%.3s" : "%s", DAYS[t->tm_wday]);
        else
            buf_printf(out, "%0*d", (int)n, t->tm_mday);
        return n <= 4;
    case 'H': buf_printf(out, "%0*d", (int)n, t->tm_hour); return n <= 2;
    case 'h':
        buf_printf(out, "%0*d", (int)n, t->tm_hour % 12 == 0 ? 12 : t->tm_hour % 12);
        return n <= 2;
    case 'm': buf_printf(out, "%0*d", (int)n, t->tm_min); return n <= 2;
    case 's': buf_printf(out, "%0*d", (int)n, t->tm_sec); return n <= 2;
    case 'f': buf_printf(out, "%0*d", (int)n, 0); return n <= 7;
    case 't': buf_printf(out, n == 1 ? "%.1s" : "%s", t->tm_hour < 12 ? "AM" : "PM"); return n <= 2;
    case 'K': buf_put_str(out, "Z"); return n == 1;
    case 'z': buf_put_str(out, n == 3 ? "+00:00" : "+00"); return n <= 3;
    default: return false;
    }
}

bool date_format(struct buf *out, int64_t unix_s, const char *pattern)
{
    const time_t when = (time_t)unix_s;
    struct tm t;
    if (gmtime_r(&when, &t) == NULL) return false;
    if (strcmp(pattern, "u") == 0) pattern = "yyyy-MM-dd HH:mm:ssZ";
    if (strcmp(pattern, "s") == 0) pattern = "yyyy-MM-ddTHH:mm:ss";
    if (strcmp(pattern, "o") == 0 || strcmp(pattern, "O") == 0)
        pattern = "yyyy-MM-ddTHH:mm:ss.fffffffZ";
    if (strcmp(pattern, "r") == 0 || strcmp(pattern, "R") == 0)
        pattern = "ddd, dd MMM yyyy HH:mm:ss 'GMT'";
    if (strcmp(pattern, "d") == 0) pattern = "M/d/yyyy";
    for (const char *at = pattern; *at != 0;) {
        if (*at == '\'') {
            const size_t n = strcspn(at + 1, "'");
            if (at[1 + n] != '\'') return false;
            buf_put(out, at + 1, n);
            at += n + 2;
        } else if (*at == '\\' && at[1] != 0) {
            buf_put_u8(out, (uint8_t)at[1]);
            at += 2;
        } else if (strchr("yMdHhmsftKz", *at) != NULL) {
            size_t n = 1;
            while (at[n] == *at)
                n++;
            if (!put_field(out, &t, *at, n)) return false;
            at += n;
        } else if (*at == '%') {
            at++;
        } else {
            buf_put_u8(out, (uint8_t)*at++);
        }
    }
    return true;
}

static enum status put_date(json_t **out, struct ev *e, const struct fn_call *c, int64_t unix_s,
                            const char *pattern)
{
    struct buf b;
    buf_init(&b, 1000);
    enum status s = OK;
    if (!date_format(&b, unix_s, pattern) || buf_status(&b) != OK)
        s = ev_fail(e, E_INVALID, "%s(): cannot write the date by the format '%.60s'", c->name,
                    pattern);
    else
        s = put_text(out, e, buf_view(&b));
    buf_fini(&b);
    return s;
}

/* digits: n decimal digits into *v, *at moved past them */
static bool digits(int *v, const char **at, int n)
{
    *v = 0;
    for (int i = 0; i < n; i++, (*at)++) {
        if (**at < '0' || **at > '9') return false;
        *v = *v * 10 + (**at - '0');
    }
    return true;
}

/* the forms of ISO 8601 that dates in templates have; *pattern: how to write it again */
static bool parse_date(int64_t *out, const char **pattern, const char *s)
{
    struct tm t = {0};
    int y = 0, mo = 0, offset_min = 0;
    const char *at = s;
    if (!digits(&y, &at, 4)) return false;
    const bool dashes = *at == '-';
    if (dashes) at++;
    if (!digits(&mo, &at, 2) || mo < 1 || mo > 12) return false;
    if (dashes && *at++ != '-') return false;
    if (!digits(&t.tm_mday, &at, 2) || t.tm_mday < 1 || t.tm_mday > 31) return false;
    t.tm_year = y - 1900;
    t.tm_mon = mo - 1;
    *pattern = dashes ? "yyyy-MM-dd" : "yyyyMMdd";
    if (*at != 0) {
        const bool blank = *at == ' ';
        if (*at != 'T' && *at != ' ') return false;
        at++;
        if (!digits(&t.tm_hour, &at, 2) || t.tm_hour > 23) return false;
        const bool colons = *at == ':';
        if (colons) at++;
        if (!digits(&t.tm_min, &at, 2) || t.tm_min > 59) return false;
        if (colons && *at == ':') at++;
        if (!digits(&t.tm_sec, &at, 2) || t.tm_sec > 60) return false;
        if (*at == '.') {
            at++;
            while (*at >= '0' && *at <= '9')
                at++;
        }
        if (*at == 'Z') {
            at++;
        } else if (*at == '+' || *at == '-') {
            const int sign = *at++ == '-' ? -1 : 1;
            int h = 0, m = 0;
            if (!digits(&h, &at, 2)) return false;
            if (*at == ':') at++;
            if (!digits(&m, &at, 2)) return false;
            offset_min = sign * (h * 60 + m);
        }
        if (*at != 0) return false;
        *pattern = !colons ? "yyyyMMddTHHmmssZ"
                   : blank ? "yyyy-MM-dd HH:mm:ssZ"
                           : "yyyy-MM-ddTHH:mm:ssZ";
    }
    *out = (int64_t)timegm(&t) - offset_min * 60;
    return true;
}

/* ISO 8601 duration P3Y2M1W4DT5H6M7S, maybe with a sign before it */
static bool add_duration(int64_t *unix_s, const char *d)
{
    const int sign = *d == '-' ? -1 : 1;
    if (*d == '-' || *d == '+') d++;
    if (*d++ != 'P' || *d == 0) return false;
    int64_t months = 0, seconds = 0;
    bool in_time = false, any = false;
    while (*d != 0) {
        if (*d == 'T' && !in_time) {
            in_time = true;
            d++;
            continue;
        }
        char *end = NULL;
        if (*d < '0' || *d > '9') return false;
        const long n = strtol(d, &end, 10);
        if (n > 1000000000) return false;
        switch (*end) {
        case 'Y': months += n * 12L; break;
        case 'M':
            if (in_time)
                seconds += n * 60L;
            else
                months += n;
            break;
        case 'W': seconds += n * 604800L; break;
        case 'D': seconds += n * 86400L; break;
        case 'H': seconds += n * 3600L; break;
        case 'S': seconds += n; break;
        default: return false;
        }
        any = true;
        d = end + 1;
    }
    if (!any || months > 120000) return false;
    const time_t when = (time_t)*unix_s;
    struct tm t;
    if (gmtime_r(&when, &t) == NULL) return false;
    const int day = t.tm_mday;
    t.tm_mon += (int)(sign * months);
    t.tm_mday = 1;
    time_t moved = timegm(&t);
    if (gmtime_r(&moved, &t) == NULL) return false;
    /* 31 January + 1 month is the last of February */
    static const int len[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int y = t.tm_year + 1900;
    const bool leap = t.tm_mon == 1 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    const int last = len[t.tm_mon] + (leap ? 1 : 0);
    t.tm_mday = day < last ? day : last;
    *unix_s = (int64_t)timegm(&t) + sign * seconds;
    return true;
}

enum status fn_utc_now(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *pattern = "yyyyMMddTHHmmssZ";
    if (c->n == 1) {
        const enum status s = arg_string(&pattern, e, c, 0);
        if (s != OK) return s;
    }
    return put_date(out, e, c, (int64_t)e->p->ctx.utc_now_s, pattern);
}

static enum status get_date(int64_t *out, const char **pattern, struct ev *e,
                            const struct fn_call *c)
{
    const char *t = NULL;
    const enum status s = arg_string(&t, e, c, 0);
    if (s != OK) return s;
    if (!parse_date(out, pattern, t))
        return ev_fail(e, E_INVALID, "%s(): '%.60s' is not an ISO 8601 date", c->name, t);
    return OK;
}

enum status fn_date_add(json_t **out, struct ev *e, const struct fn_call *c)
{
    int64_t when = 0;
    const char *pattern = NULL, *duration = NULL;
    enum status s = get_date(&when, &pattern, e, c);
    if (s == OK) s = arg_string(&duration, e, c, 1);
    if (s == OK && c->n == 3) s = arg_string(&pattern, e, c, 2);
    if (s != OK) return s;
    if (!add_duration(&when, duration))
        return ev_fail(e, E_INVALID,
                       "dateTimeAdd(): '%.60s' is not an ISO 8601 duration like P1D or -PT1H",
                       duration);
    return put_date(out, e, c, when, pattern);
}

enum status fn_date_from_epoch(json_t **out, struct ev *e, const struct fn_call *c)
{
    int64_t when = 0;
    const enum status s = arg_int(&when, e, c, 0);
    return s == OK ? put_date(out, e, c, when, "yyyy-MM-ddTHH:mm:ssZ") : s;
}

enum status fn_date_to_epoch(json_t **out, struct ev *e, const struct fn_call *c)
{
    int64_t when = 0;
    const char *pattern = NULL;
    const enum status s = get_date(&when, &pattern, e, c);
    return s == OK ? put_json(out, json_integer(when)) : s;
}
