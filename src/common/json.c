#include "common/json.h"

#include <errno.h>
#include <string.h>

#include "common/err.h"

#include "json_text.h"

/* One pass over a whole text. `where` says what was expected at `pos` once something was not. */
struct checker {
    struct span text;
    size_t pos;
    size_t depth;
    const char *expected;
    char closers[JSON_DEPTH_MAX]; /* of the arrays and objects that are open */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* The byte at pos, -1 at the end. */
static int peek(const struct checker *ck)
{
    return ck->pos < ck->text.len ? (unsigned char)ck->text.ptr[ck->pos] : -1;
}

static void skip_blanks(struct checker *ck)
{
    while (ck->pos < ck->text.len && is_blank(ck->text.ptr[ck->pos]))
        ck->pos++;
}

static bool fail(struct checker *ck, const char *expected)
{
    ck->expected = expected;
    return false;
}

static bool check_hex4(struct checker *ck)
{
    for (int i = 0; i < 4; i++, ck->pos++) {
        int c = peek(ck);
        if (!is_digit(c) && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F'))
            return fail(ck, "four hexadecimal digits");
    }
    return true;
}

static bool check_escape(struct checker *ck)
{
    int c = peek(ck);

    if (c <= 0 || !strchr("\"\\/bfnrtu", c))
        return fail(ck, "one of \" \\ / b f n r t u after \\");
    ck->pos++;
    return c != 'u' || check_hex4(ck);
}

/* pos is behind the opening quote. */
static bool check_string(struct checker *ck)
{
    for (;;) {
        ck->pos += span_plain_len((struct span){ck->text.ptr + ck->pos, ck->text.len - ck->pos});
        int c = peek(ck);
        if (c < 0)
            return fail(ck, "'\"'");
        if (c < ' ')
            return fail(ck, "a \\u escape instead of a control character");
        size_t len = span_utf8_len((struct span){ck->text.ptr + ck->pos, ck->text.len - ck->pos});
        if (len == 0)
            return fail(ck, "UTF-8");
        ck->pos += len;
        if (c == '"')
            return true;
        if (c == '\\' && !check_escape(ck))
            return false;
    }
}

static bool check_digits(struct checker *ck)
{
    if (!is_digit(peek(ck)))
        return fail(ck, "a digit");
    while (is_digit(peek(ck)))
        ck->pos++;
    return true;
}

static bool check_number(struct checker *ck)
{
    if (peek(ck) == '-')
        ck->pos++;
    if (peek(ck) == '0') {
        ck->pos++;
    } else if (!check_digits(ck)) {
        return false;
    }
    if (peek(ck) == '.') {
        ck->pos++;
        if (!check_digits(ck))
            return false;
    }
    if (peek(ck) == 'e' || peek(ck) == 'E') {
        ck->pos++;
        if (peek(ck) == '+' || peek(ck) == '-')
            ck->pos++;
        return check_digits(ck);
    }
    return true;
}

static bool check_word(struct checker *ck, const char *word)
{
    size_t len = strlen(word);

    if (ck->text.len - ck->pos < len || memcmp(ck->text.ptr + ck->pos, word, len) != 0)
        return fail(ck, "a value");
    ck->pos += len;
    return true;
}

/* A member's name and its colon. */
static bool check_key(struct checker *ck)
{
    skip_blanks(ck);
    if (peek(ck) != '"')
        return fail(ck, "a name in quotes");
    ck->pos++;
    if (!check_string(ck))
        return false;
    skip_blanks(ck);
    if (peek(ck) != ':')
        return fail(ck, "':'");
    ck->pos++;
    return true;
}

/* pos is at [ or {. Opens it; *ret_empty says that it was also closed. */
static bool check_open(struct checker *ck, bool *ret_empty)
{
    char closer = peek(ck) == '{' ? '}' : ']';

    if (ck->depth == JSON_DEPTH_MAX)
        return fail(ck, "no more than 64 levels of [ and {");
    ck->pos++;
    skip_blanks(ck);
    if (peek(ck) == closer) {
        ck->pos++;
        *ret_empty = true;
        return true;
    }
    *ret_empty = false;
    ck->closers[ck->depth++] = closer;
    return closer == ']' || check_key(ck);
}

/* A value's text up to where another value must follow (*ret_more) or the value has ended. */
static bool check_value(struct checker *ck, bool *ret_more)
{
    bool is_empty;

    *ret_more = false;
    skip_blanks(ck);
    int c = peek(ck);
    if (c == '{' || c == '[') {
        bool ok = check_open(ck, &is_empty);
        *ret_more = ok && !is_empty;
        return ok;
    }
    if (c == '"') {
        ck->pos++;
        return check_string(ck);
    }
    if (c == '-' || is_digit(c))
        return check_number(ck);
    return check_word(ck, c == 't' ? "true" : c == 'f' ? "false" : "null");
}

/* Behind a value: closes what ends here; *ret_more if a comma promises another value. */
static bool check_behind(struct checker *ck, bool *ret_more)
{
    *ret_more = false;
    while (ck->depth > 0) {
        char closer = ck->closers[ck->depth - 1];
        skip_blanks(ck);
        int c = peek(ck);
        if (c == ',') {
            ck->pos++;
            *ret_more = true;
            return closer == ']' || check_key(ck);
        }
        if (c != closer)
            return fail(ck, closer == ']' ? "',' or ']'" : "',' or '}'");
        ck->pos++;
        ck->depth--;
    }
    return true;
}

static bool check_all(struct checker *ck)
{
    bool more;

    do {
        do {
            if (!check_value(ck, &more))
                return false;
        } while (more);
        if (!check_behind(ck, &more))
            return false;
    } while (more);
    skip_blanks(ck);
    return ck->pos == ck->text.len || fail(ck, "nothing more");
}

int json_check(struct span text, struct err *err)
{
    struct checker ck = {.text = text};

    if (check_all(&ck))
        return 0;
    return err_set(err, -EINVAL, "byte %zu: expected %s", ck.pos, ck.expected);
}

enum json_type json_type(struct span value)
{
    size_t i = 0;

    while (i < value.len && is_blank(value.ptr[i]))
        i++;
    if (i == value.len)
        return JSON_NONE;
    switch (value.ptr[i]) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return value.ptr[i] == '-' || is_digit(value.ptr[i]) ? JSON_NUMBER : JSON_NONE;
    }
}

/* --- walking ---------------------------------------------------------------------------------- */

static struct span drop(struct span s, size_t n)
{
    return (struct span){s.ptr + n, s.len - n};
}

static struct span drop_blanks(struct span s)
{
    while (s.len > 0 && is_blank(s.ptr[0]))
        s = drop(s, 1);
    return s;
}

/* Length of the string that s begins with, both quotes included; 0 if it has no end. */
static size_t string_len(struct span s)
{
    for (size_t i = 1; i < s.len; i++) {
        i += span_plain_len(drop(s, i));
        if (i < s.len && s.ptr[i] == '"')
            return i + 1;
        if (i < s.len && s.ptr[i] == '\\')
            i++;
    }
    return 0;
}

/* Length of the array or object that s begins with; 0 if it has no end. */
static size_t nest_len(struct span s)
{
    size_t depth = 0;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '"') {
            size_t len = string_len(drop(s, i));
            if (len == 0)
                return 0;
            i += len - 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* Length of the value that s begins with; 0 if there is none. */
static size_t value_len(struct span s)
{
    size_t i = 0;

    if (s.len == 0)
        return 0;
    if (s.ptr[0] == '"')
        return string_len(s);
    if (s.ptr[0] == '{' || s.ptr[0] == '[')
        return nest_len(s);
    while (i < s.len && !is_blank(s.ptr[i]) && s.ptr[i] != ',' && s.ptr[i] != ']' &&
           s.ptr[i] != '}')
        i++;
    return i;
}

void json_begin(struct json_iter *it, struct span value)
{
    *it = (struct json_iter){0};
    value = drop_blanks(value);
    if (value.len > 0 && (value.ptr[0] == '{' || value.ptr[0] == '[')) {
        it->in_object = value.ptr[0] == '{';
        it->rest = drop(value, 1);
    }
}

/* Takes "name" : from the front of *rest. */
static bool take_key(struct span *rest, struct span *ret_key)
{
    size_t len = rest->len > 0 && rest->ptr[0] == '"' ? string_len(*rest) : 0;

    if (len == 0)
        return false;
    struct span behind = drop_blanks(drop(*rest, len));
    if (behind.len == 0 || behind.ptr[0] != ':')
        return false;
    *ret_key = (struct span){rest->ptr + 1, len - 2};
    *rest = drop_blanks(drop(behind, 1));
    return true;
}

bool json_next(struct json_iter *it)
{
    struct span rest = drop_blanks(it->rest);

    it->rest = (struct span){NULL, 0}; /* stays so unless another member is found */
    if (rest.len > 0 && rest.ptr[0] == ',')
        rest = drop_blanks(drop(rest, 1));
    if (it->in_object && !take_key(&rest, &it->key))
        return false;
    size_t len = value_len(rest);
    if (len == 0)
        return false;
    it->value = (struct span){rest.ptr, len};
    it->rest = drop(rest, len);
    return true;
}

/* Most names are told apart by their first letter. */
static bool key_may_be(struct span raw_key, const char *name)
{
    return raw_key.len == 0 || raw_key.ptr[0] == '\\' || raw_key.ptr[0] == name[0];
}

static bool key_is(struct span raw_key, const char *name)
{
    if (!key_may_be(raw_key, name))
        return false;
    if (!raw_key.ptr || !memchr(raw_key.ptr, '\\', raw_key.len))
        return span_is(raw_key, name);
    for (; raw_key.len > 0; name++) {
        if (json_text_next(&raw_key) != (unsigned char)*name || *name == '\0')
            return false;
    }
    return *name == '\0';
}

struct span json_get(struct span object, const char *name)
{
    struct json_iter it;

    for (json_begin(&it, object); json_next(&it);) {
        if (it.in_object && key_is(it.key, name))
            return it.value;
    }
    return (struct span){NULL, 0};
}

/* Which of the names it is, looked for from `from` on and then from the beginning; n: none. */
static size_t name_of(struct span raw_key, const char *const *names, size_t n, size_t from)
{
    for (size_t k = 0, i = from; k < n; k++, i++) {
        if (i >= n)
            i -= n;
        if (key_may_be(raw_key, names[i]) && key_is(raw_key, names[i]))
            return i;
    }
    return n;
}

/* Members mostly come in the order of the names, so the next one is looked for behind the last. */
void json_get_all(struct span object, const char *const *names, size_t n, struct span *ret)
{
    struct json_iter it;
    size_t from = 0;

    for (size_t i = 0; i < n; i++)
        ret[i] = (struct span){NULL, 0};
    for (json_begin(&it, object); it.in_object && json_next(&it);) {
        size_t i = name_of(it.key, names, n, from);
        if (i == n)
            continue;
        from = i + 1;
        if (!ret[i].ptr)
            ret[i] = it.value;
    }
}
