/* arrays.h - NumPy arrays as the kernels want them: row-major, aligned, native bytes.

   Functions that return int give 0, or -1 with an exception set. `where` names an array
   in errors: "softmax(): argument 'x'". */
#ifndef CM_ARRAYS_H
#define CM_ARRAYS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>

enum cm_type { CM_F32, CM_F64, CM_I32, CM_I64, CM_U8, CM_OTHER };

enum { CM_MAX_DIMS = 64 }; /* NumPy's limit */

/* An array argument or result. Starts as {0}, then cm_array_clear is always safe. */
struct cm_array {
    PyObject *object;  /* owned */
    const char *where; /* of an argument: how errors call it */
    void *data;        /* NULL until settled: laid out as the kernels want it */
    const ptrdiff_t *shape;
    ptrdiff_t size;
    int ndim;
    enum cm_type type;
};

/* Once per process, before anything else here. */
int cm_arrays_init(void);

/* Refers to an ndarray of any type and layout, or takes a NumPy scalar as one;
   TypeError for anything else. */
int cm_array_open(struct cm_array *a, PyObject *object, const char *where);
/* Borrows an ndarray that is already laid out as the kernels want it, and with `writable`
   may be written; 0 for anything else, NULL too, without an exception. Not to be
   cleared. */
int cm_array_refer(struct cm_array *a, PyObject *object, int writable);
static inline int cm_array_is_float(const struct cm_array *a)
{
    return a->type == CM_F32 || a->type == CM_F64;
}

/* NotImplementedError in torch's words unless the type is float32 or float64:
   "<kernel>" not implemented for 'Long'. */
int cm_array_check_float(const struct cm_array *a, const char *kernel);
/* Makes the layout right, by a copy where needed. */
int cm_array_settle(struct cm_array *a);
/* The same, but a matrix keeps a distance between its rows, counted in elements. */
int cm_array_settle_rows(struct cm_array *a, ptrdiff_t *row_stride);
/* Settles a private copy as int64, from an array of int32 or int64. */
int cm_array_copy_int64(struct cm_array *a);
/* The three above in one. */
int cm_array_read(struct cm_array *a, PyObject *object, const char *where,
                  const char *kernel);

/* RuntimeError unless a's type is b's, or its shape is this one. */
int cm_array_check_type(const struct cm_array *a, const struct cm_array *b);
int cm_array_check_shape(const struct cm_array *a, int ndim, const ptrdiff_t *shape);
int cm_array_has_shape(const struct cm_array *a, int ndim, const ptrdiff_t *shape);
/* The shape as a list, for errors: [2, 3], as torch writes it. A new reference or NULL.
 */
PyObject *cm_shape_list(int ndim, const ptrdiff_t *shape);

/* Bytes from one index to the next; whether the elements lie row after row. */
ptrdiff_t cm_array_stride(const struct cm_array *a, int axis);
int cm_array_is_rows(const struct cm_array *a);

/* A new array of undefined values. */
int cm_array_new(struct cm_array *a, int ndim, const ptrdiff_t *shape,
                 enum cm_type type);
void cm_array_clear(struct cm_array *a);
/* The array, given away; clears `a`. */
PyObject *cm_array_give(struct cm_array *a);
/* None where there is no array. */
PyObject *cm_array_give_or_none(struct cm_array *a);

/* ValueError if the array is read-only, RuntimeError if elements share memory. */
int cm_array_check_writable(const struct cm_array *a);
/* Copies the values of an array of the same shape and type. */
int cm_array_copy(PyObject *to, PyObject *from);

/* Opens, checks and settles a float array to be changed in place. Where its layout is
   not the kernels', `a` is a copy until cm_array_commit writes it back; cm_array_clear
   without a commit leaves the caller's array alone. in_memory_order: the axes are
   permuted so that the elements follow one another as in memory. */
int cm_array_open_output(struct cm_array *a, PyObject *object, const char *where,
                         const char *kernel, int in_memory_order);
int cm_array_commit(struct cm_array *a);

/* out (outer, columns, rows) = in (outer, rows, columns), of float32 or float64 */
void cm_swap_axes(void *restrict out, const void *restrict in, ptrdiff_t outer,
                  ptrdiff_t rows, ptrdiff_t columns, enum cm_type type);

/* gradient * factor by NumPy, factor having no dimension `axis`. */
PyObject *cm_array_scale(const struct cm_array *gradient, const struct cm_array *factor,
                         int axis);

/* The array itself, or what offers an array as a plain one; a new reference or NULL. */
PyObject *cm_ndarray_of(PyObject *object);
/* The same, always a copy. */
PyObject *cm_ndarray_copy(PyObject *object);
/* The array itself, or a copy that lies in memory in the order of `like`, an array of its
   shape; row after row where there is none, or its elements have gaps or share memory. */
PyObject *cm_ndarray_laid_out(PyObject *object, PyObject *like);
/* Whether it is a plain array that looks at nobody else's memory. */
int cm_ndarray_owns(PyObject *object);

/* Whether both are plain arrays, row after row, of one shape and one type that is not
   floating. */
int cm_ndarrays_are_like_integers(PyObject *a, PyObject *b);

/* Bytes of one element, float32 or float64. */
static inline size_t cm_type_bytes(enum cm_type type)
{
    return type == CM_F32 ? 4 : 8;
}

/* Writes the element of a 0-d array, float32 or float64. */
static inline void cm_array_set_item(const struct cm_array *a, double value)
{
    if (a->type == CM_F32)
        *(float *)a->data = (float)value;
    else
        *(double *)a->data = value;
}

/* Whether the memory between first and last element of two arguments intersects. */
int cm_arrays_overlap(PyObject *a, PyObject *b);

/* Names of the type, for errors: "Long" as torch says, "int64" as NumPy says. */
const char *cm_type_torch_name(const struct cm_array *a);
const char *cm_type_numpy_name(const struct cm_array *a);

#endif
