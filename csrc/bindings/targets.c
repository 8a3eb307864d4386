/* targets.c - checks of the losses' arguments. */
#include "targets.h"

#include "arguments.h"

#include <string.h>

int cm_read_reduction(enum cm_reduction *reduction, PyObject *object, const char *where)
{
    int64_t code;
    if (cm_read_int64(&code, object, where) < 0)
        return -1;
    if (code < CM_NONE || code > CM_SUM) {
        PyErr_Format(PyExc_ValueError, "%lld is not a valid value for reduction",
                     (long long)code);
        return -1;
    }
    *reduction = (enum cm_reduction)code;
    return 0;
}

int cm_targets_open(struct cm_targets *t, PyObject *const *args,
                    const char *const wheres[5])
{
    if (cm_read_int64(&t->ignore_index, args[3], wheres[3]) < 0 ||
        cm_read_reduction(&t->reduction, args[4], wheres[4]) < 0 ||
        cm_array_open(&t->x, args[0], wheres[0]) < 0 ||
        cm_array_open(&t->target, args[1], wheres[1]) < 0 ||
        (args[2] != Py_None && cm_array_open(&t->weight, args[2], wheres[2]) < 0))
        return -1;
    const struct cm_array *x = &t->x;
    t->outer = x->ndim > 1 ? x->shape[0] : 1;
    t->C = x->ndim == 0 ? 0 : x->shape[x->ndim > 1];
    t->inner = 1;
    for (int i = 2; i < x->ndim; i++)
        t->inner *= x->shape[i];
    t->B = t->outer * t->inner;
    return 0;
}

void cm_targets_clear(struct cm_targets *t)
{
    cm_array_clear(&t->x);
    cm_array_clear(&t->target);
    cm_array_clear(&t->weight);
    PyMem_RawFree(t->index);
    t->index = NULL;
}

/* x's shape without the class dimension; returns its length */
static int losses_shape(const struct cm_array *x, ptrdiff_t shape[CM_MAX_DIMS])
{
    int ndim = 0;
    for (int i = 0; i < x->ndim && x->ndim > 1; i++)
        if (i != 1)
            shape[ndim++] = x->shape[i];
    return ndim;
}

int cm_targets_new_losses(const struct cm_targets *t, struct cm_array *losses)
{
    ptrdiff_t shape[CM_MAX_DIMS];
    const int ndim = losses_shape(&t->x, shape);
    return cm_array_new(losses, ndim, shape, t->x.type);
}

int cm_check_dout(const struct cm_array *dout, const struct cm_array *x,
                  enum cm_reduction reduction)
{
    ptrdiff_t shape[CM_MAX_DIMS];
    const int ndim = reduction == CM_NONE ? losses_shape(x, shape) : 0;
    if (cm_array_check_type(dout, x) < 0)
        return -1;
    return cm_array_check_shape(dout, ndim, shape);
}

/* "Expected target size [2, 4], got [2, 5]" */
static int expect_target_shape(const struct cm_array *target, int ndim,
                               const ptrdiff_t *shape)
{
    if (cm_array_has_shape(target, ndim, shape))
        return 0;
    PyObject *expected = cm_shape_list(ndim, shape);
    PyObject *got = cm_shape_list(target->ndim, target->shape);
    if (expected && got)
        PyErr_Format(PyExc_RuntimeError, "Expected target size %R, got %R", expected,
                     got);
    Py_XDECREF(expected);
    Py_XDECREF(got);
    return -1;
}

static int check_index_shape(const struct cm_array *x, const struct cm_array *target)
{
    if (x->ndim == 0) {
        PyErr_SetString(PyExc_ValueError, "Expected 1 or more dimensions (got 0)");
        return -1;
    }
    const ptrdiff_t targets = target->ndim ? target->shape[0] : 0;
    if (x->ndim > 1 && x->shape[0] == 0 && target->ndim == 0) {
        PyErr_SetString(
            PyExc_IndexError,
            "Dimension specified as 0 but tensor has no dimensions: target");
        return -1;
    }
    if (x->ndim > 1 && (target->ndim == 0 || x->shape[0] != targets)) {
        PyErr_Format(PyExc_ValueError,
                     "Expected input batch_size (%zd) to match target batch_size "
                     "(%zd).",
                     x->shape[0], targets);
        return -1;
    }
    if (x->ndim > 2) {
        ptrdiff_t shape[CM_MAX_DIMS];
        const int ndim = losses_shape(x, shape);
        return expect_target_shape(target, ndim, shape);
    }
    if (target->ndim > 1) {
        PyErr_Format(PyExc_RuntimeError,
                     "0D or 1D target tensor expected, multi-target not supported: got "
                     "a target of %d dimensions for an input of %d",
                     target->ndim, x->ndim);
        return -1;
    }
    if (x->ndim == 1 && target->ndim == 1 && targets != 1) {
        PyErr_Format(PyExc_ValueError,
                     "For 1D input, 1D target must have size 1, but got target size: "
                     "%zd",
                     targets);
        return -1;
    }
    return 0;
}

static int check_weight_shape(const struct cm_targets *t)
{
    const struct cm_array *weight = &t->weight;
    if (!weight->object || (weight->ndim == 1 && weight->size == t->C))
        return 0;
    PyObject *got = cm_shape_list(weight->ndim, weight->shape);
    if (got)
        PyErr_Format(PyExc_RuntimeError,
                     "weight tensor should be defined either for all %zd classes or no "
                     "classes but got weight tensor of shape: %R",
                     t->C, got);
    Py_XDECREF(got);
    return -1;
}

