#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/eth/rules.h"

#include <cmocka.h>

static struct rules of(enum fork f)
{
    struct rules r;
    rules_from_fork(&r, f);
    return r;
}

static void every_fork_parses_back_from_its_name_in_any_case(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FORK_N; i++) {
        char lower[32];
        enum fork f = FORK_N;
        const char *name = fork_name((enum fork)i);
        assert_int_equal(fork_parse(&f, name), OK);
        assert_int_equal(f, i);
        for (size_t c = 0; c <= strlen(name); c++)
            lower[c] = (char)(name[c] >= 'A' && name[c] <= 'Z' ? name[c] + 32 : name[c]);
        f = FORK_N;
        assert_int_equal(fork_parse(&f, lower), OK);
        assert_int_equal(f, i);
    }
    enum fork f = FORK_N;
    assert_int_equal(fork_parse(&f, "Petersburg"), OK);
    assert_int_equal(f, FORK_PETERSBURG);
    assert_int_equal(fork_parse(&f, "Paris"), OK);
    assert_int_equal(f, FORK_PARIS);
    assert_int_equal(fork_parse(&f, "Osaka"), E_NOT_FOUND);
    assert_int_equal(fork_parse(&f, ""), E_NOT_FOUND);
    assert_int_equal(f, FORK_PARIS);
}

/* the EIPs of each fork by its meta EIP (606, 607, 608, 609, 1013, 1716, 1679, 2070, London, 3675, Shanghai, 7569, 7600) */
static void every_fork_switches_on_its_own_eips_and_no_others(void **state)
{
    (void)state;
    static const struct {
        size_t off;
        enum fork since;
        const char *name;
    } t[] = {
#define F(field, fork) {offsetof(struct rules, field), FORK_##fork, #field}
        F(homestead, HOMESTEAD), F(eip7, HOMESTEAD), F(eip150, EIP150), F(eip155, EIP158), F(eip160, EIP158), F(eip161, EIP158),
        F(eip170, EIP158), F(eip140, BYZANTIUM), F(eip196_197, BYZANTIUM), F(eip198, BYZANTIUM), F(eip211, BYZANTIUM),
        F(eip214, BYZANTIUM), F(eip658, BYZANTIUM), F(eip145, CONSTANTINOPLE), F(eip1014, CONSTANTINOPLE),
        F(eip1052, CONSTANTINOPLE), F(eip152, ISTANBUL), F(eip1108, ISTANBUL), F(eip1344, ISTANBUL), F(eip1884, ISTANBUL),
        F(eip2028, ISTANBUL), F(eip2200, ISTANBUL), F(eip2565, BERLIN), F(eip2718, BERLIN), F(eip2929, BERLIN),
        F(eip2930, BERLIN), F(eip1559, LONDON), F(eip3198, LONDON), F(eip3529, LONDON), F(eip3541, LONDON),
        F(eip3607, FRONTIER), F(eip4399, PARIS), F(eip3651, SHANGHAI), F(eip3855, SHANGHAI), F(eip3860, SHANGHAI),
        F(eip4895, SHANGHAI), F(eip1153, CANCUN), F(eip4788, CANCUN), F(eip4844, CANCUN), F(eip5656, CANCUN),
        F(eip6780, CANCUN), F(eip7516, CANCUN), F(eip2537, PRAGUE), F(eip2935, PRAGUE), F(eip6110, PRAGUE),
        F(eip7002, PRAGUE), F(eip7251, PRAGUE), F(eip7623, PRAGUE), F(eip7685, PRAGUE), F(eip7691, PRAGUE),
        F(eip7702, PRAGUE), F(fee_required, FRONTIER),
        /* never part of a named fork */
        F(eip98, N), F(eip1706, N), F(dust_protection, N), F(precompiles_by_spec, N),
#undef F
    };
    size_t n_flags = 0;
#define X(field, what) n_flags++;
    RULES_FLAGS(X)
#undef X
    assert_int_equal(COUNT_OF(t) + 1, n_flags); /* eip1283 comes and goes */
    for (unsigned f = 0; f < FORK_N; f++) {
        struct rules r = of((enum fork)f);
        for (size_t i = 0; i < COUNT_OF(t); i++) {
            bool on = *(const bool *)((const char *)&r + t[i].off);
            if (on != (f >= (unsigned)t[i].since)) fail_msg("%s in %s is %d", t[i].name, fork_name((enum fork)f), on);
        }
        assert_int_equal(r.eip1283, f == FORK_CONSTANTINOPLE);
        assert_int_equal(r.chain_id, 1);
        assert_int_equal(r.account_start_nonce, 0);
        assert_int_equal(r.max_code_size, f >= FORK_EIP158 ? 24576 : 0);
        assert_int_equal(r.max_init_code_size, f >= FORK_SHANGHAI ? 49152 : 0);
        assert_int_equal(r.max_refund_quotient, f >= FORK_LONDON ? 5 : 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fork_parses_back_from_its_name_in_any_case),
        cmocka_unit_test(every_fork_switches_on_its_own_eips_and_no_others),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
