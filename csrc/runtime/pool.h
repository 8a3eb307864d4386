/* pool.h - worker threads that run one function over a range of tasks; nothing about
   networks. One pool an owner; no globals. */
#ifndef CM_POOL_H
#define CM_POOL_H

#include <stddef.h>

struct cm_pool;

/* Processors this process may use: affinity and cgroup quota respected; at least 1. */
int cm_processors(void);

/* A pool for at most `threads` threads, the caller among them, and at most some for each
   processor: callers keep memory for every thread. Workers start at the first parallel run.
   NULL when memory is short. */
struct cm_pool *cm_pool_new(int threads);
/* Stops and joins the workers. After a fork the child must not join its parent's workers:
   the pool notices and only frees itself. */
void cm_pool_free(struct cm_pool *pool);

/* Changes the number of threads, as in cm_pool_new; takes effect at the next run. */
void cm_pool_resize(struct cm_pool *pool, int threads);
/* What it has become; 1 without a pool. */
int cm_pool_threads(const struct cm_pool *pool);

/* Calls task(user, i, thread) for each i in [0, tasks), thread < min(threads, pool's) being
   the one that runs it, and returns when all are done. The calls of one i are ordered
   before whatever follows the run. A thread that cannot be created is done without. A
   NULL pool, or one that another caller is using, runs every task on the caller. */
void cm_pool_run(struct cm_pool *pool, int threads, ptrdiff_t tasks,
                 void (*task)(void *user, ptrdiff_t i, int thread), void *user);

#endif
