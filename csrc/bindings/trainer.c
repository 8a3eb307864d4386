/* trainer.c - the type Trainer: the training room in Python. */
#include "arguments.h"
#include "arrays.h"
#include "chain.h"
#include "core.h"
#include "room.h"
#include "targets.h"

struct trainer {
    PyObject_HEAD
    struct cm_chain chain;
    struct cm_input input;
    struct cm_targets targets; /* index, weight, ignore_index */
    struct cm_room_options options;
    struct cm_room room;
    int busy; /* a method is running; read and written with the GIL */
};

static struct trainer *trainer_of(PyObject *self)
{
    return (struct trainer *)self;
}

/* target (rows), class_weight (C) or None */
static int read_targets(struct trainer *t, PyObject *target, PyObject *class_weight)
{
    const struct cm_link *last = &t->chain.links[t->chain.depth - 1];
    struct cm_targets *targets = &t->targets;
    if (last->out == 0) {
        PyErr_Format(PyExc_ValueError, "%s: expected at least one class, got 0",
                     last->name[0]);
        return -1;
    }
    if (cm_array_open(&targets->target, target, "target") < 0 ||
        cm_targets_read_labels(targets, t->input.rows, last->out) < 0)
        return -1;
    cm_array_clear(&targets->target); /* index holds a copy */
    if (class_weight == Py_None)
        return 0;
    if (cm_array_open(&targets->weight, class_weight, "class_weight") < 0 ||
        cm_array_check_type(&targets->weight, &last->weight) < 0 ||
        cm_array_check_shape(&targets->weight, 1, &last->out) < 0)
        return -1;
    return cm_array_settle(&targets->weight);
}

/* The arguments of Trainer(): layers, relu_input, x, target, batch_size, momentum,
   dampening, weight_decay, nesterov, maximize, class_weight, ignore_index,
   label_smoothing, fixed_order, num_threads. */
static int read_trainer(struct trainer *t, PyObject *const *args)
{
    struct cm_room_options *o = &t->options;
    int64_t batch_size;
    if (cm_read_int64(&batch_size, args[4], "batch_size") < 0 ||
        cm_read_double(&o->momentum, args[5], "momentum") < 0 ||
        cm_read_double(&o->dampening, args[6], "dampening") < 0 ||
        cm_read_double(&o->weight_decay, args[7], "weight_decay") < 0 ||
        cm_read_bool(&o->nesterov, args[8]) < 0 ||
        cm_read_bool(&o->maximize, args[9]) < 0 ||
        cm_read_int64(&t->targets.ignore_index, args[11], "ignore_index") < 0 ||
        cm_read_double(&o->label_smoothing, args[12], "label_smoothing") < 0 ||
        cm_check_smoothing(o->label_smoothing) < 0 ||
        cm_read_bool(&o->fixed_order, args[13]) < 0 ||
        cm_read_threads(&o->threads, args[14]) < 0 ||
        cm_chain_read(&t->chain, args[0], args[1], 1) < 0 ||
        cm_input_read(&t->input, args[2], &t->chain) < 0 ||
        read_targets(t, args[3], args[10]) < 0)
        return -1;
    o->class_weight = t->targets.weight.data;
    o->ignore_index = t->targets.ignore_index;
    o->batch_size = (ptrdiff_t)batch_size;
    if (batch_size > 0)
        return 0;
    PyErr_Format(PyExc_ValueError, "batch_size: expected a positive number, got %lld",
                 (long long)batch_size);
    return -1;
}

static void raise_no_memory(void)
{
    PyErr_SetString(PyExc_MemoryError,
                    "not enough memory for training: a smaller batch_size and fewer "
                    "threads take less");
}

static PyObject *trainer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    struct cm_state *state = PyType_GetModuleState(type);
    if (kwargs && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "Trainer() takes no keyword arguments");
        return NULL;
    }
    if (!state || cm_check_count("Trainer", PyTuple_GET_SIZE(args), 15) < 0)
        return NULL;
    struct trainer *t = trainer_of(type->tp_alloc(type, 0));
    if (!t || read_trainer(t, PySequence_Fast_ITEMS(args)) < 0)
        goto failed;
    struct cm_pool *pool = t->options.threads == 1 ? NULL : cm_pool_of(state);
    const struct cm_isa *isa = state->isa;
    PyThreadState *saved = PyEval_SaveThread(); /* tables may be built from x */
    t->room =
        cm_room_new(&t->chain, &t->input, t->targets.index, &t->options, isa, pool);
    PyEval_RestoreThread(saved);
    if (t->room.trainer)
        return (PyObject *)t;
    raise_no_memory();
