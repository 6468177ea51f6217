#ifndef COMMON_SETTING_CHECKS_H
#define COMMON_SETTING_CHECKS_H

/* Checks of text settings that both daemons have (see `check` in struct setting). Pure. Each
 * returns 0, or -EINVAL with what would be right in *err; none of them repeats the text. */

struct err;

int setting_check_prefix(const char *text,
                         struct err *err); /* 1 to 100 printable ASCII, no blanks */
int setting_check_log_level(const char *text, struct err *err); /* error, warning, info, debug */
int setting_check_path(const char *text, struct err *err);      /* empty or absolute */

#define SETTING_PREFIX_MAX 100 /* bytes of `prefix` */

#endif
