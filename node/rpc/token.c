/* token.c: who may ask, where a port is not for everybody: tokens as the engine API has them (JSON Web Token, HS256, claim "iat"). */
#include "lib/base/file.h"
#include "lib/codec/base64.h"
#include "lib/codec/json.h"
#include "lib/crypto/aead.h"
#include "node/rpc/rpc_priv.h"

enum { TOKEN_MAX = 4096, SLACK_S = 60 };

enum status token_key_read(secret32 *key, const char *path, struct err *err)
{
    struct buf text;
    buf_init(&text, 4096);
    enum status s = file_read(&text, path, err);
    bytes b = buf_view(&text);
    while (b.len > 0 && b.ptr[b.len - 1] <= ' ')
        b.len--;
    if (b.len > 2 && b.ptr[0] == '0' && b.ptr[1] == 'x') b = bytes_make(b.ptr + 2, b.len - 2);
    if (s == OK && hex_get_fixed(key->b, 32, b) != OK) s = err_set(err, E_INVALID, "%s: the key of the RPC's tokens is 64 hexadecimal digits", path);
    if (text.ptr != NULL) secret_wipe(text.ptr, text.cap);
    buf_fini(&text);
    return s;
}

/* a part of the token in base64url, as JSON */
static json_t *part(const char *p, size_t n)
{
    struct buf b;
    json_t *doc = NULL;
    buf_init(&b, TOKEN_MAX);
    if (base64_get(&b, bytes_make(p, n), true) != OK || json_parse(&doc, buf_view(&b), NULL) != OK) doc = NULL;
    buf_fini(&b);
    return doc;
}

bool token_is_good(const char *header, const secret32 *key, uint64_t now_s)
{
    if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0 || strlen(header) > TOKEN_MAX) return false;
    const char *t = header + 7, *dot = strchr(t, '.'), *second = dot == NULL ? NULL : strchr(dot + 1, '.');
    if (second == NULL) return false;
    uint8_t want[32];
    struct buf have;
    buf_init(&have, TOKEN_MAX);
    hmac_sha256(want, bytes_make(key->b, 32), bytes_make(t, (size_t)(second - t)));
    bool ok = base64_get(&have, bytes_str(second + 1), true) == OK && have.len == 32 && ct_eq(have.ptr, want, 32);
    buf_fini(&have);
    if (!ok) return false;
    /* what is signed may still be of another kind, or old */
    json_t *head = part(t, (size_t)(dot - t)), *claims = part(dot + 1, (size_t)(second - dot - 1));
    const char *alg = json_string_value(json_object_get(head, "alg"));
    const json_t *iat = json_object_get(claims, "iat");
    ok = alg != NULL && strcmp(alg, "HS256") == 0 && json_is_integer(iat) && json_integer_value(iat) >= 0;
    uint64_t at = ok ? (uint64_t)json_integer_value(iat) : 0;
    ok = ok && (at > now_s ? at - now_s : now_s - at) <= SLACK_S;
    json_decref(head);
    json_decref(claims);
    return ok;
}
