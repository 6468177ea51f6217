#include "signals.h"

#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

static volatile sig_atomic_t stops, last, resized, suspended;
static sigset_t caught, before;

static void on_stop(int number)
{
    stops = stops < 1000 ? stops + 1 : stops;
    last = number;
}

static void on_resize(int number)
{
    (void)number;
    resized = 1;
}

static void on_suspend(int number)
{
    (void)number;
    suspended = 1;
}

static void catch_one(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(number, &action, NULL);
    (void)sigaddset(&caught, number);
}

/* A shell starts a job in the background with SIGINT ignored, nohup starts one with SIGHUP ignored:
 * that is meant. */
static void catch_unless_ignored(int number)
{
    struct sigaction action;

    if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
        return;
    catch_one(number, on_stop);
}

void signals_init(void)
{
    (void)sigemptyset(&caught);
    catch_unless_ignored(SIGINT);
    catch_unless_ignored(SIGHUP);
    catch_unless_ignored(SIGQUIT);
    catch_one(SIGTERM, on_stop);
    catch_one(SIGWINCH, on_resize);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigprocmask(SIG_BLOCK, &caught, &before);
}

void signals_catch_suspend(void)
{
    catch_one(SIGTSTP, on_suspend);
    (void)sigprocmask(SIG_BLOCK, &caught, NULL);
}

unsigned signals_stops(void)
{
    return (unsigned)stops;
}

void signals_clear(void)
{
    stops = 0;
}

int signals_last(void)
{
    return last;
}

bool signals_resized(void)
{
    bool was = resized;

    resized = 0;
    return was;
}

bool signals_suspended(void)
{
    bool was = suspended;

    suspended = 0;
    return was;
}

int signals_poll(struct pollfd *fds, nfds_t n, int64_t timeout_ms)
{
    struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                               .tv_nsec = (long)(timeout_ms % 1000) * 1000000};

    return ppoll(fds, n, timeout_ms < 0 ? NULL : &timeout, &before);
}

void signals_open(void)
{
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
}

void signals_close(void)
{
    (void)sigprocmask(SIG_BLOCK, &caught, NULL);
}
