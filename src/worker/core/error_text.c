#include "error_text.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"

/* Longest string that is decoded; a longer one is shown with its escapes left in. */
#define DECODE_MAX 4096

/* Bytes of the UTF-8 character at the front of s (len > 0), 0 if there is none. */
static size_t utf8_len(struct span s)
{
    unsigned char lead = (unsigned char)s.ptr[0];
    size_t len = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;

    return len <= s.len && span_is_utf8((struct span){s.ptr, len}) ? len : 0;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* One line of UTF-8; blanks at its ends are left out. */
static void add_clean(struct span text, char *ret, size_t cap)
{
    size_t len = 0;

    while (text.len > 0) {
        size_t n = utf8_len(text);
        size_t used = n > 0 ? n : 1;
        if (len + used + 1 > cap)
            break;
        if (n == 0) {
            ret[len] = '?';
        } else if (is_control(text.ptr[0])) {
            ret[len] = ' ';
        } else {
            memcpy(ret + len, text.ptr, n);
        }
        if (len > 0 || ret[0] != ' ')
            len += used;
        text.ptr += used;
        text.len -= used;
    }
    while (len > 0 && ret[len - 1] == ' ')
        len--;
    ret[len] = '\0';
}

/* The raw value that holds the sentence; {NULL, 0} if the body is no JSON with an error in it. */
static struct span find_error(struct span body)
{
    struct err why;
    struct span none = {NULL, 0};

    if (body.len == 0 || json_check(body, &why) < 0)
        return none;
    struct span error = json_get(body, "error");
    struct span message = json_get(error, "message");
    return message.ptr ? message : error;
}

void error_text(struct span body, char *ret, size_t cap)
{
    char decoded[DECODE_MAX];
    struct span error = find_error(body);

    assert(cap >= 1);
    if (!error.ptr) {
        add_clean(body, ret, cap);
    } else if (json_string_decode(error, decoded, sizeof decoded)) {
        add_clean(span_str(decoded), ret, cap);
    } else if (json_type(error) == JSON_STRING) {
        add_clean(json_string_raw(error), ret, cap);
    } else {
        add_clean(error, ret, cap);
    }
}
