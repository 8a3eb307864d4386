/* kernels_avx512.c - the path for x86-64 with AVX-512; compiles to nothing elsewhere. */

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "paths.h"

#ifdef CM_X86

#include <immintrin.h>

#ifdef __clang__
#pragma clang attribute push(                                                          \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma"))),            \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
#endif

#include "simd_avx512.h"

#define CM_REAL_BITS 32
#include "real.h"
#include "kernels.inc"
#undef CM_REAL_BITS
#define CM_REAL_BITS 64
#include "real.h"
#include "kernels.inc"
#undef CM_REAL_BITS

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

const struct cm_isa cm_isa_avx512 = {"avx512", &kernels_f32, &kernels_f64};

#endif
