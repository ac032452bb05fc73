/* module: node/rpc */
/* Bodies of JSON-RPC requests, over loopback to a server on a small chain: every answer is JSON or empty, whatever was asked. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "node/rpc/rpc.h"
#include "node/store/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char SPEC[] =
    "{\"name\":\"Fuzz\",\"engine\":{\"null\":{\"params\":{}}},\"params\":{\"networkID\":\"0x2a\",\"gasLimitBoundDivisor\":\"0x400\","
    "\"maximumExtraDataSize\":\"0x20\",\"minGasLimit\":\"0x1388\",\"eip1559Transition\":\"0x0\",\"eip2929Transition\":\"0x0\","
    "\"eip2930Transition\":\"0x0\",\"eip140Transition\":\"0x0\",\"eip658Transition\":\"0x0\",\"eip155Transition\":\"0x0\"},"
    "\"genesis\":{\"seal\":{\"ethereum\":{\"nonce\":\"0x0000000000000042\","
    "\"mixHash\":\"0x0000000000000000000000000000000000000000000000000000000000000000\"}},\"difficulty\":\"0x20000\",\"gasLimit\":\"0x30d40\"},"
    "\"accounts\":{\"0x00000000000000000000000000000000000a0001\":{\"balance\":\"1\",\"code\":\"0x60003560005500\"}}}";

static uint16_t port(void)
{
    static struct chain_spec spec;
    static struct rpc *r;
    struct kv *kv;
    struct chain *chain;
    struct err err = {0};
    if (r != NULL) return rpc_http_port(r);
    struct rpc_config rc = {.address = "127.0.0.1", .has_http = true, .namespaces = "all", .max_body = 65536};
    if (chain_spec_parse(&spec, bytes_str(SPEC), &err) != OK || kv_open_memory(&kv, TABLE_N) != OK ||
        chain_open(&chain, kv, &spec, &(struct chain_config){.archive = true}, &err) != OK ||
        rpc_server_start(&r, &rc, chain, NULL, NULL, &err) != OK)
        BUG(err.text);
    return rpc_http_port(r);
}

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port())};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) BUG("the server is gone");
    struct timeval tv = {20, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static int fd = -1;
    static char got[1 << 22];
    char head[100];
    if (len > 65536) return 0;
    if (fd < 0) fd = dial();
    int n = snprintf(head, sizeof head, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", len);
    if (send(fd, head, (size_t)n, MSG_NOSIGNAL | MSG_MORE) < 0 || send(fd, data, len, MSG_NOSIGNAL) < 0) BUG("the server closed a good connection");
    size_t have = 0;
    char *body = NULL;
    size_t want = SIZE_MAX;
    while (body == NULL || have < want) {
        ssize_t r = recv(fd, got + have, sizeof got - 1 - have, 0);
        if (r <= 0) BUG("no answer");
        have += (size_t)r;
        got[have] = 0;
        if (body != NULL || (body = strstr(got, "\r\n\r\n")) == NULL) continue;
        body += 4;
        const char *cl = strstr(got, "Content-Length: ");
        if (memcmp(got, "HTTP/1.1 200", 12) != 0 || cl == NULL || cl > body) BUG("no whole answer");
        want = (size_t)(body - got) + strtoul(cl + 16, NULL, 10);
        if (want >= sizeof got) BUG("an answer that is too long for so small a chain");
    }
    if (have != want) BUG("more than one answer");
    size_t body_len = want - (size_t)(body - got);
    if (body_len == 0) return 0;
    json_t *doc = json_loadb(body, body_len, JSON_ALLOW_NUL, NULL);
    if (doc == NULL) BUG("an answer that is no JSON");
    json_decref(doc);
    return 0;
}
