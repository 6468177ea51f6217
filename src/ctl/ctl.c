#include "ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/node_id.h"

#include "ctl_clock.h"
#include "signals.h"
#include "text.h"

#define LINE_MAX_BYTES 2048

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            (void)signals_poll(&wait, 1, -1);
            if (signals_stops() > 1) /* nobody reads, and somebody wants us to end */
                return false;
            continue;
        }
        if (n < 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

void ctl_tell(const char *fmt, ...)
{
    char text[1024], line[LINE_MAX_BYTES];
    struct buf out;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    text_fixed(&out, line, sizeof line);
    (void)buf_add_str(&out, "orionctl: ");
    (void)text_add(&out, span_str(text), TEXT_NO_LIMIT);
    (void)buf_add_str(&out, "\n");
    (void)write_all(STDERR_FILENO, out.ptr, out.len);
}

int ctl_fail(int rc, const struct err *err)
{
    if (rc == -EINTR)
        return CLI_EXIT_INTERRUPTED;
    ctl_tell("%s", err->msg);
    switch (-rc) {
    case EINVAL:
    case EFBIG:
    case ENAMETOOLONG:
        return CLI_EXIT_USAGE;
    case ENOENT:
        return CLI_EXIT_NOT_FOUND;
    case ETIME:
        return CLI_EXIT_TIMEOUT;
    case ECANCELED:
        return CLI_EXIT_FAILED;
    default:
        return CLI_EXIT_REDIS;
    }
}

bool ctl_write(struct buf *out)
{
    bool ok = write_all(STDOUT_FILENO, buf_span(out).ptr, out->len);

    if (out->failed) {
        ctl_tell("the output was cut: it is larger than %zu bytes, or there is no memory",
                 out->max_bytes);
    }
    ok = ok && !out->failed;
    buf_clear(out);
    return ok;
}

void ctl_terminal_size(size_t *ret_rows, size_t *ret_cols)
{
    struct winsize size = {0};

    *ret_rows = 24;
    *ret_cols = 80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
        *ret_rows = size.ws_row;
        *ret_cols = size.ws_col;
    }
}

int ctl_pause(int64_t ms, struct err *err)
{
    int64_t until_ms = ctl_now_ms() + ms;

    for (;;) {
        int64_t left_ms = until_ms - ctl_now_ms();
        if (signals_stops() > 0)
            return err_set(err, -EINTR, "interrupted");
        if (left_ms <= 0)
            return 0;
        (void)signals_poll(NULL, 0, left_ms);
    }
}

int ctl_request_id(const char *id, struct err *err)
{
    if (request_id_valid(span_str(id)))
        return 0;
    return err_set(err, -EINVAL, "\"%.60s\" is no request id: 1 to %d of A-Z a-z 0-9 . _ : -", id,
                   REQUEST_ID_MAX);
}

int ctl_node_id(const char *id, struct err *err)
{
    if (node_id_valid(span_str(id)))
        return 0;
    return err_set(err, -EINVAL, "\"%.60s\" is no node id: 1 to %d of A-Z a-z 0-9 . _ -", id,
                   NODE_ID_MAX);
}
