/* OpenSSL first: its headers name parameters by words that lib/base/attr.h poisons. */
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <limits.h>

#include <jansson.h>

#include "lib/base/rng.h"
#include "lib/base/secret.h"
#include "lib/codec/base64.h"
#include "lib/crypto/tls.h"

enum {
    DAYS_MAX = 36500,
    HOST_MAX = 253,       /* RFC 1035 */
    COMMON_NAME_MAX = 64, /* RFC 5280, ub-common-name */
    SAN_MAX = 16 << 10,
    RSA_BITS = 2048,
    RSA_PRIMES = 3,
    JWT_MAX = 64 << 10,
};

/* OpenSSL's own words for what failed, its queue emptied. */
static enum status openssl_failed(struct err *err, const char *what)
{
    unsigned long e = ERR_peek_last_error();
    const char *reason = e != 0 ? ERR_reason_error_string(e) : NULL;
    ERR_clear_error();
    return err_set(err, E_CRYPTO, "%s: %s", what, reason != NULL ? reason : "OpenSSL refuses");
}

/* ---- PEM ---- */

/* No terminal is ever asked for a pass phrase: a key under one is not ours. */
static int no_pass_phrase(char *dst, int dst_len, int rwflag, void *data)
{
    (void)dst, (void)dst_len, (void)rwflag, (void)data;
    return -1;
}

static BIO *bio_of(bytes pem)
{
    return pem.len != 0 && pem.len <= INT_MAX ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
}

static EVP_PKEY *private_key_get(bytes pem)
{
    BIO *in = bio_of(pem);
    EVP_PKEY *k = in != NULL ? PEM_read_bio_PrivateKey(in, NULL, no_pass_phrase, NULL) : NULL;
    BIO_free(in);
    return k;
}

/* A public key, alone or as part of a certificate or a private key. */
static EVP_PKEY *public_key_get(bytes pem)
{
    BIO *in = bio_of(pem);
    if (in == NULL) return NULL;
    EVP_PKEY *k = NULL;
    if (memmem(pem.ptr, pem.len, "-----BEGIN PUBLIC KEY", 21) != NULL) {
        k = PEM_read_bio_PUBKEY(in, NULL, no_pass_phrase, NULL);
    } else if (memmem(pem.ptr, pem.len, "-----BEGIN CERTIFICATE", 22) != NULL) {
        X509 *x = PEM_read_bio_X509(in, NULL, no_pass_phrase, NULL);
        if (x != NULL) k = X509_get_pubkey(x);
        X509_free(x);
    } else {
        k = PEM_read_bio_PrivateKey(in, NULL, no_pass_phrase, NULL);
    }
    BIO_free(in);
    return k;
}

static enum status bio_append(struct buf *out, BIO *b)
{
    char *ptr = NULL;
    long len = BIO_get_mem_data(b, &ptr);
    if (len <= 0) return E_NOMEM;
    buf_put(out, ptr, (size_t)len);
    return buf_status(out);
}

static enum status private_key_append(struct buf *out, const EVP_PKEY *key, struct err *err)
{
    BIO *b = BIO_new(BIO_s_secmem());
    enum status s = E_NOMEM;
    if (b == NULL || PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) != 1)
        s = openssl_failed(err, "write private key");
    else
        s = bio_append(out, b);
    BIO_free(b);
    return s;
}

static enum status cert_append(struct buf *out, X509 *cert, struct err *err)
{
    BIO *b = BIO_new(BIO_s_mem());
    enum status s = E_NOMEM;
    if (b == NULL || PEM_write_bio_X509(b, cert) != 1)
        s = openssl_failed(err, "write certificate");
    else
        s = bio_append(out, b);
    BIO_free(b);
    return s;
}

/* ---- certificates ---- */

static bool extension_add(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e != NULL && X509_add_ext(cert, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

/* Version, a random serial number of 127 bits, the days of validity, the subject and the public key. */
static bool cert_fill(X509 *cert, EVP_PKEY *key, const char *common_name, unsigned days)
{
    uint8_t serial[16];
    rng_fill(serial, sizeof(serial));
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40);
    BIGNUM *n = BN_bin2bn(serial, sizeof(serial), NULL);
    bool ok = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;
    BN_free(n);
    X509_NAME *subject = X509_get_subject_name(cert);
    return ok && X509_set_version(cert, X509_VERSION_3) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(cert), (int)days, 0, NULL) != NULL &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)common_name,
                                      -1, -1, 0) == 1 &&
           X509_set_pubkey(cert, key) == 1;
}

