// How shards get durably onto devices: one way of several, measured by itself. perf/writes says what the ways are.
//
// usage: writes DIRECTORY blocks|swarm|object WAY FILE-BYTES COUNT [check]
//
// Writes COUNT files of FILE-BYTES into each of DIRECTORY/disk-1 … disk-6, which have `tmp` and `blocks`, both empty. Prints one JSON object: seconds
// by the clock and of CPU, from the first file to the last name that is durable, without what comes before; or `refused`, where the kernel or the
// file system does not have that way. With `check` everything is then read back from the medium and compared.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// Of newer kernels than the headers may be: Linux 6.14 and 6.9.
#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80
#endif
enum { FTRUNCATE_OPERATION = 55 };

enum { DISKS = 6, THREADS_A_DISK = 2, THREADS = DISKS * THREADS_A_DISK, PAGE_BYTES = 4096, NAME_BYTES = 64 };

struct way {
    const char *name;
    /// Past the page cache, by O_DIRECT; with the room asked for before.
    int isDirect, reserves;
    /// Through it: writing starts at once; nothing stays; nothing ever is there for long.
    int isEarly, drops, isUncached;
    /// One syncfs for each file system in place of a sync of each file.
    int syncsAll;
    /// By one thread: one call after the other, or by a ring.
    int isInTurn, isRing;
    /// A file gets its first name when it is durable, by linkat.
    int isNameless;
};

static const struct way ways[] = {
    {.name = "cache"},
    {.name = "cache-early", .isEarly = 1},
    {.name = "cache-early-drop", .isEarly = 1, .drops = 1},
    {.name = "dontcache", .isUncached = 1},
    {.name = "direct", .isDirect = 1},
    {.name = "direct-reserved", .isDirect = 1, .reserves = 1},
    {.name = "direct-reserved-syncfs", .isDirect = 1, .reserves = 1, .syncsAll = 1},
    {.name = "direct-reserved-ring", .isDirect = 1, .reserves = 1, .isRing = 1},
    {.name = "in-turn", .isEarly = 1, .isInTurn = 1},
    {.name = "in-turn-syncfs", .syncsAll = 1, .isInTurn = 1},
    {.name = "nameless", .isEarly = 1, .isNameless = 1},
    {.name = "ring", .isRing = 1},
};

/// Written before the threads start, except `next`.
static struct {
    const struct way *way;
    size_t fileBytes;
    unsigned count;
    int temporaries[DISKS], blocks[DISKS];
    /// Of each disk's files, everything but the first page. Random bytes.
    uint8_t *contents[DISKS];
    /// Disks whose file system no earlier disk has.
    int isFirstOfSystem[DISKS];
    atomic_uint next[DISKS];
    pthread_barrier_t barrier;
} run;

static void fail(const char *what, const char *where) {
    int number = errno;
    fprintf(stderr, "writes: error: %s %s: %s\n", what, where, strerror(number));
    _exit(1);
}

/// Ends the program, and says that this way is not to be had here.
static void refuse(const char *what, int number) {
    static atomic_flag isTold = ATOMIC_FLAG_INIT;
    // One thread tells.
    while (atomic_flag_test_and_set(&isTold)) pause();
    printf("{\"refused\": \"%s: %s\"}\n", what, strerror(number));
    fflush(stdout);
    _exit(0);
}

static void *allocatePages(size_t bytes) {
    void *memory = NULL;
    errno = posix_memalign(&memory, PAGE_BYTES, bytes);
    if (errno != 0) fail("out of", "memory");
    return memory;
}

static size_t wholePages(size_t bytes) { return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES; }

static void fillRandom(uint8_t *bytes, size_t count, uint64_t state) {
    for (size_t index = 0; index < count; index += 8) {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(bytes + index, &state, 8);
    }
}

static void meet(void) {
    int result = pthread_barrier_wait(&run.barrier);
    if (result != 0 && result != PTHREAD_BARRIER_SERIAL_THREAD) fail("wait at", "a barrier");
}

// One shard

static void nameOf(char name[NAME_BYTES], unsigned number) { snprintf(name, NAME_BYTES, "%08x", number); }

static void fillHead(uint8_t *head, unsigned disk, unsigned number) { fillRandom(head, PAGE_BYTES, ((uint64_t)number << 8) + disk + 1); }

