/* The state table of leases as a client sees it: status, error code and x-ms-lease-state of every action in every state, on blobs and on containers, with
 * the store's clock put forward. test_leases.c has the same table for the state machine alone, with what is to be seen here but for the header values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/identity-store/rig.h"

static const char A[] = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", B[] = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb", C[] = "cccccccc-cccc-4ccc-8ccc-cccccccccccc";

enum { AVAILABLE, LEASED, BREAKING, BROKEN, EXPIRED, STATES };
static const char *const STATE_NAMES[STATES] = {"available", "leased", "breaking", "broken", "expired"};

static struct rig_reply act(struct rig *r, const char *target, const char *action, const char *id, const char *proposed, const char *more, const char *value)
{
    struct rig_header h[6] = {{"x-ms-lease-action", action}};
    size_t n = 1;
    if (id) h[n++] = (struct rig_header){"x-ms-lease-id", id};
    if (proposed) h[n++] = (struct rig_header){"x-ms-proposed-lease-id", proposed};
    if (more) h[n++] = (struct rig_header){more, value};
    h[n] = (struct rig_header){NULL, NULL};
    return rig_do(r, "boss", HTTP_PUT, target, h, NULL);
}

static void has(const struct rig_reply *reply, const char *name, const char *value)
{
    char want[200];
    (void)snprintf(want, sizeof want, "%s: %s\n", name, value);
    if (strstr(reply->headers, want) == NULL) fail_msg("no %s%s", want, reply->headers);
}

/* a blob or a container of its own with a lease of id A in that state */
static void make(struct rig *r, char target[100], char plain[100], bool is_blob, int state, int number)
{
    static const struct rig_header type[] = {{"x-ms-blob-type", "BlockBlob"}, {NULL, NULL}};
    char path[60];
    (void)snprintf(path, sizeof path, "/c%d%s?restype=container", number, is_blob ? "b" : "c");
    assert_int_equal(rig_status(r, "boss", HTTP_PUT, path, NULL, NULL), 201);
    if (is_blob) {
        (void)snprintf(plain, 40, "/c%db/x", number);
        (void)snprintf(target, 100, "%s?comp=lease", plain);
        assert_int_equal(rig_status(r, "boss", HTTP_PUT, plain, type, "x"), 201);
    } else {
        (void)snprintf(plain, 100, "%s", path);
        (void)snprintf(target, 100, "%s&comp=lease", path);
    }
    if (state == AVAILABLE) return;
    assert_int_equal(act(r, target, "acquire", NULL, A, "x-ms-lease-duration", "15").status, 201);
    if (state == BREAKING) assert_int_equal(act(r, target, "break", NULL, NULL, "x-ms-lease-break-period", "12").status, 202);
    if (state == BROKEN) assert_int_equal(act(r, target, "break", NULL, NULL, "x-ms-lease-break-period", "0").status, 202);
    if (state == EXPIRED) r->skew_ms += 15001;
}

struct row {
    const char *action, *id, *proposed, *more, *value;
    int ok;                   /* status of a good answer */
    const char *want[STATES]; /* NULL: good, else the error's code */
    int then[STATES];
};

#define OTHER "LeaseIdMismatchWithLeaseOperation"
#define ABSENT "LeaseNotPresentWithLeaseOperation"
#define PRESENT "LeaseAlreadyPresent"
#define NO_RENEW "LeaseIsBrokenAndCannotBeRenewed"
#define NO_CHANGE "LeaseIsBreakingAndCannotBeChanged"

