/* arithmetic.c - `+ - * /` of plain operands: float arrays as the kernels want them, of one
   shape and type, or one such array and a 0-d one. Of others the functions make None, and
   NumPy does what they mean. */
#include "arguments.h"
#include "arrays.h"
#include "core.h"

static void apply(const struct cm_isa *isa, enum cm_operation op,
                  const struct cm_array *out, const struct cm_array *x,
                  const struct cm_array *y)
{
    const ptrdiff_t n = x->size, step = y->ndim > 0;
    CM_CALL(isa, x->type, arithmetic, out->data, x->data, op, y->data, step, n);
}

static int refer_to_both(struct cm_array *x, PyObject *left, int writable,
                         struct cm_array *y, PyObject *right)
{
    return cm_array_refer(x, left, writable) && cm_array_refer(y, right, 0) &&
           (x->type == CM_F32 || x->type == CM_F64) && y->type == x->type &&
           (y->ndim == 0 || cm_array_has_shape(y, x->ndim, x->shape));
}

/* (x, y, in_place): the result is a new array, or x itself. */
static PyObject *arithmetic(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                            enum cm_operation op, const char *name)
{
    const struct cm_isa *isa = cm_state_of(module)->isa;
    struct cm_array x = {0}, y = {0}, out = {0};
    int in_place;
    if (cm_check_count(name, nargs, 3) < 0 || cm_read_bool(&in_place, args[2]) < 0)
        return NULL;
    if (!refer_to_both(&x, args[0], in_place, &y, args[1]))
        Py_RETURN_NONE;
    if (!in_place && cm_array_new(&out, x.ndim, x.shape, x.type) < 0)
        return NULL;
    PyThreadState *saved = cm_unlock_gil((double)x.size);
    apply(isa, op, in_place ? &x : &out, &x, &y);
    cm_lock_gil(saved);
    return in_place ? Py_NewRef(args[0]) : cm_array_give(&out);
}

int cm_add_in_place(const struct cm_isa *isa, PyObject *array, PyObject *other)
{
    struct cm_array x = {0}, y = {0};
    if (refer_to_both(&x, array, 1, &y, other)) {
        apply(isa, CM_ADD, &x, &x, &y);
        return 0;
    }
    PyObject *sum = PyNumber_InPlaceAdd(array, other);
    Py_XDECREF(sum);
    return sum ? 0 : -1;
}

static PyObject *add(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    return arithmetic(module, args, nargs, CM_ADD, "add");
}

static PyObject *sub(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    return arithmetic(module, args, nargs, CM_SUB, "sub");
}

static PyObject *mul(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    return arithmetic(module, args, nargs, CM_MUL, "mul");
}

static PyObject *divide(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    return arithmetic(module, args, nargs, CM_DIV, "div");
}

/* A 0-d array of `like`'s type, float32 or float64; None for another type. */
static PyObject *number(PyObject *Py_UNUSED(module), PyObject *const *args,
                        Py_ssize_t nargs)
{
    struct cm_array like = {0}, out = {0};
    double value;
    if (cm_check_count("number", nargs, 2) < 0 ||
        cm_read_double(&value, args[0], "number(): argument 'value'") < 0)
        return NULL;
    if (!cm_array_refer(&like, args[1], 0) ||
        (like.type != CM_F32 && like.type != CM_F64))
        Py_RETURN_NONE;
    if (cm_array_new(&out, 0, NULL, like.type) < 0)
        return NULL;
    cm_array_set_item(&out, value);
    return cm_array_give(&out);
}

PyMethodDef cm_arithmetic_methods[] = {
    {"add", CM_FASTCALL(add), "add(x, y, in_place, /)\n--\n\n"},
    {"sub", CM_FASTCALL(sub), "sub(x, y, in_place, /)\n--\n\n"},
    {"mul", CM_FASTCALL(mul), "mul(x, y, in_place, /)\n--\n\n"},
    {"div", CM_FASTCALL(divide), "div(x, y, in_place, /)\n--\n\n"},
    {"number", CM_FASTCALL(number), "number(value, like, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
