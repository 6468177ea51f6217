/* Any entry of a stream, as hiredis gives it, through everything in orionctl that shows entries. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/reply.h"

#include "bench_stats.h"
#include "happening.h"
#include "life.h"
#include "reply_of.h"
#include "reply_view.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const struct buf *out)
{
    assert(!out->failed && span_is_utf8(buf_span(out)));
    for (size_t i = 0; i < out->len; i++)
        assert(out->ptr[i] == '\n' || ((unsigned char)out->ptr[i] >= ' ' && out->ptr[i] != 0x7f));
}

static void check_json(const struct buf *out)
{
    struct err err;

    check_line(out);
    assert(json_check(buf_span(out), &err) == 0);
}

static void live(const redisReply *entry)
{
    static struct life life;
    static struct bench_stats stats;
    int64_t ms[3];
    struct buf out;

    memset(&life, 0, sizeof life);
    memset(&stats, 0, sizeof stats);
    (void)span_copy(span_str("r1"), life.request_id, sizeof life.request_id);
    life.job = reply_at(entry, 1);
    for (int source = LIFE_QUEUE; source <= LIFE_DEAD; source++)
        (void)life_add(&life, (enum life_source)source, entry);
    life_sort(&life);
    buf_init(&out, 1 << 24);
    life_text(&life, NULL, 80, false, &out);
    check_line(&out);
    buf_clear(&out);
    life_json(&life, &out);
    check_json(&out);
    stats.waits.ms = &ms[0];
    stats.firsts.ms = &ms[1];
    stats.totals.ms = &ms[2];
    bench_ended(&stats, reply_at(entry, 1), 1, 2);
    buf_done(&out);
}

static void show(const redisReply *entry)
{
    struct span id = reply_span(reply_at(entry, 0));
    const struct redisReply *fields = reply_at(entry, 1);
    struct buf out;

    buf_init(&out, 1 << 24);
    happening_line(id, fields, 80, false, &out);
    check_line(&out);
    buf_clear(&out);
    view_entry_json(id, fields, &out);
    check_json(&out);
    buf_clear(&out);
    view_progress(fields, &out);
    view_stats(fields, &out);
    check_line(&out);
    buf_clear(&out);
    view_content(view_field(fields, "response"), &out);
    struct buf shown;
    buf_init(&shown, 1 << 24);
    text_add_lines(&shown, buf_span(&out));
    for (size_t i = 0; i < shown.len; i++)
        assert(shown.ptr[i] == '\n' || shown.ptr[i] == '\t' || (unsigned char)shown.ptr[i] >= ' ');
    buf_done(&shown);
    buf_done(&out);
    live(entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reply_of(data, size, show);
    return 0;
}
