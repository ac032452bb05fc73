#include "orchestrator/report/mail.h"

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/secret.h"

#include <curl/curl.h>

enum { MESSAGE_MAX = 1 << 20, TIMEOUT_S = 30 };

struct upload {
    bytes rest;
};

static size_t on_read(char *dst, size_t len, size_t n, void *ctx)
{
    struct upload *u = ctx;
    size_t room = len * n, k = u->rest.len < room ? u->rest.len : room;
    if (k > 0) memcpy(dst, u->rest.ptr, k);
    u->rest = bytes_make(u->rest.ptr + k, u->rest.len - k);
    return k;
}

/* a header's value comes from settings: a line break in it would forge another header */
static void put_header(struct buf *b, const char *name, const char *value)
{
    buf_printf(b, "%s: ", name);
    for (; *value != '\0'; value++)
        buf_put_u8(b, *value == '\r' || *value == '\n' ? ' ' : (uint8_t)*value);
    buf_put_str(b, "\r\n");
}

static void put_message(struct buf *b, const struct mail_config *cfg, const char *subject, json_t *outputs)
{
    char date[32];
    const char *key;
    json_t *v;
    clock_format_rfc1123(date, clock_wall_ms() / 1000);
    put_header(b, "Date", date);
    put_header(b, "From", cfg->from);
    put_header(b, "To", cfg->to);
    put_header(b, "Subject", subject);
    buf_put_str(b, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nThe deployment has completed. Its outputs:\r\n\r\n");
    json_object_foreach(outputs, key, v)
    {
        char *text = json_is_string(v) ? NULL : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
        buf_printf(b, "%s: %s\r\n", key, text == NULL ? json_string_value(v) : text);
        free(text);
    }
    buf_put_str(b, "\r\nTo let another member join, share the CONSORTIUM_DATA_URL and the number of nodes that you have deployed.\r\n");
}

static enum status status_of(CURLcode code)
{
    if (code == CURLE_OPERATION_TIMEDOUT) return E_TIMEOUT;
    if (code == CURLE_LOGIN_DENIED) return E_DENIED;
    if (code == CURLE_PEER_FAILED_VERIFICATION) return E_CRYPTO;
    return E_NET;
}

static enum status add_login(CURL *c, struct buf *password, const struct mail_config *cfg, struct err *err)
{
    if (cfg->user == NULL || *cfg->user == '\0') return OK;
    enum status s = cfg->password_file == NULL || *cfg->password_file == '\0' ? OK : file_read(password, cfg->password_file, err);
    while (s == OK && password->len > 0 && (password->ptr[password->len - 1] == '\n' || password->ptr[password->len - 1] == '\r'))
        password->len--;
    if (s != OK) return s;
    curl_easy_setopt(c, CURLOPT_USERNAME, cfg->user);
    curl_easy_setopt(c, CURLOPT_PASSWORD, buf_cstr(password));
    return OK;
}

enum status mail_send_outputs(const struct mail_config *cfg, const char *subject, json_t *outputs, struct err *err)
{
    struct buf message, password;
    char said[CURL_ERROR_SIZE] = "", to[400], from[400];
    buf_init(&message, MESSAGE_MAX);
    buf_init(&password, 4096);
    put_message(&message, cfg, subject, outputs);
    enum status s = buf_status(&message);
    CURL *c = curl_easy_init();
    (void)snprintf(to, sizeof to, "<%.390s>", cfg->to);
    (void)snprintf(from, sizeof from, "<%.390s>", cfg->from);
    struct curl_slist *rcpt = curl_slist_append(NULL, to);
    if (s == OK && (c == NULL || rcpt == NULL)) s = E_NOMEM;
    if (s == OK) s = add_login(c, &password, cfg, err);
    if (s == OK) {
        struct upload up = {.rest = buf_view(&message)};
        curl_easy_setopt(c, CURLOPT_URL, cfg->smtp_url);
        curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
        curl_easy_setopt(c, CURLOPT_USE_SSL, (long)(*cfg->smtp_url != '\0' && password.len > 0 ? CURLUSESSL_ALL : CURLUSESSL_TRY));
        if (cfg->ca_file != NULL && *cfg->ca_file != '\0') curl_easy_setopt(c, CURLOPT_CAINFO, cfg->ca_file);
        curl_easy_setopt(c, CURLOPT_MAIL_FROM, from);
        curl_easy_setopt(c, CURLOPT_MAIL_RCPT, rcpt);
        curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(c, CURLOPT_READDATA, &up);
        curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
        curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(c, CURLOPT_ERRORBUFFER, said);
        CURLcode code = curl_easy_perform(c);
        if (code != CURLE_OK)
            s = err_set(err, status_of(code), "the e-mail to %s was not sent by %s: %s", cfg->to, cfg->smtp_url, said[0] != '\0' ? said : curl_easy_strerror(code));
    }
    curl_slist_free_all(rcpt);
    curl_easy_cleanup(c);
    if (password.ptr != NULL) secret_wipe(password.ptr, password.cap);
    buf_fini(&password);
    buf_fini(&message);
    return s;
}
