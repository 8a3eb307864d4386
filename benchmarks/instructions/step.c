/* step.c - a fixed piece of training whose instructions are counted: the plain C
   library, synthetic digits, one thread. Prints the last loss, so that a count is never
   that of another computation.

   usage: step ISA CASE     CASE: the name of a task below */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../csrc/random/mt19937.h"
#include "../../csrc/training/training.h"

enum { INPUTS = 784, CLASSES = 10, EPOCHS = 2, MAX_STEPS = 200 };

struct task {
    const char *name;
    ptrdiff_t rows, batch, hidden;
    float density; /* of the input */
    int shuffled;
};

static const struct task TASKS[] = {
    {"fixed", 640, 256, 50, 0.19f, 0},       {"shuffled", 640, 256, 50, 0.19f, 1},
    {"dense", 640, 256, 50, 1.0f, 0},        {"wide", 160, 64, 300, 1.0f, 0},
    {"one row", MAX_STEPS, 1, 50, 0.19f, 0},
};

static void *allocate(size_t bytes)
{
    void *memory = malloc(bytes);
    if (!memory) {
        fprintf(stderr, "step: no memory\n");
        exit(1);
    }
    return memory;
}

static float *uniform(struct cm_mt19937 *g, ptrdiff_t n, double from, double to)
{
    float *values = allocate((size_t)n * sizeof *values);
    cm_uniform_f32(g, values, n, from, to);
    return values;
}

/* What callgrind counts, by its name: tables, epochs and the way back. */
__attribute__((noinline)) double measured(const struct cm_network_f32 *network,
                                          const struct cm_rows_f32 *x,
                                          const int64_t *target, const int64_t *order,
                                          ptrdiff_t batch, const struct cm_isa *isa)
{
    const struct cm_trainer_options_f32 options = {
        .batch_size = batch,
        .ignore_index = -100,
        .fixed_order = !order,
        .memory_limit = x->rows * INPUTS * (ptrdiff_t)sizeof(float),
        .threads = 1,
    };
    double losses[MAX_STEPS];
    int64_t correct[MAX_STEPS];
    ptrdiff_t steps = 0;
    struct cm_trainer_f32 *trainer =
        cm_trainer_new_f32(network, x, target, &options, isa, NULL);
    if (!trainer)
        return -1;
    const struct cm_watch nobody = {0};
    for (int epoch = 0; epoch < EPOCHS; epoch++)
        if (cm_trainer_epoch_f32(trainer, order, 0.1, nobody, losses, correct, &steps))
            return -1;
    cm_trainer_sync_f32(trainer);
    cm_trainer_free_f32(trainer);
    return losses[steps - 1];
}

static double train(const struct cm_isa *isa, const struct task *task)
{
    struct cm_mt19937 g;
    cm_mt19937_seed(&g, 1);
    const ptrdiff_t rows = task->rows, hidden = task->hidden,
                    pixel_count = rows * INPUTS;
    float *pixels = uniform(&g, pixel_count, 0.001, 1);
    float *chance = uniform(&g, pixel_count, 0, 1);
    for (ptrdiff_t i = 0; i < pixel_count; i++)
        pixels[i] = chance[i] < task->density ? pixels[i] : 0;
    int64_t *target = allocate((size_t)rows * sizeof *target);
    int64_t *order = allocate((size_t)rows * sizeof *order);
    cm_randint(&g, target, rows, 0, CLASSES);
    cm_randperm(&g, order, rows);
    struct cm_layer_f32 layers[] = {
        {INPUTS, hidden, uniform(&g, hidden * INPUTS, -0.03, 0.03),
         uniform(&g, hidden, -0.03, 0.03), 1},
        {hidden, CLASSES, uniform(&g, CLASSES * hidden, -0.1, 0.1),
         uniform(&g, CLASSES, -0.1, 0.1), 0},
    };
    const struct cm_network_f32 network = {2, 0, layers};
    const struct cm_rows_f32 x = {
        .rows = rows, .columns = INPUTS, .dense = pixels, .row_stride = INPUTS};
    const double loss =
        measured(&network, &x, target, task->shuffled ? order : NULL, task->batch, isa);
    for (int l = 0; l < network.depth; l++) {
        free(layers[l].weight);
        free(layers[l].bias);
    }
    free(pixels);
    free(chance);
    free(target);
    free(order);
    return loss;
}

int main(int argc, char **argv)
{
    const struct cm_isa *isa = argc == 3 ? cm_isa_find(argv[1]) : NULL;
    if (!isa) {
        fprintf(stderr, "usage: step ISA CASE (an ISA that this machine can run)\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof TASKS / sizeof *TASKS; i++)
        if (!strcmp(TASKS[i].name, argv[2])) {
            printf("%.6f\n", train(isa, &TASKS[i]));
            return 0;
        }
    fprintf(stderr, "step: unknown case '%s'\n", argv[2]);
    return 2;
}
