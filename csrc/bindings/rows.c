/* rows.c - the softmax family, along any dimension.

   An array of shape (outer, length, inner) is handled as outer * inner rows of `length`
   values; where inner > 1 the dimension is first moved to the end. */
#include "arguments.h"
#include "arrays.h"
#include "core.h"

#include <string.h>

struct axis {
    ptrdiff_t outer, length, inner;
};

static struct axis axis_of(const struct cm_array *x, int dim)
{
    struct axis axis = {1, x->ndim ? x->shape[dim] : 1, 1};
    for (int i = 0; i < dim; i++)
        axis.outer *= x->shape[i];
    for (int i = dim + 1; i < x->ndim; i++)
        axis.inner *= x->shape[i];
    return axis;
}

/* torch's name of a kernel says whether the dimension is the last one. */
static int check_float(const struct cm_array *x, const char *function, int dim)
{
    char kernel[64];
    if (cm_array_is_float(x))
        return 0;
    PyOS_snprintf(kernel, sizeof kernel, "%s_%skernel_impl", function,
                  dim >= x->ndim - 1 ? "lastdim_" : "");
    return cm_array_check_float(x, kernel);
}

/* A pair of buffers of x's size, where x's rows are not in one piece. */
static int need_scratch(void **scratch, const struct cm_array *x, struct axis axis)
{
    if (axis.inner == 1)
        return 0;
    *scratch = PyMem_RawMalloc(2 * (size_t)x->size * cm_type_bytes(x->type));
    if (*scratch)
        return 0;
    PyErr_NoMemory();
    return -1;
}

enum forward { SOFTMAX, LOG_SOFTMAX };

static void forward_kernel(const struct cm_isa *isa, enum cm_type type,
                           enum forward which, void *out, const void *x, ptrdiff_t B,
                           ptrdiff_t C)
{
    if (which == SOFTMAX)
        CM_CALL(isa, type, softmax, out, x, B, C);
    else
        CM_CALL(isa, type, log_softmax, out, x, B, C);
}

static PyObject *forward(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                         enum forward which)
{
    static const char *const names[] = {"softmax", "log_softmax"};
    static const char *const wheres[][2] = {
        {"softmax(): argument 'input'", "softmax(): argument 'dim'"},
        {"log_softmax(): argument 'input'", "log_softmax(): argument 'dim'"},
    };
    const struct cm_isa *isa = cm_state_of(module)->isa;
    struct cm_array x = {0}, out = {0};
    void *scratch = NULL;
    int64_t given_dim;
    int dim;
    PyObject *result = NULL;
    if (cm_check_count(names[which], nargs, 2) < 0 ||
        cm_read_int64(&given_dim, args[1], wheres[which][1]) < 0 ||
        cm_array_open(&x, args[0], wheres[which][0]) < 0 ||
        cm_check_dim(&dim, given_dim, x.ndim) < 0)
        goto done;
    const struct axis axis = axis_of(&x, dim);
    if (check_float(&x, names[which], dim) < 0 || cm_array_settle(&x) < 0 ||
        need_scratch(&scratch, &x, axis) < 0 ||
        cm_array_new(&out, x.ndim, x.shape, x.type) < 0)
        goto done;
    const ptrdiff_t B = axis.outer * axis.inner, C = axis.length;
    PyThreadState *saved = cm_unlock_gil((double)x.size);
    if (!scratch) {
        forward_kernel(isa, x.type, which, out.data, x.data, B, C);
    } else {
        cm_swap_axes(scratch, x.data, axis.outer, C, axis.inner, x.type);
        forward_kernel(isa, x.type, which, scratch, scratch, B, C);
        cm_swap_axes(out.data, scratch, axis.outer, axis.inner, C, x.type);
    }
    cm_lock_gil(saved);
    result = cm_array_give(&out);
done:
    PyMem_RawFree(scratch);
    cm_array_clear(&x);
    cm_array_clear(&out);
    return result;
}

