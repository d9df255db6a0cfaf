// Makes the N-th file call of a program fail, by LD_PRELOAD: the real system-call side of "every call
// fails once" (docs/testing.md, "Failing calls"). Driven by Tests/Soak/failing_calls.py.
//
//   BS_FAULT        fields, separated by semicolons:
//     scope=DIR[:DIR…]   only calls on files at or below these directories count (absolute, no links)
//     except=DIR[:DIR…]  … and not at or below these
//     kinds=KIND[,KIND…] only calls of these kinds count (see `kinds` below)
//     call=N             the first call to fail; without it calls are only counted
//     errno=NAME         EIO, ENOSPC, EROFS or EINTR
//     how=fail           the call is not made (default)
//     how=late           the call is made, and reported as failed all the same
//     how=short          a read or write moves half of its bytes, and says so
//     until=once         this one call (default)
//     until=forgood      every call from the N-th on
//     until=storm        every call from the N-th on, but never two in a row on one thread: what signals do
//   BS_FAULT_COUNT  a file that gets, at exit, a line with how many calls failed and which first, and one for
//                   each kind with how many were counted
//
// Thread rule: counters are atomic; a descriptor's entry is set before its number is known to the program.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
    OPEN,    // of what exists, for reading
    CREATE,  // for writing, or what may not exist
    READ,
    WRITE,
    SIZE,    // ftruncate, fallocate
    SYNC,
    CLOSE,
    NAME,    // rename, link, symlink
    MAKE,    // mkdir
    REMOVE,  // unlink, rmdir
    STATUS,  // stat, access
    SPACE,   // statvfs
    LIST,    // the first readdir of a directory
    LOCK,    // flock; not fcntl: record locks live in the kernel's memory and do not fail with a disk
    ATTRIBUTES,  // chmod, utimens
    KINDS
};

static const char *const kinds[KINDS] = {"open",   "create", "read",   "write", "size", "sync", "close",     "name",
                                         "make",   "remove", "status", "space", "list", "lock", "attributes"};

enum how { FAIL, LATE, SHORT };
enum until { ONCE, FORGOOD, STORM };

static struct {
    bool active;
    char *scope, *except;
    bool counts[KINDS];
    long call;
    int error;
    enum how how;
    enum until until;
    char *report;
} plan;

static atomic_long counted, failed, ofKind[KINDS];
static char first[PATH_MAX + 32];
static _Thread_local bool justFailed;

// Whether a descriptor is in scope. What lies beyond the table is asked for anew each time.
enum { DESCRIPTORS = 4096 };
static atomic_bool scoped[DESCRIPTORS];

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static bool below(const char *path, const char *directories) {
    while (directories && *directories) {
        size_t length = strcspn(directories, ":");
        if (strncmp(path, directories, length) == 0 && (path[length] == '/' || path[length] == 0)) return true;
        directories += length + (directories[length] == ':');
    }
    return false;
}

static bool pathIsScoped(const char *path) { return below(path, plan.scope) && !below(path, plan.except); }

static bool linkTarget(const char *path, char *target) {
    long count = syscall(SYS_readlinkat, AT_FDCWD, path, target, PATH_MAX - 1);
    if (count < 0) return false;
    target[count] = 0;
    return true;
}

static bool descriptorPath(int file, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    return linkTarget(link, path);
}

static bool descriptorIsScoped(int file) {
    if (file < 0 || !plan.active) return false;
    if (file < DESCRIPTORS) return atomic_load(&scoped[file]);
    char path[PATH_MAX];
    int before = errno;
    bool result = descriptorPath(file, path) && pathIsScoped(path);
    errno = before;
    return result;
}

// Notes a new descriptor.
static int opened(int file) {
    if (file < 0 || file >= DESCRIPTORS || !plan.active) return file;
    char path[PATH_MAX];
    int before = errno;
    atomic_store(&scoped[file], descriptorPath(file, path) && pathIsScoped(path));
    errno = before;
    return file;
}

// The absolute path of `path` below `directory`, with `.` and `..` taken out; links are not followed.
static void absolute(int directory, const char *path, char *result) {
    char whole[2 * PATH_MAX] = "";
    if (path[0] != '/' && !(directory == AT_FDCWD ? linkTarget("/proc/self/cwd", whole) : descriptorPath(directory, whole)))
        whole[0] = 0;
    size_t length = strlen(whole);
    snprintf(whole + length, sizeof whole - length, "/%s", path);
    char *end = result;
    for (const char *part = whole; *part;) {
        part += strspn(part, "/");
        size_t count = strcspn(part, "/");
        if (count == 2 && part[0] == '.' && part[1] == '.') {
            while (end > result && *--end != '/') {}
        } else if (count > 0 && !(count == 1 && part[0] == '.') && (size_t)(end - result) + count + 2 < PATH_MAX) {
            *end++ = '/';
            memcpy(end, part, count);
            end += count;
        }
        part += count;
    }
    *end = 0;
}

