/* poa-evm bench, poa-evm run: the EVM alone, on a world in memory. */

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/codec/json.h"
#include "lib/crypto/secp256k1.h"
#include "node/evm_tool/tool.h"
#include "node/evm_tool/world.h"

#define FILE_MAX ((size_t)64 << 20)
#define CODE_MAX ((size_t)1 << 20)

struct options {
    enum fork fork;
    bool has_fork, json, trace, is_static;
    uint64_t time_ms, gas;
    const char *code, *input, *value;
};

struct bench {
    const struct options *opt;
    struct evm *evm;
    struct world *world;
    struct rules rules;
    struct evm_block block;
    struct evm_tx tx;
    struct buf data;
    json_t *rows; /* with --json */
};

static int fail(const struct err *err)
{
    fprintf(stderr, "error: %s\n", err_text(err));
    return 1;
}

/* parse_options: the flags that both commands share; ret the index of the first argument that is none, -1 for a bad one */
static int parse_options(struct options *o, int argc, char **argv)
{
    int i = 0;
    for (; i < argc && argv[i][0] == '-'; i++) {
        const char *flag = argv[i];
        if (strcmp(flag, "--json") == 0) {
            o->json = true;
            continue;
        }
        if (strcmp(flag, "--trace") == 0) {
            o->trace = true;
            continue;
        }
        if (strcmp(flag, "--static") == 0) {
            o->is_static = true;
            continue;
        }
        if (i + 1 == argc) {
            fprintf(stderr, "error: %s wants a value, or is unknown\n", flag);
            return -1;
        }
        const char *v = argv[++i];
        u256 n;
        if (strcmp(flag, "--fork") == 0) {
            if (fork_parse(&o->fork, v) != OK) {
                fprintf(stderr, "error: --fork %s: no such fork\n", v);
                return -1;
            }
            o->has_fork = true;
        } else if (strcmp(flag, "--time") == 0 || strcmp(flag, "--gas") == 0) {
            if (u256_get_dec(&n, bytes_str(v)) != OK || !u256_is_u64(&n)) {
                fprintf(stderr, "error: %s %s: wants a number\n", flag, v);
                return -1;
            }
            *(strcmp(flag, "--gas") == 0 ? &o->gas : &o->time_ms) = n.w[0];
        } else if (strcmp(flag, "--code") == 0) {
            o->code = v;
        } else if (strcmp(flag, "--input") == 0) {
            o->input = v;
        } else if (strcmp(flag, "--value") == 0) {
            o->value = v;
        } else {
            fprintf(stderr, "error: unknown option %s\n", flag);
            return -1;
        }
    }
    return i;
}

/* --- reading a state test */

static enum status get_word(u256 *out, const struct json_at *at, struct err *err)
{
    uint8_t be[32];
    const enum status s = json_at_uint(be, sizeof be, at, err);
    if (s == OK) *out = u256_from_be(be);
    return s;
}

static enum status get_member_word(u256 *out, const struct json_at *up, const char *key, struct err *err)
{
    struct json_at at;
    if (!json_at_member(&at, up, key)) return OK; /* keeps what stands */
    return get_word(out, &at, err);
}

static enum status get_member_address(address *out, const struct json_at *up, const char *key, struct err *err)
{
    struct json_at at;
    const enum status s = json_at_need(&at, up, key, err);
    return s != OK ? s : json_at_fixed(out->b, sizeof out->b, &at, err);
}

static enum status read_env(struct bench *b, const struct json_at *test, struct err *err)
{
    struct json_at env;
    enum status s = json_at_need(&env, test, "env", err);
    u256 number = U256_ONE, timestamp = U256_ONE, gas_limit = u256_from_u64(30000000), difficulty = U256_ZERO, base_fee = U256_ZERO;
    if (s == OK) s = get_member_word(&number, &env, "currentNumber", err);
    if (s == OK) s = get_member_word(&timestamp, &env, "currentTimestamp", err);
    if (s == OK) s = get_member_word(&gas_limit, &env, "currentGasLimit", err);
    if (s == OK) s = get_member_word(&difficulty, &env, b->rules.eip4399 ? "currentRandom" : "currentDifficulty", err);
    if (s == OK) s = get_member_word(&base_fee, &env, "currentBaseFee", err);
    if (s == OK) s = get_member_address(&b->block.author, &env, "currentCoinbase", err);
    b->block.number = u256_to_u64_sat(&number);
    b->block.timestamp = u256_to_u64_sat(&timestamp);
    b->block.gas_limit = u256_to_u64_sat(&gas_limit);
    b->block.difficulty = difficulty;
    b->block.base_fee = base_fee;
    b->block.blob_base_fee = U256_ONE;
    b->block.chain_id = 1;
    return s;
}

