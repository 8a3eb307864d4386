/* swap_axes.c - moves the dimension of the classes to the end, and back. */
#include "arrays.h"

#include <string.h>

static inline void swap_axes(char *restrict out, const char *restrict in,
                             ptrdiff_t outer, ptrdiff_t rows, ptrdiff_t columns,
                             const size_t bytes)
{
    enum { TILE = 16 }; /* so that neither side leaves the first cache within a tile */
    const ptrdiff_t plane = rows * columns * (ptrdiff_t)bytes;
    for (ptrdiff_t o = 0; o < outer; o++, in += plane, out += plane)
        for (ptrdiff_t r0 = 0; r0 < rows; r0 += TILE)
            for (ptrdiff_t c0 = 0; c0 < columns; c0 += TILE)
                for (ptrdiff_t r = r0; r < rows && r < r0 + TILE; r++)
                    for (ptrdiff_t c = c0; c < columns && c < c0 + TILE; c++)
                        memcpy(out + (size_t)(c * rows + r) * bytes,
                               in + (size_t)(r * columns + c) * bytes, bytes);
}

void cm_swap_axes(void *restrict out, const void *restrict in, ptrdiff_t outer,
                  ptrdiff_t rows, ptrdiff_t columns, enum cm_type type)
{
    if (type == CM_F32)
        swap_axes(out, in, outer, rows, columns, 4);
    else
        swap_axes(out, in, outer, rows, columns, 8);
}
