/* test_exp_log.c - the error of exp and log in ULP, on every path.

   usage: test_exp_log [step [path [digest]]]
   float32: every step-th bit pattern (default 1: all 2^32) on all paths or the one named,
   against double; float64: random arguments against long double, fewer with larger steps.
   At most 1 ULP, and the largest error found is printed. Infinities, nan, zeros and
   denormals are among the patterns. All paths of vectors give the same bits, so each prints
   a digest of its results: an emulator, too slow for the references, computes that alone
   (the word digest), and what a native run found of every float holds where it is equal. */

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../csrc/kernels/kernels.h"
#include "harness.h"

extern const struct cm_isa cm_isa_wide;

enum { CHUNK = 4096, THREADS = 2 };

struct function {
    const char *name;
    double (*reference)(double); /* NULL: the digest alone */
    long double (*long_reference)(long double);
    void (*f32)(float *, const float *, ptrdiff_t);
    void (*f64)(double *, const double *, ptrdiff_t);
    void (*twin)(float *, const float *, ptrdiff_t); /* with f32's bits, or NULL */
};

/* |got - wanted| in units of the last place of wanted, as a number of `digits` binary
   digits with exponents from `lowest`; 0 where both are nan or the same infinity. */
static double ulps(double got, long double wanted, int digits, int lowest,
                   double largest)
{
    if (isnan(wanted) || isnan(got))
        return isnan(wanted) && isnan(got) ? 0 : INFINITY;
    if (isinf(wanted) || isinf(got))
        return (isinf(got) && isinf(wanted) && (got > 0) == (wanted > 0)) ||
                       (isinf(got) && fabsl(wanted) > largest)
                   ? 0
                   : INFINITY;
    int exponent = lowest;
    if (wanted != 0)
        (void)frexpl(wanted, &exponent);
    if (exponent < lowest)
        exponent = lowest;
    return (double)(fabsl(got - wanted) / ldexpl(1, exponent - digits));
}

struct span {
    const struct function *function;
    uint64_t begin, end, step;
    double worst;
    float where;
    int64_t unlike; /* the twin */
    uint64_t digest;
};

/* The sum of the results' bits, each times an odd number of its own. It does not depend on
   the order of the chunks, which `first` tells apart; one nan is as good as another. */
