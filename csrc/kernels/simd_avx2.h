/* simd_avx2.h - the vector layer on 256-bit registers with FMA. */
#ifndef CM_SIMD_AVX2_H
#define CM_SIMD_AVX2_H

#include <immintrin.h>

#include "compress_table.h"
#include "simd.h"

enum { LANES_f32 = 8, LANES_f64 = 4 };
enum { TILE_1 = 8, TILE_2 = 6, TILE_3 = 4 }; /* 12 sums of 16 registers */

typedef __m256 vec_f32, vmask_f32;
typedef __m256d vec_f64, vmask_f64;
typedef struct {
    __m256i lanes;
    int n;
} vpart_f32, vpart_f64;
typedef uint32_t vbits_f32 __attribute__((vector_size(32)));
typedef uint64_t vbits_f64 __attribute__((vector_size(32)));

/* float ------------------------------------------------------------------------------ */

V_INLINE vec_f32 v_load_f32(const float *p)
{
    return _mm256_loadu_ps(p);
}

V_INLINE void v_store_f32(float *p, vec_f32 v)
{
    _mm256_storeu_ps(p, v);
}

V_INLINE vpart_f32 v_first_f32(ptrdiff_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return (vpart_f32){_mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane), (int)n};
}

V_INLINE vec_f32 v_load_part_f32(const float *p, vpart_f32 part)
{
    return _mm256_maskload_ps(p, part.lanes);
}

/* In pieces of 4, 2, 1: a masked store costs 20 to 40 cycles on AMD's cores up to Zen 3. */
V_INLINE void v_store_part_f32(float *p, vpart_f32 part, vec_f32 v)
{
    if (part.n >= 8) {
        _mm256_storeu_ps(p, v);
        return;
    }
    __m128 rest = _mm256_castps256_ps128(v);
    if (part.n & 4) {
        _mm_storeu_ps(p, rest);
        rest = _mm256_extractf128_ps(v, 1);
        p += 4;
    }
    if (part.n & 2) {
        _mm_storel_pi((__m64 *)p, rest);
        rest = _mm_movehl_ps(rest, rest);
        p += 2;
    }
    if (part.n & 1)
        _mm_store_ss(p, rest);
}

V_INLINE vec_f32 v_keep_f32(vpart_f32 part, vec_f32 v, vec_f32 other)
{
    return _mm256_blendv_ps(other, v, _mm256_castsi256_ps(part.lanes));
}

V_INLINE vec_f64 v_widen_f32(const float *p)
{
    return _mm256_cvtps_pd(_mm_loadu_ps(p));
}

V_INLINE vec_f64 v_widen_part_f32(const float *p, ptrdiff_t n)
{
    const __m128i lane = _mm_setr_epi32(0, 1, 2, 3);
    const __m128i part = _mm_cmpgt_epi32(_mm_set1_epi32((int)n), lane);
    return _mm256_cvtps_pd(_mm_maskload_ps(p, part));
}

V_INLINE vec_f32 v_set_f32(float x)
{
    return _mm256_set1_ps(x);
}

V_INLINE vec_f32 v_fma_f32(vec_f32 a, vec_f32 b, vec_f32 c)
{
    return _mm256_fmadd_ps(a, b, c);
}

V_INLINE vec_f32 v_max_f32(vec_f32 a, vec_f32 b)
{
    return _mm256_max_ps(a, b);
}

V_INLINE vec_f32 v_min_f32(vec_f32 a, vec_f32 b)
{
    return _mm256_min_ps(a, b);
}

V_INLINE vmask_f32 v_lt_f32(vec_f32 a, vec_f32 b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}

V_INLINE vmask_f32 v_le_f32(vec_f32 a, vec_f32 b)
{
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}

V_INLINE vmask_f32 v_eq_f32(vec_f32 a, vec_f32 b)
{
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}

V_INLINE vmask_f32 v_nan_f32(vec_f32 a)
{
    return _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
}

V_INLINE vec_f32 v_select_f32(vmask_f32 mask, vec_f32 a, vec_f32 b)
{
    return _mm256_blendv_ps(b, a, mask);
}

V_INLINE vmask_f32 v_either_f32(vmask_f32 m, vmask_f32 n)
{
    return _mm256_or_ps(m, n);
}

V_INLINE ptrdiff_t v_first_true_f32(vmask_f32 mask)
{
    return __builtin_ctz((unsigned)_mm256_movemask_ps(mask) | 1u << LANES_f32);
}

