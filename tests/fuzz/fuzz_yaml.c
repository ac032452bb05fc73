/* module: lib/codec */
/* YAML never crashes, and what it gives is JSON that prints and parses. */
#include "lib/codec/json.h"
#include "lib/codec/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    json_t *doc, *back;
    struct err err = {0};
    if (yaml_get(&doc, bytes_make(data, len), &err) != OK) {
        if (err.text[0] == '\0') BUG("YAML was refused without a reason");
        return 0;
    }
    char *text = json_dumps(doc, JSON_ENCODE_ANY);
    if (text == NULL || json_parse(&back, bytes_str(text), &err) != OK || !json_equal(doc, back)) BUG("the JSON of a YAML text does not read back");
    free(text);
    json_decref(back);
    json_decref(doc);
    return 0;
}
