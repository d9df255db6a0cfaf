// Each compute thread takes turns at the source: whoever has the turn reads a megabyte and cuts it, gives the turn on, and digests, compresses
// and packs what it read while it is still in its cache. Whoever copies the last chunk into a full block codes it, and I/O threads
// write the shards. Files of a megabyte or less need no turn beyond that of being chosen.
#define _GNU_SOURCE
#include "pipeline.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    /// Filled, coded and written at the same time.
    BLOCKS_IN_MEMORY = 3,
    IO_THREADS = 2 * ROWS,
    LEAST_COMPRESSED_BYTES = 512,
    /// Of each row so much is coded and checked at a time, which stays in a core's cache.
    STRIPE_BYTES = 32 << 10,
};

struct block {
    uint8_t *payload, *parity;
    struct header *headers[ROWS];
    uint32_t number, used;
    /// Threads that still copy into it, then shards that are not yet synced. Under `blocks.mutex`.
    unsigned copying, unsynced;
    int isSealed;
    uint32_t shardBytes;
    const uint8_t *map;
    size_t mapBytes;
};

/// A chunk of a batch: of the input, and where its number goes.
struct piece {
    uint32_t offset, bytes;
    uint64_t ref;
    /// Where it is stored, when it is new.
    uint32_t chunk;
    const uint8_t *stored;
};

struct batch {
    uint8_t *input, *output;
    struct piece pieces[BATCH_PIECES];
    size_t count;
    struct piece *fresh[BATCH_PIECES];
    size_t freshCount;
};

static struct map map;
static int root;

// Whose turn it is at the source.
static struct {
    pthread_mutex_t mutex;
    uint64_t nextFile;
    /// The file that is read by turns; -1 when there is none.
    int file;
    uint64_t index, readBytes;
    /// What is read of it and not cut yet, at the front of a buffer for the next batch.
    uint8_t *input;
    size_t filled;
    struct cutter *cutter;
} source = {.mutex = PTHREAD_MUTEX_INITIALIZER, .file = -1};

// The numbers of the chunks by digest: open addressing, 0 where there is none, else the number and 1.
static struct {
    pthread_mutex_t mutex;
    uint32_t *slots;
    uint64_t mask;
} known = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct block all[BLOCKS_IN_MEMORY];
    struct block *free[BLOCKS_IN_MEMORY];
    unsigned freeCount;
    struct block *open;
    uint32_t count;
} blocks = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

