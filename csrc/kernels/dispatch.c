/* dispatch.c - which paths this build has and this machine can run. */

#include <string.h>

#include "kernels.h"
#include "paths.h"

struct path {
    const struct cm_isa *isa;
    int (*runs_here)(void);
};

static int always(void)
{
    return 1;
}

/* Slowest first; scalar first of all. */
static const struct path PATHS[] = {
    {&cm_isa_scalar, always},
};

enum { PATH_COUNT = sizeof PATHS / sizeof PATHS[0] };

const struct cm_isa *cm_isa_at(int i)
{
    for (int p = 0; p < PATH_COUNT; p++)
        if (PATHS[p].runs_here() && i-- == 0)
            return PATHS[p].isa;
    return NULL;
}

const struct cm_isa *cm_isa_best(void)
{
    int p = PATH_COUNT - 1;
    while (!PATHS[p].runs_here())
        p--;
    return PATHS[p].isa;
}

const struct cm_isa *cm_isa_find(const char *name)
{
    for (int p = 0; p < PATH_COUNT; p++)
        if (strcmp(PATHS[p].isa->name, name) == 0)
            return PATHS[p].runs_here() ? PATHS[p].isa : NULL;
    return NULL;
}

int cm_isa_known(const char *name)
{
    static const char *const NAMES[] = {"scalar", "avx2", "avx512", "neon"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (strcmp(NAMES[i], name) == 0)
            return 1;
    return 0;
}
