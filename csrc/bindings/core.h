/* core.h - the compiled module's state, and the parts that module.c puts together. */
#ifndef CM_CORE_H
#define CM_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "../kernels/kernels.h"

struct cm_state {
    PyTypeObject *generator_type;
    const struct cm_isa *isa; /* the active path */
};

static inline struct cm_state *cm_state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

/* Each part's functions; module.c adds them. */
extern PyMethodDef cm_machine_methods[];
/* The types, as new references; NULL with an exception set. */
PyTypeObject *cm_generator_type_new(PyObject *module);

/* Reads CNN_MNIST_ISA; -1 with an exception set. */
int cm_machine_init(struct cm_state *state);

/* Gives up the GIL where `work` (elements touched, roughly) is worth the two switches.
   What cm_lock_gil takes back: NULL if the GIL was kept. */
static inline PyThreadState *cm_unlock_gil(ptrdiff_t work)
{
    return work < 16384 ? NULL : PyEval_SaveThread();
}

static inline void cm_lock_gil(PyThreadState *saved)
{
    if (saved)
        PyEval_RestoreThread(saved);
}

#endif
