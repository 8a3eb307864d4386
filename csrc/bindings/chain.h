/* chain.h - layers and rows of input as Python gives them, checked, for either type. */
#ifndef CM_CHAIN_H
#define CM_CHAIN_H

#include "arrays.h"

/* A Linear layer: weight (out, in), bias (out) or absent, and whether a ReLU follows.
 */
struct cm_link {
    struct cm_array weight, bias; /* as the kernels want them */
    PyObject *given[2];           /* weight and bias as they came; owned */
    char name[2][40];             /* of both, for errors */
    ptrdiff_t in, out;
    int relu;
};

/* Both start as {0}; clear is always safe. */
struct cm_chain {
    int depth, relu_input;
    enum cm_type type;
    struct cm_link *links;
};

/* A matrix (rows, columns), or CSR where dense.object is NULL. */
struct cm_input {
    ptrdiff_t rows, columns, row_stride;
    struct cm_array dense, values, index, begin;
};

/* layers: a sequence of (weight, bias or None, relu). With `train` the arrays must be
   writable and apart from each other. */
int cm_chain_read(struct cm_chain *chain, PyObject *layers, PyObject *relu_input,
                  int train);
void cm_chain_clear(struct cm_chain *chain);
/* Where a parameter could not be used as it came: its copy's values go back to it, or
   are taken from it again. */
int cm_chain_copy_back(const struct cm_chain *chain);
int cm_chain_copy_again(const struct cm_chain *chain);

/* x: an array (rows, columns), or a tuple (values, index, begin, shape): CSR. Its
   columns are the chain's inputs. */
int cm_input_read(struct cm_input *input, PyObject *x, const struct cm_chain *chain);
void cm_input_clear(struct cm_input *input);

#endif
