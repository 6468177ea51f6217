#ifndef TESTS_UNIT_CTL_MADE_H
#define TESTS_UNIT_CTL_MADE_H

/* Replies of Redis made of JSON, and screens compared with files, for the tests of orionctl.
 * Header only. */

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/file.h"
#include "common/json.h"

#include "test.h"

static inline void made_add(struct buf *out, struct span value)
{
    struct json_iter it;
    size_t n = 0;

    if (json_type(value) == JSON_ARRAY) {
        for (json_begin(&it, value); json_next(&it);)
            n++;
        (void)buf_add_fmt(out, "*%zu\r\n", n);
        for (json_begin(&it, value); json_next(&it);)
            made_add(out, it.value);
    } else if (json_type(value) == JSON_STRING) {
        char *text = calloc(1, value.len + 1);
        assert_true(json_string_decode(value, text, value.len));
        (void)buf_add_fmt(out, "$%zu\r\n", strlen(text));
        (void)buf_add_str(out, text);
        (void)buf_add_str(out, "\r\n");
        free(text);
    } else {
        (void)buf_add_fmt(out, ":%.*s\r\n", (int)value.len, value.ptr);
    }
}

/* A reply of nested arrays, strings and integers. In `json` a ' stands for a ", and ` for a ' . */
static inline redisReply *made(const char *json)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    struct buf text, resp;
    struct err err;

    buf_init(&text, 1 << 20);
    buf_init(&resp, 1 << 20);
    (void)buf_add_str(&text, json);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\'')
            text.ptr[i] = '"';
        else if (text.ptr[i] == '`')
            text.ptr[i] = '\'';
    }
    if (json_check(buf_span(&text), &err) < 0)
        fail_msg("%s: %s", err.msg, json);
    made_add(&resp, span_trim(buf_span(&text)));
    assert_int_equal(redisReaderFeed(reader, resp.ptr, resp.len), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    buf_done(&text);
    buf_done(&resp);
    return reply;
}

/* Compares with tests/golden/ctl/NAME; with ORION_GOLDEN_WRITE in the environment it is written. */
static inline void golden_check(const char *name, const struct buf *out)
{
    char path[256];
    struct buf wanted;
    struct err err;

    assert_false(out->failed);
    (void)snprintf(path, sizeof path, "tests/golden/ctl/%s", name);
    if (getenv("ORION_GOLDEN_WRITE")) {
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        assert_int_equal(fwrite(out->ptr, 1, out->len, f), out->len);
        assert_int_equal(fclose(f), 0);
    }
    buf_init(&wanted, 1 << 20);
    if (file_read(path, &wanted, &err) < 0)
        fail_msg("%s", err.msg);
    if (wanted.len != out->len || memcmp(wanted.ptr, out->ptr, out->len) != 0)
        fail_msg("%s is not\n%.*s", path, (int)out->len, out->ptr);
    buf_done(&wanted);
}

/* No line is longer, and nothing in it steers a terminal (colours aside). */
static inline void screen_check(const struct buf *out, size_t rows, size_t cols)
{
    size_t lines = 1, col = 0;

    for (size_t i = 0; i < out->len; i++) {
        unsigned char c = (unsigned char)out->ptr[i];
        col = c == '\n' ? 0 : col + ((c & 0xc0) != 0x80);
        lines += c == '\n';
        if (col > cols)
            fail_msg("line %zu is longer than %zu: %.*s", lines, cols, (int)out->len, out->ptr);
        assert_true(c == '\n' || c >= ' ');
        assert_int_not_equal(c, 0x7f);
    }
    if (rows)
        assert_int_equal(lines, rows);
}

#endif
