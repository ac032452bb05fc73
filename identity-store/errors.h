/* errors.h: the errors of the REST services, from errors.def. */
#ifndef IDENTITY_STORE_ERRORS_H
#define IDENTITY_STORE_ERRORS_H

enum rest_error {
    ERR_NONE,
#define X(id, http, code, inner, message) id,
#include "identity-store/errors.def"
#undef X
};

#endif
