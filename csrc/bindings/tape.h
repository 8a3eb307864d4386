/* tape.h - what the tape is made of: the storage of Tensors, and a node for each
   recorded operation. */
#ifndef CM_TAPE_H
#define CM_TAPE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* What a Tensor is made of; Python's class adds the names. */
struct cm_storage {
    PyObject_HEAD
    PyObject *array; /* the elements */
    PyObject *grad;  /* Tensor or None */
    PyObject *node;  /* that made it; None: a leaf */
    /* [in-place changes], one list for all Tensors over the memory */
    PyObject *version;
    PyObject *view; /* None or (root, steps, root's node, fixed): tape.py */
    PyObject *weak;
    PyObject *accumulator; /* borrowed; its AccumulateGrad, or NULL: none is alive */
    char requires_grad;
};

struct cm_node {
    PyObject_HEAD
    PyObject *name;      /* torch's, of the gradient: "ExpBackward0" */
    PyObject *inputs;    /* list: where gradients go: node, leaf Tensor or None */
    PyObject *gradients; /* gradient of the result -> those of inputs; None: freed */
    PyObject *saved;     /* list of (version list, version) of the values it uses */
    PyObject *retained;  /* weak reference to the result, for retain_grad(), or None */
    PyObject *weak;
    long long sequence; /* later operations have higher numbers */
    char keeps;         /* gradients uses values: the first backward frees it */
};

/* The types and what the functions need of Python: a part of the module's state. */
struct cm_tape {
    PyTypeObject *storage_type, *node_type, *accumulator_type;
    PyTypeObject *tensor_type; /* of results: set_tensor_type() */
    PyObject *current;         /* current(view) takes over what happened to its root */
    long long sequence;        /* of the next node */
};

int cm_tape_init(struct cm_tape *tape, PyObject *module);
int cm_tape_traverse(struct cm_tape *tape, visitproc visit, void *arg);
void cm_tape_clear(struct cm_tape *tape);

static inline struct cm_storage *cm_storage_of(PyObject *self)
{
    return (struct cm_storage *)self;
}

static inline struct cm_node *cm_node_of(PyObject *self)
{
    return (struct cm_node *)self;
}

/* Whether this thread records operations. */
int cm_grad_enabled(void);
/* Whether no operation on it is recorded, and no history but its own is in question: it
   does not require grad, and is no view. */
static inline int cm_is_alone(const struct cm_storage *tensor)
{
    return !tensor->requires_grad && tensor->view == Py_None;
}
/* A new leaf of `kind` over `array`; a new reference or NULL. */
PyObject *cm_wrap(PyTypeObject *kind, PyObject *array);
/* The same of a new array, whose reference it takes; NULL stays NULL. */
PyObject *cm_wrap_new(PyTypeObject *kind, PyObject *array);
/* A new node. Takes the reference to `saved`, a list, and no other. */
PyObject *cm_node_new(struct cm_tape *tape, PyObject *name, PyObject *inputs,
                      PyObject *gradients, PyObject *saved, int keeps);
/* The one AccumulateGrad of a leaf; a new reference or NULL. */
PyObject *cm_accumulator_of(const struct cm_tape *tape, PyObject *leaf);
extern PyType_Spec cm_accumulator_spec;
/* Whether it is a version list, of one number; NULL is none. */
int cm_is_version(PyObject *version);
/* Appends (version list, its version now). */
int cm_node_save(PyObject *saved, PyObject *version);
/* Counts a change in place. */
int cm_count_change(PyObject *version);

#endif
