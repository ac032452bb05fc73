/* module: node/evm/precompile */
/* Any call data into every precompile (the first byte picks one). What comes out of a group operation is a point that the same operation takes
 * again: P + 0 = P, and 1 * P = P. Output stays untouched when the call fails. */
#include "node/evm/precompile/precompile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { OUT_MAX = 256, MODEXP_MAX = 1 << 12 };

typedef enum status run_fn(uint8_t *out, bytes in);

static const struct {
    run_fn *run;
    size_t out_len, in_len; /* in_len: of the call that gives a point back, 0 if there is none */
    size_t one_at;          /* where the scalar 1 ends in it, 0 if there is none */
} calls[] = {
    {pc_bn254_add, 64, 128, 0},          {pc_bn254_mul, 64, 96, 96},
    {pc_bn254_pairing, 32, 0, 0},        {pc_bls_g1_add, 128, 256, 0},
    {pc_bls_g1_msm, 128, 160, 160},      {pc_bls_g2_add, 256, 512, 0},
    {pc_bls_g2_msm, 256, 288, 288},      {pc_bls_pairing, 32, 0, 0},
    {pc_bls_map_fp_to_g1, 128, 0, 0},    {pc_bls_map_fp2_to_g2, 256, 0, 0},
    {pc_kzg_point_evaluation, 64, 0, 0},
};

static void run_one(unsigned which, bytes in)
{
    uint8_t out[OUT_MAX], again[OUT_MAX], back[512] = {0};
    memset(out, 0x5a, sizeof(out));
    if (calls[which].run(out, in) != OK) {
        for (size_t i = 0; i < sizeof(out); i++)
            if (out[i] != 0x5a) BUG("a failed call wrote output");
        return;
    }
    if (calls[which].in_len == 0) return;
    memcpy(back, out, calls[which].out_len);
    if (calls[which].one_at != 0) back[calls[which].one_at - 1] = 1;
    if (calls[which].run(again, bytes_make(back, calls[which].in_len)) != OK)
        BUG("a result is refused as an operand");
    if (memcmp(again, out, calls[which].out_len) != 0) BUG("the neutral element changed a point");
}

/* The EVM takes the gas before; here the lengths are bounded instead. */
static void run_modexp(bytes in)
{
    static const uint8_t zero[28];
    size_t lens[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        uint8_t word[32] = {0};
        if (32 * i < in.len)
            memcpy(word, in.ptr + 32 * i, in.len - 32 * i < 32 ? in.len - 32 * i : 32);
        if (memcmp(word, zero, 28) == 0) lens[i] = be32_get(word + 28);
        if (lens[i] > 300) return;
    }
    struct buf out;
    buf_init(&out, MODEXP_MAX);
    if (pc_modexp_call(&out, in) == OK && out.len != lens[2] && lens[2] != 0)
        BUG("modexp: output of another length than the modulus");
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0) return 0;
    const unsigned which = data[0] % (COUNT_OF(calls) + 3);
    const bytes in = bytes_make(data + 1, len - 1);
    uint8_t out[OUT_MAX];
    if (which < COUNT_OF(calls)) run_one(which, in);
    if (which == COUNT_OF(calls)) run_modexp(in);
    if (which == COUNT_OF(calls) + 1) pc_ripemd160(out, in);
    if (which == COUNT_OF(calls) + 2 && in.len > 1 && in.ptr[0] == 0 && in.ptr[1] == 0)
        IGNORE(pc_blake2f(out, in), "any verdict will do");
    return 0;
}
