/* backward.c - the walk back over the tape. */
#include "arguments.h"
#include "arrays.h"
#include "core.h"
#include "tape.h"

/* Later operations have higher sequence numbers, so taking the highest first meets every
   node after all nodes that feed it a gradient. */
struct walk {
    const struct cm_state *state;
    struct cm_node **heap; /* what gradients have reached, the latest node at the top */
    Py_ssize_t count, room;
    PyObject
        *gradients; /* dict: node of the heap, its owner -> gradient of its result */
    PyObject *sums; /* dict: address of a Tensor whose .grad grows -> (it, gradient) */
    int retain_graph;
};

static int push(struct walk *w, struct cm_node *node)
{
    if (w->count == w->room) {
        const Py_ssize_t room = 2 * w->room + 16;
        struct cm_node **heap = PyMem_Realloc(w->heap, (size_t)room * sizeof *w->heap);
        if (!heap) {
            PyErr_NoMemory();
            return -1;
        }
        w->heap = heap;
        w->room = room;
    }
    Py_ssize_t at = w->count++;
    while (at > 0 && w->heap[(at - 1) / 2]->sequence < node->sequence) {
        w->heap[at] = w->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    w->heap[at] = node;
    return 0;
}

/* The latest node; the heap must not be empty. */
static struct cm_node *pop(struct walk *w)
{
    struct cm_node *top = w->heap[0], *last = w->heap[--w->count];
    Py_ssize_t at = 0;
    for (Py_ssize_t child = 1; child < w->count; child = 2 * at + 1) {
        if (child + 1 < w->count &&
            w->heap[child]->sequence < w->heap[child + 1]->sequence)
            child++;
        if (w->heap[child]->sequence < last->sequence)
            break;
        w->heap[at] = w->heap[child];
        at = child;
    }
    w->heap[at] = last;
    return top;
}

static int reach_node(struct walk *w, struct cm_node *node, PyObject *part)
{
    PyObject *key = (PyObject *)node;
    PyObject *sum = PyDict_GetItemWithError(w->gradients, key);
    if (!sum)
        return PyErr_Occurred() || PyDict_SetItem(w->gradients, key, part) < 0
                   ? -1
                   : push(w, node);
    PyObject *total = PyNumber_Add(sum, part);
    const int status = total ? PyDict_SetItem(w->gradients, key, total) : -1;
    Py_XDECREF(total);
    return status;
}

/* Tensors are told apart by their address: a subclass may compare and hash as it likes. */
static int set_sum(const struct walk *w, PyObject *tensor, PyObject *total)
{
    PyObject *key = PyLong_FromVoidPtr(tensor);
    PyObject *pair = key ? PyTuple_Pack(2, tensor, total) : NULL;
    const int status = pair ? PyDict_SetItem(w->sums, key, pair) : -1;
    Py_XDECREF(key);
    Py_XDECREF(pair);
    return status;
}

/* Borrowed; NULL without an exception where there is none yet. */
static PyObject *sum_of(const struct walk *w, PyObject *tensor)
{
    PyObject *key = PyLong_FromVoidPtr(tensor);
    PyObject *pair = key ? PyDict_GetItemWithError(w->sums, key) : NULL;
    Py_XDECREF(key);
    return pair ? PyTuple_GET_ITEM(pair, 1) : NULL;
}

/* A first gradient may become the Tensor's own .grad: it must share memory with nothing,
   neither with what it looks at nor with the gradient `g` that it was made of. */
static int reach_tensor(struct walk *w, PyObject *tensor, PyObject *part, PyObject *g)
{
    PyObject *sum = sum_of(w, tensor);
    if (!sum && PyErr_Occurred())
        return -1;
    PyObject *total;
    if (sum)
        total = PyNumber_Add(sum, part);
    else if (part == g || !cm_ndarray_owns(part))
        total = cm_ndarray_copy(part);
    else
        total = Py_NewRef(part);
    const int status = total ? set_sum(w, tensor, total) : -1;
    Py_XDECREF(total);
    return status;
}

/* Whether `saved` is a list of (version list, version) */
static int saved_is_whole(PyObject *saved)
{
    if (!saved || !PyList_Check(saved))
        return 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(saved); i++) {
        PyObject *pair = PyList_GET_ITEM(saved, i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2 ||
            !cm_is_version(PyTuple_GET_ITEM(pair, 0)))
            return 0;
    }
    return 1;
}

