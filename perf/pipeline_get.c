// Reading threads fetch what lies together, past the page cache, into buffers that are used again; compute threads decompress, compare the digest
// and only then write, wherever in its file a chunk belongs: so no thread waits for another one's part. A file has its name when all of
// it is written.
#define _GNU_SOURCE
#include "pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lz4.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    READING_THREADS = 8,
    /// Reads that are under way or waiting for a compute thread.
    READS = 16,
};

/// A chunk of a read, and where it goes.
struct part {
    const struct chunk *chunk;
    uint32_t file;
    uint64_t at;
    /// Its plain bytes, once they are known to be right.
    const uint8_t *plain;
};

/// Chunks that lie end to end in one block and are wanted one after another.
struct reading {
    struct part parts[BATCH_PIECES];
    size_t count;
    uint32_t block, offset, bytes, plainBytes;
    /// `stored` begins with the page in which `offset` is.
    uint8_t *stored, *plain;
    struct reading *next;
};

struct target {
    /// -1 while it is not open, and of a file that comes in one piece.
    int file;
    atomic_uint partsLeft;
};

static struct map map;
static int disks[ROWS], root;
static struct target *targets;
/// One for each row of each block.
static int (*shards)[ROWS];
static struct header *geometry;
static uint32_t blockCount;

// What is read next, in the order of the files.
static struct {
    pthread_mutex_t mutex;
    uint64_t file, ref, at;
} plan = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct reading *free, *ready, **lastReady;
    unsigned readers;
} readings = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .lastReady = &readings.ready};

// The store

static void readAt(int file, uint8_t *buffer, size_t count, uint64_t offset, const char *what) {
    for (size_t done = 0; done < count;) {
        ssize_t some = pread(file, buffer + done, count - done, (off_t)(offset + done));
        if (some < 0 && errno == EINTR) continue;
        if (some == 0) errno = 0;
        if (some <= 0) fail("read", what);
        done += (size_t)some;
    }
}

static int openShard(uint32_t block, unsigned row) {
    char path[32];
    shardPath(path, "blocks", block);
    int disk = disks[diskOf(block, row)], file = openat(disk, path, O_RDONLY | O_CLOEXEC | O_DIRECT);
    if (file < 0 && errno == EINVAL) file = openat(disk, path, O_RDONLY | O_CLOEXEC);
    if (file < 0) fail("open", path);
    return file;
}

static void readHeader(int file, uint32_t block, unsigned row, struct header *header) {
    uint8_t *page = allocatePages(PAGE_BYTES);
    readAt(file, page, PAGE_BYTES, 0, "a header");
    memcpy(header, page, sizeof *header);
    free(page);
    errno = 0;
    if (header->magic != headerMagic || header->checksum != headerChecksum(header) || header->block != block ||
        header->row != row || header->shardBytes > SHARD_BYTES)
        fail("a header", "is damaged");
}

/// Opens the data shards of all blocks, and reads the map from the last one.
static void openStore(const char *store) {
    openDisks(store, disks);
    char path[32];
    do shardPath(path, "blocks", blockCount++);
    while (faccessat(disks[0], path, F_OK, 0) == 0);
    if (errno != ENOENT) fail("look at", path);
    errno = 0;
    if (--blockCount == 0) fail("no block in", store);
    shards = allocate(blockCount * sizeof *shards);
    geometry = allocate(blockCount * sizeof *geometry);
    for (uint32_t block = 0; block < blockCount; block++) {
        for (unsigned row = 0; row < COLUMNS; row++) shards[block][row] = openShard(block, row);
        readHeader(shards[block][0], block, 0, &geometry[block]);
    }
    const struct header *last = &geometry[blockCount - 1];
    uint8_t *bytes = allocatePages(last->mapBytes ? last->mapBytes : 1);
    readAt(shards[blockCount - 1][0], bytes, last->mapBytes, PAGE_BYTES + last->shardBytes, "the map");
    readMap(&map, bytes, last->mapBytes);
    free(bytes);
}

// Reading

/// The next reading; 0 when all is read.
static int planNext(struct reading *reading) {
    reading->count = reading->bytes = reading->plainBytes = 0;
    lock(&plan.mutex);
    while (plan.file < map.fileCount && reading->count < BATCH_PIECES) {
        struct file *file = &map.files[plan.file];
        if (plan.ref == file->refCount) {
            plan.file++;
            plan.ref = plan.at = 0;
            continue;
        }
        const struct chunk *chunk = &map.chunks[map.refs[file->firstRef + plan.ref]];
        if (reading->count == 0) reading->block = chunk->block, reading->offset = chunk->offset;
        if (chunk->block != reading->block || chunk->offset != reading->offset + reading->bytes ||
            reading->plainBytes + chunk->plainBytes > BATCH_BYTES)
            break;
        reading->bytes += chunk->storedBytes;
        reading->plainBytes += chunk->plainBytes;
        reading->parts[reading->count++] = (struct part){chunk, (uint32_t)plan.file, plan.at, NULL};
        plan.at += chunk->plainBytes;
        plan.ref++;
    }
    unlock(&plan.mutex);
    return reading->count > 0;
}