/* Target `value` of row i is neither a class nor ignored. */
static void raise_out_of_bounds(const struct cm_targets *t, ptrdiff_t i, int64_t value)
{
    if (t->target.ndim <= 1) {
        char row[48] = "";
        if (t->target.ndim == 1)
            PyOS_snprintf(row, sizeof row, " at row %lld", (long long)i);
        PyErr_Format(PyExc_IndexError,
                     "Target %lld%s is out of bounds for %zd classes.",
                     (long long)value, row, t->C);
        return;
    }
    ptrdiff_t position[CM_MAX_DIMS];
    for (int d = t->target.ndim - 1; d >= 0; d--) {
        position[d] = i % t->target.shape[d];
        i /= t->target.shape[d];
    }
    PyObject *list = cm_shape_list(t->target.ndim, position);
    if (list)
        PyErr_Format(PyExc_IndexError,
                     "Target %lld at position %R is out of bounds for %zd classes.",
                     (long long)value, list, t->C);
    Py_XDECREF(list);
}

/* A private copy: a target changed by another thread must not send a kernel astray. */
static int copy_indices(struct cm_targets *t)
{
    const int64_t *longs = t->target.type == CM_I64 ? t->target.data : NULL;
    const uint8_t *bytes = t->target.data;
    t->index = PyMem_RawMalloc((size_t)t->B * sizeof *t->index);
    if (!t->index) {
        PyErr_Format(PyExc_MemoryError, "not enough memory for %zd labels", t->B);
        return -1;
    }
    for (ptrdiff_t i = 0; i < t->B; i++) {
        const int64_t value = longs ? longs[i] : bytes[i];
        t->index[i] = value;
        if (value == t->ignore_index)
            continue;
        t->counted++;
        if (value < 0 || value >= t->C) {
            raise_out_of_bounds(t, i, value);
            return -1;
        }
    }
    return 0;
}

/* "Int (int32)": torch's name of the type and NumPy's */
static PyObject *names_of_type(const struct cm_array *a)
{
    const char *torch = cm_type_torch_name(a), *numpy = cm_type_numpy_name(a);
    if (strcmp(torch, numpy) == 0)
        return PyUnicode_FromString(numpy);
    return PyUnicode_FromFormat("%s (%s)", torch, numpy);
}

/* torch takes uint8 where x is (C) or (N, C) only. */
static int check_index_type(const struct cm_targets *t)
{
    const int longs_only = t->x.ndim > 2;
    if (t->target.type == CM_I64 || (t->target.type == CM_U8 && !longs_only))
        return 0;
    PyObject *got = names_of_type(&t->target);
    if (got)
        PyErr_Format(PyExc_RuntimeError,
                     "expected target dtype to be %s, but got %U: write "
                     "np.asarray(y, np.int64), or y.long() of a Tensor",
                     longs_only
                         ? "Long (int64) for an input of more than two dimensions"
                         : "Long or Byte (int64 or uint8)",
                     got);
    Py_XDECREF(got);
    return -1;
}

static int read_target(struct cm_targets *t)
{
    if (check_index_type(t) < 0 || cm_array_settle(&t->target) < 0)
        return -1;
    return copy_indices(t);
}

int cm_targets_read_labels(struct cm_targets *t, ptrdiff_t rows, ptrdiff_t C)
{
    const ptrdiff_t shape[] = {rows, C};
    const struct cm_array logits = {.ndim = 2, .shape = shape};
    t->B = rows;
    t->C = C;
    return check_index_shape(&logits, &t->target) < 0 ? -1 : read_target(t);
}

int cm_targets_read_indices(struct cm_targets *t)
{
    if (check_index_shape(&t->x, &t->target) < 0 || check_index_type(t) < 0 ||
        check_weight_shape(t) < 0 ||
        cm_array_check_float(&t->x, "nll_loss_out_frame") < 0 ||
        (t->weight.object && (cm_array_check_type(&t->weight, &t->x) < 0 ||
                              cm_array_settle(&t->weight) < 0)) ||
        read_target(t) < 0)
        return -1;
    return cm_array_settle(&t->x);
}

int cm_targets_read_probabilities(struct cm_targets *t)
{
    if (!cm_array_is_float(&t->target)) {
        PyObject *got = names_of_type(&t->target);
        if (got)
            PyErr_Format(PyExc_RuntimeError,
                         "Expected floating point type for target with class "
                         "probabilities, got %U",
                         got);
        Py_XDECREF(got);
        return -1;
    }
    if (t->ignore_index >= 0) {
        PyErr_SetString(PyExc_RuntimeError,
                        "ignore_index is not supported for floating point target");
        return -1;
    }
    if (t->x.ndim == 0) {
        PyErr_SetString(PyExc_IndexError,
                        "Dimension specified as 1 but tensor has no dimensions");
        return -1;
    }
    if (check_weight_shape(t) < 0 ||
        cm_array_check_float(&t->x, "log_softmax_kernel_impl") < 0 ||
        cm_array_check_type(&t->target, &t->x) < 0 ||
        (t->weight.object && (cm_array_check_type(&t->weight, &t->x) < 0 ||
                              cm_array_settle(&t->weight) < 0)))
        return -1;
    t->counted = t->B;
    return cm_array_settle(&t->x) < 0 ? -1 : cm_array_settle(&t->target);
}

int cm_check_smoothing(double label_smoothing)
{
    if (!(label_smoothing > 1.0))
        return 0;
    PyObject *got = PyFloat_FromDouble(label_smoothing);
    if (got)
        PyErr_Format(PyExc_RuntimeError,
                     "label_smoothing must be between 0.0 and 1.0. Got: %R", got);
    Py_XDECREF(got);
    return -1;
}