static enum status read_account(struct bench *b, const struct json_at *at, struct err *err)
{
    address a;
    u256 nonce = U256_ZERO, balance = U256_ZERO;
    struct json_at code, storage, slot;
    buf_clear(&b->data);
    enum status s = address_get(&a, bytes_str(at->key));
    if (s != OK) return err_set(err, E_INVALID, "pre: %s is no address", at->key);
    s = get_member_word(&nonce, at, "nonce", err);
    if (s == OK) s = get_member_word(&balance, at, "balance", err);
    if (s == OK && json_at_member(&code, at, "code")) s = json_at_bytes(&b->data, &code, err);
    if (s == OK) s = world_put_account(b->world, &a, u256_to_u64_sat(&nonce), &balance, buf_view(&b->data));
    if (s != OK || !json_at_member(&storage, at, "storage")) return s;
    void *iter = NULL;
    while (s == OK && json_at_next(&slot, &storage, &iter)) {
        u256 key, value = U256_ZERO;
        s = u256_get_hex(&key, bytes_str(slot.key));
        if (s == OK) s = get_word(&value, &slot, err);
        if (s == OK) s = world_put_slot(b->world, &a, &key, &value);
    }
    return s;
}

static enum status read_pre(struct bench *b, const struct json_at *test, struct err *err)
{
    struct json_at pre, at;
    enum status s = json_at_need(&pre, test, "pre", err);
    void *iter = NULL;
    while (s == OK && json_at_next(&at, &pre, &iter)) s = read_account(b, &at, err);
    return s;
}

static enum status read_sender(address *out, const struct json_at *tx, struct err *err)
{
    struct json_at at;
    if (json_at_member(&at, tx, "sender")) return json_at_fixed(out->b, sizeof out->b, &at, err);
    secret32 key;
    uint8_t pub[64];
    enum status s = json_at_need(&at, tx, "secretKey", err);
    if (s == OK) s = json_at_fixed(key.b, sizeof key.b, &at, err);
    if (s == OK) s = ec_public(pub, &key);
    if (s == OK) ec_address(out->b, pub);
    return s;
}

/* --- measuring */

static void report(struct bench *b, const char *name, const char *label, const struct evm_result *r, uint64_t ns, uint64_t gas)
{
    const double mgas = ns == 0 ? 0 : (double)gas * 1000.0 / (double)ns;
    if (b->opt->json) {
        IGNORE(json_array_append_new(b->rows, json_pack("{s:s, s:s, s:s, s:I, s:I, s:f}", "test", name, "label", label, "outcome",
                                                        evm_outcome_text(r->outcome), "ns", (json_int_t)ns, "gas",
                                                        (json_int_t)gas, "mgas_per_s", mgas)),
               "a row less, if memory is that short");
        return;
    }
    printf("%-34s %12llu ns %12llu gas %9.1f Mgas/s%s%s\n", label, (unsigned long long)ns, (unsigned long long)gas, mgas,
           r->outcome == EVM_SUCCESS ? "" : "  ", r->outcome == EVM_SUCCESS ? "" : evm_outcome_text(r->outcome));
}

/* measure: runs of one message for a while; the best one counts, since all else is the machine's noise */
static void measure(struct bench *b, const char *name, const char *label, const struct evm_message *m)
{
    struct evm_result r;
    uint64_t best = UINT64_MAX;
    const uint64_t end = clock_mono_ns() + b->opt->time_ms * 1000000;
    do {
        world_begin(b->world, &b->rules);
        evm_begin(b->evm, &b->rules, &b->block, &b->tx, world_host(), b->world, NULL);
        const uint64_t t0 = clock_mono_ns();
        evm_run(&r, b->evm, m);
        const uint64_t t = clock_mono_ns() - t0;
        if (t < best) best = t;
        world_undo(b->world);
    } while (clock_mono_ns() < end);
    report(b, name, label, &r, best, m->gas - r.gas_left);
}

