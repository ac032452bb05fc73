#include "lib/eth/rules.h"

#include <strings.h>

static const char *const names[FORK_N] = {
#define X(id, name) [FORK_##id] = (name),
    RULES_FORKS(X)
#undef X
};

/* other spellings that stand in the official tests, in Nethermind's and in our own settings */
static const struct {
    const char *name;
    enum fork fork;
} aliases[] = {
    {"Petersburg", FORK_PETERSBURG}, {"TangerineWhistle", FORK_EIP150}, {"Tangerine", FORK_EIP150},
    {"SpuriousDragon", FORK_EIP158}, {"Spurious", FORK_EIP158},         {"Paris", FORK_PARIS},
};

enum status fork_parse(enum fork *out, const char *name)
{
    for (size_t i = 0; i < FORK_N; i++) {
        if (strcasecmp(name, names[i]) != 0) continue;
        *out = (enum fork)i;
        return OK;
    }
    for (size_t i = 0; i < COUNT_OF(aliases); i++) {
        if (strcasecmp(name, aliases[i].name) != 0) continue;
        *out = aliases[i].fork;
        return OK;
    }
    return E_NOT_FOUND;
}

const char *fork_name(enum fork f)
{
    return (unsigned)f < FORK_N ? names[f] : "?";
}

/* what one fork adds to (and, for Petersburg, takes from) the one before */
static void add_fork(struct rules *r, enum fork f)
{
    switch (f) {
    case FORK_FRONTIER:
        /* SPEC(EIP-3607) holds from genesis on: no chain ever saw a key for a contract's address */
        *r = (struct rules){.max_refund_quotient = 2, .chain_id = 1, .fee_required = true, .eip3607 = true};
        break;
    case FORK_HOMESTEAD:
        r->homestead = r->eip7 = true;
        break;
    case FORK_EIP150:
        r->eip150 = true;
        break;
    case FORK_EIP158:
        r->eip155 = r->eip160 = r->eip161 = r->eip170 = true;
        r->max_code_size = 24576;
        break;
    case FORK_BYZANTIUM:
        r->eip140 = r->eip196_197 = r->eip198 = r->eip211 = r->eip214 = r->eip658 = true;
        break;
    case FORK_CONSTANTINOPLE:
        r->eip145 = r->eip1014 = r->eip1052 = r->eip1283 = true;
        break;
    case FORK_PETERSBURG:
        r->eip1283 = false; /* SPEC(EIP-1716) */
        break;
    case FORK_ISTANBUL:
        r->eip152 = r->eip1108 = r->eip1344 = r->eip1884 = r->eip2028 = r->eip2200 = true;
        break;
    case FORK_BERLIN:
        r->eip2565 = r->eip2718 = r->eip2929 = r->eip2930 = true;
        break;
    case FORK_LONDON:
        r->eip1559 = r->eip3198 = r->eip3529 = r->eip3541 = true;
        r->max_refund_quotient = 5;
        break;
    case FORK_PARIS:
        r->eip4399 = true;
        break;
    case FORK_SHANGHAI:
        r->eip3651 = r->eip3855 = r->eip3860 = r->eip4895 = true;
        r->max_init_code_size = 2 * r->max_code_size;
        break;
    case FORK_CANCUN:
        r->eip1153 = r->eip4788 = r->eip4844 = r->eip5656 = r->eip6780 = r->eip7516 = true;
        break;
    case FORK_PRAGUE:
        r->eip2537 = r->eip2935 = r->eip6110 = r->eip7002 = r->eip7251 = true;
        r->eip7623 = r->eip7685 = r->eip7691 = r->eip7702 = true;
        break;
    case FORK_N:
        break;
    }
}

void rules_from_fork(struct rules *out, enum fork f)
{
    for (unsigned i = 0; i <= (unsigned)f && i < FORK_N; i++)
        add_fork(out, (enum fork)i);
}
