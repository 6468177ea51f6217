/* Commands that are not there yet. */
#include "ctl.h"

static int todo(void)
{
    ctl_tell("this command is not there yet");
    return CLI_EXIT_FAILED;
}

/* clang-format off */
#define TODO(name) int cmd_##name(struct ctl *ctl) { (void)ctl; return todo(); }
TODO(status) TODO(top) TODO(submit) TODO(wait) TODO(cancel) TODO(explain) TODO(events) TODO(drain)
TODO(undrain) TODO(forget) TODO(dead_list) TODO(dead_show) TODO(dead_retry) TODO(dead_purge)
TODO(preload) TODO(bench) TODO(doctor)
