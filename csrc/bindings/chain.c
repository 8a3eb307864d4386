/* chain.c - reads layers and input rows; after it, no index can leave its array. */
#include "chain.h"

#include "arguments.h"

#include <limits.h>

static int read_parameter(struct cm_link *link, int which, PyObject *object, int train)
{
    struct cm_array *a = which == 0 ? &link->weight : &link->bias;
    const int ndim = which == 0 ? 2 : 1;
    if (cm_array_open(a, object, link->name[which]) < 0 ||
        cm_array_check_float(a, "linear") < 0 ||
        (train && cm_array_check_writable(a) < 0))
        return -1;
    if (a->ndim != ndim) {
        PyErr_Format(PyExc_RuntimeError, "%s: expected %d dimension%s, got %d",
                     link->name[which], ndim, ndim > 1 ? "s" : "", a->ndim);
        return -1;
    }
    link->given[which] = Py_NewRef(object);
    return cm_array_settle(a);
}

static int read_link(struct cm_link *link, int i, PyObject *layer, int train)
{
    PyOS_snprintf(link->name[0], sizeof link->name[0], "layers[%d]: weight", i);
    PyOS_snprintf(link->name[1], sizeof link->name[1], "layers[%d]: bias", i);
    if (!PyTuple_Check(layer) || PyTuple_GET_SIZE(layer) != 3) {
        PyErr_Format(PyExc_TypeError,
                     "layers[%d] must be a tuple (weight, bias, relu), not %R", i,
                     layer);
        return -1;
    }
    PyObject *bias = PyTuple_GET_ITEM(layer, 1);
    if (read_parameter(link, 0, PyTuple_GET_ITEM(layer, 0), train) < 0 ||
        (bias != Py_None && read_parameter(link, 1, bias, train) < 0) ||
        cm_read_bool(&link->relu, PyTuple_GET_ITEM(layer, 2)) < 0)
        return -1;
    link->out = link->weight.shape[0];
    link->in = link->weight.shape[1];
    if (!link->bias.object)
        return 0;
    if (cm_array_check_type(&link->bias, &link->weight) < 0)
        return -1;
    return cm_array_check_shape(&link->bias, 1, &link->out);
}

/* The layer takes what the one before gives. */
static int check_joint(const struct cm_link *before, const struct cm_link *link)
{
    if (cm_array_check_type(&link->weight, &before->weight) < 0)
        return -1;
    const ptrdiff_t expected[] = {link->out, before->out};
    return cm_array_check_shape(&link->weight, 2, expected);
}

/* A parameter that two layers share would be trained as two. */
static int check_apart(const struct cm_chain *chain)
{
    const int n = 2 * chain->depth;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++) {
            const struct cm_link *a = &chain->links[i / 2], *b = &chain->links[j / 2];
            PyObject *first = a->given[i % 2], *second = b->given[j % 2];
            if (first && second && cm_arrays_overlap(first, second)) {
                PyErr_Format(PyExc_RuntimeError, "%s shares memory with %s",
                             a->name[i % 2], b->name[j % 2]);
                return -1;
            }
        }
    return 0;
}

int cm_chain_read(struct cm_chain *chain, PyObject *layers, PyObject *relu_input,
                  int train)
{
    if (!PyList_Check(layers) && !PyTuple_Check(layers)) {
        PyErr_Format(PyExc_TypeError, "layers must be a list of tuples, not %.200s",
                     Py_TYPE(layers)->tp_name);
        return -1;
    }
    const Py_ssize_t depth = PySequence_Fast_GET_SIZE(layers);
    if (depth < 1 || depth > INT_MAX / 2) {
        PyErr_Format(PyExc_ValueError, "expected at least one layer, got %zd", depth);
        return -1;
    }
    if (cm_read_bool(&chain->relu_input, relu_input) < 0)
        return -1;
    chain->links = PyMem_Calloc((size_t)depth, sizeof *chain->links);
    if (!chain->links) {
        PyErr_NoMemory();
        return -1;
    }
    chain->depth = (int)depth;
    for (int i = 0; i < depth; i++) {
        struct cm_link *link = &chain->links[i];
        /* a list may have been shortened by what ran while an item was read */
        PyObject *layer = i < PySequence_Fast_GET_SIZE(layers)
                              ? Py_NewRef(PySequence_Fast_GET_ITEM(layers, i))
                              : Py_NewRef(Py_None);
        const int status = read_link(link, i, layer, train);
        Py_DECREF(layer);
        if (status < 0 || (i > 0 && check_joint(link - 1, link) < 0))
            return -1;
    }
    chain->type = chain->links[0].weight.type;
    return train ? check_apart(chain) : 0;
}

