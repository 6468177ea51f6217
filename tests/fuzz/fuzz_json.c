/* json: what json_check() accepts can be walked, and the pieces are themselves JSON; what it
 * refuses can be walked without leaving the text. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(struct span part, struct span whole)
{
    return part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

static void use_key(struct span key)
{
    bool exact = key.len == 6 && memcmp(key.ptr, "stream", 6) == 0;

    assert(!exact || json_key_matches_go(key, "stream"));
}

static void use_scalar(struct span value, bool is_valid)
{
    static char text[1 << 16];
    int64_t number;
    bool truth;
    struct span raw = json_string_raw(value);

    if (json_string_decode(value, text, sizeof text)) {
        assert(strlen(text) <= raw.len * 3); /* U+FFFD for one bad byte */
        assert(span_is_utf8(span_str(text)));
    }
    (void)json_to_bool(value, &truth);
    if (json_to_i64(value, &number) && is_valid)
        assert(json_type(value) == JSON_NUMBER);
}

/* Returns the deepest level found. */
static size_t walk(struct span value, bool is_valid, size_t depth)
{
    struct json_iter it;
    struct err err;
    size_t deepest = depth;

    use_scalar(value, is_valid);
    if (depth > JSON_DEPTH_MAX)
        return depth;
    for (json_begin(&it, value); json_next(&it);) {
        assert(is_inside(it.value, value));
        assert(!it.key.ptr || is_inside(it.key, value));
        use_key(it.key);
        assert(!is_valid || json_check(it.value, &err) == 0);
        if (depth < 8 || !is_valid) { /* each level is checked again: keep it cheap */
            size_t below = walk(it.value, is_valid, depth + 1);
            deepest = below > deepest ? below : deepest;
        }
    }
    (void)json_get(value, "model");
    return deepest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1); /* exactly as large, so that ASan sees one byte too far */
    struct span text = {copy, size};
    struct err err;

    if (!copy || size > 1 << 14) {
        free(copy);
        return 0;
    }
    memcpy(copy, data, size);
    bool is_valid = json_check(text, &err) == 0;
    assert(!is_valid || span_is_utf8(text));
    assert(!is_valid || json_type(text) != JSON_NONE);
    assert(walk(text, is_valid, 0) <= JSON_DEPTH_MAX || !is_valid);
    free(copy);
    return 0;
}
