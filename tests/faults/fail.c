/* Fails chosen calls of the file system, for files below some folders. Loaded with LD_PRELOAD.

   TENURE_FAULT_BELOW  folders, separated by ':'; calls on their files, and on descriptors of such, are counted
   TENURE_FAULT_AT     which of the counted calls fails, from 1; 0: none
   TENURE_FAULT_HOW    an errno (ENOSPC, EIO, EACCES, EINTR), SHORT (half of the bytes), or EINTR-STORM, SHORT-STORM
                       (every call that the kernel may interrupt is interrupted once, every transfer is short)
   TENURE_FAULT_ON     1: all counted calls from that one on fail
   TENURE_FAULT_LOG    a file that gets the name of each counted call, one a line
*/
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define DESCRIPTORS 65536
static _Atomic char watched[DESCRIPTORS];
static _Atomic long calls;
static long fail_at;
static int error_of, log_file = -1, from_then_on, is_short, storm;
static const char *folders;
/* Whether this thread's last interruptible call was interrupted: the next one then goes through. */
static _Thread_local int interrupted;

static void begin(void) __attribute__((constructor));
static void begin(void) {
    static _Atomic int begun;
    if (atomic_exchange(&begun, 1)) return;
    const char *at = getenv("TENURE_FAULT_AT"), *how = getenv("TENURE_FAULT_HOW"), *log = getenv("TENURE_FAULT_LOG");
    folders = getenv("TENURE_FAULT_BELOW");
    fail_at = at ? atol(at) : 0;
    from_then_on = getenv("TENURE_FAULT_ON") != NULL;
    if (log) log_file = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (!how) return;
    storm = strstr(how, "-STORM") != NULL;
    is_short = !strncmp(how, "SHORT", 5);
    error_of = !strncmp(how, "ENOSPC", 6) ? ENOSPC : !strncmp(how, "EACCES", 6) ? EACCES
             : !strncmp(how, "EINTR", 5) ? EINTR : !strncmp(how, "EIO", 3) ? EIO : 0;
    if (!is_short && !error_of) { fprintf(stderr, "TENURE_FAULT_HOW=%s is not known\n", how); _exit(99); }
}

static int below(const char *path) {
    if (!folders || !path) return 0;
    for (const char *f = folders; *f;) {
        size_t n = strcspn(f, ":");
        if (n && !strncmp(path, f, n) && (path[n] == '/' || path[n] == 0)) return 1;
        f += n + (f[n] == ':');
    }
    return 0;
}
/* Rust's library probes statx with a path of NULL, which the header says nobody does: the compiler must not know. */
static int is_empty(const char *path) { const char *volatile p = path; return p && !*p; }
static int is_watched(int fd) { return fd >= 0 && fd < DESCRIPTORS && watched[fd]; }
static int at_path(int dir, const char *path) { return below(path) || (path && path[0] != '/' && is_watched(dir)); }
static int opened(int fd, int watch) {
    if (fd >= 0 && fd < DESCRIPTORS) watched[fd] = (char)watch;
    return fd;
}

/* What the kernel may interrupt; a transfer may be short. */
enum { PLAIN = 0, INTERRUPTIBLE = 1, TRANSFER = 2 };

/* Counts a call on what is watched; true if it is to fail with errno set. */
static int fails(const char *name, int kind) {
    long n = ++calls;
    if (log_file >= 0) {
        char line[64];
        int length = snprintf(line, sizeof line, "%s\n", name);
        syscall(SYS_write, log_file, line, length);
    }
    if (is_short) return 0;
    if (storm) {
        if (!(kind & INTERRUPTIBLE)) return 0;
        if ((interrupted = !interrupted)) { errno = EINTR; return 1; }
        return 0;
    }
    if (fail_at && (n == fail_at || (from_then_on && n > fail_at))) { errno = error_of; return 1; }
    return 0;
}
/* How many of `n` bytes a transfer moves, after `fails` has counted it. */
static size_t moved(size_t n) {
    long now = calls;
    int hit = storm || (fail_at && (now == fail_at || (from_then_on && now > fail_at)));
    return is_short && hit && n > 1 ? (n + 1) / 2 : n;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) { begin(); *(void **)&real = dlsym(RTLD_NEXT, name); }

