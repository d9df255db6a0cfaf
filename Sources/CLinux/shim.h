// Calls of Linux and glibc that Swift's Glibc module does not show, because they need _GNU_SOURCE.
#pragma once
#include <linux/fs.h>
#include <mntent.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

extern int renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, unsigned int flags);
extern int fallocate(int fd, int mode, long offset, long length);
extern int sync_file_range(int fd, long offset, long length, unsigned int flags);
extern int syncfs(int fd);

enum { BS_RENAME_NOREPLACE = 1, BS_SYNC_FILE_RANGE_WRITE = 2 };

#if defined(__aarch64__) || defined(__arm__)
enum { BS_O_DIRECT = 0200000 };
#else
enum { BS_O_DIRECT = 040000 };
#endif

// Without O_DIRECTORY, which glibc's O_TMPFILE includes.
enum { BS_O_TMPFILE = 020000000 };

// For fcntl: how much a pipe holds.
enum { BS_F_SETPIPE_SZ = 1031 };

// Makes dst, which is empty, share the blocks of src; -1 where the file system cannot.
static inline int bs_clone(int dst, int src) { return ioctl(dst, FICLONE, src); }

// The type of the file system that an open file is on, as in statfs(2); 0 when it cannot be told.
static inline unsigned int bs_file_system(int fd) {
    struct statfs status;
    return fstatfs(fd, &status) == 0 ? (unsigned int)status.f_type : 0;
}
