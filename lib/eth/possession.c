#include "lib/eth/possession.h"

#include "lib/codec/hex.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"

hash32 possession_digest(const struct possession *p)
{
    char who[43], genesis[67], challenge[67], text[512], head[64];
    hash32 h;
    address_put(who, &p->validator);
    hash_put(genesis, &p->genesis);
    hash_put(challenge, &p->challenge);
    int n = snprintf(text, sizeof text, "proof of possession of the validator key %s\nchain %llu\ngenesis %s\nchallenge %s\ntime %llu\nblock %llu\nsyncing %s\n", who,
                     (unsigned long long)p->chain_id, genesis, challenge, (unsigned long long)p->time_ms, (unsigned long long)p->block,
                     p->is_syncing ? "yes" : "no");
    if (n < 0 || (size_t)n >= sizeof text) BUG("a statement of bounded parts");
    /* SPEC(EIP-191): version 0x45 */
    int k = snprintf(head, sizeof head, "\x19"
                                        "Ethereum Signed Message:\n%d",
                     n);
    struct keccak s;
    keccak_init(&s, 32);
    keccak_update(&s, head, (size_t)k);
    keccak_update(&s, text, (size_t)n);
    keccak_final(&s, h.b);
    return h;
}

enum status possession_put_json(json_t **out, const struct possession *p, const uint8_t sig65[static 65])
{
    char who[43], genesis[67], challenge[67], sig[133] = "0x";
    address_put_checksum(who, &p->validator);
    hash_put(genesis, &p->genesis);
    hash_put(challenge, &p->challenge);
    hex_put(sig + 2, sig65, 65);
    sig[132] = '\0';
    *out = json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:b, s:s}", "address", who, "chainId", (json_int_t)p->chain_id, "genesisHash", genesis, "challenge",
                     challenge, "timeMs", (json_int_t)p->time_ms, "block", (json_int_t)p->block, "syncing", p->is_syncing, "signature", sig);
    return *out == NULL ? E_NOMEM : OK;
}

static bool get_u64(uint64_t *out, const json_t *doc, const char *key)
{
    const json_t *v = json_object_get(doc, key);
    if (!json_is_integer(v) || json_integer_value(v) < 0) return false;
    *out = (uint64_t)json_integer_value(v);
    return true;
}

static bool get_hash(hash32 *out, const json_t *doc, const char *key)
{
    const char *t = json_string_value(json_object_get(doc, key));
    return t != NULL && hash_get(out, bytes_str(t)) == OK;
}

enum status possession_check_json(struct possession *out, const json_t *doc, const address *validator, const hash32 *challenge, struct err *err)
{
    struct possession p = {0};
    uint8_t sig[65], signer[20];
    const char *who = json_string_value(json_object_get(doc, "address")), *sig_text = json_string_value(json_object_get(doc, "signature"));
    const json_t *syncing = json_object_get(doc, "syncing");
    if (who == NULL || address_get(&p.validator, bytes_str(who)) != OK || sig_text == NULL || hex_get_fixed(sig, sizeof sig, bytes_str(sig_text)) != OK ||
        !get_u64(&p.chain_id, doc, "chainId") || !get_u64(&p.time_ms, doc, "timeMs") || !get_u64(&p.block, doc, "block") || !json_is_boolean(syncing) ||
        !get_hash(&p.genesis, doc, "genesisHash") || !get_hash(&p.challenge, doc, "challenge"))
        return err_set(err, E_DECODE, "its answer is no proof of possession");
    p.is_syncing = json_is_true(syncing);
    if (!address_eq(&p.validator, validator)) return err_set(err, E_CONFLICT, "the node that answers holds the key of %s", who);
    if (!hash_eq(&p.challenge, challenge)) return err_set(err, E_CONFLICT, "it answers another challenge than the one that it was asked");
    hash32 digest = possession_digest(&p);
    if (ec_recover_address(signer, sig, digest.b) != OK || memcmp(signer, validator->b, 20) != 0)
        return err_set(err, E_CRYPTO, "its signature is not made with the key of %s", who);
    *out = p;
    return OK;
}