// What the I/O threads are asked for: a shard to write, or, with no block, the files `first` to `end` of a directory to name.
struct job {
    struct block *block;
    unsigned row, disk;
    uint32_t first, end;
};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t added, done;
    // Room for all shards of the blocks in memory.
    struct job jobs[64];
    unsigned head, count, underWay;
    int isOver;
} queue = {.mutex = PTHREAD_MUTEX_INITIALIZER, .added = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static int disks[ROWS];

// The tree

struct list {
    char **items;
    size_t count, room;
};

static int byName(const void *left, const void *right) { return strcmp(*(char **)left, *(char **)right); }

static void *grown(void *memory, size_t bytes) {
    void *larger = realloc(memory, bytes);
    if (larger == NULL) fail("out of", "memory");
    return larger;
}

static uint64_t appendText(char **text, uint64_t *count, uint64_t *room, const char *added) {
    size_t bytes = strlen(added) + 1;
    while (*room < *count + bytes) *text = grown(*text, *room = *room ? *room * 2 : 64 << 10);
    memcpy(*text + *count, added, bytes);
    *count += bytes;
    return *count - bytes;
}

static void addFile(const char *path, uint64_t bytes) {
    static uint64_t room, nameRoom;
    if (map.fileCount == room) map.files = grown(map.files, (room = room ? room * 2 : 256) * sizeof *map.files);
    uint64_t name = appendText(&map.names, &map.nameBytes, &nameRoom, path);
    errno = 0;
    if (name > UINT32_MAX || map.fileCount == UINT32_MAX) fail("too many files:", path);
    map.files[map.fileCount++] = (struct file){.bytes = bytes, .firstRef = map.refRoom, .name = (uint32_t)name};
    map.refRoom += bytes / LEAST_CHUNK_BYTES + 1;
}

/// Notes the files and directories below `directory`, which it closes; `path` ends in a slash or is empty.
static void walk(int directory, const char *path) {
    DIR *stream = fdopendir(directory);
    if (stream == NULL) fail("list", path);
    struct list names = {0};
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(stream);
        if (entry == NULL) break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (names.count == names.room)
            names.items = grown(names.items, (names.room = names.room ? names.room * 2 : 64) * sizeof *names.items);
        names.items[names.count] = strdup(entry->d_name);
        if (names.items[names.count++] == NULL) fail("out of", "memory");
    }
    if (errno != 0) fail("list", path);
    qsort(names.items, names.count, sizeof *names.items, byName);
    for (size_t index = 0; index < names.count; index++) {
        char child[8192];
        struct stat status;
        if (snprintf(child, sizeof child, "%s%s", path, names.items[index]) >= (int)sizeof child - 1) fail("too long:", child);
        if (fstatat(dirfd(stream), names.items[index], &status, AT_SYMLINK_NOFOLLOW) != 0) fail("look at", child);
        if (S_ISREG(status.st_mode)) {
            addFile(child, (uint64_t)status.st_size);
        } else if (S_ISDIR(status.st_mode)) {
            static uint64_t room;
            appendText(&map.directories, &map.directoryBytes, &room, child);
            int below = openat(dirfd(stream), names.items[index], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (below < 0) fail("open", child);
            strcat(child, "/");
            walk(below, child);
        } else {
            fail("neither a file nor a directory:", child);
        }
        free(names.items[index]);
    }
    free(names.items);
    if (closedir(stream) != 0) fail("close", path);
}

static void findFiles(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) fail("look at", path);
    if (S_ISDIR(status.st_mode)) {
        root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0) fail("open", path);
        int copy = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (copy < 0) fail("open", path);
        walk(copy, "");
    } else {
        char *copy = strdup(path);
        if (copy == NULL) fail("out of", "memory");
        root = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0) fail("open the directory of", path);
        free(copy);
        const char *slash = strrchr(path, '/');
        addFile(slash ? slash + 1 : path, (uint64_t)status.st_size);
    }
}

// Reading and cutting

static size_t readFully(int file, uint8_t *buffer, size_t count, const char *name) {
    size_t done = 0;
    while (done < count) {
        ssize_t some = read(file, buffer + done, count - done);
        if (some > 0) done += (size_t)some;
        else if (some == 0) break;
        else if (errno != EINTR) fail("read", name);
    }
    return done;
}

static int openFile(const char *name) {
    int file = openat(root, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) fail("open", name);
    return file;
}

/// Cuts `bytes[from ..< end]` of file `index` into pieces of `batch`; returns where the rest begins.
static size_t cut(struct batch *batch, struct cutter *cutter, size_t from, size_t end, uint64_t index, int isEnd) {
    size_t count;
    while ((count = firstChunkBytes(cutter, batch->input + from, end - from, isEnd)) > 0) {
        struct file *file = &map.files[index];
        if (batch->count == BATCH_PIECES || file->refCount > file->bytes / LEAST_CHUNK_BYTES)
            fail("more chunks than expected:", map.names + file->name);
        batch->pieces[batch->count++] =
            (struct piece){.offset = (uint32_t)from, .bytes = (uint32_t)count, .ref = file->firstRef + file->refCount++};
        from += count;
    }
    return from;
}

/// The next part of the file that is read by turns. With the turn.
static void readPart(struct batch *batch) {
    struct file *file = &map.files[source.index];
    const char *name = map.names + file->name;
    uint8_t *taken = source.input;
    source.input = batch->input;
    batch->input = taken;
    size_t read = readFully(source.file, taken + source.filled, BATCH_BYTES - source.filled, name);
    source.readBytes += read;
    int isEnd = source.readBytes >= file->bytes;
    errno = 0;
    if (source.readBytes > file->bytes || (read == 0 && !isEnd)) fail("its length changed:", name);
    size_t filled = source.filled + read, rest = cut(batch, source.cutter, 0, filled, source.index, isEnd);
    source.filled = filled - rest;
    memcpy(source.input, taken + rest, source.filled);
    if (isEnd) {
        if (close(source.file) != 0) fail("close", name);
        source.file = -1;
    }
}

