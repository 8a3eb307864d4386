/* losses.c - nll_loss and cross_entropy with their reductions and gradients. */
#include "arguments.h"
#include "arrays.h"
#include "core.h"
#include "targets.h"

static void fill(void *out, enum cm_type type, ptrdiff_t n, double value)
{
    float *f32 = out;
    double *f64 = out;
    for (ptrdiff_t i = 0; i < n; i++)
        if (type == CM_F32)
            f32[i] = (float)value;
        else
            f64[i] = value;
}

static double item(const struct cm_array *scalar)
{
    return scalar->type == CM_F32 ? *(const float *)scalar->data
                                  : *(const double *)scalar->data;
}

/* Memory for one kernel call. Arrays whose class dimension is not the last pass through
   `rows`: x, and for class probabilities the target; a gradient takes the place of what
   it is the gradient of, as the kernels allow. */
struct scratch {
    void *losses, *scale; /* (B) each */
    void *rows[2];        /* (B, C) each, or NULL */
};

static int allocate(struct scratch *s, const struct cm_targets *t, int rows)
{
    const size_t bytes = cm_type_bytes(t->x.type);
    s->losses = PyMem_RawMalloc((size_t)t->B * bytes);
    s->scale = PyMem_RawMalloc((size_t)t->B * bytes);
    int missing = !s->losses || !s->scale;
    for (int i = 0; i < rows && t->inner > 1; i++) {
        s->rows[i] = PyMem_RawMalloc((size_t)t->x.size * bytes);
        missing |= !s->rows[i];
    }
    if (missing)
        PyErr_NoMemory();
    return missing ? -1 : 0;
}

static void release(struct scratch *s)
{
    PyMem_RawFree(s->losses);
    PyMem_RawFree(s->scale);
    for (int i = 0; i < 2; i++)
        PyMem_RawFree(s->rows[i]);
}

/* x (outer, C, inner) as (B, C) */
static const void *rows_of(const struct cm_targets *t, const struct cm_array *x,
                           void *scratch)
{
    if (!scratch)
        return x->data;
    cm_swap_axes(scratch, x->data, t->outer, t->C, t->inner, x->type);
    return scratch;
}

/* What a mean divides by; row_weight (B) is overwritten. */
static double divisor(const struct cm_isa *isa, const struct cm_targets *t,
                      void *row_weight)
{
    const enum cm_type type = t->x.type;
    if (t->reduction != CM_MEAN)
        return 1;
    if (!t->index)
        return t->C > 0 ? (double)t->B : 0;
    if (!t->weight.object)
        return (double)t->counted;
    CM_CALL(isa, type, target_weight, row_weight, t->index, t->weight.data,
            t->ignore_index, t->B);
    return CM_CALL(isa, type, sum, row_weight, t->B);
}

/* The reduced loss into `out`, which is 0-d; with reduction none it is complete. */
static void reduce(const struct cm_isa *isa, const struct cm_targets *t,
                   struct cm_array *out, const void *losses, double W)
{
    if (t->reduction == CM_NONE)
        return;
    const double sum = CM_CALL(isa, t->x.type, sum, losses, t->B);
    fill(out->data, t->x.type, 1, t->reduction == CM_MEAN ? sum / W : sum);
}

static int new_result(const struct cm_targets *t, struct cm_array *out)
{
    if (t->reduction == CM_NONE)
        return cm_targets_new_losses(t, out);
    return cm_array_new(out, 0, NULL, t->x.type);
}

