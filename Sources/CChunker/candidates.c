#include "candidates.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "words are read as they lie in memory: little-endian machines only"
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// One kernel per instruction set, all from kernel.h, which says what the macros mean.

#define KERNEL bs_filter_portable
#define TARGET
#define VECTOR_BYTES 16
#define VECTORS 2
#define LOAD(p) load_128(p)
#define CARRIES 0
#define SHIFT_32(a, b) __builtin_shufflevector((u32)(a), (u32)(b), 1, 2, 3, 4)
#define SHIFT_64(a, b) __builtin_shufflevector((u64)(a), (u64)(b), 1, 2)
#define SHIFT_128(a, b) (b)
#define BITS_PER_LANE 1
typedef uint16_t words_128 __attribute__((vector_size(16)));
static inline words_128 load_128(const uint8_t *bytes) {
    words_128 words;
    memcpy(&words, bytes, sizeof words);
    return words;
}
#if defined(__x86_64__)
// SSE2 is the baseline. Saturating subtraction leaves zero where a lane is small enough.
#define SMALL_LANES(x)                                                                                       \
    ((uint64_t)_mm_movemask_epi8(_mm_packs_epi16(                                                            \
        _mm_cmpeq_epi16(                                                                                     \
            _mm_subs_epu16((__m128i)(x), _mm_set1_epi16(BS_CHUNKER_THRESHOLD - 1)), _mm_setzero_si128()),    \
        _mm_setzero_si128())))
#else
#define SMALL_LANES(x) small_lanes(x)
static inline uint64_t small_lanes(words_128 words) {
    uint64_t mask = 0;
    for (int lane = 0; lane < 8; lane++) mask |= (uint64_t)(words[lane] < BS_CHUNKER_THRESHOLD) << lane;
    return mask;
}
#endif
#include "kernel.h"

#if defined(__aarch64__)
#define KERNEL bs_filter_neon
#define TARGET
#define VECTOR_BYTES 16
#define VECTORS 2
#define LOAD(p) load_128(p)
#define CARRIES 1
#define NEXT(w, ahead) __builtin_shufflevector(w, ahead, 1, 2, 3, 4, 5, 6, 7, 8)
#define SHIFT_32(a, b) __builtin_shufflevector((u32)(a), (u32)(b), 1, 2, 3, 4)
#define SHIFT_64(a, b) __builtin_shufflevector((u64)(a), (u64)(b), 1, 2)
#define SHIFT_128(a, b) (b)
#define BITS_PER_LANE 8
#define SMALL_LANES(x)                                                                                       \
    vget_lane_u64(                                                                                           \
        vreinterpret_u64_u8(                                                                                 \
            vmovn_u16(vcltq_u16((uint16x8_t)(x), vdupq_n_u16(BS_CHUNKER_THRESHOLD)))), 0)
#include "kernel.h"
#endif

#if defined(__x86_64__)
// Both sequences in one vector: then no shift crosses its halves, which would cost three times as much.
#define KERNEL bs_filter_avx2
#define TARGET __attribute__((target("avx2")))
#define VECTOR_BYTES 32
#define VECTORS 1
#define LOAD(p)                                                                                              \
    _mm256_inserti128_si256(                                                                                 \
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(p))),                                       \
        _mm_loadu_si128((const __m128i *)((p) + 1)), 1)
#define CARRIES 1
#define NEXT(w, ahead) _mm256_alignr_epi8((__m256i)(ahead), (__m256i)(w), 2)
#define SHIFT_32(a, b) _mm256_alignr_epi8((__m256i)(b), (__m256i)(a), 4)
#define SHIFT_64(a, b) _mm256_alignr_epi8((__m256i)(b), (__m256i)(a), 8)
#define SHIFT_128(a, b) (b)
#define BITS_PER_LANE 2
#define SMALL_LANES(x)                                                                                       \
    ((uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi16(                                            \
        _mm256_min_epu16((__m256i)(x), _mm256_set1_epi16(BS_CHUNKER_THRESHOLD - 1)), (__m256i)(x))))
#include "kernel.h"

