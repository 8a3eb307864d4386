/* arrays.c - the only file that knows NumPy. */
#include "arrays.h"

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <numpy/arrayobject.h>
#include <string.h>

_Static_assert(sizeof(npy_intp) == sizeof(ptrdiff_t), "a shape is read as ptrdiff_t");
_Static_assert(NPY_MAXDIMS <= CM_MAX_DIMS, "room for every shape");

int cm_arrays_init(void)
{
    return PyArray_ImportNumPyAPI();
}

static PyArrayObject *array_of(const struct cm_array *a)
{
    return (PyArrayObject *)a->object;
}

static enum cm_type type_of(PyArrayObject *array)
{
    switch (PyArray_TYPE(array)) {
    case NPY_FLOAT:
        return CM_F32;
    case NPY_DOUBLE:
        return CM_F64;
    case NPY_INT32:
        return CM_I32;
    case NPY_INT64:
        return CM_I64;
    case NPY_UINT8:
        return CM_U8;
    case NPY_LONGLONG: /* a second name of int64 where long has 64 bits */
        return sizeof(npy_longlong) == sizeof(npy_int64) ? CM_I64 : CM_OTHER;
    default:
        return CM_OTHER;
    }
}

static int number_of(enum cm_type type)
{
    switch (type) {
    case CM_F32:
        return NPY_FLOAT;
    case CM_F64:
        return NPY_DOUBLE;
    case CM_I32:
        return NPY_INT32;
    case CM_I64:
        return NPY_INT64;
    default:
        return NPY_UINT8;
    }
}

/* Takes the reference. */
static void refer(struct cm_array *a, PyArrayObject *array)
{
    a->object = (PyObject *)array;
    a->shape = (const ptrdiff_t *)PyArray_DIMS(array);
    a->size = PyArray_SIZE(array);
    a->ndim = PyArray_NDIM(array);
    a->type = type_of(array);
    a->data = NULL;
}

static int raise_not_array(PyObject *object, const char *where)
{
    PyErr_Format(PyExc_TypeError, "%s must be numpy.ndarray, not %.200s", where,
                 Py_TYPE(object)->tp_name);
    return -1;
}

int cm_array_open(struct cm_array *a, PyObject *object, const char *where)
{
    if (PyArray_Check(object)) {
        Py_INCREF(object);
    } else if (PyArray_IsScalar(object, Generic)) { /* NumPy's reductions give them */
        object = PyArray_FromScalar(object, NULL);
        if (!object)
            return -1;
    } else {
        return raise_not_array(object, where);
    }
    refer(a, (PyArrayObject *)object);
    a->where = where;
    return 0;
}

int cm_array_refer(struct cm_array *a, PyObject *object, int writable)
{
    PyArrayObject *array = (PyArrayObject *)object;
    if (!object || !PyArray_CheckExact(object) || !PyArray_ISCARRAY_RO(array) ||
        (writable && !PyArray_ISWRITEABLE(array)))
        return 0;
    refer(a, array);
    a->data = PyArray_DATA(array);
    return 1;
}

static int settle_with(struct cm_array *a, int flags)
{
    PyArrayObject *array = array_of(a);
    if (PyArray_ISCARRAY_RO(array)) {
        a->data = PyArray_DATA(array);
        return 0;
    }
    PyArray_Descr *native = PyArray_DescrFromType(number_of(a->type));
    PyArrayObject *copy = (PyArrayObject *)PyArray_FromArray(array, native, flags);
    if (!copy)
        return -1;
    Py_DECREF(array);
    refer(a, copy);
    a->data = PyArray_DATA(copy);
    return 0;
}

int cm_array_settle(struct cm_array *a)
{
    return settle_with(a, NPY_ARRAY_CARRAY_RO | NPY_ARRAY_NOTSWAPPED);
}

int cm_array_copy_int64(struct cm_array *a)
{
    PyArrayObject *copy = (PyArrayObject *)PyArray_FromArray(
        array_of(a), PyArray_DescrFromType(NPY_INT64),
        NPY_ARRAY_CARRAY_RO | NPY_ARRAY_NOTSWAPPED | NPY_ARRAY_ENSURECOPY);
    if (!copy)
        return -1;
    Py_DECREF(a->object);
    refer(a, copy);
    a->data = PyArray_DATA(copy);
    return 0;
}

int cm_array_settle_rows(struct cm_array *a, ptrdiff_t *row_stride)
{
    PyArrayObject *array = array_of(a);
    const npy_intp bytes = PyArray_ITEMSIZE(array), *strides = PyArray_STRIDES(array);
    if (PyArray_ISBEHAVED_RO(array) && strides[1] == bytes && strides[0] % bytes == 0 &&
        strides[0] / bytes >= a->shape[1]) {
        a->data = PyArray_DATA(array);
        *row_stride = strides[0] / bytes;
        return 0;
    }
    *row_stride = a->shape[1];
    return cm_array_settle(a);
}

