/* arm.h: calls of the Azure Resource Manager. A call is one REST call of rest.h (authorised, retried by the service's rules) with a JSON body;
 * azure_arm_run follows an asynchronous operation to its end, by the header Azure-AsyncOperation, or Location, or the resource's own
 * provisioningState, with the pause that the service asks for.
 *
 *     azure_arm_new(endpoint, tokens) -> azure_arm_run(PUT .../deployments/x) -> done, or E_CANCELLED when `wait` says stop
 *
 * A URL that the service hands out (nextLink, Location) must be of the same endpoint: a token is never sent elsewhere. One thread a client. */
#ifndef LIB_AZURE_ARM_H
#define LIB_AZURE_ARM_H

#include <jansson.h>

#include "lib/azure/rest.h"

struct azure_arm;

/** azure_arm_new: cfg.base_uri is the endpoint ("https://management.azure.com"). */
MUST_CHECK enum status azure_arm_new(struct azure_arm **out, const struct azure_service_config *cfg, struct err *err);
void azure_arm_free(struct azure_arm *a);

struct azure_arm_call {
    const char *op;         /* for messages: "create resource group x" */
    const char *permission; /* for messages on 403: "Microsoft.Resources/deployments/write" */
    const char *method, *path; /* "/subscriptions/..."; query with api-version included */
    const json_t *body;     /* NULL: none */
    unsigned deadline_ms;   /* of one call with its retries; 0: that of the client */
    struct azure_fault *fault; /* may be NULL */
    uint64_t *pause_ms;     /* may be NULL: the pause before the next look that the service asks for; untouched if it asks for none */
};

/* azure_arm_wait_fn: called before each pause of an operation; what is left of it, ret false: stop waiting (E_CANCELLED) */
typedef bool (*azure_arm_wait_fn)(void *ctx, uint64_t waited_ms);

/** azure_arm_do: one call; out (may be NULL) gets the answer's JSON, NULL when it has no body.
 *  ret as rest.h; the text names the innermost reasons of ARM's error ("details"), each with its code */
MUST_CHECK enum status azure_arm_do(json_t **out, struct azure_arm *a, const struct azure_arm_call *c, struct err *err);
/** azure_arm_run: the same, and wait for the operation that it began. out: what it ended with: the body of the last Location, or the resource.
 *  ret also E_TIMEOUT: timeout_ms over (0: an hour) | E_CANCELLED | E_INVALID: the operation failed */
MUST_CHECK enum status azure_arm_run(json_t **out, struct azure_arm *a, const struct azure_arm_call *c, unsigned timeout_ms,
                                     azure_arm_wait_fn wait, void *ctx, struct err *err);
/** azure_arm_list: every entry of `value`, over all pages, as one new array. */
MUST_CHECK enum status azure_arm_list(json_t **out, struct azure_arm *a, const struct azure_arm_call *c, struct err *err);
/** azure_arm_error_text: ARM's error object -> "Code: message; Code: message" of its innermost details; "" if there is none */
void azure_arm_error_text(char *dst, size_t cap, const json_t *error);
/** azure_arm_poll_ms: what to wait before the next look when the service has not said */
enum { AZURE_ARM_POLL_MS = 5000 };

#endif
