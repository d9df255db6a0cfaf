// What the parts of the pipeline share: the shape of a block, what is known of chunks and files, and how a run fails.
#ifndef PIPELINE_H
#define PIPELINE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// As bsctl has them for rs:4+2 and the default average chunk.
enum {
    COLUMNS = 4,
    PARITIES = 2,
    ROWS = COLUMNS + PARITIES,
    CELL_BYTES = 64 << 10,
    SHARD_BYTES = 8 << 20,
    BLOCK_BYTES = COLUMNS * SHARD_BYTES,
    CELLS = SHARD_BYTES / CELL_BYTES,
    PAGE_BYTES = 4096,
    LEAST_CHUNK_BYTES = 32 << 10,
    MOST_CHUNK_BYTES = 256 << 10,
    DIGEST_BYTES = 32,
    // The unit of work of a compute thread.
    BATCH_BYTES = 1 << 20,
    // The descriptors and the arrays of one unit of work are bounded by it, however small the files are.
    BATCH_PIECES = 1024,
    CPU_THREADS_MOST = 256,
};

/// A chunk that is stored once, and where: as LZ4 where that made it shorter, else as it is.
struct chunk {
    uint8_t digest[DIGEST_BYTES];
    uint32_t block, offset, storedBytes, plainBytes;
    uint32_t checksum;
};

/// A file of the tree: its chunks are those that `refs` names from `firstRef` on.
struct file {
    uint64_t bytes, firstRef;
    uint32_t refCount;
    /// Where its path, relative to the tree, begins in `names`.
    uint32_t name;
};

/// What a get needs to know, in place of an index, manifests and tables of contents. Its coding is `writeMap`.
struct map {
    struct file *files;
    uint64_t fileCount;
    struct chunk *chunks;
    uint64_t chunkCount;
    /// Room for as many chunks as the files can have; a file's part is used up to its `refCount`.
    uint32_t *refs;
    uint64_t refRoom;
    /// Paths of files, and of directories, parents first; each ends with a zero byte.
    char *names, *directories;
    uint64_t nameBytes, directoryBytes;
};

/// The first page of a shard file. The payload follows, and in the last block of a put the map.
struct header {
    uint64_t magic;
    uint32_t block, row, shardBytes, usedBytes;
    uint64_t mapBytes;
    uint32_t cells[CELLS];
    uint32_t checksum;
};

/// Prints what went wrong, with errno's text when it is set, and ends the process.
_Noreturn void fail(const char *what, const char *where);

void *allocate(size_t bytes);
void *allocatePages(size_t bytes);
/// Zeros, from the kernel: what is not touched costs nothing.
void *reserveZeros(size_t bytes);
unsigned coreCount(void);
void startThread(pthread_t *thread, void *(*body)(void *), void *argument);
void joinThread(pthread_t thread);
void lock(pthread_mutex_t *mutex);
void unlock(pthread_mutex_t *mutex);

void sha256(const void *bytes, size_t count, uint8_t digest[DIGEST_BYTES]);
uint32_t crc32c(const void *bytes, size_t count);
/// Of what `checksum` is of, and `bytes` behind it.
uint32_t crc32cContinued(uint32_t checksum, const void *bytes, size_t count);
/// Of a header, without its last field.
uint32_t headerChecksum(const struct header *header);
/// Makes two parity shards of `bytes` each from four data shards.
void encode(size_t bytes, uint8_t *shards[ROWS]);

static const uint64_t headerMagic = 0x31656e696c657069;
/// The directory that row `row` of block `block` is in: parities go round, as they do in a store.
static inline unsigned diskOf(uint32_t block, unsigned row) { return (block + row) % ROWS; }
static inline size_t wholePages(size_t bytes) { return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES; }
static inline size_t least(size_t a, size_t b) { return a < b ? a : b; }

/// Opens `path`/disk-1 … disk-6, below which shards are.
void openDisks(const char *path, int disks[ROWS]);
void shardPath(char path[32], const char *folder, uint32_t block);

/// The map as bytes, in whole pages, for `get`; its digest is in front.
uint8_t *writeMap(const struct map *map, size_t *bytes);
void readMap(struct map *map, const uint8_t *bytes, size_t count);

// Cutting: pipeline_cut.c.

struct cutter;
struct cutter *makeCutter(void);
void beginCutting(struct cutter *cutter);
/// The length of the next chunk of `bytes`, which begin where the last one ended; 0 when more of them are needed to tell. Never 0 for
/// MOST_CHUNK_BYTES + LEAST_CHUNK_BYTES or more, nor for any at the end.
size_t firstChunkBytes(struct cutter *cutter, const uint8_t *bytes, size_t count, int isEnd);

void put(const char *source, const char *store);
void get(const char *store, const char *target);
void check(const char *store);

#endif
