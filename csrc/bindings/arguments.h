/* arguments.h - positional arguments that are no arrays. `where` names the argument in
   errors: "softmax(): argument 'dim'". Each returns 0, or -1 with an exception set.

   Numbers are read before arrays are opened: __index__, __float__ and __bool__ run Python
   code, which could give an array another shape or other memory. */
#ifndef CM_ARGUMENTS_H
#define CM_ARGUMENTS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>

int cm_check_count(const char *function, Py_ssize_t given, Py_ssize_t expected);
/* An int, or what has __index__; no bool. */
int cm_read_int64(int64_t *value, PyObject *object, const char *where);
/* The same, not negative. */
int cm_read_size(ptrdiff_t *value, PyObject *object, const char *where);
int cm_read_double(double *value, PyObject *object, const char *where);
int cm_read_bool(int *value, PyObject *object);
/* num_threads: 0 for as many as there are and pay. */
int cm_read_threads(int *threads, PyObject *object);
/* Dimension `value` of an array of `ndim` dimensions, counted from the end if negative. */
int cm_check_dim(int *dim, int64_t value, int ndim);

#endif
