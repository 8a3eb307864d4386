/* test_training.c - the training room against a slow twin in double precision. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../csrc/training/training.h"

enum { MAX_DEPTH = 24 };

/* One network, its data and its options; the twin reads the same. */
struct problem {
    const char *name;
    int depth, relu_input;
    ptrdiff_t size[MAX_DEPTH + 1];
    int relu[MAX_DEPTH], bias[MAX_DEPTH];
    ptrdiff_t rows, batch;
    double density, lr, momentum, dampening, weight_decay, smoothing;
    int nesterov, maximize, class_weight, ignored, shuffled, fixed_order, csr;
    ptrdiff_t memory_limit;
    int epochs;
};

static int failures;

static uint64_t random_state = 1;

static double uniform(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (double)(random_state >> 11) * 0x1p-53;
}

struct twin_layer {
    ptrdiff_t in, out;
    double *weight, *bias, *dweight, *dbias, *weight_buffer, *bias_buffer;
};

struct data {
    double *x; /* (rows, I) */
    int64_t *target, *order;
    double *class_weight;
    struct twin_layer layers[MAX_DEPTH];
};

static double *reals(ptrdiff_t n)
{
    double *p = calloc((size_t)(n ? n : 1), sizeof *p);
    if (!p)
        abort();
    return p;
}

/* Every number is a float, so that both types start from the same problem. */
static void make_data(const struct problem *p, struct data *d)
{
    ptrdiff_t I = p->size[0], C = p->size[p->depth];
    d->x = reals(p->rows * I);
    for (ptrdiff_t i = 0; i < p->rows * I; i++)
        d->x[i] = uniform() < p->density ? (float)(uniform() * 2 - 0.7) : 0;
    d->target = calloc((size_t)p->rows + 1, sizeof *d->target);
    d->order = calloc((size_t)p->rows + 1, sizeof *d->order);
    for (ptrdiff_t i = 0; i < p->rows; i++) {
        d->target[i] = (int64_t)(uniform() * (double)C);
        if (p->ignored && i % p->ignored == 1)
            d->target[i] = -100;
        d->order[i] = i;
    }
    for (ptrdiff_t i = p->rows - 1; p->shuffled && i > 0; i--) {
        ptrdiff_t j = (ptrdiff_t)(uniform() * (double)(i + 1));
        int64_t swap = d->order[i];
        d->order[i] = d->order[j];
        d->order[j] = swap;
    }
    d->class_weight = p->class_weight ? reals(C) : NULL;
    for (ptrdiff_t c = 0; d->class_weight && c < C; c++)
        d->class_weight[c] = (float)(0.5 + uniform());
    for (int l = 0; l < p->depth; l++) {
        struct twin_layer *layer = &d->layers[l];
        layer->in = p->size[l];
        layer->out = p->size[l + 1];
        double bound = 1 / sqrt((double)layer->in);
        double **weights[] = {&layer->weight, &layer->dweight, &layer->weight_buffer};
        double **biases[] = {&layer->bias, &layer->dbias, &layer->bias_buffer};
        for (int i = 0; i < 3; i++) {
            *weights[i] = reals(layer->in * layer->out);
            *biases[i] = reals(layer->out);
        }
        for (ptrdiff_t i = 0; i < layer->in * layer->out; i++)
            layer->weight[i] = (float)((2 * uniform() - 1) * bound);
        for (ptrdiff_t i = 0; p->bias[l] && i < layer->out; i++)
            layer->bias[i] = (float)((2 * uniform() - 1) * bound);
    }
}

static void free_data(const struct problem *p, struct data *d)
{
    free(d->x);
    free(d->target);
    free(d->order);
    free(d->class_weight);
    for (int l = 0; l < p->depth; l++) {
        free(d->layers[l].weight);
        free(d->layers[l].dweight);
        free(d->layers[l].weight_buffer);
        free(d->layers[l].bias);
        free(d->layers[l].dbias);
        free(d->layers[l].bias_buffer);
    }
}

/* Loss of one row times its weight, and its gradient in the logits, not yet divided */
static double twin_loss(const struct problem *p, const struct data *d, int64_t target,
                        const double *z, double *dz)
{
    ptrdiff_t C = p->size[p->depth];
    double m = z[0], sum = 0, loss = 0, all = 0, e = p->smoothing / (double)C;
    memset(dz, 0, (size_t)C * sizeof *dz);
    if (target == -100)
        return 0;
    for (ptrdiff_t c = 0; c < C; c++)
        m = z[c] > m ? z[c] : m;
    for (ptrdiff_t c = 0; c < C; c++)
        sum += exp(z[c] - m);
    for (ptrdiff_t c = 0; c < C; c++) {
        double w = d->class_weight ? d->class_weight[c] : 1;
        double q = w * ((c == target) * (1 - p->smoothing) + e);
        loss -= q * (z[c] - m - log(sum));
        all += q;
        dz[c] = -q;
    }
    for (ptrdiff_t c = 0; c < C; c++)
        dz[c] += all * exp(z[c] - m) / sum;
    return loss;
}

