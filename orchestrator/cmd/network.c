#include "orchestrator/cmd/network.h"

#include "lib/base/clock.h"
#include "orchestrator/govern/rpc_client.h"

#include <strings.h>

void network_info_fini(struct network_info *i)
{
    json_decref(i->doc);
    i->doc = NULL;
}

enum status network_info_get(struct network_info *out, const char *data_url, struct err *err)
{
    char url[1200];
    size_t n = strlen(data_url);
    while (n > 0 && data_url[n - 1] == '/')
        n--;
    if (n >= 12 && strncmp(data_url + n - 12, "/networkinfo", 12) == 0) n -= 12;
    if (n > 1000) return err_set(err, E_INVALID, "--data-url (join.dataUrl): longer than 1000 characters");
    (void)snprintf(url, sizeof url, "%.*s/networkinfo", (int)n, data_url);
    struct network_info i = {0};
    enum status s = rpc_client_get_json(&i.doc, url, 10000, err);
    if (s != OK) return err_prefix(err, "the data URL does not serve a network");
    i.spec_text = json_string_value(json_object_get(i.doc, "paritySpec"));
    json_t *major = json_object_get(i.doc, "majorVersion"), *boot = json_object_get(i.doc, "bootnodes");
    if (!json_is_integer(major) || i.spec_text == NULL || *i.spec_text == '\0' || !json_is_array(boot))
        s = err_set(err, E_DECODE, "%s: this is no network information: majorVersion, paritySpec or bootnodes is missing", url);
    else if (json_integer_value(major) != 0)
        s = err_set(err, E_UNSUPPORTED, "%s: schema version %lld is not known here; this program reads version 0", url, (long long)json_integer_value(major));
    i.n_bootnodes = json_array_size(boot);
    if (s != OK) {
        network_info_fini(&i);
        return s;
    }
    *out = i;
    return OK;
}

bool network_rpc_of_data_url(char dst[static 512], const char *data_url)
{
    const char *host = strstr(data_url, "://");
    if (host == NULL) return false;
    host += 3;
    size_t n = strcspn(host, "/:");
    if (n == 0 || n > 300) return false;
    (void)snprintf(dst, 512, "http://%.*s:8545", (int)n, host);
    return true;
}

enum status network_check_genesis(const char *rpc_url, const char *want, struct err *err)
{
    struct rpc_client *c = NULL;
    json_t *block = NULL;
    enum status s = rpc_client_new(&c, rpc_url, 10000, err);
    if (s == OK) s = rpc_client_call(&block, c, "eth_getBlockByNumber", json_pack("[s, b]", "0x0", 0), err);
    const char *have = json_string_value(json_object_get(block, "hash"));
    if (s == OK && have == NULL) s = err_set(err, E_DECODE, "%s does not give its genesis block", rpc_url);
    if (s == OK && strcasecmp(have, want) != 0)
        s = err_set(err, E_CONFLICT, "the genesis does not match: the specification from the data URL gives %s, but the node at %s runs %s. Nothing was created; ask the member that gave you the URL",
                    want, rpc_url, have);
    json_decref(block);
    rpc_client_free(c);
    return s;
}

enum status network_wait_block(uint64_t *number, const char *rpc_url, uint64_t above, unsigned timeout_s, struct report *r, struct err *err)
{
    struct rpc_client *c = NULL;
    enum status s = rpc_client_new(&c, rpc_url, 2000, err);
    if (s != OK) return s;
    uint64_t end = clock_mono_ms() + (uint64_t)timeout_s * 1000, n = 0;
    struct err last = {0};
    bool answered = false;
    for (;;) {
        s = rpc_client_u64(&n, c, "eth_blockNumber", NULL, &last);
        if (s == OK) answered = true;
        if (s == OK && n > above) break;
        if (clock_mono_ms() > end) {
            s = answered ? err_set(err, E_TIMEOUT, "no block above %llu was seen at %s within %u s: the nodes answer but do not seal; `poa-deploy doctor` tells why, the logs are in local/log of the workspace",
                                   (unsigned long long)above, rpc_url, timeout_s)
                         : err_set(err, E_TIMEOUT, "no node answered at %s within %u s (%s); `poa-deploy doctor` tells why, the logs are in local/log of the workspace", rpc_url, timeout_s, err_text(&last));
            break;
        }
        if (answered) report_note(r, "the nodes answer, block %llu", (unsigned long long)n);
        else report_note(r, "the nodes start");
        clock_sleep_ms(20);
    }
    rpc_client_free(c);
    if (s == OK) *number = n;
    return s;
}

enum { LOOK_MS = 2000 };

const struct target_instance *network_best_instance(uint64_t *height, const struct target *t)
{
    const struct target_instance *best = NULL;
    uint64_t most = 0, n = 0;
    for (size_t i = 0; i < t->n_instances; i++) {
        const struct target_instance *in = &t->instances[i];
        struct rpc_client *c = NULL;
        char url[64];
        if (in->address[0] == '\0') continue;
        (void)snprintf(url, sizeof url, "http://%s:8545", in->address);
        if (rpc_client_new(&c, url, LOOK_MS, NULL) == OK && rpc_client_u64(&n, c, "eth_blockNumber", json_array(), NULL) == OK && (best == NULL || n > most)) {
            best = in;
            most = n;
        }
        rpc_client_free(c);
    }
    if (height != NULL && best != NULL) *height = most;
    return best;
}