/// Files `first` to `end`, all of which fit into the batch together.
static void readWhole(struct batch *batch, struct cutter *cutter, uint64_t first, uint64_t end) {
    size_t filled = 0;
    for (uint64_t index = first; index < end; index++) {
        struct file *file = &map.files[index];
        if (file->bytes == 0) continue;
        const char *name = map.names + file->name;
        int descriptor = openFile(name);
        // One byte more than there should be: then one call tells that it ends there.
        size_t read = readFully(descriptor, batch->input + filled, file->bytes + 1, name);
        errno = 0;
        if (read != file->bytes) fail("its length changed:", name);
        if (close(descriptor) != 0) fail("close", name);
        beginCutting(cutter);
        filled = cut(batch, cutter, filled, filled + read, index, 1);
    }
}

/// Fills the batch with the next chunks of the tree; 0 when there are no more.
static int readBatch(struct batch *batch, struct cutter *cutter) {
    batch->count = 0;
    lock(&source.mutex);
    if (source.file < 0) {
        uint64_t first = source.nextFile, pieces = 0, bytes = 0, end = first;
        for (; end < map.fileCount; end++) {
            bytes += map.files[end].bytes;
            pieces += map.files[end].bytes / LEAST_CHUNK_BYTES + 1;
            if (bytes > BATCH_BYTES || pieces > BATCH_PIECES) break;
        }
        if (end > first || end == map.fileCount) {
            source.nextFile = end;
            unlock(&source.mutex);
            readWhole(batch, cutter, first, end);
            return end > first;
        }
        source.index = source.nextFile++;
        source.readBytes = source.filled = 0;
        source.file = openFile(map.names + map.files[source.index].name);
        errno = posix_fadvise(source.file, 0, 0, POSIX_FADV_SEQUENTIAL);
        if (errno != 0) fail("advise on", map.names + map.files[source.index].name);
        beginCutting(source.cutter);
    }
    readPart(batch);
    unlock(&source.mutex);
    return 1;
}

// Digests, duplicates, compression

/// The number of the chunk with `digest`; `isNew` when it had none.
static uint32_t numberOf(const uint8_t digest[DIGEST_BYTES], int *isNew) {
    uint64_t start;
    memcpy(&start, digest, sizeof start);
    lock(&known.mutex);
    uint64_t slot = start & known.mask;
    while (known.slots[slot] && memcmp(map.chunks[known.slots[slot] - 1].digest, digest, DIGEST_BYTES) != 0)
        slot = (slot + 1) & known.mask;
    *isNew = known.slots[slot] == 0;
    if (*isNew) {
        memcpy(map.chunks[map.chunkCount].digest, digest, DIGEST_BYTES);
        known.slots[slot] = (uint32_t)++map.chunkCount;
    }
    uint32_t number = known.slots[slot] - 1;
    unlock(&known.mutex);
    return number;
}

/// Ready to be packed: `fresh` has the pieces that are new, each with what is to be stored.
static void process(struct batch *batch, void *compression) {
    size_t outputUsed = 0;
    batch->freshCount = 0;
    for (size_t index = 0; index < batch->count; index++) {
        struct piece *piece = &batch->pieces[index];
        const uint8_t *plain = batch->input + piece->offset;
        uint8_t digest[DIGEST_BYTES];
        sha256(plain, piece->bytes, digest);
        int isNew;
        piece->chunk = numberOf(digest, &isNew);
        map.refs[piece->ref] = piece->chunk;
        if (!isNew) continue;
        struct chunk *chunk = &map.chunks[piece->chunk];
        int length = 0;
        // Kept plain where it does not save an eighth.
        if (piece->bytes >= LEAST_COMPRESSED_BYTES)
            length = LZ4_compress_fast_extState(
                compression, (const char *)plain, (char *)batch->output + outputUsed, (int)piece->bytes,
                (int)(piece->bytes - piece->bytes / 8), 1);
        piece->stored = length > 0 ? batch->output + outputUsed : plain;
        outputUsed += (size_t)length;
        chunk->plainBytes = piece->bytes;
        chunk->storedBytes = length > 0 ? (uint32_t)length : piece->bytes;
        chunk->checksum = crc32c(piece->stored, chunk->storedBytes);
        batch->fresh[batch->freshCount++] = piece;
    }
}

