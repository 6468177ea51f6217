/* Any bytes as the file of `orionctl submit --file`, as its text, and as its command line. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"
#include "common/keys.h"

#include "ask.h"
#include "cli.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void command_line(const uint8_t *data, size_t size)
{
    static char copy[4096];
    char *argv[80];
    int argc = 1;
    struct cli cli;
    struct err err = {.msg = ""};

    size = size < sizeof copy - 1 ? size : sizeof copy - 1;
    memcpy(copy, data, size);
    copy[size] = '\0';
    argv[0] = copy;
    for (size_t i = 0; i < size && argc < 79; i++) { /* newlines part arguments */
        if (copy[i] == '\n' || i == 0)
            argv[argc++] = copy + i + (copy[i] == '\n');
        if (copy[i] == '\n')
            copy[i] = '\0';
    }
    argv[argc] = NULL;
    int rc = cli_parse(argc, argv, &cli, &err);
    assert(rc == 0 ? cli.command != NULL : err.msg[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = {(const char *)data, size};
    struct ask ask;
    struct err err = {.msg = ""};

    ask_init(&ask);
    if (ask_from_json(&ask, bytes, &err) == 0) {
        (void)ask_check(&ask, &err);
    } else {
        assert(err.msg[0] != '\0');
    }
    if (ask_text(&ask, ASK_CHAT, bytes, "system", &err) == 0)
        assert(json_check(ask_get(&ask, FIELD_MESSAGES), &err) == 0);
    ask_done(&ask);
    command_line(data, size);
    return 0;
}