#define OPEN(fn) \
    int fn(const char *path, int flags, ...) { \
        REAL(int, #fn, const char *, int, ...) \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, int); va_end(rest); \
        if (below(path) && fails("open", INTERRUPTIBLE)) return -1; \
        return opened(real(path, flags, mode), below(path)); \
    }
OPEN(open) OPEN(open64)
#define OPENAT(fn) \
    int fn(int dir, const char *path, int flags, ...) { \
        REAL(int, #fn, int, const char *, int, ...) \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, int); va_end(rest); \
        int watch = at_path(dir, path); \
        if (watch && fails("openat", INTERRUPTIBLE)) return -1; \
        return opened(real(dir, path, flags, mode), watch); \
    }
OPENAT(openat) OPENAT(openat64)
int creat(const char *path, mode_t mode) {
    REAL(int, "creat", const char *, mode_t)
    if (below(path) && fails("creat", INTERRUPTIBLE)) return -1;
    return opened(real(path, mode), below(path));
}

#define MOVE(fn, buffer) \
    ssize_t fn(int fd, buffer b, size_t n) { \
        REAL(ssize_t, #fn, int, buffer, size_t) \
        if (is_watched(fd)) { if (fails(#fn, INTERRUPTIBLE | TRANSFER)) return -1; n = moved(n); } \
        return real(fd, b, n); \
    }
MOVE(read, void *) MOVE(write, const void *)
#define MOVE_AT(fn, buffer, offset) \
    ssize_t fn(int fd, buffer b, size_t n, offset o) { \
        REAL(ssize_t, #fn, int, buffer, size_t, offset) \
        if (is_watched(fd)) { if (fails(#fn, INTERRUPTIBLE | TRANSFER)) return -1; n = moved(n); } \
        return real(fd, b, n, o); \
    }
MOVE_AT(pread, void *, off_t) MOVE_AT(pread64, void *, off64_t)
MOVE_AT(pwrite, const void *, off_t) MOVE_AT(pwrite64, const void *, off64_t)
#define VECTOR(fn) \
    ssize_t fn(int fd, const struct iovec *v, int n) { \
        REAL(ssize_t, #fn, int, const struct iovec *, int) \
        if (is_watched(fd)) { if (fails(#fn, INTERRUPTIBLE | TRANSFER)) return -1; n = (int)moved(n); } \
        return real(fd, v, n); \
    }
VECTOR(readv) VECTOR(writev)
ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t n, unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned)
    if (is_watched(from) || is_watched(to)) { if (fails("copy_file_range", TRANSFER)) return -1; n = moved(n); }
    return real(from, a, to, b, n, flags);
}

#define ON_FD(type, fn, kind, bad, params, args, fd) \
    type fn params { \
        REAL(type, #fn, PARAMS params) \
        if (is_watched(fd) && fails(#fn, kind)) return bad; \
        return real args; \
    }
#define PARAMS(...) __VA_ARGS__
ON_FD(int, fsync, INTERRUPTIBLE, -1, (int fd), (fd), fd)
ON_FD(int, fdatasync, INTERRUPTIBLE, -1, (int fd), (fd), fd)
ON_FD(int, ftruncate, INTERRUPTIBLE, -1, (int fd, off_t n), (fd, n), fd)
ON_FD(int, ftruncate64, INTERRUPTIBLE, -1, (int fd, off64_t n), (fd, n), fd)
ON_FD(int, fallocate, INTERRUPTIBLE, -1, (int fd, int mode, off_t a, off_t n), (fd, mode, a, n), fd)
ON_FD(int, flock, PLAIN, -1, (int fd, int how), (fd, how), fd)
ON_FD(int, fchmod, PLAIN, -1, (int fd, mode_t mode), (fd, mode), fd)
ON_FD(int, fstat, PLAIN, -1, (int fd, struct stat *s), (fd, s), fd)
ON_FD(int, fstat64, PLAIN, -1, (int fd, struct stat64 *s), (fd, s), fd)
ON_FD(off_t, lseek, PLAIN, -1, (int fd, off_t to, int how), (fd, to, how), fd)
ON_FD(off64_t, lseek64, PLAIN, -1, (int fd, off64_t to, int how), (fd, to, how), fd)
ON_FD(void *, mmap, PLAIN, MAP_FAILED, (void *a, size_t n, int p, int f, int fd, off_t o), (a, n, p, f, fd, o), fd)
ON_FD(void *, mmap64, PLAIN, MAP_FAILED, (void *a, size_t n, int p, int f, int fd, off64_t o), (a, n, p, f, fd, o), fd)

/* The descriptor is gone whatever close says. */
int close(int fd) {
    REAL(int, "close", int)
    int failed = is_watched(fd) && fails("close", PLAIN), error = errno;
    opened(fd, 0);
    int closed = real(fd);
    if (failed) { errno = error; return -1; }
    return closed;
}
int fcntl(int fd, int command, ...) {
    REAL(int, "fcntl", int, int, ...)
    va_list rest; va_start(rest, command); void *value = va_arg(rest, void *); va_end(rest);
    int result = real(fd, command, value);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? opened(result, is_watched(fd)) : result;
}
int fcntl64(int fd, int command, ...) {
    REAL(int, "fcntl64", int, int, ...)
    va_list rest; va_start(rest, command); void *value = va_arg(rest, void *); va_end(rest);
    int result = real(fd, command, value);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? opened(result, is_watched(fd)) : result;
}

#define ON_PATH(type, fn, bad, params, args, watch) \
    type fn params { \
        REAL(type, #fn, PARAMS params) \
        if ((watch) && fails(#fn, PLAIN)) return bad; \
        return real args; \
    }
ON_PATH(int, mkdir, -1, (const char *p, mode_t m), (p, m), below(p))
ON_PATH(int, mkdirat, -1, (int d, const char *p, mode_t m), (d, p, m), at_path(d, p))
ON_PATH(int, rmdir, -1, (const char *p), (p), below(p))
ON_PATH(int, unlink, -1, (const char *p), (p), below(p))
ON_PATH(int, unlinkat, -1, (int d, const char *p, int f), (d, p, f), at_path(d, p))
ON_PATH(int, rename, -1, (const char *a, const char *b), (a, b), below(a) || below(b))
ON_PATH(int, renameat, -1, (int c, const char *a, int d, const char *b), (c, a, d, b), at_path(c, a) || at_path(d, b))
ON_PATH(int, renameat2, -1, (int c, const char *a, int d, const char *b, unsigned f), (c, a, d, b, f),
        at_path(c, a) || at_path(d, b))
ON_PATH(int, link, -1, (const char *a, const char *b), (a, b), below(a) || below(b))
ON_PATH(int, linkat, -1, (int c, const char *a, int d, const char *b, int f), (c, a, d, b, f), at_path(d, b))
ON_PATH(int, symlink, -1, (const char *a, const char *b), (a, b), below(b))
ON_PATH(int, symlinkat, -1, (const char *a, int d, const char *b), (a, d, b), at_path(d, b))
ON_PATH(ssize_t, readlink, -1, (const char *p, char *b, size_t n), (p, b, n), below(p))
ON_PATH(ssize_t, readlinkat, -1, (int d, const char *p, char *b, size_t n), (d, p, b, n), at_path(d, p))
ON_PATH(char *, realpath, NULL, (const char *p, char *b), (p, b), below(p))
ON_PATH(int, chmod, -1, (const char *p, mode_t m), (p, m), below(p))
ON_PATH(int, stat, -1, (const char *p, struct stat *s), (p, s), below(p))
ON_PATH(int, stat64, -1, (const char *p, struct stat64 *s), (p, s), below(p))
ON_PATH(int, lstat, -1, (const char *p, struct stat *s), (p, s), below(p))
ON_PATH(int, lstat64, -1, (const char *p, struct stat64 *s), (p, s), below(p))
ON_PATH(int, fstatat, -1, (int d, const char *p, struct stat *s, int f), (d, p, s, f), at_path(d, p))
ON_PATH(int, fstatat64, -1, (int d, const char *p, struct stat64 *s, int f), (d, p, s, f), at_path(d, p))
ON_PATH(int, statx, -1, (int d, const char *p, int f, unsigned m, struct statx *s), (d, p, f, m, s),
        at_path(d, p) || (is_empty(p) && is_watched(d)))
DIR *opendir(const char *path) {
    REAL(DIR *, "opendir", const char *)
    if (below(path) && fails("opendir", PLAIN)) return NULL;
    DIR *dir = real(path);
    if (dir) opened(dirfd(dir), below(path));
    return dir;
}
int closedir(DIR *dir) {
    REAL(int, "closedir", DIR *)
    opened(dirfd(dir), 0);
    return real(dir);
}
struct dirent *readdir(DIR *dir) {
    REAL(struct dirent *, "readdir", DIR *)
    return is_watched(dirfd(dir)) && fails("readdir", PLAIN) ? NULL : real(dir);
}
struct dirent64 *readdir64(DIR *dir) {
    REAL(struct dirent64 *, "readdir64", DIR *)
    return is_watched(dirfd(dir)) && fails("readdir64", PLAIN) ? NULL : real(dir);
}
