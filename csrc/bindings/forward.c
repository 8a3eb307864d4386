/* forward.c - a whole network applied to rows in one call. */
#include "arguments.h"
#include "arrays.h"
#include "chain.h"
#include "core.h"
#include "room.h"

static PyObject *forward(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    struct cm_state *state = cm_state_of(module);
    const struct cm_isa *isa = state->isa;
    struct cm_chain chain = {0};
    struct cm_input input = {0};
    struct cm_array logits = {0};
    int threads;
    PyObject *result = NULL;
    if (cm_check_count("forward", nargs, 4) < 0 ||
        cm_read_threads(&threads, args[3]) < 0 ||
        cm_chain_read(&chain, args[0], args[1], 0) < 0 ||
        cm_input_read(&input, args[2], &chain) < 0)
        goto done;
    const ptrdiff_t shape[] = {input.rows, chain.links[chain.depth - 1].out};
    if (cm_array_new(&logits, 2, shape, chain.type) < 0)
        goto done;
    struct cm_pool *pool = threads == 1 ? NULL : cm_pool_of(state);
    PyThreadState *saved = cm_unlock_gil((double)input.rows * (double)input.columns);
    const enum cm_status status =
        cm_room_forward(&chain, &input, logits.data, isa, pool, threads);
    cm_lock_gil(saved);
    if (status == CM_OK)
        result = cm_array_give(&logits);
    else
        PyErr_SetString(PyExc_MemoryError,
                        "not enough memory to apply the layers: fewer rows and fewer "
                        "threads take less");
done:
    cm_chain_clear(&chain);
    cm_input_clear(&input);
    cm_array_clear(&logits);
    return result;
}

PyMethodDef cm_forward_methods[] = {
    {"forward", CM_FASTCALL(forward),
     "forward(layers, relu_input, x, num_threads, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
