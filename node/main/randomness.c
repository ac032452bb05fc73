/* randomness.c: numbers that validators make together (spec key randomnessContractAddress): in the first phase of a round each commits to a number by
 * its hash, in the second it reveals it, by transactions of its own without a price, as reports go.
 *
 *     isCommitPhase(), not isCommitted(currentCollectRound(), me)     -> commitHash(keccak256(number), cipher)
 *     isRevealPhase(), isCommitted(...), not sentReveal(...)          -> revealNumber(number), if the hash that stands there is this number's
 *
 * The contract has room for a cipher of the number, by which its owner finds it again. We need none: the number is HMAC-SHA256 under the validator's
 * key of chain, contract and round, so that nobody else can tell it before and no disk need keep it. A vault that keeps the key to itself
 * (identity.mode: sign) cannot make it: such a validator takes no part. */
#include "lib/codec/abi.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/keccak.h"
#include "lib/eth/abi_call.h"
#include "node/main/node.h"
#include "node/state/state.h"

enum { CALL_GAS = 50000000, TX_GAS = 500000, AGAIN_BLOCKS = 10, HEADER_ARENA = 1 << 20 };

/* the contract for the block after the head, or NULL */
static const address *contract_at(const struct node *n, uint64_t head)
{
    const address *found = NULL;
    const struct aura_params *p = &n->spec.aura;
    for (size_t i = 0; n->spec.engine == ENGINE_AURA && i < p->n_randomness_contract && p->randomness_contract[i].at <= head + 1; i++)
        found = &p->randomness_contract[i].value;
    return found;
}

/* questions to the contract on one state */
struct view {
    struct node *n;
    const address *contract;
    struct kv_txn *txn;
    struct state *state;
    struct header head;
    struct arena arena;
};

static void view_close(struct view *v)
{
    state_free(v->state);
    kv_abort(v->txn);
    arena_fini(&v->arena);
}

static enum status view_open(struct view *v, struct node *n, const address *contract)
{
    uint64_t number, finalised;
    hash32 hash;
    *v = (struct view){.n = n, .contract = contract};
    arena_init(&v->arena, HEADER_ARENA);
    enum status s = n->random_evm == NULL ? evm_new(&n->random_evm, 0) : OK;
    if (s == OK) s = kv_begin(&v->txn, n->kv, false);
    if (s == OK) s = blocks_get_head(&number, &hash, &finalised, v->txn);
    if (s == OK) s = blocks_get_header(&v->head, v->txn, &hash, &v->arena);
    if (s == OK) s = state_open(&v->state, v->txn, STATE_LATEST);
    if (s != OK) view_close(v);
    return s;
}

/* as in the next block. The answer lives in the arena.  ret E_INVALID: the contract fails */
static enum status ask(struct abi_reader *out, struct view *v, bytes question)
{
    struct exec_env env;
    struct evm_result r;
    const struct evm_message m = {.kind = EVM_CALL, .recipient = *v->contract, .code_address = *v->contract, .gas = CALL_GAS, .input = question};
    const int mark = state_snapshot(v->state);
    chain_call_env(&env, v->n->chain, v->n->random_evm, v->txn, &v->head, true);
    enum status s = exec_call(&r, &env, v->state, &m, &U256_ZERO);
    if (s == OK && r.outcome == EVM_HOST_FAILURE) s = r.host_status;
    else if (s == OK && r.outcome != EVM_SUCCESS) s = E_INVALID;
    if (s == OK) *out = abi_read(arena_copy(&v->arena, r.output));
    state_revert(v->state, mark);
    return s;
}

/* signature: of a function without arguments, or (uint256 round, address me) */
static enum status ask_about(struct abi_reader *out, struct view *v, const char *signature, const uint64_t *round)
{
    struct buf in;
    buf_init(&in, 256);
    struct abi_writer w = abi_call_begin(&in, signature);
    if (round != NULL) {
        abi_put_u64(&w, *round);
        abi_put_address(&w, v->n->self.b);
    }
    abi_end(&w);
    enum status s = buf_status(&in);
    if (s == OK) s = ask(out, v, buf_view(&in));
    buf_fini(&in);
    return s;
}

static enum status ask_bool(bool *out, struct view *v, const char *signature, const uint64_t *round)
{
    struct abi_reader r;
    enum status s = ask_about(&r, v, signature, round);
    return s == OK ? abi_get_bool(out, &r) : s;
}

