/* test_no_memory.c - training where memory runs short at every possible moment.

   The linker sends malloc, calloc, realloc, aligned_alloc and free through the functions
   below. Each run lets the n-th allocation fail, or all from the n-th on, for n = 1, 2,
   ... until a run makes fewer. Whatever fails must say CM_NO_MEMORY or be done without:
   numbers as without the failure, nothing leaked, and under the sanitizer nothing read or
   written out of place. */
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../csrc/training/training.h"

/* allocations that may fail --------------------------------------------------------- */
static atomic_long calls, live;
static long refused_first = -1, refused_last = -1; /* calls, counted from 1 */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);

static int refused(void)
{
    const long call = atomic_fetch_add(&calls, 1) + 1;
    return call >= refused_first && call <= refused_last;
}

static void *counted(void *memory)
{
    if (memory)
        atomic_fetch_add(&live, 1);
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refused() ? NULL : counted(__real_aligned_alloc(alignment, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (refused())
        return NULL;
    void *grown = __real_realloc(memory, size);
    return memory ? grown : counted(grown);
}

void __wrap_free(void *memory)
{
    if (memory)
        atomic_fetch_sub(&live, 1);
    __real_free(memory);
}

/* a small problem, in memory that nobody allocates ------------------------------------ */
enum { ROWS = 300, I = 90, H = 20, C = 5, EPOCHS = 3, WIDE = 3000 };

static float x[ROWS * I], values[ROWS * I], start[I * H + H * C];
static int32_t column[ROWS * I];
static int64_t begin[ROWS + 1], target[ROWS], order[ROWS];
static float wide_weight[WIDE * I];

static void make_problem(void)
{
    uint64_t state = 1;
    int64_t n = 0;
    for (ptrdiff_t r = 0; r < ROWS; r++) {
        for (ptrdiff_t i = 0; i < I; i++) {
            state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
            const float number = (float)(state >> 40) * 0x1p-24f;
            if (number > 0.15f)
                continue;
            x[r * I + i] = 1 + number;
            values[n] = 1 + number;
            column[n++] = (int32_t)i;
        }
        begin[r + 1] = n;
        target[r] = r % C;
        order[r] = (r * 7) % ROWS;
    }
    for (ptrdiff_t i = 0; i < I * H + H * C; i++)
        start[i] = (float)((i * 37) % 101 - 50) / 400;
}

struct problem {
    const char *name;
    ptrdiff_t batch, memory_limit;
    float momentum;
    int csr, shuffled, spoiled; /* spoiled: a weight becomes infinite after an epoch */
};

struct outcome {
    enum cm_status status; /* of the first call that did not go well */
    float parameters[I * H + H * C];
    float logits[ROWS * C];
};

static int never(void *user, ptrdiff_t done, ptrdiff_t total)
{
    (void)user, (void)done, (void)total;
    return 0;
}

static enum cm_status train(const struct problem *p,
                            const struct cm_network_f32 *network,
                            const struct cm_rows_f32 *rows, struct cm_pool *pool,
                            const struct cm_isa *isa)
{
    const struct cm_trainer_options_f32 options = {
        .batch_size = p->batch,
        .momentum = p->momentum,
        .ignore_index = -100,
        .fixed_order = !p->shuffled,
        .memory_limit = p->memory_limit,
        .threads = 2,
    };
    const struct cm_watch watch = {never, NULL};
    double losses[ROWS];
    int64_t correct[ROWS];
    ptrdiff_t steps;
    enum cm_status status = CM_OK;
    struct cm_trainer_f32 *trainer =
        cm_trainer_new_f32(network, rows, target, &options, isa, pool);
    if (!trainer)
        return CM_NO_MEMORY;
    for (int epoch = 0; epoch < EPOCHS && status == CM_OK; epoch++) {
        status = cm_trainer_epoch_f32(trainer, p->shuffled ? order : NULL, 0.05, watch,
                                      losses, correct, &steps);
        if (status == CM_OK)
            cm_trainer_sync_f32(trainer);
        if (p->spoiled && epoch == 0) {
            network->layers[0].weight[3] = INFINITY;
            cm_trainer_reload_f32(trainer);
        }
    }
    cm_trainer_free_f32(trainer);
    return status;
}

static void run(const struct problem *p, const struct cm_isa *isa, struct outcome *out)
{
    float *const w = out->parameters;
    memcpy(w, start, sizeof start);
    struct cm_layer_f32 layers[] = {{I, H, w, NULL, 1}, {H, C, w + I * H, NULL, 0}};
    const struct cm_network_f32 network = {2, 0, layers};
    struct cm_rows_f32 rows = {.rows = ROWS, .columns = I};
    if (p->csr) {
        rows.values = values;
        rows.index = column;
        rows.begin = begin;
    } else {
        rows.dense = x;
        rows.row_stride = I;
    }
    struct cm_pool *pool = cm_pool_new(2); /* NULL: one thread */
    out->status = train(p, &network, &rows, pool, isa);
    if (out->status == CM_OK)
        out->status =
            cm_network_forward_f32(&network, &rows, out->logits, isa, pool, 2);
    /* a single row that is wider than what the stack holds */
    float wide[WIDE];
    struct cm_layer_f32 broad[] = {{I, WIDE, wide_weight, NULL, 0},
                                   {WIDE, 1, wide_weight, NULL, 0}};
    const struct cm_network_f32 second = {2, 0, broad};
    const struct cm_rows_f32 row = {
        .rows = 1, .columns = I, .dense = x, .row_stride = I};
    const enum cm_status last =
        cm_network_forward_f32(&second, &row, wide, isa, pool, 2);
    if (out->status == CM_OK)
        out->status = last;
    cm_pool_free(pool);
}

/* all ways to fail ----------------------------------------------------------------------- */
static int close_to(const float *a, const float *b, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++)
        if (!(fabsf(a[i] - b[i]) < 1e-3f) && !(isinf(a[i]) && isinf(b[i])))
            return 0;
    return 1;
}

static int check(const struct problem *p, const struct cm_isa *isa)
{
    static struct outcome expected, got;
    const enum cm_status right = p->spoiled ? CM_NOT_FINITE : CM_OK;
    int failures = 0;
    refused_first = refused_last = -1;
    run(p, isa, &expected);
    if (expected.status != right)
        failures++,
            printf("%s: status %d without a failure\n", p->name, expected.status);
    for (int from_there_on = 0; from_there_on < 2; from_there_on++) {
        for (long n = 1;; n++) {
            const long before = atomic_load(&live);
            atomic_store(&calls, 0);
            refused_first = n;
            refused_last = from_there_on ? 1L << 40 : n;
            run(p, isa, &got);
            const int served = atomic_load(&calls) < n;
            const int well = got.status == right;
            if (!well && (got.status != CM_NO_MEMORY || served))
                failures++,
                    printf("%s, allocation %ld: status %d\n", p->name, n, got.status);
            if (well && right == CM_OK &&
                !(close_to(got.parameters, expected.parameters, I * H + H * C) &&
                  close_to(got.logits, expected.logits, ROWS * C)))
                failures++, printf("%s, allocation %ld: other numbers\n", p->name, n);
            if (atomic_load(&live) != before)
                failures++, printf("%s, allocation %ld: %ld blocks leaked\n", p->name,
                                   n, atomic_load(&live) - before);
            if (served)
                break;
        }
    }
    return failures;
}

int main(void)
{
    static const struct problem problems[] = {
        {.name = "dense", .batch = 64},
        {.name = "kept tables", .batch = 64, .memory_limit = 1 << 24},
        {.name = "tables of each batch", .batch = 64, .memory_limit = 1 << 14},
        {.name = "shuffled", .batch = 64, .memory_limit = 1 << 24, .shuffled = 1},
        {.name = "momentum", .batch = 64, .memory_limit = 1 << 24, .momentum = 0.9f},
        {.name = "lists", .batch = 4, .memory_limit = 1 << 24},
        {.name = "compressed", .batch = 64, .memory_limit = 1 << 24, .csr = 1},
        {.name = "compressed, dense", .batch = 64, .csr = 1, .shuffled = 1},
        {.name = "spoiled", .batch = 64, .memory_limit = 1 << 24, .spoiled = 1},
    };
    int failures = 0;
    make_problem();
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++)
        failures += check(&problems[i], cm_isa_best());
    refused_first = refused_last = -1;
    printf("%s\n", failures ? "FAILED" : "ok");
    return failures != 0;
}