static PyObject *nll_loss(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    static const char *const wheres[] = {
        "nll_loss(): argument 'input'", "nll_loss(): argument 'target'",
        "nll_loss(): argument 'weight'", "nll_loss(): argument 'ignore_index'",
        "nll_loss(): argument 'reduction'"};
    const struct cm_isa *isa = cm_state_of(module)->isa;
    struct cm_targets t = {0};
    struct cm_array out = {0};
    struct scratch s = {0};
    PyObject *result = NULL;
    if (cm_check_count("nll_loss", nargs, 5) < 0 ||
        cm_targets_open(&t, args, wheres) < 0 || cm_targets_read_indices(&t) < 0 ||
        allocate(&s, &t, 1) < 0 || new_result(&t, &out) < 0)
        goto done;
    PyThreadState *saved = cm_unlock_gil((double)(t.inner > 1 ? t.x.size : t.B));
    const void *logp = rows_of(&t, &t.x, s.rows[0]);
    void *losses = t.reduction == CM_NONE ? out.data : s.losses;
    CM_CALL(isa, t.x.type, nll_loss, losses, logp, t.index, t.weight.data,
            t.ignore_index, t.B, t.C);
    reduce(isa, &t, &out, losses, divisor(isa, &t, s.scale));
    cm_lock_gil(saved);
    result = cm_array_give(&out);
done:
    release(&s);
    cm_targets_clear(&t);
    cm_array_clear(&out);
    return result;
}

static PyObject *nll_loss_backward(PyObject *module, PyObject *const *args,
                                   Py_ssize_t nargs)
{
    static const char *const wheres[] = {"nll_loss_backward(): argument 'input'",
                                         "nll_loss_backward(): argument 'target'",
                                         "nll_loss_backward(): argument 'weight'",
                                         "nll_loss_backward(): argument 'ignore_index'",
                                         "nll_loss_backward(): argument 'reduction'"};
    const struct cm_isa *isa = cm_state_of(module)->isa;
    struct cm_targets t = {0};
    struct cm_array dout = {0}, dlogp = {0};
    struct scratch s = {0};
    PyObject *result = NULL;
    if (cm_check_count("nll_loss_backward", nargs, 6) < 0 ||
        cm_targets_open(&t, args + 1, wheres) < 0 || cm_targets_read_indices(&t) < 0 ||
        cm_array_read(&dout, args[0], "nll_loss_backward(): argument 'grad_output'",
                      "nll_loss_backward") < 0 ||
        cm_check_dout(&dout, &t.x, t.reduction) < 0 || allocate(&s, &t, 1) < 0 ||
        cm_array_new(&dlogp, t.x.ndim, t.x.shape, t.x.type) < 0)
        goto done;
    PyThreadState *saved = cm_unlock_gil((double)t.x.size);
    const void *dlosses = dout.data;
    if (t.reduction != CM_NONE) {
        fill(s.losses, t.x.type, t.B, item(&dout) / divisor(isa, &t, s.scale));
        dlosses = s.losses;
    }
    CM_CALL(isa, t.x.type, nll_loss_backward, s.rows[0] ? s.rows[0] : dlogp.data,
            dlosses, t.index, t.weight.data, t.ignore_index, t.B, t.C);
    if (s.rows[0])
        cm_swap_axes(dlogp.data, s.rows[0], t.outer, t.inner, t.C, t.x.type);
    cm_lock_gil(saved);
    result = cm_array_give(&dlogp);
done:
    release(&s);
    cm_targets_clear(&t);
    cm_array_clear(&dout);
    cm_array_clear(&dlogp);
    return result;
}

/* torch's order of decision: equal shapes mean class probabilities */
static int read_cross_entropy(struct cm_targets *t, double label_smoothing,
                              int *probabilities)
{
    const struct cm_array *x = &t->x;
    *probabilities = cm_array_has_shape(&t->target, x->ndim, x->shape);
    if (*probabilities) {
        if (cm_targets_read_probabilities(t) < 0)
            return -1;
        return cm_check_smoothing(label_smoothing);
    }
    if (x->ndim == 0) {
        PyErr_SetString(
            PyExc_IndexError,
            "Dimension out of range: expected input of shape (C), (N, C) or "
            "(N, C, d1, ...), got ()");
        return -1;
    }
    if (cm_check_smoothing(label_smoothing) < 0 ||
        cm_array_check_float(x, x->ndim <= 2 ? "log_softmax_lastdim_kernel_impl"
                                             : "log_softmax_kernel_impl") < 0)
        return -1;
    return cm_targets_read_indices(t);
}