/* Activations a[0], ..., a[depth] of one row; a[0] is its input */
static void twin_activations(const struct problem *p, const struct data *d,
                             ptrdiff_t row, double *a[MAX_DEPTH + 1])
{
    for (int l = 0; l <= p->depth; l++)
        a[l] = reals(p->size[l]);
    for (ptrdiff_t i = 0; i < p->size[0]; i++) {
        double v = d->x[row * p->size[0] + i];
        a[0][i] = p->relu_input && v < 0 ? 0 : v;
    }
    for (int l = 0; l < p->depth; l++)
        for (ptrdiff_t o = 0; o < p->size[l + 1]; o++) {
            double sum = d->layers[l].bias[o];
            for (ptrdiff_t i = 0; i < p->size[l]; i++)
                sum += d->layers[l].weight[o * p->size[l] + i] * a[l][i];
            a[l + 1][o] = p->relu[l] && sum < 0 ? 0 : sum;
        }
}

static void twin_forward(const struct problem *p, const struct data *d, ptrdiff_t row,
                         double *logits)
{
    double *a[MAX_DEPTH + 1];
    twin_activations(p, d, row, a);
    memcpy(logits, a[p->depth], (size_t)p->size[p->depth] * sizeof *logits);
    for (int l = 0; l <= p->depth; l++)
        free(a[l]);
}

/* Forward and backward of one row; gradients are added. */
static double twin_row(const struct problem *p, struct data *d, ptrdiff_t row)
{
    double *a[MAX_DEPTH + 1], *da[MAX_DEPTH + 1];
    twin_activations(p, d, row, a);
    for (int l = 0; l <= p->depth; l++)
        da[l] = reals(p->size[l]);
    double loss = twin_loss(p, d, d->target[row], a[p->depth], da[p->depth]);
    for (int l = p->depth - 1; l >= 0; l--)
        for (ptrdiff_t o = 0; o < p->size[l + 1]; o++) {
            if (p->relu[l] && !(a[l + 1][o] > 0))
                continue;
            double g = da[l + 1][o];
            d->layers[l].dbias[o] += g;
            for (ptrdiff_t i = 0; i < p->size[l]; i++) {
                d->layers[l].dweight[o * p->size[l] + i] += g * a[l][i];
                da[l][i] += g * d->layers[l].weight[o * p->size[l] + i];
            }
        }
    for (int l = 0; l <= p->depth; l++) {
        free(a[l]);
        free(da[l]);
    }
    return loss;
}

static void twin_sgd(const struct problem *p, double *param, double *buffer,
                     double *grad, ptrdiff_t n, double divisor, int first)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        double g = grad[i] / divisor;
        grad[i] = 0;
        g = (p->maximize ? -g : g) + p->weight_decay * param[i];
        if (p->momentum != 0) {
            buffer[i] = first ? g : p->momentum * buffer[i] + (1 - p->dampening) * g;
            g = p->nesterov ? g + p->momentum * buffer[i] : buffer[i];
        }
        param[i] -= p->lr * g;
    }
}

static double twin_step(const struct problem *p, struct data *d, ptrdiff_t begin,
                        int first)
{
    double loss = 0, divisor = 0;
    for (ptrdiff_t r = begin; r < begin + p->batch && r < p->rows; r++) {
        int64_t target = d->target[d->order[r]];
        if (target != -100)
            divisor += d->class_weight ? d->class_weight[target] : 1;
        loss += twin_row(p, d, (ptrdiff_t)d->order[r]);
    }
    for (int l = 0; l < p->depth; l++) {
        struct twin_layer *t = &d->layers[l];
        twin_sgd(p, t->weight, t->weight_buffer, t->dweight, t->in * t->out, divisor,
                 first);
        if (p->bias[l])
            twin_sgd(p, t->bias, t->bias_buffer, t->dbias, t->out, divisor, first);
    }
    return loss / divisor;
}

#define CM_REAL_BITS 32
#include "../../csrc/kernels/real.h"
#include "training_runs.inc"
#undef CM_REAL_BITS
#define CM_REAL_BITS 64
#include "../../csrc/kernels/real.h"
#include "training_runs.inc"
#undef CM_REAL_BITS

static const struct problem lesson = {.name = "lesson",
                                      .depth = 2,
                                      .size = {784, 50, 10},
                                      .relu = {1, 0},
                                      .bias = {1, 1},
                                      .rows = 300,
                                      .batch = 128,
                                      .density = 0.19,
                                      .lr = 0.5,
                                      .fixed_order = 1,
                                      .epochs = 2};

/* Without tables, with some that fit the limit, and with all. */
static void vary(struct problem p)
{
    static const ptrdiff_t limits[] = {0, 40 << 10, 64 << 20};
    for (int i = 0; i < 3; i++) {
        p.memory_limit = limits[i];
        check_f32(&p);
        check_f64(&p);
    }
}

