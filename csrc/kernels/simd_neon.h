/* simd_neon.h - the vector layer on 128-bit registers of arm64. */
#ifndef CM_SIMD_NEON_H
#define CM_SIMD_NEON_H

#include <arm_neon.h>

#include "simd.h"

enum { LANES_f32 = 4, LANES_f64 = 2 };
enum { TILE_1 = 8, TILE_2 = 12, TILE_3 = 8 }; /* 24 sums of 32 registers */

typedef float32x4_t vec_f32;
typedef float64x2_t vec_f64;
typedef uint32x4_t vmask_f32, vbits_f32;
typedef uint64x2_t vmask_f64, vbits_f64;
typedef struct {
    ptrdiff_t n;
} vpart_f32, vpart_f64;

/* float ------------------------------------------------------------------------------ */

V_INLINE vec_f32 v_load_f32(const float *p)
{
    return vld1q_f32(p);
}

V_INLINE void v_store_f32(float *p, vec_f32 v)
{
    vst1q_f32(p, v);
}

V_INLINE vpart_f32 v_first_f32(ptrdiff_t n)
{
    return (vpart_f32){n};
}

V_INLINE vec_f32 v_load_part_f32(const float *p, vpart_f32 part)
{
    if (part.n >= 4)
        return vld1q_f32(p);
    float32x4_t v = vdupq_n_f32(0);
    if (part.n > 0)
        v = vld1q_lane_f32(p, v, 0);
    if (part.n > 1)
        v = vld1q_lane_f32(p + 1, v, 1);
    if (part.n > 2)
        v = vld1q_lane_f32(p + 2, v, 2);
    return v;
}

V_INLINE void v_store_part_f32(float *p, vpart_f32 part, vec_f32 v)
{
    if (part.n >= 4) {
        vst1q_f32(p, v);
        return;
    }
    if (part.n > 0)
        vst1q_lane_f32(p, v, 0);
    if (part.n > 1)
        vst1q_lane_f32(p + 1, v, 1);
    if (part.n > 2)
        vst1q_lane_f32(p + 2, v, 2);
}

V_INLINE vec_f32 v_keep_f32(vpart_f32 part, vec_f32 v, vec_f32 other)
{
    const uint32x4_t lane = {0, 1, 2, 3};
    return vbslq_f32(vcltq_u32(lane, vdupq_n_u32((uint32_t)part.n)), v, other);
}

V_INLINE vec_f64 v_widen_f32(const float *p)
{
    return vcvt_f64_f32(vld1_f32(p));
}

V_INLINE vec_f64 v_widen_part_f32(const float *p, ptrdiff_t n)
{
    float32x2_t v = vdup_n_f32(0);
    if (n > 0)
        v = vld1_lane_f32(p, v, 0);
    if (n > 1)
        v = vld1_lane_f32(p + 1, v, 1);
    return vcvt_f64_f32(v);
}

V_INLINE vec_f32 v_set_f32(float x)
{
    return vdupq_n_f32(x);
}

V_INLINE vec_f32 v_fma_f32(vec_f32 a, vec_f32 b, vec_f32 c)
{
    return vfmaq_f32(c, a, b);
}

