/* Floating-point and vector kernels. Products and sums are fused only where the source says so. */
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "vectors.h"

#define BODIES     5
#define BODY_STEPS 16
#define FMA_CHAINS 4
#define FMA_STEPS  256
#define SAXPY_LEN  2048
#define SAD_SIDE   64 /* pixels, a plane is a square */
#define SAD_PAD    16

struct body {
    double at[3], speed[3], mass;
};

static void setup_bodies(void *mem)
{
    struct body *body = mem;

    for (unsigned i = 0; i < BODIES; i++) {
        for (unsigned k = 0; k < 3; k++) {
            body[i].at[k] = 3.0 * i + 0.25 * ((i * 3 + k) % 4);
            body[i].speed[k] = 0.0625 * ((i * 2 + k) % 5) - 0.125;
        }
        body[i].mass = 1.0 / (i + 1);
    }
}

static void advance(struct body *body, double step)
{
    for (unsigned i = 0; i < BODIES; i++) {
        for (unsigned j = i + 1; j < BODIES; j++) {
            double d[3], square = 0.01; /* softened: no two bodies fly apart */
            for (unsigned k = 0; k < 3; k++) {
                d[k] = body[i].at[k] - body[j].at[k];
                square += d[k] * d[k];
            }
            double pull = step / (square * sqrt(square));
            for (unsigned k = 0; k < 3; k++) {
                body[i].speed[k] -= d[k] * body[j].mass * pull;
                body[j].speed[k] += d[k] * body[i].mass * pull;
            }
        }
    }
    for (unsigned i = 0; i < BODIES; i++) {
        for (unsigned k = 0; k < 3; k++)
            body[i].at[k] += step * body[i].speed[k];
    }
}

static uint64_t run_bodies(void *mem, uint64_t iterations)
{
    while (iterations--) {
        for (unsigned i = 0; i < BODY_STEPS; i++)
            advance(mem, 0.001);
    }
    return fold_words(0, mem, BODIES * sizeof(struct body));
}

static void setup_fma(void *mem)
{
    double *x = mem;

    for (unsigned i = 0; i < FMA_CHAINS; i++)
        x[i] = 0.5 + i;
}

static uint64_t run_fma(void *mem, uint64_t iterations)
{
    double *x = mem, a = x[0], b = x[1], c = x[2], d = x[3];

    while (iterations--) {
        for (unsigned i = 0; i < FMA_STEPS; i++) {
            a = fma(a, -0.71, b);
            b = fma(b, 0.53, 1.25);
            c = fma(c, -0.37, d);
            d = fma(d, 0.61, -0.75);
        }
    }
    x[0] = a;
    x[1] = b;
    x[2] = c;
    x[3] = d;
    return fold_words(0, mem, FMA_CHAINS * sizeof(double));
}

static void setup_saxpy(void *mem)
{
    float *x = mem;

    for (unsigned i = 0; i < 2 * SAXPY_LEN; i++)
        x[i] = (float)(i % 97) * 0.37f - 11.0f;
}

static uint64_t run_saxpy(void *mem, uint64_t iterations)
{
    float *x = mem, *y = x + SAXPY_LEN;

    for (uint64_t i = 0; i < iterations; i++) {
        f32x4 a = f32x4_all(i & 1 ? -0.3f : 0.3f);
        for (unsigned at = 0; at < SAXPY_LEN; at += 4)
            f32x4_store(y + at, f32x4_fma(f32x4_load(x + at), a, f32x4_load(y + at)));
    }
    return fold_words(0, mem, 2 * SAXPY_LEN * sizeof(float));
}

#define SAD_STRIDE (SAD_SIDE + SAD_PAD)
#define SAD_PLANE  (SAD_STRIDE * SAD_SIDE)

static void setup_sad(void *mem)
{
    fill_words(mem, 2 * SAD_PLANE, 21);
}

static uint64_t run_sad(void *mem, uint64_t iterations)
{
    const uint8_t *one = mem, *other = one + SAD_PLANE;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < iterations; i++) {
        const uint8_t *moved = other + i % SAD_PAD;
        for (unsigned x = 0; x < SAD_SIDE; x += 16) {
            for (unsigned y = 0; y < SAD_SIDE; y += 16) {
                unsigned at = y * SAD_STRIDE + x;
                sum += sad_16x16(one + at, moved + at, SAD_STRIDE);
            }
        }
    }
    return sum;
}

const struct kernel float_kernels[] = {
    { "nbody", (BODIES * sizeof(struct body) + 63) / 64 * 64, setup_bodies, run_bodies },
    { "fma", 64, setup_fma, run_fma },
    { "saxpy", 2 * SAXPY_LEN * sizeof(float), setup_saxpy, run_saxpy },
    { "sad", 2 * SAD_PLANE, setup_sad, run_sad },
    { 0 },
};