static bool entryIsScoped(int directory, const char *path) {
    if (!plan.active || !path) return false;
    int before = errno;
    char whole[PATH_MAX];
    absolute(directory, path, whole);
    errno = before;
    return pathIsScoped(whole);
}

// Counts a call; true when it is to fail.
static bool fails(bool isScoped, enum kind kind, const char *name, int directory, const char *path) {
    if (!plan.active || !isScoped || !plan.counts[kind]) return false;
    long number = atomic_fetch_add(&counted, 1) + 1;
    atomic_fetch_add(&ofKind[kind], 1);
    if (plan.call == 0 || number < plan.call || (plan.until == ONCE && number > plan.call)) return false;
    if (plan.until == STORM && (justFailed = !justFailed) == false) return false;
    if (atomic_fetch_add(&failed, 1) == 0) {
        int before = errno;
        char whole[PATH_MAX] = "?";
        if (path)
            absolute(directory, path, whole);
        else
            descriptorPath(directory, whole);
        snprintf(first, sizeof first, "%s %s", name, whole);
        errno = before;
    }
    return true;
}

static bool fileFails(int file, enum kind kind, const char *name) {
    return fails(descriptorIsScoped(file), kind, name, file, NULL);
}

static bool entryFails(int directory, const char *path, enum kind kind, const char *name) {
    return fails(entryIsScoped(directory, path), kind, name, directory, path);
}

static void splitKinds(char *list) {
    memset(plan.counts, 0, sizeof plan.counts);
    char *rest = list;
    for (char *word; (word = strsep(&rest, ","));)
        for (int kind = 0; kind < KINDS; kind++)
            if (strcmp(word, kinds[kind]) == 0) plan.counts[kind] = true;
}

static int errorNumber(const char *name) {
    static const struct { const char *name; int number; } known[] = {
        {"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EROFS", EROFS}, {"EINTR", EINTR}};
    for (size_t index = 0; index < sizeof known / sizeof *known; index++)
        if (strcmp(known[index].name, name) == 0) return known[index].number;
    fprintf(stderr, "faults: no such errno: %s\n", name);
    _exit(97);
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("BS_FAULT");
    if (!text) return;
    plan.error = EIO;
    for (int kind = 0; kind < KINDS; kind++) plan.counts[kind] = true;
    char *rest = strdup(text);
    for (char *field; (field = strsep(&rest, ";"));) {
        char *value = strchr(field, '=');
        if (!value) continue;
        *value++ = 0;
        if (strcmp(field, "scope") == 0) plan.scope = value;
        if (strcmp(field, "except") == 0) plan.except = value;
        if (strcmp(field, "kinds") == 0) splitKinds(value);
        if (strcmp(field, "call") == 0) plan.call = atol(value);
        if (strcmp(field, "errno") == 0) plan.error = errorNumber(value);
        if (strcmp(field, "how") == 0) plan.how = *value == 'l' ? LATE : *value == 's' ? SHORT : FAIL;
        if (strcmp(field, "until") == 0) plan.until = *value == 'f' ? FORGOOD : *value == 's' ? STORM : ONCE;
    }
    const char *report = getenv("BS_FAULT_COUNT");
    plan.report = report ? strdup(report) : NULL;
    // Faults are for this program, not for what it starts.
    unsetenv("LD_PRELOAD");
    plan.active = plan.scope != NULL;
}

__attribute__((destructor)) static void end(void) {
    if (!plan.active || !plan.report) return;
    plan.active = false;
    FILE *file = fopen(plan.report, "w");
    if (!file) return;
    fprintf(file, "%ld %s\n", atomic_load(&failed), first);
    for (int kind = 0; kind < KINDS; kind++) fprintf(file, "%s %ld\n", kinds[kind], atomic_load(&ofKind[kind]));
    fclose(file);
}

// What a call that is to fail does: nothing, or its work, and then says it failed.
#define FAILING(isFailing, value, call)              \
    do {                                             \
        if (isFailing) {                             \
            if (plan.how == LATE) (void)(call);      \
            errno = plan.error;                      \
            return value;                            \
        }                                            \
        return call;                                 \
    } while (0)

// Opening.

static int openCall(const char *name, int directory, const char *path, int flags, mode_t mode) {
    enum kind kind = (flags & (O_CREAT | O_TRUNC)) || (flags & O_ACCMODE) != O_RDONLY ? CREATE : OPEN;
    if (entryFails(directory, path, kind, name)) {
        if (plan.how == LATE) {
            int file = REAL(openat)(directory, path, flags, mode);
            if (file >= 0) REAL(close)(file);
        }
        errno = plan.error;
        return -1;
    }
    return opened(REAL(openat)(directory, path, flags, mode));
}

