/* pace.c - when an epoch asks its caller, and how many threads pay. */
#define _POSIX_C_SOURCE 200809L
#include "pace.h"

#include <math.h>
#include <time.h>

enum { STEPS_PER_TRIAL = 1000 };

static const double ask_every = 0.02;

double cm_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cm_patience_begin(struct cm_patience *p, struct cm_watch watch, ptrdiff_t total)
{
    p->watch = watch;
    p->done = 0;
    p->total = total;
    p->asked = watch.poll ? cm_seconds() : 0;
    atomic_init(&p->stopped, 0);
}

int cm_patience_look(struct cm_patience *p)
{
    if (!p->watch.poll || atomic_load_explicit(&p->stopped, memory_order_relaxed))
        return atomic_load_explicit(&p->stopped, memory_order_relaxed);
    const double now = cm_seconds();
    if (now - p->asked < ask_every)
        return 0;
    p->asked = now;
    if (p->watch.poll(p->watch.user, p->done, p->total))
        atomic_store_explicit(&p->stopped, 1, memory_order_relaxed);
    return atomic_load_explicit(&p->stopped, memory_order_relaxed);
}

void cm_tuner_begin(struct cm_tuner *t, int least, int most)
{
    t->least = least;
    t->most = most;
    cm_tuner_restart(t);
}

void cm_tuner_restart(struct cm_tuner *t)
{
    t->best = t->least;
    t->tried = t->least < t->most ? t->least : 0;
    t->round = 0;
    t->best_time = INFINITY;
    t->next = STEPS_PER_TRIAL;
}

int cm_tuner_before(struct cm_tuner *t, double *began)
{
    if (t->next-- == 0)
        cm_tuner_restart(t);
    if (t->tried == 0)
        return t->best;
    *began = cm_seconds();
    return t->tried;
}

static double median(const double *x)
{
    const double low = x[0] < x[1] ? x[0] : x[1], high = x[0] < x[1] ? x[1] : x[0];
    return x[2] < low ? low : x[2] < high ? x[2] : high;
}

/* As few threads as may be, then twice as many, ..., then all */
void cm_tuner_after(struct cm_tuner *t, double began)
{
    if (t->tried == 0)
        return;
    if (t->round > 0)
        t->time[t->round - 1] = cm_seconds() - began;
    if (++t->round <= 3)
        return;
    if (median(t->time) < t->best_time) {
        t->best_time = median(t->time);
        t->best = t->tried;
    }
    t->round = 0;
    t->tried = t->tried == t->most      ? 0
               : t->tried > t->most / 2 ? t->most
                                        : 2 * t->tried;
}
