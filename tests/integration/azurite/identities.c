/* identities.c: the orchestrator's calls for identities, one a run, for run.mjs:
 *
 *     poa-identities VAULT BLOBS TOKEN_URI CLIENT SECRET_FILE CA_FILE push SPEC CONTRACTS N | read I | add-key I | hand-over I ADDRESS URI | retire URI
 *
 * prints "ADDRESS URI" where there is something to say; exit 1 with the reason on stderr. */
#include "lib/base/file.h"
#include "orchestrator/identity/identities.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEADLINE_MS = 20000, FILE_MAX = 1 << 20 };

static enum status push(const struct vault_access *a, char **args, struct err *err)
{
    static struct identities id;
    struct buf spec, contracts;
    buf_init(&spec, FILE_MAX);
    buf_init(&contracts, FILE_MAX);
    identities_generate(&id, strtoul(args[2], NULL, 10));
    enum status s = file_read(&spec, args[0], err);
    if (s == OK) s = file_read(&contracts, args[1], err);
    if (s == OK) s = identities_push(&id, a, buf_view(&spec), buf_view(&contracts), false, DEADLINE_MS, err);
    identities_fini(&id);
    buf_fini(&spec);
    buf_fini(&contracts);
    return s;
}

static enum status hand_over(const struct vault_access *a, char **args, struct err *err)
{
    struct identity_state next;
    enum status s = address_get(&next.who, bytes_str(args[1]));
    (void)snprintf(next.secret_uri, sizeof next.secret_uri, "%s", args[2]);
    return s == OK ? identities_hand_over(&next, a, (unsigned)strtoul(args[0], NULL, 10), err) : s;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *word;
        int n;
    } words[] = {{"push", 3}, {"read", 1}, {"add-key", 1}, {"hand-over", 3}, {"retire", 1}};
    struct err err = {0};
    struct identity_state st = {.secret_uri = ""};
    enum status s = E_INVALID;
    size_t w = 0;
    while (argc > 7 && w < COUNT_OF(words) && (strcmp(words[w].word, argv[7]) != 0 || words[w].n != argc - 8)) w++;
    if (argc <= 7 || w == COUNT_OF(words)) return 2;
    struct vault_access a = {.url = argv[1], .blob_url = argv[2], .token_uri = argv[3], .client_id = argv[4], .client_secret_file = argv[5], .ca_file = argv[6]};
    char **args = argv + 8;
    switch (w) {
    case 0: s = push(&a, args, &err); break;
    case 1: s = identities_read(&st, &a, (unsigned)strtoul(args[0], NULL, 10), &err); break;
    case 2: s = identities_add_key(&st, &a, (unsigned)strtoul(args[0], NULL, 10), &err); break;
    case 3: s = hand_over(&a, args, &err); break;
    case 4: s = identities_retire(args[0], &a, &err); break;
    default: BUG("words");
    }
    if (s != OK) {
        fprintf(stderr, "%s\n", err.text[0] ? err_text(&err) : status_text(s));
        return 1;
    }
    char text[43];
    address_put_checksum(text, &st.who);
    if (st.secret_uri[0]) printf("%s %s\n", text, st.secret_uri);
    return 0;
}
