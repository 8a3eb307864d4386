/* linear.c - linear and its gradients; x is (..., I), weight (O, I) or (I). */
#include "arguments.h"
#include "arrays.h"
#include "core.h"

#include <string.h>

/* B is the product of x's leading sizes; a vector of weights counts as O = 1. */
struct sizes {
    ptrdiff_t B, I, O;
};

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
static int check_features(const struct cm_array *x, const struct cm_array *weight,
                          struct sizes n)
{
    const ptrdiff_t features = weight->shape[weight->ndim - 1];
    if (n.I == features)
        return 0;
    PyObject *got = cm_shape_list(weight->ndim, weight->shape);
    if (got && weight->ndim == 2)
        PyErr_Format(PyExc_RuntimeError,
                     "mat1 and mat2 shapes cannot be multiplied (%zdx%zd and %zdx%zd): "
                     "weight: expected shape [O, %zd], got %R",
                     n.B, n.I, features, n.O, n.I, got);
    else if (got)
        PyErr_Format(PyExc_RuntimeError,
                     "size mismatch, got input (%zd), mat (%zdx%zd), vec (%zd): "
                     "weight: expected shape [%zd], got %R",
                     n.B, n.B, n.I, features, x->shape[x->ndim - 1], got);
    Py_XDECREF(got);
    return -1;
}

/* As cm_array_check_type, and what to write: data of another type is what happens most */
static int check_types(const struct cm_array *x, const struct cm_array *weight)
{
    if (x->type == weight->type || !cm_array_is_float(weight))
        return cm_array_check_type(weight, x);
    PyErr_Format(PyExc_RuntimeError,
                 "%s: expected dtype %s, got %s: input.%s() is of the type of weight",
                 weight->where, cm_type_numpy_name(x), cm_type_numpy_name(weight),
                 weight->type == CM_F64 ? "double" : "float");
    return -1;
}

/* (O); for a vector of weights a 0-d bias, and only with a vector x, as in torch */
static int check_bias(const struct cm_array *bias, const struct cm_array *x,
                      const struct cm_array *weight)
{
    if (cm_array_check_type(bias, x) < 0)
        return -1;
    if (weight->ndim == 1 && x->ndim > 1) {
        PyErr_Format(PyExc_RuntimeError,
                     "%s: a 1-D weight takes a bias only with a 1-D input, got an "
                     "input of %d dimensions",
                     bias->where, x->ndim);
        return -1;
    }
    return cm_array_check_shape(bias, weight->ndim - 1, weight->shape);
}

static PyObject *linear(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct cm_state *state = cm_state_of(module);
    const struct cm_isa *isa = state->isa;
    struct cm_array x = {0}, weight = {0}, bias = {0}, out = {0};
    void *work = NULL;
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
    if (check_features(&x, &weight, n) < 0 ||
        (bias.object && check_bias(&bias, &x, &weight) < 0) ||
        cm_array_check_float(&x, "linear") < 0 || cm_array_settle(&x) < 0 ||
        cm_array_settle(&weight) < 0 || (bias.object && cm_array_settle(&bias) < 0) ||
        cm_array_new(&out, x.ndim - (weight.ndim == 1), shape, x.type) < 0 ||
        !(work = cm_take_work(state)))
        goto done;
    PyThreadState *saved = cm_unlock_gil((double)n.B * (double)n.I * (double)n.O);
    CM_CALL(isa, x.type, linear, out.data, x.data, weight.data, bias.data, n.B, n.I,
            n.O, work);
    cm_lock_gil(saved);
    cm_give_work(state, work);
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
    const struct cm_isa *isa = state->isa;
    struct backward b = {0};
    struct cm_array dx = {0}, dweight = {0}, dbias = {0};
    void *work = NULL;
    PyObject *result = NULL;
    if (read_backward(&b, args, nargs) < 0 || check_backward(&b) < 0 ||
        cm_array_settle(&b.dout) < 0 || (b.need_weight && cm_array_settle(&b.x) < 0) ||
        (b.need_x && cm_array_settle(&b.weight) < 0) ||
        new_gradients(&b, &dx, &dweight, &dbias) < 0 || !(work = cm_take_work(state)))
        goto done;
    const enum cm_type type = b.dout.type;
    const struct sizes n = b.n;
    PyThreadState *saved = cm_unlock_gil((double)n.B * (double)n.I * (double)n.O);
    if (b.need_x)
        CM_CALL(isa, type, linear_backward_input, dx.data, b.dout.data, b.weight.data,
                n.B, n.I, n.O, work);
    if (b.need_weight)
        CM_CALL(isa, type, linear_backward_weight, dweight.data, b.dout.data, b.x.data,
                n.B, n.I, n.O, work);
    if (b.need_bias)
        CM_CALL(isa, type, linear_backward_bias, dbias.data, b.dout.data, n.B, n.O);
    cm_lock_gil(saved);
    cm_give_work(state, work);
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
