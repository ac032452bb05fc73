/* mail.h: the confirmation e-mail with the outputs of a deployment (product guide "Confirmation Email"), sent by SMTP through libcurl. */
#ifndef ORCHESTRATOR_REPORT_MAIL_H
#define ORCHESTRATOR_REPORT_MAIL_H

#include <jansson.h>

#include "lib/base/err.h"

struct mail_config {
    const char *smtp_url;      /* "smtp://mail.example:587" (STARTTLS when the server has it) or "smtps://..." */
    const char *user, *password_file; /* NULL or "": no login */
    const char *ca_file;              /* NULL or "": the system's authorities */
    const char *from, *to;
};

/** mail_send_outputs: one message, text/plain, UTF-8. ret OK: the server has taken it | E_NET, E_TIMEOUT, E_DENIED (err: what the server said) */
MUST_CHECK enum status mail_send_outputs(const struct mail_config *cfg, const char *subject, json_t *outputs, struct err *err);

#endif