static int check_saved(const struct cm_node *node)
{
    if (!saved_is_whole(node->saved)) {
        PyErr_Format(PyExc_TypeError, "%U: saved must be a list of (list, version)",
                     node->name);
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(node->saved); i++) {
        PyObject *pair = PyList_GET_ITEM(node->saved, i);
        PyObject *now = PyList_GET_ITEM(PyTuple_GET_ITEM(pair, 0), 0);
        PyObject *then = PyTuple_GET_ITEM(pair, 1);
        const int same = PyObject_RichCompareBool(now, then, Py_EQ);
        if (same == 0)
            PyErr_Format(
                PyExc_RuntimeError,
                "one of the variables needed for gradient computation has been "
                "modified by an inplace operation: a value saved for %U is at version "
                "%S; expected version %S instead.",
                node->name, now, then);
        if (same != 1)
            return -1;
    }
    return 0;
}

/* Whether accumulate() can add `gradient` to the .grad that the tensor has. */
static int check_grad(const struct cm_state *state, const struct cm_storage *s,
                      PyObject *gradient)
{
    if (!PyObject_TypeCheck(s->grad, state->tape.storage_type) ||
        !cm_storage_of(s->grad)->array) {
        PyErr_SetString(PyExc_TypeError, "_grad must be a Tensor or None");
        return -1;
    }
    struct cm_array sum = {0}, part = {0};
    int status = -1;
    if (cm_array_open(&sum, cm_storage_of(s->grad)->array, "backward(): .grad") == 0 &&
        cm_array_open(&part, gradient, "backward(): gradient") == 0 &&
        cm_array_check_type(&sum, &part) == 0 &&
        cm_array_check_shape(&sum, part.ndim, part.shape) == 0)
        status = cm_array_check_writable(&sum);
    cm_array_clear(&sum);
    cm_array_clear(&part);
    return status;
}

/* tensor.grad += gradient, which becomes the tensor's own when it had none */
static int accumulate(const struct cm_state *state, struct cm_storage *s,
                      PyObject *gradient)
{
    if (!s->grad || s->grad == Py_None) {
        PyObject *grad = cm_wrap(state->tape.tensor_type, gradient);
        if (grad)
            Py_XSETREF(s->grad, grad);
        return grad ? 0 : -1;
    }
    const struct cm_storage *grad = cm_storage_of(s->grad);
    if (cm_add_in_place(state->isa, grad->array, gradient) < 0)
        return -1;
    return cm_count_change(grad->version);
}

/* The gradient of an intermediate result counts as a leaf's if retain_grad() asked for it.
 */
static int retain(struct walk *w, const struct cm_node *node, PyObject *g)
{
    if (node->retained == Py_None)
        return 0;
    PyObject *tensor = PyObject_CallNoArgs(node->retained);
    if (!tensor)
        return -1;
    const int alive = PyObject_TypeCheck(tensor, w->state->tape.storage_type);
    const int status = alive ? reach_tensor(w, tensor, g, g) : 0;
    Py_DECREF(tensor);
    return status;
}

/* The gradients of a node's inputs, a tuple or list; what it saved is given back. */
static PyObject *gradients_of(struct walk *w, struct cm_node *node, PyObject *g)
{
    if (node->gradients == Py_None) {
        PyErr_SetString(
            PyExc_RuntimeError,
            "Trying to backward through the graph a second time (or directly access "
            "saved tensors after they have already been freed). Saved intermediate "
            "values of the graph are freed when you call .backward(). Specify "
            "retain_graph=True if you need to backward through the graph a second time "
            "or if you need to access saved tensors after calling backward.");
        return NULL;
    }
    if (check_saved(node) < 0 || retain(w, node, g) < 0)
        return NULL;
    PyObject *function = Py_NewRef(node->gradients);
    if (node->keeps && !w->retain_graph)
        Py_SETREF(node->gradients, Py_NewRef(Py_None));
    PyObject *parts = PyObject_CallOneArg(function, g);
    Py_DECREF(function);
    if (!parts || PyTuple_Check(parts) || PyList_Check(parts))
        return parts;
    Py_DECREF(parts);
    PyErr_Format(PyExc_TypeError, "%U: gradients must come as a tuple", node->name);
    return NULL;
}

