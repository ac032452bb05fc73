#include "identity-store/leases.h"

#include "lib/base/rng.h"
#include "lib/codec/hex.h"

enum lease_state lease_state_at(const struct lease *l, uint64_t now_ms)
{
    if (l->state == LEASE_LEASED && now_ms >= l->end_ms) return LEASE_EXPIRED;
    if (l->state == LEASE_BREAKING && now_ms >= l->end_ms) return LEASE_BROKEN;
    return l->state;
}

bool lease_is_locked(const struct lease *l, uint64_t now_ms)
{
    enum lease_state s = lease_state_at(l, now_ms);
    return s == LEASE_LEASED || s == LEASE_BREAKING;
}

static uint64_t end_of(uint64_t now_ms, int32_t duration_s)
{
    return duration_s == LEASE_INFINITE ? UINT64_MAX : now_ms + (uint64_t)duration_s * 1000;
}

static bool is_id(const struct lease *l, const char *id)
{
    return l->id[0] != 0 && strcmp(l->id, id) == 0;
}

static enum rest_error acquire(struct lease *l, const struct lease_request *q, uint64_t now_ms, enum lease_state s)
{
    bool same = is_id(l, q->proposed);
    if (s == LEASE_BREAKING) return same ? ERR_LEASE_BREAKING_ACQUIRE : ERR_LEASE_ALREADY_PRESENT;
    if (s == LEASE_LEASED && !same) return ERR_LEASE_ALREADY_PRESENT;
    struct lease n = {.state = LEASE_LEASED, .duration_s = q->duration_s, .end_ms = end_of(now_ms, q->duration_s)};
    (void)snprintf(n.id, sizeof n.id, "%s", q->proposed);
    (void)snprintf(n.holder, sizeof n.holder, "%s", q->holder);
    *l = n;
    return ERR_NONE;
}

static enum rest_error renew(struct lease *l, const struct lease_request *q, uint64_t now_ms, enum lease_state s)
{
    if (!is_id(l, q->id)) return ERR_LEASE_ID_MISMATCH; /* also: available, which has none */
    if (s == LEASE_BREAKING || s == LEASE_BROKEN) return ERR_LEASE_BROKEN_RENEW;
    /* leased, or expired and neither written nor leased since: the id would be gone */
    l->state = LEASE_LEASED;
    l->end_ms = end_of(now_ms, l->duration_s);
    return ERR_NONE;
}

static enum rest_error change(struct lease *l, const struct lease_request *q, enum lease_state s)
{
    if (s == LEASE_AVAILABLE || s == LEASE_BROKEN || s == LEASE_EXPIRED) return ERR_LEASE_NOT_PRESENT;
    bool own = is_id(l, q->id) || is_id(l, q->proposed); /* the second: it was changed already, the answer was lost */
    if (!own) return ERR_LEASE_ID_MISMATCH;
    if (s == LEASE_BREAKING) return ERR_LEASE_BREAKING_CHANGE;
    (void)snprintf(l->id, sizeof l->id, "%s", q->proposed);
    return ERR_NONE;
}

static enum rest_error release(struct lease *l, const struct lease_request *q)
{
    if (!is_id(l, q->id)) return ERR_LEASE_ID_MISMATCH;
    *l = (struct lease){.state = LEASE_AVAILABLE};
    return ERR_NONE;
}

static enum rest_error break_lease(struct lease *l, const struct lease_request *q, uint64_t now_ms, enum lease_state s)
{
    uint64_t period_end = q->period_s >= 0 ? now_ms + (uint64_t)q->period_s * 1000 : UINT64_MAX;
    if (s == LEASE_AVAILABLE) return ERR_LEASE_NOT_PRESENT;
    l->state = LEASE_BREAKING;
    if (s == LEASE_BROKEN || s == LEASE_EXPIRED) l->end_ms = now_ms;
    else if (l->end_ms == UINT64_MAX && q->period_s < 0) l->end_ms = now_ms; /* infinite, no period: at once */
    else if (period_end < l->end_ms) l->end_ms = period_end;
    if (now_ms >= l->end_ms) l->state = LEASE_BROKEN;
    return ERR_NONE;
}

enum rest_error lease_act(struct lease *l, const struct lease_request *q, uint64_t now_ms)
{
    enum lease_state s = lease_state_at(l, now_ms);
    switch (q->action) {
    case LEASE_ACQUIRE: return acquire(l, q, now_ms, s);
    case LEASE_RENEW: return renew(l, q, now_ms, s);
    case LEASE_CHANGE: return change(l, q, s);
    case LEASE_RELEASE: return release(l, q);
    case LEASE_BREAK: return break_lease(l, q, now_ms, s);
    }
    BUG("lease action");
}

enum rest_error lease_check_write(const struct lease *l, const char *id, enum lease_target target, uint64_t now_ms)
{
    if (id[0] == 0) return lease_is_locked(l, now_ms) ? ERR_LEASE_ID_MISSING : ERR_NONE;
    return lease_check_read(l, id, target, now_ms);
}

enum rest_error lease_check_read(const struct lease *l, const char *id, enum lease_target target, uint64_t now_ms)
{
    if (id[0] == 0) return ERR_NONE;
    bool blob = target == LEASE_OF_BLOB;
    if (!lease_is_locked(l, now_ms)) return blob ? ERR_LEASE_ABSENT_BLOB : ERR_LEASE_ABSENT_CONTAINER;
    if (!is_id(l, id)) return blob ? ERR_LEASE_MISMATCH_BLOB : ERR_LEASE_MISMATCH_CONTAINER;
    return ERR_NONE;
}

void lease_on_write(struct lease *l, uint64_t now_ms)
{
    if (!lease_is_locked(l, now_ms)) *l = (struct lease){.state = LEASE_AVAILABLE};
}

unsigned lease_remaining_s(const struct lease *l, uint64_t now_ms)
{
    if (!lease_is_locked(l, now_ms) || l->end_ms == UINT64_MAX) return 0;
    return (unsigned)((l->end_ms - now_ms + 999) / 1000);
}

bool lease_id_get(char dst[static LEASE_ID_LEN + 1], const char *text)
{
    /* 32 digits, with dashes at the usual places or nowhere, in braces, brackets or bare */
    size_t len = strlen(text);
    if (len >= 2 && ((text[0] == '{' && text[len - 1] == '}') || (text[0] == '(' && text[len - 1] == ')'))) {
        text++;
        len -= 2;
    }
    bool dashes = len == 36;
    if (len != 32 && !dashes) return false;
    char out[LEASE_ID_LEN + 1];
    size_t n = 0;
    for (size_t i = 0; i < LEASE_ID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash) {
            if (dashes && text[n++] != '-') return false;
            out[i] = '-';
            continue;
        }
        int v = hex_digit((uint8_t)text[n++]);
        if (v < 0) return false;
        out[i] = "0123456789abcdef"[v];
    }
    out[LEASE_ID_LEN] = 0;
    memcpy(dst, out, sizeof out);
    return true;
}

void lease_id_new(char dst[static LEASE_ID_LEN + 1])
{
    uint8_t r[16];
    char hex[33];
    rng_fill(r, sizeof r);
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < 16; i++) (void)snprintf(hex + 2 * i, 3, "%02x", r[i]);
    if (!lease_id_get(dst, hex)) BUG("lease_id_new");
}

const char *lease_state_name(enum lease_state s)
{
    static const char *const names[] = {"available", "leased", "breaking", "broken", "expired"};
    return names[s];
}
