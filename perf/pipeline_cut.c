// Where chunks end: the strict local minima of bsctl's own kernel, which this links. What Sources/Chunker/MinimaCutter.swift does besides for
// runs of one byte and other regular data, which has no candidates, is left out: there a chunk ends after the longest length.
#include "pipeline.h"

#include "../Sources/CChunker/include/candidates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENT_BYTES = 64 << 10 };

struct candidate {
    uint64_t position, key;
};

struct list {
    struct candidate *items;
    size_t head, end, room;
};

struct cutter {
    struct bs_chunker chunker;
    enum bs_chunker_kernel kernel;
    /// Positions count from the start of the file: of the chunk looked for, and up to which candidates are known.
    uint64_t start, scanned;
    /// Of the candidates within reach before the newest one, those smaller than all after them: the smallest first.
    struct list before;
    /// Those that may yet be where a chunk ends for want of a cut.
    struct list later;
    struct list cuts;
    /// Smaller than all within reach before it: a cut when none within reach after it is smaller. 0 when there is none.
    uint64_t contender;
    uint32_t positions[SEGMENT_BYTES];
    uint64_t keys[SEGMENT_BYTES];
};

static void append(struct list *list, struct candidate candidate) {
    if (list->head == list->end) list->head = list->end = 0;
    if (list->end == list->room) {
        if (list->head > list->room / 2) {
            memmove(list->items, list->items + list->head, (list->end - list->head) * sizeof *list->items);
            list->end -= list->head;
            list->head = 0;
        } else {
            list->room = list->room ? list->room * 2 : 256;
            list->items = realloc(list->items, list->room * sizeof *list->items);
            if (list->items == NULL) fail("out of", "memory");
        }
    }
    list->items[list->end++] = candidate;
}

static void dropBefore(struct list *list, uint64_t position) {
    while (list->head < list->end && list->items[list->head].position < position) list->head++;
}

/// SplitMix64.
static uint64_t next(uint64_t *state) {
    uint64_t mixed = *state += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
}

/// Whether a run of any one byte has candidates: a file of zeros would be nothing else.
static int runsHaveCandidates(struct cutter *cutter) {
    uint8_t run[256];
    for (int byte = 0; byte < 256; byte++) {
        memset(run, byte, sizeof run);
        if (bs_chunker_candidates(
                &cutter->chunker, BS_CHUNKER_PORTABLE, run, BS_CHUNKER_KEY_BYTES, sizeof run, sizeof run,
                cutter->positions, cutter->keys))
            return 1;
    }
    return 0;
}

struct cutter *makeCutter(void) {
    struct cutter *cutter = reserveZeros(sizeof *cutter);
    uint64_t state = 1;
    for (int index = 0; index < 4; index++) cutter->chunker.multipliers[index] = (uint16_t)next(&state) | 1;
    cutter->chunker.factor = (uint16_t)next(&state) | 1;
    for (int index = 0; index < 6; index++) cutter->chunker.secrets[index] = next(&state);
    do cutter->chunker.offset = (uint16_t)next(&state);
    while (runsHaveCandidates(cutter));
    for (int kernel = BS_CHUNKER_PORTABLE; kernel <= BS_CHUNKER_AVX512; kernel++)
        if (bs_chunker_supports(kernel)) cutter->kernel = kernel;
    return cutter;
}

void beginCutting(struct cutter *cutter) {
    cutter->start = cutter->contender = 0;
    cutter->scanned = BS_CHUNKER_KEY_BYTES - 1;
    struct list *lists[] = {&cutter->before, &cutter->later, &cutter->cuts};
    for (int index = 0; index < 3; index++) lists[index]->head = lists[index]->end = 0;
}

static void confirm(struct cutter *cutter) {
    append(&cutter->cuts, (struct candidate){cutter->contender, 0});
    cutter->contender = 0;
}

static void takeIn(struct cutter *cutter, struct candidate candidate) {
    struct list *before = &cutter->before;
    uint64_t reach = LEAST_CHUNK_BYTES;
    if (cutter->contender && cutter->contender + reach < candidate.position) confirm(cutter);
    if (candidate.position > reach) dropBefore(before, candidate.position - reach);
    int isEqual = 0;
    while (before->head < before->end && before->items[before->end - 1].key >= candidate.key)
        isEqual |= before->items[--before->end].key == candidate.key;
    if (before->head == before->end && !isEqual && candidate.position >= reach) cutter->contender = candidate.position;
    append(before, candidate);
    append(&cutter->later, candidate);
}

static void scan(struct cutter *cutter, const uint8_t *bytes, uint64_t end, uint64_t through) {
    size_t found = bs_chunker_candidates(
        &cutter->chunker, cutter->kernel, bytes, cutter->scanned - cutter->start, through - cutter->start,
        end - cutter->start, cutter->positions, cutter->keys);
    for (size_t index = 0; index < found; index++)
        takeIn(cutter, (struct candidate){cutter->start + cutter->positions[index], cutter->keys[index]});
    cutter->scanned = through;
    if (cutter->contender && cutter->contender + LEAST_CHUNK_BYTES <= through) confirm(cutter);
}

/// The smallest candidate at which the chunk may end when it has no cut in time.
static uint64_t substitute(struct cutter *cutter) {
    struct list *later = &cutter->later;
    uint64_t last = cutter->start + MOST_CHUNK_BYTES - LEAST_CHUNK_BYTES, position = last, key = UINT64_MAX;
    dropBefore(later, cutter->start + LEAST_CHUNK_BYTES);
    for (size_t index = later->head; index < later->end && later->items[index].position <= last; index++)
        if (later->items[index].key <= key) position = later->items[index].position, key = later->items[index].key;
    return position;
}

static size_t take(struct cutter *cutter, uint64_t position) {
    size_t count = position - cutter->start;
    cutter->start = position;
    dropBefore(&cutter->later, position + LEAST_CHUNK_BYTES);
    return count;
}

size_t firstChunkBytes(struct cutter *cutter, const uint8_t *bytes, size_t count, int isEnd) {
    uint64_t start = cutter->start, end = start + count;
    if (count == 0) return 0;
    if (start == 0 && count < 2 * LEAST_CHUNK_BYTES) return isEnd ? take(cutter, end) : 0;
    for (;;) {
        dropBefore(&cutter->cuts, start + LEAST_CHUNK_BYTES);
        if (cutter->cuts.head < cutter->cuts.end) {
            uint64_t cut = cutter->cuts.items[cutter->cuts.head].position;
            return take(cutter, cut - start <= MOST_CHUNK_BYTES ? cut : substitute(cutter));
        }
        if (cutter->scanned > start + MOST_CHUNK_BYTES && (!cutter->contender || cutter->contender > start + MOST_CHUNK_BYTES))
            return take(cutter, substitute(cutter));
        if (cutter->scanned == end) break;
        scan(cutter, bytes, end, least(end, cutter->scanned + SEGMENT_BYTES));
    }
    if (!isEnd) return 0;
    return take(cutter, count <= MOST_CHUNK_BYTES ? end : substitute(cutter));
}
