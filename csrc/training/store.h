/* store.h - memory that only grows, taken by several threads without a lock.

   Each thread takes from chunks of its own; the limit counts the chunks of all. */
#ifndef CM_STORE_H
#define CM_STORE_H

#include <stddef.h>

struct cm_store;

/* For `threads` threads and at most `limit` bytes; NULL when memory is short. */
struct cm_store *cm_store_new(int threads, size_t limit);
void cm_store_free(struct cm_store *store);
/* Cache-line aligned memory until the store is reset or freed; NULL at the limit or
   when memory is short. `thread` < threads; no two callers at a time with the same one.
 */
void *cm_store_take(struct cm_store *store, int thread, size_t bytes);
/* Everything taken is given back: to the store, which keeps its chunks for the next
   ones, or to the system. */
void cm_store_reset(struct cm_store *store);
void cm_store_trim(struct cm_store *store);

#endif