static uint64_t digest_of(const float *y, int n, uint64_t first)
{
    uint64_t sum = 0;
    for (int k = 0; k < n; k++) {
        uint32_t bits;
        memcpy(&bits, &y[k], sizeof bits);
        bits = (bits & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : bits;
        sum += (uint64_t)bits * (2 * (uint32_t)k + 1);
    }
    return sum * (2 * first + 1);
}

static int same_bits(float a, float b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

static void *check_span(void *argument)
{
    struct span *const s = argument;
    static _Thread_local float x[CHUNK], y[CHUNK], z[CHUNK];
    for (uint64_t i = s->begin; i < s->end; i += CHUNK * s->step) {
        int n = 0;
        for (uint64_t pattern = i; pattern < s->end && n < CHUNK;
             pattern += s->step, n++) {
            const uint32_t bits = (uint32_t)pattern;
            memcpy(&x[n], &bits, sizeof bits);
        }
        s->function->f32(y, x, n);
        s->digest += digest_of(y, n, i);
        if (!s->function->reference)
            continue;
        if (s->function->twin)
            s->function->twin(z, x, n);
        for (int k = 0; k < n && s->function->twin; k++)
            s->unlike += !same_bits(y[k], z[k]);
        for (int k = 0; k < n; k++) {
            const double wanted = s->function->reference((double)x[k]);
            /* quick way: exactly the rounded value is at most half a unit off */
            if ((float)wanted == y[k] && s->worst > 0.5)
                continue;
            const double error = ulps((double)y[k], wanted, 24, -125, FLT_MAX);
            if (!(error <= s->worst))
                s->worst = error, s->where = x[k];
        }
    }
    return NULL;
}

static void check_f32(const char *path, const struct function *function, uint64_t step)
{
    context("%s %s float32", path, function->name);
    struct span span[THREADS];
    pthread_t thread[THREADS];
    const uint64_t all = (uint64_t)1 << 32, share = all / THREADS;
    for (uint64_t t = 0; t < THREADS; t++) {
        span[t] = (struct span){function, t * share, (t + 1) * share, step, 0, 0, 0, 0};
        if (pthread_create(&thread[t], NULL, check_span, &span[t]) != 0)
            abort();
    }
    uint64_t digest = 0;
    for (int t = 0; t < THREADS; t++) {
        pthread_join(thread[t], NULL);
        digest += span[t].digest;
        if (!function->reference)
            continue;
        printf("%s %s float32: %.4f ULP at %a\n", path, function->name, span[t].worst,
               (double)span[t].where);
        expect(span[t].worst <= 1, "%.4f ULP at %a", span[t].worst,
               (double)span[t].where);
        expect(span[t].unlike == 0, "%lld results differ from the wide path's",
               (long long)span[t].unlike);
    }
    printf("%s %s float32: digest %016llx\n", path, function->name,
           (unsigned long long)digest);
}

/* Random bit patterns, and arguments spread over where the function is neither 0, 1 nor
   infinite. */
static void check_f64(const char *path, const struct function *function, int is_log,
                      int64_t count)
{
    context("%s %s float64", path, function->name);
    static double x[CHUNK], y[CHUNK];
    double worst = 0, where = 0;
    for (int64_t done = 0; done < count; done += CHUNK) {
        for (int k = 0; k < CHUNK; k++) {
            const uint64_t high = (uint64_t)below((int64_t)1 << 32);
            const uint64_t bits = high << 32 | (uint64_t)below((int64_t)1 << 32);
            if (k % 4 == 0)
                memcpy(&x[k], &bits, sizeof bits);
            else if (k % 4 == 1)
                x[k] = is_log ? uniform(0.5, 2) : uniform(-1, 1);
            else
                x[k] = is_log ? exp2(uniform(-1074, 1024)) : uniform(-750, 712);
        }
        static const double special[] = {0.0, -0.0, INFINITY, -INFINITY,
                                         NAN, 1,    0x1p-1074};
        memcpy(x, special, sizeof special);
        function->f64(y, x, CHUNK);
        for (int k = 0; k < CHUNK; k++) {
            const double error =
                ulps(y[k], function->long_reference(x[k]), 53, -1021, DBL_MAX);
            if (!(error <= worst))
                worst = error, where = x[k];
        }
    }
    printf("%s %s float64: %.4f ULP at %a\n", path, function->name, worst, where);
    expect(worst <= 1, "%.4f ULP at %a", worst, where);
}

static void check_path(const struct cm_isa *isa, uint64_t step, int digest_only)
{
    const int vectors = strcmp(isa->name, "scalar") != 0 && isa != &cm_isa_wide;
    const struct cm_kernels_f32 *const wide = vectors ? cm_isa_wide.f32 : NULL;
    struct function functions[] = {
        {"exp", exp, expl, isa->f32->exp, isa->f64->exp, wide ? wide->exp : NULL},
        {"log", log, exact_logl, isa->f32->log, isa->f64->log, wide ? wide->log : NULL},
    };
    for (int f = 0; f < 2; f++) {
        if (digest_only)
            functions[f].reference = NULL;
        check_f32(isa->name, &functions[f], step);
        if (digest_only)
            continue;
        check_f64(isa->name, &functions[f], f,
                  step < 20     ? 20000000
                  : step < 1000 ? 1000000
                                : 100000);
    }
}

int main(int argc, char **argv)
{
    const uint64_t step = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    if (step == 0) {
        fprintf(stderr, "usage: test_exp_log [step > 0 [path [digest]]]\n");
        return 2;
    }
    if (argc > 2) {
        const struct cm_isa *const only = cm_isa_find(argv[2]);
        expect(only != NULL, "this machine runs the path %s", argv[2]);
        if (only)
            check_path(only, step, argc > 3 && strcmp(argv[3], "digest") == 0);
        return report();
    }
    for (int i = 0; cm_isa_at(i); i++)
        check_path(cm_isa_at(i), step, 0);
    check_path(&cm_isa_wide, step, 0);
    return report();
}
