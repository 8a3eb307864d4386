/* train_idx.c - trains 784-50-10, or whatever the images ask for, on IDX files: the rooms
   below bindings/ as a plain C library.

   usage: train_idx IMAGES LABELS [EPOCHS [THREADS]]

   The files are MNIST's, unpacked: big-endian header, then one byte a pixel or label.
   Prints the mean loss and the accuracy of each epoch. Exit 1 with one line for a file
   that is not what it should be, 2 for wrong usage. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../csrc/random/mt19937.h"
#include "../../csrc/training/training.h"

enum { HIDDEN = 50, CLASSES = 10, BATCH = 512, MAX_VALUES = 1 << 30 };

static const char *program_error;

/* One IDX file of unsigned bytes. */
struct idx {
    ptrdiff_t rows, columns; /* columns: 1 for labels, height * width for images */
    unsigned char *values;   /* (rows, columns) */
};

static ptrdiff_t read_size(FILE *file)
{
    unsigned char b[4];
    if (fread(b, 1, 4, file) != 4)
        return -1;
    return (ptrdiff_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
}

/* Fills idx from a file with `dims` dimensions; 0 and program_error on failure. */
static int read_values(struct idx *idx, FILE *file, int dims)
{
    const ptrdiff_t magic = 0x0800 + dims;
    if (read_size(file) != magic) {
        program_error = "the magic number is wrong";
        return 0;
    }
    idx->rows = read_size(file);
    idx->columns = 1;
    for (int d = 1; d < dims; d++) {
        const ptrdiff_t size = read_size(file);
        if (size < 1 || size > MAX_VALUES / idx->columns) {
            program_error = "the size of a row is wrong";
            return 0;
        }
        idx->columns *= size;
    }
    if (idx->rows < 1 || idx->rows > MAX_VALUES / idx->columns) {
        program_error = "the number of rows is wrong";
        return 0;
    }
    const size_t count = (size_t)(idx->rows * idx->columns);
    idx->values = malloc(count);
    if (!idx->values || fread(idx->values, 1, count, file) != count ||
        fgetc(file) != EOF) {
        program_error = "its length is not what its header says";
        return 0;
    }
    return 1;
}

static int read_idx(struct idx *idx, const char *path, int dims)
{
    FILE *file = fopen(path, "rb");
    program_error = "it cannot be opened";
    const int ok = file && read_values(idx, file, dims);
    if (file)
        fclose(file);
    if (!ok)
        fprintf(stderr, "train_idx: %s: %s\n", path, program_error);
    return ok;
}

/* Pixels k / 256 as float, labels as int64; NULL when memory is short. */
static float *to_float(const struct idx *images)
{
    const ptrdiff_t count = images->rows * images->columns;
    float *x = malloc((size_t)count * sizeof *x);
    for (ptrdiff_t i = 0; x && i < count; i++)
        x[i] = (float)images->values[i] / 256;
    return x;
}

static int64_t *to_targets(const struct idx *labels)
{
    int64_t *target = malloc((size_t)labels->rows * sizeof *target);
    for (ptrdiff_t i = 0; target && i < labels->rows; i++)
        target[i] = labels->values[i];
    return target;
}

/* A layer with torch's starting values. */
static int new_layer(struct cm_layer_f32 *layer, ptrdiff_t in, ptrdiff_t out, int relu,
                     struct cm_mt19937 *g)
{
    const double bound = 1 / sqrt((double)in);
    *layer = (struct cm_layer_f32){.in = in, .out = out, .relu = relu};
    layer->weight = malloc((size_t)(in * out) * sizeof *layer->weight);
    layer->bias = malloc((size_t)out * sizeof *layer->bias);
    if (!layer->weight || !layer->bias)
        return 0;
    cm_uniform_f32(g, layer->weight, in * out, -bound, bound);
    cm_uniform_f32(g, layer->bias, out, -bound, bound);
    return 1;
}

static int run_epochs(struct cm_trainer_f32 *trainer, ptrdiff_t rows, int epochs)
{
    const ptrdiff_t batches = (rows + BATCH - 1) / BATCH;
    double *losses = malloc((size_t)batches * sizeof *losses);
    int64_t *correct = malloc((size_t)batches * sizeof *correct);
    enum cm_status status = losses && correct ? CM_OK : CM_NO_MEMORY;
    for (int epoch = 1; epoch <= epochs && status == CM_OK; epoch++) {
        const struct cm_watch nobody = {0};
        ptrdiff_t steps = 0;
        status =
            cm_trainer_epoch_f32(trainer, NULL, 0.5, nobody, losses, correct, &steps);
        double loss = 0, hits = 0;
        for (ptrdiff_t s = 0; s < steps; s++) {
            loss += losses[s] / (double)steps;
            hits += (double)correct[s];
        }
        if (status == CM_OK)
            printf("epoch %d: loss %.6f, accuracy %.4f\n", epoch, loss,
                   hits / (double)rows);
    }
    if (status == CM_NOT_FINITE)
        fprintf(stderr, "train_idx: the loss is not finite\n");
    if (status == CM_OVERFLOW)
        fprintf(stderr, "train_idx: a parameter is not finite\n");
    if (status == CM_NO_MEMORY)
        fprintf(stderr, "train_idx: no memory\n");
    free(losses);
    free(correct);
    return status == CM_OK;
}

static int train(const float *x, const int64_t *target, ptrdiff_t rows,
                 ptrdiff_t columns, int epochs, int threads)
{
    struct cm_layer_f32 layers[2] = {{0}};
    struct cm_mt19937 g;
    cm_mt19937_seed(&g, 1);
    const struct cm_network_f32 network = {.depth = 2, .layers = layers};
    const struct cm_rows_f32 source = {
        .rows = rows, .columns = columns, .dense = x, .row_stride = columns};
    const struct cm_trainer_options_f32 options = {.batch_size = BATCH,
                                                   .ignore_index = -100,
                                                   .fixed_order = 1,
                                                   .memory_limit = rows * columns *
                                                                   (ptrdiff_t)sizeof *x,
                                                   .threads = threads};
    struct cm_pool *pool = cm_pool_new(threads);
    struct cm_trainer_f32 *trainer = NULL;
    if (new_layer(layers, columns, HIDDEN, 1, &g) &&
        new_layer(layers + 1, HIDDEN, CLASSES, 0, &g))
        trainer = cm_trainer_new_f32(&network, &source, target, &options, cm_isa_best(),
                                     pool);
    const int ok = trainer && run_epochs(trainer, rows, epochs);
    if (!trainer)
        fprintf(stderr, "train_idx: no memory\n");
    cm_trainer_free_f32(trainer);
    cm_pool_free(pool);
    for (int i = 0; i < 2; i++) {
        free(layers[i].weight);
        free(layers[i].bias);
    }
    return ok;
}

static int check(const struct idx *images, const struct idx *labels)
{
    if (images->rows != labels->rows) {
        fprintf(stderr, "train_idx: %td images, but %td labels\n", images->rows,
                labels->rows);
        return 0;
    }
    for (ptrdiff_t i = 0; i < labels->rows; i++)
        if (labels->values[i] >= CLASSES) {
            fprintf(stderr, "train_idx: label %d at row %td is out of bounds for %d\n",
                    labels->values[i], i, CLASSES);
            return 0;
        }
    return 1;
}

int main(int argc, char **argv)
{
    const int epochs = argc > 3 ? atoi(argv[3]) : 3;
    const int threads = argc > 4 ? atoi(argv[4]) : 1;
    if (argc < 3 || argc > 5 || epochs < 1 || threads < 1) {
        fprintf(stderr, "usage: train_idx IMAGES LABELS [EPOCHS [THREADS]]\n");
        return 2;
    }
    struct idx images = {0}, labels = {0};
    float *x = NULL;
    int64_t *target = NULL;
    int ok = read_idx(&images, argv[1], 3) && read_idx(&labels, argv[2], 1) &&
             check(&images, &labels);
    if (ok) {
        x = to_float(&images);
        target = to_targets(&labels);
        if (x && target)
            ok = train(x, target, images.rows, images.columns, epochs, threads);
        else
            ok = !fprintf(stderr, "train_idx: no memory\n");
    }
    free(x);
    free(target);
    free(images.values);
    free(labels.values);
    return !ok;
}