static enum status days_check(unsigned days, struct err *err)
{
    if (days >= 1 && days <= DAYS_MAX) return OK;
    return err_set(err, E_INVALID, "certificate: validity must be from 1 to %d days, not %u",
                   DAYS_MAX, days);
}

/* Both or neither: on failure what was appended to the first buffer is taken away again. */
static enum status key_and_cert_append(struct buf *key_pem, struct buf *cert_pem, EVP_PKEY *key,
                                       X509 *cert, struct err *err)
{
    const size_t key_len = key_pem->len, cert_len = cert_pem->len;
    enum status s = private_key_append(key_pem, key, err);
    if (s == OK) s = cert_append(cert_pem, cert, err);
    if (s != OK) {
        key_pem->len = key_len;
        cert_pem->len = cert_len;
    }
    return s;
}

enum status tls_make_ca(struct buf *key_pem, struct buf *cert_pem, const char *common_name,
                        unsigned days, struct err *err)
{
    enum status s = days_check(days, err);
    if (s != OK) return s;
    const size_t len = strlen(common_name);
    if (len == 0 || len > COMMON_NAME_MAX)
        return err_set(err, E_INVALID, "certificate: a common name has from 1 to %d bytes",
                       COMMON_NAME_MAX);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    if (key == NULL || cert == NULL || !cert_fill(cert, key, common_name, days) ||
        X509_set_issuer_name(cert, X509_get_subject_name(cert)) != 1 ||
        !extension_add(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !extension_add(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !extension_add(cert, cert, NID_subject_key_identifier, "hash") ||
        !extension_add(cert, cert, NID_authority_key_identifier, "keyid:always") ||
        X509_sign(cert, key, EVP_sha256()) == 0)
        s = openssl_failed(err, "make authority certificate");
    else
        s = key_and_cert_append(key_pem, cert_pem, key, cert, err);
    X509_free(cert);
    EVP_PKEY_free(key);
    return s;
}

static bool host_is_name(bytes h)
{
    if (h.len == 0 || h.len > HOST_MAX) return false;
    for (size_t i = 0; i < h.len; i++) {
        uint8_t c = h.ptr[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool wildcard = c == '*' && i == 0 && h.len > 2 && h.ptr[1] == '.';
        if (!alnum && c != '-' && c != '.' && c != '_' && !wildcard) return false;
    }
    return true;
}

static bool host_is_address(const char *h)
{
    uint8_t a[16];
    return inet_pton(AF_INET, h, a) == 1 || inet_pton(AF_INET6, h, a) == 1;
}

/* "a.example,127.0.0.1" -> "DNS:a.example,IP:127.0.0.1"; first: the first of them. */
static enum status san_make(struct buf *san, char first[static HOST_MAX + 1], const char *hosts,
                            struct err *err)
{
    first[0] = 0;
    for (const char *p = hosts; *p != 0;) {
        const char *end = strchrnul(p, ',');
        bytes h = bytes_make(p, (size_t)(end - p));
        while (h.len != 0 && h.ptr[0] == ' ')
            h = bytes_make(h.ptr + 1, h.len - 1);
        while (h.len != 0 && h.ptr[h.len - 1] == ' ')
            h.len--;
        char text[HOST_MAX + 1] = {0};
        if (h.len != 0 && h.len <= HOST_MAX) memcpy(text, h.ptr, h.len);
        bool address = host_is_address(text);
        if (!address && !host_is_name(h))
            return err_set(err, E_INVALID,
                           "certificate: \"%.*s\" is neither a host name nor an IP address",
                           (int)(h.len < 100 ? h.len : 100), (const char *)h.ptr);
        buf_printf(san, "%s%s:%s", san->len != 0 ? "," : "", address ? "IP" : "DNS", text);
        if (first[0] == 0) memcpy(first, text, sizeof(text));
        p = *end != 0 ? end + 1 : end;
    }
    if (san->len == 0)
        return err_set(err, E_INVALID, "certificate: no host name and no address was given");
    return buf_status(san) == OK ? OK : err_set(err, E_LIMIT, "certificate: too many host names");
}

enum status tls_make_server(struct buf *key_pem, struct buf *cert_pem, bytes ca_key_pem,
                            bytes ca_cert_pem, const char *hosts, unsigned days, struct err *err)
{
    enum status s = days_check(days, err);
    if (s != OK) return s;
    EVP_PKEY *key = NULL, *ca_key = NULL;
    X509 *cert = NULL, *ca_cert = NULL;
    BIO *ca_in = NULL;
    struct buf san;
    char first[HOST_MAX + 1];
    buf_init(&san, SAN_MAX);
    s = san_make(&san, first, hosts, err);
    if (s != OK) goto out;
    ca_key = private_key_get(ca_key_pem);
    ca_in = bio_of(ca_cert_pem);
    ca_cert = ca_in != NULL ? PEM_read_bio_X509(ca_in, NULL, no_pass_phrase, NULL) : NULL;
    if (ca_key == NULL || ca_cert == NULL) {
        s = err_set(err, E_DECODE, "certificate authority: the %s is no PEM that can be read",
                    ca_key == NULL ? "key" : "certificate");
        goto out;
    }
    if (X509_check_private_key(ca_cert, ca_key) != 1 || X509_check_ca(ca_cert) != 1) {
        s = err_set(err, E_INVALID,
                    "certificate authority: key and certificate do not belong together, or it is "
                    "no authority");
        goto out;
    }
    /* A longer name than a common name holds still stands in the alternative names, where clients look. */
    const char *common_name = strlen(first) <= COMMON_NAME_MAX ? first : "poa server";
    key = EVP_EC_gen("P-256");
    cert = X509_new();
    if (key == NULL || cert == NULL || !cert_fill(cert, key, common_name, days) ||
        X509_set_issuer_name(cert, X509_get_subject_name(ca_cert)) != 1 ||
        !extension_add(cert, ca_cert, NID_basic_constraints, "critical,CA:FALSE") ||
        !extension_add(cert, ca_cert, NID_key_usage, "critical,digitalSignature") ||
        !extension_add(cert, ca_cert, NID_ext_key_usage, "serverAuth") ||
        !extension_add(cert, ca_cert, NID_subject_alt_name, buf_cstr(&san)) ||
        !extension_add(cert, ca_cert, NID_subject_key_identifier, "hash") ||
        !extension_add(cert, ca_cert, NID_authority_key_identifier, "keyid:always") ||
        X509_sign(cert, ca_key, EVP_sha256()) == 0)
        s = openssl_failed(err, "make server certificate");
    else
        s = key_and_cert_append(key_pem, cert_pem, key, cert, err);
out:
    ERR_clear_error();
    BIO_free(ca_in);
    X509_free(ca_cert);
    X509_free(cert);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
    buf_fini(&san);
    return s;
}

/* ---- RSA and JSON Web Tokens ---- */

/* Three primes (RFC 8017, 3.2) of 683 bits: found in a third of the time that two of 1024 take, which a new network's first start waits for;
 * to who sees the public key it is like any other of that length. */
static EVP_PKEY *rsa_new(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
    EVP_PKEY *key = NULL;
    bool good = ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, RSA_BITS) == 1 &&
                EVP_PKEY_CTX_set_rsa_keygen_primes(ctx, RSA_PRIMES) == 1 && EVP_PKEY_keygen(ctx, &key) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good ? key : NULL;
}

enum status tls_make_rsa(struct buf *key_pem, struct err *err)
{
    EVP_PKEY *key = rsa_new();
    enum status s =
        key != NULL ? private_key_append(key_pem, key, err) : openssl_failed(err, "make RSA key");
    EVP_PKEY_free(key);
    return s;
}

static enum status json_append_string(struct buf *out, const char *text)
{
    json_t *v = json_string(text);
    char *dump = v != NULL ? json_dumps(v, JSON_ENCODE_ANY) : NULL;
    json_decref(v);
    if (dump == NULL) return E_INVALID; /* not UTF-8 */
    buf_put_str(out, dump);
    free(dump);
    return buf_status(out);
}

static EVP_PKEY *rsa_or_null(EVP_PKEY *key)
{
    if (key != NULL && EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= RSA_BITS) return key;
    EVP_PKEY_free(key);
    return NULL;
}

static enum status no_rsa_key(struct err *err)
{
    ERR_clear_error();
    return err_set(err, E_DECODE, "jwt: the key is no RSA key of %d bits or more in PEM form",
                   RSA_BITS);
}

enum status jwt_sign_rs256(struct buf *jwt, bytes key_pem, const char *kid, bytes claims_json,
                           struct err *err)
{
    EVP_PKEY *key = rsa_or_null(private_key_get(key_pem));
    if (key == NULL) return no_rsa_key(err);
    enum status s = OK;
    uint8_t *sig = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct buf header, text;
    buf_init(&header, 4096);
    buf_init(&text, JWT_MAX);
    buf_put_str(&header, "{\"alg\":\"RS256\",\"typ\":\"JWT\"");
    if (kid != NULL) {
        buf_put_str(&header, ",\"kid\":");
        s = json_append_string(&header, kid);
        if (s != OK) {
            s = err_set(err, s, "jwt: the key id is no UTF-8 text, or too long");
            goto out;
        }
    }
    buf_put_str(&header, "}");
    base64_append(&text, buf_view(&header), true);
    buf_put_u8(&text, '.');
    base64_append(&text, claims_json, true);
    s = buf_status(&text);
    if (s != OK) {
        s = err_set(err, s, "jwt: claims too long");
        goto out;
    }
    size_t sig_len = (size_t)EVP_PKEY_get_size(key);
    sig = malloc(sig_len);
    if (ctx == NULL || sig == NULL || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(ctx, sig, &sig_len, text.ptr, text.len) != 1) {
        s = openssl_failed(err, "jwt: sign");
        goto out;
    }
    buf_put_u8(&text, '.');
    base64_append(&text, bytes_make(sig, sig_len), true);
    s = buf_status(&text);
    if (s != OK) {
        s = err_set(err, s, "jwt: claims too long");
        goto out;
    }
    buf_put_bytes(jwt, buf_view(&text));
    s = buf_status(jwt);
out:
    free(sig);
    EVP_MD_CTX_free(ctx);
    buf_fini(&header);
    buf_fini(&text);
    EVP_PKEY_free(key);
    return s;
}

/* The header must say RS256 and nothing that changes the meaning ("crit", RFC 7515 section 4.1.11). */
static enum status header_check(bytes part, struct err *err)
{
    struct buf text;
    buf_init(&text, JWT_MAX);
    enum status s = base64_get(&text, part, true);
    json_t *h =
        s == OK ? json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    buf_fini(&text);
    const char *alg = json_string_value(json_object_get(h, "alg"));
    if (alg == NULL)
        s = err_set(err, E_DECODE, "jwt: header is no JSON object with \"alg\"");
    else if (strcmp(alg, "RS256") != 0)
        s = err_set(err, E_CRYPTO, "jwt: signed by \"%.20s\", only RS256 is accepted", alg);
    else if (json_object_get(h, "crit") != NULL)
        s = err_set(err, E_CRYPTO, "jwt: header asks for extensions (\"crit\")");
    json_decref(h);
    return s;
}

enum status jwt_verify_rs256(struct buf *claims_json, bytes key_pem, bytes jwt, struct err *err)
{
    if (jwt.len == 0 || jwt.len > JWT_MAX) return err_set(err, E_DECODE, "jwt: empty or too long");
    const uint8_t *end = jwt.ptr + jwt.len;
    const uint8_t *dot1 = memchr(jwt.ptr, '.', jwt.len);
    const uint8_t *dot2 = dot1 != NULL ? memchr(dot1 + 1, '.', (size_t)(end - dot1 - 1)) : NULL;
    if (dot2 == NULL || memchr(dot2 + 1, '.', (size_t)(end - dot2 - 1)) != NULL)
        return err_set(err, E_DECODE, "jwt: not of the form header.claims.signature");
    enum status s = header_check(bytes_make(jwt.ptr, (size_t)(dot1 - jwt.ptr)), err);
    if (s != OK) return s;
    EVP_PKEY *key = rsa_or_null(public_key_get(key_pem));
    if (key == NULL) return no_rsa_key(err);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    struct buf sig, claims;
    buf_init(&sig, JWT_MAX);
    buf_init(&claims, JWT_MAX);
    if (base64_get(&sig, bytes_make(dot2 + 1, (size_t)(end - dot2 - 1)), true) != OK ||
        base64_get(&claims, bytes_make(dot1 + 1, (size_t)(dot2 - dot1 - 1)), true) != OK) {
        s = err_set(err, E_DECODE, "jwt: not in base64url");
        goto out;
    }
    if (ctx == NULL || EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) != 1) {
        s = openssl_failed(err, "jwt: verify");
        goto out;
    }
    if (EVP_DigestVerify(ctx, sig.ptr, sig.len, jwt.ptr, (size_t)(dot2 - jwt.ptr)) != 1) {
        ERR_clear_error();
        s = err_set(err, E_CRYPTO, "jwt: the signature is not by that key");
        goto out;
    }
    buf_put_bytes(claims_json, buf_view(&claims));
    s = buf_status(claims_json);
out:
    buf_fini(&sig);
    buf_fini(&claims);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return s;
}

enum status jwt_peek(char *kid, size_t kid_cap, struct buf *claims_json, bytes jwt)
{
    if (jwt.len == 0 || jwt.len > JWT_MAX) return E_DECODE;
    const uint8_t *dot1 = memchr(jwt.ptr, '.', jwt.len);
    const uint8_t *dot2 = dot1 != NULL ? memchr(dot1 + 1, '.', (size_t)(jwt.ptr + jwt.len - dot1 - 1)) : NULL;
    if (dot2 == NULL) return E_DECODE;
    struct buf header, claims;
    buf_init(&header, JWT_MAX);
    buf_init(&claims, JWT_MAX);
    enum status s = base64_get(&header, bytes_make(jwt.ptr, (size_t)(dot1 - jwt.ptr)), true);
    if (s == OK) s = base64_get(&claims, bytes_make(dot1 + 1, (size_t)(dot2 - dot1 - 1)), true);
    json_t *h = s == OK ? json_loadb((const char *)header.ptr, header.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *id = json_string_value(json_object_get(h, "kid"));
    if (!json_is_object(h) || (id != NULL && strlen(id) >= kid_cap)) s = E_DECODE;
    if (s == OK) {
        (void)snprintf(kid, kid_cap, "%s", id != NULL ? id : "");
        buf_put_bytes(claims_json, buf_view(&claims));
        s = buf_status(claims_json);
    }
    json_decref(h);
    buf_fini(&header);
    buf_fini(&claims);
    return s == OK ? OK : E_DECODE;
}

static BIGNUM *bn_from_base64(bytes text)
{
    struct buf b;
    buf_init(&b, 1024);
    BIGNUM *n = base64_get(&b, text, true) == OK && b.len > 0 ? BN_bin2bn(b.ptr, (int)b.len, NULL) : NULL;
    buf_fini(&b);
    return n;
}

enum status tls_rsa_from_jwk(struct buf *pem, bytes n_text, bytes e_text, struct err *err)
{
    BIGNUM *n = bn_from_base64(n_text), *e = bn_from_base64(e_text);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIO *out = BIO_new(BIO_s_mem());
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;
    bool good = n != NULL && e != NULL && bld != NULL && ctx != NULL && out != NULL && BN_is_odd(n) && BN_is_odd(e) &&
                OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1 && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1 &&
                (params = OSSL_PARAM_BLD_to_param(bld)) != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
                EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1;
    key = rsa_or_null(key);
    good = good && key != NULL && PEM_write_bio_PUBKEY(out, key) == 1;
    enum status s = good ? bio_append(pem, out) : no_rsa_key(err);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    BIO_free(out);
    BN_free(n);
    BN_free(e);
    return s;
}

static enum status bn_param_append(struct buf *out, const EVP_PKEY *key, const char *name)
{
    BIGNUM *n = NULL;
    uint8_t be[1024];
    if (EVP_PKEY_get_bn_param(key, name, &n) != 1) return E_CRYPTO;
    enum status s = E_LIMIT;
    if (BN_num_bytes(n) <= (int)sizeof(be)) {
        base64_append(out, bytes_make(be, (size_t)BN_bn2bin(n, be)), true);
        s = buf_status(out);
    }
    BN_free(n);
    return s;
}

enum status tls_rsa_jwk(struct buf *json, bytes key_pem, const char *kid, struct err *err)
{
    EVP_PKEY *key = rsa_or_null(public_key_get(key_pem));
    if (key == NULL) return no_rsa_key(err);
    struct buf out;
    buf_init(&out, 8192);
    buf_put_str(&out, "{\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS256\",\"kid\":");
    enum status s = json_append_string(&out, kid);
    buf_put_str(&out, ",\"n\":\"");
    if (s == OK) s = bn_param_append(&out, key, OSSL_PKEY_PARAM_RSA_N);
    buf_put_str(&out, "\",\"e\":\"");
    if (s == OK) s = bn_param_append(&out, key, OSSL_PKEY_PARAM_RSA_E);
    buf_put_str(&out, "\"}");
    if (s == OK) {
        buf_put_bytes(json, buf_view(&out));
        s = buf_status(json);
    } else {
        err_set(err, s, "jwk: %s", status_text(s));
    }
    buf_fini(&out);
    EVP_PKEY_free(key);
    return s;
}
