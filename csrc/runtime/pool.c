/* pool.c - worker threads that run one function over a range of tasks.

   A run is opened and closed by the caller through one word, `gate`:

       generation << 32 | open << 31 | workers inside

   A worker enters by compare-and-swap, and only while the gate is open, so that the
   caller waits for the workers that took part and never for one that the system has not
   woken. Inside, tasks are handed out by a counter. Who waits spins for a bounded time,
   because the phases of a training step are tens of microseconds apart, and then
   sleeps. */
#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#define relax() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define relax() __asm__ volatile("yield")
#else
#define relax() ((void)0)
#endif

enum {
    CACHE_LINE = 64,
    SPINS = 4000, /* pauses of some 10 to 40 ns: about 100 microseconds */
    STACK_BYTES = 1 << 20,
    PER_PROCESSOR = 4, /* threads; more only take memory, */
    ALWAYS = 64,       /* but so many are no harm where processors are few */
};

static const uint64_t open_bit = UINT64_C(1) << 31;
static const uint64_t generation_one = UINT64_C(1) << 32;
static const uint64_t inside_mask = (UINT64_C(1) << 31) - 1;

struct worker {
    struct cm_pool *pool;
    pthread_t thread;
    int number; /* the `thread` its tasks see; the caller is 0 */
};

struct cm_pool {
    atomic_int threads; /* wanted, the caller among them */
    atomic_int owner;   /* the process whose workers these are; 0: changing hands */
    int started;        /* workers that exist */
    int capacity;
    int spins;
    struct worker **workers;
    atomic_flag busy;

    /* written by the caller before the gate opens */
    void (*task)(void *user, ptrdiff_t i, int thread);
    void *user;
    ptrdiff_t tasks;
    int limit; /* only workers below it take part */

    pthread_mutex_t lock;
    pthread_cond_t wake;     /* workers wait here for a new generation */
    pthread_cond_t finished; /* the caller waits here for the last worker */
    atomic_int sleepers;
    atomic_int caller_sleeps;
    atomic_int stop;

    _Alignas(CACHE_LINE) _Atomic uint64_t gate;
    _Alignas(CACHE_LINE) atomic_ptrdiff_t next;
};

static void work(struct cm_pool *pool, int thread)
{
    ptrdiff_t i;
    while ((i = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed)) <
           pool->tasks)
        pool->task(pool->user, i, thread);
}

/* Enters the generation `gate` if it is still open. */
static int enter(struct cm_pool *pool, uint64_t gate)
{
    uint64_t generation = gate / generation_one;
    while ((gate & open_bit) && gate / generation_one == generation)
        if (atomic_compare_exchange_weak(&pool->gate, &gate, gate + 1))
            return 1;
    return 0;
}

static void leave(struct cm_pool *pool)
{
    uint64_t before = atomic_fetch_sub(&pool->gate, 1);
    if ((before & inside_mask) == 1 && atomic_load(&pool->caller_sleeps)) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_signal(&pool->finished);
        pthread_mutex_unlock(&pool->lock);
    }
}

/* Waits until the gate shows a generation after `seen`, or the pool stops. */
static uint64_t next_generation(struct cm_pool *pool, uint64_t seen)
{
    uint64_t gate;
    for (int i = 0; i < pool->spins; i++) {
        gate = atomic_load(&pool->gate);
        if (gate / generation_one != seen || atomic_load(&pool->stop))
            return gate;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while ((gate = atomic_load(&pool->gate)) / generation_one == seen &&
           !atomic_load(&pool->stop))
        pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
    return gate;
}

static void *worker_main(void *argument)
{
    struct worker *self = argument;
    struct cm_pool *pool = self->pool;
    uint64_t seen = 0;
    while (!atomic_load(&pool->stop)) {
        uint64_t gate = next_generation(pool, seen);
        seen = gate / generation_one;
        if (!enter(pool, gate))
            continue;
        if (self->number < pool->limit)
            work(pool, self->number);
        leave(pool);
    }
    return NULL;
}

static void fresh(struct cm_pool *pool)
{
    pool->started = 0;
    pool->spins = cm_processors() > 1 ? SPINS : 0;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->finished, NULL);
    atomic_flag_clear(&pool->busy);
    atomic_store(&pool->gate, 0);
    atomic_store(&pool->sleepers, 0);
    atomic_store(&pool->caller_sleeps, 0);
    atomic_store(&pool->stop, 0);
    atomic_store(&pool->owner, (int)getpid());
}

