/* paths.h - the paths of this build, each defined in its kernels_<name>.c. */
#ifndef CM_PATHS_H
#define CM_PATHS_H

#include "kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define CM_X86 1
#elif defined(__aarch64__) && defined(__GNUC__)
#define CM_ARM64 1
#endif

extern const struct cm_isa cm_isa_scalar;
#ifdef CM_X86
extern const struct cm_isa cm_isa_avx2, cm_isa_avx512;
#endif
#ifdef CM_ARM64
extern const struct cm_isa cm_isa_neon;
#endif

#endif
