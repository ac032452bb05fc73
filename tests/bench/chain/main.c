/* poa-make-chain SPEC BASE_PATH BLOCKS TXS: keys of the validator and of the one who pays on standard input, one in hex on each line. */
#include "lib/codec/hex.h"
#include "tests/bench/chain/make.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_key(secret32 *out)
{
    char line[80];
    if (fgets(line, sizeof line, stdin) == NULL) return false;
    return hex_get_fixed(out->b, 32, bytes_make(line, strcspn(line, "\r\n"))) == OK;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    if (argc != 5) {
        fprintf(stderr, "usage: poa-make-chain SPEC BASE_PATH BLOCKS TXS <KEYS\n");
        return 2;
    }
    struct make_config c = {.spec_file = argv[1], .base_path = argv[2], .blocks = strtoull(argv[3], NULL, 10), .txs = (unsigned)strtoul(argv[4], NULL, 10)};
    if (!read_key(&c.seal) || !read_key(&c.funded)) {
        fprintf(stderr, "poa-make-chain: two keys of 64 hexadecimal digits are wanted on standard input\n");
        return 2;
    }
    const enum status s = make_chain(&c, &err);
    if (s != OK) fprintf(stderr, "poa-make-chain: %s: %s\n", status_name(s), err_text(&err));
    return s == OK ? 0 : 1;
}
