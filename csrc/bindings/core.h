/* core.h - the compiled module's state, and the parts that module.c puts together. */
#ifndef CM_CORE_H
#define CM_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "../kernels/kernels.h"
#include "../runtime/pool.h"
#include "tape.h"

/* Scratch of CM_WORK_BYTES for a kernel on each of `threads` */
struct cm_work {
    char *memory;
    int threads;
};

struct cm_state {
    PyTypeObject *attributes_type, *generator_type, *trainer_type;
    const struct cm_isa *isa; /* the active path */
    struct cm_work work;      /* while no call is using it */
    struct cm_pool *pool;     /* NULL until the first call that can use it */
    int threads;              /* at least 1 */
    struct cm_tape tape;
};

static inline struct cm_state *cm_state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

/* Calls `kernel` of the table for `type`; its pointers are passed as void *. */
#define CM_CALL(isa, type, kernel, ...)                                                \
    ((type) == CM_F32 ? (isa)->f32->kernel(__VA_ARGS__)                                \
                      : (isa)->f64->kernel(__VA_ARGS__))

/* Each part's functions; module.c adds them. */
extern PyMethodDef cm_arithmetic_methods[];
extern PyMethodDef cm_backward_methods[];
extern PyMethodDef cm_forward_methods[];
extern PyMethodDef cm_functional_methods[];
extern PyMethodDef cm_linear_methods[];
extern PyMethodDef cm_losses_methods[];
extern PyMethodDef cm_machine_methods[];
extern PyMethodDef cm_optimiser_methods[];
extern PyMethodDef cm_order_methods[];
extern PyMethodDef cm_record_methods[];
extern PyMethodDef cm_rows_methods[];
extern PyMethodDef cm_threads_methods[];
/* The types, as new references; NULL with an exception set. */
PyTypeObject *cm_attributes_type_new(PyObject *module);
PyTypeObject *cm_generator_type_new(PyObject *module);
PyTypeObject *cm_trainer_type_new(PyObject *module);

/* array += other; what is no plain float array NumPy adds. -1 with an exception set. */
int cm_add_in_place(const struct cm_isa *isa, PyObject *array, PyObject *other);

/* Read CNN_MNIST_ISA and CNN_MNIST_NUM_THREADS; -1 with an exception set. */
int cm_machine_init(struct cm_state *state);
int cm_threads_init(struct cm_state *state);
/* The pool, created at the first call. NULL where memory is short: one thread, then. */
struct cm_pool *cm_pool_of(struct cm_state *state);

/* Scratch for so many threads, fewer where memory is short; -1 with MemoryError where it
   is too short for one. With the GIL held. */
int cm_take_work(struct cm_work *work, struct cm_state *state, int threads);
void cm_give_work(struct cm_state *state, struct cm_work work);

/* A function of METH_FASTCALL's type, for a method table. */
#define CM_FASTCALL(function) ((PyCFunction)(void (*)(void))(function)), METH_FASTCALL

/* Gives up the GIL where `work` (elements touched, roughly) is worth the two switches.
   What cm_lock_gil takes back: NULL if the GIL was kept. */
static inline PyThreadState *cm_unlock_gil(double work)
{
    return work < 16384 ? NULL : PyEval_SaveThread();
}

static inline void cm_lock_gil(PyThreadState *saved)
{
    if (saved)
        PyEval_RestoreThread(saved);
}

#endif
