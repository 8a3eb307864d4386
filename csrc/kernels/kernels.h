/* kernels.h - THE contract of the arithmetic.

   Letters      B batch rows, I in_features, O out_features, C classes; M, N, K of a product.
   Shapes       row-major and contiguous unless a stride is an argument; a shape stands
                beside every pointer.
   Order        outputs, inputs, sizes. `d` before a name is the gradient of the loss in it.
   Aliasing     outputs do not overlap inputs unless the comment allows it.
   Overwriting  outputs are overwritten unless the comment says "[c +]".
   Emptiness    any size may be 0; then nothing is read, and only empty outputs result
                (a sum over nothing is 0).
   Nothing else no allocation, no I/O, no globals, no threads; preconditions are asserts.
   work         scratch of CM_WORK_BYTES bytes, 64-byte aligned, owned by the caller,
                one per thread; its contents mean nothing between calls.

   One table per instruction-set path and type. The scalar path is the reference; every
   other path computes the same formulas from the same sources. */
#ifndef CM_KERNELS_H
#define CM_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum { CM_WORK_BYTES = 512 * 1024 };

/* What the kernel `arithmetic` does. */
enum cm_operation { CM_ADD, CM_SUB, CM_MUL, CM_DIV };

#define CM_REAL_BITS 32
#include "real.h"
#include "table.inc"
#undef CM_REAL_BITS
#define CM_REAL_BITS 64
#include "real.h"
#include "table.inc"
#undef CM_REAL_BITS

/* A path: its name ("scalar", "avx2", "avx512", "neon") and its two tables. */
struct cm_isa {
    const char *name;
    const struct cm_kernels_f32 *f32;
    const struct cm_kernels_f64 *f64;
};

/* The i-th path that this CPU and operating system can run, slowest first; NULL past the
   last one. Index 0 is always "scalar". */
const struct cm_isa *cm_isa_at(int i);
/* The fastest path of this machine. */
const struct cm_isa *cm_isa_best(void);
/* The path of that name if this machine can run it, else NULL. */
const struct cm_isa *cm_isa_find(const char *name);
/* Whether this build knows a path of that name at all, runnable or not. */
int cm_isa_known(const char *name);

#endif
