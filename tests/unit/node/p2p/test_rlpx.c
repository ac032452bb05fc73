#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/crypto/secp256k1.h"
#include "node/p2p/rlpx.h"

#include <cmocka.h>

/* EIP-8, test vectors, RLPx handshake */
static const char *const key_a = "49a7b37aa6f6645917e7b807e9d1c00d4fa71f18343b0d4122a4d2df64dd6fee";
static const char *const key_b = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291";
static const char *const ephemeral_a = "869d6ecf5211f1cc60418a13b9d870b22959d0c16f02bec714c960dd2298a32d";
static const char *const ephemeral_b = "e238eb8e04fee6511ab04c6dd3c89ce097b11f25d584863ac2b6d5b35b1847e4";
static const char *const nonce_a = "7e968bba13b6c50e2c4cd7f241cc0d64d1ac25c7f5952df231ac6a2bda8ee5d6";
static const char *const nonce_b = "559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd";
static const char *const auth[3] = {
    "048ca79ad18e4b0659fab4853fe5bc58eb83992980f4c9cc147d2aa31532efd29a3d3dc6a3d89eaf913150cfc777ce0ce4af2758bf4810235f6e6ceccfee1acc6b22"
    "c005e9e3a49d6448610a58e98744ba3ac0399e82692d67c1f58849050b3024e21a52c9d3b01d871ff5f210817912773e610443a9ef142e91cdba0bd77b5fdf0769b0"
    "5671fc35f83d83e4d3b0b000c6b2a1b1bba89e0fc51bf4e460df3105c444f14be226458940d6061c296350937ffd5e3acaceeaaefd3c6f74be8e23e0f45163cc7ebd"
    "76220f0128410fd05250273156d548a414444ae2f7dea4dfca2d43c057adb701a715bf59f6fb66b2d1d20f2c703f851cbf5ac47396d9ca65b6260bd141ac4d53e2de"
    "585a73d1750780db4c9ee4cd4d225173a4592ee77e2bd94d0be3691f3b406f9bba9b591fc63facc016bfa8",
    "01b304ab7578555167be8154d5cc456f567d5ba302662433674222360f08d5f1534499d3678b513b0fca474f3a514b18e75683032eb63fccb16c156dc6eb2c0b1593"
    "f0d84ac74f6e475f1b8d56116b849634a8c458705bf83a626ea0384d4d7341aae591fae42ce6bd5c850bfe0b999a694a49bbbaf3ef6cda61110601d3b4c02ab6c304"
    "37257a6e0117792631a4b47c1d52fc0f8f89caadeb7d02770bf999cc147d2df3b62e1ffb2c9d8c125a3984865356266bca11ce7d3a688663a51d82defaa8aad69da3"
    "9ab6d5470e81ec5f2a7a47fb865ff7cca21516f9299a07b1bc63ba56c7a1a892112841ca44b6e0034dee70c9adabc15d76a54f443593fafdc3b27af8059703f88928"
    "e199cb122362a4b35f62386da7caad09c001edaeb5f8a06d2b26fb6cb93c52a9fca51853b68193916982358fe1e5369e249875bb8d0d0ec36f917bc5e1eafd5896d4"
    "6bd61ff23f1a863a8a8dcd54c7b109b771c8e61ec9c8908c733c0263440e2aa067241aaa433f0bb053c7b31a838504b148f570c0ad62837129e547678c5190341e4f"
    "1693956c3bf7678318e2d5b5340c9e488eefea198576344afbdf66db5f51204a6961a63ce072c8926c",
    "01b8044c6c312173685d1edd268aa95e1d495474c6959bcdd10067ba4c9013df9e40ff45f5bfd6f72471f93a91b493f8e00abc4b80f682973de715d77ba3a005a242"
    "eb859f9a211d93a347fa64b597bf280a6b88e26299cf263b01b8dfdb712278464fd1c25840b995e84d367d743f66c0e54a586725b7bbf12acca27170ae3283c1073a"
    "dda4b6d79f27656993aefccf16e0d0409fe07db2dc398a1b7e8ee93bcd181485fd332f381d6a050fba4c7641a5112ac1b0b61168d20f01b479e19adf7fdbfa0905f6"
    "3352bfc7e23cf3357657455119d879c78d3cf8c8c06375f3f7d4861aa02a122467e069acaf513025ff196641f6d2810ce493f51bee9c966b15c5043505350392b576"
    "45385a18c78f14669cc4d960446c17571b7c5d725021babbcd786957f3d17089c084907bda22c2b2675b4378b114c601d858802a55345a15116bc61da4193996187e"
    "d70d16730e9ae6b3bb8787ebcaea1871d850997ddc08b4f4ea668fbf37407ac044b55be0908ecb94d4ed172ece66fd31bfdadf2b97a8bc690163ee11f5b575a4b44e"
    "36e2bfb2f0fce91676fd64c7773bac6a003f481fddd0bae0a1f31aa27504e2a533af4cef3b623f4791b2cca6d490",
};
static const char *const ack[3] = {
    "049f8abcfa9c0dc65b982e98af921bc0ba6e4243169348a236abe9df5f93aa69d99cadddaa387662b0ff2c08e9006d5a11a278b1b3331e5aaabf0a32f01281b6f4ed"
    "e0e09a2d5f585b26513cb794d9635a57563921c04a9090b4f14ee42be1a5461049af4ea7a7f49bf4c97a352d39c8d02ee4acc416388c1c66cec761d2bc1c72da6ba1"
    "43477f049c9d2dde846c252c111b904f630ac98e51609b3b1f58168ddca6505b7196532e5f85b259a20c45e1979491683fee108e9660edbf38f3add489ae73e3dda2"
    "c71bd1497113d5c755e942d1",
    "01ea0451958701280a56482929d3b0757da8f7fbe5286784beead59d95089c217c9b917788989470b0e330cc6e4fb383c0340ed85fab836ec9fb8a49672712aeabbd"
    "fd1e837c1ff4cace34311cd7f4de05d59279e3524ab26ef753a0095637ac88f2b499b9914b5f64e143eae548a1066e14cd2f4bd7f814c4652f11b254f8a2d0191e2f"
    "5546fae6055694aed14d906df79ad3b407d94692694e259191cde171ad542fc588fa2b7333313d82a9f887332f1dfc36cea03f831cb9a23fea05b33deb999e85489e"
    "645f6aab1872475d488d7bd6c7c120caf28dbfc5d6833888155ed69d34dbdc39c1f299be1057810f34fbe754d021bfca14dc989753d61c413d261934e1a9c67ee060"
    "a25eefb54e81a4d14baff922180c395d3f998d70f46f6b58306f969627ae364497e73fc27f6d17ae45a413d322cb8814276be6ddd13b885b201b943213656cde498f"
    "a0e9ddc8e0b8f8a53824fbd82254f3e2c17e8eaea009c38b4aa0a3f306e8797db43c25d68e86f262e564086f59a2fc60511c42abfb3057c247a8a8fe4fb3ccbadde1"
    "7514b7ac8000cdb6a912778426260c47f38919a91f25f4b5ffb455d6aaaf150f7e5529c100ce62d6d92826a71778d809bdf60232ae21ce8a437eca8223f45ac37f64"
    "87452ce626f549b3b5fdee26afd2072e4bc75833c2464c805246155289f4",
    "01f004076e58aae772bb101ab1a8e64e01ee96e64857ce82b1113817c6cdd52c09d26f7b90981cd7ae835aeac72e1573b8a0225dd56d157a010846d888dac7464baf"
    "53f2ad4e3d584531fa203658fab03a06c9fd5e35737e417bc28c1cbf5e5dfc666de7090f69c3b29754725f84f75382891c561040ea1ddc0d8f381ed1b9d0d4ad2a0e"
    "c021421d847820d6fa0ba66eaf58175f1b235e851c7e2124069fbc202888ddb3ac4d56bcbd1b9b7eab59e78f2e2d400905050f4a92dec1c4bdf797b3fc9b2f8e84a4"
    "82f3d800386186712dae00d5c386ec9387a5e9c9a1aca5a573ca91082c7d68421f388e79127a5177d4f8590237364fd348c9611fa39f78dcdceee3f390f07991b7b4"
    "7e1daa3ebcb6ccc9607811cb17ce51f1c8c2c5098dbdd28fca547b3f58c01a424ac05f869f49c6a34672ea2cbbc558428aa1fe48bbfd61158b1b735a65d99f21e70d"
    "bc020bfdface9f724a0d1fb5895db971cc81aa7608baa0920abb0a565c9c436e2fd13323428296c86385f2384e408a31e104670df0791d93e743a3a5194ee6b076fb"
    "6323ca593011b7348c16cf58f66b9633906ba54a2ee803187344b394f75dd2e663a57b956cb830dd7a908d4f39a2336a61ef9fda549180d4ccde21514d117b6c6fd0"
    "7a9102b5efe710a32af4eeacae2cb3b1dec035b9593b48b9d3ca4c13d245d5f04169b0b1",
};