static void backward_kernel(const struct cm_isa *isa, enum cm_type type,
                            enum forward which, void *dx, const void *dout,
                            const void *out, ptrdiff_t B, ptrdiff_t C)
{
    if (which == SOFTMAX)
        CM_CALL(isa, type, softmax_backward, dx, dout, out, B, C);
    else
        CM_CALL(isa, type, log_softmax_backward, dx, dout, out, B, C);
}

static PyObject *backward(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                          enum forward which)
{
    static const char *const names[] = {"softmax_backward", "log_softmax_backward"};
    static const char *const wheres[][3] = {
        {"softmax_backward(): argument 'grad_output'",
         "softmax_backward(): argument 'output'", "softmax_backward(): argument 'dim'"},
        {"log_softmax_backward(): argument 'grad_output'",
         "log_softmax_backward(): argument 'output'",
         "log_softmax_backward(): argument 'dim'"},
    };
    const struct cm_isa *isa = cm_state_of(module)->isa;
    struct cm_array dout = {0}, out = {0}, dx = {0};
    void *scratch = NULL;
    int64_t given_dim;
    int dim;
    PyObject *result = NULL;
    if (cm_check_count(names[which], nargs, 3) < 0 ||
        cm_read_int64(&given_dim, args[2], wheres[which][2]) < 0 ||
        cm_array_open(&dout, args[0], wheres[which][0]) < 0 ||
        cm_array_open(&out, args[1], wheres[which][1]) < 0 ||
        cm_check_dim(&dim, given_dim, out.ndim) < 0 ||
        check_float(&out, names[which], dim) < 0 ||
        cm_array_check_type(&dout, &out) < 0 ||
        cm_array_check_shape(&dout, out.ndim, out.shape) < 0)
        goto done;
    const struct axis axis = axis_of(&out, dim);
    if (cm_array_settle(&dout) < 0 || cm_array_settle(&out) < 0 ||
        need_scratch(&scratch, &out, axis) < 0 ||
        cm_array_new(&dx, out.ndim, out.shape, out.type) < 0)
        goto done;
    const ptrdiff_t B = axis.outer * axis.inner, C = axis.length;
    PyThreadState *saved = cm_unlock_gil((double)out.size);
    if (!scratch) {
        backward_kernel(isa, out.type, which, dx.data, dout.data, out.data, B, C);
    } else {
        void *rows = (char *)scratch + (size_t)out.size * cm_type_bytes(out.type);
        cm_swap_axes(scratch, dout.data, axis.outer, C, axis.inner, out.type);
        cm_swap_axes(rows, out.data, axis.outer, C, axis.inner, out.type);
        backward_kernel(isa, out.type, which, scratch, scratch, rows, B, C);
        cm_swap_axes(dx.data, scratch, axis.outer, axis.inner, C, out.type);
    }
    cm_lock_gil(saved);
    result = cm_array_give(&dx);
done:
    PyMem_RawFree(scratch);
    cm_array_clear(&dout);
    cm_array_clear(&out);
    cm_array_clear(&dx);
    return result;
}

static PyObject *softmax(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    return forward(module, args, nargs, SOFTMAX);
}

static PyObject *softmax_backward(PyObject *module, PyObject *const *args,
                                  Py_ssize_t nargs)
{
    return backward(module, args, nargs, SOFTMAX);
}

static PyObject *log_softmax(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    return forward(module, args, nargs, LOG_SOFTMAX);
}

static PyObject *log_softmax_backward(PyObject *module, PyObject *const *args,
                                      Py_ssize_t nargs)
{
    return backward(module, args, nargs, LOG_SOFTMAX);
}

struct shape {
    int ndim;
    ptrdiff_t sizes[CM_MAX_DIMS];
};

static struct shape reduced_shape(const struct cm_array *x, int dim, int keepdim)
{
    struct shape shape = {0};
    for (int i = 0; i < x->ndim; i++)
        if (i != dim)
            shape.sizes[shape.ndim++] = x->shape[i];
        else if (keepdim)
            shape.sizes[shape.ndim++] = 1;
    return shape;
}

