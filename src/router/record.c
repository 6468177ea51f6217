#include "record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"

#include "router_state.h"

static void end(struct router *router, const char *why)
{
    log_err("event=record_ended why=\"%s\"", why);
    record_close(router);
}

static void on_line(const char *line, size_t len, void *arg)
{
    struct router *router = arg;
    struct record *record = &router->record;

    if (!record->file)
        return;
    if (record->bytes + len + 1 > RECORD_MAX_BYTES) {
        end(router, "it has reached 1 GiB");
        return;
    }
    record->bytes += len + 1;
    if (fwrite(line, 1, len, record->file) != len || fputc('\n', record->file) == EOF)
        end(router, strerror(errno));
}

bool record_open(struct router *router, const char *path)
{
    struct record *record = &router->record;

    record->file = fopen(path, "wxe");
    if (!record->file) {
        log_err("event=record_failed file=%s why=\"%s\"", path, strerror(errno));
        return false;
    }
    record->tap = (struct tap){on_line, router};
    return true;
}

void record_begin(struct router *router)
{
    if (router->record.file)
        policy_tap(router->policy, &router->record.tap);
}

void record_flush(struct router *router)
{
    if (router->record.file && fflush(router->record.file) != 0)
        end(router, strerror(errno));
}

void record_close(struct router *router)
{
    struct record *record = &router->record;

    if (!record->file)
        return;
    if (router->policy)
        policy_tap(router->policy, NULL);
    (void)fclose(record->file);
    record->file = NULL;
}
