/* Commands that are not there yet. */
#include "ctl.h"

static int todo(void)
{
    ctl_tell("this command is not there yet");
    return CLI_EXIT_FAILED;
}

/* clang-format off */
#define TODO(name) int cmd_##name(struct ctl *ctl) { (void)ctl; return todo(); }
TODO(preload)
