#include "node/agent/records.h"

#include "lib/base/clock.h"
#include "lib/base/utf8.h"
#include "lib/codec/hex.h"

enum { FIELD_MAX = 32000 }; /* both services cut or refuse longer fields (32 and 64 KB) */

const char *table_name(enum agent_table t)
{
    static const char *const names[] = {"MinedBlock", "MinedTransaction", "PendingTransaction", "ParityLog", "NodeStats"};
    return names[t];
}

/* ----------------------------------------------------------------- values */

static json_t *iso(uint64_t ms)
{
    char text[32];
    clock_format_iso(text, ms / 1000);
    (void)snprintf(text + 19, sizeof text - 19, ".%03uZ", (unsigned)(ms % 1000));
    return json_string(text);
}

/* a text field, cut; null and absent are "" */
static json_t *text(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));
    size_t n = t == NULL ? 0 : strlen(t);
    return json_stringn(t == NULL ? "" : t, n > FIELD_MAX ? FIELD_MAX : n);
}

static uint64_t word(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));
    uint64_t v = 0;
    return t != NULL && hex_get_quantity(&v, bytes_str(t)) == OK ? v : 0;
}

static json_t *number(const json_t *o, const char *key)
{
    return json_integer((json_int_t)word(o, key));
}

/* a QUANTITY of up to 256 bits in decimal, its point moved to the left by so many places, without zeros at the end; "" when it is none */
static json_t *decimal(const json_t *o, const char *key, size_t places)
{
    const char *t = json_string_value(json_object_get(o, key));
    size_t n = t == NULL ? 0 : strlen(t), k = 0;
    char hex[64], digits[80], out[100];
    uint8_t be[32];
    memset(hex, '0', sizeof hex);
    if (n < 3 || n > 66) return json_string("");
    memcpy(hex + 64 - (n - 2), t + 2, n - 2);
    if (hex_get_fixed(be, 32, bytes_make(hex, 64)) != OK) return json_string("");
    /* digits, the least first; at least one before the point */
    for (bool left = true; left || k <= places; k++) {
        unsigned rest = 0;
        left = false;
        for (size_t i = 0; i < 32; i++) {
            rest = rest << 8 | be[i];
            be[i] = (uint8_t)(rest / 10);
            rest %= 10;
            if (be[i] != 0) left = true;
        }
        digits[k] = (char)('0' + rest);
    }
    size_t end = 0, m = 0;
    while (end < places && digits[end] == '0')
        end++;
    for (size_t i = k; i-- > end;) {
        out[m++] = digits[i];
        if (i == places && i > end) out[m++] = '.';
    }
    return json_stringn(out, m);
}

/* the printable characters of DATA */
static json_t *ascii(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));
    struct buf raw;
    char out[4097];
    size_t n = 0;
    buf_init(&raw, 1 << 16);
    if (t != NULL && hex_get(&raw, bytes_str(t)) == OK)
        for (size_t i = 0; i < raw.len && n + 1 < sizeof out; i++)
            if (raw.ptr[i] >= 0x20 && raw.ptr[i] < 0x7f) out[n++] = (char)raw.ptr[i];
    buf_fini(&raw);
    return json_stringn(out, n);
}

static json_t *begin(const struct record_source *s)
{
    json_t *r = json_object();
    json_object_set_new(r, "TimeGenerated", iso(s->now_ms));
    json_object_set_new(r, "NodeProvider", json_string(s->provider));
    json_object_set_new(r, "ListenerHostName", json_string(s->host));
    json_object_set_new(r, "ListenerReceivedTimestamp", iso(s->now_ms));
    return r;
}

/* ---------------------------------------------------------------- records */

json_t *record_block(const struct record_source *s, const json_t *b)
{
    const char *miner = json_is_string(json_object_get(b, "miner")) ? "miner" : "author";
    if (!json_is_string(json_object_get(b, "hash")) || !json_is_string(json_object_get(b, "number"))) return NULL;
    json_t *r = begin(s);
    json_object_set_new(r, "BlockHash", text(b, "hash"));
    json_object_set_new(r, "BlockNumber", number(b, "number"));
    json_object_set_new(r, "BlockParentHash", text(b, "parentHash"));
    json_object_set_new(r, "BlockNonce", text(b, "nonce"));
    json_object_set_new(r, "BlockMiner", text(b, miner));
    json_object_set_new(r, "BlockTimestamp", iso(word(b, "timestamp") * 1000));
    json_object_set_new(r, "BlockTransactionCount", json_integer((json_int_t)json_array_size(json_object_get(b, "transactions"))));
    json_object_set_new(r, "BlockUncleCount", json_integer((json_int_t)json_array_size(json_object_get(b, "uncles"))));
    json_object_set_new(r, "BlockExtraData", text(b, "extraData"));
    json_object_set_new(r, "BlockGasLimit", number(b, "gasLimit"));
    json_object_set_new(r, "BlockGasUsed", number(b, "gasUsed"));
    json_object_set_new(r, "BlockDifficulty", decimal(b, "difficulty", 0));
    json_object_set_new(r, "ChainTotalDifficulty", decimal(b, "totalDifficulty", 0));
    json_object_set_new(r, "ExtraData", ascii(b, "extraData"));
    return r;
}

