/* room.h - the training room of either type behind one set of functions. */
#ifndef CM_ROOM_H
#define CM_ROOM_H

#include "chain.h"

#include "../training/training.h"

struct cm_room_options {
    ptrdiff_t batch_size;
    double momentum, dampening, weight_decay, label_smoothing;
    int nesterov, maximize, fixed_order, threads;
    const void *class_weight; /* (C) of the chain's type, or NULL */
    int64_t ignore_index;
};

/* struct cm_trainer_f32 or _f64 */
struct cm_room {
    enum cm_type type;
    void *trainer; /* NULL: there is none */
};

/* Without the GIL or with it; none needs Python. For what they do see training.h. */
struct cm_room cm_room_new(const struct cm_chain *chain, const struct cm_input *input,
                           const int64_t *target, const struct cm_room_options *options,
                           const struct cm_isa *isa, struct cm_pool *pool);
void cm_room_free(struct cm_room room);
enum cm_status cm_room_epoch(struct cm_room room, const int64_t *order, double lr,
                             struct cm_watch watch, double *losses, int64_t *correct,
                             ptrdiff_t *steps);
void cm_room_sync(struct cm_room room);
void cm_room_reload(struct cm_room room);
enum cm_status cm_room_forward(const struct cm_chain *chain,
                               const struct cm_input *input, void *logits,
                               const struct cm_isa *isa, struct cm_pool *pool,
                               int threads);

#endif