static enum status bench_test(struct bench *b, const struct json_at *test, struct err *err)
{
    struct json_at tx, data, at, post, info, labels, gas_at;
    void *iter = NULL;
    enum fork fork = FORK_PRAGUE;
    if (b->opt->has_fork)
        fork = b->opt->fork;
    else if (json_at_member(&post, test, "post") && json_at_next(&at, &post, &iter) && fork_parse(&fork, at.key) != OK)
        return err_set(err, E_INVALID, "post: %s is no fork that we know", at.key);
    rules_from_fork(&b->rules, fork);
    world_free(b->world);
    b->world = NULL;
    enum status s = world_new(&b->world);
    if (s == OK) s = read_env(b, test, err);
    if (s == OK) s = read_pre(b, test, err);
    if (s == OK) s = json_at_need(&tx, test, "transaction", err);
    if (s == OK) s = json_at_need(&data, &tx, "data", err);
    if (s == OK) s = json_at_need(&gas_at, &tx, "gasLimit", err);
    struct evm_message m = {.kind = EVM_CALL};
    if (s == OK) s = get_member_address(&m.recipient, &tx, "to", err);
    if (s == OK) s = read_sender(&m.sender, &tx, err);
    u256 gas = U256_ZERO;
    if (s == OK && json_at_element(&at, &gas_at, 0)) s = get_word(&gas, &at, err);
    if (s != OK) return s;
    m.gas = u256_to_u64_sat(&gas);
    m.code_address = m.recipient;
    b->tx = (struct evm_tx){.origin = m.sender, .gas_price = b->block.base_fee};
    const bool has_labels = json_at_member(&info, test, "_info") && json_at_member(&labels, &info, "labels");
    for (size_t i = 0; s == OK && json_at_element(&at, &data, i); i++) {
        char index[24], label[96];
        const char *text = index;
        snprintf(index, sizeof index, "%zu", i);
        struct json_at named;
        if (has_labels && json_at_member(&named, &labels, index)) s = json_at_text(&text, &named, err);
        snprintf(label, sizeof label, "%s/%s", test->key, text);
        buf_clear(&b->data);
        if (s == OK) s = json_at_bytes(&b->data, &at, err);
        m.input = buf_view(&b->data);
        if (s == OK) measure(b, test->key, label, &m);
    }
    return s;
}

static enum status bench_file(struct bench *b, const char *path, struct err *err)
{
    struct buf text;
    json_t *doc = NULL;
    buf_init(&text, FILE_MAX);
    enum status s = file_read(&text, path, err);
    if (s == OK) s = json_parse(&doc, buf_view(&text), err);
    if (s == OK) {
        const struct json_at root = json_at_root(doc);
        struct json_at test;
        void *iter = NULL;
        while (s == OK && json_at_next(&test, &root, &iter)) s = bench_test(b, &test, err);
    }
    json_decref(doc);
    buf_fini(&text);
    return s;
}

