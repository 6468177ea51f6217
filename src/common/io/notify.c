#include "common/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/span.h"

#define STATUS_MAX        511
#define STOP_ALLOWANCE_MS 5000 /* beyond what the daemon itself allows for its stop */

enum notify_state { NOTIFY_STARTING = 0, NOTIFY_READY, NOTIFY_RELOADING, NOTIFY_STOPPING };

static struct {
    int fd; /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t address_len;
    int64_t alive_interval_ms;
    bool has_watchdog;
    enum notify_state state;
    char status[STATUS_MAX + 1]; /* the last one told */
} service = {.fd = -1};

static void tell(const char *text)
{
    if (service.fd < 0)
        return;
    (void)sendto(service.fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
                 (const struct sockaddr *)&service.address, service.address_len);
}

static int64_t watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    int64_t value = 0, owner = 0;

    if (pid && (!span_to_i64(span_str(pid), &owner) || owner != getpid()))
        return 0;
    return usec && span_to_i64(span_str(usec), &value) && value > 0 ? value / 1000 : 0;
}

static bool find_address(const char *path)
{
    size_t len = strlen(path);

    if (len < 2 || len >= sizeof service.address.sun_path || (path[0] != '/' && path[0] != '@'))
        return false;
    service.address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(service.address.sun_path, path, len);
    if (path[0] == '@')
        service.address.sun_path[0] = '\0'; /* the abstract namespace */
    service.address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return true;
}

void notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");

    if (service.fd >= 0)
        (void)close(service.fd);
    service.fd = -1;
    service.state = NOTIFY_STARTING;
    service.status[0] = '\0';
    if (!path || !find_address(path))
        return;
    service.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int64_t third = watchdog_ms() / 3;
    service.has_watchdog = third > 0;
    service.alive_interval_ms =
        third > 0 && third < NOTIFY_ALIVE_MAX_MS ? third : NOTIFY_ALIVE_MAX_MS;
    notify_alive(); /* the first request for more time must come before TimeoutStartSec */
}

int64_t notify_alive_interval_ms(void)
{
    return service.fd < 0 ? 0 : service.alive_interval_ms;
}

void notify_alive(void)
{
    char text[64];

    if (service.has_watchdog)
        tell("WATCHDOG=1");
    if (service.state != NOTIFY_STARTING)
        return;
    (void)snprintf(text, sizeof text, "EXTEND_TIMEOUT_USEC=%lld",
                   (long long)NOTIFY_START_EXTEND_MS * 1000);
    tell(text);
}

void notify_ready(void)
{
    if (service.state != NOTIFY_STARTING)
        return;
    service.state = NOTIFY_READY;
    tell("READY=1");
}

/* MONOTONIC_USEC: systemd 253 and newer take a READY only for the end of this reload if it is
 * newer than that. */
void notify_reloading(void)
{
    char text[96];

    if (service.state != NOTIFY_READY)
        return;
    service.state = NOTIFY_RELOADING;
    (void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)clock_monotonic_us());
    tell(text);
}

void notify_reloaded(void)
{
    if (service.state != NOTIFY_RELOADING)
        return;
    service.state = NOTIFY_READY;
    tell("READY=1");
}

void notify_stopping(int64_t at_most_ms)
{
    char text[96];

    service.state = NOTIFY_STOPPING;
    (void)snprintf(text, sizeof text, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld",
                   (long long)(at_most_ms + STOP_ALLOWANCE_MS) * 1000);
    tell(text);
}

void notify_status(const char *text)
{
    char line[STATUS_MAX + 8];

    if (service.fd < 0 || strncmp(text, service.status, STATUS_MAX) == 0)
        return;
    (void)snprintf(service.status, sizeof service.status, "%s", text);
    for (char *p = service.status; *p; p++) {
        if (*p == '\n')
            *p = ' '; /* a line break would begin another field */
    }
    (void)snprintf(line, sizeof line, "STATUS=%s", service.status);
    tell(line);
}
