/* module.c - the module cnn_mnist._core: its parts put together, its state looked
 * after. */
#include "arrays.h"
#include "core.h"

#include <stdlib.h>

int cm_take_work(struct cm_work *work, struct cm_state *state, int threads)
{
    *work = state->work;
    state->work = (struct cm_work){0};
    if (work->threads >= threads)
        return 0;
    free(work->memory);
    do
        work->memory = aligned_alloc(64, (size_t)threads * CM_WORK_BYTES);
    while (!work->memory && (threads /= 2) > 0);
    work->threads = threads;
    if (!work->memory)
        PyErr_NoMemory();
    return work->memory ? 0 : -1;
}

void cm_give_work(struct cm_state *state, struct cm_work work)
{
    if (state->work.threads > work.threads) { /* another call was the first to end */
        free(work.memory);
        return;
    }
    free(state->work.memory);
    state->work = work;
}

static int add_type(PyObject *module, PyTypeObject **slot, PyTypeObject *type)
{
    *slot = type;
    return type ? PyModule_AddType(module, type) : -1;
}

static int core_exec(PyObject *module)
{
    struct cm_state *state = cm_state_of(module);
    PyMethodDef *parts[] = {
        cm_functional_methods, cm_linear_methods,    cm_losses_methods,
        cm_machine_methods,    cm_optimiser_methods, cm_order_methods,
        cm_rows_methods,       cm_threads_methods,   cm_forward_methods,
        cm_record_methods,     cm_backward_methods,  cm_arithmetic_methods,
    };
    if (cm_arrays_init() < 0 || cm_machine_init(state) < 0 ||
        cm_threads_init(state) < 0 || cm_tape_init(&state->tape, module) < 0)
        return -1;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (PyModule_AddFunctions(module, parts[i]) < 0)
            return -1;
    if (add_type(module, &state->attributes_type, cm_attributes_type_new(module)) < 0)
        return -1;
    if (add_type(module, &state->generator_type, cm_generator_type_new(module)) < 0)
        return -1;
    return add_type(module, &state->trainer_type, cm_trainer_type_new(module));
}

static int core_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct cm_state *state = cm_state_of(module);
    Py_VISIT(state->attributes_type);
    Py_VISIT(state->generator_type);
    Py_VISIT(state->trainer_type);
    return cm_tape_traverse(&state->tape, visit, arg);
}

static int core_clear(PyObject *module)
{
    struct cm_state *state = cm_state_of(module);
    Py_CLEAR(state->attributes_type);
    Py_CLEAR(state->generator_type);
    Py_CLEAR(state->trainer_type);
    cm_tape_clear(&state->tape);
    return 0;
}

static void core_free(void *module)
{
    struct cm_state *state = cm_state_of(module);
    core_clear(module);
    free(state->work.memory);
    state->work = (struct cm_work){0};
    if (state->pool)
        cm_pool_free(state->pool);
    state->pool = NULL;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, core_exec},
#if PY_VERSION_HEX >= 0x030c0000
    /* NumPy's API pointer is one per process, and NumPy itself says the same. */
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "cnn_mnist._core",
    .m_doc = "The compiled part of cnn_mnist; see _core.pyi.",
    .m_size = sizeof(struct cm_state),
    .m_slots = slots,
    .m_traverse = core_traverse,
    .m_clear = core_clear,
    .m_free = core_free,
};

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&definition);
}
