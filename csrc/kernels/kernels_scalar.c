/* kernels_scalar.c - the reference path: plain C, any machine. */

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "paths.h"
#include "simd.h"

/* sums.inc counts in these, whichever type is current. */
typedef double vec_f64;

#define CM_REAL_BITS 32
#include "real.h"
#include "simd_scalar.inc"
#undef CM_REAL_BITS
#define CM_REAL_BITS 64
#include "real.h"
#include "simd_scalar.inc"
#undef CM_REAL_BITS

#define CM_REAL_BITS 32
#include "real.h"
#include "kernels.inc"
#undef CM_REAL_BITS
#define CM_REAL_BITS 64
#include "real.h"
#include "kernels.inc"
#undef CM_REAL_BITS

const struct cm_isa cm_isa_scalar = {"scalar", &kernels_f32, &kernels_f64};