/// What a file consists of; past the page cache it ends with a whole page, and the rest is cut off.
static size_t partsOf(struct iovec parts[2], unsigned disk, uint8_t *head) {
    size_t bytes = run.way->isDirect ? wholePages(run.fileBytes) : run.fileBytes;
    parts[0] = (struct iovec){head, PAGE_BYTES};
    parts[1] = (struct iovec){run.contents[disk], bytes - PAGE_BYTES};
    return bytes;
}

static int create(unsigned disk, unsigned number) {
    int flags = O_WRONLY | O_CLOEXEC | (run.way->isDirect ? O_DIRECT : 0);
    char name[NAME_BYTES];
    nameOf(name, number);
    int file = run.way->isNameless ? openat(run.blocks[disk], ".", flags | O_TMPFILE, 0600)
                                   : openat(run.temporaries[disk], name, flags | O_CREAT | O_EXCL, 0600);
    if (file < 0 && run.way->isDirect && errno == EINVAL) refuse("O_DIRECT", errno);
    if (file < 0 && run.way->isNameless && errno == EOPNOTSUPP) refuse("O_TMPFILE", errno);
    if (file < 0) fail("create", name);
    return file;
}

/// Writes a shard without a name of its own yet, and syncs it where the way does so for each. Returns its descriptor.
static int writeShard(unsigned disk, unsigned number, uint8_t *head) {
    const struct way *way = run.way;
    int file = create(disk, number);
    if (way->reserves && fallocate(file, 0, 0, (off_t)run.fileBytes) != 0) {
        if (errno == EOPNOTSUPP) refuse("fallocate", errno);
        fail("reserve", "a file");
    }
    fillHead(head, disk, number);
    struct iovec parts[2];
    size_t bytes = partsOf(parts, disk, head);
    ssize_t written = pwritev2(file, parts, 2, 0, way->isUncached ? RWF_DONTCACHE : 0);
    if (written < 0 && way->isUncached && (errno == EOPNOTSUPP || errno == EINVAL)) refuse("RWF_DONTCACHE", errno);
    if (written != (ssize_t)bytes) fail("write", "a file at once");
    if (bytes > run.fileBytes && ftruncate(file, (off_t)run.fileBytes) != 0) fail("cut", "a file");
    if (way->isEarly) sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE);
    if (!way->syncsAll && fdatasync(file) != 0) fail("sync", "a file");
    if (way->drops) posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    return file;
}

static void closeFile(int file) {
    if (close(file) != 0) fail("close", "a file");
}

static void nameShard(unsigned disk, unsigned number, int file) {
    char name[NAME_BYTES], link[NAME_BYTES];
    nameOf(name, number);
    if (run.way->isNameless) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        if (linkat(AT_FDCWD, link, run.blocks[disk], name, AT_SYMLINK_FOLLOW) != 0) fail("link", name);
    } else if (renameat2(run.temporaries[disk], name, run.blocks[disk], name, RENAME_NOREPLACE) != 0) {
        fail("name", name);
    }
}

static void syncNames(unsigned disk) {
    if (fsync(run.blocks[disk]) != 0) fail("sync", "a directory");
}

static void syncSystem(unsigned disk) {
    if (run.isFirstOfSystem[disk] && syncfs(run.blocks[disk]) != 0) fail("sync", "a file system");
}

// The ring: one thread, and as much under way as the threads would have

struct ring {
    struct io_uring ring;
    unsigned underWay;
};

static void openRing(struct ring *ring) {
    int result = io_uring_queue_init(8 * THREADS, &ring->ring, 0);
    if (result < 0) refuse("io_uring", -result);
    // A sync is carried out by a thread of the kernel: as many as there would be threads. An old kernel chooses by itself.
    unsigned workers[2] = {THREADS, THREADS};
    io_uring_register_iowq_max_workers(&ring->ring, workers);
    ring->underWay = 0;
}

/// The next call that is to be asked for; those with `isLinked` are followed by another one that waits for them.
static struct io_uring_sqe *ask(struct ring *ring) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&ring->ring);
    errno = EBUSY;
    if (entry == NULL) fail("no room in", "the ring");
    ring->underWay++;
    return entry;
}

