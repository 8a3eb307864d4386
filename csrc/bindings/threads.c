/* threads.c - how many threads, and the pool they live in. */
#include "arguments.h"
#include "core.h"

#include <limits.h>
#include <stdlib.h>

struct cm_pool *cm_pool_of(struct cm_state *state)
{
    if (!state->pool)
        state->pool = cm_pool_new(state->threads);
    return state->pool;
}

static PyObject *set_num_threads(PyObject *module, PyObject *object)
{
    struct cm_state *state = cm_state_of(module);
    int64_t n;
    if (PyBool_Check(object) || !PyIndex_Check(object)) {
        PyErr_Format(PyExc_RuntimeError,
                     "set_num_threads expects an int, but got %.200s",
                     Py_TYPE(object)->tp_name);
        return NULL;
    }
    if (cm_read_int64(&n, object, "set_num_threads(): argument 'n'") < 0)
        return NULL;
    if (n < 1 || n > INT_MAX) { /* torch's types */
        PyErr_Format(n < 1 ? PyExc_RuntimeError : PyExc_ValueError,
                     "set_num_threads expects a positive integer up to %d, got %lld",
                     INT_MAX, (long long)n);
        return NULL;
    }
    state->threads = (int)n;
    if (state->pool)
        cm_pool_resize(state->pool, state->threads);
    Py_RETURN_NONE;
}

static PyObject *get_num_threads(PyObject *module, PyObject *Py_UNUSED(none))
{
    return PyLong_FromLong(cm_state_of(module)->threads);
}

int cm_threads_init(struct cm_state *state)
{
    const char *text = getenv("CNN_MNIST_NUM_THREADS");
    if (!text || !*text) {
        state->threads = cm_processors();
        return 0;
    }
    char *end;
    long n = strtol(text, &end, 10);
    if (*end || n < 1 || n > INT_MAX) {
        PyErr_Format(PyExc_ValueError,
                     "CNN_MNIST_NUM_THREADS: expected a positive integer up to %d, "
                     "got '%s'",
                     INT_MAX, text);
        return -1;
    }
    state->threads = (int)n;
    return 0;
}

PyMethodDef cm_threads_methods[] = {
    {"set_num_threads", set_num_threads, METH_O, "set_num_threads(n, /)\n--\n\n"},
    {"get_num_threads", get_num_threads, METH_NOARGS, "get_num_threads()\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
