// The filter for one instruction set. Included with these defined, which it undefines:
//
//   KERNEL, TARGET          the function's name, and what lets it use the instructions
//   VECTOR_BYTES            of a vector
//   VECTORS                 2: a vector each for the words at even and at odd bytes;
//                           1: both in one vector, the even ones in its lower half
//   LOAD(p)                 a vector of the words from p on
//   LOWER, UPPER(e, o)      VECTORS 1: the lower, the upper halves of both
//   SHIFT_32, _64, _128     the words of (a, b) from two, four, eight words into a on, within a sequence
//   ANY_ABOVE(x)            whether a lane, signed, is above LARGEST_OTHER
//
// Words are 16 bits, little-endian, at a byte stride of 2, in two sequences that begin at even and at odd bytes:
//
//     t1[i] = w[i]·c0 + w[i+1]      t2[i] = t1[i]·c1 + t1[i+2]
//     t3[i] = t2[i]·c2 + t2[i+4]    t4[i] = t3[i]·c3 + t3[i+8]      candidate: t4[i]·f + k < T
//
// A block is what a vector of each sequence holds. Each step needs words of the next block, so the steps run one block behind each
// other: where t1 is computed of block b + 3, t2 is of b + 2, t3 of b + 1 and t4 of b. A turn of the loop is as many blocks as have 64
// windows, each step of all of them before the next step: so there is always something to do while a multiplication takes its time.
//
// One turn in sixteen has a candidate, and a branch that nobody can predict would throw away what was begun of the turns after it. So
// each turn leaves its results where those of the next one overwrite them unless one was small; those are looked at a `SIEVE_TURNS` later.

#define BLOCK_BYTES (VECTOR_BYTES * VECTORS / 2)
#define BLOCKS (BS_TURN_BYTES / BLOCK_BYTES)

/// Writes `origin + i` for each window i < `count` of `bytes` that passes, ascending; returns how many. Reads whole turns of the
/// windows and the three blocks before which the pipe is full, and three bytes more.
TARGET static size_t KERNEL(
    const struct bs_chunker *chunker, const uint8_t *bytes, size_t count, uint32_t origin, uint32_t *positions) {
    typedef uint16_t u16 __attribute__((vector_size(VECTOR_BYTES)));
    typedef int16_t i16 __attribute__((vector_size(VECTOR_BYTES)));
    typedef uint32_t u32 __attribute__((vector_size(VECTOR_BYTES)));
    typedef uint64_t u64 __attribute__((vector_size(VECTOR_BYTES)));
    const u16 zero = {0};
    const u16 c0 = zero + chunker->multipliers[0], c1 = zero + chunker->multipliers[1];
    const u16 c2 = zero + chunker->multipliers[2], c3 = zero + chunker->multipliers[3];
    // So that what is to be below T is among the T largest of signed numbers: those can be compared.
    const u16 factor = zero + chunker->factor, offset = zero + (uint16_t)(chunker->offset + LARGEST_OTHER + 1);
    u16 t1[VECTORS], t2[VECTORS], t3[VECTORS];
    for (int sequence = 0; sequence < VECTORS; sequence++) t1[sequence] = t2[sequence] = t3[sequence] = zero;

    u16 results[SIEVE_TURNS + 1][BLOCKS][VECTORS];
    size_t kept[SIEVE_TURNS + 1];
    // The first three blocks only fill the pipe.
    const size_t lag = 3 * BLOCK_BYTES, turns = (count + lag + BS_TURN_BYTES - 1) / BS_TURN_BYTES;
    size_t found = 0;
    for (size_t turn = 0; turn < turns;) {
        size_t passed = 0, pause = turn + SIEVE_TURNS < turns ? turn + SIEVE_TURNS : turns;
        for (; turn < pause; turn++) {
            const uint8_t *at = bytes + turn * BS_TURN_BYTES;
            // No processor foresees the next page.
            __builtin_prefetch(at + 2048);
            u16 n1[VECTORS][BLOCKS], n2[BLOCKS], n3[BLOCKS];
#pragma clang loop unroll(full)
            for (int block = 0; block < BLOCKS; block += 2 / VECTORS) {
                const uint8_t *here = at + block * BLOCK_BYTES;
                u16 even = (u16)LOAD(here) * c0 + (u16)LOAD(here + 2);
                u16 odd = (u16)LOAD(here + 1) * c0 + (u16)LOAD(here + 3);
#if VECTORS == 1
                n1[0][block] = (u16)LOWER(even, odd);
                n1[0][block + 1] = (u16)UPPER(even, odd);
#else
                n1[0][block] = even;
                n1[1][block] = odd;
#endif
            }
            i16 largest;
#pragma clang loop unroll(full)
            for (int sequence = 0; sequence < VECTORS; sequence++) {
#pragma clang loop unroll(full)
                for (int block = 0; block < BLOCKS; block++) {
                    u16 last = block == 0 ? t1[sequence] : n1[sequence][block - 1];
                    n2[block] = last * c1 + (u16)SHIFT_32(last, n1[sequence][block]);
                }
#pragma clang loop unroll(full)
                for (int block = 0; block < BLOCKS; block++) {
                    u16 last = block == 0 ? t2[sequence] : n2[block - 1];
                    n3[block] = last * c2 + (u16)SHIFT_64(last, n2[block]);
                }
#pragma clang loop unroll(full)
                for (int block = 0; block < BLOCKS; block++) {
                    u16 last = block == 0 ? t3[sequence] : n3[block - 1];
                    u16 n4 = last * c3 + (u16)SHIFT_128(last, n3[block]);
                    u16 result = n4 * factor + offset;
                    results[passed][block][sequence] = result;
                    int isFirst = sequence == 0 && block == 0;
                    largest = isFirst ? (i16)result : __builtin_elementwise_max(largest, (i16)result);
                }
                t1[sequence] = n1[sequence][BLOCKS - 1];
                t2[sequence] = n2[BLOCKS - 1];
                t3[sequence] = n3[BLOCKS - 1];
            }
            kept[passed] = turn;
            passed += ANY_ABOVE(largest) != 0;
        }
        for (size_t index = 0; index < passed; index++) {
            uint64_t small = windows_above(results[index], BLOCK_BYTES / 2);
            size_t first = kept[index] * BS_TURN_BYTES;
            for (; small != 0; small &= small - 1) {
                size_t window = first + (size_t)__builtin_ctzll(small) - lag;
                // Before the first one there is what filled the pipe: as an unsigned number far beyond `count`.
                if (window < count) positions[found++] = origin + (uint32_t)window;
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
#undef LOWER
#undef UPPER
#undef SHIFT_32
#undef SHIFT_64
#undef SHIFT_128
#undef ANY_ABOVE
#undef BLOCK_BYTES
#undef BLOCKS