// Blocks

static void ask(struct job job) {
    lock(&queue.mutex);
    unsigned room = sizeof queue.jobs / sizeof *queue.jobs;
    errno = 0;
    if (queue.count == room) fail("no room for", "a job");
    queue.jobs[(queue.head + queue.count++) % room] = job;
    queue.underWay++;
    if (pthread_cond_signal(&queue.added) != 0) fail("wake", "a thread");
    unlock(&queue.mutex);
}

/// Codes a block into which nobody copies any more, and has its shards written.
static void seal(struct block *block, uint32_t shardBytes) {
    block->shardBytes = shardBytes;
    memset(block->payload + block->used, 0, (size_t)COLUMNS * shardBytes - block->used);
    // Each cell's checksum goes on from stripe to stripe, while its bytes are in the cache.
    for (uint32_t start = 0; start < shardBytes; start += STRIPE_BYTES) {
        size_t bytes = least(STRIPE_BYTES, shardBytes - start);
        uint8_t *rows[ROWS];
        for (unsigned row = 0; row < ROWS; row++)
            rows[row] = (row < COLUMNS ? block->payload + (size_t)row * shardBytes
                                       : block->parity + (size_t)(row - COLUMNS) * shardBytes) + start;
        encode(bytes, rows);
        for (unsigned row = 0; row < ROWS; row++) {
            uint32_t *cell = &block->headers[row]->cells[start / CELL_BYTES];
            *cell = start % CELL_BYTES == 0 ? crc32c(rows[row], bytes) : crc32cContinued(*cell, rows[row], bytes);
        }
    }
    block->unsynced = ROWS;
    for (unsigned row = 0; row < ROWS; row++) {
        struct header *header = block->headers[row];
        header->magic = headerMagic;
        header->block = block->number;
        header->row = row;
        header->shardBytes = shardBytes;
        header->usedBytes = block->used;
        header->mapBytes = block->mapBytes;
        header->checksum = headerChecksum(header);
    }
    for (unsigned row = 0; row < ROWS; row++) ask((struct job){.block = block, .row = row});
}

/// The block that is filled. With `blocks.mutex`, which it gives away while it waits for one.
static struct block *openBlock(void) {
    while (blocks.open == NULL && blocks.freeCount == 0) {
        errno = pthread_cond_wait(&blocks.changed, &blocks.mutex);
        if (errno != 0) fail("wait for", "a block");
    }
    if (blocks.open == NULL) {
        blocks.open = blocks.free[--blocks.freeCount];
        blocks.open->number = blocks.count++;
        blocks.open->used = blocks.open->copying = 0;
        blocks.open->isSealed = 0;
    }
    return blocks.open;
}

static void copyIn(struct block *block, struct piece **pieces, size_t count) {
    for (size_t index = 0; index < count; index++) {
        struct chunk *chunk = &map.chunks[pieces[index]->chunk];
        memcpy(block->payload + chunk->offset, pieces[index]->stored, chunk->storedBytes);
    }
}

/// Packs what is new of the batch end to end, and codes the block that it fills. A batch stays together, so that it is read together.
static void pack(struct batch *batch) {
    size_t done = 0;
    while (done < batch->freshCount) {
        lock(&blocks.mutex);
        struct block *block = openBlock();
        size_t first = done;
        for (; done < batch->freshCount; done++) {
            struct chunk *chunk = &map.chunks[batch->fresh[done]->chunk];
            if (block->used + chunk->storedBytes > BLOCK_BYTES) break;
            chunk->block = block->number;
            chunk->offset = block->used;
            block->used += chunk->storedBytes;
        }
        if (done < batch->freshCount) {
            block->isSealed = 1;
            blocks.open = NULL;
        }
        block->copying++;
        unlock(&blocks.mutex);
        copyIn(block, batch->fresh + first, done - first);
        lock(&blocks.mutex);
        int isReady = --block->copying == 0 && block->isSealed;
        unlock(&blocks.mutex);
        if (isReady) seal(block, SHARD_BYTES);
    }
}