/// Reads the pages in which the stored bytes are; of the next shard too, when they go on there.
static void readStored(struct reading *reading) {
    uint64_t size = geometry[reading->block].shardBytes;
    uint64_t offset = reading->offset / PAGE_BYTES * PAGE_BYTES, end = wholePages((size_t)reading->offset + reading->bytes);
    uint8_t *to = reading->stored;
    errno = 0;
    if (end > COLUMNS * size) fail("a chunk", "is not in its block");
    while (offset < end) {
        uint64_t start = offset % size, count = least(end - offset, size - start);
        readAt(shards[reading->block][offset / size], to, count, PAGE_BYTES + start, "a shard");
        to += count;
        offset += count;
    }
}

static struct reading *takeFree(void) {
    lock(&readings.mutex);
    while (readings.free == NULL) {
        errno = pthread_cond_wait(&readings.changed, &readings.mutex);
        if (errno != 0) fail("wait for", "a buffer");
    }
    struct reading *reading = readings.free;
    readings.free = reading->next;
    unlock(&readings.mutex);
    return reading;
}

static void *readAll(void *unused) {
    for (;;) {
        struct reading *reading = takeFree();
        int isOver = !planNext(reading);
        if (!isOver) readStored(reading);
        lock(&readings.mutex);
        reading->next = isOver ? readings.free : NULL;
        if (isOver) {
            readings.free = reading;
            readings.readers--;
        } else {
            *readings.lastReady = reading;
            readings.lastReady = &reading->next;
        }
        if (pthread_cond_broadcast(&readings.changed) != 0) fail("wake", "a thread");
        unlock(&readings.mutex);
        if (isOver) return unused;
    }
}

// Files

/// A file that has no name yet: cheaper than one with another name first.
static int createFile(const char *name) {
    char parent[PATH_MAX];
    const char *slash = strrchr(name, '/');
    errno = 0;
    if (snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - name) : 1, slash ? name : ".") >= PATH_MAX)
        fail("too long:", name);
    int file = openat(root, parent, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
    if (file < 0) fail("create a file without a name in", parent);
    return file;
}

/// Gives it its name, and replaces nothing.
static void finishFile(int file, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (linkat(AT_FDCWD, path, root, name, AT_SYMLINK_FOLLOW) != 0) fail("name", name);
    if (close(file) != 0) fail("close", name);
}

static void writeParts(int file, const struct part *parts, size_t count, const char *name) {
    struct iovec vector[BATCH_PIECES];
    int used = 0;
    for (size_t index = 0; index < count; index++) {
        struct iovec *last = vector + used - 1;
        if (used > 0 && (uint8_t *)last->iov_base + last->iov_len == parts[index].plain)
            last->iov_len += parts[index].chunk->plainBytes;
        else
            vector[used++] = (struct iovec){(void *)parts[index].plain, parts[index].chunk->plainBytes};
    }
    off_t at = (off_t)parts->at;
    for (struct iovec *next = vector; used > 0;) {
        ssize_t some = pwritev(file, next, used, at);
        if (some < 0 && errno == EINTR) continue;
        if (some <= 0) fail("write", name);
        at += some;
        for (; used > 0 && (size_t)some >= next->iov_len; next++, used--) some -= (ssize_t)next->iov_len;
        if (used > 0) {
            next->iov_base = (char *)next->iov_base + some;
            next->iov_len -= (size_t)some;
        }
    }
}

/// Writes parts of one file, and names it when they were the last.
static void deliver(const struct part *parts, size_t count) {
    const struct file *file = &map.files[parts->file];
    struct target *target = &targets[parts->file];
    const char *name = map.names + file->name;
    if (count == file->refCount) {
        int whole = createFile(name);
        writeParts(whole, parts, count, name);
        finishFile(whole, name);
        return;
    }
    static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
    lock(&opening);
    if (target->file < 0) target->file = createFile(name);
    unlock(&opening);
    writeParts(target->file, parts, count, name);
    if (atomic_fetch_sub(&target->partsLeft, (unsigned)count) == count) finishFile(target->file, name);
}

/// Proves every chunk before a byte of it is written.
static void decode(struct reading *reading) {
    const uint8_t *stored = reading->stored + reading->offset % PAGE_BYTES;
    uint8_t *plain = reading->plain;
    for (size_t index = 0; index < reading->count; index++) {
        struct part *part = &reading->parts[index];
        const struct chunk *chunk = part->chunk;
        part->plain = stored;
        errno = 0;
        if (chunk->storedBytes != chunk->plainBytes) {
            int count = LZ4_decompress_safe(
                (const char *)stored, (char *)plain, (int)chunk->storedBytes, (int)chunk->plainBytes);
            if (count != (int)chunk->plainBytes) fail("a chunk does not", "decompress");
            part->plain = plain;
            plain += chunk->plainBytes;
        }
        stored += chunk->storedBytes;
        uint8_t digest[DIGEST_BYTES];
        sha256(part->plain, chunk->plainBytes, digest);
        if (memcmp(digest, chunk->digest, DIGEST_BYTES) != 0) fail("a chunk fails", "its digest");
    }
}

