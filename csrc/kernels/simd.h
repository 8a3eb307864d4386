/* simd.h - the vector layer that every kernel is written against.

   A path brings, for _f32 and _f64, the types and functions below (simd_<path>.h or .inc);
   the sources use the names without the suffix, which follow real.h's current type.
   Nothing here knows more than lanes and memory. Arithmetic on `vec` is written + - * /
   (GCC and Clang have it for vector types); on `vbits` + - & | ^ << >>.

   types       vec      LANES reals
               vbits    LANES unsigned integers as wide as real
               vmask    one truth value per lane
               vpart    "the first n lanes"
   memory      v_load(p)  v_store(p, v)             LANES reals, any alignment
               v_first(n)                           the vpart of 0 <= n <= LANES lanes
               v_load_part(p, part)                 the other lanes are 0; reads no more
               v_store_part(p, part, v)             writes no more
               v_keep(part, v, other)               v in those lanes, other beyond
               v_widen(p)                           vec_f64 of LANES_f64 reals at p
               v_widen_part(p, n)                   of the first n of them, else 0
   values      v_set(x)                             x in every lane
               v_fma(a, b, c)                       a * b + c; fused, except on scalar
               v_max(a, b)  v_min(a, b)             a > b ? a : b, a < b ? a : b: with a nan
                                                    in either, b
   masks       v_lt(a, b)  v_le(a, b)  v_eq(a, b)   false where either is nan
               v_nan(a)                             true where a is nan
               v_select(mask, a, b)                 mask ? a : b
               v_either(m, n)                       true where one of them is
               v_first_true(mask)                   the first true lane, or LANES
   bits        v_bits(v)  v_real(bits)  v_bits_set(u)
   lanes       v_sum(v)  v_max_lane(v)              in halves: lane i with i + LANES / 2, ...
               v_transpose(rows)                    of the LANES x LANES matrix rows[LANES]
               v_compress(value, index, v, first)   the lanes that are not 0 (a nan is not) to
                                                    value, their numbers + first to index
                                                    (uint16_t); writes LANES of each,
                                                    returns how many count
   constants   LANES; TILE_1, TILE_2, TILE_3: rows of a gemm tile of 1, 2, 3 vectors, as
               many as keep every sum in a register */
#ifndef CM_SIMD_H
#define CM_SIMD_H

#define vec R(vec)
#define vbits R(vbits)
#define vmask R(vmask)
#define vpart R(vpart)
#define LANES R(LANES)

#define v_load R(v_load)
#define v_store R(v_store)
#define v_first R(v_first)
#define v_load_part R(v_load_part)
#define v_store_part R(v_store_part)
#define v_keep R(v_keep)
#define v_widen R(v_widen)
#define v_widen_part R(v_widen_part)
#define v_set R(v_set)
#define v_fma R(v_fma)
#define v_max R(v_max)
#define v_min R(v_min)
#define v_lt R(v_lt)
#define v_le R(v_le)
#define v_eq R(v_eq)
#define v_nan R(v_nan)
#define v_select R(v_select)
#define v_either R(v_either)
#define v_first_true R(v_first_true)
#define v_bits R(v_bits)
#define v_real R(v_real)
#define v_bits_set R(v_bits_set)
#define v_sum R(v_sum)
#define v_max_lane R(v_max_lane)
#define v_transpose R(v_transpose)
#define v_compress R(v_compress)

/* Vector values must never cross a real call: their functions are always inlined. */
#define V_INLINE static inline __attribute__((always_inline))

#endif
