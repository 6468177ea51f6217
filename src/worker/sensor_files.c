#include "sensor_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes read, or -1. */
static ssize_t read_all(int fd, char *bytes, size_t cap)
{
    size_t len = 0;

    while (len < cap) {
        ssize_t n = read(fd, bytes + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static bool is_regular(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

bool sensor_file_read(const char *path, struct sensor_file *file, struct span *ret_text)
{
    /* O_NONBLOCK: opening a FIFO for reading then returns at once, and fstat() refuses it. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return false;

    ssize_t n = is_regular(fd) ? read_all(fd, file->bytes, sizeof file->bytes) : -1;
    (void)close(fd);
    if (n < 0)
        return false;

    size_t len = (size_t)n;
    if (len == sizeof file->bytes) {
        const char *newline = memrchr(file->bytes, '\n', len);
        if (!newline)
            return false;
        len = (size_t)(newline - file->bytes) + 1;
    }
    *ret_text = (struct span){file->bytes, len};
    return true;
}

bool sensor_path_join(char *path, const char *dir, const char *name)
{
    int n = snprintf(path, SENSOR_PATH_MAX, "%s/%s", dir, name);

    return n > 0 && n < SENSOR_PATH_MAX;
}

bool sensor_dir_visit(const char *dir, sensor_visit *visit, void *arg)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    DIR *stream = fdopendir(fd);
    if (!stream) {
        (void)close(fd);
        return false;
    }

    bool stopped = false;
    for (int i = 0; i < SENSOR_DIR_MAX && !stopped; i++) {
        const struct dirent *entry = readdir(stream);
        char path[SENSOR_PATH_MAX];
        if (!entry)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (sensor_path_join(path, dir, entry->d_name))
            stopped = visit(path, entry->d_name, arg);
    }
    (void)closedir(stream);
    return stopped;
}

/* The number behind `prefix`, or -1 if name is anything else. */
static long entry_number(const char *name, const char *prefix)
{
    size_t len = strlen(prefix);
    int64_t number = 0;

    if (strncmp(name, prefix, len) != 0 || !span_to_i64(span_str(name + len), &number) ||
        number > INT_MAX)
        return -1;
    return (long)number;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\0';
}

static struct span trim(struct span s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

struct search {
    const char *prefix;
    const char *label_file;
    sensor_match *match;
    char *ret_path;
    long best; /* -1 = none yet */
};

static bool visit_candidate(const char *path, const char *name, void *arg)
{
    struct search *search = arg;
    long number = entry_number(name, search->prefix);
    char label_path[SENSOR_PATH_MAX];
    struct sensor_file file;
    struct span label;

    if (number < 0 || (search->best >= 0 && number >= search->best))
        return false;
    if (!sensor_path_join(label_path, path, search->label_file) ||
        !sensor_file_read(label_path, &file, &label) || !search->match(trim(label)))
        return false;

    search->best = number;
    (void)snprintf(search->ret_path, SENSOR_PATH_MAX, "%s", path);
    return false;
}

bool sensor_find(const char *dir, const char *prefix, const char *label_file, sensor_match *match,
                 char *ret_path)
{
    struct search search = {prefix, label_file, match, NULL, -1};

    search.ret_path = ret_path;
    (void)sensor_dir_visit(dir, visit_candidate, &search);
    return search.best >= 0;
}
