/* probes.c - what this machine can do at this moment: FMA rate, copy bandwidth, and the
   time a cache line takes from one core to another. Compiled by machine.py when the
   benchmark starts (-O3 -march=native); prints one JSON object.

   usage: probes THREADS */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

enum {
    MAX_THREADS = 64,
    CHAINS = 12,       /* independent sums: latency 4 x 2 units, and some to spare */
    FMA_STEPS = 20000, /* between two looks at the clock */
    COPY_BYTES = 64 << 20, /* a thread: larger than any last-level cache of few cores */
    ROUND_TRIPS = 500,     /* of one sample of the distance */
};
static const double FMA_SECONDS = 0.04, COPY_SECONDS = 0.06, DISTANCE_SECONDS = 0.05;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct worker {
    pthread_barrier_t *start;
    char *from, *to; /* COPY_BYTES each */
    double flop, flop_seconds, bytes, bytes_seconds;
    float keep; /* so that no sum is dead code */
};

static void measure_fma(struct worker *w)
{
    lanes sum[CHAINS], factor, term;
    for (int i = 0; i < LANES; i++) {
        factor[i] = 0.999f;
        term[i] = 0.001f;
    }
    for (int c = 0; c < CHAINS; c++)
        sum[c] = term * (float)c;
    const double begin = now();
    do {
        for (int s = 0; s < FMA_STEPS; s++)
            for (int c = 0; c < CHAINS; c++)
                sum[c] = sum[c] * factor + term;
        w->flop += 2.0 * FMA_STEPS * CHAINS * LANES;
        w->flop_seconds = now() - begin;
    } while (w->flop_seconds < FMA_SECONDS);
    for (int c = 0; c < CHAINS; c++)
        w->keep += sum[c][0];
}

static void measure_copy(struct worker *w)
{
    const double begin = now();
    do {
        memcpy(w->to, w->from, COPY_BYTES);
        w->from[0] = w->to[COPY_BYTES - 1];
        w->bytes += 2.0 * COPY_BYTES; /* read and written */
        w->bytes_seconds = now() - begin;
    } while (w->bytes_seconds < COPY_SECONDS);
}

static void *work(void *user)
{
    struct worker *w = user;
    memset(w->from, 1, COPY_BYTES);
    memset(w->to, 0, COPY_BYTES);
    pthread_barrier_wait(w->start);
    measure_fma(w);
    pthread_barrier_wait(w->start);
    measure_copy(w);
    return NULL;
}

/* One way of a cache line, in ns: two pinned threads hand a counter to and fro. The
   best sample counts, since anything else that runs here only lengthens one. */
struct table {
    _Alignas(128) atomic_int ball;
    _Alignas(128) atomic_int stop;
    int cpu;
};

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void *answer(void *user)
{
    struct table *t = user;
    pin(t->cpu);
    for (int expected = 1; !atomic_load(&t->stop);)
        if (atomic_load_explicit(&t->ball, memory_order_acquire) == expected) {
            atomic_store_explicit(&t->ball, expected + 1, memory_order_release);
            expected += 2;
        }
    return NULL;
}

static double measure_distance(void)
{
    static struct table t;
    cpu_set_t allowed;
    int cpus[2], count = 0;
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (int c = 0; c < CPU_SETSIZE && count < 2; c++)
        if (CPU_ISSET(c, &allowed))
            cpus[count++] = c;
    if (count < 2)
        return 0;
    pthread_t other;
    t.cpu = cpus[1];
    if (pthread_create(&other, NULL, answer, &t))
        return 0;
    pin(cpus[0]);
    double best = 0;
    const double begin = now();
    for (int ball = 1; now() - begin < DISTANCE_SECONDS;) {
        const double sample = now();
        for (int i = 0; i < ROUND_TRIPS; i++, ball += 2) {
            atomic_store_explicit(&t.ball, ball, memory_order_release);
            while (atomic_load_explicit(&t.ball, memory_order_acquire) != ball + 1)
                ;
        }
        const double one_way = (now() - sample) / (2 * ROUND_TRIPS) * 1e9;
        if (best == 0 || one_way < best)
            best = one_way;
    }
    atomic_store(&t.stop, 1);
    pthread_join(other, NULL);
    return best;
}

int main(int argc, char **argv)
{
    static struct worker workers[MAX_THREADS];
    pthread_t threads[MAX_THREADS];
    pthread_barrier_t start;
    const int count = argc > 1 ? atoi(argv[1]) : 1;
    if (count < 1 || count > MAX_THREADS) {
        fprintf(stderr, "probes: THREADS must lie in 1..%d\n", MAX_THREADS);
        return 2;
    }
    pthread_barrier_init(&start, NULL, (unsigned)count);
    for (int i = 0; i < count; i++) {
        struct worker *w = &workers[i];
        w->start = &start;
        w->from = malloc(COPY_BYTES);
        w->to = malloc(COPY_BYTES);
        if (!w->from || !w->to || pthread_create(&threads[i], NULL, work, w)) {
            fprintf(stderr, "probes: not enough memory or threads\n");
            return 1;
        }
    }
    double flops = 0, bandwidth = 0;
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        flops += workers[i].flop / workers[i].flop_seconds;
        bandwidth += workers[i].bytes / workers[i].bytes_seconds;
    }
    printf("{\"lanes\": %d, \"fma_gflops\": %.2f, \"copy_gbytes\": %.2f, "
           "\"distance_ns\": %.1f}\n",
           LANES, flops * 1e-9, bandwidth * 1e-9, count > 1 ? measure_distance() : 0.0);
    return 0;
}
