/* simd_avx512.h - the vector layer on 512-bit registers (AVX-512 F, DQ, BW, VL). */
#ifndef CM_SIMD_AVX512_H
#define CM_SIMD_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#include "simd.h"

enum { LANES_f32 = 16, LANES_f64 = 8 };
enum { TILE_1 = 8, TILE_2 = 12, TILE_3 = 8 }; /* 24 sums of 32 registers */

typedef __m512 vec_f32;
typedef __m512d vec_f64;
typedef __mmask16 vmask_f32, vpart_f32;
typedef __mmask8 vmask_f64, vpart_f64;
typedef uint32_t vbits_f32 __attribute__((vector_size(64)));
typedef uint64_t vbits_f64 __attribute__((vector_size(64)));

/* float ------------------------------------------------------------------------------ */

V_INLINE vec_f32 v_load_f32(const float *p)
{
    return _mm512_loadu_ps(p);
}

V_INLINE void v_store_f32(float *p, vec_f32 v)
{
    _mm512_storeu_ps(p, v);
}

V_INLINE vpart_f32 v_first_f32(ptrdiff_t n)
{
    return (vpart_f32)((1u << n) - 1);
}

V_INLINE vec_f32 v_load_part_f32(const float *p, vpart_f32 part)
{
    return _mm512_maskz_loadu_ps(part, p);
}

V_INLINE void v_store_part_f32(float *p, vpart_f32 part, vec_f32 v)
{
    _mm512_mask_storeu_ps(p, part, v);
}

V_INLINE vec_f32 v_keep_f32(vpart_f32 part, vec_f32 v, vec_f32 other)
{
    return _mm512_mask_blend_ps(part, other, v);
}

V_INLINE vec_f64 v_widen_f32(const float *p)
{
    return _mm512_cvtps_pd(_mm256_loadu_ps(p));
}

V_INLINE vec_f64 v_widen_part_f32(const float *p, ptrdiff_t n)
{
    return _mm512_cvtps_pd(_mm256_maskz_loadu_ps((__mmask8)((1u << n) - 1), p));
}

V_INLINE vec_f32 v_set_f32(float x)
{
    return _mm512_set1_ps(x);
}

V_INLINE vec_f32 v_fma_f32(vec_f32 a, vec_f32 b, vec_f32 c)
{
    return _mm512_fmadd_ps(a, b, c);
}

V_INLINE vec_f32 v_max_f32(vec_f32 a, vec_f32 b)
{
    return _mm512_max_ps(a, b);
}

V_INLINE vec_f32 v_min_f32(vec_f32 a, vec_f32 b)
{
    return _mm512_min_ps(a, b);
}

