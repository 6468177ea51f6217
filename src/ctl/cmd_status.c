#include <errno.h>

#include "common/buf.h"
#include "common/err.h"

#include "ctl.h"
#include "ctl_look.h"
#include "fleet_view.h"

#define STATUS_MAX_BYTES ((size_t)64 << 20)

int cmd_status(struct ctl *ctl)
{
    struct look *look = look_new();
    struct err err;
    struct buf out;
    int status, rc = look_fleet(look, ctl, &err);

    buf_init(&out, STATUS_MAX_BYTES);
    if (rc < 0) {
        status = ctl_fail(rc, &err);
    } else {
        const struct fleet_seen *fleet = look_seen(look);
        if (ctl->json) {
            fleet_status_json(fleet, ctl->config.redis, ctl->config.prefix, &out);
        } else {
            fleet_status(fleet, ctl->config.redis, ctl->config.prefix, ctl->cols, ctl->color, &out);
        }
        status = ctl_write(&out) && fleet_serves(fleet) ? CLI_EXIT_OK : CLI_EXIT_FAILED;
    }
    buf_done(&out);
    look_free(look);
    return status;
}