/* `part` of the gradient goes to target, a node or a leaf. */
static int reach(struct walk *w, PyObject *target, PyObject *part, PyObject *g)
{
    if (Py_IS_TYPE(target, w->state->tape.node_type))
        return reach_node(w, cm_node_of(target), part);
    if (PyObject_TypeCheck(target, w->state->tape.storage_type))
        return reach_tensor(w, target, part, g);
    PyErr_Format(PyExc_TypeError, "gradients go to nodes and Tensors, not %.200s",
                 Py_TYPE(target)->tp_name);
    return -1;
}

static int step(struct walk *w, struct cm_node *node, PyObject *gradient)
{
    PyObject *g = cm_ndarray_of(gradient); /* NumPy makes scalars of 0-d arrays */
    PyObject *parts = g ? gradients_of(w, node, g) : NULL;
    int status = parts ? 0 : -1;
    for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(node->inputs) &&
                           i < PySequence_Fast_GET_SIZE(parts);
         i++) {
        PyObject *target = PyList_GET_ITEM(node->inputs, i);
        PyObject *part = PySequence_Fast_GET_ITEM(parts, i);
        if (target == Py_None)
            continue;
        status = reach(w, target, part, g);
    }
    Py_XDECREF(parts);
    Py_XDECREF(g);
    return status;
}

/* Before any Tensor changes: a gradient that becomes a leaf's own lies in memory as the
   leaf does, and one that is added can be. */
static int prepare(const struct walk *w, PyObject *tensor, PyObject *sum)
{
    const struct cm_storage *s = cm_storage_of(tensor);
    if (s->grad && s->grad != Py_None)
        return check_grad(w->state, s, sum);
    const int leaf = !s->node || s->node == Py_None;
    PyObject *own = cm_ndarray_laid_out(sum, leaf ? s->array : NULL);
    const int status = own ? set_sum(w, tensor, own) : -1;
    Py_XDECREF(own);
    return status;
}

/* Tensors change only when all went well; those that no longer want a gradient do not. */
static int accumulate_all(const struct walk *w)
{
    PyObject *pair;
    for (Py_ssize_t at = 0; PyDict_Next(w->sums, &at, NULL, &pair);) {
        PyObject *tensor = PyTuple_GET_ITEM(pair, 0);
        if (cm_storage_of(tensor)->requires_grad &&
            prepare(w, tensor, PyTuple_GET_ITEM(pair, 1)) < 0)
            return -1;
    }
    for (Py_ssize_t at = 0; PyDict_Next(w->sums, &at, NULL, &pair);) {
        struct cm_storage *s = cm_storage_of(PyTuple_GET_ITEM(pair, 0));
        if (s->requires_grad && accumulate(w->state, s, PyTuple_GET_ITEM(pair, 1)) < 0)
            return -1;
    }
    return 0;
}

/* One step from the latest node. */
static int walk_on(struct walk *w)
{
    PyObject *node = Py_NewRef((PyObject *)pop(w));
    PyObject *gradient = Py_XNewRef(PyDict_GetItemWithError(w->gradients, node));
    int status = -1;
    if (gradient && PyDict_DelItem(w->gradients, node) == 0)
        status = step(w, cm_node_of(node), gradient);
    Py_DECREF(node);
    Py_XDECREF(gradient);
    return status;
}

static PyObject *backward(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    const struct cm_state *state = cm_state_of(module);
    struct walk w = {.state = state};
    if (cm_check_count("backward", nargs, 3) < 0 ||
        cm_read_bool(&w.retain_graph, args[2]) < 0)
        return NULL;
    if (!PyObject_TypeCheck(args[0], state->tape.storage_type)) {
        PyErr_SetString(PyExc_TypeError, "backward(): expected a Tensor");
        return NULL;
    }
    PyObject *first = cm_storage_of(args[0])->node;
    if (!first || first == Py_None)
        first = args[0];
    w.gradients = PyDict_New();
    w.sums = PyDict_New();
    int status = -1;
    if (w.gradients && w.sums)
        status = reach(&w, first, args[1], args[1]);
    while (status == 0 && w.count > 0)
        status = walk_on(&w);
    if (status == 0)
        status = accumulate_all(&w);
    PyMem_Free(w.heap);
    Py_XDECREF(w.gradients);
    Py_XDECREF(w.sums);
    return status == 0 ? Py_NewRef(Py_None) : NULL;
}

PyMethodDef cm_backward_methods[] = {
    {"backward", CM_FASTCALL(backward),
     "backward(root, gradient, retain_graph, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
