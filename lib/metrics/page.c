#include "lib/metrics/page.h"

#include "lib/net/http_server.h"

enum { PAGE_MAX = 8 << 20, IDLE_S = 90, CONNECTIONS_MAX = 64 };

struct metrics_page {
    struct metrics_page_config cfg;
    struct http_server *server;
};

static void respond_text(struct http_request *r, int status, const char *text)
{
    http_respond(r, status, "text/plain; charset=utf-8", bytes_str(text), NULL, 0);
}

static void on_request(void *ctx, struct http_request *r)
{
    struct metrics_page *m = ctx;
    enum http_method method = http_request_method(r);
    const char *path = http_request_path(r);
    if (method != HTTP_GET && method != HTTP_HEAD) {
        const struct http_header allow = {"Allow", "GET, HEAD"};
        http_respond(r, 405, NULL, BYTES_EMPTY, &allow, 1);
        return;
    }
    if (strcmp(path, "/") == 0) {
        char text[100];
        (void)snprintf(text, sizeof text, "%s: /metrics\n", m->cfg.program);
        respond_text(r, 200, text);
        return;
    }
    if (strcmp(path, "/metrics") != 0) {
        respond_text(r, 404, "there is only /metrics\n");
        return;
    }
    struct buf page;
    struct exposition e;
    bool open = exposition_wants_openmetrics(http_request_header(r, "Accept"));
    buf_init(&page, PAGE_MAX);
    exposition_init(&e, &page, open);
    m->cfg.put(m->cfg.ctx, &e);
    exposition_end(&e);
    if (buf_status(&page) == OK) http_respond(r, 200, open ? EXPOSITION_OPENMETRICS_TYPE : EXPOSITION_TEXT_TYPE, buf_view(&page), NULL, 0);
    else respond_text(r, 500, "out of memory\n");
    buf_fini(&page);
}

enum status metrics_page_start(struct metrics_page **out, const struct metrics_page_config *cfg, struct err *err)
{
    struct metrics_page *m = calloc(1, sizeof *m);
    if (m == NULL) return err_set(err, E_NOMEM, "metrics: out of memory");
    m->cfg = *cfg;
    struct http_server_config sc = {.bind_address = cfg->address, .port = cfg->port, .max_body = 1024, .max_connections = CONNECTIONS_MAX, .idle_timeout_s = IDLE_S};
    struct http_handler h = {.ctx = m, .request = on_request};
    enum status s = http_server_start(&m->server, &sc, &h, err);
    if (s != OK) {
        free(m);
        return err_prefix(err, "metrics");
    }
    *out = m;
    return OK;
}

void metrics_page_stop(struct metrics_page *m)
{
    if (m == NULL) return;
    http_server_stop(m->server);
    free(m);
}

uint16_t metrics_page_port(const struct metrics_page *m)
{
    return http_server_port(m->server);
}
