#ifndef COMMON_BUF_H
#define COMMON_BUF_H

/*
 * A growing byte buffer with a hard cap. For everything whose size somebody outside chooses.
 *
 * Appending past `max_bytes` fails and leaves what was there; running out of memory fails the same
 * way: both are the failure of that one request, never of the daemon. Once an append has failed,
 * `failed` stays true and later appends do nothing until buf_clear(), so that a caller may append a
 * dozen times and look once.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/span.h"

struct buf {
    char *ptr;        /* owned; NULL while empty and never grown */
    size_t len;       /* bytes used */
    size_t cap;       /* bytes allocated */
    size_t max_bytes; /* len never exceeds this */
    bool failed;      /* an append was refused: too large, or no memory */
};

/* An empty buffer that holds at most max_bytes. Allocates nothing. */
void buf_init(struct buf *buf, size_t max_bytes);

/* Frees the memory; may be called twice. The buffer is then as after buf_init(). */
void buf_done(struct buf *buf);

/* Empties it and clears `failed`; keeps the memory for reuse. */
void buf_clear(struct buf *buf);

/* Append; false if refused (see above). The bytes may not lie inside this buffer. */
bool buf_add(struct buf *buf, const void *bytes, size_t len);
bool buf_add_span(struct buf *buf, struct span s);
bool buf_add_str(struct buf *buf, const char *text);
bool buf_add_fmt(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Appends `s` as a JSON string with its quotes, escaping what JSON requires. `s` must be UTF-8. */
bool buf_add_json_str(struct buf *buf, struct span s);

/* Removes the first n bytes (n <= len). */
void buf_drop_front(struct buf *buf, size_t n);

/* How often memory was refused to any buffer since the process began. A caller that compares it
 * before and after knows whether an append failed for want of memory, which another node may have,
 * or because the content is too large. */
unsigned long buf_shortages(void);

/* The contents, borrowed until the next change. */
struct span buf_span(const struct buf *buf);

#endif