static void *compute(void *unused) {
    for (;;) {
        lock(&readings.mutex);
        while (readings.ready == NULL && readings.readers > 0) {
            errno = pthread_cond_wait(&readings.changed, &readings.mutex);
            if (errno != 0) fail("wait for", "a reading");
        }
        struct reading *reading = readings.ready;
        if (reading != NULL) {
            readings.ready = reading->next;
            if (readings.ready == NULL) readings.lastReady = &readings.ready;
        }
        unlock(&readings.mutex);
        if (reading == NULL) return unused;
        decode(reading);
        for (size_t first = 0, end; first < reading->count; first = end) {
            for (end = first; end < reading->count && reading->parts[end].file == reading->parts[first].file;) end++;
            deliver(reading->parts + first, end - first);
        }
        lock(&readings.mutex);
        reading->next = readings.free;
        readings.free = reading;
        if (pthread_cond_broadcast(&readings.changed) != 0) fail("wake", "a thread");
        unlock(&readings.mutex);
    }
}

static void makeTargets(const char *path) {
    if (mkdir(path, 0777) != 0) fail("make", path);
    root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) fail("open", path);
    for (uint64_t at = 0; at < map.directoryBytes; at += strlen(map.directories + at) + 1)
        if (mkdirat(root, map.directories + at, 0777) != 0) fail("make", map.directories + at);
    targets = allocate(map.fileCount * sizeof *targets);
    for (uint64_t index = 0; index < map.fileCount; index++) {
        targets[index].file = -1;
        atomic_init(&targets[index].partsLeft, map.files[index].refCount);
        const char *name = map.names + map.files[index].name;
        if (map.files[index].refCount == 0) finishFile(createFile(name), name);
    }
}

void get(const char *store, const char *path) {
    openStore(store);
    makeTargets(path);
    for (int index = 0; index < READS; index++) {
        struct reading *reading = allocate(sizeof *reading);
        // The pages at both ends.
        reading->stored = allocatePages(BATCH_BYTES + 2 * PAGE_BYTES);
        reading->plain = allocatePages(BATCH_BYTES);
        reading->next = readings.free;
        readings.free = reading;
    }
    pthread_t readers[READING_THREADS], workers[CPU_THREADS_MOST];
    unsigned cores = coreCount() < CPU_THREADS_MOST ? coreCount() : CPU_THREADS_MOST;
    readings.readers = READING_THREADS;
    for (int index = 0; index < READING_THREADS; index++) startThread(&readers[index], readAll, NULL);
    for (unsigned index = 0; index < cores; index++) startThread(&workers[index], compute, NULL);
    for (int index = 0; index < READING_THREADS; index++) joinThread(readers[index]);
    for (unsigned index = 0; index < cores; index++) joinThread(workers[index]);
    // Whatever went missing on the way would show here.
    errno = 0;
    for (uint64_t index = 0; index < map.fileCount; index++)
        if (targets[index].file >= 0 && atomic_load(&targets[index].partsLeft) != 0) fail("a file", "is not whole");
}

void check(const char *store) {
    openStore(store);
    uint8_t *rows[ROWS];
    for (unsigned row = 0; row < ROWS; row++) rows[row] = allocatePages(SHARD_BYTES);
    uint8_t *parity[PARITIES] = {allocatePages(SHARD_BYTES), allocatePages(SHARD_BYTES)};
    for (uint32_t block = 0; block < blockCount; block++) {
        uint32_t bytes = geometry[block].shardBytes;
        for (unsigned row = 0; row < ROWS; row++) {
            struct header header;
            int file = openShard(block, row);
            readHeader(file, block, row, &header);
            errno = 0;
            if (header.shardBytes != bytes) fail("shards differ", "in length");
            readAt(file, rows[row], bytes, PAGE_BYTES, "a shard");
            errno = 0;
            for (uint32_t start = 0; start < bytes; start += CELL_BYTES)
                if (header.cells[start / CELL_BYTES] != crc32c(rows[row] + start, least(CELL_BYTES, bytes - start)))
                    fail("a cell fails", "its checksum");
            if (close(file) != 0) fail("close", "a shard");
        }
        uint8_t *made[ROWS] = {rows[0], rows[1], rows[2], rows[3], parity[0], parity[1]};
        encode(bytes, made);
        errno = 0;
        for (int index = 0; index < PARITIES; index++)
            if (memcmp(parity[index], rows[COLUMNS + index], bytes) != 0) fail("a parity", "is not of its data");
    }
}