static enum status number_of(uint8_t out[static 32], struct node *n, const address *contract, uint64_t round)
{
    static const char what[] = "poa-node randomness 1";
    uint8_t msg[sizeof what + 8 + 20 + 8];
    memcpy(msg, what, sizeof what);
    be64_put(msg + sizeof what, n->spec.chain_id);
    memcpy(msg + sizeof what + 8, contract->b, 20);
    be64_put(msg + sizeof what + 28, round);
    if (n->cfg.mode != IDENTITY_FILE) return identity_derive(n->identity, out, BYTES_OF(msg));
    hmac_sha256(out, BYTES_OF(n->file_key.b), BYTES_OF(msg));
    return OK;
}

/* the call that is due now. ret OK | E_NOT_FOUND: none | ... */
static enum status due_call(struct buf *data, uint64_t *round, bool *is_reveal, struct node *n, const address *contract)
{
    struct view v;
    struct abi_reader r;
    bool commits = false, reveals = false, committed = false, revealed = false;
    uint8_t number[32], hash[32], there[32];
    enum status s = view_open(&v, n, contract);
    if (s != OK) return s;
    s = ask_about(&r, &v, "currentCollectRound()", NULL);
    if (s == OK) s = abi_get_u64(round, &r);
    if (s == OK) s = ask_bool(&commits, &v, "isCommitPhase()", NULL);
    if (s == OK) s = ask_bool(&reveals, &v, "isRevealPhase()", NULL);
    if (s == OK) s = ask_bool(&committed, &v, "isCommitted(uint256,address)", round);
    if (s == OK && reveals && committed) s = ask_bool(&revealed, &v, "sentReveal(uint256,address)", round);
    *is_reveal = reveals;
    const bool due = commits ? !committed : reveals && committed && !revealed;
    if (s == OK && !due) s = E_NOT_FOUND;
    if (s == OK) s = number_of(number, n, contract, *round);
    if (s == OK) keccak256(hash, number, sizeof number);
    if (s == OK && reveals) {
        s = ask_about(&r, &v, "getCommitAndCipher(uint256,address)", round);
        if (s == OK) s = abi_get_word(there, &r);
        if (s == OK && memcmp(there, hash, 32) != 0) s = E_CONFLICT; /* committed by another client */
    }
    if (s == OK) {
        struct abi_writer w = abi_call_begin(data, reveals ? "revealNumber(uint256)" : "commitHash(bytes32,bytes)");
        abi_put_word(&w, reveals ? number : hash);
        if (!reveals) abi_put_bytes(&w, BYTES_LIT("\x01")); /* nothing to decipher: see above. Some contracts refuse an empty one */
        abi_end(&w);
        s = buf_status(data);
    }
    view_close(&v);
    secret_wipe(number, sizeof number);
    return s;
}

void node_send_randomness(struct node *n, bool is_behind)
{
    struct chain_head head;
    struct buf data;
    struct err err = {0};
    uint64_t round = 0;
    bool is_reveal = false;
    chain_get_head(&head, n->chain);
    const address *contract = contract_at(n, head.number);
    if (contract == NULL || !n->has_self || is_behind || n->pool == NULL || head.number == n->random_seen || !node_is_validator(n)) return;
    n->random_seen = head.number;
    buf_init(&data, 1024);
    enum status s = due_call(&data, &round, &is_reveal, n, contract);
    if (s == OK && n->random_round == round && n->random_was_reveal == is_reveal && head.number < n->random_at + AGAIN_BLOCKS) s = E_NOT_FOUND; /* on its way */
    if (s == OK) s = node_send_service_tx(n, contract, buf_view(&data), head.gas_limit < TX_GAS ? head.gas_limit : TX_GAS, &err);
    if (s == OK) {
        n->random_round = round;
        n->random_was_reveal = is_reveal;
        n->random_at = head.number;
        log_debug("engine", "randomness %s round=%llu", is_reveal ? "revealed" : "committed", (unsigned long long)round);
    } else if (s != E_NOT_FOUND && s != E_EXISTS && n->random_trouble != s) {
        log_warn("engine", "no part in the randomness of round=%llu reason=%s%s%s", (unsigned long long)round, status_name(s), err.text[0] != '\0' ? ": " : "", err.text);
    }
    if (s != E_NOT_FOUND && s != E_EXISTS) n->random_trouble = s;
    buf_fini(&data);
}
