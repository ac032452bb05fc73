/* cmd_account.c: account new, import, show: keystore files. */
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/codec/json.h"
#include "lib/crypto/keystore.h"
#include "lib/crypto/secp256k1.h"
#include "lib/eth/types.h"
#include "orchestrator/cmd/cmd.h"

static enum status write_keystore(struct cli *c, const secret32 *key, address *out, const char **path, struct err *err)
{
    struct buf password, json;
    buf_init(&password, 4096);
    buf_init(&json, 1 << 16);
    uint8_t pub[64];
    static char name[128];
    enum status s = ec_public(pub, key);
    if (s != OK) s = err_set(err, E_INVALID, "this is no private key of secp256k1");
    if (s == OK) {
        ec_address(out->b, pub);
        char text[43];
        address_put(text, out);
        (void)snprintf(name, sizeof name, "%s.json", text);
        *path = cli_flag(c, "--out") != NULL ? cli_flag(c, "--out") : name;
        if (file_exists(*path)) s = err_set(err, E_EXISTS, "%s exists already: choose another file with --out", *path);
    }
    if (s == OK) s = cli_password(&password, c, true, "the new keystore file", err);
    enum keystore_cost cost = cli_flag(c, "--light") != NULL ? KEYSTORE_COST_LIGHT : KEYSTORE_COST_STANDARD;
    if (s == OK) s = keystore_put(&json, key, buf_view(&password), cost);
    if (s == OK) s = file_write_atomic(*path, buf_view(&json), 0600, err);
    if (password.ptr != NULL) secret_wipe(password.ptr, password.cap);
    buf_fini(&password);
    buf_fini(&json);
    return s;
}

static enum exit_code finish(struct cli *c, enum status s, const struct err *err, const address *a, const char *path)
{
    if (s != OK) return cli_fail(c, err);
    char text[43];
    address_put_checksum(text, a);
    if (c->json) {
        json_t *doc = path == NULL ? json_pack("{s:s}", "address", text) : json_pack("{s:s, s:s}", "address", text, "keystore", path);
        report_json(doc);
        json_decref(doc);
    } else if (path != NULL) {
        printf("address   %s\nkeystore  %s\n", text, path);
    } else {
        printf("%s\n", text);
    }
    return EXIT_DONE;
}

enum exit_code cmd_account_new(struct cli *c)
{
    struct err err = {0};
    secret32 key;
    address a = {{0}};
    const char *path = NULL;
    ec_secret_generate(&key);
    enum status s = write_keystore(c, &key, &a, &path, &err);
    secret_fini(&key);
    return finish(c, s, &err, &a, path);
}

enum exit_code cmd_account_import(struct cli *c)
{
    struct err err = {0};
    secret32 key = {{0}};
    address a = {{0}};
    const char *path = NULL, *file = cli_flag(c, "--key-file");
    struct buf text;
    buf_init(&text, 4096);
    enum status s = file == NULL ? err_set(&err, E_INVALID, "--key-file FILE is missing: the private key, 64 hexadecimal digits") : file_read(&text, file, &err);
    while (s == OK && text.len > 0 && text.ptr[text.len - 1] <= ' ')
        text.len--;
    if (s == OK && hex_get_fixed(key.b, 32, buf_view(&text)) != OK) s = err_set(&err, E_INVALID, "%s: a private key is 64 hexadecimal digits", file);
    if (s == OK) s = write_keystore(c, &key, &a, &path, &err);
    if (text.ptr != NULL) secret_wipe(text.ptr, text.cap);
    buf_fini(&text);
    secret_fini(&key);
    return finish(c, s, &err, &a, path);
}

/* the public key stands in the sealed part */
static enum exit_code show_public_key(struct cli *c, bytes keystore)
{
    struct err err = {0};
    struct buf password;
    secret32 key = {{0}};
    uint8_t pub[64];
    char hex[129];
    buf_init(&password, 4096);
    enum status s = cli_password(&password, c, false, c->args[0], &err);
    if (s == OK) s = keystore_get(&key, keystore, buf_view(&password), &err);
    if (s == OK && ec_public(pub, &key) != OK) s = err_set(&err, E_INVALID, "%s holds no private key of secp256k1", c->args[0]);
    secret_fini(&key);
    if (password.ptr != NULL) secret_wipe(password.ptr, password.cap);
    buf_fini(&password);
    if (s != OK) return cli_fail(c, &err);
    hex_put(hex, pub, 64);
    hex[128] = '\0';
    if (c->json) {
        json_t *doc = json_pack("{s:s+}", "publicKey", "0x", hex);
        report_json(doc);
        json_decref(doc);
    } else {
        printf("0x%s\n", hex);
    }
    return EXIT_DONE;
}

enum exit_code cmd_account_show(struct cli *c)
{
    struct err err = {0};
    struct buf text;
    json_t *doc = NULL;
    address a = {{0}};
    buf_init(&text, 1 << 16);
    enum status s = file_read(&text, c->args[0], &err);
    if (s == OK && (s = json_parse(&doc, buf_view(&text), &err)) != OK) s = err_prefix(&err, "%s", c->args[0]);
    const char *hex = json_string_value(json_object_get(doc, "address"));
    if (s == OK && (hex == NULL || address_get(&a, bytes_str(hex)) != OK))
        s = err_set(&err, E_DECODE, "%s: a keystore file has \"address\": 40 hexadecimal digits", c->args[0]);
    json_decref(doc);
    if (s == OK && cli_flag(c, "--public-key") != NULL) {
        enum exit_code code = show_public_key(c, buf_view(&text));
        buf_fini(&text);
        return code;
    }
    buf_fini(&text);
    return finish(c, s, &err, &a, NULL);
}
