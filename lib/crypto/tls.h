/* tls.h: certificates for local and SSH targets: a member's own authority (CA) and server certificates of it. P-256, X.509 v3. */
#ifndef LIB_CRYPTO_TLS_H
#define LIB_CRYPTO_TLS_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

/** tls_make_ca: append a new CA key (PEM, PKCS#8) and certificate (PEM), valid for days from an hour ago. */
MUST_CHECK enum status tls_make_ca(struct buf *key_pem, struct buf *cert_pem, const char *common_name, unsigned days, struct err *err);
/** tls_make_server: a server certificate by that CA for the comma-separated host names and IP addresses in `hosts`. */
MUST_CHECK enum status tls_make_server(struct buf *key_pem, struct buf *cert_pem, bytes ca_key_pem, bytes ca_cert_pem,
                                       const char *hosts, unsigned days, struct err *err);
/** jwt_sign_rs256, jwt_verify_rs256: compact JWS (RFC 7515); payload is the claims' JSON. */
MUST_CHECK enum status tls_make_rsa(struct buf *key_pem, struct err *err);
MUST_CHECK enum status jwt_sign_rs256(struct buf *jwt, bytes key_pem, const char *kid, bytes claims_json, struct err *err);
/** jwt_verify_rs256: append the claims' JSON; checks the signature only, the caller checks exp, nbf, aud, iss. */
MUST_CHECK enum status jwt_verify_rs256(struct buf *claims_json, bytes key_pem, bytes jwt, struct err *err);
/** jwt_sign_certificate: a PS256 signed JWS whose header names the certificate (x5t#S256), as Microsoft Entra ID takes for a client assertion; pem holds the
 *  RSA private key and its certificate.  ret OK | E_DECODE: err says what pem lacks | E_LIMIT | E_CRYPTO */
MUST_CHECK enum status jwt_sign_certificate(struct buf *jwt, bytes pem, bytes claims_json, struct err *err);
/** jwt_peek: the key id ("" if none) and the claims of a token that nobody has verified: to find the key that it must be verified by.  ret OK | E_DECODE */
MUST_CHECK enum status jwt_peek(char *kid, size_t kid_cap, struct buf *claims_json, bytes jwt);
/** tls_rsa_from_jwk: append the public key of a JWK's n and e (base64url) in PEM form.  ret OK | E_DECODE: no RSA key of 2048 bits or more | E_CRYPTO */
MUST_CHECK enum status tls_rsa_from_jwk(struct buf *pem, bytes n, bytes e, struct err *err);
/** tls_rsa_jwk: append {"kty":"RSA","use":"sig","alg":"RS256","kid":...,"n":...,"e":...} of a private key. */
MUST_CHECK enum status tls_rsa_jwk(struct buf *json, bytes key_pem, const char *kid, struct err *err);

#endif
