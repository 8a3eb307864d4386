/* record.c - how an operation gets onto the tape. */
#include "arguments.h"
#include "core.h"
#include "tape.h"

/* Whether operations are recorded: a switch of each thread. */
static _Thread_local int grad_disabled;

int cm_grad_enabled(void)
{
    return !grad_disabled;
}

static struct cm_tape *tape_of(PyObject *module)
{
    return &cm_state_of(module)->tape;
}

static int check_storage(const struct cm_tape *tape, PyObject *object)
{
    if (PyObject_TypeCheck(object, tape->storage_type))
        return 0;
    PyErr_Format(PyExc_TypeError, "expected a Tensor, got %.200s",
                 Py_TYPE(object)->tp_name);
    return -1;
}

/* A view whose root was given a new history in place takes it over. */
static int update_view(const struct cm_tape *tape, PyObject *tensor)
{
    PyObject *view = cm_storage_of(tensor)->view;
    if (view == Py_None)
        return 0;
    if (!view || !PyTuple_Check(view) || PyTuple_GET_SIZE(view) != 4 ||
        check_storage(tape, PyTuple_GET_ITEM(view, 0)) < 0) {
        PyErr_SetString(PyExc_TypeError,
                        "_view must be None or (root, steps, node, fixed)");
        return -1;
    }
    if (cm_storage_of(PyTuple_GET_ITEM(view, 0))->node == PyTuple_GET_ITEM(view, 2))
        return 0;
    PyObject *done = PyObject_CallOneArg(tape->current, tensor);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* Where the gradients of `inputs` (Tensors and None) go, as a list; None where the
   operation is not to be recorded. */
static PyObject *edges_of(const struct cm_tape *tape, PyObject *inputs)
{
    if (grad_disabled)
        return Py_NewRef(Py_None);
    if (!PyTuple_Check(inputs) && !PyList_Check(inputs)) {
        PyErr_Format(PyExc_TypeError, "inputs must be tuple or list, not %.200s",
                     Py_TYPE(inputs)->tp_name);
        return NULL;
    }
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(inputs);
    PyObject *edges = NULL;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *tensor = PySequence_Fast_GET_ITEM(inputs, i);
        if (tensor == Py_None)
            continue;
        if (check_storage(tape, tensor) < 0 || update_view(tape, tensor) < 0)
            goto failed;
        const struct cm_storage *s = cm_storage_of(tensor);
        if (!s->requires_grad)
            continue;
        if (!edges) {
            edges = PyList_New(n);
            if (!edges)
                return NULL;
            for (Py_ssize_t k = 0; k < n; k++)
                PyList_SET_ITEM(edges, k, Py_NewRef(Py_None));
        }
        PyObject *target = !s->node || s->node == Py_None ? tensor : s->node;
        PyList_SetItem(edges, i, Py_NewRef(target));
    }
    return edges ? edges : Py_NewRef(Py_None);
failed:
    Py_XDECREF(edges);
    return NULL;
}

/* [(version list, version), ...] of the Tensors in `saved`, a sequence with None in it */
static PyObject *versions_of(const struct cm_tape *tape, PyObject *saved)
{
    PyObject *versions = PyList_New(0);
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(saved);
    for (Py_ssize_t i = 0; versions && i < n; i++) {
        PyObject *tensor = PySequence_Fast_GET_ITEM(saved, i);
        if (tensor == Py_None)
            continue;
        if (check_storage(tape, tensor) < 0 ||
            cm_node_save(versions, cm_storage_of(tensor)->version) < 0)
            Py_CLEAR(versions);
    }
    return versions;
}

/* What a function that records is called with. */
struct operation {
    PyObject *name, *gradients, *saved;
    int saves_result;
};

static int read_operation(struct operation *o, const char *function,
                          PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 4 || nargs > 6)
        return cm_check_count(function, nargs, 4);
    *o = (struct operation){.name = args[1],
                            .gradients = args[3],
                            .saved = nargs > 4 ? args[4] : NULL,
                            .saves_result = nargs > 5 && args[5] == Py_True};
    if (!PyUnicode_Check(o->name) || (o->saved && !PyTuple_Check(o->saved))) {
        PyErr_Format(PyExc_TypeError, "%s(): name must be str and saved a tuple",
                     function);
        return -1;
    }
    return 0;
}

/* A node over `edges`, a list; all that it holds is counted anew. */
static PyObject *new_node(struct cm_tape *tape, const struct operation *o,
                          PyObject *edges)
{
    PyObject *saved = o->saved ? versions_of(tape, o->saved) : PyList_New(0);
    if (!saved)
        return NULL;
    const int keeps = (o->saved && PyTuple_GET_SIZE(o->saved) > 0) || o->saves_result;
    return cm_node_new(tape, o->name, edges, o->gradients, saved, keeps);
}

