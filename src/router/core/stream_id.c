#include "stream_id.h"

#include <string.h>

/* Decimal digits up to the end or to '-'; false if there are none or the number passes 64 bits. */
static bool number_take(struct span *text, uint64_t *ret)
{
    uint64_t value = 0;
    size_t i = 0;

    for (; i < text->len && text->ptr[i] >= '0' && text->ptr[i] <= '9'; i++) {
        uint64_t digit = (uint64_t)(text->ptr[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (i == 0)
        return false;
    text->ptr += i;
    text->len -= i;
    *ret = value;
    return true;
}

bool stream_id_parse(struct span text, struct stream_id *ret)
{
    struct stream_id id;

    if (!number_take(&text, &id.ms) || text.len == 0 || text.ptr[0] != '-')
        return false;
    text.ptr++;
    text.len--;
    if (!number_take(&text, &id.seq) || text.len != 0)
        return false;
    *ret = id;
    return true;
}

const char *stream_id_text(struct stream_id id, char buf[static STREAM_ID_MAX + 1])
{
    char number[SPAN_NUMBER_MAX];
    size_t len = span_u64_text(id.ms, number);

    memcpy(buf, number, len);
    buf[len++] = '-';
    memcpy(buf + len, number, span_u64_text(id.seq, number) + 1);
    return buf;
}

int stream_id_compare(struct stream_id a, struct stream_id b)
{
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    if (a.seq != b.seq)
        return a.seq < b.seq ? -1 : 1;
    return 0;
}