struct cross_entropy {
    struct cm_targets t;
    struct cm_array out, dx, dtarget; /* the gradients where they are asked for */
    struct scratch s;
    double label_smoothing;
    int probabilities;
};

/* Where a gradient (B, C) is written: its array, or the rows that are swapped into it.
 */
static void *gradient_rows(const struct cm_array *gradient, void *rows)
{
    return !gradient->object ? NULL : rows ? rows : gradient->data;
}

static void compute(const struct cm_isa *isa, struct cross_entropy *c)
{
    const struct cm_targets *t = &c->t;
    const enum cm_type type = t->x.type;
    struct scratch *s = &c->s;
    const void *x = rows_of(t, &t->x, s->rows[0]);
    void *losses = t->reduction == CM_NONE ? c->out.data : s->losses;
    void *dx = gradient_rows(&c->dx, s->rows[0]);
    void *dtarget = gradient_rows(&c->dtarget, s->rows[1]);
    const double W = divisor(isa, t, s->scale);
    fill(s->scale, type, t->B, t->reduction == CM_MEAN ? 1 / W : 1);
    if (c->probabilities) {
        const void *q = rows_of(t, &t->target, s->rows[1]);
        CM_CALL(isa, type, cross_entropy_probabilities, losses, dx, dtarget, x, q,
                t->weight.data, s->scale, c->label_smoothing, t->B, t->C);
    } else {
        CM_CALL(isa, type, cross_entropy, losses, dx, x, t->index, t->weight.data,
                s->scale, t->ignore_index, c->label_smoothing, t->B, t->C);
    }
    if (dx && t->inner > 1)
        cm_swap_axes(c->dx.data, dx, t->outer, t->inner, t->C, type);
    if (dtarget && t->inner > 1)
        cm_swap_axes(c->dtarget.data, dtarget, t->outer, t->inner, t->C, type);
    reduce(isa, t, &c->out, losses, W);
}

static PyObject *cross_entropy(PyObject *module, PyObject *const *args,
                               Py_ssize_t nargs)
{
    static const char *const wheres[] = {"cross_entropy(): argument 'input'",
                                         "cross_entropy(): argument 'target'",
                                         "cross_entropy(): argument 'weight'",
                                         "cross_entropy(): argument 'ignore_index'",
                                         "cross_entropy(): argument 'reduction'"};
    const struct cm_isa *isa = cm_state_of(module)->isa;
    struct cross_entropy c = {0};
    struct cm_targets *t = &c.t;
    int need_x, need_target;
    PyObject *result = NULL;
    if (cm_check_count("cross_entropy", nargs, 8) < 0 ||
        cm_read_double(&c.label_smoothing, args[5],
                       "cross_entropy(): argument 'label_smoothing'") < 0 ||
        cm_read_bool(&need_x, args[6]) < 0 || cm_read_bool(&need_target, args[7]) < 0 ||
        cm_targets_open(t, args, wheres) < 0 ||
        read_cross_entropy(t, c.label_smoothing, &c.probabilities) < 0)
        goto done;
    if (need_target && !c.probabilities) {
        PyErr_SetString(PyExc_RuntimeError,
                        "cross_entropy(): class indices have no gradient");
        goto done;
    }
    if (allocate(&c.s, t, c.probabilities ? 2 : 1) < 0 || new_result(t, &c.out) < 0 ||
        (need_x && cm_array_new(&c.dx, t->x.ndim, t->x.shape, t->x.type) < 0) ||
        (need_target && cm_array_new(&c.dtarget, t->x.ndim, t->x.shape, t->x.type) < 0))
        goto done;
    PyThreadState *saved = cm_unlock_gil((double)t->x.size);
    compute(isa, &c);
    cm_lock_gil(saved);
    result = Py_BuildValue("NNN", cm_array_give(&c.out), cm_array_give_or_none(&c.dx),
                           cm_array_give_or_none(&c.dtarget));
done:
    release(&c.s);
    cm_targets_clear(t);
    cm_array_clear(&c.out);
    cm_array_clear(&c.dx);
    cm_array_clear(&c.dtarget);
    return result;
}