#define KERNEL bs_filter_avx512
#define TARGET __attribute__((target("avx512f,avx512bw")))
#define VECTOR_BYTES 64
#define VECTORS 2
#define LOAD(p) _mm512_loadu_si512(p)
#define CARRIES 0
#define SHIFT_32(a, b) \
    __builtin_shufflevector((u32)(a), (u32)(b), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
#define SHIFT_64(a, b) __builtin_shufflevector((u64)(a), (u64)(b), 1, 2, 3, 4, 5, 6, 7, 8)
#define SHIFT_128(a, b) __builtin_shufflevector((u64)(a), (u64)(b), 2, 3, 4, 5, 6, 7, 8, 9)
#define BITS_PER_LANE 1
#define SMALL_LANES(x) \
    ((uint64_t)_mm512_cmplt_epu16_mask((__m512i)(x), _mm512_set1_epi16(BS_CHUNKER_THRESHOLD)))
#include "kernel.h"
#endif

int bs_chunker_supports(enum bs_chunker_kernel kernel) {
    switch (kernel) {
    case BS_CHUNKER_PORTABLE: return 1;
#if defined(__aarch64__)
    case BS_CHUNKER_NEON: return 1;
#elif defined(__x86_64__)
    case BS_CHUNKER_AVX2: return __builtin_cpu_supports("avx2") != 0;
    case BS_CHUNKER_AVX512: return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
#endif
    default: return 0;
    }
}

static uint64_t word(const uint8_t *bytes) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static uint64_t fold(uint64_t left, uint64_t right) {
    __uint128_t product = (__uint128_t)left * right;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t bs_chunker_key(const struct bs_chunker *chunker, const uint8_t *end) {
    const uint8_t *bytes = end - BS_CHUNKER_KEY_BYTES;
    uint64_t key = chunker->secrets[0];
    for (int pair = 0; pair < 4; pair++) {
        key = fold(word(bytes + 16 * pair) ^ chunker->secrets[1 + pair], word(bytes + 16 * pair + 8) ^ key);
    }
    return fold(key, chunker->secrets[5]);
}

typedef size_t filter(
    const struct bs_chunker *chunker, const uint8_t *bytes, size_t blocks, uint32_t origin, uint32_t *positions);

/// Filters whole blocks in place, and what is left after them in a copy with room to read on.
static size_t filtered(
    filter *kernel, size_t block, const struct bs_chunker *chunker, const uint8_t *windows, size_t count,
    uint32_t origin, uint32_t *positions) {
    size_t readable = count + BS_CHUNKER_FILTER_BYTES - 1, blocks = 0;
    // A block needs itself, the next four and three bytes.
    if (readable >= 5 * block + 3) blocks = (readable - 3) / block - 4;
    size_t found = kernel(chunker, windows, blocks, origin, positions);
    size_t done = blocks * block;
    if (done >= count) return found;
    uint8_t rest[12 * 64] = {0};
    memcpy(rest, windows + done, readable - done);
    uint32_t candidates[6 * 64];
    size_t left = kernel(
        chunker, rest, (count - done + block - 1) / block, origin + (uint32_t)done, candidates);
    for (size_t index = 0; index < left && candidates[index] < origin + count; index++) {
        positions[found++] = candidates[index];
    }
    return found;
}

size_t bs_chunker_candidates(
    const struct bs_chunker *chunker, enum bs_chunker_kernel kernel, const uint8_t *bytes, size_t first, size_t end,
    uint32_t *positions, uint64_t *keys) {
    if (end <= first) return 0;
    // The window of position e begins 32 bytes before it.
    const uint8_t *windows = bytes + first + 1 - BS_CHUNKER_FILTER_BYTES;
    size_t count = end - first, found = 0;
    uint32_t origin = (uint32_t)first + 1;
    switch (kernel) {
#if defined(__x86_64__)
    case BS_CHUNKER_AVX512: found = filtered(bs_filter_avx512, 64, chunker, windows, count, origin, positions); break;
    case BS_CHUNKER_AVX2: found = filtered(bs_filter_avx2, 16, chunker, windows, count, origin, positions); break;
#elif defined(__aarch64__)
    case BS_CHUNKER_NEON: found = filtered(bs_filter_neon, 16, chunker, windows, count, origin, positions); break;
#endif
    default: found = filtered(bs_filter_portable, 16, chunker, windows, count, origin, positions); break;
    }
    for (size_t index = 0; index < found; index++) keys[index] = bs_chunker_key(chunker, bytes + positions[index]);
    return found;
}