V_INLINE vec_f32 v_max_f32(vec_f32 a, vec_f32 b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

V_INLINE vec_f32 v_min_f32(vec_f32 a, vec_f32 b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

V_INLINE vmask_f32 v_lt_f32(vec_f32 a, vec_f32 b)
{
    return vcltq_f32(a, b);
}

V_INLINE vmask_f32 v_le_f32(vec_f32 a, vec_f32 b)
{
    return vcleq_f32(a, b);
}

V_INLINE vmask_f32 v_eq_f32(vec_f32 a, vec_f32 b)
{
    return vceqq_f32(a, b);
}

V_INLINE vmask_f32 v_nan_f32(vec_f32 a)
{
    return vmvnq_u32(vceqq_f32(a, a));
}

V_INLINE vec_f32 v_select_f32(vmask_f32 mask, vec_f32 a, vec_f32 b)
{
    return vbslq_f32(mask, a, b);
}

V_INLINE vmask_f32 v_either_f32(vmask_f32 m, vmask_f32 n)
{
    return vorrq_u32(m, n);
}

V_INLINE ptrdiff_t v_first_true_f32(vmask_f32 mask)
{
    const uint16x4_t narrow = vmovn_u32(mask);
    const uint64_t bits = vget_lane_u64(vreinterpret_u64_u16(narrow), 0);
    return bits ? __builtin_ctzll(bits) / 16 : LANES_f32;
}

V_INLINE vbits_f32 v_bits_f32(vec_f32 v)
{
    return vreinterpretq_u32_f32(v);
}

V_INLINE vec_f32 v_real_f32(vbits_f32 bits)
{
    return vreinterpretq_f32_u32(bits);
}

V_INLINE vbits_f32 v_bits_set_f32(uint32_t u)
{
    return vdupq_n_u32(u);
}

V_INLINE float v_sum_f32(vec_f32 v)
{
    const float32x2_t two = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

V_INLINE float v_max_lane_f32(vec_f32 v)
{
    return vmaxvq_f32(v);
}

/* Rotates the bits of (row, lane) by one at each step: after two, lanes are rows. */
V_INLINE void v_transpose_f32(vec_f32 r[LANES_f32])
{
    for (int step = 0; step < 2; step++) {
        const float32x4_t low02 = vzip1q_f32(r[0], r[2]),
                          high02 = vzip2q_f32(r[0], r[2]);
        const float32x4_t low13 = vzip1q_f32(r[1], r[3]),
                          high13 = vzip2q_f32(r[1], r[3]);
        r[0] = low02;
        r[1] = high02;
        r[2] = low13;
        r[3] = high13;
    }
}

V_INLINE ptrdiff_t v_compress_f32(float *value, uint16_t *index, vec_f32 v,
                                  ptrdiff_t first)
{
    float x[LANES_f32];
    v_store_f32(x, v);
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < LANES_f32; i++) {
        value[count] = x[i];
        index[count] = (uint16_t)(first + i);
        count += x[i] != 0;
    }
    return count;
}

/* double ----------------------------------------------------------------------------- */

V_INLINE vec_f64 v_load_f64(const double *p)
{
    return vld1q_f64(p);
}

V_INLINE void v_store_f64(double *p, vec_f64 v)
{
    vst1q_f64(p, v);
}

V_INLINE vpart_f64 v_first_f64(ptrdiff_t n)
{
    return (vpart_f64){n};
}

V_INLINE vec_f64 v_load_part_f64(const double *p, vpart_f64 part)
{
    if (part.n >= 2)
        return vld1q_f64(p);
    const float64x2_t zero = vdupq_n_f64(0);
    return part.n > 0 ? vld1q_lane_f64(p, zero, 0) : zero;
}

V_INLINE void v_store_part_f64(double *p, vpart_f64 part, vec_f64 v)
{
    if (part.n >= 2)
        vst1q_f64(p, v);
    else if (part.n > 0)
        vst1q_lane_f64(p, v, 0);
}

V_INLINE vec_f64 v_keep_f64(vpart_f64 part, vec_f64 v, vec_f64 other)
{
    const uint64x2_t lane = {0, 1};
    return vbslq_f64(vcltq_u64(lane, vdupq_n_u64((uint64_t)part.n)), v, other);
}

V_INLINE vec_f64 v_widen_f64(const double *p)
{
    return vld1q_f64(p);
}

V_INLINE vec_f64 v_widen_part_f64(const double *p, ptrdiff_t n)
{
    return v_load_part_f64(p, v_first_f64(n));
}

V_INLINE vec_f64 v_set_f64(double x)
{
    return vdupq_n_f64(x);
}

V_INLINE vec_f64 v_fma_f64(vec_f64 a, vec_f64 b, vec_f64 c)
{
    return vfmaq_f64(c, a, b);
}

V_INLINE vec_f64 v_max_f64(vec_f64 a, vec_f64 b)
{
    return vbslq_f64(vcgtq_f64(a, b), a, b);
}

V_INLINE vec_f64 v_min_f64(vec_f64 a, vec_f64 b)
{
    return vbslq_f64(vcltq_f64(a, b), a, b);
}

V_INLINE vmask_f64 v_lt_f64(vec_f64 a, vec_f64 b)
{
    return vcltq_f64(a, b);
}

V_INLINE vmask_f64 v_le_f64(vec_f64 a, vec_f64 b)
{
    return vcleq_f64(a, b);
}

V_INLINE vmask_f64 v_eq_f64(vec_f64 a, vec_f64 b)
{
    return vceqq_f64(a, b);
}

V_INLINE vmask_f64 v_nan_f64(vec_f64 a)
{
    return veorq_u64(vceqq_f64(a, a), vdupq_n_u64(UINT64_MAX));
}

V_INLINE vec_f64 v_select_f64(vmask_f64 mask, vec_f64 a, vec_f64 b)
{
    return vbslq_f64(mask, a, b);
}

V_INLINE vmask_f64 v_either_f64(vmask_f64 m, vmask_f64 n)
{
    return vorrq_u64(m, n);
}

V_INLINE ptrdiff_t v_first_true_f64(vmask_f64 mask)
{
    const uint32x2_t narrow = vmovn_u64(mask);
    const uint64_t bits = vget_lane_u64(vreinterpret_u64_u32(narrow), 0);
    return bits ? __builtin_ctzll(bits) / 32 : LANES_f64;
}

V_INLINE vbits_f64 v_bits_f64(vec_f64 v)
{
    return vreinterpretq_u64_f64(v);
}

V_INLINE vec_f64 v_real_f64(vbits_f64 bits)
{
    return vreinterpretq_f64_u64(bits);
}

V_INLINE vbits_f64 v_bits_set_f64(uint64_t u)
{
    return vdupq_n_u64(u);
}

V_INLINE double v_sum_f64(vec_f64 v)
{
    return vgetq_lane_f64(v, 0) + vgetq_lane_f64(v, 1);
}

V_INLINE double v_max_lane_f64(vec_f64 v)
{
    return vmaxvq_f64(v);
}

V_INLINE void v_transpose_f64(vec_f64 r[LANES_f64])
{
    const float64x2_t low = vzip1q_f64(r[0], r[1]), high = vzip2q_f64(r[0], r[1]);
    r[0] = low;
    r[1] = high;
}

V_INLINE ptrdiff_t v_compress_f64(double *value, uint16_t *index, vec_f64 v,
                                  ptrdiff_t first)
{
    double x[LANES_f64];
    v_store_f64(x, v);
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < LANES_f64; i++) {
        value[count] = x[i];
        index[count] = (uint16_t)(first + i);
        count += x[i] != 0;
    }
    return count;
}

#endif
