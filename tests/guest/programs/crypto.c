/*
 * AES, PMULL, SHA-1, SHA-256 and CRC32 instructions against published vectors and against plain C
 * that follows the standards' own words. Deterministic: the output is the same on every CPU.
 */
#include "check.h"

#include <arm_acle.h>
#include <arm_neon.h>

/* --- AES (FIPS 197) --- */

/* Multiply in GF(2^8). */
static uint8_t gmul(uint8_t a, uint8_t b)
{
    uint8_t r = 0;

    for (; b; b >>= 1) {
        if (b & 1)
            r ^= a;
        a = (uint8_t)(a << 1 ^ (a & 0x80 ? 0x1b : 0));
    }
    return r;
}

/* FIPS 197, 5.1.1: the inverse, then the affine map. */
static void make_sbox(uint8_t sbox[256], uint8_t inverse[256])
{
    for (unsigned x = 0; x < 256; x++) {
        uint8_t inv = 0, s;
        for (unsigned y = 1; y < 256 && !inv; y++)
            inv = gmul((uint8_t)x, (uint8_t)y) == 1 ? (uint8_t)y : 0;
        s = inv;
        for (unsigned i = 1; i < 5; i++)
            s ^= (uint8_t)(inv << i | inv >> (8 - i));
        sbox[x] = s ^ 0x63;
        inverse[sbox[x]] = (uint8_t)x;
    }
}

static uint8_t sbox[256], inverse_sbox[256];

static void aese_plain(uint8_t s[16], const uint8_t key[16], bool decrypt)
{
    uint8_t t[16];

    for (unsigned i = 0; i < 16; i++)
        t[i] = s[i] ^ key[i];
    for (unsigned c = 0; c < 4; c++) {
        for (unsigned r = 0; r < 4; r++) { /* row r moves by r columns, to the other side back */
            unsigned from = decrypt ? (c + 4 - r) % 4 : (c + r) % 4;
            s[4 * c + r] = (decrypt ? inverse_sbox : sbox)[t[4 * from + r]];
        }
    }
}

static void aesmc_plain(uint8_t s[16], bool decrypt)
{
    static const uint8_t row[2][4] = { { 2, 3, 1, 1 }, { 14, 11, 13, 9 } };

    for (unsigned c = 0; c < 4; c++) {
        uint8_t t[4] = { 0 };
        for (unsigned r = 0; r < 4; r++) {
            for (unsigned i = 0; i < 4; i++)
                t[r] ^= gmul(s[4 * c + i], row[decrypt][(i + 4 - r) % 4]);
        }
        memcpy(s + 4 * c, t, 4);
    }
}

static void expand_key(const uint8_t key[16], uint8_t round_keys[176])
{
    uint8_t rcon = 1;

    memcpy(round_keys, key, 16);
    for (unsigned i = 16; i < 176; i += 4) {
        uint8_t t[4];
        memcpy(t, round_keys + i - 4, 4);
        if (i % 16 == 0) {
            uint8_t first = t[0];
            t[0] = sbox[t[1]] ^ rcon;
            t[1] = sbox[t[2]];
            t[2] = sbox[t[3]];
            t[3] = sbox[first];
            rcon = gmul(rcon, 2);
        }
        for (unsigned j = 0; j < 4; j++)
            round_keys[i + j] = round_keys[i + j - 16] ^ t[j];
    }
}

static void aes128(const uint8_t key[16], const uint8_t in[16], uint8_t out[16])
{
    uint8_t k[176];
    uint8x16_t s = vld1q_u8(in);

    expand_key(key, k);
    for (unsigned i = 0; i < 9; i++)
        s = vaesmcq_u8(vaeseq_u8(s, vld1q_u8(k + 16 * i)));
    s = veorq_u8(vaeseq_u8(s, vld1q_u8(k + 144)), vld1q_u8(k + 160));
    vst1q_u8(out, s);
}

static void aes128_back(const uint8_t key[16], const uint8_t in[16], uint8_t out[16])
{
    uint8_t k[176];
    uint8x16_t s = vld1q_u8(in);

    expand_key(key, k);
    s = vaesdq_u8(s, vld1q_u8(k + 160));
    for (unsigned i = 9; i > 0; i--)
        s = vaesdq_u8(vaesimcq_u8(s), vaesimcq_u8(vld1q_u8(k + 16 * i)));
    s = veorq_u8(s, vld1q_u8(k));
    vst1q_u8(out, s);
}

