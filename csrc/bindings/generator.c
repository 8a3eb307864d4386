/* generator.c - the type Generator: torch's random numbers, filled into arrays. */
#include "arguments.h"
#include "arrays.h"
#include "core.h"

#include <float.h>
#include <string.h>
#include <unistd.h>

#include "../random/mt19937.h"

/* torch's default seed */
#define DEFAULT_SEED UINT64_C(67280421310721)

struct generator {
    PyObject_HEAD
    struct cm_mt19937 stream;
    unsigned char normal[40]; /* torch's cached normal sample: carried along, unused */
    PyThread_type_lock lock;  /* held while the stream is drawn from */
    pid_t holder;             /* the process in which it was last taken */
};

static struct generator *generator_of(PyObject *self)
{
    return (struct generator *)self;
}

/* Another thread may draw without the GIL: wait for it without the GIL as well. A lock
   that a fork found taken is taken over, for its holder is not in this process. */
static void lock(struct generator *g)
{
    if (!PyThread_acquire_lock(g->lock, NOWAIT_LOCK) && g->holder == getpid()) {
        PyThreadState *saved = PyEval_SaveThread();
        PyThread_acquire_lock(g->lock, WAIT_LOCK);
        PyEval_RestoreThread(saved);
    }
    g->holder = getpid();
}

static void unlock(struct generator *g)
{
    PyThread_release_lock(g->lock);
}

/* Any int64 or uint64; a negative seed is its two's complement. */
static int read_seed(uint64_t *seed, PyObject *object)
{
    if (PyBool_Check(object) || !PyIndex_Check(object)) {
        PyErr_Format(PyExc_RuntimeError, "manual_seed expected an int, but got %.200s",
                     Py_TYPE(object)->tp_name);
        return -1;
    }
    PyObject *index = PyNumber_Index(object);
    if (!index)
        return -1;
    int overflow;
    *seed = (uint64_t)PyLong_AsLongLongAndOverflow(index, &overflow);
    if (overflow > 0)
        *seed = PyLong_AsUnsignedLongLong(index);
    if (overflow < 0 || (overflow > 0 && PyErr_Occurred()))
        PyErr_Format(PyExc_ValueError, "manual_seed: %S is outside of [-2**63, 2**64)",
                     index);
    Py_DECREF(index);
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *generator_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    uint64_t seed = DEFAULT_SEED;
    if (kwargs && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "Generator() takes no keyword arguments");
        return NULL;
    }
    if (PyTuple_GET_SIZE(args) > 1) {
        PyErr_Format(PyExc_TypeError,
                     "Generator() takes at most 1 argument (%zd given)",
                     PyTuple_GET_SIZE(args));
        return NULL;
    }
    if (PyTuple_GET_SIZE(args) == 1 && read_seed(&seed, PyTuple_GET_ITEM(args, 0)) < 0)
        return NULL;
    struct generator *self = generator_of(type->tp_alloc(type, 0));
    if (!self)
        return NULL;
    self->lock = PyThread_allocate_lock();
    if (!self->lock) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    cm_mt19937_seed(&self->stream, seed);
    return (PyObject *)self;
}

static void generator_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    if (generator_of(self)->lock)
        PyThread_free_lock(generator_of(self)->lock);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *manual_seed(PyObject *self, PyObject *object)
{
    struct generator *g = generator_of(self);
    uint64_t seed;
    if (read_seed(&seed, object) < 0)
        return NULL;
    lock(g);
    cm_mt19937_seed(&g->stream, seed);
    memset(g->normal, 0, sizeof g->normal);
    unlock(g);
    Py_RETURN_NONE;
}

static PyObject *initial_seed(PyObject *self, PyObject *Py_UNUSED(none))
{
    return PyLong_FromUnsignedLongLong(generator_of(self)->stream.seed);
}

