/* module: lib/eth */
/* An accepted header or block encodes to itself and hashes as its bytes do; receipts likewise. */
#include "lib/crypto/keccak.h"
#include "lib/eth/header.h"
#include "lib/eth/receipt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void try_header(bytes data)
{
    struct header h;
    struct buf out;
    hash32 want, got;
    bytes in = data;
    struct err err = {0};
    if (header_get(&h, &in, &err) != OK) return;
    size_t used = data.len - in.len;
    buf_init(&out, used);
    header_put(&out, &h);
    if (buf_status(&out) != OK || !bytes_eq(buf_view(&out), bytes_make(data.ptr, used))) BUG("an accepted header does not encode to itself");
    keccak256(want.b, data.ptr, used);
    got = header_hash(&h);
    if (!hash_eq(&want, &got)) BUG("header_hash is not the hash of its bytes");
    (void)header_aura_seal_hash(&h);
    buf_fini(&out);
}

static void try_block(bytes data, struct arena *a)
{
    struct block b;
    struct buf out;
    bytes in = data;
    struct err err = {0};
    if (block_get(&b, &in, a, &err) != OK) return;
    size_t used = data.len - in.len;
    buf_init(&out, used);
    block_put(&out, &b);
    if (buf_status(&out) != OK || !bytes_eq(buf_view(&out), bytes_make(data.ptr, used))) BUG("an accepted block does not encode to itself");
    buf_fini(&out);
}

static void try_receipt(bytes data, struct arena *a)
{
    struct receipt r;
    struct buf out;
    if (receipt_get(&r, data, a) != OK) return;
    buf_init(&out, data.len);
    receipt_put(&out, &r);
    if (buf_status(&out) != OK || !bytes_eq(buf_view(&out), data)) BUG("an accepted receipt does not encode to itself");
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arena a;
    bytes in = bytes_make(data, len);
    arena_init(&a, (size_t)16 << 20);
    try_header(in);
    try_block(in, &a);
    try_receipt(in, &a);
    arena_fini(&a);
    return 0;
}
