#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"

static ssize_t read_some(int fd, char *piece, size_t cap)
{
    ssize_t n;

    do {
        n = read(fd, piece, cap);
    } while (n < 0 && errno == EINTR);
    return n;
}

static int read_all(int fd, const char *path, struct buf *buf, struct err *err)
{
    char piece[4096];
    ssize_t n;

    while ((n = read_some(fd, piece, sizeof piece)) > 0) {
        if ((size_t)n > buf->max_bytes - buf->len)
            return err_set(err, -EFBIG, "%s: the file is too large", path);
        if (!buf_add(buf, piece, (size_t)n))
            return err_set(err, -ENOMEM, "%s: out of memory", path);
    }
    return n < 0 ? err_set(err, -errno, "%s: %s", path, strerror(errno)) : 0;
}

int file_read(const char *path, struct buf *buf, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    int rc = read_all(fd, path, buf, err);
    (void)close(fd);
    return rc;
}