ptrdiff_t cm_array_stride(const struct cm_array *a, int axis)
{
    return PyArray_STRIDE(array_of(a), axis);
}

int cm_array_is_rows(const struct cm_array *a)
{
    return PyArray_IS_C_CONTIGUOUS(array_of(a));
}

int cm_array_new(struct cm_array *a, int ndim, const ptrdiff_t *shape,
                 enum cm_type type)
{
    PyObject *array = PyArray_SimpleNew(ndim, (const npy_intp *)shape, number_of(type));
    if (!array)
        return -1;
    refer(a, (PyArrayObject *)array);
    a->data = PyArray_DATA((PyArrayObject *)array);
    return 0;
}

void cm_array_clear(struct cm_array *a)
{
    if (a->object && (PyArray_FLAGS(array_of(a)) & NPY_ARRAY_WRITEBACKIFCOPY))
        PyArray_DiscardWritebackIfCopy(array_of(a));
    Py_CLEAR(a->object);
    a->data = NULL;
}

PyObject *cm_array_give(struct cm_array *a)
{
    PyObject *object = a->object;
    a->object = NULL;
    a->data = NULL;
    return object;
}

PyObject *cm_array_give_or_none(struct cm_array *a)
{
    return a->object ? cm_array_give(a) : Py_NewRef(Py_None);
}

int cm_array_check_writable(const struct cm_array *a)
{
    PyArrayObject *array = array_of(a);
    if (PyArray_FailUnlessWriteable(array, a->where) < 0)
        return -1;
    for (int i = 0; i < a->ndim; i++)
        if (PyArray_STRIDE(array, i) == 0 && a->shape[i] > 1 && a->size > 0) {
            PyErr_Format(PyExc_RuntimeError,
                         "%s: more than one element refers to a single memory "
                         "location; copy() it first",
                         a->where);
            return -1;
        }
    return 0;
}

int cm_array_copy(PyObject *to, PyObject *from)
{
    return PyArray_CopyInto((PyArrayObject *)to, (PyArrayObject *)from);
}

/* The same elements with the axes ordered by falling stride; a new reference. */
static PyArrayObject *in_order_of_memory(PyArrayObject *array)
{
    npy_intp axes[NPY_MAXDIMS];
    for (int i = 0; i < PyArray_NDIM(array); i++) {
        int at = i;
        npy_intp stride = Py_ABS(PyArray_STRIDE(array, i));
        for (; at > 0 && Py_ABS(PyArray_STRIDE(array, (int)axes[at - 1])) < stride;
             at--)
            axes[at] = axes[at - 1];
        axes[at] = i;
    }
    PyArray_Dims order = {axes, PyArray_NDIM(array)};
    return (PyArrayObject *)PyArray_Transpose(array, &order);
}

int cm_array_open_output(struct cm_array *a, PyObject *object, const char *where,
                         const char *kernel, int in_memory_order)
{
    if (!PyArray_Check(object))
        return raise_not_array(object, where);
    if (cm_array_open(a, object, where) < 0 || cm_array_check_float(a, kernel) < 0 ||
        cm_array_check_writable(a) < 0)
        return -1;
    if (in_memory_order && !PyArray_IS_C_CONTIGUOUS(array_of(a))) {
        PyArrayObject *view = in_order_of_memory(array_of(a));
        if (!view)
            return -1;
        Py_DECREF(a->object);
        refer(a, view);
    }
    return settle_with(a, NPY_ARRAY_CARRAY | NPY_ARRAY_NOTSWAPPED |
                              NPY_ARRAY_WRITEBACKIFCOPY);
}

int cm_array_commit(struct cm_array *a)
{
    return PyArray_ResolveWritebackIfCopy(array_of(a)) < 0 ? -1 : 0;
}

PyObject *cm_array_scale(const struct cm_array *gradient, const struct cm_array *factor,
                         int axis)
{
    npy_intp shape[NPY_MAXDIMS];
    memcpy(shape, gradient->shape, (size_t)gradient->ndim * sizeof *shape);
    shape[axis] = 1;
    PyArray_Dims dims = {shape, gradient->ndim};
    PyObject *spread = PyArray_Newshape(array_of(factor), &dims, NPY_CORDER);
    if (!spread)
        return NULL;
    PyObject *product = PyNumber_Multiply(gradient->object, spread);
    Py_DECREF(spread);
    return product;
}

PyObject *cm_ndarray_of(PyObject *object)
{
    if (PyArray_CheckExact(object))
        return Py_NewRef(object);
    return PyArray_FromAny(object, NULL, 0, 0, NPY_ARRAY_ENSUREARRAY, NULL);
}

int cm_ndarray_owns(PyObject *object)
{
    return PyArray_CheckExact(object) && !PyArray_BASE((PyArrayObject *)object);
}

