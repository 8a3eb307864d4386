/* test_kernels.c - every kernel on every path, against plain loops in more precision: double
   for float, long double for double.

   Outputs and inputs lie in boxes (harness.h). A tolerance is stated where it is used,
   as a multiple of the type's epsilon times the size of what was rounded. */

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../csrc/kernels/kernels.h"
#include "harness.h"

extern const struct cm_isa cm_isa_wide;

#define CM_REAL_BITS 32
#include "../../csrc/kernels/real.h"
#define REAL_EPSILON FLT_EPSILON
#define exact double
#define EXACT(function) function
#define EXACT_LOG log
#include "reference.inc"
#include "test_gemm.inc"
#include "test_elementwise.inc"
#include "test_rows.inc"
#include "test_losses.inc"
#include "test_optimiser.inc"
#include "test_sparse.inc"
#undef CM_REAL_BITS
#undef REAL_EPSILON
#undef exact
#undef EXACT
#undef EXACT_LOG

#define CM_REAL_BITS 64
#include "../../csrc/kernels/real.h"
#define REAL_EPSILON DBL_EPSILON
#define exact long double
#define EXACT(function) function##l
#define EXACT_LOG exact_logl
#include "reference.inc"
#include "test_gemm.inc"
#include "test_elementwise.inc"
#include "test_rows.inc"
#include "test_losses.inc"
#include "test_optimiser.inc"
#include "test_sparse.inc"
#undef CM_REAL_BITS
#undef REAL_EPSILON
#undef exact
#undef EXACT
#undef EXACT_LOG

static void test_path(const struct cm_isa *isa)
{
    test_gemm_f32(isa->name, isa->f32);
    test_gemm_f64(isa->name, isa->f64);
    test_elementwise_f32(isa->name, isa->f32);
    test_elementwise_f64(isa->name, isa->f64);
    test_rows_f32(isa->name, isa->f32);
    test_rows_f64(isa->name, isa->f64);
    test_losses_f32(isa->name, isa->f32);
    test_losses_f64(isa->name, isa->f64);
    test_optimiser_f32(isa->name, isa->f32);
    test_optimiser_f64(isa->name, isa->f64);
    test_sparse_f32(isa->name, isa->f32);
    test_sparse_f64(isa->name, isa->f64);
}

static void test_dispatch(void)
{
    context("dispatch");
    expect(strcmp(cm_isa_at(0)->name, "scalar") == 0, "the first path is scalar");
    int count = 0;
    while (cm_isa_at(count)) {
        const struct cm_isa *const isa = cm_isa_at(count++);
        expect(cm_isa_find(isa->name) == isa, "find %s", isa->name);
        expect(cm_isa_known(isa->name), "known %s", isa->name);
        printf("%s ", isa->name);
    }
    printf("\n");
    expect(cm_isa_best() == cm_isa_at(count - 1), "the best path is the last one");
    expect(cm_isa_find("mmx") == NULL && !cm_isa_known("mmx"), "unknown path");
    expect(cm_isa_known("avx512") && cm_isa_known("neon"), "known on every machine");
}

/* Every path and the wide one, or the one that is named: for slow, emulated machines.
 */
int main(int argc, char **argv)
{
    const struct cm_isa *const only = argc > 1 ? cm_isa_find(argv[1]) : NULL;
    test_dispatch();
    expect(argc < 2 || only, "this machine runs the path %s", argv[argc - 1]);
    for (boxes_at_end = 0; boxes_at_end < 2; boxes_at_end++) {
        if (argc > 1) {
            if (only)
                test_path(only);
            continue;
        }
        for (int i = 0; cm_isa_at(i); i++)
            test_path(cm_isa_at(i));
        test_path(&cm_isa_wide);
    }
    return report();
}
