/* attributes.c - the type Attributes, from which Module inherits: what is registered is
   an attribute. Parameters are found as fast as other attributes, without an
   AttributeError on the way to __getattr__. */
#include "core.h"

enum registry { PARAMETERS, BUFFERS, MODULES, REGISTRIES };

/* Interned. Made once in a process and never changed: the module's state, where they
   would belong, is a walk over the bases away from an instance, at every look. */
static PyObject *registry_name[REGISTRIES];

/* self.__dict__[registry][name], borrowed; NULL if there is none, or on error */
static PyObject *registered(PyObject *self, enum registry which, PyObject *name)
{
    PyObject *attributes = PyObject_GenericGetDict(self, NULL);
    if (!attributes)
        return NULL;
    PyObject *registry = PyDict_GetItemWithError(attributes, registry_name[which]);
    PyObject *found = registry && PyDict_Check(registry)
                          ? PyDict_GetItemWithError(registry, name)
                          : NULL;
    Py_DECREF(attributes);
    return found;
}

/* No class has an attribute of a parameter's name: registering it would have raised. What
   begins with _ is hardly ever a parameter; __getattr__ finds those that are. */
static PyObject *get_attribute(PyObject *self, PyObject *name)
{
    if (!PyUnicode_Check(name) || PyUnicode_READ_CHAR(name, 0) == '_')
        return PyObject_GenericGetAttr(self, name);
    PyObject *found = registered(self, PARAMETERS, name);
    if (found)
        return Py_NewRef(found);
    return PyErr_Occurred() ? NULL : PyObject_GenericGetAttr(self, name);
}

/* Python asks it for what get_attribute did not find, and classes above Module for
   anything: super().__getattr__("weight"). */
static PyObject *get_missing(PyObject *self, PyObject *name)
{
    for (enum registry which = 0; which < REGISTRIES; which++) {
        PyObject *found = registered(self, which, name);
        if (found)
            return Py_NewRef(found);
        if (PyErr_Occurred())
            return NULL;
    }
    return PyErr_Format(PyExc_AttributeError, "'%.200s' object has no attribute '%S'",
                        Py_TYPE(self)->tp_name, name);
}

static PyMethodDef methods[] = {
    {"__getattr__", get_missing, METH_O, "__getattr__($self, name, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Finds what is registered among the attributes."},
    {Py_tp_methods, methods},
    {Py_tp_getattro, get_attribute},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "cnn_mnist._core.Attributes",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

PyTypeObject *cm_attributes_type_new(PyObject *module)
{
    static const char *const name[] = {"_parameters", "_buffers", "_modules"};
    for (int which = 0; which < REGISTRIES; which++) {
        if (!registry_name[which])
            registry_name[which] = PyUnicode_InternFromString(name[which]);
        if (!registry_name[which])
            return NULL;
    }
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}