int tool_bench(int argc, char **argv)
{
    struct options opt = {.time_ms = 1000};
    struct bench b = {.opt = &opt};
    const int first = parse_options(&opt, argc, argv);
    if (first < 0 || first == argc) {
        fprintf(stderr, "usage: poa-evm bench [--fork NAME] [--time MS] [--json] FILE...\n");
        return 2;
    }
    struct err err = {.status = OK};
    int code = 0;
    buf_init(&b.data, CODE_MAX);
    if (opt.json) b.rows = json_array();
    enum status s = evm_new(&b.evm, 0);
    for (int i = first; s == OK && i < argc; i++) {
        s = bench_file(&b, argv[i], &err);
        if (s != OK) err_prefix(&err, "%s", argv[i]);
    }
    if (s != OK) code = fail(&err);
    if (opt.json && code == 0) {
        json_dumpf(b.rows, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        printf("\n");
    }
    json_decref(b.rows);
    evm_free(b.evm);
    world_free(b.world);
    buf_fini(&b.data);
    return code;
}

/* --- run */

static void print_step(void *ctx, const struct evm_trace_step *s)
{
    (void)ctx;
    printf("{\"pc\":%llu,\"op\":%u,\"gas\":\"0x%llx\",\"gasCost\":\"0x%llx\",\"depth\":%d,\"memSize\":%zu,\"stack\":[",
           (unsigned long long)s->pc, s->op, (unsigned long long)s->gas, (unsigned long long)s->cost, s->depth, s->memory.len);
    for (size_t i = 0; i < s->n_stack; i++) {
        char word[67];
        u256_put_hex(word, &s->stack[i]);
        printf("%s\"%s\"", i == 0 ? "" : ",", word);
    }
    printf("]}\n");
}

static void print_result(const struct options *o, const struct evm_result *r, uint64_t gas, size_t logs, uint64_t ns)
{
    if (o->json) {
        printf("{\"outcome\":\"%s\",\"gasUsed\":%llu,\"refund\":%lld,\"logs\":%zu,\"ns\":%llu,\"output\":\"0x",
               evm_outcome_text(r->outcome), (unsigned long long)gas, (long long)r->refund, logs, (unsigned long long)ns);
    } else {
        printf("outcome  %s\ngas used %llu\nrefund   %lld\nlogs     %zu\ntime     %llu ns\noutput   0x", evm_outcome_text(r->outcome),
               (unsigned long long)gas, (long long)r->refund, logs, (unsigned long long)ns);
    }
    for (size_t i = 0; i < r->output.len; i++) printf("%02x", r->output.ptr[i]);
    printf("%s\n", o->json ? "\"}" : "");
}

/* run_code: CODE at an address of its own, called by a rich account */
static enum status run_code(const struct options *o, struct world *w, struct evm *e, bytes code, bytes input, bool *succeeded)
{
    static const address self = {{[18] = 0x10, [19] = 0x00}}, sender = {{[18] = 0x20, [19] = 0x00}};
    const u256 rich = u256_shl(U256_ONE, 128);
    struct rules rules;
    rules_from_fork(&rules, o->has_fork ? o->fork : FORK_PRAGUE);
    const struct evm_block block = {.number = 1, .timestamp = 1, .gas_limit = o->gas, .chain_id = 1, .blob_base_fee = U256_ONE};
    const struct evm_tx tx = {.origin = sender};
    const struct evm_tracer tracer = {.step = print_step};
    struct evm_message m = {.sender = sender, .recipient = self, .code_address = self, .gas = o->gas, .input = input, .is_static = o->is_static};
    enum status s = o->value == NULL ? OK : u256_get_dec(&m.value, bytes_str(o->value));
    if (s == OK) s = world_put_account(w, &self, 1, &U256_ZERO, code);
    if (s == OK) s = world_put_account(w, &sender, 0, &rich, BYTES_EMPTY);
    if (s != OK) return s;
    world_begin(w, &rules);
    evm_begin(e, &rules, &block, &tx, world_host(), w, o->trace ? &tracer : NULL);
    struct evm_result r;
    const uint64_t t0 = clock_mono_ns();
    evm_run(&r, e, &m);
    print_result(o, &r, m.gas - r.gas_left, world_log_count(w), clock_mono_ns() - t0);
    *succeeded = r.outcome == EVM_SUCCESS;
    return r.outcome == EVM_HOST_FAILURE ? r.host_status : OK;
}

int tool_run(int argc, char **argv)
{
    struct options opt = {.gas = 30000000};
    if (parse_options(&opt, argc, argv) != argc || opt.code == NULL) {
        fprintf(stderr, "usage: poa-evm run --code HEX [--input HEX] [--gas N] [--value N] [--fork NAME] [--static] [--trace] [--json]\n");
        return 2;
    }
    struct buf code, input;
    struct evm *e = NULL;
    struct world *w = NULL;
    struct err err = {.status = OK};
    bool succeeded = false;
    buf_init(&code, CODE_MAX);
    buf_init(&input, CODE_MAX);
    /* hex_get wants the prefix; on a command line it may be missing */
    const char *const texts[2] = {opt.code, opt.input == NULL ? "" : opt.input};
    enum status s = OK;
    for (int i = 0; s == OK && i < 2; i++) {
        bytes t = bytes_str(texts[i]);
        struct buf *dst = i == 0 ? &code : &input;
        if (t.len >= 2 && t.ptr[0] == '0' && t.ptr[1] == 'x') t = bytes_make(t.ptr + 2, t.len - 2);
        uint8_t *room = buf_reserve(dst, t.len / 2);
        s = t.len == 0 ? OK : room == NULL ? buf_status(dst) : hex_get_fixed(room, t.len / 2, t);
        if (s == OK) dst->len = t.len / 2;
        if (s != OK) err_set(&err, s, "--%s: wants bytes in hex", i == 0 ? "code" : "input");
    }
    if (s == OK) s = evm_new(&e, 0);
    if (s == OK) s = world_new(&w);
    if (s == OK) s = run_code(&opt, w, e, buf_view(&code), buf_view(&input), &succeeded);
    if (s != OK && err.status == OK) err_set(&err, s, "the run failed: %s", status_text(s));
    if (s != OK) IGNORE(fail(&err), "the exit status is set below");
    world_free(w);
    evm_free(e);
    buf_fini(&code);
    buf_fini(&input);
    return s == OK && succeeded ? 0 : 1;
}
