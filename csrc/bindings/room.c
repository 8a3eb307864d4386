/* room.c - dispatches to the training room by type. */
#include "room.h"

/* Compressed tables take at most the input's own size, and at most 256 MB. */
static ptrdiff_t memory_limit(const struct cm_input *input, size_t bytes)
{
    const double most = 256.0 * 1024 * 1024;
    const double values = input->dense.object
                              ? (double)input->rows * (double)input->columns
                              : 2 * (double)input->values.size; /* and columns */
    const double own = values * (double)bytes;
    return (ptrdiff_t)(own < most ? own : most);
}

#define CM_REAL_BITS 32
#include "../kernels/real.h"
#include "room.inc"
#undef CM_REAL_BITS
#define CM_REAL_BITS 64
#include "../kernels/real.h"
#include "room.inc"
#undef CM_REAL_BITS

struct cm_room cm_room_new(const struct cm_chain *chain, const struct cm_input *input,
                           const int64_t *target, const struct cm_room_options *options,
                           const struct cm_isa *isa, struct cm_pool *pool)
{
    void *trainer = chain->type == CM_F32
                        ? trainer_new_f32(chain, input, target, options, isa, pool)
                        : trainer_new_f64(chain, input, target, options, isa, pool);
    return (struct cm_room){chain->type, trainer};
}

void cm_room_free(struct cm_room room)
{
    if (room.type == CM_F32)
        cm_trainer_free_f32(room.trainer);
    else
        cm_trainer_free_f64(room.trainer);
}

enum cm_status cm_room_epoch(struct cm_room room, const int64_t *order, double lr,
                             struct cm_watch watch, double *losses, int64_t *correct,
                             ptrdiff_t *steps)
{
    if (room.type == CM_F32)
        return cm_trainer_epoch_f32(room.trainer, order, lr, watch, losses, correct,
                                    steps);
    return cm_trainer_epoch_f64(room.trainer, order, lr, watch, losses, correct, steps);
}

void cm_room_sync(struct cm_room room)
{
    if (room.type == CM_F32)
        cm_trainer_sync_f32(room.trainer);
    else
        cm_trainer_sync_f64(room.trainer);
}

void cm_room_reload(struct cm_room room)
{
    if (room.type == CM_F32)
        cm_trainer_reload_f32(room.trainer);
    else
        cm_trainer_reload_f64(room.trainer);
}

enum cm_status cm_room_forward(const struct cm_chain *chain,
                               const struct cm_input *input, void *logits,
                               const struct cm_isa *isa, struct cm_pool *pool,
                               int threads)
{
    if (chain->type == CM_F32)
        return forward_f32(chain, input, logits, isa, pool, threads);
    return forward_f64(chain, input, logits, isa, pool, threads);
}
