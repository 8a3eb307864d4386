/* pace.h - what an epoch does about time: when it asks its caller whether to go on, and
   how many threads pay. */
#ifndef CM_PACE_H
#define CM_PACE_H

#include <stdatomic.h>
#include <stdint.h>

#include "training.h"

/* Seconds of a clock that only goes forward */
double cm_seconds(void);

/* Asks `watch` at most every 20 ms; only the caller's own thread may look. */
struct cm_patience {
    struct cm_watch watch;
    ptrdiff_t done, total; /* steps */
    double asked;
    atomic_int stopped; /* any thread may read it */
};

void cm_patience_begin(struct cm_patience *p, struct cm_watch watch, ptrdiff_t total);
/* Non-zero when the epoch is to stop. */
int cm_patience_look(struct cm_patience *p);

/* Two processors may be far apart, or busy with other work, and that changes within
   minutes. So a few steps with each number of threads are timed now and then, and the
   others run with the fastest. */
struct cm_tuner {
    int least, most; /* threads to choose from */
    int best, tried; /* tried 0: no trial */
    int round;       /* of `tried`; the first one only wakes the threads */
    double time[3];
    double best_time;
    int64_t next; /* trial, in steps from the start of this one */
};

void cm_tuner_begin(struct cm_tuner *t, int least, int most);
/* A new trial of all numbers of threads */
void cm_tuner_restart(struct cm_tuner *t);
/* Threads for the next step. `began` receives the time that cm_tuner_after wants. */
int cm_tuner_before(struct cm_tuner *t, double *began);
void cm_tuner_after(struct cm_tuner *t, double began);

#endif
