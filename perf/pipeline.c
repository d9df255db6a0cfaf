// The ceiling of a put and a get: what bsctl does to the bytes, and nothing else, as fast as plain C does it. perf/pipeline says
// what that is, and what is left out.
//
// usage: pipeline put SOURCE STORE      a directory or a file into STORE/disk-1 … disk-6, which are there and empty
//        pipeline get STORE TARGET      into the directory TARGET, which is not there
//        pipeline check STORE           every cell against its checksum, and the parities against the data
#define _GNU_SOURCE
#include "pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <isa-l/crc.h>
#include <isa-l/erasure_code.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

void fail(const char *what, const char *where) {
    int number = errno;
    fprintf(stderr, "pipeline: error: %s %s%s%s\n", what, where, number ? ": " : "", number ? strerror(number) : "");
    _exit(1);
}

// Memory and threads

void *allocate(size_t bytes) {
    void *memory = malloc(bytes ? bytes : 1);
    if (memory == NULL) fail("out of", "memory");
    return memory;
}

void *allocatePages(size_t bytes) {
    void *memory = NULL;
    errno = posix_memalign(&memory, PAGE_BYTES, bytes);
    if (errno != 0) fail("out of", "memory");
    return memory;
}

void *reserveZeros(size_t bytes) {
    void *memory = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) fail("out of", "memory");
    return memory;
}

unsigned coreCount(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) fail("sched_getaffinity", "");
    return (unsigned)CPU_COUNT(&set);
}

void startThread(pthread_t *thread, void *(*body)(void *), void *argument) {
    errno = pthread_create(thread, NULL, body, argument);
    if (errno != 0) fail("start", "a thread");
}

void joinThread(pthread_t thread) {
    errno = pthread_join(thread, NULL);
    if (errno != 0) fail("join", "a thread");
}

void lock(pthread_mutex_t *mutex) {
    errno = pthread_mutex_lock(mutex);
    if (errno != 0) fail("lock", "a mutex");
}

void unlock(pthread_mutex_t *mutex) {
    errno = pthread_mutex_unlock(mutex);
    if (errno != 0) fail("unlock", "a mutex");
}

// Digests, checksums, parity

void sha256(const void *bytes, size_t count, uint8_t digest[DIGEST_BYTES]) {
    // Not SHA256(), which looks its algorithm up each time.
    SHA256_CTX context;
    if (!SHA256_Init(&context) || !SHA256_Update(&context, bytes, count) || !SHA256_Final(digest, &context))
        fail("SHA-256 of", "a chunk");
}

uint32_t crc32cContinued(uint32_t checksum, const void *bytes, size_t count) {
    return ~crc32_iscsi((unsigned char *)bytes, (int)count, ~checksum);
}

uint32_t crc32c(const void *bytes, size_t count) { return crc32cContinued(0, bytes, count); }

uint32_t headerChecksum(const struct header *header) { return crc32c(header, offsetof(struct header, checksum)); }

static uint8_t parityTables[32 * COLUMNS * PARITIES];

static void makeParityTables(void) {
    uint8_t matrix[ROWS * COLUMNS];
    gf_gen_cauchy1_matrix(matrix, ROWS, COLUMNS);
    ec_init_tables(COLUMNS, PARITIES, matrix + COLUMNS * COLUMNS, parityTables);
}

void encode(size_t bytes, uint8_t *shards[ROWS]) {
    ec_encode_data((int)bytes, COLUMNS, PARITIES, parityTables, shards, shards + COLUMNS);
}

// The store

void openDisks(const char *path, int disks[ROWS]) {
    for (int disk = 0; disk < ROWS; disk++) {
        char name[4096];
        if (snprintf(name, sizeof name, "%s/disk-%d", path, disk + 1) >= (int)sizeof name) fail("too long:", path);
        disks[disk] = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (disks[disk] < 0) fail("open", name);
    }
}

void shardPath(char path[32], const char *folder, uint32_t block) { snprintf(path, 32, "%s/%08x", folder, block); }

/// The parts of a map in the order in which they are written, each with its length.
struct part {
    void **bytes;
    uint64_t count;
};

static void partsOf(struct map *map, struct part parts[5]) {
    parts[0] = (struct part){(void **)&map->files, map->fileCount * sizeof *map->files};
    parts[1] = (struct part){(void **)&map->chunks, map->chunkCount * sizeof *map->chunks};
    parts[2] = (struct part){(void **)&map->refs, map->refRoom * sizeof *map->refs};
    parts[3] = (struct part){(void **)&map->names, map->nameBytes};
    parts[4] = (struct part){(void **)&map->directories, map->directoryBytes};
}

enum { MAP_FRONT_BYTES = DIGEST_BYTES + sizeof(struct map) };

uint8_t *writeMap(const struct map *map, size_t *bytes) {
    // Without the room that no chunk took.
    struct map packed = *map;
    packed.files = allocate(map->fileCount * sizeof *map->files);
    packed.refs = allocate(map->refRoom * sizeof *map->refs);
    packed.refRoom = 0;
    for (uint64_t index = 0; index < map->fileCount; index++) {
        struct file file = map->files[index];
        memcpy(packed.refs + packed.refRoom, map->refs + file.firstRef, file.refCount * sizeof *map->refs);
        file.firstRef = packed.refRoom;
        packed.refRoom += file.refCount;
        packed.files[index] = file;
    }
    struct part parts[5];
    partsOf(&packed, parts);
    size_t total = MAP_FRONT_BYTES;
    for (int index = 0; index < 5; index++) total += parts[index].count;
    uint8_t *written = allocatePages(wholePages(total));
    memset(written + total, 0, wholePages(total) - total);
    size_t end = MAP_FRONT_BYTES;
    for (int index = 0; index < 5; index++) {
        memcpy(written + end, *parts[index].bytes, parts[index].count);
        end += parts[index].count;
    }
    free(packed.files);
    free(packed.refs);
    memcpy(written + DIGEST_BYTES, &packed, sizeof packed);
    sha256(written + DIGEST_BYTES, wholePages(total) - DIGEST_BYTES, written);
    *bytes = wholePages(total);
    return written;
}

void readMap(struct map *map, const uint8_t *bytes, size_t count) {
    uint8_t digest[DIGEST_BYTES];
    errno = 0;
    if (count < MAP_FRONT_BYTES) fail("the map is", "too short");
    sha256(bytes + DIGEST_BYTES, count - DIGEST_BYTES, digest);
    if (memcmp(digest, bytes, DIGEST_BYTES) != 0) fail("the map", "fails its digest");
    memcpy(map, bytes + DIGEST_BYTES, sizeof *map);
    struct part parts[5];
    partsOf(map, parts);
    size_t total = MAP_FRONT_BYTES;
    for (int index = 0; index < 5; index++) total += parts[index].count;
    if (total > count) fail("the map is", "too short");
    bytes += MAP_FRONT_BYTES;
    for (int index = 0; index < 5; index++) {
        *parts[index].bytes = memcpy(allocate(parts[index].count), bytes, parts[index].count);
        bytes += parts[index].count;
    }
}

int main(int count, char **arguments) {
    makeParityTables();
    if (count == 4 && strcmp(arguments[1], "put") == 0) put(arguments[2], arguments[3]);
    else if (count == 4 && strcmp(arguments[1], "get") == 0) get(arguments[2], arguments[3]);
    else if (count == 3 && strcmp(arguments[1], "check") == 0) check(arguments[2]);
    else {
        fprintf(stderr, "usage: pipeline put SOURCE STORE | get STORE TARGET | check STORE\n");
        return 2;
    }
    return 0;
}
