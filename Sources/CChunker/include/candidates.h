#ifndef BS_CANDIDATES_H
#define BS_CANDIDATES_H

#include <stddef.h>
#include <stdint.h>

/// The constants of one store's chunker: docs/format.md, §5.3.
struct bs_chunker {
    /// c0 to c3, odd.
    uint16_t multipliers[4];
    /// f, odd, and k.
    uint16_t factor;
    uint16_t offset;
    /// What the key is keyed with.
    uint64_t secrets[6];
};

/// Filters are compared with this: one position in 1,024 is a candidate.
#define BS_CHUNKER_THRESHOLD 64
/// A filter looks at so many bytes before a position, a key at so many.
#define BS_CHUNKER_FILTER_BYTES 32
#define BS_CHUNKER_KEY_BYTES 64

enum bs_chunker_kernel {
    /// Vectors of 16 bytes of whatever machine this is.
    BS_CHUNKER_PORTABLE = 0,
    BS_CHUNKER_NEON = 1,
    BS_CHUNKER_AVX2 = 2,
    BS_CHUNKER_AVX512 = 3,
};

/// Whether this machine can run `kernel`.
int bs_chunker_supports(enum bs_chunker_kernel kernel);

/// Finds the candidates `first` < e ≤ `end` in `bytes[0 ..< end]`, in ascending order: their positions and keys.
/// Returns how many there are.
///
/// `positions` and `keys` have room for `end - first`. `first` is at least BS_CHUNKER_KEY_BYTES - 1, `end` below
/// 2^32. Reads nothing outside `bytes[first + 1 - 64 ..< readable]`; `readable`, at least `end`, makes no other
/// difference, but spares a copy of the last bytes. Any thread.
size_t bs_chunker_candidates(
    const struct bs_chunker *chunker, enum bs_chunker_kernel kernel, const uint8_t *bytes, size_t first, size_t end,
    size_t readable, uint32_t *positions, uint64_t *keys);

/// The key of the position `end`: a multiply-fold of the 64 bytes before it.
uint64_t bs_chunker_key(const struct bs_chunker *chunker, const uint8_t *end);

#endif
