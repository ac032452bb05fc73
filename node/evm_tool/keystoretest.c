/* Official KeyStoreTests: {"json": keystore, "password": text, "priv": hex}: the key comes out; another password is refused; what we write
 * ourselves can be read again. */
#include "node/evm_tool/tool.h"

#include "lib/crypto/keystore.h"

static const char *check(json_t *test, struct err *err)
{
    json_t *store = json_object_get(test, "json"), *password = json_object_get(test, "password");
    struct buf want, again;
    secret32 key;
    const char *bad = NULL;
    char *text = json_is_string(store) ? strdup(json_string_value(store)) : json_dumps(store, JSON_COMPACT);
    buf_init(&want, 64);
    buf_init(&again, 1 << 16);
    if (text == NULL || !json_is_string(password) || !case_bytes(&want, json_object_get(test, "priv")) || want.len != sizeof key.b) {
        bad = "no key store test: it has no \"json\", \"password\" or \"priv\"";
        goto out;
    }
    const bytes pass = bytes_make(json_string_value(password), json_string_length(password));
    if (keystore_get(&key, bytes_str(text), pass, err) != OK)
        bad = err_text(err);
    else if (memcmp(key.b, want.ptr, sizeof key.b) != 0)
        bad = "another key";
    else if (keystore_get(&key, bytes_str(text), BYTES_LIT("not the password"), NULL) != E_DENIED)
        bad = "another password was not refused";
    else if (keystore_put(&again, &key, pass, KEYSTORE_COST_LIGHT) != OK || keystore_get(&key, buf_view(&again), pass, err) != OK ||
             memcmp(key.b, want.ptr, sizeof key.b) != 0)
        bad = "what was written cannot be read again";
out:
    free(text);
    buf_fini(&want);
    buf_fini(&again);
    return bad;
}

static void run_test(struct cases *c, const char *name, json_t *test)
{
    struct err err = {0};
    const char *bad = check(test, &err);
    if (bad == NULL)
        cases_pass(c, name, "");
    else
        cases_fail(c, name, "", "%s", bad);
}

int tool_keystoretest(int argc, char **argv)
{
    struct cases c = {.command = "keystoretest", .run = run_test};
    return cases_main(&c, argc, argv);
}