static void get32(uint8_t *dst, const char *hex)
{
    assert_int_equal(OK, hex_get_fixed(dst, 32, bytes_str(hex)));
}

static void get_hex(struct buf *b, const char *hex)
{
    const size_t len = strlen(hex) / 2;
    buf_init(b, 8192);
    uint8_t *p = buf_reserve(b, len);
    assert_int_equal(OK, hex_get_fixed(p, len, bytes_str(hex)));
    b->len = len;
}

static void init_a(struct rlpx *r)
{
    secret32 a, b;
    uint8_t pub_b[64];
    get32(a.b, key_a);
    get32(b.b, key_b);
    assert_int_equal(OK, ec_public(pub_b, &b));
    rlpx_init(r, &a, pub_b);
    get32(r->ephemeral.b, ephemeral_a);
    get32(r->nonce, nonce_a);
}

static void init_b(struct rlpx *r)
{
    secret32 b;
    get32(b.b, key_b);
    rlpx_init(r, &b, NULL);
    get32(r->ephemeral.b, ephemeral_b);
    get32(r->nonce, nonce_b);
}

static void the_published_auth_packets_are_read(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct rlpx r;
        struct buf in;
        secret32 a, e;
        uint8_t want[64];
        size_t used = 0;
        init_b(&r);
        get_hex(&in, auth[i]);
        const size_t packet = in.len;
        buf_put(&in, "more", 4);
        for (size_t cut = 0; cut < packet; cut += cut < packet - 3 ? 7 : 1)
            assert_int_equal(E_AGAIN, rlpx_get_auth(&r, &used, bytes_make(in.ptr, cut)));
        assert_int_equal(OK, rlpx_get_auth(&r, &used, buf_view(&in)));
        assert_int_equal(packet, used);
        assert_int_equal(i == 0, r.is_old_form);
        get32(a.b, key_a);
        get32(e.b, ephemeral_a);
        assert_int_equal(OK, ec_public(want, &a));
        assert_memory_equal(want, r.remote_pub, 64);
        assert_int_equal(OK, ec_public(want, &e));
        assert_memory_equal(want, r.remote_ephemeral, 64);
        get32(want, nonce_a);
        assert_memory_equal(want, r.remote_nonce, 32);
        buf_fini(&in);
        rlpx_fini(&r);
    }
}

