// The filter for one instruction set. Included with these defined, which it undefines:
//
//   KERNEL, TARGET          the function's name, and what lets it use the instructions
//   VECTOR_BYTES            of a vector
//   VECTORS                 2: a vector each for the words at even and at odd bytes;
//                           1: both in one vector, the even ones in its lower half
//   LOAD(p)                 VECTORS 1: the words from p and from p + 1 on
//   CARRIES                 1: words are loaded once, and NEXT(w, ahead) makes those one further out of two loads;
//                           0: those are loaded as well, which is cheaper where that takes more than one instruction
//   SHIFT_32, _64, _128     the words of (a, b) from two, four, eight words into a on, within a sequence
//   SMALL_LANES(x)          bits for the lanes below the threshold, BITS_PER_LANE each, the lowest lane first
//
// Words are 16 bits, little-endian, at a byte stride of 2, in two sequences that begin at even and at odd bytes:
//
//     t1[i] = w[i]·c0 + w[i+1]      t2[i] = t1[i]·c1 + t1[i+2]
//     t3[i] = t2[i]·c2 + t2[i+4]    t4[i] = t3[i]·c3 + t3[i+8]      candidate: t4[i]·f + k < T
//
// Each step needs words of the next block, so the steps run one block behind each other: a turn of the loop computes
// t1 of block b + 3, t2 of b + 2, t3 of b + 1 and t4 of block b.

#define BLOCK_BYTES (VECTOR_BYTES * VECTORS / 2)
#define SEQUENCE_BITS (BLOCK_BYTES / 2 * BITS_PER_LANE)

/// Writes `origin + i` for each window i in `bytes[0 ..< blocks · BLOCK_BYTES]` that passes, ascending; returns how many.
/// Reads the next four blocks and three bytes more.
TARGET static size_t KERNEL(
    const struct bs_chunker *chunker, const uint8_t *bytes, size_t blocks, uint32_t origin, uint32_t *positions) {
    typedef uint16_t u16 __attribute__((vector_size(VECTOR_BYTES)));
    typedef uint32_t u32 __attribute__((vector_size(VECTOR_BYTES)));
    typedef uint64_t u64 __attribute__((vector_size(VECTOR_BYTES)));
    if (blocks == 0) return 0;
    const u16 zero = {0};
    const u16 c0 = zero + chunker->multipliers[0], c1 = zero + chunker->multipliers[1];
    const u16 c2 = zero + chunker->multipliers[2], c3 = zero + chunker->multipliers[3];
    const u16 factor = zero + chunker->factor, offset = zero + chunker->offset;
    u16 t1[VECTORS], t2[VECTORS], t3[VECTORS];
    for (int sequence = 0; sequence < VECTORS; sequence++) t1[sequence] = t2[sequence] = t3[sequence] = zero;
#if CARRIES
    u16 w[VECTORS];
    for (int sequence = 0; sequence < VECTORS; sequence++) w[sequence] = (u16)LOAD(bytes + sequence);
#endif
    size_t found = 0;
    for (size_t turn = 0; turn < blocks + 3; turn++) {
        uint64_t small[2] = {0, 0};
#pragma clang loop unroll(full)
        for (int sequence = 0; sequence < VECTORS; sequence++) {
            const uint8_t *at = bytes + turn * BLOCK_BYTES + sequence;
#if CARRIES
            u16 now = w[sequence], ahead = (u16)LOAD(at + BLOCK_BYTES), next = (u16)NEXT(now, ahead);
            w[sequence] = ahead;
#else
            u16 now = (u16)LOAD(at), next = (u16)LOAD(at + 2);
#endif
            u16 n1 = now * c0 + next;
            u16 n2 = t1[sequence] * c1 + (u16)SHIFT_32(t1[sequence], n1);
            u16 n3 = t2[sequence] * c2 + (u16)SHIFT_64(t2[sequence], n2);
            u16 n4 = t3[sequence] * c3 + (u16)SHIFT_128(t3[sequence], n3);
            u16 value = n4 * factor + offset;
            small[sequence] = SMALL_LANES(value);
            t1[sequence] = n1;
            t2[sequence] = n2;
            t3[sequence] = n3;
        }
        // The first three turns only fill the pipe.
        if (__builtin_expect((small[0] | small[1]) != 0, 0) && turn >= 3) {
#if VECTORS == 1
            small[1] = small[0] >> SEQUENCE_BITS;
            small[0] &= ((uint64_t)1 << SEQUENCE_BITS) - 1;
#endif
            uint32_t block = origin + (uint32_t)((turn - 3) * BLOCK_BYTES);
            for (uint64_t any = small[0] | small[1]; any != 0;) {
                int bit = __builtin_ctzll(any);
                uint32_t position = block + 2 * (uint32_t)(bit / BITS_PER_LANE);
                if (small[0] >> bit & 1) positions[found++] = position;
                if (small[1] >> bit & 1) positions[found++] = position + 1;
                any &= ~((((uint64_t)1 << BITS_PER_LANE) - 1) << bit);
            }
        }
    }
    return found;
}

#undef KERNEL
#undef TARGET
#undef VECTOR_BYTES
#undef VECTORS
#undef LOAD
#undef NEXT
#undef CARRIES
#undef SHIFT_32
#undef SHIFT_64
#undef SHIFT_128
#undef SMALL_LANES
#undef BITS_PER_LANE
#undef BLOCK_BYTES
#undef SEQUENCE_BITS