/* The Tensor of a result, made by a new node over `edges`. */
static PyObject *result_of(struct cm_tape *tape, PyObject *array,
                           const struct operation *o, PyObject *edges)
{
    PyObject *tensor = cm_wrap(tape->tensor_type, array);
    PyObject *node = tensor ? new_node(tape, o, edges) : NULL;
    if (!node)
        goto failed;
    struct cm_storage *s = cm_storage_of(tensor);
    Py_SETREF(s->node, node);
    s->requires_grad = 1;
    if (o->saves_result && cm_node_save(cm_node_of(node)->saved, s->version) < 0)
        goto failed;
    return tensor;
failed:
    Py_XDECREF(tensor);
    return NULL;
}

static PyObject *wrap(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct cm_tape *tape = tape_of(module);
    if (nargs != 2)
        return cm_check_count("wrap", nargs, 1) < 0
                   ? NULL
                   : cm_wrap(tape->tensor_type, args[0]);
    if (!PyType_Check(args[1]) ||
        !PyType_IsSubtype((PyTypeObject *)args[1], tape->storage_type)) {
        PyErr_SetString(PyExc_TypeError, "wrap(): kind must be a class of Tensors");
        return NULL;
    }
    return cm_wrap((PyTypeObject *)args[1], args[0]);
}

static PyObject *edges(PyObject *module, PyObject *inputs)
{
    return edges_of(tape_of(module), inputs);
}

static PyObject *make_node(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (cm_check_count("make_node", nargs, 3) < 0)
        return NULL;
    if (!PyUnicode_Check(args[0]) || !PyList_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError,
                        "make_node(): name must be str and inputs a list");
        return NULL;
    }
    const struct operation o = {.name = args[0], .gradients = args[2]};
    return new_node(tape_of(module), &o, args[1]);
}

static PyObject *recorded(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct operation o;
    if (read_operation(&o, "recorded", args, nargs) < 0)
        return NULL;
    if (!PyList_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "recorded(): edges must be a list");
        return NULL;
    }
    return result_of(tape_of(module), args[0], &o, args[2]);
}

static PyObject *record(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct cm_tape *tape = tape_of(module);
    struct operation o;
    if (read_operation(&o, "record", args, nargs) < 0)
        return NULL;
    PyObject *targets = edges_of(tape, args[2]);
    if (!targets)
        return NULL;
    PyObject *tensor = targets == Py_None ? cm_wrap(tape->tensor_type, args[0])
                                          : result_of(tape, args[0], &o, targets);
    Py_DECREF(targets);
    return tensor;
}

static PyObject *grad_enabled(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(!grad_disabled);
}

/* Sets the switch; gives what it was. */
static PyObject *set_grad_enabled(PyObject *Py_UNUSED(module), PyObject *enabled)
{
    const int before = !grad_disabled, now = PyObject_IsTrue(enabled);
    if (now < 0)
        return NULL;
    grad_disabled = !now;
    return PyBool_FromLong(before);
}

/* What only Python's part knows: the class of results, and current(view). */
static PyObject *set_tensor_type(PyObject *module, PyObject *const *args,
                                 Py_ssize_t nargs)
{
    struct cm_tape *tape = tape_of(module);
    if (cm_check_count("set_tensor_type", nargs, 2) < 0)
        return NULL;
    if (!PyType_Check(args[0]) ||
        !PyType_IsSubtype((PyTypeObject *)args[0], tape->storage_type)) {
        PyErr_SetString(PyExc_TypeError,
                        "set_tensor_type(): expected a class of Storage");
        return NULL;
    }
    Py_XSETREF(tape->tensor_type, (PyTypeObject *)Py_NewRef(args[0]));
    Py_XSETREF(tape->current, Py_NewRef(args[1]));
    Py_RETURN_NONE;
}

PyMethodDef cm_record_methods[] = {
    {"wrap", CM_FASTCALL(wrap), "wrap(array, kind=..., /)\n--\n\n"},
    {"edges_of", edges, METH_O, "edges_of(inputs, /)\n--\n\n"},
    {"make_node", CM_FASTCALL(make_node),
     "make_node(name, inputs, gradients, /)\n--\n\n"},
    {"recorded", CM_FASTCALL(recorded),
     "recorded(array, name, edges, gradients, saved=(), saves_result=False, /)\n"
     "--\n\n"},
    {"record", CM_FASTCALL(record),
     "record(array, name, inputs, gradients, saved=(), saves_result=False, /)\n"
     "--\n\n"},
    {"grad_enabled", grad_enabled, METH_NOARGS, "grad_enabled()\n--\n\n"},
    {"set_grad_enabled", set_grad_enabled, METH_O,
     "set_grad_enabled(enabled, /)\n--\n\n"},
    {"set_tensor_type", CM_FASTCALL(set_tensor_type),
     "set_tensor_type(kind, current, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