V_INLINE vbits_f32 v_bits_f32(vec_f32 v)
{
    return (vbits_f32)v;
}

V_INLINE vec_f32 v_real_f32(vbits_f32 bits)
{
    return (vec_f32)bits;
}

V_INLINE vbits_f32 v_bits_set_f32(uint32_t u)
{
    return (vbits_f32)_mm256_set1_epi32((int)u);
}

V_INLINE float v_sum_f32(vec_f32 v)
{
    const __m128 four = _mm256_castps256_ps128(v) + _mm256_extractf128_ps(v, 1);
    const __m128 two = four + _mm_movehl_ps(four, four);
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

V_INLINE float v_max_lane_f32(vec_f32 v)
{
    const __m128 four =
        _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* Pairs, then quads within each half, then the halves. */
V_INLINE void v_transpose_f32(vec_f32 r[LANES_f32])
{
    __m256 quad[8];
    for (int i = 0; i < 8; i += 4) {
        const __m256 low01 = _mm256_unpacklo_ps(r[i], r[i + 1]);
        const __m256 high01 = _mm256_unpackhi_ps(r[i], r[i + 1]);
        const __m256 low23 = _mm256_unpacklo_ps(r[i + 2], r[i + 3]);
        const __m256 high23 = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
        quad[i] = _mm256_shuffle_ps(low01, low23, 0x44);       /* columns 0, 4 */
        quad[i + 1] = _mm256_shuffle_ps(low01, low23, 0xEE);   /* columns 1, 5 */
        quad[i + 2] = _mm256_shuffle_ps(high01, high23, 0x44); /* columns 2, 6 */
        quad[i + 3] = _mm256_shuffle_ps(high01, high23, 0xEE); /* columns 3, 7 */
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x31);
    }
}

/* A table names the lanes, a byte each; the permutation takes them as they are. */
V_INLINE ptrdiff_t v_compress_f32(float *value, uint16_t *index, vec_f32 v,
                                  ptrdiff_t first)
{
    const vmask_f32 keep = _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_NEQ_UQ);
    const unsigned mask = (unsigned)_mm256_movemask_ps(keep);
    const __m128i lanes = _mm_loadl_epi64((const __m128i *)&CM_KEPT_LANES[mask]);
    const __m128i base = _mm_set1_epi16((short)first);
    _mm256_storeu_ps(value, _mm256_permutevar8x32_ps(v, _mm256_cvtepu8_epi32(lanes)));
    _mm_storeu_si128((__m128i *)index, _mm_add_epi16(base, _mm_cvtepu8_epi16(lanes)));
    return __builtin_popcount(mask);
}

/* double ----------------------------------------------------------------------------- */

V_INLINE vec_f64 v_load_f64(const double *p)
{
    return _mm256_loadu_pd(p);
}

V_INLINE void v_store_f64(double *p, vec_f64 v)
{
    _mm256_storeu_pd(p, v);
}

V_INLINE vpart_f64 v_first_f64(ptrdiff_t n)
{
    const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
    const __m256i lanes = _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)n), lane);
    return (vpart_f64){lanes, (int)n};
}

V_INLINE vec_f64 v_load_part_f64(const double *p, vpart_f64 part)
{
    return _mm256_maskload_pd(p, part.lanes);
}

V_INLINE void v_store_part_f64(double *p, vpart_f64 part, vec_f64 v)
{
    if (part.n >= 4) {
        _mm256_storeu_pd(p, v);
        return;
    }
    __m128d rest = _mm256_castpd256_pd128(v);
    if (part.n & 2) {
        _mm_storeu_pd(p, rest);
        rest = _mm256_extractf128_pd(v, 1);
        p += 2;
    }
    if (part.n & 1)
        _mm_store_sd(p, rest);
}

V_INLINE vec_f64 v_keep_f64(vpart_f64 part, vec_f64 v, vec_f64 other)
{
    return _mm256_blendv_pd(other, v, _mm256_castsi256_pd(part.lanes));
}

V_INLINE vec_f64 v_widen_f64(const double *p)
{
    return _mm256_loadu_pd(p);
}

V_INLINE vec_f64 v_widen_part_f64(const double *p, ptrdiff_t n)
{
    return v_load_part_f64(p, v_first_f64(n));
}

V_INLINE vec_f64 v_set_f64(double x)
{
    return _mm256_set1_pd(x);
}

