/* Strikes at the n-th change of a folder: loaded before libc, armed by strike_arm().

   A change is a write, a sync, a rename, a removal, a cut or the making of a file or folder. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { NONE, KILL, HALF, FULL, READ_ONLY, SYNC_FAILS, CLOCK_BACK, CLOCK_ON, STOP, SLOW };

static int armed, at, done;
static char under[4096];
static volatile long shift;

void strike_arm(int kind, int n, const char *folder) {
    snprintf(under, sizeof under, "%s", folder);
    done = 0, at = n, armed = kind, shift = 0;
}
int strike_count(void) { return done; }

static int inside(const char *path) { return !strncmp(path, under, strlen(under)); }

static int inside_fd(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long n = syscall(SYS_readlink, link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return inside(path);
}

/* What becomes of a change: 0, it goes on; 1, the first half of it, then the end; else an errno. */
static int strike(int is_write, int is_sync) {
    if (!under[0]) return 0;
    int now = __sync_add_and_fetch(&done, 1);
    if (armed == NONE || now < at) return 0;
    int first = now == at;
    switch (armed) {
    case KILL: if (first) { kill(getpid(), SIGKILL); pause(); } return 0;
    case HALF: return first;
    case FULL: return is_write ? (first ? 1 : ENOSPC) : 0;
    case READ_ONLY: return is_sync ? 0 : EROFS;
    case SYNC_FAILS: if (is_sync) { armed = NONE; return EIO; } return 0;
    case CLOCK_BACK: shift = -86400; return 0;
    case CLOCK_ON: shift = 86400; return 0;
    case STOP: if (first) raise(SIGSTOP); return 0;
    case SLOW: if (now < at + 30) usleep(20000); return 0;
    }
    return 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define CHANGE(test, is_sync, call) \
    int what = (test) ? strike(0, is_sync) : 0; \
    if (what > 1) return errno = what, -1; \
    int result = call; \
    if (what == 1) { kill(getpid(), SIGKILL); pause(); } \
    return result

ssize_t write(int fd, const void *buffer, size_t size) {
    int what = under[0] && inside_fd(fd) ? strike(1, 0) : 0;
    if (what > 1) return errno = what, -1;
    if (what == 1) size /= 2;
    ssize_t written = syscall(SYS_write, fd, buffer, size);
    if (what == 1 && armed == HALF) { kill(getpid(), SIGKILL); pause(); }
    return written;
}
int fsync(int fd) { CHANGE(inside_fd(fd), 1, syscall(SYS_fsync, fd)); }
int fdatasync(int fd) { CHANGE(inside_fd(fd), 1, syscall(SYS_fdatasync, fd)); }
int ftruncate(int fd, off_t size) { CHANGE(inside_fd(fd), 0, syscall(SYS_ftruncate, fd, size)); }
int ftruncate64(int fd, off64_t size) { CHANGE(inside_fd(fd), 0, syscall(SYS_ftruncate, fd, size)); }
int rename(const char *old, const char *new) { CHANGE(inside(new), 0, REAL(rename)(old, new)); }
int unlink(const char *path) { CHANGE(inside(path), 0, REAL(unlink)(path)); }
int mkdir(const char *path, mode_t mode) { CHANGE(inside(path), 0, REAL(mkdir)(path, mode)); }

#define OPEN(name, path, flags, ...) \
    mode_t mode = 0; \
    if (flags & O_CREAT) { va_list rest; va_start(rest, flags); mode = va_arg(rest, int); va_end(rest); } \
    CHANGE((flags & O_CREAT) && inside(path), 0, REAL(name)(__VA_ARGS__, flags, mode))

int open(const char *path, int flags, ...) { OPEN(open, path, flags, path); }
int open64(const char *path, int flags, ...) { OPEN(open64, path, flags, path); }
int openat(int at_fd, const char *path, int flags, ...) { OPEN(openat, path, flags, at_fd, path); }
int openat64(int at_fd, const char *path, int flags, ...) { OPEN(openat64, path, flags, at_fd, path); }

int clock_gettime(clockid_t id, struct timespec *found) {
    int result = syscall(SYS_clock_gettime, id, found);
    if (id == CLOCK_REALTIME) found->tv_sec += shift;
    return result;
}