static mode_t modeOf(int flags, va_list arguments) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
}

#define OPEN_AT(name)                                                       \
    int name(int directory, const char *path, int flags, ...) {             \
        va_list arguments;                                                  \
        va_start(arguments, flags);                                         \
        mode_t mode = modeOf(flags, arguments);                             \
        va_end(arguments);                                                  \
        return openCall(#name, directory, path, flags, mode);               \
    }
#define OPEN_HERE(name)                                                     \
    int name(const char *path, int flags, ...) {                            \
        va_list arguments;                                                  \
        va_start(arguments, flags);                                         \
        mode_t mode = modeOf(flags, arguments);                             \
        va_end(arguments);                                                  \
        return openCall(#name, AT_FDCWD, path, flags, mode);                \
    }
OPEN_AT(openat)
OPEN_AT(openat64)
OPEN_HERE(open)
OPEN_HERE(open64)

int close(int file) {
    if (!descriptorIsScoped(file)) return REAL(close)(file);
    // Gone either way, as in the kernel, and forgotten before the number can be given out again.
    bool isFailing = fileFails(file, CLOSE, "close");
    if (file < DESCRIPTORS) atomic_store(&scoped[file], false);
    int result = REAL(close)(file);
    if (!isFailing) return result;
    errno = plan.error;
    return -1;
}

// Reading and writing.

#define TRANSFER(name, kind, bytes, parameters, whole, half)   \
    ssize_t name parameters {                                  \
        if (plan.active && plan.how == SHORT) {                \
            if (bytes > 1 && fileFails(file, kind, #name)) return half; \
            return whole;                                      \
        }                                                      \
        FAILING(fileFails(file, kind, #name), -1, whole);      \
    }

TRANSFER(read, READ, count, (int file, void *bytes, size_t count), REAL(read)(file, bytes, count),
         REAL(read)(file, bytes, count / 2))
TRANSFER(pread, READ, count, (int file, void *bytes, size_t count, off_t at), REAL(pread)(file, bytes, count, at),
         REAL(pread)(file, bytes, count / 2, at))
TRANSFER(pread64, READ, count, (int file, void *bytes, size_t count, off64_t at),
         REAL(pread64)(file, bytes, count, at), REAL(pread64)(file, bytes, count / 2, at))
TRANSFER(write, WRITE, count, (int file, const void *bytes, size_t count), REAL(write)(file, bytes, count),
         REAL(write)(file, bytes, count / 2))
TRANSFER(pwrite, WRITE, count, (int file, const void *bytes, size_t count, off_t at),
         REAL(pwrite)(file, bytes, count, at), REAL(pwrite)(file, bytes, count / 2, at))
TRANSFER(pwrite64, WRITE, count, (int file, const void *bytes, size_t count, off64_t at),
         REAL(pwrite64)(file, bytes, count, at), REAL(pwrite64)(file, bytes, count / 2, at))

// Half of a vector is its first half of the pieces.
TRANSFER(readv, READ, count, (int file, const struct iovec *pieces, int count), REAL(readv)(file, pieces, count),
         REAL(readv)(file, pieces, count / 2))
TRANSFER(writev, WRITE, count, (int file, const struct iovec *pieces, int count), REAL(writev)(file, pieces, count),
         REAL(writev)(file, pieces, count / 2))
TRANSFER(preadv, READ, count, (int file, const struct iovec *pieces, int count, off_t at),
         REAL(preadv)(file, pieces, count, at), REAL(preadv)(file, pieces, count / 2, at))
TRANSFER(pwritev, WRITE, count, (int file, const struct iovec *pieces, int count, off_t at),
         REAL(pwritev)(file, pieces, count, at), REAL(pwritev)(file, pieces, count / 2, at))

// Everything else on a descriptor.

#define ON_FILE(name, kind, parameters, call) \
    int name parameters { FAILING(fileFails(file, kind, #name), -1, REAL(name) call); }

ON_FILE(ftruncate, SIZE, (int file, off_t size), (file, size))
ON_FILE(ftruncate64, SIZE, (int file, off64_t size), (file, size))
ON_FILE(fallocate, SIZE, (int file, int mode, off_t at, off_t size), (file, mode, at, size))
ON_FILE(fallocate64, SIZE, (int file, int mode, off64_t at, off64_t size), (file, mode, at, size))
ON_FILE(fsync, SYNC, (int file), (file))
ON_FILE(fdatasync, SYNC, (int file), (file))
ON_FILE(syncfs, SYNC, (int file), (file))
ON_FILE(sync_file_range, SYNC, (int file, off64_t at, off64_t size, unsigned flags), (file, at, size, flags))
ON_FILE(flock, LOCK, (int file, int operation), (file, operation))
ON_FILE(fstat, STATUS, (int file, struct stat *status), (file, status))
ON_FILE(fstat64, STATUS, (int file, struct stat64 *status), (file, status))
ON_FILE(fstatvfs, SPACE, (int file, struct statvfs *space), (file, space))
ON_FILE(fstatvfs64, SPACE, (int file, struct statvfs64 *space), (file, space))
ON_FILE(fchmod, ATTRIBUTES, (int file, mode_t mode), (file, mode))
ON_FILE(futimens, ATTRIBUTES, (int file, const struct timespec times[2]), (file, times))

// Everything else on a name.

#define ON_NAME(name, kind, directory, path, parameters, call) \
    int name parameters { FAILING(entryFails(directory, path, kind, #name), -1, REAL(name) call); }

ON_NAME(rename, NAME, AT_FDCWD, to, (const char *from, const char *to), (from, to))
ON_NAME(renameat, NAME, target, to, (int source, const char *from, int target, const char *to),
        (source, from, target, to))
ON_NAME(renameat2, NAME, target, to, (int source, const char *from, int target, const char *to, unsigned flags),
        (source, from, target, to, flags))
ON_NAME(link, NAME, AT_FDCWD, to, (const char *from, const char *to), (from, to))
ON_NAME(linkat, NAME, target, to, (int source, const char *from, int target, const char *to, int flags),
        (source, from, target, to, flags))
ON_NAME(symlinkat, NAME, directory, path, (const char *to, int directory, const char *path), (to, directory, path))
ON_NAME(mkdir, MAKE, AT_FDCWD, path, (const char *path, mode_t mode), (path, mode))
ON_NAME(mkdirat, MAKE, directory, path, (int directory, const char *path, mode_t mode), (directory, path, mode))
ON_NAME(unlink, REMOVE, AT_FDCWD, path, (const char *path), (path))
ON_NAME(unlinkat, REMOVE, directory, path, (int directory, const char *path, int flags), (directory, path, flags))
ON_NAME(rmdir, REMOVE, AT_FDCWD, path, (const char *path), (path))
ON_NAME(access, STATUS, AT_FDCWD, path, (const char *path, int mode), (path, mode))
ON_NAME(stat, STATUS, AT_FDCWD, path, (const char *path, struct stat *status), (path, status))
ON_NAME(stat64, STATUS, AT_FDCWD, path, (const char *path, struct stat64 *status), (path, status))
ON_NAME(lstat, STATUS, AT_FDCWD, path, (const char *path, struct stat *status), (path, status))
ON_NAME(lstat64, STATUS, AT_FDCWD, path, (const char *path, struct stat64 *status), (path, status))
ON_NAME(fstatat, STATUS, directory, path, (int directory, const char *path, struct stat *status, int flags),
        (directory, path, status, flags))
ON_NAME(fstatat64, STATUS, directory, path, (int directory, const char *path, struct stat64 *status, int flags),
        (directory, path, status, flags))
ON_NAME(utimensat, ATTRIBUTES, directory, path,
        (int directory, const char *path, const struct timespec times[2], int flags),
        (directory, path, times, flags))

ssize_t readlink(const char *path, char *target, size_t size) {
    FAILING(entryFails(AT_FDCWD, path, STATUS, "readlink"), -1, REAL(readlink)(path, target, size));
}

ssize_t readlinkat(int directory, const char *path, char *target, size_t size) {
    FAILING(entryFails(directory, path, STATUS, "readlinkat"), -1, REAL(readlinkat)(directory, path, target, size));
}

// Listing: the kernel is asked at the first entry.

struct dirent *readdir(DIR *stream) {
    if (telldir(stream) == 0 && fileFails(dirfd(stream), LIST, "readdir")) {
        errno = plan.error;
        return NULL;
    }
    return REAL(readdir)(stream);
}

struct dirent64 *readdir64(DIR *stream) {
    if (telldir(stream) == 0 && fileFails(dirfd(stream), LIST, "readdir64")) {
        errno = plan.error;
        return NULL;
    }
    return REAL(readdir64)(stream);
}

// Closes its descriptor inside the C library, unseen.
int closedir(DIR *stream) {
    int file = dirfd(stream);
    bool isFailing = fileFails(file, CLOSE, "closedir");
    if (file >= 0 && file < DESCRIPTORS) atomic_store(&scoped[file], false);
    int result = REAL(closedir)(stream);
    if (!isFailing) return result;
    errno = plan.error;
    return -1;
}
