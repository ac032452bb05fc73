/* gate.c: which nodes may connect: those of the allow-list (a file that may change while the node runs), and those that the chain's node
 * permission contract permits. The loop's thread only. */
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/eth/enode.h"
#include "node/chain/node_filter.h"
#include "node/main/node.h"

#include <sys/stat.h>

enum { LIST_BYTES = 1 << 20, LIST_MAX = 4096, ID_HEX = 128 };

struct gate {
    struct node_filter *filter; /* NULL: the spec has no contract */
    bool has_list;
    uint8_t (*list)[64];
    size_t n;
    struct timespec changed; /* of the file, as it was read */
    off_t len;
    uint8_t own[64];
    bool recheck; /* the head has moved: the contract may say otherwise of those who are connected */
};

/* one line: an enode URL or a node id; blank, or a remark behind '#': nothing.  ret E_DECODE */
static enum status read_line(uint8_t id[static 64], bool *is_any, bytes line, struct err *err)
{
    const uint8_t *hash = memchr(line.ptr, '#', line.len);
    if (hash != NULL) line.len = (size_t)(hash - line.ptr);
    while (line.len > 0 && line.ptr[line.len - 1] <= ' ')
        line.len--;
    while (line.len > 0 && line.ptr[0] <= ' ')
        line = bytes_make(line.ptr + 1, line.len - 1);
    *is_any = line.len > 0;
    if (!*is_any) return OK;
    struct enode e;
    if (line.len > 8 && memcmp(line.ptr, "enode://", 8) == 0) {
        const enum status s = enode_get(&e, line, err);
        if (s == OK) memcpy(id, e.pub, 64);
        return s;
    }
    if (line.len > 2 && memcmp(line.ptr, "0x", 2) == 0) line = bytes_make(line.ptr + 2, line.len - 2);
    if (line.len != ID_HEX || hex_get_fixed(id, 64, line) != OK)
        return err_set(err, E_DECODE, "neither an enode URL nor a node id of %d hexadecimal digits", ID_HEX);
    return OK;
}

static enum status read_list(struct gate *g, const char *path, struct err *err)
{
    struct buf text;
    struct stat st;
    buf_init(&text, LIST_BYTES);
    uint8_t (*list)[64] = NULL;
    size_t n = 0, number = 0;
    enum status s = stat(path, &st) == 0 ? file_read(&text, path, err) : err_set(err, E_NOT_FOUND, "cannot open %s", path);
    if (s == OK) list = calloc(LIST_MAX, sizeof *list);
    if (s == OK && list == NULL) s = E_NOMEM;
    for (bytes rest = buf_view(&text); s == OK && rest.len > 0;) {
        const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
        const size_t len = end == NULL ? rest.len : (size_t)(end - rest.ptr);
        bool is_any = false;
        number++;
        if (n == LIST_MAX) s = err_set(err, E_LIMIT, "%s: more than %d nodes", path, LIST_MAX);
        if (s == OK) s = read_line(list[n], &is_any, bytes_make(rest.ptr, len), err);
        if (s == E_DECODE) err_prefix(err, "%s, line %zu", path, number);
        if (s == OK && is_any) n++;
        rest = end == NULL ? BYTES_EMPTY : bytes_make(end + 1, rest.len - len - 1);
    }
    buf_fini(&text);
    if (s != OK) {
        free(list);
        return s;
    }
    free(g->list);
    g->list = list;
    g->n = n;
    g->changed = st.st_mtim;
    g->len = st.st_size;
    return OK;
}

enum status node_gate_open(struct node *n, const uint8_t own[static 64], struct err *err)
{
    struct gate *g = calloc(1, sizeof *g);
    if (g == NULL) return E_NOMEM;
    n->gate = g;
    memcpy(g->own, own, 64);
    enum status s = OK;
    if (n->cfg.allowed_nodes != NULL) {
        g->has_list = true;
        s = read_list(g, n->cfg.allowed_nodes, err);
        if (s != OK) return err_prefix(err, "network.allowed_nodes"), s;
        log_info("p2p", "%zu nodes are allowed to connect, by %s", g->n, n->cfg.allowed_nodes);
    }
    if (n->spec.has_node_permission_contract) s = node_filter_new(&g->filter);
    return s;
}

void node_gate_close(struct node *n)
{
    if (n->gate == NULL) return;
    node_filter_free(n->gate->filter);
    free(n->gate->list);
    free(n->gate);
    n->gate = NULL;
}

bool node_gate_allows(void *ctx, const uint8_t pub[static 64])
{
    struct node *n = ctx;
    struct gate *g = n->gate;
    bool yes = !g->has_list;
    for (size_t i = 0; i < g->n && !yes; i++)
        yes = memcmp(g->list[i], pub, 64) == 0;
    if (!yes || g->filter == NULL) return yes;
    const enum status s = node_filter_check(&yes, g->filter, n->chain, g->own, pub);
    if (s != OK) log_error("p2p", "the node permission contract can't be asked reason=%s", status_name(s));
    return s == OK && yes;
}

/* has the file changed? A file that can't be read leaves the list as it was. */
void node_gate_tick(struct node *n)
{
    struct gate *g = n->gate;
    struct stat st;
    struct err err = {0};
    if (g->recheck) p2p_recheck(n->p2p);
    g->recheck = false;
    if (!g->has_list || stat(n->cfg.allowed_nodes, &st) != 0) return;
    if (st.st_mtim.tv_sec == g->changed.tv_sec && st.st_mtim.tv_nsec == g->changed.tv_nsec && st.st_size == g->len) return;
    if (read_list(g, n->cfg.allowed_nodes, &err) == OK) {
        log_info("p2p", "the list of allowed nodes has changed: %zu nodes", g->n);
        p2p_recheck(n->p2p);
        return;
    }
    log_error("p2p", "network.allowed_nodes: %s; the list stays as it was", err_text(&err));
    g->changed = st.st_mtim; /* told once */
    g->len = st.st_size;
}

void node_gate_on_head(struct node *n)
{
    if (n->gate != NULL && n->gate->filter != NULL && n->p2p != NULL) n->gate->recheck = true;
}
