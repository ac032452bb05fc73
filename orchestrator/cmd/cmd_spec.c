/* cmd_spec.c: spec hash, spec check. */
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/crypto/secp256k1.h"
#include "lib/eth/chain_spec.h"
#include "lib/eth/header.h"
#include "node/chain/genesis.h"
#include "orchestrator/cmd/cmd.h"

enum { SPEC_FILE_MAX = 64 << 20 };

static enum status load(struct chain_spec *spec, const char *path, struct err *err)
{
    struct buf text;
    buf_init(&text, SPEC_FILE_MAX);
    enum status s = file_read(&text, path, err);
    if (s == OK && (s = chain_spec_parse(spec, buf_view(&text), err)) != OK) s = err_prefix(err, "%s", path);
    buf_fini(&text);
    return s;
}

enum exit_code cmd_spec_hash(struct cli *c)
{
    struct err err = {0};
    struct chain_spec spec;
    struct genesis g;
    enum status s = load(&spec, c->args[0], &err);
    if (s != OK) return cli_fail(c, &err);
    s = genesis_compute(&g, &spec, &err);
    if (s == OK) {
        char hash[67], root[67];
        hash_put(hash, &g.hash);
        hash_put(root, &g.header.state_root);
        if (c->json) {
            json_t *doc = json_pack("{s:s, s:s}", "genesisHash", hash, "stateRoot", root);
            report_json(doc);
            json_decref(doc);
        } else {
            printf("genesis hash  %s\nstate root    %s\n", hash, root);
        }
    } else if (err.text[0] == '\0') {
        IGNORE(err_set(&err, s, "%s: %s", c->args[0], status_text(s)), "only text");
    }
    chain_spec_fini(&spec);
    return s == OK ? EXIT_DONE : cli_fail(c, &err);
}

/* a sealed header in hex: hash, step and signer */
static enum status check_header(json_t *doc, const char *path, struct err *err)
{
    struct buf text, raw;
    buf_init(&text, 1 << 20);
    buf_init(&raw, 1 << 20);
    struct header h;
    address signer;
    enum status s = file_read(&text, path, err);
    while (s == OK && text.len > 0 && text.ptr[text.len - 1] <= ' ')
        text.len--;
    if (s == OK && hex_get(&raw, buf_view(&text)) != OK) s = err_set(err, E_DECODE, "%s: no hexadecimal text", path);
    bytes in = buf_view(&raw);
    if (s == OK) s = header_get(&h, &in, err);
    if (s == OK && h.seal != SEAL_AURA) s = err_set(err, E_INVALID, "%s: the header has no AuRa seal", path);
    if (s == OK) {
        hash32 hash = header_hash(&h), seal = header_aura_seal_hash(&h);
        char hash_text[67], author[43], signer_text[43];
        s = ec_recover_address(signer.b, h.signature, seal.b);
        if (s != OK) s = err_set(err, s, "%s: the seal's signature recovers to nobody", path);
        hash_put(hash_text, &hash);
        address_put(author, &h.author);
        address_put(signer_text, &signer);
        json_object_set_new(doc, "headerHash", json_string(hash_text));
        json_object_set_new(doc, "number", json_integer((json_int_t)h.number));
        json_object_set_new(doc, "step", json_integer((json_int_t)h.step));
        json_object_set_new(doc, "author", json_string(author));
        json_object_set_new(doc, "signer", json_string(signer_text));
        if (s == OK && !address_eq(&signer, &h.author))
            s = err_set(err, E_CRYPTO, "%s: sealed by %s, but its author is %s", path, signer_text, author);
    }
    buf_fini(&raw);
    buf_fini(&text);
    return s;
}

enum exit_code cmd_spec_check(struct cli *c)
{
    struct err err = {0};
    struct chain_spec spec;
    enum status s = load(&spec, c->args[0], &err);
    if (s != OK) return cli_fail(c, &err);
    json_t *doc = json_pack("{s:s, s:I, s:[]}", "name", spec.name, "networkId", (json_int_t)spec.network_id, "warnings");
    for (size_t i = 0; i < spec.n_warnings; i++)
        json_array_append_new(json_object_get(doc, "warnings"), json_string(spec.warnings[i]));
    const char *header = cli_flag(c, "--header");
    if (header != NULL) s = check_header(doc, header, &err);
    if (s == OK && c->json) {
        report_json(doc);
    } else if (s == OK) {
        printf("%s: network %llu, %zu accounts\n", spec.name, (unsigned long long)spec.network_id, spec.n_accounts);
        for (size_t i = 0; i < spec.n_warnings; i++)
            printf("warning: %s\n", spec.warnings[i]);
        if (header != NULL)
            printf("header %s: number %lld, step %lld, sealed by %s\n", json_string_value(json_object_get(doc, "headerHash")),
                   (long long)json_integer_value(json_object_get(doc, "number")), (long long)json_integer_value(json_object_get(doc, "step")),
                   json_string_value(json_object_get(doc, "signer")));
    }
    json_decref(doc);
    chain_spec_fini(&spec);
    return s == OK ? EXIT_DONE : cli_fail(c, &err);
}
