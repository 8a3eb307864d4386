/* arithmetic.c - `+ - * /` of plain operands: float arrays as the kernels want them, of one
   shape and type, or one such array and a 0-d one. Of others the functions make None, and
   NumPy does what they mean. Where the tape need not know and nothing is to be refused,
   Tensors over such arrays are changed in place or multiplied by a number, which a step of
   SGD by hand is made of; else nothing is done. */
#include "arguments.h"
#include "arrays.h"
#include "core.h"
#include "tape.h"

#include <string.h>

static void apply(const struct cm_isa *isa, enum cm_operation op,
                  const struct cm_array *out, const struct cm_array *x,
                  const struct cm_array *y)
{
    const ptrdiff_t n = x->size, step = y->ndim > 0;
    CM_CALL(isa, x->type, arithmetic, out->data, x->data, op, y->data, step, n);
}

static int fits(const struct cm_array *x, const struct cm_array *y)
{
    return cm_array_is_float(x) && y->type == x->type &&
           (y->ndim == 0 || cm_array_has_shape(y, x->ndim, x->shape));
}

static int refer_to_both(struct cm_array *x, PyObject *left, int writable,
                         struct cm_array *y, PyObject *right)
{
    return cm_array_refer(x, left, writable) && cm_array_refer(y, right, 0) &&
           fits(x, y);
}

/* x op y, a new array; NULL without memory */
static PyObject *result_of(const struct cm_isa *isa, enum cm_operation op,
                           const struct cm_array *x, const struct cm_array *y)
{
    struct cm_array out = {0};
    if (cm_array_new(&out, x->ndim, x->shape, x->type) < 0)
        return NULL;
    PyThreadState *saved = cm_unlock_gil((double)x->size);
    apply(isa, op, &out, x, y);
    cm_lock_gil(saved);
    return cm_array_give(&out);
}

/* (x, y): a new array. */
static PyObject *arithmetic(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                            enum cm_operation op, const char *name)
{
    const struct cm_isa *isa = cm_state_of(module)->isa;
    struct cm_array x = {0}, y = {0};
    if (cm_check_count(name, nargs, 2) < 0)
        return NULL;
    if (!refer_to_both(&x, args[0], 0, &y, args[1]))
        Py_RETURN_NONE;
    return result_of(isa, op, &x, &y);
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
    if (!cm_array_refer(&like, args[1], 0) || !cm_array_is_float(&like))
        Py_RETURN_NONE;
    if (cm_array_new(&out, 0, NULL, like.type) < 0)
        return NULL;
    cm_array_set_item(&out, value);
    return cm_array_give(&out);
}

/* Tensors, where the tape need not know --------------------------------------------------- */

/* The other operand: the array of a Tensor, or a number. */
struct operand {
    const struct cm_storage *tensor; /* NULL: a number */
    struct cm_array array;
    double element; /* room for a number, of the array's type */
};

/* A Python number that a double holds exactly, so that it is rounded once */
static int read_number(double *number, PyObject *other)
{
    if (PyFloat_CheckExact(other)) {
        *number = PyFloat_AS_DOUBLE(other);
        return 1;
    }
    int overflow;
    if (!PyLong_CheckExact(other))
        return 0;
    const long long whole = PyLong_AsLongLongAndOverflow(other, &overflow);
    *number = (double)whole;
    return !overflow && whole >= -(1LL << 53) && whole <= 1LL << 53;
}

/* 0 for what is neither a plain Tensor that fits x nor such a number. */
static int read_operand(struct operand *o, const struct cm_tape *tape, PyObject *other,
                        const struct cm_array *x)
{
    double number;
    if (cm_array_is_float(x) && read_number(&number, other)) {
        o->array = (struct cm_array){.type = x->type, .data = &o->element, .size = 1};
        cm_array_set_item(&o->array, number);
        return 1;
    }
    if (!PyObject_TypeCheck(other, tape->storage_type))
        return 0;
    o->tensor = cm_storage_of(other);
    return cm_array_refer(&o->array, o->tensor->array, 0) && fits(x, &o->array);
}

/* Whether writing x would change what is still to be read of the operand */
static int overlaps(const struct cm_array *x, const struct operand *o)
{
    const struct cm_array *y = &o->array;
    return o->tensor && !(x->data == y->data && x->ndim == y->ndim) &&
           cm_arrays_overlap(x->object, y->object);
}

/* Whether the tape need not know of a change of `tensor` by `source` (NULL: a number) */
static int is_off_tape(const struct cm_storage *tensor, const struct cm_storage *source)
{
    return !cm_grad_enabled() ||
           (cm_is_alone(tensor) && (!source || cm_is_alone(source)));
}