/* `threads`, at least 1 and no more than the processors can serve */
static int bounded(int threads)
{
    const int served = PER_PROCESSOR * cm_processors();
    const int most = served > ALWAYS ? served : ALWAYS;
    return threads < 1 ? 1 : threads < most ? threads : most;
}

struct cm_pool *cm_pool_new(int threads)
{
    size_t size = (sizeof(struct cm_pool) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    struct cm_pool *pool = aligned_alloc(CACHE_LINE, size);
    if (!pool)
        return NULL;
    atomic_init(&pool->threads, bounded(threads));
    pool->workers = NULL;
    pool->capacity = 0;
    fresh(pool);
    return pool;
}

/* One worker more; 0 when the system refuses it. Signals stay with the threads that the
   program knows: a worker takes none. */
static int start_worker(struct cm_pool *pool)
{
    if (pool->started == pool->capacity) {
        int capacity = pool->capacity ? 2 * pool->capacity : 8;
        struct worker **grown =
            realloc(pool->workers, (size_t)capacity * sizeof *pool->workers);
        if (!grown)
            return 0;
        for (int i = pool->capacity; i < capacity; i++)
            grown[i] = NULL;
        pool->workers = grown;
        pool->capacity = capacity;
    }
    struct worker *worker = pool->workers[pool->started];
    if (!worker)
        worker = malloc(sizeof *worker);
    if (!worker)
        return 0;
    pool->workers[pool->started] = worker;
    *worker = (struct worker){.pool = pool, .number = pool->started + 1};

    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes))
        return 0;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&worker->thread, &attributes, worker_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (!failed)
        pool->started++;
    return !failed;
}

void cm_pool_free(struct cm_pool *pool)
{
    if (!pool)
        return;
    if (atomic_load(&pool->owner) == (int)getpid()) {
        atomic_store(&pool->stop, 1);
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
        for (int i = 0; i < pool->started; i++)
            pthread_join(pool->workers[i]->thread, NULL);
        pthread_cond_destroy(&pool->finished);
        pthread_cond_destroy(&pool->wake);
        pthread_mutex_destroy(&pool->lock);
    }
    for (int i = 0; i < pool->capacity; i++)
        free(pool->workers[i]);
    free(pool->workers);
    free(pool);
}

void cm_pool_resize(struct cm_pool *pool, int threads)
{
    atomic_store(&pool->threads, bounded(threads));
}

int cm_pool_threads(const struct cm_pool *pool)
{
    return pool ? atomic_load(&pool->threads) : 1;
}

static void wait_for_workers(struct cm_pool *pool)
{
    for (int i = 0; i < pool->spins; i++) {
        if (!(atomic_load(&pool->gate) & inside_mask))
            return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->caller_sleeps, 1);
    while (atomic_load(&pool->gate) & inside_mask)
        pthread_cond_wait(&pool->finished, &pool->lock);
    atomic_store(&pool->caller_sleeps, 0);
    pthread_mutex_unlock(&pool->lock);
}

/* After a fork the child has the pool but none of its workers: it starts anew, and a
   thread that comes while another one is at it goes without. */
static int take_over(struct cm_pool *pool)
{
    int owner = atomic_load(&pool->owner);
    if (owner == (int)getpid())
        return 1;
    if (owner == 0 || !atomic_compare_exchange_strong(&pool->owner, &owner, 0))
        return 0;
    fresh(pool);
    return 1;
}

void cm_pool_run(struct cm_pool *pool, int threads, ptrdiff_t tasks,
                 void (*task)(void *user, ptrdiff_t i, int thread), void *user)
{
    if (threads > cm_pool_threads(pool))
        threads = cm_pool_threads(pool);
    if (threads > tasks)
        threads = (int)tasks;
    if (threads < 2 || !take_over(pool) || atomic_flag_test_and_set(&pool->busy)) {
        for (ptrdiff_t i = 0; i < tasks; i++)
            task(user, i, 0);
        return;
    }
    while (pool->started < threads - 1 && start_worker(pool))
        ;
    pool->task = task;
    pool->user = user;
    pool->tasks = tasks;
    pool->limit = threads;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    uint64_t generation = atomic_load(&pool->gate) / generation_one + 1;
    atomic_store(&pool->gate, generation * generation_one | open_bit);
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
    work(pool, 0);
    atomic_fetch_and(&pool->gate, ~open_bit);
    wait_for_workers(pool);
    atomic_flag_clear(&pool->busy);
}