static void linkNext(struct io_uring_sqe *entry, uint64_t slot) {
    io_uring_sqe_set_data64(entry, slot);
    io_uring_sqe_set_flags(entry, IOSQE_IO_LINK);
}

static void submit(struct ring *ring) {
    int result = io_uring_submit(&ring->ring);
    errno = -result;
    if (result < 0) fail("submit to", "the ring");
}

/// Waits for one call; what it was for.
static uint64_t await(struct ring *ring) {
    struct io_uring_cqe *done;
    int result;
    while ((result = io_uring_wait_cqe(&ring->ring, &done)) == -EINTR) {}
    errno = -result;
    if (result < 0) fail("wait for", "the ring");
    if (done->res == -EINVAL) refuse("a call in a ring (cutting a file needs Linux 6.9)", EINVAL);
    errno = -done->res;
    if (done->res < 0) fail("a call in", "the ring");
    uint64_t slot = io_uring_cqe_get_data64(done);
    io_uring_cqe_seen(&ring->ring, done);
    ring->underWay--;
    return slot;
}

/// Asks for everything up to the sync of a shard, as one chain. The number of its calls.
static unsigned askForShard(struct ring *ring, unsigned disk, int file, struct iovec parts[2], uint8_t *head, uint64_t slot) {
    size_t bytes = partsOf(parts, disk, head);
    unsigned calls = 2;
    if (run.way->reserves) {
        struct io_uring_sqe *entry = ask(ring);
        io_uring_prep_fallocate(entry, file, 0, 0, (off_t)run.fileBytes);
        linkNext(entry, slot);
        calls++;
    }
    // A write that is short breaks the chain, and the sync is cancelled.
    struct io_uring_sqe *entry = ask(ring);
    io_uring_prep_writev(entry, file, parts, 2, 0);
    linkNext(entry, slot);
    if (bytes > run.fileBytes) {
        entry = ask(ring);
        io_uring_prep_rw(FTRUNCATE_OPERATION, entry, file, NULL, 0, run.fileBytes);
        linkNext(entry, slot);
        calls++;
    }
    entry = ask(ring);
    io_uring_prep_fsync(entry, file, IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data64(entry, slot);
    return calls;
}

static void writeBlocksByRing(struct ring *ring) {
    struct {
        int file;
        unsigned disk, calls;
        struct iovec parts[2];
        uint8_t *head;
    } slots[THREADS];
    unsigned next[DISKS] = {0};
    for (unsigned slot = 0; slot < THREADS; slot++) {
        slots[slot].disk = slot % DISKS;
        slots[slot].calls = 0;
        slots[slot].file = -1;
        slots[slot].head = allocatePages(PAGE_BYTES);
    }
    for (;;) {
        for (unsigned slot = 0; slot < THREADS; slot++) {
            unsigned disk = slots[slot].disk;
            if (slots[slot].calls > 0) continue;
            if (slots[slot].file >= 0) closeFile(slots[slot].file);
            slots[slot].file = -1;
            if (next[disk] == run.count) continue;
            fillHead(slots[slot].head, disk, next[disk]);
            slots[slot].file = create(disk, next[disk]++);
            slots[slot].calls = askForShard(ring, disk, slots[slot].file, slots[slot].parts, slots[slot].head, slot);
        }
        if (ring->underWay == 0) break;
        submit(ring);
        slots[await(ring)].calls--;
    }
    for (unsigned disk = 0; disk < DISKS; disk++) {
        for (unsigned number = 0; number < run.count; number++) nameShard(disk, number, -1);
        struct io_uring_sqe *entry = ask(ring);
        io_uring_prep_fsync(entry, run.blocks[disk], 0);
    }
    submit(ring);
    while (ring->underWay > 0) await(ring);
}

static void commitObjectsByRing(struct ring *ring) {
    uint8_t *heads = allocatePages(DISKS * PAGE_BYTES);
    for (unsigned number = 0; number < run.count; number++) {
        int files[DISKS];
        struct iovec parts[DISKS][2];
        char name[NAME_BYTES];
        nameOf(name, number);
        for (unsigned disk = 0; disk < DISKS; disk++) {
            uint8_t *head = heads + disk * PAGE_BYTES;
            fillHead(head, disk, number);
            files[disk] = create(disk, number);
            askForShard(ring, disk, files[disk], parts[disk], head, 0);
        }
        submit(ring);
        while (ring->underWay > 0) await(ring);
        for (unsigned disk = 0; disk < DISKS; disk++) {
            closeFile(files[disk]);
            struct io_uring_sqe *entry = ask(ring);
            io_uring_prep_renameat(entry, run.temporaries[disk], name, run.blocks[disk], name, RENAME_NOREPLACE);
            linkNext(entry, 0);
            io_uring_prep_fsync(ask(ring), run.blocks[disk], 0);
        }
        submit(ring);
        while (ring->underWay > 0) await(ring);
    }
}

// The workloads

struct worker {
    unsigned disk, isFirst;
    uint8_t *head;
};

/// Blocks of six long shards, and one commit when all are written.
static void *writeBlocks(void *argument) {
    struct worker *worker = argument;
    unsigned number, disk = worker->disk;
    while ((number = atomic_fetch_add(&run.next[disk], 1)) < run.count) closeFile(writeShard(disk, number, worker->head));
    meet();
    if (run.way->syncsAll) {
        if (worker->isFirst) syncSystem(disk);
        meet();
    }
    if (worker->isFirst) {
        for (number = 0; number < run.count; number++) nameShard(disk, number, -1);
        syncNames(disk);
    }
    return NULL;
}

/// Each shard is named, durably, as soon as it is written: many commits at once.
static void *writeSwarm(void *argument) {
    struct worker *worker = argument;
    unsigned number, disk = worker->disk;
    while ((number = atomic_fetch_add(&run.next[disk], 1)) < run.count) {
        int file = writeShard(disk, number, worker->head);
        nameShard(disk, number, file);
        syncNames(disk);
        closeFile(file);
    }
    return NULL;
}

/// Commits one after the other. Nothing has a name before all six are durable.
static void *commitObjects(void *argument) {
    struct worker *worker = argument;
    for (unsigned number = 0; number < run.count; number++) {
        int file = writeShard(worker->disk, number, worker->head);
        meet();
        nameShard(worker->disk, number, file);
        syncNames(worker->disk);
        closeFile(file);
        meet();
    }
    return NULL;
}

static void commitObjectsInTurn(uint8_t *head) {
    for (unsigned number = 0; number < run.count; number++) {
        int files[DISKS];
        for (unsigned disk = 0; disk < DISKS; disk++) files[disk] = writeShard(disk, number, head);
        for (unsigned disk = 0; disk < DISKS; disk++)
            if (run.way->syncsAll) syncSystem(disk);
        for (unsigned disk = 0; disk < DISKS; disk++) nameShard(disk, number, files[disk]);
        for (unsigned disk = 0; disk < DISKS; disk++) {
            syncNames(disk);
            closeFile(files[disk]);
        }
    }
}

static void runThreads(void *(*body)(void *), unsigned threadsADisk) {
    unsigned threads = DISKS * threadsADisk;
    pthread_t started[THREADS];
    struct worker workers[THREADS];
    errno = pthread_barrier_init(&run.barrier, NULL, threads);
    if (errno != 0) fail("make", "a barrier");
    for (unsigned index = 0; index < threads; index++) {
        workers[index] = (struct worker){index % DISKS, index < DISKS, allocatePages(PAGE_BYTES)};
        errno = pthread_create(&started[index], NULL, body, &workers[index]);
        if (errno != 0) fail("start", "a thread");
    }
    for (unsigned index = 0; index < threads; index++) {
        errno = pthread_join(started[index], NULL);
        if (errno != 0) fail("join", "a thread");
    }
}

static void work(const char *workload) {
    struct ring ring;
    if (run.way->isRing) openRing(&ring);
    if (strcmp(workload, "blocks") == 0) run.way->isRing ? writeBlocksByRing(&ring) : runThreads(writeBlocks, THREADS_A_DISK);
    else if (strcmp(workload, "swarm") == 0) runThreads(writeSwarm, THREADS_A_DISK);
    else if (run.way->isRing) commitObjectsByRing(&ring);
    else if (run.way->isInTurn) commitObjectsInTurn(allocatePages(PAGE_BYTES));
    else runThreads(commitObjects, 1);
    if (run.way->isRing) io_uring_queue_exit(&ring.ring);
}

// Measuring and checking

static double secondsOf(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

static double clockSeconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/// CPU seconds of the whole machine, the kernel's own threads and interrupts among them.
static double machineSeconds(void) {
    unsigned long long user, nice, system, idle, waiting, interrupts, soft;
    FILE *file = fopen("/proc/stat", "r");
    if (file == NULL) fail("open", "/proc/stat");
    int found = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &waiting, &interrupts, &soft);
    fclose(file);
    errno = EINVAL;
    if (found != 7) fail("read", "/proc/stat");
    return (double)(user + nice + system + interrupts + soft) / (double)sysconf(_SC_CLK_TCK);
}

/// Everything is under its name, as it was written, on the medium.
static void check(void) {
    uint8_t *head = allocatePages(PAGE_BYTES), *found = allocatePages(wholePages(run.fileBytes) + PAGE_BYTES);
    for (unsigned disk = 0; disk < DISKS; disk++) {
        for (unsigned number = 0; number < run.count; number++) {
            char name[NAME_BYTES];
            nameOf(name, number);
            int file = openat(run.blocks[disk], name, O_RDONLY | O_CLOEXEC);
            if (file < 0) fail("open", name);
            posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
            ssize_t bytes = pread(file, found, run.fileBytes + 1, 0);
            fillHead(head, disk, number);
            errno = EIO;
            if (bytes != (ssize_t)run.fileBytes || memcmp(found, head, PAGE_BYTES) != 0 ||
                memcmp(found + PAGE_BYTES, run.contents[disk], run.fileBytes - PAGE_BYTES) != 0)
                fail("another content in", name);
            closeFile(file);
        }
    }
}

static void openDisks(const char *directory) {
    dev_t systems[DISKS];
    for (unsigned disk = 0; disk < DISKS; disk++) {
        char path[4096];
        struct stat status;
        for (int isNamed = 0; isNamed < 2; isNamed++) {
            snprintf(path, sizeof path, "%s/disk-%u/%s", directory, disk + 1, isNamed ? "blocks" : "tmp");
            int opened = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (opened < 0 || fstat(opened, &status) != 0) fail("open", path);
            (isNamed ? run.blocks : run.temporaries)[disk] = opened;
        }
        systems[disk] = status.st_dev;
        run.isFirstOfSystem[disk] = 1;
        for (unsigned before = 0; before < disk; before++)
            if (systems[before] == systems[disk]) run.isFirstOfSystem[disk] = 0;
        run.contents[disk] = allocatePages(wholePages(run.fileBytes));
        fillRandom(run.contents[disk], wholePages(run.fileBytes), disk + 1000);
    }
}

int main(int count, char **arguments) {
    int checks = count == 7 && strcmp(arguments[6], "check") == 0, isUsage = count != 6 && !checks;
    if (!isUsage) {
        for (size_t index = 0; index < sizeof ways / sizeof *ways; index++)
            if (strcmp(arguments[3], ways[index].name) == 0) run.way = &ways[index];
        run.fileBytes = strtoul(arguments[4], NULL, 10);
        run.count = (unsigned)strtoul(arguments[5], NULL, 10);
    }
    if (isUsage || run.way == NULL || run.fileBytes <= PAGE_BYTES || run.count == 0) {
        fprintf(stderr, "usage: writes DIRECTORY blocks|swarm|object WAY FILE-BYTES COUNT [check]\n");
        return 2;
    }
    openDisks(arguments[1]);
    struct rusage before, after;
    double machine = machineSeconds(), start = clockSeconds();
    getrusage(RUSAGE_SELF, &before);
    work(arguments[2]);
    getrusage(RUSAGE_SELF, &after);
    double wall = clockSeconds() - start;
    machine = machineSeconds() - machine;
    if (checks) check();
    printf(
        "{\"wallSeconds\": %.6f, \"userSeconds\": %.6f, \"systemSeconds\": %.6f, \"machineSeconds\": %.2f}\n", wall,
        secondsOf(after.ru_utime) - secondsOf(before.ru_utime), secondsOf(after.ru_stime) - secondsOf(before.ru_stime), machine);
    return 0;
}