V_INLINE vmask_f32 v_lt_f32(vec_f32 a, vec_f32 b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

V_INLINE vmask_f32 v_le_f32(vec_f32 a, vec_f32 b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}

V_INLINE vmask_f32 v_eq_f32(vec_f32 a, vec_f32 b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}

V_INLINE vmask_f32 v_nan_f32(vec_f32 a)
{
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}

V_INLINE vec_f32 v_select_f32(vmask_f32 mask, vec_f32 a, vec_f32 b)
{
    return _mm512_mask_blend_ps(mask, b, a);
}

V_INLINE vmask_f32 v_either_f32(vmask_f32 m, vmask_f32 n)
{
    return (vmask_f32)(m | n);
}

V_INLINE ptrdiff_t v_first_true_f32(vmask_f32 mask)
{
    return __builtin_ctz(mask | 1u << LANES_f32);
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
    return (vbits_f32)_mm512_set1_epi32((int)u);
}

V_INLINE float v_sum_f32(vec_f32 v)
{
    const __m256 eight = _mm512_castps512_ps256(v) + _mm512_extractf32x8_ps(v, 1);
    const __m128 four = _mm256_castps256_ps128(eight) + _mm256_extractf128_ps(eight, 1);
    const __m128 two = four + _mm_movehl_ps(four, four);
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

V_INLINE float v_max_lane_f32(vec_f32 v)
{
    const __m256 eight =
        _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 four =
        _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* Rotates the bits of (row, lane) by one at each step: after four, lanes are rows. */
V_INLINE void v_transpose_f32(vec_f32 r[LANES_f32])
{
    const __m512i low =
        _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high =
        _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    for (int step = 1; step < 16; step *= 2) {
        __m512 zipped[16];
        for (int i = 0; i < 8; i++) {
            zipped[2 * i] = _mm512_permutex2var_ps(r[i], low, r[i + 8]);
            zipped[2 * i + 1] = _mm512_permutex2var_ps(r[i], high, r[i + 8]);
        }
        for (int i = 0; i < 16; i++)
            r[i] = zipped[i];
    }
}

/* In registers, then a whole store: a compressing store is slow on AMD. */
V_INLINE ptrdiff_t v_compress_f32(float *value, uint16_t *index, vec_f32 v,
                                  ptrdiff_t first)
{
    const __mmask16 keep = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ);
    const __m512i lane =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i place = _mm512_add_epi32(lane, _mm512_set1_epi32((int)first));
    const __m512i kept = _mm512_maskz_compress_epi32(keep, place);
    _mm512_storeu_ps(value, _mm512_maskz_compress_ps(keep, v));
    _mm256_storeu_si256((__m256i *)index, _mm512_cvtepi32_epi16(kept));
    return __builtin_popcount(keep);
}

/* double ----------------------------------------------------------------------------- */

V_INLINE vec_f64 v_load_f64(const double *p)
{
    return _mm512_loadu_pd(p);
}

V_INLINE void v_store_f64(double *p, vec_f64 v)
{
    _mm512_storeu_pd(p, v);
}

V_INLINE vpart_f64 v_first_f64(ptrdiff_t n)
{
    return (vpart_f64)((1u << n) - 1);
}

V_INLINE vec_f64 v_load_part_f64(const double *p, vpart_f64 part)
{
    return _mm512_maskz_loadu_pd(part, p);
}

V_INLINE void v_store_part_f64(double *p, vpart_f64 part, vec_f64 v)
{
    _mm512_mask_storeu_pd(p, part, v);
}

V_INLINE vec_f64 v_keep_f64(vpart_f64 part, vec_f64 v, vec_f64 other)
{
    return _mm512_mask_blend_pd(part, other, v);
}

V_INLINE vec_f64 v_widen_f64(const double *p)
{
    return _mm512_loadu_pd(p);
}

V_INLINE vec_f64 v_widen_part_f64(const double *p, ptrdiff_t n)
{
    return v_load_part_f64(p, v_first_f64(n));
}

V_INLINE vec_f64 v_set_f64(double x)
{
    return _mm512_set1_pd(x);
}

V_INLINE vec_f64 v_fma_f64(vec_f64 a, vec_f64 b, vec_f64 c)
{
    return _mm512_fmadd_pd(a, b, c);
}

V_INLINE vec_f64 v_max_f64(vec_f64 a, vec_f64 b)
{
    return _mm512_max_pd(a, b);
}

V_INLINE vec_f64 v_min_f64(vec_f64 a, vec_f64 b)
{
    return _mm512_min_pd(a, b);
}

V_INLINE vmask_f64 v_lt_f64(vec_f64 a, vec_f64 b)
{
    return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ);
}

V_INLINE vmask_f64 v_le_f64(vec_f64 a, vec_f64 b)
{
    return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ);
}

V_INLINE vmask_f64 v_eq_f64(vec_f64 a, vec_f64 b)
{
    return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ);
}

V_INLINE vmask_f64 v_nan_f64(vec_f64 a)
{
    return _mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q);
}

V_INLINE vec_f64 v_select_f64(vmask_f64 mask, vec_f64 a, vec_f64 b)
{
    return _mm512_mask_blend_pd(mask, b, a);
}

V_INLINE vmask_f64 v_either_f64(vmask_f64 m, vmask_f64 n)
{
    return (vmask_f64)(m | n);
}

V_INLINE ptrdiff_t v_first_true_f64(vmask_f64 mask)
{
    return __builtin_ctz(mask | 1u << LANES_f64);
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
    return (vbits_f64)_mm512_set1_epi64((long long)u);
}

V_INLINE double v_sum_f64(vec_f64 v)
{
    const __m256d four = _mm512_castpd512_pd256(v) + _mm512_extractf64x4_pd(v, 1);
    const __m128d two = _mm256_castpd256_pd128(four) + _mm256_extractf128_pd(four, 1);
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

V_INLINE double v_max_lane_f64(vec_f64 v)
{
    const __m256d four =
        _mm256_max_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd(v, 1));
    const __m128d two =
        _mm_max_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)));
}

V_INLINE void v_transpose_f64(vec_f64 r[LANES_f64])
{
    const __m512i low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
    const __m512i high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
    for (int step = 1; step < 8; step *= 2) {
        __m512d zipped[8];
        for (int i = 0; i < 4; i++) {
            zipped[2 * i] = _mm512_permutex2var_pd(r[i], low, r[i + 4]);
            zipped[2 * i + 1] = _mm512_permutex2var_pd(r[i], high, r[i + 4]);
        }
        for (int i = 0; i < 8; i++)
            r[i] = zipped[i];
    }
}

V_INLINE ptrdiff_t v_compress_f64(double *value, uint16_t *index, vec_f64 v,
                                  ptrdiff_t first)
{
    const __mmask8 keep = _mm512_cmp_pd_mask(v, _mm512_setzero_pd(), _CMP_NEQ_UQ);
    const __m512i lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    const __m512i place = _mm512_add_epi64(lane, _mm512_set1_epi64((long long)first));
    const __m512i kept = _mm512_maskz_compress_epi64(keep, place);
    _mm512_storeu_pd(value, _mm512_maskz_compress_pd(keep, v));
    _mm_storeu_si128((__m128i *)index, _mm512_cvtepi64_epi16(kept));
    return __builtin_popcount(keep);
}

#endif