static void *compute(void *unused) {
    struct batch *batch = allocate(sizeof *batch);
    // A byte more than a batch: readWhole asks for one too many.
    batch->input = allocatePages(BATCH_BYTES + PAGE_BYTES);
    batch->output = allocatePages(BATCH_BYTES);
    struct cutter *cutter = makeCutter();
    void *compression = allocate((size_t)LZ4_sizeofState());
    while (readBatch(batch, cutter)) {
        process(batch, compression);
        pack(batch);
    }
    return unused;
}

// Writing

/// Writes all of `parts` from the start of `file`. Consumes them.
static void writeFully(int file, struct iovec *parts, int count, const char *path) {
    off_t offset = 0;
    while (count > 0) {
        ssize_t some = pwritev(file, parts, count, offset);
        if (some < 0 && errno == EINTR) continue;
        if (some <= 0) fail("write", path);
        offset += some;
        for (; count > 0 && (size_t)some >= parts->iov_len; parts++, count--) some -= (ssize_t)parts->iov_len;
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + some;
            parts->iov_len -= (size_t)some;
        }
    }
}

static void writeShard(struct block *block, unsigned row) {
    char path[32];
    shardPath(path, "tmp", block->number);
    int disk = disks[diskOf(block->number, row)], flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int file = openat(disk, path, flags | O_DIRECT, 0600);
    // A file system without it.
    if (file < 0 && errno == EINVAL) file = openat(disk, path, flags & ~O_EXCL, 0600);
    if (file < 0) fail("create", path);
    uint8_t *payload = row < COLUMNS ? block->payload + (size_t)row * block->shardBytes
                                     : block->parity + (size_t)(row - COLUMNS) * block->shardBytes;
    size_t bytes = PAGE_BYTES + block->shardBytes + block->mapBytes;
    // A full disk shows before the data are written.
    if (fallocate(file, 0, 0, (off_t)bytes) != 0 && errno != EOPNOTSUPP && errno != ENOSYS) fail("reserve", path);
    struct iovec parts[3] = {{block->headers[row], PAGE_BYTES}}, *end = parts + 1;
    if (block->shardBytes > 0) *end++ = (struct iovec){payload, block->shardBytes};
    if (block->mapBytes > 0) *end++ = (struct iovec){(void *)block->map, block->mapBytes};
    writeFully(file, parts, (int)(end - parts), path);
    if (fdatasync(file) != 0) fail("sync", path);
    if (close(file) != 0) fail("close", path);
    lock(&blocks.mutex);
    if (--block->unsynced == 0) {
        blocks.free[blocks.freeCount++] = block;
        if (pthread_cond_broadcast(&blocks.changed) != 0) fail("wake", "a thread");
    }
    unlock(&blocks.mutex);
}

/// Makes what a disk needs to take shards, durably.
static void prepareDisk(unsigned disk) {
    if (mkdirat(disks[disk], "tmp", 0700) != 0) fail("make", "tmp");
    if (mkdirat(disks[disk], "blocks", 0700) != 0) fail("make", "blocks");
    if (fsync(disks[disk]) != 0) fail("sync", "a disk's directory");
}

