/* functional.c - the elementwise functions, and the sum of all elements. */
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

PyMethodDef cm_functional_methods[] = {
    {"relu", relu, METH_O, "relu(input, /)\n--\n\n"},
    {"relu_backward", CM_FASTCALL(relu_backward),
     "relu_backward(grad_output, input, /)\n--\n\n"},
    {"exp", exponential, METH_O, "exp(input, /)\n--\n\n"},
    {"sum", sum, METH_O, "sum(input, /)\n--\n\n"},
    {"log", logarithm, METH_O, "log(input, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
