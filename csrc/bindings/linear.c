/* linear.c - linear and its gradients; x is (..., I), weight (O, I) or (I). Large ones are
   cut into parts, one for each thread: the bits are those of the whole. */
#include "arguments.h"
#include "arrays.h"
#include "core.h"

#include <string.h>

/* B is the product of x's leading sizes; a vector of weights counts as O = 1. */
struct sizes {
    ptrdiff_t B, I, O;
};

/* A product, or several in turn, that threads share */
struct product {
    const struct cm_isa *isa;
    enum cm_type type;
    struct sizes n;
    const char *x, *weight, *dout, *bias; /* NULL: not needed */
    char *out, *dx, *dweight, *dbias;     /* NULL: not asked for */
    int skip;                             /* the zeros of x */
    int parts;
    struct cm_work work;
};

/* A part has at least so many rows, and so many multiplications: some 100 us of them where
   no zeros are skipped, twice what a thread takes to wake. Columns are cut between cache
   lines. */
enum { PART_ROWS = 64, PART_PRODUCTS = 4 << 20, PART_COLUMNS = 16 };

/* How many parts such a product is large enough for */
static double most_parts(struct sizes n)
{
    const double rows = (double)n.B / PART_ROWS;
    const double products = (double)n.B * (double)n.I * (double)n.O / PART_PRODUCTS;
    return rows < products ? rows : products;
}

/* Where part i of n things begins: at the multiple of `unit` next to its share */
static ptrdiff_t part_begin(const struct product *p, ptrdiff_t n, ptrdiff_t i,
                            ptrdiff_t unit)
{
    const ptrdiff_t begin = (n * i / p->parts + unit / 2) / unit * unit;
    return i == p->parts || begin > n ? n : begin;
}

static void forward_part(void *user, ptrdiff_t i, int thread)
{
    const struct product *p = user;
    const struct sizes n = p->n;
    const ptrdiff_t row = part_begin(p, n.B, i, 1);
    const ptrdiff_t rows = part_begin(p, n.B, i + 1, 1) - row;
    const ptrdiff_t bytes = (ptrdiff_t)cm_type_bytes(p->type);
    CM_CALL(p->isa, p->type, linear, (void *)(p->out + row * n.O * bytes),
            (const void *)(p->x + row * n.I * bytes), (const void *)p->weight,
            (const void *)p->bias, rows, n.I, n.O, p->skip,
            p->work.memory + thread * CM_WORK_BYTES);
}

/* Rows of dx, and columns of dweight; the first part has dbias, too */
static void backward_part(void *user, ptrdiff_t i, int thread)
{
    const struct product *p = user;
    const struct sizes n = p->n;
    const ptrdiff_t bytes = (ptrdiff_t)cm_type_bytes(p->type);
    void *const work = p->work.memory + thread * CM_WORK_BYTES;
    if (p->dx) {
        const ptrdiff_t row = part_begin(p, n.B, i, 1);
        const ptrdiff_t rows = part_begin(p, n.B, i + 1, 1) - row;
        CM_CALL(p->isa, p->type, linear_backward_input,
                (void *)(p->dx + row * n.I * bytes),
                (const void *)(p->dout + row * n.O * bytes), (const void *)p->weight,
                rows, n.I, n.O, work);
    }
    if (p->dweight) {
        const ptrdiff_t first = part_begin(p, n.I, i, PART_COLUMNS);
        const ptrdiff_t columns = part_begin(p, n.I, i + 1, PART_COLUMNS) - first;
        CM_CALL(p->isa, p->type, linear_backward_weight, (void *)p->dweight,
                (const void *)p->dout, (const void *)p->x, n.B, n.I, n.O, first,
                columns, p->skip, work);
    }
    if (p->dbias && i == 0)
        CM_CALL(p->isa, p->type, linear_backward_bias, (void *)p->dbias,
                (const void *)p->dout, n.B, n.O);
}

