/* dispatch.c - which paths this build has and this machine can run. */

#include <string.h>

#include "kernels.h"
#include "paths.h"

#ifdef CM_X86
#include <cpuid.h>
#endif

struct path {
    const struct cm_isa *isa;
    int (*runs_here)(void);
};

static int always(void)
{
    return 1;
}

#ifdef CM_X86

/* Bits of XCR0: which registers the operating system saves when it switches tasks. A CPU
   feature whose registers it does not save must not be used. */
enum {
    SAVES_YMM = 0x06, /* xmm, ymm */
    SAVES_ZMM = 0xE6, /* xmm, ymm, mask registers, upper halves of zmm0-15, zmm16-31 */
};

static int os_saves(unsigned registers)
{
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE))
        return 0;
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & registers) == registers;
}

static int has_avx2(void)
{
    unsigned eax, ebx, ecx, edx;
    if (!os_saves(SAVES_YMM) || !__get_cpuid(1, &eax, &ebx, &ecx, &edx) ||
        !(ecx & bit_AVX) || !(ecx & bit_FMA))
        return 0;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & bit_AVX2);
}

static int has_avx512(void)
{
    const unsigned wanted = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
    unsigned eax, ebx, ecx, edx;
    return has_avx2() && os_saves(SAVES_ZMM) &&
           __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & wanted) == wanted;
}

#endif

/* Slowest first; scalar first of all. */
static const struct path PATHS[] = {
    {&cm_isa_scalar, always},
#ifdef CM_X86
    {&cm_isa_avx2, has_avx2},
    {&cm_isa_avx512, has_avx512},
#endif
#ifdef CM_ARM64
    {&cm_isa_neon, always},
#endif
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
