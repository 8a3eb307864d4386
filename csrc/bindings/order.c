/* order.c - in which order the axes of a result lie in memory: as torch's TensorIterator
   chooses it from the strides of the operands. */
#include "arguments.h"
#include "arrays.h"
#include "core.h"

/* An operand's stride along an axis of the result; 0 where it is repeated. */
static ptrdiff_t stride_along(const struct cm_array *operand, int axis, int ndim,
                              const ptrdiff_t *shape)
{
    const int own = axis - (ndim - operand->ndim);
    if (own < 0 || (operand->shape[own] == 1 && shape[axis] != 1))
        return 0;
    return cm_array_stride(operand, own);
}

/* > 0: `fast` should lie outside `slow`; < 0: they are right; 0: no operand tells. */
static int compare(int fast, int slow, int ndim, const ptrdiff_t *shape,
                   const struct cm_array *operands, int count)
{
    for (int i = 0; i < count; i++) {
        const ptrdiff_t a = stride_along(&operands[i], fast, ndim, shape);
        const ptrdiff_t b = stride_along(&operands[i], slow, ndim, shape);
        if (a == 0 || b == 0)
            continue;
        if (a != b)
            return a < b ? -1 : 1;
        if (shape[fast] > shape[slow])
            return 1;
    }
    return 0;
}

/* axes of the result, the one of the largest step first */
static void find_order(int *axes, int ndim, const ptrdiff_t *shape,
                       const struct cm_array *operands, int count)
{
    for (int i = 0; i < ndim; i++)
        axes[i] = i;
    for (int i = ndim - 2; i >= 0; i--)
        for (int slow = i, fast = i + 1; fast < ndim; fast++) {
            const int wrong =
                compare(axes[fast], axes[slow], ndim, shape, operands, count);
            if (wrong < 0)
                break;
            if (wrong > 0) {
                const int axis = axes[slow];
                axes[slow] = axes[fast];
                axes[fast] = axis;
                slow = fast;
            }
        }
}

static PyObject *order_of_result(const struct cm_array *operands, int count)
{
    const int other = count > 1 && operands[1].ndim > operands[0].ndim;
    const int ndim = operands[other].ndim;
    ptrdiff_t shape[CM_MAX_DIMS];
    int axes[CM_MAX_DIMS];
    for (int i = 0; i < ndim; i++) {
        shape[i] = 1;
        for (int k = 0; k < count; k++) {
            const int own = i - (ndim - operands[k].ndim);
            if (own >= 0 && operands[k].shape[own] != 1)
                shape[i] = operands[k].shape[own];
        }
    }
    find_order(axes, ndim, shape, operands, count);
    PyObject *order = PyTuple_New(ndim);
    for (int i = 0; order && i < ndim; i++) {
        PyObject *axis = PyLong_FromLong(axes[i]);
        if (!axis)
            Py_CLEAR(order);
        else
            PyTuple_SET_ITEM(order, i, axis);
    }
    return order;
}

/* (x) or (x, y): None where all operands lie row after row, so that the result does. */
static PyObject *memory_order(PyObject *Py_UNUSED(module), PyObject *const *args,
                              Py_ssize_t nargs)
{
    struct cm_array operands[2] = {{0}, {0}};
    PyObject *order = NULL;
    int plain = 1, count = 0;
    if (nargs != 1 && cm_check_count("memory_order", nargs, 2) < 0)
        return NULL;
    for (; count < nargs; count++) {
        if (cm_array_open(&operands[count], args[count], "memory_order()") < 0)
            goto done;
        plain &= cm_array_is_rows(&operands[count]);
    }
    order = plain ? Py_NewRef(Py_None) : order_of_result(operands, count);
done:
    for (int i = 0; i < count; i++)
        cm_array_clear(&operands[i]);
    return order;
}

PyMethodDef cm_order_methods[] = {
    {"memory_order", CM_FASTCALL(memory_order), "memory_order(x, y=..., /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
