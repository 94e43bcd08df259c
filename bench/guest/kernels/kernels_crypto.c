/* The cryptographic extensions: AES, SHA-256, CRC32, polynomial multiplication. */
#include <string.h>

#include "kernels.h"
#include "vectors.h"

#define AES_BLOCKS 4
#define AES_ROUNDS 10
#define AES_STEPS  64
#define SHA_BLOCKS 16
#define CRC_WORDS  512
#define CLMUL_LEN  256 /* pairs of 64 bits */

/* FIPS 180-4, 4.2.2 and 5.3.3. */
const uint32_t sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
const uint32_t sha256_initial[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static void setup_aes(void *mem)
{
    fill_words(mem, (AES_BLOCKS + AES_ROUNDS) * 16, 31);
}

static uint64_t run_aes(void *mem, uint64_t iterations)
{
    u8x16 block[AES_BLOCKS], key[AES_ROUNDS];

    memcpy(block, mem, sizeof(block));
    memcpy(key, (uint8_t *)mem + sizeof(block), sizeof(key));
    while (iterations--) {
        for (unsigned step = 0; step < AES_STEPS; step++) {
            for (unsigned round = 0; round < AES_ROUNDS; round++) {
                for (unsigned i = 0; i < AES_BLOCKS; i++)
                    block[i] = aes_round(block[i], key[round]);
            }
        }
    }
    return fold_words(0, block, sizeof(block));
}

static void setup_sha256hw(void *mem)
{
    fill_words(mem, SHA_BLOCKS * 64, 9);
}

static uint64_t run_sha256hw(void *mem, uint64_t iterations)
{
    uint32_t state[8];

    memcpy(state, sha256_initial, sizeof(state));
    while (iterations--) {
        for (unsigned i = 0; i < SHA_BLOCKS; i++)
            sha256_rounds(state, (const uint32_t *)mem + i * 16, sha256_constants);
    }
    return fold_words(0, state, sizeof(state));
}

static void setup_crc(void *mem)
{
    fill_words(mem, CRC_WORDS * 8, 41);
}

static uint64_t run_crc(void *mem, uint64_t iterations)
{
    const uint64_t *word = mem;
    uint32_t crc = ~0U;

    while (iterations--) {
        for (unsigned i = 0; i < CRC_WORDS; i++)
            crc = crc32c(crc, word[i]);
    }
    return crc;
}

static void setup_clmul(void *mem)
{
    fill_words(mem, CLMUL_LEN * 16, 51);
}

static uint64_t run_clmul(void *mem, uint64_t iterations)
{
    const uint64_t *word = mem;
    uint64_t acc[2] = { 1, 2 };

    while (iterations--) {
        for (unsigned i = 0; i < CLMUL_LEN; i++)
            clmul_step(acc, word + 2 * i);
    }
    return fold_words(0, acc, sizeof(acc));
}

const struct kernel crypto_kernels[] = {
    { "aes", (AES_BLOCKS + AES_ROUNDS + 2) * 16, setup_aes, run_aes },
    { "sha256hw", SHA_BLOCKS * 64, setup_sha256hw, run_sha256hw },
    { "crc32", CRC_WORDS * 8, setup_crc, run_crc },
    { "pmull", CLMUL_LEN * 16, setup_clmul, run_clmul },
    { 0 },
};
