/*
 * A test's hands inside a process, by LD_PRELOAD: a wall clock that jumps, an fsync that is slow.
 *
 * CHAOS_SHIM names a file of two int64: seconds to add to the wall clock, milliseconds that fsync
 * and fdatasync take longer. It is mapped, so the harness changes it while the process runs. Two
 * more say what came of it: how often the shifted clock was read, how many fsyncs were slow.
 * The monotonic clock stays as it is: that is what jumps of a wall clock are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct orders {
    volatile int64_t wall_offset_s;
    volatile int64_t fsync_ms;
    int64_t clocks_shifted, fsyncs_slowed; /* several processes may count */
};

static struct orders none;
static struct orders *orders = &none;
static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void shim_start(void)
{
    const char *path = getenv("CHAOS_SHIM");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

    *(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    *(void **)&real_fsync = dlsym(RTLD_NEXT, "fsync");
    *(void **)&real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED)
        orders = mapped;
    close(fd);
}

static int clock_asked(clockid_t clock, struct timespec *ts)
{
    if (!real_clock_gettime)
        *(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    int r = real_clock_gettime(clock, ts);
    int64_t offset_s = orders->wall_offset_s;
    if (r == 0 && offset_s != 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        ts->tv_sec += offset_s;
        (void)__atomic_add_fetch(&orders->clocks_shifted, 1, __ATOMIC_RELAXED);
    }
    return r;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
    return clock_asked(clock, ts);
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec ts;

    (void)zone;
    if (clock_asked(CLOCK_REALTIME, &ts) != 0)
        return -1;
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec ts;

    if (clock_asked(CLOCK_REALTIME, &ts) != 0)
        return (time_t)-1;
    if (ret)
        *ret = ts.tv_sec;
    return ts.tv_sec;
}

static void wait_as_ordered(void)
{
    int64_t ms = orders->fsync_ms;
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

    if (ms <= 0)
        return;
    (void)__atomic_add_fetch(&orders->fsyncs_slowed, 1, __ATOMIC_RELAXED);
    nanosleep(&pause, NULL);
}

int fsync(int fd)
{
    wait_as_ordered();
    return real_fsync(fd);
}

int fdatasync(int fd)
{
    wait_as_ordered();
    return real_fdatasync(fd);
}
