#ifndef TESTS_UNIT_CAPTURE_H
#define TESTS_UNIT_CAPTURE_H

/* What a piece of code writes to stdout or stderr, through a temporary file. Header only. */

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct capture {
    int fd;    /* 1 or 2 */
    int saved; /* where it pointed before */
    int file;  /* unlinked temporary file */
};

static inline void capture_start(struct capture *capture, int fd)
{
    char path[] = "/tmp/capture-XXXXXX";

    (void)fflush(NULL);
    capture->fd = fd;
    capture->saved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    capture->file = mkstemp(path);
    assert(capture->saved >= 0 && capture->file >= 0);
    (void)unlink(path);
    (void)dup2(capture->file, fd);
}

/* Restores the descriptor; writes what was captured, with NUL, into buf. */
static inline void capture_end(struct capture *capture, char *buf, size_t cap)
{
    (void)fflush(NULL);
    (void)dup2(capture->saved, capture->fd);
    (void)close(capture->saved);
    ssize_t n = pread(capture->file, buf, cap - 1, 0);
    assert(n >= 0);
    buf[n] = '\0';
    (void)close(capture->file);
}

#endif
