/* kernels_wide.c - the kernels over simd_wide.inc, a path that exists only in the tests. */

#include <assert.h>
#include <math.h>
#include <string.h>

#include "../../csrc/kernels/kernels.h"
#include "../../csrc/kernels/simd.h"

typedef double wide_f64 __attribute__((vector_size(64)));

#define CM_REAL_BITS 32
#include "../../csrc/kernels/real.h"
#include "simd_wide.inc"
#undef CM_REAL_BITS
#define CM_REAL_BITS 64
#include "../../csrc/kernels/real.h"
#include "simd_wide.inc"
#undef CM_REAL_BITS

#define CM_REAL_BITS 32
#include "../../csrc/kernels/real.h"
#include "../../csrc/kernels/kernels.inc"
#undef CM_REAL_BITS
#define CM_REAL_BITS 64
#include "../../csrc/kernels/real.h"
#include "../../csrc/kernels/kernels.inc"
#undef CM_REAL_BITS

const struct cm_isa cm_isa_wide = {"wide", &kernels_f32, &kernels_f64};