/* All parts, without the GIL where that pays; -1 without memory. `factor` meets x. */
static int run(struct product *p, struct cm_state *state,
               void (*part)(void *, ptrdiff_t, int), const char *factor,
               ptrdiff_t factors)
{
    const struct sizes n = p->n;
    const double most = most_parts(n);
    struct cm_pool *pool = state->threads > 1 && most >= 2 ? cm_pool_of(state) : NULL;
    p->parts = cm_pool_threads(pool);
    if (p->parts > most)
        p->parts = most > 1 ? (int)most : 1;
    if (cm_take_work(&p->work, state, p->parts) < 0)
        return -1;
    if (p->parts > p->work.threads) /* memory is short */
        p->parts = p->work.threads;
    /* I is 0 where dbias alone is asked for */
    PyThreadState *saved = cm_unlock_gil((double)n.B * (double)(n.I + 1) * (double)n.O);
    p->skip = factor && CM_CALL(p->isa, p->type, skips_zeros, (const void *)p->x, n.B,
                                n.I, n.O, (const void *)factor, factors);
    cm_pool_run(pool, p->parts, p->parts, part, p);
    cm_lock_gil(saved);
    cm_give_work(state, p->work);
    return 0;
}

static int check_dimensions(const struct cm_array *x, const struct cm_array *weight)
{
    if (x->ndim == 0 || weight->ndim == 0) {
        PyErr_Format(
            PyExc_RuntimeError,
            "both arguments to linear need to be at least 1D, but they are %dD "
            "and %dD",
            x->ndim, weight->ndim);
        return -1;
    }
    if (weight->ndim > 2) {
        PyErr_Format(PyExc_RuntimeError, "%s: expected at most 2 dimensions, got %d",
                     weight->where, weight->ndim);
        return -1;
    }
    return 0;
}

/* torch's sentence, and what it means in the caller's terms */
static int check_features(const struct cm_array *weight, struct sizes n)
{
    const ptrdiff_t features = weight->shape[weight->ndim - 1];
    if (n.I == features)
        return 0;
    PyObject *shape = cm_shape_list(weight->ndim, weight->shape);
    if (shape && weight->ndim == 2)
        PyErr_Format(PyExc_RuntimeError,
                     "mat1 and mat2 shapes cannot be multiplied (%zdx%zd and %zdx%zd): "
                     "input: expected last dimension %zd, as of weight %R, got %zd",
                     n.B, n.I, features, n.O, features, shape, n.I);
    else if (shape)
        PyErr_Format(PyExc_RuntimeError,
                     "size mismatch, got input (%zd), mat (%zdx%zd), vec (%zd): "
                     "input: expected last dimension %zd, as of weight %R, got %zd",
                     n.B, n.B, n.I, features, features, shape, n.I);
    Py_XDECREF(shape);
    return -1;
}

/* As cm_array_check_type, and what to write: data of another type is what happens most */
static int check_types(const struct cm_array *x, const struct cm_array *weight)
{
    if (x->type == weight->type || !cm_array_is_float(weight))
        return cm_array_check_type(weight, x);
    PyErr_Format(PyExc_RuntimeError,
                 "%s: expected dtype %s, got %s: input.%s(), of a plain array "
                 "input.astype('%s'), is of the type of weight",
                 weight->where, cm_type_numpy_name(x), cm_type_numpy_name(weight),
                 weight->type == CM_F64 ? "double" : "float",
                 cm_type_numpy_name(weight));
    return -1;
}

/* (O); for a vector of weights a 0-d bias, but not with a matrix x, as in torch */
static int check_bias(const struct cm_array *bias, const struct cm_array *x,
                      const struct cm_array *weight)
{
    if (cm_array_check_type(bias, x) < 0)
        return -1;
    if (weight->ndim == 1 && x->ndim == 2) {
        PyErr_Format(PyExc_RuntimeError,
                     "%s: a 1-D weight takes no bias with a 2-D input, only with one "
                     "of 1, 3 or more dimensions",
                     bias->where);
        return -1;
    }
    return cm_array_check_shape(bias, weight->ndim - 1, weight->shape);
}