static void check_aes(uint64_t rounds)
{
    static const struct {
        uint8_t key[16], plain[16], cipher[16];
    } rows[] = {
        /* FIPS 197, appendix B and C.1. */
        { { 0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf,
            0x4f, 0x3c },
          { 0x32, 0x43, 0xf6, 0xa8, 0x88, 0x5a, 0x30, 0x8d, 0x31, 0x31, 0x98, 0xa2, 0xe0, 0x37,
            0x07, 0x34 },
          { 0x39, 0x25, 0x84, 0x1d, 0x02, 0xdc, 0x09, 0xfb, 0xdc, 0x11, 0x85, 0x97, 0x19, 0x6a,
            0x0b, 0x32 } },
        { { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
          { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
            0xee, 0xff },
          { 0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4,
            0xc5, 0x5a } },
    };
    uint8_t out[16], key[16], want[16];
    uint64_t seed = 1;

    make_sbox(sbox, inverse_sbox);
    check_begin("AES of FIPS 197");
    for (size_t i = 0; i < COUNT(rows); i++) {
        aes128(rows[i].key, rows[i].plain, out);
        expect_bytes(out, rows[i].cipher, 16, "encrypted", i);
        aes128_back(rows[i].key, rows[i].cipher, out);
        expect_bytes(out, rows[i].plain, 16, "decrypted", i);
    }
    check_end();
    check_begin("AESE, AESD, AESMC, AESIMC");
    for (uint64_t n = 0; n < rounds; n++) {
        uint8_t start[16];
        for (unsigned i = 0; i < 16; i += 8) {
            uint64_t r[2] = { next_random(&seed), next_random(&seed) };
            memcpy(start + i, &r[0], 8);
            memcpy(key + i, &r[1], 8);
        }
        for (unsigned d = 0; d < 2; d++) {
            uint8x16_t s = vld1q_u8(start), k = vld1q_u8(key);
            vst1q_u8(out, d ? vaesdq_u8(s, k) : vaeseq_u8(s, k));
            memcpy(want, start, 16);
            aese_plain(want, key, d);
            expect_bytes(out, want, 16, d ? "aesd" : "aese", n);
            vst1q_u8(out, d ? vaesimcq_u8(s) : vaesmcq_u8(s));
            memcpy(want, start, 16);
            aesmc_plain(want, d);
            expect_bytes(out, want, 16, d ? "aesimc" : "aesmc", n);
        }
    }
    check_end();
}

/* --- SHA (FIPS 180-4) --- */

static uint32_t rol(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static void sha1_plain(uint32_t h[5], const uint32_t m[16])
{
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

    for (unsigned t = 0; t < 80; t++) {
        uint32_t f = t < 20   ? (b & c) ^ (~b & d)
                     : t < 40 ? b ^ c ^ d
                     : t < 60 ? (b & c) ^ (b & d) ^ (c & d)
                              : b ^ c ^ d;
        static const uint32_t k[] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
        w[t] = t < 16 ? m[t] : rol(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
        uint32_t temp = rol(a, 5) + f + e + k[t / 20] + w[t];
        e = d, d = c, c = rol(b, 30), b = a, a = temp;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

static void sha1_block(uint32_t h[5], const uint32_t m[16])
{
    static const uint32_t k[] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };
    uint32x4_t w[4], abcd = vld1q_u32(h), start = abcd;
    uint32_t e = h[4];

    for (unsigned i = 0; i < 4; i++)
        w[i] = vld1q_u32(m + 4 * i);
    for (unsigned t = 0; t < 20; t++) {
        uint32x4_t wk = vaddq_u32(w[t % 4], vdupq_n_u32(k[t / 5]));
        uint32_t next_e = vsha1h_u32(vgetq_lane_u32(abcd, 0));
        abcd = t < 5        ? vsha1cq_u32(abcd, e, wk)
               : t / 5 == 2 ? vsha1mq_u32(abcd, e, wk)
                            : vsha1pq_u32(abcd, e, wk);
        e = next_e;
        w[t % 4] =
            vsha1su1q_u32(vsha1su0q_u32(w[t % 4], w[(t + 1) % 4], w[(t + 2) % 4]), w[(t + 3) % 4]);
    }
    vst1q_u32(h, vaddq_u32(abcd, start));
    h[4] += e;
}

/* FIPS 180-4, 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first
 * primes. */
static uint32_t sha256_k[64];

static void make_sha256_k(void)
{
    unsigned n = 0;

    for (unsigned p = 2; n < 64; p++) {
        bool prime = true;
        unsigned __int128 root = 0; /* the cube root of p, in units of 2^-32, bit by bit */
        for (unsigned d = 2; d * d <= p; d++)
            prime = prime && p % d;
        for (int i = 34; prime && i >= 0; i--) {
            unsigned __int128 r = root | (unsigned __int128)1 << i;
            if (r * r * r <= (unsigned __int128)p << 96)
                root = r;
        }
        if (prime)
            sha256_k[n++] = (uint32_t)root;
    }
}

static void sha256_plain(uint32_t h[8], const uint32_t m[16])
{
    uint32_t w[64], v[8];

    memcpy(v, h, sizeof(v));
    for (unsigned t = 0; t < 64; t++) {
        if (t < 16) {
            w[t] = m[t];
        } else {
            uint32_t x = w[t - 2], y = w[t - 15];
            w[t] = (rol(x, 15) ^ rol(x, 13) ^ x >> 10) + w[t - 7] +
                   (rol(y, 25) ^ rol(y, 14) ^ y >> 3) + w[t - 16];
        }
        uint32_t s1 = rol(v[4], 26) ^ rol(v[4], 21) ^ rol(v[4], 7);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha256_k[t] + w[t];
        uint32_t t2 = (rol(v[0], 30) ^ rol(v[0], 19) ^ rol(v[0], 10)) +
                      ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (unsigned i = 0; i < 8; i++)
        h[i] += v[i];
}

static void sha256_block(uint32_t h[8], const uint32_t m[16])
{
    uint32x4_t w[4], a = vld1q_u32(h), e = vld1q_u32(h + 4), a0 = a, e0 = e;

    for (unsigned i = 0; i < 4; i++)
        w[i] = vld1q_u32(m + 4 * i);
    for (unsigned t = 0; t < 16; t++) {
        uint32x4_t wk = vaddq_u32(w[t % 4], vld1q_u32(sha256_k + 4 * t)), old = a;
        a = vsha256hq_u32(a, e, wk);
        e = vsha256h2q_u32(e, old, wk);
        w[t % 4] = vsha256su1q_u32(vsha256su0q_u32(w[t % 4], w[(t + 1) % 4]), w[(t + 2) % 4],
                                   w[(t + 3) % 4]);
    }
    vst1q_u32(h, vaddq_u32(a, a0));
    vst1q_u32(h + 4, vaddq_u32(e, e0));
}

static const uint32_t sha1_start[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                                        0xc3d2e1f0 };
static const uint32_t sha256_start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

static void check_sha(uint64_t rounds)
{
    /* "abc" as one padded block, and its digests in FIPS 180's examples. */
    static const uint32_t abc[16] = { 0x61626380, [15] = 24 };
    static const uint32_t abc1[5] = { 0xa9993e36, 0x4706816a, 0xba3e2571, 0x7850c26c, 0x9cd0d89d };
    static const uint32_t abc256[8] = { 0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223,
                                        0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad };
    uint32_t h[8], plain[8];
    uint64_t seed = 2;

    make_sha256_k();
    check_begin("SHA-1 and SHA-256 of \"abc\"");
    memcpy(h, sha1_start, sizeof(sha1_start));
    sha1_block(h, abc);
    expect_bytes(h, abc1, sizeof(abc1), "sha1", 0);
    memcpy(h, sha256_start, sizeof(h));
    sha256_block(h, abc);
    expect_bytes(h, abc256, sizeof(abc256), "sha256", 0);
    check_end();
    check_begin("SHA-1 and SHA-256 of random blocks");
    for (uint64_t n = 0; n < rounds; n++) {
        uint32_t m[16];
        for (unsigned i = 0; i < 16; i++)
            m[i] = (uint32_t)next_random(&seed);
        for (unsigned i = 0; i < 8; i++)
            h[i] = plain[i] = (uint32_t)next_random(&seed);
        sha1_block(h, m);
        sha1_plain(plain, m);
        expect_bytes(h, plain, 20, "sha1", n);
        sha256_block(h, m);
        sha256_plain(plain, m);
        expect_bytes(h, plain, 32, "sha256", n);
    }
    check_end();
}

/* --- CRC32 and carry-less products --- */

static uint32_t crc_plain(uint32_t crc, uint64_t data, unsigned bits, uint32_t poly)
{
    for (unsigned i = 0; i < bits; i++, data >>= 1)
        crc = crc >> 1 ^ ((crc ^ data) & 1 ? poly : 0);
    return crc;
}

static void check_crc(uint64_t rounds)
{
    static const char digits[] = "123456789";
    uint32_t crc = ~0u, crcc = ~0u;
    uint64_t seed = 3;

    check_begin("CRC32 and CRC32C");
    for (unsigned i = 0; i < 9; i++) {
        crc = __crc32b(crc, (uint8_t)digits[i]);
        crcc = __crc32cb(crcc, (uint8_t)digits[i]);
    }
    expect_u64((uint32_t)~crc, 0xcbf43926, "crc32 of 123456789", 0);
    expect_u64((uint32_t)~crcc, 0xe3069283, "crc32c of 123456789", 0);
    for (uint64_t n = 0; n < rounds; n++) {
        uint64_t d = next_random(&seed);
        uint32_t c = (uint32_t)next_random(&seed), p = 0xedb88320, q = 0x82f63b78;
        expect_u64(__crc32b(c, (uint8_t)d), crc_plain(c, d, 8, p), "crc32b", n);
        expect_u64(__crc32h(c, (uint16_t)d), crc_plain(c, d, 16, p), "crc32h", n);
        expect_u64(__crc32w(c, (uint32_t)d), crc_plain(c, d, 32, p), "crc32w", n);
        expect_u64(__crc32d(c, d), crc_plain(c, d, 64, p), "crc32x", n);
        expect_u64(__crc32ch(c, (uint16_t)d), crc_plain(c, d, 16, q), "crc32ch", n);
        expect_u64(__crc32cw(c, (uint32_t)d), crc_plain(c, d, 32, q), "crc32cw", n);
        expect_u64(__crc32cd(c, d), crc_plain(c, d, 64, q), "crc32cx", n);
    }
    check_end();
}

static void check_pmull(uint64_t rounds)
{
    uint64_t seed = 4;

    check_begin("PMULL and PMUL");
    for (uint64_t n = 0; n < rounds; n++) {
        uint64_t a = next_random(&seed), b = next_random(&seed);
        unsigned __int128 want = 0, seen = vmull_p64(a, b);
        uint64_t low = 0, bytes;

        for (unsigned i = 0; i < 64; i++)
            want ^= b >> i & 1 ? (unsigned __int128)a << i : 0;
        expect_bytes(&seen, &want, 16, "pmull 64", n);
        seen = vmull_high_p64(vreinterpretq_p64_u64((uint64x2_t){ b, a }),
                              vreinterpretq_p64_u64((uint64x2_t){ a, b }));
        expect_bytes(&seen, &want, 16, "pmull2 64", n);
        for (unsigned lane = 0; lane < 64; lane += 8) {
            uint8_t x = (uint8_t)(a >> lane), y = (uint8_t)(b >> lane), p = 0;
            for (unsigned i = 0; i < 8; i++)
                p ^= (uint8_t)(y >> i & 1 ? x << i : 0);
            low |= (uint64_t)p << lane;
        }
        bytes = vget_lane_u64(vreinterpret_u64_p8(vmul_p8(vcreate_p8(a), vcreate_p8(b))), 0);
        expect_u64(bytes, low, "pmul", n);
    }
    check_end();
}

int main(int argc, char **argv)
{
    uint64_t scale = scale_of(argc, argv);

    check_aes(2000 * scale);
    check_sha(2000 * scale);
    check_crc(5000 * scale);
    check_pmull(5000 * scale);
    return check_exit();
}