json_t *record_mined(const struct record_source *s, const json_t *receipt)
{
    if (!json_is_string(json_object_get(receipt, "transactionHash"))) return NULL;
    json_t *r = begin(s);
    json_object_set_new(r, "TransactionHash", text(receipt, "transactionHash"));
    json_object_set_new(r, "BlockHash", text(receipt, "blockHash"));
    json_object_set_new(r, "BlockNumber", number(receipt, "blockNumber"));
    json_object_set_new(r, "TransactionIndex", number(receipt, "transactionIndex"));
    json_object_set_new(r, "FromAddress", text(receipt, "from"));
    json_object_set_new(r, "ToAddress", text(receipt, "to"));
    json_object_set_new(r, "CumulativeGasUsed", number(receipt, "cumulativeGasUsed"));
    json_object_set_new(r, "GasUsed", number(receipt, "gasUsed"));
    json_object_set_new(r, "ContractAddress", text(receipt, "contractAddress"));
    return r;
}

json_t *record_pending(const struct record_source *s, const json_t *tx)
{
    if (!json_is_string(json_object_get(tx, "hash"))) return NULL;
    const char *price = json_is_string(json_object_get(tx, "gasPrice")) ? "gasPrice" : "maxFeePerGas";
    json_t *r = begin(s);
    json_object_set_new(r, "TransactionHash", text(tx, "hash"));
    json_object_set_new(r, "TransactionNonce", number(tx, "nonce"));
    json_object_set_new(r, "FromAddress", text(tx, "from"));
    json_object_set_new(r, "ToAddress", text(tx, "to"));
    json_object_set_new(r, "Value", decimal(tx, "value", 18));
    json_object_set_new(r, "GasPrice", decimal(tx, price, 9));
    json_object_set_new(r, "Gas", number(tx, "gas"));
    json_object_set_new(r, "Input", text(tx, "input"));
    return r;
}

/* "2026-11-23 09:32:52.123 " -> "2026-11-23T09:32:52.123Z" */
static json_t *time_of_line(bytes line, uint64_t now_ms)
{
    static const char shape[] = "dddd-dd-dd dd:dd:dd.ddd ";
    char t[26];
    if (line.len < sizeof shape - 1) return iso(now_ms);
    for (size_t i = 0; i < sizeof shape - 1; i++) {
        bool digit = line.ptr[i] >= '0' && line.ptr[i] <= '9';
        if (shape[i] == 'd' ? !digit : line.ptr[i] != (uint8_t)shape[i]) return iso(now_ms);
    }
    memcpy(t, line.ptr, 23);
    t[10] = 'T';
    t[23] = 'Z';
    t[24] = '\0';
    return json_string(t);
}

/* at most so many bytes of text, whole characters */
static size_t cut_text(const uint8_t *p, size_t n)
{
    size_t k = n > FIELD_MAX ? FIELD_MAX : n;
    while (k > 0 && k < n && (p[k] & 0xc0) == 0x80)
        k--;
    return k;
}

json_t *record_log(const struct record_source *s, bytes line)
{
    struct buf text;
    if (line.len == 0) return NULL;
    buf_init(&text, 4 * FIELD_MAX + 16);
    utf8_put_visible(&text, bytes_make(line.ptr, cut_text(line.ptr, line.len)));
    json_t *r = json_object(), *raw = json_stringn((const char *)text.ptr, cut_text(text.ptr, text.len));
    json_object_set_new(r, "TimeGenerated", time_of_line(line, s->now_ms));
    json_object_set_new(r, "Computer", json_string(s->host));
    json_object_set_new(r, "RawData", raw);
    buf_fini(&text);
    return r;
}

json_t *record_stats(const struct record_source *s, const struct node_stats *n)
{
    json_t *r = begin(s);
    json_object_set_new(r, "BlockNumber", json_integer((json_int_t)n->block));
    json_object_set_new(r, "HeadAgeSeconds", json_integer((json_int_t)n->head_age_s));
    json_object_set_new(r, "PeerCount", json_integer((json_int_t)n->peers));
    json_object_set_new(r, "PendingTransactionCount", json_integer((json_int_t)n->pending));
    json_object_set_new(r, "QueuedTransactionCount", json_integer((json_int_t)n->queued));
    json_object_set_new(r, "IsSyncing", json_boolean(n->syncing));
    json_object_set_new(r, "IsSealing", json_boolean(n->sealing));
    json_object_set_new(r, "ClientVersion", json_string(n->version));
    return r;
}

/* --------------------------------------------------------------- dialects */

static bool is_standard(const char *key)
{
    return strcmp(key, "TimeGenerated") == 0 || strcmp(key, "Computer") == 0 || strcmp(key, "RawData") == 0;
}

json_t *record_with_suffixes(const json_t *record)
{
    json_t *out = json_object();
    void *iter = json_object_iter((json_t *)(uintptr_t)record);
    for (; iter != NULL; iter = json_object_iter_next((json_t *)(uintptr_t)record, iter)) {
        const char *key = json_object_iter_key(iter);
        json_t *v = json_object_iter_value(iter);
        char name[100];
        bool date = strlen(key) > 9 && strcmp(key + strlen(key) - 9, "Timestamp") == 0;
        const char *suffix = is_standard(key) ? "" : date ? "_t" : json_is_string(v) ? "_s" : json_is_boolean(v) ? "_b" : "_d";
        (void)snprintf(name, sizeof name, "%.90s%s", key, suffix);
        json_object_set(out, name, v);
    }
    return out;
}

json_t *record_for_collector(const json_t *record)
{
    json_t *out = json_copy((json_t *)(uintptr_t)record), *raw = json_object_get(out, "RawData"), *at = json_object_get(out, "TimeGenerated");
    if (raw != NULL) {
        json_object_set(out, "Message", raw);
        json_object_set(out, "Timestamp", at);
        json_object_del(out, "RawData");
    }
    json_object_del(out, "TimeGenerated");
    return out;
}
