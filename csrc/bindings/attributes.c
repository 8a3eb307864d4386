/* attributes.c - the type Attributes, from which Module inherits: parameters are found
   as fast as other attributes, without an AttributeError on the way to __getattr__. */
#include "core.h"

/* "_parameters", interned. Made once in a process and never changed: the module's state,
   where it would belong, is a walk over the bases away from an instance, at every look. */
static PyObject *registry_name;

/* self.__dict__["_parameters"][name], borrowed; NULL if there is none, or on error */
static PyObject *parameter_of(PyObject *self, PyObject *name)
{
    PyObject *attributes = PyObject_GenericGetDict(self, NULL);
    if (!attributes)
        return NULL;
    PyObject *registry = PyDict_GetItemWithError(attributes, registry_name);
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
    PyObject *found = parameter_of(self, name);
    if (found)
        return Py_NewRef(found);
    return PyErr_Occurred() ? NULL : PyObject_GenericGetAttr(self, name);
}

static PyType_Slot slots[] = {
    {Py_tp_doc, "Finds registered parameters among the attributes."},
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
    if (!registry_name)
        registry_name = PyUnicode_InternFromString("_parameters");
    if (!registry_name)
        return NULL;
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}