static const struct row ROWS[] = {
    {"acquire", NULL, A, "x-ms-lease-duration", "15", 201, {NULL, NULL, "LeaseIsBreakingAndCannotBeAcquired", NULL, NULL}, {LEASED, LEASED, 0, LEASED, LEASED}},
    {"acquire", NULL, B, "x-ms-lease-duration", "-1", 201, {NULL, PRESENT, PRESENT, NULL, NULL}, {LEASED, 0, 0, LEASED, LEASED}},
    {"acquire", NULL, NULL, "x-ms-lease-duration", "60", 201, {NULL, PRESENT, PRESENT, NULL, NULL}, {LEASED, 0, 0, LEASED, LEASED}},
    {"renew", A, NULL, NULL, NULL, 200, {OTHER, NULL, NO_RENEW, NO_RENEW, NULL}, {0, LEASED, 0, 0, LEASED}},
    {"renew", B, NULL, NULL, NULL, 200, {OTHER, OTHER, OTHER, OTHER, OTHER}, {0}},
    {"change", A, B, NULL, NULL, 200, {ABSENT, NULL, NO_CHANGE, ABSENT, ABSENT}, {0, LEASED, 0, 0, 0}},
    {"change", C, A, NULL, NULL, 200, {ABSENT, NULL, NO_CHANGE, ABSENT, ABSENT}, {0, LEASED, 0, 0, 0}},
    {"change", B, C, NULL, NULL, 200, {ABSENT, OTHER, OTHER, ABSENT, ABSENT}, {0}},
    {"release", A, NULL, NULL, NULL, 200, {OTHER, NULL, NULL, NULL, NULL}, {0, AVAILABLE, AVAILABLE, AVAILABLE, AVAILABLE}},
    {"release", B, NULL, NULL, NULL, 200, {OTHER, OTHER, OTHER, OTHER, OTHER}, {0}},
    {"break", NULL, NULL, NULL, NULL, 202, {ABSENT, NULL, NULL, NULL, NULL}, {0, BREAKING, BREAKING, BROKEN, BROKEN}},
    {"break", NULL, NULL, "x-ms-lease-break-period", "0", 202, {ABSENT, NULL, NULL, NULL, NULL}, {0, BROKEN, BROKEN, BROKEN, BROKEN}},
    {"break", NULL, NULL, "x-ms-lease-break-period", "10", 202, {ABSENT, NULL, NULL, NULL, NULL}, {0, BREAKING, BREAKING, BROKEN, BROKEN}},
};

/* seconds until a break is through: the period that was asked for, if that is less than what there was: 15 of the lease, 12 of the break before */
static const char *time_left(const struct row *row, int before, int then)
{
    if (then == BROKEN) return "0";
    if (row->value != NULL) return row->value;
    return before == BREAKING ? "12" : "15";
}

static void every_cell_of_the_table(struct rig *r, bool is_blob)
{
    char target[100], plain[100], what[200];
    int number = 100;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        for (int s = 0; s < STATES; s++) {
            const struct row *row = &ROWS[i];
            make(r, target, plain, is_blob, s, number++);
            (void)snprintf(what, sizeof what, "%s of %s with id %.4s on %s", row->action, is_blob ? "a blob" : "a container", row->id ? row->id : "none", STATE_NAMES[s]);
            struct rig_reply got = act(r, target, row->action, row->id, row->proposed, row->more, row->value);
            int then = row->want[s] ? s : row->then[s];
            if (got.status != (row->want[s] ? 409 : row->ok)) fail_msg("%s: HTTP %d %s", what, got.status, got.body);
            if (row->want[s]) has(&got, "x-ms-error-code", row->want[s]);
            else if (strcmp(row->action, "break") == 0) has(&got, "x-ms-lease-time", time_left(row, s, then));
            else if (strcmp(row->action, "release") != 0 && row->proposed) has(&got, "x-ms-lease-id", row->proposed);
            struct rig_reply is = rig_do(r, "boss", HTTP_HEAD, plain, NULL, NULL);
            assert_int_equal(is.status, 200);
            has(&is, "x-ms-lease-state", STATE_NAMES[then]);
            has(&is, "x-ms-lease-status", then == LEASED || then == BREAKING ? "locked" : "unlocked");
            if (then == LEASED) has(&is, "x-ms-lease-duration", row->want[s] == NULL && row->value && strcmp(row->value, "-1") == 0 ? "infinite" : "fixed");
        }
    }
}

