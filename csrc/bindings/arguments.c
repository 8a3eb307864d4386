/* arguments.c - reads integers, numbers, flags and dimensions; errors are torch's. */
#include "arguments.h"

#include <limits.h>

int cm_check_count(const char *function, Py_ssize_t given, Py_ssize_t expected)
{
    if (given == expected)
        return 0;
    PyErr_Format(PyExc_TypeError,
                 "%s() takes exactly %zd positional arguments (%zd given)", function,
                 expected, given);
    return -1;
}

int cm_read_int64(int64_t *value, PyObject *object, const char *where)
{
    if (PyBool_Check(object) || !PyIndex_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be int, not %.200s", where,
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    PyObject *index = PyNumber_Index(object);
    if (!index)
        return -1;
    int overflow;
    *value = PyLong_AsLongLongAndOverflow(index, &overflow);
    if (overflow)
        PyErr_Format(PyExc_ValueError, "%s: %S does not fit in 64 bits", where, index);
    Py_DECREF(index);
    return PyErr_Occurred() ? -1 : 0;
}

int cm_read_size(ptrdiff_t *value, PyObject *object, const char *where)
{
    int64_t size;
    if (cm_read_int64(&size, object, where) < 0)
        return -1;
    if (size < 0) {
        PyErr_Format(PyExc_RuntimeError, "%s must be non-negative, got %lld", where,
                     (long long)size);
        return -1;
    }
    *value = (ptrdiff_t)size;
    return 0;
}

int cm_read_double(double *value, PyObject *object, const char *where)
{
    *value = PyFloat_AsDouble(object);
    if (*value != -1.0 || !PyErr_Occurred())
        return 0;
    if (PyErr_ExceptionMatches(PyExc_TypeError))
        PyErr_Format(PyExc_TypeError, "%s must be float, not %.200s", where,
                     Py_TYPE(object)->tp_name);
    return -1;
}

int cm_read_bool(int *value, PyObject *object)
{
    *value = PyObject_IsTrue(object);
    return *value < 0 ? -1 : 0;
}

int cm_check_dim(int *dim, int64_t value, int ndim)
{
    const int64_t range =
        ndim > 0 ? ndim : 1; /* a 0-d array has dimension 0 (and -1) */
    if (value < -range || value >= range) {
        PyErr_Format(PyExc_IndexError,
                     "Dimension out of range (expected to be in range of [%lld, %lld], "
                     "but got %lld)",
                     (long long)-range, (long long)(range - 1), (long long)value);
        return -1;
    }
    *dim = (int)(value < 0 ? value + range : value);
    return 0;
}

int cm_read_threads(int *threads, PyObject *object)
{
    int64_t n;
    if (cm_read_int64(&n, object, "num_threads") < 0)
        return -1;
    *threads = (int)n;
    if (n >= 0 && n <= INT_MAX)
        return 0;
    PyErr_Format(PyExc_ValueError, "num_threads: expected 1 to %d, got %lld", INT_MAX,
                 (long long)n);
    return -1;
}
