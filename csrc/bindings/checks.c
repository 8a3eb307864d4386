/* checks.c - whether an array has the type and the shape that it must have. */
#include "arrays.h"

int cm_array_check_float(const struct cm_array *a, const char *kernel)
{
    if (cm_array_is_float(a))
        return 0;
    PyErr_Format(PyExc_NotImplementedError, "\"%s\" not implemented for '%s'", kernel,
                 cm_type_torch_name(a));
    return -1;
}

int cm_array_read(struct cm_array *a, PyObject *object, const char *where,
                  const char *kernel)
{
    if (cm_array_open(a, object, where) < 0 || cm_array_check_float(a, kernel) < 0)
        return -1;
    return cm_array_settle(a);
}

int cm_array_check_type(const struct cm_array *a, const struct cm_array *b)
{
    if (a->type == b->type)
        return 0;
    PyErr_Format(PyExc_RuntimeError, "%s: expected dtype %s, got %s", a->where,
                 cm_type_numpy_name(b), cm_type_numpy_name(a));
    return -1;
}

PyObject *cm_shape_list(int ndim, const ptrdiff_t *shape)
{
    PyObject *list = PyList_New(ndim);
    for (int i = 0; list && i < ndim; i++) {
        PyObject *size = PyLong_FromSsize_t(shape[i]);
        if (!size)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, size);
    }
    return list;
}

int cm_array_has_shape(const struct cm_array *a, int ndim, const ptrdiff_t *shape)
{
    if (a->ndim != ndim)
        return 0;
    for (int i = 0; i < ndim; i++)
        if (a->shape[i] != shape[i])
            return 0;
    return 1;
}

int cm_array_check_shape(const struct cm_array *a, int ndim, const ptrdiff_t *shape)
{
    if (cm_array_has_shape(a, ndim, shape))
        return 0;
    PyObject *expected = cm_shape_list(ndim, shape);
    PyObject *got = cm_shape_list(a->ndim, a->shape);
    if (expected && got)
        PyErr_Format(PyExc_RuntimeError, "%s: expected shape %R, got %R", a->where,
                     expected, got);
    Py_XDECREF(expected);
    Py_XDECREF(got);
    return -1;
}
