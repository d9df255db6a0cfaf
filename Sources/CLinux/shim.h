// Calls of Linux and glibc that Swift's Glibc module does not show, because they need _GNU_SOURCE.
#pragma once
#include <mntent.h>
#include <stddef.h>

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
