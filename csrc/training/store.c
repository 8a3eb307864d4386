/* store.c - memory that only grows, taken by several threads without a lock. */
#define _GNU_SOURCE
#include "store.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

enum {
    LINE = 64,
    HUGE_PAGE = 2 << 20,
    FIRST_CHUNK = 64 << 10,
    LARGEST_CHUNK = 16 << 20,
};

struct chunk {
    struct chunk *next;
    size_t size, used;
    char *memory;
};

/* A thread's chunks, newest last; the current one is where it takes from. */
struct shelf {
    _Alignas(LINE) struct chunk *first;
    struct chunk *current;
};

struct cm_store {
    int threads;
    size_t limit;
    _Alignas(LINE) atomic_size_t reserved;
    struct shelf shelf[];
};

struct cm_store *cm_store_new(int threads, size_t limit)
{
    size_t size = sizeof(struct cm_store) + (size_t)threads * sizeof(struct shelf);
    struct cm_store *store = aligned_alloc(LINE, size);
    if (!store)
        return NULL;
    store->threads = threads;
    store->limit = limit;
    atomic_init(&store->reserved, 0);
    for (int i = 0; i < threads; i++)
        store->shelf[i].first = store->shelf[i].current = NULL;
    return store;
}

void cm_store_trim(struct cm_store *store)
{
    for (int i = 0; i < store->threads; i++) {
        for (struct chunk *chunk = store->shelf[i].first, *next; chunk; chunk = next) {
            next = chunk->next;
            free(chunk->memory);
            free(chunk);
        }
        store->shelf[i].first = store->shelf[i].current = NULL;
    }
    atomic_store(&store->reserved, 0);
}

void cm_store_free(struct cm_store *store)
{
    if (store)
        cm_store_trim(store);
    free(store);
}

void cm_store_reset(struct cm_store *store)
{
    for (int i = 0; i < store->threads; i++) {
        for (struct chunk *chunk = store->shelf[i].first; chunk; chunk = chunk->next)
            chunk->used = 0;
        store->shelf[i].current = store->shelf[i].first;
    }
}

/* Large chunks lie on huge pages: the system's work for a fresh page, some 2
   microseconds for each 4 KB, is as long as the filling of it. */
static struct chunk *new_chunk(size_t size)
{
    struct chunk *chunk = malloc(sizeof *chunk);
    if (!chunk)
        return NULL;
    size_t alignment = size >= HUGE_PAGE ? HUGE_PAGE : LINE;
    chunk->memory = aligned_alloc(alignment, size);
    if (!chunk->memory) {
        free(chunk);
        return NULL;
    }
#ifdef MADV_HUGEPAGE
    if (alignment == HUGE_PAGE)
        madvise(chunk->memory, size, MADV_HUGEPAGE);
#endif
    chunk->next = NULL;
    chunk->size = size;
    chunk->used = 0;
    return chunk;
}

static struct chunk *grow(struct cm_store *store, struct shelf *shelf, size_t size)
{
    size_t unit = size >= HUGE_PAGE ? HUGE_PAGE : LINE;
    size = (size + unit - 1) / unit * unit;
    if (atomic_fetch_add(&store->reserved, size) + size > store->limit) {
        atomic_fetch_sub(&store->reserved, size);
        return NULL;
    }
    struct chunk *chunk = new_chunk(size);
    if (!chunk) {
        atomic_fetch_sub(&store->reserved, size);
        return NULL;
    }
    if (shelf->current)
        shelf->current->next = chunk;
    else
        shelf->first = chunk;
    return chunk;
}

/* A chunk for at least `bytes`. Chunks double, so that small stores stay small and
   large ones have few; near the limit one is as large as it must be. */
static struct chunk *next_chunk(struct cm_store *store, struct shelf *shelf,
                                size_t bytes)
{
    size_t size = shelf->current ? 2 * shelf->current->size : FIRST_CHUNK;
    if (size > LARGEST_CHUNK)
        size = LARGEST_CHUNK;
    struct chunk *chunk = size > bytes ? grow(store, shelf, size) : NULL;
    return chunk ? chunk : grow(store, shelf, bytes);
}

void *cm_store_take(struct cm_store *store, int thread, size_t bytes)
{
    struct shelf *shelf = &store->shelf[thread];
    if (bytes > PTRDIFF_MAX / 4)
        return NULL;
    bytes = (bytes + LINE - 1) / LINE * LINE;
    struct chunk *chunk = shelf->current;
    while (chunk && chunk->size - chunk->used < bytes && chunk->next)
        chunk = shelf->current = chunk->next;
    if (!chunk || chunk->size - chunk->used < bytes) {
        chunk = next_chunk(store, shelf, bytes);
        if (!chunk)
            return NULL;
        shelf->current = chunk;
    }
    void *taken = chunk->memory + chunk->used;
    chunk->used += bytes;
    return taken;
}