/* What torch.Generator.get_state() gives, byte by byte. */
struct torch_state {
    uint64_t seed;
    int32_t left; /* draws until the next generation, itself counted */
    int32_t seeded;
    uint64_t next;
    uint64_t words[CM_MT19937_WORDS];
    unsigned char normal[40];
};
_Static_assert(sizeof(struct torch_state) == 5056, "torch's layout");

static int32_t left_after(uint64_t next)
{
    return next == 0 ? 1 : CM_MT19937_WORDS + 1 - (int32_t)next;
}

static PyObject *get_state(PyObject *self, PyObject *Py_UNUSED(none))
{
    struct generator *g = generator_of(self);
    const ptrdiff_t shape[] = {sizeof(struct torch_state)};
    struct cm_array out = {0};
    if (cm_array_new(&out, 1, shape, CM_U8) < 0)
        return NULL;
    struct torch_state state;
    lock(g);
    state.seed = g->stream.seed;
    state.left = left_after((uint64_t)g->stream.next);
    state.seeded = 1;
    state.next = (uint64_t)g->stream.next;
    for (int i = 0; i < CM_MT19937_WORDS; i++)
        state.words[i] = g->stream.state[i];
    memcpy(state.normal, g->normal, sizeof state.normal);
    unlock(g);
    memcpy(out.data, &state, sizeof state);
    return cm_array_give(&out);
}

static PyObject *set_state(PyObject *self, PyObject *object)
{
    struct generator *g = generator_of(self);
    struct cm_array in = {0};
    PyObject *result = NULL;
    if (cm_array_open(&in, object, "set_state(): argument 'state'") < 0)
        goto done;
    if (in.type != CM_U8) {
        PyErr_Format(PyExc_TypeError, "RNG state must be a uint8 array, got %s",
                     cm_type_numpy_name(&in));
        goto done;
    }
    struct torch_state state;
    if (in.size != sizeof state) {
        PyErr_Format(PyExc_RuntimeError,
                     "Expected a generator state of size %zu but found %zd",
                     sizeof state, in.size);
        goto done;
    }
    if (cm_array_settle(&in) < 0)
        goto done;
    memcpy(&state, in.data, sizeof state);
    if (state.seeded != 1 || state.next > CM_MT19937_WORDS ||
        state.left != left_after(state.next)) {
        PyErr_SetString(PyExc_RuntimeError, "Invalid mt19937 state");
        goto done;
    }
    lock(g);
    g->stream.seed = state.seed;
    g->stream.next = (int)state.next;
    for (int i = 0; i < CM_MT19937_WORDS; i++)
        g->stream.state[i] = (uint32_t)state.words[i];
    memcpy(g->normal, state.normal, sizeof g->normal);
    unlock(g);
    result = Py_NewRef(Py_None);
done:
    cm_array_clear(&in);
    return result;
}

