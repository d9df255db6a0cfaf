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

/// A turn of a kernel's loop is so many bytes, which is so many windows.
#define BS_TURN_BYTES 64
#define SIEVE_TURNS 128
#define LARGEST_OTHER (0x7fff - BS_CHUNKER_THRESHOLD)

typedef int16_t words_128 __attribute__((vector_size(16)));

/// One bit for each window of a turn, the first one lowest: whether its result is above LARGEST_OTHER. `results` is by blocks: `words`
/// of the even windows, then as many of the odd ones.
static inline uint64_t windows_above(const void *results, size_t words) {
    const words_128 limit = (words_128){0} + LARGEST_OTHER;
    // A comparison leaves all bits of a word, or none: together these have a byte for each window.
    const words_128 low_bytes = (words_128){0} + 0x00ff;
    uint64_t above = 0;
    for (size_t group = 0; group < BS_TURN_BYTES / 16; group++) {
        const int16_t *at = (const int16_t *)results + group * 8 / words * 2 * words + group * 8 % words;
        words_128 even, odd;
        memcpy(&even, at, sizeof even);
        memcpy(&odd, at + words, sizeof odd);
        words_128 windows = ((even > limit) & low_bytes) | ((odd > limit) & ~low_bytes);
#if defined(__x86_64__)
        above |= (uint64_t)_mm_movemask_epi8((__m128i)windows) << (16 * group);
#else
        for (size_t half = 0; half < 2; half++) {
            uint64_t bytes;
            memcpy(&bytes, (const char *)&windows + 8 * half, sizeof bytes);
            // The multiplication brings bit 8 i to bit 56 + i.
            uint64_t bits = (bytes & 0x0101010101010101) * 0x0102040810204080 >> 56;
            above |= bits << (16 * group + 8 * half);
        }
#endif
    }
    return above;
}

static inline words_128 load_128(const uint8_t *bytes) {
    words_128 words;
    memcpy(&words, bytes, sizeof words);
    return words;
}

#define KERNEL bs_filter_portable
#define TARGET
#define VECTOR_BYTES 16
#define VECTORS 2
#define LOAD(p) load_128(p)
#define SHIFT_32(a, b) __builtin_shufflevector((u32)(a), (u32)(b), 1, 2, 3, 4)
#define SHIFT_64(a, b) __builtin_shufflevector((u64)(a), (u64)(b), 1, 2)
#define SHIFT_128(a, b) (b)
#if defined(__x86_64__)
// SSE2 is the baseline.
#define ANY_ABOVE(x) _mm_movemask_epi8(_mm_cmpgt_epi16((__m128i)(x), _mm_set1_epi16(LARGEST_OTHER)))
#else
#define ANY_ABOVE(x) (__builtin_reduce_max(x) > LARGEST_OTHER)
#endif
#include "kernel.h"

#if defined(__aarch64__)
#define KERNEL bs_filter_neon
#define TARGET
#define VECTOR_BYTES 16
#define VECTORS 2
#define LOAD(p) load_128(p)
#define SHIFT_32(a, b) __builtin_shufflevector((u32)(a), (u32)(b), 1, 2, 3, 4)
#define SHIFT_64(a, b) __builtin_shufflevector((u64)(a), (u64)(b), 1, 2)
#define SHIFT_128(a, b) (b)
#define ANY_ABOVE(x) (vmaxvq_s16((int16x8_t)(x)) > LARGEST_OTHER)
#include "kernel.h"
#endif

#if defined(__x86_64__)
// Both sequences in one vector: then no shift crosses its halves, which would cost two instructions.
#define KERNEL bs_filter_avx2
#define TARGET __attribute__((target("avx2")))
#define VECTOR_BYTES 32
#define VECTORS 1
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define LOWER(e, o) _mm256_inserti128_si256((__m256i)(e), _mm256_castsi256_si128((__m256i)(o)), 1)
#define UPPER(e, o) _mm256_permute2x128_si256((__m256i)(e), (__m256i)(o), 0x31)
#define SHIFT_32(a, b) _mm256_alignr_epi8((__m256i)(b), (__m256i)(a), 4)
#define SHIFT_64(a, b) _mm256_alignr_epi8((__m256i)(b), (__m256i)(a), 8)
#define SHIFT_128(a, b) (b)
#define ANY_ABOVE(x) _mm256_movemask_epi8(_mm256_cmpgt_epi16((__m256i)(x), _mm256_set1_epi16(LARGEST_OTHER)))
#include "kernel.h"

#define KERNEL bs_filter_avx512
#define TARGET __attribute__((target("avx512f,avx512bw")))
#define VECTOR_BYTES 64
#define VECTORS 2
#define LOAD(p) _mm512_loadu_si512(p)
#define SHIFT_32(a, b) \
    __builtin_shufflevector((u32)(a), (u32)(b), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
#define SHIFT_64(a, b) __builtin_shufflevector((u64)(a), (u64)(b), 1, 2, 3, 4, 5, 6, 7, 8)
#define SHIFT_128(a, b) __builtin_shufflevector((u64)(a), (u64)(b), 2, 3, 4, 5, 6, 7, 8, 9)
#define ANY_ABOVE(x) _mm512_cmpgt_epi16_mask((__m512i)(x), _mm512_set1_epi16(LARGEST_OTHER))
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
    const struct bs_chunker *chunker, const uint8_t *bytes, size_t count, uint32_t origin, uint32_t *positions);

/// Filters in place as far as `kernel`, which has blocks of `block` bytes, reads no more than the `readable` bytes, and what is left in a
/// copy with room to read on.
static size_t filtered(
    filter *kernel, size_t block, const struct bs_chunker *chunker, const uint8_t *windows, size_t count,
    size_t readable, uint32_t origin, uint32_t *positions) {
    size_t lag = 3 * block, found = 0, done = 0, turned = (readable - 3) / BS_TURN_BYTES * BS_TURN_BYTES;
    if (turned > lag) {
        done = turned - lag < count ? turned - lag : count;
        found = kernel(chunker, windows, done, origin, positions);
    }
    if (done == count) return found;
    uint8_t rest[9 * BS_TURN_BYTES] = {0};
    memcpy(rest, windows + done, count - done + BS_CHUNKER_FILTER_BYTES - 1);
    return found + kernel(chunker, rest, count - done, origin + (uint32_t)done, positions + found);
}

size_t bs_chunker_candidates(
    const struct bs_chunker *chunker, enum bs_chunker_kernel kernel, const uint8_t *bytes, size_t first, size_t end,
    size_t readable, uint32_t *positions, uint64_t *keys) {
    if (end <= first) return 0;
    filter *function = bs_filter_portable;
    size_t block = 16;
#if defined(__x86_64__)
    if (kernel == BS_CHUNKER_AVX2) function = bs_filter_avx2;
    if (kernel == BS_CHUNKER_AVX512) function = bs_filter_avx512, block = 64;
#elif defined(__aarch64__)
    if (kernel == BS_CHUNKER_NEON) function = bs_filter_neon;
#endif
    // The window of position e begins 32 bytes before it.
    size_t start = first + 1 - BS_CHUNKER_FILTER_BYTES;
    size_t found = filtered(
        function, block, chunker, bytes + start, end - first, readable - start, (uint32_t)first + 1, positions);
    for (size_t index = 0; index < found; index++) keys[index] = bs_chunker_key(chunker, bytes + positions[index]);
    return found;
}