static PyObject *logsumexp(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    const struct cm_isa *isa = cm_state_of(module)->isa;
    struct cm_array x = {0}, out = {0};
    void *scratch = NULL;
    int64_t given_dim;
    int dim, keepdim;
    PyObject *result = NULL;
    if (cm_check_count("logsumexp", nargs, 3) < 0 ||
        cm_read_int64(&given_dim, args[1], "logsumexp(): argument 'dim'") < 0 ||
        cm_read_bool(&keepdim, args[2]) < 0 ||
        cm_array_open(&x, args[0], "logsumexp(): argument 'input'") < 0 ||
        cm_check_dim(&dim, given_dim, x.ndim) < 0)
        goto done;
    const struct axis axis = axis_of(&x, dim);
    const struct shape shape = reduced_shape(&x, dim, keepdim);
    if (cm_array_check_float(&x, "logsumexp") < 0 || cm_array_settle(&x) < 0 ||
        need_scratch(&scratch, &x, axis) < 0 ||
        cm_array_new(&out, shape.ndim, shape.sizes, x.type) < 0)
        goto done;
    const ptrdiff_t B = axis.outer * axis.inner, C = axis.length;
    PyThreadState *saved = cm_unlock_gil((double)x.size);
    if (scratch)
        cm_swap_axes(scratch, x.data, axis.outer, C, axis.inner, x.type);
    const void *rows = scratch ? scratch : x.data;
    CM_CALL(isa, x.type, logsumexp, out.data, rows, B, C);
    cm_lock_gil(saved);
    result = cm_array_give(&out);
done:
    PyMem_RawFree(scratch);
    cm_array_clear(&x);
    cm_array_clear(&out);
    return result;
}

static PyObject *logsumexp_backward(PyObject *module, PyObject *const *args,
                                    Py_ssize_t nargs)
{
    static const char kernel[] = "logsumexp_backward";
    const struct cm_isa *isa = cm_state_of(module)->isa;
    struct cm_array dout = {0}, x = {0}, out = {0}, dx = {0};
    void *scratch = NULL;
    int64_t given_dim;
    int dim, keepdim;
    PyObject *result = NULL;
    if (cm_check_count("logsumexp_backward", nargs, 5) < 0 ||
        cm_read_int64(&given_dim, args[3], "logsumexp_backward(): argument 'dim'") <
            0 ||
        cm_read_bool(&keepdim, args[4]) < 0 ||
        cm_array_open(&x, args[1], "logsumexp_backward(): argument 'input'") < 0 ||
        cm_check_dim(&dim, given_dim, x.ndim) < 0 ||
        cm_array_check_float(&x, kernel) < 0 ||
        cm_array_read(&dout, args[0], "logsumexp_backward(): argument 'grad_output'",
                      kernel) < 0 ||
        cm_array_read(&out, args[2], "logsumexp_backward(): argument 'output'",
                      kernel) < 0)
        goto done;
    const struct axis axis = axis_of(&x, dim);
    const struct shape shape = reduced_shape(&x, dim, keepdim);
    if (cm_array_check_type(&dout, &x) < 0 || cm_array_check_type(&out, &x) < 0 ||
        cm_array_check_shape(&dout, shape.ndim, shape.sizes) < 0 ||
        cm_array_check_shape(&out, shape.ndim, shape.sizes) < 0 ||
        cm_array_settle(&x) < 0 || need_scratch(&scratch, &x, axis) < 0 ||
        cm_array_new(&dx, x.ndim, x.shape, x.type) < 0)
        goto done;
    const ptrdiff_t B = axis.outer * axis.inner, C = axis.length;
    PyThreadState *saved = cm_unlock_gil((double)x.size);
    if (!scratch) {
        CM_CALL(isa, x.type, logsumexp_backward, dx.data, dout.data, x.data, out.data,
                B, C);
    } else {
        void *rows = (char *)scratch + (size_t)x.size * cm_type_bytes(x.type);
        cm_swap_axes(rows, x.data, axis.outer, C, axis.inner, x.type);
        CM_CALL(isa, x.type, logsumexp_backward, scratch, dout.data, rows, out.data, B,
                C);
        cm_swap_axes(dx.data, scratch, axis.outer, axis.inner, C, x.type);
    }
    cm_lock_gil(saved);
    result = cm_array_give(&dx);
done:
    PyMem_RawFree(scratch);
    cm_array_clear(&dout);
    cm_array_clear(&x);
    cm_array_clear(&out);
    cm_array_clear(&dx);
    return result;
}

