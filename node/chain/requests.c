#include "node/chain/requests.h"

#include "lib/crypto/aead.h"

enum request_type { REQUEST_DEPOSIT = 0, REQUEST_WITHDRAWAL = 1, REQUEST_CONSOLIDATION = 2 };

enum { REQUESTS_MAX = 1 << 26 };

#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum status try_ = (call);                                                                 \
        if (try_ != OK) return try_;                                                               \
    } while (0)

/* deposit_get: SPEC(EIP-6110): the event's data is five bytes values: heads, then length and content of each; appended to out one after
 * the other. false: another form */
static bool deposit_get(struct buf *out, bytes data)
{
    enum { WORD = 32, FIELDS = 5, DATA_LEN = 576 };
    static const struct {
        uint16_t offset, len;
    } LAYOUT[FIELDS] = {{160, 48}, {256, 32}, {320, 8}, {384, 96}, {512, 8}}; /* key, credentials, amount, signature, index */
    uint8_t word[WORD] = {0};
    if (data.len != DATA_LEN) return false;
    for (size_t i = 0; i < FIELDS; i++) {
        be64_put(word + 24, LAYOUT[i].offset);
        if (memcmp(data.ptr + i * WORD, word, WORD) != 0) return false;
        be64_put(word + 24, LAYOUT[i].len);
        if (memcmp(data.ptr + LAYOUT[i].offset, word, WORD) != 0) return false;
        buf_put(out, data.ptr + LAYOUT[i].offset + WORD, LAYOUT[i].len);
    }
    return true;
}

static bool put_deposits(struct buf *out, const struct receipt *receipts, size_t n, const address *contract)
{
    static const address MAINNET = {{0x00, 0x00, 0x00, 0x00, 0x21, 0x9a, 0xb5, 0x40, 0x35, 0x6c,
                                     0xbb, 0x83, 0x9c, 0xbe, 0x05, 0x30, 0x3d, 0x77, 0x05, 0xfa}};
    /* keccak of DepositEvent(bytes,bytes,bytes,bytes,bytes) */
    static const hash32 TOPIC = {{0x64, 0x9b, 0xbc, 0x62, 0xd0, 0xe3, 0x13, 0x42, 0xaf, 0xea, 0x4e, 0x5c, 0xd8, 0x2d, 0x40, 0x49,
                                  0xe7, 0xe1, 0xee, 0x91, 0x2f, 0xc0, 0x88, 0x9a, 0xa7, 0x90, 0x80, 0x3b, 0xe3, 0x90, 0x38, 0xc5}};
    if (contract == NULL) contract = &MAINNET;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < receipts[i].n_logs; k++) {
            const struct log_entry *l = &receipts[i].logs[k];
            if (!address_eq(&l->addr, contract) || l->n_topics == 0 || !hash_eq(&l->topics[0], &TOPIC)) continue;
            if (!deposit_get(out, l->data)) return false;
        }
    return true;
}

/* drain: SPEC(EIP-7002, EIP-7251): the contract gives what stands in its queue; without code, or failing, the block is invalid */
static enum status drain(struct buf *out, const char **bad, struct exec_env *env, struct state *s, const address *contract)
{
    struct evm_result result;
    bytes code;
    TRY(state_get_code(s, contract, &code));
    if (code.len == 0) {
        *bad = "a contract of the requests is missing";
        return OK;
    }
    TRY(exec_protocol_call(&result, env, s, contract, BYTES_EMPTY));
    if (result.outcome != EVM_SUCCESS)
        *bad = "a contract of the requests failed";
    else
        buf_put_bytes(out, result.output);
    return OK;
}

enum status requests_collect(hash32 *hash, const char **bad, struct exec_env *env, struct state *s, const struct receipt *receipts,
                             size_t n, const address *deposit_contract)
{
    static const address WITHDRAWALS = {{0x00, 0x00, 0x09, 0x61, 0xef, 0x48, 0x0e, 0xb5, 0x5e, 0x80,
                                         0xd1, 0x9a, 0xd8, 0x35, 0x79, 0xa6, 0x4c, 0x00, 0x70, 0x02}};
    static const address CONSOLIDATIONS = {{0x00, 0x00, 0xbb, 0xdd, 0xc7, 0xce, 0x48, 0x86, 0x42, 0xfb,
                                            0x57, 0x9f, 0x8b, 0x00, 0xf3, 0xa5, 0x90, 0x00, 0x72, 0x51}};
    static const enum request_type TYPES[3] = {REQUEST_DEPOSIT, REQUEST_WITHDRAWAL, REQUEST_CONSOLIDATION};
    struct buf list;
    uint8_t digests[sizeof TYPES / sizeof TYPES[0] * 32];
    size_t len = 0;
    enum status st = OK;
    buf_init(&list, REQUESTS_MAX);
    *bad = NULL;
    for (size_t i = 0; i < COUNT_OF(TYPES) && st == OK && *bad == NULL; i++) {
        buf_clear(&list);
        buf_put_u8(&list, (uint8_t)TYPES[i]);
        switch (TYPES[i]) {
        case REQUEST_DEPOSIT:
            if (env->rules.eip6110 && !put_deposits(&list, receipts, n, deposit_contract)) *bad = "a deposit's log has another form";
            break;
        case REQUEST_WITHDRAWAL:
            if (env->rules.eip7002) st = drain(&list, bad, env, s, &WITHDRAWALS);
            break;
        case REQUEST_CONSOLIDATION:
            if (env->rules.eip7251) st = drain(&list, bad, env, s, &CONSOLIDATIONS);
            break;
        }
        if (st == OK) st = buf_status(&list);
        if (st != OK || list.len == 1) continue; /* a kind without requests is left out */
        sha256(digests + len, list.ptr, list.len);
        len += 32;
    }
    buf_fini(&list);
    if (st == OK && *bad == NULL) sha256(hash->b, digests, len);
    return st;
}

enum status requests_begin_block(struct exec_env *env, struct state *s, const hash32 *parent)
{
    static const address HISTORY = {{0x00, 0x00, 0xf9, 0x08, 0x27, 0xf1, 0xc5, 0x3a, 0x10, 0xcb,
                                     0x7a, 0x02, 0x33, 0x5b, 0x17, 0x53, 0x20, 0x00, 0x29, 0x35}};
    struct evm_result result;
    if (!env->rules.eip2935) return OK;
    return exec_protocol_call(&result, env, s, &HISTORY, BYTES_OF(*parent)); /* a failure is nothing */
}
