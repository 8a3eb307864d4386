/* training.c - the training room, compiled for float and for double. */
#include "training.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "arena.h"
#include "pace.h"
#include "store.h"

static ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

static ptrdiff_t larger(ptrdiff_t a, ptrdiff_t b)
{
    return a > b ? a : b;
}

/* How many pieces of `size` cover n */
static ptrdiff_t blocks_of(ptrdiff_t n, ptrdiff_t size)
{
    return n / size + (n % size != 0);
}

#define CM_REAL_BITS 32
#include "../kernels/real.h"
#include "source.inc"
#include "tables.inc"
#include "packed.inc"
#include "prepare.inc"
#include "trainer.inc"
#include "first_layer.inc"
#include "step.inc"
#include "epoch.inc"
#include "forward.inc"
#undef CM_REAL_BITS
#define CM_REAL_BITS 64
#include "../kernels/real.h"
#include "source.inc"
#include "tables.inc"
#include "packed.inc"
#include "prepare.inc"
#include "trainer.inc"
#include "first_layer.inc"
#include "step.inc"
#include "epoch.inc"
#include "forward.inc"
#undef CM_REAL_BITS