static PyObject *linear(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct cm_state *state = cm_state_of(module);
    struct cm_array x = {0}, weight = {0}, bias = {0}, out = {0};
    ptrdiff_t shape[CM_MAX_DIMS];
    PyObject *result = NULL;
    if (cm_check_count("linear", nargs, 3) < 0 ||
        cm_array_open(&x, args[0], "linear(): argument 'input'") < 0 ||
        cm_array_open(&weight, args[1], "linear(): argument 'weight'") < 0 ||
        (args[2] != Py_None &&
         cm_array_open(&bias, args[2], "linear(): argument 'bias'") < 0) ||
        check_dimensions(&x, &weight) < 0 || check_types(&x, &weight) < 0)
        goto done;
    struct sizes n = {1, x.shape[x.ndim - 1], weight.ndim == 2 ? weight.shape[0] : 1};
    for (int i = 0; i < x.ndim - 1; i++)
        n.B *= shape[i] = x.shape[i];
    shape[x.ndim - 1] = n.O;
    if (check_features(&weight, n) < 0 ||
        (bias.object && check_bias(&bias, &x, &weight) < 0) ||
        cm_array_check_float(&x, "linear") < 0 || cm_array_settle(&x) < 0 ||
        cm_array_settle(&weight) < 0 || (bias.object && cm_array_settle(&bias) < 0) ||
        cm_array_new(&out, x.ndim - (weight.ndim == 1), shape, x.type) < 0)
        goto done;
    struct product p = {
        .isa = state->isa,
        .type = x.type,
        .n = n,
        .x = x.data,
        .weight = weight.data,
        .bias = bias.data,
        .out = out.data,
    };
    if (run(&p, state, forward_part, p.weight, n.O * n.I) == 0)
        result = cm_array_give(&out);
done:
    cm_array_clear(&x);
    cm_array_clear(&weight);
    cm_array_clear(&bias);
    cm_array_clear(&out);
    return result;
}

/* What linear_backward is given and asked for. */
struct backward {
    struct cm_array dout, x, weight; /* x or weight may be absent */
    int need_x, need_weight, need_bias;
    int vector; /* weight is (I), dout therefore (...) */
    struct sizes n;
};

static int read_backward(struct backward *b, PyObject *const *args, Py_ssize_t nargs)
{
    if (cm_check_count("linear_backward", nargs, 6) < 0 ||
        cm_read_bool(&b->need_x, args[3]) < 0 ||
        cm_read_bool(&b->need_weight, args[4]) < 0 ||
        cm_read_bool(&b->need_bias, args[5]) < 0 ||
        cm_array_open(&b->dout, args[0], "linear_backward(): argument 'grad_output'") <
            0 ||
        (args[1] != Py_None &&
         cm_array_open(&b->x, args[1], "linear_backward(): argument 'input'") < 0) ||
        (args[2] != Py_None &&
         cm_array_open(&b->weight, args[2], "linear_backward(): argument 'weight'") <
             0))
        return -1;
    if (b->need_x && !b->weight.object) {
        PyErr_SetString(PyExc_ValueError,
                        "linear_backward(): the gradient of input needs 'weight'");
        return -1;
    }
    if (b->need_weight && !b->x.object) {
        PyErr_SetString(PyExc_ValueError,
                        "linear_backward(): the gradient of weight needs 'input'");
        return -1;
    }
    return 0;
}

