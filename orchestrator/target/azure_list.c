#include "orchestrator/target/azure_priv.h"

static bool has_tag(const json_t *resource, const char *key, const char *value)
{
    return strcmp(json_text(json_object_get(resource, "tags"), key), value) == 0;
}

bool azure_is_member(const struct target *t, const json_t *resource)
{
    char member[12];
    (void)snprintf(member, sizeof member, "%u", t->member);
    return has_tag(resource, "poa-member", member);
}

bool azure_is_ours(const struct target *t, const json_t *resource)
{
    return azure_is_member(t, resource) || has_tag(resource, "created-by", "poa-deploy");
}

/* what is not this member's leaves the list */
static void keep_own(json_t *list, const struct target *t)
{
    for (size_t i = json_array_size(list); i-- > 0;)
        if (!azure_is_member(t, json_array_get(list, i))) json_array_remove(list, i);
}

enum status azure_list_own(json_t **out, struct target *t, const char *type, const char *what, struct err *err)
{
    struct azure *a = azure_of(t);
    char path[AZURE_PATH_MAX], op[80];
    const int provider = (int)strcspn(type, "/");
    (void)snprintf(op, sizeof op, "list the %s", what);
    (void)snprintf(path, sizeof path, "/subscriptions/%s/resourceGroups/%s/resources?api-version=" AZURE_GROUPS_API "&$filter=resourceType%%20eq%%20%%27%.*s%%2F%s%%27", a->subscription, a->group, provider, type,
                   type + provider + 1);
    const struct azure_arm_call c = {.op = op, .method = "GET", .path = path};
    json_t *list;
    enum status s = azure_arm_list(&list, a->arm, &c, err);
    if (s != OK) return s;
    keep_own(list, t);
    *out = list;
    return OK;
}

enum status azure_list_nsgs(json_t **out, struct target *t, struct err *err)
{
    struct azure *a = azure_of(t);
    char path[AZURE_PATH_MAX];
    (void)snprintf(path, sizeof path, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Network/networkSecurityGroups?api-version=" AZURE_NETWORK_API, a->subscription, a->group);
    const struct azure_arm_call c = {.op = "list the network security groups", .permission = "Microsoft.Network/networkSecurityGroups/read", .method = "GET", .path = path};
    json_t *list;
    enum status s = azure_arm_list(&list, a->arm, &c, err);
    if (s != OK) return s;
    keep_own(list, t);
    *out = list;
    return OK;
}

enum status azure_list_machines(json_t **out, struct azure *a, const char *scale_set, struct err *err)
{
    char path[AZURE_PATH_MAX];
    (void)snprintf(path, sizeof path, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Compute/virtualMachineScaleSets/%s/virtualMachines?api-version=" AZURE_COMPUTE_API "&$expand=instanceView",
                   a->subscription, a->group, scale_set);
    const struct azure_arm_call c = {.op = "list the machines of a scale set", .permission = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/read", .method = "GET", .path = path};
    return azure_arm_list(out, a->arm, &c, err);
}

const char *azure_machine_name(const json_t *vm)
{
    const char *name = json_text(json_object_get(json_object_get(vm, "properties"), "osProfile"), "computerName");
    return *name != '\0' ? name : json_text(vm, "name");
}

const char *azure_machine_power(const json_t *vm)
{
    size_t i;
    const json_t *status;
    json_array_foreach(json_object_get(json_object_get(json_object_get(vm, "properties"), "instanceView"), "statuses"), i, status)
        if (strncmp(json_text(status, "code"), "PowerState/", 11) == 0) return json_text(status, "code") + 11;
    return "unknown";
}
