#include "orchestrator/genesis/genesis.h"

/* the validators' rule that holds for the last blocks before `block`; a view */
static json_t *rule_before(json_t *set, uint64_t block)
{
    json_t *multi = json_object_get(set, "multi"), *one, *found = NULL;
    unsigned long long best = 0;
    const char *key;
    if (multi == NULL) return set;
    json_object_foreach(multi, key, one)
    {
        const unsigned long long at = strtoull(key, NULL, 0);
        if (at < block && (found == NULL || at >= best)) {
            found = one;
            best = at;
        }
    }
    return found;
}

static enum status check_later(const json_t *set, uint64_t block, struct err *err)
{
    json_t *multi = json_object_get(set, "multi"), *one;
    const char *key;
    json_object_foreach(multi, key, one)
    {
        if (strtoull(key, NULL, 0) + 2 < block) continue;
        return err_set(err, E_INVALID, "the chain specification changes the validators at block %s already: name a block after %llu", key,
                       strtoull(key, NULL, 0) + 2);
    }
    return OK;
}

static json_t *list_rule(const address *list, size_t n)
{
    json_t *items = json_array();
    for (size_t i = 0; i < n; i++) {
        char text[43];
        address_put(text, &list[i]);
        json_array_append_new(items, json_string(text));
    }
    return json_pack("{s:o}", "list", items);
}

enum status spec_json_recover(json_t *spec, uint64_t block, const address *list, size_t n, bool keeps_contract, struct err *err)
{
    json_t *params = json_object_get(json_object_get(json_object_get(spec, "engine"), "authorityRound"), "params");
    json_t *set = json_object_get(params, "validators"), *before = rule_before(set, block);
    char at[24], after[24];
    if (!json_is_object(set) || before == NULL) return err_set(err, E_INVALID, "the chain specification has no engine.authorityRound.params.validators");
    if (n == 0 || block < 2) return err_set(err, E_INVALID, "a set needs a validator, and a block to begin at that is not the first");
    enum status s = check_later(set, block, err);
    if (s != OK) return s;
    const bool is_contract = json_object_get(before, "safeContract") != NULL || json_object_get(before, "contract") != NULL;
    if (keeps_contract && !is_contract) return err_set(err, E_INVALID, "the validators before block %llu are no contract's", (unsigned long long)block);
    (void)snprintf(at, sizeof at, "%llu", (unsigned long long)block);
    (void)snprintf(after, sizeof after, "%llu", (unsigned long long)block + 2);
    json_t *was = json_object_get(set, "multi");
    json_t *multi = was != NULL ? json_deep_copy(was) : json_pack("{s:O}", "0", set);
    if (json_object_set_new(multi, at, list_rule(list, n)) != 0 || (keeps_contract && json_object_set(multi, after, before) != 0) ||
        json_object_set_new(params, "validators", json_pack("{s:O}", "multi", multi)) != 0)
        s = err_set(err, E_NOMEM, "no memory for the chain specification");
    json_decref(multi);
    return s;
}
