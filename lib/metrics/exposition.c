#include "lib/metrics/exposition.h"

#include <strings.h>

static bool is_name(const char *s)
{
    if (*s == '\0') return false;
    for (const char *p = s; *p != '\0'; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || *p == '_', digit = *p >= '0' && *p <= '9';
        if (!letter && !(digit && p != s)) return false;
    }
    return true;
}

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n > k && strcmp(s + n - k, end) == 0;
}

void exposition_init(struct exposition *e, struct buf *out, bool is_openmetrics)
{
    *e = (struct exposition){.out = out, .is_openmetrics = is_openmetrics};
}

static const char *suffix(enum metric_kind kind)
{
    switch (kind) {
    case METRIC_COUNTER: return "_total";
    case METRIC_INFO: return "_info";
    case METRIC_GAUGE: break;
    }
    return "";
}

static const char *kind_name(const struct exposition *e)
{
    switch (e->kind) {
    case METRIC_COUNTER: return "counter";
    case METRIC_INFO: return e->is_openmetrics ? "info" : "gauge";
    case METRIC_GAUGE: break;
    }
    return "gauge";
}

void exposition_family(struct exposition *e, const char *name, enum metric_kind kind, const char *unit, const char *help)
{
    if (!is_name(name) || ends_in(name, "_total") || (unit != NULL && !ends_in(name, unit))) BUG("the name of a metric");
    e->family = name;
    e->kind = kind;
    const char *tail = e->is_openmetrics ? "" : suffix(kind);
    buf_printf(e->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, tail, help, name, tail, kind_name(e));
    if (e->is_openmetrics && unit != NULL) buf_printf(e->out, "# UNIT %s %s\n", name, unit);
}

static void put_escaped(struct buf *out, const char *value)
{
    for (const char *p = value; *p != '\0'; p++) {
        if (*p == '\n') buf_put_str(out, "\\n");
        else if (*p == '"' || *p == '\\') buf_printf(out, "\\%c", *p);
        else buf_put_u8(out, (uint8_t)*p);
    }
}

static void put_name(struct exposition *e, const struct metric_label *labels, size_t n)
{
    buf_printf(e->out, "%s%s", e->family, suffix(e->kind));
    for (size_t i = 0; i < n; i++) {
        buf_printf(e->out, "%c%s=\"", i == 0 ? '{' : ',', labels[i].name);
        put_escaped(e->out, labels[i].value);
        buf_put_u8(e->out, '"');
    }
    buf_put_str(e->out, n > 0 ? "} " : " ");
}

void exposition_sample(struct exposition *e, const struct metric_label *labels, size_t n, uint64_t value)
{
    put_name(e, labels, n);
    buf_printf(e->out, "%llu\n", (unsigned long long)value);
}

void exposition_sample_ms(struct exposition *e, const struct metric_label *labels, size_t n, uint64_t thousandths)
{
    put_name(e, labels, n);
    buf_printf(e->out, "%llu.%03llu\n", (unsigned long long)(thousandths / 1000), (unsigned long long)(thousandths % 1000));
}

void exposition_end(struct exposition *e)
{
    if (e->is_openmetrics) buf_put_str(e->out, "# EOF\n");
}

bool exposition_wants_openmetrics(const char *accept)
{
    static const char type[] = "application/openmetrics-text";
    for (const char *p = accept; p != NULL && *p != '\0'; p++) {
        while (*p == ' ' || *p == ',')
            p++;
        if (strncasecmp(p, type, sizeof type - 1) == 0) return true;
        p = strchr(p, ',');
        if (p == NULL) return false;
    }
    return false;
}

void exposition_one(struct exposition *e, const char *name, enum metric_kind kind, const char *unit, uint64_t v, const char *help)
{
    exposition_family(e, name, kind, unit, help);
    exposition_sample(e, NULL, 0, v);
}

void exposition_one_ms(struct exposition *e, const char *name, enum metric_kind kind, uint64_t ms, const char *help)
{
    exposition_family(e, name, kind, "seconds", help);
    exposition_sample_ms(e, NULL, 0, ms);
}
