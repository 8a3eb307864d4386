/* real.h - one source, two types.

   A source that serves float and double is included twice, each time after
       #define CM_REAL_BITS 32      (then 64)
       #include "real.h"
   and writes `real` for the type and R(name) for a name that carries it: R(cm_gemm)
   is cm_gemm_f32, then cm_gemm_f64. No include guard: every inclusion starts anew. */

#undef real
#undef R
#if CM_REAL_BITS == 32
#define real float
#define R(name) name##_f32
#elif CM_REAL_BITS == 64
#define real double
#define R(name) name##_f64
#else
#error "define CM_REAL_BITS as 32 or 64 before including real.h"
#endif
