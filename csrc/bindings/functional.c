/* functional.c - the elementwise functions, the sum of all elements, and what a loop asks
   of a batch's answers: are they the targets, and what is their mean. */
#include "arguments.h"
#include "arrays.h"
#include "core.h"

enum map { EXP, LOG, RELU };

static void map(const struct cm_isa *isa, enum cm_type type, enum map which, void *out,
                const void *x, ptrdiff_t n)
{
    if (which == EXP)
        CM_CALL(isa, type, exp, out, x, n);
    else if (which == LOG)
        CM_CALL(isa, type, log, out, x, n);
    else
        CM_CALL(isa, type, relu, out, x, n);
}

static PyObject *elementwise(PyObject *module, PyObject *object, enum map which,
                             const char *kernel, const char *where)
{
    const struct cm_isa *isa = cm_state_of(module)->isa;
    struct cm_array x = {0}, out = {0};
    PyObject *result = NULL;
    if (cm_array_read(&x, object, where, kernel) < 0 ||
        cm_array_new(&out, x.ndim, x.shape, x.type) < 0)
        goto done;
    PyThreadState *saved = cm_unlock_gil((double)x.size);
    map(isa, x.type, which, out.data, x.data, x.size);
    cm_lock_gil(saved);
    result = cm_array_give(&out);
done:
    cm_array_clear(&x);
    return result;
}

static PyObject *relu(PyObject *module, PyObject *x)
{
    return elementwise(module, x, RELU, "relu", "relu(): argument 'input'");
}

static PyObject *exponential(PyObject *module, PyObject *x)
{
    return elementwise(module, x, EXP, "exp", "exp(): argument 'input'");
}

static PyObject *logarithm(PyObject *module, PyObject *x)
{
    return elementwise(module, x, LOG, "log", "log(): argument 'input'");
}

static PyObject *relu_backward(PyObject *module, PyObject *const *args,
                               Py_ssize_t nargs)
{
    const struct cm_isa *isa = cm_state_of(module)->isa;
    struct cm_array dout = {0}, x = {0}, dx = {0};
    PyObject *result = NULL;
    if (cm_check_count("relu_backward", nargs, 2) < 0 ||
        cm_array_read(&dout, args[0], "relu_backward(): argument 'grad_output'",
                      "relu_backward") < 0 ||
        cm_array_read(&x, args[1], "relu_backward(): argument 'input'",
                      "relu_backward") < 0 ||
        cm_array_check_type(&dout, &x) < 0 ||
        cm_array_check_shape(&dout, x.ndim, x.shape) < 0 ||
        cm_array_new(&dx, x.ndim, x.shape, x.type) < 0)
        goto done;
    PyThreadState *saved = cm_unlock_gil((double)x.size);
    CM_CALL(isa, x.type, relu_backward, dx.data, dout.data, x.data, x.size);
    cm_lock_gil(saved);
    result = cm_array_give(&dx);
done:
    cm_array_clear(&dout);
    cm_array_clear(&x);
    return result;
}

/* sum of x, as a 0-d array of x's type; added up in double */
static PyObject *sum(PyObject *module, PyObject *object)
{
    const struct cm_isa *isa = cm_state_of(module)->isa;
    struct cm_array x = {0}, out = {0};
    PyObject *result = NULL;
    if (cm_array_read(&x, object, "sum(): argument 'input'", "sum") < 0 ||
        cm_array_new(&out, 0, NULL, x.type) < 0)
        goto done;
    PyThreadState *saved = cm_unlock_gil((double)x.size);
    const double total = CM_CALL(isa, x.type, sum, x.data, x.size);
    cm_lock_gil(saved);
    cm_array_set_item(&out, total);
    result = cm_array_give(&out);
done:
    cm_array_clear(&x);
    return result;
}

/* The mean of all elements, as a Tensor; None where the tape must know of it, and where
   NumPy decides. */
static PyObject *mean(PyObject *module, PyObject *tensor)
{
    const struct cm_state *state = cm_state_of(module);
    struct cm_array x = {0}, out = {0};
    if (!PyObject_TypeCheck(tensor, state->tape.storage_type) ||
        (cm_grad_enabled() && !cm_is_alone(cm_storage_of(tensor))) ||
        !cm_array_refer(&x, cm_storage_of(tensor)->array, 0) ||
        !cm_array_is_float(&x) || x.size == 0)
        Py_RETURN_NONE;
    if (cm_array_new(&out, 0, NULL, x.type) < 0)
        return NULL;
    Py_INCREF(x.object); /* another thread may give the Tensor another array */
    PyThreadState *saved = cm_unlock_gil((double)x.size);
    const double total = CM_CALL(state->isa, x.type, sum, x.data, x.size);
    cm_lock_gil(saved);
    Py_DECREF(x.object);
    if (x.type == CM_F32) /* the sum and the count are float32, too */
        *(float *)out.data = (float)total / (float)x.size;
    else
        *(double *)out.data = total / (double)x.size;
    return cm_wrap_new(state->tape.tensor_type, cm_array_give(&out));
}

/* (function, x, y): function, of NumPy, of two Tensors of the same shape and type, as a
   Tensor off the tape; None where they differ or are floats. */
static PyObject *compare_integers(PyObject *module, PyObject *const *args,
                                  Py_ssize_t nargs)
{
    const struct cm_tape *tape = &cm_state_of(module)->tape;
    if (cm_check_count("compare_integers", nargs, 3) < 0)
        return NULL;
    if (!PyObject_TypeCheck(args[1], tape->storage_type) ||
        !PyObject_TypeCheck(args[2], tape->storage_type))
        Py_RETURN_NONE;
    PyObject *const pair[] = {cm_storage_of(args[1])->array,
                              cm_storage_of(args[2])->array};
    if (!cm_ndarrays_are_like_integers(pair[0], pair[1]))
        Py_RETURN_NONE;
    Py_INCREF(pair[0]); /* another thread may give the Tensors other arrays */
    Py_INCREF(pair[1]);
    PyObject *result = PyObject_Vectorcall(args[0], pair, 2, NULL);
    Py_DECREF(pair[0]);
    Py_DECREF(pair[1]);
    return cm_wrap_new(tape->tensor_type, result);
}

PyMethodDef cm_functional_methods[] = {
    {"relu", relu, METH_O, "relu(input, /)\n--\n\n"},
    {"relu_backward", CM_FASTCALL(relu_backward),
     "relu_backward(grad_output, input, /)\n--\n\n"},
    {"exp", exponential, METH_O, "exp(input, /)\n--\n\n"},
    {"sum", sum, METH_O, "sum(input, /)\n--\n\n"},
    {"log", logarithm, METH_O, "log(input, /)\n--\n\n"},
    {"mean", mean, METH_O, "mean(tensor, /)\n--\n\n"},
    {"compare_integers", CM_FASTCALL(compare_integers),
     "compare_integers(function, x, y, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