void cm_chain_clear(struct cm_chain *chain)
{
    for (int i = 0; i < chain->depth; i++) {
        struct cm_link *link = &chain->links[i];
        cm_array_clear(&link->weight);
        cm_array_clear(&link->bias);
        Py_CLEAR(link->given[0]);
        Py_CLEAR(link->given[1]);
    }
    PyMem_Free(chain->links);
    *chain = (struct cm_chain){0};
}

static int copy_parameters(const struct cm_chain *chain, int back)
{
    for (int i = 0; i < 2 * chain->depth; i++) {
        const struct cm_link *link = &chain->links[i / 2];
        PyObject *used = i % 2 == 0 ? link->weight.object : link->bias.object;
        PyObject *given = link->given[i % 2];
        if (given && used != given &&
            cm_array_copy(back ? given : used, back ? used : given) < 0)
            return -1;
    }
    return 0;
}

int cm_chain_copy_back(const struct cm_chain *chain)
{
    return copy_parameters(chain, 1);
}

int cm_chain_copy_again(const struct cm_chain *chain)
{
    return copy_parameters(chain, 0);
}

static int read_dense(struct cm_input *input, PyObject *x)
{
    struct cm_array *dense = &input->dense;
    if (cm_array_open(dense, x, "x") < 0 || cm_array_check_float(dense, "linear") < 0)
        return -1;
    if (dense->ndim != 2) {
        PyErr_Format(PyExc_RuntimeError,
                     "x: expected 2 dimensions (rows, columns), got %d", dense->ndim);
        return -1;
    }
    input->rows = dense->shape[0];
    input->columns = dense->shape[1];
    return cm_array_settle_rows(dense, &input->row_stride);
}

/* begin starts with 0 and rises to at most the number of values */
static int check_begin(const struct cm_input *input)
{
    const int64_t *begin = input->begin.data;
    const ptrdiff_t n = input->values.size;
    for (ptrdiff_t r = 0; r <= input->rows; r++) {
        const int64_t low = r > 0 ? begin[r - 1] : 0, high = r > 0 ? n : 0;
        if (begin[r] < low || begin[r] > high) {
            PyErr_Format(PyExc_ValueError,
                         "x: begin[%zd] is %lld, expected a number in [%lld, %lld]", r,
                         (long long)begin[r], (long long)low, (long long)high);
            return -1;
        }
    }
    return 0;
}

/* Within each row the columns rise, below the number of columns; narrows them to int32.
 */
static int narrow_index(struct cm_input *input)
{
    struct cm_array wide = input->index;
    const int64_t *begin = input->begin.data;
    const int32_t *narrow_in = wide.type == CM_I32 ? wide.data : NULL;
    const int64_t *wide_in = wide.data;
    input->index = (struct cm_array){0};
    if (cm_array_new(&input->index, 1, wide.shape, CM_I32) < 0)
        goto failed;
    int32_t *out = input->index.data;
    for (ptrdiff_t r = 0; r < input->rows; r++) {
        int64_t last = -1;
        for (int64_t n = begin[r]; n < begin[r + 1]; n++) {
            const int64_t column = narrow_in ? narrow_in[n] : wide_in[n];
            if (column <= last || column >= input->columns) {
                PyErr_Format(PyExc_ValueError,
                             "x: index[%lld] is %lld in row %zd, expected rising "
                             "columns below %zd (scipy.sparse: sum_duplicates())",
                             (long long)n, (long long)column, r, input->columns);
                goto failed;
            }
            out[n] = (int32_t)column;
            last = column;
        }
    }
    cm_array_clear(&wide);
    return 0;
failed:
    cm_array_clear(&wide);
    return -1;
}