failed:
    Py_XDECREF(t);
    return NULL;
}

static int trainer_traverse(PyObject *self, visitproc visit, void *arg)
{
    const struct trainer *t = trainer_of(self);
    Py_VISIT(Py_TYPE(self));
    for (int i = 0; i < t->chain.depth; i++) {
        Py_VISIT(t->chain.links[i].weight.object);
        Py_VISIT(t->chain.links[i].bias.object);
        Py_VISIT(t->chain.links[i].given[0]);
        Py_VISIT(t->chain.links[i].given[1]);
    }
    Py_VISIT(t->input.dense.object);
    Py_VISIT(t->input.values.object);
    Py_VISIT(t->input.index.object);
    Py_VISIT(t->input.begin.object);
    Py_VISIT(t->targets.weight.object);
    return 0;
}

static void trainer_dealloc(PyObject *self)
{
    struct trainer *t = trainer_of(self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (t->room.trainer)
        cm_room_free(t->room);
    cm_chain_clear(&t->chain);
    cm_input_clear(&t->input);
    cm_targets_clear(&t->targets);
    type->tp_free(self);
    Py_DECREF(type);
}

/* One method at a time: the room has one state. */
static int enter(struct trainer *t)
{
    if (t->busy) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this Trainer is already running, in another thread or below "
                        "this call");
        return -1;
    }
    t->busy = 1;
    return 0;
}

static void leave(struct trainer *t)
{
    t->busy = 0;
}

/* A private copy of the order, or NULL for None or with an exception set. */
static int64_t *read_order(const struct trainer *t, PyObject *object)
{
    const ptrdiff_t rows = t->input.rows;
    struct cm_array order = {0};
    int64_t *copy = NULL;
    unsigned char *seen = NULL;
    if (t->options.fixed_order) {
        PyErr_SetString(PyExc_ValueError,
                        "order: this Trainer was made for a fixed order");
        return NULL;
    }
    if (cm_array_open(&order, object, "order") < 0)
        return NULL;
    if (order.type != CM_I64) {
        PyErr_Format(PyExc_TypeError, "order: expected int64, got %s",
                     cm_type_numpy_name(&order));
        goto done;
    }
    if (cm_array_check_shape(&order, 1, &rows) < 0 || cm_array_settle(&order) < 0)
        goto done;
    copy = PyMem_RawMalloc((size_t)rows * sizeof *copy);
    seen = PyMem_RawCalloc((size_t)rows, 1);
    if (!copy || !seen)
        raise_no_memory();
    for (ptrdiff_t i = 0; i < rows && !PyErr_Occurred(); i++) {
        const int64_t row = ((const int64_t *)order.data)[i];
        copy[i] = row;
        if (row < 0 || row >= rows || seen[row]++)
            PyErr_Format(PyExc_ValueError,
                         "order: expected a permutation of %zd rows, got %lld%s at %zd",
                         rows, (long long)row,
                         row < 0 || row >= rows ? "" : " a second time", i);
    }
done:
    PyMem_RawFree(seen);
    cm_array_clear(&order);
    if (!PyErr_Occurred())
        return copy;
    PyMem_RawFree(copy);
    return NULL;
}

/* What the epoch's watch needs to come back to Python. */
struct watcher {
    PyObject *poll; /* borrowed; NULL: only signals */
    PyThreadState *saved;
};

static int poll(void *user, ptrdiff_t done, ptrdiff_t total)
{
    struct watcher *w = user;
    PyEval_RestoreThread(w->saved);
    int failed = PyErr_CheckSignals();
    if (!failed && w->poll) {
        PyObject *answer = PyObject_CallFunction(w->poll, "nn", done, total);
        failed = answer ? 0 : -1;
        Py_XDECREF(answer);
    }
    w->saved = PyEval_SaveThread();
    return failed;
}

/* FloatingPointError with `text`, which is taken over, and the attribute step */
static void raise_not_finite(PyObject *text, ptrdiff_t step)
{
    PyObject *error = NULL, *number = NULL;
    if (text && (error = PyObject_CallOneArg(PyExc_FloatingPointError, text)) &&
        (number = PyLong_FromSsize_t(step)) &&
        PyObject_SetAttrString(error, "step", number) == 0)
        PyErr_SetObject(PyExc_FloatingPointError, error);
    Py_XDECREF(text);
    Py_XDECREF(error);
    Py_XDECREF(number);
}