/* dout is (..., O), or (...) for a vector of weights; x is (..., I) */
static int check_backward(struct backward *b)
{
    const struct cm_array *dout = &b->dout, *x = &b->x, *weight = &b->weight;
    if (weight->object && (weight->ndim < 1 || weight->ndim > 2)) {
        PyErr_Format(PyExc_RuntimeError, "%s: expected 1 or 2 dimensions, got %d",
                     weight->where, weight->ndim);
        return -1;
    }
    b->vector = weight->object ? weight->ndim == 1 : x->object && dout->ndim < x->ndim;
    if (!b->vector && dout->ndim == 0) {
        PyErr_Format(PyExc_RuntimeError, "%s: expected at least 1 dimension, got 0",
                     dout->where);
        return -1;
    }
    const int leading = dout->ndim - !b->vector;
    ptrdiff_t shape[CM_MAX_DIMS + 1];
    b->n = (struct sizes){1, 0, b->vector ? 1 : dout->shape[leading]};
    for (int i = 0; i < leading; i++)
        b->n.B *= shape[i] = dout->shape[i];
    if (x->object && x->ndim > 0)
        b->n.I = x->shape[x->ndim - 1];
    else if (weight->object)
        b->n.I = weight->shape[weight->ndim - 1];
    shape[leading] = b->n.I;
    if (x->object && (cm_array_check_type(x, dout) < 0 ||
                      cm_array_check_shape(x, leading + 1, shape) < 0))
        return -1;
    const ptrdiff_t expected[] = {b->n.O, b->n.I};
    if (weight->object &&
        (cm_array_check_type(weight, dout) < 0 ||
         cm_array_check_shape(weight, 2 - b->vector, expected + b->vector) < 0))
        return -1;
    return cm_array_check_float(dout, "linear_backward");
}

static int new_gradients(struct backward *b, struct cm_array *dx,
                         struct cm_array *dweight, struct cm_array *dbias)
{
    const int leading = b->dout.ndim - !b->vector;
    const ptrdiff_t sizes[] = {b->n.O, b->n.I};
    ptrdiff_t shape[CM_MAX_DIMS + 1];
    memcpy(shape, b->dout.shape, (size_t)leading * sizeof *shape);
    shape[leading] = b->n.I;
    if ((b->need_x && cm_array_new(dx, leading + 1, shape, b->dout.type) < 0) ||
        (b->need_weight &&
         cm_array_new(dweight, 2 - b->vector, sizes + b->vector, b->dout.type) < 0) ||
        (b->need_bias && cm_array_new(dbias, !b->vector, sizes, b->dout.type) < 0))
        return -1;
    return 0;
}

static PyObject *linear_backward(PyObject *module, PyObject *const *args,
                                 Py_ssize_t nargs)
{
    struct cm_state *state = cm_state_of(module);
    struct backward b = {0};
    struct cm_array dx = {0}, dweight = {0}, dbias = {0};
    PyObject *result = NULL;
    if (read_backward(&b, args, nargs) < 0 || check_backward(&b) < 0 ||
        cm_array_settle(&b.dout) < 0 || (b.need_weight && cm_array_settle(&b.x) < 0) ||
        (b.need_x && cm_array_settle(&b.weight) < 0) ||
        new_gradients(&b, &dx, &dweight, &dbias) < 0)
        goto done;
    struct product p = {
        .isa = state->isa,
        .type = b.dout.type,
        .n = b.n,
        .x = b.x.data,
        .weight = b.weight.data,
        .dout = b.dout.data,
        .dx = dx.data,
        .dweight = dweight.data,
        .dbias = dbias.data,
    };
    if (run(&p, state, backward_part, b.need_weight ? p.dout : NULL, b.n.B * b.n.O) < 0)
        goto done;
    result =
        Py_BuildValue("NNN", cm_array_give_or_none(&dx),
                      cm_array_give_or_none(&dweight), cm_array_give_or_none(&dbias));
done:
    cm_array_clear(&b.dout);
    cm_array_clear(&b.x);
    cm_array_clear(&b.weight);
    cm_array_clear(&dx);
    cm_array_clear(&dweight);
    cm_array_clear(&dbias);
    return result;
}

PyMethodDef cm_linear_methods[] = {
    {"linear", CM_FASTCALL(linear), "linear(input, weight, bias, /)\n--\n\n"},
    {"linear_backward", CM_FASTCALL(linear_backward),
     "linear_backward(grad_output, input, weight, need_input, need_weight, need_bias, "
     "/)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