static void every_cell_of_the_table_holds_for_blobs(void **state)
{
    every_cell_of_the_table(*state, true);
}

static void every_cell_of_the_table_holds_for_containers(void **state)
{
    every_cell_of_the_table(*state, false);
}

static void durations_periods_and_ids_out_of_range_are_refused_by_name(void **state)
{
    struct rig *r = *state;
    char target[100], plain[100];
    for (int is_blob = 0; is_blob < 2; is_blob++) {
        make(r, target, plain, is_blob, LEASED, 900);
        static const char *const durations[] = {"14", "61", "0", "-2", "", "x", "15.5", "99999999999999999999"}, *const periods[] = {"-1", "61", "x"};
        for (size_t i = 0; i < COUNT_OF(durations); i++) {
            struct rig_reply got = act(r, target, "acquire", NULL, A, "x-ms-lease-duration", durations[i]);
            if (got.status != 400) fail_msg("duration %s: HTTP %d", durations[i], got.status);
        }
        for (size_t i = 0; i < COUNT_OF(periods); i++) {
            struct rig_reply got = act(r, target, "break", NULL, NULL, "x-ms-lease-break-period", periods[i]);
            assert_int_equal(got.status, 400);
            has(&got, "x-ms-error-code", "InvalidHeaderValue");
        }
        struct rig_reply got = act(r, target, "acquire", NULL, "no guid", "x-ms-lease-duration", "15");
        assert_int_equal(got.status, 400);
        has(&got, "x-ms-error-code", "InvalidHeaderValue");
        got = act(r, target, "renew", NULL, NULL, NULL, NULL);
        assert_int_equal(got.status, 400);
        has(&got, "x-ms-error-code", "MissingRequiredHeader");
        assert_int_equal(act(r, target, "steal", A, NULL, NULL, NULL).status, 400);
    }
}

static void a_write_or_delete_wants_the_id_of_a_locked_lease(void **state)
{
    struct rig *r = *state;
    static const struct {
        int state;
        const char *id, *code; /* NULL: goes through; with the kind of thing between its two halves */
    } cases[] = {{AVAILABLE, NULL, NULL}, {AVAILABLE, A, "LeaseNotPresentWith"}, {LEASED, NULL, "LeaseIdMissing"}, {LEASED, B, "LeaseIdMismatchWith"}, {LEASED, A, NULL},
                 {BREAKING, NULL, "LeaseIdMissing"}, {BREAKING, A, NULL}, {BROKEN, NULL, NULL}, {BROKEN, A, "LeaseNotPresentWith"}, {EXPIRED, NULL, NULL},
                 {EXPIRED, A, "LeaseNotPresentWith"}};
    char target[100], plain[100], code[100];
    for (int is_blob = 0; is_blob < 2; is_blob++) {
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            make(r, target, plain, is_blob, cases[i].state, 300 + (int)i);
            const struct rig_header h[] = {{"x-ms-lease-id", cases[i].id}, {NULL, NULL}};
            struct rig_reply got = rig_do(r, "boss", HTTP_DELETE, plain, cases[i].id ? h : NULL, NULL);
            if (got.status != (cases[i].code ? 412 : 202))
                fail_msg("%s %s %s: HTTP %d %s", is_blob ? "blob" : "container", STATE_NAMES[cases[i].state], cases[i].id ? cases[i].id : "-", got.status, got.body);
            if (cases[i].code == NULL) continue;
            (void)snprintf(code, sizeof code, "%s%s", cases[i].code, cases[i].id == NULL ? "" : is_blob ? "BlobOperation" : "ContainerOperation");
            has(&got, "x-ms-error-code", code);
        }
    }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_cell_of_the_table_holds_for_blobs),
        TEST(every_cell_of_the_table_holds_for_containers),
        TEST(durations_periods_and_ids_out_of_range_are_refused_by_name),
        TEST(a_write_or_delete_wants_the_id_of_a_locked_lease),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
