#include "json_out.h"

#include <inttypes.h>

#include "common/err.h"
#include "common/json.h"

#include "text.h"

static void begin(struct buf *out)
{
    char last = '\n';

    if (out->len > 0)
        last = out->ptr[out->len - 1];
    if (last != '{' && last != '[' && last != '\n')
        (void)buf_add_str(out, ",");
}

static void add_name(struct buf *out, const char *name)
{
    begin(out);
    if (name)
        (void)buf_add_fmt(out, "\"%s\":", name);
}

void json_out_open(struct buf *out, const char *name, char bracket)
{
    add_name(out, name);
    (void)buf_add(out, &bracket, 1);
}

void json_out_close(struct buf *out, char bracket)
{
    (void)buf_add(out, &bracket, 1);
}

void json_out_text(struct buf *out, const char *name, struct span text)
{
    add_name(out, name);
    if (text.ptr) {
        text_add_json(out, text);
    } else {
        (void)buf_add_str(out, "null");
    }
}

void json_out_str(struct buf *out, const char *name, const char *text)
{
    json_out_text(out, name, text && text[0] ? span_str(text) : (struct span){NULL, 0});
}

void json_out_i64(struct buf *out, const char *name, int64_t value)
{
    add_name(out, name);
    (void)buf_add_fmt(out, "%" PRId64, value);
}

void json_out_count(struct buf *out, const char *name, int64_t value)
{
    if (value >= 0) {
        json_out_i64(out, name, value);
    } else {
        json_out_raw(out, name, (struct span){NULL, 0});
    }
}

void json_out_bool(struct buf *out, const char *name, bool value)
{
    add_name(out, name);
    (void)buf_add_str(out, value ? "true" : "false");
}

void json_out_decimal(struct buf *out, const char *name, double value)
{
    add_name(out, name);
    (void)buf_add_fmt(out, "%.3f", value);
}

void json_out_raw(struct buf *out, const char *name, struct span json)
{
    add_name(out, name);
    if (json.ptr) {
        text_add_raw_json(out, span_trim(json));
    } else {
        (void)buf_add_str(out, "null");
    }
}

void json_out_json_or_text(struct buf *out, const char *name, struct span text)
{
    struct err err;

    if (text.ptr && json_check(text, &err) == 0) {
        json_out_raw(out, name, text);
    } else {
        json_out_text(out, name, text);
    }
}

void json_out_text_named(struct buf *out, struct span name, struct span text)
{
    begin(out);
    text_add_json(out, name);
    (void)buf_add_str(out, ":");
    text_add_json(out, text);
}