/* Index of the largest value of each row, of x (..., C) with C > 0; NULL without memory */
static PyObject *argmax_of(const struct cm_isa *isa, const struct cm_array *x)
{
    struct cm_array index = {0};
    if (cm_array_new(&index, x->ndim - 1, x->shape, CM_I64) < 0)
        return NULL;
    PyThreadState *saved = cm_unlock_gil((double)x->size);
    CM_CALL(isa, x->type, argmax, index.data, x->data, index.size,
            x->shape[x->ndim - 1]);
    cm_lock_gil(saved);
    return cm_array_give(&index);
}

static PyObject *argmax(PyObject *module, PyObject *object)
{
    struct cm_array x = {0};
    PyObject *result = NULL;
    if (cm_array_read(&x, object, "argmax(): argument 'input'", "argmax") < 0)
        goto done;
    if (x.ndim == 0 || x.shape[x.ndim - 1] == 0) {
        PyObject *got = cm_shape_list(x.ndim, x.shape);
        if (got)
            PyErr_Format(
                PyExc_IndexError,
                "argmax(): argument 'input': expected a last dimension of at least "
                "one element, got %R",
                got);
        Py_XDECREF(got);
        goto done;
    }
    result = argmax_of(cm_state_of(module)->isa, &x);
done:
    cm_array_clear(&x);
    return result;
}

/* (tensor, dim): a Tensor; None unless dim is the last dimension of plain floats. */
static PyObject *argmax_along(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    const struct cm_state *state = cm_state_of(module);
    struct cm_array x = {0};
    if (cm_check_count("argmax_along", nargs, 2) < 0)
        return NULL;
    if (!PyObject_TypeCheck(args[0], state->tape.storage_type) ||
        !PyLong_CheckExact(args[1]) ||
        !cm_array_refer(&x, cm_storage_of(args[0])->array, 0) ||
        !cm_array_is_float(&x) || x.ndim == 0 || x.shape[x.ndim - 1] == 0)
        Py_RETURN_NONE;
    int overflow;
    const long dim = PyLong_AsLongAndOverflow(args[1], &overflow);
    if (overflow || (dim != -1 && dim != x.ndim - 1))
        Py_RETURN_NONE;
    Py_INCREF(x.object); /* another thread may give the Tensor another array */
    PyObject *index = argmax_of(state->isa, &x);
    Py_DECREF(x.object);
    return cm_wrap_new(state->tape.tensor_type, index);
}

PyMethodDef cm_rows_methods[] = {
    {"softmax", CM_FASTCALL(softmax), "softmax(input, dim, /)\n--\n\n"},
    {"softmax_backward", CM_FASTCALL(softmax_backward),
     "softmax_backward(grad_output, output, dim, /)\n--\n\n"},
    {"log_softmax", CM_FASTCALL(log_softmax), "log_softmax(input, dim, /)\n--\n\n"},
    {"log_softmax_backward", CM_FASTCALL(log_softmax_backward),
     "log_softmax_backward(grad_output, output, dim, /)\n--\n\n"},
    {"logsumexp", CM_FASTCALL(logsumexp), "logsumexp(input, dim, keepdim, /)\n--\n\n"},
    {"logsumexp_backward", CM_FASTCALL(logsumexp_backward),
     "logsumexp_backward(grad_output, input, output, dim, keepdim, /)\n--\n\n"},
    {"argmax", argmax, METH_O, "argmax(input, /)\n--\n\n"},
    {"argmax_along", CM_FASTCALL(argmax_along), "argmax_along(tensor, dim, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
