/* arena.h - one allocation for an object with many arrays.

   A layout function takes every array in turn. It runs twice: first over an arena
   without memory, which only adds sizes up and notices an overflow, then over one that
   has it. */
#ifndef CM_ARENA_H
#define CM_ARENA_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { CM_LINE = 64 }; /* bytes of a cache line: every array begins on one */

struct cm_arena {
    char *memory;
    size_t used;
    int overflow;
};

/* count * size bytes, cache-line aligned; NULL while sizes are added up */
static inline void *cm_take(struct cm_arena *arena, ptrdiff_t count, size_t size)
{
    size_t bytes;
    if (count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes) ||
        bytes > PTRDIFF_MAX / 2 || arena->used > PTRDIFF_MAX / 2) {
        arena->overflow = 1;
        return NULL;
    }
    void *taken = arena->memory ? arena->memory + arena->used : NULL;
    arena->used += (bytes + CM_LINE - 1) / CM_LINE * CM_LINE;
    return taken;
}

/* Memory for what was added up, for free(); NULL when there is none. Starts the second
   pass. Zeroed memory is left untouched until it is used, if there is much of it. */
static inline void *cm_arena_allocate(struct cm_arena *arena, int zeroed)
{
    if (arena->overflow || arena->used > PTRDIFF_MAX / 2)
        return NULL;
    const size_t size = arena->used + CM_LINE;
    char *memory = zeroed ? calloc(1, size) : malloc(size);
    if (!memory)
        return NULL;
    arena->memory = memory + (CM_LINE - (uintptr_t)memory % CM_LINE) % CM_LINE;
    arena->used = 0;
    return memory;
}

#endif
