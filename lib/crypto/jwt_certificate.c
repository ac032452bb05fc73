/* OpenSSL before our headers: those poison names that its declarations use */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "lib/codec/base64.h"
#include "lib/crypto/tls.h"

enum { RSA_BITS_MIN = 2048, TEXT_MAX = 64 << 10 };

static enum status no_certificate(struct err *err, const char *what)
{
    ERR_clear_error();
    return err_set(err, E_DECODE, "it holds no %s in PEM form, without a passphrase", what);
}

enum status jwt_sign_certificate(struct buf *jwt, bytes pem, bytes claims_json, struct err *err)
{
    uint8_t digest[EVP_MAX_MD_SIZE], *sig = NULL;
    unsigned digest_len = 0;
    size_t sig_len = 0;
    X509 *cert = NULL;
    EVP_PKEY *key = NULL, *public_key = NULL;
    EVP_PKEY_CTX *rsa = NULL; /* of ctx */
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    BIO *key_bio = BIO_new_mem_buf(pem.ptr, (int)pem.len), *cert_bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    struct buf header, text;
    buf_init(&header, 512);
    buf_init(&text, TEXT_MAX);
    enum status s = E_NOMEM;
    if (ctx == NULL || key_bio == NULL || cert_bio == NULL) goto out;
    char none[] = "";
    key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, none);
    cert = PEM_read_bio_X509(cert_bio, NULL, NULL, none);
    if (key == NULL || !EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_get_bits(key) < RSA_BITS_MIN) {
        s = no_certificate(err, "RSA private key of 2048 bits or more");
        goto out;
    }
    if (cert == NULL || X509_digest(cert, EVP_sha256(), digest, &digest_len) != 1) {
        s = no_certificate(err, "certificate");
        goto out;
    }
    public_key = X509_get_pubkey(cert);
    if (public_key == NULL || EVP_PKEY_eq(public_key, key) != 1) {
        ERR_clear_error();
        s = err_set(err, E_DECODE, "its certificate is not that of its private key");
        goto out;
    }
    buf_put_str(&header, "{\"alg\":\"PS256\",\"typ\":\"JWT\",\"x5t#S256\":\"");
    base64_append(&header, bytes_make(digest, digest_len), true);
    buf_put_str(&header, "\"}");
    base64_append(&text, buf_view(&header), true);
    buf_put_u8(&text, '.');
    base64_append(&text, claims_json, true);
    sig_len = (size_t)EVP_PKEY_get_size(key);
    sig = malloc(sig_len);
    s = buf_status(&text) != OK ? err_set(err, E_LIMIT, "the claims are too long") : OK;
    if (s == OK && (sig == NULL || EVP_DigestSignInit(ctx, &rsa, EVP_sha256(), NULL, key) != 1 || EVP_PKEY_CTX_set_rsa_padding(rsa, RSA_PKCS1_PSS_PADDING) != 1 ||
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(rsa, RSA_PSS_SALTLEN_DIGEST) != 1 || EVP_DigestSign(ctx, sig, &sig_len, text.ptr, text.len) != 1)) {
        ERR_clear_error();
        s = err_set(err, E_CRYPTO, "it cannot sign");
    }
    if (s != OK) goto out;
    buf_put_u8(&text, '.');
    base64_append(&text, bytes_make(sig, sig_len), true);
    s = buf_status(&text);
    if (s == OK) {
        buf_put_bytes(jwt, buf_view(&text));
        s = buf_status(jwt);
    }
out:
    if (s == E_NOMEM) s = err_set(err, s, "out of memory");
    free(sig);
    buf_fini(&header);
    buf_fini(&text);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(public_key);
    EVP_PKEY_free(key);
    X509_free(cert);
    BIO_free(key_bio);
    BIO_free(cert_bio);
    return s;
}
