#include "common/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAP_MIN 256u

static unsigned long shortages;

unsigned long buf_shortages(void)
{
    return shortages;
}

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf){.max_bytes = max_bytes};
}

void buf_done(struct buf *buf)
{
    free(buf->ptr);
    buf_init(buf, buf->max_bytes);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

/* Makes cap at least `need` (at most max_bytes), and twice as large if that is allowed. */
static bool grow(struct buf *buf, size_t need)
{
    size_t cap = buf->cap <= buf->max_bytes / 2 ? buf->cap * 2 : buf->max_bytes;

    cap = cap < CAP_MIN ? CAP_MIN : cap;
    cap = cap > buf->max_bytes ? buf->max_bytes : cap;
    cap = cap < need ? need : cap;
    char *ptr = realloc(buf->ptr, cap);
    if (!ptr) {
        shortages++;
        return false;
    }
    buf->ptr = ptr;
    buf->cap = cap;
    return true;
}

/* Room for `more` bytes behind len; sets `failed` if that is refused. */
static bool reserve(struct buf *buf, size_t more)
{
    buf->failed = buf->failed || more > buf->max_bytes - buf->len ||
                  (more > buf->cap - buf->len && !grow(buf, buf->len + more));
    return !buf->failed;
}

bool buf_add(struct buf *buf, const void *bytes, size_t len)
{
    if (!reserve(buf, len))
        return false;
    if (len > 0)
        memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
    return true;
}

bool buf_add_span(struct buf *buf, struct span s)
{
    return buf_add(buf, s.ptr, s.len);
}

bool buf_add_str(struct buf *buf, const char *text)
{
    return buf_add(buf, text, strlen(text));
}

bool buf_add_fmt(struct buf *buf, const char *fmt, ...)
{
    va_list ap;
    char small[256];

    va_start(ap, fmt);
    int len = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    assert(len >= 0);
    if ((size_t)len < sizeof small)
        return buf_add(buf, small, (size_t)len);

    char *large = (size_t)len > buf->max_bytes ? NULL : malloc((size_t)len + 1);
    if (!large) {
        shortages += (size_t)len <= buf->max_bytes;
        buf->failed = true;
        return false;
    }
    va_start(ap, fmt);
    (void)vsnprintf(large, (size_t)len + 1, fmt, ap);
    va_end(ap);
    bool ok = buf_add(buf, large, (size_t)len);
    free(large);
    return ok;
}

/* What JSON wants instead of this byte; "" if it may stand as it is. */
static const char *json_escape(unsigned char byte, char text[7])
{
    switch (byte) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        if (byte >= ' ')
            return "";
        (void)snprintf(text, 7, "\\u%04x", byte);
        return text;
    }
}

bool buf_add_json_str(struct buf *buf, struct span s)
{
    size_t from = 0;

    (void)buf_add(buf, "\"", 1);
    for (size_t i = 0; i < s.len; i++) {
        char text[7];
        const char *escape = json_escape((unsigned char)s.ptr[i], text);
        if (escape[0] == '\0')
            continue;
        (void)buf_add(buf, s.ptr + from, i - from);
        (void)buf_add_str(buf, escape);
        from = i + 1;
    }
    (void)buf_add(buf, s.len ? s.ptr + from : NULL, s.len - from);
    return buf_add(buf, "\"", 1);
}

void buf_drop_front(struct buf *buf, size_t n)
{
    assert(n <= buf->len);
    if (n > 0 && n < buf->len)
        memmove(buf->ptr, buf->ptr + n, buf->len - n);
    buf->len -= n;
}

struct span buf_span(const struct buf *buf)
{
    return (struct span){buf->ptr ? buf->ptr : "", buf->len};
}
