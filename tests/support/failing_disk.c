/* A disk that fails: the n-th write, sync, truncation, removal or renaming below a folder.

Loaded with LD_PRELOAD before libc, whose functions it calls otherwise. `fail_at` arms it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { ONCE, FROM_THEN_ON, SHORT_WRITE, KILL };

static char folder[4096];
static long calls, nth;
static int mode, error;

void fail_at(const char *path, long call, int how, int number) {
    snprintf(folder, sizeof folder, "%s", path);
    calls = 0, nth = call, mode = how, error = number;
}

long calls_made(void) { return calls; }

static int is_below(const char *path) {
    return folder[0] && strncmp(path, folder, strlen(folder)) == 0;
}

static int is_watched(int fd) {
    char link[64], path[4096];
    if (!folder[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

/* Whether the call that is made now fails; a full disk fails writes alone. */
static int fails(int writes) {
    if (!writes && mode != ONCE && mode != KILL) return 0;
    calls++;
    if (calls != nth && !(nth && calls > nth && mode != ONCE && mode != KILL)) return 0;
    if (!writes && mode == KILL) raise(SIGKILL);
    errno = error;
    return 1;
}

static ssize_t failed_write(int fd, const void *buffer, size_t size, off_t at) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    if ((mode == SHORT_WRITE && calls == nth) || mode == KILL) {
        ssize_t written = real(fd, buffer, size / 2, at);
        if (mode == KILL) raise(SIGKILL);
        if (written > 0) return written;
    }
    errno = error;
    return -1;
}

ssize_t pwrite64(int fd, const void *buffer, size_t size, off_t at) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    if (is_watched(fd) && fails(1)) return failed_write(fd, buffer, size, at);
    return real(fd, buffer, size, at);
}

ssize_t pwrite(int fd, const void *buffer, size_t size, off_t at) {
    return pwrite64(fd, buffer, size, at);
}

ssize_t write(int fd, const void *buffer, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    if (is_watched(fd) && fails(1)) {
        if (mode == KILL) raise(SIGKILL);
        return -1;
    }
    return real(fd, buffer, size);
}

#define FAILING(name, declaration, watched, arguments)                                            \
    int name declaration {                                                                        \
        static int(*real) declaration;                                                            \
        if (!real) real = dlsym(RTLD_NEXT, #name);                                                \
        if (watched && fails(0)) return -1;                                                       \
        return real arguments;                                                                    \
    }

FAILING(fsync, (int fd), is_watched(fd), (fd))
FAILING(fdatasync, (int fd), is_watched(fd), (fd))
FAILING(ftruncate, (int fd, off_t size), is_watched(fd), (fd, size))
FAILING(ftruncate64, (int fd, off_t size), is_watched(fd), (fd, size))
FAILING(unlink, (const char *path), is_below(path), (path))
FAILING(rename, (const char *path, const char *place), is_below(path), (path, place))