/// Gives the shards of the blocks `first` to `end` on `disk` their names, durably.
static void nameShards(unsigned disk, uint32_t first, uint32_t end) {
    for (uint32_t block = first; block < end; block++) {
        char from[32], to[32];
        shardPath(from, "tmp", block);
        shardPath(to, "blocks", block);
        if (renameat2(disks[disk], from, disks[disk], to, RENAME_NOREPLACE) != 0) fail("name", to);
    }
    int directory = openat(disks[disk], "blocks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) fail("open", "blocks");
    if (fsync(directory) != 0) fail("sync", "blocks");
    if (close(directory) != 0) fail("close", "blocks");
}

static void *io(void *unused) {
    for (;;) {
        lock(&queue.mutex);
        while (queue.count == 0 && !queue.isOver) {
            errno = pthread_cond_wait(&queue.added, &queue.mutex);
            if (errno != 0) fail("wait for", "a job");
        }
        if (queue.count == 0) {
            unlock(&queue.mutex);
            return unused;
        }
        struct job job = queue.jobs[queue.head];
        queue.head = (queue.head + 1) % (sizeof queue.jobs / sizeof *queue.jobs);
        queue.count--;
        unlock(&queue.mutex);
        if (job.block != NULL) writeShard(job.block, job.row);
        else if (job.end > job.first) nameShards(job.disk, job.first, job.end);
        else prepareDisk(job.disk);
        lock(&queue.mutex);
        if (--queue.underWay == 0 && pthread_cond_broadcast(&queue.done) != 0) fail("wake", "a thread");
        unlock(&queue.mutex);
    }
}

static void waitForJobs(void) {
    lock(&queue.mutex);
    while (queue.underWay > 0) {
        errno = pthread_cond_wait(&queue.done, &queue.mutex);
        if (errno != 0) fail("wait for", "jobs");
    }
    unlock(&queue.mutex);
}

static void onAllDisks(uint32_t first, uint32_t end) {
    for (unsigned disk = 0; disk < ROWS; disk++) ask((struct job){.disk = disk, .first = first, .end = end});
    waitForJobs();
}

static void makeRoom(void) {
    map.chunks = reserveZeros(map.refRoom * sizeof *map.chunks);
    map.refs = reserveZeros(map.refRoom * sizeof *map.refs);
    uint64_t slots = 1024;
    while (slots < 2 * map.refRoom) slots *= 2;
    known.slots = reserveZeros(slots * sizeof *known.slots);
    known.mask = slots - 1;
    errno = 0;
    if (map.refRoom >= UINT32_MAX) fail("too many chunks for", "this program");
    for (int index = 0; index < BLOCKS_IN_MEMORY; index++) {
        struct block *block = &blocks.all[index];
        block->payload = allocatePages(BLOCK_BYTES);
        block->parity = allocatePages((size_t)PARITIES * SHARD_BYTES);
        for (unsigned row = 0; row < ROWS; row++)
            block->headers[row] = memset(allocatePages(PAGE_BYTES), 0, PAGE_BYTES);
        blocks.free[blocks.freeCount++] = block;
    }
    source.input = allocatePages(BATCH_BYTES + PAGE_BYTES);
    source.cutter = makeCutter();
}

void put(const char *path, const char *store) {
    openDisks(store, disks);
    pthread_t writers[IO_THREADS], workers[CPU_THREADS_MOST];
    for (int index = 0; index < IO_THREADS; index++) startThread(&writers[index], io, NULL);
    for (unsigned disk = 0; disk < ROWS; disk++) ask((struct job){.disk = disk});
    findFiles(path);
    makeRoom();
    waitForJobs();
    unsigned cores = coreCount() < CPU_THREADS_MOST ? coreCount() : CPU_THREADS_MOST;
    for (unsigned index = 0; index < cores; index++) startThread(&workers[index], compute, NULL);
    for (unsigned index = 0; index < cores; index++) joinThread(workers[index]);
    // The last block has the map, so the put is real when that has its name.
    lock(&blocks.mutex);
    struct block *last = openBlock();
    unlock(&blocks.mutex);
    last->map = writeMap(&map, &last->mapBytes);
    uint32_t share = (last->used + COLUMNS - 1) / COLUMNS;
    seal(last, (uint32_t)wholePages(share));
    waitForJobs();
    if (blocks.count > 1) onAllDisks(0, blocks.count - 1);
    onAllDisks(blocks.count - 1, blocks.count);
    lock(&queue.mutex);
    queue.isOver = 1;
    if (pthread_cond_broadcast(&queue.added) != 0) fail("wake", "a thread");
    unlock(&queue.mutex);
    for (int index = 0; index < IO_THREADS; index++) joinThread(writers[index]);
}
