#include "lib/base/file.h"
#include "lib/codec/json.h"
#include "orchestrator/genesis/genesis.h"

enum { ARTIFACT_MAX = 4 << 20, PATH_CAP = 4500 };

static enum status read_text(char **out, const char *path, struct err *err)
{
    struct buf b;
    buf_init(&b, ARTIFACT_MAX);
    enum status s = file_read(&b, path, err);
    if (s == OK) {
        buf_put_u8(&b, 0);
        s = buf_status(&b);
    }
    if (s == OK) *out = (char *)buf_take(&b, NULL);
    buf_fini(&b);
    return s;
}

enum status artifact_load(struct artifact *out, const char *share_dir, struct err *err)
{
    struct artifact a = {0};
    char base[PATH_CAP - 100], path[PATH_CAP], *text = NULL;
    (void)snprintf(base, sizeof base, "%.4000s/orchestrator/contracts", share_dir);
    if (!file_is_dir(base)) (void)snprintf(base, sizeof base, "%.4000s/contracts", share_dir);
    (void)snprintf(path, sizeof path, "%s/artifacts/AdminValidatorSet.json", base);
    enum status s = read_text(&text, path, err);
    if (s == OK) s = json_parse(&a.doc, bytes_str(text), err);
    free(text);
    if (s == OK) {
        a.bytecode = json_string_value(json_object_get(a.doc, "bytecode"));
        a.abi_text = json_dumps(json_object_get(a.doc, "abi"), JSON_COMPACT);
        if (a.bytecode == NULL || a.abi_text == NULL) s = err_set(err, E_CORRUPT, "%s: bytecode or abi is missing; run scripts/compile-contracts", path);
    }
    (void)snprintf(path, sizeof path, "%s/src/ValidatorSet.sol", base);
    if (s == OK) s = read_text(&a.set_source, path, err);
    (void)snprintf(path, sizeof path, "%s/src/AdminValidatorSet.sol", base);
    if (s == OK) s = read_text(&a.admin_source, path, err);
    if (s != OK) {
        artifact_fini(&a);
        return s;
    }
    *out = a;
    return OK;
}

void artifact_fini(struct artifact *a)
{
    json_decref(a->doc);
    free(a->abi_text);
    free(a->set_source);
    free(a->admin_source);
    *a = (struct artifact){0};
}

json_t *artifact_contracts_json(const struct artifact *a, const address *addresses, size_t n)
{
    json_t *doc = json_pack("{s:s, s:s, s:s}", "valSetContract", a->set_source, "adminContract", a->admin_source, "adminContractABI", a->abi_text);
    if (addresses == NULL) return doc;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        char text[43];
        address_put(text, &addresses[i]);
        json_array_append_new(list, json_string(text));
    }
    json_object_set_new(doc, "addressList", json_pack("{s:o}", "addresses", list));
    return doc;
}
