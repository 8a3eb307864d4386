/* paths.h - the paths of this build, each defined in its kernels_<name>.c. */
#ifndef CM_PATHS_H
#define CM_PATHS_H

#include "kernels.h"

extern const struct cm_isa cm_isa_scalar;

#endif