static PyObject *cross_entropy_backward(PyObject *module, PyObject *const *args,
                                        Py_ssize_t nargs)
{
    static const char kernel[] = "cross_entropy_backward";
    const struct cm_isa *isa = cm_state_of(module)->isa;
    struct cm_array dout = {0}, gradient = {0}, dx = {0};
    enum cm_reduction reduction;
    PyObject *result = NULL;
    if (cm_check_count(kernel, nargs, 3) < 0 ||
        cm_read_reduction(&reduction, args[2],
                          "cross_entropy_backward(): argument 'reduction'") < 0 ||
        cm_array_open(&dout, args[0],
                      "cross_entropy_backward(): argument 'grad_output'") < 0 ||
        cm_array_open(&gradient, args[1],
                      "cross_entropy_backward(): argument 'gradient'") < 0 ||
        cm_array_check_float(&gradient, kernel) < 0 ||
        cm_check_dout(&dout, &gradient, reduction) < 0)
        goto done;
    if (dout.ndim > 0) {
        result = cm_array_scale(&gradient, &dout, 1);
    } else if (cm_array_settle(&dout) == 0 && cm_array_settle(&gradient) == 0 &&
               cm_array_new(&dx, gradient.ndim, gradient.shape, gradient.type) == 0) {
        PyThreadState *saved = cm_unlock_gil((double)dx.size);
        CM_CALL(isa, dx.type, arithmetic, dx.data, gradient.data, CM_MUL, dout.data, 0,
                dx.size);
        cm_lock_gil(saved);
        result = cm_array_give(&dx);
    }
done:
    cm_array_clear(&dout);
    cm_array_clear(&gradient);
    return result;
}

static PyObject *labels(PyObject *Py_UNUSED(module), PyObject *const *args,
                        Py_ssize_t nargs)
{
    struct cm_targets t = {0};
    struct cm_array out = {0};
    ptrdiff_t rows, C;
    PyObject *result = NULL;
    if (cm_check_count("labels", nargs, 4) < 0 ||
        cm_read_size(&rows, args[1], "labels(): argument 'rows'") < 0 ||
        cm_read_size(&C, args[2], "labels(): argument 'classes'") < 0 ||
        cm_read_int64(&t.ignore_index, args[3], "labels(): argument 'ignore_index'") <
            0 ||
        cm_array_open(&t.target, args[0], "labels(): argument 'target'") < 0 ||
        cm_targets_read_labels(&t, rows, C) < 0 ||
        cm_array_new(&out, 1, &rows, CM_I64) < 0)
        goto done;
    memcpy(out.data, t.index, (size_t)rows * sizeof *t.index);
    result = cm_array_give(&out);
done:
    cm_targets_clear(&t);
    return result;
}

PyMethodDef cm_losses_methods[] = {
    {"labels", CM_FASTCALL(labels),
     "labels(target, rows, classes, ignore_index, /)\n--\n\n"},
    {"nll_loss", CM_FASTCALL(nll_loss),
     "nll_loss(input, target, weight, ignore_index, reduction, /)\n--\n\n"},
    {"nll_loss_backward", CM_FASTCALL(nll_loss_backward),
     "nll_loss_backward(grad_output, input, target, weight, ignore_index, reduction, "
     "/)\n--\n\n"},
    {"cross_entropy", CM_FASTCALL(cross_entropy),
     "cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing, "
     "need_input, need_target, /)\n--\n\n"},
    {"cross_entropy_backward", CM_FASTCALL(cross_entropy_backward),
     "cross_entropy_backward(grad_output, gradient, reduction, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
