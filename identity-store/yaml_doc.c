#include "identity-store/yaml_doc.h"

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/codec/yaml.h"

enum { FILE_MAX = 4 << 20 };

enum status yaml_doc_read(json_t **out, const char *path, struct err *err)
{
    struct buf text;
    struct err why = {0};
    json_t *doc = NULL;
    buf_init(&text, FILE_MAX);
    enum status s = file_read(&text, path, err);
    if (s == OK) {
        s = yaml_get(&doc, buf_view(&text), &why);
        if (s != OK) s = err_set(err, s, "%s: %s", path, err_text(&why));
    }
    buf_fini(&text);
    if (s == OK) *out = json_is_null(doc) ? json_object() : doc;
    return s;
}
