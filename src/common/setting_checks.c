#include "common/setting_checks.h"

#include <errno.h>
#include <string.h>

#include "common/err.h"

int setting_check_prefix(const char *text, struct err *err)
{
    size_t len = strlen(text);

    if (len < 1 || len > SETTING_PREFIX_MAX)
        return err_set(err, -EINVAL, "must have 1 to %d characters", SETTING_PREFIX_MAX);
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return err_set(err, -EINVAL, "must be printable ASCII without blanks");
    }
    return 0;
}

int setting_check_log_level(const char *text, struct err *err)
{
    if (strcmp(text, "error") == 0 || strcmp(text, "warning") == 0 || strcmp(text, "info") == 0 ||
        strcmp(text, "debug") == 0)
        return 0;
    return err_set(err, -EINVAL, "must be error, warning, info or debug");
}

int setting_check_path(const char *text, struct err *err)
{
    if (text[0] == '\0' || text[0] == '/')
        return 0;
    return err_set(err, -EINVAL, "must be an absolute path (beginning with \"/\"), or empty");
}