/* A chain of odd widths, a batch size that leaves a short last one */
static struct problem chain(int depth, const ptrdiff_t *size, ptrdiff_t rows,
                            ptrdiff_t batch)
{
    struct problem p = lesson;
    p.name = "chain";
    p.depth = depth;
    p.rows = rows;
    p.batch = batch;
    p.lr = 0.1;
    for (int l = 0; l <= depth; l++)
        p.size[l] = size[l];
    for (int l = 0; l < depth; l++) {
        p.relu[l] = l < depth - 1;
        p.bias[l] = 1;
    }
    return p;
}

static void check_sizes(void)
{
    static const ptrdiff_t widths[] = {1,  2,  3,  7,  8,  9,  15, 16,
                                       17, 31, 33, 63, 65, 97, 130};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        ptrdiff_t w = widths[i];
        vary(chain(2, (ptrdiff_t[]){w, 17, 3}, 40, 9));
        vary(chain(2, (ptrdiff_t[]){20, w, 5}, 40, 16));
        vary(chain(2, (ptrdiff_t[]){20, 9, w}, 40, 33));
        vary(chain(1, (ptrdiff_t[]){30, w}, 40, w));
    }
    vary(chain(1, (ptrdiff_t[]){30, 300}, 50, 20));
    vary(chain(2, (ptrdiff_t[]){400, 300, 300}, 60, 50));
    vary(chain(3, (ptrdiff_t[]){100, 128, 64, 10}, 270, 100));
    struct problem deep = chain(20, (ptrdiff_t[]){9, 8, 7, 9, 8, 8, 8, 8, 8, 8, 8,
                                                  8, 8, 8, 8, 8, 8, 8, 8, 8, 4},
                                50, 20);
    vary(deep);
}

static void check_options(void)
{
    struct problem p = chain(3, (ptrdiff_t[]){60, 20, 12, 7}, 90, 32), q;
    q = p, q.name = "momentum", q.momentum = 0.9, vary(q);
    q = p, q.name = "dampening", q.momentum = 0.9, q.dampening = 0.3, vary(q);
    q = p, q.name = "nesterov", q.momentum = 0.9, q.nesterov = 1, vary(q);
    q = p, q.name = "weight decay", q.weight_decay = 0.01, vary(q);
    q = p, q.name = "maximize", q.maximize = 1, q.lr = 0.01, vary(q);
    q = p, q.name = "smoothing", q.smoothing = 0.1, vary(q);
    q = p, q.name = "class weight", q.class_weight = 1, vary(q);
    q = p, q.name = "ignored", q.ignored = 3, vary(q);
    q.class_weight = 1, q.smoothing = 0.2, q.momentum = 0.5, vary(q);
    q = p, q.name = "no bias", q.bias[0] = q.bias[2] = 0, vary(q);
    q = p, q.name = "linear-linear", q.relu[0] = 0, vary(q);
    q = p, q.name = "relu at the end", q.relu[2] = 1, vary(q);
    q = p, q.name = "relu first", q.relu_input = 1, vary(q);
    q = p, q.name = "shuffled", q.shuffled = 1, q.fixed_order = 0, vary(q);
    q = p, q.name = "compressed", q.csr = 1, vary(q);
    q.shuffled = 1, q.fixed_order = 0, q.relu_input = 1, vary(q);
    q = p, q.name = "dense input", q.density = 1, vary(q);
    q.shuffled = 1, q.fixed_order = 0, vary(q);
    for (ptrdiff_t batch = 1; batch < 20; batch += 3) {
        q = p, q.name = "small batch", q.batch = batch, q.lr = 0.02, vary(q);
        q.shuffled = 1, q.fixed_order = 0, vary(q);
        q.momentum = 0.9, q.weight_decay = 0.01, vary(q);
    }
    q = p, q.name = "large batch", q.batch = 1000, vary(q);
    q.rows = 0, q.name = "no rows", vary(q);
    vary(lesson);
}

static void forward(struct problem p)
{
    p.name = "rows";
    for (int i = 0; cm_isa_at(i); i++) {
        check_forward_f32(&p, cm_isa_at(i));
        check_forward_f64(&p, cm_isa_at(i));
    }
}

static void check_forwards(void)
{
    static const ptrdiff_t rows[] = {0, 1, 2, 7, 127, 129, 300};
    for (int i = 0; i < 7; i++)
        for (int kind = 0; kind < 8; kind++) {
            struct problem p = chain(3, (ptrdiff_t[]){70, 23, 18, 5}, rows[i], 1);
            p.relu_input = kind % 2;
            p.csr = kind / 2 % 2;
            p.density = kind / 4 ? 1 : 0.2;
            forward(p);
            p.depth = 1;
            p.bias[0] = 0;
            forward(p);
        }
    forward(
        chain(2, (ptrdiff_t[]){30, 2500, 3}, 3, 1)); /* a row wider than the stack's */
}

int main(void)
{
    check_sizes();
    check_forwards();
    check_options();
    printf("%s\n", failures ? "FAILED" : "ok");
    return failures != 0;
}
