/* accumulator.c - the type AccumulateGrad: what next_functions shows for a leaf, made when
   somebody looks. */
#include "tape.h"

#include <structmember.h>

struct accumulator {
    PyObject_HEAD
    PyObject *variable; /* the leaf */
};

static PyObject **variable_of(PyObject *self)
{
    return &((struct accumulator *)self)->variable;
}

PyObject *cm_accumulator_of(const struct cm_tape *tape, PyObject *leaf)
{
    struct cm_storage *s = cm_storage_of(leaf);
    if (s->accumulator)
        return Py_NewRef(s->accumulator);
    PyObject *self = tape->accumulator_type->tp_alloc(tape->accumulator_type, 0);
    if (!self)
        return NULL;
    *variable_of(self) = Py_NewRef(leaf);
    s->accumulator = self;
    return self;
}

static int accumulator_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(*variable_of(self));
    return 0;
}

static int accumulator_clear(PyObject *self)
{
    if (*variable_of(self))
        cm_storage_of(*variable_of(self))->accumulator = NULL;
    Py_CLEAR(*variable_of(self));
    return 0;
}

static void accumulator_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    accumulator_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *accumulator_name(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(none))
{
    return PyUnicode_FromString("AccumulateGrad");
}

static PyObject *accumulator_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<AccumulateGrad object at %p>", self);
}

/* A leaf is where gradients end. */
static PyObject *accumulator_next(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    return PyTuple_New(0);
}

static PyMemberDef accumulator_members[] = {
    {"variable", T_OBJECT_EX, offsetof(struct accumulator, variable), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef accumulator_methods[] = {
    {"name", accumulator_name, METH_NOARGS, "name($self, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef accumulator_properties[] = {
    {"next_functions", accumulator_next, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot accumulator_slots[] = {
    {Py_tp_doc, "What adds a gradient to the .grad of a leaf."},
    {Py_tp_dealloc, accumulator_dealloc},
    {Py_tp_traverse, accumulator_traverse},
    {Py_tp_clear, accumulator_clear},
    {Py_tp_repr, accumulator_repr},
    {Py_tp_members, accumulator_members},
    {Py_tp_methods, accumulator_methods},
    {Py_tp_getset, accumulator_properties},
    {0, NULL},
};

PyType_Spec cm_accumulator_spec = {
    .name = "cnn_mnist._core.AccumulateGrad",
    .basicsize = sizeof(struct accumulator),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = accumulator_slots,
};
