#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "lib/codec/base64.h"
#include "lib/crypto/tls.h"

#include <jansson.h>

#include <cmocka.h>

struct pair {
    struct buf key, cert;
};

static void pair_init(struct pair *p)
{
    buf_init(&p->key, 64 << 10);
    buf_init(&p->cert, 64 << 10);
}

static void pair_fini(struct pair *p)
{
    buf_fini(&p->key);
    buf_fini(&p->cert);
}

static X509 *cert_of(const struct buf *pem)
{
    BIO *in = BIO_new_mem_buf(pem->ptr, (int)pem->len);
    X509 *x = PEM_read_bio_X509(in, NULL, NULL, NULL);
    BIO_free(in);
    assert_non_null(x);
    return x;
}

static int verify(const struct buf *ca, const struct buf *leaf)
{
    X509 *root = cert_of(ca), *x = cert_of(leaf);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, root);
    X509_STORE_CTX_init(ctx, store, x, NULL);
    X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER);
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
    int r = X509_verify_cert(ctx) == 1 ? 0 : X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_free(x);
    X509_free(root);
    return r;
}

static void a_server_certificate_verifies_against_its_authority_only(void **state)
{
    (void)state;
    struct pair ca, other, server;
    struct err err;
    pair_init(&ca), pair_init(&other), pair_init(&server);
    assert_int_equal(tls_make_ca(&ca.key, &ca.cert, "Member 1", 30, &err), OK);
    assert_int_equal(tls_make_ca(&other.key, &other.cert, "Member 2", 30, &err), OK);
    assert_int_equal(tls_make_server(&server.key, &server.cert, buf_view(&ca.key),
                                     buf_view(&ca.cert), "store.local, 127.1.0.2,::1,*.example.org",
                                     20, &err),
                     OK);
    assert_int_equal(verify(&ca.cert, &server.cert), 0);
    assert_int_not_equal(verify(&other.cert, &server.cert), 0);
    X509 *x = cert_of(&server.cert);
    assert_int_equal(X509_check_host(x, "store.local", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(x, "a.example.org", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(x, "other.local", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(x, "127.1.0.2", 0), 1);
    assert_int_equal(X509_check_ip_asc(x, "::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(x, "127.1.0.3", 0), 0);
    assert_int_equal(X509_check_ca(x), 0);
    X509_free(x);
    pair_fini(&ca), pair_fini(&other), pair_fini(&server);
}

static int pump(SSL *a, SSL *b)
{
    for (int i = 0; i < 20; i++) {
        int ra = SSL_do_handshake(a), rb = SSL_do_handshake(b);
        if (ra == 1 && rb == 1) return 1;
    }
    return 0;
}

static void openssl_serves_tls_with_what_was_made(void **state)
{
    (void)state;
    struct pair ca, server;
    struct err err;
    pair_init(&ca), pair_init(&server);
    assert_int_equal(tls_make_ca(&ca.key, &ca.cert, "Member", 30, &err), OK);
    assert_int_equal(tls_make_server(&server.key, &server.cert, buf_view(&ca.key),
                                     buf_view(&ca.cert), "localhost", 20, &err),
                     OK);
    SSL_CTX *sc = SSL_CTX_new(TLS_server_method()), *cc = SSL_CTX_new(TLS_client_method());
    BIO *key_in = BIO_new_mem_buf(server.key.ptr, (int)server.key.len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_in, NULL, NULL, NULL);
    X509 *x = cert_of(&server.cert), *root = cert_of(&ca.cert);
    assert_int_equal(SSL_CTX_use_certificate(sc, x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(sc, key), 1);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(cc), root);
    SSL_CTX_set_verify(cc, SSL_VERIFY_PEER, NULL);
    SSL *s = SSL_new(sc), *c = SSL_new(cc);
    BIO *one = NULL, *two = NULL;
    BIO_new_bio_pair(&one, 0, &two, 0);
    SSL_set_bio(s, one, one);
    SSL_set_bio(c, two, two);
    SSL_set_accept_state(s);
    SSL_set_connect_state(c);
    SSL_set1_host(c, "localhost");
    assert_int_equal(pump(s, c), 1);
    assert_int_equal(SSL_get_verify_result(c), X509_V_OK);
    SSL_free(s);
    SSL_free(c);
    SSL_CTX_free(sc);
    SSL_CTX_free(cc);
    BIO_free(key_in);
    EVP_PKEY_free(key);
    X509_free(x);
    X509_free(root);
    pair_fini(&ca), pair_fini(&server);
}

static void bad_settings_of_a_certificate_are_refused(void **state)
{
    (void)state;
    struct pair ca, other, server;
    struct err err;
    pair_init(&ca), pair_init(&other), pair_init(&server);
    assert_int_equal(tls_make_ca(&ca.key, &ca.cert, "", 30, &err), E_INVALID);
    assert_int_equal(tls_make_ca(&ca.key, &ca.cert, "x", 0, &err), E_INVALID);
    assert_int_equal(tls_make_ca(&ca.key, &ca.cert, "x", 40000, &err), E_INVALID);
    assert_int_equal(ca.key.len + ca.cert.len, 0);
    assert_int_equal(tls_make_ca(&ca.key, &ca.cert, "x", 30, &err), OK);
    assert_int_equal(tls_make_ca(&other.key, &other.cert, "y", 30, &err), OK);
    static const char *const hosts[] = {"",      ",",   "a,,b", "a b",   "a\nb",
                                        "DNS:x", "a;b", "a*b",  "ho/st", "\xc3\xa9"};
    for (size_t i = 0; i < COUNT_OF(hosts); i++)
        assert_int_equal(tls_make_server(&server.key, &server.cert, buf_view(&ca.key),
                                         buf_view(&ca.cert), hosts[i], 3, &err),
                         E_INVALID);
    assert_int_equal(tls_make_server(&server.key, &server.cert, buf_view(&other.key),
                                     buf_view(&ca.cert), "a", 3, &err),
                     E_INVALID);
    assert_int_equal(tls_make_server(&server.key, &server.cert, BYTES_LIT("junk"),
                                     buf_view(&ca.cert), "a", 3, &err),
                     E_DECODE);
    assert_int_equal(
        tls_make_server(&server.key, &server.cert, buf_view(&ca.key), BYTES_EMPTY, "a", 3, &err),
        E_DECODE);
    assert_int_equal(server.key.len + server.cert.len, 0);
    /* a server certificate is no authority */
    assert_int_equal(tls_make_server(&server.key, &server.cert, buf_view(&ca.key),
                                     buf_view(&ca.cert), "a", 3, &err),
                     OK);
    struct pair third;
    pair_init(&third);
    assert_int_equal(tls_make_server(&third.key, &third.cert, buf_view(&server.key),
                                     buf_view(&server.cert), "b", 3, &err),
                     E_INVALID);
    pair_fini(&third);
    pair_fini(&ca), pair_fini(&other), pair_fini(&server);
}

static void public_pem(struct buf *out, const struct buf *key_pem)
{
    BIO *in = BIO_new_mem_buf(key_pem->ptr, (int)key_pem->len), *to = BIO_new(BIO_s_mem());
    EVP_PKEY *k = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    PEM_write_bio_PUBKEY(to, k);
    char *ptr;
    long len = BIO_get_mem_data(to, &ptr);
    buf_put(out, ptr, (size_t)len);
    EVP_PKEY_free(k);
    BIO_free(in);
    BIO_free(to);
}

static void a_token_verifies_by_its_key_and_not_after_a_change(void **state)
{
    (void)state;
    struct buf key, other, pub, jwt, claims;
    struct err err;
    buf_init(&key, 8192), buf_init(&other, 8192), buf_init(&pub, 8192), buf_init(&jwt, 8192),
        buf_init(&claims, 8192);
    const bytes text = BYTES_LIT("{\"aud\":\"https://vault\",\"exp\":1}");
    assert_int_equal(tls_make_rsa(&key, &err), OK);
    assert_int_equal(tls_make_rsa(&other, &err), OK);
    public_pem(&pub, &key);
    assert_int_equal(jwt_sign_rs256(&jwt, buf_view(&key), "k\"1", text, &err), OK);
    assert_int_equal(jwt_verify_rs256(&claims, buf_view(&key), buf_view(&jwt), &err), OK);
    assert_true(bytes_eq(buf_view(&claims), text));
    buf_clear(&claims);
    assert_int_equal(jwt_verify_rs256(&claims, buf_view(&pub), buf_view(&jwt), &err), OK);
    assert_true(bytes_eq(buf_view(&claims), text));
    buf_clear(&claims);
    assert_int_equal(jwt_verify_rs256(&claims, buf_view(&other), buf_view(&jwt), &err), E_CRYPTO);
    for (size_t at = 0; at < jwt.len; at += 7) {
        uint8_t was = jwt.ptr[at];
        jwt.ptr[at] = was == 'A' ? 'B' : 'A';
        assert_int_not_equal(jwt_verify_rs256(&claims, buf_view(&pub), buf_view(&jwt), &err), OK);
        jwt.ptr[at] = was;
    }
    assert_int_not_equal(
        jwt_verify_rs256(&claims, buf_view(&pub), bytes_make(jwt.ptr, jwt.len - 4), &err), OK);
    assert_int_equal(claims.len, 0);
    buf_fini(&key), buf_fini(&other), buf_fini(&pub), buf_fini(&jwt), buf_fini(&claims);
}

static void tokens_of_other_kinds_are_refused(void **state)
{
    (void)state;
    struct buf key, claims;
    struct err err;
    buf_init(&key, 8192), buf_init(&claims, 8192);
    assert_int_equal(tls_make_rsa(&key, &err), OK);
    static const struct {
        const char *header;
        enum status want;
    } rows[] = {
        {"{\"alg\":\"none\"}", E_CRYPTO},
        {"{\"alg\":\"HS256\"}", E_CRYPTO},
        {"{\"alg\":\"RS256\",\"crit\":[\"x\"]}", E_CRYPTO},
        {"{\"alg\":\"rs256\"}", E_CRYPTO},
        {"{}", E_DECODE},
        {"[]", E_DECODE},
        {"{\"alg\":\"RS256\",\"alg\":\"none\"}", E_DECODE},
        {"", E_DECODE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf jwt;
        buf_init(&jwt, 8192);
        base64_append(&jwt, bytes_str(rows[i].header), true);
        buf_put_str(&jwt, ".e30.AAAA");
        assert_int_equal(jwt_verify_rs256(&claims, buf_view(&key), buf_view(&jwt), &err),
                         rows[i].want);
        buf_fini(&jwt);
    }
    static const char *const forms[] = {"", ".", "a", "a.b", "a.b.c.d", "..", "e30=.e30.e30"};
    for (size_t i = 0; i < COUNT_OF(forms); i++)
        assert_int_equal(jwt_verify_rs256(&claims, buf_view(&key), bytes_str(forms[i]), &err),
                         E_DECODE);
    assert_int_equal(jwt_sign_rs256(&claims, BYTES_LIT("junk"), "k", BYTES_LIT("{}"), &err),
                     E_DECODE);
    assert_int_equal(claims.len, 0);
    buf_fini(&key), buf_fini(&claims);
}

static void the_jwk_of_a_key_holds_modulus_and_exponent(void **state)
{
    (void)state;
    struct buf key, json;
    struct err err;
    buf_init(&key, 8192), buf_init(&json, 8192);
    assert_int_equal(tls_make_rsa(&key, &err), OK);
    assert_int_equal(tls_rsa_jwk(&json, buf_view(&key), "kid-1", &err), OK);
    json_t *root = json_loadb((const char *)json.ptr, json.len, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(root, "kty")), "RSA");
    assert_string_equal(json_string_value(json_object_get(root, "kid")), "kid-1");
    assert_string_equal(json_string_value(json_object_get(root, "e")), "AQAB");
    assert_int_equal(json_string_length(json_object_get(root, "n")), 342); /* 256 bytes */
    json_decref(root);
    struct buf ca_key, ca_cert;
    buf_init(&ca_key, 8192), buf_init(&ca_cert, 8192);
    assert_int_equal(tls_make_ca(&ca_key, &ca_cert, "x", 3, &err), OK);
    assert_int_equal(tls_rsa_jwk(&json, buf_view(&ca_key), "k", &err), E_DECODE); /* an EC key */
    buf_fini(&ca_key), buf_fini(&ca_cert);
    buf_fini(&key), buf_fini(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_certificate_verifies_against_its_authority_only),
        cmocka_unit_test(openssl_serves_tls_with_what_was_made),
        cmocka_unit_test(bad_settings_of_a_certificate_are_refused),
        cmocka_unit_test(a_token_verifies_by_its_key_and_not_after_a_change),
        cmocka_unit_test(tokens_of_other_kinds_are_refused),
        cmocka_unit_test(the_jwk_of_a_key_holds_modulus_and_exponent),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