PyObject *cm_ndarray_copy(PyObject *object)
{
    return PyArray_FromAny(object, NULL, 0, 0,
                           NPY_ARRAY_ENSUREARRAY | NPY_ARRAY_ENSURECOPY, NULL);
}

static int same_strides(PyArrayObject *a, PyArrayObject *b)
{
    for (int i = 0; i < PyArray_NDIM(a); i++)
        if (PyArray_DIM(a, i) > 1 && PyArray_STRIDE(a, i) != PyArray_STRIDE(b, i))
            return 0;
    return 1;
}

/* A new array of array's type and of model's shape and order in memory. */
static PyArrayObject *new_like(PyArrayObject *model, PyArrayObject *array, int rows)
{
    PyArray_Descr *descr = PyArray_DESCR(array);
    Py_INCREF(descr);
    return (PyArrayObject *)PyArray_NewLikeArray(
        model, rows ? NPY_CORDER : NPY_KEEPORDER, descr, 0);
}

PyObject *cm_ndarray_laid_out(PyObject *object, PyObject *like)
{
    PyArrayObject *array = (PyArrayObject *)cm_ndarray_of(object), *copy = NULL;
    if (!array)
        return NULL;
    PyArrayObject *model =
        like && PyArray_CheckExact(like) ? (PyArrayObject *)like : array;
    const int rows = model == array || PyArray_IS_C_CONTIGUOUS(model) ||
                     PyArray_NDIM(model) != PyArray_NDIM(array);
    if (PyArray_SIZE(array) == 0 || (rows && PyArray_IS_C_CONTIGUOUS(array)))
        return (PyObject *)array;
    copy = new_like(rows ? array : model, array, rows);
    if (copy && !rows && !same_strides(copy, model)) /* gaps, or shared memory */
        Py_SETREF(copy, new_like(array, array, 1));
    if (copy && same_strides(copy, array))
        Py_SETREF(copy, (PyArrayObject *)Py_NewRef(array));
    else if (copy && PyArray_CopyInto(copy, array) < 0)
        Py_CLEAR(copy);
    Py_DECREF(array);
    return (PyObject *)copy;
}

/* First byte of the array's memory and the byte behind its last. */
static void extent_of(PyArrayObject *array, const char **first, const char **end)
{
    *first = *end = PyArray_BYTES(array);
    if (PyArray_SIZE(array) == 0)
        return;
    for (int i = 0; i < PyArray_NDIM(array); i++) {
        npy_intp reach = (PyArray_DIM(array, i) - 1) * PyArray_STRIDE(array, i);
        *(reach < 0 ? first : end) += reach;
    }
    *end += PyArray_ITEMSIZE(array);
}

int cm_arrays_overlap(PyObject *a, PyObject *b)
{
    const char *a_first, *a_end, *b_first, *b_end;
    if (!PyArray_Check(a) || !PyArray_Check(b))
        return 0; /* a scalar's value has been copied */
    extent_of((PyArrayObject *)a, &a_first, &a_end);
    extent_of((PyArrayObject *)b, &b_first, &b_end);
    return a_first < b_end && b_first < a_end;
}

const char *cm_type_torch_name(const struct cm_array *a)
{
    static const struct {
        char kind;
        int bytes;
        const char *name;
    } types[] = {
        {'b', 1, "Bool"},         {'i', 1, "Char"},           {'i', 2, "Short"},
        {'i', 4, "Int"},          {'i', 8, "Long"},           {'u', 1, "Byte"},
        {'u', 2, "UInt16"},       {'u', 4, "UInt32"},         {'u', 8, "UInt64"},
        {'f', 2, "Half"},         {'f', 4, "Float"},          {'f', 8, "Double"},
        {'c', 8, "ComplexFloat"}, {'c', 16, "ComplexDouble"},
    };
    const PyArray_Descr *descr = PyArray_DESCR(array_of(a));
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].kind == descr->kind &&
            types[i].bytes == PyArray_ITEMSIZE(array_of(a)))
            return types[i].name;
    return cm_type_numpy_name(a); /* another package's type, or long double */
}

const char *cm_type_numpy_name(const struct cm_array *a)
{
    const char *name = PyArray_DESCR(array_of(a))->typeobj->tp_name;
    return strncmp(name, "numpy.", 6) == 0 ? name + 6 : name;
}

int cm_ndarrays_are_like_integers(PyObject *a, PyObject *b)
{
    if (!a || !b || !PyArray_CheckExact(a) || !PyArray_CheckExact(b))
        return 0;
    PyArrayObject *x = (PyArrayObject *)a, *y = (PyArrayObject *)b;
    return PyArray_TYPE(x) == PyArray_TYPE(y) && !PyArray_ISFLOAT(x) &&
           PyArray_ISCARRAY_RO(x) && PyArray_ISCARRAY_RO(y) && PyArray_SAMESHAPE(x, y);
}
