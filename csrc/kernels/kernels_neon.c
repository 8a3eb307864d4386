/* kernels_neon.c - the path for arm64, every one of which has NEON; compiles to nothing
   elsewhere. */

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "paths.h"

#ifdef CM_ARM64

#include "simd_neon.h"

#define CM_REAL_BITS 32
#include "real.h"
#include "kernels.inc"
#undef CM_REAL_BITS
#define CM_REAL_BITS 64
#include "real.h"
#include "kernels.inc"
#undef CM_REAL_BITS

const struct cm_isa cm_isa_neon = {"neon", &kernels_f32, &kernels_f64};

#endif