V_INLINE vec_f64 v_fma_f64(vec_f64 a, vec_f64 b, vec_f64 c)
{
    return _mm256_fmadd_pd(a, b, c);
}

V_INLINE vec_f64 v_max_f64(vec_f64 a, vec_f64 b)
{
    return _mm256_max_pd(a, b);
}

V_INLINE vec_f64 v_min_f64(vec_f64 a, vec_f64 b)
{
    return _mm256_min_pd(a, b);
}

V_INLINE vmask_f64 v_lt_f64(vec_f64 a, vec_f64 b)
{
    return _mm256_cmp_pd(a, b, _CMP_LT_OQ);
}

V_INLINE vmask_f64 v_le_f64(vec_f64 a, vec_f64 b)
{
    return _mm256_cmp_pd(a, b, _CMP_LE_OQ);
}

V_INLINE vmask_f64 v_eq_f64(vec_f64 a, vec_f64 b)
{
    return _mm256_cmp_pd(a, b, _CMP_EQ_OQ);
}

V_INLINE vmask_f64 v_nan_f64(vec_f64 a)
{
    return _mm256_cmp_pd(a, a, _CMP_UNORD_Q);
}

V_INLINE vec_f64 v_select_f64(vmask_f64 mask, vec_f64 a, vec_f64 b)
{
    return _mm256_blendv_pd(b, a, mask);
}

V_INLINE vmask_f64 v_either_f64(vmask_f64 m, vmask_f64 n)
{
    return _mm256_or_pd(m, n);
}

V_INLINE ptrdiff_t v_first_true_f64(vmask_f64 mask)
{
    return __builtin_ctz((unsigned)_mm256_movemask_pd(mask) | 1u << LANES_f64);
}

V_INLINE vbits_f64 v_bits_f64(vec_f64 v)
{
    return (vbits_f64)v;
}

V_INLINE vec_f64 v_real_f64(vbits_f64 bits)
{
    return (vec_f64)bits;
}

V_INLINE vbits_f64 v_bits_set_f64(uint64_t u)
{
    return (vbits_f64)_mm256_set1_epi64x((long long)u);
}

V_INLINE double v_sum_f64(vec_f64 v)
{
    const __m128d two = _mm256_castpd256_pd128(v) + _mm256_extractf128_pd(v, 1);
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

V_INLINE double v_max_lane_f64(vec_f64 v)
{
    const __m128d two =
        _mm_max_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)));
}

V_INLINE void v_transpose_f64(vec_f64 r[LANES_f64])
{
    const __m256d low01 = _mm256_unpacklo_pd(r[0], r[1]);  /* columns 0, 2 */
    const __m256d high01 = _mm256_unpackhi_pd(r[0], r[1]); /* columns 1, 3 */
    const __m256d low23 = _mm256_unpacklo_pd(r[2], r[3]);
    const __m256d high23 = _mm256_unpackhi_pd(r[2], r[3]);
    r[0] = _mm256_permute2f128_pd(low01, low23, 0x20);
    r[1] = _mm256_permute2f128_pd(high01, high23, 0x20);
    r[2] = _mm256_permute2f128_pd(low01, low23, 0x31);
    r[3] = _mm256_permute2f128_pd(high01, high23, 0x31);
}

/* Each lane moves as two halves. */
V_INLINE ptrdiff_t v_compress_f64(double *value, uint16_t *index, vec_f64 v,
                                  ptrdiff_t first)
{
    const vmask_f64 keep = _mm256_cmp_pd(v, _mm256_setzero_pd(), _CMP_NEQ_UQ);
    const unsigned mask = (unsigned)_mm256_movemask_pd(keep);
    const __m128i lanes = _mm_loadl_epi64((const __m128i *)&CM_KEPT_LANES[mask]);
    const __m128i base = _mm_set1_epi16((short)first);
    const __m256i low = _mm256_slli_epi64(_mm256_cvtepu8_epi64(lanes), 1);
    const __m256i high = _mm256_add_epi64(low, _mm256_set1_epi64x(1));
    const __m256i halves = _mm256_or_si256(low, _mm256_slli_epi64(high, 32));
    const __m256 moved = _mm256_permutevar8x32_ps(_mm256_castpd_ps(v), halves);
    _mm256_storeu_pd(value, _mm256_castps_pd(moved));
    _mm_storel_epi64((__m128i *)index, _mm_add_epi16(base, _mm_cvtepu8_epi16(lanes)));
    return __builtin_popcount(mask);
}

#endif