static PyObject *text_of_loss(double loss, ptrdiff_t step)
{
    PyObject *value = PyFloat_FromDouble(loss);
    if (!value)
        return NULL;
    PyObject *text = PyUnicode_FromFormat(
        "the loss of step %zd is %R: training stopped before that step", step, value);
    Py_DECREF(value);
    return text;
}

static void raise_status(enum cm_status status, const double *losses, ptrdiff_t steps)
{
    if (status == CM_NO_MEMORY)
        raise_no_memory();
    else if (status == CM_NOT_FINITE)
        raise_not_finite(text_of_loss(losses[steps], steps), steps);
    else if (status == CM_OVERFLOW)
        raise_not_finite(
            PyUnicode_FromFormat("a parameter is not finite after step %zd, the last",
                                 steps - 1),
            steps - 1);
    /* CM_STOPPED: what stopped it has set the exception */
}

static PyObject *epoch(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    struct trainer *t = trainer_of(self);
    struct cm_array losses = {0}, correct = {0};
    int64_t *order = NULL;
    double lr;
    PyObject *result = NULL;
    if (cm_check_count("epoch", nargs, 3) < 0 ||
        cm_read_double(&lr, args[1], "epoch(): argument 'lr'") < 0)
        return NULL;
    struct watcher watcher = {.poll = args[2] == Py_None ? NULL : args[2]};
    if (watcher.poll && !PyCallable_Check(watcher.poll)) {
        PyErr_Format(PyExc_TypeError,
                     "epoch(): argument 'poll' must be callable or None, not %.200s",
                     Py_TYPE(watcher.poll)->tp_name);
        return NULL;
    }
    if (enter(t) < 0)
        return NULL;
    const ptrdiff_t rows = t->input.rows, size = t->options.batch_size;
    const ptrdiff_t total = rows / size + (rows % size != 0);
    ptrdiff_t steps = 0;
    if ((args[0] != Py_None && !(order = read_order(t, args[0]))) ||
        cm_array_new(&losses, 1, &total, CM_F64) < 0 ||
        cm_array_new(&correct, 1, &total, CM_I64) < 0)
        goto done;
    const struct cm_watch watch = {poll, &watcher};
    watcher.saved = PyEval_SaveThread();
    const enum cm_status status =
        cm_room_epoch(t->room, order, lr, watch, losses.data, correct.data, &steps);
    PyEval_RestoreThread(watcher.saved);
    if (status == CM_OK)
        result = Py_BuildValue("NN", cm_array_give(&losses), cm_array_give(&correct));
    else
        raise_status(status, losses.data, steps);
done:
    leave(t);
    PyMem_RawFree(order);
    cm_array_clear(&losses);
    cm_array_clear(&correct);
    return result;
}

static PyObject *synchronise(PyObject *self, PyObject *Py_UNUSED(none))
{
    struct trainer *t = trainer_of(self);
    if (enter(t) < 0)
        return NULL;
    cm_room_sync(t->room);
    const int status = cm_chain_copy_back(&t->chain);
    leave(t);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *reload(PyObject *self, PyObject *Py_UNUSED(none))
{
    struct trainer *t = trainer_of(self);
    if (enter(t) < 0)
        return NULL;
    const int status = cm_chain_copy_again(&t->chain);
    if (status == 0)
        cm_room_reload(t->room);
    leave(t);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef methods[] = {
    {"epoch", CM_FASTCALL(epoch), "epoch($self, order, lr, poll, /)\n--\n\n"},
    {"sync", synchronise, METH_NOARGS, "sync($self, /)\n--\n\n"},
    {"reload", reload, METH_NOARGS, "reload($self, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "Trainer(layers, relu_input, x, target, batch_size, momentum, dampening, "
     "weight_decay, nesterov, maximize, class_weight, ignore_index, label_smoothing, "
     "fixed_order, num_threads, /)\n--\n\n"
     "A training run over fixed rows. x: a dense array, or CSR (values, index, begin, "
     "shape)."},
    {Py_tp_new, trainer_new},
    {Py_tp_dealloc, trainer_dealloc},
    {Py_tp_traverse, trainer_traverse},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "cnn_mnist._core.Trainer",
    .basicsize = sizeof(struct trainer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

PyTypeObject *cm_trainer_type_new(PyObject *module)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
}
