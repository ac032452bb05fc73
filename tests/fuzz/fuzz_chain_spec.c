/* module: lib/eth */
/* A spec that is accepted answers all questions about any block; one that is refused says why. */
#include "lib/eth/chain_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_sorted(const struct chain_spec *s)
{
    for (size_t i = 1; i < s->n_accounts; i++)
        if (memcmp(&s->accounts[i - 1].addr, &s->accounts[i].addr, sizeof(address)) >= 0) BUG("accounts are not ascending");
    for (size_t i = 0; i < s->n_accounts; i++)
        for (size_t k = 1; k < s->accounts[i].n_prices; k++)
            if (s->accounts[i].prices[k - 1].at >= s->accounts[i].prices[k].at) BUG("prices are not ascending");
    for (size_t i = 1; i < s->aura.n_step_duration; i++)
        if (s->aura.step_duration[i - 1].at >= s->aura.step_duration[i].at) BUG("step durations are not ascending");
    for (size_t i = 0; i < s->aura.n_step_duration; i++)
        if (s->aura.step_duration[i].value == 0) BUG("a step lasts 0 s");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const uint64_t blocks[] = {0, 1, 1000000, UINT64_MAX - 1};
    struct chain_spec s;
    struct err err = {0};
    if (chain_spec_parse(&s, bytes_make(data, len), &err) != OK) {
        if (err.text[0] == '\0') BUG("a spec was refused without a reason");
        return 0;
    }
    check_sorted(&s);
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        struct rules r;
        const struct builtin_price *p;
        chain_spec_rules(&r, &s, blocks[i], blocks[i]);
        for (size_t k = 0; k < s.n_accounts; k++)
            if (chain_spec_builtin(&p, &s, &s.accounts[k].addr, blocks[i]) != NULL && p->at > blocks[i]) BUG("a price of the future");
    }
    for (size_t i = 0; i < s.n_warnings; i++)
        if (s.warnings[i][0] == '\0') BUG("an empty warning");
    chain_spec_fini(&s);
    return 0;
}
