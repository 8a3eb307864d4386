/* test_pool.c - every task once, on any number of threads, from several callers, after
   a fork, and when threads cannot be created. */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../csrc/runtime/pool.h"

enum { TASKS = 1000 };

static int failures;

static void expect(int true, const char *what)
{
    if (!true) {
        printf("%s\n", what);
        failures++;
    }
}

struct count {
    int limit;
    int wrong_thread;
    ptrdiff_t done[TASKS];
    _Atomic int used[64];
};

static void count_task(void *user, ptrdiff_t i, int thread)
{
    struct count *c = user;
    c->done[i]++;
    if (thread < 0 || thread >= c->limit)
        c->wrong_thread = 1;
    else
        c->used[thread] = 1;
}

static void check_run(struct cm_pool *pool, int threads, ptrdiff_t tasks)
{
    static _Thread_local struct count c;
    memset(&c, 0, sizeof c);
    c.limit = threads;
    cm_pool_run(pool, threads, tasks, count_task, &c);
    int once = 1;
    for (ptrdiff_t i = 0; i < TASKS; i++)
        once &= c.done[i] == (i < tasks);
    expect(once, "a task ran twice or not at all");
    expect(!c.wrong_thread, "a thread beyond the limit took part");
}

static void check_many(void)
{
    for (int threads = 1; threads <= 8; threads++) {
        struct cm_pool *pool = cm_pool_new(threads);
        for (int i = 0; i < 300; i++)
            check_run(pool, 1 + i % 9, i * 7 % TASKS);
        usleep(2000); /* long enough for the workers to sleep */
        check_run(pool, threads, TASKS);
        cm_pool_resize(pool, 3);
        expect(cm_pool_threads(pool) == 3, "resize");
        check_run(pool, 8, TASKS);
        cm_pool_resize(pool, 0);
        expect(cm_pool_threads(pool) == 1, "resize to nothing");
        check_run(pool, 8, TASKS);
        cm_pool_free(pool);
    }
    struct cm_pool *huge = cm_pool_new(INT_MAX);
    const int most = cm_pool_threads(huge);
    expect(most >= 64 && most <= 64 + 4 * cm_processors(), "a bound on threads");
    cm_pool_resize(huge, 2);
    expect(cm_pool_threads(huge) == 2, "resize from the bound");
    cm_pool_resize(huge, 100000);
    expect(cm_pool_threads(huge) == most, "resize to the bound");
    check_run(huge, INT_MAX, TASKS);
    cm_pool_free(huge);
    check_run(NULL, 4, TASKS);
    expect(cm_pool_threads(NULL) == 1, "no pool");
    cm_pool_free(cm_pool_new(4)); /* never ran */
    cm_pool_free(NULL);
}

static void *caller(void *pool)
{
    for (int i = 0; i < 300; i++)
        check_run(pool, 4, i % 50);
    return NULL;
}

static void check_callers(void)
{
    struct cm_pool *pool = cm_pool_new(4);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, caller, pool);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    cm_pool_free(pool);
}

#if !defined(__SANITIZE_THREAD__) /* which knows no threads in a child */

/* A child may run the pool that it inherited, and free it. */
static void check_fork(void)
{
    struct cm_pool *pool = cm_pool_new(3);
    check_run(pool, 3, TASKS);
    for (int used = 0; used < 2; used++) {
        pid_t child = fork();
        if (child == 0) {
            if (used)
                check_run(pool, 3, TASKS);
            cm_pool_free(pool);
            _exit(failures != 0);
        }
        int status = 1;
        waitpid(child, &status, 0);
        expect(status == 0, "the child of a fork");
    }
    check_run(pool, 3, TASKS);
    cm_pool_free(pool);
}

/* No thread can be created: the caller does everything. */
static void check_no_threads(void)
{
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        struct cm_pool *pool = cm_pool_new(4);
        if (setrlimit(RLIMIT_NPROC, &none) || setuid(65534))
            _exit(77);
        check_run(pool, 4, TASKS);
        cm_pool_free(pool);
        _exit(failures != 0);
    }
    int status = 1;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        printf("skipped: threads can be forbidden by root only\n");
    else
        expect(status == 0, "threads that cannot be created");
}

#endif

int main(void)
{
    expect(cm_processors() >= 1, "at least one processor");
    check_many();
    check_callers();
#if !defined(__SANITIZE_THREAD__)
    check_fork();
    check_no_threads();
#endif
    printf("%s\n", failures ? "FAILED" : "ok");
    return failures != 0;
}
