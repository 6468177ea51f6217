/* Any bytes as a client's fields: taken or refused with a sentence that can go into a reply. */

#include <assert.h>
#include <stdint.h>

#include "common/err.h"
#include "common/json.h"
#include "common/request_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int (*checker)(struct span, struct err *), struct span text)
{
    struct err err = {.msg = ""};

    if (checker(text, &err) < 0)
        assert(err.msg[0] != '\0' && span_is_utf8(span_str(err.msg)));
    else
        assert(err.msg[0] == '\0' && span_is_utf8(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};

    check(request_check_messages, text);
    check(request_check_prompt, text);
    check(request_check_input, text);
    check(request_check_params, text);
    return 0;
}
