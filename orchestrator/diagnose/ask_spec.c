/* ask_spec.c: by which rules the nodes read the chain: each member page tells the specification that its node runs by. */
#include "lib/base/file.h"
#include "lib/codec/json.h"
#include "lib/codec/yaml.h"
#include "lib/net/http_client.h"
#include "orchestrator/diagnose/diagnose_priv.h"

enum { PAGE_MS = 2000, PAGE_MAX = 16 << 20, PAGE_PORT = 3000 };

/* "paritySpec" of a /networkinfo; NULL: it has none, or nobody answers */
static json_t *fetch_spec(struct http_client *http, const char *url)
{
    struct http_client_response r;
    json_t *page = NULL, *spec = NULL;
    const struct http_client_request q = {.method = "GET", .url = url};
    if (http_client_do(&r, http, &q, NULL) != OK) return NULL;
    if (r.status == 200 && json_parse(&page, buf_view(&r.body), NULL) == OK) {
        const json_t *text = json_object_get(page, "paritySpec");
        if (json_is_object(text)) spec = json_incref((json_t *)(uintptr_t)text);
        else if (json_is_string(text) && json_parse(&spec, bytes_make((const uint8_t *)json_string_value(text), json_string_length(text)), NULL) != OK) spec = NULL;
    }
    json_decref(page);
    http_client_response_fini(&r);
    return spec;
}

/* the file that a node's configuration names as its specification; "": it takes the store's */
static void find_file(struct diag_node *n)
{
    json_t *config = NULL;
    if (yaml_get_file(&config, n->config, NULL) == OK) {
        const char *chain = json_string_value(json_object_get(config, "chain"));
        (void)snprintf(n->spec_file, sizeof n->spec_file, "%s", chain == NULL ? "" : chain);
    }
    json_decref(config);
}

void ask_specs(struct diag_facts *f, const char *data_url)
{
    char path[4096], url[600];
    struct buf text;
    json_t *ours = NULL;
    struct http_client *http = NULL;
    const struct http_client_config cfg = {.timeout_ms = PAGE_MS, .connect_timeout_ms = PAGE_MS, .max_body = PAGE_MAX};
    (void)snprintf(path, sizeof path, "%s/spec.json", f->dir);
    buf_init(&text, WORKSPACE_FILE_MAX);
    bool ok = file_read(&text, path, NULL) == OK && json_parse(&ours, buf_view(&text), NULL) == OK && http_client_new(&http, &cfg, NULL) == OK;
    for (size_t i = 0; ok && i < f->n_nodes; i++) {
        struct diag_node *n = &f->nodes[i];
        if (!n->answers) continue;
        (void)snprintf(url, sizeof url, "http://%s:%d/networkinfo", n->address, PAGE_PORT);
        json_t *theirs = fetch_spec(http, url);
        if (theirs != NULL && spec_differs(&n->spec, ours, theirs) && !f->is_remote) find_file(n);
        json_decref(theirs);
    }
    if (ok && data_url != NULL) {
        size_t n = strlen(data_url);
        const bool whole = n >= 12 && strcmp(data_url + n - 12, "/networkinfo") == 0;
        while (!whole && n > 0 && data_url[n - 1] == '/')
            n--;
        (void)snprintf(url, sizeof url, "%.*s%s", (int)n, data_url, whole ? "" : "/networkinfo");
        json_t *theirs = fetch_spec(http, url);
        if (theirs != NULL) (void)spec_differs(&f->peer_spec, ours, theirs);
        json_decref(theirs);
    }
    http_client_free(http);
    json_decref(ours);
    buf_fini(&text);
}
