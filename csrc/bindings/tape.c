/* tape.c - the types Storage and Node. */
#include "tape.h"

#include "arrays.h"
#include "core.h"

#include <structmember.h>

/* Storage ------------------------------------------------------------------------------- */

/* A leaf without an array. */
static PyObject *storage_new(PyTypeObject *type, PyObject *Py_UNUSED(args),
                             PyObject *Py_UNUSED(keywords))
{
    PyObject *self = type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    struct cm_storage *s = cm_storage_of(self);
    s->array = Py_NewRef(Py_None);
    s->grad = Py_NewRef(Py_None);
    s->node = Py_NewRef(Py_None);
    s->view = Py_NewRef(Py_None);
    s->version = PyList_New(1);
    if (!s->version) {
        Py_DECREF(self);
        return NULL;
    }
    PyList_SET_ITEM(s->version, 0, PyLong_FromLong(0)); /* small: cannot fail */
    return self;
}

static int storage_traverse(PyObject *self, visitproc visit, void *arg)
{
    const struct cm_storage *s = cm_storage_of(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(s->array);
    Py_VISIT(s->grad);
    Py_VISIT(s->node);
    Py_VISIT(s->version);
    Py_VISIT(s->view);
    return 0;
}

/* Python code may still meet the object: None, not NULL. */
static void forget(PyObject **field)
{
    PyObject *old = *field;
    *field = Py_NewRef(Py_None);
    Py_XDECREF(old);
}

static int storage_clear(PyObject *self)
{
    struct cm_storage *s = cm_storage_of(self);
    forget(&s->grad);
    forget(&s->node);
    forget(&s->view);
    return 0;
}

static void storage_dealloc(PyObject *self)
{
    struct cm_storage *s = cm_storage_of(self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (s->weak)
        PyObject_ClearWeakRefs(self);
    Py_XDECREF(s->array);
    Py_XDECREF(s->grad);
    Py_XDECREF(s->node);
    Py_XDECREF(s->version);
    Py_XDECREF(s->view);
    type->tp_free(self);
    Py_DECREF(type);
}

/* Python's part says what there is to say where there is none, and what may be set. */
static PyObject *storage_grad(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *grad = cm_storage_of(self)->grad;
    return grad && grad != Py_None ? Py_NewRef(grad)
                                   : PyObject_CallMethod(self, "_absent_grad", NULL);
}

static int storage_set_grad(PyObject *self, PyObject *grad, void *Py_UNUSED(closure))
{
    PyObject *done = PyObject_CallMethod(self, "_set_grad", "O", grad ? grad : Py_None);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static PyGetSetDef storage_getset[] = {
    {"grad", storage_grad, storage_set_grad,
     "The sum of the gradients of all backward() so far, of a leaf; or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef storage_members[] = {
    {"_array", T_OBJECT_EX, offsetof(struct cm_storage, array), 0, NULL},
    {"_grad", T_OBJECT_EX, offsetof(struct cm_storage, grad), 0, NULL},
    {"_node", T_OBJECT_EX, offsetof(struct cm_storage, node), 0, NULL},
    {"_requires_grad", T_BOOL, offsetof(struct cm_storage, requires_grad), 0, NULL},
    {"_changes", T_OBJECT_EX, offsetof(struct cm_storage, version), 0, NULL},
    {"_view", T_OBJECT_EX, offsetof(struct cm_storage, view), 0, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct cm_storage, weak), READONLY,
     NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot storage_slots[] = {
    {Py_tp_doc, "What a Tensor is made of: its array and its place on the tape."},
    {Py_tp_new, storage_new},
    {Py_tp_dealloc, storage_dealloc},
    {Py_tp_traverse, storage_traverse},
    {Py_tp_clear, storage_clear},
    {Py_tp_members, storage_members},
    {Py_tp_getset, storage_getset},
    {0, NULL},
};

static PyType_Spec storage_spec = {
    .name = "cnn_mnist._core.Storage",
    .basicsize = sizeof(struct cm_storage),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = storage_slots,
};

PyObject *cm_wrap(PyTypeObject *kind, PyObject *array)
{
    PyObject *self = storage_new(kind, NULL, NULL);
    PyObject *exact = self ? cm_ndarray_of(array) : NULL;
    if (!exact) {
        Py_XDECREF(self);
        return NULL;
    }
    Py_SETREF(cm_storage_of(self)->array, exact);
    return self;
}

PyObject *cm_wrap_new(PyTypeObject *kind, PyObject *array)
{
    PyObject *self = array ? cm_wrap(kind, array) : NULL;
    Py_XDECREF(array);
    return self;
}

/* Node ---------------------------------------------------------------------------------- */

static int node_traverse(PyObject *self, visitproc visit, void *arg)
{
    const struct cm_node *n = cm_node_of(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(n->inputs);
    Py_VISIT(n->gradients);
    Py_VISIT(n->saved);
    Py_VISIT(n->retained);
    return 0;
}

static int node_clear(PyObject *self)
{
    struct cm_node *n = cm_node_of(self);
    forget(&n->gradients);
    if (n->inputs)
        return PyList_SetSlice(n->inputs, 0, PY_SSIZE_T_MAX, NULL);
    return 0;
}

static void node_dealloc(PyObject *self)
{
    struct cm_node *n = cm_node_of(self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (n->weak)
        PyObject_ClearWeakRefs(self);
    Py_XDECREF(n->name);
    Py_XDECREF(n->inputs); /* a list: CPython bounds the depth of nested ones */
    Py_XDECREF(n->gradients);
    Py_XDECREF(n->saved);
    Py_XDECREF(n->retained);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *node_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<%U object at %p>", cm_node_of(self)->name, self);
}

static PyObject *node_name(PyObject *self, PyObject *Py_UNUSED(none))
{
    return Py_NewRef(cm_node_of(self)->name);
}

/* ((node, AccumulateGrad or None; 0), ...): where gradients go, in the order in which this
   node hands them out; linear and cross_entropy are two nodes in torch, one here */
static PyObject *node_next(PyObject *self, void *Py_UNUSED(closure))
{
    const struct cm_state *state = PyType_GetModuleState(Py_TYPE(self));
    PyObject *inputs = cm_node_of(self)->inputs;
    const Py_ssize_t n = PyList_GET_SIZE(inputs);
    PyObject *next = PyTuple_New(n);
    for (Py_ssize_t i = 0; next && i < n; i++) {
        PyObject *target = PyList_GET_ITEM(inputs, i);
        target = PyObject_TypeCheck(target, state->tape.storage_type)
                     ? cm_accumulator_of(&state->tape, target)
                     : Py_NewRef(target);
        PyObject *pair = target ? Py_BuildValue("(Ni)", target, 0) : NULL;
        if (!pair)
            Py_CLEAR(next);
        else
            PyTuple_SET_ITEM(next, i, pair);
    }
    return next;
}

static PyMemberDef node_members[] = {
    {"gradients", T_OBJECT_EX, offsetof(struct cm_node, gradients), READONLY, NULL},
    {"saved", T_OBJECT_EX, offsetof(struct cm_node, saved), 0, NULL},
    {"retained", T_OBJECT_EX, offsetof(struct cm_node, retained), 0, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct cm_node, weak), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef node_methods[] = {
    {"name", node_name, METH_NOARGS, "name($self, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef node_properties[] = {
    {"next_functions", node_next, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot node_slots[] = {
    {Py_tp_doc, "One recorded operation."},
    {Py_tp_dealloc, node_dealloc},
    {Py_tp_traverse, node_traverse},
    {Py_tp_clear, node_clear},
    {Py_tp_repr, node_repr},
    {Py_tp_members, node_members},
    {Py_tp_methods, node_methods},
    {Py_tp_getset, node_properties},
    {0, NULL},
};

static PyType_Spec node_spec = {
    .name = "cnn_mnist._core.Node",
    .basicsize = sizeof(struct cm_node),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = node_slots,
};

PyObject *cm_node_new(struct cm_tape *tape, PyObject *name, PyObject *inputs,
                      PyObject *gradients, PyObject *saved, int keeps)
{
    PyObject *self = tape->node_type->tp_alloc(tape->node_type, 0);
    if (!self) {
        Py_DECREF(saved);
        return NULL;
    }
    struct cm_node *n = cm_node_of(self);
    n->name = Py_NewRef(name);
    n->inputs = Py_NewRef(inputs);
    n->gradients = Py_NewRef(gradients);
    n->saved = saved;
    n->retained = Py_NewRef(Py_None);
    n->sequence = tape->sequence++;
    n->keeps = (char)keeps;
    return self;
}

/* Python sets the fields of a Tensor: what they hold is looked at before it is used. */
int cm_is_version(PyObject *version)
{
    return version && PyList_Check(version) && PyList_GET_SIZE(version) == 1;
}

static int check_version(PyObject *version)
{
    if (cm_is_version(version))
        return 0;
    PyErr_SetString(PyExc_TypeError, "_changes must be a list of one number");
    return -1;
}

int cm_node_save(PyObject *saved, PyObject *version)
{
    if (check_version(version) < 0)
        return -1;
    PyObject *pair = PyTuple_Pack(2, version, PyList_GET_ITEM(version, 0));
    const int status = pair ? PyList_Append(saved, pair) : -1;
    Py_XDECREF(pair);
    return status;
}

int cm_count_change(PyObject *version)
{
    if (check_version(version) < 0)
        return -1;
    PyObject *one = PyLong_FromLong(1);
    PyObject *next = one ? PyNumber_Add(PyList_GET_ITEM(version, 0), one) : NULL;
    Py_XDECREF(one);
    return next ? PyList_SetItem(version, 0, next) : -1;
}

/* The tape of a module ------------------------------------------------------------------ */

/* A type of its own for each module, under its name in it; NULL with an exception. */
static PyTypeObject *new_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type && PyModule_AddType(module, (PyTypeObject *)type) < 0)
        Py_CLEAR(type);
    return (PyTypeObject *)type;
}

int cm_tape_init(struct cm_tape *tape, PyObject *module)
{
    tape->storage_type = new_type(module, &storage_spec);
    tape->node_type = tape->storage_type ? new_type(module, &node_spec) : NULL;
    tape->accumulator_type =
        tape->node_type ? new_type(module, &cm_accumulator_spec) : NULL;
    return tape->accumulator_type ? 0 : -1;
}

int cm_tape_traverse(struct cm_tape *tape, visitproc visit, void *arg)
{
    Py_VISIT(tape->storage_type);
    Py_VISIT(tape->node_type);
    Py_VISIT(tape->accumulator_type);
    Py_VISIT(tape->tensor_type);
    Py_VISIT(tape->current);
    return 0;
}

void cm_tape_clear(struct cm_tape *tape)
{
    Py_CLEAR(tape->storage_type);
    Py_CLEAR(tape->node_type);
    Py_CLEAR(tape->accumulator_type);
    Py_CLEAR(tape->tensor_type);
    Py_CLEAR(tape->current);
}
