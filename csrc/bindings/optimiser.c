/* optimiser.c - the SGD step on arrays that change in place. */
#include "arguments.h"
#include "arrays.h"
#include "core.h"

struct step {
    struct cm_array param, grad, buffer; /* buffer may be absent: no momentum */
    double lr, momentum, dampening, weight_decay;
    int nesterov, maximize, first;
};

static int check_apart(const struct cm_array *a, PyObject *a_given,
                       const struct cm_array *b, PyObject *b_given)
{
    if (!cm_arrays_overlap(a_given, b_given))
        return 0;
    PyErr_Format(PyExc_RuntimeError, "%s shares memory with %s", a->where, b->where);
    return -1;
}

static int read_step(struct step *s, PyObject *const *args, Py_ssize_t nargs)
{
    static const char kernel[] = "sgd_step";
    if (cm_check_count(kernel, nargs, 10) < 0 ||
        cm_read_double(&s->lr, args[3], "sgd_step(): argument 'lr'") < 0 ||
        cm_read_double(&s->momentum, args[4], "sgd_step(): argument 'momentum'") < 0 ||
        cm_read_double(&s->dampening, args[5], "sgd_step(): argument 'dampening'") <
            0 ||
        cm_read_double(&s->weight_decay, args[6],
                       "sgd_step(): argument 'weight_decay'") < 0 ||
        cm_read_bool(&s->nesterov, args[7]) < 0 ||
        cm_read_bool(&s->maximize, args[8]) < 0 ||
        cm_read_bool(&s->first, args[9]) < 0 ||
        cm_array_open_output(&s->param, args[0], "sgd_step(): argument 'param'", kernel,
                             0) < 0 ||
        cm_array_open(&s->grad, args[1], "sgd_step(): argument 'grad'") < 0 ||
        cm_array_check_type(&s->grad, &s->param) < 0 ||
        cm_array_check_shape(&s->grad, s->param.ndim, s->param.shape) < 0 ||
        cm_array_settle(&s->grad) < 0 ||
        check_apart(&s->param, args[0], &s->grad, args[1]) < 0)
        return -1;
    if (args[2] == Py_None)
        return 0;
    if (cm_array_open_output(&s->buffer, args[2], "sgd_step(): argument 'buffer'",
                             kernel, 0) < 0 ||
        cm_array_check_type(&s->buffer, &s->param) < 0 ||
        cm_array_check_shape(&s->buffer, s->param.ndim, s->param.shape) < 0 ||
        check_apart(&s->param, args[0], &s->buffer, args[2]) < 0 ||
        check_apart(&s->grad, args[1], &s->buffer, args[2]) < 0)
        return -1;
    return 0;
}

static void compute(const struct cm_isa *isa, struct step *s)
{
    void *param = s->param.data, *buffer = s->buffer.data;
    if (s->param.type == CM_F32) {
        const struct cm_sgd_f32 options = {(float)s->lr,        (float)s->momentum,
                                           (float)s->dampening, (float)s->weight_decay,
                                           s->nesterov,         s->maximize};
        isa->f32->sgd_step(param, buffer, s->grad.data, s->param.size, &options,
                           s->first);
    } else {
        const struct cm_sgd_f64 options = {s->lr,           s->momentum, s->dampening,
                                           s->weight_decay, s->nesterov, s->maximize};
        isa->f64->sgd_step(param, buffer, s->grad.data, s->param.size, &options,
                           s->first);
    }
}

static PyObject *sgd_step(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    const struct cm_isa *isa = cm_state_of(module)->isa;
    struct step s = {0};
    PyObject *result = NULL;
    if (read_step(&s, args, nargs) < 0)
        goto done;
    PyThreadState *saved = cm_unlock_gil((double)s.param.size);
    compute(isa, &s);
    cm_lock_gil(saved);
    if (cm_array_commit(&s.param) < 0 ||
        (s.buffer.object && cm_array_commit(&s.buffer) < 0))
        goto done;
    result = Py_NewRef(Py_None);
done:
    cm_array_clear(&s.param);
    cm_array_clear(&s.grad);
    cm_array_clear(&s.buffer);
    return result;
}

PyMethodDef cm_optimiser_methods[] = {
    {"sgd_step", CM_FASTCALL(sgd_step),
     "sgd_step(param, grad, buffer, lr, momentum, dampening, weight_decay, nesterov, "
     "maximize, first, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
