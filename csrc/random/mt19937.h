/* mt19937.h - torch's CPU generator, bit for bit (torch 2.13, x86-64).

   One structure, no globals; the caller owns and locks it. */
#ifndef CM_MT19937_H
#define CM_MT19937_H

#include <stddef.h>
#include <stdint.h>

enum { CM_MT19937_WORDS = 624 };

struct cm_mt19937 {
    uint64_t seed; /* as given to cm_mt19937_seed; only its low 32 bits count */
    uint32_t state[CM_MT19937_WORDS];
    int next; /* words of `state` already drawn, as torch counts them;
                 0 (just seeded) or all of them: generate first */
};

void cm_mt19937_seed(struct cm_mt19937 *g, uint64_t seed);
uint32_t cm_mt19937_random(struct cm_mt19937 *g);
/* two draws, the first is the high word */
uint64_t cm_mt19937_random64(struct cm_mt19937 *g);

/* out[i] = fmaf(x, to - from, from), x uniform in [0, 1) on 24 (53) bits, in memory
 * order */
void cm_uniform_f32(struct cm_mt19937 *g, float *out, ptrdiff_t n, double from,
                    double to);
void cm_uniform_f64(struct cm_mt19937 *g, double *out, ptrdiff_t n, double from,
                    double to);
/* torch.randperm(n) */
void cm_randperm(struct cm_mt19937 *g, int64_t *out, ptrdiff_t n);
/* torch.randint(low, last + 1, (n,)), low <= last */
void cm_randint(struct cm_mt19937 *g, int64_t *out, ptrdiff_t n, int64_t low,
                int64_t last);
/* tensor.random_() of an int64: in [0, 2^63) */
int64_t cm_random_int63(struct cm_mt19937 *g);

#endif