/* (tensor, factor): tensor * factor, a number, as a new Tensor; None where the tape must
   know, or NumPy decides. */
static PyObject *mul_number(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    const struct cm_state *state = cm_state_of(module);
    struct cm_array x = {0};
    struct operand factor = {0};
    if (cm_check_count("mul_number", nargs, 2) < 0)
        return NULL;
    if (!PyObject_TypeCheck(args[0], state->tape.storage_type))
        Py_RETURN_NONE;
    const struct cm_storage *tensor = cm_storage_of(args[0]);
    if (!is_off_tape(tensor, NULL) || !cm_array_refer(&x, tensor->array, 0) ||
        !read_operand(&factor, &state->tape, args[1], &x) || factor.tensor)
        Py_RETURN_NONE;
    Py_INCREF(x.object); /* another thread may give the Tensor another array */
    PyObject *array = result_of(state->isa, CM_MUL, &x, &factor.array);
    Py_DECREF(x.object);
    return cm_wrap_new(state->tape.tensor_type, array);
}

/* (tensor, other): whether it was done. */
static PyObject *in_place(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                          enum cm_operation op, const char *name)
{
    const struct cm_state *state = cm_state_of(module);
    struct cm_array x = {0};
    struct operand o = {0};
    if (cm_check_count(name, nargs, 2) < 0)
        return NULL;
    if (!PyObject_TypeCheck(args[0], state->tape.storage_type))
        Py_RETURN_FALSE;
    const struct cm_storage *tensor = cm_storage_of(args[0]);
    if (!cm_array_refer(&x, tensor->array, 1) ||
        !read_operand(&o, &state->tape, args[1], &x) || overlaps(&x, &o) ||
        !is_off_tape(tensor, o.tensor))
        Py_RETURN_FALSE;
    Py_INCREF(x.object); /* another thread may give the Tensors other arrays */
    Py_XINCREF(o.array.object);
    PyThreadState *saved = cm_unlock_gil((double)x.size);
    apply(state->isa, op, &x, &x, &o.array);
    cm_lock_gil(saved);
    Py_DECREF(x.object);
    Py_XDECREF(o.array.object);
    return cm_count_change(tensor->version) < 0 ? NULL : Py_NewRef(Py_True);
}

static PyObject *add_(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    return in_place(module, args, nargs, CM_ADD, "add_");
}

static PyObject *sub_(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    return in_place(module, args, nargs, CM_SUB, "sub_");
}

static PyObject *mul_(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    return in_place(module, args, nargs, CM_MUL, "mul_");
}

static PyObject *div_(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    return in_place(module, args, nargs, CM_DIV, "div_");
}

/* Whether all elements were set to 0. */
static PyObject *zero_(PyObject *module, PyObject *object)
{
    struct cm_array x = {0};
    if (!PyObject_TypeCheck(object, cm_state_of(module)->tape.storage_type))
        Py_RETURN_FALSE;
    const struct cm_storage *tensor = cm_storage_of(object);
    if (!cm_array_refer(&x, tensor->array, 1) || !cm_array_is_float(&x) ||
        !is_off_tape(tensor, NULL))
        Py_RETURN_FALSE;
    memset(x.data, 0, (size_t)x.size * cm_type_bytes(x.type));
    return cm_count_change(tensor->version) < 0 ? NULL : Py_NewRef(Py_True);
}

PyMethodDef cm_arithmetic_methods[] = {
    {"add", CM_FASTCALL(add), "add(x, y, /)\n--\n\n"},
    {"sub", CM_FASTCALL(sub), "sub(x, y, /)\n--\n\n"},
    {"mul", CM_FASTCALL(mul), "mul(x, y, /)\n--\n\n"},
    {"div", CM_FASTCALL(divide), "div(x, y, /)\n--\n\n"},
    {"number", CM_FASTCALL(number), "number(value, like, /)\n--\n\n"},
    {"mul_number", CM_FASTCALL(mul_number), "mul_number(tensor, factor, /)\n--\n\n"},
    {"add_", CM_FASTCALL(add_), "add_(tensor, other, /)\n--\n\n"},
    {"sub_", CM_FASTCALL(sub_), "sub_(tensor, other, /)\n--\n\n"},
    {"mul_", CM_FASTCALL(mul_), "mul_(tensor, other, /)\n--\n\n"},
    {"div_", CM_FASTCALL(div_), "div_(tensor, other, /)\n--\n\n"},
    {"zero_", zero_, METH_O, "zero_(tensor, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
