/* mt19937.c - the Mersenne Twister of Matsumoto and Nishimura (1998), and what torch
   draws from it. */
#include "mt19937.h"

#include <math.h>

enum { N = CM_MT19937_WORDS, M = 397 };

void cm_mt19937_seed(struct cm_mt19937 *g, uint64_t seed)
{
    g->seed = seed;
    g->state[0] = (uint32_t)seed;
    for (uint32_t j = 1; j < N; j++) {
        uint32_t last = g->state[j - 1];
        g->state[j] = 1812433253u * (last ^ (last >> 30)) + j;
    }
    g->next = 0;
}

static uint32_t twist(uint32_t high, uint32_t low)
{
    uint32_t mixed = (high & 0x80000000u) | (low & 0x7fffffffu);
    return (mixed >> 1) ^ (low & 1u ? 0x9908b0dfu : 0u);
}

/* the next N words of the recurrence, in place */
static void generate(uint32_t *restrict s)
{
    for (int j = 0; j < N - M; j++)
        s[j] = s[j + M] ^ twist(s[j], s[j + 1]);
    for (int j = N - M; j < N - 1; j++)
        s[j] = s[j + M - N] ^ twist(s[j], s[j + 1]);
    s[N - 1] = s[M - 1] ^ twist(s[N - 1], s[0]);
}

uint32_t cm_mt19937_random(struct cm_mt19937 *g)
{
    if (g->next == 0 || g->next == N) {
        generate(g->state);
        g->next = 0;
    }
    uint32_t y = g->state[g->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

uint64_t cm_mt19937_random64(struct cm_mt19937 *g)
{
    uint64_t high = cm_mt19937_random(g);
    return high << 32 | cm_mt19937_random(g);
}

void cm_uniform_f32(struct cm_mt19937 *g, float *out, ptrdiff_t n, double from,
                    double to)
{
    float low = (float)from, width = (float)to - low;
    for (ptrdiff_t i = 0; i < n; i++) {
        float x = (float)(cm_mt19937_random(g) & 0xffffffu) * 0x1p-24f;
        out[i] = fmaf(x, width, low);
    }
}

void cm_uniform_f64(struct cm_mt19937 *g, double *out, ptrdiff_t n, double from,
                    double to)
{
    double width = to - from;
    for (ptrdiff_t i = 0; i < n; i++) {
        uint64_t bits = cm_mt19937_random64(g) & ((UINT64_C(1) << 53) - 1);
        out[i] = fma((double)bits * 0x1p-53, width, from);
    }
}

void cm_randperm(struct cm_mt19937 *g, int64_t *out, ptrdiff_t n)
{
    /* 32 bits give every order nearly the same chance only for short permutations */
    if (n < (ptrdiff_t)(UINT32_MAX / 20)) {
        for (ptrdiff_t i = 0; i < n; i++)
            out[i] = i;
        for (ptrdiff_t i = 0; i < n - 1; i++) {
            ptrdiff_t j = i + (ptrdiff_t)(cm_mt19937_random(g) % (uint32_t)(n - i));
            int64_t swapped = out[i];
            out[i] = out[j];
            out[j] = swapped;
        }
        return;
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        ptrdiff_t j = (ptrdiff_t)(cm_mt19937_random64(g) % (uint64_t)(i + 1));
        out[i] = i;
        out[i] = out[j];
        out[j] = i;
    }
}

void cm_randint(struct cm_mt19937 *g, int64_t *out, ptrdiff_t n, int64_t low,
                int64_t last)
{
    /* unsigned: the range may exceed INT64_MAX, and the sum wraps as intended */
    uint64_t range = (uint64_t)last - (uint64_t)low + 1; /* 0: all of int64 */
    int wide = range - 1 >= (UINT64_C(1) << 28) - 1;
    for (ptrdiff_t i = 0; i < n; i++) {
        uint64_t drawn = wide ? cm_mt19937_random64(g) : cm_mt19937_random(g);
        out[i] = (int64_t)((range ? drawn % range : drawn) + (uint64_t)low);
    }
}

int64_t cm_random_int63(struct cm_mt19937 *g)
{
    return (int64_t)(cm_mt19937_random64(g) & INT64_MAX);
}
