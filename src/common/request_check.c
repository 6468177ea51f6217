#include "common/request_check.h"

#include <errno.h>
#include <stddef.h>

#include "common/err.h"
#include "common/json.h"

/* What params may not set; protocol section 2. */
static const char *const owned_fields[] = {"model", "stream", "messages", "prompt", "input"};

static int check_json(struct span text, const char *field, const char *wanted, struct err *err)
{
    struct err why = {.msg = ""};

    if (text.len == 0)
        return err_set(err, -EINVAL, "%s is empty; it must be %s", field, wanted);
    if (json_check(text, &why) < 0)
        return err_set(err, -EINVAL, "%s is not JSON (%s); it must be %s", field, why.msg, wanted);
    return 0;
}

int request_check_messages(struct span messages, struct err *err)
{
    const char *wanted = "a JSON array such as [{\"role\":\"user\",\"content\":\"Hi\"}]";
    int rc = check_json(messages, "messages", wanted, err);

    if (rc < 0)
        return rc;
    if (json_type(messages) != JSON_ARRAY)
        return err_set(err, -EINVAL, "messages is JSON but no array; it must be %s", wanted);
    return 0;
}

int request_check_prompt(struct span prompt, struct err *err)
{
    if (!span_is_utf8(prompt))
        return err_set(err, -EINVAL, "prompt is not UTF-8; it must be UTF-8 text");
    return 0;
}

int request_check_input(struct span input, struct err *err)
{
    const char *wanted = "a JSON string such as \"text\" or an array of them";
    struct json_iter it;
    size_t n = 0;
    int rc = check_json(input, "input", wanted, err);

    if (rc < 0)
        return rc;
    if (json_type(input) == JSON_STRING)
        return 0;
    if (json_type(input) != JSON_ARRAY)
        return err_set(err, -EINVAL, "input is JSON of another type; it must be %s", wanted);
    for (json_begin(&it, input); json_next(&it); n++) {
        if (json_type(it.value) != JSON_STRING) {
            return err_set(err, -EINVAL, "input: element %zu is no string; it must be %s", n,
                           wanted);
        }
    }
    return 0;
}

const char *request_owned_field(struct span raw_key)
{
    for (size_t i = 0; i < sizeof owned_fields / sizeof owned_fields[0]; i++) {
        if (json_key_matches_go(raw_key, owned_fields[i]))
            return owned_fields[i];
    }
    return NULL;
}

int request_check_params(struct span params, struct err *err)
{
    const char *wanted = "a JSON object such as {\"options\":{\"temperature\":0}}";
    struct json_iter it;
    int rc = check_json(params, "params", wanted, err);

    if (rc < 0)
        return rc;
    if (json_type(params) != JSON_OBJECT)
        return err_set(err, -EINVAL, "params is JSON but no object; it must be %s", wanted);
    for (json_begin(&it, params); json_next(&it);) {
        const char *owned = request_owned_field(it.key);
        if (owned) {
            return err_set(err, -EINVAL,
                           "params may not set '%s', which the fleet sets itself; leave it out and "
                           "use the request's own fields",
                           owned);
        }
    }
    return 0;
}
