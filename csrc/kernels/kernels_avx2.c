/* kernels_avx2.c - the path for x86-64 with AVX2 and FMA; compiles to nothing elsewhere. */

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "paths.h"

#ifdef CM_X86

#include <immintrin.h>

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

#include "simd_avx2.h"

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

const struct cm_isa cm_isa_avx2 = {"avx2", &kernels_f32, &kernels_f64};

#endif
