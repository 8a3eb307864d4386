/* real.h - one source, two types.

   A source that serves float and double is included twice, each time after
       #define CM_REAL_BITS 32      (then 64)
       #include "real.h"
   and writes `real` for the type, `real_bits` for the unsigned integer as wide, and
   R(name) for a name that carries the type: R(cm_gemm) is cm_gemm_f32, then cm_gemm_f64.
   No include guard: every inclusion starts anew. */

#undef real
#undef real_bits
#undef R
#if CM_REAL_BITS == 32
#define real float
#define real_bits uint32_t
#define R(name) name##_f32
#elif CM_REAL_BITS == 64
#define real double
#define real_bits uint64_t
#define R(name) name##_f64
#else
#error "define CM_REAL_BITS as 32 or 64 before including real.h"
#endif
