#ifndef COMMON_FILE_H
#define COMMON_FILE_H

/* Small files, whole. Blocks for as long as the file system does. */

struct buf;
struct err;

/* Appends the whole file to `buf`. Returns 0, or a negative errno value with "PATH: reason" in
 * *err: what open() and read() say, -EFBIG if it is longer than buf's max_bytes allows, -ENOMEM.
 * The buffer then holds part of the file. */
int file_read(const char *path, struct buf *buf, struct err *err);

#endif
