#ifndef COMMON_ERR_H
#define COMMON_ERR_H

/*
 * One error, in words, for the person who will read the log line.
 *
 * A function that can fail for reasons a person must understand takes a `struct err *err` as its
 * last parameter. On failure it fills the message and returns a negative errno value; on success it
 * leaves `err` alone. Nothing is allocated, so there is nothing to free. `err` is never NULL.
 *
 * The message names the thing, quotes the offending text and says what would have been right. It is
 * a sentence without "Error:" in front and without a full stop at the end.
 */
struct err {
    char msg[256];
};

/* Formats the message (truncating it if need be) and returns `code`, so a caller can write
 * `return err_set(err, -EINVAL, "...")`. `code` must be negative. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
