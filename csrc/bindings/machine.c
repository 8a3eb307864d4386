/* machine.c - the active instruction-set path and what this module was built with. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

static PyObject *isas(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    int n = 0;
    while (cm_isa_at(n))
        n++;
    PyObject *names = PyTuple_New(n);
    for (int i = 0; names && i < n; i++) {
        PyObject *name = PyUnicode_FromString(cm_isa_at(i)->name);
        if (!name)
            Py_CLEAR(names);
        else
            PyTuple_SET_ITEM(names, i, name);
    }
    return names;
}

static PyObject *isa(PyObject *module, PyObject *Py_UNUSED(none))
{
    return PyUnicode_FromString(cm_state_of(module)->isa->name);
}

static int select_isa(struct cm_state *state, const char *name, const char *where)
{
    const struct cm_isa *found = cm_isa_find(name);
    if (found) {
        state->isa = found;
        return 0;
    }
    if (cm_isa_known(name))
        PyErr_Format(PyExc_RuntimeError, "%s: this machine cannot run the path '%s'",
                     where, name);
    else
        PyErr_Format(PyExc_ValueError, "%s: unknown instruction-set path '%s'", where,
                     name);
    return -1;
}

static PyObject *set_isa(PyObject *module, PyObject *object)
{
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError,
                     "_set_isa(): argument 'name' must be str, not %.200s",
                     Py_TYPE(object)->tp_name);
        return NULL;
    }
    Py_ssize_t length;
    const char *name = PyUnicode_AsUTF8AndSize(object, &length);
    if (name && strlen(name) != (size_t)length) {
        PyErr_Format(PyExc_ValueError, "_set_isa: unknown instruction-set path %R",
                     object);
        return NULL;
    }
    if (!name || select_isa(cm_state_of(module), name, "_set_isa") < 0)
        return NULL;
    Py_RETURN_NONE;
}

int cm_machine_init(struct cm_state *state)
{
    state->isa = cm_isa_best();
    const char *name = getenv("CNN_MNIST_ISA");
    if (name && *name && select_isa(state, name, "CNN_MNIST_ISA") < 0)
        return -1;
    return 0;
}

static PyObject *build(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
#ifdef __clang__
    const char *compiler = "clang " __VERSION__;
#else
    const char *compiler = "gcc " __VERSION__;
#endif
    return Py_BuildValue("{s:s,s:s,s:s}", "compiler", compiler, "flags",
                         CNN_MNIST_FLAGS, "version", CNN_MNIST_VERSION);
}

PyMethodDef cm_machine_methods[] = {
    {"_isas", isas, METH_NOARGS, "_isas()\n--\n\n"},
    {"_isa", isa, METH_NOARGS, "_isa()\n--\n\n"},
    {"_set_isa", set_isa, METH_O, "_set_isa(name, /)\n--\n\n"},
    {"_build", build, METH_NOARGS, "_build()\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
