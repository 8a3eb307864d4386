/* targets.h - what the losses are given: checked in torch's order, with torch's errors.

   Input is (C), (N, C) or (N, C, d1..dK); class indices have its shape without C, class
   probabilities its shape. Both are B = N * d1 * .. * dK rows of C classes. */
#ifndef CM_TARGETS_H
#define CM_TARGETS_H

#include "arrays.h"

#include <stdint.h>

enum cm_reduction { CM_NONE, CM_MEAN, CM_SUM };

/* Starts as {0}; cm_targets_clear is always safe. */
struct cm_targets {
    struct cm_array x, target, weight; /* weight may be absent */
    int64_t ignore_index;
    enum cm_reduction reduction;
    ptrdiff_t outer, C, inner, B; /* x is (outer, C, inner), B = outer * inner */
    int64_t *index;               /* (B) the checked class indices; owned */
    ptrdiff_t counted;            /* rows that are not ignored */
};

/* args: x, target, weight or None, ignore_index, reduction. Nothing is checked yet but
   the kinds of arguments. `wheres` names the first five for errors. */
int cm_targets_open(struct cm_targets *t, PyObject *const *args,
                    const char *const wheres[5]);
/* Checks class indices and fills t->index; settles x and weight. */
int cm_targets_read_indices(struct cm_targets *t);
/* The same for t->target alone, of logits (rows, C) that do not exist yet. */
int cm_targets_read_labels(struct cm_targets *t, ptrdiff_t rows, ptrdiff_t C);
/* Checks class probabilities; settles x, target and weight. */
int cm_targets_read_probabilities(struct cm_targets *t);
void cm_targets_clear(struct cm_targets *t);

int cm_read_reduction(enum cm_reduction *reduction, PyObject *object,
                      const char *where);
/* RuntimeError above 1; torch takes a negative number as 0. */
int cm_check_smoothing(double label_smoothing);

/* A new array for one loss a row: x's shape without the class dimension. */
int cm_targets_new_losses(const struct cm_targets *t, struct cm_array *losses);
/* RuntimeError unless dout is of x's type and 0-d, or with reduction none has x's shape
   without the class dimension. */
int cm_check_dout(const struct cm_array *dout, const struct cm_array *x,
                  enum cm_reduction reduction);

#endif