static int check_vector(const struct cm_array *a, enum cm_type type, enum cm_type other)
{
    if (a->ndim == 1 && (a->type == type || a->type == other))
        return 0;
    PyErr_Format(PyExc_TypeError,
                 "%s: expected a vector of %s, got %s of %d dimension(s)", a->where,
                 type == CM_I32 ? "int32 or int64" : "float32 or float64",
                 cm_type_numpy_name(a), a->ndim);
    return -1;
}

static int read_csr(struct cm_input *input, PyObject *x)
{
    struct cm_array *values = &input->values, *index = &input->index,
                    *begin = &input->begin;
    PyObject *shape = PyTuple_GET_SIZE(x) == 4 ? PyTuple_GET_ITEM(x, 3) : NULL;
    if (!shape || !PyTuple_Check(shape) || PyTuple_GET_SIZE(shape) != 2) {
        PyErr_SetString(
            PyExc_TypeError,
            "x: CSR must be a tuple (values, index, begin, (rows, columns))");
        return -1;
    }
    if (cm_read_size(&input->rows, PyTuple_GET_ITEM(shape, 0), "x: rows") < 0 ||
        cm_read_size(&input->columns, PyTuple_GET_ITEM(shape, 1), "x: columns") < 0 ||
        cm_array_open(values, PyTuple_GET_ITEM(x, 0), "x: values") < 0 ||
        cm_array_open(index, PyTuple_GET_ITEM(x, 1), "x: index") < 0 ||
        cm_array_open(begin, PyTuple_GET_ITEM(x, 2), "x: begin") < 0 ||
        check_vector(values, CM_F32, CM_F64) < 0 ||
        check_vector(index, CM_I32, CM_I64) < 0 ||
        check_vector(begin, CM_I32, CM_I64) < 0)
        return -1;
    if (input->columns > INT32_MAX) {
        PyErr_Format(PyExc_ValueError, "x: %zd columns are more than int32 can name",
                     input->columns);
        return -1;
    }
    const ptrdiff_t boundaries = input->rows + 1;
    if (cm_array_check_shape(index, 1, values->shape) < 0 ||
        cm_array_check_shape(begin, 1, &boundaries) < 0 ||
        cm_array_settle(values) < 0 || cm_array_settle(index) < 0 ||
        cm_array_copy_int64(begin) < 0 || check_begin(input) < 0)
        return -1;
    return narrow_index(input);
}

int cm_input_read(struct cm_input *input, PyObject *x, const struct cm_chain *chain)
{
    const struct cm_link *first = &chain->links[0];
    if ((PyTuple_Check(x) ? read_csr(input, x) : read_dense(input, x)) < 0 ||
        cm_array_check_type(input->dense.object ? &input->dense : &input->values,
                            &first->weight) < 0)
        return -1;
    if (input->columns == first->in)
        return 0;
    PyErr_Format(
        PyExc_RuntimeError,
        "mat1 and mat2 shapes cannot be multiplied (%zdx%zd and %zdx%zd): x has "
        "%zd columns, layers[0] takes %zd",
        input->rows, input->columns, first->in, first->out, input->columns, first->in);
    return -1;
}

void cm_input_clear(struct cm_input *input)
{
    cm_array_clear(&input->dense);
    cm_array_clear(&input->values);
    cm_array_clear(&input->index);
    cm_array_clear(&input->begin);
    *input = (struct cm_input){0};
}