static void the_published_ack_packets_are_read(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct rlpx r;
        struct buf in, out;
        uint8_t want[32];
        size_t used = 0;
        init_a(&r);
        buf_init(&out, 4096);
        assert_int_equal(OK, rlpx_put_auth(&r, &out));
        get_hex(&in, ack[i]);
        for (size_t cut = 0; cut < in.len; cut += cut < in.len - 3 ? 7 : 1)
            assert_int_equal(E_AGAIN, rlpx_get_ack(&r, &used, bytes_make(in.ptr, cut)));
        assert_int_equal(OK, rlpx_get_ack(&r, &used, buf_view(&in)));
        assert_int_equal(in.len, used);
        get32(want, nonce_b);
        assert_memory_equal(want, r.remote_nonce, 32);
        buf_fini(&in);
        buf_fini(&out);
        rlpx_fini(&r);
    }
}

/* B reads Auth2, and its Ack2 is the published one: the secrets are those of the EIP. */
static void the_published_secrets_are_derived(void **state)
{
    (void)state;
    struct rlpx a;
    struct buf in, packet;
    uint8_t want[32], got[32];
    size_t used;
    init_a(&a);
    get_hex(&packet, auth[1]);
    buf_put_bytes(&a.auth, buf_view(&packet)); /* as if A had sent the published one */
    get_hex(&in, ack[1]);
    assert_int_equal(OK, rlpx_get_ack(&a, &used, buf_view(&in)));
    get32(want, "80e8632c05fed6fc2a13b0f8d31a3cf645366239170ea067065aba8e28bac487");
    assert_memory_equal(want, a.aes_secret.b, 32);
    get32(want, "2ea74ec5dae199227dff1af715362700e989d889d7a493cb0639691efb8e5f98");
    assert_memory_equal(want, a.mac_secret.b, 32);
    /* what B takes in is what A gives out */
    keccak_update(&a.egress, "foo", 3);
    keccak_peek(&a.egress, got);
    get32(want, "0c7ec6340062cc46f5e9f1e3cf86f8c8c403c5a0964f5df0ebd34a75ddc86db5");
    assert_memory_equal(want, got, 32);
    buf_fini(&in);
    buf_fini(&packet);
    rlpx_fini(&a);
}

