/* training.h - a chain of Linear and ReLU layers, trained and applied. Knows kernels,
   runtime and random; knows nothing of Python. */
#ifndef CM_TRAINING_H
#define CM_TRAINING_H

#include <stddef.h>
#include <stdint.h>

#include "../kernels/kernels.h"
#include "../runtime/pool.h"

enum cm_status { CM_OK, CM_NO_MEMORY, CM_NOT_FINITE, CM_OVERFLOW, CM_STOPPED };

/* Called between steps, on the calling thread, at most every 20 ms or so; `done` of
   `total` steps of the epoch are finished. Non-zero stops after the last whole step:
   CM_STOPPED. */
struct cm_watch {
    int (*poll)(void *user, ptrdiff_t done, ptrdiff_t total);
    void *user;
};

#define CM_REAL_BITS 32
#include "../kernels/real.h"
#include "network.inc"
#undef CM_REAL_BITS
#define CM_REAL_BITS 64
#include "../kernels/real.h"
#include "network.inc"
#undef CM_REAL_BITS

#endif
