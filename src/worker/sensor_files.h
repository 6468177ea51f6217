#ifndef WORKER_SENSOR_FILES_H
#define WORKER_SENSOR_FILES_H

/*
 * Reads small files of /proc and /sys, and finds directories there by what a file inside them says.
 * Shell. Never blocks on a FIFO or device, allocates nothing that grows, never logs: whatever
 * cannot be read is absent, and kernels answer EINVAL, EAGAIN, ENODATA or EIO for "no value this
 * time".
 */

#include <stdbool.h>

#include "common/span.h"

#define SENSOR_PATH_MAX 1024 /* bytes of any path, with NUL; longer ones count as absent */
#define SENSOR_FILE_MAX 4096 /* bytes read of a file; a last line cut by this is left out */
#define SENSOR_DIR_MAX  1024 /* entries looked at in one directory */

struct sensor_file {
    char bytes[SENSOR_FILE_MAX];
};

/* Reads a regular file. True with *ret_text borrowed from *file; false, output left alone, if it is
 * absent, unreadable, not regular, or one line longer than SENSOR_FILE_MAX. */
bool sensor_file_read(const char *path, struct sensor_file *file, struct span *ret_text);

/* Does this label (without white space around it) name what is looked for? */
typedef bool sensor_match(struct span label);

/*
 * Looks through dir for entries called `prefix` and a number (thermal_zone0, hwmon3) and picks the
 * lowest number whose file `label_file` satisfies `match`. True with its path in ret_path, which
 * has SENSOR_PATH_MAX bytes; false, output left alone, if there is none.
 */
bool sensor_find(const char *dir, const char *prefix, const char *label_file, sensor_match *match,
                 char *ret_path);

/* Joins two parts of a path with a slash. False if path (SENSOR_PATH_MAX bytes) is too small; it is
 * then not to be used. */
bool sensor_path_join(char *path, const char *dir, const char *name);

/* Called for each entry of a directory, with the whole path; returns true to stop. */
typedef bool sensor_visit(const char *path, const char *name, void *arg);

/* Visits at most SENSOR_DIR_MAX entries in no order, "." and ".." left out. True if `visit` stopped
 * it. */
bool sensor_dir_visit(const char *dir, sensor_visit *visit, void *arg);

#endif