static void connect_pair(struct rlpx *a, struct rlpx *b)
{
    secret32 ka, kb;
    uint8_t pub_b[64];
    struct buf wire;
    size_t used;
    ec_secret_generate(&ka);
    ec_secret_generate(&kb);
    assert_int_equal(OK, ec_public(pub_b, &kb));
    rlpx_init(a, &ka, pub_b);
    rlpx_init(b, &kb, NULL);
    buf_init(&wire, 8192);
    assert_int_equal(OK, rlpx_put_auth(a, &wire));
    assert_true(wire.len >= 307);
    assert_int_equal(OK, rlpx_get_auth(b, &used, buf_view(&wire)));
    assert_int_equal(wire.len, used);
    buf_clear(&wire);
    assert_int_equal(OK, rlpx_put_ack(b, &wire));
    assert_int_equal(OK, rlpx_get_ack(a, &used, buf_view(&wire)));
    assert_int_equal(wire.len, used);
    buf_fini(&wire);
}

static void frames_of_every_small_length_pass_both_ways(void **state)
{
    (void)state;
    struct rlpx a, b;
    connect_pair(&a, &b);
    for (size_t n = 0; n < 100; n++) {
        uint8_t msg[100];
        struct buf wire;
        bytes got;
        size_t used, need;
        struct rlpx *from = n % 2 == 0 ? &a : &b, *to = n % 2 == 0 ? &b : &a;
        rng_fill(msg, sizeof msg);
        buf_init(&wire, 4096);
        assert_int_equal(OK, rlpx_put_frame(from, &wire, bytes_make(msg, n)));
        buf_put(&wire, "next", 4);
        assert_int_equal(E_AGAIN, rlpx_get_frame(to, &got, &used, &need, wire.ptr, 31, 1000));
        assert_int_equal(0, used);
        assert_int_equal(32, need);
        assert_int_equal(E_AGAIN, rlpx_get_frame(to, &got, &used, &need, wire.ptr, 40, 1000));
        assert_int_equal(32, used);
        assert_int_equal((n + 15) / 16 * 16 + 16, need);
        assert_int_equal(OK, rlpx_get_frame(to, &got, &used, &need, wire.ptr + 32, wire.len - 32, 1000));
        assert_int_equal(wire.len - 32 - 4, used);
        assert_int_equal(n, got.len);
        assert_memory_equal(msg, got.ptr, n);
        buf_fini(&wire);
    }
    rlpx_fini(&a);
    rlpx_fini(&b);
}

static void any_flipped_bit_of_a_frame_is_noticed(void **state)
{
    (void)state;
    for (size_t bit = 0; bit < (32 + 32 + 16) * 8; bit += 5) {
        struct rlpx a, b;
        struct buf wire;
        bytes got;
        size_t used, need;
        connect_pair(&a, &b);
        buf_init(&wire, 4096);
        assert_int_equal(OK, rlpx_put_frame(&a, &wire, BYTES_LIT("a message of more than 16 bytes")));
        assert_int_equal(80, wire.len);
        wire.ptr[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(E_CRYPTO, rlpx_get_frame(&b, &got, &used, &need, wire.ptr, wire.len, 1000));
        buf_fini(&wire);
        rlpx_fini(&a);
        rlpx_fini(&b);
    }
}

static void a_frame_over_the_limit_is_refused_at_its_header(void **state)
{
    (void)state;
    struct rlpx a, b;
    struct buf wire;
    bytes got;
    uint8_t msg[101] = {0};
    size_t used, need;
    connect_pair(&a, &b);
    buf_init(&wire, 4096);
    assert_int_equal(OK, rlpx_put_frame(&a, &wire, bytes_make(msg, 101)));
    assert_int_equal(E_LIMIT, rlpx_get_frame(&b, &got, &used, &need, wire.ptr, 32, 100));
    buf_fini(&wire);
    rlpx_fini(&a);
    rlpx_fini(&b);
}

static void broken_handshakes_are_refused(void **state)
{
    (void)state;
    struct buf in;
    get_hex(&in, auth[1]);
    for (size_t at = 0; at < in.len; at += 11) {
        struct rlpx r;
        size_t used = 0;
        init_b(&r);
        in.ptr[at] ^= 0x40;
        const enum status s = rlpx_get_auth(&r, &used, buf_view(&in));
        assert_true(s == E_CRYPTO || s == E_LIMIT || s == E_DECODE);
        assert_int_equal(0, used);
        in.ptr[at] ^= 0x40;
        rlpx_fini(&r);
    }
    buf_fini(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_auth_packets_are_read),
        cmocka_unit_test(the_published_ack_packets_are_read),
        cmocka_unit_test(the_published_secrets_are_derived),
        cmocka_unit_test(frames_of_every_small_length_pass_both_ways),
        cmocka_unit_test(any_flipped_bit_of_a_frame_is_noticed),
        cmocka_unit_test(a_frame_over_the_limit_is_refused_at_its_header),
        cmocka_unit_test(broken_handshakes_are_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