/* torch's check_uniform_bounds */
static int check_bounds(double low, double high, enum cm_type type)
{
    double limit = type == CM_F32 ? FLT_MAX : DBL_MAX;
    const char *name = type == CM_F32 ? "float32" : "float64";
    PyObject *interval = Py_BuildValue("dd", low, high);
    if (!interval)
        return -1;
    if (!(-limit <= low && low <= limit))
        PyErr_Format(PyExc_RuntimeError,
                     "uniform: low is out of bounds for %s: (low, high) = %R", name,
                     interval);
    else if (!(-limit <= high && high <= limit))
        PyErr_Format(PyExc_RuntimeError,
                     "uniform: high is out of bounds for %s: (low, high) = %R", name,
                     interval);
    else if (low > high)
        PyErr_Format(PyExc_RuntimeError,
                     "uniform expects low <= high, but found (low, high) = %R",
                     interval);
    else if (high - low > limit)
        PyErr_Format(PyExc_RuntimeError,
                     "uniform: high - low exceeds the largest %s: (low, high) = %R",
                     name, interval);
    Py_DECREF(interval);
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *uniform(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct generator *g = generator_of(self);
    struct cm_array out = {0};
    double low, high;
    PyObject *result = NULL;
    if (cm_check_count("uniform", nargs, 3) < 0 ||
        cm_read_double(&low, args[1], "uniform(): argument 'low'") < 0 ||
        cm_read_double(&high, args[2], "uniform(): argument 'high'") < 0 ||
        cm_array_open_output(&out, args[0], "uniform(): argument 'out'",
                             "check_uniform_bounds", 1) < 0 ||
        check_bounds(low, high, out.type) < 0)
        goto done;
    lock(g);
    PyThreadState *saved = cm_unlock_gil((double)out.size);
    if (out.type == CM_F32)
        cm_uniform_f32(&g->stream, out.data, out.size, low, high);
    else
        cm_uniform_f64(&g->stream, out.data, out.size, low, high);
    cm_lock_gil(saved);
    unlock(g);
    if (cm_array_commit(&out) == 0)
        result = Py_NewRef(Py_None);
done:
    cm_array_clear(&out);
    return result;
}

static PyObject *randperm(PyObject *self, PyObject *object)
{
    struct generator *g = generator_of(self);
    struct cm_array out = {0};
    ptrdiff_t n;
    if (cm_read_size(&n, object, "randperm(): argument 'n'") < 0 ||
        cm_array_new(&out, 1, &n, CM_I64) < 0)
        return NULL;
    lock(g);
    PyThreadState *saved = cm_unlock_gil((double)n);
    cm_randperm(&g->stream, out.data, n);
    cm_lock_gil(saved);
    unlock(g);
    return cm_array_give(&out);
}

static PyObject *randint(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct generator *g = generator_of(self);
    struct cm_array out = {0};
    ptrdiff_t n;
    int64_t low, last;
    if (cm_check_count("randint", nargs, 3) < 0 ||
        cm_read_size(&n, args[0], "randint(): argument 'n'") < 0 ||
        cm_read_int64(&low, args[1], "randint(): argument 'low'") < 0 ||
        cm_read_int64(&last, args[2], "randint(): argument 'last'") < 0)
        return NULL;
    if (low > last) {
        PyErr_Format(PyExc_RuntimeError,
                     "randint expects 'low' not to be greater than 'last', but got "
                     "low=%lld > last=%lld",
                     (long long)low, (long long)last);
        return NULL;
    }
    if (cm_array_new(&out, 1, &n, CM_I64) < 0)
        return NULL;
    lock(g);
    PyThreadState *saved = cm_unlock_gil((double)n);
    cm_randint(&g->stream, out.data, n, low, last);
    cm_lock_gil(saved);
    unlock(g);
    return cm_array_give(&out);
}

static PyObject *random_int63(PyObject *self, PyObject *Py_UNUSED(none))
{
    struct generator *g = generator_of(self);
    lock(g);
    int64_t drawn = cm_random_int63(&g->stream);
    unlock(g);
    return PyLong_FromLongLong(drawn);
}

static PyMethodDef methods[] = {
    {"manual_seed", manual_seed, METH_O, "manual_seed($self, seed, /)\n--\n\n"},
    {"initial_seed", initial_seed, METH_NOARGS, "initial_seed($self, /)\n--\n\n"},
    {"get_state", get_state, METH_NOARGS, "get_state($self, /)\n--\n\n"},
    {"set_state", set_state, METH_O, "set_state($self, state, /)\n--\n\n"},
    {"uniform", CM_FASTCALL(uniform), "uniform($self, out, low, high, /)\n--\n\n"},
    {"randperm", randperm, METH_O, "randperm($self, n, /)\n--\n\n"},
    {"randint", CM_FASTCALL(randint), "randint($self, n, low, last, /)\n--\n\n"},
    {"random_int63", random_int63, METH_NOARGS, "random_int63($self, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Generator(seed=67280421310721, /)\n--\n\ntorch's CPU generator."},
    {Py_tp_new, generator_new},
    {Py_tp_dealloc, generator_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "cnn_mnist._core.Generator",
    .basicsize = sizeof(struct generator),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyTypeObject *cm_generator_type_new(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}
